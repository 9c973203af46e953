/*
 * path/path.c - the way itself.
 *
 *	received:  check, PRE_ROUTING, route; for us: LOCAL_IN, deliver; onward: FORWARD, POST_ROUTING, out
 *	made here: LOCAL_OUT, POST_ROUTING, out
 *
 * A burst is first checked as a whole, while nothing waits for memory; then each packet
 * goes to its end before the next one starts, as if it had come alone.
 */
#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/path_internal.h"
#include "table/table.h"

/* A tagged frame belongs to the VLAN interface on top; without one it is nobody's. */
static void receive_vlan(struct instance *inst, struct pkt *pkt)
{
	unsigned int vid = pkt->vlan_tci & 0xfff;

	if (!pkt->in || pkt->in->vlan_parent)
		return;
	list_for_each(node, &inst->ifaces) {
		struct iface *child = list_entry(node, struct iface, node);

		if (child->vlan_parent != pkt->in || child->vlan_id != vid)
			continue;
		pkt->in->stats.rx_packets++;
		pkt->in->stats.rx_bytes += pkt->len;
		pkt->in = child;
		if (pkt->type == PACKET_OTHERHOST && pkt->mac && !memcmp(pkt->mac, child->mac, 6))
			pkt->type = PACKET_HOST;
		return;
	}
	if (vid)
		pkt->type = PACKET_OTHERHOST;
}

static __attribute__((noinline)) void receive_check_any(struct instance *inst, struct pkt *pkt)
{
	enum drop_reason reason = DROP_NONE;

	if (unlikely(pkt->flags & PKT_FLAG_VLAN))
		receive_vlan(inst, pkt);
	pkt->opt = (struct pkt_options){ .iif = pkt->in };
	if (!pkt->in || !pkt->in->up)
		reason = DROP_IFACE_DOWN;
	else if (pkt->protocol == ETH_P_IP)
		reason = ip4_check_plain(pkt) ? DROP_NONE : ip4_check(pkt);
	else if (pkt->protocol == ETH_P_IPV6)
		reason = ip6_check(inst, pkt);
	else if (pkt->protocol != ETH_P_ARP)
		reason = DROP_PROTOCOL;
	pkt->drop_reason = reason;
}

/* Everything that needs no other packet's outcome. Leaves its judgement in drop_reason. */
static inline void receive_check(struct instance *inst, struct pkt *pkt)
{
	struct iface *in = pkt->in;

	if (unlikely(pkt->protocol != ETH_P_IP || pkt->flags & PKT_FLAG_VLAN || !in || !in->up || !ip4_check_plain(pkt))) {
		receive_check_any(inst, pkt);
		return;
	}
	pkt->opt = (struct pkt_options){ .iif = in };
	pkt->drop_reason = DROP_NONE;
}

/* The flow cache may know the whole way of a packet. */
static bool go_known_way(struct instance *inst, struct pkt *pkt)
{
	const struct neigh *neigh = NULL;
	const uint8_t *mac;

	switch (flowcache_take(inst, pkt, &neigh)) {
	case FLOW_FULL:
		return false;
	case FLOW_GONE:
		return true;
	case FLOW_DELIVER:
		if (pkt->l.family == NFPROTO_IPV6)
			ip6_local_finish(inst, pkt);
		else
			local_deliver4(inst, pkt);
		return true;
	case FLOW_FORWARD:
	case FLOW_SEND:
		break;
	}
	mac = neigh ? neigh_mac_now(neigh) : NULL;
	if (neigh && !mac)
		path_neigh_output(inst, pkt);
	else
		link_transmit(inst, pkt->route.oif, pkt, mac, pkt->protocol);
	return true;
}

static __attribute__((noinline)) void receive_fully(struct instance *inst, struct pkt *pkt)
{
	if (pkt->drop_reason != DROP_NONE)
		pkt_drop(inst, pkt, pkt->drop_reason);
	else if (pkt->protocol == ETH_P_IP)
		ip4_receive(inst, pkt);
	else if (pkt->protocol == ETH_P_IPV6)
		ip6_receive(inst, pkt);
	else
		arp_receive(inst, pkt);
	flowcache_done(inst);
	ct_track_forget(inst, pkt);
}

static inline void receive_one(struct instance *inst, struct pkt *pkt)
{
	const bool is_translated = pkt->flags & PKT_FLAG_TRANSLATED;

	if (pkt->in && !is_translated) {
		pkt->in->stats.rx_packets++;
		pkt->in->stats.rx_bytes += pkt->len;
	}
	if (pkt->drop_reason != DROP_NONE || pkt->protocol == ETH_P_ARP || is_translated || !go_known_way(inst, pkt))
		receive_fully(inst, pkt);
}

