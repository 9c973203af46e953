/*
 * conntrack/table.c - one hash table for both directions of every connection.
 * It doubles when it has as many nodes as buckets; each insert then moves a few old buckets, so that no
 * packet ever waits for the whole table. The hash is keyed: remote people choose the tuples.
 */
#include <stdlib.h>

#include "base/bigmem.h"
#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/timeout.h"
#include "conntrack/user_helper.h"
#include "nat/nat.h"

enum {
	CT_NODES_PER_BUCKET = 1,	/* before it doubles: 16 bytes a connection, also while it does */
	CT_MOVE_PER_INSERT = 1,		/* done before the next doubling */
	CT_MOVE_AT_ONCE = 32,		/* so many together: their memory arrives together */
};

/* The direction is not part of the key, the zone is. IPv4 is two words: the family in the last one keeps them apart. */
uint32_t ct_hash(const struct ct_table *table, const struct ct_tuple *tuple, uint16_t zone_id)
{
	uint64_t words[5];
	size_t count = 0;

	_Static_assert(sizeof(struct ct_tuple) == 40, "a tuple is five words");
	if (tuple->family == NFPROTO_IPV4) {
		words[count++] = (uint64_t)tuple->src.ip << 32 | tuple->dst.ip;
	} else {
		memcpy(words, tuple, 32);
		count = 4;
	}
	words[count++] = (uint64_t)tuple->src_l4.all << 48 | (uint64_t)tuple->dst_l4.all << 32 | (uint64_t)zone_id << 16 |
			 (uint64_t)tuple->family << 8 | tuple->proto;
	return (uint32_t)siphash_words(words, count, &table->key);
}

uint32_t ct_node_hash(const struct ct_table *table, struct ct_node *node)
{
	/* The record need not be touched for a zone that nobody uses. */
	if (!table->has_zones)
		return ct_hash(table, &node->tuple, 0);
	return ct_hash(table, &node->tuple, ct_zone_id(&ct_of_node(node)->zone, node->tuple.dir));
}

static inline void link_push(ct_link *head, struct ct_node *node, uint32_t hash)
{
	node->next = *head;
	*head = (uintptr_t)node | (*head & ~(uint64_t)0 << CT_LINK_SHIFT) | ct_link_bit(hash);
}

static void move_bucket(struct ct_table *table)
{
	struct ct_node *node = ct_link_node(table->old_buckets[table->moved]), *next, *turned = NULL;

	/* Bucket i becomes 2i and 2i+1. Turned round and pushed one by one, they keep their order. */
	for (; node; node = next) {
		next = ct_link_node(node->next);
		node->next = (uintptr_t)turned;
		turned = node;
	}
	for (node = turned; node; node = next) {
		uint32_t hash = ct_node_hash(table, node);

		next = ct_link_node(node->next);
		link_push(&table->buckets[hash >> (32 - table->bits)], node, hash);
	}
	table->moved++;
}

/* What was moved is read no more: its large pages go back as the new table's come. */
static void release_moved(struct ct_table *table, uint32_t begin)
{
	const size_t bucket = sizeof(*table->old_buckets), page = BIGMEM_PAGE / bucket;

	if (begin / page != table->moved / page)
		bigmem_release(table->old_buckets, bucket << table->old_bits, begin / page * BIGMEM_PAGE, table->moved * bucket);
}

static void move_some(struct ct_table *table, uint32_t count)
{
	uint32_t end = 1u << table->old_bits, stop = count < end - table->moved ? table->moved + count : end, begin = table->moved;

	while (table->moved < stop) {
		uint32_t until = MIN_OF(stop, table->moved + CT_MOVE_AT_ONCE);

		for (uint32_t i = table->moved; i < until; i++) {
			struct ct_node *node = ct_link_node(table->old_buckets[i]);

			if (!node)
				continue;
			__builtin_prefetch(node, 1);
			__builtin_prefetch(&node->tuple.dir);
		}
		for (uint32_t i = table->moved; i < until; i++)
			if (table->old_buckets[i])
				__builtin_prefetch(ct_link_node(ct_link_node(table->old_buckets[i])->next), 1);
		while (table->moved < until)
			move_bucket(table);
	}
	release_moved(table, begin);
	if (table->moved == end) {
		table->retired[table->old_bits] = table->old_buckets;	/* its large pages are gone already */
		table->old_buckets = NULL;
	}
}

