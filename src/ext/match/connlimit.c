/*
 * ext/match/connlimit.c - "-m connlimit": how many connections has this address, or this network?
 * Each rule keeps, per key (masked address and zone), the tuples it has met. Nobody tells it when a connection ends: a
 * tuple that conntrack no longer finds, or finds closed, is forgotten when the key is next counted. A packet of an
 * assured connection is not added any more, only counted against what is there.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_connlimit.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

enum {
	BUCKETS_MIN = 64,
	TIDY_KEYS = 8,			/* other keys of a bucket that are looked at when one is added */
	COLLECT_MAX = 64,		/* forgotten tuples per visit */
};

struct limit_tuple {
	struct list node;
	struct ct_tuple tuple;
	struct ct_zone zone;
};

struct limit_key {
	struct limit_key *next;
	union nf_inet_addr addr;
	uint32_t zone_id;
	unsigned int count, tidy_count;		/* tidy_count: as many as there were at tidy_tick */
	uint32_t tidy_tick;
	struct list tuples;			/* in order of arrival */
};

/* What the kernel calls nf_conncount_data; the rule's info points at it. */
struct limit_counts {
	struct limit_key **buckets;
	unsigned int bucket_count, key_count;
};

static uint16_t zone_id_of(const struct ct_zone *zone, int dir)
{
	return zone->dir & (1 << dir) ? zone->id : 0;
}

static bool is_closed(const struct ct *ct)
{
	return ct_proto_num(ct) == IPPROTO_TCP &&
	       (ct->proto.tcp.state == TCP_CONNTRACK_TIME_WAIT || ct->proto.tcp.state == TCP_CONNTRACK_CLOSE);
}

static void tuple_forget(struct limit_key *key, struct limit_tuple *t)
{
	list_remove(&t->node);
	key->count--;
	free(t);
}

/*
 * Goes through the key's tuples and forgets those without a living connection. With @same it stops at that one: true when
 * it was there (and stays, closed or not).
 */
static bool key_tidy(struct instance *inst, struct limit_key *key, const struct ct_tuple *same, const struct ct_zone *zone)
{
	unsigned int collected = 0;

	list_for_each_safe(node, &key->tuples) {
		struct limit_tuple *t = list_entry(node, struct limit_tuple, node);
		struct ct *ct;
		bool is_same, gone;
		int dir;

		if (collected > COLLECT_MAX)
			break;
		ct = ct_find(inst, &t->zone, &t->tuple, &dir);
		is_same = ct && same && ct_tuple_equal(&t->tuple, same) &&
			  zone_id_of(&ct->zone, IP_CT_DIR_ORIGINAL) == zone_id_of(zone, IP_CT_DIR_ORIGINAL);
		gone = !ct || (!is_same && is_closed(ct));
		ct_put(inst, ct);
		if (is_same)
			return true;
		if (gone) {
			tuple_forget(key, t);
			collected++;
		}
	}
	key->tidy_tick = (uint32_t)inst_jiffies(inst);
	key->tidy_count = key->count;
	return false;
}

static bool tuple_add(struct limit_key *key, const struct ct_tuple *tuple, const struct ct_zone *zone)
{
	struct limit_tuple *t = malloc(sizeof(*t));

	if (!t)
		return false;
	t->tuple = *tuple;
	t->zone = *zone;
	list_append(&key->tuples, &t->node);
	key->count++;
	return true;
}

static void key_free(struct limit_key *key)
{
	list_for_each_safe(node, &key->tuples)
		free(list_entry(node, struct limit_tuple, node));
	free(key);
}

static unsigned int bucket_of(const struct instance *inst, const struct limit_counts *counts, const union nf_inet_addr *addr,
			      uint32_t zone_id)
{
	uint64_t words[3] = { 0, 0, zone_id };

	memcpy(words, addr, sizeof(*addr));
	return siphash_words(words, ARRAY_SIZE(words), &inst->hash_key) & (counts->bucket_count - 1);
}

