/* hook/hook_internal.h - one hook's entries as a walk sees them: a list that never changes while it is walked. */
#ifndef WEIR_HOOK_INTERNAL_H
#define WEIR_HOOK_INTERNAL_H

#include "hook/hook.h"

enum { HOOK_ENTRIES_MAX = 1024, HOOK_FAMILIES = 2 };

struct hook_entry {
	struct hook_ops ops;
	uint64_t id;		/* of its registration; at equal priorities the higher one is asked first */
};

/* Replaced as a whole by each registration; kept alive by the walks that are on it. */
struct hook_list {
	unsigned int refs;
	unsigned int count;
	struct hook_entry entry[];
};

struct hooks {
	struct hook_list *at[HOOK_FAMILIES][NF_INET_NUMHOOKS];	/* NULL: nobody */
	uint64_t next_id;
	queue_fn queue;
	void *queue_priv;
	void (*left)(void *priv);
	void *left_priv;
	uint64_t *changes;	/* NULL: nobody counts them */
};

static inline struct hook_list *hooks_at(const struct hooks *hooks, uint8_t family, uint8_t hooknum)
{
	return hooks->at[family == NFPROTO_IPV6][hooknum];
}

static inline void hook_list_get(struct hook_list *list) { list->refs++; }
void hook_list_put(struct hook_list *list);

#endif
