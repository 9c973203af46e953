#!/usr/bin/env python3
"""The life of a daemon under real traffic: stopped and begun again, killed, taken over by another, given new rules that nobody
confirms. Connections live on, and what is lost is counted. Ends with "N passed, N failed, N skipped"."""
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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tally  # noqa: E402
import traffic_test as t  # noqa: E402
from traffic_test import A, B, R, WEIR, check, sh, sock_in, tool  # noqa: E402

PORTS = ["--port", "eth0=ring:eth0", "--port", "eth1=packet:eth1"]


def begin(where, *options, snapshot=True):
    """A daemon at where/s, and what it said before it served."""
    p = subprocess.Popen(["ip", "netns", "exec", R, WEIR, "daemon", *([where] if snapshot else []), "--socket", where + "/s", *options],
                         stderr=subprocess.PIPE, text=True)
    said = ""
    while "serving" not in said:
        line = p.stderr.readline()
        if not line:
            p.wait()
            raise RuntimeError("daemon: " + said)
        said += line
    t.daemons.append(p)
    return p, said


def end(p, sig=15):
    t.daemons.remove(p)
    p.send_signal(sig)
    code = p.wait(timeout=20)
    p.stderr.close()
    return code


def snapshot(rules=t.RULES):
    where = tempfile.mkdtemp(prefix="weir-live-")
    t.dirs.append(where)
    for name, text in (("net.ip", t.NET), ("sysctl.conf", t.FORWARD + "net.netfilter.nf_conntrack_acct=1\n"), ("rules.v4", rules)):
        with open(where + "/" + name, "w", encoding="utf-8") as f:
            f.write(text)
    return where


