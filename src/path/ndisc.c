/*
 * path/ndisc.c - Neighbour Discovery: the part of it that a router with given addresses does. It asks for next
 * hops, answers for our addresses, learns, and tells hosts of a better first hop. No DAD, no RAs.
 */
#include "conntrack/conntrack.h"
#include "path/path_internal.h"

enum {
	ND_SOLICIT = 135, ND_ADVERT = 136, ND_REDIRECT = 137,
	OPT_SOURCE_MAC = 1, OPT_TARGET_MAC = 2, OPT_REDIRECTED = 4,
	MAC_OPTION = 8,			/* bytes, type and length included */
	FLAG_ROUTER = 0x80, FLAG_SOLICITED = 0x40, FLAG_OVERRIDE = 0x20,
	ND_HOPS = 255,			/* proof that no router touched it */
};

struct nd_message {
	uint8_t type, code;
	be16 checksum;
	uint8_t flags, reserved[3];
	struct in6_addr target;
};

static struct pkt *nd_new(struct instance *inst, const struct pkt *cause, struct iface *iface, uint8_t type,
			  const struct in6_addr *source, const struct in6_addr *to, uint32_t more)
{
	struct pkt *pkt = path_made_new(inst, cause, sizeof(struct ipv6hdr) + sizeof(struct nd_message) + more);
	struct ipv6hdr *ip;

	if (!pkt)
		return NULL;
	ip = pkt_ip6(pkt);
	put_be32(pkt->data, 6u << 28);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ND_HOPS;
	ip->saddr = *source;
	ip->daddr = *to;
	((struct nd_message *)(ip + 1))->type = type;
	pkt->protocol = ETH_P_IPV6;
	pkt->opt.no_group_copy = true;
	pkt->route = (struct pkt_route){
		.kind = ROUTE_OUTPUT, .type = ip6_is_multicast(to) ? RTN_MULTICAST : RTN_UNICAST, .oif = iface,
		.flags = ip6_is_multicast(to) ? ROUTE_MULTICAST : 0, .mtu = iface->mtu,
	};
	return pkt;
}

static void nd_mac_option(uint8_t *at, uint8_t type, const uint8_t mac[6])
{
	at[0] = type;
	at[1] = MAC_OPTION / 8;
	memcpy(at + 2, mac, ETH_ALEN);
}

static void nd_send(struct instance *inst, struct iface *iface, struct pkt *pkt, const struct pkt *cause)
{
	struct ipv6hdr *ip = pkt_ip6(pkt);
	struct nd_message *nd = (struct nd_message *)(ip + 1);
	uint32_t len = pkt->len - sizeof(*ip);

	ip->payload_len = htons(len);
	nd->checksum = csum_fold(csum_partial(nd, len, csum_pseudo6(&ip->saddr, &ip->daddr, IPPROTO_ICMPV6, len)));
	pkt->flags |= PKT_FLAG_CSUM_TRUSTED;
	/* A quirk that rules at POST_ROUTING see: these messages say that they came in. */
	pkt->in = iface;
	pkt_parse(pkt);
	pkt_socket_set(pkt, host_socket_kernel(inst));
	path_made_send(inst, pkt, cause);
}

static bool own_link_local(const struct iface *iface, struct in6_addr *out)
{
	list_for_each(node, &iface->addrs6) {
		const struct iface_addr *own = list_entry(node, struct iface_addr, node);

		if (ip6_is_link_local(&own->addr.in6)) {
			*out = own->addr.in6;
			return true;
		}
	}
	return false;
}

static bool is_own_on(const struct iface *iface, const struct in6_addr *addr)
{
	list_for_each(node, &iface->addrs6)
		if (ip6_equal(&list_entry(node, struct iface_addr, node)->addr.in6, addr))
			return true;
	return false;
}


