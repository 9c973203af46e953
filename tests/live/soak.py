#!/usr/bin/env python3
"""soak.py [SECONDS] [DRIVER...]: real traffic through `weir daemon` for that long (600 s; packet, ring, xdp, tap, tun, unix, dgram, pcap), its rules replaced every second.
Several drivers, each in a world of its own, at the same time; "tap:2" is a daemon with two workers.

Twenty TCP connections of both families that say something every 50 ms, a bulk transfer, datagrams both ways, pings in fragments. At the end every connection
is the one it was, every datagram arrived, the daemon's counters are the senders' and the receivers' own, and the kernel between knows of nothing.
pcap: two captures of that length are played, questions and their answers; what was written is what should have passed, at the times it should have.
Not part of `make check`. Ends with "N passed, N failed, N skipped"."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from tally import check, done

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests/kernel")
import packets  # noqa: E402
from weir import read_pcapng, write_pcap  # noqa: E402

WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 600
NAME = sys.argv[2] if len(sys.argv) > 2 else "packet"
DRIVER, _, WORKERS = NAME.partition(":")
TAG = "soak%d" % os.getpid()
A, R, B = TAG + "a", TAG + "r", TAG + "b"
NET = "".join("link add %s type dummy\nlink set %s up\n" % (i, i) for i in ("eth0", "eth1")) + \
    "addr add 10.0.0.1/24 dev eth0\naddr add 10.1.0.1/24 dev eth1\naddr add fd00::1/64 dev eth0\naddr add fd00:1::1/64 dev eth1\n"
COUNT = "*mangle\n-A FORWARD -p udp -m udp --dport 7000\n-A FORWARD -p udp -m udp --sport 7000\n-A FORWARD -p icmp -m icmp --icmp-type 8\nCOMMIT\n"
FILTER = ["*filter\n:FORWARD DROP [0:0]\n%s-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n"
          % "".join("-A FORWARD -s 192.0.2.%d/32 -j DROP\n" % i for i in range(n)) for n in (3, 40)]
if DRIVER == "tun":
    NET = NET.replace("link add eth0 type dummy", "tuntap add dev eth0 mode tun")
# unix, dgram: what leaves the first daemon goes through a second one, which only forwards
NEAR = NET.replace("10.1.0.1/24", "10.9.0.1/24").replace("fd00:1::1/64", "fd00:9::1/64") + "route add 10.1.0.0/24 via 10.9.0.2\nroute add fd00:1::/64 via fd00:9::2\n"
FAR = NET.replace("10.0.0.1/24", "10.9.0.2/24").replace("fd00::1/64", "fd00:9::2/64") + "route add 10.0.0.0/24 via 10.9.0.1\nroute add fd00::/64 via fd00:9::1\n"
NAT = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
deadline = 0.0
begun = []      # daemons


def sh(line, ns=None):
    return subprocess.run((["ip", "netns", "exec", ns] if ns else []) + ["sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def sock(ns, family, kind):
    """A socket of a namespace, made by a thread that goes there and ends."""
    out = []

    def make():
        import ctypes
        fd = os.open("/run/netns/" + ns, os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(fd, 0):
            raise OSError("setns")
        os.close(fd)
        out.append(socket.socket(family, kind))

    t = threading.Thread(target=make)
    t.start()
    t.join()
    return out[0]


def world():
    """Three namespaces in a row; on a dgram: port a peer that is asked for a while has room for what comes meanwhile."""
    for ns in (A, R, B):
        sh("ip netns add %s; ip -n %s link set lo up" % (ns, ns))
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1", R)
    sh("sysctl -qw net.unix.max_dgram_qlen=4096", R)
    sh("ip -n %s link add eth0 type veth peer name eth0 netns %s; ip -n %s link add eth1 type veth peer name eth0 netns %s" % (R, A, R, B))
    sh("ip link set eth0 up; ip link set eth1 up", R)
    if DRIVER in ("tap", "tun"):
        sh("ip -n %s link del eth0" % A)
        addresses(B, "10.1.0", "fd00:1")
        return
    for ns, n4, n6 in ((A, "10.0.0", "fd00"), (B, "10.1.0", "fd00:1")):
        addresses(ns, n4, n6)


def addresses(ns, n4, n6):
    sh("ip link set eth0 up; ip addr add %s.2/24 dev eth0; ip addr add %s::2/64 dev eth0 nodad; ip route add default via %s.1; ip -6 route add default via %s::1"
       % (n4, n6, n4, n6), ns)


def ports(where):
    """The daemon's, and the daemons beside it."""
    if DRIVER in ("tap", "tun"):
        return ["eth0=%s:%s" % (DRIVER, TAG[-8:]), "eth1=packet:eth1"], []
    if DRIVER == "dgram":
        paths = where + "/near", where + "/port"
        return ["eth0=packet:eth0", "eth1=dgram:%s,%s" % paths], ["eth0=dgram:%s,%s" % paths[::-1], "eth1=packet:eth1"]
    if DRIVER != "unix":
        return ["eth0=%s:eth0" % DRIVER, "eth1=%s:eth1" % DRIVER], []
    return ["eth0=packet:eth0", "eth1=unix:" + where + "/port"], ["eth0=unix:" + where + "/port", "eth1=packet:eth1"]


