/*
 * control/timeoutnetlink.c - timeout policies and the timeouts of those who have none, as nfct(8) asks for them. A state
 * is a netlink attribute; its number is that of the protocol's tracker, except where Linux counts them differently.
 */
#include "control/control_internal.h"

#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>

#include "conntrack/timeout.h"

enum { STATES_MAX = CTA_TIMEOUT_TCP_MAX };

/* Attributes of this protocol, counted from 1. */
static unsigned int state_count(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return CTA_TIMEOUT_TCP_MAX;
	case IPPROTO_SCTP:
		return CTA_TIMEOUT_SCTP_MAX;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_GRE:
		return CTA_TIMEOUT_UDP_MAX;
	default:
		return CTA_TIMEOUT_GENERIC_MAX;
	}
}

/* Which of the tracker's timeouts attribute @type is. */
static unsigned int state_of(uint8_t proto, unsigned int type)
{
	switch (proto) {
	case IPPROTO_TCP:
		return type == CTA_TIMEOUT_TCP_RETRANS ? TCP_CONNTRACK_RETRANS :
		       type == CTA_TIMEOUT_TCP_UNACK ? TCP_CONNTRACK_UNACK : type;
	case IPPROTO_SCTP:
		return type;
	default:
		return type - 1;
	}
}

static int values_read(const struct nlattr *nest, uint8_t proto, struct ct_policy_value *values, size_t *count)
{
	const struct nlattr *a[STATES_MAX + 1];
	unsigned int states = state_count(proto);
	int err = nl_parse_nest(nest, a, states);

	*count = 0;
	for (unsigned int type = 1; !err && type <= states; type++) {
		if (!a[type])
			continue;
		values[*count].which = state_of(proto, type);
		err = nl_get_be32(a[type], &values[(*count)++].seconds);
	}
	return err;
}

struct asked { uint16_t family; uint8_t proto; };

/* -EINVAL when one is missing. */
static int protocols_read(const struct nlattr **a, struct asked *out)
{
	be16 family;
	int err;

	if (!a[CTA_TIMEOUT_L3PROTO] || !a[CTA_TIMEOUT_L4PROTO])
		return -EINVAL;
	err = nl_get_be16(a[CTA_TIMEOUT_L3PROTO], &family);
	if (!err)
		err = nl_get_u8(a[CTA_TIMEOUT_L4PROTO], &out->proto);
	out->family = ntohs(family);
	return err;
}

static void put_head(struct strbuf *out, uint16_t family, uint8_t proto)
{
	nl_put_u16(out, CTA_TIMEOUT_L3PROTO, family);
	nl_put_u8(out, CTA_TIMEOUT_L4PROTO, proto);
}

static void put_states(struct strbuf *out, uint8_t proto, const uint32_t *jiffies)
{
	size_t at = nl_nest(out, CTA_TIMEOUT_DATA);

	for (unsigned int type = 1; type <= state_count(proto); type++)
		nl_put_u32(out, (uint16_t)type, jiffies[state_of(proto, type)] / WEIR_HZ);
	nl_nest_end(out, at);
}

static size_t begin(const struct nl_request *req, struct strbuf *out, uint16_t command)
{
	return nl_begin(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK_TIMEOUT << 8 | command), NLM_F_MULTI, req->nlh->nlmsg_seq,
			req->sock->port, AF_UNSPEC, NFNETLINK_V0, 0);
}

static void put_policy(const struct nl_request *req, const struct ct_timeout_policy *policy, struct strbuf *out)
{
	size_t at = begin(req, out, IPCTNL_MSG_TIMEOUT_NEW);

	nl_put_text(out, CTA_TIMEOUT_NAME, policy->name);
	put_head(out, policy->family, policy->proto->number);
	nl_put_u32(out, CTA_TIMEOUT_USE, 1 + policy->rules);
	put_states(out, policy->proto->number, policy->jiffies);
	nl_end(out, at);
}

static int new(struct nl_request *req)
{
	struct instance *inst = req->control->inst;
	struct ct_policy_value values[STATES_MAX];
	const struct nlattr **a = req->attrs;
	struct ct_timeout_policy *policy;
	char name[CTNL_TIMEOUT_NAME_MAX];
	struct asked asked;
	size_t count;
	int err;

	if (!a[CTA_TIMEOUT_NAME] || !a[CTA_TIMEOUT_DATA])
		return -EINVAL;
	err = protocols_read(a, &asked);
	if (!err)
		err = nl_get_name(a[CTA_TIMEOUT_NAME], name, sizeof(name));
	if (!err)
		err = values_read(a[CTA_TIMEOUT_DATA], asked.proto, values, &count);
	if (err)
		return err;
	policy = ct_policy_find(inst, name);
	if (!policy)
		return ct_policy_add(inst, name, (uint8_t)asked.family, asked.proto, values, count);
	if (req->nlh->nlmsg_flags & NLM_F_EXCL)
		return -EEXIST;
	if (!(req->nlh->nlmsg_flags & NLM_F_REPLACE))
		return -EBUSY;
	if (policy->family != asked.family || policy->proto->number != asked.proto)
		return -EINVAL;
	ct_policy_change(inst, policy, values, count);
	return 0;
}

