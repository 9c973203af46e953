#!/usr/bin/env python3
"""The example and test programs that come with netfilter's libraries (libnetfilter_conntrack, _queue, _log, _acct, _cttimeout, _cthelper, libmnl), compiled as they are: the same
programs, commands and packets on a namespace of this kernel and on a daemon, through `weir exec` and through `weir exec --preload`. What they print, how they end and what becomes
of the packets must be equal, but for ids, seconds and times.

    tests/upstream/libraries.py [--weir PATH] [--sources DIR] [--verbose]

Sources are fetched (fetch.py), or are in DIR or WEIR_UPSTREAM_SOURCES; a library that cannot be had is skipped, and that is said. Ends with "N passed, N failed, N skipped".
"""
import argparse
import difflib
import glob
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import fetch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# library: what its programs need at compile time and at link time
LIBRARIES = {"libnetfilter-conntrack": ("libnetfilter_conntrack", []), "libnetfilter-queue": ("libnetfilter_queue", []), "libnetfilter-log": ("libnetfilter_log", ["-lnetfilter_log_libipulog"]),
             "libnetfilter-acct": ("libnetfilter_acct", []), "libnetfilter-cttimeout": ("libnetfilter_cttimeout", []), "libnetfilter-cthelper": ("libnetfilter_cthelper", []), "libmnl": ("libmnl", [])}
FOLDERS = ("utils", "examples", "tests", "examples/netfilter")

parser = argparse.ArgumentParser()
parser.add_argument("--weir", default=os.environ.get("WEIR", os.path.join(ROOT, "build/src/cli/weir")))
parser.add_argument("--sources")
parser.add_argument("--only", default="", help="scenarios whose names hold this")
parser.add_argument("--all", action="store_true", help="also 64,512 answers one by one through `weir exec`")
parser.add_argument("--verbose", action="store_true")
args = parser.parse_args()
os.environ["WEIR"] = os.path.abspath(args.weir)
sys.path.insert(0, ROOT + "/tests/live")
sys.path.insert(0, ROOT + "/tests/kernel")
from queue_test import seen, udp4  # noqa: E402
from packets import ip, tcp  # noqa: E402
from worlds import LAN, WAN, Kernel, Weir  # noqa: E402

SYN = tcp(1000, 22, "S", seq=5)(ip("10.0.0.2", "10.1.0.2"))
SYN_ACK = tcp(22, 1000, "SA", seq=9, ack=6)(ip("10.1.0.2", "10.0.0.2"))
OTHER = ip("10.0.0.2", "10.1.0.2")(b"any", 99)
counts = [0, 0, 0]
programs = {}  # "library/program": path


