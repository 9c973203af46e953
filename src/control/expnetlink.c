/* control/expnetlink.c - requests about expectations, and their events. */
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>

#include "conntrack/control.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"
#include "control/ct_msg.h"
#include "nat/mangle.h"

/* What may happen at an arrival has a name, which tools give back: this, or a helper's (ct_helper.arrival_names). */
static const char follow_master[] = "nat-follow-master";

/* What the master's side has said, when NAT changed it. */
static void put_nat(const struct ct_expect *exp, struct strbuf *out)
{
	static const union nf_inet_addr any;
	struct ct_tuple said = { .family = ct_family(exp->master), .proto = ct_proto_num(exp->master), .src = exp->saved_addr,
				 .src_l4.port = exp->saved_port };
	size_t at;

	if (!exp->saved_port && ct_addr_equal(&exp->saved_addr, &any))
		return;
	at = nl_nest(out, CTA_EXPECT_NAT);
	nl_put_u32(out, CTA_EXPECT_NAT_DIR, exp->dir);
	ct_put_tuple(out, CTA_EXPECT_NAT_TUPLE, &said, 0);
	nl_nest_end(out, at);
}

static int get_nat(const struct nlattr *nest, uint8_t family, struct ct_expect_request *out)
{
	const struct nlattr *a[CTA_EXPECT_NAT_MAX + 1];
	struct ct_tuple said;
	uint32_t dir;
	int err = nl_parse_nest(nest, a, CTA_EXPECT_NAT_MAX);

	if (err || !a[CTA_EXPECT_NAT_DIR] || !a[CTA_EXPECT_NAT_TUPLE])
		return err ? err : -EINVAL;
	err = ct_get_tuple(a[CTA_EXPECT_NAT_TUPLE], family, IP_CT_DIR_ORIGINAL, &said, NULL);
	if (!err)
		err = nl_get_be32(a[CTA_EXPECT_NAT_DIR], &dir);
	if (err)
		return err;
	out->saved_addr = said.src;
	out->saved_port = said.src_l4.port;
	out->dir = dir ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL;
	return 0;
}

static int get_arrival(const struct nlattr *attr, ct_arrival_fn *out)
{
	char name[sizeof(follow_master)];

	if (nl_get_name(attr, name, sizeof(name)))
		return -EINVAL;
	*out = strcmp(name, follow_master) ? NULL : nat_follow_master;
	for (const struct ct_helper *const *h = ct_helpers; *h && !*out; h++)
		for (int i = 0; i < CT_HELPER_ARRIVALS; i++)
			if ((*h)->arrival_names[i] && !strcmp((*h)->arrival_names[i], name))
				*out = (*h)->arrivals[i];
	return *out ? 0 : -EINVAL;
}

/* NULL: nobody can ask for that. */
static const char *arrival_name(ct_arrival_fn fn)
{
	if (fn == nat_follow_master)
		return follow_master;
	for (const struct ct_helper *const *h = ct_helpers; fn && *h; h++)
		for (int i = 0; i < CT_HELPER_ARRIVALS; i++)
			if ((*h)->arrivals[i] == fn)
				return (*h)->arrival_names[i];
	return NULL;
}

static uint32_t id_of(const struct ct_expect *exp)
{
	return (uint32_t)((uintptr_t)exp >> 4);
}

static int get_zone(const struct nlattr **a, struct ct_zone *zone)
{
	be16 id = 0;

	if (a[CTA_EXPECT_ZONE] && nl_get_be16(a[CTA_EXPECT_ZONE], &id))
		return -ERANGE;
	*zone = (struct ct_zone){ .dir = CT_ZONE_DIR_BOTH, .id = ntohs(id) };
	return 0;
}

