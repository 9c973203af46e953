/*
 * ext/target/reject.c - "-j REJECT": drops the packet and says so, by an ICMP error or a TCP reset.
 * Nothing is said to a packet whose checksum is wrong, to later fragments, and never RST to RST.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include "conntrack/conntrack.h"
#include "ext/ip6walk.h"
#include "ext/option.h"
#include "path/path.h"
#include "route/route.h"

enum { TCP_FIN = 0x01, TCP_SYN = 0x02, TCP_RST = 0x04, TCP_ACK = 0x10 };

/* Protocols whose checksum is optional, partial or another one: not looked at. */
static bool checksum_says_nothing(const struct pkt *pkt, uint32_t off, uint8_t proto)
{
	const uint8_t *udp;

	switch (proto) {
	case IPPROTO_UDP:
		udp = pkt_at(pkt, off, sizeof(struct udphdr));
		return udp && !udp[6] && !udp[7];
	case IPPROTO_GRE: case IPPROTO_AH: case IPPROTO_ESP: case IPPROTO_SCTP: case IPPROTO_UDPLITE:
		return true;
	}
	return false;
}

/*
 * Every other protocol is summed up whole, as if it had an internet checksum. An IPv4 header is summed along: one that
 * waits for a new checksum, as with a route recorded on the way in, makes the packet look wrong.
 */
static bool checksum_holds(const struct pkt *pkt, uint8_t family, uint32_t off, uint8_t proto)
{
	uint32_t len, sum = 0, from = family == NFPROTO_IPV4 ? 0 : off;

	if (pkt->flags & PKT_FLAG_CSUM_SUMMED && pkt->hook->hooknum != NF_INET_PRE_ROUTING &&
	    pkt->hook->hooknum != NF_INET_LOCAL_IN)
		return true;	/* a copy of a wrong packet, made before forwarding forgets the sum */
	if (off > pkt->len)
		return false;
	len = pkt->len - off;
	if (family == NFPROTO_IPV6)
		sum = csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, proto, len);
	else if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		sum = csum_pseudo4(pkt_ip4(pkt)->saddr, pkt_ip4(pkt)->daddr, proto, len);
	return csum_fold(csum_partial(pkt->data + from, pkt->len - from, sum)) == 0;
}

/* For a reset, forwarding has forgotten that the sum was good: a header that options wrote into makes it wrong. */
static bool is_trusted_for_reset(const struct pkt *pkt)
{
	return pkt->flags & PKT_FLAG_CSUM_TRUSTED && !(pkt->opt.changed && pkt->hook->hooknum == NF_INET_FORWARD);
}

/* The TCP header to be answered with a reset; NULL: none is sent. */
static const uint8_t *answerable_tcp(const struct pkt *pkt, uint8_t family, uint32_t off, uint8_t proto)
{
	const uint8_t *tcp = proto == IPPROTO_TCP ? pkt_at(pkt, off, sizeof(struct tcphdr)) : NULL;

	if (!tcp || tcp[13] & TCP_RST)
		return NULL;
	return is_trusted_for_reset(pkt) || checksum_holds(pkt, family, off, proto) ? tcp : NULL;
}

/* The reset's TCP header: its number is what the other side expects, or it acknowledges what came. */
static void write_reset(uint8_t *rst, const uint8_t *tcp, uint32_t tcp_len)
{
	memset(rst, 0, sizeof(struct tcphdr));
	memcpy(rst, tcp + 2, 2);
	memcpy(rst + 2, tcp, 2);
	rst[12] = sizeof(struct tcphdr) / 4 << 4;
	rst[13] = TCP_RST;
	if (tcp[13] & TCP_ACK) {
		memcpy(rst + 4, tcp + 8, 4);
	} else {
		put_be32(rst + 8, get_be32(tcp + 4) + !!(tcp[13] & TCP_SYN) + !!(tcp[13] & TCP_FIN) + tcp_len -
			 (tcp[12] >> 4) * 4);
		rst[13] |= TCP_ACK;
	}
}

