#!/usr/bin/env python3
"""Programs that write rules for people - ufw, ferm, shorewall, firehol, fail2ban - set up and torn down through `weir exec`, and the same on this kernel: after each step
iptables-save and ip6tables-save must print the same.

    tests/upstream/frontends.py [--weir PATH] [--verbose] [NAME ...]

Each run is in network and mount namespaces of its own, with copies of /etc, /run and /var/lib and iptables-legacy for iptables: the machine's stay as they are. What is not
installed is skipped. Ends with "N passed, N failed, N skipped".
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def do(*words, stdin=None, may_fail=False):
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    if done.returncode and not may_fail:
        print("# %s: exit %d: %s" % (" ".join(words), done.returncode, done.stdout[-600:]))
    return done.stdout


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def ufw():
    yield do("ufw", "--force", "enable")
    for words in ("allow 22/tcp", "limit ssh", "deny from 10.0.0.0/8", "allow in on eth0 to any port 80,443 proto tcp", "reject out to 192.0.2.9 port 25", "allow from 2001:db8::/32 to any port 53",
                  "route allow in on eth0 out on eth1", "logging high", "default deny outgoing"):
        do("ufw", *words.split())
    yield "rules"
    do("ufw", "delete", "limit", "ssh")
    do("ufw", "insert", "1", "allow", "from", "198.51.100.0/24")
    yield "changed"
    yield do("ufw", "status", "numbered")
    do("ufw", "reload")
    yield "reloaded"
    do("ufw", "disable")
    yield "disabled"


def ferm():
    config = """
domain (ip ip6) table filter {
    chain INPUT {
        policy DROP;
        mod state state INVALID DROP;
        mod state state (ESTABLISHED RELATED) ACCEPT;
        interface lo ACCEPT;
        proto tcp dport (ssh http https) ACCEPT;
        proto tcp dport 25 mod limit limit 5/minute limit-burst 10 ACCEPT;
        proto udp dport 1024:65535 mod comment comment "high ports" REJECT;
    }
    chain FORWARD { policy DROP; interface eth1 outerface eth0 ACCEPT; jump mine; }
    chain mine { LOG log-prefix "ferm: " log-level warning; DROP; }
}
domain ip table nat {
    chain POSTROUTING outerface eth0 saddr 10.0.0.0/8 MASQUERADE;
    chain PREROUTING interface eth0 proto tcp dport 8080 DNAT to "10.0.0.5:80";
}
domain ip table mangle chain PREROUTING proto tcp tcp-flags (SYN RST) SYN mod tcpmss mss 0:500 MARK set-mark 7;
"""
    write("/etc/ferm/ferm.conf", config)
    yield do("ferm", "/etc/ferm/ferm.conf")
    yield do("ferm", "--slow", "/etc/ferm/ferm.conf")
    yield do("ferm", "--flush", "/etc/ferm/ferm.conf")


def shorewall():
    conf = open("/etc/shorewall/shorewall.conf", encoding="utf-8").read()
    conf = re.sub(r"(?m)^STARTUP_ENABLED=.*", "STARTUP_ENABLED=Yes", conf)
    conf = re.sub(r"(?m)^STARTUP_LOG=.*", "STARTUP_LOG=/var/lib/shorewall/init.log", conf)
    write("/etc/shorewall/shorewall.conf", conf)
    write("/etc/shorewall/zones", "fw firewall\nnet ipv4\nloc ipv4\n")
    write("/etc/shorewall/interfaces", "?FORMAT 2\nnet eth0 tcpflags,nosmurfs,sourceroute=0\nloc eth1 tcpflags,nosmurfs\n")
    write("/etc/shorewall/policy", "loc net ACCEPT\nfw all ACCEPT\nnet all DROP info\nall all REJECT info\n")
    write("/etc/shorewall/snat", "MASQUERADE 10.0.1.0/24 eth0\n")
    write("/etc/shorewall/rules", "?SECTION NEW\nACCEPT net fw tcp 22\nPing(ACCEPT) loc fw\nDNAT net loc:10.0.1.5 tcp 80\nACCEPT:info net fw udp 53 - - 5/min:10\nREJECT loc net tcp 25\n")
    yield do("shorewall", "start")
    yield do("shorewall", "add", "eth1:10.0.1.7", "loc", may_fail=True) and "tried"
    do("shorewall", "reject", "192.0.2.66")
    yield "blacklisted"
    do("shorewall", "allow", "192.0.2.66")
    yield "allowed"
    yield do("shorewall", "stop")
    yield do("shorewall", "clear")


def firehol():
    write("/etc/default/firehol", "START_FIREHOL=YES\nWAIT_FOR_IFACE=\"\"\n")
    write("/etc/firehol/firehol.conf", """version 6
ipv4 interface eth0 internet
    policy drop
    protection strong 10/sec 10
    server "ssh http" accept
    server custom web tcp/8080 default accept
    client all accept
ipv4 interface eth1 lan src 10.0.1.0/24
    policy reject
    server all accept
    client all accept
ipv4 router lan2internet inface eth1 outface eth0
    masquerade
    route all accept
    route ident reject with tcp-reset
""")
    yield do("firehol", "start", stdin="commit\n") and "started"
    yield do("firehol", "stop") and "stopped"


def fail2ban():
    write("/etc/fail2ban/jail.local", """[DEFAULT]
