/* ext/target/mark.c - "-j MARK": clears the bits of the mask, then flips those of the value. */
#include "base/uapi.h"

#include <linux/netfilter/xt_mark.h>

#include "ext/option.h"

static unsigned int mark_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_mark_tginfo2 *info = data;

	pkt->mark = (pkt->mark & ~info->mask) ^ info->mark;
	return XT_CONTINUE;
}

static int parse_set(struct opt_call *call, struct refusal *why)
{
	struct xt_mark_tginfo2 *info = call->info;

	info->mask |= info->mark;	/* --set-mark also clears the bits it is going to set */
	return 0;
}

static int parse_bits(struct opt_call *call, struct refusal *why)
{
	struct xt_mark_tginfo2 *info = call->info;
	uint32_t bits = info->mark;

	info->mark = *call->opt->name == 'a' ? 0 : bits;
	info->mask = *call->opt->name == 'a' ? ~bits : *call->opt->name == 'o' ? bits : 0;
	return 0;
}

#define MARK_OPTION(n, t, p, a, h) { .name = n, .type = t, .parse = p, .at = offsetof(struct xt_mark_tginfo2, mark), \
	.arg = a, .help = h, .excludes = "set-xmark set-mark and-mark or-mark xor-mark" }

static const struct opt mark_options[] = {
	MARK_OPTION("set-xmark", OPT_MARK_MASK, NULL, "value[/mask]", "clear bits in mask and XOR value into mark"),
	MARK_OPTION("set-mark", OPT_MARK_MASK, parse_set, "value[/mask]",
		    "clear bits in mask and OR value into mark"),
	MARK_OPTION("and-mark", OPT_U32, parse_bits, "bits", "binary AND the mark with bits"),
	MARK_OPTION("or-mark", OPT_U32, parse_bits, "bits", "binary OR the mark with bits"),
	MARK_OPTION("xor-mark", OPT_U32, parse_bits, "bits", "binary XOR the mark with bits"),
	OPT_END
};

static int mark_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (!seen)
		return refuse(why, -EINVAL,
			      "MARK: one of --set-xmark, --set-mark, --and-mark, --or-mark, --xor-mark "
			      "is required");
	return 0;
}

static void mark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mark_tginfo2 *info = data;

	sb_printf(out, " --set-xmark 0x%x/0x%x", info->mark, info->mask);
}

static void mark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mark_tginfo2 *info = data;

	if (info->mark == 0)
		sb_printf(out, " MARK and 0x%x", ~info->mask);
	else if (info->mark == info->mask)
		sb_printf(out, " MARK or 0x%x", info->mark);
	else if (info->mask == 0)
		sb_printf(out, " MARK xor 0x%x", info->mark);
	else if (info->mask == UINT32_MAX)
		sb_printf(out, " MARK set 0x%x", info->mark);
	else
		sb_printf(out, " MARK xset 0x%x/0x%x", info->mark, info->mask);
}

static const struct ext_text mark_text = {
	.options = mark_options, .help_head = "MARK target options:",
	.finish = mark_finish, .save = mark_save, .print = mark_print,
};

const struct target target_mark = {
	.name = "MARK", .revision = 2, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_mark_tginfo2), .depends = DEP_MARK,
	.target = mark_target, .text = &mark_text,
};