def begin(where, names, snapshot, name="s", ns=R):
    p = subprocess.Popen((["ip", "netns", "exec", ns] if ns else []) + [WEIR, "daemon", snapshot, "--socket", where + "/" + name, "--workers", WORKERS or "1",
                         *[w for n in names for w in ("--port", n)]], stderr=subprocess.PIPE, text=True)
    begun.append(p)
    if "serving" not in p.stderr.readline():
        raise RuntimeError(p.stderr.read())
    return p


def read_whole(c, size):
    got = b""
    while len(got) < size:
        piece = c.recv(size - len(got))
        if not piece:
            raise OSError("the other side closed")
        got += piece
    return got


def talk(family, port, errors, said):
    """One connection from now to the end."""
    host = "10.1.0.2" if family == socket.AF_INET else "fd00:1::2"
    ear = sock(B, family, socket.SOCK_STREAM)
    ear.bind((host, port))
    ear.listen(1)

    def serve():
        c, _ = ear.accept()
        c.settimeout(30)
        try:
            while True:
                c.sendall(read_whole(c, 500)[::-1])
        except OSError:
            c.close()

    threading.Thread(target=serve, daemon=True).start()
    c = sock(A, family, socket.SOCK_STREAM)
    c.settimeout(20)
    try:
        c.connect((host, port))
        while time.monotonic() < deadline:
            words = os.urandom(500)
            c.sendall(words)
            if read_whole(c, 500) != words[::-1]:
                raise OSError("other words came back")
            said.append(1)
            time.sleep(0.05)
    except OSError as e:
        errors.append("%s: %r" % (port, e))
    c.close()


def bulk(errors, sent):
    ear = sock(B, socket.AF_INET, socket.SOCK_STREAM)
    ear.bind(("10.1.0.2", 9999))
    ear.listen(1)
    got = [0]

    def serve():
        c, _ = ear.accept()
        while True:
            piece = c.recv(1 << 16)
            if not piece:
                return
            got[0] += len(piece)

    t = threading.Thread(target=serve, daemon=True)
    t.start()
    c = sock(A, socket.AF_INET, socket.SOCK_STREAM)
    c.settimeout(20)
    try:
        c.connect(("10.1.0.2", 9999))
        while time.monotonic() < deadline:
            c.sendall(b"x" * 50000)
            sent[0] += 50000
            time.sleep(0.05)
        c.close()
        t.join(20)
    except OSError as e:
        errors.append("bulk: %r" % e)
    if got[0] != sent[0]:
        errors.append("bulk: %d sent, %d arrived" % (sent[0], got[0]))


