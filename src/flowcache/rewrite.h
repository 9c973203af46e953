/*
 * flowcache/rewrite.h - an IPv4 packet's bytes, as a remembered way leaves them.
 * Every word is read once and written once: reading what was just written in parts takes longer than all the rest. Nothing is
 * jumped over for a direction, or for which end is translated.
 */
#ifndef WEIR_FLOWCACHE_REWRITE_H
#define WEIR_FLOWCACHE_REWRITE_H

#include "flowcache/flowcache_internal.h"

/* RFC 1624 over many fields at once: what goes and what comes is gathered, the sum is folded once. */
static inline uint64_t flow_change(uint64_t sum, uint32_t from, uint32_t to)
{
	return sum + (uint32_t)~from + to;
}

static inline uint16_t flow_fold(uint64_t sum)
{
	return csum_fold(csum_narrow(sum));
}

static inline uint32_t flow_read32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint16_t flow_read16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static inline uint64_t flow_read64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* UDP's zero says "none" and stays; none is ever made. */
static inline void flow_put_l4_sum(uint8_t *l4, uint8_t proto, uint64_t sum)
{
	bool is_udp = proto == IPPROTO_UDP;
	uint8_t *at = l4 + (is_udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	uint16_t check = flow_read16(at);

	if (is_udp && !check)
		return;
	check = flow_fold((uint16_t)~check + sum);
	if (is_udp && !check)
		check = 0xffff;
	memcpy(at, &check, 2);
}

/* --- action.c --- */
/* Both ends of an echo have its id. @sum: what changed under the pseudo header, where there is one. */
void flow_put_echo(uint8_t *l4, be16 id, uint64_t sum);
/* TTL, TOS, and the header's sum, in which @sum is to change besides. */
void flow_put_fields4(uint8_t *data, const struct flow_result *result, uint64_t sum);

/* @proto: the packet's, as the connection's tuples have it. */
static inline __attribute__((always_inline)) void flow_rewrite4(uint8_t *data, const struct ct *ct, int dir, uint8_t proto, const struct flow_result *result)
{
	/* Answers show the mapping: where they come from is where this packet goes. */
	const struct ct_tuple *back = ct_tuple(ct, !dir);
	const uint32_t nat = ct->status & (IPS_SRC_NAT | IPS_DST_NAT);
	uint8_t *l4 = data + sizeof(struct iphdr);
	uint32_t ttl_proto_check;
	uint64_t sum = 0;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken apart as little endian");
	_Static_assert(IPS_SRC_NAT << 1 == IPS_DST_NAT, "an answer's source is the other's destination");
	if (nat) {
		const uint32_t src = -(nat / IPS_SRC_NAT >> dir & 1), dst = -(nat / IPS_SRC_NAT >> !dir & 1);	/* all ones: it changes */
		const uint64_t addrs = flow_read64(data + offsetof(struct iphdr, saddr));
		const uint32_t ports = flow_read32(l4), saddr = (uint32_t)addrs, daddr = (uint32_t)(addrs >> 32);
		const uint32_t back_ports = back->dst_l4.port | (uint32_t)back->src_l4.port << 16;
		const uint32_t new_saddr = saddr ^ ((saddr ^ back->dst.ip) & src), new_daddr = daddr ^ ((daddr ^ back->src.ip) & dst);
		const uint32_t new_ports = ports ^ ((ports ^ back_ports) & ((src & 0xffff) | dst << 16));
		const uint64_t new_addrs = new_saddr | (uint64_t)new_daddr << 32;

		sum = flow_change(flow_change(0, saddr, new_saddr), daddr, new_daddr);
		memcpy(data + offsetof(struct iphdr, saddr), &new_addrs, 8);
		if (likely(proto != IPPROTO_ICMP)) {
			memcpy(l4, &new_ports, 4);
			flow_put_l4_sum(l4, proto, flow_change(sum, ports, new_ports));
		} else {
			flow_put_echo(l4, back->src_l4.icmp_id, 0);
		}
	}
	if (unlikely(result->way != FLOW_FORWARD || result->sets_tos || result->sets_ttl)) {
		flow_put_fields4(data, result, sum);
		return;
	}
	ttl_proto_check = flow_read32(data + 8);	/* the TTL is more than 1: taking one from it changes nothing else */
	sum = flow_change(sum + (uint16_t)~(ttl_proto_check >> 16), 1, 0);
	ttl_proto_check = (uint16_t)(ttl_proto_check - 1) | (uint32_t)flow_fold(sum) << 16;
	memcpy(data + 8, &ttl_proto_check, 4);
}

#endif
