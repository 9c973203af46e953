#!/usr/bin/env python3
"""The same commands of conntrack, nfct, nfacct and nfnl_osf on the kernel and, through `weir exec`, on a daemon: exit code, what they print and what they
complain about must be equal. The lines are this file's with --run; ids and remaining seconds are left out. Ends with "N passed, N failed, N skipped"."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", ROOT + "/build/src/cli/weir")
STATES = {"tcp": "syn_sent syn_recv established fin_wait close_wait last_ack time_wait close syn_sent2 retrans unacknowledged", "udp": "unreplied replied", "udplite": "unreplied replied",
          "icmp": "timeout", "icmpv6": "timeout", "generic": "timeout", "gre": "unreplied replied", "dccp": "request",
          "sctp": "closed cookie_wait cookie_echoed established shutdown_sent shutdown_recd shutdown_ack_sent"}


def nfct():
    for proto, states in STATES.items():
        every = " ".join("%s %d" % (s, i + 3) for i, s in enumerate(states.split()))
        name, first = "p-" + proto, states.split()[0]
        yield from ("nfct add timeout %s inet %s %s 100" % (name, proto, first), "nfct get timeout " + name, "nfct add timeout %s inet %s %s 100" % (name, proto, first),
                    "nfct delete timeout " + name, "nfct get timeout " + name, "nfct delete timeout " + name, "nfct timeout add %s inet6 %s %s" % (name, proto, every),
                    "nfct timeout get " + name, "nfct timeout default-get inet " + proto, "nfct timeout default-set inet %s %s" % (proto, every), "nfct timeout default-get inet6 " + proto)
    yield from ("nfct list timeout", "nfct add timeout", "nfct add timeout a inet", "nfct add timeout a inet tcp", "nfct add timeout a inet tcp nonsense 5", "nfct add timeout a inet9 tcp close 5",
                "nfct add timeout %s inet tcp close 5" % ("n" * 31), "nfct add timeout %s inet tcp close 5" % ("n" * 40), "nfct flush timeout", "nfct list timeout",  # helpers: tests/live/helper_test.py
                "nfct nonsense timeout", "nfct list nonsense", "nfct timeout nonsense", "nfct li timeout", "nfct add tim a inet udp replied 5", "nfct g t a", "nfct ti li", "nfct de timeout a", "nfct d timeout a", "nfct default timeout inet udp",
                "nfct disable timeout a", "nfct list", "nfct nonsense")


def shared():
    """What is made by messages is what rules use."""
    yield from ("nfct add timeout quick inet udp unreplied 7 replied 9", "iptables-legacy -t raw -A PREROUTING -p udp -j CT --timeout quick", "iptables-legacy -t raw -S", "nfct delete timeout quick",
                "nfct flush timeout", "nfct list timeout", "iptables-legacy -t raw -A PREROUTING -p udp -j CT --timeout nobody", "iptables-legacy -t raw -F", "nfct delete timeout quick",
                "nfacct add http-traffic", "iptables-legacy -A INPUT -p tcp --sport 80 -m nfacct --nfacct-name http-traffic", "iptables-legacy -S INPUT", "nfacct delete http-traffic", "nfacct flush",
                "nfacct list", "iptables-legacy -A INPUT -m nfacct --nfacct-name nobody", "iptables-legacy -F", "nfacct delete http-traffic", "nfacct list", "nfacct add a", "nfacct add a",
                "nfacct add b byte 1000", "nfacct add c packet 5", "nfacct add d packet", "nfacct add", "nfacct get b", "nfacct get nobody", "nfacct list reset", "nfacct list json", "nfacct list xml",
                "nfacct get c reset", "nfacct delete nobody", "nfacct add %s" % ("n" * 40), "nfacct flush", "nfacct list", "nfacct nonsense", "nfnl_osf", "nfnl_osf -f /nonexistent")


def conntrack():
    four, six = "-s 192.0.2.1 -d 192.0.2.2", "-s 2001:db8::1 -d 2001:db8::2"
    make = ["-p tcp %s --sport 10 --dport 20 --state LISTEN -u SEEN_REPLY -t 5000" % four, "-p tcp %s --sport 11 --dport 20 --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 5000 -m 7" % four,
            "-p tcp %s --sport 12 --dport 20 --state TIME_WAIT -u SEEN_REPLY -t 5000 -n 10.9.9.9:77" % four, "-p udp %s --sport 13 --dport 53 -t 5000" % four,
            "-p udp %s --sport 14 --dport 53 -t 5000 -g 10.8.8.8" % four, "-p udp %s --sport 15 --dport 53 -t 5000 -w 5" % four, "-p udp %s --sport 16 --dport 53 -t 5000 --orig-zone 6" % four,
            "-p udp %s --sport 17 --dport 53 -t 5000 --reply-zone 7" % four, "-p icmp %s --icmp-type 8 --icmp-code 0 --icmp-id 5 -t 5000" % four, "-p gre %s --srckey 1 --dstkey 2 -t 5000" % four,
            "-p sctp %s --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 5000" % four, "-p dccp %s --sport 1 --dport 2 --state OPEN --role client -t 5000" % four,
            "-p 99 %s -t 5000" % four, "-p tcp %s --sport 10 --dport 20 --state SYN_SENT -t 5000" % six, "-p icmpv6 %s --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 5 -t 5000" % six,
            "-p udplite %s --sport 10 --dport 20 -t 5000" % six, "-p tcp -r 192.0.2.3 -q 192.0.2.4 --reply-port-src 11 --reply-port-dst 21 --state LISTEN -u SEEN_REPLY -t 5000",
            "-p tcp %s --sport 10 --dport 20 -t 5000" % four, "-p tcp %s --sport 10 -t 5000 --state NONE" % four, "-p tcp -s 1.1.1.1 --sport 1 --dport 2 -t 50 --state NONE", "-p tcp %s" % four,
            "-p udp %s --sport 19 --dport 53 -t 5000 -u FIXED_TIMEOUT" % four, "-p udp %s --sport 20 --dport 53 -t 5000 -u CONFIRMED" % four, "-p udp %s --sport 21 --dport 53 -t 5000 -u NONSENSE" % four,
            "-p udp %s --sport 22 --dport 53 -t 5000 -l anything" % four]
    for words in make:
        yield "conntrack -I " + words
    yield "conntrack -I " + make[0]
    yield "conntrack -A " + make[0]
    yield "conntrack -A -p udp %s --sport 30 --dport 53 -t 5000" % four
    for words in ("", "-o extended", "-o id", "-o xml", "-o save", "-o xml,extended,id", "-f ipv6", "-f ipv4 -p udp", "-p tcp --state ESTABLISHED", "-m 7", "-m 0/0x1", "-u ASSURED", "-u UNSET", "-w 5",
                  "--orig-zone 6", "--reply-zone 7", "-n", "-g", "-j", "-n 10.9.9.9", "-g 10.8.8.8", "-s 192.0.2.0/24", "-d 192.0.2.2/32 -p udp", "-p udp --sport 13", "-p icmp --icmp-type 8", "-r 192.0.2.2",
                  "-q 192.0.2.1", "-s 2001:db8::/64", "-p sctp", "-p gre", "-p 99", "-z -p tcp", "-o nonsense", "-x", "expect", "dying", "unconfirmed", "nonsense", "-l 3", "-o labels", "-c 5", "-e NEW"):
        yield "conntrack -L " + words
    yield from ("conntrack -G -p tcp %s --sport 11 --dport 20" % four, "conntrack -G -p tcp %s --sport 99 --dport 20" % four, "conntrack -G -p udp %s --sport 13 --dport 53 -o xml" % four, "conntrack -C", "conntrack -C expect",
                "conntrack -U -p tcp %s --sport 11 --dport 20 -m 9" % four, "conntrack -U -p tcp -m 0x100/0xff00", "conntrack -U -p udp -t 700", "conntrack -U -p udp --sport 19 -t 800",
                "conntrack -U -p tcp --state CLOSE -s 192.0.2.1 --sport 10", "conntrack -U -p udp -u SEEN_REPLY --sport 13", "conntrack -U -m 5 -p icmpv6", "conntrack -L", "conntrack -D -p udp --sport 13", "conntrack -D -p udp --sport 13",
                "conntrack -D -m 5", "conntrack -D -s 192.0.2.0/24 -p icmp", "conntrack -D -w 5", "conntrack -D -n", "conntrack -D -f ipv6", "conntrack -D -i 5", "conntrack -L", "conntrack -F", "conntrack -F expect", "conntrack -L",
                "conntrack -F -f ipv6", "conntrack -V", "conntrack -E -t 5", "conntrack -E -e NONSENSE", "conntrack -L -E", "conntrack -I", "conntrack -D",
                "conntrack -I -p tcp -s 192.0.2.9 -d 192.0.2.2 --sport 1000 --dport 21 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 3000",
                "conntrack -I expect -p 6 --tuple-src 192.0.2.2 --tuple-dst 192.0.2.9 -s 192.0.2.9 -d 192.0.2.2 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -t 200", "conntrack -L expect", "conntrack -F",
                "conntrack -S expect")


def options():
    """Every option of conntrack(8), in both its names, where it belongs and where it does not; expectations."""
    four = "--orig-src 192.0.2.1 --orig-dst 192.0.2.2 --timeout 5000"
    make = ["--create --protonum tcp %s --orig-port-src 11 --orig-port-dst 20 --state SYN_RECV --status SEEN_REPLY --mark 0x17" % four,
            "--create --proto udp %s --sport 13 --dport 53 --src-nat 10.9.9.9 --zone 3" % four, "-I -p udp %s --sport 14 --dport 53 --dst-nat 10.8.8.8:5353" % four,
            "-I -p udp %s --sport 15 --dport 53 --any-nat 10.7.7.7" % four, "-I -p udp %s --sport 16 --dport 53 --src-nat 10.9.9.9 --dst-nat 10.8.8.8" % four,
            "-I -p udp %s --sport 17 --dport 53 --secmark 5" % four, "-I -p udp %s --sport 18 --dport 53 --label-add 3" % four, "-I -p udp %s --sport 21 --dport 53 --state NEW" % four,
            "--add -p sctp %s --sport 1 --dport 2 --state COOKIE_WAIT --orig-vtag 7 --reply-vtag 9" % four, "-A -p gre %s --orig-key-src 0x11 --orig-key-dst 0x12 --reply-key-src 0x12 --reply-key-dst 0x11" % four,
            "-I -p sctp %s --sport 3 --dport 2 --state CLOSED --orig-vtag 7 --reply-vtag 9 --src-nat 10.9.9.9:77" % four, "-I -p udplite %s --sport 3 --dport 2 --src-nat 10.9.9.9:77" % four,
            "-I -p gre %s --srckey 3 --dstkey 4 --src-nat 10.9.9.9:77" % four, "-I -p icmp %s --icmp-type 8 --icmp-code 0 --icmp-id 9 --src-nat 10.9.9.9:77" % four, "-I -p 99 %s --src-nat 10.9.9.9" % four,
            "-I -p icmp %s --icmp-type 13 --icmp-code 0 --icmp-id 77" % four, "-I -p icmp %s --icmp-type 3 --icmp-code 1 --icmp-id 77" % four, "-I -p icmp %s --icmp-type 8" % four,
            "-I -p udp %s --reply-src 192.0.2.2 --reply-dst 192.0.2.99 --sport 22 --dport 53 --reply-port-src 53 --reply-port-dst 4000" % four,
            "-I -p udp %s --sport 23 --dport 53 -f ipv6" % four, "-I -p udp %s --sport 70000 --dport 53" % four, "-I -p udp %s --sport 24 --dport 53 -m 4294967296" % four, "-I -p udp %s --sport 25 --dport 53 -t x" % four,
            "-I -p udp %s --sport 26 --dport 53 -w 70000" % four, "-I -p udp %s --sport 27 --dport 53 -w x" % four, "-I -p tcp %s --sport 28 --dport 53 --state NONSENSE" % four,
            "-I -p udp -s 192.0.2.1 -d nonsense --sport 1 --dport 2 -t 5", "-I -p nonsense %s" % four, "-I -p udp -s 192.0.2.1 -d 2001:db8::1 --sport 1 --dport 2 -t 5", "-I -p udp %s --sport 29 --dport 53 -u OFFLOAD" % four,
            "-I -p udp %s --sport 30 --dport 53 -u EXPECTED" % four, "-I -p udp %s --sport 31 --dport 53 -u UNSET" % four, "-I -p udp %s --sport 32 --dport 53 -u SRC_NAT" % four]
    for words in make:
        yield "conntrack " + words
    for words in ("", "conntrack", "-o timestamp", "-o ktimestamp", "-o ktimestamp,id,extended", "-o labels", "-o labels,save", "-o save,extended", "-o save,id", "-o xml,labels,timestamp", "-o save,xml", "-o userspace", "-o id,id", "-o",
                  "--output extended,labels,id", "--zone 3", "--orig-zone 3", "--reply-zone 3", "--zone 0", "--mark 0x17/0xff", "--mark 0x17/", "--mark x", "--mark 23", "--src-nat", "--dst-nat", "--any-nat", "--any-nat 10.9.9.9",
                  "--src-nat 10.9.9.9 --dst-nat 10.8.8.8", "--dst-nat 10.8.8.8:5353", "--src-nat 10.9.9.0/24", "--status SEEN_REPLY", "--status SEEN_REPLY,ASSURED", "--status CONFIRMED", "--status FIXED_TIMEOUT", "--status OFFLOAD", "--family ipv4",
                  "--family ipv7", "--protonum 17", "--protonum 300", "--proto udp --reply-port-dst 4000", "--proto udp --orig-port-src 13", "-p udp --dport 53 --sport 13", "-p sctp --state COOKIE_WAIT", "-p sctp --orig-vtag 7",
                  "-p gre --srckey 0x11", "-p icmp --icmp-id 77", "-p icmp --icmp-code 0", "-p icmp --icmp-type x", "--sport 13", "--state ESTABLISHED", "--reply-src 192.0.2.2 -p udp", "--reply-dst 192.0.2.0/24", "-s 192.0.2.1/33", "-s ::/0",
                  "-s 0.0.0.0/0", "-d 192.0.2.2 -d 192.0.2.2", "--secmark 5", "--label 3", "--label-add 3", "--tuple-src 1.2.3.4", "--mask-src 255.0.0.0", "--mask-src 255.255.255.0 -s 192.0.2.77", "--mask-dst 255.255.0.0 -d 192.0.9.9",
                  "--buffer-size 100", "-e ALL", "--timeout 5000", "-i 7", "--role client", "--zero -p udp", "-B", "-4", "extra words", "dying -p tcp", "dying -o xml", "unconfirmed -p udp -o id"):
        yield ("conntrack -L " + words).rstrip()
    yield from ("conntrack --dump -p sctp", "conntrack -L -p dccp --state OPEN", "conntrack -L -p dccp --sport 5", "conntrack -L -p sctp --state NONE", "conntrack -L -p dccp --role client",
                "conntrack -I -p dccp %s --sport 1 --dport 2 --state OPEN --role nobody" % four, "conntrack -I -p dccp %s --sport 1 --dport 2 --state OPEN" % four, "conntrack -I -p dccp %s --sport 1" % four,
                "conntrack -I -p dccp %s --sport 1 --dport 2 --state REQUEST --role s" % four, "conntrack -L -p dccp --state OPEN", "conntrack -L -p dccp --dport 7", "conntrack -G -p dccp %s --sport 1 --dport 2" % four[:-15],
                "conntrack -I -p sctp %s --sport 9 --dport 2 --state CLOSED --orig-vtag 7" % four, "conntrack -I -p gre %s --srckey 5" % four, "conntrack -I -p gre %s --reply-key-src 5" % four, "conntrack -G -p gre %s --srckey 0x11 --dstkey 18" % four[:-15],
                "conntrack -D -p sctp -n", "conntrack -D -p gre -n", "conntrack -D -p icmp -n", "conntrack -U -p sctp --state SHUTDOWN_SENT", "conntrack -U -p sctp --state SHUTDOWN_RECD --orig-vtag 21 --reply-vtag 22", "conntrack -U -f ipv4 -p sctp --state SHUTDOWN_SENT", "conntrack -U -f ipv4 -p sctp --state SHUTDOWN_RECD --orig-vtag 21 --reply-vtag 22", "conntrack -L -o save", "conntrack -L -p sctp", "conntrack -U -p sctp -m 3",
                "conntrack -U -f ipv4 -p sctp -m 3", "conntrack -U -f ipv4 -p gre -m 4", "conntrack -U -f ipv4 -p dccp -m 5", "conntrack -G -p udp %s --sport 14 --dport 53 -m 99" % four[:-15], "conntrack -G -p tcp %s --sport 11 --dport 20 --state CLOSE" % four[:-15], "conntrack -U -p gre -m 4", "conntrack -U -p dccp -m 5", "conntrack -L", "conntrack --get -p sctp %s --sport 1 --dport 2 --orig-vtag 7" % four[:-15], "conntrack -G -p udp %s --sport 13 --dport 53 -w 3" % four[:-15], "conntrack -G -p udp %s --sport 13 --dport 53" % four[:-15],
                "conntrack -G -p icmp %s --icmp-type 13 --icmp-code 0 --icmp-id 77" % four[:-15], "conntrack -G -p udp %s --sport 14 --dport 53 -o id,extended" % four[:-15], "conntrack -G", "conntrack -G -p tcp -s 192.0.2.1",
                "conntrack --update -p udp --mark 0xf0/0xff", "conntrack -U -p udp --orig-port-src 14 --status ASSURED", "conntrack -U -p udp --sport 14 --label-add 5", "conntrack -U -p udp --label-del", "conntrack -U -p udp --label-del 5",
                "conntrack -U --zone 3 -m 99", "conntrack -U -s 192.0.2.1 -t 5000 -p icmp", "conntrack -U", "conntrack -U -p tcp --state CLOSE", "conntrack -U -p udp --src-nat 1.1.1.1", "conntrack -U -m 1 -p udp --dport 99", "conntrack -L",
                "conntrack -R {file}", "conntrack -R /nonexistent", "conntrack --load-file {bad}", "conntrack -L", "conntrack -L -o save",
                "conntrack --delete -p udp --zone 3", "conntrack -D --mark 0xf0/0xff -p udp --sport 14", "conntrack -D --src-nat 10.9.9.9", "conntrack -D --dst-nat", "conntrack -D --status SEEN_REPLY", "conntrack -D -p udp --reply-port-dst 4000 -o id,extended",
                "conntrack -D -o xml -p sctp", "conntrack -D -o save -p gre", "conntrack -D -l 3", "conntrack -D -p tcp --state SYN_RECV", "conntrack -L", "conntrack --count", "conntrack --flush", "conntrack -C", "conntrack -C conntrack", "conntrack -C nonsense",
                "conntrack -F nonsense", "conntrack -F -p tcp", "conntrack --version", "conntrack -L -D", "conntrack -I expect", "conntrack -A expect")
    master = "--orig-src 192.0.2.9 --orig-dst 192.0.2.2"
    tuple_ = "--tuple-src 192.0.2.2 --tuple-dst 192.0.2.9"
    yield from ("conntrack -I -p tcp %s --sport 1000 --dport 21 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 3000" % master, "conntrack -I expect -p 6 %s %s --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -t 200" % (tuple_, master),
                "conntrack -G expect -p tcp %s --sport 5 --dport 6" % tuple_[:44], "conntrack -G expect -p tcp -s 192.0.2.2 -d 192.0.2.9", "conntrack -D expect -p tcp -s 192.0.2.2 -d 192.0.2.9", "conntrack -D expect -p tcp %s" % tuple_,
                "conntrack -U expect -p tcp %s" % tuple_, "conntrack -L expect -o xml", "conntrack -L expect -o id", "conntrack -L expect -o extended", "conntrack -L expect -o save", "conntrack -L expect -o timestamp", "conntrack -L expect -p tcp", "conntrack -L expect -f ipv6",
                "conntrack -L expect -s 192.0.2.2", "conntrack -L expect -w 3", "conntrack -L expect -m 3", "conntrack -C expect", "conntrack -F expect", "conntrack -E expect -e NONSENSE", "conntrack -E expect -p tcp", "conntrack -R expect", "conntrack -F")


def accounts():
    """Also as `weir nfacct`, which the daemon carries out itself."""
    for words in ("", "add", "add a", "add a", "add b byte 1000", "add c packet 5", "add d packet", "add e nonsense 5", "add e byte xx", "add e byte 10x", "add f byte 5 x", "get a", "get", "get nobody", "get b reset",
                  "get b nonsense", "get b reset xml", "list", "list reset", "list json", "list xml", "list reset xml", "list json reset", "list json xml", "list x", "list nonsense", "get c xml", "get c json", "li", "ADD x", "delete",
                  "delete nobody", "delete a", "delete b x", "delete c", "list", "flush x", "flush", "list", "nonsense", "add %s" % ("n" * 31), "list", "flush"):
        yield ("nfacct " + words).rstrip()


PARTS = {"accounts": accounts, "nfct": nfct, "shared": shared, "conntrack": conntrack, "options": options}
STEPS = [("sysctl -qw net.netfilter.nf_conntrack_acct=1", "conntrack -I -p udp -s 1.2.3.4 -d 5.6.7.8 --sport 1 --dport 2 -t 900", "conntrack -L", "conntrack -L -z", "conntrack -L", "conntrack -F")]


# for -R: what -o save prints, and lines that end it
FILES = {"{file}": "# comment\n\n-A -p udp -s 192.0.2.60 -d 192.0.2.61 --sport 1 --dport 2 -t 5000 -u SEEN_REPLY\n"
                   "-I -p tcp -s 192.0.2.60 -d 192.0.2.61 --sport 3 --dport 4 -t 5000 --state ESTABLISHED -m 6\n-D -p udp -s 192.0.2.60\n-A -p udp -s 2001:db8::60 -d 2001:db8::61 --sport 1 --dport 2 -t 5000 -w 4\n",
         "{bad}": "-A -p udp -s 192.0.2.70 -d 192.0.2.71 --sport 1 --dport 2 -t 5000\n-A -p nonsense\n-A -p udp -s 192.0.2.72 -d 192.0.2.71 --sport 1 --dport 2 -t 5000\n"}


def run(itself=False):
    folder = tempfile.mkdtemp(prefix="weir-commands-files-")
    for name, text in FILES.items():
        with open("%s/%s" % (folder, name), "w", encoding="ascii") as f:
            f.write(text)
    for name, lines in [(n, PARTS[n]) for n in ("accounts", "nfct", "conntrack", "options")] if itself else list(PARTS.items()) + [("counted", lambda: STEPS[0])]:
        for number, line in enumerate(lines()):
            words = [folder + "/" + w if w in FILES else w for w in line.split()]
            try:
                r = subprocess.run(([WEIR] if itself else []) + words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 if "-E" in line else 30)
                code, out, err = r.returncode, r.stdout, r.stderr
            except subprocess.TimeoutExpired:
                code, out, err = -1, "", "goes on"
            print("%s %d %s\x01%d\x01%s\x01%s" % (name, number, line, code, out, err.replace(folder, "")), end="\x02", flush=True)
    shutil.rmtree(folder)


def plain(text):
    """Without what is the machine's: ids, seconds that pass, addresses of the kernel's memory."""
    text = re.sub(r"(?<![.\d])\d{2,4}(?![.\d])", lambda m: next((str(t) for t in (5000, 3000, 900, 800, 700, 200) if t - 60 < int(m[0]) <= t), m[0]), text)
    text = re.sub(r"timestamp\" : \d+|^\d{4}-\d\d-\d\d \S+ \d+", "now", text)
    text = re.sub(r"cpu=1 .*\n", "", text)    # weir's are those of a machine with one
    return re.sub(r"(\bid=|<id>)\d{4,}", r"\1N", text)


def by_line(side):
    found = {}
    for record in side.split("\x02")[:-1]:
        line, code, out, err = record.split("\x01")
        # the order of entries is that of a hash table with the kernel's own key
        found[line] = (code, "\n".join(sorted(plain(out).split("\n"))) if "conntrack -" in line else plain(out), plain(err))
    return found


def fingerprints(folder):
    """Exit codes of nfnl_osf on the kernel and of `weir nfnl_osf`; the tool's log lines are its own."""
    good, bad = "65535:64:1:52:M*,N,W8,N,N,S:Foo:1:Foo:Foo 1\n", "# nothing\n16384:64:0:44:M*:X:2:X:X 2\nnonsense\n"
    for name, text in (("good", good), ("bad", bad)):
        with open(folder + "/" + name, "w") as f:
            f.write(text)
    lines = [["nfnl_osf"] + w.split() for w in ("", "-f", "-x", "-f /nonexistent", *("-f %s/%s" % (folder, w) for w in ("good", "good", "good -d", "good -d", "bad", "bad -d")))]
    theirs = [subprocess.run(["unshare", "-n", *line], capture_output=True).returncode for line in lines]
    ours = [subprocess.run([WEIR, *line], capture_output=True, env={**os.environ, "WEIR_SOCKET": folder + "/s"}).returncode for line in lines]
    return theirs, ours


