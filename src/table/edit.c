/*
 * table/edit.c - chains and rules under a user's hands. Builtin chains stand in hook order, the user's
 * sorted by name behind them: the order that libiptc gives a blob and iptables-save prints.
 */
#include "table/edit_internal.h"

#include <stdio.h>
#include <stdlib.h>

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

/* Where @name is, or belongs, among the user's chains. */
static uint32_t user_chain_place(const struct edit *edit, const char *name, bool *found)
{
	uint32_t low = edit->builtin_count, high = edit->count;

	*found = false;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = strcmp(edit->chains[mid]->name, name);

		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct edit_chain *edit_chain_find(struct edit *edit, const char *name)
{
	uint32_t at;
	bool found;

	for (uint32_t i = 0; i < edit->builtin_count; i++)
		if (!strcmp(edit->chains[i]->name, name))
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

struct edit_chain *edit_chain_new(const char *name, int hook)
{
	struct edit_chain *chain = calloc(1, sizeof(*chain));

	if (!chain)
		return NULL;
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	chain->hook = hook;
	return chain;
}

void edit_rule_free(struct edit_rule *rule)
{
	if (!rule)
		return;
	if (rule->kind == RULE_JUMP)
		rule->jump->references--;
	free(rule->entry);
	free(rule);
}

void edit_chain_flush(struct edit_chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++)
		edit_rule_free(chain->rules[i]);
	chain->count = 0;
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
	chain = edit_chain_new(name, -1);
	if (!chain)
		return -ENOMEM;
	at = user_chain_place(edit, name, &found);
	err = edit_chain_put(edit, chain, at);
	if (err)
		edit_chain_free(chain);
	else if (out)
		*out = chain;
	return err;
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
		return -EINVAL;
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

void edit_chain_zero(struct edit_chain *chain)
{
	plan_zero(&chain->counted);
	for (uint32_t i = 0; i < chain->count; i++)
		plan_zero(&chain->rules[i]->counted);
}

void edit_rule_zero(struct edit_rule *rule)
{
	plan_zero(&rule->counted);
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
		if (strcmp(name, verdict_names[i].name))
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
	struct edit_rule *rule = calloc(1, sizeof(*rule));
	int err;

	if (!rule)
		return -ENOMEM;
	rule->entry = malloc(size);
	if (!rule->entry) {
		free(rule);
		return -ENOMEM;
	}
	memcpy(rule->entry, entry, size);
	rule->counted = (struct counter_plan){ COUNTER_SET, 0, *entry_counters(rule->entry, edit->family) };
	if (source)
		rule->source = *source;
	err = target_resolve(edit, rule);
	if (err) {
		edit_rule_free(rule);
		return err;
	}
	*out = rule;
	return 0;
}

int edit_rule_put(struct edit_chain *chain, struct edit_rule *rule, uint32_t at)
{
	if (chain->count == chain->cap) {
		uint32_t cap = chain->cap ? 2 * chain->cap : 8;
		struct edit_rule **rules = realloc(chain->rules, cap * sizeof(*rules));

		if (!rules)
			return -ENOMEM;
		chain->rules = rules;
		chain->cap = cap;
	}
	memmove(chain->rules + at + 1, chain->rules + at, (chain->count - at) * sizeof(*chain->rules));
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
	err = rule_new(edit, entry, source, &rule);
	if (err)
		return err;
	err = edit_rule_put(chain, rule, at);
	if (err)
		edit_rule_free(rule);
	return err;
}

int edit_rule_replace(struct edit *edit, struct edit_chain *chain, uint32_t at, const void *entry,
		      const struct rule_source *source)
{
	struct edit_rule *rule;
	int err;

	if (at >= chain->count)
		return -E2BIG;
	err = rule_new(edit, entry, source, &rule);
	if (err)
		return err;
	edit_rule_free(chain->rules[at]);
	chain->rules[at] = rule;
	return 0;
}

void edit_rule_delete(struct edit_chain *chain, uint32_t at)
{
	edit_rule_free(chain->rules[at]);
	chain->count--;
	memmove(chain->rules + at, chain->rules + at + 1, (chain->count - at) * sizeof(*chain->rules));
}

/* Interfaces are equal where their masks care. */
static bool ifaces_equal(const char *a, const char *b, const unsigned char *mask_a, const unsigned char *mask_b)
{
	for (unsigned int i = 0; i < IFNAMSIZ; i++)
		if (mask_a[i] != mask_b[i] || (a[i] & mask_a[i]) != (b[i] & mask_b[i]))
			return false;
	return true;
}

static bool heads_equal(const void *a, const void *b, uint8_t family)
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

static bool rules_equal(const struct edit *edit, const struct edit_rule *a, const struct edit_rule *b)
{
	const uint8_t family = edit->family;
	const struct xt_entry_target *ta = entry_target(a->entry, family), *tb = entry_target(b->entry, family);

	if (!heads_equal(a->entry, b->entry, family) || a->kind != b->kind ||
	    entry_target_offset(a->entry, family) != entry_target_offset(b->entry, family) ||
	    entry_next_offset(a->entry, family) != entry_next_offset(b->entry, family))
		return false;
	for_each_match(m, a->entry, family) {
		const struct xt_entry_match *n = (void *)((char *)b->entry + ((char *)m - (char *)a->entry));
		const size_t room = m->u.match_size - sizeof(*m);
		const struct match *match = match_find(m->u.user.name, m->u.user.revision, family);
		size_t seen = match ? seen_size(match->user_size, match->info_size, room) : room;

		if (m->u.match_size != n->u.match_size || strcmp(m->u.user.name, n->u.user.name) ||
		    memcmp(m->data, n->data, seen))
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
	       !memcmp(ta->data, tb->data, target ? seen_size(target->user_size, target->info_size, room) : room);
}

int edit_rule_find(struct edit *edit, struct edit_chain *chain, const void *entry)
{
	struct edit_rule *wanted;
	int found = -1, err = rule_new(edit, entry, NULL, &wanted);

	if (err)
		return -1;
	for (uint32_t i = 0; found < 0 && i < chain->count; i++)
		if (rules_equal(edit, wanted, chain->rules[i]))
			found = (int)i;
	edit_rule_free(wanted);
	return found;
}
