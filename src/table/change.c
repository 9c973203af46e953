/*
 * table/change.c - one rule more or less in a table of any size, while it is in use. The rules of a table keep their ids,
 * their counters and their bytes; only places move. Whatever would steer packets elsewhere is left to a replacement
 * of the whole: then what can be reached from where is looked at again. What remembers begins anew either way.
 */
#include "table/alone.h"
#include "table/table_internal.h"

#include <stdlib.h>

enum {
	JUMP_LOOK_MAX = 256,	/* rules that a jump's target may have, to be looked through for jumps */
	RENEW_MAX = 4096,	/* entries that begin anew; more, and the whole is as fast */
};

/* --- names --- */

static const char *segment_name(const struct ruleset *rs, const struct segment *segment)
{
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (rs->valid_hooks & 1u << hook && rs->begin[hook].place == segment->first)
			return hook_chain_names[hook];
	if (segment->first && rs->roles[entry_id(rs, rs->at[segment->first - 1])] == ROLE_HEAD)
		return (const char *)entry_target(rs->at[segment->first - 1], rs->family) + offsetof(struct xt_error_target, errorname);
	return NULL;
}

const struct table_rule_ref *table_rule_name(const struct ruleset *rs, uint32_t id)
{
	static const struct table_rule_ref nobody = { .table = "", .chain = "" };
	const struct segment *segment = &rs->segments[segment_of_place(rs, rs->place[id])];
	const char *chain = segment_name(rs, segment);
	const struct table_rule_ref ref = {
		.table = rs->table, .chain = chain ? chain : "", .number = rs->place[id] - segment->first + 1,
		.file = rs->sources[id].file, .line = rs->sources[id].line, .family = rs->family,
		.weight = (uint8_t)(rs->weight + 1),
	};
	const struct table_rule_ref *name = ref_intern(rs->ref_pool, &ref);

	if (!name)
		return &nobody;
	rs->refs[id] = name;
	return name;
}

/* --- may it be done alone? --- */

struct planned {
	struct ruleset *rs;
	struct segment *segment;
	uint32_t place;
	uint8_t *entry;			/* the new one; owned until it is in place */
	uint8_t *gone;			/* the old one, when it is no longer */
	struct segment *jump;
};

static const struct target *target_of(const void *e, uint8_t family)
{
	return (const struct target *)((const struct xt_entry_target *)entry_target(e, family))->u.kernel.target;
}

/* Is where packets go from here more than a verdict about some of them? */
static bool steers(const void *e, uint8_t family)
{
	const struct xt_standard_target *t = entry_target(e, family);

	if (target_of(e, family)->target)
		return false;
	return (t->verdict >= 0 && t->verdict != VERDICT_NEXT) || (t->verdict < 0 && entry_is_unconditional(e, family));
}

static struct segment *chain_find(const struct ruleset *rs, const char *name)
{
	for (uint32_t i = 0; i < rs->segment_count; i++) {
		struct segment *segment = &rs->segments[i];
		const uint8_t role = rs->roles[entry_id(rs, rs->at[segment->last])];
		const char *its = role == ROLE_POLICY || role == ROLE_FOOT ? segment_name(rs, segment) : NULL;

		if (its && !strcmp(its, name))
			return segment;
	}
	return NULL;
}

/* A chain that is reached from wherever the new rule is, and goes nowhere itself: no loop, nothing new within reach. */
static bool jump_is_harmless(const struct planned *plan, unsigned int mask)
{
	const struct ruleset *rs = plan->rs;
	const struct segment *to = plan->jump;

	if (to == plan->segment || to->last - to->first > JUMP_LOOK_MAX || mask & ~*entry_comefrom(rs->at[to->first], rs->family))
		return false;
	for (uint32_t place = to->first; place < to->last; place++)
		if (steers(rs->at[place], rs->family))
			return false;
	return true;
}

