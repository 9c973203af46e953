/*
 * ext/target/idletimer.c - "-j IDLETIMER": tells user space, through a file in /sys, when no packet came for a while.
 * Packets feel nothing of it and weir has no such file: the rule is judged as Linux does, and kept.
 */
#include "base/uapi.h"

#include <limits.h>
#include <linux/netfilter/xt_IDLETIMER.h>

#include "ext/option.h"

enum { TIMEOUT_END_SEC = INT_MAX / 1000 };

static unsigned int idletimer_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return XT_CONTINUE;
}

/* The label becomes the name of a file. */
static bool is_file_name(const char *label)
{
	return !strchr(label, '/') && strcmp(label, "power") && strcmp(label, "subsystem") && strcmp(label, "uevent");
}

static int idletimer_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct idletimer_tg_info *info = data;

	if (!info->timeout || info->timeout >= TIMEOUT_END_SEC)
		return refuse(why, -EINVAL, "IDLETIMER: the timeout is not between 1 and %d", TIMEOUT_END_SEC - 1);
	if (!info->label[0] || strnlen(info->label, sizeof(info->label)) == sizeof(info->label))
		return refuse(why, -EINVAL, "IDLETIMER: the label is empty or does not end");
	if (!is_file_name(info->label))
		return refuse(why, -EINVAL, "IDLETIMER: \"%s\" cannot be a label", info->label);
	return 0;
}

static int idletimer_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct idletimer_tg_info_v1 *info = data;

	if (info->send_nl_msg)
		return refuse(why, -EOPNOTSUPP, "IDLETIMER: messages are not sent");
	if (idletimer_check_0(data, check, why))
		return -EINVAL;
	if (info->timer_type > XT_IDLETIMER_ALARM)
		return refuse(why, -EINVAL, "IDLETIMER: unknown kind of timer %u", info->timer_type);
	return 0;
}

/* A longer label is cut, not refused. */
static int parse_label(struct opt_call *call, struct refusal *why)
{
	struct idletimer_tg_info_v1 *info = call->info;

	memcpy(info->label, call->arg, strnlen(call->arg, sizeof(info->label) - 1));
	return 0;
}

static void idletimer_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct idletimer_tg_info_v1 *info = data;

	sb_printf(out, " --timeout %u --label %.*s", info->timeout, (int)sizeof(info->label), info->label);
	if (info->timer_type == XT_IDLETIMER_ALARM)
		sb_adds(out, " --alarm");
}

static void idletimer_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct idletimer_tg_info_v1 *info = data;

	sb_printf(out, " timeout:%u label:%.*s", info->timeout, (int)sizeof(info->label), info->label);
	if (info->timer_type == XT_IDLETIMER_ALARM)
		sb_adds(out, " alarm");
}

static const struct opt idletimer_options[] = {
	{ .name = "timeout", .type = OPT_U32, .flags = OPT_REQUIRED, .at = offsetof(struct idletimer_tg_info_v1, timeout),
	  .arg = "seconds", .help = "time without packets until the notification" },
	{ .name = "label", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_label, .arg = "string",
	  .help = "name of the timer, shared by rules" },
	{ .name = "alarm", .type = OPT_FLAG, .set_at = offsetof(struct idletimer_tg_info_v1, timer_type),
	  .set_bits = XT_IDLETIMER_ALARM, .set_width = 1, .help = "a timer that goes on while the host sleeps" },
	OPT_END
};

static const struct ext_text idletimer_text = {
	.options = idletimer_options, .help_head = "IDLETIMER target options:",
	.save = idletimer_save, .print = idletimer_print,
};

#define IDLETIMER_COMMON .name = "IDLETIMER", .families = FAMILY_ANY, .depends = DEP_NOTHING, .target = idletimer_target

const struct target target_idletimer_0 = {
	IDLETIMER_COMMON, .revision = 0, .info_size = sizeof(struct idletimer_tg_info),
	.user_size = offsetof(struct idletimer_tg_info, timer), .checkentry = idletimer_check_0,
};
const struct target target_idletimer_1 = {
	IDLETIMER_COMMON, .revision = 1, .info_size = sizeof(struct idletimer_tg_info_v1),
	.user_size = offsetof(struct idletimer_tg_info_v1, timer), .checkentry = idletimer_check_1,
	.text = &idletimer_text,
};
