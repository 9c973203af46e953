/*
 * table/ruleset.c - a blob that was verified becomes a rule set: every entry gets a name for people, its extensions are asked
 * one after the other, and whatever was built comes down again when one refuses.
 */
#include "base/bigmem.h"
#include "table/alone.h"
#include "table/kept.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROOM_SPARE = 16 };

/* --- names for people --- */

static enum entry_role role_of(const struct ruleset *rs, uint32_t i)
{
	const void *e = blob_entry(rs, i), *target = entry_target(e, rs->family);

	if (target_is_error(target))
		return i + 1 == rs->number ? ROLE_END : ROLE_HEAD;
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (rs->valid_hooks & 1u << hook && rs->underflow[hook] == rs->offsets[i])
			return ROLE_POLICY;
	if (i + 1 < rs->number && target_is_error(entry_target(blob_entry(rs, i + 1), rs->family)) && target_is_standard(target) &&
	    raw_verdict(target) == XT_RETURN && entry_is_unconditional(e, rs->family))
		return ROLE_FOOT;
	return ROLE_RULE;
}

/* Entry @i for people, who come in order: @ref carries over what was said of the entry before. */
static void ref_step(struct ruleset *rs, const struct rule_source *lines, uint32_t i, struct table_rule_ref *ref)
{
	const void *target = entry_target(blob_entry(rs, i), rs->family);
	enum entry_role role = role_of(rs, i);

	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (rs->valid_hooks & 1u << hook && rs->hook_entry[hook] == rs->offsets[i]) {
			ref->chain = hook_chain_names[hook];
			ref->number = 0;
		}
	}
	if (role == ROLE_HEAD) {
		ref->chain = (const char *)target + offsetof(struct xt_error_target, errorname);
		ref->number = 0;
	}
	if (role == ROLE_RULE)
		ref->number++;
	ref->file = lines ? lines[i].file : NULL;
	ref->line = lines ? lines[i].line : 0;
	if (rs->roles)
		rs->roles[i] = (uint8_t)role;
}

static int refs_make(struct ruleset *rs, struct tables *tables, const struct rule_source *lines,
		     struct refusal *why)
{
	struct table_rule_ref ref = { .table = rs->table, .chain = "", .family = rs->family };

	for (uint32_t i = 0; i < rs->number; i++) {
		struct table_rule_ref own;

		ref_step(rs, lines, i, &ref);
		own = ref;
		if (rs->roles[i] != ROLE_RULE)
			own.number = 0;
		own.weight = (uint8_t)(rs->weight + (own.number != 0));
		rs->refs[i] = ref_intern(tables->refs, &own);
		if (!rs->refs[i])
			return refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	}
	return 0;
}

/* The same for one entry, when nobody needed the others. */
static struct table_rule_ref ref_of(struct ruleset *rs, const struct rule_source *lines, uint32_t number)
{
	struct table_rule_ref ref = { .table = rs->table, .chain = "", .family = rs->family };

	for (uint32_t i = 0; i <= number; i++)
		ref_step(rs, lines, i, &ref);
	return ref;
}

/* --- extensions --- */

/* Says which rule it was; a sentence without a place gets one. */
static void blame(const struct table_rule_ref *ref, struct refusal *why)
{
	char text[sizeof(why->text)];

	if (!why)
		return;
	if (ref->file && ref->line) {
		if (!why->at.line)
			why->at = (struct text_pos){ .file = ref->file, .line = ref->line, .column = 1 };
		return;
	}
	memcpy(text, why->text, sizeof(text));
	snprintf(why->text, sizeof(why->text), "table %s, %s rule %u: %.400s", ref->table, ref->chain, ref->number, text);
}

static int extensions_check(struct instance *inst, struct ruleset *rs, const struct rule_source *lines,
			    struct refusal *why)
{
	struct alone_steps steps = { inst };
	struct ext_memo memo = { 0 };
	uint32_t i;
	int err = 0;

	if (why)
		*why = (struct refusal){ 0 };
	for (i = 0; i < rs->number && !err; i++)
		err = entry_exts_check(&steps, rs, blob_entry(rs, i), &memo, why);
	if (err) {
		const struct table_rule_ref ref = ref_of(rs, lines, --i);

		if (why && !why->text[0])
			refuse(why, err, "an extension refused it: %s", strerror(-err));
		blame(&ref, why);
		while (i--)
			entry_exts_release(&steps, rs, blob_entry(rs, i));
	}
	alone_steps_end(&steps);
	return err;
}

void ruleset_release(struct alone_steps *steps, struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->number && !rs->is_released; i++)
		entry_exts_release(steps, rs, rs->at ? rs->at[i] : blob_entry(rs, i));
	rs->is_released = true;
}

static void release_now(struct instance *inst, struct ruleset *rs)
{
	struct alone_steps steps = { inst };

	ruleset_release(&steps, rs);
	alone_steps_end(&steps);
}

