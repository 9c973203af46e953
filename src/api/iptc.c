/*
 * api/iptc.c - libiptc's calls over a kept instance. A handle is the table as it was when it was opened; a commit is refused
 * when the table has become another since. Both families share one code and have names of their own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/place.h"
#include "instance.h"
#include "table/image.h"


struct xtc_handle {
	struct instance *inst;
	struct place *place;
	struct edit *edit;
	struct edit *spent[64];		/* tables of earlier commits: the program may hold pointers into them */
	unsigned int spent_count;
	uint64_t stamp;
	uint8_t family;
	char table[XT_TABLE_MAXNAMELEN];
	uint32_t next_chain;
	struct edit_chain *chain;	/* whose rules are gone through */
	uint32_t next_rule;
};

/* What the last call did: its errno means different things. CALL_OTHER: nothing in particular, and what libiptc forgets
 * when it looks a target's name up. */
static __thread enum call {
	CALL_OTHER, CALL_INIT, CALL_INSERT, CALL_REPLACE, CALL_DELETE, CALL_DELETE_NUM, CALL_COUNTER, CALL_CREATE, CALL_POLICY,
} last_call;

static bool is_verdict(const char *name)
{
	return !strcmp(name, "ACCEPT") || !strcmp(name, "DROP") || !strcmp(name, "QUEUE") || !strcmp(name, "RETURN");
}

static int fail(int err)
{
	errno = -err;
	return 0;
}

static int done(struct xtc_handle *h, int err)
{
	if (err)
		return fail(err);
	h->edit->changed = true;
	return 1;
}

static struct xtc_handle *tc_init(uint8_t family, const char *table)
{
	struct xtc_handle *h = calloc(1, sizeof(*h));
	const char *name = getenv("WEIR_INSTANCE");
	struct refusal why = { 0 };
	int err = 0;

	last_call = CALL_INIT;
	if (!h)
		return NULL;
	h->family = family;
	if (strlen(table) >= sizeof(h->table))
		err = -EINVAL;
	else
		strcpy(h->table, table);
	if (!err && !(h->inst = instance_new(1, 0, &why)))
		err = -ENOMEM;
	if (!err)
		err = place_open(name && *name ? name : NULL, h->inst, &h->place, &why);
	if (!err) {
		place_tables(h->place)->wait_sec = -1;
		err = place_tables(h->place)->open(place_tables(h->place), family, table, true, &h->edit, &why);
	}
	if (!err) {
		h->stamp = place_stamp(h->place, family, table);
		place_unlock(h->place);
		return h;
	}
	place_close(h->place);
	instance_free(h->inst);
	free(h);
	errno = -err;
	return NULL;
}

static void tc_free(struct xtc_handle *h)
{
	edit_free(h->edit);
	while (h->spent_count)
		edit_free(h->spent[--h->spent_count]);
	place_close(h->place);
	instance_free(h->inst);
	free(h);
}

static struct edit_chain *chain_of(struct xtc_handle *h, const char *name, enum call call)
{
	struct edit_chain *chain = edit_chain_find(h->edit, name);

	last_call = call;
	if (!chain)
		errno = ENOENT;
	return chain;
}

static const char *tc_next_chain(struct xtc_handle *h)
{
	return h->next_chain < h->edit->count ? h->edit->chains[h->next_chain++]->name : NULL;
}

static const char *tc_first_chain(struct xtc_handle *h)
{
	h->next_chain = 0;
	return tc_next_chain(h);
}

/* The entry with its counters; a copy when these were changed and the entry lies in the image. */
static const void *rule_entry(struct xtc_handle *h, struct edit_rule *rule)
{
	const uint16_t size = entry_next_offset(rule->entry, h->family);

	if (memcmp(entry_counters(rule->entry, h->family), &rule->counted.counters, sizeof(struct xt_counters))) {
		void *copy = edit_alloc(h->edit, size);

		if (!copy)
			return NULL;
		memcpy(copy, rule->entry, size);
		*entry_counters(copy, h->family) = rule->counted.counters;
		rule->entry = copy;
	}
	return rule->entry;
}

