/*
 * ext/target/snat.c - "-j SNAT": the source of a connection's packets becomes one of a range.
 * iptables writes revision 0 for IPv4 and 1 for IPv6; the kernel takes all of them for both.
 */
#include "ext/natrange.h"

static unsigned int snat(struct pkt *pkt, const struct nf_nat_range2 *range, struct ext_call *call)
{
	return pkt_ct(pkt) ? nat_setup(call->inst, pkt_ct(pkt), range, NAT_MANIP_SRC) : NF_DROP;
}

static unsigned int snat_v0(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	return snat(pkt, &range, call);
}

static unsigned int snat_v1(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	return snat(pkt, &range, call);
}

static unsigned int snat_v2(struct pkt *pkt, const void *info, struct ext_call *call)
{
	return snat(pkt, info, call);
}

static int snat_check_v0(void *info, const struct ext_check *check, struct refusal *why)
{
	int err = natrange_check_v0(info, why);

	return err ? err : natrange_track(check, why);
}

static int snat_check(void *info, const struct ext_check *check, struct refusal *why)
{
	(void)info;
	return natrange_track(check, why);
}

static void snat_init_v0(void *info)
{
	((struct nf_nat_ipv4_multi_range_compat *)info)->rangesize = 1;
}

static int snat_parse_v0(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v0(call->info);
	int err = natrange_parse_addr(call, &range, why);

	if (!err)
		natrange_to_v0(call->info, &range);
	return err;
}

static int snat_parse_v1(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v1(call->info);
	int err = natrange_parse_addr(call, &range, why);

	if (!err)
		natrange_to_v1(call->info, &range);
	return err;
}

static void snat_save_v0(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	natrange_print(&range, view->family, "--to-source ", "--", false, out);
}

static void snat_print_v0(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	natrange_print(&range, view->family, "to:", "", false, out);
}

static void snat_save_v1(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	natrange_print(&range, view->family, "--to-source ", "--", false, out);
}

static void snat_print_v1(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	natrange_print(&range, view->family, "to:", "", false, out);
}

#define SNAT_OPTIONS(parse_fn, flag_at) { \
	{ .name = "to-source", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_fn, \
	  .arg = "[<ipaddr>[-<ipaddr>]][:port[-port]]", .help = "address to map source to" }, \
	NATRANGE_FLAG_ROW("random", flag_at, NF_NAT_RANGE_PROTO_RANDOM, "pick ports at random"), \
	NATRANGE_FLAG_ROW("random-fully", flag_at, NF_NAT_RANGE_PROTO_RANDOM_FULLY, "pick ports fully at random"), \
	NATRANGE_FLAG_ROW("persistent", flag_at, NF_NAT_RANGE_PERSISTENT, \
			  "the same address for a client, whatever the destination"), \
	OPT_END }

static const struct opt snat_options_v0[] =
	SNAT_OPTIONS(snat_parse_v0, offsetof(struct nf_nat_ipv4_multi_range_compat, range[0].flags));
static const struct opt snat_options_v1[] = SNAT_OPTIONS(snat_parse_v1, offsetof(struct nf_nat_range, flags));

static const struct ext_text snat_text_v0 = {
	.options = snat_options_v0, .help_head = "SNAT target options:", .init = snat_init_v0,
	.save = snat_save_v0, .print = snat_print_v0,
};

static const struct ext_text snat_text_v1 = {
	.options = snat_options_v1, .help_head = "SNAT target options:", .save = snat_save_v1, .print = snat_print_v1,
};

#define SNAT_HOOKS (1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_IN)

const struct target target_snat_v0 = {
	.name = "SNAT", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct nf_nat_ipv4_multi_range_compat), .table = "nat", .hooks = SNAT_HOOKS,
	.depends = DEP_CT_TUPLE, .is_nat_source = true, .target = snat_v0, .checkentry = snat_check_v0, .destroy = natrange_untrack,
	.text = &snat_text_v0,
};

const struct target target_snat_v1_ip4 = {
	.name = "SNAT", .revision = 1, .families = FAMILY_V4, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = SNAT_HOOKS, .depends = DEP_CT_TUPLE, .is_nat_source = true,
	.target = snat_v1, .checkentry = snat_check, .destroy = natrange_untrack,
};

const struct target target_snat_v1_ip6 = {
	.name = "SNAT", .revision = 1, .families = FAMILY_V6, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = SNAT_HOOKS, .depends = DEP_CT_TUPLE, .is_nat_source = true,
	.target = snat_v1, .checkentry = snat_check, .destroy = natrange_untrack, .text = &snat_text_v1,
};

const struct target target_snat_v2 = {
	.name = "SNAT", .revision = 2, .families = FAMILY_ANY, .info_size = sizeof(struct nf_nat_range2),
	.table = "nat", .hooks = SNAT_HOOKS, .depends = DEP_CT_TUPLE, .is_nat_source = true,
	.target = snat_v2, .checkentry = snat_check, .destroy = natrange_untrack,
};
