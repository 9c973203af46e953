/*
 * control/ct_msg.c - connections as ctnetlink shows them. A dump carries all there is; an event carries what changed, and
 * the end of a connection its last words only.
 */
#include "control/ct_msg.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "conntrack/helper.h"
#include "host/secctx.h"
#include "conntrack/labels.h"
#include "conntrack/user_helper.h"

static void put_ports(struct strbuf *out, const struct ct_tuple *tuple)
{
	switch (tuple->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_GRE:
		nl_put_be16(out, CTA_PROTO_SRC_PORT, tuple->src_l4.port);
		nl_put_be16(out, CTA_PROTO_DST_PORT, tuple->dst_l4.port);
		break;
	case IPPROTO_ICMP:
		nl_put_be16(out, CTA_PROTO_ICMP_ID, tuple->src_l4.icmp_id);
		nl_put_u8(out, CTA_PROTO_ICMP_TYPE, tuple->dst_l4.icmp.type);
		nl_put_u8(out, CTA_PROTO_ICMP_CODE, tuple->dst_l4.icmp.code);
		break;
	case IPPROTO_ICMPV6:
		nl_put_be16(out, CTA_PROTO_ICMPV6_ID, tuple->src_l4.icmp_id);
		nl_put_u8(out, CTA_PROTO_ICMPV6_TYPE, tuple->dst_l4.icmp.type);
		nl_put_u8(out, CTA_PROTO_ICMPV6_CODE, tuple->dst_l4.icmp.code);
		break;
	}
}

void ct_put_tuple(struct strbuf *out, uint16_t type, const struct ct_tuple *tuple, uint16_t zone)
{
	size_t whole = nl_nest(out, type), part = nl_nest(out, CTA_TUPLE_IP);

	if (tuple->family == NFPROTO_IPV4) {
		nl_put(out, CTA_IP_V4_SRC, &tuple->src.ip, sizeof(tuple->src.ip));
		nl_put(out, CTA_IP_V4_DST, &tuple->dst.ip, sizeof(tuple->dst.ip));
	} else {
		nl_put(out, CTA_IP_V6_SRC, &tuple->src.in6, sizeof(tuple->src.in6));
		nl_put(out, CTA_IP_V6_DST, &tuple->dst.in6, sizeof(tuple->dst.in6));
	}
	nl_nest_end(out, part);
	part = nl_nest(out, CTA_TUPLE_PROTO);
	nl_put_u8(out, CTA_PROTO_NUM, tuple->proto);
	put_ports(out, tuple);
	nl_nest_end(out, part);
	if (zone)
		nl_put_u16(out, CTA_TUPLE_ZONE, zone);
	nl_nest_end(out, whole);
}

static int get_addrs(const struct nlattr *nest, uint8_t family, struct ct_tuple *out)
{
	const struct nlattr *a[CTA_IP_MAX + 1], *src, *dst;
	const size_t len = family == NFPROTO_IPV4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	int err = nl_parse_nest(nest, a, CTA_IP_MAX);

	if (err)
		return err;
	src = family == NFPROTO_IPV4 ? a[CTA_IP_V4_SRC] : a[CTA_IP_V6_SRC];
	dst = family == NFPROTO_IPV4 ? a[CTA_IP_V4_DST] : a[CTA_IP_V6_DST];
	if (!src || !dst)
		return -EINVAL;
	if (nl_len(src) < len || nl_len(dst) < len)
		return -ERANGE;
	memcpy(&out->src, nl_data(src), len);
	memcpy(&out->dst, nl_data(dst), len);
	return 0;
}

static int get_icmp(const struct nlattr *id, const struct nlattr *type, const struct nlattr *code, struct ct_tuple *out)
{
	struct ct_tuple inverted;

	if (!id || !type || !code || nl_get_be16(id, &out->src_l4.icmp_id) || nl_get_u8(type, &out->dst_l4.icmp.type) ||
	    nl_get_u8(code, &out->dst_l4.icmp.code))
		return -EINVAL;
	return ct_tuple_invert(&inverted, out) ? 0 : -EINVAL;
}

