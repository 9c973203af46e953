/*
 * ext/match/ipv4options.c - "-m ipv4options": which options the IPv4 header carries, as documented: all that are named (or absent
 * with "!"), or with --any one of them. (xtables-addons; its module overlooks NOP, which is documented and seen here)
 */
#include "base/uapi.h"

#include <ctype.h>
#include <stdio.h>

#include "classify/classify.h"
#include "ext/addons.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_NUMBER = 0x1f };

static const struct opt_word names[] = {
	{ "nop", 1 }, { "security", 2 }, { "lsrr", 3 }, { "timestamp", 4 }, { "record-route", 7 }, { "ssrr", 9 },
	{ "mtu-probe", 11 }, { "mtu-reply", 12 }, { "traceroute", 18 }, { "router-alert", 20 }, { NULL }
};

static uint32_t options_of(const uint8_t *at, uint32_t len)
{
	uint32_t found = 0;

	while (len && *at != OPTION_END) {
		uint32_t step = 1;

		if (*at != OPTION_NOP) {
			if (len < 2 || at[1] < 2 || at[1] > len)
				break;
			step = at[1];
		}
		found |= 1u << (*at & OPTION_NUMBER);
		at += step;
		len -= step;
	}
	return found;
}

static bool ipv4options_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ipv4options_mtinfo1 *info = data;
	uint32_t header = MIN_OF(pkt_ip4(pkt)->ihl * 4u, pkt->len);
	uint32_t found = header > sizeof(struct iphdr) ?
			 options_of(pkt->data + sizeof(struct iphdr), header - sizeof(struct iphdr)) : 0;

	found = (found ^ info->invert) & info->map;
	return info->flags & XT_V4OPTS_ANY ? found : found == info->map;
}

static int parse_flags(struct opt_call *call, struct refusal *why)
{
	struct xt_ipv4options_mtinfo1 *info = call->info;
	const char *at = call->arg;

	for (;;) {
		bool invert = *at == '!';
		size_t len;
		char word[32];
		uint64_t number = 0;
		const struct opt_word *name = names;

		at += invert;
		len = strcspn(at, ",");
		if (!len || len >= sizeof(word))
			return refuse(why, -EINVAL, "ipv4options: a symbol is missing in \"%s\"", call->arg);
		memcpy(word, at, len);
		word[len] = '\0';
		while (name->name && strcmp(name->name, word))
			name++;
		if (name->name)
			number = name->value;
		else if (!opt_u64(word, 1, 31, &number))
			return refuse(why, -EINVAL, "ipv4options: unknown option \"%s\"", word);
		info->map |= 1u << number;
		if (invert)
			info->invert |= 1u << number;
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static const struct opt ipv4options_options[] = {
	{ .name = "flags", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_flags, .arg = "[!]symbol[,[!]symbol...]",
	  .help = "names or numbers of options that are there, with ! not there" },
	{ .name = "any", .type = OPT_FLAG, .set_at = offsetof(struct xt_ipv4options_mtinfo1, flags), .set_bits = XT_V4OPTS_ANY,
	  .set_width = 1, .help = "one of them is enough" },
	OPT_END
};

static void ipv4options_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_ipv4options_mtinfo1 *info = data;
	const char *comma = "";

	sb_adds(out, " --flags ");
	for (unsigned int i = 1; i < 32; i++) {
		if (!(info->map & 1u << i))
			continue;
		sb_printf(out, "%s%s%u", comma, info->invert & 1u << i ? "!" : "", i);
		comma = ",";
	}
	sb_adds(out, info->flags & XT_V4OPTS_ANY ? " --any " : " ");
}

static void ipv4options_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m ipv4options");
	ipv4options_save(data, view, out);
}

static const struct ext_text ipv4options_text = {
	.options = ipv4options_options, .help_head = "ipv4options match options:",
	.save = ipv4options_save, .print = ipv4options_print,
};

const struct match match_ipv4options = {
	.name = "ipv4options", .revision = 1, .families = FAMILY_V4, .info_size = sizeof(struct xt_ipv4options_mtinfo1),
	.depends = DEP_L3_OPTIONS | DEP_L3_LEN, .match = ipv4options_match, .classify = class_rule_nothing, .text = &ipv4options_text,
};
