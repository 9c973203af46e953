/*
 * route/fib6.c - IPv6 routes: what may be added, and which one a packet takes.
 *
 * Among the routes to one prefix the lowest metric wins, then the one over the wanted interface, then the
 * first. A host (forwarding off) passes over gateways that are known to be dead, unless all are.
 */
#include "route/route_internal.h"

#include <stdlib.h>

static struct route_entry *entry_at(struct list *node) { return list_entry(node, struct route_entry, node); }

static int type_error(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_THROW:
		return -EAGAIN;
	default:
		return 0;
	}
}

/* --- lookup --- */

/* How well @e serves the query; negative: not at all. */
static int score_of(struct fib *fib, const struct route_entry *e, const struct fib_query *q, bool reachable)
{
	bool over_it = !q->via || e->dev->index == q->via;

	if (!over_it && q->via_required)
		return -1;
	if (reachable && e->gateway_family &&
	    neigh_state(fib->inst, e->dev, NFPROTO_IPV6, &e->gateway) == NUD_FAILED)
		return -1;
	return over_it;
}

static struct route_entry *leaf_select(struct fib *fib, const struct prefix_leaf *leaf,
				       const struct fib_query *q, bool reachable)
{
	uint32_t first_metric = entry_at(leaf->routes.next)->priority;
	struct route_entry *best = NULL;
	int best_score = -1;

	list_for_each(node, &leaf->routes) {
		struct route_entry *e = entry_at(node);
		int score;

		if (best && best->priority == first_metric && e->priority != first_metric)
			break;
		score = score_of(fib, e, q, reachable);
		if (score > best_score) {
			best = e;
			best_score = score;
		}
	}
	return best;
}

static struct route_entry *table_walk(struct fib *fib, const struct fib_table *table, struct prefix addr,
				      const struct fib_query *q)
{
	bool reachable = !fib->conf_all->forwarding6;

	for (;; reachable = false) {
		struct prefix_leaf *leaf;
		unsigned int pos = 0;

		while ((leaf = prefix_map_next(&table->map, addr, &pos))) {
			struct route_entry *e = leaf_select(fib, leaf, q, reachable);

			if (e)
				return e;
		}
		if (!reachable)
			return NULL;
	}
}

int fib6_table_lookup(struct fib *fib, struct fib_table *table, const struct fib_query *q,
		      struct fib_result *result)
{
	struct prefix addr = prefix_of6(&q->daddr.in6);
	struct fib_cached *slot;

	/* A host's answer depends on its neighbours, and these change without telling. */
	if (!fib_cache_find(fib, table, addr, q->via, 0, q->via_required, &slot) || !fib->conf_all->forwarding6)
		slot->route = table_walk(fib, table, addr, q);
	if (!slot->route)
		return -EAGAIN;
	fib_result_set(result, table, slot->route);
	return slot->route->reject ? type_error(slot->route->type) : 0;
}

static int table_of_rule6(struct fib *fib, struct fib_table *table, const struct fib_query *q,
			  struct fib_result *result, void *arg)
{
	return fib6_table_lookup(fib, table, q, result);
}

int fib6_lookup(struct fib *fib, const struct fib_query *q, struct fib_result *result)
{
	int err;

	memset(result, 0, sizeof(*result));
	if (fib->v6.custom_rules) {
		err = fib6_rules_lookup(fib, q, table_of_rule6, NULL, result);
	} else {
		err = fib6_table_lookup(fib, fib->v6.local, q, result);
		if (err == -EAGAIN)
			err = fib6_table_lookup(fib, fib->v6.main, q, result);
	}
	if (err == -EAGAIN)
		err = -ENETUNREACH;
	/* A unicast route over lo swallows packets: it has no errno of its own. */
	if (!err && result->route->reject)
		err = -ENETUNREACH;
	return err;
}

/* --- is the next hop good? --- */

static int check_onlink(struct fib *fib, const struct in6_addr *gateway, const struct iface *dev,
			struct refusal *why)
{
	struct fib_query q = { .daddr.in6 = *gateway, .via = dev->index };
	struct fib_result result;

	if (fib6_table_lookup(fib, fib->v6.main, &q, &result) || result.route->reject || !result.plen)
		return 0;
	if (result.type != RTN_UNICAST || result.route->dev != dev)
		return refuse(why, -EINVAL, "the gateway lies behind another interface");
	return 0;
}

static int find_link(struct fib *fib, const struct in6_addr *gateway, struct iface **dev, uint32_t table_id,
		     struct refusal *why)
{
	struct fib_query q = { .daddr.in6 = *gateway, .oif = *dev ? (*dev)->index : 0,
			       .via = *dev ? (*dev)->index : 0, .via_required = true };
	struct fib_table *table = table_id ? fib_table_find(fib, NFPROTO_IPV6, table_id) : NULL;
	struct fib_result result;
	int err = -EHOSTUNREACH;

