/*
 * path/link.c - the last step: a next hop becomes a MAC address, a packet becomes a frame. What is for the
 * host itself turns round at lo.
 */
#include "conntrack/conntrack.h"
#include "flowcache/flowcache.h"
#include "path/path_internal.h"

enum { TAG_LEN = 4 };

static inline void write_macs(uint8_t *frame, const struct iface *out, const uint8_t mac[6])
{
	memcpy(frame, mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, out->mac, ETH_ALEN);
}

/* Writes the header in front of data, innermost word first; returns where the frame begins, NULL without memory. */
static uint8_t *push_ethernet(struct iface *out, struct pkt *pkt, const uint8_t mac[6], uint16_t ethertype)
{
	uint32_t need = ETH_HLEN;
	uint8_t *at;

	for (const struct iface *i = out; i->vlan_parent; i = i->vlan_parent)
		need += TAG_LEN;
	if ((size_t)(pkt->data - pkt->buf) < need && pkt_grow_head(pkt, need))
		return NULL;
	at = pkt->data - 2;
	put_be16(at, ethertype);
	for (const struct iface *i = out; i->vlan_parent; i = i->vlan_parent) {
		at -= TAG_LEN;
		put_be16(at, ETH_P_8021Q);
		put_be16(at + 2, i->vlan_id);
	}
	at -= 2 * ETH_ALEN;
	write_macs(at, out, mac);
	return at;
}

uint8_t *link_frame(struct iface *out, struct pkt *pkt, const uint8_t mac[6], uint16_t ethertype, struct iface **port_out)
{
	struct iface *port = out;
	uint8_t *frame = pkt->data;

	for (; port->up && port->vlan_parent; port = port->vlan_parent)
		;
	*port_out = port;
	if (port->type == ARPHRD_ETHER && port->up)
		frame = push_ethernet(out, pkt, mac, ethertype);
	return frame;
}

static inline void leave(struct instance *inst, struct iface *port, struct pkt *pkt, const uint8_t *frame)
{
	if (inst->observer.transmit)
		inst->observer.transmit(inst->observer.priv, port, pkt, frame, (uint32_t)(pkt->data + pkt->len - frame));
	pkt_free(inst, pkt);
}

static __attribute__((noinline)) void transmit_any(struct instance *inst, struct iface *out, struct pkt *pkt, const uint8_t mac[6],
						  uint16_t ethertype)
{
	struct iface *port = out;
	uint8_t *frame;

	if (unlikely(pkt->flags & PKT_FLAG_CSUM_LATER))
		pkt_sum_finish(pkt);
	frame = link_frame(out, pkt, mac, ethertype, &port);
	if (!port->up) {
		pkt_drop(inst, pkt, DROP_IFACE_DOWN);
		return;
	}
	if (!frame) {
		pkt_drop(inst, pkt, DROP_NO_MEMORY);
		return;
	}
	for (struct iface *i = out; i; i = i->vlan_parent) {
		i->stats.tx_packets++;
		i->stats.tx_bytes += pkt->data + pkt->len - frame;
	}
	leave(inst, port, pkt, frame);
}

void link_transmit(struct instance *inst, struct iface *out, struct pkt *pkt, const uint8_t mac[6], uint16_t ethertype)
{
	uint8_t *frame;

	if (unlikely(pkt->flags & PKT_FLAG_CSUM_LATER || out->type != ARPHRD_ETHER || !out->up || out->vlan_parent ||
		     pkt->data - pkt->buf < ETH_HLEN)) {
		transmit_any(inst, out, pkt, mac, ethertype);
		return;
	}
	frame = pkt->data - ETH_HLEN;
	put_be16(frame + 2 * ETH_ALEN, ethertype);
	write_macs(frame, out, mac);
	out->stats.tx_packets++;
	out->stats.tx_bytes += pkt->len + ETH_HLEN;
	leave(inst, out, pkt, frame);
}

