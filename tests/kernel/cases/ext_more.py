"""Extensions where they meet something else: reassembled packets, odd senders, the host's own packets, other hooks."""
from case import Case, Do, Send
from packets import *

A, A2, B, C, R0, R1 = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, A62, B6, C6, R06, R16 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:2::2", "fd00::1", "fd00:1::1"
FE = "fe80::9"
NEIGH_LL = ["neigh add fe80::9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent", "addr add fe80::1/64 dev eth0 nodad"]


def table(name, *rules):
    return "*%s\n%s\nCOMMIT\n" % (name, "\n".join(rules))


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def pieces(v, segment, sizes):
    whole = segment(ip(A, B)) if v == 4 else segment(ip(A6, B6))
    return fragments4(whole, sizes) if v == 4 else fragments6(whole, sizes, 99)


def fragment_cases():
    syn = tcp(1000, 80, "S", 1, options=mss(1460), data=b"x" * 100)
    bare = tcp(1000, 80, "S", 1, data=b"x" * 100)
    dgram = udp(1000, 53, b"x" * 300)
    for v in (4, 6):
        key = "v%d" % v
        hops = "TTL --ttl-" if v == 4 else "HL --hl-"
        for name, segment in (("mss", syn), ("bare", bare)):
            for order in (1, -1):
                yield Case("TCPMSS-pieces-%s%s-%d" % (name, "-backwards" if order < 0 else "", v), send(pieces(v, segment, [48, 40])[::order]), conntrack="on",
                           covers=["TCPMSS"], **{key: table("mangle", "-A FORWARD -p tcp --syn -j TCPMSS --set-mss 1000")})
        for name, rule in (("hops", hops + "set 9"), ("dscp", "DSCP --set-dscp 10"), ("mark", "MARK --set-mark 1"), ("log", "LOG"), ("nflog", "NFLOG --nflog-group 3")):
            yield Case("pieces-%s-%d" % (name, v), send(pieces(v, dgram, [160, 80])), conntrack="on", covers=[rule.split(" ")[0]],
                       **{key: table("mangle", "-A FORWARD -j " + rule)})
        for name, rule in (("hops", hops + "dec 1"), ("tos", "TOS --set-tos 0x10")):
            yield Case("loose-pieces-%s-%d" % (name, v), send(pieces(v, dgram, [160, 80])), covers=[rule.split(" ")[0]], **{key: table("mangle", "-A FORWARD -j " + rule)})
        yield Case("matches-on-pieces-%d" % v, send(pieces(v, dgram, [160, 80])) + send(pieces(v, syn, [16, 40])), covers=["multiport", "length", "udp", "tcp"],
                   **{key: table("filter", "-A FORWARD -m length --length 0:150", "-A FORWARD -m length --length 150:1000", "-A FORWARD -p udp -m udp --dport 53",
                                 "-A FORWARD -p udp -m multiport --dports 53", "-A FORWARD -m conntrack --ctstate NEW", "-A FORWARD -p tcp -m tcp --dport 80")})


