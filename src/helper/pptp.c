/*
 * helper/pptp.c - PPTP: which GRE calls the control connection agrees on.
 * Both ends choose a 16-bit id for a call, and a GRE packet carries only its receiver's. So a call is announced in both
 * directions at once, and GRE's tracker is told which ids belong together. The client is taken to be who connected, and
 * one call at a time is followed. Under NAT two clients may choose the same id, so the far side sees the control
 * connection's port in its place, which is unique already.
 */
#include "conntrack/helper.h"
#include "nat/mangle.h"
#include "nat/nat.h"

enum { HEADER_LEN = 8, CONTROL_LEN = 4, BODY_AT = HEADER_LEN + CONTROL_LEN, IS_CONTROL = 1, RESULT_OK = 1, NO_ID = 0xff };
static const uint32_t magic = 0x1a2b3c4d;

/* The order matters: a reply is believed at least from REQUESTED on, a farewell at most up to STOPPING. */
enum session { SESSION_NONE, SESSION_FAILED, SESSION_STOPPING, SESSION_REQUESTED, SESSION_CONFIRMED };
enum call { CALL_NONE, CALL_OUT_ASKED, CALL_OUT, CALL_IN_ASKED, CALL_IN_ANSWERED, CALL_IN, CALL_CLEARING };

enum kind {
	START_REQUEST = 1, START_REPLY, STOP_REQUEST, STOP_REPLY, ECHO_REQUEST, ECHO_REPLY, OUT_REQUEST, OUT_REPLY, IN_REQUEST,
	IN_REPLY, IN_CONNECTED, CLEAR_REQUEST, DISCONNECTED, WAN_ERROR, LINK_INFO,
};

/* Bodies by kind (RFC 2637): how long they are at least, and where NAT finds the id it changes, as each side says it. */
static const struct body {
	uint8_t len, client_id, server_id;
} bodies[] = {
	[0]		= { 0, NO_ID, NO_ID },
	[START_REQUEST]	= { 144, NO_ID, NO_ID }, [START_REPLY]	= { 144, NO_ID, NO_ID },
	[STOP_REQUEST]	= { 4, NO_ID, NO_ID },	 [STOP_REPLY]	= { 4, NO_ID, NO_ID },
	[ECHO_REQUEST]	= { 0, NO_ID, NO_ID },	 [ECHO_REPLY]	= { 0, NO_ID, NO_ID },
	[OUT_REQUEST]	= { 156, 0, NO_ID },	 [OUT_REPLY]	= { 20, NO_ID, 2 },
	[IN_REQUEST]	= { 208, NO_ID, NO_ID }, [IN_REPLY]	= { 12, 0, NO_ID },
	[IN_CONNECTED]	= { 16, NO_ID, 0 },	 [CLEAR_REQUEST] = { 4, 0, NO_ID },
	[DISCONNECTED]	= { 136, NO_ID, 0 },	 [WAN_ERROR]	= { 28, NO_ID, 0 },
	[LINK_INFO]	= { 12, NO_ID, 0 },
};

static be16 id_at(const uint8_t *at)
{
	be16 id;

	memcpy(&id, at, sizeof(id));
	return id;
}

/* A tuple of the call, as it is seen where @like is. */
static struct ct_tuple call_tuple(const struct ct_tuple *like, be16 src_id, be16 dst_id)
{
	struct ct_tuple tuple = *like;

	tuple.proto = IPPROTO_GRE;
	tuple.src_l4.gre_key = src_id;
	tuple.dst_l4.gre_key = dst_id;
	return tuple;
}

static void end_call_of(struct instance *inst, struct ct *ct, const struct ct_tuple *tuple)
{
	struct ct *call = ct_find(inst, &ct->zone, tuple, NULL);
	struct ct_expect *exp;

	if (call) {
		ct_kill(inst, call);
		ct_put(inst, call);
		return;
	}
	exp = ct_expect_find(inst, &ct->zone, tuple);
	if (exp)
		ct_expect_remove(inst, exp);
}

/* The call, or what still waits for it. */
static void end_call(struct instance *inst, struct ct *ct)
{
	const struct ct_pptp *pptp = &ct_help_of(ct)->of.pptp;
	struct ct_tuple tuple;

	ct_gre_keys_forget(inst, ct);
	tuple = call_tuple(ct_tuple(ct, IP_CT_DIR_ORIGINAL), pptp->client_id, pptp->server_id);
	end_call_of(inst, ct, &tuple);
	tuple = call_tuple(ct_tuple(ct, IP_CT_DIR_REPLY), pptp->server_id, pptp->client_id);
	end_call_of(inst, ct, &tuple);
}

static void forget_other_way(struct instance *inst, struct ct *ct, const struct ct_tuple *tuple)
{
	struct ct_expect *other = ct_expect_find(inst, &ct->zone, tuple);

	if (other)
		ct_expect_remove(inst, other);
}

