"""The IPv4 way: receive checks, TTL, MTU, fragments, options, local in and out, addresses that must not appear."""
from case import Case, Send, Do
from packets import *

A, B, R0, R1 = "10.0.0.2", "10.1.0.2", "10.0.0.1", "10.1.0.1"
ALL = "255.255.255.255"


def u(n, **kw):
    return udp(5, 6, b"x" * n)(ip(A, B, **kw))


def df(piece):
    """The same IPv4 packet with DF set."""
    h = piece[:6] + bytes([piece[6] | 0x40]) + piece[7:10] + b"\0\0" + piece[12:20]
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + piece[20:]


def rr(slots, ptr=4):
    return b"\x07" + bytes([3 + 4 * slots, ptr]) + b"\0" * (4 * slots)


def ts(flag, slots, ptr=5, over=0, addrs=b""):
    size = 4 if flag == 0 else 8
    body = addrs + b"\0" * (size * slots - len(addrs))
    return b"\x44" + bytes([4 + len(body), ptr, over << 4 | flag]) + body


def lsrr(*hops, ptr=4, strict=False):
    return (b"\x89" if strict else b"\x83") + bytes([3 + 4 * len(hops), ptr]) + b"".join(addr(h) for h in hops)


def receive():
    good = u(20)
    yield "receive-checks", [
        Send("eth0", u(20, version=5)), Send("eth0", u(20, ihl=4)), Send("eth0", u(20, ihl=15)),
        Send("eth0", u(20, check=0x1234)), Send("eth0", u(20, tot_len=19)), Send("eth0", u(20, tot_len=100)),
        Send("eth0", u(20, tot_len=30)), Send("eth0", good + b"padding"), Send("eth0", good[:10]), Send("eth0", good[:20]),
        Send("eth0", u(20, evil=True)), Send("eth0", u(20, tot_len=0)), Send("eth0", u(0)),
    ], {}
    yield "link-types", [
        Send("eth0", u(20), dst="02:00:00:00:00:77"), Send("eth0", u(20), dst="ff:ff:ff:ff:ff:ff"),
        Send("eth0", u(20), dst="01:00:5e:00:00:01"),
        Send("eth0", udp(5, 6)(ip(A, R0)), dst="ff:ff:ff:ff:ff:ff"), Send("eth0", udp(5, 6)(ip(A, R0)), dst="01:00:5e:00:00:01"),
    ], {}
    yield "drop-unicast-in-multicast", [
        Send("eth0", udp(5, 6)(ip(A, R0)), dst="ff:ff:ff:ff:ff:ff"), Send("eth0", udp(5, 6)(ip(A, "10.0.0.255")), dst="ff:ff:ff:ff:ff:ff"),
    ], {"sysctl": {"net.ipv4.conf.eth0.drop_unicast_in_l2_multicast": 1}}
    yield "destinations", [Send("eth0", udp(5, 6)(ip(A, d))) for d in (
        R0, R1, "10.0.0.255", "10.0.0.0", "10.1.0.255", ALL, "224.0.0.1", "224.0.0.5", "239.1.1.1", "127.0.0.1", "0.0.0.0", "240.0.0.1", "10.9.9.9", "10.0.0.3")], {}
    yield "sources", [Send("eth0", udp(5, 6)(ip(s, B))) for s in (
        R0, R1, "10.0.0.255", "10.1.0.5", ALL, "224.0.0.1", "127.0.0.1", "0.0.0.0", "240.0.0.1", "10.9.9.9", "0.1.2.3")], {}
    yield "sources-local", [Send("eth0", udp(5, 6)(ip(s, R0))) for s in (
        R1, "10.0.0.255", "10.1.0.5", ALL, "224.0.0.1", "127.0.0.1", "0.0.0.0", "10.9.9.9")], {}
    for mode in (1, 2):
        yield "rp-filter-%d" % mode, [Send("eth0", udp(5, 6)(ip(s, B))) for s in ("10.0.0.9", "10.1.0.5", "10.2.0.4", "192.0.2.1")], {
            "sysctl": {"net.ipv4.conf.all.rp_filter": mode}}
    yield "not-forwarding", [Send("eth0", u(20)), Send("eth0", u(20, ttl=1)), Send("eth0", udp(5, 6)(ip(A, R0))), Send("eth0", udp(5, 6)(ip(A, R1)))], {
        "sysctl": {"net.ipv4.ip_forward": 0}}
    yield "forwarding-per-iface", [Send("eth0", u(20)), Send("eth1", udp(6, 5)(ip(B, A)))], {
        "sysctl": {"net.ipv4.conf.eth1.forwarding": 0}}


