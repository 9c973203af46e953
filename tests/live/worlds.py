"""Two routers with the same addresses, interface numbers and rules: the real kernel in a namespace, and `weir daemon`. Frames go
in and come out at two interfaces; a program (netlink_agent.py) has netlink sockets there. A scenario runs on both; what it saw must agree."""
import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
sys.path.insert(0, ROOT + "/tests/kernel")
import packets  # noqa: E402

MACS = ["02:00:00:00:01:01", "02:00:00:00:02:01"]
PEERS = ["02:00:00:00:01:02", "02:00:00:00:02:02"]
INDEX = [2, 3]
LAN, WAN = 0, 1
NET = ["addr add 10.0.0.1/24 dev eth0", "addr add 10.1.0.1/24 dev eth1", "addr add fd00::1/64 dev eth0", "addr add fd00:1::1/64 dev eth1",
       "neigh add 10.0.0.2 lladdr %s dev eth0" % PEERS[0], "neigh add 10.1.0.2 lladdr %s dev eth1" % PEERS[1],
       "neigh add fd00::2 lladdr %s dev eth0" % PEERS[0], "neigh add fd00:1::2 lladdr %s dev eth1" % PEERS[1]]
SYSCTL = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1, "net.ipv4.icmp_ratemask": 0, "net.ipv4.icmp_msgs_per_sec": 10000,
          "net.ipv6.icmp.ratelimit": 0, "net.netfilter.nf_conntrack_acct": 1}
libc = ctypes.CDLL(None, use_errno=True)


class Agent:
    """The program with the netlink sockets; each call waits for its answer."""

    def __init__(self, command):
        self.p = subprocess.Popen(command + [sys.executable, HERE + "/netlink_agent.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *words):
        self.p.stdin.write(json.dumps(words) + "\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError("the agent is gone")
        return json.loads(line)

    def close(self):
        self.p.stdin.close()
        self.p.wait(timeout=20)


class World:
    def frame(self, side, packet):
        kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        return packets.mac(MACS[side]) + packets.mac(PEERS[side]) + struct.pack("!H", kind) + packet

    def frames(self):
        """What has come out since the last time, per side; IPv6's own chatter is left out."""
        time.sleep(self.pause)
        out = []
        for side in (LAN, WAN):
            for f in self.drain(side):
                if f[12:14] == b"\x86\xdd" and f[20] in (0, 58) and f[14 + 40 if f[20] == 58 else -1] in (0, 133, 134, 135, 136, 143):
                    continue
                out.append((side, f))
        return out


class Kernel(World):
    name, pause = "kernel", 0.002

    def __init__(self, rules, rules6="", conntrack=False, sysctl=None):
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        if libc.unshare(0x40000000):
            raise OSError(ctypes.get_errno(), "unshare")
        self.taps = []
        for side in (LAN, WAN):
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(fd, 0x400454DA, struct.pack("i", INDEX[side]))  # TUNSETIFINDEX
            fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"eth%d" % side, 0x1002))
            self.taps.append(fd)
        lines = ["link set lo up"]
        for side in (LAN, WAN):
            lines += ["link set eth%d addrgenmode none" % side, "link set eth%d address %s multicast off arp off" % (side, MACS[side])]
            for key in ("accept_ra", "autoconf", "router_solicitations", "accept_dad"):
                with open("/proc/sys/net/ipv6/conf/eth%d/%s" % (side, key), "w") as f:
                    f.write("0")
            lines.append("link set eth%d up" % side)
        r = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines + NET) + "\n", text=True, capture_output=True)
        if r.returncode:
            raise RuntimeError(r.stderr)
        self.stamps = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stamps.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP: from now on packets are stamped when they arrive
        if conntrack:
            rules = "*raw\n-A PREROUTING -m conntrack --ctstate INVALID\nCOMMIT\n" + rules
        for text, tool in ((rules, "iptables-legacy-restore"), (rules6, "ip6tables-legacy-restore")):
            if text:
                r = subprocess.run([tool], input=text, text=True, capture_output=True)
                if r.returncode:
                    raise RuntimeError(tool + ": " + r.stderr)
        for key, value in dict(SYSCTL, **(sysctl or {})).items():
            with open("/proc/sys/" + key.replace(".", "/"), "w") as f:
                f.write(str(value))
        time.sleep(0.05)
        self.agents = []

    def agent(self):
        self.agents.append(Agent([]))
        return self.agents[-1]

    def run(self, *words):
        r = subprocess.run(words, text=True, capture_output=True)
        return r.returncode, r.stdout + r.stderr

    def send(self, side, packet):
        os.write(self.taps[side], self.frame(side, packet))

    def drain(self, side):
        while True:
            try:
                yield os.read(self.taps[side], 70000)
            except BlockingIOError:
                return

    def close(self):
        for a in self.agents:
            a.close()
        for fd in self.taps:
            os.close(fd)
        self.stamps.close()
        libc.setns(self.home, 0)
        os.close(self.home)