/* One direction of the call has begun: the other is its answer now, no longer an expectation. */
static void call_arrived(struct instance *inst, struct ct *ct, const struct ct_expect *exp)
{
	const struct ct_tuple *seen = ct_tuple(exp->master, !exp->dir);
	const struct ct_pptp *pptp = &ct_help_of(exp->master)->of.pptp;
	bool from_client = exp->dir == IP_CT_DIR_ORIGINAL;
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	struct ct_tuple other;

	if (!(exp->master->status & IPS_NAT_MASK)) {
		ct_tuple_invert(&other, &exp->tuple);
		forget_other_way(inst, ct, &other);
		return;
	}
	/* Linux looks for the client's way under the ids zero and zero, and so leaves it waiting. */
	other = from_client ? call_tuple(seen, pptp->server_id, pptp->client_id) : call_tuple(seen, 0, 0);
	forget_other_way(inst, ct, &other);

	range.min_proto.all = range.max_proto.all = exp->saved_port;
	range.min_addr = range.max_addr = seen->dst;
	range.flags = NF_NAT_RANGE_MAP_IPS | (from_client ? NF_NAT_RANGE_PROTO_SPECIFIED : 0);
	nat_setup(inst, ct, &range, NAT_MANIP_SRC);
	range.min_addr = range.max_addr = seen->src;
	range.flags = NF_NAT_RANGE_MAP_IPS | (from_client ? 0 : NF_NAT_RANGE_PROTO_SPECIFIED);
	nat_setup(inst, ct, &range, NAT_MANIP_DST);
}

static void expect_way(struct ct_expect *exp, struct ct *ct, int dir, be16 src_id, be16 dst_id)
{
	const struct ct_tuple *tuple = ct_tuple(ct, dir);

	ct_expect_init(exp, ct, 0, &tuple->src, &tuple->dst, IPPROTO_GRE, dst_id);
	exp->tuple.src_l4.gre_key = src_id;
	exp->mask_src_port = UINT16_MAX;
	exp->arrived = call_arrived;
}

static bool is_still_there(const struct ct_help *help, const struct ct_expect *exp)
{
	list_for_each(node, &help->expectations)
		if (list_entry(node, struct ct_expect, by_master) == exp)
			return true;
	return false;
}

/* The ids are agreed on: both ways are announced, or neither. */
static void expect_call(const struct ct_help_call *call, be16 server_id, be16 client_id)
{
	struct ct_pptp *pptp = &call->help->of.pptp;
	struct ct_expect way[IP_CT_DIR_MAX], *made[IP_CT_DIR_MAX] = { NULL };
	struct ct *ct = call->ct;
	int dir;

	expect_way(&way[IP_CT_DIR_ORIGINAL], ct, IP_CT_DIR_ORIGINAL, client_id, server_id);
	expect_way(&way[IP_CT_DIR_REPLY], ct, IP_CT_DIR_REPLY, server_id, client_id);
	if (ct->status & IPS_NAT_MASK) {
		pptp->inner_server_id = pptp->server_id;
		way[IP_CT_DIR_ORIGINAL].tuple.src_l4.gre_key = pptp->inner_client_id;
		way[IP_CT_DIR_ORIGINAL].tuple.dst_l4.gre_key = pptp->server_id;
		way[IP_CT_DIR_ORIGINAL].saved_port = pptp->client_id;
		way[IP_CT_DIR_ORIGINAL].dir = IP_CT_DIR_ORIGINAL;
		way[IP_CT_DIR_REPLY].tuple.src_l4.gre_key = pptp->inner_server_id;
		way[IP_CT_DIR_REPLY].tuple.dst_l4.gre_key = pptp->client_id;
		way[IP_CT_DIR_REPLY].saved_port = pptp->inner_client_id;
		way[IP_CT_DIR_REPLY].dir = IP_CT_DIR_REPLY;
	}
	for (dir = 0; dir < IP_CT_DIR_MAX; dir++)
		if (ct_expect_add(call->inst, &way[dir], &made[dir]))
			goto neither;
	if (!ct_gre_key_add(call->inst, ct, IP_CT_DIR_ORIGINAL, &way[IP_CT_DIR_ORIGINAL].tuple))
		goto neither;
	if (ct_gre_key_add(call->inst, ct, IP_CT_DIR_REPLY, &way[IP_CT_DIR_REPLY].tuple))
		return;
	ct_gre_keys_forget(call->inst, ct);
neither:
	for (dir = IP_CT_DIR_MAX - 1; dir >= 0; dir--)
		if (made[dir] && is_still_there(call->help, made[dir]))
			ct_expect_remove(call->inst, made[dir]);
}

