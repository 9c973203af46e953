"""What the kernel tells: conntrack events and dumps, NFLOG packets. Text comes from libnetfilter_conntrack, so it is conntrack's own."""
import ctypes
import errno
import os
import socket
import struct

NETLINK_NETFILTER = 12
SUB_CTNETLINK, SUB_CTNETLINK_EXP, SUB_ULOG = 1, 2, 4
IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 0, 1, 2
T_NEW, T_UPDATE, T_DESTROY = 1, 2, 4
OF_SHOW_LAYER3 = 1

_nfct = None


def nfct():
    global _nfct
    if _nfct is None:
        lib = ctypes.CDLL("libnetfilter_conntrack.so.3")
        lib.nfct_new.restype = ctypes.c_void_p
        lib.nfct_nlmsg_parse.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.nfct_snprintf.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint,
                                      ctypes.c_uint]
        lib.nfct_destroy.argtypes = [ctypes.c_void_p]
        lib.nfexp_new.restype = ctypes.c_void_p
        lib.nfexp_nlmsg_parse.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.nfexp_snprintf.argtypes = lib.nfct_snprintf.argtypes
        lib.nfexp_destroy.argtypes = [ctypes.c_void_p]
        _nfct = lib
    return _nfct


def text_of(kind_of_object, msg, kind):
    """What the library (its functions begin with nfct_ or nfexp_) says of one message."""
    call = lambda name, *args: getattr(nfct(), f"{kind_of_object}_{name}")(*args)
    thing = call("new")
    buf = ctypes.create_string_buffer(msg, len(msg))
    call("nlmsg_parse", ctypes.cast(buf, ctypes.c_void_p), thing)
    out = ctypes.create_string_buffer(4096)
    call("snprintf", out, 4096, thing, kind, 0, OF_SHOW_LAYER3)
    call("destroy", thing)
    return out.value.decode("ascii", "replace").rstrip()


def ct_text(msg, kind):
    return text_of("nfct", msg, kind)


def expect_text(msg, kind):
    return text_of("nfexp", msg, kind)


def messages(data):
    at = 0
    while at + 16 <= len(data):
        length, mtype, flags = struct.unpack_from("=IHH", data, at)
        if length < 16:
            return
        yield mtype, flags, data[at:at + length]
        at += (length + 3) & ~3


def attrs(data):
    at, out = 0, {}
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        out[kind & 0x7FFF] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return out


class Netlink:
    def __init__(self, groups=0):
        self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.s.bind((0, groups))
        self.s.setblocking(False)
        self.seq = 1

    def drain(self):
        while True:
            try:
                data = self.s.recv(1 << 17)
            except BlockingIOError:
                return
            yield from messages(data)

    def ask(self, sub, msg, family, res_id, body, flags=0):
        self.seq += 1
        head = struct.pack("=IHHII", 20 + len(body), (sub << 8) | msg, 1 | flags, self.seq, 0)
        self.s.send(head + struct.pack("!BBH", family, 0, res_id) + body)

    def wait_done(self):
        """All messages of an answer until DONE or an error/ack."""
        out = []
        self.s.setblocking(True)
        try:
            while True:
                for mtype, flags, msg in messages(self.s.recv(1 << 17)):
                    if mtype == 3:
                        return out
                    if mtype == 2:
                        err = -struct.unpack_from("=i", msg, 16)[0]
                        if err:
                            raise OSError(err, os.strerror(err))
                        return out
                    out.append((mtype, flags, msg))
        finally:
            self.s.setblocking(False)

    def close(self):
        self.s.close()


class Events(Netlink):
    """conntrack -E -o extended, line by line, and between them what conntrack -E expect says."""

    def __init__(self):
        super().__init__(1 | 2 | 4 | 8 | 16 | 32)

    def lines(self):
        for mtype, flags, msg in self.drain():
            kind = mtype & 255
            if mtype >> 8 == SUB_CTNETLINK_EXP:
                yield expect_text(msg, T_DESTROY if kind == IPCTNL_MSG_CT_DELETE else T_NEW)
            if mtype >> 8 != SUB_CTNETLINK:
                continue
            if kind == IPCTNL_MSG_CT_NEW:
                yield ct_text(msg, T_NEW if flags & 0x600 else T_UPDATE)
            elif kind == IPCTNL_MSG_CT_DELETE:
                yield ct_text(msg, T_DESTROY)


def dump_connections():
    nl = Netlink()
    nl.ask(SUB_CTNETLINK, IPCTNL_MSG_CT_GET, 0, 0, b"", 0x300)
    out = [ct_text(msg, 0) for mtype, _, msg in nl.wait_done() if mtype >> 8 == SUB_CTNETLINK]
    nl.close()
    return out


def dump_expectations():
    nl = Netlink()
    nl.ask(SUB_CTNETLINK_EXP, IPCTNL_MSG_CT_GET, 0, 0, b"", 0x300)
    out = [expect_text(msg, 0) for mtype, _, msg in nl.wait_done() if mtype >> 8 == SUB_CTNETLINK_EXP]
    nl.close()
    return out


class Nflog(Netlink):
    """NFLOG groups; each item is (group, prefix, packet bytes)."""

    def __init__(self, groups):
        super().__init__(0)
        for family in (2, 10):
            self._config(family, 0, struct.pack("=HHBxxx", 5, 1, 4))  # CMD: PF_UNBIND then BIND
            self._config(family, 0, struct.pack("=HHBxxx", 5, 1, 3))
        for group in groups:
            self._config(0, group, struct.pack("=HHBxxx", 5, 1, 1))
            self._config(0, group, struct.pack("=HH", 10, 2) + struct.pack("!IBB", 65535, 2, 0) + b"\0\0")
            self._config(0, group, struct.pack("=HH", 8, 5) + struct.pack("!I", 1))

    def _config(self, family, group, body):
        self.ask(SUB_ULOG, 1, family, group, body, 4)
        try:
            self.wait_done()
        except OSError as e:
            if e.errno not in (errno.ENOENT,):
                raise

    def packets(self):
        for mtype, _, msg in self.drain():
            if mtype >> 8 != SUB_ULOG or mtype & 255 != 0:
                continue
            group = struct.unpack_from("!H", msg, 18)[0]
            a = attrs(msg[20:])
            yield group, a.get(10, b"\0")[:-1].decode("latin-1"), a.get(9, b"")
