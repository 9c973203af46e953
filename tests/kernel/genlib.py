"""What generators of helpers and protocols share: conversations whose ends answer to what really reached them, translated or
not, and payloads that are damaged at random."""
import ipaddress
import random
import struct

from case import Case, Do, Send
from packets import Ip4, ip, l4_of, tcp, udp


class Seen:
    """A packet that left the router, as the end that gets it reads it."""

    def __init__(self, p):
        self.p = p
        self.proto, self.at, self.later, _ = l4_of(p)
        six = p[0] >> 4 == 6
        ends = (p[8:24], p[24:40]) if six else (p[12:16], p[16:20])
        self.src, self.dst = (str(ipaddress.ip_address(x)) for x in ends)
        self.sport, self.dport = struct.unpack("!HH", p[self.at:self.at + 4]) if len(p) >= self.at + 4 else (0, 0)
        self.payload, self.next_seq = b"", 0
        if self.proto == 6 and len(p) >= self.at + 20:
            off, flags = self.at + (p[self.at + 12] >> 4) * 4, p[self.at + 13]
            self.payload = p[off:]
            seq = struct.unpack("!I", p[self.at + 4:self.at + 8])[0]
            self.next_seq = (seq + len(self.payload) + (flags & 1) + (flags >> 1 & 1)) & 0xFFFFFFFF
        elif self.proto in (17, 136):
            self.payload = p[self.at + 8:]


def read(frames, proto):
    for iface, frame in reversed(frames):
        if frame[12:14] in (b"\x08\x00", b"\x86\xdd") and len(frame) >= 34:
            s = Seen(frame[14:])
            if s.proto == proto and not s.later:
                yield iface, s


class Flow:
    """Two ends of a connection. a speaks first, to (dst, dport) as a knows it; b, behind iface_b, answers to what it got."""

    def __init__(self, gen, proto, iface_a, src, sport, iface_b, dst, dport, real=None, seq=(1000, 5000), where=None):
        self.gen, self.proto = gen, proto
        self.iface = [iface_a, iface_b]
        self.ends = [(src, sport), (dst, dport)]
        self.real = real or (dst, dport)    # b as b knows itself
        self.seq = list(seq)
        self.sent = [[], []]
        self.where = where      # function of the outputs so far: (dst, dport) that a has been told

    def got(self, outputs, end):
        """The last packet of the other end that reached this one."""
        for i in reversed(self.sent[1 - end]):
            for iface, s in read(outputs.get(i, []), self.proto):
                if iface == self.iface[end]:
                    return s
        return None

    def heard(self, outputs, end):
        """Payloads that reached this end, newest first."""
        for i in reversed(self.sent[1 - end]):
            for iface, s in read(outputs.get(i, []), self.proto):
                if iface == self.iface[end] and s.payload:
                    yield s.payload

    def addresses(self, outputs, end):
        s = self.got(outputs, end)
        if end == 0:
            src, sport = self.ends[0]
            dst, dport = (self.where(outputs) if self.where else None) or self.ends[1]
            return src, sport, dst, dport, s
        if s:
            return s.dst, s.dport, s.src, s.sport, s
        return self.real + self.ends[0] + (None,)

    def send(self, end, build, gap=0.0):
        """build(src, sport, dst, dport, seen) gives the packet."""
        ident = self.gen.ident()
        flow = self

        def data(outputs):
            Ip4.ident_next[0] = ident
            return build(*flow.addresses(outputs, end))
        self.sent[end].append(len(self.gen.items))
        self.gen.items.append(Send(self.iface[end], data, gap=gap))

    def tcp(self, end, flags, data=b"", seq=None, advance=True, win=65535, options=b"", ack_off=0, gap=0.0):
        at = self.seq[end] if seq is None else seq
        if advance and seq is None:
            self.seq[end] = (at + len(data) + ("S" in flags) + ("F" in flags)) & 0xFFFFFFFF
        guess = self.seq[1 - end]
        self.send(end, lambda s, sp, d, dp, seen: tcp(sp, dp, flags, at, ((seen.next_seq if seen else guess) + ack_off) if "A" in flags else 0,
                                                      win, data, options)(ip(s, d)), gap)

    def udp(self, end, data, length=None, check=None, gap=0.0):
        self.send(end, lambda s, sp, d, dp, seen: udp(sp, dp, data, check=check, length=length)(ip(s, d)), gap)

    def open(self):
        self.tcp(0, "S")
        self.tcp(1, "SA")
        self.tcp(0, "A")
        return self


