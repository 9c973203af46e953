/*
 * ext/match/multiport.c - "-m multiport": up to 15 ports, two slots for a range.
 * checkentry guarantees that a range never starts in the last slot in use, so matching needs no look-out.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_multiport.h>

#include <stdio.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool side_listed(const struct xt_multiport_v1 *info, unsigned int slot, uint16_t port)
{
	if (info->pflags[slot])
		return port >= info->ports[slot] && port <= info->ports[slot + 1];
	return port == info->ports[slot];
}

static bool multiport_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_multiport_v1 *info = data;
	const uint8_t *ports;
	uint16_t src, dst;

	if (call->fragoff)
		return false;
	ports = pkt_at(pkt, call->thoff, 4);
	if (!ports) {
		call->hotdrop = true;
		return false;
	}
	src = get_be16(ports);
	dst = get_be16(ports + 2);
	for (unsigned int slot = 0; slot < info->count; slot += 1 + !!info->pflags[slot]) {
		if ((info->flags != XT_MULTIPORT_DESTINATION && side_listed(info, slot, src)) ||
		    (info->flags != XT_MULTIPORT_SOURCE && side_listed(info, slot, dst)))
			return !info->invert;
	}
	return info->invert;
}

static void multiport_classify(const void *data, struct class_rule *rule)
{
	const struct xt_multiport_v1 *info = data;
	struct class_range ranges[XT_MULTI_PORTS];
	unsigned int count = 0;

	for (unsigned int slot = 0; slot < info->count; slot += 1 + !!info->pflags[slot])
		ranges[count++] = (struct class_range){ info->ports[slot], info->ports[slot + !!info->pflags[slot]] };
	if (info->invert) {
		if (info->flags != XT_MULTIPORT_DESTINATION)
			class_rule_unless_ports(rule, true, ranges, count);
		if (info->flags != XT_MULTIPORT_SOURCE)
			class_rule_unless_ports(rule, false, ranges, count);
	} else if (info->flags == XT_MULTIPORT_EITHER) {
		class_rule_either(rule, ranges, count);
	} else {
		(info->flags == XT_MULTIPORT_SOURCE ? class_rule_sports : class_rule_dports)(rule, ranges, count);
	}
}

static bool is_port_proto(uint16_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

static int multiport_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_multiport_v1 *info = data;

	if (!is_port_proto(check->proto) || check->proto_inverted)
		return refuse(why, -EINVAL, "multiport: needs -p tcp, udp, udplite, sctp or dccp");
	if (info->flags > XT_MULTIPORT_EITHER || info->count > XT_MULTI_PORTS)
		return refuse(why, -EINVAL, "multiport: unknown kind %u or too many ports (%u)", info->flags,
			      info->count);
	for (unsigned int slot = 0; slot < info->count; slot++) {
		if (!info->pflags[slot])
			continue;
		slot++;
		if (slot >= info->count || info->pflags[slot] || info->ports[slot - 1] > info->ports[slot])
			return refuse(why, -EINVAL, "multiport: a port range is incomplete or runs backwards");
	}
	return 0;
}

static const char *proto_of_rule(const struct opt_call *call, struct refusal *why)
{
	uint16_t proto = call->e4 ? call->e4->ip.proto : call->e6 ? call->e6->ipv6.proto : 0;
	uint8_t inverted = call->e4 ? call->e4->ip.invflags & XT_INV_PROTO : call->e6 ?
			   call->e6->ipv6.invflags & XT_INV_PROTO : 0;

	if (inverted || !is_port_proto(proto)) {
		refuse(why, -EINVAL, "multiport: needs -p tcp, udp, udplite, sctp or dccp before it");
		refuse_upstream(why, "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'");
		return NULL;
	}
	return print_proto_name(proto);
}

static int parse_port_word(const char *text, size_t len, const char *proto, uint16_t *out, struct refusal *why)
{
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	return opt_port(word, proto, out, why);
}

static int multiport_parse(struct opt_call *call, struct refusal *why)
{
	struct xt_multiport_v1 *info = call->info;
	const char *proto = proto_of_rule(call, why), *at = call->arg;
	unsigned int slot = 0;
	int err;

	if (!proto)
		return -EINVAL;
	for (;; at++) {
		size_t len = strcspn(at, ","), first = strcspn(at, ":,");

		if (slot + 1 + (first < len) > XT_MULTI_PORTS) {
			refuse(why, -EINVAL, "multiport: at most %d ports, and a range counts as two", XT_MULTI_PORTS);
			refuse_upstream(why, "too many ports specified");
			return -EINVAL;
		}
		err = parse_port_word(at, first, proto, &info->ports[slot], why);
		if (!err && first < len) {
			info->pflags[slot++] = 1;
			err = parse_port_word(at + first + 1, len - first - 1, proto, &info->ports[slot], why);
			if (!err && info->ports[slot - 1] >= info->ports[slot])
				err = refuse(why, -EINVAL,
					     "multiport: the port range \"%.*s\" is empty or runs backwards",
					     (int)len, at);
		}
		if (err)
			return err;
		slot++;
		at += len;
		if (!*at)
			break;
	}
	info->count = slot;
	info->flags = *call->opt->name == 's' ? XT_MULTIPORT_SOURCE :
		      *call->opt->name == 'd' ? XT_MULTIPORT_DESTINATION : XT_MULTIPORT_EITHER;
	return 0;
}

#define MULTIPORT_OPTION(n, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE, .parse = multiport_parse, \
	.invert_at = offsetof(struct xt_multiport_v1, invert), .invert_bits = 1, .invert_width = 1, \
	.excludes = "source-ports destination-ports ports", .arg = "port[,port:port...]", .help = h }

static const struct opt multiport_options[] = {
	MULTIPORT_OPTION("source-ports", "match source port(s)"),
	{ .name = "sports", .same_as = "source-ports" },
	MULTIPORT_OPTION("destination-ports", "match destination port(s)"),
	{ .name = "dports", .same_as = "destination-ports" },
	MULTIPORT_OPTION("ports", "match both source and destination port(s)"),
	OPT_END
};

static int multiport_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	if (!seen)
		return refuse(why, -EINVAL,
			      "multiport: one of --source-ports, --destination-ports, --ports is required");
	return 0;
}

static const char *const side_words[] = { "sports", "dports", "ports" };

static void add_ports(const struct xt_multiport_v1 *info, const struct ext_view *view, struct strbuf *out)
{
	const char *proto = print_proto_name(view->proto);
	char buf[64];

	for (unsigned int slot = 0; slot < MIN_OF(info->count, XT_MULTI_PORTS); slot++) {
		sb_printf(out, "%s%s", slot ? "," : "", print_port(info->ports[slot], proto, view, buf));
		if (info->pflags[slot] && slot + 1 < XT_MULTI_PORTS) {
			slot++;
			sb_printf(out, ":%s", print_port(info->ports[slot], proto, view, buf));
		}
	}
}

static void multiport_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_multiport_v1 *info = data;
	struct ext_view numeric = *view;

	numeric.numeric = true;
	sb_printf(out, "%s --%s ", info->invert ? " !" : "", side_words[MIN_OF(info->flags, XT_MULTIPORT_EITHER)]);
	add_ports(info, &numeric, out);
}

static void multiport_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_multiport_v1 *info = data;

	sb_printf(out, " multiport %s %s", side_words[MIN_OF(info->flags, XT_MULTIPORT_EITHER)],
		  info->invert ? " !" : "");
	add_ports(info, view, out);
}

static uint32_t multiport_depends(const void *data)
{
	const struct xt_multiport_v1 *info = data;

	return DEP_L3_FRAG | (info->flags != XT_MULTIPORT_DESTINATION ? DEP_L4_SPORT : 0) |
	       (info->flags != XT_MULTIPORT_SOURCE ? DEP_L4_DPORT : 0);
}

static const struct ext_text multiport_text = {
	.options = multiport_options, .help_head = "multiport match options:",
	.finish = multiport_finish, .save = multiport_save, .print = multiport_print,
};

const struct match match_multiport = {
	.name = "multiport", .revision = 1, .families = FAMILY_ANY,
	.info_size = sizeof(struct xt_multiport_v1), .depends = DEP_L4_PORTS | DEP_L3_FRAG,
	.depends_of = multiport_depends,
	.match = multiport_match, .classify = multiport_classify, .checkentry = multiport_check, .checks_rule_only = true, .text = &multiport_text,
};
