"""The FTP helper: expectations, data connections that arrive, rewriting under NAT."""
import struct

from case import Case, Do, Send
from packets import *

CLIENT, SERVER, OUTSIDE, INSIDE_SERVER = "10.0.0.2", "10.1.0.2", "10.1.0.1", "10.2.0.2"
CLIENT6, SERVER6 = "fd00::2", "fd00:1::2"

HELP = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n"
FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related -j ACCEPT
-A FORWARD -p tcp -m multiport --dports 21,2121 -j ACCEPT
COMMIT
"""
SNAT = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n"
SNAT6 = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source fd00:1::7\nCOMMIT\n"
SNAT_LONG = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.199\nCOMMIT\n"
DNAT = "*nat\n-A PREROUTING -i eth0 -p tcp -d 10.1.0.9 --dport 21 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n"
BOTH = "*nat\n-A PREROUTING -i eth0 -p tcp -d 10.1.0.9 --dport 21 -j DNAT --to-destination 10.2.0.2:2121\n" \
       "-A POSTROUTING -o eth2 -j SNAT --to-source 10.2.0.100\nCOMMIT\n"


class Talk:
    """A control connection as both ends and everybody in between number it. NAT's changes of length are followed: shift
    says how many bytes longer a side's line arrives than it was sent."""

    def __init__(self, c=CLIENT, s=SERVER, near=None, far=None, sport=1000, far_port=21, inside="eth0", outside="eth1"):
        self.c, self.s, self.near, self.far = c, s, near or s, far or c     # near: the server as the client sees it
        self.sport, self.far_port, self.inside, self.outside = sport, far_port, inside, outside
        self.cseq, self.sseq, self.cmoved, self.smoved = 100, 500, 0, 0
        self.items = [self.up("S", seq=99, ack=0), self.down("SA", seq=499, ack=100), self.up("A")]

    def up(self, flags="PA", data=b"", seq=None, ack=None, **kw):
        return Send(self.inside, tcp(self.sport, 21, flags, self.cseq if seq is None else seq,
                                     self.sseq + self.smoved if ack is None else ack, data=data, **kw)(ip(self.c, self.near)))

    def down(self, flags="PA", data=b"", seq=None, ack=None, **kw):
        return Send(self.outside, tcp(self.far_port, self.sport, flags, self.sseq if seq is None else seq,
                                      self.cseq + self.cmoved if ack is None else ack, data=data, **kw)(ip(self.s, self.far)))

    def say(self, data, longer=0, **kw):
        self.items.append(self.up(data=data, **kw))
        self.cseq += len(data)
        self.cmoved += longer
        return self

    def answer(self, data, longer=0, **kw):
        self.items.append(self.down(data=data, **kw))
        self.sseq += len(data)
        self.smoved += longer
        return self

    def add(self, *items):
        self.items += items
        return self

    def login(self):
        return self.answer(b"220 ready\r\n").say(b"USER me\r\n").answer(b"331 go on\r\n")


def conn(iface, src, sport, dst, dport, flags="S", seq=7000, ack=0):
    return Send(iface, tcp(sport, dport, flags, seq, ack)(ip(src, dst)))


def csum_of_tcp(packet):
    at = 20 if packet[0] >> 4 == 4 else 40
    return struct.unpack("!H", packet[at + 16:at + 18])[0]


