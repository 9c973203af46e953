"""Packets as bytes: builders with every field overridable, checksums computed unless given, and a reader for comparisons."""
import ipaddress
import struct

MACS = {}


def mac(text):
    return bytes(int(x, 16) for x in text.split(":"))


def csum(data, start=0):
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def addr(text):
    return ipaddress.ip_address(text).packed


def pseudo(src, dst, proto, length):
    s, d = addr(src), addr(dst)
    if len(s) == 4:
        return s + d + struct.pack("!BBH", 0, proto, length)
    return s + d + struct.pack("!IHBB", length, 0, 0, proto)


class Ip4:
    """Fields of one IPv4 header; call with the payload to get bytes."""

    def __init__(self, src, dst, proto=None, ttl=64, tos=0, ident=None, df=False, mf=False, off=0, options=b"",
                 tot_len=None, ihl=None, version=4, check=None, evil=False):
        self.__dict__.update(locals())

    ident_next = [0x1000]

    def __call__(self, payload, proto=None):
        if self.ident is None:
            Ip4.ident_next[0] = (Ip4.ident_next[0] + 1) & 0xFFFF
            ident = Ip4.ident_next[0]
        else:
            ident = self.ident
        options = self.options + b"\0" * (-len(self.options) % 4)
        ihl = self.ihl if self.ihl is not None else 5 + len(options) // 4
        tot = self.tot_len if self.tot_len is not None else 20 + len(options) + len(payload)
        frag = (0x8000 if self.evil else 0) | (0x4000 if self.df else 0) | (0x2000 if self.mf else 0) | self.off
        proto = self.proto if self.proto is not None else proto
        head = struct.pack("!BBHHHBBH4s4s", (self.version << 4) | ihl, self.tos, tot, ident, frag, self.ttl, proto, 0,
                           addr(self.src), addr(self.dst)) + options
        check = self.check if self.check is not None else csum(head)
        return head[:10] + struct.pack("!H", check) + head[12:] + payload


class Ip6:
    """Fields of one IPv6 header with extension headers: ext is a list of (next-header number, bytes)."""

    def __init__(self, src, dst, proto=None, ttl=64, tos=0, flow=0, ext=(), plen=None, version=6):
        self.__dict__.update(locals())

    def __call__(self, payload, proto=None):
        proto = self.proto if self.proto is not None else proto
        chain = b""
        numbers = [n for n, _ in self.ext] + [proto]
        for i, (_, body) in enumerate(self.ext):
            chain += bytes([numbers[i + 1]]) + body[1:]
        payload = chain + payload
        plen = self.plen if self.plen is not None else len(payload)
        return struct.pack("!IHBB16s16s", (self.version << 28) | (self.tos << 20) | self.flow, plen, numbers[0], self.ttl,
                           addr(self.src), addr(self.dst)) + payload


def ip(src, dst, **kw):
    return (Ip6 if ":" in src else Ip4)(src, dst, **kw)


FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}


def tcp(sport, dport, flags="S", seq=0, ack=0, win=65535, data=b"", options=b"", urg=0, doff=None, check=None, res=0):
    def build(l3):
        opts = options + b"\0" * (-len(options) % 4)
        off = doff if doff is not None else 5 + len(opts) // 4
        bits = flags if isinstance(flags, int) else sum(FLAGS[f] for f in flags)
        seg = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, (off << 4) | res, bits, win, 0, urg) \
            + opts + data
        c = check if check is not None else csum(pseudo(l3.src, l3.dst, 6, len(seg)) + seg)
        return l3(seg[:16] + struct.pack("!H", c) + seg[18:], 6)
    return build


def mss(n):
    return b"\x02\x04" + struct.pack("!H", n)


def wscale(n):
    return b"\x01\x03\x03" + bytes([n])


SACK_OK = b"\x01\x01\x04\x02"


def timestamp(val, ecr=0):
    return b"\x01\x01\x08\x0a" + struct.pack("!II", val, ecr)


def sack(*blocks):
    return b"\x01\x01\x05" + bytes([2 + 8 * len(blocks)]) + b"".join(struct.pack("!II", b[0] & 0xFFFFFFFF, b[1] & 0xFFFFFFFF) for b in blocks)


