#!/usr/bin/env python3
"""What people do over a wire, over each kind of port of `weir daemon` with NAT and a table that drops the rest: ping, curl, iperf3 both ways, ssh, ftp in both its ways, both families, fragments and too large a
packet; then the kernel between knows of nothing. tools_test.py [DRIVER...], in the world of soak.py. Ends with "N passed, N failed, N skipped"."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from tally import check, done, skip

EVERY = ["packet", "ring", "xdp", "tap", "tun", "unix"]
AT_ONCE = 3
NEED = ["curl", "iperf3", "ssh", "sshd", "ssh-keygen", "vsftpd", "iptables-legacy", "conntrack", "ping"]
RULES = ("*raw\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\nCOMMIT\n*nat\n-A POSTROUTING -o eth1 -j MASQUERADE\n-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80\nCOMMIT\n"
         "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i eth0 -p icmp -j ACCEPT\n"
         "-A FORWARD -i eth0 -p tcp -m multiport --dports 21,22,80,5201 -j ACCEPT\n%sCOMMIT\n")
# FTP's data connections are its helper's word: nothing else lets them in
V4 = RULES % ""
V6 = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i eth0 -p ipv6-icmp -j ACCEPT\n-A FORWARD -i eth0 -p tcp -m multiport --dports 22,80,5201 -j ACCEPT\nCOMMIT\n"
MTU = "link set eth1 mtu 1400\n"


def tools(soak, where):
    def sh(line, ns=soak.A):
        return subprocess.run(["ip", "netns", "exec", ns, "sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout

    def serve(*words, **kw):
        servers.append(subprocess.Popen(["ip", "netns", "exec", soak.B, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw))

    def listens(port):
        for _ in range(100):
            if ":%d " % port in sh("ss -Hltn", soak.B):
                return
            time.sleep(0.1)
        raise RuntimeError("no server at %d" % port)

    servers = []
    whole = os.urandom(2 << 20)
    digest = hashlib.sha256(whole).hexdigest()
    os.makedirs(where + "/pub")
    os.makedirs(where + "/empty")
    with open(where + "/pub/file", "wb") as f:
        f.write(whole)
    with open(where + "/vsftpd.conf", "w", encoding="ascii") as f:
        f.write("listen=YES\nlisten_address=10.1.0.2\nbackground=NO\nanonymous_enable=YES\nno_anon_password=YES\nanon_root=%s/pub\nsecure_chroot_dir=%s/empty\nconnect_from_port_20=YES\nseccomp_sandbox=NO\n" % (where, where))
    for path in (where, where + "/pub", where + "/empty"):
        os.chmod(path, 0o755)
    sh("ssh-keygen -q -t ed25519 -N '' -f %s/host; ssh-keygen -q -t ed25519 -N '' -f %s/key; cp %s/key.pub %s/allowed; mkdir -p /run/sshd" % (where, where, where, where))
    try:
        serve(sys.executable, "-m", "http.server", "--bind", "::", "80", cwd=where + "/pub")
        serve("iperf3", "-s")
        serve("vsftpd", where + "/vsftpd.conf")
        serve(shutil.which("sshd"), "-D", "-f", "/dev/null", "-h", where + "/host", "-o", "AuthorizedKeysFile=" + where + "/allowed", "-o", "StrictModes=no", "-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "PidFile=none")
        for port in (80, 5201, 21, 22):
            listens(port)
        for name, to in (("IPv4", "10.1.0.2"), ("IPv6", "fd00:1::2")):
            host = "[%s]" % to if ":" in to else to
            out = sh("ping -c 3 -i 0.2 -W 5 " + to)
            check("ping, " + name, " 3 received" in out, out)
            out = sh("ip route flush cache; ping -c 1 -W 3 -M do -s 1380 " + to)
            check("a packet too large is told so, " + name, re.search(r"(?i)mtu ?= ?1400", out), out)
            out = sh("ping -c 3 -i 0.2 -W 5 -s 4000 " + to)
            check("ping in fragments, " + name, " 3 received" in out, out)
            out = sh("curl -sS -m 30 http://%s/file | sha256sum" % host)
            check("curl, " + name, digest in out, out)
            for way in ("", " -R"):
                out = sh("iperf3 -J -t 1 -c %s%s" % (to, way))
                try:
                    check("iperf3%s, %s" % (way, name), json.loads(out)["end"]["sum_received"]["bytes"] > 100000, out[-500:])
                except (ValueError, KeyError):
                    check("iperf3%s, %s" % (way, name), False, out[-500:])
            out = sh("ssh -F none -i %s/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@%s sha256sum < %s/pub/file" % (where, to, where))
            check("ssh, " + name, digest in out, out)
        out = sh("curl -sS -m 30 http://10.0.0.1:8080/file | sha256sum")
        check("curl through DNAT", digest in out, out)
        for name, options in (("EPSV", ""), ("PASV", "--disable-epsv"), ("EPRT", "-P -"), ("PORT", "-P - --disable-eprt")):
            out = sh("curl -sS -m 30 %s ftp://10.1.0.2/file | sha256sum" % options)
            check("ftp with NAT, " + name, digest in out, out)
        out = sh("curl -sS -m 2 http://10.1.0.2:5200/; ping -c 1 -W 1 10.0.0.2", soak.B)
        check("nothing comes in", "100% packet loss" in out, out)
        check("the kernel between knows no connection", sh("conntrack -L 2>/dev/null", soak.R) == "")
        check("the kernel between has no table", sh("cat /proc/net/ip_tables_names 2>/dev/null", soak.R) == "")
    finally:
        for p in servers:
            p.kill()
            p.wait()


def one(driver):
    sys.argv[1:] = ["0", driver]
    import soak
    where = tempfile.mkdtemp(prefix="weir-tools-")
    others, daemon = [], None
    try:
        daemon, others = soak.build(where, (("rules.v4", V4), ("rules.v6", V6)), MTU)
        tools(soak, where)
    except Exception as e:
        check(driver, False, repr(e))
    finally:
        for p in [daemon] * bool(daemon) + others:
            p.terminate()
            check("an orderly stop", p.wait(timeout=20) == 0)
        soak.end_world()
        shutil.rmtree(where, ignore_errors=True)
    return done()


def main():
    missing = [x for x in NEED if not shutil.which(x)]
    if os.geteuid() or missing or not os.path.exists("/dev/net/tun"):
        skip("this needs root, /dev/net/tun and %s" % ", ".join(missing or NEED))
        return done()
    if len(sys.argv) == 2:
        return one(sys.argv[1])
    left, sums = sys.argv[1:] or EVERY, [0, 0, 0]
    while left:
        runs = [(name, subprocess.Popen([sys.executable, __file__, name], stdout=subprocess.PIPE, text=True)) for name in left[:AT_ONCE]]
        left = left[AT_ONCE:]
        for name, run in runs:
            *lines, last = run.communicate()[0].strip().split("\n")
            print("".join("%s: %s\n" % (name, line) for line in lines), end="", flush=True)
            sums = [a + int(b) for a, b in zip(sums, re.findall(r"\d+", last))]
    print("%d passed, %d failed, %d skipped" % tuple(sums))
    return 1 if sums[1] else 0


sys.exit(main())
