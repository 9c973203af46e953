/*
 * ext/match/udp.c - "-p udp" ports; udplite has the same header, and a kernel match without a command line.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_tcpudp.h>

#include "classify/classify.h"
#include "ext/ports.h"

static bool udp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_udp *info = data;
	const uint8_t *udp;

	if (call->fragoff)
		return false;
	udp = pkt_at(pkt, call->thoff, sizeof(struct udphdr));
	if (!udp) {
		call->hotdrop = true;
		return false;
	}
	return port_in(info->spts, get_be16(udp), info->invflags & XT_UDP_INV_SRCPT) &&
	       port_in(info->dpts, get_be16(udp + 2), info->invflags & XT_UDP_INV_DSTPT);
}

static void udp_classify(const void *data, struct class_rule *rule)
{
	const struct xt_udp *info = data;

	ports_classify(info->spts, true, info->invflags & XT_UDP_INV_SRCPT, rule);
	ports_classify(info->dpts, false, info->invflags & XT_UDP_INV_DSTPT, rule);
}

static uint32_t udp_depends(const void *data)
{
	const struct xt_udp *info = data;

	return ports_depends(info->spts, info->dpts) | DEP_L3_FRAG;
}

static int udp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_udp *info = data;

	if (info->invflags & ~XT_UDP_INV_MASK)
		return refuse(why, -EINVAL, "udp: unknown flags %#x", info->invflags);
	return 0;
}

static void udp_init(void *data)
{
	struct xt_udp *info = data;

	info->spts[1] = info->dpts[1] = UINT16_MAX;
}

static int udp_parse_ports(struct opt_call *call, struct refusal *why)
{
	uint16_t *range = (uint16_t *)((char *)call->info + call->opt->at);

	return opt_port_range(call->arg, &range[0], &range[1], why);
}

#define UDP_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_udp, invflags), \
	.invert_bits = bit, .invert_width = 1

static const struct opt udp_options[] = {
	{ .name = "source-port", .type = OPT_CUSTOM, UDP_INVERT(XT_UDP_INV_SRCPT),
	  .at = offsetof(struct xt_udp, spts),
	  .parse = udp_parse_ports, .arg = "port[:port]", .help = "match source port(s)" },
	{ .name = "sport", .same_as = "source-port" },
	{ .name = "destination-port", .type = OPT_CUSTOM, UDP_INVERT(XT_UDP_INV_DSTPT),
	  .at = offsetof(struct xt_udp, dpts), .parse = udp_parse_ports, .arg = "port[:port]",
	  .help = "match destination port(s)" },
	{ .name = "dport", .same_as = "destination-port" },
	OPT_END
};

static void udp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_udp *info = data;

	ports_save(out, "--sport", info->spts, info->invflags & XT_UDP_INV_SRCPT);
	ports_save(out, "--dport", info->dpts, info->invflags & XT_UDP_INV_DSTPT);
}

static void udp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_udp *info = data;

	sb_adds(out, " udp");
	ports_print(out, "spt", info->spts, info->invflags & XT_UDP_INV_SRCPT, "udp", view);
	ports_print(out, "dpt", info->dpts, info->invflags & XT_UDP_INV_DSTPT, "udp", view);
}

static const struct ext_text udp_text = {
	.options = udp_options, .help_head = "udp match options:",
	.init = udp_init, .save = udp_save, .print = udp_print,
};

const struct match match_udp = {
	.name = "udp", .families = FAMILY_ANY, .proto = IPPROTO_UDP,
	.info_size = sizeof(struct xt_udp), .depends = DEP_L4_PORTS | DEP_L3_FRAG,
	.depends_of = udp_depends,
	.match = udp_match, .classify = udp_classify, .checkentry = udp_check, .checks_rule_only = true, .text = &udp_text,
};

const struct match match_udplite = {
	.name = "udplite", .families = FAMILY_ANY, .proto = IPPROTO_UDPLITE,
	.info_size = sizeof(struct xt_udp), .depends = DEP_L4_PORTS | DEP_L3_FRAG,
	.match = udp_match, .classify = udp_classify, .checkentry = udp_check, .checks_rule_only = true,
};
