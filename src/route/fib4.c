/*
 * route/fib4.c - IPv4 routes: what may be added, and which one a packet takes.
 *
 * Every route has a scope, and its next hop must be reachable by a route of a narrower one: that is how
 * "the gateway is not on a link" is found out. Local and main are looked up as one table, longest prefix
 * over both, until somebody touches the rules; afterwards they are asked one after the other, as in Linux.
 */
#include "route/route_internal.h"

#include <stdlib.h>

/* For each type: the narrowest scope it may claim is bounded below, and what a lookup that ends there says. */
static const struct {
	uint8_t scope;
	int error;
} type_props[] = {
	[RTN_UNSPEC] = { RT_SCOPE_NOWHERE, 0 },
	[RTN_UNICAST] = { RT_SCOPE_UNIVERSE, 0 },
	[RTN_LOCAL] = { RT_SCOPE_HOST, 0 },
	[RTN_BROADCAST] = { RT_SCOPE_LINK, 0 },
	[RTN_ANYCAST] = { RT_SCOPE_LINK, 0 },
	[RTN_MULTICAST] = { RT_SCOPE_UNIVERSE, 0 },
	[RTN_BLACKHOLE] = { RT_SCOPE_UNIVERSE, -EINVAL },
	[RTN_UNREACHABLE] = { RT_SCOPE_UNIVERSE, -EHOSTUNREACH },
	[RTN_PROHIBIT] = { RT_SCOPE_UNIVERSE, -EACCES },
	[RTN_THROW] = { RT_SCOPE_UNIVERSE, -EAGAIN },
};

/* --- lookup --- */

static int leaf_lookup(const struct prefix_leaf *leaf, const struct fib_query *q, struct route_entry **route)
{
	list_for_each(node, &leaf->routes) {
		struct route_entry *e = list_entry(node, struct route_entry, node);
		int err = type_props[e->type].error;

		if ((e->tos && e->tos != (q->tos & FIB4_TOS_MASK)) || e->scope < q->scope)
			continue;
		if (err)
			return err;
		if (q->oif && q->oif != e->dev->index)
			continue;
		*route = e;
		return 0;
	}
	return 1;
}

static int tables_walk(struct fib *fib, struct fib_table *table, struct prefix addr, const struct fib_query *q,
		       struct route_entry **route)
{
	bool merged = !fib->v4.custom_rules && fib->v4.local && fib->v4.main &&
		      (table == fib->v4.local || table == fib->v4.main);
	struct fib_table *first = merged ? fib->v4.local : table, *second = merged ? fib->v4.main : NULL;
	unsigned int pos1 = 0, pos2 = 0;
	struct prefix_leaf *leaf1 = prefix_map_next(&first->map, addr, &pos1);
	struct prefix_leaf *leaf2 = second ? prefix_map_next(&second->map, addr, &pos2) : NULL;

	while (leaf1 || leaf2) {
		int err;

		if (leaf1 && (!leaf2 || leaf1->plen >= leaf2->plen)) {
			err = leaf_lookup(leaf1, q, route);
			if (err <= 0)
				return err;
			leaf1 = prefix_map_next(&first->map, addr, &pos1);
		} else {
			err = leaf_lookup(leaf2, q, route);
			if (err <= 0)
				return err;
			leaf2 = prefix_map_next(&second->map, addr, &pos2);
		}
	}
	return -EAGAIN;
}

int fib4_table_lookup(struct fib *fib, struct fib_table *table, const struct fib_query *q,
		      struct fib_result *result)
{
	struct prefix addr = prefix_of4(q->daddr.ip);
	struct fib_cached *slot;

	if (!fib_cache_find(fib, table, addr, q->oif, q->tos & FIB4_TOS_MASK, q->scope, &slot))
		slot->err = (int16_t)tables_walk(fib, table, addr, q, &slot->route);
	if (!slot->err)
		fib_result_set(result, table, slot->route);
	return slot->err;
}

int fib4_lookup(struct fib *fib, const struct fib_query *q, struct fib_result *result)
{
	int err = -EAGAIN;

	result->realm = 0;
	if (fib->v4.custom_rules)
		return fib4_rules_lookup(fib, q, result);
	if (fib->v4.main)
		err = fib4_table_lookup(fib, fib->v4.main, q, result);
	if (err == -EAGAIN && fib->v4.def)
		err = fib4_table_lookup(fib, fib->v4.def, q, result);
	return err == -EAGAIN ? -ENETUNREACH : err;
}

