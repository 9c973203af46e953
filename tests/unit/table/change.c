/*
 * One rule more or less, alone or by replacing the table: the same blob, counters, verdicts, whatever the order. One instance has its
 * rules changed one by one in use, its twin gets the same commands as iptables-restore text, which replaces the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

enum { CHANGES = 400, ROUNDS = 6, PACKETS = 6 };

static const char *pick(struct rng *rng, const char *const *words, unsigned int count)
{
	return words[rng_below(rng, count)];
}
#define PICK(rng, ...) pick(rng, (const char *const[]){ __VA_ARGS__ }, ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static void random_body(struct rng *rng, const char *chain, struct strbuf *out)
{
	static const char *const chains[] = { "a", "b", "c" };

	if (rng_below(rng, 3))
		sb_printf(out, " -s 10.0.%u.%u", rng_below(rng, 2), rng_below(rng, 4));
	if (rng_below(rng, 3))
		sb_printf(out, " -p %s --dport %u", PICK(rng, "udp -m udp", "tcp -m tcp"), 50 + rng_below(rng, 6));
	if (!rng_below(rng, 6))
		sb_adds(out, " -m mark --mark 1");
	if (!rng_below(rng, 8))
		sb_printf(out, " -m %s", PICK(rng, "statistic --mode nth --every 2 --packet 0", "limit --limit 1/hour --limit-burst 2", "quota --quota 90"));
	if (!rng_below(rng, 4))
		sb_printf(out, " -j %s", PICK(rng, "ACCEPT", "DROP", "RETURN"));
	else if (!rng_below(rng, 4) && chain[0] == 'F')
		sb_printf(out, " -j %s", pick(rng, chains, ARRAY_SIZE(chains)));
	else if (!rng_below(rng, 6))
		sb_adds(out, " -j MARK --set-xmark 1");
}

static uint32_t chain_len(struct instance *inst, const char *chain);

struct chain_query { const char *chain; uint32_t rules; };

static void chain_visit(void *priv, const struct table_rule_view *rule)
{
	struct chain_query *query = priv;

	query->rules += !rule->is_policy && !strcmp(rule->ref.chain, query->chain);
}

static uint32_t chain_len(struct instance *inst, const char *chain)
{
	struct chain_query query = { chain, 0 };

	tables_each_rule(inst, NFPROTO_IPV4, chain_visit, &query);
	return query.rules;
}

static bool random_command(struct rng *rng, struct instance *inst, struct strbuf *out)
{
	const char *chain = PICK(rng, "FORWARD", "FORWARD", "a", "b", "c", "INPUT");
	const uint32_t count = chain_len(inst, chain);

	switch (rng_below(rng, 8)) {
	case 0:
	case 1:
	case 2:
		sb_printf(out, "-A %s", chain);
		break;
	case 3:
	case 4:
		sb_printf(out, "-I %s %u", chain, 1 + rng_below(rng, count + 1));
		break;
	case 5:
		if (!count)
			return false;
		sb_printf(out, "-R %s %u", chain, 1 + rng_below(rng, count));
		break;
	default:
		if (!count)
			return false;
		sb_printf(out, "-D %s %u", chain, 1 + rng_below(rng, count));
		return true;
	}
	random_body(rng, chain, out);
	return true;
}

/* "-D" and the text of some rule that is there, or of one that may be. */
static bool random_deletion(struct rng *rng, struct instance *inst, struct strbuf *out)
{
	struct strbuf saved = STRBUF_INIT;
	unsigned int rules = 0, which;
	const char *line;

	rules_save(inst, NFPROTO_IPV4, false, -1, &saved);
	for (line = sb_str(&saved); (line = strstr(line, "\n-A ")); line++)
		rules++;
	which = rules ? rng_below(rng, rules) : 0;
	for (line = sb_str(&saved); rules && (line = strstr(line, "\n-A ")) && which--; line++)
		;
	if (rules)
		sb_printf(out, "-D %.*s", (int)strcspn(line + 4, "\n"), line + 4);
	sb_free(&saved);
	return rules;
}

static void long_way(struct instance *inst, const char *line)
{
	struct strbuf text = STRBUF_INIT;
	struct refusal why;

	sb_printf(&text, "*mangle\n%s\nCOMMIT\n", line);
	if (rules_restore(inst, NFPROTO_IPV4, sb_str(&text), text.len, NULL, RESTORE_NOFLUSH, &why))
		fail_msg("%s: %s", line, why.text);
	sb_free(&text);
}

static void both_saved_alike(struct instance *a, struct instance *b, const char *line)
{
	struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;
	struct ipt_getinfo i = { .name = "mangle" }, j = { .name = "mangle" };
	uint8_t *m, *n;

	rules_save(a, NFPROTO_IPV4, true, -1, &x);
	rules_save(b, NFPROTO_IPV4, true, -1, &y);
	if (strcmp(sb_str(&x), sb_str(&y)))
		fail_msg("after %s:\n%s\nnot\n%s", line, sb_str(&x), sb_str(&y));
	assert_int_equal(tables_get_info(a, NFPROTO_IPV4, &i, NULL), 0);
	assert_int_equal(tables_get_info(b, NFPROTO_IPV4, &j, NULL), 0);
	assert_memory_equal(&i, &j, sizeof(i));
	m = malloc(i.size);
	n = malloc(j.size);
	assert_int_equal(tables_get_entries(a, NFPROTO_IPV4, "mangle", m, i.size, NULL, NULL), 0);
	assert_int_equal(tables_get_entries(b, NFPROTO_IPV4, "mangle", n, j.size, NULL, NULL), 0);
	for (uint32_t k = 0; k < i.size; k++)
		if (m[k] != n[k])
			fail_msg("after %s: byte %u of %u differs", line, k, i.size);
	free(m);
	free(n);
	sb_free(&x);
	sb_free(&y);
}

