#!/usr/bin/env python3
"""Shell lines of iptables commands, once in a namespace with iptables-legacy and once on a kept instance of weir: after each command
exit code, what is printed and the first sentence on standard error must be equal, and at a session's end what -save says. Here
every command is a process of its own, so that what one leaves the next must find.

    tests/kernel/kept_test.py [--weir PATH] [--verbose]
"""
import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile

from blob_test import HERE, has_kernel, new_namespace
from command_test import OTHER_WORDS, sentence

# A line a command; "6 " before it: ip6tables; "save ..." and "restore ... | TEXT" are those programs.
SESSIONS = {
    "one rule, and what is said of it": r"""
-A INPUT -p tcp --dport 80 -s 10.0.0.0/8 -j ACCEPT
-v -A INPUT -p udp --sport domain -j DROP
-I INPUT -i lo -j ACCEPT
-I INPUT 2 -p icmp -m icmp --icmp-type echo-request -m limit --limit 3/min -j ACCEPT
-L
-L -n
-L INPUT -v
-L INPUT -v -n -x
-L INPUT --line-numbers -n
-nvxL INPUT --line-numbers
-L INPUT 2 -v -n
-L INPUT 9
-L NOSUCH
-S
-S INPUT
-S INPUT 3
-S INPUT 9
-S -v
-C INPUT -p tcp --dport 80 -s 10.0.0.0/8 -j ACCEPT
-C INPUT -p tcp --dport 81 -s 10.0.0.0/8 -j ACCEPT
-C INPUT -p tcp --dport http -s 10.0.0.0/255.0.0.0 -j ACCEPT
-v -C INPUT -p tcp --dport http -s 10.0.0.0/255.0.0.0 -j ACCEPT
-D INPUT -p tcp --dport 81 -s 10.0.0.0/8 -j ACCEPT
-v -D INPUT -p tcp --dport 80 -s 10.0.0.0/8 -j ACCEPT
-D INPUT 9
-v -D INPUT 1
-R INPUT 1 -p 17 -j REJECT
-v -R INPUT 1 -p udp-lite -j REJECT
-v -R INPUT 1 -p udplite -j REJECT --reject-with icmp-host-prohibited
-F
-v -F
""",
    "counters": r"""
-A INPUT -c 5 600 -s 10.0.0.1 -j ACCEPT
-A INPUT -s 10.0.0.2 -j ACCEPT -c 12345 999999
-A INPUT -s 10.0.0.3 -j ACCEPT -c 99999999 1234567890123
-A INPUT -s 10.0.0.4 -c 1 -j ACCEPT
-A INPUT -s 10.0.0.4 -c x 1 -j ACCEPT
-A INPUT -s 10.0.0.4 --set-counters 7 8
-P FORWARD DROP -c 3 4
-L -v
-L -v -x -n
-S -v
save -c
-Z INPUT 2
-L INPUT -vn
-Z INPUT 99
-Z INPUT
-L INPUT -vnx
-L FORWARD -vn -Z
-L FORWARD -vn
-Z
-Z NOSUCH
-v -Z
save -c
""",
    "chains": r"""
-N one
-N one
-N a-name-that-is-much-too-long-for-a-chain
-N -x
-N ACCEPT
-N "two words"
-N !bang
-N INPUT
-A one -j RETURN
-A INPUT -j one
-A INPUT -g one
-A one -j one
-N two
-A two -j one
-A one -j two
-S
-E one uno
-E uno INPUT
-E nosuch x
-E INPUT x
-E two uno
-X uno
-X nosuch
-X INPUT
-F two
-X two
-v -X
-D INPUT -g uno
-D INPUT 1
-F uno
-X uno
-P INPUT DROP
-P INPUT QUEUE
-P INPUT RETURN
-P INPUT REJECT
-P uno DROP
-P NOSUCH DROP
-v -P OUTPUT DROP
-S
""",
    "tables": r"""
-t nat -L
-t nat -A POSTROUTING -o eth0 -j MASQUERADE
-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 10.0.0.2:8080
-t nat -A INPUT -j DNAT --to 10.0.0.2
-t nat -L -n -v --line-numbers
-t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu
-t mangle -A FORWARD -p tcp -j TCPMSS --clamp-mss-to-pmtu
-t raw -A PREROUTING -j CT --notrack
-t filter -A FORWARD -j CT --notrack
-t security -L
-t nosuch -L
-t
-A PREROUTING -j ACCEPT
-t raw -A FORWARD -j ACCEPT
-t nat -S POSTROUTING
--table nat --list-rules POSTROUTING
-t nat -F POSTROUTING
save
save -t nat
save -t nosuch
6 -S
6 -t raw -A OUTPUT -j TRACE
6 -t raw -S
""",
    "words": r"""
-A INPUT -p TCP -j ACCEPT
-A INPUT -p 6 -j ACCEPT
-A INPUT -p all -j ACCEPT
-A INPUT -p 0 -j ACCEPT
-A INPUT -p 255 -j ACCEPT
-A INPUT -p 256 -j ACCEPT
-A INPUT -p nosuch -j ACCEPT
-A INPUT ! -p tcp -j ACCEPT
-A INPUT -p ! tcp -j ACCEPT
-A INPUT ! -p all -j ACCEPT
-A INPUT -p tcp --dport ssh -j ACCEPT
-A INPUT -p tcp --dport ssh:http -j ACCEPT
-A INPUT -p tcp --dport http:ssh -j ACCEPT
-A INPUT -p tcp --dport :1023 ! --sport 1024: -j ACCEPT
-A INPUT -p tcp --dport nosuchservice -j ACCEPT
-A INPUT -p tcp --dport 65536 -j ACCEPT
-A INPUT --dport 22 -j ACCEPT
-A INPUT -p udp --dport 53 --dport 54 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m tcp --sport 23 -j ACCEPT
-A INPUT -m multiport --dports 22 -j ACCEPT
-A INPUT -p tcp -m multiport --dports ssh,http,1000:2000 -j ACCEPT
-A INPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 -j ACCEPT
-A INPUT -s 10.0.0.1/24 -j ACCEPT
-A INPUT -s 10.0.0.1/255.255.0.255 -j ACCEPT
-A INPUT ! -s 10/8 -j ACCEPT
-A INPUT -s 10.0.0.1,10.0.0.2 -d 10.1.0.0/16 -j ACCEPT
-A INPUT ! -s 10.0.0.1,10.0.0.2 -j ACCEPT
-A INPUT -s 10.0.0.300 -j ACCEPT
-A INPUT -s 10.0.0.1/33 -j ACCEPT
-A INPUT -s 0/0 -j ACCEPT
-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT
-A INPUT -m iprange --src-range 10.0.0.9-10.0.0.1 -j ACCEPT
-A INPUT -i eth+ -j ACCEPT
-A INPUT -i + -j ACCEPT
-A INPUT ! -i eth0 -j ACCEPT
-A INPUT -i averyveryverylongname -j ACCEPT
-A INPUT -o eth0 -j ACCEPT
-A OUTPUT -i eth0 -j ACCEPT
-A OUTPUT -o eth0 -j ACCEPT
-A FORWARD -f -j ACCEPT
-A FORWARD ! -f -j ACCEPT
-A FORWARD -j NOSUCH
-A FORWARD -m nosuch -j ACCEPT
-A FORWARD -j ACCEPT extra
-A FORWARD --nosuch
-A FORWARD -j
-A FORWARD -j ACCEPT -j DROP
-A FORWARD -j ACCEPT -g FORWARD
-A FORWARD -g INPUT
-A FORWARD -m
-A
-A FORWARD -A INPUT
-D FORWARD -L
-L -n -n
-Q
-x -A FORWARD
-A FORWARD -n -j ACCEPT
-L --line-number
-4 -A FORWARD -s 10.0.0.7 -j DROP
-6 -A FORWARD -s fd00::1 -j DROP
6 -4 -A FORWARD -s 10.0.0.7 -j DROP
6 -A FORWARD -s fd00::1/64 -p icmpv6 -j DROP
6 -A FORWARD -s fd00::1,fd00::2 -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP
6 -A FORWARD -s 10.0.0.1 -j DROP
6 -A FORWARD -f -j DROP
6 -L -n -v
6 -S
-S
-w -S INPUT 1
-w 3 -S INPUT 1
-w3 -S INPUT 1
--wait=3 -S INPUT 1
-W 100000 -S INPUT 1
-w 1 -W 1000 -S INPUT 1
-w x -S INPUT 1
--modprobe=/bin/true -S INPUT 1
-M /bin/true -S INPUT 1
-V
--version
-L -V
""",
    "restore": r"""
restore | *filter\n:INPUT DROP [1:2]\n:x - [0:0]\n-A INPUT -j x\n-A x -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n
save
restore -n | *filter\n-A x -j DROP\nCOMMIT\n
restore -c | *filter\n:INPUT ACCEPT [11:22]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n[5:6] -A INPUT -s 1.1.1.1/32 -j DROP\nCOMMIT\n
save -c
restore -t | *filter\n-A INPUT -j NOSUCH\nCOMMIT\n
restore -t | *filter\n-A INPUT -j DROP\nCOMMIT\n
restore -T nat | *nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*mangle\n-A INPUT -j MARK --set-mark 1\nCOMMIT\n
save -c
restore | *filter\n-A INPUT -p tcp --dport 99999 -j DROP\nCOMMIT\n
restore | *filter\n-A INPUT -j DROP\n
restore | -A INPUT -j DROP\n
restore | *nosuch\nCOMMIT\n
restore | # a comment\n\n*filter\n:FORWARD -\nCOMMIT\n
save
""",
    "names in several tables": r"""
-t mangle -A FORWARD -j RATEEST --rateest-name q --rateest-interval 250ms --rateest-ewmalog 1s
-A FORWARD -m rateest --rateest q --rateest-gt --rateest-bps 8bit -j DROP
-A FORWARD -m rateest --rateest none --rateest-gt --rateest-bps 8bit -j DROP
6 -A FORWARD -m rateest --rateest q --rateest-gt --rateest-pps 5
-t raw -A PREROUTING -j RATEEST --rateest-name q --rateest-interval 1s --rateest-ewmalog 2s
-t raw -A PREROUTING -j RATEEST --rateest-name q --rateest-interval 250ms --rateest-ewmalog 1s
-t mangle -F
-t raw -F
-A FORWARD -m rateest --rateest q --rateest-lt --rateest-pps 5
-D FORWARD 1
-A OUTPUT -j ACCEPT
-F
6 -S
6 -F
-A FORWARD -m rateest --rateest q --rateest-lt --rateest-pps 5
-A OUTPUT -j IDLETIMER --timeout 5 --label keptone
-t mangle -A OUTPUT -j IDLETIMER --timeout 9 --label keptone
6 -t mangle -A OUTPUT -j IDLETIMER --timeout 9 --label keptone --alarm
6 -t mangle -A OUTPUT -j IDLETIMER --timeout 9 --label kepttwo --alarm
restore -n | *filter\n-A OUTPUT -j IDLETIMER --timeout 5 --label kepttwo\nCOMMIT\n
-t mangle -F
-F
6 -t mangle -F
-A OUTPUT -j IDLETIMER --timeout 5 --label kepttwo
-A FORWARD -m recent --set --name both
-t raw -A PREROUTING -m recent --rcheck --hitcount 30 --name both
-t mangle -A FORWARD -m hashlimit --hashlimit-above 5/min --hashlimit-name hh
-A FORWARD -m hashlimit --hashlimit-above 9/min --hashlimit-mode srcip --hashlimit-name hh
save
""",
}


