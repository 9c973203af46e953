"""Each match of issue 2: many spellings of it in one chain, and packets that should and should not fit.

Rules have no target: their counters say who matched, and the packets go on. Packets that a match drops at once
(hotdrop) come last or in a case of their own, since the rules behind never see them.
"""
from case import Case, Do, Send
from packets import *

A, A2, A3, B, B2, C, R0, R1 = "10.0.0.2", "10.0.0.3", "10.0.0.9", "10.1.0.2", "10.1.0.3", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, A62, B6, B62, C6, R06, R16 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:1::3", "fd00:2::2", "fd00::1", "fd00:1::1"


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def inp(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def match(name, rules, packets4, packets6=None, hook="FORWARD", table="filter", rules6=None, **kw):
    """The rules in IPv4 and, when there are packets for it, in IPv6."""
    covers = kw.pop("covers", [name.split("-")[0]])
    if packets4 is not None:
        yield Case(name + "-4", [p if isinstance(p, (Send, Do)) else Send("eth0", p) for p in packets4],
                   v4=chain(table, hook, rules), covers=covers, **kw)
    if packets6 is not None:
        yield Case(name + "-6", [p if isinstance(p, (Send, Do)) else Send("eth0", p) for p in packets6],
                   v6=chain(table, hook, rules6 or rules), covers=covers, **kw)


def both(build):
    """The same L4 over both families."""
    return [b(ip(A, B)) for b in build], [b(ip(A6, B6)) for b in build]


def short(proto, n, l3):
    return l3(b"\x04\xd2\0\x50" * 8 if n > 32 else (b"\x04\xd2\0\x50" * 8)[:n], proto)


# A first fragment that holds less than the header, and later ones; IPv6 pieces carry the same ports.
def pieces4(proto, sizes, payload=b"\x04\xd2\0\x50" * 20):
    return fragments4(raw(proto, payload)(ip(A, B)), sizes)


def pieces6(proto, sizes, payload=b"\x04\xd2\0\x50" * 20):
    return fragments6(raw(proto, payload)(ip(A6, B6)), sizes, 77)


EXT6 = {
    "hbh": [(0, b"\0\0\x01\x04\0\0\0\0")], "dst": [(60, b"\0\0\x01\x04\0\0\0\0")], "frag": [(44, b"\0\0\0\0\0\0\0\x05")],
    "two": [(0, b"\0\0\x01\x04\0\0\0\0"), (60, b"\0\x01\x01\x0c" + b"\0" * 12)], "ah": [(51, b"\0\x04\0\0" + b"\1" * 20)],
    "rt": [(43, b"\0\0\x03\0\0\0\0\0")],
}


def tcp_cases():
    rules = ["-p tcp -m tcp --sport 1000", "-p tcp -m tcp ! --sport 1000", "-p tcp -m tcp --dport 80:90", "-p tcp -m tcp ! --dport 80:90",
             "-p tcp -m tcp --sport 1000 --dport 80", "-p tcp -m tcp --sport :1000", "-p tcp -m tcp --dport 65535", "-p tcp -m tcp --dport 0",
             "-p tcp --syn", "-p tcp ! --syn", "-p tcp -m tcp --tcp-flags ALL NONE", "-p tcp -m tcp --tcp-flags ALL FIN,PSH,URG",
             "-p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK", "-p tcp -m tcp ! --tcp-flags RST RST", "-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN",
             "-p tcp -m tcp --tcp-flags SYN ACK"]
    flags = ["S", "SA", "A", "PA", "FA", "R", "RA", "FPU", 0, "SF", "SEC", "FSRPAUEC", "U"]
    yield from match("tcp-flags", rules, *both([tcp(1000, 80, f, 1, 2, data=b"x" * n) for n, f in enumerate(flags)]))
    ports = [(1000, 80), (999, 79), (1001, 90), (1, 91), (65535, 65535), (0, 0)]
    yield from match("tcp-ports", rules, *both([tcp(s, d, "A", 1, 2, data=b"x" * n) for n, (s, d) in enumerate(ports)]))
    opts = ["-p tcp -m tcp --tcp-option %d" % n for n in (2, 3, 5, 8, 1, 254)] + ["-p tcp -m tcp ! --tcp-option 2", "-p tcp -m tcp ! --tcp-option 254"]
    lists = [b"", mss(1460), mss(1460) + wscale(7), b"\x01\x01\x01\x01", b"\x00" + mss(1460)[:3], b"\xfe\x04xx" + mss(9), b"\xfe\0\x02\x04",
             b"\x09\x03\x02" + b"\x01", sack((1, 2)), timestamp(1, 2), b"\x01" * 40, b"\x05\xff\x02\x04", b"\x01\x01\x01\x02", b"\x01\x01\x01\xfe"]
    yield from match("tcp-option", opts, *both([tcp(1000, 80, "S", 1, options=o) for o in lists]))
    yield from match("tcp-option-short-doff", opts, [tcp(1000, 80, "S", 1, doff=4)(ip(A, B))], [tcp(1000, 80, "S", 1, doff=4)(ip(A6, B6))])
    yield from match("tcp-option-cut", opts, [tcp(1000, 80, "S", 1, doff=8)(ip(A, B))], [tcp(1000, 80, "S", 1, doff=8)(ip(A6, B6))])
    for n in (0, 1, 8, 19, 20):
        yield from match("tcp-short-%d" % n, ["-p tcp -m tcp --dport 80", "-p tcp -m tcp"], [short(6, n, ip(A, B))], [short(6, n, ip(A6, B6))])
    yield from match("tcp-fragments", ["-p tcp -m tcp --dport 80", "-p tcp", "-p tcp ! --syn", ""], pieces4(6, [24, 16]), pieces6(6, [24, 16]))
    yield from match("tcp-fragment-8", ["-p tcp -m tcp --dport 80", "-p tcp", ""], [frag4(raw(6, b"x" * 60)(ip(A, B)), 8, 24, True)],
                     [frag6(raw(6, b"x" * 60)(ip(A6, B6)), 8, 24, True, 5)])
    yield from match("tcp-first-fragment-short", ["-p tcp -m tcp --dport 80", "-p tcp", ""], [pieces4(6, [16, 16])[0]], [pieces6(6, [16, 16])[0]])
    yield from match("tcp-behind-headers", ["-p tcp -m tcp --dport 80", "-p tcp", "-p udp", ""], None,
                     [tcp(1000, 80, "S", 1)(ip(A6, B6, ext=e)) for e in EXT6.values()])
    yield from match("tcp-ip-options", ["-p tcp -m tcp --dport 80", "-p tcp --syn"], [tcp(1000, 80, "S", 1)(ip(A, B, options=b"\x01" * 8))])


def udp_cases():
    rules = ["-p udp -m udp --sport 53", "-p udp -m udp ! --sport 53", "-p udp -m udp --dport 53:60", "-p udp -m udp ! --dport 53:60",
             "-p udp -m udp --sport 53 --dport 53", "-p udp -m udp ! --dport 0:65535", "-p udp"]
    ports = [(53, 53), (54, 60), (52, 61), (0, 0), (65535, 65535)]
    yield from match("udp-ports", rules, *both([udp(s, d, b"x" * n) for n, (s, d) in enumerate(ports)]))
    for n in (0, 4, 7, 8):
        yield from match("udp-short-%d" % n, ["-p udp -m udp --dport 80", "-p udp"], [short(17, n, ip(A, B))], [short(17, n, ip(A6, B6))])
    yield from match("udp-fragments", ["-p udp -m udp --dport 80", "-p udp", ""], pieces4(17, [24, 16]), pieces6(17, [24, 16]))
    yield from match("udp-wrong-lengths", rules, *both([udp(53, 53, b"1234", length=n) for n in (0, 7, 8, 11, 13, 65535)]))
    yield from match("udp-behind-headers", ["-p udp -m udp --dport 53", "-p udp", "-p tcp"], None,
                     [udp(53, 53)(ip(A6, B6, ext=e)) for e in EXT6.values()])


def icmp_cases():
    rules = ["-p icmp -m icmp --icmp-type %s" % t for t in ("8", "0", "3", "3/1", "3/3", "11", "any", "5/1", "12", "13", "255/255", "200")]
    rules += ["-p icmp -m icmp ! --icmp-type %s" % t for t in ("8", "3/3", "any")]
    quoted = udp(9, 9)(ip(B, A))
    types = [(8, 0), (0, 0), (3, 0), (3, 1), (3, 3), (3, 99), (11, 0), (11, 1), (5, 1), (12, 0), (13, 0), (8, 1), (200, 3), (255, 255)]
    yield from match("icmp", rules, [icmp(t, c, data=quoted)(ip(A, B)) for t, c in types])
    rules6 = ["-p ipv6-icmp -m icmp6 --icmpv6-type %s" % t for t in ("128", "129", "1", "1/4", "2", "3/1", "135", "255", "255/255", "4")]
    rules6 += ["-p ipv6-icmp -m icmp6 ! --icmpv6-type %s" % t for t in ("128", "1/4", "255")]
    quoted6 = udp(9, 9)(ip(B6, A6))
    types6 = [(128, 0), (129, 0), (1, 0), (1, 4), (2, 0), (3, 0), (3, 1), (4, 1), (255, 255), (255, 0), (200, 7)]
    yield from match("icmp6", rules, None, [icmp(t, c, data=quoted6)(ip(A6, B6)) for t, c in types6], rules6=rules6, covers=["icmp6"])
    for n in (0, 1, 4, 7, 8):
        yield from match("icmp-short-%d" % n, ["-p icmp -m icmp --icmp-type 8", "-p icmp"], [raw(1, b"\x08\0\0\0\0\0\0\0"[:n])(ip(A, B))],
                         [raw(58, b"\x80\0\0\0\0\0\0\0"[:n])(ip(A6, B6))], rules6=["-p ipv6-icmp -m icmp6 --icmpv6-type 128", "-p ipv6-icmp"])
    yield from match("icmp-fragments", ["-p icmp -m icmp --icmp-type 8", "-p icmp -m icmp ! --icmp-type 8", "-p icmp"],
                     fragments4(echo(1, 1, b"x" * 60)(ip(A, B)), [24, 16]), fragments6(echo(1, 1, b"x" * 60)(ip(A6, B6)), [24, 16], 9),
                     rules6=["-p ipv6-icmp -m icmp6 --icmpv6-type 128", "-p ipv6-icmp -m icmp6 ! --icmpv6-type 128", "-p ipv6-icmp"])


def multiport_cases():
    for proto, build in (("tcp", lambda s, d, n: tcp(s, d, "S", 1, data=b"x" * n)), ("udp", lambda s, d, n: udp(s, d, b"x" * n))):
        rules = ["-p %s -m multiport %s" % (proto, r) for r in (
            "--sports 10,20,30:40", "! --sports 10,20,30:40", "--dports 80,443,1000:2000", "! --dports 80,443,1000:2000", "--ports 20,80",
            "! --ports 20,80", "--ports 1000:2000", "--dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15", "--dports 0:1,2:3,65534:65535", "--sports 0")]
        ports = [(10, 80), (20, 443), (30, 1000), (35, 1500), (40, 2000), (41, 2001), (9, 999), (80, 20), (0, 0), (65535, 65535), (3, 15), (15, 16)]
        yield from match("multiport-" + proto, rules, *both([build(s, d, n) for n, (s, d) in enumerate(ports)]))
    for proto, number in (("sctp", 132), ("dccp", 33), ("udplite", 136)):
        yield from match("multiport-" + proto, ["-p %s -m multiport --dports 80" % proto, "-p %s -m multiport --sports 1234,7" % proto, "-p %s" % proto],
                         [short(number, 16, ip(A, B))], [short(number, 16, ip(A6, B6))])
    rules = ["-p udplite"] + ["-p udplite -m multiport %s" % r for r in ("--sports 10,20,30:40", "! --sports 10,20", "--dports 80,1000:2000", "! --dports 80", "--ports 20,80", "! --ports 0:65535")]
    cov = ["udplite", "multiport"]
    yield from match("multiport-udplite-ports", rules, *both([udplite(s, d, n, proto=136) for s, d in ((10, 80), (20, 999), (41, 1500), (80, 20), (0, 0), (65535, 65535)) for n in (0, 8, 20)]), covers=cov)
    yield from match("multiport-udplite-cover", rules, *both([udplite(10, 80, n, check, proto=136) for n in (1, 7, 21, 65535) for check in (None, 0, 1)]), covers=cov)
    for n in (0, 2, 4, 7, 8):
        yield from match("multiport-udplite-short-%d" % n, rules, [udplite(10, 80, 8)(ip(A, B), n)], [udplite(10, 80, 8)(ip(A6, B6), n)], covers=cov)
    yield from match("multiport-udplite-pieces", rules, pieces4(136, [24, 16]), pieces6(136, [24, 16]), covers=cov)
    yield from match("multiport-udplite-tracked", rules + ["-p udplite -m conntrack --ctstate NEW", "-p udplite -m conntrack --ctstate INVALID", "-m conntrack --ctproto udplite --ctorigdstport 80"],
                     *both([udplite(10, 80, n, check, proto=p) for n in (0, 8, 20, 7) for check in (None, 0, 1) for p in (17, 136)]), covers=cov, conntrack="on")
    for n in (0, 3, 4):
        yield from match("multiport-short-%d" % n, ["-p udp -m multiport --dports 80", "-p udp"], [short(17, n, ip(A, B))], [short(17, n, ip(A6, B6))])
    yield from match("multiport-fragments", ["-p udp -m multiport --dports 80", "-p udp -m multiport ! --dports 80", "-p udp"], pieces4(17, [24, 16]), pieces6(17, [24, 16]))


def ct_cases():
    states = ["-m %s %s" % (m, o) for m, o in (
        ("state", "--state NEW"), ("state", "--state ESTABLISHED"), ("state", "--state RELATED"), ("state", "--state INVALID"),
        ("state", "--state UNTRACKED"), ("state", "! --state NEW"), ("state", "--state NEW,INVALID"),
        ("conntrack", "--ctstate NEW,RELATED"), ("conntrack", "! --ctstate ESTABLISHED"), ("conntrack", "--ctstate SNAT"),
        ("conntrack", "--ctstate DNAT"), ("conntrack", "! --ctstate DNAT"), ("conntrack", "--ctstatus NONE"), ("conntrack", "--ctstatus ASSURED"),
        ("conntrack", "! --ctstatus ASSURED"), ("conntrack", "--ctstatus SEEN_REPLY,EXPECTED"), ("conntrack", "--ctstatus CONFIRMED"),
        ("conntrack", "--ctdir ORIGINAL"), ("conntrack", "--ctdir REPLY"), ("conntrack", "--ctproto 6"), ("conntrack", "! --ctproto 6"),
        ("conntrack", "--ctexpire 0:120"), ("conntrack", "! --ctexpire 60:300"), ("conntrack", "--ctexpire 1000:"), ("conntrack", "--ctstate INVALID --ctproto 6"),
        ("conntrack", "--ctstate UNTRACKED --ctdir ORIGINAL"), ("conntrack", "--ctorigsrcport 1000"), ("conntrack", "! --ctorigdstport 80:90"),
        ("conntrack", "--ctreplsrcport 80"), ("conntrack", "--ctrepldstport 999:1001"), ("conntrack", "--ctorigdstport 5353"))]
    a4 = ["-m conntrack " + o for o in ("--ctorigsrc 10.0.0.0/24", "! --ctorigsrc 10.0.0.2", "--ctorigdst 10.1.0.2", "! --ctorigdst 10.1.0.0/16", "--ctreplsrc 10.1.0.2",
                                        "--ctrepldst 10.0.0.2/31", "--ctreplsrc 10.2.0.2")]
    a6 = ["-m conntrack " + o for o in ("--ctorigsrc fd00::/64", "! --ctorigsrc fd00::2", "--ctorigdst fd00:1::2", "! --ctorigdst fd00:1::/32", "--ctreplsrc fd00:1::2",
                                        "--ctrepldst fd00::2/127", "--ctreplsrc fd00:2::2")]

    def talk(a, b, c):
        return [Send("eth0", tcp(1000, 80, "S", 1)(ip(a, b))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(b, a))), Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, b))),
                Send("eth0", tcp(1000, 80, "PA", 2, 10, data=b"hello")(ip(a, b))), Send("eth1", tcp(80, 1000, "A", 10, 7)(ip(b, a))),
                Send("eth0", tcp(1001, 80, "SA", 2, 10)(ip(a, b))), Send("eth0", udp(1000, 53)(ip(a, b))), Send("eth1", udp(53, 1000)(ip(b, a))),
                Send("eth1", icmp(3 if ":" not in a else 1, 3, data=udp(1000, 53)(ip(a, b)))(ip(b, a))), Send("eth0", echo(5, 1)(ip(a, b))),
                Send("eth1", echo(5, 1, reply=True)(ip(b, a))), Send("eth1", echo(6, 1, reply=True)(ip(b, a))), Send("eth0", udp(7, 5353)(ip(a, b))),
                Send("eth0", raw(99, b"12345678")(ip(a, b))), Send("eth2", udp(1, 2)(ip(c, a))), Send("eth0", udp(2, 1)(ip(a, c))),
                Send("eth0", tcp(1000, 80, "R", 7)(ip(a, b)), gap=1.5)]

    yield Case("conntrack-4", talk(A, B, C), v4=chain("filter", "FORWARD", states + a4), covers=["conntrack", "state"])
    yield Case("conntrack-6", talk(A6, B6, C6), v6=chain("filter", "FORWARD", states + a6), covers=["conntrack", "state"])
    yield Case("conntrack-raw-4", talk(A, B, C), v4=chain("raw", "PREROUTING", states[:8]), conntrack="on", covers=["conntrack"], note="before tracking: all INVALID")
    yield Case("conntrack-notrack-4", talk(A, B, C), v4=chain("raw", "PREROUTING", ["-p udp -j CT --notrack"]) + chain("filter", "FORWARD", states + a4),
               covers=["conntrack", "CT"])
    yield Case("conntrack-nat-4", talk(A, B, C), v4="*nat\n-A POSTROUTING -o eth1 -p tcp -j SNAT --to-source 10.1.0.1\nCOMMIT\n" + chain("filter", "FORWARD", states + a4) +
               chain("mangle", "POSTROUTING", states + a4), covers=["conntrack"], masks={"nat-port"})
    yield Case("conntrack-mark-4", [Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(B, A))), Send("eth0", udp(1000, 80)(ip(A, B))),
               Send("eth0", tcp(1000, 80, "SA", 9, 2)(ip(A2, B)))],
               v4=chain("mangle", "PREROUTING", ["-p tcp -j CONNMARK --set-mark 0x15"]) + chain("filter", "FORWARD", [
                   "-m connmark --mark 0x15", "-m connmark ! --mark 0x15", "-m connmark --mark 0x5/0xf", "-m connmark --mark 0x10/0xf0", "-m connmark --mark 0/0xf00",
                   "-m connmark ! --mark 1/1", "-m connmark --mark 0x15/0x7"]), covers=["connmark", "CONNMARK"])


