/*
 * route/addr4.c - IPv4 addresses of interfaces, and the routes that come and go with them.
 *
 * The first address of a subnet is primary and owns the subnet's route and broadcasts; further ones are
 * secondary and use the primary as preferred source. An address brings its /32 into table local even while
 * the interface is down, the subnet's routes only while it is up.
 */
#include "route/route_internal.h"

#include <stdlib.h>

static unsigned int bucket_of(be32 addr)
{
	return (addr ^ addr >> 8 ^ addr >> 16 ^ addr >> 24) % ADDR_HASH_BUCKETS;
}

static struct iface_addr *addr_at(struct list *node) { return list_entry(node, struct iface_addr, node); }

static bool is_secondary(const struct iface_addr *a) { return a->flags & IFA_F_SECONDARY; }

static bool same_subnet(const struct iface_addr *a, const struct iface_addr *b)
{
	return a->prefix_len == b->prefix_len && addr4_covers(b, a->peer.ip);
}

static struct iface_addr *primary_of(struct iface *iface, be32 prefix, uint8_t prefix_len)
{
	list_for_each(node, &iface->addrs4)
		if (addr_at(node)->prefix_len == prefix_len && addr4_covers(addr_at(node), prefix))
			return addr_at(node);
	return NULL;
}

/* A route that the host itself keeps: table and scope follow from the type. */
static void own_route(struct fib *fib, bool add, uint8_t type, be32 dst, uint8_t plen,
		      const struct iface_addr *prim)
{
	struct route_spec spec = {
		.family = NFPROTO_IPV4, .type = type, .prefix_len = plen, .protocol = RTPROT_KERNEL,
		.dst.ip = dst, .prefsrc.ip = prim->addr.ip, .oif = prim->iface, .has_scope = true,
		.scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK,
		.table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
	};

	if (add)
		fib4_insert(fib, &spec, FIB4_APPEND, NULL);
	else
		fib4_delete(fib, &spec, NULL);
}

static bool has_zero_net(be32 addr) { return addr == 0; }

/* The routes of one address appear. */
static void routes_appear(struct fib *fib, struct iface_addr *a)
{
	be32 mask = addr4_mask(a->prefix_len), prefix = a->peer.ip & mask;
	struct iface_addr *prim = a;

	if (is_secondary(a)) {
		prim = primary_of(a->iface, prefix, a->prefix_len);
		if (!prim)
			return;
	}
	own_route(fib, true, RTN_LOCAL, a->addr.ip, 32, prim);
	if (!a->iface->up)
		return;
	if (a->broadcast && a->broadcast != INADDR_BROADCAST)
		own_route(fib, true, RTN_BROADCAST, a->broadcast, 32, prim);
	if (has_zero_net(prefix) || is_secondary(a) || (prefix == a->addr.ip && a->prefix_len == 32))
		return;
	if (!(a->flags & IFA_F_NOPREFIXROUTE))
		own_route(fib, true, a->iface->is_loopback ? RTN_LOCAL : RTN_UNICAST, prefix, a->prefix_len, prim);
	if (a->prefix_len < 31)
		own_route(fib, true, RTN_BROADCAST, prefix | ~mask, 32, prim);
}

/* What other addresses of the interface still need of the routes that @gone leaves behind. */
struct still_needed {
	bool local, broadcast, high, low, present;
};

