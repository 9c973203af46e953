"""SYNPROXY's cookies: the first sequence number and the clock of the SYN/ACKs that it makes are random (mask `cookie`). Numbers
from there on are counted from it, everywhere, after each checksum was checked; the n-th cookie of one side is the n-th of the other."""
import re
import struct

from packets import csum, l4_of, pseudo_of

NEAR = 1 << 18
SERVER_FIRST = 500000000    # of the servers in cases/target_synproxy.py


def ip_of(frame):
    return frame[14:] if len(frame) > 14 and frame[12:14] in (b"\x08\x00", b"\x86\xdd") else None


def tcp_at(p):
    try:
        proto, at, later, _ = l4_of(p)
    except (IndexError, struct.error, TypeError):
        return None
    return at if proto == 6 and not later and len(p) >= at + 20 else None


def stamps(p, at):
    """Offsets of the timestamp option's two values and of SACK edges."""
    end, o = min(len(p), at + (p[at + 12] >> 4) * 4), at + 20
    while o < end and p[o]:
        if p[o] == 1:
            o += 1
            continue
        if o + 1 >= end or p[o + 1] < 2:
            return
        if p[o] == 8 and p[o + 1] == 10:
            yield "clock", o + 2
            yield "clock", o + 6
        if p[o] == 5:
            for e in range(o + 2, o + p[o + 1] - 3, 4):
                yield "seq", e
        o += p[o + 1]


def found(seen):
    """[(first number, clock or None)] of the SYN/ACKs with window 0 that left, in order."""
    out = []
    for item in sorted(seen.tx):
        for _, frame in seen.tx[item]:
            p = ip_of(frame)
            at = tcp_at(p) if p else None
            if at and p[at + 13] & 0x12 == 0x12 and p[at + 14:at + 16] == b"\0\0":
                seq = struct.unpack("!I", p[at + 4:at + 8])[0]
                clock = [struct.unpack("!I", p[o:o + 4])[0] & ~63 for kind, o in stamps(p, at) if kind == "clock"][:1]
                if seq not in [x[0] for x in out]:
                    out.append((seq, clock[0] if clock else None))
    return out


class Cookies:
    def __init__(self, seen):
        self.known = found(seen)

    def number(self, value, which):
        if not which and (value - SERVER_FIRST + 64) % 2**32 < 4096:
            return value    # a server's own, however near a cookie came to it by chance
        for n, known in enumerate(self.known):
            if known[which] is not None and (value - known[which] + (80 if which else 16)) % 2**32 < NEAR:   # a clock may be put back by 64
                return 0xC0000000 + n * 0x1000000 + value - known[which]
            for k in (-1, 2, -2) if which and known[1] is not None else ():   # the first ACK to a server has its clock moved the wrong way
                # and to a whole 64: a SYN/ACK's clock is the last multiple of 64 whose options do not lie ahead
                if (value - k * known[1] + 144) % 2**32 < NEAR:   # put back each time
                    return 0xD0000000 + n * 0x1000000 + k * 0x400000 + (value - k * known[1]) % 64
            # an acknowledgement moved by what the proxy took for the difference of both first numbers: though nothing was moved before, by the
            # server's (the cases' own) alone, or twice, since segments of the server came before its SYN/ACK
            for lead, cookies, servers in () if which else ((0xE, -1, 2), (0xB, 1, -1), (0xA, 2, -2)):
                rest = (value - cookies * known[0] - servers * SERVER_FIRST + 64) % 2**32
                if rest < NEAR:
                    return lead << 28 | n << 24 | rest
        return value

    def packet(self, p):
        at = tcp_at(p)
        if not at or not self.known:
            return p
        new = bytearray(p)
        for kind, o in [("seq", at + 4), ("seq", at + 8)] + list(stamps(p, at)):
            value = struct.unpack("!I", p[o:o + 4])[0]
            new[o:o + 4] = struct.pack("!I", self.number(value, kind == "clock") % 2**32)
        if new != p:
            new[at + 16:at + 18] = b"\xcc\xcc" if csum(pseudo_of(p, at) + p[at:]) == 0 else b"\xba\xdd"
        return bytes(new)

    def frame(self, frame):
        p = ip_of(frame)
        return frame[:14] + self.packet(p) if p else frame


def align(seen):
    cookies = Cookies(seen)
    for item, frames in seen.tx.items():
        seen.tx[item] = [(name, cookies.frame(f)) for name, f in frames]
    for item, reasons in seen.invalid.items():
        seen.invalid[item] = [re.sub(r"\b(\d{6,})\b", "x", text) for text in reasons]
    for item, packets in seen.local.items():
        seen.local[item] = [cookies.packet(p) for p in packets]
    for item, logged in seen.nflog.items():
        seen.nflog[item] = [(g, prefix, cookies.packet(p)) for g, prefix, p in logged]
