"""Compares what the kernel and weir showed. What is random in the kernel is masked here by name, and the names stand in
docs/differences.md; nothing else is forgiven."""
import re
import struct

import cookies
import natports
import visible
from case import Do, Send
from packets import addr, csum, l4_of, show

# Every mask by name; docs/differences.md has a section for each.
MASKS = {"mld", "flow-label", "made-ip-id", "frag6-id", "nat-port", "nat-port-said", "seconds", "gc-time", "table-order", "ticks", "cookie", "boot-counters",
         "tee-mac"}


MLD = bytes.fromhex("ff020000000000000000000000000016")  # reports of multicast groups: weir joins none over the wire


class Masker:
    """Rewrites one side's packets and lines into a canonical form."""

    def __init__(self, case, datas):
        self.case = case
        self.ids = set()
        for data in datas:
            if data is None:
                continue
            p = data[14:] if len(data) > 34 and data[12:14] in (b"\x08\x00",) else data
            if len(p) >= 20 and p[0] >> 4 == 4:
                self.ids.add(p[4:6])
        self.own = {addr(w.split()[2].split("/")[0]) for w in case.net if w.startswith("addr add ")}
        self.frag6 = {}
        self.frag6_in = set()
        self.labels = {0}
        for data in datas:
            for p in ((data[14:], data) if data else ()):
                if len(p) >= 48 and p[0] >> 4 == 6:
                    self.labels.add(struct.unpack("!I", p[:4])[0] & 0xFFFFF)
                    at = self.frag_header(p)
                    if at:
                        self.frag6_in.add(p[at + 4:at + 8])

    @staticmethod
    def frag_header(p):
        nxt, at = p[6], 40
        while nxt in (0, 43, 60, 44) and at + 8 <= len(p):
            if nxt == 44:
                return at
            nxt, at = p[at], at + (p[at + 1] + 1) * 8
        return 0

    def packet(self, p, depth=0):
        if len(p) >= 20 and p[0] >> 4 == 4:
            hl = (p[0] & 15) * 4
            made = p[9] == 1 and p[hl:hl + 1] in (b"\3", b"\4", b"\5", b"\13", b"\14") and p[12:16] in self.own
            if (made or p[4:6] not in self.ids) and p[4:6] != b"\0\0" and (depth or hl > 20 or not csum(p[:hl])):
                p = p[:4] + b"\xee\xee" + p[6:10] + b"\xee\xee" + p[12:]
            if p[9] == 1 and len(p) > hl + 8 and p[hl] in (3, 4, 5, 11, 12) and depth < 3 and not p[6] & 0x1F and not p[7]:
                inner = self.packet(p[hl + 8:], depth + 1)
                if inner != p[hl + 8:]:
                    p = p[:hl + 2] + b"\xcc\xcc" + p[hl + 4:hl + 8] + inner
        elif len(p) >= 40 and p[0] >> 4 == 6:
            if p[6] == 58 and (len(p) < 41 or p[40] < 128) and struct.unpack("!I", p[:4])[0] & 0xFFFFF not in self.labels:
                p = p[:1] + bytes([p[1] & 0xF0 | 0xE]) + b"\xee\xee" + p[4:]
            if p[6] == 58 and len(p) > 48 and (p[40] < 128 or p[40] == 137) and depth < 3:
                inner = self.packet(p[48:], depth + 1)
                if inner != p[48:]:
                    p = p[:42] + b"\xcc\xcc" + p[44:48] + inner
            if p[6] == 58 and depth and 44 <= len(p) < 88 and (p[40] < 128 or p[40] == 137):
                p = p[:42] + b"\xcc\xcc" + p[44:]  # cut, so that what its checksum covers is not seen
            at = self.frag_header(p)
            if at and p[at + 4:at + 8] not in self.frag6_in:
                number = self.frag6.setdefault(p[at + 4:at + 8], len(self.frag6) + 1)
                p = p[:at + 4] + struct.pack("!I", 0xEEEE0000 + number) + p[at + 8:]
        return p

    def frame(self, f):
        if len(f) >= 14:
            at = 18 if f[12:14] == b"\x81\x00" else 14
            if f[at - 2:at] in (b"\x08\x00", b"\x86\xdd"):
                return f[:at] + self.packet(f[at:])
        return f


def split_seconds(line):
    """('ipv4 2 tcp 6', 119, 'SYN_SENT ...') of a conntrack -L line."""
    m = re.match(r"(\S+\s+\d+ \S+\s+\d+) (\d+) (.*)$", line)
    return (m.group(1), int(m.group(2)), m.group(3)) if m else (line, 0, "")


