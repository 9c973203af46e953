/* control/ct_msg.h - connections as netlink attributes, both ways. */
#ifndef WEIR_CONTROL_CT_MSG_H
#define WEIR_CONTROL_CT_MSG_H

#include "conntrack/conntrack.h"
#include "control/control_internal.h"

/* CTA_TUPLE_* of a tuple; @zone: CTA_TUPLE_ZONE, 0 = none. */
void ct_put_tuple(struct strbuf *out, uint16_t type, const struct ct_tuple *tuple, uint16_t zone);
/* -EINVAL, -ERANGE, -EOPNOTSUPP as the kernel. A zone in the tuple is of @dir, and goes into @zone (NULL: nobody asks). */
int ct_get_tuple(const struct nlattr *nest, uint8_t family, int dir, struct ct_tuple *out, struct ct_zone *zone);
/* A whole message as a dump has it (everything of IPCTNL_MSG_CT_NEW). */
void ct_put_message(const struct instance *inst, const struct ct *ct, uint16_t flags, uint32_t seq, uint32_t port,
		    struct strbuf *out);
void ct_put_event(const struct instance *inst, const struct ct_event *event, uint32_t seq, uint32_t port, struct strbuf *out);

#endif
