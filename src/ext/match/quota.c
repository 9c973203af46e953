/*
 * ext/match/quota.c - "-m quota": match until a number of bytes has passed.
 * A packet larger than what is left empties the budget: from then on the rule stays spent.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_quota.h>

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "ext/option.h"

struct xt_quota_priv {
	uint64_t left_bytes;
};

static bool quota_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_quota_info *info = data;
	bool fits = info->master->left_bytes >= pkt->len;

	info->master->left_bytes = fits ? info->master->left_bytes - pkt->len : 0;
	return fits != !!(info->flags & XT_QUOTA_INVERT);
}

static int quota_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_quota_info *info = data;

	if (info->flags & ~XT_QUOTA_MASK)
		return refuse(why, -EINVAL, "quota: unknown flags %#x", info->flags);
	info->master = malloc(sizeof(*info->master));
	if (!info->master)
		return refuse(why, -ENOMEM, "quota: no memory for the budget");
	info->master->left_bytes = info->quota;
	return 0;
}

static void quota_destroy(void *data, const struct ext_check *check)
{
	free(((struct xt_quota_info *)data)->master);
}

static void quota_keep(const void *data, struct strbuf *out)
{
	out_u64(out, ((const struct xt_quota_info *)data)->master->left_bytes);
}

static bool quota_give(void *data, struct instance *inst, struct bytes_in *in)
{
	struct xt_quota_info *info = data;
	uint64_t left = in_u64(in);

	if (!in->failed)
		info->master->left_bytes = MIN_OF(left, (uint64_t)info->quota);
	return !in->failed;
}

static const struct opt quota_options[] = {
	{ .name = "quota", .type = OPT_U64, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .at = offsetof(struct xt_quota_info, quota),
	  .size = 8, .invert_at = offsetof(struct xt_quota_info, flags), .invert_bits = XT_QUOTA_INVERT, .invert_width = 4,
	  .arg = "bytes", .help = "match until this many bytes have passed" },
	OPT_END
};

static void quota_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_quota_info *info = data;

	sb_printf(out, "%s --quota %" PRIu64, info->flags & XT_QUOTA_INVERT ? " !" : "", (uint64_t)info->quota);
}

static void quota_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_quota_info *info = data;

	sb_printf(out, " quota: %" PRIu64 " bytes", (uint64_t)info->quota);
}

static const struct ext_text quota_text = {
	.options = quota_options, .help_head = "quota match options:", .save = quota_save, .print = quota_print,
};

const struct match match_quota = {
	.name = "quota", .families = FAMILY_ANY, .info_size = sizeof(struct xt_quota_info),
	.user_size = offsetof(struct xt_quota_info, master), .depends = DEP_L3_LEN | DEP_STATE,
	.match = quota_match, .checkentry = quota_check, .destroy = quota_destroy, .keep = quota_keep,
	.give = quota_give, .text = &quota_text,
};
