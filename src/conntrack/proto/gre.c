/*
 * conntrack/proto/gre.c - GRE: one connection per pair of hosts, except for PPTP's version 1, whose call id
 * tells calls apart. A packet shows only its receiver's id; which one its sender has is known from PPTP's control
 * connection (helper/pptp.c), and zero before that.
 */
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"

enum { GRE_UNREPLIED, GRE_STREAM };
enum { GRE_HEADER_LEN = 4, GRE_VERSION_MASK = 0x0007, GRE_PPTP_HEADER_LEN = 8, GRE_CALL_ID = 6, GRE_PROTO_PPP = 0x880b };
enum { GRE_KEY_BUCKETS = 256 };

extern const struct ct_proto ct_proto_gre;

struct ct_gre_key {
	struct list by_dst;		/* oldest first */
	struct ct_tuple tuple;
};

static const struct ct_timeout gre_timeouts[] = {
	[GRE_UNREPLIED] = { "gre_timeout", 30 },
	[GRE_STREAM]	= { "gre_timeout_stream", 180 },
};

static struct list *bucket(const struct ct_table *table, const struct ct_tuple *tuple)
{
	struct {
		union nf_inet_addr dst;
		be16 key, family;
	} key = { tuple->dst, tuple->dst_l4.gre_key, tuple->family };

	return &table->gre_keys[siphash(&key, sizeof(key), &table->key) % GRE_KEY_BUCKETS];
}

/* All but the sender's key. */
static bool leads_to(const struct ct_gre_key *known, const struct ct_tuple *tuple)
{
	return known->tuple.family == tuple->family && ct_addr_equal(&known->tuple.src, &tuple->src) &&
	       ct_addr_equal(&known->tuple.dst, &tuple->dst) && known->tuple.dst_l4.gre_key == tuple->dst_l4.gre_key;
}

static be16 sender_key(const struct ct_table *table, const struct ct_tuple *tuple)
{
	if (!table->gre_keys)
		return 0;
	list_for_each(node, bucket(table, tuple)) {
		const struct ct_gre_key *known = list_entry(node, struct ct_gre_key, by_dst);

		if (leads_to(known, tuple))
			return known->tuple.src_l4.gre_key;
	}
	return 0;
}

static bool make_buckets(struct ct_table *table)
{
	if (table->gre_keys)
		return true;
	table->gre_keys = malloc(GRE_KEY_BUCKETS * sizeof(*table->gre_keys));
	for (int i = 0; table->gre_keys && i < GRE_KEY_BUCKETS; i++)
		list_init(&table->gre_keys[i]);
	return table->gre_keys != NULL;
}

bool ct_gre_key_add(struct instance *inst, struct ct *master, int dir, const struct ct_tuple *tuple)
{
	struct ct_gre_key **of_master = &ct_help_of(master)->gre_keys[dir], *key = *of_master;

	if (key)
		return leads_to(key, tuple);
	key = make_buckets(inst->ct) ? malloc(sizeof(*key)) : NULL;
	if (!key)
		return false;
	key->tuple = *tuple;
	list_append(bucket(inst->ct, tuple), &key->by_dst);
	*of_master = key;
	return true;
}

void ct_gre_keys_forget(struct instance *inst, struct ct *master)
{
	struct ct_help *help = ct_help_of(master);

	for (int dir = 0; help && dir < IP_CT_DIR_MAX; dir++) {
		if (!help->gre_keys[dir])
			continue;
		list_remove(&help->gre_keys[dir]->by_dst);
		free(help->gre_keys[dir]);
		help->gre_keys[dir] = NULL;
	}
}

const struct ct_tuple *ct_gre_key_tuple(const struct ct_gre_key *key) { return key ? &key->tuple : NULL; }

void ct_gre_keys_free(struct ct_table *table)
{
	for (int i = 0; table->gre_keys && i < GRE_KEY_BUCKETS; i++)
		list_for_each_safe(node, &table->gre_keys[i])
			free(list_entry(node, struct ct_gre_key, by_dst));
	free(table->gre_keys);
	table->gre_keys = NULL;
}

static bool gre_read_tuple(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple)
{
	if (l4_len < GRE_HEADER_LEN || (get_be16(l4) & GRE_VERSION_MASK) != 1 || l4_len < GRE_PPTP_HEADER_LEN)
		return true;
	if (get_be16(l4 + 2) != GRE_PROTO_PPP)
		return false;
	memcpy(&tuple->dst_l4.gre_key, l4 + GRE_CALL_ID, 2);
	tuple->src_l4.gre_key = sender_key(inst->ct, tuple);
	return true;
}

static int gre_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		      const struct hook_state *state)
{
	if (!ct_is_confirmed(ct)) {
		ct->proto.gre.timeout = ct_timeout(inst, ct, &ct_proto_gre, GRE_UNREPLIED);
		ct->proto.gre.stream_timeout = ct_timeout(inst, ct, &ct_proto_gre, GRE_STREAM);
	}
	if (!(ct->status & IPS_SEEN_REPLY)) {
		ct_refresh(inst, ct, ctinfo, pkt, ct->proto.gre.timeout);
		return NF_ACCEPT;
	}
	ct_refresh(inst, ct, ctinfo, pkt, ct->proto.gre.stream_timeout);
	if (!(ct->status & IPS_ASSURED)) {
		ct->status |= IPS_ASSURED;
		ct_event_note(ct, IPCT_ASSURED);
	}
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_gre = {
	.name = "gre", .number = IPPROTO_GRE,
	.read_tuple = gre_read_tuple,
	.packet = gre_packet,
	.timeouts = gre_timeouts, .timeout_count = ARRAY_SIZE(gre_timeouts),
};
