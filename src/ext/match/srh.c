/*
 * ext/match/srh.c - "-m srh": the segment routing header of IPv6 (RFC 8754): its numbers, and the segments before, after
 * and at the end of the one that is being visited. A header whose numbers contradict each other matches nothing.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_srh.h>

#include "classify/classify.h"
#include "ext/ip6find.h"
#include "ext/option.h"

enum { SRH_FIXED = 8, SEGMENT = 16, TYPE_SEGMENTS = 4, OPTIONS = 14, FIRST_SID = 11 };

/* Field, comparison and text of each option in the order of its bit. */
struct srh_row {
	const char *name, *shown;
	uint8_t at;		/* in struct ip6t_srh and ip6t_srh1 */
	char compare;
};

#define NUMBER(n, field, cmp) { "srh-" n, n, offsetof(struct ip6t_srh1, field), cmp }

static const struct srh_row rows[FIRST_SID] = {
	NUMBER("next-hdr", next_hdr, '='), NUMBER("hdr-len-eq", hdr_len, '='), NUMBER("hdr-len-gt", hdr_len, '>'),
	NUMBER("hdr-len-lt", hdr_len, '<'), NUMBER("segs-left-eq", segs_left, '='), NUMBER("segs-left-gt", segs_left, '>'),
	NUMBER("segs-left-lt", segs_left, '<'), NUMBER("last-entry-eq", last_entry, '='),
	NUMBER("last-entry-gt", last_entry, '>'), NUMBER("last-entry-lt", last_entry, '<'), NUMBER("tag", tag, '='),
};

static uint16_t row_value(const struct srh_row *row, const void *info)
{
	uint16_t tag;

	if (row->at != offsetof(struct ip6t_srh1, tag))
		return ((const uint8_t *)info)[row->at];
	memcpy(&tag, (const uint8_t *)info + row->at, sizeof(tag));
	return tag;	/* compared as it stands in memory: the option's number is not turned into network order */
}

static uint16_t header_value(const struct srh_row *row, const uint8_t *srh)
{
	enum { NEXT = 0, LEN = 1, SEGMENTS_LEFT = 3, LAST_ENTRY = 4, TAG = 6 };
	uint16_t tag;

	switch (row->at) {
	case offsetof(struct ip6t_srh1, next_hdr): return srh[NEXT];
	case offsetof(struct ip6t_srh1, hdr_len): return srh[LEN];
	case offsetof(struct ip6t_srh1, segs_left): return srh[SEGMENTS_LEFT];
	case offsetof(struct ip6t_srh1, last_entry): return srh[LAST_ENTRY];
	}
	memcpy(&tag, srh + TAG, sizeof(tag));
	return tag;
}

static bool numbers_fit(const uint8_t *srh, const void *info, uint16_t flags, uint16_t inverted)
{
	for (unsigned int i = 0; i < FIRST_SID; i++) {
		uint16_t have = header_value(&rows[i], srh), want = row_value(&rows[i], info);
		bool fits = rows[i].compare == '=' ? have == want : rows[i].compare == '>' ? have > want : have < want;

		if (flags & 1 << i && fits == !!(inverted & 1 << i))
			return false;
	}
	return true;
}

/* The header when it is one of segments, whole, and not self-contradictory. */
static const uint8_t *srh_find(const struct pkt *pkt, uint32_t *off)
{
	enum { TYPE = 2, SEGMENTS_LEFT = 3, LAST_ENTRY = 4 };
	const uint8_t *srh = ip6_find(pkt, IPPROTO_ROUTING, off) ? NULL : pkt_at(pkt, *off, SRH_FIXED);

	if (!srh || !pkt_at(pkt, *off, (srh[1] + 1u) * 8) || srh[TYPE] != TYPE_SEGMENTS ||
	    srh[SEGMENTS_LEFT] > srh[LAST_ENTRY])
		return NULL;
	return srh;
}

static bool srh_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_srh *info = data;
	uint32_t off = 0;
	const uint8_t *srh = srh_find(pkt, &off);

	return srh && numbers_fit(srh, info, info->mt_flags, info->mt_invflags);
}

