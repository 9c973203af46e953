/*
 * table/tables.c - the tables of an instance and the kernel's socket options on them. A table comes into
 * being when it is first named; from then on its hooks ask it, and its rules change only as a whole.
 */
#include "table/alone.h"
#include "table/table_internal.h"

#include "nat/nat.h"

#include <limits.h>
#include <stdlib.h>

struct tables *tables_new(struct instance *inst)
{
	struct tables *tables = calloc(1, sizeof(*tables));

	if (!tables)
		return NULL;
	list_init(&tables->list4);
	list_init(&tables->list6);
	list_init(&tables->tallies);
	tables->ahead.chain_min = AHEAD_MIN;
	tables->refs = ref_pool_new();
	if (!tables->refs) {
		free(tables);
		return NULL;
	}
	return tables;
}

/* --- one table --- */

const struct table_kind *table_kind_find(const char *name)
{
	for (const struct table_kind *const *at = table_kinds; *at; at++)
		if (!strcmp((*at)->name, name))
			return *at;
	return NULL;
}

struct table *table_find(struct instance *inst, uint8_t family, const char *name)
{
	list_for_each(node, tables_of(inst->tables, family)) {
		struct table *table = list_entry(node, struct table, node);

		if (!strcmp(table->kind->name, name))
			return table;
	}
	return NULL;
}

struct ipt_replace *table_initial_blob(const struct table_kind *kind, uint8_t family)
{
	const size_t head = entry_head_size(family), policy = head + sizeof(struct xt_standard_target);
	const size_t end = head + XT_ALIGN(sizeof(struct xt_error_target));
	const size_t hooks = (size_t)__builtin_popcount(kind->valid_hooks);
	struct ipt_replace *blob = calloc(1, BLOB_HEAD_SIZE + hooks * policy + end);
	struct xt_error_target *error;
	uint8_t *at;

	if (!blob)
		return NULL;
	memcpy(blob->name, kind->name, strlen(kind->name));
	blob->valid_hooks = kind->valid_hooks;
	blob->num_entries = (unsigned int)hooks + 1;
	blob->size = (unsigned int)(hooks * policy + end);
	at = (uint8_t *)blob + BLOB_HEAD_SIZE;
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		struct xt_standard_target *t = (void *)(at + head);

		if (!(kind->valid_hooks & 1u << hook))
			continue;
		blob->hook_entry[hook] = blob->underflow[hook] = (unsigned int)(at - (uint8_t *)blob - BLOB_HEAD_SIZE);
		entry_set_offsets(at, family, (uint16_t)head, (uint16_t)policy);
		t->target.u.user.target_size = sizeof(*t);
		t->verdict = -NF_ACCEPT - 1;
		at += policy;
	}
	entry_set_offsets(at, family, (uint16_t)head, (uint16_t)end);
	error = (void *)(at + head);
	error->target.u.user.target_size = sizeof(*error);
	strcpy(error->target.u.user.name, XT_ERROR_TARGET);
	strcpy(error->errorname, XT_ERROR_TARGET);
	return blob;
}

static void hook_describe(const struct table *table, unsigned int hook, struct hook_ops *ops)
{
	const bool v4 = table->family == NFPROTO_IPV4;
	const bool reroutes = table->kind->reroutes && hook == NF_INET_LOCAL_OUT;

	*ops = (struct hook_ops){
		.family = table->family,
		.hooknum = (uint8_t)hook,
		.priority = table->kind->priority[hook],
		.fn = v4 ? reroutes ? table_reroute4 : table_walk4 : reroutes ? table_reroute6 : table_walk6,
		.name = table->kind->name,
		.priv = (void *)table,
		.is_open = true,
	};
}

static void table_leave_hooks(struct instance *inst, struct table *table, uint32_t hooks)
{
	struct hook_ops ops;

	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(hooks & 1u << hook))
			continue;
		hook_describe(table, hook, &ops);
		hook_unregister(inst->hooks, &ops);
	}
}

