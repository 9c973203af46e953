/*
 * path/ip6_options.c - the options of hop-by-hop and destination headers: known ones are checked, unknown
 * ones say themselves what to do with the packet.
 */
#include "path/path_internal.h"

enum {
	TLV_PAD1 = 0, TLV_PADN = 1, TLV_ROUTER_ALERT = 5, TLV_CALIPSO = 7, TLV_IOAM = 49, TLV_JUMBO = 194,
	PADDING_MAX = 7,
};

/* Each pass_...(): false: the packet must end; the error, if any, was sent. */
static bool refuse_option(struct instance *inst, struct pkt *pkt, uint8_t code, uint32_t at)
{
	icmp6_send(inst, pkt, ICMPV6_PARAMPROB, code, at);
	return false;
}

static bool pass_unknown(struct instance *inst, struct pkt *pkt, uint32_t at, bool disallowed)
{
	unsigned int action = pkt->data[at] >> 6;

	if (!disallowed && action == 0)
		return true;
	if (disallowed || action == 1 || (action == 3 && ip6_is_multicast(&pkt_ip6(pkt)->daddr)))
		return false;
	return refuse_option(inst, pkt, ICMPV6_UNK_OPTION, at);
}

/* No interface carries more than 65535 bytes of payload here: every jumbogram is refused. */
static bool pass_jumbo(struct instance *inst, struct pkt *pkt, uint32_t at)
{
	if (pkt->data[at + 1] != 4 || (at & 3) != 2)
		return false;
	if (get_be32(pkt->data + at + 2) <= 65535)
		return refuse_option(inst, pkt, ICMPV6_HDR_FIELD, at + 2);
	if (pkt_ip6(pkt)->payload_len)
		return refuse_option(inst, pkt, ICMPV6_HDR_FIELD, at);
	return false;
}

static bool pass_hop_option(struct instance *inst, struct pkt *pkt, uint32_t at, bool disallowed)
{
	switch (pkt->data[at]) {
	case TLV_ROUTER_ALERT:
		pkt->opt.router_alert6 = true;
		return pkt->data[at + 1] == 2;
	case TLV_IOAM:
		return !(at & 3);	/* in-situ OAM is off: ignored */
	case TLV_JUMBO:
		return pass_jumbo(inst, pkt, at);
	case TLV_CALIPSO:
		return false;		/* no domain of interpretation is configured */
	default:
		return pass_unknown(inst, pkt, at, disallowed);
	}
}

/* RFC 8200 4.2: padding aligns to eight bytes, so more than seven of it in a row is refused. */
static bool padding_ok(const uint8_t *opt, uint32_t len, uint32_t *padding)
{
	*padding += len;
	if (*padding > PADDING_MAX)
		return false;
	for (uint32_t i = 2; i < len; i++)
		if (opt[i])
			return false;
	return true;
}

static bool pass_options(struct instance *inst, struct pkt *pkt, uint32_t at, bool hop_by_hop, int max_number)
{
	uint32_t end = at + (pkt->data[at + 1] + 1) * 8, padding = 0;
	int number = 0;
	bool disallowed = max_number < 0;

	max_number = disallowed ? -max_number : max_number;
	for (at += 2; at < end;) {
		uint8_t *opt = pkt->data + at;
		uint32_t len = 1;

		if (*opt != TLV_PAD1) {
			if (end - at < 2 || opt[1] + 2u > end - at)
				break;
			len = opt[1] + 2;
		}
		if (*opt == TLV_PAD1 || *opt == TLV_PADN) {
			if (!padding_ok(opt, len, &padding))
				break;
		} else {
			if (++number > max_number)
				break;
			if (hop_by_hop ? !pass_hop_option(inst, pkt, at, disallowed)
				       : !pass_unknown(inst, pkt, at, disallowed))
				return false;
			padding = 0;
		}
		at += len;
	}
	return at == end;
}

static bool header_fits(const struct pkt *pkt, uint32_t at, int max_len)
{
	uint32_t len;

	if (at + 8 > pkt->len)
		return false;
	len = (pkt->data[at + 1] + 1) * 8;
	return at + len <= pkt->len && (int64_t)len <= max_len;
}

bool ip6_options_hop_by_hop(struct instance *inst, struct pkt *pkt)
{
	const struct icmp_state *state = path_state(inst);
	uint32_t at = sizeof(struct ipv6hdr);

	if (!header_fits(pkt, at, state->max_hbh_length) ||
	    !pass_options(inst, pkt, at, true, state->max_hbh_number))
		return false;
	pkt->opt.nhoff6 = at;
	return true;
}

bool ip6_options_destination(struct instance *inst, struct pkt *pkt, uint32_t at)
{
	const struct icmp_state *state = path_state(inst);

	return header_fits(pkt, at, state->max_dst_length) &&
	       pass_options(inst, pkt, at, false, state->max_dst_number);
}
