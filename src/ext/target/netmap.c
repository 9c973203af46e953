/*
 * ext/target/netmap.c - "-j NETMAP": one network mapped onto another, host by host.
 * The range holds the network's first and last address; bits where they agree are the network's.
 */
#include <errno.h>

#include "ext/natrange.h"

static unsigned int netmap(struct pkt *pkt, const struct nf_nat_range2 *range, struct ext_call *call)
{
	enum nat_manip manip = nat_manip_of_hook(call->state->hooknum);
	unsigned int words = call->family == NFPROTO_IPV4 ? 1 : 4;
	struct nf_nat_range2 exact = *range;
	union nf_inet_addr host = { { 0 } };

	if (!pkt_ct(pkt))
		return NF_DROP;
	if (call->family == NFPROTO_IPV4)
		host.ip = manip == NAT_MANIP_DST ? pkt_ip4(pkt)->daddr : pkt_ip4(pkt)->saddr;
	else
		memcpy(&host.in6, manip == NAT_MANIP_DST ? &pkt_ip6(pkt)->daddr : &pkt_ip6(pkt)->saddr,
		       sizeof(host.in6));
	for (unsigned int i = 0; i < words; i++) {
		uint32_t mask = ~(range->min_addr.all[i] ^ range->max_addr.all[i]);

		host.all[i] = (host.all[i] & ~mask) | (range->min_addr.all[i] & mask);
	}
	exact.flags |= NF_NAT_RANGE_MAP_IPS;
	exact.min_addr = exact.max_addr = host;
	return nat_setup(call->inst, pkt_ct(pkt), &exact, manip);
}

static unsigned int netmap_ip4(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	return netmap(pkt, &range, call);
}

static unsigned int netmap_ip6(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	return netmap(pkt, &range, call);
}

static int netmap_check_ip4(void *info, const struct ext_check *check, struct refusal *why)
{
	const struct nf_nat_ipv4_multi_range_compat *mr = info;
	int err;

	if (!(mr->range[0].flags & NF_NAT_RANGE_MAP_IPS))
		return refuse(why, -EINVAL, "NETMAP needs a network");
	err = natrange_check_v0(mr, why);
	return err ? err : natrange_track(check, why);
}

static int netmap_check_ip6(void *info, const struct ext_check *check, struct refusal *why)
{
	if (!(((struct nf_nat_range *)info)->flags & NF_NAT_RANGE_MAP_IPS))
		return refuse(why, -EINVAL, "NETMAP needs a network");
	return natrange_track(check, why);
}

static void netmap_init_ip4(void *info)
{
	((struct nf_nat_ipv4_multi_range_compat *)info)->rangesize = 1;
}

static int netmap_parse(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	union nf_inet_addr mask = { { 0 } };
	unsigned int words = call->family == NFPROTO_IPV4 ? 1 : 4;
	int err = opt_host_mask(call, call->arg, &range.min_addr, &mask, why);

	if (err)
		return err;
	for (unsigned int i = 0; i < words; i++) {
		range.min_addr.all[i] &= mask.all[i];
		range.max_addr.all[i] = range.min_addr.all[i] | ~mask.all[i];
	}
	if (call->family == NFPROTO_IPV4)
		natrange_to_v0(call->info, &range);
	else
		natrange_to_v1(call->info, &range);
	return 0;
}

/* Number of leading ones; -1 when the mask has holes. */
static int mask_bits(const union nf_inet_addr *mask, unsigned int words)
{
	unsigned int bits = 0;

	while (bits < words * 32 && (ntohl(mask->all[bits / 32]) & (0x80000000u >> bits % 32)))
		bits++;
	for (unsigned int i = bits; i < words * 32; i++) {
		if (ntohl(mask->all[i / 32]) & (0x80000000u >> i % 32))
			return -1;
	}
	return bits;
}

static void netmap_show(const struct nf_nat_range2 *range, uint8_t family, struct strbuf *out)
{
	int af = family == NFPROTO_IPV4 ? AF_INET : AF_INET6;
	unsigned int words = family == NFPROTO_IPV4 ? 1 : 4;
	union nf_inet_addr mask = { { 0 } };
	char text[INET6_ADDRSTRLEN];
	int bits;

	for (unsigned int i = 0; i < words; i++)
		mask.all[i] = ~(range->min_addr.all[i] ^ range->max_addr.all[i]);
	bits = mask_bits(&mask, words);
	sb_adds(out, inet_ntop(af, &range->min_addr, text, sizeof(text)));
	if (bits < 0)
		sb_printf(out, "/%s", inet_ntop(af, &mask, text, sizeof(text)));
	else
		sb_printf(out, "/%d", bits);
}

static void netmap_save_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	sb_adds(out, " --to ");
	netmap_show(&range, view->family, out);
}

static void netmap_print_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	sb_adds(out, " to:");
	netmap_show(&range, view->family, out);
}

static void netmap_save_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	sb_adds(out, " --to ");
	netmap_show(&range, view->family, out);
}

static void netmap_print_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	sb_adds(out, " to:");
	netmap_show(&range, view->family, out);
}

static const struct opt netmap_options[] = {
	{ .name = "to", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = netmap_parse, .arg = "address[/mask]",
	  .help = "network address to map to" },
	OPT_END
};

static const struct ext_text netmap_text_ip4 = {
	.options = netmap_options, .help_head = "NETMAP target options:", .init = netmap_init_ip4,
	.save = netmap_save_ip4, .print = netmap_print_ip4,
};
static const struct ext_text netmap_text_ip6 = {
	.options = netmap_options, .help_head = "NETMAP target options:",
	.save = netmap_save_ip6, .print = netmap_print_ip6,
};

#define NETMAP_HOOKS (1 << NF_INET_PRE_ROUTING | 1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_OUT | \
		      1 << NF_INET_LOCAL_IN)

const struct target target_netmap_ip4 = {
	.name = "NETMAP", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct nf_nat_ipv4_multi_range_compat), .table = "nat", .hooks = NETMAP_HOOKS,
	.depends = DEP_L3_ADDRS | DEP_CT_TUPLE, .target = netmap_ip4, .checkentry = netmap_check_ip4,
	.destroy = natrange_untrack, .text = &netmap_text_ip4,
};

const struct target target_netmap_ip6 = {
	.name = "NETMAP", .revision = 0, .families = FAMILY_V6, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = NETMAP_HOOKS, .depends = DEP_L3_ADDRS | DEP_CT_TUPLE,
	.target = netmap_ip6, .checkentry = netmap_check_ip6, .destroy = natrange_untrack, .text = &netmap_text_ip6,
};