/* "ACCEPT" and its like become numbers; a chain's name becomes plan->jump; no name goes on. */
static int target_name_resolve(struct planned *plan)
{
	static const struct { const char *name; int verdict; } words[] = {
		{ "", VERDICT_NEXT }, { "ACCEPT", -NF_ACCEPT - 1 }, { "DROP", -NF_DROP - 1 }, { "QUEUE", -NF_QUEUE - 1 },
		{ "RETURN", XT_RETURN },
	};
	struct xt_standard_target *t = entry_target(plan->entry, plan->rs->family);
	char name[XT_EXTENSION_MAXNAMELEN];

	memcpy(name, t->target.u.user.name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(name, words[i].name))
			continue;
		if (t->target.u.user.target_size != sizeof(*t))
			return -EOPNOTSUPP;
		memset(t->target.u.user.name, 0, sizeof(t->target.u.user.name));
		t->verdict = words[i].verdict;
		return 0;
	}
	plan->jump = chain_find(plan->rs, name);
	if (!plan->jump)
		return 0;
	if (t->target.u.user.target_size != sizeof(*t) || !plan->jump->first || plan->rs->roles[entry_id(plan->rs, plan->rs->at[plan->jump->first - 1])] != ROLE_HEAD)
		return -EOPNOTSUPP;	/* a builtin chain: an error, for others to say */
	memset(t->target.u.user.name, 0, sizeof(t->target.u.user.name));
	t->verdict = 1;
	return 0;
}

static int entry_take(struct alone_steps *steps, struct planned *plan, const struct rule_change *change, unsigned int mask,
		      struct refusal *why)
{
	const uint8_t family = plan->rs->family;
	const uint16_t size = entry_next_offset(change->entry, family);
	int err;

	plan->entry = malloc(size);
	if (!plan->entry)
		return refuse(why, -ENOMEM, "no memory for a rule");
	memcpy(plan->entry, change->entry, size);
	err = target_name_resolve(plan);
	if (!err && blob_entry_fault(plan->entry, size, family))
		err = -EOPNOTSUPP;
	if (!err) {
		const struct xt_standard_target *t = entry_target(plan->entry, family);

		*entry_comefrom(plan->entry, family) = mask;
		if (!t->target.u.user.name[0] && t->verdict < 0 && entry_is_unconditional(plan->entry, family))
			err = -EOPNOTSUPP;
	}
	if (!err && plan->jump && !jump_is_harmless(plan, mask))
		err = -EOPNOTSUPP;
	if (!err)
		err = ruleset_entry_check(steps, plan->rs, plan->entry, why);
	if (err) {
		free(plan->entry);
		plan->entry = NULL;
	}
	return err;
}

/* --- rooms --- */

static int sources_keep(struct ruleset *rs)
{
	if (rs->sources)
		return 0;
	rs->sources = calloc(rs->id_room, sizeof(*rs->sources));
	rs->free_ids = calloc(rs->id_room, sizeof(*rs->free_ids));
	if (!rs->sources || !rs->free_ids) {
		free(rs->sources);
		free(rs->free_ids);
		rs->sources = NULL;
		rs->free_ids = NULL;
		return -ENOMEM;
	}
	for (uint32_t id = 0; id < rs->id_used; id++)
		rs->sources[id] = (struct rule_source){ rs->refs[id]->file, rs->refs[id]->line };
	return 0;
}

static int rooms_make(struct ruleset *rs)
{
	if (rs->number + 1 >= rs->place_room) {
		const uint32_t room = rs->place_room + rs->place_room / 4 + 16;
		uint8_t **at = realloc(rs->at, room * sizeof(*at));
		uint32_t *offsets;

		if (!at)
			return -ENOMEM;
		rs->at = at;
		offsets = realloc(rs->offsets, room * sizeof(*offsets));
		if (!offsets)
			return -ENOMEM;
		rs->offsets = offsets;
		rs->place_room = room;
	}
	if (rs->anchor_count + 1 >= rs->anchor_room) {
		const uint32_t room = rs->anchor_room + rs->anchor_room / 4 + 16;
		struct anchor *anchors = realloc(rs->anchors, room * sizeof(*anchors));

		if (!anchors)
			return -ENOMEM;
		rs->anchors = anchors;
		rs->anchor_room = room;
	}
	return sources_keep(rs);
}

static uint32_t id_take(struct ruleset *rs)
{
	if (rs->free_id_count)
		return rs->free_ids[--rs->free_id_count];
	return rs->id_used < rs->id_room ? rs->id_used++ : NO_PLACE;
}

/* --- places --- */

/* Who jumps to a chain jumps to its first rule, whichever that is. */
static void anchor_shift(struct anchor *anchor, uint32_t place, uint32_t first, int by)
{
	if (anchor->place != NO_PLACE && anchor->place >= place && anchor->place != first)
		anchor->place += (uint32_t)by;
}

