/*
 * ext/match/icmp.c - "-p icmp" and "-p ipv6-icmp": a type and a range of codes.
 * In IPv4 the type 255 means any; IPv6 has no such word.
 */
#include "classify/classify.h"
#include "ext/option.h"

#include <stdio.h>

_Static_assert(sizeof(struct ipt_icmp) == sizeof(struct ip6t_icmp), "one struct for both families");

static bool icmp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct ipt_icmp *info = data;
	const uint8_t *icmp;
	bool fits;

	if (call->fragoff)
		return false;
	icmp = pkt_at(pkt, call->thoff, sizeof(struct icmphdr));
	if (!icmp) {
		call->hotdrop = true;
		return false;
	}
	fits = (call->family == NFPROTO_IPV4 && info->type == 0xff) ||
	       (icmp[0] == info->type && icmp[1] >= info->code[0] && icmp[1] <= info->code[1]);
	return fits != !!(info->invflags & IPT_ICMP_INV);
}

/* Type and code stand where other protocols have their ports. */
static void icmp_classify(const void *data, struct class_rule *rule)
{
	const struct ipt_icmp *info = data;

	if (rule->family == NFPROTO_IPV4 && info->type == 0xff) {
		if (info->invflags & IPT_ICMP_INV)
			class_rule_partly(rule);
		return;
	}
	if (info->invflags & IPT_ICMP_INV) {
		if (info->code[0] > info->code[1])
			return;		/* no packet has these */
		class_rule_term(rule, (struct class_term){ .word = CLASS_PORTS, .flags = TERM_NOT, .mask = UINT32_MAX,
							   .low = (uint32_t)info->type << 16 | info->code[0],
							   .span = (uint32_t)(info->code[1] - info->code[0]) });
		return;
	}
	class_rule_sports(rule, &(struct class_range){ info->type, info->type }, 1);
	class_rule_dports(rule, &(struct class_range){ info->code[0], info->code[1] }, 1);
}

static int icmp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct ipt_icmp *info = data;

	if (info->invflags & ~IPT_ICMP_INV)
		return refuse(why, -EINVAL, "icmp: unknown flags %#x", info->invflags);
	return 0;
}

struct type_name { const char *name; uint8_t type, low, high; };

static const struct type_name icmp4_names[] = {
	{ "any", 0xff, 0, 0xff },
	{ "echo-reply", 0, 0, 0xff }, { "pong", 0, 0, 0xff },
	{ "destination-unreachable", 3, 0, 0xff },
	{ "network-unreachable", 3, 0, 0 }, { "host-unreachable", 3, 1, 1 }, { "protocol-unreachable", 3, 2, 2 },
	{ "port-unreachable", 3, 3, 3 }, { "fragmentation-needed", 3, 4, 4 }, { "source-route-failed", 3, 5, 5 },
	{ "network-unknown", 3, 6, 6 }, { "host-unknown", 3, 7, 7 }, { "network-prohibited", 3, 9, 9 },
	{ "host-prohibited", 3, 10, 10 }, { "TOS-network-unreachable", 3, 11, 11 },
	{ "TOS-host-unreachable", 3, 12, 12 }, { "communication-prohibited", 3, 13, 13 },
	{ "host-precedence-violation", 3, 14, 14 }, { "precedence-cutoff", 3, 15, 15 },
	{ "source-quench", 4, 0, 0xff },
	{ "redirect", 5, 0, 0xff }, { "network-redirect", 5, 0, 0 }, { "host-redirect", 5, 1, 1 },
	{ "TOS-network-redirect", 5, 2, 2 }, { "TOS-host-redirect", 5, 3, 3 },
	{ "echo-request", 8, 0, 0xff }, { "ping", 8, 0, 0xff },
	{ "router-advertisement", 9, 0, 0xff }, { "router-solicitation", 10, 0, 0xff },
	{ "time-exceeded", 11, 0, 0xff }, { "ttl-exceeded", 11, 0, 0xff },
	{ "ttl-zero-during-transit", 11, 0, 0 }, { "ttl-zero-during-reassembly", 11, 1, 1 },
	{ "parameter-problem", 12, 0, 0xff }, { "ip-header-bad", 12, 0, 0 },
	{ "required-option-missing", 12, 1, 1 },
	{ "timestamp-request", 13, 0, 0xff }, { "timestamp-reply", 14, 0, 0xff },
	{ "address-mask-request", 17, 0, 0xff }, { "address-mask-reply", 18, 0, 0xff }, { NULL }
};

