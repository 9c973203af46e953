#!/usr/bin/env python3
"""Verdicts per second of one NFQUEUE program (tests/live/nfq_program.c), on the kernel and on `weir daemon` through `weir exec` (and its
--preload), with at most 64 packets under way: a row each and their ratio. nfqueue.py [PACKETS]. The machine should be idle."""
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT + "/tests/live")
from queue_test import udp4  # noqa: E402
from worlds import LAN, WAN, Kernel, Weir  # noqa: E402

WINDOW = 64


def rate(world, program, packets, options=()):
    w = world("*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 3\nCOMMIT\n")
    words = [program, "queue", "3"] if world is Kernel else [w.weir, "exec", "--socket", w.sock, *options, "--", program, "queue", "3"]
    p = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        while "ready" not in p.stdout.readline():
            pass
        drainer = subprocess.Popen(["cat"], stdin=p.stdout, stdout=subprocess.DEVNULL)
        frame = w.frame(LAN, udp4(dport=9))
        done = sent = 0
        begin = time.monotonic()
        while done < packets and time.monotonic() < begin + 60:
            while sent < packets and sent - done < WINDOW:
                if world is Kernel:
                    os.write(w.taps[LAN], frame)
                else:
                    w.ports[LAN].sendall(len(frame).to_bytes(4, "big") + frame)
                sent += 1
            done += sum(1 for _ in w.drain(WAN))
        seconds = time.monotonic() - begin
        w.send(LAN, udp4(dport=3))
        p.wait(timeout=20)
        drainer.wait(timeout=20)
        return done / seconds
    finally:
        p.kill()
        w.close()


def main():
    packets = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as where:
        subprocess.run(["cc", "-O2", "-o", where + "/program", ROOT + "/tests/live/nfq_program.c", "-lnetfilter_queue", "-lnetfilter_log"], check=True)
        os.chmod(where, 0o755)
        kernel = rate(Kernel, where + "/program", packets)
        for name, options in (("nfqueue_verdicts", ()), ("nfqueue_verdicts_preload", ("--preload",))):
            weir = rate(Weir, where + "/program", packets, options)
            print("%s kernel %.0f/s weir %.0f/s ratio %.3f" % (name, kernel, weir, weir / kernel))


if __name__ == "__main__":
    main()
