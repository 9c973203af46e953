/*
 * path/icmp6.c - the ICMPv6 errors that IPv6 sends, about whom and from which address; and, when the host is
 * to show itself, answers to pings.
 */
#include "conntrack/conntrack.h"
#include "path/path_internal.h"

enum { ICMP6_INFORMATIONAL = 0x80 };

/* ipv6_skip_exthdr(): to the first header that is none of extension; 0 when the headers are cut short. */
static uint32_t skip_extensions(const struct pkt *pkt, uint8_t *proto, uint16_t *fragment)
{
	uint32_t at = sizeof(struct ipv6hdr);

	*proto = pkt_ip6(pkt)->nexthdr;
	*fragment = 0;
	for (;;) {
		uint32_t len;

		switch (*proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
			break;
		case IPPROTO_NONE:
			return 0;
		default:
			return at;
		}
		if (at + 2 > pkt->len)
			return 0;
		len = (pkt->data[at + 1] + 1u) * 8;
		if (*proto == IPPROTO_AH)
			len = (pkt->data[at + 1] + 2u) * 4;
		if (*proto == IPPROTO_FRAGMENT) {
			if (at + 4 > pkt->len)
				return 0;
			len = 8;
			*fragment = get_be16(pkt->data + at + 2);
			if (*fragment & IP6_OFFSET_MASK)
				return at;
		}
		*proto = pkt->data[at];
		at += len;
	}
}

/* RFC 4443 2.4 (e): no error about an error, or about what may be one. */
static bool is_error_message(const struct pkt *pkt)
{
	uint8_t proto;
	uint16_t fragment;
	uint32_t at = skip_extensions(pkt, &proto, &fragment);

	if (!at || proto != IPPROTO_ICMPV6)
		return false;
	if (at >= pkt->len)
		return !fragment;	/* its type may be in another piece */
	return !(pkt->data[at] & ICMP6_INFORMATIONAL);
}

static bool option_wants_answer(const struct pkt *pkt, uint32_t at)
{
	return at >= pkt->len || (pkt->data[at] & 0xc0) == 0x80;
}

/* The interface whose address it is; a link-local one counts only on @dev. */
static struct iface *owner_of(struct instance *inst, const struct in6_addr *addr, const struct iface *dev)
{
	list_for_each(node, &inst->ifaces) {
		struct iface *iface = list_entry(node, struct iface, node);

		list_for_each(at, &iface->addrs6) {
			const struct iface_addr *own = list_entry(at, struct iface_addr, node);

			if (ip6_equal(&own->addr.in6, addr) && (iface == dev || !ip6_is_link_local(addr)))
				return iface;
		}
	}
	return NULL;
}

/* The kernel's label is a hash that nobody outside can predict; ours is keyed by the seed. */
static uint32_t flow_label(struct instance *inst, const struct route_flow *flow)
{
	const struct icmp_state *state = path_state(inst);
	uint8_t key[33];

	if (!state->flow_labels)
		return 0;
	memcpy(key, &flow->saddr.in6, 16);
	memcpy(key + 16, &flow->daddr.in6, 16);
	key[32] = flow->proto;
	return siphash(key, sizeof(key), &state->label_key) & 0xfffff;
}

static void push(struct instance *inst, struct pkt *made, const struct pkt *orig, const struct route_flow *flow,
		 uint8_t tclass)
{
	struct ipv6hdr *ip = pkt_ip6(made);
	struct icmp6hdr *icmp = (struct icmp6hdr *)(ip + 1);
	uint32_t len = made->len - sizeof(*ip);

	put_be32(made->data, 6u << 28 | (uint32_t)tclass << 20 | flow_label(inst, flow));
	ip->payload_len = htons(len);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = made->route.hoplimit ? made->route.hoplimit : made->route.oif->conf->hop_limit6;
	ip->saddr = flow->saddr.in6;
	ip->daddr = flow->daddr.in6;
	icmp->icmp6_cksum = 0;
	icmp->icmp6_cksum = csum_fold(csum_partial(icmp, len,
						   csum_pseudo6(&ip->saddr, &ip->daddr, IPPROTO_ICMPV6, len)));
	/* Not trusted: as in Linux, NAT sums it up in LOCAL_OUT, after mangle may have changed an address. */
	made->mark = flow->mark;
	made->protocol = ETH_P_IPV6;
	pkt_parse(made);
	if (!(icmp->icmp6_type & ICMP6_INFORMATIONAL))
		ct_attach_made(inst, made, orig);
	pkt_socket_set(made, host_socket_kernel(inst));
	path_made_send(inst, made, orig);
}

static bool type_is_limited(struct instance *inst, uint8_t type)
{
	return path_state(inst)->ratemask6[type / 8] & 1 << type % 8;
}

static bool peer_allows(struct instance *inst, const struct route_flow *flow)
{
	struct route_flow probe = *flow;
	struct pkt_route route;

	if (route_output(inst, &probe, &route))
		return false;
	if (!route.oif->is_loopback) {
		int64_t timeout = path_ms_to_jiffies(path_state(inst)->ratelimit6_ms);

		if (!icmp_peer_allow(inst, icmp_peer_get(inst, NFPROTO_IPV6, &flow->daddr.in6), timeout))
			return false;
	}
	icmp_global_consume(inst);
	return true;
}

