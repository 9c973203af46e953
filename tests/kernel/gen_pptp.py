"""Seeded PPTP dialogs, bent: profile "pptp"."""
import random

import bend
import pptp as p
from case import Case, Do, Send
from packets import Ip4, icmp, ip, tcp

NATS = ("", "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n",
        "*nat\n-A POSTROUTING -o eth1 -p tcp -j SNAT --to-source 10.1.0.1:%d\nCOMMIT\n",
        "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n",
        "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n",
        "*nat\n-A PREROUTING -i eth0 -p tcp -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\n"
        "-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.7\nCOMMIT\n",
        "*nat\n-A POSTROUTING -o eth1 -p gre -j SNAT --to-source 10.1.0.8\nCOMMIT\n")


class Session:
    """One control connection whose ends follow NAT; messages and calls are drawn."""

    def __init__(self, r, nat, index):
        self.r, self.sport = r, r.choice((1000, 1001, 1723, 500, 40000)) + 7 * index
        self.c = r.choice(("10.0.0.2", "10.0.0.3"))
        self.near = "10.1.0.9" if "DNAT" in nat else "10.1.0.2"
        self.far, self.far_sport = self.c, self.sport
        if "10.1.0.7" in nat:
            self.far = "10.1.0.7"
        elif "10.1.0.1" in nat or "MASQ" in nat:
            self.far = "10.1.0.1"
        if "-p tcp -j SNAT --to-source 10.1.0.1:" in nat:
            self.far_sport = 2000 + index
        self.seq = [100, 500]
        self.ids = [r.choice((7, 8, 0, self.far_sport, 65535)) for _ in range(2)]
        self.servers = [r.choice((7, 9, 10, 0, 256)) for _ in range(2)]
        self.open = [self.segment(0, b"", "S", 99, 0), self.segment(1, b"", "SA", 499, 100), self.segment(0, b"", "A")]

    def segment(self, side, data, flags="PA", seq=None, ack=None):
        if side == 0:
            l3, ports, iface = ip(self.c, self.near), (self.sport, 1723), "eth0"
        else:
            l3, ports, iface = ip("10.1.0.2", self.far), (1723, self.far_sport), "eth1"
        return Send(iface, tcp(*ports, flags, self.seq[side] if seq is None else seq,
                               self.seq[1 - side] if ack is None else ack, data=data)(l3))

    def steps(self):
        """(side, message) or (side, None, call id) for GRE."""
        r = self.r
        client, server = r.choice(self.ids), r.choice(self.servers)
        seen = r.choice((client, self.far_sport, self.far_sport, 0))
        ok = r.choice((1, 1, 1, 1, 2))
        call = [(0, p.out_request(client)), (1, p.out_reply(server, seen, ok))]
        if r.random() < 0.35:
            call = [(1, p.in_request(server)), (0, p.in_reply(client, server, ok)), (1, p.in_connected(r.choice((client, client, 0))))]
        traffic = [(0, None, server), (1, None, seen), (0, None, server), (1, None, client)]
        r.shuffle(traffic)
        extra = [(r.randrange(2), m) for m in (p.link_info(seen), p.wan_error(seen), p.echo_request(), p.echo_reply(), p.clear_request(client),
                                               p.disconnected(server), p.stop_request(), p.stop_reply(ok), p.start_request())]
        out = [(0, p.start_request()), (1, p.start_reply(r.choice((1, 1, 1, 1, 1, 1, 2))))] + call + traffic
        out += r.sample(extra, r.randrange(4))
        if r.random() < 0.5:
            out += [(0, p.clear_request(client)), (1, p.disconnected(r.choice((server, seen))))] + traffic[:2]
        if r.random() < 0.5:
            out += [(0, p.out_request(r.choice(self.ids))), (1, p.out_reply(r.choice(self.servers), seen))] + traffic
        if r.random() < 0.3:
            out += [(0, p.stop_request()), (1, p.stop_reply())]
        return bend.dialog(r, out)

    def items(self):
        r, out = self.r, list(self.open)
        for step in self.steps():
            side = step[0]
            if step[1] is None:
                l3 = ip(self.c, self.near) if side == 0 else ip("10.1.0.2", self.far)
                kw = {}
                if r.random() < 0.15:
                    kw = r.choice(({"flags": 0x2001}, {"flags": 0x3000}, {"flags": 2}, {"proto": 0x800}, {"ack": 3}))
                packet = p.gre(step[2], **kw)(l3)
                if r.random() < 0.08:
                    packet = icmp(3, r.choice((0, 1, 3)), data=packet[:r.choice((20, 24, 28, 60))])(ip(l3.dst, l3.src))
                    side = 1 - side
                out.append(Send("eth%d" % side, packet))
                continue
            data = step[1]
            if r.random() < 0.25:
                data = bend.payload(r, data, 3)
            if r.random() < 0.05:
                data += p.echo_request()
            for piece in bend.split(r, data) if data else [b""]:
                item = self.segment(side, piece)
                out.append(item)
                self.seq[side] += len(piece)
                if r.random() < 0.08:
                    out.append(item)
            if r.random() < 0.03:
                out.append(Do(r.choice(("conntrack -D -p gre", "conntrack -D -p tcp --orig-port-src %d" % self.sport))))
            if r.random() < 0.02:
                out.append(self.segment(side, b"", r.choice(("R", "F", "FA"))))
        for item in out:
            if r.random() < 0.03:
                item.gap = r.choice((0.01, 2.0))
        return out


def case(seed):
    r = random.Random(seed)
    Ip4.ident_next[0] = r.randrange(0x1000, 0x7000)
    nat = r.choice(NATS)
    sessions = [Session(r, nat, i) for i in range(r.choice((1, 1, 2)))]
    if "%d" in nat:
        nat = "*nat\n" + "".join("-A POSTROUTING -o eth1 -p tcp --sport %d -j SNAT --to-source 10.1.0.1:%d\n" % (s.sport, s.far_sport)
                                 for s in sessions) + "COMMIT\n"
    lists = [s.items() for s in sessions]
    items = []
    while any(lists):
        items.append(r.choice([x for x in lists if x]).pop(0))
    rules = "*raw\n-A PREROUTING -p tcp --dport 1723 -j CT --helper pptp\nCOMMIT\n" + nat
    return Case("seed-%d/pptp" % seed, items, v4=rules, conntrack="on", covers=["pptp helper", "gre"], masks={"nat-port"} if nat else ())
