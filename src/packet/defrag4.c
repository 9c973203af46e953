/*
 * packet/defrag4.c - IPv4 reassembly. Overlaps end the whole datagram, repetitions are ignored, and a datagram
 * remembers how large its pieces were and whether they forbade fragmenting, to leave as it came.
 */
#include "packet/drop.h"
#include "packet/frag_internal.h"
#include "path/path.h"
#include "route/route.h"

static int refuse_piece(struct defrag *defrag, struct pkt *pkt, int err)
{
	pkt_drop(defrag->inst, pkt, err == -ENOMEM ? DROP_NO_MEMORY : DROP_FRAGMENT);
	return err;
}

/* The piece contradicts what is there: the datagram ends with it. */
static int refuse_all(struct defrag *defrag, struct frag_queue *queue, struct pkt *pkt)
{
	frag_queue_kill(queue, DROP_FRAGMENT);
	return refuse_piece(defrag, pkt, -EINVAL);
}

static struct frag_queue *queue_of(struct defrag *defrag, const struct pkt *pkt, uint32_t user)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct frag_key key = { .id = ip->id, .user = user, .proto = ip->protocol };
	struct frag_queue *queue;

	key.saddr.ip = ip->saddr;
	key.daddr.ip = ip->daddr;
	queue = frag_queue_get(&defrag->ip4, &key);
	if (queue && !queue->piece_count && !queue->peer && defrag->ip4.max_dist && !queue->len)
		queue->peer = frag_peer_get(defrag, ip->saddr);
	return queue;
}

/* Did so many fragments of the same source come in between that its 16-bit id must have come round? */
static bool is_overtaken(const struct frags *frags, struct frag_queue *queue)
{
	uint32_t before = queue->peer_count;

	if (!queue->peer || !frags->max_dist)
		return false;
	queue->peer_count = ++queue->peer->count;
	return queue->piece_count && queue->peer_count - before > (uint32_t)frags->max_dist;
}

static int assemble(struct defrag *defrag, struct frag_queue *queue, struct pkt *pkt)
{
	struct pkt *first = frag_queue_first(queue);
	uint32_t header_len = first->l.l4_off, len = header_len + queue->len;
	bool df_leads = queue->max_df_size == queue->max_size;
	uint16_t max_size = (uint16_t)MIN_OF(MAX_OF(queue->max_df_size, queue->max_size), 0xffffu);
	uint8_t ecn = frag_queue_ecn(queue);
	struct iphdr *ip;
	int err;

	if (ecn == ECN_BROKEN || len > 0xffff) {
		frag_queue_kill(queue, DROP_FRAGMENT);
		return ecn == ECN_BROKEN ? -EINVAL : -E2BIG;
	}
	err = frag_queue_assemble(queue, pkt, header_len);
	if (err)
		return err;
	pkt->frag_max_size = max_size;
	ip = pkt_ip4(pkt);
	ip->tot_len = htons((uint16_t)len);
	ip->tos |= ecn;
	ip->frag_off = 0;
	if (df_leads) {
		pkt->flags |= PKT_FLAG_FRAG_PMTU;
		ip->frag_off = htons(IP4_DF);
	}
	csum_ip4_header(ip);
	pkt_parse(pkt);
	return 0;
}

int defrag4_packet(struct defrag *defrag, struct pkt *pkt, uint32_t user)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint16_t frag = ntohs(ip->frag_off);
	uint32_t header_len = ip->ihl * 4u, offset = (frag & IP4_OFFSET_MASK) * 8u, end, size;
	struct frag_queue *queue = queue_of(defrag, pkt, user);

	if (!queue)
		return refuse_piece(defrag, pkt, -ENOMEM);
	if (is_overtaken(&defrag->ip4, queue))
		frag_queue_restart(queue);
	end = offset + pkt->len - header_len;
	if (!(frag & IP4_MF)) {
		if (end < queue->len || (queue->flags & FRAG_LAST_IN && end != queue->len))
			return refuse_all(defrag, queue, pkt);
		queue->flags |= FRAG_LAST_IN;
		queue->len = end;
	} else {
		end &= ~7u;
		if (end > queue->len) {
			if (queue->flags & FRAG_LAST_IN)
				return refuse_all(defrag, queue, pkt);
			queue->len = end;
		}
	}
	if (end == offset)
		return refuse_all(defrag, queue, pkt);
	pkt->len = header_len + (end - offset);
	pkt->l.frag_off = (uint16_t)offset;
	pkt->l.l4_off = header_len;
	pkt->l.l4_len = (uint16_t)(end - offset);
	switch (frag_queue_insert(queue, pkt)) {
	case FRAG_PLACED:
		break;
	case FRAG_DUPLICATE:
		return refuse_piece(defrag, pkt, -EINVAL);
	case FRAG_OVERLAP:
		return refuse_all(defrag, queue, pkt);
	case FRAG_NO_MEMORY:
		return refuse_piece(defrag, pkt, -ENOMEM);
	}
	queue->ecn |= (uint8_t)(1 << (ip->tos & 3));
	size = pkt->len;
	queue->max_size = MAX_OF(queue->max_size, size);
	if (frag & IP4_DF)
		queue->max_df_size = MAX_OF(queue->max_df_size, size);
	if (frag_queue_is_complete(queue))
		return assemble(defrag, queue, pkt);
	return -EINPROGRESS;
}

/*
 * Only an end host reports a reassembly timeout: on the way of conntrack's prerouting queues it must turn
 * out that the datagram would have been for us.
 */
void defrag4_expire(struct instance *inst, struct frag_queue *queue)
{
	struct pkt *first = frag_queue_first(queue);
	uint32_t user = queue->key.user & ((1u << DEFRAG_USER_SHIFT) - 1);

	first->in = queue->in;
	if (pkt_parse(first) || route_input(inst, first) != DROP_NONE)
		return;
	if (user == DEFRAG_CONNTRACK_IN && first->route.type != RTN_LOCAL)
		return;
	icmp_send(inst, first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
}
