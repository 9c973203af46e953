"""SANE: requests and answers as numbers, whole and damaged, and the image that is fetched."""
import struct

from genlib import Flow, HelperGen


class Sane(HelperGen):
    name, proto, port, families = "sane", "tcp", 6566, (4, 4, 6)

    def make(self, seed):
        r = self.r
        for n in range(r.choice((1, 1, 2))):
            flow = self.master(1000 + n).open()
            for _ in range(r.randrange(1, 6)):
                port = r.choice((2048, 2049, 65535, 0))
                ask = struct.pack("!II", r.choice((7, 7, 7, 6, 0, 0x07000000)), r.choice((0, 1)))
                answer = struct.pack("!IHHI", r.choice((0, 0, 0, 0, 1)), r.choice((0, 0, 0, 0, 256)), port, r.choice((0, 0x1234)))
                self.say(flow, 0, self.injured(ask, .2, alphabet=bytes(8)))
                if self.chance(.2):
                    self.say(flow, 1, b"\0\0\0\0")
                self.say(flow, 1, self.injured(answer, .25, alphabet=bytes(8)))
                data = Flow(self, 6, self.ia, self.client, r.choice((5000, 5001)), self.ib, self.near, port, real=(self.server, port))
                for step in range(r.randrange(4)):
                    data.tcp(step % 2, ("S", "SA", "A")[step], b"")
        return self.case(seed)


def case(seed):
    return Sane(seed).make(seed)