static void send_reset(struct instance *inst, struct pkt *rst, struct pkt *cause)
{
	pkt_parse(rst);
	rst->flags |= PKT_FLAG_CSUM_TRUSTED | PKT_FLAG_NO_SOCKET;
	ct_attach_made(inst, rst, cause);
	if (cause->ct)
		ct_set_closing(inst, cause->ct);
	path_made_send(inst, rst, cause);
}

static void reset4(struct instance *inst, struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t header = ip->ihl * 4;
	const uint8_t *tcp;
	struct iphdr *reply;
	struct pkt *rst;
	uint8_t *out;

	if (ip->frag_off & htons(IP4_OFFSET_MASK))
		return;
	tcp = answerable_tcp(pkt, NFPROTO_IPV4, header, ip->protocol);
	if (!tcp || pkt->route.flags & (ROUTE_BROADCAST | ROUTE_MULTICAST))
		return;
	rst = path_made_new(inst, pkt, sizeof(*reply) + sizeof(struct tcphdr));
	if (!rst)
		return;
	rst->protocol = ETH_P_IP;
	rst->route = pkt->route;	/* a start for route_me_harder() */
	rst->mark = path_reply_mark(inst, NFPROTO_IPV4, pkt);
	reply = pkt_ip4(rst);
	*reply = (struct iphdr){
		.version = 4, .ihl = 5, .tot_len = htons(rst->len), .frag_off = htons(IP4_DF),
		.ttl = path_hop_limit(inst, NFPROTO_IPV4, &pkt->route), .protocol = IPPROTO_TCP,
		.saddr = ip->daddr, .daddr = ip->saddr,
	};
	csum_ip4_header(reply);
	out = (uint8_t *)(reply + 1);
	rst->flags |= PKT_FLAG_CSUM_LATER;
	write_reset(out, tcp, pkt->len - header);
	((struct tcphdr *)out)->check = csum_fold(csum_partial(out, sizeof(struct tcphdr),
		csum_pseudo4(reply->saddr, reply->daddr, IPPROTO_TCP, sizeof(struct tcphdr))));
	pkt_parse(rst);
	if (route_me_harder(inst, rst) || rst->len > rst->route.mtu)
		pkt_free(inst, rst);
	else
		send_reset(inst, rst, pkt);
}

static void reset6(struct instance *inst, struct pkt *pkt)
{
	const struct ipv6hdr *ip = pkt_ip6(pkt);
	struct route_flow flow = { .family = NFPROTO_IPV6, .proto = IPPROTO_TCP, .any_src = true };
	struct ip6_walk walk = ip6_walk(pkt);
	struct ipv6hdr *reply;
	const uint8_t *tcp;
	struct pkt *rst;
	uint8_t *out;

	if (!ip6_is_unicast(&ip->saddr) || !ip6_is_unicast(&ip->daddr) || !walk.ok)
		return;
	tcp = answerable_tcp(pkt, NFPROTO_IPV6, walk.off, walk.proto);
	if (!tcp)
		return;
	rst = path_made_new(inst, pkt, sizeof(*reply) + sizeof(struct tcphdr));
	if (!rst)
		return;
	rst->protocol = ETH_P_IPV6;
	rst->mark = flow.mark = path_reply_mark(inst, NFPROTO_IPV6, pkt);
	memcpy(&flow.saddr, &ip->daddr, sizeof(ip->daddr));
	memcpy(&flow.daddr, &ip->saddr, sizeof(ip->saddr));
	memcpy(&flow.sport, tcp + 2, 2);
	memcpy(&flow.dport, tcp, 2);
	if (route_output(inst, &flow, &rst->route)) {
		pkt_free(inst, rst);
		return;
	}
	reply = pkt_ip6(rst);
	*reply = (struct ipv6hdr){
		.version = 6, .payload_len = htons(sizeof(struct tcphdr)), .nexthdr = IPPROTO_TCP,
		.hop_limit = path_hop_limit(inst, NFPROTO_IPV6, &rst->route), .saddr = ip->daddr,
		.daddr = ip->saddr,
	};
	out = (uint8_t *)(reply + 1);
	write_reset(out, tcp, pkt->len - walk.off);
	((struct tcphdr *)out)->check = csum_fold(csum_partial(out, sizeof(struct tcphdr),
		csum_pseudo6(&reply->saddr, &reply->daddr, IPPROTO_TCP, sizeof(struct tcphdr))));
	send_reset(inst, rst, pkt);
}

