/*
 * path/arp.c - who has an IPv4 address on this link: asks for next hops, answers for our own, and learns
 * from what it hears.
 */
#include "path/path_internal.h"

struct arp_message {
	struct arphdr header;
	uint8_t sender_mac[ETH_ALEN], sender[4], target_mac[ETH_ALEN], target[4];
} __attribute__((packed));

static void arp_transmit(struct instance *inst, struct iface *iface, uint16_t op, be32 sender, const uint8_t *to_mac,
			 const uint8_t *target_mac, be32 target)
{
	static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct arp_message *arp;
	struct pkt *pkt;

	if (iface->noarp)
		return;
	pkt = path_made_new(inst, NULL, sizeof(*arp));
	if (!pkt)
		return;
	arp = (struct arp_message *)pkt->data;
	arp->header = (struct arphdr){ .ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETH_P_IP),
				       .ar_hln = ETH_ALEN, .ar_pln = 4, .ar_op = htons(op) };
	memcpy(arp->sender_mac, iface->mac, ETH_ALEN);
	memcpy(arp->sender, &sender, 4);
	if (target_mac)
		memcpy(arp->target_mac, target_mac, ETH_ALEN);
	memcpy(arp->target, &target, 4);
	pkt->protocol = ETH_P_ARP;
	pkt->out = iface;
	link_transmit(inst, iface, pkt, to_mac ? to_mac : broadcast, ETH_P_ARP);
}

static bool on_link(const struct iface *iface, be32 a, be32 b)
{
	list_for_each(node, &iface->addrs4) {
		const struct iface_addr *own = list_entry(node, struct iface_addr, node);
		be32 mask = own->prefix_len ? htonl(~0u << (32 - own->prefix_len)) : 0;

		if (!((a ^ own->peer.ip) & mask) && !((b ^ own->peer.ip) & mask))
			return true;
	}
	return false;
}

static void arp_solicit(struct instance *inst, struct iface *iface, const union nf_inet_addr *target,
			const uint8_t *unicast_mac, const struct pkt *cause)
{
	int announce = MAX_OF(iface_conf_all(inst)->arp_announce, iface->conf->arp_announce);
	be32 source = 0;

	if (cause && cause->protocol == ETH_P_IP && announce < 2) {
		be32 wanted = pkt_ip4(cause)->saddr;

		if (route_addr_type4(inst, NULL, wanted) == RTN_LOCAL &&
		    (announce == 0 || on_link(iface, target->ip, wanted)))
			source = wanted;
	}
	if (!source)
		route_select_addr4(inst, iface, target->ip, RT_SCOPE_LINK, &source);
	arp_transmit(inst, iface, ARPOP_REQUEST, source, unicast_mac, NULL, target->ip);
}

const struct neigh_ops arp_neigh_ops = {
	.solicit = arp_solicit,
	.ready = link_neigh_ready,
	.failure = link_neigh_failure,
};

/* arp_ignore: may the answer for @target be given on this interface? */
static bool answer_allowed(struct instance *inst, const struct iface *in, be32 sender, be32 target)
{
	int ignore = MAX_OF(iface_conf_all(inst)->arp_ignore, in->conf->arp_ignore);

	if (ignore == 8)
		return false;
	if (ignore != 1 && ignore != 2 && ignore != 3)
		return true;
	list_for_each(n, &inst->ifaces) {
		const struct iface *iface = list_entry(n, struct iface, node);

		if (ignore != 3 && iface != in)
			continue;
		list_for_each(node, &iface->addrs4) {
			const struct iface_addr *own = list_entry(node, struct iface_addr, node);
			be32 mask = own->prefix_len ? htonl(~0u << (32 - own->prefix_len)) : 0;

			if (own->addr.ip != target || (ignore == 3 && own->scope > RT_SCOPE_LINK))
				continue;
			if (ignore != 2 || !((sender ^ own->peer.ip) & mask))
				return true;
		}
	}
	return false;
}

/* arp_filter: only when the way back to the asker leads out here. */
static bool filter_allows(struct instance *inst, const struct iface *in, be32 sender, be32 target)
{
	struct route_flow flow = { .family = NFPROTO_IPV4 };
	struct pkt_route route;

	if (!iface_conf_all(inst)->arp_filter && !in->conf->arp_filter)
		return true;
	flow.daddr.ip = sender;
	flow.saddr.ip = target;
	return !route_output(inst, &flow, &route) && route.oif == in;
}

/* What the routing of a packet from the asker to the target would be; RTN_UNSPEC when refused. */
static uint8_t target_type(struct instance *inst, struct pkt *pkt, be32 sender, be32 target, struct iface **out)
{
	struct pkt *probe = path_made_new(inst, pkt, sizeof(struct iphdr));
	uint8_t type = RTN_UNSPEC;

	if (!probe)
		return type;
	*pkt_ip4(probe) = (struct iphdr){ .version = 4, .ihl = 5, .tot_len = htons(20), .saddr = sender, .daddr = target };
	probe->in = pkt->in;
	probe->type = pkt->type;
	probe->protocol = ETH_P_ARP;
	probe->flags = 0;
	pkt_parse(probe);
	if (route_input(inst, probe) == DROP_NONE && probe->route.kind != ROUTE_ERROR) {
		type = probe->route.type;
		*out = probe->route.oif;
	}
	pkt_free(inst, probe);
	return type;
}

