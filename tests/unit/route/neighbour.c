/* Neighbours over time: who is asked how often, when packets leave, when they are given up. */
#include "route_test.h"

static struct {
	unsigned int asked, asked_unicast, ready, failed;
	uint8_t mac[6];
} seen;

static void solicit(struct instance *inst, struct iface *iface, const union nf_inet_addr *target,
		    const uint8_t *unicast_mac, const struct pkt *cause)
{
	seen.asked++;
	seen.asked_unicast += unicast_mac != NULL;
}

static void ready(struct instance *inst, struct iface *iface, struct pkt *pkt, const uint8_t mac[6])
{
	seen.ready++;
	memcpy(seen.mac, mac, 6);
	pkt_free(inst, pkt);
}

static void failure(struct instance *inst, struct iface *iface, struct pkt *pkt)
{
	seen.failed++;
	pkt_free(inst, pkt);
}

static const struct neigh_ops ops = { solicit, ready, failure };
static const uint8_t mac1[6] = { 2, 0, 0, 0, 0, 1 }, mac2[6] = { 2, 0, 0, 0, 0, 2 };
static const union nf_inet_addr peer = { .all = { 0x0200000a } };	/* 10.0.0.2 */

static int resolve(struct world *w, uint8_t mac[6])
{
	struct pkt *pkt = pkt_new(w->inst, 20);
	int err = neigh_resolve(w->inst, w->a, NFPROTO_IPV4, &peer, pkt, mac);

	if (err == 0)
		pkt_free(w->inst, pkt);
	return err;
}

static void open_world(struct world *w)
{
	memset(&seen, 0, sizeof(seen));
	world_open(w);
	neigh_set_ops(w->inst, NFPROTO_IPV4, &ops);
}

static void pass(struct world *w, double seconds)
{
	instance_advance(w->inst, w->inst->now_ns + (int64_t)(seconds * NSEC_PER_SEC));
}

static unsigned int state_of(struct world *w) { return neigh_state(w->inst, w->a, NFPROTO_IPV4, &peer); }

static void nobody_answers(void **state)
{
	struct world w;
	uint8_t mac[6];

	open_world(&w);
	assert_int_equal(resolve(&w, mac), -EINPROGRESS);
	assert_int_equal(resolve(&w, mac), -EINPROGRESS);
	assert_int_equal(seen.asked, 1);
	pass(&w, 2.5);
	assert_int_equal(seen.asked, 3);
	assert_int_equal(seen.failed, 0);
	pass(&w, 1);
	assert_int_equal(seen.asked, 3);
	assert_int_equal(seen.failed, 2);
	assert_int_equal(state_of(&w), NUD_FAILED);
	assert_int_equal(resolve(&w, mac), -EINPROGRESS);	/* the next packet asks again at once */
	assert_int_equal(seen.asked, 4);
	world_close(&w);
}

static void answered_then_aged(void **state)
{
	struct world w;
	uint8_t mac[6];

	open_world(&w);
	assert_int_equal(resolve(&w, mac), -EINPROGRESS);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac1, NUD_REACHABLE, 0), 0);
	assert_int_equal(seen.ready, 1);
	assert_memory_equal(seen.mac, mac1, 6);
	assert_int_equal(resolve(&w, mac), 0);
	pass(&w, 50);
	assert_int_equal(state_of(&w), NUD_STALE);
	assert_int_equal(resolve(&w, mac), 0);
	assert_int_equal(state_of(&w), NUD_DELAY);
	pass(&w, 5.5);
	assert_int_equal(state_of(&w), NUD_PROBE);
	pass(&w, 4);
	assert_int_equal(seen.asked_unicast, 3);
	assert_int_equal(state_of(&w), NUD_FAILED);
	world_close(&w);
}

static void overriding(void **state)
{
	struct world w;
	uint8_t mac[6];

	open_world(&w);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac1, NUD_STALE, 0), -ENOENT);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac1, NUD_STALE, NEIGH_CREATE), 0);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac2, NUD_REACHABLE, 0), 0);
	assert_true(neigh_lookup(w.inst, w.a, NFPROTO_IPV4, &peer, mac));
	assert_memory_equal(mac, mac1, 6);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac2, NUD_REACHABLE, NEIGH_OVERRIDE), 0);
	assert_true(neigh_lookup(w.inst, w.a, NFPROTO_IPV4, &peer, mac));
	assert_memory_equal(mac, mac2, 6);
	assert_int_equal(neigh_set_permanent(w.inst, w.a, NFPROTO_IPV4, &peer, mac1, NULL), 0);
	assert_int_equal(neigh_update(w.inst, w.a, NFPROTO_IPV4, &peer, mac2, NUD_REACHABLE, NEIGH_OVERRIDE), -EPERM);
	route_iface_set_up(w.inst, w.a, false, NULL);
	assert_int_equal(state_of(&w), 0);
	world_close(&w);
}

static void bounded(void **state)
{
	union nf_inet_addr addr = peer;
	struct world w;
	uint8_t mac[6];
	int err = 0;

	open_world(&w);
	for (int i = 0; i < 400; i++)
		resolve(&w, mac);
	pass(&w, 3.5);
	assert_in_range(seen.failed, 200, 399);		/* the oldest were dropped when 212992 bytes waited */
	for (int i = 0; i < 1100; i++) {
		addr.ip = htonl(0x0a000000 + 1000 + (uint32_t)i);
		err = neigh_resolve(w.inst, w.a, NFPROTO_IPV4, &addr, pkt_new(w.inst, 20), mac);
		assert_int_equal(err, i < 1024 ? -EINPROGRESS : -ENOBUFS);
	}
	pass(&w, 3.5);
	addr.ip = htonl(0x0a00ffff);
	assert_int_equal(neigh_resolve(w.inst, w.a, NFPROTO_IPV4, &addr, pkt_new(w.inst, 20), mac), -EINPROGRESS);
	world_close(&w);
}

static void known_without_asking(void **state)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0x7f, 0, 5 }, all[6] = { 255, 255, 255, 255, 255, 255 };
	union nf_inet_addr addr = { .ip = htonl(0xe0ff0005) };
	struct world w;
	uint8_t mac[6];

	open_world(&w);
	assert_true(neigh_lookup(w.inst, w.a, NFPROTO_IPV4, &addr, mac));
	assert_memory_equal(mac, group, 6);
	addr.ip = ip4("10.0.0.255");
	assert_true(neigh_lookup(w.inst, w.a, NFPROTO_IPV4, &addr, mac));
	assert_memory_equal(mac, all, 6);
	assert_false(neigh_lookup(w.inst, w.a, NFPROTO_IPV4, &peer, mac));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_answers), cmocka_unit_test(answered_then_aged), cmocka_unit_test(overriding),
		cmocka_unit_test(bounded), cmocka_unit_test(known_without_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
