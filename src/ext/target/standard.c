/*
 * ext/target/standard.c - the two targets that every rule set is made of. The standard target is a
 * number: a verdict, or where to go on; the walker reads it itself. ERROR ends the blob and heads the
 * user's chains; a packet that gets there found a rule set that should not exist.
 */
#include "ext/option.h"

static unsigned int error_target(struct pkt *pkt, const void *info, struct ext_call *call)
{
	pkt->drop_reason = DROP_RULE;
	return NF_DROP;
}

static const struct opt no_options[] = { OPT_END };

static const struct ext_text standard_text = { .options = no_options };

const struct target target_standard = {
	.name = XT_STANDARD_TARGET, .families = FAMILY_ANY,
	.info_size = sizeof(int),
	.depends = DEP_NOTHING,
	.text = &standard_text,
};

const struct target target_error = {
	.name = XT_ERROR_TARGET, .families = FAMILY_ANY,
	.info_size = XT_FUNCTION_MAXNAMELEN,
	.depends = DEP_NOTHING,
	.target = error_target,
};
