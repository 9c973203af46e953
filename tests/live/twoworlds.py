"""Two worlds alike: client - router - server, three namespaces each. In one the router is the kernel, in the other `weir daemon`
on packet ports; rules and programs are the same. What a Scenario showed is read from the router with the same tools:
connections and what happened to each, expectations, and the counters of rules."""
import os
import re
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
C, S, R0, R1 = "10.0.0.2", "10.1.0.2", "10.0.0.1", "10.1.0.1"
C6, S6, R06, R16 = "fd00::2", "fd00:1::2", "fd00::1", "fd00:1::1"
# pptp's clients of one machine find each other by a socket here
PRIVATE = ["sh", "-c", "mkdir -p /run/pptp && mount -t tmpfs none /run/pptp && exec \"$@\"", "sh"]
os.environ["MIBS"] = ""
SYSCTL = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}
NET = """link add eth0 type dummy
link add eth1 type dummy
addr add 10.0.0.1/24 dev eth0
addr add 10.1.0.1/24 brd + dev eth1
addr add fd00::1/64 dev eth0
addr add fd00:1::1/64 dev eth1
link set eth0 up
link set eth1 up
"""


def run(args, text=None, ok=True, timeout=60, err=subprocess.STDOUT):
    r = subprocess.run(args, input=text, stdout=subprocess.PIPE, stderr=err, text=True, errors="replace", timeout=timeout)
    if ok and r.returncode:
        raise RuntimeError("%s: %s" % (" ".join(args), r.stdout))
    return r.stdout


class Scenario:
    """@client(world) runs on the client's side and returns what it got; @servers(world) start what it talks to. Ports in @known are names,
    all others from 1024 on were chosen by somebody. @want: what a client that was served has got. @local: the client runs on the router itself, in a run of its own."""

    def __init__(self, name, client, servers=None, v4="", v6="", known=(), local=False, want=""):
        self.name, self.client, self.servers, self.v4, self.v6 = name, client, servers, v4, v6
        self.known, self.local, self.want = {str(p) for p in known}, local, want