static void unreach4(struct instance *inst, struct pkt *pkt, uint8_t code)
{
	const struct iphdr *ip = pkt_ip4(pkt);

	if (ip->frag_off & htons(IP4_OFFSET_MASK))
		return;
	if (pkt->flags & PKT_FLAG_CSUM_TRUSTED || checksum_says_nothing(pkt, ip->ihl * 4, ip->protocol) ||
	    checksum_holds(pkt, NFPROTO_IPV4, ip->ihl * 4, ip->protocol))
		icmp_send(inst, pkt, ICMP_DEST_UNREACH, code, 0);
}

static void unreach6(struct instance *inst, struct pkt *pkt, uint8_t code)
{
	struct ip6_walk walk = ip6_walk(pkt);

	if (!(pkt->flags & PKT_FLAG_CSUM_TRUSTED) &&
	    (!walk.ok || walk.off >= pkt->len || walk.frag_off ||
	     (!checksum_says_nothing(pkt, walk.off, walk.proto) &&
	      !checksum_holds(pkt, NFPROTO_IPV6, walk.off, walk.proto))))
		return;
	icmp6_send(inst, pkt, ICMPV6_DEST_UNREACH, code, 0);
}

/* One way to refuse. .code < 0: a reset. */
struct way { const char *name, *alias; uint32_t with; int code; };

static const struct way ways4[] = {	/* in the order in which upstream looks for beginnings */
	{ "icmp-net-unreachable", "net-unreach", IPT_ICMP_NET_UNREACHABLE, ICMP_NET_UNREACH },
	{ "icmp-host-unreachable", "host-unreach", IPT_ICMP_HOST_UNREACHABLE, ICMP_HOST_UNREACH },
	{ "icmp-proto-unreachable", "proto-unreach", IPT_ICMP_PROT_UNREACHABLE, ICMP_PROT_UNREACH },
	{ "icmp-port-unreachable", "port-unreach", IPT_ICMP_PORT_UNREACHABLE, ICMP_PORT_UNREACH },
	{ "icmp-net-prohibited", "net-prohib", IPT_ICMP_NET_PROHIBITED, ICMP_NET_ANO },
	{ "icmp-host-prohibited", "host-prohib", IPT_ICMP_HOST_PROHIBITED, ICMP_HOST_ANO },
	{ "tcp-reset", "tcp-rst", IPT_TCP_RESET, -1 },
	{ "icmp-admin-prohibited", "admin-prohib", IPT_ICMP_ADMIN_PROHIBITED, ICMP_PKT_FILTERED },
	{ NULL }
};

enum { CODE_POLICY_FAIL = 5, CODE_REJECT_ROUTE = 6 };	/* RFC 4443; not in the kernel's user headers */

static const struct way ways6[] = {
	{ "icmp6-no-route", "no-route", IP6T_ICMP6_NO_ROUTE, ICMPV6_NOROUTE },
	{ "icmp6-adm-prohibited", "adm-prohibited", IP6T_ICMP6_ADM_PROHIBITED, ICMPV6_ADM_PROHIBITED },
	{ "icmp6-addr-unreachable", "addr-unreach", IP6T_ICMP6_ADDR_UNREACH, ICMPV6_ADDR_UNREACH },
	{ "icmp6-port-unreachable", "port-unreach", IP6T_ICMP6_PORT_UNREACH, ICMPV6_PORT_UNREACH },
	{ "tcp-reset", "tcp-reset", IP6T_TCP_RESET, -1 },
	{ "icmp6-policy-fail", "policy-fail", IP6T_ICMP6_POLICY_FAIL, CODE_POLICY_FAIL },
	{ "icmp6-reject-route", "reject-route", IP6T_ICMP6_REJECT_ROUTE, CODE_REJECT_ROUTE },
	/* known to the kernel only */
	{ "", "", IP6T_ICMP6_NOT_NEIGHBOUR, ICMPV6_NOT_NEIGHBOUR },
	{ NULL }
};

static const struct way *way_of(const struct way *way, uint32_t with)
{
	while (way->name && way->with != with)
		way++;
	return way->name ? way : NULL;
}

