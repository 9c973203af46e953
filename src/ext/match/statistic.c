/*
 * ext/match/statistic.c - "-m statistic": a packet in so many, by chance or by counting.
 * Chances are fractions of 2^31. Counting starts so that the packet named by --packet is the first to fit.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_statistic.h>

#include <stdlib.h>

#include "base/bytes.h"
#include "ext/option.h"

struct xt_statistic_priv {
	uint32_t count;
};

enum { PROBABILITY_BITS = 31 };

static bool statistic_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_statistic_info *info = data;
	bool hit = false;

	if (info->mode == XT_STATISTIC_MODE_RANDOM) {
		hit = rng_u32(&call->inst->rng) >> (32 - PROBABILITY_BITS) < info->u.random.probability;
	} else {
		uint32_t *count = &info->master->count;

		*count = *count == info->u.nth.every ? 0 : *count + 1;
		hit = *count == 0;
	}
	return hit != !!(info->flags & XT_STATISTIC_INVERT);
}

static int statistic_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_statistic_info *info = data;

	if (info->mode > XT_STATISTIC_MODE_MAX || (info->flags & ~XT_STATISTIC_MASK))
		return refuse(why, -EINVAL, "statistic: unknown mode %u or flags %#x", info->mode, info->flags);
	info->master = malloc(sizeof(*info->master));
	if (!info->master)
		return refuse(why, -ENOMEM, "statistic: no memory for the counter");
	info->master->count = info->u.nth.count;
	return 0;
}

static void statistic_destroy(void *data, const struct ext_check *check)
{
	free(((struct xt_statistic_info *)data)->master);
}

static void statistic_keep(const void *data, struct strbuf *out)
{
	out_u32(out, ((const struct xt_statistic_info *)data)->master->count);
}

static bool statistic_give(void *data, struct instance *inst, struct bytes_in *in)
{
	struct xt_statistic_info *info = data;
	uint32_t count = in_u32(in);

	if (!in->failed)
		info->master->count = count;
	return !in->failed;
}

static uint32_t statistic_depends(const void *data)
{
	const struct xt_statistic_info *info = data;

	return info->mode == XT_STATISTIC_MODE_RANDOM ? DEP_RANDOM | DEP_STATE : DEP_STATE;
}

static int parse_mode(struct opt_call *call, struct refusal *why)
{
	struct xt_statistic_info *info = call->info;

	if (strcmp(call->arg, "random") == 0)
		info->mode = XT_STATISTIC_MODE_RANDOM;
	else if (strcmp(call->arg, "nth") == 0)
		info->mode = XT_STATISTIC_MODE_NTH;
	else
		return refuse(why, -EINVAL, "statistic: \"%s\" is not a mode (random, nth)", call->arg);
	return 0;
}

static int parse_probability(struct opt_call *call, struct refusal *why)
{
	struct xt_statistic_info *info = call->info;
	char *end;
	double p = strtod(call->arg, &end);

	if (end == call->arg || *end || p < 0 || p > 1)
		return refuse(why, -EINVAL, "statistic: --probability takes 0 to 1, not \"%s\"", call->arg);
	/* "nan" is none of all that, and never */
	info->u.random.probability = p >= 0 ? (uint32_t)(p * (1u << PROBABILITY_BITS) + 0.5) : 0;
	return 0;
}

static int parse_every(struct opt_call *call, struct refusal *why)
{
	((struct xt_statistic_info *)call->info)->u.nth.every--;
	return 0;
}

#define STATISTIC_INVERT .invert_at = offsetof(struct xt_statistic_info, flags), .invert_bits = XT_STATISTIC_INVERT, \
	.invert_width = 2

enum { ROW_MODE, ROW_PROBABILITY, ROW_EVERY, ROW_PACKET };

static const struct opt statistic_options[] = {
	{ .name = "mode", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_mode, .arg = "mode",
	  .help = "match mode: random or nth" },
	{ .name = "probability", .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, STATISTIC_INVERT, .parse = parse_probability,
	  .excludes = "every packet", .arg = "p", .help = "random mode: probability" },
	{ .name = "every", .type = OPT_U32, .min = 1, .max = UINT32_MAX, .flags = OPT_INVERTIBLE, STATISTIC_INVERT,
	  .at = offsetof(struct xt_statistic_info, u.nth.every), .size = 4, .parse = parse_every, .excludes = "probability",
	  .arg = "n", .help = "nth mode: match every nth packet" },
	{ .name = "packet", .type = OPT_U32, .at = offsetof(struct xt_statistic_info, u.nth.packet), .size = 4,
	  .excludes = "probability", .arg = "p",
	  .help = "nth mode: initial counter value (0 <= p <= n-1)" },
	OPT_END
};

static int statistic_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_statistic_info *info = data;

	if (info->mode == XT_STATISTIC_MODE_RANDOM && !(seen & 1 << ROW_PROBABILITY))
		return refuse(why, -EINVAL, "statistic: --probability is required in random mode");
	if (info->mode == XT_STATISTIC_MODE_NTH && (~seen & (1 << ROW_EVERY | 1 << ROW_PACKET)))
		return refuse(why, -EINVAL, "statistic: --every and --packet are required in nth mode");
	if (info->mode == XT_STATISTIC_MODE_NTH && info->u.nth.packet > info->u.nth.every)
		return refuse(why, -EINVAL, "statistic: --packet must be below --every");
	info->u.nth.count = info->u.nth.every - info->u.nth.packet;
	return 0;
}

/* A listing is silent about packet 0. */
static void statistic_add(const struct xt_statistic_info *info, const char *dashes, struct strbuf *out)
{
	const char *not = info->flags & XT_STATISTIC_INVERT ? " !" : "";

	if (info->mode == XT_STATISTIC_MODE_RANDOM) {
		sb_printf(out, " %smode random%s %sprobability %.11f", dashes, not, dashes,
			  1.0 * info->u.random.probability / (1u << PROBABILITY_BITS));
		return;
	}
	sb_printf(out, " %smode nth%s %severy %u", dashes, not, dashes, info->u.nth.every + 1);
	if (dashes[0] || info->u.nth.packet)
		sb_printf(out, " %spacket %u", dashes, info->u.nth.packet);
}

static void statistic_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	statistic_add(data, "--", out);
}

static void statistic_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " statistic");
	statistic_add(data, "", out);
}

static const struct ext_text statistic_text = {
	.options = statistic_options, .help_head = "statistic match options:", .finish = statistic_finish,
	.save = statistic_save, .print = statistic_print,
};

const struct match match_statistic = {
	.name = "statistic", .families = FAMILY_ANY, .info_size = sizeof(struct xt_statistic_info),
	.user_size = offsetof(struct xt_statistic_info, master), .depends = DEP_STATE | DEP_RANDOM,
	.depends_of = statistic_depends, .match = statistic_match, .checkentry = statistic_check,
	.destroy = statistic_destroy,
	.keep = statistic_keep, .give = statistic_give, .text = &statistic_text,
};