uint8_t fib4_addr_type(struct fib *fib, const struct iface *iface, be32 addr, uint32_t table_id)
{
	struct fib_query q = { .daddr.ip = addr };
	struct fib_result result;
	struct fib_table *table = fib_table_find(fib, NFPROTO_IPV4, table_id);
	uint32_t host = ntohl(addr);

	if (host == INADDR_ANY || host == INADDR_BROADCAST)
		return RTN_BROADCAST;
	if (IN_MULTICAST(host))
		return RTN_MULTICAST;
	if (!table)
		return RTN_BROADCAST;
	if (fib4_table_lookup(fib, table, &q, &result) == 0 && (!iface || result.route->dev == iface))
		return result.type;
	return RTN_UNICAST;
}

static void choose_source(struct fib *fib, struct route_entry *e)
{
	e->source = addr4_select(fib, e->dev, e->gateway_family == NFPROTO_IPV4 ? e->gateway.ip : 0, e->scope);
	e->source_generation = fib->addr_generation;
}

/* Chosen when the route is made and again after addresses changed, not when settings do: as in Linux. */
be32 fib4_result_source(struct fib *fib, const struct fib_result *result)
{
	struct route_entry *e = result->route;

	if (e->prefsrc.ip)
		return e->prefsrc.ip;
	if (e->source_generation != fib->addr_generation)
		choose_source(fib, e);
	return e->source;
}

/* --- is the next hop good? --- */

static int check_onlink_gateway(struct fib *fib, struct route_entry *e, struct refusal *why)
{
	if (e->scope >= RT_SCOPE_LINK)
		return refuse(why, -EINVAL, "a route of scope link or host takes no gateway");
	if (!e->dev)
		return refuse(why, -ENODEV, "onlink needs a device");
	if (!e->dev->up)
		return refuse(why, -ENETDOWN, "the next hop's device %s is down", e->dev->name);
	if (fib4_addr_type(fib, NULL, e->gateway.ip, RT_TABLE_LOCAL) != RTN_UNICAST)
		return refuse(why, -EINVAL, "the gateway is an address of this host, a broadcast or a multicast address");
	e->nh_scope = RT_SCOPE_LINK;
	return 0;
}

static int check_gateway4(struct fib *fib, struct route_entry *e, uint32_t table_id, struct refusal *why)
{
	struct fib_query q = {
		.daddr.ip = e->gateway.ip, .oif = e->dev ? e->dev->index : 0, .iif = fib->inst->lo->index,
		.scope = MAX_OF((uint8_t)(e->scope + 1), (uint8_t)RT_SCOPE_LINK),
	};
	struct fib_table *table = NULL;
	struct fib_result result;
	int err = -EAGAIN;

	if (e->onlink)
		return check_onlink_gateway(fib, e, why);
	if (table_id && table_id != RT_TABLE_MAIN)
		table = fib_table_find(fib, NFPROTO_IPV4, table_id);
	if (table)
		err = fib4_table_lookup(fib, table, &q, &result);
	if (err)
		err = fib4_lookup(fib, &q, &result);
	if (err)
		return refuse(why, err, "the gateway is not on a link of this host");
	if (result.type != RTN_UNICAST && result.type != RTN_LOCAL)
		return refuse(why, -EINVAL, "the gateway is a broadcast or multicast address");
	e->nh_scope = result.scope;
	e->dev = result.route->dev;
	if (!e->dev->up)
		return refuse(why, -ENETDOWN, "the gateway's device %s is down", e->dev->name);
	return 0;
}

static int check_next_hop(struct fib *fib, struct route_entry *e, uint32_t table_id, struct refusal *why)
{
	int err;

	if (e->gateway_family == NFPROTO_IPV4)
		return check_gateway4(fib, e, table_id, why);
	if (e->gateway_family == NFPROTO_IPV6) {
		err = fib6_check_gateway(fib, &e->gateway.in6, &e->dev, table_id, e->onlink, why);
		e->nh_scope = RT_SCOPE_LINK;
		return err;
	}
	if (e->onlink)
		return refuse(why, -EINVAL, "onlink needs a gateway");
	if (!e->dev)
		return refuse(why, -ENODEV, "a route needs a device or a gateway");
	if (!e->dev->up)
		return refuse(why, -ENETDOWN, "device %s is down", e->dev->name);
	e->nh_scope = RT_SCOPE_HOST;
	return 0;
}

