/*
 * helper/h323_call.c - Q.931: call signalling between two ends, one of which may be a gatekeeper.
 * It says where H.245 is spoken, opens channels by itself (fast start), or carries H.245 along (tunnelling); a forwarded
 * call goes to a third party. TCP carries it in TPKTs: a segment has some whole ones, or the four bytes before one.
 */
#include "helper/h323.h"
#include "nat/mangle.h"
#include "nat/nat.h"
#include "route/route.h"

enum { TPKT_HEADER_LEN = 4, TPKT_VERSION = 3, TCP_PAYLOAD_MAX = UINT16_MAX };
enum { Q931_DISCRIMINATOR = 0x08, Q931_SINGLE_OCTET = 0x80, Q931_USER_USER = 0x7e };

bool h323_next_tpkt(struct h323_message *m, uint32_t *len)
{
	const struct ct_help_call *call = m->call;
	uint16_t *awaited = &call->help->of.h323.awaited[call->dir], announced = *awaited;
	const struct pkt *pkt = call->pkt;
	const uint8_t *tpkt;
	uint32_t payload, left, tpkt_len;

	if (pkt->len - call->l4_off < sizeof(struct tcphdr))
		return false;
	payload = call->l4_off + (pkt->data[call->l4_off + 12] >> 4) * 4u;
	*awaited = 0;
	if (payload >= pkt->len)
		return false;
	left = MIN_OF(pkt->len - payload, (uint32_t)TCP_PAYLOAD_MAX);
	if (!m->at) {
		m->at = payload;
		tpkt = pkt->data + payload;
		if (left < TPKT_HEADER_LEN || tpkt[0] != TPKT_VERSION || tpkt[1] != 0) {
			/* Some send the header in a segment of its own. */
			*len = announced;
			return announced && announced <= left;
		}
	} else {
		uint32_t done = m->payload_off + *len;

		if (left <= done + TPKT_HEADER_LEN || m->at + *len + TPKT_HEADER_LEN > pkt->len)
			return false;
		left -= done;
		m->payload_off = done;
		m->at += *len;
		tpkt = pkt->data + m->at;
		if (tpkt[0] != TPKT_VERSION || tpkt[1] != 0)
			return false;
	}
	tpkt_len = get_be16(tpkt + 2);
	if (tpkt_len < TPKT_HEADER_LEN)
		return false;
	if (tpkt_len > left) {
		if (left == TPKT_HEADER_LEN)
			*awaited = (uint16_t)(tpkt_len - TPKT_HEADER_LEN);
		return false;
	}
	m->at += TPKT_HEADER_LEN;
	m->payload_off += TPKT_HEADER_LEN;
	*len = tpkt_len - TPKT_HEADER_LEN;
	return m->at + *len <= pkt->len;
}

/* The user-user element of a Q.931 message; false: it has none. */
static bool find_user_user(const uint8_t *at, uint32_t len, uint32_t *off, uint32_t *element_len)
{
	uint32_t i = 2;

	if (len < i || at[0] != Q931_DISCRIMINATOR)
		return false;
	i += at[1];			/* the call's reference */
	if (i + 2 > len)
		return false;
	i++;				/* the message's type */
	if (at[i] & Q931_SINGLE_OCTET)
		i++;
	while (i < len) {
		uint32_t size;

		if (at[i] == Q931_USER_USER) {
			if (len - i < 3)
				return false;
			size = get_be16(at + i + 1);
			i += 3;
			if (len - i < size || size < 2)
				return false;
			*off = i + 1;	/* behind the protocol discriminator */
			*element_len = size - 1;
			return true;
		}
		if (len - i < 2)
			return false;
		size = at[i + 1];
		i += 2;
		if (len - i < size)
			return false;
		i += size;
	}
	return false;
}

/* An address of the sender at which H.245 is spoken. */
static bool expect_h245(struct h323_message *m, const struct per_note *note)
{
	const struct ct_help_call *call = m->call;
	struct ct_h323 *h323 = &call->help->of.h323;
	struct h323_place place;
	struct ct_expect exp;
	be16 port;
	int outside;

	if (!h323_read_place(m, note, &place) || !ct_addr_equal(&place.addr, h323_source(m)) || !place.port)
		return true;
	port = place.port;
	place.addr = *h323_source_outside(m);
	h323_expect_init(m, &exp, &place, IPPROTO_TCP);
	exp.assign_helper = &ct_helper_h245;
	if (!h323_is_sender_translated(m))
		return h323_expect(m, &exp);
	exp.arrived = nat_follow_master;
	outside = h323_expect_translated(m, note, &exp,
					 h323->signal_port[call->dir] == port ? h323->signal_port[!call->dir] : port);
	if (outside <= 0)
		return outside == 0;
	h323->signal_port[call->dir] = port;
	h323->signal_port[!call->dir] = htons((uint16_t)outside);
	return true;
}

