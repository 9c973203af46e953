#!/usr/bin/env python3
"""The differential harness: every case on the real kernel and on weir, everything observable compared.

run.py [--cases GLOB] [--generated N] [--seed S] [--jobs J] [--soak SECONDS] [--weir PATH] [--verbose] [--shrink]
       [--profile NAME] [--extra "weir run options"] [--exactness FILE [--add]]
With WEIR_TWINS=all in the environment every case takes every twin (else one in four, or three in four).
--profile NAME draws the generated cases from gen_NAME.py's case(seed), or from a profile of gen.py.
Ends with the line "N passed, N failed, N skipped"; exit 1 when something failed.
"""
import argparse
import copy
import fnmatch
import glob
import importlib.util
import json
import multiprocessing
import os
import random
import sys
import time
import traceback
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import kernel  # noqa: E402
import sockets  # noqa: E402
import weir  # noqa: E402
from case import Do  # noqa: E402
from compare import compare  # noqa: E402


def load_cases():
    out = []
    for path in sorted(glob.glob(HERE + "/cases/*.py")):
        name = os.path.basename(path)[:-3]
        spec = importlib.util.spec_from_file_location("cases_" + name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for case in module.cases():
            case.name = name + "/" + case.name
            out.append(case)
    return out


TWINS = os.environ.get("WEIR_TWINS") == "all"   # every twin of every case


def cache_twin(case, k, w, extra, seed):
    """The flow cache changes nothing: once more without it, each way compared with what would have been remembered. Nor do
    compiled rules: mostly each rule is walked through as well, with a classifier for the shortest chain; nor vectors."""
    if k.refused or any(e.startswith("--flow-cache") or e == "--no-flow-cache" for e in extra):
        return []
    most = TWINS or zlib.crc32(case.name.encode()) % 4
    rules = ("--rules=check",) if most and not any(e.startswith("--rules") for e in extra) else ()
    twin = vars(weir.run_weir(case, k, seed, tuple(extra) + ("--flow-cache=check",) + rules, {"WEIR_VECTORS": "none"} if most else None))
    return [("flow cache", -1, "%s: %r, without it %r" % (name, value, twin[name]))
            for name, value in vars(w).items() if value != twin[name]][:1]


def workers_twin(case, k, w, extra, seed):
    """Several workers change nothing: every fourth case once more by two of them in turn."""
    if k.refused or extra or (zlib.crc32(case.name.encode()) % 4 and not TWINS):
        return []
    twin = vars(weir.run_weir(case, k, seed, ("--workers=2",)))
    return [("workers", -1, "%s: %r, by one %r" % (name, twin[name], value)) for name, value in vars(w).items() if value != twin[name]][:1]


def run_one(case, extra=(), seed=1):
    """(diffs, kernel side, weir side)"""
    k = kernel.run_kernel(case)
    if k.refused:  # no packet was sent: weir gets none either, and must refuse too
        case = copy.copy(case)
        case.items, k.stamps, k.datas, k.end = [], [], [], 10**9
    w = weir.run_weir(case, k, seed, extra)
    diffs = cache_twin(case, k, w, extra, seed)
    diffs = diffs or workers_twin(case, k, w, extra, seed)
    return diffs or compare(case, k, w), k, w


def judge(case, extra=()):
    """Runs it; a difference counts when it shows again (the kernel itself repeats 99.6 % of random cases). Where NAT chooses
    ports at random a rule may match them by chance: such a case is tried more often. weir's own choices are others each time."""
    for attempt in range(12 if case.masks & {"nat-port", "cookie"} else 3):
        try:
            diffs, k, w = run_one(copy.copy(case), extra, 1 + attempt)
        except Exception:
            return [("crash", -1, traceback.format_exc())]
        if not diffs:
            return []
    if "nat-port-said" in case.masks:
        again = compare(case, k, kernel.run_kernel(copy.copy(case)))
        at = lambda what: min(d[1] for d in what)
        if again and at(again) <= at(diffs):
            return []
    return diffs


def shrink(case, extra=()):
    """Drops items, then rule lines, while a difference of the same kind stays."""
    what = {d[0].split()[0] for d in judge(case, extra)}

    def still(c):
        return bool(what & {d[0].split()[0] for d in judge(c, extra)})

    changed = True
    while changed:
        changed = False
        for field in ("items", "v4", "v6", "net"):
            value = getattr(case, field)
            parts = value.split("\n") if isinstance(value, str) else list(value)
            i, step = 0, max(1, len(parts) // 2)
            while step:
                while i < len(parts):
                    cut = parts[i:i + step]
                    if isinstance(value, str) and any(x[:1] in "*C" for x in cut):
                        i += step
                        continue
                    trial = copy.copy(case)
                    rest = parts[:i] + parts[i + step:]
                    setattr(trial, field, "\n".join(rest) if isinstance(value, str) else rest)
                    if still(trial):
                        case, parts, changed = trial, rest, True
                    else:
                        i += step
                step //= 2
                i = 0
    return case


def describe(case):
    from packets import show
    out = ["  rules.v4:\n" + case.v4 if case.v4 else "", "  rules.v6:\n" + case.v6 if case.v6 else "", "  conntrack " + case.conntrack]
    for i, item in enumerate(case.items):
        if isinstance(item, Do):
            out.append("  %d: %s" % (i, item.command))
        else:
            out.append("  %d: in %s gap %s %s" % (i, item.iface, item.gap, "(computed)" if callable(item.data) else
                                                 (show(item.data) + "  " + item.data.hex())[:400]))
    return "\n".join(x for x in out if x)


def report(case, diffs, verbose):
    out = ["DIFFERENT %s" % case.name]
    for what, item, text in diffs[:12 if not verbose else 1000]:
        out.append("  [%s] item %d\n    %s" % (what, item, text))
    if verbose:
        out.append(describe(case))
    return "\n".join(out)


def worker(args, jobs, results, stop):
    if args.generated or args.soak:
        import gen
    while not stop.is_set():
        try:
            job = jobs.get(timeout=0.2)
        except Exception:
            continue
        if job is None:
            return
        kind, what = job
        case = CASES[what] if kind == "case" else gen.generate(what, args.profile)
        if kind == "gen" and args.soak and time.time() > args.deadline:
            results.put(("late", what, "", [], ""))
            continue
        if kernel.LOG_SWITCH is None and kernel.logs(case):
            results.put(("skipped", what, case.name, [], ""))
            continue
        diffs = judge(case, args.extra)
        if diffs and args.shrink and kind == "gen":
            case = shrink(case, args.extra)
            diffs = judge(case, args.extra) or diffs
        results.put((kind, what, case.name, sorted(case.covers), report(case, diffs, args.verbose or kind == "gen") if diffs else ""))


def main():
    global CASES
    ap = argparse.ArgumentParser()
    ap.add_argument("--cases", default="*")
    ap.add_argument("--generated", type=int, default=0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--profile", default=None)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--soak", type=float, default=0)
    ap.add_argument("--weir")
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--shrink", action="store_true")
    ap.add_argument("--extra", default="")
    ap.add_argument("--exactness")
    ap.add_argument("--add", action="store_true", help="to what --exactness FILE counts already")
    ap.add_argument("--list", action="store_true")
    args = ap.parse_args()
    args.extra = args.extra.split()
    if args.profile and importlib.util.find_spec("gen_" + args.profile.replace("-", "_")) is None:
        import gen
        if args.profile not in gen.PROFILES:
            ap.error("no gen_%s.py, and no such profile in gen.py" % args.profile)
    if args.weir:
        weir.WEIR = args.weir
    CASES = {c.name: c for c in load_cases() if fnmatch.fnmatch(c.name, args.cases)}
    if args.list:
        print("\n".join(CASES))
        return 0
    why = kernel.available()
    total = len(CASES) + args.generated
    if why:
        print("the kernel cannot be asked here: " + why)
        print("0 passed, 0 failed, %d skipped" % total)
        return 0
    args.deadline = time.time() + args.soak
    todo = [("case", n) for n in CASES] + [("gen", args.seed + i) for i in range(args.generated)]
    if args.soak:
        todo += [("gen", args.seed + args.generated + i) for i in range(10**6)]
    jobs, results = multiprocessing.Queue(64), multiprocessing.Queue()
    stop = multiprocessing.Event()
    workers = [multiprocessing.Process(target=worker, args=(args, jobs, results, stop), daemon=True) for _ in range(args.jobs)]
    for w in workers:
        w.start()
    passed, failed, skipped, covers, at, inflight = 0, 0, 0, {}, 0, 0
    began = time.time()
    while True:
        while at < len(todo) and inflight < 4 * args.jobs and not (args.soak and time.time() > args.deadline):
            jobs.put(todo[at])
            at += 1
            inflight += 1
        if inflight == 0:
            break
        try:
            kind, what, name, cov, text = results.get(timeout=120)
        except Exception:
            if args.soak and time.time() > args.deadline:
                break
            print("a worker gives no answer")
            failed += inflight
            break
        inflight -= 1
        if kind in ("late", "skipped"):
            skipped += kind == "skipped"
            continue
        if text:
            failed += 1
            print(text, flush=True)
        else:
            passed += 1
            for c in cov:
                covers[c] = covers.get(c, 0) + 1
    stop.set()
    if args.exactness:
        if args.add and os.path.exists(args.exactness):
            with open(args.exactness) as f:
                for name, n in json.load(f).items():
                    covers[name] = covers.get(name, 0) + n
        with open(args.exactness, "w") as f:
            json.dump(covers, f, indent=1, sort_keys=True)
    sockets.remove_cgroups()
    print("%.0f s, seeds %d..%d" % (time.time() - began, args.seed, args.seed + max(0, at - len(CASES) - 1)))
    if skipped:
        print("skipped cases need net.netfilter.nf_log_all_netns of the initial namespace")
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
