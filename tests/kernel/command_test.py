#!/usr/bin/env python3
"""iptables commands, typed one after the other into a namespace with iptables-legacy and into weir: exit code, what is printed, the
first line on standard error (where it is upstream's own sentence about the table) and the rules afterwards must be equal.

    tests/kernel/command_test.py [--random 300] [--seed 1] [--verbose]
"""
import argparse
import os
import random
import re
import shlex
import subprocess
import sys

from blob_test import HERE, Kernel, has_kernel, new_namespace

# One session each: a line a command, "iptables" left out; "restore OPTIONS | TEXT" is iptables-restore.
SESSIONS = ["""
-S
-L
-N foo
-N foo
-A foo -s 1.1.1.1,2.2.2.0/24 -j DROP
-I foo 2 -p tcp --dport 80 -v
-A foo -d 9.9.9.9 -j foo
-S foo
-S foo 2
-S -v
-C foo -s 2.2.2.2/24 -j DROP
-C foo -s 2.2.2.2 -j DROP
-C foo -p tcp --dport 80
-D foo -p tcp --dport 81
-D foo -p tcp --dport 80
-D foo 9
-R foo 9 -j DROP
-R foo 1 -j ACCEPT -c 5 6
-vnL foo
-Z foo 1
-Z foo 9
-Z nosuch
-Z
-nvxL --line-numbers
-X foo
-F foo
-A INPUT -g foo
-X foo
-X
-E foo bar
-E foo baz
-E bar INPUT
-N aaa
-E bar aaa
-D INPUT -g bar
-v -X bar
-v -F
-v -Z
-v -X
-S
""", """
-P INPUT DROP
-P INPUT NOPE
-P nosuch DROP
-N c
-P c DROP
-P FORWARD DROP -c 7 8
-S -v
-A OUTPUT -j c
-S -v
-F INPUT
-L -Z FORWARD -v
-S -Z
-L FORWARD -Z 1
-I FORWARD 2 -j DROP
-I FORWARD -j DROP -v
-A FORWARD -p udp -i eth+ ! -o lo -f -j ACCEPT -v
-A FORWARD -v -g c
-A FORWARD -v -m comment --comment x -j LOG
-A FORWARD -v -s 1.2.3.4,5.6.7.8 -d 9.9.9.9,8.8.8.8 -j DROP
-S FORWARD
-D FORWARD -v -s 1.2.3.4 -d 8.8.8.8 -j DROP
-L FORWARD 1
-L FORWARD 2 -n --line-numbers
-L FORWARD 99
-S FORWARD 99
-L nosuch
-S nosuch
-F nosuch
-X nosuch
-D nosuch 1
-D nosuch -j DROP
-A nosuch -j DROP
-A FORWARD -j FORWARD
-t nat -A PREROUTING -j DROP
-t nat -P PREROUTING DROP
-t nat -L -n
-t mangle -S
-t nosuch -L
-t raw -A PREROUTING -j REJECT
-S
""", """
-A
-N
-A FORWARD -j
-A FORWARD -L
-L -S
-A FORWARD --foo
-A FORWARD foo
-A FORWARD -- foo
-S -n
-A FORWARD -n
-D FORWARD -c 1 2
-R FORWARD
-R FORWARD x
-I FORWARD 0
-P FORWARD
-E foo
-N 1234567890123456789012345678
-N 12345678901234567890123456789
-N LOG
-N 'a b'
-N -x
-N '!x'
-N ''
-A 12345678901234567890123456789
-A FORWARD -j 12345678901234567890123456789
-A FORWARD -j 'a b'
-A FORWARD -j ''
-A FORWARD -i ''
-A FORWARD ! -j DROP
-A FORWARD ! ! -p tcp
-A FORWARD !
-A FORWARD -c 5
-A FORWARD -c x 6
-A FORWARD -c 5 y
-A FORWARD -p tcp --dport
-A FORWARD -p nosuch
-A FORWARD ! -p all
-A FORWARD -s 1.2.3.4/33
-A FORWARD -s 1.2.3.4.5
-A FORWARD -s 1.1.1.1 -s 2.2.2.2
-A FORWARD ! -s 1.1.1.1,2.2.2.2
-A FORWARD -i abcdefghijklmnop
-A INPUT -o lo
-A OUTPUT -i lo
-A FORWARD -g nosuch
-j DROP
-F foo bar
-X a b
-Z FORWARD 1 2
-w 5 -L INPUT
-L INPUT -w
-W 5 -L
-w -W 5 -L INPUT
-t
-m
-Q
-
-S
""", r"""
restore | *filter\n:FORWARD DROP [5:6]\n:a - [0:0]\n:b - [0:0]\n[1:2] -A FORWARD -j a\n[3:4] -A a -p tcp\n[5:6] -A b\nCOMMIT\n
-S -v
restore -c | *filter\n:FORWARD DROP [5:6]\n:a - [0:0]\n:b - [0:0]\n[1:2] -A FORWARD -j a\n[3:4] -A a -p tcp\n[5:6] -A b\nCOMMIT\n
-S -v
restore -n | *filter\nCOMMIT\n
-S -v
restore -n | *filter\n:b - [0:0]\n:c - [0:0]\n-A b -j c\n-A FORWARD -j ACCEPT\nCOMMIT\n
-S -v
restore -n -c | *filter\n:INPUT ACCEPT [7:8]\n[9:10] -I FORWARD -p udp\n-D FORWARD -j ACCEPT\n-N d\n-F b\n-X b\n-E c e\n-P OUTPUT DROP\n-Z a\nCOMMIT\n
-S -v
restore -n | *filter\n-A FORWARD -j ACCEPT\n-A nosuch -j DROP\nCOMMIT\n
-S -v
restore -n | *raw\n-A PREROUTING -j ACCEPT\nCOMMIT\n*filter\n-A FORWARD -j nosuch\nCOMMIT\n
-t raw -S -v
restore -n | *filter\n-X\nCOMMIT\n
-S
restore -t | *filter\n-A FORWARD -j DROP\nCOMMIT\n
-S -v
restore | *filter\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n*nat\n-A OUTPUT\nCOMMIT\n
-S -v
-t nat -S -v
restore -n | *filter\n-R FORWARD 1 -j DROP -c 3 4\n-I FORWARD 2 -j ACCEPT\n-C FORWARD -j DROP\n-D FORWARD 2\nCOMMIT\n
-S -v
restore -n | *filter\n-C FORWARD -j QUEUE\nCOMMIT\n
restore -n | *filter\n-A FORWARD -j X\n-N X\nCOMMIT\n
restore | *filter\n-N x\n-A FORWARD -j x\n-A x -j x\nCOMMIT\n
-S -v
"""]
RESTORE_FLAGS = {"-n": 1, "-c": 2, "-t": 4}


