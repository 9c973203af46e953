/*
 * nat/manip.c - the bytes: one half of a header made to look like a tuple.
 * Checksums are adjusted, never computed anew: a packet that came in broken leaves just as broken. The same code
 * serves the packet itself and the headers quoted in an ICMP error, where less than a whole L4 header may be left.
 */
#include "base/crc32c.h"
#include "nat/nat_internal.h"

enum { SCTP_HEADER_LEN = 12, SCTP_CHECKSUM = 8, GRE_VERSION_MASK = 7 };

/* What the rewriting of one header needs to know. */
struct rewrite {
	struct pkt *pkt;
	uint8_t *data;
	uint32_t len;
	uint32_t ip_off;
	const struct ct_tuple *target;
	enum nat_manip manip;
};

/* The packet up to @end, in one piece. */
static bool want(const struct rewrite *rw, uint32_t end)
{
	if (rw->len < end)
		return false;
	pkt_pull_pieces(rw->pkt, end);
	return true;
}

/* The address half changes under a pseudo header. */
static void checksum_follow_addr(const struct rewrite *rw, be16 *check)
{
	const uint8_t *ip = rw->data + rw->ip_off;
	const union nf_inet_addr *to = rw->manip == NAT_MANIP_SRC ? &rw->target->src : &rw->target->dst;

	if (rw->target->family == NFPROTO_IPV4) {
		size_t at = rw->manip == NAT_MANIP_SRC ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
		be32 from;

		memcpy(&from, ip + at, sizeof(from));
		csum_replace4(check, from, to->ip);
	} else {
		size_t at = rw->manip == NAT_MANIP_SRC ? offsetof(struct ipv6hdr, saddr)
						       : offsetof(struct ipv6hdr, daddr);
		be32 from[4];

		memcpy(from, ip + at, sizeof(from));
		csum_replace16(check, from, to->all);
	}
}

static void checksum_follow_field(be16 *check, be16 from, be16 to)
{
	csum_replace4(check, from, to);
}

