"""The H.323 helpers: RAS with a gatekeeper, Q.931 call signalling, H.245 on its own and tunnelled, fast start, T.120; with NAT."""
import h225 as h
from case import Case, Do, Send
from packets import *

A, B, OUTSIDE, VIRTUAL, INSIDE_SERVER, THIRD = "10.0.0.2", "10.1.0.2", "10.1.0.1", "10.1.0.9", "10.2.0.2", "10.2.0.3"
A6, B6 = "fd00::2", "fd00:1::2"
HELP = "*raw\n-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931\n-A PREROUTING -p udp --dport 1719 -j CT --helper RAS\nCOMMIT\n"
FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related -j ACCEPT
-A FORWARD -p tcp --dport 1720 -j ACCEPT
-A FORWARD -p udp --dport 1719 -j ACCEPT
COMMIT
"""
SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
PORTS = "*nat\n-A POSTROUTING -o eth1 -p tcp -j SNAT --to-source 10.1.0.1:3000\n-A POSTROUTING -o eth1 -p udp -j SNAT --to-source 10.1.0.1:3000\nCOMMIT\n"
MASQUERADE = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n"
BOTH = DNAT.replace("COMMIT", "-A POSTROUTING -o eth2 -j SNAT --to-source 10.2.0.1\nCOMMIT")


class Talk:
    """A TCP connection or the datagrams of two ports; near: the called as the caller sees it, far: the caller as the called does."""

    def __init__(self, c=A, s=B, near=None, far=None, sport=None, far_sport=None, dport=1720, inside="eth0", outside="eth1", udp=False,
                 items=None, seq=100):
        self.c, self.s, self.near, self.far, self.udp = c, s, near or s, far or c, udp
        self.dport = 1719 if udp else dport
        self.sport = sport or (1719 if udp else 1000)
        self.far_sport = far_sport or self.sport
        self.inside, self.outside = inside, outside
        self.seq = [seq, seq + 400]
        self.items = [] if items is None else items
        if not udp:
            self.items += [self.part(0, b"", "S", -1, True), self.part(1, b"", "SA", -1), self.part(0, b"", "A")]

    def part(self, side, data, flags="PA", shift=0, first=False):
        l3 = ip(self.s, self.far) if side else ip(self.c, self.near)
        ports = (self.dport, self.far_sport) if side else (self.sport, self.dport)
        iface = self.outside if side else self.inside
        if self.udp:
            return Send(iface, udp(*ports, data=data)(l3))
        return Send(iface, tcp(*ports, flags, self.seq[side] + shift, 0 if first else self.seq[1 - side], data=data)(l3))

    def say(self, *datas, side=0):
        for data in datas:
            self.items.append(self.part(side, data))
            self.seq[side] += len(data)
        return self

    def answer(self, *datas):
        return self.say(*datas, side=1)

    def add(self, *items):
        self.items += items
        return self

    def udp_to(self, side, port, sport=6000, src=None):
        """From @side (0: inside) to a port of the other, as it is seen there."""
        l3 = ip(src or self.s, self.far) if side else ip(src or self.c, self.near)
        return self.add(Send(self.outside if side else self.inside, udp(sport, port)(l3)))

    def tcp_to(self, side, port, sport=6000, src=None, flags="S", iface=None):
        l3 = ip(src or self.s, self.far) if side else ip(src or self.c, self.near)
        return self.add(Send(iface or (self.outside if side else self.inside), tcp(sport, port, flags, 9)(l3)))


def worlds(udp=False):
    def make(**fixed):
        return lambda **kw: Talk(udp=udp, **dict(fixed, **kw))
    yield "plain", make(), ""
    yield "snat", make(far=OUTSIDE), SNAT
    yield "snat-port", make(far=OUTSIDE, far_sport=3000), PORTS
    yield "masquerade", make(far=OUTSIDE), MASQUERADE
    yield "dnat", make(s=INSIDE_SERVER, near=VIRTUAL, outside="eth2"), DNAT
    yield "both", make(s=INSIDE_SERVER, near=VIRTUAL, far="10.2.0.1", outside="eth2"), BOTH


def cases():
    def case(name, talk, nat="", v6=False, rules=HELP, **kw):
        kw["v6" if v6 else "v4"] = rules + nat + FILTER
        masks = {"nat-port"} if nat else ()
        return Case(name, talk.items, conntrack="on", covers=["h323 helpers", "expectations"], masks=masks, **kw)

    for name, make, nat in worlds():
        # Call signalling: where H.245 is spoken, by whichever message, from either side.
        t = make()
        yield case("setup-h245-" + name, t.say(h.call("setup", h245Address=(A, 5000), called=(t.near, 1720), caller=(A, 1000)))
                   .tcp_to(1, 5000).tcp_to(1, 5001), nat)
        for message in ("callProceeding", "connect", "alerting", "facility", "progress"):
            t = make()
            yield case("%s-h245-%s" % (message, name), t.say(h.call("setup")).answer(h.call(message, h245Address=(t.s, 5002)))
                       .tcp_to(0, 5002).tcp_to(0, 5002, sport=6001), nat)
        t = make()
        pair = h.channel(media=(A, 5004), control=(A, 5005))
        reply = h.channel(reverse=(t.s, 5007), data=("audio", ("g729", 2)))
        yield case("fast-start-" + name, t.say(h.call("setup", fastStart=[pair, h.channel(reverse=(A, 5005))]))
                   .answer(h.call("connect", fastStart=[reply, h.channel(media=(t.s, 5006), control=(t.s, 5007))]))
                   .udp_to(1, 5004).udp_to(1, 5005).udp_to(0, 5006).udp_to(0, 5007).udp_to(0, 5008), nat)
        t = make()
        yield case("fast-start-odd-" + name, t.say(h.call("setup", fastStart=[h.channel(control=(A, 5011))])).udp_to(1, 5010).udp_to(1, 5011), nat)
        t = make()
        yield case("many-channels-" + name, t.say(h.call("setup", fastStart=[h.channel(media=(A, 5000 + 2 * i)) for i in range(6)]))
                   .say(h.call("facility", fastStart=[h.channel(media=(A, 5000 + 2 * i)) for i in (1, 3, 5, 7)]))
                   .udp_to(1, 5000).udp_to(1, 5006).udp_to(1, 5008).udp_to(1, 5010), nat)
        t = make()
        yield case("tunnelled-" + name, t.say(h.call("facility", h245=[h.olc(media=(A, 5004), control=(A, 5005)),
                                                                            ("command", None)]))
                   .answer(h.call("facility", h245=[h.ack(media=(t.s, 5006), control=(t.s, 5007)), h.olc(control=(t.s, 5009))]))
                   .udp_to(1, 5004).udp_to(0, 5006).udp_to(0, 5007).udp_to(0, 5008), nat)
        t = make()
        yield case("tunnelled-five-" + name, t.say(h.call("facility", h245=[h.olc(media=(A, 5000 + 2 * i)) for i in range(6)])), nat)
        t = make()
        stack = ("request", ("olc", h.t120_channel((A, 1503))))
        yield case("t120-" + name, t.say(h.call("facility", h245=[stack])).answer(h.call("facility", h245=[h.ack(stack=(t.s, 1504))]))
                   .tcp_to(1, 1503).tcp_to(1, 1503, sport=6001).tcp_to(0, 1504).tcp_to(0, 1504, sport=6001), nat)
        t = make()
        not_lan = h.channel(stack={"address": ("lan", (A, 1503))})
        yield case("t120-not-said-" + name, t.say(h.call("facility", h245=[("request", ("olc", not_lan))])), nat)
        # H.245 on a connection of its own.
        t = make()
        t.say(h.call("setup")).answer(h.call("connect", h245Address=(t.s, 5002)))
        own = Talk(t.c, t.s, t.near, t.far, sport=2000, dport=5002, inside=t.inside, outside=t.outside, items=t.items)
        own.say(h.h245(h.olc(media=(A, 5004), control=(A, 5005)))).answer(h.h245(h.ack(media=(t.s, 5006), control=(t.s, 5007))))
        if nat != PORTS:
            yield case("h245-" + name, own.udp_to(1, 5004).udp_to(1, 5005).udp_to(0, 5006).udp_to(0, 5007), nat)
        t = make()
        yield case("h245-again-" + name, t.say(h.call("setup", h245Address=(A, 5000)), h.call("facility", h245Address=(A, 5000)),
                                              h.call("facility", h245Address=(A, 5002))).tcp_to(1, 5000).tcp_to(1, 5002), nat)
        # Both ends of a call by name, one end's own address or somebody else's.
        t = make()
        yield case("ends-" + name, t.say(h.call("setup", called=(t.near, 1720), caller=(A, 1000)),
                                        h.call("setup", called=(t.s, 1), caller=(t.far, 2)),
                                        h.call("setup", called=("1.2.3.4", 5), caller=("5.6.7.8", 6)))
                   .answer(h.call("setup", called=(A, 7), caller=(t.s, 8))), nat)
        t = make()
        yield case("others-" + name, t.say(h.call("setup", h245Address=("10.0.0.3", 5000), fastStart=[h.channel(media=("10.0.0.4", 5004))]),
                                          h.call("facility", h245Address=(A, 0))).tcp_to(1, 5000), nat)
        for number, place in enumerate((("10.2.0.3", 1720), ("10.1.0.3", 1721), ("10.0.0.3", 1720), ("192.0.2.1", 1720), ("10.0.0.2", 0))):
            t = make()
            t.say(h.call("setup")).answer(h.call("facility", reason=("forwarded", None), alternative=place, h245Address=(t.s, 5000)))
            yield case("forwarded-%d-%s" % (number, name), t.tcp_to(0, place[1], sport=6000).add(
                Send(t.inside, tcp(6001, place[1] or 1, "S", 9)(ip(A, place[0])))), nat)
            t = make()
            t.say(h.call("setup"), h.call("facility", reason=("forwarded", None), alternative=place))
            yield case("forwarded-by-caller-%d-%s" % (number, name), t.tcp_to(1, place[1] or 1).add(
                Send(t.outside, tcp(6001, place[1] or 1, "S", 9)(ip(t.s, place[0])))), nat)
        t = make()
        message = h.call("facility", h245=[h.olc(media=(A, 5004))], h245Address=(A, 5000))
        yield case("two-tpkts-" + name, t.say(h.call("setup") + message + message), nat)
        t = make()
        yield case("header-apart-" + name, t.say(message[:4], message[4:], message[:4], message[4:20], message[20:], message), nat)

    # Linux reads a lifetime twice as long as it is: at a message's very end that is too long.
    room = {"m3": bytes(8)}
    for name, make, nat in worlds(udp=True):
        t = make()
        yield case("lifetime-last-" + name, t.say(h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)], ttl=600))
                   .answer(h.ras("RCF", signal=[(t.far, 1720)], ttl=300)), nat)
        t = make()
        gk = (t.s, 1719)
        yield case("discovery-" + name, t.say(h.ras("GRQ", ras=(A, 1719))).answer(h.ras("GCF", ras=gk), h.ras("GCF", ras=(t.s, 1718)))
                   .udp_to(0, 1718), nat)
        register = h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)], ttl=600, **room)
        t = make()
        yield case("registration-" + name, t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)], ttl=300, **room)).tcp_to(1, 1720)
                   .tcp_to(1, 1720, sport=6001).tcp_to(1, 1720, src=t.s[:-1] + "4"), nat)
        t = make()
        yield case("registration-plain-" + name, t.say(h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)])).answer(h.ras("RCF", signal=[])), nat)
        t = make()
        yield case("registration-lists-" + name, t.say(h.ras("RRQ", signal=[("127.0.0.1", 1720), ("10.0.0.3", 1), (A, 1725)],
                                                            ras=[("10.0.0.3", 1719), (A, 1720), (A, 1719), (A, 1719)]))
                   .answer(h.ras("RCF", signal=[("127.0.0.1", 1720), (t.far, 1725)], ttl=50, **room))
                   .say(h.ras("IRR", ras=(A, 1719), signal=[("127.0.0.1", 1720), (A, 1725)])), nat)
        t = make()
        yield case("keep-alive-" + name, t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)])).say(register)
                   .answer(h.ras("RCF", signal=[(t.far, 1720)], ttl=20, **room)), nat)
        t = make()
        yield case("unregistration-" + name, t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)])).say(h.ras("URQ", signal=[(A, 1720)]))
                   .tcp_to(1, 1720), nat)
        t = make()
        yield case("unregistered-by-gatekeeper-" + name, t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)]),
                                                                              h.ras("URQ", signal=[(t.far, 1720)])).tcp_to(1, 1720), nat)
        t = make()
        yield case("admission-" + name, t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)]))
                   .say(h.ras("ARQ", called=(A, 1720)), h.ras("ARQ", caller=(A, 1720)), h.ras("ARQ", called=(A, 1721), caller=(A, 9)),
                        h.ras("ARQ", called=("10.9.9.9", 1720), caller=("10.9.9.8", 1720)), h.ras("ARQ"))
                   .answer(h.ras("ACF", signal=(t.far, 1720)), h.ras("ACF", signal=(THIRD, 1720)), h.ras("ACF", signal=(t.s, 1720)))
                   .tcp_to(0, 1720).add(Send(t.inside, tcp(6001, 1720, "S", 9)(ip(A, THIRD)))), nat)
        t = make()
        yield case("location-" + name, t.say(h.ras("LRQ", ras=(A, 1719)), h.ras("LRQ", ras=(A, 1))).answer(h.ras("LCF", signal=(THIRD, 1721), ras=gk))
                   .add(Send(t.inside, tcp(6001, 1721, "S", 9)(ip(A, THIRD))), Send(t.inside, tcp(6002, 1721, "S", 9)(ip(A, THIRD)))), nat)
        t = make()
        yield case("info-" + name, t.say(register, h.ras("IRR", ras=(A, 1719), signal=[(A, 1), (A, 1720)]), h.ras("IRR", ras=(A, 5), signal=[])), nat)
        # A call that comes because of a registration has the Q.931 helper.
        t = make()
        t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)]))
        back = Talk(t.s, t.c, t.far, t.s if name != "dnat" and name != "both" else t.near, sport=4000, inside=t.outside, outside=t.inside, items=t.items)
        yield case("called-" + name, back.say(h.call("setup", h245Address=(t.s, 5000), called=(t.far, 1720))).answer(
            h.call("connect", h245Address=(A, 5001), fastStart=[h.channel(media=(A, 5004))])).tcp_to(0, 5001).udp_to(0, 5004), nat)
        t = make()
        yield case("lifetimes-" + name, t.say(h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)], ttl=1, **room))
                   .answer(h.ras("RCF", signal=[], ttl=0x7fffff, **room), h.ras("RCF", signal=[])), nat)
        t = make()
        t.say(register).answer(h.ras("RCF", signal=[(t.far, 1720)], ttl=1, **room))
        yield case("registration-expires-" + name, t.tcp_to(1, 1720).add(Send(t.outside, tcp(6009, 1720, "S", 1)(ip(t.s, t.far)), gap=1.5)), nat)
        t = make()
        yield case("gatekeeper-elsewhere-" + name, t.say(h.ras("GRQ", ras=(A, 1719))).answer(h.ras("GCF", ras=(t.s[:-1] + "3", 1730)))
                   .add(Send(t.inside, udp(1719, 1730, h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)]))(ip(A, t.s[:-1] + "3"))),
                        Send(t.outside, udp(1730, 1719, h.ras("GCF", ras=(t.s, 9)))(ip(t.s[:-1] + "3", t.far)))), nat)

    # IPv6: no NAT of messages.
    t = Talk(A6, B6)
    yield case("call-6", t.say(h.call("setup", h245Address=(A6, 5000), fastStart=[h.channel(media=(A6, 5004), control=(A6, 5005))]))
               .answer(h.call("connect", h245Address=(B6, 5001))).tcp_to(1, 5000).udp_to(1, 5004).tcp_to(0, 5001), v6=True)
    t = Talk(A6, B6, udp=True)
    yield case("registration-6", t.say(h.ras("RRQ", signal=[(A6, 1720)], ras=[(A6, 1719)], ttl=30, **room)).answer(h.ras("RCF", signal=[(A6, 1720)]))
               .tcp_to(1, 1720), v6=True)
    for number, place in enumerate((("fd00:2::3", 1720), ("fd00:1::3", 1720), ("fd00::3", 1720), ("2001:db8::1", 1720), (B6, 1720))):
        t = Talk(A6, B6).say(h.call("setup")).answer(h.call("facility", reason=("forwarded", None), alternative=place))
        yield case("forwarded-6-%d" % number, t, v6=True)
    t = Talk(A6, B6)
    yield case("wrong-family-6", t.say(h.call("setup", h245Address=(A, 5000), called=(A, 1))), v6=True)
    yield case("wrong-family", Talk().say(h.call("setup", h245Address=(A6, 5000), fastStart=[h.channel(media=(A6, 5004))])))
    yield case("snat-6", Talk(A6, B6, far="fd00:1::1").say(h.call("setup", h245Address=(A6, 5000), fastStart=[h.channel(media=(A6, 5004))])),
               "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source fd00:1::1\nCOMMIT\n", v6=True)

    # Messages cut at every byte, in one way or the other.
    full = {"setup": h.call("setup", h245Address=(A, 5000), called=(B, 1720), caller=(A, 1000), fastStart=[h.channel(media=(A, 5004))]),
            "tunnel": h.call("facility", h245=[h.olc(media=(A, 5004), control=(A, 5005)), h.ack(media=(A, 5006), stack=(A, 5010))]),
            "progress": h.call("progress", h245Address=(A, 5000), fastStart=[h.channel(reverse=(A, 5009))])}
    for name, message in full.items():
        for how, talk, nat in (("plain", Talk, ""), ("snat", lambda: Talk(far=OUTSIDE), SNAT)):
            t = talk()
            for n in range(4, len(message)):
                t.say(h.tpkt(message[4:n]))     # whole TPKTs of cut messages
            yield case("cut-%s-%s" % (name, how), t, nat)
            t = talk()
            for n in range(len(message) - 17, len(message) - 4):
                body = message[4:4 + n]
                at = body.index(b"\x7e")
                body = body[:at + 1] + struct.pack("!H", len(body) - at - 3) + body[at + 3:]
                t.say(h.tpkt(body))     # the element is as long as it says
            yield case("cut-element-%s-%s" % (name, how), t, nat)
        t = Talk(far=OUTSIDE)
        for n in range(1, len(message), 3):
            t.say(message[:n], message[n:])
        yield case("split-" + name, t, SNAT)
        t = Talk(far=OUTSIDE)
        for length in (0, 3, 4, 5, len(message) - 1, len(message) + 1, 65535):
            t.say(message[:2] + struct.pack("!H", length) + message[4:])
        yield case("tpkt-length-" + name, t.say(b"\x04" + message[1:], message[:1] + b"\1" + message[2:]), SNAT)
    for name, message in (("RRQ", h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)], ttl=600, **room)), ("GRQ", h.ras("GRQ", ras=(A, 1719))),
                          ("ARQ", h.ras("ARQ", caller=(A, 1720))), ("IRR", h.ras("IRR", ras=(A, 1719), signal=[(A, 1720)]))):
        for how, far, nat in (("plain", None, ""), ("snat", OUTSIDE, SNAT)):
            yield case("cut-%s-%s" % (name, how), Talk(far=far, udp=True).say(*[message[:n] for n in range(1, len(message) + 1)]), nat)
    for i, (kw, extra) in enumerate((({"discriminator": 9}, b""), ({"reference": b""}, b""), ({"reference": bytes(40)}, b""), ({"kind": 0x80}, b""),
                                     ({"elements": b""}, b""), ({"elements": b"\x96"}, b""), ({"elements": b"\x28\xff"}, b""),
                                     ({"elements": b"\x28\0\x70\1\x81"}, b""), ({}, b"\x28\1\1"), ({"elements": b"\x7e\0\1\5"}, b""),
                                     ({"elements": b"\x7e\0\0"}, b""))):
        user = h.encode(h.USER, {"pdu": {"body": ("setup", {"h245Address": (A, 5000)})}})
        yield case("q931-%d" % i, Talk().say(h.tpkt(h.q931(user, **kw) + extra)))

    # Helper by hand on what it was not made for, limits, clashes.
    yield case("h245-on-udp", Talk(udp=True).say(h.h245(h.olc(media=(A, 5004)))).answer(b"x").say(
        h.h245(h.olc(media=(A, 5004))), bytes(4) + b"\x20" * 20 + h.h245(h.olc(media=(A, 5004)))),
        rules="*raw\n-A PREROUTING -p udp --dport 1719 -j CT --helper H.245\nCOMMIT\n")
    yield case("h245-on-tcp", Talk(), rules="*raw\n-A PREROUTING -p tcp --dport 1720 -j CT --helper H.245\nCOMMIT\n")
    t = Talk()
    for i in range(12):
        t.say(h.call("facility", h245Address=(A, 5000 + i), fastStart=[h.channel(media=(A, 6000 + 2 * i))]))
    yield case("expectations-full", t)
    t = Talk(far=OUTSIDE)
    for i in range(12):
        t.say(h.call("facility", h245Address=(A, 5000 + i), fastStart=[h.channel(media=(A, 6000 + 2 * i))]))
    yield case("expectations-full-snat", t, SNAT)
    t = Talk(udp=True)
    for i in range(35):
        t.say(h.ras("RRQ", signal=[(A, 3000 + i)], ras=[(A, 1719)]))
    yield case("registrations-full", t)
    message = h.call("setup", h245Address=(A, 5000), fastStart=[h.channel(media=(A, 5004))])
    media_only = h.call("setup", fastStart=[h.channel(media=(A, 5004))])     # Linux looks for other TCP ports at random
    for how, far, nat, message in (("plain", None, "", message), ("snat", OUTSIDE, SNAT, media_only)):
        t = Talk(far=far).say(message)
        yield case("clash-" + how, Talk(far=far, sport=1001, items=t.items).say(message), nat)
    t = Talk(far=OUTSIDE).say(message)
    yield case("clash-rtcp-snat", Talk("10.0.0.3", far=OUTSIDE, sport=1001, items=t.items).say(
        h.call("setup", h245Address=("10.0.0.3", 5004), fastStart=[h.channel(media=("10.0.0.3", 5003)), h.channel(media=("10.0.0.3", 5004)),
                                                                 h.channel(media=("10.0.0.3", 65534)), h.channel(media=("10.0.0.3", 1))])), SNAT)
    yield case("not-established", Talk(udp=True), rules=HELP)
    wide = Talk(far=OUTSIDE)
    whole = tcp(1000, 1720, "PA", 100, 500, data=message)(ip(A, B))
    yield case("fragments-snat", wide.add(*[Send("eth0", f) for f in fragments4(whole, [40, 40, 40, 1000])]), SNAT)
    for name, far, nat in (("plain", None, ""), ("unchanged-snat", OUTSIDE, SNAT)):
        data = message if not nat else h.call("setup", called=(B, 1720))
        whole = tcp(1000, 1720, "PA", 100, 500, data=data)(ip(A, B))
        yield case("fragments-" + name, Talk(far=far).add(*[Send("eth0", f) for f in fragments4(whole, [40, 40, 40, 1000])]), nat)
    for name, far, nat in (("plain", None, ""), ("snat", OUTSIDE, SNAT)):
        whole = udp(1719, 1719, h.ras("RRQ", signal=[(A, 1720)], ras=[(A, 1719)]))(ip(A, B))
        yield case("fragments-ras-" + name, Talk(far=far, udp=True).add(*[Send("eth0", f) for f in fragments4(whole, [24, 16, 1000])]), nat)
    whole = tcp(1000, 1720, "PA", 100, 500, data=message)(ip(A6, B6))
    yield case("fragments-6", Talk(A6, B6).add(*[Send("eth0", f) for f in fragments6(whole, [40, 40, 1000], 77)]), v6=True)
    t = Talk(far=OUTSIDE)
    options = Send("eth0", tcp(1000, 1720, "PA", t.seq[0], t.seq[1], data=message, options=timestamp(1, 2))(ip(A, B)))
    t.seq[0] += len(message)
    yield case("tcp-options-snat", t.add(options).say(message), SNAT)
    t = Talk(far=OUTSIDE, udp=True)
    yield case("udp-without-sum-snat", t.add(Send("eth0", udp(1719, 1719, h.ras("GRQ", ras=(A, 1719)), check=0)(ip(A, B)))), SNAT)

    # The router itself calls, or is called; zones; a helper's connection is told apart by -m helper.
    def at_home(t, iface="eth0"):
        for item in t.items:
            if item.iface == iface:
                item.iface = None
        return t
    local = HELP.replace("COMMIT", "-A OUTPUT -p tcp --dport 1720 -j CT --helper Q.931\n-A OUTPUT -p udp --dport 1719 -j CT --helper RAS\nCOMMIT")
    own = "10.1.0.1"
    t = Talk(c=own).say(h.call("setup", h245Address=(own, 5000), fastStart=[h.channel(media=(own, 5004))]))
    yield Case("host-calls", at_home(t.answer(h.call("connect", h245Address=(B, 5002))).tcp_to(1, 5000).tcp_to(0, 5002).udp_to(1, 5004)).items,
               v4=local, conntrack="on", covers=["h323 helpers"])
    t = Talk(c=own, far="10.1.0.9").say(h.call("setup", h245Address=(own, 5000), caller=(own, 1000), fastStart=[h.channel(media=(own, 5004))]))
    yield Case("host-calls-snat", at_home(t.answer(h.call("connect", h245Address=(B, 5002))).tcp_to(1, 5000).tcp_to(0, 5002).udp_to(1, 5004)).items,
               v4=local + SNAT.replace(own, "10.1.0.9"), conntrack="on", covers=["h323 helpers"], net=["addr add 10.1.0.9/32 dev eth1"])
    t = Talk(s="10.0.0.1").say(h.call("setup", h245Address=(A, 5000))).answer(h.call("connect", h245Address=("10.0.0.1", 5002)))
    yield Case("host-is-called", at_home(t.tcp_to(0, 5002), "eth1").items, v4=local, conntrack="on", covers=["h323 helpers"])
    t = Talk(c=own, udp=True).say(h.ras("RRQ", signal=[(own, 1720)], ras=[(own, 1719)])).answer(h.ras("RCF", signal=[])).tcp_to(1, 1720)
    yield Case("host-registers", at_home(t).items, v4=local, conntrack="on", covers=["h323 helpers"])
    t = Talk().say(h.call("setup", h245Address=(A, 5000), fastStart=[h.channel(media=(A, 5004))])).tcp_to(1, 5000).udp_to(1, 5004)
    yield Case("zone", t.items, v4="*raw\n-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931 --zone 5\n-A PREROUTING -j CT --zone 5\nCOMMIT\n" + FILTER,
               conntrack="on", covers=["h323 helpers", "zones"])
    t = Talk().say(h.call("setup", h245Address=(A, 5000), fastStart=[h.channel(media=(A, 5004))])).tcp_to(1, 5000).udp_to(1, 5004)
    yield Case("match", t.items, v4=HELP + "*filter\n-A FORWARD -m helper --helper Q.931\n-A FORWARD -m helper --helper H.245\nCOMMIT\n",
               conntrack="on", covers=["h323 helpers", "helper match"])
