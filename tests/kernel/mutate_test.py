#!/usr/bin/env python3
"""Damaged blobs: valid ones are changed in a few places and handed to the kernel (setsockopt, in a namespace of its own) and to
weir; both must answer with the same errno. A number of counters that is wrong on purpose keeps the kernel from taking any:
a blob that is still good gets EAGAIN on both sides.

    tests/kernel/mutate_test.py [--count 3000] [--seed 1] [--dump build/tests/blob-dump]
"""
import argparse
import ctypes
import errno
import os
import random
import socket
import struct
import subprocess
import sys

from blob_test import ENTRY, HERE, case_text, new_namespace, read_cases

TEXTS = {
    4: """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:A - [0:0]
:B - [0:0]
-A INPUT -p tcp -m tcp --dport 80 -j A
-A FORWARD -j A
-A FORWARD -s 10.0.0.0/8 -g B
-A FORWARD -p tcp -m multiport --dports 1,2,3 -m comment --comment "x" -j REJECT --reject-with tcp-reset
-A FORWARD -m limit --limit 5/s
-A A -p udp -j RETURN
-A A -m mark --mark 1 -j B
-A B -j LOG --log-prefix "b"
-A B -m ttl --ttl-eq 1 -j DROP
COMMIT
*nat
:X - [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080
-A PREROUTING -j X
-A POSTROUTING -o eth0 -j MASQUERADE
-A X -p udp -j REDIRECT --to-ports 53
COMMIT
*mangle
-A PREROUTING -j MARK --set-xmark 1/1
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400
-A POSTROUTING -j TTL --ttl-set 64
COMMIT
*raw
-A PREROUTING -p icmp -m icmp --icmp-type 8 -j ACCEPT
COMMIT
""",
    6: """*filter
:A - [0:0]
:B - [0:0]
-A INPUT -p tcp -m tcp --dport 80 -j A
-A FORWARD -j A
-A FORWARD -s 2001:db8::/32 -g B
-A FORWARD -p icmpv6 -m icmp6 --icmpv6-type 128 -j REJECT
-A A -p udp -j RETURN
-A A -m length --length 5:6 -j B
-A B -m hl --hl-eq 1 -j DROP
COMMIT
*mangle
-A FORWARD -m dscp --dscp 5 -j DSCP --set-dscp 1
-A POSTROUTING -j HL --hl-set 64
COMMIT
""",
}
WRONG_COUNTERS = 0x1234
INTERESTING = (0, 1, 2, 7, 8, 31, 32, 33, 40, 64, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
               0xffffffff, 0xfffffffe, 0xfffffffb, 0xfffffffc)


