/* control/helpernetlink.c - connection helpers that are programs, as nfct(8) and conntrackd(8) make them known. */
#include "control/control_internal.h"

#include <linux/netfilter/nfnetlink_cthelper.h>

#include "conntrack/user_helper.h"

enum { EXPECTED_MAX = 255 };		/* NF_CT_EXPECT_MAX_CNT */

struct named {
	char name[CT_HELPER_NAME_MAX];	/* "": any */
	uint16_t family;
	uint8_t proto;
	bool has_name, has_protocols;
};

static int protocols_read(const struct nlattr *nest, struct named *out)
{
	const struct nlattr *a[NFCTH_TUPLE_MAX + 1];
	be16 family;
	int err = nl_parse_nest(nest, a, NFCTH_TUPLE_MAX);

	if (!err && (!a[NFCTH_TUPLE_L3PROTONUM] || !a[NFCTH_TUPLE_L4PROTONUM]))
		err = -EINVAL;
	if (!err)
		err = nl_get_be16(a[NFCTH_TUPLE_L3PROTONUM], &family);
	if (!err)
		err = nl_get_u8(a[NFCTH_TUPLE_L4PROTONUM], &out->proto);
	if (err)
		return err;
	out->family = ntohs(family);
	out->has_protocols = true;
	return 0;
}

/* Form first, as the kernel's policies; then what they mean. */
static int named_read(struct nl_request *req, struct named *out)
{
	static const uint8_t lens[NFCTH_MAX + 1] = {
		[NFCTH_QUEUE_NUM] = 4, [NFCTH_PRIV_DATA_LEN] = 4, [NFCTH_STATUS] = 4,
	};
	const struct nlattr **a = req->attrs;
	int err = a[NFCTH_NAME] ? nl_get_name(a[NFCTH_NAME], out->name, sizeof(out->name)) : 0;

	if (!err)
		err = nl_lengths_checked(req, lens, ARRAY_SIZE(lens));
	if (!err && a[NFCTH_TUPLE])
		err = protocols_read(a[NFCTH_TUPLE], out);
	out->has_name = a[NFCTH_NAME];
	return err;
}

static bool is_named(const struct ct_user_helper *helper, const struct named *named)
{
	return (!named->has_name || !strcmp(helper->name, named->name)) &&
	       (!named->has_protocols || (helper->family == named->family && helper->helper.proto == named->proto));
}

/* --- what may be expected --- */

struct policies {
	unsigned int count;
	struct { char name[CT_HELPER_NAME_MAX]; uint32_t max, timeout; } of[CT_EXPECT_CLASSES];
};

static int policy_read(const struct nlattr *nest, struct policies *out, unsigned int class)
{
	const struct nlattr *a[NFCTH_POLICY_MAX + 1];
	int err = nest ? nl_parse_nest(nest, a, NFCTH_POLICY_MAX) : -EINVAL;

	if (!err && (!a[NFCTH_POLICY_NAME] || !a[NFCTH_POLICY_EXPECT_MAX] || !a[NFCTH_POLICY_EXPECT_TIMEOUT]))
		err = -EINVAL;
	if (!err)
		err = nl_get_name(a[NFCTH_POLICY_NAME], out->of[class].name, sizeof(out->of[class].name));
	if (!err)
		err = nl_get_be32(a[NFCTH_POLICY_EXPECT_MAX], &out->of[class].max);
	if (!err)
		err = nl_get_be32(a[NFCTH_POLICY_EXPECT_TIMEOUT], &out->of[class].timeout);
	return err;
}

static int policies_count(const struct nlattr *nest, const struct nlattr **a, unsigned int *count)
{
	int err = nl_parse_nest(nest, a, NFCTH_POLICY_SET_MAX);

	if (!err && !a[NFCTH_POLICY_SET_NUM])
		err = -EINVAL;
	return err ? err : nl_get_be32(a[NFCTH_POLICY_SET_NUM], count);
}

/* For a new helper: whatever is wrong with one of them is -EINVAL. */
static int policies_read(const struct nlattr *nest, struct policies *out)
{
	const struct nlattr *a[NFCTH_POLICY_SET_MAX + 1];
	int err = policies_count(nest, a, &out->count);

	if (!err && (!out->count || out->count > CT_EXPECT_CLASSES))
		err = out->count ? -EOVERFLOW : -EINVAL;
	for (unsigned int i = 0; !err && i < out->count; i++)
		if (policy_read(a[NFCTH_POLICY_SET + i], out, i) || out->of[i].max > EXPECTED_MAX)
			err = -EINVAL;
	return err;
}

