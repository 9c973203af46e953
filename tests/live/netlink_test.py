#!/usr/bin/env python3
"""The same netlink messages to the kernel and, through `weir exec`, to a daemon: the answers must be equal byte for byte. The asker is this file
with --ask; what is the machine's (ports, ids, remaining seconds) is left out of the comparison. Ends with "N passed, N failed, N skipped"."""
import collections
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
NETLINK_NETFILTER, REQUEST, ACK, ECHO, DUMP = 12, 1, 4, 8, 0x300
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
CT, EXP, QUEUE, OSF, ACCT, TIMEOUT = 1, 2, 3, 5, 7, 8
V4, V6 = 2, 10


def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def nest(kind, *inner):
    return attr(kind | 0x8000, b"".join(inner))


def text(kind, word):
    return attr(kind, word.encode() + b"\0")


def u8(kind, v):
    return attr(kind, struct.pack("B", v))


def u16(kind, v):
    return attr(kind, struct.pack(">H", v))


def u32(kind, v):
    return attr(kind, struct.pack(">I", v))


def u64(kind, v):
    return attr(kind, struct.pack(">Q", v))


def message(subsystem, command, flags, *attrs, family=0, version=0):
    body = struct.pack("=BBH", family, version, 0) + b"".join(attrs)
    return struct.pack("=IHHII", 16 + len(body), subsystem << 8 | command, flags | REQUEST, 77, 0) + body


def tuple4(kind, src, dst, proto, a, b, zone=None):
    l4 = [u8(1, proto)] + ([u16(4, a), u8(5, b >> 8), u8(6, b & 255)] if proto == 1 else [u16(2, a), u16(3, b)])
    return nest(kind, nest(1, attr(1, socket.inet_aton(src)), attr(2, socket.inet_aton(dst))), nest(2, *l4), *([u16(3, zone)] if zone else []))


def tuple6(kind, src, dst, proto, a, b):
    return nest(kind, nest(1, attr(3, socket.inet_pton(socket.AF_INET6, src)), attr(4, socket.inet_pton(socket.AF_INET6, dst))), nest(2, u8(1, proto), u16(2, a), u16(3, b)))


def policy(name, proto, *states, l3=V4):
    return [text(1, name), u16(2, l3), u8(3, proto), nest(4, *states)]


def timeouts():
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("tcp", 6, u32(3, 100), u32(10, 7)))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("tcp", 6, u32(3, 101)))
    yield message(TIMEOUT, 0, ACK | CREATE | EXCL, *policy("tcp", 6, u32(3, 101)))
    yield message(TIMEOUT, 0, ACK | CREATE | REPLACE, *policy("tcp", 17, u32(1, 101)))
    yield message(TIMEOUT, 1, ACK, text(1, "tcp"))
    yield message(TIMEOUT, 0, ACK | CREATE | REPLACE, *policy("tcp", 6, u32(1, 102), u32(11, 5)))
    for proto in (17, 136, 1, 58, 47, 132, 255, 33, 99, 0):
        yield message(TIMEOUT, 0, ACK | CREATE, *policy("p%d" % proto, proto, u32(1, 33), u32(2, 44), l3=V6))
        yield message(TIMEOUT, 1, 0, text(1, "p%d" % proto))
        yield message(TIMEOUT, 4, ACK, u16(2, V4), u8(3, proto))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("none", 6))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("", 6, u32(1, 5)))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("x" * 31, 6, u32(1, 5)))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("x" * 32, 6, u32(1, 5)))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("big", 6, u32(1, 0xffffffff), u32(2, 17179870)))
    yield message(TIMEOUT, 0, ACK | CREATE, *policy("short", 6, u16(1, 5)))
    yield message(TIMEOUT, 0, ACK | CREATE, text(1, "a"), u16(2, V4), u8(3, 6))
    yield message(TIMEOUT, 0, ACK | CREATE, text(1, "a"), u16(2, V4), nest(4, u32(1, 1)))
    yield message(TIMEOUT, 0, ACK | CREATE, u16(2, V4), u8(3, 6), nest(4, u32(1, 1)))
    yield message(TIMEOUT, 0, ACK | CREATE, attr(1, b"no end"), u16(2, V4), u8(3, 6), nest(4, u32(1, 1)))
    yield message(TIMEOUT, 1, DUMP)
    yield message(TIMEOUT, 1, ACK)
    yield message(TIMEOUT, 1, ACK, text(1, "nobody"))
    yield message(TIMEOUT, 2, ACK, text(1, "nobody"))
    yield message(TIMEOUT, 2, ACK, text(1, "tcp"))
    yield message(TIMEOUT, 2, ACK)
    yield message(TIMEOUT, 1, DUMP)
    yield message(TIMEOUT, 3, ACK, u16(2, V4), u8(3, 6), nest(4, u32(3, 1234)))
    yield message(TIMEOUT, 3, ACK, u16(2, V4), u8(3, 6))
    yield message(TIMEOUT, 3, ACK, u16(2, V4), u8(3, 77), nest(4, u32(3, 1234)))
    yield message(TIMEOUT, 4, ACK, u16(2, V6), u8(3, 6))
    yield message(TIMEOUT, 4, ACK, u16(2, V6))
    yield message(TIMEOUT, 3, ACK, u16(2, V4), u8(3, 17), nest(4, u32(1, 11), u32(2, 22)))
    yield message(TIMEOUT, 4, 0, u16(2, V4), u8(3, 136))
    yield message(TIMEOUT, 5, ACK)