static struct still_needed who_needs(struct iface *iface, const struct iface_addr *gone,
				     const struct iface_addr *prim, const struct iface_addr *promoting)
{
	be32 mask = addr4_mask(gone->prefix_len), any = gone->peer.ip & mask, high = gone->peer.ip | ~mask;
	const struct iface_addr *owner = NULL;
	struct still_needed need = { 0 };
	bool same_source = false;

	list_for_each(node, &iface->addrs4) {
		struct iface_addr *a = addr_at(node);

		if (a == gone) {
			need.present = true;
			continue;
		}
		if (promoting && same_subnet(a, promoting))
			continue;
		if (is_secondary(a)) {
			if (same_subnet(a, prim)) {
				owner = prim;
			} else {
				/* Secondaries follow all primaries: same_source is settled by now. */
				if (!same_source)
					continue;
				if (!owner || !same_subnet(a, owner))
					owner = primary_of(iface, a->peer.ip, a->prefix_len);
				if (!owner || owner->addr.ip != prim->addr.ip)
					continue;
			}
		} else {
			if (prim->addr.ip != a->addr.ip)
				continue;
			owner = a;
			if (prim != a)
				same_source = true;
		}
		need.local |= gone->addr.ip == a->addr.ip;
		need.broadcast |= gone->broadcast == a->broadcast;
		need.high |= high == a->broadcast;
		need.low |= any == a->broadcast;
		if (owner == a && a->prefix_len < 31) {
			be32 m = addr4_mask(a->prefix_len), a_high = a->peer.ip | ~m, a_low = a->peer.ip & m;

			if (has_zero_net(a_low))
				continue;
			need.broadcast |= gone->broadcast == a_high || gone->broadcast == a_low;
			need.high |= high == a_high || high == a_low;
			need.low |= any == a_high || any == a_low;
		}
	}
	return need;
}

static bool uses_source(const struct route_entry *e, const void *arg)
{
	const be32 *src = arg;

	return e->family == NFPROTO_IPV4 && e->table->id == RT_TABLE_MAIN && e->prefsrc.ip == *src;
}

/* The routes of one address disappear. @promoting: the primary that is being replaced by a secondary. */
static void routes_disappear(struct fib *fib, struct iface_addr *a, const struct iface_addr *promoting)
{
	be32 mask = addr4_mask(a->prefix_len), any = a->peer.ip & mask, high = a->peer.ip | ~mask;
	struct iface_addr *prim = a;
	struct still_needed need;
	bool subnet = false;

	if (is_secondary(a)) {
		prim = primary_of(a->iface, any, a->prefix_len);
		if (!prim || (promoting && promoting != prim))
			return;
	} else if (!has_zero_net(any) && (any != a->addr.ip || a->prefix_len < 32)) {
		if (!(a->flags & IFA_F_NOPREFIXROUTE))
			own_route(fib, false, a->iface->is_loopback ? RTN_LOCAL : RTN_UNICAST, any, a->prefix_len,
				  prim);
		subnet = true;
	}
	need = who_needs(a->iface, a, prim, promoting);
	if (!need.broadcast)
		own_route(fib, false, RTN_BROADCAST, a->broadcast, 32, prim);
	if (subnet && a->prefix_len < 31) {
		if (!need.high)
			own_route(fib, false, RTN_BROADCAST, high, 32, prim);
		if (!need.low)
			own_route(fib, false, RTN_BROADCAST, any, 32, prim);
	}
	if (need.local)
		return;
	own_route(fib, false, RTN_LOCAL, a->addr.ip, 32, prim);
	if (!need.present && a->addr.ip && fib4_addr_type(fib, NULL, a->addr.ip, RT_TABLE_LOCAL) != RTN_LOCAL)
		fib_sweep(fib, uses_source, &a->addr.ip);
}

/* --- records --- */

static void hash_add(struct fib *fib, struct addr_record *r)
{
	struct addr_record **bucket = &fib->addr_hash4[bucket_of(r->pub.addr.ip)];

	r->next_same_hash = *bucket;
	*bucket = r;
}

static void hash_remove(struct fib *fib, struct addr_record *r)
{
	struct addr_record **at = &fib->addr_hash4[bucket_of(r->pub.addr.ip)];

	while (*at && *at != r)
		at = &(*at)->next_same_hash;
	if (*at)
		*at = r->next_same_hash;
}

static struct addr_record *hash_find(const struct fib *fib, be32 addr)
{
	struct addr_record *r = fib->addr_hash4[bucket_of(addr)];

	while (r && r->pub.addr.ip != addr)
		r = r->next_same_hash;
	return r;
}

bool addr4_is_ours(const struct fib *fib, be32 addr)
{
	return hash_find(fib, addr);
}

struct iface *addr4_iface_of(struct fib *fib, be32 addr)
{
	struct addr_record *r = hash_find(fib, addr);
	struct fib_query q = { .daddr.ip = addr };
	struct fib_result result;

