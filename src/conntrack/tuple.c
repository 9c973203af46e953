/*
 * conntrack/tuple.c - from a packet's headers to a tuple, and from a tuple to that of its answers.
 * What lies between the IP header and L4 is walked here once more, since conntrack's idea of "no L4"
 * (later fragments, IPv6 "no next header") differs from that of the rules, and quoted packets need it too.
 */
#include "conntrack/conntrack_internal.h"

static bool l4_find4(const uint8_t *net, uint32_t len, struct ct_l4 *out)
{
	uint32_t header_len;

	if (len < sizeof(struct iphdr))
		return false;
	if (get_be16(net + offsetof(struct iphdr, frag_off)) & IP4_OFFSET_MASK)
		return false;
	header_len = (net[0] & 0x0f) * 4u;	/* a quoted header may claim less than 20 */
	if (header_len > len)
		return false;
	*out = (struct ct_l4){ net + header_len, len - header_len, net[offsetof(struct iphdr, protocol)] };
	return true;
}

static bool l4_find6(const uint8_t *net, uint32_t len, struct ct_l4 *out)
{
	uint32_t at = sizeof(struct ipv6hdr);
	uint8_t next;

	if (len < sizeof(struct ipv6hdr))
		return false;
	next = net[offsetof(struct ipv6hdr, nexthdr)];
	while (ip6_is_ext_header(next)) {
		uint32_t step;

		if (next == IPPROTO_NONE || at + 2 > len)
			return false;
		if (next == IPPROTO_FRAGMENT && (at + 4 > len || get_be16(net + at + 2) & IP6_OFFSET_MASK))
			return false;
		step = ip6_ext_len(next, net + at);
		next = net[at];
		at += step;
	}
	*out = (struct ct_l4){ net + MIN_OF(at, len), at < len ? len - at : 0, next };
	return true;
}

bool ct_l4_find(const uint8_t *net, uint32_t len, uint8_t family, struct ct_l4 *out)
{
	switch (family) {
	case NFPROTO_IPV4:
		return l4_find4(net, len, out);
	case NFPROTO_IPV6:
		return l4_find6(net, len, out);
	default:
		return false;
	}
}

bool ct_read_ports(const struct instance *inst, const uint8_t *l4, uint32_t l4_len, struct ct_tuple *tuple)
{
	if (l4_len < 4)
		return false;
	memcpy(&tuple->src_l4.all, l4, 2);
	memcpy(&tuple->dst_l4.all, l4 + 2, 2);
	return true;
}

/* @net holds a whole IP header: ct_l4_find() looked. */
bool ct_tuple_read(const struct instance *inst, const uint8_t *net, uint8_t family, const struct ct_l4 *l4,
		   struct ct_tuple *out)
{
	const struct ct_proto *proto = ct_proto_of(inst, l4->proto);

	memset(out, 0, sizeof(*out));
	if (family == NFPROTO_IPV4) {
		memcpy(&out->src.ip, net + offsetof(struct iphdr, saddr), 4);
		memcpy(&out->dst.ip, net + offsetof(struct iphdr, daddr), 4);
	} else {
		memcpy(&out->src, net + offsetof(struct ipv6hdr, saddr), 16);
		memcpy(&out->dst, net + offsetof(struct ipv6hdr, daddr), 16);
	}
	out->family = family;
	out->proto = l4->proto;
	out->dir = IP_CT_DIR_ORIGINAL;
	return !proto->read_tuple || proto->read_tuple(inst, l4->at, l4->len, out);
}

bool ct_tuple_of_packet(const struct instance *inst, const struct pkt *pkt, struct ct_tuple *out)
{
	struct ct_l4 l4;

	return ct_l4_find(pkt->data, pkt->len, pkt->l.family, &l4) && ct_tuple_read(inst, pkt->data, pkt->l.family, &l4, out);
}

/* The trackers are the same in every instance, so that tuples can be turned round without one. */
static const struct ct_proto *proto_by_number(uint8_t number)
{
	for (const struct ct_proto *const *proto = ct_protos; *proto; proto++)
		if ((*proto)->number == number)
			return *proto;
	return NULL;
}

bool ct_tuple_invert(struct ct_tuple *out, const struct ct_tuple *in)
{
	/* Only ICMP answers with anything else than swapped ends. */
	const struct ct_proto *proto = in->proto == IPPROTO_ICMP || in->proto == IPPROTO_ICMPV6 ?
				       proto_by_number(in->proto) : NULL;

	memset(out, 0, sizeof(*out));
	out->src = in->dst;
	out->dst = in->src;
	out->family = in->family;
	out->proto = in->proto;
	out->dir = !in->dir;
	if (proto && proto->invert_tuple)
		return proto->invert_tuple(out, in);
	out->src_l4.all = in->dst_l4.all;
	out->dst_l4.all = in->src_l4.all;
	return true;
}
