"""Matches with lists and tables of their own: recent, hashlimit, connlimit, rateest, nfacct, quota and what they show in /proc/net."""
from case import Case, Do, Send
from packets import *

A, A2, A3, B, B2, R0 = "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.1.0.2", "10.1.0.3", "10.0.0.1"
A6, A62, B6, R06 = "fd00::2", "fd00::3", "fd00:1::2", "fd00::1"
GAP = 0.012     # three ticks: where the answer depends on ticks, edges are kept away from


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def to6(address):
    """10.N.0.H is fd00:N::H in the office."""
    n, _, h = address.split(".")[1:]
    return "fd00::%x" % int(h) if n == "0" else "fd00:%s::%x" % (n, int(h))


def both(name, rules, items, covers, hook="FORWARD", table="filter", only=(4, 6), **kw):
    """The same in both families. items: (src, dst, ttl, gap) of a UDP packet, a Do, or a function of the address maker."""
    for v in only:
        at = (lambda a: a) if v == 4 else to6
        built = []
        for it in items:
            if isinstance(it, (Do, Send)):
                built.append(it)
            elif callable(it):
                built.append(it(at))
            else:
                src, dst, ttl, gap = tuple(it) + (64, GAP)[len(it) - 2:]
                built.append(Send("eth0" if src.startswith("10.0.") else "eth1", udp(1000, 2)(ip(at(src), at(dst), ttl=ttl)), gap=gap))
        text = [r.replace("MASK24", "255.255.255.0" if v == 4 else "ffff:ffff::").replace("iptables", "iptables" if v == 4 else "ip6tables") for r in rules]
        yield Case("%s-%d" % (name, v), built, covers=[covers], **{"v%d" % v: chain(table, hook, text)}, **kw)


