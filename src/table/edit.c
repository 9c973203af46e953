/*
 * table/edit.c - chains and rules under a user's hands. Builtin chains stand in hook order, the user's
 * sorted by name behind them: the order that libiptc gives a blob and iptables-save prints.
 */
#include "table/edit_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bigmem.h"
#include "base/sorted.h"

static const struct {
	const char *name;
	int verdict;
} verdict_names[] = {
	{ "ACCEPT", -NF_ACCEPT - 1 },
	{ "DROP", -NF_DROP - 1 },
	{ "QUEUE", -NF_QUEUE - 1 },
	{ "RETURN", XT_RETURN },
};

static const char *verdict_name(int verdict)
{
	for (size_t i = 0; i < ARRAY_SIZE(verdict_names); i++)
		if (verdict_names[i].verdict == verdict)
			return verdict_names[i].name;
	return "";
}

/* --- chains --- */

static const char *chain_name_at(const void *priv, size_t at) { return ((const struct edit *)priv)->chains[at]->name; }

/* Where @name is, or belongs, among the user's chains. */
static uint32_t user_chain_place(const struct edit *edit, const char *name, bool *found)
{
	return (uint32_t)sorted_place(edit->builtin_count, edit->count, name, chain_name_at, edit, found);
}

struct edit_chain *edit_chain_find(struct edit *edit, const char *name)
{
	uint32_t at;
	bool found;

	for (uint32_t i = 0; i < edit->builtin_count; i++)
		if (edit->chains[i]->name[0] == name[0] && !strcmp(edit->chains[i]->name, name))
			return edit->chains[i];
	at = user_chain_place(edit, name, &found);
	return found ? edit->chains[at] : NULL;
}

int edit_chain_put(struct edit *edit, struct edit_chain *chain, uint32_t at)
{
	if (edit->count == edit->cap) {
		uint32_t cap = edit->cap ? 2 * edit->cap : 16;
		struct edit_chain **chains = realloc(edit->chains, cap * sizeof(*chains));

		if (!chains)
			return -ENOMEM;
		edit->chains = chains;
		edit->cap = cap;
	}
	memmove(edit->chains + at + 1, edit->chains + at, (edit->count - at) * sizeof(*edit->chains));
	edit->chains[at] = chain;
	edit->count++;
	return 0;
}

struct edit_chain *edit_chain_new(struct edit *edit, const char *name, int hook)
{
	struct edit_chain *chain = calloc(1, sizeof(*chain));

	if (!chain)
		return NULL;
	chain->edit = edit;
	chain->stop = UINT32_MAX;
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	chain->hook = hook;
	return chain;
}

void edit_rule_forget(struct edit_rule *rule)
{
	if (rule->kind == RULE_JUMP)
		rule->jump->references--;
}

/* A rule that no packet passes: what stands behind it is never reached. */
bool edit_rule_is_stop(const struct edit_rule *rule, uint8_t family)
{
	return rule->kind == RULE_VERDICT && entry_is_unconditional(rule->entry, family);
}

static void stop_find(struct edit_chain *chain, uint32_t from)
{
	chain->stop = UINT32_MAX;
	for (uint32_t i = from; i < chain->count; i++) {
		if (edit_rule_is_stop(chain->rules[i - chain->unread], chain->edit->family)) {
			chain->stop = i;
			return;
		}
	}
}

struct edit_rule *const *edit_rules(struct edit_chain *chain)
{
	static struct edit_rule *const none[1];

	if (chain->unread && image_chain_read(chain))
		return NULL;
	return chain->rules ? chain->rules : none;
}

int edit_chain_flush(struct edit_chain *chain)
{
	struct edit_rule *const *rules = edit_rules(chain);

	if (!rules)
		return -EINVAL;
	for (uint32_t i = 0; i < chain->count; i++)
		edit_rule_forget(rules[i]);
	edit_log_add(chain->edit, LOG_FLUSH, chain->name, 0, NULL, 0, 1 + chain->count / 8);
	chain->count = chain->jumps = 0;
	chain->stop = UINT32_MAX;
	return 0;
}

void edit_chain_free(struct edit_chain *chain)
{
	free(chain->rules);
	free(chain);
}

