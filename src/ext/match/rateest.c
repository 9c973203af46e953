/*
 * ext/match/rateest.c - "-m rateest": compares what RATEEST's estimators say with given rates, or with each other.
 * With --rateest-delta it compares how much is left of the given rates.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_rateest.h>

#include <stdio.h>
#include <stdlib.h>

#include "ext/option.h"
#include "ext/rateest.h"

struct rates { uint64_t bps, pps; };

/* What the estimator says, or what it leaves of @bps and @pps. */
static struct rates rates_of(const struct xt_rateest *est, bool delta, uint32_t bps, uint32_t pps)
{
	struct rates r;

	rate_estimator_read((struct rate_estimator *)est, &r.bps, &r.pps);
	if (delta) {
		r.bps = bps >= r.bps ? bps - r.bps : 0;
		r.pps = pps >= r.pps ? pps - r.pps : 0;
	}
	return r;
}

static bool holds(uint64_t a, uint64_t b, uint16_t mode)
{
	return mode == XT_RATEEST_MATCH_LT ? a < b : mode == XT_RATEEST_MATCH_GT ? a > b : a == b;
}

static bool rateest_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_rateest_match_info *info = data;
	bool delta = info->flags & XT_RATEEST_MATCH_DELTA;
	struct rates one = rates_of(info->est1, delta, info->bps1, info->pps1), two = { info->bps2, info->pps2 };
	bool answer = true;

	if (!(info->flags & XT_RATEEST_MATCH_ABS))
		two = rates_of(info->est2, delta, info->bps2, info->pps2);
	if (info->flags & XT_RATEEST_MATCH_BPS)
		answer &= holds(one.bps, two.bps, info->mode);
	if (info->flags & XT_RATEEST_MATCH_PPS)
		answer &= holds(one.pps, two.pps, info->mode);
	return answer != !!(info->flags & XT_RATEEST_MATCH_INVERT);
}

/* A kept rule's estimator lives, also when the RATEEST that made it has gone: with which settings, nobody can see any more. */
static struct rate_estimator *estimator(const struct ext_check *check, const char *name)
{
	struct rate_estimator *est = rate_estimator_get(check->inst, name);
	int err;

	return est || !check->was_taken ? est : rate_estimator_make(check->inst, name, 0, 1, &err);
}

static int rateest_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_rateest_match_info *info = data;

	if (__builtin_popcount(info->flags & (XT_RATEEST_MATCH_ABS | XT_RATEEST_MATCH_REL)) != 1)
		return refuse(why, -EINVAL, "rateest: either a rate or another estimator is compared with");
	if (!(info->flags & (XT_RATEEST_MATCH_BPS | XT_RATEEST_MATCH_PPS)))
		return refuse(why, -EINVAL, "rateest: bps or pps is needed");
	if (info->mode < XT_RATEEST_MATCH_EQ || info->mode > XT_RATEEST_MATCH_GT)
		return refuse(why, -EINVAL, "rateest: one of lt, gt, eq is needed");
	if (strnlen(info->name1, sizeof(info->name1)) == sizeof(info->name1) ||
	    strnlen(info->name2, sizeof(info->name2)) == sizeof(info->name2))
		return refuse(why, -ENAMETOOLONG, "rateest: a name does not end");
	info->est1 = (struct xt_rateest *)estimator(check, info->name1);
	info->est2 = NULL;
	if (!info->est1)
		return refuse(why, -ENOENT, "rateest: there is no estimator \"%s\"", info->name1);
	if (!(info->flags & XT_RATEEST_MATCH_REL))
		return 0;
	info->est2 = (struct xt_rateest *)estimator(check, info->name2);
	if (!info->est2) {
		rate_estimator_put((struct rate_estimator *)info->est1);
		return refuse(why, -ENOENT, "rateest: there is no estimator \"%s\"", info->name2);
	}
	return 0;
}

static void rateest_destroy(void *data, const struct ext_check *check)
{
	struct xt_rateest_match_info *info = data;

	rate_estimator_put((struct rate_estimator *)info->est1);
	if (info->est2)
		rate_estimator_put((struct rate_estimator *)info->est2);
}

/* --- text --- */

static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_rateest_match_info *info = call->info;
	bool second = strcmp(call->opt->name, "rateest2") == 0;
	char *name = second ? info->name2 : info->name1;

	memcpy(name, call->arg, strnlen(call->arg, IFNAMSIZ - 1));
	if (second)
		info->flags |= XT_RATEEST_MATCH_REL;
	return 0;
}

