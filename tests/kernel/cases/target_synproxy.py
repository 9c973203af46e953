"""SYNPROXY: handshakes through cookies, with every option, in the orders that clients and servers think of."""
import struct

from case import Case, Do, Send
from packets import *
from cookies import ip_of, stamps, tcp_at

A, B = ("10.0.0.2", "10.1.0.2"), ("fd00::2", "fd00:1::2")


def fixed(src, dst):
    """An IP header that is the same each time it is built: packets that depend on output are built again."""
    return ip(src, dst) if ":" in src else ip(src, dst, ident=0x7777)


def opts(mss=None, sack=False, ts=None, ws=None):
    out = b""
    if mss is not None:
        out += struct.pack("!BBH", 2, 4, mss)
    if sack:
        out += b"\1\1\4\2"
    if ts is not None:
        out += struct.pack("!BBBBII", 1, 1, 8, 10, *ts)
    if ws is not None:
        out += struct.pack("!BBBB", 1, 3, 3, ws)
    return out


def told(outputs, item=0):
    """(first number, clock) of the SYN/ACK that left by eth0 in this item; None."""
    for name, frame in outputs.get(item, []):
        p = ip_of(frame)
        at = tcp_at(p) if p else None
        if name == "eth0" and at and p[at + 13] & 0x12 == 0x12:
            clock = [struct.unpack("!I", p[o:o + 4])[0] for kind, o in stamps(p, at) if kind == "clock"][:1]
            return struct.unpack("!I", p[at + 4:at + 8])[0], (clock or [0])[0]
    return None


class Flow:
    def __init__(self, v, port=1000, ts=False, seq=1000000000, server_seq=500000000):
        self.c, self.s = (A[0], B[0])[v == 6], (A[1], B[1])[v == 6]
        self.port, self.ts, self.seq, self.server_seq, self.syn_item = port, ts, seq, server_seq, 0

    def syn(self, options=b"", flags="S", **kw):
        return Send("eth0", tcp(self.port, 80, flags, self.seq, options=options)(fixed(self.c, self.s)), **kw)

    def client(self, flags="A", seq=1, ack=1, data=b"", options=None, off=0, ecr=0, clock=101, **kw):
        """A segment of the client: numbers count from both first ones, as the client knows them."""
        def build(outputs):
            t = told(outputs, self.syn_item)
            if t is None:
                return None
            o = options if options is not None else opts(ts=(clock, (t[1] + ecr) % 2**32)) if self.ts else b""
            return tcp(self.port, 80, flags, self.seq + seq, t[0] + ack + off, 4000, data=data, options=o)(fixed(self.c, self.s))
        return Send("eth0", build, **kw)

    def server(self, flags="A", seq=1, ack=1, data=b"", options=None, win=8000, clock=70001, **kw):
        o = options if options is not None else opts(ts=(clock, 101)) if self.ts else b""
        return Send("eth1", tcp(80, self.port, flags, self.server_seq + seq, self.seq + ack, win, data=data, options=o)(ip(self.s, self.c)), **kw)

    def whole(self, syn_options=b"", server_options=None):
        yield self.syn(syn_options)
        yield self.client()
        yield self.server("SA", 0, 1, options=server_options)
        yield self.client("PA", data=b"GET / HTTP/1.0\r\n\r\n", clock=103)
        yield self.server("A", 1, 19)
        yield self.server("PA", 1, 19, data=b"HTTP/1.0 200 OK\r\n", clock=70010)
        yield self.client("A", 19, 18, clock=110)
        yield self.server("FA", 18, 19, clock=70020)
        yield self.client("FA", 19, 19, clock=111)
        yield self.server("A", 19, 20, clock=70021)


def rules(options, hook="FORWARD", more=""):
    return ("*raw\n-A PREROUTING -i eth0 -p tcp -m tcp --syn -j CT --notrack\nCOMMIT\n*filter\n-A %s -i eth0 -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY%s\n"
            "-A %s -m conntrack --ctstate INVALID -j DROP\n-A %s\n-A OUTPUT -m conntrack --ctstate NEW\n-A OUTPUT -m conntrack --ctstate ESTABLISHED\n-A OUTPUT -m conntrack --ctstate INVALID\n%sCOMMIT\n"
            "*mangle\n-A POSTROUTING -p tcp\nCOMMIT\n") % (hook, options and " " + options, hook, hook, more)


