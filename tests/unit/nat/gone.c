/* MASQUERADE's connections end with their address or interface, and only those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nat/nat.h"
#include "route/route.h"

static struct iface *add_iface(struct instance *inst, const char *name, uint32_t addr)
{
	struct iface_addr a = { .family = NFPROTO_IPV4, .prefix_len = 24, .flags = IFA_F_PERMANENT };
	struct iface *iface;

	assert_int_equal(iface_add(inst, name, ARPHRD_ETHER, &iface, NULL), 0);
	assert_int_equal(route_iface_set_up(inst, iface, true, NULL), 0);
	a.addr.ip = a.peer.ip = htonl(addr);
	a.iface = iface;
	assert_int_equal(route_addr_add(inst, iface, &a, NULL), 0);
	return iface;
}

static void connect_by(struct instance *inst, struct iface *iface, uint32_t addr, uint16_t port)
{
	const struct ct_zone zone = { .dir = CT_ZONE_DIR_BOTH };
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = IPPROTO_UDP }, reply;
	struct ct *ct;

	orig.src.ip = htonl(0x0a000002);
	orig.dst.ip = htonl(0x08080808);
	orig.src_l4.port = orig.dst_l4.port = htons(port);
	assert_true(ct_tuple_invert(&reply, &orig));
	reply.dst.ip = htonl(addr);
	ct = ct_new(inst, &zone, &orig, &reply);
	ct->nat_masq_ifindex = iface ? iface->index : 0;
	ct_set_timeout_sec(inst, ct, 60);
	assert_int_equal(ct_insert(inst, ct), 0);
	ct_put(inst, ct);
}

static void they_end_with_it(void **state)
{
	struct instance *inst = instance_new(1, 0, NULL);
	struct iface *one = add_iface(inst, "one", 0x0a010001), *two = add_iface(inst, "two", 0x0a020001);
	struct iface_addr a = { .family = NFPROTO_IPV4, .prefix_len = 24 };

	connect_by(inst, one, 0x0a010001, 1);
	connect_by(inst, one, 0x0a010002, 2);	/* by another address of the same interface */
	connect_by(inst, two, 0x0a020001, 3);
	connect_by(inst, NULL, 0x0a010001, 4);	/* plain SNAT stays */
	a.addr.ip = a.peer.ip = htonl(0x0a010001);
	assert_int_equal(route_addr_del(inst, one, &a, NULL), 0);
	assert_int_equal(ct_count(inst), 3);
	assert_int_equal(route_iface_set_up(inst, one, false, NULL), 0);
	assert_int_equal(ct_count(inst), 2);
	iface_remove(inst, two);
	assert_int_equal(ct_count(inst), 1);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(they_end_with_it) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
