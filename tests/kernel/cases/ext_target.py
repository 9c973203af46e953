"""Each target of issue 2: what it changes, what it sends, what it says."""
from case import Case, Do, Send
from packets import *

A, A2, B, C, R0, R1 = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1"
A6, A62, B6, C6, R06, R16 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:2::2", "fd00::1", "fd00:1::1"
WAYS4 = ("icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-port-unreachable", "icmp-net-prohibited",
         "icmp-host-prohibited", "icmp-admin-prohibited")
WAYS6 = ("icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable", "icmp6-policy-fail", "icmp6-reject-route")
HBH = (0, b"\0\0\x01\x04\0\0\0\0")
DST = (60, b"\0\x01\x01\x0c" + b"\0" * 12)


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def reject_cases():
    cov = ["REJECT"]
    for way in WAYS4:
        yield Case("reject-" + way, send([udp(1, 2)(ip(A, B)), tcp(1, 2, "S", 7)(ip(A, B, tos=0x1c))]), v4=chain("filter", "FORWARD", ["-j REJECT --reject-with " + way]), covers=cov)
    for way in WAYS6:
        yield Case("reject-" + way, send([udp(1, 2)(ip(A6, B6)), tcp(1, 2, "S", 7)(ip(A6, B6, tos=0x1c, flow=77))]), v6=chain("filter", "FORWARD", ["-j REJECT --reject-with " + way]), covers=cov)
    # what is quoted: sizes around the limits
    yield Case("reject-quotes-4", send([udp(1, 2, b"x" * n)(ip(A, B, tos=t)) for n, t in ((0, 0), (1, 3), (519, 0xff), (520, 0), (521, 0x10), (1472, 0xb8))]),
               v4=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-quotes-6", send([udp(1, 2, b"x" * n)(ip(A6, B6)) for n in (0, 1, 1183, 1184, 1185, 1452)]), v6=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-ip-options", send([udp(1, 2)(ip(A, B, options=o)) for o in (b"\x01" * 4, b"\x07\x0b\x04" + b"\0" * 8, b"\x44\x0c\x05\0" + b"\0" * 8)]),
               v4=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    for hook, a, dst, dst6 in (("INPUT", A, R0, R06), ("INPUT", A, R1, R16)):
        name = "in" if dst == R0 else "in-other-address"
        yield Case("reject-%s-4" % name, send([udp(1, 2)(ip(A, dst)), tcp(1, 2, "S", 7)(ip(A, dst)), echo(1, 1)(ip(A, dst))]), v4=chain("filter", hook, ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
        yield Case("reject-%s-6" % name, send([udp(1, 2)(ip(A6, dst6)), tcp(1, 2, "S", 7)(ip(A6, dst6)), echo(1, 1)(ip(A6, dst6))]), v6=chain("filter", hook, ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-out-4", [Send(None, udp(1, 2)(ip(R1, B))), Send(None, tcp(1, 2, "S", 7)(ip(R1, B))), Send(None, udp(1, 2)(ip(R0, B)))],
               v4=chain("filter", "OUTPUT", ["-p tcp -j REJECT --reject-with tcp-reset", "-p udp -j REJECT"]), covers=cov)
    yield Case("reject-out-6", [Send(None, udp(1, 2)(ip(R16, B6))), Send(None, tcp(1, 2, "S", 7)(ip(R16, B6))), Send(None, udp(1, 2)(ip(R06, B6)))],
               v6=chain("filter", "OUTPUT", ["-p tcp -j REJECT --reject-with tcp-reset", "-p udp -j REJECT"]), covers=cov)
    # what is answered
    yield Case("reject-group-4", send([udp(1, 2)(ip(A, d)) for d in ("10.0.0.255", "255.255.255.255", "224.0.0.1")]) + [Send("eth0", udp(1, 2)(ip(A, R0)), dst="ff:ff:ff:ff:ff:ff")] +
               send([tcp(1, 2, "S", 7)(ip(A, d)) for d in ("10.0.0.255", "224.0.0.1")]),
               v4=chain("filter", "INPUT", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-group-6", send([udp(1, 2)(ip(A6, "ff02::1"))]) + [Send("eth0", udp(1, 2)(ip(A6, R06)), dst="33:33:00:00:00:01")] + send([tcp(1, 2, "S", 7)(ip(A6, "ff02::1"))]),
               v6=chain("filter", "INPUT", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-icmp-4", send([icmp(t, c, data=udp(9, 9)(ip(B, A)))(ip(A, B)) for t, c in ((8, 0), (0, 0), (3, 3), (4, 0), (5, 0), (11, 0), (12, 0), (13, 0), (18, 0), (19, 0), (40, 0), (255, 0))]),
               v4=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-icmp-6", send([icmp(t, c, data=udp(9, 9)(ip(B6, A6)))(ip(A6, B6)) for t, c in ((128, 0), (129, 0), (1, 4), (2, 0), (3, 0), (4, 0), (100, 0), (127, 0), (137, 0), (200, 0))]),
               v6=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-protocols-4", send([raw(n, d)(ip(A, B)) for n in (2, 41, 47, 50, 51, 89, 108, 132, 136, 33, 253) for d in (b"12345678", b"\xff\xff" + b"\0" * 6)]),
               v4=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-protocols-6", send([raw(n, b"12345678")(ip(A6, B6)) for n in (2, 4, 47, 50, 89, 132, 136, 33, 253, 59)]), v6=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-checksums-4", send([udp(1, 2, check=0)(ip(A, B)), udp(1, 2, check=0x1234)(ip(A, B)), tcp(1, 2, "S", 7, check=0x1234)(ip(A, B)), icmp(8, 0, check=1)(ip(A, B)),
                                           raw(17, b"1234567")(ip(A, B)), raw(17, b"")(ip(A, B)), raw(6, b"\xff\xff")(ip(A, B))]),
               v4=chain("filter", "FORWARD", ["-p tcp -m length --length 40 -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-checksums-6", send([udp(1, 2, check=0)(ip(A6, B6)), udp(1, 2, check=0x1234)(ip(A6, B6)), tcp(1, 2, "S", 7, check=0x1234)(ip(A6, B6)), icmp(128, 0, check=1)(ip(A6, B6)),
                                           raw(17, b"1234567")(ip(A6, B6)), raw(17, b"")(ip(A6, B6))]),
               v6=chain("filter", "FORWARD", ["-p tcp -m length --length 60 -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-headers-6", send([u(ip(A6, B6, ext=e)) for u in (udp(1, 2), tcp(1, 2, "S", 7)) for e in ([HBH], [DST], [HBH, DST], [(44, b"\0\0\0\0\0\0\0\x05")], [(43, b"\0\0\x03\0\0\0\0\0")], [(51, b"\0\x04\0\0" + b"\1" * 20)])]),
               v6=chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-fragments-4", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-fragments-ct-4", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4=chain("filter", "FORWARD", ["-j REJECT"]), conntrack="on", covers=cov)
    yield Case("reject-fragments-6", send(fragments6(udp(1, 2, b"x" * 80)(ip(A6, B6)), [40, 24], 7)), v6=chain("filter", "FORWARD", ["-j REJECT"]), covers=cov)
    yield Case("reject-fragments-ct-6", send(fragments6(udp(1, 2, b"x" * 80)(ip(A6, B6)), [40, 24], 7)), v6=chain("filter", "FORWARD", ["-j REJECT"]), conntrack="on", covers=cov)
    # resets
    shapes = ("S", "A", "SA", "FA", "F", "PA", "U", 0, "R", "RA", "SF", "SE", "FPU")
    for v, a, b in ((4, A, B), (6, A6, B6)):
        reset = {"v%d" % v: chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset"])}
        yield Case("reset-flags-%d" % v, send([tcp(1000, 80, f, 1000, 2000, data=b"x" * n)(ip(a, b, ttl=9)) for f in shapes for n in (0, 3)]), covers=cov, **reset)
        yield Case("reset-numbers-%d" % v, send([tcp(1000, 80, f, s, k, data=d)(ip(a, b)) for f, s, k, d in (("S", 0xffffffff, 0, b""), ("F", 0xffffffff, 0, b"xyz"), ("A", 5, 0, b""), ("A", 0, 0xffffffff, b""))]), covers=cov, **reset)
        yield Case("reset-options-%d" % v, send([tcp(1000, 80, "S", 9, options=mss(1460) + wscale(7))(ip(a, b)), tcp(1000, 80, "S", 9, doff=4)(ip(a, b)), tcp(1000, 80, "S", 9, doff=15)(ip(a, b)), tcp(1000, 80, "S", 9, doff=0, data=b"x")(ip(a, b))]), covers=cov, **reset)
        yield Case("reset-short-%d" % v, send([raw(6, (b"\x03\xe8\0\x50" + b"\0" * 20)[:n])(ip(a, b)) for n in (0, 4, 19, 20)]), covers=cov, **reset)
        yield Case("reset-conntrack-%d" % v, [
            Send("eth0", tcp(1000, 80, "S", 1)(ip(a, b))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(b, a))), Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, b))),
            Send("eth0", tcp(1000, 80, "PA", 2, 10, data=b"bad")(ip(a, b))), Send("eth1", tcp(80, 1000, "A", 10, 2)(ip(b, a))), Send("eth0", tcp(1000, 80, "PA", 2, 10, data=b"bad")(ip(a, b)))],
            conntrack="on", covers=cov, **{"v%d" % v: chain("filter", "FORWARD", ["-p tcp -m tcp --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset"])})
        yield Case("reject-conntrack-%d" % v, [Send("eth0", udp(1000, 53)(ip(a, b))), Send("eth0", tcp(1001, 80, "S", 1)(ip(a, b))), Send("eth0", echo(3, 1)(ip(a, b)))],
                   conntrack="on", covers=cov, **{"v%d" % v: chain("filter", "FORWARD", ["-m conntrack --ctstate NEW -j REJECT"]) + chain("mangle", "OUTPUT", [
                       "-m conntrack --ctstate RELATED", "-m conntrack --ctstate NEW", "-m conntrack --ctdir REPLY", "-m conntrack --ctstatus CONFIRMED"])})
    yield Case("reject-fwmark", send([tcp(1, 2, "S", 7)(ip(A, B)), udp(1, 2)(ip(A, B))]), sysctl={"net.ipv4.fwmark_reflect": 1},
               v4="*mangle\n-A PREROUTING -j MARK --set-mark 7\n-A OUTPUT -m mark --mark 7\n-A OUTPUT -m mark --mark 0\nCOMMIT\n*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -j REJECT\nCOMMIT\n",
               covers=cov)
    yield Case("reject-ttl-sysctl", send([tcp(1, 2, "S", 7)(ip(A, B)), udp(1, 2)(ip(A, B))]), sysctl={"net.ipv4.ip_default_ttl": 77},
               v4=chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-route-away", send([tcp(1, 2, "S", 7)(ip("172.16.0.1", B)), udp(1, 2)(ip("172.16.0.1", B)), tcp(1, 2, "S", 7)(ip("172.17.0.1", B)), udp(1, 2)(ip("172.17.0.1", B))]),
               net=["route add 172.16.0.0/16 via 10.2.0.9", "route add unreachable 172.17.0.0/16"],
               v4=chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov)
    yield Case("reject-dnat", [Send("eth0", tcp(1000, 80, "S", 7)(ip(A, R0))), Send("eth0", udp(1000, 80)(ip(A, R0)))],
               v4="*nat\n-A PREROUTING -d 10.0.0.1 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n" + chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]), covers=cov + ["DNAT"])


def mark_cases():
    sets = ["--set-mark 1", "--set-mark 0x10/0xf0", "--set-xmark 0xff/0x0f", "--and-mark 0xf7", "--or-mark 0x100", "--xor-mark 0x111"]
    reads = ["-m mark --mark %s" % m for m in ("1", "0x10/0xf0", "0xff/0xff", "0x100/0x100", "0x111", "0xe0/0xff")]
    rules = [r for i, s in enumerate(sets) for r in ["-j MARK " + s] + reads]
    yield Case("MARK-4", send([udp(1, 2)(ip(A, B))]), v4=chain("mangle", "PREROUTING", rules), covers=["MARK", "mark"])
    yield Case("MARK-6", send([udp(1, 2)(ip(A6, B6))]), v6=chain("mangle", "FORWARD", rules), covers=["MARK", "mark"])
    yield Case("MARK-routes", send([udp(1, d)(ip(A, "192.0.2.1")) for d in (1, 2)]), v4=chain("mangle", "PREROUTING", ["-p udp --dport 2 -j MARK --set-mark 7"]),
               net=["rule add fwmark 7 table 77", "route add default via 10.2.0.9 table 77"], covers=["MARK"])
    ops = ["--set-mark 0x21", "--set-xmark 0x3/0xf", "--save-mark", "--save-mark --nfmask 0xf0 --ctmask 0xff", "--restore-mark", "--restore-mark --nfmask 0xff00 --ctmask 0xff",
           "--and-mark 0x1f", "--or-mark 0x300", "--xor-mark 0x201", "--set-mark 0x5 --left-shift-mark 4", "--save-mark --right-shift-mark 4", "--restore-mark --left-shift-mark 8"]
    seen = ["-m connmark --mark %s" % m for m in ("0x21", "0x1/0x1", "0x300/0x300", "0x50", "0")] + ["-m mark --mark %s" % m for m in ("0x21", "0/0xff", "0x2100/0xff00", "0x1000/0x1000")]
    rules = ["-j MARK --set-mark 0x1234"] + [r for o in ops for r in ["-j CONNMARK " + o] + seen]
    items = [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth1", udp(53, 1000)(ip(B, A))), Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth0", tcp(5, 6, "SA", 1, 2)(ip(A, B)))]
    yield Case("CONNMARK-4", items, v4=chain("mangle", "FORWARD", rules), covers=["CONNMARK", "connmark"])
    for n, o in enumerate(ops):
        yield Case("CONNMARK-one-%d" % n, items, v4=chain("mangle", "FORWARD", ["-j MARK --set-mark 0x1234", "-j CONNMARK " + o, "-j CONNMARK --restore-mark"]) +
                   chain("mangle", "POSTROUTING", seen).replace("*mangle", "*security").replace("-A POSTROUTING", "-A FORWARD"), covers=["CONNMARK"])
    yield Case("CONNMARK-6", [Send("eth0", udp(1000, 53)(ip(A6, B6))), Send("eth1", udp(53, 1000)(ip(B6, A6)))], v6=chain("mangle", "FORWARD", rules), covers=["CONNMARK"])
    yield Case("CONNMARK-raw-untracked", items, v4=chain("raw", "PREROUTING", ["-j CONNMARK --set-mark 5", "-p udp -j CT --notrack", "-j CONNMARK --set-mark 6"]) + chain("mangle", "FORWARD", ["-j CONNMARK --restore-mark", "-m mark --mark 5", "-m mark --mark 0"]),
               covers=["CONNMARK"])


def ct_cases():
    items = [Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(B, A))), Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(A, B))),
             Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth1", udp(53, 1000)(ip(B, A))), Send("eth0", udp(1000, 53)(ip(A, B)), gap=2.1), Send("eth1", udp(53, 1000)(ip(B, A)))]
    for name, rules in (("notrack", ["-j CT --notrack"]), ("NOTRACK", ["-p udp -j NOTRACK"]), ("empty", ["-j CT"]), ("zone", ["-j CT --zone 5"]), ("zone-in", ["-i eth0 -j CT --zone 5"]),
                        ("zone-orig", ["-j CT --zone-orig 5"]), ("zone-reply", ["-j CT --zone-reply 7"]), ("zone-mark", ["-j MARK --set-mark 9", "-j CT --zone mark"]),
                        ("zone-orig-mark", ["-j CT --zone-orig mark"]), ("events-new", ["-j CT --ctevents new"]), ("events-destroy-reply", ["-j CT --ctevents destroy,reply"]),
                        ("events-proto", ["-p tcp -j CT --ctevents assured,protoinfo", "-p udp -j CT --ctevents mark"]), ("expevents", ["-j CT --expevents new"]),
                        ("twice", ["-j CT --zone 1", "-j CT --zone 2"]), ("notrack-then-zone", ["-j CT --notrack", "-j CT --zone 2"])):
        if name == "zone-mark":
            rules = ["-j CT --zone mark"]
        yield Case("CT-" + name, items, v4=chain("raw", "PREROUTING", rules), conntrack="on", covers=["CT"])
    yield Case("CT-zone-mark-set", items, v4="*raw\n-A PREROUTING -j MARK --set-mark 0x10009\n-A PREROUTING -j CT --zone mark\nCOMMIT\n", conntrack="on", covers=["CT"])
    yield Case("CT-zone-6", [Send("eth0", udp(1000, 53)(ip(A6, B6))), Send("eth1", udp(53, 1000)(ip(B6, A6)))], v6=chain("raw", "PREROUTING", ["-j CT --zone 3"]), covers=["CT"])
    yield Case("CT-out", [Send(None, udp(1000, 53)(ip(R1, B))), Send("eth1", udp(53, 1000)(ip(B, R1)))], v4="*raw\n-A OUTPUT -j CT --zone 3\n-A PREROUTING -j CT --zone 3\nCOMMIT\n", covers=["CT"])
    yield Case("CT-zone-fragments", send(fragments4(udp(1, 2, b"x" * 80)(ip(A, B)), [40, 24])), v4=chain("raw", "PREROUTING", ["-j CT --zone 3"]), covers=["CT"])
    yield Case("CT-notrack-errors", [Send("eth0", udp(1000, 53)(ip(A, B))), Send("eth1", icmp(3, 3, data=udp(1000, 53)(ip(A, B)))(ip(B, A)))],
               v4=chain("raw", "PREROUTING", ["-i eth0 -j CT --notrack"]) + chain("filter", "FORWARD", ["-m conntrack --ctstate %s" % s for s in ("NEW", "RELATED", "INVALID", "UNTRACKED")]), covers=["CT"])


def header_cases():
    ttls = (1, 2, 5, 64, 250, 255)
    for op, n in (("set", 1), ("set", 0), ("set", 255), ("inc", 1), ("inc", 200), ("dec", 1), ("dec", 5), ("dec", 255)):
        yield Case("TTL-%s-%d" % (op, n), send([udp(1, 2)(ip(A, B, ttl=t)) for t in ttls]), v4=chain("mangle", "PREROUTING", ["-j TTL --ttl-%s %d" % (op, n)]), covers=["TTL"])
        yield Case("HL-%s-%d" % (op, n), send([udp(1, 2)(ip(A6, B6, ttl=t)) for t in ttls]), v6=chain("mangle", "PREROUTING", ["-j HL --hl-%s %d" % (op, n)]), covers=["HL"])
    yield Case("TTL-post", send([udp(1, 2)(ip(A, B, ttl=t)) for t in ttls]), v4=chain("mangle", "POSTROUTING", ["-j TTL --ttl-set 0"]), covers=["TTL"])
    toses = (0, 1, 2, 3, 0x10, 0xb8, 0xbb, 0xff)
    rules = ["DSCP --set-dscp 0", "DSCP --set-dscp 46", "DSCP --set-dscp-class AF41", "DSCP --set-dscp 63", "TOS --set-tos 0x10", "TOS --set-tos 0x10/0x1e", "TOS --set-tos 0", "TOS --and-tos 0x0f",
             "TOS --or-tos 0xf0", "TOS --xor-tos 0xff", "TOS --set-tos Minimize-Delay"]
    for n, r in enumerate(rules):
        yield Case("ds-%d-4" % n, send([udp(1, 2)(ip(A, B, tos=t)) for t in toses]), v4=chain("mangle", "FORWARD", ["-j " + r]), covers=[r.split(" ")[0]])
        yield Case("ds-%d-6" % n, send([udp(1, 2)(ip(A6, B6, tos=t, flow=0xabcde)) for t in toses]), v6=chain("mangle", "FORWARD", ["-j " + r]), covers=[r.split(" ")[0]])
    yield Case("ds-out-reroutes", [Send(None, udp(1, 2)(ip(R1, "192.0.2.1")))], v4=chain("mangle", "OUTPUT", ["-j TOS --set-tos 0x10"]),
               net=["rule add tos 0x10 table 77", "route add default via 10.2.0.9 table 77"], covers=["TOS"])


def mss_cases():
    lists = [b"", mss(1460), mss(1400), mss(1399), mss(536), mss(0), mss(65535), wscale(7), wscale(7) + mss(1460), mss(1460) + SACK_OK + timestamp(1) + wscale(7), b"\x01\x01\x02\x04\x05\xb4\0\0",
             b"\x02\x03\x05\x01", b"\x02\x06\x05\xb4\0\0\0\0", b"\x00" + mss(1460)[:3], b"\x01" * 36, b"\x01" * 40, b"\x08\0" + mss(1460), b"\x01\x01\x01\x02", b"\xfe\xff\x02\x04\x05\xb4"]
    for v, a, b in ((4, A, B), (6, A6, B6)):
        key = "v%d" % v
        plain = [tcp(1000, 80, "S", 1, options=o)(ip(a, b)) for o in lists]
        for way in ("--set-mss 1400", "--set-mss 100", "--set-mss 65000", "--clamp-mss-to-pmtu"):
            yield Case("TCPMSS-%s-%d" % (way.strip("-").replace(" ", "-"), v), send(plain), covers=["TCPMSS"], **{key: chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS " + way])})
        odd = [tcp(1000, 80, f, 1, 2, options=mss(1460))(ip(a, b)) for f in ("S", "SA", "SF", "SR", "A")] + [tcp(1000, 80, "S", 1, data=b"x" * n, options=o)(ip(a, b)) for n in (1, 4) for o in (b"", mss(1460))]
        odd += [tcp(1000, 80, "S", 1, check=0x1234, options=o)(ip(a, b)) for o in (b"", mss(1460))] + [tcp(1000, 80, "S", 1, doff=d)(ip(a, b)) for d in (4, 6, 15)]
        yield Case("TCPMSS-odd-%d" % v, send(odd), covers=["TCPMSS"], **{key: chain("mangle", "FORWARD", ["-p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --set-mss 1400"])})
        for name, net in (("out", ["link set eth1 mtu 1300"]), ("back", ["link set eth0 mtu 1300"]), ("big", ["link set eth0 mtu 9000", "link set eth1 mtu 9000"])):
            yield Case("TCPMSS-clamp-%s-%d" % (name, v), send(plain[:4] + plain[6:7]), net=net, covers=["TCPMSS"], **{key: chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"])})
        yield Case("TCPMSS-conntrack-%d" % v, [Send("eth0", tcp(1000, 80, "S", 1)(ip(a, b))), Send("eth1", tcp(80, 1000, "SA", 9, 2, options=mss(1460))(ip(b, a))), Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, b)))],
                   conntrack="on", covers=["TCPMSS"], **{key: chain("mangle", "FORWARD", ["-p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --set-mss 1400"])})
        yield Case("TCPMSS-full-size-%d" % v, send([tcp(1000, 80, "S", 1, options=b"\x01" * 4)(ip(a, b))]), covers=["TCPMSS"], **{key: chain("mangle", "PREROUTING", ["-p tcp --syn -j TCPMSS --set-mss 1400"])})
    yield Case("TCPMSS-route-mtu", send([tcp(1000, 80, "S", 1, options=mss(1460))(ip(A, "10.1.0.9"))]), net=["route add 10.1.0.9/32 dev eth1 mtu 1000"],
               v4=chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"]), covers=["TCPMSS"])
    yield Case("TCPMSS-no-way-back", send([tcp(1000, 80, "S", 1, options=mss(1460))(ip("172.17.0.1", B))]), net=["route add unreachable 172.17.0.0/16", "link set eth1 mtu 1300"],
               v4=chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"]), covers=["TCPMSS"])
    yield Case("TCPMSS-headers-6", send([tcp(1000, 80, "S", 1, options=o)(ip(A6, B6, ext=e)) for o in (b"", mss(1460)) for e in ([HBH], [DST], [HBH, DST], [(44, b"\0\0\0\0\0\0\0\x05")])]),
               v6=chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS --set-mss 1000"]), covers=["TCPMSS"])
    yield Case("TCPMSS-out", [Send(None, tcp(1000, 80, "S", 1, options=mss(1460))(ip(R1, B))), Send(None, tcp(1000, 80, "S", 1)(ip(R1, B)))],
               v4=chain("mangle", "OUTPUT", ["-p tcp --syn -j TCPMSS --set-mss 1000"]) , covers=["TCPMSS"])
    yield Case("TCPMSS-ip-options", send([tcp(1000, 80, "S", 1)(ip(A, B, options=b"\x01" * 4))]), v4=chain("mangle", "FORWARD", ["-p tcp --syn -j TCPMSS --set-mss 1000"]), covers=["TCPMSS"])


def log_cases():
    ALL = "--log-tcp-sequence --log-tcp-options --log-ip-options --log-uid"
    packets = [tcp(1000, 80, f, 1, 2, options=o, urg=7)(ip(A, B, df=d, tos=t)) for f, o, d, t in (("S", mss(1460) + wscale(7), True, 0), ("FSRPAUEC", b"", False, 0xff), (0, b"\x01" * 40, False, 0x1e))]
    packets += [tcp(1, 2, "A", res=15, doff=n)(ip(A, B)) for n in (5, 4, 6)] + [udp(5, 6, b"x" * 10, length=3)(ip(A, B, evil=True)), echo(77, 5)(ip(A, B)), echo(77, 5, reply=True)(ip(A, B))]
    packets += [udp(5, 6)(ip(A, B, options=b"\x01\x07\x07\x04\0\0\0\0")), raw(2, b"abc")(ip(A, B)), raw(47, b"")(ip(A, B)), raw(50, b"\x01\x02\x03\x04\0\0\0\x01")(ip(A, B)), raw(50, b"\1\2\3")(ip(A, B)),
                raw(51, b"\x06\x04\0\0\xde\xad\xbe\xef\0\0\0\1")(ip(A, B)), raw(51, b"short")(ip(A, B)), raw(136, b"\0\5\0\6\0\x0c\0\0data")(ip(A, B)), raw(132, b"\0\5\0\6\0\0\0\0")(ip(A, B))]
    packets += [raw(6, b"x" * n)(ip(A, B)) for n in (0, 5, 19)] + [raw(17, b"x" * 7)(ip(A, B)), raw(1, b"\x08\0\0")(ip(A, B))]
    quoted = udp(1000, 53)(ip(B, A))
    for t, c in ((3, 1), (3, 4), (4, 0), (5, 1), (11, 0), (12, 0), (13, 0), (17, 0), (40, 1)):
        packets.append(icmp(t, c, b"\x12\x34\x05\x78", data=quoted)(ip(A, B)))
    packets += [icmp(3, 1, data=quoted[:n])(ip(A, B)) for n in (0, 19, 20, 24)] + [icmp(3, 1, data=icmp(3, 1, data=quoted)(ip(B, A)))(ip(A, B)), icmp(11, 0, data=tcp(1, 2, "S", 3)(ip(B, A))[:28])(ip(A, B)),
                icmp(3, 1, data=udp(1, 2)(ip(B, A, ihl=15, options=b"")))(ip(A, B)), icmp(13, 0, data=b"x" * 11)(ip(A, B)), icmp(17, 0)(ip(A, B))]
    for name, options in (("plain", ""), ("all", ALL), ("mac", "--log-macdecode")):
        yield Case("LOG-%s-4" % name, send(packets), v4=chain("filter", "FORWARD", ["-j LOG --log-prefix \"%s: \" %s" % (name, options)]), covers=["LOG"])
    yield Case("LOG-fragments-4", send(fragments4(udp(5, 6, b"x" * 100)(ip(A, B)), [48, 16]) + fragments4(tcp(5, 6, "S", data=b"x" * 60)(ip(A, B)), [24]) + fragments4(echo(1, 2, b"x" * 60)(ip(A, B)), [24]) +
               [f for p in (50, 51, 99) for f in fragments4(raw(p, b"x" * 40)(ip(A, B)), [16])]), v4=chain("filter", "FORWARD", ["-j LOG"]), covers=["LOG"])
    yield Case("LOG-levels", send([udp(1, 2)(ip(A, B))]), v4=chain("filter", "FORWARD", ["-j LOG --log-level %d --log-prefix l%d" % (n, n) for n in range(8)]), covers=["LOG"])
    yield Case("LOG-mark", send([udp(1, 2)(ip(A, B))]), v4="*mangle\n-A FORWARD -j MARK --set-mark 0xabc\n-A FORWARD -j LOG --log-prefix \"with spaces and \\\"quotes\\\" \"\nCOMMIT\n", covers=["LOG"])
    hooks = "".join("-A %s -j LOG --log-prefix \"%s: \"\n" % (h, h) for h in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"))
    yield Case("LOG-hooks-4", [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A, R0))), Send(None, udp(1, 2)(ip(R1, B))), Send(None, udp(1, 2)(ip(R1, R0))), Send("eth0", udp(1, 2)(ip(A, "10.0.0.255")), dst="ff:ff:ff:ff:ff:ff")],
               v4="*mangle\n%sCOMMIT\n" % hooks, covers=["LOG"])
    yield Case("LOG-hooks-6", [Send("eth0", udp(1, 2)(ip(A6, B6))), Send("eth0", udp(1, 2)(ip(A6, R06))), Send(None, udp(1, 2)(ip(R16, B6))), Send(None, udp(1, 2)(ip(R16, R06)))],
               v6="*mangle\n%sCOMMIT\n" % hooks, covers=["LOG"])
    six = [tcp(1000, 80, "S", 1, options=mss(1460))(ip(A6, B6, tos=0xb8, flow=0x12345)), udp(5, 6)(ip(A6, B6)), echo(7, 8)(ip(A6, B6)), raw(59, b"")(ip(A6, B6)), raw(99, b"xx")(ip(A6, B6)), raw(6, b"xxx")(ip(A6, B6)),
           raw(17, b"xxx")(ip(A6, B6)), raw(58, b"\x80\0\0")(ip(A6, B6)), raw(50, b"\1\2\3\4\0\0\0\1")(ip(A6, B6)), raw(50, b"\1")(ip(A6, B6)), raw(136, b"\0\5\0\6\0\x0c\0\0data")(ip(A6, B6))]
    six += [udp(5, 6)(ip(A6, B6, ext=e)) for e in ([HBH], [DST], [HBH, DST], [(44, b"\0\0\0\0\0\0\0\x05")], [(43, b"\0\0\x03\0\0\0\0\0")], [(51, b"\0\x04\0\0\xde\xad\xbe\xef" + b"\1" * 16)])]
    quoted6 = udp(1000, 53)(ip(B6, A6))
    six += [icmp(t, c, b"\0\0\x05\x78", data=quoted6)(ip(A6, B6)) for t, c in ((1, 4), (2, 0), (3, 0), (4, 1), (129, 0), (133, 0), (200, 0))] + [icmp(1, 4, data=quoted6[:n])(ip(A6, B6)) for n in (0, 39, 40, 44)]
    six += [icmp(3, 0, data=icmp(1, 0, data=quoted6)(ip(B6, A6)))(ip(A6, B6))]
    for name, options in (("plain", ""), ("all", ALL), ("mac", "--log-macdecode")):
        yield Case("LOG-%s-6" % name, send(six), v6=chain("filter", "FORWARD", ["-j LOG --log-prefix \"%s: \" %s" % (name, options)]), covers=["LOG"])
    yield Case("LOG-fragments-6", send(fragments6(udp(5, 6, b"x" * 100)(ip(A6, B6)), [48, 16], 7) + fragments6(tcp(5, 6, "S", data=b"x" * 60)(ip(A6, B6)), [24], 8) +
               fragments6(echo(1, 2, b"x" * 60)(ip(A6, B6)), [24], 9) + fragments6(raw(60, b"\x11\0\x01\x04\0\0\0\0" * 4)(ip(A6, B6)), [16], 10)),
               v6=chain("filter", "FORWARD", ["-j LOG " + ALL]), covers=["LOG"])
    yield Case("LOG-reject-made", [Send("eth0", udp(1, 2)(ip(A, B))), Send("eth0", tcp(1, 2, "S", 3)(ip(A, B))), Send("eth0", udp(1, 2)(ip(A, B, ttl=1)))],
               v4=chain("filter", "FORWARD", ["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"]) + "*mangle\n-A OUTPUT -j LOG --log-prefix \"out: \" --log-uid\n-A POSTROUTING -j LOG --log-prefix \"post: \"\nCOMMIT\n",
               covers=["LOG", "REJECT"])
    yield Case("LOG-reassembled", send(fragments4(udp(5, 6, b"x" * 100)(ip(A, B)), [48, 16])) + send(fragments6(udp(5, 6, b"x" * 100)(ip(A6, B6)), [48, 16], 7)), conntrack="on",
               v4=chain("filter", "FORWARD", ["-j LOG"]), v6=chain("filter", "FORWARD", ["-j LOG"]), covers=["LOG"])
    yield Case("LOG-nat", [Send("eth0", tcp(1000, 80, "S", 1)(ip(A, R0)))],
               v4="*nat\n-A PREROUTING -j LOG --log-prefix \"nat: \"\n-A PREROUTING -d 10.0.0.1 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n" + chain("filter", "FORWARD", ["-j LOG"]), covers=["LOG"])
    rules = ["-j NFLOG", "-j NFLOG --nflog-group 5 --nflog-prefix \"a prefix\"", "-j NFLOG --nflog-size 20", "-j NFLOG --nflog-size 0", "-p tcp -j NFLOG --nflog-group 7 --nflog-threshold 4"]
    yield Case("NFLOG-4", send([udp(1, 2, b"x" * 100)(ip(A, B)), tcp(1, 2, "S")(ip(A, B))]), v4=chain("filter", "FORWARD", rules), covers=["NFLOG"])
    yield Case("NFLOG-6", send([udp(1, 2, b"x" * 100)(ip(A6, B6))]), v6=chain("filter", "FORWARD", rules), covers=["NFLOG"])


def cases():
    for group in (reject_cases, mark_cases, ct_cases, header_cases, mss_cases, log_cases):
        yield from group()
