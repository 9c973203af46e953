"""Matches that look at headers: many spellings of each in one chain, and packets that should and should not fit.

Rules have no target: their counters say who matched. What drops the packet at once comes in a case of its own."""
import struct

from case import Case, Do, Send
from packets import *

A, B, B2, R0 = "10.0.0.2", "10.1.0.2", "10.1.0.3", "10.0.0.1"
A6, B6, R06 = "fd00::2", "fd00:1::2", "fd00::1"
EXT6 = [[(0, b"\0\0\x01\x04\0\0\0\0")], [(60, b"\0\0\x01\x04\0\0\0\0")], [(44, b"\0\0\0\0\0\0\0\x05")], [(43, b"\0\0\x03\0\0\0\0\0")],
        [(0, b"\0\0\x01\x04\0\0\0\0"), (60, b"\0\x01\x01\x0c" + b"\0" * 12)], [(51, b"\0\x04\0\0" + b"\1" * 20)]]


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def match(name, rules, packets4, packets6=None, hook="FORWARD", table="filter", rules6=None, covers=None, **kw):
    covers = covers or [name.split("-")[0]]
    for v, packets, lines in ((4, packets4, rules), (6, packets6, rules6 or rules)):
        if packets is not None:
            items = [p if isinstance(p, (Send, Do)) else Send("eth0", p) for p in packets]
            yield Case("%s-%d" % (name, v), items, covers=covers, **{"v%d" % v: chain(table, hook, lines)}, **kw)


def both(build):
    return [b(ip(A, B)) for b in build], [b(ip(A6, B6)) for b in build]


def cut(proto, data):
    """Every short length of an L4 header, each in a case of its own."""
    for n in (0, 3, 4, 7, 8, 11, 12, 15, 16, 19):
        if n < len(data):
            yield n, raw(proto, data[:n])(ip(A, B)), raw(proto, data[:n])(ip(A6, B6))