def forward():
    yield "ttl", [Send("eth0", u(20, ttl=t)) for t in (0, 1, 2, 255)] + [Send("eth0", udp(5, 6)(ip(A, R0, ttl=t))) for t in (0, 1)], {}
    yield "ttl-quotes", [Send("eth0", u(n, ttl=1, tos=t)) for n, t in ((0, 0), (1, 4), (519, 0xff), (520, 0), (521, 2), (1400, 0xb8))], {}
    yield "ttl-later-fragment", [Send("eth0", p) for p in fragments4(u(100, ttl=1), [48])], {}
    for types in ((0, 8, 3, 4, 5), (11, 12, 13, 18, 19, 40, 255), (1, 2, 6, 7, 9, 10, 14)):
        yield "ttl-icmp-%d" % types[0], [Send("eth0", icmp(t, 0, data=u(8))(ip(A, B, ttl=1))) for t in types], {}
    yield "ttl-icmp-short", [Send("eth0", raw(1, b"")(ip(A, B, ttl=1))), Send("eth0", raw(1, b"\x08")(ip(A, B, ttl=1))), Send("eth0", raw(1, b"\x03")(ip(A, B, ttl=1)))], {}
    yield "ttl-other-protocols", [Send("eth0", raw(n, b"12345678")(ip(A, B, ttl=1))) for n in (2, 41, 47, 50, 51, 89, 132, 255)], {}
    yield "mtu", [Send("eth0", u(n, df=d)) for n in (872, 873, 1400) for d in (False, True)], {"net": ["link set eth1 mtu 900"]}
    yield "mtu-odd", [Send("eth0", u(1400)), Send("eth0", u(1400, options=rr(1))), Send("eth0", u(1400, options=b"\x01\x94\x04\0\0"))], {"net": ["link set eth1 mtu 901"]}
    yield "mtu-route", [Send("eth0", udp(5, 6, b"x" * 1000)(ip(A, "10.1.0.9", df=d))) for d in (False, True)], {
        "net": ["route add 10.1.0.9/32 dev eth1 mtu 700"]}
    yield "mtu-route-lock", [Send("eth0", udp(5, 6, b"x" * 1000)(ip(A, "10.1.0.9", df=d))) for d in (False, True)], {
        "net": ["route add 10.1.0.9/32 dev eth1 mtu lock 700"]}
    yield "mtu-back-small", [Send("eth0", u(1400, df=True))], {"net": ["link set eth0 mtu 500", "link set eth1 mtu 400"]}
    yield "mtu-tiny", [Send("eth0", u(100)), Send("eth0", u(100, options=b"\x01" * 40))], {"net": ["link set eth1 mtu 68"]}
    yield "fragment-of-fragment", [Send("eth0", p) for p in fragments4(u(2000), [1200])], {"net": ["link set eth1 mtu 600"]}
    yield "fragment-of-fragment-df", [Send("eth0", df(p)) for p in fragments4(u(2000), [1200])], {"net": ["link set eth1 mtu 600"]}
    yield "redirect", [Send("eth0", udp(5, 6)(ip(A, "192.0.2.1"))) for _ in range(4)] + [Send("eth0", udp(5, 6)(ip(A, "10.0.0.3"))), Send("eth0", udp(5, 6)(ip("10.1.0.2", "192.0.2.1")))], {
        "net": ["route add 192.0.2.0/24 via 10.0.0.9"]}
    yield "redirect-off", [Send("eth0", udp(5, 6)(ip(A, "192.0.2.1")))], {
        "net": ["route add 192.0.2.0/24 via 10.0.0.9"], "sysctl": {"net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.eth0.send_redirects": 0}}
    yield "route-kinds", [Send("eth0", udp(5, 6)(ip(A, "192.0.2.%d" % n))) for n in (1, 2, 3, 4)] * 2, {
        "net": ["route add unreachable 192.0.2.1", "route add prohibit 192.0.2.2", "route add blackhole 192.0.2.3", "route add throw 192.0.2.4"]}
    yield "no-route", [Send("eth0", udp(5, 6)(ip(A, "192.0.2.1"))) for _ in range(8)], {"net": ["route del default"]}
    yield "inbound-ifaddr", [Send("eth1", udp(5, 6)(ip("10.0.0.5", A, ttl=1)))], {"sysctl": {"net.ipv4.icmp_errors_use_inbound_ifaddr": 1}}
    yield "default-ttl", [Send("eth0", u(20, ttl=1))], {"sysctl": {"net.ipv4.ip_default_ttl": 7}}
    yield "error-route-metrics", [Send("eth0", udp(5, 6, b"x" * 800)(ip("10.0.0.7", B, ttl=1)))], {"net": ["route add 10.0.0.7/32 dev eth0 src 10.0.0.1 mtu 300"]}
    yield "gateway-inet6", [Send("eth0", udp(5, 6)(ip(A, "192.0.2.1")))], {"net": ["route add 192.0.2.0/24 via inet6 fd00:1::5 dev eth1"]}