/* What stands at @from or behind moves by one place and @bytes; the arrays by place have been moved already. */
static void places_shift(struct ruleset *rs, struct segment *segment, uint32_t from, int by, int64_t bytes)
{
	const uint32_t first = segment->first, last = segment->last;

	for (uint32_t id = 0; id < rs->id_used; id++) {
		const uint32_t place = rs->place[id];

		if (place < from || place == NO_PLACE)
			continue;
		rs->place[id] = place + (uint32_t)by;
		if (place < last)
			rs->refs[id] = NULL;	/* its number is another one now */
	}
	for (uint32_t i = by > 0 ? from + 1 : from - 1; i < rs->number; i++)
		rs->offsets[i] += (uint32_t)bytes;
	segment->last += (uint32_t)by;
	for (struct segment *at = segment + 1; at < rs->segments + rs->segment_count; at++) {
		at->first += (uint32_t)by;
		at->last += (uint32_t)by;
	}
	for (uint32_t i = 0; i < rs->anchor_count; i++)
		anchor_shift(&rs->anchors[i], from, first, by);
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(rs->valid_hooks & 1u << hook))
			continue;
		anchor_shift(&rs->begin[hook], from, first, by);
		anchor_shift(&rs->end[hook], from, NO_PLACE, by);
	}
	rs->moved = true;
}

/* User space's offsets of chains; and libiptc gives the ends of chains no counters back. */
static void hooks_settle(struct ruleset *rs)
{
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(rs->valid_hooks & 1u << hook))
			continue;
		rs->hook_entry[hook] = rs->offsets[rs->begin[hook].place];
		rs->underflow[hook] = rs->offsets[rs->end[hook].place];
	}
	for (uint32_t id = 0; id < rs->id_used; id++)
		if (rs->roles[id] == ROLE_POLICY || rs->roles[id] == ROLE_FOOT)
			rs->counters[id] = (struct xt_counters){ 0 };
}

static uint32_t anchor_for(struct ruleset *rs, const struct segment *to)
{
	for (uint32_t i = 0; i < rs->anchor_count; i++)
		if (rs->anchors[i].place == to->first)
			return i;
	rs->anchors[rs->anchor_count] = (struct anchor){ .place = to->first, .segment = (uint32_t)(to - rs->segments) };
	return rs->anchor_count++;
}

/* The new entry stands at its place; from now on it is rule @id. */
static void entry_settle(struct planned *plan, uint32_t id, const struct rule_source *source)
{
	struct ruleset *rs = plan->rs;
	struct xt_counters *counters = entry_counters(plan->entry, rs->family);

	rs->counters[id] = *counters;
	*counters = (struct xt_counters){ .pcnt = (uintptr_t)&rs->counters[id] };
	rs->roles[id] = ROLE_RULE;
	rs->remembers[id] = entry_remembers(plan->entry, rs->family);
	rs->remembering += rs->remembers[id];
	rs->refs[id] = NULL;
	rs->sources[id] = (struct rule_source){ source->file ? ref_intern_text(rs->ref_pool, source->file) : NULL, source->line };
	rs->place[id] = plan->place;
	rs->at[plan->place] = plan->entry;
	if (plan->jump)
		((struct xt_standard_target *)entry_target(plan->entry, rs->family))->verdict = (int)anchor_for(rs, plan->jump);
	plan->entry = NULL;
}

static void entry_drop(struct alone_steps *steps, struct ruleset *rs, uint8_t *entry)
{
	entry_exts_release(steps, rs, entry);
	if (entry < rs->entries || entry >= rs->entries + rs->arena_size)
		free(entry);
}

static void rule_insert(struct instance *inst, struct planned *plan, uint32_t id, const struct rule_source *source)
{
	struct ruleset *rs = plan->rs;
	const uint16_t size = entry_next_offset(plan->entry, rs->family);
	const uint32_t place = plan->place;

	memmove(rs->at + place + 1, rs->at + place, (rs->number - place) * sizeof(*rs->at));
	memmove(rs->offsets + place + 1, rs->offsets + place, (rs->number - place) * sizeof(*rs->offsets));
	rs->number++;
	rs->size += size;
	rs->place[id] = NO_PLACE;
	places_shift(rs, plan->segment, place, 1, size);
	entry_settle(plan, id, source);
	compiled_add(inst, rs, plan->segment, id);
}

