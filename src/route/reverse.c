/*
 * route/reverse.c - "-m rpfilter": would an answer to this packet leave by the interface that it came in by?
 * Asked before the packet is routed, with the tables as they stand and nothing of the rp_filter settings.
 */
#include "route/route_internal.h"

bool route_reverse4(struct instance *inst, const struct pkt *pkt, const struct iface *in, unsigned int flags)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	bool any_dst = IN_MULTICAST(ntohl(ip->daddr)) || ip->daddr == INADDR_BROADCAST;
	struct fib_query q = { .daddr.ip = ip->saddr, .saddr.ip = any_dst ? 0 : ip->daddr, .tos = ip->tos,
			       .iif = inst->lo->index, .mark = flags & REVERSE_MARK ? pkt->mark : 0 };
	struct fib_result result;

	if (fib4_lookup(inst->fib, &q, &result))
		return false;
	if (result.type != RTN_UNICAST && (result.type != RTN_LOCAL || !(flags & REVERSE_LOCAL)))
		return false;
	return result.route->dev == in || flags & REVERSE_LOOSE;
}

/* The way back as a lookup without a packet finds it: in a prefix the first route over @via, whatever its metric. */
static int lookup_plain(struct fib *fib, struct fib_table *table, const struct fib_query *q,
			struct fib_result *result, void *arg)
{
	struct prefix_leaf *leaf;
	unsigned int pos = 0;

	while ((leaf = prefix_map_next(&table->map, prefix_of6(&q->daddr.in6), &pos))) {
		struct route_entry *chosen = NULL;

		list_for_each(node, &leaf->routes) {
			struct route_entry *e = list_entry(node, struct route_entry, node);

			if (q->via ? e->dev->index == q->via :
			    !q->has_saddr || addr6_find(fib, &q->saddr.in6, e->dev)) {
				chosen = e;
				break;
			}
		}
		if (!chosen && !(q->via && q->via_required))
			chosen = list_entry(leaf->routes.next, struct route_entry, node);
		if (chosen) {
			fib_result_set(result, table, chosen);
			return chosen->type == RTN_THROW ? -EAGAIN : 0;
		}
	}
	return -EAGAIN;
}

static int lookup6(struct fib *fib, const struct fib_query *q, struct fib_result *result)
{
	int err;

	memset(result, 0, sizeof(*result));
	if (fib->v6.custom_rules)
		return fib6_rules_lookup(fib, q, lookup_plain, NULL, result);
	err = lookup_plain(fib, fib->v6.local, q, result, NULL);
	return err == -EAGAIN ? lookup_plain(fib, fib->v6.main, q, result, NULL) : err;
}

bool route_reverse6(struct instance *inst, const struct pkt *pkt, const struct iface *in, unsigned int flags)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	struct fib_query q = { .iif = inst->lo->index, .mark = flags & REVERSE_MARK ? pkt->mark : 0,
			       .tos = (uint8_t)(get_be16(ip) >> 4), .proto = ip->nexthdr };
	struct fib_result result;
	bool linklocal;

	memcpy(&q.daddr.in6, &ip->saddr, 16);
	if (addr6_classify(&ip->daddr) & ADDR6_UNICAST) {
		memcpy(&q.saddr.in6, &ip->daddr, 16);
		q.has_saddr = true;
	}
	linklocal = addr6_classify(&q.daddr.in6) & ADDR6_LINKLOCAL;
	if (linklocal || !(flags & REVERSE_LOOSE))
		q.oif = q.via = in->index;
	q.via_required = linklocal;
	if (lookup6(inst->fib, &q, &result) || result.route->reject || result.type == RTN_ANYCAST)
		return false;
	if (result.type == RTN_LOCAL)
		return flags & REVERSE_LOCAL;
	return result.route->dev == in || flags & REVERSE_LOOSE;
}
