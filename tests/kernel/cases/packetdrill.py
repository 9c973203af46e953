"""The kernel's own packetdrill scripts about connection tracking, as conversations through the router: the same segments with the
same numbers, options and windows; what the scripts expect (states, packets in INVALID) is what both sides show. Plus variations."""
import itertools

from case import Case, Do, Send
from packets import *

A, B, A6, B6 = "10.0.0.2", "10.1.0.2", "fd00::2", "fd00:1::2"
RULES = "*filter\n" + "".join("-A FORWARD -i eth%d -p tcp -m conntrack --ctstate %s%s\n" % (n, s, " -j DROP" if s == "INVALID" else "")
                              for n in (0, 1) for s in ("INVALID", "NEW", "ESTABLISHED")) + "COMMIT\n"
CLIENT_SYN = mss(1460) + SACK_OK + timestamp(1) + wscale(8)
P = "net.netfilter.nf_conntrack_"


class Script:
    """up: what the script's host sends out (the client, unless it listens); down: what comes to it."""

    def __init__(self, v, items=None):
        self.a, self.b = (A, B) if v == 4 else (A6, B6)
        self.items = items if items is not None else []

    def up(self, flags, seq, ack=0, win=65535, data=0, options=b"", gap=0.0, sport=3000):
        self.items.append(Send("eth0", tcp(sport, 8080, flags, seq, ack, win, bytes(data), options)(ip(self.a, self.b)), gap=gap))
        return self

    def down(self, flags, seq, ack=0, win=65535, data=0, options=b"", gap=0.0, sport=3000):
        self.items.append(Send("eth1", tcp(8080, sport, flags, seq, ack, win, bytes(data), options)(ip(self.b, self.a)), gap=gap))
        return self

    def opened(self, server_options=mss(1460)):
        return self.up("S", 0, options=CLIENT_SYN).down("SA", 1, 1, options=server_options).up("A", 1, 2)


