/*
 * table/memory.c - what rules remember each by itself (quota, limit, ...), for an instance that goes on elsewhere. A rule is
 * known again by what user space sees of it and by its chain; of equal ones the first gets what the first had.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "table/table_internal.h"

#include <stdlib.h>

typedef int (*rule_visit)(void *priv, const struct ruleset *rs, uint8_t *entry, uint64_t name);

static const struct match *match_of(const struct xt_entry_match *m)
{
	return (const struct match *)m->u.kernel.match;
}

static bool has_memory(const uint8_t *entry, uint8_t family)
{
	for_each_match(m, entry, family)
		if (match_of(m)->keep)
			return true;
	return false;
}

/* A hash of family, table, chain, and the rule without counters; where a jump goes is left out, places move. 0: no memory. */
static uint64_t rule_name(const struct ruleset *rs, uint32_t place)
{
	static const struct hash_key key = { { 0x72656d656d626572ull, 0x7765697272756c65ull } };
	const struct table_rule_ref *ref = table_rule(rs, entry_id(rs, rs->at[place]));
	const uint16_t size = entry_next_offset(rs->at[place], rs->family);
	struct strbuf text = STRBUF_INIT;
	uint8_t *own = calloc(1, size);
	uint64_t hash = 0;

	if (!own)
		return 0;
	ruleset_export_entry(rs, place, own);
	*entry_counters(own, rs->family) = (struct xt_counters){ 0 };
	*entry_comefrom(own, rs->family) = 0;
	if (target_is_standard(entry_target(own, rs->family))) {
		struct xt_standard_target *t = entry_target(own, rs->family);

		t->verdict = MIN_OF(t->verdict, 0);
	}
	out_u8(&text, rs->family);
	out_text(&text, rs->table);
	out_text(&text, ref->chain);
	out_raw(&text, own, size);
	if (!text.failed)
		hash = siphash(sb_str(&text), text.len, &key);
	sb_free(&text);
	free(own);
	return hash;
}

/* All rules that have something to remember, in their order. */
static int each_rule(struct instance *inst, rule_visit visit, void *priv)
{
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	int err = 0;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		list_for_each(node, tables_of(inst->tables, families[f])) {
			const struct ruleset *rs = list_entry(node, struct table, node)->rules;

			for (uint32_t place = 0; place < rs->number && !err; place++)
				if (rs->roles[entry_id(rs, rs->at[place])] == ROLE_RULE && has_memory(rs->at[place], rs->family))
					err = visit(priv, rs, rs->at[place], rule_name(rs, place));
		}
	}
	return err;
}

/* --- taking: each rule's name, and its matches' bytes --- */

static int rule_keep(void *priv, const struct ruleset *rs, uint8_t *entry, uint64_t name)
{
	struct strbuf *out = priv, rule = STRBUF_INIT, one = STRBUF_INIT;

	for_each_match(m, entry, rs->family) {
		if (!match_of(m)->keep)
			continue;
		sb_reset(&one);
		match_of(m)->keep(m->data, &one);
		out_text(&rule, match_of(m)->name);
		out_u32(&rule, (uint32_t)one.len);
		out_raw(&rule, sb_str(&one), one.len);
	}
	out_u64(out, name);
	out_u32(out, (uint32_t)rule.len);
	out_raw(out, sb_str(&rule), rule.len);
	out->failed |= rule.failed | one.failed;
	sb_free(&rule);
	sb_free(&one);
	return 0;
}

void tables_memory_save(struct instance *inst, struct strbuf *out)
{
	each_rule(inst, rule_keep, out);
}

/* --- giving --- */

struct remembered { uint64_t name; struct bytes_in bytes; uint32_t order, taken; };	/* taken: of the first of its name */
struct memory { struct remembered *rules; uint32_t count; struct instance *inst; };

static int by_name(const void *a, const void *b)
{
	const struct remembered *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static struct remembered *memory_find(struct memory *memory, uint64_t name)
{
	uint32_t low = 0, high = memory->count;
	struct remembered *first;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (memory->rules[mid].name < name)
			low = mid + 1;
		else
			high = mid;
	}
	first = &memory->rules[low];
	if (low == memory->count || first->name != name || first->taken >= memory->count - low || first[first->taken].name != name)
		return NULL;
	return &first[first->taken++];
}

static int rule_give(void *priv, const struct ruleset *rs, uint8_t *entry, uint64_t name)
{
	struct memory *memory = priv;
	const struct remembered *rule = memory_find(memory, name);
	struct bytes_in in;

	if (!rule)
		return 0;
	in = rule->bytes;
	for_each_match(m, entry, rs->family) {
		char its[XT_EXTENSION_MAXNAMELEN];
		struct bytes_in one = { .failed = false };
		uint32_t len;

		if (!match_of(m)->keep)
			continue;
		in_text(&in, its, sizeof(its));
		len = in_u32(&in);
		one.at = in_take(&in, len);
		if (!one.at || strcmp(its, match_of(m)->name))
			return -EINVAL;
		one.end = one.at + len;
		if (!match_of(m)->give(m->data, memory->inst, &one))
			return -EINVAL;
	}
	return 0;
}

/* How many rules' there are; -1: damaged. */
static int64_t memory_count(const void *bytes, size_t len)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	int64_t count = 0;

	for (; in.at < in.end; count++) {
		in_u64(&in);
		in_take(&in, in_u32(&in));
		if (in.failed)
			return -1;
	}
	return count;
}

int tables_memory_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	int64_t count = memory_count(bytes, len);
	struct memory memory = { .inst = inst };
	int err;

	if (count < 0)
		return refuse(why, -EINVAL, "what rules remember of packets is damaged");
	memory.rules = calloc((size_t)count + 1, sizeof(*memory.rules));
	if (!memory.rules)
		return refuse(why, -ENOMEM, "no memory for what rules remember");
	for (; memory.count < count; memory.count++) {
		struct remembered *rule = &memory.rules[memory.count];
		uint32_t rule_len;

		rule->name = in_u64(&in);
		rule->order = memory.count;
		rule_len = in_u32(&in);
		rule->bytes.at = in_take(&in, rule_len);
		rule->bytes.end = rule->bytes.at + rule_len;
	}
	qsort(memory.rules, memory.count, sizeof(*memory.rules), by_name);
	err = each_rule(inst, rule_give, &memory);
	free(memory.rules);
	return err ? refuse(why, err, "what a rule remembers of packets is damaged") : 0;
}
