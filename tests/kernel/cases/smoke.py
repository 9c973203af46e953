"""The first minute: each way through the machine once."""
from case import Case, Send, Do
from packets import *

A, B, A6, B6 = "10.0.0.2", "10.1.0.2", "fd00::2", "fd00:1::2"
STATEFUL = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -j ACCEPT
COMMIT
"""


def cases():
    for v, a, b in ((4, A, B), (6, A6, B6)):
        v4, v6 = (STATEFUL, "") if v == 4 else ("", STATEFUL)
        yield Case("forward-plain-%d" % v, [Send("eth0", udp(5, 6)(ip(a, b))), Send("eth1", udp(6, 5)(ip(b, a)))],
                   covers=["forward"])
        yield Case("stateful-%d" % v, [
            Send("eth0", tcp(1000, 80, "S", 1)(ip(a, b))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(b, a))),
            Send("eth0", tcp(1000, 80, "A", 2, 10)(ip(a, b))), Send("eth0", tcp(1000, 80, "PA", 2, 10, data=b"GET /")(ip(a, b))),
            Send("eth1", udp(53, 53)(ip(b, a))), Send("eth1", tcp(80, 1001, "SA", 9, 2)(ip(b, a)))], v4=v4, v6=v6,
            covers=["conntrack", "tcp", "filter"])
        yield Case("local-in-out-%d" % v, [
            Send("eth0", udp(5, 6)(ip(a, "10.0.0.1" if v == 4 else "fd00::1"))),
            Send(None, udp(7, 8)(ip("10.1.0.1" if v == 4 else "fd00:1::1", b)))], covers=["local-in", "local-out"])
        yield Case("ttl-%d" % v, [Send("eth0", udp(5, 6)(ip(a, b, ttl=t))) for t in (0, 1, 2)], covers=["icmp-error"])
        yield Case("reject-%d" % v, [Send("eth0", udp(5, 6)(ip(a, b))), Send("eth0", tcp(5, 6, "S", 77)(ip(a, b)))],
                   **{"v%d" % v: "*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n-A FORWARD -j REJECT\nCOMMIT\n"},
                   covers=["REJECT"])
    yield Case("masquerade", [
        Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B))), Send("eth1", tcp(80, 1000, "SA", 9, 2)(ip(B, "10.1.0.1"))),
        Send("eth0", echo(7, 1)(ip(A, B))), Send("eth1", echo(7, 1, reply=True)(ip(B, "10.1.0.1")))],
        v4="*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n", covers=["MASQUERADE", "nat"], masks={"nat-port"})
    yield Case("log", [Send("eth0", tcp(1000, 80, "S", 1)(ip(A, B)))],
               v4="*filter\n-A FORWARD -j LOG --log-prefix \"fw: \" --log-level info\nCOMMIT\n", covers=["LOG"])
    yield Case("script", [Send("eth0", udp(5, 6)(ip(A, B))), Do("iptables -A FORWARD -p udp -j DROP"), Send("eth0", udp(5, 6)(ip(A, B)))],
               covers=["script"])
