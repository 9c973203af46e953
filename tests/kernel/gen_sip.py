"""Seeded SIP dialogs, bent: profile "sip". Calls and registrations over UDP and TCP, translated or not, with messages cut, folded,
abbreviated, listed, repeated, split over segments and damaged byte by byte; media in between."""
import random
import re

import bend
import sip
from case import Case, Do, Send
from packets import Ip4, icmp, ip, udp
from sip import Net, request, response, rtp, sdp

HELP = "*raw\n-A PREROUTING -p udp --dport 5060 -j CT --helper sip\n-A PREROUTING -p tcp --dport 5060 -j CT --helper sip\nCOMMIT\n"
FILTER = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate RELATED\n-A FORWARD -m helper --helper sip\nCOMMIT\n"
# name: rules, (server as the client knows it, its port), (server's own port), far(client, sport): the client as the server knows it
WAYS = {
    "plain": ("", None, 5060, lambda c, p: (c, p)),
    "snat": ("*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source %(out)s\nCOMMIT\n", None, 5060, lambda c, p: ("%(out)s", p)),
    "port": ("*nat\n-A POSTROUTING -o eth1 -p udp --dport 5060 -j SNAT --to-source %(outp)s:1%%d\n-A POSTROUTING -o eth1 -p tcp --dport 5060 -j SNAT "
             "--to-source %(outp)s:1%%d\nCOMMIT\n", None, 5060, lambda c, p: ("%(out)s", int("1%d" % p))),
    "masq": ("*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n", None, 5060, lambda c, p: ("%(gw)s", p)),
    "dnat": ("*nat\n-A PREROUTING -i eth0 -d %(near)s -j DNAT --to-destination %(s)s\nCOMMIT\n", "%(near)s", 5060, lambda c, p: (c, p)),
    "both": ("*nat\n-A PREROUTING -i eth0 -d %(near)s -p udp --dport 5060 -j DNAT --to-destination %(sp)s:5070\n-A PREROUTING -i eth0 -d %(near)s -p tcp "
             "--dport 5060 -j DNAT --to-destination %(sp)s:5070\n-A POSTROUTING -o eth1 -j SNAT --to-source %(out)s\nCOMMIT\n", "%(near)s", 5070,
             lambda c, p: ("%(out)s", p)),
}
FAMILY = {4: dict(c=("10.0.0.2", "10.0.0.3"), s="10.1.0.2", out="10.1.0.199", outp="10.1.0.199", near="10.1.0.9", gw="10.1.0.1", sp="10.1.0.2"),
          6: dict(c=("fd00::2", "fd00::3"), s="fd00:1::2", out="fd00:1::99:1", outp="[fd00:1::99:1]", near="fd00:1::9", gw="fd00:1::1", sp="[fd00:1::2]")}
WORDS = (b",", b";", b"\r\n", b"\n", b"\r\n ", b"\r\n\t", b" ", b":", b"@", b"sip:", b"expires=", b";rport=", b";received=", b";maddr=", b"transport=TCP", b"transport=udp",
         b"\r\nm=audio 5004 RTP/AVP 0", b"\r\nm=video 5010 x", b"\r\nm=image 0 x", b"\r\nc=IN IP4 10.0.0.2", b"\r\nc=IN IP4 10.1.0.2", b"\r\no=a IN IP4 10.0.0.2", b"\r\nContact: ",
         b"\r\nVia: SIP/2.0/UDP ", b"\r\nVia: SIP/2.0/TCP ", b"\r\nContent-Length: 0", b"\r\nExpires: 30", b"\r\nCSeq: 1 INVITE", b"\r\n\r\n", b"UDP ", b"TCP ", b"[", b"]",
         b"10.0.0.2", b"10.1.0.2", b"10.0.0.2:5060", b"10.1.0.2:5060", b"5060", b"99999999999", b"0", b"\0", b"\xff", b"\xe4", b"<", b">", b"\r\nv=0")
SHORT = ((b"Via", b"v"), (b"From", b"f"), (b"To", b"t"), (b"Contact", b"m"), (b"Call-ID", b"i"), (b"Content-Length", b"l"))


