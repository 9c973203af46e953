/*
 * classify/find.c - the look-up: hash the packet for all groups at once, ask the filter, open what is left.
 * The groups stand side by side in the lanes of vectors; probe_plain() is the same, one after the other, and the twin
 * that the test compares.
 */
#include "classify/classify_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* A bit for each group that may hold a rule for these words; its hash beside it. */
uint64_t probe_plain(const struct classifier *c, const uint32_t *words, uint32_t *hashes)
{
	uint64_t hits = 0;

	for (uint32_t g = 0; g < c->group_count; g++) {
		uint32_t h = c->group_seed[g];

		for (uint32_t i = 0; i < c->hash_words; i++)
			h = hash_mix(h, words[i] & c->group_mask[i * c->lanes + g]);
		h = hash_end(h);
		hashes[g] = h;
		if (!(filter_bits(h) & ~c->filter[h >> c->filter_shift]))
			hits |= (uint64_t)1 << g;
	}
	return hits;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t probe_avx2(const struct classifier *c, const uint32_t *words,
							  uint32_t *hashes)
{
	const __m256i mul = _mm256_set1_epi32((int)0x9e3779b1u), end = _mm256_set1_epi32((int)0xc2b2ae35u);
	const __m256i one = _mm256_set1_epi32(1), low5 = _mm256_set1_epi32(31);
	const __m128i shift = _mm_cvtsi32_si128((int)c->filter_shift);
	uint64_t hits = 0;

	for (uint32_t g = 0; g < c->lanes; g += LANES) {
		__m256i h = _mm256_load_si256((const __m256i *)(c->group_seed + g)), bits, word;
		uint32_t clear;

		for (uint32_t i = 0; i < c->hash_words; i++) {
			const __m256i mask = _mm256_load_si256((const __m256i *)(c->group_mask + i * c->lanes + g));

			h = _mm256_xor_si256(h, _mm256_and_si256(mask, _mm256_set1_epi32((int)words[i])));
			h = _mm256_mullo_epi32(h, mul);
			h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
		}
		h = _mm256_mullo_epi32(h, end);
		h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 16));
		_mm256_storeu_si256((__m256i *)(hashes + g), h);
		word = _mm256_i32gather_epi32((const int *)c->filter, _mm256_srl_epi32(h, shift), 4);
		bits = _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_and_si256(h, low5)),
				       _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srli_epi32(h, 5), low5)),
						       _mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srli_epi32(h, 10), low5))));
		clear = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(
			_mm256_cmpeq_epi32(_mm256_andnot_si256(word, bits), _mm256_setzero_si256())));
		hits |= (uint64_t)clear << g;
	}
	return hits & (((uint64_t)1 << c->group_count) - 1);
}
#endif

uint64_t (*probe_best(void))(const struct classifier *c, const uint32_t *words, uint32_t *hashes)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		return probe_avx2;
#endif
	return probe_plain;
}

typedef uint32_t four __attribute__((vector_size(16)));
_Static_assert(BRIEF_STEP * sizeof(uint32_t) == sizeof(four), "a step is one comparison");

/* What is compared with briefs. */
struct wanted {
	four words[CLASS_WORDS / BRIEF_STEP];	/* those that briefs hold, in their order */
	const uint32_t *place;
	uint16_t sport, dport, states;
	uint32_t from, best_place;
	const struct brief *best;
};

static inline __attribute__((always_inline)) bool brief_allows(const struct brief *brief, const struct wanted *w, uint32_t steps)
{
	const uint32_t *at = (const uint32_t *)(brief + 1);
	four differs = { 0 };
	uint64_t half[2];

	for (uint32_t i = 0; i < steps; i++, at += 2 * BRIEF_STEP) {
		four value, mask;

		memcpy(&value, at, sizeof(value));
		memcpy(&mask, at + BRIEF_STEP, sizeof(mask));
		differs |= (w->words[i] & mask) ^ value;
	}
	memcpy(half, &differs, sizeof(half));
	return !(half[0] | half[1]) &
	       ((uint16_t)(w->sport - brief->sports.low) <= (uint16_t)(brief->sports.high - brief->sports.low)) &
	       ((uint16_t)(w->dport - brief->dports.low) <= (uint16_t)(brief->dports.high - brief->dports.low)) &
	       !!(w->states & brief->states);
}

