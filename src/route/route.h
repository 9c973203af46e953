/*
 * route/route.h - which way out: addresses, routing tables, rules, neighbours, interface settings.
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H


#include "base/list.h"
#include "base/refuse.h"
#include "instance.h"
#include "packet/drop.h"
#include "packet/packet.h"

enum route_kind { ROUTE_NONE, ROUTE_LOCAL_IN, ROUTE_FORWARD, ROUTE_OUTPUT, ROUTE_ERROR };

enum route_flag {
	ROUTE_ONLINK = 1 << 0,
	ROUTE_REDIRECT = 1 << 1,	/* IPSKB_DOREDIRECT: leaves by the interface it came in by */
	ROUTE_MTU_LOCKED = 1 << 2,
	ROUTE_GATEWAY6 = 1 << 3,	/* IPv4 destination with an IPv6 next hop */
	ROUTE_BROADCAST = 1 << 4,
	ROUTE_MULTICAST = 1 << 5,
	ROUTE_LOCAL = 1 << 6,		/* loops back to the host */
};

struct iface_addr {
	struct list node;
	struct iface *iface;
	uint8_t family, prefix_len, scope;	/* RT_SCOPE_* */
	uint16_t flags;				/* IFA_F_* */
	union nf_inet_addr addr, peer;		/* peer == addr unless point-to-point */
	be32 broadcast;				/* IPv4; 0 = none */
};

/* What a lookup asks. Addresses in network order; zero = not given. */
struct route_flow {
	uint8_t family, proto, tos;
	uint32_t mark;
	struct iface *iif, *oif;		/* oif: bound device */
	union nf_inet_addr saddr, daddr;
	be16 sport, dport;			/* or icmp type/code: for rules on ports */
	bool any_src;				/* FLOWI_FLAG_ANYSRC: a source that is not ours is allowed */
};

/* --- the way of a packet --- */

/* Routes a received packet: fills pkt->route; 0, or the reason to drop it (errors that call for ICMP are
 * ROUTE_ERROR with route.err, and 0). Includes martians, rp_filter, route_localnet, broadcast. */
enum drop_reason route_input(struct instance *inst, struct pkt *pkt);
/* Routes what the host sends: fills @out; picks flow->saddr when it was zero. 0 or -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL. */
int route_output(struct instance *inst, struct route_flow *flow, struct pkt_route *out);
/* Re-routes a packet in LOCAL_OUT/POST_ROUTING after mangle or NAT changed it (ip_route_me_harder). 0 or negative errno. */
int route_me_harder(struct instance *inst, struct pkt *pkt);

/* Can a packet's way rest on its TOS (traffic class)? */
bool route_minds_tos(const struct instance *inst);

/* --- questions that matches and targets ask --- */

/* Soon somebody asks where to a packet that came goes: what was answered last time is asked for. No effect otherwise. */
void route_prefetch(const struct instance *inst, const struct pkt *pkt);
/*
 * --- aside.c: the same question, while somebody else is alone and may be asking, too ---
 * Nobody who minds (control) is at work meanwhile, so routes and addresses stand still; each asks with a memory of his own.
 */
struct route_aside;
struct route_aside *route_aside_new(void);	/* NULL without memory */
void route_aside_free(struct route_aside *aside);
/* What control did since @closings was another number is seen. false: this can only be asked alone, at all. */
bool route_aside_look(struct route_aside *aside, struct instance *inst, uint32_t closings);
/* route_input() of an IPv4 packet, behind route_aside_look(). */
enum drop_reason route_aside_input(struct route_aside *aside, struct pkt *pkt);
/* RTN_* of an address; @iface: only on this interface (NULL: anywhere). IPv4: inet_addr_type(); */
uint8_t route_addr_type4(struct instance *inst, const struct iface *iface, be32 addr);
/* IPv6: RTN_UNICAST, LOCAL, ANYCAST, MULTICAST, UNREACHABLE as xt_addrtype's match_lookup_rt6() + ipv6_addr_type(). */
uint8_t route_addr_type6(struct instance *inst, const struct iface *iface, const struct in6_addr *addr);
/*
 * The same for several types at once, as a lookup can have more than one: bits 1 << RTN_LOCAL, _ANYCAST,
 * _UNREACHABLE. @want_local: with an interface given, ask whether it has the address (addrtype does so only
 * when LOCAL is among the wanted types).
 */
unsigned int route_addr_types6(struct instance *inst, const struct iface *iface, const struct in6_addr *addr,
			       bool want_local);
/* The address the kernel would put as source: inet_select_addr(), ipv6_dev_get_saddr(). false: none. */
bool route_select_addr4(struct instance *inst, const struct iface *iface, be32 dst, uint8_t scope, be32 *out);
bool route_select_addr6(struct instance *inst, const struct iface *iface, const struct in6_addr *dst,
			struct in6_addr *out);
bool route_is_local_addr(struct instance *inst, uint8_t family, const union nf_inet_addr *addr);
/* "-m rpfilter": the way back to the source leads over @in. LOOSE: over any; LOCAL: our own addresses may send, too. */
enum { REVERSE_LOOSE = 1, REVERSE_MARK = 2, REVERSE_LOCAL = 4 };
bool route_reverse4(struct instance *inst, const struct pkt *pkt, const struct iface *in, unsigned int flags);
bool route_reverse6(struct instance *inst, const struct pkt *pkt, const struct iface *in, unsigned int flags);

