/*
 * route/route4.c - the way of an IPv4 packet: in (is it for us, onward, or a lie), out, and once more
 * after mangle or NAT changed it.
 */
#include "route/route_internal.h"

/* Linux forwards the rest of 0/8 since 5.3. */
static bool is_zeronet(be32 a) { return a == 0; }
static bool is_loopback(be32 a) { return ntohl(a) >> 24 == 127; }
static bool is_multicast(be32 a) { return IN_MULTICAST(ntohl(a)); }
static bool is_local_multicast(be32 a) { return (ntohl(a) & 0xffffff00) == 0xe0000000; }
static bool is_limited_broadcast(be32 a) { return a == INADDR_BROADCAST; }

/* Every host is in 224.0.0.1 on every interface; others are joined by programs, of which weir has none. */
static bool group_is_joined(const struct iface *iface, be32 group, uint8_t proto)
{
	return iface->up && (group == htonl(0xe0000001) || proto == IPPROTO_IGMP);
}

static void set_device(struct pkt_route *out, struct iface *dev)
{
	out->oif = dev;
	out->mtu = MIN_OF(dev->mtu, 65535u);
}

/* Next hop and metrics of the route taken. Only a next hop of scope link is a gateway; else it is us. */
static void set_next_hop(struct pkt_route *out, const struct fib_result *result)
{
	const struct route_entry *e = result->route;

	if (e->gateway_family && e->nh_scope == RT_SCOPE_LINK) {
		out->gateway = e->gateway;
		if (e->gateway_family == NFPROTO_IPV6)
			out->flags |= ROUTE_GATEWAY6;
	}
	if (e->onlink)
		out->flags |= ROUTE_ONLINK;
	if (e->mtu_lock)
		out->flags |= ROUTE_MTU_LOCKED;
	if (e->mtu)
		out->mtu = e->mtu;
	else if (e->mtu_lock && e->gateway_family && out->mtu > 576)
		out->mtu = 576;
	out->advmss = e->advmss;
	out->hoplimit = e->hoplimit;
	out->dst_len = result->plen;
	out->has_prefsrc = e->prefsrc.ip;
	out->tclassid = e->realm;
}

/* --- input --- */

/*
 * Could @src have come in by @iface? > 0: yes, and it is a neighbour there; 0: yes; -EXDEV: rp_filter says no;
 * -EINVAL: it is not a unicast address.
 */
static int validate_source_fully(struct fib *fib, const struct pkt *pkt, be32 src, be32 dst, uint8_t tos,
				 unsigned int oif, const struct iface *iface, int rp_filter)
{
	const struct iface_conf *all = fib->conf_all;
	struct fib_query q = {
		.daddr.ip = src, .saddr.ip = dst, .tos = tos, .iif = oif ? oif : fib->inst->lo->index,
		.mark = all->src_valid_mark || iface->conf->src_valid_mark ? pkt->mark : 0,
	};
	struct fib_result result;

	fib_query_dissect(fib, NFPROTO_IPV4, pkt, &q);
	if (q.sport || q.dport) {
		uint16_t port = q.sport;

		q.sport = q.dport;
		q.dport = port;
	}
	if (fib4_lookup(fib, &q, &result))
		return rp_filter ? -EXDEV : 0;
	if (result.type != RTN_UNICAST &&
	    (result.type != RTN_LOCAL || !iface_conf_accept_local(fib->inst, iface)))
		return -EINVAL;
	if (result.route->dev == iface || (result.type == RTN_LOCAL && iface->is_loopback))
		return result.route->nh_scope >= RT_SCOPE_HOST;
	if (list_is_empty(&iface->addrs4))
		return rp_filter ? -EXDEV : 0;
	if (rp_filter == 1)
		return -EXDEV;
	q.oif = iface->index;
	if (fib4_lookup(fib, &q, &result) == 0 && result.type == RTN_UNICAST)
		return result.route->nh_scope >= RT_SCOPE_HOST;
	return 0;
}

