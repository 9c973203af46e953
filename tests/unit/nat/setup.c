/* Which tuple a connection gets when others have theirs already. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nat/nat.h"

static const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };

static struct ct *begin(struct instance *inst, uint8_t proto, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = proto }, reply;
	struct ct *ct;

	orig.src.ip = htonl(src);
	orig.dst.ip = htonl(dst);
	orig.src_l4.port = htons(sport);
	orig.dst_l4.port = htons(dport);
	assert_true(ct_tuple_invert(&reply, &orig));
	ct = ct_new(inst, &zone, &orig, &reply);
	assert_non_null(ct);
	if (proto == IPPROTO_TCP)
		ct->proto.tcp.state = TCP_CONNTRACK_SYN_SENT;
	return ct;
}

static struct nf_nat_range2 to_addr(uint32_t addr)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS };

	range.min_addr.ip = range.max_addr.ip = htonl(addr);
	return range;
}

static int confirm(struct instance *inst, struct ct *ct)
{
	ct_set_timeout_sec(inst, ct, 100);
	return ct_insert(inst, ct);
}

static uint16_t mapped_port(const struct ct *ct)
{
	return ntohs(ct_tuple(ct, IP_CT_DIR_REPLY)->dst_l4.port);
}

static void a_source_keeps_its_mapping(void **state)
{
	struct instance *inst = instance_new(1, 0, NULL);
	struct nf_nat_range2 range = to_addr(0xcb007101);
	struct ct *first = begin(inst, IPPROTO_UDP, 0x0a000002, 4000, 0x08080808, 53);
	struct ct *second = begin(inst, IPPROTO_UDP, 0x0a000003, 4000, 0x08080808, 53), *third;
	uint16_t port;

	assert_int_equal(nat_setup(inst, first, &range, NAT_MANIP_SRC), NF_ACCEPT);
	assert_int_equal(mapped_port(first), 4000);
	assert_int_equal(confirm(inst, first), 0);
	assert_int_equal(nat_setup(inst, second, &range, NAT_MANIP_SRC), NF_ACCEPT);
	port = mapped_port(second);
	assert_int_not_equal(port, 4000);
	assert_true(port >= 1024);
	assert_int_equal(confirm(inst, second), 0);
	/* another destination, where 4000 would be free: it is still the mapping that counts */
	third = begin(inst, IPPROTO_UDP, 0x0a000003, 4000, 0x09090909, 53);
	assert_int_equal(nat_setup(inst, third, &range, NAT_MANIP_SRC), NF_ACCEPT);
	assert_int_equal(mapped_port(third), port);
	assert_true(third->status & IPS_SRC_NAT);
	assert_int_equal(nat_setup(inst, third, &range, NAT_MANIP_SRC), NF_DROP);
	ct_put(inst, third);
	instance_free(inst);
}

static void a_full_range_says_so_at_confirm(void **state)
{
	struct instance *inst = instance_new(2, 0, NULL);
	struct nf_nat_range2 range = to_addr(0xcb007101);
	uint64_t seen = 0;

	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = htons(5000);
	range.max_proto.all = htons(5039);
	for (int i = 0; i < 40; i++) {
		struct ct *ct = begin(inst, IPPROTO_TCP, 0x0a000002 + i, 4000, 0x08080808, 80);

		assert_int_equal(nat_setup(inst, ct, &range, NAT_MANIP_SRC), NF_ACCEPT);
		assert_in_range(mapped_port(ct), 5000, 5039);
		seen |= 1ull << (mapped_port(ct) - 5000);
		assert_int_equal(confirm(inst, ct), 0);
	}
	assert_int_equal(seen, (1ull << 40) - 1);
	{
		struct ct *ct = begin(inst, IPPROTO_TCP, 0x0a0000ff, 4000, 0x08080808, 80);

		assert_int_equal(nat_setup(inst, ct, &range, NAT_MANIP_SRC), NF_ACCEPT);
		assert_int_not_equal(confirm(inst, ct), 0);
		ct_put(inst, ct);
	}
	instance_free(inst);
}

/* The answers of a new connection to 53 would come from where an old one's do. */
static void destinations_fill_in_order(void **state)
{
	struct instance *inst = instance_new(3, 0, NULL);
	struct nf_nat_range2 range = to_addr(0x0a010002);

	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = htons(7000);
	range.max_proto.all = htons(7003);
	for (int i = 0; i < 4; i++) {
		struct ct *ct = begin(inst, IPPROTO_TCP, 0x08080808, 1111, 0xcb007101, 80 + i);

		assert_int_equal(nat_setup(inst, ct, &range, NAT_MANIP_DST), NF_ACCEPT);
		assert_int_equal(ntohs(ct_tuple(ct, IP_CT_DIR_REPLY)->src_l4.port), 7000 + i);
		assert_int_equal(confirm(inst, ct), 0);
	}
	instance_free(inst);
}

static void a_finished_connection_makes_room(void **state)
{
	struct instance *inst = instance_new(4, 0, NULL);
	struct nf_nat_range2 range = to_addr(0xcb007101);
	struct ct *old = begin(inst, IPPROTO_TCP, 0x0a000002, 4000, 0x08080808, 80), *new;

	range.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range.min_proto.all = range.max_proto.all = htons(5000);
	old->proto.tcp.seen[0].td_end = 1000;
	assert_int_equal(nat_setup(inst, old, &range, NAT_MANIP_SRC), NF_ACCEPT);
	assert_int_equal(confirm(inst, old), 0);
	old->proto.tcp.state = TCP_CONNTRACK_TIME_WAIT;
	new = begin(inst, IPPROTO_TCP, 0x0a000003, 4000, 0x08080808, 80);
	new->proto.tcp.seen[0].td_end = 999;		/* not newer: the old one stays */
	assert_int_equal(nat_setup(inst, new, &range, NAT_MANIP_SRC), NF_ACCEPT);
	assert_int_not_equal(confirm(inst, new), 0);
	ct_put(inst, new);
	new = begin(inst, IPPROTO_TCP, 0x0a000003, 4000, 0x08080808, 80);
	new->proto.tcp.seen[0].td_end = 1001;
	assert_int_equal(nat_setup(inst, new, &range, NAT_MANIP_SRC), NF_ACCEPT);
	assert_int_equal(confirm(inst, new), 0);
	assert_true(ct_is_dying(old));
	ct_put(inst, old);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_keeps_its_mapping),
		cmocka_unit_test(a_full_range_says_so_at_confirm),
		cmocka_unit_test(destinations_fill_in_order),
		cmocka_unit_test(a_finished_connection_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
