/*
 * route/route.c - the doors of route/: each question goes to its family.
 */
#include "route/route_internal.h"

#include "base/sysctl.h"

enum drop_reason route_input(struct instance *inst, struct pkt *pkt)
{
	return pkt->l.family == NFPROTO_IPV6 ? route_input6(inst, pkt) : route_input4(inst, pkt);
}

int route_output(struct instance *inst, struct route_flow *flow, struct pkt_route *out)
{
	return flow->family == NFPROTO_IPV6 ? route_output6(inst, flow, out) : route_output4(inst, flow, out);
}

int route_me_harder(struct instance *inst, struct pkt *pkt)
{
	return pkt->l.family == NFPROTO_IPV6 ? route_me_harder6(inst, pkt) : route_me_harder4(inst, pkt);
}

bool route_minds_tos(const struct instance *inst)
{
	return inst->fib->minds_tos;
}

/* --- questions --- */

uint8_t route_addr_type4(struct instance *inst, const struct iface *iface, be32 addr)
{
	return fib4_addr_type(inst->fib, iface, addr, RT_TABLE_LOCAL);
}

unsigned int route_addr_types6(struct instance *inst, const struct iface *iface, const struct in6_addr *addr,
			       bool want_local)
{
	unsigned int index = iface ? iface->index : 0, types = 0;
	struct fib_query q = { .daddr.in6 = *addr, .iif = inst->lo->index, .oif = index, .via = index,
			       .via_required = index || addr6_needs_iface(addr) };
	struct fib_result result;
	const struct route_entry *e;

	if (iface && want_local && addr6_find(inst->fib, addr, iface))
		types |= 1u << RTN_LOCAL;
	if (fib6_lookup(inst->fib, &q, &result))
		return types | 1u << RTN_UNREACHABLE;
	e = result.route;
	if (!iface && e->type == RTN_LOCAL)
		types |= 1u << RTN_LOCAL;
	/* The first address of a subnet that is on link is the subnet routers' anycast address. */
	if ((e->ours && e->type == RTN_ANYCAST) || (e->leaf->plen < 127 && !e->gateway_family &&
						    prefix_equal(e->leaf->prefix, prefix_of6(addr))))
		types |= 1u << RTN_ANYCAST;
	return types;
}

uint8_t route_addr_type6(struct instance *inst, const struct iface *iface, const struct in6_addr *addr)
{
	unsigned int class = addr6_classify(addr), types;

	if (class & ADDR6_MULTICAST)
		return RTN_MULTICAST;
	if (class & ADDR6_ANY)
		return RTN_UNSPEC;
	types = route_addr_types6(inst, iface, addr, true);
	if (types & 1u << RTN_LOCAL)
		return RTN_LOCAL;
	if (types & 1u << RTN_ANYCAST)
		return RTN_ANYCAST;
	return types & 1u << RTN_UNREACHABLE ? RTN_UNREACHABLE : RTN_UNICAST;
}

bool route_select_addr4(struct instance *inst, const struct iface *iface, be32 dst, uint8_t scope, be32 *out)
{
	*out = addr4_select(inst->fib, iface, dst, scope);
	return *out;
}

bool route_select_addr6(struct instance *inst, const struct iface *iface, const struct in6_addr *dst,
			struct in6_addr *out)
{
	return addr6_select(inst->fib, iface, dst, out);
}

bool route_is_local_addr(struct instance *inst, uint8_t family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return addr6_find(inst->fib, &addr->in6, NULL);
	return fib4_addr_type(inst->fib, NULL, addr->ip, RT_TABLE_LOCAL) == RTN_LOCAL;
}

/* --- control --- */

void route_set_watch(struct instance *inst, const struct route_watch *watch)
{
	inst->fib->watch = watch ? *watch : (struct route_watch){ NULL };
}

void fib_tell_addr_gone(struct fib *fib, const struct iface_addr *addr)
{
	/* IPv4 speaks of the far end of a point-to-point address. */
	const union nf_inet_addr *gone = addr->family == NFPROTO_IPV4 ? &addr->peer : &addr->addr;

	if (fib->watch.addr_gone)
		fib->watch.addr_gone(fib->inst, addr->iface, addr->family, gone);
}

int route_addr_add(struct instance *inst, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	if (addr->family == NFPROTO_IPV6)
		return addr6_add(inst->fib, iface, addr, why);
	return addr4_add(inst->fib, iface, addr, why);
}

int route_addr_del(struct instance *inst, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	if (addr->family == NFPROTO_IPV6)
		return addr6_del(inst->fib, iface, addr, why);
	return addr4_del(inst->fib, iface, addr, why);
}

