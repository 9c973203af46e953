/*
 * classify/group.c - into which groups a chain's rules fall. Begun with all rules in one heap; again and again the heap or
 * group is split where that saves most: those rules that ask for more of something (a longer prefix, a port) go
 * apart, under a mask that includes it. What a group costs is one look more for every packet, and the rules
 * that share a hash with the one looked for. No thought is given to what rule sets usually look like.
 */
#include "classify/classify_internal.h"

#include <stdlib.h>

enum {
	SAMPLE_MAX = 4096,
	TABLE_SIZE = 4 * SAMPLE_MAX,
	SPLIT_MIN = 3,			/* fewer rules are not worth a group */
	LEVELS_MAX = 10,
	SPORT_KEYS_MAX = 4,
	DPORT_KEYS_MAX = 16,
	MANY_RULES = 16384,
	TIGHTEN_MIN = 8,
};

/* A nanosecond or so each: a rule compared, a group probed. */
static const double PROBE_COST = 1.5, GAIN_MIN = 0.5;

static const uint8_t address4_levels[] = { 8, 12, 16, 20, 24, 28, 32, 0 };
static const uint8_t address6_levels[] = { 16, 24, 32, 40, 48, 56, 64, 96, 128, 0 };
static const uint8_t port_levels[] = { 6, 8, 12, 16, 0 };
static const uint8_t single_level[] = { 1, 0 };

static const uint8_t *levels_of(enum feature f, uint8_t family)
{
	if (f == BY_SRC || f == BY_DST)
		return family == NFPROTO_IPV4 ? address4_levels : address6_levels;
	return f == BY_SPORT || f == BY_DPORT ? port_levels : single_level;
}

unsigned int ports_max(uint32_t count)
{
	return count > MANY_RULES ? DPORT_KEYS_MAX / 2 : DPORT_KEYS_MAX;
}

static uint8_t prefix_len(const uint32_t *mask, unsigned int words)
{
	unsigned int len = 0;

	for (unsigned int i = 0; i < words; i++) {
		unsigned int ones = mask[i] == UINT32_MAX ? 32 : (unsigned int)__builtin_clz(~mask[i]);

		len += ones;
		if (ones < 32)
			break;
	}
	return (uint8_t)len;
}

static uint8_t level_within(const uint8_t *levels, unsigned int reach)
{
	uint8_t best = 0;

	for (; *levels && *levels <= reach; levels++)
		best = *levels;
	return best;
}

/* The blocks of 2^(16-level) ports that @ranges touch, at most @max of them; @max + 1: more. */
static unsigned int port_blocks(const struct class_range *ranges, unsigned int count, unsigned int level,
				unsigned int max, uint16_t *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count; i++) {
		for (uint32_t b = ranges[i].low >> (16 - level); b <= (uint32_t)ranges[i].high >> (16 - level); b++) {
			unsigned int at = 0;

			while (at < n && out[at] != b)
				at++;
			if (at < n)
				continue;
			if (n == max)
				return max + 1;
			out[n++] = (uint16_t)b;
		}
	}
	return n;
}

static uint8_t port_level(const struct class_range *ranges, unsigned int count, unsigned int max)
{
	uint16_t blocks[DPORT_KEYS_MAX];
	uint8_t best = 0;

	if (!count)
		return 0;
	for (const uint8_t *level = port_levels; *level; level++)
		if (port_blocks(ranges, count, *level, max, blocks) <= max)
			best = *level;
	return best;
}

void rule_levels(const struct class_rule *rule, unsigned int dports_max, uint8_t level[FEATURES])
{
	const unsigned int words = rule->family == NFPROTO_IPV4 ? 1 : 4;
	const uint32_t ifaces = rule->mask[CLASS_IFACES];

	level[BY_SRC] = level_within(levels_of(BY_SRC, rule->family), prefix_len(rule->mask + CLASS_SRC, words));
	level[BY_DST] = level_within(levels_of(BY_DST, rule->family), prefix_len(rule->mask + CLASS_DST, words));
	level[BY_SPORT] = port_level(rule->sports, rule->sport_count, dports_max / (DPORT_KEYS_MAX / SPORT_KEYS_MAX));
	level[BY_DPORT] = port_level(rule->dports, rule->dport_count, dports_max);
	level[BY_PROTO] = (rule->mask[CLASS_HEAD] >> CLASS_HEAD_PROTO & 0xff) == 0xff;
	level[BY_IN] = ifaces >> 16 == 0xffff;
	level[BY_OUT] = (ifaces & 0xffff) == 0xffff;
	level[BY_MARK] = rule->mask[CLASS_MARK] == UINT32_MAX;
}

