/*
 * route/aside.c - routes for a worker aside: the tables that all share, and a memory of his own of what they said.
 * Policy rules are for somebody alone: who asks them goes along lists that begin in the shared part.
 */
#include "route/route_internal.h"

#include <stdlib.h>

struct route_aside {
	struct instance inst;		/* nothing in it but what routes look at */
	struct fib fib;
	bool was_seen;
	uint32_t closings;
	struct fib_cached cache[FIB_CACHE_SLOTS];
};

struct route_aside *route_aside_new(void)
{
	return calloc(1, sizeof(struct route_aside));
}

void route_aside_free(struct route_aside *aside)
{
	free(aside);
}

bool route_aside_look(struct route_aside *aside, struct instance *inst, uint32_t closings)
{
	if (!aside->was_seen || aside->closings != closings) {
		aside->was_seen = true;
		aside->closings = closings;
		aside->fib = *inst->fib;
		aside->fib.cache = aside->cache;	/* answers of another generation are none */
		aside->inst.fib = &aside->fib;
		aside->inst.lo = inst->lo;
	}
	return !aside->fib.v4.custom_rules;
}

enum drop_reason route_aside_input(struct route_aside *aside, struct pkt *pkt)
{
	return route_input4(&aside->inst, pkt);
}
