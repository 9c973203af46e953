#!/usr/bin/env python3
"""Connection helpers that are programs, on `weir daemon`: nfnetlink's cthelper messages, a rule that names one, its packets in an NFQUEUE and back, expectations, and nfct(8).
The kernel here is built without NFNL_SUBSYS_CTHELPER, so what it says is written down here from its sources. Ends with "N passed, N failed, N skipped"."""
import glob
import os
import re
import socket
import struct
import sys

from queue_test import ACCEPT, ACK, Program, attr, be32, message
from worlds import LAN, Weir
from packets import ip, tcp
from tally import check, done

NEW, GET, DEL = 0x900, 0x901, 0x902
CREATE, EXCL, DUMP = 0x400, 0x200, 0x300
RULE = "iptables-legacy -t raw -A PREROUTING -p tcp --dport 2000 -j CT --helper chat".split()


def protocols(l3=2, l4=6):
    return attr(2, [attr(1, struct.pack("!H", l3)), attr(2, bytes([l4]))])


def policies(*classes, count=None):
    return attr(4, [attr(1, be32(len(classes) if count is None else count))] + [attr(2 + i, [attr(1, n.encode() + b"\0"), attr(2, be32(most)), attr(3, be32(sec))]) for i, (n, most, sec) in enumerate(classes)])


def name(text):
    return attr(1, text.encode() + b"\0")


CHAT = [name("chat"), attr(3, be32(3)), protocols(), policies(("talk", 4, 60), ("data", 1, 30)), attr(5, be32(8)), attr(6, be32(1))]


def code(q, data):
    """The errno of the acknowledgement."""
    q.send(data)
    for d in q.agent("recv", q.name, 0.5):
        b = bytes.fromhex(d)
        if struct.unpack("=H", b[4:6])[0] == 2:
            return -struct.unpack("=i", b[16:20])[0]
    return None


def told(q, data):
    """Attributes of the messages that come."""
    q.send(data)
    out = []
    for d in q.agent("recv", q.name, 0.5):
        b = bytes.fromhex(d)
        while len(b) >= 16:
            n, kind = struct.unpack("=IH", b[:6])
            if kind == NEW:
                out.append(b[20:n])
            b = b[(n + 3) & ~3:]
    return out


def messages(w):
    q = Program(w)

    def add(*attrs, flags=CREATE | ACK, kind=NEW):
        return code(q, message(kind, attrs, flags=flags))

    check("nothing there", told(q, message(GET, flags=DUMP)) == [] and add(kind=DEL) == 0 and add(name("x"), kind=GET) == 2)
    for what, attrs, want in (("no name", CHAT[1:], 22), ("no protocols", CHAT[:2] + CHAT[3:], 22), ("no policies", CHAT[:3] + CHAT[4:], 22), ("no length", CHAT[:4] + CHAT[5:], 22),
                              ("data of 33 bytes", CHAT[:4] + [attr(5, be32(33))], 12), ("no class", CHAT[:3] + [policies()] + CHAT[4:], 22), ("five classes", CHAT[:3] + [policies(*[("a", 1, 1)] * 5)] + CHAT[4:], 75),
                              ("a class is missing", CHAT[:3] + [policies(("a", 1, 1), count=2)] + CHAT[4:], 22), ("256 expected", CHAT[:3] + [policies(("a", 256, 1))] + CHAT[4:], 22)):
        check(what, add(*attrs) == want)
    check("none of these", told(q, message(GET, flags=DUMP)) == [])
    check("made", add(*CHAT) == 0)
    check("there already", add(*CHAT, flags=CREATE | EXCL | ACK) == 17)
    want = b"".join(CHAT)
    check("told", told(q, message(GET, [name("chat")])) == [want] and told(q, message(GET, flags=DUMP)) == [want] and told(q, message(GET, [protocols()])) == [want], told(q, message(GET, flags=DUMP)))
    check("other protocol", add(name("chat"), protocols(10), kind=GET) == 2 and add(protocols(2, 17), kind=DEL) == 2)
    check("no other length, names, number of classes", [add(name("chat"), protocols(), attr(5, be32(9))), add(name("chat"), protocols(), policies(("talk", 1, 1), ("else", 1, 1))),
                                                        add(name("chat"), protocols(), policies(("talk", 1, 1)))] == [16, 16, 16])
    check("changed", add(name("chat"), protocols(), attr(3, be32(5)), attr(6, be32(0)), policies(("talk", 9, 99), ("data", 8, 88))) == 0)
    check("as changed", told(q, message(GET, [name("chat")])) == [b"".join([CHAT[0], attr(3, be32(5)), CHAT[2], policies(("talk", 9, 99), ("data", 8, 88)), CHAT[4], attr(6, be32(0))])])
    check("back", add(*CHAT) == 0)
    return add


