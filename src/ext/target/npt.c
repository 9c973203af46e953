/*
 * ext/target/npt.c - "-j SNPT" and "-j DNPT": one IPv6 prefix becomes another, without memory (RFC 6296).
 * One word of the address pays for the change, so that no checksum above needs to be touched.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_NPT.h>

#include "ext/option.h"
#include "path/path.h"

enum { NPT_PREFIX_MAX = 64, SUBNET_WORD = 3, SUBNET_PREFIX_MAX = 48, CODE_HEADER_FIELD = 0 };

static uint16_t add_ones(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum > UINT16_MAX ? sum - UINT16_MAX : sum;
}

/* false: every word that could pay is all ones. The prefix is the new one even then. */
static bool map_addr(const struct ip6t_npt_tginfo *npt, struct in6_addr *addr)
{
	unsigned int bits = MAX_OF(npt->src_pfx_len, npt->dst_pfx_len), word = SUBNET_WORD;
	uint16_t sum;

	memcpy(addr, &npt->dst_pfx, bits / 8);
	if (bits % 8) {
		uint8_t keep = 0xff >> bits % 8;

		addr->s6_addr[bits / 8] = (addr->s6_addr[bits / 8] & keep) | (npt->dst_pfx.in6.s6_addr[bits / 8] & ~keep);
	}
	if (bits > SUBNET_PREFIX_MAX) {
		for (word = SUBNET_WORD + 1; word < 8 && addr->s6_addr16[word] == UINT16_MAX; word++)
			;
		if (word == 8)
			return false;
	}
	sum = add_ones(addr->s6_addr16[word], (uint16_t)npt->adjustment);
	addr->s6_addr16[word] = sum == UINT16_MAX ? 0 : sum;
	return true;
}

/* The packet that an ICMPv6 error right behind the header quotes; NULL: none. */
static struct ipv6hdr *quoted(const struct pkt *pkt)
{
	enum { QUOTE_AT = sizeof(struct ipv6hdr) + 8 };
	const uint8_t *icmp = pkt_at(pkt, sizeof(struct ipv6hdr), 8);

	if (pkt_ip6(pkt)->nexthdr != IPPROTO_ICMPV6 || !icmp || pkt->flags & PKT_FLAG_HDRINCL)
		return NULL;
	if (icmp[0] < ICMPV6_DEST_UNREACH || icmp[0] > ICMPV6_PARAMPROB)
		return NULL;
	if (!pkt_at(pkt, QUOTE_AT, sizeof(struct ipv6hdr)))
		return NULL;
	/* what lies across two pieces would be changed in a copy */
	if (pkt->piece_count && pkt->piece_len[0] < 8 + sizeof(struct ipv6hdr))
		return NULL;
	return (struct ipv6hdr *)(pkt->data + QUOTE_AT);
}

static bool has_prefix(const struct in6_addr *addr, const union nf_inet_addr *prefix, unsigned int bits)
{
	struct in6_addr head = *addr;

	for (unsigned int i = bits; i < 128; i++)
		head.s6_addr[i / 8] &= ~(0x80 >> i % 8);
	return memcmp(&head, prefix, sizeof(head)) == 0;
}

/* @quoted_addr is the other side's view of the same address. */
static unsigned int translate(struct pkt *pkt, const struct ip6t_npt_tginfo *npt, struct ext_call *call, uint32_t at,
			      struct in6_addr *quoted_addr)
{
	if (!map_addr(npt, (struct in6_addr *)(pkt->data + at))) {
		icmp6_send(call->inst, pkt, ICMPV6_PARAMPROB, CODE_HEADER_FIELD, at);
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	if (quoted_addr && has_prefix(quoted_addr, &npt->src_pfx, npt->src_pfx_len))
		map_addr(npt, quoted_addr);
	return XT_CONTINUE;
}

static unsigned int snpt_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct ipv6hdr *quote = quoted(pkt);

	return translate(pkt, data, call, offsetof(struct ipv6hdr, saddr), quote ? &quote->daddr : NULL);
}

static unsigned int dnpt_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct ipv6hdr *quote = quoted(pkt);

	return translate(pkt, data, call, offsetof(struct ipv6hdr, daddr), quote ? &quote->saddr : NULL);
}

