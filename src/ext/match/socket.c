/*
 * ext/match/socket.c - "-m socket": a socket of the host waits for this packet: the one that has it already, else the one
 * that a look-up finds, for an ICMP error by what it quotes. Sockets are those that were declared (host/socket.h).
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_socket.h>

#include "conntrack/conntrack.h"
#include "ext/ip6find.h"
#include "ext/option.h"
#include "host/socket.h"
#include "packet/defrag.h"

enum { FLAGS_1 = XT_SOCKET_TRANSPARENT, FLAGS_2 = FLAGS_1 | XT_SOCKET_NOWILDCARD, FLAGS_3 = FLAGS_2 | XT_SOCKET_RESTORESKMARK };

static bool is_port_proto(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* @first: the port that stands first is the far one's. */
static bool read_ports(const struct pkt *pkt, uint32_t at, uint32_t need, be16 *first, be16 *second)
{
	const uint8_t *l4 = pkt_at(pkt, at, need);

	if (!l4)
		return false;
	memcpy(first, l4, 2);
	memcpy(second, l4 + 2, 2);
	return true;
}

static uint32_t header_len(uint8_t proto)
{
	return proto == IPPROTO_UDP ? sizeof(struct udphdr) : sizeof(struct tcphdr);
}

static bool icmp4_is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* A quoted packet was ours: its source is the near end. */
static bool tuple4(const struct pkt *pkt, struct host_tuple *t, bool *is_error)
{
	const struct iphdr *ip = pkt_ip4(pkt), *quoted;
	uint32_t at = ip->ihl * 4u;
	const uint8_t *icmp;

	t->proto = ip->protocol;
	*is_error = ip->protocol == IPPROTO_ICMP;
	if (is_port_proto(ip->protocol)) {
		t->saddr.ip = ip->saddr;
		t->daddr.ip = ip->daddr;
		return read_ports(pkt, at, header_len(ip->protocol), &t->sport, &t->dport);
	}
	icmp = ip->protocol == IPPROTO_ICMP ? pkt_at(pkt, at, sizeof(struct icmphdr)) : NULL;
	if (!icmp || !icmp4_is_error(icmp[0]))
		return false;
	quoted = pkt_at(pkt, at + sizeof(struct icmphdr), sizeof(*quoted));
	if (!quoted || !is_port_proto(quoted->protocol))
		return false;
	t->proto = quoted->protocol;
	t->daddr.ip = quoted->saddr;
	t->saddr.ip = quoted->daddr;
	return read_ports(pkt, at + sizeof(struct icmphdr) + quoted->ihl * 4u, 4, &t->dport, &t->sport);
}

/* Steps over the headers of a quoted packet; false: they do not end, or its payload lies in another fragment. */
static bool skip_headers(const struct pkt *pkt, uint32_t *at, uint8_t *next)
{
	while (ip6_is_ext_header(*next)) {
		const uint8_t *header = pkt_at(pkt, *at, 2), *frag;

		if (*next == IPPROTO_NONE || !header)
			return false;
		if (*next == IPPROTO_FRAGMENT) {
			frag = pkt_at(pkt, *at + 2, 2);
			if (!frag)
				return false;
			if (get_be16(frag) & IP6_OFFSET_MASK)
				return true;
		}
		*at += ip6_ext_len(*next, header);
		*next = header[0];
	}
	return true;
}

static bool tuple6(const struct pkt *pkt, struct host_tuple *t, bool *is_error)
{
	enum { ICMP6_INFORMATIONAL = 0x80 };
	const struct ipv6hdr *ip = pkt_ip6(pkt), *quoted;
	const uint8_t *icmp;
	uint32_t at = pkt->l.l4_off;
	uint8_t next;

	if (!pkt->l.has_l4)
		return false;
	t->proto = pkt->l.l4proto;
	*is_error = false;	/* Linux asks again with the quoted protocol in its hand: it never finds an error here */
	if (is_port_proto(t->proto)) {
		memcpy(&t->saddr.in6, &ip->saddr, 16);
		memcpy(&t->daddr.in6, &ip->daddr, 16);
		return read_ports(pkt, at, header_len(t->proto), &t->sport, &t->dport);
	}
	icmp = t->proto == IPPROTO_ICMPV6 ? pkt_at(pkt, at, sizeof(struct icmp6hdr)) : NULL;
	if (!icmp || icmp[0] & ICMP6_INFORMATIONAL)
		return false;
	at += sizeof(struct icmp6hdr);
	quoted = pkt_at(pkt, at, sizeof(*quoted));
	if (!quoted)
		return false;
	next = quoted->nexthdr;
	at += sizeof(*quoted);
	if (!skip_headers(pkt, &at, &next) || !is_port_proto(next))
		return false;
	t->proto = next;
	memcpy(&t->daddr.in6, &quoted->saddr, 16);
	memcpy(&t->saddr.in6, &quoted->daddr, 16);
	return read_ports(pkt, at, 4, &t->dport, &t->sport);
}

