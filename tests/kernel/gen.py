"""Random rule sets and correlated traffic from a seed: finds what hand-written cases do not. Grow it with each feature.

generate(seed, profile) always gives the same case for the same seed. Profiles shift the weights; None draws one; a protocol
or helper has a profile of its own in gen_NAME.py.
"""
import importlib
import random
import struct

from case import Case, Do, Send, office
from packets import (Ip4, echo, eth, frag4, frag6, fragments4, fragments6, icmp, ip, l4_of, mss, raw, sack, SACK_OK,
                     tcp, timestamp, udp, wscale)

PROFILES = ("mix", "tcp", "nat", "frag", "icmp", "malformed", "rules", "path", "local")

INSIDE, OUTSIDE, SERVERS = 0, 1, 2
PORTS = [22, 53, 80, 443, 500, 1000, 1023, 1024, 5000, 8080, 40000, 65535]


def host(net, h, v):
    if v == 4:
        return "10.%d.0.%d" % (net, h)
    return "fd00::%x" % h if net == 0 else "fd00:%d::%x" % (net, h)


def host_would_complain(data):
    """IPv6 to the router itself with extension headers that the host judges after LOCAL_IN, where the harness has
    silenced the kernel's host and weir answers (parameter problems). Hand-written cases (host=True) compare those."""
    p = data[14:] if data[12:14] == b"\x86\xdd" else data
    if len(p) < 48 or p[0] >> 4 != 6 or not (p[24] == 0xff or p[24:26] == b"\xfd\0" and p[28:40] == bytes(11) + b"\1"):
        return False
    nxt, at = p[6], 40
    while nxt in (0, 44, 51) and at + 8 <= len(p):
        if nxt == 44 and (p[at + 3] & 1 and (struct.unpack("!H", p[4:6])[0] & 7 or len(p) - at < 64) or p[at] in (43, 60)):
            return True
        nxt, at = p[at], at + (8 if nxt == 44 else (p[at + 1] + 2) * 4 if nxt == 51 else (p[at + 1] + 1) * 8)
    return nxt in (43, 60)