def small_cases():
    types = ["-m pkttype --pkt-type " + t for t in ("unicast", "broadcast", "multicast", "otherhost")] + ["-m pkttype ! --pkt-type unicast", "-m pkttype ! --pkt-type multicast"]
    u = udp(1, 2)
    frames = [Send("eth0", u(ip(A, B))), Send("eth0", u(ip(A, B)), dst="02:00:00:00:00:77"), Send("eth0", u(ip(A, "10.0.0.255")), dst="ff:ff:ff:ff:ff:ff"),
              Send("eth0", u(ip(A, "224.0.0.1")), dst="01:00:5e:00:00:01"), Send(None, u(ip(R0, A))), Send(None, u(ip(R0, R0))), Send(None, u(ip(R0, "224.0.0.1"))),
              Send(None, u(ip(R0, "10.0.0.255")))]
    frames6 = [Send("eth0", u(ip(A6, B6))), Send("eth0", u(ip(A6, B6)), dst="02:00:00:00:00:77"), Send("eth0", u(ip(A6, "ff02::1")), dst="33:33:00:00:00:01"),
               Send("eth0", u(ip(A6, R06))), Send(None, u(ip(R06, R06)))]
    for hook, table in (("PREROUTING", "raw"), ("INPUT", "filter"), ("FORWARD", "filter"), ("POSTROUTING", "mangle"), ("OUTPUT", "filter")):
        yield from match("pkttype-" + hook.lower(), types, frames, frames6, hook=hook, table=table)
    yield from match("cpu", ["-m cpu --cpu 4294967295", "-m cpu ! --cpu 4294967295", "-m cpu --cpu 4096"], *both([u]))
    phys = ["-m physdev --physdev-in eth0", "-m physdev ! --physdev-in eth0", "-m physdev --physdev-is-in", "-m physdev ! --physdev-is-in", "-m physdev --physdev-is-bridged",
            "-m physdev ! --physdev-is-bridged ! --physdev-is-out", "-m physdev ! --physdev-is-bridged --physdev-is-in", "-m physdev ! --physdev-in eth0 ! --physdev-out eth1"]
    for hook, frames in (("FORWARD", both([u])), ("INPUT", ([u(ip(A, R0))], [u(ip(A6, R06))]))):
        yield from match("physdev-" + hook.lower(), phys, *frames, hook=hook)
    yield from match("physdev-refused", ["-m physdev --physdev-out eth0"], [], [], hook="OUTPUT")
    groups = ["-m devgroup --src-group 5", "-m devgroup ! --src-group 5", "-m devgroup --src-group 0x4/0x4", "-m devgroup --src-group 0", "-m devgroup --src-group 1/0"]
    dst = ["-m devgroup --dst-group 7", "-m devgroup ! --dst-group 7 --src-group 5", "-m devgroup --dst-group default", "-m devgroup --src-group 5 --dst-group 7"]
    net = ["link set eth0 group 5", "link set eth1 group 7"]
    packets = [Send("eth0", u(ip(A, B))), Send("eth1", u(ip(B, A))), Send("eth2", u(ip("10.2.0.2", A))), Send("eth0", u(ip(A, R0)))]
    packets6 = [Send("eth0", u(ip(A6, B6))), Send("eth1", u(ip(B6, A6))), Send("eth2", u(ip("fd00:2::2", A6))), Send("eth0", u(ip(A6, R06)))]
    yield from match("devgroup-forward", groups + dst, packets, packets6, net=net)
    yield from match("devgroup-prerouting", groups, packets, packets6, hook="PREROUTING", table="raw", net=net)
    yield from match("devgroup-postrouting", dst[:1] + dst[2:3] + ["-m devgroup ! --dst-group 7"], packets + [Send(None, u(ip("10.1.0.1", B)))], packets6, hook="POSTROUTING", table="mangle", net=net)
    for hook, rule in (("INPUT", dst[0]), ("OUTPUT", groups[0]), ("POSTROUTING", groups[0]), ("PREROUTING", dst[0])):
        yield from match("devgroup-refused-" + hook.lower(), [rule], [], [], hook=hook, table="mangle")
    realms = ["-m realm --realm 5", "-m realm ! --realm 5", "-m realm --realm 0", "-m realm --realm 4/4", "-m realm --realm 0x5/0xffff", "-m realm --realm 0x70000/0xffff0000", "-m realm ! --realm 1/1"]
    net = ["route add 192.0.2.0/24 via 10.1.0.3 realm 5", "route add 198.51.100.0/24 via 10.1.0.4 realm 6", "route add 203.0.113.0/24 via 10.1.0.5"]
    packets = [u(ip(A, d)) for d in ("192.0.2.1", "198.51.100.1", "203.0.113.1", B, R0)] + [Send(None, u(ip("10.1.0.1", "192.0.2.1")))]
    for hook in ("FORWARD", "INPUT", "OUTPUT", "POSTROUTING"):
        yield from match("realm-" + hook.lower(), realms, packets, hook=hook, table="mangle", net=net)
    yield from match("realm-refused", realms[:1], [], hook="PREROUTING", table="mangle")
    yield from match("helper", ["-m helper --helper ftp", "-m helper ! --helper ftp", '-m helper --helper ""'], [tcp(1000, 21, "S", 1)(ip(A, B)), u(ip(A, B))],
                     [tcp(1000, 21, "S", 1)(ip(A6, B6)), u(ip(A6, B6))])


