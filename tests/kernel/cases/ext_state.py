"""Matches with lists and tables of their own: recent, hashlimit, connlimit, rateest, nfacct, quota and what they show in /proc/net."""
import os
import struct

from case import Case, Do, Send
from packets import *

A, A2, A3, B, B2, R0 = "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.1.0.2", "10.1.0.3", "10.0.0.1"
A6, A62, B6, R06 = "fd00::2", "fd00::3", "fd00:1::2", "fd00::1"
GAP = 0.012     # three ticks: where the answer depends on ticks, edges are kept away from


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def to6(address):
    """10.N.0.H is fd00:N::H in the office."""
    n, _, h = address.split(".")[1:]
    return "fd00::%x" % int(h) if n == "0" else "fd00:%s::%x" % (n, int(h))


def both(name, rules, items, covers, hook="FORWARD", table="filter", only=(4, 6), **kw):
    """The same in both families. items: (src, dst, ttl, gap) of a UDP packet, a Do, or a function of the address maker."""
    for v in only:
        at = (lambda a: a) if v == 4 else to6
        built = []
        for it in items:
            if isinstance(it, (Do, Send)):
                built.append(it)
            elif callable(it):
                built.append(it(at))
            else:
                src, dst, ttl, gap = tuple(it) + (64, GAP)[len(it) - 2:]
                built.append(Send("eth0" if src.startswith("10.0.") else "eth1", udp(1000, 2)(ip(at(src), at(dst), ttl=ttl)), gap=gap))
        text = [r.replace("MASK24", "255.255.255.0" if v == 4 else "ffff:ffff::").replace("iptables", "iptables" if v == 4 else "ip6tables") for r in rules]
        yield Case("%s-%d" % (name, v), built, covers=[covers], **{"v%d" % v: chain(table, hook, text)}, **kw)