def build(where):
    """Compiles all of them; {library: why not} of what is missing."""
    missing = {}
    for library, (name, more) in LIBRARIES.items():
        sources = fetch.source(library, args.sources)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", name, "libmnl", "libnfnetlink"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not sources or flags.returncode:
            missing[library] = "no sources" if not sources else "no development package"
            continue
        for path in sorted(p for f in FOLDERS for p in glob.glob(os.path.join(sources, f, "*.c"))):
            key = library + "/" + os.path.basename(path)[:-2]
            out = os.path.join(where, key.replace("/", "_"))
            r = subprocess.run(["cc", "-w", "-o", out, path, "-I", os.path.join(sources, "include")] + flags.stdout.split() + more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if r.returncode and more:
                r = subprocess.run(["cc", "-w", "-o", out, path] + flags.stdout.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if r.returncode:
                missing[key] = r.stdout.strip().splitlines()[-1]
            else:
                programs[key] = out
    return missing


def tidied(text):
    """Lines without what is the machine's or time's: addresses in memory, ids, uses, times and seconds left."""
    text = re.sub(r"0x[0-9a-f]{8,}", "POINTER", text)
    text = re.sub(r"\b(timeout|id|use|expires|delta-time|start|stop|seq|portid|pid|time|timestamp|packet_id)([=: ] ?)\d+(\.\d+)?", r"\1\2N", text)
    text = re.sub(r"(Input device|Output device|Timestamp)=\S+", r"\1=N", text)  # names of links are asked of the host
    text = re.sub(r"<when>.*?</when>|<(timeout|id)>\d+<", r"<\1>N<", text)
    text = re.sub(r"\b\d+ (?=proto=\d)", "N ", text)
    text = re.sub(r"^((?: *\[\w+\] +)*(?:ipv[46] +\d+ +)?[\w-]+ +\d+) \d+ (?=[A-Z]|src)", r"\1 N ", text, flags=re.M)
    return re.sub(r"^added \d+ flow.*\n", "", text, flags=re.M).splitlines()


class Side:
    """A world and the way programs are run there."""

    def __init__(self, world, preload):
        self.w, self.preload = world, preload

    def words(self, words):
        path = [programs.get(words[0], words[0]), *words[1:]]
        if isinstance(self.w, Kernel):
            return path
        return [self.w.weir, "exec"] + (["--preload"] if self.preload else []) + ["--socket", self.w.sock, "--"] + path

    def run(self, *words):
        """A program that ends; with stdout and stderr."""
        try:
            r = subprocess.run(self.words(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=30)
        except subprocess.TimeoutExpired:
            return ["$ " + " ".join(words), "(does not end)"]
        # tables are listed in the order of their hash
        return ["$ " + " ".join(words)] + sorted(tidied(r.stdout)) + ["exit %d" % r.returncode]

    def begin(self, *words):
        """One that listens, until end()."""
        name = words[0]
        words = self.words(words)
        at = next(i for i, w in enumerate(words) if w == programs.get(name, name))
        out = tempfile.TemporaryFile(mode="w+", errors="replace")
        p = subprocess.Popen(words[:at] + ["stdbuf", "-oL"] + words[at:], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        time.sleep(0.5)  # it says nothing until something comes
        return p, out, name

    def end(self, running, number=signal.SIGINT, wait=0.4):
        p, out, name = running
        time.sleep(wait)
        code = "ended by itself" if p.poll() is not None else "listens still"
        if p.poll() is None:
            (os.killpg if number == signal.SIGINT else os.kill)(p.pid, number)  # as a terminal does, as a service manager does
        try:
            p.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            code = "cannot be ended"
        out.seek(0)
        return ["& " + name] + tidied(out.read()) + [code]


scenarios = []


def scenario(*needs, rules="", rules6="", kernel=True):
    def add(play):
        scenarios.append((play, needs, rules, rules6, kernel))
        return play
    return add


C = "libnetfilter-conntrack/"
INSERT = "conntrack -I -p tcp -s 10.0.0.9 -d 10.1.0.9 --sport 100 --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 500".split()
TRACKED = "*filter\n-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n"


@scenario(C)
def connections(s):
    """What makes, changes, asks for and removes connections, in every order that matters."""
    one = ["conntrack_create", "conntrack_create", "conntrack_get", "conntrack_dump", "conntrack_update", "conntrack_get", "conntrack_dump_filter", "conntrack_dump_filter_tuple", "conntrack_delete",
           "conntrack_delete", "conntrack_get", "conntrack_update", "conntrack_create_nat", "conntrack_dump", "conntrack_create_nat", "conntrack_flush", "conntrack_grp_create", "conntrack_dump",
           "conntrack_grp_create", "conntrack_flush_filter", "conntrack_flush", "conntrack_dump", "conntrack_create", "conntrack_master", "conntrack_dump", "conntrack_master", "nfct-mnl-create", "nfct-mnl-create",
           "nfct-mnl-get", "nfct-mnl-dump", "nfct-mnl-del", "nfct-mnl-del", "nfct-mnl-get", "nfct-mnl-flush", "nfct-mnl-dump", "conntrack_dump"]
    return [line for p in one if C + p in programs for line in s.run(C + p)]


@scenario(C)
def expectations(s):
    one = ["expect_create", "expect_create", "expect_dump", "expect_get", "nfexp-mnl-dump", "expect_delete", "expect_delete", "expect_get", "expect_create", "expect_flush", "expect_dump", "conntrack_flush",
           "expect_create_nat", "expect_dump", "conntrack_flush", "expect_create_userspace", "expect_dump", "nfexp-mnl-dump", "conntrack_flush", "expect_dump", "conntrack_dump"]
    return [line for p in one if C + p in programs for line in s.run(C + p)]


@scenario(C, rules="*filter\n-A FORWARD -m connlabel --label 2 --set\nCOMMIT\n")
def labels(s):
    s.run(*INSERT)
    out = []
    for words in (["nfct-mnl-dump-labels"], ["nfct-mnl-set-label", "7"], ["nfct-mnl-dump-labels"], ["nfct-mnl-set-label", "127"], ["nfct-mnl-set-label", "128"], ["nfct-mnl-set-label", "nonsense"],
                  ["nfct-mnl-set-label"], ["nfct-mnl-dump-labels"]):
        out += s.run(C + words[0], *words[1:])
    s.w.send(LAN, udp4(dport=9))
    seen(s.w)
    return out + s.run(C + "nfct-mnl-dump-labels") + s.run("conntrack", "-L", "-o", "labels")


@scenario(C)
def own_tests(s):
    """libnetfilter_conntrack's tests; those that need no kernel show that the interposer leaves the rest of a program alone."""
    home = os.getcwd()
    os.chdir(os.path.join(fetch.source("libnetfilter-conntrack", args.sources), "tests"))
    try:
        out = s.run(C + "test_api")[-1:] + s.run(C + "test_connlabel") + s.run(C + "ct_stress", "500")
    finally:
        os.chdir(home)
    return out + s.run("conntrack", "-C")


def listener(program, library=C):
    def play(s):
        p = s.begin(library + program)
        for words in ([*INSERT], "conntrack -U -p tcp --sport 100 -m 5".split(), "conntrack -I -p udp -s 10.0.0.8 -d 10.1.0.9 --sport 1 --dport 2 -t 90".split(), "conntrack -D -p tcp --sport 100".split(),
                      "conntrack -I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 1 --dport 2 --state LISTEN -t 90".split(),
                      "conntrack -I -p tcp -s 127.0.0.1 -d 127.0.0.1 --sport 1 --dport 2 --state ESTABLISHED -t 90".split()):
            s.run(*words)
        for packet in (udp4(dport=9), udp4(sport=9, dport=53), SYN):
            s.w.send(LAN, packet)
            time.sleep(0.05)
        s.w.send(WAN, SYN_ACK)
        time.sleep(0.05)
        for words in ("-p udp --sport 9", "-p udp --sport 1", "-p udp", "-p tcp --dport 22", "-p tcp --dport 2 -s 127.0.0.1", "-f ipv6"):
            s.run("conntrack", "-D", *words.split())
        return sorted(s.end(p))  # the end of all at once comes in the table's order
    play.__name__ = program
    return play


for program in ("conntrack_events", "conntrack_filter", "nfct-mnl-event", "test_filter"):
    scenario(C, rules=TRACKED)(listener(program))
scenario("libmnl/", rules=TRACKED)(listener("nfct-event", "libmnl/"))


def expectation_listener(program):
    def play(s):
        p = s.begin(C + program)
        for words in ("expect_create", "expect_delete", "expect_create", "expect_flush", "conntrack_flush", "expect_create_nat", "conntrack_flush"):
            s.run(C + words)
        return s.end(p)
    play.__name__ = program
    return play


for program in ("expect_events", "nfexp-mnl-event", "ctexp_events"):
    scenario(C)(expectation_listener(program))


@scenario("libmnl/", rules=TRACKED)
def by_mnl(s):
    """libmnl's programs: a dump, a batch of new connections, a daemon that counts."""
    out = s.run(*INSERT)[-1:] + s.run("libmnl/nfct-dump")
    s.run("conntrack", "-F")
    p = s.begin("libmnl/nfct-daemon", "1")
    for port in (5, 6, 5):
        s.w.send(LAN, udp4(dport=port))
        seen(s.w)
    s.run("conntrack", "-D", "-p", "udp", "--dport", "5")
    return out + sorted(set(s.end(p, signal.SIGTERM, 2.2)))


@scenario("libmnl/")
def batch(s):
    """64,512 connections by one program, an answer for each; their tables are listed whole."""
    if not args.all and isinstance(s.w, Weir) and not s.preload:
        return BATCHED
    return s.run("libmnl/nfct-create-batch") + s.run("conntrack", "-C")


BATCHED = ["$ libmnl/nfct-create-batch", "exit 0", "$ conntrack -C", "64511", "exit 0"]


def queued(program):
    def play(s):
        p = s.begin(program, "7")
        out = []
        for packet in (udp4(dport=9), udp4(dport=1, data=b"longer than the other"), SYN,
                       OTHER):
            s.w.send(LAN, packet)
            time.sleep(0.15)
            out.append(str(seen(s.w)))
        out += s.end(p, signal.SIGTERM)
        s.w.send(LAN, udp4(dport=9))
        return out + ["afterwards", str(seen(s.w))]
    play.__name__ = program.replace("/", " ")
    return play


for program in ("libnetfilter-queue/nf-queue", "libnetfilter-queue/nfqnl_test", "libmnl/nf-queue"):
    scenario(program.split("/")[0] + "/", rules="*filter\n-A FORWARD -j MARK --set-mark 3\n-A FORWARD -j NFQUEUE --queue-num 7\nCOMMIT\n".replace("-A FORWARD -j MARK --set-mark 3\n", ""))(queued(program))


def logged(program, *words):
    def play(s):
        p = s.begin(program, *words)
        for packet in (udp4(dport=9), udp4(dport=1, data=b"longer than the other"), SYN):
            s.w.send(LAN, packet)
            seen(s.w)
        return s.end(p, signal.SIGTERM, 1.5)
    play.__name__ = " ".join((program.replace("/", " "),) + words)
    return play


for program, words in (("libnetfilter-log/nf-log", ["0"]), ("libnetfilter-log/nfulnl_test", []), ("libnetfilter-log/ulog_test", ["2", "1", "3"]), ("libmnl/nf-log", ["100"])):
    group = {"libmnl/nf-log": 100, "libnetfilter-log/nfulnl_test": 100, "libnetfilter-log/ulog_test": 1}.get(program, 0)
    scenario(program.split("/")[0] + "/", rules="*filter\n-A FORWARD -j NFLOG --nflog-group %d --nflog-prefix seen\nCOMMIT\n" % group)(logged(program, *words))


@scenario("libnetfilter-acct/")
def accounts(s):
    a = "libnetfilter-acct/nfacct-"
    out = []
    for words in (["add", "one"], ["add", "one"], ["get"], ["add", "two"], ["del", "nobody"], ["get"], ["add"], ["add", "n" * 40]):
        out += s.run(a + words[0], *words[1:])
    s.run("iptables-legacy", "-A", "FORWARD", "-m", "nfacct", "--nfacct-name", "one")
    s.w.send(LAN, udp4(dport=9))
    seen(s.w)
    return out + s.run(a + "get") + s.run(a + "del", "one") + s.run(a + "get", "-z") + s.run(a + "get") + s.run(a + "del", "two") + s.run(a + "get")


@scenario("libnetfilter-cttimeout/")
def timeouts(s):
    t = "libnetfilter-cttimeout/nfct-timeout-"
    out = []
    for words in (["add", "test", "2", "255"], ["get", "test"], ["get"], ["add", "test", "2", "255"], ["add", "other", "2", "6"], ["get", "other"], ["add", "six", "10", "58"], ["add", "odd", "9", "17"], ["get"],
                  ["get", "nobody"], ["add"]):
        out += s.run(t + words[0], *words[1:])
    return out


@scenario("libnetfilter-cthelper/", kernel=False)
def helpers(s):
    """This kernel has no cthelper: what must come is written here."""
    h = "libnetfilter-cthelper/nfct-helper-"
    out = []
    for words in (["add", "chat", "5"], ["add", "chat", "5"], ["get"], ["del", "nobody"], ["del", "chat"], ["get"]):
        out += s.run(h + words[0], *words[1:])
    wanted = ["exit 0", "exit 0", "exit 0", "exit 1", "exit 0", "exit 0"]
    return [] if [line for line in out if line.startswith("exit ")] == wanted and any("chat" in line and ".name" in line for line in out) else out


def play_on(answer, world, preload, play, rules, rules6):
    """In a process of its own, which becomes the world's."""
    try:
        w = world(rules, rules6)
        try:
            answer.send(play(Side(w, preload)))
        finally:
            w.close()
    except Exception as e:  # shown as what was said
        answer.send(["%s: %s" % (type(e).__name__, e)])


def begin(play, needs, rules, rules6, kernel):
    """Its three sides, at work."""
    sides = []
    for world, preload in ((Kernel, False), (Weir, False), (Weir, True)):
        here, there = multiprocessing.Pipe()
        p = multiprocessing.Process(target=play_on, args=(there, world, preload, play, rules, rules6))
        if world is not Kernel or kernel:
            p.start()
            there.close()
        sides.append((p, here))
    return sides


def end(sides, play, kernel):
    said = []
    for p, here in sides:
        try:
            said.append(here.recv() if p.pid else [])
        except EOFError:
            said.append(["(it died)"])
        if p.pid:
            p.join()
    if args.verbose:
        print("%s:\n  %s" % (play.__name__, "\n  ".join(said[0])))
    for mode, ours in zip(("exec", "preload"), said[1:]):
        counts[0 if ours == said[0] else 1] += 1
        if ours != said[0]:
            print("FAILED: %s, %s\n%s" % (play.__name__, mode, "\n".join(difflib.unified_diff(said[0], ours, "kernel", "weir", "", "", 3, ""))))


def play_all(chosen):
    """Two at a time: they wait for most of it."""
    running = []
    for each in chosen:
        absent = [n for n in each[1] if not any(p.startswith(n) for p in programs)]
        if absent:
            print("skipped: %s: %s is not there" % (each[0].__name__, absent[0].rstrip("/")))
            counts[2] += 2
            continue
        if len(running) == 2:
            end(*running.pop(0))
        running.append((begin(*each), each[0], each[4]))
    for each in running:
        end(*each)


if os.geteuid() or any(not shutil.which(t) for t in ("cc", "pkg-config", "conntrack", "stdbuf")):
    print("the libraries' programs need root, cc, pkg-config and conntrack\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="weir-libraries-") as folder:
    for what, why in build(folder).items():
        print("skipped: %s: %s" % (what, why))
        counts[2] += 1
    play_all([each for each in scenarios if args.only in each[0].__name__])
print("%d passed, %d failed, %d skipped" % tuple(counts))
sys.exit(1 if counts[1] else 0)
