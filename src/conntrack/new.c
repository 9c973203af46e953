/*
 * conntrack/new.c - how a connection begins: the limit, early drop, what a record starts with.
 * Early drop looks only into the few buckets next to the new tuple's own, as the kernel does: the
 * kernel's buckets are ranges of hashes, whatever size our own table has.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "nat/nat.h"

enum { CT_GC_AFTER_JIFFIES = 60 * WEIR_HZ };	/* the kernel's garbage scan comes round at least this often */
enum { VICTIMS_ASKED = 32 };			/* together */
enum { GC_LOOKS_MAX = 4096 };			/* a tick */

const struct ct_zone ct_zone_default = { 0, 0, CT_ZONE_DIR_BOTH };

/* Memory of those who will go: of a full table of a flood nearly all lies in DRAM. First the nodes, then their records, then what hangs on those. */
static void ask_ahead(const struct instance *inst, uint64_t hash, uint64_t end)
{
	const struct ct_table *table = inst->ct;
	struct ct_node *nodes[VICTIMS_ASKED];
	unsigned int n = 0, bits;

	for (; hash < end && n < VICTIMS_ASKED; hash = ((hash >> (32 - bits)) + 1) << (32 - bits)) {
		nodes[n] = ct_link_node(*ct_bucket_of(table, (uint32_t)hash, &bits));
		__builtin_prefetch(nodes[n], 1);
		n += nodes[n] != NULL;
	}
	for (unsigned int i = 0, heads = n; i < heads; i++) {
		if (n < VICTIMS_ASKED) {
			nodes[n] = ct_link_node(nodes[i]->next);
			__builtin_prefetch(nodes[n], 1);
			n += nodes[n] != NULL;
		}
	}
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int line = 0; line < sizeof(struct ct); line += 64)
			__builtin_prefetch((const uint8_t *)ct_of_node(nodes[i]) + line, 1);
	for (unsigned int i = 0; i < n; i++) {
		struct ct *ct = ct_of_node(nodes[i]);

		if (ct->status & IPS_ASSURED)
			continue;
		nat_ct_ending(inst, ct);
		ct_wheel_ask(table, ct);
		__builtin_prefetch(ct_bucket(table, ct_node_hash(table, &ct->node[!nodes[i]->tuple.dir])), 1);
	}
}

/* One of the kernel's buckets: every connection in it that is not assured goes. While our table grows, part of it may have moved. */
static unsigned int drop_in_bucket(struct instance *inst, uint32_t nominal)
{
	struct ct_table *table = inst->ct;
	const uint32_t n = table->conf.buckets;
	uint64_t hash = (((uint64_t)nominal << 32) + n - 1) / n;
	const uint64_t end = (((uint64_t)(nominal + 1) << 32) + n - 1) / n;
	unsigned int dropped = 0;

	ask_ahead(inst, hash, end);
	while (hash < end) {
		unsigned int bits;
		const ct_link *bucket = ct_bucket_of(table, (uint32_t)hash, &bits);
		struct ct_node *node = ct_link_node(*bucket);

		while (node) {
			struct ct *ct = ct_of_node(node);

			if (ct->status & IPS_ASSURED || hash_scale(ct_node_hash(table, node), n) != nominal ||
			    !ct_end(inst, ct, false)) {
				node = ct_link_node(node->next);
				continue;
			}
			dropped++;
			node = ct_link_node(*bucket);	/* both its nodes may have been in here */
		}
		hash = ((hash >> (32 - bits)) + 1) << (32 - bits);
	}
	return dropped;
}

static bool early_drop(struct instance *inst, uint32_t hash)
{
	struct ct_table *table = inst->ct;
	uint32_t nominal = hash_scale(hash, table->conf.buckets);

	for (int i = 0; i < CT_EVICTION_RANGE; i++) {
		unsigned int dropped = drop_in_bucket(inst, nominal);

		if (dropped) {
			table->stats.early_drop += dropped;
			return true;
		}
		nominal = (nominal + 1) % table->conf.buckets;
	}
	return false;
}

static bool may_thin_out(const struct instance *inst, const struct ct *ct)
{
	const struct ct_proto *proto = ct_proto_of(inst, ct_proto_num(ct));

	return !(ct->status & IPS_ASSURED) || (proto->can_early_drop && proto->can_early_drop(ct));
}

static bool thin_out(void *priv, struct ct *ct)
{
	struct instance *inst = priv;

	if (inst->ct->count < inst->ct->conf.max / 100u * 95u)
		return false;
	if (may_thin_out(inst, ct))
		ct_end(inst, ct, false);
	return true;
}

