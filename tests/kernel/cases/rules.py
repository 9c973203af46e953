"""Rules as a program: chains, jumps, verdicts, policies, counters, hooks, and changing them while packets pass."""
from case import Case, Do, Send
from packets import *

A, A2, B, C, GW = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2", "10.0.0.1"
A6, B6, GW6 = "fd00::2", "fd00:1::2", "fd00::1"


def flt(*rules, policy=(), table="filter"):
    heads = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
             "raw": ("PREROUTING", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "security": ("INPUT", "FORWARD", "OUTPUT")}[table]
    users = [r[1:] for r in rules if r.startswith(":")]
    lines = ["*" + table] + [":%s %s [0:0]" % (h, dict(policy).get(h, "ACCEPT")) for h in heads]
    lines += [":%s - [0:0]" % u for u in users] + [r for r in rules if not r.startswith(":")] + ["COMMIT"]
    return "\n".join(lines) + "\n"


def both(name, rules, packets4, packets6=None, **kw):
    """The same rules in both families; packets as functions of the l3 builder."""
    yield Case(name + "-4", packets4, v4=rules, **kw)
    if packets6:
        yield Case(name + "-6", packets6, v6=rules, **kw)


def mixed(a, b):
    return [Send("eth0", udp(5, 53)(ip(a, b))), Send("eth0", tcp(5, 80, "S", 1)(ip(a, b))), Send("eth0", echo(1, 1)(ip(a, b))),
            Send("eth0", udp(5, 54)(ip(a, b)))]


M4, M6 = mixed(A, B), mixed(A6, B6)


