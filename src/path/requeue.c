/*
 * path/requeue.c - a packet comes back from a queue. The world went on while it waited: another packet of its flow may have
 * become the connection, and whoever looked at it may have changed what its route rests on.
 */
#include "conntrack/conntrack.h"
#include "conntrack/user_helper.h"
#include "nat/nat.h"
#include "path/path_internal.h"

struct path_key path_key_of(const struct pkt *pkt)
{
	struct path_key key = { .mark = pkt->mark };

	if (pkt->l.family == NFPROTO_IPV6) {
		if (pkt->len < sizeof(struct ipv6hdr))
			return key;
		memcpy(&key.saddr.in6, &pkt_ip6(pkt)->saddr, sizeof(key.saddr.in6));
		memcpy(&key.daddr.in6, &pkt_ip6(pkt)->daddr, sizeof(key.daddr.in6));
	} else if (pkt->len >= sizeof(struct iphdr)) {
		key.saddr.ip = pkt_ip4(pkt)->saddr;
		key.daddr.ip = pkt_ip4(pkt)->daddr;
		key.tos = pkt_ip4(pkt)->tos;
	}
	return key;
}

/* The tuple that the packet had before this connection's NAT rewrote it. */
static bool tuple_before_nat(const struct instance *inst, const struct pkt *pkt, struct ct_tuple *out)
{
	const struct ct_tuple *orig = ct_tuple(pkt->ct, IP_CT_DIR_ORIGINAL);

	if (!ct_tuple_of_packet(inst, pkt, out))
		return false;
	if (pkt->ct->status & IPS_SRC_NAT) {
		out->src = orig->src;
		out->src_l4 = orig->src_l4;
	}
	if (pkt->ct->status & IPS_DST_NAT) {
		out->dst = orig->dst;
		out->dst_l4 = orig->dst_l4;
	}
	return true;
}

bool path_take_back(struct instance *inst, struct pkt *pkt)
{
	struct ct_tuple tuple;
	struct ct *first;
	uint32_t status;
	int dir;

	if (!pkt->ct)
		return true;
	if (ct_is_confirmed(pkt->ct))
		return ct_user_help_done(inst, pkt);
	if (!tuple_before_nat(inst, pkt, &tuple))
		return false;
	first = ct_find(inst, &pkt->ct->zone, &tuple, &dir);
	if (!first)
		return ct_user_help_done(inst, pkt);
	status = pkt->ct->status;
	pkt_ct_set(inst, pkt, first, pkt->ctinfo);
	ct_put(inst, first);
	/* what its own connection had rewritten so far becomes what the first one's rewrites */
	return (!(status & IPS_SRC_NAT) || nat_packet_half(pkt, pkt->ct, NAT_MANIP_SRC, IP_CT_DIR_ORIGINAL)) &&
	       (!(status & IPS_DST_NAT) || nat_packet_half(pkt, pkt->ct, NAT_MANIP_DST, IP_CT_DIR_ORIGINAL)) &&
	       ct_user_help_done(inst, pkt);
}

bool path_reroute(struct instance *inst, struct pkt *pkt, const struct hook_state *state, const struct path_key *was)
{
	struct path_key now;

	if (state->hooknum != NF_INET_LOCAL_OUT)
		return true;
	now = path_key_of(pkt);
	if (ct_addr_equal(&now.saddr, &was->saddr) && ct_addr_equal(&now.daddr, &was->daddr) && now.mark == was->mark &&
	    now.tos == was->tos)
		return true;
	if (route_me_harder(inst, pkt) == 0)
		return true;
	pkt->drop_reason = DROP_NO_ROUTE;
	return false;
}
