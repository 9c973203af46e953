"""Bending payloads and dialogs, for generators of helper traffic: what is drawn is cut, repeated, reordered, mutated, split."""
import struct


def payload(r, data, depth=1):
    """@data with a few bytes changed."""
    data = bytearray(data)
    for _ in range(r.randint(1, depth)):
        kind = r.randrange(8)
        at = r.randrange(len(data)) if data else 0
        if kind == 0:
            del data[at:]
        elif kind == 1 and data:
            data[at] ^= 1 << r.randrange(8)
        elif kind == 2 and data:
            data[at] = r.choice((0, 1, 2, 0x7f, 0x80, 0xff, r.randrange(256)))
        elif kind == 3:
            del data[at:at + r.randint(1, 8)]
        elif kind == 4:
            data[at:at] = bytes(r.choice((0, 0xff, r.randrange(256))) for _ in range(r.randint(1, 8)))
        elif kind == 5:
            end = at + r.randint(1, 40)
            data[at:at] = data[at:end]
        elif kind == 6 and len(data) >= 2:
            at = r.randrange(len(data) - 1)
            value = struct.unpack_from("!H", data, at)[0]
            struct.pack_into("!H", data, at, (value + r.choice((1, -1, 2, 256, -256))) & 0xffff)
        elif kind == 7:
            data += bytes(r.randrange(256) for _ in range(r.randint(1, 30)))
    return bytes(data)


def dialog(r, steps):
    """@steps in another order: some left out, repeated, swapped."""
    steps = list(steps)
    for _ in range(r.choice((0, 0, 0, 1, 1, 2, 4))):
        if not steps:
            break
        at, kind = r.randrange(len(steps)), r.randrange(3)
        if kind == 0:
            del steps[at]
        elif kind == 1:
            steps.insert(r.randint(at, len(steps)), steps[at])
        else:
            other = r.randrange(len(steps))
            steps[at], steps[other] = steps[other], steps[at]
    return steps


def split(r, data):
    """@data in one to three pieces."""
    cuts = sorted(r.randrange(1, len(data)) for _ in range(r.choice((0, 0, 0, 0, 0, 0, 1, 2)))) if len(data) > 1 else []
    return [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]
