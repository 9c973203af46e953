/*
 * conntrack/control.c - connections that people make, change and end.
 * A connection made by hand has no packet behind it: it is visible at once, its TCP window unknown.
 */
#include "conntrack/control.h"

#include <errno.h>

#include "conntrack/conntrack_internal.h"
#include "conntrack/helper.h"
#include "conntrack/labels.h"
#include "conntrack/user_helper.h"
#include "nat/nat.h"

#define STATUS_FIXED (IPS_NAT_DONE_MASK | IPS_NAT_MASK | IPS_EXPECTED | IPS_CONFIRMED | IPS_DYING | IPS_SEQ_ADJUST | \
		      IPS_TEMPLATE | IPS_UNTRACKED | IPS_OFFLOAD | IPS_HW_OFFLOAD)
/* What a report about a hand-made change speaks of, changed or not. */
#define REPORTED (1 << IPCT_REPLY | 1 << IPCT_ASSURED | 1 << IPCT_HELPER | 1 << IPCT_PROTOINFO | 1 << IPCT_SEQADJ | \
		  1 << IPCT_MARK | 1 << IPCT_SYNPROXY)

static int change_status(struct ct *ct, uint32_t status)
{
	uint32_t differing = (ct->status | IPS_CONFIRMED) ^ status;

	if (differing & (IPS_EXPECTED | IPS_CONFIRMED | IPS_DYING))
		return -EBUSY;
	if (differing & ~status & (IPS_SEEN_REPLY | IPS_ASSURED))
		return -EBUSY;		/* these can only be set */
	ct->status |= status & ~STATUS_FIXED;
	return 0;
}

int ct_control_update_status(struct ct *ct, uint32_t status)
{
	uint32_t lost = ct->status & ~status;

	if (lost & (IPS_SEEN_REPLY | IPS_ASSURED))
		return -EBUSY;
	ct->status = (ct->status & STATUS_FIXED) | (status & ~STATUS_FIXED);
	return 0;
}

static void change_protocol(struct ct *ct, const struct ct_request *req)
{
	if (ct_proto_num(ct) == IPPROTO_SCTP && req->has_sctp) {
		ct->proto.sctp.state = req->sctp.state;
		memcpy(ct->proto.sctp.vtag, req->sctp.vtag, sizeof(ct->proto.sctp.vtag));
	}
	if (ct_proto_num(ct) != IPPROTO_TCP)
		return;
	if (req->has_tcp_state)
		ct->proto.tcp.state = req->tcp_state;
	for (int dir = 0; req->has_tcp_flags && dir < IP_CT_DIR_MAX; dir++)
		ct->proto.tcp.seen[dir].flags |= req->tcp_flags;
}

static void change_mark(struct ct *ct, const struct ct_request *req)
{
	if (req->has_mark)
		ct->mark = (ct->mark & ~req->mark_mask) ^ req->mark;
}

/* Those that were made by hand, are helped or proxied have numbers that can be moved. */
static void change_numbers(struct ct *ct, const struct ct_request *req)
{
	if (!ct_synproxy_of(ct) && !ct_help_of(ct))
		return;
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		if (!req->has_seq[dir])
			continue;
		ct->extra->seq[dir] = req->seq[dir];
		ct->status |= IPS_SEQ_ADJUST;
	}
}

static void change_synproxy(struct ct *ct, const struct ct_request *req)
{
	if (req->has_synproxy && ct_synproxy_of(ct))
		*ct_synproxy_of(ct) = req->synproxy;
}

static int begin_help(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	const struct ct_helper *helper;

	if (!req->helper)
		return 0;
	helper = ct_helper_find(inst, req->helper, ct_family(ct), ct_proto_num(ct));
	if (!helper)
		return -EOPNOTSUPP;
	if (!ct_help_add(ct, helper))
		return -ENOMEM;
	if (helper->picked_up)
		helper->picked_up(ct_help_of(ct));
	ct_user_help_data(ct, req->help_data, req->help_data_len);
	return 0;
}

static int change_help(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	struct ct_help *help = ct_help_of(ct);
	const struct ct_helper *helper;

	if (!req->helper)
		return 0;
	if (ct_master(ct))
		return help && help->helper && !strcmp(help->helper->name, req->helper) ? 0 : -EBUSY;
	if (!*req->helper) {
		if (help && help->helper) {
			ct_expect_remove_all(inst, ct);
			ct_help_free(inst, ct);
		}
		return 0;
	}
	helper = ct_helper_find(inst, req->helper, ct_family(ct), ct_proto_num(ct));
	if (!helper || !help)
		return -EOPNOTSUPP;
	if (help->helper != helper)
		return -EBUSY;
	if (helper->picked_up)
		helper->picked_up(help);
	ct_user_help_data(ct, req->help_data, req->help_data_len);
	return 0;
}

static int begin_as_child(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	struct ct *master;
	int dir;

	if (!req->has_master)
		return 0;
	master = ct_find(inst, &req->zone, &req->master, &dir);
	if (!master)
		return -ENOENT;
	ct->status |= IPS_EXPECTED;
	ct->extra->master = master;	/* the share that was found */
	return 0;
}

static int bind_half(struct instance *inst, struct ct *ct, bool is_given, const struct nf_nat_range2 *range,
		     enum nat_manip manip)
{
	const struct ct_tuple *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	struct nf_nat_range2 same = { .flags = NF_NAT_RANGE_MAP_IPS };

