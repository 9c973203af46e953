"""The mask nat-port: ports and ids that NAT chose at random are equal when both sides chose where the other did.

What was chosen is read from the events and entries: where a line of one side and its partner of the other differ in a number
of the same port class, the two numbers are a pair. Packets and lines are then compared partner by partner, and only where they
differ by a pair is a placeholder put into both: an equal number elsewhere is left alone."""
import re
import struct

from packets import l4_of

PORTS = re.compile(r"\b(sport|dport|id|SPT|DPT|ID)=(\d+)")
PLACE = 50000
CHECKSUMS = {6: (16, 2), 17: (6, 2), 136: (6, 2), 132: (8, 4)}
IDS = {1: (8, 0, 13, 14, 15, 16, 17, 18), 58: (128, 129)}


def port_class(n):
    return 0 if n < 512 else 1 if n < 1024 else 2


def original(line):
    """A line of an entry up to where its reply direction begins."""
    at = line.find(" src=", line.find(" src=") + 1)
    return re.sub(r"^(\S+\s+\d+ \S+\s+\d+) \d+", r"\1", line[:at])


def partners(kernel, weir):
    for i in kernel.events:
        a, b = kernel.events[i], weir.events.get(i, [])
        if len(a) == len(b):
            yield from zip(a, b)
    known = {}
    for line in weir.connections:
        known.setdefault(original(line), line)
    for line in kernel.connections:
        if original(line) in known:
            yield line, known[original(line)]


def chosen_pairs(kernel, weir):
    pairs = set()
    for a, b in partners(kernel, weir):
        m, n = PORTS.findall(a), PORTS.findall(b)
        if len(m) == len(n):
            pairs |= {(int(x), int(y)) for (_, x), (_, y) in zip(m, n) if x != y and port_class(int(x)) == port_class(int(y))}
    return pairs


def ip_of(frame):
    return frame[18 if frame[12:14] == b"\x81\x00" else 14:]


def numbers(p):
    try:
        found, _ = fields(p)
    except (IndexError, struct.error, TypeError):
        return []
    return [(where, struct.unpack("!H", p[where:where + 2])[0]) for where, _, _ in found if where + 2 <= len(p)]


def seen_packets(seen, i):
    """What left, what a rule logged and what arrived here, in this order, IP packets all."""
    return [ip_of(frame) for _, frame in seen.tx.get(i, [])], [p for _, _, p in seen.nflog.get(i, [])], seen.local.get(i, [])


def sent_pairs(kernel, weir):
    """Where nobody tells of a connection (no events wanted, gone at the end, never confirmed): its first number, seen on the way, that the packet did not bring."""
    pairs = set()
    for i in range(len(kernel.datas)):
        came = kernel.datas[i]
        if not came:
            continue
        brought = {n for skip in (0, 14) for _, n in numbers(came[skip:])}
        for a, b in zip(seen_packets(kernel, i), seen_packets(weir, i)):
            for x, y in zip(a, b) if len(a) == len(b) else ():
                m, n = numbers(x), numbers(y)
                if [w for w, _ in m] == [w for w, _ in n]:
                    pairs |= {(p, q) for (_, p), (_, q) in zip(m, n) if p != q and port_class(p) == port_class(q) and not {p, q} & brought}
    return pairs


def later_checksum(p):
    """Where a later fragment holds TCP's checksum: an entry of fields() without a port of its own."""
    proto, l4, later, _ = l4_of(p)
    if proto != 6 or not later:
        return []
    off = (struct.unpack("!H", p[6:8])[0] & 0x1FFF) * 8 if p[0] >> 4 == 4 else struct.unpack("!H", p[42:44])[0] & 0xFFF8
    return [(len(p), l4 + 16 - off, 2)] if off <= 16 else []


def fields(p):
    """[(where, checksum place, its size)] of the ports and ids of an IP packet and of what it quotes, and where the checksums
    of the ICMP errors around stand."""
    found, around, at, depth = later_checksum(p), [], 0, 0
    while depth < 4:
        proto, l4, later, _ = l4_of(p[at:])
        if proto is None or later:
            break
        o = at + l4
        if proto in CHECKSUMS and len(p) >= o + 4:
            c, size = CHECKSUMS[proto]
            found += [(o, o + c, size), (o + 2, o + c, size)]
        if proto not in (1, 58) or len(p) < o + 4:
            break
        if p[o] in IDS[proto]:
            found.append((o + 4, o + 2, 2))
            break
        around.append(o + 2)
        at, depth = o + 8, depth + 1
    return found, around


