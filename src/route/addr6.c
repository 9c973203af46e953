/*
 * route/addr6.c - IPv6 addresses of interfaces, the routes that come and go with them, and source choice.
 *
 * Duplicate address detection is not done: an address is good at once. Taking an interface down loses
 * its IPv6 addresses, as in Linux (keep_addr_on_down is off there). Link-local addresses are made only
 * where net.ipv6.conf.IF.addr_gen_mode says so (0 = EUI-64); weir's default is 1 = none, since a snapshot
 * names every address.
 */
#include "route/route_internal.h"

#include <stdlib.h>

static unsigned int bucket_of(const struct in6_addr *a)
{
	uint32_t w = a->s6_addr32[0] ^ a->s6_addr32[1] ^ a->s6_addr32[2] ^ a->s6_addr32[3];

	return (w ^ w >> 8 ^ w >> 16 ^ w >> 24) % ADDR_HASH_BUCKETS;
}

static struct iface_addr *addr_at(struct list *node) { return list_entry(node, struct iface_addr, node); }

static struct addr_record *record_of(struct iface_addr *a) { return container_of(a, struct addr_record, pub); }

static bool addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool addr_is_any(const struct in6_addr *a)
{
	return !(a->s6_addr32[0] | a->s6_addr32[1] | a->s6_addr32[2] | a->s6_addr32[3]);
}

/* --- classes --- */

unsigned int addr6_classify(const struct in6_addr *a)
{
	unsigned int top = get_be16(a->s6_addr);

	if (a->s6_addr[0] == 0xff)
		switch (a->s6_addr[1] & 15) {
		case 1:
			return ADDR6_MULTICAST | ADDR6_LOOPBACK;
		case 2:
			return ADDR6_MULTICAST | ADDR6_LINKLOCAL;
		case 5:
			return ADDR6_MULTICAST | ADDR6_SITELOCAL;
		default:
			return ADDR6_MULTICAST;
		}
	if ((top & 0xffc0) == 0xfe80)
		return ADDR6_UNICAST | ADDR6_LINKLOCAL;
	if ((top & 0xffc0) == 0xfec0)
		return ADDR6_UNICAST | ADDR6_SITELOCAL;
	if (a->s6_addr32[0] | a->s6_addr32[1])
		return ADDR6_UNICAST;
	if (a->s6_addr32[2] == 0) {
		if (a->s6_addr32[3] == 0)
			return ADDR6_ANY;
		return ADDR6_UNICAST | (a->s6_addr32[3] == htonl(1) ? ADDR6_LOOPBACK : ADDR6_COMPAT);
	}
	return a->s6_addr32[2] == htonl(0xffff) ? ADDR6_MAPPED : ADDR6_UNICAST;
}

unsigned int addr6_scope(const struct in6_addr *a)
{
	unsigned int class = addr6_classify(a);

	if (class & ADDR6_MULTICAST)
		return a->s6_addr[1] & 15;
	if (class & (ADDR6_LINKLOCAL | ADDR6_LOOPBACK))
		return 2;
	return class & ADDR6_SITELOCAL ? 5 : 14;
}

bool addr6_needs_iface(const struct in6_addr *a)
{
	return addr6_classify(a) & (ADDR6_MULTICAST | ADDR6_LINKLOCAL | ADDR6_LOOPBACK);
}

/* --- records --- */

struct addr_record *addr6_find(const struct fib *fib, const struct in6_addr *addr, const struct iface *iface)
{
	struct addr_record *r = fib->addr_hash6[bucket_of(addr)];

	while (r && !(addr_equal(&r->pub.addr.in6, addr) && (!iface || r->pub.iface == iface)))
		r = r->next_same_hash;
	return r;
}

static void hash_remove(struct fib *fib, struct addr_record *r)
{
	struct addr_record **at = &fib->addr_hash6[bucket_of(&r->pub.addr.in6)];

	while (*at && *at != r)
		at = &(*at)->next_same_hash;
	if (*at)
		*at = r->next_same_hash;
}

/* --- routes of an address --- */