def fragments():
    for track in ("auto", "on"):
        for name, packet, sizes in (("even", u(2000), [1000, 504]), ("tiny", u(60), [8, 8, 8]), ("options", u(1200, options=rr(2) + b"\x94\x04\0\0"), [400, 400])):
            pieces = fragments4(packet, sizes)
            yield "fragments-%s-%s" % (name, track), [Send("eth0", p) for p in pieces], {"conntrack": track}
            yield "fragments-%s-reversed-%s" % (name, track), [Send("eth0", p) for p in pieces[::-1]], {"conntrack": track}
            yield "fragments-%s-df-%s" % (name, track), [Send("eth0", df(p)) for p in pieces] if name != "options" else [Send("eth0", p) for p in pieces], {"conntrack": track}
        pieces = fragments4(u(2000), [1000, 504])
        yield "fragments-small-mtu-" + track, [Send("eth0", p) for p in pieces], {"conntrack": track, "net": ["link set eth1 mtu 800"]}
        yield "fragments-df-small-mtu-" + track, [Send("eth0", df(p)) for p in pieces], {"conntrack": track, "net": ["link set eth1 mtu 800"]}
        yield "fragments-mixed-df-" + track, [Send("eth0", df(pieces[0])), Send("eth0", pieces[1]), Send("eth0", df(pieces[2]))], {"conntrack": track, "net": ["link set eth1 mtu 800"]}
        yield "fragments-df-first-small-" + track, [Send("eth0", pieces[0]), Send("eth0", df(pieces[1])), Send("eth0", pieces[2])], {"conntrack": track}
        yield "fragments-ttl-" + track, [Send("eth0", p) for p in fragments4(u(1200, ttl=1), [600])], {"conntrack": track}
        yield "fragments-local-" + track, [Send("eth0", p) for p in fragments4(udp(5, 6, b"y" * 1500)(ip(A, R0)), [800])], {"conntrack": track}
        yield "fragments-duplicate-" + track, [Send("eth0", pieces[i]) for i in (0, 0, 2, 2, 1, 1)], {"conntrack": track}
        yield "fragments-overlap-" + track, [Send("eth0", frag4(u(2000), 0, 1008, True)), Send("eth0", frag4(u(2000, ident=0x1000), 1000, 504, True)), Send("eth0", frag4(u(2000), 1504, 600, False))], {"conntrack": track}
        yield "fragments-sent-local-" + track, [Send(None, p) for p in fragments4(udp(5, 6, b"y" * 1500)(ip(R1, B)), [800])], {"conntrack": track}
        yield "large-jumbo-" + track, [Send("eth0", u(8000)), Send("eth0", u(8000, df=True))], {"conntrack": track, "net": ["link set eth0 mtu 9000"]}


