/*
 * ext/match/condition.c - "-m condition": a variable that the administrator sets: /proc/net/nf_condition/NAME holds 0 or 1.
 * (xtables-addons)
 */
#include "base/uapi.h"

#include <stdio.h>

#include "classify/classify.h"
#include "ext/addons.h"

static bool condition_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_condition_mtinfo *info = data;

	return !!((const struct shared_number *)info->condvar)->value != info->invert;
}

/* The first byte counts; anything but a digit of the two changes nothing. */
static int condition_write(void *number, const char *text, size_t len, struct refusal *why)
{
	struct shared_number *n = number;

	if (len && (*text == '0' || *text == '1')) {
		n->value = *text - '0';
		n->inst->changes++;
	}
	return 0;
}

static int condition_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_condition_mtinfo *info = data;
	char path[96];

	if (!is_shared_name(info->name, sizeof(info->name)))
		return refuse(why, -EINVAL, "condition: \"%.*s\" cannot be the name of a file", (int)sizeof(info->name), info->name);
	snprintf(path, sizeof(path), "/proc/net/nf_condition/%s", info->name);
	info->condvar = shared_number_get(check->inst, path, 0, condition_write, why);
	return info->condvar ? 0 : -ENOMEM;
}

static void condition_destroy(void *data, const struct ext_check *check)
{
	shared_number_put(((struct xt_condition_mtinfo *)data)->condvar);
}

static int check_name(struct opt_call *call, struct refusal *why)
{
	if (!is_shared_name(call->arg, call->opt->size))
		return refuse(why, -EINVAL, "condition: a name has 1 to %zu bytes, no slash, and does not begin with a dot",
			      call->opt->size - 1);
	return 0;
}

static const struct opt condition_options[] = {
	{ .name = "condition", .type = OPT_TEXT, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = check_name,
	  .at = offsetof(struct xt_condition_mtinfo, name), .size = sizeof(((struct xt_condition_mtinfo *)0)->name),
	  .invert_at = offsetof(struct xt_condition_mtinfo, invert), .invert_bits = 1, .invert_width = 1,
	  .arg = "name", .help = "match on the 0 or 1 in /proc/net/nf_condition/name" },
	OPT_END
};

static void condition_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_condition_mtinfo *info = data;

	sb_printf(out, "%s --condition \"%s\" ", info->invert ? " !" : "", info->name);
}

static void condition_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m condition");
	condition_save(data, view, out);
}

static const struct ext_text condition_text = {
	.options = condition_options, .help_head = "condition match options:",
	.save = condition_save, .print = condition_print,
};

const struct match match_condition = {
	.name = "condition", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_condition_mtinfo),
	.user_size = offsetof(struct xt_condition_mtinfo, condvar), .depends = DEP_STATE,
	.match = condition_match, .classify = class_rule_nothing, .checkentry = condition_check, .destroy = condition_destroy, .text = &condition_text,
};
