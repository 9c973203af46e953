/* ext/match/cpu.c - "-m cpu": which processor handles the packet. An instance is worked on by one: number 0. */
#include "base/uapi.h"

#include <linux/netfilter/xt_cpu.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool cpu_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_cpu_info *info = data;

	return (info->cpu == 0) != !!info->invert;
}

static int cpu_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_cpu_info *info = data;

	if (info->invert & ~1u)
		return refuse(why, -EINVAL, "cpu: unknown flags %#x", info->invert);
	return 0;
}

static const struct opt cpu_options[] = {
	{ .name = "cpu", .type = OPT_U32, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .at = offsetof(struct xt_cpu_info, cpu),
	  .size = 4, .invert_at = offsetof(struct xt_cpu_info, invert), .invert_bits = 1, .invert_width = 4,
	  .arg = "number", .help = "match CPU number; every packet is handled by number 0 here" },
	OPT_END
};

static void cpu_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cpu_info *info = data;

	sb_printf(out, "%s --cpu %u", info->invert ? " !" : "", info->cpu);
}

static void cpu_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cpu_info *info = data;

	sb_printf(out, " cpu %s%u", info->invert ? "! " : "", info->cpu);
}

static const struct ext_text cpu_text = {
	.options = cpu_options, .help_head = "cpu match options:", .save = cpu_save, .print = cpu_print,
};

const struct match match_cpu = {
	.name = "cpu", .families = FAMILY_ANY, .info_size = sizeof(struct xt_cpu_info), .depends = DEP_NOTHING,
	.match = cpu_match, .classify = class_rule_nothing, .checkentry = cpu_check, .text = &cpu_text,
};
