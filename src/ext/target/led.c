/*
 * ext/target/led.c - "-j LED": packets light a lamp. The lamp is a file: /sys/class/leds/netfilter-NAME/brightness shows 255
 * while it is on, /sys/class/leds/netfilter-NAME/blinks how often it was switched on. Rules that name one lamp share it.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_LED.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "ext/option.h"
#include "ext/state.h"

enum { LED_FULL = 255, PATH_LEN = 96 };
#define LED_PREFIX "netfilter-"

struct lamp {
	struct list node;
	struct instance *inst;
	char id[sizeof(((struct xt_led_info *)0)->id)];
	unsigned int rules;
	bool on;
	uint64_t blinks;
	struct timer off;
};

struct lamps { struct list list; };

static void lamps_init(struct instance *inst, void *state)
{
	list_init(&((struct lamps *)state)->list);
}

static const struct ext_state_kind lamps_kind = { .size = sizeof(struct lamps), .init = lamps_init };

static void lamp_set(struct lamp *lamp, bool on)
{
	lamp->blinks += on && !lamp->on;
	lamp->on = on;
}

static void lamp_off(struct timer *timer, void *arg, int64_t now_ns)
{
	lamp_set(arg, false);
}

static unsigned int led_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_led_info *info = data;
	struct lamp *lamp = info->internal_data;

	/* on already, and told to show each packet: off and on again */
	if (info->delay && info->always_blink && timer_is_armed(&lamp->off))
		lamp_set(lamp, false);
	lamp_set(lamp, true);
	if (info->delay && info->delay != UINT32_MAX)
		timer_arm(call->inst->timers, &lamp->off, call->inst->now_ns + (int64_t)info->delay * 1000000);
	else if (!info->delay)
		lamp_set(lamp, false);
	return XT_CONTINUE;
}

static void print_brightness(void *priv, struct strbuf *out)
{
	sb_printf(out, "%d\n", ((struct lamp *)priv)->on ? LED_FULL : 0);
}

static void print_blinks(void *priv, struct strbuf *out)
{
	sb_printf(out, "%" PRIu64 "\n", ((struct lamp *)priv)->blinks);
}

static void path_of(const struct lamp *lamp, const char *file, char *path)
{
	snprintf(path, PATH_LEN, "/sys/class/leds/%s/%s", lamp->id, file);
}

static int show_lamp(struct lamp *lamp)
{
	char path[PATH_LEN];
	struct proc_file file = { .path = path, .print = print_brightness, .priv = lamp };
	int err;

	path_of(lamp, "brightness", path);
	err = proc_register(lamp->inst->files, &file);
	if (err)
		return err;
	file.print = print_blinks;
	path_of(lamp, "blinks", path);
	err = proc_register(lamp->inst->files, &file);
	if (err) {
		path_of(lamp, "brightness", path);
		proc_unregister(lamp->inst->files, path);
	}
	return err;
}

static struct lamp *lamp_named(struct lamps *lamps, const char *id)
{
	list_for_each(node, &lamps->list) {
		struct lamp *lamp = list_entry(node, struct lamp, node);

		if (strcmp(lamp->id, id) == 0)
			return lamp;
	}
	return NULL;
}

static int led_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_led_info *info = data;
	struct lamps *lamps = ext_state(check->inst, &lamps_kind);
	struct lamp *lamp;
	int err;

	if (!info->id[0] || strnlen(info->id, sizeof(info->id)) == sizeof(info->id))
		return refuse(why, -EINVAL, "LED: the name is empty or does not end");
	if (strchr(info->id, '/'))
		return refuse(why, -EINVAL, "LED: \"%s\" cannot be the name of a file", info->id);
	lamp = lamps ? lamp_named(lamps, info->id) : NULL;
	if (!lamp) {
		lamp = lamps ? calloc(1, sizeof(*lamp)) : NULL;
		if (!lamp)
			return refuse(why, -ENOMEM, "LED: no memory");
		lamp->inst = check->inst;
		memcpy(lamp->id, info->id, sizeof(lamp->id));
		timer_init(&lamp->off, lamp_off, lamp);
		err = show_lamp(lamp);
		if (err) {
			free(lamp);
			return refuse(why, err, "LED: the name \"%s\" is already in use", info->id);
		}
		list_append(&lamps->list, &lamp->node);
	}
	lamp->rules++;
	info->internal_data = lamp;
	return 0;
}