def datagrams(seen):
    u, v = sock(A, socket.AF_INET, socket.SOCK_DGRAM), sock(B, socket.AF_INET, socket.SOCK_DGRAM)
    v.bind(("10.1.0.2", 7000))

    def answer():
        v.settimeout(5)
        try:
            while True:
                data, peer = v.recvfrom(100)
                seen["there"] += 1
                v.sendto(data, peer)
        except OSError:
            pass

    def listen():
        u.settimeout(5)
        try:
            while True:
                u.recv(100)
                seen["back"] += 1
        except OSError:
            pass

    ears = [threading.Thread(target=answer), threading.Thread(target=listen)]
    u.sendto(b"first", ("10.1.0.2", 7000))
    seen["sent"] += 1
    for t in ears:
        t.start()
    while time.monotonic() < deadline:
        u.sendto(b"%d" % seen["sent"], ("10.1.0.2", 7000))
        seen["sent"] += 1
        time.sleep(0.005)
    for t in ears:
        t.join()


def put_files(where, files):
    for name, text in (("sysctl.conf", "net.ipv4.ip_forward=1\nnet.ipv6.conf.all.forwarding=1\n"), *files):
        with open(where + "/" + name, "w", encoding="ascii") as f:
            f.write(text)


def build(where, files, more_net=""):
    """The world, the daemon and those beside it; @files: rules by their names."""
    put_files(where, (("net.ip", (NEAR if DRIVER in ("unix", "dgram") else NET) + more_net), *files))
    world()
    own, others = ports(where)
    daemon = begin(where, own, where)
    if others:
        os.mkdir(where + "/far")
        put_files(where + "/far", (("net.ip", FAR),))
        others = [begin(where, others, where + "/far", "far.s")]
    if DRIVER in ("tap", "tun"):
        sh("ip link set %s netns %s; ip -n %s link set %s name eth0" % (TAG[-8:], A, A, TAG[-8:]), R)
        if DRIVER == "tap":
            addresses(A, "10.0.0", "fd00")
        else:
            sh("ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0; ip addr add fd00::2/64 dev eth0 nodad; ip route add default dev eth0; ip -6 route add default dev eth0", A)
    sh("ping -c 1 -W 3 10.1.0.2; ping -c 1 -W 3 fd00:1::2", A)
    return daemon, others


