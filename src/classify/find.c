/*
 * classify/find.c - the look-up: hash the packet for all groups at once, ask the filter, open what is left.
 * The groups stand side by side in the lanes of vectors; probe_plain() is the same, one after the other, and the twin
 * that the test compares. How many groups, runs and briefs a packet meets nobody can foretell, so what all packets of a
 * burst meet is put into one list, step by step: the loops over it are as long as they are, not as each packet happens to be.
 */
#include "base/cpu.h"
#include "classify/classify_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint32_t probe_plain(const struct classifier *c, const uint32_t *words, uint32_t *hashes)
{
	uint32_t n = 0;

	for (uint32_t g = 0; g < c->group_count; g++) {
		uint32_t h = c->group_seed[g];

		for (uint32_t i = 0; i < c->hash_words; i++)
			h = hash_mix(h, words[c->hash_word[i]] & c->group_mask[i * c->lanes + g]);
		h = hash_end(h);
		if (!(filter_bits(h) & ~c->filter[h >> c->filter_shift]))
			hashes[n++] = h;
	}
	return n;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint32_t probe_avx2(const struct classifier *c, const uint32_t *words, uint32_t *hashes)
{
	enum { HALF = LANES / 2 };
	const __m256i mul = _mm256_set1_epi32((int)0x9e3779b1u), end = _mm256_set1_epi32((int)0xc2b2ae35u);
	const __m256i one = _mm256_set1_epi32(1), low5 = _mm256_set1_epi32(31);
	const __m128i shift = _mm_cvtsi32_si128((int)c->filter_shift);
	uint32_t n = 0;

	for (uint32_t g = 0; g < c->group_count; g += HALF) {
		__m256i h = _mm256_load_si256((const __m256i *)(c->group_seed + g)), bits, word;
		uint32_t all[HALF], clear;

		for (uint32_t i = 0; i < c->hash_words; i++) {
			const __m256i mask = _mm256_load_si256((const __m256i *)(c->group_mask + i * c->lanes + g));

			h = _mm256_xor_si256(h, _mm256_and_si256(mask, _mm256_set1_epi32((int)words[c->hash_word[i]])));
			h = _mm256_mullo_epi32(h, mul);
			h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 15));
		}
		h = _mm256_mullo_epi32(h, end);
		h = _mm256_xor_si256(h, _mm256_srli_epi32(h, 16));
		_mm256_storeu_si256((__m256i *)all, h);
		word = _mm256_i32gather_epi32((const int *)c->filter, _mm256_srl_epi32(h, shift), 4);
		bits = _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_and_si256(h, low5)),
				       _mm256_or_si256(_mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srli_epi32(h, 5), low5)),
						       _mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srli_epi32(h, 10), low5))));
		clear = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(
			_mm256_cmpeq_epi32(_mm256_andnot_si256(word, bits), _mm256_setzero_si256())));
		if (c->group_count - g < HALF)
			clear &= (1u << (c->group_count - g)) - 1;
		for (; clear; clear &= clear - 1)
			hashes[n++] = all[__builtin_ctz(clear)];
	}
	return n;
}

__attribute__((target("avx512f"))) static uint32_t probe_avx512(const struct classifier *c, const uint32_t *words, uint32_t *hashes)
{
	const __m512i mul = _mm512_set1_epi32((int)0x9e3779b1u), end = _mm512_set1_epi32((int)0xc2b2ae35u);
	const __m512i one = _mm512_set1_epi32(1), low5 = _mm512_set1_epi32(31);
	const __m128i shift = _mm_cvtsi32_si128((int)c->filter_shift);
	uint32_t n = 0;

	for (uint32_t g = 0; g < c->group_count; g += LANES) {
		const uint32_t left = c->group_count - g;
		const __mmask16 lanes = left < LANES ? (__mmask16)((1u << left) - 1) : (__mmask16)0xffff;
		__m512i h = _mm512_load_si512(c->group_seed + g), bits, word;
		__mmask16 clear;

		for (uint32_t i = 0; i < c->hash_words; i++) {
			const __m512i mask = _mm512_load_si512(c->group_mask + i * c->lanes + g);

			h = _mm512_xor_si512(h, _mm512_and_si512(mask, _mm512_set1_epi32((int)words[c->hash_word[i]])));
			h = _mm512_mullo_epi32(h, mul);
			h = _mm512_xor_si512(h, _mm512_srli_epi32(h, 15));
		}
		h = _mm512_mullo_epi32(h, end);
		h = _mm512_xor_si512(h, _mm512_srli_epi32(h, 16));
		word = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, _mm512_srl_epi32(h, shift), c->filter, 4);
		bits = _mm512_or_si512(_mm512_sllv_epi32(one, _mm512_and_si512(h, low5)),
				       _mm512_or_si512(_mm512_sllv_epi32(one, _mm512_and_si512(_mm512_srli_epi32(h, 5), low5)),
						       _mm512_sllv_epi32(one, _mm512_and_si512(_mm512_srli_epi32(h, 10), low5))));
		clear = _mm512_mask_testn_epi32_mask(lanes, _mm512_andnot_si512(word, bits), _mm512_set1_epi32(-1));
		_mm512_storeu_si512(hashes + n, _mm512_maskz_compress_epi32(clear, h));
		n += (uint32_t)__builtin_popcount(clear);
	}
	return n;
}
#endif

