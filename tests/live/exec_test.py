#!/usr/bin/env python3
"""Unmodified tools on a daemon: `weir exec -- TOOL`. Each run is in a network namespace of its own, whose kernel must stay
untouched. Ends with "N passed, N failed, N skipped"."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tally
from tally import check, done

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
MODE = ()  # options of weir exec for all that follows
NS = "weir-live-%d" % os.getpid()


class Daemon:
    def __init__(self, *options, files=None):
        self.dir = tempfile.mkdtemp(prefix="weir-live-")
        os.chmod(self.dir, 0o755)
        os.mkdir(self.dir + "/fw")
        for name, text in (files or {}).items():
            with open(self.dir + "/fw/" + name, "w", encoding="utf-8") as f:
                f.write(text)
        self.sock = self.dir + "/w.sock"
        self.start(*options)

    def start(self, *options):
        self.proc = subprocess.Popen([WEIR, "daemon", self.dir + "/fw", "--socket", self.sock, "--seed", "1", *options], stderr=subprocess.PIPE, text=True)
        line = self.proc.stderr.readline()
        if "serving at" not in line:
            raise RuntimeError("the daemon did not start: " + line)

    def command(self, *words, options=(), user=None):
        pre = ["ip", "netns", "exec", NS]
        if user:
            pre += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        return pre + [WEIR, "exec", *MODE, "--socket", self.sock, *options, "--", *words]

    def run(self, *words, options=(), user=None, stdin=None, env=None):
        r = subprocess.run(self.command(*words, options=options, user=user), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                           env=dict(os.environ, **(env or {})))
        return r.returncode, r.stdout, r.stderr

    def out(self, *words, **kw):
        code, out, err = self.run(*words, **kw)
        return out if code == 0 else "exit %d: %s%s" % (code, out, err)

    def stop(self):
        self.proc.terminate()
        code = self.proc.wait(timeout=20)
        self.proc.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        return code


def without_dates(text):
    return "\n".join(l for l in text.split("\n") if not l.startswith("#"))


def tables(d):
    for tool, addr in (("iptables", "10.0.0.0/8"), ("ip6tables", "fd00::/16")):
        legacy = tool + "-legacy"
        code, _, err = d.run(legacy, "-A", "INPUT", "-s", addr, "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        check(tool + " -A", code == 0, err)
        d.run(legacy, "-N", "mine")
        d.run(legacy, "-A", "mine", "-m", "limit", "--limit", "3/min", "-j", "LOG", "--log-prefix", "a b")
        d.run(legacy, "-I", "INPUT", "-j", "mine")
        d.run(legacy, "-P", "FORWARD", "DROP")
        check(tool + " -S", d.out(legacy, "-S") == "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N mine\n-A INPUT -j mine\n-A INPUT -s %s -p tcp -m tcp --dport 22 -j ACCEPT\n"
              "-A mine -m limit --limit 3/min -j LOG --log-prefix \"a b\"\n" % addr, d.out(legacy, "-S"))
        saved = without_dates(d.out(legacy + "-save"))
        check(tool + "-save", "*filter\n" in saved and "-A INPUT -j mine" in saved, saved)
        code, _, err = d.run(legacy + "-restore", stdin=saved)
        check(tool + "-restore", code == 0 and without_dates(d.out(legacy + "-save")) == saved, err)
        check(tool + " -C of what is not there", d.run(legacy, "-C", "INPUT", "-j", "DROP")[0] == 1)
        check(tool + " of an unknown table", d.run(legacy, "-t", "broute", "-L")[0] == 3)
        d.run(legacy, "-F")
        d.run(legacy, "-X")
        check(tool + " -F, -X", d.out(legacy, "-S") == "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n", d.out(legacy, "-S"))
    big = "*filter\n" + "".join("-A FORWARD -s 10.%d.%d.1/32 -j ACCEPT\n" % (i >> 8, i & 255) for i in range(20000)) + "COMMIT\n"
    code, _, err = d.run("iptables-legacy-restore", stdin=big)
    check("20,000 rules travel", code == 0 and d.out("iptables-legacy-save").count("-A FORWARD") == 20000, err)
    d.run("iptables-legacy", "-F")
    check("weir's own save agrees", "FORWARD" in d.out("iptables-legacy", "-S"))


def connections(d):
    entry = ["-p", "tcp", "-s", "192.0.2.1", "-d", "192.0.2.2", "--sport", "1000", "--dport", "80"]
    code, _, err = d.run("conntrack", "-I", *entry, "--state", "ESTABLISHED", "-t", "100", "-u", "SEEN_REPLY,ASSURED")
    check("conntrack -I", code == 0, err)
    line = d.out("conntrack", "-L", "-o", "extended")
    check("conntrack -L", re.search(r"^ipv4     2 tcp      6 \d+ ESTABLISHED src=192.0.2.1 dst=192.0.2.2 sport=1000 dport=80 src=192.0.2.2 dst=192.0.2.1 sport=80 dport=1000 \[ASSURED\] mark=0 use=1\n", line), line)
    check("conntrack -I twice", d.run("conntrack", "-I", *entry, "--state", "ESTABLISHED", "-t", "100")[0] == 1)
    check("conntrack -U", d.run("conntrack", "-U", *entry, "-m", "7")[0] == 0 and "mark=7" in d.out("conntrack", "-L"))
    check("conntrack -G", "mark=7" in d.out("conntrack", "-G", *entry))
    check("conntrack -L with a filter", d.out("conntrack", "-L", "-m", "8") == "" and "mark=7" in d.out("conntrack", "-L", "-m", "7"))
    check("conntrack -C", d.out("conntrack", "-C") == "1\n")
    check("conntrack -S", d.out("conntrack", "-S").startswith("cpu=0"), d.out("conntrack", "-S"))
    check("conntrack -L of IPv6", d.out("conntrack", "-L", "-f", "ipv6") == "")
    check("conntrack -o xml", "<sport>1000</sport>" in d.out("conntrack", "-L", "-o", "xml"))
    check("conntrack -D", d.run("conntrack", "-D", "-p", "tcp")[0] == 0 and d.out("conntrack", "-C") == "0\n")
    lines = "".join("-I -p udp -s 10.0.%d.%d -d 10.9.9.9 --sport 5 --dport 6 -t 60\n" % (i >> 8, i & 255) for i in range(600))
    code, _, err = d.run("conntrack", "-R", "-", stdin=lines)
    check("a dump longer than a buffer", d.out("conntrack", "-L").count("udp ") == 600 if code == 0 else False, err)
    check("conntrack -F", d.run("conntrack", "-F")[0] == 0 and d.out("conntrack", "-C") == "0\n")
    check("conntrack -L expect", d.run("conntrack", "-L", "expect")[0] == 0)


def forms(d):
    """weir's own conntrack says byte for byte what the real one makes of the netlink messages."""
    d.run("conntrack", "-F")
    d.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_timestamp=1")
    four, six = ["-s", "192.0.2.1", "-d", "192.0.2.2"], ["-s", "2001:db8::1", "-d", "2001:db8::2"]
    for words in (["-p", "tcp", *four, "--sport", "1000", "--dport", "80", "--state", "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-m", "5"],
                  ["-p", "tcp", *four, "--sport", "1001", "--dport", "80", "--state", "TIME_WAIT", "-g", "10.7.7.7:99", "-n", "10.6.6.6", "-u", "SEEN_REPLY,ASSURED,FIXED_TIMEOUT"],
                  ["-p", "udp", *four, "--sport", "1000", "--dport", "53", "-n", "10.9.9.9:77"], ["-p", "udp", *four, "--sport", "1000", "--dport", "53", "-w", "9"],
                  ["-p", "udp", *four, "--sport", "1000", "--dport", "54", "--orig-zone", "7"], ["-p", "udp", *four, "--sport", "1000", "--dport", "55", "--reply-zone", "8"],
                  ["-p", "icmp", *four, "--icmp-type", "8", "--icmp-code", "0", "--icmp-id", "99"], ["-p", "gre", *four, "--srckey", "10", "--dstkey", "20"], ["-p", "99", *four],
                  ["-p", "icmpv6", *six, "--icmpv6-type", "128", "--icmpv6-code", "0", "--icmpv6-id", "99"], ["-p", "udplite", *six, "--sport", "5", "--dport", "6"],
                  ["-p", "sctp", *four, "--sport", "7", "--dport", "8", "--state", "ESTABLISHED", "--orig-vtag", "1", "--reply-vtag", "2"]):
        code, _, err = d.run("conntrack", "-I", *words, "-t", "100000")
        check("conntrack -I " + " ".join(words), code == 0, err)
    seconds = lambda text: re.sub(r"\b99\d\d\d\b|(?<=deltatime>)\d+|(?<=delta-time=)\d+", "N", text)
    for options in ([], ["-o", "extended,id"], ["-o", "xml"], ["-o", "xml,ktimestamp"], ["-o", "save"], ["-o", "ktimestamp"], ["-o", "xml", "-f", "ipv6"], ["-p", "tcp", "-o", "xml"],
                    ["-o", "xml", "-s", "203.0.113.9"], ["-p", "udp", "-o", "save", "-d", "192.0.2.2"]):
        theirs = d.out("conntrack", "-L", *options)
        r = subprocess.run([WEIR, "conntrack", "-L", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, WEIR_SOCKET=d.sock))
        check("weir conntrack -L " + " ".join(options), r.returncode == 0 and seconds(r.stdout) == seconds(theirs), "theirs:\n%s\nweir's:\n%s%s" % (theirs, r.stdout, r.stderr))
    r = subprocess.run([WEIR, "conntrack", "-L", "-o", "json", "--socket", d.sock], stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    check("weir conntrack -o json", len(rows) == 12 and rows[0]["original"]["sport"] == 1000 and rows[0]["assured"] is True, r.stdout)
    d.run("conntrack", "-F")


def events(d):
    p = subprocess.Popen(d.command("conntrack", "-E"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    d.run("conntrack", "-I", "-p", "udp", "-s", "1.1.1.1", "-d", "2.2.2.2", "--sport", "1", "--dport", "2", "-t", "50")
    d.run("conntrack", "-D", "-p", "udp")
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)  # the front ignores it, as the terminal would tell the tool itself
    children = subprocess.run(["pgrep", "-f", "^conntrack -E"], stdout=subprocess.PIPE, text=True).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGINT)
    out, err = p.communicate(timeout=20)
    check("conntrack -E hears", re.search(r"\[NEW\] udp .*\n\s*\[DESTROY\] udp ", out), out + err)
    check("conntrack -E ends by SIGINT", "2 flow events have been shown" in err, err)


NOT_READ = """
import errno, os, socket, subprocess, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind((0, 1))
quiet = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
quiet.setsockopt(270, 5, 1)     # NETLINK_NO_ENOBUFS
quiet.bind((0, 1))
entries = "".join("-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport %d --dport 2 -t 50\\n" % (n + 1) for n in range(3000))
subprocess.run(["conntrack", "-R", "-"], input=entries, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for sock in (s, quiet):
    said = []
    sock.settimeout(2)
    while True:
        try:
            said.append("event" if len(sock.recv(65536)) > 20 else "short")
        except TimeoutError:
            break
        except OSError as e:
            said.append(errno.errorcode[e.errno])
    print(0 < said.count("event") < 3000, said.count("ENOBUFS"), len(said) - said.count("event") - said.count("ENOBUFS"))
subprocess.run(["conntrack", "-I", "-p", "udp", "-s", "1.1.1.1", "-d", "2.2.2.2", "--sport", "5000", "--dport", "2", "-t", "50"], stderr=subprocess.DEVNULL)
s.settimeout(10)
print(len(s.recv(65536)) > 20)
"""


def not_read(d):
    """Who does not read hears once that messages were lost, unless it said that it does not want to know, and then of what comes next."""
    out = d.out(sys.executable, "-c", NOT_READ)
    check("ENOBUFS", out == "True 1 0\nTrue 0 0\nTrue\n", out)
    d.run("conntrack", "-F")


def said(d):
    """weir exec -v."""
    _, _, err = d.run("sh", "-c", "iptables-legacy -S; cat /proc/net/ip_tables_names; conntrack -C", options=("-v",))
    check("-v says what was served", all(x in err for x in ("getsockopt(SOL_IP, 64): served", "/proc/net/ip_tables_names: served", "nfnetlink subsystem 1, command 5: served")), err)
    ask = "import socket, struct; s = socket.socket(16, 3, 12); s.send(struct.pack('=IHHIIBBH', 20, 0x601, 5, 1, 0, 2, 0, 0)); print(len(s.recv(999)))"
    out = d.run(sys.executable, "-c", ask, options=("-v",))
    check("and what was not", out[0] == 0 and "nfnetlink subsystem 6, command 1 is not served" in out[2], str(out))


def own_events(d):
    """weir's own conntrack -E beside the real one: the same events, byte for byte."""
    d.run("conntrack", "-F")
    env = dict(os.environ, WEIR_SOCKET=d.sock)
    own = lambda *words: subprocess.run([WEIR, "conntrack", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=30)
    cases = ([], ["-o", "save"], ["-o", "xml"], ["-o", "xml,ktimestamp,id"], ["-o", "xml,timestamp"], ["-o", "timestamp,id"], ["-o", "ktimestamp,extended"], ["-e", "NEW,DESTROY"], ["-e", "updates"],
             ["-p", "tcp"], ["-m", "5"], ["-p", "tcp", "--state", "CLOSE"], ["-f", "ipv6"], ["-w", "7"], ["-s", "192.0.2.0/24"], ["-n"], ["-b", "100000"], ["expect"], ["-e", "NONSENSE"], ["-t", "5"],
             ["expect", "-f", "ipv4"], ["--mask-src", "1.1.1.1"], ["-p", "udp", "--sport", "1"])
    pairs = [[subprocess.Popen(["timeout", "-s", "INT", "9", *words, "-E", *case], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) for words in (d.command("timeout", "-s", "INT", "8", "conntrack"),
                                                                                                                          [WEIR, "conntrack"])] for case in cases]
    time.sleep(3.5)    # 46 programs begin to listen
    four, six = ["-s", "192.0.2.1", "-d", "192.0.2.2"], ["-s", "2001:db8::1", "-d", "2001:db8::2"]
    for words in (["-I", "-p", "tcp", *four, "--sport", "1", "--dport", "2", "--state", "ESTABLISHED", "-u", "ASSURED,SEEN_REPLY", "-t", "1000", "-m", "4"], ["-U", "-p", "tcp", "-f", "ipv4", "-m", "5"],
                  ["-U", "-p", "tcp", "-f", "ipv4", "--state", "CLOSE"], ["-I", "-p", "udp", *four, "--sport", "1", "--dport", "2", "-t", "1000", "-w", "7"], ["-I", "-p", "icmp", *four, "--icmp-type", "8",
                  "--icmp-code", "0", "--icmp-id", "5", "-t", "1000"], ["-I", "-p", "tcp", *six, "--sport", "1", "--dport", "2", "--state", "SYN_SENT", "-t", "1000"], ["-I", "-p", "udp", *four, "--sport", "3",
                  "--dport", "4", "-n", "10.1.1.1:99", "-t", "1000"], ["-D", "-p", "tcp"], ["-F"]):
        r = own(*words)
        check("weir conntrack " + " ".join(words), r.returncode == 0, r.stderr)
    plain = lambda text: re.sub(r"\[(start|stop)=[^]]*\] ?|(?<=delta-time=)\d+|(?<=deltatime>)\d+|\d{10}\.\d+ *|\b(1000|999|998|997)\b|<(min|sec)>\d+", "N", text)
    for case, pair in zip(cases, pairs):
        theirs, ours = (p.communicate(timeout=20) for p in pair)
        check("weir conntrack -E " + " ".join(case), [plain(x) for x in ours] == [plain(x) for x in theirs], "theirs:\n%s%s\nweir's:\n%s%s" % (theirs + ours))
    p = subprocess.Popen([WEIR, "conntrack", "-E", "-o", "json", "-b", "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    time.sleep(0.5)
    p.send_signal(signal.SIGSTOP)
    d.run("conntrack", "-R", "-", stdin="".join("-I -p udp -s 10.0.%d.%d -d 10.9.9.9 --sport 5 --dport 6 -t 60\n" % (i >> 8, i & 255) for i in range(3000)))
    p.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    rows = [json.loads(line) for line in out.splitlines()]
    check("weir conntrack -E -o json", rows and rows[0]["event"] == "new" and rows[0]["original"]["sport"] == 5, out[:300])
    check("what is lost is said", len(rows) < 3000 and "We are losing events" in err, "%d rows, %s" % (len(rows), err[-300:]))
    own("-F")


def files(d):
    d.run("iptables-legacy", "-t", "mangle", "-L")
    check("/proc/net/ip_tables_names", "mangle\n" in d.out("cat", "/proc/net/ip_tables_names"))
    check("/proc/self/net", "mangle\n" in d.out("cat", "/proc/self/net/ip_tables_names"))
    name = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close"
    check("a shell writes a setting", d.out("sh", "-c", "echo 77 > %s; cat %s" % (name, name)) == "77\n")
    check("sysctl -w", d.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=78")[0] == 0 and d.out("cat", name) == "78\n")
    check("a bad value is refused", d.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=x")[0] != 0 and d.out("cat", name) == "78\n")
    check("other files are the host's", "root" in d.out("cat", "/etc/passwd"))


def processes(d):
    check("exit status", d.run("sh", "-c", "exit 7")[0] == 7)
    check("a signal's status", d.run("sh", "-c", "kill -9 $$")[0] == (-9 if MODE else 137))  # with the library weir exec becomes the tool
    check("no such tool", d.run("no-such-tool")[0] == 127)
    check("children, pipes", d.out("sh", "-c", "iptables-legacy -N deep; (iptables-legacy -S | grep -c deep)") == "1\n")
    check("nested weir exec", "deep" in d.out(WEIR, "exec", *MODE, "--socket", d.sock, "--", "iptables-legacy", "-S"))
    check("xargs of many", d.out("sh", "-c", "seq 20 | xargs -P 4 -I{} iptables-legacy -w -N many{}; iptables-legacy -S | grep -c many") == "20\n")
    code, _, err = subprocess.run([WEIR, "exec", "--socket", "/nonexistent/x", "--", "true"], stderr=subprocess.PIPE, text=True).returncode, 0, ""
    check("no daemon", code == 69)
    nobody = d.run("iptables-legacy", "-S", user="65534")
    check("a stranger is refused by the socket", nobody[0] == 69, str(nobody))
    if MODE:
        fuse(d)
    else:
        killed_supervisor(d)


def fuse(d):
    """What does not come through libc is refused, not passed on to the host."""
    code = d.out("env", "-u", "LD_PRELOAD", "iptables-legacy", "-S")
    check("a tool without the library changes nothing", code.startswith("exit ") and "-P INPUT" not in code, code)
    raw = "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(41, 16, 3, 12), ctypes.get_errno())"
    check("a bare system call for a netlink socket", d.out(sys.executable, "-c", raw) == "-1 1\n")


def killed_supervisor(d):
    p = subprocess.Popen(d.command("sh", "-c", "sleep 1; iptables-legacy -w 1 -S; echo $?"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.4)
    supervisors = subprocess.run(["pgrep", "-P", str(subprocess.run(["pgrep", "-P", str(p.pid)], stdout=subprocess.PIPE, text=True).stdout.strip() or p.pid)], stdout=subprocess.PIPE, text=True).stdout.split()
    for s in supervisors or [x for x in subprocess.run(["pgrep", "-P", str(p.pid)], stdout=subprocess.PIPE, text=True).stdout.split()]:
        os.kill(int(s), signal.SIGKILL)
    out, err = p.communicate(timeout=30)
    check("a killed supervisor lets nothing through", "-P INPUT" not in out, out + err)


def plain_user():
    """A daemon and tools without root, of a copy laid out as it is installed: the build may lie where only root reads."""
    home = tempfile.mkdtemp(prefix="weir-live-")
    os.chown(home, 65534, 65534)
    weir = home + "/bin/weir"
    for path, to in ((WEIR, weir), (os.path.dirname(WEIR) + "/../exec/preload/libweir-preload.so", home + "/lib/weir/libweir-preload.so")):
        os.makedirs(os.path.dirname(to))
        shutil.copy(path, to)
    pre = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    env = dict(os.environ, WEIR_SOCKET=home + "/s")
    p = subprocess.Popen(pre + [weir, "daemon"], stderr=subprocess.PIPE, text=True, env=env)
    if "serving" not in p.stderr.readline():
        check("a daemon of nobody", False)
        return

    def run(*words):
        r = subprocess.run(pre + [weir, "exec", *MODE, "--", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=30)
        return r.stdout if r.returncode == 0 else "exit %d %s" % (r.returncode, r.stderr)

    run("iptables-legacy", "-A", "INPUT", "-j", "DROP")
    check("iptables as nobody", "-A INPUT -j DROP" in run("iptables-legacy", "-S"), run("iptables-legacy", "-S"))
    run("conntrack", "-I", "-p", "udp", "-s", "1.1.1.1", "-d", "2.2.2.2", "--sport", "1", "--dport", "2", "-t", "50")
    check("conntrack as nobody", "dport=2" in run("conntrack", "-L"), run("conntrack", "-L"))
    p.terminate()
    p.wait()
    shutil.rmtree(home, ignore_errors=True)


def daemon_goes(d):
    p = subprocess.Popen(d.command("conntrack", "-E"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    d.proc.kill()
    d.proc.wait()
    try:
        p.communicate(timeout=20)
        ended = True
    except subprocess.TimeoutExpired:
        ended = False
        p.kill()
    check("a tool ends when the daemon is gone", ended)
    check("and others say so", d.run("iptables-legacy", "-S")[0] == 69)
    d.start()
    check("the next daemon takes the dead one's socket", "-P INPUT" in d.out("iptables-legacy", "-S"))
    second = subprocess.run([WEIR, "daemon", "--socket", d.sock], stderr=subprocess.PIPE, text=True)
    check("two daemons at one socket", second.returncode == 3 and "listens there already" in second.stderr, second.stderr)


def main():
    global MODE
    need = ["iptables-legacy", "conntrack", "ip", "setpriv", "sysctl"]
    missing = [x for x in need if not shutil.which(x)]
    if os.geteuid() or missing:
        print("live tests need root and %s" % ", ".join(missing or need))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    subprocess.run(["ip", "netns", "add", NS], check=True)
    try:
        for MODE in ((), ("--preload",)):
            tally.where = MODE[0] if MODE else ""
            d = Daemon()
            for part in (tables, connections, forms, events, not_read, said, own_events, files, processes, daemon_goes):
                try:
                    part(d)
                except Exception as e:
                    check(part.__name__, False, repr(e))
            check("an orderly stop", d.stop() == 0)
            plain_user()
        host = subprocess.run(["ip", "netns", "exec", NS, "cat", "/proc/net/ip_tables_names"], stdout=subprocess.PIPE, text=True).stdout
        check("the namespace's kernel has no table", host == "", host)
        host = subprocess.run(["ip", "netns", "exec", NS, "conntrack", "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        check("the namespace's kernel has no connection", host == "", host)
    finally:
        subprocess.run(["ip", "netns", "del", NS])
    return done()


sys.exit(main())
