/*
 * path/icmp.c - the ICMP errors that IPv4 sends, about whom and from which address; and, when the host is
 * to show itself, answers to pings.
 */
#include "conntrack/conntrack.h"
#include "path/path_internal.h"

enum {
	ICMP_ERROR_MAX = 576,			/* RFC 1812: no error is longer, all headers included */
	TOS_INTERNETCONTROL = 0xc0,		/* IPTOS_PREC_INTERNETCONTROL */
	TOS_MASK = 0x1e,
	NO_SOURCE = 0xc0000008,			/* 192.0.0.8, RFC 7600: better than 0.0.0.0 */
};

static bool type_is_error(uint8_t type)
{
	switch (type) {
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
	case 1:		/* unassigned, and router advertisement and solicitation: nobody complains about them */
	case 2:
	case 6:
	case 7:
	case 9:
	case 10:
		return true;
	default:
		return false;
	}
}

/* Frag-needed keeps path MTU discovery alive: never limited. */
static bool type_is_limited(struct instance *inst, uint8_t type, uint8_t code)
{
	if (type > NR_ICMP_TYPES || (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED))
		return false;
	return path_state(inst)->ratemask & 1u << type;
}

static bool peer_allows(struct instance *inst, const struct pkt_route *route, be32 daddr, bool limited)
{
	if (!limited)
		return true;
	if (!route->oif->is_loopback &&
	    !icmp_peer_allow(inst, icmp_peer_get(inst, NFPROTO_IPV4, &daddr),
			     path_ms_to_jiffies(path_state(inst)->ratelimit_ms)))
		return false;
	icmp_global_consume(inst);
	return true;
}

/* RFC 1122 3.2.2: no error about an error, a later fragment, a group or a broadcast. */
static bool may_complain_about(const struct pkt *orig)
{
	const struct iphdr *ip = pkt_ip4(orig);
	uint32_t l4;

	if (orig->route.kind == ROUTE_NONE || orig->len < sizeof(*ip) || orig->type != PACKET_HOST)
		return false;
	/* Not by type: a subnet broadcast that is forwarded (bc_forwarding) is a packet like any other. */
	if (orig->route.flags & (ROUTE_BROADCAST | ROUTE_MULTICAST))
		return false;
	if (ip->frag_off & htons(IP4_OFFSET_MASK))
		return false;
	if (ip->protocol != IPPROTO_ICMP)
		return true;
	l4 = ip->ihl * 4;
	return orig->len > l4 && orig->data[l4] <= NR_ICMP_TYPES && !type_is_error(orig->data[l4]);
}

static bool route_is_local(const struct pkt_route *route)
{
	return (route->kind == ROUTE_LOCAL_IN && route->type == RTN_LOCAL) || route->flags & ROUTE_LOCAL;
}

static be32 error_source(struct instance *inst, const struct pkt *orig)
{
	const struct iphdr *ip = pkt_ip4(orig);
	be32 saddr = 0;

	if (route_is_local(&orig->route))
		return ip->daddr;
	if (path_state(inst)->inbound_ifaddr && orig->in && !(orig->flags & PKT_FLAG_LOCAL))
		route_select_addr4(inst, orig->in, ip->saddr, RT_SCOPE_LINK, &saddr);
	return saddr;
}

/* Header, options and ICMP checksum of @made, whose ICMP part is filled; sends it. */
static void push(struct instance *inst, struct pkt *made, const struct pkt *orig, const struct route_flow *flow,
		 const struct ip4_reply_options *options, uint8_t tos, be32 final)
{
	struct iphdr *ip = pkt_ip4(made);
	uint32_t header = sizeof(*ip) + options->len;
	struct icmphdr *icmp = (struct icmphdr *)(made->data + header);
	uint8_t ttl = path_state(inst)->ttl;

	if (made->route.type == RTN_MULTICAST)
		ttl = 1;
	else if (made->route.hoplimit)
		ttl = made->route.hoplimit;
	*ip = (struct iphdr){
		.version = 4, .ihl = header / 4, .tos = tos, .tot_len = htons(made->len),
		.ttl = ttl, .protocol = IPPROTO_ICMP, .saddr = flow->saddr.ip, .daddr = flow->daddr.ip,
	};
	ip4_options_write(inst, made, options, final);
	ip->id = htons(path_ip_id(inst));
	csum_ip4_header(ip);
	icmp->checksum = 0;
	icmp->checksum = csum_fold(csum_partial(icmp, made->len - header, 0));
	made->flags |= PKT_FLAG_CSUM_TRUSTED;
	made->mark = flow->mark;
	made->protocol = ETH_P_IP;
	pkt_parse(made);
	if (type_is_error(icmp->type))
		ct_attach_made(inst, made, orig);
	pkt_socket_set(made, host_socket_kernel(inst));
	path_made_send(inst, made, orig);
}