/* The segment may lie behind the header's own end: it is looked for in the packet, as Linux does. */
static bool segment_fits(const struct pkt *pkt, uint32_t at, const struct in6_addr *addr, const struct in6_addr *mask,
			 bool inverted)
{
	const uint8_t *have = pkt_at(pkt, at, SEGMENT);
	bool fits = true;

	if (!have)
		return false;
	for (unsigned int i = 0; i < SEGMENT; i++)
		fits &= !((have[i] ^ addr->s6_addr[i]) & mask->s6_addr[i]);
	return fits != inverted;
}

static bool srh_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_srh1 *info = data;
	uint32_t off = 0, first;
	const uint8_t *srh = srh_find(pkt, &off);
	uint8_t left, last;

	if (!srh || !numbers_fit(srh, info, info->mt_flags, info->mt_invflags))
		return false;
	left = srh[3];
	last = srh[4];
	first = off + SRH_FIXED;
	if (info->mt_flags & IP6T_SRH_PSID &&
	    (left == last || !segment_fits(pkt, first + (left + 1u) * SEGMENT, &info->psid_addr, &info->psid_msk,
					   info->mt_invflags & IP6T_SRH_INV_PSID)))
		return false;
	if (info->mt_flags & IP6T_SRH_NSID &&
	    (!left || !segment_fits(pkt, first + (left - 1u) * SEGMENT, &info->nsid_addr, &info->nsid_msk,
				    info->mt_invflags & IP6T_SRH_INV_NSID)))
		return false;
	return !(info->mt_flags & IP6T_SRH_LSID) ||
	       segment_fits(pkt, first, &info->lsid_addr, &info->lsid_msk, info->mt_invflags & IP6T_SRH_INV_LSID);
}

static int flags_check(uint16_t flags, uint16_t inverted, struct refusal *why)
{
	if (flags & ~IP6T_SRH_MASK || inverted & ~IP6T_SRH_INV_MASK)
		return refuse(why, -EINVAL, "srh: unknown flags %#x %#x", flags, inverted);
	return 0;
}

static int srh_check_0(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_srh *info = data;

	return flags_check(info->mt_flags, info->mt_invflags, why);
}

static int srh_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_srh1 *info = data;

	return flags_check(info->mt_flags, info->mt_invflags, why);
}

static int parse_sid(struct opt_call *call, struct refusal *why)
{
	uint8_t *info = call->info;
	const size_t mask_at = call->opt->at + offsetof(struct ip6t_srh1, psid_msk) - offsetof(struct ip6t_srh1, psid_addr);
	union nf_inet_addr addr, mask;
	int err = opt_host_mask(call, call->arg, &addr, &mask, why);

	if (err)
		return err;
	memcpy(info + call->opt->at, &addr, SEGMENT);
	memcpy(info + mask_at, &mask, SEGMENT);
	return 0;
}

#define SRH_BITS(bit) .flags = OPT_INVERTIBLE, .set_at = offsetof(struct ip6t_srh1, mt_flags), .set_bits = bit, \
	.set_width = 2, .invert_at = offsetof(struct ip6t_srh1, mt_invflags), .invert_bits = bit, .invert_width = 2
#define SRH_U8(n, field, bit, what, h) { .name = "srh-" n, .type = OPT_U8, .size = 1, \
	.at = offsetof(struct ip6t_srh1, field), SRH_BITS(bit), .arg = what, .help = h }
#define SRH_SID(n, field, bit, h) { .name = "srh-" n, .type = OPT_CUSTOM, .parse = parse_sid, \
	.at = offsetof(struct ip6t_srh1, field), SRH_BITS(bit), .arg = "addr[/mask]", .help = h }