int edit_chain_add(struct edit *edit, const char *name, struct edit_chain **out)
{
	struct edit_chain *chain;
	uint32_t at;
	bool found;
	int err;

	if (edit_chain_find(edit, name))
		return -EEXIST;
	chain = edit_chain_new(edit, name, -1);
	if (!chain)
		return -ENOMEM;
	at = user_chain_place(edit, name, &found);
	err = edit_chain_put(edit, chain, at);
	if (err) {
		edit_chain_free(chain);
		return err;
	}
	edit_log_add(edit, LOG_CHAIN_ADD, name, 0, NULL, 0, 1);
	if (out)
		*out = chain;
	return 0;
}

static void chain_take_out(struct edit *edit, struct edit_chain *chain)
{
	bool found;
	uint32_t at = user_chain_place(edit, chain->name, &found);

	edit->count--;
	memmove(edit->chains + at, edit->chains + at + 1, (edit->count - at) * sizeof(*edit->chains));
}

int edit_chain_delete(struct edit *edit, struct edit_chain *chain)
{
	if (chain->hook >= 0)
		return -EINVAL;
	if (chain->references)
		return -EMLINK;
	if (chain->count)
		return -ENOTEMPTY;
	edit_log_add(edit, LOG_CHAIN_DELETE, chain->name, 0, NULL, 0, 1);
	chain_take_out(edit, chain);
	edit_chain_free(chain);
	return 0;
}

int edit_chain_rename(struct edit *edit, struct edit_chain *chain, const char *name)
{
	bool found;

	if (edit_chain_find(edit, name))
		return -EEXIST;
	if (chain->hook >= 0)
		return -ENOENT;
	edit_log_add(edit, LOG_CHAIN_RENAME, chain->name, 0, name, strlen(name) + 1, 1);
	chain_take_out(edit, chain);
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	return edit_chain_put(edit, chain, user_chain_place(edit, name, &found));	/* room is there */
}

/* Only what was counted before the table was opened; a value set since stays. */
static void plan_zero(struct counter_plan *plan)
{
	if (plan->map == COUNTER_KEEP)
		*plan = (struct counter_plan){ .map = COUNTER_SET };
}

int edit_chain_zero(struct edit_chain *chain)
{
	struct edit_rule *const *rules = edit_rules(chain);

	if (!rules)
		return -EINVAL;
	plan_zero(&chain->counted);
	for (uint32_t i = 0; i < chain->count; i++)
		plan_zero(&rules[i]->counted);
	edit_log_add(chain->edit, LOG_ZERO, chain->name, 0, NULL, 0, 1 + chain->count / 8);
	return 0;
}

int edit_rule_zero(struct edit_chain *chain, uint32_t at)
{
	struct edit_rule *const *rules = edit_rules(chain);

	if (!rules)
		return -EINVAL;
	plan_zero(&rules[at]->counted);
	edit_log_add(chain->edit, LOG_ZERO_RULE, chain->name, at, NULL, 0, 1);
	return 0;
}

int edit_rule_count(struct edit_chain *chain, uint32_t at, const struct xt_counters *counters)
{
	struct edit_rule *const *rules = edit_rules(chain);

	if (!rules)
		return -EINVAL;
	rules[at]->counted = (struct counter_plan){ .map = COUNTER_SET, .counters = *counters };
	if (edit_log_touch(chain->edit, &rules[at]->counted))
		return -ENOMEM;
	edit_log_add(chain->edit, LOG_COUNTERS, chain->name, at, counters, sizeof(*counters), 1);
	return 0;
}

int edit_chain_set_policy(struct edit_chain *chain, const char *policy, const struct xt_counters *counters)
{
	if (chain->hook < 0)
		return -ENOENT;
	if (!strcmp(policy, "ACCEPT"))
		chain->policy = -NF_ACCEPT - 1;
	else if (!strcmp(policy, "DROP"))
		chain->policy = -NF_DROP - 1;
	else
		return -EINVAL;
	chain->counted = (struct counter_plan){ .map = COUNTER_SET };
	if (counters)
		chain->counted.counters = *counters;
	edit_log_add(chain->edit, LOG_POLICY, chain->name, (uint32_t)chain->policy, &chain->counted.counters,
		     sizeof(chain->counted.counters), 1);
	return 0;
}