void ct_retired_free(struct ct_table *table)
{
	for (unsigned int bits = 0; bits < CT_BITS_MAX; bits++) {
		bigmem_free(table->retired[bits], sizeof(*table->buckets) << bits);
		free(table->retired_chunks[bits]);
		table->retired[bits] = table->retired_chunks[bits] = NULL;
	}
}

static void grow(struct ct_table *table)
{
	ct_link *buckets = bigmem_alloc(2 * sizeof(*buckets) << table->bits);

	if (!buckets)
		return;		/* longer chains, nothing worse */
	table->old_buckets = table->buckets;
	table->old_bits = table->bits;
	__atomic_store_n(&table->buckets, buckets, __ATOMIC_RELAXED);	/* ct_window() */
	__atomic_store_n(&table->bits, table->bits + 1, __ATOMIC_RELEASE);
	table->moved = 0;
	table->move_debt = 0;
}

int ct_table_reserve(struct instance *inst, uint32_t count)
{
	struct ct_table *table = inst->ct;
	const uint64_t nodes = (uint64_t)count * IP_CT_DIR_MAX;

	if (table->old_buckets)
		move_some(table, UINT32_MAX);
	while ((uint64_t)CT_NODES_PER_BUCKET << table->bits < nodes && table->bits < CT_BITS_MAX) {
		grow(table);
		if (!table->old_buckets)
			return -ENOMEM;
		move_some(table, UINT32_MAX);
	}
	bigmem_touch(table->buckets, sizeof(*table->buckets) << table->bits);
	if (ct_records_reserve(table, count))
		return -ENOMEM;
	return inst->nat ? nat_reserve(inst, count) : 0;
}

void ct_table_insert(struct ct_table *table, struct ct_node *node, uint32_t hash)
{
	if (table->old_buckets) {
		table->move_debt += CT_MOVE_PER_INSERT;
		if (table->move_debt >= CT_MOVE_AT_ONCE) {
			move_some(table, table->move_debt);
			table->move_debt = 0;
		}
	} else if (table->nodes >> table->bits >= CT_NODES_PER_BUCKET && table->bits < CT_BITS_MAX) {
		grow(table);
	}
	link_push(ct_bucket(table, hash), node, hash);
	table->nodes++;
}

void ct_table_remove(struct ct_table *table, struct ct_node *node)
{
	for (ct_link *at = ct_bucket(table, ct_node_hash(table, node)); *at; at = &ct_link_node(*at)->next) {
		if (ct_link_node(*at) == node) {
			*at = node->next;	/* links before this one keep its bit until they are written anew */
			node->next = 0;
			table->nodes--;
			return;
		}
	}
}

/* @hash is that of @tuple with the zone id that @zone has in one of its directions. */
struct ct_node *ct_table_find(const struct ct_table *table, const struct ct_zone *zone, const struct ct_tuple *tuple,
			      uint32_t hash)
{
	for (struct ct_node *node = ct_link_towards(*ct_bucket(table, hash), hash); node; node = ct_link_towards(node->next, hash))
		if (ct_tuple_equal(&node->tuple, tuple) &&
		    ct_zone_id(&ct_of_node(node)->zone, node->tuple.dir) == ct_zone_id(zone, node->tuple.dir))
			return node;
	return NULL;
}

struct ct_table *ct_table_new(struct instance *inst)
{
	struct ct_table *table = calloc(1, sizeof(*table));
	extern const struct ct_proto ct_proto_generic;

