/* ext/match/mark.c - "-m mark": the packet's mark under a mask. */
#include "base/uapi.h"

#include <linux/netfilter/xt_mark.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool mark_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_mark_mtinfo1 *info = data;

	return ((pkt->mark & info->mask) == info->mark) != !!info->invert;
}

static void mark_classify(const void *data, struct class_rule *rule)
{
	const struct xt_mark_mtinfo1 *info = data;

	(info->invert ? class_rule_unless : class_rule_bits)(rule, CLASS_MARK, info->mark, info->mask);
}

static const struct opt mark_options[] = {
	{ .name = "mark", .type = OPT_MARK_MASK, .flags = OPT_REQUIRED | OPT_INVERTIBLE,
	  .at = offsetof(struct xt_mark_mtinfo1, mark), .invert_at = offsetof(struct xt_mark_mtinfo1, invert),
	  .invert_bits = 1, .invert_width = 1, .arg = "value[/mask]",
	  .help = "match mark value with optional mask" },
	OPT_END
};

static void add_mark(struct strbuf *out, const struct xt_mark_mtinfo1 *info)
{
	sb_printf(out, " 0x%x", info->mark);
	if (info->mask != UINT32_MAX)
		sb_printf(out, "/0x%x", info->mask);
}

static void mark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mark_mtinfo1 *info = data;

	sb_adds(out, info->invert ? " ! --mark" : " --mark");
	add_mark(out, info);
}

static void mark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_mark_mtinfo1 *info = data;

	sb_adds(out, info->invert ? " mark match !" : " mark match");
	add_mark(out, info);
}

static const struct ext_text mark_text = {
	.options = mark_options, .help_head = "mark match options:", .save = mark_save, .print = mark_print,
};

const struct match match_mark = {
	.name = "mark", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_mark_mtinfo1), .depends = DEP_MARK,
	.match = mark_match, .classify = mark_classify, .text = &mark_text,
};