static void add_route(struct fib *fib, uint8_t type, const struct in6_addr *dst, uint8_t plen,
		      struct iface *iface, uint32_t metric)
{
	bool host = type == RTN_LOCAL || type == RTN_ANYCAST;
	struct route_spec spec = {
		.family = NFPROTO_IPV6, .type = type, .dst.in6 = *dst, .prefix_len = plen, .oif = iface,
		.protocol = RTPROT_KERNEL, .metric = metric,
		.table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL,
	};

	fib6_insert(fib, &spec, FIB6_SIBLING | (host ? FIB6_DEVICE_MAY_BE_DOWN : 0), NULL);
}

/* The first route of this kind goes. An anycast route that never came, since the address is ours, is none. */
static void drop_route(struct fib *fib, uint8_t type, const struct in6_addr *dst, uint8_t plen,
		       const struct iface *iface)
{
	struct fib_table *table = type == RTN_UNICAST ? fib->v6.main : fib->v6.local;
	struct prefix_leaf *leaf = prefix_map_get(&table->map, prefix_of6(dst), plen);

	if (!leaf)
		return;
	list_for_each(node, &leaf->routes) {
		struct route_entry *e = list_entry(node, struct route_entry, node);

		if (e->dev == iface && e->type == type && !e->gateway_family) {
			fib_entry_free(fib, e);
			return;
		}
	}
}

static struct in6_addr cut6(const struct in6_addr *a, unsigned int plen)
{
	struct in6_addr out = *a;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = plen > i * 8 ? MIN_OF(plen - i * 8, 8u) : 0;

		out.s6_addr[i] &= (uint8_t)(0xff00 >> keep);
	}
	return out;
}

static bool same_subnet(const struct iface_addr *a, const struct iface_addr *b)
{
	return a->prefix_len == b->prefix_len &&
	       prefix_covers(prefix_of6(&a->addr.in6), a->prefix_len, prefix_of6(&b->addr.in6));
}

/* The subnet-router anycast address of @a, when it has one. */
static bool router_anycast(const struct iface_addr *a, struct in6_addr *out)
{
	*out = cut6(&a->addr.in6, a->prefix_len);
	return a->prefix_len < 127 && !addr_is_any(out);
}

static bool anycast_is_shared(const struct iface_addr *a, const struct in6_addr *anycast)
{
	list_for_each(node, &a->iface->addrs6) {
		struct iface_addr *other = addr_at(node);
		struct in6_addr theirs;

		if (other != a && router_anycast(other, &theirs) && addr_equal(&theirs, anycast))
			return true;
	}
	return false;
}

static void anycast_join(struct fib *fib, struct iface_addr *a)
{
	struct in6_addr anycast;

	if (router_anycast(a, &anycast))
		add_route(fib, RTN_ANYCAST, &anycast, 128, a->iface, 0);
}

static void anycast_leave(struct fib *fib, struct iface_addr *a)
{
	struct in6_addr anycast;

	if (router_anycast(a, &anycast) && !anycast_is_shared(a, &anycast))
		drop_route(fib, RTN_ANYCAST, &anycast, 128, a->iface);
}

void addr6_forwarding_changed(struct fib *fib, struct iface *iface, bool forwarding)
{
	list_for_each(node, &iface->addrs6) {
		struct in6_addr anycast;

		if (forwarding)
			anycast_join(fib, addr_at(node));
		else if (router_anycast(addr_at(node), &anycast))
			drop_route(fib, RTN_ANYCAST, &anycast, 128, iface);
	}
}

static bool has_peer(const struct iface_addr *a)
{
	return !addr_is_any(&a->peer.in6) && !addr_equal(&a->peer.in6, &a->addr.in6);
}

static void prefix_route(struct fib *fib, struct iface_addr *a)
{
	if (!(a->flags & IFA_F_NOPREFIXROUTE))
		add_route(fib, RTN_UNICAST, &a->addr.in6, a->prefix_len, a->iface, FIB6_METRIC_ADDRCONF);
}

static void host_routes(struct fib *fib, struct iface_addr *a)
{
	add_route(fib, RTN_LOCAL, &a->addr.in6, 128, a->iface, 0);
	if (a->iface->conf->forwarding6)
		anycast_join(fib, a);
	if (has_peer(a))
		add_route(fib, RTN_UNICAST, &a->peer.in6, 128, a->iface, FIB6_METRIC_ADDRCONF);
}