static const void *tc_next_rule(struct xtc_handle *h)
{
	struct edit_rule *const *rules = h->chain ? edit_rules(h->chain) : NULL;

	return rules && h->next_rule < h->chain->count ? rule_entry(h, rules[h->next_rule++]) : NULL;
}

static const void *tc_first_rule(struct xtc_handle *h, const char *chain)
{
	h->chain = chain_of(h, chain, CALL_OTHER);
	h->next_rule = 0;
	return tc_next_rule(h);
}

static const struct edit_rule *rule_of(struct xtc_handle *h, const void *entry)
{
	if (h->chain && h->next_rule && h->next_rule <= h->chain->count) {
		const struct edit_rule *rule = edit_rule_at(h->chain, h->next_rule - 1);

		if (rule && rule->entry == entry)
			return rule;
	}
	for (uint32_t c = 0; c < h->edit->count; c++) {
		struct edit_rule *const *rules = edit_rules(h->edit->chains[c]);

		for (uint32_t i = 0; rules && i < h->edit->chains[c]->count; i++)
			if (rules[i]->entry == entry)
				return rules[i];
	}
	return NULL;
}

static const char *tc_get_target(struct xtc_handle *h, const void *entry)
{
	const struct edit_rule *rule = rule_of(h, entry);

	return rule ? edit_rule_target_name(h->edit, rule) : NULL;
}

static int tc_builtin(struct xtc_handle *h, const char *name)
{
	const struct edit_chain *chain = edit_chain_find(h->edit, name);

	return chain && chain->hook >= 0;
}

static const char *tc_get_policy(struct xtc_handle *h, const char *name, struct xt_counters *counters)
{
	const struct edit_chain *chain = chain_of(h, name, CALL_OTHER);

	if (!chain || chain->hook < 0)
		return NULL;
	*counters = chain->counted.counters;
	return edit_policy_name(chain);
}

static void target_look_up(struct xtc_handle *h, const void *entry)
{
	const char *name = raw_target_name(entry_target(entry, h->family));

	if (name[0] && !is_verdict(name))
		last_call = CALL_OTHER;
}

static int tc_insert(struct xtc_handle *h, const char *name, const void *entry, uint32_t place, bool append)
{
	struct edit_chain *chain = chain_of(h, name, append ? CALL_OTHER : CALL_INSERT);

	if (!chain)
		return 0;
	if (append || place <= chain->count)
		target_look_up(h, entry);
	return done(h, edit_rule_insert(h->edit, chain, append ? chain->count : place, entry, NULL));
}

static int tc_replace(struct xtc_handle *h, const char *name, const void *entry, uint32_t place)
{
	struct edit_chain *chain = chain_of(h, name, CALL_REPLACE);

	if (!chain)
		return 0;
	if (place < chain->count)
		target_look_up(h, entry);
	return done(h, edit_rule_replace(h->edit, chain, place, entry, NULL));
}

static int tc_find(struct xtc_handle *h, const char *name, const void *entry, const unsigned char *mask, bool take)
{
	struct edit_chain *chain = chain_of(h, name, CALL_DELETE), *to;
	const char *target = raw_target_name(entry_target(entry, h->family));
	int at;

	if (!chain)
		return 0;
	target_look_up(h, entry);
	to = edit_chain_find(h->edit, target);
	if (to && to->hook >= 0)
		return fail(-EINVAL);	/* a jump into a builtin chain */
	/* libiptc counts it as a change to have taken a name for an extension's: a commit then forgets policies' counters */
	if (take && !to && target[0] && !is_verdict(target))
		h->edit->changed = true;
	at = edit_rule_find_masked(h->edit, chain, entry, mask);
	if (at < 0)
		return fail(-ENOENT);
	return take ? done(h, edit_rule_delete(chain, (uint32_t)at)) : 1;
}

static int tc_delete_num(struct xtc_handle *h, const char *name, uint32_t place)
{
	struct edit_chain *chain = chain_of(h, name, CALL_DELETE_NUM);

	if (!chain)
		return 0;
	return place < chain->count ? done(h, edit_rule_delete(chain, place)) : fail(-E2BIG);
}

static int tc_flush(struct xtc_handle *h, const char *name)
{
	struct edit_chain *chain = chain_of(h, name, CALL_OTHER);

	return chain ? done(h, edit_chain_flush(chain)) : 0;
}

