/*
 * ext/target/tproxy.c - "-j TPROXY": hands the packet to a local proxy's socket, as it came.
 * No program listens inside weir, so there is never such a socket, and what Linux does then is done: the packet is dropped.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_TPROXY.h>

#include "ext/option.h"
#include "packet/defrag.h"

static unsigned int tproxy_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	pkt->drop_reason = DROP_RULE;
	return NF_DROP;
}

static int tproxy_check(void *data, const struct ext_check *check, struct refusal *why)
{
	int err;

	if ((check->proto != IPPROTO_TCP && check->proto != IPPROTO_UDP) || check->proto_inverted ||
	    (check->family == NFPROTO_IPV6 && !(check->ip6_flags & IP6T_F_PROTO)))
		return refuse(why, -EINVAL, "TPROXY: needs -p tcp or -p udp");
	err = defrag_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "TPROXY: fragments cannot be put together") : 0;
}

static void tproxy_destroy(void *data, const struct ext_check *check)
{
	defrag_hooks_put(check->inst, check->family);
}

/* A number modulo 2^16, or a service of any protocol. */
static int parse_port(struct opt_call *call, struct refusal *why)
{
	struct xt_tproxy_target_info_v1 *info = call->info;
	uint64_t port;
	uint16_t low;

	if (opt_u64(call->arg, 0, UINT32_MAX, &port)) {
		info->lport = htons((uint16_t)port);
		return 0;
	}
	if (opt_port(call->arg, NULL, &low, why))
		return -EINVAL;
	info->lport = htons(low);
	return 0;
}

static int parse_ip(struct opt_call *call, struct refusal *why)
{
	return opt_host(call->arg, call->family, &((struct xt_tproxy_target_info_v1 *)call->info)->laddr, why);
}

/* The struct keeps the mask before the value. */
static int parse_mark(struct opt_call *call, struct refusal *why)
{
	struct xt_tproxy_target_info_v1 *info = call->info;
	uint32_t value = info->mark_mask;

	info->mark_mask = info->mark_value;
	info->mark_value = value;
	return 0;
}

static void tproxy_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tproxy_target_info_v1 *info = data;

	sb_printf(out, " --on-port %u --on-ip ", ntohs(info->lport));
	print_addr(out, view->family, &info->laddr);
	sb_printf(out, " --tproxy-mark 0x%x/0x%x", info->mark_value, info->mark_mask);
}

static void tproxy_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tproxy_target_info_v1 *info = data;

	sb_adds(out, " TPROXY redirect ");
	print_addr(out, view->family, &info->laddr);
	sb_printf(out, ":%u mark 0x%x/0x%x", ntohs(info->lport), info->mark_value, info->mark_mask);
}

static const struct opt tproxy_options[] = {
	{ .name = "on-port", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_port, .arg = "port",
	  .help = "redirect connection to port, or the original port if 0" },
	{ .name = "on-ip", .type = OPT_CUSTOM, .parse = parse_ip, .arg = "ip",
	  .help = "redirect to the given address" },
	{ .name = "tproxy-mark", .type = OPT_MARK_MASK, .at = offsetof(struct xt_tproxy_target_info_v1, mark_mask),
	  .parse = parse_mark, .arg = "value[/mask]", .help = "mark packets that found a socket" },
	OPT_END
};

static const struct ext_text tproxy_text = {
	.options = tproxy_options, .help_head = "TPROXY target options:", .save = tproxy_save, .print = tproxy_print,
};

#define TPROXY_COMMON .name = "TPROXY", .table = "mangle", .hooks = 1 << NF_INET_PRE_ROUTING, .depends = DEP_NOTHING, \
	.target = tproxy_target, .checkentry = tproxy_check, .destroy = tproxy_destroy

const struct target target_tproxy_0 = {
	TPROXY_COMMON, .revision = 0, .families = FAMILY_V4, .info_size = sizeof(struct xt_tproxy_target_info),
};
const struct target target_tproxy_1 = {
	TPROXY_COMMON, .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_tproxy_target_info_v1),
	.text = &tproxy_text,
};
