"""Connection tracking without NAT: every TCP state under every segment, windows, timeouts, UDP, ICMP errors, zones, limits.
The mangle rules count what each packet looked like to a rule."""
import struct

from case import Case, Do, Send
from packets import *

A, A2, B, R = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.0.0.1"
A6, A26, B6 = "fd00::2", "fd00::3", "fd00:1::2"
P = "net.netfilter.nf_conntrack_"
STATES = ["INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED"]
COUNT = "*mangle\n" + "".join("-A %s -m conntrack --ctstate %s\n" % (c, s) for c in ("PREROUTING", "POSTROUTING") for s in STATES)
COUNT += "-A POSTROUTING -m conntrack --ctstatus ASSURED\n-A POSTROUTING -m conntrack --ctdir REPLY\nCOMMIT\n"


class Talk:
    """A TCP connection between a client behind eth0 and a server behind eth1."""

    def __init__(self, sport=1000, dport=80, v=4, c=1000, s=9000):
        self.ports, self.v = (sport, dport), v
        self.ends = (A, B) if v == 4 else (A6, B6)
        self.c, self.s = c, s

    def seg(self, d, flags, seq, ack=0, data=b"", win=8192, options=b"", **kw):
        p, e = self.ports, self.ends
        t = tcp(p[d], p[1 - d], flags, seq, ack, win=win, data=data, options=options)
        return Send("eth%d" % d, t(ip(e[d], e[1 - d])), **kw)

    def to(self, state):
        """Segments that bring a connection there."""
        c, s, seg = self.c, self.s, self.seg
        syn, syn2 = seg(0, "S", c), seg(1, "S", s)
        open_ = [syn, seg(1, "SA", s, c + 1), seg(0, "A", c + 1, s + 1)]
        fin = open_ + [seg(0, "FA", c + 1, s + 1)]
        return {"NONE": [], "SYN_SENT": [syn], "SYN_SENT2": [syn, syn2], "SYN_RECV": open_[:2], "ESTABLISHED": open_,
                "FIN_WAIT": fin, "CLOSE_WAIT": fin + [seg(1, "A", s + 1, c + 2)], "LAST_ACK": fin + [seg(1, "FA", s + 1, c + 2)],
                "TIME_WAIT": fin + [seg(1, "FA", s + 1, c + 2), seg(0, "A", c + 2, s + 2)],
                "CLOSE": open_ + [seg(1, "R", s + 1)], "CLOSE_BY_CLIENT": open_ + [seg(0, "R", c + 1)],
                "PICKED_UP": [seg(0, "A", c + 1, s + 1)], "PICKED_UP_BOTH": [seg(0, "A", c + 1, s + 1), seg(1, "A", s + 1, c + 1)],
                }[state]


WHERE = ["NONE", "SYN_SENT", "SYN_SENT2", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
         "CLOSE_BY_CLIENT", "PICKED_UP", "PICKED_UP_BOTH"]
FLAGS = ["S", "SA", "FA", "A", "PA", "R", "RA", "", "F", "SF", "SR", "SU", "SPU", "AU", "PAU", "FAU", "FPU", "RU", "SEC", "UP"]


def case(name, items, **kw):
    kw.setdefault("v4", COUNT)
    kw.setdefault("v6", COUNT)
    kw.setdefault("covers", ["conntrack"])
    return Case(name, items, **kw)


