/*
 * flowcache/learn.c - from a packet that took the full way to an action, when there is one.
 * Nothing is taken on trust: the action must turn the packet as it came into the packet that left, byte for byte, or
 * there is none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bigmem.h"
#include "conntrack/helper.h"
#include "flowcache/flowcache_internal.h"

/* Fixed for all packets of a direction that flowcache_take() lets through at all, or compared by every action. */
#define DEP_FIXED (DEP_NOTHING | DEP_L3_ADDRS | DEP_L3_PROTO | DEP_L3_FRAG | DEP_L3_OPTIONS | DEP_L4_PORTS | DEP_IFACES | \
		   DEP_PKT_TYPE | DEP_MARK | DEP_CT_STATE | DEP_CT_STATUS | DEP_CT_TUPLE | DEP_ROUTE)
/* Compared by those actions that rest on them. */
#define DEP_COMPARED (DEP_L3_TOS | DEP_L3_TTL | DEP_L4_FLAGS | DEP_CT_MARK)

void flowcache_free(struct instance *inst, struct flowcache *cache)
{
	if (!cache)
		return;
	flow_forget_all(inst);
	bigmem_free(cache->slots, FLOW_SLOTS * sizeof(*cache->slots));
	free(cache->first);
	free(cache->difference);
	free(cache);
}

static bool record_begin(struct instance *inst, const struct pkt *pkt, struct ct *ct, int dir)
{
	struct flow_recording *way = &inst->flow->recording;

	if (pkt->len > FLOW_COPY_MAX)
		return false;
	memset(&way->rec, 0, sizeof(way->rec));
	memset(&way->fit, 0, sizeof(way->fit));
	way->rec.pkt = pkt;
	way->rec.flags_alike = ~0ull;
	if (ct)
		ct_get(ct);
	way->ct = ct;
	way->dir = dir;
	way->fit.in = pkt->in;
	way->fit.status = way->began = ct ? ct->status : 0;
	way->fit.mark = pkt->mark;
	way->fit.len_max = UINT32_MAX;
	way->ct_mark = ct ? ct->mark : 0;
	way->fields = flow_fields(pkt);
	way->expected = 0;
	way->expected_first = NULL;
	way->len = pkt->len;
	way->layers = pkt->l;
	memcpy(way->copy, pkt->data, pkt->len);
	inst->record = &way->rec;
	return true;
}

void flow_record_begin(struct instance *inst, const struct pkt *pkt, struct ct *ct, int dir, uint32_t expected)
{
	if (record_begin(inst, pkt, ct, dir))
		inst->flow->recording.expected = expected;
}

void flow_record_first(struct instance *inst, const struct pkt *pkt, const struct flow_first *expected, const struct neigh *neigh)
{
	struct flow_recording *way = &inst->flow->recording;

	if (!record_begin(inst, pkt, NULL, IP_CT_DIR_ORIGINAL))
		return;
	memset(&way->first, 0, sizeof(way->first));
	way->rec.first = &way->first;
	way->expected_first = expected;
	way->expected_neigh = neigh;
}

bool flow_is_special(const struct ct *ct)
{
	if (ct->status & IPS_EXPECTED && (ct_proto_num(ct) == IPPROTO_ICMP || ct_proto_num(ct) == IPPROTO_ICMPV6))
		return true;		/* RELATED, as errors are: NAT takes it for one */
	return ct->status & (IPS_SEQ_ADJUST | IPS_HELPER) || ct_help_of(ct) || ct_synproxy_of(ct) || ct->zone.id;
}

void flow_fit_narrow(struct instance *inst, struct flow_recording *way)
{
	uint32_t depends = way->rec.depends;

	if (depends & DEP_L3_TOS || route_minds_tos(inst))
		way->fit.fields_mask |= FLOW_FIELD_TOS;
	if (depends & DEP_L3_TTL)
		way->fit.fields_mask |= FLOW_FIELD_TTL;
	if (depends & DEP_L4_FLAGS)
		way->fit.fields_mask |= (uint32_t)way->rec.tcp_flags << FLOW_FIELD_FLAGS_SHIFT;
	way->fit.flags_alike = way->rec.flags_alike;
	way->fit.status = way->rec.status;
	way->fit.status_mask = depends & DEP_CT_STATUS ? UINT32_MAX : ~(uint32_t)IPS_ASSURED;
	if (depends & DEP_CT_MARK)
		way->fit.ct_mark_mask = UINT32_MAX;
	way->fit.ct_mark = way->ct_mark & way->fit.ct_mark_mask;
}

