/*
 * helper/h323_ras.c - RAS: how terminals register with a gatekeeper, and ask it for calls.
 * A terminal says where it can be called; the gatekeeper, where to call. Calls to a registered terminal are expected for as
 * long as it is registered, and not just once.
 */
#include "helper/h323.h"
#include "nat/mangle.h"
#include "nat/nat.h"

enum { GRACE_SEC = 30, LOOPBACK_NET = 127 };
enum { GATEKEEPER_REQUEST, GATEKEEPER_CONFIRM, REGISTRATION_REQUEST = 3, REGISTRATION_CONFIRM, UNREGISTRATION_REQUEST = 6,
       ADMISSION_REQUEST = 9, ADMISSION_CONFIRM, LOCATION_REQUEST = 18, LOCATION_CONFIRM, INFO_RESPONSE = 22 };

static struct ct_h323 *state_of(const struct h323_message *m)
{
	return &m->call->help->of.h323;
}

static bool is_loopback(const struct h323_message *m, const struct per_note *note)
{
	struct h323_place place;

	return h323_read_place(m, note, &place) && ntohl(place.addr.ip) >> 24 == LOOPBACK_NET;
}

/* The first address that is the sender's own of this connection. */
static bool translate_ras_address(struct h323_message *m)
{
	const struct ct_tuple *sent = ct_tuple(m->call->ct, m->call->dir), *other = ct_tuple(m->call->ct, !m->call->dir);

	if (!h323_is_translated(m))
		return true;
	for (uint8_t i = 0; i < H323_ADDRESSES_MAX; i++) {
		const struct per_note *note = per_find(&m->notes, H323_RAS, i);
		struct h323_place place;

		if (h323_read_place(m, note, &place) && place.addr.ip == sent->src.ip && place.port == sent->src_l4.port)
			return h323_write_place(m, note, &other->dst, other->dst_l4.port);
	}
	return true;
}

/* The first address at which calls of this connection's terminal are answered, by whichever side named. */
static bool translate_signal_address(struct h323_message *m)
{
	const struct ct_tuple *sent = ct_tuple(m->call->ct, m->call->dir), *other = ct_tuple(m->call->ct, !m->call->dir);
	be16 inside = state_of(m)->signal_port[m->call->dir], outside = state_of(m)->signal_port[!m->call->dir];

	if (!h323_is_translated(m))
		return true;
	for (uint8_t i = 0; i < H323_ADDRESSES_MAX; i++) {
		const struct per_note *note = per_find(&m->notes, H323_SIGNAL, i);
		const struct per_note *first = per_find(&m->notes, H323_SIGNAL, 0);
		struct h323_place place;

		if (!h323_read_place(m, note, &place) || place.port != inside)
			continue;
		/* GnomeMeeting says 127.0.0.1 first: Linux changes that one, then. */
		if (place.addr.ip == sent->src.ip)
			return h323_write_place(m, i && is_loopback(m, first) ? first : note, &other->dst, outside);
		if (place.addr.ip == sent->dst.ip)
			return h323_write_place(m, note, &other->src, outside);
	}
	return true;
}

/* A call for the terminal has come: to it, and from the gatekeeper as ever, or from anybody as he is. */
static void call_arrived(struct instance *inst, struct ct *ct, const struct ct_expect *exp)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	if (exp->tuple.src.ip) {
		nat_follow_master(inst, ct, exp);
		return;
	}
	range.min_addr = range.max_addr = ct_tuple(ct, !exp->dir)->src;
	nat_setup(inst, ct, &range, NAT_MANIP_SRC);
	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = range.max_proto.all = exp->saved_port;
	range.min_addr = range.max_addr = ct_tuple(exp->master, !exp->dir)->src;
	nat_setup(inst, ct, &range, NAT_MANIP_DST);
}

