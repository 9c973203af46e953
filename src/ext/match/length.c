/* ext/match/length.c - "-m length": bytes of the packet: IPv4's own word for it, IPv6 as it lies there. */
#include "base/uapi.h"

#include <linux/netfilter/xt_length.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool length_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_length_info *info = data;
	uint32_t len = call->family == NFPROTO_IPV4 ? ntohs(pkt_ip4(pkt)->tot_len) : pkt->len;

	return (len >= info->min && len <= info->max) != !!info->invert;
}

/* An empty word is zero, by upstream's parser. */
static int length_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_length_info *info = call->info;
	const char *colon = strchr(call->arg, ':');
	uint64_t low = 0, high = UINT16_MAX;
	char head[24] = "";
	size_t len = colon ? (size_t)(colon - call->arg) : strlen(call->arg);

	if (len < sizeof(head))
		memcpy(head, call->arg, len);
	if (len >= sizeof(head) || (len && !opt_u64(head, 0, UINT16_MAX, &low)) ||
	    (colon && colon[1] && !opt_u64(colon + 1, 0, UINT16_MAX, &high)))
		return refuse(why, -EINVAL, "length: --length takes length[:length] (0 to 65535), not \"%s\"",
			      call->arg);
	info->min = low;
	info->max = colon ? high : low;
	return 0;
}

static const struct opt length_options[] = {
	{ .name = "length", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = length_parse,
	  .invert_at = offsetof(struct xt_length_info, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "length[:length]", .help = "match packet length against value or range of values (inclusive)" },
	OPT_END
};

static void add_lengths(struct strbuf *out, const struct xt_length_info *info)
{
	sb_printf(out, "%u", info->min);
	if (info->min != info->max)
		sb_printf(out, ":%u", info->max);
}

static void length_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_length_info *info = data;

	sb_adds(out, info->invert ? " ! --length " : " --length ");
	add_lengths(out, info);
}

static void length_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_length_info *info = data;

	sb_adds(out, info->invert ? " length !" : " length ");
	add_lengths(out, info);
}

static const struct ext_text length_text = {
	.options = length_options, .help_head = "length match options:", .save = length_save, .print = length_print,
};

static void length_classify(const void *data, struct class_rule *rule)
{
	const struct xt_length_info *info = data;

	if (info->min > info->max)
		class_rule_partly(rule);
	else
		class_rule_term(rule, (struct class_term){ .word = CLASS_LENGTH, .flags = info->invert ? TERM_NOT : 0, .mask = UINT32_MAX,
							   .low = info->min, .span = (uint32_t)(info->max - info->min) });
}

const struct match match_length = {
	.name = "length", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_length_info), .depends = DEP_L3_LEN,
	.match = length_match, .classify = length_classify, .text = &length_text,
};
