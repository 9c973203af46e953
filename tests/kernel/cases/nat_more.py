"""NAT's edges: ranges that are full, classes of ports, ids and keys, fully random and persistent choices, both ends of a local connection, prefixes."""
import ipaddress
import itertools
import struct

from case import Case, Do, Send
from packets import *
from cases.nat import A, A3, A36, A6, ANY, B, B3, B6, R, R6, RO, RO6, answer, case, error_about, sctp, udplite

TO4, TO6 = "10.1.0.9", "fd00:1::9"
FAMILIES = ((4, A, A3, B, B3, TO4, RO), (6, A6, A36, B6, "fd00:1::3", TO6, RO6))
INIT = (1, struct.pack("!IIHHI", 7, 65535, 1, 1, 1))


def to(v, address, ports):
    return "%s:%s" % (address, ports) if v == 4 else "[%s]:%s" % (address, ports)


def full_ranges():
    """As many connections to one place as the range has ports, and two more: which of them are dropped, and what a second address changes."""
    protos = {"udp": lambda n: udp(1000 + n, 53), "tcp": lambda n: tcp(1000 + n, 80, "S", n), "sctp": lambda n: sctp(1000 + n, 6, 0, INIT), "udplite": lambda n: udplite(1000 + n, 6)}
    for (v, a, a3, b, b3, out, _), (proto, make) in itertools.product(FAMILIES, protos.items()):
        for ports in ("7000-7002", "600-601", "1-2"):
            lo, hi = map(int, ports.split("-"))
            items = [Send("eth0", make(n)(ip(a, b))) for n in range(hi - lo + 3)]
            items += [Send("eth0", make(9)(ip(a3, b3))), Send("eth0", make(0)(ip(a, b))), Do("conntrack -F"), Send("eth0", make(8)(ip(a3, b)))]
            yield case("full-%s-%s-%d" % (proto, ports, v), items, ["POSTROUTING -o eth1 -p %s -j SNAT --to-source %s" % (proto, to(v, out, ports))], v, covers=["SNAT", "clash"], masks=ANY)
        items = [Send("eth1", make(n)(ip(b, "10.1.0.1" if v == 4 else RO6))) for n in range(4)]
        yield case("dnat-full-%s-%d" % (proto, v), items, ["PREROUTING -p %s -j DNAT --to-destination %s" % (proto, to(v, a, "7000-7001"))], v, covers=["DNAT", "clash"], masks=ANY)
    for v, a, a3, b, b3, out, _ in FAMILIES:
        icmp_name = "icmp" if v == 4 else "ipv6-icmp"
        items = [Send("eth0", echo(n, 1)(ip(a, b))) for n in (5, 9, 10, 100, 0, 65535)] + [Send("eth1", answer(0)), Send("eth0", echo(9, 1)(ip(a3, b)))]
        yield case("full-echo-%d" % v, items, ["POSTROUTING -p %s -j SNAT --to-source %s" % (icmp_name, to(v, out, "9-11"))], v, covers=["SNAT", "clash"], masks=ANY)
        two = "%s-%s" % (out, "10.1.0.10" if v == 4 else "fd00:1::a")
        items = [Send("eth0", udp(1000 + n, 53)(ip(x, b))) for n in range(4) for x in (a, a3)]
        yield case("full-two-addresses-%d" % v, items, ["POSTROUTING -p udp -j SNAT --to-source " + to(v, two if v == 4 else two.replace("-", "]-[").replace("]-[", "-"), "7000-7001")], v,
                   covers=["SNAT", "clash"], masks=ANY)
        yield case("full-masquerade-%d" % v, [Send("eth0", tcp(1000 + n, 80, "S", n)(ip(a, b))) for n in range(4)], ["POSTROUTING -o eth1 -p tcp -j MASQUERADE --to-ports 7000-7001"], v,
                   covers=["MASQUERADE", "clash"], masks=ANY)


def gre(key):
    return raw(47, struct.pack("!BBHHHI", 0x30, 0x81, 0x880B, 4, key, 1) + b"data")