static void prefix_mask(uint32_t *mask, unsigned int len)
{
	for (; len >= 32; len -= 32)
		*mask++ = UINT32_MAX;
	if (len)
		*mask = UINT32_MAX << (32 - len);
}

void group_set_masks(struct group *group, uint8_t family)
{
	const uint8_t *level = group->level;

	memset(group->mask, 0, sizeof(group->mask));
	prefix_mask(group->mask + CLASS_SRC, level[BY_SRC]);
	prefix_mask(group->mask + CLASS_DST, level[BY_DST]);
	if (level[BY_SPORT])
		group->mask[CLASS_PORTS] |= UINT32_MAX << (32 - level[BY_SPORT]);
	if (level[BY_DPORT])
		group->mask[CLASS_PORTS] |= 0xffffu << (16 - level[BY_DPORT]) & 0xffff;
	if (level[BY_PROTO])
		group->mask[CLASS_HEAD] |= 0xffu << CLASS_HEAD_PROTO;
	group->mask[CLASS_IFACES] = (level[BY_IN] ? 0xffff0000u : 0) | (level[BY_OUT] ? 0xffffu : 0);
	group->mask[CLASS_MARK] = level[BY_MARK] ? UINT32_MAX : 0;
}

unsigned int rule_port_keys(const struct class_rule *rule, const struct group *group, uint32_t out[KEYS_MAX])
{
	const unsigned int by_sport = group->level[BY_SPORT], by_dport = group->level[BY_DPORT];
	uint16_t s[SPORT_KEYS_MAX] = { 0 }, d[DPORT_KEYS_MAX] = { 0 };
	unsigned int sn = 1, dn = 1, n = 0;

	if (by_sport)
		sn = port_blocks(rule->sports, rule->sport_count, by_sport, SPORT_KEYS_MAX, s);
	if (by_dport)
		dn = port_blocks(rule->dports, rule->dport_count, by_dport, DPORT_KEYS_MAX, d);
	for (unsigned int i = 0; i < sn; i++)
		for (unsigned int j = 0; j < dn; j++)
			out[n++] = (by_sport ? (uint32_t)s[i] << (32 - by_sport) : 0) |
				   (by_dport ? (uint32_t)d[j] << (16 - by_dport) : 0);
	return n;
}

unsigned int rule_hashes(const struct classifier *c, const struct class_rule *rule, const struct group *group,
			 uint32_t out[KEYS_MAX])
{
	uint32_t ports[KEYS_MAX];
	const unsigned int n = rule_port_keys(rule, group, ports);
	unsigned int kept = 0;

	for (unsigned int k = 0; k < n; k++) {
		uint32_t h = group->seed;
		unsigned int at = 0;

		for (uint32_t i = 0; i < c->hash_words; i++) {
			const unsigned int w = c->hash_word[i];

			h = hash_mix(h, w == CLASS_PORTS ? ports[k] : rule->value[w] & group->mask[w]);
		}
		h = hash_end(h);
		while (at < kept && out[at] != h)	/* two keys may share one */
			at++;
		if (at == kept)
			out[kept++] = h;
	}
	return kept;
}

/* --- choosing --- */

struct heap {
	struct group group;
	uint32_t *ids;			/* of its items, rising */
	uint32_t count;
	double cost;
	/* the split that saves most */
	double gain;
	uint8_t by, to;
	bool is_tight;
};

struct chooser {
	const struct item *items;
	uint8_t family;
	uint32_t *seen, *hashes, stamp;		/* a table of hashes; an entry counts when its stamp is the present one */
	uint16_t *sizes;
};

static bool masks_nothing(const struct group *group)
{
	for (unsigned int f = 0; f < FEATURES; f++)
		if (group->level[f])
			return false;
	return true;
}

static uint32_t item_hash(const struct item *item, const struct group *group, unsigned int words)
{
	uint32_t h = 0;

	for (unsigned int w = 0; w < CLASS_WORDS; w++) {
		if (!group->mask[w] || (w < CLASS_PORTS && (w & 3) >= words))
			continue;
		h = hash_mix(h, (w == CLASS_PORTS ? (uint32_t)item->sport << 16 | item->dport : item->value[w]) &
				group->mask[w]);
	}
	return hash_end(h);
}

/*
 * What looking into the group costs a packet that looks like one of its rules: how many stand under one hash. Of those
 * items of @ids that reach @level by @by (or do not, when @below). Costs nothing when there are none.
 */
