/*
 * helper/broadcast.c - questions that the host asks everybody.
 * The expectation is a permanent one, from any address of the network: every answer within some seconds belongs to the question.
 */
#include <linux/if_addr.h>

#include "helper/broadcast.h"
#include "route/route.h"

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

void broadcast_expect(const struct ct_help_call *call, uint32_t timeout_sec)
{
	const struct pkt *pkt = call->pkt;
	struct ct_expect exp;
	be32 mask;

	/* Only what the host itself has sent out to everybody. */
	if (!(pkt->flags & PKT_FLAG_HDRINCL) || pkt->route.type != RTN_BROADCAST || !pkt->route.oif ||
	    call->dir != IP_CT_DIR_ORIGINAL || ct_family(call->ct) != NFPROTO_IPV4)
		return;
	mask = mask_of_broadcast(pkt->route.oif, pkt_ip4(pkt)->daddr);
	if (!mask)
		return;
	ct_expect_init(&exp, call->ct, 0, NULL, &ct_tuple(call->ct, IP_CT_DIR_REPLY)->dst, IPPROTO_UDP, 0);
	exp.tuple = *ct_tuple(call->ct, IP_CT_DIR_REPLY);
	exp.tuple.src_l4.port = htons(call->help->helper->port);
	exp.mask_src.ip = mask;
	exp.mask_src_port = htons(UINT16_MAX);
	exp.flags = NF_CT_EXPECT_PERMANENT;
	ct_expect_add(call->inst, &exp, NULL);
	ct_refresh(call->inst, call->ct, call->ctinfo, NULL, timeout_sec * WEIR_HZ);
}
