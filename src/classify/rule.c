/*
 * classify/rule.c - what a rule asks for, put together condition by condition. Where two conditions are about
 * the same thing the first stays: half of what is known is still true.
 */
#include "classify/classify.h"

void class_rule_init(struct class_rule *rule, uint8_t family)
{
	memset(rule, 0, sizeof(*rule));
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

/* Does the range begin and end with its block? */
static bool fills_block(uint32_t low, uint32_t high)
{
	return !(low & (low ^ high)) && !(~high & (low ^ high)) && !((low ^ high) & ((low ^ high) + 1));
}

void class_rule_between(struct class_rule *rule, enum class_word first, const void *low, const void *high)
{
	for (unsigned int i = 0; i < address_words(rule); i++) {
		const uint32_t a = get_be32((const uint8_t *)low + 4 * i), b = get_be32((const uint8_t *)high + 4 * i);
		const unsigned int same = a == b ? 32 : (unsigned int)__builtin_clz(a ^ b);

		const uint32_t mask = same ? UINT32_MAX << (32 - same) : 0;

		class_rule_bits(rule, first + i, a & mask, mask);
		if (same < 32) {
			rule->is_partial |= !fills_block(a, b) || i + 1 < address_words(rule);
			return;
		}
	}
}

static void set_ranges(struct class_rule *rule, struct class_range *to, uint8_t *to_count, const struct class_range *ranges, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].low == 0 && ranges[i].high == UINT16_MAX)
			return;
	rule->is_partial |= count != 1 || *to_count || ranges[0].low > ranges[0].high;
	if (*to_count || !count || count > CLASS_RANGES)
		return;
	memcpy(to, ranges, count * sizeof(*ranges));
	*to_count = (uint8_t)count;
}

void class_rule_sports(struct class_rule *rule, const struct class_range *ranges, unsigned int count)
{
	set_ranges(rule, rule->sports, &rule->sport_count, ranges, count);
}

void class_rule_dports(struct class_rule *rule, const struct class_range *ranges, unsigned int count)
{
	set_ranges(rule, rule->dports, &rule->dport_count, ranges, count);
}

void class_rule_states(struct class_rule *rule, uint16_t states)
{
	if (rule->states == CLASS_STATE_ANY)	/* a packet has several: one of these and one of those is not one of both */
		rule->states = states;
	else
		rule->is_partial = true;
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

bool class_rule_allows(const struct class_rule *rule, const struct class_key *key)
{
	for (unsigned int w = 0; w < CLASS_WORDS; w++)
		if ((key->word[w] & rule->mask[w]) != rule->value[w])
			return false;
	return in_one(rule->sports, rule->sport_count, (uint16_t)(key->word[CLASS_PORTS] >> 16)) &&
	       in_one(rule->dports, rule->dport_count, (uint16_t)key->word[CLASS_PORTS]) && (rule->states & key->states);
}