def packets(w, add):
    q = Program(w, name="packets")

    def syn(port, dport=2000):
        w.send(LAN, tcp(port, dport, "S")(ip("10.0.0.2", "10.1.0.2", ident=0x77)))

    def shown(*words):
        return w.run("conntrack", "-L", *words)[1]

    check("a rule names it", w.run(*RULE)[0] == 0 and w.run(*[x.replace("chat", "nobody") for x in RULE])[0] != 0)
    check("busy", add(name("chat"), kind=DEL) == 16)
    syn(1000)
    check("nobody listens: it goes on, and is not confirmed", len(w.frames()) == 1 and "sport=1000" not in shown())
    q.bind(3)
    q.config(3, flags=2, mask=2)
    syn(1001)
    got = q.recv()
    check("waits", len(got) == 1 and not w.frames() and "sport=1001" not in shown(), got)
    check("with its connection and its helper", re.search(r"\d+\{.*%s" % b"chat\0".hex(), got[0]), got)
    help_said = attr(5, [attr(1, b"chat\0"), attr(2, b"12345678")])
    child = [attr(2, tuple4("10.1.0.2", "10.0.0.2", 0, 4000)), attr(3, tuple4("255.255.255.255", "255.255.255.255", 0, 0xffff)), attr(4, be32(60))]
    check("accepted", "ack 0" in q.verdict(q.ids[-1], ACCEPT, 3, extra=[attr(11, [help_said]), attr(15, child[:2] + [attr(9, be32(1))])])[0])
    check("on its way, confirmed", len(w.frames()) == 1 and re.search(r"sport=1001 dport=2000.* helper=chat", shown()), shown())
    said = w.run("conntrack", "-L", "expect")[1]
    check("announced with the verdict", "dport=4000" in said and "class=1" in said and "helper=chat" in said, said)
    exp = attr(1, tuple4("10.0.0.2", "10.1.0.2", 1001, 2000))
    made = [code(q, message(0x200, [exp, attr(2, tuple4("10.1.0.2", "10.0.0.2", 0, 4000 + n)), child[1], child[2], attr(9, be32(c)), *more], family=2, flags=CREATE | ACK))
            for n, c, more in ((1, 0, [attr(6, b"chat\0")]), (2, 2, []), (3, 0, [attr(6, b"nobody\0")]))]
    check("by ctnetlink, its classes only, a known helper only", made == [0, 22, 95], made)
    dump = told_connections(q)
    check("what the program keeps", any(b"12345678" in d for d in dump))
    syn(1001)
    check("each packet", len(q.recv()) == 1 and "ack 0" in q.verdict(q.ids[-1], 0, 3)[0] and not w.frames())
    check("disabled: passed by", add(name("chat"), protocols(), attr(6, be32(0))) == 0)
    syn(1002)
    check("and confirmed", not q.recv(0.1, 0) and len(w.frames()) == 1 and "sport=1002" in shown())
    check("away", w.run("iptables-legacy", "-t", "raw", "-F")[0] == 0 and add(name("chat"), kind=DEL) == 0 and "helper=" not in shown() + w.run("conntrack", "-L", "expect")[1], shown())


def tuple4(src, dst, sport, dport):
    return [attr(1, [attr(1, socket.inet_aton(src)), attr(2, socket.inet_aton(dst))]), attr(2, [attr(1, b"\6"), attr(2, struct.pack("!H", sport)), attr(3, struct.pack("!H", dport))])]


def told_connections(q):
    q.send(message(0x101, family=2, flags=DUMP))
    return [bytes.fromhex(d) for d in q.agent("recv", q.name, 0.5) if not d.startswith("error")]


def nfct(w):
    if not glob.glob("/usr/lib/*/conntrack-tools/ct_helper_ftp.so"):
        print("nfct's helpers are not installed (conntrackd)")
        return
    check("nfct add", w.run("nfct", "add", "helper", "ftp", "inet", "tcp") == (0, ""))
    got = w.run("nfct", "list", "helper")
    check("nfct list", got[0] == 0 and ".name = ftp" in got[1] and ".queuenum = 0" in got[1] and ".l4protonum = 6" in got[1], got)
    check("nfct changes what is there", w.run("nfct", "add", "helper", "ftp", "inet", "tcp")[0] == 0)
    check("nfct delete", w.run("nfct", "add", "helper", "tftp", "inet", "udp")[0] == 0 and [w.run("nfct", "delete", "helper", "ftp", "inet", "tcp")[0] for _ in (1, 2)] == [0, 1])
    check("nfct flush", w.run("nfct", "flush", "helper")[0] == 0 and w.run("nfct", "list", "helper") == (0, ""))


def main():
    if os.geteuid():
        print("0 passed, 0 failed, 1 skipped")
        return 0
    w = Weir("*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n")
    try:
        add = messages(w)
        packets(w, add)
        nfct(w)
    finally:
        w.close()
    return done()


if __name__ == "__main__":
    sys.exit(main())
