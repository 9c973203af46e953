"""NetBIOS name queries that the host broadcasts, answers from the network and from elsewhere."""
import random

from case import Case, Do, Send
from genlib import filter_rules, help_rules
from packets import ip, udp

NATS = ("", "*nat\n-A POSTROUTING -p udp -j SNAT --to-source 10.0.0.1\nCOMMIT\n", "*nat\n-A POSTROUTING -p udp -j SNAT --to-source 10.0.0.1:2000-2010\nCOMMIT\n",
        "*nat\n-A OUTPUT -p udp -d 10.0.0.255 -j DNAT --to-destination 10.0.0.3\nCOMMIT\n", "*nat\n-A PREROUTING -p udp -j REDIRECT --to-ports 137\nCOMMIT\n")


def case(seed):
    r = random.Random("helper-nbns-%d" % seed)
    items, net = [], []
    if r.random() < .3:
        net.append("addr add 192.0.2.1/%d brd + dev eth0" % r.choice((24, 28, 30)))
    if r.random() < .3:
        net.append("addr add 10.0.0.100/%d brd 10.0.0.%d dev eth0" % (r.choice((24, 25)), r.choice((255, 127))))
    for _ in range(r.randrange(1, 5)):
        src = r.choice(("10.0.0.1", "10.0.0.1", "10.1.0.1", "192.0.2.1", "10.0.0.100"))
        dst = r.choice(("10.0.0.255", "10.0.0.255", "10.1.0.255", "255.255.255.255", "10.0.0.3", "192.0.2.255", "192.0.2.3", "10.0.0.127", "10.2.0.255"))
        sport = r.choice((137, 137, 1000, 138))
        if r.random() < .85:
            items.append(Send(None, udp(sport, r.choice((137, 137, 138)), b"query")(ip(src, dst)), gap=r.choice((0, 0, 0, .02))))
        else:
            items.append(Send("eth0", udp(sport, 137, b"query")(ip("10.0.0.3", dst))))
        for _ in range(r.randrange(4)):
            net_no = r.choice((0, 0, 0, 1, 2))
            items.append(Send("eth%d" % net_no, udp(r.choice((137, 137, 137, 138, 5)), sport, b"answer")(
                ip("10.%d.0.%d" % (net_no, r.choice((2, 3, 4, 200))), r.choice((src, src, src, "10.0.0.1"))))))
    rules = help_rules("netbios-ns", "udp", 137) + r.choice(NATS) + "*filter\n-A INPUT -m helper --helper netbios-ns\n-A INPUT -m conntrack --ctstate RELATED\n" \
        "-A INPUT -m conntrack --ctstate ESTABLISHED\nCOMMIT\n"
    return Case("seed-%d/netbios-ns" % seed, items, v4=rules, net=net, conntrack="on", masks={"nat-port"}, covers=["netbios-ns helper", "expectations"])
