/*
 * table/link.c - a verified blob becomes what the walker goes by: entries by place, chains as segments of places, and
 * jumps by anchors, so that a rule may come or go without a word to those who jump behind it. And back into a blob.
 */
#include "table/table_internal.h"

#include <stdlib.h>

static uint32_t place_of_offset(const struct ruleset *rs, uint32_t offset)
{
	uint32_t low = 0, high = rs->number;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (rs->offsets[mid] == offset)
			return mid;
		if (rs->offsets[mid] < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return NO_PLACE;
}

static bool starts_segment(const struct ruleset *rs, uint32_t place)
{
	if (!place || rs->roles[place - 1] != ROLE_RULE)
		return true;
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (rs->valid_hooks & 1u << hook && rs->hook_entry[hook] == rs->offsets[place])
			return true;
	return false;
}

static int segments_make(struct ruleset *rs)
{
	uint32_t n = 0;

	for (uint32_t place = 0; place < rs->number; place++)
		n += starts_segment(rs, place);
	rs->segments = calloc(n + 1, sizeof(*rs->segments));
	if (!rs->segments)
		return -ENOMEM;
	for (uint32_t place = 0; place < rs->number; place++) {
		if (starts_segment(rs, place))
			rs->segments[rs->segment_count++].first = place;
		rs->segments[rs->segment_count - 1].last = place;
	}
	return 0;
}

uint32_t segment_of_place(const struct ruleset *rs, uint32_t place)
{
	uint32_t low = 0, high = rs->segment_count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (rs->segments[mid].first <= place)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static struct anchor anchor_at(const struct ruleset *rs, uint32_t offset)
{
	struct anchor anchor = { .place = place_of_offset(rs, offset), .verdict = (int)offset };

	if (anchor.place != NO_PLACE)
		anchor.segment = segment_of_place(rs, anchor.place);
	return anchor;
}

static int *jump_of(const struct ruleset *rs, uint32_t place)
{
	struct xt_standard_target *t = entry_target(rs->at[place], rs->family);

	if (((const struct target *)t->target.u.kernel.target)->target || t->verdict < 0)
		return NULL;
	return &t->verdict;
}

/* Jumps to one place share an anchor; @anchor_of holds its number plus one, by place. */
static int anchors_make(struct ruleset *rs, uint32_t *anchor_of)
{
	uint32_t jumps = 0;

	for (uint32_t place = 0; place < rs->number; place++)
		jumps += jump_of(rs, place) != NULL;
	rs->anchor_room = jumps + 1;
	rs->anchors = calloc(rs->anchor_room, sizeof(*rs->anchors));
	if (!rs->anchors)
		return -ENOMEM;
	for (uint32_t place = 0; place < rs->number; place++) {
		int *verdict = jump_of(rs, place);
		struct anchor to;

		if (!verdict)
			continue;
		to = anchor_at(rs, (uint32_t)*verdict);
		if (to.place == place + 1) {
			*verdict = VERDICT_NEXT;
			continue;
		}
		if (to.place == NO_PLACE || !anchor_of[to.place]) {
			rs->anchors[rs->anchor_count++] = to;
			if (to.place == NO_PLACE) {
				*verdict = (int)rs->anchor_count - 1;
				continue;
			}
			anchor_of[to.place] = rs->anchor_count;
		}
		*verdict = (int)anchor_of[to.place] - 1;
	}
	return 0;
}

int ruleset_link(struct ruleset *rs)
{
	uint32_t *anchor_of = calloc(rs->number + 1, sizeof(*anchor_of));
	int err = -ENOMEM;

	rs->place_room = rs->number + 1;
	rs->at = calloc(rs->place_room, sizeof(*rs->at));
	rs->place = calloc(rs->id_room, sizeof(*rs->place));
	rs->remembers = calloc(rs->id_room, 1);
	if (!anchor_of || !rs->at || !rs->place || !rs->remembers || segments_make(rs))
		goto out;
	for (uint32_t place = 0; place < rs->number; place++) {
		rs->at[place] = rs->entries + rs->offsets[place];
		rs->place[place] = place;
		rs->remembers[place] = entry_remembers(rs->at[place], rs->family);
		rs->remembering += rs->remembers[place];
	}
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(rs->valid_hooks & 1u << hook))
			continue;
		rs->begin[hook] = anchor_at(rs, rs->hook_entry[hook]);
		rs->end[hook] = anchor_at(rs, rs->underflow[hook]);
	}
	err = anchors_make(rs, anchor_of);
out:
	free(anchor_of);
	return err;
}

int ruleset_verdict(const struct ruleset *rs, uint32_t place)
{
	const struct xt_standard_target *t = entry_target(rs->at[place], rs->family);
	const struct anchor *to;

	if (t->verdict < 0)
		return t->verdict;
	if (t->verdict == VERDICT_NEXT)
		return (int)(rs->offsets[place] + entry_next_offset(rs->at[place], rs->family));
	to = &rs->anchors[t->verdict];
	return to->place == NO_PLACE ? to->verdict : (int)rs->offsets[to->place];
}

/* --- and back: what user space sees --- */

static void export_data(uint8_t *to, const uint8_t *from, uint32_t user_size, uint32_t info_size)
{
	memcpy(to, from, user_size ? user_size : info_size);
}

void ruleset_export_entry(const struct ruleset *rs, uint32_t place, void *out)
{
	const uint8_t *e = rs->at[place];
	const struct xt_entry_target *t = entry_target(e, rs->family);
	const struct target *target = (const struct target *)t->u.kernel.target;
	struct xt_entry_target *to_t = (void *)((uint8_t *)out + entry_target_offset(e, rs->family));

	memcpy(out, e, entry_head_size(rs->family));
	*entry_counters(out, rs->family) = (struct xt_counters){ 0 };
	for_each_match(m, e, rs->family) {
		struct xt_entry_match *to_m = (void *)((uint8_t *)out + ((const uint8_t *)m - e));
		const struct match *match = (const struct match *)m->u.kernel.match;

		to_m->u.user.match_size = m->u.user.match_size;
		to_m->u.user.revision = match->revision;
		strcpy(to_m->u.user.name, match->name);
		export_data(to_m->data, m->data, match->user_size, match->info_size);
	}
	to_t->u.user.target_size = t->u.user.target_size;
	to_t->u.user.revision = target->revision;
	strcpy(to_t->u.user.name, target->name);
	export_data(to_t->data, t->data, target->user_size, target->info_size);
	if (!target->target)
		((struct xt_standard_target *)to_t)->verdict = ruleset_verdict(rs, place);
}

void ruleset_export(const struct ruleset *rs, const struct xt_counters *counters, void *out)
{
	memset(out, 0, rs->size);
	for (uint32_t place = 0; place < rs->number; place++) {
		uint8_t *entry = (uint8_t *)out + rs->offsets[place];

		ruleset_export_entry(rs, place, entry);
		*entry_counters(entry, rs->family) = counters[place];
	}
}