static const struct opt srh_options[OPTIONS + 1] = {
	SRH_U8("next-hdr", next_hdr, IP6T_SRH_NEXTHDR, "next-hdr", "what follows the header"),
	SRH_U8("hdr-len-eq", hdr_len, IP6T_SRH_LEN_EQ, "hdr_len", "its length field"),
	SRH_U8("hdr-len-gt", hdr_len, IP6T_SRH_LEN_GT, "hdr_len", "its length field is greater"),
	SRH_U8("hdr-len-lt", hdr_len, IP6T_SRH_LEN_LT, "hdr_len", "its length field is less"),
	SRH_U8("segs-left-eq", segs_left, IP6T_SRH_SEGS_EQ, "segs_left", "segments left"),
	SRH_U8("segs-left-gt", segs_left, IP6T_SRH_SEGS_GT, "segs_left", "more segments left"),
	SRH_U8("segs-left-lt", segs_left, IP6T_SRH_SEGS_LT, "segs_left", "fewer segments left"),
	SRH_U8("last-entry-eq", last_entry, IP6T_SRH_LAST_EQ, "last_entry", "index of the last segment"),
	SRH_U8("last-entry-gt", last_entry, IP6T_SRH_LAST_GT, "last_entry", "index of the last segment is greater"),
	SRH_U8("last-entry-lt", last_entry, IP6T_SRH_LAST_LT, "last_entry", "index of the last segment is less"),
	{ .name = "srh-tag", .type = OPT_U16, .size = 2, .at = offsetof(struct ip6t_srh1, tag), SRH_BITS(IP6T_SRH_TAG),
	  .arg = "tag", .help = "its tag, with the bytes swapped on a little-endian machine" },
	SRH_SID("psid", psid_addr, IP6T_SRH_PSID, "the segment visited before"),
	SRH_SID("nsid", nsid_addr, IP6T_SRH_NSID, "the segment visited next"),
	SRH_SID("lsid", lsid_addr, IP6T_SRH_LSID, "the last segment of the path"),
	OPT_END
};

static unsigned int prefix_len(const struct in6_addr *mask)
{
	unsigned int len = 0;

	while (len < 128 && mask->s6_addr[len / 8] & 0x80 >> len % 8)
		len++;
	return len;
}

static void srh_show(const struct ip6t_srh1 *info, bool save, struct strbuf *out)
{
	static const char *const sids[] = { "psid", "nsid", "lsid" };

	for (unsigned int i = 0; i < FIRST_SID; i++) {
		const char *bang = info->mt_invflags & 1 << i ? save ? " !" : "!" : "";

		if (!(info->mt_flags & 1 << i))
			continue;
		if (save)
			sb_printf(out, "%s --%s %u", bang, rows[i].name, row_value(&rows[i], info));
		else
			sb_printf(out, " %s:%s%u", rows[i].shown, bang, row_value(&rows[i], info));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sids); i++) {
		unsigned int bit = IP6T_SRH_PSID << i;
		const struct in6_addr *addr = &info->psid_addr + i, *mask = &info->psid_msk + i;
		union nf_inet_addr sid = { .in6 = *addr };

		if (!(info->mt_flags & bit))
			continue;
		if (save)
			sb_printf(out, "%s --srh-%s ", info->mt_invflags & bit ? " !" : "", sids[i]);
		else
			sb_printf(out, " %s %s ", sids[i], info->mt_invflags & bit ? "!" : "");
		print_addr(out, NFPROTO_IPV6, &sid);
		sb_printf(out, "/%u", prefix_len(mask));
	}
}

static void srh_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	srh_show(data, true, out);
}

static void srh_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " srh");
	srh_show(data, false, out);
}

static const struct ext_text srh_text = {
	.options = srh_options, .help_head = "srh match options:", .save = srh_save, .print = srh_print,
};

#define SRH_COMMON .name = "srh", .families = FAMILY_V6, .depends = DEP_BYTES

const struct match match_srh_0 = {
	SRH_COMMON, .revision = 0, .info_size = sizeof(struct ip6t_srh), .match = srh_match_0, .classify = class_rule_nothing, .checkentry = srh_check_0,
};
const struct match match_srh_1 = {
	SRH_COMMON, .revision = 1, .info_size = sizeof(struct ip6t_srh1), .match = srh_match_1, .classify = class_rule_nothing, .checkentry = srh_check_1,
	.text = &srh_text,
};
