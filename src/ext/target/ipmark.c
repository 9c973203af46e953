/* ext/target/ipmark.c - "-j IPMARK": the packet's mark becomes its address: shifted, cut by a mask, joined with another. (xtables-addons) */
#include "base/uapi.h"

#include "ext/addons.h"

static unsigned int put_mark(struct pkt *pkt, const struct xt_ipmark_tginfo *info, uint32_t value)
{
	pkt->mark = (value & info->andmask) | info->ormask;
	return XT_CONTINUE;
}

static unsigned int ipmark4(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ipmark_tginfo *info = data;
	uint32_t addr = ntohl(info->selector == XT_IPMARK_SRC ? pkt_ip4(pkt)->saddr : pkt_ip4(pkt)->daddr);

	return put_mark(pkt, info, info->shift < 32 ? addr >> info->shift : 0);
}

/* The 32 bits of the address that stand @shift bits from its end. */
static unsigned int ipmark6(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ipmark_tginfo *info = data;
	const uint8_t *addr = info->selector == XT_IPMARK_SRC ? pkt_ip6(pkt)->saddr.s6_addr : pkt_ip6(pkt)->daddr.s6_addr;
	uint32_t value = 0;

	for (unsigned int bit = 0; bit < 32 && bit + info->shift < 128; bit++) {
		unsigned int at = 127 - (bit + info->shift);

		value |= (uint32_t)(addr[at / 8] >> (7 - at % 8) & 1) << bit;
	}
	return put_mark(pkt, info, value);
}

static int ipmark_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_ipmark_tginfo *info = data;

	return info->selector > XT_IPMARK_DST ? refuse(why, -EINVAL, "IPMARK: unknown selector %u", info->selector) : 0;
}

static void ipmark_init(void *data)
{
	((struct xt_ipmark_tginfo *)data)->andmask = UINT32_MAX;
}

static int parse_addr(struct opt_call *call, struct refusal *why)
{
	struct xt_ipmark_tginfo *info = call->info;

	if (strcmp(call->arg, "src") && strcmp(call->arg, "dst"))
		return refuse(why, -EINVAL, "IPMARK: --addr takes src or dst, not \"%s\"", call->arg);
	info->selector = *call->arg == 's' ? XT_IPMARK_SRC : XT_IPMARK_DST;
	return 0;
}

static const struct opt ipmark_options[] = {
	{ .name = "addr", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_addr, .arg = "src|dst", .help = "which address" },
	{ .name = "and-mask", .type = OPT_U32, .at = offsetof(struct xt_ipmark_tginfo, andmask), .size = 4, .arg = "value",
	  .help = "keep these bits of it" },
	{ .name = "or-mask", .type = OPT_U32, .at = offsetof(struct xt_ipmark_tginfo, ormask), .size = 4, .arg = "value",
	  .help = "set these bits" },
	{ .name = "shift", .type = OPT_U8, .at = offsetof(struct xt_ipmark_tginfo, shift), .size = 1, .max = 128, .arg = "value",
	  .help = "shift it to the right first" },
	OPT_END
};

static void ipmark_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ipmark_tginfo *info = data;

	sb_printf(out, " --addr %s ", info->selector == XT_IPMARK_SRC ? "src" : "dst");
	if (info->shift)
		sb_printf(out, " --shift %u ", info->shift);
	if (info->andmask != UINT32_MAX)
		sb_printf(out, " --and-mask 0x%x ", info->andmask);
	if (info->ormask)
		sb_printf(out, " --or-mask 0x%x ", info->ormask);
}

static void ipmark_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -j IPMARK");
	ipmark_save(data, view, out);
}

static const struct ext_text ipmark_text = {
	.options = ipmark_options, .help_head = "IPMARK target options:", .init = ipmark_init,
	.save = ipmark_save, .print = ipmark_print,
};

#define IPMARK_COMMON .name = "IPMARK", .revision = 1, .table = "mangle", .info_size = sizeof(struct xt_ipmark_tginfo), \
	.depends = DEP_L3_ADDRS, .checkentry = ipmark_check, .text = &ipmark_text

const struct target target_ipmark4 = { IPMARK_COMMON, .families = FAMILY_V4, .target = ipmark4 };
const struct target target_ipmark6 = { IPMARK_COMMON, .families = FAMILY_V6, .target = ipmark6 };
