/*
 * IPv4: what may be added (and the errno when not), and the ways out. The kernel says the same in a namespace with
 * these addresses; packets are compared by tests/kernel/cases/route.py.
 */
#include "route_test.h"

static void types_of_addresses(void **state)
{
	struct world w;

	world_open(&w);
	assert_int_equal(type4(&w, NULL, "10.0.0.1"), RTN_LOCAL);
	assert_int_equal(type4(&w, NULL, "127.9.9.9"), RTN_LOCAL);
	assert_int_equal(type4(&w, NULL, "10.0.0.255"), RTN_BROADCAST);
	assert_int_equal(type4(&w, NULL, "10.0.0.0"), RTN_UNICAST);
	assert_int_equal(type4(&w, NULL, "224.0.0.5"), RTN_MULTICAST);
	assert_int_equal(type4(&w, NULL, "0.0.0.0"), RTN_BROADCAST);
	assert_int_equal(type4(&w, NULL, "0.1.2.3"), RTN_UNICAST);
	assert_int_equal(type4(&w, w.b, "10.0.0.1"), RTN_UNICAST);
	assert_int_equal(route_iface_set_up(w.inst, w.a, false, NULL), 0);
	assert_int_equal(type4(&w, NULL, "10.0.0.1"), RTN_LOCAL);
	assert_int_equal(type4(&w, NULL, "10.0.0.255"), RTN_UNICAST);
	assert_int_equal(del_addr4(&w, w.a, "10.0.0.1", 24), 0);
	assert_int_equal(type4(&w, NULL, "10.0.0.1"), RTN_UNICAST);
	world_close(&w);
}

static void refusals(void **state)
{
	struct refusal why = { 0 };
	struct route_spec s;
	struct world w;

	world_open(&w);
#define EXPECT(err, ...) do { \
		s = spec4(__VA_ARGS__); \
		assert_int_equal(route_add(w.inst, &s, false, &why), err); \
	} while (0)
	EXPECT(-ENETUNREACH, "192.0.2.0", 24, "10.9.9.9", NULL);
	EXPECT(-ENETUNREACH, "192.0.2.0", 24, "10.0.0.2", w.b);		/* the gateway lies behind another device */
	EXPECT(-EINVAL, "192.0.2.0", 24, "10.0.0.255", NULL);
	EXPECT(-EINVAL, "192.0.2.1", 24, "10.0.0.2", NULL);		/* host bits */
	EXPECT(-ENODEV, "192.0.2.0", 24, NULL, NULL);
	EXPECT(0, "192.0.2.0", 24, "10.0.0.2", NULL);
	EXPECT(-EEXIST, "192.0.2.0", 24, "10.0.1.2", NULL);
	EXPECT(0, "198.51.100.0", 24, "10.0.0.1", NULL);		/* the gateway is ourselves: Linux lets it be */
	EXPECT(0, "198.51.101.0", 24, NULL, w.a);
#undef EXPECT
	s = spec4("203.0.113.0", 24, "10.9.9.9", w.a);
	s.onlink = true;
	assert_int_equal(route_add(w.inst, &s, false, &why), 0);
	s = spec4("203.0.113.0", 24, NULL, NULL);
	assert_int_equal(route_del(w.inst, &s, &why), 0);
	assert_int_equal(route_del(w.inst, &s, &why), -ESRCH);
	s.table = 77;
	assert_int_equal(route_del(w.inst, &s, &why), -ESRCH);
	s = spec4("10.9.0.0", 16, NULL, w.a);
	s.type = RTN_BLACKHOLE;
	assert_int_equal(route_add(w.inst, &s, false, &why), -EINVAL);
	s = spec4("10.9.0.0", 16, NULL, w.a);
	s.prefsrc.ip = ip4("10.0.1.2");
	assert_int_equal(route_add(w.inst, &s, false, &why), -EINVAL);
	assert_int_equal(add_addr4(&w, w.a, "10.0.0.1", 24, NULL), -EEXIST);
	assert_int_equal(del_addr4(&w, w.a, "10.0.0.9", 24), -EADDRNOTAVAIL);
	world_close(&w);
}

static int way_out(struct world *w, const char *src, const char *dst, uint32_t mark, struct pkt_route *out, be32 *chosen)
{
	struct route_flow flow = { .family = NFPROTO_IPV4, .mark = mark, .saddr.ip = src ? ip4(src) : 0,
				   .daddr.ip = ip4(dst) };
	int err = route_output(w->inst, &flow, out);

	*chosen = flow.saddr.ip;
	return err;
}