def udp(sport, dport, data=b"data", check=None, length=None):
    def build(l3):
        n = 8 + len(data)
        dg = struct.pack("!HHHH", sport, dport, length if length is not None else n, 0) + data
        c = check if check is not None else (csum(pseudo(l3.src, l3.dst, 17, n) + dg) or 0xFFFF)
        return l3(dg[:6] + struct.pack("!H", c) + dg[8:], 17)
    return build


def icmp(kind, code=0, rest=b"\0\0\0\0", data=b"", check=None):
    """ICMP or ICMPv6 by the family of the IP header."""
    def build(l3):
        v6 = ":" in l3.src
        body = struct.pack("!BBH", kind, code, 0) + rest + data
        c = check
        if c is None:
            c = csum((pseudo(l3.src, l3.dst, 58, len(body)) if v6 else b"") + body)
        return l3(body[:2] + struct.pack("!H", c) + body[4:], 58 if v6 else 1)
    return build


def echo(ident, seq, data=b"abcdefgh", reply=False):
    def build(l3):
        v6 = ":" in l3.src
        kind = (129 if reply else 128) if v6 else (0 if reply else 8)
        return icmp(kind, 0, struct.pack("!HH", ident, seq), data)(l3)
    return build


def raw(proto, data):
    return lambda l3: l3(data, proto)


