/*
 * classify/rule.c - what a rule asks for, put together condition by condition. Where two conditions are about
 * the same thing the first stays: half of what is known is still true.
 */
#include "classify/classify.h"

void class_rule_init(struct class_rule *rule, uint8_t family)
{
	memset(rule, 0, offsetof(struct class_rule, terms));
	rule->family = family;
	rule->states = CLASS_STATE_ANY;
}

void class_rule_bits(struct class_rule *rule, enum class_word word, uint32_t value, uint32_t mask)
{
	rule->is_partial |= (value & ~mask) || (mask & rule->mask[word] & (value ^ rule->value[word]));
	mask &= ~rule->mask[word];
	rule->mask[word] |= mask;
	rule->value[word] |= value & mask;
}

bool class_rule_term(struct class_rule *rule, struct class_term term)
{
	if (rule->term_count == CLASS_TERMS) {
		rule->is_partial = true;
		return false;
	}
	rule->terms[rule->term_count++] = term;
	return true;
}

/* All of them or none: half of an "or" would say too much. */
static void add_terms(struct class_rule *rule, const struct class_term *terms, unsigned int count)
{
	if (count > CLASS_TERMS - rule->term_count) {
		rule->is_partial = true;
		return;
	}
	memcpy(rule->terms + rule->term_count, terms, count * sizeof(*terms));
	rule->term_count += (uint8_t)count;
}

static unsigned int address_words(const struct class_rule *rule)
{
	return rule->family == NFPROTO_IPV4 ? 1 : 4;
}

void class_rule_address(struct class_rule *rule, enum class_word first, const void *addr, const void *mask)
{
	for (unsigned int i = 0; i < address_words(rule); i++)
		class_rule_bits(rule, first + i, get_be32((const uint8_t *)addr + 4 * i),
				get_be32((const uint8_t *)mask + 4 * i));
}

void class_rule_unless(struct class_rule *rule, enum class_word word, uint32_t value, uint32_t mask)
{
	if (!(value & ~mask))		/* else no packet has these bits */
		class_rule_term(rule, (struct class_term){ .word = word, .flags = TERM_NOT, .mask = mask, .low = value });
}

void class_rule_unless_address(struct class_rule *rule, enum class_word first, const void *addr, const void *mask)
{
	struct class_term terms[4];
	const unsigned int words = address_words(rule);

	for (unsigned int i = 0; i < words; i++) {
		const uint32_t value = get_be32((const uint8_t *)addr + 4 * i), bits = get_be32((const uint8_t *)mask + 4 * i);

		if (value & ~bits)
			return;
		terms[i] = (struct class_term){ .word = (uint8_t)(first + i), .flags = i + 1 < words ? TERM_NOT | TERM_OR : TERM_NOT,
						.mask = bits, .low = value };
	}
	add_terms(rule, terms, words);
}

static struct class_term term_between(unsigned int word, uint8_t flags, uint32_t low, uint32_t high)
{
	return (struct class_term){ .word = (uint8_t)word, .flags = flags, .mask = UINT32_MAX, .low = low, .span = high - low };
}

void class_rule_never(struct class_rule *rule)
{
	class_rule_term(rule, (struct class_term){ .word = CLASS_PORTS, .mask = 0, .low = 1 });
}

/* From the @at-th word on, as one number. */
static void span_add(struct class_rule *rule, enum class_word first, unsigned int at, const uint8_t *low, const uint8_t *high, uint8_t flags)
{
	const unsigned int last = address_words(rule) - 1;
	struct class_term terms[4];
	unsigned int n = 0;

	for (unsigned int i = at; i <= last; i++)
		terms[n++] = term_between(first + i, i < last ? TERM_ON : flags, get_be32(low + 4 * i), get_be32(high + 4 * i));
	add_terms(rule, terms, n);
}

void class_rule_unless_between(struct class_rule *rule, enum class_word first, const void *low, const void *high)
{
	if (memcmp(low, high, 4 * address_words(rule)) <= 0)	/* else there is nothing in between */
		span_add(rule, first, 0, low, high, TERM_NOT);
}

/* Does the range begin and end with its block, from the word @at on? */
static bool fills_block(const struct class_rule *rule, unsigned int at, const uint8_t *low, const uint8_t *high)
{
	const uint32_t a = get_be32(low + 4 * at), b = get_be32(high + 4 * at);

	for (unsigned int i = at + 1; i < address_words(rule); i++)
		if (get_be32(low + 4 * i) || ~get_be32(high + 4 * i))
			return false;
	return !(a & (a ^ b)) && !(~b & (a ^ b)) && !((a ^ b) & ((a ^ b) + 1));
}