def tcp_cases():
    for state in WHERE:
        for d in (0, 1):
            items = []
            for i, flags in enumerate(FLAGS):
                t = Talk(1000 + i, v=4 if i % 2 else 6)
                seq, ack = (t.c + 1, t.s + 1) if d == 0 else (t.s + 1, t.c + 1)
                items += t.to(state)
                items += [t.seg(d, flags, seq, ack), t.seg(1 - d, "A", ack, seq), t.seg(d, "A", seq, ack)]
            yield case("tcp-%s-%s" % (state.lower(), "reply" if d else "orig"), items, covers=["conntrack", "tcp"])
    offsets = [0, 1, -1, 100, -100, 8191, 8192, 8193, 16000, 16384, 16385, 40000, 66001, 70000, -8191, -8192, -8193, -9000, -66001,
               -70000, 1 << 31]
    for d in (0, 1):
        for liberal in (0, 1):
            for what in ("seq", "ack", "rst", "fin"):
                items = []
                for i, off in enumerate(offsets):
                    t = Talk(2000 + i)
                    seq, ack = (t.c + 1, t.s + 1) if d == 0 else (t.s + 1, t.c + 1)
                    items += t.to("ESTABLISHED")
                    items.append(t.seg(d, {"rst": "R", "fin": "FA"}.get(what, "A"), seq + (off if what != "ack" else 0),
                                       ack + (off if what == "ack" else 0), b"x" * (10 if what == "seq" else 0)))
                    items += [t.seg(1 - d, "A", ack, seq + 10), t.seg(d, "A", seq, ack)]
                yield case("tcp-window-%s-%d%s" % (what, d, "-liberal" if liberal else ""), items,
                           sysctl={P + "tcp_be_liberal": liberal}, covers=["conntrack", "tcp"])
    for opts_c in (b"", wscale(7), wscale(14), wscale(200), SACK_OK, wscale(2) + SACK_OK):
        items = []
        for i, opts_s in enumerate((b"", wscale(0), wscale(9), SACK_OK, wscale(3) + SACK_OK, b"\3\0\0\0", b"\3\4\7\0", b"\1\1\1\3")):
            t = Talk(3000 + i)
            items += [t.seg(0, "S", 1000, options=opts_c), t.seg(1, "SA", 9000, 1001, options=opts_s), t.seg(0, "A", 1001, 9001, win=500)]
            items += [t.seg(1, "A", 9001 + 60000, 1001, b"y"), t.seg(1, "A", 9001 + 500, 1001, b"y"),
                      t.seg(0, "A", 1001, 9001, options=sack((9200, 9300), (9501, 9502))), t.seg(1, "A", 9001, 1001, b"z" * 20),
                      t.seg(0, "A", 1001, 9021)]
        yield case("tcp-options-%s" % (opts_c.hex() or "none"), items, covers=["conntrack", "tcp"])
    for retrans in (0, 1, 3, 255):
        t = Talk()
        for short in (0, 1):
            yield case("tcp-retransmit-%d-%d" % (retrans, short), t.to("ESTABLISHED") + [t.seg(1, "A", 9001, 1001)] +
                       [t.seg(0, "PA", 1001, 9001, b"x" * 9)] * 6 + [t.seg(1, "A", 9001, 1010), t.seg(0, "A", 1010, 9001, win=0),
                        t.seg(1, "PA", 9001, 1010, b"q")], covers=["conntrack", "tcp"],
                       sysctl={P + "tcp_max_retrans": retrans, P + "tcp_timeout_max_retrans": 55 if short else 300})
    for loose in (0, 1):
        for rst in (0, 1):
            items = []
            for i, state in enumerate(WHERE):
                t = Talk(4000 + i)
                items += t.to(state) + [t.seg(1, "R", 8000, 0), t.seg(0, "R", 900, 0), t.seg(0, "A", 1001, 9001), t.seg(1, "RA", 0, 1001),
                                        t.seg(0, "S", 77777), t.seg(1, "SA", 88888, 77778), t.seg(0, "A", 77778, 88889)]
            yield case("tcp-switches-loose%d-rst%d" % (loose, rst), items,
                       sysctl={P + "tcp_loose": loose, P + "tcp_ignore_invalid_rst": rst}, covers=["conntrack", "tcp"])
    for v in (4, 6):
        t = Talk(v=v)
        c, s, seg = t.c, t.s, t.seg
        for name, items in {
            "simultaneous": [seg(0, "S", c), seg(1, "S", s), seg(0, "SA", c, s + 1), seg(1, "SA", s, c + 1), seg(0, "A", c + 1, s + 1),
                             seg(1, "A", s + 1, c + 1)],
            "simultaneous-acks": [seg(0, "S", c), seg(1, "S", s), seg(1, "A", s + 1, c + 1), seg(0, "A", c + 1, s + 1)],
            "syn-then-other-syn": [seg(0, "S", c), seg(0, "S", c + 5000), seg(1, "SA", s, c + 5001), seg(0, "A", c + 5001, s + 1)],
            "synack-for-old-syn": [seg(0, "S", c), seg(0, "S", c + 5000), seg(1, "SA", s, c + 1), seg(0, "R", c + 1)],
            "challenge-ack": t.to("ESTABLISHED") + [seg(0, "S", 70000), seg(1, "A", s + 1, c + 1), seg(0, "R", c + 1), seg(0, "S", 70000),
                                                    seg(1, "SA", 5, 70001), seg(0, "A", 70001, 6)],
            "challenge-ack-last-ack": t.to("LAST_ACK") + [seg(0, "S", 70000), seg(1, "A", s + 2, c + 2), seg(0, "R", c + 2),
                                                          seg(0, "S", 70000), seg(1, "SA", 5, 70001)],
            "server-forgot": t.to("ESTABLISHED") + [seg(0, "S", 70000, options=wscale(5)), seg(1, "SA", 5, 70001, options=wscale(1)),
                                                    seg(0, "A", 70001, 6), seg(1, "PA", 6, 70001, b"hi")],
            "half-open-rst": [seg(0, "S", c), seg(1, "A", 555, 666), seg(0, "R", 666), seg(0, "S", c), seg(1, "SA", s, c + 1)],
            "rst-answers-syn": [seg(0, "S", c), seg(1, "RA", 0, c + 1), seg(0, "S", c + 9), seg(1, "R", 0)],
            "rst-train": t.to("ESTABLISHED") + [seg(1, "A", s + 1, c + 1), seg(0, "PA", c + 1, s + 1, b"x" * 19), seg(0, "R", c + 20)],
            "rst-exact": t.to("ESTABLISHED") + [seg(1, "R", s), seg(1, "R", s + 100), seg(0, "A", c + 1, s + 1), seg(1, "R", s + 1),
                                                seg(0, "A", c + 1, s + 1)],
            "fin-both-invalid": t.to("ESTABLISHED") + [seg(0, "FA", c + 1, s + 70000), seg(1, "FA", s + 1, c + 70000),
                                                       seg(0, "RA", c + 100000, s + 1)],
            "reopen": t.to("TIME_WAIT") + [seg(0, "S", c - 500), seg(1, "SA", s - 500, c - 499), seg(0, "A", c - 499, s - 499)],
            "reopen-by-server": t.to("TIME_WAIT") + [seg(1, "S", s + 9999), seg(0, "SA", 5, s + 10000)],
            "truncated": [seg(0, "S", c)] + [Send("eth0", tcp(1, 2, "S", doff=x)(ip(*t.ends))) for x in (0, 4, 6, 15)] +
                         [Send("eth0", ip(*t.ends)(b"\0\1\0\2" + b"\0" * n, 6)) for n in (0, 4, 15, 16)] + [Send("eth0", ip(*t.ends)(b"abc"[:n], 6)) for n in (0, 3)],
            "checksum": [Send("eth0", tcp(1, 2, "S", check=x)(ip(*t.ends))) for x in (0, 1, 0xFFFF)],
        }.items():
            yield case("tcp-%s-%d" % (name, v), items, covers=["conntrack", "tcp"])


