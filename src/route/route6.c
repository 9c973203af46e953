/*
 * route/route6.c - the way of an IPv6 packet: in, out, and once more after mangle or NAT changed it.
 */
#include "route/route_internal.h"

static void set_path(struct instance *inst, const struct fib_result *result, struct pkt_route *out)
{
	const struct route_entry *e = result->route;

	out->type = e->type;
	out->oif = e->ours ? inst->lo : e->dev;
	out->mtu = e->mtu ? e->mtu : iface_conf_mtu6(out->oif);
	out->mtu = MIN_OF(out->mtu, 65535u + 40);
	out->advmss = e->advmss;
	out->hoplimit = e->hoplimit;
	out->dst_len = result->plen;
	out->has_prefsrc = !(addr6_classify(&e->prefsrc.in6) & ADDR6_ANY);
	if (e->mtu_lock)
		out->flags |= ROUTE_MTU_LOCKED;
	if (e->gateway_family)
		out->gateway = e->gateway;
	if (e->onlink)
		out->flags |= ROUTE_ONLINK;
}

static void set_error(struct instance *inst, int err, struct pkt_route *out)
{
	out->kind = ROUTE_ERROR;
	out->type = err == -EINVAL ? RTN_BLACKHOLE : err == -EACCES ? RTN_PROHIBIT : RTN_UNREACHABLE;
	out->err = err;
	out->oif = inst->lo;
	out->mtu = iface_conf_mtu6(inst->lo);
}

enum drop_reason route_input6(struct instance *inst, struct pkt *pkt)
{
	const struct ipv6hdr *ip6 = pkt_ip6(pkt);
	struct fib_query q = { .iif = pkt->in->index, .via = pkt->in->index, .mark = pkt->mark,
			       .tos = (uint8_t)(get_be16(ip6) >> 4), .proto = ip6->nexthdr, .has_saddr = true };
	struct fib_result result;
	int err;

	memcpy(&q.saddr.in6, &ip6->saddr, 16);
	memcpy(&q.daddr.in6, &ip6->daddr, 16);
	q.via_required = addr6_needs_iface(&q.daddr.in6);
	memset(&pkt->route, 0, sizeof(pkt->route));
	fib_query_dissect(inst->fib, NFPROTO_IPV6, pkt, &q);
	err = fib6_lookup(inst->fib, &q, &result);
	if (err) {
		set_error(inst, err, &pkt->route);
		return DROP_NONE;
	}
	set_path(inst, &result, &pkt->route);
	if (result.type == RTN_LOCAL || result.type == RTN_ANYCAST) {
		pkt->route.kind = ROUTE_LOCAL_IN;
		pkt->route.flags |= ROUTE_LOCAL;
		return DROP_NONE;
	}
	if (result.route->leaf->plen >= 8 && (result.route->leaf->prefix.hi >> 56) == 0xff) {
		if (!addr6_group_is_joined(inst->fib, pkt->in, &q.daddr.in6))
			return DROP_MULTICAST;
		pkt->route.kind = ROUTE_LOCAL_IN;
		pkt->route.type = RTN_MULTICAST;
		pkt->route.flags |= ROUTE_MULTICAST | ROUTE_LOCAL;
		return DROP_NONE;
	}
	pkt->route.kind = ROUTE_FORWARD;
	return DROP_NONE;
}

static int lookup_output(struct instance *inst, const struct route_flow *flow, bool via_required,
			 struct fib_result *result)
{
	unsigned int oif = flow->oif ? flow->oif->index : 0;
	struct fib_query q = { .saddr = flow->saddr, .daddr = flow->daddr, .iif = inst->lo->index, .oif = oif,
			       .via = oif, .mark = flow->mark, .tos = flow->tos, .proto = flow->proto,
			       .sport = ntohs(flow->sport), .dport = ntohs(flow->dport) };

	q.has_saddr = !(addr6_classify(&flow->saddr.in6) & ADDR6_ANY);
	q.via_required = via_required || addr6_needs_iface(&flow->daddr.in6) || (oif && !q.has_saddr);
	return fib6_lookup(inst->fib, &q, result);
}

/* A route over lo that is not for our own addresses has no error: the packet leaves, and is refused on its way. */
static bool is_swallowed(const struct fib_result *result)
{
	return result->route && result->route->reject && !fib_type_is_error(result->route->type);
}

static void fill_output(struct instance *inst, const struct route_flow *flow, const struct fib_result *result,
			struct pkt_route *out)
{
	memset(out, 0, sizeof(*out));
	set_path(inst, result, out);
	out->kind = ROUTE_OUTPUT;
	if (is_swallowed(result)) {
		out->kind = ROUTE_ERROR;
		out->err = -ENETUNREACH;
		return;
	}
	if (addr6_classify(&flow->daddr.in6) & ADDR6_MULTICAST) {
		out->flags |= ROUTE_MULTICAST;
		out->type = RTN_MULTICAST;
		if (addr6_group_is_joined(inst->fib, out->oif, &flow->daddr.in6))
			out->flags |= ROUTE_LOCAL;
	} else if (out->oif->is_loopback) {
		out->flags |= ROUTE_LOCAL;
	}
}

int route_output6(struct instance *inst, struct route_flow *flow, struct pkt_route *out)
{
	bool choose = addr6_classify(&flow->saddr.in6) & ADDR6_ANY;
	struct fib_result result;
	int err = lookup_output(inst, flow, false, &result);

	if (choose) {
		static const struct in6_addr none;
		const struct route_entry *e = err && !is_swallowed(&result) ? NULL : result.route;

		if (e && memcmp(&e->prefsrc.in6, &none, sizeof(none)))
			flow->saddr = e->prefsrc;
		else if (!addr6_select(inst->fib, e ? e->dev : NULL, &flow->daddr.in6, &flow->saddr.in6))
			return -EADDRNOTAVAIL;
		/* Rules that look at the source may know better now. */
		if (err && !is_swallowed(&result))
			err = lookup_output(inst, flow, flow->oif, &result);
	}
	if (err && !is_swallowed(&result))
		return err;
	fill_output(inst, flow, &result, out);
	return 0;
}

int route_me_harder6(struct instance *inst, struct pkt *pkt)
{
	const struct ipv6hdr *ip6 = pkt_ip6(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV6, .mark = pkt->mark };
	struct fib_query ports = { 0 };
	struct fib_result result;
	int err;

	memcpy(&flow.saddr.in6, &ip6->saddr, 16);
	memcpy(&flow.daddr.in6, &ip6->daddr, 16);
	if (addr6_classify(&flow.daddr.in6) & (ADDR6_MULTICAST | ADDR6_LINKLOCAL))
		flow.oif = pkt->route.oif;
	fib_query_dissect(inst->fib, NFPROTO_IPV6, pkt, &ports);
	flow.proto = ports.proto;
	flow.sport = htons(ports.sport);
	flow.dport = htons(ports.dport);
	err = lookup_output(inst, &flow, false, &result);
	if (err && !is_swallowed(&result))
		return err;
	fill_output(inst, &flow, &result, &pkt->route);
	pkt->out = pkt->route.oif;
	return 0;
}
