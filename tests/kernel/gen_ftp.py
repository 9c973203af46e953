"""FTP control connections with damaged commands and answers, and the data connections that follow from what arrived."""
import re

from genlib import Flow, HelperGen


def announced4(payload):
    m = re.search(rb"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", payload)
    if m:
        n = [int(x) for x in m.groups()]
        return ("%d.%d.%d.%d" % tuple(n[:4]), n[4] * 256 + n[5]) if max(n) < 256 else None
    m = re.search(rb"\|1\|([\d.]+)\|(\d+)\|", payload)
    if m and re.fullmatch(rb"(\d{1,2}\.){3}\d{1,2}", m.group(1)) and int(m.group(2)) < 65536:
        return m.group(1).decode(), int(m.group(2))
    return None


class Ftp(HelperGen):
    name, proto, port, families = "ftp", "tcp", 21, (4, 4, 4, 6)

    def place(self, addr, port):
        return b"%s,%d,%d" % (addr.replace(".", ",").encode(), port >> 8, port & 255)

    def active(self, flow, n):
        # Two masters clash at 65535 only, where no other port is left to choose at random.
        r, port = self.r, self.r.choice((1025 + n, 2000 + n, 3333 + n, 65535, 20 + n, 1 + n))
        addr = self.client if self.chance(.9) else self.server if self.chance(.5) else "10.0.0.3" if self.v == 4 else "fd00::3"
        if self.v == 4 and self.chance(.7):
            text = b"PORT %s\r\n" % self.place(addr, port)
        else:
            d = r.choice(b"|||!x~")
            text = b"EPRT %c%d%c%s%c%d%c\r\n" % (d, 1 if self.v == 4 else 2, d, addr.encode(), d, port, d)
        text = self.injured(text, .35)
        self.say(flow, 0, text)
        self.say(flow, 1, b"200 ok\r\n")
        told = self.announced(flow, 1, announced4, (self.client, port))
        data = Flow(self, 6, self.ib, self.server, 20, self.ia, self.client, port, where=told)
        self.data(data)

    def passive(self, flow, n):
        r, port = self.r, self.r.choice((2048 + n, 2050 + n, 40000 + n, 65535, 0))
        addr = self.server if self.chance(.9) else self.near
        six = self.v == 6 or self.chance(.3)
        self.say(flow, 0, b"EPSV\r\n" if six else b"PASV\r\n")
        text = b"229 Extended (|||%d|)\r\n" % port if six else r.choice((b"227 Passive (%s)\r\n", b"227 %s\r\n", b"227 =%s.\r\n")) % self.place(addr, port)
        self.say(flow, 1, self.injured(text, .35))

        def find(payload):
            m = re.search(rb"\|\|\|(\d+)\|", payload)
            if m and int(m.group(1)) < 65536:
                return self.near, int(m.group(1))
            return announced4(payload)
        data = Flow(self, 6, self.ia, self.client, r.choice((3000, 3001)), self.ib, self.near, port, real=(self.server, port),
                    where=self.announced(flow, 0, find, (self.near, port)))
        self.data(data)

    def data(self, data):
        for step in range(self.r.randrange(4)):
            data.tcp(step % 2, ("S", "SA", "A")[step], b"")

    def make(self, seed):
        for n in range(self.r.choice((1, 1, 2))):
            flow = self.master(1000 + n).open()
            if self.chance(.9):
                self.say(flow, 1, b"220 hello\r\n")
                self.say(flow, 0, b"USER x\r\n")
            for _ in range(self.r.randrange(1, 5)):
                self.r.choice((self.active, self.passive))(flow, n)
                if self.chance(.1):
                    self.say(flow, self.r.randrange(2), self.injured(b"NOOP\r\n", .5))
            if self.chance(.3):
                flow.tcp(0, "FA")
                flow.tcp(1, "FA")
        return self.case(seed)


def case(seed):
    return Ftp(seed).make(seed)
