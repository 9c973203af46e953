/*
 * nat/exact.c - the last free port of a range. Linux rolls dice and gives up, also while a port is free; with the
 * setting net.netfilter.nf_conntrack_weir_nat_exact (0: as Linux) a search that fails there goes on here, port by
 * port and then address by address, for as many tries as the setting says. Either it finds what is free, or the
 * range is full, and the packet is dropped at once. That a range is full is remembered until a connection ends.
 */
#include "nat/nat_internal.h"

struct search {
	const struct nat_choice *c;
	struct ct_tuple *tuple;
	uint32_t left;			/* tries */
};

static enum nat_exact try_ports(struct search *s, uint32_t attempts_left)
{
	struct nat_keys keys;
	uint32_t offset;

	if (!nat_range_keys(s->c->range, s->c->manip, ct_master(s->c->ct) != NULL, s->tuple, &keys) || keys.count == 0) {
		if (!s->left)
			return NAT_EXACT_GAVE_UP;
		s->left--;
		return nat_is_taken(s->c, s->tuple, attempts_left) ? NAT_EXACT_FULL : NAT_EXACT_FOUND;
	}
	/* From a random place on: free ports stay spread out, and neighbours do not search the same stretch. */
	offset = rng_u16(&s->c->inst->rng) % keys.count;
	for (uint32_t i = 0; i < keys.count; i++, s->left--) {
		if (!s->left)
			return NAT_EXACT_GAVE_UP;
		*keys.key = htons(keys.first + (offset + i) % keys.count);
		if (!nat_is_taken(s->c, s->tuple, attempts_left))
			return NAT_EXACT_FOUND;
	}
	return NAT_EXACT_FULL;
}

/* The range's address behind @addr, after the last the first; false: the range has only one. */
static bool next_addr(const struct nf_nat_range2 *range, uint8_t family, union nf_inet_addr *addr)
{
	int words = family == NFPROTO_IPV4 ? 1 : 4;

	if (!(range->flags & NF_NAT_RANGE_MAP_IPS) || (range->flags & NF_NAT_RANGE_PERSISTENT) ||
	    ct_addr_equal(&range->min_addr, &range->max_addr))
		return false;
	if (ct_addr_equal(addr, &range->max_addr)) {
		*addr = range->min_addr;
		return true;
	}
	for (int i = words - 1; i >= 0; i--) {
		addr->all[i] = htonl(ntohl(addr->all[i]) + 1);
		if (addr->all[i])
			break;
	}
	return true;
}

/* All addresses of the range, beginning with the one that the range's hash chose. */
static enum nat_exact try_all(struct search *s, uint32_t attempts_left)
{
	const bool is_source = s->c->manip == NAT_MANIP_SRC;
	union nf_inet_addr *addr = is_source ? &s->tuple->src : &s->tuple->dst, first = *addr;
	be16 port = is_source ? s->tuple->src_l4.all : s->tuple->dst_l4.all;

	for (;;) {
		enum nat_exact found = try_ports(s, attempts_left);

		if (found != NAT_EXACT_FULL)
			return found;
		if (is_source)
			s->tuple->src_l4.all = port;	/* its class says which ports another address may give */
		else
			s->tuple->dst_l4.all = port;
		if (!next_addr(s->c->range, s->tuple->family, addr) || ct_addr_equal(addr, &first))
			return NAT_EXACT_FULL;
	}
}

/* Whose range is full: the answers' sender and protocol, and what there was to choose from. */
static uint64_t question_of(const struct nat_choice *c, const struct ct_tuple *tuple)
{
	const bool is_source = c->manip == NAT_MANIP_SRC;
	const struct nf_nat_range2 *range = c->range;
	struct nat_keys keys = { 0 };
	struct ct_tuple probe = *tuple;
	uint64_t words[12] = { (uint64_t)tuple->family << 56 | (uint64_t)tuple->proto << 48 | (uint64_t)c->manip << 40 |
			       c->ct->zone.id << 8 | c->ct->zone.dir };

	if (nat_range_keys(range, c->manip, ct_master(c->ct) != NULL, &probe, &keys))
		words[1] = (uint64_t)keys.first << 32 | keys.count;
	words[2] = range->flags | (uint64_t)(is_source ? tuple->dst_l4.all : tuple->src_l4.all) << 32;
	memcpy(&words[3], is_source ? &tuple->dst : &tuple->src, 16);
	if (range->flags & NF_NAT_RANGE_MAP_IPS) {
		memcpy(&words[5], &range->min_addr, 16);
		memcpy(&words[7], &range->max_addr, 16);
	} else {
		memcpy(&words[5], is_source ? &tuple->src : &tuple->dst, 16);
	}
	if (!keys.count)
		words[9] = (uint64_t)tuple->src_l4.all << 16 | tuple->dst_l4.all;
	return siphash_words(words, 10, &c->inst->hash_key);
}

enum nat_exact nat_exact_search(const struct nat_choice *c, struct ct_tuple *tuple)
{
	struct nat *nat = c->inst->nat;
	uint64_t question = question_of(c, tuple), tick = inst_jiffies(c->inst), ended = ct_stats(c->inst)->ended;
	struct nat_full *known = &nat->full[question % NAT_FULL_KNOWN];
	struct search s = { .c = c, .tuple = tuple, .left = nat->exact_tries };
	const struct ct_tuple asked = *tuple;
	enum nat_exact found;

	if (known->question == question && known->tick == tick && known->ended == ended)
		return NAT_EXACT_FULL;
	found = try_all(&s, UINT32_MAX);
	if (found == NAT_EXACT_FULL && tuple->proto == IPPROTO_TCP) {
		*tuple = asked;
		found = try_all(&s, 0);		/* finished connections make room */
	}
	if (found == NAT_EXACT_FULL)
		*known = (struct nat_full){ question, tick, ended };
	return found;
}
