"""The files by which state shows itself (/proc/net/xt_recent/NAME and its kin): read from the kernel, read from weir's --out,
compared. Ticks count from different zeros on both sides (mask `ticks`), and order is that of a hash table (`table-order`)."""
import os
import re

TELLING = ("cat ", "nfacct list", "conntrack -L expect", "conntrack -G expect", "conntrack -C", "conntrack -L -o json")    # commands whose words are compared
DIRS = ("xt_recent", "ipt_hashlimit", "ip6t_hashlimit")


def read(net):
    """{"xt_recent/NAME": text} below this directory, the kernel's /proc/net or weir's OUT/proc/net."""
    out = {}
    for d in DIRS:
        path = os.path.join(net, d)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else ():
            try:
                with open(os.path.join(path, name), encoding="latin-1") as f:
                    out["%s/%s" % (d, name)] = f.read()
            except OSError:
                pass
    try:
        with open(os.path.join(net, "stat", "synproxy"), encoding="latin-1") as f:
            lines = f.read().splitlines()
    except OSError:
        lines = []
    sums = [sum(int(x, 16) for x in column) for column in zip(*(line.split() for line in lines[1:]))]   # a line per processor
    if any(sums):
        out["stat/synproxy"] = lines[0] + "\n" + " ".join(map(str, sums))
    return out


def recent_lines(text):
    """[(line without stamps, [stamps])], sorted."""
    out = []
    for line in text.splitlines():
        head, _, tail = line.partition(" last_seen: ")
        numbers = [int(x) for x in re.findall(r"\d+", tail)]
        oldest = numbers[1] if len(numbers) > 1 else 0
        out.append((head, oldest, len(numbers), numbers[:1] + numbers[2:]))
    return sorted(out)


def recent_differ(kernel, weir, shift, slack):
    k, w = recent_lines(kernel), recent_lines(weir)
    if [x[:3] for x in k] != [x[:3] for x in w]:
        return True
    for a, b in zip(k, w):
        shift.update(x - y for x, y in zip(a[3], b[3]))
    return bool(shift) and max(shift) - min(shift) > slack


def hashlimit_differ(kernel, weir):
    """Lines "expires key credit cap cost": a second of the first; the credit may be a few ticks' refill apart."""
    k, w = (sorted((x.split()[1:-3], x.split()) for x in t.splitlines() if x.strip()) for t in (kernel, weir))
    if [(x[0], x[1][-2:]) for x in k] != [(x[0], x[1][-2:]) for x in w]:
        return True
    for (_, a), (_, b) in zip(k, w):
        if abs(int(a[0]) - int(b[0])) > 1:
            return True
        cost, diff = int(a[-1]), abs(int(a[-3]) - int(b[-3]))
        if diff > max(4 * TICK, cost // 50):
            return True
    return False


TICK = 0xFFFFFFFFFFFF // (250 * 60 * 60 * 24)    # what a tick refills, at most


def compare(kernel, weir, slack=2):
    """[(path, kernel's text, weir's text)] of those that differ."""
    out, shift = [], set()
    for path in sorted(set(kernel) | set(weir)):
        k, w = kernel.get(path), weir.get(path)
        if k is None or w is None:
            out.append((path, k, w))
        elif path.startswith("xt_recent/"):
            if recent_differ(k, w, shift, slack):
                out.append((path, k, w))
        elif path.startswith("stat/"):
            if k != w:
                out.append((path, k, w))
        elif hashlimit_differ(k, w):
            out.append((path, k, w))
    return out