def udp_cases():
    for v, a, b in ((4, A, B), (6, A6, B6)):
        q, r = udp(1000, 53)(ip(a, b)), udp(53, 1000)(ip(b, a))
        yield case("udp-stream-%d" % v, [Send("eth0", q), Send("eth1", r), Send("eth0", q), Send("eth0", q, gap=2.1), Send("eth1", r)],
                   covers=["conntrack", "udp"], sysctl={P + "acct": 1})
        yield case("udp-unreplied-%d" % v, [Send("eth0", q), Send("eth0", q, gap=2.1), Send("eth0", q)], covers=["conntrack", "udp"])
        yield case("udp-expires-%d" % v, [Send("eth0", q), Send("eth1", r, gap=0.5), Send("eth0", q, gap=1.3), Send("eth1", r, gap=1.3)],
                   covers=["conntrack", "udp"], sysctl={P + "udp_timeout": 1})
        yield case("udp-malformed-%d" % v, [Send("eth0", udp(5, 6, length=n)(ip(a, b))) for n in (0, 7, 8, 11, 12, 13, 65535)] +
                   [Send("eth0", udp(5, 7, check=n)(ip(a, b))) for n in (0, 1, 0xFFFF)] +
                   [Send("eth0", ip(a, b)(b"\0\5\0\10\0\10\0\0"[:n], 17)) for n in (0, 3, 4, 7, 8)], covers=["conntrack", "udp"])
        yield case("checksum-off-%d" % v, [Send("eth0", udp(5, 7, check=1)(ip(a, b))), Send("eth0", tcp(5, 7, "S", check=1)(ip(a, b))),
                                           Send("eth0", icmp(128 if v == 6 else 8, check=1)(ip(a, b)))],
                   sysctl={P + "checksum": 0}, covers=["conntrack"])
        yield case("protocols-%d" % v, [Send("eth0", ip(a, b)(b"abcdefgh", n)) for n in (0, 2, 4, 41, 50, 89, 103, 253, 255) if (v, n) != (6, 0)] +
                   [Send("eth1", ip(b, a)(b"", n)) for n in (89, 255)] + [Send("eth0", ip(a, b)(b"\10\0\0\0\0\1\0\1", 1 if v == 6 else 58))],
                   covers=["conntrack"], sysctl={P + "generic_timeout": 77})


