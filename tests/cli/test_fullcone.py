"""-j FULLCONE, which Linux does not have: random UDP traffic through weir run, and a model of RFC 4787 beside it (endpoint-independent
mapping and filtering) that knows only who sent what, and when."""
import os
import random
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kernel"))
from case import Case, Send  # noqa: E402
from packets import ip, tcp, udp  # noqa: E402
from weir import run_alone  # noqa: E402

OUTSIDE = {4: "10.1.0.1", 6: "fd00:1::1"}
IN_NET, OUT_NET = {4: "10.0.0.%d", 6: "fd00::%x"}, {4: "10.1.0.%d", 6: "fd00:1::%x"}
LIFETIME = 30


def fixed(src, dst):
    """An IP header that is the same each time it is built."""
    return ip(src, dst) if ":" in src else ip(src, dst, ident=7)


def rules(ports=""):
    return ("*nat\n-A PREROUTING -i eth1 -j FULLCONE\n-A POSTROUTING -o eth1%s -j FULLCONE%s\nCOMMIT\n" % (" -p udp" if ports else "", ports))


def ends(frame):
    """(source, destination) of an Ethernet frame with UDP or TCP: (address, port) each."""
    p = frame[14:]
    if p[0] >> 4 == 4:
        a, b, l4 = p[12:16], p[16:20], (p[0] & 15) * 4
        text = lambda x: ".".join(map(str, x))
    else:
        import ipaddress
        a, b, l4 = p[8:24], p[24:40], 40
        text = lambda x: str(ipaddress.ip_address(x))
    sport, dport = struct.unpack("!HH", p[l4:l4 + 4])
    return (text(a), sport), (text(b), dport)


def run(items, v=4, ports="", text=None, **kw):
    return run_alone(Case("fullcone", items, **{"v%d" % v: text or rules(ports)}, **kw))


def mapped(outputs, item):
    """Where the packet that item sent out seems to come from; None: it did not leave."""
    for iface, frame in outputs.get(item, []):
        if iface == "eth1":
            return ends(frame)[0]
    return None


