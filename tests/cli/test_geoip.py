"""-m geoip and -m asn on MaxMind databases that this file writes itself, byte by byte; and what becomes of bent ones."""
import ipaddress
import os
import random
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from weirtest import WEIR, WeirTest, eth, ip, pcap, udp

MARKER = b"\xab\xcd\xefMaxMind.com"


def head(kind, size):
    first = (kind << 5 if kind <= 7 else 0)
    extended = b"" if kind <= 7 else bytes([kind - 7])
    return bytes([first | size]) + extended if size < 29 else bytes([first | 29]) + extended + bytes([size - 29])


def encode(x):
    """The format's own encoding: maps, texts, lists, and numbers as (bits, value)."""
    if isinstance(x, dict):
        return head(7, len(x)) + b"".join(encode(k) + encode(v) for k, v in x.items())
    if isinstance(x, str):
        return head(2, len(x.encode())) + x.encode()
    if isinstance(x, list):
        return head(11, len(x)) + b"".join(encode(v) for v in x)
    bits, value = x
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return head({16: 5, 32: 6, 64: 9}[bits], len(data)) + data


def mmdb(version, networks, record_size=24):
    """networks: {"10.0.0.0/8": record}; in a tree for IPv6 those of IPv4 stand below 96 zero bits."""
    nodes, data, at = [[None, None]], b"", {}
    for text, record in networks.items():
        net = ipaddress.ip_network(text)
        width = 128 if version == 6 else 32
        bits = format(int(net.network_address), "0%db" % width)[:net.prefixlen + (96 if version == 6 and net.version == 4 else 0)]
        blob = encode(record)
        if blob not in at:
            at[blob] = len(data)
            data += blob
        node = 0
        for bit in bits[:-1]:
            if nodes[node][int(bit)] is None:
                nodes.append([None, None])
                nodes[node][int(bit)] = len(nodes) - 1
            node = nodes[node][int(bit)]
        nodes[node][int(bits[-1])] = ("data", at[blob])
    number = lambda x: len(nodes) if x is None else x if isinstance(x, int) else len(nodes) + 16 + x[1]
    tree = b""
    for left, right in nodes:
        a, b = number(left), number(right)
        if record_size == 24:
            tree += a.to_bytes(3, "big") + b.to_bytes(3, "big")
        elif record_size == 28:
            tree += (a & 0xffffff).to_bytes(3, "big") + bytes([a >> 24 << 4 | b >> 24]) + (b & 0xffffff).to_bytes(3, "big")
        else:
            tree += struct.pack("!II", a, b)
    about = {"node_count": (32, len(nodes)), "record_size": (16, record_size), "ip_version": (16, version), "database_type": "Test", "languages": ["en"],
             "binary_format_major_version": (16, 2), "binary_format_minor_version": (16, 0), "build_epoch": (64, 1700000000), "description": {"en": "test"}}
    return tree + bytes(16) + data + MARKER + encode(about)


def country(code, registered=None):
    out = {"country": {"iso_code": code, "geoname_id": (32, 7)}} if code else {}
    return dict(out, registered_country={"iso_code": registered}) if registered else out


NETWORKS = {"10.0.0.0/30": country("DE"), "10.0.0.4/30": country("DE"), "10.0.0.8/29": country("FR"), "10.0.0.128/25": country(None, "DE"),
            "192.0.2.0/24": country("US"), "2001:db8::/32": country("DE"), "2001:db9::/33": country("FR")}
NUMBERS = {"10.0.0.0/29": {"autonomous_system_number": (32, 64512), "autonomous_system_organization": "one"}, "10.0.0.64/26": {"autonomous_system_number": (32, 12)}}