static int get_proto(const struct nlattr *nest, struct ct_tuple *out)
{
	const struct nlattr *a[CTA_PROTO_MAX + 1];
	int err = nl_parse_nest(nest, a, CTA_PROTO_MAX);

	if (err)
		return err;
	if (!a[CTA_PROTO_NUM] || nl_get_u8(a[CTA_PROTO_NUM], &out->proto))
		return -EINVAL;
	switch (out->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_GRE:
		if (!a[CTA_PROTO_SRC_PORT] || !a[CTA_PROTO_DST_PORT] ||
		    nl_get_be16(a[CTA_PROTO_SRC_PORT], &out->src_l4.port) ||
		    nl_get_be16(a[CTA_PROTO_DST_PORT], &out->dst_l4.port))
			return -EINVAL;
		return 0;
	case IPPROTO_ICMP:
		return get_icmp(a[CTA_PROTO_ICMP_ID], a[CTA_PROTO_ICMP_TYPE], a[CTA_PROTO_ICMP_CODE], out);
	case IPPROTO_ICMPV6:
		return get_icmp(a[CTA_PROTO_ICMPV6_ID], a[CTA_PROTO_ICMPV6_TYPE], a[CTA_PROTO_ICMPV6_CODE], out);
	default:
		return 0;
	}
}

int ct_get_tuple(const struct nlattr *nest, uint8_t family, int dir, struct ct_tuple *out, struct ct_zone *zone)
{
	const struct nlattr *a[CTA_TUPLE_MAX + 1];
	be16 id;
	int err = nl_parse_nest(nest, a, CTA_TUPLE_MAX);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return -EOPNOTSUPP;
	if (!a[CTA_TUPLE_IP] || !a[CTA_TUPLE_PROTO])
		return -EINVAL;
	out->family = family;
	err = get_addrs(a[CTA_TUPLE_IP], family, out);
	if (!err)
		err = get_proto(a[CTA_TUPLE_PROTO], out);
	if (err || !a[CTA_TUPLE_ZONE] || !zone)
		return err;
	if (zone->id || nl_get_be16(a[CTA_TUPLE_ZONE], &id))
		return -EINVAL;
	zone->id = ntohs(id);
	zone->dir = 1 << dir;
	return 0;
}

static void put_tuples(const struct ct *ct, struct strbuf *out)
{
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		bool here = ct->zone.id && ct->zone.dir == (1 << dir);

		ct_put_tuple(out, dir ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG, ct_tuple(ct, dir), here ? ct->zone.id : 0);
	}
	if (ct->zone.id && ct->zone.dir == CT_ZONE_DIR_BOTH)
		nl_put_u16(out, CTA_ZONE, ct->zone.id);
}

static void put_protoinfo(const struct ct *ct, bool ended, struct strbuf *out)
{
	size_t whole, part;

	if (ct_proto_num(ct) == IPPROTO_TCP) {
		const struct ct_tcp *tcp = &ct->proto.tcp;

		whole = nl_nest(out, CTA_PROTOINFO);
		part = nl_nest(out, CTA_PROTOINFO_TCP);
		nl_put_u8(out, CTA_PROTOINFO_TCP_STATE, tcp->state);
		if (!ended) {
			struct nf_ct_tcp_flags flags = { 0 };

			nl_put_u8(out, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, tcp->seen[0].td_scale);
			nl_put_u8(out, CTA_PROTOINFO_TCP_WSCALE_REPLY, tcp->seen[1].td_scale);
			flags.flags = tcp->seen[0].flags;
			nl_put(out, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &flags, sizeof(flags));
			flags.flags = tcp->seen[1].flags;
			nl_put(out, CTA_PROTOINFO_TCP_FLAGS_REPLY, &flags, sizeof(flags));
		}
	} else if (ct_proto_num(ct) == IPPROTO_SCTP) {
		whole = nl_nest(out, CTA_PROTOINFO);
		part = nl_nest(out, CTA_PROTOINFO_SCTP);
		nl_put_u8(out, CTA_PROTOINFO_SCTP_STATE, ct->proto.sctp.state);
		if (!ended) {
			nl_put(out, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, &ct->proto.sctp.vtag[0], 4);
			nl_put(out, CTA_PROTOINFO_SCTP_VTAG_REPLY, &ct->proto.sctp.vtag[1], 4);
		}
	} else {
		return;
	}
	nl_nest_end(out, part);
	nl_nest_end(out, whole);
}

