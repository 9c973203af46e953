"""CT --timeout policies of every protocol, connection labels, settings of conntrack: defaults, ranges, what they change."""
from case import Case, Do, Send
from cases.conntrack import A, A6, B, B6
from packets import *

P = "net.netfilter.nf_conntrack_"
ALL_TCP = "syn_sent 11 syn_recv 12 established 1000 fin_wait 14 close_wait 15 last_ack 16 time_wait 17 close 18 syn_sent2 19 retrans 500 unacknowledged 600"


def rule(proto, name, more=""):
    return "*raw\n-A PREROUTING -p %s -j CT --timeout %s%s\nCOMMIT\n" % (proto, name, more)


def life(v=4):
    a, b = (A, B) if v == 4 else (A6, B6)
    up = lambda f, s, k, d=b"", **kw: Send("eth0", tcp(1000, 80, f, s, k, data=d)(ip(a, b)), **kw)
    down = lambda f, s, k, d=b"": Send("eth1", tcp(80, 1000, f, s, k, data=d)(ip(b, a)))
    return [up("S", 100, 0), down("SA", 500, 101), up("A", 101, 501), up("PA", 101, 501, b"x" * 10), up("PA", 101, 501, b"x" * 10), up("PA", 101, 501, b"x" * 10),
            up("PA", 101, 501, b"x" * 10), up("PA", 101, 501, b"x" * 10), down("A", 501, 111), up("FA", 111, 501), down("A", 501, 112), down("FA", 501, 112), up("A", 112, 502)]


