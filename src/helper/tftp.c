/*
 * helper/tftp.c - TFTP: the server answers from a port of its own choice.
 * A read or write request announces one connection, from the server's address to where the request came from.
 */
#include "conntrack/helper.h"
#include "nat/mangle.h"

enum { TFTP_READ = 1, TFTP_WRITE = 2 };

static unsigned int tftp_help(const struct ct_help_call *call)
{
	const struct ct_tuple *reply = ct_tuple(call->ct, IP_CT_DIR_REPLY);
	uint32_t payload = call->l4_off + sizeof(struct udphdr);
	struct ct_expect exp;
	uint16_t opcode;

	if (call->pkt->len < payload + sizeof(opcode))
		return NF_ACCEPT;
	opcode = get_be16(call->pkt->data + payload);
	if (opcode != TFTP_READ && opcode != TFTP_WRITE)
		return NF_ACCEPT;
	ct_expect_init(&exp, call->ct, 0, &reply->src, &reply->dst, IPPROTO_UDP, reply->dst_l4.port);
	if (call->ct->status & IPS_NAT_MASK) {
		exp.saved_port = ct_tuple(call->ct, IP_CT_DIR_ORIGINAL)->src_l4.port;
		exp.dir = IP_CT_DIR_REPLY;
		exp.arrived = nat_follow_master;
	}
	if (ct_expect_add(call->inst, &exp, NULL))
		return ct_help_refuse(call, "cannot add expectation");
	return NF_ACCEPT;
}

const struct ct_helper ct_helper_tftp = {
	.name = "tftp", .proto = IPPROTO_UDP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = 1, .timeout_sec = 300 }, .help = tftp_help,
};