static void counts_grow(const struct instance *inst, struct limit_counts *counts)
{
	struct limit_counts grown = { .bucket_count = counts->bucket_count * 2 };

	grown.buckets = calloc(grown.bucket_count, sizeof(*grown.buckets));
	if (!grown.buckets)
		return;			/* longer chains, then */
	for (unsigned int i = 0; i < counts->bucket_count; i++) {
		for (struct limit_key *key = counts->buckets[i], *next; key; key = next) {
			unsigned int at = bucket_of(inst, &grown, &key->addr, key->zone_id);

			next = key->next;
			key->next = grown.buckets[at];
			grown.buckets[at] = key;
		}
	}
	free(counts->buckets);
	counts->buckets = grown.buckets;
	counts->bucket_count = grown.bucket_count;
}

static struct limit_key *key_new(struct instance *inst, struct limit_counts *counts, const union nf_inet_addr *addr,
				 uint32_t zone_id)
{
	unsigned int bucket = bucket_of(inst, counts, addr, zone_id), looked = 0;
	struct limit_key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	for (struct limit_key **at = &counts->buckets[bucket]; *at && looked < TIDY_KEYS; looked++) {
		struct limit_key *other = *at;

		key_tidy(inst, other, NULL, NULL);
		if (other->count) {
			at = &other->next;
			continue;
		}
		*at = other->next;
		counts->key_count--;
		key_free(other);
	}
	key->addr = *addr;
	key->zone_id = zone_id;
	key->tidy_tick = (uint32_t)inst_jiffies(inst);
	list_init(&key->tuples);
	key->next = counts->buckets[bucket];
	counts->buckets[bucket] = key;
	if (++counts->key_count > counts->bucket_count)
		counts_grow(inst, counts);
	return key;
}

/* What the packet's connection is called, and the connection if there is one (shared: ct_put()); false: it has no name. */
static bool tuple_of(struct instance *inst, const struct pkt *pkt, struct ct_tuple *tuple, struct ct_zone *zone, struct ct **ct)
{
	int dir;

	if (pkt->ct && !(pkt->ct->status & IPS_TEMPLATE)) {
		*tuple = *ct_tuple(pkt->ct, IP_CT_DIR_ORIGINAL);
		ct_get(pkt->ct);
		*ct = pkt->ct;
		return true;
	}
	if (!ct_tuple_of_packet(inst, pkt, tuple))
		return false;
	*ct = ct_find(inst, zone, tuple, &dir);
	return true;
}

/* Connections of the key, this one among them; 0: it cannot be said. */
static unsigned int count(struct instance *inst, struct limit_counts *counts, const struct pkt *pkt,
			  const union nf_inet_addr *addr, struct ct_zone zone)
{
	unsigned int bucket = bucket_of(inst, counts, addr, zone.id);
	struct limit_key *key = counts->buckets[bucket];
	struct ct_tuple tuple;
	struct ct *ct = NULL;
	bool is_confirmed, is_assured;

	if (!tuple_of(inst, pkt, &tuple, &zone, &ct))
		return 0;
	is_confirmed = ct && ct_is_confirmed(ct);
	is_assured = is_confirmed && ct->status & IPS_ASSURED;
	ct_put(inst, ct);
	while (key && (key->zone_id != zone.id || memcmp(&key->addr, addr, sizeof(*addr))))
		key = key->next;
	if (!key) {
		key = key_new(inst, counts, addr, zone.id);
		return key && tuple_add(key, &tuple, &zone) ? key->count : 0;
	}
	if (is_assured) {
		if (key->count && key->tidy_tick != (uint32_t)inst_jiffies(inst))
			key_tidy(inst, key, NULL, NULL);
		return key->count;	/* 0 when it was the last one and is closing: the packet goes, as in Linux */
	}
	/* a new connection needs no look around when there just was one */
	if (is_confirmed || key->tidy_tick != (uint32_t)inst_jiffies(inst) || key->count - key->tidy_count >= COLLECT_MAX)
		if (key_tidy(inst, key, &tuple, &zone))
			return key->count;
	return tuple_add(key, &tuple, &zone) ? key->count : 0;
}

