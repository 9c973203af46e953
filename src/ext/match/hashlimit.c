/*
 * ext/match/hashlimit.c - "-m hashlimit": a rate per group of packets (addresses, networks, ports).
 * The buckets and their arithmetic are in ext/ratetable.c. Rates are kept as time between packets; byte rates as the
 * 32-bit share of a 16-byte chunk, so that text and blob lose the same digits as upstream's.
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ext/option.h"
#include "ext/ratetable.h"

enum {
	BURST_DEFAULT = 5, BURST_MAX = 1000000,
	GC_INTERVAL_MS = 1000,
	BYTE_EXPIRE_SEC = 15, BYTE_EXPIRE_BURST_SEC = 60,
	MODES_KNOWN = 0x7f,
};

/* --- datapath --- */

static struct hashlimit_cfg3 cfg_of_1(const struct hashlimit_cfg1 *old)
{
	return (struct hashlimit_cfg3){ .avg = old->avg, .burst = old->burst, .mode = old->mode, .size = old->size,
					.max = old->max, .gc_interval = old->gc_interval, .expire = old->expire,
					.srcmask = old->srcmask, .dstmask = old->dstmask };
}

static struct hashlimit_cfg3 cfg_of_2(const struct hashlimit_cfg2 *old)
{
	return (struct hashlimit_cfg3){ .avg = old->avg, .burst = old->burst, .mode = old->mode, .size = old->size,
					.max = old->max, .gc_interval = old->gc_interval, .expire = old->expire,
					.srcmask = old->srcmask, .dstmask = old->dstmask };
}

static bool answer(const struct pkt *pkt, struct ext_call *call, struct xt_hashlimit_htable *held, uint32_t mode,
		   unsigned int revision)
{
	int below = rate_table_ask((struct rate_table *)held, pkt, call, mode, revision);

	if (below < 0) {
		call->hotdrop = true;
		return false;
	}
	return below == !(mode & XT_HASHLIMIT_INVERT);
}

static bool hashlimit_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_hashlimit_mtinfo1 *info = data;

	return answer(pkt, call, info->hinfo, info->cfg.mode, 1);
}

static bool hashlimit_match_2(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_hashlimit_mtinfo2 *info = data;

	return answer(pkt, call, info->hinfo, info->cfg.mode, 2);
}

static bool hashlimit_match_3(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_hashlimit_mtinfo3 *info = data;

	return answer(pkt, call, info->hinfo, info->cfg.mode, 3);
}

static int rate_check(const struct hashlimit_cfg3 *cfg, unsigned int revision, struct refusal *why)
{
	if (cfg->mode & XT_HASHLIMIT_RATE_MATCH) {
		if (revision < 3)
			return refuse(why, -EINVAL, "hashlimit: this revision knows no --hashlimit-rate-match");
		if (cfg->avg == 0 || cfg->avg > UINT32_MAX)
			return refuse(why, -ERANGE, "hashlimit: the rate cannot be matched");
		if (cfg->interval == 0)
			return refuse(why, -EINVAL, "hashlimit: the interval is 0");
	} else if (cfg->mode & XT_HASHLIMIT_BYTES) {
		if (rate_credits_bytes((uint32_t)cfg->avg) == 0)
			return refuse(why, -EINVAL, "hashlimit: the rate is too high");
	} else if (cfg->burst == 0 || rate_credits(cfg->avg * cfg->burst, revision) < rate_credits(cfg->avg, revision)) {
		return refuse(why, -ERANGE, "hashlimit: the rate times the burst of %" PRIu64 " is beyond what can be counted",
			      (uint64_t)cfg->burst);
	}
	return 0;
}