def main():
    if sys.argv[1:] in (["--run"], ["--run-itself"]):
        run(sys.argv[1] == "--run-itself")
        return 0
    missing = [t for t in ("conntrack", "nfct", "nfacct", "nfnl_osf", "iptables-legacy") if not shutil.which(t)]
    if os.geteuid() or missing:
        print("command tests need root and %s\n0 passed, 0 failed, 1 skipped" % ", ".join(missing))
        return 0
    me = [sys.executable, os.path.abspath(__file__), "--run"]
    theirs = subprocess.run(["unshare", "-n", *me], capture_output=True, text=True, timeout=300)
    with tempfile.TemporaryDirectory(prefix="weir-commands-") as folder:
        # each way has an instance that nobody has changed
        daemons = [subprocess.Popen([WEIR, "daemon", "--socket", folder + name, "--seed", "1"], stderr=subprocess.PIPE, text=True) for name in ("/s", "/own")]
        for daemon in daemons:
            daemon.stderr.readline()
        ours = subprocess.run(["unshare", "-n", WEIR, "exec", "--socket", folder + "/s", "--", *me], capture_output=True, text=True, timeout=300)
        itself = subprocess.run([*me[:-1], "--run-itself"], capture_output=True, text=True, timeout=300, env={**os.environ, "WEIR_SOCKET": folder + "/own"})
        fingers = fingerprints(folder)
        for daemon in daemons:
            daemon.terminate()
            daemon.wait()
            daemon.stderr.close()
    if theirs.returncode or ours.returncode:
        print(theirs.stderr[-600:], ours.stderr[-600:], "0 passed, 1 failed, 0 skipped", sep="\n")
        return 1
    kernel, weir = by_line(theirs.stdout), by_line(ours.stdout)
    own = by_line(itself.stdout)
    for line in [line for line in kernel if line.startswith(("accounts ", "nfct ", "conntrack ", "options "))]:
        kernel["weir " + line], weir["weir " + line] = kernel[line], own.get(line)
    kernel["weir nfnl_osf"], weir["weir nfnl_osf"] = fingers
    failed = [line for line in kernel if kernel[line] != weir.get(line)]
    for line in failed:
        print("FAILED: %s\n  kernel: %s\n  weir:   %s" % (line, kernel[line], weir.get(line)))
    print("%d passed, %d failed, 0 skipped" % (len(kernel) - len(failed), len(failed)))
    return 1 if failed else 0


sys.exit(main())
