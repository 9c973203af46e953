/*
 * ext/target/ulog.c - "-j ULOG": packets for the log daemon of old. Linux has not had it since 3.17: rules are read and written,
 * and refused when they are loaded, as by every kernel of today.
 */
#include "base/uapi.h"

#include "ext/option.h"

enum { ULOG_GROUP = 1, ULOG_THRESHOLD = 1, ULOG_GROUPS = 32, ULOG_QUEUE = 50, ULOG_PREFIX = 32 };

/* The rule's data as its last kernel had it; today's headers have forgotten it. */
struct ulog_info {
	uint32_t group_bit;
	uint64_t copy_bytes, threshold;
	char prefix[ULOG_PREFIX];
};

static unsigned int ulog_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return XT_CONTINUE;	/* not reached */
}

static int ulog_check(void *data, const struct ext_check *check, struct refusal *why)
{
	return refuse(why, -ENOENT, "ULOG: Linux has it no more; NFLOG has taken its place");
}

static void ulog_init(void *data)
{
	struct ulog_info *info = data;

	info->group_bit = ULOG_GROUP;
	info->threshold = ULOG_THRESHOLD;
}

static int parse_group(struct opt_call *call, struct refusal *why)
{
	uint64_t group;

	if (!opt_u64(call->arg, 1, ULOG_GROUPS, &group))
		return refuse(why, -EINVAL, "ULOG: --ulog-nlgroup takes 1 to %d, not \"%s\"", ULOG_GROUPS, call->arg);
	((struct ulog_info *)call->info)->group_bit = 1u << (group - 1);
	return 0;
}

static int check_prefix(struct opt_call *call, struct refusal *why)
{
	if (!*call->arg || strlen(call->arg) >= ULOG_PREFIX || strchr(call->arg, '\n'))
		return refuse(why, -EINVAL, "ULOG: a prefix has 1 to %d bytes and no newline", ULOG_PREFIX - 1);
	return 0;
}

static const struct opt ulog_options[] = {
	{ .name = "ulog-nlgroup", .type = OPT_CUSTOM, .parse = parse_group, .arg = "nlgroup", .help = "netlink group used for logging" },
	{ .name = "ulog-prefix", .type = OPT_TEXT, .at = offsetof(struct ulog_info, prefix), .size = ULOG_PREFIX,
	  .parse = check_prefix, .arg = "prefix", .help = "prefix log messages with this prefix" },
	{ .name = "ulog-cprange", .type = OPT_U64, .at = offsetof(struct ulog_info, copy_bytes), .size = 8, .arg = "size",
	  .help = "bytes of each packet to be passed" },
	{ .name = "ulog-qthreshold", .type = OPT_U64, .at = offsetof(struct ulog_info, threshold), .size = 8, .min = 1,
	  .max = ULOG_QUEUE, .arg = "size", .help = "packets that wait for one message" },
	OPT_END
};

static void ulog_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ulog_info *info = data;

	if (info->prefix[0]) {
		sb_adds(out, " --ulog-prefix");
		save_quoted(out, info->prefix);
	}
	if (info->group_bit != ULOG_GROUP)
		sb_printf(out, " --ulog-nlgroup %d", __builtin_ffs((int)info->group_bit));
	if (info->copy_bytes)
		sb_printf(out, " --ulog-cprange %u", (uint32_t)info->copy_bytes);
	if (info->threshold != ULOG_THRESHOLD)
		sb_printf(out, " --ulog-qthreshold %u", (uint32_t)info->threshold);
}

static void ulog_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ulog_info *info = data;

	sb_printf(out, " ULOG copy_range %u nlgroup %d", (uint32_t)info->copy_bytes, __builtin_ffs((int)info->group_bit));
	if (info->prefix[0])
		sb_printf(out, " prefix \"%s\"", info->prefix);
	sb_printf(out, " queue_threshold %u", (uint32_t)info->threshold);
}

static const struct ext_text ulog_text = {
	.options = ulog_options, .help_head = "ULOG target options:", .init = ulog_init,
	.save = ulog_save, .print = ulog_print,
};

const struct target target_ulog = {
	.name = "ULOG", .families = FAMILY_V4, .info_size = sizeof(struct ulog_info), .depends = DEP_STATE,
	.target = ulog_target, .checkentry = ulog_check, .text = &ulog_text,
};