static void send_error(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info)
{
	const struct iphdr *ip = pkt_ip4(orig);
	bool is_error = type_is_error(type), limited = false;
	uint8_t tos = is_error ? (ip->tos & TOS_MASK) | TOS_INTERNETCONTROL : ip->tos;
	struct route_flow flow = { .family = NFPROTO_IPV4, .proto = IPPROTO_ICMP, .tos = tos & TOS_MASK };
	struct ip4_reply_options options;
	struct pkt_route route;
	struct icmphdr *icmp;
	struct pkt *made;
	int room, quoted;
	be16 sum;

	if (!(orig->in && orig->in->is_loopback) && type_is_limited(inst, type, code)) {
		if (!icmp_global_allow(inst))
			return;
		limited = true;
	}
	flow.saddr.ip = error_source(inst, orig);
	flow.mark = path_state(inst)->mark_reflect4 ? orig->mark : 0;
	if (ip4_options_echo(inst, orig, &options))
		return;
	flow.daddr.ip = options.srr ? options.first_hop : ip->saddr;
	flow.sport = type;
	flow.dport = code;
	if (route_output(inst, &flow, &route))
		return;
	if (!peer_allows(inst, &route, flow.daddr.ip, limited))
		return;
	room = (int)MIN_OF(route.mtu, (uint32_t)ICMP_ERROR_MAX) - (int)(sizeof(*ip) + options.len + sizeof(*icmp));
	if (room <= (int)sizeof(*ip))
		return;
	quoted = MIN_OF((int)orig->len, room);
	if (!flow.saddr.ip)
		flow.saddr.ip = htonl(NO_SOURCE);
	made = path_made_new(inst, orig, sizeof(*ip) + options.len + sizeof(*icmp) + quoted);
	if (!made)
		return;
	icmp = (struct icmphdr *)(made->data + sizeof(*ip) + options.len);
	icmp->type = type;
	icmp->code = code;
	icmp->un.gateway = htonl(info);
	sum = pkt_sum_put_off(orig);
	memcpy(icmp + 1, orig->data, quoted);
	pkt_sum_put_back(orig, sum);
	made->route = route;
	push(inst, made, orig, &flow, &options, tos, ip->saddr);
}

void icmp_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info)
{
	if (type_is_error(type) ? !may_complain_about(orig) : orig->route.kind == ROUTE_NONE)
		return;
	path_enter(inst);
	send_error(inst, orig, type, code, info);
	path_leave(inst);
}

/* The sender has a shorter way: told less and less often, and no more when it does not listen. */
void icmp_redirect(struct instance *inst, struct pkt *pkt)
{
	struct icmp_state *state = path_state(inst);
	const struct iphdr *ip = pkt_ip4(pkt);
	be32 gateway = pkt->route.gateway.ip ? pkt->route.gateway.ip : ip->daddr;
	struct icmp_peer *peer = icmp_peer_get(inst, NFPROTO_IPV4, &ip->saddr);
	int64_t now = inst_jiffies(inst);

	if (!peer) {
		icmp_send(inst, pkt, ICMP_REDIRECT, ICMP_REDIR_HOST, ntohl(gateway));
		return;
	}
	if (now > peer->last + state->redirect_silence) {
		peer->tokens = 0;
		peer->redirects = 0;
	}
	if (peer->redirects >= (unsigned int)state->redirect_number) {
		peer->last = now;
		return;
	}
	if (!peer->redirects || now > peer->last + ((int64_t)state->redirect_load << peer->redirects)) {
		icmp_send(inst, pkt, ICMP_REDIRECT, ICMP_REDIR_HOST, ntohl(gateway));
		peer->last = now;
		peer->redirects++;
	}
}

void icmp_link_failure(struct instance *inst, struct pkt *pkt)
{
	if (pkt->protocol == ETH_P_IPV6) {
		icmp6_send_from(inst, pkt, pkt->route.oif, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
		return;
	}
	/* The options changed on their way: they are read once more, which fills another slot. */
	pkt->opt = (struct pkt_options){ .iif = pkt->opt.iif, .len = pkt_ip4(pkt)->ihl * 4 - sizeof(struct iphdr) };
	if (pkt->opt.len && ip4_options_read(inst, pkt))
		return;
	icmp_send(inst, pkt, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
}

void icmp_echo_reply(struct instance *inst, struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct icmp_state *state = path_state(inst);
	struct route_flow flow = { .family = NFPROTO_IPV4, .proto = IPPROTO_ICMP, .tos = ip->tos & TOS_MASK };
	uint32_t header = ip->ihl * 4, len = pkt->len - header;
	struct ip4_reply_options options;
	struct icmphdr *icmp;
	struct pkt *made;

	if (pkt->len < header + sizeof(*icmp) || pkt->data[header] != ICMP_ECHO || state->echo_ignore_all)
		return;
	if (csum_fold(csum_partial(pkt->data + header, len, 0)))
		return;
	if (pkt->route.type != RTN_LOCAL && state->echo_ignore_broadcasts)
		return;
	if (ip4_options_echo(inst, pkt, &options))
		return;
	flow.daddr.ip = options.srr ? options.first_hop : ip->saddr;
	flow.mark = state->mark_reflect4 ? pkt->mark : 0;
	if (pkt->route.type == RTN_LOCAL)
		flow.saddr.ip = ip->daddr;
	made = path_made_new(inst, pkt, sizeof(*ip) + options.len + len);
	if (!made)
		return;
	if (route_output(inst, &flow, &made->route)) {
		pkt_free(inst, made);
		return;
	}
	icmp = (struct icmphdr *)(made->data + sizeof(*ip) + options.len);
	memcpy(icmp, pkt->data + header, len);
	icmp->type = ICMP_ECHOREPLY;
	push(inst, made, pkt, &flow, &options, ip->tos, ip->saddr);
}