probe_fn *const *probes(void)
{
	static probe_fn *const plain[] = { probe_plain, NULL };
#if defined(__x86_64__)
	static probe_fn *const all[] = { probe_avx512, probe_avx2, probe_plain, NULL };

	switch (cpu_vectors()) {
	case CPU_AVX512:
		return all;
	case CPU_AVX2:
		return all + 1;
	case CPU_NO_VECTORS:
		break;
	}
#endif
	return plain;
}

typedef uint32_t four __attribute__((vector_size(16)));
_Static_assert(BRIEF_STEP * sizeof(uint32_t) == sizeof(four), "a step is one comparison");

/* What is compared with briefs, and what has been found. */
struct wanted {
	four words[CLASS_WORDS / BRIEF_STEP];	/* those that briefs hold, in their order */
	uint16_t sport, dport, states;
	bool is_unsure;			/* of .best: a term could not be told */
	uint32_t best_place;
	const struct brief *best;
	struct class_key *key;
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

static __attribute__((noinline)) enum class_answer terms_hold(const struct classifier *c, uint32_t id, struct class_key *key)
{
	return class_terms_hold(c->terms + c->terms_at[id].first, c->terms_at[id].count, key);
}

/* Return: it is a rule that counts. */
static inline bool brief_take(const struct classifier *c, const struct brief *brief, struct wanted *w, const uint32_t *place, uint32_t from)
{
	const uint32_t at = place ? place[brief->id] : brief->id;
	enum class_answer terms = CLASS_YES;

	if (at < from)
		return false;
	if (at >= w->best_place)
		return true;
	if (unlikely(brief->note & NOTE_TERMS)) {
		terms = terms_hold(c, brief->id, w->key);
		if (terms == CLASS_NO)
			return false;
	}
	w->best_place = at;
	w->best = brief;
	w->is_unsure = terms == CLASS_PERHAPS;
	return true;
}

/* Runs are in the order of their rules: the first that fits is the run's answer. */
static inline __attribute__((always_inline)) void search_run(const struct classifier *c, struct wanted *w, uint32_t run,
							    const uint32_t *place, uint32_t from, uint32_t steps)
{
	const uint32_t count = c->arena[run];
	const uint32_t *at = c->arena + run + RUN_HEAD;

	for (uint32_t i = 0; i < count; i++, at += c->brief_len) {
		const struct brief *brief = (const struct brief *)at;

		if (brief_allows(brief, w, steps) && brief_take(c, brief, w, place, from))
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

enum { AT_ONCE = 4, OPEN_FEW = 16 };		/* longer runs are searched by themselves; rules of no group */

/* What the packets of a burst have met so far: hashes, then runs, then briefs, and whose each is. */
struct met {
	uint32_t *at, *brief;
	uint8_t *of, *brief_of;
};

static inline void wanted_make(const struct classifier *c, struct class_key *key, struct wanted *w, uint32_t steps)
{
	for (uint32_t i = 0; i < steps; i++)
		w->words[i] = (four){ 0 };
	for (uint32_t i = 0; i < c->brief_words; i++)
		((uint32_t *)w->words)[i] = key->word[c->brief_word[i]];
	w->sport = (uint16_t)(key->word[CLASS_PORTS] >> 16);
	w->dport = (uint16_t)key->word[CLASS_PORTS];
	w->states = key->states;
	w->best_place = UINT32_MAX;
	w->best = NULL;
	w->key = key;
}

static inline struct class_found found_of(const struct wanted *w)
{
	return (struct class_found){ .id = w->best->id, .sure = w->is_unsure ? (uint8_t)CLASS_MAYBE : w->best->sure,
				     .note = w->best->note & (uint8_t)~NOTE_TERMS };
}

static inline __attribute__((always_inline)) void
find(const struct classifier *c, struct class_key *keys, uint32_t count, const uint32_t *place, uint32_t from,
     struct class_found *found, struct wanted *wanted, const struct met *met, uint32_t steps, bool with_open)
{
	uint32_t n = 0, runs = 0, briefs = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint32_t more = c->probe(c, keys[i].word, met->at + n);

		wanted_make(c, &keys[i], &wanted[i], steps);
		memset(met->of + n, (int)i, PROBE_ROOM);
		n += more;
	}
	for (uint32_t k = 0; k < n; k++)
		__builtin_prefetch(&c->slots[slot_first(c, met->at[k])]);
	for (uint32_t k = 0; k < n; k++) {
		const uint32_t run = run_of(c, met->at[k]);

		__builtin_prefetch(&c->arena[run]);
		met->at[runs] = run;
		met->of[runs] = met->of[k];
		runs += run != 0;
	}
	if (with_open && c->open_run)
		for (uint32_t i = 0; i < count; i++)
			search_run(c, &wanted[i], c->open_run, place, from, steps);
	for (uint32_t k = 0; k < runs; k++) {
		const uint32_t run = met->at[k], long_run = c->arena[run];

		if (unlikely(long_run > AT_ONCE)) {
			search_run(c, &wanted[met->of[k]], run, place, from, steps);
			continue;
		}
		for (uint32_t i = 0; i < AT_ONCE; i++) {
			met->brief[briefs + i] = run + RUN_HEAD + i * c->brief_len;
			met->brief_of[briefs + i] = met->of[k];
		}
		briefs += long_run;
	}
	for (uint32_t k = 0; k < briefs; k++) {
		const struct brief *brief = (const struct brief *)(c->arena + met->brief[k]);
		struct wanted *w = &wanted[met->brief_of[k]];

		if (brief_allows(brief, w, steps))
			brief_take(c, brief, w, place, from);
	}
	for (uint32_t i = 0; i < count; i++) {
		found[i] = (struct class_found){ .id = CLASS_NONE };
		if (wanted[i].best)
			found[i] = found_of(&wanted[i]);
	}
}

void classifier_find_burst(const struct classifier *c, struct class_key *keys, uint32_t count, const uint32_t *place,
			   uint32_t from, struct class_found *found)
{
	enum { MET = CLASS_BURST * GROUPS_MAX };
	uint32_t at[MET + PROBE_ROOM], brief[MET * AT_ONCE];
	uint8_t of[MET + PROBE_ROOM], brief_of[MET * AT_ONCE];
	struct wanted wanted[CLASS_BURST];
	const struct met met = { at, brief, of, brief_of };

	if (c->brief_steps == 1)
		find(c, keys, count, place, from, found, wanted, &met, 1, true);
	else
		find(c, keys, count, place, from, found, wanted, &met, c->brief_steps, true);
}

static inline __attribute__((always_inline)) struct class_found
find_one(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from, bool with_open)
{
	uint32_t at[PROBE_ROOM], brief[PROBE_ROOM * AT_ONCE];
	uint8_t of[PROBE_ROOM], brief_of[PROBE_ROOM * AT_ONCE];
	struct class_found found;
	struct wanted wanted;
	const struct met met = { at, brief, of, brief_of };

	if (c->brief_steps == 1)
		find(c, key, 1, place, from, &found, &wanted, &met, 1, with_open);
	else
		find(c, key, 1, place, from, &found, &wanted, &met, c->brief_steps, with_open);
	return found;
}

struct class_found classifier_find(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from)
{
	return find_one(c, key, place, from, true);
}

static __attribute__((noinline)) struct class_found find_grouped(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from)
{
	return find_one(c, key, place, from, false);
}

/* From where it stood; what comes before @from, and what does not fit, will not be looked at again. */
static struct class_found find_open(const struct classifier *c, struct class_key *key, const uint32_t *place, struct class_cursor *cursor)
{
	const uint32_t count = c->arena[c->open_run];
	struct wanted w;

	wanted_make(c, key, &w, c->brief_steps);
	w.best_place = cursor->grouped_place;
	for (; cursor->open_at < count; cursor->open_at++) {
		const struct brief *brief = run_brief(c, c->open_run, cursor->open_at);

		if (brief_allows(brief, &w, c->brief_steps) && brief_take(c, brief, &w, place, cursor->from))
			break;
	}
	return w.best ? found_of(&w) : cursor->grouped;
}

struct class_found classifier_find_next(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from,
					struct class_cursor *cursor)
{
	const bool begins = cursor->c != c || from < cursor->from;

	if (!c->open_run)
		return classifier_find(c, key, place, from);
	if (begins)
		*cursor = (struct class_cursor){ .c = c };
	if (begins || cursor->grouped_place < from) {
		cursor->grouped = find_grouped(c, key, place, from);
		cursor->grouped_place = cursor->grouped.id == CLASS_NONE ? UINT32_MAX : place ? place[cursor->grouped.id] : cursor->grouped.id;
	}
	cursor->from = from;
	return find_open(c, key, place, cursor);
}

bool classifier_is_open(const struct classifier *c)
{
	return c->open_run && c->arena[c->open_run] >= OPEN_FEW;
}
