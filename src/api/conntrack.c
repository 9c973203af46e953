/*
 * api/conntrack.c - weir/conntrack.h and weir/expect.h: connections and expectations, looked at and changed.
 * Public tuples are plain bytes; the engine's are what it hashes. Both directions of the way are here.
 */
#include "api/api.h"
#include "conntrack/control.h"
#include "conntrack/expect.h"
#include "conntrack/helper.h"
#include "conntrack/labels.h"

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static void tuple_in(const struct weir_tuple *from, struct ct_tuple *to)
{
	size_t len = from->family == NFPROTO_IPV4 ? 4 : 16;

	memset(to, 0, sizeof(*to));
	memcpy(&to->src, from->src, len);
	memcpy(&to->dst, from->dst, len);
	to->family = from->family;
	to->proto = from->proto;
	to->src_l4.all = htons(from->src_port);
	to->dst_l4.all = htons(from->dst_port);
	if (is_icmp(from->proto)) {
		to->dst_l4.icmp.type = from->icmp_type;
		to->dst_l4.icmp.code = from->icmp_code;
	}
}

static void tuple_out(const struct ct_tuple *from, struct weir_tuple *to)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->src, &from->src, sizeof(to->src));
	memcpy(to->dst, &from->dst, sizeof(to->dst));
	to->family = from->family;
	to->proto = from->proto;
	to->src_port = ntohs(from->src_l4.all);
	if (is_icmp(from->proto)) {
		to->icmp_type = from->dst_l4.icmp.type;
		to->icmp_code = from->dst_l4.icmp.code;
	} else {
		to->dst_port = ntohs(from->dst_l4.all);
	}
}

static struct ct_zone zone_of(uint16_t id)
{
	return (struct ct_zone){ .id = id, .dir = CT_ZONE_DIR_BOTH };
}

static int answer(struct weir_error *error, int err, const char *sentence)
{
	struct refusal why = { 0 };

	if (!err)
		return 0;
	refuse(&why, err, "%s: %s", sentence, strerror(-err));
	return api_refused(error, &why, err);
}

int weir_ct_enable(struct weir *weir, int family)
{
	return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 ? ct_hooks_get(weir->inst, (uint8_t)family) : -EINVAL;
}

uint32_t weir_ct_count(const struct weir *weir)
{
	return ct_count(weir->inst);
}

struct visit { bool (*fn)(void *priv, struct weir_ct *ct); void *priv; };

static bool visit_one(void *priv, struct ct *ct)
{
	const struct visit *visit = priv;

	return visit->fn(visit->priv, api_ct_out(ct));
}

void weir_ct_each(struct weir *weir, bool (*fn)(void *priv, struct weir_ct *ct), void *priv)
{
	struct visit visit = { fn, priv };

	ct_each(weir->inst, visit_one, &visit);
}

char *weir_ct_text(const struct weir *weir, const struct weir_ct *ct)
{
	struct strbuf text = STRBUF_INIT;

	ct_print(weir->inst, api_ct(ct), CT_TEXT_EXTENDED, &text);
	return api_text(&text);
}

uint32_t weir_ct_status(const struct weir_ct *ct)
{
	return api_ct(ct)->status;
}

uint32_t weir_ct_mark(const struct weir_ct *ct)
{
	return api_ct(ct)->mark;
}

void weir_ct_set_mark(struct weir_ct *ct, uint32_t mark)
{
	api_ct(ct)->mark = mark;
}

uint32_t weir_ct_timeout(const struct weir *weir, const struct weir_ct *ct)
{
	return ct_expires_sec(weir->inst, api_ct(ct));
}

int weir_ct_set_timeout(struct weir *weir, struct weir_ct *ct, uint32_t seconds)
{
	if (seconds == 0 || seconds > INT32_MAX)
		return -ERANGE;
	if (ct_is_dying(api_ct(ct)))
		return -ESTALE;
	ct_set_timeout_sec(weir->inst, api_ct(ct), seconds);
	return 0;
}

