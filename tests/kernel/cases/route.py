"""Which way out: rp_filter, martians, route types, rules, re-routing, redirects, addresses that come and go; random worlds."""
import random
from case import Case, Send, Do
from packets import *

A, B, C, R0, R1 = "10.0.0.2", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, B6, C6, S0, S1 = "fd00::2", "fd00:1::2", "fd00:2::2", "fd00::1", "fd00:1::1"
FAR, FAR6 = "192.0.2.9", "2001:db8::9"
MANGLE = "*mangle\n%s\nCOMMIT\n"
NAT = "*nat\n%s\nCOMMIT\n"


def u(src, dst, sport=5, dport=6, n=20, **kw):
    return udp(sport, dport, b"x" * n)(ip(src, dst, **kw))


def every(iface, sources, targets):
    return [Send(iface, u(s, d)) for s in sources for d in targets]


SOURCES = (A, "10.0.0.77", B, C, FAR, R0, R1, "10.0.0.255", "10.1.0.255", "127.0.0.1", "0.0.0.0", "224.1.1.1", "255.255.255.255")
TARGETS = (B, R0, R1, FAR)


def v4():
    for all_, one in ((0, 1), (0, 2), (1, 0), (1, 2), (2, 1), (0, 0)):
        yield "rp-filter-all%d-if%d" % (all_, one), every("eth0", SOURCES, TARGETS), {
            "sysctl": {"net.ipv4.conf.all.rp_filter": all_, "net.ipv4.conf.eth0.rp_filter": one}}
    yield "rp-filter-marked", every("eth0", (A, C, FAR), TARGETS), {
        "sysctl": {"net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.all.src_valid_mark": 1},
        "net": ["rule add fwmark 7 lookup 100", "route add 10.2.0.0/24 dev eth0 table 100"],
        "v4": MANGLE % "-A PREROUTING -j MARK --set-mark 7"}
    yield "rp-filter-no-address", [Send("eth2", u(s, B)) for s in (C, FAR, A)], {
        "net": ["addr del 10.2.0.1/24 dev eth2"], "sysctl": {"net.ipv4.conf.all.rp_filter": 2}}
    for value in (0, 1):
        yield "accept-local-%d" % value, every("eth0", (R0, R1, "127.0.0.1"), TARGETS), {
            "sysctl": {"net.ipv4.conf.eth0.accept_local": value, "net.ipv4.conf.all.rp_filter": value}}
        yield "route-localnet-%d" % value, every("eth0", (A, "127.0.0.1"), (B, R0, "127.0.0.1", "127.0.0.9", "127.255.255.255")), {
            "sysctl": {"net.ipv4.conf.eth0.route_localnet": value}}
    yield "route-localnet-redirect", [Send("eth0", u(A, B, dport=53)), Send("eth0", u(A, B, dport=54))], {
        "sysctl": {"net.ipv4.conf.all.route_localnet": 1}, "v4": NAT % "-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 127.0.0.1"}
    yield "redirect-localnet-off", [Send("eth0", u(A, B, dport=53))], {"v4": NAT % "-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 127.0.0.1"}
    yield "types", [Send("eth0", u(A, "192.0.%d.9" % n)) for n in range(2, 9)] + [Send(None, u("0.0.0.0", "192.0.%d.9" % n)) for n in range(2, 9)], {
        "net": ["route add blackhole 192.0.3.0/24", "route add unreachable 192.0.4.0/24", "route add prohibit 192.0.5.0/24",
                "route add throw 192.0.6.0/24", "route add local 192.0.7.0/24 dev lo", "route add broadcast 192.0.8.9/32 dev eth1"]}
    yield "types-not-forwarding", [Send("eth0", u(A, "192.0.%d.9" % n)) for n in range(2, 9)], {
        "net": ["route add blackhole 192.0.3.0/24", "route add unreachable 192.0.4.0/24", "route add prohibit 192.0.5.0/24",
                "route add throw 192.0.6.0/24", "route add local 192.0.7.0/24 dev lo"], "sysctl": {"net.ipv4.ip_forward": 0}}
    yield "local-main-merged", [Send("eth0", u(A, d)) for d in ("10.9.1.1", "10.9.2.1", "127.1.0.1")], {
        "net": ["route add local 10.9.0.0/16 dev lo", "route add 10.9.1.0/24 via 10.1.0.3", "route add 127.1.0.0/16 via 10.1.0.3"],
        "sysctl": {"net.ipv4.conf.all.route_localnet": 1}}
    yield "local-main-split", [Send("eth0", u(A, d)) for d in ("10.9.1.1", "10.9.2.1")], {
        "net": ["route add local 10.9.0.0/16 dev lo", "route add 10.9.1.0/24 via 10.1.0.3", "rule add from 1.2.3.4 lookup 9"]}
    yield "groups-and-broadcasts", every("eth0", (A, "0.0.0.0", "10.9.9.9", "127.0.0.1"), (
        "224.0.0.1", "224.0.0.22", "224.0.0.251", "239.1.1.1", "255.255.255.255", "10.0.0.255", "10.1.0.255", "10.0.0.0")), {}
    yield "bc-forwarding", every("eth0", (A,), ("10.0.0.255", "10.1.0.255")), {
        "sysctl": {"net.ipv4.conf.all.bc_forwarding": 1, "net.ipv4.conf.eth0.bc_forwarding": 1}}
    yield "sent-groups", [Send(None, u(s, d)) for s in ("0.0.0.0", R0, R1) for d in ("224.0.0.1", "239.1.1.1", "255.255.255.255", "10.0.0.255", "10.1.0.255")], {}
    for value in (0, 1):
        yield "icmp-redirect-%d" % value, [Send("eth0", u(s, d)) for s in (A, "10.0.0.9", FAR) for d in ("198.51.100.1", "203.0.113.1", "10.0.0.7")], {
            "sysctl": {"net.ipv4.conf.all.send_redirects": value, "net.ipv4.conf.eth0.send_redirects": value,
                       "net.ipv4.conf.all.shared_media": 0, "net.ipv4.conf.eth0.shared_media": value},
            "net": ["route add 198.51.100.0/24 via 10.0.0.3", "route add 203.0.113.0/24 dev eth0"]}
    yield "rules", [Send("eth0", u(s, FAR, sport, dport, tos=t)) for s in (A, "10.0.0.3") for sport, dport in ((5, 6), (2000, 53)) for t in (0, 0x10, 0x20, 0xb8)] + [
        Send("eth2", u(C, FAR)), Send(None, u("0.0.0.0", FAR)), Send("eth0", tcp(2000, 53)(ip(A, FAR))), Send("eth0", u(A, "192.0.2.44"))], {
        "net": ["route add default via 10.2.0.2 table 100", "route add default via 10.2.0.3 table 101", "route add default via 10.2.0.4 table 102",
                "route add default via 10.2.0.5 table 103", "route add 192.0.2.0/28 via 10.1.0.3 table 104", "route add default via 10.1.0.4 table 104",
                "rule add from 10.0.0.3 tos 0x10 lookup 100", "rule add ipproto udp dport 53 lookup 101", "rule add iif lo lookup 102",
                "rule add not from 10.0.0.0/24 lookup 103", "rule add lookup 104 suppress_prefixlength 0 pref 1000",
                "rule add to 192.0.2.44 goto 40000 pref 500", "rule add prohibit pref 40000"]}
    yield "rule-actions", [Send("eth0", u("10.0.0.%d" % n, FAR)) for n in range(2, 8)], {
        "net": ["rule add from 10.0.0.2 blackhole", "rule add from 10.0.0.3 unreachable", "rule add from 10.0.0.4 prohibit",
                "rule add from 10.0.0.5 nop", "rule add from 10.0.0.6 lookup 77"]}
    yield "rule-ports-fragments", [Send("eth0", f) for f in fragments4(u(A, FAR, 5, 53, 100), [48, 48])], {
        "net": ["rule add ipproto udp dport 53 lookup 101", "route add default via 10.2.0.3 table 101"]}
    yield "reroute-mark", [Send(None, u("0.0.0.0", FAR)), Send(None, u(R0, FAR)), Send(None, u(R0, "10.2.0.9"))], {
        "net": ["rule add fwmark 1 lookup 100", "route add default via 10.2.0.2 table 100"],
        "v4": MANGLE % "-A OUTPUT -p udp -j MARK --set-mark 1"}
    yield "reroute-mark-errors", [Send(None, u(R0, FAR)), Send(None, u(R0, "198.51.100.1"))], {
        "net": ["rule add fwmark 1 lookup 100", "route add prohibit default table 100", "route add blackhole 198.51.100.0/24 table 100"],
        "v4": MANGLE % "-A OUTPUT -p udp -j MARK --set-mark 1"}
    yield "reroute-tos", [Send(None, u(R0, FAR)), Send(None, u(R0, FAR, tos=0x10))], {
        "net": ["route add default via 10.2.0.2 tos 0x10"], "v4": MANGLE % "-A OUTPUT -p udp -j TOS --set-tos 0x10"}
    yield "reroute-dnat", [Send(None, u("0.0.0.0", FAR, dport=7)), Send(None, u("0.0.0.0", FAR, dport=8)), Send(None, u("0.0.0.0", FAR, dport=9))], {
        "v4": NAT % "-A OUTPUT -p udp --dport 7 -j DNAT --to-destination 10.2.0.2\n-A OUTPUT -p udp --dport 8 -j DNAT --to-destination 10.0.0.1\n-A OUTPUT -p udp --dport 9 -j REDIRECT --to-ports 99"}
    yield "via-inet6", [Send("eth0", u(A, FAR)), Send(None, u("0.0.0.0", FAR))], {"net": ["route add 192.0.2.0/24 via inet6 fd00:1::3 dev eth1"]}
    yield "source-hint", [Send(None, u("0.0.0.0", d)) for d in (FAR, "198.51.100.1", "10.2.0.2", R1)], {
        "net": ["route add 192.0.2.0/24 via 10.1.0.3 src 10.2.0.1", "addr add 10.1.0.50/24 dev eth1", "route add 198.51.100.0/24 dev eth1 src 10.1.0.50"]}
    yield "source-scopes", [Send(None, u("0.0.0.0", d)) for d in (FAR, "10.2.0.2", "172.16.0.9", "172.17.0.2")], {
        "net": ["addr add 172.16.0.1 peer 172.16.0.2/30 dev eth2", "addr add 172.17.0.1/24 dev eth0 scope link", "route add 172.16.0.9 dev eth2"]}
    yield "metrics", [Send("eth0", u(A, FAR))] + [x for c in ("route add 192.0.2.0/24 via 10.1.0.3 metric 10", "route add 192.0.2.0/24 via 10.1.0.4 metric 5",
        "route add 192.0.2.0/24 via 10.1.0.5 tos 0x10", "route replace 192.0.2.0/24 via 10.2.0.5 metric 5", "route del 192.0.2.0/24 metric 5", "route del 192.0.2.0/24 via 10.1.0.3")
        for x in (Do("ip " + c), Send("eth0", u(A, FAR)), Send("eth0", u(A, FAR, tos=0x10)))], {}
    yield "addresses-come-and-go", [x for c in ("addr del 10.1.0.1/24 dev eth1", "addr add 10.1.0.9/24 brd + dev eth1", "addr add 10.1.0.1/24 dev eth1",
        "addr del 10.1.0.9/24 dev eth1", "addr add 10.3.0.1/16 dev eth1", "link set eth1 down", "link set eth1 up")
        for x in [Do("ip " + c)] + [Send("eth0", u(A, d)) for d in (B, R1, "10.1.0.9", "10.1.0.255", FAR, "10.3.9.9")]], {}
    yield "promote", [x for c in ("addr add 10.1.0.8/24 dev eth1", "addr del 10.1.0.1/24 dev eth1") for x in [Do("ip " + c)] + [
        Send("eth0", u(A, d)) for d in (B, R1, "10.1.0.8", "10.1.0.255")] + [Send(None, u("0.0.0.0", B))]], {"sysctl": {"net.ipv4.conf.eth1.promote_secondaries": 1}}
    yield "forwarding-switches", [x for c in ("net.ipv4.conf.eth0.forwarding=0", "net.ipv4.conf.all.forwarding=1", "net.ipv4.ip_forward=0", "net.ipv4.conf.eth0.forwarding=1",
        "net.ipv4.ip_forward=1") for x in (Do("sysctl " + c), Send("eth0", u(A, B)), Send("eth1", u(B, A)))], {}


