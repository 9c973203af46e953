/*
 * nat/source.c - connections by the source of their first packet.
 * One internal socket should look like one external socket to everybody: a new connection from a source that
 * has a mapping takes the same mapping where it can. Newest mappings are asked first.
 *
 * A bucket is the number of the first connection's record and, in its upper half, a bit for each source in the chain: most
 * sources that nobody has are known by the bucket alone. Bits of those who left go when the chain is empty, or was searched in vain.
 * Who is first has, for the one before it, the bucket's number.
 */
#include "base/bigmem.h"
#include "nat/nat_internal.h"

enum {
	FIRST_BUCKETS = 1024,
	MOVE_EVERY = 16,		/* insertions, and then for all of them at once: memory arrives together */
	MOVE_PER_INSERT = 1,
	PER_BUCKET = 2,			/* connections, before there are more buckets */
};

enum { BITS_SHIFT = 32 };

static inline uint64_t source_bit(const struct ct_tuple *tuple)
{
	uint32_t addr = tuple->src.all[0] ^ tuple->src.all[1] ^ tuple->src.all[2] ^ tuple->src.all[3];

	return 1ull << (BITS_SHIFT + ((addr ^ (uint32_t)tuple->src_l4.all << 16 ^ tuple->proto) * 0x9e3779b1u >> 27));
}

/* The first one; NULL: nobody. */
static inline struct ct *first_of(const struct instance *inst, uint64_t bucket)
{
	return (uint32_t)bucket ? ct_of_number(inst, (uint32_t)bucket) : NULL;
}

static inline struct ct *next_of(const struct instance *inst, const struct ct *ct)
{
	return ct->by_source.next ? ct_of_number(inst, ct->by_source.next) : NULL;
}

static inline uint64_t bucket_value(uint32_t first, uint64_t bits)
{
	return first ? first | (bits & ~(uint64_t)UINT32_MAX) : 0;
}

/* While there are two tables, a bucket's number is used by the old one or by the new one: none has moved and not moved. */
static inline uint64_t *bucket_at(const struct nat *nat, uint32_t at)
{
	bool is_old = nat->old_by_source && at >= nat->moved && at <= nat->bucket_mask / 2;

	return is_old ? &nat->old_by_source[at] : &nat->by_source[at];
}

/* In front of all others. */
static void source_insert(struct instance *inst, uint32_t at, struct ct *ct)
{
	uint64_t *bucket = bucket_at(inst->nat, at);
	struct ct *second = first_of(inst, *bucket);
	const uint32_t number = ct_number(ct);

	ct->by_source = (struct ct_links){ .next = (uint32_t)*bucket, .prev = CT_NUMBER_NONE | at };
	ct->has_source = true;
	if (second)
		second->by_source.prev = number;
	*bucket = bucket_value(number, *bucket | source_bit(ct_tuple(ct, IP_CT_DIR_ORIGINAL)));
}

