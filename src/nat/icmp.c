/*
 * nat/icmp.c - ICMP errors about a translated connection.
 * Whoever gets the error must recognize the packet that it quotes, so the quoted headers are translated back, the
 * other half than outside, and the error's checksum is made anew. The error itself then looks as if it came from,
 * or went to, the address that the receiver knows.
 */
#include "nat/nat_internal.h"

enum { ICMP6_REDIRECT = 137 };	/* RFC 4861; not in the kernel's user headers */

static void checksum_anew(struct pkt *pkt, uint32_t icmp_off)
{
	uint8_t *icmp = pkt->data + icmp_off;
	uint32_t len = pkt->len - icmp_off, sum = 0;
	be16 check = 0;

	memcpy(icmp + 2, &check, sizeof(check));
	if (pkt->l.family == NFPROTO_IPV6)
		sum = csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, IPPROTO_ICMPV6, len);
	check = csum_fold(csum_partial(icmp, len, sum));
	memcpy(icmp + 2, &check, sizeof(check));
}

bool nat_icmp_error(struct pkt *pkt, uint8_t hooknum, uint32_t icmp_off)
{
	bool is_v4 = pkt->l.family == NFPROTO_IPV4;
	enum nat_manip manip = nat_manip_of_hook(hooknum);
	enum nat_manip inner = manip == NAT_MANIP_SRC ? NAT_MANIP_DST : NAT_MANIP_SRC;
	uint32_t quote_off = icmp_off + sizeof(struct icmphdr);
	uint32_t quote_end = quote_off + (is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct ct *ct = pkt_ct(pkt);
	int dir = ctinfo_dir(pkt->ctinfo);
	const struct ct_tuple *other = ct_tuple(ct, !dir);
	struct ct_tuple target;
	uint8_t type;

	if (pkt->len < quote_end)
		return false;
	pkt_pull_pieces(pkt, quote_end);
	if (!pkt_l4_checksum_ok(pkt))
		return false;
	type = pkt->data[icmp_off];
	/* A redirect names addresses of one side only: meaningless on the other. */
	if (type == (is_v4 ? ICMP_REDIRECT : ICMP6_REDIRECT) &&
	    ((ct->status & IPS_NAT_DONE_MASK) != IPS_NAT_DONE_MASK || (ct->status & IPS_NAT_MASK)))
		return false;
	if (!(ct->status & nat_status_bit(manip, dir)))
		return true;
	if (!nat_rewrite(pkt, quote_off, other, inner))
		return false;
	checksum_anew(pkt, icmp_off);
	if (!ct_tuple_invert(&target, other))
		return false;
	target.proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return nat_rewrite(pkt, 0, &target, manip);
}
