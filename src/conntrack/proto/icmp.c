/*
 * conntrack/proto/icmp.c - questions and answers of ICMP, told apart by their id.
 * Errors never come here: they belong to the connection that they quote (icmp_error.c).
 */
#include "conntrack/conntrack_internal.h"

extern const struct ct_proto ct_proto_icmp;

static const struct ct_timeout icmp_timeouts[] = {
	{ "icmp_timeout", 30 },
};

/* Which type answers which; the answer alone begins nothing. */
static const struct { uint8_t question, answer; } icmp_pairs[] = {
	{ ICMP_ECHO, ICMP_ECHOREPLY },
	{ ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY },
	{ ICMP_INFO_REQUEST, ICMP_INFO_REPLY },
	{ ICMP_ADDRESS, ICMP_ADDRESSREPLY },
};

static bool icmp_read_tuple(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple)
{
	if (l4_len < sizeof(struct icmphdr))
		return false;
	tuple->dst_l4.icmp.type = l4[0];
	tuple->dst_l4.icmp.code = l4[1];
	memcpy(&tuple->src_l4.icmp_id, l4 + 4, 2);
	return true;
}

static bool icmp_invert_tuple(struct ct_tuple *out, const struct ct_tuple *in)
{
	uint8_t type = in->dst_l4.icmp.type;

	out->src_l4.icmp_id = in->src_l4.icmp_id;
	out->dst_l4.icmp.code = in->dst_l4.icmp.code;
	for (size_t i = 0; i < ARRAY_SIZE(icmp_pairs); i++) {
		if (type == icmp_pairs[i].question || type == icmp_pairs[i].answer) {
			out->dst_l4.icmp.type = type == icmp_pairs[i].question ? icmp_pairs[i].answer :
										 icmp_pairs[i].question;
			return true;
		}
	}
	return false;
}

static bool is_question(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(icmp_pairs); i++)
		if (type == icmp_pairs[i].question)
			return true;
	return false;
}

static int icmp_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4, uint8_t ctinfo,
		       const struct hook_state *state)
{
	if (state->family != NFPROTO_IPV4 || !is_question(ct_tuple(ct, IP_CT_DIR_ORIGINAL)->dst_l4.icmp.type))
		return -NF_ACCEPT;
	ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_icmp, 0));
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_icmp = {
	.name = "icmp", .number = IPPROTO_ICMP,
	.read_tuple = icmp_read_tuple, .invert_tuple = icmp_invert_tuple,
	.packet = icmp_packet,
	.timeouts = icmp_timeouts, .timeout_count = ARRAY_SIZE(icmp_timeouts),
};