static void source_remove(struct instance *inst, struct ct *ct)
{
	const struct ct_links links = ct->by_source;

	ct->has_source = false;
	if (links.next)
		ct_of_number(inst, links.next)->by_source.prev = links.prev;
	if (links.prev & CT_NUMBER_NONE) {
		uint64_t *bucket = bucket_at(inst->nat, links.prev & ~CT_NUMBER_NONE);

		*bucket = bucket_value(links.next, *bucket);
	} else {
		ct_of_number(inst, links.prev)->by_source.next = links.next;
	}
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

	if (!ct->has_source && ct->early.source_hash && tuple->src.ip == own->src.ip &&
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

/* Connections that outlive the index do not look back: nat_ct_freed(). */
void nat_source_index_free(struct nat *nat)
{
	nat_retired_free(nat);
	buckets_free(nat->by_source, nat->bucket_mask + 1);
	if (nat->old_by_source)
		buckets_free(nat->old_by_source, (nat->bucket_mask + 1) / 2);
}

static uint32_t place_of(const struct nat *nat, uint32_t hash)
{
	uint32_t old = hash & nat->bucket_mask / 2;

	return nat->old_by_source && old >= nat->moved ? old : hash & nat->bucket_mask;
}

static uint64_t *bucket_of(const struct nat *nat, uint32_t hash)
{
	return bucket_at(nat, place_of(nat, hash));
}

/* It becomes two, which nobody has used before; order within is kept. */
static void move_bucket(struct instance *inst, struct nat *nat)
{
	struct ct *ct = first_of(inst, nat->old_by_source[nat->moved]), *turned = NULL, *next;

	/* Turned round and put in front one by one, they keep their order. */
	for (; ct; ct = next) {
		next = next_of(inst, ct);
		ct->by_source.next = turned ? ct_number(turned) : 0;
		turned = ct;
	}
	nat->moved++;
	for (ct = turned; ct; ct = next) {
		next = next_of(inst, ct);
		source_insert(inst, source_hash(inst, &ct->zone, ct_tuple(ct, IP_CT_DIR_ORIGINAL)) & nat->bucket_mask, ct);
	}
}

static void move_some(struct instance *inst, struct nat *nat)
{
	const uint32_t count = (nat->bucket_mask + 1) / 2, until = MIN_OF(count, nat->moved + MOVE_EVERY * MOVE_PER_INSERT);
	const uint32_t begin = nat->moved, page = BIGMEM_PAGE / sizeof(*nat->old_by_source);

	for (uint32_t i = nat->moved; i < until; i++) {
		const struct ct *ct = first_of(inst, nat->old_by_source[i]);

		if (!ct)
			continue;
		__builtin_prefetch(ct);
		__builtin_prefetch(&ct->zone);
		__builtin_prefetch(&ct->by_source, 1);
	}
	while (nat->moved < until)
		move_bucket(inst, nat);
	/* What was moved is read no more; all of it at the end would take long. */
	if (begin / page != nat->moved / page)
		bigmem_release(nat->old_by_source, count * sizeof(*nat->old_by_source), begin / page * BIGMEM_PAGE,
			       nat->moved * sizeof(*nat->old_by_source));
	if (nat->moved < count)
		return;
	nat->retired[__builtin_ctz(count)] = nat->old_by_source;
	nat->old_by_source = NULL;
}

void nat_retired_free(struct nat *nat)
{
	for (unsigned int bits = 0; bits < ARRAY_SIZE(nat->retired); bits++) {
		if (nat->retired[bits])
			buckets_free(nat->retired[bits], 1u << bits);
		nat->retired[bits] = NULL;
	}
}

/* Twice the buckets, filled little by little; without memory the chains just stay long. */
static void index_grow(struct nat *nat)
{
	uint32_t count = nat->bucket_mask + 1;
	uint64_t *wider = buckets_new(2 * count);

	if (!wider)
		return;
	nat->old_by_source = nat->by_source;
	__atomic_store_n(&nat->by_source, wider, __ATOMIC_RELAXED);	/* nat_sources_hash() */
	__atomic_store_n(&nat->bucket_mask, 2 * count - 1, __ATOMIC_RELEASE);
	nat->moved = 0;
}

int nat_reserve(struct instance *inst, uint32_t count)
{
	struct nat *nat = inst->nat;

	for (;;) {
		while (nat->old_by_source)
			move_some(inst, nat);
		if (count / PER_BUCKET <= nat->bucket_mask)
			break;
		index_grow(nat);
		if (!nat->old_by_source)
			return -ENOMEM;
	}
	bigmem_touch(nat->by_source, (nat->bucket_mask + 1) * sizeof(*nat->by_source));
	return 0;
}

void nat_source_add(struct instance *inst, struct ct *ct)
{
	struct nat *nat = inst->nat;
	uint32_t hash;

	if (ct->has_source)
		return;
	hash = hash_of_new(inst, ct, ct_tuple(ct, IP_CT_DIR_ORIGINAL));
	if (!nat->old_by_source && nat->source_count / PER_BUCKET > nat->bucket_mask)
		index_grow(nat);
	else if (nat->old_by_source && ++nat->move_debt % MOVE_EVERY == 0)
		move_some(inst, nat);
	ct->hash.guess = 0;	/* whose address gives way */
	source_insert(inst, place_of(nat, hash), ct);
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

void nat_sources_hash(const struct instance *inst, struct pkt *const *pkts, unsigned int count, uint32_t *hashes)
{
	const uint32_t mask = __atomic_load_n(&inst->nat->bucket_mask, __ATOMIC_ACQUIRE);	/* of these buckets, or of half as many */
	const uintptr_t buckets = (uintptr_t)__atomic_load_n(&inst->nat->by_source, __ATOMIC_ACQUIRE);
	uint64_t first[PKT_BURST_MAX], second[PKT_BURST_MAX];

	if (!count)
		return;
	for (unsigned int i = 0; i < count; i++) {	/* as source_hash() has them */
		first[i] = (uint64_t)NFPROTO_IPV4 << 48 | (uint64_t)pkts[i]->l.l4proto << 32 | (uint16_t)pkts[i]->flow_ports;
		second[i] = (uint32_t)pkts[i]->flow_addrs;
	}
	siphash_pairs(first, second, count, &inst->hash_key, hashes);
	for (unsigned int i = 0; i < count; i++)
		__builtin_prefetch((const void *)(buckets + (uintptr_t)(hashes[i] & mask) * sizeof(uint64_t)), 1);
}

HINTS void nat_sources_hint(const struct instance *inst, const uint32_t *hashes, unsigned int count)
{
	const uint32_t mask = __atomic_load_n(&inst->nat->bucket_mask, __ATOMIC_ACQUIRE);
	const uint64_t *buckets = __atomic_load_n(&inst->nat->by_source, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < count; i++) {
		const uint32_t number = (uint32_t)*(const volatile uint64_t *)&buckets[hashes[i] & mask];
		const struct ct *first = number ? ct_hint_of_number(inst, number) : NULL;

		if (first)
			__builtin_prefetch(&first->by_source, 1);
	}
}

const uint64_t *nat_source_bucket(const struct instance *inst, uint32_t hash)
{
	return bucket_of(inst->nat, hash);
}

void nat_source_prefetch_first(struct instance *inst, const uint64_t *bucket, const struct ct_tuple *tuple)
{
	const struct ct *first = first_of(inst, *bucket);

	if (!first)
		return;
	__builtin_prefetch(&first->by_source, 1);	/* whoever comes before it is noted there */
	if (*bucket & source_bit(tuple))
		__builtin_prefetch(first);
}

void nat_ct_restored(struct instance *inst, struct ct *ct) { nat_source_add(inst, ct); }

void nat_ct_ending(const struct instance *inst, const struct ct *ct)
{
	if (ct->has_source && inst->nat && ct->by_source.prev & CT_NUMBER_NONE)
		__builtin_prefetch(bucket_at(inst->nat, ct->by_source.prev & ~CT_NUMBER_NONE), 1);
}

void nat_ct_freed(struct instance *inst, struct ct *ct)
{
	if (!ct->has_source || !inst->nat)
		return;
	source_remove(inst, ct);
	inst->nat->source_count--;
}

bool nat_source_find(struct instance *inst, const struct ct *asking, const struct ct_tuple *tuple,
		     const struct nf_nat_range2 *range, struct ct_tuple *result)
{
	const struct ct_zone *zone = &asking->zone;
	uint64_t *bucket = bucket_of(inst->nat, hash_of_new(inst, asking, tuple)), bits = 0;

	if (!(*bucket & source_bit(tuple)))
		return false;
	for (const struct ct *ct = first_of(inst, *bucket); ct; ct = next_of(inst, ct)) {
		bits |= source_bit(ct_tuple(ct, IP_CT_DIR_ORIGINAL));
		if (!is_same_source(ct, zone, tuple) || !ct_tuple_invert(result, ct_tuple(ct, IP_CT_DIR_REPLY)))
			continue;
		result->dst = tuple->dst;
		result->dst_l4 = tuple->dst_l4;
		if (nat_range_holds_source(range, result))
			return true;
	}
	*bucket = bucket_value((uint32_t)*bucket, bits);
	return false;
}