def cases():
    def case(name, talk, nat="", v6=False, **kw):
        rules = {"v6" if v6 else "v4": HELP + nat + FILTER}
        kw.update(rules)
        return Case(name, talk.items, conntrack="on", covers=["ftp helper", "expectations"], **kw)

    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n").answer(b"200 ok\r\n")
    yield case("active", t.add(conn("eth1", SERVER, 20, CLIENT, 1025), conn("eth0", CLIENT, 1025, SERVER, 20, "SA", 1, 7001),
                               conn("eth1", SERVER, 20, CLIENT, 1025, "A", 7001, 2), conn("eth1", SERVER, 20, CLIENT, 1026)))
    t = Talk().login().say(b"PASV\r\n").answer(b"227 Entering Passive Mode (10,1,0,2,8,0)\r\n")
    yield case("passive", t.add(conn("eth0", CLIENT, 3000, SERVER, 2048), conn("eth1", SERVER, 2048, CLIENT, 3000, "SA", 1, 7001),
                                conn("eth0", CLIENT, 3001, SERVER, 2048)))
    for v6, rules, before, after in ((False, SNAT, b"PORT 10,0,0,2,4,1\r\n", b"PORT 10,1,0,1,4,1\r\n"),
                                     (True, SNAT6, b"EPRT |2|fd00::2|1025|\r\n", b"EPRT |2|fd00:0001:0000:0000:0000:0000:0000:0007|1025|\r\n")):
        ends = (CLIENT6, SERVER6, SERVER6, "fd00:1::7") if v6 else (CLIENT, SERVER, SERVER, OUTSIDE)
        t = Talk(*ends).login()     # a window with which the rewritten segment's sum is 0: it leaves as 0xffff
        left = Talk(*ends[3:], *ends[1:3])
        left.cseq, left.sseq = t.cseq, t.sseq
        window = csum_of_tcp(left.up(data=after, win=0).data)
        yield case("sum-0-%d" % (6 if v6 else 4), t.say(before, win=window, longer=len(after) - len(before)), rules, v6=v6)
    t = Talk().login().say(b"PASV\r\n").answer(b"227 Entering Passive Mode 10,1,0,2,8,0 \r\n")
    yield case("passive-no-parentheses", t.add(conn("eth0", CLIENT, 3000, SERVER, 2048)))
    t = Talk().login().say(b"EPSV\r\n").answer(b"229 Extended Passive (|||2048|)\r\n")
    yield case("extended-passive", t.add(conn("eth0", CLIENT, 3000, SERVER, 2048)))
    t = Talk().login().say(b"EPRT |1|10.0.0.2|1025|\r\n").answer(b"200 ok\r\n")
    yield case("extended-active", t.add(conn("eth1", SERVER, 20, CLIENT, 1025)))
    t = Talk(CLIENT6, SERVER6).login().say(b"EPRT |2|fd00::2|1025|\r\n").answer(b"200 ok\r\n")
    yield case("extended-active-6", t.add(conn("eth1", SERVER6, 20, CLIENT6, 1025)), v6=True)
    t = Talk(CLIENT6, SERVER6).login().say(b"EPSV\r\n").answer(b"229 Extended Passive (|||2048|)\r\n")
    yield case("extended-passive-6", t.add(conn("eth0", CLIENT6, 3000, SERVER6, 2048)), v6=True)

    # The first line of each direction is not read; nor is a line whose predecessor's end was not seen.
    yield case("first-line", Talk().say(b"PORT 10,0,0,2,4,1\r\n").answer(b"227 x (10,1,0,2,8,0)\r\n"))
    yield case("unended-line", Talk().login().say(b"NOOP").say(b"PORT 10,0,0,2,4,1\r\n").say(b"PORT 10,0,0,2,4,2\r\n"))
    # Other people's addresses.
    yield case("loose-off", Talk().login().say(b"PORT 10,0,0,3,4,1\r\n").answer(b"227 x (10,1,0,3,8,0)\r\n"))
    # Partial commands are dropped; sent again in full they count.
    for i, part in enumerate((b"POR", b"PORT", b"PORT ", b"PORT 10,0,0,2,4,1", b"PORT 10,0,0,2,4\r\n", b"PORT x\r\n", b"EPRT |",
                              b"EPRT |2|10.0.0.2|5|\r\n", b"eprt !1!10.0.0.2!5!\r\n", b"EPRT |1|10.0.0.2|0|\r\n", b"PORTX\r\n",
                              b"port 10,0,0,2,4,1\r\n", b"PORT 266,0,0,2,4,1\r\n", b"PORT 10,0,0,2,4,257\r\n",
                              b"EPRT |1|10.0.0.2|66561|\r\n", b"PORT  10,0,0,2,4,1\r\n")):
        yield case("command-%d" % i, Talk().login().say(part).add(conn("eth1", SERVER, 20, CLIENT, 1025)))
    for i, part in enumerate((b"227", b"227 ", b"227 no numbers\r\n", b"227 (10,1,0,2,8)\r\n", b"227 (10,1,0,2,8,0", b"229 (",
                              b"229 (|||0|)\r\n", b"229 (||2048|)\r\n", b"229 (111204818)\r\n", b"229 x|||2048|\r\n",
                              b"229 (|||66000|)\r\n", b"229 ([[[2048[)\r\n", b"2", b"230-hello\r\n")):
        yield case("reply-%d" % i, Talk().login().answer(part).add(conn("eth0", CLIENT, 3000, SERVER, 2048)))
    t = Talk().login()
    yield case("split", t.add(t.up(data=b"PORT 10,0,0")).say(b"PORT 10,0,0,2,4,1\r\n").answer(b"200 ok\r\n"))
    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n")
    yield case("again", t.add(t.up(data=b"PORT 10,0,0,2,4,1\r\n", seq=t.cseq - 19)).say(b"PORT 10,0,0,2,4,2\r\n"))
    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n")
    yield case("master-ends", t.add(Do("conntrack -D -p tcp --orig-port-dst 21"), conn("eth1", SERVER, 20, CLIENT, 1025)))
    a, b = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n"), Talk(sport=1001).login().say(b"PORT 10,0,0,2,4,1\r\n")
    yield case("two-masters-clash", a.add(*b.items))
    # NAT. "PORT 10,0,0,2,4,1" becomes as long or longer, and the numbers after it move.
    t = Talk(far=OUTSIDE).login().say(b"PORT 10,0,0,2,4,1\r\n").answer(b"200 ok\r\n").say(b"LIST\r\n")
    yield case("active-snat", t.add(conn("eth1", SERVER, 20, OUTSIDE, 1025), conn("eth0", CLIENT, 1025, SERVER, 20, "SA", 1, 7001),
                                    conn("eth1", SERVER, 20, OUTSIDE, 1025, "A", 7001, 2)), SNAT)
    t = Talk(far="10.1.0.199").login().say(b"PORT 10,0,0,2,4,1\r\n", longer=2).answer(b"200 ok\r\n").say(b"LIST\r\n") \
        .answer(b"150 ok\r\n").say(b"PORT 10,0,0,2,4,2\r\n", longer=2).answer(b"200 ok\r\n").say(b"QUIT\r\n").answer(b"bye\r\n")
    yield case("longer-snat", t.add(conn("eth1", SERVER, 20, "10.1.0.199", 1026)), SNAT_LONG)
    t = Talk(far="10.1.0.199").login().say(b"PORT 10,0,0,2,4,1\r\n", longer=2)
    again = t.up(data=b"PORT 10,0,0,2,4,1\r\n", seq=t.cseq - 19)
    yield case("again-snat", t.add(again).answer(b"200 ok\r\n").add(again).say(b"LIST\r\n").answer(b"150 x\r\n"), SNAT_LONG)
    t = Talk(far="10.1.0.199").login().say(b"EPRT |1|10.0.0.2|1025|\r\n", longer=2).answer(b"200 ok\r\n")
    t.add(t.down("A", options=sack((t.cseq + t.cmoved, t.cseq + t.cmoved + 5), (110, 112)))).say(b"LIST\r\n")
    yield case("extended-active-snat", t.add(conn("eth1", SERVER, 20, "10.1.0.199", 1025)), SNAT_LONG)
    t = Talk(far=OUTSIDE).login().say(b"PASV\r\n").answer(b"227 x (10,1,0,2,8,0)\r\n")
    yield case("passive-snat", t.add(conn("eth0", CLIENT, 3000, SERVER, 2048), conn("eth1", SERVER, 2048, OUTSIDE, 3000, "SA", 1, 7001)), SNAT)
    t = Talk(s=INSIDE_SERVER, near="10.1.0.9", outside="eth2").login().say(b"PASV\r\n").answer(b"227 x (10,2,0,2,8,0)\r\n").say(b"LIST\r\n")
    yield case("passive-dnat", t.add(conn("eth0", CLIENT, 3000, "10.1.0.9", 2048),
                                     conn("eth2", INSIDE_SERVER, 2048, CLIENT, 3000, "SA", 1, 7001)), DNAT)
    t = Talk(s=INSIDE_SERVER, near="10.1.0.9", outside="eth2").login().say(b"EPSV\r\n").answer(b"229 x (|||2048|)\r\n").say(b"LIST\r\n")
    yield case("extended-passive-dnat", t.add(conn("eth0", CLIENT, 3000, "10.1.0.9", 2048)), DNAT)
    t = Talk(s=INSIDE_SERVER, near="10.1.0.9", far="10.2.0.100", far_port=2121, outside="eth2").login()
    t.say(b"PORT 10,0,0,2,4,1\r\n", longer=2).answer(b"200 ok\r\n").say(b"PASV\r\n").answer(b"227 x (10,2,0,2,8,0)\r\n").say(b"LIST\r\n")
    yield case("both-nat", t.add(conn("eth0", CLIENT, 3000, "10.1.0.9", 2048), conn("eth2", INSIDE_SERVER, 20, "10.2.0.100", 1025)), BOTH)
    # Addresses of IPv6 as people write them.
    for i, text in enumerate((b"FD00::2", b"fd00:0:0:0:0:0:0:2", b"fd00:0000::0002", b"00fd00::2", b"fd00::00002", b"fd00::0.0.0.2", b"fd00::2%eth0",
                              b"fd00:::2", b"fd00::2:", b"::fd00::2", b"fd00:0:0:0:0:0:0.0.0.2", b"1:2:3:4:5:6:7:8:9", b"", b"fd00::1",
                              b"fd00:0:0:0:0:0:0::2", b"fd00::0:0:0:0:0:0:2", b"fd00::0.0.2", b"fd00::0.0.00.2", b":fd00::2")):
        t = Talk(CLIENT6, SERVER6).login().say(b"EPRT |2|%s|1025|\r\n" % text)
        yield case("address6-%d" % i, t.add(conn("eth1", SERVER6, 20, CLIENT6, 1025)), v6=True)
    # Under NAT, cut at every byte; then the whole.
    whole = b"PORT 10,0,0,2,4,1\r\n"
    for n in range(1, len(whole)):
        t = Talk(far="10.1.0.199").login()
        yield case("cut-snat-%d" % n, t.add(t.up(data=whole[:n])).say(whole, longer=2).answer(b"200 ok\r\n"), SNAT_LONG)
    # Too long for the way out once it is longer.
    t = Talk(far="10.1.0.199").login()
    yield case("long-snat", t.say(whole + b"x" * (1460 - len(whole)), longer=2).answer(b"ok\r\n").say(b"LIST\r\n"), SNAT_LONG)
    t = Talk(far="10.1.0.199").login()
    t.add(Send("eth0", tcp(1000, 21, "PA", t.cseq, t.sseq, data=whole + b"x" * (1460 - len(whole)))(ip(CLIENT, SERVER, df=True))))
    yield case("long-df-snat", t.answer(b"ok\r\n"), SNAT_LONG)
    # Clashes under NAT take another port: both masters are seen from one address.
    a, b = Talk(far=OUTSIDE).login().say(whole), Talk(c="10.0.0.3", far=OUTSIDE, sport=1001).login().say(b"PORT 10,0,0,3,4,1\r\n", ack=None)
    yield case("clash-snat", a.add(*b.items[:-1]), SNAT)
    # The host itself is the client, or the server.
    t = Talk(c="10.1.0.1", inside=None).login().say(b"PORT 10,1,0,1,4,1\r\n").answer(b"200 ok\r\n")
    yield Case("host-client", t.add(conn("eth1", SERVER, 20, "10.1.0.1", 1025)).items, conntrack="on", covers=["ftp helper", "expectations"],
               v4="*raw\n-A OUTPUT -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n")
    t = Talk(s="10.0.0.1", outside=None).login().say(whole).answer(b"227 x (10,0,0,1,8,0)\r\n")
    yield case("host-server", t.add(conn("eth0", CLIENT, 3000, "10.0.0.1", 2048)))
    # Closing, resets and marks.
    t = Talk().login().say(whole).add(Do("conntrack -U -p tcp --orig-port-dst 21 --mark 5"))
    yield case("mark-inherited", t.add(conn("eth1", SERVER, 20, CLIENT, 1025)))
    t = Talk().login().say(whole)
    t.add(t.up("FA"), t.down("FA", ack=t.cseq + 1), t.up("A", seq=t.cseq + 1, ack=t.sseq + 1))
    yield case("master-closes", t.add(conn("eth1", SERVER, 20, CLIENT, 1025)))
    t = Talk().login().say(whole)
    yield case("syn-again-on-expected", t.add(conn("eth1", SERVER, 20, CLIENT, 1025), conn("eth1", SERVER, 20, CLIENT, 1025),
                                              conn("eth1", SERVER, 21, CLIENT, 1025)))
    for i, rule in enumerate(("-p tcp --dport 21 -j CT --helper ftp", "-p udp --dport 21 -j CT --helper ftp", "-j CT --helper ftp",
                              "! -p tcp -j CT --helper ftp", "-p tcp -j CT --helper nobody",
                              "-p tcp --dport 21 -j CT --helper ftp --expevents new", "-p tcp --dport 21 -j CT --helper ftp --ctevents new",
                              "-p tcp --dport 21 -j CT --zone 7 --helper ftp")):
        t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n").add(conn("eth1", SERVER, 20, CLIENT, 1025))
        yield Case("rule-%d" % i, t.items, v4="*raw\n-A PREROUTING %s\nCOMMIT\n" % rule, conntrack="on",
                   covers=["ftp helper", "expectations", "CT"])
