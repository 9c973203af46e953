/* The classifier and its plain twin: random rules, random packets, rules that come and go. Bug class 12. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hash.h"
#include "classify/classify_internal.h"

enum { RULES = 600, PACKETS = 4000 };

struct set {
	struct class_rule rules[RULES];
	uint32_t place[RULES];		/* CLASS_NONE: the id is not in the chain */
	uint32_t count;
	uint8_t family;
};

static uint32_t few(struct rng *rng)
{
	static const uint32_t some[] = { 0x0a000001, 0x0a000102, 0x0a010203, 0xc0a80001, 0xc0a801fe, 0xffffffff, 0 };

	return rng_below(rng, 4) ? some[rng_below(rng, ARRAY_SIZE(some))] ^ rng_below(rng, 4) : rng_u32(rng);
}

static uint16_t port(struct rng *rng)
{
	static const uint16_t some[] = { 0, 22, 53, 80, 443, 1023, 1024, 65535 };

	return rng_below(rng, 3) ? some[rng_below(rng, ARRAY_SIZE(some))] : rng_u16(rng);
}

static void random_ranges(struct rng *rng, struct class_rule *rule, bool source)
{
	struct class_range ranges[CLASS_RANGES];
	const unsigned int count = rng_below(rng, 3) ? 1 : 1 + rng_below(rng, CLASS_RANGES);

	for (unsigned int i = 0; i < count; i++) {
		const uint16_t low = port(rng);

		ranges[i] = (struct class_range){ low, rng_below(rng, 3) ? low : (uint16_t)(low + rng_below(rng, 65536u - low)) };
	}
	(source ? class_rule_sports : class_rule_dports)(rule, ranges, count);
}

static const char names[][IFNAMSIZ] = { "eth0", "eth1", "eth10", "ppp0", "", "veth0123456789a", "e" };

/* Whole names, beginnings of names, all names. */
static void random_name(struct rng *rng, char *name, unsigned char *mask)
{
	unsigned int len;

	memset(mask, 0, IFNAMSIZ);
	memcpy(name, names[rng_below(rng, ARRAY_SIZE(names))], IFNAMSIZ);
	len = rng_below(rng, 2) ? (unsigned int)strlen(name) + 1 : rng_below(rng, (uint32_t)strlen(name) + 1);
	memset(mask, 0xff, len);
	memset(name + len, 0, IFNAMSIZ - len);
}

static void random_addr(struct rng *rng, uint8_t *addr)
{
	static const uint8_t some[] = { 0, 1, 0x7f, 0x80, 0xff };

	for (unsigned int i = 0; i < 16; i++)
		addr[i] = i % 4 == 3 || !rng_below(rng, 5) ? some[rng_below(rng, sizeof(some))] : 0x20;
}

static void random_term(struct rng *rng, struct class_rule *rule)
{
	const uint32_t low = few(rng), high = rng_below(rng, 2) ? low : low + rng_below(rng, UINT32_MAX - low + 1);
	const uint8_t a[32] = { 10, 0, (uint8_t)rng_below(rng, 2), (uint8_t)rng_below(rng, 4), [15] = 1 },
		      b[16] = { 10, 0, a[2], (uint8_t)(a[3] + rng_below(rng, 9)), [15] = 3 };
	const struct class_range ranges[] = { { port(rng), 60000 }, { 80, 80 }, { 443, 1024 } };
	unsigned char mask[IFNAMSIZ];
	uint8_t from[16], to[16];
	char name[IFNAMSIZ];

	switch (rng_below(rng, 12)) {
	case 0:
		class_rule_unless(rule, rng_below(rng, CLASS_WORDS), low, rng_below(rng, 2) ? UINT32_MAX : low);
		break;
	case 1:
		class_rule_unless_address(rule, CLASS_DST, a, memset((uint8_t[16]){ 0 }, 0xff, 16));
		break;
	case 2:
		class_rule_unless_between(rule, CLASS_SRC, a, b);
		break;
	case 3:
		class_rule_between(rule, CLASS_SRC, a, b);
		break;
	case 4:
		class_rule_unless_ports(rule, rng_below(rng, 2), ranges, 1 + rng_below(rng, 3));
		break;
	case 5:
		class_rule_either(rule, ranges, 1 + rng_below(rng, 3));
		break;
	case 6:
		class_rule_states(rule, (uint16_t)(1 + rng_below(rng, 31)));
		break;
	case 7:
	case 8:
		random_name(rng, name, mask);
		class_rule_name(rule, rng_below(rng, 2), name, mask, rng_below(rng, 2));
		break;
	case 9:
		random_addr(rng, from);
		random_addr(rng, to);
		(rng_below(rng, 2) ? class_rule_between : class_rule_unless_between)(rule, CLASS_SRC, from, to);
		break;
	default:
		class_rule_term(rule, (struct class_term){ .word = (uint8_t)(CLASS_WORDS + rng_below(rng, CLASS_STATES - CLASS_WORDS + 1)),
							   .flags = (uint8_t)rng_below(rng, 2), .mask = rng_below(rng, 2) ? UINT32_MAX : 15,
							   .low = low, .span = high - low });
	}
}

