"""Targets that send, trace, translate or take packets away: TEE, TRACE, SNPT and DNPT, TPROXY, IDLETIMER."""
from case import Case, Do, Send
from packets import *

A, A2, B, C, R0, R1 = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, A62, B6, C6, R06, R16 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:2::2", "fd00::1", "fd00:1::1"
HBH = (0, b"\0\0\x01\x04\0\0\0\0")
DST = (60, b"\0\x01\x01\x0c" + b"\0" * 12)
HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def table(name, *rules):
    return "*%s\n%s\nCOMMIT\n" % (name, "\n".join(rules))


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def all_ways4():
    return [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", tcp(1, 2, "S")(ip(A, R0))), Send("eth0", echo(1, 2)(ip(A, B, df=True, tos=0x10))), Send(None, udp(1, 2)(ip(R1, B))),
            Send("eth0", udp(1, 2)(ip(A, B, options=b"\x01" * 4))), Send("eth0", udp(1, 2)(ip(A, "10.0.0.255")), dst="ff:ff:ff:ff:ff:ff")]


def all_ways6():
    return [Send("eth0", udp(1, 2)(ip(A6, B6))), Send("eth0", tcp(1, 2, "S")(ip(A6, R06))), Send("eth0", echo(1, 2)(ip(A6, B6, tos=0x10, flow=77))), Send(None, udp(1, 2)(ip(R16, B6))),
            Send("eth0", udp(1, 2)(ip(A6, B6, ext=[HBH])))]


def tee_cases():
    cov = ["TEE"]
    for h in HOOKS:
        v4 = "*mangle\n-A %s -j TEE --gateway 10.2.0.5\n-A OUTPUT -d 10.1.0.2\n-A POSTROUTING -o eth2\n-A POSTROUTING -i eth2 -o eth2\n-A POSTROUTING -i eth0\nCOMMIT\n" % h
        v6 = "*mangle\n-A %s -j TEE --gateway fd00:2::5\n-A OUTPUT\n-A POSTROUTING -o eth2\n-A POSTROUTING -i eth2 -o eth2\n-A POSTROUTING -i eth0\nCOMMIT\n" % h
        yield Case("TEE-%s-4" % h, all_ways4(), v4=v4 + table("filter", "-A OUTPUT", "-A FORWARD"), covers=cov)
        yield Case("TEE-%s-6" % h, all_ways6(), v6=v6 + table("filter", "-A OUTPUT", "-A FORWARD"), covers=cov)
        yield Case("TEE-%s-ct" % h, all_ways4() + all_ways6(), v4=v4 + table("filter", "-A OUTPUT -m conntrack --ctstate UNTRACKED", "-A OUTPUT"),
                   v6=v6 + table("filter", "-A OUTPUT -m conntrack --ctstate UNTRACKED", "-A OUTPUT"), conntrack="on", covers=cov)
    ttls = (0, 1, 2, 64, 255)
    for h in ("PREROUTING", "FORWARD", "INPUT"):
        yield Case("TEE-ttl-%s" % h, send([udp(1, 2)(ip(A, d, ttl=t)) for t in ttls for d in (B, R0)]) + send([udp(1, 2)(ip(A6, d, ttl=t)) for t in ttls for d in (B6, R06)]),
                   v4=table("mangle", "-A %s -j TEE --gateway 10.2.0.5" % h), v6=table("mangle", "-A %s -j TEE --gateway fd00:2::5" % h), covers=cov)
    for name, gw, gw6, oif in (("routed", "192.0.2.1", "2001:db8::1", ""), ("self", R0, R06, ""), ("same-link", A2, A62, ""), ("oif", "10.2.0.5", "fd00:2::5", " --oif eth2"), ("oif-other", "10.0.0.5", "fd00::5", " --oif eth1"),
                               ("oif-none", "10.2.0.5", "fd00:2::5", " --oif nope0"), ("loop", "127.0.0.1", "::1", ""), ("group", "224.0.0.9", "ff02::9", "")):
        yield Case("TEE-gateway-" + name, [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A6, B6)))], v4=table("mangle", "-A PREROUTING ! -i lo -j TEE --gateway %s%s" % (gw, oif)),
                   v6=table("mangle", "-A PREROUTING ! -i lo -j TEE --gateway %s%s" % (gw6, oif)), covers=cov)
    yield Case("TEE-no-route", [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A6, B6)))], net=["route add unreachable 172.17.0.0/16", "-6 route add unreachable 2001:db8:9::/48"],
               v4=table("mangle", "-A PREROUTING -j TEE --gateway 172.17.0.1"), v6=table("mangle", "-A PREROUTING -j TEE --gateway 2001:db8:9::1"), covers=cov)
    yield Case("TEE-twice", all_ways4() + all_ways6(), v4=table("mangle", "-A PREROUTING -j TEE --gateway 10.2.0.5", "-A PREROUTING -j TEE --gateway 10.2.0.6", "-A OUTPUT -j TEE --gateway 10.2.0.7", "-A POSTROUTING -j TEE --gateway 10.2.0.8"),
               v6=table("mangle", "-A PREROUTING -j TEE --gateway fd00:2::5", "-A POSTROUTING -j TEE --gateway fd00:2::8"), covers=cov)
    big = b"x" * 1400
    yield Case("TEE-too-big", [Send("eth0", udp(1, 2, big)(ip(A, B))), Send("eth0", udp(1, 2, big)(ip(A6, B6)))], net=["link set eth2 mtu 1300"], v4=table("mangle", "-A PREROUTING -j TEE --gateway 10.2.0.5"),
               v6=table("mangle", "-A PREROUTING -j TEE --gateway fd00:2::5"), covers=cov)
    for ct in ("auto", "on"):
        yield Case("TEE-fragments-" + ct, send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])) + send(fragments6(udp(1, 2, b"x" * 80)(ip(A6, B6)), [40, 24], 7)), conntrack=ct,
                   v4=table("mangle", "-A PREROUTING -j TEE --gateway 10.2.0.5"), v6=table("mangle", "-A FORWARD -j TEE --gateway fd00:2::5"), covers=cov)
    yield Case("TEE-nat", [Send("eth0", tcp(1, 2, "S")(ip(A, R0))), Send("eth0", udp(5, 6)(ip(A, B)))], v4="*mangle\n-A PREROUTING -j TEE --gateway 10.2.0.5\n-A POSTROUTING -j TEE --gateway 10.2.0.6\nCOMMIT\n"
               "*nat\n-A PREROUTING -d 10.0.0.1 -j DNAT --to-destination 10.1.0.2\n-A POSTROUTING -p udp -j SNAT --to-source 10.1.0.1\nCOMMIT\n", covers=cov)
    yield Case("TEE-dropped", all_ways4(), v4=table("mangle", "-A PREROUTING -j TEE --gateway 10.2.0.5", "-A PREROUTING -j DROP") + table("filter", "-A OUTPUT -j REJECT"), covers=cov)


