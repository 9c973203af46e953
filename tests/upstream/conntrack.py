#!/usr/bin/env python3
"""Upstream's command tests of conntrack-tools, run by upstream's own runners (tests/conntrack/test-conntrack.c, tests/nfct/test.c) with the real conntrack and nfct: on this
kernel, through `weir exec`, through `weir exec --preload`, and with `weir conntrack` and `weir nfct` in the tools' place.

    tests/upstream/conntrack.py [--weir PATH] [--sources DIR] [--verbose]

Each of these has a namespace of its own (and a daemon). A command that ends as upstream wants passes; one that does not, and does not on this kernel either (DCCP has no tracker any
more), is none of weir's and counts as skipped. What is printed must be the kernel's too, but for ids and seconds. The sources are
fetched (fetch.py), or are in DIR or WEIR_UPSTREAM_SOURCES; where they cannot be had, all is skipped and said so. Ends with "N passed, N failed, N skipped".
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import fetch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUITES = [("conntrack", "test-conntrack.c", "testsuite", "testcases"), ("nfct", "test.c", "timeout", "timeout")]
MODES = {"exec": ["exec", "--socket", "%s", "--", "%t"], "preload": ["exec", "--preload", "--socket", "%s", "--", "%t"], "own": ["%t", "--socket", "%s"]}


def tidied(line):
    return re.sub(r"^(\S+ +\d+ )\d+ |timeout=\d+|id=\d+|v1\.\d+\.\d+|\d+(?=</timeout>|</id>)| -t \d+", r"\1", line)


def steps(text):
    """(the command, did it end as wanted, what was printed) of each step."""
    out = []
    for part in re.split(r"^\(\d+\) Executing: ", text, flags=re.M)[1:]:
        body = part.split("=====\n")[0]
        lines = body.splitlines()
        # a command of several lines (those fed to a pipe) ends where the program is named last
        out.append((lines[0] if lines else "", "^----- BAD" not in body, sorted(tidied(line) for line in lines[1:] if "^----- BAD" not in line)))
    return out


class Suite:
    def __init__(self, where, sources, tool, runner, folder, argument):
        self.tool, self.argument = tool, argument
        self.top = os.path.join(where, tool)
        self.at = os.path.join(self.top, "tests", tool)
        os.makedirs(self.at)
        os.makedirs(self.top + "/src")
        theirs = os.path.join(sources, "tests", tool)
        shutil.copytree(os.path.join(theirs, folder), os.path.join(self.at, folder))
        subprocess.run(["cc", "-w", "-o", self.at + "/run", os.path.join(theirs, runner)], check=True)

    def play(self, space, before):
        """On the namespace @space, with @before in the place of the tool."""
        with open("%s/src/%s" % (self.top, self.tool), "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec %s "$@"\n' % " ".join(before))
            os.fchmod(f.fileno(), 0o755)
        # in the C locale, and with both streams in one as they come
        r = subprocess.run(["ip", "netns", "exec", space, self.at + "/run", self.argument], cwd=self.at, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=600, env=dict(os.environ, LC_ALL="C"))
        return steps(r.stdout)


def on_daemon(weir, mode, tools, play):
    with tempfile.TemporaryDirectory(prefix="weir-conntrack-") as where:
        daemon = subprocess.Popen([weir, "daemon", "--socket", where + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
        daemon.stderr.readline()
        try:
            return [play(s, [weir] + [{"%s": where + "/s", "%t": t}.get(w, w) for w in MODES[mode]]) for s, t in tools]
        finally:
            daemon.terminate()
            daemon.wait()
            daemon.stderr.close()


def compare(name, kernel, weir, verbose):
    counts = [0, 0, 0]
    if len(kernel) != len(weir) or not kernel:
        print("FAILED: %s: %d steps, %d on the kernel" % (name, len(weir), len(kernel)))
        return [0, 1, 0]
    for (command, theirs, said), (_, ours, our_said) in zip(kernel, weir):
        bad = ours != theirs or said != our_said
        counts[1 if bad else 0 if ours else 2] += 1
        if bad:
            print("FAILED: %s: %s: %s, on the kernel %s\n  kernel: %s\n  weir:   %s" %
                  (name, command, "as wanted" if ours else "BAD", "as wanted" if theirs else "BAD", "\n          ".join(said), "\n          ".join(our_said)))
        elif verbose and not ours:
            print("%s: %s: not as wanted, as on this kernel" % (name, command))
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.path.join(ROOT, "build/src/cli/weir"))
    parser.add_argument("--sources")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    missing = [t for t in ("conntrack", "nfct", "cc") if not shutil.which(t)]
    sources = fetch.source("conntrack-tools", args.sources)
    if os.geteuid() or missing or not sources:
        print("conntrack-tools' tests need root, %s and their sources" % (", ".join(missing) or "the tools"))
        print("0 passed, 0 failed, 1 skipped")
        return 0
    args.weir = os.path.abspath(args.weir)
    total = [0, 0, 0]
    space = "weir-ct-%d" % os.getpid()
    with tempfile.TemporaryDirectory(prefix="weir-conntrack-") as where:
        suites = [Suite(where, sources, *s) for s in SUITES]

        def play(suite, before):
            subprocess.run(["ip", "netns", "add", space], check=True)
            try:
                return suite.play(space, before)
            finally:
                subprocess.run(["ip", "netns", "del", space], check=False)
        kernel = [play(s, ["/usr/sbin/" + s.tool]) for s in suites]
        for s, k in zip(suites, kernel):
            print("%s on this kernel: %d of %d as upstream wants" % (s.tool, sum(ok for _, ok, _ in k), len(k)))
        for mode in MODES:
            results = on_daemon(args.weir, mode, [(s, s.tool) for s in suites], play)
            for s, k, w in zip(suites, kernel, results):
                counts = compare("%s, %s" % (s.tool, mode), k, w, args.verbose)
                print("%s, %s: %d of %d as upstream wants, %d unlike the kernel" % (s.tool, mode, sum(ok for _, ok, _ in w), len(w), counts[1]))
                total = [a + b for a, b in zip(total, counts)]
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return 1 if total[1] else 0


sys.exit(main())
