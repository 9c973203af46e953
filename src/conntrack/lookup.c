/*
 * conntrack/lookup.c - a packet meets its connection, or begins one.
 * The first thing that every packet goes through: template, ICMP errors, lookup, the protocol's own
 * tracker. What no tracker accepts goes on without a connection: the rules see it as INVALID.
 */
#include <stdarg.h>
#include <stdio.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/timeout.h"
#include "ext/logger.h"
#include "hook/record.h"

enum { REASON_ROOM = 256 };

struct ct_zone ct_packet_zone(const struct ct *template, const struct pkt *pkt)
{
	if (!template)
		return ct_zone_default;
	if (template->zone.flags & CT_ZONE_FLAG_MARK)
		return (struct ct_zone){ (uint16_t)pkt->mark, 0, template->zone.dir };
	return template->zone;
}

static struct ct_node *find(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple,
			    uint32_t hash)
{
	uint16_t id = ct_zone_id(zone, IP_CT_DIR_ORIGINAL), reply_id = ct_zone_id(zone, IP_CT_DIR_REPLY);
	struct ct_node *node = ct_node_find(inst, zone, tuple, hash);

	if (!node && id != reply_id)
		node = ct_node_find(inst, zone, tuple, ct_hash(inst->ct, tuple, reply_id));
	return node;
}

struct ct *ct_find(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple, int *dir)
{
	const struct ct_zone *used = zone ? zone : &ct_zone_default;
	struct ct_node *node;
	struct ct *ct;

	ct_end_overdue(inst);
	node = find(inst, used, tuple, ct_hash(inst->ct, tuple, ct_zone_id(used, IP_CT_DIR_ORIGINAL)));
	if (!node)
		return NULL;
	ct = ct_of_node(node);
	ct_get(ct);
	if (dir)
		*dir = node->tuple.dir;
	return ct;
}

uint32_t ct_reply_hash(const struct instance *inst, const struct ct *ct, const struct ct_tuple *reply)
{
	const struct ct_tuple *now = ct_tuple(ct, IP_CT_DIR_REPLY);

	/* Only those of IPv4 are kept. */
	if (ct->hash.reply && reply->src.ip == now->src.ip && reply->src_l4.all == now->src_l4.all &&
	    reply->dst_l4.all == now->dst_l4.all) {
		if (reply->dst.ip == now->dst.ip)
			return ct->hash.reply;
		if (ct->hash.guess && reply->dst.ip == ct->early.guess_addr)
			return ct->hash.guess;
	}
	return ct_hash(inst->ct, reply, ct_zone_id(&ct->zone, IP_CT_DIR_REPLY));
}

/* The packet's burst found out about its answers, too. */
static void take_hashes(struct ct *ct, const struct pkt *pkt)
{
	ct->hash.reply = pkt->reply_hash;
	ct->hash.guess = pkt->guess_hash;
	ct->early.guess_addr = pkt->guess_addr;
	ct->early.source_hash = pkt->source_hash;
}

bool ct_tuple_taken(struct instance *inst, const struct ct_tuple *tuple, uint32_t hash, const struct ct *ignore)
{
	const struct ct_tuple *ours = ct_tuple(ignore, IP_CT_DIR_ORIGINAL);
	const struct ct_zone *zone = &ignore->zone;

	ct_end_overdue(inst);
	for (struct ct_node *node = ct_link_towards(*ct_bucket(inst->ct, hash), hash); node; node = ct_link_towards(node->next, hash)) {
		struct ct *ct = ct_of_node(node);
		int dir = node->tuple.dir;

		if (ct == ignore || ct_is_late(inst, ct) || !ct_tuple_equal(&node->tuple, tuple) ||
		    ct_zone_id(&ct->zone, dir) != ct_zone_id(zone, dir))
			continue;
		/* The same flow begun twice is not somebody else: confirm sorts that out. */
		if (ct_tuple_equal(ours, ct_tuple(ct, IP_CT_DIR_ORIGINAL)) &&
		    ct_zone_id(&ct->zone, IP_CT_DIR_ORIGINAL) == ct_zone_id(zone, IP_CT_DIR_ORIGINAL))
			continue;
		inst->ct->stats.found++;
		return true;
	}
	return false;
}

static uint8_t ctinfo_of(const struct ct *ct, int dir)
{
	if (dir == IP_CT_DIR_REPLY)
		return IP_CT_ESTABLISHED_REPLY;
	if (ct->status & IPS_SEEN_REPLY)
		return IP_CT_ESTABLISHED;
	return ct->status & IPS_EXPECTED ? IP_CT_RELATED : IP_CT_NEW;
}