static int check_common(const struct ext_check *check, const char *name, size_t name_size, const struct hashlimit_cfg3 *cfg,
			unsigned int revision, struct xt_hashlimit_htable **held, struct refusal *why)
{
	unsigned int longest = check->family == NFPROTO_IPV4 ? 32 : 128;
	int err = ext_file_name_check("hashlimit", name, name_size, why);
	struct refusal own = { 0 };

	if (err)
		return err;
	if (cfg->gc_interval == 0 || cfg->expire == 0)
		return refuse(why, -EINVAL, "hashlimit: the interval of collection and the expiry may not be 0");
	if (cfg->srcmask > longest || cfg->dstmask > longest)
		return refuse(why, -EINVAL, "hashlimit: a mask is longer than an address");
	if (cfg->mode & ~MODES_KNOWN)
		return refuse(why, -EINVAL, "hashlimit: unknown mode %#x", cfg->mode);
	err = rate_check(cfg, revision, why);
	if (err)
		return err;
	*held = (struct xt_hashlimit_htable *)rate_table_get(check->inst, name, check->family, cfg, revision, &own);
	return *held ? 0 : refuse(why, own.err, "%s", own.text);
}

static int hashlimit_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_hashlimit_mtinfo1 *info = data;
	struct hashlimit_cfg3 cfg = cfg_of_1(&info->cfg);

	return check_common(check, info->name, sizeof(info->name), &cfg, 1, &info->hinfo, why);
}

static int hashlimit_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_hashlimit_mtinfo2 *info = data;
	struct hashlimit_cfg3 cfg = cfg_of_2(&info->cfg);

	return check_common(check, info->name, sizeof(info->name), &cfg, 2, &info->hinfo, why);
}

static int hashlimit_check_3(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = data;

	info->cfg.size = MIN_OF(info->cfg.size, (uint32_t)RATE_TABLE_SIZE_MAX);	/* Linux cuts it where everybody sees it */
	info->cfg.max = MIN_OF(info->cfg.max, (uint32_t)RATE_TABLE_SIZE_MAX);
	return check_common(check, info->name, sizeof(info->name), &info->cfg, 3, &info->hinfo, why);
}

static void hashlimit_destroy_1(void *data, const struct ext_check *check)
{
	rate_table_put((struct rate_table *)((struct xt_hashlimit_mtinfo1 *)data)->hinfo);
}

static void hashlimit_destroy_2(void *data, const struct ext_check *check)
{
	rate_table_put((struct rate_table *)((struct xt_hashlimit_mtinfo2 *)data)->hinfo);
}

static void hashlimit_destroy_3(void *data, const struct ext_check *check)
{
	rate_table_put((struct rate_table *)((struct xt_hashlimit_mtinfo3 *)data)->hinfo);
}

/* --- text --- */

/*
 * While options are read, the place of the kernel's pointer, which user space leaves empty, holds the seconds of the
 * rate's unit: the default expiry and interval rest on it.
 */
static uint32_t unit_sec(const struct xt_hashlimit_mtinfo3 *info)
{
	return (uint32_t)(uintptr_t)info->hinfo;
}

static void set_unit(struct xt_hashlimit_mtinfo3 *info, uint32_t seconds)
{
	info->hinfo = (struct xt_hashlimit_htable *)(uintptr_t)seconds;
}

static uint64_t cost_to_bytes(uint64_t cost)
{
	return ((cost ? UINT32_MAX / cost : UINT32_MAX) - 1) << XT_HASHLIMIT_BYTE_SHIFT;
}

static uint64_t bytes_to_cost(uint64_t bytes)
{
	uint32_t chunks = (uint32_t)(bytes >> XT_HASHLIMIT_BYTE_SHIFT) + 1;

	return chunks ? UINT32_MAX / chunks : 0;
}

static uint32_t factor_of(char letter)
{
	return letter == 'm' ? 1024 * 1024 : letter == 'k' ? 1024 : 1;
}

static const struct { const char *full, *shown; uint32_t seconds; } units[] = {
	{ "day", "day", 86400 }, { "hour", "hour", 3600 }, { "minute", "min", 60 }, { "second", "sec", 1 },
};