void class_rule_between(struct class_rule *rule, enum class_word first, const void *low, const void *high)
{
	if (memcmp(low, high, 4 * address_words(rule)) > 0) {
		class_rule_never(rule);
		return;
	}
	for (unsigned int i = 0; i < address_words(rule); i++) {
		const uint32_t a = get_be32((const uint8_t *)low + 4 * i), b = get_be32((const uint8_t *)high + 4 * i);
		const unsigned int same = a == b ? 32 : (unsigned int)__builtin_clz(a ^ b);
		const uint32_t mask = same ? UINT32_MAX << (32 - same) : 0;

		class_rule_bits(rule, first + i, a & mask, mask);
		if (same < 32) {
			if (!fills_block(rule, i, low, high))
				span_add(rule, first, i, low, high, 0);
			return;
		}
	}
}

/* A whole name, with its end: a hash of it finds its rules. */
static bool is_whole(const char *name, const unsigned char *mask)
{
	const size_t len = strnlen(name, IFNAMSIZ);

	for (size_t i = 0; i < MIN_OF(len + 1, (size_t)IFNAMSIZ); i++)
		if (mask[i] != 0xff)
			return false;
	return true;
}

void class_rule_name(struct class_rule *rule, bool in, const char *name, const unsigned char *mask, bool inverted)
{
	struct class_term terms[IFNAMSIZ / 4];
	unsigned int n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(terms); i++) {
		uint32_t value, bits;

		memcpy(&value, name + 4 * i, sizeof(value));
		memcpy(&bits, mask + 4 * i, sizeof(bits));
		if (bits)
			terms[n++] = (struct class_term){ .word = (uint8_t)((in ? CLASS_IN_NAME : CLASS_OUT_NAME) + i), .mask = bits,
							  .flags = inverted ? TERM_NOT | TERM_OR : 0, .low = value & bits };
	}
	if (!n) {
		if (inverted)
			class_rule_never(rule);
		return;
	}
	terms[n - 1].flags &= (uint8_t)~TERM_OR;
	if (inverted || !is_whole(name, mask)) {
		add_terms(rule, terms, n);
		return;
	}
	class_rule_bits(rule, CLASS_IFACES, (uint32_t)class_name_hash(name) << (in ? 16 : 0), 0xffffu << (in ? 16 : 0));
	rule->is_partial = true;	/* two names may have one hash */
}

static struct class_term port_term(bool source, struct class_range range, uint8_t flags)
{
	const unsigned int shift = source ? 16 : 0;

	return (struct class_term){ .word = CLASS_PORTS, .flags = flags, .mask = 0xffffu << shift, .low = (uint32_t)range.low << shift,
				    .span = (uint32_t)(range.high - range.low) << shift };
}

static bool is_backwards(const struct class_range *ranges, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].low > ranges[i].high)
			return true;
	return false;
}

static void set_ranges(struct class_rule *rule, bool source, const struct class_range *ranges, unsigned int count)
{
	uint8_t *known = source ? &rule->sport_count : &rule->dport_count;
	struct class_term terms[CLASS_RANGES];

	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].low == 0 && ranges[i].high == UINT16_MAX)
			return;
	if (!count || count > CLASS_RANGES || is_backwards(ranges, count)) {
		rule->is_partial = true;
		return;
	}
	if (count > 1 || *known) {
		for (unsigned int i = 0; i < count; i++)
			terms[i] = port_term(source, ranges[i], i + 1 < count ? TERM_OR : 0);
		add_terms(rule, terms, count);
	}
	if (*known)
		return;
	memcpy(source ? rule->sports : rule->dports, ranges, count * sizeof(*ranges));
	*known = (uint8_t)count;
}

void class_rule_sports(struct class_rule *rule, const struct class_range *ranges, unsigned int count)
{
	set_ranges(rule, true, ranges, count);
}

void class_rule_dports(struct class_rule *rule, const struct class_range *ranges, unsigned int count)
{
	set_ranges(rule, false, ranges, count);
}

void class_rule_unless_ports(struct class_rule *rule, bool source, const struct class_range *ranges, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].low <= ranges[i].high)
			class_rule_term(rule, port_term(source, ranges[i], TERM_NOT));
}