def sender_cases():
    cov = ["REJECT"]
    both = ("-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT")
    flt = table("filter", *["-A INPUT " + r for r in both], *["-A FORWARD " + r for r in both])
    for name, src in (("zero", "0.0.0.0"), ("broadcast", "10.0.0.255"), ("group", "224.0.0.9"), ("own", R0), ("loop", "127.0.0.1"), ("far", "10.2.0.9"), ("nowhere", "192.0.2.9"), ("class-e", "240.0.0.1")):
        yield Case("reject-from-%s-4" % name, send([u(ip(src, d)) for d in (R0, B) for u in (udp(1, 2), tcp(1, 2, "S", 3))]), v4=flt, covers=cov)
    for name, src in (("any", "::"), ("group", "ff02::9"), ("own", R06), ("loop", "::1"), ("far", "fd00:2::9"), ("nowhere", "2001:db8::9"), ("mapped", "::ffff:10.0.0.2"), ("compat", "::10.0.0.2")):
        yield Case("reject-from-%s-6" % name, send([u(ip(src, d)) for d in (R06, B6) for u in (udp(1, 2), tcp(1, 2, "S", 3))]), v6=flt, covers=cov)
    yield Case("reject-from-link-local-6", send([u(ip(FE, d)) for d in (R06, "fe80::1") for u in (udp(1, 2), tcp(1, 2, "S", 3))]), v6=flt, net=NEIGH_LL, covers=cov)
    for name, options in (("time", b"\x44\x0c\x05\0" + b"\0" * 8), ("route", b"\x07\x07\x04\0\0\0\0\0"), ("nop", b"\x01" * 4)):
        for ct in ("on", "auto"):  # options written on the way in, whose header sum forwarding has not made yet
            yield Case("reject-option-%s-%s" % (name, ct), send([u(ip(A, d, options=options)) for d in (R0, B) for u in (udp(1, 2), tcp(1, 2, "S", 3), echo(1, 2))]), v4=flt, conntrack=ct, covers=cov)
    yield Case("reject-lo-4", [Send(None, udp(1, 2)(ip(R0, R0))), Send(None, tcp(1, 2, "S", 3)(ip(R0, R1))), Send(None, tcp(1, 2, "S", 3)(ip("127.0.0.1", "127.0.0.1")))], v4=flt, covers=cov)
    yield Case("reject-lo-6", [Send(None, udp(1, 2)(ip(R06, R06))), Send(None, tcp(1, 2, "S", 3)(ip(R06, R16))), Send(None, tcp(1, 2, "S", 3)(ip("::1", "::1")))], v6=flt, covers=cov)
    out = table("filter", *["-A OUTPUT " + r for r in both])
    yield Case("reject-out-group-4", [Send(None, u(ip(R0, d))) for d in ("10.0.0.255", "224.0.0.5", "255.255.255.255") for u in (udp(1, 2), tcp(1, 2, "S", 3))], v4=out, covers=cov)
    yield Case("reject-out-group-6", [Send(None, u(ip(R06, "ff02::5"))) for u in (udp(1, 2), tcp(1, 2, "S", 3))], v6=out, net=["-6 route add ff00::/8 dev eth0 table local"], covers=cov)
    # an ICMP error and a RST that the router makes and a rule refuses again
    yield Case("reject-made-4", send([udp(1, 2)(ip(A, B, ttl=1)), tcp(1, 2, "S", 3)(ip(A, R0))]),
               v4=table("filter", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset", *["-A OUTPUT " + r for r in both]), covers=cov)
    yield Case("reject-made-6", send([udp(1, 2)(ip(A6, B6, ttl=1)), tcp(1, 2, "S", 3)(ip(A6, R06))]),
               v6=table("filter", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset", *["-A OUTPUT " + r for r in both]), covers=cov)
    yield Case("reject-policy-route-4", send([tcp(1, 2, "S", 3)(ip(A, B)), udp(1, 2)(ip(A, B))]), v4=flt, net=["rule add to 10.0.0.2 table 77", "route add default via 10.2.0.9 table 77"], covers=cov)
    yield Case("reject-policy-route-from-4", send([tcp(1, 2, "S", 3)(ip(A, B)), udp(1, 2)(ip(A, B))]), v4=flt, net=["rule add from 10.1.0.2 table 77", "route add default via 10.2.0.9 table 77"], covers=cov)
    yield Case("reject-policy-route-6", send([tcp(1, 2, "S", 3)(ip(A6, B6)), udp(1, 2)(ip(A6, B6))]), v6=flt, net=["-6 rule add to fd00::2 table 77", "-6 route add default via fd00:2::9 table 77"], covers=cov)
    yield Case("reject-policy-route-from-6", send([tcp(1, 2, "S", 3)(ip(A6, B6)), udp(1, 2)(ip(A6, B6))]), v6=flt, net=["-6 rule add from fd00:1::2 table 77", "-6 route add default via fd00:2::9 table 77"], covers=cov)
    yield Case("reject-small-mtu-4", send([tcp(1, 2, "S", 3)(ip(A, B)), udp(1, 2, b"x" * 900)(ip(A, B))]), v4=flt, net=["link set eth0 mtu 200"], covers=cov)
    yield Case("reject-ttl-mangled-4", send([tcp(1, 2, "S", 3)(ip(A, B)), udp(1, 2)(ip(A, B))]), v4=table("mangle", "-A FORWARD -j TTL --ttl-set 3", "-A FORWARD -j TOS --set-tos 0x10", "-A OUTPUT -j TTL --ttl-set 9") + flt, covers=cov)
    yield Case("reject-hoplimit-route-4", send([tcp(1, 2, "S", 3)(ip(A, B)), udp(1, 2)(ip(A, B))]), v4=flt, net=["route add 10.0.0.2/32 dev eth0 hoplimit 33", "route add 10.1.0.2/32 dev eth1 hoplimit 44"], covers=cov)
    yield Case("reject-hoplimit-route-6", send([tcp(1, 2, "S", 3)(ip(A6, B6)), udp(1, 2)(ip(A6, B6))]), v6=flt, net=["-6 route add fd00::2/128 dev eth0 hoplimit 33"], covers=cov)


def hook_cases():
    seen = [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", tcp(3, 4, "S", 5)(ip(A, R0))), Send(None, udp(6, 7)(ip(R1, B))), Send(None, udp(8, 9)(ip(R0, R1)))]
    seen6 = [Send("eth0", udp(1, 2)(ip(A6, B6))), Send("eth0", tcp(3, 4, "S", 5)(ip(A6, R06))), Send(None, udp(6, 7)(ip(R16, B6))), Send(None, udp(8, 9)(ip(R06, R16)))]
    hooks = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    tests = ("-p udp -m udp --sport 1:7", "-p tcp --syn", "-m conntrack --ctstate NEW", "-m conntrack --ctstatus CONFIRMED", "-m conntrack --ctdir ORIGINAL", "-m mark --mark 0", "-m mark --mark 5",
             "-m length --length 32", "-m addrtype --dst-type LOCAL", "-m addrtype --src-type LOCAL", "-m dscp --dscp 0", "-p udp -m multiport --ports 7,9")
    yield Case("everywhere-4", seen, v4=table("mangle", *["-A %s %s" % (h, t) for h in hooks for t in tests], "-A PREROUTING -p udp -j MARK --set-mark 5", "-A OUTPUT -p udp -j MARK --set-mark 5"), covers=["mangle"])
    yield Case("everywhere-6", seen6, v6=table("mangle", *["-A %s %s" % (h, t) for h in hooks for t in tests], "-A PREROUTING -p udp -j MARK --set-mark 5", "-A OUTPUT -p udp -j MARK --set-mark 5"), covers=["mangle"])
    for v, s in ((4, seen), (6, seen6)):
        for h in hooks:
            hop = "TTL --ttl-set 7" if v == 4 else "HL --hl-set 7"
            yield Case("change-at-%s-%d" % (h.lower(), v), s, covers=["mangle"], **{"v%d" % v: table("mangle", "-A %s -j %s" % (h, hop), "-A %s -j DSCP --set-dscp 9" % h, "-A %s -j MARK --set-mark 77" % h)})
    yield Case("ct-zones-nat", [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth2", udp(1000, 53)(ip("10.2.0.2", B))), Send("eth1", udp(53, 1000)(ip(B, R1)))],
               v4="*raw\n-A PREROUTING -i eth0 -j CT --zone-orig 1\n-A PREROUTING -i eth2 -j CT --zone-orig 2\nCOMMIT\n*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n", covers=["CT"], masks={"nat-port"})
    yield Case("notrack-reject", [Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B))), Send("eth0", udp(1000, 80)(ip(A, B)))], conntrack="on",
               v4="*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n" + table("filter", "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset", "-A FORWARD -j REJECT") +
               table("mangle", "-A OUTPUT -m conntrack --ctstate UNTRACKED", "-A OUTPUT -m conntrack --ctstate INVALID", "-A OUTPUT -m conntrack --ctstate NEW", "-A OUTPUT -m conntrack --ctstate RELATED"), covers=["CT", "REJECT"])
    yield Case("invalid-reject", [Send("eth0", tcp(1000, 80, "SA", 1, 2)(ip(A, B))), Send("eth0", icmp(0, 0)(ip(A, B)))], conntrack="on",
               v4=table("filter", "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset", "-A FORWARD -j REJECT") +
               table("mangle", "-A OUTPUT -m conntrack --ctstate UNTRACKED", "-A OUTPUT -m conntrack --ctstate INVALID", "-A OUTPUT -m conntrack --ctstate NEW", "-A OUTPUT -m conntrack --ctstate RELATED"), covers=["CT", "REJECT"])
    yield Case("limit-many-rules", [Send("eth0", udp(1, 2)(ip(A, B)), gap=g) for g in (0.05, 0.013, 0.021, 0.037, 0.005, 0.101, 0.013, 0.5, 0.02, 0.02)], covers=["limit"],
               v4=table("filter", *["-A FORWARD -m limit --limit %s --limit-burst %d" % (r, b) for r in ("1/s", "7/s", "20/s", "100/min", "1000/hour") for b in (1, 2, 5)]))


def refusal_cases():
    """Rules that the kernel refuses: the whole table is left as it was."""
    bad = [("filter", "-A INPUT -m addrtype --dst-type LOCAL --limit-iface-out"), ("filter", "-A OUTPUT -m addrtype --dst-type LOCAL --limit-iface-in"), ("filter", "-A OUTPUT -m mac --mac-source 02:00:00:00:00:02"),
           ("filter", "-A INPUT -m limit --limit 1/day"), ("filter", "-A INPUT -m limit --limit-burst 0"), ("filter", "-A INPUT -j REJECT --reject-with tcp-reset"), ("mangle", "-A INPUT -j REJECT"),
           ("filter", "-A INPUT -j TTL --ttl-set 1"), ("filter", "-A INPUT -j DSCP --set-dscp 1"), ("filter", "-A INPUT -j TOS --set-tos 1"), ("filter", "-A INPUT -j CT --zone 1"), ("mangle", "-A PREROUTING -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"),
           ("mangle", "-A FORWARD -p tcp -j TCPMSS --set-mss 100"), ("mangle", "-A FORWARD -p udp -j TCPMSS --set-mss 100"), ("mangle", "-A FORWARD -j CONNMARK --save-mark --left-shift-mark 32"), ("filter", "-A INPUT -m icmp --icmp-type 8"),
           ("filter", "-A INPUT -p udp -m icmp --icmp-type 8"), ("filter", "-A INPUT -m tcp --dport 80"), ("filter", "-A INPUT -p udp -m tcp --dport 80"), ("raw", "-A PREROUTING -j CT --timeout nosuch")]
    for n, (name, rule) in enumerate(bad):
        yield Case("refused-%d" % n, [Send("eth0", udp(1, 2)(ip(A, R0)))], v4=table(name, "-A %s -p tcp" % rule.split(" ")[1], rule), covers=["refusals"])
    for n, (name, rule) in enumerate([("filter", "-A INPUT -m addrtype --src-type BROADCAST"), ("filter", "-A INPUT -m addrtype --src-type PROHIBIT"), ("filter", "-A INPUT -j REJECT --reject-with tcp-reset"), ("filter", "-A INPUT -j HL --hl-set 1"),
                                      ("filter", "-A INPUT -m icmp6 --icmpv6-type 1"), ("filter", "-A OUTPUT -m mac --mac-source 02:00:00:00:00:02")]):
        yield Case("refused6-%d" % n, [Send("eth0", udp(1, 2)(ip(A6, R06)))], v6=table(name, "-A %s -p tcp" % rule.split(" ")[1], rule), covers=["refusals"])


def cases():
    for group in (fragment_cases, sender_cases, hook_cases, refusal_cases):
        yield from group()
