#!/usr/bin/env python3
"""Upstream's scenarios of conntrackd (tests/conntrackd of conntrack-tools), run one by one by upstream's own conntrackd-tests.py with the real conntrackd: on this kernel, and
through `weir exec`, in both its ways.

    tests/upstream/conntrackd.py [--weir PATH] [--sources DIR]

In the scenario with two peers the masquerading rule is iptables' instead of nftables', and on weir each router is a daemon of its own; networks, configuration files and what
is asked are upstream's. What fails on the kernel counts as skipped. Ends with "N passed, N failed, N skipped".
"""
import argparse
import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import fetch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODES = {"exec": [], "preload": ["--preload"]}
# locks, sockets and files of theirs are the machine's: a /run and a /tmp of one's own
PRIVATE = ["unshare", "-m", "-n", "sh", "-c", "mount -t tmpfs none /run && mount -t tmpfs none /tmp && mkdir -p /run/lock && ip link set lo up && exec \"$@\"", "sh"]


PEERS, NFT, MASQUERADE = "basic_2_peer", "ip netns exec nsr1 nft -f /tmp/ruleset.nft", "iptables-legacy -t nat -A POSTROUTING -o veth0 -j MASQUERADE"
# the first router's addresses are weir's, and the kernel forwards nothing; the wire between the two stays the kernel's
ROUTERS = """#!/bin/bash
set -e
ip -n nsr1 addr flush dev veth0
ip -n nsr1 addr flush dev veth1
ip netns exec nsr1 sysctl -q net.ipv4.ip_forward=0
mkdir @WHERE@/nsr1
cat > @WHERE@/nsr1/net.ip << EOF
link add veth0 type dummy
link add veth1 type dummy
addr add 10.0.1.1/24 dev veth0
addr add 192.168.10.1/24 dev veth1
link set veth0 up
link set veth1 up
route add default via 192.168.10.2
EOF
echo net.ipv4.ip_forward=1 > @WHERE@/nsr1/sysctl.conf
ip netns exec nsr1 @WEIR@ daemon @WHERE@/nsr1 --socket @WHERE@/nsr1.sock --port veth0=packet:veth0 --port veth1=packet:veth1 > @WHERE@/nsr1.log 2>&1 &
echo $! > @WHERE@/pids
ip netns exec nsr2 @WEIR@ daemon --socket @WHERE@/nsr2.sock > @WHERE@/nsr2.log 2>&1 &
echo $! >> @WHERE@/pids
for ns in nsr1 nsr2; do
	for _ in $(seq 100); do grep -q serving @WHERE@/$ns.log && break; sleep 0.05; done
done
ip netns exec nsr1 @WEIR@ exec --socket @WHERE@/nsr1.sock -- @MASQUERADE@
"""


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
        os.fchmod(f.fileno(), mode)


def play_peers(where, name, weir, way):
    """Two routers with a conntrackd each. @weir: None on the kernel."""
    before = ""
    routers = "ip netns exec nsr1 " + MASQUERADE
    if weir:
        routers = where + "/routers"
        text = ROUTERS.replace("@WHERE@", where).replace("@WEIR@", weir).replace("@MASQUERADE@", MASQUERADE)
        write(routers, text, 0o755)
        before = "%s exec %s --keep-caps --socket %s/$(ip netns identify $$).sock -- " % (weir, " ".join(way), where)
    with open(where + "/tests/conntrackd/scenarios.yaml", encoding="utf-8") as f:
        scenarios = f.read()
    write(where + "/tests/conntrackd/scenarios.yaml", scenarios.replace(NFT, routers))
    try:
        return play(where, name, before) if NFT in scenarios else (False, "the scenario is not the one that was known")
    finally:
        if weir and os.path.exists(where + "/pids"):
            with open(where + "/pids", encoding="utf-8") as f:
                for pid in f.read().split():
                    with contextlib.suppress(ProcessLookupError):   # a scenario that failed may have ended it
                        os.kill(int(pid), signal.SIGTERM)


def play(where, name, before):
    for tool in ("conntrackd", "conntrack"):
        # its last words go to a conntrackd by a Unix socket, from outside of the routers
        write(where + "/src/" + tool, '#!/bin/sh\n%sexec %s/usr/sbin/%s "$@"\n' % ("[ $(ip netns identify $$) ] || exec /usr/sbin/%s \"$@\"\n" % tool if "identify" in before else "", before, tool), 0o755)
    r = subprocess.run(PRIVATE + [sys.executable, "conntrackd-tests.py", "--single", name], cwd=where + "/tests/conntrackd", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120)
    return r.returncode == 0 and "ERROR" not in r.stdout and "FAIL" not in r.stdout, r.stdout


def play_all(weir, sources, names, mode):
    """[(did it pass, what was said)] of each, on the kernel (None) or in one of the ways."""
    with tempfile.TemporaryDirectory(prefix="weir-conntrackd-", dir="/var/tmp") as where:
        shutil.copytree(sources + "/tests/conntrackd", where + "/tests/conntrackd")
        os.mkdir(where + "/src")
        out = []
        for name, scenario in names:
            if scenario.startswith(PEERS):
                out.append(play_peers(where, name, mode and weir, MODES.get(mode)))
                continue
            if mode is None:
                out.append(play(where, name, ""))
                continue
            daemon = subprocess.Popen([weir, "daemon", "--socket", where + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
            daemon.stderr.readline()
            out.append(play(where, name, " ".join([weir, "exec", *MODES[mode], "--socket", where + "/s", "-- "])))
            daemon.terminate()
            daemon.wait()
            daemon.stderr.close()
        return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.path.join(ROOT, "build/src/cli/weir"))
    parser.add_argument("--sources")
    args = parser.parse_args()
    sources = fetch.source("conntrack-tools", args.sources)
    has_yaml = subprocess.run([sys.executable, "-c", "import yaml"], stderr=subprocess.DEVNULL).returncode == 0
    if os.geteuid() or not sources or not has_yaml or not os.path.isdir(sources + "/tests/conntrackd") or not os.path.exists("/usr/sbin/conntrackd"):
        print("conntrackd's scenarios need root, conntrackd, Python's yaml and conntrack-tools' sources\n0 passed, 0 failed, 1 skipped")
        return 0
    counts = [0, 0, 0]
    with open(sources + "/tests/conntrackd/tests.yaml", encoding="utf-8") as f:
        every = re.findall(r"^- name: (\S+)\n  scenario: (\S+)", f.read(), re.M)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        kernel, *ours = pool.map(lambda mode: play_all(os.path.abspath(args.weir), sources, every, mode), [None, *MODES])
    for mode, results in zip(MODES, ours):
        for (name, _), (theirs, _), (good, said) in zip(every, kernel, results):
            counts[0 if good else 1 if theirs else 2] += 1
            if not good:
                print("%s: %s, %s\n%s" % ("FAILED" if theirs else "skipped, as on this kernel", name, mode, said))
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    return 1 if counts[1] else 0


sys.exit(main())
