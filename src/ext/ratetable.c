/*
 * ext/ratetable.c - buckets of credit per group of packets, in the kernel's integers.
 * Every tick adds credit up to a cap, every packet below the limit takes its cost. Revision 1 counts in coarser units than
 * 2 and 3; byte rates count 16-byte chunks against a second's credit and know bursts as refills. A bucket nobody used for
 * a while is collected, not at its end but when the table's collector comes by: until then it is as good as ever.
 */
#include "ext/ratetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/ip6walk.h"
#include "ext/state.h"

#define CREDIT_PER_TICK 549755813888ull		/* 2^39: a day's ticks of it fit into 64 bits */
enum {
	CREDIT_PER_TICK_1 = 128,		/* revision 1: into 32 bits */
	BYTE_CREDIT_PER_TICK = 1 << 24,		/* byte rates: a second's ticks into 32 bits */
	SIZE_DEFAULT = 8192,			/* as on any host with a gigabyte or more */
	ENTRIES_PER_BUCKET = 8,
};
#define BYTE_CREDIT_CAP ((uint64_t)BYTE_CREDIT_PER_TICK * WEIR_HZ)

struct rate_key {
	union nf_inet_addr src, dst;
	be16 src_port, dst_port;
	uint32_t pad;
};

struct rate_bucket {
	struct rate_bucket *next;	/* in its hash chain */
	struct list by_use;
	struct rate_key key;
	int64_t expires, prev;		/* ticks */
	uint64_t credit, cap, cost;
	/* rate-match */
	uint64_t current, rate, burst;
	uint32_t interval;
	bool was_over;
};

struct rate_table {
	struct list node;
	struct instance *inst;
	char name[NAME_MAX + 1];
	uint8_t family;
	unsigned int rules, count, revision;	/* revision: of the rule that made it, for its file */
	struct hashlimit_cfg3 cfg;
	int64_t born;			/* tick; the collector comes by every gc_interval from there */
	struct timer collector;
	struct list by_use;		/* who expires first stands first */
	struct rate_bucket *chains[];
};

struct rate_tables { struct list all; };

static void rate_tables_init(struct instance *inst, void *state)
{
	list_init(&((struct rate_tables *)state)->all);
}

static void rate_tables_save(struct instance *inst, void *state, struct strbuf *out);
static bool rate_tables_load(struct instance *inst, void *state, struct bytes_in *in);
static const struct ext_state_kind rate_kind = {
	.size = sizeof(struct rate_tables), .init = rate_tables_init, .name = "hashlimit", .save = rate_tables_save,
	.load = rate_tables_load,
};

/* --- credit --- */

uint64_t rate_credits(uint64_t user, unsigned int revision)
{
	uint64_t scale = revision == 1 ? XT_HASHLIMIT_SCALE : XT_HASHLIMIT_SCALE_v2;
	uint64_t second = WEIR_HZ * (revision == 1 ? (uint64_t)CREDIT_PER_TICK_1 : CREDIT_PER_TICK);

	return user * (second / scale);		/* whole credits per unit of time: the rest is lost, as in Linux */
}

uint32_t rate_credits_bytes(uint32_t user)
{
	return (uint32_t)((user * BYTE_CREDIT_CAP) >> 32);
}

static uint64_t bytes_per_second(uint32_t user)
{
	uint64_t chunks = user ? UINT32_MAX / user : UINT32_MAX;

	return (chunks - 1) << XT_HASHLIMIT_BYTE_SHIFT;
}

static int64_t ticks_of_ms(uint32_t ms)
{
	if ((int32_t)ms < 0)
		return INT64_MAX / 4;		/* as good as never */
	return ((int64_t)ms * WEIR_HZ + 999) / 1000;
}