static const char *name_of(const struct class_key *key, bool in)
{
	return names[(in ? key->word[CLASS_MARK] : key->word[CLASS_MARK] / 2) % ARRAY_SIZE(names)];
}

/* A late word is asked for once, and only when it is missing. */
static void fill(struct class_key *key, unsigned int word)
{
	const bool in = word < CLASS_OUT_NAME;

	assert_true(key->missing >> word & 1);
	if (word >= CLASS_IN_NAME)
		memcpy(&key->word[word], name_of(key, in) + 4 * (word - (in ? CLASS_IN_NAME : CLASS_OUT_NAME)), 4);
	else
		key->word[word] = (key->word[CLASS_MARK] + word) * 5 & 15;
}

static void random_rule(struct rng *rng, uint8_t family, struct class_rule *rule)
{
	class_rule_init(rule, family);
	for (unsigned int w = CLASS_SRC; w < CLASS_PORTS; w += 4) {
		unsigned int len = rng_below(rng, family == NFPROTO_IPV4 ? 33 : 129);

		for (unsigned int i = 0; i < (family == NFPROTO_IPV4 ? 1u : 4u) && len; i++) {
			const unsigned int here = MIN_OF(len, 32u);

			class_rule_bits(rule, w + i, few(rng), here ? UINT32_MAX << (32 - here) : 0);
			len -= here;
		}
	}
	if (!rng_below(rng, 3))
		random_ranges(rng, rule, true);
	if (rng_below(rng, 3))
		random_ranges(rng, rule, false);
	if (rng_below(rng, 2))
		class_rule_bits(rule, CLASS_HEAD, rng_below(rng, 2) ? 6 : 17, 0xff);
	if (!rng_below(rng, 4))
		class_rule_bits(rule, CLASS_HEAD, rng_u32(rng), rng_u32(rng) & 0xff00);
	if (!rng_below(rng, 4))
		class_rule_bits(rule, CLASS_IFACES, rng_below(rng, 4) << 16 | rng_below(rng, 4), rng_below(rng, 2) ? 0xffff0000 : 0xffff);
	if (!rng_below(rng, 5))
		class_rule_bits(rule, CLASS_MARK, rng_below(rng, 8), rng_below(rng, 2) ? UINT32_MAX : 5);
	if (!rng_below(rng, 4))
		class_rule_states(rule, (uint16_t)rng_below(rng, 32));
	for (unsigned int n = rng_below(rng, 4) ? 0 : 1 + rng_below(rng, 4); n; n--)
		random_term(rng, rule);
	rule->sure = rule->is_partial ? CLASS_MAYBE : CLASS_ALL_FITS;
	rule->note = (uint8_t)rng_below(rng, 3);
}

static void random_key(struct rng *rng, struct class_key *key, const struct set *set)
{
	const struct class_rule *like = &set->rules[rng_below(rng, RULES)];

	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		key->word[w] = few(rng);
	key->word[CLASS_HEAD] = rng_below(rng, 2) ? 6 : 17;
	key->word[CLASS_IFACES] = rng_below(rng, 4) << 16 | rng_below(rng, 4);
	key->word[CLASS_MARK] = rng_below(rng, 8);
	if (rng_below(rng, 2))
		key->word[CLASS_IFACES] = (uint32_t)class_name_hash(name_of(key, true)) << 16 | class_name_hash(name_of(key, false));
	key->word[CLASS_PORTS] = (uint32_t)port(rng) << 16 | port(rng);
	key->states = (uint16_t)(1u << rng_below(rng, 5));
	key->unknown = rng_below(rng, 6) ? 0 : rng_u32(rng);
	key->missing = CLASS_LATE;
	key->fill = fill;
	if (rng_below(rng, 4)) {	/* a packet that a rule means */
		for (unsigned int w = 0; w < CLASS_WORDS; w++)
			key->word[w] = (key->word[w] & ~like->mask[w]) | like->value[w];
		if (like->dport_count)
			key->word[CLASS_PORTS] = (key->word[CLASS_PORTS] & 0xffff0000) | like->dports[rng_below(rng, like->dport_count)].high;
		if (like->sport_count)
			key->word[CLASS_PORTS] = (key->word[CLASS_PORTS] & 0xffff) | (uint32_t)like->sports[0].low << 16;
	}
}

