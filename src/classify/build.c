/*
 * classify/build.c - a classifier from a whole chain, and one rule more or less in it.
 */
#include "base/bigmem.h"
#include "classify/classify_internal.h"

#include <stdlib.h>

enum { ROOM_SPARE = 8, WORN_CHANGES = 64, CROWDED_OPEN = 32 };

struct pair { uint32_t hash, n; };

static size_t filter_size(const struct classifier *c)
{
	return ((size_t)1 << (32 - c->filter_shift)) * sizeof(*c->filter);
}

static size_t slots_size(uint32_t shift)
{
	return ((size_t)1 << (32 - shift)) * sizeof(struct slot);
}

static size_t mask_size(const struct classifier *c)
{
	return ((size_t)c->hash_words * c->lanes + 1) * sizeof(uint32_t);
}

static size_t seed_size(const struct classifier *c)
{
	return (c->lanes + 1) * sizeof(uint32_t);
}

/* 1 << (32 - shift) is at least @n, and not less than 64. */
static uint32_t shift_for(uint64_t n)
{
	uint32_t bits = 6;

	while (bits < 31 && (uint64_t)1 << bits < n)
		bits++;
	return 32 - bits;
}

void brief_make(const struct classifier *c, uint32_t id, const struct class_rule *rule, struct brief *out)
{
	uint32_t *words = (uint32_t *)(out + 1);

	memset(words, 0, c->brief_steps * 2 * BRIEF_STEP * sizeof(*words));
	*out = (struct brief){ .id = id, .sports = { 0, UINT16_MAX }, .dports = { 0, UINT16_MAX }, .states = rule->states,
			       .sure = rule->sure, .note = (uint8_t)(rule->note | (rule->term_count ? NOTE_TERMS : 0)) };
	if (rule->sport_count)
		out->sports = rule->sports[0];
	if (rule->dport_count)
		out->dports = rule->dports[0];
	for (unsigned int i = 1; i < rule->sport_count; i++)
		out->sports = (struct class_range){ MIN_OF(out->sports.low, rule->sports[i].low),
						    MAX_OF(out->sports.high, rule->sports[i].high) };
	for (unsigned int i = 1; i < rule->dport_count; i++)
		out->dports = (struct class_range){ MIN_OF(out->dports.low, rule->dports[i].low),
						    MAX_OF(out->dports.high, rule->dports[i].high) };
	for (uint32_t i = 0; i < c->brief_words; i++) {
		const unsigned int w = c->brief_word[i];
		uint32_t *step = words + i / BRIEF_STEP * 2 * BRIEF_STEP + i % BRIEF_STEP;

		step[0] = rule->value[w];
		step[BRIEF_STEP] = rule->mask[w];
	}
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		if (rule->mask[w] & ~c->brief_asked[w])
			out->sure = CLASS_MAYBE;
}

/* A large arena gets addresses for twice what it needs: they cost nothing until they are used, moving it would. */
static uint32_t arena_room(uint64_t words)
{
	words += 1024;
	if (words * sizeof(uint32_t) >= BIGMEM_PAGE)
		words *= 2;
	return (uint32_t)MIN_OF(words, (uint64_t)UINT32_MAX);
}

/* A run that fits into one cache line does not straddle two. */
uint32_t run_new(struct classifier *c, uint32_t room)
{
	const uint64_t len = RUN_HEAD + (uint64_t)room * c->brief_len;
	uint64_t at = c->arena_used;

	if (at % LINE_WORDS && at % LINE_WORDS + len > LINE_WORDS)
		at = ALIGN_UP(at, (uint64_t)LINE_WORDS);
	if (at + len > c->arena_room) {
		const uint64_t more = arena_room(at + len + (at + len) / ROOM_SPARE);
		uint32_t *arena = at + len < more ? bigmem_alloc(more * sizeof(*arena)) : NULL;

		if (!arena)
			return 0;
		memcpy(arena, c->arena, (size_t)c->arena_used * sizeof(*arena));
		bigmem_free(c->arena, (size_t)c->arena_room * sizeof(*arena));
		c->arena = arena;
		c->arena_room = (uint32_t)more;
	}
	c->arena[at] = 0;
	c->arena[at + 1] = room;
	c->arena_used = (uint32_t)(at + len);
	return (uint32_t)at;
}