/* --- control: what `ip` lines do. All text errors are refused with a sentence; nothing half-applied. --- */
int route_addr_add(struct instance *inst, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
int route_addr_del(struct instance *inst, struct iface *iface, const struct iface_addr *addr, struct refusal *why);
int route_iface_set_up(struct instance *inst, struct iface *iface, bool up, struct refusal *why);

/* Told when an address or an interface has gone: NAT ends the connections that took their address from it. */
struct route_watch {
	void (*addr_gone)(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr);
	void (*iface_down)(struct instance *inst, struct iface *iface);
};
void route_set_watch(struct instance *inst, const struct route_watch *watch);	/* copied; NULL: nobody */
/* Below 1280 bytes IPv6 goes from the interface with all its addresses, and comes back empty. */
void route_iface_set_mtu(struct instance *inst, struct iface *iface, uint32_t mtu);

struct route_spec {			/* one `ip route` line */
	uint8_t family, type, prefix_len, tos, scope, protocol;	/* RTN_*, RT_SCOPE_*, RTPROT_* */
	bool has_scope, onlink;
	union nf_inet_addr dst, gateway, prefsrc;
	uint8_t gateway_family;		/* 0 none */
	struct iface *oif;
	uint32_t table, metric, mtu, advmss, realm;
	uint8_t hoplimit;
	bool mtu_lock;
};
int route_add(struct instance *inst, const struct route_spec *spec, bool replace, struct refusal *why);
int route_del(struct instance *inst, const struct route_spec *spec, struct refusal *why);

struct rule_spec {			/* one `ip rule` line */
	uint8_t family, src_len, dst_len, tos, action;	/* FR_ACT_* */
	bool invert, has_priority, has_mark;
	union nf_inet_addr src, dst;
	uint32_t priority, table, mark, mark_mask, goto_target;
	char iif[IFNAMSIZ], oif[IFNAMSIZ];
	uint8_t ipproto;
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
	int suppress_prefixlength;	/* -1 none */
};
int route_rule_add(struct instance *inst, const struct rule_spec *spec, struct refusal *why);
int route_rule_del(struct instance *inst, const struct rule_spec *spec, struct refusal *why);

struct fib *fib_new(struct instance *inst);
void fib_free(struct instance *inst, struct fib *fib);

/* --- neighbours --- */
struct neigh_table *neigh_table_new(struct instance *inst);
void neigh_table_free(struct instance *inst, struct neigh_table *table);
int neigh_set_permanent(struct instance *inst, struct iface *iface, uint8_t family,
			const union nf_inet_addr *addr, const uint8_t mac[6], struct refusal *why);
int neigh_del(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
	      struct refusal *why);

/* --- settings per interface; sysctls net.ipv4.conf.X.*, net.ipv6.conf.X.* --- */
struct iface_conf {
	/* IPv4; the effective value combines with "all": the functions below, as the kernel's IN_DEV_* macros */
	int forwarding, rp_filter, accept_local, route_localnet, accept_source_route, accept_redirects,
		send_redirects, secure_redirects, shared_media, log_martians, arp_ignore, arp_announce, arp_filter,
		proxy_arp, src_valid_mark, drop_unicast_in_l2_multicast, promote_secondaries, bc_forwarding,
		drop_gratuitous_arp, ignore_routes_with_linkdown;
	/* IPv6; no "all" here unless a function below says so. mtu6: 0 = the device's, see iface_conf_mtu6() */
	int forwarding6, accept_source_route6, accept_redirects6, hop_limit6, mtu6, disable6, accept_ra6,
		drop_unicast_in_l2_multicast6, force_forwarding6, addr_gen_mode6, keep_addr_on_down6,
		use_oif_addrs_only6;
	int unused[64];			/* settings that are kept and shown but change nothing here */
};
/* Effective value for (all, iface): route/iface_conf.c knows which combine by max, or, and. */
int iface_conf_rp_filter(const struct instance *inst, const struct iface *iface);
/* IPv4: the interface's own. IPv6: "all", or force_forwarding of the interface. */
bool iface_conf_forwarding(const struct instance *inst, const struct iface *iface, uint8_t family);
bool iface_conf_route_localnet(const struct instance *inst, const struct iface *iface);
bool iface_conf_accept_local(const struct instance *inst, const struct iface *iface);
bool iface_conf_send_redirects(const struct instance *inst, const struct iface *iface);
bool iface_conf_log_martians(const struct instance *inst, const struct iface *iface);
/* net.ipv4.conf.all, net.ipv6.conf.all. */
const struct iface_conf *iface_conf_all(const struct instance *inst);
uint32_t iface_conf_mtu6(const struct iface *iface);
int iface_conf_new(struct instance *inst, struct iface *iface);		/* called by iface_add() */
void iface_conf_free(struct instance *inst, struct iface *iface);	/* forgets its routes and addresses too */

#endif
