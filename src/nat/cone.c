/*
 * nat/cone.c - full-cone NAT for UDP, which Linux does not have: one inside socket is one outside socket to everybody
 * (RFC 4787, endpoint-independent mapping), and whoever sends to the outside socket reaches the inside one (endpoint-
 * independent filtering). A mapping belongs to all connections that use it, in either direction, and ends with the last.
 * An inside socket that sends to another's outside socket is seen there as its own outside socket (RFC 4787, REQ-9).
 */
#include <stdlib.h>

#include "nat/nat_internal.h"
#include "route/route.h"

struct nat_cone {
	struct chain by_inside, by_outside;
	uint32_t users;				/* connections */
	uint8_t family;
	uint16_t zone;
	be16 inside_port, outside_port;
	union nf_inet_addr inside, outside;
};

enum { BUCKETS = 4096 };

struct nat_cones { struct chain *by_inside[BUCKETS], *by_outside[BUCKETS]; };

static void chain_insert(struct chain **bucket, struct chain *node)
{
	node->next = *bucket;
	node->at = bucket;
	if (node->next)
		node->next->at = &node->next;
	*bucket = node;
}

static void chain_remove(struct chain *node)
{
	*node->at = node->next;
	if (node->next)
		node->next->at = node->at;
	node->at = NULL;
}

static uint32_t bucket_of(const struct instance *inst, uint8_t family, uint16_t zone, const union nf_inet_addr *addr, be16 port)
{
	uint64_t words[3] = { (uint64_t)family << 32 | (uint32_t)zone << 16 | port };

	memcpy(&words[1], addr, sizeof(*addr));
	return siphash_words(words, 3, &inst->hash_key) % BUCKETS;
}

static bool is_at(const struct nat_cone *cone, uint8_t family, uint16_t zone)
{
	return cone->family == family && cone->zone == zone;
}

static struct nat_cone *find_inside(struct instance *inst, const struct ct_tuple *tuple, uint16_t zone, const union nf_inet_addr *outside)
{
	struct nat_cones *cones = inst->nat->cones;

	if (!cones)
		return NULL;
	for (struct chain *node = cones->by_inside[bucket_of(inst, tuple->family, zone, &tuple->src, tuple->src_l4.port)]; node; node = node->next) {
		struct nat_cone *cone = list_entry(node, struct nat_cone, by_inside);

		if (is_at(cone, tuple->family, zone) && cone->inside_port == tuple->src_l4.port &&
		    ct_addr_equal(&cone->inside, &tuple->src) && ct_addr_equal(&cone->outside, outside))
			return cone;
	}
	return NULL;
}

static struct nat_cone *find_outside(struct instance *inst, uint8_t family, uint16_t zone, const union nf_inet_addr *addr, be16 port)
{
	struct nat_cones *cones = inst->nat->cones;

	if (!cones)
		return NULL;
	for (struct chain *node = cones->by_outside[bucket_of(inst, family, zone, addr, port)]; node; node = node->next) {
		struct nat_cone *cone = list_entry(node, struct nat_cone, by_outside);

		if (is_at(cone, family, zone) && cone->outside_port == port && ct_addr_equal(&cone->outside, addr))
			return cone;
	}
	return NULL;
}

static struct nat_cone *cone_new(struct instance *inst, const struct ct_tuple *tuple, uint16_t zone, const union nf_inet_addr *outside, be16 port)
{
	struct nat *nat = inst->nat;
	struct nat_cone *cone;

	if (!nat->cones)
		nat->cones = calloc(1, sizeof(*nat->cones));
	cone = nat->cones ? calloc(1, sizeof(*cone)) : NULL;
	if (!cone)
		return NULL;
	cone->family = tuple->family;
	cone->zone = zone;
	cone->inside = tuple->src;
	cone->inside_port = tuple->src_l4.port;
	cone->outside = *outside;
	cone->outside_port = port;
	chain_insert(&nat->cones->by_inside[bucket_of(inst, cone->family, zone, &cone->inside, cone->inside_port)], &cone->by_inside);
	chain_insert(&nat->cones->by_outside[bucket_of(inst, cone->family, zone, outside, port)], &cone->by_outside);
	return cone;
}

void nat_cone_put(struct nat_cone *cone)
{
	if (!cone || --cone->users)
		return;
	if (cone->by_inside.at)
		chain_remove(&cone->by_inside);
	if (cone->by_outside.at)
		chain_remove(&cone->by_outside);
	free(cone);
}

/* Connections that outlive the index must not reach back into it. */
void nat_cones_free(struct nat *nat)
{
	if (!nat->cones)
		return;
	for (int i = 0; i < BUCKETS; i++) {
		while (nat->cones->by_inside[i])
			chain_remove(nat->cones->by_inside[i]);
		while (nat->cones->by_outside[i])
			chain_remove(nat->cones->by_outside[i]);
	}
	free(nat->cones);
}

/*
 * The outside port of a new mapping: the inside one when nobody has it, else another of its class (below 512, below 1024,
 * above) or of the rule's range, of the same parity first. 0: all are others'.
 */