/* The preferred source must be ours; a local route may name itself. */
static bool prefsrc_is_valid(struct fib *fib, const struct route_entry *e, be32 dst, uint32_t table_id)
{
	be32 src = e->prefsrc.ip;

	if (e->type == RTN_LOCAL && dst && src == dst)
		return true;
	if (table_id == RT_TABLE_MAIN)
		table_id = RT_TABLE_LOCAL;
	if (fib4_addr_type(fib, NULL, src, table_id) == RTN_LOCAL)
		return true;
	return table_id != RT_TABLE_LOCAL && fib4_addr_type(fib, NULL, src, RT_TABLE_LOCAL) == RTN_LOCAL;
}

/* Everything about a route that does not depend on what the tables hold already. */
static int build_entry(struct fib *fib, const struct route_spec *spec, struct route_entry *e, struct refusal *why)
{
	int err;

	e->family = NFPROTO_IPV4;
	e->type = spec->type;
	e->tos = spec->tos;
	fib->minds_tos |= spec->tos != 0;
	e->scope = spec->scope;
	e->protocol = spec->protocol;
	e->priority = spec->metric;
	e->prefsrc.ip = spec->prefsrc.ip;
	e->dev = spec->oif;
	e->gateway_family = spec->gateway_family;
	e->gateway = spec->gateway;
	e->onlink = spec->onlink;
	fib_entry_set_metrics(e, spec);
	if (spec->type >= ARRAY_SIZE(type_props))
		return refuse(why, -EINVAL, "route type %u does not exist", spec->type);
	if (type_props[spec->type].scope > spec->scope)
		return refuse(why, -EINVAL, "the scope is too wide for this type of route");
	if (type_props[spec->type].error) {
		if (spec->gateway_family || spec->oif)
			return refuse(why, -EINVAL, "this type of route takes neither gateway nor device");
		return 0;
	}
	if (spec->scope > RT_SCOPE_HOST)
		return refuse(why, -EINVAL, "a route cannot have scope nowhere");
	if (spec->scope == RT_SCOPE_HOST) {
		if (spec->gateway_family)
			return refuse(why, -EINVAL, "a route of scope host takes no gateway");
		if (!e->dev)
			return refuse(why, -ENODEV, "a route of scope host needs a device");
		e->nh_scope = RT_SCOPE_NOWHERE;
	} else {
		err = check_next_hop(fib, e, spec->table, why);
		if (err)
			return err;
	}
	if (e->prefsrc.ip && !prefsrc_is_valid(fib, e, spec->dst.ip, spec->table))
		return refuse(why, -EINVAL, "the preferred source is not an address of this host");
	return 0;
}

/* --- insert and delete --- */

static bool same_route(const struct route_entry *a, const struct route_entry *b)
{
	return a->type == b->type && a->scope == b->scope && a->priority == b->priority &&
	       a->protocol == b->protocol && a->prefsrc.ip == b->prefsrc.ip && a->dev == b->dev &&
	       a->nh_scope == b->nh_scope && a->onlink == b->onlink && a->gateway_family == b->gateway_family &&
	       !memcmp(&a->gateway, &b->gateway, sizeof(a->gateway)) && a->mtu == b->mtu &&
	       a->advmss == b->advmss && a->hoplimit == b->hoplimit && a->mtu_lock == b->mtu_lock &&
	       a->realm == b->realm;
}

static struct route_entry *entry_at(struct list *node) { return list_entry(node, struct route_entry, node); }

/*
 * Where @e belongs in its leaf: TOS descending, then metric ascending. @at becomes the first route that is
 * not before it. Equal keys: refused, replaced, or (the kernel's own routes) put behind, unless the same.
 */
static int place_entry(struct fib *fib, struct prefix_leaf *leaf, struct route_entry *e, unsigned int flags,
		       struct list **at, struct route_entry **replaced, struct refusal *why)
{
	struct list *node = leaf->routes.next;

