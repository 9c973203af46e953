/*
 * packet/defrag6.c - IPv6 reassembly, twice as in the kernel: conntrack's in PRE_ROUTING and LOCAL_OUT, which
 * lets odd fragments pass for others to judge, and the host's own, which answers them with parameter problems.
 */
#include "packet/drop.h"
#include "packet/frag_internal.h"
#include "path/path.h"

enum { FRAG_HEADER_LEN = 8, IP6_HEADER_LEN = sizeof(struct ipv6hdr), IP6_PAYLOAD_MAX = 65535 };

/* What a fragment says about itself. */
struct piece6 {
	uint32_t header_off;		/* of the fragment header */
	uint16_t nexthdr_off;		/* of the byte that announces it */
	uint32_t offset, end;		/* of its payload in the datagram */
	bool more;
};

/* false: no fragment header within reach. */
static bool find_fragment_header(const struct pkt *pkt, struct piece6 *piece)
{
	uint8_t nexthdr = pkt_ip6(pkt)->nexthdr;
	uint32_t off = IP6_HEADER_LEN;
	/* The kernel keeps it in 8 bits: behind a long chain of headers it points elsewhere. So do we. */
	uint8_t nexthdr_off = offsetof(struct ipv6hdr, nexthdr);

	while (nexthdr != IPPROTO_FRAGMENT) {
		const uint8_t *header = pkt->data + off;

		if (!ip6_is_ext_header(nexthdr) || nexthdr == IPPROTO_NONE)
			return false;
		if (off + 2 > pkt->len)
			return false;
		nexthdr_off = (uint8_t)off;
		off += ip6_ext_len(nexthdr, header);
		nexthdr = header[0];
	}
	if (off > pkt->len)
		return false;
	piece->header_off = off;
	piece->nexthdr_off = nexthdr_off;
	return true;
}

/* RFC 8200: a first fragment holds all headers including the upper one. Headers cut short are not judged here. */
static bool is_upper_header_cut(const struct pkt *pkt, uint32_t off, uint8_t nexthdr)
{
	while (ip6_is_ext_header(nexthdr)) {
		const uint8_t *header = pkt->data + off;

		if (nexthdr == IPPROTO_NONE || off + 2 > pkt->len)
			return false;
		if (nexthdr == IPPROTO_FRAGMENT && (off + 4 > pkt->len || get_be16(header + 2) & IP6_OFFSET_MASK))
			return false;
		off += ip6_ext_len(nexthdr, header);
		nexthdr = header[0];
	}
	switch (nexthdr) {
	case IPPROTO_TCP:
		off += sizeof(struct tcphdr);
		break;
	case IPPROTO_UDP:
		off += sizeof(struct udphdr);
		break;
	case IPPROTO_ICMPV6:
		off += sizeof(struct icmp6hdr);
		break;
	default:
		off += 1;
	}
	return off > pkt->len;
}

static void read_piece(const struct pkt *pkt, struct piece6 *piece)
{
	uint16_t field = get_be16(pkt->data + piece->header_off + 2);
	uint32_t payload_len = ntohs(pkt_ip6(pkt)->payload_len);

	piece->offset = field & IP6_OFFSET_MASK;
	piece->more = field & IP6_MF;
	/* wraps when the header claims less than its own extension headers: then it is too large, as meant */
	piece->end = piece->offset + payload_len - (piece->header_off + FRAG_HEADER_LEN - IP6_HEADER_LEN);
}

static struct frag_queue *queue_of(struct frags *frags, const struct pkt *pkt, const struct piece6 *piece,
				   uint32_t user)
{
	const struct ipv6hdr *ip6 = pkt_ip6(pkt);
	struct frag_key key = { .user = user };

	memcpy(&key.id, pkt->data + piece->header_off + 4, sizeof(key.id));
	memcpy(&key.saddr, &ip6->saddr, sizeof(ip6->saddr));
	memcpy(&key.daddr, &ip6->daddr, sizeof(ip6->daddr));
	/* the same link-local address may exist on each link */
	if (key.daddr.in6.s6_addr[0] == 0xff ||
	    (key.daddr.in6.s6_addr[0] == 0xfe && (key.daddr.in6.s6_addr[1] & 0xc0) == 0x80))
		key.ifindex = pkt->in ? pkt->in->index : 0;
	return frag_queue_get(frags, &key);
}