def cases():
    cov = ["filter", "chains"]
    yield from both("jump-return", flt(":u", "-A FORWARD -j u", "-A FORWARD -p tcp -j DROP", "-A u -p udp -m udp --dport 53 -j RETURN", "-A u -p udp -j DROP"), M4, M6, covers=cov)
    yield from both("jump-falls-through", flt(":u", ":v", "-A FORWARD -j u", "-A FORWARD -p udp -j DROP", "-A u -j v", "-A v -p tcp -j DROP"), M4, M6, covers=cov)
    yield from both("goto-returns-to-caller", flt(":u", ":v", "-A FORWARD -j u", "-A FORWARD -p tcp -j DROP", "-A u -g v", "-A u -j DROP", "-A v -p udp -m udp --dport 54 -j DROP"), M4, M6, covers=cov)
    yield from both("goto-from-builtin-takes-policy", flt(":u", "-A FORWARD -g u", "-A FORWARD -j DROP", "-A u -p tcp -j DROP", policy={"FORWARD": "DROP"}.items()), M4, M6, covers=cov)
    yield from both("return-in-builtin-is-policy", flt("-A FORWARD -p tcp -j RETURN", "-A FORWARD -p udp -j ACCEPT", policy={"FORWARD": "DROP"}.items()), M4, M6, covers=cov)
    yield from both("nested-deep", flt(*[":c%d" % i for i in range(20)], "-A FORWARD -j c0", *["-A c%d -j c%d" % (i, i + 1) for i in range(19)],
                                      "-A c19 -p udp -j DROP", "-A c10 -p tcp -j DROP"), M4, M6, covers=cov)
    yield from both("nested-goto-and-jump", flt(":a", ":b", ":c", "-A FORWARD -j a", "-A FORWARD -p icmp -j DROP", "-A a -j b", "-A a -p udp -j DROP", "-A b -g c", "-A c -p tcp -j RETURN", "-A c -p tcp -j DROP"), M4, None, covers=cov)
    yield from both("rule-without-target-counts", flt("-A FORWARD", "-A FORWARD -p udp", "-A FORWARD -p tcp -c 5 300"), M4, M6, covers=cov)
    yield from both("policies", flt(policy={"FORWARD": "DROP", "INPUT": "DROP", "OUTPUT": "DROP"}.items()),
                    M4 + [Send("eth0", udp(1, 2)(ip(A, GW))), Send(None, udp(1, 2)(ip(GW, A)))], M6 + [Send("eth0", udp(1, 2)(ip(A6, GW6))), Send(None, udp(1, 2)(ip(GW6, A6)))], covers=cov)
    allt = "".join(flt(*["-A %s -p udp" % h for h in hs], table=t) for t, hs in (
        ("raw", ("PREROUTING", "OUTPUT")), ("mangle", ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")), ("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
        ("filter", ("INPUT", "FORWARD", "OUTPUT")), ("security", ("INPUT", "FORWARD", "OUTPUT"))))
    way4 = [Send("eth0", udp(5, 53)(ip(A, B))), Send("eth1", udp(53, 5)(ip(B, A))), Send("eth0", udp(5, 53)(ip(A, GW))), Send(None, udp(53, 5)(ip(GW, A))),
            Send(None, udp(7, 7)(ip(GW, GW))), Send("eth0", udp(5, 6)(ip(A, B, ttl=1)))]
    way6 = [Send("eth0", udp(5, 53)(ip(A6, B6))), Send("eth1", udp(53, 5)(ip(B6, A6))), Send("eth0", udp(5, 53)(ip(A6, GW6))), Send(None, udp(53, 5)(ip(GW6, A6))),
            Send(None, udp(7, 7)(ip(GW6, GW6))), Send("eth0", udp(5, 6)(ip(A6, B6, ttl=1)))]
    for ct in ("on", "auto"):
        yield from both("every-table-every-hook-" + ct, allt, way4, way6, conntrack=ct, covers=["raw", "mangle", "nat", "filter", "security", "hooks"])
    for t, h in (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("mangle", "FORWARD"), ("mangle", "POSTROUTING"), ("mangle", "OUTPUT"), ("raw", "OUTPUT"),
                 ("security", "FORWARD"), ("security", "INPUT"), ("security", "OUTPUT"), ("filter", "OUTPUT"), ("filter", "INPUT")):
        yield from both("drop-in-%s-%s" % (t, h), flt("-A %s -p udp -m udp --dport 53 -j DROP" % h, table=t), way4, way6, conntrack="on", covers=[t, "hooks"])
    # header matches
    for n, m in enumerate(("-s 10.0.0.2/32", "! -s 10.0.0.2/32", "-d 10.1.0.0/16", "! -d 10.1.0.0/24", "-s 10.0.0.0/255.0.255.3", "-i eth0", "! -i eth0", "-i eth+", "! -i eth+", "-i et+ -o eth1",
                           "-o eth1", "! -o eth1", "-o e+", "-p 17", "! -p udp", "-p all", "-f", "! -f", "-i +", "-p 1")):
        yield Case("header-%d" % n, M4 + [Send("eth0", udp(5, 53)(ip(A2, C)))] + [Send("eth0", x) for x in fragments4(udp(9, 9, bytes(64))(ip(A, B)), [32])],
                   v4=flt("-A FORWARD %s -j DROP" % m), covers=["header"])
    ext_hop = [(0, b"\0\0\x01\x04\0\0\0\0")]
    for n, m in enumerate(("-s fd00::2/128", "! -s fd00::/64", "-d fd00:1::/48", "-p udp", "! -p udp", "-p 0", "-p 44", "-p icmpv6", "-p 60", "-p 43", "-i eth0 -o eth1", "-s ffff::/ffff::", "-p 59")):
        yield Case("header6-%d" % n, M6 + [Send("eth0", udp(5, 53)(ip(A6, B6, ext=ext_hop))), Send("eth0", udp(5, 53)(ip(A6, B6, ext=[(60, b"\0\0\x01\x04\0\0\0\0")])))]
                   + [Send("eth0", x) for x in fragments6(udp(9, 9, bytes(64))(ip(A6, B6)), [32], 77)]
                   + [Send("eth0", raw(59, b"")(ip(A6, B6))), Send("eth0", raw(6, b"abc")(ip(A6, B6)))],
                   v6=flt("-A FORWARD %s -j DROP" % m), covers=["header"])
    # changing rules while packets pass
    p = lambda: Send("eth0", udp(5, 53)(ip(A, B)))
    yield Case("counters-survive-changes", [p(), Do("iptables -A FORWARD -p tcp -j DROP"), p(), Do("iptables -I FORWARD 1 -p udp"), p(), Do("iptables -D FORWARD -p tcp -j DROP"), p(),
                                             Do("iptables -R FORWARD 1 -p udp -s 10.0.0.2"), p(), Do("iptables -N u"), Do("iptables -A FORWARD -j u"), p(), Do("iptables -E u w"), p(), Do("iptables -P FORWARD DROP"), p(),
                                             Do("iptables -F w"), Do("iptables -D FORWARD -j w"), Do("iptables -X w"), p(), Do("iptables -Z FORWARD"), p()],
               v4=flt("-A FORWARD -p udp -m udp --dport 53"), covers=["rule changes"])
    yield Case("zero-one-rule", [p(), p(), Do("iptables -Z FORWARD 1"), p()], v4=flt("-A FORWARD -p udp", "-A FORWARD -s 10.0.0.2"), covers=["rule changes"])
    yield Case("insert-and-number", [Do("iptables -I FORWARD 2 -p udp -j DROP"), p(), Do("iptables -D FORWARD 1"), p(), Do("iptables -D FORWARD 1"), p()],
               v4=flt("-A FORWARD -p udp -m udp --dport 53", "-A FORWARD -j ACCEPT"), covers=["rule changes"])
    yield Case("new-table-appears", [p(), Do("iptables -t mangle -A FORWARD -j MARK --set-mark 1"), p(), Do("iptables -t raw -A PREROUTING -p udp -j DROP"), p()], covers=["rule changes"])
    yield Case("failed-command-changes-nothing", [p(), Do("iptables -A NOSUCH -j DROP"), Do("iptables -A FORWARD -j NOSUCH"), Do("iptables -D FORWARD -p tcp"), Do("iptables -X FORWARD"), Do("iptables -N FORWARD"), p()],
               v4=flt("-A FORWARD -p udp"), covers=["rule changes"])
    yield Case("user-chain-in-use-stays", [Do("iptables -X u"), p(), Do("iptables -F FORWARD"), Do("iptables -X u"), p()], v4=flt(":u", "-A FORWARD -j u", "-A u -p udp"), covers=["rule changes"])
    yield Case("flush-all", [p(), Do("iptables -F"), p(), Do("iptables -X"), p()], v4=flt(":u", "-A FORWARD -j u", "-A u -p udp -j DROP"), covers=["rule changes"])
    yield Case("policy-and-zero", [p(), Do("iptables -P FORWARD DROP"), p(), Do("iptables -Z"), p()], v4=flt("-A FORWARD -p tcp"), covers=["rule changes"])
    yield Case("tracking-on-and-off", [p(), Do("iptables -A FORWARD -m conntrack --ctstate NEW"), p(), Do("iptables -F FORWARD"), p(), Send("eth0", udp(8, 8)(ip(A, B)))], covers=["rule changes", "conntrack"])
    yield Case("delete-by-spec-negated", [Do("iptables -D FORWARD ! -s 10.0.0.3/32 -p udp -m udp ! --dport 99 -j DROP"), p()],
               v4=flt("-A FORWARD ! -s 10.0.0.3/32 -p udp -m udp ! --dport 99 -j DROP"), covers=["rule changes"])
    yield Case("counters-from-the-file", [p()], v4="*filter\n:FORWARD ACCEPT [10:1000]\n:u - [0:0]\n[7:70] -A FORWARD -p udp\n[3:30] -A FORWARD -j u\n[1:1] -A u -p tcp\nCOMMIT\n", covers=["counters"])
    yield Case("conntrack-delete", [p(), Send("eth1", udp(53, 5)(ip(B, A))), Do("conntrack -D -p udp -s 10.0.0.2"), p()], conntrack="on", covers=["conntrack command"])
    yield Case("conntrack-flush", [p(), Send("eth0", tcp(1, 2, "S", 5)(ip(A, B))), Do("conntrack -F"), p()], conntrack="on", covers=["conntrack command"])
    yield Case("conntrack-mark-and-timeout", [p(), Do("conntrack -U -p udp -s 10.0.0.2 -m 7 -t 100"), p()], conntrack="on",
               v4=flt("-A FORWARD -m connmark --mark 7"), covers=["conntrack command", "connmark"])
    yield Case("conntrack-insert", [Do("conntrack -I -p udp -s 10.0.0.2 -d 10.1.0.2 --sport 5 --dport 53 -t 60 -m 3"), p()], conntrack="on", covers=["conntrack command"])
    yield Case("route-change", [p(), Do("ip route add 10.1.0.2/32 via 10.2.0.254"), p(), Do("ip route del 10.1.0.2/32"), p(), Do("ip addr add 10.1.0.2/32 dev eth1"), p()], covers=["route changes"])
    yield Case("sysctl-change", [p(), Do("sysctl net.ipv4.ip_forward=0"), p(), Do("sysctl net.ipv4.ip_forward=1"), p()], covers=["sysctl changes"])
    # refused
    for n, text in enumerate(("*filter\n-A FORWARD -j NOSUCH\nCOMMIT\n", "*filter\n:u - [0:0]\n:v - [0:0]\n-A u -j v\n-A v -j u\n-A FORWARD -j u\nCOMMIT\n", "*nat\n-A PREROUTING -j DROP\n-A POSTROUTING -j REJECT\nCOMMIT\n",
                              "*filter\n-A FORWARD -p tcp -m udp --dport 5\nCOMMIT\n", "*filter\n-A FORWARD -j MASQUERADE\nCOMMIT\n", "*filter\n-A INPUT -o eth0\nCOMMIT\n", "*nosuch\nCOMMIT\n",
                              "*filter\n-A FORWARD -j REJECT --reject-with tcp-reset\nCOMMIT\n", "*filter\n-A FORWARD\n", "*filter\n:FORWARD NOSUCH\nCOMMIT\n", "*mangle\n-A PREROUTING -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n",
                              "*filter\n-A FORWARD -m limit --limit 1/day --limit-burst 3\nCOMMIT\n", "*filter\n-A FORWARD -m conntrack --ctstate FOO\nCOMMIT\n", "*raw\n-A PREROUTING -j SNAT --to-source 1.1.1.1\nCOMMIT\n",
                              "*filter\n-A FORWARD -j CT --notrack\nCOMMIT\n", "*filter\n-A FORWARD -s 10.0.0.256\nCOMMIT\n", "*filter\n-A FORWARD --dport 5\nCOMMIT\n")):
        yield Case("refused-%d" % n, [Send("eth0", udp(5, 53)(ip(A, B)))], v4=text, covers=["refusals"])