def small_cases():
    packets = [udp(1, 2, b"x" * n)(ip(A, B)) for n in (0, 1, 2, 3, 72, 73, 100, 1472)]
    packets6 = [udp(1, 2, b"x" * n)(ip(A6, B6)) for n in (0, 1, 2, 3, 52, 53, 100, 1452)]
    yield from match("length", ["-m length --length %s" % r for r in ("28", "29:31", ":30", "30:", "100", "101:1500", "1500", "31:29", "48:50")] + [
        "-m length ! --length %s" % r for r in ("28", "29:100", "48")], packets, packets6)
    ttls = [1, 2, 3, 64, 128, 254, 255]
    yield from match("ttl", ["-m ttl --ttl-%s %d" % (o, n) for o in ("eq", "lt", "gt") for n in (1, 2, 63, 64, 255)] + ["-m ttl ! --ttl-eq 64"],
                     [udp(1, 2)(ip(A, B, ttl=t)) for t in ttls], hook="PREROUTING", table="mangle")
    yield from match("ttl-forward", ["-m ttl --ttl-%s %d" % (o, n) for o in ("eq", "lt", "gt") for n in (1, 2, 63)], [udp(1, 2)(ip(A, B, ttl=t)) for t in ttls])
    yield from match("hl", [], None, [udp(1, 2)(ip(A6, B6, ttl=t)) for t in ttls],
                     rules6=["-m hl --hl-%s %d" % (o, n) for o in ("eq", "lt", "gt") for n in (1, 2, 63, 64, 254)] + ["-m hl ! --hl-eq 63"], covers=["hl"])
    toses = [0, 1, 2, 3, 4, 0x10, 0x28, 0xb8, 0xba, 0xff, 0xfc]
    rules = ["-m dscp --dscp %d" % n for n in (0, 1, 4, 10, 46, 63)] + ["-m dscp ! --dscp 46", "-m dscp --dscp-class AF11", "-m dscp ! --dscp-class BE"]
    rules += ["-m tos --tos " + t for t in ("0x10", "0x10/0x1e", "0/0xfc", "3/3", "0xb8/0xfc", "Normal-Service", "Minimize-Delay", "1/0")] + ["-m tos ! --tos 0xff", "-m tos ! --tos 0/3"]
    yield from match("dscp-tos", rules, [udp(1, 2)(ip(A, B, tos=t)) for t in toses], [udp(1, 2)(ip(A6, B6, tos=t, flow=0x12345)) for t in toses], covers=["dscp", "tos"])
    pairs = [(A, B), (A2, B), (A3, B2), (A, C), ("10.0.0.8", B2)]
    pairs6 = [(A6, B6), (A62, B6), ("fd00::9", B62), (A6, C6), ("fd00::8", B62)]
    yield from match("iprange", ["-m iprange " + r for r in (
        "--src-range 10.0.0.2-10.0.0.3", "! --src-range 10.0.0.2-10.0.0.3", "--dst-range 10.1.0.2-10.1.0.2", "! --dst-range 10.1.0.0-10.1.255.255",
        "--src-range 10.0.0.3-10.0.0.8 --dst-range 10.1.0.3-10.1.0.9", "--src-range 10.0.0.9-10.0.0.2", "--src-range 10.0.0.8", "--src-range 0.0.0.0-255.255.255.255",
        "! --src-range 10.0.0.2-10.0.0.2 ! --dst-range 10.1.0.2-10.1.0.2")], [udp(1, 2, b"x" * n)(ip(s, d)) for n, (s, d) in enumerate(pairs)],
        [udp(1, 2, b"x" * n)(ip(s, d)) for n, (s, d) in enumerate(pairs6)], rules6=["-m iprange " + r for r in (
            "--src-range fd00::2-fd00::3", "! --src-range fd00::2-fd00::3", "--dst-range fd00:1::2-fd00:1::2", "! --dst-range fd00:1::-fd00:1:ffff::",
            "--src-range fd00::3-fd00::8 --dst-range fd00:1::3-fd00:1::9", "--src-range fd00::9-fd00::2", "--src-range ::-ffff::")])
    marks = ["-m mark --mark 0x15", "-m mark ! --mark 0x15", "-m mark --mark 0x5/0xf", "-m mark --mark 0/0xf0", "-m mark --mark 0x10/0x10", "-m mark ! --mark 1/1", "-m mark --mark 0x15/0x7"]
    yield Case("mark-4", inp([udp(1, d)(ip(A, B)) for d in (1, 2, 3)]), v4=chain("mangle", "PREROUTING", ["-p udp --dport 2 -j MARK --set-mark 0x15", "-p udp --dport 3 -j MARK --set-mark 0xffffffe0"]) +
               chain("filter", "FORWARD", marks), covers=["mark", "MARK"])
    yield Case("mark-6", inp([udp(1, d)(ip(A6, B6)) for d in (1, 2, 3)]), v6=chain("mangle", "PREROUTING", ["-p udp --dport 2 -j MARK --set-mark 0x15", "-p udp --dport 3 -j MARK --set-mark 0xffffffe0"]) +
               chain("filter", "FORWARD", marks), covers=["mark", "MARK"])
    macs = ["-m mac --mac-source 02:00:00:00:00:02", "-m mac ! --mac-source 02:00:00:00:00:02", "-m mac --mac-source 02:00:00:00:00:03"]
    for hook, dst, dst6 in (("FORWARD", B, B6), ("INPUT", R0, R06)):
        yield Case("mac-%s-4" % hook.lower(), [Send("eth0", udp(1, 2)(ip(A, dst))), Send("eth0", udp(1, 2)(ip(A, dst)), src="02:00:00:00:00:03"), Send(None, udp(1, 2)(ip(R1, R0)))],
                   v4=chain("filter", hook, macs), covers=["mac"])
        yield Case("mac-%s-6" % hook.lower(), [Send("eth0", udp(1, 2)(ip(A6, dst6))), Send("eth0", udp(1, 2)(ip(A6, dst6)), src="02:00:00:00:00:03"), Send(None, udp(1, 2)(ip(R16, R06)))],
                   v6=chain("filter", hook, macs), covers=["mac"])
    yield Case("mac-prerouting-fragments-4", inp(pieces4(17, [24, 16])), v4=chain("raw", "PREROUTING", macs) + chain("mangle", "PREROUTING", macs), conntrack="on", covers=["mac"])
    yield from match("comment", ['-m comment --comment "a note"', '-p tcp -m comment --comment x'], [udp(1, 2)(ip(A, B))], [udp(1, 2)(ip(A6, B6))])


