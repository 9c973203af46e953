/* table/edit_internal.h - what edit.c and edit_blob.c share. */
#ifndef WEIR_TABLE_EDIT_INTERNAL_H
#define WEIR_TABLE_EDIT_INTERNAL_H

#include "table/edit.h"

struct edit_chain *edit_chain_new(struct edit *edit, const char *name, int hook);
void edit_chain_free(struct edit_chain *chain);		/* must be empty */
int edit_chain_put(struct edit *edit, struct edit_chain *chain, uint32_t at);
/* A rule leaves: its jump no longer counts. The memory goes with the edit. */
void edit_rule_forget(struct edit_rule *rule);
int edit_rule_put(struct edit_chain *chain, struct edit_rule *rule, uint32_t at);
void edit_arena_free(struct edit_arena *arena);
bool edit_rule_is_stop(const struct edit_rule *rule, uint8_t family);

/* --- image.c --- */
int image_chain_read(struct edit_chain *chain);		/* unread rules become rules */
void image_map_free(struct image_map *map);

/* --- edit_log.c: every change as a record; nothing happens without a log --- */
enum log_op {
	LOG_CHAIN_ADD = 1, LOG_CHAIN_DELETE, LOG_CHAIN_RENAME, LOG_FLUSH, LOG_ZERO, LOG_ZERO_RULE, LOG_POLICY, LOG_INSERT,
	LOG_REPLACE, LOG_DELETE, LOG_REACH,
	LOG_COUNTERS,
};
void edit_log_add(struct edit *edit, enum log_op op, const char *chain, uint32_t at, const void *data, size_t size,
		  uint64_t cost);
void edit_log_rule(struct edit_chain *chain, struct edit_rule *rule);	/* a new one, to be judged at the commit */
void edit_log_doubt(struct edit *edit);			/* the change may open or close ways: verify the whole table */
/* A rule's counters are set; when a batch is replayed they are as if kept from its end on. -ENOMEM. */
int edit_log_touch(struct edit *edit, struct counter_plan *plan);
void edit_log_free(struct edit_log *log);

#endif