def split_expectation(line):
    """(299, 'proto=6 ...') of a conntrack -L expect line."""
    m = re.match(r"\s*(\d+) (.*)$", line)
    return (int(m.group(1)), m.group(2)) if m else (0, line)


RENEWABLE = re.compile(r"(?:\[NEW\] \d+ )?(.* PERMANENT .*helper=(?:snmp|netbios-ns))$")


def first_of(lines, known):
    """Without what a question to a network's broadcast address announces once more (renewal)."""
    out = []
    for line in lines:
        m = line.startswith("[NEW] ") and RENEWABLE.match(line)
        if not m or m.group(1) not in known:
            out.append(line)
        if m:
            known.add(m.group(1))
    return out


def compare(case, kernel, weir):
    """A list of (what, item, sentence); empty when equal."""
    diffs = []
    if kernel.refused or weir.refused:
        if bool(kernel.refused) != bool(weir.refused):
            diffs.append(("refused", -1, "kernel: %s\n    weir:   %s" % (kernel.refused, weir.refused)))
        return diffs
    if "cookie" in case.masks:
        cookies.align(kernel)
        cookies.align(weir)
    if "nat-port" in case.masks:
        natports.align(kernel, weir)
    datas = kernel.datas + weir.datas
    km, wm = Masker(case, datas), Masker(case, datas)

    def by_iface(seen, masker, item):
        out = {}
        for iface, frame in seen.tx.get(item, []):
            if frame[12:14] == b"\x86\xdd" and frame[38:54] == MLD:
                continue
            out.setdefault(iface, []).append(masker.frame(frame))
        return out

    def say(what, item, k, w, fmt):
        diffs.append((what, item, "kernel: %s\n    weir:   %s" % ([fmt(x) for x in k], [fmt(x) for x in w])))

    known_k, known_w = set(), set()
    for i in range(-1, len(case.items)):
        k, w = by_iface(kernel, km, i), by_iface(weir, wm, i)
        for iface in sorted(set(k) | set(w)):
            a, b = k.get(iface, []), w.get(iface, [])
            if a != b:
                short = [show(x) for x in a] != [show(x) for x in b]
                say("tx " + iface, i, a, b, show if short else bytes.hex)
        a, b = [km.packet(p) for p in kernel.local.get(i, [])], [wm.packet(p) for p in weir.local.get(i, [])]
        if a != b:
            short = [show(x) for x in a] != [show(x) for x in b]
            say("local", i, a, b, show if short else bytes.hex)
        a, b = [event(x) for x in kernel.events.get(i, [])], [event(x) for x in weir.events.get(i, [])]
        a, b = first_of([x for x in a if x], known_k), first_of([x for x in b if x], known_w)
        if i >= 0 and isinstance(case.items[i], Do) and {"conntrack", "ip"} & set(case.items[i].command.split()):
            a, b = sorted(a, key=no_seconds), sorted(b, key=no_seconds)  # table-order
        if a != b and not same_events(a, b):
            say("event", i, a, b, str)
        mask = lambda x: re.sub(r" ID=(\d+) ", lambda m: m.group(0) if struct.pack("!H", int(m.group(1))) in km.ids or m.group(1) == "0" else " ID=x ", x.rstrip()) if "IPv6" not in x else x
        label = lambda x: re.sub(r"FLOWLBL=([1-9]\d*) (?=PROTO=ICMPv6 (?:TYPE=[1-4] |INCOMPLETE))", lambda m: m.group(0) if int(m.group(1)) in km.labels else "FLOWLBL=x ", x)
        if "-j TRACE" in case.v4 + case.v6 or "net.netfilter.nf_conntrack_log_invalid" in case.sysctl:  # names the sender's owner, whom weir is not told
            mask_id, mask = mask, lambda x: re.sub(r" UID=0 GID=0\b", "", mask_id(x))
        if "-j TEE" in case.v4 + case.v6:  # tee-mac
            came = getattr(case.items[i], "iface", None) if i >= 0 else None
            mask_own, mask = mask, lambda x: re.sub(r"(IN=(\S+) OUT=(\S+) MAC=)[0-9a-f:]+ ", lambda m: m.group(1) + "x " if m.group(2) in (m.group(3), "") or m.group(2) != came else m.group(0), mask_own(x))
        a, b = [label(mask(x)) for x in kernel.log.get(i, [])], [label(mask(x)) for x in weir.log.get(i, [])]
        if a != b:
            say("log", i, a, b, str)
        a = [(g, p, km.packet(d)) for g, p, d in kernel.nflog.get(i, [])]
        b = [(g, p, wm.packet(d)) for g, p, d in weir.nflog.get(i, [])]
        if a != b:
            say("nflog", i, a, b, lambda x: (x[0], x[1], show(x[2])))
        a = [x.strip() for x in kernel.invalid.get(i, [])]
        b = [x.strip() for x in weir.invalid.get(i, [])]
        if a != b and "-j TRACE" not in case.v4 + case.v6 and "net.netfilter.nf_conntrack_log_invalid" not in case.sysctl:
            say("invalid", i, a, b, str)
    k, w = sorted(map(split_seconds, kernel.connections), key=lambda x: x[::2]), sorted(map(split_seconds, weir.connections), key=lambda x: x[::2])
    if [x[::2] for x in k] != [x[::2] for x in w] or any(abs(a[1] - b[1]) > 1 for a, b in zip(k, w)):
        only_k, only_w = [x for x in k if not near(x, w)], [x for x in w if not near(x, k)]
        say("connections", len(case.items), only_k, only_w, lambda x: "%s %d %s" % x)
    k, w = [sorted(map(split_expectation, x.expectations), key=lambda x: x[1]) for x in (kernel, weir)]
    if [x[1] for x in k] != [x[1] for x in w] or any(abs(a[0] - b[0]) > 1 and not RENEWABLE.match(a[1]) for a, b in zip(k, w)):
        say("expectations", len(case.items), k, w, lambda x: "%d %s" % x)
    for i in sorted(set(kernel.said) | set(weir.said)):
        a, b = kernel.said.get(i, "").strip(), weir.said.get(i, "").strip()
        if a != b and not (a.isdigit() and b.isdigit() and abs(int(a) - int(b)) <= 1) and not same_listing(a, b):
            say("said", i, [a], [b], str)
    for path, a, b in visible.compare(kernel.files, weir.files, 25 if any(isinstance(x, Do) and x.command.startswith("echo") for x in case.items) else 2):
        say("file " + path, len(case.items), [a], [b], str)
    for family in sorted(set(kernel.rules) | set(weir.rules)):
        a, b = kernel.rules.get(family, []), weir.rules.get(family, [])
        if a != b:
            only_a, only_b = [x for x in a if x not in b], [x for x in b if x not in a]
            if only_a or only_b:
                say("rules.v" + family, len(case.items), only_a, only_b, str)
            elif family in kernel.rules:
                say("rules.v%s order" % family, len(case.items), a, b, str)
    return diffs


