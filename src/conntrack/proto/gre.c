/*
 * conntrack/proto/gre.c - GRE: one connection per pair of hosts, except for PPTP's version 1, whose call id
 * tells calls apart. The id of the other direction is known only from PPTP's control connection, whose helper
 * does not exist yet; until then it is zero, as in a kernel where that helper is not used.
 */
#include "conntrack/conntrack_internal.h"

enum { GRE_UNREPLIED, GRE_STREAM };
enum { GRE_HEADER_LEN = 4, GRE_VERSION_MASK = 0x0007, GRE_PPTP_HEADER_LEN = 8, GRE_CALL_ID = 6, GRE_PROTO_PPP = 0x880b };

extern const struct ct_proto ct_proto_gre;

static const struct ct_timeout gre_timeouts[] = {
	[GRE_UNREPLIED] = { "gre_timeout", 30 },
	[GRE_STREAM]	= { "gre_timeout_stream", 180 },
};

static bool gre_read_tuple(const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple)
{
	if (l4_len < GRE_HEADER_LEN || (get_be16(l4) & GRE_VERSION_MASK) != 1 || l4_len < GRE_PPTP_HEADER_LEN)
		return true;
	if (get_be16(l4 + 2) != GRE_PROTO_PPP)
		return false;
	memcpy(&tuple->dst_l4.gre_key, l4 + GRE_CALL_ID, 2);
	return true;
}

static int gre_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		      const struct hook_state *state)
{
	if (!ct_is_confirmed(ct)) {
		ct->proto.gre.timeout = ct_proto_timeout(inst, &ct_proto_gre, GRE_UNREPLIED);
		ct->proto.gre.stream_timeout = ct_proto_timeout(inst, &ct_proto_gre, GRE_STREAM);
	}
	if (!(ct->status & IPS_SEEN_REPLY)) {
		ct_refresh(inst, ct, ctinfo, pkt, ct->proto.gre.timeout);
		return NF_ACCEPT;
	}
	ct_refresh(inst, ct, ctinfo, pkt, ct->proto.gre.stream_timeout);
	if (!(ct->status & IPS_ASSURED)) {
		ct->status |= IPS_ASSURED;
		ct_event_note(ct, IPCT_ASSURED);
	}
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_gre = {
	.name = "gre", .number = IPPROTO_GRE,
	.read_tuple = gre_read_tuple,
	.packet = gre_packet,
	.timeouts = gre_timeouts, .timeout_count = ARRAY_SIZE(gre_timeouts),
};