static void multicast_route(struct fib *fib, struct iface *iface)
{
	static const struct in6_addr all_groups = { .s6_addr = { 0xff } };

	if (!iface->is_loopback)
		add_route(fib, RTN_MULTICAST, &all_groups, 8, iface, FIB6_METRIC_ADDRCONF);
}

/* The prefix route goes with the last address of its prefix. Routes with a gateway are not ours to delete. */
static void drop_prefix_route(struct fib *fib, struct iface_addr *a)
{
	list_for_each(node, &a->iface->addrs6)
		if (addr_at(node) != a && same_subnet(addr_at(node), a))
			return;
	drop_route(fib, RTN_UNICAST, &a->addr.in6, a->prefix_len, a->iface);
}

/* --- control --- */

static int insert_record(struct fib *fib, struct iface *iface, const struct iface_addr *from, bool generated,
			 struct refusal *why)
{
	struct addr_record *r = calloc(1, sizeof(*r));
	struct addr_record **bucket;
	struct list *at = iface->addrs6.next;

	if (!r)
		return refuse(why, -ENOBUFS, "no memory for an address");
	r->pub = *from;
	r->pub.iface = iface;
	r->pub.family = NFPROTO_IPV6;
	r->pub.flags |= IFA_F_PERMANENT;
	r->pub.flags &= ~IFA_F_TENTATIVE;
	r->generated = generated;
	switch (addr6_scope(&r->pub.addr.in6)) {
	case 2:
		r->pub.scope = iface->is_loopback && addr6_classify(&r->pub.addr.in6) & ADDR6_LOOPBACK ?
			       RT_SCOPE_HOST : RT_SCOPE_LINK;
		break;
	case 5:
		r->pub.scope = RT_SCOPE_SITE;
		break;
	default:
		r->pub.scope = RT_SCOPE_UNIVERSE;
	}
	/* Wide scopes first, the newest first within a scope. */
	while (at != &iface->addrs6 && addr6_scope(&addr_at(at)->addr.in6) > addr6_scope(&r->pub.addr.in6))
		at = at->next;
	list_insert_before(at, &r->pub.node);
	bucket = &fib->addr_hash6[bucket_of(&r->pub.addr.in6)];
	r->next_same_hash = *bucket;
	*bucket = r;
	fib_changed(fib);
	return 0;
}

int addr6_add(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	unsigned int class = addr6_classify(&addr->addr.in6);
	struct addr_record *old = addr6_find(fib, &addr->addr.in6, iface);
	int err;

	if (addr->prefix_len > 128)
		return refuse(why, -EINVAL, "an IPv6 prefix length is at most 128");
	if (iface->conf->disable6)
		return refuse(why, -EACCES, "IPv6 is switched off on %s", iface->name);
	if (iface->mtu < IPV6_MIN_MTU)
		return refuse(why, -EINVAL, "IPv6 needs an mtu of 1280, %s has %u", iface->name, iface->mtu);
	if (class & (ADDR6_ANY | ADDR6_MULTICAST) || (class & ADDR6_LOOPBACK && !iface->is_loopback))
		return refuse(why, -EADDRNOTAVAIL, "this address cannot be given to %s", iface->name);
	/* ::1 and generated link-local addresses come by themselves: asking for them again does no harm. */
	if (old && old->generated && old->pub.prefix_len == addr->prefix_len)
		return 0;
	if (old)
		return refuse(why, -EEXIST, "%s has this address already", iface->name);
	multicast_route(fib, iface);
	err = insert_record(fib, iface, addr, false, why);
	if (err)
		return err;
	old = addr6_find(fib, &addr->addr.in6, iface);
	prefix_route(fib, &old->pub);
	host_routes(fib, &old->pub);
	return 0;
}

static void remove_record(struct fib *fib, struct iface_addr *a, bool with_prefix_route)
{
	if (a->iface->conf->forwarding6)
		anycast_leave(fib, a);
	if (has_peer(a))
		drop_route(fib, RTN_UNICAST, &a->peer.in6, 128, a->iface);
	drop_route(fib, RTN_LOCAL, &a->addr.in6, 128, a->iface);
	if (with_prefix_route && !(a->flags & IFA_F_NOPREFIXROUTE))
		drop_prefix_route(fib, a);
	list_for_each(node, &fib->entries) {
		struct route_entry *e = list_entry(node, struct route_entry, dev_node);

		if (e->family == NFPROTO_IPV6 && e->dev == a->iface &&
		    addr_equal(&e->prefsrc.in6, &a->addr.in6))
			memset(&e->prefsrc, 0, sizeof(e->prefsrc));
	}
	list_remove(&a->node);
	hash_remove(fib, record_of(a));
	fib_tell_addr_gone(fib, a);
	free(record_of(a));
	fib_changed(fib);
}

