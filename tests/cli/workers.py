#!/usr/bin/env python3
"""`weir run --workers N` writes the same bytes for every N: the sample's capture with NAT, local packets and a script that changes
rules, deletes connections and takes a snapshot meanwhile."""
import filecmp
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EDGE = os.path.join(HERE, "..", "..", "samples", "edge")
WEIR = os.environ.get("WEIR", os.path.join(HERE, "..", "..", "build", "src", "cli", "weir"))
SCRIPT = """1 iptables -I FORWARD -p udp -m limit --limit 2/s
1 conntrack -D -p udp
2 iptables -L FORWARD -v -n -x
3 conntrack -L
4 iptables -D FORWARD 1
"""


def files(top):
    return sorted(os.path.relpath(os.path.join(d, name), top) for d, _, names in os.walk(top) for name in names)


class Workers(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-workers-")
        self.addCleanup(shutil.rmtree, self.dir)

    def run_with(self, workers, *options):
        out = os.path.join(self.dir, "out%d" % workers)
        args = [WEIR, "run", EDGE, "--conntrack", "on", "--host", "echo", "--out", out, "--workers", str(workers), "--format", "json", *options]
        for port in ("lan0", "dmz0", "wan0"):
            args += ["-i", "%s=%s/%s.pcap" % (port, EDGE, port)]
        r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        return out, r.stdout

    def same(self, *options):
        one, said = self.run_with(1, *options)
        names = files(one)
        self.assertGreater(len([n for n in names if os.path.getsize(os.path.join(one, n))]), 8)
        for workers in (2, 3, 64):
            out, text = self.run_with(workers, *options)
            self.assertEqual(names, files(out))
            same, differ, errors = filecmp.cmpfiles(one, out, names, shallow=False)
            self.assertEqual((differ, errors), ([], []), "%d workers" % workers)
            self.assertEqual(re.sub(r"out\d+", "out", said), re.sub(r"out\d+", "out", text))
            shutil.rmtree(out)
        shutil.rmtree(one)

    def test_the_sample(self):
        self.same()

    def test_under_a_script(self):
        path = os.path.join(self.dir, "script")
        with open(EDGE + "/lan0.pcap", "rb") as f:
            begin = struct.unpack_from("=I", f.read(28), 24)[0]
        with open(path, "w", encoding="ascii") as f:
            for line in SCRIPT.splitlines():
                after, command = line.split(" ", 1)
                f.write("%d %s\n" % (begin + int(after), command))
        self.same("--script", path)

    def test_numbers(self):
        for bad in ("0", "65", "x", ""):
            r = subprocess.run([WEIR, "run", EDGE, "--workers", bad], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(r.returncode, 2, bad)
            self.assertIn("--workers takes a number from 1 to 64", r.stderr)


if __name__ == "__main__":
    unittest.main()
