/*
 * helper/irc.c - IRC: direct connections between clients (DCC).
 * "PRIVMSG somebody :^ADCC SEND file 167772162 1025 size^A" says where the sender listens, as two decimal numbers.
 * Only what a client sends is read: servers repeat what others claim.
 */
#include <stdio.h>
#include <strings.h>

#include "conntrack/helper.h"
#include "nat/mangle.h"

enum {
	SEARCHED_MAX = 4095,
	MESSAGE_MIN = 26,		/* " :^ADCC SEND F AAAAAAAA P^A\n" */
	BEFORE_ADDR_MIN = 12,		/* "AAAAAAAA P^A\n" */
	PRIVMSG_MIN = 10,
};

struct offer { uint32_t addr; uint16_t port; uint32_t from, len; };

/* A decimal number as strtoul() reads it: 64 bits, what does not fit is lost. */
static uint64_t read_number(const uint8_t *data, uint32_t len, uint32_t *at)
{
	uint64_t value = 0;

	for (; *at < len && data[*at] >= '0' && data[*at] <= '9'; (*at)++)
		value = value * 10 + (data[*at] - '0');
	return value;
}

/* What follows "DCC SEND ": a name, the address, the port, and a line's end somewhere behind. */
static bool read_offer(const uint8_t *data, uint32_t len, uint32_t at, struct offer *offer)
{
	while (at < len && data[at++] != ' ')
		if (at + BEFORE_ADDR_MIN > len)
			return false;
	if (at >= len || !memchr(data + at, '\n', len - at))
		return false;
	offer->from = at;
	offer->addr = (uint32_t)read_number(data, len, &at);
	while (at < len && data[at] == ' ')
		at++;
	offer->port = (uint16_t)read_number(data, len, &at);
	offer->len = at - offer->from;
	return true;
}

/* Finds the first offer of a message; false: there is none that makes sense. */
static bool find_offer(const uint8_t *data, uint32_t len, struct offer *offer)
{
	static const char *const kinds[] = { "SEND ", "CHAT ", "MOVE ", "TSEND ", "SCHAT " };
	uint32_t at = 0;

	while (at + PRIVMSG_MIN < len && (data[at] == ' ' || data[at] == '\r' || data[at] == '\n'))
		at++;
	if (at + PRIVMSG_MIN < len) {
		if (strncasecmp((const char *)data + at, "PRIVMSG ", 8) != 0)
			return false;
		at += 8;
	}
	while (at + MESSAGE_MIN < len) {
		if (data[at] != ' ' || data[at + 1] != ':') {
			at++;
			continue;
		}
		at += 2;
		if (memcmp(data + at, "\1DCC ", 5) != 0)
			return false;
		at += 5;
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			if (memcmp(data + at, kinds[i], strlen(kinds[i])) == 0)
				return read_offer(data, len, at + (uint32_t)strlen(kinds[i]), offer);
	}
	return false;
}

static unsigned int translate(const struct ct_help_call *call, const struct offer *offer, struct ct_expect *exp)
{
	struct ct_expect *made;
	char text[sizeof("4294967295 65535")];
	uint16_t port;

	exp->saved_port = exp->tuple.dst_l4.port;
	exp->dir = IP_CT_DIR_REPLY;
	exp->arrived = nat_follow_master;
	port = nat_expect_port(call->inst, exp, &made);
	if (!port)
		return ct_help_refuse(call, "all ports in use");
	snprintf(text, sizeof(text), "%u %u", ntohl(ct_tuple(call->ct, IP_CT_DIR_REPLY)->dst.ip), port);
	if (nat_mangle_tcp(call, offer->from, offer->len, text))
		return NF_ACCEPT;
	ct_expect_remove(call->inst, made);
	return ct_help_refuse(call, "cannot mangle packet");
}

static unsigned int irc_help(const struct ct_help_call *call)
{
	const struct ct_tuple *orig = ct_tuple(call->ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(call->ct, IP_CT_DIR_REPLY);
	struct ct_expect exp;
	struct offer offer;
	uint32_t off, len;

	if (call->dir == IP_CT_DIR_REPLY || !ct_help_is_established(call) || !ct_help_tcp_payload(call, &off, &len))
		return NF_ACCEPT;
	if (!find_offer(call->pkt->data + off, MIN_OF(len, (uint32_t)SEARCHED_MAX), &offer))
		return NF_ACCEPT;
	/* Its own address, as it is or as it is seen outside; nobody else's. */
	if ((orig->src.ip != htonl(offer.addr) && reply->dst.ip != htonl(offer.addr)) || !offer.port)
		return NF_ACCEPT;
	ct_expect_init(&exp, call->ct, 0, NULL, &reply->dst, IPPROTO_TCP, htons(offer.port));
	if (call->ct->status & IPS_NAT_MASK)
		return translate(call, &offer, &exp);
	if (ct_expect_add(call->inst, &exp, NULL))
		return ct_help_refuse(call, "cannot add expectation");
	return NF_ACCEPT;
}

static void irc_set_policy(const struct ct_helper_conf *conf, unsigned int class, struct ct_expect_policy *policy)
{
	policy->max_expected = conf->irc.max_dcc_channels;
	policy->timeout_sec = conf->irc.dcc_timeout;
}

const struct ct_helper ct_helper_irc = {
	.name = "irc", .proto = IPPROTO_TCP, .ip4 = true,
	.set_policy = irc_set_policy, .help = irc_help,
};
