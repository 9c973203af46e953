/*
 * flowcache/alike.c - connections that nothing asked tells apart go the same way.
 *
 * A way that was learned rests, as its record says, on less than its connection is: often on no address, and on no port or
 * the server's alone. Whoever looks the same in all that was asked, and is routed the same (which is asked of the routes
 * themselves), goes that way too, without having taken the full way first: the answer of a handshake and its third packet,
 * the first answer of a question, and everybody's next packet after a change has made the cache forget.
 */
#include "flowcache/flowcache_internal.h"
#include "host/socket.h"
#include "route/route.h"

static void look_of(struct flow_look *look, const struct ct *ct, int dir, uint8_t asks)
{
	const struct ct_tuple *tuple = ct_tuple(ct, dir), *back = ct_tuple(ct, !dir);

	*look = (struct flow_look){ .masq_ifindex = ct->nat_masq_ifindex, .family = tuple->family, .proto = tuple->proto,
				    .dir = (uint8_t)dir, .asks = asks };
	if (asks & ASKS_SPORT) {	/* before NAT and behind it: a rule may have stood here or there */
		look->ports[0] = tuple->src_l4.all;
		look->ports[1] = back->dst_l4.all;
	}
	if (asks & ASKS_DPORT) {
		look->ports[2] = tuple->dst_l4.all;
		look->ports[3] = back->src_l4.all;
	}
}

static struct flow_alike *set_of(struct flowcache *cache, const struct flow_look *look, const struct iface *in, uint32_t status)
{
	uint64_t words[2], hash;

	_Static_assert(sizeof(*look) == sizeof(words), "a look is two words");
	memcpy(words, look, sizeof(words));
	hash = (words[0] ^ (uintptr_t)in) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ hash >> 32 ^ words[1] ^ (uint64_t)(status & ~(uint32_t)IPS_ASSURED) << 24) * 0x9e3779b97f4a7c15ull;
	return cache->alike[hash >> 56 & (FLOW_ALIKE_SETS - 1)];
}

_Static_assert(FLOW_ALIKE_SETS == 256, "a set is eight bits of a hash");

void flow_alike_note(struct instance *inst, const struct flow_recording *way, const struct flow_result *result, uint32_t id)
{
	struct flowcache *cache = inst->flow;
	uint32_t depends = way->rec.depends;
	struct flow_alike *set;
	struct flow_look look;
	uint8_t asks;

	if (result->way != FLOW_FORWARD || depends & ~(uint32_t)DEP_ALIKE || way->rec.has_target || host_sockets_connected(inst->sockets))
		return;
	asks = flow_asks(depends);
	look_of(&look, way->ct, way->dir, asks);
	set = set_of(cache, &look, way->fit.in, way->fit.status);
	for (int i = 0; i < FLOW_ALIKE_WAYS; i++)
		if (set[i].id == id && !memcmp(&set[i].look, &look, sizeof(look)))
			return;
	memmove(&set[1], &set[0], (FLOW_ALIKE_WAYS - 1) * sizeof(set[0]));	/* the oldest goes */
	set[0] = (struct flow_alike){ look, id };
	cache->alike_asks |= (uint8_t)(1 << asks);
}

/* Link-local sources and their like may be refused on their way through, whatever the routes say. */
static bool is_plain6(const uint8_t *addr)
{
	return (addr[0] & 0xe0) == 0x20 || (addr[0] & 0xfe) == 0xfc;
}

/* Not through a gateway: to whom? */
const struct neigh *flow_neigh_of(struct instance *inst, const struct pkt *pkt, const struct flow_result *want, const union nf_inet_addr *to)
{
	static const union nf_inet_addr none;

	if (!want->neigh || memcmp(&want->route.gateway, &none, sizeof(none)))
		return want->neigh;
	return neigh_remember(inst, want->route.oif, pkt->l.family, to);
}

/* Destinations are translated before that, so the packet's is put there for the question. */
bool flow_is_routed_alike(struct instance *inst, struct pkt *pkt, const struct ct_tuple *to, const struct flow_result *want,
			  const struct neigh **neigh)
{
	const bool six = pkt->l.family == NFPROTO_IPV6;
	const size_t size = six ? 16 : 4;
	uint8_t *daddr = pkt->data + (six ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr));
	uint8_t *dport = pkt->data + pkt->l.l4_off + 2;
	union nf_inet_addr came = { .all = { 0 } };
	enum drop_reason reason;
	be16 port;

	if (six && (!is_plain6(pkt->data + offsetof(struct ipv6hdr, saddr)) || !is_plain6(to ? (const uint8_t *)&to->src : daddr)))
		return false;
	memcpy(&came, daddr, size);
	memcpy(&port, dport, sizeof(port));
	if (to) {
		memcpy(daddr, &to->src, size);
		if (ct_has_ports(pkt))
			memcpy(dport, &to->src_l4.port, sizeof(port));
	}
	reason = route_input(inst, pkt);
	memcpy(daddr, &came, size);
	memcpy(dport, &port, sizeof(port));
	if (reason != DROP_NONE || memcmp(&pkt->route, &want->route, sizeof(want->route)))
		return false;
	*neigh = flow_neigh_of(inst, pkt, want, to ? &to->src : &came);
	return *neigh || !want->neigh;
}

struct flow_action *flow_alike_find(struct instance *inst, struct pkt *pkt, const struct ct *ct, int dir)
{
	struct flowcache *cache = inst->flow;
	/* What the tracker is about to add goes without saying; whether it does is seen. */
	const uint32_t status = ct->status | (dir == IP_CT_DIR_REPLY ? IPS_SEEN_REPLY : 0);
	const bool is_translated = ct->status & (dir == IP_CT_DIR_ORIGINAL ? IPS_DST_NAT : IPS_SRC_NAT);
	struct flow_action *found = NULL;
	const struct neigh *neigh;

	if (!cache->alike_asks || !pkt->in || pkt->flags & PKT_FLAG_LOCAL || flow_is_special(ct))
		return NULL;
	for (uint8_t asks = 0; asks < ASKS_ALL && !found; asks++) {
		struct flow_look look;
		struct flow_alike *set;

		if (!(cache->alike_asks >> asks & 1))
			continue;
		look_of(&look, ct, dir, asks);
		set = set_of(cache, &look, pkt->in, status);
		for (int i = 0; i < FLOW_ALIKE_WAYS && !found; i++) {
			struct flow_action *action = flow_action_of(cache, set[i].id);

			if (!action || memcmp(&set[i].look, &look, sizeof(look)) || !flow_fits_as(action, pkt, ct, status))
				continue;
			if (flow_is_routed_alike(inst, pkt, is_translated ? ct_tuple(ct, !dir) : NULL, &action->result, &neigh) &&
			    neigh == action->result.neigh)
				found = action;
			memset(&pkt->route, 0, sizeof(pkt->route));
		}
	}
	return found;
}