def without_dates(text):
    return re.sub(r"^# (Generated|Completed).*\n", "", text, flags=re.M)


def run(side, line, where):
    """(exit code, output, first sentence)"""
    family, rest = (6, line[2:]) if line.startswith("6 ") else (4, line)
    data = b""
    if rest.startswith("restore"):
        rest, text = rest.split(" | ", 1)
        data = text.encode().decode("unicode_escape").encode()
    words = shlex.split(rest)
    suffix = "-" + words.pop(0) if words[:1] in (["save"], ["restore"]) else ""
    name = ("iptables" if family == 4 else "ip6tables")
    argv = [name + "-legacy" + suffix] if side == "kernel" else [where[0], name + suffix, "--instance", where[1]]
    done = subprocess.run(argv + words, input=data, capture_output=True, timeout=60)
    return done.returncode, without_dates(done.stdout.decode(errors="replace")), sentence(done.stderr.decode(errors="replace"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default=os.environ.get("WEIR") or os.path.join(HERE, "..", "..", "build", "src", "cli", "weir"))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if not has_kernel("kept_test"):
        return 0
    passed = failed = 0
    for name, session in SESSIONS.items():
        new_namespace()
        with tempfile.TemporaryDirectory() as where:
            for line in [x for x in session.split("\n") if x] + ["save -c", "6 save -c"]:
                k, w = run("kernel", line, None), run("weir", line, (args.weir, where + "/kept"))
                found = []
                if k[0] != w[0]:
                    found.append(f"exit code {k[0]} / {w[0]}")
                if k[1] != w[1]:
                    found.append(f"prints {k[1]!r} / {w[1]!r}")
                if k[0] and k[2] != w[2] and not OTHER_WORDS.search(k[2]) and not line.removeprefix("6 ").startswith("restore"):
                    found.append(f"says {k[2]!r} / {w[2]!r}")
                passed, failed = passed + (not found), failed + bool(found)
                if found or args.verbose:
                    print(f"{'DIFFERENT' if found else 'same'}: {name}: {line}: {k[2]!r} / {w[2]!r}")
                for text in found:
                    print("    " + text)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
