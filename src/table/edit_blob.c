/*
 * table/edit_blob.c - a generation taken apart into chains and rules, and chains and rules made into a blob.
 */
#include "table/alone.h"
#include "table/edit_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bigmem.h"

/* --- from a generation, and back to a blob --- */

void edit_free(struct edit *edit)
{
	if (!edit)
		return;
	for (uint32_t i = 0; i < edit->count; i++)
		edit_chain_free(edit->chains[i]);
	edit_arena_free(edit->arena);
	edit_log_free(edit->log);
	image_map_free(edit->image);
	free(edit->chains);
	free(edit);
}

static int foreign_blob(const struct edit *edit, struct refusal *why)
{
	return refuse(why, -EINVAL, "table %s was not made of chains; it can be replaced, not edited", edit->kind->name);
}

/* @entry: the one at place @i, in user space's form. */
static struct counter_plan plan_keep(const struct edit *edit, const uint8_t *entry, uint32_t i)
{
	return (struct counter_plan){ COUNTER_KEEP, i, *entry_counters((void *)entry, edit->family) };
}

static int chain_of_hook_add(struct edit *edit, unsigned int hook, struct edit_chain **out)
{
	*out = edit_chain_new(edit, hook_chain_names[hook], (int)hook);
	if (!*out)
		return -ENOMEM;
	edit->builtin_count++;
	return edit_chain_put(edit, *out, edit->builtin_count - 1);
}

/* Second pass over jumps: the chains they go to exist now. */
static int jumps_resolve(struct edit *edit, const struct ruleset *rs, struct edit_chain **starts, struct refusal *why)
{
	for (uint32_t c = 0; c < edit->count; c++) {
		for (uint32_t i = 0; i < edit->chains[c]->count; i++) {
			struct edit_rule *rule = edit->chains[c]->rules[i];
			const struct xt_standard_target *t = entry_target(rule->entry, edit->family);
			const uint32_t next = rs->offsets[rule->counted.old] + entry_next_offset(rule->entry, edit->family);

			if (t->target.u.user.name[0])
				continue;
			if (t->verdict < 0) {
				rule->kind = RULE_VERDICT;
			} else if ((uint32_t)t->verdict == next) {
				rule->kind = RULE_FALLTHROUGH;
			} else {
				if ((uint32_t)t->verdict >= rs->size || t->verdict % 8 || !starts[t->verdict / 8])
					return foreign_blob(edit, why);
				rule->kind = RULE_JUMP;
				rule->jump = starts[t->verdict / 8];
				rule->jump->references++;
			}
		}
	}
	return 0;
}

static int read_entries(struct edit *edit, const struct ruleset *rs, const uint8_t *blob, struct edit_chain **starts,
			struct refusal *why)
{
	struct edit_chain *chain = NULL;
	int err;

