/*
 * path/ip6_out.c - an IPv6 packet goes on or leaves.
 */
#include "path/path_internal.h"

static bool too_big(const struct pkt *pkt, uint32_t mtu)
{
	if (pkt->len <= mtu)
		return false;
	return pkt->frag_max_size > mtu || !(pkt->flags & PKT_FLAG_REASSEMBLED);
}

/* A better first hop on the same link: told once a second, to each sender and about each destination. */
static void redirect(struct instance *inst, struct pkt *pkt)
{
	const struct in6_addr *target = &pkt->route.gateway.in6;

	if (ip6_is_any(target))
		target = &pkt_ip6(pkt)->daddr;
	if (icmp_peer_allow(inst, icmp_peer_get(inst, NFPROTO_IPV6, &pkt_ip6(pkt)->daddr), WEIR_HZ))
		ndisc_redirect(inst, pkt, target);
}

/* False: the source must not leave its link; the packet is gone. */
static bool source_may_pass(struct instance *inst, struct pkt *pkt)
{
	const struct in6_addr *source = &pkt_ip6(pkt)->saddr;

	if (ip6_is_any(source) || ip6_is_multicast(source) || ip6_is_loopback(source)) {
		pkt_drop(inst, pkt, DROP_MARTIAN_SOURCE);
		return false;
	}
	if (ip6_is_link_local(source)) {
		icmp6_send(inst, pkt, ICMPV6_DEST_UNREACH, ICMPV6_NOT_NEIGHBOUR, 0);
		pkt_drop(inst, pkt, DROP_MARTIAN_SOURCE);
		return false;
	}
	return true;
}

void ip6_forward(struct instance *inst, struct pkt *pkt)
{
	struct iface *out = pkt->route.oif;
	/* A route's mtu that is not locked is for those who send: it refuses only after FORWARD. */
	uint32_t mtu = pkt->route.flags & ROUTE_MTU_LOCKED ? pkt->route.mtu : iface_conf_mtu6(out);
	struct hook_state state;

	if (!iface_conf_all(inst)->forwarding6 && !pkt->opt.iif->conf->force_forwarding6) {
		pkt_drop(inst, pkt, DROP_FORWARDING_OFF);
		return;
	}
	pkt->flags &= ~PKT_FLAG_CSUM_SUMMED;
	if (pkt->type != PACKET_HOST) {
		pkt_drop(inst, pkt, DROP_UNICAST_IN_L2_MULTICAST);
		return;
	}
	if (pkt->socket) {	/* TPROXY or a connected socket has it, and no route brings it there */
		pkt_drop(inst, pkt, DROP_SOCKET);
		return;
	}
	if (pkt_ip6(pkt)->hop_limit <= 1) {
		icmp6_send(inst, pkt, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
		pkt_drop(inst, pkt, DROP_TTL);
		return;
	}
	if (pkt->opt.iif == out && !pkt->opt.routing6)
		redirect(inst, pkt);
	else if (!source_may_pass(inst, pkt))
		return;
	mtu = MAX_OF(mtu, (uint32_t)IPV6_MIN_MTU);
	if (too_big(pkt, mtu)) {
		icmp6_send_from(inst, pkt, out, ICMPV6_PKT_TOOBIG, 0, mtu);
		pkt_drop(inst, pkt, DROP_MTU);
		return;
	}
	pkt_ip6(pkt)->hop_limit--;
	pkt->flags |= PKT_FLAG_FORWARDED;
	pkt->out = out;
	state = path_hook(inst, NFPROTO_IPV6, NF_INET_FORWARD, pkt->in, out);
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		path_output(inst, pkt);
}

void ip6_output(struct instance *inst, struct pkt *pkt)
{
	struct iface *out = pkt->route.oif;
	struct hook_state state = path_hook(inst, NFPROTO_IPV6, NF_INET_POST_ROUTING, pkt->in, out);

	pkt->out = out;
	if (out->conf->disable6 || (out->mtu < IPV6_MIN_MTU && !out->is_loopback)) {
		pkt_drop(inst, pkt, DROP_PROTOCOL);
		return;
	}
	if (!(pkt->flags & PKT_FLAG_REROUTED) && hook_walk(pkt, &state) != NF_ACCEPT)
		return;
	ip6_finish_output(inst, pkt);
}

void ip6_finish_output(struct instance *inst, struct pkt *pkt)
{
	uint32_t mtu = pkt->route.mtu;

	if (pkt->len > mtu || (pkt->frag_max_size && pkt->len > pkt->frag_max_size))
		ip6_fragment(inst, pkt, mtu);
	else
		path_neigh_output(inst, pkt);
}
