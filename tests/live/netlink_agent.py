#!/usr/bin/env python3
"""Has netlink sockets and does with them what it is told, a JSON line each: what a program on either router would do."""
import json
import os
import select
import socket
import sys
import time

socks = {}


def do(word, *a):
    if word == "open":
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        s.bind((0, 0))
        s.setblocking(False)
        socks[a[0]] = s
        return s.getsockname()[0]
    if word == "send":
        return socks[a[0]].send(bytes.fromhex(a[1]))
    if word == "recv":  # all datagrams, once one is there or the time is over; a number: as many at least
        got, end = [], time.monotonic() + a[1]
        least = a[2] if len(a) > 2 else 1
        while True:
            try:
                got.append(socks[a[0]].recv(1 << 17).hex())
                continue
            except BlockingIOError:
                pass
            except OSError as e:
                got.append("error %d" % e.errno)
                continue
            left = end - time.monotonic()
            if len(got) >= least or left <= 0:
                return got
            select.select([socks[a[0]]], [], [], left)
    if word == "option":
        socks[a[0]].setsockopt(*a[1:])
        return 0
    if word == "close":
        socks.pop(a[0]).close()
        return 0
    if word == "read":
        with open(a[0], encoding="latin-1") as f:
            return f.read()
    if word == "write":
        with open(a[0], "w", encoding="latin-1") as f:
            f.write(a[1])
        return 0
    if word == "pid":
        return os.getpid()
    raise ValueError(word)


for line in sys.stdin:
    try:
        answer = do(*json.loads(line))
    except OSError as e:
        answer = "error %d" % e.errno
    print(json.dumps(answer), flush=True)
