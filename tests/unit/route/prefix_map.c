/* The prefix map against its twin, a plain scan over all prefixes: random additions, removals and lookups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "route/route_internal.h"

enum { PREFIXES = 3000, LOOKUPS = 4000 };

static struct {
	struct prefix prefix;
	uint8_t plen;
	bool present;
} plain[PREFIXES];

/* Few bits vary, so that prefixes nest and addresses hit. */
static struct prefix draw(struct rng *rng, bool six)
{
	struct prefix p = { 0x2001000000000000ull, 0 };

	for (int i = 0; i < 4; i++)
		p.hi ^= (uint64_t)rng_below(rng, 4) << (i * 9 + (six ? 12 : 32));
	if (six && rng_below(rng, 2))
		p.lo = rng_below(rng, 3) | (uint64_t)rng_below(rng, 3) << 60;
	return p;
}

static void check_lookup(const struct prefix_map *map, struct prefix addr)
{
	unsigned int pos = 0, found = 0, expected = 0, last = 129;
	struct prefix_leaf *leaf;

	for (int i = 0; i < PREFIXES; i++)
		expected += plain[i].present && prefix_covers(plain[i].prefix, plain[i].plen, addr);
	while ((leaf = prefix_map_next(map, addr, &pos))) {
		assert_true(prefix_covers(leaf->prefix, leaf->plen, addr));
		assert_true(leaf->plen < last);
		last = leaf->plen;
		found++;
	}
	assert_int_equal(found, expected);
}

static void twin(bool six)
{
	struct prefix_map *map = calloc(1, sizeof(*map));
	struct rng rng;

	rng_seed(&rng, six ? 6 : 4);
	prefix_map_init(map);
	for (int i = 0; i < PREFIXES; i++) {
		uint8_t plen = (uint8_t)rng_below(&rng, six ? 129 : 33);
		struct prefix p = prefix_cut(draw(&rng, six), plen);

		plain[i].prefix = p;
		plain[i].plen = plen;
		plain[i].present = !prefix_map_get(map, p, plen);
		assert_non_null(prefix_map_make(map, p, plen));
		assert_ptr_equal(prefix_map_make(map, p, plen), prefix_map_get(map, p, plen));
	}
	for (int i = 0; i < LOOKUPS; i++) {
		int victim = (int)rng_below(&rng, PREFIXES);

		check_lookup(map, draw(&rng, six));
		if (i % 2 && plain[victim].present) {
			prefix_map_drop(map, prefix_map_get(map, plain[victim].prefix, plain[victim].plen));
			plain[victim].present = false;
		}
	}
	prefix_map_clear(map);
	free(map);
}

static void ipv4_twin(void **state) { twin(false); }
static void ipv6_twin(void **state) { twin(true); }

static void cutting(void **state)
{
	struct prefix p = { 0x123456789abcdef0ull, 0x0fedcba987654321ull };

	assert_true(prefix_equal(prefix_cut(p, 0), (struct prefix){ 0, 0 }));
	assert_true(prefix_equal(prefix_cut(p, 64), (struct prefix){ p.hi, 0 }));
	assert_true(prefix_equal(prefix_cut(p, 65), (struct prefix){ p.hi, p.lo & 1ull << 63 }));
	assert_true(prefix_equal(prefix_cut(p, 127), (struct prefix){ p.hi, p.lo & ~1ull }));
	assert_true(prefix_equal(prefix_cut(p, 128), p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_twin),
		cmocka_unit_test(ipv6_twin),
		cmocka_unit_test(cutting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
