/*
 * packet/packet.h - one packet on its way: the bytes, what parse found in them, what the way adds.
 *
 * data..data+len is the network-layer packet (IP header first); the Ethernet header it came in
 * with stays readable at mac. Headroom before data and tailroom after it let headers grow.
 * A packet belongs to one place at a time: who holds it frees it or passes it on.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H


#include <stdlib.h>

#include "base/list.h"
#include "base/refuse.h"

struct instance;
struct iface;
struct ct;
struct hook_state;
struct host_socket;

enum {
	PKT_BURST_MAX = 64,
	PKT_HEADROOM = 128,	/* before data in a new packet */
	PKT_TAILROOM = 128,
	PKT_LEN_MAX = 65535 + 40,
};

#ifndef IP_CT_UNTRACKED
#define IP_CT_UNTRACKED 7	/* the kernel's ctinfo of "-j NOTRACK"; its user header keeps it to itself */
#endif

/* linux/if_packet.h's values: PACKET_HOST, _BROADCAST, _MULTICAST, _OTHERHOST, _OUTGOING, _LOOPBACK. */
typedef uint8_t pkt_type_t;

enum pkt_flag {
	PKT_FLAG_LOCAL = 1 << 0,	/* made by the host or by weir itself: went through LOCAL_OUT */
	PKT_FLAG_CSUM_TRUSTED = 1 << 1,	/* L4 checksum known good (or filled in by us) */
	PKT_FLAG_FORWARDED = 1 << 2,	/* IPSKB_FORWARDED / IP6SKB_FORWARDED */
	PKT_FLAG_REROUTED = 1 << 3,	/* IPSKB_REROUTED: POST_ROUTING is not entered again */
	PKT_FLAG_FRAG_PMTU = 1 << 4,	/* IPSKB_FRAG_PMTU: fragments came with DF */
	PKT_FLAG_REASSEMBLED = 1 << 5,	/* defrag put it together: frag_max_size holds the largest piece */
	PKT_FLAG_VLAN = 1 << 6,		/* 802.1Q tag was there: vlan_tci */
	PKT_FLAG_TEED = 1 << 7,		/* a copy made by TEE */
	PKT_FLAG_MAY_CUT = 1 << 10,	/* IPv6, made here: leaves in fragments when it is too large */
	PKT_FLAG_HDRINCL = 1 << 9,	/* came from a raw socket, header and all */
	PKT_FLAG_CSUM_LATER = 1 << 11,	/* reset, proxied or rewritten: Linux makes its TCP sum last, see pkt_sum_put_off() */
	PKT_FLAG_TRACED = 1 << 12,	/* "-j TRACE": each rule that it matches is logged */
	PKT_FLAG_CSUM_SUMMED = 1 << 13,	/* summed up and found wrong: Linux asks again only in PRE_ROUTING and LOCAL_IN */
	PKT_FLAG_NO_SOCKET = 1 << 14,	/* made here, and no socket stands behind it: resets and handshakes */
	PKT_FLAG_TRANSLATED = 1 << 15,	/* NAT64 or NAT46 made it of one of the other family: its source may be ours */
	PKT_FLAG_NO_NEIGH = 1 << 8,	/* out interface needs no link-layer header */
};

/* What the L3/L4 parser found. All offsets count from data. */
struct pkt_layers {
	uint8_t family;		/* NFPROTO_IPV4, NFPROTO_IPV6 */
	uint8_t l4proto;	/* after IPv6 extension headers; IPPROTO_NONE... as found */
	bool has_l4;		/* false: non-first fragment, or extension headers cut short */
	bool is_fragment;	/* any fragment, first ones too */
	uint16_t frag_off;	/* bytes; 0 for first or whole */
	uint32_t l4_off;	/* where L4 (or the fragment's payload) begins; never beyond len */
	uint16_t l4_len;	/* bytes from l4_off to the end of the packet; may be short of a header */
};

/* What a route lookup decided (filled by route/, read by path/ and by matches). */
struct pkt_route {
	uint8_t kind;			/* enum route_kind in route/route.h; 0 = not looked up */
	uint8_t type;			/* RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST, ... */
	uint16_t flags;			/* ROUTE_* in route/route.h */
	struct iface *oif;		/* shared with the instance: lives as long as it */
	union nf_inet_addr gateway;	/* next hop; all zero = on link */
	uint32_t mtu;			/* path mtu: route metric or device */
	uint32_t advmss;		/* 0 = mtu - 40 / - 60 */
	uint32_t tclassid;
	uint8_t hoplimit;		/* the route's own, 0 = none: net.ipv4.ip_default_ttl, conf.hop_limit6 */
	uint8_t dst_len;		/* prefix length of the route that matched (IPv6) */
	bool has_prefsrc;		/* the route names its source ("src ...") */
	int err;			/* for unreachable kinds: -EHOSTUNREACH, -ENETUNREACH, -EACCES, -EINVAL */
};

