/*
 * route/route_internal.h - what the files of route/ share: prefix maps, tables, rules, address records.
 *
 * A prefix is 128 bits in two host-order words, an IPv4 address sits in the top 32 of them: one prefix
 * map serves both families. A table maps (prefix, length) to a leaf, a leaf lists its routes in the order
 * in which a lookup tries them.
 */
#ifndef WEIR_ROUTE_INTERNAL_H
#define WEIR_ROUTE_INTERNAL_H

#include <linux/fib_rules.h>

#include "route/neighbour.h"
#include "route/route.h"

/* --- prefix map --- */

struct prefix {
	uint64_t hi, lo;
};

struct prefix_leaf {
	struct prefix_leaf *next;	/* same bucket */
	struct prefix prefix;
	uint8_t plen;
	struct list routes;		/* struct route_entry, in lookup order */
};

struct prefix_map {
	uint8_t lens[129];		/* lengths in use, longest first */
	unsigned int len_count;
	struct prefix_level {
		struct prefix_leaf **buckets;
		uint32_t mask, count;	/* mask + 1 buckets */
	} level[129];
};

static inline struct prefix prefix_of4(be32 addr)
{
	return (struct prefix){ (uint64_t)ntohl(addr) << 32, 0 };
}

static inline struct prefix prefix_of6(const struct in6_addr *addr)
{
	return (struct prefix){ (uint64_t)get_be32(addr->s6_addr) << 32 | get_be32(addr->s6_addr + 4),
				(uint64_t)get_be32(addr->s6_addr + 8) << 32 | get_be32(addr->s6_addr + 12) };
}

static inline struct prefix prefix_cut(struct prefix p, unsigned int plen)
{
	if (plen < 64) {
		p.hi &= plen ? ~0ull << (64 - plen) : 0;
		p.lo = 0;
	} else if (plen < 128) {
		p.lo &= plen > 64 ? ~0ull << (128 - plen) : 0;
	}
	return p;
}

