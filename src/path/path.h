/*
 * path/path.h - the way itself: rx, PRE_ROUTING, route, LOCAL_IN or FORWARD, POST_ROUTING, tx.
 */
#ifndef WEIR_PATH_H
#define WEIR_PATH_H

#include "instance.h"
#include "packet/drop.h"
#include "packet/packet.h"
#include "route/route.h"

/**
 * path_receive() - A burst of received packets takes its way to the end
 * @burst: up to PKT_BURST_MAX packets of pkt_from_frame()/pkt_from_raw_ip(), taken
 *
 * Each packet is processed as if it were alone, in order. ARP and ND go to the neighbour table.
 */
void path_receive(struct instance *inst, struct pkt **burst, unsigned int count);

/**
 * path_arrive() - path_receive() for who lets time pass between the packets of a burst: its first half
 * @burst: up to PKT_BURST_MAX of them, borrowed
 * They are checked, and the memory that they will need is asked for. Settings stand still until the last one has gone on.
 */
void path_arrive(struct instance *inst, struct pkt **burst, unsigned int count);
/* The second half: one of them is taken, and takes its way to the end. */
void path_go_on(struct instance *inst, struct pkt *pkt);

/* A raw IP packet that the host itself sends, as through a raw socket with IP_HDRINCL: the kernel fills
 * in checksum and length, the source when zero (IPv4), the id when zero. Takes the packet. */
void path_send_local(struct instance *inst, struct pkt *pkt);

/**
 * path_local_out() - A packet weir made enters LOCAL_OUT with its route already in pkt->route
 * Takes the packet. Used by ICMP errors, REJECT, TEE. Sets the IPv4 length and checksum, id when it
 * is zero and not DF.
 */
void path_local_out(struct instance *inst, struct pkt *pkt);

/* What REJECT and ICMP errors have in common: what a made packet inherits from its cause (NULL: none), ... */
struct pkt *path_made_new(struct instance *inst, const struct pkt *cause, uint32_t len);
/* ... the mark it answers with (fwmark_reflect), the hops it starts with, */
uint32_t path_reply_mark(const struct instance *inst, uint8_t family, const struct pkt *cause);
uint8_t path_hop_limit(const struct instance *inst, uint8_t family, const struct pkt_route *route);
/* ... and its start: tells the observer and enters LOCAL_OUT. Takes @made. */
void path_made_send(struct instance *inst, struct pkt *made, const struct pkt *cause);

/* @made says in the other family what @from said (NAT64): it arrives on @in when the path is done with what it does. Takes it. */
void path_cross(struct instance *inst, struct pkt *made, const struct pkt *from, struct iface *in);

/* Carries a packet on after a hook gave its verdict late (queue). */
void path_continue(struct instance *inst, struct pkt *pkt, const struct hook_state *state);

/* --- requeue.c: what a packet that waited in a queue needs before it goes on --- */
/* What the route of a packet in LOCAL_OUT rests on. */
struct path_key {
	union nf_inet_addr saddr, daddr;
	uint32_t mark;
	uint8_t tos;
};
struct path_key path_key_of(const struct pkt *pkt);
/* Gives it to the connection that took its tuple meanwhile; false: drop it. */
bool path_take_back(struct instance *inst, struct pkt *pkt);
/* false: it has changed, and there is no route for it now. */
bool path_reroute(struct instance *inst, struct pkt *pkt, const struct hook_state *state, const struct path_key *was);

/* After POST_ROUTING: fragmentation, neighbour, frame. Takes the packet. */
void path_finish_output(struct instance *inst, struct pkt *pkt);

/* Link layer of an out packet whose next hop is known: resolves the neighbour and transmits. Takes it. */
void path_neigh_output(struct instance *inst, struct pkt *pkt);

/* --- icmp.c, icmp6.c: errors that the IP layer and REJECT send, byte for byte as Linux --- */

/* icmp_send(): about @orig (borrowed), whose network header is data. @info: gateway or mtu, host order. */
void icmp_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info);
/* icmpv6_send(). @pointer: mtu or parameter pointer. */
void icmp6_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info);

struct icmp_state *icmp_state_new(struct instance *inst);
void icmp_state_free(struct instance *inst, struct icmp_state *state);

/* IPv4 id for packets the router makes without DF (random in the kernel; seeded here). */
uint16_t path_ip_id(struct instance *inst);


#endif