class Gen:
    def __init__(self, seed, profile):
        self.r = random.Random(seed)
        self.profile = profile or self.r.choice(PROFILES)
        self.items = []
        self.datas = []
        self.flow_list = []
        self.v6_share = self.r.choice((0, 0, 0.3, 0.5, 1))
        Ip4.ident_next[0] = self.r.randrange(0x1000, 0x7000)

    def chance(self, p):
        return self.r.random() < p

    # --- packets ---

    def family(self):
        return 6 if self.chance(self.v6_share) else 4

    def add(self, iface, data, **kw):
        if isinstance(data, (bytes, bytearray)) and host_would_complain(bytes(data)):
            return len(self.items) - 1
        self.items.append(Send(iface, data, gap=0.01 if self.chance(0.03) else 0.0, **kw))
        return len(self.items) - 1

    def l3(self, src, dst, **kw):
        if ":" not in src:
            if self.chance(0.3):
                kw.setdefault("df", True)
            if self.chance(0.1):
                kw.setdefault("tos", self.r.choice((0x10, 0xb8, 0x08, 0xff, 3)))
        elif self.chance(0.1):
            kw.setdefault("tos", self.r.choice((0x10, 0xb8, 3)))
        if self.chance(0.06 if self.profile != "path" else 0.3):
            kw.setdefault("ttl", self.r.choice((0, 1, 2, 255)))
        return ip(src, dst, **kw)

    def endpoints(self, v):
        """(in iface, src, dst): who talks to whom."""
        r = self.r
        kind = r.choices(("out", "in", "dmz", "dmz-in", "gw", "gw-out", "hairpin", "odd"), (10, 5, 4, 2, 3, 4, 1, 1))[0]
        h = lambda: r.choice((2, 3, 4))
        if kind == "out":
            return "eth0", host(0, h(), v), host(1, h(), v)
        if kind == "in":
            return "eth1", host(1, h(), v), host(0, h(), v)
        if kind == "dmz":
            return "eth0", host(0, h(), v), host(2, h(), v)
        if kind == "dmz-in":
            return "eth1", host(1, h(), v), host(2, h(), v)
        if kind == "gw":
            return "eth0", host(0, h(), v), host(r.choice((0, 1, 2)), 1, v)
        if kind == "gw-out":
            return "eth1", host(1, h(), v), host(r.choice((1, 1, 1, 0)), 1, v)
        if kind == "hairpin":
            return "eth0", host(0, h(), v), host(0, r.choice((2, 3, 4, 5)), v)
        far = ("198.51.100.7", "203.0.113.9") if v == 4 else ("2001:db8:7::7", "2001:db8:9::9")
        return r.choice((("eth0", host(0, h(), v), r.choice(far)), ("eth1", r.choice(far), host(0, h(), v))))

    def answer(self, flow, build, iface, src, dst, sport, dport):
        """A packet towards flow's initiator: against what really left for this flow, translated or not."""
        sent = list(flow["sent"])
        proto = flow["proto"]

        def data(outputs):
            for i in reversed(sent):
                for out, frame in outputs.get(i, []):
                    if frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                        continue
                    p = frame[14:]
                    got, at, later, _ = l4_of(p)
                    if got != proto or later:
                        continue
                    if proto in (1, 58) and p[at] not in (8, 128):
                        continue
                    import ipaddress
                    if p[0] >> 4 == 4:
                        s, d = (str(ipaddress.ip_address(x)) for x in (p[12:16], p[16:20]))
                    else:
                        s, d = (str(ipaddress.ip_address(x)) for x in (p[8:24], p[24:40]))
                    if proto in (6, 17):
                        sp, dp = struct.unpack("!HH", p[at:at + 4])
                    else:
                        sp = dp = struct.unpack("!H", p[at + 4:at + 6])[0]
                    return build(d, s, dp, sp)
            return build(dst, src, dport, sport)
        ident = self.r.randrange(0x8000, 0xffff)
        plain = data

        def stable(outputs):
            Ip4.ident_next[0] = ident
            return plain(outputs)
        return stable

    def where(self, flow):
        """The interface by which answers of this flow come in."""
        dst = flow["dst"]
        if ":" in dst:
            return {"fd00::": "eth0", "fd00:1": "eth1", "fd00:2": "eth2"}.get(dst[:6], "eth1")
        return {"10.0": "eth0", "10.1": "eth1", "10.2": "eth2"}.get(dst[:4], "eth1")

    # --- conversations: each is a generator that adds one packet per step ---

    def tcp_flow(self):
        r, v = self.r, self.family()
        iface, src, dst = self.endpoints(v)
        sport, dport = r.choice(PORTS + [r.randrange(1024, 65535)]), r.choice(PORTS)
        flow = {"proto": 6, "sent": [], "dst": dst}
        back = self.where(flow)
        c, s = r.choice((r.randrange(1 << 32), 0xFFFFFFF0, 0)), r.choice((r.randrange(1 << 32), 0xFFFFFF00))
        cw, sw = r.choice((65535, 1000, 0)), r.choice((65535, 2000))
        opts = b""
        if self.chance(0.5):
            opts += mss(1460)
        if self.chance(0.4):
            opts += wscale(r.choice((0, 2, 7, 14, 15)))
        if self.chance(0.4):
            opts += SACK_OK
        sopts = opts if self.chance(0.8) else b""

        def fwd(flags, seq, ack, win=None, data=b"", options=b""):
            l3 = self.l3(src, dst)
            flow["sent"].append(self.add(iface, tcp(sport, dport, flags, seq, ack, cw if win is None else win, data, options)(l3)))

        def rev(flags, seq, ack, win=None, data=b"", options=b""):
            kw = {"ttl": r.choice((64, 64, 1))} if self.profile == "path" else {}
            self.add(back, self.answer(flow, lambda a, b, p, q: tcp(p, q, flags, seq, ack, sw if win is None else win, data, options)(
                ip(a, b, **kw)), back, src, dst, sport, dport))
        plan = r.choices(("full", "midstream", "simultaneous", "refused", "wild", "reopen"), (10, 2, 1, 2, 5, 2))[0]
        if plan == "wild":
            flagsets = ["S", "SA", "A", "PA", "FA", "F", "R", "RA", "", "SF", "SR", "FPU", "SFRPAU", "SP", "SU", "SE", "SEC", "AE", "U"]
            for _ in range(r.randrange(3, 14)):
                seq = (c + r.choice((0, 1, 2, -1, 100, 1000, 70000, -70000))) & 0xFFFFFFFF
                ack = (s + r.choice((0, 1, 2, -1, 100, 70000, -70000))) & 0xFFFFFFFF
                f = r.choices(flagsets, [4, 3, 5, 4, 3, 1, 3, 2] + [1] * (len(flagsets) - 8))[0]
                data = bytes(r.randrange(0, 30)) if self.chance(0.3) else b""
                if self.chance(0.55):
                    fwd(f, seq, ack if "A" in f else 0, r.choice((None, 0, 10)), data, opts if "S" in f else b"")
                else:
                    rev(f, (s + r.choice((0, 1, 2, -1, 100, 70000))) & 0xFFFFFFFF, (c + r.choice((0, 1, 2, -1, 30, 70000))) & 0xFFFFFFFF,
                        r.choice((None, 0, 10)), data, sopts if "S" in f else b"")
                yield
            return
        if plan == "midstream":
            c, s = c + 1, s + 1
        else:
            fwd("S" if self.chance(0.9) else "SEC", c, 0, options=opts)
            yield
            if plan == "refused":
                rev(r.choice(("RA", "R")), 0 if self.chance(0.8) else s, c + 1)
                yield
                fwd("S", c + 5000, 0, options=opts)
                yield
                return
            if plan == "simultaneous":
                rev("S", s, 0, options=sopts)
                yield
                fwd("SA", c, s + 1, options=opts)
                yield
                rev("SA", s, c + 1, options=sopts)
                yield
            else:
                if self.chance(0.15):
                    fwd("S", c, 0, options=opts)
                    yield
                rev("SA", s, c + 1, options=sopts)
                yield
            c, s = c + 1, s + 1
            fwd("A", c, s)
            yield
        for _ in range(r.randrange(0, 8)):
            n = r.choice((1, 10, 100, 1000))
            odd = r.choices((0, 1, 2, 3, 4, 5), (10, 1, 1, 1, 1, 1))[0]
            data = bytes(r.randrange(256) for _ in range(min(n, 40))) + bytes(max(0, n - 40))
            if self.chance(0.5):
                fwd("PA", c + (0, 70000, -1000, 1, 0, 0)[odd], s + (0, 0, 0, 0, 70000, -5000)[odd], data=data)
                if odd == 0:
                    c += n
            else:
                rev("PA", s + (0, 70000, -1000, 1, 0, 0)[odd], c + (0, 0, 0, 0, 70000, -5000)[odd], data=data)
                if odd == 0:
                    s += n
            yield
            if self.chance(0.2):
                fwd("A", c, s, options=sack((s + 100, s + 200)) if self.chance(0.4) else timestamp(1, 2) if self.chance(0.3) else b"")
                yield
        end = r.choices(("fin", "rst", "rst-odd", "none", "half"), (6, 2, 2, 2, 2))[0]
        if end in ("fin", "half"):
            fwd("FA", c, s)
            yield
            if end == "fin":
                rev("A", s, c + 1)
                yield
                rev("FA", s, c + 1)
                yield
                fwd("A", c + 1, s + 1)
                yield
                if self.chance(0.3):
                    fwd("FA", c, s)
                    yield
        elif end == "rst":
            (fwd if self.chance(0.5) else rev)("R", c, 0)
            yield
            rev("R", s, 0)
            yield
        elif end == "rst-odd":
            rev("R", s + r.choice((1, 100, -1, 70000)), 0)
            yield
            fwd("PA", c, s, data=b"x")
            yield
            rev("A", s, c + 1)
            yield
        if plan == "reopen" or self.chance(0.1):
            fwd("S", c + r.choice((100000, -100000, 1)), 0, options=opts)
            yield
            rev("SA", s + 50, c + 100001, options=sopts)
            yield

    def udp_flow(self):
        r, v = self.r, self.family()
        iface, src, dst = self.endpoints(v)
        sport, dport = r.choice(PORTS + [r.randrange(1024, 65535)]), r.choice(PORTS)
        flow = {"proto": 17, "sent": [], "dst": dst}
        back = self.where(flow)
        for _ in range(r.randrange(1, 5)):
            data = bytes(r.choice((0, 4, 50, 600, 1400)))
            if not flow["sent"] or self.chance(0.5):
                flow["sent"].append(self.add(iface, udp(sport, dport, data, check=0 if v == 4 and self.chance(0.1) else None)(self.l3(src, dst))))
            else:
                self.add(back, self.answer(flow, lambda a, b, p, q: udp(p, q, data)(ip(a, b)), back, src, dst, sport, dport))
            yield
        self.flow_list.append((flow, iface, src, dst, sport, dport))

    def icmp_flow(self):
        r, v = self.r, self.family()
        iface, src, dst = self.endpoints(v)
        ident = r.choice((0, 1, 77, 1000, 65535))
        flow = {"proto": 1 if v == 4 else 58, "sent": [], "dst": dst}
        back = self.where(flow)
        for seq in range(r.randrange(1, 4)):
            if self.chance(0.85):
                flow["sent"].append(self.add(iface, echo(ident, seq)(self.l3(src, dst))))
            else:
                t = r.choice((13, 15, 17, 10, 9, 14, 0, 30, 40, 255) if v == 4 else (129, 130, 131, 133, 135, 136, 143, 139, 140, 200))
                flow["sent"].append(self.add(iface, icmp(t, 0, struct.pack("!HH", ident, seq), bytes(12))(self.l3(src, dst))))
            yield
            if self.chance(0.7):
                self.add(back, self.answer(flow, lambda a, b, p, q: echo(p, seq, reply=True)(ip(a, b)), back, src, dst, ident, ident))
                yield

    def icmp_error(self):
        """An error about something that was seen before, from a host or router on either side."""
        r = self.r
        about = [i for i, x in enumerate(self.items) if isinstance(x, Send)]
        if not about:
            return
        i = r.choice(about)
        item = self.items[i]
        iface = r.choice(("eth1", "eth1", "eth0", "eth2"))
        v6 = None
        kind4 = r.choice(((3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (11, 1), (4, 0), (5, 1), (12, 0), (3, 200)))
        kind6 = r.choice(((1, 0), (1, 4), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (100, 0), (137, 0)))
        cut = r.choice((None, None, None, 8, 4, 0))
        net = int(iface[3])
        sender = r.choice((254, 2, 3, 9))
        bad_outer = self.chance(0.1)
        bad_sum = self.chance(0.05)
        use_output = self.chance(0.8)
        ident = r.randrange(0x8000, 0xffff)
        mtu = r.choice((0, 1280, 1400, 68))

        def data(outputs):
            import ipaddress
            Ip4.ident_next[0] = ident
            frames = outputs.get(i, []) if use_output else []
            p = None
            for out, frame in frames:
                if frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
                    p = frame[14:]
                    break
            if p is None:
                if callable(item.data):
                    return None
                p = item.data[14:] if item.l2 else item.data
            if len(p) < 20 or (p[0] >> 4 == 6 and len(p) < 40):
                return None
            six = p[0] >> 4 == 6
            if not six:
                dst = str(ipaddress.ip_address(p[12:16]))
                hl = (p[0] & 15) * 4
                quote = p[:hl + (cut if cut is not None else 500)]
            else:
                dst = str(ipaddress.ip_address(p[8:24]))
                quote = p[:40 + (cut if cut is not None else 1100)]
            src = host(net, sender, 6 if six else 4)
            if bad_outer:
                dst = host(0, 9, 6 if six else 4)
            t, c = kind6 if six else kind4
            rest = struct.pack("!I", mtu) if (t, c) in ((3, 4),) or (six and t == 2) else b"\0\0\0\0"
            return icmp(t, c, rest, quote, check=0x1234 if bad_sum else None)(ip(src, dst))
        self.add(iface, data)

    def frag_flow(self):
        r, v = self.r, self.family()
        iface, src, dst = self.endpoints(v)
        size = r.choice((40, 200, 1600, 3000))
        sport, dport = r.choice(PORTS), r.choice(PORTS)
        payload = bytes(r.randrange(256) for _ in range(64)) + bytes(max(0, size - 64))
        kind = r.choice(("udp", "udp", "tcp", "icmp"))
        mk = {"udp": udp(sport, dport, payload), "tcp": tcp(sport, dport, "PA", 5, 6, data=payload), "icmp": echo(9, 1, payload)}[kind]
        if v == 4:
            p = mk(ip(src, dst, tos=r.choice((0, 0, 3, 1)), options=b"\x07\x07\x04\0\0\0\0" if self.chance(0.05) else b""))
            sizes = [r.choice((8, 16, 24, 40, 400, 800, 1400))]
            pieces = fragments4(p, sizes * 40)[:12] if self.chance(0.3) else fragments4(p, sizes)
            if self.chance(0.2):
                pieces = [x[:6] + bytes([x[6] | 0x40]) + x[7:10] + b"\0\0" + x[12:] for x in pieces]
                from packets import csum
                pieces = [x[:10] + struct.pack("!H", csum(x[:(x[0] & 15) * 4])) + x[12:] for x in pieces]
            odd = r.choices(("", "overlap", "dup", "missing", "gap", "short-last", "after"), (8, 1, 2, 1, 1, 1, 1))[0]
            body = len(p) - (p[0] & 15) * 4
            if odd == "overlap":
                off = r.randrange(0, max(1, body // 8)) * 8
                pieces.insert(r.randrange(len(pieces) + 1), frag4(p, off, r.choice((8, 16, 64)), True))
            elif odd == "dup":
                pieces.insert(r.randrange(len(pieces) + 1), r.choice(pieces))
            elif odd == "missing" and len(pieces) > 1:
                pieces.pop(r.randrange(len(pieces)))
            elif odd == "short-last":
                pieces.append(frag4(p, 8, 9, True))
            elif odd == "after":
                pieces.append(frag4(p + bytes(64), body // 8 * 8 + 8, 32, False))
        else:
            p = mk(ip(src, dst))
            ident = r.randrange(1, 1 << 32)
            sizes = [r.choice((8, 16, 80, 400, 800, 1400))]
            pieces = fragments6(p, sizes * 40, ident)[:12] if self.chance(0.3) else fragments6(p, sizes, ident)
            odd = r.choices(("", "overlap", "dup", "missing", "atomic", "odd-length"), (8, 1, 2, 1, 1, 1))[0]
            body = len(p) - 40
            if odd == "overlap":
                pieces.insert(r.randrange(len(pieces) + 1), frag6(p, r.randrange(0, max(1, body // 8)) * 8, 16, True, ident))
            elif odd == "dup":
                pieces.insert(r.randrange(len(pieces) + 1), r.choice(pieces))
            elif odd == "missing" and len(pieces) > 1:
                pieces.pop(r.randrange(len(pieces)))
            elif odd == "atomic":
                pieces = [frag6(p, 0, body, False, ident)]
            elif odd == "odd-length":
                pieces.insert(0, frag6(p, 0, 13, True, ident))
        if self.chance(0.3):
            r.shuffle(pieces)
        for x in pieces:
            self.add(iface, x)
            if self.chance(0.3):
                yield
        yield

    def malformed(self):
        r, v = self.r, self.family()
        iface, src, dst = self.endpoints(v)
        mk = r.choice((tcp(1000, 80, "S", 1, options=mss(1460)), udp(53, 53, b"query"), echo(3, 1), tcp(5, 6, "PA", 5, 5, data=b"abc"),
                       raw(47, bytes(12)), raw(132, bytes(16)), raw(50, bytes(16)), raw(136, udp(5, 6)(ip(src, dst))[20 if v == 4 else 40:]),
                       raw(2, bytes(8)), raw(253, b"hello")))
        kw = {}
        how = r.choices(("flip", "cut", "lens", "options", "ext", "checksum", "pad", "none"), (4, 3, 2, 3, 3, 2, 1, 2))[0]
        if v == 4 and how == "options":
            kw["options"] = r.choice((b"\x07\x0b\x04" + bytes(8), b"\x44\x0c\x05\x00" + bytes(8), b"\x94\x04\0\0", b"\x83\x07\x04" + bytes(4),
                                      b"\x01\x01\x01\x00", b"\x07\x03\x04", b"\x44\x08\x05\x01" + bytes(4), b"\xff\x02", b"\x82\x0b" + bytes(9),
                                      b"\x07\x0b\x05" + bytes(8), b"\x89\x07\x04\x0a\x01\x00\x02"))
        if v == 6 and how in ("ext", "options"):
            kw["ext"] = r.choice(([(0, b"\0\0\x01\x04\0\0\0\0")], [(60, b"\0\0\x01\x04\0\0\0\0")], [(0, b"\0\0\x05\x02\0\0\x01\0")],
                                  [(43, b"\0\0\0\0\0\0\0\0")], [(0, b"\0\0\xc2\x04\0\x01\0\0")], [(0, b"\0\0\x80\x04\0\0\0\0")],
                                  [(0, b"\0\0\x40\x04\0\0\0\0")], [(60, b"\0\0\x80\x04\0\0\0\0")], [(51, b"\0\x02" + bytes(14))],
                                  [(60, b"\0\x09\0\0\0\0\0\0")], [(0, b"\0\0\x01\x04\0\0\0\0"), (60, b"\0\0\x01\x04\0\0\0\0"), (43, b"\0\0\0\0\0\0\0\0")]))
        if how == "lens":
            if v == 4:
                kw[r.choice(("tot_len", "ihl", "version"))] = r.choice((0, 4, 6, 15, 20, 21, 28, 40, 60, 65535))
                kw = {k: (x & 15 if k != "tot_len" else x) for k, x in kw.items()}
            else:
                kw["plen"] = r.choice((0, 1, 7, 8, 20, 65535))
        if how == "checksum" and v == 4 and self.chance(0.4):
            kw["check"] = 0x1234
        p = mk(ip(src, dst, **kw))
        p = bytearray(p)
        if how == "flip":
            for _ in range(r.randrange(1, 3)):
                at = r.randrange(0, len(p))
                if at in (12, 13, 14, 15, 16, 17, 18, 19) and v == 4 or 8 <= at < 40 and v == 6:
                    continue
                p[at] ^= 1 << r.randrange(8)
            if v == 4:
                from packets import csum
                ihl = (p[0] & 15) * 4
                if 20 <= ihl <= len(p) and self.chance(0.8):
                    p[10:12] = b"\0\0"
                    p[10:12] = struct.pack("!H", csum(bytes(p[:ihl])))
        elif how == "cut":
            p = p[:r.randrange(0, len(p))]
            if v == 4 and len(p) >= 20 and self.chance(0.7):
                from packets import csum
                p[2:4] = struct.pack("!H", len(p))
                p[10:12] = b"\0\0"
                p[10:12] = struct.pack("!H", csum(bytes(p[:20])))
            elif v == 6 and len(p) >= 40 and self.chance(0.7):
                p[4:6] = struct.pack("!H", len(p) - 40)
        elif how == "checksum":
            at = {6: 16, 17: 6, 1: 2, 58: 2}.get(l4_of(bytes(p))[0])
            if at:
                p[len(p) - len(p) + l4_of(bytes(p))[1] + at] ^= 0x55
        elif how == "pad":
            p += bytes(r.randrange(1, 20))
        self.add(iface, eth({"eth0": "02:00:00:00:00:01", "eth1": "02:00:00:00:01:01"}[iface], "02:00:00:00:00:02", bytes(p),
                            proto=0x0800 if v == 4 else 0x86DD), l2=True)
        yield

    def local_flow(self):
        r, v = self.r, self.family()
        net = r.choice((0, 1, 2))
        src, dst = host(net, 1, v), host(net, r.choice((2, 3)), v)
        if self.chance(0.1):
            dst = host(r.choice((0, 1, 2)), 1, v)
        sport, dport = r.choice(PORTS), r.choice(PORTS)
        kind = r.choice(("udp", "tcp", "icmp"))
        flow = {"proto": {"udp": 17, "tcp": 6, "icmp": 1 if v == 4 else 58}[kind], "sent": [], "dst": dst}
        mk = {"udp": udp(sport, dport), "tcp": tcp(sport, dport, "S", 100), "icmp": echo(5, 1)}[kind]
        flow["sent"].append(self.add(None, mk(ip(src, dst, ident=r.randrange(1, 0xffff)) if v == 4 else ip(src, dst))))
        yield
        if self.chance(0.7):
            ans = {"udp": lambda a, b, p, q: udp(p, q)(ip(a, b)), "tcp": lambda a, b, p, q: tcp(p, q, "SA", 900, 101)(ip(a, b)),
                   "icmp": lambda a, b, p, q: echo(p, 1, reply=True)(ip(a, b))}[kind]
            self.add("eth%d" % net, self.answer(flow, ans, "eth%d" % net, src, dst, sport if kind != "icmp" else 5, dport if kind != "icmp" else 5))
            yield

    def martian(self):
        r = self.r
        src = r.choice(("127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "10.0.0.1", "10.0.0.255", "10.1.0.5", "240.0.0.1", "169.254.1.1"))
        dst = r.choice((host(1, 2, 4), host(0, 1, 4), "127.0.0.1", "255.255.255.255", "224.0.0.1", "239.1.1.1", "10.0.0.255", "10.1.0.255",
                        "0.0.0.0", "240.0.0.1", "10.9.9.9"))
        if self.chance(0.5):
            src = host(0, 2, 4)
        mac = r.choice((None, None, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:99:99:99:99:99"))
        if self.chance(0.3):
            src = r.choice(("::1", "::", "ff02::1", "fd00::1", "fe80::2", "fd00::2", "fd00:1::7"))
            dst = r.choice(("fd00:1::2", "fd00::1", "::1", "ff02::1", "ff05::2", "fe80::1", "fd09::9", "fd00::"))
        mk = r.choice((udp(5, 53), tcp(5, 80), echo(1, 1)))
        self.add("eth0", mk(ip(src, dst)), dst=mac)
        yield

    # --- rules ---

    def addr_match(self, v):
        r = self.r
        net = r.choice((0, 1, 2))
        a = r.choice((host(net, r.choice((1, 2, 3)), v), (host(net, 0, v) + ("/24" if v == 4 else "/64"))))
        return "%s-%s %s" % (r.choice(("", "! ")), r.choice("sd"), a) if False else "%s%s %s" % (
            "! " if self.chance(0.15) else "", r.choice(("-s", "-d")), a)

    def matches(self, v, hook, table):
        r, out = self.r, []
        neg = lambda: "! " if self.chance(0.2) else ""
        if self.chance(0.4):
            out.append(self.addr_match(v))
        if hook in ("PREROUTING", "INPUT", "FORWARD") and self.chance(0.25):
            out.append(neg() + "-i " + r.choice(("eth0", "eth1", "eth+", "lo", "eth2")))
        if hook in ("POSTROUTING", "OUTPUT", "FORWARD") and self.chance(0.25):
            out.append(neg() + "-o " + r.choice(("eth0", "eth1", "eth+", "lo", "eth2")))
        port = lambda: r.choice(("%d" % r.choice(PORTS), "%d:%d" % tuple(sorted((r.choice(PORTS), r.choice(PORTS)))), ":1023", "1024:"))
        p = r.choices(("", "tcp", "udp", "icmp"), (5, 3, 3, 1))[0]
        if p == "icmp":
            p = "icmp" if v == 4 else "ipv6-icmp"
            out.append("-p " + p)
            if self.chance(0.5):
                out.append("-m %s %s--%s %s" % ("icmp" if v == 4 else "icmp6", neg(), "icmp-type" if v == 4 else "icmpv6-type",
                                                 r.choice(("8", "0", "3/3", "3", "11/0") if v == 4 else ("128", "129", "1/4", "3", "2"))))
        elif p:
            out.append("-p " + p)
            if self.chance(0.5):
                out.append("-m %s %s%s %s" % (p, neg(), r.choice(("--sport", "--dport")), port()))
            if p == "tcp" and self.chance(0.25):
                out.append("-m tcp %s--tcp-flags %s" % (neg(), r.choice(("SYN,RST,ACK,FIN SYN", "ALL NONE", "ACK ACK", "RST RST", "SYN,ACK SYN,ACK", "FIN FIN"))))
            if p == "tcp" and self.chance(0.05):
                out.append("-m tcp %s--tcp-option %d" % (neg(), r.choice((2, 3, 4, 8))))
            if self.chance(0.2):
                out.append("-m multiport %s%s %s" % (neg(), r.choice(("--sports", "--dports", "--ports")),
                                                      ",".join(r.choice(("22", "53", "80", "443", "1000:1024", "5000", "8080:65535")) for _ in range(r.randrange(1, 5)))))
        elif self.chance(0.05):
            out.append(neg() + "-p " + r.choice(("tcp", "udp", "47", "132", "136", "50")))
        if v == 4 and self.chance(0.04):
            out.append(neg() + "-f")
        ct_ok = table != "raw"
        options = []
        if ct_ok:
            options += ["ct"] * 6 + ["state"] * 2 + ["connmark"]
        options += ["mark", "length", "ttl", "limit", "iprange", "addrtype", "dscp", "tos", "mac", "comment"]
        options += ["more"] * 4
        for _ in range(r.choices((0, 1, 2), (5, 5, 1))[0]):
            o = r.choice(options)
            if o == "ct":
                out.append("-m conntrack " + r.choice((
                    neg() + "--ctstate " + ",".join(r.sample(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"), r.randrange(1, 4))),
                    "--ctdir " + r.choice(("ORIGINAL", "REPLY")),
                    neg() + "--ctproto " + r.choice(("tcp", "udp", "1")),
                    neg() + "--ctstatus " + ",".join(r.sample(("EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"), r.randrange(1, 3))),
                    neg() + "--ctorigsrc " + host(r.choice((0, 1)), r.choice((2, 3)), v),
                    neg() + "--ctorigdst " + host(r.choice((1, 2)), 0, v) + ("/24" if v == 4 else "/64"),
                    neg() + "--ctreplsrc " + host(1, 2, v), neg() + "--ctrepldst " + host(0, 2, v),
                    neg() + "--ctorigdstport " + r.choice(("80", "53", "1000:5000")), neg() + "--ctreplsrcport 80")))
            elif o == "state":
                out.append("-m state %s--state %s" % (neg(), ",".join(r.sample(("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"), r.randrange(1, 3)))))
            elif o == "connmark":
                out.append("-m connmark %s--mark %s" % (neg(), r.choice(("0x1", "0x0", "0x2/0xf", "0xff"))))
            elif o == "mark":
                out.append("-m mark %s--mark %s" % (neg(), r.choice(("0x1", "0x0", "0x2/0xf", "0x10/0x10"))))
            elif o == "length":
                out.append("-m length %s--length %s" % (neg(), r.choice(("40", "28:60", "0:100", "1000:65535", "32"))))
            elif o == "ttl":
                out.append(("-m ttl %s--ttl-eq 63" % neg() if self.chance(0.5) else "-m ttl --ttl-%s %d" % (r.choice(("lt", "gt")), r.choice((1, 2, 63, 64))))
                           if v == 4 else ("-m hl %s--hl-eq 63" % neg() if self.chance(0.5) else "-m hl --hl-%s %d" % (r.choice(("lt", "gt")), r.choice((1, 2, 63)))))
            elif o == "limit":
                out.append("-m limit --limit 1/hour --limit-burst %d" % r.choice((1, 2, 5)))
            elif o == "iprange":
                out.append("-m iprange %s--%s-range %s-%s" % (neg(), r.choice(("src", "dst")), host(r.choice((0, 1)), 2, v), host(1, 3, v)))
            elif o == "addrtype":
                out.append("-m addrtype %s--%s-type %s%s" % (neg(), r.choice(("src", "dst")), r.choice(("LOCAL", "UNICAST", "MULTICAST", "UNICAST,LOCAL") + (("BROADCAST",) if v == 4 else ())),
                                                              ""))
            elif o == "dscp":
                out.append("-m dscp %s--dscp %s" % (neg(), r.choice(("0x00", "0x2e", "0x04"))))
            elif o == "tos":
                out.append("-m tos %s--tos %s" % (neg(), r.choice(("0x10/0xff", "0x08/0x3f", "0x00/0xff"))))
            elif o == "mac" and hook in ("PREROUTING", "INPUT", "FORWARD"):
                out.append("-m mac %s--mac-source %s" % (neg(), r.choice(("02:00:00:00:00:02", "02:00:00:00:01:02"))))
            elif o == "more":
                out += self.more_matches(v, hook, table, p, neg)
            elif o == "comment":
                out.append('-m comment --comment "%s"' % r.choice(("a", "two words", "it's", "x\\\"y")))
        return out, p

    def more_matches(self, v, hook, table, proto, neg):
        """One of the matches that came with issue 4; those that draw lots or ask for a processor are not here."""
        r = self.r
        have = ["-m pkttype %s--pkt-type %s" % (neg(), r.choice(("unicast", "multicast", "broadcast", "otherhost"))),
                "-m ecn %s--ecn-ip-ect %d" % (neg(), r.randrange(4)),
                "-m statistic --mode nth %s--every 3 --packet %d" % (neg(), r.randrange(3)),
                "-m quota %s--quota %d" % (neg(), r.choice((100, 500, 2000))),
                '-m u32 %s--u32 "%s"' % (neg(), r.choice(("6&0xff=6" if v == 4 else "4>>8&0xff=6", "0>>22&0x3c@0>>16=1:1000", "20=0:0x7fffffff", "2&0xffff=0x100:0x500"))),
                "-m physdev %s--physdev-is-in" % neg(),
                "-m string --algo %s %s--%s" % (r.choice(("bm", "kmp")), neg(), r.choice(('hex-string "|00 00 00 00|"', 'string "abcd" --to 60', 'hex-string "|0a 00|" --from 12 --to 20'))),
                '-m bpf --bytecode "%s"' % r.choice(("4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0", "4,128 0 0 0,37 0 1 60,6 0 0 0,6 0 0 1", "4,72 0 0 2,53 0 1 80,6 0 0 1,6 0 0 0"))]
        if table != "raw":
            have += ["-m connbytes %s--connbytes %s --connbytes-mode %s --connbytes-dir %s" % (
                neg(), r.choice(("2", "1:3", "0:100", "60:200")), r.choice(("packets", "bytes", "avgpkt")), r.choice(("original", "reply", "both")))] * 2
            if hook != "PREROUTING" and v == 4:
                have.append("-m realm %s--realm %s" % (neg(), r.choice(("0", "1/1"))))
        if hook in ("PREROUTING", "INPUT", "FORWARD"):
            have.append("-m devgroup %s--src-group 0" % neg())
        if proto == "tcp":
            have += ["-m tcpmss %s--mss %s" % (neg(), r.choice(("1460", "0:1000", "536:65535"))), "-m ecn %s--ecn-tcp-%s" % (neg(), r.choice(("ece", "cwr")))]
        if v == 6:
            have.append("-m ah %s--ahspi %s" % (neg(), r.choice(("0", "1:500", "0x01010101"))))
            have += ["-m ipv6header %s--header %s%s" % (neg(), r.choice(("hop", "dst", "frag", "prot", "hop,prot", "route")), r.choice(("", " --soft"))),
                     "-m %s %s--%s-len %d" % ((lambda n: (n, neg(), n, r.choice((8, 16))))(r.choice(("hbh", "dst")))),
                     "-m frag " + r.choice(("--fragfirst", "--fragmore", "--fraglast", "")), "-m rt %s--rt-type %d" % (neg(), r.choice((0, 3)))]
            if hook in ("PREROUTING", "INPUT", "FORWARD"):
                have.append("-m eui64")
        return [r.choice(have)]

    def target(self, v, table, hook, proto, chains):
        r = self.r
        verdicts = ["ACCEPT"] * 4 + ["DROP"] * 2 + ["RETURN"] + ["none"]
        if table == "nat":
            out = []
            net = lambda n, h: host(n, h, v)
            w = lambda a, p: ("[%s]:%s" % (a, p) if v == 6 else "%s:%s" % (a, p))
            ports = proto in ("tcp", "udp")
            extra = r.choice(("", "", "", " --random", " --persistent", " --random-fully"))
            if hook in ("POSTROUTING", "INPUT"):
                out = ["SNAT --to-source " + net(1, 1) + extra, "SNAT --to-source %s-%s" % (net(1, 1), net(1, 9)) + extra.replace(" --random-fully", "")]
                if hook == "POSTROUTING":
                    out += ["MASQUERADE" + extra.replace(" --persistent", "")] * 3
                if ports:
                    out += ["SNAT --to-source " + w(net(1, 1), r.choice(("2000-2100", "5000", "2024-2025"))) + extra]
                    if hook == "POSTROUTING":
                        out += ["MASQUERADE --to-ports " + r.choice(("2000-2100", "2024-2025"))]
            else:
                out = ["DNAT --to-destination " + net(2, 2), "DNAT --to-destination %s-%s" % (net(2, 2), net(2, 4)),
                       "DNAT --to-destination " + net(0, 2)]
                if ports:
                    out += ["DNAT --to-destination " + w(net(2, 2), r.choice(("8080", "8000-8010"))), "REDIRECT --to-ports " + r.choice(("8080", "8000-8010"))] * 2
                else:
                    out += ["REDIRECT"]
            if hook != "INPUT" or True:
                out += ["NETMAP --to " + (net(2, 0) + ("/24" if v == 4 else "/64"))]
            return r.choice(out * 2 + ["ACCEPT", "RETURN", "none"])
        if table == "mangle":
            out = ["MARK --set-xmark 0x1/0xffffffff", "MARK --set-xmark 0x2/0xf", "MARK --and-mark 0x3", "CONNMARK --save-mark", "CONNMARK --restore-mark",
                   "CONNMARK --set-xmark 0x5/0xff", "DSCP --set-dscp 0x2e", "TOS --set-tos 0x10/0xff", "CONNMARK --save-mark --nfmask 0xf --ctmask 0xf"]
            out += ["TTL --ttl-set 10", "TTL --ttl-dec 1", "TTL --ttl-inc 5"] if v == 4 else ["HL --hl-set 10", "HL --hl-dec 1", "HL --hl-inc 5"]
            if v == 4:
                out += ["ECN --ecn-ip-ect %d" % r.randrange(4)] + (["ECN --ecn-tcp-remove", "ECN --ecn-tcp-ece 1 --ecn-ip-ect 1", "ECN --ecn-tcp-cwr 0"] if proto == "tcp" else [])
            if proto == "tcp":
                out += ["TCPOPTSTRIP --strip-options " + r.choice(("mss", "timestamp,wscale", "2,3,4,5,8,19,254"))]
            if hook in ("FORWARD", "OUTPUT", "POSTROUTING"):
                out += ["CLASSIFY --set-class %d:%x" % (r.randrange(3), r.randrange(99))]
            out += ["CHECKSUM --checksum-fill", "AUDIT --type drop", "HMARK --hmark-tuple %s --hmark-rnd %d --hmark-mod 4" % (
                r.choice(("src,dst,sport,dport,proto", "src", "sport,dport", "ct,src,dst", "spi")), r.randrange(3))]
            if self.chance(0.3):
                out += ["TEE --gateway %s%s" % (host(2, r.choice((5, 6)), v), r.choice(("", "", " --oif eth2")))] * 4
            if v == 6 and self.chance(0.3):
                kind = {"POSTROUTING": "SNPT", "INPUT": "SNPT", "PREROUTING": "DNPT", "OUTPUT": "DNPT"}.get(hook)
                pair = r.choice(("fd00::/64 --dst-pfx fd00:77::/64", "fd00:1::/48 --dst-pfx fd00:2::/56", "fd00::/16 --dst-pfx fd00::/32"))
                out += ["%s --src-pfx %s" % (kind, pair)] * 3 if kind else []
            if hook == "PREROUTING" and proto in ("tcp", "udp") and self.chance(0.1):
                out += ["TPROXY --on-port 99 --tproxy-mark 1"]
            return r.choice(out + verdicts)
        if table == "raw":
            if self.chance(0.02):
                return "TRACE"
            if hook in ("PREROUTING", "OUTPUT"):
                return r.choice(["CT --notrack"] * 3 + ["CT --zone 5", "CT --zone-orig 6", "NOTRACK"] + verdicts)
            return r.choice(verdicts)
        out = list(verdicts) * 2
        if table == "filter":
            out += ["REJECT"] * 2
            out += ["REJECT --reject-with " + x for x in (("icmp-host-unreachable", "icmp-admin-prohibited", "icmp-net-unreachable", "icmp-proto-unreachable") if v == 4
                                                           else ("icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-no-route"))]
            if proto == "tcp":
                out += ["REJECT --reject-with tcp-reset"] * 2
            if self.chance(0.05):
                out += ["LOG --log-prefix \"p \"" + r.choice(("", " --log-tcp-sequence", " --log-tcp-options", " --log-ip-options", " --log-level debug"))] * 3
            out += ["NFQUEUE --queue-bypass"] + ["NFQUEUE --queue-balance 1:4" + r.choice(("", " --queue-bypass", " --queue-bypass --queue-cpu-fanout"))] * self.chance(0.2) + ["AUDIT --type accept"]
            out += ["NFLOG --nflog-group %d --nflog-prefix \"n%d\"" % (r.choice((1, 2)), r.randrange(9))]
        return r.choice(out)

    def rules(self, v):
        r = self.r
        tables = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
                  "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"),
                  "security": ("INPUT", "FORWARD", "OUTPUT")}
        p = {"raw": 0.2, "mangle": 0.3, "nat": 0.5, "filter": 0.8, "security": 0.05}
        if self.profile == "nat":
            p["nat"] = 1
        if self.profile == "rules":
            p = dict.fromkeys(p, 0.7)
        text = ""
        for table, hooks in tables.items():
            if not self.chance(p[table]):
                continue
            lines, rules = ["*" + table], []
            for h in hooks:
                policy = "DROP" if table != "nat" and self.chance(0.08) else "ACCEPT"
                lines.append(":%s %s [0:0]" % (h, policy))
            users = ["u%d" % i for i in range(r.choice((0, 0, 1, 2, 3)))]
            lines += [":%s - [0:0]" % u for u in users]
            count = r.randrange(1, 8) if self.profile != "rules" else r.randrange(3, 14)
            for _ in range(count):
                h = r.choice(hooks)
                m, proto = self.matches(v, h, table)
                if users and self.chance(0.25):
                    t = r.choice(("-j ", "-j ", "-g ")) + r.choice(users)
                else:
                    t = self.target(v, table, h, proto, users)
                    t = "" if t == "none" else "-j " + t
                rules.append(" ".join(["-A", h] + m + [t]).strip())
            for i, u in enumerate(users):
                for _ in range(r.randrange(0, 4)):
                    # a user chain may be reached from any hook: only matches and targets valid everywhere
                    m, proto = self.matches(v, "USER", table)
                    if i + 1 < len(users) and self.chance(0.2):
                        t = "-j " + users[i + 1]
                    elif table == "nat" or table == "raw":
                        t = r.choice(("-j ACCEPT", "-j RETURN", ""))
                    else:
                        t = self.target(v, table, "USER", proto, users)
                        t = "" if t == "none" or "TCPMSS" in t else "-j " + t
                    rules.append(" ".join(["-A", u] + m + [t]).strip())
            if table in ("mangle",) and self.chance(0.25):
                rules.append("-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS " + r.choice(("--clamp-mss-to-pmtu", "--set-mss 1000", "--set-mss 1400")))
            text += "\n".join(lines + rules + ["COMMIT"]) + "\n"
        return text

    # --- the case ---

    def case(self, name):
        r = self.r
        weights = {"mix": (5, 4, 3, 2, 2, 2, 2, 1), "tcp": (1, 0, 0, 0, 0, 0, 0, 0), "nat": (4, 4, 3, 3, 1, 0, 2, 0), "frag": (1, 1, 0, 1, 6, 0, 0, 0),
                   "icmp": (2, 2, 5, 6, 0, 1, 1, 0), "malformed": (1, 1, 1, 0, 1, 6, 0, 1), "rules": (4, 4, 3, 1, 1, 1, 2, 1),
                   "path": (2, 2, 2, 2, 2, 2, 2, 6), "local": (1, 1, 1, 2, 0, 0, 6, 0)}[self.profile]
        kinds = (self.tcp_flow, self.udp_flow, self.icmp_flow, "icmp_error", self.frag_flow, self.malformed, self.local_flow, self.martian)
        live, steps = [], r.randrange(5, 40)
        while len(self.items) < steps:
            if not live or self.chance(0.3):
                k = r.choices(kinds, weights)[0]
                if k == "icmp_error":
                    self.icmp_error()
                    if not self.items:
                        live.append(self.udp_flow())
                else:
                    live.append(k())
            if live:
                g = r.choice(live)
                try:
                    next(g)
                except StopIteration:
                    live.remove(g)
        ifaces, lines = office()
        sysctl = {}
        if self.chance(0.25 if self.profile != "path" else 0.7):
            for i in ifaces[1:]:
                i.mtu = r.choice((1500, 1400, 1280, 600 if not self.v6_share else 1300))
            small = {i.name for i in ifaces if i.mtu < 1280}
            lines = [x for x in lines if not (":" in x.split(" lladdr")[0] and any(x.endswith(n) or (n + " ") in x for n in small))
                     and not ("fd00:1::fe" in x and "eth1" in small)]
        if self.chance(0.2 if self.profile != "path" else 0.5):
            for i in ifaces:
                if self.chance(0.4):
                    sysctl["net.ipv4.conf.%s.rp_filter" % i.name] = r.choice((1, 2))
        for key, values, p in (("net.netfilter.nf_conntrack_tcp_loose", (0,), 0.1), ("net.netfilter.nf_conntrack_tcp_be_liberal", (1,), 0.1),
                               ("net.netfilter.nf_conntrack_checksum", (0,), 0.05), ("net.netfilter.nf_conntrack_acct", (1,), 0.3),
                               ("net.ipv4.icmp_errors_use_inbound_ifaddr", (1,), 0.05), ("net.ipv4.ip_forward_use_pmtu", (1,), 0.05),
                               ("net.ipv4.conf.all.route_localnet", (1,), 0.05), ("net.ipv4.conf.all.accept_local", (1,), 0.05),
                               ("net.ipv4.conf.all.send_redirects", (0,), 0.3), ("net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", (1,), 0.05)):
            if self.chance(p):
                sysctl[key] = r.choice(values)
        net = []
        if self.chance(0.15 if self.profile != "path" else 0.5):
            net += r.sample(["route add blackhole 198.51.100.0/24", "route add unreachable 203.0.113.0/24", "route add prohibit 203.0.113.0/25",
                             "route add 198.51.100.7/32 via 10.2.0.254 dev eth2", "route add throw 198.51.100.0/25", "route add unreachable 2001:db8:9::/48",
                             "route add blackhole 2001:db8:7::/48", "route add 203.0.113.0/24 via 10.2.0.254 mtu 1000"], r.randrange(1, 3))
        if self.chance(0.1 if self.profile != "path" else 0.4):
            net += ["route add default via 10.2.0.254 table 100", r.choice(("rule add fwmark 0x1 table 100", "rule add from 10.0.0.3 table 100", "rule add iif eth0 to 198.51.100.0/24 table 100",
                                                                            "rule add fwmark 0x2/0xf prohibit", "rule add from 10.0.0.4 blackhole"))]
        if self.chance(0.1):
            net += ["-6 route add default via fd00:2::fe table 100", r.choice(("-6 rule add fwmark 0x1 table 100", "-6 rule add from fd00::3 table 100"))]
        v4 = self.rules(4) if self.v6_share < 1 or self.chance(0.2) else ""
        v6 = self.rules(6) if self.v6_share > 0 else ""
        # TEE of a group's packets on their way in circles in the kernel for ever: a storm, not a case.
        if any(not callable(i.data) and i.data and b"\xff\x02" in i.data[:54] or not callable(i.data) and b"\xe0\0\0\1" in i.data[:34] for i in self.items):
            v4, v6 = ("\n".join(x for x in t.split("\n") if "-j TEE" not in x) for t in (v4, v6))
        covers = {w for w in (v4 + v6).replace("\n", " ").split(" ") if w.isalnum()} & COVER_WORDS
        return Case(name, self.items, v4=v4, v6=v6, topology=(ifaces, lines), sysctl=sysctl, net=net, conntrack=r.choice(("on", "auto")),
                    masks={"nat-port"}, covers=covers)


COVER_WORDS = set("""tcp udp icmp icmp6 state conntrack multiport comment limit mark connmark iprange length ttl hl addrtype mac dscp tos
ACCEPT DROP RETURN REJECT LOG NFLOG MARK CONNMARK SNAT DNAT MASQUERADE REDIRECT NETMAP NOTRACK CT TTL HL TCPMSS DSCP TOS
raw mangle nat filter security""".split())


def generate(seed, profile=None):
    """A profile is one of PROFILES, or gen_NAME.py beside this file with case(seed) in it."""
    if profile and profile not in PROFILES:
        return importlib.import_module("gen_" + profile.replace("-", "_")).case(seed)
    return Gen(seed, profile).case("seed-%d%s" % (seed, "/" + profile if profile else ""))
