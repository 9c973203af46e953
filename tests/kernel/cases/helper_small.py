"""TFTP, IRC, Amanda, SANE and NetBIOS name service helpers: expectations and rewriting."""
import struct

from case import Case, Do, Send
from cases.helper_ftp import CLIENT, CLIENT6, OUTSIDE, SERVER, SERVER6, SNAT, SNAT_LONG, Talk, conn
from packets import *

FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related -j ACCEPT
-A FORWARD -p %s --dport %d -j ACCEPT
COMMIT
"""
DNAT = "*nat\n-A PREROUTING -i eth0 -p udp -d 10.1.0.9 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n"


def help_rules(name, proto, port, nat=""):
    return "*raw\n-A PREROUTING -p %s --dport %d -j CT --helper %s\n-A OUTPUT -p %s --dport %d -j CT --helper %s\nCOMMIT\n" \
        % (proto, port, name, proto, port, name) + nat + FILTER % (proto, port)


def dgram(iface, src, sport, dst, dport, data):
    return Send(iface, udp(sport, dport, data)(ip(src, dst)))




def number(address):
    return struct.unpack("!I", addr(address))[0]


def cases():
    def case(helper, name, items, proto, port, nat="", v6=False, **kw):
        kw["v6" if v6 else "v4"] = help_rules(helper, proto, port, nat)
        return Case("%s-%s" % (helper, name), items, conntrack="on", covers=["%s helper" % helper, "expectations"], **kw)

    # TFTP
    read = b"\0\1file\0octet\0"
    yield case("tftp", "read", [dgram("eth0", CLIENT, 3000, SERVER, 69, read), dgram("eth1", SERVER, 4000, CLIENT, 3000, b"\0\3\0\1x"),
                                dgram("eth0", CLIENT, 3000, SERVER, 4000, b"\0\4\0\1"), dgram("eth1", SERVER, 4001, CLIENT, 3000, b"\0\3\0\1x")],
               "udp", 69)
    for i, data in enumerate((b"\0\2file\0octet\0", b"\0\3\0\1", b"\0\5", b"\0", b"", b"\0\1", b"\1\1x")):
        yield case("tftp", "opcode-%d" % i, [dgram("eth0", CLIENT, 3000, SERVER, 69, data), dgram("eth1", SERVER, 4000, CLIENT, 3000, b"x")],
                   "udp", 69)
    yield case("tftp", "snat", [dgram("eth0", CLIENT, 3000, SERVER, 69, read), dgram("eth1", SERVER, 4000, OUTSIDE, 3000, b"\0\3\0\1x"),
                                dgram("eth0", CLIENT, 3000, SERVER, 4000, b"\0\4\0\1")], "udp", 69, SNAT)
    yield case("tftp", "snat-again", [dgram("eth0", CLIENT, 3000, SERVER, 69, read), dgram("eth0", CLIENT, 3000, SERVER, 69, read),
                                      dgram("eth1", SERVER, 4000, OUTSIDE, 3000, b"\0\3\0\1x")], "udp", 69, SNAT)
    yield case("tftp", "dnat", [dgram("eth0", CLIENT, 3000, "10.1.0.9", 69, read), dgram("eth2", "10.2.0.2", 4000, CLIENT, 3000, b"\0\3\0\1x"),
                                dgram("eth0", CLIENT, 3000, "10.1.0.9", 4000, b"\0\4\0\1")], "udp", 69, DNAT)
    yield case("tftp", "six", [Send("eth0", udp(3000, 69, read)(ip(CLIENT6, SERVER6))), Send("eth1", udp(4000, 3000, b"\0\3\0\1x")(ip(SERVER6, CLIENT6)))],
               "udp", 69, v6=True)
    yield case("tftp", "two-clients", [dgram("eth0", CLIENT, 3000, SERVER, 69, read), dgram("eth0", CLIENT, 3001, SERVER, 69, read),
                                       dgram("eth1", SERVER, 4000, CLIENT, 3001, b"\0\3\0\1x"), dgram("eth1", SERVER, 4000, CLIENT, 3000, b"\0\3\0\1x")],
               "udp", 69)

    # IRC. Talk's server port is 21: any port will do where a rule says so.
    n = number(CLIENT)
    offers = (b"PRIVMSG you :\1DCC SEND f %d 1025 100\1\r\n" % n, b"PRIVMSG you :\1DCC CHAT chat %d 1025\1\r\n" % n,
              b" \r\nprivmsg you :\1DCC TSEND f %d  1025 1\1\r\n" % n, b"PRIVMSG you :\1DCC SCHAT chat %d 1025\1\n" % n,
              b"PRIVMSG you :\1DCC MOVE f %d 1025 1\1\r\n" % n, b"PRIVMSG you :\1DCC SEND f %d 1025 100\1" % n,
              b"PRIVMSG you :\1DCC SEND f %d 0 100\1\r\n" % n, b"PRIVMSG you :\1DCC SEND f %d 66561 100\1\r\n" % n,
              b"PRIVMSG you :\1DCC SEND f %d 1025 100\1\r\n" % (n + 1), b"PRIVMSG you :\1DCC SEND f %d 1025 1\1\r\n" % (n + (1 << 32)),
              b"NOTICE you :\1DCC SEND f %d 1025 100\1\r\n" % n, b"PRIVMSG you :hi :\1DCC SEND f %d 1025 1\1\r\n" % n,
              b"PRIVMSG you :\1DCC GET f %d 1025 100 and more\1\r\n" % n, b"PRIVMSG you :\1DCC SEND %d 1025 100\1\r\n" % n,
              b"PRIVMSG you x :\1DCC SEND some file %d 1025\1\r\n" % n, b"PRIVMSG you :\1DCC SEND f\1\r\n", b"PING x\r\n",
              b"PRIVMSG you :\1DCC SEND f %dx1025 100\1\r\n" % n, b"PRIVMSG you :\1DCC SEND ffffffffffffffffffff\n",
              b"PRIVMSG " + b"y" * 1100 + b" :\1DCC SEND f %d 1025 100\1\r\n" % n)
    peer = conn("eth1", "10.1.0.3", 5000, CLIENT, 1025)
    for i, offer in enumerate(offers):
        yield case("irc", "offer-%d" % i, Talk().say(offer).add(peer).items, "tcp", 21)
    yield case("irc", "reply", Talk().answer(offers[0]).add(peer).items, "tcp", 21)
    t = Talk(far=OUTSIDE).say(offers[0], longer=len(str(number(OUTSIDE))) - len(str(n))).answer(b"ok\r\n").say(b"PING\r\n")
    yield case("irc", "snat", t.add(conn("eth1", "10.1.0.3", 5000, OUTSIDE, 1025), conn("eth0", CLIENT, 1025, "10.1.0.3", 5000, "SA", 1, 7001)).items,
               "tcp", 21, SNAT)
    t = Talk(far=OUTSIDE).say(b"PRIVMSG you :\1DCC SEND f %d 1025 100\1\r\n" % number(OUTSIDE)).answer(b"ok\r\n")
    yield case("irc", "snat-outer-address", t.add(conn("eth1", "10.1.0.3", 5000, OUTSIDE, 1025)).items, "tcp", 21, SNAT)
    t = Talk().say(offers[0])
    for i in range(9):
        t.say(b"PRIVMSG you :\1DCC SEND f %d %d 100\1\r\n" % (n, 1030 + i))
    yield case("irc", "nine-offers", t.add(peer).items, "tcp", 21)
    yield case("irc", "six", [], "tcp", 21, v6=True)

    # Amanda
    ask = dgram("eth0", CLIENT, 3000, SERVER, 10080, b"Amanda 2.6 REQ\n")
    for i, text in enumerate((b"x\nCONNECT DATA 1030 MESG 1031 INDEX 1032\n", b"CONNECT DATA 1030 MESG 1031 INDEX 1032", b"CONNECT DATA 0 MESG 5\n",
                              b"CONNECT MESG 1031 STATE 9\n", b"CONNECT DATA 70000\n", b"CONNECT DATA 123456\n", b"CONNECT DATA x\n", b"",
                              b"CONNECT \n", b"CONNECT DATA 1030 DATA 1040 MESG 1030\n", b"CONNECT DATA 65536 MESG 5\n", b"CONNECT DATA 12")):
        for nat in ("", SNAT):
            answer = dgram("eth1", SERVER, 10080, OUTSIDE if nat else CLIENT, 3000, text)
            yield case("amanda", "connect-%d%s" % (i, "-snat" if nat else ""),
                       [ask, answer, conn("eth0", CLIENT, 5000, SERVER, 1030), conn("eth0", CLIENT, 5001, SERVER, 1031)], "udp", 10080, nat)

    # SANE
    start, answer = struct.pack("!II", 7, 1), struct.pack("!IHHI", 0, 0, 2048, 0)
    data = conn("eth0", CLIENT, 5000, SERVER, 2048)
    for i, (request, reply) in enumerate(((start, answer), (struct.pack("!II", 6, 1), answer), (start + b"x", answer), (start, answer[:7]),
                                          (start, b"\0\0\0\1" + answer[4:]), (start, answer[:5] + b"\1" + answer[6:]), (start, answer[:8]))):
        yield case("sane", "start-%d" % i, Talk().say(request).answer(reply).add(data).items, "tcp", 21)
    yield case("sane", "answer-once", Talk().say(start).answer(b"\0\0\0\1" + answer[4:]).answer(answer).add(data).items, "tcp", 21)
    yield case("sane", "snat", Talk(far=OUTSIDE).say(start).answer(answer).add(data, conn("eth1", SERVER, 2048, OUTSIDE, 5000, "SA", 1, 7001)).items,
               "tcp", 21, SNAT)

    # NetBIOS name service: a broadcast of the host's, answered by anybody of the network.
    query = Send(None, udp(137, 137, b"query")(ip("10.0.0.1", "10.0.0.255")))
    yield case("netbios-ns", "broadcast", [query, dgram("eth0", "10.0.0.3", 137, "10.0.0.1", 137, b"a"), dgram("eth0", "10.0.0.4", 137, "10.0.0.1", 137, b"a"),
                                           dgram("eth0", "10.0.0.5", 138, "10.0.0.1", 137, b"a")], "udp", 137)
    yield case("netbios-ns", "unicast", [Send(None, udp(137, 137, b"query")(ip("10.0.0.1", "10.0.0.3"))), dgram("eth0", "10.0.0.4", 137, "10.0.0.1", 137, b"a")],
               "udp", 137)
    yield case("netbios-ns", "forwarded", [dgram("eth0", "10.0.0.3", 137, "10.0.0.255", 137, b"q"), dgram("eth0", "10.0.0.4", 137, "10.0.0.3", 137, b"a")], "udp", 137)
