#!/usr/bin/env python3
"""Helpers' settings, which on Linux are parameters of modules for the whole machine and so out of reach of the kernel cases: each with its default, as the
kernel cases have it, and with another value, where its documented meaning must show. Then nf_conntrack_helper, which Linux had before 6.0.
SIP's and H.323's are in tests/unit/helper/."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kernel"))
from case import Case, Do, Send  # noqa: E402
from cases.helper_ftp import CLIENT, HELP, SERVER, SNAT, Talk  # noqa: E402
from cases.helper_small import help_rules, number  # noqa: E402
from packets import ip, udp  # noqa: E402
from weir import WeirRun  # noqa: E402

P = "net.netfilter.nf_conntrack_"


def run(items, v4, **sysctl):
    case = Case("settings", items, v4=v4, conntrack="on", sysctl={P + k: v for k, v in sysctl.items()})
    stamps, datas, now = [], [], 10 ** 18
    for item in items:
        now += int(item.gap * 1e9) + 1000000
        stamps.append(now)
        datas.append(None if isinstance(item, Do) or callable(item.data) else case.frame(item, item.data))
    seen = WeirRun(case, stamps, datas, now + 10 ** 6).go()
    if seen.refused:
        raise AssertionError(seen.refused)
    return seen


def dgram(iface, src, sport, dst, dport, data):
    return Send(iface, udp(sport, dport, data)(ip(src, dst)))


def seconds(lines):
    """What is left of them: the first number that stands alone."""
    return [int(re.match(r"(?:\S+ +\d+ \S+ +\d+ )?(\d+) ", line).group(1)) for line in lines]


class Settings(unittest.TestCase):
    def test_ftp_loose(self):
        """The client may name another host only when loose."""
        talk = lambda: Talk().say(b"USER x\r\n").say(b"PORT 10,0,0,77,4,1\r\n").items
        self.assertEqual(run(talk(), HELP).expectations, [])
        loose = run(talk(), HELP, ftp_loose=1).expectations
        self.assertEqual(len(loose), 1)
        self.assertIn("dst=10.0.0.77 sport=0 dport=1025", loose[0])

    def test_irc(self):
        offers = lambda: Talk().say(b"NICK x\r\n").say(b"PRIVMSG y :\1DCC SEND f %d 1025 10\1\r\n" % number(CLIENT)).say(
            b"PRIVMSG y :\1DCC SEND f %d 1026 10\1\r\n" % number(CLIENT)).say(b"PRIVMSG y :\1DCC CHAT f %d 1027 10\1\r\n" % number(CLIENT)).items
        rules = help_rules("irc", "tcp", 21)
        self.assertEqual(len(run(offers(), rules).expectations), 3)
        few = run(offers(), rules, irc_max_dcc_channels=2).expectations
        self.assertEqual(sorted(re.findall(r"dport=(102\d)", " ".join(few))), ["1026", "1027"])     # the oldest made room
        self.assertEqual({s for s in seconds(run(offers(), rules).expectations)} <= {299, 300}, True)
        self.assertEqual({s for s in seconds(run(offers(), rules, irc_dcc_timeout=40).expectations)} <= {39, 40}, True)
        for bad in (0, 256):
            with self.assertRaises(AssertionError):
                run(offers(), rules, irc_max_dcc_channels=bad)

    def test_amanda_master_timeout(self):
        """How long the client's own connection lives from the server's last answer on."""
        items = lambda: [dgram("eth0", CLIENT, 700, SERVER, 10080, b"Amanda 2.4 REQ\n"), dgram("eth1", SERVER, 10080, CLIENT, 700, b"Amanda 2.4 REP\n")]
        for wanted, kw in ((300, {}), (77, {"amanda_master_timeout": 77})):
            self.assertIn(seconds(run(items(), help_rules("amanda", "udp", 10080), **kw).connections)[0], (wanted - 1, wanted))

    def test_broadcast_timeouts(self):
        """How long answers to a question to everybody are waited for."""
        for name, port, default in (("netbios-ns", 137, 3), ("snmp", 161, 30)):
            ask = lambda: [Send(None, udp(port, port, b"query")(ip("10.0.0.1", "10.0.0.255")))]
            key = name.replace("-", "_") + "_timeout"
            for wanted, kw in ((default, {}), (60, {key: 60})):
                left = seconds(run(ask(), help_rules(name, "udp", port), **kw).expectations)
                self.assertIn(left, ([wanted], [wanted - 1]), name)


class ByPort(unittest.TestCase):
    """nf_conntrack_helper and the lists of ports."""
    TFTP = b"\0\1file\0octet\0"

    def asked(self, port=69, nat="", to=SERVER, **sysctl):
        return run([dgram("eth0", CLIENT, 3000, to, port, self.TFTP)], nat, **sysctl)

    def test_off(self):
        self.assertEqual(self.asked().expectations, [])

    def test_on(self):
        seen = self.asked(helper=1)
        self.assertEqual(len(seen.expectations), 1)
        self.assertEqual(self.asked(70, helper=1).expectations, [])

    def test_ports(self):
        self.assertEqual(len(self.asked(70, helper=1, tftp_ports="69,70,7000").expectations), 1)
        self.assertEqual(self.asked(69, helper=1, tftp_ports="70").expectations, [])
        for bad in ("", "0", "65536", "69,", "x", "-1", "1,2,3,4,5,6,7,8,9", "69 70"):
            with self.assertRaises(AssertionError):
                self.asked(tftp_ports=bad)

    def test_nat_decides_again(self):
        """The port is the server's own, behind DNAT."""
        nat = "*nat\n-A PREROUTING -p udp -d 10.1.0.9 -j DNAT --to-destination 10.1.0.2:%d\nCOMMIT\n"
        self.assertEqual(len(self.asked(7777, nat % 69, "10.1.0.9", helper=1).expectations), 1)
        self.assertEqual(self.asked(69, nat % 7777, "10.1.0.9", helper=1).expectations, [])

    def test_ftp_under_nat(self):
        """All that a rule's helper does: expectation, rewriting, RELATED."""
        items = Talk(far="10.1.0.1").say(b"USER x\r\n").say(b"PORT 10,0,0,2,4,1\r\n").items
        by_rule, by_port = run(items, HELP + SNAT), run(items, SNAT, helper=1)
        self.assertEqual(by_rule.expectations, by_port.expectations)
        self.assertEqual(len(by_port.expectations), 1)
        self.assertEqual(by_rule.tx, by_port.tx)

    def test_rule_goes_before(self):
        """A rule's helper stays, whatever the port says."""
        rules = "*raw\n-A PREROUTING -p udp --dport 5060 -j CT --helper tftp\nCOMMIT\n"
        seen = run([dgram("eth0", CLIENT, 3000, SERVER, 5060, self.TFTP)], rules, helper=1)
        self.assertEqual(len(seen.expectations), 1)
        self.assertEqual(self.asked(5060, helper=1).expectations, [])


if __name__ == "__main__":
    unittest.main()