def recent_cases():
    two = [(A, B), (A2, B), (A, B), (A, B2), (A2, B), (A, B), (A3, B), (B, A)]
    yield from both("recent-set", ["-m recent --set", "-m recent --set --name x", "-m recent ! --set --name y", "-m recent --set --name d --rdest"], two, "recent")
    yield from both("recent-rcheck", ["-m recent --rcheck --name x", "-m recent ! --rcheck --name x", "-m recent --set --name x",
                                      "-m recent --rcheck --name x", "-m recent ! --rcheck --name x", "-m recent --rcheck --name x --rdest"], two, "recent")
    yield from both("recent-update", ["-m recent --update --name x", "-m recent ! --update --name x", "-m recent --set --name x", "-m recent --update --name x --hitcount 3", "-m recent --update --name x --hitcount 6",
                                      "-m recent ! --update --name x --hitcount 9"], two, "recent")
    yield from both("recent-remove", ["-m recent --remove --name x", "-m recent ! --remove --name y", "-m recent --set --name x", "-m recent --set --name y"], two, "recent")
    yield from both("recent-hitcount", ["-m recent --set --name h", "-m recent --rcheck --name h --hitcount 1", "-m recent --rcheck --name h --hitcount 2", "-m recent --rcheck --name h --hitcount 3", "-m recent --rcheck --name h --hitcount 5",
                                        "-m recent ! --rcheck --name h --hitcount 4", "-m recent --rcheck --name h --hitcount 0"], two + two, "recent")
    yield from both("recent-wraps", ["-m recent --set --name w", "-m recent --rcheck --name w --hitcount 4", "-m recent --rcheck --name w --hitcount 3"], [(A, B)] * 11 + [(A2, B)] * 2, "recent")
    yield from both("recent-one-stamp", ["-m recent --set --name w", "-m recent --rcheck --name w --hitcount 1"], [(A, B)] * 4, "recent")
    yield from both("recent-32", ["-m recent --set --name w"], [(A, B)] * 40, "recent")
    slow = [(A, B), (A, B, 64, 0.5), (A2, B, 64, 0.7), (A, B, 64, 0.4), (A, B, 64, 1.3), (A2, B), (A, B, 64, 0.5)]
    yield from both("recent-seconds", ["-m recent --rcheck --seconds 1 --name s", "-m recent ! --rcheck --seconds 1 --name s", "-m recent --rcheck --seconds 2 --hitcount 3 --name s", "-m recent --rcheck --seconds 1 --hitcount 2 --name s",
                                       "-m recent --set --name s"], slow, "recent")
    yield from both("recent-seconds-update", ["-m recent --update --seconds 1 --name s -j DROP", "-m recent --set --name s"], slow, "recent")
    yield from both("recent-reap", ["-m recent --rcheck --seconds 1 --reap --name s", "-m recent --set --name s"], slow, "recent")
    yield from both("recent-reap-update", ["-m recent --update --seconds 1 --reap --name s", "-m recent ! --update --seconds 1 --reap --hitcount 2 --name t", "-m recent --rcheck --name s", "-m recent --set --name t",
                                           "-m recent ! --rcheck --name s", "-m recent --set --name s"], slow, "recent")
    ttls = [(A, B, 64), (A, B, 63), (A, B, 64), (A2, B, 10), (A2, B, 10), (A2, B, 9), (A, B, 63), (A, B, 255)]
    yield from both("recent-rttl", ["-m recent --rcheck --rttl --name t", "-m recent --update --rttl --name u", "-m recent --set --name t", "-m recent ! --rcheck --rttl --name t", "-m recent --set --name u"], ttls, "recent")
    yield from both("recent-rttl-prerouting", ["-m recent --rcheck --rttl --name t", "-m recent --set --name t"], ttls, "recent", hook="PREROUTING", table="mangle")
    yield from both("recent-mask", ["-m recent --set --mask MASK24 --name m", "-m recent --rcheck --mask MASK24 --name m", "-m recent --rcheck --name m", "-m recent --rcheck --name m --rdest", "-m recent --set --name n",
                                    "-m recent --rcheck --mask MASK24 --name n"], two, "recent")
    many = [Send("eth0", udp(1, 2)(ip("10.0.%d.%d" % (i // 50, 10 + i % 50), B))) for i in range(105)] + [Send("eth0", udp(1, 2)(ip("10.0.0.10", B))), Send("eth0", udp(1, 2)(ip("10.0.0.15", B))), Send("eth0", udp(1, 2)(ip("10.0.0.17", B)))]
    yield Case("recent-full", many, v4=chain("filter", "FORWARD", ["-m recent --rcheck --name f", "-m recent --set --name f"]), covers=["recent"], note="a hundred addresses, then the one unseen longest goes")
    yield Case("recent-pieces", [Send("eth0", p) for p in fragments4(udp(1, 2, b"x" * 90)(ip(A, B)), [48])] * 2 + [Send("eth0", p) for p in fragments6(udp(1, 2, b"x" * 90)(ip(A6, B6)), [48], 7)],
               v4=chain("filter", "FORWARD", ["-m recent --update --name p", "-m recent --set --name p"]), v6=chain("filter", "FORWARD", ["-m recent --update --name p", "-m recent --set --name p"]), covers=["recent"],
               note="one list for both families")
    echo = [(A, B), Do("echo +10.0.0.3 > /proc/net/xt_recent/e"), Do("echo +fd00::3 > /proc/net/xt_recent/e"), (A2, B), Do("echo -10.0.0.2 > /proc/net/xt_recent/e"), Do("echo -fd00::2 > /proc/net/xt_recent/e"), (A, B), (A, B),
            Do("echo +10.0.0.4 > /proc/net/xt_recent/e"), Do("echo +10.0.0.4 > /proc/net/xt_recent/e"), Do("echo -1.2.3.4 > /proc/net/xt_recent/e"), Do("echo -n +1.2.3.5 > /proc/net/xt_recent/e")]
    rules = ["-m recent --rcheck --name e", "-m recent ! --rcheck --name e", "-m recent --rcheck --name e --rttl", "-m recent --set --name e"]
    yield from both("recent-echo", rules, echo, "recent")
    yield from both("recent-echo-refused", rules, [Do("echo %s > /proc/net/xt_recent/%s" % x) for x in (("10.0.0.3", "e"), ("+10.0.0", "e"), ("+10.0.0.300", "e"), ("+10.0.0.1.2", "e"), ("+10.0.0.1/8", "e"), ("+x", "e"), ("+", "e"), ("+10.0.0.1", "none"),
                                                                                                ("+fd00::12345", "e"), ("+10.0.0.01", "e"), ("'+10.0.0.5 '", "e"))] + [(A, B)], "recent")
    yield from both("recent-echo-flush", rules, [(A, B), (A2, B), Do("echo / > /proc/net/xt_recent/e"), (A, B)], "recent")
    yield from both("recent-rules-change", ["-m recent --set --name k", "-m recent --set --name l"], [(A, B), (A2, B), Do("iptables -A FORWARD -m recent --rcheck --name k"), Do("ip6tables -A FORWARD -m recent --rcheck --name k"), (A, B),
                                            Do("iptables -D FORWARD 2"), Do("ip6tables -D FORWARD 2"), (A3, B), Do("iptables -A FORWARD -m recent --rcheck --name k --hitcount 40"),
                                            Do("ip6tables -A FORWARD -m recent --rcheck --name k --hitcount 40"), (A, B)], "recent", note="a list ends with its last rule; one that must hold more stamps is emptied")
    local = [Send(None, udp(1000, 2)(ip(R0, B, ttl=60))), Send(None, udp(1000, 2)(ip(R0, B, ttl=60)), gap=GAP), Send("eth0", tcp(1, 2, "S", 5)(ip(A, B)), gap=GAP), Send("eth0", udp(1, 2)(ip(A, B2)), gap=GAP)]
    yield Case("recent-local", local, v4="*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -d 10.1.0.3 -j REJECT\n-A OUTPUT -m recent --rcheck --rttl --name o\n-A OUTPUT -m recent --set --rdest --name o\nCOMMIT\n"
               "*mangle\n-A POSTROUTING -m recent --set --rdest --name q\nCOMMIT\n", covers=["recent"])
    for n, bad in enumerate(("--rcheck --reap", "--set --name a/b", "--rcheck --hitcount 65536", "--set --name ..", "--rcheck --seconds 1 --hitcount 65535")):
        yield Case("recent-refused-%d" % n, [], v4=chain("filter", "FORWARD", ["-m recent " + bad]), covers=["recent"])


def hashlimit_cases():
    """Rates so slow that no tick matters, or pauses so long that some do not."""
    four = [(A, B), (A, B), (A2, B), (A, B2), (A, B), (A, B), (A2, B2), (A, B), (A2, B), (A2, B), (A2, B)]
    H = "-m hashlimit --hashlimit-%s --hashlimit-name %s"
    yield from both("hashlimit-modes", [H % ("upto 1/hour --hashlimit-burst 2", "n"), H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip", "s"), H % ("above 1/hour --hashlimit-burst 3 --hashlimit-mode dstip", "d"),
                                        H % ("upto 1/day --hashlimit-burst 1 --hashlimit-mode srcip,dstip", "sd"), H % ("upto 1/min --hashlimit-burst 4 --hashlimit-mode srcport,dstport", "p"),
                                        H % ("above 1/min --hashlimit-burst 2 --hashlimit-mode srcip,srcport,dstip,dstport", "all")], four, "hashlimit")
    yield from both("hashlimit-inverted", [H.replace("--hashlimit-%s", "! --hashlimit-%s", 1) % ("upto 1/hour --hashlimit-burst 2", "a"), H.replace("--hashlimit-%s", "! --hashlimit-%s", 1) % ("above 1/hour --hashlimit-burst 2", "b")], four, "hashlimit")
    yield from both("hashlimit-masks", [H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-srcmask %d" % n, "m%d" % n) for n in (0, 1, 16, 24, 31, 32)] +
                    [H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode dstip --hashlimit-dstmask %d" % n, "d%d" % n) for n in (0, 8, 30)], four, "hashlimit")
    six = [H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip,dstip --hashlimit-srcmask %d --hashlimit-dstmask %d" % n, "m%d" % n[0]) for n in ((33, 63), (64, 65), (95, 96), (127, 97), (128, 126))]
    yield from both("hashlimit-masks-long", six, four, "hashlimit", only=(6,))
    yield from both("hashlimit-shared", [H % ("upto 1/hour --hashlimit-burst 4 --hashlimit-mode srcip", "x"), H % ("above 7/s --hashlimit-burst 9 --hashlimit-mode dstport", "x"), H % ("upto 7/s", "x")], four, "hashlimit", note="the first rule settles the table")
    yield from both("hashlimit-refill", [H % ("upto 2/s --hashlimit-burst 2", "r"), H % ("above 4/s --hashlimit-burst 1 --hashlimit-htable-expire 5000", "q"), H % ("upto 1/s --hashlimit-burst 3 --hashlimit-htable-expire 60000", "t")],
                    [(A, B), (A, B), (A, B), (A, B, 64, 0.6), (A, B), (A, B, 64, 0.35), (A, B, 64, 0.8), (A, B), (A, B), (A, B, 64, 1.2), (A, B)], "hashlimit")
    size = lambda n, gap=GAP: (lambda at: Send("eth0", udp(1000, 2, b"x" * n)(ip(at(A), at(B))), gap=gap))
    bytes_rules = [H % ("upto 1kb/s", "b"), H % ("above 512b/s --hashlimit-mode srcip", "c"), H % ("upto 512b/s --hashlimit-burst 1kb", "d"), H % ("upto 100b/s --hashlimit-burst 300b --hashlimit-mode dstip", "e"), H % ("upto 1mb/s", "f"), H % ("upto 16b/s", "g")]
    yield from both("hashlimit-bytes", bytes_rules, [size(n) for n in (100, 200, 300, 400, 0, 1, 900, 1200, 3, 4, 500, 100)], "hashlimit")
    yield from both("hashlimit-bytes-refill", bytes_rules, [size(n, g) for n, g in ((400, 0.02), (400, 0.02), (400, 0.5), (400, 0.02), (90, 1.1), (500, 0.02), (800, 0.3))], "hashlimit")
    rate = [H % ("above 5/s --hashlimit-rate-match", "a"), H % ("upto 3/s --hashlimit-rate-match --hashlimit-burst 1 --hashlimit-mode srcip", "b"), H % ("upto 60/min --hashlimit-rate-match --hashlimit-burst 2", "c"),
            H % ("above 4/s --hashlimit-rate-match --hashlimit-rate-interval 2 --hashlimit-burst 1", "d"), H % ("above 500b/s --hashlimit-rate-match", "e"), H % ("above 500b/s --hashlimit-rate-match --hashlimit-burst 1000b", "f")]
    yield from both("hashlimit-rate-match", rate, [size(10)] * 13, "hashlimit")
    yield from both("hashlimit-rate-match-window", rate, [size(200, 0.02)] * 8 + [size(10, 1.2)] + [size(10, 0.02)] * 2 + [size(10, 1.2)] * 2 + [size(10, 0.02)] * 2, "hashlimit")
    yield from both("hashlimit-expire", [H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-htable-expire 300 --hashlimit-htable-gcinterval 100 --hashlimit-mode srcip", "g"),
                                         H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-htable-expire 60000 --hashlimit-htable-gcinterval 100 --hashlimit-mode srcip", "h")],
                    [(A, B), (A, B), (A, B), (A2, B), (A, B, 64, 0.15), (A, B, 64, 0.15), (A, B, 64, 0.8), (A, B), (A, B), (A2, B)], "hashlimit")
    yield Case("hashlimit-full", [Send("eth0", udp(i, 2)(ip(A, B))) for i in range(1, 20)] + [Send("eth0", udp(3, 2)(ip(A, B)))], v4=chain("filter", "FORWARD", ["", H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcport --hashlimit-htable-size 4 --hashlimit-htable-max 10", "f"), ""]),
               covers=["hashlimit"], note="where there is no room for a group, the packet is dropped")
    odd = [tcp(5, 6, "S", 1)(ip(A, B)), icmp(8, 0, data=b"abcdefgh")(ip(A, B)), icmp(8, 0, data=b"abcdefgh")(ip(A, B)), ip(A, B)(b"\0\0\1\2\0\0\0\1", 50), ip(A, B)(bytes([59, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1]), 51), ip(A, B)(b"\1\2\3\4" + bytes(12), 33),
           ip(A, B)(b"\1\2\3\4" + bytes(4), 136), ip(A, B)(b"\1\2\3", 17), ip(A, B)(b"", 6), ip(A, B)(bytes(5), 51), ip(A, B)(bytes(12), 132), ip(A, B)(b"", 253)]
    ports = ["", H % ("upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcport,dstport", "p"), H % ("above 1/hour --hashlimit-burst 2 --hashlimit-mode dstport", "q"), ""]
    yield Case("hashlimit-protocols", [Send("eth0", p) for p in odd], v4=chain("filter", "FORWARD", ports), covers=["hashlimit"])
    yield Case("hashlimit-pieces", [Send("eth0", p) for p in fragments4(udp(1, 2, b"xyzzy" * 30)(ip(A, B)), [48, 96])] * 2 + [Send("eth0", p) for p in fragments6(udp(1, 2, b"xyzzy" * 30)(ip(A6, B6)), [48, 96], 7)], v4=chain("filter", "FORWARD", ports),
               v6=chain("filter", "FORWARD", ports), covers=["hashlimit"])
    yield from both("hashlimit-rules-change", [H % ("upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip", "k")], [(A, B), (A, B), Do("iptables -A FORWARD " + H % ("upto 9/s", "k")), Do("ip6tables -A FORWARD " + H % ("upto 9/s", "k")), (A, B), Do("iptables -D FORWARD 1"), Do("ip6tables -D FORWARD 1"), (A, B), (A, B)], "hashlimit")


def connlimit_cases():
    L = "-m connlimit --connlimit-%s"
    rules = [L % "above 1", L % "above 2", L % "upto 2", L % "above 3 --connlimit-daddr", L % "upto 1 --connlimit-mask 24", L % "above 0 --connlimit-mask 0 --connlimit-daddr", ""]
    flow = lambda src, dst, port, gap=GAP, build=udp: (lambda at: Send("eth0" if src.startswith("10.0") else "eth1", build(port, 9)(ip(at(src), at(dst))), gap=gap))
    back = lambda port, gap=GAP: (lambda at: Send("eth1", udp(9, port)(ip(at(B), at(A))), gap=gap))
    mix = [flow(A, B, 1), flow(A, B, 2), flow(A, B, 1), flow(A2, B, 1), flow(A, B2, 3), flow(A, B, 4), back(1), flow(A, B, 1), flow(A2, B2, 7), flow(A, B, 2), flow(B, A, 9), flow(A, B, 4)]
    yield from both("connlimit", rules, mix, "connlimit")
    yield from both("connlimit-not", [r.replace("-m connlimit ", "-m connlimit ! ") for r in rules], mix, "connlimit")
    yield from both("connlimit-drop", [L % "above 2 -j DROP", ""], mix, "connlimit", note="a dropped connection is not there the next time a new one comes")
    yield from both("connlimit-prerouting", rules, mix, "connlimit", hook="PREROUTING", table="mangle")
    yield from both("connlimit-raw", rules, mix, "connlimit", hook="PREROUTING", table="raw", conntrack="on")
    yield from both("connlimit-raw-zone", ["-j CT --zone 7"] + rules, mix, "connlimit", hook="PREROUTING", table="raw")
    yield from both("connlimit-raw-zone-orig", ["-j CT --zone-orig 7"] + rules, mix, "connlimit", hook="PREROUTING", table="raw")
    yield from both("connlimit-untracked", ["-j CT --notrack"] + rules, mix, "connlimit", hook="PREROUTING", table="raw")
    yield from both("connlimit-burst", rules, [flow(A, B, p, 0) for p in (1, 2, 3, 4, 5, 1, 1, 1, 2, 5)], "connlimit", note="within a tick")

    def talk(port, at, gap=GAP):
        c, s = at(A), at(B)
        yield Send("eth0", tcp(port, 80, "S", 100)(ip(c, s)), gap=gap)
        yield Send("eth1", tcp(80, port, "SA", 300, 101)(ip(s, c)), gap=gap)
        yield Send("eth0", tcp(port, 80, "A", 101, 301)(ip(c, s)), gap=gap)
        yield Send("eth0", tcp(port, 80, "PA", 101, 301, data=b"hello")(ip(c, s)), gap=gap)

    def end(port, at, gap=GAP):
        c, s = at(A), at(B)
        yield Send("eth0", tcp(port, 80, "FA", 106, 301)(ip(c, s)), gap=gap)
        yield Send("eth1", tcp(80, port, "FA", 301, 107)(ip(s, c)), gap=gap)
        yield Send("eth0", tcp(port, 80, "A", 107, 302)(ip(c, s)), gap=gap)
        yield Send("eth1", tcp(80, port, "A", 302, 107)(ip(s, c)), gap=gap)

    def reset(port, at):
        yield Send("eth1", tcp(80, port, "RA", 301, 106)(ip(at(B), at(A))), gap=GAP)
        yield Send("eth1", tcp(80, port, "RA", 301, 106)(ip(at(B), at(A))), gap=GAP)
    for v, at in ((4, lambda a: a), (6, to6)):
        for name, rule in (("all", rules), ("syn", ["-p tcp --syn " + r for r in rules[:-1]] + [""]), ("gate", ["-p tcp --syn " + L % "above 2" + " -j DROP", ""])):
            items = [*talk(1001, at), *talk(1002, at), *end(1001, at), *talk(1003, at), *talk(1004, at), *reset(1002, at), *talk(1005, at), *end(1003, at), *talk(1001, at)]
            yield Case("connlimit-tcp-%s-%d" % (name, v), items, covers=["connlimit"], conntrack="on", **{"v%d" % v: chain("filter", "FORWARD", rule)})
        yield Case("connlimit-closing-%d" % v, [*talk(1001, at), *end(1001, at), Send("eth1", tcp(80, 1001, "A", 302, 107)(ip(at(B), at(A))), gap=GAP)], covers=["connlimit"], note="the last packets of the only connection",
                   **{"v%d" % v: chain("filter", "FORWARD", [L % "above 1", L % "upto 5 --connlimit-daddr", ""])})
        yield Case("connlimit-odd-%d" % v, [Send("eth0", p, gap=GAP) for p in (tcp(1, 2, "SA", 1, 2)(ip(at(A), at(B))), icmp(8 if v == 4 else 128, 0, b"\0\7\0\1", b"abcd")(ip(at(A), at(B))), ip(at(A), at(B))(b"", 17), ip(at(A), at(B))(b"abcd", 253),
                   icmp(3 if v == 4 else 1, 3, data=udp(9, 9)(ip(at(B), at(A))))(ip(at(A), at(B))), ip(at(A), at(B))(b"ab", 6))], covers=["connlimit"], **{"v%d" % v: chain("filter", "FORWARD", ["", L % "above 1", L % "upto 1", ""])})
    yield Case("connlimit-pieces", [Send("eth0", p, gap=GAP) for p in fragments4(udp(1, 2, b"xyzzy" * 30)(ip(A, B)), [48, 96])] * 2, v4=chain("filter", "FORWARD", ["", L % "above 1", L % "upto 1", ""]), covers=["connlimit"])
    yield Case("connlimit-deleted", [Send("eth0", udp(p, 2)(ip(A, B)), gap=GAP) for p in (1, 2, 3)] + [Do("conntrack -D -p udp --orig-port-src 2", GAP)] + [Send("eth0", udp(p, 2)(ip(A, B)), gap=GAP) for p in (3, 4, 1, 2)],
               v4=chain("filter", "FORWARD", rules), covers=["connlimit"])
    yield Case("connlimit-expired", [Send("eth0", udp(p, 2)(ip(A, B)), gap=g) for p, g in ((1, GAP), (2, GAP), (3, 0.7), (1, 0.7), (4, 0.1), (5, 1.5), (6, GAP))],
               v4=chain("filter", "FORWARD", rules), covers=["connlimit"], sysctl={"net.netfilter.nf_conntrack_udp_timeout": 1}, conntrack="on")


def rateest_cases():
    for case in estimator_cases():
        case.covers = sorted({"RATEEST"}.union(case.covers))
        yield case


def estimator_cases():
    """Intervals of 250 ms are 62 ticks: the edges are kept away from."""
    est = ["-j RATEEST --rateest-name r --rateest-interval 250ms --rateest-ewmalog 500ms", "-d 10.1.0.2 -j RATEEST --rateest-name s --rateest-interval 250ms --rateest-ewmalog 2s"]
    ask = ["-m rateest --rateest r --rateest-lt --rateest-bps 100Bps", "-m rateest --rateest r ! --rateest-lt --rateest-bps 200Bps", "-m rateest --rateest r --rateest-gt --rateest-pps 3", "-m rateest --rateest r --rateest-gt --rateest-pps 7",
           "-m rateest --rateest r --rateest-eq --rateest-pps 0", "-m rateest --rateest r ! --rateest-eq --rateest-bps 0", "-m rateest --rateest1 r --rateest-gt --rateest2 s --rateest-bps", "-m rateest --rateest1 r --rateest-eq --rateest2 s --rateest-pps",
           "-m rateest --rateest-delta --rateest r --rateest-bps1 400Bps --rateest-gt --rateest-bps2 200Bps", "-m rateest --rateest-delta --rateest1 r --rateest-pps1 10 --rateest-lt --rateest2 s --rateest-pps2 20",
           "-m rateest --rateest s --rateest-lt --rateest-bps 50Bps --rateest-pps 2"]
    exact = ["-m rateest --rateest r --rateest-gt --rateest-bps %dBps" % n for n in (0, 20, 40, 56, 60, 80, 100, 112, 120, 150, 168, 180, 220, 224, 230, 256, 300)] + ["-m rateest --rateest r --rateest-gt --rateest-pps %d" % n for n in range(9)]
    paced = [(A, B), (A, B), (A, B2), (A, B, 64, 0.31), (A, B), (A, B, 64, 0.25), (A, B2, 64, 0.25), (A, B, 64, 0.5), (A2, B, 64, 1.0)]
    yield from both("rateest", est[:1] + [est[1].replace("-d 10.1.0.2 ", "")] + ask, paced, "rateest")
    yield from both("rateest-exact", est[:1] + exact, [(A, B)] * 7 + [(A, B, 64, 0.31)] + [(A, B, 64, 0.248)] * 4, "rateest")
    yield from both("rateest-half", [est[0].replace("250ms", "500ms").replace("500ms --rateest-ewmalog 500ms", "500ms --rateest-ewmalog 2s")] + exact, [(A, B)] * 9 + [(A, B, 64, 0.65), (A, B), (A, B, 64, 0.53), (A, B, 64, 0.53)], "rateest")
    yield from both("rateest-fades", est[:1] + exact, [(A, B)] * 9 + [(A, B, 64, 3.1), (A, B, 64, 0.05)], "rateest")
    yield from both("rateest-not-yet", est[:1] + ask[:6], [(A, B)] * 4, "rateest")
    yield Case("rateest-both-families", [Send("eth0", udp(1, 2)(ip(A, B)), gap=GAP), Send("eth0", udp(1, 2)(ip(A6, B6)), gap=GAP), Send("eth0", udp(1, 2)(ip(A6, B6)), gap=0.31)],
               v4=chain("filter", "FORWARD", est[:1]), v6=chain("filter", "FORWARD", est[:1] + exact), covers=["rateest", "RATEEST"])
    for n, bad in enumerate((["-m rateest --rateest r --rateest-lt --rateest-bps 1"], est[:1] + ["-m rateest --rateest r --rateest-lt"], est[:1] + ["-j RATEEST --rateest-name r --rateest-interval 1s --rateest-ewmalog 2s"], est[:1] + ["-m rateest --rateest1 r --rateest-lt --rateest2 q --rateest-bps"])):
        yield Case("rateest-refused-%d" % n, [], v4=chain("filter", "FORWARD", bad), covers=["rateest", "RATEEST"])
    yield Case("rateest-outlives", [Send("eth0", udp(1, 2)(ip(A, B)), gap=GAP), Do("iptables -D FORWARD 1"), Send("eth0", udp(1, 2)(ip(A, B)), gap=0.31), Send("eth0", udp(1, 2)(ip(A, B)), gap=0.25)],
               v4=chain("filter", "FORWARD", est[:1] + exact[:12]), covers=["rateest", "RATEEST"], note="an estimator lives while somebody asks it")


def idletimer_cases():
    """Labels are the machine's, not a namespace's: each case has its own."""
    T = "/sys/class/xt_idletimer/timers/wx%s%d"
    for v, a, b in ((4, A, B), (6, A6, B6)):
        tool = "iptables" if v == 4 else "ip6tables"
        p = Send("eth0", udp(1, 2)(ip(a, b)))
        for name, more, items in (
                ("fresh", "", [Do("cat T"), p, Do("cat T")]), ("runs", "", [p, Do("cat T", 1.3), Do("cat T", 1.0)]), ("wound", "", [p, Do("cat T", 2.3), p, Do("cat T"), Do("cat T", 1.3)]),
                ("over", "1", [Do("cat T", 1.6), p, Do("cat T")]), ("alarm", " --alarm", [Do("cat T"), Do("cat T", 1.4), p, Do("cat T")]),
                ("two", "", [Do(tool + " -A FORWARD -j IDLETIMER --timeout 99 --label L"), Do("cat T"), p, Do("cat T"), Do(tool + " -D FORWARD 1"), p, Do("cat T")]),
                ("gone", "", [Do("cat T"), Do(tool + " -F FORWARD"), Do("cat T")]),
                ("other-kind", "", [Do(tool + " -A FORWARD -j IDLETIMER --timeout 99 --label L --alarm"), Do("cat T")]),
                ("alarm-kept", " --alarm", [Do(tool + " -A FORWARD -j IDLETIMER --timeout 99 --label L --alarm", 1.3), Do("cat T"), p, Do("cat T")])):
            label, path = "wx%s%d" % (name, v), T % (name, v)
            items = [Do(x.command.replace("cat T", "cat " + path).replace("--label L", "--label " + label), x.gap) if isinstance(x, Do) else x for x in items]
            yield Case("IDLETIMER-%s-%d" % (name, v), items, covers=["IDLETIMER"], **{"v%d" % v: chain("filter", "FORWARD", ["-j IDLETIMER --timeout %s --label %s%s" % (more if more == "1" else "30", label, "" if more == "1" else more)])})


def nfacct_cases():
    def rule(n, text="", v=4):
        return Do("%s -A FORWARD -m nfacct --nfacct-name %s%s" % ("iptables" if v == 4 else "ip6tables", n, text))
    for v, a, b in ((4, A, B), (6, A6, B6)):
        at = {"v%d" % v: chain("filter", "FORWARD", [""])}
        sent = [Send("eth0", udp(1, 2, b"x" * n)(ip(a, b))) for n in (0, 1, 100, 7, 500, 0)]
        end = [Do("nfacct list")]
        yield Case("nfacct-counts-%d" % v, [Do("nfacct add web"), Do("nfacct add idle"), rule("web", v=v)] + sent + end, covers=["nfacct"], **at)
        yield Case("nfacct-twice-%d" % v, [Do("nfacct add web"), rule("web", v=v), rule("web", " -j DROP", v), rule("web", v=v)] + sent + end, covers=["nfacct"], **at)
        yield Case("nfacct-quota-%d" % v, [Do("nfacct add p packet 3"), Do("nfacct add b byte 300"), Do("nfacct add z packet 0"), Do("nfacct add big byte 18446744073709551615"), rule("p", v=v), rule("b", v=v), rule("z", v=v), rule("big", v=v)] + sent + end, covers=["nfacct"], **at)
        yield Case("nfacct-quota-exact-%d" % v, [Do("nfacct add b byte %d" % (28 + 29 if v == 4 else 48 + 49)), rule("b", " -j DROP", v)] + sent[:2] + end + sent[2:3] + end, covers=["nfacct"], **at)
        yield Case("nfacct-behind-%d" % v, [Do("nfacct add a"), rule("a", " -p tcp", v), rule("a", " -p udp --dport 99", v)] + sent[:3] + end, covers=["nfacct"], **at)
        yield Case("nfacct-unknown-%d" % v, [rule("nobody", v=v), Do("nfacct add a"), rule("a", v=v), Do("nfacct add a"), Do("nfacct delete a"), Do("nfacct list")] + sent[:2] + end, covers=["nfacct"], **at)
        yield Case("nfacct-delete-%d" % v, [Do("nfacct add a"), Do("nfacct add b"), rule("a", v=v)] + sent[:2] + [Do("nfacct flush"), Do("nfacct list"), Do("%s -F FORWARD" % ("iptables" if v == 4 else "ip6tables")), Do("nfacct list"), Do("nfacct delete a"), Do("nfacct list")], covers=["nfacct"], **at)
        yield Case("nfacct-reset-%d" % v, [Do("nfacct add a packet 1"), rule("a", v=v)] + sent[:3] + [Do("nfacct list reset")] + sent[:2] + end, covers=["nfacct"], **at)
    both_families = [Do("nfacct add a"), rule("a"), rule("a", v=6), Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A6, B6))), Do("nfacct list")]
    yield Case("nfacct-both", both_families, v4=chain("filter", "FORWARD", [""]), v6=chain("filter", "FORWARD", [""]), covers=["nfacct"])


FINGERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fingers.os")


def osf_cases():
    load = Do("nfnl_osf -f " + FINGERS)

    def syn(options=b"", win=65535, ttl=64, df=True, flags="S", dst=B, **kw):
        return Send("eth0", tcp(1000, 80, flags, 5, 0, win, options=options, **kw)(ip(A, dst, ttl=ttl, df=df)))
    mss = lambda n: struct.pack("!BBH", 2, 4, n)
    linux = mss(1460) + b"\4\2" + b"\10\12" + bytes(8) + b"\1" + b"\3\3\7"
    windows = mss(1460) + b"\1\3\3\2\1\1\4\2"
    packets = [syn(linux, 5840), syn(linux, 5840, 63), syn(linux, 5840, 65), syn(linux, 5841), syn(linux, 5840, df=False), syn(windows, 8192, 128), syn(windows, 8192, 100), syn(mss(1400) + b"\1\1\4\2", 5600), syn(mss(1400) + b"\1\1\4\2", 5840),
               syn(mss(1400) + b"\1\1\4\2", 5792), syn(mss(1400) + b"\1\1\4\2", 5801), syn(mss(1000), 2080), syn(mss(1000), 3000), syn(mss(1000), 2976), syn(b"", 4096), syn(b"", 4097), syn(b"", 0), syn(b"", 1, df=False), syn(linux, 5840, flags="SA"), syn(linux, 5840, flags="A"),
               syn(linux, 5840, flags="SF"), syn(linux, 5840, data=b"x"), syn(b"\4\2" + mss(1460) + b"\1\1", 5840), udp(1, 2)(ip(A, B))]
    packets = [p if isinstance(p, Send) else Send("eth0", p) for p in packets]
    for n, text in enumerate(("--genre Lin", "--genre Linux", "! --genre Lin", "--genre Win", "--genre Odd", "--genre lin", "--genre Nothing")):
        for m, ttl in enumerate(("", " --ttl 0", " --ttl 1", " --ttl 2")):
            rule = "-p tcp -m osf %s%s" % (text, ttl)
            yield Case("osf-%d-%d" % (n, m), [load] + packets, v4=chain("filter", "FORWARD", [rule, ""]), covers=["osf"])
    for m, ttl in enumerate(("", " --ttl 1", " --ttl 2")):
        for level in (0, 1, 2):
            yield Case("osf-log-%d-%d" % (level, m), [load] + packets[::2], v4=chain("filter", "FORWARD", ["-p tcp -m osf --genre Lin%s --log %d" % (ttl, level), ""]), covers=["osf"])
    yield Case("osf-hooks", [load] + packets[:4] + [syn(linux, 5840, dst=R0)], v4="*raw\n-A PREROUTING -p tcp -m osf --genre Lin\nCOMMIT\n*filter\n-A INPUT -p tcp -m osf --genre Lin\nCOMMIT\n", covers=["osf"])
    yield Case("osf-none-loaded", packets[:4], v4=chain("filter", "FORWARD", ["-p tcp -m osf --genre Lin", "-p tcp -m osf ! --genre Lin"]), covers=["osf"])
    yield Case("osf-cut", [load] + [Send("eth0", p) for p in (tcp(1, 2, "S", 5, doff=15)(ip(A, B)), ip(A, B)(tcp(1, 2, "S", 5)(ip(A, B))[-20:-8], 6), tcp(1, 2, "S", 5, doff=4)(ip(A, B)))], v4=chain("filter", "FORWARD", ["-p tcp -m osf --genre Odd --ttl 2", ""]), covers=["osf"])


def cases():
    for group in (recent_cases, hashlimit_cases, connlimit_cases, rateest_cases, idletimer_cases, nfacct_cases, osf_cases):
        yield from group()