static bool expect_translated_calls(struct h323_message *m, const struct per_note *note, struct ct_expect *exp)
{
	struct ct_h323 *h323 = state_of(m);
	const struct per_note *first = per_find(&m->notes, H323_SIGNAL, 0);
	be16 port = exp->tuple.dst_l4.port;
	uint8_t dir = m->call->dir;
	int outside;

	exp->arrived = call_arrived;
	outside = h323_expect_translated(m, note, exp, h323->signal_port[dir] == port ? h323->signal_port[!dir] : port);
	if (outside <= 0)
		return outside == 0;
	h323->signal_port[dir] = port;
	h323->signal_port[!dir] = htons((uint16_t)outside);
	return note->group == 0 || !is_loopback(m, first) ||
	       h323_write_place(m, first, h323_source_outside(m), h323->signal_port[!dir]);
}

/* Where the terminal that registers wants to be called. */
static bool expect_calls(struct h323_message *m)
{
	const struct ct_tuple *other = ct_tuple(m->call->ct, !m->call->dir);
	const struct per_note *note = NULL;
	struct h323_place place;
	struct ct_expect exp;
	uint8_t i;

	for (i = 0; i < H323_ADDRESSES_MAX; i++) {
		note = per_find(&m->notes, H323_SIGNAL, i);
		if (h323_read_place(m, note, &place) && ct_addr_equal(&place.addr, h323_source(m)) && place.port)
			break;
	}
	if (i == H323_ADDRESSES_MAX)
		return true;
	ct_expect_init(&exp, m->call->ct, 0, ct_helper_conf(m->call->inst)->h323.gkrouted_only ? &other->src : NULL,
		       &other->dst, IPPROTO_TCP, place.port);
	exp.assign_helper = &ct_helper_q931;
	exp.flags = NF_CT_EXPECT_PERMANENT;
	if (h323_is_translated(m))
		return expect_translated_calls(m, note, &exp);
	if (!h323_expect(m, &exp))
		return false;
	state_of(m)->signal_port[m->call->dir] = place.port;
	return true;
}

/* The gatekeeper names an address: of its own, or of another terminal. */
static bool expect_named(struct h323_message *m, const struct h323_place *place, uint8_t proto,
			 const struct ct_helper *helper, uint32_t flags)
{
	struct ct_expect exp;

	h323_expect_init(m, &exp, place, proto);
	exp.assign_helper = helper;
	exp.flags = flags;
	return h323_expect(m, &exp);
}

static bool process_gatekeeper_confirm(struct h323_message *m)
{
	const struct ct_tuple *sent = ct_tuple(m->call->ct, m->call->dir);
	struct h323_place place;

	if (!h323_read_place(m, per_find(&m->notes, H323_RAS, 0), &place) ||
	    (ct_addr_equal(&place.addr, &sent->src) && place.port == sent->src_l4.port) ||
	    m->call->ct->status & IPS_EXPECTED)		/* no chains of them */
		return true;
	return expect_named(m, &place, IPPROTO_UDP, &ct_helper_ras, 0);
}

static bool process_registration_request(struct h323_message *m)
{
	const struct per_note *lifetime = per_find(&m->notes, H323_LIFETIME, 0);

	if (!expect_calls(m) || !translate_ras_address(m))
		return false;
	state_of(m)->lifetime_sec = lifetime ? lifetime->value : ct_helper_conf(m->call->inst)->h323.default_rrq_ttl;
	return true;
}

static struct ct_expect *find_call(const struct h323_message *m, const union nf_inet_addr *addr, be16 port)
{
	struct ct_tuple tuple = { .family = ct_family(m->call->ct), .proto = IPPROTO_TCP, .dst = *addr, .dst_l4.port = port };
	struct ct_expect *exp = ct_expect_find(m->call->inst, &m->call->ct->zone, &tuple);

	return exp && exp->master == m->call->ct ? exp : NULL;
}

static bool process_registration_confirm(struct h323_message *m)
{
	const struct per_note *lifetime = per_find(&m->notes, H323_LIFETIME, 0);
	const struct ct_help_call *call = m->call;
	struct ct_h323 *h323 = state_of(m);
	struct ct_expect *exp;

	if (!translate_signal_address(m))
		return false;
	if (lifetime)
		h323->lifetime_sec = lifetime->value;
	if (!h323->lifetime_sec)
		return true;
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL, h323->lifetime_sec * WEIR_HZ);
	exp = find_call(m, &ct_tuple(call->ct, call->dir)->dst, h323->signal_port[!call->dir]);
	if (exp)
		ct_expect_set_timeout(call->inst, exp, h323->lifetime_sec * WEIR_HZ);
	return true;
}