static int tc_zero(struct xtc_handle *h, const char *name)
{
	struct edit_chain *chain = chain_of(h, name, CALL_OTHER);

	return chain ? done(h, edit_chain_zero(chain)) : 0;
}

static int tc_create(struct xtc_handle *h, const char *name)
{
	last_call = CALL_CREATE;
	if (is_verdict(name))
		return fail(-EEXIST);
	if (strlen(name) >= XT_EXTENSION_MAXNAMELEN)
		return fail(-EINVAL);
	return done(h, edit_chain_add(h->edit, name, NULL));
}

static int tc_delete_chain(struct xtc_handle *h, const char *name)
{
	struct edit_chain *chain = chain_of(h, name, CALL_OTHER);
	int err;

	if (!chain)
		return 0;
	if (h->chain == chain)
		h->chain = NULL;
	err = edit_chain_delete(h->edit, chain);
	if (!err && h->next_chain)
		h->next_chain--;	/* the walk over chains goes on where it was */
	return done(h, err);
}

static int tc_rename(struct xtc_handle *h, const char *from, const char *to)
{
	struct edit_chain *chain;

	last_call = CALL_OTHER;
	if (edit_chain_find(h->edit, to) || is_verdict(to))
		return fail(-EEXIST);
	chain = chain_of(h, from, CALL_OTHER);
	if (!chain)
		return 0;
	if (strlen(to) >= XT_EXTENSION_MAXNAMELEN)
		return fail(-EINVAL);
	return done(h, edit_chain_rename(h->edit, chain, to));
}

static int tc_set_policy(struct xtc_handle *h, const char *name, const char *policy, const struct xt_counters *counters)
{
	struct edit_chain *chain = chain_of(h, name, CALL_POLICY);

	return chain ? done(h, edit_chain_set_policy(chain, policy, counters)) : 0;
}

static int tc_get_references(struct xtc_handle *h, unsigned int *references, const char *name)
{
	const struct edit_chain *chain = chain_of(h, name, CALL_OTHER);

	if (!chain)
		return 0;
	*references = chain->references;
	return 1;
}

/* Rule @number of a chain, counted from 1. */
static struct edit_rule *counted_rule(struct xtc_handle *h, const char *name, uint32_t number, struct edit_chain **chain,
				      enum call call)
{
	*chain = chain_of(h, name, call);
	if (!*chain)
		return NULL;
	if (!number || number > (*chain)->count) {
		errno = E2BIG;
		return NULL;
	}
	return (struct edit_rule *)edit_rule_at(*chain, number - 1);
}

static struct xt_counters *tc_read_counter(struct xtc_handle *h, const char *name, uint32_t number)
{
	struct edit_chain *chain;
	struct edit_rule *rule = counted_rule(h, name, number, &chain, CALL_COUNTER);

	return rule ? &rule->counted.counters : NULL;
}

static int tc_zero_counter(struct xtc_handle *h, const char *name, uint32_t number)
{
	struct edit_chain *chain;

	return counted_rule(h, name, number, &chain, CALL_COUNTER) ? done(h, edit_rule_zero(chain, number - 1)) : 0;
}

static int tc_set_counter(struct xtc_handle *h, const char *name, uint32_t number, const struct xt_counters *counters)
{
	struct edit_chain *chain;

	return counted_rule(h, name, number, &chain, CALL_OTHER) ? done(h, edit_rule_count(chain, number - 1, counters)) : 0;
}

static int tc_commit(struct xtc_handle *h)
{
	struct table_source *tables = place_tables(h->place);
	struct edit *fresh = NULL;
	int err = 0;

	last_call = CALL_OTHER;
	if (!h->edit->changed)
		return 1;
	err = place_lock(h->place, -1, NULL);
	if (!err && place_stamp(h->place, h->family, h->table) != h->stamp)
		err = -EAGAIN;
	if (!err)
		err = tables->commit(tables, h->edit, NULL);
	/* the handle goes on with what is there now */
	if (!err && h->spent_count < ARRAY_SIZE(h->spent) && !tables->open(tables, h->family, h->table, true, &fresh, NULL)) {
		h->spent[h->spent_count++] = h->edit;
		h->edit = fresh;
		h->chain = NULL;
		h->stamp = place_stamp(h->place, h->family, h->table);
	}
	place_unlock(h->place);
	return err ? fail(err) : 1;
}