def keys_and_classes():
    for v, a, a3, b, b3, out, _ in FAMILIES:
        # one class per port: below 512, below 1024, above; what is taken stays in its class
        for proto, make in (("tcp", lambda p: tcp(p, 80, "S", 5)), ("sctp", lambda p: sctp(p, 80, 0, INIT)), ("udplite", lambda p: udplite(p, 80))):
            items = [Send("eth0", make(p)(ip(x, b))) for p in (1, 511, 512, 599, 600, 1023, 1024, 65535, 0) for x in (a, a3)]
            rules = ["POSTROUTING -o eth1 -j SNAT --to-source " + out]
            yield case("classes-%s-%d" % (proto, v), items, rules, v, covers=["SNAT", "clash"], masks=ANY)
        items = [Send("eth0", gre(k)(ip(x, b))) for k in (0, 1, 7, 65535) for x in (a, a3)] + [Send("eth0", gre(7)(ip(a, b3)))]
        yield case("gre-keys-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + out], v, covers=["SNAT", "gre"], masks=ANY)
        for flag in ("--random", "--random-fully", "--persistent", "--random-fully --persistent"):
            rows = [udp(1000, 53), tcp(100, 80, "S", 1), tcp(600, 80, "S", 1), echo(5, 5), sctp(5, 6, 0, INIT), udplite(5, 6), gre(9)]
            items = [Send("eth0", m(ip(x, y))) for m in rows for x, y in ((a, b), (a, b3), (a3, b))] + [Send("eth1", answer(0)), Send("eth1", answer(9))]
            two = "%s-%s" % (out, "10.1.0.40" if v == 4 else "fd00:1::40")
            yield case("snat-%s-%d" % (flag.replace(" ", "").strip("-"), v), items, ["POSTROUTING -o eth1 -j SNAT --to-source %s %s" % (two, flag)], v, covers=["SNAT"], masks=ANY)
            if "persistent" not in flag:
                yield case("masquerade-%s-%d" % (flag.strip("-"), v), items, ["POSTROUTING -o eth1 -j MASQUERADE %s" % flag], v, covers=["MASQUERADE"], masks=ANY)
                yield case("masquerade-ports-%s-%d" % (flag.strip("-"), v), [Send("eth0", tcp(n, 80, "S", 1)(ip(a, b))) for n in (1, 700, 5000, 6001)],
                           ["POSTROUTING -o eth1 -p tcp -j MASQUERADE --to-ports 6000-6100 %s" % flag], v, covers=["MASQUERADE"], masks=ANY)
        back = ["PREROUTING -i eth1 -j DNAT --to-destination %s-%s --persistent" % (("10.0.0.2", "10.0.0.9") if v == 4 else ("fd00::2", "fd00::9"))]
        items = [Send("eth1", tcp(1000 + n, 80, "S", 1)(ip(x, y))) for n in (0, 1) for x in (b, b3) for y in (("203.0.113.5", "203.0.113.6") if v == 4 else ("2001:db8::5", "2001:db8::6"))]
        yield case("dnat-persistent-%d" % v, items, back, v, covers=["DNAT"], masks=ANY)


def local_ends():
    """SNAT where packets arrive, DNAT where they begin; each with errors about them, and what clashes."""
    for v, a, a3, b, b3, out, ro in FAMILIES:
        r = R if v == 4 else R6
        t = 3 if v == 4 else 1
        snat_in = ["INPUT -p %%s -j SNAT --to-source %s" % ("10.0.0.77" if v == 4 else "fd00::77")]
        for proto, make in (("udp", lambda p: udp(p, 53)), ("tcp", lambda p: tcp(p, 80, "S", 1)), ("sctp", lambda p: sctp(p, 6, 0, INIT))):
            items = [Send("eth0", make(1000)(ip(x, r))) for x in (a, a3, a)] + [Send("eth1", make(1000)(ip(b, r)))]
            items += [Send(None, udp(53, 1000)(ip(r, a)))] if proto == "udp" else []
            yield case("input-snat-clash-%s-%d" % (proto, v), items, [snat_in[0] % proto], v, covers=["SNAT", "local-in", "clash"], masks=ANY)
            yield case("input-snat-port-%s-%d" % (proto, v), items, ["INPUT -p %s -j SNAT --to-source %s" % (proto, to(v, "10.0.0.77" if v == 4 else "fd00::77", "7000-7001"))], v,
                       covers=["SNAT", "local-in", "clash"], masks=ANY)
        for proto, make in (("udp", lambda p: udp(p, 53)), ("tcp", lambda p: tcp(p, 53, "S", 1))):
            items = [Send(None, make(1000)(ip(ro, x))) for x in (b, b3)] + [Send("eth1", answer(0, **({} if proto == "udp" else {"flags": "SA", "seq": 9, "ack": 2}))), Send("eth1", error_about(0, t, 1)),
                                                                          Send("eth1", error_about(1, t, 1))]
            yield case("output-dnat-clash-%s-%d" % (proto, v), items, ["OUTPUT -p %s -j DNAT --to-destination %s" % (proto, to(v, b, "7000"))], v, covers=["DNAT", "local-out", "clash"], masks=ANY)
            yield case("output-dnat-range-%s-%d" % (proto, v), items, ["OUTPUT -p %s -j DNAT --to-destination %s" % (proto, to(v, b, "7000-7003"))], v, covers=["DNAT", "local-out"], masks=ANY)
            yield case("output-dnat-snat-%s-%d" % (proto, v), items, ["OUTPUT -p %s -j DNAT --to-destination %s" % (proto, to(v, b3, "7000")), "POSTROUTING -j SNAT --to-source " + out], v,
                       covers=["DNAT", "SNAT", "local-out"], masks=ANY)
        items = [Send(None, udp(1000, 53)(ip(ro, b))), Send("eth1", answer(0)), Send("eth1", error_about(0, t, 1))]
        yield case("output-redirect-%d" % v, items[:1], ["OUTPUT -p udp -j REDIRECT --to-ports 5353"], v, covers=["REDIRECT", "local-out"])
        yield case("output-netmap-%d" % v, items, ["OUTPUT -p udp -j NETMAP --to %s" % ("10.2.0.0/24" if v == 4 else "fd00:2::/64")], v, covers=["NETMAP", "local-out"])


def prefixes():
    """NPTv6: words that are all ones, sums that come out as ones, prefixes that end inside a word, interface ids that cannot be changed."""
    sources = ["fd00::", "fd00::ffff", "fd00::ffff:0:0:0", "fd00:0:0:0:ffff:ffff:ffff:ffff", "fd00:0:0:fffe:ffff::1", "fd00:0:0:ffff:fffe::1", "fd00:0:ffff::1", "fd00:0:1::1", "fd00::1:0:0:0", "fd00::5f:0:0:1"]
    for n, (src, dst) in enumerate((("fd00::/64", "fd00::/64"), ("fd00::/64", "fdff:ffff:ffff:ffff::/64"), ("fd00::/48", "fdff:ffff:ffff::/48"), ("fd00::/48", "2001:db8:fffe::/48"), ("fd00::/47", "2001:db8:2::/47"),
                                    ("fd00::/49", "2001:db8:2:8000::/49"), ("fd00::/60", "2001:db8:0:fff0::/60"), ("fd00::/32", "2001:db8::/32"), ("fd00::/64", "2001:db8:1::/48"), ("fd00::/48", "2001:db8:1:2::/64"),
                                    ("fd00::/15", "2000::/15"), ("fd00::/1", "::/1"))):
        packets = [m(ip(s, B6)) for s in sources for m in (udp(1000, 53, b"even"), tcp(1000, 80, "S", 3))]
        rules = "*mangle\n-A POSTROUTING -o eth1 -j SNPT --src-pfx %s --dst-pfx %s\n-A POSTROUTING -s fd00::/8\nCOMMIT\n" % (src, dst)
        yield Case("npt-edges-%d" % n, [Send("eth0", p) for p in packets], v6=rules, covers=["SNPT"])
        back = "*mangle\n-A PREROUTING -i eth1 -j DNPT --src-pfx %s --dst-pfx fd00::/%s\n-A FORWARD\n-A INPUT\nCOMMIT\n" % (dst, src.split("/")[1])
        net = int(ipaddress.ip_address(dst.split("/")[0]))
        ends = [str(ipaddress.ip_address(net | x)) for x in (2, 0xffff, 0xfffe000000000001, 0x0001ffff00000002)]
        yield Case("npt-back-%d" % n, [Send("eth1", m(ip(B6, d))) for d in ends for m in (udp(53, 1000), tcp(80, 1000, "SA", 3, 4))], v6=back, covers=["DNPT"])


def cases():
    for group in (full_ranges, keys_and_classes, local_ends, prefixes):
        yield from group()