def accounting():
    yield message(ACCT, 0, ACK | CREATE, text(1, "plain"))
    yield message(ACCT, 0, ACK | CREATE, text(1, "plain"))
    yield message(ACCT, 0, ACK | CREATE | EXCL, text(1, "plain"))
    yield message(ACCT, 0, ACK | CREATE, text(1, "counted"), u64(2, 5), u64(3, 600))
    yield message(ACCT, 0, ACK | CREATE, text(1, "bytes"), u32(5, 2), u64(6, 1 << 40), u64(2, 7))
    yield message(ACCT, 0, ACK | CREATE, text(1, "packets"), u32(5, 1), u64(6, 3))
    yield message(ACCT, 0, ACK | CREATE, text(1, "zero"), u32(5, 0), u64(6, 3))
    for flags in (3, 4, 5, 8, 1 << 31):
        yield message(ACCT, 0, ACK | CREATE, text(1, "bad"), u32(5, flags), u64(6, 3))
    yield message(ACCT, 0, ACK | CREATE, text(1, "bad"), u32(5, 1))
    yield message(ACCT, 0, ACK | CREATE, text(1, ""))
    yield message(ACCT, 0, ACK | CREATE, text(1, "n" * 31))
    yield message(ACCT, 0, ACK | CREATE, text(1, "n" * 32))
    yield message(ACCT, 0, ACK | CREATE)
    yield message(ACCT, 0, ACK | CREATE, text(1, "bad"), u32(5, 1), u32(6, 3))
    yield message(ACCT, 1, DUMP)
    yield message(ACCT, 1, DUMP, nest(7, u32(1, 3), u32(2, 2)))
    yield message(ACCT, 1, DUMP, nest(7, u32(1, 3), u32(2, 0)))
    yield message(ACCT, 1, DUMP, nest(7, u32(1, 3)))
    yield message(ACCT, 1, ACK, text(1, "counted"))
    yield message(ACCT, 2, ACK, text(1, "counted"))
    yield message(ACCT, 1, 0, text(1, "counted"))
    yield message(ACCT, 0, ACK | CREATE | REPLACE, text(1, "bytes"), u32(5, 1), u64(6, 9))
    yield message(ACCT, 2, DUMP)
    yield message(ACCT, 1, ACK)
    yield message(ACCT, 1, ACK, text(1, "nobody"))
    yield message(ACCT, 3, ACK, text(1, "nobody"))
    yield message(ACCT, 3, ACK, text(1, "plain"))
    yield message(ACCT, 3, ACK)
    yield message(ACCT, 1, DUMP)
    yield message(ACCT, 4, ACK)


def finger(genre=b"Linux", count=1, option=(2, 4), wc=0, value=0):
    wss = struct.pack("=II", wc, value)
    head = wss + struct.pack("=BBHHH", 64, 1, 60, 0, count) + genre.ljust(32, b"\0") + b"3".ljust(32, b"\0") + b"s".ljust(32, b"\0")
    return head + b"".join(struct.pack("=HHII", *option, 0, 0) if i < count else bytes(12) for i in range(40))