class Weir:
    def __init__(self, dump):
        self.proc = subprocess.Popen([dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, head, data):
        self.proc.stdin.write(head + data)
        self.proc.stdin.flush()
        return self.proc.stdout.readline().decode(errors="replace")

    def blobs(self, family, text):
        text = text.encode()
        if self.ask(b"%d 0 %d\n" % (family, len(text)), text) != "ok\n":
            raise RuntimeError("the valid rules are refused")
        while True:
            words = self.proc.stdout.readline().split()
            if words[0] in (b"save", b"list"):
                self.proc.stdout.read(int(words[1]))
                continue
            if words[0] == b"end":
                return
            numbers = [int(w) for w in words[2:]]
            yield words[1], numbers, self.proc.stdout.read(numbers[0])

    def replace(self, family, blob):
        answer = self.ask(b"%d replace %d\n" % (family, len(blob)), blob)
        if not answer:
            raise RuntimeError("blob-dump died; the blob is in /tmp/mutate_test.blob")
        code, text = answer.rstrip("\n").split(" ", 1)
        return int(code), text


def replace_head(name, numbers, counters_at):
    size, hooks, entries = numbers[:3]
    return struct.pack("32sIII5I5IIQ", name, hooks, entries, size, *numbers[3:13], WRONG_COUNTERS, counters_at)


def entries_of(family, blob):
    _, offsets, _ = ENTRY[family]
    found, at = [], 0
    while at < len(blob):
        found.append(at)
        at += struct.unpack_from("H", blob, at + offsets + 2)[0]
    return found


def fields_of(family, blob, at):
    """(offset, width) of what the verifier looks at in the entry at @at."""
    head, offsets, _ = ENTRY[family]
    target, size = struct.unpack_from("HH", blob, at + offsets)
    fields = [(at + offsets, 2), (at + offsets + 2, 2), (at + head - 36, 1), (at + target, 2), (at + target + 31, 1),
              (at + target + 2, 1), (at + target + 30, 1), (at + target + 32, 4)]
    fields += [(at + (82 if family == 4 else 132) + i, 1) for i in range(3)] + [(at + (80 if family == 4 else 128), 2)]
    m = at + head
    while m < at + target:
        size = struct.unpack_from("H", blob, m)[0]
        fields += [(m, 2), (m + 31, 1), (m + 2, 1), (m + 32, 2), (m + 36, 4)]
        fields += [(m + i, 1) for i in range(32, size)][:40]
        m += size
    return fields + [(at + target + i, 1) for i in range(32, size_of_target(blob, at + target))][:60]


def size_of_target(blob, at):
    return struct.unpack_from("H", blob, at)[0]


def rule_texts():
    """The lines of blob_rules.txt that load, a dozen at a time: every extension is in one."""
    groups = {}
    for _, family, table, rule, _, refused in read_cases(os.path.join(HERE, "blob_rules.txt")):
        if table != "text:" and not refused and rule.startswith("-A ") and "\\n" not in rule:
            groups.setdefault((family, table), []).append(rule)
    for (family, table), rules in groups.items():
        for i in range(0, len(rules), 12):
            yield family, table, case_text(table, "\\n".join(rules[i:i + 12]))


def mutate(rng, family, name, numbers, blob):
    numbers, blob = list(numbers), bytearray(blob)
    entries = entries_of(family, blob)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.random()
        if kind < 0.12:
            numbers[rng.randrange(len(numbers))] = rng.choice(entries + [len(blob)] + list(INTERESTING)) & 0xffffffff
        elif kind < 0.2:
            hook = rng.randrange(3, 13)
            numbers[hook] = rng.choice(entries)
        elif kind < 0.35:                       # a jump somewhere else
            at = rng.choice(entries)
            target = struct.unpack_from("H", blob, at + ENTRY[family][1])[0]
            if at + target + 36 > len(blob):    # a target without data, at the end
                continue
            struct.pack_into("i", blob, at + target + 32, rng.choice(entries + [-1, -2, -4, -5, -6, 0, 8, len(blob)]))
        elif kind < 0.45:                       # the end is somewhere else
            cut = rng.choice(entries + [len(blob)]) + rng.choice((0, 0, 8, -8, 1))
            blob = blob[:max(cut, 0)]
            numbers[0] = len(blob)
            if not blob:
                break
            entries = [e for e in entries if e + 200 < len(blob)] or [0]
            if len(blob) < 300:
                break
        else:
            fields = fields_of(family, blob, rng.choice(entries))
            at, width = rng.choice(fields)
            if at + width > len(blob):
                continue
            old = int.from_bytes(blob[at:at + width], "little")
            new = rng.choice((old + 8, old - 8, old + 1, old ^ 1 << rng.randrange(8 * width), rng.choice(INTERESTING)))
            blob[at:at + width] = (new & (1 << 8 * width) - 1).to_bytes(width, "little")
            break                               # offsets may lead nowhere now
    return numbers, bytes(blob)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dump", default=os.path.join(os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build")),
                                                       "tests", "blob-dump"))
    args = parser.parse_args()
    try:
        new_namespace()
        sockets = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
                   6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}
    except OSError as why:
        print(f"mutate_test needs root and network namespaces: {why}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    counters = ctypes.create_string_buffer(16 * WRONG_COUNTERS)
    weir, rng = Weir(args.dump), random.Random(args.seed)
    bases = [(family, *base) for family in (4, 6) for base in list(weir.blobs(family, TEXTS[family]))]
    for family, table, text in rule_texts():
        bases += [(family, *base) for base in list(weir.blobs(family, text)) if base[0] == table.encode()]
    same, failed, seen = 0, 0, {}
    for i in range(args.count):
        family, name, numbers, blob = rng.choice(bases)
        if i >= len(bases):
            numbers, blob = mutate(rng, family, name, numbers, blob)
        else:
            family, name, numbers, blob = bases[i]
        data = replace_head(name, numbers, ctypes.addressof(counters)) + blob
        ctypes.set_errno(0)
        bad = libc.setsockopt(sockets[family].fileno(), 0 if family == 4 else 41, 64, data, len(data))
        kernel = ctypes.get_errno() if bad else 0
        with open("/tmp/mutate_test.blob", "wb") as f:
            f.write(data)
        code, text = weir.replace(family, data)
        seen[kernel] = seen.get(kernel, 0) + 1
        if code == kernel:
            same += 1
            continue
        failed += 1
        if failed <= 10:
            path = f"/tmp/mutate_test.{args.seed}.{i}"
            os.rename("/tmp/mutate_test.blob", path)
            print(f"#{i} IPv{family} {name.decode()}: kernel {errno.errorcode.get(kernel, kernel)}, "
                  f"weir {errno.errorcode.get(code, code)} {text} ({path})")
    print("answers: " + ", ".join(f"{errno.errorcode.get(k, k)} {n}" for k, n in sorted(seen.items())))
    print(f"{same} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
