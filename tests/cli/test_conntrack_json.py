#!/usr/bin/env python3
"""`conntrack -o json`, which upstream lacks: each line is one object that says what the line of the usual output says."""
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "kernel"))
sys.path.insert(0, HERE)
from case import Do  # noqa: E402
from cases.helper_ftp import HELP, Talk  # noqa: E402
from test_helper_settings import run  # noqa: E402


class Json(unittest.TestCase):
    def ask(self, words):
        items = Talk().say(b"USER x\r\n").say(b"PORT 10,0,0,2,4,1\r\n").items + [Do("conntrack " + words)]
        return run(items, HELP).said[len(items) - 1]

    def test_expectations(self):
        rows = [json.loads(line) for line in self.ask("-L expect -o json").splitlines() if line.startswith("{")]
        self.assertEqual(len(rows), 1)
        exp, text = rows[0], self.ask("-L expect")
        self.assertEqual((exp["family"], exp["protocol"], exp["class"], exp["helper"], exp["permanent"]), ("ipv4", "tcp", 0, "ftp", False))
        for prefix, which in (("", "expected"), ("mask-", "mask"), ("master-", "master")):
            half = exp[which]
            self.assertIn("%ssrc=%s %sdst=%s sport=%d dport=%d " % (prefix, half["src"], prefix, half["dst"], half["sport"], half["dport"]), text)
        self.assertTrue(text.startswith("%d proto=6 " % exp["timeout"]), text)

    def test_connections(self):
        rows = [json.loads(line) for line in self.ask("-L -o json").splitlines() if line.startswith("{")]
        self.assertEqual([(r["protocol"], r["state"], r["helper"], r["assured"], r["original"]["dport"], r["reply"]["sport"]) for r in rows],
                         [("tcp", "ESTABLISHED", "ftp", True, 21, 21)])


if __name__ == "__main__":
    unittest.main()
