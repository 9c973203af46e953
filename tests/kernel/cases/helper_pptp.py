"""The PPTP helper: session and call states, GRE calls in both directions, call ids under NAT."""
import os

import pptp as p
from case import Case, Do, Send
from packets import *

CLIENT, SERVER, OUTSIDE, VIRTUAL, INSIDE_SERVER = "10.0.0.2", "10.1.0.2", "10.1.0.1", "10.1.0.9", "10.2.0.2"
HELP = "*raw\n-A PREROUTING -p tcp --dport 1723 -j CT --helper pptp\nCOMMIT\n"
FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related -j ACCEPT
-A FORWARD -p tcp -j ACCEPT
COMMIT
"""
SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
PORTS = "*nat\n-A POSTROUTING -o eth1 -p tcp -j SNAT --to-source 10.1.0.1:2000\nCOMMIT\n"
MASQUERADE = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -p tcp -d 10.1.0.9 --dport 1723 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n"
BOTH = "*nat\n-A PREROUTING -i eth0 -p tcp -d 10.1.0.9 --dport 1723 -j DNAT --to-destination 10.2.0.2\n" \
       "-A POSTROUTING -o eth2 -j SNAT --to-source 10.2.0.1\nCOMMIT\n"


class Talk:
    """A control connection; near is the server as the client sees it, far the client as the server sees it."""

    def __init__(self, c=CLIENT, s=SERVER, near=None, far=None, sport=1000, far_sport=None, inside="eth0", outside="eth1", dport=1723):
        self.c, self.s, self.near, self.far = c, s, near or s, far or c
        self.sport, self.far_sport, self.dport = sport, far_sport or sport, dport
        self.inside, self.outside = inside, outside
        self.cseq, self.sseq = 100, 500
        self.items = [self.up("S", seq=99, ack=0), self.down("SA", seq=499, ack=100), self.up("A")]

    def up(self, flags="PA", data=b"", seq=None, ack=None):
        return Send(self.inside, tcp(self.sport, self.dport, flags, self.cseq if seq is None else seq,
                                     self.sseq if ack is None else ack, data=data)(ip(self.c, self.near)))

    def down(self, flags="PA", data=b"", seq=None, ack=None):
        return Send(self.outside, tcp(self.dport, self.far_sport, flags, self.sseq if seq is None else seq,
                                      self.cseq if ack is None else ack, data=data)(ip(self.s, self.far)))

    def say(self, *datas):
        for data in datas:
            self.items.append(self.up(data=data))
            self.cseq += len(data)
        return self

    def answer(self, *datas):
        for data in datas:
            self.items.append(self.down(data=data))
            self.sseq += len(data)
        return self

    def add(self, *items):
        self.items += items
        return self

    def session(self):
        return self.say(p.start_request()).answer(p.start_reply())

    def out_call(self, client=7, server=9, seen=None):
        """seen: the client's id as the server sees it."""
        return self.say(p.out_request(client)).answer(p.out_reply(server, client if seen is None else seen))

    def up_gre(self, call, **kw):
        return self.add(Send(self.inside, p.gre(call, **kw)(ip(self.c, self.near))))

    def down_gre(self, call, **kw):
        return self.add(Send(self.outside, p.gre(call, **kw)(ip(self.s, self.far))))


def recorded():
    """A dialog of real programs, kept as they sent it."""
    items, last = [], 0.0
    with open(os.path.join(os.path.dirname(p.__file__), "dialogs", "pptp.txt")) as f:
        for line in f:
            if not line.startswith("#"):
                at, end, packet = line.split()
                items.append(Send("eth0" if end == "c" else "eth1", bytes.fromhex(packet), gap=round(float(at) - last, 3)))
                last = float(at)
    return items


