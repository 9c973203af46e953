/* cli/conntrack_forms.h - one connection without newline, as `conntrack -o xml`, `-o save`, `-o json` show it. */
#ifndef WEIR_CLI_CONNTRACK_FORMS_H
#define WEIR_CLI_CONNTRACK_FORMS_H

#include "conntrack/conntrack.h"
#include "conntrack/expect.h"

/* @flags: CT_TEXT_TIMESTAMP or 0. The frame around all flows is the caller's. */
void conntrack_xml(const struct instance *inst, const struct ct *ct, unsigned int flags, struct strbuf *out);
void conntrack_save(const struct instance *inst, const struct ct *ct, struct strbuf *out);
/* One object, compact: family, protocol, timeout, state, original, reply, replied, assured, mark, zone, helper, id. */
void conntrack_json(const struct instance *inst, const struct ct *ct, struct strbuf *out);

/* The same of an event, as `conntrack -E`. @with_when: the time of day beside it. */
void conntrack_event_xml(const struct instance *inst, const struct ct_event *event, unsigned int flags, bool with_when, struct strbuf *out);
void conntrack_event_save(const struct instance *inst, const struct ct_event *event, struct strbuf *out);
void conntrack_event_json(const struct instance *inst, const struct ct_event *event, struct strbuf *out);	/* and "event" */

void conntrack_xml_when(struct strbuf *out);		/* the time of day */
void conntrack_text_when(struct strbuf *out);

/* An expectation as `conntrack -L expect` and -E expect show it with @output (OUTPUT_*), with its newline. @event: NULL in a listing, else "new" or "destroy". */
void conntrack_expect_show(const struct instance *inst, const struct ct_expect *exp, const char *event, unsigned int output, struct strbuf *out);

#endif
