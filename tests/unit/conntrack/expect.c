/* Expectations without the kernel: limits, clashes, the end of a master, time, arrival. */
#include "drive.h"

#include "conntrack/helper.h"

static const struct ct_helper two_at_once = {
	.name = "two", .proto = IPPROTO_TCP, .ip4 = true, .policy = { .max_expected = 2, .timeout_sec = 10 },
};

struct fixture { struct instance *inst; unsigned int made, ended; };

static void hear(void *priv, const struct ct_expect *exp, bool ended)
{
	struct fixture *f = priv;

	if (ended)
		f->ended++;
	else
		f->made++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->inst = instance_new(1, DRIVE_BEGAN_NS, NULL);
	f->inst->observer.priv = f;
	f->inst->observer.expect_event = hear;
	*state = f;
	return f->inst ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	instance_free(f->inst);
	free(f);
	return 0;
}

static struct ct_tuple tuple(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	struct ct_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP };

	t.src.ip = htonl(src);
	t.dst.ip = htonl(dst);
	t.src_l4.port = htons(sport);
	t.dst_l4.port = htons(dport);
	return t;
}

static struct ct *connection(struct instance *inst, uint16_t sport)
{
	struct ct_tuple orig = tuple(1, 2, sport, 21), reply;
	struct ct *ct;

	assert_true(ct_tuple_invert(&reply, &orig));
	ct = ct_new(inst, NULL, &orig, &reply);
	assert_non_null(ct);
	assert_non_null(ct_help_add(ct, &two_at_once));
	ct_set_timeout_sec(inst, ct, 1000);
	assert_int_equal(ct_insert(inst, ct), 0);
	return ct;
}

static int expect(struct instance *inst, struct ct *master, const union nf_inet_addr *src, uint16_t port)
{
	union nf_inet_addr dst = { .ip = htonl(1) };
	struct ct_expect exp;

	ct_expect_init(&exp, master, 0, src, &dst, IPPROTO_TCP, htons(port));
	return ct_expect_add(inst, &exp, NULL);
}

static bool arrives(struct instance *inst, uint32_t src, uint16_t port, const struct ct *master)
{
	struct ct_tuple orig = tuple(src, 1, 20, port), reply;
	struct ct *ct;
	bool expected;

	ct_tuple_invert(&reply, &orig);
	ct = ct_new(inst, NULL, &orig, &reply);
	expected = ct_expect_arrive(inst, ct);
	if (expected) {
		assert_ptr_equal(ct_master(ct), master);
		assert_true(ct->status & IPS_EXPECTED);
		assert_int_equal(ct->mark, master->mark);
	}
	ct_put(inst, ct);
	return expected;
}

static void test_oldest_makes_room(void **state)
{
	struct fixture *f = *state;
	struct ct *ct = connection(f->inst, 1000);

	for (uint16_t port = 5000; port < 5004; port++)
		assert_int_equal(expect(f->inst, ct, NULL, port), 0);
	assert_int_equal(f->inst->ct->expects.count, 2);
	assert_int_equal(f->ended, 2);
	assert_false(arrives(f->inst, 9, 5001, ct));
	ct->mark = 7;
	assert_true(arrives(f->inst, 9, 5002, ct));
	assert_false(arrives(f->inst, 9, 5002, ct));
	ct_put(f->inst, ct);
}

static void test_clashes(void **state)
{
	struct fixture *f = *state;
	struct ct *a = connection(f->inst, 1000), *b = connection(f->inst, 1001);
	union nf_inet_addr two = { .ip = htonl(2) }, three = { .ip = htonl(3) };

	assert_int_equal(expect(f->inst, a, &two, 5000), 0);
	assert_int_equal(expect(f->inst, b, &two, 5000), -EBUSY);
	assert_int_equal(expect(f->inst, b, NULL, 5000), -EBUSY);
	assert_int_equal(expect(f->inst, b, &three, 5000), 0);
	/* Said again by the same master: in place of the old one. */
	assert_int_equal(expect(f->inst, a, &two, 5000), 0);
	assert_int_equal(f->inst->ct->expects.count, 2);
	assert_true(arrives(f->inst, 3, 5000, b));
	f->inst->ct->expects.max = 1;
	assert_int_equal(expect(f->inst, b, NULL, 5001), -EMFILE);
	ct_put(f->inst, a);
	ct_put(f->inst, b);
}

static void test_ends(void **state)
{
	struct fixture *f = *state;
	struct ct *ct = connection(f->inst, 1000);

	assert_int_equal(expect(f->inst, ct, NULL, 5000), 0);
	instance_advance(f->inst, DRIVE_BEGAN_NS + (int64_t)9 * NSEC_PER_SEC);
	assert_int_equal(f->inst->ct->expects.count, 1);
	instance_advance(f->inst, DRIVE_BEGAN_NS + (int64_t)11 * NSEC_PER_SEC);
	assert_int_equal(f->inst->ct->expects.count, 0);
	assert_int_equal(expect(f->inst, ct, NULL, 5000), 0);
	assert_true(ct_kill(f->inst, ct));
	assert_int_equal(f->inst->ct->expects.count, 0);
	assert_int_equal(f->ended, 2);
	assert_int_equal(expect(f->inst, ct, NULL, 5000), -ESHUTDOWN);
	ct_put(f->inst, ct);
	/* Left over at the end of the instance: freed with it. */
	ct = connection(f->inst, 1002);
	assert_int_equal(expect(f->inst, ct, NULL, 5000), 0);
	ct_put(f->inst, ct);
}

static void test_numbers_move(void **state)
{
	struct fixture *f = *state;
	struct ct *ct = connection(f->inst, 1000);

	ct_seqadj_note(ct, IP_CT_DIR_ORIGINAL, 100, 2);
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_ORIGINAL, 100), 0);
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_ORIGINAL, 101), 2);
	ct_seqadj_note(ct, IP_CT_DIR_ORIGINAL, 100, 2);		/* sent again */
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_ORIGINAL, 101), 2);
	ct_seqadj_note(ct, IP_CT_DIR_ORIGINAL, 200, -5);
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_ORIGINAL, 200), 2);
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_ORIGINAL, 201), -3);
	assert_int_equal(ct_seqadj_offset(ct, IP_CT_DIR_REPLY, 201), 0);
	ct_put(f->inst, ct);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_oldest_makes_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clashes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_move, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
