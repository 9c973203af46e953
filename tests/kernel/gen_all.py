"""Profile "all": the general generator's packets, and those of every protocol that an extension looks for, under rules drawn from the
grammar of all extensions (grammar.py)."""
import random
import re
import struct

import gen
import gen_host
import gen_state
import grammar
from case import Do, Send
from gen_headers import Headers
from packets import addr, chunk, csum, fragments4, fragments6, mss, raw, sctp, tcp, timestamp, udp, udplite, wscale

from cases.ext_state import FINGERS


class AllGen(gen.Gen):
    def __init__(self, seed):
        super().__init__(seed, None)
        self.s = random.Random("all%d" % seed)
        # timers of IDLETIMER are known by name in all namespaces of the machine
        self.draws = {v: grammar.Draw(self.s, v, seed * 100 + 50 * (v == 6)) for v in (4, 6)}
        self.headers = Headers(seed)
        self.covers = set()

    # --- packets ---

    def special(self, v):
        """One packet of a protocol that has a match of its own."""
        s = self.s
        port = lambda: s.choice((22, 53, 80, 443, 1000, 5000, 65535))
        spi = struct.pack("!I", s.choice((0, 1, 5, 256, 500, 0x01010101, 0xffffffff)))
        kind = s.choice(("sctp", "sctp", "dccp", "dccp", "esp", "ah", "ipcomp", "udplite", "mh" if v == 6 else "esp", "syn", "text", "gre"))
        if kind == "sctp":
            chunks = [chunk(s.choice((0, 1, 2, 3, 6, 7, 10, 14)), s.randrange(8), bytes(s.choice((0, 4, 12, 16)))) for _ in range(s.randrange(1, 4))]
            return sctp(port(), port(), s.choice((0, 77)), *chunks)
        if kind == "dccp":
            options = s.choice((b"", b"\x01\x00\x00\x00", b"\x20\x04ab", b"\xc8\x03\x01\x00", b"\x05\x20\x02\x00", b"\x20\x00\x00\x00"))
            what = s.randrange(10)
            # with a long sequence number; the options follow what each type has of its own
            own = {0: 4, 1: 12, 3: 8, 4: 8, 5: 8, 6: 8, 7: 12, 8: 8, 9: 8}.get(what, 0)
            offset = s.choice(((16 + own + len(options)) // 4, (16 + own + len(options)) // 4, 4, 60, 2))
            return raw(33, struct.pack("!HHBBHBBHI", port(), port(), offset, 0, 0, what << 1 | 1, 0, 0, 7) + bytes(own) + options + b"data")
        if kind == "esp":
            return raw(50, spi + bytes(s.choice((0, 4, 20))))
        if kind == "ah":
            return raw(51, bytes([59, s.choice((1, 4)), 0, s.choice((0, 0, 1))]) + spi + bytes(s.choice((4, 16))))
        if kind == "ipcomp":
            return raw(108, struct.pack("!BBH", 17, s.choice((0, 1)), s.choice((0, 5, 256, 65535))) + bytes(8))
        if kind == "udplite":
            return udplite(port(), port(), s.choice((0, 8)), proto=136)
        if kind == "mh":
            return raw(135, bytes([59, s.choice((1, 1, 0)), s.choice((0, 1, 5, 6, 7, 255)), 0]) + bytes(12))
        if kind == "syn":
            return tcp(port(), port(), s.choice(("S", "SEC", "A", "FPU", "R", "SA")), 1, 0, options=s.choice((b"", mss(1460), mss(536) + wscale(7) + timestamp(1, 0), b"\x08\x0a", b"\x02\x04\x05", bytes([30, 4, 0, 0]))))
        if kind == "text":
            return udp(port(), port(), s.choice((b"abcd", b"xxABcd two words", b"q\nx", bytes(30) + b"abc", b"a\"b")))
        return raw(47, struct.pack("!HH", 0, 0x0800) + bytes(8))

    def malformed(self):
        if self.s.random() < 0.25:
            yield from super().malformed()
            return
        v = self.family()
        iface, src, dst = self.endpoints(v)
        if self.s.random() < 0.25:
            p = (self.headers.packet4 if v == 4 else self.headers.packet6)()
            if len(p) < 20 or p[0] >> 4 != v or v == 6 and (len(p) < 40 or p[24] == 0xff):
                return
        else:
            kw = {}
            if v == 6 and self.s.random() < 0.4:
                kw["ext"] = self.s.choice(([(0, b"\0\0\x05\x02\0\0\x01\0")], [(60, b"\0\0\x01\x04\0\0\0\0")], [(0, b"\0\0\xc2\x04\0\x01\0\0"), (60, b"\0\0\x01\x04\0\0\0\0")],
                                          [(43, bytes([0, 2, self.s.choice((0, 2, 3)), 0, 0, 0, 0, 0]) + addr("fd00:2::3"))], [(43, bytes([0, 2, 4, 0, 0, 0, 0, self.s.randrange(8)]) + addr("fd00::2"))],
                                          [(51, bytes([0, 4, 0, 0]) + b"\1\1\1\1" + bytes(16))]))
            if self.s.random() < 0.3:
                kw["tos"] = self.s.randrange(256)
            p = self.special(v)(self.l3(src, dst, **kw))
            if self.s.random() < 0.1:
                p = p[:self.s.randrange(20 if v == 4 else 40, len(p) + 1)]
                p = p[:2] + struct.pack("!H", len(p)) + p[4:] if v == 4 else p[:4] + struct.pack("!H", len(p) - 40) + p[6:]
                if v == 4:
                    p = p[:10] + b"\0\0" + p[12:]
                    p = p[:10] + struct.pack("!H", csum(p[:(p[0] & 15) * 4])) + p[12:]
        pieces = [p]
        if self.s.random() < 0.15 and len(p) > 80 and p[0] >> 4 == v and (v == 6 or p[0] & 15 == 5) and not (v == 6 and p[6] in (0, 43, 44, 51, 60)):
            pieces = fragments4(p[:6] + b"\0\0" + p[8:10] + b"\0\0" + p[12:], [24]) if v == 4 else fragments6(p, [24], self.s.randrange(1, 1 << 32))
        for piece in pieces:
            self.add(iface, piece)
        yield

    # --- rules ---

    def matches(self, v, hook, table):
        out, proto = super().matches(v, hook, table)
        if self.s.random() < 0.75:
            if self.s.random() < 0.6:
                out, proto = [], ""     # alone, so that it is asked
            row = self.s.choice(grammar.rows(v, table, hook, "match", live=True))
            words = " ".join(out)
            if row[5] and proto not in row[5]:
                if proto or "-p " in words:
                    return out, proto
                proto = self.s.choice(row[5])
                out.append("-p " + proto)
            out += ["-m", row[1], self.draws[v].expand(row[6])]
            self.covers.add(row[1])
        return out, proto if proto in ("tcp", "udp", "icmp", "ipv6-icmp", "") else "other"

    def target(self, v, table, hook, proto, chains):
        if self.s.random() < 0.5:
            fitting = [row for row in grammar.rows(v, table, hook, "target", live=True) if not row[5] or proto in row[5]]
            if fitting:
                row = self.s.choice(fitting)
                if row[1] not in ("TEE", "TRACE", "LOG") or self.s.random() < 0.3:
                    self.covers.add(row[1])
                    return row[1] + " " + self.draws[v].expand(row[6])
        return super().target(v, table, hook, proto, chains)

    def case(self, name):
        if self.s.random() < 0.6:
            self.profile = "malformed"
        case = super().case(name)
        if any(x in case.v4 + case.v6 for x in ("connlimit", "rateest", "recent", "IDLETIMER")):
            for item in case.items:
                if isinstance(item, Send):
                    item.gap = max(item.gap, 0.012)
        case.covers = set(case.covers) | self.covers
        return case


class Objects(AllGen):
    """The same, and before the packets a few rules more, of what rests on things that are made known first: accounting objects, fingerprints,
    estimators, who sends."""
    KINDS = ("nfacct", "osf", "rateest", "owner", "cgroup", "CONNSECMARK", "SECMARK", "RATEEST")

    def script(self):
        s, out = self.s, [Do("nfacct add web"), Do("nfacct add few packet 3"), Do("nfnl_osf -f " + FINGERS)]
        estimating = set()
        for _ in range(s.randrange(4, 10)):
            v = self.family()
            tool = "iptables" if v == 4 else "ip6tables"
            names = [row for row in grammar.ROWS if row[1] in self.KINDS and v in row[2]]
            name = s.choice(sorted({row[1] for row in names}))
            row = s.choice([row for row in names if row[1] == name])
            table, chain, line = grammar.rule(self.draws[v], row)
            if name == "rateest" and v not in estimating:
                estimating.add(v)   # the two of them, in the order of their names
                out += [Do("%s -t mangle -I PREROUTING -j RATEEST --rateest-name %s --rateest-interval 250ms --rateest-ewmalog 500ms" % (tool, n)) for n in "qr"]
            elif name == "RATEEST":
                line = re.sub("interval \\S+", "interval 250ms", line)
            line = re.sub(" --log \\d", "", line)   # which logger is asked is decided by the rules of the beginning
            line = re.sub("nfacct-name web", "nfacct-name " + s.choice(("web", "web", "few", "nobody")), line)
            self.covers.add(name)
            out.append(Do("%s -t %s %s" % (tool, table, line.replace("-A ", "-I ", 1))))
        return out

    def case(self, name):
        case = super().case(name)
        script = self.script()
        for item in case.items:
            if isinstance(item, Send):
                item.gap = max(item.gap, 0.012)
                if callable(item.data):     # answers know by number what they answer
                    item.data = lambda outputs, data=item.data, n=len(script): data({i - n: out for i, out in outputs.items()})
        case.items = script + case.items + [Do("nfacct list")]
        case.covers = set(case.covers) | self.covers
        return case


def case(seed):
    """One seed in eight has its rules made one by one, one in sixteen each is the profile host's, or a handshake that is proxied."""
    if seed % 16 == 5:
        return gen_host.case(seed)
    if seed % 16 == 13:
        return gen_state.synproxy(seed)
    return (Objects if seed % 8 == 3 else AllGen)(seed).case("seed-%d/all" % seed)