def limit_cases():
    def burst(n, gap, start=0.05):
        return [Send("eth0", udp(1, 2)(ip(A, B)), gap=start if i == 0 else gap) for i in range(n)]
    for name, rules, items in (
            ("default", ["-m limit"], burst(8, 0.02)),
            ("burst-one", ["-m limit --limit 10/s --limit-burst 1", "-m limit --limit 5/s --limit-burst 2", "-m limit --limit 20/s --limit-burst 3"], burst(20, 0.04)),
            ("refill", ["-m limit --limit 10/s --limit-burst 3"], burst(6, 0.02) + burst(3, 0.02, 0.35) + burst(6, 0.11, 0.2)),
            ("slow", ["-m limit --limit 1/min --limit-burst 2", "-m limit --limit 1/hour --limit-burst 1", "-m limit --limit 1/day --limit-burst 1"], burst(4, 0.3)),
            ("fast", ["-m limit --limit 10000/s --limit-burst 1", "-m limit --limit 300/s --limit-burst 2", "-m limit --limit 251/s --limit-burst 1"], burst(10, 0.02)),
            ("twice", ["-m limit --limit 5/s --limit-burst 2", "-m limit --limit 5/s --limit-burst 2 -j ACCEPT", "-j DROP"], burst(8, 0.06))):
        yield from match("limit-" + name, rules, items)
    yield Case("limit-replaced", burst(3, 0.02) + [Do("iptables -A FORWARD -p tcp")] + burst(3, 0.02) + [Do("iptables -D FORWARD 1"), Do("iptables -I FORWARD -m limit --limit 1/min --limit-burst 2")] +
               burst(3, 0.02), v4=chain("filter", "FORWARD", ["-m limit --limit 1/min --limit-burst 2"]), covers=["limit"])