/* TOS and TTL as they are now, against what comes from doing nothing special. */
static void result_of_bytes(struct flow_recording *way, const struct pkt *pkt, struct flow_result *result)
{
	uint32_t now = flow_fields(pkt), ttl = way->fields >> 8 & 0xff;

	if ((now ^ way->fields) & FLOW_FIELD_TOS) {
		result->sets_tos = true;
		result->tos = (uint8_t)now;
		way->fit.fields_mask |= FLOW_FIELD_TOS;
	}
	if ((now >> 8 & 0xff) != ttl - (result->way == FLOW_FORWARD)) {
		result->sets_ttl = true;
		result->ttl = (uint8_t)(now >> 8);
		way->fit.fields_mask |= FLOW_FIELD_TTL;
	}
}

bool flow_reproduces(const struct flow_recording *way, const struct pkt *pkt, const struct flow_result *result)
{
	uint8_t copy[FLOW_COPY_MAX];

	if (pkt->len != way->len)
		return false;
	memcpy(copy, way->copy, way->len);
	flow_rewrite(copy, way->ct, way->dir, result);
	return !memcmp(copy, pkt->data, pkt->len);
}

/* What it says may not be repeated without looking: redirects, groups, lo. */
bool flow_is_plain_route(const struct pkt *pkt, enum flow_way way)
{
	const struct pkt_route *route = &pkt->route;
	const uint16_t odd = ROUTE_REDIRECT | ROUTE_BROADCAST | ROUTE_MULTICAST;

	if (way == FLOW_DELIVER)
		return route->kind == ROUTE_LOCAL_IN && route->type == RTN_LOCAL && !(route->flags & odd);
	return route->kind == (way == FLOW_SEND ? ROUTE_OUTPUT : ROUTE_FORWARD) && route->type == RTN_UNICAST &&
	       !(route->flags & (odd | ROUTE_LOCAL)) && route->oif && !route->oif->is_loopback && route->oif != pkt->opt.iif;
}

static uint32_t len_max_of(const struct pkt *pkt, enum flow_way way)
{
	uint32_t mtu = pkt->route.mtu;

	if (way == FLOW_DELIVER)
		return UINT32_MAX;
	return pkt->l.family == NFPROTO_IPV6 ? MIN_OF(mtu, iface_conf_mtu6(pkt->route.oif)) : mtu;
}

void flow_result_of(struct flow_recording *way, const struct pkt *pkt, enum flow_way ended, struct flow_result *result)
{
	memset(result, 0, sizeof(*result));
	result->way = ended;
	result->route = pkt->route;
	result->rule = pkt->rule;
	result->mark = pkt->mark;
	if (way->rec.has_tos_priority && !way->rec.has_target)
		result->has_tos_priority = true;
	else
		result->priority = pkt->priority;
	if (way->rec.has_tos_priority && way->rec.has_target)
		way->fit.fields_mask |= FLOW_FIELD_PRIORITY;
	result->secmark = pkt->secmark;
	result->flags = pkt->flags & (uint16_t)~(PKT_FLAG_VLAN | PKT_FLAG_CSUM_TRUSTED);
	result_of_bytes(way, pkt, result);
	way->fit.len_max = len_max_of(pkt, ended);
}

/*
 * The connection is as its tracker left it: only then does the next packet find what this one found. Nobody before the tracker
 * saw its status, so it may have changed there; but not so that this packet's ctinfo is another than that of the next.
 */
static bool is_steady(const struct flow_recording *way, const struct pkt *pkt)
{
	const uint32_t may_come = way->dir == IP_CT_DIR_REPLY ? IPS_ASSURED | IPS_SEEN_REPLY : IPS_ASSURED;
	const struct ct *ct = way->ct;

	return way->rec.is_tracked && !way->rec.is_moving && ct->status == way->rec.status && !((ct->status ^ way->began) & ~may_come) &&
	       ct->mark == way->ct_mark && (!pkt || pkt->ct == ct);
}

static bool may_be_remembered(const struct flow_recording *way)
{
	return !way->rec.is_spoiled && !(way->rec.depends & ~(DEP_FIXED | DEP_COMPARED)) && !flow_is_special(way->ct);
}

