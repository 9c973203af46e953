/*
 * packet/frag.c - queues of fragments: found by key, limited in memory, ended by time.
 * Which bytes are there is kept in bitmaps, so that hostile fragment trains cost the same per packet as kind
 * ones; the pieces themselves are sorted once, when the datagram is whole.
 */
#include <stdlib.h>

#include "conntrack/conntrack.h"
#include "packet/drop.h"
#include "packet/frag_internal.h"

enum {
	UNIT = 8,
	UNITS_FIRST = 1024,
};

static uint64_t key_hash(const struct frags *frags, const struct frag_key *key)
{
	return siphash(key, sizeof(*key), &frags->defrag->inst->hash_key);
}

static void queue_unlink(struct frag_queue *queue)
{
	struct frag_queue **at = &queue->frags->bucket[key_hash(queue->frags, &queue->key) % FRAG_BUCKETS];

	while (*at != queue)
		at = &(*at)->next;
	*at = queue->next;
	queue->frags->mem -= queue->frags->queue_charge;
	timer_cancel(queue->frags->defrag->inst->timers, &queue->timer);
}

static void queue_free(struct frag_queue *queue)
{
	if (queue->peer)
		frag_peer_put(queue->frags->defrag, queue->peer);
	free(queue->covered);
	free(queue->run_start);
	free(queue);
}

static void pieces_drop(struct frag_queue *queue, enum drop_reason reason)
{
	while (!list_is_empty(&queue->pieces)) {
		struct pkt *piece = list_entry(queue->pieces.next, struct pkt, node);

		list_remove(&piece->node);
		queue->frags->mem -= piece->frag_charge;
		pkt_drop(queue->frags->defrag->inst, piece, reason);
	}
	queue->piece_count = 0;
}

void frag_queue_kill(struct frag_queue *queue, enum drop_reason reason)
{
	queue_unlink(queue);
	pieces_drop(queue, reason);
	queue_free(queue);
}

static int64_t queue_expiry(const struct frags *frags)
{
	return frags->defrag->inst->now_ns + (int64_t)frags->timeout_sec * NSEC_PER_SEC;
}

static void queue_expired(struct timer *timer, void *arg, int64_t now_ns)
{
	struct frag_queue *queue = arg;

	queue_unlink(queue);
	/* Errors are sent while the pieces are still there; the queue itself can no longer be found. */
	if (queue->flags & FRAG_FIRST_IN && queue->in)
		queue->frags->expire(queue->frags->defrag->inst, queue);
	pieces_drop(queue, DROP_FRAGMENT);
	queue_free(queue);
}

struct frag_queue *frag_queue_get(struct frags *frags, const struct frag_key *key)
{
	struct frag_queue **bucket = &frags->bucket[key_hash(frags, key) % FRAG_BUCKETS], *queue;

	if (frags->high_thresh == 0 || frags->mem > frags->high_thresh)
		return NULL;
	for (queue = *bucket; queue; queue = queue->next)
		if (memcmp(&queue->key, key, sizeof(*key)) == 0)
			return queue;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue->frags = frags;
	queue->key = *key;
	queue->in_order = true;
	list_init(&queue->pieces);
	timer_init(&queue->timer, queue_expired, queue);
	timer_arm(frags->defrag->inst->timers, &queue->timer, queue_expiry(frags));
	queue->next = *bucket;
	*bucket = queue;
	frags->mem += frags->queue_charge;
	return queue;
}

void frag_queue_restart(struct frag_queue *queue)
{
	timer_arm(queue->frags->defrag->inst->timers, &queue->timer, queue_expiry(queue->frags));
	pieces_drop(queue, DROP_FRAGMENT);
	queue->flags = queue->ecn = 0;
	queue->len = queue->meat = queue->tail_end = 0;
	queue->in = NULL;
	queue->in_order = true;
	if (queue->units) {
		memset(queue->covered, 0, queue->units / 8);
		memset(queue->run_start, 0, queue->units / 8);
	}
}

