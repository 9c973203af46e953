#!/usr/bin/env python3
"""Rule texts through the real iptables-legacy into the kernel, and through weir: the blobs read back (getsockopt) must be
equal byte for byte but for counters, the saved texts equal, and what one refuses the other refuses.

    tests/kernel/blob_test.py [--dump build/tests/blob-dump] [--list FILE] [--verbose] [--mutate N --seed S]

The rule lines are in blob_rules.txt. Needs root and iptables-legacy; without them it says so and counts as skipped.
"""
import argparse
import ctypes
import os
import random
import re
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CLONE_NEWNET = 0x40000000
GET_INFO, GET_ENTRIES = 64, 65              # IPT_SO_* and IP6T_SO_*: the same numbers
ENTRY = {4: (112, 88, 96), 6: (168, 140, 152)}   # header, target_offset (next_offset follows), counters
LISTS = (["-nvL"], ["-nvxL", "--line-numbers"], ["-L"], ["-vS"])     # as in blob_dump.c


def new_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


class Getsockopt:
    """getsockopt with the caller's bytes in the buffer, which socket.getsockopt cannot do."""

    def __init__(self, family):
        self.sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.level = socket.IPPROTO_IP if family == 4 else socket.IPPROTO_IPV6
        self.libc = ctypes.CDLL(None, use_errno=True)

    def __call__(self, option, request):
        buf = ctypes.create_string_buffer(request, len(request))
        size = ctypes.c_uint32(len(request))
        if self.libc.getsockopt(self.sock.fileno(), self.level, option, buf, ctypes.byref(size)):
            raise OSError(ctypes.get_errno(), "getsockopt")
        return buf.raw


def kernel_blob(family, table):
    get = Getsockopt(family)
    info = get(GET_INFO, table.encode().ljust(84, b"\0"))
    size = struct.unpack_from("I", info, 32 + 4 + 20 + 20 + 4)[0]
    return get(GET_ENTRIES, struct.pack("32sI4x", table.encode(), size) + bytes(size))[40:]


def without_counters(family, blob):
    head, offsets, counters = ENTRY[family]
    out, at = bytearray(blob), 0
    while at < len(blob):
        out[at + counters:at + counters + 16] = bytes(16)
        step = struct.unpack_from("H", blob, at + offsets + 2)[0]
        if step < head:
            raise ValueError("broken blob")
        at += step
    return bytes(out)


class Kernel:
    def tool(self, family, name):
        return ("iptables" if family == 4 else "ip6tables") + "-legacy" + name

    def load(self, family, text, counters):
        new_namespace()
        done = subprocess.run([self.tool(family, "-restore")] + (["-c"] if counters else []), input=text.encode(),
                              capture_output=True)
        err = done.stderr.decode(errors="replace").strip()
        existing = subprocess.run([self.tool(family, "-save"), "-c"], capture_output=True).stdout
        saved = re.sub(rb"^# (Generated|Completed).*\n", b"", existing, flags=re.M)
        tables = {t: kernel_blob(family, t) for t in re.findall(r"^\*(\S+)$", saved.decode(errors="replace"), re.M)}
        return done.returncode == 0, err, tables, saved

    def lists(self, family, tables):
        """What iptables prints of the rules loaded last."""
        return [subprocess.run([self.tool(family, ""), "-t", table] + words, capture_output=True).stdout
                for table in tables for words in LISTS]


