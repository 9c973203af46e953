"""The nfacct command on the kernel: nfacct(8) is not installed everywhere, so its few messages are made here."""
import socket
import struct

SUBSYS = 7
NEW, GET, DELETE = 0, 1, 3
NAME, PKTS, BYTES, FLAGS, QUOTA = 1, 2, 3, 5, 6
ACK, CREATE, EXCL, DUMP = 4, 0x400, 0x200, 0x300
MODES = {"packet": 1, "byte": 2}


def attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def ask(kind, flags, body=b""):
    """Messages that came back, without their headers; an error number ends them."""
    out = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
        s.send(struct.pack("=IHHII", 20 + len(body), SUBSYS << 8 | kind, 1 | flags, 1, 0) + struct.pack("=BBH", 0, 0, 0) + body)
        while True:
            data = s.recv(65536)
            while data:
                size, what = struct.unpack("=IH", data[:6])
                if what in (2, 3):
                    return out, struct.unpack("=i", data[16:20])[0]
                out.append(data[20:size])
                data = data[(size + 3) & ~3:]


def attrs(data):
    out = {}
    while len(data) >= 4:
        size, kind = struct.unpack("=HH", data[:4])
        out[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3:]
    return out


def show(message):
    a = attrs(message)
    text = "{ pkts = %020d, bytes = %020d" % (struct.unpack("!Q", a[PKTS])[0], struct.unpack("!Q", a[BYTES])[0])
    flags = struct.unpack("!I", a[FLAGS])[0] if FLAGS in a else 0
    if flags:
        text += ", quota = %020d, mode = %s, overquota = %s" % (struct.unpack("!Q", a[QUOTA])[0], "byte" if flags & 2 else "packet", "yes" if flags & 4 else "no")
    return text + " } = %s;" % a[NAME].rstrip(b"\0").decode()


def command(words):
    if words[0] == "add":
        body = attr(NAME, words[1].encode() + b"\0")
        if len(words) > 3:
            body += attr(FLAGS, struct.pack("!I", MODES[words[2]])) + attr(QUOTA, struct.pack("!Q", int(words[3])))
        ask(NEW, ACK | CREATE | EXCL, body)
    elif words[0] == "delete":
        ask(DELETE, ACK, attr(NAME, words[1].encode() + b"\0"))
    elif words[0] == "flush":
        ask(DELETE, ACK)
    elif words[0] == "list":
        return "\n".join(show(m) for m in ask(GET if words[1:] != ["reset"] else 2, DUMP)[0])
    return ""
