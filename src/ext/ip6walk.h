/*
 * ext/ip6walk.h - the short way over IPv6 extension headers that REJECT and TCPMSS take: it stops at a
 * later fragment and at the end of the headers, and knows nothing of ESP.
 */
#ifndef WEIR_EXT_IP6WALK_H
#define WEIR_EXT_IP6WALK_H

#include "ext/ext.h"

struct ip6_walk {
	bool ok;		/* false: cut short, or "no next header" */
	uint8_t proto;
	uint32_t off;		/* where @proto begins; may be the end of the packet or beyond it */
	uint16_t frag_off;	/* bytes; not 0 at a later fragment, whose header @off then points at */
};

static inline struct ip6_walk ip6_walk(const struct pkt *pkt)
{
	struct ip6_walk walk = { .proto = pkt_ip6(pkt)->nexthdr, .off = sizeof(struct ipv6hdr) };
	const uint8_t *header;

	while (ip6_is_ext_header(walk.proto)) {
		bool is_fragment = walk.proto == IPPROTO_FRAGMENT;

		header = walk.proto == IPPROTO_NONE ? NULL : pkt_at(pkt, walk.off, is_fragment ? 4 : 2);
		if (!header)
			return walk;
		if (is_fragment) {
			walk.frag_off = get_be16(header + 2) & IP6_OFFSET_MASK;
			if (walk.frag_off)
				break;
		}
		walk.off += ip6_ext_len(walk.proto, header);
		walk.proto = header[0];
	}
	walk.ok = true;
	return walk;
}

/* What the kernel calls unicast: neither multicast, nor unspecified, nor IPv4-mapped. */
static inline bool ip6_is_unicast(const struct in6_addr *addr)
{
	static const struct in6_addr any;
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return addr->s6_addr[0] != 0xff && memcmp(addr, &any, 16) && memcmp(addr, mapped, sizeof(mapped));
}

#endif