/* Does the piece fit what is known about the end of the datagram? Learns from it. */
static bool end_fits(struct frag_queue *queue, const struct piece6 *piece)
{
	if (!piece->more) {
		if (piece->end < queue->len || (queue->flags & FRAG_LAST_IN && piece->end != queue->len))
			return false;
		queue->flags |= FRAG_LAST_IN;
		queue->len = piece->end;
	} else if (piece->end > queue->len) {
		if (queue->flags & FRAG_LAST_IN)
			return false;
		queue->len = piece->end;
	}
	return piece->end != piece->offset;
}

static enum frag_place place(struct frag_queue *queue, struct pkt *pkt, const struct piece6 *piece)
{
	uint32_t payload_off = piece->header_off + FRAG_HEADER_LEN;
	uint8_t dsfield = (uint8_t)(get_be16(pkt->data) >> 4);
	enum frag_place placed;

	pkt->len = MIN_OF(pkt->len, payload_off + (piece->end - piece->offset));
	pkt->l.frag_off = (uint16_t)piece->offset;
	pkt->l.l4_off = payload_off;
	pkt->l.l4_len = (uint16_t)(pkt->len - payload_off);
	placed = frag_queue_insert(queue, pkt);
	if (placed != FRAG_PLACED)
		return placed;
	queue->ecn |= (uint8_t)(1 << (dsfield & 3));
	if (piece->offset == 0)
		queue->nexthdr_off = piece->nexthdr_off;
	return placed;
}

/* Returns 0 with the whole in @pkt; anything else: all is dropped. */
static int assemble(struct frag_queue *queue, struct pkt *pkt, uint32_t max_size)
{
	struct pkt *first = frag_queue_first(queue);
	uint32_t header_off = first->l.l4_off - FRAG_HEADER_LEN;
	uint32_t payload_len = header_off - IP6_HEADER_LEN + queue->len;
	uint8_t nexthdr = first->data[header_off], ecn = frag_queue_ecn(queue);
	uint16_t nexthdr_off = queue->nexthdr_off;
	int err;

	if (ecn == ECN_BROKEN || payload_len > IP6_PAYLOAD_MAX) {
		frag_queue_kill(queue, DROP_FRAGMENT);
		return -EINVAL;
	}
	err = frag_queue_assemble(queue, pkt, header_off);
	if (err)
		return err;
	if (nexthdr_off < header_off)
		pkt->data[nexthdr_off] = nexthdr;
	pkt_ip6(pkt)->payload_len = htons((uint16_t)payload_len);
	pkt->data[1] |= (uint8_t)(ecn << 4);	/* the low bits of the traffic class */
	pkt->frag_max_size = (uint16_t)MIN_OF(max_size, 0xffffu);
	pkt_parse(pkt);
	return 0;
}

static int refuse_piece(struct defrag *defrag, struct pkt *pkt, int err)
{
	pkt_drop(defrag->inst, pkt, err == -ENOMEM ? DROP_NO_MEMORY : DROP_FRAGMENT);
	return err;
}

int defrag6_packet(struct defrag *defrag, struct pkt *pkt, uint32_t user)
{
	uint32_t payload_len = ntohs(pkt_ip6(pkt)->payload_len);
	struct frag_queue *queue;
	struct piece6 piece;

	if (payload_len == 0 || !find_fragment_header(pkt, &piece) ||
	    is_upper_header_cut(pkt, piece.header_off, IPPROTO_FRAGMENT))
		return 0;
	if (piece.header_off + FRAG_HEADER_LEN > pkt->len)
		return refuse_piece(defrag, pkt, -ENOMEM);
	queue = queue_of(&defrag->ct6, pkt, &piece, user);
	if (!queue)
		return refuse_piece(defrag, pkt, -ENOMEM);
	read_piece(pkt, &piece);
	if (piece.end > IP6_PAYLOAD_MAX)
		return refuse_piece(defrag, pkt, -EINVAL);
	if (piece.more && piece.end & 7) {
		/* The fragment itself goes on: whoever it is for says that it is wrong. */
		frag_queue_kill(queue, DROP_FRAGMENT);
		return 0;
	}
	if (!end_fits(queue, &piece))
		return refuse_piece(defrag, pkt, -EINVAL);
	switch (place(queue, pkt, &piece)) {
	case FRAG_PLACED:
		break;
	case FRAG_DUPLICATE:
		return refuse_piece(defrag, pkt, -EINPROGRESS);
	case FRAG_OVERLAP:
		frag_queue_kill(queue, DROP_FRAGMENT);
		return refuse_piece(defrag, pkt, -EINVAL);
	case FRAG_NO_MEMORY:
		return refuse_piece(defrag, pkt, -ENOMEM);
	}
	queue->max_size = MAX_OF(queue->max_size, payload_len);
	if (frag_queue_is_complete(queue))
		return assemble(queue, pkt, IP6_HEADER_LEN + queue->max_size);
	return -EINPROGRESS;
}

