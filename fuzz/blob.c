/*
 * fuzz/blob.c - a valid blob of one of the world's tables, damaged step by step, handed to tables_replace(). What is
 * taken must be read back, saved, counted, edited and walked by packets without harm.
 *
 * Input: one byte chooses the table, then steps of 8 bytes: what, entry, field, where, and a 32-bit value.
 */
#include "rule_packets.h"

#include "table/table_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 8, STEPS_MAX = 64, BASES_MAX = 10 };

static const struct {
	uint8_t family;
	const char *name;
} bases[BASES_MAX] = {
	{ NFPROTO_IPV4, "filter" }, { NFPROTO_IPV4, "nat" }, { NFPROTO_IPV4, "mangle" }, { NFPROTO_IPV4, "raw" },
	{ NFPROTO_IPV6, "filter" }, { NFPROTO_IPV6, "nat" }, { NFPROTO_IPV6, "mangle" }, { NFPROTO_IPV4, "security" },
	{ NFPROTO_IPV6, "raw" }, { NFPROTO_IPV6, "security" },
};

struct blob {
	struct ipt_replace *head;	/* and the entries behind it, in one block */
	uint8_t *entries;
	uint8_t family;
	uint32_t size, number;
	uint32_t offsets[256];
};

static void blob_take(struct world *world, struct blob *b, unsigned int base)
{
	struct ipt_getinfo info = { .name = "" };

	strcpy(info.name, bases[base].name);
	b->family = bases[base].family;
	must(tables_get_info(world->inst, b->family, &info, NULL), &(struct refusal){ .text = "info" });
	b->head = calloc(1, BLOB_HEAD_SIZE + info.size);
	b->entries = (uint8_t *)b->head + BLOB_HEAD_SIZE;
	strcpy(b->head->name, info.name);
	b->head->valid_hooks = info.valid_hooks;
	b->head->num_entries = b->head->num_counters = info.num_entries;
	b->head->size = b->size = info.size;
	memcpy(b->head->hook_entry, info.hook_entry, sizeof(info.hook_entry));
	memcpy(b->head->underflow, info.underflow, sizeof(info.underflow));
	must(tables_get_entries(world->inst, b->family, info.name, b->entries, info.size, NULL, NULL),
	     &(struct refusal){ .text = "entries" });
	for (uint32_t at = 0; at < b->size && b->number < ARRAY_SIZE(b->offsets);) {
		b->offsets[b->number++] = at;
		at += entry_next_offset(b->entries + at, b->family);
	}
}

static void put(struct blob *b, uint32_t at, uint32_t value, uint32_t width)
{
	if (at <= b->size && b->size - at >= width)
		memcpy(b->entries + at, &value, width);
}

static void step(struct blob *b, const uint8_t *s)
{
	const uint32_t at = b->offsets[s[1] % b->number];
	const uint32_t head = (uint32_t)entry_head_size(b->family), tail = b->family == NFPROTO_IPV4 ? 88 : 140;
	uint32_t value, target;
	uint16_t target_offset;

	memcpy(&value, s + 4, sizeof(value));
	memcpy(&target_offset, b->entries + at + tail, sizeof(target_offset));
	target = at + target_offset;
	switch (s[0] % 12) {
	case 0:
		put(b, at + tail, value, 2);
		break;
	case 1:
		put(b, at + tail + 2, value, 2);
		break;
	case 2:			/* anything in the header */
		put(b, at + s[2] % head, value, 1);
		break;
	case 3:
		put(b, target + s[2], value, 1);
		break;
	case 4:
		put(b, target + s[2] % 64 / 4 * 4, value, 4);
		break;
	case 5:			/* a jump to the beginning of a rule */
		put(b, target + offsetof(struct xt_standard_target, verdict), b->offsets[value % b->number], 4);
		break;
	case 6:
		put(b, at + head + s[2], value, 1);
		break;
	case 7:
		put(b, at + head, value, 2);
		break;
	case 8:
		((uint32_t *)&b->head->valid_hooks)[s[2] % 14] = value;
		break;
	case 9:
		b->head->hook_entry[s[2] % NF_INET_NUMHOOKS] = b->offsets[value % b->number];
		break;
	case 10:
		b->head->underflow[s[2] % NF_INET_NUMHOOKS] = b->offsets[value % b->number];
		break;
	case 11:		/* one rule's bytes over another's */
		if (at + 200 <= b->size && b->offsets[value % b->number] + 200 <= b->size)
			memmove(b->entries + at, b->entries + b->offsets[value % b->number], 8 + s[2] % 192);
		break;
	}
}

static void count_rule(void *priv, const struct table_rule_view *rule)
{
	struct world *world = priv;
	struct strbuf out = STRBUF_INIT;

	world->bytes_out += strlen(rule->ref.chain) + rule->counters.pcnt;
	if (world->bytes_out % 8 == 0)
		rules_print_one(world->inst, &rule->ref, &out);
	sb_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf saved = STRBUF_INIT;
	struct refusal why = { 0 };
	struct xt_counters *old;
	struct world *world;
	struct blob b = { 0 };

	if (size < 1 || size > 1 + STEP * STEPS_MAX)
		return 0;
	world = world_new(true);
	blob_take(world, &b, data[0] % BASES_MAX);
	old = malloc(b.head->num_counters * sizeof(*old));
	for (size_t at = 1; at + STEP <= size; at += STEP)
		step(&b, data + at);
	if (b.head->size > b.size)
		b.head->size = b.size;
	if (!tables_replace(world->inst, b.family, b.head, BLOB_HEAD_SIZE + b.size, old, NULL, &why)) {
		rules_save(world->inst, b.family, true, -1, &saved);
		tables_each_rule(world->inst, b.family, count_rule, world);
		rule_packets_send(world);
	} else if (!why.text[0]) {
		abort();
	}
	free(old);
	free(b.head);
	sb_free(&saved);
	world_free(world);
	return 0;
}
