/*
 * ext/match/quota2.c - "-m quota2": a counter with a name that goes down to zero, or up: /proc/net/xt_quota/NAME shows it and
 * takes a new value, or with + and - a change. Rules of one name share it. (xtables-addons)
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ext/addons.h"

static bool quota2_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct xt_quota_mtinfo2 *info = (struct xt_quota_mtinfo2 *)data;	/* what is left is saved with the rule */
	struct shared_number *counter = info->master;
	uint64_t amount = info->flags & XT_QUOTA2_PACKET ? 1 : pkt->len;
	bool changes = !(info->flags & XT_QUOTA2_NO_CHANGE), fits = counter->value >= amount;

	if (info->flags & XT_QUOTA2_GROW) {
		counter->value += changes ? amount : 0;
		info->quota = counter->value;
		return true;
	}
	/* once a packet did not fit, smaller ones do not either */
	if (changes)
		counter->value = fits ? counter->value - amount : 0;
	info->quota = counter->value;
	return fits != !!(info->flags & XT_QUOTA2_INVERT);
}

static int quota2_write(void *number, const char *text, size_t len, struct refusal *why)
{
	struct shared_number *counter = number;
	char word[32];
	int64_t change;

	snprintf(word, sizeof(word), "%.*s", (int)MIN_OF(len, sizeof(word) - 1), text);
	if (*word != '+' && *word != '-') {
		counter->value = strtoull(word, NULL, 0);
		return 0;
	}
	change = strtoll(word + 1, NULL, 0);
	if (*word == '-')
		change = -(uint64_t)change;
	if (change < 0 && -(uint64_t)change >= counter->value)
		counter->value = 0;
	else
		counter->value += (uint64_t)change;
	return 0;
}

static int quota2_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_quota_mtinfo2 *info = data;
	char path[96];

	if (info->flags & ~XT_QUOTA2_MASK)
		return refuse(why, -EINVAL, "quota2: unknown flags %#x", info->flags);
	if (!is_shared_name(info->name, sizeof(info->name)))
		return refuse(why, -EINVAL, "quota2: \"%.*s\" cannot be the name of a file", (int)sizeof(info->name), info->name);
	snprintf(path, sizeof(path), "/proc/net/xt_quota/%s", info->name);
	info->master = shared_number_get(check->inst, path, info->quota, quota2_write, why);
	return info->master ? 0 : -ENOMEM;
}

static void quota2_destroy(void *data, const struct ext_check *check)
{
	shared_number_put(((struct xt_quota_mtinfo2 *)data)->master);
}

static int check_name(struct opt_call *call, struct refusal *why)
{
	if (!is_shared_name(call->arg, call->opt->size))
		return refuse(why, -EINVAL, "quota2: a name has 1 to %zu bytes, no slash, and does not begin with a dot",
			      call->opt->size - 1);
	return 0;
}

#define QUOTA2_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_quota_mtinfo2, flags), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt quota2_options[] = {
	QUOTA2_FLAG("grow", XT_QUOTA2_GROW, "provide an increasing counter"),
	QUOTA2_FLAG("no-change", XT_QUOTA2_NO_CHANGE, "never change counter or quota amount"),
	QUOTA2_FLAG("packets", XT_QUOTA2_PACKET, "count packets instead of bytes"),
	{ .name = "name", .type = OPT_TEXT, .flags = OPT_REQUIRED, .parse = check_name,
	  .at = offsetof(struct xt_quota_mtinfo2, name), .size = sizeof(((struct xt_quota_mtinfo2 *)0)->name), .arg = "name",
	  .help = "name of the counter: /proc/net/xt_quota/name" },
	{ .name = "quota", .type = OPT_U64, .flags = OPT_INVERTIBLE, .at = offsetof(struct xt_quota_mtinfo2, quota), .size = 8,
	  .invert_at = offsetof(struct xt_quota_mtinfo2, flags), .invert_bits = XT_QUOTA2_INVERT, .invert_width = 1,
	  .arg = "quota", .help = "initial value, in bytes or packets" },
	OPT_END
};

static void quota2_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_quota_mtinfo2 *info = data;

	for (unsigned int i = 0; i < 3; i++)
		if (info->flags & quota2_options[i].set_bits)
			sb_printf(out, " --%s ", quota2_options[i].name);
	sb_printf(out, " --name %s %s --quota %" PRIu64 " ", info->name, info->flags & XT_QUOTA2_INVERT ? " !" : "", info->quota);
}

static void quota2_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m quota");
	quota2_save(data, view, out);
}

static const struct ext_text quota2_text = {
	.options = quota2_options, .help_head = "quota2 match options:", .save = quota2_save, .print = quota2_print,
};

const struct match match_quota2 = {
	.name = "quota2", .revision = 3, .families = FAMILY_ANY, .info_size = sizeof(struct xt_quota_mtinfo2),
	.user_size = offsetof(struct xt_quota_mtinfo2, master), .depends = DEP_L3_LEN | DEP_STATE,
	.match = quota2_match, .checkentry = quota2_check, .destroy = quota2_destroy, .text = &quota2_text,
};
