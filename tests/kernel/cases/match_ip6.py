"""Matches on IPv6 extension headers: whole, cut short, in fragments, one behind the other."""
import struct

from case import Case, Do, Send
from packets import *

A6, B6, R06 = "fd00::2", "fd00:1::2", "fd00::1"
HBH, DST, RT, FRAG, AH = 0, 60, 43, 44, 51


def match(name, rules, items, hook="FORWARD", table="filter", **kw):
    text = "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))
    yield Case(name, [p if isinstance(p, Send) else Send("eth0", p) for p in items], v6=text, covers=[name.split("-")[0]], **kw)


def opts(body=b"\1\4\0\0\0\0"):
    return b"\0" + bytes([(len(body) + 2 + 7) // 8 - 1]) + body + b"\0" * (-(len(body) + 2) % 8)


def routing(kind=3, left=0, addrs=(), res=0):
    return struct.pack("!BBBBI", 0, 2 * len(addrs), kind, left, res) + b"".join(addr(a) for a in addrs)


def frag(off=0, more=0, ident=5, res=0, low=0):
    return struct.pack("!BBHI", 0, res, off << 3 | low << 1 | more, ident)


def ext(*headers, payload=udp(1, 2)):
    return payload(ip(A6, B6, ext=list(headers)))


PLAIN = [ext(), ext((HBH, opts())), ext((DST, opts())), ext((RT, routing())), ext((FRAG, frag())), ext((AH, b"\0\4\0\0" + b"\1" * 20)), ext((HBH, opts()), (DST, opts()), (RT, routing())),
         ext((HBH, opts()), (RT, routing()), (FRAG, frag()), (DST, opts())), ext(payload=raw(59, b"")), ext((DST, opts()), payload=raw(59, b"xx")), ext(payload=raw(50, b"12345678")), ext((DST, opts()), (DST, opts())),
         ext(payload=tcp(1, 2, "S", 1)), ext(payload=echo(1, 1))]


def cuts(name, rules, kind, header):
    for n in (0, 1, 2, 3, 4, 6, 7, 8, 12):
        if n < len(header):
            yield from match("%s-cut-%d" % (name, n), rules, [raw(kind, (b"\x11" + header[1:])[:n])(ip(A6, B6))])
            yield from match("%s-cut-later-%d" % (name, n), rules, [raw(HBH, bytes([kind]) + opts()[1:] + (b"\x11" + header[1:])[:n])(ip(A6, B6))])


def cases():
    rules = ["-m frag " + o for o in ("", "--fragid 5", "! --fragid 5", "--fragid 1:4", "--fraglen 8", "! --fraglen 9", "--fragres", "--fragfirst", "--fragmore", "--fraglast", "--fragfirst --fragmore", "--fragid 77 --fraglast")] + [""]
    yield from match("frag", rules, PLAIN + [ext((FRAG, frag(ident=i))) for i in (0, 4, 77)] + [ext((FRAG, frag(res=1))), ext((FRAG, frag(low=1))), ext((FRAG, frag(low=2)))])
    big = udp(1, 2, b"x" * 90)(ip(A6, B6))
    yield from match("frag-pieces", rules, fragments6(big, [24, 48], 77) + [frag6(big, 24, 48, True, 5), frag6(big, 72, 26, False, 5)])
    yield from match("frag-pieces-tracked", rules, fragments6(big, [24, 48], 77), conntrack="on")
    yield from cuts("frag", rules, FRAG, frag())
    for name, kind in (("hbh", HBH), ("dst", DST)):
        rules = ["-m %s" % name, ""] + ["-m %s %s--%s-len %d" % (name, neg, name, n) for neg in ("", "! ") for n in (8, 16, 0)]
        rules += ["-m %s --%s-opts %s" % (name, name, o) for o in ("1", "1:4", "1:3", "5:2", "0", "0,0", "1:0,5:2", "5:2,0", "5:2,0,0", "5:2,0,0,0", "201", "201:4,1", "1,1", "194:4", "1:4,0")]
        rules += ["-m %s --%s-len 8 --%s-opts 5:2,1:0" % (name, name, name)]
        bodies = [b"\1\4\0\0\0\0", b"\5\2\0\0\1\0", b"\5\2\0\0\0\0", b"\0\0\0\0\0\0", b"\1\0\5\2\0\0", b"\xc9\4abcd\1\6" + b"\0" * 6, b"\1\x0c" + b"\0" * 12, b"\1\1\0\1\1\0", b"\1\5\0\0\0\0", b"\1\xff\0\0\0\0", b"\1\3\0\0\0\1"]
        for hook, table in (("PREROUTING", "raw"), ("FORWARD", "filter")):
            yield from match("%s-%s" % (name, hook.lower()), rules, PLAIN + [ext((kind, opts(b))) for b in bodies], hook=hook, table=table)
        yield from match(name + "-second", rules, [ext((DST if kind == HBH else HBH, opts()), (kind, opts(b"\5\2\0\0\1\0"))), ext((kind, opts(b"\5\2\0\0\1\0")), (kind, opts()))], hook="PREROUTING", table="raw")
        whole = raw(kind, b"\x11" + opts()[1:] + b"y" * 90)(ip(A6, B6))
        yield from match(name + "-pieces", rules, fragments6(whole, [24, 48], 7), hook="PREROUTING", table="raw")
        yield from match(name + "-too-long", rules, [raw(kind, b"\x11\x03" + bytes(20))(ip(A6, B6)), raw(kind, b"\x11\xff" + bytes(20))(ip(A6, B6))], hook="PREROUTING", table="raw")
        yield from cuts(name, rules, kind, opts())
    rules = ["-m rt", ""] + ["-m rt " + o for o in ("--rt-type 0", "--rt-type 3", "! --rt-type 3", "--rt-segsleft 0", "--rt-segsleft 1:2", "! --rt-segsleft 0", "--rt-len 8", "--rt-len 40", "! --rt-len 24",
             "--rt-type 0 --rt-0-res", "--rt-type 0 --rt-0-addrs fd00::7", "--rt-type 0 --rt-0-addrs fd00::7,fd00::8", "--rt-type 0 --rt-0-addrs fd00::8 --rt-0-not-strict",
             "--rt-type 0 --rt-0-addrs fd00::7,fd00::9 --rt-0-not-strict", "--rt-type 0 --rt-0-res --rt-0-addrs fd00::7,fd00::8 --rt-0-not-strict")]
    routes = [routing(k, l, a, r) for k, l, a, r in ((0, 0, (), 0), (0, 0, ("fd00::7",), 0), (0, 1, ("fd00::7", "fd00::8"), 0), (0, 2, ("fd00::7", "fd00::8", "fd00::9"), 0), (0, 0, ("fd00::8",), 9), (3, 1, (), 0), (2, 1, ("fd00::7",), 0), (4, 0, ("fd00::7",), 1))]
    for hook, table in (("PREROUTING", "raw"), ("FORWARD", "filter")):
        yield from match("rt-" + hook.lower(), rules, PLAIN + [ext((RT, r)) for r in routes] + [ext((HBH, opts()), (RT, r)) for r in routes[:2]], hook=hook, table=table)
    yield from cuts("rt", rules, RT, routing(0, 0, ("fd00::7",)))
    for name in ("ah", "hbh", "dst", "frag", "rt", "mh", "ipv6header --header dst --soft"):   # two bytes of a routing header are too few to go on behind it
        for hook, table in (("PREROUTING", "raw"), ("FORWARD", "filter")):
            rule = "-m " + name if name != "mh" else "-p mh -m mh"
            yield from match("short-routing-%s-%s" % (name.split()[0], hook.lower()), [rule, ""], [raw(RT, b"\x21\x02\0\0"[:n])(ip(A6, B6)) for n in range(5)], hook=hook, table=table)
    words = ("hop", "dst", "route", "frag", "auth", "esp", "none", "prot", "hop,dst,route,prot", "hop,prot", "frag,prot", "dst,none")
    rules = ["-m ipv6header %s--header %s%s" % (neg, w, soft) for w in words for neg in ("", "! ") for soft in ("", " --soft")]
    for hook, table in (("PREROUTING", "raw"), ("FORWARD", "filter")):
        yield from match("ipv6header-" + hook.lower(), rules, PLAIN, hook=hook, table=table)
    yield from match("ipv6header-pieces", rules, fragments6(big, [24, 48], 77))
    yield from match("ipv6header-too-long", rules, [raw(DST, b"\x11\x03" + bytes(20))(ip(A6, B6))], hook="PREROUTING", table="raw")
    yield from cuts("ipv6header", rules, DST, opts())
    rules = ["-p ipv6-mh -m mh" + o for o in ("", " --mh-type 5", " ! --mh-type 5", " --mh-type 1:6", " --mh-type :4", " --mh-type 7:", " --mh-type 255")] + [""]
    message = lambda kind, proto=59: struct.pack("!BBBBH", proto, 0, kind, 0, 0) + b"ab"
    yield from match("mh-types", rules, [ext(payload=raw(135, message(k))) for k in (0, 1, 4, 5, 6, 7, 8, 254, 255)] + PLAIN)
    yield from match("mh-behind", rules, [ext((HBH, opts()), (DST, opts()), payload=raw(135, message(5))), ext((FRAG, frag()), payload=raw(135, message(5)))])
    yield from match("mh-payload", rules, [ext(payload=raw(135, message(5, 17)))])
    yield from match("mh-pieces", rules, fragments6(ext(payload=raw(135, message(5) + b"z" * 90)), [24, 48], 7))
    for n in (0, 2, 3, 5, 6):
        yield from match("mh-cut-%d" % n, rules, [ext(payload=raw(135, message(5)[:n]))])
    own = udp(1, 2)(ip("fd00::ff:fe00:2", B6))
    frames = [Send("eth0", own), Send("eth0", own, src="02:00:00:00:00:03"), Send("eth0", udp(1, 2)(ip(A6, B6))), Send("eth0", udp(1, 2)(ip("fd00::ff:fe00:2", R06))), Send(None, udp(1, 2)(ip(R06, A6))),
              Send("eth0", udp(1, 2)(ip("fd00::200:ff:fe00:2", B6))), Send("eth0", udp(1, 2)(ip("fd00::0:ff:fe00:2", B6)), src="00:00:00:00:00:02"), Send("eth0", udp(1, 2)(ip("fd00::200:ff:fe00:2", B6)), src="00:00:00:00:00:02")]
    for hook, table in (("PREROUTING", "raw"), ("PREROUTING", "mangle"), ("INPUT", "filter"), ("FORWARD", "filter"), ("INPUT", "mangle"), ("FORWARD", "mangle"), ("OUTPUT", "filter"), ("POSTROUTING", "mangle")):
        yield from match("eui64-%s-%s" % (table, hook.lower()), ["-m eui64", ""], frames, hook=hook, table=table)
