/*
 * ext/match/time.c - "-m time": dates, days of week and month, and times of day, by the instance's own clock.
 * All of them in UTC; the kernel's time zone (--kerneltz) is UTC here as well. With --contiguous the hours after
 * midnight belong to the day before.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_time.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "classify/classify.h"
#include "ext/option.h"

enum { SECONDS_PER_DAY = 86400, LAST_SECOND = 0x7fffffff };

static bool time_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_time_info *info = data;
	int64_t now = call->inst->now_ns / NSEC_PER_SEC;
	uint32_t second = now % SECONDS_PER_DAY;
	struct tm day;
	time_t when;

	if (now < info->date_start || now > info->date_stop)
		return false;
	if (info->daytime_start < info->daytime_stop) {
		if (second < info->daytime_start || second > info->daytime_stop)
			return false;
	} else {
		if (second < info->daytime_start && second > info->daytime_stop)
			return false;
		if ((info->flags & XT_TIME_CONTIGUOUS) && second <= info->daytime_stop)
			now -= SECONDS_PER_DAY;
	}
	when = now;
	gmtime_r(&when, &day);
	return (info->weekdays_match & 1u << (day.tm_wday ? day.tm_wday : 7)) &&
	       (info->monthdays_match & 1u << day.tm_mday);
}

static int time_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_time_info *info = data;

	if (info->daytime_start > XT_TIME_MAX_DAYTIME || info->daytime_stop > XT_TIME_MAX_DAYTIME)
		return refuse(why, -EDOM, "time: a day ends at 23:59:59");
	if (info->flags & ~XT_TIME_ALL_FLAGS)
		return refuse(why, -EINVAL, "time: unknown flags %#x", info->flags);
	if ((info->flags & XT_TIME_CONTIGUOUS) && info->daytime_start < info->daytime_stop)
		return refuse(why, -EINVAL, "time: --contiguous needs a start after the stop");
	return 0;
}

static void time_init(void *data)
{
	struct xt_time_info *info = data;

	info->monthdays_match = XT_TIME_ALL_MONTHDAYS;
	info->weekdays_match = XT_TIME_ALL_WEEKDAYS;
	info->daytime_stop = XT_TIME_MAX_DAYTIME;
	info->date_stop = LAST_SECOND;
}

/*
 * Decimal numbers, each up to its limit, each but the last followed by its separator. How many were read; -1 bad. None is 0, and of
 * one that is too large or below 0 the last 32 bits count.
 */
static int read_fields(const char *at, const char *seps, const unsigned int *limits, unsigned int count, unsigned int *out)
{
	for (unsigned int i = 0; i < count; i++) {
		char *end;
		unsigned int value = (unsigned int)strtoul(at, &end, 10);

		if (value > limits[i] || (*end && *end != seps[i]))
			return -1;
		out[i] = value;
		if (!*end)
			return i + 1;
		at = end + 1;
	}
	return -1;
}

static int parse_daytime(struct opt_call *call, struct refusal *why)
{
	static const unsigned int limits[] = { 23, 59, 59 };
	uint32_t *out = (uint32_t *)((char *)call->info + call->opt->at);
	unsigned int part[3] = { 0 };

	if (read_fields(call->arg, "::", limits, 3, part) < 2)
		return refuse(why, -EINVAL, "time: --%s takes hh:mm[:ss], not \"%s\"", call->opt->name, call->arg);
	*out = 3600 * part[0] + 60 * part[1] + part[2];
	return 0;
}