/* Gives the packet its connection; false when there is no room for a new one. */
static bool attach(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
		   const struct hook_state *state)
{
	struct ct_zone zone = ct_packet_zone(template, pkt);
	struct ct_tuple tuple, reply;
	struct ct_node *node;
	struct ct *ct;
	uint32_t hash;
	bool full, is_known = false;

	if (!ct_tuple_read(inst, pkt->data, state->family, l4, &tuple))
		return true;
	ct_end_overdue(inst);
	if (pkt->has_flow_hash && tuple.family == NFPROTO_IPV4 && !zone.id &&
	    (tuple.src.ip | (uint64_t)tuple.dst.ip << 32) == pkt->flow_addrs &&
	    (tuple.src_l4.all | (uint32_t)tuple.dst_l4.all << 16) == pkt->flow_ports)
		is_known = true;
	if (is_known)
		hash = pkt->flow_hash;
	else
		hash = ct_hash(inst->ct, &tuple, ct_zone_id(&zone, IP_CT_DIR_ORIGINAL));
	node = find(inst, &zone, &tuple, hash);
	if (!node) {
		if (!ct_tuple_invert(&reply, &tuple))
			return true;
		ct = ct_begin(inst, &zone, &tuple, &reply, hash, &full);
		if (!ct)
			return !full;
		if (is_known && pkt->reply_hash)
			take_hashes(ct, pkt);
		if (template && ct_synproxy_of(template))
			ct_synproxy_add(ct);
		if (template && template->event_wanted)
			ct->event_wanted = template->event_wanted;
		if (template && !ct_policy_assign(ct, template)) {
			ct_put(inst, ct);
			return true;
		}
		pkt->ct = ct;			/* its first share */
		pkt->ctinfo = IP_CT_NEW;
		if (ct_expect_arrive(inst, ct))
			pkt->ctinfo = IP_CT_RELATED;
		else if (template)
			ct_help_assign(inst, ct, template);
		if (inst->ct->auto_help.on)
			ct_help_by_port(inst, ct);
		return true;
	}
	ct = ct_of_node(node);
	ct_get(ct);
	pkt->ct = ct;
	pkt->ctinfo = ctinfo_of(ct, node->tuple.dir);
	return true;
}

/* The connection's tracker speaks; what it lets pass in the other direction is an answer. */
static int ask_tracker(struct instance *inst, struct pkt *pkt, const struct ct_l4 *l4, const struct hook_state *state)
{
	struct ct *ct = pkt->ct;
	int answer = ct_proto_of(inst, l4->proto)->packet(inst, ct, pkt, l4, pkt->ctinfo, state);

	if (answer > 0 && pkt->ctinfo == IP_CT_ESTABLISHED_REPLY && !(ct->status & IPS_SEEN_REPLY)) {
		ct->status |= IPS_SEEN_REPLY;
		ct_event_note(ct, IPCT_REPLY);
	}
	return answer;
}

static enum ct_met take_early(struct ct_early *early, struct pkt *pkt, int *answer)
{
	pkt->ct = early->ct;		/* its share goes along */
	pkt->ctinfo = early->ctinfo;
	early->pkt = NULL;
	*answer = early->answer;
	return (enum ct_met)early->met;
}

static enum ct_met meet(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
			const struct hook_state *state, int *answer)
{
	if (!attach(inst, pkt, template, l4, state))
		return CT_MET_FULL;
	if (!pkt->ct)
		return CT_MET_NOBODY;
	*answer = ask_tracker(inst, pkt, l4, state);
	return CT_MET_TRACKED;
}

/* Nothing but its tuples and its tracker say what becomes of it. */
static bool is_plain_new(const struct pkt *pkt)
{
	const struct ct *ct = pkt->ct;

	return pkt->ctinfo == IP_CT_NEW && !ct_is_confirmed(ct) && !ct->status && !ct_help_of(ct) && !ct_synproxy_of(ct) && !ct->zone.id &&
	       !ct_is_dying(ct) && !ct_master(ct);
}

static void record(struct record *rec, const struct pkt *pkt, const struct ct *template)
{
	if (rec->pkt != pkt)
		return;
	rec->is_tracked = true;
	rec->status = pkt->ct->status;
	if (rec->first)
		rec->first->is_new = !template && is_plain_new(pkt);
}

