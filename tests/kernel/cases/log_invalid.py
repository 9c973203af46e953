"""nf_conntrack_log_invalid as people use it: lines in the log, of one protocol or of all; the same traffic as conntrack.py, where trackers refuse.
(Everywhere else the harness reads the reasons through netlink.)"""
import copy

from cases import conntrack
from case import Case, Send
from packets import *

LOG = "net.netfilter.nf_conntrack_log_invalid"
WHOLE = ("sctp-broken", "sctp-tags", "udplite", "icmp-short", "nd-")


def cases():
    made = list(conntrack.tcp_cases()) + list(conntrack.icmp_cases()) + list(conntrack.other_protocol_cases())
    for i, old in enumerate(made):
        if old.name.startswith("icmp-error-bits") or i % 3 and not old.name.startswith(WHOLE):
            continue
        new = copy.copy(old)
        new.name, new.sysctl, new.covers = "all-" + old.name, {**old.sysctl, LOG: 255}, ["log_invalid"]
        yield new
    a, b = conntrack.A, conntrack.B
    a6, b6 = conntrack.A6, conntrack.B6
    bad = [tcp(1, 2, "SF")(ip(a, b)), udp(1, 2, check=1)(ip(a, b)), icmp(77)(ip(a, b)), icmp(8, check=1)(ip(a, b)), tcp(1, 2, "SR")(ip(a6, b6)),
           udp(1, 2, check=1)(ip(a6, b6)), icmp(128, check=1)(ip(a6, b6)), sctp(1, 2, 0, chunk(0, 3, b"data"))(ip(a, b)), udplite(1, 2, 7)(ip(a, b))]
    for proto in (0, 1, 6, 17, 58, 132, 136, 254, 255):
        yield Case("one-%d" % proto, [Send("eth0", p) for p in bad], sysctl={LOG: proto}, covers=["log_invalid"], conntrack="on")
    here, here6 = "10.0.0.1", "fd00::1"
    yield Case("local", [Send(None, p) for p in (tcp(1, 2, "SF")(ip(here, a)), udp(1, 2, length=3)(ip(here, b)), tcp(1, 2, "SF")(ip(here6, a6)))],
               sysctl={LOG: 255}, covers=["log_invalid"], conntrack="on")
    yield Case("to-here", [Send("eth0", p) for p in (tcp(1, 2, "SF")(ip(a, here)), udp(1, 2, check=9)(ip(a, here)), udp(1, 2, check=9)(ip(a6, here6)))],
               sysctl={LOG: 255}, covers=["log_invalid"], conntrack="on")
    yield Case("mac-and-mark", [Send("eth0", tcp(1, 2, "SF", options=mss(1400))(ip(a, b)))], v4="*raw\n-A PREROUTING -j MARK --set-mark 5\nCOMMIT\n",
               sysctl={LOG: 255}, covers=["log_invalid"], conntrack="on")
    netlink = {LOG: 255, "net.netfilter.nf_log.2": "nfnetlink_log", "net.netfilter.nf_log.10": "nfnetlink_log"}
    yield Case("netlink", [Send("eth0", p) for p in bad], sysctl=netlink, covers=["log_invalid"], conntrack="on")
    trace = "*raw\n-A PREROUTING -j TRACE\nCOMMIT\n"
    yield Case("netlink-trace", [Send("eth0", p) for p in bad], v4=trace, v6=trace, sysctl=netlink, covers=["log_invalid", "TRACE"], conntrack="on")
    off = {LOG: 255, "net.netfilter.nf_log.2": "NONE"}
    yield Case("no-logger", [Send("eth0", p) for p in bad], sysctl=off, covers=["log_invalid"], conntrack="on")
    yield Case("no-logger-trace", [Send("eth0", p) for p in bad], v4=trace, v6=trace, sysctl=off, covers=["log_invalid", "TRACE"], conntrack="on")