static void put_expect(const struct instance *inst, const struct ct_expect *exp, struct strbuf *out)
{
	struct ct_tuple mask = exp->tuple;
	const char *name = exp->helper ? exp->helper->name : NULL;

	ct_put_tuple(out, CTA_EXPECT_TUPLE, &exp->tuple, 0);
	memset(&mask.dst, 0xff, sizeof(mask.dst));
	mask.src = exp->mask_src;
	mask.src_l4.port = exp->mask_src_port;
	mask.dst_l4.port = 0xffff;
	ct_put_tuple(out, CTA_EXPECT_MASK, &mask, 0);
	ct_put_tuple(out, CTA_EXPECT_MASTER, ct_tuple(exp->master, IP_CT_DIR_ORIGINAL), 0);
	put_nat(exp, out);
	nl_put_u32(out, CTA_EXPECT_TIMEOUT, ct_expect_left_sec(inst, exp));
	nl_put_u32(out, CTA_EXPECT_ID, id_of(exp));
	nl_put_u32(out, CTA_EXPECT_FLAGS, exp->flags);
	nl_put_u32(out, CTA_EXPECT_CLASS, exp->class);
	if (name)
		nl_put_text(out, CTA_EXPECT_HELP_NAME, name);
	if (arrival_name(exp->arrived))
		nl_put_text(out, CTA_EXPECT_FN, arrival_name(exp->arrived));
}

static void put_message(const struct instance *inst, const struct ct_expect *exp, uint16_t command, uint16_t flags,
			uint32_t seq, uint32_t port, struct strbuf *out)
{
	size_t at = nl_begin(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK_EXP << 8 | command), flags, seq, port, exp->tuple.family,
			     NFNETLINK_V0, 0);

	put_expect(inst, exp, out);
	nl_end(out, at);
}

struct expectations { struct instance *inst; uint8_t family; uint32_t seq, port; struct strbuf *out; const struct ct *master; };

static void add_one(void *priv, const struct ct_expect *exp)
{
	struct expectations *e = priv;

	if ((!e->family || exp->tuple.family == e->family) && (!e->master || exp->master == e->master))
		put_message(e->inst, exp, IPCTNL_MSG_EXP_NEW, NLM_F_MULTI, e->seq, e->port, e->out);
}

static int find_master(struct nl_request *req, struct ct **master)
{
	struct ct_tuple tuple;
	struct ct_zone zone;
	int err = ct_get_tuple(req->attrs[CTA_EXPECT_MASTER], req->nfg->nfgen_family, IP_CT_DIR_ORIGINAL, &tuple, NULL), dir;

	if (!err)
		err = get_zone(req->attrs, &zone);
	if (err)
		return err;
	*master = ct_find(req->control->inst, &zone, &tuple, &dir);
	return *master ? 0 : -ENOENT;
}

static int dump_all(struct nl_request *req)
{
	struct strbuf all = STRBUF_INIT;
	struct expectations e = { req->control->inst, req->nfg->nfgen_family, req->nlh->nlmsg_seq, req->sock->port, &all, NULL };
	struct ct *master = NULL;
	int err = req->attrs[CTA_EXPECT_MASTER] ? find_master(req, &master) : 0;

	if (err)
		return err;
	e.master = master;
	ct_expect_each(e.inst, add_one, &e);
	if (master && !ct_help_of(master))
		err = 0;	/* nothing could be said of it, not even that this is all */
	else
		err = nl_dump_messages(req->sock, &all);
	if (master)
		ct_put(e.inst, master);
	return err;
}

/* --- one, by its tuple (and its master's or its id) --- */

/* The one that a packet of the tuple would meet; when an id is given, it must be that one's. */
static int named(struct nl_request *req, const struct ct_expect **out)
{
	const struct nlattr **a = req->attrs, *attr = a[CTA_EXPECT_TUPLE] ? a[CTA_EXPECT_TUPLE] : a[CTA_EXPECT_MASTER];
	struct ct_zone zone;
	struct ct_tuple tuple;
	uint32_t id;
	int err = get_zone(a, &zone);

	if (!err && !attr)
		err = -EINVAL;
	if (!err)
		err = ct_get_tuple(attr, req->nfg->nfgen_family, IP_CT_DIR_ORIGINAL, &tuple, NULL);
	if (err)
		return err;
	*out = ct_expect_find(req->control->inst, &zone, &tuple);
	if (!*out)
		return -ENOENT;
	if (a[CTA_EXPECT_ID] && nl_get_be32(a[CTA_EXPECT_ID], &id))
		return -ERANGE;
	return a[CTA_EXPECT_ID] && id != id_of(*out) ? -ENOENT : 0;
}