def fingerprints():
    """Linux has them once for all namespaces, so each is taken away again."""
    one = attr(1, finger(b"weir-test"))
    yield message(OSF, 1, ACK, one)
    yield message(OSF, 0, ACK, one)
    yield message(OSF, 0, ACK | CREATE, one)
    yield message(OSF, 0, ACK | CREATE, one)
    yield message(OSF, 0, ACK | CREATE | EXCL, one)
    yield message(OSF, 1, ACK, one)
    yield message(OSF, 1, ACK, one)
    for bad in (finger(count=41), finger(option=(2, 3)), finger(option=(3, 0)), finger(count=11), finger(wc=3), finger(wc=9), finger(b"x" * 32), finger()[:-4]):
        yield message(OSF, 0, ACK | CREATE, attr(1, bad))
    yield message(OSF, 0, ACK | CREATE)
    yield message(OSF, 2, ACK)


def connections():
    new = ACK | CREATE
    a, b = tuple4(1, "192.0.2.1", "192.0.2.2", 6, 1000, 80), tuple4(2, "192.0.2.2", "192.0.2.1", 6, 80, 1000)
    tcp = nest(4, nest(1, u8(1, 3), attr(4, bytes([10, 10])), attr(5, bytes([10, 10])), u8(2, 7), u8(3, 8)))
    yield message(CT, 0, new | EXCL, a, b, u32(3, 14), u32(7, 1000), u32(8, 5), tcp, family=V4)
    yield message(CT, 0, new | EXCL, a, b, u32(7, 1000), family=V4)
    yield message(CT, 1, ACK, a, family=V4)
    yield message(CT, 1, ACK, b, family=V4)
    yield message(CT, 0, new, a, b, u32(8, 0xff00), u32(21, 0xff00), family=V4)
    yield message(CT, 0, new, a, b, attr(22, bytes([1, 2, 0, 0])), family=V4)
    yield message(CT, 0, new, a, b, attr(22, bytes(16)), attr(23, bytes([1] + [0] * 15)), family=V4)
    yield message(CT, 0, new, a, b, attr(22, bytes(3)), family=V4)
    yield message(CT, 1, ACK, a, family=V4)
    yield message(CT, 0, new, a, b, nest(15, u32(1, 100), u32(2, 3), u32(3, 4)), nest(16, u32(1, 200), u32(2, 5), u32(3, 6)), u32(3, 14 | 1 << 6), family=V4)
    yield message(CT, 1, ACK, a, family=V4)
    u, v = tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1000, 53), tuple4(2, "192.0.2.2", "192.0.2.1", 17, 53, 1000)
    yield message(CT, 0, new, u, v, u32(7, 1000), family=V4)
    yield message(CT, 0, new, u, v, u32(3, 14), family=V4)
    yield message(CT, 0, new, u, v, u32(3, 8), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1000, 54), v, family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1000, 54), family=V4)
    yield message(CT, 0, ACK, tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1000, 54), family=V4)
    yield message(CT, 0, new, u, v, u32(7, 1000), u16(18, 9), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1, 2, zone=7), tuple4(2, "192.0.2.2", "192.0.2.1", 17, 2, 1), u32(7, 1000), family=V4)
    yield message(CT, 0, new, tuple6(1, "2001:db8::1", "2001:db8::2", 6, 9, 10), tuple6(2, "2001:db8::2", "2001:db8::1", 6, 10, 9), u32(7, 1000), tcp, family=V6)
    yield message(CT, 0, new, tuple4(1, "192.0.2.1", "192.0.2.2", 1, 99, 0x0800), tuple4(2, "192.0.2.2", "192.0.2.1", 1, 99, 0), u32(7, 1000), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.9", "192.0.2.2", 17, 1000, 53), tuple4(2, "192.0.2.2", "192.0.2.7", 17, 53, 1000), u32(3, 0x18e), u32(7, 1000),
                  nest(6, attr(1, socket.inet_aton("192.0.2.7"))), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.20", "192.0.2.2", 17, 1000, 53), tuple4(2, "192.0.2.2", "192.0.2.20", 17, 53, 1000), u32(7, 1000),
                  nest(6, attr(1, socket.inet_aton("192.0.2.7")), nest(3, u16(1, 500))), family=V4)
    yield message(CT, 1, ACK, tuple4(1, "192.0.2.20", "192.0.2.2", 17, 1000, 53), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.21", "192.0.2.2", 6, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.21", 6, 21, 21), u32(7, 1000), nest(5, text(1, "ftp")), tcp, family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.22", "192.0.2.2", 6, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.22", 6, 21, 21), u32(7, 1000), nest(5, text(1, "nobody")), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.23", "192.0.2.2", 17, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.23", 17, 21, 21), u32(7, 1000),
                  tuple4(14, "192.0.2.1", "192.0.2.2", 6, 1000, 80), family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.24", "192.0.2.2", 17, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.24", 17, 21, 21), u32(7, 1000),
                  tuple4(14, "192.0.2.99", "192.0.2.2", 6, 1000, 80), family=V4)
    yield message(CT, 1, ACK, tuple4(1, "192.0.2.21", "192.0.2.2", 6, 21, 21), family=V4)
    yield message(CT, 1, ACK, tuple4(1, "192.0.2.23", "192.0.2.2", 17, 21, 21), family=V4)
    # a helper that is there already, and one that comes late
    yield message(CT, 0, ACK, tuple4(1, "192.0.2.21", "192.0.2.2", 6, 21, 21), nest(5, text(1, "ftp")), family=V4)
    yield message(CT, 0, ACK, a, nest(5, text(1, "ftp")), family=V4)
    yield message(CT, 0, ACK, a, tuple4(14, "192.0.2.1", "192.0.2.2", 17, 1000, 53), family=V4)
    yield message(CT, 0, ACK, a, nest(6, attr(1, socket.inet_aton("192.0.2.7"))), family=V4)
    for filters in ((), (u32(8, 0xff00), u32(21, 0xff00)), (u32(21, 1),), (u16(18, 9),), (u32(3, 2), u32(26, 2)), (u32(3, 0),)):
        for family in (0, V4, V6):
            yield message(CT, 1, DUMP, *filters, family=family)
    yield message(CT, 1, DUMP, tuple4(1, "192.0.2.20", "0.0.0.0", 0, 0, 0), nest(25, attr(1, struct.pack("=I", 1)), attr(2, struct.pack("=I", 0))), family=V4)
    yield message(CT, 6, DUMP)
    yield message(CT, 7, DUMP)
    yield message(CT, 1, ACK, tuple4(1, "192.0.2.77", "192.0.2.2", 6, 1000, 80), family=V4)
    yield message(CT, 1, ACK, family=V4)
    yield message(CT, 1, ACK, a)
    yield message(CT, 1, ACK, attr(0x8001, b""), family=V4)
    yield message(CT, 5, ACK)
    yield message(CT, 2, ACK, tuple4(1, "192.0.2.77", "192.0.2.2", 6, 1000, 80), family=V4)
    yield message(CT, 2, ACK, u, family=V4)
    yield message(CT, 2, ACK, u16(18, 9), family=V4, version=1)
    yield message(CT, 1, DUMP)
    yield message(CT, 2, ACK, family=V6, version=1)
    yield message(CT, 1, DUMP)
    yield message(EXP, 1, DUMP)
    mask = tuple4(3, "0.0.0.0", "255.255.255.255", 6, 0, 0xffff)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.21", 6, 20, 5000), mask, tuple4(1, "192.0.2.21", "192.0.2.2", 6, 21, 21), u32(4, 300), text(6, "ftp"), u32(8, 0), family=V4)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5001), mask, tuple4(1, "192.0.2.1", "192.0.2.2", 6, 1000, 80), u32(4, 300), u32(8, 0), family=V4)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5002), mask, tuple4(1, "192.0.2.1", "192.0.2.2", 6, 1000, 80), u32(4, 300), u32(8, 4), family=V4)
    yield message(EXP, 1, DUMP)
    yield message(EXP, 1, ACK, tuple4(2, "192.0.2.2", "192.0.2.21", 6, 20, 5000), family=V4)
    yield message(EXP, 2, ACK, tuple4(2, "192.0.2.2", "192.0.2.21", 6, 20, 5000), family=V4)
    yield message(EXP, 2, ACK, tuple4(2, "192.0.2.2", "192.0.2.21", 6, 20, 5000), family=V4)
    yield message(EXP, 2, ACK, text(6, "ftp"), family=V4)
    yield message(EXP, 2, ACK, family=V4)
    yield message(EXP, 3, DUMP)
    yield message(CT, 4, DUMP)
    yield message(CT, 2, ACK)
    yield message(CT, 1, DUMP)