def error(v, kind, code, quoted, src, dst, rest=b"\0\0\0\0", **kw):
    return icmp(kind, code, rest, quoted, **kw)(ip(src, dst))


def icmp_cases():
    for v, a, a2, b, third in ((4, A, A2, B, "10.1.0.3"), (6, A6, A26, B6, "fd00:1::3")):
        kinds = [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (3, 200), (4, 0), (5, 0), (5, 1), (11, 0), (11, 1), (12, 0)] if v == 4 else \
            [(1, 0), (1, 4), (1, 200), (2, 0), (3, 0), (3, 1), (4, 0), (4, 2), (100, 0), (127, 0)]
        flows = {"udp": udp(1000, 53)(ip(a, b)), "tcp": tcp(1000, 80, "S", 1)(ip(a, b)), "echo": echo(7, 1)(ip(a, b)),
                 "proto89": ip(a, b)(b"12345678", 89)}
        answers = {"udp": udp(53, 1000)(ip(b, a)), "tcp": tcp(80, 1000, "SA", 5, 2)(ip(b, a)), "echo": echo(7, 1, reply=True)(ip(b, a)),
                   "proto89": ip(b, a)(b"12345678", 89)}
        for name, q in flows.items():
            r = answers[name]
            items = [Send("eth0", q)]
            for kind, code in kinds:
                rest = struct.pack("!HH", 0, 1400) if v == 4 else struct.pack("!I", 1400)
                items += [Send("eth1", error(v, kind, code, q, third, a, rest)), Send("eth1", error(v, kind, code, q, b, a, rest))]
            items += [Send("eth1", r)]
            for kind, code in kinds[:4]:
                items += [Send("eth0", error(v, kind, code, r, a, b)), Send("eth0", error(v, kind, code, r, a2, b)),
                          Send("eth1", error(v, kind, code, q, b, a2)), Send("eth0", error(v, kind, code, q, a, b))]
            yield case("icmp-error-%s-%d" % (name, v), items, covers=["conntrack", "icmp-error"])
            kind = 3 if v == 4 else 1
            yield case("icmp-error-cut-%s-%d" % (name, v), [Send("eth0", q)] +
                       [Send("eth1", error(v, kind, 1, q[:n], b, a)) for n in range(0, len(q) + 1)], covers=["conntrack", "icmp-error"])
            yield case("icmp-error-bits-%s-%d" % (name, v), [Send("eth0", q)] +
                       [Send("eth1", error(v, kind, 1, q[:n] + bytes([q[n] ^ x]) + q[n + 1:], b, a)) for n in range(0, len(q), 1) for x in (1, 0x40)],
                       covers=["conntrack", "icmp-error"])
        types = range(0, 45) if v == 4 else list(range(98, 170)) + [0, 1, 200, 201, 255]
        yield case("icmp-types-%d" % v, [Send("eth0", icmp(t, 0, struct.pack("!HH", t, 1), b"data" * 12)(ip(a, b))) for t in types] +
                   [Send("eth1", icmp(t, 0, struct.pack("!HH", (t ^ 8) if t in (0, 8) else t - 1, 1), b"data" * 12)(ip(b, a))) for t in types],
                   covers=["conntrack", "icmp"])
        yield case("icmp-pairs-%d" % v, [Send("eth0" if i < 1 else "eth1", icmp(t, c, struct.pack("!HH", 9, 1))(ip(*((a, b) if i < 1 else (b, a)))))
                   for x, y in (((8, 0), (13, 14), (15, 16), (17, 18)) if v == 4 else ((128, 129), (139, 140)))
                   for c in (0, 1) for i, t in enumerate((x, y, y, x))], covers=["conntrack", "icmp"])
        yield case("icmp-short-%d" % v, [Send("eth0", ip(a, b)((b"\x08\0\xf7\xff" if v == 4 else b"\x80\0\0\0") + b"\0" * n, 1 if v == 4 else 58)) for n in range(0, 6)] +
                   [Send("eth0", icmp(8 if v == 4 else 128, check=n)(ip(a, b))) for n in (0, 1, 0xFFFF)], covers=["conntrack", "icmp"])
    q6 = udp(1000, 53)(ip(A6, B6))
    opt = lambda kind, n, body: b"\0" * 32 + bytes([kind, n]) + b"\0" * 6 + body
    yield case("nd-redirect", [Send("eth0", q6)] + [
        Send("eth1", icmp(137, code, data=body)(ip(src, A6, ttl=ttl)))
        for code in (0, 1) for src in ("fe80::1", B6) for ttl in (255, 64)
        for body in (b"", b"\0" * 32, opt(4, 0, q6), opt(4, 7, q6), opt(2, 7, q6), opt(4, 7, b""), opt(4, 7, q6[:44]), b"\0" * 32 + b"\4\1")],
        covers=["conntrack", "icmp-error"])
    yield case("ipv6-headers", [Send("eth0", udp(1, 2)(ip(A6, B6, ext=e))) for e in (
        [(0, b"\0\0" + b"\1\4" + b"\0" * 4)], [(60, b"\0\0" + b"\1\4" + b"\0" * 4)], [(60, b"\0\1" + b"\1\x0c" + b"\0" * 12)],
        [(43, b"\0\2\4\0" + b"\0" * 20)], [(51, b"\0\4" + b"\0" * 22)], [(0, b"\0\0\1\4\0\0\0\0"), (60, b"\0\0\1\4\0\0\0\0")], [(60, b"\0\x20" + b"\0" * 6)])] +
        [Send("eth0", ip(A6, B6)(b"abcd", 59)), Send("eth0", ip(A6, B6)(b"\x3b\0\0\0\0\0\0\0", 60))], covers=["conntrack"])


