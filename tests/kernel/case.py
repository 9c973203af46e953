"""One case: a topology, rules, packets and a script; run on the kernel and on weir, everything observable compared."""


class Iface:
    def __init__(self, name, mac, mtu=1500, arp=False, group=0):
        self.name, self.mac, self.mtu, self.arp, self.group = name, mac, mtu, arp, group


# Settings in which both sides start, so that nothing is inherited from the machine.
QUIET = {
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv4.icmp_msgs_per_sec": 100000,
    "net.ipv4.icmp_msgs_burst": 100000,
    "net.ipv6.icmp.ratelimit": 0,
}

MAC = {"eth0": "02:00:00:00:00:01", "eth1": "02:00:00:00:01:01", "eth2": "02:00:00:00:02:01"}


def neigh(iface_no, host):
    return "02:00:00:00:%02x:%02x" % (iface_no, host)


def office():
    """Three networks: eth0 inside 10.0.0.0/24 fd00::/64, eth1 outside 10.1.0.0/24 fd00:1::/64 with the default
    routes to host .254, eth2 servers 10.2.0.0/24 fd00:2::/64. Hosts .2 to .9 and .254 have permanent neighbour entries."""
    ifaces = [Iface(n, m) for n, m in MAC.items()]
    lines = []
    for i in range(3):
        net6 = "fd00::" if i == 0 else "fd00:%d::" % i
        lines += ["addr add 10.%d.0.1/24 brd + dev eth%d" % (i, i), "addr add %s1/64 dev eth%d nodad" % (net6, i)]
        for h in list(range(2, 10)) + [254]:
            lines += ["neigh add 10.%d.0.%d lladdr %s dev eth%d nud permanent" % (i, h, neigh(i, h), i),
                      "neigh add %s%x lladdr %s dev eth%d nud permanent" % (net6, h, neigh(i, h), i)]
    lines += ["route add default via 10.1.0.254", "route add default via fd00:1::fe"]
    return ifaces, lines


class Send:
    """A frame in by iface (bytes are an IP packet unless l2), or sent by the host when iface is None.
    data may be a function of the outputs so far: f(outputs) -> bytes or None; outputs[i] = [(iface, frame), ...] of item i."""

    def __init__(self, iface, data, gap=0.0, l2=False, dst=None, src=None, sock=None):
        self.iface, self.data, self.gap, self.l2, self.dst, self.src = iface, data, gap, l2, dst, src
        self.sock = sock    # the host sends it through the Sock of this name


class Do:
    """A script line: iptables ..., ip6tables ..., conntrack ..., ip ..., sysctl K=V."""

    def __init__(self, command, gap=0.0):
        self.command, self.gap = command, gap


class Sock(Do):
    """A socket of the host: on the kernel a real one, opened by a process with this owner; in weir declared.
    decl is "PROTO ADDR:PORT" ("raw ADDR"); raw=True: the kernel's is a raw socket that sends what decl says."""

    def __init__(self, name, decl, peer=None, uid=0, gid=0, groups=(), mark=0, classid=0, cgroup="", dev="",
                 transparent=False, v6only=False, raw=False, gap=0.0):
        self.name, self.decl, self.peer, self.uid, self.gid, self.groups = name, decl, peer, uid, gid, list(groups)
        self.mark, self.classid, self.cgroup, self.dev = mark, classid, cgroup, dev
        self.transparent, self.v6only, self.raw = transparent, v6only, raw
        words = ["socket add %s %s" % (name, decl), "uid %d gid %d" % (uid, gid)]
        words += ["%s %s" % (k, v) for k, v in (("peer", peer), ("mark", mark), ("classid", classid), ("cgroup", cgroup),
                                                ("dev", dev), ("groups", ",".join(map(str, groups)))) if v]
        words += [k for k, v in (("transparent", transparent), ("v6only", v6only)) if v]
        super().__init__(" ".join(words), gap)


class Close(Do):
    """The Sock of this name is closed."""

    def __init__(self, name, gap=0.0):
        self.name = name
        super().__init__("socket del " + name, gap)


class Case:
    def __init__(self, name, items, v4="", v6="", topology=None, sysctl=None, conntrack="auto", covers=(), masks=(),
                 net=(), note="", host=False, nfct=()):
        self.name, self.items, self.v4, self.v6 = name, items, v4, v6
        self.ifaces, self.net = topology or office()
        self.net = list(self.net) + list(net)
        self.sysctl = dict(QUIET)
        self.sysctl.update(sysctl or {})
        self.nfct = list(nfct)  # nfct command lines, before the rules
        self.host = host    # the kernel's host goes on after LOCAL_IN: for packets that it judges but never answers
        self.conntrack, self.covers, self.masks, self.note = conntrack, covers, set(masks), note

    def frame(self, item, data):
        """The Ethernet frame of a Send item."""
        import packets
        if item.l2 or item.iface is None:
            return data
        index = next((i for i, f in enumerate(self.ifaces) if f.name == item.iface.split(".")[0]), 0)
        dst = item.dst or self.ifaces[index].mac
        src = item.src or neigh(index, 2)
        vlan = int(item.iface.split(".")[1]) if "." in item.iface else None
        return packets.eth(dst, src, data, vlan=vlan)


class Seen:
    """What one side showed. Lists are in order; 'by cause' lists hold (item index, ...)."""

    def __init__(self):
        self.tx = {}        # item -> [(iface, frame)]
        self.local = {}     # item -> [packet]
        self.events = {}    # item -> [line]
        self.log = {}       # item -> [line]
        self.nflog = {}     # item -> [(group, prefix, packet)]
        self.invalid = {}   # item -> [reason]
        self.connections = []
        self.expectations = []
        self.said = {}      # item -> text of `cat FILE` and `nfacct list`
        self.files = {}     # "xt_recent/NAME" -> text
        self.rules = {}     # "4"/"6" -> [line]
        self.refused = None  # (what, text) when the rules or the topology were refused
        self.stamps = []    # ns of each item
        self.datas = []     # frame or packet of each item, None for script lines
        self.end = 0

    def add(self, where, item, value):
        getattr(self, where).setdefault(item, []).append(value)