class Geo(WeirTest):
    def setUp(self):
        super().setUp()
        if "built without libmaxminddb" in self.check(["-m geoip --src-cc DE"], self.path("none.mmdb")).stderr:
            self.skipTest("this weir was built without libmaxminddb")

    def rules(self, *matches):
        return "*filter\n" + "".join("-A FORWARD %s\n" % m for m in matches) + "COMMIT\n"

    def put_bytes(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def hits(self):
        return [int(line.split(":")[0][1:]) for line in self.text("out", "rules.v4").split("\n") if line.startswith("[") and "-A FORWARD" in line]

    def test_countries_and_networks(self):
        sources = ["10.0.0.2", "10.0.0.5", "10.0.0.9", "10.0.0.70", "10.0.0.130", "10.0.0.255"]
        for version, size in ((4, 24), (6, 24), (4, 28), (6, 32)):
            self.put_bytes("c.mmdb", mmdb(version, {k: v for k, v in NETWORKS.items() if version == 6 or ":" not in k}, size))
            self.put_bytes("n.mmdb", mmdb(version, NUMBERS, size))
            self.gateway(self.rules("-m geoip --src-cc DE", "-m geoip --src-cc FR,US", "-m geoip ! --src-cc de", "-m asn --src-asn 64512", "-m asn --src-asn 12"))
            with open(self.path("snap", "sysctl.conf"), "a", encoding="utf-8") as f:
                f.write("\nnet.weir.geoip_dir = %s\nnet.weir.asn_dir = %s\n" % (self.path("c.mmdb"), self.path("n.mmdb")))
            self.put("in0.pcap", pcap([(i / 10, eth(udp(s, "10.1.0.2", 1000, 53))) for i, s in enumerate(sources)]))
            self.run_weir("-i", "eth0=in0.pcap", "--out", "out")
            self.assertEqual(self.hits(), [4, 1, 2, 2, 1], (version, size))

    def check(self, matches, path, family="-4"):
        snap = self.path("geo")
        os.makedirs(snap, exist_ok=True)
        with open(snap + "/sysctl.conf", "w", encoding="utf-8") as f:
            f.write("net.weir.geoip_dir = %s\n" % path)
        for name in ("rules.v4", "rules.v6"):
            if os.path.exists(snap + "/" + name):
                os.remove(snap + "/" + name)
        with open(snap + ("/rules.v4" if family == "-4" else "/rules.v6"), "w", encoding="utf-8") as f:
            f.write(self.rules(*matches))
        return subprocess.run([WEIR, "check", "--format", "gcc", snap], capture_output=True, text=True, errors="replace", timeout=60)

    def test_refusals(self):
        self.put_bytes("c.mmdb", mmdb(4, {"10.0.0.0/8": country("DE")}))
        self.assertEqual(self.check(["-m geoip --src-cc DE"], self.path("c.mmdb")).returncode, 0)
        self.assertIn("has no IPv4 addresses of FR", self.check(["-m geoip --src-cc FR"], self.path("c.mmdb")).stderr)
        self.assertIn("has no IPv6 addresses of DE", self.check(["-m geoip --src-cc DE"], self.path("c.mmdb"), "-6").stderr)
        self.assertEqual(self.check(["-m geoip --src-cc DE"], self.path("none.mmdb")).returncode, 3)
        self.put_bytes("noise.mmdb", bytes(range(256)) * 40)
        self.assertIn("noise.mmdb", self.check(["-m geoip --src-cc DE"], self.path("noise.mmdb")).stderr)
        circle = bytearray(mmdb(4, {"10.0.0.0/8": country("DE")}))
        circle[0:6] = bytes(6)      # both ways lead back to the root
        self.put_bytes("circle.mmdb", bytes(circle))
        self.assertIn("is damaged", self.check(["-m geoip --src-cc DE"], self.path("circle.mmdb")).stderr)
        circle = bytearray(mmdb(6, NETWORKS))
        for node in range(100):     # ever so many ways to few nodes
            circle[6 * node:6 * node + 6] = (node + 1).to_bytes(3, "big") * 2
        self.put_bytes("wide.mmdb", bytes(circle))
        self.assertIn("is damaged", self.check(["-m geoip --src-cc DE"], self.path("wide.mmdb"), "-6").stderr)

    def test_bent_files(self):
        whole, rng, codes = mmdb(6, NETWORKS), random.Random(1), set()
        for i in range(150):
            bent = bytearray(whole)
            kind = i % 3
            if kind == 0:
                bent = bent[:rng.randrange(len(bent))]
            for _ in range(rng.randrange(1, 6) if kind else 0):
                bent[rng.randrange(len(bent) - 250 if kind == 1 else 0, len(bent))] = rng.randrange(256)
            self.put_bytes("bent.mmdb", bytes(bent))
            done = self.check(["-m geoip --src-cc DE", "-m geoip --dst-cc US"], self.path("bent.mmdb"), rng.choice(("-4", "-6")))
            self.assertIn(done.returncode, (0, 3), done.stderr)
            codes.add(done.returncode)
        self.assertEqual(codes, {0, 3})


if __name__ == "__main__":
    unittest.main()
