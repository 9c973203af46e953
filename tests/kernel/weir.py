"""Runs a case with `weir run` and reads its output directory back into the same shape as the kernel's."""
import bisect
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

import visible
from case import Do, Seen

WEIR = os.environ.get("WEIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "src", "cli", "weir"))
TMP = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class WeirFailed(Exception):
    pass


def write_pcap(path, linktype, packets):
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, linktype))
        for stamp, data in packets:
            f.write(struct.pack("=IIII", stamp // 10**9, stamp % 10**9, len(data), len(data)) + data)


def read_pcapng(path):
    """[(stamp ns, interface name, bytes, comment)]"""
    with open(path, "rb") as f:
        data = f.read()
    at, out, ifaces = 0, [], []
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("=II", data, at)
        if kind == 0x0A0D0D0A:
            ifaces = []
        elif kind == 1:
            opts = options(data[at + 16:at + length - 4])
            res = opts.get(9, b"\x06")[0]
            ifaces.append((opts.get(2, b"").decode(), 10 ** (9 - (res & 127))))
        elif kind == 6:
            i, hi, lo, cap, _ = struct.unpack_from("=IIIII", data, at + 8)
            body = data[at + 28:at + 28 + cap]
            opts = options(data[at + 28 + ((cap + 3) & ~3):at + length - 4])
            out.append((((hi << 32) | lo) * ifaces[i][1], ifaces[i][0], body, opts.get(1, b"").decode("utf-8", "replace")))
        at += length
    return out


def options(data):
    at, out = 0, {}
    while at + 4 <= len(data):
        code, length = struct.unpack_from("=HH", data, at)
        if code == 0:
            break
        out[code] = data[at + 4:at + 4 + length]
        at += 4 + ((length + 3) & ~3)
    return out


def stamp_text(ns):
    return "%d.%09d" % (ns // 10**9, ns % 10**9)


def stamp_ns(text):
    sec, _, frac = text.partition(".")
    return int(sec) * 10**9 + int((frac + "000000000")[:9])


def net_lines(case):
    lines = []
    for i in case.ifaces:
        lines += ["link add dev %s address %s mtu %d group %d" % (i.name, i.mac, i.mtu, i.group),
                  "link set dev %s %smulticast off up" % (i.name, "" if i.arp else "arp off ")]
    return lines + case.net


class WeirRun:
    def __init__(self, case, stamps, datas, end, seed=1, extra=(), env=None):
        self.case, self.stamps, self.datas, self.end, self.seed, self.extra = case, stamps, datas, end, seed, list(extra)
        self.env = dict(os.environ, **env) if env else None
        self.dir = None

    def write_snapshot(self, snap):
        case = self.case
        os.makedirs(snap, exist_ok=True)
        with open(snap + "/net.ip", "w") as f:
            f.write("\n".join(net_lines(case)) + "\n")
        with open(snap + "/sysctl.conf", "w") as f:
            f.write("".join("%s = %s\n" % kv for kv in case.sysctl.items()))
        with open(snap + "/host", "w") as f:     # what sends a Send(None) is the harness itself
            f.write("socket add harness4 raw 0.0.0.0\nsocket add harness6 raw ::\n")
        for text, name in ((case.v4, "rules.v4"), (case.v6, "rules.v6"), ("".join("%s\n" % x for x in case.nfct), "nfct.conf")):
            if text:
                with open("%s/%s" % (snap, name), "w") as f:
                    f.write(text)

    def once(self, count, datas):
        """One run over the first count items, whose bytes are datas."""
        case, d = self.case, self.dir
        inputs, local, script = {}, [], []
        for i in range(count):
            item, stamp = case.items[i], self.stamps[i]
            if isinstance(item, Do):
                script.append("%s %s" % (stamp_text(stamp), item.command))
            elif datas[i] is not None:
                if item.iface is None:
                    local.append((stamp, datas[i]))
                else:
                    inputs.setdefault(item.iface.split(".")[0], []).append((stamp, datas[i]))
        out = d + "/out"
        shutil.rmtree(out, ignore_errors=True)
        args = [WEIR, "run", d + "/snap", "--out", out, "--seed", str(self.seed), "--conntrack", case.conntrack] + self.extra
        if not case.host:
            args += ["--host", "silent"]
        for name, packets in inputs.items():
            write_pcap("%s/%s.pcap" % (d, name), 1, packets)
            args += ["-i", "%s=%s/%s.pcap" % (name, d, name)]
        if local:
            write_pcap(d + "/local.pcap", 101, local)
            args += ["--local", d + "/local.pcap"]
        if script:
            with open(d + "/script", "w") as f:
                f.write("\n".join(script) + "\n")
            args += ["--script", d + "/script"]
        if count == len(case.items):
            args += ["--until", stamp_text(self.end)]
        r = subprocess.run(args, capture_output=True, text=True, timeout=60, env=self.env)
        if r.returncode == 3:
            seen = Seen()
            seen.refused = ("input", r.stderr)
            return seen
        if r.returncode != 0:
            raise WeirFailed("weir exited %d\n%s\n%s" % (r.returncode, r.stderr[-4000:], " ".join(args)))
        return self.read(out)

    def item_of(self, stamp):
        """The last item at or before this time."""
        return bisect.bisect_right(self.stamps, stamp) - 1

    def timed_lines(self, path):
        if not os.path.exists(path):
            return
        with open(path, encoding="latin-1") as f:
            for line in f.read().split("\n"):
                m = re.match(r"(\d+\.\d+) ?(.*)$", line)
                if m:
                    yield self.item_of(stamp_ns(m.group(1))), m.group(2)

    def script_said(self, path):
        said, text, item = {}, [], None
        if os.path.exists(path):
            with open(path, encoding="latin-1") as f:
                for line in f.read().split("\n"):
                    m = re.match(r"(\d+\.\d+) \$ (.*)$", line)
                    if m:
                        item, text = (self.item_of(stamp_ns(m.group(1))) if m.group(2).startswith(visible.TELLING) else None), []
                    elif re.match(r"\[exit \d+\]$", line):
                        if item is not None:
                            said[item] = "\n".join(text) if line == "[exit 0]" else ""
                        item = None
                    else:
                        text.append(line)
        return said

    def read(self, out):
        seen = Seen()
        seen.stamps, seen.end = self.stamps, self.end
        for iface in self.case.ifaces:
            path = "%s/%s.pcapng" % (out, iface.name)
            if os.path.exists(path):
                for stamp, _, data, _ in read_pcapng(path):
                    seen.add("tx", self.item_of(stamp), (iface.name, data))
        if os.path.exists(out + "/local.pcapng"):
            for stamp, _, data, _ in read_pcapng(out + "/local.pcapng"):
                seen.add("local", self.item_of(stamp), data)
        for where, name in (("events", "events.txt"), ("log", "log.txt"), ("invalid", "invalid.txt")):
            for item, line in self.timed_lines("%s/%s" % (out, name)):
                seen.add(where, item, line)
        path = out + "/nflog.jsonl"
        if os.path.exists(path):
            with open(path) as f:
                for line in f:
                    if line.strip():
                        o = json.loads(line)
                        seen.add("nflog", self.item_of(stamp_ns(o["time"])), (o["group"], o["prefix"], bytes.fromhex(o["packet"])))
        with open(out + "/conntrack.txt") as f:
            seen.connections = [x for x in f.read().split("\n") if x]
        with open(out + "/expect.txt") as f:
            seen.expectations = [x for x in f.read().split("\n") if x]
        seen.said = self.script_said(out + "/script.txt")
        seen.files = visible.read(out + "/proc/net")
        for family, name in (("4", "rules.v4"), ("6", "rules.v6")):
            if os.path.exists("%s/%s" % (out, name)):
                with open("%s/%s" % (out, name), encoding="latin-1") as f:
                    seen.rules[family] = [x for x in f.read().split("\n") if x and x[0] != "#"]
        return seen

    def go(self):
        case = self.case
        self.dir = tempfile.mkdtemp(prefix="weir-case-", dir=TMP)
        try:
            self.write_snapshot(self.dir + "/snap")
            # A packet may depend on earlier output. Start from what the kernel was sent; where weir's own output asks for
            # another packet, take that and run again (runs repeat exactly).
            datas = list(self.datas)
            while True:
                seen = self.once(len(case.items), datas)
                for i, item in enumerate(case.items):
                    if not isinstance(item, Do) and callable(item.data) and not seen.refused:
                        data = item.data({k: v for k, v in seen.tx.items() if k < i})
                        data = None if data is None else case.frame(item, data)
                        if data != datas[i]:
                            datas[i] = data
                            break
                else:
                    seen.datas = datas
                    return seen
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def keep(self, where):
        """Writes the case as files that a person can run weir on."""
        self.dir = where
        self.write_snapshot(where + "/snap")


def run_weir(case, kernel_seen, seed=1, extra=(), env=None):
    return WeirRun(case, kernel_seen.stamps, kernel_seen.datas, kernel_seen.end, seed, extra, env).go()


def run_alone(case):
    """What weir does where no kernel was asked: packets at their gaps, a millisecond each."""
    stamps, datas, now = [], [], 10 ** 18
    for item in case.items:
        now += int(item.gap * 1e9) + 1000000
        stamps.append(now)
        datas.append(None if isinstance(item, Do) or callable(item.data) else case.frame(item, item.data))
    return WeirRun(case, stamps, datas, now + 10 ** 9).go()
