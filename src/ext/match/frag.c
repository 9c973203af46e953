/* ext/match/frag.c - "-m frag": the fragment header of IPv6, where it is still there. */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_frag.h>

#include "ext/ip6find.h"
#include "ext/spis.h"

enum { FRAG_HEADER = 8, FRAG_RESERVED_BITS = 6 };

static bool frag_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_frag *info = data;
	uint32_t off = 0;
	int err = ip6_find(pkt, IPPROTO_FRAGMENT, &off);
	const uint8_t *frag = err ? NULL : pkt_at(pkt, off, FRAG_HEADER);
	uint16_t where;

	if (!frag) {
		call->hotdrop |= err != -ENOENT;
		return false;
	}
	where = get_be16(frag + 2);
	return range32_has(info->ids, get_be32(frag + 4), info->invflags & IP6T_FRAG_INV_IDS) &&
	       !((info->flags & IP6T_FRAG_RES) && (frag[1] || (where & FRAG_RESERVED_BITS))) &&
	       !((info->flags & IP6T_FRAG_FST) && (where & IP6_OFFSET_MASK)) &&
	       !((info->flags & IP6T_FRAG_MF) && !(where & IP6_MF)) &&
	       !((info->flags & IP6T_FRAG_NMF) && (where & IP6_MF));
}

static int frag_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_frag *info = data;

	if (info->invflags & ~IP6T_FRAG_INV_MASK)
		return refuse(why, -EINVAL, "frag: unknown flags %#x", info->invflags);
	return 0;
}

static void frag_init(void *data)
{
	((struct ip6t_frag *)data)->ids[1] = UINT32_MAX;
}

#define FRAG_SET(bit) .set_at = offsetof(struct ip6t_frag, flags), .set_bits = bit, .set_width = 1
#define FRAG_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct ip6t_frag, invflags), \
	.invert_bits = bit, .invert_width = 1

static const struct opt frag_options[] = {
	{ .name = "fragid", .type = OPT_U32_RANGE, .size = 8, .at = offsetof(struct ip6t_frag, ids),
	  FRAG_SET(IP6T_FRAG_IDS), FRAG_INVERT(IP6T_FRAG_INV_IDS), .arg = "id[:id]", .help = "match the id (range)" },
	{ .name = "fraglen", .type = OPT_U32, .size = 4, .at = offsetof(struct ip6t_frag, hdrlen),
	  FRAG_SET(IP6T_FRAG_LEN), FRAG_INVERT(IP6T_FRAG_INV_LEN), .arg = "length", .help = "kept, but means nothing" },
	{ .name = "fragres", .type = OPT_FLAG, FRAG_SET(IP6T_FRAG_RES), .help = "the reserved fields are zero" },
	{ .name = "fragfirst", .type = OPT_FLAG, FRAG_SET(IP6T_FRAG_FST), .help = "matches on the first fragment" },
	{ .name = "fragmore", .type = OPT_FLAG, FRAG_SET(IP6T_FRAG_MF), .excludes = "fraglast", .help = "there are more fragments" },
	{ .name = "fraglast", .type = OPT_FLAG, FRAG_SET(IP6T_FRAG_NMF), .excludes = "fragmore", .help = "this is the last fragment" },
	OPT_END
};

static void frag_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_frag *info = data;

	range32_save(out, "fragid", info->ids, info->invflags & IP6T_FRAG_INV_IDS);
	if (info->flags & IP6T_FRAG_LEN)
		sb_printf(out, "%s --fraglen %u", info->invflags & IP6T_FRAG_INV_LEN ? " !" : "", info->hdrlen);
	sb_printf(out, "%s%s%s%s", info->flags & IP6T_FRAG_RES ? " --fragres" : "", info->flags & IP6T_FRAG_FST ? " --fragfirst" : "",
		  info->flags & IP6T_FRAG_MF ? " --fragmore" : "", info->flags & IP6T_FRAG_NMF ? " --fraglast" : "");
}

static void frag_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_frag *info = data;

	sb_adds(out, " frag ");
	range32_print(out, "id", info->ids, info->invflags & IP6T_FRAG_INV_IDS);
	if (info->flags & IP6T_FRAG_LEN)
		sb_printf(out, " length:%s%u", info->invflags & IP6T_FRAG_INV_LEN ? "!" : "", info->hdrlen);
	sb_printf(out, "%s%s%s%s", info->flags & IP6T_FRAG_RES ? " reserved" : "", info->flags & IP6T_FRAG_FST ? " first" : "",
		  info->flags & IP6T_FRAG_MF ? " more" : "", info->flags & IP6T_FRAG_NMF ? " last" : "");
}

static const struct ext_text frag_text = {
	.options = frag_options, .help_head = "frag match options:", .init = frag_init, .save = frag_save, .print = frag_print,
};

const struct match match_frag = {
	.name = "frag", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_frag), .depends = DEP_BYTES,
	.match = frag_match, .checkentry = frag_check, .checks_rule_only = true, .text = &frag_text,
};
