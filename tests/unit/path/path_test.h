/*
 * tests/unit/path/path_test.h - a router between eth0 (10.0.0.1/24, fd00::1/64) and eth1 (10.1.0.1/24, fd00:1::1/64), whose
 * hosts .2 have permanent neighbours; frames go in as hex, frames come out as hex.
 */
#ifndef PATH_TEST_H
#define PATH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/sysctl.h"
#include "path/path.h"

enum { FRAMES_MAX = 64, FRAME_MAX = 2000 };

struct router {
	struct instance *inst;
	struct iface *port[2];
	unsigned int frames, delivered;
	struct { const struct iface *out; uint32_t len; uint8_t bytes[FRAME_MAX]; } frame[FRAMES_MAX];
	enum drop_reason last_drop;
};

static void note_frame(void *priv, struct iface *out, const struct pkt *cause, const void *frame, uint32_t len)
{
	struct router *r = priv;

	assert_true(r->frames < FRAMES_MAX && len <= FRAME_MAX);
	r->frame[r->frames].out = out;
	r->frame[r->frames].len = len;
	memcpy(r->frame[r->frames++].bytes, frame, len);
}

static void note_delivery(void *priv, const struct pkt *pkt)
{
	((struct router *)priv)->delivered++;
}

static void note_drop(void *priv, const struct pkt *pkt)
{
	((struct router *)priv)->last_drop = pkt->drop_reason;
}

static inline uint32_t unhex(const char *hex, uint8_t *out)
{
	uint32_t len = strlen(hex) / 2;

	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &out[i]), 1);
	return len;
}

static void add_port(struct router *r, int no, be32 addr4, const char *addr6, const char *host6)
{
	static const char names[2][5] = { "eth0", "eth1" };
	struct iface_addr a4 = { .family = NFPROTO_IPV4, .prefix_len = 24, .addr.ip = addr4, .peer.ip = addr4 };
	struct iface_addr a6 = { .family = NFPROTO_IPV6, .prefix_len = 64 };
	union nf_inet_addr host = { .ip = htonl(ntohl(addr4) + 1) };
	uint8_t mac[6] = { 2, 0, 0, 0, (uint8_t)no, 2 };
	struct iface *port;

	assert_int_equal(iface_add(r->inst, names[no], ARPHRD_ETHER, &port, NULL), 0);
	memcpy(port->mac, (uint8_t[]){ 2, 0, 0, 0, (uint8_t)no, 1 }, 6);
	r->port[no] = port;
	assert_int_equal(route_iface_set_up(r->inst, port, true, NULL), 0);
	assert_int_equal(inet_pton(AF_INET6, addr6, &a6.addr), 1);
	a6.peer = a6.addr;
	assert_int_equal(route_addr_add(r->inst, port, &a4, NULL), 0);
	assert_int_equal(route_addr_add(r->inst, port, &a6, NULL), 0);
	assert_int_equal(neigh_set_permanent(r->inst, port, NFPROTO_IPV4, &host, mac, NULL), 0);
	assert_int_equal(inet_pton(AF_INET6, host6, &host), 1);
	assert_int_equal(neigh_set_permanent(r->inst, port, NFPROTO_IPV6, &host, mac, NULL), 0);
}

static inline void set(struct router *r, const char *name, const char *value)
{
	assert_int_equal(sysctl_set(r->inst->sysctls, name, value, NULL), 0);
}

static inline int router_open(void **state)
{
	struct router *r = calloc(1, sizeof(*r));

	r->inst = instance_new(1, 1700000000ll * NSEC_PER_SEC, NULL);
	assert_non_null(r->inst);
	add_port(r, 0, htonl(0x0a000001), "fd00::1", "fd00::2");
	add_port(r, 1, htonl(0x0a010001), "fd00:1::1", "fd00:1::2");
	set(r, "net.ipv4.ip_forward", "1");
	set(r, "net.ipv6.conf.all.forwarding", "1");
	set(r, "net.ipv6.auto_flowlabels", "0");
	r->inst->observer = (struct observer){ .priv = r, .transmit = note_frame, .deliver = note_delivery, .drop = note_drop };
	*state = r;
	return 0;
}

static inline int router_close(void **state)
{
	struct router *r = *state;

	instance_free(r->inst);
	free(r);
	return 0;
}

/* An IP packet from host .2 of eth0 (or eth1) to the router. */
static inline void receive_on(struct router *r, int no, const char *hex)
{
	uint8_t frame[FRAME_MAX] = { 2, 0, 0, 0, (uint8_t)no, 1, 2, 0, 0, 0, (uint8_t)no, 2 };
	uint32_t len = unhex(hex, frame + ETH_HLEN);
	struct pkt *pkt;

	put_be16(frame + 12, frame[ETH_HLEN] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
	pkt = pkt_from_frame(r->inst, r->port[no], frame, ETH_HLEN + len);
	assert_non_null(pkt);
	path_receive(r->inst, &pkt, 1);
}

/* Frame @no left by @port and is @hex but for an IPv4 id that was drawn, and the checksum over it. */
static inline void expect_frame(struct router *r, unsigned int no, int port, const char *hex, bool id_is_drawn)
{
	uint8_t want[FRAME_MAX], *got = r->frame[no].bytes;

	assert_true(no < r->frames);
	assert_ptr_equal(r->frame[no].out, r->port[port]);
	assert_int_equal(r->frame[no].len, unhex(hex, want));
	if (id_is_drawn) {
		assert_int_equal(csum_fold(csum_partial(got + ETH_HLEN, (got[ETH_HLEN] & 15) * 4, 0)), 0);
		memcpy(got + 18, want + 18, 2);
		memcpy(got + 24, want + 24, 2);
	}
	assert_memory_equal(got, want, r->frame[no].len);
}

#endif