static void nth_rule(void *priv, uint32_t n, struct class_rule *rule)
{
	*rule = ((struct set *)priv)->rules[n];
}

static uint32_t plain_find(const struct set *set, struct class_key *key, uint32_t from)
{
	uint32_t best = CLASS_NONE;

	for (uint32_t id = 0; id < RULES; id++)
		if (set->place[id] != CLASS_NONE && set->place[id] >= from && (best == CLASS_NONE || set->place[id] < set->place[best]) &&
		    class_rule_allows(&set->rules[id], key))
			best = id;
	return best;
}

/* Briefs know several ranges by their ends only, and the words that rules asked for when it was built. */
static bool is_held_in_full(const struct classifier *c, const struct class_rule *rule)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < c->brief_words; i++)
		held |= 1u << c->brief_word[i];
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		if (rule->mask[w] && !(held & 1u << w))
			return false;
	return rule->sport_count < 2 && rule->dport_count < 2;
}

/* A rule may be found that does not fit, before the right one, never one behind it. */
static void compare(const struct set *set, const struct classifier *c, struct class_key *key, uint32_t from, bool moved)
{
	const uint32_t right = plain_find(set, key, from);
	const struct class_found answer = classifier_find(c, key, moved ? set->place : NULL, from);
	const uint32_t found = answer.id;

	if (answer.sure) {
		assert_int_equal(found, right);
		assert_int_equal(answer.note, set->rules[found].note);
	}
	if (found == right)
		return;
	assert_int_not_equal(found, CLASS_NONE);
	assert_true(set->place[found] >= from);
	assert_true(right == CLASS_NONE || set->place[found] < set->place[right]);
	assert_false(is_held_in_full(c, &set->rules[found]) && !class_rule_allows(&set->rules[found], key));
}

/* Asked on and on, as a walk does whose rules do not match. */
static void steps_agree(struct rng *rng, const struct set *set, const struct classifier *c, struct class_key *key, bool moved)
{
	const uint32_t *place = moved ? set->place : NULL;
	struct class_cursor cursor = { .c = NULL };
	struct class_key again = *key;

	for (uint32_t from = rng_below(rng, 20); from < RULES;) {
		const struct class_found alone = classifier_find(c, key, place, from), next = classifier_find_next(c, &again, place, from, &cursor);

		assert_int_equal(next.id, alone.id);
		assert_int_equal(next.sure, alone.sure);
		assert_int_equal(next.note, alone.note);
		if (next.id == CLASS_NONE || !rng_below(rng, 40))
			from = rng_below(rng, 4) ? RULES : rng_below(rng, RULES);	/* perhaps back, as into a chain once more */
		else
			from = set->place[next.id] + 1 + (rng_below(rng, 8) ? 0 : rng_below(rng, 30));
	}
}

/* With and without vectors: the same hashes in the same order. */
static void probes_agree(const struct classifier *c, struct class_key *key)
{
	uint32_t first[PROBE_ROOM], again[PROBE_ROOM];
	const uint32_t count = probes()[0](c, key->word, first);

	for (probe_fn *const *probe = probes() + 1; *probe; probe++) {
		assert_int_equal((*probe)(c, key->word, again), count);
		assert_memory_equal(first, again, count * sizeof(*first));
	}
}

/* A burst finds what its packets find one by one. */
static void bursts_agree(struct rng *rng, const struct set *set, const struct classifier *c, bool moved)
{
	const uint32_t count = 1 + rng_below(rng, CLASS_BURST), from = rng_below(rng, 2) ? 0 : rng_below(rng, RULES);
	const uint32_t *place = moved ? set->place : NULL;
	struct class_key keys[CLASS_BURST];
	struct class_found found[CLASS_BURST];

	for (uint32_t i = 0; i < count; i++)
		random_key(rng, &keys[i], set);
	classifier_find_burst(c, keys, count, place, from, found);
	for (uint32_t i = 0; i < count; i++) {
		const struct class_found alone = classifier_find(c, &keys[i], place, from);

		assert_int_equal(found[i].id, alone.id);
		assert_int_equal(found[i].sure, alone.sure);
		assert_int_equal(found[i].note, alone.note);
	}
}

static void random_set(struct rng *rng, struct set *set, uint8_t family, uint32_t count)
{
	set->family = family;
	set->count = count;
	for (uint32_t i = 0; i < RULES; i++) {
		random_rule(rng, family, &set->rules[i]);
		set->place[i] = i < count ? i : CLASS_NONE;
	}
}