	if (r)
		return r->pub.iface;
	/* 127.0.0.2 and local routes of a whole prefix: ours without being anybody's address. */
	if (fib->v4.local && fib4_table_lookup(fib, fib->v4.local, &q, &result) == 0 && result.type == RTN_LOCAL)
		return result.route->dev;
	return NULL;
}

static void record_free(struct fib *fib, struct iface_addr *a)
{
	struct addr_record *r = container_of(a, struct addr_record, pub);

	hash_remove(fib, r);
	free(r);
}

static struct addr_record *record_new(struct iface *iface, const struct iface_addr *from)
{
	struct addr_record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->pub = *from;
	r->pub.iface = iface;
	r->pub.family = NFPROTO_IPV4;
	r->pub.flags = (from->flags & ~IFA_F_SECONDARY) | IFA_F_PERMANENT;
	if (!r->pub.peer.ip)
		r->pub.peer.ip = r->pub.addr.ip;
	if (ntohl(r->pub.addr.ip) >> 24 == 127)
		r->pub.scope = RT_SCOPE_HOST;
	return r;
}

int addr4_add(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	struct list *after_primaries = &iface->addrs4;
	struct addr_record *r;
	int err = 0;

	if (addr->prefix_len > 32)
		return refuse(why, -EINVAL, "an IPv4 prefix length is at most 32");
	if (!addr->addr.ip)
		return refuse(why, -EINVAL, "0.0.0.0 cannot be an interface's address");
	r = record_new(iface, addr);
	if (!r)
		return refuse(why, -ENOBUFS, "no memory for an address");
	list_for_each(node, &iface->addrs4) {
		struct iface_addr *a = addr_at(node);

		if (!is_secondary(a) && r->pub.scope <= a->scope)
			after_primaries = node;
		if (a->prefix_len != r->pub.prefix_len || !addr4_covers(&r->pub, a->peer.ip))
			continue;
		/* 127.0.0.1 comes by itself: asking for it again does no harm. */
		if (a->addr.ip == r->pub.addr.ip && container_of(a, struct addr_record, pub)->generated) {
			free(r);
			return 0;
		}
		if (a->addr.ip == r->pub.addr.ip)
			err = refuse(why, -EEXIST, "%s has this address already", iface->name);
		else if (a->scope != r->pub.scope)
			err = refuse(why, -EINVAL, "an address of the same subnet has another scope");
		if (err) {
			free(r);
			return err;
		}
		r->pub.flags |= IFA_F_SECONDARY;
	}
	if (is_secondary(&r->pub))
		list_append(&iface->addrs4, &r->pub.node);
	else
		list_push(after_primaries, &r->pub.node);
	hash_add(fib, r);
	fib_changed(fib);
	routes_appear(fib, &r->pub);
	fib->addr_generation++;
	return 0;
}

/*
 * A primary leaves: its secondaries leave with it, or (promote_secondaries) the first of them takes its
 * place and the others' routes are made again with the new preferred source.
 */
static void remove_addr(struct fib *fib, struct iface_addr *gone)
{
	struct iface *iface = gone->iface;
	bool promote_wanted = fib->conf_all->promote_secondaries || iface->conf->promote_secondaries;
	struct iface_addr *promote = NULL;
	struct list *last_primary = gone->node.prev, *follow, *rest;

	if (!is_secondary(gone)) {
		for (struct list *node = gone->node.next, *next; node != &iface->addrs4; node = next) {
			struct iface_addr *a = addr_at(node);

			next = node->next;
			if (!is_secondary(a) && gone->scope <= a->scope)
				last_primary = node;
			if (!is_secondary(a) || !same_subnet(a, gone))
				continue;
			if (promote_wanted) {
				promote = a;
				break;
			}
			list_remove(node);
			hash_remove(fib, container_of(a, struct addr_record, pub));
			routes_disappear(fib, a, NULL);
			fib_tell_addr_gone(fib, a);
			free(container_of(a, struct addr_record, pub));
		}
		for (follow = promote ? &promote->node : &iface->addrs4; follow != &iface->addrs4;
		     follow = follow->next)
			if (same_subnet(addr_at(follow), gone))
				routes_disappear(fib, addr_at(follow), gone);
	}
	list_remove(&gone->node);
	hash_remove(fib, container_of(gone, struct addr_record, pub));
	routes_disappear(fib, gone, NULL);
	if (promote) {
		rest = promote->node.next;
		if (last_primary != &promote->node && last_primary->next != &promote->node) {
			list_remove(&promote->node);
			list_push(last_primary, &promote->node);
		}
		promote->flags &= ~IFA_F_SECONDARY;
		routes_appear(fib, promote);
		for (; rest != &iface->addrs4; rest = rest->next)
			if (same_subnet(addr_at(rest), gone))
				routes_appear(fib, addr_at(rest));
	}
	fib_tell_addr_gone(fib, gone);
	free(container_of(gone, struct addr_record, pub));
	fib_changed(fib);
	fib->addr_generation++;
}

