/* ext/target/echo.c - "-j ECHO": a UDP packet goes back to its sender, data and all; the packet itself ends. (xtables-addons) */
#include "base/uapi.h"

#include "ext/option.h"
#include "ext/target/answer.h"

static unsigned int echo_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	bool v4 = call->family == NFPROTO_IPV4;
	const uint8_t *udp = pkt_l4(pkt, sizeof(struct udphdr));
	uint16_t len = udp ? get_be16(udp + 4) : 0;
	struct pkt *made;
	uint8_t *out;

	pkt->drop_reason = DROP_RULE;
	if (len <= sizeof(struct udphdr) || len > pkt->l.l4_len)
		return NF_DROP;
	made = answer_new(call->inst, pkt, call->family, IPPROTO_UDP, len, udp, &out);
	if (!made)
		return NF_DROP;
	memcpy(out + 4, udp + 4, len - 4u);
	if (v4) {
		pkt_ip4(made)->tos = pkt_ip4(pkt)->tos;
		pkt_ip4(made)->id = pkt_ip4(pkt)->id;
		pkt_ip4(made)->frag_off = 0;
	} else {
		memcpy(made->data, pkt->data, 4);	/* version, class and flow label */
	}
	answer_send(call->inst, made, pkt, call->family, 0);
	return NF_DROP;
}

static const struct opt echo_options[] = { OPT_END };

static const struct ext_text echo_text = { .options = echo_options, .help_head = "ECHO takes no options" };

const struct target target_echo = {
	.name = "ECHO", .families = FAMILY_ANY, .proto = IPPROTO_UDP, .table = "filter", .depends = DEP_STATE,
	.target = echo_target, .text = &echo_text,
};
