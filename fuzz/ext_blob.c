/*
 * fuzz/ext_blob.c - any bytes as the data of any match or target: what its check takes is asked about packets, saved,
 * and let go, without harm.
 *
 * Input: family (1 bit) and table, which extension, protocol of the rule, chain; then the extension's data, cut or zeroed
 * to its size.
 */
#include "rule_packets.h"
#include "seeds.h"

#include "table/table_internal.h"

#include "../tests/unit/ext/upstream_cases.h"

static const char *const tables_tried[] = { "filter", "mangle", "nat", "raw", "security" };
static const uint8_t protos_tried[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 132, 33, 50, 51, 108, 135, 136 };

struct chosen {
	const struct match *match;
	const struct target *target;
};

static struct chosen choose(uint8_t number)
{
	size_t matches = 0, targets = 0;

	while (ext_matches[matches])
		matches++;
	while (ext_targets[targets])
		targets++;
	number %= (uint8_t)MIN_OF(matches + targets, (size_t)255);
	if (number < matches)
		return (struct chosen){ .match = ext_matches[number] };
	return (struct chosen){ .target = ext_targets[number - matches] };
}

/* An empty table's blob with one rule before the end of one of its chains. */
static struct ipt_replace *blob_make(const struct table_kind *kind, uint8_t family, unsigned int chain, const struct chosen *ext,
				     uint8_t proto, const uint8_t *info, size_t info_len)
{
	struct ipt_replace *empty = table_initial_blob(kind, family), *blob;
	const size_t head = entry_head_size(family);
	const size_t data = XT_ALIGN(ext->match ? ext->match->info_size : ext->target->info_size);
	const size_t part = sizeof(struct xt_entry_match) + data;
	const size_t rule = head + part + (ext->match ? sizeof(struct xt_standard_target) : 0);
	unsigned int hook = chain % NF_INET_NUMHOOKS;
	uint8_t *at;

	while (!(kind->valid_hooks & 1u << hook))
		hook = (hook + 1) % NF_INET_NUMHOOKS;
	blob = calloc(1, BLOB_HEAD_SIZE + empty->size + rule);
	memcpy(blob, empty, BLOB_HEAD_SIZE);
	blob->size += (unsigned int)rule;
	blob->num_entries++;
	blob->num_counters = empty->num_entries;
	at = (uint8_t *)blob + BLOB_HEAD_SIZE;
	memcpy(at, (uint8_t *)empty + BLOB_HEAD_SIZE, empty->hook_entry[hook]);
	memcpy(at + empty->hook_entry[hook] + rule, (uint8_t *)empty + BLOB_HEAD_SIZE + empty->hook_entry[hook],
	       empty->size - empty->hook_entry[hook]);
	for (unsigned int i = 0; i < NF_INET_NUMHOOKS; i++) {
		if (i > hook)
			blob->hook_entry[i] += (unsigned int)rule;
		if (i >= hook)
			blob->underflow[i] += (unsigned int)rule;
	}
	at += empty->hook_entry[hook];
	if (family == NFPROTO_IPV4) {
		((struct ipt_entry *)at)->ip.proto = proto;
	} else {
		((struct ip6t_entry *)at)->ipv6.proto = proto;
		((struct ip6t_entry *)at)->ipv6.flags = proto ? IP6T_F_PROTO : 0;
	}
	entry_set_offsets(at, family, (uint16_t)(head + (ext->match ? part : 0)), (uint16_t)rule);
	struct xt_entry_match *m = (void *)(at + head);

	m->u.user.match_size = (uint16_t)part;
	m->u.user.revision = ext->match ? ext->match->revision : ext->target->revision;
	snprintf(m->u.user.name, sizeof(m->u.user.name), "%s", ext->match ? ext->match->name : ext->target->name);
	memcpy(m->data, info, MIN_OF(info_len, data));
	if (ext->match) {
		struct xt_standard_target *t = (void *)(at + head + part);

		t->target.u.user.target_size = sizeof(*t);
		t->verdict = -NF_ACCEPT - 1;
	}
	free(empty);
	return blob;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct refusal why = { 0 };
	struct ipt_replace *blob;
	struct xt_counters old[64];
	struct world *world;
	struct chosen ext;
	uint8_t family;

	if (size < 4 || size > 8192)
		return 0;
	family = data[0] & 1 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	ext = choose(data[1]);
	if (ext.match ? ext.match->abi_name != NULL : ext.target->abi_name || !ext.target->name[0])
		return 0;
	world = world_new(false);
	blob = blob_make(table_kind_find(tables_tried[(data[0] >> 1) % ARRAY_SIZE(tables_tried)]), family, data[3], &ext,
			 protos_tried[data[2] % ARRAY_SIZE(protos_tried)], data + 4, size - 4);
	/* the table has to be there, so that its counters have a known number */
	if (!tables_get_info(world->inst, family, &(struct ipt_getinfo){ .name = "filter" }, NULL)) {
		struct ipt_getinfo info = { .name = "" };

		strcpy(info.name, blob->name);
		if (!tables_get_info(world->inst, family, &info, NULL) && info.num_entries <= ARRAY_SIZE(old))
			blob->num_counters = info.num_entries;
	}
	if (!tables_replace(world->inst, family, blob, BLOB_HEAD_SIZE + blob->size, old, NULL, &why)) {
		struct strbuf saved = STRBUF_INIT;

		rules_save(world->inst, family, true, -1, &saved);
		rule_packets_send(world);
		sb_free(&saved);
	} else if (!why.text[0]) {
		abort();
	}
	free(blob);
	world_free(world);
	return 0;
}