static void put_counters(const struct ct *ct, struct strbuf *out)
{
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		const struct ct_counter *counter = ct_counter(ct, dir);
		size_t at;

		if (!counter)
			return;
		at = nl_nest(out, dir ? CTA_COUNTERS_REPLY : CTA_COUNTERS_ORIG);
		nl_put_u64(out, CTA_COUNTERS_PACKETS, counter->packets);
		nl_put_u64(out, CTA_COUNTERS_BYTES, counter->bytes);
		nl_nest_end(out, at);
	}
}

static void put_stamp(const struct ct *ct, struct strbuf *out)
{
	size_t at;

	if (!ct->extra || !ct->extra->has_stamp)
		return;
	at = nl_nest(out, CTA_TIMESTAMP);
	nl_put_u64(out, CTA_TIMESTAMP_START, (uint64_t)ct->extra->start_ns);
	if (ct->extra->stop_ns)
		nl_put_u64(out, CTA_TIMESTAMP_STOP, (uint64_t)ct->extra->stop_ns);
	nl_nest_end(out, at);
}

static void put_helper(const struct ct *ct, struct strbuf *out)
{
	const struct ct_user_helper *user;
	size_t at;

	if (!ct_helper_of(ct))
		return;
	at = nl_nest(out, CTA_HELP);
	nl_put_text(out, CTA_HELP_NAME, ct_helper_of(ct)->name);
	user = ct_user_helper_of(ct_helper_of(ct));
	if (user && user->data_len)
		nl_put(out, CTA_HELP_INFO, ct_help_of(ct)->of.user, user->data_len);
	nl_nest_end(out, at);
}

static void put_secctx(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	const char *name = secctx_name(inst, ct_secmark(ct));
	size_t at;

	if (!name)
		return;
	at = nl_nest(out, CTA_SECCTX);
	nl_put_text(out, CTA_SECCTX_NAME, name);
	nl_nest_end(out, at);
}

static void put_labels(const struct ct *ct, struct strbuf *out)
{
	static const uint8_t none[CT_LABEL_BYTES];

	if (ct_labels(ct) && memcmp(ct_labels(ct), none, sizeof(none)))
		nl_put(out, CTA_LABELS, ct_labels(ct), CT_LABEL_BYTES);
}

static void put_master(const struct ct *ct, struct strbuf *out)
{
	if (ct_master(ct))
		ct_put_tuple(out, CTA_TUPLE_MASTER, ct_tuple(ct_master(ct), IP_CT_DIR_ORIGINAL), 0);
}

static void put_seqadj(const struct ct *ct, struct strbuf *out)
{
	if (!ct->extra || !(ct->status & IPS_SEQ_ADJUST))
		return;
	for (int dir = 0; dir < IP_CT_DIR_MAX; dir++) {
		size_t at = nl_nest(out, dir ? CTA_SEQ_ADJ_REPLY : CTA_SEQ_ADJ_ORIG);

		nl_put_u32(out, CTA_SEQADJ_CORRECTION_POS, ct->extra->seq[dir].position);
		nl_put_u32(out, CTA_SEQADJ_OFFSET_BEFORE, (uint32_t)ct->extra->seq[dir].before);
		nl_put_u32(out, CTA_SEQADJ_OFFSET_AFTER, (uint32_t)ct->extra->seq[dir].after);
		nl_nest_end(out, at);
	}
}

