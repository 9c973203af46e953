/*
 * nat/source.c - connections by the source of their first packet.
 * One internal socket should look like one external socket to everybody: a new connection from a source that
 * has a mapping takes the same mapping where it can. Newest mappings are asked first.
 *
 * A bucket is a pointer to the first connection and, in its upper 16 bits, a bit for each source in the chain: most sources
 * that nobody has are known by the bucket alone. Bits of those who left go when the chain is empty, or was searched in vain.
 */
#include "base/bigmem.h"
#include "nat/nat_internal.h"

enum {
	FIRST_BUCKETS = 1024,
	MOVE_EVERY = 16,		/* insertions, and then for all of them at once: memory arrives together */
	MOVE_PER_INSERT = 1,
	PER_BUCKET = 2,			/* connections, before there are more buckets */
};

enum { BITS_SHIFT = 48 };
static const uint64_t pointer_mask = (1ull << BITS_SHIFT) - 1;

static inline uint64_t source_bit(const struct ct_tuple *tuple)
{
	uint32_t addr = tuple->src.all[0] ^ tuple->src.all[1] ^ tuple->src.all[2] ^ tuple->src.all[3];

	return 1ull << (BITS_SHIFT + ((addr ^ (uint32_t)tuple->src_l4.all << 16 ^ tuple->proto) * 0x9e3779b1u >> 28));
}

static inline struct chain *chain_of(uint64_t link)
{
	return (struct chain *)(uintptr_t)(link & pointer_mask);
}

/* Links between two connections have no bits. */
static inline void source_insert(uint64_t *bucket, struct chain *node, uint64_t bit)
{
	node->next = chain_of(*bucket);
	node->at = (struct chain **)bucket;
	if (node->next)
		node->next->at = &node->next;
	*bucket = (uintptr_t)node | (*bucket & ~pointer_mask) | bit;
}

static inline void source_remove(struct chain *node)
{
	uint64_t *at = (uint64_t *)node->at;

	*at = node->next ? (uintptr_t)node->next | (*at & ~pointer_mask) : 0;
	if (node->next)
		node->next->at = node->at;
	node->next = NULL;
	node->at = NULL;
}

static uint32_t source_hash(const struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple)
{
	/* a zone of one direction cannot tell sources apart */
	uint16_t zone_id = zone->dir == CT_ZONE_DIR_BOTH ? zone->id : 0;
	uint64_t key[3] = { (uint64_t)tuple->family << 48 | (uint64_t)tuple->proto << 32 | (uint32_t)zone_id << 16 |
			    tuple->src_l4.all };
	size_t count = 1;

	if (tuple->family == NFPROTO_IPV4) {
		key[count++] = tuple->src.ip;
	} else {
		memcpy(&key[1], &tuple->src, 16);
		count = 3;
	}
	return (uint32_t)siphash_words(key, count, &inst->hash_key);
}

/* The hash of @tuple, one that @ct may get; its packet's burst may have found out that of its source. */
static uint32_t hash_of_new(const struct instance *inst, const struct ct *ct, const struct ct_tuple *tuple)
{
	const struct ct_tuple *own = ct_tuple(ct, IP_CT_DIR_ORIGINAL);

	if (!ct->by_source.at && ct->early.source_hash && tuple->src.ip == own->src.ip &&
	    tuple->src_l4.all == own->src_l4.all)
		return ct->early.source_hash;
	return source_hash(inst, &ct->zone, tuple);
}

static uint16_t zone_of_original(const struct ct_zone *zone)
{
	return zone->dir & CT_ZONE_DIR_ORIGINAL ? zone->id : 0;
}

static bool is_same_source(const struct ct *ct, const struct ct_zone *zone, const struct ct_tuple *tuple)
{
	const struct ct_tuple *original = ct_tuple(ct, IP_CT_DIR_ORIGINAL);

	return original->proto == tuple->proto && original->family == tuple->family &&
	       original->src_l4.all == tuple->src_l4.all && ct_addr_equal(&original->src, &tuple->src) &&
	       zone_of_original(&ct->zone) == zone_of_original(zone) &&
	       (ct->zone.dir == CT_ZONE_DIR_BOTH ? ct->zone.id : 0) == (zone->dir == CT_ZONE_DIR_BOTH ? zone->id : 0);
}

static uint64_t *buckets_new(uint32_t count)
{
	return bigmem_alloc(count * sizeof(uint64_t));
}

static void buckets_free(uint64_t *buckets, uint32_t count)
{
	bigmem_free(buckets, count * sizeof(*buckets));
}

bool nat_source_index_new(struct nat *nat)
{
	nat->by_source = buckets_new(FIRST_BUCKETS);
	nat->bucket_mask = FIRST_BUCKETS - 1;
	return nat->by_source != NULL;
}

/* Connections that outlive the index must not reach back into it. */
static void buckets_let_go(uint64_t *buckets, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		while (buckets[i])
			source_remove(chain_of(buckets[i]));
	buckets_free(buckets, count);
}

void nat_source_index_free(struct nat *nat)
{
	buckets_let_go(nat->by_source, nat->bucket_mask + 1);
	if (nat->old_by_source)
		buckets_let_go(nat->old_by_source, (nat->bucket_mask + 1) / 2);
}