LOOSE = {"net.netfilter.nf_conntrack_tcp_loose": 0}


def case(name, v, items, options, sysctl=LOOSE, **kw):
    return Case("%s-%d" % (name, v), list(items), sysctl=sysctl, covers=["SYNPROXY"], masks=["cookie"], **{"v%d" % v: rules(options, **kw)})


FULL = "--sack-perm --timestamp --wscale 7 --mss 1460"


def cases():
    for v in (4, 6):
        f, t = Flow(v), Flow(v, ts=True)
        yield case("plain", v, f.whole(opts(1460)), "--mss 1460")
        yield case("nothing", v, f.whole(), "")
        yield case("full", v, t.whole(opts(1460, True, (99, 0), 5), opts(1400, True, (70000, 101), 9)), FULL)
        yield case("no-clock", v, f.whole(opts(1460, True, None, 5)), FULL)
        yield case("clock-only", v, t.whole(opts(1300, False, (99, 0))), FULL)
        yield case("clock-not-asked", v, t.whole(opts(1300, True, (99, 0), 3)), "--mss 1300 --sack-perm --wscale 3")
        yield case("server-no-clock", v, t.whole(opts(1460, True, (99, 0), 5), opts(1400, True, None, 9)), FULL)
        yield case("server-wscale-window", v, t.whole(opts(1460, True, (99, 0), 5), opts(1400, ts=(70000, 101), ws=3)), FULL)
        yield case("ecn", v, [t.syn(opts(1460, True, (99, 0), 5), "SEC")] + list(t.whole(opts(1460, True, (99, 0), 5)))[1:], FULL + " --ecn")
        yield case("ecn-not-asked", v, [t.syn(opts(1460, True, (99, 0), 5), "SEC")] + list(t.whole(opts(1460, True, (99, 0), 5)))[1:], FULL)
        for mss in (None, 0, 535, 536, 1219, 1220, 1299, 1300, 1440, 1459, 1460, 8940, 65535):
            yield case("mss-%s" % mss, v, list(f.whole(opts(mss)))[:2], "--mss 1460 --timestamp")
        for ws in (0, 14, 15, 200):
            yield case("wscale-%d" % ws, v, list(t.whole(opts(1460, False, (99, 0), ws)))[:3], FULL)
        odd = {"cut": b"\2\4\5", "empty-option": b"\2\0\5\xb4", "long": b"\10\50" + bytes(6), "mss-len": b"\2\3\5\1\1\1\0\0", "end": b"\0\2\4\5\xb4\0\0\0", "twice": opts(1460) + opts(1300), "nops": b"\1" * 12 + opts(1300)}
        for name, o in odd.items():
            yield case("option-%s" % name, v, list(f.whole(o))[:3], FULL)
        yield case("bad-cookie", v, [t.syn(opts(1460, True, (99, 0), 5)), t.client(off=1), t.client(off=-1), t.client(off=77777), t.client(seq=2), t.client(seq=0), t.client(), t.client(ecr=64)], FULL)
        yield case("other-segments", v, [f.syn(opts(1460)), f.client("FA"), f.client("R"), f.client("RA"), f.client("PA", data=b"early"), f.client("SA"), f.client("F"), f.client("U")], FULL)
        yield case("ack-with-data", v, [f.syn(opts(1460)), f.client("PA", data=b"early"), f.server("SA", 0, 1), f.client("PA", data=b"early"), f.server("A", 1, 6)], FULL)
        yield case("keepalive", v, [f.syn(opts(536)), f.client(), f.client(seq=0, gap=0.02), f.client(seq=0, gap=0.02), f.server("SA", 0, 1), f.client("PA", data=b"x")], FULL, )
        yield case("keepalive-mss", v, [f.syn(opts(9000)), f.client(), f.client(seq=0), f.server("SA", 0, 1), f.client("PA", data=b"x")], FULL)
        yield case("ack-twice", v, [t.syn(opts(1460, True, (99, 0), 5)), t.client(), t.client(), t.server("SA", 0, 1, options=opts(1400, True, (70000, 101), 9)), t.client(), t.server("SA", 0, 1, options=opts(1400, True, (70000, 101), 9)), t.client("PA", data=b"hello")], FULL)
        yield case("syn-twice", v, [t.syn(opts(1460, True, (99, 0), 5)), t.syn(opts(1460, True, (99, 0), 5)), t.client(), t.syn(opts(1460, True, (99, 0), 5)), t.server("SA", 0, 1, options=opts(1400, True, (70000, 101), 9))], FULL)
        yield case("server-refuses", v, [f.syn(opts(1460)), f.client(), Send("eth1", tcp(80, 1000, "RA", 0, 1000000001)(ip(f.s, f.c))), f.client("PA", data=b"x")], FULL)
        yield case("server-resets", v, list(t.whole(opts(1460, True, (99, 0), 5), opts(1400, True, (70000, 101), 9)))[:5] + [t.server("R", 1, 19, options=b""), t.client("PA", 19, 1, data=b"x", clock=120), t.server("R", 1, 19)], FULL)
        yield case("reopened", v, list(f.whole(opts(1460)))[:5] + [f.server("R", 1, 19), f.syn(opts(1460)), f.client("A"), f.server("SA", 0, 1), f.client("PA", data=b"again")], FULL)
        yield case("loose", v, f.whole(opts(1460)), "--mss 1460", sysctl={})
        yield case("sack", v, list(t.whole(opts(1460, True, (99, 0), 5), opts(1400, True, (70000, 101), 9)))[:6] + [Send("eth1", tcp(80, 1000, "A", 500000018, 1000000019, 8000, options=b"\1\1\5\12" + struct.pack("!II", 1000000030, 1000000040))(ip(f.s, f.c))),
                   Send("eth0", lambda o, t=t: (lambda w: w and tcp(1000, 80, "A", 1000000019, w[0] + 1, 4000, options=b"\1\1\5\12" + struct.pack("!II", (w[0] + 5) % 2**32, (w[0] + 12) % 2**32))(fixed(t.c, t.s)))(told(o)))], FULL)
        short = tcp(1000, 80, "S", 1)(ip(f.c, f.s))
        yield case("damaged", v, [Send("eth0", tcp(1000, 80, "S", 1, check=0x1234)(ip(f.c, f.s))), Send("eth0", tcp(1000, 80, "S", 1, doff=4)(ip(f.c, f.s))), Send("eth0", tcp(1000, 80, "S", 1, doff=9)(ip(f.c, f.s))), Send("eth0", ip(f.c, f.s)(short[-20:-5], 6))], FULL)
        text = "*filter\n-A FORWARD -p tcp -m tcp --dport 80 -j SYNPROXY %s\n-A FORWARD\nCOMMIT\n" % FULL
        yield Case("tracked-%d" % v, list(f.whole(opts(1460)))[:6], covers=["SYNPROXY"], masks=["cookie"], sysctl=LOOSE, **{"v%d" % v: text}, note="SYNs that are tracked")
        yield Case("local-%d" % v, list(LocalFlow(v).whole(opts(1460)))[:2] + [LocalFlow(v).client("PA", data=b"hi")],
                   covers=["SYNPROXY"], masks=["cookie"], sysctl=LOOSE, **{"v%d" % v: rules("--mss 1400", hook="INPUT")})
        yield case("gone", v, list(f.whole(opts(1460)))[:6] + [Do("conntrack -D -p tcp" + (" -f ipv6" if v == 6 else "")), f.server("PA", 1, 19, data=b"late")], FULL)


class LocalFlow(Flow):
    """To a server on the router itself."""

    def __init__(self, v):
        super().__init__(v)
        self.s = ("10.0.0.1", "fd00::1")[v == 6]
