"""The link: ARP and Neighbour Discovery, next hops that answer and that do not, VLAN tags."""
from case import Case, Send, Do, Iface, MAC
from packets import *

M0, M1, HOST, OTHER = MAC["eth0"], MAC["eth1"], "02:00:00:00:00:02", "02:00:00:00:00:22"
ZERO, BCAST = "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"


def asking():
    """Two networks whose neighbours are not known beforehand, and an unknown host beside them."""
    ifaces = [Iface(n, MAC[n], arp=True) for n in ("eth0", "eth1")]
    lines = []
    for i in range(2):
        lines += ["addr add 10.%d.0.1/24 brd + dev eth%d" % (i, i), "addr add fd00:%d::1/64 dev eth%d nodad" % (i, i),
                  "addr add fe80::1/64 dev eth%d nodad" % i]
    return ifaces, lines


def a(op, smac, sip, tmac, tip, dst=BCAST, src=None, gap=0):
    return Send("eth0", eth(dst, src or smac, arp(op, smac, sip, tmac, tip), proto=0x0806), l2=True, gap=gap)


def nd(kind, src, dst, target, flags=0, options=b"", ttl=255, l2=None, gap=0, iface="eth0"):
    packet = icmp(kind, 0, bytes([flags, 0, 0, 0]), addr(target) + options)(ip(src, dst, ttl=ttl))
    group = addr(dst)
    mac = l2 or ("33:33:%02x:%02x:%02x:%02x" % tuple(group[12:]) if group[0] == 0xff else M0)
    return Send(iface, packet, dst=mac, gap=gap)


def lladdr(kind, m):
    return bytes([kind, 1]) + mac(m)