const char *edit_policy_name(const struct edit_chain *chain)
{
	return chain->hook < 0 ? NULL : verdict_name(chain->policy);
}

/* --- rules --- */

const char *edit_rule_target_name(const struct edit *edit, const struct edit_rule *rule)
{
	const struct xt_standard_target *t = entry_target(rule->entry, edit->family);

	switch (rule->kind) {
	case RULE_FALLTHROUGH:
		return "";
	case RULE_VERDICT:
		return verdict_name(t->verdict);
	case RULE_JUMP:
		return rule->jump->name;
	case RULE_EXTENSION:
		break;
	}
	return t->target.u.user.name;
}

/* A name becomes what it stands for; standard targets lose theirs, as in a blob. */
static int target_resolve(struct edit *edit, struct edit_rule *rule)
{
	struct xt_standard_target *t = entry_target(rule->entry, edit->family);
	char *name = t->target.u.user.name;
	struct edit_chain *chain;

	rule->kind = RULE_FALLTHROUGH;
	if (!name[0])
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(verdict_names); i++) {
		if (name[0] != verdict_names[i].name[0] || strcmp(name, verdict_names[i].name))
			continue;
		rule->kind = RULE_VERDICT;
		memset(name, 0, sizeof(t->target.u.user.name));
		t->verdict = verdict_names[i].verdict;
		return 0;
	}
	chain = edit_chain_find(edit, name);
	if (chain && chain->hook >= 0)
		return -EINVAL;
	if (chain) {
		rule->kind = RULE_JUMP;
		rule->jump = chain;
		chain->references++;
		memset(name, 0, sizeof(t->target.u.user.name));
		return 0;
	}
	rule->kind = RULE_EXTENSION;
	return 0;
}

static int rule_new(struct edit *edit, const void *entry, const struct rule_source *source, struct edit_rule **out)
{
	const uint16_t size = entry_next_offset(entry, edit->family);
	/* one piece: the entry, aligned, behind its rule */
	struct edit_rule *rule = edit_alloc(edit, ALIGN_UP(sizeof(*rule), (size_t)16) + size);
	int err;

	if (!rule)
		return -ENOMEM;
	rule->entry = (uint8_t *)rule + ALIGN_UP(sizeof(*rule), (size_t)16);
	memcpy(rule->entry, entry, size);
	rule->counted = (struct counter_plan){ COUNTER_SET, 0, *entry_counters(rule->entry, edit->family) };
	if (edit_log_touch(edit, &rule->counted))
		return -ENOMEM;
	if (source)
		rule->source = *source;
	err = target_resolve(edit, rule);
	if (err)
		return err;
	*out = rule;
	return 0;
}

int edit_rule_put(struct edit_chain *chain, struct edit_rule *rule, uint32_t at)
{
	const uint32_t held = chain->count - chain->unread;

	if (held == chain->cap) {
		uint32_t cap = chain->cap ? 2 * chain->cap : 8;
		struct edit_rule **rules = realloc(chain->rules, cap * sizeof(*rules));

		if (!rules)
			return -ENOMEM;
		chain->rules = rules;
		chain->cap = cap;
	}
	at -= chain->unread;
	memmove(chain->rules + at + 1, chain->rules + at, (held - at) * sizeof(*chain->rules));
	chain->rules[at] = rule;
	chain->count++;
	return 0;
}

int edit_rule_insert(struct edit *edit, struct edit_chain *chain, uint32_t at, const void *entry,
		     const struct rule_source *source)
{
	struct edit_rule *rule;
	int err;

	if (at > chain->count)
		return -E2BIG;
	if (at < chain->count && !edit_rules(chain))
		return -EINVAL;
	err = rule_new(edit, entry, source, &rule);
	if (err)
		return err;
	err = edit_rule_put(chain, rule, at);
	if (err) {
		edit_rule_forget(rule);
		return err;
	}
	chain->jumps += rule->kind == RULE_JUMP;
	if (at <= chain->stop)
		chain->stop = edit_rule_is_stop(rule, edit->family) ? at : chain->stop + (chain->stop != UINT32_MAX);
	edit_log_add(edit, LOG_INSERT, chain->name, at, entry, entry_next_offset(entry, edit->family),
		     1 + (chain->count - 1 - at) / 256);
	edit_log_rule(chain, rule);
	return 0;
}