def trace_cases():
    cov = ["TRACE"]
    rest = "*mangle\n:x - [0:0]\n:y - [0:0]\n-A PREROUTING -j x\n-A FORWARD -g y\n-A x -p udp -j RETURN\n-A x -j MARK --set-mark 5\n-A x -j RETURN\n-A y -m mark --mark 5\n-A y -p icmp -j ACCEPT\nCOMMIT\n" \
           "*filter\n:z - [0:0]\n-A FORWARD -p tcp -j z\n-A FORWARD -j ACCEPT\n-A INPUT -j DROP\n-A z -s %s -j DROP\n-A z -j ACCEPT\nCOMMIT\n"
    for v, key, ways, src in ((4, "v4", all_ways4, A), (6, "v6", all_ways6, A6)):
        for hook in ("PREROUTING", "OUTPUT"):
            text = "*raw\n-A %s -j TRACE\n-A %s\nCOMMIT\n" % (hook, hook) + rest % src
            yield Case("TRACE-%s-%d" % (hook, v), ways(), covers=cov, **{key: text})
            yield Case("TRACE-%s-ct-%d" % (hook, v), ways(), conntrack="on", covers=cov, **{key: text})
        yield Case("TRACE-some-%d" % v, ways(), covers=cov, **{key: "*raw\n-A PREROUTING -p tcp -j TRACE\nCOMMIT\n*filter\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n*mangle\n-A OUTPUT\nCOMMIT\n"})
        yield Case("TRACE-policy-%d" % v, ways(), covers=cov, **{key: "*raw\n-A PREROUTING -j TRACE\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n:INPUT DROP [0:0]\nCOMMIT\n"})
    yield Case("TRACE-nat", [Send("eth0", tcp(1, 2, "S")(ip(A, R0))), Send("eth1", tcp(2, 1, "SA", 5, 1)(ip(B, A)))], v4="*raw\n-A PREROUTING -j TRACE\nCOMMIT\n*nat\n-A PREROUTING -d 10.0.0.1 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n", covers=cov)
    yield Case("TRACE-fragments", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4="*raw\n-A PREROUTING -j TRACE\nCOMMIT\n*filter\n-A FORWARD -f\nCOMMIT\n", covers=cov)
    yield Case("TRACE-options", send([tcp(1, 2, "S", options=mss(1460), seq=9)(ip(A, B, options=b"\x01" * 4))]), v4="*raw\n-A PREROUTING -j TRACE\n-A PREROUTING -j ACCEPT\nCOMMIT\n", covers=cov)
    yield Case("TRACE-lo", [Send(None, udp(1, 2)(ip(R1, R0)))], v4="*raw\n-A OUTPUT -j TRACE\n-A PREROUTING\nCOMMIT\n*mangle\n-A PREROUTING\n-A INPUT\nCOMMIT\n", covers=cov)


