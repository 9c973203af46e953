"""Reassembly: which trains of fragments become a datagram, in both families, for conntrack and for the host; ends that move,
repetitions inside and across runs, ECN, sizes and DF, time, limits, ids that come round."""
import itertools

from case import Case, Send
from packets import *

A, B, R0, R1 = "10.0.0.2", "10.1.0.2", "10.0.0.1", "10.1.0.1"
A6, B6, R06 = "fd00::2", "fd00:1::2", "fd00::1"

# A train: pieces (from, to, more); what is in the datagram follows from the place, so that pieces of any cut agree.
TRAINS = {
    "order": [(0, 16, 1), (16, 24, 1), (24, 29, 0)],
    "backwards": [(24, 29, 0), (16, 24, 1), (0, 16, 1)],
    "middle-last": [(0, 16, 1), (24, 29, 0), (16, 24, 1)],
    "repeat-first": [(0, 16, 1), (0, 16, 1), (8, 16, 1), (16, 20, 0)],
    "repeat-last": [(16, 20, 0), (16, 20, 0), (0, 16, 1)],
    "repeat-after": [(0, 16, 1), (16, 20, 0), (16, 20, 0), (0, 16, 1)],
    "overlap": [(0, 16, 1), (8, 24, 1), (0, 16, 1), (16, 20, 0)],
    "overlap-end": [(16, 32, 1), (0, 24, 1), (0, 16, 1), (16, 20, 0)],
    "covers": [(8, 16, 1), (0, 24, 1), (24, 28, 0), (0, 8, 1)],
    "two-runs": [(16, 24, 1), (8, 16, 1), (8, 24, 1), (0, 8, 1), (24, 28, 0)],
    "one-run": [(8, 16, 1), (16, 24, 1), (8, 24, 1), (24, 28, 0), (0, 8, 1)],
    "run-edge": [(0, 8, 1), (8, 16, 1), (24, 32, 1), (8, 32, 1), (16, 24, 1), (32, 36, 0)],
    "end-earlier": [(0, 16, 1), (24, 28, 0), (16, 20, 0), (16, 24, 1)],
    "end-later": [(0, 16, 1), (16, 20, 0), (24, 28, 0), (16, 24, 1)],
    "end-within": [(0, 24, 1), (8, 12, 0), (24, 28, 0)],
    "beyond-end": [(16, 20, 0), (24, 32, 1), (0, 16, 1)],
    "empty-more": [(0, 16, 1), (16, 16, 1), (16, 20, 0)],
    "empty-last": [(0, 16, 1), (16, 16, 0), (16, 20, 0)],
    "empty-first": [(0, 0, 1), (0, 16, 1), (16, 20, 0)],
    "odd-more": [(0, 13, 1), (8, 16, 1), (16, 20, 0)],
    "odd-middle": [(0, 16, 1), (16, 29, 1), (24, 30, 0)],
    "odd-tiny": [(0, 16, 1), (16, 19, 1), (16, 20, 0)],
    "only-whole": [(0, 20, 0)],
    "tiny-first": [(0, 8, 1), (8, 64, 0)],
}


def whole4(dst, ident, n=200, **kw):
    return udp(5, 6, bytes(i & 255 for i in range(n)))(ip(A, dst, ident=ident, **kw))


def whole6(dst, n=200, **kw):
    return udp(5, 6, bytes(i & 255 for i in range(n)))(ip(A6, dst, **kw))


def train4(pieces, ident, dst=B, **kw):
    return [frag4(whole4(dst, ident, **kw), a, b - a, m) for a, b, m in pieces]


def train6(pieces, ident, dst=B6, unfrag=40, **kw):
    return [frag6(whole6(dst, **kw), a, b - a, m, ident, unfrag) for a, b, m in pieces]


def send(packets, **kw):
    """Items that send these packets by eth0."""
    return [Send("eth0", p, **kw) for p in packets]


def tos(packet, value):
    if packet[0] >> 4 == 6:
        return bytes([packet[0] & 0xf0 | value >> 4, packet[1] & 0xf | (value & 15) << 4]) + packet[2:]
    h = packet[:1] + bytes([value]) + packet[2:10] + b"\0\0" + packet[12:20]
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + packet[20:]


