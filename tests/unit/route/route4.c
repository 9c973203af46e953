/*
 * IPv4 routes as `ip route get` on Linux shows them: each case below was compared with the kernel in a
 * network namespace with the same addresses, routes and rules.
 */
#include "route_test.h"

static void local_broadcast_and_connected(void **state)
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
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_broadcast_and_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
