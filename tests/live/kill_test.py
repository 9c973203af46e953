#!/usr/bin/env python3
"""kill_test.py [--rounds N] [--seed N]: kill -9 of the daemon, of a tool, its supervisor, or of a second daemon, at a random moment of a restore, a replaced table, a flush,
the saving of a state, a take-over, rules that wait for their confirmation. After each: the tool ended, all of it or nothing is there, the state file is
whole, a daemon that begins with it serves, nothing is left open or running; the kernel's tables are empty. With a sanitizer build in $WEIR daemons that
stop also say whether they lost memory. Ends with "N passed, N failed, N skipped"."""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from tally import check, done

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
NS = "weirkill%d" % os.getpid()
CONNECTIONS, RULES = 400, 1500
NET = "link add eth0 type dummy\nlink set eth0 up\naddr add 10.0.0.1/24 dev eth0\n"
STRIP = re.compile(r"^#.*\n|\[\d+:\d+\]|^(\*mangle|\*nat|\*raw|\*security)\n(:.*\n)*COMMIT\n", re.M)


def rules(generation):
    """A text that is of one generation to its last line."""
    return "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n" + \
        "".join("-A FORWARD -s 10.%d.%d.%d/32 -p tcp -m tcp --dport %d -j ACCEPT\n" % (generation, i >> 8, i & 255, i + 1) for i in range(RULES + generation)) + "COMMIT\n"


def generation_of(saved):
    """Which generation a saved table is of; None: of none."""
    plain = STRIP.sub("", saved).replace(" \n", "\n")
    for g in (0, 1):
        if plain == STRIP.sub("", rules(g)).replace(" \n", "\n"):
            return g
    return None


class Daemon:
    def __init__(self, where, *options, snapshot=False):
        self.where = where
        self.p = subprocess.Popen(["ip", "netns", "exec", NS, WEIR, "daemon", *([where] if snapshot else []), "--socket", where + "/s", "--seed", "1", "--port", "eth0=packet:kill0",
                                   *options], stderr=open(where + "/said", "w", encoding="utf-8"), start_new_session=True)

    def said(self):
        with open(self.where + "/said", encoding="utf-8") as f:
            return f.read()

    def serves(self):
        until = time.monotonic() + 60
        while time.monotonic() < until and self.p.poll() is None:
            if "serving" in self.said():
                return True
            time.sleep(0.01)
        return False

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.p.pid))


