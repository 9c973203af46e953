"""Profile "state": the general generator's packets under rules that remember: recent, hashlimit, connlimit, quota, statistic,
IDLETIMER; and one case in three a proxied handshake, bent. Rates are so slow, or pauses so long, that no tick matters."""
import random

import gen
from case import Case, Send
from cases.target_synproxy import Flow, LOOSE, opts, rules as synproxy_rules

GAP = 0.012     # connlimit and rateest count in ticks: each packet has its own


class StateGen(gen.Gen):
    def __init__(self, seed):
        super().__init__(seed, None)
        self.s = random.Random("state%d" % seed)
        self.estimators, self.slow = set(), False

    def recent(self, v, neg):
        s = self.s
        what = s.choice(("--set", "--set", "--rcheck", "--update", "--remove"))
        out = "-m recent %s%s --name %s" % (neg(), what, s.choice("abc"))
        if what in ("--rcheck", "--update"):
            out += s.choice(("", "", " --seconds 600", " --seconds 600 --reap")) + s.choice(("", "", " --hitcount %d" % s.randrange(0, 6))) + s.choice(("", "", " --rttl"))
        mask = ("255.255.255.0", "255.255.0.0", "0.0.0.0") if v == 4 else ("ffff:ffff::", "ffff:ffff:ffff:ffff::", "::")
        return out + s.choice(("", "", " --mask " + s.choice(mask))) + s.choice(("", " --rsource", " --rdest"))

    def hashlimit(self, v, neg):
        s = self.s
        rate = s.choice(("1/hour --hashlimit-burst %d" % s.randrange(1, 6), "3/hour --hashlimit-burst %d" % s.randrange(1, 6), "9/day --hashlimit-burst 2"))
        name, rates = s.choice("xyz"), ""
        if s.random() < 0.2:
            rate, name, rates = "100/hour", "m" + name, " --hashlimit-rate-match --hashlimit-rate-interval 600 --hashlimit-burst %d" % s.randrange(1, 4)
        bits = 32 if v == 4 else 128
        return "-m hashlimit %s--hashlimit-%s %s --hashlimit-name %s%s%s%s%s" % (
            neg(), s.choice(("upto", "above")), rate, name, s.choice(("", " --hashlimit-mode " + ",".join(s.sample(("srcip", "dstip", "srcport", "dstport"), s.randrange(1, 5))))),
            s.choice(("", " --hashlimit-srcmask %d" % s.randrange(bits + 1))), s.choice(("", " --hashlimit-dstmask %d" % s.randrange(bits + 1))), rates + " --hashlimit-htable-expire 600000")

    def more_matches(self, v, hook, table, proto, neg):
        s = self.s
        kind = s.choice(("recent", "recent", "hashlimit", "hashlimit", "connlimit", "quota", "statistic", "rest"))
        if kind == "recent":
            return [self.recent(v, neg)]
        if kind == "hashlimit":
            return [self.hashlimit(v, neg)]
        if kind == "connlimit":
            self.slow = True
            return ["-m connlimit %s--connlimit-%s %d%s%s" % (neg(), s.choice(("upto", "above")), s.randrange(0, 4), s.choice(("", " --connlimit-mask %d" % s.choice((0, 16, 24, 32)))), s.choice(("", " --connlimit-daddr")))]
        if kind == "quota":
            return ["-m quota %s--quota %d" % (neg(), s.choice((0, 40, 100, 500, 2000, 10000)))]
        if kind == "statistic":
            n = s.randrange(1, 6)
            return ["-m statistic --mode nth %s--every %d --packet %d" % (neg(), n, s.randrange(n))]
        return super().more_matches(v, hook, table, proto, neg)

    def target(self, v, table, hook, proto, chains):
        if table in ("mangle", "filter") and self.s.random() < 0.05:
            return "IDLETIMER --timeout 600 --label wxgen"
        return super().target(v, table, hook, proto, chains)

    def case(self, name):
        case = super().case(name)
        for item in case.items if self.slow else ():
            item.gap = max(item.gap, GAP)
        text = case.v4 + case.v6
        case.covers = set(case.covers) | {w for w in ("recent", "hashlimit", "connlimit", "quota", "statistic", "IDLETIMER") if " %s " % w in text}
        return case


def synproxy(seed):
    """A handshake whose segments come twice, late, early, or not at all."""
    r = random.Random("syn%d" % seed)
    v, ts = r.choice((4, 6)), r.random() < 0.6
    f = Flow(v, ts=ts)
    had = opts(r.choice((None, 536, 1300, 1400, 1460, 9000)), r.random() < 0.5, (99, 0) if ts else None, r.choice((None, 0, 3, 7, 14)))
    answer = opts(r.choice((None, 1400)), r.random() < 0.5, (70000, 101) if ts and r.random() < 0.8 else None, r.choice((None, 2, 9)))
    steps = [f.syn(had, r.choice(("S", "S", "SEC"))), f.client(), f.server("SA", 0, 1, options=answer, win=r.choice((0, 8000, 65535))), f.client("PA", data=b"GET / HTTP/1.0\r\n\r\n", clock=103), f.server("A", 1, 19),
             f.server("PA", 1, 19, data=b"HTTP/1.0 200 OK\r\n", clock=70010), f.client("A", 19, 18, clock=110), f.server("FA", 18, 19, clock=70020), f.client("FA", 19, 19, clock=111), f.server("A", 19, 20, clock=70021)]
    other = [f.client("RA", 1, 1), f.client("R", 1, 1), f.client(seq=0), f.client(off=r.choice((1, -1, 5000))), f.client("SA"), f.client("FA"), f.client("PA", data=b"early"), f.server("R", 1, 19), f.server("RA", 0, 1), f.server("SA", 7, 1),
             f.syn(had), f.server("PA", 18, 19, data=b"more")]
    items = [steps[0]]
    for step in steps[1:]:
        k = r.random()
        items += [step] if k < 0.75 else [step, step] if k < 0.83 else [r.choice(other), step] if k < 0.95 else []
    wanted = " ".join(o for o in ("--sack-perm", "--timestamp", "--wscale %d" % r.randrange(15), "--mss %d" % r.choice((536, 1400, 1460)), "--ecn") if r.random() < 0.75)
    return Case("seed-%d/state" % seed, [Send(i.iface, i.data, i.gap) for i in items], sysctl=LOOSE if r.random() < 0.8 else {}, covers=["SYNPROXY"], masks=["cookie"], **{"v%d" % v: synproxy_rules(wanted)})


def case(seed):
    return synproxy(seed) if seed % 3 == 0 else StateGen(seed).case("seed-%d/state" % seed)