int route_iface_set_up(struct instance *inst, struct iface *iface, bool up, struct refusal *why)
{
	if (iface->up == up)
		return 0;
	if (up && iface->vlan_parent && !iface->vlan_parent->up)
		return refuse(why, -ENETDOWN, "%s is down, so %s cannot be up", iface->vlan_parent->name, iface->name);
	iface->up = up;
	fib_changed(inst->fib);
	if (up) {
		addr4_iface_up(inst->fib, iface);
		addr6_iface_up(inst->fib, iface);
		return 0;
	}
	list_for_each(node, &inst->ifaces) {
		struct iface *child = list_entry(node, struct iface, node);

		if (child->vlan_parent == iface && child->up)
			route_iface_set_up(inst, child, false, NULL);
	}
	addr4_iface_down(inst->fib, iface, false);
	addr6_iface_down(inst->fib, iface, false);
	if (inst->neigh)
		neigh_flush_iface(inst, iface, 0);
	if (inst->fib->watch.iface_down)
		inst->fib->watch.iface_down(inst, iface);
	if (inst->observer.iface_down)
		inst->observer.iface_down(inst->observer.priv, iface);
	return 0;
}

void route_iface_set_mtu(struct instance *inst, struct iface *iface, uint32_t mtu)
{
	uint32_t old = iface->mtu;

	iface->mtu = mtu;
	if (iface->conf)
		iface->conf->mtu6 = (int)mtu;
	if (!inst->fib)
		return;
	fib_changed(inst->fib);
	if (mtu < IPV6_MIN_MTU && old >= IPV6_MIN_MTU) {
		addr6_iface_down(inst->fib, iface, true);
		if (inst->neigh)
			neigh_flush_iface(inst, iface, NFPROTO_IPV6);
	} else if (mtu >= IPV6_MIN_MTU && old < IPV6_MIN_MTU && iface->up) {
		addr6_iface_up(inst->fib, iface);
	}
}

/* What `ip route` fills in for what the line leaves out. */
static void complete_spec(struct route_spec *spec, bool adding)
{
	bool v4 = spec->family == NFPROTO_IPV4;

	if (adding && spec->type == RTN_UNSPEC)
		spec->type = RTN_UNICAST;
	if (!spec->table)
		spec->table = spec->type == RTN_LOCAL || spec->type == RTN_BROADCAST || spec->type == RTN_ANYCAST ?
			      RT_TABLE_LOCAL : RT_TABLE_MAIN;
	if (adding && spec->protocol == RTPROT_UNSPEC)
		spec->protocol = RTPROT_BOOT;
	if (!v4 && adding && !spec->metric)
		spec->metric = FIB6_METRIC_USER;
	if (spec->has_scope || !v4)
		return;
	if (spec->type == RTN_LOCAL)
		spec->scope = RT_SCOPE_HOST;
	else if (spec->type == RTN_BROADCAST || spec->type == RTN_MULTICAST || spec->type == RTN_ANYCAST)
		spec->scope = RT_SCOPE_LINK;
	else if (!adding)
		spec->scope = RT_SCOPE_NOWHERE;
	else
		spec->scope = spec->type == RTN_UNICAST && !spec->gateway_family ? RT_SCOPE_LINK
										   : RT_SCOPE_UNIVERSE;
}

int route_add(struct instance *inst, const struct route_spec *given, bool replace, struct refusal *why)
{
	struct route_spec spec = *given;
	int err;

	complete_spec(&spec, true);
	if (spec.family == NFPROTO_IPV6)
		return fib6_insert(inst->fib, &spec, replace ? FIB6_REPLACE : 0, why);
	err = fib4_insert(inst->fib, &spec, replace ? FIB4_REPLACE : FIB4_EXCLUSIVE, why);
	if (!err && spec.type == RTN_LOCAL)
		inst->fib->v4.custom_local_routes = true;
	return err;
}

int route_del(struct instance *inst, const struct route_spec *given, struct refusal *why)
{
	struct route_spec spec = *given;

	complete_spec(&spec, false);
	if (spec.family == NFPROTO_IPV6)
		return fib6_delete(inst->fib, &spec, why);
	return fib4_delete(inst->fib, &spec, why);
}

void route_prefetch(const struct instance *inst, const struct pkt *pkt)
{
	struct fib *fib = inst->fib;
	const struct fib_cached *slot = NULL;

	if (pkt->l.family == NFPROTO_IPV4 && fib->v4.main)
		slot = fib_cache_slot(fib, fib->v4.main, prefix_of4(pkt_ip4(pkt)->daddr), 0, pkt_ip4(pkt)->tos & FIB4_TOS_MASK);
	else if (pkt->l.family == NFPROTO_IPV6 && fib->v6.local)
		slot = fib_cache_slot(fib, fib->v6.local, prefix_of6(&pkt_ip6(pkt)->daddr), pkt->in ? pkt->in->index : 0, 0);
	__builtin_prefetch(slot, 1);
	__builtin_prefetch(slot ? (const uint8_t *)slot + sizeof(*slot) - 1 : NULL, 1);
}
