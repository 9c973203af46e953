/* ext/target/connmark.c - "-j CONNMARK": sets the connection's mark, saves the packet's into it, restores it. */
#include "base/uapi.h"

#include <linux/netfilter/xt_connmark.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"
#include "hook/record.h"

static uint32_t shifted(uint32_t mark, const struct xt_connmark_tginfo2 *info)
{
	return info->shift_dir == D_SHIFT_RIGHT ? mark >> info->shift_bits : mark << info->shift_bits;
}

static void set_ct_mark(const struct ext_call *call, const struct pkt *pkt, uint32_t mark)
{
	struct record *rec = call->inst->record;

	if (pkt->ct->mark == mark)
		return;
	pkt->ct->mark = mark;
	ct_event_note(pkt->ct, IPCT_MARK);
	if (rec && rec->pkt == pkt)
		rec->is_moving = true;
}

static void apply(struct pkt *pkt, const struct xt_connmark_tginfo2 *info, const struct ext_call *call)
{
	struct ct *ct = pkt->ct;

	if (!ct)
		return;
	switch (info->mode) {
	case XT_CONNMARK_SET:
		set_ct_mark(call, pkt, shifted((ct->mark & ~info->ctmask) ^ info->ctmark, info));
		break;
	case XT_CONNMARK_SAVE:
		set_ct_mark(call, pkt, (ct->mark & ~info->ctmask) ^ shifted(pkt->mark & info->nfmask, info));
		break;
	case XT_CONNMARK_RESTORE:
		pkt->mark = (pkt->mark & ~info->nfmask) ^ shifted(ct->mark & info->ctmask, info);
		break;
	}
}

static unsigned int connmark_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_connmark_tginfo1 *info = data;

	apply(pkt, &(struct xt_connmark_tginfo2){ .ctmark = info->ctmark, .ctmask = info->ctmask,
						  .nfmask = info->nfmask, .mode = info->mode }, call);
	return XT_CONTINUE;
}

static unsigned int connmark_target_2(struct pkt *pkt, const void *data, struct ext_call *call)
{
	apply(pkt, data, call);
	return XT_CONTINUE;
}

static int connmark_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	int err = ct_hooks_get(check->inst, check->family);

	return err ? refuse(why, err, "CONNMARK: connection tracking cannot be switched on") : 0;
}

static int connmark_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_connmark_tginfo2 *info = data;

	if (info->shift_dir > D_SHIFT_RIGHT || info->shift_bits >= 32)
		return refuse(why, -EINVAL, "CONNMARK: a mark of 32 bits cannot be shifted by %u",
			      info->shift_bits);
	return connmark_check_1(data, check, why);
}

static void connmark_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

/* --- text --- */

enum { ROW_OPERATIONS = 7 };	/* the first rows of the table say what to do */

static int parse_set(struct opt_call *call, struct refusal *why)
{
	struct xt_connmark_tginfo2 *info = call->info;

	info->mode = XT_CONNMARK_SET;
	if (strcmp(call->opt->name, "set-mark") == 0)
		info->ctmask |= info->ctmark;
	return 0;
}

static int parse_bits(struct opt_call *call, struct refusal *why)
{
	struct xt_connmark_tginfo2 *info = call->info;
	uint32_t bits = info->ctmark;

	info->mode = XT_CONNMARK_SET;
	info->ctmark = *call->opt->name == 'a' ? 0 : bits;
	info->ctmask = *call->opt->name == 'a' ? ~bits : *call->opt->name == 'o' ? bits : 0;
	return 0;
}

static int parse_mode(struct opt_call *call, struct refusal *why)
{
	((struct xt_connmark_tginfo2 *)call->info)->mode = *call->opt->name == 's' ? XT_CONNMARK_SAVE :
							   XT_CONNMARK_RESTORE;
	return 0;
}

static int parse_mask(struct opt_call *call, struct refusal *why)
{
	struct xt_connmark_tginfo2 *info = call->info;

	info->nfmask = info->ctmask;
	return 0;
}

static int parse_shift(struct opt_call *call, struct refusal *why)
{
	((struct xt_connmark_tginfo2 *)call->info)->shift_dir = *call->opt->name == 'l' ? D_SHIFT_LEFT : D_SHIFT_RIGHT;
	return 0;
}

#define AT(field) .at = offsetof(struct xt_connmark_tginfo2, field)
#define ONE_OF .excludes = "set-xmark set-mark and-mark or-mark xor-mark save-mark restore-mark"

