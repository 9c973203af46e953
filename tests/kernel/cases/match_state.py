"""Matches that remember or count: packets in a row, with and without pauses."""
from case import Case, Do, Send
from packets import *

A, A2, B, B2, R0 = "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.1.0.3", "10.0.0.1"
A6, A62, B6 = "fd00::2", "fd00::3", "fd00:1::2"


def chain(table, hook, rules):
    return "*%s\n%sCOMMIT\n" % (table, "".join("-A %s %s\n" % (hook, r) for r in rules))


def both(name, rules, build, count, covers, **kw):
    """The same packets in both families; build(i, src, dst) makes one."""
    for v, src, dst in ((4, A, B), (6, A6, B6)):
        items = [build(i, src, dst) for i in range(count)]
        items = [p if isinstance(p, (Send, Do)) else Send("eth0", p) for p in items]
        yield Case("%s-%d" % (name, v), items, covers=[covers], **{"v%d" % v: chain("filter", "FORWARD", rules)}, **kw)


def statistic_cases():
    nth = ["-m statistic --mode nth --every %d --packet %d" % (e, p) for e, p in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 2), (7, 3), (100, 5))]
    nth += ["-m statistic --mode nth ! --every 3 --packet 0", "-m statistic --mode nth ! --every 4 --packet 2"]
    plain = lambda i, s, d: udp(1000 + i, 2)(ip(s, d))
    yield from both("statistic-nth", nth, plain, 14, "statistic")
    yield from both("statistic-nth-split", ["-m statistic --mode nth --every 3 --packet 0 -j ACCEPT", "-m statistic --mode nth --every 2 --packet 0 -j ACCEPT", "-j DROP"], plain, 9, "statistic")
    yield from both("statistic-always-never", ["-m statistic --mode random --probability 1", "-m statistic --mode random --probability 0", "-m statistic --mode random ! --probability 1",
                                               "-m statistic --mode random ! --probability 0"], plain, 6, "statistic")
    yield Case("statistic-replaced", [Send("eth0", udp(1, 2)(ip(A, B)))] * 2 + [Do("iptables -A FORWARD -p tcp")] + [Send("eth0", udp(1, 2)(ip(A, B)))] * 5 +
               [Do("iptables -R FORWARD 1 -m statistic --mode nth --every 3 --packet 1")] + [Send("eth0", udp(1, 2)(ip(A, B)))] * 4,
               v4=chain("filter", "FORWARD", ["-m statistic --mode nth --every 3 --packet 0"]), covers=["statistic"])


def quota_cases():
    rules = ["-m quota --quota %d" % n for n in (0, 28, 31, 32, 64, 100, 1000, 18446744073709551615)] + ["-m quota ! --quota %d" % n for n in (0, 32, 90)]
    yield from both("quota", rules, lambda i, s, d: udp(1, 2, b"abcd"[:i % 5])(ip(s, d)), 6, "quota")
    yield from both("quota-spent", ["-m quota --quota 100"], lambda i, s, d: udp(1, 2, b"x" * (0, 100, 0, 0)[i])(ip(s, d)), 4, "quota")
    yield from both("quota-gate", ["-m quota --quota 200 -j ACCEPT", "-j DROP"], lambda i, s, d: udp(1, 2, b"x" * 20)(ip(s, d)), 6, "quota")
    yield Case("quota-replaced", [Send("eth0", udp(1, 2)(ip(A, B)))] * 2 + [Do("iptables -A FORWARD -p tcp")] + [Send("eth0", udp(1, 2)(ip(A, B)))] * 3,
               v4=chain("filter", "FORWARD", ["-m quota --quota 80"]), covers=["quota"])
    pieces = fragments4(udp(1, 2, b"x" * 90)(ip(A, B)), [48])
    yield Case("quota-fragments", [Send("eth0", p) for p in pieces], v4=chain("filter", "FORWARD", rules), covers=["quota"])
    yield Case("quota-fragments-tracked", [Send("eth0", p) for p in pieces], v4=chain("filter", "FORWARD", rules), conntrack="on", covers=["quota"])


