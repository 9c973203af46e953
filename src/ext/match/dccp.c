/* ext/match/dccp.c - "-m dccp": ports, packet type and options of the datagram congestion control protocol. */
#include "base/uapi.h"

#include <linux/netfilter/xt_dccp.h>

#include "classify/classify.h"
#include "ext/ports.h"

enum { DCCP_HEADER = 12, DCCP_LONG_HEADER = 16, DCCP_SHORT_SEQ = 1, TYPE_INVALID = 10, TYPES = 16 };

/* What stands between the common header and the options of each type; unknown types are as long as a RESET. */
static unsigned int head_len(const uint8_t *dccp)
{
	static const uint8_t more[] = { 4, 12, 0, 8, 8, 8, 8, 12, 8, 8 };
	unsigned int type = dccp[8] >> 1 & 15;

	return (dccp[8] & DCCP_SHORT_SEQ ? DCCP_LONG_HEADER : DCCP_HEADER) + (type < sizeof(more) ? more[type] : 12);
}

/* Asked about a header whose own words disagree with the packet, it drops it. */
static bool has_option(const struct pkt *pkt, const uint8_t *dccp, struct ext_call *call, uint8_t wanted)
{
	unsigned int head = head_len(dccp), len, at = 0;
	const uint8_t *options;

	if (dccp[4] * 4u < head) {
		call->hotdrop = true;
		return false;
	}
	len = dccp[4] * 4u - head;
	options = len ? pkt_at(pkt, call->thoff + head, len) : dccp;
	if (!options) {
		call->hotdrop = true;
		return false;
	}
	while (at < len) {
		if (options[at] == wanted)
			return true;
		at += options[at] < 2 || at + 1 == len || options[at + 1] == 0 ? 1 : options[at + 1];
	}
	return false;
}

#define ASKED(bit) (info->flags & (bit))
#define NOT(bit) (!!(info->invflags & (bit)))

static bool dccp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_dccp_info *info = data;
	const uint8_t *dccp;

	if (call->fragoff)
		return false;
	dccp = pkt_at(pkt, call->thoff, DCCP_HEADER);
	if (!dccp) {
		call->hotdrop = true;
		return false;
	}
	return (!ASKED(XT_DCCP_SRC_PORTS) || port_in(info->spts, get_be16(dccp), NOT(XT_DCCP_SRC_PORTS))) &&
	       (!ASKED(XT_DCCP_DEST_PORTS) || port_in(info->dpts, get_be16(dccp + 2), NOT(XT_DCCP_DEST_PORTS))) &&
	       (!ASKED(XT_DCCP_TYPE) || !!(info->typemask & 1u << (dccp[8] >> 1 & 15)) != NOT(XT_DCCP_TYPE)) &&
	       (!ASKED(XT_DCCP_OPTION) || has_option(pkt, dccp, call, info->option) != NOT(XT_DCCP_OPTION));
}

static void dccp_classify(const void *data, struct class_rule *rule)
{
	const struct xt_dccp_info *info = data;

	if (ASKED(XT_DCCP_SRC_PORTS) && !NOT(XT_DCCP_SRC_PORTS))
		class_rule_sports(rule, &(struct class_range){ info->spts[0], info->spts[1] }, 1);
	if (ASKED(XT_DCCP_DEST_PORTS) && !NOT(XT_DCCP_DEST_PORTS))
		class_rule_dports(rule, &(struct class_range){ info->dpts[0], info->dpts[1] }, 1);
	if (ASKED(XT_DCCP_OPTION))
		class_rule_close(rule);		/* options that are cut off */
	class_rule_partly(rule);
}

static int dccp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_dccp_info *info = data;

	if (((info->flags | info->invflags) & ~XT_DCCP_VALID_FLAGS) || (info->invflags & ~info->flags))
		return refuse(why, -EINVAL, "dccp: unknown flags %#x, %#x", info->flags, info->invflags);
	return 0;
}

static int parse_ports(struct opt_call *call, struct refusal *why)
{
	uint16_t *range = (uint16_t *)((char *)call->info + call->opt->at);

	return opt_port_range(call->arg, &range[0], &range[1], why);
}

static const char *const type_words[] = {
	"REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID",
};

static int parse_types(struct opt_call *call, struct refusal *why)
{
	struct xt_dccp_info *info = call->info;

	for (const char *at = call->arg;; at++) {
		size_t len, type = 0;

		at += strspn(at, ",");
		if (!*at)
			return 0;
		len = strcspn(at, ",");
		while (type < ARRAY_SIZE(type_words) && (strncasecmp(type_words[type], at, len) || type_words[type][len]))
			type++;
		if (type == ARRAY_SIZE(type_words))
			return refuse(why, -EINVAL, "dccp: \"%.*s\" is not a packet type", (int)len, at);
		info->typemask |= type == TYPE_INVALID ? UINT16_MAX << TYPE_INVALID : 1u << type;
		at += len;
		if (!*at)
			return 0;
	}
}