static unsigned int reject4_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct way *way = way_of(ways4, ((const struct ipt_reject_info *)data)->with);

	if (way && way->code < 0)
		reset4(call->inst, pkt);
	else if (way)
		unreach4(call->inst, pkt, way->code);
	pkt->drop_reason = DROP_REJECT;
	return NF_DROP;
}

static unsigned int reject6_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct way *way = way_of(ways6, ((const struct ip6t_reject_info *)data)->with);

	if (way && way->code < 0)
		reset6(call->inst, pkt);
	else if (way)
		unreach6(call->inst, pkt, way->code);
	pkt->drop_reason = DROP_REJECT;
	return NF_DROP;
}

static int check_way(uint32_t with, uint32_t echo, uint32_t reset, bool is_tcp, struct refusal *why)
{
	if (with == echo)
		return refuse(why, -EINVAL, "REJECT: answering with an echo reply is no longer supported");
	if (with == reset && !is_tcp)
		return refuse(why, -EINVAL, "REJECT: --reject-with tcp-reset needs -p tcp");
	return 0;
}

static int reject4_check(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_way(((const struct ipt_reject_info *)data)->with, IPT_ICMP_ECHOREPLY, IPT_TCP_RESET,
			 check->proto == IPPROTO_TCP && !check->proto_inverted, why);
}

static int reject6_check(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_way(((const struct ip6t_reject_info *)data)->with, IP6T_ICMP6_ECHOREPLY, IP6T_TCP_RESET,
			 (check->ip6_flags & IP6T_F_PROTO) && check->proto == IPPROTO_TCP && !check->proto_inverted,
			 why);
}

/* The first way whose name or alias begins with the word. */
static int parse_way(struct opt_call *call, struct refusal *why)
{
	const struct way *way = call->family == NFPROTO_IPV4 ? ways4 : ways6;
	size_t len = strlen(call->arg);

	for (; way->name && way->name[0]; way++) {
		if (strncasecmp(way->name, call->arg, len) && strncasecmp(way->alias, call->arg, len))
			continue;
		memcpy(call->info, &way->with, sizeof(way->with));
		return 0;
	}
	return refuse(why, -EINVAL, "REJECT: --reject-with does not know \"%s\"", call->arg);
}

static void reject4_init(void *data)
{
	((struct ipt_reject_info *)data)->with = IPT_ICMP_PORT_UNREACHABLE;
}

static void reject6_init(void *data)
{
	((struct ip6t_reject_info *)data)->with = IP6T_ICMP6_PORT_UNREACH;
}

static void show_way(const void *data, const char *dashes, const struct ext_view *view, struct strbuf *out)
{
	const struct way *way = way_of(view->family == NFPROTO_IPV4 ? ways4 : ways6, *(const uint32_t *)data);

	if (way && way->name[0])
		sb_printf(out, " %sreject-with %s", dashes, way->name);
}

static void reject_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_way(data, "--", view, out);
}

static void reject_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show_way(data, "", view, out);
}

static const struct opt reject_options[] = {
	{ .name = "reject-with", .type = OPT_CUSTOM, .parse = parse_way, .arg = "type",
	  .help = "drop input packet and send back a reply packet according to type" },
	OPT_END
};

static const struct ext_text reject4_text = {
	.options = reject_options, .help_head = "REJECT target options:",
	.init = reject4_init, .save = reject_save, .print = reject_print,
};
static const struct ext_text reject6_text = {
	.options = reject_options, .help_head = "REJECT target options:",
	.init = reject6_init, .save = reject_save, .print = reject_print,
};

#define REJECT_COMMON .name = "REJECT", .table = "filter", .depends = DEP_STATE, \
	.hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT

const struct target target_reject4 = {
	REJECT_COMMON, .families = FAMILY_V4, .info_size = sizeof(struct ipt_reject_info),
	.target = reject4_target, .checkentry = reject4_check, .checks_rule_only = true, .text = &reject4_text,
};

const struct target target_reject6 = {
	REJECT_COMMON, .families = FAMILY_V6, .info_size = sizeof(struct ip6t_reject_info),
	.target = reject6_target, .checkentry = reject6_check, .checks_rule_only = true, .text = &reject6_text,
};
