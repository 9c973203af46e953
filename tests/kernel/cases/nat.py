"""NAT: which tuple a connection gets, packets and ICMP errors rewritten in every direction, local traffic, clashes."""
import ipaddress
import struct

from case import Case, Do, Send
from packets import *

A, A3, B, B3, C = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.1.0.3", "10.2.0.2"
A6, A36, B6, C6 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:2::2"
R, RO, R6, RO6 = "10.0.0.1", "10.1.0.1", "fd00::1", "fd00:1::1"
ANY = {"nat-port"}
COUNT = "*mangle\n" + "".join("-A %s -m conntrack --ctstate %s\n" % (c, s) for c in ("PREROUTING", "POSTROUTING")
                              for s in ("INVALID", "NEW", "ESTABLISHED", "RELATED")) + \
    "".join("-A %s -m conntrack --ctstate %s\n" % (c, s) for c in ("INPUT", "OUTPUT", "FORWARD") for s in ("SNAT", "DNAT")) + "COMMIT\n"


def nat(*rules):
    return "*nat\n" + "\n".join("-A " + r for r in rules) + "\nCOMMIT\n"


def case(name, items, rules=(), v=4, **kw):
    kw.setdefault("covers", ["nat"])
    text = nat(*rules) + COUNT
    kw.setdefault("v%d" % v, text)
    return Case(name, items, **kw)


def ip_of(frame):
    return frame[18:] if frame[12:14] == b"\x81\x00" else frame[14:]


def out_of(outputs, item, iface=None):
    """The first IP packet that item caused (by iface)."""
    for name, frame in outputs[item]:
        if iface in (None, name):
            return ip_of(frame)
    return None


def ends(p):
    """(src, dst, proto, sport, dport or id) of a packet."""
    v4 = p[0] >> 4 == 4
    src = str(ipaddress.ip_address(p[12:16] if v4 else p[8:24]))
    dst = str(ipaddress.ip_address(p[16:20] if v4 else p[24:40]))
    proto, at, _, _ = l4_of(p)
    return src, dst, proto, struct.unpack("!HH", p[at:at + 4]) if len(p) >= at + 4 else (0, 0), at


def fixed(src, dst, **kw):
    """An IP header that is the same each time it is built: packets that depend on output are built again."""
    return ip(src, dst, **kw) if ":" in src else ip(src, dst, ident=0x7777, **kw)


def answer(item, iface=None, **kw):
    """The other end's answer to what item sent out: UDP, echo, or TCP with flags, seq, ack."""
    def build(outputs):
        p = out_of(outputs, item, iface)
        if p is None:
            return None
        src, dst, proto, (sport, dport), at = ends(p)
        l3 = fixed(dst, src)
        if proto == 17:
            return udp(dport, sport, data=b"answer")(l3)
        if proto == 6:
            return tcp(dport, sport, **kw)(l3)
        if proto in (1, 58):
            ident, seq = struct.unpack("!HH", p[at + 4:at + 8])
            return echo(ident, seq, reply=True)(l3)
        return raw(proto, p[at:])(l3)
    return build


def error_about(item, kind, code=0, rest=b"\0\0\0\0", size=None, src=None, dst=None, iface=None, edit=None):
    """An ICMP error quoting what item sent out, to its source, from its destination or from src."""
    def build(outputs):
        p = out_of(outputs, item, iface)
        if p is None:
            return None
        s, d = ends(p)[:2]
        quote = p if size is None else p[:size]
        if edit:
            quote = edit(quote)
        return icmp(kind, code, rest, quote)(fixed(src or d, dst or s))
    return build


def both(name, build):
    """The case in both families: build(v, a, a3, b, b3, router_in, router_out)."""
    return [build("%s-4" % name, 4, A, A3, B, B3, R, RO), build("%s-6" % name, 6, A6, A36, B6, "fd00:1::3", R6, RO6)]


