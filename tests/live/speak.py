#!/usr/bin/env python3
"""speak WHAT ...: small clients and servers for protocols whose programs are not packaged, or say too little. Each prints what it got."""
import ftplib
import hashlib
import io
import os
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE) + "/kernel")


def digest(data):
    return "%d bytes %s" % (len(data), hashlib.sha256(data).hexdigest()[:12])


def ftp(host, port, mode, name):
    """Two downloads, a listing and an upload on one control connection."""
    f = ftplib.FTP(timeout=15)
    f.connect(host, int(port))
    f.login("anonymous", "x@y")
    f.set_pasv(mode == "passive")
    for path in ("pub/hello.txt", "pub/big.bin"):
        got = []
        f.retrbinary("RETR " + path, got.append)
        print(path, digest(b"".join(got)))
    names = []
    f.retrlines("NLST pub", names.append)
    print(sorted(names))
    print(f.storbinary("STOR in/" + name, io.BytesIO(b"up" * 5000)))
    f.quit()


def ftp_split(host, port):
    """Commands that come in two segments, or two in one: a segment that ends in the midst of PORT does not pass."""
    s = socket.create_connection((host, int(port)), timeout=4)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = s.makefile("rb")

    def answer():
        line = lines.readline().decode().strip()
        print(line[:3])
        return line

    answer()
    for command in ("USER anonymous", "PASS x@y"):
        s.sendall(command.encode() + b"\r\n")
        answer()
    me = s.getsockname()[0].replace(".", ",").encode()
    for parts in ((b"PORT %s,200,10\r\nNOOP\r\n" % me,), (b"NO", b"OP\r\n"), (b"PORT " + me + b",2", b"00,10\r\n")):
        for part in parts:
            s.sendall(part)
            time.sleep(0.3)
        answer()


def irc_line(s, buf, word):
    """The next line with @word in it; pings are answered."""
    while True:
        while b"\r\n" not in buf[0]:
            data = s.recv(4096)
            if not data:
                raise OSError("closed")
            buf[0] += data
        line, buf[0] = buf[0].split(b"\r\n", 1)
        if line.startswith(b"PING"):
            s.sendall(b"PONG" + line[4:] + b"\r\n")
        if word.encode() in line:
            return line.decode(errors="replace")


def irc_login(host, port, nick):
    s = socket.create_connection((host, int(port)), timeout=20)
    buf = [b""]
    s.sendall(b"NICK %s\r\nUSER %s 0 * :%s\r\n" % ((nick.encode(),) * 3))
    irc_line(s, buf, " 001 ")
    s.sendall(b"JOIN #weir\r\n")
    irc_line(s, buf, " 366 ")
    return s, buf


def irc_get(host, port):
    """Takes the file that somebody offers, and says from whom it came."""
    s, buf = irc_login(host, port, "taker")
    print("ready", flush=True)
    for _ in range(2):
        words = irc_line(s, buf, "\1DCC ").split("\1")[1].split()
        addr, dport = socket.inet_ntoa(struct.pack("!I", int(words[3]))), int(words[4])
        d = socket.create_connection((addr, dport), timeout=10)
        got = b""
        while True:
            data = d.recv(65536)
            if not data:
                break
            got += data
        d.close()
        s.sendall(b"PRIVMSG giver :%s from %s, %s of %s\r\n" % (words[1].encode(), addr.encode(), digest(got).encode(), words[5].encode() if len(words) > 5 else b"?"))
    time.sleep(1)


def irc_send(host, port):
    s, buf = irc_login(host, port, "giver")
    me = struct.unpack("!I", socket.inet_aton(s.getsockname()[0]))[0]
    for kind in ("SEND", "CHAT"):
        ls = socket.socket()
        ls.bind((s.getsockname()[0], 0))
        ls.listen(1)
        ls.settimeout(10)
        said = "DCC %s %s %d %d" % (kind, "file" if kind == "SEND" else "chat", me, ls.getsockname()[1]) + (" 30000" if kind == "SEND" else "")
        s.sendall(b"PRIVMSG taker :\1%s\1\r\n" % said.encode())
        c, peer = ls.accept()
        print(kind, "fetched from", peer[0])
        c.sendall(b"dcc" * 10000)
        c.close()
        ls.close()
        print(irc_line(s, buf, "PRIVMSG giver").split(" ", 1)[1])
    s.close()


