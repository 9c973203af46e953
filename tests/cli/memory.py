#!/usr/bin/env python3
"""A million packets of 50,000 connections through the sample rule set stay below 256 MiB, whatever is written.

The captures come from bench/capture.c. What the run finds in them is checked too: nothing may be INVALID, and the files
must hold what the summary counted.
"""
import json
import os
import resource
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.path.abspath(os.environ.get("WEIR", os.path.join(ROOT, "build/src/cli/weir")))
GENERATOR = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(WEIR))), "bench", "bench-capture")
LIMIT_KIB = 256 * 1024
PACKETS, CONNECTIONS = 1000000, 50000


class Memory(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-memory-")
        self.addCleanup(shutil.rmtree, self.dir)
        subprocess.run([GENERATOR, self.dir, str(PACKETS), str(CONNECTIONS)], check=True)

    def run_weir(self, *args):
        """(summary, peak RSS in KiB)"""
        ports = [a for port in ("lan0", "dmz0", "wan0") for a in ("-i", "%s=%s/%s.pcap" % (port, self.dir, port))]
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen([WEIR, "run", os.path.join(ROOT, "samples/edge"), "--conntrack", "on", "--format", "json", *ports, *args],
                                     stdout=out)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(child.returncode, 0)
            out.seek(0)
            return json.load(out), usage.ru_maxrss

    def test_million_packets(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        self.assertLess(before, LIMIT_KIB)
        summary, rss = self.run_weir()
        self.assertLess(rss, LIMIT_KIB)
        self.assertEqual(summary["packets"], PACKETS)
        written, rss_out = self.run_weir("--out", os.path.join(self.dir, "out"))
        self.assertLess(rss_out, LIMIT_KIB)
        self.assertEqual(written, summary)
        out = os.path.join(self.dir, "out")
        self.assertEqual(os.path.getsize(os.path.join(out, "invalid.txt")), 0)
        with open(os.path.join(out, "events.txt")) as f:
            new = sum("[NEW]" in line for line in f)
        self.assertEqual(new, summary["conntrack"]["new"])
        print("peak %d MiB, with --out %d MiB" % (rss // 1024, rss_out // 1024))


if __name__ == "__main__":
    unittest.main()