def connbytes_cases():
    rules = ["-m connbytes --connbytes %s --connbytes-mode %s --connbytes-dir %s" % (r, m, d) for d in ("original", "reply", "both")
             for m, r in (("packets", "2:3"), ("packets", "1"), ("packets", "0:0"), ("bytes", "100:200"), ("bytes", ":60"), ("avgpkt", "30:40"), ("avgpkt", "0:0"))]
    rules += ["-m connbytes ! --connbytes 2:3 --connbytes-mode packets --connbytes-dir both", "-m connbytes ! --connbytes 64 --connbytes-mode bytes --connbytes-dir original",
              "-m connbytes ! --connbytes 1:1 --connbytes-mode packets --connbytes-dir reply"]

    def talk(i, s, d):
        if i in (1, 4, 5):
            return Send("eth1", udp(2, 1000, b"x" * i)(ip(d, s)))
        if i == 7:
            return udp(1001, 2, b"new")(ip(s, d))
        if i == 8:
            return icmp(3 if ":" not in s else 1, 3, data=udp(2, 1000)(ip(d, s)))(ip(s, d))
        return udp(1000, 2, b"y" * 10 * i)(ip(s, d))
    yield from both("connbytes", rules, talk, 10, "connbytes")
    yield from both("connbytes-invalid", rules, lambda i, s, d: tcp(1, 2, "SA", 1, 2)(ip(s, d)) if i else tcp(1, 3, "FPU", 5)(ip(s, d)), 2, "connbytes")
    yield Case("connbytes-late", [Send("eth0", udp(1000, 2)(ip(A, B))), Do("iptables -A FORWARD -m connbytes --connbytes 0 --connbytes-mode packets --connbytes-dir both"),
                                  Send("eth0", udp(1000, 2)(ip(A, B))), Send("eth0", udp(1001, 2)(ip(A, B))), Send("eth0", udp(1001, 2)(ip(A, B)))],
               v4=chain("filter", "FORWARD", [""]), conntrack="on", covers=["connbytes"], note="a connection that began before has no counters")
    yield Case("connbytes-untracked", [Send("eth0", udp(1000, 2)(ip(A, B)))], v4="*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n" + chain("filter", "FORWARD", rules), covers=["connbytes"])
    yield Case("connbytes-raw", [Send("eth0", udp(1000, 2)(ip(A, B)))] * 2, v4=chain("raw", "PREROUTING", rules), covers=["connbytes"])
    yield Case("connbytes-fragments", [Send("eth0", p) for p in fragments4(udp(1, 2, b"x" * 90)(ip(A, B)), [48])] * 2, v4=chain("filter", "FORWARD", rules), covers=["connbytes"])


def cluster_cases():
    def rules(seed):
        return ["-m cluster --cluster-total-nodes %d --cluster-local-node %d --cluster-hash-seed %s" % (t, n, seed) for t, n in ((1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (31, 5))] + [
            "-m cluster --cluster-total-nodes 4 --cluster-local-nodemask 0x5 --cluster-hash-seed %s" % seed, "-m cluster --cluster-total-nodes 2 ! --cluster-local-node 1 --cluster-hash-seed %s" % seed,
            "-m cluster --cluster-total-nodes 32 --cluster-local-nodemask 0x1f --cluster-hash-seed %s" % seed]
    hosts = [Send("eth0", udp(1000, 2)(ip("10.0.0.%d" % h, B))) for h in range(2, 10)]
    back = [Send("eth1", udp(2, 1000)(ip(B, "10.0.0.%d" % h))) for h in range(2, 10)]
    for n, seed in enumerate(("1", "0xdeadbeef", "0x7fffffff")):
        yield Case("cluster-%d" % n, hosts + back, v4=chain("filter", "FORWARD", rules(seed)), covers=["cluster"])
    yield Case("cluster-prerouting", hosts + back, v4=chain("mangle", "PREROUTING", rules("7")), covers=["cluster"])
    yield Case("cluster-raw", hosts[:2], v4=chain("raw", "PREROUTING", rules("7")), covers=["cluster"], note="nothing is tracked yet")
    yield Case("cluster-template", hosts[:2], v4=chain("raw", "PREROUTING", ["-j CT --zone 5"] + rules("7")), covers=["cluster"])
    yield Case("cluster-untracked", hosts[:2], v4=chain("raw", "PREROUTING", ["-j CT --notrack"]) + chain("filter", "FORWARD", rules("7")), covers=["cluster"])
    flooded = [Send("eth0", udp(1000, 2)(ip(A, R0)), dst="01:00:5e:00:00:55"), Send("eth0", udp(1000, 2)(ip(A, "224.0.0.1")), dst="01:00:5e:00:00:01"), Send("eth0", udp(1000, 2)(ip(A, B)), dst="01:00:5e:00:00:55")]
    for table in ("raw", "mangle"):
        yield Case("cluster-flooded-" + table, flooded, v4=chain(table, "PREROUTING", ["-m pkttype --pkt-type multicast"] + rules("7")[:2] + ["-m pkttype --pkt-type multicast", "-m pkttype --pkt-type unicast"]),
                   covers=["cluster"], conntrack="on")
    error = icmp(3, 3, data=udp(1000, 2)(ip(A, B)))(ip(B, A))
    yield Case("cluster-related", hosts[:1] + [Send("eth1", error)], v4=chain("filter", "FORWARD", rules("7")), covers=["cluster"])
    yield Case("cluster-refused", [], v4=chain("filter", "FORWARD", ["-m cluster --cluster-total-nodes 2 --cluster-local-nodemask 4 --cluster-hash-seed 1"]), covers=["cluster"])


def cases():
    for group in (cluster_cases, statistic_cases, quota_cases, connbytes_cases):
        yield from group()