static bool connlimit_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_connlimit_info *info = data;
	struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	bool daddr = info->flags & XT_CONNLIMIT_DADDR;
	union nf_inet_addr addr = { 0 };
	unsigned int connections;

	if (pkt->ct)
		zone = pkt->ct->zone;
	if (call->family == NFPROTO_IPV4) {
		addr.ip = (daddr ? pkt_ip4(pkt)->daddr : pkt_ip4(pkt)->saddr) & info->mask.ip;
	} else {
		addr.in6 = daddr ? pkt_ip6(pkt)->daddr : pkt_ip6(pkt)->saddr;
		for (unsigned int i = 0; i < 4; i++)
			addr.all[i] &= info->mask.all[i];
	}
	connections = count(call->inst, (struct limit_counts *)info->data, pkt, &addr, zone);
	if (connections == 0) {
		call->hotdrop = true;
		return false;
	}
	return (connections > info->limit) != !!(info->flags & XT_CONNLIMIT_INVERT);
}

static int connlimit_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_connlimit_info *info = data;
	struct limit_counts *counts = calloc(1, sizeof(*counts));

	if (counts) {
		counts->bucket_count = BUCKETS_MIN;
		counts->buckets = calloc(BUCKETS_MIN, sizeof(*counts->buckets));
	}
	if (!counts || !counts->buckets || ct_hooks_get(check->inst, check->family)) {
		if (counts)
			free(counts->buckets);
		free(counts);
		return refuse(why, -ENOMEM, "connlimit: no memory");
	}
	info->data = (struct nf_conncount_data *)counts;
	return 0;
}

static void connlimit_destroy(void *data, const struct ext_check *check)
{
	struct limit_counts *counts = (struct limit_counts *)((struct xt_connlimit_info *)data)->data;

	ct_hooks_put(check->inst, check->family);
	for (unsigned int i = 0; i < counts->bucket_count; i++) {
		for (struct limit_key *key = counts->buckets[i], *next; key; key = next) {
			next = key->next;
			key_free(key);
		}
	}
	free(counts->buckets);
	free(counts);
}

/* --- for an instance that goes on elsewhere: each key, its tuples in order --- */

static void connlimit_keep(const void *data, struct strbuf *out)
{
	const struct limit_counts *counts = (const void *)((const struct xt_connlimit_info *)data)->data;

	for (unsigned int i = 0; i < counts->bucket_count; i++) {
		for (const struct limit_key *key = counts->buckets[i]; key; key = key->next) {
			out_raw(out, &key->addr, sizeof(key->addr));
			out_u32(out, key->zone_id);
			out_u32(out, key->count);
			list_for_each(node, &key->tuples) {
				const struct limit_tuple *t = list_entry(node, struct limit_tuple, node);

				out_raw(out, &t->tuple, sizeof(t->tuple));
				out_u16(out, t->zone.id);
				out_u8(out, t->zone.flags);
				out_u8(out, t->zone.dir);
			}
		}
	}
}

static bool connlimit_give(void *data, struct instance *inst, struct bytes_in *in)
{
	struct limit_counts *counts = (struct limit_counts *)((struct xt_connlimit_info *)data)->data;

	while (in->at < in->end && !in->failed) {
		union nf_inet_addr addr;
		struct limit_key *key;
		uint32_t zone_id, count;

		in_raw(in, &addr, sizeof(addr));
		zone_id = in_u32(in);
		count = in_u32(in);
		key = in->failed ? NULL : counts->buckets[bucket_of(inst, counts, &addr, zone_id)];
		while (key && (key->zone_id != zone_id || memcmp(&key->addr, &addr, sizeof(addr))))
			key = key->next;
		if (!key && !in->failed)
			key = key_new(inst, counts, &addr, zone_id);
		for (uint32_t i = 0; i < count && !in->failed; i++) {
			struct ct_tuple tuple;
			struct ct_zone zone;

			in_raw(in, &tuple, sizeof(tuple));
			zone.id = in_u16(in);
			zone.flags = in_u8(in);
			zone.dir = in_u8(in);
			tuple.pad = 0;
			if (!in->failed && key)
				tuple_add(key, &tuple, &zone);
		}
	}
	return !in->failed;
}

