"""weir iptables on a kept instance, and weir check."""
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from weirtest import NET_IP, WEIR


class Kept(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-test-")
        self.env = dict(os.environ, WEIR_INSTANCE=self.dir + "/instance")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def run_as(self, name, *words, code=0, stdin=""):
        """Through a symlink of that name, as scripts call it."""
        link = os.path.join(self.dir, name)
        if not os.path.islink(link):
            os.symlink(os.path.abspath(WEIR), link)
        done = subprocess.run([link, *words], capture_output=True, text=True, input=stdin, env=self.env, timeout=60)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done

    def test_rules_stay(self):
        self.run_as("iptables", "-N", "web")
        self.run_as("iptables-legacy", "-A", "web", "-p", "tcp", "--dport", "80", "-j", "ACCEPT")
        self.run_as("iptables", "-A", "INPUT", "-j", "web")
        self.run_as("ip6tables", "-P", "FORWARD", "DROP")
        self.assertEqual(self.run_as("iptables", "-S").stdout, "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n-N web\n"
                         "-A INPUT -j web\n-A web -p tcp -m tcp --dport 80 -j ACCEPT\n")
        self.assertIn(":FORWARD DROP [0:0]", self.run_as("ip6tables-legacy-save").stdout)
        saved = self.run_as("iptables-save", "-c").stdout
        self.run_as("iptables-restore", "-c", stdin=saved)
        self.assertEqual([l for l in self.run_as("iptables-save", "-c").stdout.split("\n") if l[:1] != "#"], [l for l in saved.split("\n") if l[:1] != "#"])

    def test_instances_are_apart(self):
        self.run_as("iptables", "-A", "INPUT", "-j", "DROP")
        other = self.run_as("iptables", "--instance", self.dir + "/other", "-S").stdout
        self.assertNotIn("DROP", other)
        self.assertEqual(oct(os.stat(self.dir + "/instance").st_mode & 0o777), "0o700")

    def test_what_iptables_says_comes_first(self):
        err = self.run_as("iptables", "-A", "INPUT", "-m", "conntrak", code=2).stderr.split("\n")
        self.assertEqual(err[0], "iptables v1.8.9 (legacy): Couldn't load match `conntrak':No such file or directory")
        self.assertEqual(err[2], "  " + " " * len("iptables -A INPUT -m ") + "^~~~~~~~")
        self.assertIn("did you mean 'conntrack'?", err[3])
        self.assertEqual(err[4], "Try `iptables -h' or 'iptables --help' for more information.")
        self.assertEqual(self.run_as("iptables", "-D", "INPUT", "-j", "DROP", code=1).stderr,
                         "iptables: Bad rule (does a matching rule exist in that chain?).\n")
        err = self.run_as("iptables-restore", stdin="*filter\n-A INPUT -j NOWHERE\nCOMMIT\n", code=2).stderr
        self.assertIn("\nError occurred at line: 2\n", err)
        self.assertIn("iptables-restore: line 2 failed\n", err)

    def test_names_are_looked_up_when_asked(self):
        """localhost stands in /etc/hosts: no resolver is needed."""
        err = self.run_as("iptables", "-A", "INPUT", "-s", "localhost", code=2).stderr.split("\n")
        self.assertEqual(err[0], "iptables v1.8.9 (legacy): host/network `localhost' not found")
        self.assertIn("--resolve", err[3])
        self.run_as("iptables", "--resolve", "-A", "INPUT", "-s", "localhost,10.0.0.1", "-j", "DROP")
        self.run_as("iptables", "--instance", self.dir + "/instance", "--resolve", "-A", "INPUT", "-d", "localhost/8")
        self.run_as("iptables-restore", "--resolve", "--noflush", stdin="*filter\n-A INPUT ! -s localhost\nCOMMIT\n")
        self.assertIn("not found", self.run_as("iptables", "--resolve", "-A", "INPUT", "-s", "no..name", code=2).stderr)
        self.assertEqual(self.run_as("iptables", "-S", "INPUT").stdout, "-P INPUT ACCEPT\n-A INPUT -s 127.0.0.1/32 -j DROP\n"
                         "-A INPUT -s 10.0.0.1/32 -j DROP\n-A INPUT -d 127.0.0.0/8\n-A INPUT ! -s 127.0.0.1/32\n")

    def test_what_was_meant(self):
        for words, code, meant in ((("-A", "INPT", "-j", "DROP"), 1, "'INPUT'"), (("-L", "FORWRAD"), 1, "'FORWARD'"),
                                   (("-t", "mangel", "-L"), 3, "'mangle'"), (("-A", "INPUT", "-p", "tpc"), 2, '"tcp"'),
                                   (("-A", "INPUT", "-p", "tcp", "--dprot", "1"), 2, '"--dport"'), (("-A", "INPUT", "-j", "DORP"), 2, "'DROP'")):
            err = self.run_as("iptables", *words, code=code).stderr
            self.assertIn("did you mean %s?" % meant, err)
            self.assertNotIn("did you mean", err.split("\n")[0])

    def test_warnings(self):
        """What iptables says beside, it goes on."""
        self.assertEqual(self.run_as("iptables", "-A", "INPUT", "-i", "a/b").stderr,
                         "Warning: weird character in interface `a/b' ('/' and ' ' are not allowed by the kernel).\n")
        self.assertEqual(self.run_as("ip6tables", "-A", "INPUT", "-p", "ah").stderr,
                         "Warning: never matched protocol: ah. use extension match instead.\n")
        self.assertEqual(self.run_as("ip6tables", "-A", "INPUT", "!", "-p", "ah").stderr, "")
        self.assertEqual(self.run_as("iptables", "-w", "1", "-W", "1000", "-A", "INPUT").stderr, "Ignoring deprecated --wait-interval option.\n")

    def test_lock(self):
        self.run_as("iptables", "-S")
        with open(self.dir + "/instance/lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("Perhaps you want to use the -w option?", self.run_as("iptables", "-A", "INPUT", code=4).stderr)
            self.assertIn("Stopped waiting after 1s", self.run_as("iptables", "-w1", "-A", "INPUT", code=4).stderr)
            threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
            self.run_as("iptables", "-w", "-A", "INPUT")
        self.assertIn("-A INPUT\n", self.run_as("iptables", "-S").stdout)

    def test_many_at_once(self):
        """Commands side by side: every rule arrives, none twice."""
        link = os.path.join(self.dir, "iptables")
        self.run_as("iptables", "-S")
        children = [subprocess.Popen([link, "-w", "-A", "INPUT", "-s", "10.0.0.%d" % i, "-j", "DROP"], env=self.env) for i in range(40)]
        self.assertEqual([c.wait() for c in children], [0] * 40)
        self.assertEqual(len(set(l for l in self.run_as("iptables", "-S").stdout.split("\n") if "10.0.0." in l)), 40)

    def test_killed_writer(self):
        """What is left of a write that did not end is dropped by the next command."""
        self.run_as("iptables", "-A", "INPUT", "-s", "10.0.0.1")
        with open(self.dir + "/instance/ip4/filter", "ab") as f:
            f.write(b"wlog" + b"\x40\0\0\0" + b"x" * 50)
        self.run_as("iptables", "-A", "INPUT", "-s", "10.0.0.2")
        self.assertEqual(self.run_as("iptables", "-S", "INPUT").stdout, "-P INPUT ACCEPT\n-A INPUT -s 10.0.0.1/32\n-A INPUT -s 10.0.0.2/32\n")

    def test_json(self):
        self.run_as("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-m", "comment", "--comment", 'a "b" \u00e9', "-j", "ACCEPT")
        told = json.loads(self.run_as("iptables", "-J", "-L", "INPUT").stdout)
        rule = told["chains"][0]["rules"][0]
        self.assertEqual((told["schema"], told["table"], rule["target"], rule["protocol"], rule["matches"]), (1, "filter", "ACCEPT", "tcp", ["tcp", "comment"]))


class Check(unittest.TestCase):
    RULES = "*filter\n:a - [0:0]\n-A INPUT -m tpc\n-A INPUT -j NO\n-A a -j NO\n-A INPUT -j a\n-A a -p udp -j a\nCOMMIT\n*nat\n-A PREROUTING -j MASQUERADE\n-A PREROUTING -j REJECT\nCOMMIT\n"

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-test-")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def check(self, *words, code=3, stdin=None):
        done = subprocess.run([WEIR, "check", *words], capture_output=True, text=True, input=stdin, cwd=self.dir, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def put(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
            f.write(text)

    def test_all_at_once(self):
        self.put("r", self.RULES)
        err = self.check("--format", "gcc", "r").stderr
        self.assertEqual([l.split(": error: ")[0] for l in err.strip().split("\n")], ["r:3:13", "r:4:13", "r:5:9", "r:7:16", "r:10:18", "r:11:18"])
        for part in ("did you mean 'tcp'?", "closes a loop: a -> a", "MASQUERADE: used from PREROUTING", "REJECT: only valid in the filter table"):
            self.assertIn(part, err)
        self.assertIn("unknown target or chain 'NO' (and on 1 more line)", self.check("r").stderr)
        self.assertIn("5 errors in 1 file", self.check("r").stderr)
        self.assertEqual(self.check("-", stdin="*filter\n-A INPUT -j DROP\nCOMMIT\n", code=0).stderr, "")

    def test_at_the_word(self):
        """What is known only when the table is whole is said at its word, too: loops, and what extensions refuse."""
        self.put("w", """*filter
:a - [0:0]
:b - [0:0]
-A INPUT -p tcp --dport 22 -j a
-A a -s 1.1.1.1 -j b
-A b -g a
[1:2] -A FORWARD -p udp -m owner --uid-owner 5 -j ACCEPT
-A OUTPUT -j MASQUERADE
-A FORWARD -m rateest --rateest q --rateest-gt --rateest-bps 8bit -j DROP
-A FORWARD -p udp -j REJECT --reject-with tcp-reset
-A FORWARD -m string --string x
-A OUTPUT -p tcp -m state --state NEW -j SYNPROXY --mss 5
-A INPUT -j TCPMSS --set-mss 5
COMMIT
""")
        err = self.check("--format", "gcc", "w").stderr
        self.assertEqual([l.split(": error: ")[0] for l in err.strip().split("\n")],
                         ["w:6:9", "w:7:28", "w:8:14", "w:9:15", "w:10:29", "w:11:15", "w:12:42", "w:13:13"])
        regions = [x["locations"][0]["physicalLocation"]["region"] for x in json.loads(self.check("--format", "sarif", "w").stdout)["runs"][0]["results"]]
        self.assertEqual(regions[2], {"startLine": 8, "startColumn": 14, "endColumn": 24})

    def test_forms(self):
        self.put("r", self.RULES)
        self.assertIn("::error file=r,line=3,col=13::unknown match 'tpc'", self.check("--format", "github", "r").stdout)
        self.assertEqual(len(json.loads(self.check("--format", "json", "r").stdout)["errors"]), 6)
        sarif = json.loads(self.check("--format", "sarif", "r").stdout)
        self.assertEqual(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"], {"startLine": 3, "startColumn": 13, "endColumn": 16})
        self.check("--format", "xml", "r", code=2)
        self.check(code=2)

    def test_family(self):
        self.put("a.v6", "*filter\n-A INPUT -s 2001:db8::1 -j DROP\nCOMMIT\n")
        self.put("b", "*filter\n-A INPUT -s 2001:db8::1 -j DROP\nCOMMIT\n")
        self.check("a.v6", "b", code=0)
        self.check("-4", "b")

    def test_snapshot(self):
        os.mkdir(self.dir + "/fw")
        self.put("fw/net.ip", NET_IP + "addr add 10.0.0.999/24 dev eth0\nroute ad 1.2.3.4\n")
        self.put("fw/sysctl.conf", "net.ipv4.ip_forward = 1\nnet.ipv4.nosuch = 1\nnet.ipv4.ip_forward\n")
        self.put("fw/rules.v4", self.RULES)
        self.put("fw/rules.v6", "*filter\n-A INPUT -p icmp -j NO\nCOMMIT\n")
        err = self.check("--format", "gcc", "fw").stderr
        for place in ("fw/net.ip:9:", "fw/net.ip:10:", "fw/sysctl.conf:2:", "fw/sysctl.conf:3:", "fw/rules.v4:11:", "fw/rules.v6:2:"):
            self.assertIn(place, err)


if __name__ == "__main__":
    unittest.main()