static void nd_solicit(struct instance *inst, struct iface *iface, const union nf_inet_addr *target,
		       const uint8_t *unicast_mac, const struct pkt *cause)
{
	struct in6_addr source, to = target->in6;
	struct nd_message *nd;
	struct pkt *pkt;

	if (cause && cause->protocol == ETH_P_IPV6 && is_own_on(iface, &pkt_ip6(cause)->saddr))
		source = pkt_ip6(cause)->saddr;
	else if (!own_link_local(iface, &source))
		return;		/* without an address of the link there is nobody to answer to */
	if (!unicast_mac) {
		static const uint8_t group[13] = { 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };

		memcpy(to.s6_addr, group, sizeof(group));
	}
	pkt = nd_new(inst, NULL, iface, ND_SOLICIT, &source, &to, MAC_OPTION);
	if (!pkt)
		return;
	nd = (struct nd_message *)(pkt->data + sizeof(struct ipv6hdr));
	nd->target = target->in6;
	nd_mac_option((uint8_t *)(nd + 1), OPT_SOURCE_MAC, iface->mac);
	nd_send(inst, iface, pkt, cause);
}

const struct neigh_ops ndisc_neigh_ops = {
	.solicit = nd_solicit,
	.ready = link_neigh_ready,
	.failure = link_neigh_failure,
};

/* The MAC of one option. -EINVAL: the options are malformed; -ENOENT: it is not there. */
static int find_mac(const uint8_t *opt, uint32_t len, uint8_t type, const uint8_t **mac)
{
	int found = -ENOENT;

	while (len) {
		uint32_t size = len < 2 ? 0 : opt[1] * 8u;

		if (!size || size > len)
			return -EINVAL;
		if (opt[0] == type && found) {
			if (size != MAC_OPTION)
				return -EINVAL;
			*mac = opt + 2;
			found = 0;
		}
		opt += size;
		len -= size;
	}
	return found;
}

static void advertise(struct instance *inst, struct pkt *cause, const struct in6_addr *target,
		      const struct in6_addr *to, uint8_t flags, bool with_mac)
{
	struct iface *iface = cause->in;
	struct in6_addr source = *target;
	struct nd_message *nd;
	struct pkt *pkt;

	if (!is_own_on(iface, target) && !route_select_addr6(inst, iface, to, &source))
		return;
	pkt = nd_new(inst, cause, iface, ND_ADVERT, &source, to, with_mac ? MAC_OPTION : 0);
	if (!pkt)
		return;
	nd = (struct nd_message *)(pkt->data + sizeof(struct ipv6hdr));
	nd->flags = flags | (iface->conf->forwarding6 ? FLAG_ROUTER : 0);
	nd->target = *target;
	if (with_mac)
		nd_mac_option((uint8_t *)(nd + 1), OPT_TARGET_MAC, iface->mac);
	nd_send(inst, iface, pkt, cause);
}

/* A subnet-router anycast address: ours while we forward. */
static bool is_anycast(struct instance *inst, const struct iface *iface, const struct in6_addr *addr)
{
	return iface->conf->forwarding6 && route_addr_type6(inst, iface, addr) == RTN_ANYCAST;
}

static void receive_solicit(struct instance *inst, struct pkt *pkt, const struct nd_message *nd, uint32_t len)
{
	static const struct in6_addr all_nodes = { .s6_addr = { 0xff, 0x02, [15] = 1 } };
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	bool probe = ip6_is_any(&ip->saddr), group = ip6_is_multicast(&ip->daddr), ours;
	union nf_inet_addr from = { .in6 = ip->saddr };
	const uint8_t *mac = NULL;
	int err;

	if (ip6_is_multicast(&nd->target) || (probe && (!group || ip->daddr.s6_addr[12] != 0xff)))
		return;
	err = find_mac((const uint8_t *)(nd + 1), len - sizeof(*nd), OPT_SOURCE_MAC, &mac);
	if (err == -EINVAL || (probe && mac))
		return;
	ours = is_own_on(pkt->in, &nd->target);
	if (!ours && !is_anycast(inst, pkt->in, &nd->target))
		return;
	if (!ours && !pkt->opt.held && group && pkt->type != PACKET_HOST) {
		proxy_hold(inst, pkt);
		return;
	}
	if (probe) {
		advertise(inst, pkt, &nd->target, &all_nodes, ours ? FLAG_OVERRIDE : 0, true);
		return;
	}
	err = neigh_update(inst, pkt->in, NFPROTO_IPV6, &from, mac, NUD_STALE,
			   NEIGH_WEAK_OVERRIDE | NEIGH_OVERRIDE | (!group || mac ? NEIGH_CREATE : 0));
	if (err != -ENOENT)
		advertise(inst, pkt, &nd->target, &ip->saddr, FLAG_SOLICITED | (ours && group ? FLAG_OVERRIDE : 0),
			  group);
}