/* --- text --- */

static int parse_limit(struct opt_call *call, struct refusal *why)
{
	if (call->invert != (strcmp(call->opt->name, "connlimit-upto") == 0))
		((struct xt_connlimit_info *)call->info)->flags |= XT_CONNLIMIT_INVERT;
	return 0;
}

/* A prefix length or a netmask; one with holes is no mask at all, as upstream reads it. */
static int parse_mask(struct opt_call *call, struct refusal *why)
{
	if (!opt_mask(call->arg, call->family, &((struct xt_connlimit_info *)call->info)->mask))
		return refuse(why, -EINVAL, "connlimit: --connlimit-mask takes a prefix length or a netmask, not \"%s\"", call->arg);
	return 0;
}

#define LIMIT .type = OPT_U32, .flags = OPT_INVERTIBLE, .parse = parse_limit, .at = offsetof(struct xt_connlimit_info, limit), \
	.size = 4, .arg = "number"
enum { ROW_UPTO, ROW_ABOVE, ROW_MASK };

static const struct opt connlimit_options[] = {
	{ .name = "connlimit-upto", LIMIT, .excludes = "connlimit-above", .help = "match if there are so many connections or fewer" },
	{ .name = "connlimit-above", LIMIT, .excludes = "connlimit-upto", .help = "match if there are more connections" },
	{ .name = "connlimit-mask", .type = OPT_CUSTOM, .parse = parse_mask, .arg = "length", .help = "count whole networks" },
	{ .name = "connlimit-saddr", .type = OPT_FLAG, .excludes = "connlimit-daddr", .help = "by source address (default)" },
	{ .name = "connlimit-daddr", .type = OPT_FLAG, .excludes = "connlimit-saddr", .help = "by destination address",
	  .set_at = offsetof(struct xt_connlimit_info, flags), .set_bits = XT_CONNLIMIT_DADDR, .set_width = 4 },
	OPT_END
};

static int connlimit_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_connlimit_info *info = data;

	if (!(seen & (1 << ROW_UPTO | 1 << ROW_ABOVE)))
		return refuse(why, -EINVAL, "connlimit: --connlimit-upto or --connlimit-above is required");
	if (!(seen & 1 << ROW_MASK))
		memset(&info->mask, 0xff, sizeof(info->mask));
	return 0;
}

/* Up to the last one from the right. */
static unsigned int mask_bits(const struct xt_connlimit_info *info, uint8_t family)
{
	unsigned int words = family == NFPROTO_IPV4 ? 1 : 4;

	for (unsigned int i = words; i-- > 0; )
		if (info->mask.all[i])
			return i * 32 + 32 - __builtin_ctz(ntohl(info->mask.all[i]));
	return 0;
}

static void connlimit_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connlimit_info *info = data;

	sb_printf(out, " --connlimit-%s %u --connlimit-mask %u --connlimit-%s", info->flags & XT_CONNLIMIT_INVERT ? "upto" : "above",
		  info->limit, mask_bits(info, view->family), info->flags & XT_CONNLIMIT_DADDR ? "daddr" : "saddr");
}

static void connlimit_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connlimit_info *info = data;

	sb_printf(out, " #conn %s/%u %s %u", info->flags & XT_CONNLIMIT_DADDR ? "dst" : "src", mask_bits(info, view->family),
		  info->flags & XT_CONNLIMIT_INVERT ? "<=" : ">", info->limit);
}

static const struct ext_text connlimit_text = {
	.options = connlimit_options, .help_head = "connlimit match options:", .finish = connlimit_finish,
	.save = connlimit_save, .print = connlimit_print,
};

const struct match match_connlimit = {
	.name = "connlimit", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_connlimit_info), .user_size = offsetof(struct xt_connlimit_info, data),
	.depends = DEP_STATE | DEP_L3_ADDRS | DEP_CT_TUPLE | DEP_CT_STATE,
	.match = connlimit_match, .checkentry = connlimit_check, .destroy = connlimit_destroy, .keep = connlimit_keep,
	.give = connlimit_give, .text = &connlimit_text,
};
