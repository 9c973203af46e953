"""Every set of TCP flags in every state and direction: connections are brought to a state, get one probe, and then what a host
would send next. Seeds count through states, directions and flag sets; the rest (numbers, data, options, settings) is drawn.

CASES seeds in a row visit each (state, direction, flag set) once. tcp_coverage.py writes docs/tcp-coverage.md from a run."""
import random

from case import Case, Send
from packets import SACK_OK, ip, mss, sack, tcp, wscale

A, B, A6, B6 = "10.0.0.2", "10.1.0.2", "fd00::2", "fd00:1::2"
STATES = ("NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2")
PER_CASE = 32
CASES = len(STATES) * 2 * (256 // PER_CASE)
C, S = 1000, 5000


class Talk:
    def __init__(self, r, v, sport, items, options):
        self.r, self.a, self.b, self.sport, self.items, self.options = r, *((A, B) if v == 4 else (A6, B6)), sport, items, options

    def up(self, flags, seq, ack=0, data=b"", options=b"", win=20000):
        self.items.append(Send("eth0", tcp(self.sport, 80, flags, seq, ack, win, data, options)(ip(self.a, self.b))))

    def down(self, flags, seq, ack=0, data=b"", options=b"", win=20000):
        self.items.append(Send("eth1", tcp(80, self.sport, flags, seq, ack, win, data, options)(ip(self.b, self.a))))

    def go(self, state):
        """Numbers after it: the client's next, the server's next."""
        if state == "NONE":
            return C, S
        self.up("S", C, options=self.options)
        if state == "SYN_SENT":
            return C + 1, S
        if state == "SYN_SENT2":
            self.down("S", S, options=self.options)
            return C + 1, S + 1
        self.down("SA", S, C + 1, options=self.options)
        if state == "SYN_RECV":
            return C + 1, S + 1
        self.up("A", C + 1, S + 1)
        if state == "ESTABLISHED":
            return C + 1, S + 1
        if state == "CLOSE":
            self.down("R", S + 1, 0)
            return C + 1, S + 1
        self.up("FA", C + 1, S + 1)
        if state == "FIN_WAIT":
            return C + 2, S + 1
        self.down("A", S + 1, C + 2)
        if state == "CLOSE_WAIT":
            return C + 2, S + 1
        self.down("FA", S + 1, C + 2)
        if state == "LAST_ACK":
            return C + 2, S + 2
        self.up("A", C + 2, S + 2)
        return C + 2, S + 2


def probes(seed):
    """(state, direction, flag sets) of a seed."""
    n = seed % CASES
    state, n = STATES[n % len(STATES)], n // len(STATES)
    return state, n % 2, [f * (256 // PER_CASE) + n // 2 for f in range(PER_CASE)]


def case(seed):
    r = random.Random("tcpflags-%d" % seed)
    state, direction, sets = probes(seed)
    v, items = r.choice((4, 4, 4, 6)), []
    options = r.choice((b"", mss(1460), mss(1460) + wscale(7) + SACK_OK, wscale(14), SACK_OK))
    first = seed < CASES    # the plain round: exact numbers
    marks = []
    for i, flags in enumerate(sets):
        t = Talk(r, v, 1000 + i, items, options)
        c, s = t.go(state)
        off = lambda: 0 if first else r.choices((0, 1, -1, 100, -100, 30000, 70000, -70000), (10, 2, 2, 1, 1, 1, 1, 1))[0]
        data = b"" if first or r.random() < .6 else bytes(r.choice((1, 100)))
        opt = b"" if first else r.choice((b"",) * 4 + (options, sack((s, s + 10)), sack((c, c + 10)), b"\5\2", b"\x13\xff\0\0", b"\3\3\x0f\0"))
        win = 20000 if first else r.choice((20000, 20000, 0, 65535, 1))
        seq, ack = (c, s) if direction == 0 else (s, c)
        if flags & 2 and not flags & 16 and r.random() < .5:
            seq -= 1        # a SYN as it was
        if r.random() < .3 and not first:
            t.up("PA", c, s, data=b"query")
            c += 5
        marks.append((len(items), 1000 + i))
        (t.up if direction == 0 else t.down)(flags, (seq + off()) & 0xFFFFFFFF, (ack + off()) & 0xFFFFFFFF if flags & 16 or r.random() < .3 else 0, data, opt, win)
        n = (2 if flags & 3 else 0) + len(data)
        for _ in range(0 if first else r.randrange(4)):
            what = r.choice(("A", "A", "PA", "FA", "R", "RA", "S", "SA"))
            extra = r.choice((0, 0, 0, n, n, 1))
            if r.random() < .5:
                t.up(what, c + (extra if direction == 0 else 0), s + (extra if direction else 0), b"x" if "P" in what else b"", b"" if "S" not in what else options)
            else:
                t.down(what, s + (extra if direction else 0), c + (extra if direction == 0 else 0), b"y" if "P" in what else b"", b"" if "S" not in what else options)
    names = ("tcp_loose", "tcp_be_liberal", "tcp_ignore_invalid_rst", "acct")
    sysctl = {} if first else {"net.netfilter.nf_conntrack_" + k: r.choice((0, 1)) for k in names if r.random() < .3}
    if not first and r.random() < .2:
        sysctl["net.netfilter.nf_conntrack_tcp_max_retrans"] = r.choice((0, 1, 5))
        sysctl["net.netfilter.nf_conntrack_tcp_timeout_max_retrans"] = r.choice((20, 300))
        sysctl["net.netfilter.nf_conntrack_tcp_timeout_unacknowledged"] = r.choice((50, 300))
    rules = "*filter\n:FORWARD ACCEPT [0:0]\n" + "".join("-A FORWARD -p tcp -m conntrack --ctstate %s\n" % w for w in ("INVALID", "NEW", "ESTABLISHED", "RELATED")) + "COMMIT\n"
    out = Case("seed-%d/tcpflags-%s-%s" % (seed, state, "reply" if direction else "original"), items, conntrack="on", sysctl=sysctl,
               covers=["conntrack", "tcp"], **{"v4" if v == 4 else "v6": rules})
    out.marks = marks
    return out
