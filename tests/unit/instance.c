/* The house as a whole: built, its clock moved, interfaces added and removed, taken down without a leak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "instance.h"
#include "route/route.h"

static int64_t fired_at[2];
static int fired;

static void note(struct timer *timer, void *arg, int64_t now_ns)
{
	struct instance *inst = arg;

	fired_at[fired++] = inst->now_ns;
	assert_int_equal(inst->now_ns, now_ns);
}

static void clock_stands_at_each_timer(void **state)
{
	struct instance *inst = instance_new(1, 1000, NULL);
	struct timer early, late;

	assert_non_null(inst);
	timer_init(&early, note, inst);
	timer_init(&late, note, inst);
	timer_arm(inst->timers, &late, 3000);
	timer_arm(inst->timers, &early, 500);		/* already over: the clock does not go back */
	instance_advance(inst, 2000);
	assert_int_equal(fired, 1);
	assert_int_equal(fired_at[0], 1000);
	instance_advance(inst, 1500);
	assert_int_equal(inst->now_ns, 2000);
	instance_advance(inst, 4000);
	assert_int_equal(fired_at[1], 3000);
	assert_int_equal(inst->now_ns, 4000);
	instance_free(inst);
}

static void interfaces_come_and_go(void **state)
{
	struct instance *inst = instance_new(1, 1000, NULL);
	struct iface *eth, *vlan, *again;
	struct refusal why = { 0 };

	assert_ptr_equal(iface_find(inst, "lo"), inst->lo);
	assert_int_equal(inst->lo->index, 1);
	assert_true(inst->lo->up);
	assert_true(route_is_local_addr(inst, NFPROTO_IPV4, &(union nf_inet_addr){ .ip = htonl(INADDR_LOOPBACK) }));
	assert_true(route_is_local_addr(inst, NFPROTO_IPV6, &(union nf_inet_addr){ .in6 = IN6ADDR_LOOPBACK_INIT }));
	assert_int_equal(iface_add(inst, "eth0", ARPHRD_ETHER, &eth, &why), 0);
	assert_int_equal(eth->mac[0] & 3, 2);
	assert_int_equal(iface_add(inst, "eth0", ARPHRD_ETHER, &again, &why), -EEXIST);
	assert_int_equal(iface_add(inst, "a/b", ARPHRD_ETHER, &again, &why), -EINVAL);
	assert_int_equal(iface_add(inst, "sixteen-letters-", ARPHRD_ETHER, &again, &why), -EINVAL);
	assert_int_equal(iface_add(inst, "eth0.7", ARPHRD_ETHER, &vlan, &why), 0);
	vlan->vlan_parent = eth;
	vlan->vlan_id = 7;
	assert_ptr_equal(iface_vlan_child(inst, eth, 7), vlan);
	assert_int_equal(route_iface_set_up(inst, eth, true, &why), 0);
	iface_remove(inst, eth);
	assert_null(iface_find(inst, "eth0"));
	assert_null(iface_find(inst, "eth0.7"));
	assert_int_equal(iface_add(inst, "eth0", ARPHRD_ETHER, &again, &why), 0);
	assert_int_equal(again->index, 4);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_stands_at_each_timer),
		cmocka_unit_test(interfaces_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