static int validate_source(struct fib *fib, const struct pkt *pkt, be32 src, be32 dst, uint8_t tos,
			   const struct iface *out, const struct iface *iface)
{
	int rp_filter = iface_conf_rp_filter(fib->inst, iface);

	if (pkt->flags & PKT_FLAG_TRANSLATED)	/* not from a wire: nobody can have made the source up */
		return 0;
	if (!rp_filter && (out != iface || !iface_conf_send_redirects(fib->inst, iface))) {
		if (iface_conf_accept_local(fib->inst, iface))
			return 0;
		if (!fib->v4.custom_local_routes && !fib->v4.custom_rules)
			return addr4_is_ours(fib, src) ? -EINVAL : 0;
	}
	return validate_source_fully(fib, pkt, src, dst, tos, out ? out->index : 0, iface, rp_filter);
}

static enum drop_reason source_drop(int err)
{
	return err == -EXDEV ? DROP_RP_FILTER : DROP_MARTIAN_SOURCE;
}

static enum drop_reason to_host(struct pkt *pkt, uint8_t type, uint16_t flags)
{
	pkt->route.kind = ROUTE_LOCAL_IN;
	pkt->route.type = type;
	pkt->route.flags = flags | ROUTE_LOCAL;
	return DROP_NONE;
}

static enum drop_reason to_broadcast(struct fib *fib, struct pkt *pkt, be32 src, uint8_t tos)
{
	if (!is_zeronet(src)) {
		int err = validate_source(fib, pkt, src, 0, tos, NULL, pkt->in);

		if (err < 0)
			return source_drop(err);
	}
	return to_host(pkt, RTN_BROADCAST, ROUTE_BROADCAST);
}

static enum drop_reason no_route(struct fib *fib, struct pkt *pkt, int err)
{
	pkt->route.kind = ROUTE_ERROR;
	pkt->route.type = RTN_UNREACHABLE;
	pkt->route.err = err;
	set_device(&pkt->route, fib->inst->lo);
	return DROP_NONE;
}

static bool on_one_link(const struct iface *iface, be32 a, be32 b)
{
	list_for_each(node, &iface->addrs4) {
		const struct iface_addr *addr = list_entry(node, struct iface_addr, node);

		if (addr4_covers(addr, a) && (!b || addr4_covers(addr, b)))
			return true;
	}
	return false;
}

static enum drop_reason to_forward(struct fib *fib, struct pkt *pkt, be32 src, be32 dst, uint8_t tos,
				   const struct fib_result *result)
{
	struct iface *out = result->route->dev;
	int err = validate_source(fib, pkt, src, dst, tos, out, pkt->in);

	if (err < 0)
		return source_drop(err);
	pkt->route.kind = ROUTE_FORWARD;
	pkt->route.type = result->type;
	set_device(&pkt->route, out);
	set_next_hop(&pkt->route, result);
	if (out == pkt->in && err && iface_conf_send_redirects(fib->inst, out)) {
		be32 gateway = result->route->gateway_family == NFPROTO_IPV4 ? result->route->gateway.ip : 0;

		if (fib->conf_all->shared_media || out->conf->shared_media || on_one_link(out, src, gateway))
			pkt->route.flags |= ROUTE_REDIRECT;
	}
	return DROP_NONE;
}

static enum drop_reason to_multicast(struct fib *fib, struct pkt *pkt, be32 src, be32 group, uint8_t tos)
{
	uint8_t proto = pkt_ip4(pkt)->protocol;
	int err;

	if (!group_is_joined(pkt->in, group, proto))
		return DROP_MULTICAST;
	if (is_multicast(src) || is_limited_broadcast(src) ||
	    (is_loopback(src) && !iface_conf_route_localnet(fib->inst, pkt->in)))
		return DROP_MARTIAN_SOURCE;
	if (is_zeronet(src)) {
		if (!is_local_multicast(group) && proto != IPPROTO_IGMP)
			return DROP_MARTIAN_SOURCE;
	} else {
		err = validate_source(fib, pkt, src, 0, tos, NULL, pkt->in);
		if (err < 0)
			return source_drop(err);
	}
	return to_host(pkt, RTN_MULTICAST, ROUTE_MULTICAST);
}