static int get_one(struct nl_request *req)
{
	const struct ct_timeout_policy *policy;
	char name[CTNL_TIMEOUT_NAME_MAX];
	int err;

	if (!req->attrs[CTA_TIMEOUT_NAME])
		return -EINVAL;
	err = nl_get_name(req->attrs[CTA_TIMEOUT_NAME], name, sizeof(name));
	if (err)
		return err;
	policy = ct_policy_find(req->control->inst, name);
	if (!policy)
		return -ENOENT;
	put_policy(req, policy, req->reply);
	return 0;
}

struct listing { const struct nl_request *req; struct strbuf *out; };

static void add_one(void *priv, const struct ct_timeout_policy *policy)
{
	const struct listing *l = priv;

	put_policy(l->req, policy, l->out);
}

static int dump_all(struct nl_request *req)
{
	struct strbuf all = STRBUF_INIT;

	ct_policy_each(req->control->inst, add_one, &(struct listing){ req, &all });
	return nl_dump_messages(req->sock, &all);
}

static int delete(struct nl_request *req)
{
	char name[CTNL_TIMEOUT_NAME_MAX];
	int err;

	if (!req->attrs[CTA_TIMEOUT_NAME]) {
		ct_policy_flush(req->control->inst);
		return 0;
	}
	err = nl_get_name(req->attrs[CTA_TIMEOUT_NAME], name, sizeof(name));
	return err ? err : ct_policy_delete(req->control->inst, name);
}

static int default_set(struct nl_request *req)
{
	struct instance *inst = req->control->inst;
	struct ct_policy_value values[STATES_MAX];
	struct asked asked;
	size_t count;
	int err;

	if (!req->attrs[CTA_TIMEOUT_DATA])
		return -EINVAL;
	err = protocols_read(req->attrs, &asked);
	if (err)
		return err;
	if (ct_proto_of(inst, asked.proto)->number != asked.proto)
		return -EOPNOTSUPP;
	err = values_read(req->attrs[CTA_TIMEOUT_DATA], asked.proto, values, &count);
	for (size_t i = 0; !err && i < count; i++) {
		unsigned int *seconds = ct_timeout_default(inst, asked.proto, values[i].which);

		if (seconds)
			*seconds = values[i].seconds * WEIR_HZ / WEIR_HZ;	/* as many as its clock ticks hold */
	}
	return err;
}

static int default_get(struct nl_request *req)
{
	struct instance *inst = req->control->inst;
	uint32_t jiffies[CT_POLICY_STATES_MAX] = { 0 };
	struct asked asked;
	size_t at;
	int err = protocols_read(req->attrs, &asked);

	if (err)
		return err;
	if (ct_proto_of(inst, asked.proto)->number != asked.proto)
		return -EOPNOTSUPP;
	for (unsigned int i = 0; i < CT_POLICY_STATES_MAX; i++) {
		const unsigned int *seconds = ct_timeout_default(inst, asked.proto, i);

		jiffies[i] = seconds ? *seconds * WEIR_HZ : 0;
	}
	at = begin(req, req->reply, IPCTNL_MSG_TIMEOUT_DEFAULT_SET);
	put_head(req->reply, asked.family, asked.proto);
	put_states(req->reply, asked.proto, jiffies);
	nl_end(req->reply, at);
	return 0;
}

static const struct nl_command commands[] = {
	[IPCTNL_MSG_TIMEOUT_NEW] = { .call = new, .attr_max = CTA_TIMEOUT_MAX, .needs_change = true },
	[IPCTNL_MSG_TIMEOUT_GET] = { .call = get_one, .dump = dump_all, .attr_max = CTA_TIMEOUT_MAX },
	[IPCTNL_MSG_TIMEOUT_DELETE] = { .call = delete, .attr_max = CTA_TIMEOUT_MAX, .needs_change = true },
	[IPCTNL_MSG_TIMEOUT_DEFAULT_SET] = { .call = default_set, .attr_max = CTA_TIMEOUT_MAX, .needs_change = true },
	[IPCTNL_MSG_TIMEOUT_DEFAULT_GET] = { .call = default_get, .attr_max = CTA_TIMEOUT_MAX },
};

const struct nl_subsystem nl_timeout = { NFNL_SUBSYS_CTNETLINK_TIMEOUT, commands, ARRAY_SIZE(commands) };
