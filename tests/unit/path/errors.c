/* Packets that end in an error; the answers are what Linux 6.18 sent, byte for byte. */
#include "path_test.h"

static void ttl_runs_out(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "451f0020000700000111a5a30a0000020a01000200050006000c130464617461");
	expect_frame(r, 0, 0, "020000000002020000000001080045de003c2b10000040013ad10a0000010a0000020b00092200000000"
			      "451f0020000700000111a5a30a0000020a01000200050006000c130464617461", true);
	assert_int_equal(r->last_drop, DROP_TTL);
}

static void too_big_for_the_way_out(void **state)
{
	struct router *r = *state;

	r->port[1]->mtu = 68;
	receive_on(r, 0, "45000058000740004011268a0a0000020a010002000500060044cd38"
			 "787878787878787878787878787878787878787878787878787878787878"
			 "787878787878787878787878787878787878787878787878787878787878");
	expect_frame(r, 0, 0, "020000000002020000000001080045c000744fae0000400116190a0000010a000002030411120000004445000058"
			      "000740004011268a0a0000020a010002000500060044cd38"
			      "787878787878787878787878787878787878787878787878787878787878"
			      "787878787878787878787878787878787878787878787878787878787878", true);
	assert_int_equal(r->last_drop, DROP_MTU);
}

static void option_at_fault_is_pointed_at(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "470000280007000040115ab30a0000020a010002070703000000000000050006000c130464617461");
	expect_frame(r, 0, 0, "020000000002020000000001080045c000442f5800004001369f0a0000010a0000020c00f22116000000"
			      "470000280007000040115ab30a0000020a010002070703000000000000050006000c130464617461", true);
	assert_int_equal(r->last_drop, DROP_IP_OPTIONS);
}

static void record_route_goes_back_in_the_answer(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "4800002c00070000011197ab0a0000020a010002070b0400000000000000000000050006000c130464617461");
	expect_frame(r, 0, 0, "020000000002020000000001080048c0005497a500004001b6220a0000010a000002070b0c0a0000010a00000100"
			      "0b000418000000004800002c00070000011197ab0a0000020a010002070b080a000001000000000000050006000c1304"
			      "64617461", true);
}

static void hop_limit_runs_out(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "60000000000c1101fd000000000000000000000000000002fd000001000000000000000000000002"
			 "00050006000c2d0264617461");
	expect_frame(r, 0, 0, "02000000000202000000000186dd60000000003c3a40fd000000000000000000000000000001"
			      "fd00000000000000000000000000000203009194000000006000"
			      "0000000c1101fd000000000000000000000000000002fd00000100000000000000000000000200050006000c2d0264617461",
		     false);
}

static void unknown_hop_option_asks_for_an_error(void **state)
{
	struct router *r = *state;

	receive_on(r, 0, "6000000000080040fd000000000000000000000000000002fd0000010000000000000000000000023b009e0461626364");
	expect_frame(r, 0, 0, "02000000000202000000000186dd6000000000383a40fd000000000000000000000000000001"
			      "fd000000000000000000000000000002040209420000002a"
			      "6000000000080040fd000000000000000000000000000002fd0000010000000000000000000000023b009e0461626364",
		     false);
	assert_int_equal(r->last_drop, DROP_IP_OPTIONS);
}

static void no_error_about_an_error(void **state)
{
	struct router *r = *state;

	/* time exceeded, itself with TTL 1 */
	receive_on(r, 0, "4500001c000700000101a5d60a0000020a0100020b00f4ff00000000");
	assert_int_equal(r->last_drop, DROP_TTL);
	assert_int_equal(r->frames, 0);
}

static void a_receiver_gets_six_errors_and_then_one_a_second(void **state)
{
	static const char ttl1[] = "451f0020000700000111a5a30a0000020a01000200050006000c130464617461";
	struct router *r = *state;

	for (int i = 0; i < 10; i++)
		receive_on(r, 0, ttl1);
	assert_int_equal(r->frames, 6);
	instance_advance(r->inst, r->inst->now_ns + 990ll * NSEC_PER_MSEC);
	receive_on(r, 0, ttl1);
	assert_int_equal(r->frames, 6);
	instance_advance(r->inst, r->inst->now_ns + 10ll * NSEC_PER_MSEC);
	receive_on(r, 0, ttl1);
	receive_on(r, 0, ttl1);
	assert_int_equal(r->frames, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ttl_runs_out, router_open, router_close),
		cmocka_unit_test_setup_teardown(too_big_for_the_way_out, router_open, router_close),
		cmocka_unit_test_setup_teardown(option_at_fault_is_pointed_at, router_open, router_close),
		cmocka_unit_test_setup_teardown(record_route_goes_back_in_the_answer, router_open, router_close),
		cmocka_unit_test_setup_teardown(hop_limit_runs_out, router_open, router_close),
		cmocka_unit_test_setup_teardown(unknown_hop_option_asks_for_an_error, router_open, router_close),
		cmocka_unit_test_setup_teardown(no_error_about_an_error, router_open, router_close),
		cmocka_unit_test_setup_teardown(a_receiver_gets_six_errors_and_then_one_a_second, router_open, router_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
