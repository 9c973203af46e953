/* The wheel against a plain list: same timers, same order, whatever is armed, moved and cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/timer.h"

enum { TIMERS = 400 };

static struct { int64_t at[TIMERS * 40]; int who[TIMERS * 40]; int count; } fired;
static struct timer timer[TIMERS];

static void note(struct timer *t, void *arg, int64_t now_ns)
{
	fired.at[fired.count] = t->expires_ns;
	fired.who[fired.count++] = (int)(t - timer);
	assert_true(t->expires_ns <= now_ns);
	assert_false(timer_is_armed(t));
}

static void fires_like_a_sorted_list(void **state)
{
	struct timers *timers;
	struct rng rng;

	rng_seed(&rng, 3);
	for (int round = 0; round < 30; round++) {
		int64_t now = 1700000000ll * NSEC_PER_SEC + rng_below(&rng, NSEC_PER_SEC), span;

		timers = timers_new(now);
		for (int i = 0; i < TIMERS; i++)
			timer_init(&timer[i], note, NULL);
		fired.count = 0;
		for (int step = 0; step < 4000; step++) {
			struct timer *t = &timer[rng_below(&rng, TIMERS)];
			int done = fired.count;

			span = 1ll << rng_below(&rng, 50);
			switch (rng_below(&rng, 8)) {
			case 0:
				timer_cancel(timers, t);
				break;
			case 1: {
				int64_t first = INT64_MAX;

				for (int i = 0; i < TIMERS; i++)
					if (timer_is_armed(&timer[i]) && timer[i].expires_ns < first)
						first = timer[i].expires_ns;
				assert_int_equal(timers_next_ns(timers), first);
				now += (int64_t)(rng_u64(&rng) % (uint64_t)span) / 8;
				timers_run(timers, now);
				for (int i = done + 1; i < fired.count; i++)
					assert_true(fired.at[i - 1] <= fired.at[i]);
				for (int i = 0; i < TIMERS; i++)
					assert_true(!timer_is_armed(&timer[i]) || timer[i].expires_ns > now);
				if (fired.count > TIMERS * 30)
					fired.count = 0;
				break;
			}
			default:
				timer_arm(timers, t, now + (int64_t)(rng_u64(&rng) % (uint64_t)span) - span / 16);
			}
		}
		timers_free(timers);
	}
}

static void equal_times_fire_in_arming_order(void **state)
{
	struct timers *timers = timers_new(0);

	fired.count = 0;
	for (int i = 0; i < TIMERS; i++) {
		timer_init(&timer[i], note, NULL);
		timer_arm(timers, &timer[i], 5ll * NSEC_PER_SEC);
	}
	timer_arm(timers, &timer[0], 5ll * NSEC_PER_SEC);	/* armed again: now the last */
	timers_run(timers, 5ll * NSEC_PER_SEC - 1);
	assert_int_equal(fired.count, 0);
	timers_run(timers, 5ll * NSEC_PER_SEC);
	assert_int_equal(fired.count, TIMERS);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(fired.who[i], (i + 1) % TIMERS);
	timers_free(timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_like_a_sorted_list),
		cmocka_unit_test(equal_times_fire_in_arming_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
