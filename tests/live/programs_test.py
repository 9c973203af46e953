#!/usr/bin/env python3
"""Unmodified programs that are told of packets, on the real kernel and through `weir exec`: libipq's calls, libnetfilter_queue,
libnetfilter_log, ulogd2. What they say and what becomes of the packets must be equal. Ends with "N passed, N failed, N skipped"."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from queue_test import Program, attr, be32, seen, udp4
from worlds import LAN, ROOT, Kernel, Weir
from tally import check, done, skip

HERE = os.path.dirname(os.path.abspath(__file__))


class Running:
    def __init__(self, w, *words):
        command = list(words) if isinstance(w, Kernel) else [w.weir, "exec", "--socket", w.sock, "--", *words]
        self.p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.lines = []

    def until(self, word):
        for line in self.p.stdout:
            self.lines.append(line)
            if word in line:
                return

    def end(self):
        try:
            out, _ = self.p.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            out = "(it did not end)\n"
        return self.lines + out.splitlines(True) + ["exit %d" % self.p.returncode]


def both(name, play, rules, rules6="", **kw):
    sides = []
    for world in (Kernel, Weir):
        w = world(rules, rules6, **kw)
        try:
            sides.append(play(w))
        finally:
            w.close()
    detail = "".join("kernel: %s\nweir:   %s\n" % (a, b) for a, b in zip(*sides) if a != b)
    check(name, sides[0] == sides[1], detail or "kernel: %s\nweir: %s" % tuple(sides))
    return sides


def by_ipq(w):
    p = Running(w, os.path.join(os.environ.get("WEIR_BUILD", ROOT + "/build"), "src/api/ipq-calls"))
    p.until("ready")
    for port in (9, 1, 2, 4, 3):
        w.send(LAN, udp4(dport=port))
        p.until("error" if port == 4 else "data ")  # one after the other, however busy the machine is
    said = p.end()
    out = seen(w)
    w.send(LAN, udp4(dport=9))
    return [out, "afterwards", seen(w)] + said


def by_library(kind, program):
    def play(w):
        p = Running(w, program, kind, "3")
        p.until("ready")
        for port in (9, 1, 3) if kind == "queue" else (5, 6, 7):
            w.send(LAN, udp4(dport=port))
            if kind == "queue":
                p.until("verdict")
        said = p.end()
        return [seen(w)] + said
    return play


ULOGD = """[global]
logfile="%(dir)s/log"
loglevel=5
plugin="%(plugins)s/ulogd_inppkt_NFLOG.so"
plugin="%(plugins)s/ulogd_inpflow_NFCT.so"
plugin="%(plugins)s/ulogd_filter_IFINDEX.so"
plugin="%(plugins)s/ulogd_filter_IP2STR.so"
plugin="%(plugins)s/ulogd_filter_PRINTPKT.so"
plugin="%(plugins)s/ulogd_filter_PRINTFLOW.so"
plugin="%(plugins)s/ulogd_output_LOGEMU.so"
plugin="%(plugins)s/ulogd_raw2packet_BASE.so"
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU
stack=ct1:NFCT,ip2str1:IP2STR,print2:PRINTFLOW,emu2:LOGEMU
[log1]
group=3
[ct1]
hash_enable=0
event_mask=5
[emu1]
file="%(dir)s/packets"
sync=1
[emu2]
file="%(dir)s/flows"
sync=1
"""


def by_ulogd(plugins):
    def play(w):
        where = tempfile.mkdtemp(prefix="weir-ulogd-")
        with open(where + "/conf", "w", encoding="utf-8") as f:
            f.write(ULOGD % {"dir": where, "plugins": plugins})
        p = Running(w, shutil.which("ulogd") or "/usr/sbin/ulogd", "-c", where + "/conf")
        for _ in range(100):
            time.sleep(0.05)
            if os.path.exists(where + "/flows") and "3 " in Program(w, name="x%d" % time.time_ns()).files("nfnetlink_log"):
                break
        w.send(LAN, udp4(dport=7))
        w.send(LAN, udp4(dport=8, data=b"longer"))
        time.sleep(1.5)
        w.run("conntrack", "-F")
        time.sleep(0.5)
        p.p.terminate()
        end = p.end()[-1]
        out = [end]
        for name in ("packets", "flows"):
            with open(where + "/" + name, encoding="utf-8") as f:
                # the time, and who called: names of links are the host's
                out += sorted(re.sub(r"^.{15} \S+ ", "", re.sub(r"(IN|OUT)=\S* ", "", line)) for line in f)
        shutil.rmtree(where)
        return out
    return play


def attached():
    """What a program is told and may change of connections: this kernel is built without it, so these are weir's alone."""
    w = Weir("*mangle\n-A PREROUTING -p udp -j NFQUEUE --queue-num 1\n-A POSTROUTING -p udp -j NFQUEUE --queue-num 2\nCOMMIT\n*nat\n-A POSTROUTING -o eth1 -j SNAT --to 10.1.0.9\nCOMMIT\n", conntrack=True)
    try:
        q = Program(w)
        r = Program(w, q.agent, "r")
        q.bind(1, flags=2, mask=2)
        r.bind(2, flags=2, mask=2)
        w.send(LAN, udp4())
        text = "".join(q.recv())
        tuples = "32769{32769{1:0a000002 2:0a010002} 32770{1:11 2:03e80000 3:00350000}} 32770{32769{1:0a010002 2:0a000002} 32770{1:11 2:00350000 3:03e80000}}"
        tuples = tuples.replace("03e80000", "03e8").replace("00350000", "0035")
        check("a new connection's tuples, status, info", "11{" not in text and "32779{%s 12:id 3:00000000" % tuples in text and "12:00000002 " in text, text)
        ack = q.verdict(q.ids[-1], 1, 1, extra=[attr(11, [attr(8, be32(0x42)), attr(7, be32(500))])])
        text = "".join(r.recv())
        check("its mark and timeout, said with the verdict", "ack 0" in ack[0] and "8:00000042" in text and "7:timeout~50" in text, text)
        r.verdict(r.ids[-1], 1, 2)
        check("it is in the table so", "mark=66" in w.run("conntrack", "-L")[1], w.run("conntrack", "-L")[1])
        w.send(LAN, udp4())
        text = "".join(q.recv())
        check("confirmed, translated", "1:0a010002 2:0a010009" in text and "12:id 3:00000198 " in text and "12:00000002 " in text, text)
        q.verdict(q.ids[-1], 1, 1, extra=[attr(11, [attr(3, be32(0x0)), attr(8, be32(9))])])
        check("status bits that nobody may change are passed over", "mark=9" in w.run("conntrack", "-L")[1], w.run("conntrack", "-L")[1])
        # garbage in every attribute
        for n in range(40):
            w.send(LAN, udp4(3000 + n))
            q.recv()
            q.verdict(q.ids[-1], 1, 1, extra=[attr(11, [attr(k, bytes([n] * (n % 9))) for k in range(1, 30)]), attr(16, [attr(k, b"\1" * n) for k in range(1, 12)])])
        check("the daemon stays", "ack 0" in q.config(1)[0])
    finally:
        w.close()


