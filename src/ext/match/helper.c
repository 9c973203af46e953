/*
 * ext/match/helper.c - "-m helper": connections that a helper announced by reading another one.
 * No helper reads here yet: nothing has been announced by one, and only the inverted question fits.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_helper.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool helper_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return ((const struct xt_helper_info *)data)->invert;
}

static int helper_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_helper_info *info = data;
	int err = ct_hooks_get(check->inst, check->family);

	if (err)
		return refuse(why, err, "helper: connection tracking cannot be switched on");
	info->name[sizeof(info->name) - 1] = '\0';
	return 0;
}

static void helper_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

/* Too long a name is cut, as upstream does. */
static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_helper_info *info = call->info;

	memcpy(info->name, call->arg, strnlen(call->arg, sizeof(info->name) - 1));
	return 0;
}

static const struct opt helper_options[] = {
	{ .name = "helper", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_name,
	  .invert_at = offsetof(struct xt_helper_info, invert), .invert_bits = 1, .invert_width = 4,
	  .arg = "string", .help = "match helper identified by string" },
	OPT_END
};

static void helper_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_helper_info *info = data;

	sb_adds(out, info->invert ? " ! --helper" : " --helper");
	save_quoted(out, info->name);
}

static void helper_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_helper_info *info = data;

	sb_printf(out, " helper match %s\"%s\"", info->invert ? "! " : "", info->name);
}

static const struct ext_text helper_text = {
	.options = helper_options, .help_head = "helper match options:", .save = helper_save, .print = helper_print,
};

const struct match match_helper = {
	.name = "helper", .families = FAMILY_ANY, .info_size = sizeof(struct xt_helper_info), .depends = DEP_CT_STATE,
	.match = helper_match, .checkentry = helper_check, .destroy = helper_destroy, .text = &helper_text,
};
