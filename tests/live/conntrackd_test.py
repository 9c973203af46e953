#!/usr/bin/env python3
"""conntrackd's own helpers (Helper { ... }) behind weir: the unmodified daemon makes them known, gets their packets from NFQUEUE, and announces what it read there. This kernel is
built without NFNL_SUBSYS_CTHELPER, so what must come is written here from the protocols. Ends with "N passed, N failed, N skipped"."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from queue_test import seen
from worlds import LAN, WAN, Weir
from packets import ip, tcp, udp
from tally import check, done

A, B = "10.0.0.2", "10.1.0.2"
HELPERS = {"rpc inet udp": ("rpc", 1), "rpc inet tcp": ("rpc", 1), "tns inet tcp": ("tns", 1), "dhcpv6 inet6 udp": ("dhcpv6", 1), "mdns inet udp": ("mdns", 8), "ssdp inet udp": ("ssdp", 8), "slp inet udp": ("slp", 8)}


def conf(where):
    types = "".join("Type %s { QueueNum %d QueueLen 1024 Policy %s { ExpectMax %d ExpectTimeout 300 } }\n" % (kind, i, name, most) for i, (kind, (name, most)) in enumerate(HELPERS.items()))
    return "Helper {\nSetup yes\n%s}\nGeneral {\nLogFile %s/log\nLockFile %s/lock\nUNIX { Path %s/ctl }\n}\n" % (types, where, where, where)


def rpc(reply=None):
    """A call to the port mapper for NFS over UDP, or its answer."""
    if reply is None:
        return struct.pack(">6I", 7, 0, 2, 100000, 2, 3) + bytes(16) + struct.pack(">4I", 100003, 3, 17, 0)
    return struct.pack(">6I", 7, 1, 0, 0, 0, 0) + struct.pack(">I", reply)


def play(w):
    with tempfile.TemporaryDirectory(prefix="weir-conntrackd-") as where:
        with open(where + "/conf", "w", encoding="utf-8") as f:
            f.write(conf(where))
        d = subprocess.Popen([w.weir, "exec", "--socket", w.sock, "--", shutil.which("conntrackd") or "/usr/sbin/conntrackd", "-C", where + "/conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            for _ in range(100):
                time.sleep(0.1)
                if len(w.run("nfct", "list", "helper")[1].splitlines()) >= len(HELPERS) or d.poll() is not None:
                    break
            said = w.run("nfct", "list", "helper")[1]
            log = open(where + "/log", encoding="utf-8").read() if os.path.exists(where + "/log") else ""
            check("its helpers are known", d.poll() is None and all(".name = %s" % n in said for n, _ in HELPERS.values()), said + log)
            for rule in ("-p udp --dport 111 -j CT --helper rpc", "-p tcp --dport 1521 -j CT --helper tns", "-p udp --dport 427 -j CT --helper slp"):
                got = w.run(*("iptables-legacy -t raw -A PREROUTING " + rule).split())
                check("a rule names one: " + rule, got[0] == 0, got)
            w.send(LAN, udp(700, 111, rpc())(ip(A, B)))
            time.sleep(0.3)
            check("the call goes on", seen(w) and "helper=rpc" in w.run("conntrack", "-L", "-p", "udp", "-o", "extended")[1], w.run("conntrack", "-L")[1])
            w.send(WAN, udp(111, 700, rpc(2049))(ip(B, A)))
            time.sleep(0.3)
            check("the answer, too", bool(seen(w)))
            expected = w.run("conntrack", "-L", "expect")[1]
            check("what it announced is expected", "dport=2049" in expected and "proto=17" in expected, expected)
            w.send(LAN, udp(701, 2049, b"nfs")(ip(A, B)))
            time.sleep(0.1)
            seen(w)
            check("and comes as related", "[1:31] -A FORWARD" in w.run("iptables-legacy-save", "-c")[1],
                  w.run("iptables-legacy-save", "-c")[1])
            w.send(LAN, tcp(900, 1521, "S", seq=5)(ip(A, B)))
            time.sleep(0.1)
            w.send(WAN, tcp(1521, 900, "SA", seq=9, ack=6)(ip(B, A)))
            time.sleep(0.1)
            w.send(LAN, tcp(900, 1521, "A", seq=6, ack=10)(ip(A, B)))
            time.sleep(0.1)
            seen(w)
            text = b"(ADDRESS=(PROTOCOL=tcp)(DEV=6)(HOST=10.1.0.2)(PORT=1600))"
            data = struct.pack(">HHBBHH", 10 + len(text), 0, 5, 0, 0, len(text)) + text
            w.send(WAN, tcp(1521, 900, "PA", seq=10, ack=6, data=data)(ip(B, A)))
            time.sleep(0.4)
            seen(w)
            expected = w.run("conntrack", "-L", "expect")[1]
            check("a redirection of TNS is expected", "dport=1600" in expected, expected + w.run("conntrack", "-L", "-o", "extended")[1])
        finally:
            d.terminate()
            try:
                d.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                d.kill()
                check("it ends", False)


def main():
    if os.geteuid() or not shutil.which("nfct") or not (shutil.which("conntrackd") or os.path.exists("/usr/sbin/conntrackd")):
        print("conntrackd's helpers need root, nfct and conntrackd\n0 passed, 0 failed, 1 skipped")
        return 0
    w = Weir("*filter\n-A FORWARD -m conntrack --ctstate RELATED\nCOMMIT\n")
    try:
        play(w)
    finally:
        w.close()
    return done()


sys.exit(main())
