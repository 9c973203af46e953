/*
 * ext/match/addrtype.c - "-m addrtype": what the routing tables think of an address.
 * IPv4 asks one question with one answer. IPv6 asks several, and those that are answered by the
 * address alone (multicast, unicast, unspecified) must all hold.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_addrtype.h>

#include "classify/classify.h"
#include "ext/ip6walk.h"
#include "ext/option.h"
#include "route/route.h"

static bool type4_fits(const struct ext_call *call, const struct iface *iface, be32 addr, uint16_t mask)
{
	return mask & 1u << route_addr_type4(call->inst, iface, addr);
}

static bool type6_fits(const struct ext_call *call, const struct iface *iface, const struct in6_addr *addr,
		       uint16_t mask)
{
	static const struct in6_addr any;

	if (((mask & XT_ADDRTYPE_MULTICAST) && addr->s6_addr[0] != 0xff) ||
	    ((mask & XT_ADDRTYPE_UNICAST) && !ip6_is_unicast(addr)) ||
	    ((mask & XT_ADDRTYPE_UNSPEC) && memcmp(addr, &any, 16)))
		return false;
	mask &= XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE;
	return !mask || (mask & route_addr_types6(call->inst, iface, addr, mask & XT_ADDRTYPE_LOCAL));
}

static bool addrtype_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_addrtype_info *info = data;
	const struct iphdr *ip = pkt_ip4(pkt);

	return (!info->source || type4_fits(call, NULL, ip->saddr, info->source) != !!info->invert_source) &&
	       (!info->dest || type4_fits(call, NULL, ip->daddr, info->dest) != !!info->invert_dest);
}

static bool addrtype_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_addrtype_info_v1 *info = data;
	bool not_src = info->flags & XT_ADDRTYPE_INVERT_SOURCE, not_dst = info->flags & XT_ADDRTYPE_INVERT_DEST;
	const struct iface *iface = info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN ? call->state->in :
				    info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT ? call->state->out : NULL;

	if (call->family == NFPROTO_IPV6) {
		const struct ipv6hdr *ip6 = pkt_ip6(pkt);
		struct in6_addr src, dst;

		memcpy(&src, &ip6->saddr, sizeof(src));
		memcpy(&dst, &ip6->daddr, sizeof(dst));
		return (!info->source || type6_fits(call, iface, &src, info->source) != not_src) &&
		       (!info->dest || type6_fits(call, iface, &dst, info->dest) != not_dst);
	}
	return (!info->source || type4_fits(call, iface, pkt_ip4(pkt)->saddr, info->source) != not_src) &&
	       (!info->dest || type4_fits(call, iface, pkt_ip4(pkt)->daddr, info->dest) != not_dst);
}

static void types_classify(struct class_rule *rule, unsigned int word, uint16_t types, bool inverted)
{
	if (types)
		class_rule_term(rule, (struct class_term){ .word = (uint8_t)word, .flags = inverted ? 0 : TERM_NOT, .mask = types });
}

/* What the address alone answers is said as bits of it; all of it must hold, so of the opposite only a single question can be said. */
static void type6_classify(struct class_rule *rule, enum class_word addr, unsigned int word, uint16_t types, bool inverted)
{
	static const uint8_t zero[16], ones[16] = { [0 ... 15] = 0xff }, head[16] = { [0 ... 11] = 0xff }, mapped[16] = { [10] = 0xff, [11] = 0xff };
	const uint16_t asked = types & (XT_ADDRTYPE_LOCAL | XT_ADDRTYPE_ANYCAST | XT_ADDRTYPE_UNREACHABLE);

	if (inverted && types == XT_ADDRTYPE_MULTICAST) {
		class_rule_unless(rule, addr, 0xff000000, 0xff000000);
	} else if (inverted && types == XT_ADDRTYPE_UNSPEC) {
		class_rule_unless_address(rule, addr, zero, ones);
	} else if (inverted && types != asked) {
		class_rule_partly(rule);
		return;
	} else if (!inverted) {
		if (types & XT_ADDRTYPE_MULTICAST)
			class_rule_bits(rule, addr, 0xff000000, 0xff000000);
		if (types & XT_ADDRTYPE_UNICAST) {
			class_rule_unless(rule, addr, 0xff000000, 0xff000000);
			class_rule_unless_address(rule, addr, zero, ones);
			class_rule_unless_address(rule, addr, mapped, head);
		}
		if (types & XT_ADDRTYPE_UNSPEC)
			class_rule_address(rule, addr, zero, ones);
	}
	types_classify(rule, word, asked, inverted);
}

static void addrtype_classify_0(const void *data, struct class_rule *rule)
{
	const struct xt_addrtype_info *info = data;

	types_classify(rule, CLASS_TYPES, info->source, info->invert_source);
	types_classify(rule, CLASS_TYPES + 1, info->dest, info->invert_dest);
}

static void addrtype_classify_1(const void *data, struct class_rule *rule)
{
	const struct xt_addrtype_info_v1 *info = data;
	const unsigned int word = CLASS_TYPES + (info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN ? 2 : info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT ? 4 : 0);
	const bool not_src = info->flags & XT_ADDRTYPE_INVERT_SOURCE, not_dst = info->flags & XT_ADDRTYPE_INVERT_DEST;

	if (rule->family == NFPROTO_IPV6) {
		type6_classify(rule, CLASS_SRC, word, info->source, not_src);
		type6_classify(rule, CLASS_DST, word + 1, info->dest, not_dst);
	} else {
		types_classify(rule, word, info->source, not_src);
		types_classify(rule, word + 1, info->dest, not_dst);
	}
}