def npt_cases():
    cov = ["SNPT", "DNPT"]
    inner = lambda s, d: udp(9, 9)(ip(s, d))
    packets = [u(ip(A6, B6)) for u in (udp(1000, 53), tcp(1000, 80, "S"), echo(5, 6))] + [icmp(t, 0, data=inner(B6, A6))(ip(A6, B6)) for t in (1, 2, 3, 4, 128, 200)]
    packets += [icmp(1, 0, data=inner("2001:db8::1", A6)[:n])(ip(A6, B6)) for n in (0, 39, 40)] + [udp(1, 2)(ip(A6, B6, ext=[HBH])), icmp(1, 0, data=inner(B6, A6))(ip(A6, B6, ext=[HBH]))]
    packets += [udp(1, 2)(ip(s, B6)) for s in ("fd00::ffff:ffff:ffff:ffff", "fd00::ffff:1:1:1", "fd00::ffff:ffff:1:1", "fd00:0:0:ffff::1", "fd00:0:0:1:2:3:4:5")]
    for n, (a, b) in enumerate((("fd00::/64", "2001:db8:1:2::/64"), ("fd00::/48", "2001:db8:1::/48"), ("fd00::/16", "2001:db8::/32"), ("fd00::/33", "2001:db8:8000::/33"), ("fd00::/63", "2001:db8:1:2::/63"),
                                ("fd00::/8", "fd00::/8"), ("fd00::/56", "2001:db8:aa:bb00::/60"), ("::/0", "2001:db8::/56"), ("fd00::/64", "ffff:ffff:ffff:ffff::/64"), ("fd00::/49", "::/0"))):
        yield Case("SNPT-%d" % n, send(packets), v6=table("mangle", "-A POSTROUTING -o eth1 -j SNPT --src-pfx %s --dst-pfx %s" % (a, b), "-A POSTROUTING -s fd00::/16"), covers=["SNPT"])
    back = [u(ip(B6, "fd00:9::2")) for u in (udp(1000, 53), tcp(1000, 80, "S"), echo(5, 6))] + [icmp(t, 0, data=inner("fd00:9::2", B6))(ip(B6, "fd00:9::2")) for t in (1, 2, 3, 4, 129)]
    back += [udp(1, 2)(ip(B6, "fd00:9::ffff:ffff:ffff:ffff")), udp(1, 2)(ip(B6, "fd00:9:0:ffff::2"))]
    for n, (a, b) in enumerate((("fd00:9::/64", "fd00:2::/64"), ("fd00:9::/48", "fd00:2::/48"), ("fd00:9::/32", "fd00:2::/32"), ("fd00:9::/56", "fd00:2::/56"), ("fd00:9::/64", "fd00:1::/64"), ("fd00:9::/64", "fd00::/64"))):
        yield Case("DNPT-%d" % n, send(back, "eth1"), v6=table("mangle", "-A PREROUTING -d fd00:9::/32 -j DNPT --src-pfx %s --dst-pfx %s" % (a, b), "-A FORWARD"), covers=["DNPT"])
    yield Case("NPT-pair", [Send("eth0", udp(1000, 53)(ip(A6, B6))), Send("eth1", lambda out: udp(53, 1000)(ip(B6, socket_text(out[0][0][1][22:38]))) if out.get(0) else None)],
               v6=table("mangle", "-A POSTROUTING -o eth1 -j SNPT --src-pfx fd00::/64 --dst-pfx fd00:77::/64", "-A PREROUTING -i eth1 -j DNPT --src-pfx fd00:77::/64 --dst-pfx fd00::/64"), covers=cov)
    yield Case("SNPT-in", send([udp(1, 2)(ip(A6, R06)), echo(1, 2)(ip(A6, R06))]), v6=table("mangle", "-A INPUT -j SNPT --src-pfx fd00::/64 --dst-pfx fd00:77::/64"), covers=["SNPT"])
    yield Case("DNPT-out", [Send(None, udp(1, 2)(ip(R16, "fd00:9::2"))), Send(None, echo(1, 2)(ip(R16, "fd00:9::3"))), Send(None, icmp(1, 0, data=inner("fd00:9::2", R16))(ip(R16, "fd00:9::2")))],
               v6=table("mangle", "-A OUTPUT -j DNPT --src-pfx fd00:9::/64 --dst-pfx fd00:2::/64"), covers=["DNPT"])
    for ct in ("auto", "on"):
        yield Case("SNPT-fragments-" + ct, send(fragments6(udp(1000, 53, b"x" * 200)(ip(A6, B6)), [40, 80], 7)) + send(fragments6(icmp(1, 0, data=inner(B6, A6) + b"x" * 50)(ip(A6, B6)), [40, 24], 9)), conntrack=ct,
                   v6=table("mangle", "-A POSTROUTING -o eth1 -j SNPT --src-pfx fd00::/64 --dst-pfx fd00:77::/64"), covers=["SNPT"])
    for what, pfx in (("prefix", "fd00::/64"), ("other", "fd00:55::/64")):  # an error made here, whose sum NAT asks for
        for where in ("OUTPUT", "POSTROUTING"):
            for side in ("DNPT", "SNPT"):
                yield Case("%s-made-error-%s-%s" % (side, what, where.lower()), send([udp(1000, 53)(ip(A6, B6, ttl=1)), echo(1, 2)(ip(A6, B6, ttl=1))]), conntrack="on",
                           v6=table("mangle", "-A %s -j %s --src-pfx %s --dst-pfx fd00:77::/64" % (where, side, pfx if side == "DNPT" or what == "other" else "fd00::/64")) +
                           table("nat", "-A POSTROUTING -s fd00:5::/64 -j MASQUERADE"), covers=[side])
    yield Case("NPT-conntrack", [Send("eth0", udp(1000, 53)(ip(A6, B6))), Send("eth1", udp(53, 1000)(ip(B6, A6)))], conntrack="on",
               v6=table("mangle", "-A POSTROUTING -o eth1 -j SNPT --src-pfx fd00::/64 --dst-pfx fd00:77::/64", "-A FORWARD -m conntrack --ctstate NEW", "-A FORWARD -m conntrack --ctstate ESTABLISHED"), covers=cov)


