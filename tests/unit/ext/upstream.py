#!/usr/bin/env python3
"""Asks the real iptables-legacy what it makes of the rules in NAME.rules (all of them, or those named): writes NAME.inc.

Needs root and iptables 1.8.9; a scratch network namespace is made and left. Each line of the rules file is
"FAMILY TABLE [CHAIN] RULE". The answer is a row of struct upstream_case (see text.c): what iptables-save prints
after the chain, what -nL and -L print after the addresses, and the extensions' data in the kernel's blob; or the
exit code of a refusal.
"""
import ctypes
import os
import re
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HOOK = {"PREROUTING": 0, "INPUT": 1, "FORWARD": 2, "OUTPUT": 3, "POSTROUTING": 4}
FIRST = {"filter": "INPUT", "mangle": "PREROUTING", "raw": "PREROUTING", "nat": "PREROUTING"}
libc = ctypes.CDLL(None, use_errno=True)


def enter_scratch():
    if libc.unshare(0x40000000):
        sys.exit("upstream.py: needs root for a network namespace")


def entries(family, table):
    af, level = (socket.AF_INET, 0) if family == "4" else (socket.AF_INET6, 41)
    with socket.socket(af, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        info = ctypes.create_string_buffer(84)
        info.value = table.encode()
        size = ctypes.c_uint(84)
        libc.getsockopt(s.fileno(), level, 64, info, ctypes.byref(size))
        hooks = struct.unpack("5I", info.raw[36:56])
        length = struct.unpack("I", info.raw[80:84])[0]
        blob = ctypes.create_string_buffer(40 + length)
        struct.pack_into("32sI", blob, 0, table.encode(), length)
        size = ctypes.c_uint(40 + length)
        libc.getsockopt(s.fileno(), level, 65, blob, ctypes.byref(size))
        return hooks, blob.raw[40:]


def extensions(family, table, hook):
    hooks, blob = entries(family, table)
    at = hooks[hook]
    head, offsets = (112, 88) if family == "4" else (168, 140)
    target, _ = struct.unpack_from("HH", blob, at + offsets)
    out, p = [], at + head
    while True:
        size, name, revision = struct.unpack_from("H29sB", blob, p)
        out.append(f'{name.split(bytes(1))[0].decode()}/{revision}:{blob[p + 32:p + size].hex()}')
        if p >= at + target:
            return " ".join(out)
        p += size


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ask(line):
    family, table, rule = line.split(" ", 2)
    chain = FIRST[table]
    if rule.split(" ")[0] in HOOK:
        chain, rule = rule.split(" ", 1)
    tool = "iptables-legacy" if family == "4" else "ip6tables-legacy"
    r = subprocess.run([tool + "-restore"], input=f"*{table}\n-A {chain} {rule}\nCOMMIT\n", capture_output=True, text=True)
    head = f"{family}, {quote(table)}, {quote(chain)}, {quote(rule)},"
    if r.returncode:
        return f"\t{{ {head} .exit_code = {r.returncode} }},"
    save = subprocess.run([tool + "-save", "-t", table], capture_output=True, text=True).stdout
    saved = [l for l in save.split("\n") if l.startswith("-A")][0].split(" ", 2)
    shown = []
    for option in ("-nL", "-L"):
        text = subprocess.run([tool, "-t", table, option, chain], capture_output=True, text=True).stdout.replace("\0", "").split("\n")[2]
        # target, protocol, options, two addresses: padded columns, then the extensions
        m = re.match(r"\S* *\S+ +-- +\S+ +(\S+ *)", text if not text.startswith(" ") else "x" + text)
        shown.append(text[m.end(1) - (0 if not text.startswith(" ") else 1):])
    return (f"\t{{ {head}\n\t  .saved = {quote(saved[2] if len(saved) > 2 else '')},\n\t  .numeric = {quote(shown[0])},\n"
            f"\t  .named = {quote(shown[1])},\n\t  .data = {quote(extensions(family, table, HOOK[chain]))} }},")


def main():
    names = sys.argv[1:] or sorted(f[:-6] for f in os.listdir(HERE) if f.endswith(".rules"))
    enter_scratch()
    for name in names:
        rows = []
        with open(os.path.join(HERE, name + ".rules"), encoding="utf-8") as f:
            for line in f:
                line = line.rstrip("\n")
                if line and not line.startswith("#"):
                    rows.append(ask(line))
        with open(os.path.join(HERE, name + ".inc"), "w", encoding="utf-8") as f:
            f.write("/* made by upstream.py from %s.rules and the real iptables 1.8.9 */\n" % name + "\n".join(rows) + "\n")


main()
