/*
 * nat/redirect.c - the destination becomes this host: the first address of the interface the packet came in by,
 * or the loopback address for packets that the host itself sends.
 */
#include "nat/nat_internal.h"
#include "route/route.h"

static unsigned int redirect(struct pkt *pkt, const struct nf_nat_range2 *range, const union nf_inet_addr *dst,
			     const struct hook_state *state)
{
	struct nf_nat_range2 exact = {
		.flags = range->flags | NF_NAT_RANGE_MAP_IPS, .min_addr = *dst, .max_addr = *dst,
		.min_proto = range->min_proto, .max_proto = range->max_proto,
	};

	return nat_setup(state->inst, pkt_ct(pkt), &exact, NAT_MANIP_DST);
}

unsigned int nat_redirect4(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state)
{
	union nf_inet_addr dst = { { 0 } };

	if (!pkt_ct(pkt))
		return NF_DROP;
	if (state->hooknum == NF_INET_LOCAL_OUT)
		dst.ip = htonl(INADDR_LOOPBACK);
	else if (pkt->in && !list_is_empty(&pkt->in->addrs4))
		dst.ip = list_entry(pkt->in->addrs4.next, struct iface_addr, node)->addr.ip;
	if (!dst.ip)
		return NF_DROP;
	return redirect(pkt, range, &dst, state);
}

/* How far an address reaches, as far as the choice cares. */
enum reach { REACH_GLOBAL, REACH_HOST, REACH_LINK, REACH_SITE };

static enum reach reach_of(const struct in6_addr *addr)
{
	const uint8_t *b = addr->s6_addr;

	if (b[0] == 0xff) {
		switch (b[1] & 0xf) {
		case 1:
			return REACH_HOST;
		case 2:
			return REACH_LINK;
		case 5:
			return REACH_SITE;
		default:
			return REACH_GLOBAL;
		}
	}
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return REACH_LINK;
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0xc0)
		return REACH_SITE;
	return IN6_IS_ADDR_LOOPBACK(addr) ? REACH_HOST : REACH_GLOBAL;
}

static bool is_usable(const struct iface_addr *addr, enum reach wanted)
{
	if (IN6_IS_ADDR_V4MAPPED(&addr->addr.in6))
		return false;
	if ((addr->flags & IFA_F_TENTATIVE) && !(addr->flags & IFA_F_OPTIMISTIC))
		return false;
	return wanted == REACH_GLOBAL || reach_of(&addr->addr.in6) == wanted;
}

unsigned int nat_redirect6(struct pkt *pkt, const struct nf_nat_range2 *range, const struct hook_state *state)
{
	union nf_inet_addr dst = { { 0 } };
	struct in6_addr wanted;

	if (!pkt_ct(pkt))
		return NF_DROP;
	if (state->hooknum == NF_INET_LOCAL_OUT) {
		dst.in6.s6_addr[15] = 1;
		return redirect(pkt, range, &dst, state);
	}
	if (!pkt->in)
		return NF_DROP;
	memcpy(&wanted, &pkt_ip6(pkt)->daddr, sizeof(wanted));
	list_for_each(node, &pkt->in->addrs6) {
		const struct iface_addr *addr = list_entry(node, struct iface_addr, node);

		if (is_usable(addr, reach_of(&wanted))) {
			dst = addr->addr;
			return redirect(pkt, range, &dst, state);
		}
	}
	return NF_DROP;
}