def taken_cases():
    both4 = ("-A PREROUTING -p tcp -j TPROXY --on-port 8080 --tproxy-mark 1", "-A PREROUTING -p udp -j TPROXY --on-port 0 --on-ip %s --tproxy-mark 2/3", "-A PREROUTING")
    odd4 = [raw(p, b"\1\2\3\4\5\6\7\x08"[:n])(ip(A, B)) for p in (6, 17) for n in (0, 4, 7, 8)]
    odd6 = [raw(p, b"\1\2\3\4\5\6\7\x08"[:n])(ip(A6, B6)) for p in (6, 17) for n in (0, 4, 7, 8)]
    for ct in ("auto", "on"):
        yield Case("TPROXY-4-" + ct, all_ways4() + send(odd4) + send([tcp(1, 2, f)(ip(A, B)) for f in ("S", "A", "R", "SA")]), v4=table("mangle", *[r.replace("%s", R0) for r in both4]), conntrack=ct, covers=["TPROXY"])
        yield Case("TPROXY-6-" + ct, all_ways6() + send(odd6) + send([tcp(1, 2, f)(ip(A6, B6)) for f in ("S", "A", "R", "SA")]), v6=table("mangle", *[r.replace("%s", R06) for r in both4]), conntrack=ct, covers=["TPROXY"])
        yield Case("TPROXY-fragments-4-" + ct, send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])) + send(fragments4(raw(47, b"x" * 80)(ip(A, B)), [40, 24])), conntrack=ct, v4=table("mangle", *[r.replace("%s", R0) for r in both4]), covers=["TPROXY"])
        yield Case("TPROXY-fragments-6-" + ct, send(fragments6(udp(1, 2, b"x" * 80)(ip(A6, B6)), [40, 24], 7)) + send(fragments6(raw(47, b"x" * 80)(ip(A6, B6)), [40, 24], 8)), conntrack=ct, v6=table("mangle", *[r.replace("%s", R06) for r in both4]), covers=["TPROXY"])
    yield Case("TPROXY-refused", all_ways4(), v4=table("mangle", "-A PREROUTING -j TPROXY --on-port 1"), covers=["TPROXY"])
    yield Case("TPROXY-refused-hook", all_ways4(), v4=table("mangle", "-A FORWARD -p tcp -j TPROXY --on-port 1"), covers=["TPROXY"])
    for v, ways in ((4, all_ways4), (6, all_ways6)):
        for n, (t, hook) in enumerate((("filter", "FORWARD"), ("mangle", "PREROUTING"), ("raw", "OUTPUT"), ("filter", "INPUT"))):
            label = "wr%d%d" % (v, n)
            yield Case("IDLETIMER-%s" % label, ways(), covers=["IDLETIMER"], **{"v%d" % v: table(t, "-A %s -j IDLETIMER --timeout 600 --label %s%s" % (hook, label, " --alarm" if n == 1 else ""), "-A " + hook)})
    yield Case("IDLETIMER-refused", all_ways4(), v4=table("filter", "-A FORWARD -j IDLETIMER --timeout 0 --label wrx"), covers=["IDLETIMER"])


