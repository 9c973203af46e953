/* ext/target/masquerade.c - "-j MASQUERADE": the source becomes the address of the interface it leaves by. */
#include <errno.h>

#include "ext/natrange.h"

static unsigned int masquerade_ip4(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	return nat_masquerade4(pkt, &range, call->state);
}

static unsigned int masquerade_ip6(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	return nat_masquerade6(pkt, &range, call->state);
}

static int masquerade_check_ip4(void *info, const struct ext_check *check, struct refusal *why)
{
	const struct nf_nat_ipv4_multi_range_compat *mr = info;
	int err;

	if (mr->range[0].flags & NF_NAT_RANGE_MAP_IPS)
		return refuse(why, -EINVAL, "MASQUERADE finds its address itself");
	err = natrange_check_v0(mr, why);
	return err ? err : natrange_track(check, why);
}

static int masquerade_check_ip6(void *info, const struct ext_check *check, struct refusal *why)
{
	if (((struct nf_nat_range *)info)->flags & NF_NAT_RANGE_MAP_IPS)
		return refuse(why, -EINVAL, "MASQUERADE finds its address itself");
	return natrange_track(check, why);
}

static void masquerade_init_ip4(void *info)
{
	((struct nf_nat_ipv4_multi_range_compat *)info)->rangesize = 1;
}

static int masquerade_parse_ip4(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v0(call->info);
	int err = natrange_parse_ports(call, &range, why);

	if (!err)
		natrange_to_v0(call->info, &range);
	return err;
}

static int masquerade_parse_ip6(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v1(call->info);
	int err = natrange_parse_ports(call, &range, why);

	if (!err)
		natrange_to_v1(call->info, &range);
	return err;
}

static void masquerade_show(const struct nf_nat_range2 *range, const struct ext_view *view, bool is_save,
			    struct strbuf *out)
{
	natrange_print(range, view->family, is_save ? "--to-ports " : "masq ports: ", is_save ? "--" : "", true, out);
}

static void masquerade_save_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	masquerade_show(&range, view, true, out);
}

static void masquerade_print_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	masquerade_show(&range, view, false, out);
}

static void masquerade_save_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	masquerade_show(&range, view, true, out);
}

static void masquerade_print_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	masquerade_show(&range, view, false, out);
}

#define MASQUERADE_OPTIONS(parse_fn, flag_at) { \
	{ .name = "to-ports", .type = OPT_CUSTOM, .parse = parse_fn, .arg = "<port>[-<port>]", \
	  .help = "port (range) to map to" }, \
	NATRANGE_FLAG_ROW("random", flag_at, NF_NAT_RANGE_PROTO_RANDOM, "pick ports at random"), \
	NATRANGE_FLAG_ROW("random-fully", flag_at, NF_NAT_RANGE_PROTO_RANDOM_FULLY, "pick ports fully at random"), \
	OPT_END }

static const struct opt masquerade_options_ip4[] =
	MASQUERADE_OPTIONS(masquerade_parse_ip4, offsetof(struct nf_nat_ipv4_multi_range_compat, range[0].flags));
static const struct opt masquerade_options_ip6[] =
	MASQUERADE_OPTIONS(masquerade_parse_ip6, offsetof(struct nf_nat_range, flags));

static const struct ext_text masquerade_text_ip4 = {
	.options = masquerade_options_ip4, .help_head = "MASQUERADE target options:", .init = masquerade_init_ip4,
	.save = masquerade_save_ip4, .print = masquerade_print_ip4,
};
static const struct ext_text masquerade_text_ip6 = {
	.options = masquerade_options_ip6, .help_head = "MASQUERADE target options:",
	.save = masquerade_save_ip6, .print = masquerade_print_ip6,
};

const struct target target_masquerade_ip4 = {
	.name = "MASQUERADE", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct nf_nat_ipv4_multi_range_compat), .table = "nat",
	.hooks = 1 << NF_INET_POST_ROUTING, .depends = DEP_CT_TUPLE | DEP_ROUTE, .is_nat_source = true,
	.target = masquerade_ip4, .checkentry = masquerade_check_ip4, .destroy = natrange_untrack,
	.text = &masquerade_text_ip4,
};

const struct target target_masquerade_ip6 = {
	.name = "MASQUERADE", .revision = 0, .families = FAMILY_V6, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = 1 << NF_INET_POST_ROUTING, .depends = DEP_CT_TUPLE | DEP_ROUTE, .is_nat_source = true,
	.target = masquerade_ip6, .checkentry = masquerade_check_ip6, .destroy = natrange_untrack,
	.text = &masquerade_text_ip6,
};
