"""The IPv6 way: receive checks, hop limit, MTU, fragments, extension headers, addresses that must not appear."""
from case import Case, Send, Do
from packets import *

A, B, R0, R1 = "fd00::2", "fd00:1::2", "fd00::1", "fd00:1::1"
HOP, ROUTING, FRAGMENT, AH, NONE, DST = 0, 43, 44, 51, 59, 60


def u(n, **kw):
    return udp(5, 6, b"x" * n)(ip(A, B, **kw))


def opts(*parts):
    """An options header of these TLVs, padded with PadN."""
    body = b"".join(parts)
    pad = -(len(body) + 2) % 8
    if pad == 1:
        body += b"\0"
    elif pad:
        body += bytes([1, pad - 2]) + b"\0" * (pad - 2)
    return bytes([0, (len(body) + 2) // 8 - 1]) + body


def routing(kind, left, *hops):
    body = b"\0\0\0\0" + b"".join(addr(h) for h in hops)
    return bytes([0, (len(body) + 4) // 8 - 1, kind, left]) + body


RA = b"\x05\x02\0\0"


def receive():
    good = u(20)
    yield "receive-checks", [
        Send("eth0", u(20, version=5)), Send("eth0", u(20, plen=100)), Send("eth0", u(20, plen=10)), Send("eth0", good + b"padding"),
        Send("eth0", good[:20]), Send("eth0", good[:40]), Send("eth0", u(20, plen=0)), Send("eth0", raw(NONE, b"")(ip(A, B))),
    ], {}
    yield "link-types", [
        Send("eth0", u(20), dst="02:00:00:00:00:77"), Send("eth0", u(20), dst="33:33:00:00:00:01"), Send("eth0", u(20), dst="ff:ff:ff:ff:ff:ff"),
        Send("eth0", udp(5, 6)(ip(A, R0)), dst="33:33:00:00:00:01"),
    ], {}
    yield "destinations", [Send("eth0", udp(5, 6)(ip(A, d))) for d in (
        R0, R1, "fd00::", "fd00:1::", "::1", "::", "ff02::1", "ff02::2", "ff01::1", "ff05::2", "ff00::1", "ff02::1:ff00:1", "ff02::1:ff00:9", "ff0e::5", "fe80::5", "fd09::1", "fd00::3", "::ffff:1.2.3.4", "2001:db8::1")], {}
    yield "sources", [Send("eth0", udp(5, 6)(ip(s, B))) for s in (R0, R1, "fd00:1::5", "::1", "::", "ff02::1", "fe80::5", "2001:db8::1")], {}
    yield "sources-local", [Send("eth0", udp(5, 6)(ip(s, R0))) for s in (R0, R1, "fd00:1::5", "::1", "::", "ff02::1", "fe80::5", "2001:db8::1")], {}
    yield "not-forwarding", [Send("eth0", u(20)), Send("eth0", u(20, ttl=1)), Send("eth0", udp(5, 6)(ip(A, R0))), Send("eth0", udp(5, 6)(ip(A, "ff02::2"))), Send("eth0", udp(5, 6)(ip(A, "fd00::")))], {
        "sysctl": {"net.ipv6.conf.all.forwarding": 0}}
    yield "force-forwarding", [Send("eth0", u(20)), Send("eth1", udp(6, 5)(ip(B, A)))], {
        "sysctl": {"net.ipv6.conf.all.forwarding": 0, "net.ipv6.conf.eth0.force_forwarding": 1}}


def forward():
    yield "hop-limit", [Send("eth0", u(20, ttl=t)) for t in (0, 1, 2, 255)] + [Send("eth0", udp(5, 6)(ip(A, R0, ttl=t))) for t in (0, 1)], {}
    yield "hop-limit-quotes", [Send("eth0", u(n, ttl=1, tos=t, flow=f)) for n, t, f in ((0, 0, 0), (1, 4, 1), (1183, 0xff, 0xfffff), (1184, 0, 0), (1185, 0, 0), (1400, 0xb8, 5))], {}
    yield "hop-limit-icmp", [Send("eth0", icmp(t, 0, data=u(8))(ip(A, B, ttl=1))) for t in (1, 2, 3, 4, 127, 128, 129, 133, 135, 137, 255)], {}
    yield "hop-limit-icmp-short", [Send("eth0", raw(58, b"")(ip(A, B, ttl=1))), Send("eth0", raw(58, b"\x80")(ip(A, B, ttl=1)))], {}
    yield "hop-limit-other", [Send("eth0", raw(n, b"12345678")(ip(A, B, ttl=1))) for n in (4, 41, 47, 50, NONE, 89, 132, 255)], {}
    yield "hop-limit-fragments", [Send("eth0", p) for p in fragments6(u(200, ttl=1), [96], 77)], {}
    yield "hop-limit-icmp-fragments", [Send("eth0", p) for p in fragments6(icmp(1, 0, data=u(80))(ip(A, B, ttl=1)), [48], 78)], {}
    yield "hop-limit-link-local", [Send("eth0", udp(5, 6)(ip("fe80::5", B, ttl=1)))], {}
    yield "mtu", [Send("eth0", u(n)) for n in (1232, 1233, 1400)], {"net": ["link set eth1 mtu 1280"]}
    yield "mtu-route", [Send("eth0", udp(5, 6, b"x" * n)(ip(A, "fd00:1::9"))) for n in (1300, 1352, 1353)], {"net": ["route add fd00:1::9/128 dev eth1 mtu 1400"]}
    yield "mtu-below-min", [Send("eth0", u(1000)), Send("eth0", udp(5, 6)(ip(A, R1))), Send("eth1", udp(5, 6)(ip(B, A)))], {"net": ["link set eth1 mtu 900"]}
    yield "mtu-below-min-and-back", [Send("eth0", u(1000)), Do("ip link set eth1 mtu 1000"), Do("ip link set eth1 mtu 1400"), Send("eth0", udp(5, 6)(ip(A, R1))), Send("eth1", udp(5, 6)(ip(B, A)))], {}
    yield "mtu-multicast", [Send("eth0", u(1400), dst="33:33:00:00:00:01")], {"net": ["link set eth1 mtu 1280"]}
    yield "route-kinds", [Send("eth0", udp(5, 6)(ip(A, "2001:db8::%d" % n))) for n in (1, 2, 3, 4)], {
        "net": ["-6 route add unreachable 2001:db8::1", "-6 route add prohibit 2001:db8::2", "-6 route add blackhole 2001:db8::3", "-6 route add throw 2001:db8::4"]}
    yield "no-route", [Send("eth0", udp(5, 6)(ip(A, "2001:db8::1"))), Send("eth0", udp(5, 6)(ip("2001:db8::7", "2001:db8::1")))], {"net": ["-6 route del default"]}
    yield "source-via-route", [Send("eth1", udp(5, 6)(ip("fd00::5", A, ttl=1)))], {}
    yield "source-prefsrc", [Send("eth0", udp(5, 6)(ip("fd00::7", B, ttl=1)))], {"net": ["-6 route add fd00::7/128 dev eth0 src fd00:2::1"]}
    yield "hop-limit-route", [Send("eth0", udp(5, 6)(ip("fd00::7", B, ttl=1)))], {"net": ["-6 route add fd00::7/128 dev eth0 hoplimit 9"]}
    yield "redirect", [Send("eth0", udp(5, 6)(ip(A, "2001:db8::1"))), Send("eth0", udp(5, 6)(ip(A, "fd00::3"))), Send("eth0", udp(5, 6)(ip("fe80::9", "fd00::3")))], {
        "net": ["addr add fe80::1/64 dev eth0 nodad", "-6 route add 2001:db8::/32 via fe80::9 dev eth0", "neigh add fe80::9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"]}


def fragments():
    for track in ("auto", "on"):
        for name, packet, sizes in (("even", u(2000), [1000, 504]), ("tiny", u(60), [8, 8, 8]), ("large", u(4000), [1400, 1400]), ("hop", u(1200, ext=[(HOP, opts(RA))]), [400, 400]),
                                    ("dst", u(1200, ext=[(DST, opts(b"\x1e\x02ab"))]), [400, 400])):
            unfrag = 48 if name == "hop" else 40
            pieces = fragments6(packet, sizes, 0x1111, unfrag)
            yield "fragments-%s-%s" % (name, track), [Send("eth0", p) for p in pieces], {"conntrack": track}
            yield "fragments-%s-reversed-%s" % (name, track), [Send("eth0", p) for p in pieces[::-1]], {"conntrack": track}
        yield "fragments-small-mtu-" + track, [Send("eth0", p) for p in fragments6(u(2000), [1400], 5)], {"conntrack": track, "net": ["link set eth1 mtu 1300"]}
        yield "fragments-larger-mtu-" + track, [Send("eth0", p) for p in fragments6(u(3000), [1400, 1400], 5)], {"conntrack": track, "net": ["link set eth1 mtu 4000"]}
        yield "fragments-ttl-" + track, [Send("eth0", p) for p in fragments6(u(1200, ttl=1), [600], 9)], {"conntrack": track}
        yield "fragments-local-" + track, [Send("eth0", p) for p in fragments6(udp(5, 6, b"y" * 1500)(ip(A, R0)), [800], 10)], {"conntrack": track}
        yield "atomic-" + track, [Send("eth0", frag6(u(100), 0, 200, False, 11)), Send("eth0", frag6(udp(5, 6)(ip(A, R0)), 0, 200, False, 12))], {"conntrack": track}
        yield "fragments-duplicate-" + track, [Send("eth0", fragments6(u(2000), [1000, 504], 13)[i]) for i in (0, 0, 2, 2, 1, 1)], {"conntrack": track}
        yield "fragments-overlap-" + track, [Send("eth0", frag6(u(2000), 0, 1008, True, 14)), Send("eth0", frag6(u(2000), 1000, 504, True, 14)), Send("eth0", frag6(u(2000), 1504, 600, False, 14))], {"conntrack": track}
        yield "fragments-odd-" + track, [Send("eth0", frag6(u(2000), 0, 1001, True, 15)), Send("eth0", frag6(u(100), 65528, 100, False, 16))], {"conntrack": track}
        yield "fragments-header-cut-" + track, [Send("eth0", frag6(u(100), 0, 0, True, 17)), Send("eth0", frag6(u(100, ext=[(DST, opts(b"\x1e\x0a" + b"a" * 10))]), 0, 8, True, 18))], {"conntrack": track}
        yield "fragments-sent-local-" + track, [Send(None, p) for p in fragments6(udp(5, 6, b"y" * 1500)(ip(R1, B)), [800], 19)], {"conntrack": track}


def extensions():
    for n, body in (("pad", opts()), ("ra", opts(RA)), ("ra-bad", opts(b"\x05\x04\0\0\0\0")), ("skip", opts(b"\x1e\x02ab")), ("drop", opts(b"\x5e\x02ab")), ("error", opts(b"\x9e\x02ab")),
                    ("error-unicast", opts(b"\xde\x02ab")), ("long-pad", opts(b"\x01\x06" + b"\0" * 6)), ("dirty-pad", opts(b"\x01\x02ab")), ("many", opts(*[b"\x1e\0"] * 9)), ("eight", opts(*[b"\x1e\0"] * 8)),
                    ("pad1", b"\0\0" + b"\0" * 6), ("pad1-8", b"\0\x01" + b"\0" * 14), ("cut", b"\0\x05" + b"\x1e\x02ab\0\0"), ("over", opts(b"\x1e\x20ab")),
                    ("jumbo", opts(b"\xc2\x04\0\x01\0\0")), ("jumbo-small", opts(b"\xc2\x04\0\0\0\x20")), ("jumbo-bad", opts(b"\xc2\x02\0\0")), ("home", opts(b"\x01\0\x01\0\xc9\x10" + addr("fd00::9"))),
                    ("calipso", opts(b"\x07\x08\0\0\0\x01\0\0\0\0")), ("ioam", opts(b"\x01\0\x31\x02\0\0"))):
        for kind, label in ((HOP, "hop"), (DST, "dst")):
            yield "%s-%s" % (label, n), [Send("eth0", u(20, ext=[(kind, body)])), Send("eth0", u(20, ext=[(kind, body)], ttl=1)),
                                         Send("eth0", raw(NONE, b"")(ip(A, R0, ext=[(kind, body)]))),
                                         Send("eth0", raw(NONE, b"")(ip(A, "ff02::1", ext=[(kind, body)])), dst="33:33:00:00:00:01")], {"host": True}
    jumbo = opts(b"\xc2\x04\0\x01\0\0")
    yield "hop-jumbo-zero", [Send("eth0", u(20, plen=0, ext=[(HOP, b)])) for b in (jumbo, opts(b"\xc2\x04\0\0\0\x20"), opts(RA))], {}
    yield "hop-twice", [Send("eth0", u(20, ext=[(HOP, opts(RA)), (HOP, opts())]))], {}
    for kind, left, hops in ((0, 1, (B,)), (0, 0, (B,)), (2, 1, (B,)), (2, 0, (B,)), (3, 1, (B,)), (4, 1, (B,)), (4, 0, (B,)), (9, 1, ()), (9, 0, ())):
        yield "routing-%d-%d" % (kind, left), [Send("eth0", u(20, ext=[(ROUTING, routing(kind, left, *hops))])), Send("eth0", u(20, ttl=1, ext=[(ROUTING, routing(kind, left, *hops))])),
                                               Send("eth0", raw(NONE, b"")(ip(A, R0, ext=[(ROUTING, routing(kind, left, *hops))])))], {"host": True}
    yield "chain", [Send("eth0", u(20, ttl=t, ext=[(HOP, opts(RA)), (DST, opts()), (ROUTING, routing(0, 0, B)), (DST, opts())])) for t in (64, 1)], {}
    yield "truncated-chain", [Send("eth0", u(20, ttl=t, ext=[(DST, b"\0\xff" + b"\0" * 6)])) for t in (64, 1)], {}
    yield "none", [Send("eth0", raw(NONE, b"x" * 9)(ip(A, d))) for d in (B, R0)], {}


def local():
    yield "local-out", [Send(None, udp(5, 6)(ip(s, d))) for s in (R1, "::", "fd00::1", "2001:db8::7") for d in (B, "2001:db8::1", "fd00::3")], {}
    yield "local-out-size", [Send(None, udp(5, 6, b"x" * n)(ip(R1, B))) for n in (1452, 1453, 4000)], {}
    yield "local-out-header", [Send(None, udp(5, 6)(ip(R1, B, plen=99))), Send(None, udp(5, 6)(ip(R1, B, ttl=0))), Send(None, udp(5, 6)(ip(R1, B, ext=[(HOP, opts(RA))])))], {}
    yield "local-loop", [Send(None, udp(5, 6)(ip(R1, R0))), Send(None, udp(5, 6)(ip("::1", "::1"))), Send(None, udp(5, 6)(ip("fd00::9", "::1")))], {}
    yield "local-group", [Send(None, udp(5, 6)(ip(R0, d))) for d in ("ff0e::1", "ff05::2")], {}
    yield "local-no-route", [Send(None, udp(5, 6)(ip(R0, "2001:db8::%d" % n))) for n in (1, 2, 3, 4)], {
        "net": ["-6 route del default", "-6 route add unreachable 2001:db8::1", "-6 route add prohibit 2001:db8::2", "-6 route add blackhole 2001:db8::3"]}
    yield "local-route-mtu", [Send(None, udp(5, 6, b"x" * 1440)(ip(R1, "fd00:1::9")))], {"net": ["-6 route add fd00:1::9/128 dev eth1 mtu 1300"]}
    yield "local-out-rejected", [Send(None, udp(5, 6)(ip(R1, B)))], {"v6": "*filter\n-A OUTPUT -j REJECT\nCOMMIT\n"}
    yield "local-out-mark", [Send(None, udp(5, 6)(ip(R1, "2001:db8::1")))], {
        "v6": "*mangle\n-A OUTPUT -j MARK --set-mark 7\nCOMMIT\n", "net": ["-6 rule add fwmark 7 table 77", "-6 route add default via fd00:2::9 table 77"]}


def cases():
    for group in (receive, forward, fragments, extensions, local):
        for name, items, kw in group():
            yield Case(name, items, covers=["ip6-" + group.__name__], **kw)