def simple():
    def snat(name, v, a, a3, b, b3, r, ro):
        to = ro if v == 4 else "fd00:1::9"
        return case(name, [
            Send("eth0", udp(1111, 53)(ip(a, b))), Send("eth1", answer(0)),
            Send("eth0", tcp(2222, 80, "S", 5)(ip(a, b))), Send("eth1", answer(2, flags="SA", seq=70, ack=6)),
            Send("eth0", tcp(2222, 80, "A", 6, 71)(ip(a, b))), Send("eth0", tcp(2222, 80, "PA", 6, 71, data=b"GET")(ip(a, b))),
            Send("eth1", answer(5, flags="A", seq=71, ack=9)),
            Send("eth0", echo(33, 1)(ip(a, b))), Send("eth1", answer(7)),
            Send("eth0", raw(99, b"12345678")(ip(a, b))), Send("eth1", answer(9)),
            Send("eth1", udp(53, 1111)(ip(b3, to)))], ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["SNAT", "nat"])

    def dnat(name, v, a, a3, b, b3, r, ro):
        to = a if v == 4 else "[%s]" % a
        return case(name, [
            Send("eth1", tcp(2222, 80, "S", 5)(ip(b, ro))), Send("eth0", answer(0, flags="SA", seq=70, ack=6)),
            Send("eth1", tcp(2222, 80, "A", 6, 71)(ip(b, ro))),
            Send("eth1", udp(1111, 53)(ip(b, ro))), Send("eth0", answer(3)),
            Send("eth1", echo(33, 1)(ip(b, ro))), Send("eth0", answer(5)),
            Send("eth1", tcp(2223, 81, "S", 5)(ip(b, ro))),
            Send("eth1", raw(99, b"12345678")(ip(b, ro))), Send("eth0", answer(8))],
            ["PREROUTING -i eth1 -p tcp --dport 80 -j DNAT --to-destination %s:8080" % to,
             "PREROUTING -i eth1 -j DNAT --to-destination " + a], v, covers=["DNAT", "nat"])

    def masq(name, v, a, a3, b, b3, r, ro):
        c = C if v == 4 else C6
        far = "192.0.2.7" if v == 4 else "2001:db8::7"
        return case(name, [
            Send("eth0", udp(1111, 53)(ip(a, b))), Send("eth1", answer(0)), Send("eth0", udp(1111, 53)(ip(a, c))),
            Send("eth2", answer(2)), Send("eth0", udp(1111, 53)(ip(a, far))), Send("eth1", answer(4)),
            Send("eth0", echo(9, 9)(ip(a, far))), Send("eth1", answer(6))],
            ["POSTROUTING ! -o eth0 -j MASQUERADE"], v, covers=["MASQUERADE", "nat"])

    def masq_ports(name, v, a, a3, b, b3, r, ro):
        return case(name, [Send("eth0", udp(1111, 53)(ip(a, b))), Send("eth1", answer(0)),
                           Send("eth0", tcp(9, 80, "S", 1)(ip(a, b))),
                           Send("eth0", echo(5, 5)(ip(a, b)))],
                    ["POSTROUTING -p udp -j MASQUERADE --to-ports 5000-5100", "POSTROUTING -p tcp -j MASQUERADE --to-ports 77",
                     "POSTROUTING -j MASQUERADE --random"], v, covers=["MASQUERADE", "nat"], masks=ANY)

    def redirect(name, v, a, a3, b, b3, r, ro):
        return case(name, [Send("eth0", tcp(1111, 80, "S", 1)(ip(a, b))), Send("eth0", udp(1111, 53)(ip(a, b))),
                           Send("eth0", tcp(1111, 80, "A", 2, 2)(ip(a, b))), Send("eth1", udp(2, 53)(ip(b, a))),
                           Send("eth0", echo(1, 1)(ip(a, b))), Send("eth0", tcp(1111, 81, "S", 1)(ip(a, b))),
                           Send("eth0", tcp(1112, 81, "S", 1)(ip(a, b))), Send("eth0", tcp(1111, 8085, "S", 1)(ip(a, b)))],
                    ["PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 3128",
                     "PREROUTING -p tcp -j REDIRECT --to-ports 8080-8090", "PREROUTING -j REDIRECT"], v, covers=["REDIRECT", "nat"])

    def redirect_out(name, v, a, a3, b, b3, r, ro):
        return case(name, [Send(None, udp(1111, 53)(ip(r, a))), Send(None, tcp(1111, 80, "S", 1)(ip(ro, b))),
                           Send(None, echo(1, 1)(ip(ro, b))), Send(None, udp(1111, 53)(ip(r, a)))],
                    ["OUTPUT -p udp -j REDIRECT --to-ports 5353", "OUTPUT -j REDIRECT"], v, covers=["REDIRECT", "nat"])

    def netmap(name, v, a, a3, b, b3, r, ro):
        net, to = ("10.0.0.0/24", "10.1.0.0/24") if v == 4 else ("fd00::/64", "fd00:1::/64")
        back = "10.5.0.0/16" if v == 4 else "fd05::/16"
        inner = "10.0.0.0/24" if v == 4 else "fd00::/64"
        return case(name, [Send("eth0", udp(1, 2)(ip(a, b))), Send("eth1", answer(0)), Send("eth0", udp(1, 2)(ip(a3, b))),
                           Send("eth1", udp(3, 4)(ip(b, "10.5.7.2" if v == 4 else "fd05::3"))),
                           Send("eth0", tcp(5, 6, "S", 1)(ip(a, b))), Send(None, udp(8, 9)(ip(ro, "10.5.0.3" if v == 4 else "fd05::2"))),
                           Send("eth1", udp(3, 5)(ip(b, ro)))],
                    ["POSTROUTING -s %s -o eth1 -j NETMAP --to %s" % (net, to), "PREROUTING -d %s -j NETMAP --to %s" % (back, inner),
                     "OUTPUT -d %s -j NETMAP --to %s" % (back, inner), "INPUT -i eth1 -j NETMAP --to %s" % inner], v, covers=["NETMAP", "nat"])

    for build, name in ((snat, "snat"), (dnat, "dnat"), (masq, "masquerade"), (masq_ports, "masquerade-ports"),
                        (redirect, "redirect"), (redirect_out, "redirect-out"), (netmap, "netmap")):
        yield from both("" + name, build)


def ranges():
    """Addresses are a fixed hash; destinations fill in order; single ports; shifted ports."""
    for persistent in ("", " --persistent"):
        items = []
        for s in range(2, 10):
            for d in range(2, 5):
                items.append(Send("eth0", udp(1000 + s, 53)(ip("10.0.0.%d" % s, "10.1.0.%d" % d))))
        yield case("snat-range-4" + persistent.strip(), items,
                   ["POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.20-10.1.0.99" + persistent], covers=["SNAT", "nat"])
        items = []
        for s in range(2, 10):
            for d in range(2, 5):
                items.append(Send("eth0", udp(1000 + s, 53)(ip("fd00::%x" % s, "fd00:1::%x" % d))))
        for k, (lo, hi) in enumerate((("fd00:1::20", "fd00:1::99"), ("fd00:1::", "fd00:1:0:0:ffff:ffff:ffff:ffff"),
                                      ("fd00:1::5:0:7", "fd00:1::6:1:3"))):
            yield case("snat-range-6-%d%s" % (k, persistent.strip()), items,
                       ["POSTROUTING -o eth1 -j SNAT --to-source %s-%s%s" % (lo, hi, persistent)], v=6, covers=["SNAT", "nat"])
        items = [Send("eth1", udp(1000 + d, 53)(ip("10.1.0.%d" % s, "203.0.113.%d" % d))) for s in range(2, 8) for d in range(2, 6)]
        yield case("dnat-range-4" + persistent.strip(), items,
                   ["PREROUTING -i eth1 -j DNAT --to-destination 10.0.0.2-10.0.0.9" + persistent], covers=["DNAT", "nat"])
        items = [Send("eth1", udp(1000 + d, 53)(ip("fd00:1::%x" % s, "2001:db8::%x" % d))) for s in range(2, 8) for d in range(2, 6)]
        yield case("dnat-range-6" + persistent.strip(), items,
                   ["PREROUTING -i eth1 -j DNAT --to-destination fd00::2-fd00::9" + persistent], v=6, covers=["DNAT", "nat"])
    zoned = "*raw\n-A PREROUTING -j CT --zone %d\nCOMMIT\n" + nat("POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.20-10.1.0.99")
    items = [Send("eth0", udp(1000, 53)(ip("10.0.0.%d" % s, B))) for s in range(2, 9)]
    yield Case("snat-range-zone", items, v4=zoned % 7, covers=["SNAT", "zone"])
    yield case("snat-backwards", [Send("eth0", udp(1000, 53)(ip(A, B)))],
               ["POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.99-10.1.0.20"], covers=["SNAT"])
    # one port for all: the second source has to be dropped, the first may go elsewhere
    items = [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth0", udp(1000, 53)(ip(A3, B))), Send("eth0", udp(1000, 53)(ip(A3, B3))),
             Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B))), Send("eth0", tcp(1001, 80, "S", 1)(ip(A, B))),
             Send("eth0", tcp(7000, 80, "S", 1)(ip(A3, B))), Send("eth1", answer(0)), Send("eth0", udp(1000, 53)(ip(A, B)))]
    yield case("snat-one-port", items, ["POSTROUTING -p udp -j SNAT --to-source 10.1.0.1:7000",
                                            "POSTROUTING -p tcp -j SNAT --to-source :7000"], covers=["SNAT"])
    items = [Send("eth0", echo(n, 1)(ip(a, B))) for n in (5, 9, 100) for a in (A, A3)]
    yield case("snat-icmp-ids", items, ["POSTROUTING -p icmp -j SNAT --to-source 10.1.0.1:9-9"], covers=["SNAT"])
    # destinations fill in order; one inside stays
    items = [Send("eth1", tcp(1111, 80 + i, "S", 1)(ip(B, RO))) for i in range(5)]
    items += [Send("eth1", tcp(1112, 7002, "S", 1)(ip(B, RO))), Send("eth1", tcp(1112, 80, "S", 1)(ip(B, RO)))]
    yield case("dnat-port-range", items, ["PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:7000-7003"], covers=["DNAT"],
               masks=ANY)
    items = [Send("eth1", tcp(1111, p, "S", 1)(ip(B, RO))) for p in (6000, 6003, 6010, 6011, 5999, 80)]
    yield case("dnat-shifted", items, ["PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:5000-5010/6000"], covers=["DNAT"])
    items = [Send("eth1", tcp(1111, p, "S", 1)(ip(B6, RO6))) for p in (6000, 6003, 6010)] + [Send("eth1", udp(1, 6001)(ip(B6, RO6)))]
    yield case("dnat-shifted-6", items, ["PREROUTING -p tcp -j DNAT --to-destination [fd00::2]:5000-5010/6000",
                                             "PREROUTING -p udp -j DNAT --to-destination :7-9"], v=6, covers=["DNAT"])
    items = [Send("eth1", tcp(1111, 80, "S", 1)(ip(B, A))), Send("eth1", tcp(1111, 81, "S", 1)(ip(B, A3))), Send("eth1", udp(1, 2)(ip(B, RO)))]
    yield case("dnat-port-only", items, ["PREROUTING -p tcp -j DNAT --to-destination :8080"], covers=["DNAT"])
    items = [Send("eth1", tcp(1111, 80 + i, "S", 1)(ip(B, RO))) for i in range(4)]
    yield case("dnat-random", items, ["PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:7000-7100 --random"],
               covers=["DNAT"], masks=ANY)