static bool process_unregistration(struct h323_message *m)
{
	const struct ct_help_call *call = m->call;

	if (!translate_signal_address(m))
		return false;
	ct_expect_remove_all(call->inst, call->ct);
	memset(state_of(m)->signal_port, 0, sizeof(state_of(m)->signal_port));
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL, GRACE_SEC * WEIR_HZ);
	return true;
}

/* Whoever is called asks for admission under the address that it registered; a caller, under its own. */
static bool process_admission_request(struct h323_message *m)
{
	const struct per_note *called = per_find(&m->notes, H323_CALLED, 0), *caller = per_find(&m->notes, H323_CALLER, 0);
	const struct ct_h323 *h323 = state_of(m);
	uint8_t dir = m->call->dir;
	struct h323_place place;

	if (!h323_is_translated(m))
		return true;
	if (h323_read_place(m, called, &place) && ct_addr_equal(&place.addr, h323_source(m)) &&
	    place.port == h323->signal_port[dir])
		return h323_write_place(m, called, h323_source_outside(m), h323->signal_port[!dir]);
	if (h323_read_place(m, caller, &place) && ct_addr_equal(&place.addr, h323_source(m)))
		return h323_write_place(m, caller, h323_source_outside(m), place.port);
	return true;
}

static bool process_admission_confirm(struct h323_message *m)
{
	struct h323_place place;

	if (!h323_read_place(m, per_find(&m->notes, H323_SIGNAL, 0), &place))
		return true;
	if (ct_addr_equal(&place.addr, &ct_tuple(m->call->ct, m->call->dir)->dst))
		return translate_signal_address(m);
	return expect_named(m, &place, IPPROTO_TCP, &ct_helper_q931, NF_CT_EXPECT_PERMANENT);
}

static bool process_location_confirm(struct h323_message *m)
{
	struct h323_place place;

	return !h323_read_place(m, per_find(&m->notes, H323_SIGNAL, 0), &place) ||
	       expect_named(m, &place, IPPROTO_TCP, &ct_helper_q931, NF_CT_EXPECT_PERMANENT);
}

static bool process(struct h323_message *m, unsigned int kind)
{
	switch (kind) {
	case GATEKEEPER_REQUEST:
	case LOCATION_REQUEST:
		return translate_ras_address(m);
	case GATEKEEPER_CONFIRM:
		return process_gatekeeper_confirm(m);
	case REGISTRATION_REQUEST:
		return process_registration_request(m);
	case REGISTRATION_CONFIRM:
		return process_registration_confirm(m);
	case UNREGISTRATION_REQUEST:
		return process_unregistration(m);
	case ADMISSION_REQUEST:
		return process_admission_request(m);
	case ADMISSION_CONFIRM:
		return process_admission_confirm(m);
	case LOCATION_CONFIRM:
		return process_location_confirm(m);
	case INFO_RESPONSE:
		return translate_ras_address(m) && translate_signal_address(m);
	default:
		return true;
	}
}

static unsigned int ras_help(const struct ct_help_call *call)
{
	struct h323_message m = { .call = call, .at = call->l4_off + sizeof(struct udphdr) };
	const struct pkt *pkt = call->pkt;
	const struct per_note *kind;

	if (m.at >= pkt->len || !per_read(pkt->data + m.at, 0, pkt->len - m.at, &h323_ras_message, &m.notes))
		return NF_ACCEPT;
	kind = per_find(&m.notes, H323_MESSAGE, 0);
	if (kind && !process(&m, kind->value))
		return ct_help_refuse(call, "cannot process RAS message");
	return NF_ACCEPT;
}

const struct ct_helper ct_helper_ras = {
	.name = "RAS", .proto = IPPROTO_UDP, .ip4 = true, .ip6 = true, .port = 1719,
	.policy = { .max_expected = 32, .timeout_sec = 240 }, .help = ras_help,
	.arrivals = { call_arrived }, .arrival_names = { "Q.931" },
};