def cases():
    for v in (4, 6):
        def case(name, script, **kw):
            return Case("%s-%d" % (name, v), script.items, conntrack="on", covers=["conntrack", "tcp"], **{"v4" if v == 4 else "v6": RULES}, **kw)

        # A server's ACKs follow 46 segments of a client without window scaling; then the first segment comes again.
        s = Script(v).up("S", 0, win=32792, options=mss(1000)).down("SA", 0, 1, options=mss(1460)).up("A", 1, 1)
        for n in range(46):
            s.up("PA", 1 + 1460 * n, 1, 257, 1460).down("A", 1, 1 + 1460 * (n + 1))
        yield case("ack-loss-stall", s.up("PA", 1, 1, 257, 1460).down("A", 1, 67161))
        # The same with acknowledgements lost on the way.
        s = Script(v).up("S", 0, win=32792, options=mss(1000)).down("SA", 0, 1, options=mss(1460)).up("A", 1, 1)
        for n in range(46):
            s.up("PA", 1 + 1460 * n, 1, 257, 1460)
            if n % 5 == 4:
                s.down("A", 1, 1 + 1460 * (n + 1))
        yield case("ack-loss-some", s.up("PA", 1, 1, 257, 1460).down("A", 1, 67161))

        def feed(s):
            for n in range(3):
                s.down("A", 2 + 1000 * n, 1, data=1000)
            for n in range(3):
                s.up("A", 1, 1002 + 1000 * n)
            return s

        # A reset with a number that is not exact closes a connection that is closing already; another one after it is not INVALID.
        s = feed(Script(v).opened()).up("PA", 1, 3002, data=1000).down("FA", 3002, 1001).up("A", 1001, 3003).up("RA", 1001, 3003)
        yield case("inexact-rst", s.down("R", 2002, win=0))
        for i, (flags, seq) in enumerate((("R", 1), ("R", 3002), ("R", 3003), ("RA", 4000), ("R", 100000))):
            s = feed(Script(v).opened()).up("PA", 1, 3002, data=1000).down("FA", 3002, 1001).up("A", 1001, 3003)
            yield case("inexact-rst-closing-%d" % i, s.down(flags, seq, 1001, 0).down("R", 2002, win=0))

        # Resets out of the window are INVALID and change nothing; the exact one closes.
        s = feed(Script(v).opened()).down("R", 1, win=0).down("R", 1000001, win=0).down("R", 43, win=0).up("PA", 1, 3002, data=1000)
        yield case("rst-invalid", s.down("A", 3002, 1001).down("RA", 3001, 1001, 0).down("RA", 3002, 1001, 0))
        for key, value in itertools.product(("tcp_ignore_invalid_rst", "tcp_be_liberal"), (1,)):
            s = feed(Script(v).opened()).down("R", 1, win=0).down("R", 1000001, win=0).down("R", 43, win=0).up("PA", 1, 3002, data=1000)
            yield case("rst-invalid-" + key, s.down("A", 3002, 1001).down("RA", 3001, 1001, 0).down("RA", 3002, 1001, 0), sysctl={P + key: value})

        # A SYN is answered by a challenge ACK of the connection before; the reset to it must not end the new one.
        old = mss(1460) + b"\1\1" + timestamp(1, 1)[2:] + b"\1\3\3\0"
        s = Script(v).up("S", 0, options=CLIENT_SYN).down("A", 145824453, 643160523, 240, options=old).up("R", 643160523, win=0)
        again = lambda s: s.up("S", 0, options=CLIENT_SYN).down("SA", 0, 1, 250, options=old).up("A", 1, 1, 256, options=timestamp(1, 1))
        yield case("syn-challenge-ack", again(s))
        s = Script(v).up("S", 0, options=CLIENT_SYN).down("A", 145824453, 643160523, 240, options=old)
        yield case("syn-challenge-ack-other-rst", again(s.up("R", 643160524, win=0)))
        s = Script(v).up("S", 0, options=CLIENT_SYN).down("A", 145824453, 643160523, 240, options=old).down("A", 145824453, 643160523, 240, options=old)
        yield case("syn-challenge-ack-twice", again(s.up("R", 643160523, win=0)))

        # A SYN/ACK of the connection before: INVALID; the SYN again, then the right one.
        s = Script(v).up("S", 0, options=CLIENT_SYN).down("SA", 145824453, 643160523, 240, options=old).up("S", 0, options=CLIENT_SYN)
        s.down("SA", 145758918, 1, 250, options=old).up("A", 1, 145758919, 256, options=timestamp(1, 1)).up("PA", 1, 4294901762, 256, 1, options=timestamp(1, 1))
        yield case("synack-old", s)

        # A SYN in a connection that is alive: challenge ACK, reset, and the SYN again makes a new one.
        s = Script(v).up("S", 0, win=32792, options=mss(1000) + wscale(7) + timestamp(1)).down("SA", 0, 1, options=mss(1460) + timestamp(100, 1) + wscale(8))
        s.up("A", 1, 1, 257, options=timestamp(1, 100)).up("PA", 1, 1, 257, 100, timestamp(2, 100)).down("A", 1, 101, 256, options=timestamp(110, 2))
        s.up("S", 2000, win=32792, options=mss(1000) + wscale(7) + timestamp(233)).down("A", 1, 101, 256, options=timestamp(112, 2)).up("RA", 101, 1, 257)
        yield case("synack-reuse", s.up("S", 2000, win=32792, options=mss(1000) + wscale(0) + timestamp(233)).down("SA", 900, 2001).up("A", 2001, 901))

        # Retransmissions: the counter, its limit, and what ends it.
        for limit in (0, 1, 3, 5):
            s = Script(v).opened().up("PA", 1, 2, data=50)
            for _ in range(6):
                s.up("PA", 1, 2, data=50)
            yield case("retransmitted-%d" % limit, s.down("A", 2, 51).up("PA", 51, 2, data=1), sysctl={P + "tcp_max_retrans": limit, P + "tcp_timeout_max_retrans": 77})
        # Both ends open at once; both reset; loose pickup from either side; no pickup.
        s = Script(v).up("S", 100, options=CLIENT_SYN).down("S", 200, options=mss(1460)).up("SA", 100, 201, options=CLIENT_SYN).down("SA", 200, 101).up("A", 101, 201).down("A", 201, 101)
        yield case("simultaneous-open", s.up("PA", 101, 201, data=5).down("FA", 201, 106).up("FA", 106, 202).down("A", 202, 107))
        for loose in (0, 1):
            s = Script(v).up("PA", 500, 900, data=20).down("A", 900, 520).down("PA", 900, 520, data=1000).up("A", 520, 1900).up("FA", 520, 1900)
            yield case("pickup-%d" % loose, s, sysctl={P + "tcp_loose": loose})
            s = Script(v).down("PA", 900, 520, data=1000).up("A", 520, 1900).up("R", 520)
            yield case("pickup-reply-%d" % loose, s, sysctl={P + "tcp_loose": loose})
        for liberal in (0, 1):
            s = Script(v).opened().up("PA", 1, 2, data=10).up("PA", 200001, 2, data=10).down("A", 2, 200011).up("PA", 11, 2, data=10).down("A", 500000, 21).down("R", 77777)
            yield case("liberal-%d" % liberal, s, sysctl={P + "tcp_be_liberal": liberal})
        # A zero window that is probed; SACK about what was lost; a FIN that comes again; data after the FIN.
        s = Script(v).opened().up("PA", 1, 2, data=100).down("A", 2, 101, 0).up("A", 100, 2).down("A", 2, 101, 0).up("PA", 101, 2, data=1).down("A", 2, 102, 1000)
        yield case("zero-window", s)
        s = Script(v).opened(mss(1460) + SACK_OK).up("A", 1, 2, data=100).up("A", 201, 2, data=100).down("A", 2, 1, options=sack((201, 301)))
        yield case("sack", s.up("A", 101, 2, data=100).down("A", 2, 301).down("A", 2, 1, options=sack((90001, 90101))))
        s = Script(v).opened().up("FA", 1, 2).up("FA", 1, 2).down("A", 2, 2).up("FA", 1, 2).down("PA", 2, 2, data=50).up("A", 2, 52).down("FA", 52, 2).down("FA", 52, 2).up("A", 2, 53)
        yield case("fin-again", s.down("FA", 52, 2).up("A", 2, 53))
        # The port used again: from TIME_WAIT, from CLOSE, from LAST_ACK, numbers below and above.
        for state, seq in itertools.product(("time-wait", "close", "last-ack", "fin-wait"), (0, 5000)):
            s = Script(v).opened()
            if state == "close":
                s.down("R", 2)
            else:
                s.up("FA", 1, 2)
                if state != "fin-wait":
                    s.down("A", 2, 2).down("FA", 2, 2)
                if state == "time-wait":
                    s.up("A", 2, 3)
            yield case("reuse-%s-%d" % (state, seq), s.up("S", seq, options=CLIENT_SYN).down("A", 3, 2).up("R", 2).up("S", seq, options=CLIENT_SYN).down("SA", 7000, seq + 1).up("A", seq + 1, 7001))