static be16 read16(const uint8_t *at)
{
	be16 v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static void write16(uint8_t *at, be16 v)
{
	memcpy(at, &v, sizeof(v));
}

static bool rewrite_tcp(const struct rewrite *rw, uint32_t off)
{
	uint8_t *l4 = rw->data + off;
	uint8_t *port = l4 + (rw->manip == NAT_MANIP_SRC ? 0 : 2);
	be16 to = rw->manip == NAT_MANIP_SRC ? rw->target->src_l4.port : rw->target->dst_l4.port;
	be16 from, check;

	if (!want(rw, off + 8))
		return false;
	from = read16(port);
	write16(port, to);
	if (!want(rw, off + sizeof(struct tcphdr)))
		return true;		/* a quoted header ends before its checksum */
	check = read16(l4 + offsetof(struct tcphdr, check));
	checksum_follow_addr(rw, &check);
	checksum_follow_field(&check, from, to);
	write16(l4 + offsetof(struct tcphdr, check), check);
	return true;
}

static bool rewrite_udp(const struct rewrite *rw, uint32_t off, bool is_optional)
{
	uint8_t *l4 = rw->data + off;
	uint8_t *port = l4 + (rw->manip == NAT_MANIP_SRC ? 0 : 2);
	be16 to = rw->manip == NAT_MANIP_SRC ? rw->target->src_l4.port : rw->target->dst_l4.port;
	be16 check;

	if (!want(rw, off + sizeof(struct udphdr)))
		return false;
	check = read16(l4 + offsetof(struct udphdr, check));
	if (check != 0 || !is_optional) {	/* zero says "none" and stays */
		checksum_follow_addr(rw, &check);
		checksum_follow_field(&check, read16(port), to);
		write16(l4 + offsetof(struct udphdr, check), check ? check : 0xffff);
	}
	write16(port, to);
	return true;
}

static bool has_icmp_id(uint8_t type)
{
	switch (type) {
	case ICMP_ECHO:
	case ICMP_ECHOREPLY:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return true;
	default:
		return false;
	}
}

static void rewrite_icmp_id(const struct rewrite *rw, uint8_t *id, be16 *check)
{
	checksum_follow_field(check, read16(id), rw->target->src_l4.icmp_id);
	write16(id, rw->target->src_l4.icmp_id);
}

static bool rewrite_icmp(const struct rewrite *rw, uint32_t off)
{
	uint8_t *l4 = rw->data + off;
	be16 check;

	if (!want(rw, off + sizeof(struct icmphdr)))
		return false;
	if (!has_icmp_id(l4[0]))
		return true;
	check = read16(l4 + 2);
	rewrite_icmp_id(rw, l4 + 4, &check);
	write16(l4 + 2, check);
	return true;
}

static bool rewrite_icmp6(const struct rewrite *rw, uint32_t off)
{
	uint8_t *l4 = rw->data + off;
	be16 check;

	if (!want(rw, off + sizeof(struct icmp6hdr)))
		return false;
	check = read16(l4 + 2);
	checksum_follow_addr(rw, &check);
	if (l4[0] == ICMPV6_ECHO_REQUEST || l4[0] == ICMPV6_ECHO_REPLY)
		rewrite_icmp_id(rw, l4 + 4, &check);
	write16(l4 + 2, check);
	return true;
}

/* SCTP's sum has no pseudo header and is made anew, over what there is from the header on. */
static bool rewrite_sctp(const struct rewrite *rw, uint32_t off)
{
	uint8_t *l4 = rw->data + off;
	uint32_t crc;

	if (!want(rw, off + 8))
		return false;
	if (rw->manip == NAT_MANIP_SRC)
		write16(l4, rw->target->src_l4.port);
	else
		write16(l4 + 2, rw->target->dst_l4.port);
	if (!want(rw, off + SCTP_HEADER_LEN))
		return true;		/* a quoted header ends before its checksum */
	memset(l4 + SCTP_CHECKSUM, 0, 4);
	crc = ~crc32c(~0u, l4, rw->len - off);
	for (int i = 0; i < 4; i++)
		l4[SCTP_CHECKSUM + i] = (uint8_t)(crc >> 8 * i);
	return true;
}

/* Only PPTP's GRE has a key, and a packet shows only its destination's. */
static bool rewrite_gre(const struct rewrite *rw, uint32_t off)
{
	uint8_t *l4 = rw->data + off;

	if (!want(rw, off + 8))
		return false;
	if (rw->manip != NAT_MANIP_DST)
		return true;
	switch (get_be16(l4) & GRE_VERSION_MASK) {
	case 0:
		return true;
	case 1:
		write16(l4 + 6, rw->target->dst_l4.gre_key);
		return true;
	default:
		return false;
	}
}

/* Protocols without ports of their own pass with only their addresses changed. */
static bool rewrite_l4(const struct rewrite *rw, uint32_t off)
{
	switch (rw->target->proto) {
	case IPPROTO_TCP:
		return rewrite_tcp(rw, off);
	case IPPROTO_UDP:
		return rewrite_udp(rw, off, true);
	case IPPROTO_UDPLITE:
		return rewrite_udp(rw, off, false);
	case IPPROTO_SCTP:
		return rewrite_sctp(rw, off);
	case IPPROTO_GRE:
		return rewrite_gre(rw, off);
	case IPPROTO_ICMP:
		return rewrite_icmp(rw, off);
	case IPPROTO_ICMPV6:
		return rewrite_icmp6(rw, off);
	default:
		return true;
	}
}

static bool rewrite_ip4(const struct rewrite *rw)
{
	uint8_t *ip = rw->data + rw->ip_off;
	uint8_t *addr = ip + (rw->manip == NAT_MANIP_SRC ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
	be32 to = rw->manip == NAT_MANIP_SRC ? rw->target->src.ip : rw->target->dst.ip;
	be32 from;
	be16 check;

	if (!want(rw, rw->ip_off + sizeof(struct iphdr)) || !rewrite_l4(rw, rw->ip_off + (ip[0] & 0xf) * 4))
		return false;
	memcpy(&from, addr, sizeof(from));
	check = read16(ip + offsetof(struct iphdr, check));
	csum_replace4(&check, from, to);
	write16(ip + offsetof(struct iphdr, check), check);
	memcpy(addr, &to, sizeof(to));
	return true;
}

int nat_skip_ext_headers(const uint8_t *data, uint32_t len, uint32_t off, uint8_t *proto, uint16_t *frag_off)
{
	*frag_off = 0;
	for (;;) {
		const uint8_t *ext = data + off;
		uint32_t size;

		switch (*proto) {
		case IPPROTO_NONE:
			return -1;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
		case IPPROTO_FRAGMENT:
			break;
		default:
			return off;
		}
		if (len < 2 || off > len - 2)
			return -1;
		if (*proto == IPPROTO_FRAGMENT) {
			if (len - off < 4)
				return -1;
			*frag_off = get_be16(ext + 2);
			if (*frag_off & IP6_OFFSET_MASK)
				return off;
			size = 8;
		} else {
			size = *proto == IPPROTO_AH ? (ext[1] + 2) * 4u : (ext[1] + 1) * 8u;
		}
		*proto = ext[0];
		off += size;
	}
}

static bool rewrite_ip6(const struct rewrite *rw)
{
	struct ipv6hdr *ip = (struct ipv6hdr *)(rw->data + rw->ip_off);
	uint16_t frag_off;
	uint8_t proto;
	int off;

	if (!want(rw, rw->ip_off + sizeof(*ip)))
		return false;
	proto = ip->nexthdr;
	off = nat_skip_ext_headers(rw->data, rw->len, rw->ip_off + sizeof(*ip), &proto, &frag_off);
	if (off >= 0 && !(frag_off & IP6_OFFSET_MASK) && !rewrite_l4(rw, off))
		return false;
	if (rw->manip == NAT_MANIP_SRC)
		memcpy(&ip->saddr, &rw->target->src.in6, sizeof(ip->saddr));
	else
		memcpy(&ip->daddr, &rw->target->dst.in6, sizeof(ip->daddr));
	return true;
}

bool nat_rewrite(struct pkt *pkt, uint32_t ip_off, const struct ct_tuple *target, enum nat_manip manip)
{
	const struct rewrite rw = { .pkt = pkt, .data = pkt->data, .len = pkt->len, .ip_off = ip_off, .target = target,
				    .manip = manip };

	return target->family == NFPROTO_IPV4 ? rewrite_ip4(&rw) : rewrite_ip6(&rw);
}
