/* ext/target/log.c - "-j LOG": tells the log of the packet and goes on. */
#include "base/uapi.h"

#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/xt_LOG.h>

#include "ext/option.h"

static unsigned int log_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_log_info *info = data;

	log_packet(call->inst, pkt, call->state, info->level, info->logflags, info->prefix);
	return XT_CONTINUE;
}

static int log_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_log_info *info = data;

	if (info->level >= 8)
		return refuse(why, -EINVAL, "LOG: there is no level %u", info->level);
	if (info->prefix[sizeof(info->prefix) - 1])
		return refuse(why, -EINVAL, "LOG: the prefix does not end");
	return 0;
}

enum { LEVEL_DEFAULT = 4 };

/* What --log-level knows; numbers too. -L writes two of them shorter. */
static const char *const level_words[] = {
	"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
};

static int parse_level(struct opt_call *call, struct refusal *why)
{
	struct xt_log_info *info = call->info;
	uint64_t number;

	if (opt_u64(call->arg, 0, 7, &number)) {
		info->level = number;
		return 0;
	}
	for (unsigned int level = 0; level < ARRAY_SIZE(level_words); level++) {
		if (strcmp(call->arg, level_words[level]) == 0) {
			info->level = level;
			return 0;
		}
	}
	if (strcmp(call->arg, "panic"))
		return refuse(why, -EINVAL, "LOG: --log-level does not know the level \"%s\"", call->arg);
	info->level = 0;
	return 0;
}

/* A longer prefix is cut, not refused. */
static int parse_prefix(struct opt_call *call, struct refusal *why)
{
	struct xt_log_info *info = call->info;

	if (!*call->arg)
		return refuse(why, -EINVAL, "LOG: --log-prefix needs at least one character");
	if (strchr(call->arg, '\n'))
		return refuse(why, -EINVAL, "LOG: --log-prefix may not hold newlines");
	memcpy(info->prefix, call->arg, strnlen(call->arg, sizeof(info->prefix) - 1));
	return 0;
}

static const struct { const char *option, *word; uint8_t bit; } log_flags[] = {
	{ "log-tcp-sequence", "tcp-sequence", NF_LOG_TCPSEQ }, { "log-tcp-options", "tcp-options", NF_LOG_TCPOPT },
	{ "log-ip-options", "ip-options", NF_LOG_IPOPT }, { "log-uid", "uid", NF_LOG_UID },
	{ "log-macdecode", "macdecode", NF_LOG_MACDECODE },
};

#define LOG_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_log_info, logflags), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt log_options[] = {
	{ .name = "log-level", .type = OPT_CUSTOM, .parse = parse_level, .arg = "level",
	  .help = "level of logging, a number from 0 to 7 or a name" },
	{ .name = "log-prefix", .type = OPT_CUSTOM, .parse = parse_prefix, .arg = "prefix",
	  .help = "prefix log messages with this prefix" },
	LOG_FLAG("log-tcp-sequence", NF_LOG_TCPSEQ, "log TCP sequence numbers"),
	LOG_FLAG("log-tcp-options", NF_LOG_TCPOPT, "log TCP options"),
	LOG_FLAG("log-ip-options", NF_LOG_IPOPT, "log IP options"),
	LOG_FLAG("log-uid", NF_LOG_UID, "log UID owning the local socket"),
	LOG_FLAG("log-macdecode", NF_LOG_MACDECODE, "decode MAC addresses and protocol"),
	OPT_END
};

static void log_init(void *data)
{
	((struct xt_log_info *)data)->level = LEVEL_DEFAULT;
}

static void log_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_log_info *info = data;
	char prefix[sizeof(info->prefix) + 1] = "";

	memcpy(prefix, info->prefix, sizeof(info->prefix));
	if (prefix[0]) {
		sb_adds(out, " --log-prefix");
		save_quoted(out, prefix);
	}
	if (info->level != LEVEL_DEFAULT)
		sb_printf(out, " --log-level %u", info->level);
	for (unsigned int i = 0; i < ARRAY_SIZE(log_flags); i++)
		if (info->logflags & log_flags[i].bit)
			sb_printf(out, " --%s", log_flags[i].option);
}

static void log_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_log_info *info = data;

	if (view->numeric) {
		sb_printf(out, " LOG flags %u level %u", info->logflags, info->level);
	} else {
		sb_printf(out, " LOG level %s", info->level == 3 ? "err" : info->level == 4 ? "warn" :
			  info->level < 8 ? level_words[info->level] : "");
		for (unsigned int i = 0; i < ARRAY_SIZE(log_flags); i++)
			if (info->logflags & log_flags[i].bit)
				sb_printf(out, " %s", log_flags[i].word);
	}
	if (info->prefix[0])
		sb_printf(out, " prefix \"%.*s\"", (int)sizeof(info->prefix), info->prefix);
}

static const struct ext_text log_text = {
	.options = log_options, .help_head = "LOG target options:",
	.init = log_init, .save = log_save, .print = log_print,
};

const struct target target_log = {
	.name = "LOG", .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_log_info),
	.depends = DEP_STATE,	/* every packet has a line of its own */
	.target = log_target, .checkentry = log_check, .checks_rule_only = true, .text = &log_text,
};