static void bucket_begin(struct rate_bucket *b, const struct rate_table *table, unsigned int revision, int64_t now)
{
	const struct hashlimit_cfg3 *cfg = &table->cfg;

	b->prev = now;
	if (revision >= 3 && cfg->mode & XT_HASHLIMIT_RATE_MATCH) {
		b->interval = cfg->interval;
		if (cfg->mode & XT_HASHLIMIT_BYTES) {
			b->rate = bytes_per_second((uint32_t)cfg->avg);
			b->burst = cfg->burst ? cfg->burst * b->rate : b->rate;
		} else {
			b->rate = cfg->avg ? XT_HASHLIMIT_SCALE_v2 / cfg->avg : 0;
			b->burst = cfg->burst + b->rate;
		}
	} else if (cfg->mode & XT_HASHLIMIT_BYTES) {
		b->credit = BYTE_CREDIT_CAP;
		b->cost = rate_credits_bytes((uint32_t)cfg->avg);
		b->cap = cfg->burst;		/* refills left */
	} else {
		b->credit = b->cap = rate_credits(cfg->avg * cfg->burst, revision);
		b->cost = rate_credits(cfg->avg, revision);
	}
}

static void bucket_refill(struct rate_bucket *b, int64_t now, uint32_t mode, unsigned int revision)
{
	uint64_t passed = (uint64_t)(now - b->prev), cap;

	if (!passed)
		return;
	if (revision >= 3 && mode & XT_HASHLIMIT_RATE_MATCH) {
		uint64_t interval = (uint32_t)(b->interval * WEIR_HZ);

		if (passed < interval)
			return;
		b->prev = now;
		b->was_over = b->current * interval > passed * b->rate;
		b->current = 0;
		return;
	}
	b->prev = now;
	if (mode & XT_HASHLIMIT_BYTES) {
		uint64_t before = b->credit;

		cap = BYTE_CREDIT_CAP;
		b->credit += BYTE_CREDIT_PER_TICK * passed;
		if (before >= b->credit)
			b->credit = cap;	/* it went around */
	} else {
		cap = b->cap;
		b->credit += passed * (revision == 1 ? (uint64_t)CREDIT_PER_TICK_1 : CREDIT_PER_TICK);
	}
	if (b->credit > cap)
		b->credit = cap;
}

/* The cost of so many bytes; takes one of the refills when there is not enough. */
static uint32_t bytes_cost(struct rate_bucket *b, uint32_t len)
{
	uint64_t cost = ((len >> XT_HASHLIMIT_BYTE_SHIFT) + 1) * b->cost;

	if (cost > BYTE_CREDIT_CAP)
		cost = BYTE_CREDIT_CAP;
	if (b->credit < cost && b->cap) {
		b->cap--;
		b->credit = BYTE_CREDIT_CAP;
	}
	return (uint32_t)cost;
}

/* --- groups --- */

static be32 mask_word(be32 word, unsigned int len)
{
	return len ? htonl(ntohl(word) & ~0u << (32 - len)) : 0;
}

static void mask_addr(union nf_inet_addr *addr, unsigned int len)
{
	for (unsigned int i = 0; i < 4; i++, len -= MIN_OF(len, 32u))
		addr->all[i] = mask_word(addr->all[i], MIN_OF(len, 32u));
}

/* Where a protocol has what tells its flows apart; -1: nowhere. */
static int ports_offset(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP: case IPPROTO_UDP: case IPPROTO_DCCP: case IPPROTO_ESP: case IPPROTO_SCTP: case IPPROTO_UDPLITE:
		return 0;
	case IPPROTO_AH:
		return 4;
	}
	return -1;
}

