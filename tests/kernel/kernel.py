"""Runs a case on the real kernel, in a network namespace of this process's own (it moves into a new one per case).

Interfaces are TAP devices whose far end is this process: write() returns when the kernel has processed the frame to the
end, so everything that it caused already waits in the queues.
"""
import ctypes
import fcntl
import os
import queue
import re
import socket
import struct
import subprocess
import threading
import time

import sockets
import nfacct
import visible
from case import Close, Do, Seen, Sock
from netlink import Events, Nflog, dump_connections, dump_expectations

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
END_GROUP = 4242

TOOLS = {"iptables": "iptables-legacy", "ip6tables": "ip6tables-legacy", "iptables-restore": "iptables-legacy-restore",
         "ip6tables-restore": "ip6tables-legacy-restore"}

END_CHAIN = """table inet weirend {
 chain e { type filter hook input priority 2147483647; policy accept; %slog group %d; drop; }
%s}
"""


def available():
    """None, or the sentence why the kernel cannot be asked here."""
    if os.geteuid() != 0:
        return "not root: no network namespaces"
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.unshare(CLONE_NEWNET) == 0 and os.path.exists("/dev/net/tun") else 1)
    if os.waitpid(pid, 0)[1] != 0:
        return "network namespaces or /dev/net/tun are not to be had"
    for tool in ("iptables-legacy-restore", "ip6tables-legacy-restore", "nft", "ip", "conntrack"):
        if not any(os.access(os.path.join(d, tool), os.X_OK) for d in os.environ["PATH"].split(":") + ["/usr/sbin", "/sbin"]):
            return "%s is not installed" % tool
    return None


def open_log_switch():
    """LOG lines of namespaces reach /dev/kmsg only with this switch, visible in the initial namespace alone: opened
    before this process leaves it. None where it cannot be had."""
    try:
        return os.open("/proc/sys/net/netfilter/nf_log_all_netns", os.O_RDWR)
    except OSError:
        return None


LOG_SWITCH = open_log_switch()


def run(args, text=None):
    r = subprocess.run(args, input=text, capture_output=True, text=True)
    return r.returncode, r.stdout, r.stderr


def open_tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))  # IFF_TAP | IFF_NO_PI
    return fd


def sysctl_path(key):
    """sysctl names use dots; a dot inside an interface name is written as a slash, as sysctl(8) does."""
    return "/proc/sys/" + key.replace(".", "\0").replace("/", ".").replace("\0", "/")


def write_sysctl(key, value):
    with open(sysctl_path(key), "w") as f:
        f.write(str(value))


INVALID = "net.netfilter.nf_conntrack_log_invalid"


def logs(case):
    return INVALID in case.sysctl or bool(re.search(r"-j (LOG|TRACE)\b|-m osf .*--log", case.v4 + case.v6 + " ".join(i.command for i in case.items if isinstance(i, Do))))


