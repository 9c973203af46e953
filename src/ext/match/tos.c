/* ext/match/tos.c - "-m tos": the type of service byte (traffic class in IPv6) under a mask. */
#include "base/uapi.h"

#include <linux/netfilter/xt_dscp.h>

#include "classify/classify.h"
#include "ext/dsfield.h"

static bool tos_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tos_match_info *info = data;

	return ((dsfield_get(pkt, call->family) & info->tos_mask) == info->tos_value) != !!info->invert;
}

static void tos_classify(const void *data, struct class_rule *rule)
{
	const struct xt_tos_match_info *info = data;

	(info->invert ? class_rule_unless : class_rule_bits)(rule, CLASS_HEAD, (uint32_t)info->tos_value << CLASS_HEAD_TOS,
							     (uint32_t)info->tos_mask << CLASS_HEAD_TOS);
}

static int parse_value(struct opt_call *call, struct refusal *why)
{
	struct xt_tos_match_info *info = call->info;

	return tos_parse(call->arg, &info->tos_value, &info->tos_mask, why);
}

static const struct opt tos_options[] = {
	{ .name = "tos", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_value,
	  .invert_at = offsetof(struct xt_tos_match_info, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "value[/mask]|name", .help = "match Type of Service / Traffic Class" },
	OPT_END
};

static void tos_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tos_match_info *info = data;

	sb_printf(out, "%s --tos 0x%02x/0x%02x", info->invert ? " !" : "", info->tos_value, info->tos_mask);
}

static void tos_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tos_match_info *info = data;
	const char *name = view->numeric ? NULL : tos_name(info->tos_value, info->tos_mask);

	sb_printf(out, " tos match%s", info->invert ? "!" : "");
	if (name)
		sb_printf(out, " %s", name);
	else
		sb_printf(out, "0x%02x/0x%02x", info->tos_value, info->tos_mask);
}

static const struct ext_text tos_text = {
	.options = tos_options, .help_head = "tos match options:", .save = tos_save, .print = tos_print,
};

const struct match match_tos = {
	.name = "tos", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_tos_match_info), .depends = DEP_L3_TOS,
	.match = tos_match, .classify = tos_classify, .text = &tos_text,
};
