"""Seeded packets with wild headers and no rules: IPv4 options, IPv6 extension headers, fragments, addresses that must not
appear, odd lengths, frames to groups. Profile "headers": everything that the IP layer judges by itself."""
import random
import struct

from case import Case, Send
from packets import Ip4, addr, csum, fragments4, fragments6, icmp, ip, raw, tcp, udp

A4 = ["10.0.0.2", "10.0.0.3", "10.0.0.1", "10.1.0.1", "10.1.0.2", "10.1.0.254", "10.2.0.3", "192.0.2.1", "10.0.0.255", "10.1.0.255",
      "255.255.255.255", "224.0.0.1", "239.2.3.4", "127.0.0.1", "0.0.0.0", "240.1.2.3", "10.0.0.77", "10.0.0.0", "203.0.113.5", "198.51.100.7"]
A6 = ["fd00::2", "fd00::3", "fd00::1", "fd00:1::1", "fd00:1::2", "fd00:1::fe", "fd00:2::3", "2001:db8::1", "fe80::1", "fe80::22", "ff02::1",
      "ff02::2", "ff05::9", "::1", "::", "fd00::", "ff01::1", "2001:db8:1::1", "fd00::99", "::ffff:1.2.3.4"]
NETS = (["route add 198.51.100.0/24 via 10.2.0.9 mtu 600", "route add unreachable 203.0.113.0/24"], ["route add 192.0.2.0/25 via 10.0.0.9"],
        ["-6 route add 2001:db8:1::/48 via fd00:2::9 mtu 1300", "-6 route add prohibit 2001:db8:2::/48"],
        ["addr add fe80::1/64 dev eth0 nodad", "-6 route add 2001:db8::/48 via fe80::9 dev eth0",
         "neigh add fe80::9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent"])
SYSCTLS = (("net.ipv4.conf.all.rp_filter", .2), ("net.ipv4.conf.all.accept_source_route", .5), ("net.ipv4.icmp_errors_use_inbound_ifaddr", .2),
           ("net.ipv4.conf.all.route_localnet", .1), ("net.ipv4.conf.all.drop_unicast_in_l2_multicast", .1))


