#!/usr/bin/env python3
"""bench/nfqueue.py [--seconds N] [--rounds N]: verdicts per second of one NFQUEUE program (tests/live/nfq_program.c), on the kernel and on `weir daemon` through
`weir exec` (and its --preload), with at most 64 packets under way. Turns are taken; a JSON line each with medians and the ratio to the kernel of the
same rounds. Half a minute. What is lost on the way is counted, and does not hold up the rest."""
import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT + "/tests/live")
from queue_test import udp4  # noqa: E402
from worlds import LAN, WAN, Kernel, Weir  # noqa: E402

WINDOW, LOST_AFTER = 64, 1.0


def rate(world, program, seconds, options=()):
    """Verdicts a second, and how many packets never came back."""
    w = world("*filter\n-A FORWARD -p udp -j NFQUEUE --queue-num 3\nCOMMIT\n")
    words = [program, "queue", "3"] if world is Kernel else [w.weir, "exec", "--socket", w.sock, *options, "--", program, "queue", "3"]
    p = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    drainer = None
    try:
        for line in p.stdout:
            if "ready" in line:
                break
        else:
            raise RuntimeError("the program ended: %s" % p.wait())
        drainer = subprocess.Popen(["cat"], stdin=p.stdout, stdout=subprocess.DEVNULL)
        frame = w.frame(LAN, udp4(dport=9))
        done = sent = lost = 0
        begin = last = time.monotonic()
        while time.monotonic() < begin + seconds:
            while sent - done - lost < WINDOW:
                if world is Kernel:
                    os.write(w.taps[LAN], frame)
                else:
                    w.ports[LAN].sendall(len(frame).to_bytes(4, "big") + frame)
                sent += 1
            came = sum(1 for _ in w.drain(WAN))
            done += came
            now = time.monotonic()
            if came:
                last = now
            elif now - last > LOST_AFTER:
                lost, last = sent - done, now
            else:
                select.select([w.taps[WAN] if world is Kernel else w.ports[WAN]], [], [], LOST_AFTER)
        took = time.monotonic() - begin
        w.send(LAN, udp4(dport=3))  # its last one
        try:
            p.wait(timeout=10)
        except subprocess.TimeoutExpired:
            pass
        return done / took, lost
    finally:
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        if drainer:
            drainer.wait(timeout=20)
        w.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--seconds", type=float, default=3)
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    ways = {"kernel": (Kernel, ()), "seccomp": (Weir, ()), "preload": (Weir, ("--preload",))}
    rates, lost = {name: [] for name in ways}, dict.fromkeys(ways, 0)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as where:
        subprocess.run(["cc", "-O2", "-o", where + "/program", ROOT + "/tests/live/nfq_program.c", "-lnetfilter_queue", "-lnetfilter_log"], check=True)
        os.chmod(where, 0o755)
        for _ in range(args.rounds):
            for name, (world, options) in ways.items():
                got, gone = rate(world, where + "/program", args.seconds, options)
                rates[name].append(got)
                lost[name] += gone
    base = statistics.median(rates["kernel"])
    for name, got in rates.items():
        print(json.dumps({"row": "nfqueue_verdicts_" + name, "unit": "verdicts/s", "median": round(statistics.median(got)), "min": round(min(got)), "max": round(max(got)),
                          "lost": lost[name], "peer": {"kernel": round(base)}, "ratio": {"kernel": round(statistics.median(got) / base, 3) if base else None}}))


if __name__ == "__main__":
    main()
