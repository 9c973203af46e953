/*
 * ext/match/connbytes.c - "-m connbytes": how much a connection has moved so far.
 * Such a rule switches accounting on for good; older connections have no counters and never fit. An inverted
 * range is kept with its ends exchanged.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_connbytes.h>

#include <inttypes.h>
#include <stdio.h>

#include "classify/classify.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool connbytes_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_connbytes_info *info = data;
	uint64_t packets = 0, bytes = 0, value;

	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		const struct ct_counter *counter = pkt->ct ? ct_counter(pkt->ct, dir) : NULL;

		if (!counter)
			return false;
		if (info->direction == XT_CONNBYTES_DIR_BOTH || info->direction == dir) {
			packets += counter->packets;
			bytes += counter->bytes;
		}
	}
	value = info->what == XT_CONNBYTES_PKTS ? packets : info->what == XT_CONNBYTES_BYTES ? bytes :
		packets ? bytes / packets : 0;
	if (info->count.to >= info->count.from)
		return value <= info->count.to && value >= info->count.from;
	return value < info->count.to || value > info->count.from;
}

static int connbytes_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_connbytes_info *info = data;
	int err;

	if (info->what > XT_CONNBYTES_AVGPKT || info->direction > XT_CONNBYTES_DIR_BOTH)
		return refuse(why, -EINVAL, "connbytes: unknown mode %u or direction %u", info->what, info->direction);
	err = ct_hooks_get(check->inst, check->family);
	if (err)
		return refuse(why, err, "connbytes: connection tracking cannot be switched on");
	ct_accounting_on(check->inst);
	return 0;
}

static void connbytes_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

static int parse_range(struct opt_call *call, struct refusal *why)
{
	struct xt_connbytes_info *info = call->info;
	const char *colon = strchr(call->arg, ':');
	uint64_t low = 0, high = UINT64_MAX;
	char head[32];
	bool ok = !colon || (size_t)(colon - call->arg) < sizeof(head);

	if (ok && colon) {
		snprintf(head, sizeof(head), "%.*s", (int)(colon - call->arg), call->arg);
		ok = (!head[0] || opt_u64(head, 0, UINT64_MAX, &low)) &&
		     (!colon[1] || opt_u64(colon + 1, 0, UINT64_MAX, &high));
	} else if (ok) {
		ok = !*call->arg || opt_u64(call->arg, 0, UINT64_MAX, &low);
	}
	if (!ok || low > high)
		return refuse(why, -EINVAL, "connbytes: \"%s\" is not a range from[:to]", call->arg);
	info->count.from = call->invert ? high : low;
	info->count.to = call->invert ? low : high;
	return 0;
}

static const char *const mode_words[] = { "packets", "bytes", "avgpkt" };
static const char *const dir_words[] = { "original", "reply", "both" };

static int parse_word(struct opt_call *call, struct refusal *why)
{
	const bool is_mode = call->opt->at == offsetof(struct xt_connbytes_info, what);
	const char *const *words = is_mode ? mode_words : dir_words;

	for (uint8_t i = 0; i < 3; i++) {
		if (strcmp(words[i], call->arg) == 0) {
			((uint8_t *)call->info)[call->opt->at] = i;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "connbytes: --%s takes %s, %s or %s, not \"%s\"", call->opt->name, words[0], words[1],
		      words[2], call->arg);
}

static const struct opt connbytes_options[] = {
	{ .name = "connbytes", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_range,
	  .arg = "from[:to]", .help = "range of packets, bytes or bytes per packet" },
	{ .name = "connbytes-dir", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_word,
	  .at = offsetof(struct xt_connbytes_info, direction), .arg = "original|reply|both", .help = "which direction counts" },
	{ .name = "connbytes-mode", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_word,
	  .at = offsetof(struct xt_connbytes_info, what), .arg = "packets|bytes|avgpkt", .help = "what is counted" },
	OPT_END
};

static void connbytes_add(const struct xt_connbytes_info *info, const char *dashes, struct strbuf *out)
{
	bool inverted = info->count.from > info->count.to;
	uint64_t low = inverted ? info->count.to : info->count.from, high = inverted ? info->count.from : info->count.to;

	sb_printf(out, "%s %sconnbytes %" PRIu64, inverted ? " !" : "", dashes, low);
	if (high && high != UINT64_MAX)
		sb_printf(out, ":%" PRIu64, high);
	sb_printf(out, dashes[0] ? " --connbytes-mode %s --connbytes-dir %s" : " connbytes mode %s connbytes direction %s",
		  mode_words[MIN_OF(info->what, 2)], dir_words[MIN_OF(info->direction, 2)]);
}

static void connbytes_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	connbytes_add(data, "--", out);
}

static void connbytes_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	connbytes_add(data, "", out);
}

static const struct ext_text connbytes_text = {
	.options = connbytes_options, .help_head = "connbytes match options:",
	.save = connbytes_save, .print = connbytes_print,
};

const struct match match_connbytes = {
	.name = "connbytes", .families = FAMILY_ANY, .info_size = sizeof(struct xt_connbytes_info),
	.depends = DEP_CT_TIME | DEP_CT_STATE | DEP_STATE,
	.match = connbytes_match, .classify = class_rule_nothing, .checkentry = connbytes_check, .destroy = connbytes_destroy, .text = &connbytes_text,
};
