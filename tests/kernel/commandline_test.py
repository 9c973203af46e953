#!/usr/bin/env python3
"""iptables, ip6tables, -save and -restore as they are typed: every option of the manual pages, wrong words too. Each command goes to the real
iptables-legacy in a namespace and to weir on a kept instance; what they print and their exit codes have to be equal, and what they complain about
has to begin with the same kind of words. Then every option that may take a host's name gets names of an /etc/hosts of the test's own.

    tests/kernel/commandline_test.py [--verbose]
"""
import argparse
import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WEIR = os.path.join(os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build")), "src/cli/weir")

# A command a line; behind <<< what it reads. FILE is a place of its own for each side.
COMMANDS = r"""
iptables -N foo
iptables --new bar
iptables --new-chain baz
iptables -A FORWARD -s 10.0.0.1,10.0.0.2 -d 1.1.1.1,2.2.2.2 -j foo
iptables --append foo -p tcp --dport http -j ACCEPT
iptables -A foo -p udp -m udp --sport domain -j RETURN
iptables -I foo 2 -i eth+ ! -o dummy0 -j DROP
iptables --insert foo --in-interface eth1 -g bar
iptables -R foo 1 -p 47 -j LOG
iptables --replace foo 1 -f -j LOG --log-prefix "a b"
iptables -A foo ! -f -j ACCEPT
iptables -A foo --fragments -j ACCEPT
iptables -C foo ! -f -j ACCEPT
iptables -C foo -p sctp
iptables --check foo -p all ! -f -j ACCEPT
iptables -L
iptables -L -n
iptables -L -n -v
iptables -L -nvx --line-numbers
iptables -L foo 1
iptables -L foo 1 -n --line-numbers -v
iptables -L foo 99
iptables -S
iptables -S foo
iptables -S foo 2
iptables -S -v
iptables -S foo -v
iptables -A foo -m mark --mark 0x10/0x10 -m connmark ! --mark 0x2/0xf -m mark ! --mark 0x0
iptables -A foo -m mark --mark 0x10/0x10 -m mark ! --mark 0x0 -m connmark --mark 4
iptables -A foo -m conntrack --ctstate NEW -m state --state NEW -m conntrack --ctstate ESTABLISHED
iptables -A foo -p tcp -m tcp --dport 80 -m multiport --dports 80 -m tcp --sport 4
iptables -A foo -c 5 700 -p icmp --icmp-type echo-request
iptables -A foo --set-counters 5 700 -p icmp --icmp-type 8/0
iptables -A foo -c 5
iptables -A foo -c 5,6 -j ACCEPT
iptables -A foo -c 5 6 7
iptables -L foo -v -x
iptables -Z foo 2
iptables -Z foo 40
iptables -Z foo
iptables -Z
iptables --zero FORWARD -v
iptables -L -Z
iptables -vL -Z foo
iptables -v -Z
iptables -P FORWARD DROP
iptables --policy FORWARD ACCEPT
iptables -P foo DROP
iptables -P FORWARD REJECT
iptables -P FORWARD RETURN
iptables -P INPUT DROP -c 3 4
iptables -P INPUT ACCEPT
iptables -E foo quux
iptables --rename-chain quux foo
iptables -E foo bar
iptables -E nope bar1
iptables -X foo
iptables -X bar
iptables -X nosuch
iptables -X INPUT
iptables -N INPUT
iptables -N foo
iptables -N "a b"
iptables -N -x
iptables -N aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
iptables -N aaaaaaaaaaaaaaaaaaaaaaaaaaaa
iptables -N ACCEPT
iptables -N LOG
iptables -D FORWARD -s 10.0.0.1,10.0.0.2 -d 1.1.1.1 -j foo
iptables -D FORWARD 1
iptables -D FORWARD 77
iptables -D FORWARD 0
iptables -D FORWARD -s 9.9.9.9
iptables --delete foo 1
iptables --delete foo --fragments -j ACCEPT
iptables -w -A foo -j ACCEPT
iptables -w 5 -A foo -j ACCEPT
iptables -w5 -A foo -j DROP
iptables --wait=3 -A foo -j DROP
iptables --wait 3 -W 1000 -A foo -j DROP
iptables -W 1000 -A foo -j DROP
iptables --wait-interval 1000 -w -A foo -j DROP
iptables -w x -A foo -j DROP
iptables -w -W x -A foo -j DROP
iptables -w 5 -S foo
iptables -4 -A foo -p 6
iptables -6 -A foo -p 6
iptables --ipv4 -A foo -p 6
iptables --ipv6 -A foo -p 6
ip6tables -6 -A FORWARD -p 6
ip6tables -4 -A FORWARD -p 6
ip6tables -A FORWARD -p ipv6-icmp
ip6tables -A FORWARD -p icmpv6
ip6tables -A FORWARD -p icmpv6 -m icmp6 --icmpv6-type echo-request
ip6tables -A FORWARD -p ah
ip6tables -A FORWARD -p hopopt
ip6tables -A FORWARD -s 2001:db8::1,2001:db8::2 -j DROP
ip6tables -S
ip6tables -L -n -v
iptables -M /sbin/modprobe -A foo -p 6
iptables --modprobe=/sbin/modprobe -A foo -p 6
iptables -V
iptables --version
ip6tables -V
iptables
iptables -A
iptables -A nosuch -j ACCEPT
iptables -A foo -j nosuch
iptables -A foo -g nosuch
iptables -A foo -j foo
iptables -A foo -g foo
iptables -t nosuch -L
iptables -t nat -L -n
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 1.2.3.4:80
iptables --table=nat -S
iptables -t filter -t nat -S
iptables -A foo -p tcp -p udp
iptables -A foo -s 1.1.1.1 -s 2.2.2.2
iptables -A foo ! -s 1.1.1.1,2.2.2.2 -j DROP
iptables -A foo ! ! -s 1.1.1.1
iptables -A foo -s ! 1.1.1.1
iptables -A foo !
iptables -A foo -s 1.1.1.0/24,3.3.3.3/255.255.0.0
iptables -A foo -s 1.1.1.1/33
iptables -A foo -s 1.1.1.1/255.0.255.0
iptables -A foo -s 1.2
iptables -A foo -s 0/0 -d 0.0.0.0/0.0.0.0
iptables -A foo -i ""
iptables -A foo -i aaaaaaaaaaaaaaaaaaaaa
iptables -A foo -i "eth 0"
iptables -A foo -i eth/0
iptables -A foo -p nosuch
iptables -A foo -p 256
iptables -A foo -p 0
iptables -A foo ! -p 0
iptables -A foo -p TCP --dport 1
iptables -A foo -p tcp --dport 70000
iptables -A foo -p tcp --dport 20:10
iptables -A foo -p tcp --dport :10
iptables -A foo -p tcp --dport 10:
iptables -A foo -p tcp --dport ssh:http
iptables -A foo -p tcp --dport nosuch
iptables -A foo -p tcp --sport 1 --sport 2
iptables -A foo -p tcp --destination-port 3 --source-port 4 --syn
iptables -A foo --dport 3
iptables -A foo -p tcp -p 17 --dport 3
iptables -A foo -m nosuch
iptables -A foo -m tcp --dport 3
iptables -A foo -p tcp -m tcp -m tcp --dport 3
iptables -A foo -m mark --mark 1 -m mark --mark 2
iptables -A foo -m mark
iptables -A foo -m mark --mark
iptables -A foo -m mark --mark x
iptables -A foo -j MARK
iptables -A foo -j LOG --log-level 9
iptables -A foo -j LOG --log-prefix aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
iptables -A INPUT -o eth0
iptables -A OUTPUT -i eth0
iptables -A FORWARD extra
iptables -A FORWARD -j ACCEPT extra
iptables -L extra words
iptables -A FORWARD -L
iptables -L -S
iptables -F -X
iptables -L -A FORWARD
iptables -n
iptables -v
iptables -F -n
iptables -A FORWARD -n
iptables -A FORWARD --line-numbers
iptables -D FORWARD 1 -j ACCEPT
iptables -I FORWARD 0 -j ACCEPT
iptables -I FORWARD 100 -j ACCEPT
iptables -R FORWARD 100 -j ACCEPT
iptables -R FORWARD -j ACCEPT
iptables -R FORWARD 1 -s 1.1.1.1,2.2.2.2
iptables -v -A foo -p tcp --dport 22 -j ACCEPT
iptables -vv -A foo -s 10.0.0.0/8 -d 1.2.3.4 -i eth+ ! -o abcdefgh0 -p tcp --dport 22 -j ACCEPT
iptables -vv -A foo -p tcp --dport 22 -j ACCEPT
iptables -L -vv -n
ip6tables -A FORWARD -s 2001:db8::/33 -d ::1 -i eth0 -j DROP
ip6tables -vv -P FORWARD DROP
ip6tables -vv -n -L
iptables -v -D foo -p tcp --dport 22 -j ACCEPT
iptables -v -I foo -s 1.1.1.1,2.2.2.2 -j ACCEPT
iptables -v -N vvv
iptables -v -X vvv
iptables -v -F foo
iptables -v -P FORWARD ACCEPT
iptables -v -X
iptables -v -C FORWARD -j DROP
iptables --numeric --list
iptables --list --verbose --exact
iptables --lis
iptables --li -n
iptables --bogus
iptables -Q
iptables -A FORWARD --goto=foo
iptables -A FORWARD --sourc 1.1.1.1 --dst 2.2.2.2 --src 3.3.3.3
iptables -A FORWARD --out-interface=eth0 --protocol=tcp --match=tcp
iptables -S FORWARD
iptables -t mangle -S
iptables -t raw -L
iptables -t security -S
iptables -L nosuch
iptables -S nosuch
iptables -F nosuch
iptables -Z nosuch
iptables-save
iptables-save -c
iptables-save -t nat
iptables-save --table nat --counters
iptables-save -t nosuch
iptables-save -M /sbin/modprobe
iptables-save -V
iptables-save bogus
iptables-save -f FILE
ip6tables-save
iptables-restore -V
iptables-restore -t <<< *filter\n-A FORWARD -j DROP\nCOMMIT\n
iptables-save
iptables-restore -n <<< *filter\n-A FORWARD -j DROP\nCOMMIT\n
iptables-save
iptables-restore -c <<< *filter\n:FORWARD ACCEPT [3:4]\n[5:6] -A FORWARD -j DROP\nCOMMIT\n
iptables-save -c
iptables-restore --noflush --counters --verbose <<< *filter\n:FORWARD ACCEPT [3:4]\n:new - [0:0]\n[5:6] -A FORWARD -j new\nCOMMIT\n
iptables-save -c
iptables-restore -T nat <<< *filter\n-A FORWARD -j ACCEPT\nCOMMIT\n*nat\n-A POSTROUTING -j ACCEPT\nCOMMIT\n
iptables-restore --table=filter <<< *filter\n-A FORWARD -j ACCEPT\nCOMMIT\n*nat\n-A POSTROUTING -j DROP\nCOMMIT\n
iptables-save
iptables-restore -w 3 -W 1000 <<< *filter\nCOMMIT\n
iptables-restore --wait=3 <<< *filter\nCOMMIT\n
iptables-restore <<< *filter\n-A FORWARD -4 -j ACCEPT\n-A FORWARD -6 -s ::1 -j DROP\nCOMMIT\n
ip6tables-restore <<< *filter\n-A FORWARD -4 -s 1.1.1.1 -j ACCEPT\n-A FORWARD -6 -s ::1 -j DROP\nCOMMIT\n
iptables-save
ip6tables-save
iptables-restore <<< *filter\n-A FORWARD -j nosuch\nCOMMIT\n
iptables-restore <<< *filter\n-A FORWARD -j ACCEPT\n
iptables-restore <<< -A FORWARD -j ACCEPT\n
iptables-restore <<< *bogus\nCOMMIT\n
iptables-restore <<< *filter\n:FORWARD ACCEPT\n:x -\n-A x -m comment --comment "a \\"b\\" c"\n-N yy\n-P INPUT DROP\n-I FORWARD -g x\n-D FORWARD 1\n-F x\nCOMMIT\n
iptables-save
iptables-restore <<< *filter\n-L\nCOMMIT\n
iptables-xml <<< *filter\n:FORWARD DROP [0:0]\n:foo - [0:0]\n[3:4] -A FORWARD -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -m comment --comment "a <c> & d" -j foo\n-A foo -f\nCOMMIT\n
iptables-xml -c <<< *filter\n:FORWARD DROP [1:2]\n-A FORWARD -i eth0 ! -o eth1 -m conntrack --ctstate NEW -j LOG --log-prefix "x y"\n-A FORWARD -i eth0 ! -o eth1 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n
iptables-xml -v <<< # Generated by x\n*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m multiport --dports 1,2,3 -j DNAT --to-destination 1.1.1.1\nCOMMIT\n
iptables-xml --combine --version
iptables-restore -h
iptables-restore nosuchfile"""

HOSTS = """127.0.0.1 localhost
10.9.8.7 one
10.9.8.8 many
10.9.8.9 many
10.9.8.10 twice
10.9.8.10 twice
2001:db8::7 six
2001:db8::8 sixes
2001:db8::9 sixes
2001:db8::ff:1 both
10.9.8.11 both
"""
NAMES = ("one", "many", "twice", "six", "sixes", "both", "nosuch", "network", "one/24", "both/64", "many/16", "sixes/30", "one/one", "nosuch/0", "")
# Family, table and chain, rule; NAME is one of them. Those behind an option that only takes numbers are refused by both.
NAMED = """
46 mangle PREROUTING -j TEE --gateway NAME
46 mangle PREROUTING -p tcp -j TPROXY --on-port 1 --on-ip NAME
46 filter FORWARD -m recent --set --mask NAME
46 filter FORWARD -m conntrack --ctorigsrc NAME
46 filter FORWARD -m conntrack ! --ctorigdst NAME
46 filter FORWARD -m conntrack --ctreplsrc NAME
46 filter FORWARD -m conntrack --ctrepldst NAME
46 filter FORWARD -m policy --dir in --pol ipsec --mode tunnel --tunnel-src NAME
46 filter FORWARD -m policy --dir in --pol ipsec --mode tunnel --tunnel-dst NAME
46 nat PREROUTING -j NETMAP --to NAME
6 mangle POSTROUTING -j SNPT --src-pfx NAME --dst-pfx 2001:db8:1::/128
6 mangle PREROUTING -j DNPT --dst-pfx NAME --src-pfx 2001:db8:1::/128
6 filter FORWARD -m srh --srh-psid NAME --srh-nsid NAME
6 filter FORWARD -m srh ! --srh-lsid NAME
46 filter FORWARD -s NAME -j DROP
46 filter FORWARD ! -d NAME -j DROP
46 mangle PREROUTING -j HMARK --hmark-tuple sport --hmark-mod 4 --hmark-src-prefix NAME
46 nat POSTROUTING -j SNAT --to-source NAME
46 nat PREROUTING -j DNAT --to-destination NAME
46 filter FORWARD -m iprange --src-range NAME
46 filter FORWARD -m connlimit --connlimit-above 1 --connlimit-mask NAME
6 filter FORWARD -m rt --rt-type 0 --rt-0-addrs NAME
"""


def complaint(text):
    """The first line, without names: what iptables says is not always whose it is."""
    first = text.strip().split("\n")[0]
    return first.replace("-legacy", "").split(": ", 1)[-1]


def run(argv, given, env):
    done = subprocess.run(argv, input=given, capture_output=True, text=True, env=env, timeout=60)
    lines = [line for line in done.stdout.split("\n") if line[:1] != "#"]
    return done.returncode, "\n".join(lines).replace("-legacy", ""), done.stderr


def real_name(name):
    return name if name.endswith("-xml") else name.replace("tables", "tables-legacy", 1)


def own_names(where):
    """Hosts and networks are those of files, in this process and those it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name, text in (("hosts", HOSTS), ("nsswitch.conf", "hosts: files\nnetworks: files\nservices: files\nprotocols: files\n"),
                       ("networks", "network 10.7.0.0\n")):
        with open(os.path.join(where, name), "w", encoding="utf-8") as f:
            f.write(text)
        if not os.path.exists("/etc/" + name):
            continue
        if libc.mount(os.path.join(where, name).encode(), ("/etc/" + name).encode(), None, 4096, None):
            sys.exit("no file of names: " + os.strerror(ctypes.get_errno()))


def names(env):
    """Rules with names: what both make of them."""
    failed = []
    count = 0
    for line in NAMED.strip().split("\n"):
        families, table, chain, rule = line.split(" ", 3)
        for family in families:
            program = "iptables" if family == "4" else "ip6tables"
            for name in NAMES:
                text = "*%s\n-A %s %s\nCOMMIT\n" % (table, chain, rule.replace("NAME", name or '""'))
                sides = []
                for restore, save in (([real_name(program + "-restore")], [real_name(program + "-save")]),
                                      ([WEIR, program + "-restore", "--resolve"], [WEIR, program + "-save"])):
                    run(restore, "*%s\nCOMMIT\n" % table, env)
                    code, _, said = run(restore, text, env)
                    sides.append((code, bool(said), run(save + ["-t", table], "", env)[1]))
                count += 1
                if sides[0] != sides[1]:
                    failed.append("DIFFERENT: %s\n    %r\n    %r" % (text, *sides))
    print("\n".join(failed), end="\n" if failed else "")
    return count - len(failed), len(failed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true", help="complaints that are worded otherwise, too")
    args = parser.parse_args()
    if os.geteuid() or not shutil.which("iptables-legacy"):
        print("commandline_test needs root and iptables-legacy")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    if ctypes.CDLL(None).unshare(0x40000000 | 0x00020000) or ctypes.CDLL(None).mount(b"none", b"/", None, 0x44000, None):
        sys.exit("no namespace")
    passed = failed = 0
    where = tempfile.mkdtemp(prefix="weir-commandline-")
    env = dict(os.environ, XTABLES_LOCKFILE=where + "/lock", WEIR_INSTANCE=where + "/instance")
    for line in COMMANDS.strip().split("\n"):
        words, _, given = line.partition(" <<< ")
        given = given.encode().decode("unicode_escape")
        argv = shlex.split(words)
        up = run([real_name(argv[0])] + [w.replace("FILE", where + "/up") for w in argv[1:]], given, env)
        own = run([WEIR, argv[0]] + [w.replace("FILE", where + "/own") for w in argv[1:]], given, env)
        if up[:2] == own[:2] and bool(up[2]) == bool(own[2]):
            passed += 1
        else:
            failed += 1
            print("DIFFERENT: %s: exit codes %d, %d\n    %r\n    %r" % (line, up[0], own[0], (up[1] + up[2])[-300:], (own[1] + own[2])[-300:]))
        if args.verbose and complaint(up[2]) != complaint(own[2]):
            print("%s\n    %s\n    %s" % (line, complaint(up[2]), complaint(own[2])))
    own_names(where)
    good, bad = names(env)
    passed, failed = passed + good, failed + bad
    shutil.rmtree(where)
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed != 0


sys.exit(main())