static int get_one(struct nl_request *req)
{
	const struct ct_expect *exp;
	int err = named(req, &exp);

	if (!err)
		put_message(req->control->inst, exp, IPCTNL_MSG_EXP_NEW, NLM_F_MULTI, req->nlh->nlmsg_seq, req->sock->port, req->reply);
	return err;
}

struct all { const struct ct_expect **list; size_t count, room; const char *helper; };

static void gather(void *priv, const struct ct_expect *exp)
{
	struct all *all = priv;

	if (all->helper && (!exp->helper || strcmp(exp->helper->name, all->helper)))
		return;
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 32;
		const struct ct_expect **more = realloc(all->list, room * sizeof(*more));

		if (!more)
			return;
		all->list = more;
		all->room = room;
	}
	all->list[all->count++] = exp;
}

static void end(struct nl_request *req, const struct ct_expect *exp)
{
	req->control->ends_expects = true;
	ct_expect_remove(req->control->inst, (struct ct_expect *)exp);
	req->control->ends_expects = false;
}

static int delete(struct nl_request *req)
{
	struct all all = { NULL, 0, 0, NULL };
	const struct ct_expect *exp;

	if (req->attrs[CTA_EXPECT_TUPLE]) {
		int err = named(req, &exp);

		if (!err)
			end(req, exp);
		return err;
	}
	if (req->attrs[CTA_EXPECT_HELP_NAME])
		all.helper = (const char *)nl_data(req->attrs[CTA_EXPECT_HELP_NAME]);
	if (all.helper && !memchr(all.helper, '\0', nl_len(req->attrs[CTA_EXPECT_HELP_NAME])))
		return -EINVAL;
	ct_expect_each(req->control->inst, gather, &all);
	for (size_t i = 0; i < all.count; i++)
		end(req, all.list[i]);
	free(all.list);
	return 0;
}

int expect_request_read(const struct nlattr **a, uint8_t family, struct ct_expect_request *want)
{
	struct ct_tuple mask;
	uint32_t class = 0;
	int err;

	*want = (struct ct_expect_request){ .zone.dir = CT_ZONE_DIR_BOTH };
	if (!a[CTA_EXPECT_TUPLE] || !a[CTA_EXPECT_MASK])
		return -EINVAL;
	err = get_zone(a, &want->zone);
	if (!err)
		err = ct_get_tuple(a[CTA_EXPECT_TUPLE], family, IP_CT_DIR_ORIGINAL, &want->tuple, NULL);
	if (!err)
		err = ct_get_tuple(a[CTA_EXPECT_MASK], family, IP_CT_DIR_ORIGINAL, &mask, NULL);
	if (!err && a[CTA_EXPECT_FLAGS])
		err = nl_get_be32(a[CTA_EXPECT_FLAGS], &want->flags);
	if (!err && a[CTA_EXPECT_CLASS])
		err = nl_get_be32(a[CTA_EXPECT_CLASS], &class);
	if (!err && a[CTA_EXPECT_NAT])
		err = get_nat(a[CTA_EXPECT_NAT], family, want);
	if (!err && a[CTA_EXPECT_FN])
		err = get_arrival(a[CTA_EXPECT_FN], &want->arrived);
	if (err)
		return err;
	if (class > UINT8_MAX)
		return -EINVAL;
	if (a[CTA_EXPECT_HELP_NAME]) {
		want->helper = nl_data(a[CTA_EXPECT_HELP_NAME]);
		if (!memchr(want->helper, '\0', nl_len(a[CTA_EXPECT_HELP_NAME])))
			return -EINVAL;
	}
	want->class = (uint8_t)class;
	want->mask_src = mask.src;
	want->mask_src_port = mask.src_l4.port;
	return 0;
}