static bool read_rate(const char *text, uint32_t *bytes_sec)
{
	static const struct { const char *name; double bits; } units[] = {
		{ "bit", 1 }, { "Kibit", 1024. }, { "kbit", 1e3 }, { "Mibit", 1048576. }, { "mbit", 1e6 }, { "Gibit", 1073741824. },
		{ "gbit", 1e9 }, { "Tibit", 1099511627776. }, { "tbit", 1e12 }, { "Bps", 8 }, { "KiBps", 8192. }, { "KBps", 8e3 },
		{ "MiBps", 8388608. }, { "MBps", 8e6 }, { "GiBps", 8589934592. }, { "GBps", 8e9 }, { "TiBps", 8796093022208. },
		{ "TBps", 8e12 }, { "", 1 },
	};
	char *end;
	double value = strtod(text, &end);

	if (end == text)
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcasecmp(units[i].name, end) == 0) {
			value = value * units[i].bits / 8;
			if (!(value >= 0 && value <= UINT32_MAX))
				return false;
			*bytes_sec = (uint32_t)value;
			return true;
		}
	}
	return false;
}

/* The rate may be left out: with two estimators and no delta there is none. */
static int parse_rate(struct opt_call *call, struct refusal *why)
{
	struct xt_rateest_match_info *info = call->info;
	bool first = call->opt->name[strlen(call->opt->name) - 1] == '1', is_bps = strstr(call->opt->name, "-bps");
	uint64_t packets;

	if (!call->arg)
		return 0;
	if (is_bps && !read_rate(call->arg, first ? &info->bps1 : &info->bps2))
		return refuse(why, -EINVAL, "rateest: \"%s\" is not a rate (bit, kbit, mbit, Bps, KBps, ...)", call->arg);
	if (is_bps)
		return 0;
	if (!opt_u64(call->arg, 0, UINT32_MAX, &packets))
		return refuse(why, -EINVAL, "rateest: \"%s\" is not a number of packets", call->arg);
	*(first ? &info->pps1 : &info->pps2) = (uint32_t)packets;
	return 0;
}

static int parse_mode(struct opt_call *call, struct refusal *why)
{
	static const struct { const char *name; uint16_t mode; } modes[] = {
		{ "rateest-lt", XT_RATEEST_MATCH_LT }, { "rateest-gt", XT_RATEEST_MATCH_GT }, { "rateest-eq", XT_RATEEST_MATCH_EQ },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(call->opt->name, modes[i].name) == 0)
			((struct xt_rateest_match_info *)call->info)->mode = modes[i].mode;
	return 0;
}

#define SETS(bits) .set_at = offsetof(struct xt_rateest_match_info, flags), .set_bits = (bits), .set_width = 2
#define RATE(bits) .type = OPT_FLAG, .flags = OPT_WORD_MAY_FOLLOW, .parse = parse_rate, .arg = "rate", SETS(bits)
#define MODE .type = OPT_FLAG, .flags = OPT_INVERTIBLE, .parse = parse_mode, \
	.invert_at = offsetof(struct xt_rateest_match_info, flags), .invert_bits = XT_RATEEST_MATCH_INVERT, .invert_width = 2

static const struct opt rateest_options[] = {
	{ .name = "rateest1", .type = OPT_CUSTOM, .parse = parse_name, .arg = "name", .help = "the estimator" },
	{ .name = "rateest", .type = OPT_CUSTOM, .parse = parse_name, .arg = "name", .same_as = "rateest1", .help = "the same" },
	{ .name = "rateest2", .type = OPT_CUSTOM, .parse = parse_name, .arg = "name", .help = "the estimator it is compared with" },
	{ .name = "rateest-bps1", RATE(XT_RATEEST_MATCH_BPS), .help = "compare bytes a second; the rate that --rateest-delta takes from" },
	{ .name = "rateest-pps1", RATE(XT_RATEEST_MATCH_PPS), .help = "compare packets a second" },
	{ .name = "rateest-bps2", RATE(XT_RATEEST_MATCH_BPS), .help = "the second rate" },
	{ .name = "rateest-pps2", RATE(XT_RATEEST_MATCH_PPS), .help = "the second rate" },
	{ .name = "rateest-bps", RATE(XT_RATEEST_MATCH_BPS), .same_as = "rateest-bps2", .help = "the rate to compare with" },
	{ .name = "rateest-pps", RATE(XT_RATEEST_MATCH_PPS), .same_as = "rateest-pps2", .help = "the rate to compare with" },
	{ .name = "rateest-delta", .type = OPT_FLAG, SETS(XT_RATEEST_MATCH_DELTA), .help = "compare what is left of given rates" },
	{ .name = "rateest-lt", MODE, .help = "match if the rate is less" },
	{ .name = "rateest-gt", MODE, .help = "match if the rate is greater" },
	{ .name = "rateest-eq", MODE, .help = "match if the rates are equal" },
	OPT_END
};

