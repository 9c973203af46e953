/*
 * route/neighbour.h - who is next door: from a next hop's address to its link-layer address.
 *
 * The table keeps the states (linux/neighbour.h: NUD_*) and the packets that wait; the protocols (ARP, ND in
 * path/) register how to ask and what to do when an answer came or never will. Linux's life of an entry:
 * INCOMPLETE asks mcast_solicit times, a second apart, then FAILED: each waiting packet goes to failure().
 * REACHABLE turns STALE by itself; a packet that uses a STALE entry leaves at once and starts
 * DELAY (5 s), then PROBE (unicast questions), then FAILED.
 */
#ifndef WEIR_NEIGHBOUR_H
#define WEIR_NEIGHBOUR_H

#include <linux/neighbour.h>

#include "route/route.h"

/* What neigh_update() may do to an entry; the values are this engine's own. */
enum neigh_update_flag {
	NEIGH_OVERRIDE = 1 << 0,	/* a different MAC replaces the known one */
	NEIGH_WEAK_OVERRIDE = 1 << 1,	/* a different MAC makes a connected entry STALE, but does not replace it */
	NEIGH_CREATE = 1 << 2,		/* make the entry when there is none */
	NEIGH_IS_ROUTER = 1 << 3,	/* ND: the neighbour says that it routes */
	NEIGH_SET_ROUTER = 1 << 4,	/* NEIGH_IS_ROUTER is meaningful */
};

/* How a family's protocol takes part. Every function must be given. */
struct neigh_ops {
	/*
	 * Ask for @target: @unicast_mac NULL = to everybody (broadcast, solicited-node group), else only there.
	 * @cause: a waiting packet, borrowed, for the choice of the source address; may be NULL.
	 */
	void (*solicit)(struct instance *inst, struct iface *iface, const union nf_inet_addr *target,
			const uint8_t *unicast_mac, const struct pkt *cause);
	/* The next hop of a held packet is known: transmit it to @mac. Takes the packet. */
	void (*ready)(struct instance *inst, struct iface *iface, struct pkt *pkt, const uint8_t mac[6]);
	/* Nobody answered: unreachable error to the sender, then drop. Takes the packet. */
	void (*failure)(struct instance *inst, struct iface *iface, struct pkt *pkt);
};

/* @family: AF_INET or AF_INET6 (same numbers as NFPROTO_IPV4, NFPROTO_IPV6). @ops is borrowed: static. */
void neigh_set_ops(struct instance *inst, uint8_t family, const struct neigh_ops *ops);

/**
 * neigh_resolve() - The link-layer address for one packet
 * @addr: next hop (gateway, or the destination when it is on link)
 * @pkt:  taken unless the result is 0
 * @mac:  filled when the result is 0
 *
 * Knows broadcast, multicast and interfaces without ARP (NOARP, loopback): those need no entry.
 * Return: 0: send to @mac now; -EINPROGRESS: the packet waits, ready() or failure() will get it (the
 * oldest waiting one is dropped when unres_qlen_bytes is full); -ENOBUFS: the table is full, -EHOSTUNREACH:
 * nothing can be asked; with these two the packet was dropped and reported.
 */
int neigh_resolve(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
		  struct pkt *pkt, uint8_t mac[6]);

/* Only looks: true and @mac when the address is known now. Starts nothing. */
bool neigh_lookup(struct instance *inst, const struct iface *iface, uint8_t family,
		  const union nf_inet_addr *addr, uint8_t mac[6]);
/* For who remembers a neighbour: while inst->changes stands the entry does. NULL: there is none. */
struct neigh;
const struct neigh *neigh_remember(struct instance *inst, const struct iface *iface, uint8_t family,
				   const union nf_inet_addr *addr);
/* Its address while packets leave without any thought; NULL: ask neigh_resolve(). */
const uint8_t *neigh_mac_now(const struct neigh *n);
/* NUD_* of the entry, 0 when there is none. */
unsigned int neigh_state(struct instance *inst, const struct iface *iface, uint8_t family,
			 const union nf_inet_addr *addr);
/* When the entry last changed its MAC or became known: ARP's lock time of 1 s. INT64_MIN without entry. */
int64_t neigh_updated_ns(struct instance *inst, const struct iface *iface, uint8_t family,
			 const union nf_inet_addr *addr);

/**
 * neigh_update() - A protocol heard something about a neighbour
 * @mac:   NULL = no link-layer address in the message (ND): the known one stays
 * @state: NUD_REACHABLE, NUD_STALE, ... the new state
 * @flags: enum neigh_update_flag
 *
 * Permanent entries are never changed. Waiting packets leave through ready(). Without NEIGH_CREATE an
 * unknown neighbour is -ENOENT.
 */
int neigh_update(struct instance *inst, struct iface *iface, uint8_t family, const union nf_inet_addr *addr,
		 const uint8_t *mac, uint8_t state, unsigned int flags);

/*
 * The interface went down or stopped doing this family: its entries are forgotten, permanent ones too, waiting
 * packets dropped. @family 0: both.
 */
void neigh_flush_iface(struct instance *inst, struct iface *iface, uint8_t family);

/* Every entry, sorted by nothing in particular; @visit returns false to stop. */
struct neigh_view {
	struct iface *iface;
	uint8_t family;
	union nf_inet_addr addr;
	uint8_t mac[6];
	uint8_t state;
	bool router;
};
void neigh_each(struct instance *inst, bool (*visit)(void *priv, const struct neigh_view *view), void *priv);

#endif
