/*
 * nat/prefetch.c - a burst that begins many connections: what choosing their tuples will look at is asked for together.
 * That is where each would hang untranslated, where it would hang behind the address that was given last (a guess: most
 * rules give one address), and who else has its source. No effect otherwise.
 */
#include "nat/nat_internal.h"

enum { PLACES = 2 };

struct places {
	struct ct_place place[PLACES];
	const uint64_t *source;
	struct ct_tuple tuple;
};

static void ask(struct instance *inst, struct pkt *pkt, struct places *places)
{
	const uint8_t *l4 = pkt->data + pkt->l.l4_off;
	struct ct_tuple tuple = { .family = pkt->l.family, .proto = pkt->l.l4proto }, reply = tuple;

	if (tuple.family == NFPROTO_IPV4) {
		tuple.src.ip = pkt_ip4(pkt)->saddr;
		tuple.dst.ip = pkt_ip4(pkt)->daddr;
	} else {
		memcpy(&tuple.src, &pkt_ip6(pkt)->saddr, 16);
		memcpy(&tuple.dst, &pkt_ip6(pkt)->daddr, 16);
	}
	memcpy(&tuple.src_l4, l4, 2);
	memcpy(&tuple.dst_l4, l4 + 2, 2);
	reply.src = tuple.dst;
	reply.dst = tuple.src;
	reply.src_l4.all = tuple.dst_l4.all;
	reply.dst_l4.all = tuple.src_l4.all;
	places->place[0] = ct_tuple_prefetch(inst, &reply);
	reply.dst = inst->nat->last_source[tuple.family == NFPROTO_IPV6];
	places->place[1] = ct_tuple_prefetch(inst, &reply);
	places->source = nat_source_prefetch(inst, &tuple, &pkt->source_hash);
	places->tuple = tuple;
	if (tuple.family == NFPROTO_IPV4) {
		pkt->reply_hash = places->place[0].hash;
		pkt->guess_hash = places->place[1].hash;
		pkt->guess_addr = reply.dst.ip;
	}
}

void nat_prefetch(struct instance *inst, struct pkt *const *fresh, unsigned int count)
{
	struct places places[PKT_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct nat_family *nf = fresh[i]->l.family == NFPROTO_IPV4 ? &inst->nat->v4 : &inst->nat->v6;

		if (nf->lookup_count)
			ask(inst, fresh[i], &places[n++]);
	}
	for (unsigned int i = 0; i < n; i++) {
		for (int k = 0; k < PLACES; k++) {
			const struct ct_place *place = &places[i].place[k];
			const struct ct_node *node = ct_link_towards(*place->bucket, place->hash);

			__builtin_prefetch(node);
			__builtin_prefetch(node ? &node->tuple.dir : NULL);
		}
		nat_source_prefetch_first(inst, places[i].source, &places[i].tuple);
	}
}
