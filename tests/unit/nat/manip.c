/* Rewriting keeps checksums exact: on random packets the adjusted sums equal sums made anew, and bad ones stay bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nat/nat_internal.h"

enum { ROUNDS = 3000, L4_MAX = 200 };

struct sample {
	uint8_t bytes[sizeof(struct ipv6hdr) + L4_MAX];
	uint32_t len, l4_off;
	uint8_t family, proto;
};

static bool rewrite(uint8_t *bytes, uint32_t len, const struct ct_tuple *target, enum nat_manip manip)
{
	struct pkt pkt = { .data = bytes, .len = len };

	return nat_rewrite(&pkt, 0, target, manip);
}

static uint32_t check_off(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

/* What the L4 checksum sums to when it holds. */
static be16 l4_sum(const struct sample *s)
{
	uint32_t len = s->len - s->l4_off, sum = 0;

	if (s->family == NFPROTO_IPV6)
		sum = csum_pseudo6(s->bytes + 8, s->bytes + 24, s->proto, len);
	else if (s->proto != IPPROTO_ICMP)
		sum = csum_pseudo4(((const struct iphdr *)s->bytes)->saddr, ((const struct iphdr *)s->bytes)->daddr,
				   s->proto, len);
	return csum_fold(csum_partial(s->bytes + s->l4_off, len, sum));
}

static void make(struct rng *rng, struct sample *s)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 0 };
	be16 check = 0;
	uint8_t *l4;

	for (size_t i = 0; i < sizeof(s->bytes); i++)
		s->bytes[i] = (uint8_t)rng_u32(rng);
	s->family = rng_below(rng, 2) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	s->proto = protos[rng_below(rng, 3)];
	if (!s->proto)
		s->proto = s->family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	s->l4_off = s->family == NFPROTO_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	s->len = s->l4_off + 20 + rng_below(rng, L4_MAX - 20);
	l4 = s->bytes + s->l4_off;
	if (s->family == NFPROTO_IPV4) {
		s->bytes[0] = 0x45;
		s->bytes[9] = s->proto;
		csum_ip4_header((struct iphdr *)s->bytes);
	} else {
		s->bytes[6] = s->proto;
	}
	if (s->proto == IPPROTO_ICMP)
		l4[0] = rng_below(rng, 2) ? ICMP_ECHO : ICMP_TIMESTAMPREPLY;
	else if (s->proto == IPPROTO_ICMPV6)
		l4[0] = rng_below(rng, 2) ? ICMPV6_ECHO_REQUEST : ICMPV6_ECHO_REPLY;
	memcpy(l4 + check_off(s->proto), &check, sizeof(check));
	check = l4_sum(s);
	if (s->proto == IPPROTO_UDP && !check)
		check = 0xffff;
	memcpy(l4 + check_off(s->proto), &check, sizeof(check));
}

static struct ct_tuple random_target(struct rng *rng, const struct sample *s)
{
	struct ct_tuple t = { .family = s->family, .proto = s->proto };

	for (unsigned int i = 0; i < (s->family == NFPROTO_IPV4 ? 1 : 4); i++) {
		t.src.all[i] = rng_u32(rng);
		t.dst.all[i] = rng_u32(rng);
	}
	t.src_l4.all = rng_u16(rng);
	t.dst_l4.all = rng_u16(rng);
	return t;
}