/* Answers a piece that cannot be right with a parameter problem and drops it. */
static int refuse_aloud(struct defrag *defrag, struct pkt *pkt, uint8_t code, uint32_t pointer)
{
	icmp6_send(defrag->inst, pkt, ICMPV6_PARAMPROB, code, pointer);
	return refuse_piece(defrag, pkt, -EINVAL);
}

int defrag6_local(struct defrag *defrag, struct pkt *pkt, uint32_t at, uint32_t nexthdr_off)
{
	struct piece6 piece = { .header_off = at, .nexthdr_off = (uint16_t)nexthdr_off };
	struct frag_queue *queue;

	if (pkt->flags & PKT_FLAG_REASSEMBLED || pkt_ip6(pkt)->payload_len == 0 ||
	    piece.header_off + FRAG_HEADER_LEN > pkt->len)
		return refuse_aloud(defrag, pkt, ICMPV6_HDR_FIELD, piece.header_off);
	read_piece(pkt, &piece);
	if (piece.offset == 0 && !piece.more) {
		/* whole in one piece: the header stays and is stepped over */
		pkt->flags |= PKT_FLAG_REASSEMBLED;
		pkt->frag_max_size = (uint16_t)MIN_OF(ntohs(pkt_ip6(pkt)->payload_len) + IP6_HEADER_LEN, 0xffff);
		return FRAG_HEADER_LEN;
	}
	if (is_upper_header_cut(pkt, IP6_HEADER_LEN, pkt_ip6(pkt)->nexthdr))
		return refuse_aloud(defrag, pkt, ICMPV6_HDR_INCOMP, 0);
	queue = queue_of(&defrag->ip6, pkt, &piece, DEFRAG_LOCAL_DELIVER);
	if (!queue)
		return refuse_piece(defrag, pkt, -ENOMEM);
	queue->in = pkt->in;
	if (piece.end > IP6_PAYLOAD_MAX)
		return refuse_aloud(defrag, pkt, ICMPV6_HDR_FIELD, piece.header_off + 2);
	if (piece.more && piece.end & 7)
		return refuse_aloud(defrag, pkt, ICMPV6_HDR_FIELD, offsetof(struct ipv6hdr, payload_len));
	if (!end_fits(queue, &piece)) {
		frag_queue_kill(queue, DROP_FRAGMENT);
		return refuse_piece(defrag, pkt, -EINVAL);
	}
	switch (place(queue, pkt, &piece)) {
	case FRAG_PLACED:
		break;
	case FRAG_DUPLICATE:
		return refuse_piece(defrag, pkt, -EINVAL);
	case FRAG_OVERLAP:
		frag_queue_kill(queue, DROP_FRAGMENT);
		return refuse_piece(defrag, pkt, -EINVAL);
	case FRAG_NO_MEMORY:
		return refuse_piece(defrag, pkt, -ENOMEM);
	}
	queue->max_size = MAX_OF(queue->max_size, pkt->len);
	if (frag_queue_is_complete(queue))
		return assemble(queue, pkt, queue->max_size);
	return -EINPROGRESS;
}

/* Unlike in IPv4 a router that only reassembled for conntrack reports it too. */
void defrag6_expire(struct instance *inst, struct frag_queue *queue)
{
	struct pkt *first = frag_queue_first(queue);

	first->in = queue->in;
	pkt_parse(first);
	icmp6_send(inst, first, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
}