/* NF_DROP and friends from the trackers' signed answers. */
static unsigned int track(struct instance *inst, struct pkt *pkt, const struct ct *template,
			  const struct hook_state *state)
{
	struct ct_table *table = inst->ct;
	struct ct_l4 l4;
	int answer;

	if (!ct_l4_find(pkt->data, pkt->len, state->family, &l4)) {
		table->stats.invalid++;
		return NF_ACCEPT;
	}
	if (l4.proto == IPPROTO_ICMP || l4.proto == IPPROTO_ICMPV6) {
		if (l4.proto == IPPROTO_ICMP && state->family == NFPROTO_IPV4)
			answer = ct_icmp_error(inst, pkt, template, &l4, state);
		else if (l4.proto == IPPROTO_ICMPV6 && state->family == NFPROTO_IPV6)
			answer = ct_icmp6_error(inst, pkt, template, &l4, state);
		else
			answer = NF_ACCEPT;
		if (answer <= 0) {
			table->stats.error++;
			return (unsigned int)-answer;
		}
		if (pkt->ct || pkt->ctinfo)
			return NF_ACCEPT;
	}
	do {
		switch (unlikely(table->early.pkt == pkt) ? take_early(&table->early, pkt, &answer) :
							     meet(inst, pkt, template, &l4, state, &answer)) {
		case CT_MET_FULL:
			table->stats.drop++;
			pkt->drop_reason = DROP_CONNTRACK_FULL;
			return NF_DROP;
		case CT_MET_NOBODY:
			table->stats.invalid++;
			return NF_ACCEPT;
		case CT_MET_TRACKED:
			break;
		}
		if (answer > 0) {
			if (unlikely(inst->record))
				record(inst->record, pkt, template);
			return (unsigned int)answer;
		}
		pkt_ct_reset(inst, pkt);
	} while (answer == -NF_REPEAT);
	table->stats.invalid++;
	if (answer == -NF_DROP) {
		table->stats.drop++;
		pkt->drop_reason = DROP_CONNTRACK;
	}
	return (unsigned int)-answer;
}

unsigned int ct_packet_in(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	struct ct *template = pkt->ct;
	unsigned int verdict;

	/* Tracked or untracked already: by loopback, by a rule, or since it was made here about a connection. */
	if (pkt->ctinfo == IP_CT_UNTRACKED || (template && !(template->status & IPS_TEMPLATE)))
		return NF_ACCEPT;
	pkt->ct = NULL;
	pkt->ctinfo = 0;
	verdict = track(inst, pkt, template, state);
	ct_put(inst, template);
	return verdict;
}

/* --- for the flow cache --- */

bool ct_track_known(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir, uint32_t status, uint32_t status_mask)
{
	struct hook_state state = { .inst = inst, .family = pkt->l.family, .in = pkt->in,
				    .hooknum = pkt->flags & PKT_FLAG_LOCAL ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING };
	struct ct_l4 l4 = { pkt->data + pkt->l.l4_off, pkt->len - pkt->l.l4_off, pkt->l.l4proto };
	int answer;

	ct_get(ct);
	pkt->ct = ct;
	pkt->ctinfo = ctinfo_of(ct, dir);
	if (inst->ct->conf.checksum && state.hooknum == NF_INET_PRE_ROUTING)
		pkt_l4_checksum_early(pkt);
	answer = ask_tracker(inst, pkt, &l4, &state);
	if (likely(answer > 0 && !((ct->status ^ status) & status_mask)))
		return true;
	inst->ct->early = (struct ct_early){ pkt, ct, pkt->ctinfo, CT_MET_TRACKED, answer };
	pkt->ct = NULL;
	pkt->ctinfo = 0;
	return false;
}

bool ct_owes_answer(const struct instance *inst)
{
	return inst->ct->early.pkt;
}

bool ct_track_first(struct instance *inst, struct pkt *pkt)
{
	struct hook_state state = { .inst = inst, .family = pkt->l.family, .in = pkt->in, .hooknum = NF_INET_PRE_ROUTING };
	struct ct_l4 l4 = { pkt->data + pkt->l.l4_off, pkt->len - pkt->l.l4_off, pkt->l.l4proto };
	int answer = 0;
	enum ct_met met = meet(inst, pkt, NULL, &l4, &state, &answer);

	if (likely(met == CT_MET_TRACKED && answer > 0 && is_plain_new(pkt)))
		return true;
	inst->ct->early = (struct ct_early){ pkt, pkt->ct, pkt->ctinfo, (uint8_t)met, answer };
	pkt->ct = NULL;
	pkt->ctinfo = 0;
	return false;
}

void ct_track_forget(struct instance *inst, const struct pkt *pkt)
{
	struct ct_early *early = &inst->ct->early;

	if (likely(early->pkt != pkt))
		return;
	early->pkt = NULL;
	ct_put(inst, early->ct);
}

bool ct_track_met(struct instance *inst, struct pkt *pkt, struct ct *ct, int dir, uint32_t status, struct ct_early *early)
{
	struct hook_state state = { .inst = inst, .family = pkt->l.family, .in = pkt->in, .hooknum = NF_INET_PRE_ROUTING };
	struct ct_l4 l4 = { pkt->data + pkt->l.l4_off, pkt->len - pkt->l.l4_off, pkt->l.l4proto };
	int answer;

	pkt->ct = ct;
	pkt->ctinfo = ctinfo_of(ct, dir);
	answer = ask_tracker(inst, pkt, &l4, &state);
	if (likely(answer > 0 && ct->status == status))
		return true;
	ct_get(ct);
	*early = (struct ct_early){ pkt, ct, pkt->ctinfo, CT_MET_TRACKED, answer };
	pkt->ct = NULL;
	pkt->ctinfo = 0;
	return false;
}