/* As the table was when the handle was made, unless somebody else has changed it. */
static void tc_dump(struct xtc_handle *h)
{
	struct table_source *tables = place_tables(h->place);
	struct strbuf out = STRBUF_INIT;
	struct edit *there = NULL;

	if (!tables->open(tables, h->family, h->table, true, &there, NULL) && !edit_dump(there, &out, NULL))
		fwrite(sb_str(&out), 1, out.len, stdout);
	edit_free(there);
	place_unlock(h->place);
	sb_free(&out);
}

static const char *tc_strerror(int err)
{
	static const struct {
		enum call call;		/* CALL_OTHER: any */
		int err;
		const char *text;
	} texts[] = {
		{ CALL_INIT, EPERM, "Permission denied (you must be root)" },
		{ CALL_INIT, EINVAL, "Module is wrong version" },
		{ CALL_INIT, ENOENT, "Table does not exist (do you need to insmod?)" },
		{ CALL_CREATE, EEXIST, "Chain already exists" },
		{ CALL_INSERT, E2BIG, "Index of insertion too big" },
		{ CALL_INSERT, ELOOP, "Loop found in table" },
		{ CALL_INSERT, EINVAL, "Target problem" },
		{ CALL_REPLACE, E2BIG, "Index of replacement too big" },
		{ CALL_DELETE_NUM, E2BIG, "Index of deletion too big" },
		{ CALL_DELETE, ENOENT, "Bad rule (does a matching rule exist in that chain?)" },
		{ CALL_COUNTER, E2BIG, "Index of counter too big" },
		{ CALL_POLICY, ENOENT, "Bad built-in chain name" },
		{ CALL_POLICY, EINVAL, "Bad policy name" },
		{ CALL_OTHER, ENOMEM, "Memory allocation problem" },
		{ CALL_OTHER, ENOENT, "No chain/target/match by that name" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if ((texts[i].call == last_call || texts[i].call == CALL_OTHER) && texts[i].err == err)
			return texts[i].text;
	return strerror(err);
}

#define EXPORT __attribute__((visibility("default")))
#define CALLS(tc, FAMILY, entry_type)										\
	EXPORT struct xtc_handle *tc##_init(const char *table);							\
	struct xtc_handle *tc##_init(const char *table) { return tc_init(FAMILY, table); }			\
	CALL(void, tc##_free, (struct xtc_handle *h), tc_free(h))						\
	CALL(int, tc##_is_chain, (const char *c, struct xtc_handle *h), return edit_chain_find(h->edit, c) != NULL)	\
	CALL(const char *, tc##_first_chain, (struct xtc_handle *h), return tc_first_chain(h))			\
	CALL(const char *, tc##_next_chain, (struct xtc_handle *h), return tc_next_chain(h))			\
	CALL(const entry_type *, tc##_first_rule, (const char *c, struct xtc_handle *h), return tc_first_rule(h, c))	\
	CALL(const entry_type *, tc##_next_rule, (const entry_type *e, struct xtc_handle *h), return tc_next_rule(h))	\
	CALL(const char *, tc##_get_target, (const entry_type *e, struct xtc_handle *h), return tc_get_target(h, e))	\
	CALL(int, tc##_builtin, (const char *c, struct xtc_handle *h), return tc_builtin(h, c))			\
	CALL(const char *, tc##_get_policy, (const char *c, struct xt_counters *n, struct xtc_handle *h),		\
	     return tc_get_policy(h, c, n))									\
	CALL(int, tc##_insert_entry, (const char *c, const entry_type *e, unsigned int at, struct xtc_handle *h),	\
	     return tc_insert(h, c, e, at, false))								\
	CALL(int, tc##_replace_entry, (const char *c, const entry_type *e, unsigned int at, struct xtc_handle *h),	\
	     return tc_replace(h, c, e, at))									\
	CALL(int, tc##_append_entry, (const char *c, const entry_type *e, struct xtc_handle *h),			\
	     return tc_insert(h, c, e, 0, true))								\
	CALL(int, tc##_check_entry, (const char *c, const entry_type *e, unsigned char *m, struct xtc_handle *h),	\
	     return tc_find(h, c, e, m, false))									\
	CALL(int, tc##_delete_entry, (const char *c, const entry_type *e, unsigned char *m, struct xtc_handle *h),	\
	     return tc_find(h, c, e, m, true))									\
	CALL(int, tc##_delete_num_entry, (const char *c, unsigned int at, struct xtc_handle *h), return tc_delete_num(h, c, at)) \
	CALL(const char *, tc##_check_packet, (const char *c, entry_type *e, struct xtc_handle *h), errno = ENOSYS; return NULL) \
	CALL(int, tc##_flush_entries, (const char *c, struct xtc_handle *h), return tc_flush(h, c))		\
	CALL(int, tc##_zero_entries, (const char *c, struct xtc_handle *h), return tc_zero(h, c))			\
	CALL(int, tc##_create_chain, (const char *c, struct xtc_handle *h), return tc_create(h, c))		\
	CALL(int, tc##_delete_chain, (const char *c, struct xtc_handle *h), return tc_delete_chain(h, c))		\
	CALL(int, tc##_rename_chain, (const char *c, const char *to, struct xtc_handle *h), return tc_rename(h, c, to))	\
	CALL(int, tc##_set_policy, (const char *c, const char *p, struct xt_counters *n, struct xtc_handle *h),		\
	     return tc_set_policy(h, c, p, n))									\
	CALL(int, tc##_get_references, (unsigned int *r, const char *c, struct xtc_handle *h),			\
	     return tc_get_references(h, r, c))									\
	CALL(struct xt_counters *, tc##_read_counter, (const char *c, unsigned int n, struct xtc_handle *h),		\
	     return tc_read_counter(h, c, n))									\
	CALL(int, tc##_zero_counter, (const char *c, unsigned int n, struct xtc_handle *h), return tc_zero_counter(h, c, n)) \
	CALL(int, tc##_set_counter, (const char *c, unsigned int n, struct xt_counters *to, struct xtc_handle *h),	\
	     return tc_set_counter(h, c, n, to))								\
	CALL(int, tc##_commit, (struct xtc_handle *h), return tc_commit(h))					\
	CALL(int, tc##_get_raw_socket, (void), return -1)							\
	CALL(const char *, tc##_strerror, (int err), return tc_strerror(err))

#define CALL(type, name, arguments, ...) EXPORT type name arguments; type name arguments { __VA_ARGS__; }

CALLS(iptc, NFPROTO_IPV4, struct ipt_entry)
CALLS(ip6tc, NFPROTO_IPV6, struct ip6t_entry)
CALL(void, dump_entries, (struct xtc_handle *h), tc_dump(h))
CALL(void, dump_entries6, (struct xtc_handle *h), tc_dump(h))

/* libiptc's own table of them, as its header has it. */
struct xtc_ops {
	int (*commit)(struct xtc_handle *);
	struct xtc_handle *(*init)(const char *);
	void (*free)(struct xtc_handle *);
	int (*builtin)(const char *, struct xtc_handle *);
	int (*is_chain)(const char *, struct xtc_handle *);
	int (*flush_entries)(const char *, struct xtc_handle *);
	int (*create_chain)(const char *, struct xtc_handle *);
	const char *(*first_chain)(struct xtc_handle *);
	const char *(*next_chain)(struct xtc_handle *);
	const char *(*get_policy)(const char *, struct xt_counters *, struct xtc_handle *);
	int (*set_policy)(const char *, const char *, struct xt_counters *, struct xtc_handle *);
	const char *(*strerror)(int);
};
#define OPS(tc) \
	extern const struct xtc_ops tc##_ops; \
	EXPORT const struct xtc_ops tc##_ops = { tc##_commit, tc##_init, tc##_free, tc##_builtin, tc##_is_chain, tc##_flush_entries, \
		tc##_create_chain, tc##_first_chain, tc##_next_chain, tc##_get_policy, tc##_set_policy, tc##_strerror }
OPS(iptc);
OPS(ip6tc);