void class_rule_either(struct class_rule *rule, const struct class_range *ranges, unsigned int count)
{
	struct class_term terms[2 * CLASS_RANGES];

	if (!count || count > CLASS_RANGES || is_backwards(ranges, count)) {
		rule->is_partial = true;
		return;
	}
	for (unsigned int i = 0; i < 2 * count; i++)
		terms[i] = port_term(i & 1, ranges[i / 2], i + 1 < 2 * count ? TERM_OR : 0);
	add_terms(rule, terms, 2 * count);
}

void class_rule_states(struct class_rule *rule, uint16_t states)
{
	if (rule->states == CLASS_STATE_ANY)	/* a packet has several: one of these and one of those is not one of both */
		rule->states = states;
	else
		class_rule_term(rule, (struct class_term){ .word = CLASS_STATES, .flags = TERM_NOT, .mask = states });
}

void class_rule_close(struct class_rule *rule)
{
	rule->closed = rule->is_partial = true;
}

void class_rule_needle(struct class_rule *rule, const struct needle *needle)
{
	rule->is_partial = true;
	if (!rule->needle)
		rule->needle = needle;
}

void class_rule_partly(struct class_rule *rule)
{
	rule->is_partial = true;
}

void class_rule_nothing(const void *info, struct class_rule *rule)
{
	rule->is_partial = true;
}

void class_rule_always(const void *info, struct class_rule *rule)
{
}

uint16_t class_name_hash(const char *name)
{
	uint32_t h = 0x811c9dc5;

	for (unsigned int i = 0; i < IFNAMSIZ && name[i]; i++)
		h = (h ^ (uint8_t)name[i]) * 0x01000193;
	return (uint16_t)(h ^ h >> 16);
}

static bool in_one(const struct class_range *ranges, unsigned int count, uint16_t port)
{
	for (unsigned int i = 0; i < count; i++)
		if (port >= ranges[i].low && port <= ranges[i].high)
			return true;
	return !count;
}

/* The packet's word that @term is about; false: nobody knows. */
static inline bool word_of(const struct class_term *term, struct class_key *key, uint32_t *value)
{
	const uint32_t bit = 1u << term->word;

	if (unlikely(key->unknown & bit))
		return false;
	if (key->missing & bit) {
		key->fill(key, term->word);
		key->missing &= ~bit;
	}
	*value = term->word == CLASS_STATES ? key->states : key->word[term->word];
	return true;
}

static enum class_answer term_holds(const struct class_term *term, struct class_key *key)
{
	uint32_t value;

	if (!word_of(term, key, &value))
		return CLASS_PERHAPS;
	return ((value & term->mask) - term->low <= term->span) != !!(term->flags & TERM_NOT) ? CLASS_YES : CLASS_NO;
}

/* One number of several words, from @term to @last: the first word that is not a border's own decides. */
static enum class_answer span_holds(const struct class_term *term, const struct class_term *last, struct class_key *key)
{
	bool at_low = true, at_high = true, inside = true;

	for (; inside && term <= last; term++) {
		const uint32_t high = term->low + term->span;
		uint32_t value;

		if (!word_of(term, key, &value))
			return CLASS_PERHAPS;
		inside = !(at_low && value < term->low) && !(at_high && value > high);
		at_low = at_low && value == term->low;
		at_high = at_high && value == high;
	}
	return inside != !!(last->flags & TERM_NOT) ? CLASS_YES : CLASS_NO;
}

enum class_answer class_terms_hold(const struct class_term *terms, unsigned int count, struct class_key *key)
{
	enum class_answer all = CLASS_YES, any = CLASS_NO;

	for (unsigned int i = 0; i < count; i++) {
		const unsigned int first = i;

		while (unlikely(terms[i].flags & TERM_ON))
			i++;
		if (any != CLASS_YES) {
			const enum class_answer one = likely(i == first) ? term_holds(&terms[i], key) :
						      span_holds(&terms[first], &terms[i], key);

			any = one == CLASS_NO ? any : one;
		}
		if (terms[i].flags & TERM_OR)
			continue;
		if (any == CLASS_NO)
			return CLASS_NO;
		all = any == CLASS_PERHAPS ? any : all;
		any = CLASS_NO;
	}
	return all;
}

bool class_rule_allows(const struct class_rule *rule, struct class_key *key)
{
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		if ((key->word[w] & rule->mask[w]) != rule->value[w])
			return false;
	return in_one(rule->sports, rule->sport_count, (uint16_t)(key->word[CLASS_PORTS] >> 16)) &&
	       in_one(rule->dports, rule->dport_count, (uint16_t)key->word[CLASS_PORTS]) && (rule->states & key->states) &&
	       class_terms_hold(rule->terms, rule->term_count, key);
}
