/*
 * The settings of the H.323 helpers, which on Linux are parameters of a module for the whole machine and so out of reach of
 * the kernel cases; and what the reader makes of messages that end too early.
 */
#include "../conntrack/drive.h"

#include "conntrack/helper.h"
#include "helper/h323_types.h"
#include "route/route.h"

extern const struct ct_helper ct_helper_ras, ct_helper_q931;

/* RRQ of 10.0.0.2, to be called at port 1720; RCF, without a lifetime; FACILITY: call 10.1.0.2:1720 instead. */
static const uint8_t registration[] = {
	0x0c, 0x00, 0x00, 0x00, 0x06, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x04, 0x00, 0x01, 0x00, 0x0a, 0x00, 0x00, 0x02, 0x06, 0xb8,
	0x01, 0x00, 0x0a, 0x00, 0x00, 0x02, 0x06, 0xb7, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t registered[] = {
	0x10, 0x00, 0x00, 0x00, 0x06, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x04, 0x00, 0x04, 0x00, 0x05, 0x00, 0x05, 0x00, 0x05,
};
static const uint8_t forwarded[] = {
	0x03, 0x00, 0x00, 0x23, 0x08, 0x02, 0x12, 0x34, 0x05, 0x04, 0x03, 0x88, 0x93, 0xa5, 0x7e, 0x00, 0x12, 0x05, 0x06, 0x40,
	0x06, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x04, 0x00, 0x0a, 0x01, 0x00, 0x02, 0x06, 0xb8, 0x20,
};

static struct ct *connection(struct drive *d, const struct ct_helper *helper)
{
	struct ct_tuple orig = { .family = NFPROTO_IPV4, .proto = helper->proto }, reply;
	struct ct *ct;

	inet_pton(AF_INET, CLIENT, &orig.src);
	inet_pton(AF_INET, SERVER, &orig.dst);
	orig.src_l4.port = orig.dst_l4.port = htons(1719);
	assert_true(ct_tuple_invert(&reply, &orig));
	ct = ct_new(d->inst, NULL, &orig, &reply);
	assert_non_null(ct);
	assert_non_null(ct_help_add(ct, helper));
	ct_set_timeout_sec(d->inst, ct, 1000);
	assert_int_equal(ct_insert(d->inst, ct), 0);
	return ct;
}

static void say(struct drive *d, struct ct *ct, bool is_reply, const void *data, uint32_t len)
{
	struct hook_state state = { .inst = d->inst, .family = NFPROTO_IPV4, .hooknum = NF_INET_POST_ROUTING };
	uint32_t header = ct_proto_num(ct) == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	uint8_t l4[200] = { 0 };
	struct pkt *pkt;

	if (ct_proto_num(ct) == IPPROTO_TCP)
		l4[12] = 5 << 4;
	else
		put_be16(l4 + 4, (uint16_t)(header + len));
	memcpy(l4 + header, data, len);
	pkt = drive_ip4(d, is_reply ? SERVER : CLIENT, is_reply ? CLIENT : SERVER, ct_proto_num(ct), l4, header + len);
	pkt_ct_set(d->inst, pkt, ct, is_reply ? IP_CT_ESTABLISHED_REPLY : IP_CT_ESTABLISHED);
	assert_int_equal(ct_help_packet(d->inst, pkt, &state), NF_ACCEPT);
	pkt_free(d->inst, pkt);
}

static void first(void *priv, const struct ct_expect *exp)
{
	const struct ct_expect **found = priv;

	if (!*found)
		*found = exp;
}

static const struct ct_expect *expectation(struct drive *d)
{
	const struct ct_expect *exp = NULL;

	ct_expect_each(d->inst, first, &exp);
	return exp;
}

static void test_gatekeeper_only(void **state)
{
	struct drive *d = *state;
	struct ct *ct = connection(d, &ct_helper_ras);

	say(d, ct, false, registration, sizeof(registration));
	assert_non_null(expectation(d));
	assert_int_equal(expectation(d)->mask_src.ip, UINT32_MAX);
	ct_expect_remove_all(d->inst, ct);
	drive_sysctl(d, "h323_gkrouted_only", "0");
	say(d, ct, false, registration, sizeof(registration));
	assert_non_null(expectation(d));
	assert_int_equal(expectation(d)->mask_src.ip, 0);
	assert_int_equal(expectation(d)->tuple.src.ip, 0);
	ct_put(d->inst, ct);
}

/* The lifetime goes to the connection, and to the expectation, which RCF finds only when anybody may call. */
static void test_lifetime(void **state)
{
	struct drive *d = *state;
	struct ct *ct = connection(d, &ct_helper_ras);

	say(d, ct, false, registration, sizeof(registration));
	say(d, ct, true, registered, sizeof(registered));
	assert_int_equal(ct_expires_sec(d->inst, ct), 300);
	assert_int_equal(ct_expect_left_sec(d->inst, expectation(d)), 240);
	drive_sysctl(d, "h323_default_rrq_ttl", "77");
	drive_sysctl(d, "h323_gkrouted_only", "0");
	ct_expect_remove_all(d->inst, ct);
	say(d, ct, false, registration, sizeof(registration));
	say(d, ct, true, registered, sizeof(registered));
	assert_int_equal(ct_expires_sec(d->inst, ct), 77);
	assert_int_equal(ct_expect_left_sec(d->inst, expectation(d)), 77);
	ct_put(d->inst, ct);
}

static void test_forwarding(void **state)
{
	struct drive *d = *state;
	struct iface_addr addr = { .family = NFPROTO_IPV4, .prefix_len = 24 };
	struct ct *ct = connection(d, &ct_helper_q931);

	inet_pton(AF_INET, "10.1.0.1", &addr.addr);
	addr.peer = addr.addr;
	assert_int_equal(route_iface_set_up(d->inst, d->in, true, NULL), 0);
	assert_int_equal(route_addr_add(d->inst, d->in, &addr, NULL), 0);
	say(d, ct, false, forwarded, sizeof(forwarded));
	assert_null(expectation(d));		/* to whom the call was anyway */
	drive_sysctl(d, "h323_callforward_filter", "0");
	say(d, ct, false, forwarded, sizeof(forwarded));
	assert_non_null(expectation(d));
	assert_int_equal(ntohs(expectation(d)->tuple.dst_l4.port), 1720);
	ct_put(d->inst, ct);
}

static void test_cut(void **state)
{
	struct per_notes notes;

	assert_true(per_read(registration, 0, sizeof(registration), &h323_ras_message, &notes));
	assert_int_equal(notes.count, 3);	/* which message, and two addresses */
	assert_int_equal(per_find(&notes, H323_SIGNAL, 0)->value, 14);
	assert_null(per_find(&notes, H323_SIGNAL, 1));
	for (uint32_t len = 0; len < sizeof(registration) - 1; len++) {
		uint8_t *cut = malloc(len + 1);	/* of its own, so that sanitizers see a step too far */

		memcpy(cut, registration, len);
		assert_false(per_read(cut, 0, len, &h323_ras_message, &notes));
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gatekeeper_only, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(test_lifetime, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(test_forwarding, drive_setup, drive_teardown),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
