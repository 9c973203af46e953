/* ext/match/realm.c - "-m realm": the realm that the packet's route belongs to. */
#include "base/uapi.h"

#include <linux/netfilter/xt_realm.h>

#include "classify/classify.h"
#include "ext/numnames.h"

#define REALM_NAMES "/etc/iproute2/rt_realms"

static bool realm_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_realm_info *info = data;

	return (info->id == (pkt->route.tclassid & info->mask)) ^ info->invert;
}

static int parse_realm(struct opt_call *call, struct refusal *why)
{
	struct xt_realm_info *info = call->info;

	if (numnames_parse(REALM_NAMES, call->arg, &info->id, &info->mask))
		return refuse(why, -EINVAL, "realm: \"%s\" is neither value[/mask] nor a name in " REALM_NAMES, call->arg);
	return 0;
}

static const struct opt realm_options[] = {
	{ .name = "realm", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_realm,
	  .invert_at = offsetof(struct xt_realm_info, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "value[/mask]", .help = "match realm" },
	OPT_END
};

static void realm_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_realm_info *info = data;

	sb_adds(out, info->invert ? " ! --realm" : " --realm");
	numnames_print(REALM_NAMES, info->id, info->mask, true, out);
}

static void realm_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_realm_info *info = data;

	sb_adds(out, info->invert ? " ! realm" : " realm");
	numnames_print(REALM_NAMES, info->id, info->mask, !view->numeric, out);
}

static const struct ext_text realm_text = {
	.options = realm_options, .help_head = "realm match options:", .save = realm_save, .print = realm_print,
};

const struct match match_realm = {
	.name = "realm", .families = FAMILY_V4, .info_size = sizeof(struct xt_realm_info),
	.hooks = 1 << NF_INET_POST_ROUTING | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_LOCAL_IN,
	.depends = DEP_ROUTE | DEP_L3_ADDRS | DEP_L3_TOS | DEP_MARK | DEP_IFACES, .match = realm_match, .classify = class_rule_nothing, .text = &realm_text,
};
