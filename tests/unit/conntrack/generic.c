/* Protocols without a tracker: two hosts and a number are one connection, as long as somebody speaks. */
#include "drive.h"

static void any_number(void **state)
{
	struct drive *d = *state;

	for (int proto = 200; proto < 204; proto++) {
		assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, (uint8_t)proto, "x", 1)), IP_CT_NEW);
		assert_int_equal(drive_pkt(d, drive_ip4(d, SERVER, CLIENT, (uint8_t)proto, "", 0)), IP_CT_ESTABLISHED_REPLY);
	}
	assert_int_equal(ct_count(d->inst), 4);
	assert_false(drive_ct(d)->status & IPS_ASSURED);
}

static void dccp_is_one_of_them(void **state)
{
	struct drive *d = *state;

	drive_sysctl(d, "generic_timeout", "77");
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_DCCP, "\0\5\0\6\4\0\0\0\0\0\0\0", 12)), IP_CT_NEW);
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_DCCP, "\0\7\0\x08", 4)), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 1);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 77);
	drive_wait_ms(d, 77000);
	assert_int_equal(ct_count(d->inst), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_number, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(dccp_is_one_of_them, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