def cases():
    yield Case("arp-answer", [
        a(1, HOST, "10.0.0.2", ZERO, "10.0.0.1"), a(1, HOST, "10.0.0.2", ZERO, "10.1.0.1"), a(1, HOST, "10.0.0.2", ZERO, "10.0.0.9"),
        a(1, HOST, "0.0.0.0", ZERO, "10.0.0.1"), a(1, HOST, "10.0.0.2", ZERO, "127.0.0.1"), a(1, HOST, "10.0.0.2", ZERO, "224.0.0.1"),
        a(1, HOST, "10.0.0.2", ZERO, "10.0.0.255"), a(1, HOST, "10.0.0.1", ZERO, "10.0.0.1"), a(1, HOST, "10.1.0.9", ZERO, "10.0.0.1"),
        a(1, HOST, "192.0.2.9", ZERO, "10.0.0.1"), a(1, HOST, "10.0.0.2", M0, "10.0.0.1", dst=M0), a(3, HOST, "10.0.0.2", ZERO, "10.0.0.1"),
        a(1, HOST, "10.0.0.2", ZERO, "10.0.0.1", dst=OTHER)], topology=asking(), covers=["arp"])
    for mode in (1, 2, 3, 8):
        yield Case("arp-ignore-%d" % mode, [a(1, HOST, s, ZERO, t) for s in ("10.0.0.2", "10.1.0.7") for t in ("10.0.0.1", "10.1.0.1")],
                   topology=asking(), sysctl={"net.ipv4.conf.all.arp_ignore": mode}, covers=["arp"])
    yield Case("arp-filter", [a(1, HOST, s, ZERO, "10.0.0.1") for s in ("10.0.0.2", "10.1.0.7")], topology=asking(),
               sysctl={"net.ipv4.conf.all.arp_filter": 1}, covers=["arp"])
    yield Case("arp-proxy", [a(1, HOST, "10.0.0.2", ZERO, t) for t in ("10.1.0.9", "10.0.0.9", "192.0.2.1")] + [
        a(1, HOST, "10.0.0.2", ZERO, "10.1.0.9", dst=M0), Send("eth0", udp(5, 6)(ip("10.0.0.2", "10.0.0.1")), gap=1)], topology=asking(),
               sysctl={"net.ipv4.conf.eth0.proxy_arp": 1}, covers=["arp"])
    yield Case("arp-ask", [
        Send("eth1", udp(5, 6)(ip("10.1.0.2", "10.0.0.2")), src="02:00:00:00:01:02"), Send("eth1", udp(5, 6)(ip("10.1.0.2", "10.0.0.2")), src="02:00:00:00:01:02"),
        a(2, HOST, "10.0.0.2", M0, "10.0.0.1", dst=M0), Send("eth1", udp(7, 6)(ip("10.1.0.2", "10.0.0.2"))),
        Send(None, udp(7, 6)(ip("10.0.0.1", "10.0.0.3")))], topology=asking(), covers=["arp"])
    yield Case("arp-silence", [Send("eth1", udp(5, 6)(ip("10.1.0.2", "10.0.0.2"))), a(1, "02:00:00:00:01:02", "10.1.0.2", ZERO, "10.1.0.1"),
                               Send("eth1", eth(BCAST, "02:00:00:00:01:02", arp(1, "02:00:00:00:01:02", "10.1.0.2", ZERO, "10.1.0.1"), proto=0x0806), l2=True),
                               Send("eth1", eth(BCAST, "02:00:00:00:01:02", arp(1, "02:00:00:00:01:02", "10.1.0.9", ZERO, "10.1.0.1"), proto=0x0806), l2=True, gap=3.6)],
               topology=asking(), covers=["arp"])
    yield Case("arp-learn", [
        a(1, HOST, "10.0.0.2", ZERO, "10.0.0.1"), Send(None, udp(7, 6)(ip("10.0.0.1", "10.0.0.2"))),
        a(2, OTHER, "10.0.0.2", M0, "10.0.0.1", dst=M0), Send(None, udp(7, 6)(ip("10.0.0.1", "10.0.0.2"))),
        a(1, OTHER, "10.0.0.2", OTHER, "10.0.0.2"), Send(None, udp(7, 6)(ip("10.0.0.1", "10.0.0.2"))),
        a(1, HOST, "10.0.0.2", ZERO, "10.0.0.2", gap=1.2), Send(None, udp(7, 6)(ip("10.0.0.1", "10.0.0.2")))], topology=asking(), covers=["arp"])
    yield Case("nd-answer", [
        nd(135, "fd00:0::2", "ff02::1:ff00:1", "fd00:0::1", options=lladdr(1, HOST)), nd(135, "fd00:0::2", "fd00:0::1", "fd00:0::1", options=lladdr(1, HOST)),
        nd(135, "fd00:0::2", "fd00:0::1", "fd00:0::1"), nd(135, "::", "ff02::1:ff00:1", "fd00:0::1"), nd(135, "::", "ff02::1:ff00:1", "fd00:0::1", options=lladdr(1, HOST)),
        nd(135, "fd00:0::2", "ff02::1:ff00:1", "fd00:1::1", options=lladdr(1, HOST)), nd(135, "fd00:0::2", "ff02::1:ff00:1", "fd00:0::9", options=lladdr(1, HOST)),
        nd(135, "fd00:0::2", "ff02::1:ff00:1", "fd00:0::1", options=lladdr(1, HOST), ttl=254), nd(135, "fd00:0::2", "ff02::1:ff00:1", "fd00:0::1", options=b"\x01\x00"),
        nd(135, "fe80::9", "ff02::1:ff00:1", "fe80::1", options=lladdr(1, HOST)),
        nd(135, "fd00:0::2", "ff02::1:ff00:0", "fd00:0::", options=lladdr(1, HOST)), nd(135, "fd00:0::2", "fd00:0::", "fd00:0::", options=lladdr(1, HOST), gap=1),
        nd(135, "fd00:1::7", "ff02::1:ff00:1", "fd00:0::1", options=lladdr(1, HOST))], topology=asking(), covers=["nd"])
    yield Case("nd-ask", [
        Send("eth1", udp(5, 6)(ip("fd00:1::2", "fd00:0::2"))), Send("eth1", udp(5, 6)(ip("fd00:1::2", "fd00:0::2"))),
        nd(136, "fd00:0::2", "fe80::1", "fd00:0::2", flags=0x60, options=lladdr(2, HOST)), Send("eth1", udp(7, 6)(ip("fd00:1::2", "fd00:0::2"))),
        Send(None, udp(7, 6)(ip("fd00:0::1", "fd00:0::3")))], topology=asking(), covers=["nd"])
    yield Case("nd-silence", [Send("eth1", udp(5, 6)(ip("fd00:1::2", "fd00:0::2"))),
                              nd(135, "fd00:1::2", "ff02::1:ff00:1", "fd00:1::1", options=lladdr(1, "02:00:00:00:01:02"), iface="eth1"),
                              nd(135, "fd00:1::9", "ff02::1:ff00:1", "fd00:1::1", options=lladdr(1, "02:00:00:00:01:09"), iface="eth1", gap=3.6)],
               topology=asking(), covers=["nd"])
