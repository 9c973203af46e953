/*
 * nat/bindings.h - stateful NAT64's memory (RFC 6146): which IPv4 address and port an IPv6 one has (a binding), and to whom
 * it talks through it (sessions). Made when a rule first asks; /proc/net/nat64 shows it.
 */
#ifndef WEIR_NAT_BINDINGS_H
#define WEIR_NAT_BINDINGS_H

#include "instance.h"
#include "nat/translate.h"

/* One end as one family has it; the ICMP id stands for the port. */
struct nat64_end {
	union nf_inet_addr addr;
	be16 key;
};

struct nat64_pool {
	be32 first, last;		/* network order */
	uint16_t first_key, last_key;	/* of ports; ids use all */
	struct in6_addr prefix;		/* whoever is outside is here for whoever is inside */
	uint8_t prefix_len;
	bool is_filtering;		/* only whom a binding has talked to may answer */
};

enum nat64_proto { NAT64_UDP, NAT64_TCP, NAT64_ICMP, NAT64_PROTOS };

struct nat64_binding {
	struct list by_inside, by_outside, sessions;
	struct nat64_end inside, outside;
	uint8_t proto;			/* enum nat64_proto */
	struct nat64_pool pool;		/* as the rule had it that made it */
};

struct nat64;
struct nat64 *nat64_state(struct instance *inst);		/* NULL: no memory */
struct nat64 *nat64_state_if_any(const struct instance *inst);

/*
 * A packet from @inside to @remote (IPv4), or from there to @outside: its binding, with the session refreshed or begun. NULL:
 * none, and none may begin with this packet. @tcp_flags: the byte of SYN, FIN and RST.
 */
const struct nat64_binding *nat64_out(struct nat64 *nat64, const struct nat64_pool *pool, enum nat64_proto proto,
				      const struct nat64_end *inside, const struct nat64_end *remote, uint8_t tcp_flags);
const struct nat64_binding *nat64_in(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *outside,
				     const struct nat64_end *remote, uint8_t tcp_flags);
/* Whose this is, for quotes: nothing is refreshed. */
const struct nat64_binding *nat64_of_inside(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *inside);
const struct nat64_binding *nat64_of_outside(struct nat64 *nat64, enum nat64_proto proto, const struct nat64_end *outside);

#endif
