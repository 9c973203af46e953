#!/usr/bin/env python3
"""Upstream's command tests of conntrack-tools (tests/conntrack/testsuite and tests/nfct/timeout), run with the real conntrack and nfct through `weir exec`.

    tests/upstream/conntrack.py [--weir PATH] [--sources DIR] [--verbose]

A line of theirs is "COMMAND ; OK" or "; BAD". Each folder runs on one daemon and beside it on one namespace of this kernel: a line that neither does as upstream wants is
none of weir's (DCCP has no tracker any more) and counts as skipped. The sources are fetched (fetch.py) unless they are at hand; where they cannot be had, all is skipped and said so.
Ends with "N passed, N failed, N skipped".
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import fetch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDERS = {"tests/conntrack/testsuite": "conntrack ", "tests/nfct/timeout": ""}


def lines_of(folder):
    for path in sorted(glob.glob(folder + "/[0-9]*")):
        with open(path, encoding="utf-8") as f:
            for line in f:
                line = line.strip()
                if line and not line.startswith("#") and ";" in line:
                    command, wanted = line.rsplit(";", 1)
                    yield os.path.basename(path), command.strip(), wanted.strip() == "OK"


def run(folder, word, kernel, weir, verbose):
    counts = [0, 0, 0]
    for name, command, wanted in lines_of(folder):
        # a shell, as upstream's runner has it: some lines redirect
        theirs, ours = (subprocess.run(before + ["sh", "-c", word + command], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder, timeout=60) for before in (kernel, weir))
        good = (ours.returncode == 0) == wanted
        same = ours.returncode == theirs.returncode
        counts[0 if good else 2 if same else 1] += 1
        if not good and not same:
            print("FAILED: %s: %s%s (exit %d, the kernel's %d) %s" % (name, word, command, ours.returncode, theirs.returncode, ours.stderr.strip()))
        if verbose or (not good and same):
            print("%s: %s%s: exit %d, as on this kernel" % (name, word, command, ours.returncode))
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.path.join(ROOT, "build/src/cli/weir"))
    parser.add_argument("--sources")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    missing = [t for t in ("conntrack", "nfct") if not shutil.which(t)]
    sources = args.sources or fetch.source("conntrack-tools")
    if os.geteuid() or missing or not sources:
        print("conntrack-tools' tests need root, %s and their sources" % (", ".join(missing) or "the tools"))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    total = [0, 0, 0]
    for folder, word in FOLDERS.items():
        with tempfile.TemporaryDirectory(prefix="weir-conntrack-") as where:
            spaces = ["weir-ct-%d-%d" % (os.getpid(), i) for i in range(2)]
            daemon = subprocess.Popen([args.weir, "daemon", "--socket", where + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
            daemon.stderr.readline()
            try:
                for space in spaces:
                    subprocess.run(["ip", "netns", "add", space], check=True)
                kernel, weir = (["ip", "netns", "exec", space] for space in spaces)
                counts = run(os.path.join(sources, folder), word, kernel, weir + [args.weir, "exec", "--socket", where + "/s", "--"], args.verbose)
            finally:
                daemon.terminate()
                daemon.wait()
                daemon.stderr.close()
                for space in spaces:
                    subprocess.run(["ip", "netns", "del", space], check=False)
        total = [a + b for a, b in zip(total, counts)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


sys.exit(main())
