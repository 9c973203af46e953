#!/usr/bin/env python3
"""NFQUEUE and NFLOG programs on the real kernel and on `weir daemon`, with a supervisor and with --preload: every scenario runs on all, and netlink messages, errors,
frames and files must be equal (ports, stamps and connection ids aside). queue_test.py [NAME...]. Ends with "N passed, N failed, N skipped"."""
import os
import re
import struct
import sys
import time

import worlds
from worlds import LAN, WAN, Kernel, Weir
from packets import addr, fragments4, icmp, ip, tcp, udp

NONE, BIND, UNBIND, PF_BIND, PF_UNBIND = range(5)
DROP, ACCEPT, STOLEN, QUEUE, REPEAT, STOP = range(6)
META, PACKET = 1, 2
FAIL_OPEN, CONNTRACK, GSO, UID_GID, SECCTX = 1, 2, 4, 8, 16
ACK = 4
SCENARIOS = {}


def scenario(rules="", rules6="", **kw):
    def add(fn):
        SCENARIOS[fn.__name__] = (fn, rules, rules6, kw)
        return fn
    return add


def attr(kind, data):
    if isinstance(data, list):
        data, kind = b"".join(data), kind | 0x8000
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def be32(n):
    return struct.pack("!I", n & 0xFFFFFFFF)


def message(kind, attrs=(), res=0, family=0, flags=ACK, seq=7):
    body = struct.pack("!BBH", family, 0, res) + b"".join(attrs)
    return struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, seq, 0) + body


def attributes(data):
    while len(data) >= 4:
        n, kind = struct.unpack("=HH", data[:4])
        if n < 4:
            yield ("bad", data.hex())
            return
        yield kind, data[4:n]
        data = data[(n + 3) & ~3:]


NESTED = {"ct": {1, 2, 4, 14, 9, 10, 5, 15, 16, 20}}


