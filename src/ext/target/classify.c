/* ext/target/classify.c - "-j CLASSIFY": the packet's priority, which names a class of a queueing discipline. */
#include "base/uapi.h"

#include <linux/netfilter/xt_CLASSIFY.h>
#include <stdio.h>

#include "ext/option.h"

static unsigned int classify_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt->priority = ((const struct xt_classify_target_info *)data)->priority;
	return XT_CONTINUE;
}

/* Both numbers are hexadecimal, 0x or not; what follows the second is not looked at. */
static int parse_class(struct opt_call *call, struct refusal *why)
{
	unsigned int major, minor;

	if (sscanf(call->arg, "%x:%x", &major, &minor) != 2)
		return refuse(why, -EINVAL, "CLASSIFY: --set-class takes MAJOR:MINOR, not \"%s\"", call->arg);
	((struct xt_classify_target_info *)call->info)->priority = major << 16 | (minor & 0xffff);
	return 0;
}

static void classify_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	uint32_t class = ((const struct xt_classify_target_info *)data)->priority;

	sb_printf(out, " --set-class %04x:%04x", class >> 16, class & 0xffff);
}

static void classify_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	uint32_t class = ((const struct xt_classify_target_info *)data)->priority;

	sb_printf(out, " CLASSIFY set %x:%x", class >> 16, class & 0xffff);
}

static const struct opt classify_options[] = {
	{ .name = "set-class", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_class, .arg = "MAJOR:MINOR",
	  .help = "set the priority, always hexadecimal" },
	OPT_END
};

static const struct ext_text classify_text = {
	.options = classify_options, .help_head = "CLASSIFY target options:",
	.save = classify_save, .print = classify_print,
};

const struct target target_classify = {
	.name = "CLASSIFY", .families = FAMILY_ANY, .info_size = sizeof(struct xt_classify_target_info),
	.hooks = 1 << NF_INET_LOCAL_OUT | 1 << NF_INET_FORWARD | 1 << NF_INET_POST_ROUTING,
	.depends = DEP_NOTHING, .target = classify_target, .text = &classify_text,
};