/* "512kb/s". 0: it is not that; -1: refused. */
static int bytes_rate(struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = call->info;
	const char *unit = strstr(call->arg, "b/s");
	uint64_t rate = unit && unit != call->arg ? (uint64_t)atoll(call->arg) : 0;

	if (!rate)
		return 0;
	info->cfg.avg = bytes_to_cost(rate * factor_of(unit[-1]));
	if (!info->cfg.avg) {
		refuse(why, -EINVAL, "hashlimit: the rate %s is too high", call->arg);
		return -1;
	}
	set_unit(info, BYTE_EXPIRE_SEC);
	info->cfg.mode |= XT_HASHLIMIT_BYTES;
	return 1;
}

static int parse_rate(struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = call->info;
	const char *slash = strchr(call->arg, '/');
	uint64_t rate = (uint64_t)atoll(call->arg);
	uint32_t seconds = 1;
	int bytes;

	if (call->invert != (strcmp(call->opt->name, "hashlimit-above") == 0))
		info->cfg.mode |= XT_HASHLIMIT_INVERT;
	bytes = bytes_rate(call, why);
	if (bytes)
		return bytes > 0 ? 0 : -EINVAL;
	if (slash) {
		size_t len = strlen(slash + 1), unit = 0;

		while (unit < ARRAY_SIZE(units) && strncasecmp(units[unit].full, slash + 1, len))
			unit++;
		if (!len || unit == ARRAY_SIZE(units))
			rate = 0;
		else
			seconds = units[unit].seconds;
	}
	if (!rate)
		return refuse(why, -EINVAL, "hashlimit: --%s takes number[/second|/minute|/hour|/day] or number[k|m]b/s, not \"%s\"",
			      call->name, call->arg);
	set_unit(info, seconds);
	info->cfg.avg = XT_HASHLIMIT_SCALE_v2 * seconds / rate;
	if (!info->cfg.avg)
		return refuse(why, -EINVAL, "hashlimit: the rate %s is too fast to be counted", call->arg);
	return 0;
}

static int parse_burst(struct opt_call *call, struct refusal *why)
{
	uint64_t value;
	char *end;

	if (!opt_number(call->arg, &end, &value) || value == 0 || (!*end && value > BURST_MAX))
		return refuse(why, -EINVAL, "hashlimit: --hashlimit-burst takes 1 to %u, or bytes with k or m, not \"%s\"", BURST_MAX,
			      call->arg);
	((struct xt_hashlimit_mtinfo3 *)call->info)->cfg.burst = value * factor_of(*end);
	return 0;
}

static const struct opt_word mode_words[] = {	/* in the order of printing */
	{ "srcip", XT_HASHLIMIT_HASH_SIP }, { "srcport", XT_HASHLIMIT_HASH_SPT },
	{ "dstip", XT_HASHLIMIT_HASH_DIP }, { "dstport", XT_HASHLIMIT_HASH_DPT },
};

static int parse_mode(struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = call->info;

	for (const char *at = call->arg; *at; at += strspn(at, ",|")) {
		size_t len = strcspn(at, ",|"), i = 0;

		while (i < ARRAY_SIZE(mode_words) && (strlen(mode_words[i].name) != len || strncmp(mode_words[i].name, at, len)))
			i++;
		if (len && i == ARRAY_SIZE(mode_words))
			return refuse(why, -EINVAL, "hashlimit: \"%.*s\" is not a mode (srcip, srcport, dstip, dstport)", (int)len, at);
		if (len)
			info->cfg.mode |= mode_words[i].value;
		at += len;
	}
	return 0;
}

static int parse_mask(struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = call->info;
	unsigned int longest = call->family == NFPROTO_IPV4 ? 32 : 128;
	int len = opt_mask_len(call->arg, call->family);

	if (len < 0)
		return refuse(why, -EINVAL, "hashlimit: --%s takes a prefix length up to %u, not \"%s\"", call->name, longest, call->arg);
	*(strcmp(call->opt->name, "hashlimit-srcmask") == 0 ? &info->cfg.srcmask : &info->cfg.dstmask) = (uint8_t)len;
	return 0;
}

