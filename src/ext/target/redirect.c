/* ext/target/redirect.c - "-j REDIRECT": the destination becomes this host. */
#include <errno.h>

#include "ext/natrange.h"

static unsigned int redirect_ip4(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	return nat_redirect4(pkt, &range, call->state);
}

static unsigned int redirect_ip6(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	return nat_redirect6(pkt, &range, call->state);
}

static int redirect_check_ip4(void *info, const struct ext_check *check, struct refusal *why)
{
	const struct nf_nat_ipv4_multi_range_compat *mr = info;
	int err;

	if (mr->range[0].flags & NF_NAT_RANGE_MAP_IPS)
		return refuse(why, -EINVAL, "REDIRECT finds its address itself");
	err = natrange_check_v0(mr, why);
	return err ? err : natrange_track(check, why);
}

static int redirect_check_ip6(void *info, const struct ext_check *check, struct refusal *why)
{
	if (((struct nf_nat_range *)info)->flags & NF_NAT_RANGE_MAP_IPS)
		return refuse(why, -EINVAL, "REDIRECT finds its address itself");
	return natrange_track(check, why);
}

static void redirect_init_ip4(void *info)
{
	((struct nf_nat_ipv4_multi_range_compat *)info)->rangesize = 1;
}

static int redirect_parse_ip4(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v0(call->info);
	int err = natrange_parse_ports(call, &range, why);

	if (!err)
		natrange_to_v0(call->info, &range);
	return err;
}

static int redirect_parse_ip6(struct opt_call *call, struct refusal *why)
{
	struct nf_nat_range2 range = natrange_from_v1(call->info);
	int err = natrange_parse_ports(call, &range, why);

	if (!err)
		natrange_to_v1(call->info, &range);
	return err;
}

/* Only DNAT can shift ports. */
static int redirect_finish_ip4(void *info, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (((struct nf_nat_ipv4_multi_range_compat *)info)->range[0].flags & NF_NAT_RANGE_PROTO_OFFSET)
		return refuse(why, -EINVAL, "Shifted portmap ranges not supported with this kernel");
	return 0;
}

static int redirect_finish_ip6(void *info, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (((struct nf_nat_range *)info)->flags & NF_NAT_RANGE_PROTO_OFFSET)
		return refuse(why, -EINVAL, "Shifted portmap ranges not supported with this kernel");
	return 0;
}

static void redirect_show(const struct nf_nat_range2 *range, const struct ext_view *view, bool is_save,
			    struct strbuf *out)
{
	natrange_print(range, view->family, is_save ? "--to-ports " : "redir ports ", is_save ? "--" : "", true, out);
}

static void redirect_save_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	redirect_show(&range, view, true, out);
}

static void redirect_print_ip4(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	redirect_show(&range, view, false, out);
}

static void redirect_save_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	redirect_show(&range, view, true, out);
}

static void redirect_print_ip6(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	redirect_show(&range, view, false, out);
}

#define REDIRECT_OPTIONS(parse_fn, flag_at) { \
	{ .name = "to-ports", .type = OPT_CUSTOM, .parse = parse_fn, .arg = "<port>[-<port>]", \
	  .help = "port (range) to map to" }, \
	NATRANGE_FLAG_ROW("random", flag_at, NF_NAT_RANGE_PROTO_RANDOM, "pick ports at random"), \
	OPT_END }

static const struct opt redirect_options_ip4[] =
	REDIRECT_OPTIONS(redirect_parse_ip4, offsetof(struct nf_nat_ipv4_multi_range_compat, range[0].flags));
static const struct opt redirect_options_ip6[] =
	REDIRECT_OPTIONS(redirect_parse_ip6, offsetof(struct nf_nat_range, flags));

static const struct ext_text redirect_text_ip4 = {
	.options = redirect_options_ip4, .help_head = "REDIRECT target options:", .init = redirect_init_ip4,
	.finish = redirect_finish_ip4, .save = redirect_save_ip4, .print = redirect_print_ip4,
};
static const struct ext_text redirect_text_ip6 = {
	.options = redirect_options_ip6, .help_head = "REDIRECT target options:",
	.finish = redirect_finish_ip6, .save = redirect_save_ip6, .print = redirect_print_ip6,
};

#define REDIRECT_HOOKS (1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT)

const struct target target_redirect_ip4 = {
	.name = "REDIRECT", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct nf_nat_ipv4_multi_range_compat), .table = "nat",
	.hooks = REDIRECT_HOOKS, .depends = DEP_CT_TUPLE | DEP_ROUTE,
	.target = redirect_ip4, .checkentry = redirect_check_ip4, .destroy = natrange_untrack,
	.text = &redirect_text_ip4,
};

const struct target target_redirect_ip6 = {
	.name = "REDIRECT", .revision = 0, .families = FAMILY_V6, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = REDIRECT_HOOKS, .depends = DEP_CT_TUPLE | DEP_ROUTE,
	.target = redirect_ip6, .checkentry = redirect_check_ip6, .destroy = natrange_untrack,
	.text = &redirect_text_ip6,
};
