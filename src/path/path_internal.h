/*
 * path/path_internal.h - what the files of the path share: the state of one instance's path and each
 * step's entrance. A step takes the packet: it hands it on, or drops it with a reason.
 */
#ifndef WEIR_PATH_INTERNAL_H
#define WEIR_PATH_INTERNAL_H

#include "conntrack/conntrack.h"
#include "hook/hook.h"
#include "host/socket.h"
#include "packet/defrag.h"
#include "path/path.h"
#include "route/neighbour.h"

enum {
	ICMP_PEER_BUCKETS = 1024,
	ICMP_PEER_MAX = 65536,		/* beyond it the least recently used peer is forgotten */
	ICMP6_TYPES = 256,
};

/* Somebody we send errors to: the kernel's inet_peer. Tokens are jiffies. */
struct icmp_peer {
	struct icmp_peer *next;
	struct list lru;
	union nf_inet_addr addr;
	uint8_t family;
	int64_t tokens, last;
	unsigned int redirects;
};

struct icmp_state {
	/* sysctls, in the units the user sees */
	int ttl, use_pmtu, no_pmtu_disc, update_priority;
	int mark_reflect4, mark_reflect6;
	unsigned int ratemask;
	int ratelimit_ms, msgs_per_sec, msgs_burst, inbound_ifaddr;
	int echo_ignore_all, echo_ignore_broadcasts, echo_ignore_all6, echo_ignore_multicast6, echo_ignore_anycast6;
	int bogus_responses, echo_enable_probe, anycast_as_unicast6;
	int ratelimit6_ms;
	int flow_labels, flow_label_reflect;
	int max_hbh_number, max_dst_number, max_hbh_length, max_dst_length;
	int error_cost, error_burst, redirect_number, redirect_load, redirect_silence;
	uint8_t ratemask6[ICMP6_TYPES / 8];

	/* global bucket */
	int credit;
	int64_t credit_stamp;

	struct icmp_peer **peers;
	struct list peer_lru;
	unsigned int peer_count;

	/* packets that came back over lo wait here until their cause has gone its way */
	struct list backlog;
	unsigned int depth;
	bool draining;

	struct hash_key label_key;

	struct list held;		/* proxy.c */
	unsigned int held_count;
};

static inline struct icmp_state *path_state(const struct instance *inst) { return inst->icmp; }
static inline int64_t path_ms_to_jiffies(int ms) { return ((int64_t)ms * WEIR_HZ + 999) / 1000; }

static inline struct hook_state path_hook(struct instance *inst, uint8_t family, uint8_t hooknum,
					  struct iface *in, struct iface *out)
{
	return (struct hook_state){ .inst = inst, .family = family, .hooknum = hooknum, .in = in, .out = out };
}

/* Interface settings: how "all" and the interface's own value combine. */
static inline bool iface_conf_accept_source_route(const struct instance *inst, const struct iface *iface)
{
	return iface_conf_all(inst)->accept_source_route && iface->conf->accept_source_route;
}
static inline bool iface_conf_drop_unicast_in_l2_multicast(const struct instance *inst, const struct iface *iface)
{
	return iface_conf_all(inst)->drop_unicast_in_l2_multicast || iface->conf->drop_unicast_in_l2_multicast;
}

/* --- path.c --- */
/* Around everything that may loop packets back: the last leave runs what waits in the backlog. */
static inline void path_enter(struct instance *inst) { path_state(inst)->depth++; }
void path_drain(struct instance *inst);
static inline void path_leave(struct instance *inst)
{
	struct icmp_state *state = path_state(inst);

	if (!--state->depth && unlikely(!list_is_empty(&state->backlog)) && !state->draining)
		path_drain(inst);
}
/* path_receive() in two halves. What is checked needs nobody else; the rest takes the packets. @early: of each packet, or NULL. */
enum path_asked {
	PATH_NOT_ASKED,
	PATH_HASHED,		/* simple packets are, by ct_known_hash() */
	PATH_ASKED,		/* ... and the memory that they will need was asked for, of IPv4 */
};
void path_check(struct instance *inst, struct pkt **burst, unsigned int count);
void path_go(struct instance *inst, struct pkt **burst, unsigned int count, enum path_asked asked, const struct ct_early *early);
/* dst_output(): the packet's route decides; POST_ROUTING comes next. */
void path_output(struct instance *inst, struct pkt *pkt);
/* A piece of a packet is like it in everything but its bytes. */
void path_copy_metadata(struct instance *inst, struct pkt *piece, const struct pkt *whole);