static int parse_name(struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = call->info;
	size_t len = strlen(call->arg);

	if (!len)
		return refuse(why, -EINVAL, "hashlimit: --hashlimit-name takes a name");
	memcpy(info->name, call->arg, MIN_OF(len, sizeof(info->name) - 1));
	return 0;
}

static int parse_interval(struct opt_call *call, struct refusal *why)
{
	int seconds = atoi(call->arg);

	if (seconds <= 0)
		return refuse(why, -EINVAL, "hashlimit: --hashlimit-rate-interval takes seconds, not \"%s\"", call->arg);
	((struct xt_hashlimit_mtinfo3 *)call->info)->cfg.interval = seconds;
	return 0;
}

#define CFG(field) .at = offsetof(struct xt_hashlimit_mtinfo3, cfg.field), .size = 4
#define RATE .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_rate, .arg = "rate"

enum { ROW_UPTO, ROW_ABOVE, ROW_SRCMASK, ROW_DSTMASK, ROW_BURST, ROW_EXPIRE, ROW_RATE_MATCH };

static const struct opt hashlimit_options[] = {
	{ .name = "hashlimit-upto", RATE, .excludes = "hashlimit-above",
	  .help = "match below this rate: number[/second /minute /hour /day] or number[k|m]b/s" },
	{ .name = "hashlimit-above", RATE, .excludes = "hashlimit-upto", .help = "match above this rate" },
	{ .name = "hashlimit-srcmask", .type = OPT_CUSTOM, .parse = parse_mask, .arg = "length", .help = "group sources by prefix" },
	{ .name = "hashlimit-dstmask", .type = OPT_CUSTOM, .parse = parse_mask, .arg = "length", .help = "group destinations by prefix" },
	{ .name = "hashlimit-burst", .type = OPT_CUSTOM, .parse = parse_burst, .arg = "number", .help = "so many may come at once; default 5" },
	{ .name = "hashlimit-htable-expire", .type = OPT_U32, CFG(expire), .arg = "ms", .help = "idle entries end after this time" },
	{ .name = "hashlimit-rate-match", .type = OPT_FLAG, .set_at = offsetof(struct xt_hashlimit_mtinfo3, cfg.mode),
	  .set_bits = XT_HASHLIMIT_RATE_MATCH, .set_width = 4, .help = "measure the rate instead of limiting it" },
	{ .name = "hashlimit", RATE, .same_as = "hashlimit-upto", .help = "the old name of --hashlimit-upto" },
	{ .name = "hashlimit-htable-size", .type = OPT_U32, CFG(size), .arg = "number", .help = "buckets of the hash table" },
	{ .name = "hashlimit-htable-max", .type = OPT_U32, CFG(max), .arg = "number", .help = "entries of the hash table" },
	{ .name = "hashlimit-htable-gcinterval", .type = OPT_U32, CFG(gc_interval), .arg = "ms", .help = "time between collections" },
	{ .name = "hashlimit-mode", .type = OPT_CUSTOM, .parse = parse_mode, .arg = "list",
	  .help = "what makes a group: srcip,srcport,dstip,dstport" },
	{ .name = "hashlimit-name", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_name, .arg = "name",
	  .help = "the table's name; rules of one name share it" },
	{ .name = "hashlimit-rate-interval", .type = OPT_CUSTOM, .parse = parse_interval, .arg = "seconds",
	  .help = "over which --hashlimit-rate-match measures" },
	OPT_END
};

static void hashlimit_init(void *data)
{
	struct xt_hashlimit_mtinfo3 *info = data;

	info->cfg.burst = BURST_DEFAULT;
	info->cfg.gc_interval = GC_INTERVAL_MS;
}