enum drop_reason route_input4(struct instance *inst, struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct fib *fib = inst->fib;
	struct fib_query q = { .saddr.ip = ip->saddr, .daddr.ip = ip->daddr, .iif = pkt->in->index,
			       .mark = pkt->mark, .tos = ip->tos };
	bool forwarding = iface_conf_forwarding(inst, pkt->in, NFPROTO_IPV4);
	be32 src = ip->saddr, dst = ip->daddr;
	struct fib_result result;
	int err;

	memset(&pkt->route, 0, sizeof(pkt->route));
	if (is_multicast(dst))
		return to_multicast(fib, pkt, src, dst, ip->tos);
	if (is_multicast(src) || is_limited_broadcast(src))
		return DROP_MARTIAN_SOURCE;
	if (is_limited_broadcast(dst) || (!src && !dst))
		return to_broadcast(fib, pkt, src, ip->tos);
	if (is_zeronet(src))
		return DROP_MARTIAN_SOURCE;
	if (is_zeronet(dst))
		return DROP_MARTIAN_DESTINATION;
	if ((is_loopback(dst) || is_loopback(src)) && !iface_conf_route_localnet(inst, pkt->in))
		return is_loopback(dst) ? DROP_MARTIAN_DESTINATION : DROP_MARTIAN_SOURCE;

	fib_query_dissect(fib, NFPROTO_IPV4, pkt, &q);
	err = fib4_lookup(fib, &q, &result);
	if (err)
		return no_route(fib, pkt, forwarding ? err : -EHOSTUNREACH);
	if (result.type == RTN_BROADCAST) {
		if (fib->conf_all->bc_forwarding && pkt->in->conf->bc_forwarding)
			return to_forward(fib, pkt, src, dst, ip->tos, &result);
		return to_broadcast(fib, pkt, src, ip->tos);
	}
	if (result.type == RTN_LOCAL) {
		err = validate_source(fib, pkt, src, dst, ip->tos, NULL, pkt->in);
		return err < 0 ? source_drop(err) : to_host(pkt, RTN_LOCAL, 0);
	}
	if (!forwarding)
		return no_route(fib, pkt, -EHOSTUNREACH);
	if (result.type != RTN_UNICAST)
		return DROP_MARTIAN_DESTINATION;
	return to_forward(fib, pkt, src, dst, ip->tos, &result);
}

/* --- output --- */

/* The last step: @result->route may be NULL (on link by decree). */
static int finish_output(struct instance *inst, const struct route_flow *flow, const struct fib_result *result,
			 struct iface *dev, uint16_t flags, struct pkt_route *out)
{
	be32 src = flow->saddr.ip, dst = flow->daddr.ip;
	bool use_next_hop = result->route;
	uint8_t type = result->type;

	if (is_loopback(src) && !dev->is_loopback && !iface_conf_route_localnet(inst, dev))
		return -EINVAL;
	if (is_limited_broadcast(dst)) {
		type = RTN_BROADCAST;
		use_next_hop = false;
	} else if (is_multicast(dst)) {
		type = RTN_MULTICAST;
	} else if (is_zeronet(dst)) {
		return -EINVAL;
	}
	if (dev->is_loopback)
		flags |= ROUTE_LOCAL;
	if (type == RTN_BROADCAST) {
		flags |= ROUTE_BROADCAST | ROUTE_LOCAL;
	} else if (type == RTN_MULTICAST) {
		flags |= ROUTE_MULTICAST;
		if (group_is_joined(dev, dst, flow->proto))
			flags |= ROUTE_LOCAL;
		/* The default route says nothing about groups. */
		if (use_next_hop && result->plen < 4)
			use_next_hop = false;
	}
	memset(out, 0, sizeof(*out));
	out->kind = ROUTE_OUTPUT;
	out->type = type;
	out->flags = flags;
	set_device(out, dev);
	if (use_next_hop)
		set_next_hop(out, result);
	return 0;
}