def align_packets(a, b, pairs):
    """Two IP packets with a placeholder wherever they differ by a pair."""
    if a == b or len(a) != len(b):
        return a, b
    found, around = fields(a)
    if (found, around) != fields(b):
        return a, b
    x, y, changed = bytearray(a), bytearray(b), False
    for where, check, size in found:
        if where + 2 > len(a):      # cut before the id that the checksum covers
            hit = len(a) >= check + size
        else:
            m, n = struct.unpack("!H", a[where:where + 2])[0], struct.unpack("!H", b[where:where + 2])[0]
            hit = m != n and (m, n) in pairs
            if hit:
                x[where:where + 2] = y[where:where + 2] = struct.pack("!H", PLACE)
        if hit:
            changed = True
            none = check - where in (4, 6) and not (any(a[check:check + size]) and any(b[check:check + size]))  # UDP without a sum
            if len(a) >= check + size and not none:
                x[check:check + size] = y[check:check + size] = b"\xcc" * size
    if changed:
        for check in around:
            x[check:check + 2] = y[check:check + 2] = b"\xcc\xcc"
    return bytes(x), bytes(y)


def align_frames(a, b, pairs):
    at = 18 if a[12:14] == b"\x81\x00" else 14
    if a[:at] != b[:at]:
        return a, b
    x, y = align_packets(a[at:], b[at:], pairs)
    return a[:at] + x, b[:at] + y


def align_lines(a, b, pairs):
    m, n = list(PORTS.finditer(a)), list(PORTS.finditer(b))
    if a == b or len(m) != len(n):
        return a, b
    for x, y in reversed(list(zip(m, n))):
        if (int(x.group(2)), int(y.group(2))) in pairs:
            a = a[:x.start(2)] + str(PLACE) + a[x.end(2):]
            b = b[:y.start(2)] + str(PLACE) + b[y.end(2):]
    return a, b


def align_files(a, b, pairs):
    """Keys with a chosen port, as 10.0.0.1:8003: both texts name theirs, and not the other's."""
    for m, n in sorted(pairs):
        mine, theirs = re.compile(r"(?<=[0-9a-f]:)%d\b" % m), re.compile(r"(?<=[0-9a-f]:)%d\b" % n)
        if mine.search(a) and theirs.search(b) and not mine.search(b) and not theirs.search(a):
            a, b = mine.sub("0nat%d" % m, a), theirs.sub("0nat%d" % m, b)
    return a, b


def align_lists(a, b, how):
    for i in range(min(len(a), len(b))):
        a[i], b[i] = how(a[i], b[i])


def align(kernel, weir):
    pairs = chosen_pairs(kernel, weir) | sent_pairs(kernel, weir)
    if not pairs:
        return

    for i in kernel.tx:
        a, b = kernel.tx[i], weir.tx.get(i, [])
        for iface in {n for n, _ in a}:
            mine, theirs = [k for k, v in enumerate(a) if v[0] == iface], [k for k, v in enumerate(b) if v[0] == iface]
            for k, w in zip(mine, theirs):
                x, y = align_frames(a[k][1], b[w][1], pairs)
                a[k], b[w] = (iface, x), (iface, y)
    for i in kernel.local:
        align_lists(kernel.local[i], weir.local.get(i, []), lambda x, y: align_packets(x, y, pairs))
    for i in kernel.nflog:
        def both(x, y):
            p, q = align_packets(x[2], y[2], pairs)
            return (x[0], x[1], p), (y[0], y[1], q)
        align_lists(kernel.nflog[i], weir.nflog.get(i, []), both)
    for path in set(kernel.files) & set(weir.files):
        kernel.files[path], weir.files[path] = align_files(kernel.files[path], weir.files[path], pairs)
    for where in ("events", "log"):
        for i in getattr(kernel, where):
            align_lists(getattr(kernel, where)[i], getattr(weir, where).get(i, []), lambda x, y: align_lines(x, y, pairs))
    # Entries come in no order: each of the kernel's takes the first of weir's that it can be made equal to.
    align_unordered(kernel.connections, weir.connections, lambda s: re.sub(r"^(\S+\s+\d+ \S+\s+\d+) \d+", r"\1", s), pairs)
    align_unordered(kernel.expectations, weir.expectations, lambda s: re.sub(r"^\s*\d+ ", "", s), pairs)


def align_unordered(kernel, weir, strip, pairs):
    free = set(range(len(weir)))
    have = {strip(s) for s in weir}
    for k, line in enumerate(kernel):
        if strip(line) in have:
            continue
        for w in sorted(free):
            x, y = align_lines(line, weir[w], pairs)
            if strip(x) == strip(y):
                kernel[k], weir[w] = x, y
                free.discard(w)
                break
