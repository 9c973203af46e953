/*
 * ext/match/helper.c - "-m helper": connections that a helper announced by reading another one.
 * What is asked is the master's helper, not the connection's own.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_helper.h>

#include "classify/classify.h"
#include "conntrack/helper.h"
#include "ext/option.h"

static bool helper_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_helper_info *info = data;
	const struct ct *master = pkt_ct(pkt) ? ct_master(pkt_ct(pkt)) : NULL;
	const struct ct_helper *helper = master ? ct_helper_of(master) : NULL;
	bool fits;

	if (!helper)
		return info->invert;
	/* The name in the rule may be longer: as much of it as the helper has is compared. */
	fits = !info->name[0] || strncmp(helper->name, info->name, strlen(helper->name)) == 0;
	return fits != (bool)info->invert;
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
	.match = helper_match, .classify = class_rule_nothing, .checkentry = helper_check, .destroy = helper_destroy, .text = &helper_text,
};