static int hashlimit_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_hashlimit_mtinfo3 *info = data;
	struct hashlimit_cfg3 *cfg = &info->cfg;
	uint32_t unit = unit_sec(info);
	uint8_t full = call->family == NFPROTO_IPV4 ? 32 : 128;

	set_unit(info, 0);
	if (!(seen & (1 << ROW_UPTO | 1 << ROW_ABOVE)))
		return refuse(why, -EINVAL, "hashlimit: --hashlimit-upto or --hashlimit-above is required");
	if (!(seen & 1 << ROW_SRCMASK))
		cfg->srcmask = full;
	if (!(seen & 1 << ROW_DSTMASK))
		cfg->dstmask = full;
	if (!(seen & 1 << ROW_EXPIRE))
		cfg->expire = unit * 1000;
	if (cfg->mode & XT_HASHLIMIT_BYTES) {
		uint32_t times = 0;

		if (seen & 1 << ROW_BURST) {
			uint64_t rate = cost_to_bytes(cfg->avg);

			if (!rate || cfg->burst < rate)
				return refuse(why, -EINVAL, "hashlimit: the burst cannot be smaller than %" PRIu64 "b", rate);
			times = (uint32_t)((uint32_t)cfg->burst / rate) + !!(cfg->burst % rate);	/* as upstream counts beyond 32 bits */
			if (!(seen & 1 << ROW_EXPIRE))
				cfg->expire = BYTE_EXPIRE_BURST_SEC * 1000;
		}
		cfg->burst = times;
	} else if (cfg->burst > BURST_MAX) {
		return refuse(why, -EINVAL, "hashlimit: the burst is at most %u", BURST_MAX);
	}
	if (seen & 1 << ROW_RATE_MATCH) {
		bool bytes = cfg->mode & XT_HASHLIMIT_BYTES;

		if (!bytes)
			cfg->avg /= unit;
		if (cfg->interval == 0)
			cfg->interval = bytes ? 1 : unit;
	}
	return 0;
}

/* --- printing; each rate knows the expiry that is not worth saying, in ms --- */

static uint32_t add_rate(struct strbuf *out, uint64_t period)
{
	unsigned int i;

	if (!period) {
		sb_adds(out, " inf");
		return 0;
	}
	for (i = 1; i < ARRAY_SIZE(units); i++) {
		uint64_t whole = XT_HASHLIMIT_SCALE_v2 * units[i].seconds;

		if (period > whole || whole / period < whole % period)
			break;
	}
	sb_printf(out, " %" PRIu64 "/%s", (uint64_t)(XT_HASHLIMIT_SCALE_v2 * units[i - 1].seconds / period), units[i - 1].shown);
	return units[i - 1].seconds * 1000;
}

static uint32_t add_bytes(struct strbuf *out, const struct hashlimit_cfg3 *cfg, const char *prefix)
{
	static const struct { const char *letter; uint32_t from; } sizes[] = { { "m", 1024 * 1024 }, { "k", 1024 }, { "", 1 } };
	uint64_t rate = cost_to_bytes(cfg->avg);
	unsigned int i = 0;

	while (i < 2 && !(rate >= sizes[i].from && bytes_to_cost(rate & ~(sizes[i].from - 1)) == cfg->avg))
		i++;
	sb_printf(out, " %" PRIu64 "%sb/s", rate / sizes[i].from, sizes[i].letter);
	if (!cfg->burst)
		return BYTE_EXPIRE_SEC * 1000;
	rate *= cfg->burst;
	for (i = 0; i < 2 && rate < sizes[i].from; i++)
		;
	sb_printf(out, " %sburst %" PRIu64 "%sb", prefix, rate / sizes[i].from, sizes[i].letter);
	return BYTE_EXPIRE_BURST_SEC * 1000;
}

