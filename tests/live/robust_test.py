#!/usr/bin/env python3
"""A daemon under more than anybody asks of it: a thousand sockets and a thousand tools at once, a rule blob of 20 MB, tools and supervisors ended with kill -9 at random moments. Everything that was
said to be done is there afterwards, nothing is left open, the kernel's tables are empty. Ends with "N passed, N failed, N skipped"."""
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from tally import check, done

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
NS = "weirrob%d" % os.getpid()
SOCKETS = """
import socket, struct
held = []
for i in range(60):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    s.bind((0, 7))
    s.settimeout(60)
    held.append(s)
for s in held:
    s.send(struct.pack("=IHHIIBBH", 20, 0x105, 5, 1, 0, 0, 0, 0))
print(sum(len(s.recv(65536)) > 20 for s in held))
"""
RULES = 110000    # of 208 bytes and more: above 20 MB


class World:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-robust-")
        self.daemon = subprocess.Popen([WEIR, "daemon", "--socket", self.dir + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
        self.daemon.stderr.readline()
        self.fds = self.open_files()

    def open_files(self):
        return len(os.listdir("/proc/%d/fd" % self.daemon.pid))

    def command(self, *words):
        return ["ip", "netns", "exec", NS, WEIR, "exec", "--socket", self.dir + "/s", "--", *words]

    def run(self, *words, stdin=None):
        return subprocess.run(self.command(*words), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


def many(w):
    askers = [subprocess.Popen(w.command(sys.executable, "-c", SOCKETS), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(17)]
    said = [p.communicate(timeout=120) for p in askers]
    check("1,020 netlink sockets at once", sum(int(out or 0) for out, _ in said) == 1020, str(said))
    r = w.run("sh", "-c", "seq 1000 | xargs -P 100 -I{} conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport {} --dport 5 -t 600 2>/dev/null; conntrack -C")
    check("1,000 tools, 100 at a time", r.stdout == "1000\n", r.stdout + r.stderr[-300:])


def at_once(w):
    """All are there at the same time, below one `weir exec`, and each hears of connections that come."""
    os.mkdir(w.dir + "/heard")
    p = subprocess.Popen(w.command("sh", "-c", "for i in $(seq 1000); do conntrack -E -e NEW -p udp > %s/heard/$i 2>/dev/null & done; wait" % w.dir), start_new_session=True)
    try:
        heard, port, end = 0, 4000, time.time() + 90
        while heard < 1000 and time.time() < end:
            time.sleep(1)
            port += 1
            w.run("conntrack", "-I", "-p", "udp", "-s", "10.0.0.9", "-d", "10.0.0.2", "--sport", str(port), "--dport", "5", "-t", "600")
            heard = sum(os.path.getsize(w.dir + "/heard/" + name) > 0 for name in os.listdir(w.dir + "/heard"))
        check("1,000 tools at once", heard == 1000 and w.open_files() >= w.fds + 1000, "%d heard, %d open" % (heard, w.open_files()))
    finally:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
    r = w.run("conntrack", "-D", "-p", "udp", "-s", "10.0.0.9")
    check("and it goes on", r.returncode == 0, r.stderr)


def large(w):
    text = "*filter\n" + "".join("-A FORWARD -s 10.%d.%d.%d/32 -p tcp -m tcp --dport %d -j ACCEPT\n" % (i >> 16, i >> 8 & 255, i & 255, i % 60000 + 1) for i in range(RULES)) + "COMMIT\n"
    r = w.run("iptables-legacy-restore", stdin=text)
    check("a blob above 20 MB", r.returncode == 0 and w.run("iptables-legacy-save").stdout.count("-A FORWARD") == RULES, r.stderr[-300:])
    # one rule that cannot be: nothing of the rest
    r = w.run("iptables-legacy-restore", stdin=text.replace("*filter\n", "*filter\n-A INPUT -j DROP\n").replace("COMMIT", "-A INPUT -j nobody\nCOMMIT"))
    check("all of it or nothing", r.returncode != 0 and w.run("iptables-legacy", "-S", "INPUT").stdout == "-P INPUT ACCEPT\n", r.stderr[-300:])
    w.run("iptables-legacy", "-F")


def killed(w):
    random.seed(os.getpid())
    loop = "while :; do iptables-legacy -A INPUT -j DROP; conntrack -L >/dev/null 2>&1; conntrack -U -p udp --sport 7 -m 9 >/dev/null 2>&1; iptables-legacy -D INPUT -j DROP; done"
    for _ in range(25):
        p = subprocess.Popen(w.command("sh", "-c", loop), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(random.uniform(0.05, 0.4))
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
    check("rules after kill -9", set(w.run("iptables-legacy", "-S", "INPUT").stdout.splitlines()) <= {"-P INPUT ACCEPT", "-A INPUT -j DROP"})
    check("connections after kill -9", w.run("conntrack", "-C").stdout == "1000\n")
    time.sleep(0.5)
    check("nothing is left open", w.open_files() <= w.fds + 1, "%d, %d at the beginning" % (w.open_files(), w.fds))


OPS = [op for op in range(20) if op != 17]     # TAKEN behind TAKEOVER is believed: the daemon ends in order


def bent_record(r):
    """Bytes that are nearly what travels between weir's processes (src/wire/wire.h)."""
    payload = r.choice((b"", bytes(r.randrange(256) for _ in range(r.choice((1, 4, 20, 40, 200)))), b"/proc/net/nf_conntrack\0", b"/proc/sys/net/ipv4/ip_forward\0" + b"1\n",
                        b"iptables\0-S\0", b"\0" * 5000,
                        struct.pack("=IHHIIBBH", 20, r.choice((0x100, 0x101, 0x105, 0x302, 0x400, 0x500, 0x700, 0x800)), r.choice((1, 5, 0x301, 0x305)), 1, 0, r.choice((0, 2, 10)), 0, 0)))
    head = [0x52494557, r.choice(OPS), r.choice((0, 0, 1)), len(payload), r.choice((0, 1, 2, 3, r.getrandbits(32)))] + \
        [r.choice((0, 1, 2, 12, 41, 64, 65, 66, 67, r.getrandbits(32))) for _ in range(3)] + [r.choice((0, 0, 0, 1, 2, 4, r.getrandbits(32)))]
    if r.random() < 0.2:
        head[r.choice((0, 3))] = r.getrandbits(32)
    record = struct.pack("=IHhIIIIII", *head) + payload
    return record[:r.randrange(len(record))] if r.random() < 0.05 else record


def bent(w):
    """Records of no sense, with and without memory files, from peers that do not read what is said to them."""
    r = random.Random(1)
    for n in range(300):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(w.dir + "/s")
        s.setblocking(False)
        try:
            for _ in range(r.choice((1, 3, 60))):
                fds = []
                if r.random() < 0.1:
                    fds = [os.memfd_create("x")]
                    os.ftruncate(fds[0], r.choice((0, 32, 1 << 20)))
                try:
                    socket.send_fds(s, [bent_record(r)], fds)
                finally:
                    for fd in fds:
                        os.close(fd)
                if r.random() < 0.5:
                    try:
                        s.recv(1 << 16)
                    except BlockingIOError:
                        pass
        except OSError:
            pass  # the daemon hangs up on what is no record, and a full socket takes no more
        s.close()
        if n % 50 == 0:
            check("served beside bent records", w.run("iptables-legacy", "-S", "OUTPUT").returncode == 0)
    time.sleep(0.5)
    check("alive after bent records", w.daemon.poll() is None and w.run("conntrack", "-C").returncode == 0)
    check("and nothing is left open", w.open_files() <= w.fds + 1, "%d, %d at the beginning" % (w.open_files(), w.fds))


def deaf(w):
    """A peer that asks and never reads: it is hung up on when no more answers fit, and the others are served meanwhile."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(w.dir + "/s")
    s.settimeout(0.2)
    asked, hung_up = 0, False
    try:
        while asked < 5000:
            s.send(struct.pack("=IHhIIIIII", 0x52494557, 0, 0, 0, 0, 1, 0, 0, 0))
            asked += 1
    except socket.timeout:
        pass
    except OSError:
        hung_up = True
    check("who never reads is hung up on", hung_up and asked > 50, "%d asked" % asked)
    check("served beside who never reads", w.run("iptables-legacy", "-S", "OUTPUT").returncode == 0)
    s.close()


def main():
    if os.geteuid() or not shutil.which("conntrack") or not shutil.which("iptables-legacy"):
        print("this needs root, conntrack and iptables-legacy\n0 passed, 0 failed, 1 skipped")
        return 0
    subprocess.run(["ip", "netns", "add", NS], check=True)
    w = World()
    try:
        for part in (many, at_once, large, killed):
            try:
                part(w)
            except Exception as e:
                check(part.__name__, False, repr(e))
        w.daemon.terminate()
        check("the daemon stops in order", w.daemon.wait(timeout=30) == 0)
        other = World()
        for part in (bent, deaf):
            try:
                part(other)
            except Exception as e:
                check(part.__name__, False, repr(e))
        other.daemon.terminate()
        check("it, too, stops in order", other.daemon.wait(timeout=30) == 0)
        shutil.rmtree(other.dir, ignore_errors=True)
        w.daemon.stderr.close()
        kernel = subprocess.run(["ip", "netns", "exec", NS, "sh", "-c", "cat /proc/net/ip_tables_names; conntrack -L 2>/dev/null"], stdout=subprocess.PIPE, text=True).stdout
        check("the namespace's kernel has nothing", kernel == "", kernel)
    finally:
        subprocess.run(["ip", "netns", "del", NS])
        shutil.rmtree(w.dir, ignore_errors=True)
    return done()


sys.exit(main())