static bool key_of(const struct rate_table *table, const struct pkt *pkt, const struct ext_call *call, struct rate_key *key)
{
	const struct hashlimit_cfg3 *cfg = &table->cfg;
	bool is4 = table->family == NFPROTO_IPV4;
	uint32_t mode = cfg->mode, l4 = call->thoff;
	const uint8_t *ports;
	uint8_t proto;
	int at;

	memset(key, 0, sizeof(*key));
	if (mode & XT_HASHLIMIT_HASH_DIP) {
		if (is4)
			key->dst.ip = mask_word(pkt_ip4(pkt)->daddr, cfg->dstmask);
		else
			key->dst.in6 = pkt_ip6(pkt)->daddr;
		if (!is4)
			mask_addr(&key->dst, cfg->dstmask);
	}
	if (mode & XT_HASHLIMIT_HASH_SIP) {
		if (is4)
			key->src.ip = mask_word(pkt_ip4(pkt)->saddr, cfg->srcmask);
		else
			key->src.in6 = pkt_ip6(pkt)->saddr;
		if (!is4)
			mask_addr(&key->src, cfg->srcmask);
	}
	if (!(mode & (XT_HASHLIMIT_HASH_DPT | XT_HASHLIMIT_HASH_SPT)))
		return true;
	if (is4) {
		proto = pkt_ip4(pkt)->protocol;
	} else {
		struct ip6_walk walk = ip6_walk(pkt);

		if (!walk.ok)
			return false;
		proto = walk.proto;
		l4 = walk.off;
	}
	at = ports_offset(proto);
	if (at < 0)
		return true;
	ports = pkt_at(pkt, l4 + at, 4);	/* a later fragment's bytes are taken for ports, as in Linux */
	if (!ports)
		return false;
	if (mode & XT_HASHLIMIT_HASH_SPT)
		memcpy(&key->src_port, ports, 2);
	if (mode & XT_HASHLIMIT_HASH_DPT)
		memcpy(&key->dst_port, ports + 2, 2);
	return true;
}

static struct rate_bucket **chain_of(struct rate_table *table, const struct rate_key *key)
{
	uint64_t hash = siphash(key, sizeof(*key), &table->inst->hash_key);

	return &table->chains[hash_scale((uint32_t)hash, table->cfg.size)];
}

/* When the collector comes by next, at or after this tick. */
static void collector_arm(struct rate_table *table, int64_t tick)
{
	int64_t every = MAX_OF(ticks_of_ms(table->cfg.gc_interval), (int64_t)1), due;

	due = table->born + (MAX_OF(tick - table->born, (int64_t)1) + every - 1) / every * every;
	if (due < INT64_MAX / NSEC_PER_JIFFY)
		timer_arm(table->inst->timers, &table->collector, due * NSEC_PER_JIFFY);
}

static void bucket_free(struct rate_table *table, struct rate_bucket *b)
{
	struct rate_bucket **at = chain_of(table, &b->key);

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	list_remove(&b->by_use);
	table->count--;
	free(b);
}

static void collect(struct timer *timer, void *arg, int64_t now_ns)
{
	struct rate_table *table = arg;

	while (!list_is_empty(&table->by_use)) {
		struct rate_bucket *oldest = list_entry(table->by_use.next, struct rate_bucket, by_use);

		if (oldest->expires > now_ns / NSEC_PER_JIFFY) {
			collector_arm(table, oldest->expires);
			return;
		}
		bucket_free(table, oldest);
	}
}

static struct rate_bucket *bucket_new(struct rate_table *table, const struct rate_key *key, unsigned int revision,
				      int64_t now)
{
	struct rate_bucket **chain = chain_of(table, key);
	struct rate_bucket *b = table->count < table->cfg.max ? calloc(1, sizeof(*b)) : NULL;

	if (!b)
		return NULL;
	b->key = *key;
	b->next = *chain;
	*chain = b;
	table->count++;
	list_append(&table->by_use, &b->by_use);
	b->expires = now + ticks_of_ms(table->cfg.expire);
	bucket_begin(b, table, revision, now);
	if (!timer_is_armed(&table->collector))
		collector_arm(table, b->expires);
	return b;
}

int rate_table_ask(struct rate_table *table, const struct pkt *pkt, const struct ext_call *call, uint32_t mode,
		   unsigned int revision)
{
	int64_t now = inst_jiffies(table->inst);
	struct rate_bucket *b;
	struct rate_key key;
	uint64_t cost;

	if (!key_of(table, pkt, call, &key))
		return -1;
	for (b = *chain_of(table, &key); b && memcmp(&b->key, &key, sizeof(key)); b = b->next)
		;
	if (b) {
		b->expires = now + ticks_of_ms(table->cfg.expire);
		list_remove(&b->by_use);
		list_append(&table->by_use, &b->by_use);
		bucket_refill(b, now, table->cfg.mode, revision);
	} else {
		b = bucket_new(table, &key, revision, now);
		if (!b)
			return -1;
	}
	if (mode & XT_HASHLIMIT_RATE_MATCH) {
		b->current += mode & XT_HASHLIMIT_BYTES ? pkt->len : 1;
		return !b->was_over && b->current <= b->burst;
	}
	cost = mode & XT_HASHLIMIT_BYTES ? bytes_cost(b, pkt->len) : b->cost;
	if (b->credit < cost)
		return 0;
	b->credit -= cost;
	return 1;
}