/* Runs are in the order of their rules: the first that fits is the run's answer. */
static inline __attribute__((always_inline)) void search_run(const struct classifier *c, struct wanted *w, uint32_t run,
							    uint32_t steps)
{
	const uint32_t count = c->arena[run];
	const uint32_t *at = c->arena + run + RUN_HEAD;

	for (uint32_t i = 0; i < count; i++, at += c->brief_len) {
		const struct brief *brief = (const struct brief *)at;
		uint32_t place;

		if (!brief_allows(brief, w, steps))
			continue;
		place = w->place ? w->place[brief->id] : brief->id;
		if (place < w->from)
			continue;
		if (place < w->best_place) {
			w->best_place = place;
			w->best = brief;
		}
		return;
	}
}

static inline uint32_t run_of(const struct classifier *c, uint32_t hash)
{
	uint32_t at = slot_first(c, hash);

	while (c->slots[at].run && c->slots[at].hash != hash)
		at = slot_after(c, at);
	return c->slots[at].run;
}

static inline void begin(const struct classifier *c, const struct class_key *key, struct class_search *s)
{
	uint32_t words[CLASS_WORDS], hashes[GROUPS_MAX + LANES], n = 0;

	for (uint32_t i = 0; i < c->hash_words; i++)
		words[i] = key->word[c->hash_word[i]];
	for (uint64_t hits = c->probe(c, words, hashes); hits; hits &= hits - 1) {
		const unsigned int g = (unsigned int)__builtin_ctzll(hits);

		__builtin_prefetch(&c->slots[slot_first(c, hashes[g])]);
		s->group[n] = (uint8_t)g;
		s->at[n++] = hashes[g];
	}
	s->count = n;
}

static inline void open_runs(const struct classifier *c, struct class_search *s)
{
	uint32_t kept = 0;

	for (uint32_t n = 0; n < s->count; n++) {
		const uint32_t run = run_of(c, s->at[n]);

		if (!run)
			continue;
		__builtin_prefetch(&c->arena[run]);
		s->group[kept] = s->group[n];
		s->at[kept++] = run;
	}
	s->count = kept;
}

/* One body, and a shorter one for briefs of one step: @steps is a constant there. */
static inline __attribute__((always_inline)) struct class_found
compare(const struct classifier *c, const struct class_key *key, const struct class_search *s, const uint32_t *place, uint32_t from,
	uint32_t steps)
{
	struct wanted w;

	for (uint32_t i = 0; i < steps; i++)
		w.words[i] = (four){ 0 };
	for (uint32_t i = 0; i < c->brief_words; i++)
		((uint32_t *)w.words)[i] = key->word[c->brief_word[i]];
	w.place = place;
	w.sport = (uint16_t)(key->word[CLASS_PORTS] >> 16);
	w.dport = (uint16_t)key->word[CLASS_PORTS];
	w.states = key->states;
	w.from = from;
	w.best_place = UINT32_MAX;
	w.best = NULL;
	if (c->open_run)
		search_run(c, &w, c->open_run, steps);
	for (uint32_t n = 0; n < s->count; n++) {
		const uint32_t first = c->groups[s->group[n]].first;

		if (first == CLASS_NONE || (place ? place[first] : first) <= w.best_place)
			search_run(c, &w, s->at[n], steps);
	}
	if (!w.best)
		return (struct class_found){ .id = CLASS_NONE };
	return (struct class_found){ .id = w.best->id, .sure = w.best->sure, .note = w.best->note };
}

static inline struct class_found compare_all(const struct classifier *c, const struct class_key *key, const struct class_search *s,
					     const uint32_t *place, uint32_t from)
{
	return c->brief_steps == 1 ? compare(c, key, s, place, from, 1) : compare(c, key, s, place, from, c->brief_steps);
}

void classifier_begin(const struct classifier *c, const struct class_key *key, struct class_search *s)
{
	begin(c, key, s);
}

void classifier_open(const struct classifier *c, struct class_search *s)
{
	open_runs(c, s);
}

struct class_found classifier_end(const struct classifier *c, const struct class_key *key, const struct class_search *s,
				  const uint32_t *place, uint32_t from)
{
	return compare_all(c, key, s, place, from);
}

struct class_found classifier_find(const struct classifier *c, const struct class_key *key, const uint32_t *place, uint32_t from)
{
	struct class_search s;

	begin(c, key, &s);
	open_runs(c, &s);
	return compare_all(c, key, &s, place, from);
}
