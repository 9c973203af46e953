/*
 * conntrack/icmp_error.c - errors belong to the connection that they quote.
 * The quoted packet went the way that the error now comes back, so its inverted tuple is looked up. An
 * error that is addressed to somebody else than the quoted sender is a forgery.
 */
#include "conntrack/conntrack_internal.h"

enum {
	ICMP_HEADER_LEN = 8,
	ND_REDIRECT = 137,
	MRD_ADVERTISEMENT = 151, MRD_SOLICITATION = 152,	/* multicast router discovery, RFC 4286 */
	ND_REDIRECT_LEN = 40,		/* ICMPv6 header, target, destination */
	ND_OPT_REDIRECTED_HEADER = 4,
	ND_OPT_REDIRECTED_HEADER_LEN = 8,
};

/* "%pI6": every group in full. */
static void full_address6(const union nf_inet_addr *addr, char text[40])
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *byte = (const uint8_t *)addr;
	char *at = text;

	for (int i = 0; i < 16; i++) {
		*at++ = hex[byte[i] >> 4];
		*at++ = hex[byte[i] & 0xf];
		if (i & 1 && i < 15)
			*at++ = ':';
	}
	*at = '\0';
}

static void report_forged(struct instance *inst, const struct pkt *pkt, uint8_t family,
			  const union nf_inet_addr *outer, const union nf_inet_addr *inner)
{
	char a[40], b[40];

	if (family == NFPROTO_IPV4) {
		inet_ntop(AF_INET, outer, a, sizeof(a));
		inet_ntop(AF_INET, inner, b, sizeof(b));
	} else {
		full_address6(outer, a);
		full_address6(inner, b);
	}
	ct_invalid(inst, pkt, "outer daddr %s != inner %s", a, b);
}

/* @quoted: the inner packet's IP header, in @pkt. */
static int find_quoted(struct instance *inst, struct pkt *pkt, const struct ct *template, const uint8_t *quoted,
		       uint8_t family)
{
	uint32_t len = (uint32_t)(pkt->data + pkt->len - quoted);
	struct ct_zone zone = ct_packet_zone(template, pkt);
	union nf_inet_addr outer = { .all = { 0 } };
	struct ct_tuple sent, back;
	struct ct_l4 l4;
	struct ct *ct;
	int dir;

	if (!ct_l4_find(quoted, len, family, &l4) || !ct_tuple_read(inst, quoted, family, &l4, &sent) ||
	    !ct_tuple_invert(&back, &sent))
		return -NF_ACCEPT;
	ct = ct_find(inst, &zone, &back, &dir);
	if (!ct)
		return -NF_ACCEPT;
	if (family == NFPROTO_IPV4)
		memcpy(&outer.ip, pkt->data + offsetof(struct iphdr, daddr), 4);
	else
		memcpy(&outer, pkt->data + offsetof(struct ipv6hdr, daddr), 16);
	if (!ct_addr_equal(&outer, &ct_tuple(ct, dir)->dst)) {
		report_forged(inst, pkt, family, &outer, &ct_tuple(ct, dir)->dst);
		ct_put(inst, ct);
		return -NF_ACCEPT;
	}
	pkt->ct = ct;		/* with ct_find()'s share */
	pkt->ctinfo = dir == IP_CT_DIR_REPLY ? IP_CT_RELATED_REPLY : IP_CT_RELATED;
	return NF_ACCEPT;
}

static bool checksum_wrong(struct instance *inst, struct pkt *pkt, const struct hook_state *state)
{
	return inst->ct->conf.checksum && state->hooknum == NF_INET_PRE_ROUTING && !pkt_l4_checksum_ok(pkt);
}

int ct_icmp_error(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
		  const struct hook_state *state)
{
	if (l4->len < ICMP_HEADER_LEN) {
		ct_invalid(inst, pkt, "short packet");
		return -NF_ACCEPT;
	}
	if (checksum_wrong(inst, pkt, state)) {
		ct_invalid(inst, pkt, "bad hw icmp checksum");
		return -NF_ACCEPT;
	}
	switch (l4->at[0]) {
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return find_quoted(inst, pkt, template, l4->at + ICMP_HEADER_LEN, NFPROTO_IPV4);
	}
	if (l4->at[0] > NR_ICMP_TYPES) {
		ct_invalid(inst, pkt, "invalid icmp type");
		return -NF_ACCEPT;
	}
	return NF_ACCEPT;
}

/* A redirect carries the packet it is about in an option. */
static int find_redirected(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	const uint8_t *option = l4->at + ND_REDIRECT_LEN;
	const uint8_t *source = (const uint8_t *)&ip->saddr;

	if (l4->len < ND_REDIRECT_LEN) {
		ct_invalid(inst, pkt, "short redirect");
		return -NF_ACCEPT;
	}
	if (l4->at[1] != 0)
		return NF_ACCEPT;
	if (ip->hop_limit != 255 || source[0] != 0xfe || (source[1] & 0xc0) != 0x80) {
		ct_invalid(inst, pkt, "invalid saddr or hoplimit for redirect");
		return -NF_ACCEPT;
	}
	if (l4->len < ND_REDIRECT_LEN + 2 || option[1] == 0) {
		ct_invalid(inst, pkt, "redirect without options");
		return -NF_ACCEPT;
	}
	if (option[0] != ND_OPT_REDIRECTED_HEADER)
		return NF_ACCEPT;
	if (l4->len < ND_REDIRECT_LEN + ND_OPT_REDIRECTED_HEADER_LEN)
		return -NF_ACCEPT;
	return find_quoted(inst, pkt, template, option + ND_OPT_REDIRECTED_HEADER_LEN, NFPROTO_IPV6);
}

/* Neighbour discovery and multicast listening are no connections: they pass UNTRACKED. */
static bool is_untracked(uint8_t type)
{
	return (type >= 130 && type <= 136) || type == ICMPV6_MLD2_REPORT || type == MRD_ADVERTISEMENT ||
	       type == MRD_SOLICITATION;
}

int ct_icmp6_error(struct instance *inst, struct pkt *pkt, const struct ct *template, const struct ct_l4 *l4,
		   const struct hook_state *state)
{
	uint8_t type;

	if (l4->len < ICMP_HEADER_LEN) {
		ct_invalid(inst, pkt, "short packet");
		return -NF_ACCEPT;
	}
	if (checksum_wrong(inst, pkt, state)) {
		ct_invalid(inst, pkt, "ICMPv6 checksum failed");
		return -NF_ACCEPT;
	}
	type = l4->at[0];
	if (is_untracked(type)) {
		pkt->ctinfo = IP_CT_UNTRACKED;
		return NF_ACCEPT;
	}
	if (type == ND_REDIRECT)
		return find_redirected(inst, pkt, template, l4);
	if (type & ICMPV6_INFOMSG_MASK)
		return NF_ACCEPT;
	return find_quoted(inst, pkt, template, l4->at + ICMP_HEADER_LEN, NFPROTO_IPV6);
}
