#!/usr/bin/env python3
"""Upstream's own test suites of iptables 1.8.9, run unmodified with weir in the place of xtables-legacy-multi: extensions/*.t and the shell tests.

    tests/upstream/run.py [--weir PATH] [--verbose] [--exec] [t|shell ...] [FILE.t ...]

With --exec the real iptables-legacy runs, through `weir exec` on a daemon of its own for each test.
Each line of tests/upstream/known (known-exec) says of a test that weir does not pass why; it counts as skipped, and as failed once it passes. Everything
else has to pass. The sources are fetched (fetch.py); where they cannot be had, all is skipped, and said so.
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


def known(name):
    """test -> reason"""
    found = {}
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].strip()
            if line:
                test, reason = line.split(None, 1)
                found[test] = reason
    return found


def shim(weir, real):
    """A folder with weir (or the real tool) under the name that the suites call; all they need else is the system's."""
    where = tempfile.mkdtemp(prefix="weir-upstream-")
    weir = real or weir
    os.symlink(os.path.abspath(weir), where + "/xtables-legacy-multi")
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            os.symlink(os.path.abspath(weir), f"{where}/{family}{suffix}")
    os.chmod(where, 0o755)
    return where


def kernel_is_empty():
    """Rules that went to the kernel after all would be somebody else's passes; only looks."""
    try:
        return not subprocess.run(["unshare", "-n", "iptables-legacy-save"], capture_output=True).stdout
    except OSError:
        return True


class Plain:
    """How a test is run: in a network namespace of its own."""

    def __enter__(self):
        return ["unshare", "-n"]

    def __exit__(self, *why):
        return False


class OnDaemon:
    """The same through `weir exec`, on a daemon of its own."""

    def __init__(self, weir):
        self.weir = weir

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-upstream-")
        self.daemon = subprocess.Popen([self.weir, "daemon", "--socket", self.dir + "/s"], stderr=subprocess.PIPE, text=True)
        self.daemon.stderr.readline()
        return ["unshare", "-n", self.weir, "exec", "--socket", self.dir + "/s", "--"]

    def __exit__(self, *why):
        self.daemon.terminate()
        self.daemon.wait()
        self.daemon.stderr.close()
        shutil.rmtree(self.dir)
        return False


def run_t(source, env, files, verbose, way):
    """Per rule line: passed and failed ones by "libxt_NAME.t:LINE"."""
    found, units = {}, {"4": [0, 0], "6": [0, 0]}
    names = sorted(n for n in os.listdir(source + "/extensions") if n.endswith(".t") and n.startswith(("libxt_", "libipt_", "libip6t_")))
    for name in names:
        if files and name not in files:
            continue
        with way as prefix:
            done = subprocess.run(prefix + [sys.executable, "iptables-test.py", "-H", "-l", "--no-netns", "extensions/" + name],
                                  cwd=source, env=env, capture_output=True, text=True)
        m = re.search(r"(\d+) unit tests, (\d+) passed", done.stdout)
        tests, passed = (int(m.group(1)), int(m.group(2))) if m else (1, 0)
        family = "6" if name.startswith("libip6t_") else "4"
        units[family][0] += tests
        units[family][1] += passed
        said = re.findall(r"line (\d+) \((.*?)\)$", re.sub("\033\\[\\d+m", "", done.stderr), re.M)
        for line, why in said:
            found[f"{name}:{line}"] = why
        if len(set(n for n, _ in said)) != tests - passed:
            found[name] = f"{passed} of {tests} passed: {done.stderr.strip()[-300:]}"
        if verbose:
            print(f"{name}: {passed} of {tests}")
    for family, (tests, passed) in units.items():
        if tests:
            print(f"IPv{family}: {passed} of {tests} rule lines")
    return sum(u[1] for u in units.values()), found


def run_shell(source, env, verbose, way):
    tests = source + "/iptables/tests/shell/testcases"
    passed, found = 0, {}
    for base, _, names in sorted(os.walk(tests)):
        for name in sorted(names):
            m = re.fullmatch(r".*_(\d+)", name)
            path = os.path.join(base, name)
            if not m or not os.access(path, os.X_OK):
                continue
            with way as prefix:
                done = subprocess.run(prefix + ["timeout", "300", path], env=dict(env, XT_MULTI="xtables-legacy-multi"), capture_output=True, text=True,
                                      cwd=source, errors="replace")
            test = os.path.relpath(path, tests)
            if done.returncode == int(m.group(1)):
                passed += 1
            else:
                found[test] = f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-600:]}"
            if verbose:
                print(f"{test}: {done.returncode}")
    return passed, found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.environ.get("WEIR", os.path.join(fetch.ROOT, "build/src/cli/weir")))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--exec", action="store_true")
    parser.add_argument("what", nargs="*")
    args = parser.parse_args()
    files = [w for w in args.what if w.endswith(".t")]
    suites = [w for w in args.what if w in ("t", "shell")] or (["t"] if files else ["t", "shell"])
    why = None
    if os.geteuid() or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        why = "needs root and network namespaces"
    source = None if why else fetch.source("iptables")
    if not source:
        print(why or "iptables' sources cannot be had here")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    real = shutil.which("xtables-legacy-multi", path=os.environ["PATH"] + ":/usr/sbin:/sbin") if args.exec else None
    if args.exec and not real:
        print("iptables-legacy is not here\n0 passed, 0 failed, 1 skipped")
        return 0
    way = OnDaemon(os.path.abspath(args.weir)) if args.exec else Plain()
    bin_dir = shim(args.weir, real)
    # a name of its own for the base keeps runs side by side apart; the instance is found by namespace all the same
    env = dict(os.environ, PATH=bin_dir + ":" + os.environ["PATH"])
    expected, passed, wrong = known("known-exec" if args.exec else "known"), 0, {}
    for suite in suites:
        ok, found = run_t(source, env, files, args.verbose, way) if suite == "t" else run_shell(source, env, args.verbose, way)
        passed += ok
        wrong.update(found)
    shutil.rmtree(bin_dir)
    failed = {t: w for t, w in wrong.items() if t not in expected}
    for test, reason in failed.items():
        print(f"FAILED {test}: {reason}")
    if set(suites) == {"t", "shell"} and not files:
        for test in sorted(set(expected) - set(wrong)):
            print(f"FAILED {test}: passes, but is named among the known ones")
            failed[test] = "passes"
    if not kernel_is_empty():
        print("FAILED: rules went to the kernel")
        failed["kernel"] = "not empty"
    print(f"{passed} passed, {len(failed)} failed, {len(wrong) - len(set(wrong) & set(failed))} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