def w(src, dst, sport=5, dport=6, n=20, **kw):
    return udp(sport, dport, b"x" * n)(ip(src, dst, **kw))


def v6():
    yield "types", [Send("eth0", w(A6, "2001:db8:%d::9" % n)) for n in range(1, 8)] + [Send(None, w(S0, "2001:db8:%d::9" % n)) for n in range(1, 8)], {
        "net": ["route add blackhole 2001:db8:1::/64", "route add unreachable 2001:db8:2::/64", "route add prohibit 2001:db8:3::/64",
                "route add throw 2001:db8:4::/64", "route add local 2001:db8:5::/64 dev lo", "route add 2001:db8:6::/64 dev lo"]}
    yield "destinations", [Send("eth0", w(s, d)) for s in (A6, "fe80::2", FAR6) for d in (
        S0, S1, "fd00::", "fd00:1::", "fe80::", "fe80::1", "ff02::1", "ff02::2", "ff01::1", "ff05::2", "ff02::1:ff00:1", "ff02::1:ff00:0", "ff02::1:ff00:9",
        "ff0e::1", "::1", "::", B6, "2001:db8::1", "::ffff:1.2.3.4")], {}
    yield "destinations-host", [Send("eth0", w(A6, d)) for d in (S0, S1, "fd00::", "ff02::1", "ff02::2", "ff02::1:ff00:1", "ff02::1:ff00:0", B6, FAR6)], {
        "sysctl": {"net.ipv6.conf.all.forwarding": 0}}
    yield "sources", [Send("eth0", w(s, d)) for s in (S0, S1, "::1", "::", "ff02::1", "fe80::9", "fd00:1::7", FAR6) for d in (B6, S0)], {}
    yield "forwarding-switches", [x for c in ("net.ipv6.conf.eth0.forwarding=0", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.eth0.forwarding=1",
        "net.ipv6.conf.all.forwarding=1") for x in (Do("sysctl " + c), Send("eth0", w(A6, B6)), Send("eth0", w(A6, "fd00::")), Send("eth0", w(A6, "ff02::2")))], {}
    yield "rules", [Send("eth0", w(s, FAR6, sport, dport, tos=t)) for s in (A6, "fd00::3") for sport, dport in ((5, 6), (2000, 53)) for t in (0, 0x10, 0xb8)] + [
        Send("eth2", w(C6, FAR6)), Send(None, w(S0, FAR6)), Send("eth0", tcp(2000, 53)(ip(A6, FAR6))), Send("eth0", w(A6, "2001:db8::44"))], {
        "net": ["-6 route add default via fd00:2::2 table 100", "-6 route add default via fd00:2::3 table 101", "-6 route add default via fd00:2::4 table 102",
                "-6 route add default via fd00:2::5 table 103", "-6 route add 2001:db8::/124 via fd00:1::3 table 104", "-6 route add default via fd00:1::4 table 104",
                "-6 rule add from fd00::3 tos 0x10 lookup 100", "-6 rule add ipproto udp dport 53 lookup 101", "-6 rule add iif lo lookup 102",
                "-6 rule add not from fd00::/64 lookup 103", "-6 rule add lookup 104 suppress_prefixlength 0 pref 1000",
                "-6 rule add to 2001:db8::44 goto 40000 pref 500", "-6 rule add prohibit pref 40000"]}
    yield "rule-actions", [Send("eth0", w("fd00::%d" % n, FAR6)) for n in range(2, 8)], {
        "net": ["-6 rule add from fd00::2 blackhole", "-6 rule add from fd00::3 unreachable", "-6 rule add from fd00::4 prohibit",
                "-6 rule add from fd00::5 nop", "-6 rule add from fd00::6 lookup 77"]}
    yield "reroute-mark", [Send(None, w(S0, FAR6)), Send(None, w(S0, "fd00:2::9")), Send(None, w(S0, "ff02::99"))], {
        "net": ["-6 rule add fwmark 1 lookup 100", "-6 route add default via fd00:2::2 table 100"],
        "v6": MANGLE % "-A OUTPUT -p udp -j MARK --set-mark 1"}
    yield "reroute-dnat", [Send(None, w(S0, FAR6, dport=7)), Send(None, w(S0, FAR6, dport=8)), Send(None, w(S0, FAR6, dport=9))], {
        "v6": NAT % "-A OUTPUT -p udp --dport 7 -j DNAT --to-destination fd00:2::2\n-A OUTPUT -p udp --dport 8 -j DNAT --to-destination fd00::1\n-A OUTPUT -p udp --dport 9 -j REDIRECT --to-ports 99"}
    yield "metrics", [Send("eth0", w(A6, FAR6))] + [x for c in ("route add 2001:db8::/64 via fd00:1::3 metric 10", "route add 2001:db8::/64 via fd00:1::4 metric 5",
        "route replace 2001:db8::/64 via fd00:2::5 metric 5", "route del 2001:db8::/64 metric 5", "route del 2001:db8::/64 via fd00:1::3")
        for x in (Do("ip -6 " + c), Send("eth0", w(A6, FAR6)))], {}
    yield "addresses-come-and-go", [x for c in ("addr del fd00:1::1/64 dev eth1", "addr add fd00:1::9/64 dev eth1 nodad", "addr add fd00:3::1/64 dev eth1 nodad")
        for x in [Do("ip " + c)] + [Send("eth0", w(A6, d), gap=0.05) for d in (B6, S1, "fd00:1::9", "fd00:1::", FAR6, "fd00:3::9")]], {}
    yield "same-prefix-twice", [Send(i, w(s, "fd00:9::5")) for i, s in (("eth0", A6), ("eth1", B6), ("eth2", C6))], {
        "net": ["addr add fd00:9::1/64 dev eth1 nodad", "addr add fd00:9::2/64 dev eth2 nodad"]}
    # No route: the error's source is chosen by RFC 6724 from these.
    yield "source-choice", [Send("eth0", w(s, "2001:db8:f::1")) for s in (A6, "fe80::7", "2001:db8:1::7", "2002:1::1", "fec0::9")], {
        "net": ["route del default via fd00:1::fe", "addr add fe80::1/64 dev eth0 nodad", "addr add 2001:db8:1::1/64 dev eth0 nodad",
                "addr add 2002:1::2/64 dev eth1 nodad", "addr add fec0::1/64 dev eth0 nodad", "-6 route add 2002::/16 dev eth0", "-6 route add fec0::/16 dev eth0"]}