def masters():
    """Expectations are found as a packet would find them, by zone and id, too; those of one master alone."""
    new, tcp = ACK | CREATE, nest(4, nest(1, u8(1, 3)))
    a, b = tuple4(1, "192.0.2.1", "192.0.2.2", 6, 21, 21), tuple4(1, "192.0.2.3", "192.0.2.2", 6, 21, 21)
    yield message(CT, 0, new, a, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 21, 21), u32(7, 1000), nest(5, text(1, "ftp")), tcp, family=V4)
    yield message(CT, 0, new, b, tuple4(2, "192.0.2.2", "192.0.2.3", 6, 21, 21), u32(7, 1000), nest(5, text(1, "ftp")), tcp, family=V4)
    yield message(CT, 0, new, tuple4(1, "192.0.2.5", "192.0.2.2", 17, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.5", 17, 21, 21), u32(7, 1000), family=V4)
    mask, net = tuple4(3, "0.0.0.0", "255.255.255.255", 6, 0, 0xffff), tuple4(3, "255.255.255.0", "255.255.255.255", 6, 0xffff, 0xffff)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5000), mask, a, u32(4, 300), text(6, "ftp"), u32(8, 0), family=V4)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.3", 6, 20, 5001), net, b, u32(4, 300), u32(8, 0), family=V4)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5000), mask, a, u32(4, 900), family=V4)
    yield message(EXP, 0, new | EXCL, tuple4(2, "192.0.2.9", "192.0.2.1", 6, 99, 5000), mask, a, u32(4, 900), family=V4)
    yield message(EXP, 0, ACK, tuple4(2, "192.0.2.9", "192.0.2.1", 6, 99, 5000), mask, a, family=V4)
    yield message(EXP, 0, ACK, tuple4(2, "192.0.2.9", "192.0.2.1", 6, 99, 5009), mask, a, family=V4)
    yield message(EXP, 0, ACK, tuple4(2, "192.0.2.9", "192.0.2.1", 6, 99, 5009), mask, family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), family=V4)
    for word in ("nat-follow-master", "sip", "Q.931", "callforwarding", "pptp", "RAS", ""):
        one = tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5100)
        yield message(EXP, 0, new, one, mask, a, u32(4, 300), text(11, word), nest(10, u32(1, 1), tuple4(2, "192.0.2.8", "0.0.0.0", 6, 20, 0)), family=V4)
        yield message(EXP, 1, ACK, one, family=V4)
        yield message(EXP, 2, ACK, one, family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "192.0.2.77", "192.0.2.3", 6, 20, 5001), family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "192.0.3.77", "192.0.2.3", 6, 20, 5001), family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "192.0.2.77", "192.0.2.3", 6, 21, 5001), family=V4)
    yield message(EXP, 1, ACK, tuple4(1, "10.9.9.9", "192.0.2.1", 6, 7, 5000), family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), u16(7, 5), family=V4)
    yield message(EXP, 1, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), u32(5, 12345), family=V4)
    yield message(EXP, 1, ACK, family=V4)
    for of in (a, b, tuple4(1, "192.0.2.2", "192.0.2.3", 6, 21, 21), tuple4(1, "192.0.2.9", "192.0.2.2", 6, 21, 21), tuple4(1, "192.0.2.5", "192.0.2.2", 17, 21, 21)):
        yield message(EXP, 1, DUMP, of, family=V4)
        yield message(EXP, 1, DUMP | ACK, of, family=V4)
        yield message(EXP, 1, DUMP, of, u16(7, 3), family=V4)
    yield message(EXP, 2, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), u32(5, 12345), family=V4)
    yield message(EXP, 2, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), u16(7, 5), family=V4)
    yield message(EXP, 2, ACK, tuple4(2, "10.9.9.9", "192.0.2.1", 6, 7, 5000), family=V4)
    yield message(EXP, 1, DUMP)
    yield message(CT, 2, ACK)
    yield message(EXP, 1, DUMP)