/* The same in a live instance: a number of records a tick, and the next ones at the next tick. */
static void thin_out_some(struct instance *inst)
{
	struct ct_table *table = inst->ct;
	uint32_t looked = 0, batch = table->wheel.batch;
	const unsigned int count = table->count;

	while (table->gc_chunk < table->chunk_count && looked < GC_LOOKS_MAX && count - table->count < batch) {
		struct ct_chunk *chunk = table->chunks[table->gc_chunk];
		struct ct *ct = &chunk->records[table->gc_record];

		if (table->gc_record++ >= chunk->used) {
			table->gc_chunk++;
			table->gc_record = 0;
			continue;
		}
		looked++;
		if (ct_is_listed(ct) && !thin_out(inst, ct))
			return;
	}
	if (table->gc_chunk < table->chunk_count)
		timer_arm(inst->timers, &table->gc, inst->now_ns + NSEC_PER_JIFFY);
}

/* Some time after the table was full: whatever is expendable goes, until 95 percent are left. */
static void gc_run(struct timer *timer, void *arg, int64_t now_ns)
{
	struct instance *inst = arg;

	if (inst->ct->conf.max < 100)
		return;
	if (inst->ct->wheel.batch)
		thin_out_some(inst);
	else
		ct_each(inst, thin_out, inst);
}

void ct_gc_start(struct instance *inst)
{
	struct timer *gc = &inst->ct->gc;

	if (timer_is_armed(gc))
		return;
	timer_init(gc, gc_run, inst);
	inst->ct->gc_chunk = inst->ct->gc_record = 0;
	timer_arm(inst->timers, gc, inst->now_ns + (int64_t)CT_GC_AFTER_JIFFIES * NSEC_PER_JIFFY);
}

void ct_accounting_on(struct instance *inst)
{
	inst->ct->conf.acct = 1;
}

struct ct_extra *ct_extra_get(struct ct *ct)
{
	if (!ct->extra)
		ct->extra = calloc(1, sizeof(*ct->extra));
	return ct->extra;
}

bool ct_set_secmark(struct ct *ct, uint32_t secmark)
{
	if (!ct->extra && !secmark)
		return true;
	if (!ct_extra_get(ct))
		return false;
	ct->extra->secmark = secmark;
	return true;
}

static bool add_extra(struct instance *inst, struct ct *ct)
{
	const struct ct_conf *conf = &inst->ct->conf;

	if (!conf->acct && !conf->timestamp && !inst->ct->label_users)
		return true;
	if (!ct->extra)
		ct->extra = ct_extra_alloc(inst->ct);
	if (!ct->extra)
		return false;
	ct->extra->has_acct = conf->acct;
	ct->extra->has_stamp = conf->timestamp;
	ct->extra->has_labels = inst->ct->label_users > 0;
	return true;
}

struct ct *ct_begin(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *orig,
		    const struct ct_tuple *reply, uint32_t hash, bool *full)
{
	struct ct_table *table = inst->ct;
	struct ct *ct;

	*full = true;
	table->count++;
	if (table->conf.max && table->count > table->conf.max && !early_drop(inst, hash)) {
		table->count--;
		table->stats.full++;
		ct_gc_start(inst);
		return NULL;
	}
	ct = ct_record_alloc(table);
	if (!ct || !add_extra(inst, ct)) {
		if (ct)
			ct_record_free(table, ct);
		table->count--;
		return NULL;
	}
	*full = false;
	if (table->count > table->count_peak)
		table->count_peak = table->count;
	ct->node[IP_CT_DIR_ORIGINAL].tuple = *orig;
	ct->node[IP_CT_DIR_ORIGINAL].tuple.dir = IP_CT_DIR_ORIGINAL;
	ct->look_tick = hash;
	ct->node[IP_CT_DIR_REPLY].tuple = *reply;
	ct->node[IP_CT_DIR_REPLY].tuple.dir = IP_CT_DIR_REPLY;
	ct->zone = *zone;
	table->has_zones |= zone->id != 0;	/* before anybody hashes its tuples */
	ct->refs = 1;
	ct->event_wanted = table->conf.events ? UINT16_MAX : 0;
	ct->serial = ++table->serial;
	return ct;
}

struct ct *ct_new(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *orig,
		  const struct ct_tuple *reply)
{
	const struct ct_zone *used = zone ? zone : &ct_zone_default;
	bool full;

	return ct_begin(inst, used, orig, reply,
			ct_hash(inst->ct, orig, ct_zone_id(used, IP_CT_DIR_ORIGINAL)), &full);
}

struct ct *ct_template_new(struct instance *inst, const struct ct_zone *zone)
{
	struct ct *ct = ct_record_alloc(inst->ct);

	if (!ct)
		return NULL;
	ct->status = IPS_TEMPLATE;
	ct->zone = zone ? *zone : ct_zone_default;
	ct->refs = 1;
	return ct;
}

void ct_set_reply_tuple(struct instance *inst, struct ct *ct, const struct ct_tuple *reply, uint32_t hash)
{
	if (ct_is_confirmed(ct))
		return;
	ct->node[IP_CT_DIR_REPLY].tuple = *reply;
	ct->node[IP_CT_DIR_REPLY].tuple.dir = IP_CT_DIR_REPLY;
	ct->hash.reply = reply->family == NFPROTO_IPV4 ? hash : 0;
	ct->hash.guess = 0;
	if (inst->ct->auto_help.on)
		ct_help_by_port(inst, ct);
}
