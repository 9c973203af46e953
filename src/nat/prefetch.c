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

static inline bool is_asked(const struct instance *inst, const struct pkt *pkt)
{
	return (pkt->l.family == NFPROTO_IPV4 ? &inst->nat->v4 : &inst->nat->v6)->lookup_count;
}

static void tuple_read(const struct pkt *pkt, struct ct_tuple *tuple)
{
	const uint8_t *l4 = pkt->data + pkt->l.l4_off;

	*tuple = (struct ct_tuple){ .family = pkt->l.family, .proto = pkt->l.l4proto };
	if (tuple->family == NFPROTO_IPV4) {
		tuple->src.ip = pkt_ip4(pkt)->saddr;
		tuple->dst.ip = pkt_ip4(pkt)->daddr;
	} else {
		memcpy(&tuple->src, &pkt_ip6(pkt)->saddr, 16);
		memcpy(&tuple->dst, &pkt_ip6(pkt)->daddr, 16);
	}
	memcpy(&tuple->src_l4, l4, 2);
	memcpy(&tuple->dst_l4, l4 + 2, 2);
}

/* What nat_hash() does, for IPv6. */
static void ask6(struct instance *inst, const struct ct_tuple *tuple, struct places *places)
{
	struct ct_tuple reply = { .family = tuple->family, .proto = tuple->proto };
	uint32_t hash;

	reply.src = tuple->dst;
	reply.dst = tuple->src;
	reply.src_l4.all = tuple->dst_l4.all;
	reply.dst_l4.all = tuple->src_l4.all;
	places->place[0] = ct_tuple_prefetch(inst, &reply);
	reply.dst = inst->nat->last_source[1];
	places->place[1] = ct_tuple_prefetch(inst, &reply);
	places->source = nat_source_prefetch(inst, tuple, &hash);
}

void nat_hash(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	const be32 guess = __atomic_load_n(&inst->nat->last_source[0].ip, __ATOMIC_RELAXED);
	const struct ct_window window = ct_window(inst);
	uint32_t reply[PKT_BURST_MAX], guessed[PKT_BURST_MAX], source[PKT_BURST_MAX];
	struct pkt *pkts[PKT_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		pkts[n] = burst[i];
		n += burst[i]->has_flow_hash & !burst[i]->reply_hash & (burst[i]->l.family == NFPROTO_IPV4) & ct_has_ports(burst[i]);
	}
	if (!n || !inst->nat->v4.lookup_count)
		return;
	ct_answers_hash(inst, pkts, n, NULL, reply);
	ct_answers_hash(inst, pkts, n, &guess, guessed);
	nat_sources_hash(inst, pkts, n, source);
	for (unsigned int i = 0; i < n; i++) {
		pkts[i]->reply_hash = reply[i];
		pkts[i]->guess_hash = guessed[i];
		pkts[i]->guess_addr = guess;
		pkts[i]->source_hash = source[i];
		ct_window_prefetch(window, reply[i]);
		ct_window_prefetch(window, guessed[i]);
	}
}

void nat_hint(const struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	uint32_t places[PLACES * PKT_BURST_MAX], sources[PKT_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!burst[i]->has_flow_hash || !burst[i]->reply_hash)
			continue;
		places[PLACES * n] = burst[i]->reply_hash;
		places[PLACES * n + 1] = burst[i]->guess_hash;
		sources[n++] = burst[i]->source_hash;
	}
	ct_places_hint(inst, places, PLACES * n);
	nat_sources_hint(inst, sources, n);
}

void nat_prefetch(struct instance *inst, struct pkt *const *fresh, unsigned int count)
{
	struct places places[PKT_BURST_MAX];
	unsigned int n = 0;

	nat_hash(inst, fresh, count);
	for (unsigned int i = 0; i < count; i++) {
		struct places *at = &places[n];

		if (!is_asked(inst, fresh[i]))
			continue;
		n++;
		tuple_read(fresh[i], &at->tuple);
		if (at->tuple.family != NFPROTO_IPV4) {
			ask6(inst, &at->tuple, at);
			continue;
		}
		at->place[0] = ct_place_of(inst, fresh[i]->reply_hash);
		at->place[1] = ct_place_of(inst, fresh[i]->guess_hash);
		at->source = nat_source_bucket(inst, fresh[i]->source_hash);
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
