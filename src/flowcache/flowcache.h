/*
 * flowcache/flowcache.h - verdicts worth remembering.
 *
 * While a packet of a known connection takes the full way, a record notes what that way rested on: packet fields (each
 * extension's .depends), connection state, rules that counted, the way out. When all of it is fixed by the connection and by
 * a few values that are compared, the way becomes an action, and the connection's direction remembers the action's number. Later
 * packets that fit meet their connection once, its protocol's tracker sees them as always, and the action does the rest.
 *
 * Equal actions are one: what differs between connections (addresses and ports of NAT) stands in their tuples. A thousand
 * connections through one rule share a line of memory. The law: with the cache off every output is the same to the bit.
 */
#ifndef WEIR_FLOWCACHE_H
#define WEIR_FLOWCACHE_H

#include "conntrack/conntrack.h"
#include "route/neighbour.h"

enum flow_mode {
	FLOW_OFF,
	FLOW_ON,
	FLOW_CHECK,	/* nothing is repeated from memory: the full way is compared with what the memory says */
};

enum flow_way {
	FLOW_FULL,	/* the full way; as an action: do not try to remember it */
	FLOW_FORWARD,	/* rewritten and routed, it leaves now */
	FLOW_DELIVER,	/* it reaches the host now */
	FLOW_SEND,	/* the host's own packet leaves now */
	FLOW_GONE,	/* it was dropped */
};

struct flowcache *flowcache_new(struct instance *inst);
void flowcache_free(struct instance *inst, struct flowcache *cache);
void flowcache_set_mode(struct instance *inst, enum flow_mode mode);
bool flowcache_is_on(const struct instance *inst);
/* FLOW_CHECK: what was the first difference; NULL: none yet. */
const char *flowcache_difference(const struct instance *inst);

/* Hashes a burst of checked packets, unless ct_known_hash() has, and asks for the memory that they will need. */
void flowcache_prefetch(struct instance *inst, struct pkt *const *burst, unsigned int count, bool is_hashed);

/**
 * flowcache_take() - A packet at the beginning of its way: PRE_ROUTING, or LOCAL_OUT with the route that its socket gave it
 * @neigh: FLOW_FORWARD, FLOW_SEND: who is next door; NULL: the link needs no address
 * FLOW_FULL: go the full way, then flowcache_done(). Else all that the hooks would have done is done.
 */
enum flow_way flowcache_take(struct instance *inst, struct pkt *pkt, const struct neigh **neigh);
/* The full way ends well: about to be transmitted to the next hop @addr, or delivered (NULL). */
void flowcache_note_end(struct instance *inst, struct pkt *pkt, uint8_t family, const union nf_inet_addr *addr);
/* Whatever became of it. */
void flowcache_finish(struct instance *inst);
static inline void flowcache_done(struct instance *inst)
{
	if (unlikely(inst->record))
		flowcache_finish(inst);
}

/* --- company.c: several workers at once, each with counts of its own --- */
struct flow_company *flow_company_new(void);
void flow_company_free(struct flow_company *own);
/* Alone: what a worker counted becomes the cache's. Always before anybody reads or changes anything. */
void flow_company_fold(struct instance *inst, struct flow_company *own);
/**
 * flowcache_take_met() - flowcache_take() for a received packet, while others may do the same
 * @mac:   FLOW_FORWARD: where to; NULL: the link needs no address
 * @early: FLOW_FULL: what the tracker said already; its pkt NULL: it was not asked
 * @later: a connection that wants somebody alone to ct_settle() it, with a share; NULL: none
 */
enum flow_way flowcache_take_met(struct instance *inst, struct flow_company *own, struct pkt *pkt, const uint8_t **mac,
				 struct ct_early *early, struct ct **later);

/*
 * --- first.c: what the full way of a burst's packets will be if they begin connections, found out aside ---
 * @closings: crew's, when the burst was checked. Whoever has them alone says with the returned number whether it still holds.
 */
uint32_t flow_firsts_guess(struct instance *inst, struct flow_company *own, struct pkt *const *pkts, unsigned int count, uint32_t closings);
void flow_firsts_hold(struct instance *inst, uint32_t number);
enum { FLOW_GUESSES_NONE = 0 };

struct flow_stats { uint64_t hits, recorded, refused, late, guessed, begun; };	/* begun: of the hits, first packets */
const struct flow_stats *flowcache_stats(const struct instance *inst);

#endif