def ct_text(data, depth=0):
    out = []
    for kind, v in attributes(data):
        number = kind & 0x3FFF
        if depth == 0 and number == 12:  # CTA_ID
            out.append("%d:id" % kind)
        elif depth == 0 and number == 7:  # CTA_TIMEOUT: a second may pass
            out.append("%d:timeout~%d" % (kind, (struct.unpack("!I", v)[0] + 5) // 10))
        elif kind & 0x8000:
            out.append("%d{%s}" % (kind, ct_text(v, depth + 1)))
        else:
            out.append("%d:%s" % (kind, v.hex()))
    return " ".join(out)


def show_attrs(subsystem, data):
    out = []
    for kind, v in attributes(data):
        if subsystem == 3 and kind & 0x3FFF == 11 or subsystem == 4 and kind & 0x3FFF == 18:
            out.append("%d{%s}" % (kind, ct_text(v)))
        elif subsystem == 3 and kind == 4 or subsystem == 4 and kind == 3:
            sec, usec = struct.unpack("!QQ", v)
            out.append("%d:%s" % (kind, "now" if abs(sec - time.time()) < 60 and usec < 1000000 else "wrong time"))
        else:
            out.append("%d:%s" % (kind, v.hex() if isinstance(v, bytes) else v))
    return " ".join(out)


def show(datagram):
    """A datagram as text, what may differ left out."""
    if datagram.startswith("error"):
        return datagram
    data, out = bytes.fromhex(datagram), []
    while len(data) >= 16:
        n, kind, flags, seq, _ = struct.unpack("=IHHII", data[:16])
        body = data[16:n]
        if kind == 2:
            code, _, t, f, s, _ = struct.unpack("=iIHHII", body[:20])
            out.append("ack %d flags %x of %x/%x seq %d, %d bytes" % (code, flags, t, f, s, n))
        else:
            out.append("type %x flags %x seq %d len %d nf %s %s" % (kind, flags, seq, n, body[:4].hex(), show_attrs(kind >> 8, body[4:]) if kind >= 16 else body[4:].hex()))
        data = data[(n + 3) & ~3:]
    return " | ".join(out) + (" rest " + data.hex() if data else "")


class Program:
    """A netlink socket of an agent, with what NFQUEUE and NFLOG programs say."""

    def __init__(self, w, agent=None, name="q"):
        self.w, self.agent, self.name = w, agent or w.agent(), name
        self.port = self.agent("open", name)
        self.ids = []

    def send(self, data):
        return self.agent("send", self.name, data.hex())

    def ask(self, data, wait=0.5):
        self.send(data)
        return [show(d) for d in self.agent("recv", self.name, wait)]

    def recv(self, wait=0.3, least=1):
        got = self.agent("recv", self.name, wait, least)
        for d in got:
            if not d.startswith("error"):
                b = bytes.fromhex(d)
                if struct.unpack("=H", b[4:6])[0] == 0x300:
                    self.ids.append(struct.unpack("!I", b[24:28])[0])
        return [show(d) for d in got]

    def config(self, number=0, cmd=None, mode=None, maxlen=None, flags=None, mask=None, pf=0, extra=(), **kw):
        a = []
        if cmd is not None:
            a.append(attr(1, struct.pack("!BxH", cmd, pf)))
        if mode is not None:
            a.append(attr(2, struct.pack("!IB", mode[1], mode[0])))
        if maxlen is not None:
            a.append(attr(3, be32(maxlen)))
        if mask is not None:
            a.append(attr(4, be32(mask)))
        if flags is not None:
            a.append(attr(5, be32(flags)))
        return self.ask(message(0x302, a + list(extra), number, **kw))

    def bind(self, number=0, mode=(PACKET, 0xFFFF), **kw):
        return self.config(number, BIND, mode, **kw)

    def verdict(self, ident, verdict, number=0, payload=None, mark=None, kind=0x301, extra=(), flags=ACK):
        a = [attr(2, struct.pack("!II", verdict & 0xFFFFFFFF, ident & 0xFFFFFFFF))]
        if mark is not None:
            a.append(attr(3, be32(mark)))
        if payload is not None:
            a.append(attr(10, payload))
        return self.ask(message(kind, a + list(extra), number, flags=flags), 0.5 if flags & ACK else 0)

    def batch(self, ident, verdict, number=0, **kw):
        return self.verdict(ident, verdict, number, kind=0x303, **kw)

    def files(self, which):
        text = self.agent("read", "/proc/net/netfilter/" + which)
        return re.sub(r"^( *\d+) +\d+", r"\1 PORT", text, flags=re.M)


def steady(f):
    """A frame without what is random in it: ids and flow labels of packets that a router makes, fragment ids of IPv6."""
    if f[12:14] == b"\x86\xdd":
        if f[22:38] == addr("fd00::1"):
            f = f[:14] + b"\x60\0\0\0" + f[18:]
        if f[20] == 44:
            f = f[:58] + b"rand" + f[62:]
    elif f[26:30] == addr("10.0.0.1") and f[23] == 1:
        f = f[:18] + b"id" + f[20:24] + b"\0\0" + f[26:]
    return f


def seen(w):
    return ["%d %s" % (side, steady(f).hex()) for side, f in w.frames()]


def udp4(sport=1000, dport=53, data=b"question", **kw):
    return udp(sport, dport, data)(ip("10.0.0.2", "10.1.0.2", ident=0x77, **kw))


def udp6(sport=1000, dport=53, data=b"question", **kw):
    return udp(sport, dport, data)(ip("fd00::2", "fd00:1::2", **kw))


FORWARD = "*filter\n-A FORWARD -j NFQUEUE --queue-num 0\n-A FORWARD -j ACCEPT\nCOMMIT\n"


@scenario(FORWARD)
def life(w):
    q = Program(w)
    yield "no queue", q.verdict(1, ACCEPT), q.config(0, UNBIND), q.config(0, mode=(PACKET, 100)), q.batch(1, ACCEPT)
    w.send(LAN, udp4())
    yield "nobody listens", seen(w)
    yield "pf", q.config(0, PF_UNBIND, pf=2), q.config(0, PF_BIND, pf=2)
    yield "bind", q.config(0, BIND), q.files("nfnetlink_queue")
    w.send(LAN, udp4())
    yield "mode none", seen(w), q.recv(0.1), q.files("nfnetlink_queue")
    yield "twice", q.config(0, BIND)
    yield "mode", q.config(0, mode=(PACKET, 0)), q.files("nfnetlink_queue"), q.config(0, mode=(META, 55)), q.files("nfnetlink_queue"), q.config(0, mode=(9, 55)), q.config(0, mode=(PACKET, 1 << 20)), q.files("nfnetlink_queue")
    w.send(LAN, udp4())
    yield "packet", q.recv(), seen(w), q.files("nfnetlink_queue")
    yield "unknown id", q.verdict(77, ACCEPT)
    yield "accept", q.verdict(q.ids[-1], ACCEPT), seen(w)
    yield "twice", q.verdict(q.ids[-1], ACCEPT), seen(w)
    w.send(LAN, udp4())
    yield "drop", q.recv(), q.verdict(q.ids[-1], DROP), seen(w)
    w.send(LAN, udp4())
    w.send(LAN, udp4())
    yield "two wait", q.recv(), q.files("nfnetlink_queue")
    yield "unbind", q.config(0, UNBIND), seen(w), q.files("nfnetlink_queue"), q.verdict(q.ids[-1], ACCEPT)
    yield "unknown command", q.config(0, 9), q.config(0, NONE)


@scenario(FORWARD)
def errors(w):
    q = Program(w)
    other = Program(w, q.agent, "other")
    yield "bind", q.bind()
    yield "by another", other.bind(), other.config(0, UNBIND), other.verdict(1, ACCEPT), other.config(0, mode=(PACKET, 1))
    yield "flags", q.config(0, flags=1), q.config(0, flags=1, mask=1), q.config(0, flags=32, mask=32), q.config(0, mask=0), q.config(0, flags=4, mask=31)
    yield "short", q.ask(message(0x302, [attr(1, b"\1")])), q.ask(message(0x302, [attr(2, b"\1\2")])), q.ask(message(0x302, [attr(3, b"")])), q.ask(message(0x301, [attr(2, b"1234")]))
    yield "no head", q.ask(message(0x301)), q.ask(message(0x303))
    yield "kinds", q.verdict(1, STOLEN), q.verdict(1, 6), q.verdict(1, 0xFF), q.verdict(1, STOP), q.verdict(1, 0x10001)
    yield "messages", q.ask(message(0x300)), q.ask(message(0x304)), q.ask(message(0x3FF)), q.ask(message(0x400)), q.ask(message(0x402)), q.ask(message(0x302, [b"\3\0\1\0"]))
    q.agent("option", "q", 270, 11, 1)
    yield "extended", q.ask(message(0x302, [attr(1, b"\1")]))
    w.send(LAN, udp4())
    yield "closed", q.recv(), q.agent("close", "q"), seen(w), other.files("nfnetlink_queue")
    yield "free again", other.bind()


@scenario(FORWARD)
def nobody_waits(w):
    """Verdicts without an answer: done before what is asked next, errors come all the same, and the last words of a program count."""
    q = Program(w)
    yield q.bind()
    for data in (b"one", b"two", b"three", b"four"):
        w.send(LAN, udp4(data=data))
    yield "four wait", q.recv(0.5, 4), q.files("nfnetlink_queue")
    for i, what in enumerate((ACCEPT, DROP)):
        q.send(message(0x301, [attr(2, struct.pack("!II", what, q.ids[i]))], flags=0))
    yield "two are gone", q.files("nfnetlink_queue"), seen(w)
    q.send(message(0x301, [attr(2, struct.pack("!II", ACCEPT, 77))], flags=0, seq=21))
    yield "its error is there", [show(d) for d in q.agent("recv", "q", 0)]
    for number in (0, 5):
        q.send(message(0x303, [attr(2, struct.pack("!II", STOLEN, q.ids[3]))], number, flags=0, seq=22))
    q.send(message(0x302, [attr(3, be32(2))], seq=23) + message(0x301, [attr(2, struct.pack("!II", ACCEPT, q.ids[2]))], flags=0, seq=24))
    yield "errors before the answer", [show(d) for d in q.agent("recv", "q", 0.5, 3)], q.files("nfnetlink_queue")
    two = b"".join(message(0x301, [attr(2, struct.pack("!II", ACCEPT, i)), attr(3, be32(9))], flags=0, seq=25) for i in (q.ids[3], q.ids[3], 78))
    q.send(two + b"\1\0")
    yield "three in one", [show(d) for d in q.agent("recv", "q", 0.5, 2)], seen(w)
    for data in (b"five", b"six", b"seven"):
        w.send(LAN, udp4(data=data))
    yield "three more", q.recv(0.5, 3)
    w.send(LAN, udp4(data=b"unread"))
    time.sleep(0.1)
    q.send(message(0x303, [attr(2, struct.pack("!II", ACCEPT, q.ids[-1]))], flags=0))
    q.agent("close", "q")
    yield "last words", seen(w), Program(w, q.agent, "again").files("nfnetlink_queue")


@scenario("*mangle\n-A PREROUTING -j MARK --set-mark 0x1234\nCOMMIT\n*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 3\n-A FORWARD -m mark --mark 0x99 -j DROP\nCOMMIT\n",
          "*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 3\nCOMMIT\n")
def attributes_of(w):
    q = Program(w)
    yield q.bind(3, (PACKET, 30))
    for p in (udp4(), udp4(tos=0x10), udp4(data=b""), udp6(), udp6(data=b"x" * 1000)):
        w.send(LAN, p)
        yield q.recv(), q.verdict(q.ids[-1], ACCEPT, 3), seen(w)
    yield q.config(3, mode=(META, 0))
    for p in (udp4(), udp6()):
        w.send(LAN, p)
        yield q.recv(), q.verdict(q.ids[-1], ACCEPT, 3), seen(w)
    yield q.config(3, mode=(PACKET, 0xFFFF), flags=29, mask=29)
    for p in (udp4(), udp6(), udp4(options=b"\x94\4\0\0")):
        w.send(LAN, p)
        yield q.recv(), q.verdict(q.ids[-1], ACCEPT, 3, mark=5), seen(w)
    w.send(LAN, udp4())
    yield "the mark counts after the rule", q.recv(), q.verdict(q.ids[-1], ACCEPT, 3, mark=0x99), seen(w)
    w.send(LAN, udp4())
    yield "repeat asks the table again", q.recv(), q.verdict(q.ids[-1], REPEAT, 3, mark=0x99), q.recv(), q.verdict(q.ids[-1], STOP, 3), seen(w)


@scenario("*mangle\n-A PREROUTING -p udp -j NFQUEUE --queue-num 1\n-A PREROUTING -j MARK --set-mark 7\n-A POSTROUTING -p udp -j NFQUEUE --queue-num 2\nCOMMIT\n*nat\n-A PREROUTING -p udp --dport 53 -j DNAT --to 10.1.0.2:5353\n-A POSTROUTING -o eth1 -j SNAT --to 10.1.0.9\nCOMMIT\n", conntrack=True)
def connections(w):
    q, r = Program(w), None
    r = Program(w, q.agent, "r")
    yield q.bind(1), r.bind(2)
    w.send(LAN, udp4())
    yield "before nat", q.recv(), q.verdict(q.ids[-1], ACCEPT, 1)
    yield "after dnat", r.recv(), r.verdict(r.ids[-1], ACCEPT, 2), seen(w)
    w.send(LAN, udp4())
    yield "again", q.recv(), q.verdict(q.ids[-1], ACCEPT, 1), r.recv(), r.verdict(r.ids[-1], ACCEPT, 2), seen(w)
    w.send(WAN, udp(5353, 1000, b"answer")(ip("10.1.0.2", "10.1.0.9", ident=5)))
    yield "answer", q.recv(), q.verdict(q.ids[-1], ACCEPT, 1), r.recv(), r.verdict(r.ids[-1], ACCEPT, 2), seen(w)
    for _ in range(2):
        w.send(LAN, udp4(2000))
    yield "two of one that is not there yet", q.recv(), [q.verdict(i, ACCEPT, 1) for i in q.ids[-2:]], r.recv(), [r.verdict(i, ACCEPT, 2) for i in r.ids[-2:]], seen(w)
    for _ in range(2):
        w.send(LAN, udp4(2001))
    yield "the later one first", q.recv(), [q.verdict(i, ACCEPT, 1) for i in q.ids[:-3:-1]], r.recv(), [r.verdict(i, ACCEPT, 2) for i in r.ids[:-3:-1]], seen(w)
    for _ in range(2):
        w.send(LAN, udp4(2002))
    q.recv()
    yield "the second meets the first", q.verdict(q.ids[-2], ACCEPT, 1), r.recv(), r.verdict(r.ids[-1], ACCEPT, 2), seen(w), q.verdict(q.ids[-1], ACCEPT, 1), r.recv(), r.verdict(r.ids[-1], ACCEPT, 2), seen(w)
    yield w.run("conntrack", "-L", "-o", "extended")[1].count("udp")


@scenario("*filter\n-A FORWARD -j NFQUEUE --queue-num 0\nCOMMIT\n", "*filter\n-A FORWARD -j NFQUEUE --queue-num 0\nCOMMIT\n")
def mangle(w):
    q = Program(w)
    yield q.bind(0, (PACKET, 20))
    for packet, changed in ((udp4(), udp4(data=b"other txt")), (udp4(), udp4(data=b"")), (udp4(), udp4(data=b"x" * 1400)), (udp4(), udp4(data=b"x" * 3000)), (udp4(), udp4()[:20]), (udp4(), udp4()[:24]),
                            (udp4(), udp4()[:19]), (udp4(), udp4()[:4]), (udp4(), b""), (udp6(), udp6(data=b"longer text here")), (udp6(), udp6()[:40]), (udp6(), udp6()[:39]), (udp6(), udp6(data=b"y" * 2000)),
                            (udp4(), udp(7, 8, b"somebody else's")(ip("10.0.0.9", "10.1.0.2", ident=9, ttl=3))), (udp4(options=b"\1\1\1\1"), udp4()),
                            (udp4(options=b"\1\1\1\1"), udp4()[:20]), (udp4(), udp4(options=b"\1\1\1\1")), (udp6(), udp6(data=b"z" * 60000)), (udp4(df=True), udp4(df=True, data=b"x" * 2000))):
        w.send(LAN, packet)
        yield len(packet), len(changed), q.recv(), q.verdict(q.ids[-1], ACCEPT, payload=changed), [f if len(f) < 2900 else len(f) for f in seen(w)]


@scenario("*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 0\n-A FORWARD -p udp --dport 99 -j DROP\nCOMMIT\n*mangle\n-A POSTROUTING -p udp -m mark --mark 9 -j DROP\nCOMMIT\n")
def verdicts(w):
    q = Program(w)
    yield q.bind(0), q.bind(5)
    for name, verdict in (("accept", ACCEPT), ("stop", STOP), ("drop", DROP), ("drop with an errno", 0x10000), ("accept with more bits", 0x70001), ("stop with more bits", 0x70005), ("repeat with more bits", 0x70004),
                          ("to nobody's queue", 0x90003), ("to nobody's with bypass", 0x98003 | 0x8000), ("bypass bit as Linux has it", 0x90003 | 0x8000)):
        for dport in (98, 99):
            w.send(LAN, udp4(dport=dport))
            yield name, dport, q.recv(), q.verdict(q.ids[-1], verdict), seen(w), q.recv(0.05)
    w.send(LAN, udp4())
    yield "to another queue", q.recv(), q.verdict(q.ids[-1], 0x50003), q.recv(), q.verdict(q.ids[-1], ACCEPT, 0), q.verdict(q.ids[-1], ACCEPT, 5), seen(w)
    w.send(LAN, udp4())
    q.recv()
    for _ in range(5):
        yield "repeat", q.verdict(q.ids[-1], REPEAT), q.recv()
    yield q.verdict(q.ids[-1], ACCEPT), seen(w)
    for i in range(6):
        w.send(LAN, udp4(100 + i))
    yield "batch", q.recv(0.5, 6), q.batch(q.ids[-4], ACCEPT, mark=3), seen(w), q.files("nfnetlink_queue")
    yield "nothing that old", q.batch(q.ids[-4], ACCEPT), q.batch(q.ids[-6] - 100, DROP)
    yield "out of order", q.verdict(q.ids[-1], ACCEPT), seen(w), q.verdict(q.ids[-3], ACCEPT, mark=9), seen(w), q.batch(q.ids[-1] + 100, ACCEPT), seen(w)


@scenario("*filter\n-A FORWARD -p udp --dport 1 -j NFQUEUE --queue-num 7 --queue-bypass\n-A FORWARD -p udp --dport 2 -j NFQUEUE --queue-num 7\n-A FORWARD -p udp --dport 3 -j NFQUEUE --queue-balance 10:13\n"
          "-A FORWARD -p udp --dport 4 -j NFQUEUE --queue-balance 10:13 --queue-bypass\nCOMMIT\n")
def full(w):
    q = Program(w)
    for dport in (1, 2, 4):
        w.send(LAN, udp4(dport=dport))
        yield "nobody", dport, seen(w)
    yield q.bind(7, maxlen=2)
    for _ in range(4):
        w.send(LAN, udp4(dport=1))
    yield "full", seen(w), q.recv(0.3, 2), q.files("nfnetlink_queue")
    yield "fail open", q.config(7, flags=FAIL_OPEN, mask=FAIL_OPEN)
    w.send(LAN, udp4(dport=2))
    yield seen(w), q.files("nfnetlink_queue"), q.batch(q.ids[-1], ACCEPT, 7), seen(w)
    yield q.config(7, maxlen=0), q.config(7, flags=0, mask=FAIL_OPEN)
    w.send(LAN, udp4(dport=2))
    yield "no room at all", seen(w), q.recv(0.05), q.files("nfnetlink_queue")
    yield q.config(7, maxlen=1024, mode=(META, 0))
    w.send(LAN, udp4(dport=2))
    yield "a queue that shrinks", q.recv(), q.config(7, maxlen=1), q.verdict(q.ids[-1], ACCEPT, 7), seen(w)
    yield [q.bind(n) for n in (10, 11, 12, 13)], q.files("nfnetlink_queue")
    for i in range(8):
        w.send(LAN, udp4(i + 1, dport=3))
    got = q.recv(0.5, 8)
    yield "all in some queue", len(got)


@scenario("*mangle\n-A OUTPUT -p icmp -j NFQUEUE --queue-num 0\n-A INPUT -p udp -j NFQUEUE --queue-num 0\n-A POSTROUTING -p icmp -j MARK --set-mark 1\nCOMMIT\n*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n"
          "*raw\n-A OUTPUT -p tcp -j NFQUEUE --queue-num 0\nCOMMIT\n")
def local(w):
    q = Program(w)
    yield q.bind(0, flags=UID_GID, mask=UID_GID)
    w.send(LAN, udp4(ttl=1))
    yield "a packet of the router's own", [no_id(x) for x in q.recv()], q.verdict(q.ids[-1], ACCEPT), seen(w)
    w.send(LAN, udp4(ttl=1))
    yield "repeat", len(q.recv()), [no_id(x) for x in q.verdict(q.ids[-1], REPEAT)], len(q.recv()), q.verdict(q.ids[-1], ACCEPT), seen(w)
    w.send(LAN, udp4(ttl=1))
    q.recv()
    yield "sent elsewhere", q.verdict(q.ids[-1], ACCEPT, payload=icmp(8, 0, b"\0\1\0\1", b"hello")(ip("10.0.0.1", "10.1.0.2", ident=1))), seen(w)
    w.send(LAN, udp4(ttl=1))
    q.recv()
    yield "to where no route leads", q.verdict(q.ids[-1], ACCEPT, payload=icmp(8, 0, b"\0\1\0\1", b"hello")(ip("10.0.0.1", "192.0.2.2", ident=1))), seen(w)
    w.send(LAN, tcp(1000, 80, "S", 100)(ip("10.0.0.2", "10.1.0.2", ident=1)))
    yield "a reset", q.recv(), q.verdict(q.ids[-1], ACCEPT), seen(w)
    yield q.config(0, mode=(META, 0))
    w.send(LAN, tcp(1000, 80, "S", 100)(ip("10.0.0.2", "10.1.0.2", ident=1)))
    yield "its sum is not ready", q.recv(), q.verdict(q.ids[-1], ACCEPT), seen(w)
    yield q.config(0, mode=(PACKET, 0), flags=GSO, mask=GSO)
    w.send(LAN, tcp(1000, 80, "S", 100)(ip("10.0.0.2", "10.1.0.2", ident=1)))
    yield "its bytes neither", q.recv(), q.verdict(q.ids[-1], ACCEPT), seen(w)
    w.send(LAN, udp(9, 9, b"for the host")(ip("10.0.0.2", "10.0.0.1", ident=1)))
    yield "for the host", q.recv(), q.verdict(q.ids[-1], DROP)


def no_id(text):
    """Packets of the router's own have a random id, and so a checksum of its own."""
    return re.sub(r"(45c00[0-9a-f]{3})[0-9a-f]{4}(....4001)[0-9a-f]{4}", r"\1ID\2SUM", text)



@scenario("*raw\n-A PREROUTING -p udp -j NFQUEUE --queue-num 0\n-A PREROUTING -p udp --dport 5 -j DROP\nCOMMIT\n*filter\n-A FORWARD -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n")
def raw_table(w):
    q = Program(w)
    yield q.bind(0)
    big = udp4(data=bytes(range(256)) * 10)
    for f in fragments4(big, [1000, 1000, 1000]):
        w.send(LAN, f)
    yield "fragments are put together before", q.recv(), q.verdict(q.ids[-1], ACCEPT), seen(w)
    for f in fragments4(big, [1000, 1000, 1000]):
        w.send(LAN, f)
    yield q.recv(), q.verdict(q.ids[-1], ACCEPT, payload=big), seen(w)
    w.send(LAN, udp4(dport=4))
    yield q.recv(), q.verdict(q.ids[-1], ACCEPT, payload=udp4(dport=5)), seen(w)
    w.send(LAN, udp4(dport=4)[:-2] + b"zz")
    yield "a bad sum", q.recv(), q.verdict(q.ids[-1], ACCEPT), seen(w)


NFLOG = ("*mangle\n-A PREROUTING -p udp -j MARK --set-mark 3\nCOMMIT\n*filter\n-A FORWARD -p udp --dport 1 -j NFLOG --nflog-group 5 --nflog-prefix \"one \"\n-A FORWARD -p udp --dport 2 -j NFLOG --nflog-group 5 --nflog-size 30\n"
         "-A FORWARD -p udp --dport 3 -j NFLOG --nflog-group 5 --nflog-threshold 3\n-A FORWARD -p udp --dport 4 -j NFLOG\n-A FORWARD -p udp --dport 5 -j NFLOG --nflog-group 5 --nflog-range 10\n"
         "-A FORWARD -p udp --dport 6 -j NFLOG --nflog-group 5 --nflog-threshold 50\nCOMMIT\n*mangle\n-A POSTROUTING -p udp --dport 7 -j NFLOG --nflog-group 5\n-A OUTPUT -j NFLOG --nflog-group 5 --nflog-prefix out\nCOMMIT\n")


def log_config(q, number, cmd=None, mode=None, timeout=None, size=None, thresh=None, flags=None, **kw):
    a = []
    for kind, value, form in ((1, cmd, "!B"), (4, timeout, "!I"), (5, thresh, "!I"), (3, size, "!I"), (6, flags, "!H")):
        if value is not None:
            a.append(attr(kind, struct.pack(form, value)))
    if mode is not None:
        a.append(attr(2, struct.pack("!IBx", mode[1], mode[0])))
    return q.ask(message(0x401, a, number, **kw))


@scenario(NFLOG, "*filter\n-A FORWARD -j NFLOG --nflog-group 5\nCOMMIT\n", conntrack=True)
def nflog(w):
    q = Program(w)
    other = Program(w, q.agent, "other")
    yield log_config(q, 5, UNBIND), log_config(q, 5, mode=(PACKET, 5)), log_config(q, 5, 9), log_config(q, 5, 0)
    yield log_config(q, 5, BIND), q.files("nfnetlink_log"), log_config(q, 5, BIND), log_config(other, 5, BIND), log_config(other, 5, UNBIND), log_config(q, 5, 9)
    yield q.ask(message(0x401, [attr(1, b"")], 5)), q.ask(message(0x401, [attr(2, b"123")], 5)), q.ask(message(0x400, [], 5)), q.ask(message(0x402, [], 5))
    yield log_config(q, 5, mode=(META, 5)), q.files("nfnetlink_log"), log_config(q, 5, mode=(7, 5)), log_config(q, 5, size=100), log_config(q, 5, size=200000), log_config(q, 5, mode=(PACKET, 0)), q.files("nfnetlink_log")
    yield log_config(q, 5, timeout=5)
    for dport in (1, 2, 4, 5, 7):
        w.send(LAN, udp4(dport=dport))
        yield dport, q.recv(0.5), seen(w)
    yield log_config(q, 5, timeout=1000)
    for _ in range(3):
        w.send(LAN, udp4(dport=3))
    yield "three at once", q.recv(), seen(w)
    yield "a time", log_config(q, 5, timeout=20), q.files("nfnetlink_log")
    w.send(LAN, udp4(dport=6))
    w.send(LAN, udp4(dport=6))
    yield q.files("nfnetlink_log"), q.recv(1), seen(w), q.files("nfnetlink_log")
    yield "flags", log_config(q, 5, flags=3, thresh=1)
    for _ in range(2):
        w.send(LAN, udp4(dport=6))
        yield q.recv(), seen(w)
    w.send(LAN, udp6())
    yield q.recv(), seen(w)
    w.send(LAN, udp4(ttl=1))
    yield "of its own", [no_id(x) for x in q.recv()], len(seen(w))
    yield log_config(q, 5, thresh=0), log_config(q, 5, mode=(PACKET, 12))
    w.send(LAN, udp4(dport=1))
    yield "as none", q.recv()
    yield log_config(q, 5, mode=(PACKET, 0), thresh=100, timeout=0)
    w.send(LAN, udp4(dport=6))
    yield "at once", q.recv(0.5), seen(w)
    yield log_config(q, 5, thresh=100, timeout=500)
    w.send(LAN, udp4(dport=6))
    w.send(LAN, udp4(dport=6))
    yield "unbind sends", log_config(q, 5, UNBIND), q.recv(0.1), q.files("nfnetlink_log")


@scenario("*filter\n-A FORWARD -j NFLOG --nflog-group 1 --nflog-threshold 100\nCOMMIT\n")
def gathering(w):
    q = Program(w)
    yield log_config(q, 1, BIND, timeout=1000, thresh=1000)
    for size in (10, 100, 1000, 1400, 300, 300, 300, 300, 300, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 1400, 1400, 1400):
        w.send(LAN, udp4(data=b"d" * size))
        seen(w)
        yield size, q.files("nfnetlink_log"), [x.count("type 400") for x in q.recv(0.01)]
    yield log_config(q, 1, size=20000)
    for i in range(60):
        w.send(LAN, udp4(data=b"d" * (i * 23 % 1400)))
    seen(w)
    yield [x.count("type 400") for x in q.recv(0.1)], q.files("nfnetlink_log")


@scenario("*raw\n-A PREROUTING -p udp --dport 9 -j TRACE\nCOMMIT\n", conntrack=True, sysctl={"net.netfilter.nf_conntrack_log_invalid": 255})
def families(w):
    q = Program(w)
    yield q.agent("read", "/proc/net/netfilter/nf_log"), log_config(q, 0, PF_BIND, family=2), log_config(q, 0, PF_BIND, family=11), log_config(q, 0, BIND, thresh=1), q.agent("read", "/proc/net/netfilter/nf_log")
    w.send(LAN, udp4(dport=9))
    yield q.recv(0.2, 8), seen(w)
    w.send(LAN, tcp(1000, 80, "SFR", 100)(ip("10.0.0.2", "10.1.0.2", ident=1)))
    yield "invalid", q.recv(), seen(w)
    yield q.agent("write", "/proc/sys/net/netfilter/nf_log/2", "NONE"), q.agent("read", "/proc/sys/net/netfilter/nf_log/2"), q.agent("write", "/proc/sys/net/netfilter/nf_log/2", "nobody"), log_config(q, 0, PF_UNBIND, family=2)
    yield q.agent("write", "/proc/sys/net/netfilter/nf_log/2", "nfnetlink_log"), q.agent("read", "/proc/sys/net/netfilter/nf_log/2")


def play(world, name):
    fn, rules, rules6, kw = SCENARIOS[name]
    w = world(rules, rules6, **kw)
    out = []
    try:
        for step in fn(w):
            out.append(step)
        q = w.agent()
        out.append(q("read", "/proc/net/netfilter/nfnetlink_log") if name == "nflog" else "")
    finally:
        w.close()
    return out


def flat(value):
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from flat(v)
    else:
        yield str(value)


class Preload(Weir):
    def agent(self):
        self.agents.append(worlds.Agent([self.weir, "exec", "--socket", self.sock, "--preload", "--"]))
        return self.agents[-1]


def tell(kernel, weir):
    for i in range(max(len(kernel), len(weir))):
        k, m = ([*flat(s[i])] if i < len(s) else ["(nothing)"] for s in (kernel, weir))
        if k == m:
            continue
        print("  step %d: %s" % (i, k[0][:60]))
        for j in range(max(len(k), len(m))):
            a, b = (x[j] if j < len(x) else "(nothing)" for x in (k, m))
            if a != b:
                print("    kernel: %s\n    weir:   %s" % (a, b))


def main():
    passed = failed = 0
    names = sys.argv[1:] or list(SCENARIOS)
    if os.geteuid():
        print("0 passed, 0 failed, %d skipped" % len(names))
        return 0
    for name in names:
        sides = []
        for world in (Kernel, Weir, Preload):
            try:
                sides.append(play(world, name))
            except Exception as e:  # the other side is still worth seeing
                import traceback
                traceback.print_exc()
                sides.append([repr(e)])
        for side, way in zip(sides[1:], ("", " with --preload")):
            same = sides[0] == side
            passed += same
            failed += not same
            if not same:
                print("FAILED: " + name + way)
                tell(sides[0], side)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
