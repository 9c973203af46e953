/* What rules remember, taken of one instance and given to another: both answer alike from then on, and damage is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

#define QUOTA "-A FORWARD -s 10.0.0.1/32 -m quota --quota 100 -j DROP\n"
#define QUOTAS QUOTA QUOTA
#define LIMIT "-A FORWARD -s 10.0.0.2/32 -m limit --limit 1/hour --limit-burst 3 -j DROP\n"
#define NTH "-A FORWARD -s 10.0.0.3/32 -m statistic --mode nth --every 3 --packet 0 -j DROP\n"
#define BOTH "-A FORWARD -s 10.0.0.4/32 -m quota --quota 500 -m limit --limit 2/hour --limit-burst 9 -j DROP\n"
static const char rules[] = "*filter\n" QUOTAS LIMIT NTH BOTH "COMMIT\n";
static const char others[] = "*filter\n:x - [0:0]\n" NTH "-A FORWARD -s 10.0.0.9/32 -j x\n" LIMIT QUOTAS BOTH "COMMIT\n";

static unsigned int ask(struct instance *inst, unsigned int host)
{
	char from[16];
	struct pkt *pkt;
	unsigned int verdict;

	snprintf(from, sizeof(from), "10.0.0.%u", host);
	pkt = udp_packet(from, "1.2.3.4");
	verdict = forward(inst, pkt);
	free_packet(pkt);
	return verdict;
}

static struct instance *used(void)
{
	struct instance *inst = fixture_new();

	inst->now_ns = (int64_t)1000 * NSEC_PER_SEC;
	restore_ok(inst, rules, 0);
	for (unsigned int i = 0; i < 5; i++)	/* 28 bytes each: three of them into the first budget, two into the second */
		ask(inst, 1);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int host = 2; host < 5; host++)
			ask(inst, host);
	return inst;
}

static void goes_on(const char *text)
{
	struct instance *a = used(), *b = fixture_new(), *fresh = fixture_new();
	struct strbuf kept = STRBUF_INIT;
	unsigned int differs = 0;

	b->now_ns = fresh->now_ns = a->now_ns;
	restore_ok(b, text, 0);
	restore_ok(fresh, text, 0);
	tables_memory_save(a, &kept);
	assert_int_equal(tables_memory_load(b, sb_str(&kept), kept.len, NULL), 0);
	for (unsigned int i = 0; i < 40; i++) {
		const unsigned int host = 1 + i % 4, verdict = ask(a, host);

		if (ask(b, host) != verdict)
			fail_msg("packet %u from host %u", i, host);
		differs += ask(fresh, host) != verdict;
		if (i == 20)
			a->now_ns = b->now_ns = fresh->now_ns += (int64_t)1800 * NSEC_PER_SEC;
	}
	assert_true(differs > 3);
	sb_free(&kept);
	fixture_free(a);
	fixture_free(b);
	fixture_free(fresh);
}

static void as_if_nothing_had_been(void **state) { goes_on(rules); }
static void with_the_rules_that_stay(void **state) { goes_on(others); }

static void damage(void **state)
{
	struct instance *a = used();
	struct strbuf kept = STRBUF_INIT;

	tables_memory_save(a, &kept);
	for (size_t i = 0; i <= kept.len; i++) {
		struct instance *b = fixture_new();
		uint8_t *copy = malloc(kept.len + 1);

		restore_ok(b, rules, 0);
		memcpy(copy, kept.s, kept.len);
		copy[i] ^= 0xff;
		tables_memory_load(b, copy, kept.len, NULL);	/* whatever it says: it reads no further, and quotas are no larger */
		for (unsigned int k = 0; k < 8; k++)
			ask(b, 1);
		assert_int_equal(ask(b, 1), NF_ACCEPT);
		free(copy);
		copy = malloc(i + 1);
		memcpy(copy, kept.s, i);
		tables_memory_load(b, copy, i, NULL);
		free(copy);
		fixture_free(b);
	}
	sb_free(&kept);
	fixture_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_if_nothing_had_been),
		cmocka_unit_test(with_the_rules_that_stay),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