int weir_ct_end(struct weir *weir, struct weir_ct *ct)
{
	return ct_kill(weir->inst, api_ct(ct)) ? 0 : -ESTALE;
}

struct weir_ct *weir_ct_find(struct weir *weir, uint16_t zone, const struct weir_tuple *tuple, enum weir_dir *dir)
{
	const struct ct_zone in = zone_of(zone);
	struct ct_tuple wanted;
	struct ct *ct;
	int found;

	tuple_in(tuple, &wanted);
	ct = ct_find(weir->inst, &in, &wanted, &found);
	if (ct && dir)
		*dir = found == IP_CT_DIR_REPLY ? WEIR_REPLY : WEIR_ORIGINAL;
	return api_ct_out(ct);
}

struct weir_ct *weir_ct_share(struct weir_ct *ct)
{
	ct_get(api_ct(ct));
	return ct;
}

void weir_ct_put(struct weir *weir, struct weir_ct *ct)
{
	ct_put(weir->inst, api_ct(ct));
}

void weir_ct_tuple(const struct weir_ct *ct, enum weir_dir dir, struct weir_tuple *out)
{
	tuple_out(ct_tuple(api_ct(ct), dir == WEIR_REPLY), out);
}

uint32_t weir_ct_id(const struct weir *weir, const struct weir_ct *ct)
{
	return ct_id(weir->inst, api_ct(ct));
}

uint16_t weir_ct_zone(const struct weir_ct *ct)
{
	return api_ct(ct)->zone.id;
}

const char *weir_ct_state(const struct weir_ct *ct)
{
	switch (ct_proto_num(api_ct(ct))) {
	case IPPROTO_TCP:
		return ct_tcp_state_name(api_ct(ct)->proto.tcp.state);
	case IPPROTO_SCTP:
		return ct_sctp_state_name(api_ct(ct)->proto.sctp.state);
	default:
		return "";
	}
}

bool weir_ct_counters(const struct weir_ct *ct, enum weir_dir dir, uint64_t *packets, uint64_t *bytes)
{
	const struct ct_counter *counter = ct_counter(api_ct(ct), dir == WEIR_REPLY);

	if (!counter)
		return false;
	*packets = counter->packets;
	*bytes = counter->bytes;
	return true;
}

struct weir_ct *weir_ct_master(const struct weir_ct *ct)
{
	return api_ct_out(ct_master(api_ct(ct)));
}

const char *weir_ct_helper(const struct weir_ct *ct)
{
	return ct_helper_of(api_ct(ct)) ? ct_helper_of(api_ct(ct))->name : NULL;
}

bool weir_ct_has_label(const struct weir_ct *ct, unsigned int bit)
{
	const uint8_t *labels = ct_labels(api_ct(ct));

	return labels && bit < CT_LABELS && ct_label_is_set(labels, bit);
}

/* What both making and changing take over. */
static struct ct_request values_in(const struct weir_ct_request *from)
{
	return (struct ct_request){
		.has_timeout = from->has_timeout, .timeout_sec = from->timeout,
		.has_status = from->has_status,
		.has_mark = from->has_mark, .mark = from->mark, .mark_mask = from->mark_mask ? from->mark_mask : UINT32_MAX,
		.has_tcp_state = from->has_tcp_state, .tcp_state = from->tcp_state,
	};
}

int weir_ct_create(struct weir *weir, const struct weir_ct_request *request, struct weir_error *error)
{
	struct ct_request req = values_in(request);

	tuple_in(&request->original, &req.orig);
	req.has_orig = req.has_reply = true;
	if (request->has_reply)
		tuple_in(&request->reply, &req.reply);
	else if (!ct_tuple_invert(&req.reply, &req.orig))
		return answer(error, -EINVAL, "nothing answers to such a packet");
	req.zone = zone_of(request->zone);
	req.status = request->status | IPS_CONFIRMED;
	return answer(error, ct_control_new(weir->inst, &req), "the connection cannot be made");
}

