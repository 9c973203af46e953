/*
 * path/ip4_in.c - an IPv4 packet arrives: is its header sound, whose is it, what do its options want.
 */
#include "path/path_internal.h"

enum drop_reason ip4_check(struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t header, total;

	if (pkt->type == PACKET_OTHERHOST)
		return DROP_OTHERHOST;
	if (pkt->len < sizeof(*ip) || ip->version != 4 || ip->ihl < 5)
		return DROP_MALFORMED;
	header = ip->ihl * 4;
	if (pkt->len < header)
		return DROP_MALFORMED;
	if (csum_fold(csum_partial(pkt->data, header, 0)))
		return DROP_IP_CHECKSUM;
	total = ntohs(ip->tot_len);
	if (pkt->len < total)
		return DROP_TRUNCATED;
	if (total < header)
		return DROP_MALFORMED;
	pkt->len = total;	/* what follows is the link's padding */
	pkt_parse(pkt);
	return DROP_NONE;
}

void ip4_receive(struct instance *inst, struct pkt *pkt)
{
	struct hook_state state = path_hook(inst, NFPROTO_IPV4, NF_INET_PRE_ROUTING, pkt->in, NULL);

	/* A looped packet brought its route along; NAT takes it away when it turns the packet elsewhere. */
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		ip4_receive_finish(inst, pkt);
}

static bool options_refused(struct instance *inst, struct pkt *pkt)
{
	unsigned int bad;

	pkt->opt.len = pkt_ip4(pkt)->ihl * 4 - sizeof(struct iphdr);
	bad = ip4_options_read(inst, pkt);
	if (bad) {
		icmp_send(inst, pkt, ICMP_PARAMETERPROB, 0, bad << 24);
		return true;
	}
	if (!pkt->opt.srr)
		return false;
	if (!iface_conf_accept_source_route(inst, pkt->in))
		return true;
	return ip4_options_source_route(inst, pkt) != 0;
}

/* The route is an error: tell the sender, as often as its tokens last. A host that does not forward stays silent. */
static void unreachable(struct instance *inst, struct pkt *pkt)
{
	uint8_t code;
	enum drop_reason reason;

	switch (pkt->route.err) {
	case -EHOSTUNREACH:
		code = ICMP_HOST_UNREACH;
		reason = pkt->route.type == RTN_UNREACHABLE ? DROP_UNREACHABLE : DROP_NO_ROUTE;
		break;
	case -ENETUNREACH:
		code = ICMP_NET_UNREACH;
		reason = DROP_NO_ROUTE;
		break;
	case -EACCES:
		code = ICMP_PKT_FILTERED;
		reason = DROP_PROHIBIT;
		break;
	default:
		pkt_drop(inst, pkt, pkt->route.type == RTN_BLACKHOLE ? DROP_BLACKHOLE : DROP_NO_ROUTE);
		return;
	}
	if (!iface_conf_forwarding(inst, pkt->in, NFPROTO_IPV4)) {
		pkt_drop(inst, pkt, DROP_FORWARDING_OFF);
		return;
	}
	if (icmp_error_allow(inst, pkt_ip4(pkt)->saddr))
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, code, 0);
	pkt_drop(inst, pkt, reason);
}

void ip4_receive_finish(struct instance *inst, struct pkt *pkt)
{
	enum drop_reason reason = DROP_NONE;

	if (pkt->route.kind == ROUTE_NONE) {
		/* the kernel looks for a socket first, and wants the TCP header in one piece for that */
		if (pkt->type == PACKET_HOST && pkt->l.l4proto == IPPROTO_TCP)
			pkt_pull_pieces(pkt, pkt->l.l4_off + sizeof(struct tcphdr));
		host_demux(inst, pkt);
		reason = route_input(inst, pkt);
	}
	if (reason != DROP_NONE) {
		pkt_drop(inst, pkt, reason);
		return;
	}
	if (pkt_ip4(pkt)->ihl > 5 && options_refused(inst, pkt)) {
		pkt_drop(inst, pkt, DROP_IP_OPTIONS);
		return;
	}
	if (pkt->route.type != RTN_MULTICAST && pkt->route.type != RTN_BROADCAST &&
	    (pkt->type == PACKET_BROADCAST || pkt->type == PACKET_MULTICAST) &&
	    iface_conf_drop_unicast_in_l2_multicast(inst, pkt->in)) {
		pkt_drop(inst, pkt, DROP_UNICAST_IN_L2_MULTICAST);
		return;
	}
	switch (pkt->route.kind) {
	case ROUTE_LOCAL_IN:
		ip4_local_deliver(inst, pkt);
		break;
	case ROUTE_FORWARD:
		ip4_forward(inst, pkt);
		break;
	default:
		unreachable(inst, pkt);
		break;
	}
}

void ip4_local_deliver(struct instance *inst, struct pkt *pkt)
{
	struct hook_state state;

	if (pkt_ip4(pkt)->frag_off & htons(IP4_MF | IP4_OFFSET_MASK) &&
	    defrag_packet(inst, &pkt, DEFRAG_LOCAL_DELIVER))
		return;
	state = path_hook(inst, NFPROTO_IPV4, NF_INET_LOCAL_IN, pkt->in, NULL);
	if (hook_walk(pkt, &state) == NF_ACCEPT)
		local_deliver4(inst, pkt);
}