static int addrtype_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_addrtype_info_v1 *info = data;
	uint16_t types = info->source | info->dest;
	bool in = info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN, out = info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT;

	if (in && out)
		return refuse(why, -EINVAL, "addrtype: cannot be limited to both interfaces");
	if (out && (check->hook_mask & (1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN)))
		return refuse(why, -EINVAL, "addrtype: there is no outgoing interface yet in PREROUTING and INPUT");
	if (in && (check->hook_mask & (1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_OUT)))
		return refuse(why, -EINVAL, "addrtype: there is no incoming interface in POSTROUTING and OUTPUT");
	if (check->family == NFPROTO_IPV6 &&
	    ((types & (XT_ADDRTYPE_BLACKHOLE | XT_ADDRTYPE_BROADCAST)) || types >= XT_ADDRTYPE_PROHIBIT))
		return refuse(why, -EINVAL, "addrtype: IPv6 does not know one of these types");
	return 0;
}

/* Bit n is RTN_* n. */
static const char *const type_words[] = {
	"UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT",
	"THROW", "NAT", "XRESOLVE",
};

static int parse_types(struct opt_call *call, struct refusal *why)
{
	const char *list = call->arg;
	uint16_t types = 0;

	for (;;) {
		size_t len = strcspn(list, ","), type = 0;

		while (type < ARRAY_SIZE(type_words) && strncasecmp(type_words[type], list, len))
			type++;
		if (!len || type == ARRAY_SIZE(type_words) || strlen(type_words[type]) < len)
			return refuse(why, -EINVAL, "addrtype: \"%.*s\" is not an address type", (int)len, list);
		types |= 1u << type;
		if (!list[len])
			break;
		list += len + 1;
	}
	memcpy((char *)call->info + call->opt->at, &types, sizeof(types));
	return 0;
}

#define TYPE_OPTION(n, field, bit, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = parse_types, \
	.at = offsetof(struct xt_addrtype_info_v1, field), .invert_at = offsetof(struct xt_addrtype_info_v1, flags), \
	.invert_bits = bit, .invert_width = 4, .arg = "type[,...]", .help = h }
#define LIMIT_OPTION(n, bit, other, h) { .name = n, .type = OPT_FLAG, .excludes = other, \
	.set_at = offsetof(struct xt_addrtype_info_v1, flags), .set_bits = bit, .set_width = 4, .help = h }

static const struct opt addrtype_options[] = {
	TYPE_OPTION("src-type", source, XT_ADDRTYPE_INVERT_SOURCE, "match source address type"),
	TYPE_OPTION("dst-type", dest, XT_ADDRTYPE_INVERT_DEST, "match destination address type"),
	LIMIT_OPTION("limit-iface-in", XT_ADDRTYPE_LIMIT_IFACE_IN, "limit-iface-out",
		     "match only on the packet's incoming device"),
	LIMIT_OPTION("limit-iface-out", XT_ADDRTYPE_LIMIT_IFACE_OUT, "limit-iface-in",
		     "match only on the packet's outgoing device"),
	OPT_END
};

static int addrtype_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (!(seen & 3))
		return refuse(why, -EINVAL, "addrtype: --src-type or --dst-type is required");
	return 0;
}

static void add_types(struct strbuf *out, uint16_t types)
{
	const char *sep = "";

	for (unsigned int i = 0; i < ARRAY_SIZE(type_words); i++) {
		if (types & 1u << i) {
			sb_printf(out, "%s%s", sep, type_words[i]);
			sep = ",";
		}
	}
}

static void addrtype_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_addrtype_info_v1 *info = data;

	if (info->source) {
		sb_adds(out, info->flags & XT_ADDRTYPE_INVERT_SOURCE ? " ! --src-type " : " --src-type ");
		add_types(out, info->source);
	}
	if (info->dest) {
		sb_adds(out, info->flags & XT_ADDRTYPE_INVERT_DEST ? " ! --dst-type " : " --dst-type ");
		add_types(out, info->dest);
	}
	if (info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		sb_adds(out, " --limit-iface-in");
	if (info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		sb_adds(out, " --limit-iface-out");
}

static void addrtype_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_addrtype_info_v1 *info = data;

	sb_adds(out, " ADDRTYPE match");
	if (info->source) {
		sb_adds(out, info->flags & XT_ADDRTYPE_INVERT_SOURCE ? " src-type !" : " src-type ");
		add_types(out, info->source);
	}
	if (info->dest) {
		sb_adds(out, info->flags & XT_ADDRTYPE_INVERT_DEST ? " dst-type !" : " dst-type ");
		add_types(out, info->dest);
	}
	if (info->flags & XT_ADDRTYPE_LIMIT_IFACE_IN)
		sb_adds(out, " limit-in");
	if (info->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT)
		sb_adds(out, " limit-out");
}

static const struct ext_text addrtype_text = {
	.options = addrtype_options, .help_head = "address type match options:",
	.finish = addrtype_finish, .save = addrtype_save, .print = addrtype_print,
};

const struct match match_addrtype_0 = {
	.name = "addrtype", .revision = 0, .families = FAMILY_V4,
	.info_size = sizeof(struct xt_addrtype_info), .depends = DEP_L3_ADDRS | DEP_ROUTE,
	.match = addrtype_match_0, .classify = addrtype_classify_0,
};

const struct match match_addrtype_1 = {
	.name = "addrtype", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_addrtype_info_v1), .depends = DEP_L3_ADDRS | DEP_ROUTE | DEP_IFACES,
	.match = addrtype_match_1, .classify = addrtype_classify_1, .checkentry = addrtype_check, .checks_rule_only = true, .text = &addrtype_text,
};
