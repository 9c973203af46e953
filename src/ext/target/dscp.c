/* ext/target/dscp.c - "-j DSCP": writes the six bits, leaves the two of ECN. */
#include "base/uapi.h"

#include <linux/netfilter/xt_DSCP.h>

#include "ext/dsfield.h"

static unsigned int dscp_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_DSCP_info *info = data;
	uint8_t field = dsfield_get(pkt, call->family);

	if (field >> XT_DSCP_SHIFT != info->dscp)
		dsfield_set(pkt, call->family, (field & ~XT_DSCP_MASK) | info->dscp << XT_DSCP_SHIFT);
	return XT_CONTINUE;
}

static int dscp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_DSCP_info *info = data;

	if (info->dscp > XT_DSCP_MAX)
		return refuse(why, -EDOM, "DSCP: %u is beyond six bits", info->dscp);
	return 0;
}

static int parse_class(struct opt_call *call, struct refusal *why)
{
	return dscp_parse_class(call->arg, &((struct xt_DSCP_info *)call->info)->dscp, why);
}

static int dscp_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "DSCP: --set-dscp or --set-dscp-class is required");
}

static void dscp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_printf(out, " --set-dscp 0x%02x", ((const struct xt_DSCP_info *)data)->dscp);
}

static void dscp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_printf(out, " DSCP set 0x%02x", ((const struct xt_DSCP_info *)data)->dscp);
}

static const struct opt dscp_options[] = {
	{ .name = "set-dscp", .type = OPT_U8, .min = 0, .max = XT_DSCP_MAX, .excludes = "set-dscp-class",
	  .at = offsetof(struct xt_DSCP_info, dscp), .arg = "value",
	  .help = "set DSCP field in packet header to value" },
	{ .name = "set-dscp-class", .type = OPT_CUSTOM, .excludes = "set-dscp", .parse = parse_class,
	  .arg = "class", .help = "set the field to the value of this class: CS, AF, EF or BE" },
	OPT_END
};

static const struct ext_text dscp_text = {
	.options = dscp_options, .help_head = "DSCP target options:",
	.finish = dscp_finish, .save = dscp_save, .print = dscp_print,
};

const struct target target_dscp = {
	.name = "DSCP", .families = FAMILY_ANY, .table = "mangle", .depends = DEP_L3_TOS,
	.info_size = sizeof(struct xt_DSCP_info), .target = dscp_target, .checkentry = dscp_check, .checks_rule_only = true,
	.text = &dscp_text,
};
