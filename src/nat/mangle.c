/*
 * nat/mangle.c - rewriting what a connection says, so that the ones it announces can be followed.
 * The checksum of a changed payload is made anew: the old one was right, or conntrack would not have tracked it.
 */
#include "nat/mangle.h"
#include "nat/nat.h"

enum { PORT_ATTEMPTS = 128, UDP_CHECK_OFF = offsetof(struct udphdr, check), TCP_CHECK_OFF = offsetof(struct tcphdr, check) };

static bool replace(struct pkt *pkt, uint32_t at, uint32_t match_len, const void *text, uint32_t text_len)
{
	uint32_t len = pkt->len;

	if (at > len || match_len > len - at)
		return false;
	if (text_len > match_len &&
	    (len + text_len - match_len > UINT16_MAX || pkt_grow_tail(pkt, text_len - match_len)))
		return false;
	memmove(pkt->data + at + text_len, pkt->data + at + match_len, len - at - match_len);
	memcpy(pkt->data + at, text, text_len);
	pkt->len = len + text_len - match_len;
	pkt->l.l4_len = (uint16_t)(pkt->l.l4_len + text_len - match_len);
	pkt_forget_pieces(pkt);
	if (pkt->l.family == NFPROTO_IPV4) {
		pkt_ip4(pkt)->tot_len = htons((uint16_t)pkt->len);
		csum_ip4_header(pkt_ip4(pkt));
	} else {
		pkt_ip6(pkt)->payload_len = htons((uint16_t)(pkt->len - sizeof(struct ipv6hdr)));
	}
	return true;
}

static be16 checksum_anew(const struct pkt *pkt, uint32_t l4_off, uint8_t proto, uint32_t check_off)
{
	uint8_t *l4 = pkt->data + l4_off;
	uint32_t len = pkt->len - l4_off, sum;

	memset(l4 + check_off, 0, sizeof(be16));
	if (pkt->l.family == NFPROTO_IPV4)
		sum = csum_pseudo4(pkt_ip4(pkt)->saddr, pkt_ip4(pkt)->daddr, proto, len);
	else
		sum = csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, proto, len);
	return csum_fold(csum_partial(l4, len, sum));
}

/* The segment with its lengths and sum; the numbers of what comes after are the caller's. */
static bool mangle_segment(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const void *text,
			   uint32_t text_len)
{
	struct pkt *pkt = call->pkt;
	uint32_t payload, payload_len;
	uint8_t *tcp;
	be16 check;

	if (!ct_help_tcp_payload(call, &payload, &payload_len) || match_off > payload_len ||
	    !replace(pkt, payload + match_off, match_len, text, text_len))
		return false;
	check = checksum_anew(pkt, call->l4_off, IPPROTO_TCP, TCP_CHECK_OFF);
	tcp = pkt->data + call->l4_off;
	memcpy(tcp + TCP_CHECK_OFF, &check, sizeof(check));
	pkt->flags |= PKT_FLAG_CSUM_LATER;	/* as Linux leaves it to the way out */
	return true;
}

bool nat_mangle_tcp_part(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text)
{
	return mangle_segment(call, match_off, match_len, text, (uint32_t)strlen(text));
}

bool nat_mangle_tcp_bytes(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const void *bytes,
			  uint32_t len)
{
	if (!mangle_segment(call, match_off, match_len, bytes, len))
		return false;
	ct_seqadj_note(call->ct, call->dir, get_be32(call->pkt->data + call->l4_off + 4), (int32_t)(len - match_len));
	return true;
}

bool nat_mangle_tcp(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text)
{
	return nat_mangle_tcp_bytes(call, match_off, match_len, text, (uint32_t)strlen(text));
}

bool nat_mangle_udp_bytes(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const void *text,
			  uint32_t text_len)
{
	struct pkt *pkt = call->pkt;
	uint32_t payload = call->l4_off + sizeof(struct udphdr);
	uint8_t *udp;
	be16 check;

	if (pkt->len < payload || match_off > pkt->len - payload ||
	    !replace(pkt, payload + match_off, match_len, text, text_len))
		return false;
	udp = pkt->data + call->l4_off;
	put_be16(udp + offsetof(struct udphdr, len), (uint16_t)(pkt->len - call->l4_off));
	if (!get_be16(udp + UDP_CHECK_OFF))
		return true;
	check = checksum_anew(pkt, call->l4_off, IPPROTO_UDP, UDP_CHECK_OFF);
	if (!check)
		check = 0xffff;
	memcpy(udp + UDP_CHECK_OFF, &check, sizeof(check));
	return true;
}

bool nat_mangle_udp(const struct ct_help_call *call, uint32_t match_off, uint32_t match_len, const char *text)
{
	return nat_mangle_udp_bytes(call, match_off, match_len, text, (uint32_t)strlen(text));
}

void nat_follow_master(struct instance *inst, struct ct *ct, const struct ct_expect *exp)
{
	const struct ct_tuple *seen = ct_tuple(exp->master, !exp->dir);
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	/* It comes from where the master's packets go to... */
	range.min_addr = range.max_addr = seen->dst;
	nat_setup(inst, ct, &range, NAT_MANIP_SRC);
	/* ... and goes to who said that it would come. */
	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = range.max_proto.all = exp->saved_port;
	range.min_addr = range.max_addr = seen->src;
	nat_setup(inst, ct, &range, NAT_MANIP_DST);
}

uint16_t nat_expect_port(struct instance *inst, struct ct_expect *wanted, struct ct_expect **made)
{
	uint16_t first = ntohs(wanted->tuple.dst_l4.port), port = first;
	uint32_t range = UINT16_MAX - first;
	int attempts_left = (int)MIN_OF(range, (uint32_t)PORT_ATTEMPTS);

	for (;;) {
		int err;

		wanted->tuple.dst_l4.port = htons(port);
		err = ct_expect_add(inst, wanted, made);
		if (!err)
			return port;
		if (err != -EBUSY || --attempts_left < 0)
			return 0;
		port = (uint16_t)(first + rng_below(&inst->rng, range));
	}
}
