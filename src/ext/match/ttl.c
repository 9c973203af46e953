/* ext/match/ttl.c - "-m ttl" and "-m hl": the hops a packet has left, by one comparison. */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>

#include "classify/classify.h"
#include "ext/option.h"


static bool ttl_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ipt_ttl_info *info = data;
	uint8_t ttl = call->family == NFPROTO_IPV4 ? pkt_ip4(pkt)->ttl : pkt_ip6(pkt)->hop_limit;

	switch (info->mode) {
	case IPT_TTL_EQ: return ttl == info->ttl;
	case IPT_TTL_NE: return ttl != info->ttl;
	case IPT_TTL_LT: return ttl < info->ttl;
	case IPT_TTL_GT: return ttl > info->ttl;
	}
	return false;		/* an unknown comparison loads, and never holds */
}

static void ttl_classify(const void *data, struct class_rule *rule)
{
	const struct ipt_ttl_info *info = data;
	const unsigned int ttl = info->ttl;
	struct class_term term = { .word = CLASS_KIND, .mask = 0xff00, .low = ttl << 8 };

	switch (info->mode) {
	case IPT_TTL_EQ:
		break;
	case IPT_TTL_NE:
		term.flags = TERM_NOT;
		break;
	case IPT_TTL_LT:
		term = (struct class_term){ .word = CLASS_KIND, .flags = TERM_NOT, .mask = 0xff00, .low = ttl << 8, .span = (255 - ttl) << 8 };
		break;
	case IPT_TTL_GT:
		term = (struct class_term){ .word = CLASS_KIND, .flags = TERM_NOT, .mask = 0xff00, .low = 0, .span = ttl << 8 };
		break;
	default:
		class_rule_partly(rule);
		return;
	}
	class_rule_term(rule, term);
}

static int ttl_parse(struct opt_call *call, struct refusal *why)
{
	struct ipt_ttl_info *info = call->info;
	const char *mode = strchr(call->opt->name, '-') + 1;

	info->mode = *mode == 'e' ? (call->invert ? IPT_TTL_NE : IPT_TTL_EQ) : *mode == 'l' ? IPT_TTL_LT : IPT_TTL_GT;
	return 0;
}

static int ttl_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "one of --*-eq, --*-lt, --*-gt is required");
}

static const char *const save_words[] = { "-eq", "-eq", "-lt", "-gt" }, *const signs[] = { "==", "!=", "<", ">" };

static void save_as(const char *name, const struct ipt_ttl_info *info, struct strbuf *out)
{
	sb_printf(out, "%s --%s%s %u", info->mode == IPT_TTL_NE ? " !" : "", name, save_words[info->mode & 3],
		  info->ttl);
}

static void ttl_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	save_as("ttl", data, out);
}

static void hl_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	save_as("hl", data, out);
}

static void ttl_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_ttl_info *info = data;

	sb_printf(out, " TTL match TTL %s %u", signs[info->mode & 3], info->ttl);
}

static void hl_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_ttl_info *info = data;

	sb_printf(out, " HL match HL %s %u", signs[info->mode & 3], info->ttl);
}

#define TTL_OPTION(n, others, fl, h) { .name = n, .type = OPT_U8, .flags = fl, .excludes = others, \
	.at = offsetof(struct ipt_ttl_info, ttl), .parse = ttl_parse, .arg = "value", .help = h }

static const struct opt ttl_options[] = {
	TTL_OPTION("ttl-eq", "ttl-lt ttl-gt", OPT_INVERTIBLE, "match time to live value"),
	TTL_OPTION("ttl-lt", "ttl-eq ttl-gt", 0, "match TTL < value"),
	TTL_OPTION("ttl-gt", "ttl-eq ttl-lt", 0, "match TTL > value"),
	{ .name = "ttl", .same_as = "ttl-eq" },
	OPT_END
};
static const struct opt hl_options[] = {
	TTL_OPTION("hl-eq", "hl-lt hl-gt", OPT_INVERTIBLE, "match hop limit value"),
	TTL_OPTION("hl-lt", "hl-eq hl-gt", 0, "match HL < value"),
	TTL_OPTION("hl-gt", "hl-eq hl-lt", 0, "match HL > value"),
	{ .name = "hl", .same_as = "hl-eq" },
	OPT_END
};

static const struct ext_text ttl_text = {
	.options = ttl_options, .help_head = "ttl match options:",
	.finish = ttl_finish, .save = ttl_save, .print = ttl_print,
};
static const struct ext_text hl_text = {
	.options = hl_options, .help_head = "hl match options:",
	.finish = ttl_finish, .save = hl_save, .print = hl_print,
};

const struct match match_ttl = {
	.name = "ttl", .families = FAMILY_V4, .info_size = sizeof(struct ipt_ttl_info), .depends = DEP_L3_TTL,
	.match = ttl_match, .classify = ttl_classify, .text = &ttl_text,
};

const struct match match_hl = {
	.name = "hl", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_hl_info), .depends = DEP_L3_TTL,
	.match = ttl_match, .classify = ttl_classify, .text = &hl_text,
};