int weir_ct_update(struct weir *weir, struct weir_ct *ct, const struct weir_ct_request *request, struct weir_error *error)
{
	struct ct_request req = values_in(request);

	if (ct_is_dying(api_ct(ct)))
		return answer(error, -ESTALE, "the connection is ending");
	req.status = api_ct(ct)->status | request->status;
	req.mark &= req.mark_mask;
	return answer(error, ct_control_change(weir->inst, api_ct(ct), &req), "the connection cannot be changed");
}

void weir_ct_flush(struct weir *weir)
{
	ct_control_flush(weir->inst);
}

void weir_ct_stats(const struct weir *weir, struct weir_ct_stats *out)
{
	const struct ct_stats *s = ct_stats(weir->inst);

	*out = (struct weir_ct_stats){
		.found = s->found, .invalid = s->invalid, .insert = s->insert, .insert_failed = s->insert_failed,
		.drop = s->drop, .early_drop = s->early_drop, .error = s->error, .clash_resolved = s->clash_resolved,
		.full = s->full, .expect_new = s->expect_new, .expect_create = s->expect_create,
		.expect_delete = s->expect_delete,
	};
}

/* --- expectations --- */

uint32_t weir_expect_count(const struct weir *weir)
{
	return ct_expect_count(weir->inst);
}

struct expect_visit { void (*fn)(void *priv, const struct weir_expect *exp); void *priv; };

static void visit_expect(void *priv, const struct ct_expect *exp)
{
	const struct expect_visit *visit = priv;

	visit->fn(visit->priv, api_expect_out(exp));
}

void weir_expect_each(struct weir *weir, void (*fn)(void *priv, const struct weir_expect *exp), void *priv)
{
	struct expect_visit visit = { fn, priv };

	ct_expect_each(weir->inst, visit_expect, &visit);
}

struct weir_expect *weir_expect_find(struct weir *weir, uint16_t zone, const struct weir_tuple *tuple)
{
	const struct ct_zone in = zone_of(zone);
	struct ct_tuple wanted;

	tuple_in(tuple, &wanted);
	return api_expect_out(ct_expect_find(weir->inst, &in, &wanted));
}

void weir_expect_info(const struct weir *weir, const struct weir_expect *expectation, struct weir_expect_info *out)
{
	const struct ct_expect *exp = api_expect(expectation);

	memset(out, 0, sizeof(*out));
	tuple_out(&exp->tuple, &out->tuple);
	memcpy(out->src_mask, &exp->mask_src, sizeof(out->src_mask));
	out->src_port_mask = ntohs(exp->mask_src_port);
	out->flags = exp->flags;
	out->timeout = ct_expect_left_sec(weir->inst, exp);
	out->class_number = exp->class;
}

struct weir_ct *weir_expect_master(const struct weir_expect *exp)
{
	return api_ct_out(api_expect(exp)->master);
}

char *weir_expect_text(const struct weir *weir, const struct weir_expect *exp)
{
	struct strbuf text = STRBUF_INIT;

	ct_expect_print(weir->inst, api_expect(exp), &text);
	return api_text(&text);
}

int weir_expect_create(struct weir *weir, struct weir_ct *master, const struct weir_expect_info *info,
		       struct weir_error *error)
{
	const struct ct *ct = api_ct(master);
	struct ct_expect_request req = { .master = *ct_tuple(ct, IP_CT_DIR_ORIGINAL), .zone = ct->zone,
					 .mask_src_port = htons(info->src_port_mask), .flags = info->flags,
					 .class = info->class_number };

	tuple_in(&info->tuple, &req.tuple);
	memcpy(&req.mask_src, info->src_mask, info->tuple.family == NFPROTO_IPV4 ? 4 : 16);
	return answer(error, ct_control_expect_new(weir->inst, &req), "the expectation cannot be made");
}

void weir_expect_end(struct weir *weir, struct weir_expect *exp)
{
	ct_expect_remove(weir->inst, api_expect(exp));
}
