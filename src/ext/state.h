/*
 * ext/state.h - what an extension remembers beyond one rule: lists, tables, counters known by name.
 * Each kind has one block of memory in the instance, made when it is first asked for and ended with the
 * instance, after the last rule is gone.
 */
#ifndef WEIR_EXT_STATE_H
#define WEIR_EXT_STATE_H

#include "base/bytes.h"
#include "instance.h"

struct ext_state_kind {
	size_t size;					/* of the block; zeroed before init */
	void (*init)(struct instance *inst, void *state);	/* may be NULL */
	void (*end)(struct instance *inst, void *state);	/* may be NULL */
	/* What is kept when the instance stops, and taken back when it begins again with the same rules; NULL: nothing. */
	const char *name;
	void (*save)(struct instance *inst, void *state, struct strbuf *out);
	bool (*load)(struct instance *inst, void *state, struct bytes_in *in);	/* false: damaged */
};

/* The instance's block of this kind; NULL: no memory. */
void *ext_state(struct instance *inst, const struct ext_state_kind *kind);
/* The same, but NULL while nobody asked for it. */
void *ext_state_if_any(const struct instance *inst, const struct ext_state_kind *kind);
void ext_states_free(struct instance *inst);
/* All blocks that can be kept. Loading passes over what no rule asks for any more. 0 or -EINVAL. */
void ext_states_save(struct instance *inst, struct strbuf *out);
int ext_states_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why);

#endif