static bool find_way(struct instance *inst, uint8_t family, const union nf_inet_addr *to, struct pkt_route *way)
{
	struct route_flow flow = { .family = family, .daddr = *to };
	static const union nf_inet_addr none;

	if (route_output(inst, &flow, way))
		return false;
	if (ct_addr_equal(&way->gateway, &none))
		way->gateway = *to;
	return true;
}

/* Two that are reached by the same next hop are on one side: their call does not pass here. */
static bool are_on_one_side(struct instance *inst, uint8_t family, const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	struct pkt_route way_a = { .kind = 0 }, way_b = { .kind = 0 };

	return find_way(inst, family, a, &way_a) && find_way(inst, family, b, &way_b) && way_a.oif == way_b.oif &&
	       ct_addr_equal(&way_a.gateway, &way_b.gateway);
}

/* A forwarded call has come: from whom it comes it keeps, and it goes to whom it was forwarded to. */
static void forwarded_call_arrived(struct instance *inst, struct ct *ct, const struct ct_expect *exp)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	range.min_addr = range.max_addr = ct_tuple(ct, !exp->dir)->src;
	nat_setup(inst, ct, &range, NAT_MANIP_SRC);
	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = range.max_proto.all = exp->saved_port;
	range.min_addr = range.max_addr = exp->saved_addr;
	nat_setup(inst, ct, &range, NAT_MANIP_DST);
}

static bool expect_forwarded_call(struct h323_message *m, const struct per_note *note)
{
	const struct ct_help_call *call = m->call;
	struct h323_place place;
	struct ct_expect exp;

	if (!h323_read_place(m, note, &place) || !place.port)
		return true;
	if (ct_helper_conf(call->inst)->h323.callforward_filter &&
	    are_on_one_side(call->inst, ct_family(call->ct), &place.addr, &ct_tuple(call->ct, !call->dir)->src))
		return true;
	h323_expect_init(m, &exp, &place, IPPROTO_TCP);
	exp.assign_helper = &ct_helper_q931;
	if (!h323_is_sender_translated(m))
		return h323_expect(m, &exp);
	exp.saved_addr = exp.tuple.dst;
	exp.tuple.dst.ip = h323_source_outside(m)->ip;
	exp.arrived = forwarded_call_arrived;
	return h323_expect_translated(m, note, &exp, place.port) >= 0;
}

/* SETUP names both ends; each sees the other as the connection's addresses say. */
static bool translate_end(struct h323_message *m, uint8_t what, const union nf_inet_addr *addr, be16 port)
{
	const struct per_note *note = per_find(&m->notes, what, 0);
	struct h323_place place;

	if (!h323_is_translated(m) || !h323_read_place(m, note, &place) || ct_addr_equal(&place.addr, addr))
		return true;
	return h323_write_place(m, note, addr, port);
}

static bool process_signalling(struct h323_message *m)
{
	const struct ct_tuple *other = ct_tuple(m->call->ct, !m->call->dir);
	const struct per_note *reason = per_find(&m->notes, H323_REASON, 0);

	if (reason && reason->value == H323_REASON_FORWARDED) {
		if (!expect_forwarded_call(m, per_find(&m->notes, H323_ALTERNATIVE, 0)))
			return false;
	} else {
		if (!expect_h245(m, per_find(&m->notes, H323_H245, 0)) ||
		    !translate_end(m, H323_CALLED, &other->src, other->src_l4.port) ||
		    !translate_end(m, H323_CALLER, &other->dst, other->dst_l4.port))
			return false;
		for (uint8_t i = 0; i < H323_FAST_START_MAX; i++)
			if (!h245_process(m, i))
				return false;
	}
	for (uint8_t i = 0; i < H323_TUNNELED_MAX; i++)
		if (!h245_process(m, (uint8_t)(H323_TUNNELED + i)))
			return false;
	return true;
}

static unsigned int q931_help(const struct ct_help_call *call)
{
	struct h323_message m = { .call = call };
	uint32_t len = 0, off, element_len;

	if (!ct_help_is_established(call))
		return NF_ACCEPT;
	while (h323_next_tpkt(&m, &len)) {
		const uint8_t *at = call->pkt->data + m.at;

		if (!find_user_user(at, len, &off, &element_len) ||
		    !per_read(at, off, element_len, &h323_user_information, &m.notes))
			break;
		if (!process_signalling(&m))
			return ct_help_refuse(call, "cannot process Q.931 message");
	}
	return NF_ACCEPT;
}

const struct ct_helper ct_helper_q931 = {
	.name = "Q.931", .proto = IPPROTO_TCP, .ip4 = true, .ip6 = true, .port = 1720,
	.policy = { .max_expected = CT_H323_CHANNELS * 4 + 4, .timeout_sec = 240 }, .help = q931_help,
	.arrivals = { forwarded_call_arrived }, .arrival_names = { "callforwarding" },
};
