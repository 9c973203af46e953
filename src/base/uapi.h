/*
 * base/uapi.h - the kernel's user headers in the one order that agrees with glibc.
 * Include this, never <net/if.h>, <netinet/ip.h>, <netinet/tcp.h>, <netinet/udp.h>, <netinet/icmp6.h>:
 * they define the same structs again.
 */
#ifndef WEIR_BASE_UAPI_H
#define WEIR_BASE_UAPI_H

#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/udp.h>

/* Fields of iphdr.frag_off and ipv6 fragment offsets (RFC 791, RFC 8200); glibc has them only in <netinet/ip.h>. */
enum {
	IP4_DF = 0x4000,
	IP4_MF = 0x2000,
	IP4_OFFSET_MASK = 0x1fff,	/* in units of 8 bytes */
	IP6_MF = 0x0001,
	IP6_OFFSET_MASK = 0xfff8,	/* in bytes */
};

#endif