static void finds_what_the_plain_way_finds(void **state)
{
	struct set *set = malloc(sizeof(*set));
	struct class_key key;
	struct rng rng;

	rng_seed(&rng, 5);
	for (unsigned int round = 0; round < 12; round++) {
		struct classifier *c;

		random_set(&rng, set, round % 2 ? NFPROTO_IPV4 : NFPROTO_IPV6, round < 4 ? round : RULES);
		c = classifier_new(set->count, NULL, 0, RULES, set->family, rng_u32(&rng), nth_rule, set);
		assert_non_null(c);
		for (unsigned int i = 0; i < PACKETS; i++) {
			random_key(&rng, &key, set);
			compare(set, c, &key, rng_below(&rng, 2) ? 0 : rng_below(&rng, RULES + 1), false);
			probes_agree(c, &key);
			if (!(i % 16)) {
				bursts_agree(&rng, set, c, false);
				steps_agree(&rng, set, c, &key, false);
			}
		}
		classifier_free(c);
	}
	free(set);
}

static void set_insert(struct set *set, uint32_t id, uint32_t at)
{
	for (uint32_t i = 0; i < RULES; i++)
		if (set->place[i] != CLASS_NONE && set->place[i] >= at)
			set->place[i]++;
	set->place[id] = at;
	set->count++;
}

static void set_delete(struct set *set, uint32_t id)
{
	const uint32_t at = set->place[id];

	set->place[id] = CLASS_NONE;
	set->count--;
	for (uint32_t i = 0; i < RULES; i++)
		if (set->place[i] != CLASS_NONE && set->place[i] > at)
			set->place[i]--;
}

static void rules_come_and_go(void **state)
{
	struct set *set = malloc(sizeof(*set));
	struct class_key key;
	struct rng rng;

	rng_seed(&rng, 6);
	for (unsigned int round = 0; round < 6; round++) {
		struct classifier *c;

		random_set(&rng, set, round % 2 ? NFPROTO_IPV4 : NFPROTO_IPV6, round < 2 ? 0 : RULES / 2);
		c = classifier_new(set->count, NULL, 0, RULES, set->family, rng_u32(&rng), nth_rule, set);
		assert_non_null(c);
		for (unsigned int change = 0; change < 1500; change++) {
			const uint32_t id = rng_below(&rng, RULES);

			if (set->place[id] == CLASS_NONE) {
				random_rule(&rng, set->family, &set->rules[id]);
				set_insert(set, id, rng_below(&rng, set->count + 1));
				assert_int_equal(classifier_add(c, id, &set->rules[id], set->place), 0);
				if (classifier_is_crowded(c))
					classifier_regroup(c, set->place, nth_rule, set);
			} else {
				classifier_remove(c, id, &set->rules[id]);
				set_delete(set, id);
			}
			for (unsigned int i = 0; i < 8; i++) {
				random_key(&rng, &key, set);
				compare(set, c, &key, rng_below(&rng, 2) ? 0 : rng_below(&rng, RULES), true);
			}
			if (!(change % 8)) {
				bursts_agree(&rng, set, c, true);
				steps_agree(&rng, set, c, &key, true);
			}
		}
		assert_true(classifier_is_worn(c));
		classifier_free(c);
	}
	free(set);
}

static void pair_or_one(struct rng *rng, struct class_rule *rule, bool is_pair)
{
	class_rule_init(rule, NFPROTO_IPV4);
	class_rule_bits(rule, CLASS_DST, few(rng), UINT32_MAX);
	if (is_pair)
		class_rule_bits(rule, CLASS_SRC, few(rng), UINT32_MAX);
}

/* Rules unlike all that were there when it was built: they get a group of their own, and are found and taken out again. */
static void newcomers_get_a_group(void **state)
{
	struct set *set = calloc(1, sizeof(*set));
	struct class_key key;
	struct classifier *c;
	struct rng rng;
	unsigned int groups;

	rng_seed(&rng, 8);
	set->family = NFPROTO_IPV4;
	for (uint32_t i = 0; i < RULES; i++) {
		pair_or_one(&rng, &set->rules[i], i < RULES / 2);
		set->place[i] = i < RULES / 2 ? i : CLASS_NONE;
	}
	set->count = RULES / 2;
	c = classifier_new(set->count, NULL, 0, RULES, set->family, 1, nth_rule, set);
	groups = classifier_groups(c);
	for (uint32_t id = RULES / 2; id < RULES; id++) {
		set_insert(set, id, rng_below(&rng, set->count + 1));
		assert_int_equal(classifier_add(c, id, &set->rules[id], set->place), 0);
		if (classifier_is_crowded(c))
			assert_int_equal(classifier_regroup(c, set->place, nth_rule, set), 0);
	}
	assert_false(classifier_is_worn(c));
	assert_int_equal(classifier_groups(c), groups + 1);
	assert_true(c->arena[c->open_run] < 64);
	for (uint32_t id = 0; id < RULES; id++) {
		for (unsigned int i = 0; i < 16; i++) {
			random_key(&rng, &key, set);
			compare(set, c, &key, rng_below(&rng, 2) ? 0 : rng_below(&rng, RULES), true);
			probes_agree(c, &key);
		}
		classifier_remove(c, id, &set->rules[id]);
		set_delete(set, id);
	}
	classifier_free(c);
	free(set);
}