	for (uint32_t i = 0; i < rs->number; i++) {
		const uint8_t *e = blob + rs->offsets[i];
		const struct xt_error_target *t = entry_target(e, edit->family);
		const struct rule_source source = ruleset_source(rs, i);
		struct edit_rule *rule;

		for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			if (!(rs->valid_hooks & 1u << hook) || rs->hook_entry[hook] != rs->offsets[i])
				continue;
			err = chain_of_hook_add(edit, hook, &chain);
			if (err)
				return refuse(why, err, "no memory");
		}
		switch ((enum entry_role)rs->roles[entry_id(rs, rs->at[i])]) {
		case ROLE_END:
			continue;
		case ROLE_HEAD:
			err = edit_chain_add(edit, t->errorname, &chain);
			if (err == -EEXIST)
				return foreign_blob(edit, why);
			if (err)
				return refuse(why, err, "no memory");
			chain->source = source;
			starts[(rs->offsets[i] + entry_next_offset(e, edit->family)) / 8] = chain;
			continue;
		case ROLE_POLICY:
			if (!chain || chain->hook < 0 || rs->underflow[chain->hook] != rs->offsets[i])
				return foreign_blob(edit, why);
			chain->policy = raw_verdict(t);
			chain->counted = plan_keep(edit, e, i);
			chain->source = source;
			chain = NULL;	/* what stands behind it belongs to no chain */
			continue;
		case ROLE_FOOT:
			chain = NULL;
			continue;
		case ROLE_RULE:
			break;
		}
		if (!chain)
			return foreign_blob(edit, why);
		rule = edit_alloc(edit, sizeof(*rule));
		if (!rule)
			return refuse(why, -ENOMEM, "no memory");
		rule->kind = RULE_EXTENSION;
		rule->counted = plan_keep(edit, e, i);
		rule->source = source;
		rule->entry = edit_alloc(edit, entry_next_offset(e, edit->family));
		if (!rule->entry || edit_rule_put(chain, rule, chain->count))
			return refuse(why, -ENOMEM, "no memory");
		memcpy(rule->entry, e, entry_next_offset(e, edit->family));
		*entry_comefrom(rule->entry, edit->family) = 0;
	}
	for (uint32_t i = 0; i < edit->builtin_count; i++)
		if (!edit->chains[i]->policy)
			return foreign_blob(edit, why);
	return jumps_resolve(edit, rs, starts, why);
}

/* @blob: of @rs, in user space's form. */
static int chains_of(struct edit *edit, const struct ruleset *rs, const uint8_t *blob, struct refusal *why)
{
	struct edit_chain **starts = calloc(rs->size / 8 + 1, sizeof(struct edit_chain *));	/* entries are aligned to 8 */
	int err;

	edit->old_number = rs->number;
	err = starts ? read_entries(edit, rs, blob, starts, why) : refuse(why, -ENOMEM, "no memory");
	free(starts);
	return err;
}

int edit_open_blob(struct instance *inst, uint8_t family, const struct ipt_replace *head, const void *entries, struct edit **out,
		   struct refusal *why)
{
	const struct table_kind *kind = table_kind_find(head->name);
	struct edit *edit = kind ? calloc(1, sizeof(*edit)) : NULL;
	struct ruleset *rs;
	int err;

	if (!edit)
		return kind ? refuse(why, -ENOMEM, "no memory") : refuse(why, -ENOENT, "unknown table '%s'", head->name);
	edit->inst = inst;
	edit->kind = kind;
	edit->family = family;
	err = ruleset_view(inst->tables, family, head, entries, &rs, why);
	if (!err) {
		err = chains_of(edit, rs, entries, why);
		ruleset_drop(rs);
	}
	if (err)
		edit_free(edit);
	else
		*out = edit;
	return err;
}

static int open_table(struct instance *inst, uint8_t family, const char *name, bool create, bool counted, struct edit **out,
		      struct refusal *why)
{
	struct table *table = table_find(inst, family, name);
	const struct table_kind *kind = table_kind_find(name);
	struct edit *edit = calloc(1, sizeof(*edit));
	struct ruleset *untouched = NULL;
	struct ipt_replace *initial = NULL;
	struct xt_counters *counters = NULL;
	const struct ruleset *rs;
	uint8_t *blob = NULL;
	int err = 0;

	if (!kind)
		err = refuse(why, -ENOENT, "unknown table '%s'", name);
	else if (!edit)
		err = refuse(why, -ENOMEM, "no memory");
	else if (!table && create)
		err = table_get(inst, family, name, &table, why);
	if (err)
		goto out;
	if (table) {
		rs = table->rules;
	} else {
		initial = table_initial_blob(kind, family);
		err = !initial ? refuse(why, -ENOMEM, "no memory")
			       : ruleset_build(inst, inst->tables, family, initial, (uint8_t *)initial + BLOB_HEAD_SIZE,
					       NULL, &untouched, why);
		if (err)
			goto out;
		rs = untouched;
	}
	edit->inst = inst;
	edit->kind = kind;
	edit->family = family;
	blob = malloc(rs->size);
	edit->uncounted = !counted;
	counters = counted ? table_counters(inst, rs) : calloc(rs->number + 1, sizeof(*counters));
	if (!blob || !counters) {
		err = refuse(why, -ENOMEM, "no memory");
		goto out;
	}
	ruleset_export(rs, counters, blob);
	err = chains_of(edit, rs, blob, why);
out:
	free(initial);
	free(counters);
	free(blob);
	ruleset_free(inst, untouched);
	if (err)
		edit_free(edit);
	else
		*out = edit;
	return err;
}