def reword(r, data):
    """A change that knows what a message looks like."""
    lines = data.split(b"\r\n")
    kind, i = r.randrange(13), r.randrange(len(lines))
    at = r.randrange(len(data) + 1)
    if kind == 0 and len(lines) > 2:
        del lines[i]
    elif kind == 1:
        lines.insert(r.randrange(len(lines) + 1), lines[i])
    elif kind == 2:
        j = r.randrange(len(lines))
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        long, short = r.choice(SHORT)
        return data.replace(b"\r\n" + long + b":", b"\r\n" + short + r.choice((b":", b" :", b"\t: ", b"\r\n :", b"x:")))
    elif kind == 4:
        return data.replace(b"\r\n", r.choice((b"\n", b"\r", b"\r\n ")), r.choice((-1, 1, 3)))
    elif kind == 5:
        return data[:at] + r.choice(WORDS) + data[at:]
    elif kind == 6:
        return data[:at] + r.choice(WORDS) + data[at + r.randrange(12):]
    elif kind == 7:
        return data[:at] + data[at:].swapcase()
    elif kind == 8:
        spots = [m.span() for m in re.finditer(rb"\d+", data)]
        if spots:
            a, b = r.choice(spots)
            return data[:a] + r.choice((b"", b"0", b"1", b"80", b"1024", b"5060", b"65535", b"65536", b"4294967296", b"00" + data[a:b], data[a:b] + b"0")) + data[b:]
    elif kind == 9:
        spots = [m.span() for m in re.finditer(rb"\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f]*:[0-9a-f:]+", data)]
        if spots:
            a, b = r.choice(spots)
            return data[:a] + r.choice((b"10.0.0.2", b"10.1.0.2", b"10.1.0.199", b"10.1.0.9", b"0.0.0.0", b"10.0.0.256", b"host", b"fd00::2", b"fd00:1::2", b"::", b"fd00:0:0::2")) + data[b:]
    elif kind == 10:
        b = r.randrange(len(data) + 1)
        return data[:at] + data[b:b + r.randrange(80)] + data[at:]
    elif kind == 11:
        return data[:at]
    elif kind == 12:
        return data[:at] + r.choice((b"\r\n ", b" ", b"\t", b"\r\n\t ")) + data[at:]
    return b"\r\n".join(lines)


def bent(r, data):
    if data is None:
        return None
    for _ in range(r.choice((0, 0, 0, 1, 1, 2, 4))):
        data = reword(r, data) if r.random() < 0.8 else bend.payload(r, data, 2)
    return data[:1300]


def later(seed, data, piece=None):
    """What an end says, damaged; a function of what it was shown when @data is one."""
    def build(seen):
        r = random.Random(seed)
        out = bent(r, data(seen) if callable(data) else data)
        if out is None or piece is None:
            return out
        parts = bend.split(r, out)
        return parts[piece] if piece < len(parts) and parts[piece] else None
    return build


KEPT = list(sip.kept().values())


