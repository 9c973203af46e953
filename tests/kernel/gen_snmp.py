"""Seeded SNMP messages, bent: profile "snmp". Questions, answers and traps through NAT, with values of all types, lengths in all
forms, and bytes damaged; broadcast questions of the host."""
import random

import bend
from case import Case, Do, Send
from packets import Ip4, ip, udp
from snmp import BULK, GET, INFORM, NEXT, OID, REPORT, RESPONSE, SET, TRAP2, address, ber, bind, integer, message, pdu, trap1

HELP = "*raw\n-A PREROUTING -p udp --dport 161 -j CT --helper snmp\n-A OUTPUT -p udp --dport 161 -j CT --helper snmp\n" \
       "-A PREROUTING -p udp --dport 162 -j CT --helper snmp_trap\nCOMMIT\n"
NATS = ("", "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n", "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n",
        "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n",
        "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n",
        "*nat\n-A POSTROUTING -o eth1 -j NETMAP --to 10.1.0.0/24\nCOMMIT\n")
HOSTS = ("10.0.0.2", "10.1.0.2", "10.1.0.199", "10.1.0.9", "10.1.0.1", "1.2.3.4")


def value(r):
    kind = r.randrange(12)
    if kind < 5:
        return address(r.choice(HOSTS[:4] if r.random() < 0.8 else HOSTS))
    if kind == 5:
        return integer(r.choice((0, 1, 127, 128, 65536)), r.choice((2, 2, 0x41, 0x42, 0x43, 0x46)))
    if kind == 6:
        return ber(4, bytes(r.randrange(256) for _ in range(r.choice((0, 1, 4, 130)))))
    if kind == 7:
        return r.choice((ber(5, b""), ber(0x80, b""), ber(0x81, b""), ber(0x82, b""), ber(0x44, b"\x9f\x78"), OID))
    if kind == 8:
        return ber(r.choice((0x40, 0x40, 4, 2, 0x45, 0x83, 0x22, 0x30)), bytes(r.randrange(256) for _ in range(r.randrange(7))))
    return address("10.0.0.2")


def text(r):
    form = lambda: r.choice((0, 0, 0, 0, 1, 2, "open"))
    kinds = (GET, NEXT, RESPONSE, RESPONSE, SET, BULK, INFORM, TRAP2, TRAP2, REPORT, 9)
    one = lambda: pdu(r.choice(kinds), [bind(b"".join(value(r) for _ in range(r.choice((1, 1, 1, 1, 1, 0, 2)))), form=form()) for _ in range(r.choice((1, 1, 2, 4, 0)))],
                      r.getrandbits(r.choice((4, 15, 31))), (form(), form()))
    body = trap1("10.0.0.2") if r.random() < 0.04 else one() + (one() if r.random() < 0.06 else b"")
    data = message(body, r.choice((0, 1, 1, 1, 1, 1, 2, 3)), b"c" * r.randrange(8), form())
    if r.random() < 0.3:
        data = bend.payload(r, data, 3)
    return data[:1400]


def case(seed):
    r = random.Random("snmp-%d" % seed)
    Ip4.ident_next[0] = r.randrange(0x1000, 0x7000)
    nat = r.choice(NATS)
    near = "10.1.0.9" if "DNAT" in nat else "10.1.0.2"
    far = "10.1.0.199" if "199" in nat else "10.1.0.1" if "MASQ" in nat else "10.1.0.2" if "NETMAP" in nat else "10.0.0.2"
    items = []
    for _ in range(r.randint(3, 14)):
        kind, port, sport = r.randrange(8), r.choice((161, 161, 162)), r.choice((4000, 4000, 4001, 161, 162))
        kw = {"check": 0} if r.random() < 0.1 else {"length": r.randrange(8, 60)} if r.random() < 0.03 else {}
        if kind == 0:
            items.append(Send(None, udp(sport, 161, text(r))(ip("10.0.0.1", r.choice(("10.0.0.255", "10.0.0.255", "10.0.0.3", "10.1.0.255"))))))
            items += [Send("eth0", udp(r.choice((161, 161, 162)), sport, text(r))(ip("10.0.0.%d" % r.randint(3, 5), "10.0.0.1"))) for _ in range(r.randrange(3))]
        elif kind < 5:
            items.append(Send("eth0", udp(sport, port, text(r), **kw)(ip("10.0.0.2", near))))
        else:
            items.append(Send("eth1", udp(port, sport, text(r), **kw)(ip("10.1.0.2", far))))
        if r.random() < 0.03:
            items.append(Do("conntrack -D -p udp --orig-port-dst %d --orig-port-src %d" % (port, sport)))
    return Case("seed-%d/snmp" % seed, items, v4=HELP + nat, conntrack="on", covers=["snmp helper"], masks={"nat-port"} if nat else ())