static int rateest_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_rateest_match_info *info = data;

	if (!(info->flags & XT_RATEEST_MATCH_REL))
		info->flags |= XT_RATEEST_MATCH_ABS;
	return 0;
}

static void add_bps(struct strbuf *out, uint32_t bytes_sec, bool numeric)
{
	double bits = (double)bytes_sec * 8;

	if (numeric)
		sb_printf(out, " %u", bytes_sec);
	else if (bits >= 1e9)
		sb_printf(out, " %.0fMbit", bits / 1e6);
	else if (bits >= 1e6)
		sb_printf(out, " %.0fKbit", bits / 1e3);
	else
		sb_printf(out, " %.0fbit", bits);
}

static void add_mode(struct strbuf *out, const struct xt_rateest_match_info *info, const char *dashes)
{
	static const char *const words[] = { "", "eq", "lt", "gt" };

	sb_printf(out, "%s %s%s", info->flags & XT_RATEEST_MATCH_INVERT ? " !" : "", dashes, words[info->mode & 3]);
}

static void save_rate(const struct xt_rateest_match_info *info, const char *name, uint32_t one, uint32_t two, bool numeric,
		      struct strbuf *out)
{
	bool delta = info->flags & XT_RATEEST_MATCH_DELTA;

	if (delta) {
		sb_printf(out, " --rateest-%s1", name);
		add_bps(out, one, numeric);
	}
	add_mode(out, info, "--rateest-");
	sb_printf(out, " --rateest-%s%s", name, delta ? "2" : "");
	if (info->flags & XT_RATEEST_MATCH_ABS || delta)
		add_bps(out, two, numeric);
}

static void rateest_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_rateest_match_info *info = data;
	bool relative = info->flags & XT_RATEEST_MATCH_REL;

	if (info->flags & XT_RATEEST_MATCH_DELTA)
		sb_adds(out, " --rateest-delta");
	sb_printf(out, " --rateest%s %.*s", relative ? "1" : "", IFNAMSIZ, info->name1);
	if (info->flags & XT_RATEEST_MATCH_BPS)
		save_rate(info, "bps", info->bps1, info->bps2, false, out);
	if (info->flags & XT_RATEEST_MATCH_PPS)
		save_rate(info, "pps", info->pps1, info->pps2, true, out);
	if (relative)
		sb_printf(out, " --rateest2 %.*s", IFNAMSIZ, info->name2);
}

static void rateest_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_rateest_match_info *info = data;
	bool delta = info->flags & XT_RATEEST_MATCH_DELTA, absolute = info->flags & XT_RATEEST_MATCH_ABS;
	bool bps = info->flags & XT_RATEEST_MATCH_BPS, pps = info->flags & XT_RATEEST_MATCH_PPS;

	sb_printf(out, " rateest match %.*s%s", IFNAMSIZ, info->name1, delta ? " delta" : "");
	if (bps) {
		sb_adds(out, " bps");
		if (delta)
			add_bps(out, info->bps1, view->numeric);
		if (absolute) {
			add_bps(out, info->bps2, view->numeric);
			add_mode(out, info, "");
		}
	}
	if (pps) {
		sb_adds(out, " pps");
		if (delta)
			sb_printf(out, " %u", info->pps1);
		if (absolute) {
			add_mode(out, info, "");
			sb_printf(out, " %u", info->pps2);
		}
	}
	if (!(info->flags & XT_RATEEST_MATCH_REL))
		return;
	add_mode(out, info, "");
	sb_printf(out, " %.*s", IFNAMSIZ, info->name2);
	if (bps) {
		sb_adds(out, " bps");
		if (delta)
			add_bps(out, info->bps2, view->numeric);
	}
	if (pps) {
		sb_adds(out, " pps");
		if (delta)
			sb_printf(out, " %u", info->pps2);
	}
}

static const struct ext_text rateest_text = {
	.options = rateest_options, .help_head = "rateest match options:", .finish = rateest_finish,
	.save = rateest_save, .print = rateest_print,
};

const struct match match_rateest = {
	.name = "rateest", .names_shared = true, .families = FAMILY_ANY, .info_size = sizeof(struct xt_rateest_match_info),
	.user_size = offsetof(struct xt_rateest_match_info, est1), .depends = DEP_STATE | DEP_TIME,
	.match = rateest_match, .checkentry = rateest_check, .destroy = rateest_destroy, .text = &rateest_text,
};