/* An answer to a connection whose source was translated is for who began it. */
static void undo_snat(const struct pkt *pkt, bool is_error, struct host_tuple *t)
{
	const struct ct_tuple *orig;

	if (!pkt->ct || !(pkt->ct->status & IPS_SRC_NAT_DONE) ||
	    pkt->ctinfo != (is_error ? IP_CT_RELATED_REPLY : IP_CT_ESTABLISHED_REPLY))
		return;
	orig = ct_tuple(pkt->ct, IP_CT_DIR_ORIGINAL);
	t->daddr = orig->src;
	t->dport = orig->src_l4.all;
}

static struct host_socket *socket_of(const struct pkt *pkt, const struct ext_call *call)
{
	struct host_tuple t = { .family = call->family, .in = call->state->in };
	bool is_error;

	if (pkt->socket)
		return pkt->socket;
	if (!host_sockets_count(call->inst->sockets))
		return NULL;
	if (call->family == NFPROTO_IPV4 ? !tuple4(pkt, &t, &is_error) : !tuple6(pkt, &t, &is_error))
		return NULL;
	undo_snat(pkt, is_error, &t);
	return host_socket_find(call->inst, &t, HOST_FIND_ANY);
}

static bool bound_to_any(const struct host_socket_spec *s)
{
	return !(s->local.all[0] | s->local.all[1] | s->local.all[2] | s->local.all[3]);
}

static bool find(const struct pkt *pkt, uint8_t flags, const struct ext_call *call)
{
	const struct host_socket *socket = socket_of(pkt, call);

	if (!socket || (!(flags & XT_SOCKET_NOWILDCARD) && bound_to_any(&socket->spec)) ||
	    (flags & XT_SOCKET_TRANSPARENT && !socket->spec.transparent))
		return false;
	if (flags & XT_SOCKET_RESTORESKMARK)
		((struct pkt *)pkt)->mark = socket->spec.mark;	/* the one match that writes */
	return true;
}

static bool socket_match_0(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return find(pkt, 0, call);
}

static bool socket_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return find(pkt, ((const struct xt_socket_mtinfo1 *)data)->flags, call);
}

static int check_flags(const void *data, uint8_t known, const struct ext_check *check, struct refusal *why)
{
	uint8_t flags = ((const struct xt_socket_mtinfo1 *)data)->flags;
	int err;

	if (flags & ~known)
		return refuse(why, -EINVAL, "socket: unknown flags %#x", flags & ~known);
	err = defrag_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "socket: fragments cannot be put together") : 0;
}

static int socket_check_1(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_flags(data, FLAGS_1, check, why);
}

static int socket_check_2(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_flags(data, FLAGS_2, check, why);
}

static int socket_check_3(void *data, const struct ext_check *check, struct refusal *why)
{
	return check_flags(data, FLAGS_3, check, why);
}

static void socket_destroy(void *data, const struct ext_check *check)
{
	defrag_hooks_put(check->inst, check->family);
}

#define SOCKET_FLAG(n, bit, h) { .name = n, .type = OPT_FLAG, .set_at = offsetof(struct xt_socket_mtinfo1, flags), \
	.set_bits = bit, .set_width = 1, .help = h }

static const struct opt socket_options[] = {
	SOCKET_FLAG("transparent", XT_SOCKET_TRANSPARENT, "ignore sockets that are not transparent (declared by \"socket add\")"),
	SOCKET_FLAG("nowildcard", XT_SOCKET_NOWILDCARD, "do not ignore sockets bound to no address"),
	SOCKET_FLAG("restore-skmark", XT_SOCKET_RESTORESKMARK, "set the packet's mark to the socket's when it matches"),
	OPT_END
};

static void socket_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	uint8_t flags = ((const struct xt_socket_mtinfo1 *)data)->flags;

	for (const struct opt *opt = socket_options; opt->name; opt++)
		if (flags & opt->set_bits)
			sb_printf(out, " --%s", opt->name);
}

static void socket_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " socket");
	socket_save(data, view, out);
}

static const struct ext_text socket_text = {
	.options = socket_options, .help_head = "socket match options:", .save = socket_save, .print = socket_print,
};

#define SOCKET_COMMON .name = "socket", .hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN, \
	.depends = DEP_BYTES | DEP_CT_STATE | DEP_CT_TUPLE | DEP_IFACES | DEP_OWNER | DEP_STATE	/* sockets come and go */
#define SOCKET_INFO SOCKET_COMMON, .families = FAMILY_ANY, .info_size = sizeof(struct xt_socket_mtinfo1), \
	.match = socket_match, .destroy = socket_destroy

const struct match match_socket_0 = { SOCKET_COMMON, .families = FAMILY_V4, .revision = 0, .match = socket_match_0 };
const struct match match_socket_1 = { SOCKET_INFO, .revision = 1, .checkentry = socket_check_1 };
const struct match match_socket_2 = { SOCKET_INFO, .revision = 2, .checkentry = socket_check_2 };
const struct match match_socket_3 = { SOCKET_INFO, .revision = 3, .checkentry = socket_check_3, .text = &socket_text };
