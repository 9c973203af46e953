#!/usr/bin/env python3
"""Ports that need no network of the host: dgram: as QEMU's "-netdev dgram" speaks it, pcap: a capture played as fast as it was recorded.
Ends with "N passed, N failed, N skipped"."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT + "/tests/kernel")
from packets import ip, udp  # noqa: E402
from tally import check, done  # noqa: E402
from weir import read_pcapng, write_pcap  # noqa: E402

WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
NET = """link add eth0 address 02:00:00:00:00:01 type veth
link add eth1 address 02:00:00:00:01:01 type veth
addr add 10.0.0.1/24 dev eth0
addr add 10.1.0.1/24 dev eth1
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
neigh add 10.1.0.2 lladdr 02:00:00:00:01:02 dev eth1 nud permanent
link set eth0 up
link set eth1 up
"""
RULES = "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.1.0.1\nCOMMIT\n*filter\n:FORWARD DROP\n-A FORWARD -p udp -j ACCEPT\nCOMMIT\n"


class Daemon:
    def __init__(self, where, *options):
        self.where = where
        os.makedirs(where + "/snap", exist_ok=True)
        for name, text in (("net.ip", NET), ("rules.v4", RULES), ("sysctl.conf", "net.ipv4.ip_forward = 1\n")):
            with open("%s/snap/%s" % (where, name), "w", encoding="utf-8") as f:
                f.write(text)
        self.began = time.monotonic()
        self.p = subprocess.Popen([WEIR, "daemon", where + "/snap", "--socket", where + "/s", *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(where + "/s") and self.p.poll() is None and time.monotonic() < self.began + 20:
            time.sleep(0.01)

    def rules(self):
        return subprocess.run([WEIR, "exec", "--socket", self.where + "/s", "--", "iptables-legacy-save", "-c"], capture_output=True, text=True, check=False).stdout

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            said = self.p.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.p.kill()
            said = self.p.communicate()[1]
        return self.p.returncode, said


def frame(src, dst, n, size=0, net=0):
    body = struct.pack("!I", n) + bytes(size)
    at = "02000000%02x01" % net, "02000000%02x02" % net
    return bytes.fromhex(at[0] + at[1] + "0800") + udp(5000, 53, body)(ip(src, dst))


def numbers(frames):
    return [struct.unpack("!I", f[42:46])[0] for f in frames]


def dgram():
    with tempfile.TemporaryDirectory(prefix="weir-ports-") as where:
        here, socks = {}, {}
        for side in ("a", "b"):
            here[side] = "dgram:%s/%s.weir,%s/%s.vm" % (where, side, where, side)
            socks[side] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            socks[side].bind("%s/%s.vm" % (where, side))
            socks[side].settimeout(5)
        d = Daemon(where, "--port", "eth0=" + here["a"], "--port", "eth1=" + here["b"])
        got, count = [], 2000
        for n in range(count):
            socks["a"].sendto(frame("10.0.0.2", "10.1.0.2", n, n % 1400), where + "/a.weir")
            if n % 8 == 7:
                got += [socks["b"].recv(70000) for _ in range(8)]
        check("dgram: every datagram's frame goes on, in order", numbers(got) == list(range(count)), numbers(got)[:20])
        check("dgram: routed and translated", all(f[:12].hex() == "020000000102020000000101" and f[22] == 63 and f[26:30] == bytes((10, 1, 0, 1)) for f in got), got[0].hex())
        check("dgram: their lengths stay", [len(f) for f in got] == [46 + n % 1400 for n in range(count)])
        answer = bytearray(frame("10.1.0.2", "10.1.0.1", 7, net=1))
        answer[34:38] = struct.pack("!HH", 53, 5000)
        answer[40:42] = b"\0\0"
        socks["b"].sendto(bytes(answer), where + "/b.weir")
        back = socks["a"].recv(70000)
        check("dgram: an answer comes back to who asked", back[30:34] == bytes((10, 0, 0, 2)) and numbers([back]) == [7], back.hex())
        socks["b"].close()      # the peer is gone: its frames are lost, nothing else is
        os.unlink(where + "/b.vm")
        for n in range(50):
            socks["a"].sendto(frame("10.0.0.2", "10.1.0.2", n), where + "/a.weir")
        time.sleep(0.3)
        socks["b"] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        socks["b"].bind(where + "/b.vm")
        socks["b"].settimeout(5)
        socks["a"].sendto(b"", where + "/a.weir")
        socks["a"].sendto(b"short", where + "/a.weir")
        socks["a"].sendto(frame("10.0.0.2", "10.1.0.2", 99), where + "/a.weir")
        check("dgram: a peer may come back", numbers([socks["b"].recv(70000)]) == [99])
        new = Daemon(where, "--takeover", "--port", "eth0=" + here["a"], "--port", "eth1=" + here["b"])
        time.sleep(0.5)
        said = d.p.communicate(timeout=20)[1]
        check("dgram: another daemon takes over", d.p.returncode == 0 and new.p.poll() is None, said)
        socks["a"].sendto(frame("10.0.0.2", "10.1.0.2", 100), where + "/a.weir")
        check("dgram: and serves the same sockets", numbers([socks["b"].recv(70000)]) == [100])
        code, said = new.stop()
        check("dgram: an orderly stop takes the sockets away", code == 0 and not os.path.exists(where + "/a.weir"), said)
        r = subprocess.run([WEIR, "daemon", where + "/snap", "--socket", where + "/s", "--port", "eth0=dgram:" + where + "/x"], capture_output=True, text=True, timeout=20)
        check("dgram: one path is not enough", r.returncode == 2 or r.returncode == 3 and "dgram:OWN,PEER" in r.stderr, r.stderr)


def files_stay():
    with tempfile.TemporaryDirectory(prefix="weir-ports-") as where:
        kept = where + "/kept"
        with open(kept, "w", encoding="utf-8") as f:
            f.write("mine")
        Daemon(where).stop()
        for name, words in (("unix", ("--socket", where + "/s", "--port", "eth0=unix:" + kept)), ("dgram", ("--socket", where + "/s", "--port", "eth0=dgram:%s,%s/vm" % (kept, where))),
                            ("the daemon's own", ("--socket", kept))):
            r = subprocess.run([WEIR, "daemon", where + "/snap", *words], capture_output=True, text=True, timeout=20, check=False)
            with open(kept, encoding="utf-8") as f:
                check(name + ": a file where a socket should be stays", r.returncode == 3 and kept + ": File exists" in r.stderr and f.read() == "mine", r.stderr)


def pcap():
    start = 1_700_000_000 * 10 ** 9
    with tempfile.TemporaryDirectory(prefix="weir-ports-") as where:
        gaps = [0, 10, 200, 200, 50, 400, 0, 0, 300, 5]
        at, sent = start, []
        for n, gap in enumerate(gaps):
            at += gap * 10 ** 6
            sent.append((at, frame("10.0.0.2", "10.1.0.2", n)))
        answer = bytearray(frame("10.1.0.2", "10.1.0.1", 77, net=1))
        answer[34:38] = struct.pack("!HH", 53, 5000)
        answer[40:42] = b"\0\0"
        write_pcap(where + "/lan.pcap", 1, sent)
        write_pcap(where + "/wan.pcap", 1, [(start + 100 * 10 ** 6, bytes(answer)), (start + 600 * 10 ** 6, bytes(answer))])
        for mode in ((), ("--workers", "2")):
            d = Daemon(where, "--port", "eth0=pcap:%s/lan.pcap,%s/lan.out" % (where, where), "--port", "eth1=pcap:%s/wan.pcap,%s/wan.out" % (where, where), *mode)
            time.sleep(1.6)
            text = d.rules()
            code, said = d.stop()
            name = "pcap" + " ".join(("",) + mode)
            check(name + ": an orderly stop", code == 0, said)
            wan, lan = ([(stamp, data) for stamp, _, data, _ in read_pcapng("%s/%s.out" % (where, side))] for side in ("wan", "lan"))
            check(name + ": every frame of the capture goes on, in order", numbers([f for _, f in wan]) == list(range(len(gaps))), len(wan))
            check(name + ": translated", all(f[26:30] == bytes((10, 1, 0, 1)) for _, f in wan))
            late = [(now - wan[0][0]) / 1e6 - (then - sent[0][0]) / 1e6 for (now, _), (then, _) in zip(wan, sent)]
            check(name + ": as fast as it was recorded", all(-30 < x < 500 for x in late), late)
            check(name + ": answers of another capture come between their questions", [f[30:34] for _, f in lan] == [bytes((10, 0, 0, 2))] * 2, [f.hex() for _, f in lan])
            check(name + ": what weir counted", re.search(r"\[12:\d+\] -A FORWARD -p udp -j ACCEPT", text) is not None, text)
        with open(where + "/lan.pcap", "ab") as f:
            f.write(b"\0\0\0")
        for name, spec, words in (("cut", where + "/lan.pcap", None), ("no capture", where + "/snap/net.ip", "neither pcap nor pcapng"), ("none", where + "/absent", "absent"),
                                  ("nothing", ",", "pcap:IN,OUT"), ("raw", where + "/raw.pcap", "no Ethernet header")):
            write_pcap(where + "/raw.pcap", 101, [(start, b"\x45" + bytes(27))])
            d = Daemon(where, "--port", "eth0=pcap:" + spec)
            if words:
                code, said = d.p.wait(20), d.p.stderr.read()
                check("pcap: %s is refused" % name, code == 3 and words in said, said)
            else:
                time.sleep(1.6)
                code, said = d.stop()
                check("pcap: %s ends the port, not the daemon" % name, code == 0 and "pcap of eth0 is gone" in said and "lan.pcap" in said, said)


for part in (dgram, files_stay, pcap):
    try:
        part()
    except Exception as e:
        check(part.__name__, False, repr(e))
sys.exit(done())