void link_loopback(struct instance *inst, struct pkt *pkt, struct iface *in, pkt_type_t type)
{
	uint8_t *mac = NULL;

	if (!in->up) {
		pkt_drop(inst, pkt, DROP_IFACE_DOWN);
		return;
	}
	path_enter(inst);
	if (in->is_loopback && (pkt->data - pkt->buf >= ETH_HLEN || !pkt_grow_head(pkt, ETH_HLEN))) {
		mac = pkt->data - ETH_HLEN;
		memset(mac, 0, 2 * ETH_ALEN);
		put_be16(mac + 2 * ETH_ALEN, pkt->protocol);
		in->stats.tx_packets++;
		in->stats.tx_bytes += pkt->len + ETH_HLEN;
	}
	pkt->mac = mac;
	pkt->mac_len = mac ? ETH_HLEN : 0;
	pkt->in = in;
	pkt->out = NULL;
	pkt->hook = NULL;
	pkt_socket_set(pkt, NULL);
	pkt->type = type;
	pkt->flags &= PKT_FLAG_CSUM_TRUSTED | PKT_FLAG_CSUM_LATER | PKT_FLAG_TRACED;
	if (type == PACKET_LOOPBACK)
		pkt->flags |= PKT_FLAG_CSUM_TRUSTED;	/* a copy that never was on a wire */
	pkt->frag_max_size = 0;
	pkt_forget_pieces(pkt);
	pkt->route.kind = ROUTE_LOCAL_IN;
	list_append(&path_state(inst)->backlog, &pkt->node);
	path_leave(inst);
}

static void next_hop(const struct pkt *pkt, uint8_t *family, union nf_inet_addr *addr)
{
	const struct pkt_route *route = &pkt->route;

	memset(addr, 0, sizeof(*addr));
	*family = pkt->l.family;
	if (pkt->l.family == NFPROTO_IPV6) {
		addr->in6 = ip6_is_any(&route->gateway.in6) ? pkt_ip6(pkt)->daddr : route->gateway.in6;
	} else if (route->flags & ROUTE_GATEWAY6) {
		*family = NFPROTO_IPV6;
		addr->in6 = route->gateway.in6;
	} else {
		addr->ip = route->gateway.ip ? route->gateway.ip : pkt_ip4(pkt)->daddr;
	}
}

/* IPv6 multicast: the host hears groups it is in; the smallest scope stays inside. False: the packet is gone. */
static bool output_group6(struct instance *inst, struct pkt *pkt)
{
	struct iface *out = pkt->route.oif;
	const struct ipv6hdr *ip = pkt_ip6(pkt);

	if (!pkt->opt.no_group_copy && ip6_multicast_member(inst, out, &ip->daddr)) {
		struct hook_state state = path_hook(inst, NFPROTO_IPV6, NF_INET_POST_ROUTING, NULL, out);
		struct pkt *copy = pkt_copy(inst, pkt);

		if (copy && hook_walk(copy, &state) == NF_ACCEPT)
			link_loopback(inst, copy, out, PACKET_LOOPBACK);
		if (!ip->hop_limit) {
			pkt_drop(inst, pkt, DROP_TTL);
			return false;
		}
	}
	if (ip6_multicast_scope(&ip->daddr) <= 1) {
		pkt_drop(inst, pkt, DROP_MULTICAST);
		return false;
	}
	return true;
}

void path_neigh_output(struct instance *inst, struct pkt *pkt)
{
	struct iface *out = pkt->route.oif;
	union nf_inet_addr addr;
	uint8_t family, mac[6];

	if (out->is_loopback) {
		link_loopback(inst, pkt, out, PACKET_HOST);
		return;
	}
	if (pkt->l.family == NFPROTO_IPV6 && ip6_is_multicast(&pkt_ip6(pkt)->daddr) && !output_group6(inst, pkt))
		return;
	next_hop(pkt, &family, &addr);
	path_enter(inst);
	if (out->type != ARPHRD_ETHER || !neigh_resolve(inst, out, family, &addr, pkt, mac)) {
		if (unlikely(inst->record))
			flowcache_note_end(inst, pkt, family, &addr);
		link_transmit(inst, out, pkt, out->type == ARPHRD_ETHER ? mac : NULL, pkt->protocol);
	}
	path_leave(inst);
}

void link_neigh_ready(struct instance *inst, struct iface *iface, struct pkt *pkt, const uint8_t mac[6])
{
	path_enter(inst);
	link_transmit(inst, iface, pkt, mac, pkt->protocol);
	path_leave(inst);
}

void link_neigh_failure(struct instance *inst, struct iface *iface, struct pkt *pkt)
{
	path_enter(inst);
	icmp_link_failure(inst, pkt);
	pkt_drop(inst, pkt, DROP_NEIGHBOUR);
	path_leave(inst);
}