static void run_append(struct classifier *c, uint32_t run, uint32_t id, const struct class_rule *rule)
{
	brief_make(c, id, rule, run_brief(c, run, c->arena[run]++));
}

/* --- the whole --- */

static int by_hash(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->hash != y->hash)
		return (x->hash > y->hash) - (x->hash < y->hash);
	return (x->n > y->n) - (x->n < y->n);
}

static void slot_put(struct classifier *c, uint32_t hash, uint32_t run)
{
	uint32_t at = slot_first(c, hash);

	while (c->slots[at].run)
		at = slot_after(c, at);
	c->slots[at] = (struct slot){ hash, run };
	c->slot_used++;
	c->filter[hash >> c->filter_shift] |= filter_bits(hash);
}

static int tables_alloc(struct classifier *c, uint64_t keys, uint64_t briefs)
{
	c->filter_shift = shift_for(keys / 2);
	c->slot_shift = shift_for(keys * 2);
	c->filter = bigmem_alloc(filter_size(c));
	c->slots = bigmem_alloc(slots_size(c->slot_shift));
	briefs += briefs / ROOM_SPARE;
	c->arena_room = arena_room(LINE_WORDS + briefs * (RUN_HEAD + c->brief_len) * 5 / 4);
	c->arena = bigmem_alloc((size_t)c->arena_room * sizeof(*c->arena));
	c->arena_used = LINE_WORDS;	/* 0 is no run */
	if (!c->filter || !c->slots || !c->arena)
		return -ENOMEM;
	return 0;
}

/* Which words are hashed by any group, and which are asked for by any rule. */
static int lanes_make(struct classifier *c, uint32_t salt)
{
	for (unsigned int w = 0; w < CLASS_WORDS; w++) {
		uint32_t any = 0;

		for (uint32_t g = 0; g < c->group_count; g++)
			any |= c->groups[g].mask[w];
		if (any)
			c->hash_word[c->hash_words++] = (uint8_t)w;
		if (c->asked.mask[w]) {
			c->brief_word[c->brief_words++] = (uint8_t)w;
			c->brief_asked[w] = UINT32_MAX;
		}
	}
	c->brief_steps = (c->brief_words + BRIEF_STEP - 1) / BRIEF_STEP;
	c->brief_len = BRIEF_HEAD + 2 * BRIEF_STEP * c->brief_steps;
	c->lanes = ALIGN_UP(c->group_count, (uint32_t)LANES);
	c->group_mask = bigmem_alloc(mask_size(c));
	c->group_seed = bigmem_alloc(seed_size(c));
	if (!c->group_mask || !c->group_seed)
		return -ENOMEM;
	for (uint32_t g = 0; g < c->group_count; g++) {
		c->groups[g].seed = c->group_seed[g] = hash_end(hash_mix(salt, g + 1));
		for (uint32_t i = 0; i < c->hash_words; i++)
			c->group_mask[i * c->lanes + g] = c->groups[g].mask[c->hash_word[i]];
	}
	return 0;
}

typedef void (*rule_of_fn)(void *priv, uint32_t n, struct class_rule *rule);

/* All hashes of all rules, in order. Return: how many, or -1. */
static int64_t pairs_make(struct classifier *c, uint32_t count, const uint8_t *of, rule_of_fn rule_of, void *priv,
			  struct pair **out)
{
	uint64_t n = 0, room = (uint64_t)count + count / 4 + KEYS_MAX;
	struct pair *pairs = malloc(room * sizeof(*pairs));

	for (uint32_t i = 0; pairs && i < count; i++) {
		uint32_t hashes[KEYS_MAX];
		struct class_rule rule;
		unsigned int keys;

		if (of[i] == GROUPS_MAX)
			continue;
		rule_of(priv, i, &rule);
		keys = rule_hashes(c, &rule, &c->groups[of[i]], hashes);
		if (n + keys > room) {
			struct pair *grown = realloc(pairs, 2 * room * sizeof(*pairs));

			if (!grown) {
				free(pairs);
				return -1;
			}
			pairs = grown;
			room *= 2;
		}
		for (unsigned int k = 0; k < keys; k++)
			pairs[n++] = (struct pair){ hashes[k], i };
	}
	if (!pairs)
		return -1;
	qsort(pairs, n, sizeof(*pairs), by_hash);
	*out = pairs;
	return (int64_t)n;
}

