/*
 * nat/source.c - connections by the source of their first packet.
 * One internal socket should look like one external socket to everybody: a new connection from a source that
 * has a mapping takes the same mapping where it can. Newest mappings are asked first.
 */
#include <stdlib.h>

#include "nat/nat_internal.h"

enum { FIRST_BUCKETS = 1024 };

struct source_key {
	union nf_inet_addr addr;
	be16 l4;
	uint16_t zone;
	uint8_t family, proto, pad[2];
};

static uint32_t source_hash(const struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple)
{
	struct source_key key = {
		.addr = tuple->src, .l4 = tuple->src_l4.all, .family = tuple->family, .proto = tuple->proto,
		/* a zone of one direction cannot tell sources apart */
		.zone = zone->dir == CT_ZONE_DIR_BOTH ? zone->id : 0,
	};

	return (uint32_t)siphash(&key, sizeof(key), &inst->hash_key);
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

static struct list *buckets_new(uint32_t count)
{
	struct list *buckets = malloc(count * sizeof(*buckets));

	for (uint32_t i = 0; buckets && i < count; i++)
		list_init(&buckets[i]);
	return buckets;
}

bool nat_source_index_new(struct nat *nat)
{
	nat->by_source = buckets_new(FIRST_BUCKETS);
	nat->bucket_mask = FIRST_BUCKETS - 1;
	return nat->by_source != NULL;
}

/* Twice the buckets; without memory the chains just stay long. */
static void index_grow(struct instance *inst, struct nat *nat)
{
	uint32_t old_count = nat->bucket_mask + 1;
	struct list *wider = buckets_new(2 * old_count);

	if (!wider)
		return;
	for (uint32_t i = 0; i < old_count; i++) {
		struct list *from = &nat->by_source[i];

		while (!list_is_empty(from)) {		/* oldest first, so that the newest ends up in front */
			struct ct *ct = list_entry(from->prev, struct ct, by_source);
			uint32_t hash = source_hash(inst, &ct->zone, ct_tuple(ct, IP_CT_DIR_ORIGINAL));

			list_remove(&ct->by_source);
			list_push(&wider[hash & (2 * old_count - 1)], &ct->by_source);
		}
	}
	free(nat->by_source);
	nat->by_source = wider;
	nat->bucket_mask = 2 * old_count - 1;
}

void nat_source_add(struct instance *inst, struct ct *ct)
{
	struct nat *nat = inst->nat;
	uint32_t hash = source_hash(inst, &ct->zone, ct_tuple(ct, IP_CT_DIR_ORIGINAL));

	if (ct->by_source.next)
		return;
	if (nat->source_count > nat->bucket_mask)
		index_grow(inst, nat);
	list_push(&nat->by_source[hash & nat->bucket_mask], &ct->by_source);
	nat->source_count++;
}

void nat_ct_freed(struct instance *inst, struct ct *ct)
{
	if (!ct->by_source.next)
		return;
	list_remove(&ct->by_source);
	ct->by_source.next = NULL;
	if (inst->nat)
		inst->nat->source_count--;
}

bool nat_source_find(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple,
		     const struct nf_nat_range2 *range, struct ct_tuple *result)
{
	struct nat *nat = inst->nat;
	struct list *bucket = &nat->by_source[source_hash(inst, zone, tuple) & nat->bucket_mask];

	list_for_each(node, bucket) {
		const struct ct *ct = list_entry(node, struct ct, by_source);

		if (!is_same_source(ct, zone, tuple) || !ct_tuple_invert(result, ct_tuple(ct, IP_CT_DIR_REPLY)))
			continue;
		result->dst = tuple->dst;
		result->dst_l4 = tuple->dst_l4;
		if (nat_range_holds_source(range, result))
			return true;
	}
	return false;
}