def flags4(packet, df):
    h = packet[:6] + bytes([packet[6] & 0xbf | (0x40 if df else 0)]) + packet[7:10] + b"\0\0" + packet[12:20]
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + packet[20:]


def trains():
    for to, dst4, dst6 in (("forward", B, B6), ("local", R0, R06)):
        for track in ("auto", "on"):
            for half in (0, 1):
                names = sorted(TRAINS)[half::2]
                yield "trains4-%s-%s-%d" % (to, track, half), sum(
                    (send(train4(TRAINS[n], 0x100 + i, dst4)) for i, n in enumerate(names)), []), {"conntrack": track}
                yield "trains6-%s-%s-%d" % (to, track, half), sum(
                    (send(train6(TRAINS[n], 0x100 + i, dst6)) for i, n in enumerate(names)), []), {"conntrack": track, "host": to == "local"}


def heads():
    cut = [(0, 16, 1), (16, 24, 1), (24, 40, 0)]
    ecn4, ecn6 = [], []
    for i, marks in enumerate(itertools.product(range(4), repeat=3)):
        if i % 3 == 0 or len(set(marks)) < 3:
            ecn4 += [tos(p, 0x40 | m) for p, m in zip(train4(cut, 0x200 + i), marks)]
            ecn6 += [tos(p, 0x40 | m) for p, m in zip(train6(cut, 0x200 + i), marks)]
    yield "ecn4", send(ecn4), {"conntrack": "on"}
    yield "ecn6", send(ecn6), {"conntrack": "on"}
    # each piece has a header of its own; the first one's counts
    mixed = [frag4(whole4(B, 0x300, ttl=9 + i, options=o), a, b - a, m) for i, ((a, b, m), o) in
             enumerate(zip(cut, (b"", b"\x01\x01\x01\0", b"\x94\x04\0\0")))]
    yield "mixed-heads4", send(mixed) + send(
        [tos(p, t) for p, t in zip(train4(cut[::-1], 0x301), (0x10, 0x20, 0x40))]), {"conntrack": "on"}
    yield "mixed-heads6", send([frag6(whole6(B6, ttl=9 + i), a, b - a, m, 0x300) for i, (a, b, m) in enumerate(cut)]) + send(
        [frag6(whole6(B6, ttl=20 + i), a, b - a, m, 0x301) for i, (a, b, m) in enumerate(cut[::-1])]), {"conntrack": "on"}
    for track in ("auto", "on"):
        items = []
        for i, dfs in enumerate(itertools.product((0, 1), repeat=3)):
            for order in (1, -1):
                items += send([flags4(p, d) for p, d in zip(train4(cut, 0x400 + i * 2 + (order < 0)), dfs)][::order])
        yield "df4-" + track, items, {"conntrack": track}
    # another protocol, another source, another destination: other queues
    other = train4(cut, 0x500) + train4(cut, 0x500, R0)
    yield "keys4", send(other[0:1] + other[4:5] + other[2:3] + other[3:4] + other[1:2] + other[5:6]), {"conntrack": "on"}
    a, b = train6(cut, 0x500), train6(cut, 0x501)
    yield "keys6", send([a[0], b[1], a[2], b[0], a[1], b[2]]), {"conntrack": "on"}


def pulled():
    """Pieces in which the TCP header is split: whoever wants it whole changes how the datagram leaves."""
    for name, first in (("8", 8), ("16", 16), ("24", 24)):
        for v, packet, cut in (("4", tcp(1, 2, "A", 5, 6, data=b"t" * 84), frag4), ("6", tcp(1, 2, "A", 5, 6, data=b"t" * 84), None)):
            items = []
            for i, n in enumerate((64, 48, 16)):
                whole = packet(ip(A, B, ident=0x600 + i)) if v == "4" else packet(ip(A6, B6))
                pieces = [(0, first, 1), (first, first + n, 1), (first + n, 200, 0)]
                items += [Send("eth0", cut(whole, a, b - a, m) if cut else frag6(whole, a, b - a, m, 0x600 + i)) for a, b, m in pieces]
            yield "pulled%s-%s" % (v, name), items, {"conntrack": "on"}
            rules = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
            yield "pulled%s-nat-%s" % (v, name), items, {"v4": rules, "v6": rules, "masks": ["nat-port"]}
            local = [Send(None, frag4(packet(ip(R1, B, ident=0x700)), a, b - a, m)) for a, b, m in ((0, first, 1), (first, 200, 0))]
            yield "pulled%s-out-%s" % (v, name), local if v == "4" else [
                Send(None, frag6(packet(ip("fd00:1::1", B6)), a, b - a, m, 9)) for a, b, m in ((0, first, 1), (first, 200, 0))], {
                "v4": rules, "v6": rules, "masks": ["nat-port"]}