def recent_cases():
    two = [(A, B), (A2, B), (A, B), (A, B2), (A2, B), (A, B), (A3, B), (B, A)]
    yield from both("recent-set", ["-m recent --set", "-m recent --set --name x", "-m recent ! --set --name y", "-m recent --set --name d --rdest"], two, "recent")
    yield from both("recent-rcheck", ["-m recent --rcheck --name x", "-m recent ! --rcheck --name x", "-m recent --set --name x",
                                      "-m recent --rcheck --name x", "-m recent ! --rcheck --name x", "-m recent --rcheck --name x --rdest"], two, "recent")
    yield from both("recent-update", ["-m recent --update --name x", "-m recent ! --update --name x", "-m recent --set --name x", "-m recent --update --name x --hitcount 3", "-m recent --update --name x --hitcount 6",
                                      "-m recent ! --update --name x --hitcount 9"], two, "recent")
    yield from both("recent-remove", ["-m recent --remove --name x", "-m recent ! --remove --name y", "-m recent --set --name x", "-m recent --set --name y"], two, "recent")
    yield from both("recent-hitcount", ["-m recent --set --name h", "-m recent --rcheck --name h --hitcount 1", "-m recent --rcheck --name h --hitcount 2", "-m recent --rcheck --name h --hitcount 3", "-m recent --rcheck --name h --hitcount 5",
                                        "-m recent ! --rcheck --name h --hitcount 4", "-m recent --rcheck --name h --hitcount 0"], two + two, "recent")
    yield from both("recent-wraps", ["-m recent --set --name w", "-m recent --rcheck --name w --hitcount 4", "-m recent --rcheck --name w --hitcount 3"], [(A, B)] * 11 + [(A2, B)] * 2, "recent")
    yield from both("recent-one-stamp", ["-m recent --set --name w", "-m recent --rcheck --name w --hitcount 1"], [(A, B)] * 4, "recent")
    yield from both("recent-32", ["-m recent --set --name w"], [(A, B)] * 40, "recent")
    slow = [(A, B), (A, B, 64, 0.5), (A2, B, 64, 0.7), (A, B, 64, 0.4), (A, B, 64, 1.3), (A2, B), (A, B, 64, 0.5)]
    yield from both("recent-seconds", ["-m recent --rcheck --seconds 1 --name s", "-m recent ! --rcheck --seconds 1 --name s", "-m recent --rcheck --seconds 2 --hitcount 3 --name s", "-m recent --rcheck --seconds 1 --hitcount 2 --name s",
                                       "-m recent --set --name s"], slow, "recent")
    yield from both("recent-seconds-update", ["-m recent --update --seconds 1 --name s -j DROP", "-m recent --set --name s"], slow, "recent")
    yield from both("recent-reap", ["-m recent --rcheck --seconds 1 --reap --name s", "-m recent --set --name s"], slow, "recent")
    yield from both("recent-reap-update", ["-m recent --update --seconds 1 --reap --name s", "-m recent ! --update --seconds 1 --reap --hitcount 2 --name t", "-m recent --rcheck --name s", "-m recent --set --name t",
                                           "-m recent ! --rcheck --name s", "-m recent --set --name s"], slow, "recent")
    ttls = [(A, B, 64), (A, B, 63), (A, B, 64), (A2, B, 10), (A2, B, 10), (A2, B, 9), (A, B, 63), (A, B, 255)]
    yield from both("recent-rttl", ["-m recent --rcheck --rttl --name t", "-m recent --update --rttl --name u", "-m recent --set --name t", "-m recent ! --rcheck --rttl --name t", "-m recent --set --name u"], ttls, "recent")
    yield from both("recent-rttl-prerouting", ["-m recent --rcheck --rttl --name t", "-m recent --set --name t"], ttls, "recent", hook="PREROUTING", table="mangle")
    yield from both("recent-mask", ["-m recent --set --mask MASK24 --name m", "-m recent --rcheck --mask MASK24 --name m", "-m recent --rcheck --name m", "-m recent --rcheck --name m --rdest", "-m recent --set --name n",
                                    "-m recent --rcheck --mask MASK24 --name n"], two, "recent")
    many = [Send("eth0", udp(1, 2)(ip("10.0.%d.%d" % (i // 50, 10 + i % 50), B))) for i in range(105)] + [Send("eth0", udp(1, 2)(ip("10.0.0.10", B))), Send("eth0", udp(1, 2)(ip("10.0.0.15", B))), Send("eth0", udp(1, 2)(ip("10.0.0.17", B)))]
    yield Case("recent-full", many, v4=chain("filter", "FORWARD", ["-m recent --rcheck --name f", "-m recent --set --name f"]), covers=["recent"], note="a hundred addresses, then the one unseen longest goes")
    yield Case("recent-pieces", [Send("eth0", p) for p in fragments4(udp(1, 2, b"x" * 90)(ip(A, B)), [48])] * 2 + [Send("eth0", p) for p in fragments6(udp(1, 2, b"x" * 90)(ip(A6, B6)), [48], 7)],
               v4=chain("filter", "FORWARD", ["-m recent --update --name p", "-m recent --set --name p"]), v6=chain("filter", "FORWARD", ["-m recent --update --name p", "-m recent --set --name p"]), covers=["recent"],
               note="one list for both families")
    echo = [(A, B), Do("echo +10.0.0.3 > /proc/net/xt_recent/e"), Do("echo +fd00::3 > /proc/net/xt_recent/e"), (A2, B), Do("echo -10.0.0.2 > /proc/net/xt_recent/e"), Do("echo -fd00::2 > /proc/net/xt_recent/e"), (A, B), (A, B),
            Do("echo +10.0.0.4 > /proc/net/xt_recent/e"), Do("echo +10.0.0.4 > /proc/net/xt_recent/e"), Do("echo -1.2.3.4 > /proc/net/xt_recent/e"), Do("echo -n +1.2.3.5 > /proc/net/xt_recent/e")]
    rules = ["-m recent --rcheck --name e", "-m recent ! --rcheck --name e", "-m recent --rcheck --name e --rttl", "-m recent --set --name e"]
    yield from both("recent-echo", rules, echo, "recent")
    yield from both("recent-echo-refused", rules, [Do("echo %s > /proc/net/xt_recent/%s" % x) for x in (("10.0.0.3", "e"), ("+10.0.0", "e"), ("+10.0.0.300", "e"), ("+10.0.0.1.2", "e"), ("+10.0.0.1/8", "e"), ("+x", "e"), ("+", "e"), ("+10.0.0.1", "none"),
                                                                                                ("+fd00::12345", "e"), ("+10.0.0.01", "e"), ("'+10.0.0.5 '", "e"))] + [(A, B)], "recent")
    yield from both("recent-echo-flush", rules, [(A, B), (A2, B), Do("echo / > /proc/net/xt_recent/e"), (A, B)], "recent")
    yield from both("recent-rules-change", ["-m recent --set --name k", "-m recent --set --name l"], [(A, B), (A2, B), Do("iptables -A FORWARD -m recent --rcheck --name k"), Do("ip6tables -A FORWARD -m recent --rcheck --name k"), (A, B),
                                            Do("iptables -D FORWARD 2"), Do("ip6tables -D FORWARD 2"), (A3, B), Do("iptables -A FORWARD -m recent --rcheck --name k --hitcount 40"),
                                            Do("ip6tables -A FORWARD -m recent --rcheck --name k --hitcount 40"), (A, B)], "recent", note="a list ends with its last rule; one that must hold more stamps is emptied")
    local = [Send(None, udp(1000, 2)(ip(R0, B, ttl=60))), Send(None, udp(1000, 2)(ip(R0, B, ttl=60)), gap=GAP), Send("eth0", tcp(1, 2, "S", 5)(ip(A, B)), gap=GAP), Send("eth0", udp(1, 2)(ip(A, B2)), gap=GAP)]
    yield Case("recent-local", local, v4="*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -d 10.1.0.3 -j REJECT\n-A OUTPUT -m recent --rcheck --rttl --name o\n-A OUTPUT -m recent --set --rdest --name o\nCOMMIT\n"
               "*mangle\n-A POSTROUTING -m recent --set --rdest --name q\nCOMMIT\n", covers=["recent"])
    for n, bad in enumerate(("--rcheck --reap", "--set --name a/b", "--rcheck --hitcount 65536", "--set --name ..", "--rcheck --seconds 1 --hitcount 65535")):
        yield Case("recent-refused-%d" % n, [], v4=chain("filter", "FORWARD", ["-m recent " + bad]), covers=["recent"])


def cases():
    for group in (recent_cases,):
        yield from group()
