/*
 * ext/match/fuzzy.c - "-m fuzzy": matches the more of the packets, the more of them there are: none below the lower limit, nearly
 * all above the upper one, in between by chance. The rate is taken anew when 100 ms have passed. (xtables-addons)
 */
#include "base/uapi.h"

#include "ext/addons.h"

enum { FUZZY_MIN = 3, FUZZY_MAX = 10000000, FUZZY_LOWER = 1000, FUZZY_UPPER = 2000 };
enum { TICKS_PER_SEC = 250, SAMPLE_TICKS = TICKS_PER_SEC / 10, ALL = 100, FEW = 1 };	/* percent that pass */

/* The share that may pass, in percent: ALL at the lower limit, FEW at the upper one. */
static uint8_t share_of(const struct xt_fuzzy_mtinfo *info)
{
	uint64_t span = info->maximum_rate - info->minimum_rate, over;

	if (info->mean_rate <= info->minimum_rate)
		return ALL;
	if (info->mean_rate >= info->maximum_rate)
		return FEW;
	over = info->mean_rate - info->minimum_rate;
	return (uint8_t)((FEW * 100 * over / span + ALL * (100 * (span - over) / span)) / 100);
}

static bool fuzzy_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct xt_fuzzy_mtinfo *info = (struct xt_fuzzy_mtinfo *)data;	/* it keeps its state with the rule */
	uint32_t past;

	info->bytes_total += pkt->len;
	info->packets_total++;
	info->present_time = (uint32_t)inst_jiffies(call->inst);
	past = info->present_time - info->previous_time;
	if (past > SAMPLE_TICKS) {
		info->mean_rate = (uint32_t)((uint64_t)TICKS_PER_SEC * info->packets_total / past);
		info->previous_time = info->present_time;
		info->bytes_total = info->packets_total = 0;
		info->acceptance_rate = share_of(info);
	}
	return info->acceptance_rate < ALL && (rng_u32(&call->inst->rng) & 0xff) > 255u * info->acceptance_rate / 100;
}

static int fuzzy_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_fuzzy_mtinfo *info = data;

	if (info->minimum_rate < FUZZY_MIN || info->maximum_rate > FUZZY_MAX || info->minimum_rate >= info->maximum_rate)
		return refuse(why, -EDOM, "fuzzy: limits are %d to %d, and the upper one is higher", FUZZY_MIN, FUZZY_MAX);
	info->acceptance_rate = ALL;	/* until a rate is known all pass */
	return 0;
}

static void fuzzy_init(void *data)
{
	struct xt_fuzzy_mtinfo *info = data;

	info->minimum_rate = FUZZY_LOWER;
	info->maximum_rate = FUZZY_UPPER;
}

static const struct opt fuzzy_options[] = {
	{ .name = "lower-limit", .type = OPT_U32, .at = offsetof(struct xt_fuzzy_mtinfo, minimum_rate), .size = 4,
	  .min = FUZZY_MIN, .max = FUZZY_MAX, .arg = "number", .help = "packets per second up to which none match" },
	{ .name = "upper-limit", .type = OPT_U32, .at = offsetof(struct xt_fuzzy_mtinfo, maximum_rate), .size = 4,
	  .min = FUZZY_MIN, .max = FUZZY_MAX, .arg = "number", .help = "packets per second from which nearly all match" },
	OPT_END
};

static void fuzzy_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_fuzzy_mtinfo *info = data;

	sb_printf(out, " --lower-limit %u  --upper-limit %u ", info->minimum_rate, info->maximum_rate);
}

static void fuzzy_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m fuzzy");
	fuzzy_save(data, view, out);
}

static const struct ext_text fuzzy_text = {
	.options = fuzzy_options, .help_head = "fuzzy match options:", .init = fuzzy_init,
	.save = fuzzy_save, .print = fuzzy_print,
};

const struct match match_fuzzy = {
	.name = "fuzzy", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_fuzzy_mtinfo),
	.user_size = offsetof(struct xt_fuzzy_mtinfo, packets_total), .depends = DEP_STATE | DEP_TIME | DEP_RANDOM,
	.match = fuzzy_match, .checkentry = fuzzy_check, .text = &fuzzy_text,
};
