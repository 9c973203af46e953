/*
 * ext/ip6find.h - where is the first header of one kind? What the kernel's ipv6_find_hdr() answers, with its
 * two ways of not finding: the chain ended, or it was cut short.
 */
#ifndef WEIR_EXT_IP6FIND_H
#define WEIR_EXT_IP6FIND_H

#include "ext/ext.h"

/* 0 with *off; -ENOENT: there is none (or it lies in another fragment); -EBADMSG: cut short. */
static inline int ip6_find(const struct pkt *pkt, uint8_t wanted, uint32_t *off)
{
	uint8_t next = pkt_ip6(pkt)->nexthdr;
	uint32_t at = sizeof(struct ipv6hdr);

	for (;;) {
		bool found = next == wanted;
		const uint8_t *header, *frag;

		if (found && ip6_ends_chain(next))
			break;
		if (ip6_ends_chain(next))
			return -ENOENT;
		header = pkt_at(pkt, at, next == IPPROTO_ROUTING ? 4 : 2);	/* with how many segments are left */
		if (!header)
			return -EBADMSG;
		if (next == IPPROTO_FRAGMENT) {
			frag = pkt_at(pkt, at + 2, 2);
			if (!frag)
				return -EBADMSG;
			if ((get_be16(frag) & IP6_OFFSET_MASK) && !found)
				return -ENOENT;
		}
		if (found)
			break;
		at += ip6_ext_len(next, header);
		next = header[0];
	}
	*off = at;
	return 0;
}

#endif