static void rule_delete(struct instance *inst, struct planned *plan)
{
	struct ruleset *rs = plan->rs;
	uint8_t *entry = rs->at[plan->place];
	const uint32_t id = entry_id(rs, entry), place = plan->place;

	compiled_remove(inst, rs, plan->segment, id);
	rs->number--;
	rs->size -= entry_next_offset(entry, rs->family);
	memmove(rs->at + place, rs->at + place + 1, (rs->number - place) * sizeof(*rs->at));
	memmove(rs->offsets + place, rs->offsets + place + 1, (rs->number - place) * sizeof(*rs->offsets));
	rs->place[id] = NO_PLACE;
	rs->remembering -= rs->remembers[id];
	rs->remembers[id] = 0;
	places_shift(rs, plan->segment, place + 1, -1, -(int64_t)entry_next_offset(entry, rs->family));
	rs->free_ids[rs->free_id_count++] = id;
	plan->gone = entry;
}

/* The new one takes the old one's id. */
static void rule_replace(struct instance *inst, struct planned *plan, const struct rule_source *source)
{
	struct ruleset *rs = plan->rs;
	uint8_t *entry = rs->at[plan->place];
	const uint32_t id = entry_id(rs, entry);
	const int64_t more = (int64_t)entry_next_offset(plan->entry, rs->family) - entry_next_offset(entry, rs->family);

	compiled_remove(inst, rs, plan->segment, id);
	for (uint32_t i = plan->place + 1; i < rs->number; i++)
		rs->offsets[i] += (uint32_t)more;
	rs->size += (uint32_t)more;
	rs->remembering -= rs->remembers[id];
	entry_settle(plan, id, source);
	compiled_add(inst, rs, plan->segment, id);
	plan->gone = entry;
}

static bool is_jumped_to(const struct ruleset *rs, const struct segment *segment, uint32_t place)
{
	for (uint32_t i = 0; place != segment->first && i < rs->anchor_count; i++)
		if (rs->anchors[i].place == place)
			return true;
	return false;
}

/* --- what a replacement of the table would begin anew --- */

struct renewal { uint8_t **entries; uint32_t *places; uint32_t count, total; };

/* The twins that did not come into use, or the entries that they came for. */
static void renewal_end(struct alone_steps *steps, struct ruleset *rs, struct renewal *r, bool in_order)
{
	for (uint32_t i = 0; i < r->count; i++)
		entry_drop(steps, rs, r->entries[in_order ? i : r->count - 1 - i]);
	free(r->entries);
	free(r->places);
}

