/*
 * conntrack/state.h - the connection table as bytes: for an instance that stops and begins again, or moves into another
 * process. Everything that a connection carries goes along; what was due meanwhile does not come back.
 */
#ifndef WEIR_CT_STATE_H
#define WEIR_CT_STATE_H

#include "conntrack/conntrack.h"

struct ct_state_report { uint32_t connections, expired, expectations; };

void ct_state_save(struct instance *inst, struct strbuf *out);
/*
 * Into a table without connections, after interfaces, policies and rules. -EINVAL: not what ct_state_save() writes; some of it
 * may be in the table then.
 */
int ct_state_load(struct instance *inst, const void *bytes, size_t len, struct ct_state_report *report,
		  struct refusal *why);

#endif
