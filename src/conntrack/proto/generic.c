/*
 * conntrack/proto/generic.c - protocols without a tracker of their own: two addresses and a timeout.
 * DCCP comes here too, as in a kernel built without its tracker. All such packets between two hosts are
 * one connection.
 */
#include "conntrack/conntrack_internal.h"

extern const struct ct_proto ct_proto_generic;

static const struct ct_timeout generic_timeouts[] = {
	{ "generic_timeout", 600 },
};

static int generic_packet(struct instance *inst, struct ct *ct, struct pkt *pkt, const struct ct_l4 *l4,
			  uint8_t ctinfo, const struct hook_state *state)
{
	ct_refresh(inst, ct, ctinfo, pkt, ct_timeout(inst, ct, &ct_proto_generic, 0));
	return NF_ACCEPT;
}

const struct ct_proto ct_proto_generic = {
	.name = "generic", .number = IPPROTO_RAW, .allow_clash = true,
	.packet = generic_packet,
	.timeouts = generic_timeouts, .timeout_count = ARRAY_SIZE(generic_timeouts),
};
