/*
 * ext/match/connlabel.c - "-m connlabel": a bit of the connection, by number or by its name in connlabel.conf.
 * With --set the match sets the bit, and succeeds where it could.
 */
#include "base/uapi.h"

#include <stdlib.h>

#include <linux/netfilter/xt_connlabel.h>

#include "conntrack/labels.h"
#include "ext/option.h"

static bool connlabel_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_connlabel_mtinfo *info = data;
	bool invert = info->options & XT_CONNLABEL_OP_INVERT;
	struct ct *ct = pkt_ct(pkt);
	const uint8_t *labels = ct ? ct_labels(ct) : NULL;

	if (!labels)
		return invert;
	if (ct_label_is_set(labels, info->bit))
		return !invert;
	if (info->options & XT_CONNLABEL_OP_SET)
		return ct_label_set(ct, info->bit) != invert;
	return invert;
}

static int connlabel_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_connlabel_mtinfo *info = data;
	int err;

	if (info->options & ~(XT_CONNLABEL_OP_INVERT | XT_CONNLABEL_OP_SET))
		return refuse(why, -EINVAL, "connlabel: unknown options %#x", info->options);
	err = ct_hooks_get(check->inst, check->family);
	if (err)
		return refuse(why, err, "connlabel: connection tracking cannot be switched on");
	if (info->bit >= CT_LABELS) {
		ct_hooks_put(check->inst, check->family);
		return refuse(why, -ERANGE, "connlabel: there are labels 0 to %d, not %u", CT_LABELS - 1, info->bit);
	}
	ct_labels_get(check->inst);
	return 0;
}

static void connlabel_destroy(void *data, const struct ext_check *check)
{
	ct_labels_put(check->inst);
	ct_hooks_put(check->inst, check->family);
}

/* A name, or where there is none a number of any base, of which 16 bits are kept as upstream does. */
static int parse_label(struct opt_call *call, struct refusal *why)
{
	struct xt_connlabel_mtinfo *info = call->info;
	int bit = ct_label_bit(call->inst, call->arg);
	unsigned long number;
	char *end;

	if (!*call->arg)
		return refuse(why, -EINVAL, "connlabel: --label takes a name or a number");
	number = strtoul(call->arg, &end, 0);
	if (bit >= 0)
		info->bit = (uint16_t)bit;
	else if (!*end && (int)number >= 0)
		info->bit = (uint16_t)number;
	else
		return refuse(why, -EINVAL, "connlabel: no label \"%s\"%s", call->arg,
			      ct_label_names_are_loaded(call->inst) ? "" : ": there is no connlabel.conf");
	return 0;
}

static const struct opt connlabel_options[] = {
	{ .name = "label", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_label,
	  .invert_at = offsetof(struct xt_connlabel_mtinfo, options), .invert_bits = XT_CONNLABEL_OP_INVERT, .invert_width = 2,
	  .arg = "name", .help = "Match if label has been set on connection" },
	{ .name = "set", .type = OPT_FLAG, .set_at = offsetof(struct xt_connlabel_mtinfo, options),
	  .set_bits = XT_CONNLABEL_OP_SET, .set_width = 2, .help = "Set label on connection" },
	OPT_END
};

static void connlabel_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connlabel_mtinfo *info = data;
	const char *name = ct_label_name(view->inst, info->bit);

	sb_adds(out, info->options & XT_CONNLABEL_OP_INVERT ? " ! --label \"" : " --label \"");
	if (name)
		sb_adds(out, name);
	else
		sb_printf(out, "%u", info->bit);
	sb_adds(out, info->options & XT_CONNLABEL_OP_SET ? "\" --set" : "\"");
}

static void connlabel_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connlabel_mtinfo *info = data;
	const char *name = view->numeric ? NULL : ct_label_name(view->inst, info->bit);

	sb_adds(out, info->options & XT_CONNLABEL_OP_INVERT ? " connlabel ! " : " connlabel ");
	if (name)
		sb_printf(out, "'%s'", name);
	else
		sb_printf(out, "%u", info->bit);
	if (info->options & XT_CONNLABEL_OP_SET)
		sb_adds(out, " set");
}

static const struct ext_text connlabel_text = {
	.options = connlabel_options, .help_head = "connlabel match options:", .save = connlabel_save, .print = connlabel_print,
};

const struct match match_connlabel = {
	.name = "connlabel", .families = FAMILY_ANY, .info_size = sizeof(struct xt_connlabel_mtinfo), .depends = DEP_STATE,
	.match = connlabel_match, .checkentry = connlabel_check, .destroy = connlabel_destroy, .text = &connlabel_text,
};