int edit_open(struct instance *inst, uint8_t family, const char *name, bool create, struct edit **out,
	      struct refusal *why)
{
	return open_table(inst, family, name, create, true, out, why);
}

int edit_open_uncounted(struct instance *inst, uint8_t family, const char *name, struct edit **out, struct refusal *why)
{
	return open_table(inst, family, name, false, false, out, why);
}

void edit_count(struct edit *edit)
{
	const struct table *table = edit->uncounted ? table_find(edit->inst, edit->family, edit->kind->name) : NULL;
	struct xt_counters *counters = table && table->rules->number == edit->old_number ? table_counters(edit->inst, table->rules) : NULL;

	for (uint32_t i = 0; counters && i < edit->builtin_count; i++)
		if (edit->chains[i]->counted.map == COUNTER_KEEP)
			edit->chains[i]->counted.counters = counters[edit->chains[i]->counted.old];
	free(counters);
	edit->uncounted = false;
}

/* Sizes of the marks that hold a blob together. */
static size_t standard_size(uint8_t family)
{
	return entry_head_size(family) + sizeof(struct xt_standard_target);
}

static size_t error_size(uint8_t family)
{
	return entry_head_size(family) + XT_ALIGN(sizeof(struct xt_error_target));
}

static void put_standard(uint8_t *at, uint8_t family, int verdict)
{
	struct xt_standard_target *t = (void *)(at + entry_head_size(family));

	memset(at, 0, standard_size(family));
	entry_set_offsets(at, family, (uint16_t)entry_head_size(family), (uint16_t)standard_size(family));
	t->target.u.user.target_size = sizeof(*t);
	t->verdict = verdict;
}

static void put_error(uint8_t *at, uint8_t family, const char *name)
{
	struct xt_error_target *t = (void *)(at + entry_head_size(family));

	memset(at, 0, error_size(family));
	entry_set_offsets(at, family, (uint16_t)entry_head_size(family), (uint16_t)error_size(family));
	t->target.u.user.target_size = XT_ALIGN(sizeof(*t));
	strcpy(t->target.u.user.name, XT_ERROR_TARGET);
	snprintf(t->errorname, sizeof(t->errorname), "%s", name);
}

/* Where every chain's rules begin; returns the blob's size. */
static uint64_t lay_out(struct edit *edit, uint32_t *entries)
{
	uint64_t at = 0;

	*entries = 1;
	for (uint32_t c = 0; c < edit->count; c++) {
		struct edit_chain *chain = edit->chains[c];

		if (chain->hook < 0)
			at += error_size(edit->family);
		chain->start = (uint32_t)at;
		for (uint32_t i = 0; i < chain->count; i++)
			at += entry_next_offset(chain->rules[i]->entry, edit->family);
		chain->size = (uint32_t)at - chain->start;
		at += standard_size(edit->family);
		*entries += chain->count + 1 + (chain->hook < 0);
	}
	return at + error_size(edit->family);
}

static uint32_t put_rule(const struct edit *edit, const struct edit_rule *rule, uint8_t *blob, uint32_t at)
{
	const uint16_t size = entry_next_offset(rule->entry, edit->family);
	struct xt_standard_target *t;

	memcpy(blob + at, rule->entry, size);
	*entry_counters(blob + at, edit->family) = rule->counted.counters;
	t = entry_target(blob + at, edit->family);
	if (rule->kind == RULE_JUMP)
		t->verdict = (int)rule->jump->start;
	else if (rule->kind == RULE_FALLTHROUGH)
		t->verdict = (int)(at + size);
	return at + size;
}

