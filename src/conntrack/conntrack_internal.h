/*
 * conntrack/conntrack_internal.h - what the files of this folder share: the table and its switches.
 */
#ifndef WEIR_CONNTRACK_INTERNAL_H
#define WEIR_CONNTRACK_INTERNAL_H

#include "base/sysctl.h"
#include "conntrack/conntrack.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"
#include "packet/drop.h"

enum {
	CT_BITS_MIN = 10,
	CT_BITS_MAX = 26,
	CT_WHEEL_LEVELS = 8,
	CT_EVICTION_RANGE = 8,		/* buckets that early drop looks into */
	CT_PRINTED_SECONDS_MAX = INT32_MAX / WEIR_HZ,
};

enum { CT_UDP_UNREPLIED, CT_UDP_STREAM };	/* which of UDP's timeouts */

struct ct_conf {			/* net.netfilter.nf_conntrack_* */
	unsigned int max, buckets, reserve;
	uint8_t acct, events, timestamp, checksum, log_invalid;
	uint8_t tcp_loose, tcp_be_liberal, tcp_ignore_invalid_rst, tcp_max_retrans;
};

/* Connections that are to be looked at together, in the order they came: numbers of the first and the last; 0 = empty. */
struct ct_line { uint32_t first, last; };
enum {
	CT_WHEEL_SLOTS = 64,
	CT_LINE_OVERDUE = CT_WHEEL_LEVELS * CT_WHEEL_SLOTS,	/* their end was set to now, or earlier */
	CT_LINE_LATE,			/* due; each turn ends as many as one step may */
	CT_LINE_DUE,			/* being looked at; */
	CT_LINES_DUE = 4,		/* meanwhile others may be */
	CT_LINES = CT_LINE_DUE + CT_LINES_DUE
};

/*
 * Somebody of a line here and there, as far apart as so few can be: a chain that lies in DRAM is walked from many places at a time.
 * They may have left since; it is memory that is asked for by them, nothing else.
 */
enum { CT_MARKS = 16 };
struct ct_marks {
	uint32_t number[CT_MARKS];
	uint32_t appended;		/* to the line since it was empty */
	uint8_t count, shift;		/* each 1 << @shift'th of them */
};

struct ct_wheel {
	uint64_t tick;			/* where the hand stands */
	uint64_t used[CT_WHEEL_LEVELS];	/* a bit per slot that may hold somebody */
	struct ct_line line[CT_LINES];	/* slots, level by level, and the others */
	struct ct_marks marks[CT_WHEEL_LEVELS * CT_WHEEL_SLOTS];
	unsigned int depth;		/* of CT_LINE_DUE that are in use */
	struct timer timer;		/* when the next used slot is due */
	unsigned int batch;		/* sysctl weir_expire_batch; 0 = all at once, at their exact time */
	unsigned int left;		/* of the batch, in the advance with the number @advance */
	uint32_t advance;
};

/*
 * A bucket is the top bits of a hash, so that the kernel's buckets (a range of hashes each) lie next to
 * each other here whatever the size is. While the table grows, old buckets below @moved live in @buckets.
 */
struct ct_table {
	ct_link *buckets, *old_buckets;
	unsigned int bits, old_bits;
	uint32_t moved, move_debt;
	uint32_t nodes;
	struct hash_key key;
	bool has_zones;			/* somebody is in another zone than the default one */

	uint32_t count, count_peak;	/* records in use; templates are not counted */
	uint32_t serial;		/* connections so far */
	uint32_t id_mask;
	void *retired[CT_BITS_MAX];	/* buckets that moved, by their bits, until nobody aside can be looking at them */
	void *retired_chunks[CT_BITS_MAX];
	struct ct_chunk **chunks;	/* by number; those before @filling have no room, those behind it are untouched */
	uint32_t chunk_count, filling;
	struct ct *free;		/* chained by node[0].next */
	struct ct_spare { struct ct_spare *next; } *spares;	/* for a ct_extra each: malloc would look at its neighbours, which are far away */
	unsigned int spare_count;

	struct ct_wheel wheel;
	uint32_t users4, users6;	/* who wants tracking on */
	struct timer gc;		/* after the table was full: thins it out */
	uint32_t gc_chunk, gc_record;	/* ... and has come so far */
	struct ct_conf conf;
	struct ct_helper_conf helper_conf;
	struct ct_auto_help auto_help;
	struct ct_stats stats;
	struct ct_early early;
	struct ct_expects expects;
	struct list *gre_keys;		/* call ids learned from PPTP; made when the first ones come */
	const struct ct_proto *protos[256];
	struct list policies;		/* struct ct_timeout_policy */
	struct list user_helpers;	/* struct ct_user_helper */
	uint32_t label_users;		/* rules that look at labels */
	bool has_label_names;
	char *label_names[CT_LABELS];
	unsigned int *timeouts_sec[256];	/* by protocol number, as many as its tracker has */
};

static inline struct ct *ct_of_node(struct ct_node *node)
{
	return container_of(node, struct ct, node[node->tuple.dir]);
}

static inline uint16_t ct_zone_id(const struct ct_zone *zone, int dir)
{
	return zone->dir & (1 << dir) ? zone->id : 0;
}

extern const struct ct_zone ct_zone_default;

/* --- tuple.c --- */
/* Where L4 begins; false for later fragments, cut headers and "no next header". */
bool ct_l4_find(const uint8_t *net, uint32_t len, uint8_t family, struct ct_l4 *out);
bool ct_tuple_read(const struct instance *inst, const uint8_t *net, uint8_t family, const struct ct_l4 *l4,
		   struct ct_tuple *out);
bool ct_read_ports(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple);

