/*
 * nat/nat.h - which tuple a connection gets, and rewriting packets to it.
 * Ranges are the kernel ABI's struct nf_nat_range2.
 */
#ifndef WEIR_NAT_H
#define WEIR_NAT_H



#include "conntrack/conntrack.h"

#include <linux/netfilter/nf_nat.h>

enum nat_manip { NAT_MANIP_SRC, NAT_MANIP_DST };
static inline enum nat_manip nat_manip_of_hook(uint8_t hooknum)
{
	return hooknum == NF_INET_POST_ROUTING || hooknum == NF_INET_LOCAL_IN ? NAT_MANIP_SRC : NAT_MANIP_DST;
}

struct nat *nat_new(struct instance *inst);
void nat_free(struct instance *inst, struct nat *nat);

/*
 * The nat table's hooks: while a family's nat table exists, nat_hooks_get() keeps the four NAT hooks
 * registered. For the first packet of a connection they ask @lookup (the table's chain of that hook), which
 * may call nat_setup(); without a decision a null binding is made.
 */
typedef unsigned int (*nat_lookup_fn)(void *priv, struct pkt *pkt, const struct hook_state *state);
int nat_hooks_get(struct instance *inst, uint8_t family, nat_lookup_fn lookup, void *priv);
void nat_hooks_put(struct instance *inst, uint8_t family, nat_lookup_fn lookup, void *priv);

/**
 * nat_setup() - Decide one half of a connection's translation (nf_nat_setup_info)
 * Return: NF_ACCEPT; NF_DROP when it was confirmed already or no memory.
 */
unsigned int nat_setup(struct instance *inst, struct ct *ct, const struct nf_nat_range2 *range, enum nat_manip manip);
/* Sysctl weir_nat_exact: a first packet may be dropped for want of a free mapping. */
bool nat_is_exact(const struct instance *inst);
/* What a record says of one half of a connection's first packet, done for the packet of another: as the hook of @state would. */
struct record_nat;
unsigned int nat_repeat(struct pkt *pkt, enum nat_manip manip, const struct record_nat *nat, const struct hook_state *state);
/* Rewrites one half of a packet of direction @dir as @ct says (nf_nat_manip_pkt); false: its headers are cut too short. */
bool nat_packet_half(struct pkt *pkt, const struct ct *ct, enum nat_manip manip, int dir);
/* MASQUERADE: SNAT to the address of the way out; remembers the interface. */
unsigned int nat_masquerade4(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state);
unsigned int nat_masquerade6(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state);
/* FULLCONE, which is not Linux's: MASQUERADE with mappings for UDP that are open to everybody. */
unsigned int nat_cone_out(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state);
/* false: the destination is nobody's mapping. */
bool nat_cone_in(struct pkt *pkt, const struct hook_state *state, unsigned int *verdict);
/* REDIRECT: DNAT to the address the packet came in by, 127.0.0.1 / ::1 in LOCAL_OUT. */
unsigned int nat_redirect4(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state);
unsigned int nat_redirect6(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state);
/* MASQUERADE's notice that an address or interface went away: its connections end. */
void nat_iface_gone(struct instance *inst, struct iface *iface);
void nat_addr_gone(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr);

/*
 * IPv4 packets that ct_known_hash() has hashed, and that may begin connections: the hashes that choosing their tuples will need, and
 * their places asked for. Rests on nothing that is changed by whoever begins connections: for workers aside.
 */
void nat_hash(const struct instance *inst, struct pkt *const *burst, unsigned int count);
/* ... and then what hangs there: ct_known_hint(). */
void nat_hint(const struct instance *inst, struct pkt *const *burst, unsigned int count);
/* Simple packets, hashed, that begin connections soon: asks for the memory that choosing their tuples will need. */
void nat_prefetch(struct instance *inst, struct pkt *const *fresh, unsigned int count);

/* Called by conntrack: */
void nat_retired_free(struct nat *nat);
void nat_ct_restored(struct instance *inst, struct ct *ct);	/* a connection with its mapping came from elsewhere */
int nat_reserve(struct instance *inst, uint32_t count);	/* room for so many sources */
void nat_ct_freed(struct instance *inst, struct ct *ct);	/* leaves by-source chain */
void nat_ct_ending(const struct instance *inst, const struct ct *ct);	/* asks for what that will need */
void nat_cone_put(struct nat_cone *cone);	/* gives its share of a mapping back; NULL: had none */

#endif