def addrtypes():
    """Rules that ask for the type of addresses: their counters say what the answer was."""
    kinds = {4: ("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "LOCAL,BROADCAST"),
             6: ("UNSPEC", "UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE", "LOCAL,ANYCAST", "LOCAL,UNREACHABLE", "UNICAST,LOCAL", "MULTICAST,LOCAL")}
    for family, names in kinds.items():
        for chain, limits in (("PREROUTING", ("", "--limit-iface-in")), ("POSTROUTING", ("", "--limit-iface-out"))):
            rules = ["-A %s -m addrtype %s %s --%s-type %s" % (chain, limit, no, side, n) for limit in limits for side in ("src", "dst") for n in names for no in ("",)]
            packets = every("eth0", (A, "10.0.0.255", R1, FAR), (B, R0, R1, FAR, "10.1.0.255", "10.0.0.255", "224.0.0.1", "255.255.255.255", "198.51.100.1")) if family == 4 else every(
                "eth0", (A6, "fe80::2", S1, FAR6), (B6, S0, S1, FAR6, "fd00::", "fd00:1::", "ff02::1", "ff0e::1", "fe80::9", "2001:db8:1::1", "fd00:9::5", "fd00:9::"))
            net = ["route add blackhole 198.51.100.0/24"] if family == 4 else ["route add unreachable 2001:db8:1::/64", "addr add fe80::1/64 dev eth0 nodad", "route add local fd00:9::/64 dev lo"]
            for forwarding in (1, 0):
                yield "addrtype-%d-%s-%d" % (family, chain.lower(), forwarding), packets, {
                    "v%d" % family: MANGLE % "\n".join(rules), "net": net,
                    "sysctl": {"net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding": forwarding}}


def random_world(seed, six):
    r = random.Random("route %d %d" % (seed, six))
    host = (lambda i, h: "fd00:%d::%x" % (i, h)) if six else (lambda i, h: "10.%d.0.%d" % (i, h))
    if six:
        nets = ["fd00:1::/64", "fd00:2::/64", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:1::/64", "2001:db8:1:1::5/128"]
        places = ["fd00::2", "fd00::3", "fd00:1::2", "fd00:2::3", "fd00::1", "fd00:2::1", "2001:db8::1", "2001:db8:1::1", "2001:db8:1:1::5", "2001:db8:1:1::6", "2600::1"]
    else:
        nets = ["10.1.0.0/24", "10.2.0.0/25", "192.0.0.0/8", "192.0.2.0/24", "192.0.2.128/25", "192.0.2.5/32"]
        places = ["10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.3", "10.0.0.1", "10.2.0.1", "192.1.1.1", "192.0.2.1", "192.0.2.5", "192.0.2.130", "8.8.8.8", "10.1.0.255", "127.0.0.1"]
    flag, net = "-6 " if six else "", []
    seen = set()
    for n in range(r.randint(3, 10)):
        dst, table, metric = r.choice(nets), r.choice([0, 0, 100, 101]), r.choice([0, 7])
        if (dst, table, metric) in seen:
            continue
        seen.add((dst, table, metric))
        kind = r.choice(["via"] * 5 + ["dev", "blackhole", "unreachable", "prohibit", "throw"])
        i = r.choice([1, 2])
        what = {"via": "%s via %s" % (dst, host(i, r.randint(2, 5))), "dev": "%s dev eth%d" % (dst, i)}.get(kind, "%s %s" % (kind, dst))
        net.append("%sroute add %s%s%s" % (flag, what, " table %d" % table if table else "", " metric %d" % metric if metric else ""))
    for n in range(r.choice([0, 0, 1, 3])):
        picks = [r.choice(["from " + places[0], "to " + places[8], "iif eth0", "fwmark 1", "iif lo", "not from " + places[1], "ipproto udp dport 53"])]
        net.append("%srule add %s %s pref %d" % (flag, " ".join(picks), r.choice(["lookup 100", "lookup 101", "prohibit", "unreachable", "blackhole", "lookup main suppress_prefixlength %d" % r.choice([0, 8, 24])]), 100 + n))
    sysctl = {} if six else {"net.ipv4.conf.%s.%s" % (r.choice(["all", "eth0", "eth1"]), k): v for k, v in (
        ("rp_filter", r.choice([0, 1, 2])), ("accept_local", r.choice([0, 1])), ("send_redirects", r.choice([0, 1])), ("src_valid_mark", r.choice([0, 1])))}
    if r.random() < 0.2:
        sysctl["net.ipv6.conf.all.forwarding" if six else "net.ipv4.ip_forward"] = 0
    rules = MANGLE % "\n".join(r.choice(["-A PREROUTING -p udp --dport 53 -j MARK --set-mark 1", "-A OUTPUT -j MARK --set-mark 1", "-A OUTPUT -p udp --dport 53 -j MARK --set-mark 1"]) for _ in range(r.randint(0, 2)))
    items = []
    for n in range(25):
        packet = u(r.choice(places), r.choice(places), r.choice([5, 2000]), r.choice([6, 53]))
        items.append(Send(r.choice(["eth0", "eth0", "eth1", "eth2"]), packet))
    for n in range(6):
        items.append(Send(None, u(places[4] if six else r.choice(["0.0.0.0", places[4]]), r.choice(places), 5, r.choice([6, 53]))))
    return items, {"net": net, "sysctl": sysctl, "v6" if six else "v4": rules}


def random_churn(seed):
    """Addresses, links, routes and settings change under traffic. Commands may be refused: by both sides."""
    r = random.Random("churn %d" % seed)
    mine = lambda: r.choice(["10.%d.0.%d/%d" % (r.randint(0, 2), r.choice([1, 1, 20, 21, 200]), r.choice([24, 24, 24, 25, 16, 32])),
                             "fd00:%d::%x/%d" % (r.randint(0, 2), r.choice([1, 1, 20, 0]), r.choice([64, 64, 48, 128]))])
    items, on = [], {}
    for _ in range(r.randint(6, 14)):
        i, kind, six = r.randint(0, 2), r.random(), r.random() < 0.4
        if kind < 0.3:
            a = mine()
            c = "ip addr add %s dev eth%d%s" % (a, i, " nodad" if ":" in a else r.choice(["", " brd +"]))
        elif kind < 0.5:
            c = "ip addr del %s dev eth%d" % (r.choice(["10.%d.0.1/24" % i, "fd00:%d::1/64" % i, "10.%d.0.20/24" % i, "fd00:%d::20/64" % i]), i)
            c = c.replace("fd00:0::", "fd00::")
        elif kind < 0.65:
            c = "ip link set eth%d %s" % (i, "up" if on.get(i) else "down")
            on[i] = not on.get(i)
        elif kind < 0.85:
            verb = r.choice(["add", "add", "replace", "del"])
            dst = r.choice(["2001:db8::/32", "2001:db8:1::/48", "default"] if six else ["192.0.2.0/24", "192.0.0.0/8", "default", "10.2.0.0/25"])
            via = ("via fd00:%d::%d" if six else "via 10.%d.0.%d") % (i, r.randint(2, 5))
            c = "ip %sroute %s %s %s%s" % ("-6 " if six else "", verb, dst, via, r.choice(["", "", " metric 5"]))
        else:
            c = "sysctl " + r.choice(["net.ipv4.conf.eth%d.rp_filter=%d" % (i, r.randint(0, 2)), "net.ipv4.conf.eth%d.forwarding=%d" % (i, r.randint(0, 1)),
                                      "net.ipv4.conf.eth%d.promote_secondaries=%d" % (i, r.randint(0, 1)), "net.ipv6.conf.eth%d.forwarding=%d" % (i, r.randint(0, 1)),
                                      "net.ipv4.conf.eth%d.accept_local=%d" % (i, r.randint(0, 1)), "net.ipv4.ip_forward=%d" % r.randint(0, 1)])
        items.append(Do(c))
        for n in range(4):
            six = r.random() < 0.4
            pick = (lambda: r.choice(["fd00::2", "fd00:1::3", "fd00:2::4", "fd00::1", "fd00:1::1", "fd00:2::20", "2001:db8::1", "2001:db8:1::1"])) if six else (
                lambda: r.choice(["10.0.0.2", "10.1.0.3", "10.2.0.4", "10.0.0.1", "10.1.0.1", "10.2.0.20", "192.0.2.1", "192.1.1.1", "10.1.0.255", "10.2.0.127"]))
            items.append(Send(r.choice(["eth0", "eth1", "eth2"]), u(pick(), pick()), gap=0 if n else 0.03))
        items.append(Send(None, u("0.0.0.0", r.choice(["10.0.0.2", "10.1.0.3", "192.0.2.1", "10.2.0.1"]))))
    return items


def cases():
    for name, items, kw in v4():
        yield Case("v4-" + name, items, covers=["route", "ipv4"], **kw)
    for name, items, kw in v6():
        yield Case("v6-" + name, items, covers=["route", "ipv6"], **kw)
    for name, items, kw in addrtypes():
        yield Case(name, items, covers=["addrtype", "route"], **kw)
    for seed in range(30):
        for six in (0, 1):
            items, kw = random_world(seed, six)
            yield Case("v%d-random-%d" % (6 if six else 4, seed), items, covers=["route", "ipv6" if six else "ipv4"], **kw)
    for seed in range(60):
        yield Case("churn-%d" % seed, random_churn(seed), covers=["route", "ipv4", "ipv6"])