def weir(where, *words):
    return subprocess.run([WEIR, *words[:1], "--socket", where + "/s", *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


class Stream(threading.Thread):
    """A TCP connection from A to B over NAT that goes on until it is told to end."""

    def __init__(self, port):
        super().__init__()
        self.server = sock_in(B, socket.AF_INET, socket.SOCK_STREAM)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind(("10.1.0.2", port))
        self.server.listen(1)
        self.server.settimeout(10)
        self.client = sock_in(A, socket.AF_INET, socket.SOCK_STREAM)
        self.client.settimeout(30)
        self.client.connect(("10.1.0.2", port))
        self.peer, self.from_ = self.server.accept()
        self.peer.settimeout(30)
        self.on, self.error, self.sent, self.got = True, None, hashlib.sha256(), hashlib.sha256()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.start()

    def read(self):
        try:
            while True:
                data = self.peer.recv(1 << 16)
                if not data:
                    return
                self.got.update(data)
        except OSError as e:
            self.error = e

    def run(self):
        block = os.urandom(1 << 14)
        try:
            while self.on:
                self.client.sendall(block)
                self.sent.update(block)
                time.sleep(0.002)
            self.client.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.error = e

    def whole(self):
        self.on = False
        self.join()
        self.reader.join()
        for s in (self.client, self.peer, self.server):
            s.close()
        return self.error is None and self.sent.digest() == self.got.digest()


class Clock(threading.Thread):
    """A datagram every millisecond from A to B; which of them arrive."""

    def __init__(self, port):
        super().__init__()
        self.rx = sock_in(B, socket.AF_INET, socket.SOCK_DGRAM)
        self.rx.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.rx.bind(("10.1.0.2", port))
        self.rx.settimeout(1)
        self.tx = sock_in(A, socket.AF_INET, socket.SOCK_DGRAM)
        self.tx.connect(("10.1.0.2", port))
        self.on, self.sent, self.seen = True, 0, []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.start()

    def read(self):
        try:
            while True:
                self.seen.append((int(self.rx.recv(100)), time.monotonic()))
        except OSError:
            pass

    def run(self):
        while self.on:
            self.tx.send(b"%d" % self.sent)
            self.sent += 1
            time.sleep(0.001)

    def lost(self):
        self.on = False
        self.join()
        self.reader.join()
        self.rx.close()
        self.tx.close()
        return self.sent - len(set(n for n, _ in self.seen))

    def longest_gap_ms(self):
        times = [at for _, at in self.seen]
        return max((b - a for a, b in zip(times, times[1:])), default=0) * 1000


def flow(where, port):
    m = re.search(r"(.*dport=%d .*)" % port, tool(where + "/s", "conntrack", "-L", "-o", "id"))
    return m.group(1) if m else ""


def stop_and_start():
    where = snapshot()
    state = where + "/state"
    p, _ = begin(where, *PORTS, "--state", state)
    s = Stream(9100)
    time.sleep(0.3)
    before = flow(where, 9100)
    tool(where + "/s", "iptables-legacy", "-I", "INPUT", "-s", "192.0.2.77", "-j", "DROP")
    accepted = t.count(where + "/s", "-A FORWARD -i eth0 -j ACCEPT")
    check("stopped in order", end(p) == 0)
    time.sleep(0.5)
    p, said = begin(where, *PORTS, "--state", state)
    after = flow(where, 9100)
    check("what it takes back is said", "1 connections" in said, said)
    check("the connection has its number and mapping", before and re.findall(r"id=\d+|dport=\d+|dst=\S+", before) == re.findall(r"id=\d+|dport=\d+|dst=\S+", after), before + after)
    check("rules of the snapshot count on", t.count(where + "/s", "-A FORWARD -i eth0 -j ACCEPT") == accepted, str(accepted))
    check("the snapshot's rules hold", "192.0.2.77" not in tool(where + "/s", "iptables-legacy-save"))
    time.sleep(0.3)
    # without a snapshot all is as it was, rules that were added too
    tool(where + "/s", "iptables-legacy", "-I", "INPUT", "-s", "192.0.2.78", "-j", "DROP")
    end(p)
    p, said = begin(where, *PORTS, "--state", state, snapshot=False)
    check("rules that were added are there", "192.0.2.78" in tool(where + "/s", "iptables-legacy-save"))
    check("a download goes on over two restarts", s.whole(), str(s.error))
    end(p)
    # damaged: said, and nothing begun
    with open(state, "r+b") as f:
        f.seek(100)
        f.write(b"\xff\xff\xff")
    r = subprocess.run([WEIR, "daemon", where, "--socket", where + "/s", "--state", state], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    check("a damaged state is refused", r.returncode == 3 and "checksum" in r.stdout, r.stdout)


def remembered():
    """What rules remember goes on over a stop and a take-over, as in a kernel that kept running."""
    where = snapshot(t.RULES + """*mangle
-A FORWARD -p udp -m udp --dport 9200 -m quota ! --quota 300 -j DROP
-A FORWARD -p udp -m udp --dport 9201 -m statistic --mode nth --every 4 --packet 0 -j DROP
-A FORWARD -p udp -m udp --dport 9202 -m limit --limit 1/hour --limit-burst 7 -j ACCEPT
-A FORWARD -p udp -m udp --dport 9202 -j DROP
COMMIT
""")
    ears, arrived = [], {}
    for port in (9200, 9201, 9202):
        ears.append((port, sock_in(B, socket.AF_INET, socket.SOCK_DGRAM), sock_in(A, socket.AF_INET, socket.SOCK_DGRAM)))
        ears[-1][1].bind(("10.1.0.2", port))

    def five():
        for port, rx, tx in ears:
            for _ in range(5):
                tx.sendto(b"xx", ("10.1.0.2", port))
        time.sleep(1)
        for port, rx, tx in ears:
            rx.setblocking(False)
            try:
                while rx.recv(10):
                    arrived[port] = arrived.get(port, 0) + 1
            except BlockingIOError:
                pass

    p, _ = begin(where, *PORTS, "--state", where + "/state")
    sh("ping -c 2 -i 0.2 -W 3 10.1.0.2", A)
    five()
    end(p)
    p, _ = begin(where, *PORTS, "--state", where + "/state")
    five()
    new, _ = begin(where, "--takeover", snapshot=False)
    t.daemons.remove(p)
    p.wait(timeout=20)
    p.stderr.close()
    five()
    check("quota, statistic and limit go on", arrived == {9200: 10, 9201: 11, 9202: 7}, str(arrived))
    for _, rx, tx in ears:
        rx.close()
        tx.close()
    end(new)


def killed():
    where = snapshot()
    p, _ = begin(where, *PORTS, "--state", where + "/state", "--save-every", "1")
    s = Stream(9101)
    time.sleep(1.6)
    end(p, 9)
    time.sleep(0.3)
    p, said = begin(where, *PORTS, "--state", where + "/state")
    check("after kill -9 the last state is there", "1 connections" in said, said)
    check("a download goes on after kill -9", s.whole(), str(s.error))
    check("no file aside is left", not os.path.exists(where + "/state.new"))
    end(p)


def take_over(where, old):
    """Another daemon in the place of @old."""
    new, _ = begin(where, "--takeover", snapshot=False)
    t.daemons.remove(old)
    check("the old one ends in order", old.wait(timeout=10) == 0)
    old.stderr.close()
    time.sleep(0.3)
    return new


def take_over_in_vain(where):
    """One whose snapshot cannot be: its exit code, and what it says."""
    os.mkdir(where + "/badsnap")
    with open(where + "/badsnap/rules.v4", "w", encoding="utf-8") as f:
        f.write("*filter\n-A FORWARD -j NONSENSE\nCOMMIT\n")
    r = subprocess.run(["ip", "netns", "exec", R, WEIR, "daemon", where + "/badsnap", "--socket", where + "/s", "--takeover"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=20, check=False)
    return "%d %s" % (r.returncode, r.stdout)


def takeover():
    where = snapshot()
    old, _ = begin(where, *PORTS)
    s, c = Stream(9102), Clock(9103)
    time.sleep(0.5)
    before = flow(where, 9102)
    for _ in range(3):
        old = take_over(where, old)
    after = flow(where, 9102)
    check("the connection moves along", before and re.findall(r"id=\d+|dport=\d+", before) == re.findall(r"id=\d+|dport=\d+", after), before + after)
    # one that cannot begin leaves all as it was
    said = take_over_in_vain(where)
    check("who cannot begin takes nothing over", said.startswith("3 ") and "NONSENSE" in said, said)
    check("and the old one serves on", flow(where, 9102) != "")
    time.sleep(0.3)
    lost, gap = c.lost(), c.longest_gap_ms()
    check("three take-overs lose no more than 100 ms each", lost <= 300, "%d of %d lost" % (lost, c.sent))
    print("take-over: %d of %d datagrams lost in 3, longest pause %.0f ms" % (lost, c.sent, gap))
    check("a download goes on over them", s.whole(), str(s.error))
    check("the last one stops in order", end(old) == 0)


def takeover_xdp():
    """AF_XDP: socket, rings and memory go along. Who cannot begin leaves them to the first."""
    where = snapshot()
    xdp = ["--port", "eth0=xdp:eth0", "--port", "eth1=xdp:eth1"]
    if subprocess.run(["sh", "-c", "ldconfig -p | grep -q libxdp"], check=False).returncode:
        print("AF_XDP: no libxdp here")
        return
    old, _ = begin(where, *xdp)
    s, c = Stream(9105), Clock(9106)
    time.sleep(0.5)
    for _ in range(2):
        old = take_over(where, old)
    said = take_over_in_vain(where)
    check("who cannot begin gives the AF_XDP ports back", said.startswith("3 ") and "NONSENSE" in said, said)
    time.sleep(0.5)
    lost, gap = c.lost(), c.longest_gap_ms()
    check("two take-overs with AF_XDP and one that failed lose no more than 100 ms each", lost <= 300, "%d of %d lost" % (lost, c.sent))
    print("take-over with AF_XDP: %d of %d datagrams lost in 3, longest pause %.0f ms" % (lost, c.sent, gap))
    check("a download goes on over them, too", s.whole(), str(s.error))
    check("the last one of AF_XDP stops in order", end(old) == 0)
    check("and leaves no program on the interfaces", "xdp" not in sh("ip link show eth0; ip link show eth1", R))


def apply():
    where = snapshot()
    p, _ = begin(where, *PORTS)
    s = Stream(9104)
    closed = where + "/closed.rules"
    with open(closed, "w", encoding="utf-8") as f:
        f.write("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*mangle\n-A PREROUTING -j MARK --set-mark 1\nCOMMIT\n")
    kept = tool(where + "/s", "iptables-legacy-save")
    r = weir(where, "apply", "--confirm=1s", closed)
    check("applied until confirmed", r.returncode == 0 and "weir confirm" in r.stdout, r.stdout)
    check("the new rules hold", "--ctstate" not in tool(where + "/s", "iptables-legacy", "-S"))
    check("one at a time", weir(where, "apply", closed).returncode == 3)
    time.sleep(1.3)
    strip = re.compile(r"^#.*\n|\[\d+:\d+\]", re.M)
    now = tool(where + "/s", "iptables-legacy-save")
    check("nobody confirmed: as before", strip.sub("", now).replace("*mangle\n:PREROUTING ACCEPT \n:INPUT ACCEPT \n:FORWARD ACCEPT \n:OUTPUT ACCEPT \n:POSTROUTING ACCEPT \nCOMMIT\n", "") == strip.sub("", kept), now)
    # a table that nobody had named comes back as it was: its chains let through
    with open(where + "/shut.rules", "w", encoding="utf-8") as f:
        f.write("*security\n:FORWARD DROP [0:0]\nCOMMIT\n")
    weir(where, "apply", "--confirm=1s", where + "/shut.rules")
    time.sleep(1.5)
    check("a new table's policies are not left behind", ":FORWARD ACCEPT" in tool(where + "/s", "iptables-legacy-save", "-t", "security"))
    r = weir(where, "apply", "--confirm", "20", where + "/rules.v4")
    check("confirmed", weir(where, "confirm").stdout == "confirmed\n" and weir(where, "confirm").returncode == 1, r.stdout)
    r = weir(where, "apply", where + "/missing")
    check("a missing file", r.returncode == 3 and "missing" in r.stdout, r.stdout)
    with open(where + "/rules.v6", "w", encoding="utf-8") as f:
        f.write("*filter\n-A FORWARD -j NOSUCH\nCOMMIT\n")
    with open(where + "/rules.v4", "a", encoding="utf-8") as f:
        f.write("*raw\n-A PREROUTING -s 198.51.100.1 -j DROP\nCOMMIT\n")
    r = weir(where, "reload")
    check("all or nothing, with the place", r.returncode == 3 and "rules.v6:2" in r.stdout, r.stdout)
    check("rules of the other family are put back", "198.51.100.1" not in tool(where + "/s", "iptables-legacy-save"))
    os.remove(where + "/rules.v6")
    for _ in range(20):
        r = weir(where, "reload")
    check("reloaded", r.returncode == 0, r.stdout)
    with open(closed, "w", encoding="utf-8") as f:
        f.write("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n" + "".join(
            "-A FORWARD -s 172.%d.%d.%d -p tcp -m tcp --dport %d -j ACCEPT\n" % (16 + i // 65536, i // 256 % 256, i % 256, i % 60000 + 1) for i in range(10000)) + "COMMIT\n")
    r = weir(where, "apply", closed)
    check("10,000 rules are applied", r.returncode == 0, r.stdout)
    print("10,000 rules: " + r.stdout.strip())
    check("no connection is lost by it", s.whole(), str(s.error))
    end(p)


def confined():
    where = snapshot()
    os.chmod(where, 0o777)
    p, _ = begin(where, *PORTS, "--user", "nobody", "--state", where + "/state")
    pid = subprocess.run(["pgrep", "-f", "weir daemon %s" % where], stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    with open("/proc/%s/status" % pid, encoding="ascii") as f:
        status = f.read()
    check("another user, no capabilities, a list of calls", re.search(r"Uid:\t65534\t65534\t65534", status) and re.search(r"CapEff:\t0+\n", status) and
          re.search(r"CapBnd:\t0+\n", status) and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, status)
    s = Stream(9105)
    check("tools are served", "--ctstate" in tool(where + "/s", "iptables-legacy", "-S") and flow(where, 9105))
    check("rules are applied", weir(where, "apply", "--confirm=1", where + "/rules.v4").returncode == 0)
    time.sleep(1.3)
    out = tool(where + "/s", "iptables-legacy-restore", stdin="*filter\n:FORWARD ACCEPT [0:0]\n" + "-A FORWARD -i eth0 -j ACCEPT\n" * 3000 + "COMMIT\n")
    check("large tables come and go", out == "" and tool(where + "/s", "iptables-legacy-save").count("-i eth0 -j ACCEPT") == 3000, out)
    new, _ = begin(where, "--takeover", "--user", "nobody", "--state", where + "/state", snapshot=False)
    t.daemons.remove(p)
    check("a confined one hands over", p.wait(timeout=10) == 0)
    p.stderr.close()
    check("a download goes on", s.whole(), str(s.error))
    check("a confined one stops in order", end(new) == 0 and os.stat(where + "/state").st_uid == 65534)


def net_of(where):
    out = tempfile.mkdtemp(prefix="weir-live-")
    t.dirs.append(out)
    r = weir(where, "snapshot", out + "/snap")
    check("a snapshot of the instance", r.returncode == 0, r.stdout)
    with open(out + "/snap/net.ip", encoding="utf-8") as f:
        return f.read()


def follow():
    """The namespace's own addresses, routes, rules and neighbours, and changes of them; a snapshot of the namespace says the same."""
    ns = t.TAG + "f"
    sh("ip netns add %s" % ns)
    t.namespaces.append(ns)
    sh("ip link set lo up; ip link add eth0 type veth peer name p0; ip link set eth0 up; ip addr add 10.7.0.1/24 dev eth0;"
       "ip addr add fd07::1/64 dev eth0; ip route add 10.8.0.0/16 via 10.7.0.2; ip route add 10.10.0.0/16 proto static nexthop via 10.7.0.2 nexthop via 10.7.0.3;"
       "ip rule add fwmark 3 lookup 77; sysctl -qw net.ipv4.ip_forward=1; iptables-legacy -A FORWARD -s 10.7.0.9 -j DROP", ns)
    where = tempfile.mkdtemp(prefix="weir-live-")
    t.dirs.append(where)
    r = subprocess.run(["ip", "netns", "exec", ns, WEIR, "snapshot", where + "/host"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    check("what is not modelled is said", r.returncode == 1 and "10.10.0.0/16: multipath" in r.stdout, r.stdout)
    texts = {}
    for name in ("net.ip", "sysctl.conf", "rules.v4"):
        with open(where + "/host/" + name, encoding="utf-8") as f:
            texts[name] = f.read()
    check("a snapshot of the host", "addr replace 10.7.0.1/24" in texts["net.ip"] and "10.8.0.0/16 via 10.7.0.2" in texts["net.ip"] and "fwmark 0x3" in texts["net.ip"] and
          "forwarding = 1" in texts["sysctl.conf"] and "-s 10.7.0.9/32 -j DROP" in texts["rules.v4"], str(texts))
    r = subprocess.run([WEIR, "run", where + "/host", "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    check("weir reads it", r.returncode in (0, 2) and "refused" not in r.stdout, r.stdout)
    p = subprocess.Popen(["ip", "netns", "exec", ns, WEIR, "daemon", "--socket", where + "/s", "--follow", "-v"], stderr=subprocess.PIPE, text=True)
    t.daemons.append(p)
    while "serving" not in (p.stderr.readline() or "serving"):
        pass
    net = net_of(where)
    check("it begins as the host is", all(x in net for x in ("addr add 10.7.0.1/24", "addr add fd07::1/64", "10.8.0.0/16 via 10.7.0.2", "fwmark 0x3")) and "link set p0 up" not in net, net)
    sh("ip addr add 10.7.1.1/24 dev eth0; ip route add 10.9.0.0/16 via 10.7.1.2; ip route del 10.8.0.0/16; ip addr del fd07::1/64 dev eth0; ip rule del fwmark 3 lookup 77;"
       "ip rule add from 10.7.0.0/24 lookup 88; ip neigh add 10.7.0.5 lladdr 02:00:00:00:00:05 dev eth0; ip link set p0 mtu 1400 up; ip rule del pref 32767", ns)
    time.sleep(0.3)
    net = net_of(where)
    check("it keeps up", all(x in net for x in ("10.7.1.1/24", "10.9.0.0/16 via 10.7.1.2", "from 10.7.0.0/24 lookup 88", "neigh replace 10.7.0.5", "link set p0 up", "mtu 1400",
                                                 "rule del pref 32767")) and not any(x in net for x in ("10.8.0.0", "fd07::1", "fwmark")), net)
    # more at once than fits its socket: it asks anew
    with tempfile.NamedTemporaryFile("w") as f:
        f.write("".join("route add 172.%d.%d.0/24 via 10.7.0.2\n" % (16 + i // 256, i % 256) for i in range(4000)))
        f.flush()
        p.send_signal(19)
        sh("ip -batch %s; ip route del 172.16.7.0/24; ip route del 10.9.0.0/16" % f.name, ns)
        p.send_signal(18)
    time.sleep(0.5)
    net = net_of(where)
    check("4,000 routes at once", net.count(" 172.") == 3999 and "172.16.7.0/24" not in net and "10.9.0.0" not in net, str(net.count(" 172.")))
    check("the follower stops in order", end(p) == 0)


def main():
    need = ["iptables-legacy", "conntrack", "ip"]
    missing = [x for x in need if not shutil.which(x)]
    if os.geteuid() or missing:
        print("the daemon's life needs root and %s" % ", ".join(missing or need))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    try:
        t.world()
        for part in (stop_and_start, remembered, killed, takeover, takeover_xdp, apply, confined, follow):
            try:
                part()
            except Exception as e:
                check(part.__name__, False, repr(e))
                for p in t.daemons:
                    p.kill()
                    p.wait()
                t.daemons.clear()
    finally:
        for p in t.daemons:
            p.kill()
        for ns in (A, R, B, *t.namespaces):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        for d in t.dirs:
            shutil.rmtree(d, ignore_errors=True)
    return tally.done()


if __name__ == "__main__":
    sys.exit(main())
