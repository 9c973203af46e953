/* control/acctnetlink.c - accounting objects, as nfacct(8) asks for them, and the message that one reached its quota. */
#include "control/control_internal.h"

#include "ext/nfacct.h"

enum { QUOTA_MODES = NFACCT_F_QUOTA_PKTS | NFACCT_F_QUOTA_BYTES };

static void put_object(struct acct_object *acct, bool reset, uint32_t seq, uint32_t port, struct strbuf *out)
{
	size_t at = nl_begin(out, NFNL_SUBSYS_ACCT << 8 | NFNL_MSG_ACCT_NEW, port ? NLM_F_MULTI : 0, seq, port, AF_UNSPEC,
			     NFNETLINK_V0, 0);
	struct acct_values v;

	acct_read(acct, reset, &v);
	nl_put_text(out, NFACCT_NAME, v.name);
	nl_put_u64(out, NFACCT_PKTS, v.packets);
	nl_put_u64(out, NFACCT_BYTES, v.bytes);
	nl_put_u32(out, NFACCT_USE, v.refs);
	if (v.flags & QUOTA_MODES) {
		nl_put_u32(out, NFACCT_FLAGS, v.flags);
		nl_put_u64(out, NFACCT_QUOTA, v.quota);
	}
	nl_end(out, at);
}

static int values_read(const struct nlattr **a, struct acct_values *out)
{
	int err = 0;

	if (a[NFACCT_FLAGS]) {
		err = nl_get_be32(a[NFACCT_FLAGS], &out->flags);
		if (err)
			return err;
		if (out->flags & ~QUOTA_MODES)
			return -EOPNOTSUPP;
		if (out->flags == QUOTA_MODES || (out->flags && !a[NFACCT_QUOTA]))
			return -EINVAL;
	}
	if (out->flags)
		err = nl_get_be64(a[NFACCT_QUOTA], &out->quota);
	if (!err && a[NFACCT_PKTS])
		err = nl_get_be64(a[NFACCT_PKTS], &out->packets);
	if (!err && a[NFACCT_BYTES])
		err = nl_get_be64(a[NFACCT_BYTES], &out->bytes);
	return err;
}

static int new(struct nl_request *req)
{
	char name[NFACCT_NAME_MAX];
	struct acct_values v = { .name = name };
	struct acct_object *acct;
	int err;

	if (!req->attrs[NFACCT_NAME])
		return -EINVAL;
	err = nl_get_name(req->attrs[NFACCT_NAME], name, sizeof(name));
	if (err || !*name)
		return err ? err : -EINVAL;
	acct = acct_find(req->control->inst, name);
	if (acct && req->nlh->nlmsg_flags & NLM_F_EXCL)
		return -EEXIST;
	if (acct && !(req->nlh->nlmsg_flags & NLM_F_REPLACE))
		return -EBUSY;
	if (acct) {
		acct_read(acct, true, &v);
		return 0;
	}
	err = values_read(req->attrs, &v);
	return err ? err : acct_make(req->control->inst, &v, NULL);
}

static bool is_reset(const struct nl_request *req)
{
	return NFNL_MSG_TYPE(req->nlh->nlmsg_type) == NFNL_MSG_ACCT_GET_CTRZERO;
}

static int get_one(struct nl_request *req)
{
	char name[NFACCT_NAME_MAX];
	struct acct_object *acct;
	int err;

	if (!req->attrs[NFACCT_NAME])
		return -EINVAL;
	err = nl_get_name(req->attrs[NFACCT_NAME], name, sizeof(name));
	if (err)
		return err;
	acct = acct_find(req->control->inst, name);
	if (!acct)
		return -ENOENT;
	put_object(acct, is_reset(req), req->nlh->nlmsg_seq, req->sock->port, req->reply);
	return 0;
}

struct listing { const struct nl_request *req; uint32_t mask, value; struct strbuf *out; };

static void add_one(void *priv, struct acct_object *acct)
{
	const struct listing *l = priv;
	struct acct_values v;

	acct_read(acct, false, &v);
	if ((v.flags & l->mask) == l->value)
		put_object(acct, is_reset(l->req), l->req->nlh->nlmsg_seq, l->req->sock->port, l->out);
}

static int dump_all(struct nl_request *req)
{
	const struct nlattr *f[NFACCT_FILTER_MAX + 1];
	struct strbuf all = STRBUF_INIT;
	struct listing l = { .req = req, .out = &all };

	if (req->attrs[NFACCT_FILTER]) {
		int err = nl_parse_nest(req->attrs[NFACCT_FILTER], f, NFACCT_FILTER_MAX);

		if (err || !f[NFACCT_FILTER_MASK] || !f[NFACCT_FILTER_VALUE])
			return err ? err : -EINVAL;
		err = nl_get_be32(f[NFACCT_FILTER_MASK], &l.mask);
		if (!err)
			err = nl_get_be32(f[NFACCT_FILTER_VALUE], &l.value);
		if (err)
			return err;
	}
	acct_each(req->control->inst, add_one, &l);
	return nl_dump_messages(req->sock, &all);
}

static int delete(struct nl_request *req)
{
	char name[NFACCT_NAME_MAX];
	int err;

	if (!req->attrs[NFACCT_NAME]) {
		acct_flush(req->control->inst);
		return 0;
	}
	err = nl_get_name(req->attrs[NFACCT_NAME], name, sizeof(name));
	return err ? err : acct_delete(req->control->inst, name, NULL);
}

static const struct nl_command commands[] = {
	[NFNL_MSG_ACCT_NEW] = { .call = new, .attr_max = NFACCT_MAX, .needs_change = true },
	[NFNL_MSG_ACCT_GET] = { .call = get_one, .dump = dump_all, .attr_max = NFACCT_MAX },
	[NFNL_MSG_ACCT_GET_CTRZERO] = { .call = get_one, .dump = dump_all, .attr_max = NFACCT_MAX, .needs_change = true },
	[NFNL_MSG_ACCT_DEL] = { .call = delete, .attr_max = NFACCT_MAX, .needs_change = true },
};

const struct nl_subsystem nl_acct = { NFNL_SUBSYS_ACCT, commands, ARRAY_SIZE(commands) };

void acctnetlink_event(struct control *control, struct acct_object *acct)
{
	struct strbuf msg = STRBUF_INIT;

	if (!nl_group_heard(control, NFNLGRP_ACCT_QUOTA))
		return;
	put_object(acct, false, 0, 0, &msg);
	nl_multicast(control, NFNLGRP_ACCT_QUOTA, &msg);
	sb_free(&msg);
}
