/*
 * ext/target/idletimer.c - "-j IDLETIMER": tells user space, through a file in /sys, when no packet came for a while.
 * Rules of one label share a timer, which every packet winds up again. Packets feel nothing of it; the seconds that are
 * left show in /sys/class/xt_idletimer/timers/LABEL.
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/option.h"
#include "ext/state.h"

enum { TIMEOUT_END_SEC = INT_MAX / 1000 };
#define TIMER_DIR "/sys/class/xt_idletimer/timers/"

struct idle_timer {
	struct list node;
	struct instance *inst;
	char label[MAX_IDLETIMER_LABEL_SIZE];
	unsigned int rules;
	uint8_t kind;			/* 0: counts ticks; XT_IDLETIMER_ALARM: nanoseconds */
	int64_t expires_ns;
};

struct idle_timers { struct list all; };

static void idle_timers_init(struct instance *inst, void *state)
{
	list_init(&((struct idle_timers *)state)->all);
}

static void idle_timers_save(struct instance *inst, void *state, struct strbuf *out);
static bool idle_timers_load(struct instance *inst, void *state, struct bytes_in *in);
static const struct ext_state_kind idle_kind = {
	.size = sizeof(struct idle_timers), .init = idle_timers_init, .name = "idletimer", .save = idle_timers_save,
	.load = idle_timers_load,
};

static void wind_up(struct idle_timer *timer, uint32_t timeout_sec)
{
	int64_t now = timer->kind == XT_IDLETIMER_ALARM ? timer->inst->now_ns : inst_jiffies(timer->inst) * NSEC_PER_JIFFY;

	timer->expires_ns = now + (int64_t)timeout_sec * NSEC_PER_SEC;
}

static void timer_print(void *priv, struct strbuf *out)
{
	const struct idle_timer *timer = priv;
	int64_t now = timer->kind == XT_IDLETIMER_ALARM ? timer->inst->now_ns : inst_jiffies(timer->inst) * NSEC_PER_JIFFY;

	sb_printf(out, "%" PRId64 "\n", timer->expires_ns > now ? (timer->expires_ns - now) / NSEC_PER_SEC : 0);
}

static struct idle_timer *timer_find(const struct idle_timers *timers, const char *label)
{
	list_for_each(node, &timers->all) {
		struct idle_timer *timer = list_entry(node, struct idle_timer, node);

		if (strcmp(timer->label, label) == 0)
			return timer;
	}
	return NULL;
}

static void idle_timers_save(struct instance *inst, void *state, struct strbuf *out)
{
	list_for_each(node, &((const struct idle_timers *)state)->all) {
		const struct idle_timer *timer = list_entry(node, struct idle_timer, node);

		out_text(out, timer->label);
		out_u8(out, timer->kind);
		out_u64(out, (uint64_t)timer->expires_ns);
	}
}

/* Nobody wound them up since: they never go later than a rule that begins would have them. */
static bool idle_timers_load(struct instance *inst, void *state, struct bytes_in *in)
{
	while (in->at < in->end && !in->failed) {
		char label[MAX_IDLETIMER_LABEL_SIZE];
		struct idle_timer *timer;
		int64_t expires_ns;
		uint8_t kind;

		in_text(in, label, sizeof(label));
		kind = in_u8(in);
		expires_ns = (int64_t)in_u64(in);
		timer = in->failed ? NULL : timer_find(state, label);
		if (timer && timer->kind == kind)
			timer->expires_ns = MIN_OF(expires_ns, timer->expires_ns);
	}
	return !in->failed;
}

/* The rule's info of either revision begins with the timeout and the label. */
static struct idle_timer *timer_hold(struct instance *inst, const struct idletimer_tg_info *info, uint8_t kind, struct refusal *why)
{
	struct idle_timers *timers = ext_state(inst, &idle_kind);
	struct idle_timer *timer = timers ? timer_find(timers, info->label) : NULL;
	char path[sizeof(TIMER_DIR) + MAX_IDLETIMER_LABEL_SIZE] = TIMER_DIR;

