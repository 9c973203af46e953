"""PPTP's control messages (RFC 2637) and its GRE packets as bytes, with every id at hand."""
import struct

from packets import raw

(START_REQUEST, START_REPLY, STOP_REQUEST, STOP_REPLY, ECHO_REQUEST, ECHO_REPLY, OUT_REQUEST, OUT_REPLY, IN_REQUEST, IN_REPLY,
 IN_CONNECTED, CLEAR_REQUEST, DISCONNECTED, WAN_ERROR, LINK_INFO) = range(1, 16)


def control(kind, body, cookie=0x1a2b3c4d, packet_type=1, length=None, reserved=0):
    return struct.pack("!HHIHH", 12 + len(body) if length is None else length, packet_type, cookie, kind, reserved) + body


def start_request(**kw):
    return control(START_REQUEST, struct.pack("!HHIIHH64s64s", 0x100, 0, 3, 3, 0, 1, b"client", b"weir"), **kw)


def start_reply(result=1, **kw):
    return control(START_REPLY, struct.pack("!HBBIIHH64s64s", 0x100, result, 0, 3, 3, 0, 1, b"server", b"weir"), **kw)


def stop_request(reason=1, **kw):
    return control(STOP_REQUEST, struct.pack("!BBH", reason, 0, 0), **kw)


def stop_reply(result=1, **kw):
    return control(STOP_REPLY, struct.pack("!BBH", result, 0, 0), **kw)


def echo_request(ident=7, **kw):
    return control(ECHO_REQUEST, struct.pack("!I", ident), **kw)


def echo_reply(ident=7, **kw):
    return control(ECHO_REPLY, struct.pack("!IBBH", ident, 1, 0, 0), **kw)


def out_request(call, **kw):
    return control(OUT_REQUEST, struct.pack("!HHIIIIHHHH64s64s", call, 1, 300, 10**8, 3, 3, 64, 0, 0, 0, b"", b""), **kw)


def out_reply(call, peer, result=1, **kw):
    return control(OUT_REPLY, struct.pack("!HHBBHIHHI", call, peer, result, 0, 0, 10**8, 64, 0, 0), **kw)


def in_request(call, **kw):
    return control(IN_REQUEST, struct.pack("!HHIIHH64s64s64s", call, 1, 3, 0, 0, 0, b"", b"", b""), **kw)


def in_reply(call, peer, result=1, **kw):
    return control(IN_REPLY, struct.pack("!HHBBHHH", call, peer, result, 0, 64, 0, 0), **kw)


def in_connected(peer, **kw):
    return control(IN_CONNECTED, struct.pack("!HHIHHI", peer, 0, 64000, 64, 0, 3), **kw)


def clear_request(call, **kw):
    return control(CLEAR_REQUEST, struct.pack("!HH", call, 0), **kw)


def disconnected(call, result=4, **kw):
    return control(DISCONNECTED, struct.pack("!HBBHH128s", call, result, 0, 0, 0, b"statistics"), **kw)


def wan_error(peer, **kw):
    return control(WAN_ERROR, struct.pack("!HHIIIIII", peer, 0, 1, 2, 3, 4, 5, 6), **kw)


def link_info(peer, **kw):
    return control(LINK_INFO, struct.pack("!HHII", peer, 0, 0xffffffff, 0xffffffff), **kw)


def gre(call, seq=1, data=b"\xff\x03\xc0\x21ppp", flags=0x3001, proto=0x880b, ack=None):
    """A packet of the call whose receiver has the id @call."""
    head = struct.pack("!HHHH", flags | (0x80 if ack is not None else 0), proto, len(data), call)
    if flags & 0x1000:
        head += struct.pack("!I", seq)
    if ack is not None:
        head += struct.pack("!I", ack)
    return raw(47, head + data)