static uint64_t *bucket_of(const struct nat *nat, uint32_t hash)
{
	uint32_t old = hash & nat->bucket_mask / 2;

	if (nat->old_by_source && old >= nat->moved)
		return &nat->old_by_source[old];
	return &nat->by_source[hash & nat->bucket_mask];
}

/* It becomes two, which nobody has used before; order within is kept. */
static void move_bucket(struct instance *inst, struct nat *nat)
{
	struct chain *node = chain_of(nat->old_by_source[nat->moved]), *last = NULL;

	for (; node; node = node->next)
		last = node;
	while (last) {		/* from the end on, each to the front */
		struct ct *ct = list_entry(last, struct ct, by_source);
		const struct ct_tuple *tuple = ct_tuple(ct, IP_CT_DIR_ORIGINAL);
		bool is_first = last->at == (struct chain **)&nat->old_by_source[nat->moved];

		node = is_first ? NULL : container_of(last->at, struct chain, next);
		source_remove(last);
		source_insert(&nat->by_source[source_hash(inst, &ct->zone, tuple) & nat->bucket_mask], last, source_bit(tuple));
		last = node;
	}
	nat->moved++;
}

static void move_some(struct instance *inst, struct nat *nat)
{
	uint32_t count = (nat->bucket_mask + 1) / 2, until = MIN_OF(count, nat->moved + MOVE_EVERY * MOVE_PER_INSERT);

	for (uint32_t i = nat->moved; i < until; i++) {
		const struct chain *first = chain_of(nat->old_by_source[i]);

		if (first) {
			const struct ct *ct = list_entry(first, struct ct, by_source);

			__builtin_prefetch(first, 1);
			__builtin_prefetch(ct);
			__builtin_prefetch(&ct->zone);
		}
	}
	while (nat->moved < until)
		move_bucket(inst, nat);
	if (nat->moved < count)
		return;
	buckets_free(nat->old_by_source, count);
	nat->old_by_source = NULL;
}

/* Twice the buckets, filled little by little; without memory the chains just stay long. */
static void index_grow(struct nat *nat)
{
	uint32_t count = nat->bucket_mask + 1;
	uint64_t *wider = buckets_new(2 * count);

	if (!wider)
		return;
	nat->old_by_source = nat->by_source;
	nat->by_source = wider;
	nat->bucket_mask = 2 * count - 1;
	nat->moved = 0;
}

void nat_source_add(struct instance *inst, struct ct *ct)
{
	struct nat *nat = inst->nat;
	uint32_t hash;

	if (ct->by_source.at)
		return;
	hash = hash_of_new(inst, ct, ct_tuple(ct, IP_CT_DIR_ORIGINAL));
	if (!nat->old_by_source && nat->source_count / PER_BUCKET > nat->bucket_mask)
		index_grow(nat);
	else if (nat->old_by_source && ++nat->move_debt % MOVE_EVERY == 0)
		move_some(inst, nat);
	ct->hash.guess = 0;	/* whose address gives way */
	source_insert(bucket_of(nat, hash), &ct->by_source, source_bit(ct_tuple(ct, IP_CT_DIR_ORIGINAL)));
	nat->source_count++;
}

const uint64_t *nat_source_prefetch(struct instance *inst, const struct ct_tuple *tuple, uint32_t *hash)
{
	static const struct ct_zone zone = { 0, 0, CT_ZONE_DIR_BOTH };
	struct nat *nat = inst->nat;
	const uint64_t *bucket = bucket_of(nat, *hash = source_hash(inst, &zone, tuple));

	__builtin_prefetch(bucket, 1);
	return bucket;
}

void nat_source_prefetch_first(const uint64_t *bucket, const struct ct_tuple *tuple)
{
	const struct chain *first = chain_of(*bucket);

	if (!first)
		return;
	__builtin_prefetch(first, 1);	/* whoever comes before it is noted there */
	if (*bucket & source_bit(tuple))
		__builtin_prefetch(list_entry(first, struct ct, by_source));
}

void nat_ct_restored(struct instance *inst, struct ct *ct) { nat_source_add(inst, ct); }

void nat_ct_freed(struct instance *inst, struct ct *ct)
{
	if (!ct->by_source.at)
		return;
	source_remove(&ct->by_source);
	if (inst->nat)
		inst->nat->source_count--;
}

bool nat_source_find(struct instance *inst, const struct ct *asking, const struct ct_tuple *tuple,
		     const struct nf_nat_range2 *range, struct ct_tuple *result)
{
	const struct ct_zone *zone = &asking->zone;
	uint64_t *bucket = bucket_of(inst->nat, hash_of_new(inst, asking, tuple)), bits = 0;

	if (!(*bucket & source_bit(tuple)))
		return false;
	for (struct chain *node = chain_of(*bucket); node; node = node->next) {
		const struct ct *ct = list_entry(node, struct ct, by_source);

		bits |= source_bit(ct_tuple(ct, IP_CT_DIR_ORIGINAL));
		if (!is_same_source(ct, zone, tuple) || !ct_tuple_invert(result, ct_tuple(ct, IP_CT_DIR_REPLY)))
			continue;
		result->dst = tuple->dst;
		result->dst_l4 = tuple->dst_l4;
		if (nat_range_holds_source(range, result))
			return true;
	}
	*bucket = (*bucket & pointer_mask) | bits;
	return false;
}