class World:
    """One router between a client and a server; is_weir says who the router is."""

    def __init__(self, is_weir):
        self.is_weir, self.tag = is_weir, "sv%d%s" % (os.getpid(), "w" if is_weir else "k")
        self.c, self.r, self.s = (self.tag + x for x in "crs")
        self.dir = tempfile.mkdtemp(prefix="weir-servers-")
        os.chmod(self.dir, 0o755)
        self.running, self.daemon = [], None
        self.socket = self.dir + "/weir.sock"
        for ns in (self.c, self.r, self.s):
            run(["ip", "netns", "add", ns])
            run(["ip", "-n", ns, "link", "set", "lo", "up"])
        for iface, ns in (("eth0", self.c), ("eth1", self.s)):
            run(["ip", "-n", self.r, "link", "add", iface, "type", "veth", "peer", "name", "eth0", "netns", ns])
        for ns, n4, n6 in ((self.c, "10.0.0", "fd00"), (self.s, "10.1.0", "fd00:1")):
            self.lines(ns, "link set eth0 up\naddr add %s.2/24 brd + dev eth0\naddr add %s::2/64 dev eth0 nodad\nroute add default via %s.1\n"
                           "route add default via %s::1\n" % (n4, n6, n4, n6))
        if is_weir:
            self.ip_sysctl({"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1})
            self.lines(self.r, "link set eth0 up\nlink set eth1 up\n")
        else:
            self.lines(self.r, "\n".join(x + (" nodad" if ":" in x else "") for x in NET.split("\n") if "dummy" not in x))
            self.ip_sysctl(SYSCTL)

    def lines(self, ns, text):
        run(["ip", "-n", ns, "-batch", "-"], text)

    def ip_sysctl(self, values):
        for k, v in values.items():
            run(["ip", "netns", "exec", self.r, "sysctl", "-qw", "%s=%s" % (k, v)])

    def path(self, name):
        return self.dir + "/" + name

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.path(name), mode)
        return self.path(name)

    def start(self, ns, args, **kw):
        """A program that ends with the scenario."""
        p = subprocess.Popen(["ip", "netns", "exec", ns] + PRIVATE + args, stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=kw.pop("stdout", subprocess.DEVNULL),
                             stderr=kw.pop("stderr", subprocess.DEVNULL), start_new_session=True, **kw)
        self.running.append(p)
        return p

    def serve(self, args, port, proto="tcp", **kw):
        """A server, once it listens."""
        p = self.start(self.s, args, **kw)
        self.listening(self.s, port, proto)
        return p

    def listening(self, ns, port, proto="tcp"):
        for _ in range(200):
            if re.search(r"[:\]]%d\b" % port, run(["ip", "netns", "exec", ns, "ss", "-Hln", "-t" if proto == "tcp" else "-u"])):
                return
            time.sleep(0.05)
        raise RuntimeError("nobody listens at %s/%d" % (proto, port))

    def run(self, args, ns=None, timeout=40, **kw):
        return run(["ip", "netns", "exec", ns or self.c] + PRIVATE + args, ok=False, timeout=timeout, **kw)

    def stop_running(self):
        for p in reversed(self.running):
            try:
                os.killpg(p.pid, 15)
            except ProcessLookupError:
                pass
        for p in self.running:
            try:
                p.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, 9)
                p.wait()
        self.running.clear()

    def begin(self, scenario):
        """The router has the scenario's rules and knows of no connection."""
        rules = (scenario.v4 or "*filter\nCOMMIT\n", scenario.v6 or "*filter\nCOMMIT\n")
        if self.is_weir:
            options = []
            for name, text in (("net.ip", NET), ("sysctl.conf", "".join("%s=%s\n" % x for x in SYSCTL.items())), ("rules.v4", rules[0]), ("rules.v6", rules[1])):
                self.write("snapshot/" + name, text)
            if scenario.local:
                options = ["--local", "tun:host0"]
            self.daemon = subprocess.Popen(["ip", "netns", "exec", self.r, WEIR, "daemon", self.path("snapshot"), "--socket", self.socket, "--conntrack", "on",
                                            "--port", "eth0=packet:eth0", "--port", "eth1=packet:eth1"] + options, stderr=subprocess.PIPE, text=True)
            line = self.daemon.stderr.readline()
            if "serving" not in line:
                raise RuntimeError(line + self.daemon.stderr.read())
            if scenario.local:
                self.lines(self.r, "link set host0 up\naddr add 10.1.0.1/32 dev host0\nroute add 10.1.0.0/24 dev host0\n")
                self.ip_sysctl({"net.ipv4.conf.all.rp_filter": 0})
        else:
            for family, text in (("", rules[0]), ("6", rules[1])):
                blank = "*raw\nCOMMIT\n*nat\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\nCOMMIT\n"
                self.tool("ip%stables-legacy-restore" % family, text=blank)
                self.tool("ip%stables-legacy-restore" % family, text=text)
        self.tool("conntrack", "-F")
        self.monitors = [open(self.path(name), "wb") for name in ("events", "expects")]
        for f, words in zip(self.monitors, (["-E"], ["-E", "expect"])):
            p = subprocess.Popen(self.tool_words(["conntrack"] + words), stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.DEVNULL, start_new_session=True)
            self.running.append(p)
        time.sleep(0.4)

    def tool_words(self, words):
        return ([WEIR, "exec", "--socket", self.socket, "--"] if self.is_weir else ["ip", "netns", "exec", self.r]) + list(words)

    def tool(self, *words, text=None):
        return run(self.tool_words(words), text, ok=False, err=subprocess.DEVNULL)

    def observe(self, scenario):
        seen = {"connections": self.tool("conntrack", "-L", "-f", "ipv4") + self.tool("conntrack", "-L", "-f", "ipv6"), "rules": ""}
        for family in ("", "6"):
            seen["rules"] += self.tool("ip%stables-legacy-save" % family, "-c")
        return seen

    def end(self):
        self.stop_running()
        for f in self.monitors:
            f.close()
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(timeout=20)
            self.daemon.stderr.close()
            self.daemon = None
        return {name: open(self.path(name), encoding="utf-8", errors="replace").read() for name in ("events", "expects")}

    def show(self, scenario):
        """All that the scenario shows in this world, made comparable."""
        try:
            self.begin(scenario)
            if scenario.servers:
                scenario.servers(self)
            got = scenario.client(self)
            time.sleep(0.4)
            seen = self.observe(scenario)
        finally:
            seen2 = self.end()
        seen.update(seen2)
        return {"what the client got": got, "connections": entries(seen["connections"], scenario), "events": lives(seen["events"], scenario),
                "expectations": expectations(seen["expects"], scenario), "rules": counters(seen["rules"])}

    def close(self):
        self.stop_running()
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        for ns in (self.c, self.r, self.s):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def named_ports(line, known):
    """Ports that somebody chose become a, b, c in the order in which the line names them."""
    names = {}

    def name(m):
        key, n = m.groups()
        if n == "0x0" or (not n.startswith("0x") and (int(n) < 1024 or n in known)):
            return m.group(0)
        return key + names.setdefault(n, "abcdefghijkl"[min(len(names), 11)])

    return re.sub(r"\b((?:sport|dport|srckey|dstkey)=)(0x[0-9a-f]+|\d+)", name, line)


