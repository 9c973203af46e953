#!/usr/bin/env python3
"""The sample's capture through weir, held against what the real kernel sent out when it was recorded (samples/edge/kernel).

Left out on both sides: what a host or a link chatters by itself (ARP and ND requests, MLD reports, the RST of a closed port), and
the ids of packets that the router makes, which are random in the kernel (docs/differences.md).
"""
import collections
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
EDGE = os.path.join(HERE, "..", "..", "samples", "edge")
sys.path.insert(0, os.path.join(HERE, "..", "kernel"))
os.environ.setdefault("WEIR", os.path.join(HERE, "..", "..", "build", "src", "cli", "weir"))

from packets import l4_of, show  # noqa: E402
from weir import read_pcapng  # noqa: E402


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    at, out = 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("=I", data, at + 8)[0]
        out.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return out


def chatter(frame):
    p = frame[14:]
    if frame[12:14] == b"\x08\x06":
        return True
    proto, at, _, _ = l4_of(p)
    if proto == 58 and p[at] in (133, 135, 136, 143):
        return True
    return proto == 6 and p[at + 13] & 4 and p[12:16] == bytes((192, 168, 7, 1))


def canonical(frame):
    """Without the random id of a made packet (ICMP from the router itself) and the flow label of a made ICMPv6 one."""
    p = frame[14:]
    proto, at, _, _ = l4_of(p)
    if p[0] >> 4 == 4 and proto == 1 and p[at] in (0, 3, 11):
        return frame[:18] + b"\0\0" + frame[20:24] + b"\0\0" + frame[26:]
    if p[0] >> 4 == 6 and proto == 58 and p[at] < 128:
        return frame[:14] + b"\x60\0\0\0" + frame[18:]
    return frame


class Edge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="weir-edge-")
        args = [os.environ["WEIR"], "run", EDGE, "--conntrack", "on", "--host", "echo", "--out", cls.dir + "/out"]
        for port in ("lan0", "dmz0", "wan0"):
            args += ["-i", "%s=%s/%s.pcap" % (port, EDGE, port)]
        cls.run_result = subprocess.run(args, capture_output=True, text=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def test_exit_code(self):
        self.assertEqual(self.run_result.returncode, 0, self.run_result.stderr)

    def test_frames_are_the_kernels(self):
        for port in ("lan0", "dmz0", "wan0"):
            kernel = collections.Counter(canonical(x) for x in read_pcap("%s/kernel/%s.pcap" % (EDGE, port)) if not chatter(x))
            weir = collections.Counter(canonical(x[2]) for x in read_pcapng("%s/out/%s.pcapng" % (self.dir, port)) if not chatter(x[2]))
            self.assertGreater(sum(kernel.values()), 50)
            self.assertEqual([show(x) for x in kernel - weir], [], "only the kernel sent by " + port)
            self.assertEqual([show(x) for x in weir - kernel], [], "only weir sent by " + port)

    def test_rule_counters_are_the_kernels(self):
        for name in ("rules.v4", "rules.v6"):
            with open("%s/kernel/%s" % (EDGE, name)) as f:
                kernel = [x for x in f.read().split("\n") if x.startswith("[")]
            with open("%s/out/%s" % (self.dir, name)) as f:
                weir = [x for x in f.read().split("\n") if x.startswith("[")]
            # router solicitations were counted by the kernel before the recording began
            drop = "--icmpv6-type 133 "
            self.assertEqual([x for x in kernel if drop not in x], [x for x in weir if drop not in x])


if __name__ == "__main__":
    unittest.main()
