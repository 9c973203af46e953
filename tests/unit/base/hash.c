/* Known answers: SipHash-2-4's reference vector, lookup3's word hash, repeatable randomness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"

static void siphash_reference_vectors(void **state)
{
	struct hash_key key = { { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull } };
	uint8_t in[15];

	for (int i = 0; i < 15; i++)
		in[i] = (uint8_t)i;
	/* Aumasson & Bernstein, appendix A */
	assert_int_equal(siphash(in, 15, &key), 0xa129ca6149be45e5ull);
	assert_int_equal(siphash(in, 0, &key), 0x726fdb47dd0e0e31ull);
}

static void many_at_once_as_one_by_one(void **state)
{
	uint64_t first[64], second[64];
	uint32_t out[64];
	struct rng rng;

	rng_seed(&rng, 3);
	for (int round = 0; round < 3000; round++) {
		struct hash_key key = { { rng_u64(&rng), rng_u64(&rng) } };
		size_t count = rng_below(&rng, 65);

		for (int i = 0; i < 64; i++) {
			first[i] = rng_u64(&rng);
			second[i] = rng_u64(&rng);
		}
		for (int form = -1; form <= HASH_AVX512; form++) {
			memset(out, 0, sizeof(out));
			if (form < 0)
				siphash_pairs(first, second, count, &key, out);
			else if (!siphash_pairs_by((enum hash_form)form, first, second, count, &key, out))
				continue;
			for (size_t i = 0; i < count; i++) {
				uint64_t words[2] = { first[i], second[i] };

				assert_int_equal(out[i], (uint32_t)siphash_words(words, 2, &key));
			}
		}
	}
}

static void rng_repeats_and_spreads(void **state)
{
	struct rng a, b;
	unsigned int seen[8] = { 0 };

	rng_seed(&a, 7);
	rng_seed(&b, 7);
	for (int i = 0; i < 4000; i++) {
		uint32_t n = rng_below(&a, 8);

		assert_int_equal(n, rng_below(&b, 8));
		assert_true(n < 8);
		seen[n]++;
	}
	for (int i = 0; i < 8; i++)
		assert_in_range(seen[i], 400, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_reference_vectors),
		cmocka_unit_test(many_at_once_as_one_by_one),
		cmocka_unit_test(rng_repeats_and_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