def label_cases():
    cov = ["CONNSECMARK"]
    items = [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth1", udp(53, 1000)(ip(B, A))), Send("eth0", tcp(5, 6, "SA", 1, 2)(ip(A, B)))]
    six = [Send("eth0", udp(1000, 53)(ip(A6, B6))), Send("eth1", udp(53, 1000)(ip(B6, A6)))]
    for mode in ("save", "restore"):
        for hook in ("PREROUTING", "FORWARD", "POSTROUTING"):
            yield Case("CONNSECMARK-%s-%s" % (mode, hook), items + six, v4=table("mangle", "-A %s -j CONNSECMARK --%s" % (hook, mode), "-A %s -m conntrack --ctstate ESTABLISHED" % hook),
                       v6=table("mangle", "-A %s -j CONNSECMARK --%s" % (hook, mode)), covers=cov)
        # the rule alone switches connection tracking on
        yield Case("CONNSECMARK-%s-only" % mode, items, v4=table("security", "-A FORWARD -j CONNSECMARK --" + mode), covers=cov)
        yield Case("CONNSECMARK-%s-refused" % mode, items, v4=table("filter", "-A FORWARD -j CONNSECMARK --" + mode), covers=cov)
    # no security module here: the kernel refuses the rule wherever it stands, and packets go on without it
    for n, (t, hook, wanted) in enumerate((("mangle", "PREROUTING", "-p udp"), ("mangle", "POSTROUTING", "-m conntrack --ctstate NEW"), ("security", "INPUT", "-i eth0"), ("security", "OUTPUT", ""),
                                           ("raw", "PREROUTING", "-p tcp"), ("nat", "POSTROUTING", ""))):
        for v, sent in ((4, items), (6, six)):
            rules = {"v%d" % v: table(t, "-A %s %s -j SECMARK --selctx unconfined_u:object_r:y_t:s%d" % (hook, wanted, n), "-A %s %s" % (hook, wanted))}
            yield Case("SECMARK-refused-%s-%s-%d" % (t, hook, v), sent, covers=["SECMARK"], **rules)
    for t in ("mangle", "security", "filter"):
        yield Case("SECMARK-refused-" + t, items, v4=table(t, "-A FORWARD -j SECMARK --selctx system_u:object_r:x_t:s0"), covers=["SECMARK"])


def socket_text(raw_addr):
    import socket
    return socket.inet_ntop(socket.AF_INET6, raw_addr)


def cases():
    for group in (tee_cases, trace_cases, npt_cases, taken_cases, label_cases):
        yield from group()