/* --- bitmaps --- */

static bool bitmap_grow(uint64_t **map, uint32_t from, uint32_t to)
{
	uint64_t *grown = realloc(*map, to / 8);

	if (!grown)
		return false;
	memset((uint8_t *)grown + from / 8, 0, (to - from) / 8);
	*map = grown;
	return true;
}

static bool units_grow(struct frag_queue *queue, uint32_t need)
{
	uint32_t units = queue->units ? queue->units : UNITS_FIRST;

	if (need <= queue->units)
		return true;
	while (units < need)
		units *= 2;
	/* if only the first succeeds it is larger than units says: harmless */
	if (!bitmap_grow(&queue->covered, queue->units, units) || !bitmap_grow(&queue->run_start, queue->units, units))
		return false;
	queue->units = units;
	return true;
}

/* Bits from..to-1 of the word that begins at bit @base. */
static uint64_t word_mask(uint32_t base, uint32_t from, uint32_t to)
{
	uint64_t mask = ~0ull;

	if (from > base)
		mask &= ~0ull << (from - base);
	if (to < base + 64)
		mask &= ~(~0ull << (to - base));
	return mask;
}

static void bits_set(uint64_t *map, uint32_t from, uint32_t to)
{
	for (uint32_t base = from & ~63u; base < to; base += 64)
		map[base / 64] |= word_mask(base, from, to);
}

static uint32_t bits_count(const uint64_t *map, uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t base = from & ~63u; base < to; base += 64)
		count += (uint32_t)__builtin_popcountll(map[base / 64] & word_mask(base, from, to));
	return count;
}

/* --- pieces --- */

enum frag_place frag_queue_insert(struct frag_queue *queue, struct pkt *pkt)
{
	uint32_t offset = pkt->l.frag_off, end = offset + pkt->l.l4_len;
	uint32_t from = offset / UNIT, to = (end + UNIT - 1) / UNIT;
	bool starts_run = true;

	if (end == offset)
		return FRAG_DUPLICATE;		/* its header promised more than there is */
	if (!units_grow(queue, to))
		return FRAG_NO_MEMORY;
	if (queue->piece_count && queue->tail_end < end) {
		if (offset < queue->tail_end)
			return FRAG_OVERLAP;
		starts_run = offset > queue->tail_end;
	} else if (queue->piece_count) {
		uint32_t there = bits_count(queue->covered, from, to);

		if (there == to - from && bits_count(queue->run_start, from + 1, to) == 0)
			return FRAG_DUPLICATE;
		if (there)
			return FRAG_OVERLAP;
		queue->in_order = false;
	}
	bits_set(queue->covered, from, to);
	if (starts_run)
		bits_set(queue->run_start, from, from + 1);
	queue->tail_end = MAX_OF(queue->tail_end, end);
	queue->meat += pkt->l.l4_len;
	queue->piece_count++;
	if (pkt->in)
		queue->in = pkt->in;
	if (offset == 0)
		queue->flags |= FRAG_FIRST_IN;
	/* as much as the kernel's buffer of a received frame of this size */
	pkt->frag_charge = ALIGN_UP(pkt->mac_len + pkt->len + 64u, 64u) + 576;
	queue->frags->mem += pkt->frag_charge;
	pkt->hook = NULL;
	list_append(&queue->pieces, &pkt->node);
	return FRAG_PLACED;
}

struct pkt *frag_queue_first(struct frag_queue *queue)
{
	list_for_each(node, &queue->pieces) {
		struct pkt *piece = list_entry(node, struct pkt, node);

		if (piece->l.frag_off == 0)
			return piece;
	}
	return NULL;
}

uint8_t frag_queue_ecn(const struct frag_queue *queue)
{
	enum { NOT_ECT = 1 << 0, CE = 1 << 3, CE_CODE = 3 };

	if (queue->ecn & NOT_ECT)
		return queue->ecn == NOT_ECT ? 0 : ECN_BROKEN;
	/* congestion on the way of some pieces only; all of them with CE say so themselves */
	return queue->ecn & CE && queue->ecn != CE ? CE_CODE : 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct pkt *const *x = a, *const *y = b;

	return (int)(*x)->l.frag_off - (int)(*y)->l.frag_off;
}

