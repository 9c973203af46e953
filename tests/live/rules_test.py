#!/usr/bin/env python3
"""`weir iptables`, `-save`, `-restore` and libiptc's calls on a daemon and on a kept directory: what they print, what they complain about and their exit codes must
be equal. Then what only a daemon has: it is found by its network namespace, named by WEIR_SOCKET, shows unmodified tools the same rules, keeps
counters, and lets one command change rules at a time. Ends with "N passed, N failed"."""
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests/kernel")
import libiptc_test  # noqa: E402
from tally import check, done  # noqa: E402

WEIR = os.path.abspath(os.environ.get("WEIR", ROOT + "/build/src/cli/weir"))
CALLS = os.path.join(os.path.dirname(WEIR), "../api/iptc-calls")
RULES = """*raw
:PREROUTING ACCEPT [1:2]
:OUTPUT ACCEPT [3:4]
[5:6] -A PREROUTING -p udp -j CT --notrack
COMMIT
*filter
:INPUT DROP [7:8]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
:dead - [0:0]
[9:10] -A INPUT -p tcp -m multiport --dports 80,443 -j web
-A INPUT -m limit --limit 5/min -j LOG --log-prefix "in: "
[11:12] -A web -m comment --comment "a \\"word\\"" -s 192.0.2.0/24 -g dead
-A web -m quota --quota 500 -j ACCEPT
-A dead
COMMIT
"""
BAD = "*filter\n-A INPUT -j ACCEPT\n-A INPUT -p tcp -m hashlimit --hashlimit-upto 5/sec --hashlimit-name %s -j ACCEPT\n-A FORWARD -j MASQUERADE\nCOMMIT\n"
LINES = [
    "iptables -S", "iptables-save", "iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables -N web", "iptables -N web", "iptables -A INPUT -j web", "iptables -A web -s 192.0.2.1 -j DROP",
    "iptables -I INPUT 2 -m limit --limit 3/sec -j LOG", "iptables -I INPUT 99 -j DROP", "iptables -R INPUT 1 -p udp -c 5 600 -j ACCEPT", "iptables -L -n -v --line-numbers", "iptables -C INPUT -j web",
    "iptables -C INPUT -j nobody", "iptables -D INPUT 3", "iptables -D INPUT 33", "iptables -X web", "iptables -E web net", "iptables -P FORWARD DROP", "iptables -P web DROP", "iptables -Z", "iptables -L INPUT -vnx",
    "iptables -A net -j net", "iptables -N a", "iptables -N b", "iptables -A a -j b", "iptables -A b -j a", "iptables -A a -g b", "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE", "iptables -A INPUT -j MASQUERADE",
    "iptables -t nat -A POSTROUTING -j REDIRECT", "iptables -t mangle -A PREROUTING -j MARK --set-mark 1", "iptables -t nobody -S", "iptables -t raw -A PREROUTING -j CT --helper nobody",
    "iptables -A INPUT -m recent --name x --set", "iptables -A INPUT -m nonsense", "iptables -A INPUT -p tcp --nonsense", "iptables -A INPUT -j", "iptables", "iptables -V", "iptables -F", "iptables -X", "iptables -S",
    "iptables-save -c", "iptables-save -t nat", "iptables-save -t security", "iptables-save -t nobody", "iptables-restore", "iptables-save -c", "iptables-restore -c", "iptables-save -c", "iptables -S -v",
    "iptables -A web -j DROP", "iptables -D INPUT -p tcp -m multiport --dports 80,443 -j web", "iptables -L -n -v -x", "iptables -Z web 1", "iptables-save -c", "iptables -F web", "iptables-restore BAD", "iptables-save -c",
    "iptables-restore -n", "iptables-restore --test", "iptables-restore -T raw", "iptables-save", "iptables -t security -N own", "iptables-save", "iptables --wait 1 -S INPUT",
    "ip6tables -S", "ip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request -j ACCEPT", "ip6tables -A INPUT -s 192.0.2.1", "ip6tables -t nat -A PREROUTING -j DNAT --to-destination 2001:db8::1", "ip6tables-save -c",
    "ip6tables-restore BAD", "ip6tables -L -nv", "iptables-save",
]


def run(words, text="", **env):
    return subprocess.run(words, input=text, capture_output=True, text=True, timeout=120, env={**os.environ, **env})