/* Options and extension headers as the receive checks found them (path/); offsets count from data, 0 = none. */
struct pkt_options {
	uint8_t len;			/* IPv4: bytes of options; 0 also for packets the host sends through a raw socket */
	uint8_t srr, rr, ts, router_alert, cipso;
	bool strict, srr_hit, changed;	/* source route: strict; rewritten here; header needs a new checksum */
	bool rr_addr, ts_addr, ts_time;	/* a slot is reserved for the way out */
	be32 nexthop, faddr;		/* source route: where it goes on; IPv4 only */
	/* IPv6 */
	bool router_alert6, routing6;	/* hop-by-hop router alert; a routing header was processed */
	bool held;			/* a question to a proxy that has waited its while */
	bool no_group_copy;		/* multicast that the host does not hear itself: ND's own messages */
	uint16_t nhoff6;		/* where the next header byte of the current header stands */
	struct iface *iif;		/* IPv6: the interface it really came in by (IP6CB(skb)->iif) */
};

struct pkt {
	/* hot: parse, lookup, verdict */
	uint8_t *data;			/* network header */
	uint32_t len;			/* bytes from the network header; padding already trimmed */
	struct pkt_layers l;
	struct iface *in, *out;		/* NULL when made locally / not yet routed */
	struct ct *ct;			/* holds a share; NULL = none (see ctinfo for UNTRACKED) */
	uint8_t ctinfo;			/* enum ip_conntrack_info; with ct == NULL: 0 (invalid/none) or IP_CT_UNTRACKED */
	pkt_type_t type;
	uint16_t flags;			/* enum pkt_flag */
	uint32_t mark;
	uint32_t priority;
	const struct hook_state *hook;	/* where it is now; NULL between hooks; borrowed */
	/* What the flow cache found out about a burst: addresses and ports as they came, their hash, who had that tuple then. */
	uint64_t flow_addrs;		/* IPv4 */
	uint32_t flow_ports, flow_hash;
	bool has_flow_hash;
	bool is_sum_good;		/* L4's, found out ahead: whoever asks now need not sum; nobody else is to know yet */
	uint16_t first_guess;		/* the way that it goes if it begins a connection, found out aside; 0 = not asked */
	/* IPv4, begins a connection: the hashes of its answers, untranslated and sent to @guess_addr, and of its source; 0 = not known. */
	uint32_t reply_hash, guess_hash, source_hash, guess_addr;
	struct ct_node *flow_node;	/* NULL: nobody, or not looked */
	struct pkt_route route;

	/* cold */
	uint8_t *mac;			/* link-layer header it came with; NULL when none */
	uint16_t mac_len;
	uint16_t protocol;		/* host order ETH_P_* of data */
	uint16_t vlan_tci;
	uint16_t frag_max_size;
	struct pkt_options opt;
	/*
	 * L4 bytes of each piece defrag put it together from, in order of offset: it leaves in the same pieces.
	 * Owned (malloc); whoever makes the packet linear as skb_ensure_writable(skb, skb->len) would, or changes
	 * its length, calls pkt_forget_pieces().
	 */
	uint16_t *piece_len;
	uint16_t piece_count;
	uint32_t frag_charge;		/* what it counts against the fragment limit while it waits */
	uint8_t *buf;			/* start of the buffer, owned */
	uint32_t buf_len;
	int64_t stamp_ns;		/* when it (or its cause) arrived */
	uint64_t serial;		/* number of the input packet that caused it, from 1 */
	uint32_t secmark;
	struct host_socket *socket;	/* whose it is: holds a share; NULL nobody's (host/socket.h) */
	struct list node;		/* for whoever holds it: fragment queue, neighbour queue, burst */

	/* why it ended: filled by who drops, read by the observer */
	uint16_t drop_reason;		/* enum drop_reason in packet/drop.h */
	uint8_t drop_hook;		/* NF_INET_* for drops in a hook, NF_INET_NUMHOOKS elsewhere */
	const struct table_rule_ref *rule;	/* last deciding rule; borrowed from the rule set */
};

