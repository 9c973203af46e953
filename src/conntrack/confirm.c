/*
 * conntrack/confirm.c - every rule let the packet pass: its connection becomes visible.
 * Two packets that were on their way together (one waited in a queue, a copy was made) may both have
 * begun the same connection. Who comes second joins the first one where that is harmless, and is dropped
 * where it is not: then the sender will retry.
 */
#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "hook/record.h"

static bool same_zone(const struct ct *a, int dir_a, const struct ct *b, int dir_b)
{
	return ct_zone_id(&a->zone, dir_a) == ct_zone_id(&b->zone, dir_b);
}

/* Both speak of one flow, in the same direction (@flip 0) or seen from its two ends (@flip 1). */
static bool same_flow(const struct ct *a, const struct ct *b, int flip)
{
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++)
		if (!ct_tuple_equal(ct_tuple(a, dir), ct_tuple(b, dir ^ flip)) || !same_zone(a, dir, b, dir ^ flip))
			return false;
	return true;
}

/* The packet moves to the connection that was first. */
static bool join(struct instance *inst, struct pkt *pkt, struct ct *winner)
{
	struct ct *loser = pkt->ct;
	int dir = ctinfo_dir(pkt->ctinfo);

	if (!same_flow(winner, loser, 0) && !same_flow(winner, loser, 1))
		return false;
	if (loser->extra && loser->extra->has_acct)
		ct_count_packet(winner, dir, (uint32_t)loser->extra->acct[dir].bytes);
	pkt_ct_set(inst, pkt, winner, pkt->ctinfo);
	inst->ct->stats.clash_resolved++;
	return true;
}

/*
 * Only the original tuples are equal: NAT gave the second another mapping. It is hashed by its reply
 * tuple alone, so that the answer to this one packet finds its way back, and goes after a second.
 */
static bool hide(struct instance *inst, struct pkt *pkt)
{
	struct ct *loser = pkt->ct;
	struct ct_node *mine = &loser->node[IP_CT_DIR_REPLY], *node;
	uint32_t hash = ct_node_hash(inst->ct, mine);

	memset(loser->flow, 0, sizeof(loser->flow));
	node = ct_node_find(inst, &loser->zone, &mine->tuple, hash);
	if (node)
		return join(inst, pkt, ct_of_node(node));
	loser->status |= IPS_FIXED_TIMEOUT | CT_STATUS_NAT_CLASH | IPS_CONFIRMED;
	if (loser->extra && loser->extra->has_stamp)
		loser->extra->start_ns = inst->now_ns;
	ct_get(loser);
	ct_table_insert(inst->ct, mine, hash);
	ct_start_expiry(inst, loser, WEIR_HZ);
	inst->ct->stats.clash_resolved++;
	return true;
}

static unsigned int resolve(struct instance *inst, struct pkt *pkt, struct ct_node *clash)
{
	struct ct *winner = ct_of_node(clash);

	record_refused(inst->record);
	if (ct_proto_of(inst, ct_proto_num(winner))->allow_clash && (join(inst, pkt, winner) || hide(inst, pkt)))
		return NF_ACCEPT;
	inst->ct->stats.drop++;
	inst->ct->stats.insert_failed++;
	pkt->drop_reason = DROP_CONFIRM;
	return NF_DROP;
}

static void make_visible(struct instance *inst, struct ct *ct, uint32_t reply_hash)
{
	ct_get(ct);
	if (ct->extra && ct->extra->has_stamp)
		ct->extra->start_ns = inst->now_ns;
	ct_table_insert(inst->ct, &ct->node[IP_CT_DIR_ORIGINAL], ct->look_tick);
	ct_table_insert(inst->ct, &ct->node[IP_CT_DIR_REPLY], reply_hash);
	memset(ct->flow, 0, sizeof(ct->flow));
	ct->status |= IPS_CONFIRMED;
	ct_start_expiry(inst, ct, ct->expires_tick);
}

/* Who has one of its tuples; *reply_hash is what the next step needs. */
static struct ct_node *find_clash(struct instance *inst, struct ct *ct, uint32_t *reply_hash)
{
	struct ct_node *clash = ct_node_find(inst, &ct->zone, ct_tuple(ct, IP_CT_DIR_ORIGINAL), ct->look_tick);

	*reply_hash = ct_reply_hash(inst, ct, ct_tuple(ct, IP_CT_DIR_REPLY));
	return clash ? clash : ct_node_find(inst, &ct->zone, ct_tuple(ct, IP_CT_DIR_REPLY), *reply_hash);
}

/* For control: a made-up connection goes into the table as it is. */
int ct_insert(struct instance *inst, struct ct *ct)
{
	uint32_t reply_hash;

	if (ct_is_confirmed(ct) || find_clash(inst, ct, &reply_hash))
		return -EEXIST;
	/* Nothing is known of its beginning: a UDP one counts as old enough for a stream. */
	if (ct_proto_num(ct) == IPPROTO_UDP)
		ct->proto.udp.stream_tick = (uint32_t)inst_jiffies(inst) - 1;
	make_visible(inst, ct, reply_hash);
	inst->ct->stats.insert++;
	return 0;
}

static unsigned int confirm_new(struct instance *inst, struct pkt *pkt)
{
	struct ct *ct = pkt->ct;
	struct ct_node *clash;
	uint32_t reply_hash;

	/* An error or RST made about a connection that has not been let through yet. */
	if (ctinfo_dir(pkt->ctinfo) != IP_CT_DIR_ORIGINAL)
		return NF_ACCEPT;
	if (ct_is_dying(ct)) {
		inst->ct->stats.insert_failed++;
		pkt->drop_reason = DROP_CONFIRM;
		return NF_DROP;
	}
	clash = find_clash(inst, ct, &reply_hash);
	if (clash)
		return resolve(inst, pkt, clash);
	make_visible(inst, ct, reply_hash);
	if (ct_helper_of(ct))
		ct_event_note(ct, IPCT_HELPER);
	ct_event_note(ct, ct_master(ct) ? IPCT_RELATED : IPCT_NEW);
	return NF_ACCEPT;
}

unsigned int ct_confirm(struct instance *inst, struct pkt *pkt)
{
	if (!pkt->ct)
		return NF_ACCEPT;
	if (!ct_is_confirmed(pkt->ct) && confirm_new(inst, pkt) != NF_ACCEPT)
		return NF_DROP;
	ct_events_deliver(inst, pkt->ct);
	return NF_ACCEPT;
}
