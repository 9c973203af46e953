#!/usr/bin/env python3
"""A flood of ten million packets against the limits: bench/limits.c holds connections, expectations and memory against what is allowed, and
ends with 1 when one does not hold; what it says of itself is looked at, too."""
import json
import os
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.path.abspath(os.environ.get("WEIR", os.path.join(ROOT, "build/src/cli/weir")))
FLOOD = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(WEIR))), "bench", "bench-limits")


class Limits(unittest.TestCase):
    def test_flood(self):
        r = subprocess.run([FLOOD, "--packets", "10000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 0, r.stderr[-2000:])
        rows = {row["row"]: row["median"] for row in map(json.loads, r.stdout.splitlines())}
        self.assertGreaterEqual(rows["limits_packets"], 10000000)
        self.assertEqual(rows["limits_expectations"], 4096)
        self.assertEqual(rows["limits_connections"], 40000)
        self.assertGreater(rows["limits_expected"], 100000)
        self.assertLess(rows["limits_heap_growth"], 1)


if __name__ == "__main__":
    unittest.main()