	while (node != &leaf->routes && (entry_at(node)->tos > e->tos ||
					 (entry_at(node)->tos == e->tos && entry_at(node)->priority < e->priority)))
		node = node->next;
	*at = node;
	if (node == &leaf->routes || entry_at(node)->tos != e->tos || entry_at(node)->priority != e->priority)
		return 0;
	if (flags & FIB4_EXCLUSIVE)
		return refuse(why, -EEXIST, "a route to this prefix with the same TOS and metric exists");
	for (; node != &leaf->routes && entry_at(node)->tos == e->tos && entry_at(node)->priority == e->priority;
	     node = node->next) {
		if (!same_route(entry_at(node), e))
			continue;
		/* Replacing the first by itself changes nothing; any other twin stands in the way. */
		if ((flags & FIB4_REPLACE) && node == *at)
			return 1;
		return refuse(why, -EEXIST, "the same route exists");
	}
	if (flags & FIB4_REPLACE)
		*replaced = entry_at(*at);
	else if (flags & FIB4_APPEND)
		*at = node;
	return 0;
}

int fib4_insert(struct fib *fib, const struct route_spec *spec, unsigned int flags, struct refusal *why)
{
	struct prefix dst = prefix_of4(spec->dst.ip);
	struct route_entry *e, *replaced = NULL;
	struct prefix_leaf *leaf;
	struct fib_table *table;
	struct list *at;
	int err;

	if (spec->prefix_len > 32)
		return refuse(why, -EINVAL, "an IPv4 prefix length is at most 32");
	if (!prefix_equal(prefix_cut(dst, spec->prefix_len), dst))
		return refuse(why, -EINVAL, "the address has bits beyond its prefix length");
	table = fib_table_make(fib, NFPROTO_IPV4, spec->table);
	e = calloc(1, sizeof(*e));
	if (!table || !e) {
		free(e);
		return refuse(why, -ENOBUFS, "no memory for a route");
	}
	err = build_entry(fib, spec, e, why);
	if (err)
		goto fail;
	leaf = prefix_map_make(&table->map, dst, spec->prefix_len);
	if (!leaf) {
		err = refuse(why, -ENOBUFS, "no memory for a route");
		goto fail;
	}
	err = place_entry(fib, leaf, e, flags, &at, &replaced, why);
	if (err)
		goto fail;	/* the leaf has routes: it stays */
	e->leaf = leaf;
	e->table = table;
	if (e->dev)
		choose_source(fib, e);
	list_insert_before(at, &e->node);
	list_append(&fib->entries, &e->dev_node);
	if (replaced)
		fib_entry_free(fib, replaced);
	fib_changed(fib);
	return 0;
fail:
	free(e);
	return err < 0 ? err : 0;
}

static bool next_hop_matches(const struct route_entry *e, const struct route_spec *spec)
{
	if (spec->metric && spec->metric != e->priority)
		return false;
	if (!spec->oif && !spec->gateway_family)
		return true;
	if (spec->realm && spec->realm != e->realm)
		return false;
	if (spec->oif && spec->oif != e->dev)
		return false;
	if (!spec->gateway_family)
		return true;
	if (spec->gateway_family != e->gateway_family)
		return false;
	return spec->gateway_family == NFPROTO_IPV4 ? spec->gateway.ip == e->gateway.ip
						    : !memcmp(&spec->gateway, &e->gateway, sizeof(e->gateway));
}

int fib4_delete(struct fib *fib, const struct route_spec *spec, struct refusal *why)
{
	struct fib_table *table = fib_table_find(fib, NFPROTO_IPV4, spec->table);
	struct prefix dst = prefix_of4(spec->dst.ip);
	struct prefix_leaf *leaf;

	if (spec->prefix_len > 32 || !prefix_equal(prefix_cut(dst, spec->prefix_len), dst))
		return refuse(why, -EINVAL, "the address has bits beyond its prefix length");
	if (!table)
		return refuse(why, -ESRCH, "routing table %u does not exist", spec->table);
	leaf = prefix_map_get(&table->map, dst, spec->prefix_len);
	if (!leaf)
		return refuse(why, -ESRCH, "there is no such route");
	list_for_each(node, &leaf->routes) {
		struct route_entry *e = entry_at(node);

		if (e->tos != spec->tos || (spec->type && e->type != spec->type) ||
		    (spec->scope != RT_SCOPE_NOWHERE && e->scope != spec->scope) ||
		    (spec->prefsrc.ip && e->prefsrc.ip != spec->prefsrc.ip) ||
		    (spec->protocol && e->protocol != spec->protocol) || !next_hop_matches(e, spec) ||
		    !fib_entry_same_metrics(e, spec))
			continue;
		fib_entry_free(fib, e);
		return 0;
	}
	return refuse(why, -ESRCH, "there is no such route");
}
