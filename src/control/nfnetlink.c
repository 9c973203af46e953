/*
 * control/nfnetlink.c - requests of NETLINK_NETFILTER: found by subsystem and command, answered with messages, acks and
 * extended errors in the order in which the kernel would send them.
 */
#include "control/control_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { ATTRS_MAX = 64 };

static const struct nl_subsystem *const subsystems[] = {
	&nl_ctnetlink, &nl_expect, &nl_timeout, &nl_acct, &nl_osf, &nl_cthelper, &nl_queue_subsystem, &nl_log_subsystem,
};

static const struct nl_command *command_find(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(subsystems); i++) {
		if (subsystems[i]->id != NFNL_SUBSYS_ID(type))
			continue;
		if (NFNL_MSG_TYPE(type) >= subsystems[i]->command_count)
			return NULL;
		return &subsystems[i]->commands[NFNL_MSG_TYPE(type)];
	}
	return NULL;
}

static void acknowledge(const struct nl_request *req, const struct nlmsghdr *nlh, int err, struct strbuf *out)
{
	const struct nl_sock *sock = req->sock;
	bool whole = err && !sock->cap_ack;
	struct { struct nlmsghdr nlh; struct nlmsgerr e; } ack = { .e.error = err };
	size_t at = out->len, echoed = whole ? nlh->nlmsg_len : sizeof(*nlh);
	uint32_t len;

	ack.nlh = (struct nlmsghdr){ .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = nlh->nlmsg_seq, .nlmsg_pid = sock->port,
				     .nlmsg_flags = whole ? 0 : NLM_F_CAPPED };
	if (sock->ext_ack && err && (req->complaint || req->bad_attr))
		ack.nlh.nlmsg_flags |= NLM_F_ACK_TLVS;
	sb_add(out, (const char *)&ack, sizeof(ack) - sizeof(ack.e.msg));
	sb_add(out, (const char *)nlh, echoed);
	if (ack.nlh.nlmsg_flags & NLM_F_ACK_TLVS) {
		sb_add(out, "\0\0\0", NLMSG_ALIGN(out->len) - out->len);
		if (req->complaint)
			nl_put_text(out, NLMSGERR_ATTR_MSG, req->complaint);
		if (req->bad_attr) {
			uint32_t offset = (uint32_t)((const char *)req->bad_attr - (const char *)nlh);

			nl_put(out, NLMSGERR_ATTR_OFFS, &offset, sizeof(offset));
		}
	}
	if (out->failed)
		return;
	len = (uint32_t)(out->len - at);
	memcpy(out->s + at, &len, sizeof(len));
	sb_add(out, "\0\0\0", NLMSG_ALIGN(out->len) - out->len);
}

static int refuse_unserved(struct control *control, const struct nlmsghdr *nlh)
{
	char line[96];

	snprintf(line, sizeof(line), "nfnetlink subsystem %u, command %u is not served", NFNL_SUBSYS_ID(nlh->nlmsg_type),
		 NFNL_MSG_TYPE(nlh->nlmsg_type));
	if (control->callbacks.unserved)
		control->callbacks.unserved(control->callbacks.priv, line);
	return -EINVAL;
}

/* -EINTR: a dump began, which needs no ack. */
static int dump_begin(struct nl_request *req, const struct nl_command *command)
{
	struct nl_dump *dump = &req->sock->dump;
	int err;

	if (dump->active)
		return -EBUSY;
	*dump = (struct nl_dump){ .active = false };
	err = command->dump(req);
	if (err || !dump->more)
		return err;
	dump->active = true;
	dump->seq = req->nlh->nlmsg_seq;
	return -EINTR;
}

static int serve(struct nl_request *req)
{
	const struct nlmsghdr *nlh = req->nlh;
	const struct nlattr *attrs[ATTRS_MAX + 1];
	const struct nl_command *command = command_find(nlh->nlmsg_type);
	const size_t head = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	int err;

	if (nlh->nlmsg_len < head)
		return 0;
	if (!command || (!command->call && !command->dump))
		return refuse_unserved(req->control, nlh);
	if (command->needs_change && !req->sock->cred.may_change)
		return -EPERM;
	req->nfg = NLMSG_DATA(nlh);
	req->attrs = attrs;
	err = nl_parse((const char *)nlh + NLMSG_ALIGN(head), nlh->nlmsg_len > NLMSG_ALIGN(head) ? nlh->nlmsg_len - NLMSG_ALIGN(head) : 0,
		       attrs, MIN_OF(command->attr_max, (unsigned int)ATTRS_MAX));
	if (err)
		return err;
	if (nlh->nlmsg_flags & NLM_F_DUMP && command->dump)
		return dump_begin(req, command);
	return command->call ? command->call(req) : -EINVAL;
}

void nfnetlink_datagram(struct nl_sock *sock, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len >= sizeof(struct nlmsghdr)) {
		struct strbuf reply = STRBUF_INIT;
		struct nlmsghdr *nlh;
		struct nl_request req = { .control = sock->control, .sock = sock, .reply = &reply };
		uint32_t msg_len;
		size_t step;
		int err = 0;

		memcpy(&msg_len, p, sizeof(msg_len));
		if (msg_len < sizeof(*nlh) || msg_len > len)
			return;
		nlh = malloc(msg_len);	/* aligned, whatever the tool's buffer was */
		if (!nlh)
			return;
		memcpy(nlh, p, msg_len);
		req.nlh = nlh;
		sock->control->echo_to = nlh->nlmsg_flags & NLM_F_ECHO ? sock : NULL;
		if (nlh->nlmsg_flags & NLM_F_REQUEST && nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			err = serve(&req);
		sock->control->echo_to = NULL;
		if (reply.len && !reply.failed)
			nl_queue(sock, 0, reply.s, reply.len, true);
		sb_reset(&reply);
		if (err != -EINTR && (err || nlh->nlmsg_flags & NLM_F_ACK)) {
			acknowledge(&req, nlh, err, &reply);
			if (!reply.failed)
				nl_queue(sock, 0, reply.s, reply.len, true);
		}
		sb_free(&reply);
		free(nlh);
		step = NLMSG_ALIGN(msg_len);
		if (step >= len)
			return;
		p += step;
		len -= step;
	}
}
