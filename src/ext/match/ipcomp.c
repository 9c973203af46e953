/*
 * ext/match/ipcomp.c - "-p ipcomp": the compression parameter index. The header is next header, flags, and the index
 * in 16 bits; the rule compares it as the 32 bits that ESP has.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_ipcomp.h>

#include "ext/spis.h"

static bool ipcomp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ipcomp *info = data;
	const uint8_t *header;

	if (call->fragoff)
		return false;
	header = pkt_at(pkt, call->thoff, 4);
	if (!header) {
		call->hotdrop = true;
		return false;
	}
	return range32_has(info->spis, get_be16(header + 2), info->invflags & XT_IPCOMP_INV_SPI);
}

static int ipcomp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_ipcomp *info = data;

	if (info->invflags & ~XT_IPCOMP_INV_MASK)
		return refuse(why, -EINVAL, "ipcomp: unknown flags %#x", info->invflags);
	return 0;
}

static const struct opt ipcomp_options[] = {
	{ .name = "ipcompspi", .type = OPT_U32_RANGE, .size = 8, .flags = OPT_INVERTIBLE, .at = offsetof(struct xt_ipcomp, spis),
	  .invert_at = offsetof(struct xt_ipcomp, invflags), .invert_bits = XT_IPCOMP_INV_SPI, .invert_width = 1,
	  .arg = "index[:index]", .help = "match the compression parameter index (range)" },
	{ .name = "compres", .type = OPT_FLAG, .set_at = offsetof(struct xt_ipcomp, hdrres), .set_bits = 1, .set_width = 1,
	  .help = "saved and printed, no packet is looked at for it" },
	OPT_END
};

static void ipcomp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ipcomp *info = data;

	range32_save(out, "ipcompspi", info->spis, info->invflags & XT_IPCOMP_INV_SPI);
	if (info->hdrres)
		sb_adds(out, " --compres");
}

static void ipcomp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ipcomp *info = data;

	sb_adds(out, " comp ");
	range32_print(out, "spi", info->spis, info->invflags & XT_IPCOMP_INV_SPI);
	if (info->hdrres)
		sb_adds(out, " reserved");
	if (info->invflags & ~XT_IPCOMP_INV_MASK)
		sb_printf(out, " Unknown invflags: 0x%X", info->invflags & ~XT_IPCOMP_INV_MASK);
}

static const struct ext_text ipcomp_text = {
	.options = ipcomp_options, .help_head = "ipcomp match options:", .save = ipcomp_save, .print = ipcomp_print,
};

const struct match match_ipcomp = {
	.name = "ipcomp", .families = FAMILY_ANY, .proto = IPPROTO_COMP, .info_size = sizeof(struct xt_ipcomp),
	.depends = DEP_L4_PORTS | DEP_L3_FRAG | DEP_L3_LEN,	/* the index lies where ports would */
	.match = ipcomp_match, .checkentry = ipcomp_check, .text = &ipcomp_text,
};