class Gen:
    def __init__(self, name, seed):
        self.r = random.Random("%s-%d" % (name, seed))
        self.items = []
        self.idents = 0x2000

    def ident(self):
        self.idents += 1
        return self.idents

    def chance(self, p):
        return self.r.random() < p

    def damage(self, data, alphabet=b"0123456789 ,|()\r\nPORT"):
        """One small injury."""
        r, d = self.r, bytearray(data)
        kind = r.choice(("cut", "cut", "drop", "insert", "change", "repeat", "swap", "case", "double"))
        at = r.randrange(len(d) + 1)
        if kind == "cut":
            return bytes(d[:at])
        if kind == "drop" and d:
            del d[at:at + r.choice((1, 1, 2, 5))]
        elif kind == "insert":
            d[at:at] = bytes(r.choice(alphabet) for _ in range(r.choice((1, 1, 2, 6))))
        elif kind == "change" and at < len(d):
            d[at] = r.choice(alphabet) if self.chance(.7) else r.randrange(256)
        elif kind == "repeat":
            n = r.randrange(1, 12)
            d[at:at] = d[max(0, at - n):at]
        elif kind == "swap" and len(d) > 3:
            a, b = sorted(r.randrange(len(d)) for _ in range(2))
            d = d[b:] + d[a:b] + d[:a]
        elif kind == "case":
            d = bytearray(bytes(d).swapcase())
        elif kind == "double":
            d = d + d
        return bytes(d)

    def injured(self, data, p=0.4, **kw):
        while self.chance(p):
            data = self.damage(data, **kw)
        return data[:1400]

    def say(self, flow, end, data):
        """A message over TCP: whole, in pieces, again, out of order."""
        r = self.r
        if not data:
            return
        kind = r.choices(("whole", "split", "twice", "late", "overlap"), (12, 3, 2, 1, 1))[0]
        if kind == "split" and len(data) > 1:
            cuts = sorted(r.randrange(1, len(data)) for _ in range(r.choice((1, 1, 2))))
            for a, b in zip([0] + cuts, cuts + [len(data)]):
                if a < b:
                    flow.tcp(end, "PA", data[a:b])
        elif kind == "late" and len(data) > 2:
            cut, at = r.randrange(1, len(data)), flow.seq[end]
            flow.tcp(end, "PA", data[cut:], seq=at + cut)
            flow.tcp(end, "PA", data[:cut], seq=at)
            flow.seq[end] = at + len(data)
        else:
            at = flow.seq[end]
            flow.tcp(end, "PA", data)
            if kind == "twice":
                if self.chance(.5):
                    flow.tcp(1 - end, "A")
                flow.tcp(end, "PA", data, seq=at)
            if kind == "overlap" and len(data) > 2:
                cut = r.randrange(1, len(data))
                flow.tcp(end, "PA", data[cut:] + b"NOOP\r\n", seq=at + cut)
                flow.seq[end] = at + len(data) + 6
        if self.chance(.5):
            flow.tcp(1 - end, "A")


# --- who is translated how: (name, rules, client's iface, client, server's iface, server as the client names it, server) ---

