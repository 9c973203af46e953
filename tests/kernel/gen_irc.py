"""IRC clients that offer direct connections (DCC), whole and damaged, and peers that come."""
import ipaddress
import re

from genlib import Flow, HelperGen


def offered(payload):
    m = re.search(rb"\x01DCC [A-Z]+ \S+ (\d+) +(\d+)", payload)
    if m and int(m.group(1)) < 1 << 32 and int(m.group(2)) < 65536:
        return str(ipaddress.ip_address(int(m.group(1)))), int(m.group(2))
    return None


class Irc(HelperGen):
    name, proto, port = "irc", "tcp", 6667

    def offer(self, flow, n):
        # Two masters clash at 65535 only, where no other port is left to choose at random.
        r, port = self.r, self.r.choice((1025 + n, 1027 + n, 5000 + n, 65535, 0, 80 + n))
        addr = self.client if self.chance(.85) else r.choice(("10.1.0.1", "10.1.0.9", self.near, "10.0.0.3"))
        text = b"PRIVMSG %s :\1DCC %s %s %d %d%s\1\r\n" % (
            r.choice((b"you", b"#chan", b"you")), r.choice((b"SEND", b"CHAT", b"TSEND", b"MOVE", b"SCHAT", b"ACCEPT")),
            r.choice((b"file", b"chat", b"a-longer-name.tar.gz")), int(ipaddress.ip_address(addr)), port, r.choice((b" 100", b"", b" 1 2")))
        if self.chance(.2):
            text = r.choice((b" ", b"\r\n", b"PING :x\r\n", b":me!u@h ")) + text
        text = self.injured(text, .35, alphabet=b"0123456789 :\1\r\nDC")
        self.say(flow, 0 if self.chance(.9) else 1, text)
        data = Flow(self, 6, self.ib, self.server if self.chance(.5) else "10.1.0.3" if self.ib == "eth1" else self.server, r.choice((5000, 5001)),
                    self.ia, self.client, port, where=self.announced(flow, 1, offered, (self.client, port)))
        for step in range(r.randrange(4)):
            data.tcp(step % 2, ("S", "SA", "A")[step], b"")

    def make(self, seed):
        sysctl = {}
        for n in range(self.r.choice((1, 1, 2))):
            flow = self.master(1000 + n).open()
            if self.chance(.7):
                self.say(flow, 0, b"NICK me\r\n")
                self.say(flow, 1, b":srv 001 me :hi\r\n")
            for _ in range(self.r.randrange(1, 5) if self.chance(.9) else 11):
                self.offer(flow, n)
        return self.case(seed, sysctl=sysctl)


def case(seed):
    return Irc(seed).make(seed)