void ruleset_drop(struct ruleset *rs)
{
	ruleset_forget_compiled(rs);
	free(rs->segments);
	free(rs->anchors);
	free(rs->place);
	free(rs->remembers);
	free(rs->refs);
	bigmem_free(rs->counters, rs->id_room * sizeof(*rs->counters));
	for (uint32_t i = 0; rs->at && i < rs->number; i++)
		if (rs->at[i] < rs->entries || rs->at[i] >= rs->entries + rs->arena_size)
			free(rs->at[i]);
	free(rs->at);
	free(rs->sources);
	free(rs->free_ids);
	bigmem_free(rs->entries, (size_t)rs->arena_size + 1);
	free(rs->offsets);
	free(rs->roles);
	free(rs->stack);
	free(rs);
}

/* Everything but names for people. @entries: taken, or with @in_place the caller's, whose counters stay. */
static int ruleset_verify(uint8_t family, const struct ipt_replace *head, uint8_t *entries, bool in_place,
			  struct ruleset **out, struct refusal *why)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));
	int err;

	if (!rs) {
		if (!in_place)
			bigmem_free(entries, (size_t)head->size + 1);
		return refuse(why, -ENOMEM, "no memory for a rule set");
	}
	rs->family = family;
	rs->valid_hooks = head->valid_hooks;
	rs->size = rs->arena_size = head->size;
	memcpy(rs->table, head->name, sizeof(rs->table) - 1);
	rs->weight = 2 * !strcmp(rs->table, "filter");
	memset(rs->hook_entry, 0xff, sizeof(rs->hook_entry));
	memset(rs->underflow, 0xff, sizeof(rs->underflow));
	rs->entries = entries;
	rs->keep_counters = in_place;
	err = blob_verify(rs, head, why);
	if (err) {
		if (in_place)
			rs->entries = NULL;
		ruleset_drop(rs);
	} else {
		*out = rs;
	}
	return err;
}

static int verified_copy(uint8_t family, const struct ipt_replace *head, const void *entries, struct ruleset **out, struct refusal *why)
{
	uint8_t *copy = bigmem_alloc((size_t)head->size + 1);

	if (!copy)
		return refuse(why, -ENOMEM, "table %s: no memory for %u bytes of rules", head->name, head->size);
	memcpy(copy, entries, head->size);
	return ruleset_verify(family, head, copy, false, out, why);
}

int ruleset_build(struct instance *inst, struct tables *tables, uint8_t family, const struct ipt_replace *head,
		  const void *entries, const struct rule_source *lines, struct ruleset **out, struct refusal *why)
{
	struct ruleset *rs;
	int err = verified_copy(family, head, entries, &rs, why);

	if (err)
		return err;
	rs->id_room = rs->number + rs->number / ROOM_SPARE + ROOM_SPARE;
	rs->id_used = rs->number;
	rs->ref_pool = tables->refs;
	rs->refs = calloc(rs->id_room, sizeof(*rs->refs));
	rs->roles = calloc(rs->id_room, sizeof(*rs->roles));
	rs->counters = bigmem_alloc(rs->id_room * sizeof(*rs->counters));
	rs->stack = calloc(2 * (size_t)rs->stack_size + 1, sizeof(*rs->stack));
	if (!rs->refs || !rs->roles || !rs->counters || !rs->stack) {
		err = refuse(why, -ENOMEM, "table %s: no memory", rs->table);
		goto err_drop;
	}
	bigmem_touch(rs->counters, rs->id_room * sizeof(*rs->counters));
	err = refs_make(rs, tables, lines, why);
	if (!err)
		err = extensions_check(inst, rs, lines, why);
	if (err)
		goto err_drop;
	for (uint32_t i = 0; i < rs->number; i++)
		entry_counters(blob_entry(rs, i), family)->pcnt = (uintptr_t)&rs->counters[i];
	err = ruleset_link(rs);
	if (err) {
		for (uint32_t i = 0; rs->at && i < rs->number; i++)
			rs->at[i] = blob_entry(rs, i);
		release_now(inst, rs);
		refuse(why, err, "table %s: no memory", rs->table);
		goto err_drop;
	}
	*out = rs;
	return 0;

err_drop:
	ruleset_drop(rs);
	return err;
}

int ruleset_view(struct tables *tables, uint8_t family, const struct ipt_replace *head, const void *entries, struct ruleset **out,
		 struct refusal *why)
{
	struct ruleset *rs;
	int err = verified_copy(family, head, entries, &rs, why);