/* Towards whom the error goes, and from whom; false: none is sent. */
static bool error_flow(struct instance *inst, const struct pkt *orig, struct iface *dev, uint8_t type, uint8_t code,
		       uint32_t info, struct route_flow *flow)
{
	const struct ipv6hdr *ip = pkt_ip6(orig);
	const struct in6_addr *source = NULL;
	struct pkt_route route;

	if (owner_of(inst, &ip->daddr, dev) ||
	    route_addr_type6(inst, ip6_is_link_local(&ip->daddr) ? dev : NULL, &ip->daddr) == RTN_ANYCAST)
		source = &ip->daddr;
	if (ip6_is_multicast(&ip->daddr) || orig->type != PACKET_HOST) {
		if (type != ICMPV6_PKT_TOOBIG &&
		    !(type == ICMPV6_PARAMPROB && code == ICMPV6_UNK_OPTION && option_wants_answer(orig, info)))
			return false;
		source = NULL;
	}
	if (ip6_is_any(&ip->saddr) || ip6_is_multicast(&ip->saddr) || is_error_message(orig))
		return false;
	*flow = (struct route_flow){ .family = NFPROTO_IPV6, .proto = IPPROTO_ICMPV6 };
	flow->mark = path_state(inst)->mark_reflect6 ? orig->mark : 0;
	flow->daddr.in6 = ip->saddr;
	flow->sport = type;
	flow->dport = code;
	if (source) {
		flow->saddr.in6 = *source;
	} else {
		struct route_flow probe = { .family = NFPROTO_IPV6, .proto = IPPROTO_ICMPV6, .daddr = flow->daddr };

		/* an address of the interface it came in by says more than one of the way back */
		if (orig->opt.iif && (route_output(inst, &probe, &route) || !route.has_prefsrc))
			route_select_addr6(inst, orig->opt.iif, &flow->daddr.in6, &flow->saddr.in6);
	}
	/* A link-local receiver needs a link; lo is none: the one whose address was meant is. */
	if (ip6_is_link_local(&ip->saddr))
		flow->oif = dev->is_loopback && owner_of(inst, &ip->daddr, dev) ? owner_of(inst, &ip->daddr, dev) : dev;
	return true;
}

void icmp6_send_from(struct instance *inst, struct pkt *orig, struct iface *dev, uint8_t type, uint8_t code,
		     uint32_t info)
{
	enum { QUOTE_MAX = IPV6_MIN_MTU - sizeof(struct ipv6hdr) - sizeof(struct icmp6hdr) };
	bool limited = false;
	struct route_flow flow;
	struct pkt_route route;
	struct icmp6hdr *icmp;
	struct pkt *made;
	uint32_t quoted;

	if (orig->len < sizeof(struct ipv6hdr) || !error_flow(inst, orig, dev, type, code, info, &flow))
		return;
	if (!dev->is_loopback && type_is_limited(inst, type)) {
		if (!icmp_global_allow(inst))
			return;
		limited = true;
	}
	if (limited && !peer_allows(inst, &flow))
		return;
	if (route_output(inst, &flow, &route) || route.type == RTN_ANYCAST)
		return;
	quoted = MIN_OF(orig->len, (uint32_t)QUOTE_MAX);
	made = path_made_new(inst, orig, sizeof(struct ipv6hdr) + sizeof(*icmp) + quoted);
	if (!made)
		return;
	icmp = (struct icmp6hdr *)(made->data + sizeof(struct ipv6hdr));
	icmp->icmp6_type = type;
	icmp->icmp6_code = code;
	icmp->icmp6_dataun.un_data32[0] = htonl(info);
	memcpy(icmp + 1, orig->data, quoted);
	made->route = route;
	path_enter(inst);
	push(inst, made, orig, &flow, 0);
	path_leave(inst);
}

void icmp6_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info)
{
	struct iface *dev = orig->in;

	/* What the host sent itself is complained about as if it had come by lo, or by its way out. */
	if (!dev)
		dev = orig->hook && orig->hook->hooknum == NF_INET_LOCAL_OUT ? inst->lo : orig->route.oif;
	if (dev)
		icmp6_send_from(inst, orig, dev, type, code, info);
}

void icmp6_echo_reply(struct instance *inst, struct pkt *pkt)
{
	const struct icmp_state *state = path_state(inst);
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = IPPROTO_ICMPV6 };
	const uint8_t *l4 = pkt_l4(pkt, sizeof(struct icmp6hdr));
	bool group = ip6_is_multicast(&ip->daddr);
	struct icmp6hdr *icmp;
	struct pkt *made;

	if (!l4 || l4[0] != ICMPV6_ECHO_REQUEST || state->echo_ignore_all6 || (group && state->echo_ignore_multicast6))
		return;
	if (!pkt_l4_checksum_ok(pkt))
		return;
	flow.daddr.in6 = ip->saddr;
	flow.mark = state->mark_reflect6 ? pkt->mark : 0;
	if (!group && pkt->route.type != RTN_ANYCAST)
		flow.saddr.in6 = ip->daddr;
	if (ip6_is_link_local(&ip->saddr))
		flow.oif = pkt->in;
	made = path_made_new(inst, pkt, sizeof(*ip) + pkt->l.l4_len);
	if (!made)
		return;
	if (route_output(inst, &flow, &made->route)) {
		pkt_free(inst, made);
		return;
	}
	icmp = (struct icmp6hdr *)(made->data + sizeof(*ip));
	memcpy(icmp, l4, pkt->l.l4_len);
	icmp->icmp6_type = ICMPV6_ECHO_REPLY;
	made->flags |= PKT_FLAG_MAY_CUT;
	push(inst, made, pkt, &flow, get_be16(pkt->data) >> 4 & 0xff);
}
