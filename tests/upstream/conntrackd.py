#!/usr/bin/env python3
"""Upstream's scenarios of conntrackd (tests/conntrackd of conntrack-tools), run one by one by upstream's own conntrackd-tests.py with the real conntrackd: on this kernel, and
through `weir exec`, in both its ways.

    tests/upstream/conntrackd.py [--weir PATH] [--sources DIR]

The scenario with two peers is left to tests/live/ha_test.py: its routers are set up with nftables. What fails on the kernel counts as skipped. Ends with "N passed, N failed, N skipped".
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

import fetch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODES = {"exec": [], "preload": ["--preload"]}
# locks, sockets and files of theirs are the machine's: a /run and a /tmp of one's own
PRIVATE = ["unshare", "-m", "-n", "sh", "-c", "mount -t tmpfs none /run && mount -t tmpfs none /tmp && mkdir -p /run/lock && ip link set lo up && exec \"$@\"", "sh"]


def play(where, name, before):
    for tool in ("conntrackd", "conntrack"):
        with open(where + "/src/" + tool, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec %s/usr/sbin/%s "$@"\n' % (before, tool))
            os.fchmod(f.fileno(), 0o755)
    r = subprocess.run(PRIVATE + [sys.executable, "conntrackd-tests.py", "--single", name], cwd=where + "/tests/conntrackd", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120)
    return r.returncode == 0 and "ERROR" not in r.stdout and "FAIL" not in r.stdout, r.stdout


def play_all(weir, sources, names, mode):
    """[(did it pass, what was said)] of each, on the kernel (None) or in one of the ways."""
    with tempfile.TemporaryDirectory(prefix="weir-conntrackd-", dir="/var/tmp") as where:
        shutil.copytree(sources + "/tests/conntrackd", where + "/tests/conntrackd")
        os.mkdir(where + "/src")
        out = []
        for name in names:
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
    names = [name for name, scenario in every if not scenario.startswith("basic_2_peer")]
    for name in sorted(set(name for name, _ in every) - set(names)):
        print("skipped: %s: two routers, see tests/live/ha_test.py" % name)
        counts[2] += len(MODES)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        kernel, *ours = pool.map(lambda mode: play_all(os.path.abspath(args.weir), sources, names, mode), [None, *MODES])
    for mode, results in zip(MODES, ours):
        for name, (theirs, _), (good, said) in zip(names, kernel, results):
            counts[0 if good else 1 if theirs else 2] += 1
            if not good:
                print("%s: %s, %s\n%s" % ("FAILED" if theirs else "skipped, as on this kernel", name, mode, said))
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    return 1 if counts[1] else 0


sys.exit(main())
