/*
 * helper/h245.c - H.245: which media channels the two ends open.
 * A channel is an even port for RTP and the odd one after it for RTCP; T.120 is a TCP port that may be connected to more
 * than once. Whoever wants to receive says where, so what is expected comes from the other side.
 */
#include "helper/h323.h"
#include "nat/mangle.h"

enum { PAIR_STEP = 2 };

/* An RTP port, with its RTCP one, outside; 0: none is left. */
static uint16_t expect_pair(struct instance *inst, struct ct_expect *pair, struct ct_expect **made)
{
	for (uint16_t port = ntohs(pair[0].tuple.dst_l4.port); port; port = (uint16_t)(port + PAIR_STEP)) {
		int err;

		pair[0].tuple.dst_l4.port = htons(port);
		err = ct_expect_add(inst, &pair[0], &made[0]);
		if (!err) {
			pair[1].tuple.dst_l4.port = htons((uint16_t)(port + 1));
			err = ct_expect_add(inst, &pair[1], &made[1]);
			if (!err)
				return port;
			ct_expect_remove(inst, made[0]);
		}
		if (err != -EBUSY)
			return 0;
	}
	return 0;
}

/* Which of the connection's channels this port is, or is to be; as many as there are: none is left. */
static unsigned int find_channel(const struct ct_h323 *h323, int dir, be16 rtp_port)
{
	unsigned int i = 0;

	while (i < CT_H323_CHANNELS && h323->rtp_port[i][dir] != rtp_port && h323->rtp_port[i][dir])
		i++;
	return i;
}

static bool expect_translated_pair(struct h323_message *m, const struct per_note *note, be16 said, struct ct_expect *pair)
{
	const struct ct_help_call *call = m->call;
	struct ct_h323 *h323 = &call->help->of.h323;
	be16 rtp_port = pair[0].tuple.dst_l4.port;
	unsigned int channel = find_channel(h323, call->dir, rtp_port);
	struct ct_expect *made[2];
	uint16_t port;

	if (channel == CT_H323_CHANNELS)
		return true;
	for (int i = 0; i < 2; i++) {
		pair[i].saved_port = pair[i].tuple.dst_l4.port;
		pair[i].arrived = nat_follow_master;
		pair[i].dir = !call->dir;
	}
	port = expect_pair(call->inst, pair, made);
	if (!port)
		return true;
	if (!h323_write_place(m, note, h323_source_outside(m), htons((uint16_t)(port + (ntohs(said) & 1))))) {
		ct_expect_remove(call->inst, made[0]);
		ct_expect_remove(call->inst, made[1]);
		return false;
	}
	h323->rtp_port[channel][call->dir] = rtp_port;
	h323->rtp_port[channel][!call->dir] = htons(port);
	return true;
}

/* Ports of others nobody may open. */
static bool read_own_place(const struct h323_message *m, const struct per_note *note, struct h323_place *place)
{
	return h323_read_place(m, note, place) && ct_addr_equal(&place->addr, h323_source(m)) && place->port;
}

static bool expect_media(struct h323_message *m, const struct per_note *note)
{
	struct instance *inst = m->call->inst;
	struct ct_expect pair[2], *made;
	struct h323_place place;

	if (!read_own_place(m, note, &place))
		return true;
	for (int i = 0; i < 2; i++) {
		const struct h323_place half = { *h323_source_outside(m),
						 i ? place.port | htons(1) : place.port & (be16)~htons(1) };

		h323_expect_init(m, &pair[i], &half, IPPROTO_UDP);
	}
	if (h323_is_sender_translated(m))
		return expect_translated_pair(m, note, place.port, pair);
	if (ct_expect_add(inst, &pair[0], &made))
		return false;
	if (!ct_expect_add(inst, &pair[1], NULL))
		return true;
	ct_expect_remove(inst, made);
	return false;
}

static bool expect_t120(struct h323_message *m, const struct per_note *note)
{
	struct h323_place place;
	struct ct_expect exp;

	if (!read_own_place(m, note, &place))
		return true;
	place.addr = *h323_source_outside(m);
	h323_expect_init(m, &exp, &place, IPPROTO_TCP);
	exp.flags = NF_CT_EXPECT_PERMANENT;
	if (!h323_is_sender_translated(m))
		return h323_expect(m, &exp);
	exp.arrived = nat_follow_master;
	return h323_expect_translated(m, note, &exp, place.port) >= 0;
}

bool h245_process(struct h323_message *m, uint8_t group)
{
	static const uint8_t media[] = {
		H323_FORWARD + H323_MEDIA, H323_FORWARD + H323_MEDIA_CONTROL,
		H323_REVERSE + H323_MEDIA, H323_REVERSE + H323_MEDIA_CONTROL,
		H323_ACCEPTED + H323_MEDIA, H323_ACCEPTED + H323_MEDIA_CONTROL,
	};
	const struct per_note *protocol = per_find(&m->notes, H323_FORWARD + H323_T120, group);

	for (unsigned int i = 0; i < ARRAY_SIZE(media); i++)
		if (!expect_media(m, per_find(&m->notes, media[i], group)))
			return false;
	if (protocol && protocol->value == H323_T120_SEPARATE_LAN &&
	    !expect_t120(m, per_find(&m->notes, H323_STACK, group)))
		return false;
	return expect_t120(m, per_find(&m->notes, H323_ACCEPTED_STACK, group));
}

static unsigned int h245_help(const struct ct_help_call *call)
{
	struct h323_message m = { .call = call };
	uint32_t len = 0;

	if (!ct_help_is_established(call))
		return NF_ACCEPT;
	while (h323_next_tpkt(&m, &len)) {
		if (!per_read(call->pkt->data + m.at, 0, len, &h245_message, &m.notes))
			break;
		if (!h245_process(&m, 0))
			return ct_help_refuse(call, "cannot process H.245 message");
	}
	return NF_ACCEPT;
}

/* Assigned to TCP connections that Q.931 announced; by rules, as Linux has it, to UDP only. */
const struct ct_helper ct_helper_h245 = {
	.name = "H.245", .proto = IPPROTO_UDP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = CT_H323_CHANNELS * 4 + 2, .timeout_sec = 240 }, .help = h245_help,
};