class FullCone(unittest.TestCase):
    def drawn(self, seed, v):
        """Inside sockets send to anybody; outside ones send to a mapping that was seen, or next to one."""
        r = random.Random(seed)
        items, plan = [], []
        for n in range(24):
            gap = r.choice([0.01, 0.1, 1, LIFETIME + 1])
            first = [i for i, p in enumerate(plan) if p[0] == "out"]
            if not first or r.random() < 0.55:
                inside, outside = (IN_NET[v] % r.randrange(2, 5), r.choice([4000, 4001, 500, 700])), (OUT_NET[v] % r.randrange(2, 6), r.choice([53, 9000]))
                items.append(Send("eth0", udp(inside[1], outside[1])(ip(inside[0], outside[0])), gap=gap))
                plan.append(("out", inside, outside))
            else:
                at, off, outside = r.choice(first), r.choice([0, 0, 0, 7]), (OUT_NET[v] % r.randrange(2, 6), r.choice([53, 9000, 1234]))

                def build(outputs, at=at, off=off, outside=outside):
                    place = mapped(outputs, at)
                    return place and udp(outside[1], place[1] + off)(fixed(outside[0], place[0]))
                items.append(Send("eth1", build, gap=gap))
                plan.append(("in", at, off, outside))
        return items, plan

    def model(self, items, plan, seen, v):
        now = 0.0
        flows = {}      # (inside, remote) -> the end of the connection; either side began it
        owner = {}      # outside port -> inside socket
        kept = {"out": 0, "in": 0, "refused": 0}
        for i, (item, p) in enumerate(zip(items, plan)):
            now += item.gap + 0.001
            alive = {k: end for k, end in flows.items() if end > now}
            ended = {k for k in flows if k not in alive}
            for k in ended:
                del flows[k]
            owner = {port: inside for port, inside in owner.items() if any(k[0] == inside for k in flows)}
            if p[0] == "out":
                place = mapped(seen.tx, i)
                self.assertIsNotNone(place, "item %d left" % i)
                self.assertEqual(place[0], OUTSIDE[v])
                mine = [port for port, inside in owner.items() if inside == p[1]]
                if mine:
                    self.assertEqual(place[1], mine[0], "item %d: one mapping for all remotes" % i)
                else:
                    self.assertNotIn(place[1], owner, "item %d: a mapping of its own" % i)
                    if p[1][1] not in owner:
                        self.assertEqual(place[1], p[1][1], "item %d: the port is kept when nobody has it" % i)
                    self.assertEqual((place[1] < 512, place[1] < 1024, place[1] & 1), (p[1][1] < 512, p[1][1] < 1024, p[1][1] & 1))
                    owner[place[1]] = p[1]
                flows[(p[1], p[2])] = max(now + LIFETIME, flows.get((p[1], p[2]), 0))
                kept["out"] += 1
                continue
            place = mapped(seen.tx, p[1])
            inside = owner.get(place[1] + p[2])
            arrived = [ends(f) for iface, f in seen.tx.get(i, []) if iface == "eth0"]
            if inside:
                self.assertEqual(arrived, [(p[3], inside)], "item %d: whoever sends to the mapping is let in" % i)
                flows[(inside, p[3])] = max(now + LIFETIME, flows.get((inside, p[3]), 0))
                kept["in"] += 1
            else:
                self.assertEqual(arrived, [], "item %d: nobody's mapping" % i)
                kept["refused"] += 1
        return kept

    def test_random_traffic(self):
        total = {}
        for v in (4, 6):
            for seed in range(5):
                items, plan = self.drawn(seed, v)
                sysctl = {"net.netfilter.nf_conntrack_udp_timeout": LIFETIME, "net.netfilter.nf_conntrack_udp_timeout_stream": LIFETIME}
                seen = run(items, v, sysctl=sysctl)
                self.assertIsNone(seen.refused)
                for k, n in self.model(items, plan, seen, v).items():
                    total[k] = total.get(k, 0) + n
        self.assertTrue(min(total.values()) > 15, total)

    def test_ports_of_the_rule_run_out(self):
        items = [Send("eth0", udp(4000 + i, 53)(ip("10.0.0.2", "10.1.0.2"))) for i in range(5)]
        seen = run(items, ports=" --to-ports 9000-9003")
        places = [mapped(seen.tx, i) for i in range(5)]
        self.assertEqual(sorted(p[1] for p in places[:4]), [9000, 9001, 9002, 9003])
        self.assertIsNone(places[4])

    def test_hairpin(self):
        """RFC 4787, REQ-9: an inside socket that sends to another's outside one is seen as its own outside one, and answered there."""
        for v in (4, 6):
            x, y, x2, remote = IN_NET[v] % 2, IN_NET[v] % 3, IN_NET[v] % 4, OUT_NET[v] % 2
            # x and y have mappings: 4000 each, so one of them another; x2 has none yet
            items = [Send("eth0", udp(4000, 53)(ip(x, remote))), Send("eth0", udp(4000, 53)(ip(y, remote)))]

            def to(item, sport, src):
                return lambda outputs: udp(sport, mapped(outputs, item)[1])(fixed(src, OUTSIDE[v]))
            items += [Send("eth0", to(1, 4000, x)), Send("eth0", to(0, 4000, y)), Send("eth0", to(1, 700, x2)), Send("eth1", to(0, 9, OUT_NET[v] % 5)),
                      Send("eth0", lambda outputs: udp(4000, 53)(fixed(x2, OUT_NET[v] % 5)))]
            rules = "*nat\n-A PREROUTING -j FULLCONE\n-A POSTROUTING -o eth1 -j FULLCONE\n-A POSTROUTING -o eth0 -m conntrack --ctstate DNAT -j FULLCONE\nCOMMIT\n"
            seen = run(items, v, text=rules)
            at = {n: mapped(seen.tx, i) for n, i in (("x", 0), ("y", 1))}
            self.assertNotEqual(at["x"], at["y"])
            inside = lambda i: [ends(f) for iface, f in seen.tx.get(i, []) if iface == "eth0"]
            self.assertEqual(inside(2), [(at["x"], (y, 4000))])
            self.assertEqual(inside(3), [(at["y"], (x, 4000))])     # the answer, of the same connection
            (source, end), = inside(4)
            self.assertEqual((source, end), ((OUTSIDE[v], 700), (y, 4000)))
            self.assertEqual([end for _, end in inside(5)], [(x, 4000)])
            self.assertEqual(inside(5)[0][0][0], IN_NET[v] % 1)     # from outside: what the rule on eth0 asks for, MASQUERADE
            other = mapped(seen.tx, 6)
            self.assertNotIn(other, at.values())
            self.assertNotEqual(other, source)

    def test_tcp_is_masqueraded(self):
        seen = run([Send("eth0", tcp(4000, 80, "S", 1)(ip("10.0.0.2", "10.1.0.2"))),
                    Send("eth1", tcp(80, 4000, "S", 1)(ip("10.1.0.3", "10.1.0.1")))])
        self.assertEqual(mapped(seen.tx, 0), ("10.1.0.1", 4000))
        self.assertEqual(seen.tx.get(1, []), [])

    def test_text(self):
        seen = run([], ports=" --to-ports 9000-9003 --random")
        self.assertIn("-A POSTROUTING -o eth1 -p udp -j FULLCONE --to-ports 9000-9003 --random", " ".join(seen.rules["4"]).replace("[0:0] ", ""))


if __name__ == "__main__":
    unittest.main()