static int entry_renew(struct alone_steps *steps, struct ruleset *rs, uint32_t place, uint8_t **out, struct refusal *why)
{
	uint8_t *old = rs->at[place], *entry = calloc(1, entry_next_offset(old, rs->family));
	struct xt_standard_target *t;
	int err;

	if (!entry)
		return refuse(why, -ENOMEM, "no memory for a rule");
	ruleset_export_entry(rs, place, entry);
	err = ruleset_entry_check(steps, rs, entry, why);
	if (err) {
		free(entry);
		return err;
	}
	*entry_counters(entry, rs->family) = *entry_counters(old, rs->family);
	t = entry_target(entry, rs->family);
	if (!target_of(entry, rs->family)->target)
		t->verdict = ((struct xt_standard_target *)entry_target(old, rs->family))->verdict;
	*out = entry;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* --- which rule is like this one, as user space sees it --- */

static bool data_equal(const uint8_t *a, const uint8_t *b, uint32_t user_size, uint32_t info_size, size_t room)
{
	return !memcmp(a, b, MIN_OF((size_t)(user_size ? user_size : info_size), room));
}

static bool targets_equal(const struct ruleset *rs, const struct xt_entry_target *wanted, const struct segment *jump, const uint8_t *entry)
{
	const struct xt_entry_target *its = entry_target(entry, rs->family);
	const struct target *target = target_of(entry, rs->family);
	const int verdict = ((const struct xt_standard_target *)wanted)->verdict;

	if (wanted->u.target_size != its->u.target_size)
		return false;
	if (wanted->u.user.name[0])
		return target->target && !strcmp(wanted->u.user.name, target->name) &&
		       data_equal(wanted->data, its->data, target->user_size, target->info_size, its->u.target_size - sizeof(*its));
	if (target->target)
		return false;
	if (jump) {
		const int to = ((const struct xt_standard_target *)its)->verdict;

		return to >= 0 && to != VERDICT_NEXT && rs->anchors[to].place == jump->first;
	}
	return ((const struct xt_standard_target *)its)->verdict == verdict;
}

static bool is_like(const struct planned *wanted, const uint8_t *entry)
{
	const uint8_t family = wanted->rs->family;

	if (!entry_heads_equal(wanted->entry, entry, family) ||
	    entry_target_offset(wanted->entry, family) != entry_target_offset(entry, family) ||
	    entry_next_offset(wanted->entry, family) != entry_next_offset(entry, family))
		return false;
	for_each_match(m, wanted->entry, family) {
		const struct xt_entry_match *its = (const void *)(entry + ((uint8_t *)m - wanted->entry));
		const struct match *match = (const struct match *)its->u.kernel.match;

		if (m->u.match_size != its->u.match_size || strcmp(m->u.user.name, match->name) ||
		    !data_equal(m->data, its->data, match->user_size, match->info_size, m->u.match_size - sizeof(*m)))
			return false;
	}
	return targets_equal(wanted->rs, entry_target(wanted->entry, family), wanted->jump, entry);
}

/* plan->place: of the first rule like change->entry in its chain. */
static int rule_find(const struct rule_change *change, struct planned *plan)
{
	struct planned wanted = { .rs = plan->rs };
	const uint16_t size = entry_next_offset(change->entry, plan->rs->family);
	int err = -ENOMEM;

	wanted.entry = malloc(size);
	if (wanted.entry) {
		memcpy(wanted.entry, change->entry, size);
		err = target_name_resolve(&wanted);
	}
	for (plan->place = plan->segment->first; !err && plan->place < plan->segment->last; plan->place++)
		if (is_like(&wanted, plan->rs->at[plan->place]))
			break;
	if (!err && plan->place == plan->segment->last)
		err = -ENOENT;
	free(wanted.entry);
	return err;
}

/* All entries that remember, but for the one that goes. */
static int renewal_open(const struct ruleset *rs, uint32_t but, struct renewal *r, struct refusal *why)
{
	if (!rs->remembering)
		return 0;
	r->entries = calloc(rs->remembering, sizeof(*r->entries));
	r->places = calloc(rs->remembering, sizeof(*r->places));
	if (!r->entries || !r->places)
		return refuse(why, -ENOMEM, "no memory for %u rules", rs->remembering);
	for (uint32_t id = 0; id < rs->id_used; id++)
		if (rs->remembers[id] && rs->place[id] != but)
			r->places[r->total++] = rs->place[id];
	qsort(r->places, r->total, sizeof(*r->places), by_place);
	return 0;
}

/*
 * Twins of those before @place. As with a replacement, rules begin in their order, since some share what they remember, and the
 * old ones end after all new ones began.
 */
static int renewal_until(struct alone_steps *steps, struct ruleset *rs, uint32_t place, struct renewal *r, struct refusal *why)
{
	int err = 0;

	while (!err && r->count < r->total && r->places[r->count] < place) {
		err = entry_renew(steps, rs, r->places[r->count], &r->entries[r->count], why);
		r->count += !err;
	}
	return err;
}

static void renewal_apply(struct ruleset *rs, struct renewal *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint8_t *old = rs->at[r->places[i]];

		rs->at[r->places[i]] = r->entries[i];
		r->entries[i] = old;
	}
}

/* Its form, before anything else of it is looked at: it may come from another process. */
static bool is_well_formed(const struct rule_change *change, uint8_t family)
{
	return !blob_entry_misfit(change->entry, (uint32_t)MIN_OF(change->entry_len, (size_t)UINT16_MAX), family) &&
	       entry_next_offset(change->entry, family) % XT_ALIGN(1) == 0 && entry_target_offset(change->entry, family) % XT_ALIGN(1) == 0 &&
	       !target_is_error(entry_target(change->entry, family));
}

