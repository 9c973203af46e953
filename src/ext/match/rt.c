/* ext/match/rt.c - "-m rt": the routing header of IPv6: type, segments left, length, and the addresses of type 0. */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_rt.h>

#include <stdio.h>

#include "ext/ip6find.h"
#include "ext/spis.h"

enum { RT_FIXED = 8, RT_MIN = 4 };

/* Either all of the header's addresses in order, or (not strict) some of them in order. */
static bool addresses_fit(const uint8_t *addrs, unsigned int count, const struct ip6t_rt *info)
{
	unsigned int i = 0;

	if (info->addrnr > count)
		return false;
	if (!(info->flags & IP6T_RT_FST_NSTRICT))
		return info->addrnr == count && memcmp(addrs, info->addrs, 16 * count) == 0;
	for (unsigned int at = 0; at < count && i < info->addrnr; at++)
		i += memcmp(addrs + 16 * at, &info->addrs[i], 16) == 0;
	return i == info->addrnr;
}

static bool rt_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_rt *info = data;
	uint32_t off = 0, len;
	int err = ip6_find(pkt, IPPROTO_ROUTING, &off);
	const uint8_t *rt = err ? NULL : pkt_at(pkt, off, RT_MIN);

	len = rt ? (rt[1] + 1u) * 8 : 0;
	if (!rt || !pkt_at(pkt, off, len)) {
		call->hotdrop |= err != -ENOENT;
		return false;
	}
	if (!range32_has(info->segsleft, rt[3], info->invflags & IP6T_RT_INV_SGS) ||
	    ((info->flags & IP6T_RT_LEN) && (info->hdrlen == len) == !!(info->invflags & IP6T_RT_INV_LEN)) ||
	    ((info->flags & IP6T_RT_TYP) && (info->rt_type == rt[2]) == !!(info->invflags & IP6T_RT_INV_TYP)) ||
	    ((info->flags & IP6T_RT_RES) && get_be32(rt + 4)))
		return false;
	return !(info->flags & IP6T_RT_FST) || addresses_fit(rt + RT_FIXED, (len - RT_FIXED) / 16, info);
}

static int rt_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_rt *info = data;

	if ((info->invflags & ~IP6T_RT_INV_MASK) || info->addrnr > IP6T_RT_HOPS)
		return refuse(why, -EINVAL, "rt: unknown flags %#x or too many addresses (%u)", info->invflags, info->addrnr);
	if ((info->flags & IP6T_RT_FST_MASK) && !info->addrnr)
		return refuse(why, -EINVAL, "rt: a list of addresses is asked for and empty");
	if ((info->flags & (IP6T_RT_RES | IP6T_RT_FST_MASK)) &&
	    (!(info->flags & IP6T_RT_TYP) || info->rt_type != 0 || (info->invflags & IP6T_RT_INV_TYP)))
		return refuse(why, -EINVAL, "rt: --rt-0-... needs --rt-type 0 before it");
	return 0;
}

static void rt_init(void *data)
{
	((struct ip6t_rt *)data)->segsleft[1] = UINT32_MAX;
}

static int need_type_0(struct opt_call *call, struct refusal *why)
{
	const struct ip6t_rt *info = call->info;

	if (!(info->flags & IP6T_RT_TYP) || info->rt_type != 0 || (info->invflags & IP6T_RT_INV_TYP))
		return refuse(why, -EINVAL, "rt: --%s needs --rt-type 0 before it", call->opt->name);
	if (call->opt->set_bits == IP6T_RT_FST_NSTRICT && !(info->flags & IP6T_RT_FST))
		return refuse(why, -EINVAL, "rt: --rt-0-not-strict needs --rt-0-addrs before it");
	return 0;
}

static int parse_addrs(struct opt_call *call, struct refusal *why)
{
	struct ip6t_rt *info = call->info;
	int err = need_type_0(call, why);

	for (const char *at = call->arg; !err; at++) {
		size_t len = strcspn(at, ",");
		union nf_inet_addr addr;
		char word[64];

		if (info->addrnr == IP6T_RT_HOPS)
			return refuse(why, -EINVAL, "rt: at most %d addresses", IP6T_RT_HOPS);
		snprintf(word, sizeof(word), "%.*s", (int)len, at);
		err = opt_addr(word, NFPROTO_IPV6, &addr, why);
		if (!err)
			info->addrs[info->addrnr++] = addr.in6;
		at += len;
		if (!*at)
			break;
	}
	return err;
}

