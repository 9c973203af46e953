/*
 * path/ip4_out.c - an IPv4 packet goes on or leaves: what forwarding changes and refuses, and the last
 * steps before the link.
 */
#include "hook/record.h"
#include "path/path_internal.h"

static bool too_big(const struct pkt *pkt, uint32_t mtu)
{
	if (pkt->len <= mtu || !(pkt_ip4(pkt)->frag_off & htons(IP4_DF)))
		return false;
	if (pkt->frag_max_size > mtu)
		return true;
	return !(pkt->flags & PKT_FLAG_REASSEMBLED);
}

static void decrease_ttl(struct iphdr *ip)
{
	uint32_t sum = ip->check + (uint32_t)htons(0x0100);

	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
}

void ip4_forward(struct instance *inst, struct pkt *pkt)
{
	struct iphdr *ip = pkt_ip4(pkt);
	struct hook_state state;
	uint32_t mtu = pkt->route.mtu;

	pkt->flags &= ~PKT_FLAG_CSUM_SUMMED;
	if (pkt->type != PACKET_HOST) {
		pkt_drop(inst, pkt, DROP_UNICAST_IN_L2_MULTICAST);
		return;
	}
	if (pkt->socket) {	/* TPROXY or a connected socket has it, and no route brings it there */
		pkt_drop(inst, pkt, DROP_SOCKET);
		return;
	}
	if (ip->ttl <= 1) {
		icmp_send(inst, pkt, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		pkt_drop(inst, pkt, DROP_TTL);
		return;
	}
	if (pkt->opt.strict && pkt->route.gateway.ip) {
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
		pkt_drop(inst, pkt, DROP_IP_OPTIONS);
		return;
	}
	pkt->flags |= PKT_FLAG_FORWARDED;
	if (too_big(pkt, mtu)) {
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
		pkt_drop(inst, pkt, DROP_MTU);
		return;
	}
	decrease_ttl(ip);
	if (pkt->route.flags & ROUTE_REDIRECT && !pkt->opt.srr)
		icmp_redirect(inst, pkt);
	if (path_state(inst)->update_priority) {
		pkt->priority = ip4_tos_priority(ip->tos);
		if (unlikely(inst->record))
			inst->record->has_tos_priority = true;
	}
	pkt->out = pkt->route.oif;
	state = path_hook(inst, NFPROTO_IPV4, NF_INET_FORWARD, pkt->in, pkt->route.oif);
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		ip4_forward_finish(inst, pkt);
}

void ip4_forward_finish(struct instance *inst, struct pkt *pkt)
{
	if (pkt->opt.len)
		ip4_options_forward(inst, pkt);
	path_output(inst, pkt);
}

/* The host's own copy of a broadcast or of a group it is in: out through POST_ROUTING, back in by the same interface. */
static void output_own_copy(struct instance *inst, const struct pkt *pkt)
{
	struct pkt *copy = pkt_copy(inst, pkt);
	struct hook_state state;

	if (!copy)
		return;
	copy->flags &= ~PKT_FLAG_HDRINCL;	/* no socket stands behind it */
	state = path_hook(inst, NFPROTO_IPV4, NF_INET_POST_ROUTING, NULL, pkt->route.oif);
	if (hook_walk(copy, &state) == NF_ACCEPT)
		link_loopback(inst, copy, pkt->route.oif, PACKET_LOOPBACK);
}

void ip4_output(struct instance *inst, struct pkt *pkt)
{
	const struct pkt_route *route = &pkt->route;
	bool group = route->flags & (ROUTE_MULTICAST | ROUTE_BROADCAST) && route->flags & ROUTE_LOCAL &&
		     !route->oif->is_loopback;
	struct hook_state state = path_hook(inst, NFPROTO_IPV4, NF_INET_POST_ROUTING, group ? NULL : pkt->in, route->oif);

	pkt->out = route->oif;
	if (group) {
		output_own_copy(inst, pkt);
		if (route->flags & ROUTE_MULTICAST && !pkt_ip4(pkt)->ttl) {
			pkt_drop(inst, pkt, DROP_TTL);
			return;
		}
	}
	if (!(pkt->flags & PKT_FLAG_REROUTED) && hook_walk(pkt, &state) != NF_ACCEPT)
		return;
	ip4_finish_output(inst, pkt);
}

void ip4_finish_output(struct instance *inst, struct pkt *pkt)
{
	uint32_t mtu = pkt->route.mtu;

	if (pkt->len > mtu || pkt->frag_max_size)
		ip4_fragment(inst, pkt, mtu);
	else
		path_neigh_output(inst, pkt);
}
