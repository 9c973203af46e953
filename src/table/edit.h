/*
 * table/edit.h - a table taken apart into chains and rules, changed, and put back as one blob: what
 * libiptc is to iptables. Counters of rules that stay are carried over by their old place.
 */
#ifndef WEIR_TABLE_EDIT_H
#define WEIR_TABLE_EDIT_H

#include "table/table_internal.h"

enum counter_map {
	COUNTER_SET,	/* to .counters, zero unless somebody said otherwise */
	COUNTER_KEEP,	/* what entry .old counted until the commit */
};

struct counter_plan {
	enum counter_map map;
	uint32_t old;
	struct xt_counters counters;	/* COUNTER_KEEP: as they stood when the table was opened */
};

enum rule_kind {
	RULE_FALLTHROUGH,	/* no target: counts and goes on */
	RULE_VERDICT,		/* ACCEPT, DROP, QUEUE, RETURN: the verdict stands in the entry */
	RULE_JUMP,
	RULE_EXTENSION,
};

struct edit_rule {
	void *entry;			/* in user space's form: next_offset bytes; in the edit's arena, or its image's */
	enum rule_kind kind;
	struct edit_chain *jump;
	struct counter_plan counted;
	struct rule_source source;	/* text borrowed */
};

struct edit_chain {
	char name[XT_FUNCTION_MAXNAMELEN];
	int hook;			/* -1: a user's chain */
	int policy;			/* verdict number, builtin chains only */
	struct counter_plan counted;	/* of the policy */
	struct rule_source source;
	struct edit *edit;
	uint32_t count;			/* of its rules: read ones and, before them, unread ones */
	unsigned int references;
	uint32_t start, size;		/* where its rules lie in the blob, once one was made */
	/*
	 * A chain of an image stays bytes until somebody looks at its rules: adding one to a hundred thousand
	 * reads none of them. Only edit.c and image.c may touch these; others ask edit_rule_at().
	 */
	struct edit_rule **rules;	/* [unread..count) of the chain */
	uint32_t cap, unread;
	const uint8_t *unread_bytes;
	uint32_t unread_size;
	/* What a change of one rule can be judged by, without looking at all others (image.c). */
	uint32_t hook_mask;		/* hooks that reach its first rule; too many at worst */
	uint32_t stop;			/* first rule that ends the chain for every packet; UINT32_MAX: none */
	uint32_t jumps;			/* rules that jump or go to other chains */
};

struct edit_log;
struct edit_arena;

struct edit {
	struct instance *inst;
	const struct table_kind *kind;
	uint8_t family;
	struct edit_chain **chains;	/* builtin ones by hook, then the user's by name */
	uint32_t count, cap, builtin_count;
	uint32_t old_number;		/* entries of the generation that was opened */
	bool changed;			/* for whoever decides whether to commit */
	bool uncounted;			/* its rules are about to go, and policies' counts are not known until edit_count() */
	struct edit_arena *arena;	/* rules and their bytes, freed at once */
	struct edit_log *log;		/* what is done to the table is written down here; NULL: nobody asks */
	struct image_map *image;	/* what it was read from, when that was an image */
};

/* @create: the table comes into being if it must; otherwise an untouched one is read as if it did. */
int edit_open(struct instance *inst, uint8_t family, const char *table, bool create, struct edit **out,
	      struct refusal *why);
/* To look at what rules say: no counters, so that nobody is waited for; a worker on its packet's way may ask. */
int edit_open_uncounted(struct instance *inst, uint8_t family, const char *table, struct edit **out, struct refusal *why);
void edit_count(struct edit *edit);		/* before counts are shown: of one whose opener said that he .empties it */
/* The same of another process's table: @entries in user space's form, @head->size bytes. Nothing is asked of extensions. */
int edit_open_blob(struct instance *inst, uint8_t family, const struct ipt_replace *head, const void *entries, struct edit **out,
		   struct refusal *why);