static inline bool prefix_equal(struct prefix a, struct prefix b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

static inline bool prefix_covers(struct prefix net, unsigned int plen, struct prefix addr)
{
	return prefix_equal(prefix_cut(addr, plen), prefix_cut(net, plen));
}

void prefix_map_init(struct prefix_map *map);
/* Frees leaves and buckets; the routes must be gone. */
void prefix_map_clear(struct prefix_map *map);
/* The leaf of exactly @prefix/@plen, or NULL. */
struct prefix_leaf *prefix_map_get(const struct prefix_map *map, struct prefix prefix, unsigned int plen);
/* The same, made when missing; NULL when memory is out. */
struct prefix_leaf *prefix_map_make(struct prefix_map *map, struct prefix prefix, unsigned int plen);
/* Forgets an empty leaf. */
void prefix_map_drop(struct prefix_map *map, struct prefix_leaf *leaf);
/* Leaves that cover @addr, longest first: start with *pos = 0; NULL at the end. */
struct prefix_leaf *prefix_map_next(const struct prefix_map *map, struct prefix addr, unsigned int *pos);

/* --- routes and tables --- */

enum { FIB4_TOS_MASK = 0x1c };	/* the bits of TOS that routes and rules of IPv4 look at */
enum { FIB6_METRIC_ADDRCONF = 256, FIB6_METRIC_USER = 1024 };

struct route_entry {
	struct list node;		/* in its leaf */
	struct list dev_node;		/* in fib->entries: all routes, for the few operations that scan */
	struct prefix_leaf *leaf;
	struct fib_table *table;
	uint8_t family, type, tos, scope, protocol;
	uint32_t priority;		/* the metric */
	union nf_inet_addr prefsrc;	/* zero = none */
	struct iface *dev;		/* NULL only for the error types of IPv4 */
	uint8_t gateway_family;		/* 0 = on link */
	uint8_t nh_scope;		/* IPv4: scope of the next hop itself */
	be32 source;			/* IPv4: what addr4_select() said when fib->addr_generation was this */
	uint64_t source_generation;
	bool onlink;
	bool reject;			/* IPv6: packets that take it are refused */
	bool ours;			/* IPv6: packets that take it loop back over lo */
	union nf_inet_addr gateway;
	uint32_t mtu, advmss, realm;
	uint8_t hoplimit;
	bool mtu_lock;
};

struct fib_table {
	struct list node;
	uint32_t id;
	uint8_t family;
	struct prefix_map map;
};

/* One rule of `ip rule`, spec as given plus what the kernel derives. */
struct fib_rule {
	struct list node;
	struct rule_spec spec;
	struct prefix src, dst;
	struct fib_rule *target;	/* of goto; NULL while unresolved */
	bool permanent;
};

struct fib_family {
	struct list tables;		/* struct fib_table */
	struct fib_table *local, *main, *def;
	struct list rules;
	unsigned int dissect_rules;	/* rules that look at protocol or ports */
	bool custom_rules;		/* rules were touched: IPv4's local and main are no longer one */
	bool custom_local_routes;	/* IPv4: somebody added a local route by hand */
};

/* An address as route/ keeps it: the public record, and its place in the hash of local addresses. */
struct addr_record {
	struct iface_addr pub;
	struct addr_record *next_same_hash;
	bool generated;			/* IPv6: made by weir (link-local, ::1) */
};

enum { ADDR_HASH_BUCKETS = 256 };

/*
 * What a table said the last time it was asked: good while the generation stands. Packets of a few thousand
 * flows take few ways; without it a large table costs a probe per prefix length.
 */
struct fib_cached {
	uint64_t generation;
	const struct fib_table *table;
	struct prefix dst;
	unsigned int dev;
	uint8_t tos, scope;		/* IPv6: scope says whether dev is required */
	int16_t err;
	struct route_entry *route;
};

enum { FIB_CACHE_SLOTS = 4096 };

struct fib {
	struct instance *inst;
	struct fib_family v4, v6;
	struct list entries;		/* every route_entry */
	struct addr_record *addr_hash4[ADDR_HASH_BUCKETS], *addr_hash6[ADDR_HASH_BUCKETS];
	struct iface_conf *conf_all, *conf_default;
	struct conf_owner *conf_owners;	/* iface_conf.c */
	struct fib_cached *cache;	/* FIB_CACHE_SLOTS */
	int forwarding4;		/* what all.forwarding was: writing the same again spreads nothing */
	bool minds_tos;			/* some route or rule asked for a TOS, once */
	uint64_t generation;		/* grows with every change: caches compare it */
	uint64_t addr_generation;	/* grows when IPv4 addresses come or go */
	struct route_watch watch;	/* who hears of it */
};

static inline void fib_changed(struct fib *fib)
{
	fib->generation++;
	fib->inst->changes++;
}

void fib_tell_addr_gone(struct fib *fib, const struct iface_addr *addr);

/* What one lookup asks; addresses as in the packet. */
struct fib_query {
	union nf_inet_addr saddr, daddr;
	unsigned int iif, oif;		/* interface index; 0 = any */
	uint32_t mark;
	uint8_t tos, scope, proto;
	uint16_t sport, dport;		/* host order */
	/* IPv6 only: the interface that a route should lead over (0 = any), whether it must; is saddr known. */
	unsigned int via;
	bool via_required, has_saddr;
};

struct fib_result {
	struct route_entry *route;	/* borrowed until the next change of the tables */
	struct fib_table *table;
	uint8_t type, scope, plen;
	uint32_t realm;			/* of the rule */
};

static inline struct fib_cached *fib_cache_slot(struct fib *fib, const struct fib_table *table, struct prefix dst,
						unsigned int dev, uint8_t tos)
{
	uint64_t h = (dst.hi ^ dst.lo * 0x9e3779b97f4a7c15ull ^ dev ^ tos << 8 ^ (uint64_t)table->id << 16) *
		     0xd6e8feb86659fd93ull;

	return &fib->cache[h >> 52];
}

/* Where the answer to this question is kept; true when it is there. */
static inline bool fib_cache_find(struct fib *fib, const struct fib_table *table, struct prefix dst,
				  unsigned int dev, uint8_t tos, uint8_t scope, struct fib_cached **slot)
{
	struct fib_cached *c = fib_cache_slot(fib, table, dst, dev, tos);

	*slot = c;
	if (c->table == table && c->generation == fib->generation && c->dst.hi == dst.hi && c->dst.lo == dst.lo &&
	    c->dev == dev && c->tos == tos && c->scope == scope)
		return true;
	*c = (struct fib_cached){ fib->generation, table, dst, dev, tos, scope, 0, NULL };
	return false;
}

static inline void fib_result_set(struct fib_result *result, struct fib_table *table, struct route_entry *route)
{
	result->route = route;
	result->table = table;
	result->type = route->type;
	result->scope = route->scope;
	result->plen = route->leaf->plen;
}

static inline struct fib_family *fib_family(struct fib *fib, uint8_t family)
{
	return family == NFPROTO_IPV6 ? &fib->v6 : &fib->v4;
}

/* fib.c */
struct fib_table *fib_table_find(struct fib *fib, uint8_t family, uint32_t id);
struct fib_table *fib_table_make(struct fib *fib, uint8_t family, uint32_t id);
void fib_entry_free(struct fib *fib, struct route_entry *entry);
/* Removes every route that @drop says yes to. Return: how many. */
unsigned int fib_sweep(struct fib *fib, bool (*drop)(const struct route_entry *entry, const void *arg),
		       const void *arg);
/* Fills mtu, advmss, hoplimit, realm from the spec with the kernel's upper bounds. */
void fib_entry_set_metrics(struct route_entry *entry, const struct route_spec *spec);
bool fib_entry_same_metrics(const struct route_entry *entry, const struct route_spec *spec);
static inline bool fib_type_is_error(uint8_t type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

/* fib4.c */
enum fib4_insert_flag { FIB4_APPEND = 1, FIB4_REPLACE = 2, FIB4_EXCLUSIVE = 4 };
int fib4_insert(struct fib *fib, const struct route_spec *spec, unsigned int flags, struct refusal *why);
int fib4_delete(struct fib *fib, const struct route_spec *spec, struct refusal *why);
/* One table; 0, -EAGAIN when it has nothing, or the error of an error route. */
int fib4_table_lookup(struct fib *fib, struct fib_table *table, const struct fib_query *query,
		      struct fib_result *result);
/* By the rules. 0, -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL. */
int fib4_lookup(struct fib *fib, const struct fib_query *query, struct fib_result *result);
uint8_t fib4_addr_type(struct fib *fib, const struct iface *iface, be32 addr, uint32_t table);
be32 fib4_result_source(struct fib *fib, const struct fib_result *result);

/* rule.c */
int fib_rules_init(struct fib *fib);
void fib_rules_clear(struct fib *fib);
int fib4_rules_lookup(struct fib *fib, const struct fib_query *query, struct fib_result *result);
/*
 * IPv6: asks @table_lookup for the table of each rule that matches, until it returns a result. The
 * verdicts of rules (unreachable, prohibit, blackhole) come back as negative errno.
 */
typedef int (*fib6_table_fn)(struct fib *fib, struct fib_table *table, const struct fib_query *query,
			     struct fib_result *result, void *arg);
int fib6_rules_lookup(struct fib *fib, const struct fib_query *query, fib6_table_fn table_lookup, void *arg,
		      struct fib_result *result);
/* Fills proto and ports from the packet when rules ask for them. */
void fib_query_dissect(struct fib *fib, uint8_t family, const struct pkt *pkt, struct fib_query *query);

/* addr4.c */
int addr4_add(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
int addr4_del(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
void addr4_iface_up(struct fib *fib, struct iface *iface);
void addr4_iface_down(struct fib *fib, struct iface *iface, bool forget);
/* Some interface has exactly this address. */
bool addr4_is_ours(const struct fib *fib, be32 addr);
struct iface *addr4_iface_of(struct fib *fib, be32 addr);
be32 addr4_select(struct fib *fib, const struct iface *iface, be32 dst, uint8_t scope);
static inline be32 addr4_mask(unsigned int plen) { return plen ? htonl(~0u << (32 - plen)) : 0; }
static inline bool addr4_covers(const struct iface_addr *a, be32 addr)
{
	return !((addr ^ a->peer.ip) & addr4_mask(a->prefix_len));
}

/* route4.c */
enum drop_reason route_input4(struct instance *inst, struct pkt *pkt);
int route_output4(struct instance *inst, struct route_flow *flow, struct pkt_route *out);
int route_me_harder4(struct instance *inst, struct pkt *pkt);

/* fib6.c */
enum fib6_insert_flag {
	FIB6_REPLACE = 1,
	FIB6_SIBLING = 2,		/* the host's own: may stand beside routes of the same metric */
	FIB6_DEVICE_MAY_BE_DOWN = 4,
};
int fib6_insert(struct fib *fib, const struct route_spec *spec, unsigned int flags, struct refusal *why);
int fib6_delete(struct fib *fib, const struct route_spec *spec, struct refusal *why);
int fib6_lookup(struct fib *fib, const struct fib_query *query, struct fib_result *result);
int fib6_table_lookup(struct fib *fib, struct fib_table *table, const struct fib_query *query,
		      struct fib_result *result);
/* Is @gateway a good next hop over *@dev (chosen when NULL)? Used for IPv4 routes `via inet6` too. */
int fib6_check_gateway(struct fib *fib, const struct in6_addr *gateway, struct iface **dev, uint32_t table,
		       bool onlink, struct refusal *why);

/* addr6.c */
int addr6_add(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
int addr6_del(struct fib *fib, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
void addr6_iface_up(struct fib *fib, struct iface *iface);
void addr6_iface_down(struct fib *fib, struct iface *iface, bool forget);
/* net.ipv6.conf.IF.forwarding changed: subnet-router anycast addresses come or go. */
void addr6_forwarding_changed(struct fib *fib, struct iface *iface, bool forwarding);
/* Does @iface listen to this group? */
bool addr6_group_is_joined(const struct fib *fib, const struct iface *iface, const struct in6_addr *group);
/* The record of an address of ours; @iface NULL: any interface; strict = only on @iface. */
struct addr_record *addr6_find(const struct fib *fib, const struct in6_addr *addr, const struct iface *iface);
bool addr6_select(struct fib *fib, const struct iface *iface, const struct in6_addr *dst, struct in6_addr *out);
/* Address classes (RFC 4291): bits of ADDR6_*. */
enum addr6_class {
	ADDR6_ANY = 1 << 0, ADDR6_LOOPBACK = 1 << 1, ADDR6_MULTICAST = 1 << 2, ADDR6_LINKLOCAL = 1 << 3,
	ADDR6_SITELOCAL = 1 << 4, ADDR6_MAPPED = 1 << 5, ADDR6_COMPAT = 1 << 6, ADDR6_UNICAST = 1 << 7,
};
unsigned int addr6_classify(const struct in6_addr *addr);
/* Scope of an address: 1 node, 2 link, 5 site, 14 global; multicast as its own field says. */
unsigned int addr6_scope(const struct in6_addr *addr);
/* Does the destination belong to one link, so that the interface must be given? */
bool addr6_needs_iface(const struct in6_addr *addr);

/* route6.c */
enum drop_reason route_input6(struct instance *inst, struct pkt *pkt);
int route_output6(struct instance *inst, struct route_flow *flow, struct pkt_route *out);
int route_me_harder6(struct instance *inst, struct pkt *pkt);

/* iface_conf.c */
int conf_init(struct fib *fib);
void conf_clear(struct fib *fib);

#endif