/* True: the request was ours to answer, or silently not. */
static bool answer(struct instance *inst, struct pkt *pkt, const struct arp_message *arp, be32 sender, be32 target)
{
	struct iface *in = pkt->in, *out = NULL;
	union nf_inet_addr from = { .ip = sender };
	uint8_t type = target_type(inst, pkt, sender, target, &out);
	bool proxy = iface_conf_all(inst)->proxy_arp || in->conf->proxy_arp;

	if (type == RTN_LOCAL) {
		if (!answer_allowed(inst, in, sender, target) || !filter_allows(inst, in, sender, target))
			return true;
	} else if (type != RTN_UNICAST || !iface_conf_forwarding(inst, in, NFPROTO_IPV4) || out == in || !proxy) {
		return false;
	}
	neigh_update(inst, in, NFPROTO_IPV4, &from, arp->sender_mac, NUD_STALE, NEIGH_OVERRIDE | NEIGH_CREATE);
	if (type != RTN_LOCAL && !pkt->opt.held && pkt->type != PACKET_HOST) {
		proxy_hold(inst, pkt);
		return true;
	}
	arp_transmit(inst, in, ARPOP_REPLY, target, arp->sender_mac, arp->sender_mac, sender);
	return true;
}

/* Known neighbours are updated; strangers are not remembered. */
static void learn(struct instance *inst, struct pkt *pkt, const struct arp_message *arp, be32 sender, be32 target)
{
	bool reply = arp->header.ar_op == htons(ARPOP_REPLY);
	bool gratuitous = sender == target &&
			  (!reply || !memcmp(arp->target_mac, arp->sender_mac, ETH_ALEN)) &&
			  route_addr_type4(inst, NULL, sender) == RTN_UNICAST;
	union nf_inet_addr from = { .ip = sender };
	int64_t updated = neigh_updated_ns(inst, pkt->in, NFPROTO_IPV4, &from);
	/* Of several answers in a row the first one holds, for a second. */
	bool override = gratuitous || updated == INT64_MIN || inst->now_ns > updated + NSEC_PER_SEC;

	neigh_update(inst, pkt->in, NFPROTO_IPV4, &from, arp->sender_mac,
		     reply && pkt->type == PACKET_HOST ? NUD_REACHABLE : NUD_STALE, override ? NEIGH_OVERRIDE : 0);
}

static void process(struct instance *inst, struct pkt *pkt, const struct arp_message *arp)
{
	const struct iface_conf *all = iface_conf_all(inst), *conf = pkt->in->conf;
	bool request = arp->header.ar_op == htons(ARPOP_REQUEST);
	be32 sender, target;

	memcpy(&sender, arp->sender, 4);
	memcpy(&target, arp->target, 4);
	if (IN_MULTICAST(ntohl(target)) ||
	    (ntohl(target) >> 24 == IN_LOOPBACKNET && !iface_conf_route_localnet(inst, pkt->in)))
		return;
	if (sender == target && (all->drop_gratuitous_arp || conf->drop_gratuitous_arp))
		return;
	if (!sender) {
		/* RFC 5227: somebody tries whether an address is free */
		if (request && route_addr_type4(inst, NULL, target) == RTN_LOCAL &&
		    answer_allowed(inst, pkt->in, sender, target))
			arp_transmit(inst, pkt->in, ARPOP_REPLY, target, arp->sender_mac, arp->sender_mac, sender);
		return;
	}
	if (!request || !answer(inst, pkt, arp, sender, target))
		learn(inst, pkt, arp, sender, target);
}

void arp_receive(struct instance *inst, struct pkt *pkt)
{
	const struct arp_message *arp = (const struct arp_message *)pkt->data;

	if (pkt->in->noarp || pkt->in->type != ARPHRD_ETHER || pkt->type == PACKET_OTHERHOST ||
	    pkt->type == PACKET_LOOPBACK) {
		pkt_drop(inst, pkt, pkt->type == PACKET_OTHERHOST ? DROP_OTHERHOST : DROP_PROTOCOL);
		return;
	}
	if (pkt->len < sizeof(*arp) || arp->header.ar_hln != ETH_ALEN || arp->header.ar_pln != 4 ||
	    arp->header.ar_pro != htons(ETH_P_IP) ||
	    (arp->header.ar_hrd != htons(ARPHRD_ETHER) && arp->header.ar_hrd != htons(ARPHRD_IEEE802)) ||
	    (arp->header.ar_op != htons(ARPOP_REQUEST) && arp->header.ar_op != htons(ARPOP_REPLY))) {
		pkt_drop(inst, pkt, DROP_MALFORMED);
		return;
	}
	process(inst, pkt, arp);
	pkt_free(inst, pkt);
}