/* --- /proc/net/ipt_hashlimit/NAME, ip6t_hashlimit/NAME --- */

static void add_group(struct strbuf *out, const union nf_inet_addr *addr, be16 port, uint8_t family)
{
	char text[INET6_ADDRSTRLEN];

	if (family == NFPROTO_IPV4)
		sb_adds(out, inet_ntop(AF_INET, addr, text, sizeof(text)));
	else
		for (unsigned int i = 0; i < 8; i++)
			sb_printf(out, "%s%04x", i ? ":" : "", ntohs(addr->in6.s6_addr16[i]));
	sb_printf(out, ":%u", ntohs(port));
}

static void table_print(void *priv, struct strbuf *out)
{
	struct rate_table *table = priv;
	int64_t now = inst_jiffies(table->inst);

	list_for_each(node, &table->by_use) {
		struct rate_bucket *b = list_entry(node, struct rate_bucket, by_use);

		bucket_refill(b, now, table->cfg.mode, table->revision);
		sb_printf(out, "%" PRId64 " ", (b->expires - now) / WEIR_HZ);
		add_group(out, &b->key.src, b->key.src_port, table->family);
		sb_adds(out, "->");
		add_group(out, &b->key.dst, b->key.dst_port, table->family);
		/* Linux shows a rate-match's numbers by the memory that they share with the others */
		if (table->cfg.mode & XT_HASHLIMIT_RATE_MATCH)
			sb_printf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", b->interval | (uint64_t)b->was_over << 32,
				  b->current, b->rate);
		else
			sb_printf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", b->credit, b->cap, b->cost);
	}
}

/* --- from one life of the instance to the next --- */

static void rate_tables_save(struct instance *inst, void *state, struct strbuf *out)
{
	const struct rate_tables *tables = state;

	list_for_each(at_table, &tables->all) {
		const struct rate_table *table = list_entry(at_table, struct rate_table, node);

		out_text(out, table->name);
		out_u8(out, table->family);
		out_raw(out, &table->cfg, sizeof(table->cfg));
		list_for_each(node, &table->by_use) {
			const struct rate_bucket *b = list_entry(node, struct rate_bucket, by_use);

			out_u8(out, 1);
			out_raw(out, &b->key, sizeof(b->key));
			out_u64(out, (uint64_t)b->expires);
			out_u64(out, (uint64_t)b->prev);
			out_u64(out, b->credit);
			out_u64(out, b->cap);
			out_u64(out, b->current);
			out_u8(out, b->was_over);
		}
		out_u8(out, 0);
	}
}

static bool bucket_load(struct rate_table *table, struct bytes_in *in)
{
	struct rate_bucket read = { 0 }, *b;
	int64_t now;

	in_raw(in, &read.key, sizeof(read.key));
	read.expires = (int64_t)in_u64(in);
	read.prev = (int64_t)in_u64(in);
	read.credit = in_u64(in);
	read.cap = in_u64(in);
	read.current = in_u64(in);
	read.was_over = in_u8(in) != 0;
	if (in->failed)
		return false;
	now = table ? inst_jiffies(table->inst) : 0;
	if (!table || read.expires <= now || read.prev > now || read.prev < 0)
		return true;
	for (b = *chain_of(table, &read.key); b && memcmp(&b->key, &read.key, sizeof(read.key)); b = b->next)
		;
	b = b ? NULL : bucket_new(table, &read.key, table->revision, now);
	if (!b)
		return true;
	b->expires = MIN_OF(read.expires, b->expires);
	b->prev = read.prev;
	b->credit = MIN_OF(read.credit, b->credit);
	b->cap = MIN_OF(read.cap, b->cap);
	b->current = read.current;
	b->was_over = read.was_over;
	return true;
}