	if (timer && timer->kind != kind) {
		refuse(why, -EINVAL, "IDLETIMER: \"%s\" is there as the other kind of timer", info->label);
		return NULL;
	}
	if (timer) {
		timer->rules++;
		if (kind != XT_IDLETIMER_ALARM)		/* an alarm keeps what is left */
			wind_up(timer, info->timeout);
		return timer;
	}
	timer = timers ? calloc(1, sizeof(*timer)) : NULL;
	if (timer) {
		timer->inst = inst;
		timer->rules = 1;
		timer->kind = kind;
		memcpy(timer->label, info->label, sizeof(timer->label));
		strcat(path, timer->label);
		if (proc_register(inst->files, &(struct proc_file){ .path = path, .print = timer_print, .priv = timer })) {
			free(timer);
			timer = NULL;
		}
	}
	if (!timer) {
		refuse(why, -ENOMEM, "IDLETIMER: no memory for a timer");
		return NULL;
	}
	wind_up(timer, info->timeout);
	list_push(&timers->all, &timer->node);
	return timer;
}

static void timer_release(struct idle_timer *timer)
{
	char path[sizeof(TIMER_DIR) + MAX_IDLETIMER_LABEL_SIZE];

	if (--timer->rules)
		return;
	snprintf(path, sizeof(path), TIMER_DIR "%s", timer->label);
	proc_unregister(timer->inst->files, path);
	list_remove(&timer->node);
	free(timer);
}

static unsigned int idletimer_target_0(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct idletimer_tg_info *info = data;

	wind_up((struct idle_timer *)info->timer, info->timeout);
	return XT_CONTINUE;
}

static unsigned int idletimer_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct idletimer_tg_info_v1 *info = data;

	wind_up((struct idle_timer *)info->timer, info->timeout);
	return XT_CONTINUE;
}

/* The label becomes the name of a file. */
static bool is_file_name(const char *label)
{
	return !strchr(label, '/') && strcmp(label, ".") && strcmp(label, "..") && strcmp(label, "power") &&
	       strcmp(label, "subsystem") && strcmp(label, "uevent");
}

static int info_check(const struct idletimer_tg_info *info, struct refusal *why)
{
	if (!info->timeout || info->timeout >= TIMEOUT_END_SEC)
		return refuse(why, -EINVAL, "IDLETIMER: the timeout is not between 1 and %d", TIMEOUT_END_SEC - 1);
	if (!info->label[0] || strnlen(info->label, sizeof(info->label)) == sizeof(info->label))
		return refuse(why, -EINVAL, "IDLETIMER: the label is empty or does not end");
	if (!is_file_name(info->label))
		return refuse(why, -EINVAL, "IDLETIMER: \"%s\" cannot be a label", info->label);
	return 0;
}

static int idletimer_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	struct idletimer_tg_info *info = data;
	struct refusal own = { 0 };

	if (info_check(info, why))
		return -EINVAL;
	info->timer = (struct idletimer_tg *)timer_hold(check->inst, info, 0, &own);
	return info->timer ? 0 : refuse(why, own.err, "%s", own.text);
}

static int idletimer_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	struct idletimer_tg_info_v1 *info = data;
	struct refusal own = { 0 };

	if (info->send_nl_msg)
		return refuse(why, -EOPNOTSUPP, "IDLETIMER: messages are not sent");
	if (info_check(data, why))
		return -EINVAL;
	if (info->timer_type > XT_IDLETIMER_ALARM)
		return refuse(why, -EINVAL, "IDLETIMER: unknown kind of timer %u", info->timer_type);
	info->timer = (struct idletimer_tg *)timer_hold(check->inst, data, info->timer_type, &own);
	return info->timer ? 0 : refuse(why, own.err, "%s", own.text);
}

static void idletimer_destroy_0(void *data, const struct ext_check *check)
{
	timer_release((struct idle_timer *)((struct idletimer_tg_info *)data)->timer);
}

static void idletimer_destroy_1(void *data, const struct ext_check *check)
{
	timer_release((struct idle_timer *)((struct idletimer_tg_info_v1 *)data)->timer);
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

#define IDLETIMER(n) .name = "IDLETIMER", .names_shared = true, .revision = n, .families = FAMILY_ANY, .depends = DEP_STATE, \
	.target = idletimer_target_##n, .checkentry = idletimer_check_##n, .destroy = idletimer_destroy_##n

const struct target target_idletimer_0 = {
	IDLETIMER(0), .info_size = sizeof(struct idletimer_tg_info), .user_size = offsetof(struct idletimer_tg_info, timer),
};
const struct target target_idletimer_1 = {
	IDLETIMER(1), .info_size = sizeof(struct idletimer_tg_info_v1), .user_size = offsetof(struct idletimer_tg_info_v1, timer),
	.text = &idletimer_text,
};