static void checksums_hold_after_rewriting(void **state)
{
	struct rng rng;

	rng_seed(&rng, 1);
	for (int i = 0; i < ROUNDS; i++) {
		enum nat_manip manip = rng_below(&rng, 2) ? NAT_MANIP_SRC : NAT_MANIP_DST;
		struct ct_tuple target;
		struct sample s;
		uint32_t at;

		make(&rng, &s);
		target = random_target(&rng, &s);
		assert_int_equal(l4_sum(&s), 0);
		assert_true(rewrite(s.bytes, s.len, &target, manip));
		assert_int_equal(l4_sum(&s), 0);
		at = s.family == NFPROTO_IPV4 ? (manip == NAT_MANIP_SRC ? 12 : 16) : (manip == NAT_MANIP_SRC ? 8 : 24);
		assert_memory_equal(s.bytes + at, manip == NAT_MANIP_SRC ? &target.src : &target.dst,
				    s.family == NFPROTO_IPV4 ? 4 : 16);
		if (s.family == NFPROTO_IPV4)
			assert_int_equal(csum_fold(csum_partial(s.bytes, sizeof(struct iphdr), 0)), 0);
	}
}

static void udp_without_checksum_stays_without(void **state)
{
	struct rng rng;
	struct ct_tuple target;
	struct sample s;

	rng_seed(&rng, 2);
	do {
		make(&rng, &s);
	} while (s.proto != IPPROTO_UDP || s.family != NFPROTO_IPV4);
	s.bytes[26] = s.bytes[27] = 0;
	target = random_target(&rng, &s);
	assert_true(rewrite(s.bytes, s.len, &target, NAT_MANIP_SRC));
	assert_int_equal(s.bytes[26] | s.bytes[27], 0);
	assert_memory_equal(s.bytes + 20, &target.src_l4, 2);
}

static void a_broken_checksum_stays_as_broken(void **state)
{
	struct rng rng;

	rng_seed(&rng, 3);
	for (int i = 0; i < 200; i++) {
		struct ct_tuple target;
		struct sample s;
		be16 before;

		make(&rng, &s);
		s.bytes[s.l4_off + 4] ^= 0x11;		/* sequence number, length, id */
		before = l4_sum(&s);
		target = random_target(&rng, &s);
		assert_true(rewrite(s.bytes, s.len, &target, NAT_MANIP_DST));
		if (s.proto == IPPROTO_TCP)
			assert_int_equal(l4_sum(&s), before);
		assert_int_not_equal(l4_sum(&s), 0);
	}
}

/* Quoted headers: 8 bytes of TCP change ports only; fewer cannot be translated. */
static void short_headers(void **state)
{
	struct rng rng;
	struct ct_tuple target;
	struct sample s;

	rng_seed(&rng, 4);
	do {
		make(&rng, &s);
	} while (s.proto != IPPROTO_TCP);
	target = random_target(&rng, &s);
	assert_true(rewrite(s.bytes, s.l4_off + 8, &target, NAT_MANIP_DST));
	assert_memory_equal(s.bytes + s.l4_off + 2, &target.dst_l4, 2);
	assert_false(rewrite(s.bytes, s.l4_off + 7, &target, NAT_MANIP_DST));
	assert_false(rewrite(s.bytes, s.l4_off - 1, &target, NAT_MANIP_DST));
}

/* Random bytes as extension headers never lead outside. */
static void extension_headers_stay_inside(void **state)
{
	struct rng rng;
	uint8_t *heap;

	rng_seed(&rng, 5);
	for (int i = 0; i < 5000; i++) {
		static const uint8_t kinds[] = { 0, 43, 44, 51, 59, 60, 6, 58 };
		uint32_t len = sizeof(struct ipv6hdr) + rng_below(&rng, 60);
		struct ct_tuple target = { .family = NFPROTO_IPV6, .proto = IPPROTO_TCP };

		heap = test_malloc(len);
		for (uint32_t j = 0; j < len; j++)
			heap[j] = rng_below(&rng, 3) ? kinds[rng_below(&rng, 8)] : rng_below(&rng, 3);
		rewrite(heap, len, &target, NAT_MANIP_SRC);
		test_free(heap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums_hold_after_rewriting),
		cmocka_unit_test(udp_without_checksum_stays_without),
		cmocka_unit_test(a_broken_checksum_stays_as_broken),
		cmocka_unit_test(short_headers),
		cmocka_unit_test(extension_headers_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