/* Only into a table that counts as the saved one did. */
static bool rate_tables_load(struct instance *inst, void *state, struct bytes_in *in)
{
	const struct rate_tables *tables = state;

	while (in->at < in->end && !in->failed) {
		struct rate_table *table = NULL;
		struct hashlimit_cfg3 cfg;
		char name[NAME_MAX + 1];
		uint8_t family, more;

		in_text(in, name, sizeof(name));
		family = in_u8(in);
		in_raw(in, &cfg, sizeof(cfg));
		list_for_each(node, &tables->all) {
			struct rate_table *other = list_entry(node, struct rate_table, node);

			if (other->family == family && !strcmp(other->name, name) && !memcmp(&other->cfg, &cfg, sizeof(cfg)))
				table = other;
		}
		while (!in->failed && (more = in_u8(in)))
			if (more != 1 || !bucket_load(table, in))
				return false;
	}
	return !in->failed;
}

/* --- life --- */

static void path_of(const struct rate_table *table, char *path, size_t size)
{
	snprintf(path, size, "/proc/net/%s/%s", table->family == NFPROTO_IPV4 ? "ipt_hashlimit" : "ip6t_hashlimit", table->name);
}

static struct rate_table *table_new(struct instance *inst, const char *name, uint8_t family,
				    const struct hashlimit_cfg3 *cfg, unsigned int revision)
{
	unsigned int size = cfg->size ? MIN_OF(cfg->size, (unsigned int)RATE_TABLE_SIZE_MAX) : SIZE_DEFAULT;
	struct rate_table *table = calloc(1, sizeof(*table) + size * sizeof(table->chains[0]));
	char path[NAME_MAX + 32];

	if (!table)
		return NULL;
	table->inst = inst;
	snprintf(table->name, sizeof(table->name), "%s", name);
	table->family = family;
	table->revision = revision;
	table->cfg = *cfg;
	table->cfg.size = size;
	table->cfg.max = cfg->max ? MAX_OF(MIN_OF(cfg->max, (unsigned int)RATE_TABLE_SIZE_MAX), size) : ENTRIES_PER_BUCKET * size;
	table->born = inst_jiffies(inst);
	list_init(&table->by_use);
	timer_init(&table->collector, collect, table);
	path_of(table, path, sizeof(path));
	if (proc_register(inst->files, &(struct proc_file){ .path = path, .print = table_print, .priv = table })) {
		free(table);
		return NULL;
	}
	return table;
}

struct rate_table *rate_table_get(struct instance *inst, const char *name, uint8_t family,
				  const struct hashlimit_cfg3 *cfg, unsigned int revision, struct refusal *why)
{
	struct rate_tables *tables = ext_state(inst, &rate_kind);
	struct rate_table *table;

	if (tables) {
		list_for_each(node, &tables->all) {
			table = list_entry(node, struct rate_table, node);
			if (table->family != family || strcmp(table->name, name))
				continue;
			if ((table->cfg.mode ^ cfg->mode) & XT_HASHLIMIT_RATE_MATCH) {
				refuse(why, -EINVAL, "hashlimit: the table \"%s\" is there %s --hashlimit-rate-match", name,
				       cfg->mode & XT_HASHLIMIT_RATE_MATCH ? "without" : "with");
				return NULL;
			}
			table->rules++;
			return table;
		}
	}
	table = tables ? table_new(inst, name, family, cfg, revision) : NULL;
	if (!table) {
		refuse(why, -ENOMEM, "hashlimit: no memory for the table \"%s\"", name);
		return NULL;
	}
	table->rules = 1;
	list_append(&tables->all, &table->node);
	return table;
}

void rate_table_put(struct rate_table *table)
{
	char path[NAME_MAX + 32];

	if (--table->rules)
		return;
	path_of(table, path, sizeof(path));
	proc_unregister(table->inst->files, path);
	timer_cancel(table->inst->timers, &table->collector);
	while (!list_is_empty(&table->by_use))
		bucket_free(table, list_entry(table->by_use.next, struct rate_bucket, by_use));
	list_remove(&table->node);
	free(table);
}
