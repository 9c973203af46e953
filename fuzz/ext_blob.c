/*
 * fuzz/ext_blob.c - any bytes as the data of any match or target: what its check takes is asked about packets, saved,
 * and let go, without harm.
 *
 * Input: family (1 bit) and table, which extension, protocol of the rule, chain; then the extension's data, cut or zeroed
 * to its size.
 */
#include "rule_packets.h"

#include "table/table_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
