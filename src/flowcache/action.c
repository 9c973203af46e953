/*
 * flowcache/action.c - actions: kept once each, and what they do to a packet's bytes.
 * Numbers are never used twice: a connection that remembers one whose slot has another occupant now remembers nothing.
 */
#include <stdlib.h>

#include "base/bigmem.h"
#include "flowcache/flowcache_internal.h"
#include "flowcache/rewrite.h"

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t word, h = hash;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	for (; len; len--)
		h = (h ^ *at++) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32);
}

static void forget(struct flowcache *cache, struct flow_action *action)
{
	uint32_t slot = action->id % FLOW_SLOTS, *at = &cache->buckets[action->hash % FLOW_SLOTS];

	while (*at != slot + 1)
		at = &cache->slots[*at - 1].next;
	*at = action->next;
	tally_close(&action->tally);
	action->id = 0;
}

void flow_forget_all(struct instance *inst)
{
	struct flowcache *cache = inst->flow;

	for (uint32_t i = 0; i < FLOW_SLOTS && cache->slots; i++)
		if (cache->slots[i].id)
			forget(cache, &cache->slots[i]);
	flow_first_forget(inst);
}

static bool is_equal(const struct flow_action *action, const struct flow_fit *fit, const struct flow_result *result,
		     struct xt_counters *const *counted, uint32_t count)
{
	return !memcmp(&action->fit, fit, sizeof(*fit)) && !memcmp(&action->result, result, sizeof(*result)) &&
	       action->tally.count == count && !memcmp(action->tally.counted, counted, count * sizeof(*counted));
}

uint32_t flow_action_get(struct instance *inst, const struct flow_fit *fit, const struct flow_result *result,
			 struct xt_counters *const *counted, uint32_t count)
{
	struct flowcache *cache = inst->flow;
	uint32_t hash = hash_bytes(0, fit, sizeof(*fit));
	struct flow_action *action;

	hash = hash_bytes(hash, result, sizeof(*result));
	hash = hash_bytes(hash, counted, count * sizeof(*counted));
	if (!cache->slots)
		cache->slots = bigmem_alloc_small(FLOW_SLOTS * sizeof(*cache->slots));
	if (!cache->slots)
		return 0;
	for (uint32_t at = cache->buckets[hash % FLOW_SLOTS]; at; at = action->next) {
		action = &cache->slots[at - 1];
		if (action->hash == hash && is_equal(action, fit, result, counted, count))
			return action->id;
	}
	if (cache->last_id == UINT32_MAX)
		return 0;		/* four thousand million ways: enough is enough */
	action = &cache->slots[(cache->last_id + 1) % FLOW_SLOTS];
	if (action->id)
		forget(cache, action);
	if (!tally_open(inst, &action->tally, counted, count))
		return 0;
	action->id = ++cache->last_id;
	action->fit = *fit;
	action->result = *result;
	action->hash = hash;
	action->next = cache->buckets[hash % FLOW_SLOTS];
	cache->buckets[hash % FLOW_SLOTS] = action->id % FLOW_SLOTS + 1;
	return action->id;
}

/* --- bytes --- */

void flow_put_echo(uint8_t *l4, be16 id, uint64_t sum)
{
	uint16_t check = flow_read16(l4 + 2);

	check = flow_fold((uint16_t)~check + flow_change(sum, flow_read16(l4 + 4), id));
	memcpy(l4 + 2, &check, 2);
	memcpy(l4 + 4, &id, 2);
}

void flow_put_fields4(uint8_t *data, const struct flow_result *result, uint64_t sum)
{
	uint32_t ttl_proto_check = flow_read32(data + 8);
	bool forwards = result->way == FLOW_FORWARD;
	uint16_t ttl_proto = (uint16_t)ttl_proto_check, to = ttl_proto;

	if (result->sets_tos) {
		sum = flow_change(sum, (uint32_t)data[1] << 8, (uint32_t)result->tos << 8);
		data[1] = result->tos;
	}
	if (result->sets_ttl)
		to = (uint16_t)((ttl_proto & 0xff00) | result->ttl);
	else if (forwards)
		to--;
	if (!sum && !forwards && !result->sets_ttl)
		return;
	sum = flow_change(sum + (uint16_t)~(ttl_proto_check >> 16), ttl_proto, to);
	ttl_proto_check = to | (uint32_t)flow_fold(sum) << 16;
	memcpy(data + 8, &ttl_proto_check, 4);
}

static inline uint64_t put_addr6(uint8_t *at, const union nf_inet_addr *to)
{
	uint64_t sum = 0;

	for (int i = 0; i < 4; i++)
		sum = flow_change(sum, flow_read32(at + 4 * i), to->all[i]);
	memcpy(at, to, 16);
	return sum;
}

static inline uint64_t put_port(uint8_t *at, be16 to)
{
	uint64_t sum = flow_change(0, flow_read16(at), to);

	memcpy(at, &to, sizeof(to));
	return sum;
}

static void rewrite_ip6(uint8_t *data, const struct ct_tuple *back, bool src, bool dst, const struct flow_result *result)
{
	uint8_t *l4 = data + sizeof(struct ipv6hdr);
	uint64_t sum = 0;

	if (src)
		sum += put_addr6(data + offsetof(struct ipv6hdr, saddr), &back->dst);
	if (dst)
		sum += put_addr6(data + offsetof(struct ipv6hdr, daddr), &back->src);
	if (unlikely(back->proto == IPPROTO_ICMPV6)) {
		if (src || dst)
			flow_put_echo(l4, back->src_l4.icmp_id, sum);
	} else {
		if (src)
			sum += put_port(l4, back->dst_l4.port);
		if (dst)
			sum += put_port(l4 + 2, back->src_l4.port);
		if (src || dst)
			flow_put_l4_sum(l4, back->proto, sum);
	}
	if (result->sets_tos)
		put_be16(data, (uint16_t)((get_be16(data) & 0xf00f) | result->tos << 4));
	if (result->sets_ttl)
		data[offsetof(struct ipv6hdr, hop_limit)] = result->ttl;
	else if (result->way == FLOW_FORWARD)
		data[offsetof(struct ipv6hdr, hop_limit)]--;
}

void flow_rewrite(uint8_t *data, const struct ct *ct, int dir, const struct flow_result *result)
{
	/* Answers show the mapping: where they come from is where this packet goes. */
	const struct ct_tuple *back = ct_tuple(ct, !dir);
	bool src = ct->status & (dir == IP_CT_DIR_ORIGINAL ? IPS_SRC_NAT : IPS_DST_NAT);
	bool dst = ct->status & (dir == IP_CT_DIR_ORIGINAL ? IPS_DST_NAT : IPS_SRC_NAT);

	if (back->family == NFPROTO_IPV4)
		flow_rewrite4(data, ct, dir, back->proto, result);
	else
		rewrite_ip6(data, back, src, dst, result);
}
