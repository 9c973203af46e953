/*
 * flowcache/company.c - the remembered ways, gone by several workers at once.
 *
 * Only a packet that a remembered way fits goes here; whatever learns, forgets or is unclear is for somebody alone. So actions and
 * the table stand still: a worker changes a connection under its lock, and counts in memory of its own.
 */
#include <stdlib.h>

#include "base/bigmem.h"
#include "flowcache/flowcache_internal.h"
#include "route/route.h"

struct flow_company {
	struct route_aside *routes;		/* first.c's; NULL: guesses are not made */
	uint32_t dirty_count;
	uint64_t hits, late;
	uint16_t dirty[FLOW_SLOTS];		/* slots that have counts, in no order */
	struct { uint64_t packets, bytes; } counts[FLOW_SLOTS];
};

struct flow_company *flow_company_new(void)
{
	struct flow_company *own = bigmem_alloc(sizeof(struct flow_company));

	if (own)
		own->routes = route_aside_new();
	return own;
}

struct route_aside *flow_company_routes(const struct flow_company *own)
{
	return own->routes;
}

void flow_company_free(struct flow_company *own)
{
	if (own)
		route_aside_free(own->routes);
	bigmem_free(own, sizeof(*own));
}

void flow_company_fold(struct instance *inst, struct flow_company *own)
{
	struct flowcache *cache = inst->flow;

	for (uint32_t i = 0; i < own->dirty_count; i++) {
		uint16_t slot = own->dirty[i];

		cache->slots[slot].tally.packets += own->counts[slot].packets;
		cache->slots[slot].tally.bytes += own->counts[slot].bytes;
		own->counts[slot].packets = own->counts[slot].bytes = 0;
	}
	cache->stats.hits += own->hits;
	cache->stats.late += own->late;
	own->hits = own->late = own->dirty_count = 0;
}

static inline void count(struct flow_company *own, uint16_t slot, uint32_t bytes)
{
	if (!own->counts[slot].packets++)
		own->dirty[own->dirty_count++] = slot;
	own->counts[slot].bytes += bytes;
	own->hits++;
}

/* Its way, when nobody needs to be alone for it. */
static struct flow_action *action_for(struct instance *inst, const struct pkt *pkt, const struct ct *ct, int dir, const uint8_t **mac)
{
	struct flow_action *action = flow_action_of(inst->flow, ct->flow[dir]);

	if (!action || !flow_fits(action, pkt, ct) || action->result.way == FLOW_FULL)
		return NULL;
	if (action->result.way == FLOW_DELIVER && inst->host_echo && (pkt->l.l4proto == IPPROTO_ICMP || pkt->l.l4proto == IPPROTO_ICMPV6))
		return NULL;		/* the host answers at once, a packet of its own */
	if (action->result.way == FLOW_FORWARD && action->result.neigh) {
		*mac = neigh_mac_now(action->result.neigh);
		if (!*mac)
			return NULL;
	}
	return action;
}

enum flow_way flowcache_take_met(struct instance *inst, struct flow_company *own, struct pkt *pkt, const uint8_t **mac,
				 struct ct_early *early, struct ct **later)
{
	struct flowcache *cache = inst->flow;
	struct flow_action *action;
	enum flow_way way = FLOW_FULL;
	struct ct *ct;
	int dir;

	if (cache->mode != FLOW_ON || cache->changes != inst->changes || !cache->slots || !flow_is_fresh(pkt) ||
	    !ct_is_on(inst, pkt->l.family) || !ct_is_simple(pkt))
		return FLOW_FULL;
	ct = ct_meet(inst, pkt, &dir);
	if (!ct)
		return FLOW_FULL;
	action = action_for(inst, pkt, ct, dir, mac);	/* the tracker may change nothing here, not even what it does not mind */
	if (action && ct_track_met(inst, pkt, ct, dir, ct->status, early)) {
		flow_apply(pkt, ct, dir, &action->result);
		way = (enum flow_way)action->result.way;
		if (unlikely(ct_wants_alone(ct))) {
			ct_get(ct);
			*later = ct;
		}
	}
	ct_unlock(ct);
	if (way != FLOW_FULL)
		count(own, (uint16_t)(action->id % FLOW_SLOTS), pkt->len);
	else if (early->pkt)
		own->late++;
	return way;
}