class Headers:
    def __init__(self, seed):
        self.r = random.Random("headers-%d" % seed)

    def noise(self, n):
        return bytes(self.r.randrange(256) for _ in range(n))

    def option4(self):
        r, n = self.r, self.r.randrange(1, 5)
        kind = r.choices(("nop", "end", "rr", "ts-full", "route", "alert", "cipso", "odd", "noise"), (3, 1, 6, 3, 3, 2, 1, 3, 2))[0]
        if kind == "rr":
            return bytes([7, 3 + 4 * n, r.choice((4, 4, 4, 8, 3, 5, 6, 7, 12, 3 + 4 * n, 4 + 4 * n))]) + self.noise(4 * n)
        if kind == "ts-full":  # a slot that is free would hold the time of day
            return bytes([0x44, 4 + 4 * n, r.choice((5 + 4 * n, 60)), r.randrange(15) << 4 | r.choice((0, 1, 3))]) + self.noise(4 * n)
        if kind == "route":
            return bytes([r.choice((0x83, 0x89)), 3 + 4 * n, r.choice((4, 4, 4, 4, 8, 3, 5, 12, 16))]) + b"".join(addr(r.choice(A4)) for _ in range(n))
        return {"nop": b"\x01", "end": b"\x00", "alert": bytes([0x94, r.choice((4, 4, 4, 3, 2)), 0, r.choice((0, 0, 1))]),
                "cipso": bytes([0x86, r.choice((6, 8, 10)), 0, 0, 0, 1, 5, 4, 0, 1]), "odd": bytes([r.randrange(0x95, 256), r.choice((0, 1, 2, 4, 8, 30))]) + self.noise(4),
                "noise": bytes([r.choice((0x1e, 0x5e, 0xde))]) + self.noise(r.randrange(0, 5))}[kind]

    def options4(self):
        out = b""
        while len(out) < 40 and self.r.random() < .75:
            out += self.option4()
        return out[:self.r.choice((40, 36, 40))]

    def options6(self):
        r, body = self.r, b""
        for _ in range(r.randrange(0, 4)):
            kind = r.choices(("padn", "pad1", "alert", "unknown", "noise"), (6, 2, 3, 7, 2))[0]
            n = r.choice((0, 2, 4, 4, 8))
            body += {"padn": bytes([1, n]) + bytes(n), "pad1": bytes(r.randrange(1, 5)), "alert": b"\x05\x02\0" + bytes([r.randrange(3)]),
                     "unknown": bytes([r.choice((0x1e, 0x5e, 0x9e, 0xde, 0x3e, 0xc9, 0x31, 0x07, 0xc2)), n]) + self.noise(n),
                     "noise": self.noise(r.randrange(1, 4))}[kind]
        pad = -(len(body) + 2) % 8
        if r.random() < .9:
            body += b"\0" if pad == 1 else bytes([1, pad - 2]) + bytes(pad - 2) if pad else b""
        else:
            body += self.noise(pad)
        return bytes([0, (len(body) + 2) // 8 - 1]) + body

    def payload(self, v):
        r = self.r
        n = r.choice((0, 1, 8, 20, 64)) if r.random() < .7 else r.choice((400, 900, 1184, 1185, 1300, 1400, 1453))
        kind = r.choices(("udp", "icmp", "raw", "tcp"), (10, 3, 2, 5))[0]
        if kind == "udp":
            return udp(r.randrange(1, 65536), r.randrange(1, 65536), b"x" * n)
        if kind == "icmp":
            return icmp(r.choice((0, 3, 4, 5, 8, 11, 12, 13, 30) if v == 4 else (1, 2, 3, 4, 128, 129, 100, 130, 133, 136, 200)), r.randrange(3), self.noise(4), b"y" * n)
        if kind == "raw":
            return raw(r.choice((1, 58, 6, 17, 41, 50, 59, 132, 255)), b"z" * r.randrange(0, 6))
        return tcp(5, 6, "S", 1, data=b"t" * n)

    def ends(self, pool):
        r = self.r
        return [r.choice(pool[:8]) if r.random() < .75 else r.choice(pool) for _ in range(2)]

    def packet4(self):
        r, kw = self.r, {}
        for chance, name, value in ((.06, "check", r.randrange(65536)), (.06, "tot_len", r.choice((0, 10, 19, 20, 24, 28, 40, 60, 2000))),
                                    (.04, "ihl", r.randrange(16)), (.03, "version", r.randrange(16))):
            if r.random() < chance:
                kw[name] = value
        return self.payload(4)(ip(*self.ends(A4), ttl=r.choice((64, 64, 64, 1, 2, 0, 255)), tos=r.choice((0, 0, 0x10, 0xff, r.randrange(256))),
                                  df=r.random() < .35, mf=r.random() < .04, off=r.choice([0] * 20 + [1, 100, 8191]),
                                  options=self.options4() if r.random() < .35 else b"", evil=r.random() < .02, **kw))

    def packet6(self):
        r, ext, kw = self.r, [], {}
        while r.random() < .35 and len(ext) < 4:
            kind = r.choices(("hop", "dst", "routing", "auth"), (8, 4, 5, 3))[0]
            if kind == "hop":
                ext.append((0 if not ext and r.random() < .8 else r.choice((0, 60, 60)), self.options6()))
            elif kind == "dst":
                ext.append((60, self.options6()))
            elif kind == "routing":
                n = r.randrange(0, 3)
                ext.append((43, bytes([0, 2 * n, r.choice((0, 2, 3, 4, 9)), r.randrange(0, 3)]) + bytes(4) + b"".join(addr(r.choice(A6)) for _ in range(n))))
            else:
                ext.append((51, bytes([0, r.choice((1, 4))]) + self.noise(22)))
        for chance, name, value in ((.06, "plen", r.choice((0, 4, 8, 30, 2000))), (.03, "version", r.randrange(16))):
            if r.random() < chance:
                kw[name] = value
        return self.payload(6)(ip(*self.ends(A6), ttl=r.choice((64, 64, 64, 1, 2, 0, 255)), tos=r.choice((0, 0, r.randrange(256))),
                                  flow=r.choice((0, 0, r.randrange(1 << 20))), ext=ext, **kw))

    def pieces(self, p):
        r = self.r
        sizes = [8 * r.randrange(1, 100) for _ in range(r.randrange(1, 5))]
        if p[0] >> 4 == 4:
            if (p[0] & 15) * 4 > len(p) or p[0] & 15 < 5:
                return [p]
            if r.random() < .7:  # without DF
                p = p[:6] + bytes([p[6] & 0xbf]) + p[7:10] + b"\0\0" + p[12:]
                p = p[:10] + struct.pack("!H", csum(p[:(p[0] & 15) * 4])) + p[12:]
            out = fragments4(p, sizes)
        else:
            before = 40 + (p[41] + 1) * 8 if p[6] == 0 and len(p) > 48 else 40
            out = fragments6(p, sizes, r.randrange(1, 1 << 32), before if before < len(p) else 40)
        if r.random() < .3:
            r.shuffle(out)
        if r.random() < .15 and len(out) > 1:
            out.insert(r.randrange(len(out)), r.choice(out))
        if r.random() < .1 and len(out) > 1:
            out.pop(r.randrange(len(out)))
        return out

    def case(self, name, unwanted):
        r, items, net = self.r, [], []
        Ip4.ident_next[0] = 0x1000
        while len(items) < 40:
            p = (self.packet4 if r.random() < .5 else self.packet6)()
            local = r.random() < .1
            if len(p) < 40 and p[0] >> 4 == 6 or local and p[0] >> 4 not in (4, 6):
                continue
            out = self.pieces(p) if r.random() < .25 and len(p) > 60 and p[0] >> 4 in (4, 6) else [p]
            kw = {}
            if not local and r.random() < .08:
                kw["dst"] = r.choice(("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "02:00:00:00:00:99"))
            if not any(unwanted(x) for x in [p] + out):
                iface = None if local else r.choice(("eth0", "eth0", "eth1", "eth2"))
                items += [Send(iface, x, **kw) for x in out]
        if r.random() < .4:
            net.append("link set eth%d mtu %d" % (r.randrange(3), r.choice((1280, 1300, 1400, 1856, 4000))))
        for part in NETS:
            if r.random() < .3:
                net += part
        return Case(name, items, net=net, sysctl={k: 1 for k, chance in SYSCTLS if r.random() < chance},
                    conntrack="on" if r.random() < .5 else "auto")


def case(seed):
    from gen import host_would_complain
    return Headers(seed).case("seed-%d/headers" % seed, host_would_complain)
