/*
 * ext/target/rateest.c - "-j RATEEST": counts the packet into a named estimator.
 * The text gives an interval and a time constant; the kernel keeps the logarithms of what comes nearest.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_RATEEST.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ext/option.h"
#include "ext/rateest.h"

enum { USEC_PER_SEC = 1000000, INTERVAL_STEPS = 5, EWMA_END = 31 };

static unsigned int rateest_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_rateest_target_info *info = data;

	rate_estimator_count((struct rate_estimator *)info->est, pkt->len);
	return XT_CONTINUE;
}

static int rateest_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_rateest_target_info *info = data;
	int err;

	if (strnlen(info->name, sizeof(info->name)) == sizeof(info->name))
		return refuse(why, -ENAMETOOLONG, "RATEEST: the name does not end");
	info->est = (struct xt_rateest *)rate_estimator_make(check->inst, info->name, info->interval, info->ewma_log, &err);
	if (!info->est)
		return refuse(why, err, "RATEEST: the estimator \"%s\" is there with other settings, or these are out of range",
			      info->name);
	return 0;
}

static void rateest_destroy(void *data, const struct ext_check *check)
{
	rate_estimator_put((struct rate_estimator *)((struct xt_rateest_target_info *)data)->est);
}

/* --- text; while options are read, the place of the kernel's pointer holds both times in microseconds --- */

struct given_times { uint32_t interval_us, constant_us; };

static struct given_times *times_of(struct xt_rateest_target_info *info)
{
	_Static_assert(sizeof(struct given_times) <= sizeof(info->est), "two times fit where a pointer does");
	return (struct given_times *)&info->est;
}

static int parse_time(struct opt_call *call, struct refusal *why)
{
	static const struct { const char *name; double usec; } suffixes[] = {
		{ "s", 1e6 }, { "sec", 1e6 }, { "secs", 1e6 }, { "ms", 1e3 }, { "msec", 1e3 }, { "msecs", 1e3 },
		{ "us", 1 }, { "usec", 1 }, { "usecs", 1 }, { "", 1 },
	};
	struct given_times *times = times_of(call->info);
	char *end;
	double value = strtod(call->arg, &end);
	int64_t us;
	unsigned int i = 0;

	while (i < ARRAY_SIZE(suffixes) && strcasecmp(end, suffixes[i].name))
		i++;
	if (end == call->arg || i == ARRAY_SIZE(suffixes))
		return refuse(why, -EINVAL, "RATEEST: --%s takes a time (s, ms, us), not \"%s\"", call->name, call->arg);
	value *= suffixes[i].usec;
	/* what does not fit counts by its last 32 bits, as upstream's conversion does on this machine */
	us = value >= (double)INT64_MIN && value < (double)INT64_MAX ? (int64_t)value : INT64_MIN;
	*(strcmp(call->opt->name, "rateest-interval") == 0 ? &times->interval_us : &times->constant_us) = (uint32_t)us;
	return 0;
}

static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_rateest_target_info *info = call->info;

	snprintf(info->name, sizeof(info->name), "%s", call->arg);
	return 0;
}

static int rateest_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_rateest_target_info *info = data;
	struct given_times times = *times_of(info);
	int step = 0, log_of = 1;

	memset(&info->est, 0, sizeof(info->est));
	while (step <= INTERVAL_STEPS && times.interval_us > (1u << step) * (USEC_PER_SEC / 4))
		step++;
	if (step > INTERVAL_STEPS)
		return refuse(why, -EINVAL, "RATEEST: --rateest-interval is at most 8s");
	while (log_of < 32 && !(times.interval_us / -log(1.0 - 1.0 / (1u << log_of)) > times.constant_us))
		log_of++;
	info->interval = (int8_t)(step - 2);
	info->ewma_log = (uint8_t)(log_of - 1);
	if (info->ewma_log == 0 || info->ewma_log >= EWMA_END)
		return refuse(why, -EINVAL, "RATEEST: --rateest-ewmalog is out of range for this interval");
	return 0;
}

static const struct opt rateest_options[] = {
	{ .name = "rateest-name", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_name, .arg = "name",
	  .help = "the estimator's name" },
	{ .name = "rateest-interval", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_time, .arg = "time",
	  .help = "how often it looks: 250ms, 500ms, 1s, 2s, 4s, 8s" },
	{ .name = "rateest-ewmalog", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_time, .arg = "time",
	  .help = "time constant of its average" },
	OPT_END
};

static void add_time(struct strbuf *out, uint32_t usec)
{
	if (usec >= USEC_PER_SEC)
		sb_printf(out, " %.1fs", (double)usec / USEC_PER_SEC);
	else if (usec >= USEC_PER_SEC / 1000)
		sb_printf(out, " %.1fms", (double)usec / (USEC_PER_SEC / 1000));
	else
		sb_printf(out, " %uus", usec);
}

static void rateest_add(const struct xt_rateest_target_info *info, const char *dashes, struct strbuf *out)
{
	uint32_t interval = ((uint32_t)USEC_PER_SEC << (info->interval + 2)) / 4;

	sb_printf(out, " %sname %.*s %sinterval", dashes, (int)sizeof(info->name), info->name, dashes);
	add_time(out, interval);
	sb_printf(out, " %sewmalog", dashes);
	add_time(out, interval * (1u << info->ewma_log));
}

static void rateest_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	rateest_add(data, "--rateest-", out);
}

static void rateest_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	rateest_add(data, "", out);
}

static const struct ext_text rateest_text = {
	.options = rateest_options, .help_head = "RATEEST target options:", .finish = rateest_finish,
	.save = rateest_save, .print = rateest_print,
};

const struct target target_rateest = {
	.name = "RATEEST", .names_shared = true, .families = FAMILY_ANY, .info_size = sizeof(struct xt_rateest_target_info),
	.user_size = offsetof(struct xt_rateest_target_info, est), .depends = DEP_STATE | DEP_L3_LEN,
	.target = rateest_target, .checkentry = rateest_check, .destroy = rateest_destroy, .text = &rateest_text,
};