	if (table && fib6_table_lookup(fib, table, &q, &result) == 0 && !result.route->reject &&
	    !result.route->gateway_family && (!*dev || *dev == result.route->dev))
		err = 0;
	if (err && fib6_lookup(fib, &q, &result) == 0 && !result.route->gateway_family)
		err = 0;
	if (err || (*dev && *dev != result.route->dev))
		return refuse(why, -EHOSTUNREACH, "the gateway is not on a link of this host");
	*dev = result.route->dev;
	return 0;
}

int fib6_check_gateway(struct fib *fib, const struct in6_addr *gateway, struct iface **dev, uint32_t table,
		       bool onlink, struct refusal *why)
{
	unsigned int class = addr6_classify(gateway);
	bool is_link_local = class & ADDR6_LINKLOCAL && class & ADDR6_UNICAST;
	bool given = *dev;
	int err;

	if (onlink && !*dev)
		return refuse(why, -ENODEV, "onlink needs a device");
	if (onlink && !(*dev)->up)
		return refuse(why, -ENETDOWN, "device %s is down", (*dev)->name);
	/* Our own link-local address on another interface may be somebody else's here. */
	if (given && addr6_find(fib, gateway, class & ADDR6_LINKLOCAL ? *dev : NULL))
		return refuse(why, -EINVAL, "the gateway is an address of this host");
	if (!is_link_local) {
		if (!(class & (ADDR6_UNICAST | ADDR6_MAPPED)))
			return refuse(why, -EINVAL, "this address cannot be a gateway");
		err = onlink ? check_onlink(fib, gateway, *dev, why) : find_link(fib, gateway, dev, table, why);
		if (err)
			return err;
	}
	if (!*dev)
		return refuse(why, -EINVAL, "a link-local gateway needs a device");
	if ((*dev)->is_loopback)
		return refuse(why, -EINVAL, "a gateway cannot be reached over %s", (*dev)->name);
	if (!given && addr6_find(fib, gateway, class & ADDR6_LINKLOCAL ? *dev : NULL))
		return refuse(why, -EINVAL, "the gateway is an address of this host");
	if ((*dev)->conf->disable6)
		return refuse(why, -EACCES, "IPv6 is switched off on %s", (*dev)->name);
	if (!(*dev)->up)
		return refuse(why, -ENETDOWN, "device %s is down", (*dev)->name);
	return 0;
}

static int set_device(struct fib *fib, const struct route_spec *spec, unsigned int flags, struct route_entry *e,
		      struct refusal *why)
{
	/* An anycast route that somebody adds is one like any other: only those of addresses lead to lo. */
	bool ours = spec->type == RTN_LOCAL || (spec->type == RTN_ANYCAST && flags & FIB6_DEVICE_MAY_BE_DOWN);
	int err;

	e->dev = spec->oif;
	e->ours = ours;
	if (spec->onlink && !e->dev)
		return refuse(why, -ENODEV, "onlink needs a device");
	if (fib_type_is_error(spec->type)) {
		e->dev = fib->inst->lo;
		e->reject = true;
		return 0;
	}
	if (spec->gateway_family) {
		if (spec->gateway_family != NFPROTO_IPV6)
			return refuse(why, -EINVAL, "an IPv6 route takes an IPv6 gateway");
		err = fib6_check_gateway(fib, &spec->gateway.in6, &e->dev, spec->table, spec->onlink, why);
		if (err)
			return err;
		e->gateway_family = NFPROTO_IPV6;
		e->gateway = spec->gateway;
	}
	if (!e->dev)
		return refuse(why, -ENODEV, "a route needs a device or a gateway");
	if (e->dev->conf->disable6)
		return refuse(why, -EACCES, "IPv6 is switched off on %s", e->dev->name);
	if (!e->dev->up && !(flags & FIB6_DEVICE_MAY_BE_DOWN))
		return refuse(why, -ENETDOWN, "device %s is down", e->dev->name);
	/* A true route over lo would turn in circles. */
	if (e->dev->is_loopback && !ours && !(addr6_classify(&spec->dst.in6) & ADDR6_LOOPBACK))
		e->reject = true;
	return 0;
}

/* --- insert and delete --- */

static bool same_next_hop(const struct route_entry *a, const struct route_entry *b)
{
	return a->dev == b->dev && a->gateway_family == b->gateway_family &&
	       !memcmp(&a->gateway, &b->gateway, sizeof(a->gateway));
}