/* Lets the hooks of PRE_ROUTING ask for the memory that these packets will need. */
static void prefetch_family(struct instance *inst, struct pkt **sound, unsigned int count, uint8_t family, enum path_asked asked)
{
	if (count > 1 && flowcache_is_on(inst) && ct_is_on(inst, family)) {
		if (asked != PATH_ASKED || family != NFPROTO_IPV4)
			flowcache_prefetch(inst, sound, count, asked != PATH_NOT_ASKED);
	} else if (count > 1) {
		struct hook_state state = path_hook(inst, family, NF_INET_PRE_ROUTING, NULL, NULL);

		hook_prefetch(sound, count, &state);
	}
	tables_look_ahead(inst, family, sound, count);
}

static void prefetch(struct instance *inst, struct pkt **burst, unsigned int count, enum path_asked asked)
{
	struct pkt *sound4[PKT_BURST_MAX], *sound6[PKT_BURST_MAX];
	unsigned int n4 = 0, n6 = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (burst[i]->drop_reason != DROP_NONE)
			continue;
		if (burst[i]->protocol == ETH_P_IP)
			sound4[n4++] = burst[i];
		else if (burst[i]->protocol == ETH_P_IPV6)
			sound6[n6++] = burst[i];
	}
	prefetch_family(inst, sound4, n4, NFPROTO_IPV4, asked);
	prefetch_family(inst, sound6, n6, NFPROTO_IPV6, asked);
}

void path_arrive(struct instance *inst, struct pkt **burst, unsigned int count)
{
	path_check(inst, burst, count);
	prefetch(inst, burst, count, PATH_NOT_ASKED);
}

void path_check(struct instance *inst, struct pkt **burst, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		receive_check(inst, burst[i]);
}

void path_go(struct instance *inst, struct pkt **burst, unsigned int count, enum path_asked asked, const struct ct_early *early)
{
	if (count > 1 && count <= PKT_BURST_MAX)
		prefetch(inst, burst, count, asked);
	for (unsigned int i = 0; i < count; i++) {
		if (early && early[i].pkt)
			ct_early_put(inst, &early[i]);
		path_go_on(inst, burst[i]);
	}
}

void path_go_on(struct instance *inst, struct pkt *pkt)
{
	inst->serial = pkt->serial;	/* what is made now is its doing */
	path_enter(inst);
	receive_one(inst, pkt);
	path_leave(inst);
}

void path_receive(struct instance *inst, struct pkt **burst, unsigned int count)
{
	path_check(inst, burst, count);
	path_go(inst, burst, count, PATH_NOT_ASKED, NULL);
}

/*
 * What one packet may send back into the host (by lo, or as its own copy of a group's packet). Linux knows no end: TEE of a
 * group's packets on their way in, say, circles for ever.
 */
enum { BACKLOG_ROUNDS_MAX = 1024 };

void path_drain(struct instance *inst)
{
	struct icmp_state *state = path_state(inst);

	state->draining = true;
	for (unsigned int rounds = 0; !list_is_empty(&state->backlog); rounds++) {
		struct pkt *pkt = list_entry(state->backlog.next, struct pkt, node);

		list_remove(&pkt->node);
		if (rounds >= BACKLOG_ROUNDS_MAX) {
			pkt_drop(inst, pkt, DROP_LOOP);
			continue;
		}
		receive_check(inst, pkt);
		state->depth++;
		receive_one(inst, pkt);
		state->depth--;
	}
	state->draining = false;
}