/* Where, and whether it may go alone. */
static int plan_make(const struct rule_change *change, struct planned *plan, struct refusal *why)
{
	const struct ruleset *rs = plan->rs;
	uint32_t count;
	int err;

	if (change->entry && !is_well_formed(change, rs->family))
		return -EOPNOTSUPP;
	plan->segment = chain_find(rs, change->chain);
	if (!plan->segment)
		return -EOPNOTSUPP;
	if (change->kind == CHANGE_LOOK || (change->kind == CHANGE_DELETE && change->entry)) {
		err = rule_find(change, plan);
		if (err || change->kind == CHANGE_LOOK)
			return err;
	}
	if (rs->remembering > RENEW_MAX)
		return -EOPNOTSUPP;
	count = plan->segment->last - plan->segment->first;
	if (change->kind != CHANGE_DELETE || !change->entry)
		plan->place = plan->segment->first + (change->is_append ? count : change->at);
	if (!change->is_append && plan->place - plan->segment->first >= count + (change->kind == CHANGE_INSERT))
		return refuse(why, -E2BIG, "chain %s has no rule %u", change->chain, change->at + 1);
	if (change->kind != CHANGE_INSERT && (steers(rs->at[plan->place], rs->family) || is_jumped_to(rs, plan->segment, plan->place)))
		return -EOPNOTSUPP;
	return 0;
}

/* Rooms, and the number of a rule that comes. */
static int places_take(struct instance *inst, struct ruleset *rs, bool comes, uint32_t *id, struct refusal *why)
{
	int err;

	worker_alone_begin(inst, NULL);
	err = rs->nesting ? -EOPNOTSUPP : 0;		/* who asks is called by a packet on its way through these */
	if (!err && rooms_make(rs))
		err = refuse(why, -ENOMEM, "table %s: no memory", rs->table);
	if (!err && comes) {
		*id = id_take(rs);
		err = *id == NO_PLACE ? -EOPNOTSUPP : 0;
	}
	worker_alone_end(inst, NULL);
	return err;
}

static void plan_apply(struct instance *inst, struct planned *plan, const struct rule_change *change, uint32_t id, struct renewal *renewal)
{
	worker_alone_begin(inst, NULL);
	tallies_settle(inst->tables);
	inst->changes++;
	renewal_apply(plan->rs, renewal);
	if (change->kind == CHANGE_INSERT)
		rule_insert(inst, plan, id, &change->source);
	else if (change->kind == CHANGE_REPLACE)
		rule_replace(inst, plan, &change->source);
	else
		rule_delete(inst, plan);
	hooks_settle(plan->rs);
	worker_alone_end(inst, NULL);
}

int tables_change_rule(struct instance *inst, uint8_t family, const char *name, const struct rule_change *change,
		       struct refusal *why)
{
	struct table *table = table_find(inst, family, name);
	struct planned plan = { .rs = table ? table->rules : NULL };
	struct alone_steps steps = { inst };
	struct renewal renewal = { 0 };
	uint32_t id = NO_PLACE;
	int err;

	if (!table)
		return -EOPNOTSUPP;
	err = plan_make(change, &plan, why);
	if (change->kind == CHANGE_LOOK)
		return err;
	if (!err)
		err = places_take(inst, plan.rs, change->kind == CHANGE_INSERT, &id, why);
	if (!err)
		err = renewal_open(plan.rs, change->kind == CHANGE_INSERT ? NO_PLACE : plan.place, &renewal, why);
	if (!err)
		err = renewal_until(&steps, plan.rs, plan.place, &renewal, why);
	if (!err && change->kind != CHANGE_DELETE)
		err = entry_take(&steps, &plan, change, *entry_comefrom(plan.rs->at[plan.place], family), why);
	if (!err)
		err = renewal_until(&steps, plan.rs, NO_PLACE, &renewal, why);
	alone_steps_end(&steps);
	if (!err) {
		plan_apply(inst, &plan, change, id, &renewal);
		segment_settle(inst, plan.rs, plan.segment);
	} else if (id != NO_PLACE) {
		plan.rs->place[id] = NO_PLACE;
		plan.rs->free_ids[plan.rs->free_id_count++] = id;
	}
	if (plan.entry)
		entry_drop(&steps, plan.rs, plan.entry);
	renewal_end(&steps, plan.rs, &renewal, !err);
	if (plan.gone)
		entry_drop(&steps, plan.rs, plan.gone);
	alone_steps_end(&steps);
	return err;
}
