/*
 * conntrack/control.h - what an administrator may do to connections: begin, change and end them by hand.
 * The rules (what may change, which error) are those of the kernel's ctnetlink.
 */
#ifndef WEIR_CONNTRACK_CONTROL_H
#define WEIR_CONNTRACK_CONTROL_H

#include "conntrack/conntrack.h"
#include "conntrack/expect.h"

#include <linux/netfilter/nf_nat.h>

/* One request; the has_ flags say what was given. */
struct ct_request {
	struct ct_tuple orig, reply;
	struct ct_zone zone;
	struct nf_nat_range2 snat, dnat;
	uint8_t labels[CT_LABEL_BYTES];		/* all of them, as they shall be */
	uint32_t timeout_sec, status, mark, mark_mask;	/* the new mark is (old & ~mask) ^ mark */
	uint8_t tcp_state, tcp_flags;			/* flags are set in both directions, never cleared */
	struct ct_sctp sctp;				/* its state and vtags */
	struct ct_seqadj seq[IP_CT_DIR_MAX];
	struct ct_synproxy synproxy;
	struct ct_tuple master;				/* one tuple of who announced it; of new connections only */
	const char *helper;				/* its name, "" = none any more; NULL = nothing was said */
	const void *help_data;		/* what a program keeps there; NULL: nothing is said of it */
	size_t help_data_len;
	bool has_seq[IP_CT_DIR_MAX], has_synproxy, has_master;
	bool has_orig, has_reply, has_timeout, has_status, has_mark, has_tcp_state, has_tcp_flags, has_snat, has_dnat,
	     has_labels, has_sctp;
};

/**
 * ct_control_new() - Begin a connection by hand
 * Return: 0 with a NEW event; -EEXIST when either tuple is known; -EINVAL, -EBUSY (status), -ENOENT (master),
 * -EOPNOTSUPP (helper), -ENOMEM.
 */
int ct_control_new(struct instance *inst, const struct ct_request *req);

/* Changes @ct, with an UPDATE event; what was changed before an error stays: -EOPNOTSUPP (NAT, master, helper), -EPERM, -EBUSY. */
int ct_control_change(struct instance *inst, struct ct *ct, const struct ct_request *req);

/* A program that was asked about a packet says what the status shall be: bits that nobody may change are passed over. -EBUSY. */
int ct_control_update_status(struct ct *ct, uint32_t status);

/* Ends every connection, each with its event. */
void ct_control_flush(struct instance *inst);

/* An expectation made by hand; @master is one of the tuples of the connection it belongs to. */
struct ct_expect_request {
	struct ct_tuple tuple, master;
	union nf_inet_addr mask_src;
	be16 mask_src_port;
	ct_arrival_fn arrived;		/* NULL = nothing happens when it comes */
	union nf_inet_addr saved_addr;	/* NAT, see struct ct_expect */
	be16 saved_port;
	uint8_t dir;
	struct ct_zone zone;
	uint32_t flags;			/* NF_CT_EXPECT_* */
	uint8_t class;
	const char *helper;		/* of the connection that comes; NULL = none */
};

/**
 * ct_control_expect_new() - Announce a connection by hand
 * It lives as long as those of its master's helper do.
 * Return: 0; -EEXIST, -ENOENT (no such master), -EOPNOTSUPP (nobody helps it), -EINVAL (class), or as ct_expect_add().
 */
int ct_control_expect_new(struct instance *inst, const struct ct_expect_request *req);
/* The same for a connection at hand; @req->master is not asked. */
int ct_control_expect_of(struct instance *inst, struct ct *master, const struct ct_expect_request *req);

#endif
