/*
 * ext/match/nth.c - "-m nth": every n-th packet, in the words of patch-o-matic. It is text only: the rule becomes one of
 * "-m statistic --mode nth" and is saved as that. Counters that rules share (--counter) are not what statistic has: 0 only.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_statistic.h>

#include "ext/option.h"

enum { ROW_EVERY, ROW_COUNTER, ROW_START, ROW_PACKET };

static void nth_init(void *data)
{
	((struct xt_statistic_info *)data)->mode = XT_STATISTIC_MODE_NTH;
}

static int parse_counter(struct opt_call *call, struct refusal *why)
{
	if (strcmp(call->arg, "0"))
		return refuse(why, -EOPNOTSUPP, "nth: each rule counts for itself; --counter can only be 0");
	return 0;
}

#define NTH_INVERT .flags = OPT_REQUIRED | OPT_INVERTIBLE, .invert_at = offsetof(struct xt_statistic_info, flags), \
	.invert_bits = XT_STATISTIC_INVERT, .invert_width = 2

static const struct opt nth_options[] = {
	[ROW_EVERY] = { .name = "every", .type = OPT_U32, .min = 2, .max = UINT32_MAX, NTH_INVERT, .size = 4,
			.at = offsetof(struct xt_statistic_info, u.nth.every), .arg = "n", .help = "match every n-th packet" },
	[ROW_COUNTER] = { .name = "counter", .type = OPT_CUSTOM, .parse = parse_counter, .arg = "0", .help = "number of the counter" },
	[ROW_START] = { .name = "start", .type = OPT_U32, .at = offsetof(struct xt_statistic_info, u.nth.count), .size = 4,
			.arg = "num", .help = "where the counter begins, 0 to n-1" },
	[ROW_PACKET] = { .name = "packet", .type = OPT_U32, .at = offsetof(struct xt_statistic_info, u.nth.packet), .size = 4,
			 .arg = "num", .help = "where the counter stands when a packet matches, 0 to n-1" },
	OPT_END
};

static int nth_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_statistic_info *info = data;
	uint32_t every = info->u.nth.every, start = info->u.nth.count;

	if (start >= every || info->u.nth.packet >= every)
		return refuse(why, -EINVAL, "nth: --start and --packet are below --every");
	info->u.nth.packet = (info->u.nth.packet + every - start) % every;
	info->u.nth.every = every - 1;
	info->u.nth.count = info->u.nth.every - info->u.nth.packet;
	return 0;
}

static const struct ext_text nth_text = {
	.options = nth_options, .help_head = "nth match options:", .init = nth_init, .finish = nth_finish,
};

const struct match match_nth = {
	.name = "nth", .abi_name = "statistic", .families = FAMILY_ANY, .info_size = sizeof(struct xt_statistic_info),
	.text = &nth_text,
};
