/*
 * helper/h323.h - what the files of the H.323 helpers share: a message that was read, the addresses in it, and how they
 * become expectations.
 * Everything is done in place: an address is four or sixteen bytes with two of port behind it, and NAT writes over them.
 */
#ifndef WEIR_H323_H
#define WEIR_H323_H

#include "conntrack/helper.h"
#include "helper/h323_types.h"

struct h323_message {
	const struct ct_help_call *call;
	uint32_t at;			/* inside the packet */
	uint32_t payload_off;		/* inside the payload */
	struct per_notes notes;
};

struct h323_place {
	union nf_inet_addr addr;
	be16 port;
};

extern const struct ct_helper ct_helper_q931, ct_helper_h245, ct_helper_ras;

/* What a note leads to; false: no address of the connection's family. NULL is fine. */
bool h323_read_place(const struct h323_message *m, const struct per_note *note, struct h323_place *out);
/* false: that cannot be. */
bool h323_write_place(struct h323_message *m, const struct per_note *note, const union nf_inet_addr *addr, be16 port);

static inline const union nf_inet_addr *h323_source(const struct h323_message *m)
{
	return &ct_tuple(m->call->ct, m->call->dir)->src;
}
/* The sender as the other side knows it. */
static inline const union nf_inet_addr *h323_source_outside(const struct h323_message *m)
{
	return &ct_tuple(m->call->ct, !m->call->dir)->dst;
}
/* The connection is translated, in a way that its messages must follow. */
static inline bool h323_is_translated(const struct h323_message *m)
{
	return ct_family(m->call->ct) == NFPROTO_IPV4 && m->call->ct->status & IPS_NAT_MASK;
}
/* ... and the sender is known outside by another address. */
static inline bool h323_is_sender_translated(const struct h323_message *m)
{
	return h323_is_translated(m) && !ct_addr_equal(h323_source(m), h323_source_outside(m));
}

/* An expectation of what comes back from the other side to @place. */
void h323_expect_init(const struct h323_message *m, struct ct_expect *exp, const struct h323_place *place, uint8_t proto);
bool h323_expect(const struct h323_message *m, const struct ct_expect *exp);
/*
 * The same for a translated one, whose port outside is @port or, when that is taken, another; the message says so.
 * Return: the port, 0: there is none and nothing was changed, -1: the message cannot be changed.
 */
int h323_expect_translated(struct h323_message *m, const struct per_note *note, struct ct_expect *exp, be16 port);

/* --- h245.c --- */
/* Channels that the message opens or accepts, of one group of notes; false: drop it. */
bool h245_process(struct h323_message *m, uint8_t group);

/* --- h323_call.c --- */
/* Moves to the next TPKT of the segment, the first one when *len is 0 and m->at is, too; false: there is none. */
bool h323_next_tpkt(struct h323_message *m, uint32_t *len);

#endif
