"""How often errors are sent: a bucket for each receiver, in the kernel's ticks (gaps keep clear of their edges)."""
from case import Case, Send, Do
from packets import *

A, B, A6, B6 = "10.0.0.2", "10.1.0.2", "fd00::2", "fd00:1::2"
LIMITED = {"net.ipv4.icmp_ratemask": 6168, "net.ipv4.icmp_ratelimit": 1000, "net.ipv6.icmp.ratelimit": 100}


def many(count, packet, gap=0.0, first=0.0):
    return [Send("eth0", packet, gap=gap if i else first) for i in range(count)]


def cases():
    ttl4, ttl6 = udp(5, 6)(ip(A, B, ttl=1)), udp(5, 6)(ip(A6, B6, ttl=1))
    none4, none6 = udp(5, 6)(ip(A, "192.0.2.1")), udp(5, 6)(ip(A6, "2001:db8::1"))
    big = udp(5, 6, b"x" * 1000)(ip(A, B, df=True))
    quiet = dict(covers=["icmp-limit"])
    yield Case("ttl4", many(9, ttl4) + many(2, ttl4, first=1.1) + many(2, udp(5, 6)(ip("10.0.0.3", B, ttl=1))), sysctl=LIMITED, **quiet)
    yield Case("ttl6", many(9, ttl6) + many(2, ttl6, first=0.13) + many(4, ttl6, gap=0.13), sysctl=LIMITED, **quiet)
    yield Case("unreachable4", many(9, none4) + many(2, none4, first=1.1), sysctl=LIMITED, net=["route del default"], **quiet)
    yield Case("unreachable4-unlimited", many(9, none4) + many(2, none4, first=1.1), net=["route del default"], **quiet)
    yield Case("unreachable6", many(9, none6) + many(2, none6, first=0.13), sysctl=LIMITED, net=["-6 route del default"], **quiet)
    yield Case("mixed4", many(3, ttl4) + many(3, none4) + many(3, ttl4) + many(3, none4), sysctl=LIMITED, net=["route del default"], **quiet)
    yield Case("frag-needed-unlimited", many(9, big), sysctl=LIMITED, net=["link set eth1 mtu 600"], **quiet)
    yield Case("mask", many(9, ttl4) + many(9, ttl6), sysctl=dict(LIMITED, **{"net.ipv4.icmp_ratemask": 8, "net.ipv6.icmp.ratemask": "1,4"}), **quiet)
    yield Case("slow", many(4, ttl4, gap=0.06), sysctl=dict(LIMITED, **{"net.ipv4.icmp_ratelimit": 100}), **quiet)
    yield Case("no-global-credit", many(4, ttl4), sysctl=dict(LIMITED, **{"net.ipv4.icmp_msgs_per_sec": 0}), **quiet)
    yield Case("redirect4", many(3, udp(5, 6)(ip(A, "192.0.2.1")), gap=0.05) + many(2, udp(5, 6)(ip(A, "192.0.2.1")), gap=0.3, first=0.3),
               net=["route add 192.0.2.0/24 via 10.0.0.9"], sysctl=LIMITED, **quiet)
    yield Case("redirect6", many(4, udp(5, 6)(ip(A6, "2001:db8::1"))) + many(2, udp(5, 6)(ip(A6, "2001:db8::1")), first=1.1),
               net=["addr add fe80::1/64 dev eth0 nodad", "-6 route add 2001:db8::/32 via fe80::9 dev eth0"], sysctl=LIMITED, **quiet)
    yield Case("mark-reflect", [Send("eth0", ttl4), Send("eth0", ttl6)],
               v4="*mangle\n-A PREROUTING -j MARK --set-mark 5\n-A OUTPUT -m mark --mark 5\nCOMMIT\n",
               v6="*mangle\n-A PREROUTING -j MARK --set-mark 5\n-A OUTPUT -m mark --mark 5\nCOMMIT\n",
               sysctl={"net.ipv4.fwmark_reflect": 1, "net.ipv6.fwmark_reflect": 1}, **quiet)
