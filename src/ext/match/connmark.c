/* ext/match/connmark.c - "-m connmark": the connection's mark under a mask; never without a connection. */
#include "base/uapi.h"

#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>

#include "classify/classify.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool connmark_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_connmark_mtinfo1 *info = data;

	return pkt->ct && ((pkt->ct->mark & info->mask) == info->mark) != !!info->invert;
}

/* INVALID and UNTRACKED are those without a connection. */
static void connmark_classify(const void *data, struct class_rule *rule)
{
	const struct xt_connmark_mtinfo1 *info = data;

	if (info->mark & ~info->mask && !info->invert) {
		class_rule_partly(rule);
		return;
	}
	class_rule_term(rule, (struct class_term){ .word = CLASS_STATES, .mask = XT_CONNTRACK_STATE_INVALID | XT_CONNTRACK_STATE_UNTRACKED });
	if (info->invert)
		class_rule_unless(rule, CLASS_CTMARK, info->mark, info->mask);
	else
		class_rule_term(rule, (struct class_term){ .word = CLASS_CTMARK, .mask = info->mask, .low = info->mark });
}

static int connmark_check(void *data, const struct ext_check *check, struct refusal *why)
{
	int err = ct_hooks_get(check->inst, check->family);

	return err ? refuse(why, err, "connmark: connection tracking cannot be switched on") : 0;
}

static void connmark_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

static const struct opt connmark_options[] = {
	{ .name = "mark", .type = OPT_MARK_MASK, .flags = OPT_REQUIRED | OPT_INVERTIBLE,
	  .at = offsetof(struct xt_connmark_mtinfo1, mark),
	  .invert_at = offsetof(struct xt_connmark_mtinfo1, invert),
	  .invert_bits = 1, .invert_width = 1, .arg = "value[/mask]",
	  .help = "match ctmark value with optional mask" },
	OPT_END
};

static void add_mark(struct strbuf *out, const struct xt_connmark_mtinfo1 *info)
{
	sb_printf(out, " 0x%x", info->mark);
	if (info->mask != UINT32_MAX)
		sb_printf(out, "/0x%x", info->mask);
}

static void connmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connmark_mtinfo1 *info = data;

	sb_adds(out, info->invert ? " ! --mark" : " --mark");
	add_mark(out, info);
}

static void connmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connmark_mtinfo1 *info = data;

	sb_adds(out, info->invert ? " connmark match !" : " connmark match ");
	add_mark(out, info);
}

static const struct ext_text connmark_text = {
	.options = connmark_options, .help_head = "connmark match options:",
	.save = connmark_save, .print = connmark_print,
};

const struct match match_connmark = {
	.name = "connmark", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_connmark_mtinfo1), .depends = DEP_CT_MARK | DEP_CT_STATE,
	.match = connmark_match, .classify = connmark_classify, .checkentry = connmark_check, .destroy = connmark_destroy, .text = &connmark_text,
};