def cases():
    def case(name, items, **kw):
        return Case(name, items, conntrack=kw.pop("conntrack", "on"), covers=["conntrack", "CT --timeout"], **kw)

    for n in range(1, 14):
        yield case("tcp-%d" % n, life()[:n], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp " + ALL_TCP])
    yield case("tcp-6", life(6), v6=rule("tcp", "t"), nfct=["add timeout t inet6 tcp established 77 time_wait 5"])
    yield case("tcp-rst", life()[:4] + [Send("eth1", tcp(80, 1000, "R", 501, 0)(ip(B, A)))], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp close 33"])
    yield case("tcp-midstream", [Send("eth0", tcp(1000, 80, "A", 5, 5)(ip(A, B)))], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp unacknowledged 44"])
    yield case("tcp-simultaneous", [life()[0], Send("eth1", tcp(80, 1000, "S", 500)(ip(B, A)))], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp " + ALL_TCP])
    yield case("tcp-small-retrans", life()[:8], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp retrans 7"])
    yield case("tcp-sysctl-before", life()[:3], v4=rule("tcp", "t"), sysctl={P + "tcp_timeout_established": 555}, nfct=["add timeout t inet tcp close 1"])
    yield case("tcp-sysctl-after", life()[:2] + [Do("sysctl -w %stcp_timeout_established=555" % P), life()[2]], v4=rule("tcp", "t"), nfct=["add timeout t inet tcp close 1"])
    yield case("tcp-only-some", life()[:3] + [Send("eth0", tcp(1001, 80, "S", 100)(ip(A, B)))], v4="*raw\n-A PREROUTING -p tcp --sport 1000 -j CT --timeout t\nCOMMIT\n",
               nfct=["add timeout t inet tcp syn_sent 5 established 9"])
    yield case("tcp-reject", life()[:4], v4=rule("tcp", "t") + "*filter\n-A FORWARD -p tcp -m length --length 50: -j REJECT --reject-with tcp-reset\nCOMMIT\n",
               nfct=["add timeout t inet tcp close 66"])
    u = lambda n, s=A, d=B, sp=5, dp=6, p=udp, **kw: Send("eth%d" % n, p(sp, dp)(ip(s, d)), **kw)
    yield case("udp", [u(0), u(1, B, A, 6, 5), u(0)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9 replied 99"])
    yield case("udp-stream", [u(0), u(1, B, A, 6, 5), u(0, gap=2.1), u(1, B, A, 6, 5)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9 replied 99"])
    yield case("udp-policy-gone", [u(0), Do("iptables -t raw -F"), Do("nfct delete timeout t"), u(0), u(1, B, A, 6, 5)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9"])
    yield case("udp-policy-held", [u(0), Do("nfct delete timeout t"), u(0)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9"])
    yield case("udp-rule-gone", [u(0), Do("iptables -t raw -F"), u(0), u(0, sp=7)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9"])
    yield case("udp-flush", [u(0), Do("nfct flush timeout"), u(0), Do("iptables -t raw -F"), Do("nfct flush timeout"), u(0)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 9"])
    yield case("udp-later", [u(0), Do("nfct add timeout t inet udp unreplied 8"), Do("iptables -t raw -A PREROUTING -p udp -j CT --timeout t"), u(0), u(0, sp=7)])
    yield case("udp-zero", [u(0), u(1, B, A, 6, 5, gap=0.05)], v4=rule("udp", "t"), nfct=["add timeout t inet udp unreplied 0"])
    yield case("default-set", [Do("nfct default-set timeout inet udp unreplied 8"), u(0), Do("nfct default-set timeout inet tcp syn_sent 7"), life()[0]])
    lite = lambda sp, dp: udplite(sp, dp, 20)
    yield case("udplite", [u(0, p=lite), u(1, B, A, 6, 5, p=lite)], v4=rule("udplite", "t"), nfct=["add timeout t inet udplite unreplied 9 replied 99"])
    echo4 = Send("eth0", echo(7, 1)(ip(A, B)))
    yield case("icmp", [echo4], v4=rule("icmp", "t"), nfct=["add timeout t inet icmp timeout 9"])
    yield case("icmpv6", [Send("eth0", echo(7, 1)(ip(A6, B6)))], v6=rule("icmpv6", "t"), nfct=["add timeout t inet6 icmpv6 timeout 9"])
    yield case("gre", [Send("eth0", raw(47, bytes(8))(ip(A, B))), Send("eth1", raw(47, bytes(8))(ip(B, A)))], v4=rule("47", "t"), nfct=["add timeout t inet gre unreplied 9 replied 19"])
    yield case("generic", [Send("eth0", raw(200, b"x")(ip(A, B)))], v4=rule("200", "t"), nfct=["add timeout t inet generic timeout 9"])
    init = struct.pack("!IIHHI", 1, 9, 1, 1, 7)
    yield case("sctp", [Send("eth0", sctp(5, 6, 0, chunk(1, 0, init))(ip(A, B))), Send("eth1", sctp(6, 5, 1, chunk(2, 0, init + b"cook"))(ip(B, A))),
                        Send("eth0", sctp(5, 6, 1, chunk(10, 0, b"cook"))(ip(A, B)))], v4=rule("sctp", "t"), nfct=["add timeout t inet sctp closed 5 cookie_wait 6 cookie_echoed 7 established 8"])
    for i, (proto, policy) in enumerate((("tcp", "inet udp unreplied 3"), ("tcp", "inet6 tcp close 3"), ("200", "inet generic timeout 3"), ("47", "inet generic timeout 3"), ("33", "inet generic timeout 3"))):
        yield case("mismatch-%d" % i, [], v4=rule(proto, "t"), nfct=["add timeout t " + policy])
    yield case("unknown", [], v4=rule("tcp", "t"))
    yield case("no-proto", [], v4="*raw\n-A PREROUTING -j CT --timeout t\nCOMMIT\n", nfct=["add timeout t inet udp replied 3"])
    yield case("with-helper-and-zone", [u(0, dp=69), u(1, B, A, 69, 5)], v4=rule("udp", "t", " --helper tftp --zone 4"), nfct=["add timeout t inet udp unreplied 9"])
    yield case("dccp-has-none", [Do("nfct add timeout d inet dccp open 3"), Send("eth0", raw(33, bytes(16))(ip(A, B)))])

    # Labels: matched, set, kept by the connection, seen both ways; none on connections older than the first rule.
    label = lambda *rules: "*filter\n%sCOMMIT\n" % "".join("-A FORWARD %s\n" % r for r in rules)
    both = [u(0), u(1, B, A, 6, 5), u(0)]
    lab = "-m connlabel --label %d"
    for name, rules in (("set-then-seen", (lab % 5 + " --set", lab % 5, "-m connlabel ! --label 5", lab % 6)), ("seen-then-set", (lab % 5, lab % 5 + " --set")),
                        ("not-set-again", ("-m connlabel ! --label 127 --set", lab % 127)), ("many", tuple((lab % b) + " --set" for b in (0, 7, 8, 63, 64, 127))),
                        ("reply-only", ("-i eth1 " + lab % 1 + " --set", lab % 1))):
        yield Case("label-" + name, both, v4=label(*rules), conntrack="on", covers=["connlabel"])
    yield Case("label-late", [u(0), Do("iptables -A FORWARD -m connlabel --label 3 --set"), u(0), u(0, sp=7), u(0, sp=7)], conntrack="on", covers=["connlabel"])
    yield Case("label-out-of-range", [], v4=label(lab % 128), conntrack="on", covers=["connlabel"])
    yield Case("label-untracked", [u(0)], v4="*raw\n-A PREROUTING -j NOTRACK\nCOMMIT\n" + label(lab % 3 + " --set", "-m connlabel ! --label 3"), covers=["connlabel"])
    yield Case("label-six", [Send("eth0", udp(5, 6)(ip(A6, B6)))] * 2, v6=label(lab % 3 + " --set", lab % 3), covers=["connlabel"])
    yield Case("label-expected", [u(0, dp=69, p=lambda a, b: udp(a, b, b"\0\1f\0octet\0")), u(1, B, A, 4000, 5), u(0, dp=4000)], conntrack="on", covers=["connlabel"],
               v4="*raw\n-A PREROUTING -p udp --dport 69 -j CT --helper tftp\nCOMMIT\n" + label("-p udp --dport 69 " + lab % 9 + " --set", lab % 9))