static const struct opt connmark_options[] = {
	{ .name = "set-xmark", .type = OPT_MARK_MASK, AT(ctmark), ONE_OF, .parse = parse_set,
	  .arg = "value[/ctmask]", .help = "zero mask bits and XOR ctmark with value" },
	{ .name = "set-mark", .type = OPT_MARK_MASK, AT(ctmark), ONE_OF, .parse = parse_set,
	  .arg = "value[/mask]", .help = "set conntrack mark value" },
	{ .name = "and-mark", .type = OPT_U32, AT(ctmark), ONE_OF, .parse = parse_bits,
	  .arg = "value", .help = "binary AND the ctmark with bits" },
	{ .name = "or-mark", .type = OPT_U32, AT(ctmark), ONE_OF, .parse = parse_bits,
	  .arg = "value", .help = "binary OR the ctmark with bits" },
	{ .name = "xor-mark", .type = OPT_U32, AT(ctmark), ONE_OF, .parse = parse_bits,
	  .arg = "value", .help = "binary XOR the ctmark with bits" },
	{ .name = "save-mark", .type = OPT_FLAG, ONE_OF, .parse = parse_mode,
	  .help = "copy nfmark to ctmark using masks" },
	{ .name = "restore-mark", .type = OPT_FLAG, ONE_OF, .parse = parse_mode,
	  .help = "copy ctmark to nfmark using masks" },
	{ .name = "left-shift-mark", .type = OPT_U8, .min = 0, .max = 32, AT(shift_bits), .parse = parse_shift,
	  .arg = "value", .help = "left shift the mark by this many bits" },
	{ .name = "right-shift-mark", .type = OPT_U8, .min = 0, .max = 32, AT(shift_bits), .parse = parse_shift,
	  .arg = "value", .help = "right shift the mark by this many bits" },
	{ .name = "ctmask", .type = OPT_U32, AT(ctmask), .excludes = "mask", .arg = "mask",
	  .help = "bits of the connection's mark that are used" },
	{ .name = "nfmask", .type = OPT_U32, AT(nfmask), .excludes = "mask", .arg = "mask",
	  .help = "bits of the packet's mark that are used" },
	{ .name = "mask", .type = OPT_U32, AT(ctmask), .excludes = "ctmask nfmask", .parse = parse_mask,
	  .arg = "mask",
	  .help = "both masks at once" },
	OPT_END
};

static void connmark_init(void *data)
{
	struct xt_connmark_tginfo2 *info = data;

	info->ctmask = info->nfmask = UINT32_MAX;
}

static int connmark_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (!(seen & ((1u << ROW_OPERATIONS) - 1)))
		return refuse(why, -EINVAL,
			      "CONNMARK: one of --set-xmark, --set-mark, --and-mark, --or-mark, --xor-mark, "
			      "--save-mark, --restore-mark is required");
	return 0;
}

static void add_shift(const struct xt_connmark_tginfo2 *info, const char *dashes, struct strbuf *out)
{
	if (info->shift_bits)
		sb_printf(out, " %s%s-shift-mark %u", dashes, info->shift_dir == D_SHIFT_LEFT ? "left" : "right",
			  info->shift_bits);
}

static void connmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connmark_tginfo2 *info = data;

	if (info->mode == XT_CONNMARK_SET)
		sb_printf(out, " --set-xmark 0x%x/0x%x", info->ctmark, info->ctmask);
	else
		sb_printf(out, " --%s-mark --nfmask 0x%x --ctmask 0x%x",
			  info->mode == XT_CONNMARK_SAVE ? "save" : "restore", info->nfmask, info->ctmask);
	add_shift(info, "--", out);
}

static void print_set(const struct xt_connmark_tginfo2 *info, struct strbuf *out)
{
	if (info->ctmark == 0)
		sb_printf(out, " CONNMARK and 0x%x", ~info->ctmask);
	else if (info->ctmark == info->ctmask)
		sb_printf(out, " CONNMARK or 0x%x", info->ctmark);
	else if (info->ctmask == 0)
		sb_printf(out, " CONNMARK xor 0x%x", info->ctmark);
	else if (info->ctmask == UINT32_MAX)
		sb_printf(out, " CONNMARK set 0x%x", info->ctmark);
	else
		sb_printf(out, " CONNMARK xset 0x%x/0x%x", info->ctmark, info->ctmask);
}

static void connmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_connmark_tginfo2 *info = data;
	bool save = info->mode == XT_CONNMARK_SAVE;

	if (info->mode == XT_CONNMARK_SET) {
		print_set(info, out);
	} else {
		sb_printf(out, " CONNMARK %s", save ? "save" : "restore");
		if (info->nfmask != info->ctmask)
			sb_printf(out, save ? " nfmask 0x%x ctmask ~0x%x" : " ctmask 0x%x nfmask ~0x%x",
				  save ? info->nfmask : info->ctmask, save ? info->ctmask : info->nfmask);
		else if (info->nfmask != UINT32_MAX)
			sb_printf(out, " mask 0x%x", info->nfmask);
	}
	add_shift(info, "", out);
}

static const struct ext_text connmark_text = {
	.options = connmark_options, .help_head = "CONNMARK target options:",
	.init = connmark_init, .finish = connmark_finish, .save = connmark_save, .print = connmark_print,
};

#define CONNMARK_COMMON .name = "CONNMARK", .families = FAMILY_ANY, .destroy = connmark_destroy, \
	.depends = DEP_CT_STATE | DEP_CT_MARK | DEP_MARK

const struct target target_connmark_1 = {
	CONNMARK_COMMON, .revision = 1, .info_size = sizeof(struct xt_connmark_tginfo1),
	.target = connmark_target_1, .checkentry = connmark_check_1,
};

const struct target target_connmark_2 = {
	CONNMARK_COMMON, .revision = 2, .info_size = sizeof(struct xt_connmark_tginfo2),
	.target = connmark_target_2, .checkentry = connmark_check_2, .text = &connmark_text,
};
