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
		cmocka_unit_test(rng_repeats_and_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
