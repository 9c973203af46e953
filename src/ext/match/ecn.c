/* ext/match/ecn.c - "-m ecn": explicit congestion notification in the IP header and in TCP's flags. */
#include "base/uapi.h"

#include <linux/netfilter/xt_ecn.h>

#include "classify/classify.h"
#include "ext/dsfield.h"

enum { TCP_HEADER_MIN = 20, TCP_ECE = 0x40, TCP_CWR = 0x80, ECN_BITS = 3,
       TCP_BITS = XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR };

static bool tcp_fits(const struct pkt *pkt, const struct xt_ecn_info *info, uint16_t thoff)
{
	const uint8_t *tcp = pkt_at(pkt, thoff, TCP_HEADER_MIN);

	if (!tcp)
		return false;
	if ((info->operation & XT_ECN_OP_MATCH_ECE) && !(tcp[13] & TCP_ECE) == !(info->invert & XT_ECN_OP_MATCH_ECE))
		return false;
	return !(info->operation & XT_ECN_OP_MATCH_CWR) ||
	       !(tcp[13] & TCP_CWR) != !(info->invert & XT_ECN_OP_MATCH_CWR);
}

static bool ecn_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ecn_info *info = data;

	if ((info->operation & XT_ECN_OP_MATCH_IP) &&
	    ((dsfield_get(pkt, call->family) & ECN_BITS) == info->ip_ect) == !!(info->invert & XT_ECN_OP_MATCH_IP))
		return false;
	return !(info->operation & TCP_BITS) || tcp_fits(pkt, info, call->thoff);
}

static int ecn_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_ecn_info *info = data;

	if ((info->operation | info->invert) & XT_ECN_OP_MATCH_MASK)
		return refuse(why, -EINVAL, "ecn: unknown operations %#x", info->operation | info->invert);
	if ((info->operation & TCP_BITS) && (check->proto != IPPROTO_TCP || check->proto_inverted))
		return refuse(why, -EINVAL, "ecn: the bits of TCP need -p tcp");
	return 0;
}

static uint32_t ecn_depends(const void *data)
{
	const struct xt_ecn_info *info = data;

	return DEP_L3_TOS | (info->operation & TCP_BITS ? DEP_L4_FLAGS | DEP_L3_LEN : 0);
}

static void ecn_classify(const void *data, struct class_rule *rule)
{
	const struct xt_ecn_info *info = data;
	const uint32_t ect = (uint32_t)info->ip_ect << CLASS_HEAD_TOS, bits = (uint32_t)ECN_BITS << CLASS_HEAD_TOS;
	const uint32_t ece = (uint32_t)TCP_ECE << CLASS_HEAD_FLAGS, cwr = (uint32_t)TCP_CWR << CLASS_HEAD_FLAGS;

	if (info->operation & XT_ECN_OP_MATCH_IP)
		(info->invert & XT_ECN_OP_MATCH_IP ? class_rule_unless : class_rule_bits)(rule, CLASS_HEAD, ect, bits);
	if (info->operation & XT_ECN_OP_MATCH_ECE)
		class_rule_bits(rule, CLASS_HEAD, info->invert & XT_ECN_OP_MATCH_ECE ? 0 : ece, ece);
	if (info->operation & XT_ECN_OP_MATCH_CWR)
		class_rule_bits(rule, CLASS_HEAD, info->invert & XT_ECN_OP_MATCH_CWR ? 0 : cwr, cwr);
}

#define ECN_OPTION(n, bit, h) { .name = n, .type = OPT_FLAG, .flags = OPT_INVERTIBLE, \
	.set_at = offsetof(struct xt_ecn_info, operation), .set_bits = bit, .set_width = 1, \
	.invert_at = offsetof(struct xt_ecn_info, invert), .invert_bits = bit, .invert_width = 1, .help = h }

static const struct opt ecn_options[] = {
	ECN_OPTION("ecn-tcp-cwr", XT_ECN_OP_MATCH_CWR, "match CWR bit of TCP header"),
	ECN_OPTION("ecn-tcp-ece", XT_ECN_OP_MATCH_ECE, "match ECE bit of TCP header"),
	{ .name = "ecn-ip-ect", .type = OPT_U8, .min = 0, .max = 3, .flags = OPT_INVERTIBLE,
	  .at = offsetof(struct xt_ecn_info, ip_ect),
	  .set_at = offsetof(struct xt_ecn_info, operation), .set_bits = XT_ECN_OP_MATCH_IP, .set_width = 1,
	  .invert_at = offsetof(struct xt_ecn_info, invert), .invert_bits = XT_ECN_OP_MATCH_IP, .invert_width = 1,
	  .arg = "0..3", .help = "match ECN codepoint in IP header" },
	OPT_END
};

static int ecn_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "ecn: one of its options is required");
}

static void ecn_add(const struct xt_ecn_info *info, const char *prefix, const char *const words[3], struct strbuf *out)
{
	static const uint8_t bits[] = { XT_ECN_OP_MATCH_ECE, XT_ECN_OP_MATCH_CWR, XT_ECN_OP_MATCH_IP };

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!(info->operation & bits[i]))
			continue;
		sb_printf(out, " %s%s", info->invert & bits[i] ? prefix : "", words[i]);
		if (bits[i] == XT_ECN_OP_MATCH_IP)
			sb_printf(out, "%u", info->ip_ect);
	}
}

static void ecn_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const char *const words[] = { "--ecn-tcp-ece", "--ecn-tcp-cwr", "--ecn-ip-ect " };

	ecn_add(data, "! ", words, out);
}

static void ecn_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const char *const words[] = { "ECE", "CWR", "ECT=" };

	sb_adds(out, " ECN match");
	ecn_add(data, "!", words, out);
}

static const struct ext_text ecn_text = {
	.options = ecn_options, .help_head = "ECN match options", .finish = ecn_finish,
	.save = ecn_save, .print = ecn_print,
};

const struct match match_ecn = {
	.name = "ecn", .families = FAMILY_ANY, .info_size = sizeof(struct xt_ecn_info),
	.depends = DEP_L3_TOS | DEP_L4_FLAGS | DEP_L3_LEN, .depends_of = ecn_depends,
	.match = ecn_match, .classify = ecn_classify, .checkentry = ecn_check, .text = &ecn_text,
};