#define RT_SET(bit) .set_at = offsetof(struct ip6t_rt, flags), .set_bits = bit, .set_width = 1
#define RT_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct ip6t_rt, invflags), .invert_bits = bit, \
	.invert_width = 1

static const struct opt rt_options[] = {
	{ .name = "rt-type", .type = OPT_U32, .size = 4, .at = offsetof(struct ip6t_rt, rt_type), RT_SET(IP6T_RT_TYP),
	  RT_INVERT(IP6T_RT_INV_TYP), .arg = "type", .help = "match the type" },
	{ .name = "rt-segsleft", .type = OPT_U32_RANGE, .size = 8, .at = offsetof(struct ip6t_rt, segsleft), RT_SET(IP6T_RT_SGS),
	  RT_INVERT(IP6T_RT_INV_SGS), .arg = "num[:num]", .help = "match the Segments Left field (range)" },
	{ .name = "rt-len", .type = OPT_U32, .size = 4, .at = offsetof(struct ip6t_rt, hdrlen), RT_SET(IP6T_RT_LEN),
	  RT_INVERT(IP6T_RT_INV_LEN), .arg = "length", .help = "total length of this header" },
	{ .name = "rt-0-res", .type = OPT_FLAG, RT_SET(IP6T_RT_RES), .parse = need_type_0, .help = "the reserved field is zero (type 0)" },
	{ .name = "rt-0-addrs", .type = OPT_CUSTOM, RT_SET(IP6T_RT_FST), .parse = parse_addrs, .arg = "addr[,addr...]",
	  .help = "type 0 addresses (max: 16)" },
	{ .name = "rt-0-not-strict", .type = OPT_FLAG, RT_SET(IP6T_RT_FST_NSTRICT), .parse = need_type_0,
	  .help = "the list of addresses is not a strict one" },
	OPT_END
};

static void add_addrs(const struct ip6t_rt *info, const char *head, struct strbuf *out)
{
	for (unsigned int i = 0; i < MIN_OF(info->addrnr, IP6T_RT_HOPS); i++) {
		union nf_inet_addr addr = { .in6 = info->addrs[i] };

		sb_adds(out, i ? "," : head);
		print_addr(out, NFPROTO_IPV6, &addr);
	}
}

/* A rule and a listing say the same in other words; of two, the second is for an inverted option. */
struct rt_words {
	const char *type[2], *len[2], *segsleft, *reserved, *addrs, *not_strict;
	void (*range)(struct strbuf *out, const char *name, const uint32_t range[2], bool inverted);
};

static void say(const struct ip6t_rt *info, const struct rt_words *words, struct strbuf *out)
{
	if (info->flags & IP6T_RT_TYP)
		sb_printf(out, "%s%u", words->type[!!(info->invflags & IP6T_RT_INV_TYP)], info->rt_type);
	words->range(out, words->segsleft, info->segsleft, info->invflags & IP6T_RT_INV_SGS);
	if (info->flags & IP6T_RT_LEN)
		sb_printf(out, "%s%u", words->len[!!(info->invflags & IP6T_RT_INV_LEN)], info->hdrlen);
	if (info->flags & IP6T_RT_RES)
		sb_adds(out, words->reserved);
	add_addrs(info, words->addrs, out);
	if (info->flags & IP6T_RT_FST_NSTRICT)
		sb_adds(out, words->not_strict);
}

static void rt_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const struct rt_words words = {
		.type = { " --rt-type ", " ! --rt-type " }, .len = { " --rt-len ", " ! --rt-len " },
		.segsleft = "rt-segsleft", .reserved = " --rt-0-res", .addrs = " --rt-0-addrs ",
		.not_strict = " --rt-0-not-strict", .range = range32_save,
	};

	say(data, &words, out);
}

static void rt_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	static const struct rt_words words = {
		.type = { " type:", " type:!" }, .len = { " length:", " length:!" }, .segsleft = " segsleft",
		.reserved = " reserved", .addrs = " 0-addrs ", .not_strict = " 0-not-strict", .range = range32_print,
	};

	sb_adds(out, " rt");
	say(data, &words, out);
}

static const struct ext_text rt_text = {
	.options = rt_options, .help_head = "rt match options:", .init = rt_init, .save = rt_save, .print = rt_print,
};

const struct match match_rt = {
	.name = "rt", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_rt), .depends = DEP_BYTES,
	.match = rt_match, .checkentry = rt_check, .text = &rt_text,
};
