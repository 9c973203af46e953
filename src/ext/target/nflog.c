/* ext/target/nflog.c - "-j NFLOG": hands a copy of the packet's head to whoever listens to the group, and goes on. */
#include "base/uapi.h"

#include <linux/netfilter/xt_NFLOG.h>

#include "ext/option.h"

static unsigned int nflog_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_nflog_info *info = data;
	const struct observer *observer = &call->inst->observer;
	struct nflog log = { .prefix = info->prefix, .state = call->state, .group = info->group, .threshold = info->threshold,
			     .copy_len = info->flags & XT_NFLOG_F_COPY_LEN ? MIN_OF(info->len, pkt->len) : pkt->len };

	if (observer->nflog) {
		be16 sum = pkt_sum_put_off(pkt);

		observer->nflog(observer->priv, pkt, &log);
		pkt_sum_put_back(pkt, sum);
	}
	return XT_CONTINUE;
}

static int nflog_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_nflog_info *info = data;

	if (info->flags & ~XT_NFLOG_MASK)
		return refuse(why, -EINVAL, "NFLOG: unknown flags %#x", info->flags);
	if (info->prefix[sizeof(info->prefix) - 1])
		return refuse(why, -EINVAL, "NFLOG: the prefix does not end");
	return 0;
}

/* A longer prefix is cut, not refused. */
static int parse_prefix(struct opt_call *call, struct refusal *why)
{
	struct xt_nflog_info *info = call->info;

	if (!*call->arg)
		return refuse(why, -EINVAL, "NFLOG: --nflog-prefix needs at least one character");
	if (strchr(call->arg, '\n'))
		return refuse(why, -EINVAL, "NFLOG: --nflog-prefix may not hold newlines");
	memcpy(info->prefix, call->arg, strnlen(call->arg, sizeof(info->prefix) - 1));
	return 0;
}

static const struct opt nflog_options[] = {
	{ .name = "nflog-group", .type = OPT_U16, .at = offsetof(struct xt_nflog_info, group), .arg = "number",
	  .help = "netlink group used for logging" },
	{ .name = "nflog-prefix", .type = OPT_CUSTOM, .parse = parse_prefix, .arg = "string",
	  .help = "prefix string for log messages" },
	{ .name = "nflog-range", .type = OPT_U32, .at = offsetof(struct xt_nflog_info, len), .arg = "number",
	  .excludes = "nflog-size", .help = "this option has no effect, use --nflog-size" },
	{ .name = "nflog-size", .type = OPT_U32, .at = offsetof(struct xt_nflog_info, len), .arg = "number",
	  .excludes = "nflog-range", .set_at = offsetof(struct xt_nflog_info, flags),
	  .set_bits = XT_NFLOG_F_COPY_LEN,
	  .set_width = 2, .help = "number of bytes to copy" },
	{ .name = "nflog-threshold", .type = OPT_U16, .at = offsetof(struct xt_nflog_info, threshold),
	  .arg = "number",
	  .help = "message threshold of in-kernel queue" },
	OPT_END
};

static void nflog_show(const struct xt_nflog_info *info, const char *dashes, struct strbuf *out)
{
	char prefix[sizeof(info->prefix) + 1] = "";

	memcpy(prefix, info->prefix, sizeof(info->prefix));
	if (prefix[0]) {
		sb_printf(out, " %snflog-prefix", dashes);
		save_quoted(out, prefix);
	}
	if (info->group)
		sb_printf(out, " %snflog-group %u", dashes, info->group);
	if (info->flags & XT_NFLOG_F_COPY_LEN)
		sb_printf(out, " %snflog-size %u", dashes, info->len);
	else if (info->len)
		sb_printf(out, " %snflog-range %u", dashes, info->len);
	if (info->threshold != XT_NFLOG_DEFAULT_THRESHOLD)
		sb_printf(out, " %snflog-threshold %u", dashes, info->threshold);
}

static void nflog_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	nflog_show(data, "--", out);
}

static void nflog_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	nflog_show(data, "", out);
}

static const struct ext_text nflog_text = {
	.options = nflog_options, .help_head = "NFLOG target options:", .save = nflog_save, .print = nflog_print,
};

const struct target target_nflog = {
	.name = "NFLOG", .families = FAMILY_ANY, .info_size = sizeof(struct xt_nflog_info),
	.depends = DEP_STATE,	/* every packet is told of */
	.target = nflog_target, .checkentry = nflog_check, .text = &nflog_text,
};