static bool is_between(const uint8_t *addr, const uint8_t *low, const uint8_t *high, size_t len)
{
	return memcmp(addr, low, len) >= 0 && memcmp(addr, high, len) <= 0;
}

static void addr_to_key(struct class_key *key, const uint8_t *addr, unsigned int words)
{
	for (unsigned int i = 0; i < words; i++)
		key->word[CLASS_SRC + i] = get_be32(addr + 4 * i);
}

/* All of a range is said, whichever word its ends differ in, and if it is empty. */
static void ranges_say_all(void **state)
{
	struct class_key key = { .states = 1 };
	struct rng rng;

	rng_seed(&rng, 9);
	for (unsigned int i = 0; i < 200000; i++) {
		const bool v6 = i % 4, inverted = rng_below(&rng, 2);
		const size_t len = v6 ? 16 : 4;
		uint8_t low[16], high[16], addr[16];
		struct class_rule rule;

		random_addr(&rng, low);
		random_addr(&rng, high);
		random_addr(&rng, addr);
		memcpy(high, low, rng_below(&rng, 17));
		memcpy(addr, rng_below(&rng, 2) ? low : high, rng_below(&rng, 17));
		if (!rng_below(&rng, 8)) {	/* a block */
			memset(low + 10, 0, 6);
			memset(high + 10, 0xff, 6);
		}
		class_rule_init(&rule, v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
		(inverted ? class_rule_unless_between : class_rule_between)(&rule, CLASS_SRC, low, high);
		assert_false(rule.is_partial);
		addr_to_key(&key, addr, v6 ? 4 : 1);
		assert_int_equal(class_rule_allows(&rule, &key), is_between(addr, low, high, len) != inverted);
	}
}

static bool name_fits(const char *name, const char *want, const unsigned char *mask)
{
	for (unsigned int i = 0; i < IFNAMSIZ; i++)
		if ((name[i] ^ want[i]) & mask[i])
			return false;
	return true;
}

static void names_say_all(void **state)
{
	struct rng rng;

	rng_seed(&rng, 10);
	for (unsigned int i = 0; i < 20000; i++) {
		struct class_key key = { .states = 1, .missing = CLASS_LATE, .fill = fill };
		const bool in = rng_below(&rng, 2), inverted = rng_below(&rng, 2);
		unsigned char mask[IFNAMSIZ];
		struct class_rule rule;
		char name[IFNAMSIZ];

		random_name(&rng, name, mask);
		class_rule_init(&rule, NFPROTO_IPV4);
		class_rule_name(&rule, in, name, mask, inverted);
		key.word[CLASS_MARK] = rng_below(&rng, 14);
		key.word[CLASS_IFACES] = (uint32_t)class_name_hash(name_of(&key, true)) << 16 | class_name_hash(name_of(&key, false));
		/* a whole name is said by its hash, which is not all */
		assert_int_equal(rule.is_partial, rule.mask[CLASS_IFACES] != 0);
		assert_int_equal(class_rule_allows(&rule, &key), name_fits(name_of(&key, in), name, mask) != inverted);
	}
}

static void beyond_the_room_nothing_is_added(void **state)
{
	struct class_rule rule;
	const uint32_t place[] = { 0 };
	struct classifier *c = classifier_new(0, NULL, 0, 1, NFPROTO_IPV4, 1, NULL, NULL);

	class_rule_init(&rule, NFPROTO_IPV4);
	assert_int_equal(classifier_add(c, 1, &rule, place), -ENOSPC);
	assert_int_equal(classifier_add(c, 0, &rule, place), 0);
	classifier_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_the_plain_way_finds),
		cmocka_unit_test(rules_come_and_go),
		cmocka_unit_test(newcomers_get_a_group),
		cmocka_unit_test(ranges_say_all),
		cmocka_unit_test(names_say_all),
		cmocka_unit_test(beyond_the_room_nothing_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
