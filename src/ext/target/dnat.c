/*
 * ext/target/dnat.c - "-j DNAT": the destination of a connection's packets becomes one of a range.
 * Revision 2 can shift ports: 5000-5010/6000 sends port 6003 to 5003.
 */
#include "ext/natrange.h"

static unsigned int dnat(struct pkt *pkt, const struct nf_nat_range2 *range, struct ext_call *call)
{
	return pkt_ct(pkt) ? nat_setup(call->inst, pkt_ct(pkt), range, NAT_MANIP_DST) : NF_DROP;
}

static unsigned int dnat_v0(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	return dnat(pkt, &range, call);
}

static unsigned int dnat_v1(struct pkt *pkt, const void *info, struct ext_call *call)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	return dnat(pkt, &range, call);
}

static unsigned int dnat_v2(struct pkt *pkt, const void *info, struct ext_call *call)
{
	return dnat(pkt, info, call);
}

static int dnat_check_v0(void *info, const struct ext_check *check, struct refusal *why)
{
	int err = natrange_check_v0(info, why);

	return err ? err : natrange_track(check, why);
}

static int dnat_check(void *info, const struct ext_check *check, struct refusal *why)
{
	(void)info;
	return natrange_track(check, why);
}

static int dnat_parse_v2(struct opt_call *call, struct refusal *why)
{
	return natrange_parse_addr(call, call->info, why);
}

static void dnat_show(const struct nf_nat_range2 *range, const struct ext_view *view, bool is_save, struct strbuf *out)
{
	natrange_print(range, view->family, is_save ? "--to-destination " : "to:", is_save ? "--" : "", false, out);
}

static void dnat_save_v0(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	dnat_show(&range, view, true, out);
}

static void dnat_print_v0(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v0(info);

	dnat_show(&range, view, false, out);
}

static void dnat_save_v1(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	dnat_show(&range, view, true, out);
}

static void dnat_print_v1(const void *info, const struct ext_view *view, struct strbuf *out)
{
	struct nf_nat_range2 range = natrange_from_v1(info);

	dnat_show(&range, view, false, out);
}

static void dnat_save_v2(const void *info, const struct ext_view *view, struct strbuf *out)
{
	dnat_show(info, view, true, out);
}

static void dnat_print_v2(const void *info, const struct ext_view *view, struct strbuf *out)
{
	dnat_show(info, view, false, out);
}

/* Rules are written in revision 2; the older ones can still be shown. */
static const struct opt dnat_options[] = {
	{ .name = "to-destination", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = dnat_parse_v2,
	  .arg = "[<ipaddr>[-<ipaddr>]][:port[-port[/port]]]", .help = "address to map destination to" },
	NATRANGE_FLAG_ROW("random", offsetof(struct nf_nat_range2, flags), NF_NAT_RANGE_PROTO_RANDOM,
			  "pick ports at random"),
	NATRANGE_FLAG_ROW("persistent", offsetof(struct nf_nat_range2, flags), NF_NAT_RANGE_PERSISTENT,
			  "the same address for a client, whatever the destination"),
	OPT_END
};

static const struct ext_text dnat_text_v0 = {
	.help_head = "DNAT target options:", .save = dnat_save_v0, .print = dnat_print_v0,
};
static const struct ext_text dnat_text_v1 = {
	.help_head = "DNAT target options:", .save = dnat_save_v1, .print = dnat_print_v1,
};
static const struct ext_text dnat_text_v2 = {
	.options = dnat_options, .help_head = "DNAT target options:", .save = dnat_save_v2, .print = dnat_print_v2,
};

#define DNAT_HOOKS (1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT)

const struct target target_dnat_v0 = {
	.name = "DNAT", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct nf_nat_ipv4_multi_range_compat), .table = "nat", .hooks = DNAT_HOOKS,
	.depends = DEP_CT_TUPLE, .target = dnat_v0, .checkentry = dnat_check_v0, .destroy = natrange_untrack,
	.text = &dnat_text_v0,
};

const struct target target_dnat_v1 = {
	.name = "DNAT", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct nf_nat_range),
	.table = "nat", .hooks = DNAT_HOOKS, .depends = DEP_CT_TUPLE,
	.target = dnat_v1, .checkentry = dnat_check, .destroy = natrange_untrack, .text = &dnat_text_v1,
};

const struct target target_dnat_v2 = {
	.name = "DNAT", .revision = 2, .families = FAMILY_ANY, .info_size = sizeof(struct nf_nat_range2),
	.table = "nat", .hooks = DNAT_HOOKS, .depends = DEP_CT_TUPLE,
	.target = dnat_v2, .checkentry = dnat_check, .destroy = natrange_untrack, .text = &dnat_text_v2,
};
