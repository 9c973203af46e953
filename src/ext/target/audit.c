/* ext/target/audit.c - "-j AUDIT": a record for the audit daemon. weir has none to tell, so nothing is seen of it. */
#include "base/uapi.h"

#include <linux/netfilter/xt_AUDIT.h>

#include "ext/option.h"

static const char *const audit_types[] = {
	[XT_AUDIT_TYPE_ACCEPT] = "accept", [XT_AUDIT_TYPE_DROP] = "drop", [XT_AUDIT_TYPE_REJECT] = "reject",
};

static unsigned int audit_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return XT_CONTINUE;
}

static int audit_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_audit_info *info = data;

	if (info->type > XT_AUDIT_TYPE_MAX)
		return refuse(why, -ERANGE, "AUDIT: unknown type %u", info->type);
	return 0;
}

static int parse_type(struct opt_call *call, struct refusal *why)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(audit_types); i++)
		if (strcasecmp(call->arg, audit_types[i]) == 0) {
			((struct xt_audit_info *)call->info)->type = i;
			return 0;
		}
	return refuse(why, -EINVAL, "AUDIT: --type takes accept, drop or reject, not \"%s\"", call->arg);
}

static void show(const void *data, const char *word, struct strbuf *out)
{
	const struct xt_audit_info *info = data;

	if (info->type < ARRAY_SIZE(audit_types))
		sb_printf(out, " %s %s", word, audit_types[info->type]);
}

static void audit_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, "--type", out);
}

static void audit_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, "AUDIT", out);
}

static const struct opt audit_options[] = {
	{ .name = "type", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_type, .arg = "accept|drop|reject",
	  .help = "action type to be recorded" },
	OPT_END
};

static const struct ext_text audit_text = {
	.options = audit_options, .help_head = "AUDIT target options:", .save = audit_save, .print = audit_print,
};

const struct target target_audit = {
	.name = "AUDIT", .families = FAMILY_ANY, .info_size = sizeof(struct xt_audit_info),
	.depends = DEP_NOTHING, .target = audit_target, .checkentry = audit_check, .text = &audit_text,
};