int edit_rule_replace(struct edit *edit, struct edit_chain *chain, uint32_t at, const void *entry,
		      const struct rule_source *source)
{
	struct edit_rule *rule;
	int err;

	if (at >= chain->count)
		return -E2BIG;
	if (!edit_rules(chain))
		return -EINVAL;
	err = rule_new(edit, entry, source, &rule);
	if (err)
		return err;
	chain->jumps -= chain->rules[at]->kind == RULE_JUMP;
	chain->jumps += rule->kind == RULE_JUMP;
	edit_rule_forget(chain->rules[at]);
	chain->rules[at] = rule;
	if (at == chain->stop)
		edit_log_doubt(edit);
	edit_log_rule(chain, rule);
	if (at <= chain->stop)
		stop_find(chain, at);
	edit_log_add(edit, LOG_REPLACE, chain->name, at, entry, entry_next_offset(entry, edit->family), 1);
	return 0;
}

int edit_rule_delete(struct edit_chain *chain, uint32_t at)
{
	const uint32_t stop = chain->stop;

	if (!edit_rules(chain))
		return -EINVAL;
	chain->jumps -= chain->rules[at]->kind == RULE_JUMP;
	edit_rule_forget(chain->rules[at]);
	chain->count--;
	memmove(chain->rules + at, chain->rules + at + 1, (chain->count - at) * sizeof(*chain->rules));
	if (at < stop)
		chain->stop -= stop != UINT32_MAX;
	if (at == stop) {
		edit_log_doubt(chain->edit);	/* what stood behind it is reached now */
		stop_find(chain, at);
	}
	edit_log_add(chain->edit, LOG_DELETE, chain->name, at, NULL, 0, 1 + (chain->count - at) / 256);
	return 0;
}

/* Interfaces are equal where their masks care. */
static bool ifaces_equal(const char *a, const char *b, const unsigned char *mask_a, const unsigned char *mask_b)
{
	for (unsigned int i = 0; i < IFNAMSIZ; i++)
		if (mask_a[i] != mask_b[i] || (a[i] & mask_a[i]) != (b[i] & mask_b[i]))
			return false;
	return true;
}

bool entry_heads_equal(const void *a, const void *b, uint8_t family)
{
	if (family == NFPROTO_IPV4) {
		const struct ipt_ip *x = a, *y = b;

		return x->src.s_addr == y->src.s_addr && x->dst.s_addr == y->dst.s_addr &&
		       x->smsk.s_addr == y->smsk.s_addr && x->dmsk.s_addr == y->dmsk.s_addr &&
		       x->proto == y->proto && x->flags == y->flags && x->invflags == y->invflags &&
		       ifaces_equal(x->iniface, y->iniface, x->iniface_mask, y->iniface_mask) &&
		       ifaces_equal(x->outiface, y->outiface, x->outiface_mask, y->outiface_mask);
	}
	const struct ip6t_ip6 *x = a, *y = b;

	return !memcmp(&x->src, &y->src, 4 * sizeof(x->src)) && x->proto == y->proto && x->tos == y->tos &&
	       x->flags == y->flags && x->invflags == y->invflags &&
	       ifaces_equal(x->iniface, y->iniface, x->iniface_mask, y->iniface_mask) &&
	       ifaces_equal(x->outiface, y->outiface, x->outiface_mask, y->outiface_mask);
}

static size_t seen_size(uint32_t user_size, uint32_t info_size, size_t room)
{
	return MIN_OF((size_t)(user_size ? user_size : info_size), room);
}

/* Data of @size bytes at @offset of entry @a: where the mask has bits, or as far as user space sees it. */
static bool data_equal(const uint8_t *a, const uint8_t *b, size_t seen, size_t size, const uint8_t *mask)
{
	if (!mask)
		return !memcmp(a, b, seen);
	for (size_t i = 0; i < size; i++)
		if ((a[i] ^ b[i]) & mask[i])
			return false;
	return true;
}

