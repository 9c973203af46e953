/* What a range allows: port classes, ids, and addresses that stay inside and never change from run to run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nat/nat_internal.h"

static void ports_stay_in_their_class(void **state)
{
	static const struct { uint16_t port, first, last; } classes[] = {
		{ 0, 1, 511 }, { 511, 1, 511 }, { 512, 600, 1023 }, { 1023, 600, 1023 }, { 1024, 1024, 65535 },
		{ 65535, 1024, 65535 },
	};
	const struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct ct_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_UDP };
		struct nat_keys keys;

		t.src_l4.port = t.dst_l4.port = htons(classes[i].port);
		assert_true(nat_range_keys(&range, NAT_MANIP_SRC, false, &t, &keys));
		assert_ptr_equal(keys.key, &t.src_l4.port);
		assert_int_equal(keys.first, classes[i].first);
		assert_int_equal(keys.first + keys.count - 1, classes[i].last);
		assert_false(nat_range_keys(&range, NAT_MANIP_DST, false, &t, &keys));
	}
}

static void given_ports_and_ids(void **state)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_PROTO_SPECIFIED };
	struct ct_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP };
	struct nat_keys keys;

	range.min_proto.all = htons(5010);
	range.max_proto.all = htons(5000);	/* the wrong way round */
	assert_true(nat_range_keys(&range, NAT_MANIP_DST, false, &t, &keys));
	assert_ptr_equal(keys.key, &t.dst_l4.port);
	assert_int_equal(keys.first, 5000);
	assert_int_equal(keys.count, 11);

	range.flags = 0;
	t.proto = IPPROTO_ICMP;
	assert_true(nat_range_keys(&range, NAT_MANIP_DST, false, &t, &keys));
	assert_ptr_equal(keys.key, &t.src_l4.icmp_id);
	assert_int_equal(keys.count, 65536);
	t.proto = IPPROTO_GRE;
	assert_false(nat_range_keys(&range, NAT_MANIP_SRC, false, &t, &keys));
	t.proto = 99;
	assert_false(nat_range_keys(&range, NAT_MANIP_SRC, false, &t, &keys));
	assert_true(nat_range_holds_l4(&range, &t, NAT_MANIP_SRC));
}

static void picked_addresses_stay_inside(void **state)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };
	const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	struct rng rng;

	rng_seed(&rng, 9);
	for (int i = 0; i < 2000; i++) {
		bool v6 = i & 1;
		struct ct_tuple t = { .family = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4, .proto = IPPROTO_TCP }, again, other;

		memset(&range.min_addr, 0, sizeof(range.min_addr));
		memset(&range.max_addr, 0, sizeof(range.max_addr));
		range.flags = NF_NAT_RANGE_MAP_IPS | (i & 2 ? NF_NAT_RANGE_PERSISTENT : 0);
		for (int w = 0; w < (v6 ? 4 : 1); w++) {
			t.src.all[w] = rng_u32(&rng);
			t.dst.all[w] = rng_u32(&rng);
			range.min_addr.all[w] = range.max_addr.all[w] = rng_u32(&rng);
		}
		range.min_addr.all[v6 ? 3 : 0] = htonl(0x0a000010);
		range.max_addr.all[v6 ? 3 : 0] = htonl(0x0a000042);
		again = other = t;
		other.dst.all[v6 ? 3 : 0] ^= 0x55555555;
		nat_range_pick_addr(&range, &zone, NAT_MANIP_SRC, &t);
		nat_range_pick_addr(&range, &zone, NAT_MANIP_SRC, &again);
		nat_range_pick_addr(&range, &zone, NAT_MANIP_SRC, &other);
		assert_memory_equal(&t.src, &again.src, sizeof(t.src));
		if (range.flags & NF_NAT_RANGE_PERSISTENT)
			assert_memory_equal(&t.src, &other.src, sizeof(t.src));
		assert_in_range(ntohl(t.src.all[v6 ? 3 : 0]), 0x0a000010, 0x0a000042);
		assert_true(nat_range_holds_source(&range, &t));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_stay_in_their_class),
		cmocka_unit_test(given_ports_and_ids),
		cmocka_unit_test(picked_addresses_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
