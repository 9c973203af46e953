#!/usr/bin/env python3
"""Runs one whole round of the profile tcpflags on the kernel and on weir, and writes docs/tcp-coverage.md from what the kernel
said: which states were really reached, which flag sets were sent in them, what became of the connection.

tcp_coverage.py [OUT]"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import gen_tcpflags  # noqa: E402
import run  # noqa: E402

LINE = re.compile(r"\[(NEW|UPDATE|DESTROY)\]\s+\S+\s+\d+ tcp\s+6 (?:\d+ )?(?:([A-Z_]+\d?) )?src=\S+ dst=\S+ sport=(\d+) dport=(\d+)")
KINDS = (("RST", lambda f: f & 4), ("SYN+ACK", lambda f: f & 18 == 18), ("SYN", lambda f: f & 2), ("FIN", lambda f: f & 1), ("ACK", lambda f: f & 16),
         ("none of them", lambda f: True))
OUT = sys.argv[1] if len(sys.argv) > 1 else HERE + "/../../docs/tcp-coverage.md"


def states_of(seen, sport, upto):
    """State of a connection after item @upto, as the kernel's events told."""
    state = "NONE"
    for i in range(-1, upto + 1):
        for line in seen.events.get(i, []):
            m = LINE.search(line)
            if m and int(m.group(3)) == sport and m.group(4) == "80":
                state = "gone" if m.group(1) == "DESTROY" else m.group(2) or state
    return state


def main():
    visited, odd, outcome, different = {}, [], {}, 0
    for seed in range(gen_tcpflags.CASES):
        case = gen_tcpflags.case(seed)
        diffs, k, w = run.run_one(case)
        if diffs:
            diffs, k, w = run.run_one(case)
        different += bool(diffs)
        state, direction, sets = gen_tcpflags.probes(seed)
        for flags, (item, sport) in zip(sets, case.marks):
            before, after = states_of(k, sport, item - 1), states_of(k, sport, item)
            if before != state:
                odd.append((state, before, flags))
                continue
            visited.setdefault((state, direction), set()).add(flags)
            kind = next(n for n, f in KINDS if f(flags))
            invalid = any(True for _ in k.invalid.get(item, []) if "nf_ct_proto_6: invalid" in _ or " invalid" in _)
            word = after if after != before else "invalid" if invalid else "same"
            cell = outcome.setdefault((kind, direction, state), {})
            cell[word] = cell.get(word, 0) + 1
    with open(OUT, "w") as f:
        f.write("# TCP states, directions and flag sets\n\nWritten by `tests/kernel/tcp_coverage.py`. Each of the 256 sets of flags was sent in each state and direction, with the numbers "
                "that the receiver\nexpects; states are those that the kernel's own events named. %d of %d cases differed between the kernel and weir.\n\n" % (different, gen_tcpflags.CASES))
        f.write("| state | original: sets visited | reply: sets visited |\n|---|---|---|\n")
        for s in gen_tcpflags.STATES:
            f.write("| %s | %d | %d |\n" % (s, len(visited.get((s, 0), ())), len(visited.get((s, 1), ()))))
        for d, word in ((0, "original"), (1, "reply")):
            f.write("\n## What became of the connection: a segment of the %s direction\n\nHow many flag sets led where; PSH, URG, ECE and CWR are part of the count.\n\n" % word)
            f.write("| state | " + " | ".join(n for n, _ in KINDS) + " |\n|" + "---|" * (len(KINDS) + 1) + "\n")
            for s in gen_tcpflags.STATES:
                f.write("| %s |" % s)
                for n, _ in KINDS:
                    cell = outcome.get((n, d, s), {})
                    f.write(" %s |" % ", ".join("%s %d" % (k, v) for k, v in sorted(cell.items())))
                f.write("\n")
    print("%d triples visited of %d, %d not in the state meant, %d cases differ" % (sum(map(len, visited.values())), 20 * 256, len(odd), different))
    return 1 if different or odd else 0


if __name__ == "__main__":
    sys.exit(main())