static int table_enter_hooks(struct instance *inst, struct table *table)
{
	const nat_lookup_fn lookup = table->family == NFPROTO_IPV4 ? table_walk4 : table_walk6;
	uint32_t entered = 0;
	struct hook_ops ops;

	if (table->kind->is_nat)
		return nat_hooks_get(inst, table->family, lookup, table);
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		int err;

		if (!(table->kind->valid_hooks & 1u << hook))
			continue;
		hook_describe(table, hook, &ops);
		err = hook_register(inst->hooks, &ops);
		if (err) {
			table_leave_hooks(inst, table, entered);
			return err;
		}
		entered |= 1u << hook;
	}
	return 0;
}

static void table_free(struct instance *inst, struct table *table)
{
	if (table->kind->is_nat)
		nat_hooks_put(inst, table->family, table->family == NFPROTO_IPV4 ? table_walk4 : table_walk6, table);
	else
		table_leave_hooks(inst, table, table->kind->valid_hooks);
	tallies_settle(inst->tables);
	ahead_forget(&inst->tables->ahead);
	list_remove(&table->node);
	ruleset_free(inst, table->rules);
	free(table);
}

void tables_free(struct instance *inst, struct tables *tables)
{
	if (!tables)
		return;
	list_for_each_safe(node, &tables->list4)
		table_free(inst, list_entry(node, struct table, node));
	list_for_each_safe(node, &tables->list6)
		table_free(inst, list_entry(node, struct table, node));
	ref_pool_free(tables->refs);
	free(tables);
}

static int table_make(struct instance *inst, uint8_t family, const struct table_kind *kind, struct table **out, struct refusal *why)
{
	struct table *table = calloc(1, sizeof(*table));
	struct ipt_replace *blob = table_initial_blob(kind, family);
	int err;

	if (!table || !blob) {
		err = refuse(why, -ENOMEM, "no memory for table %s", kind->name);
		goto err_free;
	}
	table->kind = kind;
	table->inst = inst;
	table->family = family;
	err = ruleset_build(inst, inst->tables, family, blob, (uint8_t *)blob + BLOB_HEAD_SIZE, NULL, &table->rules,
			    why);
	if (err)
		goto err_free;
	err = table_enter_hooks(inst, table);
	if (err) {
		refuse(why, err, "table %s: its hooks cannot be registered: %s", kind->name, strerror(-err));
		goto err_rules;
	}
	list_push(tables_of(inst->tables, family), &table->node);
	free(blob);
	*out = table;
	return 0;

err_rules:
	ruleset_free(inst, table->rules);
err_free:
	free(table);
	free(blob);
	return err;
}

int table_get(struct instance *inst, uint8_t family, const char *name, struct table **out, struct refusal *why)
{
	struct table *table = table_find(inst, family, name);
	const struct table_kind *kind = table_kind_find(name);
	int err;

	if (table) {
		*out = table;
		return 0;
	}
	if (!kind)
		return refuse(why, -ENOENT, "unknown table '%s'", name);
	worker_alone_begin(inst, NULL);
	err = table_make(inst, family, kind, out, why);
	worker_alone_end(inst, NULL);
	return err;
}

int table_prepare(struct instance *inst, struct table *table, struct ruleset *rs, uint32_t num_counters, struct refusal *why)
{
	const struct ruleset *before = table->rules;

	if (rs->valid_hooks != table->kind->valid_hooks)
		return refuse(why, -EINVAL, "table %s does not have these hooks", table->kind->name);
	if (num_counters != before->number)
		return refuse(why, -EAGAIN, "table %s changed meanwhile: it has %u rules, not %u", table->kind->name,
			      before->number, num_counters);
	ruleset_compile(inst, rs);
	return 0;
}

struct ruleset *table_swap(struct instance *inst, struct table *table, struct ruleset *rs, const uint32_t *from)
{
	struct ruleset *before = table->rules;

	tallies_settle(inst->tables);
	ahead_forget(&inst->tables->ahead);
	inst->changes++;
	for (uint32_t id = 0; from && id < rs->number; id++)
		if (from[id] != NO_PLACE)
			rs->counters[id] = before->counters[from[id]];
	table->rules = rs;
	return before;
}

/* By place. Who reads them of rules that packets still go by is alone. */
static void counters_read(const struct ruleset *rs, struct xt_counters *to)
{
	if (!rs->moved)
		memcpy(to, rs->counters, rs->number * sizeof(*to));
	for (uint32_t id = 0; rs->moved && id < rs->id_used; id++)
		if (rs->place[id] != NO_PLACE)
			to[rs->place[id]] = rs->counters[id];
}

