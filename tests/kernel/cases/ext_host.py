"""What rests on the host: rpfilter, srh, owner, cgroup, socket, TPROXY, with real sockets of real owners on the kernel."""
import struct

from case import Case, Close, Do, Send, Sock
from packets import *

A, A2, B, C, R0, R1, FAR = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1", "10.1.0.1", "192.0.2.9"
A6, A62, B6, C6, R06, R16, FAR6 = "fd00::2", "fd00::3", "fd00:1::2", "fd00:2::2", "fd00::1", "fd00:1::1", "2001:db8::9"


def table(name, *rules):
    return "*%s\n%s\nCOMMIT\n" % (name, "\n".join(rules))


def send(packets, iface="eth0"):
    return [Send(iface, p) for p in packets]


def addrs(v):
    return (A, A2, B, C, R0, R1, FAR) if v == 4 else (A6, A62, B6, C6, R06, R16, FAR6)


# --- rpfilter ---

def rpfilter_cases():
    options = ("", "--loose", "--accept-local", "--loose --accept-local", "--validmark", "--invert", "--loose --invert",
               "--accept-local --loose --validmark --invert")
    for v in (4, 6):
        a, a2, b, c, r0, r1, far = addrs(v)
        every = [a, c, b, r0, r1, far] + (["0.0.0.0", "127.0.0.1", "10.0.0.255", "10.255.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.9"] if v == 4 else
                                          ["::", "::1", "fe80::9", "fe80::1", "ff02::1", "fd00:9::1", "::ffff:10.0.0.2"])
        dsts = [b, r0] + (["10.0.0.255", "224.0.0.1", "255.255.255.255", "239.1.1.1"] if v == 4 else ["ff02::1", "fe80::1"])
        net = ["route add unreachable 10.255.0.0/16", "route add blackhole 240.0.0.0/4"] if v == 4 else \
            ["route add unreachable fd00:9::/64", "addr add fe80::1/64 dev eth0 nodad"]
        key, cov = "v%d" % v, ["rpfilter"]
        for i, opts in enumerate(options):
            for tbl in ("raw", "mangle"):
                yield Case("rpfilter-%d-%s-%d" % (i, tbl, v), [Send(i_, udp(1, 2)(ip(s, d))) for i_ in ("eth0", "eth1") for s in every for d in dsts[:2]],
                           net=net, covers=cov, **{key: table(tbl, "-A PREROUTING -m rpfilter %s" % opts, "-A PREROUTING -i eth1 -m rpfilter %s -j DROP" % opts)})
        yield Case("rpfilter-dst-%d" % v, [Send(i_, udp(1, 2)(ip(s, d))) for i_ in ("eth0", "eth2") for s in (a, c, far, every[6]) for d in dsts],
                   net=net, covers=cov, **{key: table("raw", *["-A PREROUTING -m rpfilter " + o for o in options])})
        mark = "%s PREROUTING -m mark --mark 0 -j MARK --set-mark 7"
        yield Case("rpfilter-validmark-%d" % v, [Send(i_, udp(1, 2)(ip(s, b))) for i_ in ("eth0", "eth1", "eth2") for s in (a, c, far)], covers=cov,
                   net=["%srule add fwmark 7 lookup 70 pref 10" % ("-6 " if v == 6 else ""), "%sroute add default dev eth2 table 70" % ("-6 " if v == 6 else "")],
                   **{key: table("mangle", "-A PREROUTING -m rpfilter --validmark", "-A PREROUTING -m rpfilter", mark.replace("%s", "-A"),
                                 "-A PREROUTING -m rpfilter --validmark", "-A PREROUTING -m rpfilter --validmark --loose", "-A PREROUTING -m rpfilter")})
        # two routes to one prefix: the better one elsewhere
        two = ["route add 203.0.113.0/24 dev eth1 metric 1", "route add 203.0.113.0/24 dev eth2 metric 2", "route add 203.0.113.128/25 dev eth2"] if v == 4 else \
            ["route add 2001:db8:1::/64 dev eth1 metric 1", "route add 2001:db8:1::/64 dev eth2 metric 2", "route add 2001:db8:1::8000/113 dev eth2"]
        srcs = ["203.0.113.5", "203.0.113.200"] if v == 4 else ["2001:db8:1::5", "2001:db8:1::8005"]
        yield Case("rpfilter-metric-%d" % v, [Send(i_, udp(1, 2)(ip(s, a))) for i_ in ("eth0", "eth1", "eth2") for s in srcs], net=two, covers=cov,
                   **{key: table("raw", *["-A PREROUTING -m rpfilter " + o for o in options])})
        yield Case("rpfilter-rule-%d" % v, [Send(i_, udp(1, 2)(ip(s, d))) for i_ in ("eth0", "eth1", "eth2") for s in (a, far) for d in (b, r0)], covers=cov,
                   net=["%srule add from %s lookup 71 pref 10" % ("-6 " if v == 6 else "", b), "%sroute add default dev eth2 table 71" % ("-6 " if v == 6 else ""),
                        "%srule add iif lo lookup 72 pref 11" % ("-6 " if v == 6 else ""), "%sroute add prohibit %s table 72" % ("-6 " if v == 6 else "", far)],
                   **{key: table("raw", *["-A PREROUTING -m rpfilter " + o for o in options])})
        yield Case("rpfilter-lo-%d" % v, [Send(None, udp(1, 2)(ip(r0, r0))), Send(None, udp(1, 2)(ip(r0, "127.0.0.1" if v == 4 else "::1"))),
                                          Send("eth0", udp(1, 2)(ip(a, r0)))],
                   covers=cov, **{key: table("raw", "-A PREROUTING -m rpfilter", "-A PREROUTING -m rpfilter --invert")})
        whole = udp(1, 2, b"x" * 100)(ip(far, b))
        pieces = fragments4(whole, [48, 40]) if v == 4 else fragments6(whole, [48, 40], 9)
        yield Case("rpfilter-pieces-%d" % v, send(pieces) + send(pieces, "eth1") + send([raw(17, b"")(ip(far, b)), raw(99, b"x")(ip(a, b))]), covers=cov,
                   **{key: table("raw", "-A PREROUTING -m rpfilter", "-A PREROUTING -m rpfilter --invert -j DROP")})
        yield Case("rpfilter-refused-%d" % v, [], covers=cov, **{key: table("filter", "-A INPUT -m rpfilter")})
        yield Case("rpfilter-refused-hook-%d" % v, [], covers=cov, **{key: table("mangle", "-A FORWARD -m rpfilter")})
        yield Case("rpfilter-down-%d" % v, [Send("eth0", udp(1, 2)(ip(far, r0))), Do("ip route del default via 10.1.0.254" if v == 4 else "ip -6 route del default via fd00:1::fe"),
                                            Send("eth1", udp(1, 2)(ip(far, r1))), Do("ip route add default dev eth0" if v == 4 else "ip -6 route add default dev eth0"),
                                            Send("eth0", udp(1, 2)(ip(far, r0)))],
                   covers=cov, **{key: table("raw", "-A PREROUTING -m rpfilter", "-A PREROUTING -m rpfilter --invert")})