static int runs_make(struct classifier *c, const struct pair *pairs, uint64_t n, rule_of_fn rule_of, void *priv)
{
	for (uint64_t i = 0; i < n;) {
		uint64_t end = i;
		uint32_t run;

		while (end < n && pairs[end].hash == pairs[i].hash)
			end++;
		run = run_new(c, (uint32_t)(end - i));
		if (!run)
			return -ENOMEM;
		slot_put(c, pairs[i].hash, run);
		for (; i < end; i++) {
			struct class_rule rule;

			rule_of(priv, pairs[i].n, &rule);
			run_append(c, run, nth_id(c, pairs[i].n), &rule);
		}
	}
	return 0;
}

static int open_run_make(struct classifier *c, uint32_t count, const uint8_t *of, rule_of_fn rule_of, void *priv)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += of[i] == GROUPS_MAX;
	c->open_built = n;
	if (!n)
		return 0;
	c->open_run = run_new(c, n);
	if (!c->open_run)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct class_rule rule;

		if (of[i] != GROUPS_MAX)
			continue;
		rule_of(priv, i, &rule);
		run_append(c, c->open_run, nth_id(c, i), &rule);
	}
	return 0;
}

static void ask_too(struct class_rule *all, const struct class_rule *rule)
{
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		all->mask[w] |= rule->mask[w];
	all->sport_count |= rule->sport_count;
	all->dport_count |= rule->dport_count;
	all->states &= rule->states;
}

