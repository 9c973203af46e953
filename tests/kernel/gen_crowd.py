"""Profile "crowd": many who begin connections to a few services, one right after the other, most of them alike: what rules said of
one is what they say of the next, or is not. Some ask twice, some are answered, some come from where nobody answers."""
import random

import gen
from gen import host
from packets import ip, tcp, udp


class CrowdGen(gen.Gen):
    def __init__(self, seed):
        super().__init__(seed, random.Random("kind%d" % seed).choice(("nat", "nat", "mix", "rules", "path")))
        self.s = random.Random("crowd%d" % seed)
        self.services = [self.service() for _ in range(self.s.randrange(1, 4))]

    def service(self):
        s, v = self.s, self.family()
        away, to = s.choice(((0, 1), (0, 1), (0, 2), (1, 0), (1, 2), (2, 1)))
        far = s.random() < 0.2
        dst = ("198.51.100.7" if v == 4 else "2001:db8:7::7") if far and to == 1 else host(to, s.randrange(2, 7), v)
        return {"v": v, "net": away, "iface": "eth%d" % away, "dst": dst, "proto": s.choice((6, 17, 17)), "dport": s.choice(gen.PORTS),
                "sports": s.choice(((1024, 60000), (1024, 60000), (4000, 4003), (500, 1030)))}

    def ask(self, what):
        s = self.s
        if s.random() < 0.1:       # another server or port of the same kind
            what = dict(what, dst=host(int(what["net"] != 1), s.randrange(2, 9), what["v"])) if s.random() < 0.5 else dict(what, dport=s.choice(gen.PORTS))
        src = host(what["net"], s.randrange(2, 10) if s.random() < 0.7 else s.randrange(10, 250), what["v"])
        sport = s.randrange(*what["sports"])
        kw = {"tos": s.choice((0x10, 0xb8, 8))} if s.random() < 0.06 else {}
        if s.random() < 0.04:
            kw["ttl"] = s.choice((1, 2, 255))
        body = bytes(s.choice((0, 1, 20, 600)) if s.random() < 0.3 else 12)
        if what["proto"] == 17:
            l4 = udp(sport, what["dport"], body)
        else:
            l4 = tcp(sport, what["dport"], "S" if s.random() < 0.9 else s.choice(("SEC", "A", "PA", "FA", "R", "SA", "")), s.randrange(1 << 32), 0, 65535, b"", b"")
        return src, sport, l4(ip(src, what["dst"], **kw)), what

    def crowd(self):
        s = self.s
        for _ in range(s.randrange(2, 6)):
            what = s.choice(self.services)
            for _ in range(s.randrange(2, 9)):
                src, sport, data, to = self.ask(what)
                flow = {"proto": to["proto"], "sent": [self.add(to["iface"], data)], "dst": to["dst"]}
                if s.random() < 0.15:
                    flow["sent"].append(self.add(to["iface"], data))
                if s.random() < 0.25:
                    build = (lambda a, b, p, q: udp(p, q, b"answer")(ip(a, b))) if to["proto"] == 17 else \
                        (lambda a, b, p, q: tcp(p, q, "SA", 77, 1, 65535, b"", b"")(ip(a, b)))
                    self.add(self.where(flow), self.answer(flow, build, None, src, to["dst"], sport, to["dport"]))
            yield

    tcp_flow = udp_flow = crowd


def case(seed):
    return CrowdGen(seed).case("seed-%d/crowd" % seed)