static void led_destroy(void *data, const struct ext_check *check)
{
	struct lamp *lamp = ((struct xt_led_info *)data)->internal_data;
	char path[PATH_LEN];

	if (--lamp->rules)
		return;
	timer_cancel(lamp->inst->timers, &lamp->off);
	path_of(lamp, "brightness", path);
	proc_unregister(lamp->inst->files, path);
	path_of(lamp, "blinks", path);
	proc_unregister(lamp->inst->files, path);
	list_remove(&lamp->node);
	free(lamp);
}

static int parse_id(struct opt_call *call, struct refusal *why)
{
	struct xt_led_info *info = call->info;

	if (strlen(call->arg) > sizeof(info->id) - sizeof(LED_PREFIX))
		return refuse(why, -EINVAL, "LED: a name has up to %zu bytes", sizeof(info->id) - sizeof(LED_PREFIX));
	snprintf(info->id, sizeof(info->id), LED_PREFIX "%s", call->arg);
	return 0;
}

static int parse_delay(struct opt_call *call, struct refusal *why)
{
	struct xt_led_info *info = call->info;
	uint64_t ms = UINT32_MAX;

	if (strncasecmp(call->arg, "inf", 3) && !opt_u64(call->arg, 0, UINT32_MAX, &ms))
		return refuse(why, -EINVAL, "LED: --led-delay takes milliseconds or \"inf\", not \"%s\"", call->arg);
	info->delay = (uint32_t)ms;
	return 0;
}

static const struct opt led_options[] = {
	{ .name = "led-trigger-id", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_id, .arg = "name",
	  .help = "name of the lamp: /sys/class/leds/netfilter-name among the visible files" },
	{ .name = "led-delay", .type = OPT_CUSTOM, .parse = parse_delay, .arg = "ms",
	  .help = "leave it on for this number of milliseconds, or inf" },
	{ .name = "led-always-blink", .type = OPT_FLAG, .set_at = offsetof(struct xt_led_info, always_blink), .set_bits = 1,
	  .set_width = 1, .help = "blink on arriving packets, even if it is on already" },
	OPT_END
};

static void add_name(const struct xt_led_info *info, struct strbuf *out)
{
	sb_addc(out, '"');
	for (size_t i = strlen(LED_PREFIX); i < sizeof(info->id) && info->id[i]; i++) {
		if (strchr("\"\\", info->id[i]))
			sb_addc(out, '\\');
		sb_addc(out, info->id[i]);
	}
	sb_addc(out, '"');
}

static void led_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_led_info *info = data;

	sb_adds(out, " --led-trigger-id ");
	add_name(info, out);
	if (info->delay == UINT32_MAX)
		sb_adds(out, " --led-delay inf");
	else if (info->delay)
		sb_printf(out, " --led-delay %d", (int32_t)info->delay);
	if (info->always_blink)
		sb_adds(out, " --led-always-blink");
}

static void led_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_led_info *info = data;

	sb_adds(out, " led-trigger-id:");
	add_name(info, out);
	if (info->delay == UINT32_MAX)
		sb_adds(out, " led-delay:inf");
	else
		sb_printf(out, " led-delay:%dms", (int32_t)info->delay);
	if (info->always_blink)
		sb_adds(out, " led-always-blink");
}

static const struct ext_text led_text = {
	.options = led_options, .help_head = "LED target options:", .save = led_save, .print = led_print,
};

const struct target target_led = {
	.name = "LED", .families = FAMILY_ANY, .info_size = sizeof(struct xt_led_info),
	.user_size = offsetof(struct xt_led_info, internal_data), .depends = DEP_STATE, .target = led_target,
	.checkentry = led_check, .destroy = led_destroy, .text = &led_text,
};