def host_talk(line):
    """Neighbour discovery and the like, which hosts do when they feel like it."""
    return "icmpv6" in line or "224.0.0" in line or "ff02:" in line or " dport=138 " in line or "src=10.1.0.2 dst=10.1.0.255" in line


def entries(text, scenario):
    """Connections without their remaining time, in the order of their text."""
    out = []
    for line in text.split("\n"):
        if " src=" in line and not host_talk(line):
            out.append(named_ports(re.sub(r"^(\S+\s+\d+) \d+", r"\1", re.sub(r" use=\d+", "", " ".join(line.split()))), scenario.known))
    return sorted(out)


def lives(text, scenario):
    """What happened to each connection, one after the other; states that a connection passes through while both ends close at once count as one."""
    told = {}
    for line in text.split("\n"):
        m = re.match(r"\s*\[(\w+)\]\s+(\S+)\s+\d+(?: \d+)? ?(\w+)? ?(src=.*)", line)
        if m and not host_talk(line):
            what, proto, state, tuple_ = m.groups()
            key = proto + " " + " ".join(re.findall(r"\S+=\S+", tuple_)[:4])
            reply = " ".join(w for w in tuple_.split()[4:] if not w.startswith("[ASSURED") and not w.startswith("[UNREPLIED"))
            told.setdefault(key + " " + reply, []).append("%s %s" % (what, state or ""))
    closing = ("UPDATE FIN_WAIT", "UPDATE CLOSE_WAIT", "UPDATE LAST_ACK", "UPDATE TIME_WAIT", "UPDATE CLOSE")
    out = []
    for key, steps in told.items():
        kept = [s for s in steps if s not in closing]
        if len(kept) != len(steps):
            kept.append("closed")
        out.append(named_ports(key, scenario.known) + ": " + ", ".join(kept))
    return sorted(out)


def expectations(text, scenario):
    out = []
    for line in text.split("\n"):
        m = re.match(r"\s*\[(\w+)\]\s+(\d+) (.*)", line)
        if m:
            left = int(m.group(2)) + (m.group(1) == "DESTROY")     # it may have waited for a second
            out.append("%s %d %s" % (m.group(1), left - left % 2 if m.group(1) == "DESTROY" else left, named_ports(m.group(3), scenario.known)))
    return sorted(out)


def counters(text):
    """Rules with their counters, but for those that count all of a connection's packets."""
    out = []
    for line in text.split("\n"):
        if line.startswith("["):
            out.append(re.sub(r"^\[\d+:\d+\]", "[-]", line) if "ESTABLISHED" in line or "-j CT" in line else line)
    return sorted(out)
