"""Expectations made, found, ended and limited by hand and by helpers; their events, zones, marks, masters and counters."""
from case import Case, Do, Send
from cases.helper_ftp import FILTER, HELP, Talk, conn
from packets import *

CLIENT, SERVER = "10.0.0.2", "10.1.0.2"
READ = b"\0\1file\0octet\0"
TFTP = "*raw\n-A PREROUTING -p udp --dport 69 -j CT --helper tftp%s\nCOMMIT\n*filter\n-A FORWARD -m helper --helper tftp\n-A FORWARD -m helper ! --helper tftp\n" \
       "-A FORWARD -m helper --helper \"\"\n-A FORWARD -m conntrack --ctstate RELATED\n-A FORWARD -m conntrack --ctstatus EXPECTED\nCOMMIT\n"
MASTER = "--orig-src %s --orig-dst %s -p udp --orig-port-src %d --orig-port-dst 69" % (CLIENT, SERVER, 3000)


def dgram(iface, src, sport, dst, dport, data=b"x", **kw):
    return Send(iface, udp(sport, dport, data)(ip(src, dst)), **kw)


def make(src, dst, sport, dport, mask="255.255.255.255", port_mask=0, master=MASTER, t=10):
    return Do("conntrack -I expect %s -t %d --tuple-src %s --tuple-dst %s --mask-src %s --mask-dst 255.255.255.255 --tuple-port-src %d --tuple-port-dst %d "
              "--mask-port-src %d --mask-port-dst 65535" % (master, t, src, dst, mask, sport, dport, port_mask))


def drop(src, dst, sport, dport):
    return Do("conntrack -D expect --orig-src %s --orig-dst %s -p udp --orig-port-src %d --orig-port-dst %d --reply-port-src 1 --reply-port-dst 2" % (src, dst, sport, dport))


