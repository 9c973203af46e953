/*
 * path/ip6_in.c - an IPv6 packet arrives: which addresses may appear on a wire at all, whose it is, and for
 * the host: the extension headers on the way to the payload.
 */
#include "path/path_internal.h"

enum { SCOPE_RESERVED = 0, SCOPE_INTERFACE = 1, HEADERS_MAX = 8192 };

static enum drop_reason check_addresses(struct instance *inst, const struct pkt *pkt)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	bool group = ip6_is_multicast(&ip->daddr);

	if (!pkt->in->is_loopback) {
		if (ip6_is_loopback(&ip->saddr) || ip6_is_loopback(&ip->daddr))
			return DROP_MARTIAN_SOURCE;
		if (pkt->type != PACKET_LOOPBACK && group && ip6_multicast_scope(&ip->daddr) == SCOPE_INTERFACE)
			return DROP_MARTIAN_DESTINATION;
	}
	if (!group && (pkt->type == PACKET_BROADCAST || pkt->type == PACKET_MULTICAST) &&
	    pkt->in->conf->drop_unicast_in_l2_multicast6)
		return DROP_UNICAST_IN_L2_MULTICAST;
	if (group && ip6_multicast_scope(&ip->daddr) == SCOPE_RESERVED)
		return DROP_MARTIAN_DESTINATION;
	if (ip6_is_multicast(&ip->saddr))
		return DROP_MARTIAN_SOURCE;
	return DROP_NONE;
}

enum drop_reason ip6_check(struct instance *inst, struct pkt *pkt)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	enum drop_reason reason;
	uint32_t total;

	if (pkt->type == PACKET_OTHERHOST)
		return DROP_OTHERHOST;
	if (pkt->in->conf->disable6 || pkt->in->mtu < IPV6_MIN_MTU)
		return DROP_PROTOCOL;
	if (pkt->len < sizeof(*ip) || ip->version != 6)
		return DROP_MALFORMED;
	reason = check_addresses(inst, pkt);
	if (reason != DROP_NONE)
		return reason;
	total = ntohs(ip->payload_len) + sizeof(*ip);
	/* A length of zero may be a jumbogram's: its options decide. */
	if (ip->payload_len || ip->nexthdr != IPPROTO_HOPOPTS) {
		if (total > pkt->len)
			return DROP_TRUNCATED;
		pkt->len = total;
	}
	pkt->opt.nhoff6 = offsetof(struct ipv6hdr, nexthdr);
	pkt_parse(pkt);
	return DROP_NONE;
}

void ip6_receive(struct instance *inst, struct pkt *pkt)
{
	struct hook_state state = path_hook(inst, NFPROTO_IPV6, NF_INET_PRE_ROUTING, pkt->in, NULL);

	if (pkt_ip6(pkt)->nexthdr == IPPROTO_HOPOPTS && !ip6_options_hop_by_hop(inst, pkt)) {
		pkt_drop(inst, pkt, DROP_IP_OPTIONS);
		return;
	}
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		ip6_receive_finish(inst, pkt);
}