def tool(where, *words, stdin=None):
    return subprocess.run([WEIR, "exec", "--socket", where + "/s", "--", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


def saved_rules(where):
    return subprocess.run([WEIR, "iptables-save"], env=dict(os.environ, WEIR_SOCKET=where + "/s"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120).stdout


def kill(p, group=False):
    try:
        (os.killpg if group else os.kill)(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def weir(where, *words):
    return subprocess.Popen([WEIR, *words[:1], "--socket", where + "/s", *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def work(where, what):
    """What goes on when somebody is killed: a process. All of it is generation 1 and no connections, or nothing is."""
    command = [WEIR, "exec", "--socket", where + "/s", "--"]
    env = dict(os.environ, WEIR_SOCKET=where + "/s")
    out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True, "env": env}
    if what == "restore":
        return subprocess.Popen(command + ["iptables-legacy-restore", where + "/1.rules"], **out)
    if what == "preload":
        return subprocess.Popen([WEIR, "exec", "--preload", "--socket", where + "/s", "--", "iptables-legacy-restore", where + "/1.rules"], **out)
    if what == "replace":
        return subprocess.Popen([WEIR, "iptables-restore", where + "/1.rules"], **out)
    if what == "flush":
        return subprocess.Popen(command + ["sh", "-c", "conntrack -F"], **out)
    if what == "list":
        return subprocess.Popen(command + ["sh", "-c", "while :; do conntrack -L; iptables-legacy-save; done"], **out)
    return subprocess.Popen([WEIR, "apply", "--socket", where + "/s", *(["--confirm", "1"] if what == "confirm" else []), where + "/1.rules"], **out)


def processes(where):
    """Those that still speak of this directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if where.encode() in f.read():
                    found.append(pid)
        except OSError:
            pass
    return found


def gone(where, patience=20.0):
    until = time.monotonic() + patience
    while processes(where) and time.monotonic() < until:
        time.sleep(0.02)
    return processes(where)


def ended(p, name, patience=60):
    try:
        return p.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        check(name + ": it ends", False, p.args)
        kill(p, True)
        p.wait()
        return None


def stop(daemon, name):
    daemon.p.send_signal(signal.SIGTERM)
    check(name + ": an orderly stop", ended(daemon.p, name) == 0, daemon.said())


def holds(where, name, old_only=False):
    """All of it, or nothing: of rules and of connections."""
    saved = saved_rules(where)
    g = generation_of(saved)
    check(name + ": whole rules", g == 0 or (g == 1 and not old_only), "%r\n%s" % (g, saved[:300] + " ... " + saved[-300:]))
    count = tool(where, "conntrack", "-C")
    check(name + ": all connections or none", count.stdout.strip() in ("0", str(CONNECTIONS)), count.stdout + count.stderr)
    return g


def one_round(r, name, template):
    where = tempfile.mkdtemp(prefix="weir-kill-")
    try:
        for f in os.listdir(template):
            shutil.copy(template + "/" + f, where + "/" + f)
        what = r.choice(["restore", "restore", "preload", "replace", "flush", "list", "confirm", "apply", "save", "takeover", "takeover"])
        victim = r.choice(["daemon", "daemon", "tool", "front"])
        name = "%s, %s killed during %s" % (name, victim, what)
        d = Daemon(where, "--state", where + "/state")
        if not check(name + ": it serves", d.serves(), d.said()):
            return
        fds = d.fds()
        if what == "save":
            round_save(r, name, where, d)
        elif what == "takeover":
            round_takeover(r, name, where, d)
        else:
            p = work(where, what)
            time.sleep(r.uniform(0.0, 0.25 if what != "confirm" else 1.3))
            if victim == "daemon":
                kill(d.p)
                d.p.wait()
                if what != "list":
                    ended(p, name)
                else:
                    time.sleep(0.2)
                kill(p, True)
            else:
                kill(p, victim == "tool")  # a tool with its supervisor, or the front process alone
                time.sleep(0.05)
                kill(p, True)
            p.wait()
            if victim != "daemon":
                if what == "confirm":
                    time.sleep(1.2)
                holds(where, name, old_only=what == "confirm")
                until = time.monotonic() + 20
                while d.fds() > fds and time.monotonic() < until:
                    time.sleep(0.02)
                check(name + ": nothing is open", d.fds() <= fds, "%d, then %d" % (fds, d.fds()))
                stop(d, name)
        check(name + ": nobody is left", not gone(where), gone(where, 0))
        check(name + ": no file aside", not [f for f in os.listdir(where) if f.startswith("state") and f != "state"] or what in ("save", "takeover") or victim == "daemon")
        again(name, where, what)
    finally:
        for pid in processes(where):
            os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(where, ignore_errors=True)


def round_save(r, name, where, d):
    d.p.send_signal(signal.SIGTERM)
    time.sleep(r.uniform(0.0, 0.03))
    kill(d.p)
    d.p.wait()


def round_takeover(r, name, where, d):
    shutil.copy(where + "/said", where + "/said-before")
    new = Daemon(where, "--state", where + "/state", "--takeover")
    time.sleep(r.uniform(0.0, 0.12))
    who = r.choice(["old", "new", "both"])
    if who != "old":
        kill(new.p)
    if who != "new":
        kill(d.p)
    if who == "new":
        new.p.wait()
        time.sleep(0.1)
        if d.p.poll() is None:
            holds(where, name + ", the new one", old_only=True)
            stop(d, name)
        return
    d.p.wait()
    if who == "old":
        if new.serves():
            holds(where, name + ", the old one", old_only=True)
            stop(new, name)
        else:
            check(name + ": the new one says why not", new.p.returncode not in (0, None) and "weir daemon" in new.said(), new.said())
    new.p.wait()


def again(name, where, what):
    """Whoever begins with what was left."""
    d = Daemon(where, "--state", where + "/state")
    if not check(name + ": the state is whole, and a daemon serves", d.serves() and "connections" in d.said(), d.said()):
        kill(d.p)
        d.p.wait()
        return
    holds(where, name + ", again", old_only=what == "confirm")
    stop(d, name + ", again")


def template_make():
    where = tempfile.mkdtemp(prefix="weir-kill-")
    for file, text in (("net.ip", NET), ("rules.v4", rules(0)), ("1.rules", rules(1))):
        with open(where + "/" + file, "w", encoding="ascii") as f:
            f.write(text)
    d = Daemon(where, "--state", where + "/state", snapshot=True)
    if not d.serves():
        raise RuntimeError(d.said())
    r = tool(where, "sh", "-c", "for i in $(seq %d); do echo \"-I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport $i --dport 5 -t 600\"; done | conntrack -R -" % CONNECTIONS)
    if tool(where, "conntrack", "-C").stdout != "%d\n" % CONNECTIONS:
        r = tool(where, "sh", "-c", "seq %d | xargs -P 4 -I{} conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport {} --dport 5 -t 6000" % CONNECTIONS)
    if tool(where, "conntrack", "-C").stdout != "%d\n" % CONNECTIONS:
        raise RuntimeError(r.stderr)
    d.p.terminate()
    d.p.wait()
    os.remove(where + "/said")
    os.remove(where + "/rules.v4")
    os.remove(where + "/net.ip")
    return where


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--rounds", type=int, default=int(os.environ.get("WEIR_KILL_ROUNDS", "24")))
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    if os.geteuid() or not shutil.which("conntrack") or not shutil.which("iptables-legacy"):
        print("this needs root, conntrack and iptables-legacy\n0 passed, 0 failed, 1 skipped")
        return 0
    subprocess.run("ip netns add %s; ip -n %s link add kill0 type veth peer name kill1; ip -n %s link set kill0 up" % (NS, NS, NS), shell=True, check=True)
    template = None
    try:
        template = template_make()
        for i in range(args.rounds):
            one_round(random.Random(args.seed * 100000 + i), "round %d" % i, template)
        kernel = subprocess.run(["ip", "netns", "exec", NS, "sh", "-c", "cat /proc/net/ip_tables_names; conntrack -L 2>/dev/null"], stdout=subprocess.PIPE, text=True).stdout
        check("the namespace's kernel has nothing", kernel == "", kernel)
    finally:
        subprocess.run(["ip", "netns", "del", NS], check=False)
        if template:
            shutil.rmtree(template, ignore_errors=True)
    return done()


sys.exit(main())
