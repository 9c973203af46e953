"""The SIP helper: calls, registrations, media, and their translation."""
import sip
from case import Case, Do, Send
from packets import ip, udp
from sip import Net, request, response, rtp, sdp

C, S, OUT = "10.0.0.2", "10.1.0.2", "10.1.0.1"
C6, S6 = "fd00::2", "fd00:1::2"
HELP = "*raw\n-A PREROUTING -p udp --dport 5060 -j CT --helper sip\n-A PREROUTING -p tcp --dport 5060 -j CT --helper sip\nCOMMIT\n"
FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m helper --helper sip -m comment --comment signalling -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m comment --comment media -j ACCEPT
-A FORWARD -p udp --dport 5060 -j ACCEPT
-A FORWARD -p tcp --dport 5060 -j ACCEPT
COMMIT
"""
SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
SNAT_PORT = "*nat\n-A POSTROUTING -o eth1 -p udp --dport 5060 -j SNAT --to-source 10.1.0.1:10000-10000\n" \
            "-A POSTROUTING -o eth1 -p tcp --dport 5060 -j SNAT --to-source 10.1.0.1:10000-10000\nCOMMIT\n"
SNAT_LONG = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n"
MASQ = "*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n"
BOTH = "*nat\n-A PREROUTING -i eth0 -d 10.1.0.9 -p udp --dport 5060 -j DNAT --to-destination 10.1.0.2:5070\n" \
       "-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
IN = "*nat\n-A PREROUTING -i eth1 -p udp -d 10.1.0.1 --dport 5060 -j DNAT --to-destination 10.0.0.2\nCOMMIT\n"
SNAT6 = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source fd00:1::1\nCOMMIT\n"
MAPPED = ((C, 5060), (S, 5060))


def snat(**kw):
    kw.setdefault("far", (OUT, 5060))
    return Net(**kw)


def media(net_far, port=5004, answer=6000, client=C, server=S):
    """Both ends send RTP and RTCP; the client's packets last, to see what NAT makes of them."""
    return [rtp("eth1", server, answer, net_far, port), rtp("eth0", client, port, server, answer), rtp("eth1", server, answer + 1, net_far, port + 1),
            rtp("eth0", client, port + 1, server, answer + 1), rtp("eth1", server, answer + 2, net_far, port)]


