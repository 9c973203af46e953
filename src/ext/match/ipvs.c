/*
 * ext/match/ipvs.c - "-m ipvs": packets of connections that a virtual server (IPVS) has distributed. weir has no virtual
 * servers, so that no packet belongs to one, as on a Linux that has none configured.
 */
#include "base/uapi.h"

#include <linux/ip_vs.h>
#include <linux/netfilter/xt_ipvs.h>

#include "classify/classify.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool ipvs_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_ipvs_mtinfo *info = data;

	/* "--ipvs" asks for the property alone; every other question is about a connection that is not there */
	return info->bitmask == XT_IPVS_IPVS_PROPERTY && info->invert & XT_IPVS_IPVS_PROPERTY;
}

static int ipvs_check(void *data, const struct ext_check *check, struct refusal *why)
{
	return 0;
}

static int parse_vproto(struct opt_call *call, struct refusal *why)
{
	return opt_proto(call->arg, &((struct xt_ipvs_mtinfo *)call->info)->l4proto, why);
}

static int parse_vaddr(struct opt_call *call, struct refusal *why)
{
	struct xt_ipvs_mtinfo *info = call->info;

	return opt_host_mask(call, call->arg, &info->vaddr, &info->vmask, why);
}

static int parse_vport(struct opt_call *call, struct refusal *why)
{
	be16 *port = (be16 *)((char *)call->info + call->opt->at);
	uint16_t low, high;
	int err = opt_port_range(call->arg, &low, &high, why);

	if (err || strchr(call->arg, ':'))
		return refuse(why, -EINVAL, "ipvs: --%s takes a port, not \"%s\"", call->opt->name, call->arg);
	*port = htons(low);
	return 0;
}

static int parse_vdir(struct opt_call *call, struct refusal *why)
{
	struct xt_ipvs_mtinfo *info = call->info;

	if (strcasecmp(call->arg, "ORIGINAL") == 0)
		info->invert &= ~XT_IPVS_DIR;
	else if (strcasecmp(call->arg, "REPLY") == 0)
		info->invert |= XT_IPVS_DIR;
	else
		return refuse(why, -EINVAL, "ipvs: --vdir takes ORIGINAL or REPLY, not \"%s\"", call->arg);
	return 0;
}

static const struct { const char *name; uint8_t method; } methods[] = {
	{ "GATE", IP_VS_CONN_F_DROUTE }, { "IPIP", IP_VS_CONN_F_TUNNEL }, { "MASQ", IP_VS_CONN_F_MASQ },
};

static int parse_vmethod(struct opt_call *call, struct refusal *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcasecmp(call->arg, methods[i].name) == 0) {
			((struct xt_ipvs_mtinfo *)call->info)->fwd_method = methods[i].method;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "ipvs: --vmethod takes GATE, IPIP or MASQ, not \"%s\"", call->arg);
}

#define IPVS_BIT(bit) .set_at = offsetof(struct xt_ipvs_mtinfo, bitmask), .set_bits = bit, .set_width = 1
#define IPVS_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_ipvs_mtinfo, invert), \
	.invert_bits = bit, .invert_width = 1

static const struct opt ipvs_options[] = {
	{ .name = "ipvs", .type = OPT_FLAG, IPVS_BIT(XT_IPVS_IPVS_PROPERTY), IPVS_INVERT(XT_IPVS_IPVS_PROPERTY),
	  .help = "packet belongs to an IPVS connection; there are none here" },
	{ .name = "vproto", .type = OPT_CUSTOM, .parse = parse_vproto, IPVS_BIT(XT_IPVS_PROTO), IPVS_INVERT(XT_IPVS_PROTO),
	  .arg = "protocol", .help = "VIP protocol to match" },
	{ .name = "vaddr", .type = OPT_CUSTOM, .parse = parse_vaddr, IPVS_BIT(XT_IPVS_VADDR), IPVS_INVERT(XT_IPVS_VADDR),
	  .arg = "address[/mask]", .help = "VIP address to match" },
	{ .name = "vport", .type = OPT_CUSTOM, .parse = parse_vport, .at = offsetof(struct xt_ipvs_mtinfo, vport),
	  IPVS_BIT(XT_IPVS_VPORT), IPVS_INVERT(XT_IPVS_VPORT), .arg = "port", .help = "VIP port to match" },
	{ .name = "vdir", .type = OPT_CUSTOM, .parse = parse_vdir, IPVS_BIT(XT_IPVS_DIR), .arg = "ORIGINAL|REPLY",
	  .help = "flow direction of packet" },
	{ .name = "vmethod", .type = OPT_CUSTOM, .parse = parse_vmethod, IPVS_BIT(XT_IPVS_METHOD), IPVS_INVERT(XT_IPVS_METHOD),
	  .arg = "GATE|IPIP|MASQ", .help = "IPVS forwarding method used" },
	{ .name = "vportctl", .type = OPT_CUSTOM, .parse = parse_vport, .at = offsetof(struct xt_ipvs_mtinfo, vportctl),
	  IPVS_BIT(XT_IPVS_VPORTCTL), IPVS_INVERT(XT_IPVS_VPORTCTL), .arg = "port",
	  .help = "VIP port of the controlling connection to match" },
	OPT_END
};

