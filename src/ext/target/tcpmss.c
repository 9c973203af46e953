/*
 * ext/target/tcpmss.c - "-j TCPMSS": a SYN's maximum segment size, to a number or to what the way allows.
 * Never raised. A SYN without the option gets one, of the size that no option means, if it has room.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "ext/ip6walk.h"
#include "ext/option.h"
#include "route/route.h"

enum {
	TCP_LEN = sizeof(struct tcphdr), TCP_LEN_MAX = 60, TCP_CHECK = 16, TCP_SYN_BIT = 0x02,
	OPTION_NOP = 1, OPTION_MSS = 2, OPTION_MSS_LEN = 4,
	MSS_NONE_V4 = 536, MSS_NONE_V6 = 1220,	/* what a peer assumes that was told nothing */
};

/* The MTU of the way back to the sender; no way: no bound. */
static uint32_t reverse_mtu(const struct pkt *pkt, const struct ext_call *call)
{
	struct route_flow flow = { .family = call->family };
	struct pkt_route route;

	if (call->family == NFPROTO_IPV4)
		flow.daddr.ip = pkt_ip4(pkt)->saddr;
	else
		memcpy(&flow.daddr, &pkt_ip6(pkt)->saddr, sizeof(struct in6_addr));
	memset(&route, 0, sizeof(route));
	return route_output(call->inst, &flow, &route) ? UINT32_MAX : route.mtu;
}

static void replace_check(uint8_t *tcp, be16 from, be16 to)
{
	be16 check;

	memcpy(&check, tcp + TCP_CHECK, 2);
	csum_replace2(&check, from, to);
	memcpy(tcp + TCP_CHECK, &check, 2);
}

/* A length of zero is taken for one: the walk must end. */
static uint32_t option_len(const uint8_t *option)
{
	return option[0] <= OPTION_NOP || option[1] == 0 ? 1 : option[1];
}

/* Puts the option in front of the others. */
static int add_option(struct pkt *pkt, uint32_t off, uint16_t mss)
{
	uint32_t len = pkt->len - off;
	be16 before, after;
	uint8_t *tcp;

	if (pkt_grow_tail(pkt, OPTION_MSS_LEN))
		return -ENOMEM;
	tcp = pkt->data + off;
	pkt->len += OPTION_MSS_LEN;
	memmove(tcp + TCP_LEN + OPTION_MSS_LEN, tcp + TCP_LEN, len - TCP_LEN);
	tcp[TCP_LEN] = OPTION_MSS;
	tcp[TCP_LEN + 1] = OPTION_MSS_LEN;
	put_be16(tcp + TCP_LEN + 2, mss);
	replace_check(tcp, htons(len), htons(len + OPTION_MSS_LEN));	/* of the pseudo header */
	replace_check(tcp, 0, htons(OPTION_MSS << 8 | OPTION_MSS_LEN));
	replace_check(tcp, 0, htons(mss));
	memcpy(&before, tcp + 12, 2);
	tcp[12] += OPTION_MSS_LEN / 4 << 4;
	memcpy(&after, tcp + 12, 2);
	replace_check(tcp, before, after);
	return OPTION_MSS_LEN;
}

/* Bytes by which the packet grew; negative: it must be dropped. */
static int set_mss(struct pkt *pkt, const struct xt_tcpmss_info *info, const struct ext_call *call, uint32_t off,
		   uint32_t headers, uint16_t mss_none)
{
	uint32_t len, tcp_len, mtu;
	uint16_t mss = info->mss;
	uint8_t *tcp;

	if (call->fragoff)
		return 0;
	pkt_forget_pieces(pkt);
	if (off > pkt->len || pkt->len - off < TCP_LEN)
		return -EINVAL;
	len = pkt->len - off;
	tcp = pkt->data + off;
	tcp_len = (tcp[12] >> 4) * 4;
	if (len < tcp_len || tcp_len < TCP_LEN)
		return -EINVAL;
	if (info->mss == XT_TCPMSS_CLAMP_PMTU) {
		mtu = MIN_OF(pkt->route.mtu, reverse_mtu(pkt, call));
		if (mtu <= headers)
			return -EINVAL;
		mss = mtu - headers;
	}
	for (uint32_t at = TCP_LEN; at + OPTION_MSS_LEN <= tcp_len; at += option_len(tcp + at)) {
		uint16_t old = get_be16(tcp + at + 2);

		if (tcp[at] != OPTION_MSS || tcp[at + 1] != OPTION_MSS_LEN)
			continue;
		if (old > mss) {
			put_be16(tcp + at + 2, mss);
			replace_check(tcp, htons(old), htons(mss));
		}
		return 0;
	}
	if (len > tcp_len || tcp_len >= TCP_LEN_MAX)
		return 0;
	return add_option(pkt, off, MIN_OF(mss, mss_none));
}

static unsigned int tcpmss4_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct iphdr *ip = pkt_ip4(pkt);
	int grown = set_mss(pkt, data, call, ip->ihl * 4, sizeof(*ip) + TCP_LEN, MSS_NONE_V4);

	if (grown < 0) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	if (grown > 0) {
		be16 len = htons(ntohs(pkt_ip4(pkt)->tot_len) + grown);

		ip = pkt_ip4(pkt);
		csum_replace2(&ip->check, ip->tot_len, len);
		ip->tot_len = len;
		pkt_parse(pkt);
	}
	return XT_CONTINUE;
}

