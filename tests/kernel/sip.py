"""SIP messages and dialogs of our own making, over UDP and TCP, through a gateway that may translate.

An end answers what it was shown: responses copy the headers of the request as it arrived there, whatever NAT made of it."""
import glob
import json
import os
import struct

from case import Send
from packets import ip, tcp, udp

BASE = {"c": 1000, "s": 5000}     # first sequence numbers


def host(address):
    return "[%s]" % address if ":" in address else address


def sdp(address, media=(("audio", 5004),), session=True, owner=True, own=None, tail="", eol="\r\n"):
    """own: {index: address} of streams with a c= line of their own."""
    v = "IN IP6" if ":" in address else "IN IP4"
    lines = ["v=0"] + (["o=user 53655765 2353687637 %s %s" % (v, address)] if owner else []) + ["s=-"] \
        + (["c=%s %s" % (v, address)] if session else []) + ["t=0 0"]
    for i, (kind, port) in enumerate(media):
        lines.append("m=%s %s RTP/AVP 0" % (kind, port))
        if own and i in own:
            lines.append("c=%s %s" % (v, own[i]))
        lines.append("a=rtpmap:0 PCMU/8000")
    return (eol.join(lines) + eol + tail).encode()


def message(first, headers, body=b"", length=True, eol="\r\n"):
    head = [first] + ["%s: %s" % h for h in headers]
    if body:
        head.append("Content-Type: application/sdp")
    if length:
        head.append("Content-Length: %d" % len(body))
    return (eol.join(head) + eol + eol).encode() + body


def request(method, me, peer, body=b"", proto="UDP", cseq=1, call="1-7@%s", contact=True, via="", extra=(), uri=None, user="alice",
            peer_user="service", length=True, names=None, eol="\r\n", params="", to_tag=""):
    """me and peer are (address, port) as the sender knows them."""
    n = {"v": "Via", "f": "From", "t": "To", "m": "Contact", "i": "Call-ID"}
    n.update(names or {})
    mine, theirs = "%s:%d" % (host(me[0]), me[1]), "%s:%d" % (host(peer[0]), peer[1])
    headers = [(n["v"], "SIP/2.0/%s %s;branch=z9hG4bK-%d%s" % (proto, mine, cseq, via)),
               (n["f"], "<sip:%s@%s>;tag=1c%d" % (user, mine, cseq)), (n["t"], "<sip:%s@%s>%s" % (peer_user, theirs, to_tag)),
               (n["i"], call % host(me[0]) if "%" in call else call), ("CSeq", "%d %s" % (cseq, method))]
    if contact:
        headers.append((n["m"], contact if isinstance(contact, str) else "<sip:%s@%s>%s" % (user, mine, params)))
    headers += [("Max-Forwards", "70")] + list(extra)
    return message("%s %s SIP/2.0" % (method, uri or "sip:%s@%s" % (peer_user, theirs)), headers, body, length, eol)


