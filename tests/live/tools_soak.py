#!/usr/bin/env python3
"""tools_soak.py [ROUNDS] [TOOLS]: that many times (200) that many tools (100) at once on one `weir daemon`, some of them killed. Its memory, its descriptors
and its rules come to rest at what they were. Not part of `make check`; tests/live/robust_test.py has the short one. Ends with "N passed, N failed, N skipped"."""
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
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
TOOLS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
SETTLED = max(1, ROUNDS // 5)	# rounds in which memory may still grow
SLACK_KIB = 1024


def of_process(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)), len(os.listdir("/proc/%d/fd" % pid))


def start(sock, words):
    return subprocess.Popen([WEIR, "exec", "--socket", sock, "--", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def one_round(sock, number):
    """Rules that come and go, connections that come and go, lists, followers of events; what is killed is killed at any moment."""
    rule = ["-s", "10.9.0.0/16", "-m", "hashlimit", "--hashlimit-upto", "5/s", "--hashlimit-name", "r%d" % (number % 7), "-m", "comment", "--comment", "x" * (number % 200 + 1), "-j", "ACCEPT"]
    followers = [start(sock, ["conntrack", "-E"]) for _ in range(TOOLS // 10)]
    whole, doomed, either = [], [], []	# either: there may be nothing to delete
    for i in range(TOOLS - len(followers)):
        kind = i % 9
        if kind == 0:
            whole.append(start(sock, ["iptables-legacy", "-w", "-A", "FORWARD", *rule]))
        elif kind == 1:
            either.append(start(sock, ["iptables-legacy", "-w", "-D", "FORWARD", *rule]))
        elif kind < 4:
            whole.append(start(sock, ["conntrack", "-L"]))
        elif kind < 6:
            whole.append(start(sock, ["conntrack", "-I", "-p", "udp", "-s", "10.0.%d.%d" % (number % 256, i), "-d", "10.1.0.2", "--sport", "1000", "--dport", "53", "-t", "5"]))
        elif kind == 6:
            whole.append(start(sock, ["iptables-legacy-save", "-c"]))
        else:
            doomed.append(start(sock, [["iptables-legacy", "-w", "-A", "INPUT", *rule], ["conntrack", "-L"], ["conntrack", "-E"]][i % 3]))
    time.sleep(random.uniform(0, 0.3))
    for p in doomed + followers:
        os.killpg(p.pid, signal.SIGKILL)
    codes = [p.wait() for p in whole]
    for p in doomed + followers + either:
        p.wait()
    subprocess.run([WEIR, "exec", "--socket", sock, "--", "sh", "-c", "iptables-legacy -w -F; conntrack -F"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return sum(c != 0 for c in codes)


def main():
    random.seed(1)
    where = tempfile.mkdtemp(prefix="weir-tools-")
    daemon = subprocess.Popen([WEIR, "daemon", "--socket", where + "/s", "--conntrack", "on"], stderr=subprocess.PIPE, text=True)
    try:
        if "serving" not in daemon.stderr.readline():
            raise RuntimeError("no daemon")
        seen, refused, began = [of_process(daemon.pid)], 0, time.monotonic()
        for number in range(ROUNDS):
            refused += one_round(where + "/s", number)
            seen.append(of_process(daemon.pid))
            if number % 20 == 19:
                print("round %d, %d s: %d KiB, %d descriptors" % (number + 1, time.monotonic() - began, *seen[-1]), flush=True)
        for _ in range(50):		# the last ones' ends are yet to be seen
            if of_process(daemon.pid)[1] <= seen[0][1]:
                break
            time.sleep(0.1)
        seen.append(of_process(daemon.pid))
        rss = [kib for kib, _ in seen]
        rules = subprocess.run([WEIR, "exec", "--socket", where + "/s", "--", "iptables-legacy", "-S"], stdout=subprocess.PIPE, text=True, check=False).stdout
        check("no tool that was let live failed", not refused, str(refused))
        check("memory came to rest", max(rss[SETTLED + 1:]) <= max(rss[:SETTLED + 1]) + SLACK_KIB, str(rss))
        check("no descriptor is left", seen[-1][1] <= seen[0][1], "%d, %d" % (seen[0][1], seen[-1][1]))
        check("no rule is left", rules.count("\n") == 3, rules)
        print("%d rounds of %d tools: %d KiB at first, at most %d in the first %d rounds, %d after them, %d at the end"
              % (ROUNDS, TOOLS, rss[0], max(rss[:SETTLED + 1]), SETTLED, max(rss[SETTLED + 1:]), rss[-1]))
        daemon.terminate()
        check("an orderly stop", daemon.wait(timeout=20) == 0)
    finally:
        daemon.kill()
        shutil.rmtree(where)


if os.geteuid() or not shutil.which("conntrack") or not shutil.which("iptables-legacy"):
    print("tools_soak.py needs root, conntrack and iptables-legacy\n0 passed, 0 failed, 1 skipped")
    sys.exit(0)
try:
    main()
except Exception as e:
    check("tools_soak", False, repr(e))
sys.exit(done())
