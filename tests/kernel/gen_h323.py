"""Seeded H.323 dialogs, bent: profile "h323". Messages are drawn from their whole syntax, about addresses that matter."""
import random

import bend
import h225 as h
from case import Case, Do, Send
from packets import Ip4, icmp, ip, tcp, udp

SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n"
WORLDS = (  # rules, near, far
    ("", "10.1.0.2", "10.0.0.2"), ("", "10.1.0.2", "10.0.0.2"),
    (SNAT, "10.1.0.2", "10.1.0.1"), (SNAT, "10.1.0.2", "10.1.0.1"), (SNAT.replace("SNAT --to-source 10.1.0.1", "MASQUERADE"), "10.1.0.2", "10.1.0.1"),
    (DNAT, "10.1.0.9", "10.0.0.2"), (DNAT.replace("COMMIT", "-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.7\nCOMMIT"), "10.1.0.9", "10.1.0.7"),
    ("6", "fd00:1::2", "fd00::2"))
CALL_MESSAGES = ("setup", "setup", "callProceeding", "connect", "alerting", "facility", "facility", "progress", "information", "releaseComplete",
                 "empty", "status")
RAS_MESSAGES = ("GRQ", "GCF", "RRQ", "RRQ", "RCF", "RCF", "URQ", "ARQ", "ACF", "LRQ", "LCF", "IRR", "other2", "more0")


class Ends:
    """Two ends that talk, numbered from @base so that no two connections of a case want the same ports."""

    def __init__(self, r, world, base):
        self.r, self.base = r, base
        self.rules, self.near, self.far = world
        self.v6 = self.rules == "6"
        self.c, self.s = ("fd00::2", "fd00:1::2") if self.v6 else ("10.0.0.2", "10.1.0.2")
        third = ("fd00::3", "fd00:1::3", "fd00:2::3") if self.v6 else ("10.0.0.3", "10.1.0.3", "10.2.0.3", "127.0.0.1", "192.0.2.1")
        self.ports = [base + i for i in (0, 1, 2, 4, 5, 6, 8)]
        # Where two masters want one port Linux takes another at random: so only the first gets the usual ones.
        ports = self.ports + ([0, 1719, 1720, 65535] if base == 5000 else [0, base + 100])
        self.places = [[(a, r.choice(ports)) for a in (own, own, own, own, own, self.near, self.far, self.s, self.c)] +
                       [(r.choice(third), r.choice(ports)) for _ in range(2)] for own in (self.c, self.s)]
        self.items = []
        self.seq = [100, 500]
        self.sport = 1719 if base == 5000 else 2719

    def l3(self, side):
        return ip(self.s, self.far) if side else ip(self.c, self.near)

    def place(self, side):
        return self.r.choice(self.places[side])

    def channel(self, side):
        r = self.r
        kw = {}
        for name in ("media", "control", "reverse"):
            if r.random() < 0.5:
                kw[name] = self.place(side)
        value = h.channel(**kw) if r.random() < 0.8 else h.t120_channel(self.place(side))
        return value if r.random() < 0.7 else None

    def tunnelled(self, side):
        r = self.r
        return r.choice((("request", ("olc", self.channel(side))), ("request", ("olc", self.channel(side))), h.ack(self.place(side), self.place(side)),
                         h.ack(media=self.place(side), stack=self.place(side)), ("response", ("ack", None)), None))

    def call_message(self, side):
        r = self.r
        name = r.choice(CALL_MESSAGES)
        members = {}
        if name in ("setup", "callProceeding", "connect", "alerting", "facility", "progress"):
            if r.random() < 0.5:
                members["h245Address"] = self.place(side)
            if r.random() < 0.5:
                members["fastStart"] = [self.channel(side) for _ in range(r.choice((1, 1, 2, 3)))]
        if name == "setup":
            for end in ("called", "caller"):
                if r.random() < 0.5:
                    members[end] = self.place(r.randrange(2))
        if name == "facility" and r.random() < 0.4:
            members.update(reason=("forwarded", None), alternative=self.place(r.randrange(2)))
        h245 = [self.tunnelled(side) for _ in range(r.choice((1, 1, 2, 5)))] if r.random() < 0.4 else None
        pdu = {"body": (name, members if members else None)}
        if h245:
            pdu["h245"] = h245
        user = h.encode(h.USER, {"pdu": pdu}, r if r.random() < 0.7 else None, self.places[side])
        if r.random() < 0.3:
            user = bend.payload(r, user, 3)
        message = h.q931(user, reference=r.choice((b"\1\2", b"\1\2", b"", b"\0" * 5)), elements=r.choice((b"", b"\x04\x03\x88\x93\xa5", b"\x70\1\1")))
        if r.random() < 0.1:
            message = bend.payload(r, message, 2)
        return h.tpkt(message)

    def h245_message(self, side):
        message = h.encode(h.H245, self.tunnelled(side), self.r if self.r.random() < 0.7 else None, self.places[side])
        return h.tpkt(bend.payload(self.r, message, 3) if self.r.random() < 0.3 else message)

    def ras_message(self, side):
        r = self.r
        name = r.choice(RAS_MESSAGES)
        members = {}
        if name in ("RRQ", "RCF", "URQ", "IRR") and r.random() < 0.8:
            members["signal"] = [self.place(r.choice((0, 0, side))) for _ in range(r.choice((0, 1, 1, 2, 3, 12)))]
        own = (self.c, self.sport) if side == 0 else (self.s, 1719)
        if name in ("GRQ", "LRQ", "IRR") and r.random() < 0.8:
            members["ras"] = r.choice((own, self.place(side)))
        if name == "RRQ" and r.random() < 0.8:
            members["ras"] = [r.choice((own, self.place(side))) for _ in range(r.choice((1, 1, 2, 3)))]
        if name in ("RRQ", "RCF") and r.random() < 0.4:
            members["ttl"] = r.choice((1, 30, 300, 70000, 300 if self.far != self.c else 1 << 24))  # the last ends it at once
            if r.random() < 0.8:
                members["m3"] = bytes(8)
        message = h.encode(h.RAS, (name, members or None), r if r.random() < 0.7 else None, self.places[side])
        return bend.payload(r, message, 3) if r.random() < 0.25 else message

    def probe(self):
        """A packet that might be expected."""
        r = self.r
        side = r.randrange(2)
        port = r.choice(self.ports)
        if r.random() < 0.5:
            return Send("eth%d" % side, udp(r.choice((6000, 6001)), port)(self.l3(side)))
        return Send("eth%d" % side, tcp(r.choice((6000, 6001)), port, "S", 9)(self.l3(side)))