backend = polling
[sshd]
enabled = true
filter = sshd
logpath = /run/sshd.log
port = ssh
action = iptables-multiport[name=sshd, port="ssh,2222", protocol=tcp]
[web]
enabled = true
filter = apache-auth
logpath = /run/sshd.log
action = iptables-allports[name=web, blocktype="REJECT --reject-with tcp-reset", protocol=tcp]
""")
    write("/run/sshd.log", "")
    client = ["fail2ban-client", "-s", "/run/f2b.sock", "-p", "/run/f2b.pid"]
    do(*client, "start")
    for jail, addr in (("sshd", "192.0.2.7"), ("sshd", "2001:db8::7"), ("web", "192.0.2.8")):
        do(*client, "set", jail, "banip", addr)
    time.sleep(2)
    yield "banned"
    do(*client, "set", "sshd", "unbanip", "192.0.2.7")
    time.sleep(1.5)
    yield "unbanned"
    do(*client, "stop")
    time.sleep(1)
    yield "stopped"


PROGRAMS = {"ufw": ufw, "ferm": ferm, "shorewall": shorewall, "firehol": firehol, "fail2ban": fail2ban}
NEEDS = {"fail2ban": "fail2ban-client"}


def saved(family):
    text = do(family + "-save")
    text = re.sub(r"\[\d+:\d+\]", "[0:0]", re.sub(r"(?m)^#.*\n", "", text))
    text = re.sub(r"\bsha-([lr])h-[0-9a-f]+", r"sha-\1h", text)    # shorewall's, made of the time
    # tables stand in the order of their making, which weir and Linux count from different ends
    return "".join(sorted(text.split("COMMIT\n")))


def run(name):
    for number, said in enumerate(PROGRAMS[name]()):
        print("\x01%d %s\n%s%s" % (number, said, saved("iptables"), saved("ip6tables")))


PREPARE = r"""
set -e
mount --make-rprivate /
for d in etc run var/lib; do
    mkdir -p "$1/$d"
    case $d in
    etc) cp -a /etc/. "$1/etc/" ;;
    var/lib) for s in ufw shorewall firehol ferm fail2ban dpkg; do [ -e /var/lib/$s ] && { mkdir -p "$1/var/lib/$s"; [ $s = dpkg ] || cp -a /var/lib/$s/. "$1/var/lib/$s/"; }; done ;;
    esac
    mount --bind "$1/$d" /$d
done
mkdir -p /var/lib/shorewall /run/lock /var/lib/fail2ban /run/fail2ban
mount -t tmpfs none /var/spool 2>/dev/null || true
mount -t tmpfs none /var/cache
mount -t tmpfs none /var/log
for t in iptables ip6tables; do for s in "" -save -restore; do ln -sf /usr/sbin/$t-legacy$s /etc/alternatives/$t$s; done; done
ip link set lo up
ip link add eth0 type veth peer name peer0
ip link add eth1 type veth peer name peer1
ip addr add 192.0.2.1/24 dev eth0; ip addr add 10.0.1.1/24 dev eth1
ip link set eth0 up; ip link set eth1 up; ip link set peer0 up; ip link set peer1 up
shift
exec "$@"
"""


def side(name, folder, before):
    os.makedirs(folder)
    done = subprocess.run(["unshare", "-n", "-m", "sh", "-c", PREPARE, "sh", folder, *before, sys.executable, os.path.abspath(__file__), "--run", name],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, env=dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin"))
    return done.stdout


def compare(name, args):
    """passed, failed, skipped, what is to be said"""
    if not shutil.which(NEEDS.get(name, name)):
        return 0, 0, 1, "%s is not installed\n" % name
    with tempfile.TemporaryDirectory(prefix="weir-front-") as where, concurrent.futures.ThreadPoolExecutor(2) as pool:
        daemon = subprocess.Popen([args.weir, "daemon", "--socket", where + "/s", "--seed", "1"], stderr=subprocess.PIPE, text=True)
        daemon.stderr.readline()
        sides = [pool.submit(side, name, where + "/kernel", []), pool.submit(side, name, where + "/weir", [args.weir, "exec", "--socket", where + "/s", "--"])]
        theirs, ours = (s.result() for s in sides)
        daemon.terminate()
        daemon.wait()
        daemon.stderr.close()
    text = "kernel:\n%s\nweir:\n%s\n" % (theirs, ours) if args.verbose else ""
    theirs, ours = theirs.split("\x01"), ours.split("\x01")
    passed = failed = 0
    if theirs[0] or len(theirs) < 2 or not any("-A " in step for step in theirs):
        failed += 1
        text += "FAILED: %s does not run here: %s\n" % (name, theirs[0][-400:])
    for number in range(1, len(theirs)):
        mine = ours[number] if number < len(ours) else ours[0]
        if theirs[number] == mine:
            passed += 1
            continue
        failed += 1
        a, b = theirs[number].splitlines(), mine.splitlines()
        text += "FAILED: %s, step %d\n  kernel: %s\n  weir:   %s\n" % (name, number, [l for l in a if l not in b][:6], [l for l in b if l not in a][:6])
    return passed, failed, 0, text


def main():
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2])
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.path.join(ROOT, "build/src/cli/weir"))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if os.geteuid():
        print("front-ends need root\n0 passed, 0 failed, 1 skipped")
        return 0
    counts = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for passed, failed, skipped, text in pool.map(lambda name: compare(name, args), args.names or PROGRAMS):
            counts = [counts[0] + passed, counts[1] + failed, counts[2] + skipped]
            print(text, end="")
    print("%d passed, %d failed, %d skipped" % tuple(counts))
    return 1 if counts[1] else 0


sys.exit(main())
