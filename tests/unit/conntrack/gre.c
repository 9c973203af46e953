/* GRE: plain tunnels are one connection a pair of hosts, PPTP's calls are told apart by their id. */
#include "drive.h"

static int gre(struct drive *d, int dir, const char *head, uint32_t len)
{
	return drive_pkt(d, drive_ip4(d, dir ? SERVER : CLIENT, dir ? CLIENT : SERVER, IPPROTO_GRE, head, len));
}

static void plain(void **state)
{
	struct drive *d = *state;

	assert_int_equal(gre(d, 0, "\0\0\x08\0", 4), IP_CT_NEW);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
	assert_int_equal(gre(d, 1, "\0\0\x65\x58\0\0\0\7", 8), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);	/* the answer itself is not yet a stream */
	assert_int_equal(gre(d, 0, "\0\0\x08\0", 4), IP_CT_ESTABLISHED);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 180);
	assert_true(drive_ct(d)->status & IPS_ASSURED);
	assert_int_equal(ct_count(d->inst), 1);
}

static void calls(void **state)
{
	struct drive *d = *state;

	assert_int_equal(gre(d, 0, "\x30\x01\x88\x0b\0\0\0\7", 8), IP_CT_NEW);
	assert_int_equal(gre(d, 0, "\x30\x01\x88\x0b\0\0\0\x08", 8), IP_CT_NEW);
	assert_int_equal(gre(d, 0, "\x30\x01\x88\x0b\0\0\0\7", 8), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 2);
	assert_int_equal(gre(d, 0, "\x30\x01\x08\0\0\0\0\7", 8), CTSTATE_INVALID);	/* version 1 is PPP's alone */
}

static void timeouts_are_those_of_its_beginning(void **state)
{
	struct drive *d = *state;

	drive_sysctl(d, "gre_timeout", "33");
	assert_int_equal(gre(d, 0, "\0\0\x08\0", 4), IP_CT_NEW);
	drive_sysctl(d, "gre_timeout", "44");
	assert_int_equal(gre(d, 0, "\0\0\x08\0", 4), IP_CT_NEW);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(calls, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(timeouts_are_those_of_its_beginning, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
