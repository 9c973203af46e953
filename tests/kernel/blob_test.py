#!/usr/bin/env python3
"""Rule texts through the real iptables-legacy into the kernel, and through weir: the blobs read back (getsockopt) must be
equal byte for byte but for counters, the saved texts equal, and what one refuses the other refuses.

    tests/kernel/blob_test.py [--dump build/tests/blob-dump] [--list FILE] [--verbose] [--mutate N --seed S]

The rule lines are in blob_rules.txt. Needs root and iptables-legacy; without them it says so and counts as skipped.
"""
import argparse
import ctypes
import glob
import os
import random
import re
import socket
import struct
import subprocess
import sys

import grammar

HERE = os.path.dirname(os.path.abspath(__file__))
CLONE_NEWNET = 0x40000000
GET_INFO, GET_ENTRIES = 64, 65              # IPT_SO_* and IP6T_SO_*: the same numbers
ENTRY = {4: (112, 88, 96), 6: (168, 140, 152)}   # header, target_offset (next_offset follows), counters
LISTS = (["-nvL"], ["-nvxL", "--line-numbers"], ["-L"], ["-vS"])     # as in blob_dump.c


def new_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")


def has_kernel(name):
    """A namespace of our own, where iptables-legacy works; else why not, as the test @name says it."""
    try:
        new_namespace()
        subprocess.run(["iptables-legacy", "-S"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as why:
        print(f"{name} needs root, network namespaces and iptables-legacy: {why}")
        print("0 passed, 0 failed, 1 skipped")
        return False
    return True


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
        # upstream ends a line about bpf with a NUL
        old, new = a.decode(errors="replace").replace("\0", "").split("\n"), b.decode(errors="replace").split("\n")
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


def asked(kernel, weir, family, text):
    """What either side says of @text, and how they differ."""
    k, w = (side.load(family, text, True) for side in (kernel, weir))
    return k, w, differences(family, k, w)


def tell(what, found):
    print(what)
    for line in found:
        print("    " + line)


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
        k, _, found = asked(kernel, weir, family, case_text(table, rule))
        accepted += k[0]
        if not found:
            passed += 1
            continue
        failed += 1
        tell(f"IPv{family} {table}: {rule}", found)
    print(f"{accepted} accepted by both or by the kernel")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


# --- rules drawn from the option tables of weir itself: no option can be forgotten ---

def option_tables(dump):
    """[(kind, name, families, table, proto, [(option, type, flags, words, min, max, arg)])]"""
    done = subprocess.run([dump], input="4 options 0\n", capture_output=True, text=True, check=True).stdout
    found = []
    for line in done.split("\n"):
        words = line.split(" ")
        if words[0] in ("match", "target"):
            found.append((words[0], words[1], int(words[2]), words[3], int(words[4]), []))
        elif words[0] == "option":
            found[-1][5].append((words[1], int(words[2]), int(words[3]), int(words[4]), int(words[5]), int(words[6]), " ".join(words[7:])))
    return found


def known_values(cases):
    """option -> the arguments that hand-written rules give it."""
    values = {}
    for case in cases:
        words = case[3].split(" ")
        for i, word in enumerate(words[:-1]):
            if word.startswith("--"):
                given = []
                for later in words[i + 1:i + 3]:
                    if later.startswith("-") or later == "!":
                        break
                    given.append(later)
                values.setdefault(word[2:], set()).add(tuple(given))
    return {name: sorted(given) for name, given in values.items()}


def draw_value(rng, option, values):
    name, kind, _, words, low, high, _ = option
    if not words:
        return []
    if name in values and rng.random() < (0.5 if 1 <= kind <= 8 else 0.97):
        fitting = [v for v in values[name] if len(v) >= words]
        if fitting:
            return list(rng.choice(fitting)[:words])
    high = high or {1: 255, 2: 65535, 3: 2**32 - 1, 4: 2**64 - 1, 5: 255, 6: 65535, 7: 2**32 - 1, 8: 2**32 - 1}.get(kind, 1000)
    number = lambda: rng.choice((str(rng.randint(low, high)), str(low), str(high), hex(rng.randint(low, high)), str(rng.randint(low, min(high, low + 9))), str(high + 1)))
    if 5 <= kind <= 7:
        return [rng.choice((number(), number() + ":" + number(), ":" + number(), number() + ":"))]
    if kind == 8:
        return [rng.choice((number(), number() + "/" + number()))]
    return [number() for _ in range(words)]


def draw_rule(rng, ext, values):
    kind, name, families, table, proto, options = ext
    given = [o for o in options if o[2] & 1 or rng.random() < min(0.5, 2.0 / max(1, len(options)))]
    if not given and options and rng.random() < 0.9:
        given = [rng.choice(options)]
    rng.shuffle(given)
    words = []
    for option in given:
        if option[2] & 2 and rng.random() < 0.3 or rng.random() < 0.02:
            words.append("!")
        words += ["--" + option[0]] + draw_value(rng, option, values)
    protos = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6", 132: "sctp", 33: "dccp", 50: "esp", 51: "ah", 108: "ipcomp", 135: "mh"}
    head = ["-p", protos.get(proto, str(proto))] if proto else rng.choice(([], ["-p", "tcp"], ["-p", "udp"], ["-s", "1.2.3.4"] if families == 1 else []))
    tail = [] if kind == "target" else rng.choice(([], ["-j", "ACCEPT"], ["-j", "DROP"]))
    return head, (["-m", name] if kind == "match" else ["-j", name]) + words + tail, [o[0] for o in given]


CHAINS = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "raw": ("PREROUTING", "OUTPUT"),
          "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "security": ("INPUT", "FORWARD", "OUTPUT")}


def from_options(kernel, weir, cases, count, rng, tables):
    values, passed, failed, accepted, seen = known_values(cases), 0, 0, 0, {}
    places = {}  # where hand-written rules put an extension
    for _, _, table, rule, _, refused in cases:
        m = re.match(r"-A (\S+)", rule)
        for name in re.findall(r"(?:-m|-j) (\S+)", rule) if m and not refused and table != "text:" else ():
            places.setdefault(name, set()).add((table, m.group(1)))
    real = upstream_extensions()
    tables, absent = [e for e in tables if e[1] in real], 0
    while passed + failed + absent < count:
        ext = tables[(passed + failed + absent) % len(tables)]
        family = rng.choice([f for f, bit in ((4, 1), (6, 2)) if ext[2] & bit])
        head, body, names = draw_rule(rng, ext, values)
        table = ext[3] if ext[3] != "-" else rng.choice(("filter", "mangle"))
        chain = rng.choice(CHAINS[table])
        if ext[1] in places and rng.random() < 0.9:
            table, chain = rng.choice(sorted(places[ext[1]]))
        rule = " ".join(["-A", chain] + head + body)
        if UNFAIR.search(rule):
            absent += 1
            continue
        # a timer of the rule before, in whatever table, would be met again, and may be of the other kind
        rule = re.sub(r"(--label) \S+", rf"\1 t{passed}", rule)
        k, _, found = asked(kernel, weir, family, case_text(table, rule))
        if "missing kernel module" in str(k[1]):
            absent += 1
            continue
        accepted += k[0]
        for name in names:
            both = seen.setdefault((ext[1], name), [0, 0])
            both[0] += 1
            both[1] += k[0]
        passed, failed = passed + (not found), failed + bool(found)
        if found:
            tell(f"IPv{family} {table}: {rule}", found)
    never = sorted(f"{ext} --{name}" for (ext, name), (_, both) in seen.items() if not both)
    print(f"{accepted} of {count} accepted by both or by the kernel; {absent} need what this kernel lacks; {len(seen)} options drawn; never accepted: {', '.join(never) or 'none'}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


# What no kernel of the day loads, or what needs objects of a host: these options are drawn in vain.
VAIN = {"CLUSTERIP", "LED", "SECMARK", "SET", "ULOG", "ipvs", "set", "nfacct", "cgroup --path", "bpf --object-pinned", "CT --timeout", "TPROXY --on-ip"}


def from_grammar(kernel, weir, count, rng, tables):
    """Rules of the grammar, several in one table: blobs, saved and listed texts are equal, and every option of every extension
    is in a rule that the kernel took."""
    passed, failed, accepted, seen = 0, 0, 0, {}
    queue, late = [], 0
    real = upstream_extensions()
    wanted = {(e[1], o[0]) for e in tables if e[1] in real for o in e[5]}
    missing = lambda: sorted((ext, name) for ext, name in wanted if not seen.get((ext, name), [0, 0])[1] and ext not in VAIN and f"{ext} --{name}" not in VAIN)
    while passed + failed < count or missing() and late < 600:
        if not queue:
            queue = [(row, v) for row in grammar.ROWS for v in row[2] if passed + failed < count or row[1] in {ext for ext, _ in missing()}]
            rng.shuffle(queue)
        late += passed + failed >= count
        row, family = queue.pop()
        draw = grammar.Draw(rng, family)
        draw.label = 1000 * (passed + failed)      # timers and hash tables are known by name, in all tables
        table, chain, line = grammar.rule(draw, row)
        estimators = "".join(f"-A {chain} -j RATEEST --rateest-name {n} --rateest-interval 250ms --rateest-ewmalog 1s\n" for n in "qr") if row[1] == "rateest" else ""
        text = case_text(table, estimators + line)
        k, w, found = asked(kernel, weir, family, text)
        if "missing kernel module" in k[1]:
            passed += 1
            continue
        if k[0] and w[0] and not found:
            found = list_differences(kernel.lists(family, k[2]), weir.listed)
        accepted += k[0]
        names = {o[0] for e in tables if e[0] == row[0] and e[1] == row[1] for o in e[5]}
        for name in set(re.findall(r"--([a-z][a-z0-9-]*)", line)) & names:
            both = seen.setdefault((row[1], name), [0, 0])
            both[0] += 1
            both[1] += k[0] and not found
        passed, failed = passed + (not found), failed + bool(found)
        if found:
            print(f"IPv{family} {table}: {line}")
            for text in found:
                print("    " + text)
    missing = [f"{ext} --{name}" for ext, name in missing()]
    print(f"{accepted} of {passed + failed} accepted; {len(seen)} of {len(wanted)} options drawn; in no accepted rule: {', '.join(missing) or 'none'}")
    print(f"{passed} passed, {failed + len(missing)} failed, 0 skipped")
    return 1 if failed or missing else 0


# What stands where a number is wanted: none, signs, other bases, something behind it, too much, ranges with an empty end.
ODD_NUMBERS = ("", " ", "-", "+", "0", "00", "-0", "+0", "+1", "-1", " 1", "1 ", "0x", "0x10", "0X1f", "-0x1", "+0x1", "010", "-010", "08", "1x", "0x1g", "x", "1.5", "1e3",
               "255", "256", "-255", "65535", "65536", "65537", "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296", "4294967297", "-4294967295", "-4294967296",
               "9223372036854775808", "18446744073709551615", "18446744073709551616", "-18446744073709551615", "99999999999999999999999")
ODD_RANGES = (":", "1:", ":1", "1:2", "2:1", "1:1", "0:", "1:2:3", "::", "1::2", ":-1", "-1:", "-1:2", "1:-2", "+1:+2", " 1:2", "1: 2", "1 :2", "x:1", "1:x", "1:2x", "0x1:0x10", "010:011", "08:09",
              "1:65536", "65536:1", "1:4294967296", "4294967296:4294967297", "-1:18446744073709551615", "255:256", "1-2", "1-", "-1-2", "1--1", "/", "1/", "/1", "1/2", "1/2/3", "-1/-1", "0x1/0x",
              "1/4294967296", "4294967296/1", "-1/0x10", "1/x", "1/ 1", ",", "1,", ",1", "1,,2", "2,1,2", "1,-1", "1,256", "1,65536", "-1,1", "1,2x", "+1,+2", "0x1,010",
              "1s", "10ms", "1us", "1/s", "1/sec", "0/sec", "-1/sec", "1/x", "/sec", "1/secs", "1x/sec", "1kb/s", "1kbit", "-1kb/s", "b/s", "1mb", "0.5", "-0.5", ".5", "0.", "+0.5", "0x1p-1", "1e-3", "nan", "inf")


def odd_words(values, places):
    """Odd words for an argument: in its place, and where one of its numbers stands."""
    found = list(ODD_NUMBERS + ODD_RANGES)
    for value in sorted(values, key=lambda v: (-len(re.findall(r"\d+", v)), v))[:2]:
        for number in list(re.finditer(r"0[xX][0-9a-fA-F]+|\d+", value))[:places]:
            if number.group(0) != value:
                found += [value[:number.start()] + odd + value[number.end():] for odd in ODD_NUMBERS]
    return found


def odd_cases(cases, tables, rng):
    """Rules as they are in the list, with an odd word as one argument of one option."""
    real = upstream_extensions()
    good = {}
    for _, family, table, rule, _, refused in cases:
        if not refused and table != "text:" and rule.startswith("-A ") and "\\n" not in rule:
            good.setdefault((family, table), set()).add(rule)
    for row in grammar.ROWS:
        for family in row[2]:
            for _ in range(6):
                table, _, rule = grammar.rule(grammar.Draw(rng, family), row)
                good.setdefault((family, table), set()).add(rule)
    for kind, name, _, _, _, options in tables:
        head = (" -m " if kind == "match" else " -j ") + name + " "
        for option, _, _, words, *_ in options if name in real else ():
            for family in (4, 6):
                rules = sorted((len(r), t, r) for (f, t), rs in good.items() if f == family for r in rs if (head in r and f" --{option} " in r))
                for place in range(words if rules else 0):
                    spot = lambda rule: re.search(f" --{option} " + r"(?:\S+ )" * place + r"(\"[^\"]+\"|[^ \"-]\S*)", rule)
                    fitting = [(t, r) for _, t, r in rules if spot(r)]
                    for odd in odd_words({spot(r).group(1).strip('"') for _, r in fitting}, 2) if fitting else ():
                        table, rule = rng.choice(fitting[:3])
                        at = spot(rule)
                        yield name, option, family, table, rule[:at.start(1)] + '"' + odd + '"' + rule[at.end(1):]


def odd_numbers(kernel, weir, cases, count, rng, tables, only):
    drawn = [c for c in odd_cases(cases, tables, rng) if c[0] not in VAIN and f"{c[0]} --{c[1]}" not in VAIN and only in f"{c[0]} --{c[1]}"]
    drawn = drawn if count >= len(drawn) else rng.sample(drawn, count)
    passed = failed = accepted = absent = 0
    for name, option, family, table, rule in drawn:
        if UNFAIR.search(rule):
            absent += 1
            continue
        rule = re.sub(r"(--label) \S+", rf"\1 t{passed}", rule)
        k, _, found = asked(kernel, weir, family, case_text(table, rule))
        if "missing kernel module" in str(k[1]):
            absent += 1
            continue
        accepted += k[0]
        passed, failed = passed + (not found), failed + bool(found)
        if found:
            tell(f"{name} --{option}: IPv{family} {table}: {rule}", found)
    print(f"{accepted} of {len(drawn)} accepted by both or by the kernel; {absent} need what this kernel lacks")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def upstream_extensions():
    """What iptables 1.8.9 has; the rest cannot be compared."""
    return {re.sub(r"^lib(xt|ipt|ip6t)_|\.so$", "", os.path.basename(p)) for p in glob.glob("/usr/lib*/*/xtables/*.so") + glob.glob("/usr/lib*/xtables/*.so")}


def suite_cases(source):
    """Every rule line of upstream's extensions/*.t, for each of its chains; libxt_ ones for both families."""
    number = 0
    for name in sorted(os.listdir(source + "/extensions")):
        m = re.match(r"lib(xt|ipt|ip6t)_.*\.t$", name)
        if not m:
            continue
        chains, table = [], "filter"
        for line in open(source + "/extensions/" + name, encoding="utf-8"):
            line = line.rstrip("\n")
            if line.startswith(":"):
                chains = line[1:].split(",")
            elif line.startswith("*"):
                table = line[1:]
            elif line.strip() and line[0] not in "#@%":
                for family in {"xt": (4, 6), "ipt": (4,), "ip6t": (6,)}[m.group(1)]:
                    for chain in chains:
                        rule = "-A " + chain + " " + line.split(";")[0]
                        number += 1
                        yield number, family, table, rule, case_text(table, rule), None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", default=os.path.join(os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build")), "tests", "blob-dump"))
    parser.add_argument("--list", default=os.path.join(HERE, "blob_rules.txt"))
    parser.add_argument("--only", default="")
    parser.add_argument("--mutate", type=int, default=0, help="N rule lines with their words shuffled, instead of the list")
    parser.add_argument("--options", type=int, default=0, help="N rules drawn from the option tables, instead of the list")
    parser.add_argument("--odd", type=int, default=0, help="N rules with an odd word where a number is wanted, instead of the list; --only EXTENSION --OPTION of these")
    parser.add_argument("--grammar", type=int, default=0, help="N rules of grammar.py, every option of every extension among them, instead of the list")
    parser.add_argument("--suite", help="the rules of iptables' extensions/*.t under this source folder, instead of the list")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if not has_kernel("blob_test"):
        return 0
    kernel, weir = Kernel(), Weir(args.dump)
    cases = [c for c in read_cases(args.list) if args.odd or args.only in c[3]]
    if args.odd:
        return odd_numbers(kernel, weir, cases, args.odd, random.Random(args.seed), option_tables(args.dump), args.only)
    if args.mutate:
        return mutations(kernel, weir, cases, args.mutate, random.Random(args.seed))
    if args.options:
        return from_options(kernel, weir, cases, args.options, random.Random(args.seed), option_tables(args.dump))
    if args.grammar:
        return from_grammar(kernel, weir, args.grammar, random.Random(args.seed), option_tables(args.dump))
    if args.suite:
        cases = list(suite_cases(args.suite))
    failed = absent = 0
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
        if args.suite and "missing kernel module" in k[1]:
            absent += 1
            continue
        if refused is not None and refused == k[0]:
            found.append(f"blob_rules.txt is wrong: the kernel side {'accepts' if k[0] else 'refuses'} it: {k[1]}")
        if found:
            failed += 1
            tell(f"blob_rules.txt:{number}: IPv{family} {table}: {rule}", found)
        elif args.verbose:
            print(f"same: IPv{family} {table}: {rule}: {k[1]!r} {w[1]!r}")
    print(f"{len(cases) - failed - absent} passed, {failed} failed, {absent} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
