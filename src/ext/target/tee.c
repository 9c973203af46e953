/*
 * ext/target/tee.c - "-j TEE": a copy of the packet goes to a gateway, as a packet of the host's own.
 * It is not tracked, cannot be fragmented, and no copies are made of copies.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_TEE.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"
#include "path/path.h"
#include "route/route.h"

/* The way to the gateway: a gateway that is on link is itself the next hop, whatever the packet's destination. */
static bool find_way(struct pkt *copy, const struct xt_tee_tginfo *info, const struct ext_call *call)
{
	struct route_flow flow = { .family = call->family, .daddr = info->gw };
	union nf_inet_addr none = { .all = { 0 } };

	if (info->oif[0])
		flow.oif = iface_find(call->inst, info->oif);
	if (call->family == NFPROTO_IPV4)
		flow.tos = pkt_ip4(copy)->tos & 0x1c;
	memset(&copy->route, 0, sizeof(copy->route));
	if (route_output(call->inst, &flow, &copy->route) || copy->route.kind == ROUTE_ERROR)
		return false;
	if (memcmp(&copy->route.gateway, &none, sizeof(none)) == 0 &&
	    !(call->family == NFPROTO_IPV4 && copy->route.flags & (ROUTE_BROADCAST | ROUTE_MULTICAST)))
		copy->route.gateway = info->gw;
	return true;
}

static void send_copy(const struct pkt *pkt, const struct xt_tee_tginfo *info, const struct ext_call *call)
{
	bool is_inbound = call->state->hooknum == NF_INET_PRE_ROUTING || call->state->hooknum == NF_INET_LOCAL_IN;
	struct instance *inst = call->inst;
	struct pkt *copy = pkt_copy(inst, pkt);

	if (!copy)
		return;
	pkt_forget_pieces(copy);	/* the original keeps them: the copy is cut anew */
	pkt_ct_set(inst, copy, NULL, IP_CT_UNTRACKED);
	copy->flags |= PKT_FLAG_TEED;
	copy->flags &= ~PKT_FLAG_HDRINCL;
	if (call->family == NFPROTO_IPV4)
		pkt_ip4(copy)->frag_off |= htons(IP4_DF);
	/* one hop less, so that two hosts that copy to each other come to an end */
	if (is_inbound && call->family == NFPROTO_IPV4)
		pkt_ip4(copy)->ttl--;
	else if (is_inbound)
		pkt_ip6(copy)->hop_limit--;
	if (!find_way(copy, info, call)) {
		pkt_free(inst, copy);
		return;
	}
	copy->in = copy->route.oif;	/* POSTROUTING sees it come from there */
	inst->teeing = true;
	path_made_send(inst, copy, pkt);
	inst->teeing = false;
}

static unsigned int tee_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	if (!call->inst->teeing)
		send_copy(pkt, data, call);
	return XT_CONTINUE;
}

static int tee_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_tee_tginfo *info = data;
	union nf_inet_addr none = { .all = { 0 } };

	if (memcmp(&info->gw, &none, sizeof(none)) == 0)
		return refuse(why, -EINVAL, "TEE: the unspecified address is no gateway");
	if (info->oif[0] && info->oif[sizeof(info->oif) - 1])
		return refuse(why, -EINVAL, "TEE: the interface's name does not end");
	return 0;
}

static int parse_gateway(struct opt_call *call, struct refusal *why)
{
	return opt_host(call, call->arg, &((struct xt_tee_tginfo *)call->info)->gw, why);
}

/* A longer name is cut, not refused. */
static int parse_oif(struct opt_call *call, struct refusal *why)
{
	struct xt_tee_tginfo *info = call->info;

	memcpy(info->oif, call->arg, strnlen(call->arg, sizeof(info->oif) - 1));
	return 0;
}

static void tee_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tee_tginfo *info = data;

	sb_adds(out, " --gateway ");
	print_addr(out, view->family, &info->gw);
	if (info->oif[0])
		sb_printf(out, " --oif %.*s", (int)sizeof(info->oif), info->oif);
}

static void tee_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tee_tginfo *info = data;

	sb_adds(out, " TEE gw:");
	print_addr(out, view->family, &info->gw);
	if (info->oif[0])
		sb_printf(out, " oif=%.*s", (int)sizeof(info->oif), info->oif);
}

static const struct opt tee_options[] = {
	{ .name = "gateway", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_gateway, .arg = "address",
	  .help = "route the copy via this address" },
	{ .name = "oif", .type = OPT_CUSTOM, .parse = parse_oif, .arg = "name", .help = "out by this interface" },
	OPT_END
};

static const struct ext_text tee_text = {
	.options = tee_options, .help_head = "TEE target options:", .save = tee_save, .print = tee_print,
};

const struct target target_tee = {
	.name = "TEE", .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_tee_tginfo),
	.user_size = offsetof(struct xt_tee_tginfo, priv),
	.depends = DEP_STATE,	/* every packet is copied */
	.target = tee_target, .checkentry = tee_check, .text = &tee_text,
};
