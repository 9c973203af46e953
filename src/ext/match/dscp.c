/* ext/match/dscp.c - "-m dscp": the six bits of the differentiated services code point. */
#include "base/uapi.h"

#include <linux/netfilter/xt_dscp.h>

#include "classify/classify.h"
#include "ext/dsfield.h"

static bool dscp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_dscp_info *info = data;

	return (dsfield_get(pkt, call->family) >> XT_DSCP_SHIFT == info->dscp) != !!info->invert;
}

static void dscp_classify(const void *data, struct class_rule *rule)
{
	const struct xt_dscp_info *info = data;

	(info->invert ? class_rule_unless : class_rule_bits)(rule, CLASS_HEAD, (uint32_t)info->dscp << XT_DSCP_SHIFT << CLASS_HEAD_TOS,
							     (uint32_t)XT_DSCP_MASK << CLASS_HEAD_TOS);
}

static int dscp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_dscp_info *info = data;

	if (info->dscp > XT_DSCP_MAX)
		return refuse(why, -EDOM, "dscp: %u is beyond six bits", info->dscp);
	return 0;
}

static int parse_class(struct opt_call *call, struct refusal *why)
{
	return dscp_parse_class(call->arg, &((struct xt_dscp_info *)call->info)->dscp, why);
}

static int dscp_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "dscp: --dscp or --dscp-class is required");
}

static void dscp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_dscp_info *info = data;

	sb_printf(out, "%s --dscp 0x%02x", info->invert ? " !" : "", info->dscp);
}

static void dscp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_dscp_info *info = data;

	sb_printf(out, " DSCP match %s0x%02x", info->invert ? "!" : "", info->dscp);
}

#define DSCP_INVERT .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_dscp_info, invert), .invert_bits = 1, \
	.invert_width = 1

static const struct opt dscp_options[] = {
	{ .name = "dscp", .type = OPT_U8, DSCP_INVERT, .min = 0, .max = XT_DSCP_MAX, .excludes = "dscp-class",
	  .at = offsetof(struct xt_dscp_info, dscp), .arg = "value",
	  .help = "match DSCP codepoint with numerical value" },
	{ .name = "dscp-class", .type = OPT_CUSTOM, DSCP_INVERT, .excludes = "dscp", .parse = parse_class,
	  .arg = "name", .help = "match the DiffServ class: BE, EF, AFxx or CSx" },
	OPT_END
};

static const struct ext_text dscp_text = {
	.options = dscp_options, .help_head = "dscp match options:",
	.finish = dscp_finish, .save = dscp_save, .print = dscp_print,
};

const struct match match_dscp = {
	.name = "dscp", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_dscp_info), .depends = DEP_L3_TOS,
	.match = dscp_match, .classify = dscp_classify, .checkentry = dscp_check, .checks_rule_only = true, .text = &dscp_text,
};