/* A packet with room for @len bytes of network layer, zeroed header, @len set. NULL when memory is out. */
struct pkt *pkt_new(struct instance *inst, uint32_t len);
/* Packets and their standard buffers wait in the instance's free list for the next one. */
struct pkt_pool *pkt_pool_new(void);
void pkt_pool_free(struct pkt_pool *pool);
/* Deep copy of bytes and metadata; shares ct. */
struct pkt *pkt_copy(struct instance *inst, const struct pkt *pkt);
/* Room for @len bytes, not yet written; metadata and link-layer header of @like; shares ct. Not its pieces. */
struct pkt *pkt_new_like(struct instance *inst, const struct pkt *like, uint32_t len);
/* @pkt stays where it is but takes over @from's bytes and metadata; @from is gone. */
void pkt_become(struct instance *inst, struct pkt *pkt, struct pkt *from);
void pkt_free(struct instance *inst, struct pkt *pkt);	/* drops the share of ct */

/**
 * pkt_from_frame() - Take in one received Ethernet frame
 * @frame: borrowed; copied
 * Fills data, len (whole L3 payload as received, not trimmed), mac, type (against @in's address),
 * protocol, vlan. Return: the packet, given; NULL when the frame is shorter than its header.
 */
struct pkt *pkt_from_frame(struct instance *inst, struct iface *in, const void *frame, uint32_t len);
/* The same for raw IP; family by the version nibble. */
struct pkt *pkt_from_raw_ip(struct instance *inst, struct iface *in, const void *bytes, uint32_t len);
/* For workers: the one or the other, from a pool of their own; and back, when it holds no share of anything. */
struct pkt *pkt_arrive(const struct instance *inst, struct pkt_pool *pool, struct iface *in, const void *bytes, uint32_t len,
		       uint64_t serial);
void pkt_give_back(struct pkt_pool *pool, struct pkt *pkt);

/*
 * Somebody wants the first @len bytes from data on in one piece, as pskb_may_pull() would have them: the first piece
 * grows at the cost of the next ones. No effect beyond the packet's end.
 */
void pkt_pull_pieces(struct pkt *pkt, uint32_t len);

static inline void pkt_forget_pieces(struct pkt *pkt)
{
	free(pkt->piece_len);
	pkt->piece_len = NULL;
	pkt->piece_count = 0;
}

/*
 * Makes @more bytes of room before data / after the end, reallocating when needed; 0 or -ENOMEM. data and len
 * stay what they are (the caller moves them), but data may point elsewhere: pointers into the packet are stale.
 */
int pkt_grow_head(struct pkt *pkt, uint32_t more);
int pkt_grow_tail(struct pkt *pkt, uint32_t more);

/**
 * pkt_parse() - Find the layers of an IP packet whose lengths were checked
 * Fills pkt->l. IPv6: walks hop-by-hop, routing, destination, AH and fragment headers as the
 * kernel's ipv6_find_hdr() does. Never reads beyond len.
 * Return: 0; -EINVAL when headers are cut short (l.has_l4 is then false).
 */
int pkt_parse(struct pkt *pkt);
/* Hop-by-hop, routing, fragment, AH, none, destination: what the kernel steps over (not ESP, not mobility). */
static inline bool ip6_is_ext_header(uint8_t nexthdr)
{
	return nexthdr == IPPROTO_HOPOPTS || nexthdr == IPPROTO_ROUTING || nexthdr == IPPROTO_FRAGMENT ||
	       nexthdr == IPPROTO_AH || nexthdr == IPPROTO_NONE || nexthdr == IPPROTO_DSTOPTS;
}
/* The chain ends at the first header that is no extension, and at "none". */
static inline bool ip6_ends_chain(uint8_t nexthdr) { return !ip6_is_ext_header(nexthdr) || nexthdr == IPPROTO_NONE; }
/* From one extension header to the next: bytes; two of @header are read. May reach beyond the packet. */
static inline uint32_t ip6_ext_len(uint8_t nexthdr, const uint8_t *header)
{
	return nexthdr == IPPROTO_FRAGMENT ? 8 : nexthdr == IPPROTO_AH ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
}

static inline struct iphdr *pkt_ip4(const struct pkt *pkt) { return (struct iphdr *)pkt->data; }
/* Linux's table from the TOS bits to a priority (TC_PRIO_*): what the link's queues see. */
static inline uint32_t ip4_tos_priority(uint8_t tos)
{
	static const uint8_t table[16] = { 0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4 };

	return table[(tos & 0x1e) >> 1];
}
static inline struct ipv6hdr *pkt_ip6(const struct pkt *pkt) { return (struct ipv6hdr *)pkt->data; }