def options():
    for name, opts in (("rr", rr(3)), ("rr-full", rr(1, 8)), ("rr-half", rr(2, 10)), ("rr-bad-ptr", rr(2, 3)), ("rr-short", b"\x07\x02"),
                       ("rr-twice", rr(1) + rr(1)), ("ts", ts(0, 2)), ("ts-addr", ts(1, 2)), ("ts-pre-ours", ts(3, 2, addrs=addr(R0) + b"\0\0\0\0" + addr(B))),
                       ("ts-pre-other", ts(3, 2, addrs=addr("192.0.2.9") + b"\0\0\0\0" + addr(B))), ("ts-full", ts(0, 1, 9)), ("ts-over", ts(0, 1, 9, over=15)),
                       ("ts-bad", ts(0, 1, 4)), ("ts-flag", ts(7, 1)), ("ts-tight", ts(1, 1, 9)), ("ra", b"\x94\x04\0\0"), ("ra-short", b"\x94\x03\0"), ("ra-value", b"\x94\x04\0\x05"),
                       ("sec", b"\x82\x0b" + b"\0" * 9), ("sid", b"\x88\x04\0\x01"), ("unknown", b"\x1f\x04\0\0"), ("cut", b"\x07"), ("nops", b"\x01" * 8),
                       ("end-junk", b"\x00\xff\xff\xff"), ("long", b"\x01\x01\x1f\x08"), ("zero-length", b"\x1f\x00\0\0"), ("one-length", b"\x1f\x01\0\0"),
                       ("cipso", b"\x86\x0a\0\0\0\x01\x05\x04\0\x01"), ("cipso-short", b"\x86\x04\0\0")):
        # A timestamp is the time of day: the hosts' clocks agree, but not to the millisecond.
        if name.startswith("ts") and name not in ("ts-pre-other", "ts-full", "ts-over", "ts-bad", "ts-flag", "ts-tight"):
            continue
        for ttl in (64, 1):
            yield "option-%s-ttl%d" % (name, ttl), [Send("eth0", u(20, options=opts, ttl=ttl))], {}
        yield "option-%s-local" % name, [Send("eth0", udp(5, 6)(ip(A, R0, options=opts)))], {}
    for sr in (0, 1):
        for name, dst, opts in (("transit", B, lsrr("10.2.0.2")), ("strict-transit", B, lsrr("10.2.0.2", strict=True)), ("hop", R0, lsrr("10.2.0.2", "10.2.0.3")),
                                ("strict-hop", R0, lsrr("10.2.0.2", strict=True)), ("strict-gateway", R0, lsrr("192.0.2.1", strict=True)), ("loop", R0, lsrr(R1, "10.2.0.2")), ("end", R0, lsrr(A, ptr=8)),
                                ("bad", R0, lsrr(A, ptr=3)), ("tight", R0, lsrr(A, ptr=6)), ("twice", R0, lsrr(B) + lsrr(B))):
            for ttl in (64, 1):
                yield "source-route-%s-%d-ttl%d" % (name, sr, ttl), [Send("eth0", udp(5, 6)(ip(A, dst, options=opts, ttl=ttl)))], {
                    "sysctl": {"net.ipv4.conf.all.accept_source_route": sr, "net.ipv4.conf.eth0.accept_source_route": sr}}
    yield "option-mtu", [Send("eth0", u(1000, options=rr(2), df=True))], {"net": ["link set eth1 mtu 500"]}
    yield "option-reject", [Send("eth0", u(100, options=rr(2)))], {"v4": "*filter\n-A FORWARD -j REJECT\nCOMMIT\n"}


def local():
    yield "local-out", [Send(None, udp(5, 6)(ip(s, d))) for s in (R1, "0.0.0.0", "10.0.0.1", "192.0.2.7") for d in (B, "192.0.2.1", "10.0.0.3")], {}
    yield "local-out-header", [Send(None, udp(5, 6)(ip(R1, B, ident=0))), Send(None, udp(5, 6)(ip(R1, B, ident=0, df=True))),
                               Send(None, udp(5, 6)(ip(R1, B, check=0x1234))), Send(None, udp(5, 6)(ip(R1, B, tot_len=999))),
                               Send(None, udp(5, 6)(ip(R1, B, ttl=0))), Send(None, udp(5, 6)(ip(R1, B, ihl=4)))], {}
    yield "local-out-size", [Send(None, udp(5, 6, b"x" * n)(ip(R1, B))) for n in (1472, 1473, 4000)], {}
    yield "local-out-options", [Send(None, udp(5, 6)(ip(R1, B, options=rr(2)))), Send(None, udp(5, 6)(ip(R1, R0, options=rr(2))))], {}
    yield "local-loop", [Send(None, udp(5, 6)(ip(R1, R0))), Send(None, udp(5, 6)(ip("127.0.0.1", "127.0.0.1"))), Send(None, udp(5, 6)(ip("10.0.0.9", "127.0.0.1")))], {}
    yield "local-group", [Send(None, udp(5, 6)(ip(R0, d))) for d in ("10.0.0.255", "224.0.0.1", "224.0.0.9", "239.1.1.1")], {}
    yield "local-no-route", [Send(None, udp(5, 6)(ip(R0, d))) for d in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")], {
        "net": ["route del default", "route add unreachable 192.0.2.1", "route add prohibit 192.0.2.2", "route add blackhole 192.0.2.3"]}
    yield "local-route-mtu", [Send(None, udp(5, 6, b"x" * 900)(ip(R1, "10.1.0.9", df=d))) for d in (False, True)], {"net": ["route add 10.1.0.9/32 dev eth1 mtu 700"]}
    yield "local-out-rejected", [Send(None, udp(5, 6)(ip(R1, B)))], {"v4": "*filter\n-A OUTPUT -j REJECT\nCOMMIT\n"}
    yield "local-out-mark", [Send(None, udp(5, 6)(ip(R1, "192.0.2.1")))], {
        "v4": "*mangle\n-A OUTPUT -j MARK --set-mark 7\nCOMMIT\n", "net": ["rule add fwmark 7 table 77", "route add default via 10.2.0.9 table 77"]}


def cases():
    for group in (receive, forward, fragments, options, local):
        for name, items, kw in group():
            yield Case(name, items, covers=["ip4-" + group.__name__], **kw)
