/* ext/target/trace.c - "-j TRACE": from here on every rule that the packet matches is told to the log (table/trace.c). */
#include "base/uapi.h"

#include "ext/option.h"

static unsigned int trace_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt->flags |= PKT_FLAG_TRACED;
	return XT_CONTINUE;
}

static const struct opt trace_options[] = { OPT_END };

static const struct ext_text trace_text = { .options = trace_options, .help_head = "TRACE takes no options" };

const struct target target_trace = {
	.name = "TRACE", .families = FAMILY_ANY, .table = "raw",
	.depends = DEP_STATE,	/* every packet has lines of its own */
	.target = trace_target, .text = &trace_text,
};
