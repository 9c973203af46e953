/* ext/match/comment.c - "-m comment": a note for people; matches always. */
#include "base/uapi.h"

#include <linux/netfilter/xt_comment.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool comment_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return true;
}

/* Hostile blobs need not end the text. */
static int comment_len(const struct xt_comment_info *info)
{
	return strnlen(info->comment, sizeof(info->comment));
}

static void comment_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	char text[XT_MAX_COMMENT_LEN + 1] = "";

	memcpy(text, ((const struct xt_comment_info *)data)->comment, comment_len(data));
	sb_adds(out, " --comment");
	save_quoted(out, text);
}

static void comment_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_printf(out, " /* %.*s */", comment_len(data), ((const struct xt_comment_info *)data)->comment);
}

static const struct opt comment_options[] = {
	{ .name = "comment", .type = OPT_TEXT, .flags = OPT_REQUIRED, .size = XT_MAX_COMMENT_LEN,
	  .at = offsetof(struct xt_comment_info, comment),
	  .arg = "text", .help = "attach a comment to a rule" },
	OPT_END
};

static const struct ext_text comment_text = {
	.options = comment_options, .help_head = "comment match options:",
	.save = comment_save, .print = comment_print,
};

const struct match match_comment = {
	.name = "comment", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_comment_info), .depends = DEP_NOTHING,
	.match = comment_match, .classify = class_rule_always, .text = &comment_text,
};