/* What the client says; false: it does not fit here, and is left as it is. */
static bool hear_client(const struct ct_help_call *call, unsigned int kind, const uint8_t *body)
{
	struct ct_pptp *pptp = &call->help->of.pptp;

	switch (kind) {
	case START_REQUEST:
		if (pptp->session != SESSION_NONE)
			return false;
		pptp->session = SESSION_REQUESTED;
		return true;
	case STOP_REQUEST:
		pptp->session = SESSION_STOPPING;
		return true;
	case OUT_REQUEST:
		if (pptp->session != SESSION_CONFIRMED)
			return false;
		pptp->call = CALL_OUT_ASKED;
		pptp->client_id = id_at(body);
		return true;
	case IN_REPLY:
		if ((pptp->call != CALL_IN_ASKED && pptp->call != CALL_IN_ANSWERED) || pptp->server_id != id_at(body + 2))
			return false;
		pptp->call = body[4] == RESULT_OK ? CALL_IN_ANSWERED : CALL_NONE;
		if (body[4] == RESULT_OK)
			pptp->client_id = id_at(body);
		return true;
	case CLEAR_REQUEST:
		if (pptp->session != SESSION_CONFIRMED)
			return false;
		pptp->call = CALL_CLEARING;
		return true;
	case LINK_INFO:
	case ECHO_REQUEST:
	case ECHO_REPLY:
		return true;
	default:
		return false;
	}
}

static bool hear_server(const struct ct_help_call *call, unsigned int kind, const uint8_t *body)
{
	struct ct_pptp *pptp = &call->help->of.pptp;

	switch (kind) {
	case START_REPLY:
		if (pptp->session < SESSION_REQUESTED)
			return false;
		pptp->session = body[2] == RESULT_OK ? SESSION_CONFIRMED : SESSION_FAILED;
		return true;
	case STOP_REPLY:
		if (pptp->session > SESSION_STOPPING)
			return false;
		pptp->session = body[0] == RESULT_OK ? SESSION_NONE : SESSION_FAILED;
		return true;
	case OUT_REPLY:
		if (pptp->session != SESSION_CONFIRMED || (pptp->call != CALL_OUT_ASKED && pptp->call != CALL_OUT) ||
		    pptp->client_id != id_at(body + 2))
			return false;
		if (body[4] != RESULT_OK) {
			pptp->call = CALL_NONE;
			return true;
		}
		pptp->call = CALL_OUT;
		pptp->server_id = id_at(body);
		expect_call(call, pptp->server_id, pptp->client_id);
		return true;
	case IN_REQUEST:
		if (pptp->session != SESSION_CONFIRMED)
			return false;
		pptp->call = CALL_IN_ASKED;
		pptp->server_id = id_at(body);
		return true;
	case IN_CONNECTED:
		if (pptp->session != SESSION_CONFIRMED || (pptp->call != CALL_IN_ANSWERED && pptp->call != CALL_IN) ||
		    pptp->client_id != id_at(body))
			return false;
		pptp->call = CALL_IN;
		expect_call(call, pptp->server_id, pptp->client_id);
		return true;
	case DISCONNECTED:
		pptp->call = CALL_NONE;
		end_call(call->inst, call->ct);
		return true;
	case WAN_ERROR:
	case LINK_INFO:
	case ECHO_REQUEST:
	case ECHO_REPLY:
		return true;
	default:
		return false;
	}
}

/* The client's id is its own inside, and the control connection's port outside. */
static unsigned int translate(const struct ct_help_call *call, unsigned int kind)
{
	struct ct_pptp *pptp = &call->help->of.pptp;
	bool from_client = call->dir == IP_CT_DIR_ORIGINAL;
	uint8_t at = from_client ? bodies[kind].client_id : bodies[kind].server_id;
	be16 id;

	if (at == NO_ID)
		return NF_ACCEPT;
	if (from_client && kind == OUT_REQUEST) {
		pptp->inner_client_id = pptp->client_id;
		pptp->client_id = ct_tuple(call->ct, IP_CT_DIR_REPLY)->dst_l4.port;
	}
	id = from_client ? pptp->client_id : pptp->inner_client_id;
	return nat_mangle_tcp_bytes(call, BODY_AT + at, sizeof(id), &id, sizeof(id)) ? NF_ACCEPT : NF_DROP;
}

static unsigned int pptp_help(const struct ct_help_call *call)
{
	const uint8_t *at;
	unsigned int kind;
	uint32_t off, len;
	bool fits;

	if (!ct_help_is_established(call) || !ct_help_tcp_payload(call, &off, &len) || len < BODY_AT)
		return NF_ACCEPT;
	at = call->pkt->data + off;
	kind = get_be16(at + HEADER_LEN);
	if (get_be16(at + 2) != IS_CONTROL || get_be32(at + 4) != magic || kind >= ARRAY_SIZE(bodies) ||
	    len - BODY_AT < bodies[kind].len)
		return NF_ACCEPT;
	at += BODY_AT;
	fits = call->dir == IP_CT_DIR_ORIGINAL ? hear_client(call, kind, at) : hear_server(call, kind, at);
	return fits && call->ct->status & IPS_NAT_MASK ? translate(call, kind) : NF_ACCEPT;
}

const struct ct_helper ct_helper_pptp = {
	.name = "pptp", .proto = IPPROTO_TCP, .ip4 = true, .port = 1723,
	.policy = { .max_expected = 2, .timeout_sec = 300 }, .help = pptp_help, .ended = end_call,
	.arrivals = { call_arrived },
};