def echoes():
    """Who wants a copy of the event gets it, once, before the acknowledgement. Also asked by a member of all groups, and while nobody listens."""
    new = CREATE | ECHO
    a, b = tuple4(1, "192.0.2.1", "192.0.2.2", 6, 21, 21), tuple4(2, "192.0.2.2", "192.0.2.1", 6, 21, 21)
    u, v = tuple4(1, "192.0.2.1", "192.0.2.2", 17, 1000, 53), tuple4(2, "192.0.2.2", "192.0.2.1", 17, 53, 1000)
    mask = tuple4(3, "0.0.0.0", "255.255.255.255", 6, 0, 0xffff)
    yield message(CT, 0, new | ACK, a, b, u32(7, 1000), nest(5, text(1, "ftp")), nest(4, nest(1, u8(1, 3))), family=V4)
    yield message(CT, 0, new, u, v, u32(7, 1000), family=V4)
    yield message(CT, 0, new | EXCL | ACK, u, v, u32(7, 1000), family=V4)
    yield message(CT, 0, ECHO | ACK, u, v, u32(8, 77), family=V4)
    yield message(CT, 1, ECHO | ACK, u, family=V4)
    yield message(EXP, 0, new | ACK, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5000), mask, a, u32(4, 300), text(6, "ftp"), u32(8, 0), family=V4)
    yield message(EXP, 0, new, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5001), mask, a, u32(4, 300), u32(8, 0), family=V4)
    yield message(EXP, 2, ECHO | ACK, tuple4(2, "192.0.2.2", "192.0.2.1", 6, 20, 5001), family=V4)
    yield message(EXP, 2, ECHO | ACK, family=V4)
    yield message(CT, 2, ECHO | ACK, u, family=V4)
    yield message(CT, 2, ECHO | ACK)
    yield message(ACCT, 0, CREATE | ECHO | ACK, text(1, "echoed"))
    yield message(ACCT, 3, ECHO | ACK, text(1, "echoed"))


