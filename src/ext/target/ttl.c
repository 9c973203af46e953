/* ext/target/ttl.c - "-j TTL" and "-j HL": sets, raises or lowers the hops left, between 0 and 255. */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <linux/netfilter_ipv6/ip6t_HL.h>

#include "ext/option.h"

static uint8_t changed(uint8_t hops, const struct ipt_TTL_info *info)
{
	switch (info->mode) {
	case IPT_TTL_SET: return info->ttl;
	case IPT_TTL_INC: return MIN_OF(hops + info->ttl, 255);
	case IPT_TTL_DEC: return MAX_OF(hops - info->ttl, 0);
	}
	return hops;
}

static unsigned int ttl_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct iphdr *ip = pkt_ip4(pkt);
	uint8_t ttl = changed(ip->ttl, data);

	if (ttl != ip->ttl) {
		csum_replace2(&ip->check, htons(ip->ttl << 8), htons(ttl << 8));
		ip->ttl = ttl;
	}
	return XT_CONTINUE;
}

/* struct ip6t_HL_info has the same two bytes and the same modes. */
static unsigned int hl_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt_ip6(pkt)->hop_limit = changed(pkt_ip6(pkt)->hop_limit, data);
	return XT_CONTINUE;
}

static int ttl_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ipt_TTL_info *info = data;

	if (info->mode > IPT_TTL_MAXMODE)
		return refuse(why, -EINVAL, "TTL: unknown mode %u", info->mode);
	if (info->mode != IPT_TTL_SET && info->ttl == 0)
		return refuse(why, -EINVAL, "TTL: a change by 0 is none");
	return 0;
}

static int ttl_parse(struct opt_call *call, struct refusal *why)
{
	const char *mode = strchr(call->opt->name, '-') + 1;

	((struct ipt_TTL_info *)call->info)->mode = *mode == 's' ? IPT_TTL_SET : *mode == 'i' ? IPT_TTL_INC : IPT_TTL_DEC;
	return 0;
}

static int ttl_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "an action (set, dec or inc) is required");
}

static const char *const save_words[] = { "set", "inc", "dec" };
static const char *const print_words[] = { "set to", "increment by", "decrement by" };

static void ttl_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_TTL_info *info = data;

	if (info->mode < ARRAY_SIZE(save_words))
		sb_printf(out, " --%s-%s %u", view->family == NFPROTO_IPV4 ? "ttl" : "hl",
			  save_words[info->mode], info->ttl);
}

static void ttl_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_TTL_info *info = data;

	if (info->mode < ARRAY_SIZE(print_words))
		sb_printf(out, " %s %s %u", view->family == NFPROTO_IPV4 ? "TTL" : "HL",
			  print_words[info->mode], info->ttl);
}

#define TTL_OPTION(n, least, others, h) { .name = n, .type = OPT_U8, .min = least, .max = 255, .parse = ttl_parse, \
	.at = offsetof(struct ipt_TTL_info, ttl), .excludes = others, .arg = "value", .help = h }

static const struct opt ttl_options[] = {
	TTL_OPTION("ttl-set", 0, "ttl-dec ttl-inc", "set TTL to value"),
	TTL_OPTION("ttl-dec", 1, "ttl-set ttl-inc", "decrement TTL by value"),
	TTL_OPTION("ttl-inc", 1, "ttl-set ttl-dec", "increment TTL by value"),
	OPT_END
};
static const struct opt hl_options[] = {
	TTL_OPTION("hl-set", 0, "hl-dec hl-inc", "set HL to value"),
	TTL_OPTION("hl-dec", 1, "hl-set hl-inc", "decrement HL by value"),
	TTL_OPTION("hl-inc", 1, "hl-set hl-dec", "increment HL by value"),
	OPT_END
};

static const struct ext_text ttl_text = {
	.options = ttl_options, .help_head = "TTL target options:",
	.finish = ttl_finish, .save = ttl_save, .print = ttl_print,
};
static const struct ext_text hl_text = {
	.options = hl_options, .help_head = "HL target options:",
	.finish = ttl_finish, .save = ttl_save, .print = ttl_print,
};

const struct target target_ttl = {
	.name = "TTL", .families = FAMILY_V4, .table = "mangle", .depends = DEP_L3_TTL,
	.info_size = sizeof(struct ipt_TTL_info), .target = ttl_target, .checkentry = ttl_check, .checks_rule_only = true, .text = &ttl_text,
};

const struct target target_hl = {
	.name = "HL", .families = FAMILY_V6, .table = "mangle", .depends = DEP_L3_TTL,
	.info_size = sizeof(struct ip6t_HL_info), .target = hl_target, .checkentry = ttl_check, .checks_rule_only = true, .text = &hl_text,
};
