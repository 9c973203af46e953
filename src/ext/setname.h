/*
 * ext/setname.h - names of IP sets and the numbers by which rules know them. There are no sets yet: a rule that names one is
 * refused as Linux refuses sets that do not exist, unless inst->trusts_sets says that the text alone is looked at
 * (`weir check`); then each name gets a number of its own, so that the rule can be written out again.
 */
#ifndef WEIR_EXT_SETNAME_H
#define WEIR_EXT_SETNAME_H

#include "ext/option.h"

#include <linux/netfilter/xt_set.h>

/* The words "NAME FLAGS" of an option: the number, and src or dst for each dimension (bits 1 << dimension). */
int setname_parse(struct opt_call *call, struct xt_set_info *info, struct refusal *why);
/* -ENOENT where no set has this number. */
int setname_check(const struct instance *inst, const char *ext, uint16_t index, struct refusal *why);
/* " NAME src,dst" */
void setname_print(const struct ext_view *view, const struct xt_set_info *info, struct strbuf *out);

#endif