static int parse_date(struct opt_call *call, struct refusal *why)
{
	static const unsigned int limits[] = { 2038, 12, 31, 23, 59, 59 };
	uint32_t *out = (uint32_t *)((char *)call->info + call->opt->at);
	unsigned int part[6] = { 0, 1, 1, 0, 0, 0 };
	struct tm day;
	time_t when;

	if (read_fields(call->arg, "--T::", limits, 6, part) < 1 || part[0] < 1970)
		return refuse(why, -EINVAL, "time: --%s takes YYYY[-MM[-DD[Thh[:mm[:ss]]]]] (1970 to 2038), not \"%s\"",
			      call->opt->name, call->arg);
	day = (struct tm){ .tm_year = part[0] - 1900, .tm_mon = (int)part[1] - 1, .tm_mday = part[2], .tm_hour = part[3],
			   .tm_min = part[4], .tm_sec = part[5] };
	when = timegm(&day);
	if (when < 0)
		return refuse(why, -EINVAL, "time: --%s: \"%s\" is before 1970", call->opt->name, call->arg);
	*out = (uint32_t)when;
	return 0;
}

/* A list's next word, as much of it as upstream looks at: what is behind that and before the comma is nobody's concern. */
static bool next_day(const char **at, char *word, size_t size)
{
	size_t len = strcspn(*at, ",");

	if (!**at)
		return false;
	snprintf(word, size, "%.*s", (int)len, *at);
	*at += len + ((*at)[len] == ',');
	return true;
}

static int parse_monthdays(struct opt_call *call, struct refusal *why)
{
	struct xt_time_info *info = call->info;
	const char *at = call->arg;
	uint32_t days = 0;
	char word[3];

	while (next_day(&at, word, sizeof(word))) {
		char *end;
		unsigned int day = (unsigned int)strtoul(word, &end, 0);

		if (*end || day > 31)
			return refuse(why, -EINVAL, "time: \"%s\" is not a list of days from 1 to 31", call->arg);
		days |= 1u << day;
	}
	info->monthdays_match = call->invert ? XT_TIME_ALL_MONTHDAYS ^ days : days;
	return 0;
}

static const char *const week_words[] = { NULL, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* Two letters tell a day, or a number but 0; those behind 7 are bits that no day has. */
static int parse_weekdays(struct opt_call *call, struct refusal *why)
{
	struct xt_time_info *info = call->info;
	const char *at = call->arg;
	uint8_t days = 0;
	char word[4];

	while (next_day(&at, word, sizeof(word))) {
		char *end;
		unsigned int day = (unsigned int)strtoul(word, &end, 0);

		if (*end)
			for (day = 7; day && strncmp(word, week_words[day], 2);)
				day--;
		if (!day)
			return refuse(why, -EINVAL, "time: \"%s\" is not a day of the week", word);
		days |= (uint8_t)(1u << day % 32);
	}
	info->weekdays_match = call->invert ? XT_TIME_ALL_WEEKDAYS ^ days : days;
	return 0;
}

#define TIME_OPTION(n, field, fn, a, h) { .name = n, .type = OPT_CUSTOM, .parse = fn, \
	.at = offsetof(struct xt_time_info, field), .arg = a, .help = h }
#define TIME_FLAG(n, bit, other, h) { .name = n, .excludes = other, .type = OPT_FLAG, .set_at = offsetof(struct xt_time_info, flags), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt time_options[] = {
	TIME_OPTION("datestart", date_start, parse_date, "time", "start time, YYYY[-MM[-DD[Thh[:mm[:ss]]]]]"),
	TIME_OPTION("datestop", date_stop, parse_date, "time", "stop time"),
	TIME_OPTION("timestart", daytime_start, parse_daytime, "time", "start daytime, hh:mm[:ss]"),
	TIME_OPTION("timestop", daytime_stop, parse_daytime, "time", "stop daytime"),
	{ .name = "monthdays", .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_monthdays, .arg = "days",
	  .help = "list of days of the month, 1 to 31" },
	{ .name = "weekdays", .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_weekdays, .arg = "days",
	  .help = "list of days of the week: Mon, Tue, ... or 1 to 7" },
	TIME_FLAG("kerneltz", XT_TIME_LOCAL_TZ, "utc", "work with the kernel timezone instead of UTC (the same here)"),
	TIME_FLAG("contiguous", XT_TIME_CONTIGUOUS, NULL, "a range over midnight belongs to the day it starts on"),
	TIME_FLAG("utc", 0, "kerneltz", "times are UTC (as they are anyway)"),
	OPT_END
};

