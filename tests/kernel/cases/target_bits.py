"""Targets that change bits of a packet or of what the kernel notes beside it: ECN, CLASSIFY, TCPOPTSTRIP, CHECKSUM, AUDIT; and NFQUEUE without a reader."""
from case import Case, Do, Send
from packets import *

A, B, R0, R1 = "10.0.0.2", "10.1.0.2", "10.0.0.1", "10.1.0.1"
A6, B6, R06, R16 = "fd00::2", "fd00:1::2", "fd00::1", "fd00:1::1"
HBH = (0, b"\0\0\x01\x04\0\0\0\0")
DST = (60, b"\0\x01\x01\x0c" + b"\0" * 12)


def table(name, *rules):
    return "*%s\n%s\nCOMMIT\n" % (name, "\n".join(rules))


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def ecn_cases():
    ways = ("--ecn-tcp-remove", "--ecn-tcp-ece 1", "--ecn-tcp-cwr 1", "--ecn-tcp-ece 1 --ecn-tcp-cwr 0", "--ecn-tcp-ece 0 --ecn-ip-ect 2", "--ecn-tcp-remove --ecn-ip-ect 1")
    packets = [tcp(1000, 80, f, 7, 9, data=b"x" * n)(ip(A, B, tos=t)) for f in ("S", "SE", "SC", "SEC", "A", 0) for n in (0, 3) for t in (0, 3, 0xfd)]
    for n, way in enumerate(ways):
        yield Case("ECN-tcp-%d" % n, send(packets), v4=table("mangle", "-A FORWARD -p tcp -j ECN " + way), covers=["ECN"])
    for n in range(4):
        yield Case("ECN-ip-%d" % n, send([udp(1, 2)(ip(A, B, tos=t)) for t in range(0, 256, 5)]), v4=table("mangle", "-A PREROUTING -j ECN --ecn-ip-ect %d" % n), covers=["ECN"])
    odd = [raw(6, (b"\x03\xe8\0\x50" + b"\xff" * 20)[:n])(ip(A, B)) for n in (0, 4, 13, 19, 20, 24)] + [tcp(1, 2, "SEC", check=c)(ip(A, B)) for c in (0, 0xffff, 0x1234)]
    odd += [tcp(1, 2, "SEC", doff=d)(ip(A, B, options=o)) for d in (0, 4, 15) for o in (b"", b"\x01" * 8)]
    yield Case("ECN-odd", send(odd), v4=table("mangle", "-A FORWARD -p tcp -j ECN --ecn-tcp-remove", "-A FORWARD -p tcp"), covers=["ECN"])
    for ct in ("off", "on"):
        yield Case("ECN-fragments-" + ct, send(fragments4(tcp(1, 2, "SEC", data=b"\xff" * 80)(ip(A, B)), [40, 24])), conntrack="on" if ct == "on" else "auto",
                   v4=table("mangle", "-A FORWARD -p tcp -j ECN --ecn-tcp-remove --ecn-ip-ect 2"), covers=["ECN"])
    yield Case("ECN-out", [Send(None, tcp(1, 2, "SEC")(ip(R1, B, tos=3)))], v4=table("mangle", "-A OUTPUT -p tcp -j ECN --ecn-tcp-cwr 0 --ecn-ip-ect 1"), covers=["ECN"])


