/*
 * table/strings.c - the rules of a chain that want some bytes of the packet (-m string), asked all at once.
 * They stand apart from the other compiled rules: a classifier of their headers says whether any of them could match at all;
 * only then the packet is searched, once, for the strings of all. What was found are candidates, tried as
 * always: windows and pieces of a reassembled packet are the match's own affair.
 */
#include "classify/needles.h"
#include "table/table_internal.h"

#include <stdlib.h>

enum { WORN_PARTS = 4 };

struct segment_strings {
	struct classifier *heads;
	struct needles *needles;
	uint32_t *ids;			/* by needle; CLASS_NONE: its rule has gone */
	uint32_t count, gone;
	/* of one packet: which were found, in order of their places */
	uint32_t *hits, hit_count;
	uint64_t stamp;			/* whose they are: struct compiled_key.strings */
};

struct segment_strings *strings_new(struct classifier *heads, const struct needle *needles, const uint32_t *ids, uint32_t count)
{
	struct segment_strings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->needles = needles_new(needles, count);
	s->ids = malloc((count + 1) * sizeof(*s->ids));
	s->hits = malloc((count + 1) * sizeof(*s->hits));
	if (!s->needles || !s->ids || !s->hits) {
		strings_free(s);
		return NULL;
	}
	memcpy(s->ids, ids, count * sizeof(*ids));
	s->count = count;
	s->heads = heads;
	return s;
}

void strings_free(struct segment_strings *s)
{
	if (!s)
		return;
	classifier_free(s->heads);
	needles_free(s->needles);
	free(s->ids);
	free(s->hits);
	free(s);
}

bool strings_remove(struct segment_strings *s, uint32_t id, const struct class_rule *rule)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->ids[i] != id)
			continue;
		s->ids[i] = CLASS_NONE;
		s->gone++;
		s->stamp = 0;
		classifier_remove(s->heads, id, rule);
		return true;
	}
	return false;
}

bool strings_are_worn(const struct segment_strings *s)
{
	return s->gone > s->count / WORN_PARTS;
}

const struct classifier *strings_heads(const struct segment_strings *s)
{
	return s->heads;
}

size_t strings_bytes(const struct segment_strings *s)
{
	return sizeof(*s) + classifier_bytes(s->heads) + needles_bytes(s->needles) + 2 * (size_t)s->count * sizeof(*s->ids);
}

static void sift(uint32_t *at, uint32_t from, uint32_t count)
{
	const uint32_t value = at[from];
	uint32_t child;

	while ((child = 2 * from + 1) < count) {
		child += child + 1 < count && at[child] < at[child + 1];
		if (at[child] <= value)
			break;
		at[from] = at[child];
		from = child;
	}
	at[from] = value;
}

/* In its place, and no slower for a packet that means harm. */
static void sort(uint32_t *at, uint32_t count)
{
	for (uint32_t i = count / 2; i--;)
		sift(at, i, count);
	for (uint32_t left = count; left > 1;) {
		const uint32_t last = at[--left];

		at[left] = at[0];
		at[0] = last;
		sift(at, 0, left);
	}
}

/* Numbers of needles become places of rules. */
static void strings_search(struct segment_strings *s, const struct ruleset *rs, const struct pkt *pkt)
{
	const uint32_t found = needles_scan(s->needles, pkt->data, pkt->len, s->hits);

	s->hit_count = 0;
	for (uint32_t i = 0; i < found; i++) {
		const uint32_t id = s->ids[s->hits[i]];

		if (id != CLASS_NONE)
			s->hits[s->hit_count++] = rs->place[id];
	}
	sort(s->hits, s->hit_count);
}

uint32_t strings_find(struct segment_strings *s, const struct ruleset *rs, uint64_t *stamps, struct compiled_key *k,
		      const struct pkt *pkt, uint32_t from, uint32_t before)
{
	uint32_t low = 0, high;

	if (!k->strings || s->stamp != k->strings) {
		const struct class_found head = classifier_find(s->heads, &k->key, rs->moved ? rs->place : NULL, from);

		if (head.id == CLASS_NONE || rs->place[head.id] >= before)
			return before;
		k->strings = s->stamp = ++*stamps;
		strings_search(s, rs, pkt);
	}
	for (high = s->hit_count; low < high;) {
		const uint32_t mid = low + (high - low) / 2;

		if (s->hits[mid] < from)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->hit_count && s->hits[low] < before ? s->hits[low] : before;
}