	same.min_addr = same.max_addr = manip == NAT_MANIP_SRC ? reply->dst : reply->src;
	return nat_setup(inst, ct, is_given ? range : &same, manip) == NF_DROP ? -ENOMEM : 0;
}

static int set_up_nat(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	int err;

	if (!req->has_snat && !req->has_dnat)
		return 0;
	err = bind_half(inst, ct, req->has_dnat, &req->dnat, NAT_MANIP_DST);
	return err ? err : bind_half(inst, ct, req->has_snat, &req->snat, NAT_MANIP_SRC);
}

static int begin(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	int err = begin_help(inst, ct, req);

	if (!err)
		err = set_up_nat(inst, ct, req);
	if (err)
		return err;
	if (!ct_synproxy_add(ct))
		return -ENOMEM;
	ct_set_timeout_sec(inst, ct, req->timeout_sec);
	if (req->has_status) {
		err = change_status(ct, req->status);
		if (err)
			return err;
	}
	change_numbers(ct, req);
	memset(&ct->proto, 0, sizeof(ct->proto));
	change_protocol(ct, req);
	change_synproxy(ct, req);
	change_mark(ct, req);
	err = begin_as_child(inst, ct, req);
	return err ? err : ct_insert(inst, ct);
}

static bool is_known(struct instance *inst, const struct ct_zone *zone, const struct ct_tuple *tuple)
{
	int dir;
	struct ct *ct = ct_find(inst, zone, tuple, &dir);

	ct_put(inst, ct);
	return ct != NULL;
}

int ct_control_new(struct instance *inst, const struct ct_request *req)
{
	struct ct *ct;
	int err;

	if (req->has_orig && is_known(inst, &req->zone, &req->orig))
		return -EEXIST;
	if (!req->has_orig || !req->has_reply || !req->has_timeout || req->orig.proto != req->reply.proto)
		return -EINVAL;
	ct = ct_new(inst, &req->zone, &req->orig, &req->reply);
	if (!ct)
		return -ENOMEM;
	err = begin(inst, ct, req);
	if (!err) {
		uint8_t all[CT_LABEL_BYTES];

		ct->event_mask = REPORTED | 1 << (req->has_master ? IPCT_RELATED : IPCT_NEW);
		memset(all, 0xff, sizeof(all));
		if (req->has_labels)
			ct_labels_replace(ct, req->labels, all);	/* where nobody uses labels there are none */
		ct_events_deliver(inst, ct);
	}
	ct_put(inst, ct);
	return err;
}

int ct_control_change(struct instance *inst, struct ct *ct, const struct ct_request *req)
{
	int err;

	if (req->has_snat || req->has_dnat || req->has_master)
		return -EOPNOTSUPP;
	err = change_help(inst, ct, req);
	if (err)
		return err;
	if (req->has_timeout) {
		if (ct->status & IPS_FIXED_TIMEOUT)
			return -EPERM;
		ct_set_timeout_sec(inst, ct, req->timeout_sec);
	}
	if (req->has_status) {
		err = change_status(ct, req->status);
		if (err)
			return err;
	}
	change_protocol(ct, req);
	change_mark(ct, req);
	change_numbers(ct, req);
	change_synproxy(ct, req);
	if (req->has_labels) {
		uint8_t all[CT_LABEL_BYTES];

		memset(all, 0xff, sizeof(all));
		err = ct_labels_replace(ct, req->labels, all);
		if (err)
			return err;
	}
	ct->event_mask = REPORTED | 1 << IPCT_LABEL;
	ct_events_deliver(inst, ct);
	return 0;
}

int ct_control_expect_of(struct instance *inst, struct ct *master, const struct ct_expect_request *req)
{
	const struct ct_helper *helper = NULL;
	const struct ct_user_helper *user;
	struct ct_expect exp;

	if (req->helper) {
		helper = ct_helper_find(inst, req->helper, ct_family(master), ct_proto_num(master));
		if (!helper)
			return -EOPNOTSUPP;
	}
	if (!ct_help_of(master))
		return -EOPNOTSUPP;
	user = ct_user_helper_of(ct_helper_of(master));
	if (req->class >= CT_EXPECT_CLASSES || (user && req->class >= user->classes))
		return -EINVAL;
	ct_expect_init(&exp, master, req->class, NULL, &req->tuple.dst, req->tuple.proto, req->tuple.dst_l4.all);
	exp.tuple = req->tuple;
	exp.mask_src = req->mask_src;
	exp.mask_src_port = req->mask_src_port;
	exp.assign_helper = helper;
	exp.arrived = req->arrived;
	exp.saved_addr = req->saved_addr;
	exp.saved_port = req->saved_port;
	exp.dir = req->dir;
	exp.flags = req->flags & ~(uint32_t)NF_CT_EXPECT_USERSPACE;
	return ct_expect_add(inst, &exp, NULL);
}

int ct_control_expect_new(struct instance *inst, const struct ct_expect_request *req)
{
	struct ct *master;
	int err, dir;

	if (ct_expect_find(inst, &req->zone, &req->tuple))
		return -EEXIST;
	master = ct_find(inst, &req->zone, &req->master, &dir);
	if (!master)
		return -ENOENT;
	err = ct_control_expect_of(inst, master, req);
	ct_put(inst, master);
	return err;
}

static bool end_one(void *priv, struct ct *ct)
{
	ct_kill(priv, ct);
	return true;
}

void ct_control_flush(struct instance *inst)
{
	ct_each(inst, end_one, inst);
}