def ways(v, proto, port):
    """Rule text of the nat table and the ends, by kind of translation."""
    net = (lambda n, h: "10.%d.0.%d" % (n, h)) if v == 4 else (lambda n, h: "fd00:%s:%x" % ("" if n == 0 else "%d:" % n, h))
    post = lambda x: "*nat\n-A POSTROUTING -o eth1 -p %s -j %s\nCOMMIT\n" % (proto, x)
    dnat = "-A PREROUTING -i %s -p %s -d %s --dport %d -j DNAT --to-destination %s\n"
    wrap = (lambda a, p: "%s:%d" % (a, p)) if v == 4 else (lambda a, p: "[%s]:%d" % (a, p))
    out = ("eth0", net(0, 2), "eth1", net(1, 2), net(1, 2), port)
    return {
        "plain": ("",) + out,
        "snat": (post("SNAT --to-source " + net(1, 1)),) + out,
        "snat-long": (post("SNAT --to-source " + net(1, 199)),) + out,
        "masq": (post("MASQUERADE"),) + out,
        "dnat": ("*nat\n" + dnat % ("eth0", proto, net(1, 9), port, net(2, 2)) + "COMMIT\n", "eth0", net(0, 2), "eth2", net(1, 9), net(2, 2), port),
        "dnat-in": ("*nat\n" + dnat % ("eth1", proto, net(1, 1), port, net(0, 5)) + "COMMIT\n", "eth1", net(1, 3), "eth0", net(1, 1), net(0, 5), port),
        "both": ("*nat\n" + dnat % ("eth0", proto, net(1, 9), port, wrap(net(2, 2), port + 100)) +
                 "-A POSTROUTING -o eth2 -p %s -j SNAT --to-source %s\nCOMMIT\n" % (proto, net(2, 100)),
                 "eth0", net(0, 2), "eth2", net(1, 9), net(2, 2), port + 100),
        "hairpin": ("*nat\n" + dnat % ("eth0", proto, net(1, 9), port, net(0, 5)) +
                    "-A POSTROUTING -o eth0 -p %s -d %s -j SNAT --to-source %s\nCOMMIT\n" % (proto, net(0, 5), net(0, 1)),
                    "eth0", net(0, 2), "eth0", net(1, 9), net(0, 5), port),
    }


def help_rules(name, proto, port):
    return "*raw\n" + "".join("-A %s -p %s --dport %d -j CT --helper %s\n" % (h, proto, port, name) for h in ("PREROUTING", "OUTPUT")) + "COMMIT\n"


def filter_rules(proto, ports, helper=""):
    counted = "".join("-A FORWARD -m helper --helper %s -m comment --comment helped\n" % h for h in ([helper] if helper else []))
    return "*filter\n:FORWARD DROP [0:0]\n" + counted + "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n" \
        "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related -j ACCEPT\n" \
        "-A FORWARD -p %s -m multiport --dports %s -j ACCEPT\nCOMMIT\n" % (proto, ",".join(str(p) for p in ports))


class HelperGen(Gen):
    """A helper's case: one or two masters, damaged talk, connections to what was announced."""
    name, proto, port, families = "", "tcp", 21, (4,)

    def __init__(self, seed):
        super().__init__("helper-" + self.name, seed)
        self.v = self.r.choice(self.families)
        self.way = self.r.choice(list(ways(self.v, self.proto, self.port)))
        self.nat, self.ia, self.client, self.ib, self.near, self.server, self.real_port = ways(self.v, self.proto, self.port)[self.way]

    def master(self, sport):
        return Flow(self, 6 if self.proto == "tcp" else 17, self.ia, self.client, sport, self.ib, self.near, self.port,
                    real=(self.server, self.real_port), seq=(self.r.choice((1000, 0xFFFFFFE0)), self.r.choice((5000, 0xFFFFFFF0))))

    def announced(self, flow, end, find, fallback):
        """Where an end has been told to connect to: find(payload) -> (addr, port) or None, over all that it heard."""
        def where(outputs):
            for payload in flow.heard(outputs, end):
                found = find(payload)
                if found:
                    return found
            return fallback
        return where

    def case(self, seed, **kw):
        rules = help_rules(self.name, self.proto, self.port) + self.nat + filter_rules(self.proto, (self.port, self.port + 100), self.name)
        kw.setdefault("v4" if self.v == 4 else "v6", rules)
        sysctl = kw.pop("sysctl", {})
        if self.chance(.2):
            sysctl["net.netfilter.nf_conntrack_acct"] = 1
        return Case("seed-%d/%s-%s-%d" % (seed, self.name, self.way, self.v), self.items, conntrack="on", sysctl=sysctl,
                    masks={"nat-port", "nat-port-said"} if self.nat else {"nat-port"}, covers=[self.name + " helper", "expectations"], **kw)