#define DCCP_BITS(bit) .flags = OPT_INVERTIBLE, \
	.set_at = offsetof(struct xt_dccp_info, flags), .set_bits = bit, .set_width = 2, \
	.invert_at = offsetof(struct xt_dccp_info, invflags), .invert_bits = bit, .invert_width = 2

static const struct opt dccp_options[] = {
	{ .name = "source-port", .type = OPT_CUSTOM, DCCP_BITS(XT_DCCP_SRC_PORTS), .parse = parse_ports,
	  .at = offsetof(struct xt_dccp_info, spts), .arg = "port[:port]", .help = "match source port(s)" },
	{ .name = "sport", .same_as = "source-port" },
	{ .name = "destination-port", .type = OPT_CUSTOM, DCCP_BITS(XT_DCCP_DEST_PORTS), .parse = parse_ports,
	  .at = offsetof(struct xt_dccp_info, dpts), .arg = "port[:port]", .help = "match destination port(s)" },
	{ .name = "dport", .same_as = "destination-port" },
	{ .name = "dccp-types", .type = OPT_CUSTOM, DCCP_BITS(XT_DCCP_TYPE), .parse = parse_types, .arg = "type[,...]",
	  .help = "match when packet is one of the given types" },
	{ .name = "dccp-option", .type = OPT_U8, .min = 1, .max = 255, DCCP_BITS(XT_DCCP_OPTION),
	  .at = offsetof(struct xt_dccp_info, option), .arg = "option", .help = "match if option (by number) is set" },
	OPT_END
};

static void save_ports(struct strbuf *out, const char *option, const uint16_t range[2], bool invert)
{
	sb_printf(out, "%s --%s %u", invert ? " !" : "", option, range[0]);
	if (range[0] != range[1])
		sb_printf(out, ":%u", range[1]);
}

static void add_types(struct strbuf *out, const struct xt_dccp_info *info, bool numeric)
{
	const char *sep = "";

	sb_adds(out, NOT(XT_DCCP_TYPE) ? " ! " : " ");
	for (unsigned int type = 0; type < TYPES && (numeric || type <= TYPE_INVALID); type++) {
		if (!(info->typemask & 1u << type))
			continue;
		if (numeric)
			sb_printf(out, "%s%u", sep, type);
		else
			sb_printf(out, "%s%s", sep, type_words[type]);
		sep = ",";
	}
}

static void dccp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_dccp_info *info = data;

	if (ASKED(XT_DCCP_SRC_PORTS))
		save_ports(out, "sport", info->spts, NOT(XT_DCCP_SRC_PORTS));
	if (ASKED(XT_DCCP_DEST_PORTS))
		save_ports(out, "dport", info->dpts, NOT(XT_DCCP_DEST_PORTS));
	if (ASKED(XT_DCCP_TYPE)) {
		sb_adds(out, NOT(XT_DCCP_TYPE) ? " ! --dccp-types" : " --dccp-types");
		struct xt_dccp_info plain = *info;

		plain.invflags = 0;
		add_types(out, &plain, false);
	}
	if (ASKED(XT_DCCP_OPTION))
		sb_printf(out, "%s --dccp-option %u", NOT(XT_DCCP_OPTION) ? " !" : "", info->option);
}

static void dccp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_dccp_info *info = data;

	sb_adds(out, " dccp");
	if (ASKED(XT_DCCP_SRC_PORTS))
		ports_print(out, "spt", info->spts, NOT(XT_DCCP_SRC_PORTS), "dccp", view);
	if (ASKED(XT_DCCP_DEST_PORTS))
		ports_print(out, "dpt", info->dpts, NOT(XT_DCCP_DEST_PORTS), "dccp", view);
	if (ASKED(XT_DCCP_TYPE))
		add_types(out, info, view->numeric);
	if (ASKED(XT_DCCP_OPTION))
		sb_printf(out, " option=%s%u", NOT(XT_DCCP_OPTION) ? "!" : "", info->option);
}

static const struct ext_text dccp_text = {
	.options = dccp_options, .help_head = "dccp match options", .save = dccp_save, .print = dccp_print,
};

const struct match match_dccp = {
	.name = "dccp", .families = FAMILY_ANY, .proto = IPPROTO_DCCP, .info_size = sizeof(struct xt_dccp_info),
	.depends = DEP_L4_PORTS | DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_L3_FRAG | DEP_L3_LEN | DEP_PAYLOAD,
	.match = dccp_match, .classify = dccp_classify, .checkentry = dccp_check, .checks_rule_only = true, .text = &dccp_text,
};