def odd():
    for subsystem in (0, 12, 13, 200):
        yield message(subsystem, 0, ACK)
    yield message(CT, 99, ACK)
    yield struct.pack("=IHHII", 16, CT << 8 | 1, REQUEST | ACK, 77, 0)
    yield struct.pack("=IHHII", 16, 3, REQUEST | ACK, 77, 0)
    yield message(ACCT, 1, ACK) + message(ACCT, 1, ACK)
    yield struct.pack("=IHHII", 400, CT << 8 | 1, REQUEST | ACK, 77, 0)


PARTS = {"timeouts": timeouts, "accounting": accounting, "fingerprints": fingerprints, "connections": connections, "masters": masters, "odd": odd, "echoes": echoes, "echoes to a member": echoes, "echoes alone": echoes}
LOOKS = {"connections": (30, 59, 69, 77)}
# whose values are the machine's: ids, and seconds that pass
CHANGING = {CT: {12: "id", 7: "seconds"}, EXP: {4: "seconds", 5: "id"}}


def plain(msg):
    """One message without what is the machine's; attributes by name of their number."""
    length, kind, flags, _, _ = struct.unpack_from("=IHHII", msg)
    if kind == 2:
        return "error %d flags %#x %s" % (struct.unpack_from("=i", msg, 16)[0], flags, msg[24:28].hex() + msg[36:length].hex())
    if kind == 3:
        return "done " + msg[16:].hex()
    out, at = [], 20
    while at + 4 <= length:
        n, t = struct.unpack_from("=HH", msg, at)
        if n < 4:
            break
        value = CHANGING.get(kind >> 8, {}).get(t & 0x3fff) or msg[at + 4:at + n].hex()
        out.append("%#x=%s" % (t, value))
        at += n + 3 & ~3
    return "message %#x flags %#x head %s: %s" % (kind, flags, msg[16:20].hex(), " ".join(out))


def one_cpu(msgs):
    """Statistics come from each CPU; weir's are those of a machine with one."""
    sums, rest = {}, []
    for msg in msgs:
        length, kind = struct.unpack_from("=IH", msg)
        if kind not in (CT << 8 | 3, CT << 8 | 4):
            rest.append(msg)
            continue
        for at in range(20, length, 8):
            sums.setdefault(kind, {}).setdefault(struct.unpack_from("=H", msg, at + 2)[0], []).append(struct.unpack_from(">I", msg, at + 4)[0])
    return [message(kind >> 8, kind & 255, 1, *(u32(t, sum(v)) for t, v in values.items())) for kind, values in sums.items()] + rest


def hear(listener, name, number, wanted):
    """Events that the request has caused; in the order of their sorting, since a flush follows the hash table. A busy daemon may
    write them a moment after its answer: as many as the kernel had are waited for."""
    lines = []
    try:
        while True:
            listener.settimeout(2 if len(lines) < wanted else 0)
            data, (pid, groups) = listener.recvfrom(65536)
            lines.append("%s %d event\tgroups %#x asked %d %s" % (name, number, groups, struct.unpack_from("=I", data, 12)[0] != 0, plain(data)))
    except (TimeoutError, BlockingIOError):
        pass
    for line in sorted(lines):
        print(line)