/* Its type, PACKET_*, as rules see it: what goes round by lo is what its destination says. */
static inline uint8_t pkt_kind(const struct pkt *pkt, uint8_t family)
{
	if (pkt->type != PACKET_LOOPBACK)
		return pkt->type;
	if (family == NFPROTO_IPV6 || (ntohl(pkt_ip4(pkt)->daddr) & 0xf0000000) == 0xe0000000)
		return PACKET_MULTICAST;
	return PACKET_BROADCAST;
}
/* @len bytes of L4 header, or NULL when the packet has no such L4 part. */
static inline void *pkt_l4(const struct pkt *pkt, uint32_t len)
{
	return pkt->l.has_l4 && pkt->l.frag_off == 0 && pkt->l.l4_len >= len ? pkt->data + pkt->l.l4_off : NULL;
}

/* --- checksum.c: RFC 1071 sums over host-endian-neutral 16-bit words --- */
uint64_t csum_wide(const void *data, uint32_t len, uint64_t wide);
uint32_t csum_partial(const void *data, uint32_t len, uint32_t sum);
static inline be16 csum_fold(uint32_t sum)
{
	sum += sum << 16 | sum >> 16;	/* both halves' sum, with its carry, is the upper half now */
	return (be16)~(sum >> 16);
}
/* 64 bits to 32 in the same way. */
static inline uint32_t csum_narrow(uint64_t wide)
{
	wide += wide << 32 | wide >> 32;
	return (uint32_t)(wide >> 32);
}
static inline uint64_t csum_add64(uint64_t wide, uint64_t word)
{
	wide += word;
	return wide + (wide < word);
}
/* csum_wide() of at least eight bytes, mostly few. */
static inline uint64_t csum_few(const uint8_t *at, uint32_t len, uint64_t wide)
{
	uint64_t word;

	if (len > 72 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return csum_wide(at, len, wide);
	for (; len >= 16; len -= 16, at += 16) {
		memcpy(&word, at, sizeof(word));
		wide = csum_add64(wide, word);
		memcpy(&word, at + 8, sizeof(word));
		wide = csum_add64(wide, word);
	}
	if (len & 8) {
		memcpy(&word, at, sizeof(word));
		wide = csum_add64(wide, word);
		at += 8;
		len -= 8;
	}
	if (!len)
		return wide;
	memcpy(&word, at + len - 8, sizeof(word));
	return csum_add64(wide, word >> (-8 * len & 63));	/* the last ones, as if zeros followed */
}
/* Pseudo header sums; addresses in network order, @len is the L4 length in bytes. */
uint32_t csum_pseudo4(be32 saddr, be32 daddr, uint8_t proto, uint32_t len);
uint32_t csum_pseudo6(const void *saddr, const void *daddr, uint8_t proto, uint32_t len);
/* Fills in an IPv4 header's checksum. */
void csum_ip4_header(struct iphdr *ip);
/* RFC 1624: *sum after a 16- or 32-bit field changed from @from to @to. */
void csum_replace2(be16 *sum, be16 from, be16 to);
void csum_replace4(be16 *sum, be32 from, be32 to);
void csum_replace16(be16 *sum, const be32 from[4], const be32 to[4]);
/*
 * Does the L4 checksum hold? TCP, UDP (0 = none; netfilter says so for IPv6 too), UDP-Lite coverage, ICMP,
 * ICMPv6, as nf_checksum() sees it; other protocols and packets without L4: true. Caches a yes in
 * PKT_FLAG_CSUM_TRUSTED. Lengths come from the packet, not from the UDP header.
 */
bool pkt_l4_checksum_ok(struct pkt *pkt);
/* The same ahead of time for a whole TCP or UDP packet right behind an IP header that is good; a no is not noted. */
void pkt_l4_checksum_early(struct pkt *pkt);
/* ... before it is sure that anybody will ask: noted in is_sum_good alone. */
void pkt_l4_checksum_ahead(struct pkt *pkt);
/* Fills in a TCP or UDP checksum that its sender left to the network card; true when it did. */
bool pkt_complete_partial_sum(struct pkt *pkt);
/*
 * nf_ip_checksum() / nf_ip6_checksum() themselves for everything from l4_off on, whatever @proto is: what REJECT
 * asks about protocols it does not know. A UDP checksum of 0 is not special here.
 */
bool pkt_checksum_holds(const struct pkt *pkt, uint8_t proto);

/*
 * Who copies a packet of PKT_FLAG_CSUM_LATER inside the machine (a quote, NFLOG, the host by lo) sees the folded sum of its
 * pseudo header where the TCP checksum will be. Puts that in place; the return value is for pkt_sum_put_back(). Others: no-op.
 */
be16 pkt_sum_put_off(struct pkt *pkt);
void pkt_sum_put_back(struct pkt *pkt, be16 sum);
/* The way out: the sum that was left for last is there now. Linux then writes 0xffff where it comes out as 0, for TCP as well. */
void pkt_sum_finish(struct pkt *pkt);

#endif
