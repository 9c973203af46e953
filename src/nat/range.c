/*
 * nat/range.c - what a range allows, and its choices that are the same in every run: addresses by a hash of
 * source and destination, ports within the class that the old port had.
 */
#include "nat/nat_internal.h"

/* Protocols whose tracker reads ports. */
static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP;
}

static bool is_icmp(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static bool addr_is_between(uint8_t family, const union nf_inet_addr *addr, const union nf_inet_addr *min,
			    const union nf_inet_addr *max)
{
	size_t len = family == NFPROTO_IPV4 ? sizeof(addr->ip) : sizeof(addr->in6);

	return memcmp(addr, min, len) >= 0 && memcmp(addr, max, len) <= 0;
}

bool nat_range_holds_l4(const struct nf_nat_range2 *range, const struct ct_tuple *tuple, enum nat_manip manip)
{
	be16 key;

	if (is_icmp(tuple->proto))
		key = tuple->src_l4.icmp_id;	/* one id for both ways */
	else if (has_ports(tuple->proto) || tuple->proto == IPPROTO_GRE)
		key = manip == NAT_MANIP_SRC ? tuple->src_l4.all : tuple->dst_l4.all;
	else
		return true;
	return ntohs(key) >= ntohs(range->min_proto.all) && ntohs(key) <= ntohs(range->max_proto.all);
}

bool nat_range_holds_source(const struct nf_nat_range2 *range, const struct ct_tuple *tuple)
{
	if ((range->flags & NF_NAT_RANGE_MAP_IPS) &&
	    !addr_is_between(tuple->family, &tuple->src, &range->min_addr, &range->max_addr))
		return false;
	return !(range->flags & NF_NAT_RANGE_PROTO_SPECIFIED) || nat_range_holds_l4(range, tuple, NAT_MANIP_SRC);
}

void nat_range_pick_addr(const struct nf_nat_range2 *range, const struct ct_zone *zone, enum nat_manip manip,
			 struct ct_tuple *tuple)
{
	union nf_inet_addr *addr = manip == NAT_MANIP_SRC ? &tuple->src : &tuple->dst;
	bool is_persistent = range->flags & NF_NAT_RANGE_PERSISTENT, is_below_max = false;
	unsigned int words = tuple->family == NFPROTO_IPV4 ? 1 : 4;
	uint32_t source[4], hash;

	if (!(range->flags & NF_NAT_RANGE_MAP_IPS))
		return;
	if (ct_addr_equal(&range->min_addr, &range->max_addr)) {
		*addr = range->min_addr;
		return;
	}
	memcpy(source, &tuple->src, sizeof(source));
	hash = jhash_words(source, 4, is_persistent ? 0 : tuple->dst.all[words - 1] ^ zone->id);
	for (unsigned int i = 0; i < words; i++) {
		/* Once a word is below the range's end, the words after it are free. */
		uint32_t min = is_below_max ? 0 : ntohl(range->min_addr.all[i]);
		uint32_t span = is_below_max ? UINT32_MAX : ntohl(range->max_addr.all[i]) - min + 1;

		addr->all[i] = htonl(min + hash_scale(hash, span));
		if (addr->all[i] != range->max_addr.all[i])
			is_below_max = true;
		/* With @addr the destination itself this mixes in the new word, as Linux does. */
		if (!is_persistent)
			hash ^= tuple->dst.all[i];
	}
}

bool nat_range_keys(const struct nf_nat_range2 *range, enum nat_manip manip, bool has_master,
		    struct ct_tuple *tuple, struct nat_keys *keys)
{
	bool has_range = range->flags & NF_NAT_RANGE_PROTO_SPECIFIED;
	uint32_t min = ntohs(range->min_proto.all), max = ntohs(range->max_proto.all), port;

	if (is_icmp(tuple->proto)) {
		keys->key = &tuple->src_l4.icmp_id;
		if (!has_range) {
			min = 0;
			max = UINT16_MAX;
		}
		keys->first = min;
		keys->count = max - min + 1;	/* a range the wrong way round wraps, as in Linux */
		return true;
	}
	keys->key = manip == NAT_MANIP_SRC ? &tuple->src_l4.all : &tuple->dst_l4.all;
	if (tuple->proto == IPPROTO_GRE) {
		if (!has_master)
			return false;		/* only PPTP's calls may be renumbered */
		keys->first = has_range ? min : 1;
		keys->count = has_range ? max - min + 1 : UINT16_MAX;
		return true;
	}
	if (!has_ports(tuple->proto))
		return false;
	if (has_range) {
		keys->first = MIN_OF(min, max);
		keys->count = MAX_OF(min, max) - keys->first + 1;
		return true;
	}
	if (manip == NAT_MANIP_DST)
		return false;			/* a service stays on its port */
	port = ntohs(*keys->key);
	keys->first = port < 512 ? 1 : port < 1024 ? 600 : 1024;
	keys->count = (port < 512 ? 511 : port < 1024 ? 1023 : UINT16_MAX) - keys->first + 1;
	return true;
}