def main():
    if os.geteuid():
        skip("not root")
        return
    both("libipq", by_ipq, "*filter\n-A FORWARD -p udp -j MARK --set-mark 7\n-A FORWARD -p udp -j QUEUE\n-A FORWARD -j ACCEPT\nCOMMIT\n".replace("-A FORWARD -p udp -j MARK --set-mark 7\n", ""))
    where = tempfile.mkdtemp(prefix="weir-program-")
    r = subprocess.run(["cc", "-O1", "-o", where + "/program", HERE + "/nfq_program.c", "-lnetfilter_queue", "-lnetfilter_log"], capture_output=True, text=True)
    if r.returncode:
        skip("libnetfilter_queue or libnetfilter_log is not here: " + r.stderr.strip().split("\n")[0])
    else:
        os.chmod(where, 0o755)
        both("libnetfilter_queue", by_library("queue", where + "/program"), "*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 3\nCOMMIT\n")
        sides = both("libnetfilter_log", by_library("log", where + "/program"), "*filter\n-A FORWARD -p udp -j NFLOG --nflog-group 3 --nflog-prefix \"seen \" --nflog-threshold 2\nCOMMIT\n")
        check("it told of three", sum("seq 2" in x for x in sides[1] if isinstance(x, str)) == 1, sides[1])
    shutil.rmtree(where)
    plugins = next((d for d in ("/usr/lib/x86_64-linux-gnu/ulogd", "/usr/lib/aarch64-linux-gnu/ulogd", "/usr/lib/ulogd") if os.path.exists(d + "/ulogd_inpflow_NFCT.so")), None)
    if plugins and shutil.which("ulogd"):
        sides = both("ulogd2", by_ulogd(plugins), "*filter\n-A FORWARD -p udp -j NFLOG --nflog-group 3 --nflog-prefix \"fw: \"\nCOMMIT\n", conntrack=True)
        check("packets and flows", sum("fw: " in x for x in sides[1]) == 2 and sum("DESTROY" in x for x in sides[1]) == 2, "\n".join(sides[1]))
    else:
        skip("ulogd2 is not here")
    attached()


if __name__ == "__main__":
    main()
    sys.exit(done())