void edit_free(struct edit *edit);
/* Memory that goes with the edit: zeroed, aligned to 16; NULL: there is none left. */
void *edit_alloc(struct edit *edit, size_t size);
/* The table as the kernel's blob, counters filled in. @blob->head.size bytes of entries. Given: edit_blob_free(). */
struct edit_blob {
	struct ipt_replace head;
	uint8_t *entries;
	struct rule_source *lines;	/* by entry */
};
int edit_blob_make(struct edit *edit, struct edit_blob *blob, struct refusal *why);
void edit_blob_free(struct edit_blob *blob);
int edit_dump(struct edit *edit, struct strbuf *out, struct refusal *why);	/* list_dump.c: every entry, for debugging */
/* What each entry of the new blob counts from, in @to, when the opened one's entries counted @old until then. */
void edit_counters(const struct edit *edit, const struct xt_counters *old, struct xt_counters *to);
/* Makes the rule set; nothing is published. @rs is given: ruleset_free(). */
int edit_build(struct edit *edit, struct ruleset **rs, struct refusal *why);
/*
 * Publishes what edit_build() made, in three steps; the table must be as it was when opened. Whatever takes time or can fail is done
 * beside workers (table/alone.h). The first takes @rs on success.
 */
struct publication {
	struct table *table;
	struct ruleset *rs, *before;
	uint32_t *from;			/* as in table_swap() */
};
int edit_prepare(struct edit *edit, struct ruleset *rs, struct publication *p, struct refusal *why);
void publication_apply(struct instance *inst, struct publication *p);	/* alone only */
void publication_release(struct alone_steps *steps, struct publication *p);	/* what was before holds nothing any more; or left to the last */
void publication_end(struct instance *inst, struct publication *p);	/* what was before, or did not come to be, goes */
int edit_commit(struct edit *edit, struct refusal *why);

struct edit_chain *edit_chain_find(struct edit *edit, const char *name);
/* -EEXIST, -ENOMEM. */
int edit_chain_add(struct edit *edit, const char *name, struct edit_chain **out);
/* -EINVAL builtin, -EMLINK referenced, -ENOTEMPTY. */
int edit_chain_delete(struct edit *edit, struct edit_chain *chain);
/* -EEXIST; -ENOENT: a builtin one. */
int edit_chain_rename(struct edit *edit, struct edit_chain *chain, const char *name);
int edit_chain_flush(struct edit_chain *chain);		/* -EINVAL: the image is damaged, as with all that read rules */
int edit_chain_zero(struct edit_chain *chain);
/* -ENOENT not builtin, -EINVAL unknown policy. @counters NULL: zero. */
int edit_chain_set_policy(struct edit_chain *chain, const char *policy, const struct xt_counters *counters);
const char *edit_policy_name(const struct edit_chain *chain);

/*
 * @entry: borrowed; its target is named as the user wrote it (a chain's name for a jump, "ACCEPT", "" for
 * none), in the size of a standard target then. -E2BIG: beyond the end; -EINVAL: jump into a builtin chain.
 */
int edit_rule_insert(struct edit *edit, struct edit_chain *chain, uint32_t at, const void *entry,
		     const struct rule_source *source);
int edit_rule_replace(struct edit *edit, struct edit_chain *chain, uint32_t at, const void *entry,
		      const struct rule_source *source);
int edit_rule_delete(struct edit_chain *chain, uint32_t at);
int edit_rule_zero(struct edit_chain *chain, uint32_t at);
int edit_rule_count(struct edit_chain *chain, uint32_t at, const struct xt_counters *counters);	/* from now on from there */
/* The rules as an array of chain->count; NULL: a damaged image, or no memory. */
struct edit_rule *const *edit_rules(struct edit_chain *chain);
static inline const struct edit_rule *edit_rule_at(struct edit_chain *chain, uint32_t at)
{
	struct edit_rule *const *rules = edit_rules(chain);

	return rules ? rules[at] : NULL;
}
/* First rule equal to @entry (matches and targets by what user space sees of them), or -1. */
int edit_rule_find(struct edit *edit, struct edit_chain *chain, const void *entry);
/* The same, with data of extensions compared where @mask, as long as @entry, has bits. */
int edit_rule_find_masked(struct edit *edit, struct edit_chain *chain, const void *entry, const uint8_t *mask);
/* "ACCEPT", the chain's or the extension's name, "" for none. */
const char *edit_rule_target_name(const struct edit *edit, const struct edit_rule *rule);

#endif