/* Every other option implies --ipvs. */
static int ipvs_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_ipvs_mtinfo *info = data;

	if (!seen)
		return refuse(why, -EINVAL, "ipvs: at least one option is required");
	if (info->bitmask & XT_IPVS_ONCE_MASK) {
		if (info->invert & XT_IPVS_IPVS_PROPERTY)
			return refuse(why, -EINVAL, "ipvs: ! --ipvs cannot be together with other options");
		info->bitmask |= XT_IPVS_IPVS_PROPERTY;
	}
	return 0;
}

static const char *method_name(uint8_t method)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "UNKNOWN";
}

static void show_addr(const struct xt_ipvs_mtinfo *info, const struct ext_view *view, struct strbuf *out)
{
	static const union nf_inet_addr none;
	struct ext_view numeric = *view;

	if (!view->numeric && memcmp(&info->vaddr, &none, view->family == NFPROTO_IPV4 ? 4 : 16) == 0) {
		sb_adds(out, " anywhere");
		return;
	}
	numeric.numeric = true;
	print_addr_mask(out, view->family, &info->vaddr, &info->vmask, &numeric);
}

static void ipvs_show(const struct xt_ipvs_mtinfo *info, const char *dashes, const struct ext_view *view, struct strbuf *out)
{
#define BANG(bit) (info->invert & (bit) ? " !" : "")
	if (info->bitmask == XT_IPVS_IPVS_PROPERTY)
		sb_printf(out, "%s %sipvs", BANG(XT_IPVS_IPVS_PROPERTY), dashes);
	if (info->bitmask & XT_IPVS_PROTO)
		sb_printf(out, "%s %svproto %u", BANG(XT_IPVS_PROTO), dashes, info->l4proto);
	if (info->bitmask & XT_IPVS_VADDR) {
		sb_printf(out, "%s %svaddr", BANG(XT_IPVS_VADDR), dashes);
		show_addr(info, view, out);
	}
	if (info->bitmask & XT_IPVS_VPORT)
		sb_printf(out, "%s %svport %u", BANG(XT_IPVS_VPORT), dashes, ntohs(info->vport));
	if (info->bitmask & XT_IPVS_DIR)
		sb_printf(out, " %svdir %s", dashes, info->invert & XT_IPVS_DIR ? "REPLY" : "ORIGINAL");
	if (info->bitmask & XT_IPVS_METHOD)
		sb_printf(out, "%s %svmethod %s", BANG(XT_IPVS_METHOD), dashes, method_name(info->fwd_method));
	if (info->bitmask & XT_IPVS_VPORTCTL)
		sb_printf(out, "%s %svportctl %u", BANG(XT_IPVS_VPORTCTL), dashes, ntohs(info->vportctl));
#undef BANG
}

static void ipvs_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	ipvs_show(data, "--", view, out);
}

static void ipvs_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	ipvs_show(data, "", view, out);
}

static const struct ext_text ipvs_text = {
	.options = ipvs_options, .help_head = "IPVS match options:", .finish = ipvs_finish,
	.save = ipvs_save, .print = ipvs_print,
};

const struct match match_ipvs = {
	.name = "ipvs", .families = FAMILY_ANY, .info_size = sizeof(struct xt_ipvs_mtinfo), .depends = DEP_NOTHING,
	.match = ipvs_match, .classify = class_rule_nothing, .checkentry = ipvs_check, .text = &ipvs_text,
};