class Weir(World):
    name, pause = "weir", 0.05

    def __init__(self, rules, rules6="", conntrack=False, sysctl=None, weir=WEIR):
        self.dir, self.weir = tempfile.mkdtemp(prefix="weir-queue-"), weir
        if conntrack:
            rules = "*raw\n-A PREROUTING -m conntrack --ctstate INVALID\nCOMMIT\n" + rules
        net = "\n".join("link add eth%d type dummy\nlink set eth%d address %s arp off\nlink set eth%d up" % (s, s, MACS[s], s) for s in (LAN, WAN))
        os.mkdir(self.dir + "/fw")
        for name, text in (("net.ip", net + "\n" + "\n".join(NET) + "\n"), ("rules.v4", rules), ("rules.v6", rules6),
                           ("sysctl.conf", "".join("%s=%s\n" % kv for kv in dict(SYSCTL, **(sysctl or {})).items()))):
            if text:
                with open(self.dir + "/fw/" + name, "w", encoding="utf-8") as f:
                    f.write(text)
        listeners = []
        for side in (LAN, WAN):
            ls = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            ls.bind(self.dir + "/eth%d" % side)
            ls.listen(1)
            listeners.append(ls)
        self.sock = self.dir + "/s"
        self.p = subprocess.Popen([weir, "daemon", self.dir + "/fw", "--socket", self.sock, "--seed", "1", "--port", "eth0=unix:" + self.dir + "/eth0",
                                   "--port", "eth1=unix:" + self.dir + "/eth1"], stderr=subprocess.PIPE, text=True)
        line = self.p.stderr.readline()
        if "serving" not in line:
            raise RuntimeError(line + self.p.stderr.read())
        self.ports = []
        for ls in listeners:
            s, _ = ls.accept()
            s.setblocking(False)
            self.ports.append(s)
            ls.close()
        self.left = [b"", b""]
        self.agents = []

    def agent(self):
        self.agents.append(Agent([self.weir, "exec", "--socket", self.sock, "--"]))
        return self.agents[-1]

    def run(self, *words):
        r = subprocess.run([self.weir, "exec", "--socket", self.sock, "--", *words], text=True, capture_output=True)
        return r.returncode, r.stdout + r.stderr

    def send(self, side, packet):
        f = self.frame(side, packet)
        self.ports[side].sendall(struct.pack("!I", len(f)) + f)
        time.sleep(0.01)

    def drain(self, side):
        data = self.left[side]
        while True:
            try:
                more = self.ports[side].recv(1 << 20)
            except BlockingIOError:
                break
            if not more:
                break
            data += more
        while len(data) >= 4 and len(data) >= 4 + struct.unpack("!I", data[:4])[0]:
            n = struct.unpack("!I", data[:4])[0]
            yield data[4:4 + n]
            data = data[4 + n:]
        self.left[side] = data

    def close(self):
        for a in self.agents:
            a.close()
        for s in self.ports:
            s.close()
        self.p.terminate()
        code = self.p.wait(timeout=20)
        err = self.p.stderr.read()
        self.p.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if code:
            raise RuntimeError("the daemon ended with %d: %s" % (code, err))