class Session:
    def __init__(self, r, way, family, index):
        f = FAMILY[family]
        self.r, self.f, self.index = r, f, index
        self.rules, near, sport, far = WAYS[way]
        c = f["c"][index if r.random() < 0.7 else 0]
        self.c = (c, 5060 + 2 * index)
        self.s = (f["s"], sport)
        self.near = ((near % f) if near else f["s"], 5060)
        a, p = far(*self.c)
        self.far = (a % f if "%" in a else a, p)
        self.proto = r.choice(("UDP", "UDP", "TCP"))
        self.net = Net(self.c, self.s, self.near, self.far, self.proto)
        self.ports = [5004 + 20 * index, 5006 + 20 * index, 5010 + 20 * index]
        self.theirs = [6000 + 20 * index, 6002 + 20 * index]

    def media(self, ports):
        r = self.r
        return tuple((r.choice(("audio", "audio", "video", "image", "text")), r.choice(ports + [0] * (r.random() < 0.2))) for _ in range(r.choice((1, 1, 1, 2, 3))))

    def offer(self, me, ports):
        r = self.r
        return r.choice((b"", sdp(me, self.media(ports)), sdp(me, self.media(ports)), sdp(me, self.media(ports)),
                         sdp(me, self.media(ports), session=False, own={0: me}), sdp(me, self.media(ports), own={0: me, 1: me})))

    def steps(self):
        """(side, data) pairs; ("m", packet) is media."""
        r, out, cseq = self.r, [], 1
        if r.random() < 0.25:
            ends = {"c": (self.c, self.near), "s": (self.far, self.s)}
            out += [(side, sip.placed(text, *ends[side])) for side, text in r.choice(KEPT)]
        for _ in range(r.choice((1, 2, 2, 3))):
            kind = r.choice(("call", "call", "call", "register", "register", "callback", "single"))
            via = r.choice(("", "", ";rport", ";rport=%d;received=%s" % (self.far[1], self.far[0]), ";maddr=" + self.c[0], ", SIP/2.0/UDP 1.2.3.4:5"))
            ask = lambda method, body=b"", **kw: ("c", request(method, self.c, self.near, body, self.proto, cseq=cseq, via=via, **kw))
            say = lambda code, body=b"", **kw: ("s", response(code, None, self.s, body, **kw))
            if kind == "call":
                out += [ask("INVITE", self.offer(self.c[0], self.ports))]
                out += [say(code, self.offer(self.s[0], self.theirs) if code > 180 else b"", via=r.choice(("", ";received=%s" % self.far[0], ";rport=%d" % self.far[1])))
                        for code in r.choice(((100, 180, 200), (200,), (183, 200), (100, 486), (401,), (302,)))]
                out += [ask("ACK", r.choice((b"", b"", self.offer(self.c[0], self.ports))), contact=False)]
                out += self.voice()
                if r.random() < 0.4:
                    cseq += 1
                    out += [ask(r.choice(("INVITE", "UPDATE", "PRACK")), self.offer(self.c[0], self.ports)), say(r.choice((200, 200, 491)), self.offer(self.s[0], self.theirs))]
                    out += self.voice()
                if r.random() < 0.6:
                    cseq += 1
                    out += [ask("BYE"), say(200)] + self.voice()
            elif kind == "register":
                expires = r.choice(("60", "0", "3600", "1", ""))
                params = r.choice(("", "", ";expires=60", ";expires=0", ";transport=udp", ";transport=tcp;expires=7"))
                contact = r.choice((True, True, "<sip:a@%s:%d>%s" % (sip.host(self.c[0]), self.c[1] + r.choice((0, 0, 1)), params), "*",
                                    "<sip:a@%s>, <sip:b@%s:%d>%s" % (sip.host(self.s[0]), sip.host(self.c[0]), self.c[1], params)))
                extra = [("Expires", expires)] if expires else []
                out.append(ask("REGISTER", contact=contact, extra=extra, params=params))
                back = r.choice(("<sip:a@%s:%d>%s", "<sip:x@host>, <sip:a@%s:%d>%s", "<sip:a@%s:%d>%s,<sip:b@10.0.0.9>")) % (sip.host(self.far[0]), self.far[1] + r.choice((0, 0, 1)), params)
                out.append(say(r.choice((200, 200, 200, 401, 100)), contact=back, extra=[("Expires", r.choice(("60", "0", "2")))] if r.random() < 0.8 else []))
                # Somebody calls what was registered.
                for _ in range(r.randrange(3)):
                    who = (r.choice((self.s[0], self.s[0], self.f["gw"])), r.choice((5060, 6666, 6667)))
                    call = request("INVITE", who, self.far, self.offer(who[0], self.theirs), cseq=5)
                    out.append(("m", Send("eth1", udp(who[1], self.far[1] + r.choice((0, 0, 0, 1)), bent(r, call))(ip(who[0], self.far[0])))))
            elif kind == "callback":
                out += [("s", request(r.choice(("INVITE", "BYE", "UPDATE", "OPTIONS")), self.s, self.far, self.offer(self.s[0], self.theirs), self.proto, cseq=cseq)),
                        ("c", response(200, None, self.c, self.offer(self.c[0], self.ports)))] + self.voice()
            else:
                out.append(ask(r.choice(("ACK", "BYE", "OPTIONS", "UPDATE", "CANCEL")), self.offer(self.c[0], self.ports)))
            cseq += r.choice((0, 1, 1))
        return bend.dialog(r, out)

    def voice(self):
        r, out = self.r, []
        for _ in range(r.choice((0, 1, 2, 3))):
            a, b = r.choice(self.ports) + r.choice((0, 0, 1)), r.choice(self.theirs) + r.choice((0, 0, 1))
            p = rtp("eth0", self.c[0], a, self.near[0], b) if r.random() < 0.5 else rtp("eth1", self.s[0], b, self.far[0], a)
            out.append(("m", p))
        return out

    def items(self):
        r, net = self.r, self.net
        for side, data in self.steps():
            if side == "m":
                net.add(data)
                continue
            seed = r.getrandbits(32)
            if self.proto == "TCP":
                if r.random() < 0.1 and not callable(data):
                    data = data + request("OPTIONS", self.c, self.near, proto="TCP") + r.choice((b"", b"\r\n\r\n", data[:60]))
                for piece in range(3 if r.random() < 0.3 else 1):
                    net.tcp(side, later(seed, data, piece))
            else:
                net.say(side, later(seed, data))
            if r.random() < 0.03:
                net.add(Do(r.choice(("conntrack -D -p %s -s %s --orig-port-dst 5060 --orig-port-src %d" % (self.proto.lower(), self.c[0], self.c[1]), "conntrack -L"))))
        for item in net.items:
            if r.random() < 0.02:
                item.gap = r.choice((0.01, 1.2))
        return net.items


def case(seed):
    r = random.Random("sip-%d" % seed)
    Ip4.ident_next[0] = r.randrange(0x1000, 0x3000)
    family = r.choice((4, 4, 4, 6))
    way = r.choice(list(WAYS))
    sessions = [Session(r, way, family, i) for i in range(r.choice((1, 1, 2)))]
    rules = sessions[0].rules % FAMILY[family] if sessions[0].rules else ""
    if way == "port":
        lines = rules.split("\n")
        rules = "\n".join(lines[:1] + [x.replace("--dport", "--sport %d --dport" % s.c[1]) % s.c[1] for s in sessions for x in lines[1:3]] + lines[3:])
    items = []
    lists = [s.items() for s in sessions]
    while any(lists):
        part = r.choice([x for x in lists if x])
        for _ in range(r.choice((1, 1, 2, 5))):
            if part:
                items.append(part.pop(0))
    return Case("seed-%d/sip-%s-%d" % (seed, way, family), items, conntrack="on", covers=["sip helper", "expectations"],
                masks={"nat-port", "nat-port-said"} if rules else (), **{"v4" if family == 4 else "v6": HELP + rules + FILTER})