def cases():
    def case(name, items, more="", rules=None, **kw):
        return Case(name, items, v4=(TFTP % more) if rules is None else rules, conntrack="on", covers=["expectations", "conntrack -I expect"], **kw)

    first = dgram("eth0", CLIENT, 3000, SERVER, 69, b"\0\5")    # helped, announces nothing
    come = [dgram("eth1", SERVER, 4000, CLIENT, 300), dgram("eth0", CLIENT, 300, SERVER, 4000), dgram("eth1", SERVER, 4001, CLIENT, 300),
            dgram("eth1", "10.1.0.3", 4000, CLIENT, 300), dgram("eth1", SERVER, 4000, CLIENT, 301)]
    yield case("by-hand", [first, make(SERVER, CLIENT, 0, 300)] + come)
    yield case("by-hand-then-gone", [first, make(SERVER, CLIENT, 0, 300), drop(SERVER, CLIENT, 0, 300)] + come)
    yield case("by-hand-delete-other", [first, make(SERVER, CLIENT, 0, 300), drop(SERVER, CLIENT, 0, 301), drop(SERVER, CLIENT, 9, 300), drop("10.1.0.9", CLIENT, 0, 300)] + come)
    yield case("by-hand-flush", [first, make(SERVER, CLIENT, 0, 300), Do("conntrack -F expect")] + come)
    yield case("by-hand-net", [first, make("10.1.0.0", CLIENT, 0, 300, "255.255.255.0"), come[3], come[0]])
    yield case("by-hand-any", [first, make("1.2.3.4", CLIENT, 0, 300, "0.0.0.0"), come[3], come[0]])
    yield case("by-hand-source-port", [first, make(SERVER, CLIENT, 4001, 300, port_mask=65535)] + come)
    yield case("by-hand-port-bits", [first, make(SERVER, CLIENT, 1, 300, port_mask=1)] + come)
    for i, words in enumerate(("-L expect", "-L expect -o xml", "-L expect -o extended,id", "-L expect -o save", "-L expect -f ipv4 -o xml", "-L expect -f ipv6 -o xml", "-L expect -o labels", "-C expect",
                               "-G expect -p udp --orig-src %s --orig-dst %s --orig-port-src 0 --orig-port-dst 300 --reply-port-src 1 --reply-port-dst 2" % (SERVER, CLIENT),
                               "-G expect -p udp --orig-src %s --orig-dst %s --orig-port-src 0 --orig-port-dst 301 --reply-port-src 1 --reply-port-dst 2" % (SERVER, CLIENT),
                               "-G expect -o xml -p udp --orig-src %s --orig-dst %s --orig-port-src 0 --orig-port-dst 300 --reply-port-src 1 --reply-port-dst 2" % (SERVER, CLIENT))):
        yield case("by-hand-shown-%d" % i, [first, make("10.1.0.0", CLIENT, 0, 300, "255.255.255.0"), Do("conntrack " + words)] + come[:1] + [Do("conntrack " + words)])
    yield case("by-hand-again", [first, make(SERVER, CLIENT, 0, 300), make(SERVER, CLIENT, 0, 300)] + come)
    yield case("by-hand-evicts", [first, make(SERVER, CLIENT, 0, 300), make(SERVER, CLIENT, 0, 301)] + come)    # tftp: one at a time
    yield case("by-hand-overlap", [first, make(SERVER, CLIENT, 0, 300), make("10.1.0.0", CLIENT, 0, 300, "255.255.255.0")] + come)
    yield case("by-hand-no-master", [first, make(SERVER, CLIENT, 0, 300, master=MASTER.replace("3000", "3001"))] + come)
    yield case("by-hand-reply-master", [first, make(SERVER, CLIENT, 0, 300, master="--orig-src %s --orig-dst %s -p udp --orig-port-src 69 --orig-port-dst 3000" % (SERVER, CLIENT))] + come)
    yield case("by-hand-no-helper", [dgram("eth0", CLIENT, 3000, SERVER, 70), make(SERVER, CLIENT, 0, 300, master=MASTER.replace("dst 69", "dst 70"))] + come)
    two = [first, dgram("eth0", CLIENT, 3001, SERVER, 69, b"\0\5"), make(SERVER, CLIENT, 0, 300)]
    other = MASTER.replace("3000", "3001")
    yield case("two-masters-same", two + [make(SERVER, CLIENT, 0, 300, master=other)] + come)
    yield case("two-masters-overlap", two + [make("10.1.0.0", CLIENT, 0, 300, "255.255.255.0", master=other)] + come)
    yield case("two-masters-apart", two + [make("10.1.0.3", CLIENT, 0, 300, master=other)] + come)
    yield case("two-masters-ports", two + [make(SERVER, CLIENT, 0, 301, master=other)] + come)
    yield case("expect-max", two + [make(SERVER, CLIENT, 0, 301, master=other), dgram("eth0", CLIENT, 3001, SERVER, 69, READ)] + come,
               sysctl={})
    yield case("master-deleted", [first, make(SERVER, CLIENT, 0, 300), Do("conntrack -D -p udp --orig-port-dst 69")] + come)
    yield case("child-lives-on", [first, make(SERVER, CLIENT, 0, 300)] + come[:2] + [Do("conntrack -D -p udp --orig-port-dst 69"), dgram("eth0", CLIENT, 300, SERVER, 4000)])
    yield case("mark-inherited", [first, Do("conntrack -U -f ipv4 -p udp --orig-port-dst 69 -m 7"), make(SERVER, CLIENT, 0, 300)] + come)
    yield case("while-known", [come[0], first, make(SERVER, CLIENT, 0, 300)] + come)
    for more in (" --expevents new", " --ctevents new", " --ctevents new --expevents new", " --zone 5", " --zone-orig 5", " --zone-reply 5", " --ctevents related,destroy"):
        zone = " -w 5" if "zone 5" in more else ""
        yield case("rule" + more.replace(" ", "_"), [first, make(SERVER, CLIENT, 0, 300), dgram("eth0", CLIENT, 3000, SERVER, 69, READ), dgram("eth1", SERVER, 4000, CLIENT, 3000)] + come +
                   [Do("conntrack -D -p udp --orig-port-dst 69" + zone)], more=more)
    yield case("zone-waiting", [first, dgram("eth0", CLIENT, 3000, SERVER, 69, READ)], more=" --zone 5")
    yield case("zone-both-ways", [first, dgram("eth0", CLIENT, 3000, SERVER, 69, READ), dgram("eth1", SERVER, 4000, CLIENT, 3000)],
               rules="*raw\n-A PREROUTING -i eth0 -p udp --dport 69 -j CT --zone 3 --helper tftp\n-A PREROUTING -i eth1 -j CT --zone 3\nCOMMIT\n" + (TFTP % "").split("COMMIT\n", 1)[1])
    # TCP by hand: upstream's command garbles the tuple of TCP; helpers make them.
    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n").say(b"PORT 10,0,0,2,4,2\r\n")
    yield case("ftp-class-of-one", t.add(conn("eth1", SERVER, 20, CLIENT, 1025), conn("eth1", SERVER, 20, CLIENT, 1026)).items, rules=HELP + FILTER)
    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n").add(Do("conntrack -F expect")).say(b"PORT 10,0,0,2,4,2\r\n")
    yield case("ftp-after-flush", t.add(conn("eth1", SERVER, 20, CLIENT, 1025), conn("eth1", SERVER, 20, CLIENT, 1026)).items, rules=HELP + FILTER)
    t = Talk().login().say(b"PORT 10,0,0,2,4,1\r\n").add(conn("eth1", SERVER, 20, CLIENT, 1025), Do("conntrack -D -p tcp --orig-port-dst 21"))
    yield case("ftp-child-keeps-master", t.add(conn("eth0", CLIENT, 1025, SERVER, 20, "SA", 1, 7001), conn("eth1", SERVER, 20, CLIENT, 1025, "A", 7001, 2)).items, rules=HELP +
               FILTER.replace("COMMIT", "-A FORWARD -m helper --helper ftp\n-A FORWARD -m helper ! --helper ftp\n-A FORWARD -m helper --helper irc\nCOMMIT"))
