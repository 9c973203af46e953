/* ext/target/ecn.c - "-j ECN": takes the congestion bits out of IPv4 and TCP headers, or sets them. */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_ECN.h>

#include "ext/dsfield.h"

enum { ECN_IP_BITS = (uint8_t)IPT_ECN_IP_MASK, TCP_ECE_BIT = 0x40, TCP_CWR_BIT = 0x80,
       ECN_TCP_OPS = IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR };

/* What stands there counts as a TCP header, even in a later fragment. */
static bool set_tcp_bits(struct pkt *pkt, const struct ipt_ECN_info *info)
{
	uint32_t off = pkt_ip4(pkt)->ihl * 4;
	uint8_t flags;
	be16 from, to, check;
	uint8_t *tcp;

	if (!pkt_at(pkt, off, sizeof(struct tcphdr)))
		return false;
	tcp = pkt->data + off;
	flags = tcp[13];
	if (info->operation & IPT_ECN_OP_SET_ECE)
		flags = (flags & ~TCP_ECE_BIT) | (info->proto.tcp.ece ? TCP_ECE_BIT : 0);
	if (info->operation & IPT_ECN_OP_SET_CWR)
		flags = (flags & ~TCP_CWR_BIT) | (info->proto.tcp.cwr ? TCP_CWR_BIT : 0);
	if (flags == tcp[13])
		return true;
	pkt_pull_pieces(pkt, off + sizeof(struct tcphdr));
	memcpy(&from, tcp + 12, 2);
	tcp[13] = flags;
	memcpy(&to, tcp + 12, 2);
	memcpy(&check, tcp + 16, 2);
	csum_replace2(&check, from, to);
	memcpy(tcp + 16, &check, 2);
	return true;
}

static unsigned int ecn_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ipt_ECN_info *info = data;
	uint8_t tos = pkt_ip4(pkt)->tos;

	if (info->operation & IPT_ECN_OP_SET_IP && (tos & ECN_IP_BITS) != (info->ip_ect & ECN_IP_BITS))
		dsfield_set(pkt, NFPROTO_IPV4, (tos & ~ECN_IP_BITS) | (info->ip_ect & ECN_IP_BITS));
	if (info->operation & ECN_TCP_OPS && pkt_ip4(pkt)->protocol == IPPROTO_TCP && !set_tcp_bits(pkt, info)) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	return XT_CONTINUE;
}

static int ecn_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ipt_ECN_info *info = data;

	if (info->operation & IPT_ECN_OP_MASK)
		return refuse(why, -EINVAL, "ECN: unknown operation %#x", info->operation);
	if (info->ip_ect & ~ECN_IP_BITS)
		return refuse(why, -EINVAL, "ECN: %u is beyond two bits", info->ip_ect);
	if (info->operation & ECN_TCP_OPS && (check->proto != IPPROTO_TCP || check->proto_inverted))
		return refuse(why, -EINVAL, "ECN: TCP header operations need -p tcp");
	return 0;
}

static int parse_remove(struct opt_call *call, struct refusal *why)
{
	((struct ipt_ECN_info *)call->info)->operation = ECN_TCP_OPS;
	return 0;
}

static int parse_bit(struct opt_call *call, struct refusal *why)
{
	struct ipt_ECN_info *info = call->info;
	uint64_t bit;

	if (!opt_u64(call->arg, 0, 1, &bit))
		return refuse(why, -EINVAL, "ECN: --%s takes 0 or 1, not \"%s\"", call->opt->name, call->arg);
	if (strcmp(call->opt->name, "ecn-tcp-cwr") == 0) {
		info->operation |= IPT_ECN_OP_SET_CWR;
		info->proto.tcp.cwr = bit;
	} else {
		info->operation |= IPT_ECN_OP_SET_ECE;
		info->proto.tcp.ece = bit;
	}
	return 0;
}

static int ecn_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "ECN: an operation is required");
}

static void show(const struct ipt_ECN_info *info, const char *remove, const char *ece, const char *cwr, const char *ect,
		 struct strbuf *out)
{
	if (info->operation == ECN_TCP_OPS && !info->proto.tcp.ece && !info->proto.tcp.cwr) {
		sb_adds(out, remove);
	} else {
		if (info->operation & IPT_ECN_OP_SET_ECE)
			sb_printf(out, "%s%u", ece, info->proto.tcp.ece);
		if (info->operation & IPT_ECN_OP_SET_CWR)
			sb_printf(out, "%s%u", cwr, info->proto.tcp.cwr);
	}
	if (info->operation & IPT_ECN_OP_SET_IP)
		sb_printf(out, "%s%u", ect, info->ip_ect);
}

static void ecn_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, " --ecn-tcp-remove", " --ecn-tcp-ece ", " --ecn-tcp-cwr ", " --ecn-ip-ect ", out);
}

static void ecn_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " ECN");
	show(data, " TCP remove", " ECE=", " CWR=", " ECT codepoint=", out);
}

static const struct opt ecn_options[] = {
	{ .name = "ecn-tcp-remove", .type = OPT_FLAG, .parse = parse_remove, .excludes = "ecn-tcp-cwr ecn-tcp-ece",
	  .help = "remove all ECN bits from TCP header" },
	{ .name = "ecn-tcp-cwr", .type = OPT_CUSTOM, .parse = parse_bit, .excludes = "ecn-tcp-remove", .arg = "0..1",
	  .help = "set the CWR bit of TCP header" },
	{ .name = "ecn-tcp-ece", .type = OPT_CUSTOM, .parse = parse_bit, .excludes = "ecn-tcp-remove", .arg = "0..1",
	  .help = "set the ECE bit of TCP header" },
	{ .name = "ecn-ip-ect", .type = OPT_U8, .min = 0, .max = 3, .at = offsetof(struct ipt_ECN_info, ip_ect),
	  .set_at = offsetof(struct ipt_ECN_info, operation), .set_bits = IPT_ECN_OP_SET_IP, .set_width = 1,
	  .arg = "0..3", .help = "set the ECT codepoint of the IPv4 header" },
	OPT_END
};

static const struct ext_text ecn_text = {
	.options = ecn_options, .help_head = "ECN target options:", .finish = ecn_finish,
	.save = ecn_save, .print = ecn_print,
};

const struct target target_ecn = {
	.name = "ECN", .families = FAMILY_V4, .table = "mangle", .info_size = sizeof(struct ipt_ECN_info),
	.depends = DEP_L3_TOS | DEP_L3_PROTO | DEP_L3_OPTIONS | DEP_L3_LEN | DEP_L4_FLAGS,
	.depends_whole = DEP_L3_TOS | DEP_L3_PROTO | DEP_L4_FLAGS,
	.target = ecn_target, .checkentry = ecn_check, .text = &ecn_text,
};
