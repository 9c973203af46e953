/* ext/target/tos.c - "-j TOS": clears the bits of the mask in the service byte, then flips those of the value. */
#include "base/uapi.h"

#include <linux/netfilter/xt_DSCP.h>

#include "ext/dsfield.h"

static unsigned int tos_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tos_target_info *info = data;
	uint8_t old = dsfield_get(pkt, call->family), new = (old & ~info->tos_mask) ^ info->tos_value;

	if (old != new)
		dsfield_set(pkt, call->family, new);
	return XT_CONTINUE;
}

static int parse_set(struct opt_call *call, struct refusal *why)
{
	struct xt_tos_target_info *info = call->info;

	return tos_parse(call->arg, &info->tos_value, &info->tos_mask, why);
}

static int parse_bits(struct opt_call *call, struct refusal *why)
{
	struct xt_tos_target_info *info = call->info;
	uint8_t bits = info->tos_value;

	info->tos_value = *call->opt->name == 'a' ? 0 : bits;
	info->tos_mask = *call->opt->name == 'a' ? ~bits : *call->opt->name == 'o' ? bits : 0;
	return 0;
}

static int tos_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "TOS: one of --set-tos, --and-tos, --or-tos, --xor-tos is required");
}

static void tos_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tos_target_info *info = data;

	sb_printf(out, " --set-tos 0x%02x/0x%02x", info->tos_value, info->tos_mask);
}

static void tos_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tos_target_info *info = data;
	const char *name = tos_name(info->tos_value, info->tos_mask);

	if (view->numeric)
		sb_printf(out, " TOS set 0x%02x/0x%02x", info->tos_value, info->tos_mask);
	else if (name)
		sb_printf(out, "  TOS set%s", name);	/* upstream puts the blank before, not behind */
	else if (info->tos_value == 0)
		sb_printf(out, " TOS and 0x%02x", (uint8_t)~info->tos_mask);
	else if (info->tos_value == info->tos_mask)
		sb_printf(out, " TOS or 0x%02x", info->tos_value);
	else if (info->tos_mask == 0)
		sb_printf(out, " TOS xor 0x%02x", info->tos_value);
	else
		sb_printf(out, " TOS set 0x%02x/0x%02x", info->tos_value, info->tos_mask);
}

#define ONE_OF .excludes = "set-tos and-tos or-tos xor-tos"
#define BITS_OPTION(n, h) { .name = n, .type = OPT_U8, ONE_OF, .parse = parse_bits, \
	.at = offsetof(struct xt_tos_target_info, tos_value), .arg = "bits", .help = h }

static const struct opt tos_options[] = {
	{ .name = "set-tos", .type = OPT_CUSTOM, ONE_OF, .parse = parse_set, .arg = "value[/mask]|symbol",
	  .help = "set Type of Service field" },
	BITS_OPTION("and-tos", "binary AND the TOS value with bits"),
	BITS_OPTION("or-tos", "binary OR the TOS value with bits"),
	BITS_OPTION("xor-tos", "binary XOR the TOS value with bits"),
	OPT_END
};

static const struct ext_text tos_text = {
	.options = tos_options, .help_head = "TOS target options:",
	.finish = tos_finish, .save = tos_save, .print = tos_print,
};

const struct target target_tos = {
	.name = "TOS", .revision = 1, .families = FAMILY_ANY, .table = "mangle", .depends = DEP_L3_TOS,
	.info_size = sizeof(struct xt_tos_target_info), .target = tos_target, .text = &tos_text,
};