static int time_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const struct xt_time_info *info = data;

	if ((info->flags & XT_TIME_CONTIGUOUS) && info->daytime_start < info->daytime_stop)
		return refuse(why, -EINVAL, "time: --contiguous needs a --timestart after the --timestop");
	return 0;
}

static void add_date(struct strbuf *out, const char *format, uint32_t seconds)
{
	time_t when = seconds;
	struct tm day;
	char text[64];

	gmtime_r(&when, &day);
	strftime(text, sizeof(text), format, &day);
	sb_adds(out, text);
}

static void add_daytimes(struct strbuf *out, const char *first, const char *second, const struct xt_time_info *info)
{
	uint32_t a = info->daytime_start, b = info->daytime_stop;

	if (a != XT_TIME_MIN_DAYTIME || b != XT_TIME_MAX_DAYTIME)
		sb_printf(out, " %s %02u:%02u:%02u %s %02u:%02u:%02u", first, a / 3600, a / 60 % 60, a % 60, second, b / 3600,
			  b / 60 % 60, b % 60);
}

static void add_monthdays(struct strbuf *out, const char *head, uint32_t days, bool ordinals)
{
	const char *sep = "";

	if (days == XT_TIME_ALL_MONTHDAYS)
		return;
	sb_adds(out, head);
	for (unsigned int day = 1; day <= 31; day++) {
		if (!(days & 1u << day))
			continue;
		sb_printf(out, "%s%u%s", sep, day, !ordinals ? "" : day % 10 == 1 ? "st" : day % 10 == 2 ? "nd" :
			  day % 10 == 3 ? "rd" : "th");
		sep = ",";
	}
}

static void add_weekdays(struct strbuf *out, const char *head, uint8_t days)
{
	const char *sep = "";

	if (days == XT_TIME_ALL_WEEKDAYS)
		return;
	sb_adds(out, head);
	for (unsigned int day = 1; day <= 7; day++) {
		if (days & 1u << day) {
			sb_printf(out, "%s%s", sep, week_words[day]);
			sep = ",";
		}
	}
}

static void time_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_time_info *info = data;

	add_daytimes(out, "--timestart", "--timestop", info);
	add_monthdays(out, " --monthdays ", info->monthdays_match, false);
	add_weekdays(out, " --weekdays ", info->weekdays_match);
	if (info->date_start)
		add_date(out, " --datestart %Y-%m-%dT%H:%M:%S", info->date_start);
	if (info->date_stop)
		add_date(out, " --datestop %Y-%m-%dT%H:%M:%S", info->date_stop);
	if (info->flags & XT_TIME_LOCAL_TZ)
		sb_adds(out, " --kerneltz");
	if (info->flags & XT_TIME_CONTIGUOUS)
		sb_adds(out, " --contiguous");
}

static void time_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_time_info *info = data;

	sb_adds(out, " TIME");
	add_daytimes(out, "from", "to", info);
	add_weekdays(out, " on ", info->weekdays_match);
	add_monthdays(out, " on ", info->monthdays_match, true);
	if (info->date_start)
		add_date(out, " starting from %Y-%m-%d %H:%M:%S", info->date_start);
	if (info->date_stop != LAST_SECOND)
		add_date(out, " until date %Y-%m-%d %H:%M:%S", info->date_stop);
	if (!(info->flags & XT_TIME_LOCAL_TZ))
		sb_adds(out, " UTC");
	if (info->flags & XT_TIME_CONTIGUOUS)
		sb_adds(out, " contiguous");
}

static const struct ext_text time_text = {
	.options = time_options, .help_head = "time match options:", .init = time_init, .finish = time_finish,
	.save = time_save, .print = time_print,
};

const struct match match_time = {
	.name = "time", .families = FAMILY_ANY, .info_size = sizeof(struct xt_time_info), .depends = DEP_TIME,
	.match = time_match, .classify = class_rule_nothing, .checkentry = time_check, .checks_rule_only = true, .text = &time_text,
};
