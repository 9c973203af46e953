/* tests/unit/route/route_test.h - a small world for the tests of route/: lo, a = 10.0.0.1/24, b = 10.0.1.1/24. */
#ifndef ROUTE_TEST_H
#define ROUTE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sysctl.h"
#include "route/route_internal.h"

struct world {
	struct instance *inst;
	struct iface *a, *b;
};

static inline be32 ip4(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a.s_addr;
}

static inline struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static inline int add_addr4(struct world *w, struct iface *iface, const char *addr, uint8_t plen, const char *brd)
{
	struct iface_addr a = { .family = NFPROTO_IPV4, .prefix_len = plen, .addr.ip = ip4(addr), .peer.ip = ip4(addr),
				.broadcast = brd ? ip4(brd) : 0 };

	return route_addr_add(w->inst, iface, &a, NULL);
}

static inline int del_addr4(struct world *w, struct iface *iface, const char *addr, uint8_t plen)
{
	struct iface_addr a = { .family = NFPROTO_IPV4, .prefix_len = plen, .addr.ip = ip4(addr) };

	return route_addr_del(w->inst, iface, &a, NULL);
}

static inline int add_addr6(struct world *w, struct iface *iface, const char *addr, uint8_t plen)
{
	struct iface_addr a = { .family = NFPROTO_IPV6, .prefix_len = plen, .addr.in6 = ip6(addr) };

	return route_addr_add(w->inst, iface, &a, NULL);
}

static inline struct route_spec spec4(const char *dst, uint8_t plen, const char *via, struct iface *dev)
{
	struct route_spec s = { .family = NFPROTO_IPV4, .prefix_len = plen, .dst.ip = ip4(dst), .oif = dev };

	if (via) {
		s.gateway_family = NFPROTO_IPV4;
		s.gateway.ip = ip4(via);
	}
	return s;
}

static inline struct route_spec spec6(const char *dst, uint8_t plen, const char *via, struct iface *dev)
{
	struct route_spec s = { .family = NFPROTO_IPV6, .prefix_len = plen, .dst.in6 = ip6(dst), .oif = dev };

	if (via) {
		s.gateway_family = NFPROTO_IPV6;
		s.gateway.in6 = ip6(via);
	}
	return s;
}

static inline uint8_t type4(struct world *w, struct iface *iface, const char *addr)
{
	return route_addr_type4(w->inst, iface, ip4(addr));
}

static inline struct iface *add_iface(struct world *w, const char *name)
{
	struct iface *iface;

	assert_int_equal(iface_add(w->inst, name, ARPHRD_ETHER, &iface, NULL), 0);
	assert_int_equal(route_iface_set_up(w->inst, iface, true, NULL), 0);
	return iface;
}

static inline void world_open(struct world *w)
{
	w->inst = instance_new(1, 1000000000000, NULL);
	assert_non_null(w->inst);
	w->a = add_iface(w, "a");
	w->b = add_iface(w, "b");
	assert_int_equal(add_addr4(w, w->a, "10.0.0.1", 24, "10.0.0.255"), 0);
	assert_int_equal(add_addr4(w, w->b, "10.0.1.1", 24, NULL), 0);
}

static inline void world_close(struct world *w)
{
	instance_free(w->inst);
}

#endif
