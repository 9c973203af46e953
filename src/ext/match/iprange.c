/* ext/match/iprange.c - "-m iprange": source or destination between two addresses, both included. */
#include "base/uapi.h"

#include <linux/netfilter/xt_iprange.h>

#include <stdio.h>

#include "classify/classify.h"
#include "ext/option.h"

/* Network order is the order of memcmp. */
static bool in_range(const void *addr, const union nf_inet_addr *min, const union nf_inet_addr *max, size_t len)
{
	return memcmp(addr, min, len) >= 0 && memcmp(addr, max, len) <= 0;
}

static bool iprange_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_iprange_mtinfo *info = data;
	bool v4 = call->family == NFPROTO_IPV4;
	const void *src = v4 ? (void *)&pkt_ip4(pkt)->saddr : (void *)&pkt_ip6(pkt)->saddr;
	const void *dst = v4 ? (void *)&pkt_ip4(pkt)->daddr : (void *)&pkt_ip6(pkt)->daddr;
	size_t len = v4 ? 4 : 16;

	if ((info->flags & IPRANGE_SRC) &&
	    in_range(src, &info->src_min, &info->src_max, len) == !!(info->flags & IPRANGE_SRC_INV))
		return false;
	if ((info->flags & IPRANGE_DST) &&
	    in_range(dst, &info->dst_min, &info->dst_max, len) == !!(info->flags & IPRANGE_DST_INV))
		return false;
	return true;
}

/* A single address is a range of its own. */
static int iprange_parse(struct opt_call *call, struct refusal *why)
{
	union nf_inet_addr *min = (void *)((char *)call->info + call->opt->at), *max = min + 1;
	const char *dash = strchr(call->arg, '-');
	char head[INET6_ADDRSTRLEN];
	int err;

	if (!dash) {
		err = opt_addr(call->arg, call->family, min, why);
		*max = *min;
		return err;
	}
	if ((size_t)(dash - call->arg) >= sizeof(head))
		return refuse(why, -EINVAL, "iprange: \"%s\" is not an address range", call->arg);
	snprintf(head, sizeof(head), "%.*s", (int)(dash - call->arg), call->arg);
	err = opt_addr(head, call->family, min, why);
	return err ? err : opt_addr(dash + 1, call->family, max, why);
}

#define RANGE_OPTION(n, field, bit, inv, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, \
	.parse = iprange_parse, .at = offsetof(struct xt_iprange_mtinfo, field), \
	.set_at = offsetof(struct xt_iprange_mtinfo, flags), .set_bits = bit, .set_width = 1, \
	.invert_at = offsetof(struct xt_iprange_mtinfo, flags), .invert_bits = inv, .invert_width = 1, \
	.arg = "address[-address]", .help = h }

static void iprange_classify(const void *data, struct class_rule *rule)
{
	const struct xt_iprange_mtinfo *info = data;

	if (info->flags & IPRANGE_SRC)
		(info->flags & IPRANGE_SRC_INV ? class_rule_unless_between : class_rule_between)(rule, CLASS_SRC, &info->src_min, &info->src_max);
	if (info->flags & IPRANGE_DST)
		(info->flags & IPRANGE_DST_INV ? class_rule_unless_between : class_rule_between)(rule, CLASS_DST, &info->dst_min, &info->dst_max);
}

static const struct opt iprange_options[] = {
	RANGE_OPTION("src-range", src_min, IPRANGE_SRC, IPRANGE_SRC_INV, "match source IP in the given range"),
	RANGE_OPTION("dst-range", dst_min, IPRANGE_DST, IPRANGE_DST_INV, "match destination IP in the given range"),
	OPT_END
};

static int iprange_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "iprange: --src-range or --dst-range is required");
}

static void add_range(struct strbuf *out, uint8_t family, const union nf_inet_addr *min)
{
	print_addr(out, family, min);
	sb_addc(out, '-');
	print_addr(out, family, min + 1);
}

static void iprange_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_iprange_mtinfo *info = data;

	if (info->flags & IPRANGE_SRC) {
		sb_adds(out, info->flags & IPRANGE_SRC_INV ? " ! --src-range " : " --src-range ");
		add_range(out, view->family, &info->src_min);
	}
	if (info->flags & IPRANGE_DST) {
		sb_adds(out, info->flags & IPRANGE_DST_INV ? " ! --dst-range " : " --dst-range ");
		add_range(out, view->family, &info->dst_min);
	}
}

static void iprange_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_iprange_mtinfo *info = data;

	if (info->flags & IPRANGE_SRC) {
		sb_adds(out, info->flags & IPRANGE_SRC_INV ? " source IP range ! " : " source IP range ");
		add_range(out, view->family, &info->src_min);
	}
	if (info->flags & IPRANGE_DST) {
		sb_adds(out, info->flags & IPRANGE_DST_INV ? " destination IP range ! " : " destination IP range ");
		add_range(out, view->family, &info->dst_min);
	}
}

static const struct ext_text iprange_text = {
	.options = iprange_options, .help_head = "iprange match options:",
	.finish = iprange_finish, .save = iprange_save, .print = iprange_print,
};

const struct match match_iprange = {
	.name = "iprange", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_iprange_mtinfo), .depends = DEP_L3_ADDRS,
	.match = iprange_match, .classify = iprange_classify, .text = &iprange_text,
};