def weir(place, line, env=None):
    words = line.split()
    text = BAD % "h" if "BAD" in words else RULES if "-restore" in words[0] else ""
    done = run([WEIR, words[0]] + (["--instance", place] if place else []) + [w for w in words[1:] if w != "BAD"], text, **(env or {}))
    said = "".join(l + "\n" for l in done.stdout.splitlines() if not l.startswith("# "))
    return done.returncode, said, done.stderr


def compare(work, socket):
    for line in LINES:
        kept, live = weir(work + "/kept", line), weir(socket, line)
        check(line, kept == live, "kept %r, daemon %r" % (kept, live))
    for seed in range(12):
        family, script = ("4", "6")[seed % 2], libiptc_test.random_script(random.Random(seed))
        kept, live = (run([CALLS, family, "filter"], script, WEIR_INSTANCE=place) for place in (work + "/calls", work + "/calls.sock"))
        check("libiptc %s, seed %d" % (family, seed), (kept.returncode, kept.stdout) == (live.returncode, live.stdout) and len(kept.stdout) > 200,
              live.stderr or "\n".join(difflib.unified_diff(kept.stdout.splitlines(), live.stdout.splitlines(), n=1, lineterm="")))


def main():
    work = tempfile.mkdtemp(prefix="weir-rules-")
    socket, calls = work + "/d.sock", work + "/calls.sock"
    keepers = [subprocess.Popen([WEIR, "daemon", "--socket", path], stderr=subprocess.PIPE, text=True) for path in (socket, calls)]
    try:
        for keeper in keepers:
            keeper.stderr.readline()
        compare(work, socket)
        named = {"WEIR_SOCKET": socket}
        check("WEIR_SOCKET", weir(None, "iptables-save", named) == weir(socket, "iptables-save"))
        gone = weir(None, "iptables -S", {"WEIR_SOCKET": work + "/nobody.sock"})
        check("WEIR_SOCKET without a daemon is no directory", gone[0] == 4 and "no daemon answers" in gone[2], repr(gone))
        if shutil.which("iptables-legacy-save"):
            tool = run([WEIR, "exec", "--uid0", "--socket", socket, "--", "iptables-legacy-save", "-c"]).stdout
            check("unmodified iptables-save sees the same", [l for l in tool.splitlines() if l[:1] != "#"] == weir(socket, "iptables-save -c")[1].splitlines(), tool)
        weir(socket, "iptables -F")
        many = [subprocess.Popen([WEIR, "iptables", "--instance", socket, "-w", "-A", "INPUT", "-p", "tcp", "--dport", str(i + 1)]) for i in range(24)]
        check("24 commands at once, none lost", not any([m.wait() for m in many]) and weir(socket, "iptables -S INPUT")[1].count("--dport") == 24)
        keepers[0].kill()
        keepers[0].wait()
        dead = weir(socket, "iptables -S")
        check("a socket that nobody serves", dead[0] != 0, repr(dead))
        if os.geteuid() == 0:
            by_namespace(work)
    finally:
        for keeper in keepers:
            keeper.terminate()
            keeper.wait()
        shutil.rmtree(work)
    return done()


def by_namespace(work):
    """The usual daemon is this namespace's; in another one the same command has its own rules. /run is this test's own."""
    script = """mount -t tmpfs none /run && mkdir /run/weir && {w} daemon 2>/run/said & keeper=$!
for i in $(seq 100); do [ -S /run/weir/default.sock ] && break; sleep 0.05; done
{w} iptables -A INPUT -s 192.0.2.7 -j DROP && WEIR_SOCKET=/run/weir/default.sock {w} iptables -S INPUT | grep -c 192.0.2.7
unshare -n {w} iptables -S INPUT | grep -c 192.0.2.7
{w} iptables --instance default -S INPUT | grep -c 192.0.2.7
kill $keeper; wait $keeper; {w} iptables -S INPUT | grep -c 192.0.2.7; ls /run/weir | grep -c net-"""
    done = run(["unshare", "-n", "-m", "sh", "-c", script.format(w=WEIR)])
    # the first finds the daemon, another namespace does not; with the daemon gone the rules are gone, and a directory is kept
    check("found by namespace", done.stdout.split() == ["1", "0", "1", "0", "2"], done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(main())