	if (err)
		return err;
	rs->id_room = rs->id_used = rs->number;
	rs->refs = calloc(rs->number, sizeof(*rs->refs));
	rs->roles = calloc(rs->number, sizeof(*rs->roles));
	rs->at = calloc(rs->number, sizeof(*rs->at));
	rs->counters = bigmem_alloc(rs->number * sizeof(*rs->counters));
	if (!rs->refs || !rs->roles || !rs->at || !rs->counters)
		err = refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	if (!err)
		err = refs_make(rs, tables, NULL, why);
	for (uint32_t i = 0; !err && i < rs->number; i++) {
		rs->at[i] = blob_entry(rs, i);
		rs->counters[i] = *entry_counters((uint8_t *)entries + rs->offsets[i], family);
		entry_counters(rs->at[i], family)->pcnt = (uintptr_t)&rs->counters[i];
	}
	if (err)
		ruleset_drop(rs);
	else
		*out = rs;
	return err;
}

/* One entry and what its extensions hold, until the last entry was asked: a later one may rest on it. */
struct held_entry {
	struct held_entry *next;
	_Alignas(16) uint8_t entry[];
};

int ruleset_check(struct instance *inst, uint8_t family, const struct ipt_replace *head, void *entries,
		  const struct rule_source *lines, const uint32_t *starts, uint32_t *masks, uint32_t count,
		  struct kept_rules *kept, struct refusal *why)
{
	struct held_entry *held = NULL, *room = malloc(sizeof(*room) + UINT16_MAX + 1);
	struct alone_steps steps = { inst };
	struct ext_memo memo = { 0 };
	struct ruleset *rs;
	int err = room ? 0 : refuse(why, -ENOMEM, "no memory");

	if (!err)
		err = ruleset_verify(family, head, entries, true, &rs, why);
	if (err) {
		free(room);
		return err;
	}
	for (uint32_t i = 0; i < count; i++)
		masks[i] = *entry_comefrom(rs->entries + starts[i], family);
	for (uint32_t i = 0; !err && i < rs->number; i++) {
		uint8_t *e = blob_entry(rs, i);

		kept_rules_need(kept, e, family);
		memcpy(room->entry, e, entry_next_offset(e, family));
		*entry_comefrom(e, family) = 0;
		err = entry_exts_check(&steps, rs, room->entry, &memo, why);
		if (err) {
			const struct table_rule_ref ref = ref_of(rs, lines, i);

			if (why && !why->text[0])
				refuse(why, err, "an extension refused it: %s", strerror(-err));
			blame(&ref, why);
		} else if (entry_exts_hold(rs, room->entry)) {
			/* it stays where it was asked, so it is asked again there */
			struct held_entry *own = malloc(sizeof(*own) + entry_next_offset(e, family));

			entry_exts_release(&steps, rs, room->entry);
			if (!own) {
				err = refuse(why, -ENOMEM, "no memory");
				break;
			}
			memcpy(own->entry, e, entry_next_offset(e, family));
			*entry_comefrom(own->entry, family) = *entry_comefrom(room->entry, family);
			err = entry_exts_check(&steps, rs, own->entry, &memo, why);
			if (err) {
				free(own);
				break;
			}
			own->next = held;
			held = own;
		}
	}
	for (struct held_entry *next; held; held = next) {
		next = held->next;
		entry_exts_release(&steps, rs, held->entry);
		free(held);
	}
	alone_steps_end(&steps);
	free(room);
	rs->entries = NULL;	/* the caller's */
	ruleset_drop(rs);
	return err;
}

int ruleset_check_all(struct instance *inst, uint8_t family, const struct ipt_replace *head, const void *entries,
		      const struct rule_source *lines, refusal_visit visit, void *priv)
{
	uint8_t *copy = bigmem_alloc((size_t)head->size + 1);
	struct table_rule_ref ref = { .table = head->name, .chain = "", .family = family };
	struct refusal why = { 0 };
	struct alone_steps steps = { inst };
	struct ext_memo memo = { 0 };
	struct ruleset *rs;
	int first = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, entries, head->size);
	first = ruleset_verify(family, head, copy, false, &rs, &why);
	if (first) {
		visit(priv, &why);
		return first;
	}
	for (uint32_t i = 0; i < rs->number; i++) {
		int err;

		why = (struct refusal){ 0 };
		ref_step(rs, lines, i, &ref);
		err = entry_exts_check(&steps, rs, blob_entry(rs, i), &memo, &why);
		if (!err) {
			entry_exts_release(&steps, rs, blob_entry(rs, i));
			continue;
		}
		if (!why.text[0])
			refuse(&why, err, "an extension refused it: %s", strerror(-err));
		blame(&ref, &why);
		visit(priv, &why);
		first = first ? first : err;
	}
	alone_steps_end(&steps);
	ruleset_drop(rs);
	return first;
}

int ruleset_entry_check(struct alone_steps *steps, struct ruleset *rs, void *entry, struct refusal *why)
{
	struct ext_memo memo = { 0 };

	if (why)
		*why = (struct refusal){ 0 };
	return entry_exts_check(steps, rs, entry, &memo, why);
}

void ruleset_free(struct instance *inst, struct ruleset *rs)
{
	if (!rs)
		return;
	release_now(inst, rs);
	ruleset_drop(rs);
}