def extensions():
    opts = b"\0\0\x1e\x04aaaa"
    cut = [(0, 16, 1), (16, 40, 0)]
    for name, ext in (("hop", [(0, opts)]), ("dst", [(60, opts)]), ("hop-dst", [(0, opts), (60, opts)])):
        unfrag = 40 + 8 * len(ext)
        for to, dst in (("forward", B6), ("local", R06)):
            for track in ("auto", "on"):
                yield "ext6-%s-%s-%s" % (name, to, track), send(train6(cut, 1, dst, unfrag, ext=ext)) + send(
                    train6([(0, 200, 0)], 2, dst, unfrag, ext=ext)), {"conntrack": track, "host": to == "local"}
    long = [(60, b"\0\x1e\x1e\xf0" + b"b" * 0xf0 + b"\x01\x02\0\0")]
    yield "ext6-long", send(train6(cut, 1, B6, 40 + 248, ext=long)) + send(train6(cut, 2, B6, 40 + 256, ext=[(60, opts)] + long)), {
        "conntrack": "on", "note": "the kernel keeps the place of the next header byte in 8 bits"}
    for track in ("auto", "on"):
        inner = frag6(whole6(B6), 0, 200, 0, 7)
        local = frag6(whole6(R06), 0, 200, 0, 7)
        yield "nested6-" + track, send([frag6(inner, 0, 300, 0, 8), frag6(inner, 0, 64, 1, 9), frag6(inner, 64, 300, 0, 9),
                                        frag6(local, 0, 300, 0, 8), frag6(local, 0, 64, 1, 9), frag6(local, 64, 300, 0, 9)]), {"conntrack": track, "host": True}
        cutoff = []
        for to in (B6, R06):
            for n in (0, 1, 4, 7, 8):
                cutoff += [frag6(tcp(1, 2, "S", 1)(ip(A6, to)), 0, 8 * (n // 4), 1, 0x20 + n), frag6(whole6(to), 0, n, 0, 0x30 + n)]
            f = frag6(whole6(to), 0, 16, 1, 0x40)
            cutoff += [f[:44], f[:41], f[:4] + b"\0\0" + f[6:], f[:4] + b"\0\4" + f[6:44], f[:4] + b"\0\7" + f[6:47]]
        yield "cut6-" + track, send(cutoff), {"conntrack": track, "host": True}
        yield "far6-" + track, send([frag6(whole6(d), 0, n, m, 0x50 + n)[:42] + struct.pack("!H", 65528 | m) + frag6(whole6(d), 0, n, m, 0x50 + n)[44:]
                                     for d in (B6, R06) for n, m in ((8, 1), (8, 0), (7, 0), (1, 0), (16, 1))]), {"conntrack": track, "host": True}


def limits():
    for track in ("auto", "on"):
        for to, dst4, dst6 in (("forward", B, B6), ("local", R0, R06)):
            time = {"net.ipv4.ipfrag_time": 1, "net.ipv6.ip6frag_time": 1}
            if track == "on":
                time["net.netfilter.nf_conntrack_frag6_timeout"] = 1
            later = udp(7, 8)(ip(A, B))
            yield "time4-%s-%s" % (to, track), send(train4([(0, 61, 1)], 1, dst4, tos=0xfe)) + send(
                train4([(8, 64, 1)], 2, dst4)) + send(train4([(64, 70, 0), (0, 64, 1)], 3, dst4)[::-1][:1], gap=0.3) + send(
                [later], gap=2.5) + send(train4([(61 // 8 * 8, 100, 0)], 1, dst4)), {"conntrack": track, "sysctl": time}
            yield "time6-%s-%s" % (to, track), send(train6([(0, 64, 1)], 1, dst6)) + send(train6([(8, 64, 1)], 2, dst6)) + send(
                [later], gap=2.5) + send(train6([(64, 100, 0)], 1, dst6)), {"conntrack": track, "sysctl": time, "host": to == "local"}
    items = send(train4([(0, 64, 1)], 1))
    for i in range(70):
        items += send(train4([(0, 64, 1)], 100 + i))
    yield "max-dist4", items + send(train4([(64, 100, 0)], 1)) + send(train4([(64, 100, 0)], 160)) + send(train4([(0, 64, 1)], 1)), {"conntrack": "on"}
    yield "max-dist4-off", items + send(train4([(64, 100, 0)], 1)), {"conntrack": "on", "sysctl": {"net.ipv4.ipfrag_max_dist": 0}}
    yield "max-dist4-3", sum((send(train4([(0, 64, 1)], 1 + i)) for i in range(6)), []) + sum(
        (send(train4([(64, 100, 0)], 1 + i)) for i in range(6)), []), {"conntrack": "on", "sysctl": {"net.ipv4.ipfrag_max_dist": 3}}
    for size in (8, 64, 400, 1480):
        # where the limit is met: pieces that stay, and after each one a datagram that becomes whole as long as there is room
        many4 = send(sum(([train4([(0, size, 1)], 0x800 + i, n=2000)[0]] + train4([(0, 8, 1), (8, 16, 0)], 0x900 + i) for i in range(40)), []))
        many6 = send(sum(([train6([(0, size, 1)], 0x800 + i, n=2000)[0]] + train6([(0, 8, 1), (8, 16, 0)], 0x900 + i) for i in range(40)), []))
        for limit in (8000, 20000, 30000):
            yield "limit4-%d-%d" % (size, limit), many4, {"conntrack": "on", "sysctl": {
                "net.ipv4.ipfrag_low_thresh": limit, "net.ipv4.ipfrag_high_thresh": limit, "net.ipv4.ipfrag_max_dist": 0}}
            yield "limit6-%d-%d" % (size, limit), many6, {"conntrack": "on", "sysctl": {
                "net.netfilter.nf_conntrack_frag6_low_thresh": limit, "net.netfilter.nf_conntrack_frag6_high_thresh": limit}}
    yield "no-memory4", send(train4(TRAINS["order"], 1)), {"conntrack": "on", "sysctl": {
        "net.ipv4.ipfrag_low_thresh": 0, "net.ipv4.ipfrag_high_thresh": 0}}
    yield "no-memory6", send(train6(TRAINS["order"], 1)), {"conntrack": "on", "sysctl": {
        "net.netfilter.nf_conntrack_frag6_low_thresh": 0, "net.netfilter.nf_conntrack_frag6_high_thresh": 0}}
    big = udp(5, 6, b"q" * 65000)(ip(A, B))
    yield "large4", send(fragments4(big, [1480] * 60)), {"conntrack": "on"}
    huge = [frag4(big, i * 1480, 1480, 1) for i in range(43)]
    tail = frag4(big, 0, 1400, 0)
    end = tail[:6] + struct.pack("!H", 43 * 1480 // 8 + 200) + tail[8:10] + b"\0\0" + tail[12:]
    mid = frag4(big, 0, 1480, 1)
    mid = mid[:6] + struct.pack("!H", 0x2000 | 43 * 1480 // 8) + mid[8:10] + b"\0\0" + mid[12:]
    fix = lambda p: p[:10] + struct.pack("!H", csum(p[:20])) + p[12:]
    yield "too-large4", send(huge + [fix(mid), fix(end)]), {"conntrack": "on"}


def cases():
    for group in (trains, heads, pulled, extensions, limits):
        for name, items, kw in group():
            yield Case("fragments-" + name, items, covers=["fragments"], **kw)
