"""-j NAT64 and -j NAT46, which Linux does not have: whole packets through weir run, each compared with the one that the other family's
host would have built itself (its checksums are summed up anew here, weir changes them by the difference)."""
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kernel"))
from case import Case, Do, Send  # noqa: E402
import packets  # noqa: E402
from packets import echo, fragments6, icmp, tcp, udp  # noqa: E402
from weir import run_alone  # noqa: E402

POOL, SERVER, CLIENT = "10.1.0.1", "10.1.0.2", "fd00::2"
FAR = "64:ff9b::a01:2"    # SERVER as the client sees it
V6 = "*mangle\n-A PREROUTING -d 64:ff9b::/96 -j NAT64 --prefix 64:ff9b::/96 --to-source %s%s\nCOMMIT\n"
V4 = "*mangle\n-A PREROUTING -d 10.1.0.1 -j NAT46 --bindings\nCOMMIT\n"
MAP = " -j %s --prefix 64:ff9b::/96 --map 10.9.0.0/24=fd00::900/120\nCOMMIT\n"
STATELESS6 = "*mangle\n-A PREROUTING -d 64:ff9b::/96" + MAP % "NAT64"
STATELESS4 = "*mangle\n-A PREROUTING -d 10.9.0.0/24" + MAP % "NAT46"


def ip(src, dst, **kw):
    """A header that is the same each time it is built."""
    return packets.ip(src, dst, **kw) if ":" in src else packets.ip(src, dst, ident=7, **kw)


def run(items, v6=V6 % (POOL, ":20000-29999"), v4=V4, **kw):
    return run_alone(Case("nat64", items, v4=v4, v6=v6, **kw))


def left(seen, item, iface):
    return [f[14:] for name, f in seen.tx.get(item, []) if name == iface]


def key_at(seen, item, iface="eth1", off=20):
    """The source port (or the id of an echo, at its place) of what item sent out."""
    p = left(seen, item, iface)[0]
    return struct.unpack("!H", p[off:off + 2])[0]


def without_id(p):
    """An IPv4 packet with its id taken out of bytes and checksum: the router chooses one."""
    p = bytearray(p)
    p[4:6] = p[10:12] = b"\0\0"
    return bytes(p)


