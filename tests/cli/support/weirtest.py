"""What the tests of the command share: captures made by hand, a scratch directory, one way to call weir."""
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", ".."))
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build", "src", "cli", "weir"))
T0 = 1700000000
GATEWAY = "02:00:00:00:00:01"
HOST = "02:00:00:00:00:02"
NET_IP = """\
link add dev eth0 address 02:00:00:00:00:01
link add dev eth1 address 02:00:00:00:01:01
link set dev eth0 up
link set dev eth1 up
addr add 10.0.0.1/24 brd + dev eth0
addr add 10.1.0.1/24 brd + dev eth1
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 dev eth1 nud permanent
"""


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ip(src, dst, proto, body, ttl=64, total=None):
    a, b = socket.inet_aton(src), socket.inet_aton(dst)
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total or 20 + len(body), 1, 0, ttl, proto, 0, a, b)
    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + body


def udp(src, dst, sport, dport, data=b"hello", partial=False):
    body = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 17, len(body))
    s = checksum(pseudo + body) if not partial else ~checksum(pseudo) & 0xFFFF
    return ip(src, dst, 17, body[:6] + struct.pack("!H", s or 0xFFFF) + body[8:])


def echo(src, dst, number=1):
    body = struct.pack("!BBHHH", 8, 0, 0, 7, number) + b"x" * 20
    return ip(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def eth(payload, dst=GATEWAY, src=HOST, kind=0x0800):
    return bytes.fromhex(dst.replace(":", "")) + bytes.fromhex(src.replace(":", "")) + struct.pack("!H", kind) + payload


def pcap(packets, link=1, cut=None, order="="):
    """packets: (seconds after T0, bytes); cut: snaplen."""
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, cut or 262144, link)
    for when, data in packets:
        ns = round(when * 10**9)
        kept = data[:cut] if cut else data
        out += struct.pack(order + "IIII", T0 + ns // 10**9, ns % 10**9, len(kept), len(data)) + kept
    return out


def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(ifaces, packets):
    """ifaces: names; packets: (seconds after T0, number of interface, bytes)."""
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    for name in ifaces:
        n = name.encode()
        out += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH", 2, len(n)) + n + b"\0" * (-len(n) % 4) + struct.pack("<HH", 0, 0))
    for when, iface, data in packets:
        us = T0 * 10**6 + round(when * 10**6)
        out += block(6, struct.pack("<IIIII", iface, us >> 32, us & 0xFFFFFFFF, len(data), len(data)) + data)
    return out


def read_pcapng(path):
    """[(stamp ns, interface name, link type, bytes, comment)]"""
    with open(path, "rb") as f:
        data = f.read()
    at, out, ifaces = 0, [], []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 1:
            link = struct.unpack_from("<H", data, at + 8)[0]
            n = struct.unpack_from("<H", data, at + 18)[0]
            ifaces.append((data[at + 20:at + 20 + n].decode(), link))
        elif kind == 6:
            i, hi, lo, cap, _ = struct.unpack_from("<IIIII", data, at + 8)
            tail = data[at + 28 + (cap + 3 & ~3):at + length - 4]
            comment = tail[4:4 + struct.unpack_from("<H", tail, 2)[0]].decode() if tail else ""
            out.append(((hi << 32) | lo, ifaces[i][0], ifaces[i][1], data[at + 28:at + 28 + cap], comment))
        at += length
    return out


class WeirTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-cli-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        os.mkdir(self.path("snap"))

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def text(self, *parts):
        with open(self.path(*parts)) as f:
            return f.read()

    def gateway(self, v4="", v6="", net=NET_IP, sysctl="net.ipv4.ip_forward = 1\n"):
        self.put("snap/net.ip", net)
        self.put("snap/sysctl.conf", sysctl)
        if v4:
            self.put("snap/rules.v4", v4)
        if v6:
            self.put("snap/rules.v6", v6)

    def weir(self, *args, code=0):
        r = subprocess.run([WEIR, *args], capture_output=True, text=True, timeout=60, cwd=self.dir)
        self.assertEqual(r.returncode, code, "weir %s\n%s%s" % (" ".join(args), r.stdout, r.stderr))
        return r

    def run_weir(self, *args, code=0):
        return self.weir("run", "snap", *args, code=code)

    def summary(self, *parts):
        with open(self.path(*(parts or ("out",)), "summary.json")) as f:
            return json.load(f)

    def refused(self, says, *args):
        """Exit 3, this sentence on stderr, nothing on stdout, and no output directory."""
        r = self.run_weir(*args, "--out", "out", code=3)
        self.assertIn(says, r.stderr)
        self.assertEqual(r.stdout, "")
        self.assertEqual([x for x in os.listdir(self.dir) if x.startswith("out")], [])
        return r.stderr
