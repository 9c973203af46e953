/*
 * ext/match/ah.c - "-m ah": IPsec's authentication header. In IPv4 it is a protocol; in IPv6 an extension header
 * that is looked for, of which length and reserved field can be asked as well.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv6/ip6t_ah.h>

#include "ext/ip6find.h"
#include "ext/spis.h"

enum { AH_HEADER = 12 };

static bool ah_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ipt_ah *info = data;
	const uint8_t *ah;

	if (call->fragoff)
		return false;
	ah = pkt_at(pkt, call->thoff, AH_HEADER);
	if (!ah) {
		call->hotdrop = true;
		return false;
	}
	return range32_has(info->spis, get_be32(ah + 4), info->invflags & IPT_AH_INV_SPI);
}

static bool ah_match_6(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_ah *info = data;
	const uint8_t *ah = NULL;
	uint32_t off = 0, len = 0;
	int err = ip6_find(pkt, IPPROTO_AH, &off);

	if (err == -ENOENT)
		return false;
	if (!err)
		ah = pkt_at(pkt, off, AH_HEADER);
	if (ah)
		len = (ah[1] + 2u) * 4;
	if (!ah || !pkt_at(pkt, off, len)) {
		call->hotdrop = true;
		return false;
	}
	return range32_has(info->spis, get_be32(ah + 4), info->invflags & IP6T_AH_INV_SPI) &&
	       (!info->hdrlen || (info->hdrlen == len) != !!(info->invflags & IP6T_AH_INV_LEN)) &&
	       !(info->hdrres && get_be16(ah + 2));
}

static int ah_check(void *data, const struct ext_check *check, struct refusal *why)
{
	uint8_t flags = check->family == NFPROTO_IPV4 ? ((struct ipt_ah *)data)->invflags & ~IPT_AH_INV_MASK :
							 ((struct ip6t_ah *)data)->invflags & ~IP6T_AH_INV_MASK;

	return flags ? refuse(why, -EINVAL, "ah: unknown flags %#x", flags) : 0;
}

_Static_assert(offsetof(struct ipt_ah, spis) == offsetof(struct ip6t_ah, spis), "both begin with the range");

static void ah_init(void *data)
{
	((struct ipt_ah *)data)->spis[1] = UINT32_MAX;
}

#define AHSPI_OPTION(type_, bit) { .name = "ahspi", .type = OPT_U32_RANGE, .size = 8, .flags = OPT_INVERTIBLE, \
	.at = offsetof(type_, spis), .invert_at = offsetof(type_, invflags), .invert_bits = bit, .invert_width = 1, \
	.arg = "spi[:spi]", .help = "match spi (range)" }

static const struct opt ah_options[] = { AHSPI_OPTION(struct ipt_ah, IPT_AH_INV_SPI), OPT_END };

static const struct opt ah_options_6[] = {
	AHSPI_OPTION(struct ip6t_ah, IP6T_AH_INV_SPI),
	{ .name = "ahlen", .type = OPT_U32, .flags = OPT_INVERTIBLE, .at = offsetof(struct ip6t_ah, hdrlen), .size = 4,
	  .invert_at = offsetof(struct ip6t_ah, invflags), .invert_bits = IP6T_AH_INV_LEN, .invert_width = 1,
	  .arg = "length", .help = "total length of this header" },
	{ .name = "ahres", .type = OPT_FLAG, .set_at = offsetof(struct ip6t_ah, hdrres), .set_bits = 1, .set_width = 1,
	  .help = "check the reserved field, too" },
	OPT_END
};

static void ah_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_ah *info = data;

	range32_save(out, "ahspi", info->spis, info->invflags & IPT_AH_INV_SPI);
}

static void ah_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_ah *info = data;

	sb_adds(out, " ah ");
	range32_print(out, "spi", info->spis, info->invflags & IPT_AH_INV_SPI);
}

static void ah_save_6(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_ah *info = data;

	range32_save(out, "ahspi", info->spis, info->invflags & IP6T_AH_INV_SPI);
	if (info->hdrlen || (info->invflags & IP6T_AH_INV_LEN))
		sb_printf(out, "%s --ahlen %u", info->invflags & IP6T_AH_INV_LEN ? " !" : "", info->hdrlen);
	if (info->hdrres)
		sb_adds(out, " --ahres");
}

static void ah_print_6(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_ah *info = data;

	sb_adds(out, " ah ");
	range32_print(out, "spi", info->spis, info->invflags & IP6T_AH_INV_SPI);
	if (info->hdrlen || (info->invflags & IP6T_AH_INV_LEN))
		sb_printf(out, "length:%s%u", info->invflags & IP6T_AH_INV_LEN ? "!" : "", info->hdrlen);
	if (info->hdrres)
		sb_adds(out, " reserved");
	if (info->invflags & ~IP6T_AH_INV_MASK)
		sb_printf(out, " Unknown invflags: 0x%X", info->invflags & ~IP6T_AH_INV_MASK);
}

static const struct ext_text ah_text = {
	.options = ah_options, .help_head = "ah match options:", .init = ah_init, .save = ah_save, .print = ah_print,
};

static const struct ext_text ah_text_6 = {
	.options = ah_options_6, .help_head = "ah match options:", .init = ah_init,
	.save = ah_save_6, .print = ah_print_6,
};

const struct match match_ah = {
	.name = "ah", .families = FAMILY_V4, .proto = IPPROTO_AH, .info_size = sizeof(struct ipt_ah),
	.depends = DEP_L4_PORTS | DEP_L4_FLAGS | DEP_L3_FRAG | DEP_L3_LEN,	/* the first 8 bytes of it */
	.match = ah_match, .checkentry = ah_check, .checks_rule_only = true, .text = &ah_text,
};

const struct match match_ah_6 = {
	.name = "ah", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_ah),
	.depends = DEP_L3_PROTO | DEP_L3_OPTIONS | DEP_L3_FRAG | DEP_L3_LEN | DEP_PAYLOAD | DEP_L4_PORTS | DEP_L4_FLAGS,
	.match = ah_match_6, .checkentry = ah_check, .checks_rule_only = true, .text = &ah_text_6,
};