def fragments4(packet, sizes):
    """Cuts an IPv4 packet (no DF) into pieces whose payloads have these sizes (multiples of 8, the last takes the rest)."""
    ihl = (packet[0] & 15) * 4
    head, body = packet[:ihl], packet[ihl:]
    base = struct.unpack("!H", packet[6:8])[0]
    out, off = [], 0
    for size in list(sizes) + [len(body)]:
        piece = body[off:off + size]
        if not piece:
            break
        last = off + len(piece) >= len(body)
        frag = (base & 0xC000) | (0 if last and not base & 0x2000 else 0x2000) | ((base & 0x1FFF) + off // 8)
        h = head[:2] + struct.pack("!H", ihl + len(piece)) + head[4:6] + struct.pack("!H", frag) + head[8:10] + b"\0\0" + head[12:]
        out.append(h[:10] + struct.pack("!H", csum(h)) + h[12:] + piece)
        off += len(piece)
    return out


def frag4(packet, off, size, mf):
    """One piece of an IPv4 packet: payload bytes off..off+size."""
    ihl = (packet[0] & 15) * 4
    head, body = packet[:ihl], packet[ihl:][off:off + size]
    frag = (0x2000 if mf else 0) | (off // 8)
    h = head[:2] + struct.pack("!H", ihl + len(body)) + head[4:6] + struct.pack("!H", frag) + head[8:10] + b"\0\0" + head[12:]
    return h[:10] + struct.pack("!H", csum(h)) + h[12:] + body


def frag6(packet, off, size, mf, ident, unfrag=40):
    """One piece of an IPv6 packet whose unfragmentable part is unfrag bytes (40: no extension headers before)."""
    if unfrag == 40:
        nxt_at = 6
    else:
        nxt_at, at = 6, 40
        while at < unfrag:
            nxt_at = at
            at += (packet[at + 1] + 1) * 8
    nxt = packet[nxt_at]
    body = packet[unfrag:][off:off + size]
    head = bytearray(packet[:unfrag])
    head[nxt_at] = 44
    head[4:6] = struct.pack("!H", unfrag - 40 + 8 + len(body))
    return bytes(head) + struct.pack("!BBHI", nxt, 0, off | (1 if mf else 0), ident) + body


def fragments6(packet, sizes, ident, unfrag=40):
    out, off, total = [], 0, len(packet) - unfrag
    for size in list(sizes) + [total]:
        if off >= total:
            break
        size = min(size, total - off)
        out.append(frag6(packet, off, size, off + size < total, ident, unfrag))
        off += size
    return out


def eth(dst, src, payload, proto=None, vlan=None):
    if proto is None:
        proto = 0x86DD if payload[:1] and payload[0] >> 4 == 6 else 0x0800
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return mac(dst) + mac(src) + tag + struct.pack("!H", proto) + payload


def arp(op, smac, sip, tmac, tip):
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + mac(smac) + addr(sip) + mac(tmac) + addr(tip)


# --- reading ---

def pseudo_of(p, at):
    """The pseudo header of the TCP segment at this offset of an IP packet."""
    n = len(p) - at
    if p[0] >> 4 == 4:
        return p[12:20] + struct.pack("!BBH", 0, 6, n)
    return p[8:40] + struct.pack("!I3xB", n, 6)


def l4_of(p):
    """(proto, offset of L4, fragment?) of an IP packet; (None, 0, False) when unreadable."""
    try:
        if p[0] >> 4 == 4:
            frag = struct.unpack("!H", p[6:8])[0]
            return p[9], (p[0] & 15) * 4, bool(frag & 0x1FFF), bool(frag & 0x3FFF)
        nxt, at, frag = p[6], 40, False
        while nxt in (0, 43, 60, 44, 51):
            if nxt == 44:
                frag = True
                if struct.unpack("!H", p[at + 2:at + 4])[0] & 0xFFF8:
                    return p[at], at + 8, True, True
                nxt, at = p[at], at + 8
            elif nxt == 51:
                nxt, at = p[at], at + (p[at + 1] + 2) * 4
            else:
                nxt, at = p[at], at + (p[at + 1] + 1) * 8
        return nxt, at, False, frag
    except (IndexError, struct.error):
        return None, 0, False, False


def show(p):
    """A short sentence about an IP packet or a frame, for reports."""
    try:
        if len(p) > 14 and p[12:14] in (b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x08\x06"):
            kind = p[12:14]
            head = "%s>%s " % (p[6:12].hex(), p[0:6].hex())
            if kind == b"\x08\x06":
                return head + "arp " + p[14:].hex()
            return head + show(p[18:] if kind == b"\x81\x00" else p[14:])
        v4 = p[0] >> 4 == 4
        src = ipaddress.ip_address(p[12:16] if v4 else p[8:24])
        dst = ipaddress.ip_address(p[16:20] if v4 else p[24:40])
        ttl = p[8] if v4 else p[7]
        proto, at, later, frag = l4_of(p)
        extra = ""
        if frag:
            extra = " frag"
        if proto in (6, 17) and not later:
            extra += " %d>%d" % struct.unpack("!HH", p[at:at + 4])
            if proto == 6:
                bits = p[at + 13]
                extra += " [%s] seq %d ack %d" % ("".join(f for f, b in FLAGS.items() if bits & b),
                                                  *struct.unpack("!II", p[at + 4:at + 12]))
        elif proto in (1, 58) and not later:
            extra += " type %d code %d" % (p[at], p[at + 1])
        return "%s > %s proto %s ttl %d len %d%s" % (src, dst, proto, ttl, len(p), extra)
    except (IndexError, struct.error, ValueError):
        return p.hex()


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c ^= b
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
    return c ^ 0xFFFFFFFF


def sctp(sport, dport, tag, *chunks, bad=0):
    head, body = struct.pack("!HHI", sport, dport, tag), b"".join(chunks)
    return lambda l3: l3(head + struct.pack("<I", crc32c(head + b"\0\0\0\0" + body) ^ bad) + body, 132)


def chunk(kind, flags=0, body=b"", length=None):
    return struct.pack("!BBH", kind, flags, 4 + len(body) if length is None else length) + body + b"\0" * (-len(body) % 4)


def udplite(sport, dport, cover, check=None, proto=17, data=b"payload payl"):
    """proto is that of the pseudo header: the kernel sums with UDP's number where it checks a tracked packet."""
    def build(l3, cut=None):
        p = struct.pack("!HHHH", sport, dport, cover, 0) + data
        n = cover if 8 <= cover <= len(p) else len(p)
        c = csum(pseudo(l3.src, l3.dst, proto, len(p)) + p[:n]) if check is None else check
        return l3((p[:6] + struct.pack("!H", c) + p[8:])[:cut], 136)
    return build