static void policies_set(struct ct_user_helper *helper, const struct policies *from)
{
	for (unsigned int i = 0; i < helper->classes; i++) {
		ct_user_helper_policy(helper, i)->max_expected = from->of[i].max;
		ct_user_helper_policy(helper, i)->timeout_sec = from->of[i].timeout;
	}
}

/* All or none; their names and how many there are stay. */
static int policies_change(struct ct_user_helper *helper, const struct nlattr *nest)
{
	const struct nlattr *a[NFCTH_POLICY_SET_MAX + 1];
	struct policies fresh;
	int err = policies_count(nest, a, &fresh.count);

	if (!err && fresh.count != helper->classes)
		err = -EBUSY;
	for (unsigned int i = 0; !err && i < helper->classes; i++) {
		err = policy_read(a[NFCTH_POLICY_SET + i], &fresh, i);
		if (!err && strcmp(fresh.of[i].name, helper->class_names[i]))
			err = -EBUSY;
		if (!err && fresh.of[i].max > EXPECTED_MAX)
			err = -EINVAL;
	}
	if (!err)
		policies_set(helper, &fresh);
	return err;
}

/* --- commands --- */

static void settings_read(const struct nlattr **a, struct ct_user_helper *helper)
{
	uint32_t status;

	if (a[NFCTH_QUEUE_NUM])
		nl_get_be32(a[NFCTH_QUEUE_NUM], &helper->queue);
	if (a[NFCTH_STATUS] && !nl_get_be32(a[NFCTH_STATUS], &status) && status <= NFCT_HELPER_STATUS_ENABLED)
		helper->is_enabled = status == NFCT_HELPER_STATUS_ENABLED;
}

static int create(struct nl_request *req, const struct named *named)
{
	const struct nlattr **a = req->attrs;
	struct ct_user_helper *helper;
	struct policies policies;
	uint32_t size;
	int err;

	if (!a[NFCTH_POLICY] || !a[NFCTH_PRIV_DATA_LEN])
		return -EINVAL;
	err = policies_read(a[NFCTH_POLICY], &policies);
	if (!err)
		err = nl_get_be32(a[NFCTH_PRIV_DATA_LEN], &size);
	if (!err && size > CT_HELP_DATA_MAX)
		err = -ENOMEM;
	if (err)
		return err;
	helper = ct_user_helper_add(req->control->inst, named->name, named->family, named->proto, policies.count);
	if (!helper)
		return -ENOMEM;
	for (unsigned int i = 0; i < policies.count; i++)
		memcpy(helper->class_names[i], policies.of[i].name, sizeof(policies.of[i].name));
	policies_set(helper, &policies);
	helper->data_len = (uint8_t)size;
	settings_read(a, helper);
	return 0;
}

static int update(const struct nlattr **a, struct ct_user_helper *helper)
{
	uint32_t size;
	int err = 0;

	if (a[NFCTH_PRIV_DATA_LEN] && !nl_get_be32(a[NFCTH_PRIV_DATA_LEN], &size) && size != helper->data_len)
		return -EBUSY;
	if (a[NFCTH_POLICY])
		err = policies_change(helper, a[NFCTH_POLICY]);
	if (!err)
		settings_read(a, helper);
	return err;
}

struct search {
	const struct named *named;
	struct nl_request *req;
	struct ct_user_helper *found;
	struct strbuf *out;
	unsigned int seen, deleted;
	int err;
};

static bool first_one(void *priv, struct ct_user_helper *helper)
{
	struct search *s = priv;

	if (is_named(helper, s->named))
		s->found = helper;
	return !s->found;
}

static int new(struct nl_request *req)
{
	struct named named = { .family = 0 };
	struct search s = { .named = &named };
	int err = named_read(req, &named);

	if (!err && (!named.has_name || !named.has_protocols))
		err = -EINVAL;
	if (err)
		return err;
	ct_user_helper_each(req->control->inst, first_one, &s);
	if (s.found && req->nlh->nlmsg_flags & NLM_F_EXCL)
		return -EEXIST;
	return s.found ? update(req->attrs, s.found) : create(req, &named);
}