FILES = ("/proc/net/nf_conntrack", "/proc/net/nf_conntrack_expect", "/proc/net/stat/nf_conntrack")


def look(name):
    """The files as text, at the end of each part; seconds left and CPUs are the machine's."""
    for path in FILES:
        with open(path, encoding="ascii") as f:
            lines = f.read().splitlines()
        if "stat" in path:
            sums = [sum(int(line.split()[i], 16) for line in lines[1:]) for i in range(1, 17)]
            lines = [lines[0], re.sub("[0-9a-f]", "x", lines[1]), str(sums)]
        seconds = re.compile(r"^(\S+ +\d+ +\S+ +\d+ )\d+" if path.endswith("conntrack") else r"^()\d+")
        for line in lines[:1] + sorted(lines[1:]) if "stat" in path else sorted(seconds.sub(r"\1N", line) for line in lines):
            print("%s %s\t%s" % (name, path, line))


GROUPS = 0x3f | 1 << 7


def ask():
    with open("/proc/sys/net/netfilter/nf_conntrack_events", "w", encoding="ascii") as f:
        f.write("1")    # with 2, events of a connection are there if anybody listened, in any namespace, when it came
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    listener.bind((0, GROUPS))
    events = json.loads(os.environ.get("KERNEL_EVENTS", "{}"))
    for name, part in PARTS.items():
        if name.endswith("alone"):
            listener.close()
        for number, request in enumerate(part()):
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            s.settimeout(0.3)
            s.bind((0, GROUPS if name.endswith("member") else 0))
            s.send(request)
            answers, first = [], True
            try:
                while True:
                    data, (_, groups) = s.recvfrom(65536)
                    if groups:
                        print("%s %d groups\t%#x" % (name, number, groups))
                    while len(data) >= 16:
                        n = struct.unpack_from("=I", data)[0]
                        answers.append(data[:n])
                        data = data[n + 3 & ~3:]
                    if answers and answers[-1][4:6] == b"\3\0":
                        break
                    if first:
                        s.setblocking(False)    # all that is not a dump is there when send() returns
                    first = False
            except (TimeoutError, BlockingIOError):
                pass
            s.close()
            answers = [plain(a) for a in one_cpu(answers)]
            dumped = answers and answers[-1].startswith("done")
            for a in sorted(answers[:-1]) + answers[-1:] if dumped else answers:
                print("%s %d\t%s" % (name, number, a))
            if not answers:
                print("%s %d\tsilence" % (name, number))
            if listener.fileno() >= 0:
                hear(listener, name, number, events.get("%s %d event" % (name, number), 0))
            if number in LOOKS.get(name, ()):
                look("%s %d" % (name, number))


def main():
    if sys.argv[1:] == ["--ask"]:
        ask()
        return 0
    if os.geteuid():
        print("netlink tests need root\n0 passed, 0 failed, 1 skipped")
        return 0
    theirs = subprocess.run(["unshare", "-n", sys.executable, __file__, "--ask"], capture_output=True, text=True, timeout=120)
    events = collections.Counter(line.split("\t")[0] for line in theirs.stdout.splitlines() if " event\t" in line)
    with tempfile.TemporaryDirectory(prefix="weir-netlink-") as folder:
        daemon = subprocess.Popen([WEIR, "daemon", "--socket", folder + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
        daemon.stderr.readline()
        ours = subprocess.run(["unshare", "-n", WEIR, "exec", "--socket", folder + "/s", "--", sys.executable, __file__, "--ask"], capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, KERNEL_EVENTS=json.dumps(events)))
        daemon.terminate()
        daemon.wait()
        daemon.stderr.close()
    if theirs.returncode or ours.returncode:
        print(theirs.stderr[-600:], ours.stderr[-600:])
        print("0 passed, 1 failed, 0 skipped")
        return 1
    answers = [{}, {}]
    for side, text_ in enumerate((theirs.stdout, ours.stdout)):
        for line in text_.splitlines():
            key, value = line.split("\t")
            answers[side].setdefault(key, []).append(value)
    failed = [key for key in answers[0] if answers[0][key] != answers[1].get(key)]
    for key in failed:
        print("FAILED: %s\n  kernel: %s\n  weir:   %s" % (key, "\n          ".join(answers[0][key]), "\n          ".join(answers[1].get(key, []))))
    print("%d passed, %d failed, 0 skipped" % (len(answers[0]) - len(failed), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
