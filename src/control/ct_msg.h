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
/* What a message about a packet says of its connection: the attributes only. */
void ct_put_attached(const struct instance *inst, const struct ct *ct, struct strbuf *out);
void ct_put_event(const struct instance *inst, const struct ct_event *event, uint32_t seq, uint32_t port, struct strbuf *out);

/* --- ct_attached.c: a program's verdict about a packet changes its connection, too --- */
/* NFQA_CT, and with it NFQA_EXP. 0; else nothing more is to be done for it. */
int ct_change_attached(struct instance *inst, struct pkt *pkt, const struct nlattr *nest, const struct nlattr *expectation);
/* The program made a TCP payload longer or shorter: the numbers of a connection with NAT move. */
void ct_note_mangled(struct pkt *pkt, int32_t more);

/* --- expnetlink.c --- */
struct ct_expect_request;
/* Attributes of an expectation by type; without its master. */
int expect_request_read(const struct nlattr **a, uint8_t family, struct ct_expect_request *want);

#endif
