#!/usr/bin/env python3
"""Real traffic between namespaces through `weir daemon`, on each kind of port, with rules replaced meanwhile. The counters must
be what the hosts themselves counted, and the kernel between them must know of nothing. Ends with "N passed, N failed, N skipped"."""
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests/kernel")

from packets import ip, udp  # noqa: E402
from tally import check, done  # noqa: E402

WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
TAG = "weir%d" % os.getpid()
A, R, B = TAG + "a", TAG + "r", TAG + "b"
daemons, dirs, namespaces, more = [], [], [], []

NET = """link add eth0 type dummy
link add eth1 type dummy
addr add 10.0.0.1/24 dev eth0
addr add 10.1.0.1/24 dev eth1
addr add fd00::1/64 dev eth0
addr add fd00:1::1/64 dev eth1
link set eth0 up
link set eth1 up
"""
FORWARD = "net.ipv4.ip_forward=1\nnet.ipv6.conf.all.forwarding=1\n"
RULES = """*nat
-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80
-A POSTROUTING -o eth1 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -j ACCEPT
COMMIT
"""


def sh(line, ns=None, ok=True):
    r = subprocess.run((["ip", "netns", "exec", ns] if ns else []) + ["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if ok and r.returncode:
        raise RuntimeError("%s: %s" % (line, r.stdout))
    return r.stdout


def daemon(ns, ports, net=NET, rules=RULES):
    where = tempfile.mkdtemp(prefix="weir-live-")
    dirs.append(where)
    for name, text in (("net.ip", net), ("sysctl.conf", FORWARD), ("rules.v4", rules)):
        if text:
            with open(where + "/" + name, "w", encoding="utf-8") as f:
                f.write(text)
    p = subprocess.Popen(["ip", "netns", "exec", ns, WEIR, "daemon", where, "--socket", where + "/s", *ports, *more], stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    if "serving" not in line:
        raise RuntimeError(line + p.stderr.read())
    daemons.append(p)
    return where + "/s"


def stop():
    while daemons:
        p = daemons.pop()
        p.terminate()
        check("the daemon stops in order", p.wait(timeout=20) == 0, p.stderr.read())
        p.stderr.close()


def tool(sock, *words, stdin=None):
    return subprocess.run([WEIR, "exec", "--socket", sock, "--", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout


class In:
    """The calling thread's new sockets are of this namespace."""

    def __init__(self, ns):
        self.ns = ns

    def __enter__(self):
        import ctypes
        self.libc = ctypes.CDLL(None)
        self.old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        fd = os.open("/run/netns/" + self.ns, os.O_RDONLY)
        self.libc.setns(fd, 0)
        os.close(fd)

    def __exit__(self, *a):
        self.libc.setns(self.old, 0)
        os.close(self.old)


def sock_in(ns, family, kind):
    with In(ns):
        return socket.socket(family, kind)


def transfer(name, client, server, to, port, bind, size=4 << 20, meanwhile=None):
    """Bytes to a server, their hash back."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    ls = sock_in(server, family, socket.SOCK_STREAM)
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind(bind)
    ls.listen(1)
    ls.settimeout(20)
    seen = {}

    def serve():
        try:
            c, seen["peer"] = ls.accept()
            c.settimeout(30)
            h, n = hashlib.sha256(), 0
            while n < size:
                data = c.recv(1 << 16)
                if not data:
                    break
                h.update(data)
                n += len(data)
            c.sendall(h.digest())
            c.close()
        except OSError as e:
            seen["error"] = e

    t = threading.Thread(target=serve)
    t.start()
    got = b""
    data = os.urandom(1 << 16) * (size >> 16)
    try:
        c = sock_in(client, family, socket.SOCK_STREAM)
        c.settimeout(30)
        c.connect((to, port))
        other = threading.Thread(target=meanwhile or (lambda: None))
        other.start()
        c.sendall(data)
        got = c.recv(32)
        c.close()
        other.join()
    except OSError as e:
        seen["client"] = e
    t.join()
    ls.close()
    check(name, got == hashlib.sha256(data).digest(), str(seen))
    return seen.get("peer", ("none",))[0]


def pings(name, ns, to, *options):
    out = sh("ping -c 3 -i 0.2 -W 3 %s %s" % (" ".join(options), to), ns, ok=False)
    check(name, " 3 received" in out, out)


def count(sock, rule):
    m = re.search(r"^\[(\d+):(\d+)\] " + re.escape(rule), tool(sock, "iptables-legacy-save", "-c"), re.M)
    return int(m.group(1)) if m else -1


def world():
    for ns in (A, R, B):
        sh("ip netns add %s; ip -n %s link set lo up" % (ns, ns))
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", R)
    sh("ip -n %s link add eth0 type veth peer name eth0 netns %s; ip -n %s link add eth1 type veth peer name eth0 netns %s" % (R, A, R, B))
    sh("ip -n %s link set eth0 up; ip -n %s link set eth1 up" % (R, R))
    for ns, n4, n6 in ((A, "10.0.0", "fd00"), (B, "10.1.0", "fd00:1")):
        sh("ip link set eth0 up; ip addr add %s.2/24 dev eth0; ip addr add %s::2/64 dev eth0 nodad; ip route add default via %s.1; ip -6 route add default via %s::1" % (n4, n6, n4, n6), ns)


def too_large():
    sh("ip link set eth0 mtu 9000; ip route replace 10.1.0.9/32 via 10.0.0.1 mtu 9000", A)
    sh("ip link set eth0 mtu 9000", R)
    out = sh("ping -c 1 -W 2 -M do -s 3000 10.1.0.2", A, ok=False)
    check("too large a packet is answered", "Frag needed and DF set (mtu = 1500)" in out, out)
    sh("ip link set eth0 mtu 1500; ip route flush cache", A)
    sh("ip link set eth0 mtu 1500", R)


def packet_ports(driver="packet"):
    s = daemon(R, ["--port", "eth0=%s:eth0" % driver, "--port", "eth1=%s:eth1" % driver])
    pings("ping", A, "10.1.0.2")
    pings("ping of IPv6", A, "fd00:1::2")
    pings("ping in fragments", A, "10.1.0.2", "-s", "4000")
    pings("ping of IPv6 in fragments", A, "fd00:1::2", "-s", "4000")
    if driver != "xdp":
        too_large()
    peer = transfer("TCP with MASQUERADE", A, B, "10.1.0.2", 9000, ("10.1.0.2", 9000))
    check("the server sees the router's address", peer == "10.1.0.1", peer)
    transfer("TCP with DNAT", A, B, "10.0.0.1", 8080, ("10.1.0.2", 80))
    transfer("TCP over IPv6", A, B, "fd00:1::2", 9001, ("fd00:1::2", 9001))
    check("what nobody asked for is dropped", "100% packet loss" in sh("ping -c 1 -W 1 10.0.0.2", B, ok=False))

    def reloads():
        for _ in range(10):
            tool(s, "iptables-legacy-restore", "-c", stdin=tool(s, "iptables-legacy-save", "-c"))
            time.sleep(0.05)

    transfer("rules are replaced under way", A, B, "10.1.0.2", 9002, ("10.1.0.2", 9002), 16 << 20, reloads)
    # the counters are the hosts' own
    tool(s, "iptables-legacy", "-Z")
    tool(s, "iptables-legacy", "-I", "FORWARD", "-p", "udp", "-m", "udp", "--dport", "7000")
    u, v = sock_in(A, socket.AF_INET, socket.SOCK_DGRAM), sock_in(B, socket.AF_INET, socket.SOCK_DGRAM)
    v.bind(("10.1.0.2", 7000))
    v.settimeout(1)
    got = 0
    try:
        for i in range(500):
            u.sendto(b"x" * 100, ("10.1.0.2", 7000))
            v.recv(2000)
            got += 1
    except OSError:
        pass
    check("500 datagrams arrive", got == 500, str(got))
    check("500 datagrams are counted", count(s, "-A FORWARD -p udp -m udp --dport 7000") == 500, tool(s, "iptables-legacy-save", "-c"))
    check("conntrack shows them", "dport=7000" in tool(s, "conntrack", "-L", "-p", "udp"))
    check("a connection is ended by hand", "1 flow entries have been deleted" in tool(s, "conntrack", "-D", "-p", "udp", "--dport", "7000"))
    stop()
    check("the kernel between knows no connection", sh("conntrack -L 2>/dev/null", R, ok=False) == "")
    check("the kernel between has no table", sh("cat /proc/net/ip_tables_names", R, ok=False) == "")


def ring_ports():
    packet_ports("ring")


def xdp_ports():
    if "xdp:" not in sh("%s daemon --port eth0=none:" % WEIR, ok=False):
        print("weir was built without AF_XDP")
        return
    packet_ports("xdp")


def tagged_frames():
    """The kernel takes 802.1Q tags out of what packet sockets see; the ports put them back."""
    for driver in ("packet", "ring"):
        s = daemon(R, ["--port", "eth0=%s:eth0" % driver, "--port", "eth1=%s:eth1" % driver],
                   NET + "link add link eth0 name eth0.5 type vlan id 5\nlink set dev eth0.5 up\naddr add 10.5.0.1/24 dev eth0.5\n", "")
        raw = sock_in(A, socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("eth0", 0))
        ear = sock_in(B, socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind(("10.1.0.2", 7001))
        ear.settimeout(3)
        packet = udp(5, 7001, b"tagged")(ip("10.5.0.2", "10.1.0.2"))
        mac = bytes.fromhex(re.search(r"link/ether (\S+)", sh("ip link show eth0", R)).group(1).replace(":", ""))
        raw.send(mac + b"\2\0\0\0\5\5" + b"\x81\0\0\5\x08\0" + packet)
        try:
            got = ear.recvfrom(100)
        except OSError as e:
            got = e
        check("a tagged frame over %s" % driver, got == (b"tagged", ("10.5.0.2", 5)), str(got))
        stop()


# a transparent proxy: whom did its client want to talk to?
PROXY = """
import socket, struct, sys
ls = socket.socket()
ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
ls.bind(("10.0.0.1", 3128))
ls.listen(1)
ls.settimeout(20)
print("ready", flush=True)
c, _ = ls.accept()
port, addr = struct.unpack("!2xH4s8x", c.getsockopt(socket.SOL_IP, 80, 16))
c.sendall(("%s:%d" % (socket.inet_ntoa(addr), port)).encode())
"""


def redirected(s, options):
    tool(s, "iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", "8081", "-j", "REDIRECT", "--to-ports", "3128")
    tool(s, "iptables-legacy", "-I", "INPUT", "-p", "tcp", "--dport", "3128", "-j", "ACCEPT")
    p = subprocess.Popen(["ip", "netns", "exec", R, WEIR, "exec", "--socket", s, *options, "--", sys.executable, "-c", PROXY], stdout=subprocess.PIPE, text=True)
    try:
        p.stdout.readline()
        c = sock_in(A, socket.AF_INET, socket.SOCK_STREAM)
        c.settimeout(10)
        c.connect(("10.1.0.2", 8081))
        got = c.recv(100)
        check("SO_ORIGINAL_DST %s" % options, got == b"10.1.0.2:8081", str(got))
    finally:
        p.communicate(timeout=20)
        tool(s, "iptables-legacy", "-t", "nat", "-F")
        tool(s, "iptables-legacy", "-D", "INPUT", "-p", "tcp", "--dport", "3128", "-j", "ACCEPT")


def local_port():
    s = daemon(R, ["--port", "eth0=packet:eth0", "--port", "eth1=packet:eth1", "--local", "tun:host0"],
               rules="*filter\n:INPUT DROP [0:0]\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n")
    sh("ip link set host0 up; ip addr add 10.0.0.1/32 dev host0; ip route add 10.0.0.0/24 dev host0; ip route add 10.1.0.0/24 dev host0; sysctl -qw net.ipv4.conf.all.rp_filter=0", R)
    pings("the host behind answers", A, "10.0.0.1")
    transfer("a service of the host behind", A, R, "10.0.0.1", 22, ("10.0.0.1", 22))
    transfer("the host behind calls", R, B, "10.1.0.2", 9003, ("10.1.0.2", 9003))
    for options in ([], ["--preload"]):
        redirected(s, options)
    c = sock_in(A, socket.AF_INET, socket.SOCK_STREAM)
    c.settimeout(1.5)
    try:
        c.connect(("10.0.0.1", 23))
        refused = False
    except OSError:
        refused = True
    check("what INPUT drops does not reach it", refused and "policy DROP 0 packets" not in tool(s, "iptables-legacy", "-nvL", "INPUT"))
    stop()


def tap_port():
    s = daemon(R, ["--port", "eth0=tap:tap0", "--port", "eth1=packet:eth1"])
    sh("ip link set tap0 up; ip addr add 10.0.0.9/24 dev tap0; ip route add 10.1.0.0/24 via 10.0.0.1 dev tap0", R)
    pings("ping from a TAP device", R, "10.1.0.2")
    peer = transfer("TCP from a TAP device", R, B, "10.1.0.2", 9004, ("10.1.0.2", 9004))
    check("with NAT", peer == "10.1.0.1", peer)
    check("the connection is there", "src=10.0.0.9" in tool(s, "conntrack", "-L"))
    stop()


def two_workers():
    """The same with threads: each port has its own, the host's side and all control are the daemon's."""
    more.extend(["--workers", "2"])
    try:
        packet_ports()
        local_port()
    finally:
        more.clear()


def unix_port():
    path = tempfile.mktemp(prefix="weir-unix-")
    near = NET.replace("10.1.0.1/24", "10.9.0.1/24").replace("fd00:1::1", "fd00:9::1") + "route add 10.1.0.0/24 via 10.9.0.2\n"
    far = NET.replace("10.0.0.1/24", "10.9.0.2/24").replace("fd00::1", "fd00:9::2") + "route add 10.0.0.0/24 via 10.9.0.1\n"
    daemon(R, ["--port", "eth0=packet:eth0", "--port", "eth1=unix:" + path], near, "")
    daemon(R, ["--port", "eth0=unix:" + path, "--port", "eth1=packet:eth1"], far, "")
    pings("two daemons over a Unix socket", A, "10.1.0.2")
    transfer("TCP through both", A, B, "10.1.0.2", 9005, ("10.1.0.2", 9005))
    stop()


def main():
    need = ["iptables-legacy", "conntrack", "ip", "ping"]
    missing = [x for x in need if not shutil.which(x)]
    if os.geteuid() or missing or not os.path.exists("/dev/net/tun"):
        print("live tests need root, /dev/net/tun and %s" % ", ".join(missing or need))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    try:
        world()
        for part in (packet_ports, ring_ports, xdp_ports, tagged_frames, local_port, tap_port, two_workers, unix_port):
            try:
                part()
            except Exception as e:
                check(part.__name__, False, repr(e))
                for p in daemons:
                    p.kill()
                    p.wait()
                daemons.clear()
    finally:
        for p in daemons:
            p.kill()
        for ns in (A, R, B):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        for d in dirs:
            shutil.rmtree(d, ignore_errors=True)
    return done()


if __name__ == "__main__":
    sys.exit(main())