def other_protocol_cases():
    c, s = 0x11111111, 0x22222222       # tags: what the server writes to the client, and the other way
    init, init_ack = (lambda tag: chunk(1, 0, struct.pack("!IIHHI", tag, 9, 1, 1, 7))), (lambda tag: chunk(2, 0, struct.pack("!IIHHI", tag, 9, 1, 1, 7) + b"cookie"))
    for v, a, b in ((4, A, B), (6, A6, B6)):
        go = lambda d, tag, *ch, p=5, **kw: Send("eth%d" % d, sctp(p if d == 0 else 6, 6 if d == 0 else p, tag, *ch, **kw)(ip(*((a, b) if d == 0 else (b, a)))))
        def at(state, p):
            steps = [go(0, 0, init(c), p=p), go(1, c, init_ack(s), p=p), go(0, s, chunk(10, 0, b"cookie"), p=p), go(1, c, chunk(11), p=p),
                     go(0, s, chunk(7, 0, b"\0\0\0\1"), p=p), go(1, c, chunk(8), p=p), go(0, s, chunk(14), p=p)]
            return steps[:state] if state < 8 else [go(0, s, chunk(4, 0, b"beat"), p=p)]
        kinds = list(range(0, 16)) + [64, 192]
        for state in range(0, 9):
            for d in (0, 1):
                items = []
                for k in kinds:
                    body = struct.pack("!IIHHI", c if d == 0 else s, 9, 1, 1, 7) if k in (1, 2) else b"12345678"
                    items += at(state, 100 + k) + [go(d, 0 if k == 1 else s if d == 0 else c, chunk(k, 0, body), p=100 + k), go(1 - d, c if d == 0 else s, chunk(0, 3, b"data"), p=100 + k)]
                yield case("sctp-%d-%s-%d" % (state, "reply" if d else "orig", v), items, covers=["conntrack", "sctp"], sysctl={P + "acct": 1})
        yield case("sctp-tags-%d" % v, [x for i, f in enumerate((0, 1)) for x in at(4, 200 + i) + [go(d, t, chunk(k, f, b"abcd"), p=200 + i) for k in (4, 5, 6, 14, 0, 3)
                   for t in (c, s, 0, 7) for d in (0, 1)]], covers=["conntrack", "sctp"])
        yield case("sctp-broken-%d" % v, [go(0, 0, init(c), bad=1), go(0, 0, init(c)[:9]), go(0, 0), go(0, 0, b"\1"), go(0, 0, init(c), chunk(0, 0, b"x")),
                   go(0, 0, chunk(0, 0, b"", length=0)), go(0, 1, init(c)), go(0, 0, init(c) + b"\0"), go(1, c, chunk(3), chunk(11)), go(1, c, chunk(10), chunk(11))] +
                   [Send("eth0", ip(a, b)(sctp(5, 6, 0, init(c))(lambda p, n: p)[:n], 132)) for n in (0, 3, 4, 11, 12, 15, 16)], covers=["conntrack", "sctp"])
        gre = lambda d, *x, cut=16: Send("eth%d" % d, ip(*((a, b) if d == 0 else (b, a)))((struct.pack("!HHHH", *x) + b"payload!")[:cut], 47))
        yield case("gre-%d" % v, [gre(0, 0, 0x800, 0, 0), gre(1, 0, 0x800, 0, 0), gre(0, 0, 0x6558, 0, 0), gre(0, 0x3001, 0x880B, 8, 7), gre(1, 0x3001, 0x880B, 8, 9),
                   gre(0, 0x3001, 0x800, 8, 7), gre(0, 2, 0x880B, 8, 7)] + [gre(1, 0x3001, 0x880B, 8, 5, cut=n) for n in (0, 2, 3, 4, 6, 7, 8)],
                   covers=["conntrack", "gre"], sysctl={P + "gre_timeout": 33, P + "gre_timeout_stream": 44})
        lite = lambda d, cover, check=None, proto=17, cut=99: Send("eth%d" % d, udplite(5 + d, 6 - d, cover, check, proto)(ip(*((a, b) if d == 0 else (b, a))), cut))
        yield case("udplite-%d" % v, [lite(0, n) for n in (0, 8, 9, 20, 7, 21)] + [lite(1, 20), lite(0, 20), lite(0, 20, 0), lite(0, 20, 1), lite(0, 20, None, 136)] +
                   [lite(0, 8, cut=n) for n in (0, 3, 4, 7, 8)], covers=["conntrack", "udplite"])


