/*
 * path/ip6_fragment.c - IPv6 packets in pieces. Only the sender cuts; what a router leaves with in pieces
 * came in pieces, and leaves under a new identification.
 */
#include "path/path_internal.h"

enum {
	FRAGMENT_HEADER = 8,
	/* What the kernel has in front of a received piece besides the headers it came with: more headers mean new pieces. */
	SPARE_ROOM_IN = 62,
};

int ip6_fragment_place(const struct pkt *pkt, uint32_t *nexthdr)
{
	uint32_t at = sizeof(struct ipv6hdr), end = pkt->len;
	bool routed = false;

	/* The kernel looks no further than the first piece. */
	for (unsigned int i = 1; i < pkt->piece_count; i++)
		end -= MIN_OF(end, (uint32_t)pkt->piece_len[i]);

	*nexthdr = offsetof(struct ipv6hdr, nexthdr);
	while (at <= end) {
		switch (pkt->data[*nexthdr]) {
		case IPPROTO_HOPOPTS:
			break;
		case IPPROTO_ROUTING:
			routed = true;
			break;
		case IPPROTO_DSTOPTS:
			if (routed)
				return at;
			break;
		default:
			return at;
		}
		if (at + 2 > end)
			return -EINVAL;
		*nexthdr = at;
		at += (pkt->data[at + 1] + 1) * 8;
	}
	return -EINVAL;
}

struct cutter {
	struct instance *inst;
	struct pkt *whole;
	uint32_t head, nexthdr, at;	/* bytes before the fragment header; bytes after it already sent */
	uint32_t id;
};

static void send_piece(struct cutter *cut, uint32_t len)
{
	struct pkt *whole = cut->whole;
	struct pkt *piece = pkt_new(cut->inst, cut->head + FRAGMENT_HEADER + len);
	bool more = cut->head + cut->at + len < whole->len;
	uint8_t *header;

	if (piece) {
		memcpy(piece->data, whole->data, cut->head);
		piece->data[cut->nexthdr] = IPPROTO_FRAGMENT;
		header = piece->data + cut->head;
		header[0] = whole->data[cut->nexthdr];
		header[1] = 0;
		put_be16(header + 2, cut->at | (more ? IP6_MF : 0));
		put_be32(header + 4, cut->id);
		memcpy(header + FRAGMENT_HEADER, whole->data + cut->head + cut->at, len);
		pkt_ip6(piece)->payload_len = htons(piece->len - sizeof(struct ipv6hdr));
		path_copy_metadata(cut->inst, piece, whole);
		pkt_parse(piece);
		path_neigh_output(cut->inst, piece);
	}
	cut->at += len;
}

/* The pieces it came in; the first one holds whatever the others do not. */
static bool pieces_fit(const struct pkt *pkt, uint32_t head, uint32_t room, uint32_t *first)
{
	uint32_t rest = 0;

	if (pkt->piece_count < 2)
		return false;
	for (unsigned int i = 1; i < pkt->piece_count; i++) {
		if (pkt->piece_len[i] > room || (pkt->piece_len[i] & 7 && i + 1u < pkt->piece_count))
			return false;
		rest += pkt->piece_len[i];
	}
	if (head + rest > pkt->len)
		return false;
	if (head + rest + pkt->piece_len[0] > pkt->len + (pkt->in ? SPARE_ROOM_IN : 0))
		return false;
	*first = pkt->len - head - rest;
	return *first <= room && !(*first & 7);
}

static void cut_and_send(struct instance *inst, struct pkt *pkt, uint32_t head, uint32_t nexthdr, uint32_t room)
{
	struct cutter cut = { .inst = inst, .whole = pkt, .head = head, .nexthdr = nexthdr };
	uint32_t total = pkt->len - head, first;

	do {
		cut.id = rng_u32(&inst->rng);
	} while (!cut.id);
	if (pieces_fit(pkt, head, room, &first)) {
		send_piece(&cut, first);
		for (unsigned int i = 1; i < pkt->piece_count; i++)
			send_piece(&cut, pkt->piece_len[i]);
	}
	while (cut.at < total) {
		uint32_t len = MIN_OF(total - cut.at, room);

		send_piece(&cut, len < total - cut.at ? len & ~7u : len);
	}
	pkt_free(inst, pkt);
}

void ip6_fragment(struct instance *inst, struct pkt *pkt, uint32_t mtu)
{
	uint32_t nexthdr, limit = mtu;
	int head = ip6_fragment_place(pkt, &nexthdr);

	if (head < 0) {
		pkt_drop(inst, pkt, DROP_MALFORMED);
		return;
	}
	if (pkt->frag_max_size)
		limit = MAX_OF((uint32_t)pkt->frag_max_size, (uint32_t)IPV6_MIN_MTU);
	if ((!(pkt->flags & (PKT_FLAG_REASSEMBLED | PKT_FLAG_MAY_CUT)) && pkt->len > mtu) || pkt->frag_max_size > mtu ||
	    limit < head + FRAGMENT_HEADER + 8u) {
		icmp6_send_from(inst, pkt, pkt->route.oif, ICMPV6_PKT_TOOBIG, 0, mtu);
		pkt_drop(inst, pkt, DROP_MTU);
		return;
	}
	pkt_sum_finish(pkt);
	cut_and_send(inst, pkt, head, nexthdr, limit - head - FRAGMENT_HEADER);
}