def cases():
    def case(name, net, nat="", v6=False, **kw):
        kw["v6" if v6 else "v4"] = HELP + nat + FILTER
        return Case(name, net.items if isinstance(net, Net) else net, conntrack="on", covers=["sip helper", "expectations"], **kw)

    # Calls.
    yield case("call", Net().call().add(*media(C)))
    yield case("call-tcp", Net(proto="TCP").call().add(*media(C)))
    yield case("call-6", Net((C6, 5060), (S6, 5060)).call().add(*media(C6, client=C6, server=S6)), v6=True)
    yield case("call-bye", Net().call().add(*media(C)).invite(b"", "BYE", cseq=2).answer().add(*media(C, 5004, 6000)))
    yield case("call-bye-unused", Net().call().invite(b"", "BYE", cseq=2).answer().add(*media(C)))
    yield case("call-from-server", Net().call().down(request("BYE", (S, 5060), (C, 5060), cseq=9)).add(*media(C)))
    yield case("call-refused", Net().invite().answer(100).answer(486).add(*media(C)))
    yield case("call-refused-other-cseq", Net().invite().answer(486, cseq="7 INVITE").add(*media(C)))
    yield case("reinvite", Net().call().invite(sdp(C, (("audio", 5010),)), cseq=2).answer(200, sdp(S, (("audio", 6010),)))
               .add(*media(C), *media(C, 5010, 6010)))
    yield case("update-prack", Net().invite().answer(183, sdp(S, (("audio", 6000),))).invite(sdp(C, (("audio", 5020),)), "PRACK", cseq=2)
               .answer(200, sdp(S, (("audio", 6020),))).invite(sdp(C, (("audio", 5030),)), "UPDATE", cseq=3).answer(200, sdp(S, (("audio", 6030),)))
               .add(*media(C, 5020, 6020)))
    yield case("ack-offer", Net().invite(b"").answer(200, sdp(S, (("audio", 6000),))).invite(sdp(C), "ACK").add(*media(C)))
    yield case("late-error", Net().call().answer(487, cseq="1 INVITE").add(*media(C)))
    yield case("update-error", Net().call().invite(sdp(C), "UPDATE", cseq=2).answer(491).answer(491, cseq="1 UPDATE"))
    yield case("options", Net().up(request("OPTIONS", (C, 5060), (S, 5060), sdp(C))).answer(200, sdp(S)))
    yield case("again", Net().invite().invite().answer(200, sdp(S, (("audio", 6000),))).answer(200, sdp(S, (("audio", 6000),))))
    # Media.
    for i, lines in enumerate(((("audio", 5004), ("video", 5006)), (("audio", 5004), ("video", 5006), ("image", 5008)),
                               (("audio", 5004), ("audio", 5006), ("audio", 5008)), (("image", 5004), ("image", 5006)),
                               (("audio", 0), ("video", 5006)), (("text", 5000), ("audio", 5004)), (("audio", 5005),), (("audio", 80),),
                               (("audio", 66000),), (("audio", "x"),), (("audio", 5004), ("video", 5004)), (("audio", "5004/2"),),
                               (("audio", 5004), ("audio", 5006), ("video", 5008), ("image", 5010)), (("audio", 65535),), (("Audio", 5004),),
                               (("audio", 5004), ("audio", 0), ("audio", 5008), ("audio", 5012)), (("application", 5004),), ())):
        for nat, far in (("", C), (SNAT, OUT)):
            yield case("media-%d%s" % (i, "-snat" if nat else ""),
                       Net(far=(far, 5060)).invite(sdp(C, lines)).answer(200, sdp(S, lines)).add(*media(far), *media(far, 5006, 5006)), nat,
                       masks=["nat-port"] if nat else [])
    for i, body in enumerate((sdp(C, session=False, own={0: C}), sdp(C, session=False), sdp("10.0.0.3"), sdp(C, own={0: "10.0.0.3"}),
                              sdp("10.0.0.3", own={0: C}), sdp(C, owner=False), sdp(C, eol="\n"), sdp(C)[:-2], sdp(C)[:-4], sdp(C, tail="c=IN IP4 10.0.0.3\r\n"),
                              b"", b"v=", b"v=0\r\n", sdp(C).replace(b"v=0", b"v=x"), sdp(C).replace(b"IN IP4", b"in ip4"), sdp(C6), sdp("0.0.0.0"),
                              sdp(C).replace(b"c=IN", b"C=IN").replace(b"m=", b"M="), sdp("10.0.0.02"), sdp("10.0.0.2/127"),
                              sdp(C, (("audio", 5004), ("video", 5006)), own={0: C, 1: C}), sdp(C, (("audio", 5004), ("video", 5006)), session=False, own={0: C}),
                              sdp(C, (("audio", 5004), ("video", 5006)), session=False, own={1: C}), sdp("10.0.0.2.3"), sdp("10.0.0.2a"), sdp("10.0.0.300"))):
        for nat, far in (("", C), (SNAT, OUT)):
            yield case("sdp-%d%s" % (i, "-snat" if nat else ""), Net(far=(far, 5060)).invite(body).answer(200, sdp(S)).add(*media(far)), nat)
    t = Net().invite(sdp(C, (("audio", 5004),)))
    for n in range(5):
        t.invite(sdp(C, (("audio", 5010 + 2 * n), ("image", 5100 + 2 * n))), "UPDATE", cseq=2 + n)
    yield case("class-limits", t)
    # Two signalling connections announce the same media.
    for nat, far in (("", C), (SNAT, OUT)):
        a, b = Net(far=(far, 5060)), Net(c=(C, 5061), far=(far, 5061))
        yield case("two-masters%s" % ("-snat" if nat else ""), a.invite().add(*b.invite().answer(200, sdp(S)).items).answer(200, sdp(S)).add(*media(far)), nat)
        a, b = Net(far=(far, 5060)), Net(c=(C, 5061), s=("10.1.0.3", 5060), far=(far, 5061))
        yield case("two-servers%s" % ("-snat" if nat else ""), a.invite().add(*b.invite().answer(200, sdp("10.1.0.3")).items).add(*media(far)), nat)
        a, b = Net(far=(far, 5060)), Net(c=(C, 5061), far=(far, 5061), proto="TCP")
        yield case("two-protocols%s" % ("-snat" if nat else ""), a.invite().add(*b.invite().answer(200, sdp(S)).items), nat)
        a, b = Net(far=(far, 5060)), Net(c=(C, 5061), far=(far, 5061))
        yield case("two-kinds%s" % ("-snat" if nat else ""), a.invite(sdp(C)).add(*b.invite(sdp(C, (("video", 5004),))).items), nat)
    a, b = Net(c=("10.0.0.2", 5060), far=(OUT, 5060)), Net(c=("10.0.0.3", 5060), far=(OUT, 5060))
    one = "*nat\n-A POSTROUTING -o eth1 -s 10.0.0.3 -p udp --dport 5060 -j SNAT --to-source 10.1.0.1:7000-7000\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
    yield case("ports-in-use", a.invite().add(*b.invite(sdp("10.0.0.3")).items).add(*media(OUT), *media(OUT, 5006)), one)
    # Somebody's expectation from anywhere holds the ports that the media would have: the next pair is taken.
    hold = lambda dst, port: Do("conntrack -I expect -p udp -t 100 --tuple-src 10.1.0.9 --tuple-dst %s --mask-src 0.0.0.0 --mask-dst 255.255.255.255 --tuple-port-src 0 "
                                "--tuple-port-dst %d --mask-port-src 0 --mask-port-dst 65535 -s %s -d %s --sport 5061 --dport 5060" % (dst, port, C, S))
    before = Send("eth0", udp(5061, 5060, request("OPTIONS", (C, 5061), (S, 5060)))(ip(C, S)))
    for ports in ((5004,), (5005,), (5004, 5006), (5005, 5007, 5008), (5004, 5009)):
        for name, far, nat in (("", C, ""), ("-snat", OUT, SNAT), ("-long", "10.1.0.199", SNAT_LONG)):
            n = Net(far=(far, 5060)).add(before, *[hold(far, p) for p in ports])
            yield case("ports-held-%s%s" % ("-".join(map(str, ports)), name), n.invite(sdp(C, (("audio", 5004), ("video", 5004)))).answer(200, sdp(S)).add(*media(far), *media(far, 5006)), nat)
            n = Net(far=(far, 5060), proto="TCP").add(before, *[hold(far, p) for p in ports])
            yield case("ports-held-%s%s-tcp" % ("-".join(map(str, ports)), name), n.invite().answer(200, sdp(S)).invite(b"", "ACK"), nat)
    yield case("ports-held-to-the-end", snat().add(before, *[hold(OUT, p) for p in range(65530, 65536)]).invite(sdp(C, (("audio", 65530),))), SNAT)
    yield case("ports-held-no-length", snat().add(before, hold(OUT, 5004)).invite(length=False), SNAT)
    yield case("signalling-held-at-the-end", snat().add(before, hold(OUT, 65535)).register(contact="<sip:alice@10.0.0.2:65535>"), SNAT)
    yield case("signalling-held", Net().add(before, hold(C, 5060)).register().registered())
    # NAT knows where the media is: it goes there without NAT.
    long = "10.1.0.199"
    some = "*nat\n-A PREROUTING -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2\n-A POSTROUTING -s 10.0.0.0/24 -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n"
    for name, lines in (("", (("audio", 5004),)), ("-two", (("audio", 5004), ("video", 5006))), ("-other-port", (("audio", 5005),))):
        for own in ({}, {0: long}):
            for proto in ("UDP", "TCP"):
                a = Net(far=(long, 5060)).invite(sdp(C, (("audio", 5004), ("video", 5006))))
                b = Net(c=(long, 5066), near=("10.1.0.9", 5060), inside="eth1", proto=proto)
                yield case("direct%s%s-%s" % (name, "-own" if own else "", proto.lower()),
                           a.add(*b.invite(sdp(long, lines, own=own)).answer(200, sdp(S)).invite(b"", "ACK").items, *media(long), rtp("eth1", S, 6000, C, 5004)), some, masks=["nat-port"])
    unnamed = "*nat\n-A POSTROUTING -o eth1 -p udp --sport 5060 -j SNAT --to-source 10.1.0.199\nCOMMIT\n"
    a, b = Net(c=(C, 5062)).invite(), Net(far=(long, 5060)).invite()
    yield case("direct-without-nat", a.add(*b.items, *media(C)), unnamed)
    # As large as a packet can be, and still large enough.
    from packets import fragments4
    two = ("10.0.0.9", 5060)
    for name, data in (("via", request("OPTIONS", (C, 5060), (S, 5060))), ("register", request("REGISTER", two, (S, 5060), contact="<sip:a@10.0.0.2:7070>", extra=[("Expires", "60")])),
                       ("own-media", request("INVITE", two, (S, 5060), sdp(C, own={0: C})))):
        data += b"x" * (65507 - 20 - len(data))
        yield case("largest-%s" % name, [Send("eth0", f) for f in fragments4(udp(5060, 5060, data)(ip(C, S)), [1480] * 44)], SNAT_LONG)
    # The port of a stream is where somebody is called in: on the same connection, on another one; RTP's, RTCP's.
    for port in (5004, 5005):
        for nat, far in (("", C), (SNAT, OUT)):
            where = "<sip:alice@10.0.0.2:%d>" % port
            n = Net(far=(far, 5060)).register(contact=where).invite(cseq=2).answer(200, sdp(S, (("audio", port - 4),)))
            yield case("media-meets-registration-%d%s" % (port, "-snat" if nat else ""), n.add(*media(far)), nat)
            a, b = Net(c=(C, 5070), far=(far, 5070)).register(contact=where), Net(far=(far, 5060)).invite().answer(200, sdp(S))
            yield case("media-meets-other-registration-%d%s" % (port, "-snat" if nat else ""), a.add(*b.items, *media(far)), nat)
            a, b = Net(c=(C, 5070), far=(far, 5070)).invite(), Net(far=(far, 5060)).register(contact=where)
            yield case("registration-meets-media-%d" % port, a.add(*b.items), "") if not nat else \
                case("registration-meets-media-%d-snat" % port, Net(far=(far, 5060)).invite().register(contact="<sip:alice@10.0.0.2:65534>"), nat)
    # Registrations.
    call_in = request("INVITE", (S, 5060), (C, 5060), sdp(S, (("audio", 6000),)), user="bob", peer_user="alice")
    call_out = request("INVITE", (S, 5060), (OUT, 5060), sdp(S, (("audio", 6000),)), user="bob", peer_user="alice")
    comes = lambda far=C, sport=6666, src=S, dport=5060, data=call_in: Send("eth1", udp(sport, dport, data)(ip(src, far)))
    yield case("register", Net().register().registered().add(comes()))
    yield case("register-unconfirmed", Net().register().add(comes()))
    yield case("register-tcp", Net(proto="TCP").register().registered())
    yield case("register-6", Net((C6, 5060), (S6, 5060)).register().registered(), v6=True)
    yield case("register-other-port", Net().register(contact="<sip:alice@10.0.0.2:7070>").registered(contact="<sip:alice@10.0.0.2:7070>").add(comes(dport=7070)))
    for i, (ask, say) in enumerate(((("Expires", "0"), ("Expires", "0")), (("Expires", "60"), ("Expires", "0")), (("Expires", "60"), None), (None, None),
                                    (("Expires", "x"), ("Expires", "5")), (("Expires", "99999999999"), ("Expires", "5")), (("expires ", "77"), ("eXpires\t", "\r\n 78")),
                                    (("Expires", "0000000000050"), ("Expires", "00000000050")), (("Expires", "4294967295"), ("Expires", "3")))):
        yield case("register-expires-%d" % i, Net().register(ask).registered(expires=say).add(comes()))
    for say in (8589934, 8589935, 17179868, 17179869, 17179870, 17179900, 2147483648, 4294967295):
        yield case("register-for-%d" % say, Net().register().registered(expires=("Expires", str(say))).add(comes()))
    for i, params in enumerate((";expires=60", ";expires=0", ";expires=", ";expires=x", ";transport=udp;expires=50", ";transport=TCP", ";transport=tls", ";q=0.5;EXPIRES=20",
                                ";expires=60, <sip:alice@10.0.0.3>", ";\r\n expires=60", ";transport=u")):
        yield case("register-param-%d" % i, Net().register(None, params=params).registered(contact="<sip:alice@10.0.0.2:5060>" + params, expires=None).add(comes()))
        yield case("register-param-%d-snat" % i, snat().register(None, params=params).registered(contact="<sip:alice@10.1.0.1:5060>" + params, expires=None), SNAT)
    for i, contact in enumerate(("*", "<sip:alice@10.0.0.3>", "<sip:alice@host>", "alice <sip:10.0.0.2>", "<sip:alice@10.0.0.3>, <sip:alice@10.0.0.2:5060>;expires=30",
                                 "<sip:alice@10.0.0.2:80>", "<sip:alice@10.0.0.2:70000>", "<sip:alice@10.0.0.2:506000>", "<sip:alice@10.0.0.2:>",
                                 "<sip:a@host>,\r\n <sip:alice@10.0.0.2>", "<sips:alice@10.0.0.2>", "sip:alice@10.0.0.2")):
        yield case("register-contact-%d" % i, Net().register(contact=contact).registered(contact=contact).add(comes()))
        yield case("register-contact-%d-snat" % i, snat().register(contact=contact).registered(contact=contact.replace(C, OUT)).add(comes(OUT)), SNAT)
    for code in (100, 199, 200, 299, 300, 401, 500, 0, 99):
        yield case("register-%d" % code, Net().register().registered(code).add(comes()))
    yield case("register-late", Net().register().registered(cseq="7 REGISTER").add(comes()))
    yield case("register-again", Net().register().registered().register(cseq=2).registered().register(("Expires", "0"), cseq=3).registered(expires=("Expires", "0")).add(comes()))
    yield case("register-then-401", Net().register().registered(401).register(cseq=2).registered().add(comes()))
    yield case("registered-register", Net().register().registered().add(comes(data=request("REGISTER", (S, 6666), (C, 5060), extra=[("Expires", "60")]))))
    yield case("registered-twice", Net().register().registered().add(comes(), comes(sport=6667), comes(src="10.1.0.3"), comes(sport=6666)))
    yield case("register-short", Net().register(("Expires", "1")).registered(expires=("Expires", "1")).add(Do("conntrack -L", gap=1.3), comes()))
    yield case("register-snat", snat().register().registered().add(comes(OUT, data=call_out), comes(OUT, 6667, data=call_out)), SNAT)
    yield case("register-snat-tcp", snat(proto="TCP").register().registered(), SNAT)
    yield case("register-snat-port", snat(far=(OUT, 10000)).register().registered().add(comes(OUT, dport=10000, data=call_out), comes(OUT, data=call_out)), SNAT_PORT)
    yield case("register-snat-own-port", snat(far=(OUT, 10000)).register(contact="<sip:alice@10.0.0.2:7070>").registered(contact="<sip:alice@10.1.0.1:7070>")
               .add(comes(OUT, dport=7070, data=call_out)), SNAT_PORT)
    yield case("register-dnat", Net(near=("10.1.0.9", 5060)).register().registered().add(comes()), DNAT)
    # Calls through NAT.
    for name, nat, net in (("snat", SNAT, lambda **kw: Net(far=(OUT, 5060), **kw)), ("snat-port", SNAT_PORT, lambda **kw: Net(far=(OUT, 10000), **kw)),
                           ("snat-long", SNAT_LONG, lambda **kw: Net(far=("10.1.0.199", 5060), **kw)), ("masq", MASQ, lambda **kw: Net(far=(OUT, 5060), **kw)),
                           ("dnat", DNAT, lambda **kw: Net(near=("10.1.0.9", 5060), **kw)),
                           ("both", BOTH, lambda **kw: Net(near=("10.1.0.9", 5060), s=(S, 5070), far=(OUT, 5060), **kw))):
        for proto in ("UDP", "TCP"):
            if proto == "TCP" and name == "both":
                continue
            n = net(proto=proto)
            far, server = n.far[0], n.near[0]
            n.call(back=sdp(S, (("audio", 6000),)))
            more = media(far, server=S)
            more = [m if m.iface == "eth1" else rtp("eth0", C, 5004 + i // 2, server, 6000 + i // 2) for i, m in enumerate(more)]
            yield case("call-%s%s" % (name, "-tcp" if proto == "TCP" else ""),
                       n.add(*more).invite(sdp(C, (("audio", 5010), ("video", 5012))), cseq=2)
                       .answer(200, sdp(S, (("audio", 6010), ("video", 6012)))).invite(b"", "BYE", cseq=3).answer(), nat)
    yield case("call-snat-6", Net((C6, 5060), (S6, 5060), far=("fd00:1::1", 5060)).call().add(*media("fd00:1::1", client=C6, server=S6)), SNAT6, v6=True)
    yield case("call-snat-6-tcp", Net((C6, 5060), (S6, 5060), far=("fd00:1::1", 5060), proto="TCP").call().add(*media("fd00:1::1", client=C6, server=S6)), SNAT6, v6=True)
    # What real programs said to each other.
    for kept, dialog in sip.kept().items():
        proto = "TCP" if "tcp" in kept else "UDP"
        for name, nat, kw in (("plain", "", {}), ("snat", SNAT, dict(far=(OUT, 5060))), ("snat-port", SNAT_PORT, dict(far=(OUT, 10000))),
                              ("snat-long", SNAT_LONG, dict(far=("10.1.0.199", 5060))), ("dnat", DNAT, dict(near=("10.1.0.9", 5060))),
                              ("masq", MASQ, dict(far=(OUT, 5060)))):
            n = Net(proto=proto, **kw)
            for side, text in dialog:
                n.say(side, sip.placed(text, *((n.c, n.near) if side == "c" else (n.far, n.s))))
                if "m=audio" in text and side == "s":
                    n.add(rtp("eth0", C, 6000, n.near[0], 6000), rtp("eth1", S, 6000, n.far[0], 6000), rtp("eth1", S, 6001, n.far[0], 6001))
            yield case("kept-%s-%s" % (kept, name), n, nat)
    # From outside in: the far end calls a forwarded port.
    n = Net(c=(S, 5060), s=(C, 5060), near=(OUT, 5060), inside="eth1", outside="eth0")
    yield case("call-in", n.call(back=sdp(C, (("audio", 5004),))).add(rtp("eth1", S, 5004, OUT, 5004), rtp("eth0", C, 5004, S, 5004)), IN)
    # The first voice comes from inside.
    yield case("media-inside-first", snat().call().add(rtp("eth0", C, 5004, S, 6000), rtp("eth1", S, 6000, OUT, 5004), rtp("eth0", C, 5005, S, 6001)), SNAT)
    # Headers.
    for i, kw in enumerate((dict(via=";rport"), dict(via=";rport;received=10.0.0.2"), dict(via=";maddr=10.0.0.2"), dict(via=";received=10.1.0.2;rport=5060"),
                            dict(names={"v": "v", "f": "f", "t": "t", "m": "m", "i": "i"}), dict(names={"v": "VIA", "m": "contact\t"}), dict(eol="\n"), dict(eol="\r"),
                            dict(extra=[("Record-Route", "<sip:10.0.0.2:5060;lr>"), ("Route", "<sip:10.1.0.2:5060>")]),
                            dict(contact="<sip:alice@10.0.0.2:5060>, <sip:bob@10.0.0.2:5060>;q=1,<sip:c@10.0.0.9>"), dict(contact="\r\n <sip:alice@10.0.0.2:5060>"),
                            dict(extra=[("Via", "SIP/2.0/UDP 10.0.0.2:5060;branch=2"), ("Contact", "<sip:x@10.0.0.2:5060>"), ("m", "sip:y@10.0.0.2:5060")]),
                            dict(uri="sip:10.1.0.2"), dict(uri="sip:service@10.1.0.2:5061"), dict(uri="tel:123"), dict(uri="SIP:a@b@10.1.0.2:5060"), dict(uri="sip:service@host"),
                            dict(user="a@b"), dict(length=False), dict(contact=False), dict(via=";rport=5060;received=10.0.0.2;maddr=10.0.0.2"),
                            dict(user="alice;x=1,y"), dict(via=", SIP/2.0/UDP 10.0.0.7:5060"), dict(uri="sip:service@10.1.0.2:5060;transport=udp"))):
        for nat, far in (("", (C, 5060)), (SNAT_PORT, (OUT, 10000))):
            yield case("header-%d%s" % (i, "-snat" if nat else ""), Net(far=far).invite(**kw).answer(200, sdp(S, (("audio", 6000),)), via=";received=10.1.0.1;rport=10000" if nat else ""), nat)
        yield case("header-%d-tcp" % i, Net(far=(OUT, 10000), proto="TCP").invite(**kw).answer(200, sdp(S, (("audio", 6000),)), via=";received=10.1.0.1;rport=10000")
                   .invite(b"", "ACK"), SNAT_PORT)
    # A Contact that gets shorter may hide the next one.
    for i, sep in enumerate(("\r\nContact: <", "\r\nm:<", ", <", ",", ">\r\nX: y\r\nContact: <", ">;x=yyyyyyyyy, <")):
        there = "10.1.0.254:5060>"
        n = Net(near=("10.1.0.9", 5060), s=("10.1.0.254", 5060)).up(request("OPTIONS", (C, 5060), ("10.1.0.9", 5060)))
        yield case("shorter-contact-%d" % i, n.answer(contact="<sip:a@" + there + sep + "sip:b@" + there),
                   "*nat\n-A PREROUTING -p udp -d 10.1.0.9 -j DNAT --to-destination 10.1.0.254\nCOMMIT\n")
    # A phone that sends from one port and listens at another.
    phone = request("INVITE", (C, 5060), (S, 5060), sdp(C), contact="<sip:alice@10.0.0.2:5060>")
    t = Net(c=(C, 50000), far=(OUT, 50000)).up(phone).answer(180).answer(200, sdp(S, (("audio", 6000),)))
    yield case("forced-port", t.down(request("BYE", (S, 5060), (OUT, 50000), cseq=4)).add(*media(OUT)), SNAT)
    yield case("forced-port-plain", Net(c=(C, 50000)).up(phone).answer(200, sdp(S, (("audio", 6000),))))
    yield case("forced-port-register", Net(c=(C, 50000), far=(OUT, 50000)).up(request("REGISTER", (C, 5060), (S, 5060), extra=[("Expires", "60")]))
               .registered(contact="<sip:alice@10.1.0.1:50000>"), SNAT)
    yield case("forced-port-tcp", Net(c=(C, 50000), far=(OUT, 50000), proto="TCP").up(phone).answer(200, sdp(S)), SNAT)
    # Short, empty and foreign packets; messages without what they need.
    junk = [b"", b"\r\n\r\n", b"SIP/2.0 20", b"SIP/2.0 200", b"SIP/2.0 abc\r\n", b"SIP/2.0 200\r\nCSeq: 1 INVITE", b"INVITE sip:a@10.1.0.2 SIP/2.0", b"INVITE sip",
            b"INVITE\r\nCSeq: 1", b"INVITE a\r\nCSeq: 1 INVITE", b"INVITE a\r\nCSeq: x INVITE", b"INVITE a\r\nCSeq: 99999999999 INVITE\r\n", b"INVITE 1\r\n", b"INVITEX a\r\n",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"BYE \xe9\r\nCSeq: 1\r\n", b"BYE \xd7\r\nCSeq:\r\n", b"ACK a\nCSeq:\n 1 ACK\n\n", b"SIP/2.0 200 OK\r\nCSeq: 1",
            b"SIP/2.0 200 OK\r\nCSeq: 1 \r\n", b"\0" * 20, b"REGISTER a\r\nCSeq: 1\r\nContact: sip:\r\n", b"INVITE a\r\nCSeq: 1\r\nTopic: x\r\nVia: SIP/2.0/UDP 10.0.0.2",
            b"INVITE a\r\nCSeq: 1\r\nVia: SIP/2.0/UDP 10.0.0.2:", b"INVITE 10.1.0.2:5060 SIP/2.0\r\nCSeq: 1 INVITE\r\n10.1.0.2", b"UPDATE a\r\nCSeq : 1\r\nv=0\r\nm=audio"]
    for nat, far in (("", C), (SNAT, OUT)):
        t, u = Net(far=(far, 5060)), Net(far=(far, 5060), proto="TCP")
        for data in junk:
            t.up(data).down(data)
            u.up(data).down(data)
        yield case("junk%s" % ("-snat" if nat else ""), t, nat)
        yield case("junk-tcp%s" % ("-snat" if nat else ""), u, nat)
    # Cut at every byte.
    whole = request("INVITE", (C, 5060), (S, 5060), sdp(C))
    back = response(200, None, (S, 5060), sdp(S, (("audio", 6000),)))
    for nat, far in (("", C), (SNAT_LONG, "10.1.0.199")):
        for part in range(4):
            t = Net(far=(far, 5060))
            for n in range(11 + part, len(whole), 4):
                t.up(whole[:n])
            yield case("cut-%d%s" % (part, "-snat" if nat else ""), t, nat)
        t = Net(far=(far, 5060)).up(whole)
        for n in range(11, 560, 7):
            t.down(lambda seen, n=n: (back(seen) or b"")[:n])
        yield case("cut-answer%s" % ("-snat" if nat else ""), t, nat)
        t = Net(far=(far, 5060), proto="TCP")
        for n in range(11, len(whole), 9):
            t.up(whole[:n])
        yield case("cut-tcp%s" % ("-snat" if nat else ""), t, nat)
    # TCP: several messages in a segment, one in several.
    bye = request("BYE", (C, 5060), (S, 5060), proto="TCP", cseq=2)
    inv = request("INVITE", (C, 5060), (S, 5060), sdp(C), "TCP")
    options = request("OPTIONS", (C, 5060), (S, 5060), proto="TCP", cseq=3)
    for name, parts in (("two", [inv + bye]), ("three", [options + inv + options]), ("split", [inv[:200], inv[200:]]), ("split-body", [inv[:-20], inv[-20:]]),
                        ("half", [options + inv[:100], inv[100:] + bye]), ("half-body", [inv + inv[:-10], inv[-10:]]), ("bytes", [inv[i:i + 50] for i in range(0, len(inv), 50)]),
                        ("keepalive", [b"\r\n\r\n", b"\r\n" + inv, b"\r\n\r\n" + inv + b"\r\n\r\n" + bye]), ("no-length", [request("INVITE", (C, 5060), (S, 5060), sdp(C), "TCP", length=False)]),
                        ("long-length", [inv.replace(b"Content-Length: 1", b"Content-Length: 2")]), ("short-length", [inv.replace(b"Content-Length: 1", b"Content-Length: ") + bye])):
        for nat, far in (("", C), (SNAT_LONG, "10.1.0.199")):
            t = Net(far=(far, 5060), proto="TCP")
            for p in parts:
                t.up(p)
            yield case("tcp-%s%s" % (name, "-snat" if nat else ""), t.answer(200, sdp(S, (("audio", 6000),))).up(options).answer(200), nat)
    t = Net(far=("10.1.0.199", 5060), proto="TCP").up(inv).tcp("c", inv, shift=-len(inv), again=True)
    yield case("tcp-retransmit", t.answer(200, sdp(S, (("audio", 6000),))).up(options).answer(200), SNAT_LONG)
    # Fragments, and IPv4 options and checksums.
    from packets import fragments4
    big = udp(5060, 5060, request("INVITE", (C, 5060), (S, 5060), sdp(C, tail="a=" + "x" * 1400 + "\r\n")))(ip(C, S))
    for nat in ("", SNAT_LONG):
        yield case("fragments%s" % ("-snat" if nat else ""), [Send("eth0", f) for f in fragments4(big, [800])], nat)
        yield case("no-checksum%s" % ("-snat" if nat else ""), [Send("eth0", udp(5060, 5060, whole, check=0)(ip(C, S)))], nat)
    full = request("INVITE", (C, 5060), (S, 5060), sdp(C, tail="a=" + "x" * 900 + "\r\n"))
    yield case("grows-beyond-mtu", [Send("eth0", udp(5060, 5060, full + b"y" * (1472 - len(full)))(ip(C, S)))], SNAT_LONG)
    # The master's end.
    yield case("master-ends", Net().call().add(Do("conntrack -D -p udp --orig-port-dst 5060"), *media(C)))
    yield case("timeouts", Net().up(b"x").up(request("OPTIONS", (C, 5060), (S, 5060))))
    # Addresses of IPv6 in all forms.
    for i, text in enumerate(("fd00::2", "FD00:0:0:0:0:0:0:2", "fd00:0::0:2", "fd00::0002", "fd00::0.0.0.2", "fd00:::2", "fd00::2::", "fd00:0:0:0:0:0:2", "fd00::00002", "fd00::2%eth0",
                              "::", "::2", "fd00:0:0:0:0:0:0.0.0.2", "fd00:1:2:3:4:5:6:7:8", "fd00::g", "1.2.3.4", "fd00:0:0:0:0:0:0::")):
        for nat in ("", SNAT6):
            n = Net((C6, 5060), (S6, 5060), far=("fd00:1::1" if nat else C6, 5060))
            yield case("six-addr-%d%s" % (i, "-snat" if nat else ""),
                       n.up(request("INVITE", (C6, 5060), (S6, 5060), sdp(text).replace(b"IP4", b"IP6"), contact="<sip:alice@[%s]:5060>" % text)), nat, v6=True)
    for i, to in enumerate(("2001:db8:0:1:1:1:1:1", "2001:db8::1:0:0:1", "fd00:1:0:2:0:0:3:0", "::ffff:10.1.0.1", "fd00:1::5efe:10.1.0.1", "fd00:1:0:0:1::")):
        n = Net((C6, 5060), (S6, 5060)).invite()
        yield case("six-text-%d" % i, n, "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source %s\nCOMMIT\n" % to, v6=True)
