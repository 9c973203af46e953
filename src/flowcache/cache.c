/*
 * flowcache/cache.c - a packet meets its connection first, and goes the remembered way if it fits.
 *
 * What is compared before the tracker runs is all that hooks before conntrack could have looked at; so when the tracker then
 * changes the connection, the packet goes the full way with the tracker's answer waiting for the conntrack hook, and every hook
 * sees what it would have seen.
 */
#include <stdlib.h>

#include "flowcache/flowcache_internal.h"
#include "nat/nat.h"

enum {
	LEARN_ANEW_EVERY = 8,	/* packets of one connection that differ from each other do not learn all the time */
};

struct flowcache *flowcache_new(struct instance *inst)
{
	struct flowcache *cache = calloc(1, sizeof(*cache));

	if (cache)
		cache->mode = FLOW_ON;
	return cache;
}

void flowcache_set_mode(struct instance *inst, enum flow_mode mode)
{
	inst->flow->mode = mode;
}

bool flowcache_is_on(const struct instance *inst)
{
	return inst->flow && inst->flow->mode != FLOW_OFF;
}

const char *flowcache_difference(const struct instance *inst)
{
	return inst->flow->difference;
}

const struct flow_stats *flowcache_stats(const struct instance *inst)
{
	return &inst->flow->stats;
}

/* A packet of which nothing is known yet but what its bytes say. */
static bool is_fresh(const struct pkt *pkt)
{
	const uint16_t raw_socket = PKT_FLAG_LOCAL | PKT_FLAG_HDRINCL;

	if (pkt->ct || pkt->ctinfo || pkt->socket || pkt->frag_max_size || pkt->piece_len || pkt->type != PACKET_HOST)
		return false;
	if (pkt->flags & PKT_FLAG_LOCAL)	/* the route of such a one follows from its address and mark */
		return pkt->flags == raw_socket && pkt->route.kind == ROUTE_OUTPUT;
	return !(pkt->flags & (uint16_t)~(PKT_FLAG_VLAN | PKT_FLAG_CSUM_TRUSTED)) && pkt->route.kind == ROUTE_NONE;
}

static inline bool fits(const struct flow_action *action, const struct pkt *pkt, const struct ct *ct)
{
	const struct flow_fit *fit = &action->fit;
	uint32_t fields = flow_fields(pkt);

	return fit->in == pkt->in && fit->status == ct->status && fit->mark == pkt->mark &&
	       !((fit->ct_mark ^ ct->mark) & fit->ct_mark_mask) && !((fit->fields ^ fields) & fit->fields_mask) &&
	       pkt->len <= fit->len_max && (fields & FLOW_FIELD_TTL) > 0x100;
}

/* Of what an action asks for, this is known to move on for good: worth learning again at once. */
static bool has_moved_on(const struct flow_action *action, const struct pkt *pkt, const struct ct *ct)
{
	return !action || action->fit.in != pkt->in || action->fit.status != ct->status ||
	       ((action->fit.ct_mark ^ ct->mark) & action->fit.ct_mark_mask);
}

void flowcache_prefetch(struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	struct pkt *fresh[PKT_BURST_MAX];
	unsigned int n = ct_known_prefetch(inst, burst, count, fresh);

	if (n)
		nat_prefetch(inst, fresh, n);
}

static void apply(struct pkt *pkt, const struct ct *ct, int dir, struct flow_action *action)
{
	const struct flow_result *result = &action->result;

	flow_rewrite(pkt->data, ct, dir, result);
	pkt->mark = result->mark;
	pkt->priority = result->has_tos_priority ? ip4_tos_priority(pkt->data[1]) : result->priority;
	pkt->secmark = result->secmark;
	pkt->flags |= result->flags;
	pkt->rule = result->rule;
	pkt->route = result->route;
	pkt->out = result->route.oif;
	action->tally.packets++;
	action->tally.bytes += pkt->len;
}

enum flow_way flowcache_take(struct instance *inst, struct pkt *pkt, const struct neigh **neigh)
{
	struct flowcache *cache = inst->flow;
	struct flow_action *action;
	struct ct *ct;
	int dir;

	if (cache->mode == FLOW_OFF || !is_fresh(pkt) || !ct_is_on(inst, pkt->l.family) || !ct_is_simple(pkt))
		return FLOW_FULL;
	if (unlikely(inst->record)) {		/* made by a packet that is being recorded */
		inst->record->is_spoiled = true;
		return FLOW_FULL;
	}
	ct = ct_known(inst, pkt, &dir);
	if (!ct)
		return FLOW_FULL;
	if (unlikely(cache->changes != inst->changes)) {
		flow_forget_all(cache);
		cache->changes = inst->changes;
	}
	action = cache->slots ? flow_action_of(cache, ct->flow[dir]) : NULL;
	if (!action || !fits(action, pkt, ct)) {
		if (has_moved_on(action, pkt, ct) || ++cache->mismatches % LEARN_ANEW_EVERY == 0)
			flow_record_begin(inst, pkt, ct, dir, 0);
		return FLOW_FULL;
	}
	if (action->result.way == FLOW_FULL)
		return FLOW_FULL;
	if (unlikely(cache->mode == FLOW_CHECK)) {
		flow_record_begin(inst, pkt, ct, dir, action->id);
		return FLOW_FULL;
	}
	if (!ct_track_known(inst, pkt, ct, dir, action->fit.status)) {
		cache->stats.late++;
		return FLOW_FULL;
	}
	cache->stats.hits++;
	apply(pkt, ct, dir, action);
	if (ct->event_mask)
		ct_events_deliver(inst, ct);
	*neigh = action->result.neigh;
	return action->result.way;
}
