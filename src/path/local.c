/*
 * path/local.c - the host: what reaches it is handed to whoever listens at the local port, and what it sends
 * enters as through a raw socket with its own header (IP_HDRINCL). weir answers for it only where the IP
 * layer does so itself.
 */
#include "flowcache/flowcache.h"
#include "path/path_internal.h"

static void deliver(struct instance *inst, struct pkt *pkt)
{
	be16 sum;

	if (unlikely(inst->record))
		flowcache_note_end(inst, pkt, 0, NULL);
	pkt->out = NULL;
	if (!inst->observer.deliver)
		return;
	sum = pkt_sum_put_off(pkt);
	inst->observer.deliver(inst->observer.priv, pkt);
	pkt_sum_put_back(pkt, sum);
}

void local_deliver4(struct instance *inst, struct pkt *pkt)
{
	deliver(inst, pkt);
	if (inst->host_echo && pkt_ip4(pkt)->protocol == IPPROTO_ICMP)
		icmp_echo_reply(inst, pkt);
	pkt_free(inst, pkt);
}

void local_deliver6(struct instance *inst, struct pkt *pkt)
{
	deliver(inst, pkt);
}

void local_payload6(struct instance *inst, struct pkt *pkt, uint8_t proto, uint32_t l4)
{
	enum { ND_FIRST = 133, ND_LAST = 137 };

	if (proto == IPPROTO_ICMPV6 && l4 < pkt->len && pkt_l4_checksum_ok(pkt)) {
		if (pkt->data[l4] >= ND_FIRST && pkt->data[l4] <= ND_LAST)
			ndisc_receive(inst, pkt, l4);
		else if (inst->host_echo)
			icmp6_echo_reply(inst, pkt);
	}
	pkt_free(inst, pkt);
}

/* A socket's packet that cannot be sent: its send() fails. */
static void refuse_send(struct instance *inst, struct pkt *pkt, int err)
{
	enum drop_reason reason = DROP_NO_ROUTE;

	if (err == -EMSGSIZE)
		reason = DROP_MTU;
	else if (err == -EINVAL)
		reason = DROP_MALFORMED;
	else if (err == -EACCES)
		reason = DROP_PROHIBIT;
	pkt_drop(inst, pkt, reason);
}

/* The declared socket that sends it gives the packet its mark, and binds it to its device. */
static void find_sender(struct instance *inst, struct pkt *pkt)
{
	if (!host_sockets_count(inst->sockets))
		return;
	pkt_parse(pkt);
	if (!pkt->socket)
		pkt_socket_set(pkt, host_socket_of_sent(inst, pkt));
	if (pkt->socket && pkt->socket->spec.mark)
		pkt->mark = pkt->socket->spec.mark;
}

static struct iface *bound_device(struct instance *inst, const struct pkt *pkt)
{
	return pkt->socket && pkt->socket->spec.dev ? iface_by_index(inst, pkt->socket->spec.dev) : NULL;
}

static int send_header4(struct instance *inst, struct pkt *pkt)
{
	struct route_flow flow = { .family = NFPROTO_IPV4, .proto = IPPROTO_RAW, .mark = pkt->mark,
				   .oif = bound_device(inst, pkt) };
	struct iphdr *ip = pkt_ip4(pkt);
	int err;

	if (pkt->len < sizeof(*ip) || ip->ihl < 5 || ip->ihl * 4u > pkt->len)
		return -EINVAL;
	flow.daddr.ip = ip->daddr;
	err = route_output(inst, &flow, &pkt->route);
	if (err)
		return err;
	if (pkt->len > pkt->route.oif->mtu)
		return -EMSGSIZE;
	if (!ip->saddr)
		ip->saddr = flow.saddr.ip;
	return 0;
}

static int send_header6(struct instance *inst, struct pkt *pkt)
{
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = IPPROTO_RAW, .mark = pkt->mark,
				   .oif = bound_device(inst, pkt) };
	int err;

	if (pkt->len < sizeof(struct ipv6hdr))
		return -EINVAL;
	flow.daddr.in6 = pkt_ip6(pkt)->daddr;
	if (ip6_is_any(&flow.daddr.in6))
		flow.daddr.in6 = in6addr_loopback;	/* the unspecified address means this host */
	err = route_output(inst, &flow, &pkt->route);
	if (!err && pkt->len > pkt->route.oif->mtu)
		err = -EMSGSIZE;
	return err;
}

void path_send_local(struct instance *inst, struct pkt *pkt)
{
	bool six;
	int err;

	if (!pkt->len) {
		refuse_send(inst, pkt, -EINVAL);
		return;
	}
	six = pkt->data[0] >> 4 == 6;
	pkt->protocol = six ? ETH_P_IPV6 : ETH_P_IP;
	pkt->in = NULL;
	pkt->type = PACKET_HOST;
	pkt->flags = PKT_FLAG_LOCAL | PKT_FLAG_HDRINCL;
	pkt->opt = (struct pkt_options){ .len = 0 };
	path_enter(inst);
	find_sender(inst, pkt);
	err = six ? send_header6(inst, pkt) : send_header4(inst, pkt);
	if (err)
		refuse_send(inst, pkt, err);
	else
		path_local_out(inst, pkt);
	path_leave(inst);
}
