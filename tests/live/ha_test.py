#!/usr/bin/env python3
"""Two daemons and two unmodified conntrackd through `weir exec`: what one firewall knows is committed to the other, and samples/ha keeps a download through a kill -9. Ends with "N passed, N failed,
N skipped"."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from tally import check, done

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
TAG = "weirct%d" % os.getpid()


def sample(mode):
    done = subprocess.run([ROOT + "/samples/ha/run", WEIR], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, env=dict(os.environ, MODE=mode, SIZE="32"))
    check("samples/ha in mode " + mode, done.returncode == 0 and "the download is whole" in done.stdout, done.stdout)


class Firewall:
    def __init__(self, folder, number, mode):
        self.ns, self.base, self.sock = "%s-%d" % (TAG, number), "%s/%d" % (folder, number), "%s/%d.sock" % (folder, number)
        with open(ROOT + "/samples/ha/conntrackd.conf", encoding="utf-8") as f:
            text = f.read()
        text = text.replace("@OWN@", "10.9.0.%d" % number).replace("@OTHER@", "10.9.0.%d" % (3 - number)).replace("@DIR@", self.base).replace("@MODE@", mode)
        text = re.sub(r"Filter From Kernelspace \{.*?\n\t\}\n", "", text, flags=re.S)
        with open(self.base + ".conf", "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        self.daemon = subprocess.Popen(["ip", "netns", "exec", self.ns, WEIR, "daemon", "--socket", self.sock, "--seed", "1", "--conntrack", "on"], stderr=subprocess.PIPE, text=True)
        self.daemon.stderr.readline()
        self.tool("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_timestamp=1")
        with open(self.base + ".out", "w", encoding="utf-8") as out:
            self.conntrackd = subprocess.Popen(["ip", "netns", "exec", self.ns, WEIR, "exec", "--keep-caps", "--socket", self.sock, "--", "conntrackd", "-C", self.base + ".conf"], stdout=out, stderr=out)
        for _ in range(100):
            if os.path.exists(self.base + ".ctl"):
                return
            time.sleep(0.05)
        with open(self.base + ".out", encoding="utf-8") as out:
            raise RuntimeError("conntrackd did not start: " + out.read())

    def tool(self, *words, stdin=None):
        r = subprocess.run(["ip", "netns", "exec", self.ns, WEIR, "exec", "--socket", self.sock, "--", *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        return r.stdout if not r.returncode else "exit %d: %s" % (r.returncode, r.stderr)

    def ctl(self, *words):
        return subprocess.run(["ip", "netns", "exec", self.ns, "conntrackd", "-C", self.base + ".conf", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout

    def cache(self, name):
        m = re.search(r"cache %s:\s+current active connections:\s+(\d+)" % name, self.ctl("-s"))
        return int(m[1]) if m else -1

    def entries(self):
        """Who talks to whom, with state, mark and NAT; not what passes: counters, seconds, uses."""
        lines = self.tool("conntrack", "-L").splitlines()
        return sorted(re.sub(r"^(\S+ +\d+) \d+|(?:packets|bytes|delta-time|use)=\d+ ?| $", lambda m: m[1] or "", line).strip() for line in lines)

    def stop(self):
        for p in (self.conntrackd, self.daemon):
            p.terminate()
            try:
                p.wait(timeout=10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.daemon.stderr.close()


def until(what, seconds=25):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


def sync(mode):
    """A few hundred entries of all kinds cross over, are committed, change, end."""
    four, six = "-s 192.0.2.%d -d 198.51.100.2", "-s 2001:db8::%x -d 2001:db8:1::2"
    kinds = ("-p tcp " + four + " --sport %d --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 7", "-p tcp " + four + " --sport %d --dport 81 --state ESTABLISHED -u SEEN_REPLY,ASSURED -n 203.0.113.1:%d",
             "-p udp " + four + " --sport %d --dport 53 -u SEEN_REPLY,ASSURED", "-p tcp " + six + " --sport %d --dport 443 --state ESTABLISHED -u SEEN_REPLY,ASSURED",
             "-p tcp " + four + " --sport %d --dport 82 --state ESTABLISHED -u SEEN_REPLY,ASSURED -g 10.0.0.9")
    script = "".join("-I %s -t 600\n" % (kind % ((n % 250 + 1, 1000 + n) + ((2000 + n,) if kind.count("%d") + kind.count("%x") == 3 else ()))) for n in range(60) for kind in kinds)
    with tempfile.TemporaryDirectory(prefix="weir-ha-") as folder:
        one, two = Firewall(folder, 1, mode), Firewall(folder, 2, mode)
        try:
            for fw in (one, two):
                subprocess.run(["ip", "netns", "add", fw.ns], check=True)
            subprocess.run(["ip", "-n", one.ns, "link", "add", "sync", "type", "veth", "peer", "name", "sync", "netns", two.ns], check=True)
            for number, fw in ((1, one), (2, two)):
                subprocess.run(["ip", "-n", fw.ns, "addr", "add", "10.9.0.%d/30" % number, "dev", "sync"], check=True)
                subprocess.run(["ip", "-n", fw.ns, "link", "set", "sync", "up"], check=True)
            for fw in (one, two):
                fw.start()
            time.sleep(0.5)
            made = one.tool("conntrack", "-R", "-", stdin=script)
            heard = until(lambda: two.cache("external") == 300)
            check(mode + ": 300 entries are heard", heard, made + two.ctl("-s"))
            two.ctl("-c")
            want = one.entries()
            check(mode + ": and committed as they are", until(lambda: two.entries() == want), "%s\n%s" % (want[:3], two.entries()[:3]))
            check(mode + ": all of them", len(want) == 300, str(len(want)))
            one.tool("conntrack", "-U", "-p", "udp", "-f", "ipv4", "-m", "9")
            one.tool("conntrack", "-D", "-p", "tcp", "--dport", "81")
            check(mode + ": changes and ends are heard", until(lambda: two.cache("external") == 240 and two.ctl("-e").count("mark=9") == 60), two.ctl("-s"))
            # a firewall that was away asks for all of it
            two.tool("conntrack", "-F")
            two.ctl("-f")
            two.ctl("-n")
            check(mode + ": a resync brings them again", until(lambda: two.cache("external") == 240), two.ctl("-s"))
            two.ctl("-c")
            check(mode + ": and they are committed again", until(lambda: two.entries() == one.entries()), two.ctl("-s"))
            check(mode + ": what was committed is nobody's news", two.cache("external") == 240 and one.cache("external") == 0, one.ctl("-s") + two.ctl("-s"))
            stats = two.ctl("-s", "runtime") + two.ctl("-s", "network")
            check(mode + ": no malformed message", not re.search(r"(?i)malformed\S*:\s+[1-9]", stats), stats)
        finally:
            for fw in (one, two):
                if hasattr(fw, "conntrackd"):
                    fw.stop()
                subprocess.run(["ip", "netns", "del", fw.ns], check=False)


def main():
    if os.geteuid() or not shutil.which("conntrackd") or not shutil.which("curl"):
        print("high availability needs root, conntrackd and curl\n0 passed, 0 failed, 1 skipped")
        return 0
    for part in (lambda: sync("NOTRACK"), lambda: sync("FTFW"), lambda: sample("FTFW"), lambda: sample("NOTRACK")):
        try:
            part()
        except Exception as e:
            check("high availability", False, repr(e))
    return done()


sys.exit(main())