def rss_of(process):
    with open("/proc/%d/status" % process.pid, encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def apply_next(where, number, errors):
    r = subprocess.run([WEIR, "apply", "--socket", where + "/s", "%s/%d.v4" % (where, number % 2)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if r.returncode:
        errors.append("apply: " + r.stdout)
    return 1


def main():
    global deadline
    where = tempfile.mkdtemp(prefix="weir-soak-")
    daemon, others = build(where, (("rules.v4", COUNT + NAT + FILTER[0]), ("0.v4", FILTER[0]), ("1.v4", FILTER[1])))
    before = int(re.search(r"\[(\d+):\d+\] -A FORWARD -p icmp", sh("%s exec --socket %s/s -- iptables-legacy-save -c -t mangle" % (WEIR, where))).group(1))
    rss = [rss_of(daemon)]
    deadline = time.monotonic() + SECONDS
    errors, said, sent, seen = [], [], [0], {"sent": 0, "there": 0, "back": 0}
    threads = [threading.Thread(target=talk, args=(socket.AF_INET6 if i % 4 == 3 else socket.AF_INET, 8000 + i, errors, said)) for i in range(20)]
    threads += [threading.Thread(target=bulk, args=(errors, sent)), threading.Thread(target=datagrams, args=(seen,))]
    for t in threads:
        t.start()
    reloads, pings = 0, [0, 0]
    while time.monotonic() < deadline:
        reloads += apply_next(where, reloads, errors)
        out = subprocess.run(["ip", "netns", "exec", A, "ping", "-c", "1", "-W", "3", "-s", "3000", "10.1.0.2"], stdout=subprocess.PIPE, text=True).stdout
        pings[0] += 1
        pings[1] += " 1 received" in out
        time.sleep(1)
    for t in threads:
        t.join()
    rss.append(rss_of(daemon))
    saved = sh("%s exec --socket %s/s -- iptables-legacy-save -c -t mangle" % (WEIR, where))
    there, back, echo = (int(x) for x in re.findall(r"^\[(\d+):", saved, re.M)[:3])
    check("every connection lives", not errors, str(errors[:5]))
    check("every datagram arrived and came back", seen["sent"] == seen["there"] == seen["back"], str(seen))
    check("the daemon counted what was sent", there == seen["sent"], "%d of %d" % (there, seen["sent"]))
    check("and what came back", back == seen["back"], "%d of %d" % (back, seen["back"]))
    check("every ping in fragments was answered", pings[0] == pings[1], str(pings))
    check("and counted", echo - before == pings[0], "%d of %d" % (echo - before, pings[0]))
    check("the kernel between has no table", sh("cat /proc/net/ip_tables_names 2>/dev/null || true", R) == "")
    check("memory is flat", rss[1] < rss[0] + 4096, str(rss))
    daemon.terminate()
    check("an orderly stop", daemon.wait(timeout=20) == 0)
    for p in others:
        p.terminate()
        check("of the second one, too", p.wait(timeout=20) == 0)
    print("%d s over %s: %d rule sets applied, %d exchanges on 20 connections, %d bytes in bulk, %d datagrams each way; %d KiB then, %d KiB now"
          % (SECONDS, NAME, reloads, len(said), sent[0], seen["sent"], *rss))
    shutil.rmtree(where)


STEP_MS, ANSWER_MS, FLOWS = 5, 400, 200      # a question every step; its answer stands in the other capture


def captures(where):
    """What is played on both sides: numbered datagrams, one in fifty a ping in three fragments; answers, and now and then a datagram that nobody asked for.
    (questions, pings)"""
    lan, wan, start = [], [], 1_700_000_000 * 10 ** 9
    heads = [bytes.fromhex("02000000%02x0102000000%02x020800" % (net, net)) for net in (0, 1)]
    count = int(SECONDS * 1000 / STEP_MS)
    for n in range(count):
        at, port, number = start + n * STEP_MS * 10 ** 6, 5000 + n % FLOWS, struct.pack("!I", n)
        if n % 50:
            lan.append((at, heads[0] + packets.udp(port, 53, number + bytes(n % 1400))(packets.ip("10.0.0.2", "10.1.0.2"))))
            wan.append((at + ANSWER_MS * 10 ** 6, heads[1] + packets.udp(53, port, number)(packets.ip("10.1.0.2", "10.1.0.1"))))
        else:
            ping = packets.echo(n // 50 % 65536, 1, number + bytes(3000))(packets.ip("10.0.0.2", "10.1.0.2", ident=n % 65536))
            lan += [(at, heads[0] + piece) for piece in packets.fragments4(ping, (1480, 1480))]
            wan.append((at + ANSWER_MS * 10 ** 6, heads[1] + packets.udp(53, port, number)(packets.ip("10.1.0.2", "10.0.0.2"))))
    write_pcap(where + "/lan.pcap", 1, sorted(lan))
    write_pcap(where + "/wan.pcap", 1, sorted(wan))
    return count - (count + 49) // 50, (count + 49) // 50


def played():
    """pcap: no network of the host at all."""
    where = tempfile.mkdtemp(prefix="weir-soak-")
    wires = "".join("link set eth%d address 02:00:00:00:%02x:01\nneigh add 10.%d.0.2 lladdr 02:00:00:00:%02x:02 dev eth%d nud permanent\n" % (i, i, i, i, i) for i in (0, 1))
    count = "*mangle\n-A FORWARD -p udp -m udp --dport 53\n-A FORWARD -p udp -m udp --sport 53 -m conntrack --ctstate ESTABLISHED\n-A FORWARD -p icmp\nCOMMIT\n"
    put_files(where, (("net.ip", NET + wires), ("rules.v4", count + NAT + FILTER[0]), ("0.v4", FILTER[0]), ("1.v4", FILTER[1])))
    asked, pings = captures(where)
    daemon = begin(where, ["%s=pcap:%s/%s.pcap,%s/%s.out" % (port, where, side, where, side) for port, side in (("eth0", "lan"), ("eth1", "wan"))], where, ns=None)
    time.sleep(2)
    rss, reloads, errors, end = [rss_of(daemon)], 0, [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        reloads += apply_next(where, reloads, errors)
        time.sleep(1)
    rss.append(rss_of(daemon))
    saved = sh("%s exec --socket %s/s -- iptables-legacy-save -c -t mangle" % (WEIR, where))
    daemon.terminate()
    check("an orderly stop", daemon.wait(timeout=20) == 0)
    wan, lan = ([(stamp, data) for stamp, _, data, _ in read_pcapng("%s/%s.out" % (where, side))] for side in ("wan", "lan"))
    number = lambda f: struct.unpack("!I", f[42:46])[0]
    udp = [(stamp, f) for stamp, f in wan if f[23] == 17]
    by_flow = lambda frames: sorted((number(f) for _, f in frames), key=lambda n: n % FLOWS)   # a stable sort
    wanted = sorted((n for n in range(asked + pings) if n % 50), key=lambda n: n % FLOWS)
    check("rules are replaced", not errors, str(errors[:3]))
    check("every question passes, in its flow's order", by_flow(udp) == wanted, "%d of %d" % (len(udp), len(wanted)))
    check("from the router's address", all(f[26:30] == bytes((10, 1, 0, 1)) for _, f in wan))
    check("every ping passes in its pieces", len(wan) - len(udp) == 3 * pings, "%d pieces of %d pings" % (len(wan) - len(udp), pings))
    check("every answer comes back, and nothing else", by_flow(lan) == wanted and all(f[30:34] == bytes((10, 0, 0, 2)) for _, f in lan), len(lan))
    late = [(stamp - udp[0][0]) / 1e6 - (number(f) - 1) * STEP_MS for stamp, f in udp]
    usual = sorted(late)[len(late) // 2]
    check("as fast as it was recorded", -200 < usual < 200 and late[-1] < 1000, "usually %d, at most %d ms late" % (usual, max(late)))
    check("and counted", [int(x) for x in re.findall(r"^\[(\d+):", saved, re.M)[:3]] == [len(wanted), len(wanted), pings], saved)
    check("memory is flat", rss[1] < rss[0] + 4096, str(rss))
    print("%d s over %s: %d rule sets applied, %d questions, %d answers, %d pings in fragments, usually %d, at most %d ms late; %d KiB then, %d KiB now"
          % (SECONDS, NAME, reloads, len(udp), len(lan), pings, usual, max(late), *rss))
    shutil.rmtree(where)


def all_at_once():
    """Each driver's lines, and the sum."""
    runs = [subprocess.Popen([sys.executable, __file__, sys.argv[1], name], stdout=subprocess.PIPE, text=True) for name in sys.argv[2:]]
    sums = [0, 0, 0]
    for run in runs:
        *lines, last = run.communicate()[0].strip().split("\n")
        print("\n".join(lines), flush=True)
        sums = [a + int(b) for a, b in zip(sums, re.findall(r"\d+", last))]
    print("%d passed, %d failed, %d skipped" % tuple(sums))
    sys.exit(1 if sums[1] else 0)


def end_world():
    for p in begun:
        p.kill()
    for ns in (A, R, B):
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)


def run():
    if os.geteuid():
        print("soak.py needs root\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    if len(sys.argv) > 3:
        all_at_once()
    try:
        (played if DRIVER == "pcap" else main)()
    except Exception as e:
        check("soak", False, repr(e))
    finally:
        end_world()
    sys.exit(done())


if __name__ == "__main__":
    run()
