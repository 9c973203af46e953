/*
 * packet/checksum.c - Internet checksums (RFC 1071, updates RFC 1624).
 * Sums are kept in memory order: no byte swapping, and one's complement arithmetic does not care.
 */
#include "packet/packet.h"

static uint32_t add_carry(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return sum + (sum < b);
}

/* The last @len (1 to 7) of a run of more than eight bytes that ends at @end, as if zeros followed. */
static inline uint64_t last_bytes(const uint8_t *end, uint32_t len)
{
	uint64_t word;

	memcpy(&word, end - 8, sizeof(word));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word >> (64 - 8 * len) : word << (64 - 8 * len);
}

enum { BLOCK = 32 };

/* @wide and a block more: one chain of carries, which no gcc makes of C. */
static inline uint64_t add_block(const uint8_t *p, uint64_t wide)
{
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
	__asm__("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\tadcq $0, %0"
		: "+r"(wide) : "r"(p), "m"(*(const uint8_t (*)[BLOCK])p) : "cc");
#else
	uint64_t word;

	for (unsigned int i = 0; i < BLOCK; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		wide = csum_add64(wide, word);
	}
#endif
	return wide;
}

/*
 * @wide and the last @len % BLOCK bytes of at least a block: of the block that ends there, without what was summed before. How
 * many they are is as good as random, so nothing is jumped over for it. Behind an odd number of bytes high and low change places.
 */