static void unreachable(struct instance *inst, struct pkt *pkt)
{
	switch (pkt->route.err) {
	case -EINVAL:
		pkt_drop(inst, pkt, DROP_BLACKHOLE);
		return;
	case -EACCES:
		icmp6_send(inst, pkt, ICMPV6_DEST_UNREACH, ICMPV6_ADM_PROHIBITED, 0);
		pkt_drop(inst, pkt, DROP_PROHIBIT);
		return;
	default:
		icmp6_send(inst, pkt, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
		pkt_drop(inst, pkt, pkt->route.type == RTN_UNREACHABLE ? DROP_UNREACHABLE : DROP_NO_ROUTE);
		return;
	}
}

static void local_in(struct instance *inst, struct pkt *pkt)
{
	struct hook_state state = path_hook(inst, NFPROTO_IPV6, NF_INET_LOCAL_IN, pkt->in, NULL);

	if (hook_walk(pkt, &state) == NF_ACCEPT)
		ip6_local_finish(inst, pkt);
}

void ip6_receive_finish(struct instance *inst, struct pkt *pkt)
{
	enum drop_reason reason = DROP_NONE;

	if (pkt->route.kind == ROUTE_NONE) {
		if (pkt->type == PACKET_HOST && pkt_ip6(pkt)->nexthdr == IPPROTO_TCP)
			pkt_pull_pieces(pkt, sizeof(struct ipv6hdr) + sizeof(struct tcphdr));
		host_demux(inst, pkt);
		reason = route_input(inst, pkt);
	}
	if (reason != DROP_NONE) {
		pkt_drop(inst, pkt, reason);
		return;
	}
	switch (pkt->route.kind) {
	case ROUTE_LOCAL_IN:
		if (ip6_is_multicast(&pkt_ip6(pkt)->daddr) &&
		    !ip6_multicast_member(inst, pkt->in, &pkt_ip6(pkt)->daddr))
			pkt_drop(inst, pkt, DROP_MULTICAST);
		else
			local_in(inst, pkt);
		break;
	case ROUTE_FORWARD:
		ip6_forward(inst, pkt);
		break;
	default:
		unreachable(inst, pkt);
		break;
	}
}

static bool solicits(const struct in6_addr *group, const struct in6_addr *addr)
{
	static const uint8_t prefix[13] = { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };

	return !memcmp(group, prefix, sizeof(prefix)) && !memcmp(&group->s6_addr[13], &addr->s6_addr[13], 3);
}

/* The groups that an interface with these addresses is in: all nodes, all routers, solicited-node. */
bool ip6_multicast_member(const struct instance *inst, const struct iface *iface, const struct in6_addr *group)
{
	static const struct in6_addr all = { .s6_addr = { 0xff, 0, [15] = 1 } };
	struct in6_addr plain = *group;
	uint8_t scope = group->s6_addr[1];

	plain.s6_addr[1] = 0;
	if (ip6_equal(&plain, &all) && (scope == 1 || scope == 2))
		return true;
	plain.s6_addr[15]--;
	if (ip6_equal(&plain, &all) && (scope == 1 || scope == 2 || scope == 5))
		return iface->conf->forwarding6 && iface->multicast;
	if (iface->is_loopback || iface->noarp)
		return false;	/* nobody asks there who has an address */
	list_for_each(node, &iface->addrs6) {
		const struct iface_addr *addr = list_entry(node, struct iface_addr, node);
		struct in6_addr anycast = addr->addr.in6;

		if (solicits(group, &addr->addr.in6))
			return true;
		if (!iface->conf->forwarding6 || addr->prefix_len >= 127)
			continue;
		for (unsigned int bit = addr->prefix_len; bit < 128; bit++)
			anycast.s6_addr[bit / 8] &= ~(0x80 >> bit % 8);
		if (solicits(group, &anycast))
			return true;
	}
	return false;
}

/* A routing header: only one without hops left is passed; there is no source routing through the host. */
static bool pass_routing(struct instance *inst, struct pkt *pkt, uint32_t at)
{
	enum { SEGMENTS_LEFT = 3, TYPE = 2, TYPE_RPL = 3, TYPE_SEGMENT = 4 };
	uint8_t type = pkt->data[at + TYPE];

	if (ip6_is_multicast(&pkt_ip6(pkt)->daddr) || pkt->type != PACKET_HOST || type == TYPE_RPL ||
	    type == TYPE_SEGMENT)
		return false;
	if (pkt->data[at + SEGMENTS_LEFT]) {
		icmp6_send(inst, pkt, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, at + TYPE);
		return false;
	}
	pkt->opt.routing6 = true;
	return true;
}

/* The header at @at of an extension's kind; its length, or 0: the host refuses the packet. */
static uint32_t pass_extension(struct instance *inst, struct pkt *pkt, uint8_t proto, uint32_t at)
{
	uint32_t len;

	if (at + 8 > pkt->len)
		return 0;
	len = (pkt->data[at + 1] + 1u) * 8;
	if (at + len > pkt->len)
		return 0;
	if (proto == IPPROTO_ROUTING ? !pass_routing(inst, pkt, at) : !ip6_options_destination(inst, pkt, at))
		return 0;
	return len;
}

static bool is_host_business(uint8_t proto)
{
	return proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT;
}

/*
 * From the end of LOCAL_IN to the payload. Fragments that conntrack did not put together are put together
 * here, after the hook.
 */
void ip6_local_finish(struct instance *inst, struct pkt *pkt)
{
	uint32_t nhoff = pkt->opt.nhoff6, at = sizeof(struct ipv6hdr), len;

	local_deliver6(inst, pkt);
	if (nhoff >= sizeof(struct ipv6hdr) && nhoff + 1 < pkt->len)
		at += (pkt->data[nhoff + 1] + 1) * 8;
	/* Fragments inside fragments end somewhere. */
	for (unsigned int headers = 0; headers < HEADERS_MAX; headers++) {
		uint8_t proto = pkt->data[nhoff];

		if (inst->host_silent && headers == 0 && is_host_business(proto)) {
			pkt_free(inst, pkt);	/* a silent host says nothing of headers it does not like */
			return;
		}
		if (!is_host_business(proto)) {
			local_payload6(inst, pkt, proto, at);
			return;
		}
		if (proto == IPPROTO_FRAGMENT) {
			int atomic = defrag6_host(inst, &pkt, at, nhoff);

			if (atomic < 0)
				return;
			if (atomic == 0)
				continue;	/* whole: the header is gone, and what it announced stands there */
			len = (uint32_t)atomic;
		} else {
			len = pass_extension(inst, pkt, proto, at);
		}
		if (!len) {
			pkt_free(inst, pkt);
			return;
		}
		nhoff = at;
		at += len;
	}
	pkt_free(inst, pkt);
}