static void one_packet(struct rng *rng, struct instance *a, struct instance *b)
{
	struct pkt *pkt = udp_packet(PICK(rng, "10.0.0.1", "10.0.0.2", "10.0.1.3"), "1.2.3.4");
	const struct table_rule_ref *rule;
	unsigned int verdict;

	pkt_ip4(pkt)->protocol = rng_below(rng, 2) ? IPPROTO_UDP : IPPROTO_TCP;
	if (!rng_below(rng, 6))
		pkt_ip4(pkt)->frag_off = htons(4);
	put_be16(pkt->data + 22, (uint16_t)(50 + rng_below(rng, 6)));
	verdict = walk_hook(a, pkt, NFPROTO_IPV4, "mangle", NF_INET_FORWARD);
	rule = pkt->rule;
	pkt->rule = NULL;
	pkt->mark = 0;
	assert_int_equal(walk_hook(b, pkt, NFPROTO_IPV4, "mangle", NF_INET_FORWARD), verdict);
	assert_string_equal(pkt->rule->chain, rule->chain);
	assert_int_equal(pkt->rule->number, rule->number);
	free_packet(pkt);
}

static void alone_or_as_a_whole(void **state)
{
	static const char base[] = "*mangle\n:a - [0:0]\n:b - [0:0]\n:c - [0:0]\n-A FORWARD -j a\n-A FORWARD -j b\n-A FORWARD -j c\nCOMMIT\n";
	static const enum rules_mode modes[] = { RULES_CHECK, RULES_COMPILED, RULES_WALK };
	struct rng rng;

	rng_seed(&rng, 9);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct instance *a = fixture_new(), *b = fixture_new();
		unsigned int alone = 0;

		tables_set_mode(a, modes[round % ARRAY_SIZE(modes)]);
		tables_set_mode(b, RULES_WALK);
		restore_ok(a, base, 0);
		restore_ok(b, base, 0);
		for (unsigned int i = 0; i < CHANGES; i++) {
			struct strbuf line = STRBUF_INIT, typed = STRBUF_INIT;
			struct refusal why = { 0 };

			if (i % 8 == 7 ? random_deletion(&rng, b, &line) : random_command(&rng, b, &line)) {
				sb_printf(&typed, "iptables -t mangle %s", sb_str(&line));
				const struct ruleset *before = table_find(a, NFPROTO_IPV4, "mangle")->rules;

				if (command(a, sb_str(&typed), &line, &why))
					fail_msg("%s: %s", sb_str(&typed), why.text);
				alone += table_find(a, NFPROTO_IPV4, "mangle")->rules == before;
				long_way(b, sb_str(&line));
			}
			for (unsigned int n = 0; n < PACKETS; n++)
				one_packet(&rng, a, b);
			if (tables_difference(a))
				fail_msg("after %s: %s", sb_str(&line), tables_difference(a));
			both_saved_alike(a, b, sb_str(&line));
			sb_free(&line);
			sb_free(&typed);
		}
		assert_true(alone > CHANGES / 2);
		fixture_free(a);
		fixture_free(b);
	}
}

static struct xt_standard_target *target_in(void *entry)
{
	return (void *)((char *)entry + sizeof(struct ipt_entry));
}

/* What is refused changes nothing; what needs more than one rule is said to. */
static void what_it_leaves_to_others(void **state)
{
	static const struct {
		const char *rules, *target;
		int err;
	} cases[] = {
		{ "-A FORWARD -s 1.1.1.1 -j ACCEPT\n", "ACCEPT", -EOPNOTSUPP },	/* without conditions */
		{ "-A FORWARD -m limit -j ACCEPT\n", "", 0 },			/* its credit is new, too */
		{ ":a - [0:0]\n", "a", -EOPNOTSUPP },				/* nobody jumps there yet */
		{ ":a - [0:0]\n-A FORWARD -j a\n", "a", 0 },
		{ ":a - [0:0]\n:b - [0:0]\n-A FORWARD -j a\n-A a -j b\n", "a", -EOPNOTSUPP },
		{ "-A FORWARD -s 1.1.1.1\n", "INPUT", -EOPNOTSUPP },
		{ "-A FORWARD -s 1.1.1.1\n", "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct { struct ipt_entry e; struct xt_standard_target t; } rule = {
			.e = { .target_offset = sizeof(struct ipt_entry), .next_offset = sizeof(rule) },
		};
		struct rule_change change = { .kind = CHANGE_INSERT, .chain = "FORWARD", .entry = &rule, .entry_len = sizeof(rule) };
		struct instance *inst = fixture_new();
		struct strbuf text = STRBUF_INIT;
		struct refusal why;

		sb_printf(&text, "*filter\n%sCOMMIT\n", cases[i].rules);
		restore_ok(inst, sb_str(&text), 0);
		target_in(&rule)->target.u.user.target_size = sizeof(rule.t);
		strcpy(target_in(&rule)->target.u.user.name, cases[i].target);
		if (tables_change_rule(inst, NFPROTO_IPV4, "filter", &change, &why) != cases[i].err)
			fail_msg("case %zu", i);
		change.at = 99;
		assert_int_not_equal(tables_change_rule(inst, NFPROTO_IPV4, "filter", &change, &why), 0);
		sb_free(&text);
		fixture_free(inst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_or_as_a_whole),
		cmocka_unit_test(what_it_leaves_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