def zone_cases():
    q, r = udp(1000, 53)(ip(A, B)), udp(53, 1000)(ip(B, A))
    e = lambda p, d: error(4, 3, 1, p, "10.1.0.3" if d == A else "10.0.0.3", d)
    both = [Send("eth0", q), Send("eth1", r), Send("eth0", q), Send("eth1", e(q, A)), Send("eth0", e(r, B)),
            Send("eth0", tcp(5, 80, "S", 1)(ip(A, B))), Send("eth1", tcp(80, 5, "SA", 1, 2)(ip(B, A)))]
    for name, rules in {
        "one-side": "-A PREROUTING -i eth0 -j CT --zone 5\n", "both": "-A PREROUTING -j CT --zone 5\n",
        "two": "-A PREROUTING -i eth0 -j CT --zone 5\n-A PREROUTING -i eth1 -j CT --zone 6\n",
        "orig": "-A PREROUTING -j CT --zone-orig 5\n", "reply": "-A PREROUTING -j CT --zone-reply 5\n",
        "orig-one-side": "-A PREROUTING -i eth0 -j CT --zone-orig 5\n", "reply-one-side": "-A PREROUTING -i eth0 -j CT --zone-reply 5\n",
        "mark": "-A PREROUTING -i eth0 -j MARK --set-mark 0x70005\n-A PREROUTING -j CT --zone mark\n",
        "mark-orig": "-A PREROUTING -j MARK --set-mark 7\n-A PREROUTING -j CT --zone-orig mark\n",
        "notrack": "-A PREROUTING -i eth0 -p udp -j CT --notrack\n", "notrack-old": "-A PREROUTING -i eth1 -j NOTRACK\n",
    }.items():
        raw_table = "*raw\n" + rules + "COMMIT\n"
        yield case("zone-" + name, both, v4=raw_table + COUNT, v6="", covers=["conntrack", "CT"])
        yield case("zone-second-" + name, [Do("iptables -t raw -F"), Send("eth0", q)] + both, v4=raw_table + COUNT, v6="", conntrack="on",
                   covers=["conntrack", "CT"])