def strip_cases():
    lists = [b"", mss(1460), wscale(7), wscale(7) + mss(1460), mss(1460) + SACK_OK + timestamp(1) + wscale(7), b"\x01\x01\x02\x04\x05\xb4\0\0", b"\x02\x03\x05\x01", b"\x02\x06\x05\xb4\0\0\0\0",
             b"\x00" + mss(1460)[:3], b"\x01" * 40, b"\x08\0" + mss(1460), b"\x01\x01\x01\x02", b"\xfe\xff\x02\x04\x05\xb4", sack((1, 2)), b"\x13\x12" + b"\xaa" * 16 + b"\x01\x01",
             b"\x01" * 3 + b"\x08", b"\x1e\x04\xff\xff", b"\x02\x04\xff\xff" * 10, b"\x03\x01\x02\x04\x00\x01\x00\x00"]
    for v, a, b in ((4, A, B), (6, A6, B6)):
        for n, kinds in enumerate(("mss", "wscale,timestamp", "2,3,4,5,8,19", "sack-permitted,sack", "254,30,19", "md5")):
            yield Case("TCPOPTSTRIP-%d-%d" % (n, v), send([tcp(1000, 80, "S", 1, options=o, data=d)(ip(a, b)) for o in lists for d in (b"", b"abc")]),
                       covers=["TCPOPTSTRIP"], **{"v%d" % v: table("mangle", "-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options " + kinds)})
        odd = [tcp(1, 2, "S", options=mss(1460), check=c)(ip(a, b)) for c in (0, 0xffff, 0x1234)] + [tcp(1, 2, "S", options=mss(1460), doff=d)(ip(a, b)) for d in (0, 4, 5, 7, 15)]
        odd += [raw(6, (b"\x03\xe8\0\x50" + b"\x50" * 20)[:n])(ip(a, b)) for n in (0, 12, 19, 20, 24)]
        yield Case("TCPOPTSTRIP-odd-%d" % v, send(odd), covers=["TCPOPTSTRIP"], **{"v%d" % v: table("mangle", "-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options mss,80", "-A FORWARD -p tcp")})
        whole = tcp(1, 2, "S", options=mss(1460) + timestamp(5) + b"\x01\x01", data=b"\x02" * 80)(ip(a, b))
        for ct in ("auto", "on"):
            yield Case("TCPOPTSTRIP-fragments-%s-%d" % (ct, v), send((fragments4 if v == 4 else lambda p, s: fragments6(p, s, 7))(whole, [24, 24])), conntrack=ct, covers=["TCPOPTSTRIP"],
                       **{"v%d" % v: table("mangle", "-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options mss,timestamp", "-A FORWARD")})
    yield Case("TCPOPTSTRIP-headers-6", send([tcp(1000, 80, "S", 1, options=mss(1460))(ip(A6, B6, ext=e)) for e in ([HBH], [DST], [HBH, DST], [(44, b"\0\0\0\0\0\0\0\x05")], [(43, b"\0\0\x03\0\0\0\0\0")])]),
               v6=table("mangle", "-A FORWARD -p tcp -j TCPOPTSTRIP --strip-options mss"), covers=["TCPOPTSTRIP"])
    yield Case("TCPOPTSTRIP-ip-options", send([tcp(1000, 80, "S", 1, options=mss(1460))(ip(A, B, options=b"\x01" * 4))]), v4=table("mangle", "-A PREROUTING -p tcp -j TCPOPTSTRIP --strip-options mss"), covers=["TCPOPTSTRIP"])


def quiet_cases():
    packets4 = [udp(1, 2)(ip(A, B)), udp(1, 2, check=0)(ip(A, B)), udp(1, 2, check=0x1234)(ip(A, B)), tcp(1, 2, "S")(ip(A, B)), tcp(1, 2, "S")(ip(A, R0)), echo(1, 2)(ip(A, B)), raw(47, b"abc")(ip(A, B))]
    packets6 = [udp(1, 2)(ip(A6, B6)), udp(1, 2, check=0x1234)(ip(A6, B6)), tcp(1, 2, "S")(ip(A6, B6)), tcp(1, 2, "S")(ip(A6, R06)), echo(1, 2)(ip(A6, B6)), udp(1, 2)(ip(A6, B6, ext=[HBH]))]
    for hook in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"):
        yield Case("CHECKSUM-%s" % hook, send(packets4) + send(packets6) + [Send(None, udp(1, 2, check=0x4321)(ip(R1, B))), Send(None, udp(1, 2)(ip(R16, B6)))],
                   v4=table("mangle", "-A %s -j CHECKSUM --checksum-fill" % hook, "-A %s -p udp" % hook), v6=table("mangle", "-A %s -p udp -j CHECKSUM --checksum-fill" % hook), covers=["CHECKSUM"])
    yield Case("CHECKSUM-fragments", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4=table("mangle", "-A FORWARD -p udp -j CHECKSUM --checksum-fill"), covers=["CHECKSUM"])
    yield Case("CHECKSUM-fragments-ct", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), conntrack="on", v4=table("mangle", "-A FORWARD -p udp -j CHECKSUM --checksum-fill"), covers=["CHECKSUM"])
    # the kernel leaves the sum of its resets to the way out: an ICMP error about one shows it
    yield Case("CHECKSUM-reset", send([tcp(1, 2, "S", 7)(ip(A, B))]),
               v4=table("mangle", "-A OUTPUT -p tcp -j CHECKSUM --checksum-fill") + table("filter", "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset", "-A OUTPUT -p tcp -j REJECT"), covers=["CHECKSUM"])
    yield Case("CHECKSUM-reset-conntrack", send([tcp(1, 2, "S", 7)(ip(A, B))]), conntrack="on",
               v4=table("mangle", "-A OUTPUT -p tcp -j CHECKSUM --checksum-fill") + table("filter", "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset"), covers=["CHECKSUM"])
    for n, kind in enumerate(("accept", "drop", "reject")):
        for name, items, key in (("4", packets4, "v4"), ("6", packets6, "v6")):
            yield Case("AUDIT-%s-%s" % (kind, name), send(items), covers=["AUDIT"], **{key: table("filter", "-A FORWARD -j AUDIT --type " + kind, "-A INPUT -j AUDIT --type " + kind, "-A FORWARD")})
    yield Case("AUDIT-tables", send(packets4), v4="".join(table(t, "-A %s -j AUDIT --type drop" % h, "-A %s" % h) for t, h in (("raw", "PREROUTING"), ("mangle", "FORWARD"), ("nat", "POSTROUTING"))), covers=["AUDIT"])
    yield Case("AUDIT-fragments", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4=table("filter", "-A FORWARD -j AUDIT --type drop", "-A FORWARD -f"), covers=["AUDIT"])
    for name, table_, hook in (("mangle", "mangle", "FORWARD"), ("filter", "filter", "FORWARD"), ("nat", "nat", "POSTROUTING")):
        yield Case("CLASSIFY-" + name, send(packets4) + send(packets6), v4=table(table_, "-A %s -j CLASSIFY --set-class 1:10" % hook, "-A %s -p udp" % hook),
                   v6=table(table_, "-A %s -p tcp -j CLASSIFY --set-class ffff:ffff" % hook, "-A %s" % hook), covers=["CLASSIFY"])
    for name, table_ in (("mangle", "mangle"), ("filter", "filter"), ("raw", "raw")):
        yield Case("CLASSIFY-out-" + name, [Send(None, udp(1, 2)(ip(R1, B))), Send(None, udp(1, 2)(ip(R16, B6)))], v4=table(table_, "-A OUTPUT -j CLASSIFY --set-class 0:6", "-A OUTPUT -p udp"),
                   v6=table(table_, "-A OUTPUT -j CLASSIFY --set-class 0:6"), covers=["CLASSIFY"])
    yield Case("CLASSIFY-refused", send(packets4), v4=table("mangle", "-A PREROUTING -j CLASSIFY --set-class 1:1"), covers=["CLASSIFY"])
    yield Case("CLASSIFY-refused-chain", send(packets4), v4=table("mangle", ":x - [0:0]", "-A INPUT -j x", "-A x -j CLASSIFY --set-class 1:1"), covers=["CLASSIFY"])


