/*
 * classify/classify_internal.h - how a classifier is kept.
 *
 * A group is a mask over the words of a packet. A rule of the group stands under the hash of what it asks for
 * within that mask (under several, when its ports are several); rules with one hash stand together in a run, as briefs:
 * all that is known of them, to be compared before the rule itself is touched. Rules that share no bits with
 * many others stand in one open run that every packet sees. A filter of three bits a hash (a Bloom filter, each
 * hash within one word) says where looking is in vain.
 */
#ifndef WEIR_CLASSIFY_INTERNAL_H
#define WEIR_CLASSIFY_INTERNAL_H

#include "classify/classify.h"

/* What groups are made by, and how much of it. */
enum feature { BY_SRC, BY_DST, BY_SPORT, BY_DPORT, BY_PROTO, BY_IN, BY_OUT, BY_MARK, FEATURES };

enum {
	GROUPS_MAX = 48,
	LANES = 16,			/* of the widest vector; half of them suffice for AVX2 */
	KEYS_MAX = 64,			/* hashes of one rule */
	BRIEF_HEAD = 4,			/* words before the values and masks */
	BRIEF_STEP = 4,			/* words compared at once */
	RUN_HEAD = 2,
	LINE_WORDS = 16,		/* a cache line */
};

struct group {
	uint8_t level[FEATURES];	/* 0: not asked */
	uint32_t mask[CLASS_WORDS];
	uint32_t seed;
};

struct slot { uint32_t hash, run; };	/* run 0: free */

/* In the arena, followed by the values for brief_word[], BRIEF_STEP of them and their masks, and so on. */
struct brief {
	uint32_t id;
	struct class_range sports, dports;
	uint16_t states;
	uint8_t sure, note;		/* NOTE_TERMS: there are terms, too */
};
enum { NOTE_TERMS = 0x80 };

/* Where a rule's terms stand in classifier.terms. */
struct terms_at { uint32_t first, count; };

/*
 * The hashes of those groups that may hold a rule for a packet with these words, side by side in @hashes, which has room
 * for PROBE_ROOM. Return: how many.
 */
typedef uint32_t probe_fn(const struct classifier *c, const uint32_t *words, uint32_t *hashes);
enum { PROBE_ROOM = GROUPS_MAX + LANES };

struct classifier {
	/* read with every packet */
	probe_fn *probe;
	uint32_t *group_mask;		/* [hash_words][lanes] */
	uint32_t *group_seed;		/* [lanes] */
	uint32_t *filter;
	struct slot *slots;
	uint32_t *arena;		/* 64-byte aligned; runs: count, room, briefs */
	uint32_t lanes, hash_words, brief_words, brief_steps, brief_len;
	uint32_t filter_shift, slot_shift;
	uint32_t open_run;		/* of the rules that no hash can find; 0: none */
	uint8_t hash_word[CLASS_WORDS], brief_word[CLASS_WORDS];
	struct group groups[GROUPS_MAX];

	uint32_t group_count;
	uint32_t arena_used, arena_room;
	uint32_t slot_used;		/* of 1 << (32 - slot_shift) */
	const uint32_t *ids;		/* while it is built: of the rules; NULL: first and those that follow */
	uint32_t first;
	uint32_t live, room, open_built;
	uint32_t added, removed;	/* since it was built */
	uint8_t family;
	uint32_t brief_asked[CLASS_WORDS];	/* all bits of those in brief_word[] */
	struct class_term *terms;	/* of all rules that have some; NULL: none */
	struct terms_at *terms_at;	/* by id */
	uint32_t term_count, term_room;
	uint32_t terms_asked[CLASS_STATES + 1];
	struct class_rule asked;	/* of all rules that ever were in it */
};

static inline uint32_t nth_id(const struct classifier *c, uint32_t n)
{
	return c->ids ? c->ids[n] : c->first + n;
}

static inline uint32_t hash_mix(uint32_t h, uint32_t word)
{
	h = (h ^ word) * 0x9e3779b1u;
	return h ^ h >> 15;
}

static inline uint32_t hash_end(uint32_t h)
{
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

static inline uint32_t filter_bits(uint32_t h)
{
	return 1u << (h & 31) | 1u << (h >> 5 & 31) | 1u << (h >> 10 & 31);
}

static inline uint32_t slot_first(const struct classifier *c, uint32_t hash)
{
	return (hash * 0x85ebca6bu) >> c->slot_shift;
}

static inline uint32_t slot_after(const struct classifier *c, uint32_t at)
{
	return (at + 1) & (UINT32_MAX >> c->slot_shift);
}

static inline struct brief *run_brief(const struct classifier *c, uint32_t run, uint32_t n)
{
	return (struct brief *)(c->arena + run + RUN_HEAD + n * c->brief_len);
}

/* --- group.c --- */
/* How far each feature of @rule reaches; @ports_max: hashes that one rule's destination ports may cost. */
void rule_levels(const struct class_rule *rule, unsigned int ports_max, uint8_t level[FEATURES]);
void group_set_masks(struct group *group, uint8_t family);
/* All values of the ports word that @rule has within @group, into @out. Return: how many, at most KEYS_MAX. */
unsigned int rule_port_keys(const struct class_rule *rule, const struct group *group, uint32_t out[KEYS_MAX]);
/* The hashes of @rule in @group. */
unsigned int rule_hashes(const struct classifier *c, const struct class_rule *rule, const struct group *group,
			 uint32_t out[KEYS_MAX]);

struct item;
/* Parts @items into groups; @of[i] becomes the number of the group, or GROUPS_MAX for the open run. */
int groups_choose(struct classifier *c, const struct item *items, uint32_t count, uint8_t *of);

/* What choosing needs to know of a rule. */
struct item {
	uint32_t value[CLASS_WORDS];
	uint16_t sport, dport;
	uint8_t level[FEATURES];
};

unsigned int ports_max(uint32_t count);

/* What most of the open run's rules have in common, as @group's levels; false: too few have. */
bool group_for_open(const struct classifier *c, const struct class_rule *rules, uint32_t count, struct group *group);

/* --- build.c --- */
void brief_make(const struct classifier *c, uint32_t id, const struct class_rule *rule, struct brief *out);
/* Room for a run of @room briefs; 0: no memory. Not zeroed, count and room are set. */
uint32_t run_new(struct classifier *c, uint32_t room);

/* --- find.c --- */
/* All that this machine can do, the best first; probe_plain() is the last, then NULL. */
probe_fn *const *probes(void);

#endif
