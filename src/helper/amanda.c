/*
 * helper/amanda.c - Amanda: backups over the network.
 * The client answers "CONNECT DATA 1024 MESG 1025 INDEX 1026\n" in one datagram; the server will connect to these ports.
 */
#include <stdio.h>

#include "conntrack/helper.h"
#include "nat/mangle.h"

enum { PORT_DIGITS_MAX = 5, NOT_FOUND = UINT32_MAX };

/* Where @word begins in [@from, @to) of the packet. */
static uint32_t find_word(const struct pkt *pkt, uint32_t from, uint32_t to, const char *word)
{
	const uint8_t *at;

	to = MIN_OF(to, pkt->len);
	if (from >= to)
		return NOT_FOUND;
	at = memmem(pkt->data + from, to - from, word, strlen(word));
	return at ? (uint32_t)(at - pkt->data) : NOT_FOUND;
}

static unsigned int translate(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len,
			      struct ct_expect *exp)
{
	char text[sizeof("65535")];
	struct ct_expect *made;
	uint16_t port;

	exp->saved_port = exp->tuple.dst_l4.port;
	exp->dir = IP_CT_DIR_ORIGINAL;
	exp->arrived = nat_follow_master;
	port = nat_expect_port(call->inst, exp, &made);
	if (!port)
		return ct_help_refuse(call, "all ports in use");
	snprintf(text, sizeof(text), "%u", port);
	if (nat_mangle_udp(call, match_off, match_len, text))
		return NF_ACCEPT;
	ct_expect_remove(call->inst, made);
	return ct_help_refuse(call, "cannot mangle packet");
}

static unsigned int amanda_help(const struct ct_help_call *call)
{
	static const char *const words[] = { "DATA ", "MESG ", "INDEX ", "STATE " };
	const struct ct_tuple *orig = ct_tuple(call->ct, IP_CT_DIR_ORIGINAL);
	uint32_t payload = call->l4_off + sizeof(struct udphdr), from, to;
	struct pkt *pkt = call->pkt;
	unsigned int verdict = NF_ACCEPT;

	if (call->dir == IP_CT_DIR_ORIGINAL)
		return NF_ACCEPT;
	/* The client may think for long. */
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL, ct_helper_conf(call->inst)->amanda.master_timeout * WEIR_HZ);
	if (payload >= pkt->len)
		return NF_ACCEPT;
	from = find_word(pkt, payload, pkt->len, "CONNECT ");
	if (from == NOT_FOUND)
		return NF_ACCEPT;
	from += sizeof("CONNECT ") - 1;
	to = find_word(pkt, from, pkt->len, "\n");
	if (to == NOT_FOUND)
		return NF_ACCEPT;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		uint32_t at = find_word(pkt, from, to, words[i]), len = 0, port = 0;
		struct ct_expect exp;

		if (at == NOT_FOUND)
			continue;
		at += (uint32_t)strlen(words[i]);
		for (; len < PORT_DIGITS_MAX && at + len < MIN_OF(to, pkt->len); len++) {
			uint8_t c = pkt->data[at + len];

			if (c < '0' || c > '9')
				break;
			port = port * 10 + (c - '0');
		}
		if (!(port & UINT16_MAX))
			break;
		ct_expect_init(&exp, call->ct, 0, &orig->src, &orig->dst, IPPROTO_TCP, htons((uint16_t)port));
		if (call->ct->status & IPS_NAT_MASK)
			verdict = translate(call, at - payload, len, &exp);
		else if (ct_expect_add(call->inst, &exp, NULL))
			verdict = ct_help_refuse(call, "cannot add expectation");
	}
	return verdict;
}

const struct ct_helper ct_helper_amanda = {
	.name = "amanda", .proto = IPPROTO_UDP, .ip4 = true, .ip6 = true, .port = 10080,
	.policy = { .max_expected = 4, .timeout_sec = 180 }, .help = amanda_help,
};
