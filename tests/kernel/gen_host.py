"""What rests on the host: sockets of random owners, packets for and from them, random rules of rpfilter srh owner cgroup socket TPROXY."""
import random
import struct

from case import Case, Close, Do, Send, Sock
from packets import *


class Host:
    def __init__(self, seed):
        self.r = random.Random("host%d" % seed)
        self.v = self.r.choice((4, 4, 6))
        base = "10.%d.0.%d" if self.v == 4 else "fd00:%x::%x"
        self.own = [(base % (i, 1)).replace("fd00:0::", "fd00::") for i in range(3)]
        self.near = [(base % (i, h)).replace("fd00:0::", "fd00::") for i in range(3) for h in (2, 3)]
        self.far = ["192.0.2.9", "203.0.113.7"] if self.v == 4 else ["2001:db8::9", "2001:db8:1::7"]
        self.odd = ["127.0.0.1", "0.0.0.0", "10.0.0.255", "224.0.0.1", "240.0.0.1"] if self.v == 4 else ["::1", "::", "ff02::1", "fe80::9", "::ffff:10.0.0.2"]

    def chance(self, p):
        return self.r.random() < p

    def some(self, *weighted):
        return self.r.choice(self.r.choice(weighted))

    def box(self, addr, port):
        return ("[%s]:%d" if ":" in addr else "%s:%d") % (addr, port)

    def bang(self, text, p=.25):
        return ("! " if self.chance(p) else "") + text

    def rpfilter(self):
        return " ".join(["-m rpfilter"] + [o for o in ("--loose", "--validmark", "--accept-local", "--invert") if self.chance(.3)])

    def srh_match(self):
        r, out = self.r, []
        for name, top in (("next-hdr", 255), ("hdr-len-eq", 8), ("hdr-len-gt", 8), ("hdr-len-lt", 8), ("segs-left-eq", 3), ("segs-left-gt", 3), ("segs-left-lt", 3),
                          ("last-entry-eq", 3), ("last-entry-gt", 3), ("last-entry-lt", 3), ("tag", 8)):
            if self.chance(.13):
                out.append(self.bang("--srh-%s %d" % (name, r.choice((17, 6, 59)) if top == 255 else r.randrange(top))))
        for name in ("psid", "nsid", "lsid"):
            if self.chance(.13):
                out.append(self.bang("--srh-%s fd00:%x::%d/%d" % (name, r.choice((10, 11)), r.randrange(4), r.choice((128, 128, 127, 64, 32, 0)))))
        return "-m srh " + " ".join(out)

    def owner(self):
        out = []
        if self.chance(.5):
            out.append(self.bang("--uid-owner " + self.r.choice(("0", "1000", "0-999", "1000-1001", "65534"))))
        if self.chance(.4):
            out.append(self.bang("--gid-owner " + self.r.choice(("0", "100", "50-100", "1000"))) + (" --suppl-groups" if self.chance(.5) else ""))
        if self.chance(.3) or not out:
            out.append(self.bang("--socket-exists"))
        return "-m owner " + " ".join(out)

    def cgroup(self):
        return "-m cgroup " + self.bang(self.r.choice(("--path weir-test/a", "--path weir-test", "--path /weir-test/a/b", "--cgroup 0", "--cgroup 65537")))

    def socket(self):
        return " ".join(["-m socket"] + [o for o in ("--transparent", "--nowildcard", "--restore-skmark") if self.chance(.35)])

    def rule(self, table, chain):
        r, parts = self.r, ["-A " + chain]
        kinds = [self.owner] * 3 + [self.cgroup] if chain in ("OUTPUT", "POSTROUTING") else [self.socket] * 2 + ([self.rpfilter] * 3 if chain == "PREROUTING" else [self.cgroup] * 3)
        if self.v == 6:
            kinds.append(self.srh_match)
        if self.chance(.2) and chain in ("PREROUTING", "INPUT", "FORWARD"):
            parts.append("-i eth%d" % r.randrange(3))
        proxy = table == "mangle" and chain == "PREROUTING" and self.chance(.2)
        if proxy:
            parts.append("-p " + r.choice(("tcp", "udp")))
        if chain == "FORWARD":
            kinds = [self.srh_match] if self.v == 6 else [lambda: "-m ttl --ttl-gt 0"]
        parts += [r.choice(kinds)() for _ in range(r.choice((0, 1)) if proxy else r.choice((1, 1, 2)))]
        if proxy:
            parts.append("-j TPROXY --on-port %d --tproxy-mark 0x1/0x1" % r.choice((6000, 6001, 5001, 0)))
            if self.chance(.4):
                parts.append("--on-ip " + r.choice(self.own[:1] + self.far[:1]))
        elif self.chance(.25):
            parts.append("-j " + r.choice(("ACCEPT", "DROP", "RETURN", "MARK --set-mark 1" if table == "mangle" else "ACCEPT")))
        return " ".join(parts)

    def rules(self):
        text = ""
        for table, chains in (("raw", ("PREROUTING", "OUTPUT")), ("mangle", ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")), ("filter", ("INPUT", "FORWARD", "OUTPUT"))):
            if self.chance(.6):
                lines = [self.rule(table, c) for c in chains for _ in range(self.r.randrange(3)) if table != "raw" or c != "FORWARD"]
                lines = [x for x in lines if table != "filter" or "rpfilter" not in x]
                text += "*%s\n%s\nCOMMIT\n" % (table, "\n".join(lines)) if lines else ""
        return text

    def sock(self, n):
        r = self.r
        kw = dict(uid=r.choice((0, 0, 1000, 1001, 65534)), gid=r.choice((0, 100, 1000)), groups=r.choice(((), (), (100,), (50, 1000))), mark=r.choice((0, 0, 1, 7)),
                  classid=r.choice((0, 0, 0, 0x10001)), cgroup=r.choice(("weir-test", "weir-test/a", "weir-test/a/b", "weir-test/c")))
        any_addr = "0.0.0.0" if self.v == 4 else "::"
        if n == 0:
            return Sock("raw", "udp " + self.box(self.own[0], 4999), raw=True, **kw)
        proto = r.choice(("udp", "tcp"))
        port = 5000 + n if proto == "udp" else 6000 + n - 1
        if self.chance(.3):
            port = 5001 if proto == "udp" else 6001
        addr = r.choice([self.own[0]] * 3 + [any_addr] * 2 + self.far[:1] + self.own[1:2])
        kw["transparent"] = addr in self.far or self.chance(.4)
        peer = self.box(r.choice(self.near[:2]), 7000 + r.randrange(2)) if addr != any_addr and self.chance(.4) else None
        if self.v == 4 and self.chance(.1) and not peer:
            addr = "::"
            kw["v6only"] = self.chance(.3)
        return Sock("s%d" % n, "%s %s" % (proto, self.box(addr, port)), peer=peer, dev="eth0" if self.chance(.1) else "", **kw)

    def payload(self):
        r = self.r
        kind = r.randrange(10)
        sport, dport = r.choice((7000, 7001, 9)), r.choice((5000, 5001, 5002, 5003, 6000, 6001, 6002, 53))
        if kind < 4:
            return udp(sport, dport)
        if kind < 8:
            return tcp(sport, dport, r.choice(("S", "A", "A", "R")), 5, 5)
        if kind == 8:
            return echo(1, 1)
        inner = r.choice((udp, lambda a, b: tcp(a, b, "A", 1, 1)))(dport, sport)(ip(self.own[0], r.choice(self.near[:2])))
        return icmp(r.choice((3, 11)) if self.v == 4 else r.choice((1, 3)), 0, data=inner[:r.choice((len(inner), len(inner), 28))])

    def ext(self):
        r, out = self.r, []
        if self.v == 4 or not self.chance(.35):
            return {}
        sids = ["fd00:%x::%d" % (r.choice((10, 11)), r.randrange(4)) for _ in range(r.randrange(4))]
        body = b"".join(addr(s) for s in sids)
        head = bytes([0, len(body) // 8 if self.chance(.9) else r.randrange(9), r.choice((4, 4, 4, 0, 2)), r.randrange(4), max(0, len(sids) - 1) if self.chance(.8) else r.randrange(4), 0])
        out = [(43, head + struct.pack("!H", r.randrange(8)) + body)]
        if self.chance(.2):
            out.insert(0, (60, b"\0\0\x01\x04\0\0\0\0"))
        return {"ext": out}

    def make(self, seed):
        r = self.r
        items, names = [], set()
        used = set()
        for n in range(r.randrange(5)):
            s = self.sock(n)
            key = tuple(s.decl.split()[:2])
            port = key[1].rpartition(":")[2]
            if (key[0], port) in used:      # the kernel may refuse two at one port
                continue
            used.add((key[0], port))
            items.append(s)
            names.add(s.name)
        for _ in range(r.randrange(6, 20)):
            if "raw" in names and self.chance(.15):
                items.append(Send(None, udp(4999, r.choice((53, 5001)))(ip(self.own[0], self.some(self.near, self.own, self.far))), sock="raw"))
            elif self.chance(.12):
                items.append(Send(None, udp(40000, 53)(ip(r.choice(self.own), self.some(self.near, self.far, self.own)))))
            elif names - {"raw"} and self.chance(.04):
                name = r.choice(sorted(names - {"raw"}))
                names.discard(name)
                items.append(Close(name))
            else:
                src = self.some(self.near[:2], self.near[:2], self.near, self.far, self.own, self.odd)
                dst = self.some(self.own[:1], self.own[:1], self.own, self.far, self.near)
                kw = self.ext()
                whole = self.payload()(ip(src, dst, **kw))
                iface = "eth%d" % r.choice((0, 0, 0, 1, 2))
                if self.chance(.08) and len(whole) > 80 and not kw:
                    items += [Send(iface, p) for p in (fragments4(whole, [24]) if self.v == 4 else fragments6(whole, [24], r.randrange(1 << 32)))]
                else:
                    items.append(Send(iface, whole))
        net = []
        six = "-6 " if self.v == 6 else ""
        if self.chance(.4):
            net += [six + "rule add fwmark 1 lookup 100 pref 10", six + "route add local default dev lo table 100"]
        if self.chance(.2):
            net.append("route add %s dev eth2 metric %d" % (self.far[1], r.choice((1, 5000))))
        sysctl = {"net.ipv4.%s" % r.choice(("ip_early_demux", "tcp_early_demux", "udp_early_demux")): 0} if self.chance(.2) else {}
        return Case("generated/host-%d" % seed, items, net=net, sysctl=sysctl, conntrack=r.choice(("auto", "auto", "on")), covers=[], **{"v%d" % self.v: self.rules()})


def case(seed):
    return Host(seed).make(seed)
