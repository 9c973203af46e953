/*
 * ext/target/checksum.c - "-j CHECKSUM": fills in a checksum that was left to the network card.
 * weir's packets carry theirs, but for the resets that REJECT makes: their sum is done early, as quotes show.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_CHECKSUM.h>

#include "ext/option.h"

static unsigned int checksum_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt_sum_finish(pkt);
	return XT_CONTINUE;
}

static int checksum_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_CHECKSUM_info *info = data;

	if (info->operation & ~XT_CHECKSUM_OP_FILL)
		return refuse(why, -EINVAL, "CHECKSUM: unknown operation %#x", info->operation);
	if (!info->operation)
		return refuse(why, -EINVAL, "CHECKSUM: no operation");
	return 0;
}

static void checksum_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	if (((const struct xt_CHECKSUM_info *)data)->operation & XT_CHECKSUM_OP_FILL)
		sb_adds(out, " --checksum-fill");
}

static void checksum_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " CHECKSUM");
	if (((const struct xt_CHECKSUM_info *)data)->operation & XT_CHECKSUM_OP_FILL)
		sb_adds(out, " fill");
}

static const struct opt checksum_options[] = {
	{ .name = "checksum-fill", .type = OPT_FLAG, .flags = OPT_REQUIRED,
	  .set_at = offsetof(struct xt_CHECKSUM_info, operation), .set_bits = XT_CHECKSUM_OP_FILL, .set_width = 1,
	  .help = "fill in the packet's checksum" },
	OPT_END
};

static const struct ext_text checksum_text = {
	.options = checksum_options, .help_head = "CHECKSUM target options:",
	.save = checksum_save, .print = checksum_print,
};

const struct target target_checksum = {
	.name = "CHECKSUM", .families = FAMILY_ANY, .table = "mangle", .info_size = sizeof(struct xt_CHECKSUM_info),
	.depends = DEP_NOTHING, .target = checksum_target, .checkentry = checksum_check, .text = &checksum_text,
};