/* A listing multiplies the period of a rate-match with its interval, saved rules do not: as upstream. */
static void hashlimit_add(const struct xt_hashlimit_mtinfo3 *info, bool saved, const char *dashes,
			  const struct ext_view *view, struct strbuf *out)
{
	const struct hashlimit_cfg3 *cfg = &info->cfg;
	unsigned int full = view->family == NFPROTO_IPV4 ? 32 : 128;
	const char *between = "";
	uint32_t usual;

	if (cfg->mode & XT_HASHLIMIT_BYTES) {
		usual = add_bytes(out, cfg, dashes);
	} else {
		usual = add_rate(out, cfg->avg * (!saved && cfg->interval ? cfg->interval : 1));
		sb_printf(out, " %sburst %" PRIu64, dashes, (uint64_t)cfg->burst);
	}
	if (cfg->mode & (XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_HASH_SPT | XT_HASHLIMIT_HASH_DIP | XT_HASHLIMIT_HASH_DPT)) {
		sb_printf(out, " %smode ", dashes);
		for (unsigned int i = 0; i < ARRAY_SIZE(mode_words); i++) {
			if (cfg->mode & mode_words[i].value) {
				sb_printf(out, "%s%s", between, mode_words[i].name);
				between = saved ? "," : "-";
			}
		}
	}
	if (saved)
		sb_printf(out, " --hashlimit-name %.*s", (int)sizeof(info->name), info->name);
	if (cfg->size)
		sb_printf(out, " %shtable-size %u", dashes, cfg->size);
	if (cfg->max)
		sb_printf(out, " %shtable-max %u", dashes, cfg->max);
	if (cfg->gc_interval != GC_INTERVAL_MS)
		sb_printf(out, " %shtable-gcinterval %u", dashes, cfg->gc_interval);
	if (cfg->expire != usual)
		sb_printf(out, " %shtable-expire %u", dashes, cfg->expire);
	if (cfg->srcmask != full)
		sb_printf(out, " %ssrcmask %u", dashes, cfg->srcmask);
	if (cfg->dstmask != full)
		sb_printf(out, " %sdstmask %u", dashes, cfg->dstmask);
	if (cfg->mode & XT_HASHLIMIT_RATE_MATCH) {
		sb_printf(out, " %srate-match", dashes);
		if (cfg->interval != 1)
			sb_printf(out, " %srate-interval %u", dashes, cfg->interval);
	}
}

static void hashlimit_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_hashlimit_mtinfo3 *info = data;

	sb_adds(out, info->cfg.mode & XT_HASHLIMIT_INVERT ? " --hashlimit-above" : " --hashlimit-upto");
	hashlimit_add(info, true, "--hashlimit-", view, out);
}

static void hashlimit_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_hashlimit_mtinfo3 *info = data;

	sb_adds(out, info->cfg.mode & XT_HASHLIMIT_INVERT ? " limit: above" : " limit: up to");
	hashlimit_add(info, false, "", view, out);
}

static const struct ext_text hashlimit_text = {
	.options = hashlimit_options, .help_head = "hashlimit match options:", .init = hashlimit_init,
	.finish = hashlimit_finish, .save = hashlimit_save, .print = hashlimit_print,
};

#define HASHLIMIT(n) .name = "hashlimit", .revision = n, .families = FAMILY_ANY, \
	.info_size = sizeof(struct xt_hashlimit_mtinfo##n), .user_size = offsetof(struct xt_hashlimit_mtinfo##n, hinfo), \
	.depends = DEP_STATE | DEP_TIME | DEP_BYTES, .match = hashlimit_match_##n, .checkentry = hashlimit_check_##n, \
	.destroy = hashlimit_destroy_##n

const struct match match_hashlimit_1 = { HASHLIMIT(1) };
const struct match match_hashlimit_2 = { HASHLIMIT(2) };
const struct match match_hashlimit_3 = { HASHLIMIT(3), .text = &hashlimit_text };