static void put_helper(const struct nl_request *req, struct ct_user_helper *helper, struct strbuf *out)
{
	size_t at = nl_begin(out, NFNL_SUBSYS_CTHELPER << 8 | NFNL_MSG_CTHELPER_NEW, NLM_F_MULTI, req->nlh->nlmsg_seq, req->sock->port,
			     AF_UNSPEC, NFNETLINK_V0, 0), nest, one;

	nl_put_text(out, NFCTH_NAME, helper->name);
	nl_put_u32(out, NFCTH_QUEUE_NUM, helper->queue);
	nest = nl_nest(out, NFCTH_TUPLE);
	nl_put_u16(out, NFCTH_TUPLE_L3PROTONUM, helper->family);
	nl_put_u8(out, NFCTH_TUPLE_L4PROTONUM, helper->helper.proto);
	nl_nest_end(out, nest);
	nest = nl_nest(out, NFCTH_POLICY);
	nl_put_u32(out, NFCTH_POLICY_SET_NUM, helper->classes);
	for (unsigned int i = 0; i < helper->classes; i++) {
		const struct ct_expect_policy *policy = ct_user_helper_policy(helper, i);

		one = nl_nest(out, (uint16_t)(NFCTH_POLICY_SET + i));
		nl_put_text(out, NFCTH_POLICY_NAME, policy->name);
		nl_put_u32(out, NFCTH_POLICY_EXPECT_MAX, policy->max_expected);
		nl_put_u32(out, NFCTH_POLICY_EXPECT_TIMEOUT, policy->timeout_sec);
		nl_nest_end(out, one);
	}
	nl_nest_end(out, nest);
	nl_put_u32(out, NFCTH_PRIV_DATA_LEN, helper->data_len);
	nl_put_u32(out, NFCTH_STATUS, helper->is_enabled ? NFCT_HELPER_STATUS_ENABLED : NFCT_HELPER_STATUS_DISABLED);
	nl_end(out, at);
}

static int get_one(struct nl_request *req)
{
	struct named named = { .family = 0 };
	struct search s = { .named = &named };
	int err = named_read(req, &named);

	if (err)
		return err;
	ct_user_helper_each(req->control->inst, first_one, &s);
	if (!s.found)
		return -ENOENT;
	put_helper(req, s.found, req->reply);
	return 0;
}

static bool add_one(void *priv, struct ct_user_helper *helper)
{
	const struct search *s = priv;

	put_helper(s->req, helper, s->out);
	return true;
}

static int dump_all(struct nl_request *req)
{
	struct strbuf all = STRBUF_INIT;

	ct_user_helper_each(req->control->inst, add_one, &(struct search){ .req = req, .out = &all });
	return nl_dump_messages(req->sock, &all);
}

static bool delete_one(void *priv, struct ct_user_helper *helper)
{
	struct search *s = priv;

	s->seen++;
	if (!is_named(helper, s->named))
		return true;
	if (ct_user_helper_delete(s->req->control->inst, helper))
		s->err = -EBUSY;
	else
		s->deleted++;
	return true;
}

/* Whatever fits the words; without words, all. Where there is none at all, that is fine. */
static int delete(struct nl_request *req)
{
	struct named named = { .family = 0 };
	struct search s = { .named = &named, .req = req, .err = -ENOENT };
	int err = named_read(req, &named);

	if (err)
		return err;
	ct_user_helper_each(req->control->inst, delete_one, &s);
	return s.deleted || !s.seen ? 0 : s.err;
}

static const struct nl_command commands[] = {
	[NFNL_MSG_CTHELPER_NEW] = { .call = new, .attr_max = NFCTH_MAX, .needs_change = true },
	[NFNL_MSG_CTHELPER_GET] = { .call = get_one, .dump = dump_all, .attr_max = NFCTH_MAX, .needs_change = true },
	[NFNL_MSG_CTHELPER_DEL] = { .call = delete, .attr_max = NFCTH_MAX, .needs_change = true },
};

const struct nl_subsystem nl_cthelper = { NFNL_SUBSYS_CTHELPER, commands, ARRAY_SIZE(commands) };
