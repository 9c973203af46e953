"""GRE, UDP-Lite, DCCP and protocols without a tracker, between the same hosts, with NAT, short and damaged; and ICMP errors about them."""
import struct

from case import Case
from genlib import Flow, Gen, ways
from packets import icmp, ip, raw, udplite


class Other(Gen):
    def gre(self):
        r = self.r
        flags, proto = r.choice(((0, 0x800), (0, 0x6558), (0x3001, 0x880B), (0x3001, 0x880B), (0x2001, 0x880B), (0x3001, 0x800), (2, 0x880B), (0xB000, 0x800)))
        return struct.pack("!HHHH", flags, proto, r.choice((0, 8)), r.choice((7, 7, 7, 9, 0, 65535))) + b"payload!"[:r.choice((8, 8, 0))]

    def dccp(self):
        r = self.r
        return struct.pack("!HHBBHBB6s", r.choice((5, 6)), r.choice((5, 6)), r.choice((4, 5)), 0, 0, r.randrange(10) << 1 | 1, 0, bytes(6)) + bytes(12)

    def body(self, proto):
        r = self.r
        if proto == 47:
            return self.gre()
        if proto == 33:
            return self.dccp()
        return bytes(r.randrange(256) for _ in range(r.choice((0, 1, 4, 8, 20))))

    def case(self, seed):
        r, v = self.r, self.r.choice((4, 4, 6))
        sysctl = {"net.netfilter.nf_conntrack_" + k: r.choice(x) for k, x in (("acct", (0, 1)), ("gre_timeout", (30, 33)), ("gre_timeout_stream", (180, 1)),
                                                                             ("udp_timeout", (30, 31)), ("generic_timeout", (600, 601)))}
        rules = ""
        way = r.choice(list(ways(v, "all", 6)))
        nat, ia, client, ib, near, server, port = ways(v, "udplite", 6)[way]
        if "dport" not in nat:
            nat = nat.replace(" -p udplite", "")
        lite = [Flow(self, 136, ia, client, 5 + n, ib, near, 6, real=(server, port)) for n in range(2)]
        plain = {p: Flow(self, p, ia, client, 0, ib, near, 0, real=(server, 0)) for p in (47, 33, 50, 4, 41, 253, 0, 255)}
        for _ in range(r.randrange(4, 25)):
            proto = r.choice((47, 47, 47, 136, 136, 136, 33, 33, 50, 253, 41, 4, 255))
            end = r.choice((0, 0, 1))
            cut = r.choice((None,) * 6 + (0, 2, 3, 4, 7, 8, 12))
            if proto == 136:
                cover, check = r.choice((0, 8, 9, 20, 20, 7, 21)), r.choice((None,) * 4 + (0, 1))
                sum_of = r.choice((17, 17, 136))

                def build(s, sp, d, dp, seen, cover=cover, check=check, sum_of=sum_of, cut=cut):
                    return udplite(sp, dp, cover, check, sum_of)(ip(s, d), cut)
                r.choice(lite).send(end, build, gap=r.choice((0,) * 20 + (.05,)))
            else:
                data = self.body(proto)[:cut]
                plain[proto].send(end, lambda s, sp, d, dp, seen, data=data, proto=proto: raw(proto, data)(ip(s, d)), gap=r.choice((0,) * 20 + (.05,)))
            if self.chance(.15) and end == 0:
                at = len(self.items) - 1
                flow, code = (plain.get(proto) or lite[0]), r.choice(((3, 3), (3, 4), (11, 0), (3, 2)) if v == 4 else ((1, 4), (2, 0), (3, 0), (4, 1)))
                keep = r.choice((None, 28, 24, 48))

                def error(s, sp, d, dp, seen, code=code, keep=keep, v=v):
                    if not seen:
                        return None
                    return icmp(code[0], code[1], b"\0\0\5\0" if v == 4 else struct.pack("!I", 1280), seen.p[:keep])(ip(seen.dst, seen.src))
                flow.send(1, error)
                flow.sent[1].pop()
        return Case("seed-%d/other-%s-%d" % (seed, way, v), self.items, conntrack="on", masks={"nat-port"}, sysctl=sysctl,
                    covers=["conntrack", "gre", "udplite", "generic protocols"], **{"v4" if v == 4 else "v6": nat})


def case(seed):
    return Other("other", seed).case(seed)