def clashes():
    """Ports move within their class, and a source keeps the mapping that it got."""
    for v, a, a3, b, b3, to in ((4, A, A3, B, B3, RO), (6, A6, A36, B6, "fd00:1::3", "fd00:1::9")):
        for port in (5, 511, 512, 600, 1023, 1024, 40000):
            items = [Send("eth0", udp(port, 53)(ip(a, b))), Send("eth0", udp(port, 53)(ip(a3, b))), Send("eth1", answer(1)),
                     Send("eth0", udp(port, 53)(ip(a3, b3))), Send("eth1", answer(3)), Send("eth0", udp(port, 54)(ip(a3, b))),
                     Send("eth0", udp(port, 53)(ip(a3, b)))]
            yield case("clash-udp-%d-%d" % (port, v), items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v,
                       covers=["SNAT", "clash"], masks=ANY)
        items = [Send("eth0", echo(7, 1)(ip(a, b))), Send("eth0", echo(7, 1)(ip(a3, b))), Send("eth1", answer(1)), Send("eth1", answer(0)),
                 Send("eth0", echo(7, 2)(ip(a3, b3))), Send("eth1", answer(4))]
        yield case("clash-icmp-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["SNAT", "clash"], masks=ANY)
        items = [Send("eth0", tcp(1000, 80, "S", 1)(ip(a, b))), Send("eth0", tcp(1000, 80, "S", 1)(ip(a3, b))),
                 Send("eth1", answer(1, flags="SA", seq=9, ack=2)), Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a3, b))),
                 Send("eth0", tcp(1000, 80, "FA", 2, 10)(ip(a3, b))), Send("eth1", answer(4, flags="R", seq=10, ack=0))]
        yield case("clash-tcp-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["SNAT", "clash"], masks=ANY)
        for flag in ("--random", "--random-fully"):
            items = [Send("eth0", udp(1000, 53)(ip(a, b))), Send("eth1", answer(0)), Send("eth0", udp(1000, 53)(ip(a, b3))),
                     Send("eth0", tcp(100, 80, "S", 1)(ip(a, b))), Send("eth0", echo(5, 5)(ip(a, b)))]
            yield case("snat%s-%d" % (flag[1:], v), items, ["POSTROUTING -o eth1 -j SNAT --to-source %s %s" % (to, flag)], v,
                       covers=["SNAT"], masks=ANY)
        # nobody asked for NAT, yet the reply direction is taken: the source port moves
        r = R if v == 4 else R6
        items = [Send("eth0", udp(4000, 80)(ip(a, r))), Send("eth0", udp(4000, 80)(ip(a, b))), Send("eth1", answer(1)),
                 Send("eth1", answer(0)), Send("eth0", udp(4000, 80)(ip(a, b)))]
        yield case("null-binding-clash-%d" % v, items, ["PREROUTING -d %s -j DNAT --to-destination %s" % (r, b)], v,
                   covers=["null-binding", "clash"], masks=ANY)
        # the answer that the router itself sends after a REDIRECT
        items = [Send("eth0", udp(4000, 53)(ip(a, b))), Send(None, udp(53, 4000)(ip(r, a))), Send(None, udp(53, 4000)(ip(b, a))),
                 Send(None, udp(99, 4000)(ip(r, a)))]
        yield case("redirect-answer-%d" % v, items, ["PREROUTING -p udp --dport 53 -j REDIRECT"], v,
                   covers=["null-binding", "clash"], masks=ANY)
        # forgotten in the middle: the reply comes first and takes the tuple
        items = [Send("eth0", tcp(1000, 80, "S", 1)(ip(a, r))), Send("eth1", answer(0, flags="SA", seq=9, ack=2)),
                 Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, r))), Do("conntrack -D -p tcp -f ipv%d" % v),
                 Send("eth1", answer(2, flags="PA", seq=10, ack=2, data=b"late")), Send("eth0", tcp(1000, 80, "PA", 2, 10, data=b"more")(ip(a, r)))]
        yield case("forgotten-%d" % v, items, ["PREROUTING -d %s -j DNAT --to-destination %s" % (r, b)], v,
                   covers=["null-binding", "clash"], masks=ANY)
        # a finished connection makes room for a newer one at the same port
        items = [Send("eth0", tcp(1000, 80, "S", 1000)(ip(a, b))), Send("eth1", answer(0, flags="SA", seq=9, ack=1001)),
                 Send("eth0", tcp(1000, 80, "A", 1001, 10)(ip(a, b))), Send("eth0", tcp(1000, 80, "FA", 1001, 10)(ip(a, b))),
                 Send("eth1", answer(3, flags="FA", seq=10, ack=1002)), Send("eth0", tcp(1000, 80, "A", 1002, 11)(ip(a, b))),
                 Send("eth0", tcp(1000, 80, "S", 500)(ip(a3, b))), Send("eth0", tcp(1000, 80, "S", 5000)(ip(a3, b))),
                 Send("eth0", tcp(1000, 80, "S", 6000)(ip(a, b)))]
        port = "%s:7000" % (to if v == 4 else "[%s]" % to)
        yield case("time-wait-evicted-%d" % v, items, ["POSTROUTING -o eth1 -p tcp -j SNAT --to-source " + port], v,
                   covers=["SNAT", "clash"])
        items = [Send("eth0", udp(1000, 53)(ip(a, b))), Send("eth1", udp(53, 1000)(ip(b, a))), Send("eth1", answer(0)),
                 Send("eth1", udp(53, 1000)(ip(b, to)))]
        yield case("reply-from-outside-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["SNAT"], masks=ANY)


def hairpins():
    for v, a, a3, b, pub in ((4, A, A3, B, "203.0.113.1"), (6, A6, A36, B6, "2001:db8::1")):
        r = R if v == 4 else R6
        items = [Send("eth0", tcp(1000, 80, "S", 1)(ip(a, pub))), Send("eth0", answer(0, flags="SA", seq=9, ack=2)),
                 Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, pub))), Send("eth1", tcp(1000, 80, "S", 1)(ip(b, pub))),
                 Send("eth0", answer(3, flags="SA", seq=9, ack=2)), Send("eth0", echo(4, 4)(ip(a, pub))), Send("eth0", answer(5)),
                 Send("eth0", udp(5, 6)(ip(a3, pub))), Send("eth0", udp(5, 6)(ip(a, pub)))]
        yield case("hairpin-%d" % v, items, ["PREROUTING -d %s -j DNAT --to-destination %s" % (pub, a3),
                                                 "POSTROUTING -s %s -d %s -j MASQUERADE" % (a + ("/24" if v == 4 else "/64"), a3)], v,
                   covers=["DNAT", "MASQUERADE", "hairpin"], masks=ANY)
        items = [Send("eth0", udp(1, 2)(ip(a, pub))), Send("eth0", answer(0))]
        yield case("hairpin-self-%d" % v, items, ["PREROUTING -d %s -j DNAT --to-destination %s" % (pub, a)], v, covers=["DNAT", "hairpin"])
        items = [Send("eth0", udp(1111, 53)(ip(a, r))), Send("eth1", answer(0)), Send("eth0", udp(1111, 53)(ip(a, r)))]
        yield case("dnat-and-snat-%d" % v, items, ["PREROUTING -d %s -p udp -j DNAT --to-destination %s" % (r, b),
                                                       "POSTROUTING -o eth1 -j MASQUERADE"], v, covers=["DNAT", "MASQUERADE"])


