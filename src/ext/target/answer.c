/* ext/target/answer.c - how a made answer gets its header, its sum and its route. */
#include "base/uapi.h"

#include "conntrack/conntrack.h"
#include "ext/target/answer.h"
#include "path/path.h"
#include "route/route.h"

const uint8_t *answerable_segment(const struct pkt *pkt, uint8_t family, uint32_t *payload)
{
	uint8_t proto = family == NFPROTO_IPV4 ? pkt_ip4(pkt)->protocol : pkt->l.l4proto;
	const uint8_t *tcp = pkt->l.has_l4 && !pkt->l.frag_off && proto == IPPROTO_TCP ?
			     pkt_at(pkt, pkt->l.l4_off, sizeof(struct tcphdr)) : NULL;

	if (!tcp || !pkt_checksum_holds(pkt, IPPROTO_TCP))
		return NULL;
	*payload = pkt->len - pkt->l.l4_off;
	*payload -= MIN_OF(*payload, (tcp[12] >> 4) * 4u);
	return tcp;
}

struct pkt *answer_new(struct instance *inst, const struct pkt *cause, uint8_t family, uint8_t proto, uint32_t l4_len,
		       const uint8_t *ports, uint8_t **l4)
{
	bool v4 = family == NFPROTO_IPV4;
	uint32_t header = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct pkt *made = path_made_new(inst, cause, header + l4_len);

	if (!made)
		return NULL;
	made->protocol = v4 ? ETH_P_IP : ETH_P_IPV6;
	if (v4)
		*pkt_ip4(made) = (struct iphdr){ .version = 4, .ihl = 5, .tot_len = htons(made->len), .frag_off = htons(IP4_DF),
						 .protocol = proto, .saddr = pkt_ip4(cause)->daddr, .daddr = pkt_ip4(cause)->saddr };
	else
		*pkt_ip6(made) = (struct ipv6hdr){ .version = 6, .payload_len = htons(l4_len), .nexthdr = proto,
						   .saddr = pkt_ip6(cause)->daddr, .daddr = pkt_ip6(cause)->saddr };
	*l4 = made->data + header;
	memcpy(*l4, ports + 2, 2);
	memcpy(*l4 + 2, ports, 2);
	return made;
}

static bool find_route(struct instance *inst, struct pkt *made, const struct pkt *cause, uint8_t family, const uint8_t *l4)
{
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = pkt_ip6(made)->nexthdr, .any_src = true };

	if (family == NFPROTO_IPV4) {
		made->route = cause->route;	/* where route_me_harder() starts from */
		return route_me_harder(inst, made) == 0;
	}
	memcpy(&flow.saddr.in6, &pkt_ip6(made)->saddr, 16);
	memcpy(&flow.daddr.in6, &pkt_ip6(made)->daddr, 16);
	memcpy(&flow.sport, l4, 2);
	memcpy(&flow.dport, l4 + 2, 2);
	return route_output(inst, &flow, &made->route) == 0 && made->route.kind != ROUTE_ERROR;
}

void answer_send(struct instance *inst, struct pkt *made, struct pkt *cause, uint8_t family, uint8_t hops)
{
	bool v4 = family == NFPROTO_IPV4;
	uint32_t header = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr), len = made->len - header;
	uint8_t proto = v4 ? pkt_ip4(made)->protocol : pkt_ip6(made)->nexthdr, *l4 = made->data + header;
	uint8_t *check = l4 + (proto == IPPROTO_TCP ? 16 : 6);
	be16 sum;

	memset(check, 0, 2);
	sum = csum_fold(csum_partial(l4, len, v4 ? csum_pseudo4(pkt_ip4(made)->saddr, pkt_ip4(made)->daddr, proto, len) :
				     csum_pseudo6(&pkt_ip6(made)->saddr, &pkt_ip6(made)->daddr, proto, len)));
	if (!sum && proto == IPPROTO_UDP)
		sum = 0xffff;
	memcpy(check, &sum, 2);
	pkt_parse(made);
	if (!find_route(inst, made, cause, family, l4) || made->len > made->route.mtu) {
		pkt_free(inst, made);
		return;
	}
	hops = hops ? hops : path_hop_limit(inst, family, &made->route);
	if (v4)
		pkt_ip4(made)->ttl = hops;
	else
		pkt_ip6(made)->hop_limit = hops;
	if (v4)
		csum_ip4_header(pkt_ip4(made));
	made->flags |= PKT_FLAG_CSUM_TRUSTED | PKT_FLAG_NO_SOCKET;
	ct_attach_made(inst, made, cause);
	path_made_send(inst, made, cause);
}
