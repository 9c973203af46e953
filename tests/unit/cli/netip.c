/* net.ip: lines in, an instance out; each refusal points at its word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/netip.h"

static int load(struct instance *inst, const char *text, struct refusal *why)
{
	struct netip ip = { .inst = inst, .loading = true };

	return netip_load(&ip, text, strlen(text), "net.ip", why);
}

static void a_snapshot_becomes_interfaces(void **state)
{
	static const char text[] =
		"# a comment\n"
		"link add dev eth0 address 02:00:00:00:00:01 mtu 1400 group 7\n"
		"\n"
		"link set dev eth0 arp off multicast off up   # and one behind\n"
		"link add link eth0 name eth0.5 type vlan id 5\n"
		"l s eth0.5 up\n"
		"a a 192.0.2.1/24 brd + dev eth0\n"
		"addr add 10.0.0.1 peer 10.0.0.2/31 dev eth0.5\n"
		"addr add 2001:db8::1/64 dev eth0 nodad\n"
		"r a default via 192.0.2.254\n"
		"-6 ro add default dev eth0\n"
		"route add blackhole 198.51.100.0/24\n"
		"ru add from 10.0.0.0/8 fwmark 0x1/0xff iif eth0 lookup 100 pref 1000\n"
		"n add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent\n";
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, 0, &why);
	struct iface *eth0, *vlan;
	struct iface_addr *addr;

	assert_non_null(inst);
	if (load(inst, text, &why))
		fail_msg("%u:%u: %s", why.at.line, why.at.column, why.text);
	eth0 = iface_find(inst, "eth0");
	assert_non_null(eth0);
	assert_true(eth0->up && eth0->noarp && !eth0->multicast);
	assert_int_equal(eth0->mtu, 1400);
	assert_int_equal(eth0->group, 7);
	assert_int_equal(eth0->mac[5], 1);
	addr = list_entry(eth0->addrs4.next, struct iface_addr, node);
	assert_int_equal(ntohl(addr->broadcast), 0xc00002ff);
	vlan = iface_find(inst, "eth0.5");
	assert_true(vlan && vlan->vlan_parent == eth0 && vlan->vlan_id == 5 && vlan->mtu == 1400 && vlan->mac[5] == 1);
	instance_free(inst);
}

static void refusals_point_at_the_word(void **state)
{
	static const struct { const char *text; unsigned int line, column; const char *says; } cases[] = {
		{ "link set eth0 up\naddr add 192.0.2.300/24 dev eth0\n", 2, 10, "192.0.2.300/24" },
		{ "link set eth0 up\naddr add 192.0.2.1/33 dev eth0\n", 2, 10, "prefix length" },
		{ "addr add 192.0.2.1/24 dev eth9\n", 1, 27, "cannot find device \"eth9\"" },
		{ "lnk set eth0 up\n", 1, 1, "did you mean \"link\"" },
		{ "link set eth0 mtu 12\n", 1, 19, "mtu" },
		{ "link set eth0 mut 1200\n", 1, 15, "did you mean \"mtu\"" },
		{ "link add br0 type bridge\n", 1, 19, "bridge" },
		{ "link set eth0 up\nroute add default nexthop via 1.2.3.4\n", 2, 19, "multipath" },
		{ "link set eth0 up\nroute add 10.0.0.0/8 vai 1.2.3.4\n", 2, 22, "did you mean \"via\"" },
		{ "rule add from 10.0.0.0/8 lokup 5\n", 1, 26, "did you mean \"lookup\"" },
		{ "link set eth0 up\nneigh add 1.2.3.4 lladdr 02:00 dev eth0\n", 2, 26, "link-layer address" },
		{ "link set eth0 address\n", 1, 22, "missing" },
		{ "addr add \"1.2.3.4\n", 1, 10, "quote" },
		{ "link set eth0 name eth7\n", 1, 15, "not modelled" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal why = { 0 };
		struct instance *inst = instance_new(1, 0, &why);

		assert_int_not_equal(load(inst, cases[i].text, &why), 0);
		if (why.at.line != cases[i].line || why.at.column != cases[i].column || !strstr(why.text, cases[i].says))
			fail_msg("%s-> %u:%u %s", cases[i].text, why.at.line, why.at.column, why.text);
		instance_free(inst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_becomes_interfaces),
		cmocka_unit_test(refusals_point_at_the_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