int addr6_del(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why)
{
	list_for_each(node, &iface->addrs6) {
		struct iface_addr *a = addr_at(node);

		if (a->prefix_len == addr->prefix_len && addr_equal(&a->addr.in6, &addr->addr.in6)) {
			remove_record(fib, a, true);
			return 0;
		}
	}
	return refuse(why, -EADDRNOTAVAIL, "%s does not have this address", iface->name);
}

static void generate_link_local(struct fib *fib, struct iface *iface)
{
	struct iface_addr a = { .prefix_len = 64 };
	uint8_t *b = a.addr.in6.s6_addr;

	b[0] = 0xfe;
	b[1] = 0x80;
	memcpy(b + 8, iface->mac, 3);
	b[8] ^= 2;
	b[11] = 0xff;
	b[12] = 0xfe;
	memcpy(b + 13, iface->mac + 3, 3);
	if (!addr6_find(fib, &a.addr.in6, iface))
		insert_record(fib, iface, &a, true, NULL);
}

void addr6_iface_up(struct fib *fib, struct iface *iface)
{
	static const struct iface_addr loopback = { .prefix_len = 128, .flags = IFA_F_NOPREFIXROUTE,
						      .addr.in6.s6_addr = { [15] = 1 } };

	if (iface->conf->disable6 || iface->mtu < IPV6_MIN_MTU)
		return;
	if (iface->is_loopback && !addr6_find(fib, &loopback.addr.in6, iface))
		insert_record(fib, iface, &loopback, true, NULL);
	if (iface->type == ARPHRD_ETHER && iface->conf->addr_gen_mode6 == 0)
		generate_link_local(fib, iface);
	multicast_route(fib, iface);
	list_for_each(node, &iface->addrs6) {
		prefix_route(fib, addr_at(node));
		host_routes(fib, addr_at(node));
	}
}

static bool leads_over(const struct route_entry *e, const void *arg)
{
	return e->family == NFPROTO_IPV6 && e->dev == arg;
}

void addr6_iface_down(struct fib *fib, struct iface *iface, bool forget)
{
	bool keep = !forget && (fib->conf_all->keep_addr_on_down6 > 0 || iface->conf->keep_addr_on_down6 > 0);

	fib_sweep(fib, leads_over, iface);
	list_for_each_safe(node, &iface->addrs6)
		if (!keep || record_of(addr_at(node))->generated)
			remove_record(fib, addr_at(node), false);
}

/* --- multicast --- */

bool addr6_group_is_joined(const struct fib *fib, const struct iface *iface, const struct in6_addr *group)
{
	static const uint8_t solicited_node[13] = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff };
	static const struct in6_addr zero;
	uint8_t scope = group->s6_addr[1];

	if (!memcmp(group->s6_addr, solicited_node, sizeof(solicited_node))) {
		list_for_each(node, &iface->addrs6)
			if (!memcmp(addr_at(node)->addr.in6.s6_addr + 13, group->s6_addr + 13, 3))
				return true;
		if (!iface->conf->forwarding6)
			return false;
		list_for_each(node, &iface->addrs6) {
			struct in6_addr anycast;

			if (router_anycast(addr_at(node), &anycast) &&
			    !memcmp(anycast.s6_addr + 13, group->s6_addr + 13, 3))
				return true;
		}
		return false;
	}
	if (memcmp(group->s6_addr + 2, &zero, 13))
		return false;
	if (group->s6_addr[15] == 1)		/* all nodes of the interface, of the link */
		return scope == 1 || scope == 2;
	/* All routers of the interface, of the link, of the site. */
	return group->s6_addr[15] == 2 && iface->conf->forwarding6 && (scope == 1 || scope == 2 || scope == 5);
}
