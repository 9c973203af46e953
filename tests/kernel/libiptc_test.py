#!/usr/bin/env python3
"""One program of libiptc's calls (tests/api/iptc_calls.c) linked with libip4tc and libip6tc in a namespace, and with libweir-iptc on a kept
instance: what every call gives has to be equal, and the rules that are left, as the two iptables-save print them.

    tests/kernel/libiptc_test.py [--random 40] [--seed 1] [--verbose]
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

from blob_test import HERE

BUILD = os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build"))
WEIR = os.path.join(BUILD, "src/cli/weir")

FIXED = """
show
create a
create a
create ACCEPT
append FORWARD a 1
append a ACCEPT 2
append a DROP 3
append nosuch DROP 1
append FORWARD FORWARD 1
insert a a 1
insert a RETURN 9
insert FORWARD DROP 2
replace a QUEUE 5
replace a DROP 3
check a QUEUE 5
check a DROP 77
dump
ops a
delete a DROP 77
delete a QUEUE 5
read a 1
read a 99
read a 0
setcounter a 1
zerocounter a 9
zerocounter a 1
policy INPUT DROP 1
policy a DROP
policy INPUT NOPE
policy OUTPUT ACCEPT 0
remove a
remove FORWARD
remove nosuch
flush nosuch
zero nosuch
rename a b
rename nosuch c
rename b FORWARD
rename b ACCEPT
rename INPUT d
delnum b 5
delnum b 0
chain b
chain zz
show
commit
show
dump
ops nosuch
zero b
zero FORWARD
commit
show
append b b 1
commit
append b NOSUCHTARGET 1
commit
show
flush FORWARD
flush b
remove b
commit
show
commit
"""


def random_script(rng):
    chains = ("INPUT", "FORWARD", "a", "b", "c")
    lines = []  # libiptc goes on showing a count that was zeroed until the commit; weir does not
    for _ in range(60):
        c, t, n = rng.choice(chains), rng.choice(("ACCEPT", "DROP", "RETURN", "a", "b", "c", "QUEUE")), rng.randrange(1, 9)
        lines.append(rng.choice((f"append {c} {t} {n}", f"append {c} {t} {n}", f"insert {c} {t} {n}", f"replace {c} {t} {n}", f"delete {c} {t} {n}",
                                 f"check {c} {t} {n}", f"delnum {c} {rng.randrange(4)}", f"create {c}", f"create {c}", f"remove {c}", f"flush {c}",
                                 f"zero {c}\ncommit", f"rename {c} {rng.choice('abcd')}", f"policy {c} {rng.choice(('ACCEPT', 'DROP'))} {rng.randrange(2)}\ncommit",
                                 f"read {c} {n % 4}", f"setcounter {c} {n % 4}\ncommit", f"zerocounter {c} {n % 4}\ncommit", "show", "commit", "commit")))
    return "\n".join(lines + ["show", "commit", "show"]) + "\n"


def rules(text):
    return [line for line in text.split("\n") if line[:1] != "#"]


def run(family, table, script, verbose):
    where = tempfile.mkdtemp(prefix="weir-libiptc-")
    env = dict(os.environ, WEIR_INSTANCE=where + "/instance")
    save = "iptables-save" if family == 4 else "ip6tables-save"
    real = subprocess.run(["unshare", "-n", "sh", "-c", '"$0" "$1" "$2"; echo; exec "$3" -c', BUILD + "/src/api/iptc-calls-real", str(family), table,
                           save.replace("-save", "-legacy-save")], input=script, capture_output=True, text=True)
    own = subprocess.run([BUILD + "/src/api/iptc-calls", str(family), table], input=script, capture_output=True, text=True, env=env)
    kept = subprocess.run([WEIR, save, "-c"], capture_output=True, text=True, env=env).stdout
    shutil.rmtree(where)
    a, b = rules(real.stdout), rules(own.stdout + "\n" + kept)
    if a == b and own.returncode == 0:
        return True
    print(f"DIFFERENT: IPv{family} {table}: exit codes {real.returncode}, {own.returncode} {own.stderr[-300:]}")
    for i, (x, y) in enumerate(zip(a + [""], b + [""])):
        if x != y:
            print("    " + " | ".join(a[max(0, i - 6):i]))
            print(f"    {x!r} / {y!r}")
            break
    if verbose:
        for k, line in enumerate(script.split("\n")):
            print("      ", k, line)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if not os.path.exists(BUILD + "/src/api/iptc-calls-real") or os.geteuid():
        print("libiptc_test needs root, and libiptc-dev when weir is configured")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    rng, results = random.Random(args.seed), []
    for family in (4, 6):
        for table in ("filter", "mangle", "nosuch"):
            results.append(run(family, table, FIXED, args.verbose))
    for i in range(args.random):
        results.append(run(rng.choice((4, 6)), rng.choice(("filter", "mangle", "raw")), random_script(rng), args.verbose))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
