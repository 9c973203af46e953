/* ext/match/ipv6header.c - "-m ipv6header": which extension headers a packet has: these exactly, or (soft) these too. */
#include "base/uapi.h"

#include <linux/netfilter_ipv6/ip6t_ipv6header.h>

#include "classify/classify.h"
#include "ext/option.h"

static uint8_t bit_of(uint8_t nexthdr)
{
	switch (nexthdr) {
	case IPPROTO_HOPOPTS: return MASK_HOPOPTS;
	case IPPROTO_DSTOPTS: return MASK_DSTOPTS;
	case IPPROTO_ROUTING: return MASK_ROUTING;
	case IPPROTO_FRAGMENT: return MASK_FRAGMENT;
	case IPPROTO_AH: return MASK_AH;
	case IPPROTO_ESP: return MASK_ESP;
	case IPPROTO_NONE: return MASK_NONE;
	default: return 0;
	}
}

static bool ipv6header_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ip6t_ipv6header_info *info = data;
	uint8_t next = pkt_ip6(pkt)->nexthdr, have = 0, bit;
	uint32_t at = sizeof(struct ipv6hdr);

	while ((bit = bit_of(next))) {
		const uint8_t *header = pkt_at(pkt, at, 2);

		if (bit == MASK_NONE) {
			have |= bit;
			break;
		}
		if (!header)
			return false;
		have |= bit;
		if (bit == MASK_ESP)
			break;
		at += ip6_ext_len(next, header);
		next = header[0];
		if (at > pkt->len)
			break;
	}
	if (next != IPPROTO_NONE && next != IPPROTO_ESP)
		have |= MASK_PROTO;
	if (info->modeflag)
		return !((have ^ info->matchflags ^ info->invflags) & info->matchflags);
	return (have == info->matchflags) != !!info->invflags;
}

static int ipv6header_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ip6t_ipv6header_info *info = data;

	if (!info->modeflag && info->invflags != 0 && info->invflags != 0xff)
		return refuse(why, -EINVAL, "ipv6header: unknown flags %#x", info->invflags);
	return 0;
}

/* The first word of a bit is the one that is printed. */
static const struct { const char *name; uint8_t bit; } header_words[] = {
	{ "hop-by-hop", MASK_HOPOPTS }, { "ipv6-opts", MASK_DSTOPTS }, { "ipv6-route", MASK_ROUTING },
	{ "ipv6-frag", MASK_FRAGMENT }, { "ah", MASK_AH }, { "esp", MASK_ESP }, { "ipv6-nonxt", MASK_NONE },
	{ "protocol", MASK_PROTO }, { "hop", MASK_HOPOPTS }, { "dst", MASK_DSTOPTS }, { "route", MASK_ROUTING },
	{ "frag", MASK_FRAGMENT }, { "auth", MASK_AH }, { "none", MASK_NONE }, { "prot", MASK_PROTO },
};

static int parse_headers(struct opt_call *call, struct refusal *why)
{
	struct ip6t_ipv6header_info *info = call->info;

	for (const char *at = call->arg;; at++) {
		size_t len = strcspn(at, ","), i = 0;
		uint8_t bit = 0;
		uint64_t number;
		char word[32] = "";

		memcpy(word, at, MIN_OF(len, sizeof(word) - 1));
		while (i < ARRAY_SIZE(header_words) && strcasecmp(header_words[i].name, word))
			i++;
		if (i < ARRAY_SIZE(header_words))
			bit = header_words[i].bit;
		else if (opt_u64(word, 0, UINT8_MAX, &number))
			bit = bit_of(number);
		if (!bit)
			return refuse(why, -EINVAL, "ipv6header: \"%s\" is not an extension header", word);
		info->matchflags |= bit;
		at += len;
		if (!*at)
			return 0;
	}
}

static const struct opt ipv6header_options[] = {
	{ .name = "header", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_headers,
	  .invert_at = offsetof(struct ip6t_ipv6header_info, invflags), .invert_bits = 0xff, .invert_width = 1,
	  .arg = "headers", .help = "headers to match: hop, dst, route, frag, auth, esp, none, prot" },
	{ .name = "soft", .type = OPT_FLAG, .set_at = offsetof(struct ip6t_ipv6header_info, modeflag), .set_bits = 0xff,
	  .set_width = 1, .help = "the header CONTAINS the specified extensions" },
	OPT_END
};

static void add_headers(struct strbuf *out, uint8_t bits)
{
	const char *sep = "";

	for (unsigned int i = 0; i < 8; i++) {
		if (bits & header_words[i].bit) {
			sb_printf(out, "%s%s", sep, header_words[i].name);
			sep = ",";
		}
	}
}

static void ipv6header_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_ipv6header_info *info = data;

	sb_adds(out, info->invflags ? " ! --header " : " --header ");
	add_headers(out, info->matchflags);
	if (info->modeflag)
		sb_adds(out, " --soft");
}

static void ipv6header_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ip6t_ipv6header_info *info = data;

	sb_adds(out, " ipv6header");
	if (info->matchflags || info->invflags) {
		sb_adds(out, info->invflags ? " flags:!" : " flags:");
		if (view->numeric)
			sb_printf(out, "0x%02X", info->matchflags);
		else
			add_headers(out, info->matchflags);
	}
	if (info->modeflag)
		sb_adds(out, " soft");
}

static const struct ext_text ipv6header_text = {
	.options = ipv6header_options, .help_head = "ipv6header match options:",
	.save = ipv6header_save, .print = ipv6header_print,
};

const struct match match_ipv6header = {
	.name = "ipv6header", .families = FAMILY_V6, .info_size = sizeof(struct ip6t_ipv6header_info),
	.depends = DEP_BYTES, .match = ipv6header_match, .classify = class_rule_nothing, .checkentry = ipv6header_check, .text = &ipv6header_text,
};