/* --- ip4_in.c --- */
enum drop_reason ip4_check(struct pkt *pkt);
/* The same for the packets that are nearly all: 20 bytes of good header, no fragment. false: nothing is said, nothing done. */
static inline bool ip4_check_plain(struct pkt *pkt)
{
	const uint16_t fragment = htons(IP4_MF | IP4_OFFSET_MASK);
	uint64_t a, b, sum;
	uint32_t c, total;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken apart as little endian");
	if (unlikely(pkt->len < sizeof(struct iphdr)))
		return false;
	memcpy(&a, pkt->data, 8);
	memcpy(&b, pkt->data + 8, 8);
	memcpy(&c, pkt->data + 16, 4);
	sum = csum_add64(csum_add64(a, b), c);
	total = ntohs((uint16_t)(a >> 16));
	if (unlikely((uint8_t)a != 0x45 || pkt->type == PACKET_OTHERHOST || (uint16_t)(a >> 48) & fragment ||
		     total < sizeof(struct iphdr) || total > pkt->len || csum_fold(csum_narrow(sum))))
		return false;
	pkt->len = total;	/* what follows is the link's padding */
	pkt->l = (struct pkt_layers){ .family = NFPROTO_IPV4, .l4proto = (uint8_t)(b >> 8), .has_l4 = true,
				      .l4_off = sizeof(struct iphdr), .l4_len = (uint16_t)(total - sizeof(struct iphdr)) };
	return true;
}
void ip4_receive(struct instance *inst, struct pkt *pkt);
void ip4_receive_finish(struct instance *inst, struct pkt *pkt);
void ip4_local_deliver(struct instance *inst, struct pkt *pkt);

/* --- ip4_options.c --- */
enum { IP4_OPTIONS_MAX = 40 };
/* Reads and updates the options of a received packet; 0, or the offset of the octet at fault. */
unsigned int ip4_options_read(struct instance *inst, struct pkt *pkt);
/* Source routes that end here and go on; 0 or negative: drop (the ICMP error was sent). */
int ip4_options_source_route(struct instance *inst, struct pkt *pkt);
void ip4_options_forward(struct instance *inst, struct pkt *pkt);
/* Blanks what must not be in later fragments. @options: right behind a 20-byte header. */
void ip4_options_blank(uint8_t *options, unsigned int len);

struct ip4_reply_options {
	uint8_t len, rr, ts, srr;	/* offsets from the header's start */
	bool rr_addr, ts_addr, ts_time;
	be32 first_hop;			/* with srr: where the answer goes first */
	uint8_t bytes[IP4_OPTIONS_MAX];
};
/* The options of an answer to @pkt; negative: no answer is possible. */
int ip4_options_echo(struct instance *inst, const struct pkt *pkt, struct ip4_reply_options *out);
/* Puts them behind the header of @made, whose source is set. @final: the answer's real destination. */
void ip4_options_write(struct instance *inst, struct pkt *made, const struct ip4_reply_options *options, be32 final);
uint32_t ip4_timestamp(const struct instance *inst);

/* --- ip4_out.c, ip4_fragment.c --- */
void ip4_forward(struct instance *inst, struct pkt *pkt);
void ip4_forward_finish(struct instance *inst, struct pkt *pkt);
void ip4_output(struct instance *inst, struct pkt *pkt);
void ip4_finish_output(struct instance *inst, struct pkt *pkt);
void ip4_fragment(struct instance *inst, struct pkt *pkt, uint32_t mtu);

/* --- ip6_in.c, ip6_options.c --- */
enum drop_reason ip6_check(struct instance *inst, struct pkt *pkt);
void ip6_receive(struct instance *inst, struct pkt *pkt);
void ip6_receive_finish(struct instance *inst, struct pkt *pkt);
/* True: go on. False: the packet must end; who is to know was told. @at: offset of the options header. */
bool ip6_options_hop_by_hop(struct instance *inst, struct pkt *pkt);
bool ip6_options_destination(struct instance *inst, struct pkt *pkt, uint32_t at);
void ip6_local_finish(struct instance *inst, struct pkt *pkt);
bool ip6_multicast_member(const struct instance *inst, const struct iface *iface, const struct in6_addr *group);

