/* nf_conntrack_weir_nat_exact: a free port is found if there is one, and "full" is said when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sysctl.h"
#include "nat/nat.h"

enum { SERVER = 0x08080808, PUBLIC = 0xcb007101, PORTS = 1024, FIRST = 5000 };

static const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };

static struct instance *with_tries(const char *tries)
{
	struct instance *inst = instance_new(1, 0, NULL);
	struct refusal why = { 0 };

	assert_int_equal(sysctl_set(inst->sysctls, "net.netfilter.nf_conntrack_weir_nat_exact", tries, &why), 0);
	return inst;
}

static struct ct *begin(struct instance *inst, uint8_t proto, uint32_t host, uint32_t server)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = proto }, reply;
	struct ct *ct;

	orig.src.ip = htonl(0x0a000000 + host);
	orig.dst.ip = htonl(server);
	orig.src_l4.port = htons(4000);
	orig.dst_l4.port = htons(53);
	assert_true(ct_tuple_invert(&reply, &orig));
	ct = ct_new(inst, &zone, &orig, &reply);
	assert_non_null(ct);
	if (proto == IPPROTO_TCP)
		ct->proto.tcp.state = TCP_CONNTRACK_SYN_SENT;
	return ct;
}

static struct nf_nat_range2 range_of(uint32_t addrs, uint32_t ports)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED };

	range.min_addr.ip = htonl(PUBLIC);
	range.max_addr.ip = htonl(PUBLIC + addrs - 1);
	range.min_proto.all = htons(FIRST);
	range.max_proto.all = htons(FIRST + ports - 1);
	return range;
}

/* The number of the place in the range; -1: dropped at once, -2: dropped by confirm. */
static int place_of(struct instance *inst, struct ct *ct, const struct nf_nat_range2 *range)
{
	const struct ct_tuple *reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	uint32_t ports = ntohs(range->max_proto.all) - FIRST + 1u;
	int place = -1;

	if (nat_setup(inst, ct, range, NAT_MANIP_SRC) == NF_ACCEPT) {
		ct_set_timeout_sec(inst, ct, 100);
		place = ct_insert(inst, ct) ? -2 : (int)((ntohl(reply->dst.ip) - PUBLIC) * ports + ntohs(reply->dst_l4.port) - FIRST);
	}
	if (place < 0)
		ct_put(inst, ct);
	return place;
}