def tcp_cases():
    mss_rules = ["-p tcp -m tcpmss --mss %s" % r for r in ("1460", "536:1460", ":1000", "1461:", "0:65535", "0")] + ["-p tcp -m tcpmss ! --mss 1460", "-p tcp -m tcpmss ! --mss 0:65535"]
    lists = [b"", mss(1460), mss(536), mss(535), mss(0), mss(65535), b"\x01" + mss(1460)[:3], b"\x02\x03\x05\xb4" + mss(1461), b"\x00" + mss(1460) + b"\1\1\1", b"\x01\x01" + mss(9) + b"\1\1",
             wscale(7) + mss(1460), b"\xfe\0\x02\x04" + mss(7), timestamp(1, 2) + mss(1000), b"\x02\x04\x05", b"\x01" * 36 + b"\x02\x04\x05\xb4", b"\x01" * 37 + b"\x02\x04\x05"]
    yield from match("tcpmss", mss_rules, *both([tcp(1, 80, "S", 1, options=o) for o in lists]))
    yield from match("tcpmss-flags", mss_rules, *both([tcp(1, 80, f, 1, 2, options=mss(1460)) for f in ("S", "SA", "A", "R", 0)]))
    yield from match("tcpmss-doff-4", mss_rules[:1] + ["-p tcp"], *both([tcp(1, 80, "S", 1, doff=4)]))
    yield from match("tcpmss-doff-15", mss_rules[:1] + ["-p tcp"], *both([tcp(1, 80, "S", 1, doff=15)]))
    for n, p4, p6 in cut(6, tcp(1, 80, "S", 1)(ip(A, B))[20:]):
        yield from match("tcpmss-short-%d" % n, mss_rules[:1] + ["-p tcp"], [p4], [p6])
    big = tcp(1, 80, "S", 1, options=mss(1460), data=b"\x60\0\0\0" * 30)
    yield from match("tcpmss-fragments", mss_rules, fragments4(big(ip(A, B)), [48, 48]), fragments6(big(ip(A6, B6)), [48, 48], 7))
    yield from match("tcpmss-refused", ["-m tcpmss --mss 5"], [], [])
    yield from match("tcpmss-behind-headers", mss_rules, None, [tcp(1, 80, "S", 1, options=mss(1460))(ip(A6, B6, ext=e)) for e in EXT6])
    ecn = ["-m ecn --ecn-ip-ect %d" % n for n in range(4)] + ["-m ecn ! --ecn-ip-ect %d" % n for n in range(4)]
    ecn_tcp = ["-p tcp -m ecn " + o for o in ("--ecn-tcp-cwr", "--ecn-tcp-ece", "! --ecn-tcp-cwr", "! --ecn-tcp-ece", "--ecn-tcp-cwr --ecn-tcp-ece", "! --ecn-tcp-ece --ecn-tcp-cwr --ecn-ip-ect 1")]
    yield from match("ecn-ip", ecn, [udp(1, 2)(ip(A, B, tos=t)) for t in (0, 1, 2, 3, 0xb8, 0xff, 4)], [udp(1, 2)(ip(A6, B6, tos=t, flow=0xfffff)) for t in (0, 1, 2, 3, 0xb8, 0xff, 4)])
    flags = ["S", "SEC", "SE", "SC", "AE", "AC", "AEC", "A", 0]
    yield from match("ecn-tcp", ecn_tcp + ecn, *both([tcp(1, 80, f, 1, 2) for f in flags]))
    yield from match("ecn-tcp-tos", ecn_tcp + ecn, [tcp(1, 80, "SC", 1, 2)(ip(A, B, tos=t)) for t in range(4)], [tcp(1, 80, "SC", 1, 2)(ip(A6, B6, tos=t)) for t in range(4)])
    for n, p4, p6 in cut(6, tcp(1, 80, "SEC", 1)(ip(A, B))[20:]):
        yield from match("ecn-short-%d" % n, ecn_tcp + ["-p tcp"], [p4], [p6])
    yield from match("ecn-fragments", ecn_tcp + ecn, fragments4(tcp(1, 80, "SEC", 1, data=b"\xff" * 90)(ip(A, B, tos=1)), [48, 48]), fragments6(tcp(1, 80, "SEC", 1, data=b"\xff" * 90)(ip(A6, B6, tos=1)), [48, 48], 7))
    yield from match("ecn-behind-headers", ecn_tcp, None, [tcp(1, 80, "SEC", 1)(ip(A6, B6, ext=e)) for e in EXT6])
    yield from match("ecn-refused", ["-m ecn --ecn-tcp-ece"], [], [])