static unsigned int tcpmss6_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct ip6_walk walk = ip6_walk(pkt);
	int grown = -EINVAL;

	if (walk.ok)
		grown = set_mss(pkt, data, call, walk.off, sizeof(struct ipv6hdr) + TCP_LEN, MSS_NONE_V6);
	if (grown < 0) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	if (grown > 0) {
		pkt_ip6(pkt)->payload_len = htons(ntohs(pkt_ip6(pkt)->payload_len) + grown);
		pkt_parse(pkt);
	}
	return XT_CONTINUE;
}

static bool wants_syn(const struct xt_entry_match *m)
{
	const struct xt_tcp *tcp = (const void *)m->data;
	const struct match *match = (const void *)m->u.kernel.match;

	return strcmp(match->name, "tcp") == 0 && (tcp->flg_cmp & TCP_SYN_BIT) &&
	!(tcp->invflags & XT_TCP_INV_FLAGS);
}

static bool rule_wants_syn(const struct ext_check *check)
{
	const struct ipt_entry *e4 = check->entry;
	const struct ip6t_entry *e6 = check->entry;
	bool v4 = check->family == NFPROTO_IPV4;
	uint32_t at = v4 ? sizeof(*e4) : sizeof(*e6), end = !check->entry ? 0 : v4 ? e4->target_offset : e6->target_offset;

	while (at < end) {
		const struct xt_entry_match *m = (const void *)((const char *)check->entry + at);

		if (wants_syn(m))
			return true;
		at += m->u.match_size;
	}
	return false;
}

static int tcpmss_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_tcpmss_info *info = data;

	if (info->mss == XT_TCPMSS_CLAMP_PMTU &&
	    check->hook_mask & ~(1u << NF_INET_FORWARD | 1u << NF_INET_LOCAL_OUT | 1u << NF_INET_POST_ROUTING))
		return refuse(why, -EINVAL,
			      "TCPMSS: --clamp-mss-to-pmtu only works in FORWARD, OUTPUT and POSTROUTING");
	if (!rule_wants_syn(check))
		return refuse(why, -EINVAL, "TCPMSS: only works on SYN packets: the rule needs -p tcp --syn");
	return 0;
}

static int parse_clamp(struct opt_call *call, struct refusal *why)
{
	((struct xt_tcpmss_info *)call->info)->mss = XT_TCPMSS_CLAMP_PMTU;
	return 0;
}

static int tcpmss_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "TCPMSS: --set-mss or --clamp-mss-to-pmtu is required");
}

static void tcpmss_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcpmss_info *info = data;

	if (info->mss == XT_TCPMSS_CLAMP_PMTU)
		sb_adds(out, " --clamp-mss-to-pmtu");
	else
		sb_printf(out, " --set-mss %u", info->mss);
}

static void tcpmss_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcpmss_info *info = data;

	if (info->mss == XT_TCPMSS_CLAMP_PMTU)
		sb_adds(out, " TCPMSS clamp to PMTU");
	else
		sb_printf(out, " TCPMSS set %u", info->mss);
}

#define TCPMSS_OPTIONS(most) { \
	{ .name = "set-mss", .type = OPT_U16, .min = 0, .max = most, .at = offsetof(struct xt_tcpmss_info, mss), \
	  .arg = "value", .help = "explicitly set MSS option to specified value" }, \
	{ .name = "clamp-mss-to-pmtu", .type = OPT_FLAG, .parse = parse_clamp, \
	  .help = "automatically clamp MSS value to (path_MTU - headers)" }, \
	OPT_END }

static const struct opt tcpmss4_options[] = TCPMSS_OPTIONS(UINT16_MAX - 20);
static const struct opt tcpmss6_options[] = TCPMSS_OPTIONS(UINT16_MAX - 40);

static const struct ext_text tcpmss4_text = {
	.options = tcpmss4_options, .help_head = "TCPMSS target mutually-exclusive options:",
	.finish = tcpmss_finish, .save = tcpmss_save, .print = tcpmss_print,
};
static const struct ext_text tcpmss6_text = {
	.options = tcpmss6_options, .help_head = "TCPMSS target mutually-exclusive options:",
	.finish = tcpmss_finish, .save = tcpmss_save, .print = tcpmss_print,
};

#define TCPMSS_COMMON .name = "TCPMSS", .proto = IPPROTO_TCP, .info_size = sizeof(struct xt_tcpmss_info), \
	.depends = DEP_L3_ADDRS | DEP_L3_LEN | DEP_L3_FRAG | DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_ROUTE, \
	.checkentry = tcpmss_check

const struct target target_tcpmss4 = {
	TCPMSS_COMMON, .families = FAMILY_V4, .target = tcpmss4_target, .text = &tcpmss4_text,
};

const struct target target_tcpmss6 = {
	TCPMSS_COMMON, .families = FAMILY_V6, .target = tcpmss6_target, .text = &tcpmss6_text,
};