/* Terms of rules that went stay until the chain is built anew. */
static int terms_add(struct classifier *c, uint32_t id, const struct class_rule *rule)
{
	if (!rule->term_count)
		return 0;
	if (!c->terms_at)
		c->terms_at = bigmem_alloc(((size_t)c->room + 1) * sizeof(*c->terms_at));
	if (c->terms_at && c->term_count + rule->term_count > c->term_room) {
		const uint32_t room = 2 * c->term_room + CLASS_TERMS;
		struct class_term *grown = realloc(c->terms, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->terms = grown;
		c->term_room = room;
	}
	if (!c->terms_at)
		return -ENOMEM;
	memcpy(c->terms + c->term_count, rule->terms, rule->term_count * sizeof(*rule->terms));
	c->terms_at[id] = (struct terms_at){ c->term_count, rule->term_count };
	c->term_count += rule->term_count;
	for (unsigned int i = 0; i < rule->term_count; i++)
		c->terms_asked[rule->terms[i].word] |= rule->terms[i].mask;
	return 0;
}

static int items_make(struct classifier *c, uint32_t count, rule_of_fn rule_of, void *priv, struct item *items)
{
	for (uint32_t i = 0; i < count; i++) {
		struct class_rule rule;

		rule_of(priv, i, &rule);
		memcpy(items[i].value, rule.value, sizeof(rule.value));
		items[i].sport = rule.sport_count ? rule.sports[0].low : 0;
		items[i].dport = rule.dport_count ? rule.dports[0].low : 0;
		rule_levels(&rule, ports_max(count), items[i].level);
		ask_too(&c->asked, &rule);
		if (terms_add(c, nth_id(c, i), &rule))
			return -ENOMEM;
	}
	return 0;
}

struct classifier *classifier_new(uint32_t count, const uint32_t *ids, uint32_t first, uint32_t room, uint8_t family, uint32_t salt,
				  rule_of_fn rule_of, void *priv)
{
	struct classifier *c = bigmem_alloc(sizeof(*c));
	struct item *items = malloc((count + 1) * sizeof(*items));
	uint8_t *of = calloc(count + 1, 1);
	struct pair *pairs = NULL;
	int64_t n;

	if (!c || !items || !of)
		goto err_free;
	c->family = family;
	c->first = first;
	c->ids = ids;
	c->room = room;
	c->live = count;
	c->probe = probes()[0];
	class_rule_init(&c->asked, family);
	if (items_make(c, count, rule_of, priv, items) || groups_choose(c, items, count, of))
		goto err_free;
	free(items);
	items = NULL;
	if (lanes_make(c, salt))
		goto err_free;
	n = pairs_make(c, count, of, rule_of, priv, &pairs);
	if (n < 0 || tables_alloc(c, (uint64_t)n, (uint64_t)n + count) || runs_make(c, pairs, (uint64_t)n, rule_of, priv) ||
	    open_run_make(c, count, of, rule_of, priv))
		goto err_free;
	free(pairs);
	free(of);
	c->ids = NULL;
	return c;

err_free:
	free(pairs);
	free(of);
	free(items);
	classifier_free(c);
	return NULL;
}

void classifier_free(struct classifier *c)
{
	if (!c)
		return;
	bigmem_free(c->group_mask, mask_size(c));
	bigmem_free(c->group_seed, seed_size(c));
	if (c->filter)
		bigmem_free(c->filter, filter_size(c));
	if (c->slots)
		bigmem_free(c->slots, slots_size(c->slot_shift));
	bigmem_free(c->arena, (size_t)c->arena_room * sizeof(*c->arena));
	if (c->terms_at)
		bigmem_free(c->terms_at, ((size_t)c->room + 1) * sizeof(*c->terms_at));
	free(c->terms);
	bigmem_free(c, sizeof(*c));
}

void classifier_asks(const struct classifier *c, struct class_rule *out)
{
	*out = c->asked;
}

void classifier_asks_terms(const struct classifier *c, struct class_rule *out)
{
	*out = c->asked;
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		out->mask[w] |= c->terms_asked[w];
	if (c->terms_asked[CLASS_STATES])
		out->states = 0;
}

uint32_t classifier_asks_words(const struct classifier *c)
{
	uint32_t words = 0;

	for (unsigned int w = 0; w < ARRAY_SIZE(c->terms_asked); w++)
		words |= c->terms_asked[w] ? 1u << w : 0;
	return words;
}

size_t classifier_bytes(const struct classifier *c)
{
	return sizeof(*c) + mask_size(c) + seed_size(c) + filter_size(c) + slots_size(c->slot_shift) +
	       (size_t)c->arena_used * sizeof(*c->arena) + c->term_room * sizeof(*c->terms) +
	       (c->terms_at ? c->room * sizeof(*c->terms_at) : 0);
}

unsigned int classifier_groups(const struct classifier *c)
{
	return c->group_count;
}

/* --- one rule --- */

/* The group with the most bits among those whose mask the rule fills; GROUPS_MAX: the open run. */
static unsigned int group_for(const struct classifier *c, const struct class_rule *rule)
{
	unsigned int best = GROUPS_MAX, best_bits = 0;
	uint8_t level[FEATURES];

	rule_levels(rule, ports_max(c->room), level);
	for (uint32_t g = 0; g < c->group_count; g++) {
		unsigned int bits = 0, f = 0;

		while (f < FEATURES && level[f] >= c->groups[g].level[f])
			f++;
		if (f < FEATURES)
			continue;
		for (unsigned int w = 0; w < CLASS_WORDS; w++)
			bits += (unsigned int)__builtin_popcount(c->groups[g].mask[w]);
		if (bits > best_bits) {
			best = g;
			best_bits = bits;
		}
	}
	return best;
}

/* @run with room for one more, perhaps moved; 0: no memory. */
static uint32_t run_grow(struct classifier *c, uint32_t run)
{
	const uint32_t count = c->arena[run];
	uint32_t moved;

	if (count < c->arena[run + 1])
		return run;
	moved = run_new(c, count + count / 2 + 1);
	if (!moved)
		return 0;
	memcpy(c->arena + moved + RUN_HEAD, c->arena + run + RUN_HEAD, (size_t)count * c->brief_len * sizeof(*c->arena));
	c->arena[moved] = count;
	return moved;
}

static void run_insert(struct classifier *c, uint32_t run, uint32_t id, const struct class_rule *rule, const uint32_t *place)
{
	uint32_t at = c->arena[run]++;

	for (; at; at--) {
		const struct brief *before = run_brief(c, run, at - 1);

		if (place[before->id] < place[id])
			break;
		memcpy(run_brief(c, run, at), before, c->brief_len * sizeof(*c->arena));
	}
	brief_make(c, id, rule, run_brief(c, run, at));
}

static int slots_double(struct classifier *c)
{
	const uint32_t size = UINT32_MAX >> c->slot_shift;
	struct slot *old = c->slots;
	struct slot *slots = c->slot_shift > 2 ? bigmem_alloc(slots_size(c->slot_shift - 1)) : NULL;

	if (!slots)
		return -ENOMEM;
	c->slots = slots;
	c->slot_shift--;
	for (uint32_t i = 0; i <= size; i++) {
		uint32_t at;

		if (!old[i].run)
			continue;
		at = slot_first(c, old[i].hash);
		while (slots[at].run)
			at = slot_after(c, at);
		slots[at] = old[i];
	}
	bigmem_free(old, ((size_t)size + 1) * sizeof(*old));
	return 0;
}

static struct slot *slot_find(const struct classifier *c, uint32_t hash)
{
	uint32_t at = slot_first(c, hash);

	while (c->slots[at].run && c->slots[at].hash != hash)
		at = slot_after(c, at);
	return c->slots[at].run ? &c->slots[at] : NULL;
}

static int hash_add(struct classifier *c, uint32_t hash, uint32_t id, const struct class_rule *rule, const uint32_t *place)
{
	struct slot *slot = slot_find(c, hash);
	uint32_t run;

	if (slot) {
		run = run_grow(c, slot->run);
		if (!run)
			return -ENOMEM;
		slot->run = run;
	} else {
		if ((uint64_t)c->slot_used * 4 > (uint64_t)(UINT32_MAX >> c->slot_shift) * 3 && slots_double(c))
			return -ENOMEM;
		run = run_new(c, 1);
		if (!run)
			return -ENOMEM;
		slot_put(c, hash, run);
	}
	run_insert(c, run, id, rule, place);
	return 0;
}

int classifier_add(struct classifier *c, uint32_t id, const struct class_rule *rule, const uint32_t *place)
{
	const unsigned int g = id < c->room ? group_for(c, rule) : GROUPS_MAX;
	uint32_t hashes[KEYS_MAX], run;
	unsigned int n;
	int err = 0;

	if (id >= c->room)
		return -ENOSPC;
	if (terms_add(c, id, rule))
		return -ENOMEM;
	if (g == GROUPS_MAX) {
		run = c->open_run ? run_grow(c, c->open_run) : run_new(c, ROOM_SPARE);
		if (!run)
			return -ENOMEM;
		c->open_run = run;
		run_insert(c, run, id, rule, place);
	} else {
		n = rule_hashes(c, rule, &c->groups[g], hashes);
		for (unsigned int k = 0; !err && k < n; k++)
			err = hash_add(c, hashes[k], id, rule, place);
	}
	ask_too(&c->asked, rule);
	c->added++;
	c->live++;
	if (err)
		classifier_remove(c, id, rule);
	return err;
}

static void run_take(struct classifier *c, uint32_t run, uint32_t id)
{
	uint32_t *count = &c->arena[run];

	for (uint32_t i = 0; i < *count; i++) {
		if (run_brief(c, run, i)->id != id)
			continue;
		--*count;
		memmove(run_brief(c, run, i), run_brief(c, run, i + 1),
			(size_t)(*count - i) * c->brief_len * sizeof(*c->arena));
		return;
	}
}

/* Which group it went to is not remembered: at building it may have been another one than it would be now. */
void classifier_remove(struct classifier *c, uint32_t id, const struct class_rule *rule)
{
	uint8_t level[FEATURES];

	rule_levels(rule, ports_max(0), level);
	for (uint32_t g = 0; g < c->group_count; g++) {
		const struct group *group = &c->groups[g];
		uint32_t hashes[KEYS_MAX];
		unsigned int n, f = 0;

		while (f < FEATURES && level[f] >= group->level[f])
			f++;
		if (f < FEATURES)
			continue;
		n = rule_hashes(c, rule, group, hashes);
		for (unsigned int k = 0; k < n; k++) {
			const struct slot *slot = slot_find(c, hashes[k]);

			if (slot)
				run_take(c, slot->run, id);
		}
	}
	if (c->open_run)
		run_take(c, c->open_run, id);
	c->removed++;
	c->live--;
}

bool classifier_is_worn(const struct classifier *c)
{
	return c->added + c->removed > WORN_CHANGES + c->live;
}

bool classifier_is_crowded(const struct classifier *c)
{
	return c->open_run && c->arena[c->open_run] > 2 * c->open_built + CROWDED_OPEN;
}

/* Room for one group more beside the others. */
static int lanes_grow(struct classifier *c)
{
	const uint32_t lanes = ALIGN_UP(c->group_count + 1, (uint32_t)LANES), old_lanes = c->lanes;
	uint32_t *mask, *seed;

	if (lanes == c->lanes)
		return 0;
	mask = bigmem_alloc(((size_t)c->hash_words * lanes + 1) * sizeof(*mask));
	seed = bigmem_alloc((lanes + 1) * sizeof(*seed));
	if (!mask || !seed) {
		bigmem_free(mask, ((size_t)c->hash_words * lanes + 1) * sizeof(*mask));
		bigmem_free(seed, (lanes + 1) * sizeof(*seed));
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->hash_words; i++)
		memcpy(mask + i * lanes, c->group_mask + i * old_lanes, c->group_count * sizeof(*mask));
	memcpy(seed, c->group_seed, c->group_count * sizeof(*seed));
	bigmem_free(c->group_mask, mask_size(c));
	bigmem_free(c->group_seed, seed_size(c));
	c->group_mask = mask;
	c->group_seed = seed;
	c->lanes = lanes;
	return 0;
}

static int group_open(struct classifier *c, struct group *group)
{
	const uint32_t g = c->group_count;

	if (lanes_grow(c))
		return -ENOMEM;
	group->seed = c->group_seed[g] = hash_end(hash_mix(c->group_seed[0], g + 1));
	for (uint32_t i = 0; i < c->hash_words; i++)
		c->group_mask[i * c->lanes + g] = group->mask[c->hash_word[i]];
	c->groups[g] = *group;
	c->group_count++;
	return 0;
}

static bool reaches(const struct class_rule *rule, const struct group *group, unsigned int ports)
{
	uint8_t level[FEATURES];

	rule_levels(rule, ports, level);
	for (unsigned int f = 0; f < FEATURES; f++)
		if (level[f] < group->level[f])
			return false;
	return true;
}

int classifier_regroup(struct classifier *c, const uint32_t *place, rule_of_fn rule_of, void *priv)
{
	const uint32_t count = c->open_run ? c->arena[c->open_run] : 0;
	struct class_rule *rules = malloc((count + 1) * sizeof(*rules));
	uint32_t *ids = malloc((count + 1) * sizeof(*ids));
	struct group group = { .seed = 0 };
	int err = -ENOENT;

	if (!rules || !ids) {
		err = -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < count; i++) {
		ids[i] = run_brief(c, c->open_run, i)->id;
		rule_of(priv, ids[i], &rules[i]);
	}
	if (c->group_count == GROUPS_MAX || !c->group_count || !group_for_open(c, rules, count, &group))
		goto out;
	err = group_open(c, &group);
	for (uint32_t i = 0; !err && i < count; i++) {
		uint32_t hashes[KEYS_MAX];
		unsigned int n;

		if (!reaches(&rules[i], &group, ports_max(c->room)))
			continue;
		n = rule_hashes(c, &rules[i], &c->groups[c->group_count - 1], hashes);
		for (unsigned int k = 0; !err && k < n; k++)
			err = hash_add(c, hashes[k], ids[i], &rules[i], place);
		if (!err)	/* found twice does no harm, not at all would */
			run_take(c, c->open_run, ids[i]);
	}
	c->open_built = c->arena[c->open_run];
out:
	free(rules);
	free(ids);
	return err;
}