def cases():
    def case(name, talk, nat="", items=(), **kw):
        kw.setdefault("conntrack", "on")
        return Case(name, talk.items + list(items), v4=HELP + nat + FILTER, covers=["pptp helper", "gre", "expectations"], **kw)

    def worlds():
        yield "plain", Talk, "", None
        yield "snat", lambda **kw: Talk(far=OUTSIDE, **kw), SNAT, 1000
        yield "snat-port", lambda **kw: Talk(far=OUTSIDE, far_sport=2000, **kw), PORTS, 2000
        yield "masquerade", lambda **kw: Talk(far=OUTSIDE, **kw), MASQUERADE, 1000
        yield "dnat", lambda **kw: Talk(s=INSIDE_SERVER, near=VIRTUAL, outside="eth2", **kw), DNAT, 1000
        yield "both", lambda **kw: Talk(s=INSIDE_SERVER, near=VIRTUAL, far="10.2.0.1", outside="eth2", **kw), BOTH, 1000

    for name, talk, nat, seen in worlds():
        sees = 7 if seen is None else seen
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees).up_gre(9, ack=1).down_gre(sees, ack=1)
        yield case("out-call-" + name, t.say(p.link_info(9)).answer(p.link_info(sees), p.wan_error(sees), p.echo_request())
                   .say(p.echo_reply()), nat)
        yield case("out-call-server-first-" + name, talk().session().out_call(7, 9, seen).down_gre(sees).up_gre(9).down_gre(sees), nat)
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees).say(p.clear_request(7)).answer(p.disconnected(9))
        yield case("hang-up-" + name, t.up_gre(9).down_gre(sees).say(p.stop_request()).answer(p.stop_reply()), nat)
        yield case("hang-up-unused-" + name, talk().session().out_call(7, 9, seen).answer(p.disconnected(9)).up_gre(9).down_gre(sees), nat)
        # An incoming call: NAT saves no id for it, so the client's becomes zero.
        t = talk().session().answer(p.in_request(11)).say(p.in_reply(7, 11)).answer(p.in_connected(7))
        yield case("in-call-" + name, t.up_gre(11).down_gre(7).down_gre(0).answer(p.disconnected(7)).up_gre(11), nat)
        yield case("in-call-after-out-" + name, talk().session().out_call(7, 9, seen).answer(p.in_request(11)).say(p.in_reply(8, 11))
                   .answer(p.in_connected(8)).up_gre(11).down_gre(8).up_gre(9), nat)
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees)
        yield case("master-deleted-" + name, t.add(Do("conntrack -D -p tcp --orig-port-dst 1723")).up_gre(9).down_gre(sees), nat)
        t = talk().session().out_call(7, 9, seen)
        yield case("master-deleted-unused-" + name, t.add(Do("conntrack -D -p tcp --orig-port-dst 1723")).up_gre(9).down_gre(sees), nat)
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees)
        yield case("call-deleted-" + name, t.add(Do("conntrack -D -p gre")).up_gre(9).down_gre(sees).out_call(7, 10, seen).up_gre(10)
                   .down_gre(sees), nat)
        # A second call within the session replaces no key, and so is refused; the first goes on.
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees).out_call(8, 12, seen)
        yield case("second-call-" + name, t.up_gre(12).down_gre(8).up_gre(9).down_gre(sees), nat)
        t = talk().session().out_call(7, 9, seen).out_call(8, 12, seen)
        yield case("second-call-at-once-" + name, t.up_gre(12).down_gre(8).up_gre(9).down_gre(sees), nat)
        t = talk().session().out_call(7, 9, seen)
        again = t.down(data=p.out_reply(9, sees), seq=t.sseq - 32)
        yield case("reply-again-" + name, t.add(again).up_gre(9).down_gre(sees).add(again).up_gre(9).down_gre(sees), nat)
        yield case("refused-" + name, talk().session().say(p.out_request(7)).answer(p.out_reply(9, sees, result=3), p.out_reply(9, sees))
                   .up_gre(9), nat)
        # ICMP errors about GRE, both ways.
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees)
        inner = p.gre(9)(ip(t.far, t.s))
        error = Send(t.outside, icmp(3, 1, data=inner)(ip(t.s, t.far)))
        inner = p.gre(sees)(ip(t.s, t.far))
        yield case("icmp-error-" + name, t.add(error, Send(t.inside, icmp(3, 1, data=p.gre(7)(ip(t.near, t.c)))(ip(t.c, t.near))),
                                               Send(t.outside, icmp(3, 1, data=p.gre(9)(ip(t.far, t.s))[:24])(ip(t.s, t.far)))), nat)
        # Timeouts: GRE's own, whatever PPTP would like.
        t = talk().session().out_call(7, 9, seen).up_gre(9).down_gre(sees)
        yield case("timeouts-" + name, t, nat, sysctl={"net.netfilter.nf_conntrack_gre_timeout": 60,
                                                         "net.netfilter.nf_conntrack_gre_timeout_stream": 90})

    yield Case("recorded-snat", recorded(), v4=HELP + SNAT + FILTER, conntrack="on", covers=["pptp helper", "gre"])

    # States: what comes out of turn is passed on, and changes nothing.
    yield case("no-session", Talk().out_call().up_gre(9))
    yield case("session-refused", Talk().say(p.start_request()).answer(p.start_reply(2)).out_call().up_gre(9))
    yield case("session-unasked", Talk().answer(p.start_reply()).out_call().up_gre(9))
    yield case("session-again", Talk().session().session().out_call().up_gre(9))
    yield case("session-refused-then-asked", Talk().say(p.start_request()).answer(p.start_reply(2)).session().out_call().up_gre(9))
    yield case("stopped", Talk().session().say(p.stop_request()).out_call().up_gre(9))
    yield case("stopped-and-begun", Talk().session().say(p.stop_request()).answer(p.stop_reply()).session().out_call().up_gre(9))
    yield case("stop-refused", Talk().session().say(p.stop_request()).answer(p.stop_reply(2)).session().out_call().up_gre(9))
    yield case("stop-reply-unasked", Talk().session().answer(p.stop_reply()).out_call().up_gre(9))
    yield case("reply-to-nobody", Talk().session().answer(p.out_reply(9, 7)).up_gre(9))
    yield case("wrong-peer", Talk().session().say(p.out_request(7)).answer(p.out_reply(9, 8)).up_gre(9))
    yield case("wrong-peer-snat", Talk(far=OUTSIDE).session().say(p.out_request(7)).answer(p.out_reply(9, 7)).up_gre(9), SNAT)
    yield case("client-says-servers", Talk().session().say(p.out_reply(9, 7), p.start_reply(), p.disconnected(7), p.wan_error(7),
                                                           p.in_request(5), p.in_connected(7)).out_call().up_gre(9))
    yield case("server-says-clients", Talk(far=OUTSIDE).session().answer(p.start_request(), p.out_request(3), p.in_reply(3, 4),
                                                                         p.clear_request(4), p.stop_request())
               .out_call(7, 9, 1000).up_gre(9).down_gre(1000), SNAT)
    yield case("in-reply-refused", Talk().session().answer(p.in_request(11)).say(p.in_reply(7, 11, 2)).answer(p.in_connected(7)).up_gre(11))
    yield case("in-reply-wrong", Talk().session().answer(p.in_request(11)).say(p.in_reply(7, 12)).answer(p.in_connected(7)).up_gre(11))
    yield case("in-reply-unasked", Talk().session().say(p.in_reply(7, 0)).answer(p.in_connected(7)).up_gre(0))
    yield case("in-connected-wrong", Talk().session().answer(p.in_request(11)).say(p.in_reply(7, 11)).answer(p.in_connected(8)).up_gre(11))
    yield case("clear-then-reply", Talk().session().say(p.out_request(7), p.clear_request(7)).answer(p.out_reply(9, 7)).up_gre(9))
    yield case("equal-ids", Talk().session().out_call(7, 7).up_gre(7).down_gre(7))
    yield case("zero-ids", Talk().session().out_call(0, 0).up_gre(0).down_gre(0))
    yield case("zero-ids-snat", Talk(far=OUTSIDE).session().out_call(0, 0, 1000).up_gre(0).down_gre(1000), SNAT)
    yield case("before-handshake", Talk().add(), items=[Send("eth0", tcp(5, 1723, "S", 1, data=p.start_request())(ip(CLIENT, SERVER)))])
    yield case("gre-plain", Talk().session().out_call().up_gre(9, flags=0x2000).up_gre(9, proto=0x6558).up_gre(9).down_gre(9, flags=0x2000))
    yield case("gre-short", Talk().session().out_call().add(*[Send("eth0", raw(47, p.gre(9)(ip(CLIENT, SERVER))[20:20 + n])(ip(CLIENT, SERVER)))
                                                               for n in (0, 2, 3, 4, 6, 7, 8, 12)]))
    # Two clients of one server that chose the same id.
    a, b = Talk(far=OUTSIDE).session().out_call(7, 9, 1000), Talk(c="10.0.0.3", far=OUTSIDE, sport=1001).session().out_call(7, 10, 1001)
    yield case("two-clients-snat", a.up_gre(9).down_gre(1000).add(*b.items).add(*b.up_gre(10).down_gre(1001).items[-2:]).up_gre(9), SNAT)
    a, b = Talk().session().out_call(7, 9), Talk(sport=1001).session().out_call(7, 9)
    yield case("two-sessions-clash", a.add(*b.items).up_gre(9).down_gre(7).add(*b.answer(p.disconnected(9)).items[-1:]).up_gre(9))
    a, b = Talk().session().out_call(7, 9), Talk(sport=1001).session().out_call(8, 10)
    yield case("two-sessions", a.add(*b.items).up_gre(9).up_gre(10).down_gre(7).down_gre(8))
    t = Talk().session().out_call()
    yield case("expectation-expires", t.add(Send("eth0", p.gre(9)(ip(CLIENT, SERVER)), gap=2)))
    # Headers that are none, messages cut at every byte, and split over segments.
    for i, kw in enumerate(({"cookie": 1}, {"packet_type": 2}, {"length": 0}, {"reserved": 9})):
        yield case("header-%d" % i, Talk(far=OUTSIDE).session().say(p.out_request(7, **kw)).answer(p.out_reply(9, 1000, **kw)).up_gre(9), SNAT)
    t = Talk(far=OUTSIDE).session()
    for kind in (0, 16, 255, 65535):
        t.say(p.control(kind, bytes(200))).answer(p.control(kind, bytes(200)))
    yield case("kinds", t.out_call(7, 9, 1000).up_gre(9), SNAT)
    for name, nat, far, sees in (("plain", "", None, 7), ("snat", SNAT, OUTSIDE, 1000)):
        t = Talk(far=far).session()
        message = p.out_request(7)
        for n in list(range(0, 40)) + [100, 120, 160, 166, 167]:
            t.say(message[:n]) if n else t.add(t.up())
        yield case("cut-request-" + name, t.answer(p.out_reply(9, sees)).up_gre(9), nat)
        message = p.out_reply(9, sees)
        t = Talk(far=far).session().say(p.out_request(7))
        for n in range(1, len(message)):
            t.answer(message[:n])
        yield case("cut-reply-" + name, t.up_gre(9).answer(message).up_gre(9), nat)
        t = Talk(far=far).session()
        for message in (p.in_request(11), p.disconnected(7), p.wan_error(7), p.link_info(7)):
            for n in (12, 13, 14, 16, 20, len(message) - 1, len(message)):
                t.answer(message[:n])
        yield case("cut-others-" + name, t.say(p.in_reply(7, 11)[:23], p.in_reply(7, 11)).answer(p.in_connected(7)[:27], p.in_connected(7)), nat)
        t = Talk(far=far).session()
        message = p.out_request(7)
        yield case("split-" + name, t.say(message[:20], message[20:]).answer(p.out_reply(9, sees)).up_gre(9), nat)
        yield case("two-in-one-" + name, Talk(far=far).session().say(p.echo_request() + p.out_request(7), p.out_request(7) + p.echo_request())
                   .answer(p.out_reply(9, sees) + p.out_reply(10, sees)).up_gre(9).up_gre(10), nat)
    t = Talk(far=OUTSIDE).session()
    options = Send("eth0", tcp(1000, 1723, "PA", t.cseq, t.sseq, data=p.out_request(7), options=timestamp(1, 2))(ip(CLIENT, SERVER)))
    t.cseq += len(p.out_request(7))
    yield case("tcp-options-snat", t.add(options).answer(p.out_reply(9, 1000)).up_gre(9).down_gre(1000), SNAT)
    request = tcp(1000, 1723, "PA", 100 + len(p.start_request()), 500 + len(p.start_reply()), data=p.out_request(7))(ip(CLIENT, SERVER))
    t = Talk(far=OUTSIDE).session()
    t.cseq += len(p.out_request(7))
    yield case("fragments-snat", t.add(*[Send("eth0", f) for f in fragments4(request, [64, 64, 1000])])
               .answer(p.out_reply(9, 1000)).up_gre(9).down_gre(1000), SNAT)

    # The router itself is an end; the far side's packets come in as ever.
    def at_home(t):
        for item in t.items:
            if item.iface == "eth0":
                item.iface = None
        return t
    local = HELP.replace("COMMIT", "-A OUTPUT -p tcp --dport 1723 -j CT --helper pptp\nCOMMIT")
    t = Talk(c="10.1.0.1").session().out_call(7, 9).up_gre(9).down_gre(7).answer(p.disconnected(9)).up_gre(9)
    yield Case("host-calls", at_home(t).items, v4=local, conntrack="on", covers=["pptp helper"])
    t = Talk(c="10.1.0.1", far="10.1.0.9").session().out_call(7, 9, 1000).up_gre(9).down_gre(1000)
    yield Case("host-calls-snat", at_home(t).items, v4=local + SNAT.replace("10.1.0.1", "10.1.0.9"), conntrack="on", covers=["pptp helper"],
               net=["addr add 10.1.0.9/32 dev eth1"])
    # Zones: expectations are the zone's, keys everybody's.
    zoned = "*raw\n-A PREROUTING -p tcp --dport 1723 -j CT --helper pptp --zone 5\n-A PREROUTING -p tcp --sport 1723 -j CT --zone 5\n%sCOMMIT\n"
    for name, rule in (("same", "-A PREROUTING -p 47 -j CT --zone 5\n"), ("other", "-A PREROUTING -p 47 -j CT --zone 6\n"), ("none", "")):
        t = Talk().session().out_call(7, 9).up_gre(9).down_gre(7).answer(p.disconnected(9))
        yield Case("zone-" + name, t.items, v4=zoned % rule + FILTER, conntrack="on", covers=["pptp helper", "zones"])