static uint16_t pick_port(struct instance *inst, const struct ct_tuple *tuple, uint16_t zone, const struct nf_nat_range2 *range,
			  const union nf_inet_addr *outside)
{
	const bool is_random = range->flags & NF_NAT_RANGE_PROTO_RANDOM_ALL;
	struct ct_tuple probe = *tuple;
	uint16_t wanted = ntohs(tuple->src_l4.port);
	struct nat_keys keys;
	uint32_t offset;

	if (!nat_range_keys(range, NAT_MANIP_SRC, false, &probe, &keys) || !keys.count)
		return 0;
	if (!is_random && wanted >= keys.first && wanted - keys.first < keys.count &&
	    !find_outside(inst, tuple->family, zone, outside, tuple->src_l4.port))
		return wanted;
	offset = rng_u16(&inst->rng) % keys.count;
	for (int parity = 0; parity < 2; parity++) {
		for (uint32_t i = 0; i < keys.count; i++) {
			uint16_t port = (uint16_t)(keys.first + (offset + i) % keys.count);

			if ((port & 1) == ((wanted & 1) ^ parity) && port &&
			    !find_outside(inst, tuple->family, zone, outside, htons(port)))
				return port;
		}
	}
	return 0;
}

static bool cone_join(struct ct *ct, struct nat_cone *cone)
{
	struct nat_cone **place;

	cone->users++;
	if (ct_extra_get(ct)) {
		place = ct->extra->cone ? &ct->extra->hairpin_cone : &ct->extra->cone;
		*place = cone;
		return true;
	}
	nat_cone_put(cone);
	return false;
}

/* It goes to a mapping, but did not come in where that mapping's address is: from inside. */
static bool is_hairpin(const struct pkt *pkt, const struct ct *ct)
{
	const struct nat_cone *cone = ct->extra ? ct->extra->cone : NULL;

	if (!cone || ct->extra->hairpin_cone || !pkt->in)
		return false;
	list_for_each(node, cone->family == NFPROTO_IPV4 ? &pkt->in->addrs4 : &pkt->in->addrs6) {
		if (ct_addr_equal(&list_entry(node, struct iface_addr, node)->addr, &cone->outside))
			return false;
	}
	return true;
}

/* What @orig's source is to everybody: @outside and a port, from now on if it was nothing yet. NULL: no port is left. */
static struct nat_cone *cone_of(struct instance *inst, const struct ct_tuple *orig, uint16_t zone, const struct nf_nat_range2 *range,
				const union nf_inet_addr *outside)
{
	struct nat_cone *cone = find_inside(inst, orig, zone, outside);
	uint16_t port;

	if (cone)
		return cone;
	port = pick_port(inst, orig, zone, range, outside);
	return port ? cone_new(inst, orig, zone, outside, htons(port)) : NULL;
}

unsigned int nat_cone_out(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state)
{
	struct instance *inst = state->inst;
	struct ct *ct = pkt_ct(pkt);
	const struct ct_tuple *orig = ct ? ct_tuple(ct, IP_CT_DIR_ORIGINAL) : NULL;
	struct nf_nat_range2 exact = { .flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED };
	struct nat_cone *cone;

	if (!ct || orig->proto != IPPROTO_UDP || ct_is_confirmed(ct) || (ct->extra && ct->extra->cone && !is_hairpin(pkt, ct)))
		return state->family == NFPROTO_IPV4 ? nat_masquerade4(pkt, range, state) : nat_masquerade6(pkt, range, state);
	if (ct->extra && ct->extra->cone)
		exact.min_addr = ct->extra->cone->outside;
	else if (!nat_masquerade_addr(pkt, state, &exact.min_addr))
		return NF_DROP;
	exact.max_addr = exact.min_addr;
	cone = cone_of(inst, orig, ct->zone.dir & CT_ZONE_DIR_ORIGINAL ? ct->zone.id : 0, range, &exact.min_addr);
	if (!cone || !cone_join(ct, cone))
		return NF_DROP;
	exact.min_proto.all = exact.max_proto.all = cone->outside_port;
	ct->has_nat_ext = true;
	ct->nat_masq_ifindex = state->out ? state->out->index : 0;
	return nat_setup(inst, ct, &exact, NAT_MANIP_SRC);
}

bool nat_cone_in(struct pkt *pkt, const struct hook_state *state, unsigned int *verdict)
{
	struct instance *inst = state->inst;
	struct ct *ct = pkt_ct(pkt);
	const struct ct_tuple *orig = ct ? ct_tuple(ct, IP_CT_DIR_ORIGINAL) : NULL;
	struct nf_nat_range2 exact = { .flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED };
	struct nat_cone *cone;

	if (!ct || orig->proto != IPPROTO_UDP || (ct->extra && ct->extra->cone) || ct_is_confirmed(ct))
		return false;
	cone = find_outside(inst, orig->family, ct->zone.dir & CT_ZONE_DIR_ORIGINAL ? ct->zone.id : 0, &orig->dst, orig->dst_l4.port);
	if (!cone)
		return false;
	exact.min_addr = exact.max_addr = cone->inside;
	exact.min_proto.all = exact.max_proto.all = cone->inside_port;
	*verdict = cone_join(ct, cone) ? nat_setup(inst, ct, &exact, NAT_MANIP_DST) : NF_DROP;
	return true;
}