static void remember(struct instance *inst, const struct flow_result *result, bool good)
{
	static const struct flow_result full_way = { .way = FLOW_FULL };
	struct flow_recording *way = &inst->flow->recording;
	struct flow_stats *stats = &inst->flow->stats;

	if (!good) {
		if (way->began != way->rec.status)
			return;			/* the next one may do better */
		way->fit.fields_mask = 0;	/* whatever it looks like, as long as the connection stays like this */
		way->fit.len_max = UINT32_MAX;
		way->fit.flags_alike = ~0ull;
		way->fit.status_mask = UINT32_MAX;
	}
	way->fit.fields = way->fields & way->fit.fields_mask;
	way->ct->flow[way->dir] = flow_action_get(inst, &way->fit, good ? result : &full_way, way->rec.counted,
						  good ? way->rec.count : 0);
	if (good && way->ct->flow[way->dir])
		flow_alike_note(inst, way, result, way->ct->flow[way->dir]);
	*(good ? &stats->recorded : &stats->refused) += 1;
}

/* --- FLOW_CHECK --- */

void flow_differ(struct flowcache *cache, const struct pkt *pkt, const char *what)
{
	if (!cache->difference && asprintf(&cache->difference, "packet %llu: the full way has another %s than the remembered one",
					   (unsigned long long)pkt->serial, what) < 0)
		cache->difference = NULL;
}

void flow_compare(struct flowcache *cache, const struct pkt *pkt, const struct flow_result *result, const struct flow_result *want,
		  const struct tally *tally)
{
	const struct flow_recording *way = &cache->recording;

	if (result->way != want->way)
		flow_differ(cache, pkt, "end");
	else if (memcmp(&result->route, &want->route, sizeof(want->route)) || result->neigh != want->neigh)
		flow_differ(cache, pkt, "route");
	else if (result->mark != want->mark || result->has_tos_priority != want->has_tos_priority ||
		 result->priority != want->priority || result->secmark != want->secmark)
		flow_differ(cache, pkt, "mark or priority");
	else if (result->rule != want->rule)
		flow_differ(cache, pkt, "deciding rule");
	else if (result->flags != want->flags)
		flow_differ(cache, pkt, "set of flags");
	else if (way->rec.count != tally->count || memcmp(way->rec.counted, tally->counted, way->rec.count * sizeof(way->rec.counted[0])))
		flow_differ(cache, pkt, "list of counted rules");
	else if (!flow_reproduces(way, pkt, want))
		flow_differ(cache, pkt, "packet");
}

static void compare(struct flowcache *cache, const struct pkt *pkt, const struct flow_result *result)
{
	const struct flow_recording *way = &cache->recording;
	const struct flow_action *action = flow_action_of(cache, way->expected);

	if (!action || (way->rec.status ^ action->fit.status) & action->fit.status_mask)
		return;		/* gone, or the tracker would have stopped it */
	flow_compare(cache, pkt, result, &action->result, &action->tally);
}

/* --- the end of the way --- */

void flowcache_note_end(struct instance *inst, struct pkt *pkt, uint8_t family, const union nf_inet_addr *addr)
{
	struct flow_recording *way = &inst->flow->recording;
	enum flow_way ended = !addr ? FLOW_DELIVER : pkt->flags & PKT_FLAG_LOCAL ? FLOW_SEND : FLOW_FORWARD;
	struct flow_result result;
	bool good;

	if (inst->record != &way->rec || way->rec.pkt != pkt)
		return;
	inst->record = NULL;
	if (way->rec.first) {
		flow_first_note(inst, pkt, ended, addr);
		return;
	}
	if (is_steady(way, pkt)) {
		flow_fit_narrow(inst, way);
		flow_result_of(way, pkt, ended, &result);
		good = !pkt->socket && flow_is_plain_route(pkt, ended) && may_be_remembered(way);
		if (good && addr) {
			result.neigh = neigh_remember(inst, pkt->route.oif, family, addr);
			good = result.neigh || pkt->route.oif->type != ARPHRD_ETHER;
		}
		if (way->expected)
			compare(inst->flow, pkt, &result);
		else
			remember(inst, &result, good && flow_reproduces(way, pkt, &result));
	}
	ct_put(inst, way->ct);
}

/* It ended elsewhere: dropped, kept, taken over. */
void flowcache_finish(struct instance *inst)
{
	struct flow_recording *way = &inst->flow->recording;

	inst->record = NULL;
	if (way->rec.first) {
		flow_first_finish(inst);
		return;
	}
	if (is_steady(way, NULL)) {
		static const struct flow_result nothing = { .way = FLOW_FULL };
		const struct pkt gone = { .serial = inst->serial };

		if (way->expected)
			compare(inst->flow, &gone, &nothing);
		else
			remember(inst, NULL, false);
	}
	ct_put(inst, way->ct);
}
