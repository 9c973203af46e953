"""An encoder of H.225.0 and H.245 messages in aligned PER, written from their ASN.1 and from nobody's decoder.

A value is a dict of members (a sequence), a list, (name, value) (a choice), a number or bytes; what is not given and may
not be missing gets a plain value, or with a random source whatever it draws: encode(SETUP..., {"h245Address": ip(...)}).
"""
import ipaddress
import random
import struct


class Out:
    def __init__(self, r=None, places=()):
        self.value, self.count, self.r, self.places, self.depth = 0, 0, r, places, 0

    def bits(self, value, count):
        self.value = self.value << count | (value & ((1 << count) - 1))
        self.count += count

    def align(self):
        self.bits(0, -self.count % 8)

    def octets(self, data):
        self.align()
        self.bits(int.from_bytes(data, "big"), 8 * len(data))

    def length(self, n):
        self.align()
        if n < 128:
            self.bits(n, 8)
        else:
            self.bits(0x8000 | n, 16)

    def envelope(self, kind, value):
        inner = Out(self.r, self.places)
        inner.depth = self.depth
        kind.put(inner, value)
        data = inner.done() or b"\0"
        self.length(len(data))
        self.octets(data)

    def done(self):
        self.align()
        return self.value.to_bytes(self.count // 8, "big")

    def draw(self, n, plain=0):
        """A number below n."""
        return self.r.randrange(n) if self.r else plain

    def chance(self, p):
        return self.r is not None and self.r.random() < p / (1 + self.depth / 4)


class Null:
    def put(self, out, v):
        pass


class Bool:
    def put(self, out, v):
        out.bits(out.draw(2) if v is None else v, 1)


class Bits:
    """A number in a field of bits, when its range is less than 256."""

    def __init__(self, count, low=0):
        self.count, self.low = count, low

    def put(self, out, v):
        out.bits(out.draw(1 << self.count) if v is None else v - self.low, self.count)


class Whole:
    """A number in one or two whole bytes."""

    def __init__(self, size, low=0):
        self.size, self.low = size, low

    def put(self, out, v):
        out.octets((out.draw(1 << 8 * self.size) if v is None else v - self.low).to_bytes(self.size, "big"))


class Long:
    """A number up to 2^32: two bits say how many bytes."""

    def __init__(self, low=0):
        self.low = low

    def put(self, out, v):
        v = out.draw(1 << 8 * (1 + out.draw(4))) if v is None else v - self.low
        size = max(1, (v.bit_length() + 7) // 8)
        out.bits(size - 1, 2)
        out.octets(v.to_bytes(size, "big"))


class Oid:
    def put(self, out, v):
        v = v or (b"\0\x08\x91\x4a\0\4" if out.draw(4) == 0 else bytes(out.draw(128) for _ in range(1 + out.draw(9))))
        out.octets(bytes([len(v)]) + v)


class Octets:
    def __init__(self, size):
        self.size = size

    def put(self, out, v):
        v = v or bytes(out.draw(256) for _ in range(self.size))
        if self.size > 2:
            out.align()
        out.bits(int.from_bytes(v, "big"), 8 * len(v))


class Text:
    """@bits of length; 0: a whole byte. Characters of @unit bits."""

    def __init__(self, bits, low, unit):
        self.width, self.low, self.unit = bits, low, unit

    def put(self, out, v):
        n = self.low + out.draw(min(6, 1 << (self.width or 8)), 2) if v is None else len(v)
        if self.width:
            out.bits(n - self.low, self.width)
        else:
            out.octets(bytes([n - self.low]))
        out.align()
        for i in range(n):
            out.bits(ord(v[i]) if v else out.draw(1 << min(self.unit, 7), 5), self.unit)


class Data:
    def put(self, out, v):
        v = bytes(out.draw(256) for _ in range(out.draw(1 + out.draw(150), 3))) if v is None else v
        out.length(len(v))
        out.octets(v)


class BitData:
    def __init__(self, short=False):
        self.short = short

    def put(self, out, v):
        n = out.draw(70, 9)
        if self.short:
            out.octets(struct.pack("!H", n))
        else:
            out.length(n)
        out.bits(out.draw(1 << n), n)


class Free:
    def put(self, out, v):
        n = 1 + out.draw(4)
        out.length(n)
        out.octets(bytes(out.draw(256) for _ in range(n)))


class Opaque:
    """A member that nobody looks into."""

    def put(self, out, v):
        out.octets(v or bytes(out.draw(256) for _ in range(1 + out.draw(5))))


class List:
    def __init__(self, kind, envelope=False):
        self.kind, self.envelope = kind, envelope

    def put(self, out, v):
        if v is None:
            v = [None] * (out.draw(4) if out.depth < 6 else 0)
        out.length(len(v))
        out.depth += 1
        for item in v:
            if self.envelope:
                out.envelope(self.kind, item)
            else:
                self.kind.put(out, item)
        out.depth -= 1


class Seq:
    """Members are (name, type), optional ones (name, type, True). @more: additions, None when it cannot have any."""

    def __init__(self, members, more=None):
        self.members, self.more = members, more

    def put(self, out, v):
        v = v or {}
        out.depth += 1
        added = {}
        for i, (name, kind) in enumerate(self.more or ()):
            if name in v or out.chance(0.15):
                added[i] = (kind, v.get(name))
        if self.more is not None:
            out.bits(1 if added else 0, 1)
        there = {m[0] for m in self.members if len(m) == 2 or m[0] in v or out.chance(0.3)}
        for m in self.members:
            if len(m) == 3:
                out.bits(m[0] in there, 1)
        for m in self.members:
            if m[0] in there:
                m[1].put(out, v.get(m[0]))
        if added:
            n = max(added) + 1 + (out.draw(5) if out.chance(0.3) else 0)
            out.bits(n - 1, 7)
            for i in range(n):
                out.bits(i in added, 1)
            out.align()
            for i in sorted(added):
                out.envelope(*added[i])
        out.depth -= 1


class Choice:
    """@root: (name, type) of @bits; @more: additions, None when it cannot have any."""

    def __init__(self, bits, root, more=None):
        self.width, self.root, self.more = bits, root, more

    def put(self, out, v):
        names = [n for n, _ in self.root] + [n for n, _ in self.more or ()]
        if v is None:
            v = (out.r.choice(names) if out.r else names[0], None)
        i = names.index(v[0])
        out.depth += 1
        if self.more is not None:
            out.bits(i >= len(self.root), 1)
        if i < len(self.root):
            out.bits(i, self.width)
            self.root[i][1].put(out, v[1])
        else:
            out.bits(i - len(self.root), 7)
            out.envelope(self.more[i - len(self.root)][1], v[1])
        out.depth -= 1


class Place:
    """An address; drawn from the places that the dialog is about."""

    def __init__(self, kind):
        self.kind = kind

    def put(self, out, v):
        if v is None and out.r and out.places and out.r.random() < 0.8:
            v = out.r.choice(out.places)
        if isinstance(v, tuple) and isinstance(v[1], int):
            v = self.kind.named(v)
        self.kind.put(out, v)


class Transport(Choice):
    def named(self, place):
        ip = ipaddress.ip_address(place[0])
        return ("ip4" if ip.version == 4 else "ip6", {"ip": ip.packed, "port": place[1]})


class H245Transport(Choice):
    def named(self, place):
        ip = ipaddress.ip_address(place[0])
        return ("unicast", ("ip4" if ip.version == 4 else "ip6", {"ip": ip.packed, "port": place[1]}))


def nothings(*names):
    return [(n, Null()) for n in names]


def flags(n):
    return [("flag%d" % i, Bool()) for i in range(n)]


def opaque(*names):
    return [(n, Opaque()) for n in names]


B, W, OID, DATA = Whole(1), Whole(2), Oid(), Data()
BMP128, DIGITS = Text(7, 1, 16), Text(7, 1, 4)

# --- H.225.0 ---
NON_STANDARD = Seq([("id", Choice(1, [("object", OID), ("h221", Seq([("country", B), ("extension", B), ("maker", W)], []))], [])),
                    ("data", DATA)])
TRANSPORT = Place(Transport(3, [
    ("ip4", Seq([("ip", Octets(4)), ("port", W)])),
    ("sourceRoute", Seq([("ip", Octets(4)), ("port", W), ("route", List(Octets(4))), ("routing", Choice(1, nothings("strict", "loose"), []))], [])),
    ("ipx", Seq([("node", Octets(6)), ("net", Octets(4)), ("port", Octets(2))])),
    ("ip6", Seq([("ip", Octets(16)), ("port", W)], [])),
    ("netBios", Octets(16)), ("nsap", Text(5, 1, 8)), ("nonStandard", NON_STANDARD)], []))
ALIAS = Choice(1, [("digits", DIGITS), ("h323id", Text(0, 1, 16))], opaque("url", "transport", "email", "number", "mobile"))
ALIASES = List(ALIAS)
VENDOR = Seq([("vendor", Seq([("country", B), ("extension", B), ("maker", W)], [])), ("product", Text(0, 1, 8), True),
              ("version", Text(0, 1, 8), True)], [])
NS = ("nonStandard", NON_STANDARD, True)
CAPS = Seq([NS], opaque("rates", "prefixes"))
ENDPOINT = Seq([NS, ("vendor", VENDOR, True), ("gatekeeper", Seq([NS], []), True),
                ("gateway", Seq([("protocol", List(Choice(4, [("ns", NON_STANDARD)] + [(n, CAPS) for n in "abcdefgh"],
                                                          opaque("y", "z"))), True), NS], []), True),
                ("mcu", Seq([NS], opaque("protocol")), True), ("terminal", Seq([NS], []), True), ("mc", Bool()),
                ("undefined", Bool())], opaque("set", "tunnelled"))
CALL_TYPE = Choice(2, nothings("p2p", "1n", "n1", "nn"), [])
SERVICES = Seq(flags(7) + [("q954", Seq(flags(2), []))], [])
GUID = Octets(16)

# --- H.245 ---
NON_STANDARD_245 = Seq([("id", Choice(1, [("object", OID), ("h221", Seq([("country", B), ("extension", B), ("maker", W)]))])), ("data", DATA)])
NS245 = ("nonStandard", NON_STANDARD_245)
UNICAST = Choice(3, [("ip4", Seq([("ip", Octets(4)), ("port", W)], [])),
                     ("ipx", Seq([("node", Octets(6)), ("net", Octets(4)), ("port", Octets(2))], [])),
                     ("ip6", Seq([("ip", Octets(16)), ("port", W)], [])), ("netBios", Octets(16)),
                     ("sourceRoute", Seq([("routing", Choice(1, nothings("strict", "loose"))), ("ip", Octets(4)), ("port", W),
                                          ("route", List(Octets(4)))], []))], opaque("nsap", "nonStandard"))
MULTICAST = Choice(1, [("ip4", Seq([("ip", Octets(4)), ("port", W)], [])), ("ip6", Seq([("ip", Octets(16)), ("port", W)], []))],
                   opaque("nsap", "nonStandard"))
TRANSPORT_245 = Place(H245Transport(1, [("unicast", UNICAST), ("multicast", MULTICAST)], []))
VIDEO = Choice(3, [NS245,
                   ("h261", Seq([("qcif", Bits(2), True), ("cif", Bits(2), True), ("tradeOff", Bool()), ("rate", W), ("still", Bool())],
                                opaque("bad"))),
                   ("h262", Seq(flags(11) + [("rate", Long(), True), ("buffer", Long(), True), ("samples", W, True), ("lines", W, True),
                                             ("frames", Bits(4), True), ("luminance", Long(), True)], opaque("bad"))),
                   ("h263", Seq([("mpi%d" % i, Bits(5), True) for i in range(5)] + [("rate", Long())] + flags(5) +
                                [("hrd", Long(), True), ("bpp", W, True)], opaque("slow1", "slow2", "slow3", "slow4", "slow5"))),
                   ("is11172", Seq([("constrained", Bool()), ("rate", Long(), True), ("buffer", Long(), True), ("samples", W, True),
                                    ("lines", W, True), ("picture", Bits(4), True), ("luminance", Long(), True)], opaque("bad")))],
               opaque("generic"))
AUDIO = Choice(4, [NS245] + [(n, B) for n in ("alaw64", "alaw56", "ulaw64", "ulaw56", "g722-64", "g722-56", "g722-48")] +
               [("g7231", Seq([("frames", B), ("silence", Bool())])), ("g728", B), ("g729", B), ("g729a", B),
                ("is11172", Seq(flags(8) + [("rate", W)], [])), ("is13818", Seq(flags(20) + [("rate", W)], []))],
               [("g729b", B)] + opaque(*("more%d" % i for i in range(7))))
PROTOCOL = Choice(3, [NS245] + nothings("v14", "v42", "hdlc", "h310s", "h310", "transparent"),
                  nothings("sar", "hdlcsar", "v120", "separateLAN") + opaque("v76", "tcp", "udp"))
T84 = Seq([("protocol", PROTOCOL), ("profile", Choice(1, [("all", Null()), ("some", Seq(flags(19), []))]))])
APPLICATION = Choice(4, [NS245, ("t120", PROTOCOL), ("dsmcc", PROTOCOL), ("user", PROTOCOL), ("t84", T84), ("t434", PROTOCOL),
                         ("h224", PROTOCOL), ("nlpid", Seq([("protocol", PROTOCOL), ("data", DATA)])), ("dsvd", Null()),
                         ("h222", PROTOCOL)], opaque("t30", "t140", "t38", "generic"))
DATA_TYPE = Choice(3, [NS245, ("null", Null()), ("video", VIDEO), ("audio", AUDIO),
                       ("data", Seq([("application", APPLICATION), ("rate", Long())], [])),
                       ("encryption", Choice(1, [NS245, ("h233", Null())], []))], opaque("h235", "media", "multiplexed"))
H222 = Seq([("resource", W), ("sub", W), ("pcr", W, True), ("program", DATA, True), ("stream", DATA, True)], [])
H223 = Seq([("layer", Choice(3, [NS245] + nothings("al1", "al1n", "al2", "al2s") + [("al3", Seq([("octets", Bits(2)), ("buffer", Long())]))],
                             opaque("al1m", "al2m", "al3m"))), ("segmentable", Bool())], [])
THREE = Choice(2, nothings("a", "b", "c"), [])
V76 = Seq([("hdlc", Seq([("crc", THREE), ("n401", W), ("loop", Bool())], [])), ("suspend", THREE), ("uih", Bool()),
           ("mode", Choice(1, [("erm", Seq([("window", Bits(7, 1)), ("recovery", THREE)], [])), ("unerm", Null())], [])),
           ("v75", Seq([("audio", Bool())], []))], [])
H2250 = Seq([("nonStandards", List(NON_STANDARD_245), True), ("session", B), ("associated", Bits(8, 1), True), ("media", TRANSPORT_245, True),
             ("guaranteed", Bool(), True), ("control", TRANSPORT_245, True), ("controlGuaranteed", Bool(), True), ("silence", Bool(), True),
             ("destination", Seq([("mcu", B), ("terminal", B)], []), True), ("payloadType", Bits(5, 96), True),
             ("packetization", Choice(0, [("h261a", Null())], opaque("rtp")), True)], opaque("capability", "redundancy", "source"))
H2250_ACK = Seq([("nonStandards", List(NON_STANDARD_245), True), ("session", Bits(8, 1), True), ("media", TRANSPORT_245, True),
                 ("control", TRANSPORT_245, True), ("payloadType", Bits(5, 96), True)], opaque("flow", "port"))
FORWARD = Seq([("port", W, True), ("dataType", DATA_TYPE),
               ("multiplex", Choice(2, [("h222", H222), ("h223", H223), ("v76", V76)], [("h2250", H2250), ("none", Opaque())]))],
              opaque("dependency", "replacement"))
REVERSE = Seq([("dataType", DATA_TYPE), ("multiplex", Choice(1, [("h223", H223), ("v76", V76)], [("h2250", H2250)]), True)],
              opaque("dependency", "replacement"))
NETWORK = Seq([("distribution", Choice(1, nothings("unicast", "multicast"), []), True),
               ("address", Choice(2, [("q2931", Seq([("address", Choice(1, [("number", Text(4, 1, 4)), ("nsap", Text(5, 1, 8))], [])),
                                                     ("sub", Text(5, 1, 8), True)], [])), ("e164", DIGITS), ("lan", TRANSPORT_245)], [])),
               ("associate", Bool()), ("reference", Text(8, 1, 8), True)], opaque("t120setup"))
OLC = Seq([("number", W), ("forward", FORWARD), ("reverse", REVERSE, True)], [("stack", NETWORK), ("encryption", Opaque())])
OLC_ACK = Seq([("number", W),
               ("reverse", Seq([("number", W), ("port", W, True),
                                ("multiplex", Choice(0, [("h222", H222)], [("h2250", H2250)]), True)], opaque("replacement")), True)],
              [("stack", NETWORK), ("forward", Choice(0, [("h2250", H2250_ACK)], [])), ("encryption", Opaque())])


def with_others(bits, count, at, name, kind):
    return Choice(bits, [(name, kind) if i == at else ("other%d" % i, Opaque()) for i in range(count)], opaque("more0", "more1"))


H245 = Choice(2, [("request", with_others(4, 11, 3, "olc", OLC)), ("response", with_others(5, 19, 5, "ack", OLC_ACK)),
                  ("command", Opaque()), ("indication", Opaque())], [])

# --- call signalling ---
FAST = List(OLC, envelope=True)
SETUP = Seq([("protocol", OID), ("h245Address", TRANSPORT, True), ("sourceAddress", ALIASES, True), ("sourceInfo", ENDPOINT),
             ("destinationAddress", ALIASES, True), ("called", TRANSPORT, True), ("extra", ALIASES, True), ("crv", List(W), True),
             ("activeMC", Bool()), ("conference", GUID), ("goal", Choice(2, nothings("create", "join", "invite"), nothings("caps", "service"))),
             ("services", SERVICES, True), ("callType", CALL_TYPE)],
            [("caller", TRANSPORT)] + opaque("remote", "id", "security", "tokens", "crypto") + [("fastStart", FAST)] +
            opaque("wait", "overlap", "endpointId", "multiple"))
SECURITY_MODE = Choice(2, [("ns", NON_STANDARD)] + nothings("none", "default"), [])
CAPABILITY = Seq([NS, ("encryption", SECURITY_MODE), ("authentication", SECURITY_MODE), ("integrity", SECURITY_MODE)], [])
SECURITY = Choice(2, [("ns", NON_STANDARD), ("none", Null()), ("tls", CAPABILITY), ("ipsec", CAPABILITY)], [])
TOKEN = Seq([("oid", OID), ("time", Long(1), True), ("password", BMP128, True),
             ("dh", Seq([(n, BitData(True)) for n in ("half", "mod", "generator")], []), True), ("challenge", Text(7, 8, 8), True),
             ("random", Free(), True), ("certificate", Seq([("type", OID), ("data", DATA)], []), True), ("general", BMP128, True),
             ("ns", Seq([("oid", OID), ("data", DATA)]), True)], opaque("eckas", "sender"))
PARAMS = Seq([("random", Free(), True), ("iv8", Octets(8), True)], opaque("iv16"))
HASHED = Seq([("oid", OID), ("params", PARAMS), ("hash", BitData())])
ENCRYPTED = Seq([("oid", OID), ("params", PARAMS), ("data", DATA)])


class Signed:
    """Linux looks for the length of what is signed without aligning: so only one that is aligned can be told."""

    def put(self, out, v):
        out.envelope(Opaque(), None)
        Seq([("oid", OID), ("params", PARAMS), ("signature", BitData())]).put(out, None)


CRYPTO = Choice(3, [("ep", Seq([("alias", ALIAS), ("time", Long(1)), ("token", HASHED)])),
                    ("gk", Seq([("id", BMP128), ("time", Long(1)), ("token", HASHED)])), ("epEnc", ENCRYPTED), ("gkEnc", ENCRYPTED),
                    ("epCert", Signed()), ("gkCert", Signed()), ("fast", Signed()),
                    ("nested", Choice(2, [("encrypted", Seq([("oid", OID), ("token", ENCRYPTED)])), ("signed", Seq([("oid", OID), ("token", Signed())])),
                                          ("hashed", Seq([("oid", OID), ("values", TOKEN), ("token", HASHED)])), ("pwd", ENCRYPTED)], []))], [])
LATER = opaque("id", "mode", "tokens", "crypto") + [("fastStart", FAST)]
CALL_PROCEEDING = Seq([("protocol", OID), ("info", ENDPOINT), ("h245Address", TRANSPORT, True)], LATER + opaque("m1", "m2", "m3", "m4"))
CONNECT = Seq([("protocol", OID), ("h245Address", TRANSPORT, True), ("info", ENDPOINT), ("conference", GUID)], LATER + opaque("m1", "m2", "m3"))
ALERTING = Seq([("protocol", OID), ("info", ENDPOINT), ("h245Address", TRANSPORT, True)], LATER + opaque("m1", "m2", "m3", "m4", "m5"))
INFORMATION = Seq([("protocol", OID)], opaque("id", "tokens", "crypto") + [("fastStart", FAST)])
RELEASE = Seq([("protocol", OID), ("reason", Choice(4, nothings(*"abcdefghijkl"), opaque(*"mnop")), True)], opaque("id", "tokens"))
FACILITY = Seq([("protocol", OID), ("alternative", TRANSPORT, True), ("alias", ALIASES, True), ("conference", GUID, True),
                ("reason", Choice(2, nothings("gatekeeper", "forwarded", "mc", "undefined"), nothings("list", "startH245", "noH245")))],
               opaque("id", "extra", "remote", "tokens", "crypto", "conferences") + [("h245Address", TRANSPORT), ("fastStart", FAST)] +
               opaque("m1", "m2"))
PROGRESS = Seq([("protocol", OID), ("info", ENDPOINT), ("h245Address", TRANSPORT, True), ("id", Seq([("guid", GUID)], [])),
                ("security", SECURITY, True), ("tokens", List(TOKEN), True), ("crypto", List(CRYPTO), True), ("fastStart", FAST, True)],
               opaque("m1", "m2"))
BODY = Choice(3, [("setup", SETUP), ("callProceeding", CALL_PROCEEDING), ("connect", CONNECT), ("alerting", ALERTING),
                  ("information", INFORMATION), ("releaseComplete", RELEASE), ("facility", FACILITY)],
              [("progress", PROGRESS), ("empty", Opaque()), ("status", Opaque()), ("inquiry", Opaque())])
PDU = Seq([("body", BODY), NS], [("supplementary", Opaque()), ("tunneling", Bool()), ("h245", List(H245, envelope=True)), ("control", Opaque())])
USER = Seq([("pdu", PDU), ("data", Opaque(), True)], [])

# --- RAS ---
ID = ("number", W)
PLACES = List(TRANSPORT)
LIFETIME = ("ttl", Long(1))
RAS_KINDS = {
    0: ("GRQ", Seq([ID, ("protocol", OID), NS, ("ras", TRANSPORT), ("endpoint", ENDPOINT), ("gk", BMP128, True), ("services", SERVICES, True),
                    ("alias", ALIASES, True)], opaque("m0", "m1", "m2"))),
    1: ("GCF", Seq([ID, ("protocol", OID), NS, ("gk", BMP128, True), ("ras", TRANSPORT)], opaque("m0", "m1", "m2"))),
    3: ("RRQ", Seq([ID, ("protocol", OID), NS, ("discovered", Bool()), ("signal", PLACES), ("ras", PLACES), ("terminal", ENDPOINT),
                    ("alias", ALIASES, True), ("gk", BMP128, True), ("vendor", VENDOR)],
                   [("alternate", Opaque()), LIFETIME] + opaque("tokens", "m3", "m4"))),
    4: ("RCF", Seq([ID, ("protocol", OID), NS, ("signal", PLACES), ("alias", ALIASES, True), ("gk", BMP128, True), ("endpoint", BMP128)],
                   [("alternate", Opaque()), LIFETIME] + opaque("tokens", "m3"))),
    6: ("URQ", Seq([ID, ("signal", PLACES), ("alias", ALIASES, True), NS, ("endpoint", BMP128, True)], opaque("m0", "m1"))),
    9: ("ARQ", Seq([ID, ("callType", CALL_TYPE), ("model", Choice(1, nothings("direct", "routed"), []), True), ("endpoint", BMP128),
                    ("destination", ALIASES, True), ("called", TRANSPORT, True), ("extra", ALIASES, True), ("source", ALIASES),
                    ("caller", TRANSPORT, True), ("bandwidth", Long()), ("crv", W), NS, ("services", SERVICES, True), ("conference", GUID),
                    ("mc", Bool()), ("answer", Bool())], opaque("m0", "m1"))),
    10: ("ACF", Seq([ID, ("bandwidth", Long()), ("model", Choice(1, nothings("direct", "routed"), [])), ("signal", TRANSPORT),
                     ("irr", W, True), NS], opaque("m0", "m1"))),
    18: ("LRQ", Seq([ID, ("endpoint", BMP128, True), ("destination", ALIASES), NS, ("ras", TRANSPORT)], opaque("m0", "m1"))),
    19: ("LCF", Seq([ID, ("signal", TRANSPORT), ("ras", TRANSPORT), NS], opaque("m0", "m1"))),
    22: ("IRR", Seq([NS, ID, ("endpoint", ENDPOINT), ("endpointId", BMP128), ("ras", TRANSPORT), ("signal", PLACES), ("alias", ALIASES, True),
                     ("calls", Opaque(), True)], opaque("m0", "m1"))),
}
RAS = Choice(5, [RAS_KINDS.get(i, ("other%d" % i, Opaque())) for i in range(24)], opaque("more0", "more1", "more2"))


def encode(kind, value=None, r=None, places=()):
    out = Out(r, places)
    kind.put(out, value)
    return out.done()


def ras(name, r=None, places=(), **members):
    return encode(RAS, (name, members), r, places)


def tpkt(data, length=None):
    return struct.pack("!BBH", 3, 0, len(data) + 4 if length is None else length) + data


def q931(user, kind=5, reference=b"\x12\x34", elements=b"\x04\x03\x88\x93\xa5", discriminator=8):
    """A Q.931 message around the user-user element."""
    return bytes([discriminator, len(reference)]) + reference + bytes([kind]) + elements + \
        b"\x7e" + struct.pack("!H", len(user) + 1) + b"\x05" + user


def call(name, h245=None, r=None, places=(), **members):
    """A TPKT of call signalling; h245: messages that are tunnelled."""
    pdu = {"body": (name, members)}
    if h245 is not None:
        pdu.update(tunneling=1, h245=h245)
    return tpkt(q931(encode(USER, {"pdu": pdu}, r, places)))


def channel(media=None, control=None, reverse=None, number=1, data=("audio", ("g729", 2)), **more):
    """OpenLogicalChannel as a value."""
    params = {"session": 1}
    if media:
        params["media"] = media
    if control:
        params["control"] = control
    value = {"number": number, "forward": {"dataType": data, "multiplex": ("h2250", params)}}
    if reverse:
        value["reverse"] = {"dataType": data, "multiplex": ("h2250", {"session": 1, "control": reverse})}
    value.update(more)
    return value


def t120_channel(place=None):
    value = channel(data=("data", {"application": ("t120", ("separateLAN", None)), "rate": 100}))
    if place:
        value["stack"] = {"address": ("lan", place)}
    return value


def olc(**kw):
    return ("request", ("olc", channel(**kw)))


def ack(media=None, control=None, stack=None, number=1):
    params = {"session": 1}
    if media:
        params["media"] = media
    if control:
        params["control"] = control
    value = {"number": number, "forward": ("h2250", params)}
    if stack:
        value["stack"] = {"address": ("lan", stack)}
    return ("response", ("ack", value))


def h245(value, r=None, places=()):
    return tpkt(encode(H245, value, r, places))