static int npt_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct ip6t_npt_tginfo *npt = data;
	uint16_t from, to;

	if (npt->src_pfx_len > NPT_PREFIX_MAX || npt->dst_pfx_len > NPT_PREFIX_MAX)
		return refuse(why, -EINVAL, "NPT: prefixes are at most %d bits long", NPT_PREFIX_MAX);
	if (!has_prefix(&npt->src_pfx.in6, &npt->src_pfx, npt->src_pfx_len) ||
	    !has_prefix(&npt->dst_pfx.in6, &npt->dst_pfx, npt->dst_pfx_len))
		return refuse(why, -EINVAL, "NPT: bits are set behind the prefix");
	from = ~csum_fold(csum_partial(&npt->src_pfx, sizeof(npt->src_pfx), 0));
	to = ~csum_fold(csum_partial(&npt->dst_pfx, sizeof(npt->dst_pfx), 0));
	npt->adjustment = add_ones(from, (uint16_t)~to);
	return 0;
}

static int parse_prefix(struct opt_call *call, struct refusal *why)
{
	struct ip6t_npt_tginfo *npt = call->info;
	bool is_source = call->opt->at == offsetof(struct ip6t_npt_tginfo, src_pfx);
	union nf_inet_addr addr, mask;
	unsigned int bits = 0;

	if (opt_host_mask(call, call->arg, &addr, &mask, why))
		return -EINVAL;
	while (bits < 128 && mask.in6.s6_addr[bits / 8] & 0x80 >> bits % 8)
		bits++;
	*(is_source ? &npt->src_pfx : &npt->dst_pfx) = addr;
	*(is_source ? &npt->src_pfx_len : &npt->dst_pfx_len) = bits;
	return 0;
}

static void npt_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const union nf_inet_addr none;
	const struct ip6t_npt_tginfo *npt = data;

	if (memcmp(&npt->src_pfx, &none, sizeof(none))) {
		sb_adds(out, " --src-pfx ");
		print_addr(out, NFPROTO_IPV6, &npt->src_pfx);
		sb_printf(out, "/%u", npt->src_pfx_len);
	}
	if (memcmp(&npt->dst_pfx, &none, sizeof(none))) {
		sb_adds(out, " --dst-pfx ");
		print_addr(out, NFPROTO_IPV6, &npt->dst_pfx);
		sb_printf(out, "/%u", npt->dst_pfx_len);
	}
}

static void show(const char *name, const struct ip6t_npt_tginfo *npt, struct strbuf *out)
{
	sb_printf(out, " %s src-pfx ", name);
	print_addr(out, NFPROTO_IPV6, &npt->src_pfx);
	sb_printf(out, "/%u dst-pfx ", npt->src_pfx_len);
	print_addr(out, NFPROTO_IPV6, &npt->dst_pfx);
	sb_printf(out, "/%u", npt->dst_pfx_len);
}

static void snpt_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show("SNPT", data, out);
}

static void dnpt_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show("DNPT", data, out);
}

static const struct opt npt_options[] = {
	{ .name = "src-pfx", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .at = offsetof(struct ip6t_npt_tginfo, src_pfx),
	  .parse = parse_prefix, .arg = "prefix/length", .help = "the prefix that is replaced" },
	{ .name = "dst-pfx", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .at = offsetof(struct ip6t_npt_tginfo, dst_pfx),
	  .parse = parse_prefix, .arg = "prefix/length", .help = "the prefix that replaces it" },
	OPT_END
};

static const struct ext_text snpt_text = {
	.options = npt_options, .help_head = "SNPT target options:", .save = npt_save, .print = snpt_print,
};
static const struct ext_text dnpt_text = {
	.options = npt_options, .help_head = "DNPT target options:", .save = npt_save, .print = dnpt_print,
};

#define NPT_COMMON .families = FAMILY_V6, .table = "mangle", .checkentry = npt_check, .depends = DEP_STATE, \
	.info_size = sizeof(struct ip6t_npt_tginfo), .user_size = offsetof(struct ip6t_npt_tginfo, adjustment)

const struct target target_snpt = {
	NPT_COMMON, .name = "SNPT", .hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_POST_ROUTING, .target = snpt_target,
	.text = &snpt_text,
};
const struct target target_dnpt = {
	NPT_COMMON, .name = "DNPT", .hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT, .target = dnpt_target,
	.text = &dnpt_text,
};