# --- srh ---

def srh(nexthdr=0, left=1, last=None, tag=0, sids=("fd00:a::1", "fd00:a::2"), kind=4, hdrlen=None, flags=0, tail=b""):
    body = b"".join(addr(s) for s in sids) + tail
    head = bytes([nexthdr, len(body) // 8 if hdrlen is None else hdrlen, kind, left, len(sids) - 1 if last is None else last, flags]) + struct.pack("!H", tag)
    return head + body


def srh_cases():
    cov = ["srh"]
    three = ("fd00:a::1", "fd00:a::2", "fd00:b::3")
    packets = [udp(1, 2)(ip(A6, B6, ext=[(43, h)])) for h in (
        srh(), srh(left=0), srh(left=2), srh(sids=three, left=2, tag=7), srh(sids=three, left=1, tag=0x700), srh(sids=three, left=0), srh(kind=0), srh(kind=2),
        srh(sids=(), left=0, last=0), srh(last=9, left=1), srh(last=255, left=255, tag=65535), srh(hdrlen=9), srh(hdrlen=1), srh(sids=three, left=1, tail=b"\x01\x06" + b"\0" * 6))]
    packets += [udp(1, 2)(ip(A6, B6)), tcp(1, 2)(ip(A6, B6, ext=[(0, b"\0" * 8), (43, srh(sids=three, left=1)), (60, b"\0" * 8)])),
                udp(1, 2)(ip(A6, B6, ext=[(60, b"\0\0\x01\x04\0\0\0\0"), (43, srh(tag=7))])), ip(A6, B6, ext=[(43, srh()[:8])], plen=8)(b"", 59),
                ip(A6, B6, ext=[(43, srh()[:24])])(b"", 59), ip(A6, B6)(srh()[:4], 43), ip(A6, B6)(b"", 43), raw(59, b"")(ip(A6, B6, ext=[(43, srh())])),
                udp(1, 2)(ip(A6, B6, ext=[(43, srh(kind=0)), (43, srh())])), echo(1, 1)(ip(A6, B6, ext=[(51, b"\0\x04" + b"\0" * 22), (43, srh())]))]
    rules = {
        "next": ["--srh-next-hdr 17", "! --srh-next-hdr 17", "--srh-next-hdr 59"],
        "len": ["--srh-hdr-len-eq 4", "! --srh-hdr-len-eq 4", "--srh-hdr-len-gt 4", "--srh-hdr-len-lt 4", "! --srh-hdr-len-gt 3", "! --srh-hdr-len-lt 6", "--srh-hdr-len-lt 0"],
        "left": ["--srh-segs-left-eq 1", "! --srh-segs-left-eq 1", "--srh-segs-left-gt 0", "--srh-segs-left-lt 2", "! --srh-segs-left-gt 1", "! --srh-segs-left-lt 1", "--srh-segs-left-gt 255"],
        "last": ["--srh-last-entry-eq 1", "! --srh-last-entry-eq 1", "--srh-last-entry-gt 1", "--srh-last-entry-lt 1", "! --srh-last-entry-gt 1", "! --srh-last-entry-lt 2"],
        "tag": ["--srh-tag 0", "--srh-tag 7", "--srh-tag 1792", "! --srh-tag 7", "--srh-tag 65535"],
        "psid": ["--srh-psid fd00:a::2", "! --srh-psid fd00:a::2", "--srh-psid fd00:b::/32", "--srh-psid ::/0", "--srh-psid fd00:b::3/128"],
        "nsid": ["--srh-nsid fd00:a::1", "! --srh-nsid fd00:a::1", "--srh-nsid fd00:a::/64", "--srh-nsid ::/0", "! --srh-nsid fd00:a::2/127"],
        "lsid": ["--srh-lsid fd00:a::1", "! --srh-lsid fd00:a::1", "--srh-lsid fd00:a::/64", "--srh-lsid ::/0", "! --srh-lsid fd00:b::/16"],
        "both": ["--srh-segs-left-gt 0 --srh-last-entry-eq 2 --srh-nsid fd00:a::/64", "--srh-next-hdr 17 ! --srh-tag 7 --srh-psid fd00::/8 --srh-nsid ::/0 --srh-lsid ::/0", ""],
    }
    for name, options in rules.items():
        yield Case("srh-" + name, send(packets), covers=cov, v6=table("raw", *["-A PREROUTING -m srh " + o for o in options]))
    whole = udp(1, 2, b"x" * 100)(ip(A6, B6, ext=[(43, srh())]))
    for track in ("auto", "on"):
        yield Case("srh-pieces-" + track, send(fragments6(whole, [48, 40], 9, unfrag=40 + 40) + fragments6(whole, [16, 80], 10)), covers=cov, conntrack=track,
                   v6=table("mangle", "-A PREROUTING -m srh --srh-segs-left-eq 1", "-A FORWARD -m srh"))
    yield Case("srh-drop", send(packets), covers=cov, v6=table("filter", "-A FORWARD -m srh --srh-segs-left-gt 0 -j DROP"))


# --- owner ---

OWNERS = ["--uid-owner 1000", "! --uid-owner 1000", "--uid-owner 999-1001", "! --uid-owner 0-999", "--gid-owner 1000", "! --gid-owner 1000", "--gid-owner 50-60",
          "--gid-owner 100 --suppl-groups", "! --gid-owner 100 --suppl-groups", "--gid-owner 100", "--socket-exists", "! --socket-exists",
          "--uid-owner 1000 --gid-owner 1000", "--uid-owner 1000 ! --gid-owner 1000", "! --uid-owner 1000 ! --gid-owner 1000", "--uid-owner 0 --socket-exists",
          "! --socket-exists ! --uid-owner 5", "! --socket-exists --uid-owner 0", "--uid-owner 0-4294967294"]


def owner_rules(*chains):
    return ["-A %s -m owner %s" % (c, o) for c in chains for o in OWNERS]


def owner_cases():
    cov = ["owner"]
    for v in (4, 6):
        a, a2, b, c, r0, r1, far = addrs(v)
        key = "v%d" % v
        e = "%s:5000" % (r0 if v == 4 else "[%s]" % r0)
        some = "0.0.0.0:%d" if v == 4 else "[::]:%d"
        users = [Sock("user", "udp " + e, uid=1000, gid=1000, raw=True), Sock("extra", "udp " + some % 5001, uid=1001, gid=55, groups=[100, 1000], raw=True),
                 Sock("root", "tcp " + some % 5002, raw=True), Sock("last", "icmp %s" % r0 if v == 4 else "icmpv6 %s" % r0, uid=4294967294, gid=1, raw=True)]
        use = [Send(None, udp(5000, 53)(ip(r0, a)), sock="user"), Send(None, udp(5001, 53)(ip(r0, b)), sock="extra"), Send(None, tcp(5002, 80)(ip(r0, a)), sock="root"),
               Send(None, echo(1, 1)(ip(r0, a)), sock="last"), Send(None, udp(9, 9)(ip(r0, a))), Send("eth0", udp(1, 2)(ip(a, b)))]
        for tbl, chains in (("raw", ["OUTPUT"]), ("mangle", ["OUTPUT", "POSTROUTING"]), ("filter", ["OUTPUT"])):
            yield Case("owner-%s-%d" % (tbl, v), users + use, covers=cov, **{key: table(tbl, *owner_rules(*chains))})
        yield Case("owner-nat-%d" % v, users + use + use, covers=cov, conntrack="on",
                   **{key: table("nat", "-A OUTPUT -p udp -m owner --uid-owner 1000 -j DNAT --to-destination %s" % b, "-A POSTROUTING -m owner --uid-owner 1001 -j SNAT --to-source %s" % r1)})
        yield Case("owner-drop-%d" % v, users + use, covers=cov, **{key: table("filter", "-A OUTPUT -m owner ! --uid-owner 1000 -j REJECT", "-A OUTPUT -m owner --uid-owner 1000 -j LOG --log-uid")})
        # what the kernel itself says: ICMP errors and resets
        made = send([udp(1, 2)(ip(a, b, ttl=1)), udp(1, 2)(ip(a, r0)), tcp(1, 2)(ip(a, r0)), udp(1, 2)(ip(a, b))])
        yield Case("owner-made-%d" % v, made, covers=cov,
                   **{key: table("mangle", *owner_rules("OUTPUT", "POSTROUTING")) + table("filter", "-A INPUT -p udp -j REJECT", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset")})
        yield Case("owner-lo-%d" % v, users + [Send(None, udp(5000, 53)(ip(r0, r0)), sock="user"), Send(None, udp(5001, 5000)(ip(r0, r1)), sock="extra")], covers=cov,
                   **{key: table("mangle", *owner_rules("OUTPUT", "POSTROUTING"), "-A INPUT -j LOG --log-uid")})
        yield Case("owner-tee-%d" % v, users + use[:3], covers=cov,
                   **{key: table("mangle", "-A OUTPUT -p udp -j TEE --gateway %s" % c, *owner_rules("OUTPUT", "POSTROUTING"))})
        whole = udp(5000, 53, b"x" * 1400)(ip(r0, a))
        pieces = fragments4(whole, [512, 512]) if v == 4 else fragments6(whole, [512, 512], 9)
        yield Case("owner-pieces-%d" % v, users[:1] + [Sock("rest", "raw %s" % r0, uid=1000, gid=1000)] + [Send(None, p, sock="user") for p in pieces], covers=cov,
                   **{key: table("mangle", *owner_rules("OUTPUT", "POSTROUTING"))})
        yield Case("owner-short-%d" % v, [Sock("short", "raw %s" % r0, uid=1000, gid=7), Send(None, raw(17, b"\0\1")(ip(r0, a)), sock="short"), Send(None, raw(6, b"")(ip(r0, a)), sock="short"),
                                         Send(None, raw(99, b"abc")(ip(r0, a)), sock="short")], covers=cov, **{key: table("mangle", *owner_rules("OUTPUT", "POSTROUTING"))})
        yield Case("owner-closed-%d" % v, users[:1] + use[:1] + [Close("user"), use[4], Sock("user", "udp " + e, uid=7, gid=7, raw=True)] + use[:1], covers=cov,
                   **{key: table("filter", *owner_rules("OUTPUT"))})
        yield Case("owner-mark-%d" % v, [Sock("m", "udp " + e, uid=1, mark=7, raw=True), use[0].__class__(None, udp(5000, 53)(ip(r0, far)), sock="m"), use[4]], covers=cov,
                   net=["%srule add fwmark 7 lookup 70 pref 10" % ("-6 " if v == 6 else ""), "%sroute add default via %s table 70" % ("-6 " if v == 6 else "", c)],
                   **{key: table("mangle", "-A OUTPUT -m mark --mark 7", "-A POSTROUTING -o eth2 -m mark --mark 7", "-A POSTROUTING -m owner --uid-owner 1")})
        yield Case("owner-dev-%d" % v, [Sock("d", "udp " + e, uid=1, dev="eth2", raw=True), Send(None, udp(5000, 53)(ip(r0, c)), sock="d"), use[4]], covers=cov,
                   **{key: table("mangle", "-A POSTROUTING -o eth2 -m owner --uid-owner 1", "-A POSTROUTING")})
        for i, bad in enumerate(("--uid-owner 5-4", "--gid-owner 9-1")):
            yield Case("owner-refused-%d-%d" % (i, v), [], covers=cov, **{key: table("filter", "-A OUTPUT -m owner " + bad)})
        yield Case("owner-refused-hook-%d" % v, [], covers=cov, **{key: table("filter", "-A INPUT -m owner --uid-owner 1")})


# --- cgroup ---

GROUPS = ["--path weir-test/a", "! --path weir-test/a", "--path weir-test", "--path /weir-test/a/b", "--path weir-test/ab", "--path weir-test//a/", "--cgroup 0", "--cgroup 0x10001", "! --cgroup 65537",
          "--path /"]


def cgroup_rules(*chains):
    return ["-A %s -m cgroup %s" % (c, g) for c in chains for g in GROUPS]


def cgroup_cases():
    cov = ["cgroup"]
    for v in (4, 6):
        a, a2, b, c, r0, r1, far = addrs(v)
        key = "v%d" % v
        e = (r0 if v == 4 else "[%s]" % r0) + ":%d"
        p = (a if v == 4 else "[%s]" % a) + ":%d"
        socks = [Sock("a", "udp " + e % 5000, cgroup="weir-test/a", raw=True), Sock("b", "udp " + e % 5001, cgroup="weir-test/a/b", raw=True),
                 Sock("ab", "udp " + e % 5002, cgroup="weir-test/ab", classid=0x10001, raw=True), Sock("class", "udp " + e % 5003, cgroup="weir-test", classid=0x20002, raw=True)]
        use = [Send(None, udp(5000 + i, 53)(ip(r0, a)), sock=n) for i, n in enumerate(("a", "b", "ab", "class"))] + [Send("eth0", udp(1, 2)(ip(a, b)))]
        for tbl, chains in (("mangle", ["OUTPUT", "POSTROUTING"]), ("filter", ["OUTPUT"]), ("raw", ["OUTPUT"])):
            yield Case("cgroup-%s-%d" % (tbl, v), socks + use, covers=cov, **{key: table(tbl, *cgroup_rules(*chains))})
        yield Case("cgroup-drop-%d" % v, socks + use, covers=cov, **{key: table("filter", "-A OUTPUT -m cgroup --path weir-test/a -j DROP", "-A OUTPUT -m cgroup --cgroup 131074 -j REJECT")})
        yield Case("cgroup-made-%d" % v, send([udp(1, 2)(ip(a, b, ttl=1)), udp(1, 2)(ip(a, r0))]), covers=cov,
                   **{key: table("mangle", "-A OUTPUT -m cgroup --cgroup 0", "-A POSTROUTING -m cgroup ! --cgroup 0", "-A OUTPUT -m cgroup --path weir-test", "-A OUTPUT -m cgroup ! --path weir-test") +
                      table("filter", "-A INPUT -p udp -j REJECT")})
        # on the way in only a connected socket is known before its packet is delivered
        inside = [Sock("listen", "udp " + e % 6000, cgroup="weir-test/a"), Sock("udp", "udp " + e % 6001, peer=p % 7000, cgroup="weir-test/a/b", classid=0x10001),
                  Sock("tcp", "tcp " + e % 6002, peer=p % 7001, cgroup="weir-test/ab"), Sock("tcpl", "tcp " + e % 6003, cgroup="weir-test")]
        arrive = send([udp(7000, 6000)(ip(a, r0)), udp(7000, 6001)(ip(a, r0)), udp(7001, 6001)(ip(a, r0)), tcp(7001, 6002, "A", 5, 5)(ip(a, r0)), tcp(7002, 6002, "S", 5)(ip(a, r0)),
                       tcp(7001, 6003, "S")(ip(a, r0)), udp(7000, 6001)(ip(a2, r0)), raw(17, b"\x1b\x58\x17\x71")(ip(a, r0)), tcp(7001, 6002, "A", 5, 5, doff=4)(ip(a, r0))])
        yield Case("cgroup-in-%d" % v, inside + arrive, covers=cov, **{key: table("filter", *cgroup_rules("INPUT"), "-A INPUT -j LOG --log-uid")})
        for name in ("ip_early_demux", "tcp_early_demux", "udp_early_demux"):
            yield Case("cgroup-in-%s-%d" % (name, v), inside + arrive, covers=cov, sysctl={"net.ipv4." + name: 0}, **{key: table("filter", *cgroup_rules("INPUT"))})
        whole = udp(7000, 6001, b"x" * 100)(ip(a, r0))
        pieces = fragments4(whole, [48, 40]) if v == 4 else fragments6(whole, [48, 40], 9)
        for track in ("auto", "on"):
            yield Case("cgroup-in-pieces-%s-%d" % (track, v), inside + send(pieces), covers=cov, conntrack=track, **{key: table("filter", *cgroup_rules("INPUT"))})
        yield Case("cgroup-refused-%d" % v, [], covers=cov, **{key: table("filter", "-A INPUT -m cgroup --path weir-test --cgroup 5")})
        yield Case("cgroup-refused-none-%d" % v, [], covers=cov, **{key: table("filter", "-A INPUT -m cgroup")})
        yield Case("cgroup-refused-hook-%d" % v, [], covers=cov, **{key: table("filter", "-A FORWARD -m cgroup --cgroup 5")})


# --- socket and TPROXY ---

FLAVOURS = ["", "--transparent", "--nowildcard", "--transparent --nowildcard", "--restore-skmark", "--transparent --nowildcard --restore-skmark"]


def socket_rules(tbl, chain, *more):
    rules = []
    for f in FLAVOURS:
        rules += ["-A %s -m socket %s" % (chain, f)]
        if "restore" in f:
            rules += ["-A %s -m mark ! --mark 0 -j NFLOG --nflog-group 5" % chain] + (["-A %s -j MARK --set-mark 0" % chain] if tbl == "mangle" else [])
    return table(tbl, *rules, *more)


def near(v):
    a, a2, b, c, r0, r1, far = addrs(v)
    box = "%s:%d" if v == 4 else "[%s]:%d"
    return [Sock("u", "udp " + box % (r0, 5000), mark=5), Sock("uany", "udp " + (box % ("0.0.0.0" if v == 4 else "::", 5001)), mark=6, transparent=True),
            Sock("uconn", "udp " + box % (r0, 5002), peer=box % (a, 7000), mark=7, transparent=True), Sock("ufar", "udp " + box % (far, 5003), mark=8, transparent=True),
            Sock("l", "tcp " + box % (r0, 6000), mark=9), Sock("lany", "tcp " + (box % ("0.0.0.0" if v == 4 else "::", 6001)), transparent=True),
            Sock("lfar", "tcp " + box % (far, 6002), mark=10, transparent=True), Sock("t", "tcp " + box % (r0, 6003), peer=box % (a, 7003), mark=11),
            Sock("tfar", "tcp " + box % (far, 6004), peer=box % (a, 7004), mark=12, transparent=True), Sock("udev", "udp " + box % (r0, 5005), dev="eth1", mark=13)]


def arrivals(v):
    a, a2, b, c, r0, r1, far = addrs(v)
    out = [udp(7000, p)(ip(a, d)) for p in (5000, 5001, 5002, 5003, 5005, 5009) for d in (r0, r1, far)] + [udp(7001, 5002)(ip(a, r0)), udp(7000, 5002)(ip(a2, r0))]
    out += [tcp(sp, p, f, 9, 9)(ip(a, d)) for p, sp in ((6000, 1), (6001, 1), (6002, 1), (6003, 7003), (6003, 1), (6004, 7004), (6004, 1), (6009, 1)) for d in (r0, far) for f in ("S", "A")]
    return out


def quoted(v):
    """ICMP errors about what the host's sockets sent."""
    a, a2, b, c, r0, r1, far = addrs(v)
    kind = (3, 3) if v == 4 else (1, 4)
    inner = [udp(5000, 7000)(ip(r0, a)), udp(5002, 7000)(ip(r0, a)), udp(5002, 7001)(ip(r0, a)), tcp(6003, 7003, "A", 1, 1)(ip(r0, a)), tcp(6004, 7004, "A", 1, 1)(ip(far, a)),
             udp(5003, 9)(ip(far, a)), echo(1, 1)(ip(r0, a)), raw(17, b"\x13\x88")(ip(r0, a)), udp(7000, 5000)(ip(a, r0))]
    out = [icmp(kind[0], kind[1], data=q)(ip(a, r0)) for q in inner]
    out += [icmp(8 if v == 4 else 128, 0, data=inner[0])(ip(a, r0)), icmp(11 if v == 4 else 3, 0, data=inner[0][:28 if v == 4 else 48])(ip(b, r0)), icmp(kind[0], 0, data=inner[0][:19 if v == 4 else 39])(ip(a, r0)),
            icmp(5 if v == 4 else 137, 1, data=inner[0])(ip(a, r0)), icmp(kind[0], kind[1], data=inner[1])(ip(a, far))]
    return out


def socket_cases():
    cov = ["socket"]
    for v in (4, 6):
        a, a2, b, c, r0, r1, far = addrs(v)
        box = "%s:%d" if v == 4 else "[%s]:%d"
        key = "v%d" % v
        for tbl, chain in (("mangle", "PREROUTING"), ("raw", "PREROUTING"), ("filter", "INPUT"), ("mangle", "INPUT")):
            yield Case("socket-%s-%s-%d" % (tbl, chain.lower(), v), near(v) + send(arrivals(v)), covers=cov, **{key: socket_rules(tbl, chain)})
            yield Case("socket-quoted-%s-%s-%d" % (tbl, chain.lower(), v), near(v) + send(quoted(v)), covers=cov, **{key: socket_rules(tbl, chain)})
        yield Case("socket-dev-%d" % v, near(v) + send(arrivals(v)[12:18], "eth1"), covers=cov, **{key: socket_rules("mangle", "PREROUTING")})
        yield Case("socket-none-%d" % v, send(arrivals(v)[:6]), covers=cov, **{key: socket_rules("mangle", "PREROUTING")})
        short = [raw(17, b"\x1b\x58\x13\x88")(ip(a, r0)), raw(17, b"\x1b\x58\x13\x88\0\x08\0\0")(ip(a, r0)), raw(6, b"\0\1\x17\x70" + b"\0" * 8)(ip(a, r0)), raw(6, b"\0\1\x17\x70" + b"\0" * 16)(ip(a, r0)),
                 raw(17, b"")(ip(a, r0)), raw(99, b"abcdefgh")(ip(a, r0))]
        yield Case("socket-short-%d" % v, near(v) + send(short), covers=cov, **{key: socket_rules("mangle", "PREROUTING")})
        whole = udp(7000, 5000, b"x" * 100)(ip(a, r0))
        pieces = fragments4(whole, [48, 40]) if v == 4 else fragments6(whole, [48, 40], 9)
        yield Case("socket-pieces-%d" % v, near(v)[:1] + send(pieces), covers=cov, **{key: socket_rules("raw", "PREROUTING")})
        if v == 6:
            exts = [[(0, b"\0\0\x01\x04\0\0\0\0")], [(60, b"\0\0\x01\x04\0\0\0\0")], [(43, b"\0\x02\0\0" + b"\0" * 20)], [(51, b"\0\x04" + b"\0" * 22)]]
            yield Case("socket-ext-6", near(6) + send([u(ip(A6, R06, ext=e)) for e in exts for u in (udp(7000, 5000), udp(7000, 5002), tcp(7003, 6003, "A", 9, 9), tcp(1, 6000))]), covers=cov,
                       v6=socket_rules("mangle", "PREROUTING") + table("filter", "-A INPUT -m cgroup --cgroup 0"))
            dual = [Sock("d", "udp [::]:5000", mark=3), Sock("only", "udp [::]:5001", v6only=True, mark=4), Sock("t", "tcp [::]:6000", transparent=True), Sock("t6", "tcp [::]:6001", v6only=True)]
            yield Case("socket-dual-4", dual + send([u(ip(A, R0)) for u in (udp(1, 5000), udp(1, 5001), tcp(1, 6000), tcp(1, 6001))]), covers=cov, v4=socket_rules("mangle", "PREROUTING"))
            both = dual[:1] + [Sock("d4", "udp %s:5000" % R0, mark=9), Sock("any4", "tcp 0.0.0.0:6001", mark=8)] + dual[3:]
            yield Case("socket-both-4", both + send([u(ip(A, d)) for u in (udp(1, 5000), tcp(1, 6001)) for d in (R0, R1)]), covers=cov, v4=socket_rules("mangle", "PREROUTING"))
        # answers to a translated connection find the socket that began it
        snat = table("nat", "-A POSTROUTING -o eth1 -j SNAT --to-source %s" % far)
        yield Case("socket-snat-%d" % v, [Sock("u", "udp " + box % (r0, 5000), mark=5, raw=True), Send(None, udp(5000, 53)(ip(r0, b)), sock="u"), Close("u"), Sock("r", "udp " + box % (r0, 5000), mark=5),
                                          Send("eth1", udp(53, 5000)(ip(b, far))), Send("eth1", icmp(3 if v == 4 else 1, 3 if v == 4 else 4, data=udp(5000, 53)(ip(far, b)))(ip(b, far))),
                                          Send("eth1", udp(54, 5000)(ip(b, far)))], conntrack="on", covers=cov, **{key: snat + socket_rules("mangle", "PREROUTING")})
        yield Case("socket-refused-hook-%d" % v, [], covers=cov, **{key: table("filter", "-A FORWARD -m socket")})
        # a transparent proxy: rules as Documentation/networking/tproxy.rst has them
        rule = ["%srule add fwmark 1 lookup 100 pref 10" % ("-6 " if v == 6 else ""), "%sroute add local default dev lo table 100" % ("-6 " if v == 6 else "")]
        proxies = [Sock("p", "tcp " + box % (("0.0.0.0" if v == 4 else "::"), 3128), transparent=True), Sock("q", "tcp " + box % (r0, 3129), transparent=True), Sock("n", "tcp " + box % (r0, 3130)),
                   Sock("up", "udp " + box % (("0.0.0.0" if v == 4 else "::"), 3128), transparent=True), Sock("uc", "udp " + box % (far, 53), peer=box % (a, 9000), transparent=True),
                   Sock("tc", "tcp " + box % (far, 80), peer=box % (a, 9001), transparent=True), Sock("tn", "tcp " + box % (r0, 81), peer=box % (a, 9002))] 
        flows = [tcp(1, 80)(ip(a, far)), tcp(9001, 80, "A", 5, 5)(ip(a, far)), tcp(9002, 81, "A", 5, 5)(ip(a, r0)), udp(1, 53)(ip(a, far)), udp(9000, 53)(ip(a, far)), udp(9000, 54)(ip(a, far)),
                 tcp(1, 80)(ip(a, r0)), raw(6, b"\0\1\0\x50")(ip(a, far)), raw(6, b"\0\1\0\x50" + b"\0" * 8)(ip(a, far)), raw(17, b"\0\1\0")(ip(a, far)), tcp(1, 3128)(ip(a, far)), tcp(1, 3129)(ip(a, far))]
        last = "-A PREROUTING -j LOG --log-uid"
        for i, (ttcp, tudp) in enumerate((("--on-port 3128", "--on-port 3128"), ("--on-port 3129 --on-ip %s" % r0, "--on-port 3128 --on-ip %s" % r0), ("--on-port 3130", "--on-port 3130"), ("--on-port 0", "--on-port 0"),
                                          ("--on-port 3129", "--on-port 99"))):
            rules = ["-A PREROUTING -p tcp -j TPROXY %s --tproxy-mark 0x1/0x1" % ttcp, "-A PREROUTING -p udp -j TPROXY %s --tproxy-mark 0x1/0x1" % tudp]
            yield Case("tproxy-%d-%d" % (i, v), proxies + send(flows), net=rule, covers=["TPROXY"], **{key: table("mangle", *rules, last)})
            yield Case("tproxy-unrouted-%d-%d" % (i, v), proxies + send(flows), covers=["TPROXY"], **{key: table("mangle", *rules, last)})
        divert = table("mangle", "-N DIVERT", "-A DIVERT -j MARK --set-mark 1", "-A DIVERT -j ACCEPT", "-A PREROUTING -p tcp -m socket --transparent -j DIVERT",
                       "-A PREROUTING -p tcp --dport 80 -j TPROXY --on-port 3128 --tproxy-mark 0x1/0x1") + \
            table("filter", "-A INPUT -j LOG --log-uid", "-A INPUT -m socket --transparent --nowildcard", "-A INPUT -m socket --nowildcard", "-A INPUT -m socket", "-A INPUT -m cgroup --cgroup 0")
        yield Case("tproxy-divert-%d" % v, proxies + send(flows), net=rule, covers=["TPROXY", "socket"], **{key: divert})
        whole = udp(1, 53, b"x" * 100)(ip(a, far))
        pieces = fragments4(whole, [48, 40]) if v == 4 else fragments6(whole, [48, 40], 9)
        yield Case("tproxy-pieces-%d" % v, proxies + send(pieces), net=rule, covers=["TPROXY"], **{key: table("mangle", "-A PREROUTING -p udp -j TPROXY --on-port 3128 --tproxy-mark 1")})
        extra = ["addr add %s dev eth0%s" % ("10.0.0.77/24" if v == 4 else "fd00::77/64", "" if v == 4 else " nodad")]
        own = [Sock("x", "udp " + box % ("10.0.0.77" if v == 4 else "fd00::77", 3131), transparent=True), Sock("y", "udp " + box % (r0, 3132), transparent=True)]
        yield Case("tproxy-default-%d" % v, own + send([udp(1, 5)(ip(a, far)), udp(1, 6)(ip(a, far))]), net=rule + extra, covers=["TPROXY"],
                   **{key: table("mangle", "-A PREROUTING -p udp --dport 5 -j TPROXY --on-port 3131 --tproxy-mark 1", "-A PREROUTING -p udp --dport 6 -j TPROXY --on-port 3132 --tproxy-mark 1")})


def cases():
    yield from rpfilter_cases()
    yield from srh_cases()
    yield from owner_cases()
    yield from cgroup_cases()
    yield from socket_cases()
