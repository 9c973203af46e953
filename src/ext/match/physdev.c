/*
 * ext/match/physdev.c - "-m physdev": the ports of a bridge. No packet here has crossed one, so each question
 * is answered with no, and only rules whose every question is inverted fit.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_physdev.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool physdev_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_physdev_info *info = data;

	return !(info->bitmask & ~info->invert);
}

static int physdev_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_physdev_info *info = data;

	if (!(info->bitmask & XT_PHYSDEV_OP_MASK) || (info->bitmask & ~XT_PHYSDEV_OP_MASK))
		return refuse(why, -EINVAL, "physdev: unknown questions %#x", info->bitmask);
	if ((info->bitmask & (XT_PHYSDEV_OP_OUT | XT_PHYSDEV_OP_ISOUT)) &&
	    (!(info->bitmask & XT_PHYSDEV_OP_BRIDGED) || (info->invert & XT_PHYSDEV_OP_BRIDGED)) &&
	    (check->hook_mask & 1 << NF_INET_LOCAL_OUT))
		return refuse(why, -EINVAL, "physdev: in OUTPUT --physdev-out and --physdev-is-out need --physdev-is-bridged");
	return 0;
}

/* A '+' at the end stands for any rest: the mask ends before it; otherwise it covers the final NUL, too. */
static int parse_port(struct opt_call *call, struct refusal *why)
{
	char *name = (char *)call->info + call->opt->at;
	size_t len = strlen(call->arg);

	if (len >= IFNAMSIZ)
		return refuse(why, -EINVAL, "physdev: the interface name \"%s\" is too long", call->arg);
	memcpy(name, call->arg, len);
	if (len)
		memset(name + IFNAMSIZ, 0xff, call->arg[len - 1] == '+' ? len - 1 : len + 1);
	return 0;
}

_Static_assert(offsetof(struct xt_physdev_info, in_mask) == IFNAMSIZ &&
	       offsetof(struct xt_physdev_info, out_mask) == 3 * IFNAMSIZ, "a mask follows its name");

#define PHYSDEV_BITS(bit) .flags = OPT_INVERTIBLE, \
	.set_at = offsetof(struct xt_physdev_info, bitmask), .set_bits = bit, .set_width = 1, \
	.invert_at = offsetof(struct xt_physdev_info, invert), .invert_bits = bit, .invert_width = 1

static const struct opt physdev_options[] = {
	{ .name = "physdev-in", .type = OPT_CUSTOM, PHYSDEV_BITS(XT_PHYSDEV_OP_IN), .parse = parse_port,
	  .at = offsetof(struct xt_physdev_info, physindev), .arg = "name[+]", .help = "bridge port name" },
	{ .name = "physdev-out", .type = OPT_CUSTOM, PHYSDEV_BITS(XT_PHYSDEV_OP_OUT), .parse = parse_port,
	  .at = offsetof(struct xt_physdev_info, physoutdev), .arg = "name[+]", .help = "bridge port name" },
	{ .name = "physdev-is-in", .type = OPT_FLAG, PHYSDEV_BITS(XT_PHYSDEV_OP_ISIN), .help = "arriving on a bridge device" },
	{ .name = "physdev-is-out", .type = OPT_FLAG, PHYSDEV_BITS(XT_PHYSDEV_OP_ISOUT), .help = "will leave on a bridge device" },
	{ .name = "physdev-is-bridged", .type = OPT_FLAG, PHYSDEV_BITS(XT_PHYSDEV_OP_BRIDGED), .help = "it's a bridged packet; there are no bridges here" },
	OPT_END
};

static int physdev_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "physdev: one of its options is required");
}

static void physdev_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_physdev_info *info = data;
	const struct { uint8_t bit; const char *option, *name; } rows[] = {
		{ XT_PHYSDEV_OP_ISIN, "is-in", NULL }, { XT_PHYSDEV_OP_IN, "in", info->physindev },
		{ XT_PHYSDEV_OP_ISOUT, "is-out", NULL }, { XT_PHYSDEV_OP_OUT, "out", info->physoutdev },
		{ XT_PHYSDEV_OP_BRIDGED, "is-bridged", NULL },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(info->bitmask & rows[i].bit))
			continue;
		sb_printf(out, "%s --physdev-%s", info->invert & rows[i].bit ? " !" : "", rows[i].option);
		if (rows[i].name)
			sb_printf(out, " %.*s", IFNAMSIZ, rows[i].name);
	}
}

static void physdev_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " PHYSDEV match");
	physdev_save(data, view, out);
}

static const struct ext_text physdev_text = {
	.options = physdev_options, .help_head = "physdev match options:", .finish = physdev_finish,
	.save = physdev_save, .print = physdev_print,
};

const struct match match_physdev = {
	.name = "physdev", .families = FAMILY_ANY, .info_size = sizeof(struct xt_physdev_info), .depends = DEP_NOTHING,
	.match = physdev_match, .classify = class_rule_nothing, .checkentry = physdev_check, .checks_rule_only = true, .text = &physdev_text,
};