def addrtype_cases():
    types = ("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "LOCAL,BROADCAST", "NAT,XRESOLVE")
    rules = ["-m addrtype --dst-type " + t for t in types] + ["-m addrtype --src-type " + t for t in types] + ["-m addrtype ! --dst-type LOCAL", "-m addrtype ! --src-type UNICAST --dst-type LOCAL"]
    dsts = (B, R0, R1, "10.0.0.255", "10.0.0.0", "10.1.0.255", "255.255.255.255", "224.0.0.1", "239.1.2.3", "127.0.0.1", "240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "0.0.0.0")
    net = ["route add blackhole 192.0.2.0/24", "route add unreachable 198.51.100.0/24", "route add prohibit 203.0.113.0/24", "route add throw 198.18.0.0/15"]
    packets = [udp(1, 2, b"x" * n)(ip(A, d)) for n, d in enumerate(dsts)] + [udp(1, 2)(ip(s, B)) for s in (A2, "10.0.0.255", R0, "10.1.0.9", "192.0.2.9", "0.0.0.0", "127.0.0.1", "224.0.0.1")]
    yield from match("addrtype", rules, packets, hook="PREROUTING", table="raw", net=net)
    limited = ["-m addrtype --dst-type LOCAL --limit-iface-in", "-m addrtype ! --dst-type LOCAL --limit-iface-in", "-m addrtype --dst-type UNICAST --limit-iface-in",
               "-m addrtype --dst-type BROADCAST --limit-iface-in", "-m addrtype --src-type UNICAST --limit-iface-in", "-m addrtype --dst-type MULTICAST --limit-iface-in"]
    yield from match("addrtype-in", limited, packets, hook="PREROUTING", table="mangle", net=net)
    out = ["-m addrtype --src-type LOCAL --limit-iface-out", "-m addrtype --dst-type UNICAST --limit-iface-out", "-m addrtype ! --src-type LOCAL --limit-iface-out"]
    yield Case("addrtype-out-4", [Send(None, udp(1, 2)(ip(R1, B))), Send(None, udp(1, 2)(ip(R0, B))), Send("eth0", udp(1, 2)(ip(A, B))), Send(None, udp(1, 2)(ip(R0, "10.1.0.255")))],
               v4=chain("mangle", "POSTROUTING", out), covers=["addrtype"])
    yield Case("addrtype-out-6", [Send(None, udp(1, 2)(ip(R16, B6))), Send(None, udp(1, 2)(ip(R06, B6))), Send("eth0", udp(1, 2)(ip(A6, B6)))],
               v6=chain("mangle", "POSTROUTING", out), covers=["addrtype"])
    types6 = ("UNSPEC", "UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE", "LOCAL,MULTICAST", "UNICAST,LOCAL", "LOCAL,ANYCAST")
    rules6 = ["-m addrtype --dst-type " + t for t in types6] + ["-m addrtype --src-type " + t for t in types6] + ["-m addrtype ! --dst-type LOCAL", "-m addrtype ! --src-type UNICAST"]
    dsts6 = (B6, R06, R16, "fd00::", "ff02::1", "ff0e::5", "2001:db8::1", "2001:db8:1::1", "::1", "fe80::1", "::", "::ffff:10.0.0.1", "::10.0.0.1", "fec0::1")
    net6 = ["-6 route add unreachable 2001:db8::/64", "-6 route add blackhole 2001:db8:1::/64"]
    packets6 = [udp(1, 2, b"x" * n)(ip(A6, d)) for n, d in enumerate(dsts6)] + [udp(1, 2)(ip(s, B6)) for s in (A62, R06, "2001:db8::9", "fd00:2::9", "fe80::9", "::")]
    yield from match("addrtype", [], None, packets6, hook="PREROUTING", table="raw", net=net6, rules6=rules6)
    yield from match("addrtype-in", [], None, packets6, hook="PREROUTING", table="mangle", net=net6, rules6=[r for r in limited if "BROADCAST" not in r])


def cases():
    for group in (tcp_cases, udp_cases, icmp_cases, multiport_cases, ct_cases, small_cases, limit_cases, addrtype_cases):
        yield from group()