	if (!table)
		return NULL;
	table->bits = CT_BITS_MIN;
	table->buckets = bigmem_alloc(sizeof(*table->buckets) << table->bits);
	ct_wheel_init(inst, &table->wheel);
	ct_expects_init(&table->expects);
	list_init(&table->policies);
	list_init(&table->user_helpers);
	for (int i = 0; i < 2; i++)
		table->key.k[i] = rng_u64(&inst->rng);
	table->id_mask = rng_u32(&inst->rng);
	for (int i = 0; i < 256; i++)
		table->protos[i] = &ct_proto_generic;
	for (const struct ct_proto *const *proto = ct_protos; *proto; proto++)
		table->protos[(*proto)->number] = *proto;
	if (!table->buckets || ct_sysctls_register(inst, table) || ct_proc_register(inst)) {
		ct_table_free(inst, table);
		return NULL;
	}
	return table;
}

static void free_extra(struct ct_extra *extra)
{
	if (extra) {
		ct_policy_put(extra->policy);
		nat_cone_put(extra->cone);
		nat_cone_put(extra->hairpin_cone);
		free(extra->help);
	}
	free(extra);
}

void ct_table_free(struct instance *inst, struct ct_table *table)
{
	if (!table)
		return;
	timer_cancel(inst->timers, &table->wheel.timer);
	timer_cancel(inst->timers, &table->gc);
	ct_expects_free(inst, &table->expects);
	ct_gre_keys_free(table);
	/* Nobody listens any more: no events, no references to count. */
	for (uint32_t k = 0; k < table->chunk_count; k++)
		for (uint32_t i = 0; i < table->chunks[k]->used; i++)
			if (table->chunks[k]->records[i].refs)
				free_extra(table->chunks[k]->records[i].extra);
	ct_records_free(table);
	for (int i = 0; i < 256; i++)
		free(table->timeouts_sec[i]);
	for (int i = 0; i < CT_LABELS; i++)
		free(table->label_names[i]);
	ct_policies_free(table);
	ct_user_helpers_free(table);
	ct_retired_free(table);
	bigmem_free(table->old_buckets, sizeof(*table->old_buckets) << table->old_bits);
	bigmem_free(table->buckets, sizeof(*table->buckets) << table->bits);
	free(table);
}

const struct ct_stats *ct_stats(const struct instance *inst) { return &inst->ct->stats; }
uint32_t ct_count(const struct instance *inst) { return inst->ct->count; }
uint32_t ct_count_peak(const struct instance *inst) { return inst->ct->count_peak; }

const struct ct_proto *ct_proto_of(const struct instance *inst, uint8_t number)
{
	return inst->ct->protos[number];
}

uint32_t ct_id(const struct instance *inst, const struct ct *ct)
{
	/* One to one, so no two living ones are equal; the multiplier is odd. */
	return (ct->serial ^ inst->ct->id_mask) * 0x9e3779b1u;
}

static int by_serial(const void *a, const void *b)
{
	const struct ct *x = *(struct ct *const *)a, *y = *(struct ct *const *)b;

	return (int32_t)(x->serial - y->serial) < 0 ? -1 : 1;
}

bool ct_is_listed(const struct ct *ct)
{
	return ct->refs && ct_is_confirmed(ct) && !ct_is_dying(ct) &&
	       !(ct->status & (CT_STATUS_NAT_CLASH | IPS_TEMPLATE));
}

/* A share of each is held while it goes on: visits may end any of them. */
void ct_each(struct instance *inst, bool (*visit)(void *priv, struct ct *ct), void *priv)
{
	struct ct **found = malloc((inst->ct->count + 1) * sizeof(struct ct *));
	size_t n = 0;
	bool more = true, is_sorted = true;

	if (!found)
		return;
	for (uint32_t k = 0; k < inst->ct->chunk_count; k++) {
		struct ct_chunk *chunk = inst->ct->chunks[k];

		for (uint32_t i = 0; i < chunk->used; i++) {
			if (!ct_is_listed(&chunk->records[i]))
				continue;
			found[n] = &chunk->records[i];
			is_sorted &= !n || by_serial(&found[n - 1], &found[n]) < 0;
			ct_get(found[n++]);
		}
	}
	if (!is_sorted)
		qsort(found, n, sizeof(*found), by_serial);
	for (size_t i = 0; i < n; i++) {
		struct ct *ct = found[i];

		if (!more || ct_is_dying(ct)) {
			ct_put(inst, ct);
			continue;
		}
		ct_put(inst, ct);
		more = visit(priv, ct);
	}
	free(found);
}