class Kmsg:
    """LOG lines while it is open; one case at a time on this machine (a lock), since lines do not name their namespace."""

    def __init__(self):
        self.lock = open("/tmp/weir-kmsg.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.old = os.pread(LOG_SWITCH, 16, 0).strip()
        os.pwrite(LOG_SWITCH, b"1\n", 0)
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def lines(self):
        while True:
            try:
                rec = os.read(self.fd, 8192)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue
            head, _, text = rec.partition(b";")
            line = text.split(b"\n")[0].decode("latin-1")
            if " OUT=" in line and "IN=" in line:
                level = int(head.split(b",")[0]) & 7
                yield "<%d>%s" % (level, line)

    def close(self):
        os.close(self.fd)
        os.pwrite(LOG_SWITCH, self.old + b"\n", 0)
        self.lock.close()


def close_later(fds):
    while True:
        for fd in fds.get():
            os.close(fd)


class Closer:
    """One thread per process closes what is slow to close; at most 64 namespaces wait for it."""

    def __init__(self):
        self.queue, self.pid = None, 0

    def put(self, fds):
        if self.pid != os.getpid():
            self.pid, self.queue = os.getpid(), queue.Queue(64)
            for _ in range(4):
                threading.Thread(target=close_later, args=(self.queue,), daemon=True).start()
        self.queue.put(fds)


CLOSER = Closer()


def wait_for_addresses():
    """The kernel makes IPv6 addresses usable (their local routes) a moment after it took them."""
    for _ in range(400):
        with open("/proc/thread-self/net/if_inet6") as f:
            taken = [line.split() for line in f]
        with open("/proc/thread-self/net/ipv6_route") as f:
            local = {line[:32] for line in f if line[33:35] == "80"}
        if all(int(a[4], 16) & 0x40 == 0 and a[0] in local for a in taken):
            return
        time.sleep(0.005)


class KernelRun:
    def __init__(self, case):
        self.case = case
        self.seen = Seen()
        self.fds = {}
        self.openers = {}
        self.kmsg = None

    def setup(self):
        case = self.case
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for iface in case.ifaces:
            self.fds[iface.name] = open_tap(iface.name)
        for key in ("net.ipv6.conf.default.accept_ra", "net.ipv6.conf.default.autoconf", "net.ipv6.conf.default.router_solicitations",
                    "net.ipv6.conf.default.accept_dad"):
            write_sysctl(key, 0)
        lines = ["link set lo up"]
        for i in case.ifaces:
            lines += ["link set %s addrgenmode none" % i.name,
                      "link set %s address %s mtu %d %s multicast off group %d" % (i.name, i.mac, i.mtu, "" if i.arp else "arp off", i.group),
                      "link set %s up" % i.name]
            for key in ("accept_ra", "autoconf", "router_solicitations", "accept_dad"):
                write_sysctl("net.ipv6.conf.%s.%s" % (i.name.replace(".", "/"), key), 0)
            write_sysctl("net.ipv4.conf.%s.rp_filter" % i.name.replace(".", "/"), 0)
        # `ip -batch` takes no option in a line: what begins with -6 goes through a batch of its own.
        for option, part in (((), lines + [x for x in case.net if not x.startswith("-6 ")]),
                             (("-6",), [x[3:] for x in case.net if x.startswith("-6 ")])):
            if part:
                code, out, err = run(["ip", *option, "-batch", "-"], "\n".join(part) + "\n")
                if code:
                    self.seen.refused = ("net", err)
                    return
        wait_for_addresses()
        for key, value in case.sysctl.items():
            try:
                write_sysctl(key, value)
            except OSError as e:
                self.seen.refused = ("sysctl", "%s: %s" % (key, e))
                return
        if INVALID not in case.sysctl:  # reasons come through netlink, unless the case asks for lines
            write_sysctl(INVALID, 255)
            for number in (2, 10):
                write_sysctl("net.netfilter.nf_log.%d" % number, "nfnetlink_log")
        track = " chain x {\n ct state new counter\n }\n" if case.conntrack == "on" else ""
        # Where neighbours are asked for, the host answers and learns; everything else ends at the end of LOCAL_IN.
        nd = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } log group %d accept; " % END_GROUP \
            if any(i.arp for i in case.ifaces) else ""
        if case.host:
            nd = "log group %d accept; " % END_GROUP
            self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # somebody takes what arrives, and is silent
            self.udp.bind(("::", 6))
        code, out, err = run(["nft", "-f", "-"], END_CHAIN % (nd, END_GROUP, track))
        if code:
            raise RuntimeError("nft: " + err)
        self.events = Events()
        groups = {0, END_GROUP} | {int(g) for g in re.findall(r"--nflog-group (\d+)", case.v4 + case.v6)}
        self.nflog = Nflog(sorted(groups))
        if "-m osf" in case.v4:  # fingerprints are the machine's: one case at a time, and they go again
            self.osf = open("/tmp/weir-osf.lock", "w")
            fcntl.flock(self.osf, fcntl.LOCK_EX)
        if INVALID in case.sysctl or "-j TRACE" in case.v4 + case.v6 or re.search("-m osf .*--log", case.v4):  # to the log that LOG writes to; reasons for INVALID would follow it there
            write_sysctl(INVALID, int(case.sysctl.get(INVALID, 0)))
            for number, name in ((2, "nf_log_ipv4"), (10, "nf_log_ipv6")):
                write_sysctl("net.netfilter.nf_log.%d" % number, case.sysctl.get("net.netfilter.nf_log.%d" % number, name))
        if logs(case):
            self.kmsg = Kmsg()
        for path in re.findall(r"--path (\S+)", case.v4 + case.v6):
            sockets.make_cgroup(path.strip('"'))
        for line in case.nfct:
            code, out, err = run(["nfct"] + line.split())
            if code:
                raise RuntimeError("nfct: " + err)
        for text, tool in ((case.v4, "iptables-legacy-restore"), (case.v6, "ip6tables-legacy-restore")):
            if text:
                code, out, err = run([tool, "-c"], text)
                if code:
                    self.seen.refused = ("rules", err)
                    return
        self.raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.raw4.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.raw6.setsockopt(41, 36, 1)  # IPV6_HDRINCL
        self.collect(-1)

    def collect(self, item):
        seen = self.seen
        for name, fd in self.fds.items():
            while True:
                try:
                    seen.add("tx", item, (name, os.read(fd, 70000)))
                except BlockingIOError:
                    break
        for line in self.events.lines():
            seen.add("events", item, line)
        for group, prefix, packet in self.nflog.packets():
            if group == END_GROUP:
                seen.add("local", item, packet)
            elif group == 0 and prefix.startswith("nf_ct_") and INVALID not in self.case.sysctl:
                seen.add("invalid", item, prefix)
            else:
                seen.add("nflog", item, (group, prefix, packet))
        if self.kmsg:
            for line in self.kmsg.lines():
                seen.add("log", item, line)

    def send_local(self, packet):
        try:
            if packet[0] >> 4 == 6:
                self.raw6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0, 0, 0))
            else:
                self.raw4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
        except OSError:
            pass  # the verdict shows in what was seen

    def script(self, command):
        words = command.split()
        if words[0] == "sysctl":
            key, _, value = words[-1].partition("=")
            write_sysctl(key, value)
        elif words[0] == "echo":
            run(["sh", "-c", command])
        elif words[0] == "nfacct":
            return nfacct.command(words[1:])
        else:
            return run([TOOLS.get(words[0], words[0])] + words[1:])[1]

    def go(self):
        case, seen = self.case, self.seen
        try:
            self.setup()
            if seen.refused:
                return seen
            last = 0
            for i, item in enumerate(case.items):
                if item.gap:
                    time.sleep(item.gap)
                    self.collect(i - 1)
                data = None
                if not isinstance(item, Do):
                    data = item.data(seen.tx) if callable(item.data) else item.data
                    if data is not None:
                        data = case.frame(item, data)
                now = max(time.time_ns(), last + 1000)
                seen.stamps.append(now)
                seen.datas.append(data)
                last = now
                if isinstance(item, Sock):
                    self.openers[item.name] = sockets.Opener(item)
                elif isinstance(item, Close):
                    self.openers.pop(item.name).close()
                elif isinstance(item, Do):
                    text = self.script(item.command)
                    if item.command.startswith(visible.TELLING):
                        seen.said[i] = text
                elif data is None:
                    pass
                elif item.iface is None and item.sock:
                    self.openers[item.sock].send(data)
                elif item.iface is None:
                    self.send_local(data)
                else:
                    try:
                        os.write(self.fds[item.iface.split(".")[0]], data)
                    except OSError:
                        pass
                self.collect(i)
            seen.connections = dump_connections()
            seen.expectations = dump_expectations()
            seen.files = visible.read("/proc/thread-self/net")
            seen.end = time.time_ns()
            for family, tool in (("4", "iptables-legacy-save"), ("6", "ip6tables-legacy-save")):
                if (case.v4 if family == "4" else case.v6) or any(isinstance(i, Do) and "tables" in i.command for i in case.items):
                    seen.rules[family] = [x for x in run([tool, "-c"])[1].split("\n") if x and x[0] != "#"]
            return seen
        finally:
            self.close()

    def close(self):
        for opener in self.openers.values():
            opener.close()
        # A TAP device takes tens of milliseconds to go: not on this thread's time.
        CLOSER.put(list(self.fds.values()))
        for name in ("events", "nflog", "raw4", "raw6", "udp"):
            if hasattr(self, name):
                getattr(self, name).close()
        if hasattr(self, "osf"):
            for item in self.case.items:
                if isinstance(item, Do) and item.command.startswith("nfnl_osf"):
                    run(item.command.split() + ["-d"])
            self.osf.close()
        if self.kmsg:
            self.kmsg.close()


def run_kernel(case):
    return KernelRun(case).go()
