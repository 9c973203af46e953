/* ext/match/rpfilter.c - "-m rpfilter": the way back to the packet's source leads over the interface it came in by. */
#include "base/uapi.h"

#include <linux/netfilter/xt_rpfilter.h>

#include "classify/classify.h"
#include "ext/option.h"
#include "route/route.h"

_Static_assert((int)REVERSE_LOOSE == XT_RPFILTER_LOOSE && (int)REVERSE_MARK == XT_RPFILTER_VALID_MARK &&
	       (int)REVERSE_LOCAL == XT_RPFILTER_ACCEPT_LOCAL, "the flags go through as they are");

static bool is_looped(const struct pkt *pkt, const struct ext_call *call)
{
	return pkt->type == PACKET_LOOPBACK || call->state->in->is_loopback;
}

/* Who has no address yet asks for one: there is no way back to him. */
static bool has_no_source4(const struct iphdr *ip)
{
	return !ip->saddr && (ip->daddr == INADDR_BROADCAST || (ntohl(ip->daddr) & 0xffffff00) == 0xe0000000);
}

static bool rpfilter4(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	unsigned int flags = ((const struct xt_rpfilter_info *)data)->flags;
	bool fits = is_looped(pkt, call) || has_no_source4(pkt_ip4(pkt)) ||
		    route_reverse4(call->inst, pkt, call->state->in, flags);

	return fits != !!(flags & XT_RPFILTER_INVERT);
}

static bool rpfilter6(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	static const struct in6_addr none;
	unsigned int flags = ((const struct xt_rpfilter_info *)data)->flags;
	bool fits = is_looped(pkt, call) || memcmp(&pkt_ip6(pkt)->saddr, &none, sizeof(none)) == 0 ||
		    route_reverse6(call->inst, pkt, call->state->in, flags);

	return fits != !!(flags & XT_RPFILTER_INVERT);
}

static int rpfilter_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_rpfilter_info *info = data;

	if (info->flags & ~(XT_RPFILTER_LOOSE | XT_RPFILTER_VALID_MARK | XT_RPFILTER_ACCEPT_LOCAL | XT_RPFILTER_INVERT))
		return refuse(why, -EINVAL, "rpfilter: unknown flags %#x", info->flags);
	if (strcmp(check->table, "mangle") && strcmp(check->table, "raw"))
		return refuse(why, -EINVAL, "rpfilter: only works in the raw and mangle tables");
	return 0;
}

#define RPFILTER_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_rpfilter_info, flags), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt rpfilter_options[] = {
	RPFILTER_FLAG("loose", XT_RPFILTER_LOOSE, "permit reverse path via any interface"),
	RPFILTER_FLAG("validmark", XT_RPFILTER_VALID_MARK, "use the packet's mark when asking for the route"),
	RPFILTER_FLAG("accept-local", XT_RPFILTER_ACCEPT_LOCAL, "do not reject packets with a local source address"),
	RPFILTER_FLAG("invert", XT_RPFILTER_INVERT, "match packets that failed the reverse path test"),
	OPT_END
};

static void show_flags(const void *data, const char *dashes, struct strbuf *out)
{
	const struct xt_rpfilter_info *info = data;

	for (const struct opt *opt = rpfilter_options; opt->name; opt++)
		if (info->flags & opt->set_bits)
			sb_printf(out, " %s%s", dashes, opt->name);
}

static void rpfilter_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_flags(data, "--", out);
}

static void rpfilter_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " rpfilter");
	show_flags(data, "", out);
}

static const struct ext_text rpfilter_text = {
	.options = rpfilter_options, .help_head = "rpfilter match options:",
	.save = rpfilter_save, .print = rpfilter_print,
};

#define RPFILTER_COMMON .name = "rpfilter", .info_size = sizeof(struct xt_rpfilter_info), .hooks = 1 << NF_INET_PRE_ROUTING, \
	.depends = DEP_L3_ADDRS | DEP_L3_TOS | DEP_L3_PROTO | DEP_IFACES | DEP_PKT_TYPE | DEP_MARK | DEP_ROUTE, \
	.checkentry = rpfilter_check, .text = &rpfilter_text

const struct match match_rpfilter4 = { RPFILTER_COMMON, .families = FAMILY_V4, .match = rpfilter4, .classify = class_rule_nothing };
const struct match match_rpfilter6 = { RPFILTER_COMMON, .families = FAMILY_V6, .match = rpfilter6, .classify = class_rule_nothing };
