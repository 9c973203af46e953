/*
 * nat/masquerade.c - the source becomes the address of the way out.
 * The connection remembers the interface: with it, or with that address, the connection ends.
 */
#include "nat/nat_internal.h"
#include "route/route.h"

static unsigned int masquerade(struct pkt *pkt, const struct nf_nat_range2 *range, const union nf_inet_addr *source,
			       const struct hook_state *state)
{
	struct ct *ct = pkt_ct(pkt);
	const struct nf_nat_range2 exact = {
		.flags = range->flags | NF_NAT_RANGE_MAP_IPS, .min_addr = *source, .max_addr = *source,
		.min_proto = range->min_proto, .max_proto = range->max_proto,
	};

	if (!ct_is_confirmed(ct) || ct->has_nat_ext) {
		ct->has_nat_ext = true;
		ct->nat_masq_ifindex = state->out ? state->out->index : 0;
	}
	return nat_choose(state->inst, ct, &exact, NAT_MANIP_SRC);
}

bool nat_masquerade_addr(struct pkt *pkt, const struct hook_state *state, union nf_inet_addr *source)
{
	const struct pkt_route *route = &pkt->route;
	struct in6_addr dst;
	be32 next_hop;

	*source = (union nf_inet_addr){ { 0 } };
	if (!pkt_ct(pkt) || !state->out)
		return false;
	if (state->family == NFPROTO_IPV6) {
		memcpy(&dst, &pkt_ip6(pkt)->daddr, sizeof(dst));
		return route_select_addr6(state->inst, state->out, &dst, &source->in6);
	}
	next_hop = !(route->flags & ROUTE_GATEWAY6) && route->gateway.ip ? route->gateway.ip : pkt_ip4(pkt)->daddr;
	return route_select_addr4(state->inst, state->out, next_hop, RT_SCOPE_UNIVERSE, &source->ip) && source->ip;
}

unsigned int nat_masquerade4(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state)
{
	union nf_inet_addr source;
	struct ct *ct = pkt_ct(pkt);

	nat_record(state->inst, NAT_MANIP_SRC, RECORD_NAT_MASQUERADE, range);
	if (!ct || !state->out)
		return NF_DROP;
	if (ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src.ip == 0)
		return NF_ACCEPT;	/* a host that asks for its first address */
	if (nat_masquerade_addr(pkt, state, &source))
		return masquerade(pkt, range, &source, state);
	record_refused(state->inst->record);
	return NF_DROP;
}

unsigned int nat_masquerade6(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state)
{
	union nf_inet_addr source;

	nat_record(state->inst, NAT_MANIP_SRC, RECORD_NAT_MASQUERADE, range);
	if (nat_masquerade_addr(pkt, state, &source))
		return masquerade(pkt, range, &source, state);
	record_refused(state->inst->record);
	return NF_DROP;
}

struct gone {
	struct instance *inst;
	const struct iface *iface;
	const union nf_inet_addr *addr;		/* NULL: the whole interface */
	uint8_t family;
};

static bool end_if_gone(void *priv, struct ct *ct)
{
	const struct gone *gone = priv;

	if (ct->nat_masq_ifindex == gone->iface->index &&
	    (!gone->addr || (ct_family(ct) == gone->family &&
			     ct_addr_equal(&ct_tuple(ct, IP_CT_DIR_REPLY)->dst, gone->addr))))
		ct_kill(gone->inst, ct);
	return true;
}

void nat_iface_gone(struct instance *inst, struct iface *iface)
{
	struct gone gone = { .inst = inst, .iface = iface };

	ct_each(inst, end_if_gone, &gone);
}

void nat_addr_gone(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr)
{
	struct gone gone = { .inst = inst, .iface = iface, .addr = addr, .family = family };

	ct_each(inst, end_if_gone, &gone);
}
