/*
 * helper/sane.c - SANE: scanners on the network.
 * The answer to "start" names the port where the image will be fetched. Requests and answers come one at a time, so
 * one bit remembers that the next answer is the one to read. The protocol carries no address: NAT has nothing to rewrite.
 */
#include "conntrack/helper.h"

enum { SANE_NET_START = 7, REQUEST_LEN = 8, ANSWER_LEN = 8 };

static unsigned int sane_help(const struct ct_help_call *call)
{
	const struct ct_tuple *orig = ct_tuple(call->ct, IP_CT_DIR_ORIGINAL);
	struct ct_expect exp;
	uint32_t off, len;
	const uint8_t *data;
	be16 port;

	if (!ct_help_is_established(call) || !ct_help_tcp_payload(call, &off, &len))
		return NF_ACCEPT;
	data = call->pkt->data + off;
	if (call->dir == IP_CT_DIR_ORIGINAL) {
		if (len == REQUEST_LEN)
			call->help->of.sane.start_requested = get_be32(data) == SANE_NET_START;
		return NF_ACCEPT;
	}
	if (!call->help->of.sane.start_requested)
		return NF_ACCEPT;
	call->help->of.sane.start_requested = false;
	/* Status 0, 16 bits of zero, the port. */
	if (len < ANSWER_LEN || get_be32(data) || get_be16(data + 4))
		return NF_ACCEPT;
	memcpy(&port, data + 6, sizeof(port));
	ct_expect_init(&exp, call->ct, 0, &orig->src, &orig->dst, IPPROTO_TCP, port);
	if (ct_expect_add(call->inst, &exp, NULL))
		return ct_help_refuse(call, "cannot add expectation");
	return NF_ACCEPT;
}

static bool sane_restored(struct ct_help *help)
{
	uint8_t byte;

	memcpy(&byte, &help->of.sane.start_requested, sizeof(byte));
	return byte <= 1;
}

const struct ct_helper ct_helper_sane = {
	.name = "sane", .proto = IPPROTO_TCP, .ip4 = true, .ip6 = true,
	.policy = { .max_expected = 1, .timeout_sec = 300 }, .help = sane_help, .restored = sane_restored,
};