def spi_cases():
    spis = (0, 1, 5, 256, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff)
    for name, proto in (("esp", 50), ("ah", 51)):
        rules = ["-p %s -m %s --%sspi %s" % (name, name, name, r) for r in ("0", "5", "256:65536", "0:4294967295", ":5", "0x80000000:", "7:5")]
        rules += ["-p %s -m %s ! --%sspi %s" % (name, name, name, r) for r in ("0", "5", "256:65536")] + ["-p " + name]
        body = (lambda s: struct.pack("!II", s, 7) + b"x" * 16) if name == "esp" else (lambda s: struct.pack("!BBHII", 59, 4, 0, s, 7) + b"x" * 12)
        packets = [raw(proto, body(s)) for s in spis]
        if name == "esp":
            yield from match("esp", rules, *both(packets))
            yield from match("esp-behind-headers", rules, None, [raw(50, body(5))(ip(A6, B6, ext=e)) for e in EXT6])
        else:
            yield from match("ah", rules, [p(ip(A, B)) for p in packets])
        for n, p4, p6 in cut(proto, body(5)):
            yield from match("%s-short-%d" % (name, n), rules, [p4], [p6] if name == "esp" else None)
        yield from match(name + "-fragments", rules, fragments4(raw(proto, body(5) + b"z" * 80)(ip(A, B)), [24, 48]),
                         fragments6(raw(proto, body(5) + b"z" * 80)(ip(A6, B6)), [24, 48], 7) if name == "esp" else None)
        yield from match(name + "-refused", ["-m %s --%sspi 5" % (name, name)], [])
    rules = ["-p ipcomp -m ipcomp --ipcompspi %s" % r for r in ("0", "5", "256:65535", "0:4294967295", ":5", "60000:", "7:5", "65536")]
    rules += ["-p ipcomp -m ipcomp ! --ipcompspi %s" % r for r in ("0", "5", "256:65536")] + ["-p ipcomp -m ipcomp --compres", "-p ipcomp"]
    comp = lambda index: struct.pack("!BBH", 6, 1, index) + b"x" * 12
    yield from match("ipcomp", rules, *both([raw(108, comp(s)) for s in (0, 1, 5, 255, 256, 59999, 60000, 65535)]))
    yield from match("ipcomp-behind-headers", rules, None, [raw(108, comp(5))(ip(A6, B6, ext=e)) for e in EXT6])
    for n, p4, p6 in cut(108, comp(5)):
        yield from match("ipcomp-short-%d" % n, rules, [p4], [p6])
    yield from match("ipcomp-fragments", rules, fragments4(raw(108, comp(5) + b"z" * 80)(ip(A, B)), [24, 48]),
                     fragments6(raw(108, comp(5) + b"z" * 80)(ip(A6, B6)), [24, 48], 7))
    yield from match("ipcomp-refused", ["-m ipcomp --ipcompspi 5"], [], [])
    rules6 = ["-m ah --ahspi " + r for r in ("0", "5", "256:65536", ":5")] + ["-m ah ! --ahspi 5", "-m ah --ahlen 24", "-m ah ! --ahlen 24", "-m ah --ahlen 12 --ahspi 5", "-m ah --ahres", "-m ah", ""]

    def header(spi, words=4, res=0, size=None):
        return struct.pack("!BBHII", 0, words, res, spi, 7) + b"x" * ((words + 2) * 4 - 12 if size is None else size)
    yield from match("ah-extension", rules6, None, [udp(1, 2)(ip(A6, B6, ext=[(51, header(s))])) for s in spis] + [udp(1, 2)(ip(A6, B6, ext=[(51, header(5, 2))])),
                     udp(1, 2)(ip(A6, B6, ext=[(51, header(5, 4, 9))])), udp(1, 2)(ip(A6, B6)), udp(1, 2)(ip(A6, B6, ext=[(0, b"\0\0\x01\x04\0\0\0\0"), (51, header(5))])),
                     udp(1, 2)(ip(A6, B6, ext=[(51, header(5)), (51, header(6))])), raw(59, b"")(ip(A6, B6, ext=[(51, header(5, 1))]))])
    for n, words in ((0, 4), (1, 4), (2, 4), (11, 4), (12, 4), (20, 4), (23, 4), (12, 1)):
        yield from match("ah-extension-cut-%d-%d" % (n, words), rules6, None, [raw(51, (b"\x11" + header(5, words)[1:])[:n])(ip(A6, B6))])
    yield from match("ah-extension-hbh-cut", rules6, None, [raw(0, b"\x33")(ip(A6, B6)), raw(60, b"\x33\x05\0\0")(ip(A6, B6))])
    yield from match("ah-extension-fragments", rules6, None, fragments6(raw(51, b"\x11" + header(5)[1:] + b"q" * 90)(ip(A6, B6)), [48, 48], 9))