def same_events(a, b):
    """Equal but for one second of timeout: a tick of the kernel's clock may fall between setting and printing (seconds)."""
    if len(a) != len(b):
        return False
    for x, y in zip(a, b):
        p, q = (re.match(r"(\s*\[\w+\](?: \S+\s+\d+ \S+\s+\d+)?) (\d+) (.*)$", t) for t in (x, y))
        if x != y and not (p and q and p.group(1, 3) == q.group(1, 3) and abs(int(p.group(2)) - int(q.group(2))) <= 1):
            return False
    return True


LEFT = re.compile(r"(?m)^\d+(?= +proto=)|(?<=<timeout>)\d+")


def same_listing(a, b):
    """What was listed, but for one second (seconds); how many there were is said to nobody."""
    a, b = ("\n".join(line for line in t.split("\n") if not line.startswith("conntrack v")).strip() for t in (a, b))
    return LEFT.sub("N", a) == LEFT.sub("N", b) and all(abs(int(x) - int(y)) <= 1 for x, y in zip(LEFT.findall(a), LEFT.findall(b)))


def no_seconds(line):
    return re.sub(r"(\] \S+\s+\d+ \S+\s+\d+) \d+ ", r"\1 ", line)


def near(x, others):
    return any(x[::2] == y[::2] and abs(x[1] - y[1]) <= 1 for y in others)


def event(line):
    """Events by expiry come when the kernel's collector runs (gc-time): left out on both sides. So are those of entries that
    somebody ends in their last second, who may come too late for the kernel's clock."""
    line = line.strip()
    if "[DESTROY]" in line and not re.search(r"\[DESTROY\] \S+\s+\d+ \S+\s+\d+ (?:[2-9]|\d\d+) ", line):
        return None
    return line
