"""HMARK: marks seen through -m mark over a small modulus, and through the routes that they choose."""
from case import Case, Do, Send
from packets import *

A, A2, B, C, R0, R1 = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, A62, B6, R16 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:1::1"
HBH = (0, b"\0\0\x01\x04\0\0\0\0")
AH = (51, b"\0\x04\0\0\xde\xad\xbe\xef" + b"\1" * 16)


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def rules(options, hook="FORWARD"):
    return "*mangle\n-A %s -j HMARK %s --hmark-rnd 0xcafe --hmark-mod 65536 --hmark-offset 3\n-A %s -j LOG\nCOMMIT\n" % (hook, options, hook)


def cases():
    cov = ["HMARK"]
    inner = udp(1000, 53)(ip(B, A))
    four = [u(ip(s, d)) for s, d in ((A, B), (A2, B)) for u in (udp(1000, 53), udp(53, 1000), tcp(1000, 80, "S"), echo(5, 6), raw(50, b"\1\2\3\4\0\0\0\1"), raw(51, b"\x11\x04\0\0\xde\xad\xbe\xef\0\0\0\1"), raw(47, b"abcd"),
                                                                raw(132, b"\0\5\0\6\0\0\0\0"), raw(33, b"\0\5\0\6" + b"\0" * 12), raw(136, b"\0\5\0\6\0\x0c\0\0"))]
    four += [raw(17, b"xxx")(ip(A, B)), udp(1, 2)(ip(A, B, options=b"\x01" * 8))] + [icmp(t, 1, data=inner[:n])(ip(A, B)) for t in (3, 4, 5, 11, 12, 13, 40) for n in (0, 19, 20, 28)]
    four += [icmp(3, 1, data=icmp(3, 1, data=inner)(ip(B, A)))(ip(A, B))] + fragments4(udp(1000, 53, b"x" * 80)(ip(A, B)), [40, 24])
    inner6 = udp(1000, 53)(ip(B6, A6))
    six = [u(ip(s, B6)) for s in (A6, A62) for u in (udp(1000, 53), tcp(1000, 80, "S"), echo(5, 6), raw(50, b"\1\2\3\4\0\0\0\1"), raw(59, b"abcd"), raw(132, b"\0\5\0\6\0\0\0\0"))]
    six += [udp(1000, 53)(ip(A6, B6, ext=e)) for e in ([HBH], [AH], [HBH, AH], [(44, b"\0\0\0\0\0\0\0\x05")], [(43, b"\0\0\x03\0\0\0\0\0")])]
    six += [icmp(t, 0, data=inner6[:n])(ip(A6, B6)) for t in (1, 2, 3, 127, 128, 200) for n in (0, 39, 40, 48)] + [icmp(1, 0, data=b"\x40" + inner6[1:])(ip(A6, B6))]
    six += [icmp(1, 0, data=udp(1000, 53)(ip(B6, A6, ext=[HBH])))(ip(A6, B6))] + fragments6(udp(1000, 53, b"x" * 80)(ip(A6, B6)), [40, 24], 7)
    for n, o in enumerate(("--hmark-tuple src,dst,sport,dport,proto", "--hmark-tuple src", "--hmark-tuple dst,proto", "--hmark-tuple sport,dport", "--hmark-src-prefix 24 --hmark-dst-prefix 8",
                           "--hmark-sport-mask 0xff --hmark-dport 0x8000 --hmark-proto-mask 0x7", "--hmark-tuple spi,proto", "--hmark-spi-mask 0xff00ff --hmark-spi 0x10", "--hmark-tuple ct,src,dst,sport,dport,proto")):
        yield Case("HMARK-%d-4" % n, send(four), v4=rules(o), covers=cov)
        yield Case("HMARK-%d-6" % n, send(six), v6=rules(o.replace("24", "48").replace("prefix 8", "prefix 127")), covers=cov)
        yield Case("HMARK-%d-ct" % n, send(four), v4=rules(o, "PREROUTING"), conntrack="on", covers=cov)
        yield Case("HMARK-%d-ct-6" % n, send(six), v6=rules(o, "PREROUTING"), conntrack="on", covers=cov)
    yield Case("HMARK-both-ways", [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth1", udp(53, 1000)(ip(B, A)))], v4=rules("--hmark-tuple src,dst,sport,dport,proto"), covers=cov)
    yield Case("HMARK-raw-template", send(four[:4]), v4="*raw\n-A PREROUTING -j CT --zone 4\n-A PREROUTING -j HMARK --hmark-tuple ct,src,sport --hmark-rnd 1 --hmark-mod 1000\n-A PREROUTING -j LOG\nCOMMIT\n", covers=cov)
    yield Case("HMARK-routes", [Send("eth0", udp(p, 53)(ip(A, "192.0.2.1"))) for p in range(1000, 1020)], v4="*mangle\n-A PREROUTING -j HMARK --hmark-tuple src,dst,sport,dport --hmark-rnd 7 --hmark-mod 2 --hmark-offset 7\nCOMMIT\n",
               net=["rule add fwmark 7 table 77", "route add default via 10.2.0.9 table 77"], covers=cov)
    yield Case("HMARK-out", [Send(None, udp(p, 53)(ip(R1, "192.0.2.1"))) for p in range(1000, 1010)], v4="*mangle\n-A OUTPUT -j HMARK --hmark-tuple sport,dport --hmark-rnd 7 --hmark-mod 2 --hmark-offset 7\nCOMMIT\n",
               net=["rule add fwmark 7 table 77", "route add default via 10.2.0.9 table 77"], covers=cov)
