/* ext/match/devgroup.c - "-m devgroup": the group of the interfaces that a packet comes in and leaves by. */
#include "base/uapi.h"

#include <linux/netfilter/xt_devgroup.h>

#include "classify/classify.h"
#include "ext/numnames.h"

#define GROUP_NAMES "/etc/iproute2/group"

enum { IN_HOOKS = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD,
       OUT_HOOKS = 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_POST_ROUTING };

static bool group_fits(const struct iface *iface, uint32_t group, uint32_t mask, bool invert)
{
	return !(((iface ? iface->group : 0) ^ group) & mask) != invert;
}

static bool devgroup_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_devgroup_info *info = data;

	return (!(info->flags & XT_DEVGROUP_MATCH_SRC) ||
		group_fits(call->state->in, info->src_group, info->src_mask, info->flags & XT_DEVGROUP_INVERT_SRC)) &&
	       (!(info->flags & XT_DEVGROUP_MATCH_DST) ||
		group_fits(call->state->out, info->dst_group, info->dst_mask, info->flags & XT_DEVGROUP_INVERT_DST));
}

static int devgroup_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_devgroup_info *info = data;

	if (info->flags & ~(XT_DEVGROUP_MATCH_SRC | XT_DEVGROUP_INVERT_SRC | XT_DEVGROUP_MATCH_DST | XT_DEVGROUP_INVERT_DST))
		return refuse(why, -EINVAL, "devgroup: unknown flags %#x", info->flags);
	if ((info->flags & XT_DEVGROUP_MATCH_SRC) && (check->hook_mask & ~IN_HOOKS))
		return refuse(why, -EINVAL, "devgroup: --src-group is for PREROUTING, INPUT and FORWARD");
	if ((info->flags & XT_DEVGROUP_MATCH_DST) && (check->hook_mask & ~OUT_HOOKS))
		return refuse(why, -EINVAL, "devgroup: --dst-group is for FORWARD, OUTPUT and POSTROUTING");
	return 0;
}

static int parse_group(struct opt_call *call, struct refusal *why)
{
	uint32_t *group = (uint32_t *)((char *)call->info + call->opt->at);

	if (numnames_parse(GROUP_NAMES, call->arg, &group[0], &group[1]))
		return refuse(why, -EINVAL, "devgroup: \"%s\" is neither value[/mask] nor a name in " GROUP_NAMES, call->arg);
	return 0;
}

#define GROUP_OPTION(n, field, bit, inv, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_group, \
	.at = offsetof(struct xt_devgroup_info, field), \
	.set_at = offsetof(struct xt_devgroup_info, flags), .set_bits = bit, .set_width = 4, \
	.invert_at = offsetof(struct xt_devgroup_info, flags), .invert_bits = inv, .invert_width = 4, \
	.arg = "value[/mask]", .help = h }

static const struct opt devgroup_options[] = {
	GROUP_OPTION("src-group", src_group, XT_DEVGROUP_MATCH_SRC, XT_DEVGROUP_INVERT_SRC, "match device group of incoming device"),
	GROUP_OPTION("dst-group", dst_group, XT_DEVGROUP_MATCH_DST, XT_DEVGROUP_INVERT_DST, "match device group of outgoing device"),
	OPT_END
};

static int devgroup_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "devgroup: --src-group or --dst-group is required");
}

static void devgroup_add(const struct xt_devgroup_info *info, const char *dashes, bool named, struct strbuf *out)
{
	if (info->flags & XT_DEVGROUP_MATCH_SRC) {
		sb_printf(out, "%s %ssrc-group", info->flags & XT_DEVGROUP_INVERT_SRC ? " !" : "", dashes);
		numnames_print(GROUP_NAMES, info->src_group, info->src_mask, named, out);
	}
	if (info->flags & XT_DEVGROUP_MATCH_DST) {
		sb_printf(out, "%s %sdst-group", info->flags & XT_DEVGROUP_INVERT_DST ? " !" : "", dashes);
		numnames_print(GROUP_NAMES, info->dst_group, info->dst_mask, named, out);
	}
}

static void devgroup_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	devgroup_add(data, "--", true, out);
}

static void devgroup_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	devgroup_add(data, "", !view->numeric, out);
}

static const struct ext_text devgroup_text = {
	.options = devgroup_options, .help_head = "devgroup match options:", .finish = devgroup_finish,
	.save = devgroup_save, .print = devgroup_print,
};

const struct match match_devgroup = {
	.name = "devgroup", .families = FAMILY_ANY, .info_size = sizeof(struct xt_devgroup_info), .depends = DEP_IFACES,
	.match = devgroup_match, .classify = class_rule_nothing, .checkentry = devgroup_check, .text = &devgroup_text,
};