static inline uint64_t add_rest(const uint8_t *end, uint32_t len, uint64_t wide)
{
	static const uint8_t keep[2 * BLOCK] = {
		[BLOCK] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	const unsigned int turn = 8 * (len & 1);
	uint64_t sum = 0, word, mask;

	for (unsigned int i = 0; i < BLOCK; i += sizeof(word)) {
		memcpy(&word, end - BLOCK + i, sizeof(word));
		memcpy(&mask, keep + len % BLOCK + i, sizeof(mask));
		sum = csum_add64(sum, word & mask);
	}
	return csum_add64(wide, sum << turn | sum >> (-turn & 63));
}

/* Fewer than eight bytes. */
static uint64_t few_bytes(const uint8_t *p, uint32_t len)
{
	uint64_t word = 0;

	memcpy(&word, p, len);
	return word;
}

/* Eight bytes at a time, every carry added back: in one's complement it does not matter which word it came from. */
static inline uint64_t sum_wide(const uint8_t *p, uint32_t len, uint64_t wide)
{
	const uint8_t *const end = p + len;
	const bool is_long = len >= 8;

	for (uint32_t blocks = len / BLOCK; blocks; blocks--, p += BLOCK)
		wide = add_block(p, wide);
	if (len >= BLOCK)
		return add_rest(end, len, wide);
	for (; end - p >= 8; p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		wide = csum_add64(wide, word);
	}
	if (p != end)
		wide = csum_add64(wide, is_long ? last_bytes(end, (uint32_t)(end - p)) : few_bytes(p, (uint32_t)(end - p)));
	return wide;
}

uint64_t csum_wide(const void *data, uint32_t len, uint64_t wide)
{
	return sum_wide(data, len, wide);
}

uint32_t csum_partial(const void *data, uint32_t len, uint32_t sum)
{
	return csum_narrow(sum_wide(data, len, sum));
}

uint32_t csum_pseudo4(be32 saddr, be32 daddr, uint8_t proto, uint32_t len)
{
	uint32_t sum = add_carry(saddr, daddr);

	sum = add_carry(sum, htonl(proto));
	return add_carry(sum, htonl(len));
}

uint32_t csum_pseudo6(const void *saddr, const void *daddr, uint8_t proto, uint32_t len)
{
	uint32_t sum = csum_partial(daddr, 16, csum_partial(saddr, 16, htonl(len)));

	return add_carry(sum, htonl(proto));
}

void csum_ip4_header(struct iphdr *ip)
{
	ip->check = 0;
	ip->check = csum_fold(csum_partial(ip, ip->ihl * 4u, 0));
}

/* In 16 bits for 16-bit fields and in 32 for the others: the two disagree on which zero they leave. */
static uint16_t add_carry16(uint16_t a, uint16_t b)
{
	uint16_t sum = (uint16_t)(a + b);

	return (uint16_t)(sum + (sum < b));
}

void csum_replace2(be16 *sum, be16 from, be16 to)
{
	*sum = (be16)~add_carry16(add_carry16((uint16_t)~*sum, (uint16_t)~from), to);
}

void csum_replace4(be16 *sum, be32 from, be32 to)
{
	*sum = csum_fold(add_carry(add_carry(~(uint32_t)*sum, ~from), to));
}

void csum_replace16(be16 *sum, const be32 from[4], const be32 to[4])
{
	uint32_t wide = ~(uint32_t)*sum;

	for (int i = 0; i < 4; i++)
		wide = add_carry(add_carry(wide, ~from[i]), to[i]);
	*sum = csum_fold(wide);
}

/*
 * netfilter sums an IPv4 packet from its header on. A good header counts as 0xffff there, so that an
 * ICMP message of zeros only has a good checksum; the pseudo header is for TCP and UDP alone. In IPv6
 * every protocol has one.
 */
static bool sum_holds(const struct pkt *pkt, uint32_t l4_off, uint32_t covered, uint8_t proto, bool pseudo)
{
	uint32_t l4_len = pkt->len - l4_off, sum;

	if (pkt->l.family == NFPROTO_IPV4) {
		const struct iphdr *ip = pkt_ip4(pkt);

		sum = pseudo ? csum_pseudo4(ip->saddr, ip->daddr, proto, l4_len) : 0;
		sum = csum_partial(pkt->data, l4_off, sum);	/* an even number of bytes: sums just add up */
	} else {
		const struct ipv6hdr *ip6 = pkt_ip6(pkt);

		sum = csum_pseudo6(&ip6->saddr, &ip6->daddr, proto, l4_len);
	}
	return csum_fold(csum_partial(pkt->data + l4_off, covered, sum)) == 0;
}

bool pkt_checksum_holds(const struct pkt *pkt, uint8_t proto)
{
	if (pkt->flags & PKT_FLAG_CSUM_TRUSTED)
		return true;
	return sum_holds(pkt, pkt->l.l4_off, pkt->len - pkt->l.l4_off, proto,
			 proto == IPPROTO_TCP || proto == IPPROTO_UDP);
}

bool pkt_l4_checksum_ok(struct pkt *pkt)
{
	uint32_t covered;
	bool ok;

	if (pkt->flags & PKT_FLAG_CSUM_TRUSTED || !pkt->l.has_l4)
		return true;
	if (pkt->is_sum_good) {
		pkt->flags |= PKT_FLAG_CSUM_TRUSTED;
		return true;
	}
	covered = pkt->len - pkt->l.l4_off;
	switch (pkt->l.l4proto) {
	case IPPROTO_UDP: {
		const struct udphdr *udp = pkt_l4(pkt, sizeof(*udp));

		if (udp && !udp->check)		/* netfilter lets it be in both families */
			return true;
		break;
	}
	case IPPROTO_UDPLITE: {
		const struct udphdr *udp = pkt_l4(pkt, sizeof(*udp));
		uint32_t coverage = udp ? ntohs(udp->len) : 0;

		if (coverage)
			covered = MIN_OF(covered, coverage);
		break;
	}
	case IPPROTO_TCP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		break;
	default:
		return true;
	}
	ok = sum_holds(pkt, pkt->l.l4_off, covered, pkt->l.l4proto,
		       pkt->l.l4proto != IPPROTO_ICMP && pkt->l.l4proto != IPPROTO_ICMPV6);
	pkt->flags |= ok ? PKT_FLAG_CSUM_TRUSTED : PKT_FLAG_CSUM_SUMMED;
	return ok;
}

static bool is_right_early(const struct pkt *pkt)
{
	const uint32_t addrs = pkt->l.family == NFPROTO_IPV6 ? 32 : 8;	/* bytes of them; L4 follows */
	const uint8_t *l4 = pkt->data + pkt->l.l4_off;
	const uint32_t len = pkt->len - pkt->l.l4_off;
	uint16_t none;

	if (pkt->l.l4proto == IPPROTO_UDP) {
		memcpy(&none, l4 + offsetof(struct udphdr, check), sizeof(none));
		if (!none)
			return false;
	}
	return csum_fold(csum_narrow(sum_wide(l4 - addrs, addrs + len, (uint64_t)htonl(pkt->l.l4proto) + htonl(len)))) == 0;
}

void pkt_l4_checksum_early(struct pkt *pkt)
{
	if (!(pkt->flags & PKT_FLAG_CSUM_TRUSTED) && (pkt->is_sum_good || is_right_early(pkt)))
		pkt->flags |= PKT_FLAG_CSUM_TRUSTED;
}

void pkt_l4_checksum_ahead(struct pkt *pkt)
{
	pkt->is_sum_good = !(pkt->flags & PKT_FLAG_CSUM_TRUSTED) && is_right_early(pkt);
}

static struct tcphdr *tcp_of_late_sum(const struct pkt *pkt, uint32_t *header)
{
	if (!(pkt->flags & PKT_FLAG_CSUM_LATER) || pkt->len < sizeof(struct iphdr))
		return NULL;
	*header = pkt->l.family == NFPROTO_IPV6 ? pkt->l.l4_off : pkt_ip4(pkt)->ihl * 4u;
	return pkt->len < *header + sizeof(struct tcphdr) ? NULL : (struct tcphdr *)(pkt->data + *header);
}

be16 pkt_sum_put_off(struct pkt *pkt)
{
	uint32_t header, pseudo;
	struct tcphdr *tcp = tcp_of_late_sum(pkt, &header);
	be16 sum = 0;

	if (tcp) {
		sum = tcp->check;
		if (pkt->l.family == NFPROTO_IPV6)
			pseudo = csum_pseudo6(&pkt_ip6(pkt)->saddr, &pkt_ip6(pkt)->daddr, IPPROTO_TCP, pkt->len - header);
		else
			pseudo = csum_pseudo4(pkt_ip4(pkt)->saddr, pkt_ip4(pkt)->daddr, IPPROTO_TCP, pkt->len - header);
		tcp->check = ~csum_fold(pseudo);
	}
	return sum;
}

void pkt_sum_put_back(struct pkt *pkt, be16 sum)
{
	uint32_t header;
	struct tcphdr *tcp = tcp_of_late_sum(pkt, &header);

	if (tcp)
		tcp->check = sum;
}

void pkt_sum_finish(struct pkt *pkt)
{
	uint32_t header;
	struct tcphdr *tcp = tcp_of_late_sum(pkt, &header);

	if (tcp && !tcp->check)
		tcp->check = 0xffff;
	pkt->flags &= ~PKT_FLAG_CSUM_LATER;
}