static int check_bound_device(struct instance *inst, struct route_flow *flow, bool *done)
{
	be32 dst = flow->daddr.ip;

	if (!flow->oif->up)
		return -ENETUNREACH;
	if (is_local_multicast(dst) || is_limited_broadcast(dst) || flow->proto == IPPROTO_IGMP) {
		if (!flow->saddr.ip)
			flow->saddr.ip = addr4_select(inst->fib, flow->oif, 0, RT_SCOPE_LINK);
		*done = true;
	} else if (!flow->saddr.ip) {
		if (is_multicast(dst))
			flow->saddr.ip = addr4_select(inst->fib, flow->oif, 0, RT_SCOPE_UNIVERSE);
		else if (!dst)
			flow->saddr.ip = addr4_select(inst->fib, flow->oif, 0, RT_SCOPE_HOST);
	}
	return 0;
}

int route_output4(struct instance *inst, struct route_flow *flow, struct pkt_route *out)
{
	struct fib *fib = inst->fib;
	struct fib_result result = { .type = RTN_UNSPEC };
	struct fib_query q = { .iif = inst->lo->index, .mark = flow->mark, .tos = flow->tos,
			       .proto = flow->proto, .sport = ntohs(flow->sport), .dport = ntohs(flow->dport) };
	be32 src = flow->saddr.ip;
	bool done = false;
	int err;

	if (src) {
		if (is_multicast(src) || is_limited_broadcast(src) || is_zeronet(src))
			return -EINVAL;
		/* Whoever sends to a group or to everybody from a given address means that address's link. */
		if (!flow->oif && (is_multicast(flow->daddr.ip) || is_limited_broadcast(flow->daddr.ip))) {
			struct iface *dev = addr4_iface_of(fib, src);

			return dev ? finish_output(inst, flow, &result, dev, 0, out) : -ENETUNREACH;
		}
		if (!flow->any_src && !addr4_iface_of(fib, src))
			return -ENETUNREACH;
	}
	if (flow->oif) {
		err = check_bound_device(inst, flow, &done);
		if (err)
			return err;
		if (done)
			return finish_output(inst, flow, &result, flow->oif, 0, out);
	}
	if (!flow->daddr.ip) {
		flow->daddr.ip = flow->saddr.ip;
		if (!flow->daddr.ip)
			flow->daddr.ip = flow->saddr.ip = htonl(INADDR_LOOPBACK);
		result.type = RTN_LOCAL;
		return finish_output(inst, flow, &result, inst->lo, ROUTE_LOCAL, out);
	}
	q.saddr = flow->saddr;
	q.daddr = flow->daddr;
	q.oif = flow->oif ? flow->oif->index : 0;
	err = fib4_lookup(fib, &q, &result);
	if (err) {
		if (!flow->oif)
			return err;
		/* A device was given: then the destination is on its link, whatever the tables say. */
		result = (struct fib_result){ .type = RTN_UNICAST };
		if (!flow->saddr.ip)
			flow->saddr.ip = addr4_select(fib, flow->oif, 0, RT_SCOPE_LINK);
		return finish_output(inst, flow, &result, flow->oif, 0, out);
	}
	if (result.type == RTN_LOCAL) {
		if (!flow->saddr.ip)
			flow->saddr.ip = result.route->prefsrc.ip ? result.route->prefsrc.ip : flow->daddr.ip;
		return finish_output(inst, flow, &result, inst->lo, ROUTE_LOCAL, out);
	}
	if (!flow->saddr.ip)
		flow->saddr.ip = fib4_result_source(fib, &result);
	return finish_output(inst, flow, &result, result.route->dev, 0, out);
}

int route_me_harder4(struct instance *inst, struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV4, .tos = ip->tos, .mark = pkt->mark,
				   .saddr.ip = ip->saddr, .daddr.ip = ip->daddr };
	struct fib_query ports = { 0 };
	struct pkt_route route;
	uint8_t type = fib4_addr_type(inst->fib, NULL, ip->saddr, RT_TABLE_LOCAL);
	int err;

	if (type == RTN_LOCAL || type == RTN_UNICAST)
		flow.any_src = true;
	else
		flow.saddr.ip = 0;
	fib_query_dissect(inst->fib, NFPROTO_IPV4, pkt, &ports);
	flow.proto = ports.proto;
	flow.sport = htons(ports.sport);
	flow.dport = htons(ports.dport);
	err = route_output4(inst, &flow, &route);
	if (err)
		return err;
	pkt->route = route;
	pkt->out = route.oif;
	return route.err;
}