static double cost_of(struct chooser *ch, const struct group *group, const uint32_t *ids, uint32_t count, unsigned int by,
		      unsigned int level, bool below, uint32_t *members)
{
	const uint32_t step = count / SAMPLE_MAX + 1;
	const unsigned int words = ch->family == NFPROTO_IPV4 ? 1 : 4;
	double squares = 0;
	uint32_t n = 0;

	ch->stamp++;
	for (uint32_t i = 0; i < count; i += step) {
		const struct item *item = &ch->items[ids[i]];
		uint32_t h, at;

		if ((item->level[by] < level) != below)
			continue;
		n++;
		h = item_hash(item, group, words);
		at = h % TABLE_SIZE;
		while (ch->seen[at] == ch->stamp && ch->hashes[at] != h)
			at = (at + 1) % TABLE_SIZE;
		if (ch->seen[at] != ch->stamp) {
			ch->seen[at] = ch->stamp;
			ch->hashes[at] = h;
			ch->sizes[at] = 0;
		}
		squares += 2.0 * ch->sizes[at]++ + 1;
	}
	*members = n * step;
	if (!n)
		return 0;
	if (masks_nothing(group))
		return (double)n * step;
	return PROBE_COST + 1 + (squares / n - 1) * step;
}

/* Finds the best split of @heap. */
static void heap_look(struct chooser *ch, struct heap *heap)
{
	uint32_t members;

	heap->cost = cost_of(ch, &heap->group, heap->ids, heap->count, 0, 0, false, &members);
	heap->gain = 0;
	if (heap->cost < PROBE_COST + GAIN_MIN + 1)
		return;
	for (unsigned int f = 0; f < FEATURES; f++) {
		for (const uint8_t *level = levels_of((enum feature)f, ch->family); *level; level++) {
			struct group apart = heap->group;
			double gain;

			if (*level <= heap->group.level[f])
				continue;
			apart.level[f] = *level;
			group_set_masks(&apart, ch->family);
			gain = heap->cost - cost_of(ch, &apart, heap->ids, heap->count, f, *level, false, &members);
			if (members < SPLIT_MIN || gain <= heap->gain)
				continue;
			gain -= cost_of(ch, &heap->group, heap->ids, heap->count, f, *level, true, &members);
			if (gain > heap->gain) {
				heap->gain = gain;
				heap->by = (uint8_t)f;
				heap->to = *level;
			}
		}
	}
}

/* The rules of @heap that reach its split's level go to @apart. */
static int heap_split(struct chooser *ch, struct heap *heap, struct heap *apart)
{
	uint32_t kept = 0;

	*apart = (struct heap){ .group = heap->group, .ids = malloc((heap->count + 1) * sizeof(uint32_t)) };
	if (!apart->ids)
		return -ENOMEM;
	apart->group.level[heap->by] = heap->to;
	group_set_masks(&apart->group, ch->family);
	for (uint32_t i = 0; i < heap->count; i++) {
		if (ch->items[heap->ids[i]].level[heap->by] >= heap->to)
			apart->ids[apart->count++] = heap->ids[i];
		else
			heap->ids[kept++] = heap->ids[i];
	}
	heap->count = kept;
	return 0;
}

/* In the order of their first rules, so that what was found early ends the search early. */
static int by_first(const void *a, const void *b)
{
	const struct heap *x = a, *y = b;

	return (x->ids[0] > y->ids[0]) - (x->ids[0] < y->ids[0]);
}

static int split_all(struct chooser *ch, struct heap *heaps, uint32_t *count)
{
	while (*count < GROUPS_MAX) {
		struct heap *best = &heaps[0];

		for (uint32_t i = 1; i < *count; i++)
			if (heaps[i].gain > best->gain)
				best = &heaps[i];
		if (best->gain < GAIN_MIN)
			break;
		if (heap_split(ch, best, &heaps[*count]))
			return -ENOMEM;
		heap_look(ch, best);
		heap_look(ch, &heaps[*count]);
		(*count)++;
		if (!best->count) {	/* all went: the group is only narrower */
			free(best->ids);
			*best = heaps[--*count];
		}
	}
	return 0;
}

/*
 * The lanes of a vector cost the same filled or empty, and a packet that is almost what a rule wants should be told so by
 * the filter, not by the rule's brief, which is far away in a long chain. So what stands open, then the largest groups
 * are split on while lanes are left: by what takes most bits from most rules.
 */
static unsigned int heap_tighten_by(struct chooser *ch, struct heap *heap)
{
	uint64_t best = 0;

	for (unsigned int f = 0; f < FEATURES; f++) {
		for (const uint8_t *level = levels_of((enum feature)f, ch->family); *level; level++) {
			const unsigned int bits = f == BY_PROTO ? 4 : f >= BY_PROTO ? 16 : *level - heap->group.level[f];
			uint64_t members = 0;

			if (*level <= heap->group.level[f])
				continue;
			for (uint32_t i = 0; i < heap->count; i++)
				members += ch->items[heap->ids[i]].level[f] >= *level;
			if (members >= TIGHTEN_MIN && members * bits > best) {
				best = members * bits;
				heap->by = (uint8_t)f;
				heap->to = *level;
			}
		}
	}
	return best != 0;
}

