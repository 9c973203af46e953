"""Profile "chains": the general generator's packets through long chains of what compiled rules fold in: interfaces by the beginning
of their names and inverted, ranges of addresses whose ends differ early or late, types of addresses, what is known of connections,
matches that leave no trace; most rules only count, so that each packet meets many."""
import random

import gen
from gen import host

IFACES = ("eth+", "eth+", "eth0", "eth1", "eth2", "e+", "et+", "eth0+", "eth1+", "lo", "l+", "+", "eth10", "ppp+", "verylongname012", "verylongname01+")


class ChainsGen(gen.Gen):
    def __init__(self, seed):
        super().__init__(seed, "rules")
        self.s = random.Random("chains%d" % seed)

    def neg(self, p=0.35):
        return "! " if self.s.random() < p else ""

    def address(self, v):
        s = self.s
        if s.random() < 0.6:
            return host(s.randrange(3), s.choice((0, 1, 2, 3, 7, 255)), v)
        return s.choice(("0.0.0.0", "10.0.0.0", "10.0.0.255", "10.1.0.1", "10.255.255.255", "127.255.255.255", "128.0.0.0", "255.255.255.255") if v == 4 else
                        ("::", "fd00::", "fd00::ffff:ffff", "fd00:0:0:1::", "fd00::1:0:0", "fd00:1::", "fd00:1:ffff::5", "7fff::", "8000::",
                         "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::ffff:ffff:ffff:ffff", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))

    def ranges(self, v):
        s, out = self.s, []
        for side in s.choice((("src",), ("dst",), ("src", "dst"))):
            out.append("%s--%s-range %s-%s" % (self.neg(), side, self.address(v), self.address(v)))
        return "-m iprange " + " ".join(out)

    def types(self, v, hook):
        s, out = self.s, []
        kinds = ("LOCAL", "UNICAST", "MULTICAST", "UNSPEC", "ANYCAST", "UNREACHABLE", "UNICAST,LOCAL", "LOCAL,ANYCAST", "MULTICAST,LOCAL") + \
            (("BROADCAST", "BLACKHOLE,PROHIBIT") if v == 4 else ())
        for side in s.choice((("src",), ("dst",), ("src", "dst"))):
            out.append("%s--%s-type %s" % (self.neg(), side, s.choice(kinds)))
        limit = {"PREROUTING": ("in",), "INPUT": ("in",), "FORWARD": ("in", "out"), "OUTPUT": ("out",), "POSTROUTING": ("out",)}.get(hook)
        if limit and s.random() < 0.4:
            out.append("--limit-iface-" + s.choice(limit))
        return "-m addrtype " + " ".join(out)

    def conntrack(self):
        s = self.s
        have = [self.neg() + "--ctstate " + ",".join(s.sample(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"), s.randrange(1, 4))),
                "--ctdir " + s.choice(("ORIGINAL", "REPLY")), self.neg() + "--ctproto " + s.choice(("tcp", "udp", "1", "58")),
                self.neg() + "--ctstatus " + s.choice(("NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SEEN_REPLY,EXPECTED", "EXPECTED"))]
        return "-m conntrack " + " ".join(s.sample(have, s.randrange(1, 4)))

    def traceless(self, v, hook, table):
        s = self.s
        have = ['-m u32 %s--u32 "%s"' % (self.neg(), s.choice(("6&0xff=6" if v == 4 else "4>>8&0xff=6", "20=0:0x7fffffff", "2&0xffff=0x1c:0x40"))),
                '-m bpf --bytecode "%s"' % s.choice(("4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0", "4,128 0 0 0,37 0 1 60,6 0 0 0,6 0 0 1")),
                "-m ecn %s--ecn-ip-ect %d" % (self.neg(), s.randrange(2)), "-m pkttype %s--pkt-type %s" % (self.neg(), s.choice(("unicast", "multicast", "broadcast")))]
        if v == 6:
            have.append("-m ipv6header %s--header %s --soft" % (self.neg(), s.choice(("frag", "hop", "prot"))))
        if table != "raw":
            have += ["-m helper %s--helper ftp" % self.neg(), "-m connbytes %s--connbytes %s --connbytes-mode packets --connbytes-dir both" % (self.neg(), s.choice(("2", "1:3", "0:100")))]
        if hook == "PREROUTING" and table in ("raw", "mangle"):
            have.append("-m rpfilter" + s.choice(("", " --invert", " --loose")))
        return s.choice(have)

    def matches(self, v, hook, table):
        s, out, proto = self.s, [], ""
        if hook in ("PREROUTING", "INPUT", "FORWARD", "USER") and s.random() < 0.4:
            out.append(self.neg() + "-i " + s.choice(IFACES))
        if hook in ("POSTROUTING", "OUTPUT", "FORWARD", "USER") and s.random() < 0.4:
            out.append(self.neg() + "-o " + s.choice(IFACES))
        if s.random() < 0.2:
            out.append("%s%s %s" % (self.neg(), s.choice(("-s", "-d")), self.address(v)))
        if s.random() < 0.3:
            proto = s.choice(("tcp", "udp"))
            out.append("-p " + proto)
            if s.random() < 0.5:
                out.append("-m %s %s--dport %s" % (proto, self.neg(), s.choice(("80", "53", "1:1024", "1024:"))))
        if proto == "tcp" and s.random() < 0.2:
            out.append("-m ecn %s--ecn-tcp-%s" % (self.neg(), s.choice(("ece", "cwr"))))
        kinds = ["iprange"] * 3 + ["types"] * 3 + ["traceless"] * 2 + (["conntrack"] * 4 + ["connmark"] if table != "raw" else []) + ["mark", "length", "ttl"]
        for kind in s.sample(kinds, s.choice((0, 1, 1, 1, 2))):
            out.append({"iprange": lambda: self.ranges(v), "types": lambda: self.types(v, hook), "traceless": lambda: self.traceless(v, hook, table),
                        "conntrack": self.conntrack, "connmark": lambda: "-m connmark %s--mark %s" % (self.neg(), s.choice(("0x1", "0", "0x2/0xf"))),
                        "mark": lambda: "-m mark %s--mark %s" % (self.neg(), s.choice(("0x1", "0", "0x2/0xf"))),
                        "length": lambda: "-m length %s--length %s" % (self.neg(), s.choice(("40", "28:60", "0:100"))),
                        "ttl": lambda: ("-m ttl %s--ttl-eq 64" if v == 4 else "-m hl %s--hl-eq 64") % self.neg()}[kind]())
        return out, proto

    def rules(self, v):
        """One chain or two of some dozens, in one table or two; what decides stands late, and says what it is about."""
        s, text = self.s, ""
        hooks = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
        for table in s.sample(sorted(hooks), s.choice((1, 1, 2))):
            lines = ["*" + table] + [":%s %s [0:0]" % (h, "ACCEPT") for h in hooks[table]] + [":long - [0:0]"]
            where = s.choice(("USER", s.choice(hooks[table])))
            if where == "USER":
                lines += ["-A %s -j long" % h for h in hooks[table]]
            for i in range(s.randrange(36, 90)):
                m, _ = self.matches(v, where, table)
                target = s.choice(("", "", "", "", "-j MARK --set-xmark 0x%d/0xf" % s.randrange(4) if table == "mangle" else ""))
                if i > 30 and s.random() < 0.08:
                    target = "-j " + s.choice(("ACCEPT", "DROP") if where != "USER" else ("ACCEPT", "DROP", "RETURN", "RETURN"))
                lines.append(" ".join(["-A", "long" if where == "USER" else where] + m + [target]).strip())
            text += "\n".join(lines + ["COMMIT"]) + "\n"
        return text


def case(seed):
    return ChainsGen(seed).case("seed-%d/chains" % seed)
