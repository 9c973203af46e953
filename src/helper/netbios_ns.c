/*
 * helper/netbios_ns.c - NetBIOS name service: the host asks by broadcast, anybody of the network may answer.
 * The expectation is a permanent one: every answer within some seconds belongs to the question.
 */
#include <linux/if_addr.h>

#include "conntrack/helper.h"
#include "route/route.h"

enum { NBNS_PORT = 137 };

/* The mask of the network whose broadcast address this is; 0: of none. */
static be32 mask_of_broadcast(const struct iface *iface, be32 daddr)
{
	list_for_each(node, &iface->addrs4) {
		const struct iface_addr *a = list_entry(node, struct iface_addr, node);

		if (!(a->flags & IFA_F_SECONDARY) && a->broadcast == daddr)
			return a->prefix_len ? htonl(UINT32_MAX << (32 - a->prefix_len)) : 0;
	}
	return 0;
}

static unsigned int netbios_ns_help(const struct ct_help_call *call)
{
	const struct pkt *pkt = call->pkt;
	struct ct_expect exp;
	be32 mask;

	/* Only what the host itself has sent out to everybody. */
	if (!(pkt->flags & PKT_FLAG_HDRINCL) || pkt->route.type != RTN_BROADCAST || !pkt->route.oif ||
	    call->dir != IP_CT_DIR_ORIGINAL || ct_family(call->ct) != NFPROTO_IPV4)
		return NF_ACCEPT;
	mask = mask_of_broadcast(pkt->route.oif, pkt_ip4(pkt)->daddr);
	if (!mask)
		return NF_ACCEPT;
	ct_expect_init(&exp, call->ct, 0, NULL, &ct_tuple(call->ct, IP_CT_DIR_REPLY)->dst, IPPROTO_UDP, 0);
	exp.tuple = *ct_tuple(call->ct, IP_CT_DIR_REPLY);
	exp.tuple.src_l4.port = htons(NBNS_PORT);
	exp.mask_src.ip = mask;
	exp.mask_src_port = htons(UINT16_MAX);
	exp.flags = NF_CT_EXPECT_PERMANENT;
	ct_expect_add(call->inst, &exp, NULL);
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL,
		   ct_helper_conf(call->inst)->netbios_ns.timeout * WEIR_HZ);
	return NF_ACCEPT;
}

static void netbios_ns_set_policy(const struct ct_helper_conf *conf, unsigned int class, struct ct_expect_policy *policy)
{
	policy->timeout_sec = conf->netbios_ns.timeout;
}

const struct ct_helper ct_helper_netbios_ns = {
	.name = "netbios-ns", .proto = IPPROTO_UDP, .ip4 = true,
	.policy.max_expected = 1, .set_policy = netbios_ns_set_policy, .help = netbios_ns_help,
};
