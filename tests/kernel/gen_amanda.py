"""Amanda: answers that name ports, whole and damaged, and a server that comes."""
import re

from genlib import Flow, HelperGen


class Amanda(HelperGen):
    name, proto, port, families = "amanda", "udp", 10080, (4, 4, 6)

    def make(self, seed):
        r = self.r
        for n in range(r.choice((1, 1, 2))):
            flow = self.master(3000 + n)
            flow.udp(0, b"Amanda 2.6 REQ HANDLE 1 SEQ 2\n")
            base = 1030 + 100 * n
            for _ in range(r.randrange(1, 4)):
                words = [b"%s %d" % (w, r.choice((base, base + 1, base + 2, 0, 65535, 70000 + n))) for w in (b"DATA", b"MESG", b"INDEX", b"STATE") if self.chance(.7)]
                if self.chance(.2):
                    r.shuffle(words)
                text = r.choice((b"Amanda 2.6 REP HANDLE 1 SEQ 2\n", b"", b"x")) + b"CONNECT " + b" ".join(words) + b"\n" + r.choice((b"", b"OPTIONS ;\n"))
                text = self.injured(text, .35, alphabet=b"0123456789 \nDATAMESGCONNECT")
                flow.udp(1 if self.chance(.9) else 0, text, length=r.choice((None,) * 9 + (20, 8)), check=r.choice((None, None, None, 0)) if self.v == 4 else None)

                def find(payload):
                    m = re.search(rb"(?:DATA|MESG|INDEX|STATE) (\d+)", payload)
                    return (self.near, int(m.group(1))) if m and 0 < int(m.group(1)) < 65536 else None
                data = Flow(self, 6, self.ia, self.client, r.choice((5000, 5001)), self.ib, self.near, base, real=(self.server, base),
                            where=self.announced(flow, 0, find, (self.near, base)))
                for step in range(r.randrange(4)):
                    data.tcp(step % 2, ("S", "SA", "A")[step], b"")
        return self.case(seed)


def case(seed):
    return Amanda(seed).make(seed)