static bool leads_over(const struct route_entry *e, const void *arg)
{
	return e->family == NFPROTO_IPV4 && e->dev == arg;
}

static bool leads_over_link(const struct route_entry *e, const void *arg)
{
	return leads_over(e, arg) && e->nh_scope != RT_SCOPE_NOWHERE;
}

int addr4_del(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	list_for_each(node, &iface->addrs4) {
		struct iface_addr *a = addr_at(node);

		if (a->addr.ip != addr->addr.ip || a->prefix_len != addr->prefix_len ||
		    !addr4_covers(a, addr->peer.ip ? addr->peer.ip : addr->addr.ip))
			continue;
		remove_addr(fib, a);
		/* Without any address the interface does no IPv4: nothing leads over it any more. */
		if (list_is_empty(&iface->addrs4)) {
			fib_sweep(fib, leads_over, iface);
			neigh_flush_iface(fib->inst, iface, NFPROTO_IPV4);
		}
		return 0;
	}
	return refuse(why, -EADDRNOTAVAIL, "%s does not have this address", iface->name);
}

void addr4_iface_up(struct fib *fib, struct iface *iface)
{
	static const struct iface_addr loopback = { .prefix_len = 8, .scope = RT_SCOPE_HOST };
	struct iface_addr a = loopback;

	if (iface->is_loopback && list_is_empty(&iface->addrs4)) {
		a.addr.ip = htonl(INADDR_LOOPBACK);
		if (addr4_add(fib, iface, &a, NULL) == 0)
			hash_find(fib, a.addr.ip)->generated = true;
		return;
	}
	list_for_each(node, &iface->addrs4)
		routes_appear(fib, addr_at(node));
	fib->addr_generation++;
}

void addr4_iface_down(struct fib *fib, struct iface *iface, bool forget)
{
	fib_sweep(fib, forget ? leads_over : leads_over_link, iface);
	if (!forget)
		return;
	list_for_each_safe(node, &iface->addrs4) {
		list_remove(node);
		record_free(fib, addr_at(node));
	}
}

/* --- source choice --- */

static be32 first_primary(const struct iface *iface, uint8_t scope)
{
	list_for_each(node, &iface->addrs4) {
		struct iface_addr *a = addr_at(node);

		if (!is_secondary(a) && a->scope != RT_SCOPE_LINK && a->scope <= scope)
			return a->addr.ip;
	}
	return 0;
}

be32 addr4_select(struct fib *fib, const struct iface *iface, be32 dst, uint8_t scope)
{
	uint8_t loopback_scope = iface_conf_route_localnet(fib->inst, iface) ? RT_SCOPE_LINK : RT_SCOPE_HOST;
	be32 found = 0;

	list_for_each(node, &iface->addrs4) {
		struct iface_addr *a = addr_at(node);

		if (is_secondary(a) || MIN_OF(a->scope, loopback_scope) > scope)
			continue;
		if (!dst || addr4_covers(a, dst))
			return a->addr.ip;
		if (!found)
			found = a->addr.ip;
	}
	if (found)
		return found;
	list_for_each(node, &fib->inst->ifaces) {
		found = first_primary(list_entry(node, struct iface, node), scope);
		if (found)
			return found;
	}
	return 0;
}
