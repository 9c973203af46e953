#!/usr/bin/env python3
"""`weir daemon --workers N` on each kind of port, with traffic of both families: it is taken over by a daemon with another number of workers, by one without, and
back. What the rules counted is what arrived, each way, and hardly a packet is lost. Ends with "N passed, N failed, N skipped"."""
import os
import re
import select
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
from traffic_test import A, B, R, check, sh, sock_in, tool  # noqa: E402
import daemon_test as d  # noqa: E402

COUNT = "*mangle\n-A FORWARD -p udp -m udp --dport 7000\n-A FORWARD -p udp -m udp --sport 7000\nCOMMIT\n"
NEAR = t.NET.replace("10.1.0.1/24", "10.9.0.1/24").replace("fd00:1::1/64", "fd00:9::1/64") + "route add 10.1.0.0/24 via 10.9.0.2\nroute add fd00:1::/64 via fd00:9::2\n"
FAR = t.NET.replace("10.0.0.1/24", "10.9.0.2/24").replace("fd00::1/64", "fd00:9::2/64") + "route add 10.0.0.0/24 via 10.9.0.1\nroute add fd00::/64 via fd00:9::1\n"
PERIOD = 0.016


def addresses(ns, n4, n6, via=True):
    sh("ip link set eth0 up; ip addr add %s.2/24 dev eth0; ip addr add %s::2/64 dev eth0 nodad; " % (n4, n6) +
       ("ip route add default via %s.1; ip -6 route add default via %s::1" % (n4, n6) if via else "ip route add default dev eth0; ip -6 route add default dev eth0"), ns)


def world(driver):
    for ns in (A, R, B):
        sh("ip netns add %s; ip -n %s link set lo up" % (ns, ns))
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", R)
    sh("ip -n %s link add eth1 type veth peer name eth0 netns %s; ip -n %s link set eth1 up" % (R, B, R))
    addresses(B, "10.1.0", "fd00:1")
    if driver not in ("tap", "tun"):
        queues = "numtxqueues 2 numrxqueues 2" if driver == "xdp-2" else ""
        sh("ip -n %s link add eth0 %s type veth peer name eth0 %s netns %s; ip -n %s link set eth0 up" % (R, queues, queues, A, R))
        addresses(A, "10.0.0", "fd00")


def ports(driver, where):
    if driver in ("tap", "tun"):
        return ["eth0=%s:%s" % (driver, t.TAG[-8:]), "eth1=packet:eth1"]
    if driver == "unix":
        return ["eth0=packet:eth0", "eth1=unix:" + where + "/port"]
    driver = driver[:-2] if driver == "xdp-2" else driver
    return ["eth0=%s:eth0" % driver, "eth1=%s:eth1" % driver]


def snapshot(net, rules):
    where = tempfile.mkdtemp(prefix="weir-live-")
    t.dirs.append(where)
    for name, text in (("net.ip", net), ("sysctl.conf", t.FORWARD), ("rules.v4", rules and rules + t.RULES), ("rules.v6", rules)):
        if text:
            with open(where + "/" + name, "w", encoding="utf-8") as f:
                f.write(text)
    return where


class Talk(threading.Thread):
    """Datagrams of several flows from A to B, each sent back; who saw how many, by family."""

    def __init__(self, flows=64):	# spread by a hash: that one of four readers gets none is one in a hundred million
        super().__init__()
        self.on = True
        self.sent, self.there, self.back = [0, 0], [0, 0], [0, 0]
        self.last, self.disorder = {}, 0
        self.ends = [sock_in(B, f, socket.SOCK_DGRAM) for f in (socket.AF_INET, socket.AF_INET6)]
        for s, to in zip(self.ends, ("10.1.0.2", "fd00:1::2")):
            s.bind((to, 7000))
        self.flows = [sock_in(A, socket.AF_INET6 if i % 4 == 3 else socket.AF_INET, socket.SOCK_DGRAM) for i in range(flows)]
        for s in self.flows:
            s.connect(("fd00:1::2" if s.family == socket.AF_INET6 else "10.1.0.2", 7000))
        for s in self.ends + self.flows:
            s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.ears = [threading.Thread(target=self.answer), threading.Thread(target=self.listen)]
        for e in self.ears:
            e.start()
        self.start()

    def read(self, socks, seen):
        """Until a second after the last was sent nothing comes."""
        while True:
            ready = select.select(socks, [], [], 1)[0]
            if not ready and not self.on:
                return
            for s in ready:
                data, peer = s.recvfrom(100)
                seen[s.family == socket.AF_INET6] += 1
                yield s, data, peer

    def answer(self):
        for s, data, peer in self.read(self.ends, self.there):
            number = int(data)
            self.disorder += number < self.last.get(peer, -1)
            self.last[peer] = number
            s.sendto(data, peer)

    def listen(self):
        for _ in self.read(self.flows, self.back):
            pass

    def run(self):
        number = 0
        while self.on:
            for s in self.flows:
                s.send(b"%d" % number)
                self.sent[s.family == socket.AF_INET6] += 1
            number += 1
            time.sleep(PERIOD)

    def end(self):
        self.on = False
        self.join()
        for e in self.ears:
            e.join()
        for s in self.ends + self.flows:
            s.close()