static void every_place_is_given_once(void **state)
{
	struct instance *inst = with_tries("65536");
	struct nf_nat_range2 range = range_of(1, PORTS);
	static struct ct *holder[PORTS];
	struct ct *ct;
	int place;

	memset(holder, 0, sizeof(holder));
	for (int i = 0; i < PORTS; i++) {
		ct = begin(inst, IPPROTO_UDP, i, SERVER);
		place = place_of(inst, ct, &range);
		assert_in_range(place, 0, PORTS - 1);
		assert_null(holder[place]);
		holder[place] = ct;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(place_of(inst, begin(inst, IPPROTO_UDP, 5000 + i, SERVER), &range), -1);
	/* full for this server and protocol only */
	assert_in_range(place_of(inst, begin(inst, IPPROTO_UDP, 6000, SERVER + 1), &range), 0, PORTS - 1);
	assert_in_range(place_of(inst, begin(inst, IPPROTO_TCP, 6000, SERVER), &range), 0, PORTS - 1);
	/* what becomes free is found, at once */
	ct_kill(inst, holder[777]);
	assert_int_equal(place_of(inst, begin(inst, IPPROTO_UDP, 7000, SERVER), &range), 777);
	assert_int_equal(place_of(inst, begin(inst, IPPROTO_UDP, 7001, SERVER), &range), -1);
	instance_advance(inst, inst->now_ns + 101 * 1000000000ull);
	assert_in_range(place_of(inst, begin(inst, IPPROTO_UDP, 7002, SERVER), &range), 0, PORTS - 1);
	instance_free(inst);
}

static void as_linux_some_stay_unfound(void **state)
{
	struct instance *inst = with_tries("0");
	struct nf_nat_range2 range = range_of(1, PORTS);
	int lost = 0;

	for (int i = 0; i < PORTS; i++)
		lost += place_of(inst, begin(inst, IPPROTO_UDP, i, SERVER), &range) == -2;
	assert_true(lost > 0);
	instance_free(inst);
}

static void other_addresses_are_asked(void **state)
{
	struct instance *inst = with_tries("65536");
	struct nf_nat_range2 range = range_of(3, 2);
	unsigned int seen = 0;
	int place;

	for (int i = 0; i < 6; i++) {
		place = place_of(inst, begin(inst, IPPROTO_UDP, i, SERVER), &range);
		assert_in_range(place, 0, 5);
		seen |= 1u << place;
	}
	assert_int_equal(seen, 0x3f);
	assert_int_equal(place_of(inst, begin(inst, IPPROTO_UDP, 6, SERVER), &range), -1);
	instance_free(inst);

	/* one port of three addresses: Linux would not look whether it is free */
	inst = with_tries("65536");
	range = range_of(3, 1);
	for (int i = 0; i < 3; i++)
		assert_in_range(place_of(inst, begin(inst, IPPROTO_UDP, i, SERVER), &range), 0, 2);
	assert_int_equal(place_of(inst, begin(inst, IPPROTO_UDP, 3, SERVER), &range), -1);
	instance_free(inst);

	/* who is promised one address gets no other */
	inst = with_tries("65536");
	range = range_of(3, 1);
	range.flags |= NF_NAT_RANGE_PERSISTENT;
	assert_in_range(place_of(inst, begin(inst, IPPROTO_UDP, 1, SERVER), &range), 0, 2);
	{
		int free_addrs = 0;

		for (int i = 2; i < 40; i++)
			free_addrs += place_of(inst, begin(inst, IPPROTO_UDP, i, SERVER), &range) >= 0;
		assert_int_equal(free_addrs, 2);
	}
	instance_free(inst);
}

static void finished_connections_make_room(void **state)
{
	struct instance *inst = with_tries("65536");
	struct nf_nat_range2 range = range_of(1, PORTS);
	struct ct *ct, *old = NULL;
	int place;

	for (int i = 0; i < PORTS; i++) {
		ct = begin(inst, IPPROTO_TCP, i, SERVER);
		place = place_of(inst, ct, &range);
		assert_in_range(place, 0, PORTS - 1);
		if (place == 500)
			old = ct;
	}
	ct = begin(inst, IPPROTO_TCP, 5000, SERVER);
	ct->proto.tcp.seen[0].td_end = 1000;
	assert_int_equal(place_of(inst, ct, &range), -1);
	old->proto.tcp.state = TCP_CONNTRACK_TIME_WAIT;
	instance_advance(inst, inst->now_ns + 10000000);
	ct = begin(inst, IPPROTO_TCP, 5001, SERVER);
	ct->proto.tcp.seen[0].td_end = 1000;
	assert_int_equal(place_of(inst, ct, &range), 500);
	instance_free(inst);
}

static void tries_are_bounded(void **state)
{
	struct instance *inst = with_tries("10");
	struct nf_nat_range2 range = range_of(1, PORTS);
	int given = 0;

	for (int i = 0; i < PORTS; i++) {
		int place = place_of(inst, begin(inst, IPPROTO_UDP, i, SERVER), &range);

		assert_int_not_equal(place, -1);	/* not known to be full */
		given += place >= 0;
	}
	assert_in_range(given, PORTS / 2, PORTS - 1);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_is_given_once), cmocka_unit_test(as_linux_some_stay_unfound),
		cmocka_unit_test(other_addresses_are_asked), cmocka_unit_test(finished_connections_make_room),
		cmocka_unit_test(tries_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
