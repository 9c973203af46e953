"""Bad input: exit 3, a sentence with its place, nothing half-done."""
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from weirtest import NET_IP, T0, WeirTest, eth, pcap, udp

PACKET = eth(udp("10.0.0.2", "10.1.0.2", 1000, 53))


class Captures(WeirTest):
    def setUp(self):
        super().setUp()
        self.gateway()

    def bad(self, data, *says):
        self.put("in.pcap", data)
        for s in says:
            self.refused(s, "-i", "eth0=in.pcap")

    def test_truncated(self):
        whole = pcap([(0, PACKET), (1, PACKET)])
        at = 24 + 16 + len(PACKET)
        self.bad(whole[:-5], "in.pcap: error: byte %d, packet 2: the capture is truncated" % at)
        self.bad(whole[:at + 7], "byte %d, packet 2: the capture is truncated: 7 of 16" % at)
        self.bad(whole[:20], "the file ends inside its header")
        self.bad(b"", "the file is empty")

    def test_corrupt(self):
        whole = pcap([(0, PACKET)])
        self.bad(whole[:32] + struct.pack("=I", 999999999) + whole[36:], "byte 24, packet 1: the capture is corrupt")
        self.bad(whole[:28] + struct.pack("=I", 4 * 10**9) + whole[32:], "nanoseconds in a time stamp")
        self.bad(b"GIF89a......................", "neither pcap nor pcapng")
        self.bad(b"\x1f\x8b" + b"\0" * 30, "gzip -dc")

    def test_link_types(self):
        self.bad(pcap([(0, PACKET)], 105), "link type 105 (IEEE 802.11) is not one weir reads")
        self.bad(pcap([(0, PACKET)], 9999), "link type 9999 is not one weir reads")
        self.put("local.pcap", pcap([(0, PACKET)], 1))
        self.refused("--local takes raw IP packets, not link type 1 (Ethernet)", "--local", "local.pcap")

    def test_missing(self):
        self.refused("nowhere.pcap: error: cannot be opened: No such file", "-i", "eth0=nowhere.pcap")
        self.assertIn("cannot be read", self.weir("run", "nowhere", code=3).stderr)
        self.put("file", "")
        self.assertIn("is a file", self.weir("run", "file", code=3).stderr)
        self.refused("missing.txt: error: cannot be opened", "--script", "missing.txt")

    def test_filter_expression(self):
        self.put("in.pcap", pcap([(0, PACKET)]))
        self.refused('-f "port port"', "-i", "eth0=in.pcap", "-f", "port port")


class Snapshots(WeirTest):
    def caret(self, error, place, width):
        """The error names the place and the caret line below underlines it."""
        lines = error.split("\n")
        self.assertTrue(lines[0].startswith(place + ": error: "), error)
        column = int(place.split(":")[2])
        self.assertEqual(lines[2], "      | " + " " * (column - 1) + "^" + "~" * (width - 1), error)

    def test_net_ip(self):
        self.gateway(net="link set eth0 up\naddr add 192.0.2.300/24 dev eth0\n")
        self.caret(self.refused("192.0.2.300/24"), "snap/net.ip:2:10", 14)

    def test_topology(self):
        self.gateway()
        self.put("in.pcap", pcap([(0, PACKET)]))
        self.refused('does not name the interface of "-i eth7=in.pcap" (it names eth0, eth1)', "-i", "eth7=in.pcap")
        self.gateway(net=NET_IP + "tuntap add dev tun0 mode tun\nlink set tun0 up\n")
        self.refused("tun0 is a device of raw IP packets", "-i", "tun0=in.pcap")
        self.gateway(net=NET_IP + "route add default via 192.0.2.9\n")
        self.assertIn("snap/net.ip:9:", self.refused("net.ip"))

    def test_sysctl(self):
        self.gateway(sysctl="# x\nnet.ipv4.ip_forwrad = 1\n")
        self.caret(self.refused("net.ipv4.ip_forwrad"), "snap/sysctl.conf:2:1", 19)
        self.gateway(sysctl="net.ipv4.ip_forward = yes\n")
        self.caret(self.refused("yes"), "snap/sysctl.conf:1:23", 3)
        self.gateway(sysctl="just words\n")
        self.refused("snap/sysctl.conf:1:1: error: not \"name = value\"")

    def test_rules(self):
        self.gateway("*filter\n-A FORWARD -p tcp --dprt 80 -j ACCEPT\nCOMMIT\n")
        self.assertTrue(self.refused("dprt").startswith("snap/rules.v4:2:"))
        self.gateway("*filter\n-A FORWARD -j NOWHERE\nCOMMIT\n")
        self.assertTrue(self.refused("NOWHERE").startswith("snap/rules.v4:2:"))
        self.gateway("*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n-A FORWARD -m frobnicate -j ACCEPT\nCOMMIT\n")
        self.assertTrue(self.refused("frobnicate").startswith("snap/rules.v4:5:"))
        self.gateway("*filter\n-A FORWARD -j ACCEPT\n")
        self.refused("snap/rules.v4")

    def test_scripts(self):
        self.gateway()
        self.put("s", "%d iptabels -L\n" % T0)
        self.caret(self.refused('did you mean "iptables"', "--script", "s"), "s:1:12", 8)
        self.put("s", "%d iptables -L\nlater iptables -L\n" % T0)
        self.caret(self.refused("begins with its time", "--script", "s"), "s:2:1", 5)

    def test_out(self):
        self.gateway()
        self.put("file", "")
        self.assertIn("is a file", self.run_weir("--out", "file", code=3).stderr)
        self.assertIn("Not a directory", self.run_weir("--out", "file/deep/out", code=3).stderr)

    def test_a_capture_that_breaks_late_leaves_nothing(self):
        self.gateway()
        self.put("in.pcap", pcap([(i * 0.01, PACKET) for i in range(200)])[:-3])
        self.refused("truncated", "-i", "eth0=in.pcap")


if __name__ == "__main__":
    unittest.main()
