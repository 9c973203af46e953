/*
 * nat/translate.h - an IP packet said again in the other family's words (RFC 7915): bytes in, bytes out. Who is who over
 * there, the caller's resolver says; nothing here remembers anything.
 */
#ifndef WEIR_NAT_TRANSLATE_H
#define WEIR_NAT_TRANSLATE_H

#include "base/types.h"

enum xlat_verdict {
	XLAT_DONE,
	XLAT_NOT_MINE,		/* the resolver does not know the addresses */
	XLAT_DROP,		/* there is nothing like it in the other family, or it is damaged */
	XLAT_ERROR,		/* drop, and tell the sender: err_type, err_code, err_info of its own family */
};

/* Whom a packet connects. The resolver gets it in the one family's words and leaves the other's. */
struct xlat_flow {
	bool is6, is_quote, is_error;	/* is6: as asked. A quote is what an ICMP error is about. */
	bool has_keys;			/* not in later fragments, nor in protocols that have none */
	uint8_t proto;			/* as asked */
	uint8_t tcp_flags;		/* the byte of FIN, SYN, RST; not of quotes */
	bool is_fragment;
	union nf_inet_addr src, dst;
	be16 src_key, dst_key;		/* ports; an echo's id is both, and whichever changes is taken */
	const struct xlat_flow *quote;	/* of an error: whom it is about, resolved already */
};

struct xlat {
	enum xlat_verdict (*resolve)(void *priv, struct xlat_flow *flow);
	void *priv;
	const uint8_t *in;
	uint32_t in_len;		/* may be more than the packet itself says */
	uint8_t *out;			/* XLAT_ROOM(in_len) bytes */
	uint32_t out_len;		/* result */
	bool was_cut;			/* it came in fragments: an IPv4 packet may be cut again */
	be16 ip_id;			/* for an IPv4 packet that may be cut and comes without an id */
	uint32_t mtu4, mtu6;		/* of the two next hops, for what "too big" errors say; 0: unknown */
	uint8_t err_type, err_code;
	uint32_t err_info;		/* host order */
	bool may_cut;			/* result, to IPv6: it had no DF */
};

#define XLAT_ROOM(len) ((len) + 256u)

enum xlat_verdict xlat_6to4(struct xlat *x);
enum xlat_verdict xlat_4to6(struct xlat *x);

/* --- addresses: RFC 6052 prefixes of 32, 40, 48, 56, 64 or 96 bits, RFC 7757 mappings --- */
bool xlat_prefix_len_fits(unsigned int len);
struct in6_addr xlat_embed(const struct in6_addr *prefix, unsigned int len, be32 addr);
bool xlat_extract(const struct in6_addr *prefix, unsigned int len, const struct in6_addr *addr, be32 *out);
/* Nothing in the other family stands for these: this host, loopback, groups, broadcast; unspecified, link-local. */
bool xlat_is_unicast4(be32 addr);
bool xlat_is_unicast6(const struct in6_addr *addr);

struct xlat_map {
	struct in6_addr six;
	be32 four;
	uint8_t len4, len6;	/* 32 - len4 <= 128 - len6 */
	uint16_t unused;
};
/* The longest that fits; false: none does. */
bool xlat_map_to6(const struct xlat_map *maps, unsigned int count, be32 addr, struct in6_addr *out);
bool xlat_map_to4(const struct xlat_map *maps, unsigned int count, const struct in6_addr *addr, be32 *out);

#endif