static bool rules_equal(const struct edit *edit, const struct edit_rule *a, const struct edit_rule *b, const uint8_t *mask)
{
	const uint8_t family = edit->family;
	const struct xt_entry_target *ta = entry_target(a->entry, family), *tb = entry_target(b->entry, family);

	if (!entry_heads_equal(a->entry, b->entry, family) || a->kind != b->kind ||
	    entry_target_offset(a->entry, family) != entry_target_offset(b->entry, family) ||
	    entry_next_offset(a->entry, family) != entry_next_offset(b->entry, family))
		return false;
	for_each_match(m, a->entry, family) {
		const struct xt_entry_match *n = (void *)((char *)b->entry + ((char *)m - (char *)a->entry));
		const size_t room = m->u.match_size - sizeof(*m);
		const struct match *match = match_find(m->u.user.name, m->u.user.revision, family);
		size_t seen = match ? seen_size(match->user_size, match->info_size, room) : room;

		if (m->u.match_size != n->u.match_size || strcmp(m->u.user.name, n->u.user.name) ||
		    !data_equal(m->data, n->data, seen, room, mask ? mask + (m->data - (uint8_t *)a->entry) : NULL))
			return false;
	}
	switch (a->kind) {
	case RULE_FALLTHROUGH:
		return true;
	case RULE_JUMP:
		return a->jump == b->jump;
	case RULE_VERDICT:
		return raw_verdict(ta) == raw_verdict(tb);
	case RULE_EXTENSION:
		break;
	}
	const struct target *target = target_find(ta->u.user.name, ta->u.user.revision, family);
	const size_t room = ta->u.target_size - sizeof(*ta);

	return ta->u.target_size == tb->u.target_size && !strcmp(ta->u.user.name, tb->u.user.name) &&
	       data_equal(ta->data, tb->data, target ? seen_size(target->user_size, target->info_size, room) : room, room,
			  mask ? mask + (ta->data - (uint8_t *)a->entry) : NULL);
}

int edit_rule_find(struct edit *edit, struct edit_chain *chain, const void *entry)
{
	return edit_rule_find_masked(edit, chain, entry, NULL);
}

int edit_rule_find_masked(struct edit *edit, struct edit_chain *chain, const void *entry, const uint8_t *mask)
{
	struct edit_rule *const *rules = edit_rules(chain);
	struct edit_rule *wanted;
	int found = -1;

	if (!rules || rule_new(edit, entry, NULL, &wanted))
		return -1;
	for (uint32_t i = 0; found < 0 && i < chain->count; i++)
		if (rules_equal(edit, wanted, rules[i], mask))
			found = (int)i;
	edit_rule_forget(wanted);
	return found;
}

/* --- memory --- */

enum { ARENA_CHUNK_MIN = 16 << 10, ARENA_CHUNK_MAX = 8 << 20 };

struct edit_arena {
	struct edit_arena *next;
	size_t used, size;
	_Alignas(16) uint8_t bytes[];
};

void *edit_alloc(struct edit *edit, size_t size)
{
	struct edit_arena *arena = edit->arena;
	void *at;

	size = ALIGN_UP(size, (size_t)16);
	if (!arena || arena->size - arena->used < size) {
		size_t whole = arena ? MIN_OF(2 * (arena->size + sizeof(*arena)), (size_t)ARENA_CHUNK_MAX) : ARENA_CHUNK_MIN;

		whole = MAX_OF(whole, sizeof(*arena) + size);
		arena = bigmem_alloc(whole);
		if (!arena)
			return NULL;
		*arena = (struct edit_arena){ .next = edit->arena, .size = whole - sizeof(*arena) };
		edit->arena = arena;
	}
	at = arena->bytes + arena->used;
	arena->used += size;
	return at;	/* zeroed: bigmem is, and nothing is given twice */
}

void edit_arena_free(struct edit_arena *arena)
{
	for (struct edit_arena *next; arena; arena = next) {
		next = arena->next;
		bigmem_free(arena, sizeof(*arena) + arena->size);
	}
}
