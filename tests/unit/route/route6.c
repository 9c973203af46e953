/* IPv6: addresses and their routes, what may be added, source choice. tests/kernel/cases/route.py has the packets. */
#include "route_test.h"

static struct pkt_route out;

static int way_out(struct world *w, const char *dst, struct iface *oif, struct in6_addr *src)
{
	struct route_flow flow = { .family = NFPROTO_IPV6, .oif = oif, .daddr.in6 = ip6(dst) };
	int err = route_output(w->inst, &flow, &out);

	*src = flow.saddr.in6;
	return err;
}

static void addresses(void **state)
{
	struct in6_addr src, subnet = ip6("2001:db8::"), host = ip6("2001:db8::1");
	struct world w;

	world_open(&w);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8::1", 64), 0);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8::1", 64), -EEXIST);
	assert_int_equal(add_addr6(&w, w.a, "::1", 128), -EADDRNOTAVAIL);
	assert_int_equal(route_addr_type6(w.inst, NULL, &host), RTN_LOCAL);
	assert_int_equal(route_addr_type6(w.inst, w.b, &host), RTN_UNREACHABLE);
	assert_int_equal(route_addr_type6(w.inst, NULL, &subnet), RTN_ANYCAST);
	assert_int_equal(way_out(&w, "2001:db8::2", NULL, &src), 0);
	assert_ptr_equal(out.oif, w.a);
	assert_int_equal(way_out(&w, "2001:db8::1", NULL, &src), 0);
	assert_ptr_equal(out.oif, w.inst->lo);
	assert_int_equal(way_out(&w, "ff02::1", w.b, &src), -EADDRNOTAVAIL);
	assert_int_equal(route_iface_set_up(w.inst, w.a, false, NULL), 0);
	assert_true(list_is_empty(&w.a->addrs6));
	assert_int_equal(way_out(&w, "2001:db8::2", NULL, &src), -ENETUNREACH);
	world_close(&w);
}

static void refusals(void **state)
{
	struct route_spec s;
	struct world w;

	world_open(&w);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8::1", 64), 0);
#define EXPECT(err, ...) do { \
		s = spec6(__VA_ARGS__); \
		assert_int_equal(route_add(w.inst, &s, false, NULL), err); \
	} while (0)
	EXPECT(-EHOSTUNREACH, "2001:db8:1::", 64, "2001:db8:9::1", NULL);
	EXPECT(-EINVAL, "2001:db8:1::", 64, "2001:db8::1", NULL);
	EXPECT(-EINVAL, "2001:db8:1::", 64, "fe80::1", NULL);
	EXPECT(0, "2001:db8:1::", 64, "fe80::1", w.b);
	EXPECT(-EEXIST, "2001:db8:1::", 64, "2001:db8::2", NULL);
	EXPECT(-ENODEV, "2001:db8:2::", 64, NULL, NULL);
#undef EXPECT
	s = spec6("2001:db8:1::", 64, NULL, w.a);
	assert_int_equal(route_del(w.inst, &s, NULL), -ESRCH);
	s.oif = w.b;
	assert_int_equal(route_del(w.inst, &s, NULL), 0);
	world_close(&w);
}

static void source_choice(void **state)
{
	static const struct {
		const char *dst, *src;
	} cases[] = {
		{ "2001:db8:0:1::9", "2001:db8:0:1::1" },	/* longest common prefix */
		{ "2001:db8::9", "2001:db8::1" },
		{ "fd00::9", "fd00::1" },			/* same label */
		{ "2600::1", "2001:db8:0:1::1" },		/* a tie of rules: the newest of the way out */
		{ "fe80::9", "fe80::1" },			/* narrow enough */
	};
	struct route_spec s = spec6("::", 0, "2001:db8::fe", NULL);
	struct world w;

	world_open(&w);
	assert_int_equal(add_addr6(&w, w.a, "fe80::1", 64), 0);
	assert_int_equal(add_addr6(&w, w.a, "fd00::1", 64), 0);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8::1", 64), 0);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8:0:1::1", 64), 0);
	assert_int_equal(route_add(w.inst, &s, false, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct in6_addr expected = ip6(cases[i].src), src;

		assert_int_equal(way_out(&w, cases[i].dst, i == 4 ? w.a : NULL, &src), 0);
		assert_memory_equal(&src, &expected, sizeof(src));
	}
	world_close(&w);
}

static void forwarding_makes_anycast(void **state)
{
	struct in6_addr subnet = ip6("2001:db8::"), routers = ip6("ff02::2"), solicited = ip6("ff02::1:ff00:0");
	struct world w;

	world_open(&w);
	assert_int_equal(add_addr6(&w, w.a, "2001:db8::1", 64), 0);
	assert_false(addr6_group_is_joined(w.inst->fib, w.a, &routers));
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv6.conf.all.forwarding", "1", NULL), 0);
	assert_true(addr6_group_is_joined(w.inst->fib, w.a, &routers));
	assert_true(addr6_group_is_joined(w.inst->fib, w.a, &solicited));
	assert_int_equal(route_addr_types6(w.inst, NULL, &subnet, false), 1u << RTN_ANYCAST);
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv6.conf.all.forwarding", "0", NULL), 0);
	assert_false(addr6_group_is_joined(w.inst->fib, w.a, &solicited));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(refusals),
		cmocka_unit_test(source_choice),
		cmocka_unit_test(forwarding_makes_anycast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