static void receive_advert(struct instance *inst, struct pkt *pkt, const struct nd_message *nd, uint32_t len)
{
	bool solicited = nd->flags & FLAG_SOLICITED;
	union nf_inet_addr target = { .in6 = nd->target };
	const uint8_t *mac = NULL;
	unsigned int flags = NEIGH_WEAK_OVERRIDE | NEIGH_SET_ROUTER;

	if (ip6_is_multicast(&nd->target) || (ip6_is_multicast(&pkt_ip6(pkt)->daddr) && solicited))
		return;
	if (find_mac((const uint8_t *)(nd + 1), len - sizeof(*nd), OPT_TARGET_MAC, &mac) == -EINVAL)
		return;
	if (is_own_on(pkt->in, &nd->target) ||
	    neigh_state(inst, pkt->in, NFPROTO_IPV6, &target) & NUD_FAILED)
		return;
	if (nd->flags & FLAG_OVERRIDE)
		flags |= NEIGH_OVERRIDE;
	if (nd->flags & FLAG_ROUTER)
		flags |= NEIGH_IS_ROUTER;
	neigh_update(inst, pkt->in, NFPROTO_IPV6, &target, mac, solicited ? NUD_REACHABLE : NUD_STALE, flags);
}

void ndisc_receive(struct instance *inst, struct pkt *pkt, uint32_t l4)
{
	const struct nd_message *nd = (const struct nd_message *)(pkt->data + l4);
	uint32_t len = pkt->len - l4;

	if (len < sizeof(*nd) || pkt_ip6(pkt)->hop_limit != ND_HOPS || nd->code || pkt->in->is_loopback)
		return;
	if (nd->type == ND_SOLICIT)
		receive_solicit(inst, pkt, nd, len);
	else if (nd->type == ND_ADVERT)
		receive_advert(inst, pkt, nd, len);
}

void ndisc_redirect(struct instance *inst, struct pkt *pkt, const struct in6_addr *target)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	struct iface *iface = pkt->in;
	union nf_inet_addr via = { .in6 = *target };
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = IPPROTO_ICMPV6, .oif = iface };
	struct in6_addr source;
	struct pkt_route route;
	uint8_t mac[6], *at;
	bool known;
	uint32_t quoted, options;
	struct pkt *made;

	if (!own_link_local(iface, &source) || (!ip6_equal(&ip->daddr, target) && !ip6_is_link_local(target)))
		return;
	flow.saddr.in6 = source;
	flow.daddr.in6 = ip->saddr;
	if (route_output(inst, &flow, &route) || !ip6_is_any(&route.gateway.in6))
		return;
	if (!icmp_peer_allow(inst, icmp_peer_get(inst, NFPROTO_IPV6, &ip->saddr), WEIR_HZ))
		return;
	known = neigh_lookup(inst, iface, NFPROTO_IPV6, &via, mac);
	options = sizeof(struct in6_addr) + (known ? MAC_OPTION : 0);
	quoted = MIN_OF(IPV6_MIN_MTU - (uint32_t)sizeof(*ip) - (uint32_t)sizeof(struct nd_message) - options,
			pkt->len + 8) & ~7u;
	made = nd_new(inst, pkt, iface, ND_REDIRECT, &source, &ip->saddr, options + quoted);
	if (!made)
		return;
	at = made->data + sizeof(*ip) + offsetof(struct nd_message, target);
	memcpy(at, target, sizeof(*target));
	memcpy(at + 16, &ip->daddr, 16);
	at += 32;
	if (known) {
		nd_mac_option(at, OPT_TARGET_MAC, mac);
		at += MAC_OPTION;
	}
	at[0] = OPT_REDIRECTED;
	at[1] = quoted / 8;
	memcpy(at + 8, pkt->data, quoted - 8);
	made->route = route;
	nd_send(inst, iface, made, pkt);
}
