"""Whole runs of `weir run`: what comes out, in which files, in which words."""
import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from weirtest import GATEWAY, NET_IP, T0, WeirTest, echo, eth, ip, pcap, pcapng, read_pcapng, udp

RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -p udp --dport 53 -j ACCEPT
-A FORWARD -p udp --dport 99 -j REJECT
-A FORWARD -p tcp --dport 80 -j ACCEPT
COMMIT
"""


class Verdicts(WeirTest):
    def setUp(self):
        super().setUp()
        self.gateway(RULES)
        self.put("in0.pcap", pcap([
            (0.0, eth(udp("10.0.0.2", "10.1.0.2", 1000, 53))),
            (0.1, eth(udp("10.0.0.2", "10.1.0.2", 1000, 54))),
            (0.2, eth(udp("10.0.0.2", "10.1.0.2", 1000, 99))),
            (0.3, eth(udp("10.0.0.2", "10.0.0.1", 1000, 7)))]))
        self.put("in1.pcap", pcap([(0.05, eth(udp("10.1.0.2", "10.0.0.2", 53, 1000), "02:00:00:00:01:01", "02:00:00:00:01:02"))]))
        self.args = ["-i", "eth0=in0.pcap", "-i", "eth1=in1.pcap"]

    def test_coverage_counts_from_the_counters_of_the_snapshot(self):
        self.gateway(RULES.replace("-A FORWARD -p tcp", "[7:420] -A FORWARD -p tcp").replace("-A FORWARD -p udp --dport 53", "[5:300] -A FORWARD -p udp --dport 53"))
        r = self.run_weir(*self.args)
        self.assertIn("3 of 4 rules hit; never hit:\n           snap/rules.v4:8  ", r.stdout)

    def test_files_and_summary(self):
        r = self.run_weir(*self.args, "--out", "out")
        self.assertIn("5 packets over 0.3 s   accept 3  drop 1  reject 1", r.stdout)
        self.assertIn("snap/rules.v4:3  filter FORWARD policy", r.stdout)
        self.assertIn("snap/rules.v4:7  filter FORWARD: -A FORWARD -p udp -m udp --dport 99 -j REJECT", r.stdout)
        self.assertIn("3 of 4 rules hit; never hit:\n           snap/rules.v4:8  -A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT", r.stdout)
        eth1 = read_pcapng(self.path("out", "eth1.pcapng"))
        self.assertEqual([(x[0], x[1], x[2]) for x in eth1], [(T0 * 10**9, "eth1", 1)])
        self.assertIn("accept by filter FORWARD rule 2 (rules.v4:6): -A FORWARD -p udp", eth1[0][4])
        eth0 = read_pcapng(self.path("out", "eth0.pcapng"))
        self.assertEqual([x[0] for x in eth0], [T0 * 10**9 + 50000000, T0 * 10**9 + 200000000])   # the answer, the ICMP error
        self.assertIn("made by weir", eth0[1][4])
        local = read_pcapng(self.path("out", "local.pcapng"))
        self.assertEqual([(x[1], x[2], x[3]) for x in local], [("eth0", 101, udp("10.0.0.2", "10.0.0.1", 1000, 7))])
        dropped = read_pcapng(self.path("out", "dropped.pcapng"))
        self.assertEqual([x[4].split(" (")[0] for x in dropped], ["drop by filter FORWARD policy", "reject by filter FORWARD rule 3"])
        self.assertEqual(dropped[0][3][:14], eth(b"")[:14])
        s = self.summary()
        self.assertEqual((s["schema"], s["packets"]), (1, 5))
        self.assertEqual(s["verdicts"], {"accept": 3, "drop": 1, "reject": 1, "kept": 0})
        self.assertEqual(sorted((d["reason"], d["packets"], d["rule"]["line"]) for d in s["drops"]), [("policy", 1, 3), ("reject", 1, 7)])
        self.assertEqual(s["coverage"]["never_hit"][0]["line"], 8)
        self.assertIn("[1:33] -A FORWARD -p udp -m udp --dport 53 -j ACCEPT", self.text("out", "rules.v4"))
        self.assertRegex(self.text("out", "conntrack.txt"), r"^ipv4 +2 udp +17 \d+ src=10.0.0.2")
        self.assertRegex(self.text("out", "events.txt"), r"^%d\.000000000     \[NEW\] ipv4     2 udp" % T0)

    def test_visible_files_are_written_and_taken(self):
        self.gateway(RULES.replace("-A FORWARD -p udp --dport 53", "-A FORWARD -m recent --rcheck --name bad -j DROP\n-A FORWARD -m recent --set --name seen\n-A FORWARD -p udp --dport 53"))
        self.put("script", "%d.01 echo +10.0.0.2 > /proc/net/xt_recent/bad\n%d.25 cat /proc/net/xt_recent/bad\n%d.26 echo / >/proc/net/xt_recent/nobody\n" % (T0, T0, T0))
        for _ in range(2):    # a second run replaces the first one's files, directories and all
            r = self.run_weir(*self.args, "--script", "script", "--out", "out")
            self.assertIn("nobody: No such file or directory", r.stderr)
        with open(self.path("out", "proc", "net", "xt_recent", "seen")) as f:
            self.assertTrue(f.read().startswith("src=10.0.0.2 ttl: 64 last_seen: "))
        with open(self.path("out", "script.txt")) as f:
            self.assertIn("src=10.0.0.2 ttl: 0 last_seen: ", f.read())

    def test_json_on_stdout(self):
        s = json.loads(self.run_weir(*self.args, "--format", "json").stdout)
        self.assertEqual(s["verdicts"]["accept"], 3)

    def test_repeats_to_the_byte(self):
        for d in ("a", "b"):
            self.run_weir(*self.args, "--out", d, "--seed", "7", "--until", "%d" % (T0 + 100))
        for name in os.listdir(self.path("a")):
            with open(self.path("a", name), "rb") as x, open(self.path("b", name), "rb") as y:
                self.assertEqual(x.read(), y.read(), name)

    def test_until_lets_connections_end(self):
        self.run_weir(*self.args, "--out", "out", "--until", "%d" % (T0 + 100))
        self.assertEqual(self.text("out", "conntrack.txt"), "")
        self.assertIn("%d" % (T0 + 30), self.text("out", "events.txt").split("[DESTROY]")[0].split("\n")[-1])

    def test_packets_of_one_instant_keep_their_causes_apart(self):
        self.put("in.pcap", pcap([(0.0, eth(udp("10.0.0.2", "10.1.0.2", 1000 + i, 99))) for i in range(100)]))
        self.run_weir("-i", "eth0=in.pcap", "--out", "out")
        comments = [x[4] for x in read_pcapng(self.path("out", "eth0.pcapng"))]
        self.assertEqual(comments, ["made by weir, caused by input packet %d" % (i + 1) for i in range(len(comments))])
        self.assertGreater(len(comments), 1)
        self.assertEqual(self.summary()["verdicts"]["reject"], 100)

    def test_filter(self):
        self.assertIn("1 packets", self.run_weir(*self.args, "-f", "udp port 99").stdout)

    def test_an_earlier_output_is_replaced_and_only_that(self):
        self.run_weir(*self.args, "--out", "out")
        self.run_weir(*self.args, "--out", "out/", "-f", "port 99")
        self.assertEqual(self.summary()["packets"], 1)
        self.put("out/mine.txt", "precious")
        self.assertIn("mine.txt", self.run_weir(*self.args, "--out", "out", code=3).stderr)
        self.assertEqual(self.text("out", "mine.txt"), "precious")


class Inputs(WeirTest):
    def setUp(self):
        super().setUp()
        self.gateway()

    def test_pcapng_names_its_interfaces(self):
        self.put("day.pcapng", pcapng(["wan", "eth0"], [
            (0.0, 1, eth(udp("10.0.0.2", "10.1.0.2", 1, 2))),
            (0.1, 0, eth(udp("10.1.0.2", "10.0.0.2", 2, 1), "02:00:00:00:01:01", "02:00:00:00:01:02"))]))
        self.run_weir("day.pcapng", "--map", "wan=eth1", "--out", "out")
        self.assertEqual(self.summary()["out"]["forwarded"], 2)
        self.assertIn('"wan" is not in the snapshot: add --map wan=IFACE', self.run_weir("day.pcapng", code=3).stderr)

    def test_local_and_raw_and_big_endian(self):
        self.put("local.pcap", pcap([(0.0, udp("10.0.0.1", "10.1.0.2", 5, 6))], 101, order=">"))
        self.run_weir("--local", "local.pcap", "--out", "out")
        self.assertEqual(len(read_pcapng(self.path("out", "eth1.pcapng"))), 1)
        self.assertEqual(self.summary()["verdicts"]["accept"], 1)

    def test_without_net_ip_the_ports_are_all_there_is(self):
        shutil.rmtree(self.path("snap"))
        os.mkdir(self.path("snap"))
        self.put("in.pcap", pcap([(0.0, ip("10.0.0.2", "10.1.0.2", 17, b"12345678"))], 101))
        r = self.run_weir("-i", "tun0=in.pcap")
        self.assertIn("drop 1", r.stdout)

    def test_what_the_capture_cut_off(self):
        whole = eth(udp("10.0.0.2", "10.1.0.2", 1, 2, b"z" * 400))
        self.put("in.pcap", pcap([(0.0, whole)], cut=96))
        r = self.run_weir("-i", "eth0=in.pcap", "--conntrack", "on", "--out", "out")
        self.assertIn("cut short by the capture", r.stdout)
        sent = read_pcapng(self.path("out", "eth1.pcapng"))
        self.assertEqual(len(sent[0][3]), len(whole))
        self.assertEqual(self.text("out", "invalid.txt"), "")

    def test_checksums_left_to_the_card(self):
        self.put("in.pcap", pcap([(0.0, eth(udp("10.0.0.2", "10.1.0.2", 1, 2, partial=True)))]))
        r = self.run_weir("-i", "eth0=in.pcap", "--conntrack", "on", "--out", "out")
        self.assertIn("left to the network card", r.stdout)
        self.assertEqual(self.summary()["conntrack"]["entries"], 1)
        sent = read_pcapng(self.path("out", "eth1.pcapng"))[0][3]
        self.assertEqual(sent[40:42], udp("10.0.0.2", "10.1.0.2", 1, 2)[26:28])
        r = self.run_weir("-i", "eth0=in.pcap", "--conntrack", "on", "--strict-checksums", "--format", "json")
        self.assertEqual(json.loads(r.stdout)["conntrack"]["entries"], 0)

    def test_host_echo(self):
        self.put("in.pcap", pcap([(0.0, eth(echo("10.0.0.2", "10.0.0.1")))]))
        for args, count in ((["--host", "echo"], 1), ([], 0)):
            self.run_weir("-i", "eth0=in.pcap", "--out", "out", *args)
            self.assertEqual(len(read_pcapng(self.path("out", "eth0.pcapng"))), count)

    def test_cooked(self):
        sll = b"\0\0\0\1\0\6\2\0\0\0\0\2\0\0\x08\0" + udp("10.0.0.2", "10.1.0.2", 1, 2, b"q" * 100)
        out = b"\0\4" + sll[2:]
        self.put("in.pcap", pcap([(0.0, sll), (0.1, out)], 113))
        r = self.run_weir("-i", "eth0=in.pcap", "--out", "out")
        self.assertEqual(len(read_pcapng(self.path("out", "eth1.pcapng"))), 1)
        self.assertIn("1 packet are marked as sent", r.stdout.replace("packets", "packet"))


class Scripts(WeirTest):
    def test_commands_run_before_the_packets_of_their_time(self):
        self.gateway()
        packet = eth(udp("10.0.0.2", "10.1.0.2", 1000, 53))
        self.put("in.pcap", pcap([(0.0, packet), (1.0, packet), (2.0, packet), (3.0, packet)]))
        self.put("more.v4", "*filter\n-A FORWARD -p udp -j DROP\nCOMMIT\n")
        self.put("s", "".join("%s %s\n" % (T0 + t, c) for t, c in (
            (0.5, "iptables -A FORWARD -p udp -j DROP"), (1.5, "iptables -S FORWARD"), (2, "iptables -F"), (2.5, "iptables-restore -n more.v4"),
            (2.6, "iptables -D FORWARD 7"), (2.7, "sysctl -w net.ipv4.ip_forward=1"), (2.8, "ip addr add 10.9.0.1/24 dev eth0"),
            (2.9, "snapshot snapped"))))
        r = self.run_weir("-i", "eth0=in.pcap", "--script", "s", "--out", "out")
        self.assertEqual([x[0] // 10**9 - T0 for x in read_pcapng(self.path("out", "eth1.pcapng"))], [0, 2])
        self.assertIn("-P FORWARD ACCEPT\n-A FORWARD -p udp -j DROP\n", r.stdout)
        self.assertIn("8 commands, 1 failed", r.stdout)
        self.assertIn("s:5:14: error", r.stderr)
        log = self.text("out", "script.txt")
        self.assertIn("%d.500000000 $ iptables -S FORWARD\n-P FORWARD ACCEPT\n-A FORWARD -p udp -j DROP\n[exit 0]\n" % (T0 + 1), log)
        self.assertIn("$ iptables -D FORWARD 7\n", log)
        self.assertIn("net.ipv4.ip_forward = 1\n[exit 0]\n", log)
        self.assertEqual(self.summary("snapped")["packets"], 3)
        self.assertEqual(len(read_pcapng(self.path("snapped", "eth1.pcapng"))), 2)
        drops = {d["rule"]["file"] for d in self.summary()["drops"]}
        self.assertEqual(len(drops), 2)      # one rule typed, one of more.v4

    def test_snapshot_without_out(self):
        self.gateway()
        self.put("s", "%d snapshot here\n" % T0)
        self.run_weir("--script", "s")
        self.assertIn("summary.json", os.listdir(self.path("here")))


class Usage(WeirTest):
    def test_alone(self):
        text = self.weir().stdout
        self.assertEqual(len(text.split("\n")) - 1, 12)

    def test_words(self):
        self.assertRegex(self.weir("--version").stdout, r"^weir \d+\.\d+")
        self.assertIn('did you mean "weir run"', self.weir("rnu", code=2).stderr)
        self.assertIn("did you mean --conntrack", self.weir("run", "snap", "--contrack", "on", code=2).stderr)
        self.assertIn("--until takes seconds", self.weir("run", "snap", "--until", "noon", code=2).stderr)
        self.assertIn("SNAPSHOT", self.weir("run", code=2).stderr)
        self.weir("run", "--help")


if __name__ == "__main__":
    unittest.main()