def counted(sock, family):
    saved = tool(sock, ("iptables-legacy-save", "ip6tables-legacy-save")[family], "-c", "-t", "mangle")
    return [int(x) for x in re.findall(r"^\[(\d+):\d+\] -A FORWARD", saved, re.M)]


def looks(pid):
    """How often each thread waited for something, the daemon's own first."""
    return [int(open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii").read().split()[2]) for thread in sorted(os.listdir("/proc/%d/task" % pid), key=int)]


def taken_over(where, old, *options):
    new, _ = d.begin(where, "--takeover", *options, snapshot=False)
    t.daemons.remove(old)
    check("the old one ends in order", old.wait(timeout=20) == 0)
    old.stderr.close()
    return new


def change_rules(where):
    """Rules come and go beside the workers, each way that they can; those that count stay."""
    sock, more = where + "/s", where + "/more.rules"
    text = "*raw\n%sCOMMIT\n" % "".join("-A PREROUTING -s 172.16.%d.%d -p udp -m udp --dport %d -j DROP\n" % (i // 256, i % 256, i + 1) for i in range(3000))
    with open(more, "w", encoding="utf-8") as f:
        f.write(text + "*mangle\n-A FORWARD -p udp -m udp --dport 7000\n-A FORWARD -p udp -m udp --sport 7000\n-A FORWARD -j TTL\nCOMMIT\n")
    said = [d.weir(where, "apply", more).returncode == 3]	# refused: nothing of it is there
    with open(more, "w", encoding="utf-8") as f:
        f.write(text)
    for i in range(6):
        said.append(d.weir(where, "apply", *(["--confirm=1s"] if i == 2 else []), more).returncode == 0)
        if i == 2:
            said.append(d.weir(where, "confirm").returncode == 0)
        rule = ("FORWARD", "-s", "192.0.2.%d" % i, "-m", "limit", "--limit", "1/s", "-j", "RETURN")
        for step in ("-A", "-D"):
            said.append(tool(sock, "iptables-legacy", "-t", "mangle", step, *rule) == "")
            said.append(subprocess.run([t.WEIR, "iptables", "-t", "mangle", step, *rule], env=dict(os.environ, WEIR_SOCKET=sock), check=False).returncode == 0)
        said.append(tool(sock, "iptables-legacy-restore", "-n", stdin=text) == "")
    check("rules come and go while workers work", all(said), str(said))
    check("the last ones are there", tool(sock, "iptables-legacy-save", "-t", "raw").count("-j DROP") == 6000)


def one(driver):
    world(driver)
    net = t.NET.replace("link add eth0 type dummy", "tuntap add dev eth0 mode tun") if driver == "tun" else NEAR if driver == "unix" else t.NET
    where = snapshot(net, COUNT)
    words = [w for p in ports(driver, where) for w in ("--port", p)]
    daemon, _ = d.begin(where, *words, "--workers", "4")
    if driver == "unix":
        far = snapshot(FAR, "")
        d.begin(far, "--port", "eth0=unix:" + where + "/port", "--port", "eth1=packet:eth1", "--workers", "2")
    if driver in ("tap", "tun"):
        sh("ip link set %s netns %s; ip -n %s link set %s name eth0" % (t.TAG[-8:], A, A, t.TAG[-8:]), R)
        addresses(A, "10.0.0", "fd00", driver == "tap")
    t.pings(driver + ": ping", A, "10.1.0.2")
    t.pings(driver + ": ping of IPv6", A, "fd00:1::2")
    t.pings(driver + ": ping in fragments", A, "10.1.0.2", "-s", "4000")
    t.transfer(driver + ": TCP", A, B, "10.1.0.2", 9000, ("10.1.0.2", 9000))
    ping = subprocess.Popen(["ip", "netns", "exec", A, "ping", "-q", "-i", "0.002", "-W", "1", "10.1.0.2"], stdout=subprocess.PIPE, text=True)
    talk, stream = Talk(), d.Stream(9100)
    time.sleep(0.7)
    busy = {"xdp": 0, "unix": 0, "xdp-2": 2}.get(driver, 4)	# how many readers a device can have
    check(driver + ": every worker has its share", all(n > 10 for n in looks(daemon.pid)[1:busy + 1]), str(looks(daemon.pid)))
    if driver == "packet":
        change_rules(where)
    for options in (["--workers", "3"], [], ["--workers", "2"]):
        daemon = taken_over(where, daemon, *options)
        time.sleep(0.7)
    if driver == "packet":		# one that cannot begin leaves the workers at work
        os.mkdir(where + "/bad")
        with open(where + "/bad/rules.v4", "w", encoding="utf-8") as f:
            f.write("*filter\n-A FORWARD -j NONSENSE\nCOMMIT\n")
        for _ in range(3):
            r = subprocess.run(["ip", "netns", "exec", R, t.WEIR, "daemon", where + "/bad", "--socket", where + "/s", "--takeover"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        check("who cannot begin takes nothing over", r.returncode == 3 and "NONSENSE" in r.stdout, r.stdout)
        time.sleep(0.3)
    ping.send_signal(2)
    out = ping.communicate(timeout=20)[0]
    echoes, answers = (int(x) for x in re.search(r"(\d+) packets transmitted, (\d+) received", out).groups())
    longest = float(re.search(r"= [\d.]+/[\d.]+/([\d.]+)", out).group(1))
    check(driver + ": nor echoes", echoes - answers <= 150, out)
    check(driver + ": a download goes on", stream.whole(), str(stream.error))
    talk.end()
    lost = sum(talk.sent) - sum(talk.back)
    for family in (0, 1):
        check("%s: what was counted arrived, IPv%d" % (driver, 6 if family else 4), counted(where + "/s", family) == [talk.there[family], talk.back[family]],
              "%s, there %d, back %d" % (counted(where + "/s", family), talk.there[family], talk.back[family]))
    check(driver + ": three take-overs lose no more than 100 ms each", lost <= 3 * len(talk.flows) * 0.1 / PERIOD, "%d of %d lost" % (lost, sum(talk.sent)))
    print("%s: three take-overs, %d of %d datagrams and %d of %d echoes lost, the longest echo %.0f ms; %d datagrams out of order"
          % (driver, lost, sum(talk.sent), echoes - answers, echoes, longest, talk.disorder))
    check(driver + ": all stop in order", all(d.end(p) == 0 for p in list(t.daemons)))


def main():
    drivers = sys.argv[1:] or ["packet", "ring", "xdp", "xdp-2", "tap", "tun", "unix"]
    missing = [x for x in ("iptables-legacy", "ip", "ping") if not shutil.which(x)]
    if os.geteuid() or missing or not os.path.exists("/dev/net/tun"):
        print("live tests need root, /dev/net/tun and %s" % ", ".join(missing))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    if "xdp:" not in sh("%s daemon --port eth0=none:" % t.WEIR, ok=False) or subprocess.run(["sh", "-c", "ldconfig -p | grep -q libxdp"], check=False).returncode:
        print("AF_XDP: not here")
        drivers = [x for x in drivers if not x.startswith("xdp")]
    for driver in drivers:
        try:
            one(driver)
        except Exception as e:
            check(driver, False, repr(e))
        finally:
            for p in t.daemons:
                p.kill()
                p.wait()
            t.daemons.clear()
            for ns in (A, R, B):
                subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)
    for where in t.dirs:
        shutil.rmtree(where, ignore_errors=True)
    return tally.done()


if __name__ == "__main__":
    sys.exit(main())