/* --- table.c --- */
uint32_t ct_hash(const struct ct_table *table, const struct ct_tuple *tuple, uint16_t zone_id);
/* The bucket that @hash lies in now, one of 2^@bits. */
static inline ct_link *ct_bucket_of(const struct ct_table *table, uint32_t hash, unsigned int *bits)
{
	if (table->old_buckets) {
		uint32_t old = hash >> (32 - table->old_bits);

		*bits = table->old_bits;
		if (old >= table->moved)
			return &table->old_buckets[old];
	}
	*bits = table->bits;
	return &table->buckets[hash >> (32 - table->bits)];
}
static inline ct_link *ct_bucket(const struct ct_table *table, uint32_t hash)
{
	unsigned int bits;

	return ct_bucket_of(table, hash, &bits);
}
/* @hash is the node's own: ct_node_hash(). */
void ct_table_insert(struct ct_table *table, struct ct_node *node, uint32_t hash);
void ct_table_remove(struct ct_table *table, struct ct_node *node);
uint32_t ct_node_hash(const struct ct_table *table, struct ct_node *node);
struct ct_node *ct_table_find(const struct ct_table *table, const struct ct_zone *zone, const struct ct_tuple *tuple,
			      uint32_t hash);
/* Room for @count connections, with memory that is there: growing then waits for nobody. */
bool ct_is_listed(const struct ct *ct);	/* what ct_each() visits */
int ct_table_reserve(struct instance *inst, uint32_t count);
/* Nobody is aside: what was left for those who were is given back. */
void ct_retired_free(struct ct_table *table);

/* --- record.c --- */
struct ct *ct_record_alloc(struct ct_table *table);
void ct_record_free(struct ct_table *table, struct ct *ct);
/* Zeroed; NULL without memory. */
struct ct_extra *ct_extra_alloc(struct ct_table *table);
void ct_extra_free(struct ct_table *table, struct ct_extra *extra);
int ct_records_reserve(struct ct_table *table, uint32_t count);
void ct_records_free(struct ct_table *table);
static inline struct ct *ct_at(const struct ct_table *table, uint32_t number)
{
	return (struct ct *)((char *)table->chunks[number >> CT_CHUNK_SHIFT] +
			     (size_t)(number & ((1u << CT_CHUNK_SHIFT) - 1)) * CT_NUMBER_UNIT);
}

/* --- new.c --- */
/* NULL with *full when the limit is reached and nothing could make room. */
struct ct *ct_begin(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *orig,
		    const struct ct_tuple *reply, uint32_t hash, bool *full);
void ct_gc_start(struct instance *inst);

/* --- expire.c --- */
/* From now. Of a confirmed connection; the first one puts it on the wheel. */
void ct_set_expiry(struct instance *inst, struct ct *ct, uint32_t timeout_jiffies);
void ct_start_expiry(struct instance *inst, struct ct *ct, uint32_t timeout_jiffies);
/* Ends it; false when it was already ending. */
bool ct_end(struct instance *inst, struct ct *ct, bool expired);
/* Ticks left; 0 when due. */
uint32_t ct_expires_ticks(const struct instance *inst, const struct ct *ct);

/* --- wheel.c --- */
void ct_wheel_init(struct instance *inst, struct ct_wheel *wheel);
void ct_wheel_watch(struct instance *inst, struct ct *ct);
void ct_wheel_forget(struct ct_table *table, struct ct *ct);
void ct_wheel_ask(const struct ct_table *table, const struct ct *ct);	/* for the memory that forgetting it needs */
void ct_wheel_end_overdue(struct instance *inst);
static inline bool ct_has_overdue(const struct instance *inst)
{
	return unlikely(inst->ct->wheel.line[CT_LINE_OVERDUE].first != 0);
}
/* Before anybody looks for a connection: one that was to end at once has ended. */
static inline void ct_end_overdue(struct instance *inst)
{
	if (ct_has_overdue(inst))
		ct_wheel_end_overdue(inst);
}

/* Its time is over, but with an expiry in steps (weir_expire_batch) nobody has come to it yet. */
static inline bool ct_is_late(const struct instance *inst, const struct ct *ct)
{
	return unlikely(inst->ct->wheel.line[CT_LINE_LATE].first != 0) && (int32_t)(ct->expires_tick - (uint32_t)inst_jiffies(inst)) <= 0;
}
/* ct_table_find() past those: who is late ends here. */
static inline struct ct_node *ct_node_find(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple,
					   uint32_t hash)
{
	struct ct_node *node = ct_table_find(inst->ct, zone, tuple, hash);

	while (node && ct_is_late(inst, ct_of_node(node))) {
		ct_end(inst, ct_of_node(node), true);
		node = ct_table_find(inst->ct, zone, tuple, hash);
	}
	return node;
}

/* --- event.c --- */
void ct_event_destroy(struct instance *inst, struct ct *ct, bool expired);

/* --- icmp_error.c: finds the connection that an ICMP error is about --- */
int ct_icmp_error(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
		  const struct hook_state *state);
int ct_icmp6_error(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
		   const struct hook_state *state);

/* The zone a packet is looked up in. */
struct ct_zone ct_packet_zone(const struct ct *template, const struct pkt *pkt);

/* --- proto/gre.c --- */
void ct_gre_keys_free(struct ct_table *table);

/* --- sysctl.c --- */
int ct_proc_register(struct instance *inst);	/* 0, -ENOMEM */
int ct_sysctls_register(struct instance *inst, struct ct_table *table);

/* --- text.c --- */
/* "sport=1 dport=2 ", or what the protocol has in their place; nothing for one that has none. */
void ct_tuple_ports_print(const struct ct_tuple *tuple, struct strbuf *out);

#endif
