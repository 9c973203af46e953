"""The SNMP helpers: broadcast questions, and addresses inside translated messages."""
from case import Case, Do, Send
from packets import ip, udp
from snmp import *

C, S, OUT, LONG = "10.0.0.2", "10.1.0.2", "10.1.0.1", "10.1.0.199"
HELP = "*raw\n-A PREROUTING -p udp --dport 161 -j CT --helper snmp\n-A OUTPUT -p udp --dport 161 -j CT --helper snmp\n" \
       "-A PREROUTING -p udp --dport 162 -j CT --helper snmp_trap\n-A PREROUTING -p udp --dport 163 -j CT --helper snmp\nCOMMIT\n"
SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -p udp -d 10.1.0.9 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n"
PORT = "*nat\n-A POSTROUTING -o eth1 -p udp -j SNAT --to-source 10.0.0.2:7000\nCOMMIT\n"


def dgram(iface, src, sport, dst, dport, data, **kw):
    return Send(iface, udp(sport, dport, data, **kw)(ip(src, dst)))


def trap(data, **kw):
    return dgram("eth0", C, 4000, S, 162, data, **kw)


def answer(data, near="10.2.0.2", **kw):
    return dgram("eth2", near, 161, C, 4000, data, **kw)


def cases():
    def case(name, items, nat="", **kw):
        return Case(name, items, v4=HELP + nat, conntrack="on", covers=["snmp helper"], **kw)

    a, b, r = address(C), address("10.2.0.2"), address("1.2.3.4")
    # Broadcast.
    query = Send(None, udp(4000, 161, message(pdu(GET, [bind(ber(5, b""))])))(ip("10.0.0.1", "10.0.0.255")))
    yield case("broadcast", [query, dgram("eth0", "10.0.0.3", 161, "10.0.0.1", 4000, b"a"), dgram("eth0", "10.0.0.4", 161, "10.0.0.1", 4000, b"a"),
                             dgram("eth0", "10.0.0.5", 162, "10.0.0.1", 4000, b"a"), query])
    yield case("broadcast-other-port", [Send(None, udp(4000, 163, b"q")(ip("10.0.0.1", "10.0.0.255"))), dgram("eth0", "10.0.0.3", 161, "10.0.0.1", 4000, b"a")])
    yield case("unicast", [Send(None, udp(4000, 161, b"q")(ip("10.0.0.1", "10.0.0.3"))), dgram("eth0", "10.0.0.4", 161, "10.0.0.1", 4000, b"a")])
    # Kinds of messages; with and without NAT; both places in the message.
    for kind in range(10):
        data = message(pdu(kind, [bind(a), bind(b), bind(r), bind(integer(5)), bind(a)]))
        for nat in ("", SNAT):
            yield case("trap-%d%s" % (kind, "-snat" if nat else ""), [trap(data)], nat)
        yield case("answer-%d" % kind, [dgram("eth0", C, 4000, "10.1.0.9", 161, data), answer(data)], DNAT)
    yield case("trap-version-1", [trap(message(trap1(C), 0)), trap(message(pdu(TRAP2, [bind(a)]), 0))], SNAT)
    for version in (0, 1, 2, 3, 255, 256):
        yield case("version-%d" % version, [trap(message(pdu(TRAP2, [bind(a)]), version))], SNAT)
    yield case("back", [trap(message(pdu(INFORM, [bind(a)]))), dgram("eth1", S, 162, LONG, 4000, message(pdu(RESPONSE, [bind(a), bind(address(LONG))])))], SNAT)
    yield case("query-out", [dgram("eth0", C, 4000, S, 161, message(pdu(GET, [bind(a)]))), dgram("eth1", S, 161, LONG, 4000, message(pdu(RESPONSE, [bind(a), bind(address(LONG))])))], SNAT)
    yield case("from-161", [dgram("eth0", C, 161, S, 161, message(pdu(GET, [bind(a)]))), dgram("eth1", S, 161, LONG, 161, message(pdu(GET, [bind(a)])))], SNAT)
    yield case("port-only", [trap(message(pdu(TRAP2, [bind(a)]))), trap(b"junk")], PORT)
    yield case("dnat-trap", [dgram("eth0", C, 4000, "10.1.0.9", 162, message(pdu(TRAP2, [bind(a), bind(b)]))), dgram("eth2", "10.2.0.2", 162, C, 4000, message(pdu(TRAP2, [bind(b)])))], DNAT)
    # Checksums: none; odd and even places; sums that come out as zero.
    for n in range(4):
        yield case("place-%d" % n, [trap(message(pdu(TRAP2, [bind(a)]), community=b"p" * n)), trap(message(pdu(TRAP2, [bind(a), bind(a, OID + b""), bind(a)]), community=b"p" * n))], SNAT)
    yield case("no-checksum", [trap(message(pdu(TRAP2, [bind(a)])), check=0)], SNAT)
    zero = []
    for n in range(0, 65536, 257):
        zero.append(trap(message(pdu(TRAP2, [bind(a)], ident=0x10000 + n, ))))
    yield case("many-sums", zero[:120], SNAT)
    # Values of every type, in combinations, of every length.
    values = {t: ber(t, b"\1") for t in (1, 2, 3, 4, 5, 6, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x80, 0x81, 0x82, 0x83, 0xa0, 0x22, 0x24, 0x30, 0x1f, 0x5f)}
    for t, v in values.items():
        yield case("value-%02x" % t, [trap(message(pdu(TRAP2, [bind(v), bind(a)]))), trap(message(pdu(TRAP2, [bind(v + a)]))), trap(message(pdu(TRAP2, [bind(a + v)]))),
                                      trap(message(pdu(TRAP2, [bind(v + v)]))), trap(message(pdu(TRAP2, [bind(v + values[5])])))], SNAT)
    yield case("values-in-order", [trap(message(pdu(TRAP2, [bind(b"".join(values[t] for t in (2, 0x41, 0x43, 0x44, 0x46, 0x42, 5)))]))),
                                   trap(message(pdu(TRAP2, [bind(values[4] + values[6] + a)]))), trap(message(pdu(TRAP2, [bind(a + values[0x80] + values[0x81])])))], SNAT)
    yield case("address-lengths", [trap(message(pdu(TRAP2, [bind(ber(0x40, b"\x0a\0\0\2"[:n] + b"\0" * (n - 4)))]))) for n in (0, 1, 3, 4, 5, 16)], SNAT)
    yield case("no-binds", [trap(message(pdu(TRAP2, []))), trap(message(pdu(TRAP2, [b"\x30\0"]))), trap(message(pdu(TRAP2, [OID])))], SNAT)
    # Lengths: long forms, open ends, too long, too short, bytes behind.
    for f1 in (0, 1, 2, "open"):
        for f2 in (0, 1, 2, "open"):
            d = [trap(message(pdu(TRAP2, [bind(a, form=f1)], forms=(f2, 0)))), trap(message(pdu(TRAP2, [bind(a), bind(ber(5, b""), form=f1)], forms=(f2, f1)), form=f2)),
                 trap(message(pdu(REPORT, [bind(ber(0x82, b""), form=f1)], forms=(f2, f1)), form=f1))]
            yield case("forms-%s-%s" % (f1, f2), d, SNAT)
    whole = message(pdu(TRAP2, [bind(a), bind(b)]))
    yield case("behind", [trap(whole + b"more"), trap(message(pdu(TRAP2, [bind(a)]) + b"\0")), trap(message(pdu(TRAP2, [bind(a)]) + ber(5, b""))), trap(message(pdu(TRAP2, [bind(a) + b"\0"])))], SNAT)
    yield case("two-pdus", [trap(message(pdu(GET, [bind(a)]) + pdu(REPORT, [bind(a)]))), trap(message(pdu(REPORT, [bind(a)]) + pdu(GET, [bind(a)]))),
                            trap(message(pdu(BULK, [bind(a)]) + pdu(RESPONSE, [bind(a)]) + pdu(TRAP2, [bind(a)])))], SNAT)
    yield case("plain-tags", [trap(message(pdu(TRAP2, [bind(a)]), tag=0x10)), trap(message(pdu(TRAP2, [bind(a)], tag=0x80))), trap(message(pdu(TRAP2, [ber(0x10, OID + a)]))),
                              trap(message(pdu(TRAP2, [bind(a)], tag=0xb8)))], SNAT)
    yield case("cut", [trap(whole[:n]) for n in range(len(whole))], SNAT)
    for k in range(4):
        yield case("lengths-%d" % k, [trap(whole[:n] + bytes([x]) + whole[n + 1:]) for n in range(k, len(whole), 4) for x in (0, whole[n] + 1 & 255, 0x80, 0x81, 0xff)], SNAT)
    yield case("udp-length", [trap(whole, length=8 + len(whole) - 1), trap(whole, length=8), trap(b"")], SNAT)
    yield case("refused-plain", [trap(b"junk"), trap(whole[:9])])
    from packets import fragments4
    big = udp(4000, 162, message(pdu(TRAP2, [bind(a)] + [bind(ber(4, b"x" * 200))] * 8 + [bind(a)])))(ip(C, S))
    yield case("fragments", [Send("eth0", f) for f in fragments4(big, [800])], SNAT)
    yield case("timeout", [query, Do("sysctl net.netfilter.nf_conntrack_udp_timeout=10")])