class Stream(Ends):
    """A TCP connection: of call signalling, or of H.245 when something expected it."""

    def __init__(self, r, world, base, dport=1720, message="call_message", opener=()):
        super().__init__(r, world, base)
        self.dport, self.sport, self.message = dport, 1000 + base, getattr(self, message)
        self.items += list(opener) + [self.segment(0, b"", "S", -1, True), self.segment(1, b"", "SA", -1), self.segment(0, b"", "A")]

    def segment(self, side, data, flags="PA", shift=0, first=False):
        ports = (self.dport, self.sport) if side else (self.sport, self.dport)
        return Send("eth%d" % side, tcp(*ports, flags, self.seq[side] + shift, 0 if first else self.seq[1 - side], data=data)(self.l3(side)))

    def run(self):
        r = self.r
        for _ in range(r.randrange(1, 7)):
            side = r.randrange(2)
            data = self.message(side)
            if r.random() < 0.15:
                data += self.message(side)
            if r.random() < 0.06:
                data = bend.payload(r, data)
            pieces = bend.split(r, data) if data else [b""]
            if r.random() < 0.1 and len(data) > 4:
                pieces = [data[:4], data[4:]]
            for piece in pieces:
                if len(piece) > 1400:
                    continue
                item = self.segment(side, piece)
                self.items.append(item)
                self.seq[side] += len(piece)
                if r.random() < 0.06:
                    self.items.append(item)
            while r.random() < 0.35:
                self.items.append(self.probe())
        return self.items


class Datagrams(Ends):
    def run(self):
        r = self.r
        for i in range(r.randrange(1, 8)):
            side = r.choice((0, 0, 1)) if i else 0      # NAT would find the answer's tuple taken, and choose at random
            data = self.ras_message(side)
            if len(data) > 1400:
                continue
            kw = {"check": 0} if r.random() < 0.1 and not self.v6 else {}
            ports = (1719, self.sport) if side else (self.sport, 1719)
            packet = udp(*ports, data, **kw)(self.l3(side))
            self.items.append(Send("eth%d" % side, packet))
            while r.random() < 0.3:
                self.items.append(self.probe())
            if r.random() < 0.05:
                self.items.append(Send("eth%d" % (1 - side), icmp(1 if self.v6 else 3, 3, data=packet[:60])(ip(*((self.c, self.near) if side else (self.s, self.far))))))
        return self.items


def case(seed):
    r = random.Random(seed)
    Ip4.ident_next[0] = r.randrange(0x1000, 0x7000)
    world = r.choice(WORLDS)
    ends = []
    for i in range(r.choice((1, 1, 2))):
        base = 5000 + 200 * i
        kind = r.randrange(5)
        if kind < 2:
            ends.append(Datagrams(r, world, base))
        elif kind < 4:
            ends.append(Stream(r, world, base))
        else:
            first = Stream(r, world, base)
            place = (first.s, base + 100)
            for side, name in ((0, "setup"), (1, "connect")):
                data = h.call(name, **({"h245Address": place} if side else {}))
                first.items.append(first.segment(side, data))
                first.seq[side] += len(data)
            ends.append(Stream(r, world, base + 20, base + 100, "h245_message", first.items))
    lists = [e.run() for e in ends]
    items = []
    while any(lists):
        items.append(r.choice([x for x in lists if x]).pop(0))
    for item in items:
        if r.random() < 0.02:
            item.gap = r.choice((0.01, 1.5))
    if r.random() < 0.1:
        items.insert(r.randrange(len(items) + 1), Do("conntrack -D -p %s" % r.choice(("udp --orig-port-src 1719", "tcp --orig-port-src 6000 --orig-port-dst 5000"))))
    rules = "*raw\n-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931\n-A PREROUTING -p udp --dport 1719 -j CT --helper RAS\nCOMMIT\n"
    if world[0] == "6":
        return Case("seed-%d/h323" % seed, items, v6=rules, conntrack="on", covers=["h323 helpers"])
    return Case("seed-%d/h323" % seed, items, v4=rules + world[0], conntrack="on", covers=["h323 helpers"], masks={"nat-port", "nat-port-said"} if world[0] else ())