static struct pkt *glue(struct frag_queue *queue, struct pkt *pkt, struct pkt **pieces, uint32_t header_len)
{
	struct instance *inst = queue->frags->defrag->inst;
	struct pkt *first = pieces[0], *whole = pkt_new_like(inst, first, header_len + queue->len);
	uint8_t *at;

	if (!whole)
		return NULL;
	if (queue->piece_count > 1) {
		whole->piece_len = malloc(queue->piece_count * sizeof(*whole->piece_len));
		if (!whole->piece_len) {
			pkt_free(inst, whole);
			return NULL;
		}
		whole->piece_count = (uint16_t)queue->piece_count;
	}
	memcpy(whole->data, first->data, header_len);
	at = whole->data + header_len;
	for (uint32_t i = 0; i < queue->piece_count; i++) {
		memcpy(at, pieces[i]->data + pieces[i]->l.l4_off, pieces[i]->l.l4_len);
		at += pieces[i]->l.l4_len;
		if (whole->piece_len)
			whole->piece_len[i] = pieces[i]->l.l4_len;
	}
	whole->in = pkt->in;
	whole->stamp_ns = pkt->stamp_ns;
	whole->serial = pkt->serial;
	whole->is_sum_good = false;
	whole->flags = (whole->flags & ~PKT_FLAG_CSUM_TRUSTED) | PKT_FLAG_REASSEMBLED;
	return whole;
}

int frag_queue_assemble(struct frag_queue *queue, struct pkt *pkt, uint32_t header_len)
{
	struct instance *inst = queue->frags->defrag->inst;
	struct pkt *few[16], **pieces = few, *whole = NULL;
	uint32_t count = 0;

	if (queue->piece_count > ARRAY_SIZE(few))
		pieces = malloc(queue->piece_count * sizeof(*pieces));
	if (pieces) {
		list_for_each(node, &queue->pieces)
			pieces[count++] = list_entry(node, struct pkt, node);
		if (!queue->in_order)
			qsort(pieces, count, sizeof(*pieces), by_offset);
		whole = glue(queue, pkt, pieces, header_len);
		if (pieces != few)
			free(pieces);
	}
	if (!whole) {
		frag_queue_kill(queue, DROP_NO_MEMORY);
		return -ENOMEM;
	}
	queue_unlink(queue);
	while (!list_is_empty(&queue->pieces)) {
		struct pkt *piece = list_entry(queue->pieces.next, struct pkt, node);

		list_remove(&piece->node);
		queue->frags->mem -= piece->frag_charge;
		if (piece != pkt)
			pkt_free(inst, piece);	/* lives on in the whole: not dropped */
	}
	queue_free(queue);
	pkt_become(inst, pkt, whole);
	return 0;
}

/* --- sources --- */

struct frag_peer *frag_peer_get(struct defrag *defrag, be32 saddr)
{
	struct frag_peer **bucket = &defrag->peer[siphash(&saddr, sizeof(saddr), &defrag->inst->hash_key) % FRAG_BUCKETS];
	struct frag_peer *peer;

	for (peer = *bucket; peer; peer = peer->next) {
		if (peer->saddr == saddr) {
			peer->refs++;
			return peer;
		}
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->saddr = saddr;
	peer->refs = 1;
	peer->next = *bucket;
	*bucket = peer;
	return peer;
}

void frag_peer_put(struct defrag *defrag, struct frag_peer *peer)
{
	struct frag_peer **at;

	if (--peer->refs)
		return;
	at = &defrag->peer[siphash(&peer->saddr, sizeof(peer->saddr), &defrag->inst->hash_key) % FRAG_BUCKETS];
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	free(peer);
}