/* --- ip6_out.c, ip6_fragment.c --- */
void ip6_forward(struct instance *inst, struct pkt *pkt);
void ip6_output(struct instance *inst, struct pkt *pkt);
void ip6_finish_output(struct instance *inst, struct pkt *pkt);
void ip6_fragment(struct instance *inst, struct pkt *pkt, uint32_t mtu);
/* ip6_find_1stfragopt(): where a fragment header would stand, and in *nexthdr where its number is noted; negative: none. */
int ip6_fragment_place(const struct pkt *pkt, uint32_t *nexthdr);

/* --- address words --- */
static inline bool ip6_is_multicast(const struct in6_addr *a) { return a->s6_addr[0] == 0xff; }
static inline bool ip6_is_link_local(const struct in6_addr *a)
{
	return a->s6_addr[0] == 0xfe && (a->s6_addr[1] & 0xc0) == 0x80;
}
static inline bool ip6_is_any(const struct in6_addr *a) { return !memcmp(a, &in6addr_any, sizeof(*a)); }
static inline bool ip6_is_loopback(const struct in6_addr *a) { return !memcmp(a, &in6addr_loopback, sizeof(*a)); }
static inline bool ip6_equal(const struct in6_addr *a, const struct in6_addr *b) { return !memcmp(a, b, sizeof(*a)); }
static inline uint8_t ip6_multicast_scope(const struct in6_addr *a) { return a->s6_addr[1] & 0x0f; }

/* --- icmp_limit.c --- */
struct icmp_peer *icmp_peer_get(struct instance *inst, uint8_t family, const void *addr);
bool icmp_peer_allow(struct instance *inst, struct icmp_peer *peer, int64_t timeout);
bool icmp_global_allow(struct instance *inst);
void icmp_global_consume(struct instance *inst);
/* ip_error()'s own use of the peer's tokens. */
bool icmp_error_allow(struct instance *inst, be32 saddr);
int path_sysctls_register(struct instance *inst, struct icmp_state *state);

/* --- icmp.c, icmp6.c --- */
void icmp_redirect(struct instance *inst, struct pkt *pkt);
void icmp_echo_reply(struct instance *inst, struct pkt *pkt);
void icmp6_echo_reply(struct instance *inst, struct pkt *pkt);
/* dst_link_failure(): the next hop did not answer. */
void icmp_link_failure(struct instance *inst, struct pkt *pkt);
/* As icmp6_send(), seen from @dev: the kernel's skb->dev, which is not always where the packet came in. */
void icmp6_send_from(struct instance *inst, struct pkt *orig, struct iface *dev, uint8_t type, uint8_t code,
		     uint32_t info);

/* --- link.c --- */
/* Ethernet header, VLAN tag, transmit; takes the packet. @pkt->data is the network layer (or ARP). */
/* Builds the frame in front of data: where it begins, NULL without memory. *port_out: whose wire; it may be down. */
uint8_t *link_frame(struct iface *out, struct pkt *pkt, const uint8_t mac[6], uint16_t ethertype, struct iface **port_out);
void link_transmit(struct instance *inst, struct iface *out, struct pkt *pkt, const uint8_t mac[6], uint16_t ethertype);
/* Comes back in on @in as if received (lo, multicast copies). Takes the packet. */
void link_loopback(struct instance *inst, struct pkt *pkt, struct iface *in, pkt_type_t type);
extern const struct neigh_ops arp_neigh_ops, ndisc_neigh_ops;
void link_neigh_ready(struct instance *inst, struct iface *iface, struct pkt *pkt, const uint8_t mac[6]);
void link_neigh_failure(struct instance *inst, struct iface *iface, struct pkt *pkt);

/* --- arp.c, ndisc.c --- */
void arp_receive(struct instance *inst, struct pkt *pkt);
void ndisc_receive(struct instance *inst, struct pkt *pkt, uint32_t l4);
void ndisc_redirect(struct instance *inst, struct pkt *pkt, const struct in6_addr *target);

/* --- proxy.c --- */
/* Keeps a copy of a question; it comes back later with opt.held set. */
void proxy_hold(struct instance *inst, const struct pkt *pkt);
void proxy_forget_all(struct instance *inst, struct icmp_state *state);

/* --- local.c --- */
void local_deliver4(struct instance *inst, struct pkt *pkt);
/* Every packet that passed LOCAL_IN is heard of; what the host does with it comes after. */
void local_deliver6(struct instance *inst, struct pkt *pkt);
/* The payload of a packet whose extension headers were passed. Takes the packet. */
void local_payload6(struct instance *inst, struct pkt *pkt, uint8_t proto, uint32_t l4);

#endif