class Weir:
    def __init__(self, dump):
        self.proc = subprocess.Popen([dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def load(self, family, text, counters):
        data = text.encode()
        out = self.proc.stdout
        self.proc.stdin.write(b"%d %d %d\n" % (family, 2 if counters else 0, len(data)) + data)
        self.proc.stdin.flush()
        said = out.readline().decode(errors="replace").strip()
        if not said:
            raise RuntimeError("blob-dump died on: " + text)
        tables = {}
        while True:
            words = out.readline().split()
            if words[0] == b"save":
                saved = out.read(int(words[1]))
                break
            tables[words[1].decode()] = out.read(int(words[2]))
        self.listed = []
        while True:
            words = out.readline().split()
            if words[0] == b"end":
                return said == "ok", said, tables, saved
            self.listed.append(out.read(int(words[1])))


def list_differences(kernel, weir):
    found = []
    for a, b in zip(kernel, weir):
        old, new = a.decode(errors="replace").split("\n"), b.decode(errors="replace").split("\n")
        found += [f"list: kernel {x!r} weir {y!r}" for x, y in zip(old, new) if x != y]
        if len(old) != len(new):
            found.append(f"list: {len(old)} lines, {len(new)} lines")
    return found


def differences(family, kernel, weir):
    found = []
    if kernel[0] != weir[0]:
        found.append(f"kernel {'accepts' if kernel[0] else 'refuses'}: {kernel[1]!r}, weir: {weir[1]!r}")
        return found
    if kernel[3] != weir[3]:
        old, new = kernel[3].decode(errors="replace").split("\n"), weir[3].decode(errors="replace").split("\n")
        found += [f"save: kernel {a!r} weir {b!r}" for a, b in zip(old, new) if a != b][:3] or ["save: lengths differ"]
    for table in kernel[2]:
        a = without_counters(family, kernel[2][table])
        b = without_counters(family, weir[2].get(table, b"")) if weir[2].get(table) else b""
        if a != b:
            at = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
            found.append(f"blob of {table}: {len(a)}/{len(b)} bytes, first difference at {at}: "
                         f"{a[at - at % 8:at - at % 8 + 32].hex(' ', 4)} / {b[at - at % 8:at - at % 8 + 32].hex(' ', 4)}")
    return found


def case_text(table, line):
    return f"*{table}\n:X - [0:0]\n:Y - [0:0]\n" + escapes(line) + "\nCOMMIT\n"


def escapes(text):
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r")


def read_cases(path):
    """Lines "FAMILY TABLE RULE" (family 4, 6 or 46); '!' before the family: both must refuse; "text:" a whole file."""
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        refused = line.startswith("!")
        families, table, rule = line.lstrip("!").split(" ", 2)
        for family in families:
            text = escapes(rule) if table == "text:" else case_text(table, rule)
            yield number, int(family), table, rule, text, refused


def mutated(rng, lines):
    """A line with words lost, doubled, swapped, inverted or taken from another line."""
    words = rng.choice(lines).split(" ")
    for _ in range(rng.choice((1, 1, 2, 3))):
        i = rng.randrange(len(words))
        kind = rng.randrange(8)
        if kind == 0 and len(words) > 1:
            del words[i]
        elif kind == 1:
            words.insert(i, words[i])
        elif kind == 2:
            j = rng.randrange(len(words))
            words[i], words[j] = words[j], words[i]
        elif kind == 3:
            words.insert(i, "!")
        elif kind == 4:
            other = rng.choice(lines).split(" ")
            j = rng.randrange(len(other))
            words[i:i] = other[j:j + rng.choice((1, 2, 2, 3))]
        elif kind == 5:
            other = rng.choice(lines).split(" ")
            words[i] = rng.choice(other)
        elif kind == 6 and words[i]:
            j = rng.randrange(len(words[i]))
            words[i] = words[i][:j] + rng.choice(("", "", "0", "1", ",", "/", ":", "-", "x", "!", "=")) + words[i][j + 1:]
        elif kind == 7 and words[i].startswith("--"):
            words[i] = words[i][:rng.randrange(3, len(words[i]) + 1)]
    return " ".join(words)


def groups_of(line):
    """Options with what belongs to them: ["!", "--dport", "80"]."""
    groups, bang = [], []
    for word in line.split(" "):
        if word == "!":
            bang = ["!"]
        elif word.startswith("-") or not groups:
            groups.append(bang + [word])
            bang = []
        else:
            groups[-1].append(word)
    return groups


def regrouped(rng, lines):
    """A line with options lost, doubled, moved, inverted, or taken with their -m from another line."""
    groups = groups_of(rng.choice(lines))
    for _ in range(rng.choice((1, 1, 2))):
        kind, i = rng.randrange(6), rng.randrange(1, len(groups)) if len(groups) > 1 else 0
        other = groups_of(rng.choice(lines))
        if kind == 0 and i:
            del groups[i]
        elif kind == 1 and i:
            groups[i] = groups[i][1:] if groups[i][0] == "!" else ["!"] + groups[i]
        elif kind == 2 and i:
            groups.insert(rng.randrange(1, len(groups) + 1), groups.pop(i))
        elif kind in (3, 4):
            extra = other[1:] if kind == 3 else other[rng.randrange(len(other)):][:2]
            have = {g[-2] if g[0] != "!" else g[1] for g in groups if len(g) > 1}
            at = rng.randrange(1, len(groups) + 1)
            groups[at:at] = [g for g in extra if g[0] not in ("-j", "-p", "-g") or g[0] not in have]
        elif i and len(groups[i]) > 1 and groups[i][-1]:
            word = groups[i][-1]
            j = rng.randrange(len(word))
            groups[i][-1] = word[:j] + rng.choice(("", "0", "1", "9", ",", "/", ":", "-", word[j] * 2)) + word[j + 1:]
    return " ".join(" ".join(g) for g in groups)


# A name that may reach the resolver, or options that print and exit
UNFAIR = re.compile(r"(^| )(-h|--h[a-z]*|-V|--ve[a-z]*|--modprobe|-M|-w|-W|--wait[a-z-]*)( |$)")


def mutations(kernel, weir, cases, count, rng):
    lines = {}
    for number, family, table, rule, text, refused in cases:
        if table != "text:" and "\\n" not in rule and (not refused or rng.random() < 0.1):
            lines.setdefault((family, table), []).append(rule)
    passed = failed = accepted = 0
    while passed + failed < count:
        family, table = rng.choice(list(lines))
        rule = (mutated if rng.random() < 0.25 else regrouped)(rng, lines[family, table])
        if UNFAIR.search(rule):
            continue
        k, w = (side.load(family, case_text(table, rule), True) for side in (kernel, weir))
        found = differences(family, k, w)
        accepted += k[0]
        if not found:
            passed += 1
            continue
        failed += 1
        print(f"IPv{family} {table}: {rule}")
        for line in found:
            print("    " + line)
    print(f"{accepted} accepted by both or by the kernel")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", default=os.path.join(os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build")), "tests", "blob-dump"))
    parser.add_argument("--list", default=os.path.join(HERE, "blob_rules.txt"))
    parser.add_argument("--only", default="")
    parser.add_argument("--mutate", type=int, default=0, help="N rule lines with their words shuffled, instead of the list")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    try:
        subprocess.run(["iptables-legacy", "--version"], check=True, capture_output=True)
        new_namespace()
        subprocess.run(["iptables-legacy", "-S"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as why:
        print(f"blob_test needs root, network namespaces and iptables-legacy: {why}")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    kernel, weir = Kernel(), Weir(args.dump)
    cases = [c for c in read_cases(args.list) if args.only in c[3]]
    if args.mutate:
        return mutations(kernel, weir, cases, args.mutate, random.Random(args.seed))
    failed = 0
    groups = {}
    single = []
    for case in cases:
        number, family, table, rule, text, refused = case
        if refused or table == "text:" or not rule.startswith("-A "):
            single.append(case)
        else:
            groups.setdefault((family, table), []).append(case)
    # accepted lines together, 40 at a time; a group that differs is taken apart
    for (family, table), members in groups.items():
        for i in range(0, len(members), 40):
            part = members[i:i + 40]
            text = case_text(table, "\\n".join(c[3] for c in part))
            k, w = kernel.load(family, text, True), weir.load(family, text, True)
            if not k[0] or differences(family, k, w):
                single += part
                continue
            found = list_differences(kernel.lists(family, k[2]), weir.listed)
            failed += len(found)
            for line in found:
                print("    " + line)
    for number, family, table, rule, text, refused in single:
        k, w = kernel.load(family, text, True), weir.load(family, text, True)
        found = differences(family, k, w)
        if refused == k[0]:
            found.append(f"blob_rules.txt is wrong: the kernel side {'accepts' if k[0] else 'refuses'} it: {k[1]}")
        if found:
            failed += 1
            print(f"blob_rules.txt:{number}: IPv{family} {table}: {rule}")
            for line in found:
                print("    " + line)
        elif args.verbose:
            print(f"same: IPv{family} {table}: {rule}: {k[1]!r} {w[1]!r}")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
