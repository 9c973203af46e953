/*
 * packet/partial_sum.c - checksums that a sender left to its network card.
 * A capture taken on the sending host (or on a veth pair) shows such a packet with the pseudo header's sum where
 * the checksum belongs. The card would have filled it in, so it is filled in here; a wrong checksum of any
 * other kind stays as it is.
 */
#include "packet/packet.h"

/* Where the checksum of a TCP or UDP header is; 0: neither. */
static uint32_t checksum_at(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return offsetof(struct tcphdr, check);
	return proto == IPPROTO_UDP ? offsetof(struct udphdr, check) : 0;
}

/* The unfragmented L4 part of an IP packet: its offset, length and protocol; false: none, or not whole. */
static bool whole_l4(const struct pkt *pkt, uint32_t *off, uint32_t *len, uint8_t *proto, uint32_t *pseudo)
{
	if (pkt->protocol == ETH_P_IP && pkt->len >= sizeof(struct iphdr)) {
		const struct iphdr *ip = pkt_ip4(pkt);
		uint32_t total = ntohs(ip->tot_len);

		*off = ip->ihl * 4u;
		if (ip->version != 4 || ip->ihl < 5 || total > pkt->len || total < *off || (ntohs(ip->frag_off) & 0x3fff))
			return false;
		*len = total - *off;
		*proto = ip->protocol;
		*pseudo = csum_pseudo4(ip->saddr, ip->daddr, *proto, *len);
		return true;
	}
	if (pkt->protocol == ETH_P_IPV6 && pkt->len >= sizeof(struct ipv6hdr)) {
		const struct ipv6hdr *ip = pkt_ip6(pkt);

		*off = sizeof(*ip);
		*len = ntohs(ip->payload_len);
		*proto = ip->nexthdr;
		if (ip->version != 6 || *len > pkt->len - *off)
			return false;
		*pseudo = csum_pseudo6(&ip->saddr, &ip->daddr, *proto, *len);
		return true;
	}
	return false;
}

bool pkt_complete_partial_sum(struct pkt *pkt)
{
	uint32_t off, len, pseudo, at;
	be16 found, partial, sum;
	uint8_t proto;

	if ((pkt->flags & PKT_FLAG_CSUM_TRUSTED) || !whole_l4(pkt, &off, &len, &proto, &pseudo))
		return false;
	at = checksum_at(proto);
	if (!at || len < at + 2)
		return false;
	memcpy(&found, pkt->data + off + at, 2);
	partial = (be16)~csum_fold(pseudo);
	if (found != partial)
		return false;
	memset(pkt->data + off + at, 0, 2);
	sum = csum_fold(csum_partial(pkt->data + off, len, pseudo));
	if (proto == IPPROTO_UDP && sum == 0)
		sum = 0xffff;
	memcpy(pkt->data + off + at, &sum, 2);
	return sum != found;
}