static int place_entry(struct prefix_leaf *leaf, struct route_entry *e, unsigned int flags, struct list **at,
		       struct route_entry **replaced, struct refusal *why)
{
	struct list *node = leaf->routes.next;

	for (; node != &leaf->routes && entry_at(node)->priority <= e->priority; node = node->next) {
		struct route_entry *other = entry_at(node);

		if (other->priority != e->priority)
			continue;
		if (flags & FIB6_REPLACE) {
			/* The first of the same kind (with or without gateway), else the first at all. */
			if (!*replaced || (!*replaced != !(*replaced)->gateway_family &&
					   !(*replaced)->gateway_family != !e->gateway_family &&
					   !other->gateway_family == !e->gateway_family))
				*replaced = other;
		} else if (!(flags & FIB6_SIBLING) || same_next_hop(other, e)) {
			return refuse(why, -EEXIST, "a route to this prefix with the same metric exists");
		}
	}
	*at = *replaced ? &(*replaced)->node : node;
	return 0;
}

int fib6_insert(struct fib *fib, const struct route_spec *spec, unsigned int flags, struct refusal *why)
{
	struct prefix dst = prefix_of6(&spec->dst.in6);
	struct route_entry *e, *replaced = NULL;
	struct prefix_leaf *leaf;
	struct fib_table *table;
	struct list *at = NULL;
	int err;

	if (spec->prefix_len > 128)
		return refuse(why, -EINVAL, "an IPv6 prefix length is at most 128");
	if (spec->type > RTN_THROW)
		return refuse(why, -EINVAL, "route type %u does not exist", spec->type);
	table = fib_table_make(fib, NFPROTO_IPV6, spec->table);
	e = calloc(1, sizeof(*e));
	if (!table || !e) {
		free(e);
		return refuse(why, -ENOBUFS, "no memory for a route");
	}
	e->family = NFPROTO_IPV6;
	e->type = spec->type;
	e->scope = spec->scope;
	e->protocol = spec->protocol;
	e->priority = spec->metric;
	e->prefsrc = spec->prefsrc;
	e->onlink = spec->onlink;
	fib_entry_set_metrics(e, spec);
	err = set_device(fib, spec, flags, e, why);
	if (!err && !prefix_equal(prefix_of6(&e->prefsrc.in6), (struct prefix){ 0, 0 }) &&
	    !addr6_find(fib, &e->prefsrc.in6,
			addr6_scope(&e->prefsrc.in6) <= 2 ? e->dev : NULL))
		err = refuse(why, -EINVAL, "the preferred source is not an address of this host");
	if (err)
		goto fail;
	leaf = prefix_map_make(&table->map, dst, spec->prefix_len);
	if (!leaf) {
		err = refuse(why, -ENOBUFS, "no memory for a route");
		goto fail;
	}
	err = place_entry(leaf, e, flags, &at, &replaced, why);
	if (err)
		goto fail;	/* the leaf has routes: it stays */
	e->leaf = leaf;
	e->table = table;
	list_insert_before(at, &e->node);
	list_append(&fib->entries, &e->dev_node);
	if (replaced)
		fib_entry_free(fib, replaced);
	fib_changed(fib);
	return 0;
fail:
	free(e);
	return err;
}

int fib6_delete(struct fib *fib, const struct route_spec *spec, struct refusal *why)
{
	struct fib_table *table = fib_table_find(fib, NFPROTO_IPV6, spec->table);
	struct prefix_leaf *leaf;

	if (!table)
		return refuse(why, -ESRCH, "routing table %u does not exist", spec->table);
	if (spec->prefix_len > 128)
		return refuse(why, -EINVAL, "an IPv6 prefix length is at most 128");
	leaf = prefix_map_get(&table->map, prefix_of6(&spec->dst.in6), spec->prefix_len);
	/* The kernel finds its own null route where a default route would be, and will not delete that. */
	if (!leaf && !spec->prefix_len && !spec->metric && !spec->protocol &&
	    (!spec->oif || spec->oif->is_loopback) && !spec->gateway_family)
		return refuse(why, -ENOENT, "there is no such route");
	if (!leaf)
		return refuse(why, -ESRCH, "there is no such route");
	list_for_each(node, &leaf->routes) {
		struct route_entry *e = entry_at(node);

		if ((spec->metric && spec->metric != e->priority) ||
		    (spec->protocol && spec->protocol != e->protocol) || (spec->oif && spec->oif != e->dev) ||
		    (spec->gateway_family && memcmp(&spec->gateway, &e->gateway, sizeof(e->gateway))))
			continue;
		fib_entry_free(fib, e);
		return 0;
	}
	return refuse(why, -ESRCH, "there is no such route");
}