def life_cases():
    q = lambda n, a=A: udp(1000 + n, 53)(ip(a, B))
    r = lambda n, a=A: udp(53, 1000 + n)(ip(B, a))
    yield case("accounting", [Send("eth0", q(0)), Send("eth1", r(0)), Send("eth0", q(0))] + Talk().to("TIME_WAIT"), sysctl={P + "acct": 1})
    yield case("accounting-dropped", [Send("eth0", q(0)), Send("eth1", r(0)), Send("eth1", r(0)), Send("eth0", q(1))],
               v4="*filter\n-A FORWARD -i eth1 -j DROP\n-A FORWARD -p udp --sport 1001 -j DROP\nCOMMIT\n", sysctl={P + "acct": 1}, conntrack="on")
    yield case("accounting-destroyed", Talk().to("SYN_SENT") + [Talk().seg(1, "RA", 0, 1001)], sysctl={P + "acct": 1})
    yield case("no-events", [Send("eth0", q(0)), Send("eth1", r(0))] + Talk().to("TIME_WAIT"), sysctl={P + "events": 0})
    yield case("dropped-is-not-confirmed", [Send("eth0", q(0)), Send("eth1", r(0)), Send("eth0", q(0))],
               v4="*filter\n-A FORWARD -i eth0 -j DROP\nCOMMIT\n", conntrack="on")
    yield case("rejected-is-not-confirmed", [Send("eth0", q(0)), Send("eth0", tcp(5, 6, "S", 1)(ip(A, B)))],
               v4="*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -j REJECT\nCOMMIT\n", conntrack="on",
               covers=["conntrack", "REJECT"])
    t = Talk()
    for state in ("SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE"):
        yield case("reset-closes-" + state.lower(), t.to(state) + [Do("iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset"),
                   t.seg(0, "PA", 1001, 9001, b"x"), t.seg(1, "PA", 9001, 1001, b"x"), Do("iptables -F FORWARD"), t.seg(0, "PA", 1001, 9001, b"x"),
                   t.seg(1, "A", 9001, 1002)], v4=COUNT + "*filter\nCOMMIT\n", v6="", covers=["conntrack", "REJECT"])
    yield case("auto-on-off", [Send("eth0", q(0)), Do("iptables -A FORWARD -m conntrack --ctstate NEW"), Send("eth0", q(0)), Send("eth1", r(0)),
                               Do("iptables -D FORWARD 1"), Send("eth0", q(0)), Send("eth0", q(1)),
                               Do("iptables -A FORWARD -m conntrack --ctstate NEW"), Send("eth0", q(0)), Send("eth0", q(1))],
               v4="*filter\nCOMMIT\n", v6="", sysctl={P + "acct": 1})
    on, off = Do("iptables -A FORWARD -m conntrack --ctstate NEW"), Do("iptables -D FORWARD 1")
    yield case("windows-forgotten", [on] + t.to("ESTABLISHED") + [off, t.seg(0, "PA", 500000, 9001, b"x"), on, t.seg(0, "PA", 500001, 9001, b"x"),
                                    t.seg(1, "A", 9001, 500002), t.seg(1, "A", 9001, 900000)], v4="*filter\nCOMMIT\n", v6="")
    yield case("per-family", [Send("eth0", q(0)), Send("eth0", udp(1, 2)(ip(A6, B6)))], v6="")
    yield case("marks", [Send("eth0", q(0)), Send("eth1", r(0)), Send("eth0", q(0)), Send("eth1", r(0))],
               v4="*mangle\n-A PREROUTING -i eth1 -j CONNMARK --set-mark 0x11\n-A POSTROUTING -o eth0 -j CONNMARK --set-xmark 0x2/0x3\nCOMMIT\n", v6="",
               covers=["conntrack", "CONNMARK"])
    there = [Send("eth0", udp(1000, 53, b"ask")(ip("10.0.0.2", "10.1.0.2"))), Send("eth1", udp(53, 1000, b"tell")(ip("10.1.0.2", "10.0.0.2")))]
    yield Case("mark-there-and-back", there * 5, conntrack="on", covers=["conntrack", "CONNMARK"],     # each packet of it is an event
               v4="*mangle\n-A PREROUTING -j CONNMARK --set-mark 1\n-A FORWARD -j CONNMARK --save-mark\nCOMMIT\n")
    for command in ("-D -p udp", "-D -s 10.0.0.3", "-F", "-U -p udp -s 10.0.0.2 -m 7", "-U -p udp -s 10.0.0.2 -t 55", "-D -p tcp",
                    "-I -p udp -s 10.0.0.2 -d 10.1.0.2 --sport 1009 --dport 53 -t 60 -u SEEN_REPLY,ASSURED", "-D -p udp --orig-port-src 1001"):
        yield case("command" + command.replace(" ", "_").replace("/", ""), [Send("eth0", q(0)), Send("eth0", q(1)), Send("eth1", r(0)),
                   Send("eth0", q(2, A2)), Do("conntrack " + command), Send("eth0", q(0)), Send("eth1", r(1)), Send("eth1", r(2, A2)),
                   Send("eth1", r(9))], covers=["conntrack", "conntrack-command"])
    for name in ("tcp_timeout_syn_sent", "tcp_timeout_syn_recv", "tcp_timeout_established", "tcp_timeout_fin_wait", "tcp_timeout_close_wait",
                 "tcp_timeout_last_ack", "tcp_timeout_time_wait", "tcp_timeout_close", "tcp_timeout_unacknowledged"):
        items = []
        for i, state in enumerate(WHERE):
            items += Talk(6000 + i).to(state) + ([Talk(6000 + i).seg(0, "PA", 1001, 9001, b"x")] if state == "ESTABLISHED" else [])
        yield case("timeout-" + name, items, sysctl={P + name: 17}, covers=["conntrack", "tcp"])
    yield case("timeout-icmp", [Send("eth0", echo(1, 1)(ip(A, B))), Send("eth0", echo(1, 1)(ip(A6, B6)))],
               sysctl={P + "icmp_timeout": 5, P + "icmpv6_timeout": 6})
    yield case("syn-sent-expires", Talk().to("SYN_SENT") + [Send("eth1", tcp(80, 1000, "SA", 9000, 1001)(ip(B, A)), gap=1.2)],
               sysctl={P + "tcp_timeout_syn_sent": 1}, covers=["conntrack", "tcp"])
    yield case("syn-not-renewed", Talk().to("SYN_SENT") + [Talk().seg(0, "S", 1000, gap=0.7), Talk().seg(0, "S", 1000, gap=0.7)],
               sysctl={P + "tcp_timeout_syn_sent": 1}, covers=["conntrack", "tcp"])
    yield case("local", [Send("eth0", udp(5, 6)(ip(A, R))), Send(None, udp(6, 5)(ip(R, A))), Send(None, udp(7, 8)(ip("10.1.0.1", B))),
                         Send("eth1", udp(8, 7)(ip(B, "10.1.0.1"))), Send(None, tcp(7, 8, "S", 5)(ip("10.1.0.1", B))),
                         Send(None, tcp(7, 9, "SA", 5)(ip("10.1.0.1", B))), Send(None, echo(5, 5)(ip("10.1.0.1", B)))], covers=["conntrack", "local-out"])
    yield case("nd-untracked", [Send("eth0", icmp(136, 0, data=struct.pack("!16s", addr(A6)))(ip(A6, "fd00::1", ttl=255))),
                                Send("eth0", icmp(133, 0)(ip(A6, "fd00::1", ttl=255))), Send("eth0", icmp(143, 0)(ip(A6, "fd00::1", ttl=1)))],
               covers=["conntrack", "icmp"])


def cases():
    yield from tcp_cases()
    yield from udp_cases()
    yield from icmp_cases()
    yield from other_protocol_cases()
    yield from zone_cases()
    yield from life_cases()
