/*
 * flowcache/cache.c - a packet meets its connection first, and goes the remembered way if it fits.
 *
 * What is compared before the tracker runs is all that hooks before conntrack could have looked at; so when the tracker then
 * changes the connection, the packet goes the full way with the tracker's answer waiting for the conntrack hook, and every hook
 * sees what it would have seen.
 */
#include <stdlib.h>

#include "flowcache/flowcache_internal.h"
#include "flowcache/rewrite.h"
#include "nat/nat.h"
#include "route/route.h"

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

/* Of what an action asks for, this is known to move on for good: worth learning again at once. */
static bool has_moved_on(const struct flow_action *action, const struct pkt *pkt, const struct ct *ct)
{
	return !action || action->fit.in != pkt->in || (action->fit.status ^ ct->status) & action->fit.status_mask ||
	       ((action->fit.ct_mark ^ ct->mark) & action->fit.ct_mark_mask);
}

void flowcache_prefetch(struct instance *inst, struct pkt *const *burst, unsigned int count, bool is_hashed)
{
	struct pkt *fresh[PKT_BURST_MAX];
	unsigned int n = ct_known_prefetch(inst, burst, count, is_hashed, fresh);

	for (unsigned int i = 0; i < n; i++)
		route_prefetch(inst, fresh[i]);
	if (n)
		nat_prefetch(inst, fresh, n);
}

static __attribute__((noinline)) enum flow_way take_any(struct instance *inst, struct pkt *pkt, const struct neigh **neigh)
{
	struct flowcache *cache = inst->flow;
	struct flow_action *action;
	struct ct *ct;
	int dir;

	if (cache->mode == FLOW_OFF || !flow_is_fresh(pkt) || !ct_is_on(inst, pkt->l.family) || !ct_is_simple(pkt))
		return FLOW_FULL;
	if (unlikely(inst->record)) {		/* made by a packet that is being recorded */
		inst->record->is_spoiled = true;
		return FLOW_FULL;
	}
	if (unlikely(cache->changes != inst->changes)) {
		flow_forget_all(inst);
		cache->changes = inst->changes;
	}
	ct = ct_known(inst, pkt, &dir);
	if (!ct)
		return flow_first_take(inst, pkt, neigh);
	action = cache->slots ? flow_action_of(cache, ct->flow[dir]) : NULL;
	if (!action || !flow_fits(action, pkt, ct)) {
		const bool is_anew = has_moved_on(action, pkt, ct);

		action = is_anew && cache->slots ? flow_alike_find(inst, pkt, ct, dir) : NULL;
		if (!action) {
			if (is_anew || ++cache->mismatches % LEARN_ANEW_EVERY == 0)
				flow_record_begin(inst, pkt, ct, dir, 0);
			return FLOW_FULL;
		}
		ct->flow[dir] = action->id;
		cache->stats.guessed++;
	}
	if (action->result.way == FLOW_FULL)
		return FLOW_FULL;
	if (unlikely(cache->mode == FLOW_CHECK)) {
		flow_record_begin(inst, pkt, ct, dir, action->id);
		return FLOW_FULL;
	}
	/* A way that was guessed may want the status that only the tracker brings. */
	if (((action->fit.status ^ ct->status) & action->fit.status_mask || !ct_track_plain_udp(inst, pkt, ct, dir)) &&
	    !ct_track_known(inst, pkt, ct, dir, action->fit.status, action->fit.status_mask)) {
		cache->stats.late++;
		return FLOW_FULL;
	}
	cache->stats.hits++;
	flow_apply(pkt, ct, dir, &action->result);
	action->tally.packets++;
	action->tally.bytes += pkt->len;
	if (ct->event_mask)
		ct_events_deliver(inst, ct);
	*neigh = action->result.neigh;
	return action->result.way;
}

/*
 * What take_any() does with a received UDP packet whose burst found its connection, when all is as it nearly always is. NULL:
 * nothing is done.
 */
static inline struct flow_action *take_plain_udp4(struct instance *inst, struct pkt *pkt)
{
	struct flowcache *cache = inst->flow;
	const struct iphdr *ip = pkt_ip4(pkt);
	struct flow_action *action;
	struct ct *ct;
	int dir;

	if (!pkt->flow_node || !ct_is_plain_udp4(pkt) || cache->mode != FLOW_ON || inst->record || cache->changes != inst->changes ||
	    !flow_is_fresh_received(pkt) || !ct_is_on(inst, NFPROTO_IPV4))
		return NULL;
	ct = ct_known_noted(inst, pkt, &dir);
	if (!ct || !ct->flow[dir] || ct->event_mask)
		return NULL;
	action = flow_action_of(cache, ct->flow[dir]);
	if (!action || !flow_fit_holds_with(&action->fit, pkt, ct->mark, ct->status, ip->tos | (uint32_t)ip->ttl << 8) ||
	    action->result.way == FLOW_FULL || !ct_track_plain_udp4(inst, pkt, ct, dir))
		return NULL;
	flow_rewrite4(pkt->data, ct, dir, IPPROTO_UDP, &action->result);
	return action;
}

enum flow_way flowcache_take(struct instance *inst, struct pkt *pkt, const struct neigh **neigh)
{
	struct flow_action *action = take_plain_udp4(inst, pkt);

	if (!action)
		return take_any(inst, pkt, neigh);
	inst->flow->stats.hits++;
	flow_apply_fields(pkt, &action->result);
	action->tally.packets++;
	action->tally.bytes += pkt->len;
	*neigh = action->result.neigh;
	return (enum flow_way)action->result.way;
}
