/*
 * flowcache/action.c - actions: kept once each, and what they do to a packet's bytes.
 * Numbers are never used twice: a connection that remembers one whose slot has another occupant now remembers nothing.
 */
#include <stdlib.h>

#include "base/bigmem.h"
#include "flowcache/flowcache_internal.h"

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

void flow_forget_all(struct flowcache *cache)
{
	for (uint32_t i = 0; i < FLOW_SLOTS && cache->slots; i++)
		if (cache->slots[i].id)
			forget(cache, &cache->slots[i]);
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
		cache->slots = bigmem_alloc(FLOW_SLOTS * sizeof(*cache->slots));
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

/* RFC 1624 over many fields at once: what goes and what comes is gathered, the sum is folded once. */
static inline uint64_t change(uint64_t sum, uint32_t from, uint32_t to)
{
	return sum + (uint32_t)~from + to;
}

static inline uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static inline uint32_t read32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint16_t read16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint64_t put_addr(uint8_t *at, const union nf_inet_addr *to, unsigned int words, uint64_t sum)
{
	for (unsigned int i = 0; i < words; i++, at += 4) {
		sum = change(sum, read32(at), to->all[i]);
		memcpy(at, &to->all[i], 4);
	}
	return sum;
}

static inline uint64_t put_port(uint8_t *at, be16 to, uint64_t sum)
{
	sum = change(sum, read16(at), to);
	memcpy(at, &to, sizeof(to));
	return sum;
}

static void rewrite_ip4(uint8_t *data, const struct flow_result *result, uint64_t addrs)
{
	uint8_t *check = data + offsetof(struct iphdr, check);
	bool forwards = result->way == FLOW_FORWARD;
	uint64_t sum = (uint16_t)~read16(check) + addrs;
	uint32_t before = read32(data), ttl_before = read32(data + 8) & htonl(0xffff0000);
	uint16_t folded;

	if (result->sets_tos)
		data[1] = result->tos;
	if (result->sets_ttl)
		data[8] = result->ttl;
	else if (forwards)
		data[8]--;
	if (!addrs && !forwards && !result->sets_tos && !result->sets_ttl)
		return;
	sum = change(sum, before, read32(data));
	sum = change(sum, ttl_before, read32(data + 8) & htonl(0xffff0000));
	folded = fold(sum);
	memcpy(check, &folded, 2);
}

static void rewrite_ip6(uint8_t *data, const struct flow_result *result)
{
	if (result->sets_tos)
		put_be16(data, (uint16_t)((get_be16(data) & 0xf00f) | result->tos << 4));
	if (result->sets_ttl)
		data[offsetof(struct ipv6hdr, hop_limit)] = result->ttl;
	else if (result->way == FLOW_FORWARD)
		data[offsetof(struct ipv6hdr, hop_limit)]--;
}

void flow_rewrite(uint8_t *data, const struct ct *ct, int dir, const struct flow_result *result)
{
	const struct ct_tuple *back = ct_tuple(ct, !dir);
	bool six = back->family == NFPROTO_IPV6;
	uint8_t *l4 = data + (six ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	uint8_t *saddr = data + (six ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr));
	unsigned int words = six ? 4 : 1;
	uint64_t addrs = 0, ports = 0;

	/* Answers show the mapping: where they come from is where this packet goes. */
	if (ct->status & (dir == IP_CT_DIR_ORIGINAL ? IPS_SRC_NAT : IPS_DST_NAT)) {
		addrs = put_addr(saddr, &back->dst, words, addrs);
		ports = put_port(l4, back->dst_l4.port, ports);
	}
	if (ct->status & (dir == IP_CT_DIR_ORIGINAL ? IPS_DST_NAT : IPS_SRC_NAT)) {
		addrs = put_addr(saddr + 4 * words, &back->src, words, addrs);
		ports = put_port(l4 + 2, back->src_l4.port, ports);
	}
	if (addrs) {
		bool is_udp = back->proto == IPPROTO_UDP;
		uint8_t *check = l4 + (is_udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
		uint16_t now = read16(check);

		if (now || !is_udp) {	/* a UDP checksum of zero says "none" and stays */
			now = fold((uint16_t)~now + addrs + ports);
			if (is_udp && !now)
				now = 0xffff;
			memcpy(check, &now, 2);
		}
	}
	if (six)
		rewrite_ip6(data, result);
	else
		rewrite_ip4(data, result, addrs);
}