/* What stands open costs every packet. */
static uint64_t weight_of(const struct heap *heap)
{
	return heap->count * (masks_nothing(&heap->group) ? (uint64_t)UINT32_MAX : 1);
}

static int tighten_all(struct chooser *ch, struct heap *heaps, uint32_t *count)
{
	uint32_t steps = 2 * LANES;		/* groups that are only narrowed count, too */

	while (*count < LANES && steps--) {
		struct heap *best = NULL;

		for (uint32_t i = 0; i < *count; i++)
			if (heaps[i].count >= TIGHTEN_MIN && !heaps[i].is_tight && (!best || weight_of(&heaps[i]) > weight_of(best)))
				best = &heaps[i];
		if (!best)
			break;
		best->is_tight = !heap_tighten_by(ch, best);
		if (best->is_tight)
			continue;
		if (heap_split(ch, best, &heaps[*count]))
			return -ENOMEM;
		(*count)++;
		if (!best->count) {
			free(best->ids);
			*best = heaps[--*count];
		}
	}
	return 0;
}

static bool words_are_hashed(const struct classifier *c, const struct group *group)
{
	uint32_t left = 0;

	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		left |= group->mask[w] ? 1u << w : 0;
	for (uint32_t i = 0; i < c->hash_words; i++)
		left &= ~(1u << c->hash_word[i]);
	return !left;
}

/* By one thing only: which rules will come is not known. */
bool group_for_open(const struct classifier *c, const struct class_rule *rules, uint32_t count, struct group *group)
{
	uint32_t members[FEATURES][LEVELS_MAX] = { 0 };
	uint64_t best = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t level[FEATURES];

		rule_levels(&rules[i], ports_max(c->room), level);
		for (unsigned int f = 0; f < FEATURES; f++)
			for (unsigned int n = 0; levels_of((enum feature)f, c->family)[n] && levels_of((enum feature)f, c->family)[n] <= level[f]; n++)
				members[f][n]++;
	}
	for (unsigned int f = 0; f < FEATURES; f++) {
		const uint8_t *levels = levels_of((enum feature)f, c->family);

		for (unsigned int n = 0; levels[n]; n++) {
			const unsigned int bits = f == BY_PROTO ? 1 : f > BY_PROTO ? 8 : levels[n];
			struct group apart = { .level = { 0 } };

			apart.level[f] = levels[n];
			group_set_masks(&apart, c->family);
			if (members[f][n] < TIGHTEN_MIN || (uint64_t)members[f][n] * bits <= best || !words_are_hashed(c, &apart))
				continue;
			best = (uint64_t)members[f][n] * bits;
			*group = apart;
		}
	}
	return best != 0;
}

int groups_choose(struct classifier *c, const struct item *items, uint32_t count, uint8_t *of)
{
	struct heap *heaps = calloc(GROUPS_MAX + 1, sizeof(*heaps));
	struct chooser ch = {
		.items = items, .family = c->family,
		.seen = calloc(TABLE_SIZE, sizeof(uint32_t)), .hashes = calloc(TABLE_SIZE, sizeof(uint32_t)),
		.sizes = calloc(TABLE_SIZE, sizeof(uint16_t)),
	};
	uint32_t n = 0;
	int err = -ENOMEM;

	if (!heaps || !ch.seen || !ch.hashes || !ch.sizes)
		goto out;
	heaps[0].ids = malloc((count + 1) * sizeof(uint32_t));
	if (!heaps[0].ids)
		goto out;
	for (uint32_t i = 0; i < count; i++)
		heaps[0].ids[i] = i;
	heaps[0].count = count;
	n = 1;
	heap_look(&ch, &heaps[0]);
	err = split_all(&ch, heaps, &n);
	if (!err)
		err = tighten_all(&ch, heaps, &n);
	if (err)
		goto out;
	if (heaps[0].count || n > 1)
		qsort(heaps, n, sizeof(*heaps), by_first);
	for (uint32_t h = 0; h < n; h++) {
		const bool open = masks_nothing(&heaps[h].group);
		const uint8_t number = open ? GROUPS_MAX : (uint8_t)c->group_count;

		for (uint32_t i = 0; i < heaps[h].count; i++)
			of[heaps[h].ids[i]] = number;
		if (open)
			continue;
		c->groups[c->group_count] = heaps[h].group;
		c->group_count++;
	}
out:
	for (uint32_t h = 0; h < n; h++)
		free(heaps[h].ids);
	free(heaps);
	free(ch.seen);
	free(ch.hashes);
	free(ch.sizes);
	return err;
}
