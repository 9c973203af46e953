/*
 * ext/match/pkttype.c - "-m pkttype": to whom the frame was sent. A packet that loops back to the host counts as
 * multicast or broadcast by its address.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_pkttype.h>

#include "classify/classify.h"
#include "ext/option.h"

static bool pkttype_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_pkttype_info *info = data;

	return (pkt_kind(pkt, call->family) == info->pkttype) ^ info->invert;
}

static void pkttype_classify(const void *data, struct class_rule *rule)
{
	const struct xt_pkttype_info *info = data;

	if (info->pkttype & ~0xff || info->invert & ~1)
		class_rule_partly(rule);
	else
		class_rule_term(rule, (struct class_term){ .word = CLASS_KIND, .flags = info->invert ? TERM_NOT : 0, .mask = 0xff,
							   .low = (uint32_t)info->pkttype });
}

/* The first name of a type is the one that is printed. */
static const struct { const char *name; int type; } type_words[] = {
	{ "unicast", PACKET_HOST }, { "broadcast", PACKET_BROADCAST }, { "multicast", PACKET_MULTICAST },
	{ "otherhost", PACKET_OTHERHOST },
	{ "bcast", PACKET_BROADCAST }, { "mcast", PACKET_MULTICAST }, { "host", PACKET_HOST },
};

static int parse_type(struct opt_call *call, struct refusal *why)
{
	struct xt_pkttype_info *info = call->info;

	for (size_t i = 0; i < ARRAY_SIZE(type_words); i++) {
		if (strcasecmp(type_words[i].name, call->arg) == 0) {
			info->pkttype = type_words[i].type;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "pkttype: \"%s\" is not a packet type", call->arg);
}

static const struct opt pkttype_options[] = {
	{ .name = "pkt-type", .type = OPT_CUSTOM, .flags = OPT_REQUIRED | OPT_INVERTIBLE, .parse = parse_type,
	  .invert_at = offsetof(struct xt_pkttype_info, invert), .invert_bits = 1, .invert_width = 4,
	  .arg = "type", .help = "match packet type: unicast, broadcast, multicast, otherhost" },
	OPT_END
};

static void add_type(struct strbuf *out, int type)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_words); i++) {
		if (type_words[i].type == type) {
			sb_printf(out, " %s", type_words[i].name);
			return;
		}
	}
	sb_printf(out, " %d", type);
}

static void pkttype_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_pkttype_info *info = data;

	sb_adds(out, info->invert ? " ! --pkt-type" : " --pkt-type");
	add_type(out, info->pkttype);
}

static void pkttype_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_pkttype_info *info = data;

	sb_adds(out, info->invert ? " PKTTYPE !=" : " PKTTYPE =");
	add_type(out, info->pkttype);
}

static const struct ext_text pkttype_text = {
	.options = pkttype_options, .help_head = "pkttype match options:",
	.save = pkttype_save, .print = pkttype_print,
};

const struct match match_pkttype = {
	.name = "pkttype", .families = FAMILY_ANY, .info_size = sizeof(struct xt_pkttype_info),
	.depends = DEP_PKT_TYPE | DEP_L3_ADDRS, .match = pkttype_match, .classify = pkttype_classify, .text = &pkttype_text,
};
