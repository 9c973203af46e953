"""TFTP requests, whole and damaged, with answers from ports of the server's choice."""
from genlib import Flow, HelperGen


class Tftp(HelperGen):
    name, proto, port, families = "tftp", "udp", 69, (4, 4, 6)

    def make(self, seed):
        r = self.r
        for n in range(r.choice((1, 2, 3))):
            flow = self.master(r.choice((3000, 3001, 3002, 1000, 500)))
            for _ in range(r.randrange(1, 4)):
                text = r.choice((b"\0\1file\0octet\0", b"\0\2file\0netascii\0", b"\0\1", b"\0\3\0\1data", b"\0\4\0\1", b"\0\5\0\1no\0"))
                text = self.injured(text, .25, alphabet=bytes(range(8)))
                flow.udp(0, text, length=r.choice((None,) * 9 + (8, 9, 10, 7, 200)))
                if self.chance(.3):
                    flow.udp(0, text)
                if self.chance(.2):
                    flow.udp(1, b"\0\5")

                def where(outputs, flow=flow):
                    s = flow.got(outputs, 1)
                    return (s.src, s.sport) if s else None
                data = Flow(self, 17, self.ib, self.server, r.choice((4000, 4001, 69)), self.ia, self.client, flow.ends[0][1], where=where)
                for step in range(r.randrange(4)):
                    data.udp(step % 2, b"\0\3\0\1x" if step % 2 == 0 else b"\0\4\0\1")
        return self.case(seed)


def case(seed):
    return Tftp(seed).make(seed)
