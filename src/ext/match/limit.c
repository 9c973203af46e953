/*
 * ext/match/limit.c - "-m limit": a bucket per rule that fills by the clock and pays for each match.
 * Counts in jiffies and in 32 bits as the kernel does: after about 37 hours without a packet the
 * refill wraps around, and a rule may refuse what a full bucket would allow.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_limit.h>

#include <stdlib.h>

#include "base/bytes.h"
#include "ext/option.h"

enum { CREDITS_PER_JIFFY = 128, CREDITS_PER_SEC = WEIR_HZ * CREDITS_PER_JIFFY };

struct xt_limit_priv {
	int64_t filled_jiffies;
	uint32_t credit;
};

static bool limit_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_rateinfo *info = data;
	struct xt_limit_priv *bucket = info->master;
	int64_t now = inst_jiffies(call->inst);
	uint32_t credit = bucket->credit + (uint32_t)((uint64_t)(now - bucket->filled_jiffies) * CREDITS_PER_JIFFY);

	bucket->filled_jiffies = now;
	if (credit > info->credit_cap)
		credit = info->credit_cap;
	bucket->credit = credit >= info->cost ? credit - info->cost : credit;
	return credit >= info->cost;
}

static uint32_t credits_of(uint32_t scaled_sec)
{
	if (scaled_sec > UINT32_MAX / CREDITS_PER_SEC)
		return scaled_sec / XT_LIMIT_SCALE * CREDITS_PER_SEC;
	return scaled_sec * CREDITS_PER_SEC / XT_LIMIT_SCALE;
}

static int limit_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_rateinfo *info = data;

	if (info->burst == 0 || credits_of(info->avg * info->burst) < credits_of(info->avg))
		return refuse(why, -ERANGE, "limit: the rate times the burst of %u is beyond what can be counted",
			      info->burst);
	info->master = malloc(sizeof(*info->master));
	if (!info->master)
		return refuse(why, -ENOMEM, "limit: no memory for the bucket");
	info->master->filled_jiffies = inst_jiffies(check->inst);
	info->master->credit = credits_of(info->avg * info->burst);
	if (info->cost == 0) {
		info->credit_cap = info->master->credit;
		info->cost = credits_of(info->avg);
	}
	return 0;
}

static void limit_destroy(void *data, const struct ext_check *check)
{
	free(((struct xt_rateinfo *)data)->master);
}

static void limit_keep(const void *data, struct strbuf *out)
{
	const struct xt_limit_priv *bucket = ((const struct xt_rateinfo *)data)->master;

	out_u64(out, (uint64_t)bucket->filled_jiffies);
	out_u32(out, bucket->credit);
}

static bool limit_give(void *data, struct instance *inst, struct bytes_in *in)
{
	struct xt_rateinfo *info = data;
	int64_t filled = (int64_t)in_u64(in);
	uint32_t credit = in_u32(in);

	if (!in->failed && filled <= inst_jiffies(inst)) {	/* a clock that was set back has nothing to say */
		info->master->filled_jiffies = filled;
		info->master->credit = MIN_OF(credit, info->credit_cap);
	}
	return !in->failed;
}

static const struct { const char *name, *full; uint32_t period; } units[] = {
	{ "day", "day", XT_LIMIT_SCALE * 86400u }, { "hour", "hour", XT_LIMIT_SCALE * 3600u },
	{ "min", "minute", XT_LIMIT_SCALE * 60u }, { "sec", "second", XT_LIMIT_SCALE },
};

static int limit_parse_rate(struct opt_call *call, struct refusal *why)
{
	struct xt_rateinfo *info = call->info;
	const char *slash = strchr(call->arg, '/');
	uint32_t rate = strtol(call->arg, NULL, 10), period = XT_LIMIT_SCALE;

	if (slash) {
		size_t len = strlen(slash + 1), unit = 0;

		while (unit < ARRAY_SIZE(units) && strncasecmp(units[unit].full, slash + 1, len))
			unit++;
		period = len && unit < ARRAY_SIZE(units) ? units[unit].period : 0;
	}
	if (!rate || !period)
		return refuse(why, -EINVAL, "limit: --limit takes number[/second|/minute|/hour|/day], not \"%s\"",
			      call->arg);
	info->avg = period / rate;
	if (!info->avg)
		return refuse(why, -EINVAL, "limit: the rate %s is too fast to be counted", call->arg);
	return 0;
}

static void limit_init(void *data)
{
	struct xt_rateinfo *info = data;

	info->avg = XT_LIMIT_SCALE * 3600u / 3;
	info->burst = 5;
}

/* The coarsest unit that tells the period without losing much. */
static void add_rate(struct strbuf *out, uint32_t period)
{
	unsigned int i;

	if (!period) {
		sb_adds(out, " inf");
		return;
	}
	for (i = 1; i < ARRAY_SIZE(units); i++)
		if (period > units[i].period || units[i].period / period < units[i].period % period)
			break;
	sb_printf(out, " %u/%s", units[i - 1].period / period, units[i - 1].name);
}

static void limit_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_rateinfo *info = data;

	sb_adds(out, " --limit");
	add_rate(out, info->avg);
	if (info->burst != 5)
		sb_printf(out, " --limit-burst %u", info->burst);
}

static void limit_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_rateinfo *info = data;

	sb_adds(out, " limit: avg");
	add_rate(out, info->avg);
	sb_printf(out, " burst %u", info->burst);
}

static const struct opt limit_options[] = {
	{ .name = "limit", .type = OPT_CUSTOM, .parse = limit_parse_rate, .arg = "rate",
	  .help = "maximum average match rate: default 3/hour; [/second /minute /hour /day]" },
	{ .name = "limit-burst", .type = OPT_U32, .min = 0, .max = 10000, .at = offsetof(struct xt_rateinfo, burst),
	  .arg = "number", .help = "number to match in a burst, default 5" },
	OPT_END
};

static const struct ext_text limit_text = {
	.options = limit_options, .help_head = "limit match options:",
	.init = limit_init, .save = limit_save, .print = limit_print,
};

const struct match match_limit = {
	.name = "limit", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_rateinfo), .user_size = offsetof(struct xt_rateinfo, prev),
	.depends = DEP_STATE | DEP_TIME,
	.match = limit_match, .checkentry = limit_check, .destroy = limit_destroy, .keep = limit_keep, .give = limit_give,
	.text = &limit_text,
};
