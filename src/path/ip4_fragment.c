/*
 * path/ip4_fragment.c - an IPv4 packet too large for its way out, or one that came in pieces: it leaves in
 * pieces. Those it came in are kept when all of them fit; otherwise it is cut anew.
 */
#include "path/path_internal.h"

struct cutter {
	struct instance *inst;
	struct pkt *whole;
	uint8_t header[60];
	uint32_t header_len;
	uint32_t at;		/* L4 bytes already sent */
	uint32_t offset;	/* where the next piece starts in the original datagram; beyond 64 KiB it spills into MF */
	uint16_t flags;		/* DF for each piece */
	bool last_is_not;	/* the whole was itself a piece with more to come */
};

static void send_piece(struct cutter *cut, uint32_t len)
{
	struct pkt *whole = cut->whole;
	struct pkt *piece = pkt_new(cut->inst, cut->header_len + len);
	uint32_t left = whole->len - cut->header_len - cut->at - len;
	struct iphdr *ip;

	if (piece) {
		memcpy(piece->data, cut->header, cut->header_len);
		memcpy(piece->data + cut->header_len, whole->data + cut->header_len + cut->at, len);
		ip = pkt_ip4(piece);
		ip->tot_len = htons(cut->header_len + len);
		ip->frag_off = htons(cut->offset >> 3 | cut->flags | (left || cut->last_is_not ? IP4_MF : 0));
		csum_ip4_header(ip);
		path_copy_metadata(cut->inst, piece, whole);
		pkt_parse(piece);
		path_neigh_output(cut->inst, piece);
	}
	if (!cut->offset && !cut->at)
		ip4_options_blank(cut->header + sizeof(*ip), whole->opt.len);
	cut->at += len;
	cut->offset += len;
}

static bool pieces_fit(const struct pkt *pkt, uint32_t header_len, uint32_t room)
{
	uint32_t sum = 0;

	if (pkt->piece_count < 2 || pkt->l.is_fragment)
		return false;
	for (unsigned int i = 0; i < pkt->piece_count; i++) {
		if (pkt->piece_len[i] > room || (pkt->piece_len[i] & 7 && i + 1u < pkt->piece_count))
			return false;
		sum += pkt->piece_len[i];
	}
	return sum == pkt->len - header_len;
}

static void cut_and_send(struct instance *inst, struct pkt *pkt, uint32_t mtu)
{
	struct iphdr *ip = pkt_ip4(pkt);
	struct cutter cut = { .inst = inst, .whole = pkt, .header_len = ip->ihl * 4 };
	uint32_t total = pkt->len - cut.header_len, room;

	if (pkt->frag_max_size && pkt->frag_max_size < mtu)
		mtu = pkt->frag_max_size;
	if (mtu < cut.header_len + 8) {
		pkt_drop(inst, pkt, DROP_MTU);
		return;
	}
	room = mtu - cut.header_len;
	memcpy(cut.header, pkt->data, cut.header_len);
	if (pieces_fit(pkt, cut.header_len, room)) {
		for (unsigned int i = 0; i < pkt->piece_count; i++)
			send_piece(&cut, pkt->piece_len[i]);
		pkt_free(inst, pkt);
		return;
	}
	cut.offset = (ntohs(ip->frag_off) & IP4_OFFSET_MASK) << 3;
	cut.last_is_not = ip->frag_off & htons(IP4_MF);
	cut.flags = pkt->flags & PKT_FLAG_FRAG_PMTU ? IP4_DF : 0;
	while (cut.at < total) {
		uint32_t len = MIN_OF(total - cut.at, room);

		send_piece(&cut, len < total - cut.at ? len & ~7u : len);
	}
	pkt_free(inst, pkt);
}

void ip4_fragment(struct instance *inst, struct pkt *pkt, uint32_t mtu)
{
	bool whole_only = pkt_ip4(pkt)->frag_off & htons(IP4_DF);

	if (whole_only && (!(pkt->flags & PKT_FLAG_REASSEMBLED) || pkt->frag_max_size > mtu)) {
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
		pkt_drop(inst, pkt, DROP_MTU);
		return;
	}
	pkt_sum_finish(pkt);
	cut_and_send(inst, pkt, mtu);
}