def udp_pair(addr):
    """An even port and the odd one behind it."""
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    while True:
        a, b = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        a.bind((addr, 0))
        n = a.getsockname()[1]
        try:
            if n % 2 == 0:
                b.bind((addr, n + 1))
                a.settimeout(10)
                b.settimeout(10)
                return a, b
        except OSError:
            pass
        a.close()
        b.close()


def message(s):
    """One TPKT."""
    data = b""
    while len(data) < 4 or len(data) < struct.unpack("!H", data[2:4])[0]:
        more = s.recv(4096 if len(data) >= 4 else 4 - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data


def place_at(make, data, nth=0):
    """Where @data, made by @make of places, has its nth place: found by what changes with it."""
    probe = [("1.2.3.4", 0x1122), ("5.6.7.8", 0x3344)]
    sample = make(*probe)
    off = sample.index(socket.inet_aton(probe[nth][0]))
    return socket.inet_ntoa(data[off:off + 4]), struct.unpack("!H", data[off + 4:off + 6])[0]


def h323(role, host):
    """A call with its H.245 connection and one audio channel each way; all messages from tests/kernel/h225.py."""
    import h225 as h
    connect = lambda place, *_: h.call("connect", protocol=None, h245Address=place)
    olc = lambda media, control, *_: h.h245(h.olc(media=media, control=control))
    ack = lambda media, control, *_: h.h245(h.ack(media=media, control=control))
    if role == "server":
        ls = socket.create_server((host, 1720))
        print("ready", flush=True)
        s, peer = ls.accept()
        message(s)
        l245 = socket.create_server((host, 0))
        s.sendall(connect((host, l245.getsockname()[1])))
        t, _ = l245.accept()
        rtp, rtcp = udp_pair(host)
        opened = message(t)
        t.sendall(ack((host, rtp.getsockname()[1]), (host, rtcp.getsockname()[1])))
        for i, sock in enumerate((rtp, rtcp)):
            data, src = sock.recvfrom(2000)
            sock.sendto(b"heard " + data + b" from " + src[0].encode(), src)
            sock.sendto(b"to your own place", place_at(olc, opened, i))
        t.recv(1)
        return
    s = socket.create_connection((host, 1720), timeout=10)
    me = s.getsockname()[0]
    s.sendall(h.call("setup", caller=(me, s.getsockname()[1])))
    place = place_at(connect, message(s))
    print("H.245 at", place[0])
    t = socket.create_connection(place, timeout=10)
    rtp, rtcp = udp_pair(me)
    t.sendall(olc((me, rtp.getsockname()[1]), (me, rtcp.getsockname()[1])))
    answer = message(t)
    for i, sock in enumerate((rtp, rtcp)):
        to = place_at(ack, answer, i)
        sock.sendto(b"media %d" % i, to)
        print("media to", to[0], sorted(sock.recv(2000).decode() for _ in range(2)))
    t.close()
    s.close()


def hdlc(data):
    """A PPP frame with its check sequence, escaped as on a serial line."""
    fcs = 0xFFFF
    for b in data:
        fcs ^= b
        for _ in range(8):
            fcs = fcs >> 1 ^ (0x8408 if fcs & 1 else 0)
    data += struct.pack("<H", fcs ^ 0xFFFF)
    return b"~" + b"".join(bytes([0x7D, b ^ 0x20]) if b < 0x20 or b in (0x7D, 0x7E) else bytes([b]) for b in data) + b"~"


def pptp(host):
    """pptp-linux, without a pppd: three frames go through GRE."""
    mine, its = socket.socketpair()
    p = subprocess.Popen(["pptp", host, "--nolaunchpppd", "--nobuffer"], stdin=its, stdout=its, stderr=subprocess.DEVNULL)
    its.close()
    frame = b"\xff\x03\xc0\x21\x09\x01\0\x0c\0\0\0\0weir"
    for _ in range(3):
        mine.sendall(hdlc(frame))
        time.sleep(0.7)
    p.terminate()
    p.wait()
    print("ended with", p.returncode)


def ppp_echo(*_):
    """In place of pppd behind pptpd: what comes goes back."""
    import termios
    import tty
    try:
        tty.setraw(0, termios.TCSANOW)
    except termios.error:
        pass
    while True:
        data = os.read(0, 4096)
        if not data:
            return
        os.write(1, data)


def control_message(s):
    """(kind, the whole message)"""
    data = s.recv(2)
    while len(data) < 2 or len(data) < struct.unpack("!H", data[:2])[0]:
        more = s.recv(2000)
        if not more:
            raise EOFError("no control message")
        data += more
    return struct.unpack("!H", data[8:10])[0], data


def gre_socket(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    s.bind((host, 0))
    s.settimeout(5)
    return s


def gre_frame(call, seq, data, ack):
    return struct.pack("!HHHHII", 0x3081, 0x880B, len(data), call, seq, ack) + data


def gre_read(s):
    """(call, sequence number, data, from whom)"""
    packet, src = s.recvfrom(4000)
    g = packet[(packet[0] & 15) * 4:]
    flags, proto, size, call, seq = struct.unpack("!HHHHI", g[:12])
    assert proto == 0x880B
    return call, seq, g[16 if flags & 0x80 else 12:][:size], src[0]


def pptp_call(role, host):
    """Both ends of a call in user space: control connection, and frames through GRE both ways, the server's own first."""
    import pptp as p
    if role == "server":
        ls, g = socket.create_server((host, 1723)), gre_socket(host)
        print("ready", flush=True)
        while True:
            s, peer = ls.accept()
            assert control_message(s)[0] == p.START_REQUEST
            s.sendall(p.start_reply())
            call = struct.unpack("!H", control_message(s)[1][12:14])[0]
            s.sendall(p.out_reply(5150, call))
            g.sendto(gre_frame(call, 0, b"the server's own", 0), (peer[0], 0))
            for n in range(3):
                mine, seq, data, src = gre_read(g)
                g.sendto(gre_frame(call, n + 1, b"heard " + data + b" in call %d" % mine, seq), (src, 0))
            assert control_message(s)[0] == p.CLEAR_REQUEST
            s.sendall(p.disconnected(5150))
            s.recv(1)
            s.close()
    s = socket.create_connection((host, 1723), timeout=10)
    g = gre_socket(s.getsockname()[0])
    s.sendall(p.start_request())
    control_message(s)
    s.sendall(p.out_request(4711))
    answer = control_message(s)[1]
    call, told = struct.unpack("!HH", answer[12:16])
    print("call", call, "mine", told)
    first = gre_read(g)
    print("GRE", first[0], first[2].decode(), "from", first[3])
    for n in range(3):
        g.sendto(gre_frame(call, n, b"frame %d" % n, n), (host, 0))
        mine, seq, data, src = gre_read(g)
        print("GRE", mine, seq, data.decode(), "from", src)
    s.sendall(p.clear_request(4711))
    print("ended with", control_message(s)[0])
    s.close()


def main():
    words = {"pptp-call": pptp_call, "ftp": ftp, "ftp-split": ftp_split, "irc-get": irc_get, "irc-send": irc_send, "h323": h323, "pptp": pptp, "ppp-echo": ppp_echo}
    try:
        words[sys.argv[1]](*sys.argv[2:])
    except (OSError, ftplib.Error, EOFError) as e:
        print("FAILED", type(e).__name__, e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