static const struct type_name icmp6_names[] = {
	{ "destination-unreachable", 1, 0, 0xff },
	{ "no-route", 1, 0, 0 }, { "communication-prohibited", 1, 1, 1 }, { "beyond-scope", 1, 2, 2 },
	{ "address-unreachable", 1, 3, 3 }, { "port-unreachable", 1, 4, 4 }, { "failed-policy", 1, 5, 5 },
	{ "reject-route", 1, 6, 6 },
	{ "packet-too-big", 2, 0, 0xff },
	{ "time-exceeded", 3, 0, 0xff }, { "ttl-exceeded", 3, 0, 0xff },
	{ "ttl-zero-during-transit", 3, 0, 0 }, { "ttl-zero-during-reassembly", 3, 1, 1 },
	{ "parameter-problem", 4, 0, 0xff }, { "bad-header", 4, 0, 0 }, { "unknown-header-type", 4, 1, 1 },
	{ "unknown-option", 4, 2, 2 },
	{ "echo-request", 128, 0, 0xff }, { "ping", 128, 0, 0xff },
	{ "echo-reply", 129, 0, 0xff }, { "pong", 129, 0, 0xff },
	{ "router-solicitation", 133, 0, 0xff }, { "router-advertisement", 134, 0, 0xff },
	{ "neighbour-solicitation", 135, 0, 0xff }, { "neighbor-solicitation", 135, 0, 0xff },
	{ "neighbour-advertisement", 136, 0, 0xff }, { "neighbor-advertisement", 136, 0, 0xff },
	{ "redirect", 137, 0, 0xff }, { NULL }
};

/* a[:b] */
static bool read_pair(const char **at, uint64_t pair[2])
{
	char *end;

	if (!opt_number(*at, &end, &pair[0]) || pair[0] > UINT8_MAX)
		return false;
	pair[1] = pair[0];
	if (*end == ':' && (!opt_number(end + 1, &end, &pair[1]) || pair[1] > UINT8_MAX))
		return false;
	*at = end;
	return true;
}

/* A name or its unambiguous beginning, or type[/code]; a range of types must be one type, a range of codes may be any. */
static int icmp_parse(struct opt_call *call, struct refusal *why)
{
	const struct type_name *names = call->family == NFPROTO_IPV4 ? icmp4_names : icmp6_names, *found = NULL;
	struct ipt_icmp *info = call->info;
	uint64_t type[2], code[2] = { 0, 0xff };
	size_t len = strlen(call->arg);
	const char *at = call->arg;

	for (; names->name; names++) {
		if (strncasecmp(names->name, call->arg, len))
			continue;
		if (found)
			return refuse(why, -EINVAL, "--%s: \"%s\" can mean %s or %s", call->opt->name, call->arg,
				      found->name, names->name);
		found = names;
	}
	if (found) {
		info->type = found->type;
		info->code[0] = found->low;
		info->code[1] = found->high;
		return 0;
	}
	if (!read_pair(&at, type) || type[0] != type[1] || (*at && *at != '/'))
		return refuse(why, -EINVAL, "--%s does not know the ICMP type \"%s\"", call->opt->name, call->arg);
	if (*at && (at++, !read_pair(&at, code) || *at))
		return refuse(why, -EINVAL, "--%s does not know the ICMP code \"%s\"", call->opt->name, at);
	info->type = (uint8_t)type[0];
	info->code[0] = (uint8_t)code[0];
	info->code[1] = (uint8_t)code[1];
	return 0;
}

static void save_type(const struct ipt_icmp *info, struct strbuf *out)
{
	sb_printf(out, "%u", info->type);
	if (info->code[0] != 0 || info->code[1] != 0xff)
		sb_printf(out, "/%u", info->code[0]);
}