COPIED = ("via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "record-route")


def response(code, to, me=None, body=b"", contact=True, extra=(), tag=";tag=9", via="", user="service", cseq=None, length=True, params=""):
    """A function of the request as it was shown to the answering end."""
    def make(seen):
        if not seen:
            return None
        headers = []
        for line in seen.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            low, value = name.strip().lower(), value.strip()
            if low not in COPIED:
                continue
            if low in ("via", "v"):
                value += via
            if low in ("to", "t") and "tag=" not in value:
                value += tag
            if low == "cseq" and cseq:
                value = cseq
            headers.append((name, value))
        if contact and me:
            headers.append(("Contact", contact if isinstance(contact, str) else "<sip:%s@%s:%d>%s" % (user, host(me[0]), me[1], params)))
        return message("SIP/2.0 %d X" % code, headers + list(extra), body, length)
    make.to = to
    return make


def header(src, dst, number):
    """An IP header whose id says which packet it is: what is built again must be the same."""
    return ip(src, dst) if ":" in src else ip(src, dst, ident=0x4000 + number)


def seen_on(outputs, iface, proto):
    """[(sport, dport, seq, flags, payload)] of what left by an interface, oldest first."""
    out = []
    for i in sorted(outputs):
        for name, frame in outputs[i]:
            if name != iface:
                continue
            p = frame[14:]
            at, number = (40, p[6]) if p[0] >> 4 == 6 else ((p[0] & 15) * 4, p[9])
            if number != proto or len(p) < at + (20 if proto == 6 else 8):
                continue
            sport, dport, seq = struct.unpack_from("!HHI", p, at)
            if proto == 6:
                out.append((sport, dport, seq, p[at + 13], p[at + (p[at + 12] >> 4) * 4:]))
            else:
                out.append((sport, dport, 0, 0, p[at + 8:]))
    return out


class Net:
    """A client and a server on two sides of the gateway. near: the server as the client knows it; far: the client as the server
    knows it."""

    def __init__(self, c=("10.0.0.2", 5060), s=("10.1.0.2", 5060), near=None, far=None, proto="UDP", inside="eth0", outside="eth1"):
        self.c, self.s, self.near, self.far = c, s, near or s, far or c
        self.proto, self.inside, self.outside = proto, inside, outside
        self.sent = {"c": {}, "s": {}}      # TCP: item -> bytes
        self.items = []
        if proto == "TCP":
            self.tcp("c", b"", "S", -1, 0).tcp("s", b"", "SA", -1).tcp("c", b"", "A")

    def ends(self, side):
        if side == "c":
            return self.inside, self.c, self.near
        return self.outside, self.s, self.far

    def tcp(self, side, data, flags="PA", shift=0, ack=None, again=False):
        iface, src, dst = self.ends(side)
        number = len(self.items)

        def build(outputs):
            shown = seen_on(outputs, iface, 6)
            payload = data([x[4] for x in shown if x[4]][-1] if any(x[4] for x in shown) else b"") if callable(data) else data
            if payload is None:
                return None
            seq = BASE[side] + sum(n for i, n in self.sent[side].items() if i < number) + shift
            if not again:
                self.sent[side][number] = len(payload)
            a = ack
            if a is None:
                a = max([x[2] + len(x[4]) + (x[3] >> 1 & 1) + (x[3] & 1) for x in shown] or [0])
            return tcp(src[1], dst[1], flags, seq, a, data=payload)(header(src[0], dst[0], number))
        self.items.append(Send(iface, build))
        return self

    def say(self, side, data, **kw):
        if self.proto == "TCP":
            return self.tcp(side, data, **kw)
        iface, src, dst = self.ends(side)
        number = len(self.items)
        if callable(data):
            def build(outputs):
                shown = seen_on(outputs, iface, 17)
                shown = [x[4] for x in shown if x[1] == src[1] or len(x[4]) > 40]
                payload = data(shown[-1] if shown else b"")
                return None if payload is None else udp(src[1], dst[1], payload)(header(src[0], dst[0], number))
            self.items.append(Send(iface, build))
        else:
            self.items.append(Send(iface, udp(src[1], dst[1], data)(ip(src[0], dst[0]))))
        return self

    def up(self, data, **kw):
        return self.say("c", data, **kw)

    def down(self, data, **kw):
        return self.say("s", data, **kw)

    def add(self, *items):
        self.items += items
        return self

    # --- whole steps ---
    def invite(self, body=None, method="INVITE", **kw):
        body = sdp(self.c[0]) if body is None else body
        return self.up(request(method, self.c, self.near, body, self.proto, **kw))

    def answer(self, code=200, body=b"", **kw):
        return self.down(response(code, None, self.s, body, **kw))

    def call(self, body=None, back=None, **kw):
        return self.invite(body, **kw).answer(100).answer(180).answer(200, sdp(self.s[0], (("audio", 6000),)) if back is None else back) \
            .invite(b"", "ACK", contact=False, **kw)

    def register(self, expires=("Expires", "3600"), **kw):
        extra = [expires] if expires else []
        return self.up(request("REGISTER", self.c, self.near, b"", self.proto, extra=extra, user="alice", peer_user="alice", **kw))

    def registered(self, code=200, contact=None, expires=("Expires", "3600"), **kw):
        """The registrar says back who is where, as it knows it."""
        contact = contact or "<sip:alice@%s:%d>" % (host(self.far[0]), self.far[1])
        return self.answer(code, contact=contact, extra=[expires] if expires else [], **kw)


def rtp(iface, src, sport, dst, dport, data=b"\x80\x00rtp"):
    return Send(iface, udp(sport, dport, data)(ip(src, dst)))


def kept():
    """{name: [(side, text)]}: dialogs that sipp and sipsak have spoken, recorded between them; {C} {S} are the ends' addresses, with a
    colon inside the braces their ports, too."""
    found = sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sip_dialogs", "*.json")))
    return {os.path.basename(p)[:-5]: json.load(open(p)) for p in found}


def placed(text, c, s):
    for name, (address, port) in (("C", c), ("S", s)):
        text = text.replace("{%s}" % name, address).replace("{%s:}" % name, "%s:%d" % (host(address), port))
    return text.encode("latin-1")
