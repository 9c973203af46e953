/*
 * packet/parse.c - from bytes to layers: where L4 begins, and whether there is one.
 * Everything that reads ports rests on this answer; a non-first fragment has no L4, ever.
 */
#include "packet/packet.h"

enum {
	FRAG_HEADER_LEN = 8,
	IP6_HEADER_LEN = sizeof(struct ipv6hdr),
};

static void set_l4(struct pkt *pkt, uint32_t off)
{
	pkt->l.l4_off = MIN_OF(off, pkt->len);
	pkt->l.l4_len = (uint16_t)MIN_OF(pkt->len - pkt->l.l4_off, 0xffffu);
}

static int parse_ip4(struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t header_len;
	uint16_t frag;

	if (pkt->len < sizeof(*ip))
		return -EINVAL;
	header_len = ip->ihl * 4u;
	if (header_len < sizeof(*ip) || header_len > pkt->len)
		return -EINVAL;
	frag = ntohs(ip->frag_off);
	pkt->l.l4proto = ip->protocol;
	pkt->l.frag_off = (uint16_t)((frag & IP4_OFFSET_MASK) * 8);
	pkt->l.is_fragment = frag & (IP4_MF | IP4_OFFSET_MASK);
	pkt->l.has_l4 = pkt->l.frag_off == 0;
	set_l4(pkt, header_len);
	return 0;
}

/*
 * The chain ends at the first header that is no extension; ESP and mobility count as such. Behind a
 * non-first fragment's header only an upper protocol may be named: another extension header there is -EINVAL.
 */
static int parse_ip6(struct pkt *pkt)
{
	uint32_t off = IP6_HEADER_LEN;
	uint8_t nexthdr;

	if (pkt->len < IP6_HEADER_LEN)
		return -EINVAL;
	nexthdr = pkt_ip6(pkt)->nexthdr;
	while (!ip6_ends_chain(nexthdr)) {
		const uint8_t *header = pkt->data + off;

		pkt->l.l4proto = nexthdr;
		set_l4(pkt, off);
		if (off > pkt->len || pkt->len - off < 2)
			return -EINVAL;
		if (nexthdr == IPPROTO_FRAGMENT) {
			uint16_t frag_off;

			pkt->l.is_fragment = true;
			if (pkt->len - off < 4)
				return -EINVAL;
			frag_off = get_be16(header + 2) & IP6_OFFSET_MASK;
			if (frag_off) {
				if (!ip6_ends_chain(header[0]))
					return -EINVAL;
				pkt->l.frag_off = frag_off;
				pkt->l.l4proto = header[0];
				set_l4(pkt, off + FRAG_HEADER_LEN);
				return 0;
			}
		}
		off += ip6_ext_len(nexthdr, header);
		nexthdr = header[0];
	}
	pkt->l.l4proto = nexthdr;
	pkt->l.has_l4 = true;
	set_l4(pkt, off);
	return 0;
}

int pkt_parse(struct pkt *pkt)
{
	int err = -EINVAL;

	memset(&pkt->l, 0, sizeof(pkt->l));
	if (pkt->protocol == ETH_P_IP) {
		pkt->l.family = NFPROTO_IPV4;
		pkt->l.l4proto = IPPROTO_RAW;
		err = parse_ip4(pkt);
	} else if (pkt->protocol == ETH_P_IPV6) {
		pkt->l.family = NFPROTO_IPV6;
		pkt->l.l4proto = IPPROTO_NONE;
		err = parse_ip6(pkt);
	}
	if (err)
		pkt->l.has_l4 = false;
	return err;
}