void ct_settle(struct instance *inst, struct ct *ct)
{
	if (ct_is_confirmed(ct) && !ct_is_dying(ct)) {
		if ((int32_t)(ct->expires_tick - ct->look_tick) < 0)
			ct_wheel_watch(inst, ct);
		ct_events_deliver(inst, ct);
	}
	ct_put(inst, ct);
}

void ct_early_put(struct instance *inst, const struct ct_early *early)
{
	struct ct *ct = early->ct;

	if (ct_is_confirmed(ct) && !ct_is_dying(ct) && (int32_t)(ct->expires_tick - ct->look_tick) < 0)
		ct_wheel_watch(inst, ct);
	inst->ct->early = *early;
}

void ct_attach_made(struct instance *inst, struct pkt *made, const struct pkt *cause)
{
	uint8_t ctinfo = ctinfo_dir(cause->ctinfo) == IP_CT_DIR_ORIGINAL ? IP_CT_RELATED_REPLY : IP_CT_RELATED;

	if (cause->ct)
		pkt_ct_set(inst, made, cause->ct, ctinfo);
	else if (cause->ctinfo)
		made->ctinfo = ctinfo;	/* about an untracked one: NOTRACK finds it seen already, and leaves it alone */
}

static void log_invalid(struct instance *inst, const struct pkt *pkt, const char *reason)
{
	struct hook_state early = { .inst = inst, .family = pkt->l.family, .in = pkt->in,
				    .hooknum = pkt->flags & PKT_FLAG_LOCAL ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING };
	char prefix[REASON_ROOM + 32];

	if (pkt->flags & PKT_FLAG_LOCAL)
		early.out = pkt->out;
	snprintf(prefix, sizeof(prefix), "nf_ct_proto_%u: %s ", pkt->l.l4proto, reason);
	logger_say(inst, pkt, pkt->hook ? pkt->hook : &early, LOGGER_LEVEL, LOGGER_FLAGS, prefix);
}

void ct_invalid(struct instance *inst, const struct pkt *pkt, const char *fmt, ...)
{
	uint8_t wanted = inst->ct->conf.log_invalid;
	bool logs = wanted && (wanted == pkt->l.l4proto || wanted == IPPROTO_RAW);
	char reason[REASON_ROOM];
	va_list ap;

	if (!inst->observer.invalid && !logs)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (inst->in_company)
		spin_lock(&inst->crew->telling);	/* one at a time */
	if (inst->observer.invalid)
		inst->observer.invalid(inst->observer.priv, pkt, pkt->l.l4proto, reason);
	if (logs)
		log_invalid(inst, pkt, reason);
	if (inst->in_company)
		spin_unlock(&inst->crew->telling);
}

/*
 * Three passes over the burst, each touching what the one before it asked for: bucket, first node, the rest of
 * the record. While one packet's memory is on its way the others' is asked for, too.
 */
void ct_prefetch(struct instance *inst, struct pkt *const *burst, unsigned int count)
{
	struct ct_place place[PKT_BURST_MAX];
	struct ct_node *node[PKT_BURST_MAX];
	unsigned int found = 0, there = 0;

	for (unsigned int i = 0; i < count && found < PKT_BURST_MAX; i++) {
		struct ct_tuple tuple;
		struct ct_l4 l4;

		if (burst[i]->ct || !ct_l4_find(burst[i]->data, burst[i]->len, burst[i]->l.family, &l4) ||
		    !ct_tuple_read(inst, burst[i]->data, burst[i]->l.family, &l4, &tuple))
			continue;
		place[found++] = ct_tuple_prefetch(inst, &tuple);
	}
	for (unsigned int i = 0; i < found; i++) {
		node[there] = ct_link_towards(*place[i].bucket, place[i].hash);
		if (!node[there])
			continue;
		__builtin_prefetch(node[there]);
		__builtin_prefetch(&node[there]->tuple.dir);
		place[there++] = place[i];
	}
	for (unsigned int i = 0; i < there; i++) {
		const struct ct *ct = ct_of_node(node[i]);

		__builtin_prefetch(&ct->node[0]);
		__builtin_prefetch(&ct->node[1]);
		__builtin_prefetch(&ct->status);
		__builtin_prefetch(&ct->refs);
		if (ct_link_towards(node[i]->next, place[i].hash))
			__builtin_prefetch(&ct_link_node(node[i]->next)->tuple);
	}
}
