/*
 * control/ctnetlink.c - requests about connections: dump, get, begin, change, end, statistics. What may be changed by hand,
 * and which error says no, is conntrack/control.c's; here are the attributes.
 */
#include "base/uapi.h"

#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "conntrack/control.h"
#include "conntrack/labels.h"
#include "control/ct_msg.h"

/* --- which connections --- */

struct selection {
	uint8_t family;			/* 0: all */
	bool has_mark, has_status, has_zone, has_orig, has_reply;
	uint32_t mark, mark_mask, status, status_mask, orig_fields, reply_fields;
	uint16_t zone;
	struct ct_tuple orig, reply;
};

/* Which parts of a tuple a filter looks at (CTA_FILTER_*_FLAGS); numbers of the kernel's own enum. */
enum tuple_field {
	FIELD_SRC = 1 << 0, FIELD_DST = 1 << 1, FIELD_ZONE = 1 << 2, FIELD_PROTO = 1 << 3, FIELD_SPORT = 1 << 4, FIELD_DPORT = 1 << 5,
	FIELD_ICMP_TYPE = 1 << 6, FIELD_ICMP_CODE = 1 << 7, FIELD_ICMP_ID = 1 << 8, FIELD_ICMP6_TYPE = 1 << 9,
	FIELD_ICMP6_CODE = 1 << 10, FIELD_ICMP6_ID = 1 << 11,
};

static bool tuple_fits(const struct ct_tuple *t, const struct ct_tuple *want, uint32_t fields)
{
	if (fields & FIELD_SRC && !ct_addr_equal(&t->src, &want->src))
		return false;
	if (fields & FIELD_DST && !ct_addr_equal(&t->dst, &want->dst))
		return false;
	if (fields & FIELD_PROTO && t->proto != want->proto)
		return false;
	if (fields & FIELD_SPORT && t->src_l4.port != want->src_l4.port)
		return false;
	if (fields & FIELD_DPORT && t->dst_l4.port != want->dst_l4.port)
		return false;
	if (fields & (FIELD_ICMP_TYPE | FIELD_ICMP6_TYPE) && t->dst_l4.icmp.type != want->dst_l4.icmp.type)
		return false;
	if (fields & (FIELD_ICMP_CODE | FIELD_ICMP6_CODE) && t->dst_l4.icmp.code != want->dst_l4.icmp.code)
		return false;
	return !(fields & (FIELD_ICMP_ID | FIELD_ICMP6_ID)) || t->src_l4.icmp_id == want->src_l4.icmp_id;
}

static bool is_selected(const struct selection *sel, const struct ct *ct)
{
	if (sel->family && ct_family(ct) != sel->family)
		return false;
	if (sel->has_mark && (ct->mark & sel->mark_mask) != sel->mark)
		return false;
	if (sel->has_status && (ct->status & sel->status_mask) != sel->status)
		return false;
	if (sel->has_zone && ct->zone.id != sel->zone)
		return false;
	if (sel->has_orig && !tuple_fits(ct_tuple(ct, IP_CT_DIR_ORIGINAL), &sel->orig, sel->orig_fields))
		return false;
	return !sel->has_reply || tuple_fits(ct_tuple(ct, IP_CT_DIR_REPLY), &sel->reply, sel->reply_fields);
}