struct xt_counters *table_counters(struct instance *inst, const struct ruleset *rs)
{
	struct xt_counters *counters = malloc((rs->number + 1) * sizeof(*counters));

	if (!counters)
		return NULL;
	memset(counters, 0, rs->number * sizeof(*counters));	/* its pages are there before others wait */
	worker_alone_begin(inst, NULL);
	tallies_fold(inst->tables);
	counters_read(rs, counters);
	worker_alone_end(inst, NULL);
	return counters;
}

/* --- the socket options --- */

static int replace_read(const void *replace, size_t len, struct ipt_replace *head, struct refusal *why)
{
	if (len < BLOB_HEAD_SIZE)
		return refuse(why, -EINVAL, "a rule set of %zu bytes has no header", len);
	memcpy(head, replace, BLOB_HEAD_SIZE);
	if (head->num_counters >= INT_MAX / sizeof(struct xt_counters))
		return refuse(why, -ENOMEM, "%u counters are too many", head->num_counters);
	if (!head->num_counters)
		return refuse(why, -EINVAL, "no room for the old counters");
	if (len < (uint64_t)head->size + BLOB_HEAD_SIZE)
		return refuse(why, -EINVAL, "%u bytes of rules announced, %zu given", head->size, len - BLOB_HEAD_SIZE);
	head->name[sizeof(head->name) - 1] = '\0';
	if ((uint64_t)head->size + BLOB_KEEP_SIZE >= BLOB_SIZE_MAX)
		return refuse(why, -ENOMEM, "table %s: %u bytes of rules are too many", head->name, head->size);
	return 0;
}

int tables_replace(struct instance *inst, uint8_t family, const void *replace, size_t len,
		   struct xt_counters *old, const struct rule_source *lines, struct refusal *why)
{
	struct alone_steps steps = { inst };
	struct ipt_replace head;
	struct table *table;
	struct ruleset *rs, *before;
	int err = replace_read(replace, len, &head, why);

	if (err)
		return err;
	err = ruleset_build(inst, inst->tables, family, &head, (const uint8_t *)replace + BLOB_HEAD_SIZE, lines, &rs,
			    why);
	if (err)
		return err;
	if (head.num_counters > BLOB_SIZE_MAX / sizeof(*old))
		err = refuse(why, -ENOMEM, "%u counters are too many", head.num_counters);
	if (!err)
		err = table_get(inst, family, head.name, &table, why);
	if (!err)
		err = table_prepare(inst, table, rs, head.num_counters, why);
	if (err) {
		ruleset_free(inst, rs);
		return err;
	}
	alone_step(&steps);
	before = table_swap(inst, table, rs, NULL);
	ruleset_release(&steps, before);
	alone_steps_end(&steps);
	if (old)
		counters_read(before, old);	/* nobody counts there any more */
	ruleset_free(inst, before);
	return 0;
}

int tables_check(struct instance *inst, uint8_t family, const void *replace, size_t len, struct refusal *why)
{
	struct ipt_replace head;
	struct ruleset *rs;
	int err = replace_read(replace, len, &head, why);

	if (err)
		return err;
	err = ruleset_build(inst, inst->tables, family, &head, (const uint8_t *)replace + BLOB_HEAD_SIZE, NULL, &rs,
			    why);
	if (!err)
		ruleset_free(inst, rs);
	return err;
}

