/*
 * conntrack/proto/udp.c - UDP has no states on the wire: answered or not, and a stream once it has gone
 * on for two seconds.
 */
#include "conntrack/conntrack_internal.h"

enum { UDP_STREAM_AFTER_JIFFIES = 2 * WEIR_HZ };	/* shorter exchanges are queries */

extern const struct ct_proto ct_proto_udp;

static const struct ct_timeout udp_timeouts[] = {
	[CT_UDP_UNREPLIED] = { "udp_timeout", 30 },
	[CT_UDP_STREAM]	= { "udp_timeout_stream", 120 },
};

static bool udp_refused(struct instance *inst, struct pkt *pkt, const struct ct_l4 *l4, const struct hook_state *state)
{
	uint32_t len;

	if (l4->len < sizeof(struct udphdr)) {
		ct_invalid(inst, pkt, "short packet");
		return true;
	}
	len = get_be16(l4->at + offsetof(struct udphdr, len));
	if (len > l4->len || len < sizeof(struct udphdr)) {
		ct_invalid(inst, pkt, "truncated/malformed packet");
		return true;
	}
	if (get_be16(l4->at + offsetof(struct udphdr, check)) && inst->ct->conf.checksum &&
	    state->hooknum == NF_INET_PRE_ROUTING && !pkt_l4_checksum_ok(pkt)) {
		ct_invalid(inst, pkt, "bad checksum");
		return true;
	}
	return false;
}

static int udp_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		      const struct hook_state *state)
{
	uint32_t now = (uint32_t)inst_jiffies(inst);
	bool stream;

	if (udp_refused(inst, pkt, l4, state))
		return -NF_ACCEPT;
	if (!ct_is_confirmed(ct))
		ct->proto.udp.stream_tick = now + UDP_STREAM_AFTER_JIFFIES;
	stream = ct->status & IPS_SEEN_REPLY && (int32_t)(now - ct->proto.udp.stream_tick) > 0;
	ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_udp, stream ? CT_UDP_STREAM : CT_UDP_UNREPLIED));
	if (stream && !(ct->status & (IPS_ASSURED | CT_STATUS_NAT_CLASH))) {
		ct->status |= IPS_ASSURED;	/* kept when the table is full */
		ct_event_note(ct, IPCT_ASSURED);
	}
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_udp = {
	.name = "udp", .number = IPPROTO_UDP, .allow_clash = true,
	.read_tuple = ct_read_ports,
	.packet = udp_packet,
	.timeouts = udp_timeouts, .timeout_count = ARRAY_SIZE(udp_timeouts),
};