void path_cross(struct instance *inst, struct pkt *made, const struct pkt *from, struct iface *in)
{
	path_enter(inst);
	made->in = in;
	made->type = PACKET_HOST;
	made->flags |= PKT_FLAG_TRANSLATED;
	made->protocol = made->data[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP;
	made->mark = from->mark;
	made->priority = from->priority;
	made->serial = from->serial;
	made->stamp_ns = from->stamp_ns;
	list_append(&path_state(inst)->backlog, &made->node);
	path_leave(inst);
}

void path_output(struct instance *inst, struct pkt *pkt)
{
	/* IPv6 has routes over lo that let a packet out only to refuse it. */
	if (pkt->route.kind == ROUTE_ERROR && pkt->l.family == NFPROTO_IPV6)
		icmp6_send(inst, pkt, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
	if (!pkt->route.oif || pkt->route.kind == ROUTE_ERROR || pkt->route.kind == ROUTE_NONE)
		pkt_drop(inst, pkt, DROP_NO_ROUTE);
	else if (pkt->l.family == NFPROTO_IPV6)
		ip6_output(inst, pkt);
	else
		ip4_output(inst, pkt);
}

/* IPv4 lengths and sums are the host's duty; a raw socket's IPv6 header stays as it is. */
static void local_out_header(struct instance *inst, struct pkt *pkt)
{
	if (pkt->data[0] >> 4 == 6) {
		uint32_t payload = pkt->len - sizeof(struct ipv6hdr);

		pkt->protocol = ETH_P_IPV6;
		if (!(pkt->flags & PKT_FLAG_HDRINCL))
			pkt_ip6(pkt)->payload_len = htons(payload > 65535 ? 0 : payload);
	} else {
		struct iphdr *ip = pkt_ip4(pkt);

		pkt->protocol = ETH_P_IP;
		ip->tot_len = htons(pkt->len);
		if (!ip->id && !(ip->frag_off & htons(IP4_DF)))
			ip->id = htons(path_ip_id(inst));
		csum_ip4_header(ip);
	}
	pkt_parse(pkt);
}

void path_local_out(struct instance *inst, struct pkt *pkt)
{
	/* A socket's; else another packet's doing, which may be in the middle of being recorded. */
	const bool is_own = pkt->flags & PKT_FLAG_HDRINCL && !inst->record;
	struct hook_state state;

	path_enter(inst);
	local_out_header(inst, pkt);
	pkt->flags |= PKT_FLAG_LOCAL;
	pkt->out = pkt->route.oif;
	state = path_hook(inst, pkt->l.family, NF_INET_LOCAL_OUT, NULL, pkt->route.oif);
	if (is_own && go_known_way(inst, pkt)) {
		path_leave(inst);
		return;
	}
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		path_output(inst, pkt);
	if (is_own) {
		flowcache_done(inst);
		ct_track_forget(inst, pkt);
	}
	path_leave(inst);
}

void path_continue(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	bool six = state->family == NFPROTO_IPV6;

	path_enter(inst);
	switch (state->hooknum) {
	case NF_INET_PRE_ROUTING:
		six ? ip6_receive_finish(inst, pkt) : ip4_receive_finish(inst, pkt);
		break;
	case NF_INET_LOCAL_IN:
		six ? ip6_local_finish(inst, pkt) : local_deliver4(inst, pkt);
		break;
	case NF_INET_FORWARD:
		six ? path_output(inst, pkt) : ip4_forward_finish(inst, pkt);
		break;
	case NF_INET_LOCAL_OUT:
		path_output(inst, pkt);
		break;
	default:
		path_finish_output(inst, pkt);
		break;
	}
	path_leave(inst);
}

void path_finish_output(struct instance *inst, struct pkt *pkt)
{
	path_enter(inst);
	if (pkt->l.family == NFPROTO_IPV6)
		ip6_finish_output(inst, pkt);
	else
		ip4_finish_output(inst, pkt);
	path_leave(inst);
}

struct pkt *path_made_new(struct instance *inst, const struct pkt *cause, uint32_t len)
{
	struct pkt *made = pkt_new(inst, len);

	if (!made)
		return NULL;
	made->type = PACKET_HOST;
	made->flags = PKT_FLAG_LOCAL;
	if (cause) {
		made->serial = cause->serial;
		made->stamp_ns = cause->stamp_ns;
	} else {
		made->serial = inst->serial;
		made->stamp_ns = inst->now_ns;
	}
	return made;
}

uint32_t path_reply_mark(const struct instance *inst, uint8_t family, const struct pkt *cause)
{
	const struct icmp_state *state = path_state(inst);

	return (family == NFPROTO_IPV4 ? state->mark_reflect4 : state->mark_reflect6) ? cause->mark : 0;
}

uint8_t path_hop_limit(const struct instance *inst, uint8_t family, const struct pkt_route *route)
{
	if (route->hoplimit)
		return route->hoplimit;
	return family == NFPROTO_IPV4 ? path_state(inst)->ttl : route->oif->conf->hop_limit6;
}

void path_copy_metadata(struct instance *inst, struct pkt *piece, const struct pkt *whole)
{
	piece->in = whole->in;
	piece->out = whole->out;
	piece->type = whole->type;
	piece->flags = whole->flags;
	piece->mark = whole->mark;
	piece->priority = whole->priority;
	piece->route = whole->route;
	piece->protocol = whole->protocol;
	piece->stamp_ns = whole->stamp_ns;
	piece->serial = whole->serial;
	piece->secmark = whole->secmark;
	piece->rule = whole->rule;
	piece->opt.iif = whole->opt.iif;
	if (whole->ct)
		pkt_ct_set(inst, piece, whole->ct, whole->ctinfo);
	else
		piece->ctinfo = whole->ctinfo;
}

void path_made_send(struct instance *inst, struct pkt *made, const struct pkt *cause)
{
	if (inst->observer.made)
		inst->observer.made(inst->observer.priv, made, cause);
	path_local_out(inst, made);
}

uint16_t path_ip_id(struct instance *inst)
{
	uint16_t id;

	do {
		id = rng_u16(&inst->rng);
	} while (!id);
	return id;
}