class Weir:
    def __init__(self, dump):
        self.proc = subprocess.Popen([dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, family, what, data=b""):
        self.proc.stdin.write(b"%d %s %d\n" % (family, what, len(data)) + data)
        self.proc.stdin.flush()

    def run(self, family, words):
        self.send(family, b"command", b"".join(w.encode() + b"\0" for w in words))
        line = self.proc.stdout.readline().decode(errors="replace").rstrip("\n")
        if not line:
            raise RuntimeError(f"blob-dump died of {words}")
        code, length, text = line.split(" ", 2)
        return int(code), self.proc.stdout.read(int(length)).decode(errors="replace"), text

    def restore(self, family, flags, text):
        self.send(family, b"restore%d" % flags, text.encode())
        code, _, why = self.proc.stdout.readline().decode(errors="replace").rstrip("\n").split(" ", 2)
        return int(code), why


def compare_restore(kernel, weir, family, line, verbose):
    options, text = line.split(" | ", 1)
    options = options.split()[1:]
    text = text.replace("\\n", "\n")
    done = subprocess.run([kernel.tool(family, "-restore")] + options, input=text.encode(), capture_output=True)
    code, why = weir.restore(family, sum(RESTORE_FLAGS[o] for o in options), text)
    same = (code != 0) == (done.returncode != 0)
    if verbose or not same:
        print(f"{'same' if same else 'DIFFERENT'}: {line}: {done.stderr.decode().strip()!r} / {why!r}")
    return same


def sentence(stderr):
    """Upstream's first line without the program's name."""
    for line in stderr.split("\n"):
        line = re.sub(r"^ip6?tables( v1\.8\.9 \(legacy\))?: ", "", line).strip()
        if line and not line.startswith(("Try `", "Warning:", "Ignoring ")):
            return line
    return ""


# Where weir says more than upstream
OTHER_WORDS = re.compile(r"Couldn't load |unknown option|is not a chain|can only be used once|must be specified|requires two args|"
                         r"Invalid argument\. Run|symbolic links|No chain/target/match|unexpected|Perhaps |^$")


def compare(kernel, weir, family, words, verbose):
    done = subprocess.run([kernel.tool(family, "")] + words, capture_output=True)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    code, said, text = weir.run(family, words)
    found = []
    if code != done.returncode:
        found.append(f"exit code {done.returncode} / {code}")
    if said != out:
        found.append(f"prints {out!r} / {said!r}")
    old = sentence(err)
    if done.returncode and not OTHER_WORDS.search(old) and old != text:
        found.append(f"says {old!r} / {text!r}")
    if verbose or found:
        print(f"{'DIFFERENT' if found else 'same'}: {kernel.tool(family, '')} {shlex.join(words)}: {err.strip()!r} / {text!r}")
    for line in found:
        print("    " + line)
    return not found


def random_command(rng):
    chain = rng.choice(("INPUT", "FORWARD", "a", "b", "c"))
    rule = rng.choice(("-j ACCEPT", "-p tcp --dport 80 -j DROP", "-s 10.0.0.0/8", "-j a", "-g b", "-j c", "-p udp -j LOG", "-m mark --mark 1 -j RETURN",
                       "-m limit --limit 5/s -j ACCEPT", "-d 1.1.1.1,2.2.2.2 -j DROP"))
    number = rng.choice(("1", "1", "2", "3"))
    return rng.choice((f"-A {chain} {rule}", f"-A {chain} {rule} -c 3 4", f"-A {chain} {rule}", f"-I {chain} {rule}", f"-I {chain} {number} {rule}",
                       f"-R {chain} {number} {rule}", f"-D {chain} {number}", f"-D {chain} {rule}", f"-C {chain} {rule}", f"-N {chain}",
                       f"-N {chain}", f"-X {chain}", "-X", f"-F {chain}", "-F", f"-Z {chain}", f"-Z {chain} {number}", f"-S {chain} -v", "-S -v",
                       f"-vnL {chain}", f"-P {chain} DROP", f"-P {chain} ACCEPT -c 5 6", f"-E {chain} {rng.choice('abcd')}", f"-L {chain} -v -Z"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", default=os.path.join(os.environ.get("WEIR_BUILD", os.path.join(HERE, "..", "..", "build")),
                                                       "tests", "blob-dump"))
    parser.add_argument("--random", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    if not has_kernel("command_test"):
        return 0
    kernel, weir, rng = Kernel(), Weir(args.dump), random.Random(args.seed)
    results = []
    for family in (4, 6):
        for session in SESSIONS:
            new_namespace()
            weir.send(family, b"reset")
            for line in session.strip().split("\n"):
                if family == 6 and re.search(r"\d\.\d|-f\b", line):
                    continue
                if line.startswith("restore"):
                    results.append(compare_restore(kernel, weir, family, line, args.verbose))
                    continue
                results.append(compare(kernel, weir, family, shlex.split(line), args.verbose))
    for i in range(args.random):
        if i % 60 == 0:
            new_namespace()
            weir.send(4, b"reset")
        results.append(compare(kernel, weir, 4, random_command(rng).split(), args.verbose))
        if i % 5 == 4:
            results.append(compare(kernel, weir, 4, ["-S", "-v"], args.verbose))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
