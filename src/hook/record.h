/*
 * hook/record.h - what one packet's way rested on, noted while it is taken.
 * The flow cache asks for it; hooks and tables fill it in. Who is at a hook and does not say what its answer rests
 * on spoils the record: what is not known is never remembered.
 */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "base/types.h"

struct pkt;
struct xt_counters;

enum { RECORD_COUNTED_MAX = 64 };

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
};

static inline void record_count(struct record *rec, struct xt_counters *counter)
{
	if (rec->count == RECORD_COUNTED_MAX)
		rec->is_spoiled = true;
	else
		rec->counted[rec->count++] = counter;
}

#endif
