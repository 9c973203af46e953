/*
 * conntrack/proto/icmpv6.c - echo and node information, told apart by their id.
 * Neighbour discovery and errors are dealt with before (icmp_error.c).
 */
#include "conntrack/conntrack_internal.h"

enum { NODE_INFO_QUERY = 139, NODE_INFO_REPLY = 140 };

extern const struct ct_proto ct_proto_icmpv6;

static const struct ct_timeout icmpv6_timeouts[] = {
	{ "icmpv6_timeout", 30 },
};

static bool icmpv6_read_tuple(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple)
{
	if (l4_len < sizeof(struct icmp6hdr))
		return false;
	tuple->dst_l4.icmp.type = l4[0];
	tuple->dst_l4.icmp.code = l4[1];
	memcpy(&tuple->src_l4.icmp_id, l4 + 4, 2);
	return true;
}

static bool icmpv6_invert_tuple(struct ct_tuple *out, const struct ct_tuple *in)
{
	out->src_l4.icmp_id = in->src_l4.icmp_id;
	out->dst_l4.icmp.code = in->dst_l4.icmp.code;
	switch (in->dst_l4.icmp.type) {
	case ICMPV6_ECHO_REQUEST:
	case ICMPV6_ECHO_REPLY:
	case NODE_INFO_QUERY:
	case NODE_INFO_REPLY:
		out->dst_l4.icmp.type = in->dst_l4.icmp.type < NODE_INFO_QUERY ?
					ICMPV6_ECHO_REQUEST + ICMPV6_ECHO_REPLY - in->dst_l4.icmp.type :
					NODE_INFO_QUERY + NODE_INFO_REPLY - in->dst_l4.icmp.type;
		return true;
	default:
		return false;
	}
}

static int icmpv6_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4,
			 uint8_t ctinfo, const struct hook_state *state)
{
	uint8_t type = ct_tuple(ct, IP_CT_DIR_ORIGINAL)->dst_l4.icmp.type;

	if (state->family != NFPROTO_IPV6)
		return -NF_ACCEPT;
	if (!ct_is_confirmed(ct) && type != ICMPV6_ECHO_REQUEST && type != NODE_INFO_QUERY)
		return -NF_ACCEPT;
	ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_icmpv6, 0));
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_icmpv6 = {
	.name = "icmpv6", .number = IPPROTO_ICMPV6,
	.read_tuple = icmpv6_read_tuple, .invert_tuple = icmpv6_invert_tuple,
	.packet = icmpv6_packet,
	.timeouts = icmpv6_timeouts, .timeout_count = ARRAY_SIZE(icmpv6_timeouts),
};