static int extend(struct nl_request *req, struct ct_expect *exp)
{
	uint32_t seconds;

	if (!req->attrs[CTA_EXPECT_TIMEOUT])
		return 0;
	if (nl_get_be32(req->attrs[CTA_EXPECT_TIMEOUT], &seconds))
		return -ERANGE;
	ct_expect_extend(req->control->inst, exp, seconds);
	return 0;
}

static int new(struct nl_request *req)
{
	struct ct_expect_request want;
	const struct nlattr **a = req->attrs;
	uint8_t family = req->nfg->nfgen_family;
	struct ct_expect *known;
	int err;

	if (!a[CTA_EXPECT_TUPLE] || !a[CTA_EXPECT_MASK] || !a[CTA_EXPECT_MASTER])
		return -EINVAL;
	err = get_zone(a, &want.zone);
	if (!err)
		err = ct_get_tuple(a[CTA_EXPECT_TUPLE], family, IP_CT_DIR_ORIGINAL, &want.tuple, NULL);
	if (err)
		return err;
	known = ct_expect_find(req->control->inst, &want.zone, &want.tuple);
	if (known)
		return req->nlh->nlmsg_flags & NLM_F_EXCL ? -EEXIST : extend(req, known);
	err = expect_request_read(a, family, &want);
	if (!err)
		err = ct_get_tuple(a[CTA_EXPECT_MASTER], family, IP_CT_DIR_ORIGINAL, &want.master, NULL);
	if (err)
		return err;
	if (!(req->nlh->nlmsg_flags & NLM_F_CREATE))
		return -ENOENT;
	return ct_control_expect_new(req->control->inst, &want);
}

static bool stats_more(struct nl_sock *sock, struct nl_dump *dump, struct strbuf *out)
{
	const struct ct_stats *stats = ct_stats(sock->control->inst);
	/* of the other subsystem, as Linux has it */
	size_t at = nl_begin(out, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_EXP_GET_STATS_CPU, NLM_F_MULTI, dump->seq, sock->port,
			     NFPROTO_UNSPEC, NFNETLINK_V0, 0);

	nl_put_u32(out, CTA_STATS_EXP_NEW, (uint32_t)stats->expect_new);
	nl_put_u32(out, CTA_STATS_EXP_CREATE, (uint32_t)stats->expect_create);
	nl_put_u32(out, CTA_STATS_EXP_DELETE, (uint32_t)stats->expect_delete);
	nl_end(out, at);
	return false;
}

static int dump_stats(struct nl_request *req)
{
	req->sock->dump = (struct nl_dump){ .more = stats_more };
	return 0;
}

static const struct nl_command commands[] = {
	[IPCTNL_MSG_EXP_GET_STATS_CPU] = { .dump = dump_stats },
	[IPCTNL_MSG_EXP_NEW] = { .call = new, .attr_max = CTA_EXPECT_MAX, .needs_change = true },
	[IPCTNL_MSG_EXP_GET] = { .call = get_one, .dump = dump_all, .attr_max = CTA_EXPECT_MAX },
	[IPCTNL_MSG_EXP_DELETE] = { .call = delete, .attr_max = CTA_EXPECT_MAX, .needs_change = true },
};

const struct nl_subsystem nl_expect = { NFNL_SUBSYS_CTNETLINK_EXP, commands, ARRAY_SIZE(commands) };

void expnetlink_event(struct control *control, const struct ct_expect *exp, bool ended)
{
	unsigned int group = ended ? NFNLGRP_CONNTRACK_EXP_DESTROY : NFNLGRP_CONNTRACK_EXP_NEW;
	const bool is_asked = !ended || control->ends_expects;
	struct nl_sock *echo_to = control->echo_to;
	struct strbuf msg = STRBUF_INIT;

	if (!is_asked)
		control->echo_to = NULL;
	if (nl_group_heard(control, group)) {
		put_message(control->inst, exp, ended ? IPCTNL_MSG_EXP_DELETE : IPCTNL_MSG_EXP_NEW,
			    ended ? 0 : NLM_F_CREATE | NLM_F_EXCL, 0, is_asked ? control->asker : 0, &msg);
		nl_multicast(control, group, &msg);
	}
	control->echo_to = echo_to;
	sb_free(&msg);
}