static void put_synproxy(const struct ct *ct, struct strbuf *out)
{
	const struct ct_synproxy *told = ct_synproxy_of(ct);
	size_t at;

	if (!told)
		return;
	at = nl_nest(out, CTA_SYNPROXY);
	nl_put_u32(out, CTA_SYNPROXY_ISN, told->isn);
	nl_put_u32(out, CTA_SYNPROXY_ITS, told->its);
	nl_put_u32(out, CTA_SYNPROXY_TSOFF, told->tsoff);
	nl_nest_end(out, at);
}

void ct_put_message(const struct instance *inst, const struct ct *ct, uint16_t flags, uint32_t seq, uint32_t port,
		    struct strbuf *out)
{
	size_t at = nl_begin(out, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, flags, seq, port, ct_family(ct),
			     NFNETLINK_V0, 0);

	put_tuples(ct, out);
	nl_put_u32(out, CTA_STATUS, ct->status);
	nl_put_u32(out, CTA_MARK, ct->mark);
	put_secctx(inst, ct, out);
	nl_put_u32(out, CTA_ID, ct_id(inst, ct));
	nl_put_u32(out, CTA_USE, ct->refs);
	put_master(ct, out);
	nl_put_u32(out, CTA_TIMEOUT, ct_expires_sec(inst, ct));
	put_protoinfo(ct, false, out);
	put_counters(ct, out);
	put_stamp(ct, out);
	put_helper(ct, out);
	put_labels(ct, out);
	put_seqadj(ct, out);
	put_synproxy(ct, out);
	nl_end(out, at);
}

void ct_put_attached(const struct instance *inst, const struct ct *ct, struct strbuf *out)
{
	put_tuples(ct, out);
	nl_put_u32(out, CTA_ID, ct_id(inst, ct));
	nl_put_u32(out, CTA_STATUS, ct->status);
	/* before confirm: what it will get */
	nl_put_u32(out, CTA_TIMEOUT, ct_is_confirmed(ct) ? ct_expires_sec(inst, ct) : ct->expires_tick / WEIR_HZ);
	put_protoinfo(ct, false, out);
	put_counters(ct, out);
	put_stamp(ct, out);
	put_helper(ct, out);
	put_master(ct, out);
	put_seqadj(ct, out);
	put_synproxy(ct, out);
	if (ct->mark)
		nl_put_u32(out, CTA_MARK, ct->mark);
	put_labels(ct, out);
}

void ct_put_event(const struct instance *inst, const struct ct_event *event, uint32_t seq, uint32_t port, struct strbuf *out)
{
	const struct ct *ct = event->ct;
	bool ended = event->kind == CT_EVENT_DESTROY;
	uint16_t type = ended ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW;
	size_t at = nl_begin(out, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type),
			     event->kind == CT_EVENT_NEW ? NLM_F_CREATE | NLM_F_EXCL : 0, seq, port, ct_family(ct),
			     NFNETLINK_V0, 0);

	put_tuples(ct, out);
	nl_put_u32(out, CTA_ID, ct_id(inst, ct));
	nl_put_u32(out, CTA_STATUS, ct->status);
	if (ended) {
		if (ct_expires_sec(inst, ct))
			nl_put_u32(out, CTA_TIMEOUT, ct_expires_sec(inst, ct));
		put_counters(ct, out);
		put_stamp(ct, out);
		put_protoinfo(ct, true, out);
	} else {
		nl_put_u32(out, CTA_TIMEOUT, ct_expires_sec(inst, ct));
		if (event->mask & 1 << IPCT_PROTOINFO)
			put_protoinfo(ct, false, out);
		put_helper(ct, out);
		put_secctx(inst, ct, out);
		if (event->mask & 1 << IPCT_LABEL)
			put_labels(ct, out);
		if (event->mask & 1 << IPCT_RELATED)
			put_master(ct, out);
		if (event->mask & 1 << IPCT_SEQADJ)
			put_seqadj(ct, out);
		if (event->mask & 1 << IPCT_SYNPROXY)
			put_synproxy(ct, out);
	}
	if (event->mask & 1 << IPCT_MARK || ct->mark)
		nl_put_u32(out, CTA_MARK, ct->mark);
	nl_end(out, at);
}