ERRORS4 = [(3, c) for c in (0, 1, 2, 3, 4, 5, 9, 10, 13, 200)] + [(11, 0), (11, 1), (12, 0), (4, 0), (5, 0), (5, 1)]
ERRORS6 = [(1, c) for c in (0, 1, 3, 4, 6)] + [(2, 0), (3, 0), (3, 1), (4, 0), (137, 0), (100, 0)]


def icmp_errors():
    for v, a, b, to, r, rest6 in ((4, A, B, RO, R, b""), (6, A6, B6, "fd00:1::9", R6, b"")):
        errors = ERRORS4 if v == 4 else ERRORS6
        third = "10.1.0.254" if v == 4 else "fd00:1::fe"
        inside = "10.0.0.3" if v == 4 else "fd00::3"
        probes = {"udp": udp(1111, 53, data=b"x" * 40), "tcp": tcp(1111, 80, "S", 7), "icmp": echo(77, 1),
                  "other": raw(99, b"y" * 30)}
        for kind, probe in probes.items():
            for rule, name in ((["POSTROUTING -o eth1 -j SNAT --to-source " + to], "snat"),
                               (["PREROUTING -i eth0 -d %s -j DNAT --to-destination %s" % (r, b)], "dnat"),
                               (["PREROUTING -i eth0 -d %s -j DNAT --to-destination %s" % (r, b), "POSTROUTING -o eth1 -j MASQUERADE"], "both")):
                dst = b if name == "snat" else r
                items = [Send("eth0", probe(ip(a, dst)))]
                reply = answer(0, flags="SA", seq=1, ack=8) if kind == "tcp" else answer(0)
                for t, c in errors:     # about the request: from the destination, from a router on the way
                    items += [Send("eth1", error_about(0, t, c)), Send("eth1", error_about(0, t, c, src=third))]
                items.append(Send("eth1", reply))
                n = len(items) - 1
                for t, c in errors:     # about the answer
                    items += [Send("eth0", error_about(n, t, c)), Send("eth0", error_about(n, t, c, src=inside))]
                yield case("icmp-error-%s-%s-%d" % (name, kind, v), items, rule, v, covers=["icmp-error", "nat"])
        head = 20 if v == 4 else 40
        items = [Send("eth0", udp(1111, 53, data=b"x" * 40)(ip(a, b)))]
        for size in (0, 4, 8, 19, 20, 23, 24, 27, 28, 40, 43, 44, 47, 48, 60):
            items.append(Send("eth1", error_about(0, 3 if v == 4 else 1, 1, size=size)))
        items.append(Send("eth0", tcp(1111, 80, "S", 9)(ip(a, b))))
        n = len(items) - 1
        for size in (head, head + 4, head + 7, head + 8, head + 12, head + 19, head + 20):
            items.append(Send("eth1", error_about(n, 3 if v == 4 else 1, 3, size=size)))
        yield case("icmp-error-cut-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["icmp-error", "nat"])
        bad = lambda q: q[:24] + bytes([q[24] ^ 1]) + q[25:]
        items = [Send("eth0", udp(1111, 53, data=b"x" * 40)(ip(a, b))), Send("eth1", error_about(0, 3 if v == 4 else 1, 1, edit=bad)),
                 Send("eth1", error_about(0, 3 if v == 4 else 1, 1, dst=a)),
                 Send("eth1", lambda o: (lambda p: p[:-1] + bytes([p[-1] ^ 5]))(error_about(0, 3 if v == 4 else 1, 1)(o)))]
        yield case("icmp-error-odd-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["icmp-error", "nat"])
        spoil = lambda o, at=head + 2: (lambda p: p[:at] + bytes([p[at] ^ 5]) + p[at + 1:])(error_about(0, 3 if v == 4 else 1, 1)(o))
        items = [Send("eth0", udp(1111, 53, data=b"x" * 40)(ip(a, b))), Send("eth1", spoil), Send("eth1", error_about(0, 3 if v == 4 else 1, 1)),
                 Send("eth0", udp(1, 53, check=77)(ip(a, b))), Send("eth1", error_about(3, 3 if v == 4 else 1, 1)),
                 Send("eth0", udp(2, 53, check=0)(ip(a, b))), Send("eth1", error_about(5, 3 if v == 4 else 1, 1))]
        yield case("icmp-error-unchecked-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["icmp-error", "nat"],
                   sysctl={"net.netfilter.nf_conntrack_checksum": 0})
        odd = {"options": b"\x94\x04\0\0\x01\x01\0\0"} if v == 4 else {"ext": [(60, b"\0\0\x01\x04\0\0\0\0")]}
        big = udp(1111, 53, data=b"w" * 1800)(ip(a, b))
        pieces = fragments4(big, [1000]) if v == 4 else fragments6(big, [1000], 99)
        items = [Send("eth0", tcp(9, 80, "S", 5)(ip(a, b, **odd))), Send("eth1", error_about(0, 3 if v == 4 else 1, 1))]
        items += [Send("eth0", f) for f in pieces]
        items += [Send("eth1", error_about(len(items) - 1, 3 if v == 4 else 1, 1)), Send("eth1", error_about(len(items) - 1, 11 if v == 4 else 3, 1, size=300))]
        yield case("icmp-error-odd-quotes-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["icmp-error", "nat"], masks={"frag6-id"})
        # what the router says itself: TTL, MTU, REJECT, after one NAT or the other
        big = udp(1111, 53, data=b"z" * 1300)
        for rule, name in ((["POSTROUTING -o eth1 -j SNAT --to-source " + to], "snat"),
                           (["PREROUTING -i eth0 -d %s -j DNAT --to-destination %s" % (r, b)], "dnat")):
            dst = b if name == "snat" else r
            kw = {} if v == 6 else {"df": True}
            items = [Send("eth0", udp(1111, 53)(ip(a, dst, ttl=1))), Send("eth0", big(ip(a, dst, **kw))), Send("eth0", udp(1111, 53)(ip(a, dst))),
                     Send("eth0", tcp(9, 80, "S", 1)(ip(a, dst))), Send("eth1", answer(2)),
                     Send("eth1", lambda o: (lambda p: p and p[:8] + b"\x01" + p[9:] if v == 4 else p and p[:7] + b"\x01" + p[8:])(answer(2)(o)))]
            if v == 4:
                def low(o):
                    p = bytearray(answer(2)(o))
                    p[8] = 1
                    p[10:12] = b"\0\0"
                    p[10:12] = struct.pack("!H", csum(bytes(p[:20])))
                    return bytes(p)
                items[-1] = Send("eth1", low)
            yield case("own-errors-%s-%d" % (name, v), items, rule + [], v, covers=["icmp-error", "nat"],
                       net=["link set eth1 mtu 1280"], **{"v%d" % v: nat(*rule) + "*filter\n-A FORWARD -p tcp -j REJECT\nCOMMIT\n" + COUNT})


def local():
    for v, a, b, r, ro, lo in ((4, A, B, R, RO, "127.0.0.1"), (6, A6, B6, R6, RO6, "::1")):
        c = C if v == 4 else C6
        br = (lambda x: x) if v == 4 else (lambda x: "[%s]" % x)
        items = [Send(None, udp(5, 53)(ip(ro, b))), Send("eth2", answer(0)), Send(None, tcp(6, 80, "S", 1)(ip(ro, b))),
                 Send("eth2", answer(2, flags="SA", seq=5, ack=2)), Send(None, tcp(6, 80, "A", 2, 6)(ip(ro, b))),
                 Send(None, echo(3, 3)(ip(ro, b))), Send("eth2", answer(5))]
        yield case("output-dnat-%d" % v, items, ["OUTPUT -d %s -j DNAT --to-destination %s" % (b, c)], v, covers=["DNAT", "local-out"])
        items = [Send(None, udp(5, 53)(ip(ro, b))), Send("eth1", answer(0)), Send(None, udp(5, 53)(ip(ro, b))), Send(None, udp(7, 53)(ip(r, a)))]
        yield case("output-dnat-port-%d" % v, items, ["OUTPUT -p udp --dport 53 -j DNAT --to-destination :5353",
                                                         "POSTROUTING -p udp -o eth1 -j SNAT --to-source %s:4000-4000" % br(ro if v == 4 else "fd00:1::9")], v,
                   covers=["DNAT", "SNAT", "local-out"])
        items = [Send(None, udp(5, 53)(ip(ro, b))), Send("eth1", answer(0)), Send(None, udp(6, 53)(ip(ro, a))), Send("eth0", answer(2))]
        yield case("output-snat-%d" % v, items, ["POSTROUTING -j SNAT --to-source " + ("10.1.0.77" if v == 4 else "fd00:1::77")], v,
                   covers=["SNAT", "local-out"])
        items = [Send("eth0", udp(5, 53)(ip(a, r))), Send(None, udp(53, 5)(ip(r, "10.0.0.9" if v == 4 else "fd00::9"))),
                 Send("eth0", tcp(5, 80, "S", 1)(ip(a, r))), Send("eth0", udp(5, 53)(ip(a, r))), Send("eth1", udp(5, 53)(ip(b, ro)))]
        yield case("input-snat-%d" % v, items, ["INPUT -i eth0 -j SNAT --to-source " + ("10.0.0.9" if v == 4 else "fd00::9")], v,
                   covers=["SNAT", "local-in"])
        items = [Send("eth0", udp(5, 53)(ip(a, b))), Send("eth0", udp(5, 54)(ip(a, r)))]
        for n in (0, 1):
            yield case("dnat-to-loopback-%d-%d" % (n, v), items, ["PREROUTING -p udp -j DNAT --to-destination " + lo], v,
                       covers=["DNAT", "local-in"], sysctl={"net.ipv4.conf.eth0.route_localnet": n})
        items = [Send(None, udp(5, 53)(ip(ro, b))), Send("eth1", error_about(0, 3 if v == 4 else 1, 3 if v == 4 else 4)),
                 Send(None, udp(9, 53)(ip(r, a))), Send("eth0", error_about(2, 3 if v == 4 else 1, 3 if v == 4 else 4))]
        yield case("local-icmp-error-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + ("10.1.0.77" if v == 4 else "fd00:1::77"),
                                                          "OUTPUT -d %s -j DNAT --to-destination %s" % (a, "10.0.0.3" if v == 4 else "fd00::3")], v,
                   covers=["SNAT", "icmp-error"])
        # the host speaks of a connection that came in by DNAT: its error is translated on the way out
        quote = udp(5, 53)(ip(a, ro))
        items = [Send("eth0", udp(5, 53)(ip(a, "10.0.0.77" if v == 4 else "fd00::77"), ), dst="02:00:00:00:00:01"),
                 Send(None, icmp(3 if v == 4 else 1, 3 if v == 4 else 4, b"\0\0\0\0", quote)(ip(ro, a)))]
        yield case("host-error-%d" % v, items, ["PREROUTING -p udp -j DNAT --to-destination " + ro], v, covers=["DNAT", "icmp-error"])
        items = [Send(None, udp(5, 53)(ip(ro, "192.0.2.1" if v == 4 else "2001:db8::1"))), Send(None, udp(6, 53)(ip(r, a)))]
        yield case("output-unroutable-%d" % v, items, ["OUTPUT -p udp --dport 53 -j DNAT --to-destination " + ("198.51.100.1" if v == 4 else "2001:db9::1")], v,
                   covers=["DNAT", "local-out"], net=["route add unreachable " + ("198.51.100.0/24" if v == 4 else "2001:db9::/32")])


def masquerades():
    for v, a, b in ((4, A, B), (6, A6, B6)):
        far = "192.0.2.7" if v == 4 else "2001:db8::7"
        ro, second = (RO, "10.1.0.5/24") if v == 4 else (RO6, "fd00:1::5/64")
        rules = ["POSTROUTING ! -o eth0 -j MASQUERADE"]
        start = [Send("eth0", udp(1111, 53)(ip(a, b))), Send("eth1", answer(0)), Send("eth0", udp(1112, 53)(ip(a, far)))]
        yield case("masquerade-second-addr-%d" % v, start, rules, v, covers=["MASQUERADE"], net=["addr add %s dev eth1 nodad" % second])
        via = "route replace default via 10.2.0.254" if v == 4 else "route replace default via fd00:2::fe"
        yield case("masquerade-route-change-%d" % v, start + [Do("ip " + via), Send("eth0", udp(1112, 53)(ip(a, far))),
                                                                 Send("eth0", udp(1112, 53)(ip(a, far)))], rules, v, covers=["MASQUERADE"],
                   sysctl={"net.netfilter.nf_conntrack_acct": 1})
        yield case("snat-route-change-%d" % v, start + [Do("ip " + via), Send("eth0", udp(1112, 53)(ip(a, far)))],
                   ["POSTROUTING -j SNAT --to-source " + ("10.1.0.9" if v == 4 else "fd00:1::9")], v, covers=["SNAT"])
    scopes = ["addr add 10.1.0.70/24 dev eth1 scope link", "addr add 172.16.0.1/24 dev eth1", "addr add 10.1.0.6/32 dev eth1"]
    yield case("masquerade-which-addr", [Send("eth0", udp(1, 53)(ip(A, B))), Send("eth0", udp(2, 53)(ip(A, "172.16.0.9"))),
                                             Send("eth0", udp(3, 53)(ip(A, "192.0.2.1")))], ["POSTROUTING -o eth1 -j MASQUERADE"],
               net=scopes + ["neigh add 172.16.0.9 lladdr 02:00:00:00:01:09 dev eth1 nud permanent"], covers=["MASQUERADE"])
    yield case("masquerade-no-addr", [Send("eth0", udp(1, 53)(ip(A, B))), Send("eth0", udp(1, 53)(ip(A, B)))],
               ["POSTROUTING -o eth1 -j MASQUERADE"], net=["addr del 10.1.0.1/24 dev eth1", "route add 10.1.0.0/24 dev eth1"], covers=["MASQUERADE"])
    yield case("redirect-no-addr", [Send("eth1", udp(1, 53)(ip(B, A)))], ["PREROUTING -j REDIRECT"],
               net=["addr del 10.1.0.1/24 dev eth1", "route add 10.1.0.0/24 dev eth1"], covers=["REDIRECT"])
    yield case("redirect-6-scopes", [Send("eth0", udp(1, 53)(ip("fe80::5", "fe80::77"))), Send("eth0", udp(2, 53)(ip(A6, "ff02::5"))),
                                         Send("eth0", udp(3, 53)(ip(A6, B6)))], ["PREROUTING -j REDIRECT"], v=6,
               net=["addr add fe80::1/64 dev eth0 nodad", "addr add fd00::11/64 dev eth0 nodad"], covers=["REDIRECT"])
    yield case("masquerade-unspecified", [Send("eth0", udp(68, 67)(ip("0.0.0.0", B)))], ["POSTROUTING -j MASQUERADE"], covers=["MASQUERADE"])

def masquerades_gone():
    """The kernel's end of connections comes a little later than the change: nothing is sent until it has."""
    for v, a, b in ((4, A, B), (6, A6, B6)):
        plen, second = ("/24", "10.1.0.5") if v == 4 else ("/64", "fd00:1::5")
        ro = RO if v == 4 else RO6
        masq, fixed_to = ["POSTROUTING -o eth1 -j MASQUERADE"], ["POSTROUTING -o eth1 -j SNAT --to-source " + ro]
        start = [Send("eth0", udp(1111, 53)(ip(a, b))), Send("eth1", answer(0)), Send("eth0", tcp(9, 80, "S", 5)(ip(a, b))), Send("eth0", echo(5, 1)(ip(a, b))),
                 Send("eth0", udp(7, 8)(ip(a, C if v == 4 else C6)))]
        back = "addr add %s%s %s dev eth1" % (ro, plen, "" if v == 6 else "brd +") + (" nodad" if v == 6 else "")
        again = [Send("eth0", udp(1111, 53)(ip(a, b)), gap=0.3), Send("eth1", answer(0)), Send("eth0", tcp(9, 80, "A", 6, 1)(ip(a, b)))]
        neigh_back = ["ip neigh replace %s lladdr 02:00:00:00:01:02 dev eth1 nud permanent" % b]
        gone = [Do("ip addr del %s%s dev eth1" % (ro, plen)), Do("ip " + back, gap=0.3)]
        for name, rules in (("", masq), ("-not-snat", fixed_to)):
            yield case("masquerade-addr-gone%s-%d" % (name, v), start + gone + [Do(x) for x in neigh_back] + again, rules, v, covers=["MASQUERADE"])
        yield case("masquerade-other-addr-gone-%d" % v, start + [Do("ip addr del %s%s dev eth1" % (second, plen))] + again, masq, v, covers=["MASQUERADE"],
                   net=["addr add %s%s dev eth1 nodad" % (second, plen)])
        down = [Do("ip link set eth1 down"), Do("ip link set eth1 up", gap=0.3)]
        if v == 4:
            yield case("masquerade-iface-down-4", start + down + [Do(x) for x in neigh_back] + again, masq, v, covers=["MASQUERADE"])
            yield case("masquerade-other-iface-down-4", start + [Do("ip link set eth2 down")] + again, masq, v, covers=["MASQUERADE"])


def quotes_in_quotes():
    """An ICMP error about an ICMP error is nobody's; one about an echo of a translated connection is."""
    for v, a, b, to in ((4, A, B, "10.1.0.9"), (6, A6, B6, "fd00:1::9")):
        t = 3 if v == 4 else 1
        rules = ["POSTROUTING -o eth1 -j SNAT --to-source " + to]
        one = error_about(0, t, 1)

        def two(o):
            return icmp(t, 1, data=one(o))(fixed("10.1.0.254" if v == 4 else "fd00:1::fe", to))

        def turned(o):
            """An error about the error that the inside got."""
            p = out_of(o, 1, "eth0")
            return p and icmp(t, 1, data=p)(fixed(a, b))
        for kind, probe in (("udp", udp(1111, 53, data=b"q" * 30)), ("echo", echo(7, 1))):
            yield case("icmp-error-twice-%s-%d" % (kind, v), [Send("eth0", probe(ip(a, b))), Send("eth1", one), Send("eth1", two), Send("eth0", turned),
                                                              Send("eth1", one)], rules, v, covers=["icmp-error", "nat"])


def shapes():
    """Checksums, fragments, options, extension headers, and packets that NAT leaves alone."""
    snat4, snat6 = ["POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.9"], ["POSTROUTING -o eth1 -j SNAT --to-source fd00:1::9"]
    items = [Send("eth0", udp(1, 2, check=0)(ip(A, B))), Send("eth0", udp(3, 4, check=1)(ip(A, B))), Send("eth0", tcp(1, 2, "S", check=5)(ip(A, B))),
             Send("eth0", echo(1, 1)(ip(A, B))), Send("eth0", icmp(8, 0, b"\0\1\0\1", b"x", check=9)(ip(A, B))),
             Send("eth0", udp(5, 6)(ip(A, B, options=b"\x94\x04\0\0"))), Send("eth0", udp(5, 6, data=b"")(ip(A, B))),
             Send("eth0", udp(5, 6, data=b"odd")(ip(A, B, tos=0x10, ttl=5)))]
    yield case("checksums-4", items, snat4, covers=["nat"])
    yield case("checksums-4-unchecked", items, snat4, covers=["nat"], sysctl={"net.netfilter.nf_conntrack_checksum": 0})
    # sums that come out as zero
    items = []
    for k in range(40):
        items.append(Send("eth0", udp(1000 + k, 2, data=struct.pack("!H", (0x10000 - k * 1637) & 0xFFFF))(ip(A, B))))
    yield case("checksum-zero", items, snat4, covers=["nat"])
    big = udp(7, 8, data=bytes(range(256)) * 8)(ip(A, B))
    yield case("fragments-4", [Send("eth0", f) for f in fragments4(big, [1000, 800])] + [Send("eth0", f) for f in fragments4(big, [1480])] +
               [Send("eth1", answer(2))], snat4, covers=["nat", "defrag"])
    big6 = udp(7, 8, data=bytes(range(256)) * 8)(ip(A6, B6))
    yield case("fragments-6", [Send("eth0", f) for f in fragments6(big6, [1000, 800], 77)], snat6, v=6, covers=["nat", "defrag"], masks={"frag6-id"})
    # first pieces too short for the headers that NAT wants whole
    whole = tcp(7, 80, "S", 5, data=b"t" * 100)(ip(A, B))
    yield case("fragments-short-head", [Send("eth0", f) for f in fragments4(whole, [8, 8, 40])], snat4, covers=["nat", "defrag"])
    items = [Send("eth0", udp(7, 8, data=b"u" * 300)(ip(A, B)))]
    for cut in ([8, 8], [8, 24], [24, 16, 64], [40, 8]):
        for n in range(len(cut) + 1):
            def piece(o, cut=cut, n=n):
                p = error_about(0, 3, 1)(o)
                p = p[:4] + struct.pack("!H", 0x100 + sum(cut)) + p[6:]
                f = fragments4(p, cut)
                return f[n] if n < len(f) else None
            items.append(Send("eth1", piece))
    yield case("fragments-error", items, snat4, covers=["nat", "defrag", "icmp-error"])
    yield case("fragments-error-not-for-nat", items, ["POSTROUTING -p tcp -j MASQUERADE"], covers=["nat", "defrag", "icmp-error"])
    hop = (0, b"\0\0\x05\x02\0\0\x01\0")
    dst = (60, b"\0\0\x01\x04\0\0\0\0")
    items = [Send("eth0", udp(1, 2)(Ip6(A6, B6, ext=[dst]))), Send("eth0", tcp(1, 2, "S", 1)(Ip6(A6, B6, ext=[dst, dst]))),
             Send("eth0", echo(1, 1)(Ip6(A6, B6, ext=[hop]))), Send("eth1", answer(0)), Send("eth0", udp(1, 2, check=0)(ip(A6, B6))),
             Send("eth0", Ip6(A6, B6)(b"", 59)), Send("eth1", error_about(0, 1, 3)),
             Send("eth1", lambda o: icmp(1, 3, data=out_of(o, 1))(Ip6(B6, "fd00:1::9", ext=[dst])))]
    yield case("ext-headers-6", items, snat6, v=6, covers=["nat"])
    for name, proto, body in (("esp", 50, b"\0\0\1\0\0\0\0\1" + b"e" * 20), ("rsvp", 46, b"r" * 12),
                              ("ipip", 4, b"E" * 20), ("proto0", 0, b"zero")):
        items = [Send("eth0", raw(proto, body)(ip(A, B))), Send("eth1", answer(0)), Send("eth0", raw(proto, body)(ip(A3, B)))]
        yield case("other-" + name, items, snat4, covers=["nat"], masks=ANY)
    rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING DROP [0:0]\n:x - [0:0]\n-A PREROUTING -p tcp -j x\n-A x -p tcp --dport 80 -j RETURN\n" \
        "-A x -j DNAT --to-destination 10.1.0.3\n-A PREROUTING -p udp -j ACCEPT\n-A POSTROUTING -p tcp --dport 80 -j ACCEPT\n-A POSTROUTING -p tcp -j SNAT --to-source 10.1.0.9\nCOMMIT\n"
    items = [Send("eth0", tcp(1, 80, "S", 1)(ip(A, B))), Send("eth0", tcp(1, 80, "A", 2, 1)(ip(A, B))), Send("eth0", tcp(1, 81, "S", 1)(ip(A, B))),
             Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", tcp(1, 81, "R", 1)(ip(A, B))),
             Send("eth0", tcp(9, 81, "R", 1)(ip(A, B)))]
    yield Case("chains-and-policies", items, v4=rules, covers=["nat"])
    rules = "*raw\n-A PREROUTING -p udp -j NOTRACK\nCOMMIT\n" + nat("POSTROUTING -j MASQUERADE", "PREROUTING -j DNAT --to-destination 10.1.0.3")
    yield Case("untracked", [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", tcp(1, 2, "S", 1)(ip(A, B))), Send("eth0", tcp(1, 2, "SA", 1)(ip(A, B)))],
               v4=rules, covers=["nat"])
    two = "*raw\n-A PREROUTING -i eth0 -j CT --zone 1\n-A PREROUTING -i eth2 -j CT --zone 2\nCOMMIT\n" + nat("POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.9")
    yield Case("zones", [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth2", udp(1000, 53)(ip(A, B))), Send("eth2", udp(1000, 53)(ip(C, B))), Send("eth1", answer(0))],
               v4=two, covers=["nat", "zone"], masks=ANY)
    half = "*raw\n-A PREROUTING -i eth0 -j CT --zone-orig 1\n-A PREROUTING -i eth2 -j CT --zone-orig 2\nCOMMIT\n" + nat("POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.9")
    yield Case("zones-of-one-direction", [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth2", udp(1000, 53)(ip(A, B))), Send("eth1", answer(0)), Send("eth1", answer(1))],
               v4=half, covers=["nat", "zone"], masks=ANY)
    items = [Do("conntrack -I -s 10.0.0.2 -d 10.1.0.2 -p udp --sport 5 --dport 53 -t 60 -n 10.1.0.9:77"), Send("eth0", udp(5, 53)(ip(A, B))),
             Send("eth1", udp(53, 77)(ip(B, "10.1.0.9"))), Do("conntrack -I -s 10.0.0.2 -d 10.0.0.1 -p udp --sport 5 --dport 53 -t 60 -g 10.1.0.2"),
             Send("eth0", udp(5, 53)(ip(A, R))), Do("conntrack -I -s 10.0.0.2 -d 10.1.0.2 -p tcp --sport 5 --dport 80 --state ESTABLISHED -t 60 -n 10.1.0.9"),
             Send("eth0", tcp(5, 80, "A", 1, 1)(ip(A, B)))]
    yield case("by-hand", items, ["POSTROUTING -j ACCEPT"], covers=["nat", "conntrack-command"])
    items = [Send("eth0", udp(5, 53)(ip(A, B))), Do("iptables -t nat -A POSTROUTING -j SNAT --to-source 10.1.0.9"), Send("eth0", udp(5, 53)(ip(A, B))),
             Send("eth0", udp(6, 53)(ip(A, B))), Do("iptables -t nat -F"), Send("eth0", udp(6, 53)(ip(A, B))), Send("eth0", udp(7, 53)(ip(A, B)))]
    yield case("rules-change", items, ["PREROUTING -j ACCEPT"], covers=["nat"], conntrack="on")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp(sport, dport, tag, *chunks):
    def build(l3):
        body = struct.pack("!HHII", sport, dport, tag, 0) + b"".join(
            struct.pack("!BBH", kind, 0, 4 + len(data)) + data + b"\0" * (-len(data) % 4) for kind, data in chunks)
        return l3(body[:8] + struct.pack("<I", crc32c(body)) + body[12:], 132)
    return build


def udplite(sport, dport, data=b"body", coverage=8):
    def build(l3):
        seg = struct.pack("!HHHH", sport, dport, coverage, 0) + data
        n = coverage or len(seg)
        return l3(seg[:6] + struct.pack("!H", csum(pseudo(l3.src, l3.dst, 136, len(seg)) + seg[:n]) or 0xFFFF) + seg[8:], 136)
    return build


def other_protocols():
    init = (1, struct.pack("!IIHHI", 7, 65535, 1, 1, 1))
    ack = (2, struct.pack("!IIHHI", 9, 65535, 1, 1, 1) + struct.pack("!HH", 7, 8) + b"cook")
    for v, a, a3, b, b3, to, r in ((4, A, A3, B, B3, "10.1.0.9", R), (6, A6, A36, B6, "fd00:1::3", "fd00:1::9", R6)):
        br = (lambda x: x) if v == 4 else (lambda x: "[%s]" % x)
        items = [Send("eth0", sctp(5, 6, 0, init)(ip(a, b))), Send("eth1", sctp(6, 5, 7, ack)(ip(b, to))),
                 Send("eth0", sctp(5, 6, 9, (10, b"cook"))(ip(a, b))), Send("eth1", sctp(6, 5, 7, (11, b""))(ip(b, to))),
                 Send("eth0", sctp(5, 6, 9, (0, b"\0" * 12 + b"data"))(ip(a, b))), Send("eth1", error_about(0, 3 if v == 4 else 1, 1)),
                 Send("eth1", error_about(0, 3 if v == 4 else 1, 1, size=28 if v == 4 else 48)),
                 Send("eth0", sctp(5, 6, 0, init)(ip(a3, b))), Send("eth0", sctp(5, 6, 0, init)(ip(a3, b3)))]
        yield case("sctp-snat-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["nat", "sctp"], masks=ANY)
        items = [Send("eth1", sctp(5, 6, 0, init)(ip(b, r))), Send("eth0", sctp(3868, 5, 7, ack)(ip(a, b))), Send("eth1", sctp(5, 6, 9, (10, b"cook"))(ip(b, r)))]
        yield case("sctp-dnat-%d" % v, items, ["PREROUTING -p sctp -j DNAT --to-destination %s:3868" % br(a)], v, covers=["nat", "sctp"])
        items = [Send("eth0", udplite(5, 6)(ip(a, b))), Send("eth1", udplite(6, 5, coverage=0)(ip(b, to))), Send("eth0", udplite(5, 6, coverage=10)(ip(a, b))),
                 Send("eth0", udplite(5, 6)(ip(a3, b))), Send("eth1", error_about(0, 3 if v == 4 else 1, 1))]
        yield case("udplite-snat-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["nat", "udplite"], masks=ANY)
        pptp = lambda call: raw(47, struct.pack("!BBHHHI", 0x30, 0x81, 0x880B, 4, call, 1) + b"data")
        items = [Send("eth0", pptp(7)(ip(a, b))), Send("eth1", pptp(0)(ip(b, to))), Send("eth0", pptp(7)(ip(a3, b))), Send("eth0", pptp(8)(ip(a, b))),
                 Send("eth0", raw(47, b"\0\0\x08\0data")(ip(a, b))), Send("eth1", raw(47, b"\0\0\x08\0data")(ip(b, to))),
                 Send("eth0", raw(47, b"\0\0")(ip(a, b))), Send("eth0", raw(47, b"\x20\2\x88\x0b\0\4\0\7\0\0\0\1")(ip(a, b)))]
        yield case("gre-snat-%d" % v, items, ["POSTROUTING -o eth1 -j SNAT --to-source " + to], v, covers=["nat", "gre"])
        yield case("gre-dnat-%d" % v, [Send("eth1", pptp(7)(ip(b, r))), Send("eth0", pptp(0)(ip(a, b)))],
                   ["PREROUTING -p 47 -j DNAT --to-destination " + a], v, covers=["nat", "gre"])


def cases():
    for part in (other_protocols, simple, ranges, clashes, hairpins, icmp_errors, local, masquerades, masquerades_gone, quotes_in_quotes, shapes):
        yield from part()