int tables_get_info(struct instance *inst, uint8_t family, struct ipt_getinfo *info, struct refusal *why)
{
	struct table *table;
	char name[XT_TABLE_MAXNAMELEN];
	int err;

	memcpy(name, info->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	err = table_get(inst, family, name, &table, why);
	if (err)
		return err;
	*info = (struct ipt_getinfo){
		.valid_hooks = table->kind->valid_hooks,
		.num_entries = table->rules->number,
		.size = table->rules->size,
	};
	strcpy(info->name, name);
	memcpy(info->hook_entry, table->rules->hook_entry, sizeof(info->hook_entry));
	memcpy(info->underflow, table->rules->underflow, sizeof(info->underflow));
	return 0;
}

int tables_get_entries(struct instance *inst, uint8_t family, const char *name, void *entries, size_t size,
		       struct rule_source *lines, struct refusal *why)
{
	struct xt_counters *counters;
	struct table *table;
	int err = table_get(inst, family, name, &table, why);

	if (err)
		return err;
	if (size != table->rules->size)
		return refuse(why, -EAGAIN, "table %s has %u bytes of rules, not %zu", name, table->rules->size, size);
	counters = table_counters(inst, table->rules);
	if (!counters)
		return refuse(why, -ENOMEM, "no memory for table %s", name);
	ruleset_export(table->rules, counters, entries);
	free(counters);
	for (uint32_t i = 0; lines && i < table->rules->number; i++)
		lines[i] = ruleset_source(table->rules, i);
	return 0;
}

int tables_add_counters(struct instance *inst, uint8_t family, const void *counters_info, size_t len,
			struct refusal *why)
{
	struct xt_counters_info info;
	struct xt_counters add, *counter;
	struct table *table;
	int err;

	if (len <= sizeof(info))
		return refuse(why, -EINVAL, "%zu bytes hold no counters", len);
	memcpy(&info, counters_info, sizeof(info));
	info.name[sizeof(info.name) - 1] = '\0';
	if ((uint64_t)info.num_counters * sizeof(add) != len - sizeof(info))
		return refuse(why, -EINVAL, "%u counters announced, %zu bytes given", info.num_counters,
			      len - sizeof(info));
	err = table_get(inst, family, info.name, &table, why);
	if (err)
		return err;
	if (table->rules->number != info.num_counters)
		return refuse(why, -EINVAL, "table %s has %u rules, not %u", info.name, table->rules->number,
			      info.num_counters);
	for (uint32_t i = 0; i < info.num_counters; i++) {
		memcpy(&add, (const uint8_t *)counters_info + sizeof(info) + i * sizeof(add), sizeof(add));
		counter = &table->rules->counters[table->rules->moved ? entry_id(table->rules, table->rules->at[i]) : i];
		counter->pcnt += add.pcnt;
		counter->bcnt += add.bcnt;
	}
	return 0;
}

int tables_get_revision(uint8_t family, const char *name, bool is_target, uint8_t revision)
{
	int best = -1;
	bool exact = false;

	/* an alias is a word of the text only */
#define LOOK(list, type)										\
	for (const struct type *const *at = list; *at; at++) {						\
		if ((*at)->abi_name || strcmp((*at)->name, name) || !((*at)->families & family_bit(family)))	\
			continue;									\
		best = MAX_OF(best, (*at)->revision);							\
		exact |= (*at)->revision == revision;							\
	}
	if (is_target) {
		LOOK(ext_targets, target)
	} else {
		LOOK(ext_matches, match)
	}
#undef LOOK
	if (best < 0)
		return -ENOENT;
	return exact ? best : -EPROTONOSUPPORT;
}

void tables_each(struct instance *inst, uint8_t family, void (*visit)(void *priv, const char *name), void *priv)
{
	list_for_each(node, tables_of(inst->tables, family))
		visit(priv, list_entry(node, struct table, node)->kind->name);
}

void tables_each_rule(struct instance *inst, uint8_t family,
		      void (*visit)(void *priv, const struct table_rule_view *rule), void *priv)
{
	tallies_fold(inst->tables);
	list_for_each(node, tables_of(inst->tables, family)) {
		const struct ruleset *rs = list_entry(node, struct table, node)->rules;

		for (uint32_t i = 0; i < rs->number; i++) {
			const uint32_t id = entry_id(rs, rs->at[i]);
			struct table_rule_view view = { .ref = *table_rule(rs, id), .counters = rs->counters[id] };
			const void *target = entry_target(rs->at[i], family);

			if (rs->roles[id] == ROLE_POLICY) {
				view.is_policy = true;
				view.policy = raw_verdict(target) == -NF_ACCEPT - 1 ? "ACCEPT" : "DROP";
			} else if (rs->roles[id] != ROLE_RULE) {
				continue;
			}
			visit(priv, &view);
		}
	}
}