/* Reads every rule, so that chains can be laid out and written; -EINVAL: a damaged image. */
static int chains_read(struct edit *edit, struct refusal *why)
{
	for (uint32_t c = 0; c < edit->count; c++)
		if (!edit_rules(edit->chains[c]))
			return refuse(why, -EINVAL, "table %s, chain %s: what was kept of it is damaged", edit->kind->name,
				      edit->chains[c]->name);
	return 0;
}

int edit_blob_make(struct edit *edit, struct edit_blob *blob, struct refusal *why)
{
	const uint8_t family = edit->family;
	uint32_t entries, at = 0, n = 0;
	uint64_t size;
	int err = chains_read(edit, why);

	*blob = (struct edit_blob){ 0 };
	if (err)
		return err;
	size = lay_out(edit, &entries);
	blob->head = (struct ipt_replace){ .valid_hooks = edit->kind->valid_hooks, .num_entries = entries };
	if (size + BLOB_KEEP_SIZE >= BLOB_SIZE_MAX)
		return refuse(why, -ENOMEM, "table %s: the rules are too many", edit->kind->name);
	blob->lines = malloc(entries * sizeof(*blob->lines));
	blob->head.size = (unsigned int)size;
	blob->entries = bigmem_alloc((size_t)size);
	if (!blob->entries || !blob->lines) {
		edit_blob_free(blob);
		return refuse(why, -ENOMEM, "no memory for table %s", edit->kind->name);
	}
	strcpy(blob->head.name, edit->kind->name);
	for (uint32_t c = 0; c < edit->count; c++) {
		const struct edit_chain *chain = edit->chains[c];
		struct edit_rule *const *rules = edit_rules(edit->chains[c]);

		if (chain->hook < 0) {
			put_error(blob->entries + at, family, chain->name);
			at += (uint32_t)error_size(family);
			blob->lines[n++] = chain->source;
		} else {
			blob->head.hook_entry[chain->hook] = at;
		}
		for (uint32_t i = 0; i < chain->count; i++) {
			blob->lines[n++] = rules[i]->source;
			at = put_rule(edit, rules[i], blob->entries, at);
		}
		if (chain->hook >= 0)
			blob->head.underflow[chain->hook] = at;
		put_standard(blob->entries + at, family, chain->hook < 0 ? XT_RETURN : chain->policy);
		*entry_counters(blob->entries + at, family) = chain->counted.counters;
		at += (uint32_t)standard_size(family);
		blob->lines[n++] = chain->source;
	}
	put_error(blob->entries + at, family, XT_ERROR_TARGET);
	blob->lines[n] = (struct rule_source){ 0 };
	return 0;
}

void edit_blob_free(struct edit_blob *blob)
{
	bigmem_free(blob->entries, blob->head.size);
	free(blob->lines);
	*blob = (struct edit_blob){ 0 };
}

int edit_build(struct edit *edit, struct ruleset **rs, struct refusal *why)
{
	struct edit_blob blob;
	int err = edit_blob_make(edit, &blob, why);

	if (err)
		return err;
	err = ruleset_build(edit->inst, edit->inst->tables, edit->family, &blob.head, blob.entries, blob.lines, rs, why);
	edit_blob_free(&blob);
	return err;
}

typedef void (*plan_visit)(void *priv, uint32_t entry, const struct counter_plan *plan);

/* Of every entry of the new blob; all rules have been read. */
static void plans_each(const struct edit *edit, plan_visit visit, void *priv)
{
	static const struct counter_plan zero = { .map = COUNTER_SET };
	uint32_t n = 0;

	for (uint32_t c = 0; c < edit->count; c++) {
		const struct edit_chain *chain = edit->chains[c];

		n += chain->hook < 0;
		for (uint32_t i = 0; i < chain->count; i++)
			visit(priv, n++, &chain->rules[i]->counted);
		/* any change makes libiptc forget a policy's */
		visit(priv, n++, chain->counted.map == COUNTER_SET ? &chain->counted : &zero);
	}
}

