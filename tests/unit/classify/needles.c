/* Many strings at once, and one by one: random needles over few letters, random bytes, windows at every edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hash.h"
#include "classify/needles.h"

enum { ROUNDS = 300, TEXTS = 40, NEEDLES = 60, LEN = 200 };

static uint8_t letter(struct rng *rng)
{
	static const uint8_t some[] = { 'a', 'A', 'b', 'B', 'z', '[', 0xe4, 0xc4, 0xdf, 0xbf, 0xf7, 0xd7, 0xff, 0 };

	return some[rng_below(rng, rng_below(rng, 4) ? 4 : ARRAY_SIZE(some))];
}

static bool stands_in(const struct needle *needle, const uint8_t *bytes, uint32_t len)
{
	for (uint32_t at = needle->from; at + needle->len <= MIN_OF(len, needle->to); at++) {
		uint32_t same = 0;

		while (same < needle->len &&
		       (needle->folds ? needle_fold(bytes[at + same]) : bytes[at + same]) == needle->bytes[same])
			same++;
		if (same == needle->len)
			return true;
	}
	return false;
}

static void random_needle(struct rng *rng, uint32_t shortest, bool may_fold, uint8_t *bytes, struct needle *out)
{
	*out = (struct needle){ .bytes = bytes, .len = shortest + rng_below(rng, 9), .to = UINT16_MAX, .folds = may_fold && rng_below(rng, 2) };
	for (uint32_t i = 0; i < out->len; i++) {
		bytes[i] = letter(rng);
		if (out->folds)
			bytes[i] = needle_fold(bytes[i]);
	}
	if (!rng_below(rng, 3))
		out->from = rng_below(rng, LEN);
	if (!rng_below(rng, 3))
		out->to = out->from + rng_below(rng, LEN);
}

static void all_that_stand_there_are_found(void **state)
{
	static uint8_t bytes[NEEDLES][32], text[LEN];
	unsigned int hits = 0, misses = 0;
	struct rng rng;

	rng_seed(&rng, 1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const uint32_t shortest = 1 + rng_below(&rng, 14), count = 1 + rng_below(&rng, NEEDLES);
		struct needle needles[NEEDLES];
		struct needles *n;

		for (uint32_t i = 0; i < count; i++)
			random_needle(&rng, shortest, round % 2, bytes[i], &needles[i]);
		n = needles_new(needles, count);
		assert_non_null(n);
		for (unsigned int t = 0; t < TEXTS; t++) {
			const uint32_t len = rng_below(&rng, LEN + 1), put = rng_below(&rng, count);
			uint32_t found[NEEDLES], found_count;
			bool is_found[NEEDLES] = { false };
			uint8_t *exact = malloc(MAX_OF(len, 1u));	/* so that a byte beyond is seen to be read */

			for (uint32_t i = 0; i < len; i++)
				text[i] = letter(&rng);
			if (needles[put].len <= len && rng_below(&rng, 2))
				memcpy(text + rng_below(&rng, len - needles[put].len + 1), bytes[put], needles[put].len);
			memcpy(exact, text, len);
			found_count = needles_scan(n, exact, len, found);
			for (uint32_t i = 0; i < found_count; i++) {
				assert_false(is_found[found[i]]);
				is_found[found[i]] = true;
			}
			for (uint32_t i = 0; i < count; i++) {
				const bool stands = stands_in(&needles[i], text, len);

				if (found_count == count)	/* all may be named */
					assert_true(is_found[i]);
				else
					assert_int_equal(is_found[i], stands);
				hits += stands;
				misses += !stands;
			}
			free(exact);
		}
		needles_free(n);
	}
	assert_true(hits > 10000 && misses > 10000);
}

static void capitals_are_linux_own(void **state)
{
	assert_int_equal(needle_fold('a'), 'A');
	assert_int_equal(needle_fold('{'), '{');
	assert_int_equal(needle_fold(0xdf), 0xbf);
	assert_int_equal(needle_fold(0xe4), 0xc4);
	assert_int_equal(needle_fold(0xf7), 0xf7);
	assert_int_equal(needle_fold(0xff), 0xdf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_stand_there_are_found),
		cmocka_unit_test(capitals_are_linux_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
