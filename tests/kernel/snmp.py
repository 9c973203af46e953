"""SNMP messages in BER, of our own making."""
from packets import addr

GET, NEXT, RESPONSE, SET, TRAP1, BULK, INFORM, TRAP2, REPORT = range(9)
OID = bytes([6, 8, 0x2b, 6, 1, 2, 1, 4, 20, 1])


def ber(tag, body, form=0):
    """form: 0 the shortest length, 1 or 2 bytes of length, "open" ended by zeros."""
    n = len(body)
    if form == "open":
        return bytes([tag, 0x80]) + body + b"\0\0"
    if form == 2 or n > 255:
        return bytes([tag, 0x82, n >> 8, n & 255]) + body
    if (form == 1 and n < 256) or (not form and n > 127):
        return bytes([tag, 0x81, n]) + body
    return bytes([tag, n]) + body


def integer(n, tag=2):
    return ber(tag, n.to_bytes(max(1, (n.bit_length() + 8) // 8), "big"))


def address(text):
    return ber(0x40, addr(text))


def bind(value, oid=OID, form=0):
    return ber(0x30, oid + value, form)


def pdu(kind, binds, ident=77, forms=(0, 0), tag=0xa0):
    return ber(tag | kind, integer(ident) + integer(0) + integer(0) + ber(0x30, b"".join(binds), forms[0]), forms[1])


def message(body, version=1, community=b"public", form=0, tag=0x30):
    return ber(tag, integer(version) + ber(4, community) + body, form)


def trap1(agent):
    return ber(0xa4, OID + address(agent) + integer(6) + integer(1) + integer(99, 0x43) + ber(0x30, bind(integer(1))))