/* --- what a run begins with --- */

enum { SEED_HEAD = 4, SEED_SIZE = SEED_HEAD + 4200 };

static uint8_t index_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (name && !strcmp(names[i], name))
			return (uint8_t)i;
	return 1;
}

/* @data behind a head that puts it into a rule which may well have it. */
static void seed_ext(uint8_t number, uint8_t family, const char *table, const uint8_t *data, size_t size)
{
	const struct chosen ext = choose(number);
	const uint16_t proto = ext.match ? ext.match->proto : ext.target->proto;
	const uint32_t hooks = ext.match ? ext.match->hooks : ext.target->hooks;
	const char *only = ext.match ? ext.match->table : ext.target->table;
	uint8_t seed[SEED_SIZE];

	seed[0] = (uint8_t)((family == NFPROTO_IPV6) | index_of(tables_tried, ARRAY_SIZE(tables_tried), only ? only : table) << 1);
	seed[1] = number;
	for (seed[2] = 0; proto && seed[2] + 1u < ARRAY_SIZE(protos_tried) && protos_tried[seed[2]] != proto;)
		seed[2]++;
	seed[3] = hooks ? (uint8_t)__builtin_ctz(hooks) : NF_INET_FORWARD;
	memcpy(seed + SEED_HEAD, data, size);
	seed_use(seed, SEED_HEAD + size);
}

static void seeds_of_registry(uint8_t count)
{
	static uint8_t data[SEED_SIZE - SEED_HEAD];
	static const uint8_t fills[] = { 0, 1, 0xff };

	for (unsigned int n = 0; n < count; n++) {
		const struct chosen ext = choose((uint8_t)n);
		const size_t size = ext.match ? ext.match->info_size : ext.target->info_size;
		const unsigned int families = ext.match ? ext.match->families : ext.target->families;

		if (size > sizeof(data))
			abort();
		for (size_t fill = 0; fill < ARRAY_SIZE(fills); fill++) {
			memset(data, fills[fill], size);
			if (families & FAMILY_V4)
				seed_ext((uint8_t)n, NFPROTO_IPV4, "mangle", data, size);
			if (families & FAMILY_V6)
				seed_ext((uint8_t)n, NFPROTO_IPV6, "mangle", data, size);
		}
	}
}

/* "tcp/0:00ff.. /0:c8.." - each extension's name, revision and data; the last one is the target. */
static void seeds_of_rule(const struct upstream_case *c, uint8_t count)
{
	static uint8_t data[SEED_SIZE - SEED_HEAD];
	const uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	for (const char *at = c->data; at && *at;) {
		char name[32] = "";
		unsigned int revision, byte;
		size_t len = strcspn(at, "/"), size = 0;

		memcpy(name, at, MIN_OF(len, sizeof(name) - 1));
		sscanf(at + len, "/%u", &revision);
		at = strchr(at, ':') + 1;
		len = strcspn(at, " ");
		for (; size < MIN_OF(len / 2, sizeof(data)) && sscanf(at + 2 * size, "%2x", &byte) == 1; size++)
			data[size] = (uint8_t)byte;
		for (unsigned int n = 0; n < count && *name; n++) {
			const struct chosen ext = choose((uint8_t)n);

			if (at[len] == ' ' ? ext.match && ext.match == match_find(name, (uint8_t)revision, family) :
			    ext.target && ext.target == target_find(name, (uint8_t)revision, family))
				seed_ext((uint8_t)n, family, c->table, data, size);
		}
		at += len + (at[len] == ' ');
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned int count = 0;

	for (const struct match *const *m = ext_matches; *m; m++)
		count++;
	for (const struct target *const *t = ext_targets; *t; t++)
		count++;
	if (count > 255)
		abort();	/* one byte chooses: make it two */
	seeds_of_registry((uint8_t)count);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!cases[i].exit_code)
			seeds_of_rule(&cases[i], (uint8_t)count);
	return 0;
}