def queue_cases():
    packets4 = [udp(1, 2)(ip(A, B)), tcp(1, 2, "S")(ip(A, B)), tcp(1, 2, "S")(ip(A, R0)), echo(1, 2)(ip(A, B))] + fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])
    packets6 = [udp(1, 2)(ip(A6, B6)), tcp(1, 2, "S")(ip(A6, B6)), tcp(1, 2, "S")(ip(A6, R06)), udp(1, 2)(ip(A6, B6, ext=[HBH]))]
    own = [Send(None, udp(1, 2)(ip(R1, B))), Send(None, udp(1, 2)(ip(R16, B6)))]
    for n, way in enumerate(("", "--queue-num 5", "--queue-num 5 --queue-bypass", "--queue-balance 3:9", "--queue-balance 3:9 --queue-bypass", "--queue-balance 0:65534 --queue-bypass --queue-cpu-fanout")):
        for t, hook in (("filter", "FORWARD"), ("mangle", "PREROUTING"), ("mangle", "POSTROUTING")):
            rules = table(t, "-A %s -p udp -j NFQUEUE %s" % (hook, way), "-A %s" % hook) + ("*%s\n-A FORWARD\nCOMMIT\n" % "security")
            yield Case("NFQUEUE-%d-%s" % (n, hook), send(packets4) + send(packets6) + own, v4=rules, v6=rules, covers=["NFQUEUE"])
    for way in ("", " --queue-bypass"):
        rules = table("filter", "-A OUTPUT -j NFQUEUE" + way, "-A OUTPUT", "-A INPUT -j NFQUEUE" + way, "-A INPUT -j DROP")
        yield Case("NFQUEUE-own" + way.strip("- "), send(packets4) + send(packets6) + own, v4=rules, v6=rules, conntrack="on", covers=["NFQUEUE"])
        nat = table("nat", "-A PREROUTING -p udp -j NFQUEUE" + way, "-A POSTROUTING -j MASQUERADE")
        yield Case("NFQUEUE-nat" + way.strip("- "), send(packets4) + send(packets6), v4=nat, v6=nat, masks=(), covers=["NFQUEUE"])
    yield Case("NFQUEUE-conntrack", send(packets4), v4=table("filter", "-A FORWARD -m conntrack --ctstate NEW -j NFQUEUE --queue-bypass", "-A FORWARD -p tcp -j NFQUEUE"), conntrack="on", covers=["NFQUEUE"])


def cases():
    for group in (ecn_cases, strip_cases, quiet_cases, queue_cases):
        yield from group()