def u32_cases():
    rules = ['-m u32 --u32 "%s"' % t for t in (
        "0>>28=4", "0>>28=6", "6&0xFF=17", "6&0xFF=6,17", "4&0x3FFF=0 && 0>>22&0x3C@0>>16=1:5", "0>>22&0x3C@2&0xffff=80", "0>>22&0x3C@8=0x61626364", "0>>22&0x3C@12>>26&0x3C@0=0x61626364",
        "100=0:0xffffffff", "24=0:0xffffffff", "28=0:0xffffffff", "29=0:0xffffffff", "36=0:0xffffffff", "4294967295=0:0xffffffff", "0@0=0:0xffffffff", "0&0@4294967292=0:0xffffffff",
        "0<<4>>28=5", "0<<31=0x80000000", "0>>31=0", "12=0x0a000002", "40=0:0xffffffff && 12=0x0a000002", "0=5:3", "0&0&0=0", "6&0=0@0=0:0xffffffff")[:-1]]
    rules += ['-m u32 ! --u32 "%s"' % t for t in ("0>>28=4", "100=0:0xffffffff", "6&0xFF=17", "0@0=0:0xffffffff")]
    build = [udp(1, 2, b"abcd"), udp(1, 80, b""), tcp(1000, 80, "PA", 1, 2, data=b"abcdefgh"), echo(1, 1, b"q" * 100), raw(99, b"xyz"), raw(99, b"")]
    yield from match("u32", rules, *both(build))
    for n, op in ((31, ">>"), (32, ">>"), (32, "<<"), (33, "<<"), (4294967295, ">>")):
        yield from match("u32-shift-%d%s" % (n, op), ['-m u32 --u32 "0%s%d=0"' % (op, n)], *both(build[:1]))
    yield from match("u32-options", rules, [b(ip(A, B, options=b"\x01" * 12)) for b in build], [build[0](ip(A6, B6, ext=e)) for e in EXT6])
    yield from match("u32-prerouting", rules, *both(build), hook="PREROUTING", table="raw")
    yield from match("u32-fragments", rules, fragments4(udp(1, 2, b"abcd" * 30)(ip(A, B)), [24, 48]), fragments6(udp(1, 2, b"abcd" * 30)(ip(A6, B6)), [24, 48], 7))
    yield from match("u32-fragments-tracked", rules, fragments4(udp(1, 2, b"abcd" * 30)(ip(A, B)), [24, 48]), fragments6(udp(1, 2, b"abcd" * 30)(ip(A6, B6)), [24, 48], 7), conntrack="on")


def cases():
    for group in (small_cases, tcp_cases, spi_cases, u32_cases):
        yield from group()