static void icmp4_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_icmp *info = data;

	sb_adds(out, info->invflags & IPT_ICMP_INV ? " ! --icmp-type " : " --icmp-type ");
	if (info->type == 0xff)
		sb_adds(out, "any");
	else
		save_type(info, out);
}

static void icmp6_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_icmp *info = data;

	sb_adds(out, info->invflags & IPT_ICMP_INV ? " ! --icmpv6-type " : " --icmpv6-type ");
	save_type(info, out);
}

static void show_type(const char *head, const struct type_name *name, const struct ipt_icmp *info,
		      const struct ext_view *view, struct strbuf *out)
{
	const char *not = info->invflags & IPT_ICMP_INV ? "!" : "";

	while (name->name && (name->type != info->type || name->low != info->code[0] ||
			      name->high != info->code[1]))
		name++;
	if (name->name && !view->numeric) {
		sb_printf(out, " %s %s%s", head, not, name->name);
		return;
	}
	sb_printf(out, " %s%s%stype %u", head, *not ? " " : "", not, info->type);
	if (info->code[0] == info->code[1])
		sb_printf(out, " code %u", info->code[0]);
	else if (info->code[0] != 0 || info->code[1] != 0xff)
		sb_printf(out, " codes %u-%u", info->code[0], info->code[1]);
}

static void icmp4_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_type("icmp", icmp4_names, data, view, out);
}

static void icmp6_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_type("ipv6-icmp", icmp6_names, data, view, out);
}

#define TYPE_OPTION(n, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, \
	.invert_at = offsetof(struct ipt_icmp, invflags), .invert_bits = IPT_ICMP_INV, .invert_width = 1, \
	.parse = icmp_parse, .arg = "type", .help = h }

static const struct opt icmp4_options[] = {
	TYPE_OPTION("icmp-type", "match ICMP type by name, number or type/code"), OPT_END
};
static const struct opt icmp6_options[] = {
	TYPE_OPTION("icmpv6-type", "match ICMPv6 type by name, number or type/code"), OPT_END
};

/* Names of a type come together; codes below their type. */
static void icmp_help(uint8_t family, struct strbuf *out)
{
	const struct type_name *names = family == NFPROTO_IPV4 ? icmp4_names : icmp6_names;

	sb_printf(out, "Valid %s Types:", family == NFPROTO_IPV4 ? "ICMP" : "ICMPv6");
	for (const struct type_name *at = names; at->name; at++) {
		const bool same = at > names && at->type == at[-1].type && at->low == at[-1].low && at->high == at[-1].high;

		if (same)
			sb_printf(out, " (%s)", at->name);
		else
			sb_printf(out, "\n%s%s", at->low == 0 && at->high == 0xff ? "" : "   ", at->name);
	}
	sb_addc(out, '\n');
}

static const struct ext_text icmp4_text = {
	.options = icmp4_options, .help_tail = icmp_help, .help_head = "icmp match options:", .save = icmp4_save, .print = icmp4_print,
};
static const struct ext_text icmp6_text = {
	.options = icmp6_options, .help_tail = icmp_help, .help_head = "icmpv6 match options:", .save = icmp6_save, .print = icmp6_print,
};

const struct match match_icmp = {
	.name = "icmp", .families = FAMILY_V4, .proto = IPPROTO_ICMP,
	.info_size = sizeof(struct ipt_icmp), .depends = DEP_L4_PORTS | DEP_L3_FRAG,
	.match = icmp_match, .classify = icmp_classify, .checkentry = icmp_check, .checks_rule_only = true, .text = &icmp4_text,
};

const struct match match_icmp6 = {
	.name = "icmp6", .families = FAMILY_V6, .proto = IPPROTO_ICMPV6,
	.info_size = sizeof(struct ip6t_icmp), .depends = DEP_L4_PORTS | DEP_L3_FRAG,
	.match = icmp_match, .classify = icmp_classify, .checkentry = icmp_check, .checks_rule_only = true, .text = &icmp6_text,
};
