"""SCTP associations: whole ones, collisions, heartbeats on other paths, wrong tags, rows of chunks, damage; with and without NAT."""
import struct

from case import Case
from genlib import Flow, Gen, ways
from packets import chunk, ip, sctp

KINDS = list(range(16)) + [64, 192]


class Sctp(Gen):
    def build(self, tag, chunks, bad=0, cut=None):
        def f(s, sp, d, dp, seen):
            return sctp(sp, dp, tag, *chunks, bad=bad)(lambda p, n: ip(s, d)(p[:cut], n))
        return f

    def one(self, kind, tags, end):
        r = self.r
        if kind in (1, 2):
            return chunk(kind, 0, struct.pack("!IIHHI", tags[end] if self.chance(.85) else r.choice((0, 5, tags[1 - end])), 9, 1, 1, 7) + (b"cookie" if kind == 2 else b""))
        return chunk(kind, r.choice((0, 0, 0, 1, 3)), r.choice((b"12345678", b"", b"x", b"abcd")), length=r.choice((None,) * 12 + (0, 3, 4, 5, 100)))

    def assoc(self, flow):
        r = self.r
        tags = [r.randrange(1, 1 << 32) for _ in range(2)]     # tags[end]: what others write to that end
        go = lambda end, tag, *chunks, **kw: flow.send(end, self.build(tag, chunks, **kw))
        init = lambda end, kind=1: chunk(kind, 0, struct.pack("!IIHHI", tags[end], 9, 1, 1, 7) + (b"cookie" if kind == 2 else b""))
        steps = [lambda: go(0, 0, init(0)), lambda: go(1, tags[0], init(1, 2)), lambda: go(0, tags[1], chunk(10, 0, b"cookie")), lambda: go(1, tags[0], chunk(11)),
                 lambda: go(0, tags[1], chunk(0, 3, b"data")), lambda: go(1, tags[0], chunk(3)), lambda: go(0, tags[1], chunk(4, 0, b"beat")), lambda: go(1, tags[0], chunk(5, 0, b"beat")),
                 lambda: go(0, tags[1], chunk(7, 0, b"\0\0\0\1")), lambda: go(1, tags[0], chunk(8)), lambda: go(0, tags[1], chunk(14))]
        if self.chance(.15):
            steps = steps[6:]      # a path that opens with a heartbeat
        for step in steps:
            if self.chance(.85):
                step()
            while self.chance(.25):
                end = r.randrange(2)
                kind = r.choices(("any", "init-again", "row", "tag", "cut", "bad", "abort"), (6, 2, 2, 3, 1, 1, 1))[0]
                right = tags[1 - end]
                if kind == "any":
                    k = r.choice(KINDS)
                    go(end, 0 if k == 1 and self.chance(.8) else right, self.one(k, tags, end))
                elif kind == "init-again":
                    if self.chance(.3):
                        tags[end] = r.randrange(1, 1 << 32)
                    go(end, 0, init(end))
                elif kind == "row":
                    go(end, right, *[self.one(r.choice(KINDS), tags, end) for _ in range(r.randrange(2, 5))])
                elif kind == "tag":
                    go(end, r.choice((0, 7, tags[end])), self.one(r.choice((0, 3, 4, 5, 6, 7, 8, 10, 11, 14)), tags, end))
                elif kind == "cut":
                    go(end, right, self.one(r.choice(KINDS), tags, end), cut=r.randrange(0, 24))
                elif kind == "bad":
                    go(end, right, self.one(0, tags, end), bad=1)
                else:
                    go(end, r.choice((right, tags[end])), chunk(6, r.choice((0, 1))))

    def case(self, seed):
        r, v = self.r, self.r.choice((4, 4, 6))
        way = r.choice(list(ways(v, "sctp", 6)))
        nat, ia, client, ib, near, server, port = ways(v, "sctp", 6)[way]
        for n in range(r.choice((1, 1, 2))):
            self.assoc(Flow(self, 132, ia, client, 5 + n, ib, near, 6, real=(server, port)))
        sysctl = {"net.netfilter.nf_conntrack_acct": r.choice((0, 1)), "net.netfilter.nf_conntrack_checksum": r.choice((1, 1, 0))}
        return Case("seed-%d/sctp-%s-%d" % (seed, way, v), self.items, conntrack="on", masks={"nat-port"}, sysctl=sysctl, covers=["conntrack", "sctp"],
                    **{"v4" if v == 4 else "v6": nat})


def case(seed):
    return Sctp("sctp", seed).case(seed)