static void ways_out(void **state)
{
	struct rule_spec rule = { .family = NFPROTO_IPV4, .mark = 1, .table = 100, .suppress_prefixlength = -1 };
	struct pkt_route out;
	struct route_spec s;
	struct world w;
	be32 src;

	world_open(&w);
	assert_int_equal(way_out(&w, NULL, "192.0.2.1", 0, &out, &src), -ENETUNREACH);
	s = spec4("0.0.0.0", 0, "10.0.0.254", NULL);
	s.mtu = 1400;
	assert_int_equal(route_add(w.inst, &s, false, NULL), 0);
	assert_int_equal(way_out(&w, NULL, "192.0.2.1", 0, &out, &src), 0);
	assert_ptr_equal(out.oif, w.a);
	assert_int_equal(out.gateway.ip, ip4("10.0.0.254"));
	assert_int_equal(out.mtu, 1400);
	assert_int_equal(src, ip4("10.0.0.1"));
	assert_int_equal(way_out(&w, "9.9.9.9", "192.0.2.1", 0, &out, &src), -ENETUNREACH);
	assert_int_equal(way_out(&w, NULL, "10.0.1.1", 0, &out, &src), 0);
	assert_true(out.flags & ROUTE_LOCAL);
	assert_ptr_equal(out.oif, w.inst->lo);
	assert_int_equal(src, ip4("10.0.1.1"));

	s = spec4("0.0.0.0", 0, NULL, NULL);
	s.table = 100;
	s.type = RTN_PROHIBIT;
	assert_int_equal(route_add(w.inst, &s, false, NULL), 0);
	assert_int_equal(route_rule_add(w.inst, &rule, NULL), 0);
	assert_int_equal(route_rule_add(w.inst, &rule, NULL), 0);	/* its automatic priority is another one */
	rule.has_priority = true;
	rule.priority = 32765;
	assert_int_equal(route_rule_add(w.inst, &rule, NULL), -EEXIST);
	assert_int_equal(way_out(&w, NULL, "192.0.2.1", 1, &out, &src), -EACCES);
	assert_int_equal(way_out(&w, NULL, "192.0.2.1", 2, &out, &src), 0);
	rule.priority = 7;
	assert_int_equal(route_rule_del(w.inst, &rule, NULL), -ENOENT);
	world_close(&w);
}

static void secondaries(void **state)
{
	struct pkt_route out;
	struct world w;
	be32 src;

	world_open(&w);
	assert_int_equal(add_addr4(&w, w.a, "10.0.0.7", 24, NULL), 0);
	assert_int_equal(way_out(&w, NULL, "10.0.0.9", 0, &out, &src), 0);
	assert_int_equal(src, ip4("10.0.0.1"));
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv4.conf.a.promote_secondaries", "1", NULL), 0);
	assert_int_equal(del_addr4(&w, w.a, "10.0.0.1", 24), 0);
	assert_int_equal(way_out(&w, NULL, "10.0.0.9", 0, &out, &src), 0);
	assert_int_equal(src, ip4("10.0.0.7"));
	assert_int_equal(type4(&w, NULL, "10.0.0.255"), RTN_BROADCAST);
	world_close(&w);
}

static void forwarding_spreads(void **state)
{
	struct world w;

	world_open(&w);
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv4.ip_forward", "1", NULL), 0);
	assert_true(iface_conf_forwarding(w.inst, w.a, NFPROTO_IPV4));
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv4.conf.a.forwarding", "0", NULL), 0);
	/* Nothing changes in "all": nothing spreads. */
	assert_int_equal(sysctl_set(w.inst->sysctls, "net.ipv4.conf.all.forwarding", "1", NULL), 0);
	assert_false(iface_conf_forwarding(w.inst, w.a, NFPROTO_IPV4));
	assert_true(iface_conf_forwarding(w.inst, add_iface(&w, "c.7"), NFPROTO_IPV4));
	assert_int_equal(sysctl_set(w.inst->sysctls, "net/ipv4/conf/c.7/rp_filter", "2", NULL), 0);
	assert_int_equal(iface_conf_rp_filter(w.inst, iface_find(w.inst, "c.7")), 2);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_of_addresses),
		cmocka_unit_test(refusals),
		cmocka_unit_test(ways_out),
		cmocka_unit_test(secondaries),
		cmocka_unit_test(forwarding_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
