/*
 * hook/record.h - what one packet's way rested on, noted while it is taken.
 * The flow cache asks for it; hooks and tables fill it in. Who is at a hook and does not say what its answer rests
 * on spoils the record: what is not known is never remembered.
 */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "base/types.h"
#include "base/uapi.h"

#include <linux/netfilter/nf_nat.h>

struct pkt;
struct table_rule_ref;
struct xt_counters;

enum { RECORD_COUNTED_MAX = 64, RECORD_ASKED_MAX = 16 };

enum record_nat_kind {
	RECORD_NAT_NONE,		/* NAT was not asked */
	RECORD_NAT_UNCHANGED,		/* no rule wanted it */
	RECORD_NAT_RANGE,		/* a rule gave it a range, */
	RECORD_NAT_MASQUERADE,		/* or ports, and the address of its way out */
	RECORD_NAT_ODD			/* more than can be repeated */
};
struct record_nat { enum record_nat_kind kind; struct nf_nat_range2 range; };

/* Of a packet that begins a connection: what is decided once for all of it. */
struct record_first {
	struct record_nat nat[2];	/* by enum nat_manip: source, destination */
	const struct table_rule_ref *nat_rule;	/* that said so of its source */
	bool is_new;			/* its tracker let it pass, and nothing else began it */
	bool is_refused;		/* in the end, by conntrack or NAT: not for what rules say */
	uint8_t asked_count;
	struct { const void *entry; bool fits; } asked[RECORD_ASKED_MAX];	/* rules whose addresses it was held against */
};

struct record {
	const struct pkt *pkt;		/* whose way; what others do meanwhile spoils it */
	uint32_t depends;		/* enum ext_depends, or'ed together */
	uint8_t tcp_flags;		/* of the flags in DEP_L4_FLAGS: these */
	uint64_t flags_alike;		/* what was asked of FIN to URG has the same answers for these sets of them */
	uint32_t status;		/* of the connection, behind its tracker */
	bool is_spoiled;
	bool has_target;		/* an extension's target had it in its hands */
	bool has_tos_priority;		/* forwarding took the priority from the TOS field */
	bool is_tracked;		/* its protocol's tracker let it pass */
	bool is_moving;			/* its connection's mark changed on the way, and perhaps back: that is told each time */
	uint16_t count;
	struct xt_counters *counted[RECORD_COUNTED_MAX];	/* rules that it matched, in order */
	struct record_first *first;	/* NULL: its connection was there before */
};

/* @rec: NULL where nobody records. */
static inline void record_refused(struct record *rec)
{
	if (unlikely(rec) && rec->first)
		rec->first->is_refused = true;
}

static inline void record_count(struct record *rec, struct xt_counters *counter)
{
	if (rec->count == RECORD_COUNTED_MAX)
		rec->is_spoiled = true;
	else
		rec->counted[rec->count++] = counter;
}

#endif