struct counting { const struct xt_counters *old; struct xt_counters *to; };

static void count_on(void *priv, uint32_t entry, const struct counter_plan *plan)
{
	const struct counting *c = priv;

	c->to[entry] = plan->map == COUNTER_SET ? plan->counters : c->old[plan->old];
}

void edit_counters(const struct edit *edit, const struct xt_counters *old, struct xt_counters *to)
{
	plans_each(edit, count_on, &(struct counting){ old, to });
}

static void count_later(void *priv, uint32_t entry, const struct counter_plan *plan)
{
	const struct publication *p = priv;
	const struct ruleset *before = p->table->rules;

	if (plan->map == COUNTER_SET)
		p->rs->counters[entry] = plan->counters;
	else
		p->from[entry] = before->moved ? entry_id(before, before->at[plan->old]) : plan->old;
}

int edit_prepare(struct edit *edit, struct ruleset *rs, struct publication *p, struct refusal *why)
{
	int err;

	*p = (struct publication){ .from = malloc((rs->number + 1) * sizeof(*p->from)) };
	err = p->from ? table_get(edit->inst, edit->family, edit->kind->name, &p->table, why) : refuse(why, -ENOMEM, "no memory");
	if (!err)
		err = table_prepare(edit->inst, p->table, rs, edit->old_number, why);
	if (err) {
		free(p->from);
		*p = (struct publication){ NULL };
		return err;
	}
	p->rs = rs;
	memset(p->from, 0xff, rs->number * sizeof(*p->from));	/* NO_PLACE */
	plans_each(edit, count_later, p);
	return 0;
}

void publication_apply(struct instance *inst, struct publication *p)
{
	p->before = table_swap(inst, p->table, p->rs, p->from);
	p->rs = NULL;
}

void publication_release(struct alone_steps *steps, struct publication *p)
{
	ruleset_release(steps, p->before);
}

void publication_end(struct instance *inst, struct publication *p)
{
	ruleset_free(inst, p->before);
	ruleset_free(inst, p->rs);
	free(p->from);
	*p = (struct publication){ NULL };
}

int edit_commit(struct edit *edit, struct refusal *why)
{
	struct alone_steps steps = { edit->inst };
	struct publication p;
	struct ruleset *rs;
	int err = edit_build(edit, &rs, why);

	if (err)
		return err;
	err = edit_prepare(edit, rs, &p, why);
	if (err) {
		ruleset_free(edit->inst, rs);
		return err;
	}
	alone_step(&steps);
	publication_apply(edit->inst, &p);
	publication_release(&steps, &p);
	alone_steps_end(&steps);
	publication_end(edit->inst, &p);
	return 0;
}

/* --- an instance's own tables, as a source --- */

static int own_open(struct table_source *from, uint8_t family, const char *table, bool create, struct edit **out,
		    struct refusal *why)
{
	return open_table(from->inst, family, table, create, !from->empties, out, why);
}

static int own_commit(struct table_source *from, struct edit *edit, struct refusal *why)
{
	return edit_commit(edit, why);
}

static int own_check(struct table_source *from, struct edit *edit, struct refusal *why)
{
	struct ruleset *rs;
	int err = edit_build(edit, &rs, why);

	if (!err)
		ruleset_free(edit->inst, rs);
	return err;
}

static void own_each(struct table_source *from, uint8_t family, void (*visit)(void *priv, const char *name), void *priv)
{
	tables_each(from->inst, family, visit, priv);
}

static int own_change(struct table_source *from, uint8_t family, const char *table, const struct rule_change *change, struct refusal *why)
{
	return tables_change_rule(from->inst, family, table, change, why);
}

struct table_source table_source_of(struct instance *inst)
{
	return (struct table_source){ inst, 0, own_open, own_commit, own_check, own_each, own_change };
}