/* Only the parts that the filter names are there. */
static int partial_tuple(const struct nlattr *nest, uint8_t family, uint32_t fields, struct ct_tuple *out)
{
	const struct nlattr *t[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1] = { NULL }, *pr[CTA_PROTO_MAX + 1] = { NULL };
	const size_t len = family == NFPROTO_IPV4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	const struct nlattr *src, *dst, *id, *type, *code;
	bool v4 = family == NFPROTO_IPV4;

	memset(out, 0, sizeof(*out));
	if (nl_parse_nest(nest, t, CTA_TUPLE_MAX) || (t[CTA_TUPLE_IP] && nl_parse_nest(t[CTA_TUPLE_IP], ip, CTA_IP_MAX)) ||
	    (t[CTA_TUPLE_PROTO] && nl_parse_nest(t[CTA_TUPLE_PROTO], pr, CTA_PROTO_MAX)))
		return -EINVAL;
	if (fields & (FIELD_SRC | FIELD_DST) && family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return -EOPNOTSUPP;
	src = v4 ? ip[CTA_IP_V4_SRC] : ip[CTA_IP_V6_SRC];
	dst = v4 ? ip[CTA_IP_V4_DST] : ip[CTA_IP_V6_DST];
	id = v4 ? pr[CTA_PROTO_ICMP_ID] : pr[CTA_PROTO_ICMPV6_ID];
	type = v4 ? pr[CTA_PROTO_ICMP_TYPE] : pr[CTA_PROTO_ICMPV6_TYPE];
	code = v4 ? pr[CTA_PROTO_ICMP_CODE] : pr[CTA_PROTO_ICMPV6_CODE];
	if ((fields & FIELD_SRC && (!src || nl_len(src) < len)) || (fields & FIELD_DST && (!dst || nl_len(dst) < len)))
		return -EINVAL;
	if (fields & FIELD_SRC)
		memcpy(&out->src, nl_data(src), len);
	if (fields & FIELD_DST)
		memcpy(&out->dst, nl_data(dst), len);
	if (fields & FIELD_PROTO && (!pr[CTA_PROTO_NUM] || nl_get_u8(pr[CTA_PROTO_NUM], &out->proto)))
		return -EINVAL;
	if (fields & FIELD_SPORT && (!pr[CTA_PROTO_SRC_PORT] || nl_get_be16(pr[CTA_PROTO_SRC_PORT], &out->src_l4.port)))
		return -EINVAL;
	if (fields & FIELD_DPORT && (!pr[CTA_PROTO_DST_PORT] || nl_get_be16(pr[CTA_PROTO_DST_PORT], &out->dst_l4.port)))
		return -EINVAL;
	if (fields & (FIELD_ICMP_ID | FIELD_ICMP6_ID) && (!id || nl_get_be16(id, &out->src_l4.icmp_id)))
		return -EINVAL;
	if (fields & (FIELD_ICMP_TYPE | FIELD_ICMP6_TYPE) && (!type || nl_get_u8(type, &out->dst_l4.icmp.type)))
		return -EINVAL;
	if (fields & (FIELD_ICMP_CODE | FIELD_ICMP6_CODE) && (!code || nl_get_u8(code, &out->dst_l4.icmp.code)))
		return -EINVAL;
	return 0;
}

static int filter_read(const struct nlattr **attrs, uint8_t family, struct selection *sel)
{
	const struct nlattr *f[CTA_FILTER_MAX + 1];

	if (nl_parse_nest(attrs[CTA_FILTER], f, CTA_FILTER_MAX))
		return -EINVAL;
	if (f[CTA_FILTER_ORIG_FLAGS]) {
		if (nl_len(f[CTA_FILTER_ORIG_FLAGS]) < sizeof(uint32_t))
			return -ERANGE;
		memcpy(&sel->orig_fields, nl_data(f[CTA_FILTER_ORIG_FLAGS]), sizeof(uint32_t));
	}
	if (f[CTA_FILTER_REPLY_FLAGS]) {
		if (nl_len(f[CTA_FILTER_REPLY_FLAGS]) < sizeof(uint32_t))
			return -ERANGE;
		memcpy(&sel->reply_fields, nl_data(f[CTA_FILTER_REPLY_FLAGS]), sizeof(uint32_t));
	}
	sel->has_orig = sel->orig_fields && attrs[CTA_TUPLE_ORIG];
	sel->has_reply = sel->reply_fields && attrs[CTA_TUPLE_REPLY];
	if (sel->has_orig && partial_tuple(attrs[CTA_TUPLE_ORIG], family, sel->orig_fields, &sel->orig))
		return -EINVAL;
	if (sel->has_reply && partial_tuple(attrs[CTA_TUPLE_REPLY], family, sel->reply_fields, &sel->reply))
		return -EINVAL;
	return 0;
}

static int selection_read(const struct nl_request *req, struct selection *sel)
{
	const struct nlattr **a = req->attrs;
	be16 zone;

	memset(sel, 0, sizeof(*sel));
	sel->family = req->nfg->nfgen_family;
	if (a[CTA_MARK]) {
		sel->has_mark = true;
		sel->mark_mask = UINT32_MAX;
		if (nl_get_be32(a[CTA_MARK], &sel->mark) || (a[CTA_MARK_MASK] && nl_get_be32(a[CTA_MARK_MASK], &sel->mark_mask)))
			return -ERANGE;
	} else if (a[CTA_MARK_MASK]) {
		return -EINVAL;
	}
	if (a[CTA_STATUS]) {
		sel->has_status = true;
		if (nl_get_be32(a[CTA_STATUS], &sel->status))
			return -ERANGE;
		sel->status_mask = sel->status;
		if (a[CTA_STATUS_MASK] && nl_get_be32(a[CTA_STATUS_MASK], &sel->status_mask))
			return -ERANGE;
		if (!sel->status_mask)
			return -EINVAL;
	}
	if (a[CTA_ZONE]) {
		sel->has_zone = true;
		if (nl_get_be16(a[CTA_ZONE], &zone))
			return -ERANGE;
		sel->zone = ntohs(zone);
	}
	return a[CTA_FILTER] ? filter_read(a, sel->family, sel) : 0;
}

/* The connection that a request's tuple names, shared. 0, -ENOENT or what is wrong with the tuple. */
static int named(struct nl_request *req, struct ct **out)
{
	const struct nlattr *attr = req->attrs[CTA_TUPLE_ORIG] ? req->attrs[CTA_TUPLE_ORIG] : req->attrs[CTA_TUPLE_REPLY];
	struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	struct ct_tuple tuple;
	uint32_t id;
	be16 zone_id;
	int dir, err;

	if (!attr)
		return -EINVAL;
	if (req->attrs[CTA_ZONE]) {
		if (nl_get_be16(req->attrs[CTA_ZONE], &zone_id))
			return -ERANGE;
		zone.id = ntohs(zone_id);
	}
	err = ct_get_tuple(attr, req->nfg->nfgen_family, attr == req->attrs[CTA_TUPLE_REPLY], &tuple, &zone);
	if (err)
		return err;
	*out = ct_find(req->control->inst, &zone, &tuple, &dir);
	if (!*out)
		return -ENOENT;
	if (req->attrs[CTA_ID] && !nl_get_be32(req->attrs[CTA_ID], &id) && id != ct_id(req->control->inst, *out)) {
		ct_put(req->control->inst, *out);
		return -ENOENT;
	}
	return 0;
}

/* --- dump --- */

/* Shares of all that were there when the dump began; what has ended meanwhile is left out. */
struct listing {
	struct instance *inst;
	struct selection sel;
	struct ct **list;
	uint32_t count, room;
	uint16_t flags;			/* of its messages */
	bool clear_counters;
};

static bool list_one(void *priv, struct ct *ct)
{
	struct listing *l = priv;

	if (!is_selected(&l->sel, ct))
		return true;
	if (l->count == l->room) {
		uint32_t room = l->room ? l->room * 2 : 64;
		struct ct **more = realloc(l->list, room * sizeof(*more));

		if (!more)
			return false;
		l->list = more;
		l->room = room;
	}
	ct_get(ct);
	l->list[l->count++] = ct;
	return true;
}

static bool dump_more(struct nl_sock *sock, struct nl_dump *dump, struct strbuf *out)
{
	struct listing *l = dump->state;

	while (dump->at < l->count) {
		struct ct *ct = l->list[dump->at];
		size_t before = out->len;

		if (!ct_is_dying(ct)) {
			l->list[dump->at]->refs--;	/* use= does not count this listing's share */
			ct_put_message(l->inst, ct, l->flags, dump->seq, sock->port, out);
			l->list[dump->at]->refs++;
		}
		if (out->len > NL_DUMP_BYTES && before) {
			out->len = before;
			return true;
		}
		if (l->clear_counters && ct->extra && ct->extra->has_acct)
			memset(ct->extra->acct, 0, sizeof(ct->extra->acct));
		ct_put(l->inst, ct);
		l->list[dump->at++] = NULL;
	}
	return false;
}

static void dump_done(struct nl_dump *dump)
{
	struct listing *l = dump->state;

	for (uint32_t i = 0; i < l->count; i++)
		if (l->list[i])
			ct_put(l->inst, l->list[i]);
	free(l->list);
	free(l);
}

/* A mask alone is not looked at. */
static bool asks_for_some(const struct nl_request *req)
{
	const struct nlattr **a = req->attrs;

	return req->nfg->nfgen_family || a[CTA_MARK] || a[CTA_STATUS] || a[CTA_ZONE] || a[CTA_FILTER];
}

static int dump_start(struct nl_request *req, bool empty)
{
	struct listing *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->inst = req->control->inst;
	l->clear_counters = NFNL_MSG_TYPE(req->nlh->nlmsg_type) == IPCTNL_MSG_CT_GET_CTRZERO;
	l->flags = NLM_F_MULTI;
	if (asks_for_some(req)) {
		err = selection_read(req, &l->sel);
		if (err) {
			free(l);
			return err;
		}
		l->flags |= NLM_F_DUMP_FILTERED;
	}
	if (!empty)
		ct_each(l->inst, list_one, l);
	req->sock->dump = (struct nl_dump){ .more = dump_more, .done = dump_done, .state = l };
	return 0;
}

static int dump_all(struct nl_request *req) { return dump_start(req, false); }
/* Between two packets nothing is unconfirmed, and what ended is gone. */
static int dump_none(struct nl_request *req) { return dump_start(req, true); }

/* --- get, begin, change, end --- */

static int get_one(struct nl_request *req)
{
	struct ct *ct;
	int err = named(req, &ct);

	if (err)
		return err;
	ct_put_message(req->control->inst, ct, NLM_F_MULTI, req->nlh->nlmsg_seq, req->sock->port, req->reply);
	ct_put(req->control->inst, ct);
	return 0;
}

static bool end_one(void *priv, struct ct *ct)
{
	const struct listing *l = priv;

	if (is_selected(&l->sel, ct))
		ct_kill(l->inst, ct);
	return true;
}

static int delete(struct nl_request *req)
{
	struct listing l = { .inst = req->control->inst };
	struct ct *ct;
	int err;

	if (req->attrs[CTA_TUPLE_ORIG] || req->attrs[CTA_TUPLE_REPLY]) {
		if (!req->attrs[CTA_FILTER]) {
			err = named(req, &ct);
			if (err)
				return err;
			ct_kill(l.inst, ct);
			ct_put(l.inst, ct);
			return 0;
		}
	}
	err = selection_read(req, &l.sel);
	if (err)
		return err;
	if (req->nfg->version == NFNETLINK_V0 && !req->attrs[CTA_FILTER])
		l.sel.family = 0;	/* old tools flush everything, whatever family they name */
	ct_each(l.inst, end_one, &l);
	return 0;
}

static int nat_range(const struct nlattr *nest, uint8_t family, struct nf_nat_range2 *range)
{
	const struct nlattr *a[CTA_NAT_MAX + 1], *p[CTA_PROTONAT_MAX + 1], *min, *max;
	const size_t len = family == NFPROTO_IPV4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	memset(range, 0, sizeof(*range));
	if (nl_parse_nest(nest, a, CTA_NAT_MAX))
		return -EINVAL;
	min = family == NFPROTO_IPV4 ? a[CTA_NAT_V4_MINIP] : a[CTA_NAT_V6_MINIP];
	max = family == NFPROTO_IPV4 ? a[CTA_NAT_V4_MAXIP] : a[CTA_NAT_V6_MAXIP];
	if (min) {
		if (nl_len(min) < len || (max && nl_len(max) < len))
			return -ERANGE;
		memcpy(&range->min_addr, nl_data(min), len);
		memcpy(&range->max_addr, nl_data(max ? max : min), len);
		range->flags |= NF_NAT_RANGE_MAP_IPS;
	}
	if (!a[CTA_NAT_PROTO])
		return 0;
	if (nl_parse_nest(a[CTA_NAT_PROTO], p, CTA_PROTONAT_MAX))
		return -EINVAL;
	if (p[CTA_PROTONAT_PORT_MIN]) {
		if (nl_get_be16(p[CTA_PROTONAT_PORT_MIN], &range->min_proto.all))
			return -ERANGE;
		range->max_proto.all = range->min_proto.all;
		range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	}
	if (p[CTA_PROTONAT_PORT_MAX]) {
		if (nl_get_be16(p[CTA_PROTONAT_PORT_MAX], &range->max_proto.all))
			return -ERANGE;
		range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	}
	return 0;
}

/* All three or none. */
static int sctp_read(const struct nlattr *nest, struct ct_request *out)
{
	const struct nlattr *a[CTA_PROTOINFO_SCTP_MAX + 1];

	if (nl_parse_nest(nest, a, CTA_PROTOINFO_SCTP_MAX) || !a[CTA_PROTOINFO_SCTP_STATE] ||
	    !a[CTA_PROTOINFO_SCTP_VTAG_ORIGINAL] || !a[CTA_PROTOINFO_SCTP_VTAG_REPLY] ||
	    nl_get_u8(a[CTA_PROTOINFO_SCTP_STATE], &out->sctp.state) || out->sctp.state >= SCTP_CONNTRACK_MAX ||
	    nl_len(a[CTA_PROTOINFO_SCTP_VTAG_ORIGINAL]) < sizeof(be32) || nl_len(a[CTA_PROTOINFO_SCTP_VTAG_REPLY]) < sizeof(be32))
		return -EINVAL;
	memcpy(&out->sctp.vtag[0], nl_data(a[CTA_PROTOINFO_SCTP_VTAG_ORIGINAL]), sizeof(be32));
	memcpy(&out->sctp.vtag[1], nl_data(a[CTA_PROTOINFO_SCTP_VTAG_REPLY]), sizeof(be32));
	out->has_sctp = true;
	return 0;
}

static int protoinfo_read(const struct nlattr *nest, struct ct_request *out)
{
	const struct nlattr *a[CTA_PROTOINFO_MAX + 1], *t[CTA_PROTOINFO_TCP_MAX + 1];
	struct nf_ct_tcp_flags flags;

	if (nl_parse_nest(nest, a, CTA_PROTOINFO_MAX))
		return -EINVAL;
	if (a[CTA_PROTOINFO_SCTP])
		return sctp_read(a[CTA_PROTOINFO_SCTP], out);
	if (!a[CTA_PROTOINFO_TCP])
		return 0;
	if (nl_parse_nest(a[CTA_PROTOINFO_TCP], t, CTA_PROTOINFO_TCP_MAX))
		return -EINVAL;
	if (t[CTA_PROTOINFO_TCP_STATE]) {
		if (nl_get_u8(t[CTA_PROTOINFO_TCP_STATE], &out->tcp_state) || out->tcp_state >= TCP_CONNTRACK_MAX)
			return -EINVAL;
		out->has_tcp_state = true;
	}
	if (t[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL] && nl_len(t[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL]) >= sizeof(flags)) {
		memcpy(&flags, nl_data(t[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL]), sizeof(flags));
		out->tcp_flags = flags.flags & flags.mask;
		out->has_tcp_flags = out->tcp_flags;
	}
	return 0;
}

/* All three or none. */
static int seqadj_read(const struct nlattr *nest, struct ct_seqadj *out)
{
	const struct nlattr *a[CTA_SEQADJ_MAX + 1];
	uint32_t before, after;

	if (nl_parse_nest(nest, a, CTA_SEQADJ_MAX) || !a[CTA_SEQADJ_CORRECTION_POS] || !a[CTA_SEQADJ_OFFSET_BEFORE] ||
	    !a[CTA_SEQADJ_OFFSET_AFTER])
		return -EINVAL;
	if (nl_get_be32(a[CTA_SEQADJ_CORRECTION_POS], &out->position) || nl_get_be32(a[CTA_SEQADJ_OFFSET_BEFORE], &before) ||
	    nl_get_be32(a[CTA_SEQADJ_OFFSET_AFTER], &after))
		return -ERANGE;
	out->before = (int32_t)before;
	out->after = (int32_t)after;
	return 0;
}

static int synproxy_read(const struct nlattr *nest, struct ct_synproxy *out)
{
	const struct nlattr *a[CTA_SYNPROXY_MAX + 1];

	if (nl_parse_nest(nest, a, CTA_SYNPROXY_MAX) || !a[CTA_SYNPROXY_ISN] || !a[CTA_SYNPROXY_ITS] || !a[CTA_SYNPROXY_TSOFF])
		return -EINVAL;
	if (nl_get_be32(a[CTA_SYNPROXY_ISN], &out->isn) || nl_get_be32(a[CTA_SYNPROXY_ITS], &out->its) ||
	    nl_get_be32(a[CTA_SYNPROXY_TSOFF], &out->tsoff))
		return -ERANGE;
	return 0;
}

/* The name, and what a program keeps: borrowed from the message. */
static int help_read(const struct nlattr *nest, struct ct_request *out)
{
	const struct nlattr *a[CTA_HELP_MAX + 1];

	if (nl_parse_nest(nest, a, CTA_HELP_MAX) || !a[CTA_HELP_NAME])
		return -EINVAL;
	out->helper = nl_data(a[CTA_HELP_NAME]);
	if (a[CTA_HELP_INFO]) {
		out->help_data = nl_data(a[CTA_HELP_INFO]);
		out->help_data_len = nl_len(a[CTA_HELP_INFO]);
	}
	return memchr(out->helper, '\0', nl_len(a[CTA_HELP_NAME])) ? 0 : -EINVAL;
}

static int request_read(struct nl_request *req, struct ct_request *out)
{
	const struct nlattr **a = req->attrs;
	uint8_t family = req->nfg->nfgen_family;
	be16 zone;
	int err = 0;

	memset(out, 0, sizeof(*out));
	out->zone.dir = CT_ZONE_DIR_BOTH;
	if (a[CTA_ZONE]) {
		if (nl_get_be16(a[CTA_ZONE], &zone))
			return -ERANGE;
		out->zone.id = ntohs(zone);
	}
	if (a[CTA_TUPLE_ORIG]) {
		err = ct_get_tuple(a[CTA_TUPLE_ORIG], family, IP_CT_DIR_ORIGINAL, &out->orig, &out->zone);
		out->has_orig = true;
	}
	if (!err && a[CTA_TUPLE_REPLY]) {
		err = ct_get_tuple(a[CTA_TUPLE_REPLY], family, IP_CT_DIR_REPLY, &out->reply, &out->zone);
		out->reply.dir = IP_CT_DIR_REPLY;
		out->has_reply = true;
	}
	if (!err && a[CTA_TIMEOUT])
		err = nl_get_be32(a[CTA_TIMEOUT], &out->timeout_sec);
	if (!err && a[CTA_STATUS])
		err = nl_get_be32(a[CTA_STATUS], &out->status);
	if (!err && a[CTA_MARK])
		err = nl_get_be32(a[CTA_MARK], &out->mark);
	out->mark_mask = UINT32_MAX;
	if (!err && a[CTA_MARK_MASK])
		err = nl_get_be32(a[CTA_MARK_MASK], &out->mark_mask);
	if (!err && a[CTA_NAT_SRC])
		err = nat_range(a[CTA_NAT_SRC], family, &out->snat);
	if (!err && a[CTA_NAT_DST])
		err = nat_range(a[CTA_NAT_DST], family, &out->dnat);
	if (!err && a[CTA_PROTOINFO])
		err = protoinfo_read(a[CTA_PROTOINFO], out);
	if (!err && a[CTA_SEQ_ADJ_ORIG])
		err = seqadj_read(a[CTA_SEQ_ADJ_ORIG], &out->seq[IP_CT_DIR_ORIGINAL]);
	if (!err && a[CTA_SEQ_ADJ_REPLY])
		err = seqadj_read(a[CTA_SEQ_ADJ_REPLY], &out->seq[IP_CT_DIR_REPLY]);
	if (!err && a[CTA_SYNPROXY])
		err = synproxy_read(a[CTA_SYNPROXY], &out->synproxy);
	if (!err && a[CTA_HELP])
		err = help_read(a[CTA_HELP], out);
	if (!err && a[CTA_TUPLE_MASTER])
		err = ct_get_tuple(a[CTA_TUPLE_MASTER], family, IP_CT_DIR_ORIGINAL, &out->master, NULL);
	out->has_seq[IP_CT_DIR_ORIGINAL] = a[CTA_SEQ_ADJ_ORIG];
	out->has_seq[IP_CT_DIR_REPLY] = a[CTA_SEQ_ADJ_REPLY];
	out->has_synproxy = a[CTA_SYNPROXY];
	out->has_master = a[CTA_TUPLE_MASTER];
	out->has_timeout = a[CTA_TIMEOUT];
	out->has_status = a[CTA_STATUS];
	out->has_mark = a[CTA_MARK];
	out->has_snat = a[CTA_NAT_SRC];
	out->has_dnat = a[CTA_NAT_DST];
	out->has_labels = a[CTA_LABELS];
	return err;
}

/* The old labels but for the mask, then those of the given ones turned round, be they in the mask or not. */
static int labels_read(const struct nlattr **a, const struct ct *ct, struct ct_request *out)
{
	const uint8_t *old = ct ? ct_labels(ct) : NULL;
	size_t len = a[CTA_LABELS] ? nl_len(a[CTA_LABELS]) : 0;
	uint8_t given[CT_LABEL_BYTES] = { 0 }, mask[CT_LABEL_BYTES];

	if (!a[CTA_LABELS])
		return 0;
	if (!len || len % sizeof(uint32_t) || (a[CTA_LABELS_MASK] && nl_len(a[CTA_LABELS_MASK]) != len))
		return -EINVAL;
	memset(mask, a[CTA_LABELS_MASK] ? 0 : 0xff, sizeof(mask));
	memcpy(given, nl_data(a[CTA_LABELS]), MIN_OF(len, sizeof(given)));
	if (a[CTA_LABELS_MASK])
		memcpy(mask, nl_data(a[CTA_LABELS_MASK]), MIN_OF(len, sizeof(mask)));
	for (unsigned int i = 0; i < CT_LABEL_BYTES; i++)
		out->labels[i] = (uint8_t)(((old ? old[i] : 0) & ~mask[i]) ^ given[i]);
	return 0;
}

static int new(struct nl_request *req)
{
	struct instance *inst = req->control->inst;
	struct ct_request want;
	struct ct *ct = NULL;
	int err = request_read(req, &want), dir;

	if (err)
		return err;
	if (want.has_orig)
		ct = ct_find(inst, &want.zone, &want.orig, &dir);
	else if (want.has_reply)
		ct = ct_find(inst, &want.zone, &want.reply, &dir);
	err = labels_read(req->attrs, ct, &want);
	if (err) {
		ct_put(inst, ct);
		return err;
	}
	if (!ct)
		return req->nlh->nlmsg_flags & NLM_F_CREATE ? ct_control_new(inst, &want) : -ENOENT;
	err = req->nlh->nlmsg_flags & NLM_F_EXCL ? -EEXIST : ct_control_change(inst, ct, &want);
	ct_put(inst, ct);
	return err;
}

/* --- statistics --- */

static bool stats_more(struct nl_sock *sock, struct nl_dump *dump, struct strbuf *out)
{
	const struct ct_stats *stats = ct_stats(sock->control->inst);
	size_t at = nl_begin(out, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU, NLM_F_MULTI, dump->seq, sock->port,
			     NFPROTO_UNSPEC, NFNETLINK_V0, 0);

	nl_put_u32(out, CTA_STATS_FOUND, (uint32_t)stats->found);
	nl_put_u32(out, CTA_STATS_INVALID, (uint32_t)stats->invalid);
	nl_put_u32(out, CTA_STATS_INSERT, (uint32_t)stats->insert);
	nl_put_u32(out, CTA_STATS_INSERT_FAILED, (uint32_t)stats->insert_failed);
	nl_put_u32(out, CTA_STATS_DROP, (uint32_t)stats->drop);
	nl_put_u32(out, CTA_STATS_EARLY_DROP, (uint32_t)stats->early_drop);
	nl_put_u32(out, CTA_STATS_ERROR, (uint32_t)stats->error);
	nl_put_u32(out, CTA_STATS_SEARCH_RESTART, 0);
	nl_put_u32(out, CTA_STATS_CLASH_RESOLVE, (uint32_t)stats->clash_resolved);
	nl_put_u32(out, CTA_STATS_CHAIN_TOOLONG, 0);
	nl_end(out, at);
	return false;
}

static int dump_stats(struct nl_request *req)
{
	req->sock->dump = (struct nl_dump){ .more = stats_more };
	return 0;
}

static int get_stats(struct nl_request *req)
{
	struct instance *inst = req->control->inst;
	struct strbuf text = STRBUF_INIT;
	size_t at = nl_begin(req->reply, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, NLM_F_MULTI, req->nlh->nlmsg_seq,
			     req->sock->port, NFPROTO_UNSPEC, NFNETLINK_V0, 0);

	nl_put_u32(req->reply, CTA_STATS_GLOBAL_ENTRIES, ct_count(inst));
	if (!sysctl_get(inst->sysctls, "net.netfilter.nf_conntrack_max", &text, NULL))
		nl_put_u32(req->reply, CTA_STATS_GLOBAL_MAX_ENTRIES, (uint32_t)strtoul(sb_str(&text), NULL, 10));
	sb_free(&text);
	nl_end(req->reply, at);
	return 0;
}

static const struct nl_command commands[] = {
	[IPCTNL_MSG_CT_NEW] = { .call = new, .attr_max = CTA_MAX, .needs_change = true },
	[IPCTNL_MSG_CT_GET] = { .call = get_one, .dump = dump_all, .attr_max = CTA_MAX },
	[IPCTNL_MSG_CT_DELETE] = { .call = delete, .attr_max = CTA_MAX, .needs_change = true },
	[IPCTNL_MSG_CT_GET_CTRZERO] = { .call = get_one, .dump = dump_all, .attr_max = CTA_MAX, .needs_change = true },
	[IPCTNL_MSG_CT_GET_STATS_CPU] = { .dump = dump_stats },
	[IPCTNL_MSG_CT_GET_STATS] = { .call = get_stats },
	[IPCTNL_MSG_CT_GET_DYING] = { .dump = dump_none, .attr_max = CTA_MAX },
	[IPCTNL_MSG_CT_GET_UNCONFIRMED] = { .dump = dump_none, .attr_max = CTA_MAX },
};

const struct nl_subsystem nl_ctnetlink = { NFNL_SUBSYS_CTNETLINK, commands, ARRAY_SIZE(commands) };

void ctnetlink_event(struct control *control, const struct ct_event *event)
{
	static const unsigned int groups[] = {
		[CT_EVENT_NEW] = NFNLGRP_CONNTRACK_NEW, [CT_EVENT_UPDATE] = NFNLGRP_CONNTRACK_UPDATE,
		[CT_EVENT_DESTROY] = NFNLGRP_CONNTRACK_DESTROY,
	};
	struct strbuf msg = STRBUF_INIT;

	if (!nl_group_heard(control, groups[event->kind]))
		return;
	ct_put_event(control->inst, event, 0, control->asker, &msg);
	nl_multicast(control, groups[event->kind], &msg);
	sb_free(&msg);
}