class Stateful(unittest.TestCase):
    def same4(self, got, want):
        self.assertEqual([without_id(p).hex() for p in got], [without_id(p).hex() for p in want])

    def same6(self, got, want):
        self.assertEqual([p.hex() for p in got], [p.hex() for p in want])

    def test_udp_there_and_back(self):
        back = lambda seen_tx: udp(53, port_of(seen_tx, 0), b"answer")(ip(SERVER, POOL, ttl=60))
        seen = run([Send("eth0", udp(4000, 53, b"question")(ip(CLIENT, FAR, ttl=64))), Send("eth1", back)])
        port = key_at(seen, 0)
        self.assertTrue(20000 <= port <= 29999 and port % 2 == 0, port)
        self.same4(left(seen, 0, "eth1"), [udp(port, 53, b"question")(ip(POOL, SERVER, ttl=63))])
        self.same6(left(seen, 1, "eth0"), [udp(53, 4000, b"answer")(ip(FAR, CLIENT, ttl=59))])
        self.assertTrue(any("src=10.1.0.1 dst=10.1.0.2 sport=%d dport=53" % port in line for line in map(str, seen.connections)), seen.connections)

    def test_zero_udp_checksum_and_stranger(self):
        back = lambda tx: udp(53, port_of(tx, 0), b"odd", check=0)(ip("10.1.0.3", POOL, ttl=60))
        items = [Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, FAR))), Send("eth1", back)]
        self.same6(left(run(items), 1, "eth0"), [udp(53, 4000, b"odd")(ip("64:ff9b::a01:3", CLIENT, ttl=59))])
        self.assertEqual(left(run(items, v6=V6 % (POOL, ":20000-29999 --filter")), 1, "eth0"), [])

    def test_tcp(self):
        syn = lambda tx: tcp(80, port_of(tx, 0), "SA", 900, 101)(ip(SERVER, POOL, ttl=64))
        seen = run([Send("eth0", tcp(4001, 80, "S", 100)(ip(CLIENT, FAR))), Send("eth1", syn),
                    Send("eth0", tcp(4001, 80, "A", 101, 901, data=b"GET")(ip(CLIENT, FAR))),
                    Send("eth0", tcp(4002, 80, "A", 101, 901, data=b"GET")(ip(CLIENT, FAR)))])
        port = key_at(seen, 0)
        self.same4(left(seen, 0, "eth1"), [tcp(port, 80, "S", 100)(ip(POOL, SERVER, ttl=63))])
        self.same6(left(seen, 1, "eth0"), [tcp(80, 4001, "SA", 900, 101)(ip(FAR, CLIENT, ttl=63))])
        self.same4(left(seen, 2, "eth1"), [tcp(port, 80, "A", 101, 901, data=b"GET")(ip(POOL, SERVER, ttl=63))])
        self.assertEqual(left(seen, 3, "eth1"), [], "no binding begins in the middle")

    def test_ping(self):
        back = lambda tx: echo(port_of(tx, 0, 24), 7, reply=True)(ip(SERVER, POOL, ttl=64))
        seen = run([Send("eth0", echo(77, 7)(ip(CLIENT, FAR))), Send("eth1", back)])
        ident = key_at(seen, 0, off=24)
        self.same4(left(seen, 0, "eth1"), [echo(ident, 7)(ip(POOL, SERVER, ttl=63))])
        self.same6(left(seen, 1, "eth0"), [echo(77, 7, reply=True)(ip(FAR, CLIENT, ttl=63))])

    def test_errors(self):
        """Port unreachable and fragmentation needed about our packet, with the packet inside."""
        sent = lambda tx: without_pad(tx[0][0][1][14:])
        items = [Send("eth0", udp(4000, 53, b"question")(ip(CLIENT, FAR))),
                 Send("eth1", lambda tx: icmp(3, 3, data=sent(tx))(ip(SERVER, POOL, ttl=64))),
                 Send("eth1", lambda tx: icmp(3, 4, b"\0\0" + struct.pack("!H", 1400), sent(tx))(ip("10.1.0.9", POOL, ttl=64))),
                 Send("eth1", lambda tx: icmp(11, 0, data=sent(tx))(ip("10.1.0.9", POOL, ttl=64))),
                 Send("eth1", lambda tx: icmp(5, 1, data=sent(tx))(ip("10.1.0.9", POOL, ttl=64)))]
        seen = run(items)
        # the quote is the packet as it left: one hop was taken from it
        quote = udp(4000, 53, b"question")(ip(CLIENT, FAR, ttl=63))
        self.same6(left(seen, 1, "eth0"), [icmp(1, 4, data=quote)(ip(FAR, CLIENT, ttl=63))])
        self.same6(left(seen, 2, "eth0"), [icmp(2, 0, struct.pack("!I", 1420), quote)(ip("64:ff9b::a01:9", CLIENT, ttl=63))])
        self.same6(left(seen, 3, "eth0"), [icmp(3, 0, data=quote)(ip("64:ff9b::a01:9", CLIENT, ttl=63))])
        self.assertEqual(left(seen, 4, "eth0"), [], "there is no redirect over there")

    def test_error_from_inside(self):
        answer = lambda tx: udp(53, port_of(tx, 0), b"late")(ip(SERVER, POOL, ttl=64))
        told = lambda tx: icmp(1, 4, data=tx[1][0][1][14:])(ip(CLIENT, FAR))
        seen = run([Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, FAR))), Send("eth1", answer), Send("eth0", told)])
        port = key_at(seen, 0)
        quote = udp(53, port, b"late")(ip(SERVER, POOL, ttl=63))
        got = left(seen, 2, "eth1")
        self.assertEqual(len(got), 1)
        got = bytearray(got[0])
        # the quote's id is the router's choice: taken over into what is expected
        quote = bytearray(quote)
        quote[4:8] = got[32:36]
        quote[10:12] = got[38:40]
        self.same4([bytes(got)], [icmp(3, 3, data=bytes(quote))(ip(POOL, SERVER, ttl=63))])

    def test_fragments(self):
        data = bytes(range(256)) * 10
        whole6 = udp(4000, 53, data)(ip(CLIENT, FAR))
        items = [Send("eth0", f) for f in fragments6(whole6, [1232, 1232], 7)]
        n = len(items)
        seen = run(items)
        got = left(seen, n - 1, "eth1")
        self.assertTrue(len(got) > 1)
        self.assertTrue(all(not p[6] & 0x40 for p in got), "no DF")
        body = b"".join(p[20:] for p in sorted(got, key=lambda p: struct.unpack("!H", p[6:8])[0] & 0x1fff))
        port = struct.unpack("!H", body[:2])[0]
        self.assertEqual(body, udp(port, 53, data)(ip(POOL, SERVER))[20:])
        back = [Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, FAR))),
                Send("eth1", lambda tx: udp(53, port_of(tx, 0), data[:1400])(ip(SERVER, POOL, ttl=64, df=False)))]
        seen = run(back)
        got = left(seen, 1, "eth0")
        self.assertTrue(len(got) == 2 and all(len(p) <= 1280 and p[6] == 44 for p in got), [p.hex() for p in got])
        self.assertEqual(b"".join(p[48:] for p in got), udp(53, 4000, data[:1400])(ip(FAR, CLIENT))[40:])

    def test_refused_before_the_crossing(self):
        """Hops, sizes and routes: the sender is told in its own family's words."""
        net = ["link set dev eth1 mtu 1300", "route add unreachable 8.8.8.8/32"]
        seen = run([Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, FAR, ttl=1))),
                    Send("eth0", udp(4000, 53, b"x" * 1400)(ip(CLIENT, FAR))),
                    Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, "64:ff9b::808:808")))], net=net)
        for item, kind, code, info in ((0, 3, 0, 0), (1, 2, 0, 1320), (2, 1, 0, 0)):
            got = left(seen, item, "eth0")
            self.assertEqual([(p[40], p[41], struct.unpack("!I", p[44:48])[0]) for p in got], [(kind, code, info)], "item %d" % item)
            self.assertEqual(left(seen, item, "eth1"), [])

    def test_hairpin_and_lifetime(self):
        """A host inside reaches another one's binding; after its lifetime nobody does."""
        items = [Send("eth0", udp(4000, 53, b"q")(ip(CLIENT, FAR))),
                 Send("eth0", lambda tx: udp(5000, port_of(tx, 0), b"hello")(ip("fd00::3", "64:ff9b::a01:1", ttl=64))),
                 Send("eth1", lambda tx: udp(53, port_of(tx, 0), b"late")(ip(SERVER, POOL)), gap=301)]
        seen = run(items)
        got = left(seen, 1, "eth0")
        self.assertEqual(len(got), 1)
        port = struct.unpack("!H", got[0][40:42])[0]
        self.same6(got, [udp(port, 4000, b"hello")(ip("64:ff9b::a01:1", CLIENT, ttl=62))])
        self.assertEqual(left(seen, 2, "eth0"), [])

    def test_the_hosts_own_traffic_stays_its_own(self):
        seen = run([Send("eth1", echo(9, 1)(ip(SERVER, POOL))), Send("eth0", echo(9, 1)(ip(CLIENT, "fd00::1")))], host=True)
        self.assertEqual([len(seen.local.get(i, [])) for i in (0, 1)], [1, 1], "the router hears both")

    def test_sessions_of_tcp(self):
        """What the file says after each step (RFC 6146, 3.5.2.2)."""
        client = lambda flags: Send("eth0", tcp(4001, 80, flags, 100, 1)(ip(CLIENT, FAR)))
        server = lambda flags: Send("eth1", lambda tx: tcp(80, port_of(tx, 0), flags, 900, 101)(ip(SERVER, POOL)))
        look = Do("cat /proc/net/nat64")
        for steps, states in (([client("S"), server("SA"), client("A"), client("FA"), server("FA"), server("A")],
                               ["V6_INIT", "ESTABLISHED", "ESTABLISHED", "V6_FIN", "V4_V6_FIN", "V4_V6_FIN"]),
                              ([client("S"), server("SA"), server("FA"), client("RA"), client("FA")],
                               ["V6_INIT", "ESTABLISHED", "V4_FIN", "V4_FIN", "V4_V6_FIN"]),
                              ([client("S"), server("SA"), client("R"), server("R"), server("A")],
                               ["V6_INIT", "ESTABLISHED", "TRANS", "TRANS", "ESTABLISHED"])):
            items = [x for step in steps for x in (step, look)]
            seen = run(items)
            lines = [seen.said[i].split() for i in range(1, len(items), 2)]
            self.assertEqual([line[-1] for line in lines], states)
            port = key_at(seen, 0)
            self.assertEqual(lines[0][2:5], ["inside=%s,4001" % CLIENT, "outside=%s,%d" % (POOL, port), "remote=%s,80" % SERVER])
        self.assertEqual([int(line[1]) // 60 for line in lines], [3, 123, 3, 3, 123])

    def test_the_host_itself_and_a_circle(self):
        out = V6.replace("PREROUTING", "OUTPUT") % (POOL, "")
        seen = run([Send(None, udp(4000, 53, b"q")(ip("fd00::1", FAR)))], v6=out, net=["route add 64:ff9b::/96 via fd00:1::2"])
        got = left(seen, 0, "eth1")
        self.same4(got, [udp(4000, 53, b"q")(ip(POOL, SERVER, ttl=63))])
        # two rules that hand a packet to each other: its hops end
        circle = "*mangle\n-A PREROUTING -j %s --prefix 64:ff9b::/96\nCOMMIT\n"
        seen = run([Send("eth1", udp(1, 2)(ip(SERVER, "10.0.0.2", ttl=30)))], v6=circle % "NAT64", v4=circle % "NAT46",
                   net=["route add 64:ff9b::/96 via fd00:1::2"])
        self.assertEqual(left(seen, 0, "eth0"), [])


class Stateless(unittest.TestCase):
    def test_both_ways(self):
        net = ["route add fd00::900/120 via fd00::2", "route add 64:ff9b::/96 via fd00:1::2"]
        items = [Send("eth0", tcp(4000, 80, "S", 5)(ip("fd00::907", FAR))),
                 Send("eth1", tcp(80, 4000, "SA", 9, 6)(ip(SERVER, "10.9.0.7", ttl=64))),
                 Send("eth1", echo(3, 4)(ip(SERVER, "10.9.0.8", ttl=64))),
                 Send("eth1", udp(1, 2)(ip(SERVER, "10.9.1.8", ttl=64))),
                 Send("eth0", udp(1, 2)(ip("fd00::2", FAR)))]
        seen = run(items, v6=STATELESS6, v4=STATELESS4, net=net)
        self.assertIsNone(seen.refused)
        self.assertEqual([without_id(p) for p in left(seen, 0, "eth1")], [without_id(tcp(4000, 80, "S", 5)(ip("10.9.0.7", SERVER, ttl=63)))])
        self.assertEqual(left(seen, 1, "eth0"), [tcp(80, 4000, "SA", 9, 6)(ip(FAR, "fd00::907", ttl=63))])
        self.assertEqual(left(seen, 2, "eth0"), [echo(3, 4)(ip(FAR, "fd00::908", ttl=63))])
        self.assertEqual(left(seen, 3, "eth0"), [], "no mapping")
        self.assertEqual([p[0] >> 4 for p in left(seen, 4, "eth1")], [6], "no address for the source: it goes on as it is")

    def test_text(self):
        seen = run([], v6=STATELESS6, v4=STATELESS4)
        self.assertIn("-A PREROUTING -d 64:ff9b::/96 -j NAT64 --prefix 64:ff9b::/96 --map 10.9.0.0/24=fd00::900/120",
                      " ".join(seen.rules["6"]).replace("[0:0] ", ""))
        seen = run([])
        self.assertIn("--to-source 10.1.0.1:20000-29999", " ".join(seen.rules["6"]))
        self.assertIn("-j NAT46 --bindings", " ".join(seen.rules["4"]))

    def test_refused_rules(self):
        for bad in ("", "--prefix 64:ff9b::/95", "--to-source 1.2.3.4", "--map 10.0.0.0/8=fd00::/120", "--map 10.0.0.1/8=fd00::/96",
                    "--prefix 64:ff9b::/96 --filter", "--prefix 64:ff9b::/96 --bindings", "--prefix 64:ff9b::/96 --to-source 1.2.3.9-1.2.3.4"):
            self.assertIsNotNone(run([], v6="*mangle\n-A PREROUTING -j NAT64 %s\nCOMMIT\n" % bad).refused, bad)


def port_of(tx, item, off=20):
    p = [f[14:] for name, f in tx.get(item, []) if name == "eth1"][0]
    return struct.unpack("!H", p[off:off + 2])[0]


def without_pad(p):
    return p[:struct.unpack("!H", p[2:4])[0]]


if __name__ == "__main__":
    unittest.main()
