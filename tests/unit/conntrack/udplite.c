/* UDP-Lite: the coverage must hold its header and no more than there is; a sum of zero is refused; times are UDP's. */
#include "drive.h"

/* Summed up as Linux does when it checks: with UDP's number in the pseudo header. */
static int lite(struct drive *d, int dir, uint16_t cover, bool with_sum, uint32_t len)
{
	uint8_t bytes[20] = { 0, dir ? 6 : 5, 0, dir ? 5 : 6, (uint8_t)(cover >> 8), (uint8_t)cover, 0, 0, 'p', 'a', 'y', 'l', 'o', 'a', 'd' };
	uint32_t summed = cover >= 8 && cover <= sizeof(bytes) ? cover : sizeof(bytes), sum;
	struct in_addr from, to;

	inet_pton(AF_INET, dir ? SERVER : CLIENT, &from);
	inet_pton(AF_INET, dir ? CLIENT : SERVER, &to);
	sum = csum_fold(csum_partial(bytes, summed, csum_pseudo4(from.s_addr, to.s_addr, IPPROTO_UDP, sizeof(bytes))));
	if (with_sum)
		memcpy(bytes + 6, &(be16){ (be16)sum }, 2);
	return drive_pkt(d, drive_ip4(d, dir ? SERVER : CLIENT, dir ? CLIENT : SERVER, IPPROTO_UDPLITE, bytes, len));
}

static void coverage(void **state)
{
	struct drive *d = *state;

	assert_int_equal(lite(d, 0, 7, true, 20), CTSTATE_INVALID);
	assert_int_equal(lite(d, 0, 21, true, 20), CTSTATE_INVALID);
	assert_int_equal(lite(d, 0, 20, false, 20), CTSTATE_INVALID);
	assert_int_equal(lite(d, 0, 20, true, 7), CTSTATE_INVALID);
	assert_int_equal(ct_count(d->inst), 0);
	assert_int_equal(lite(d, 0, 8, true, 20), IP_CT_NEW);
	assert_int_equal(lite(d, 0, 0, true, 20), IP_CT_NEW);		/* all of it */
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
}

static void stream(void **state)
{
	struct drive *d = *state;

	assert_int_equal(lite(d, 0, 20, true, 20), IP_CT_NEW);
	assert_int_equal(lite(d, 1, 20, true, 20), IP_CT_ESTABLISHED_REPLY);
	drive_wait_ms(d, 2004);
	assert_int_equal(lite(d, 0, 20, true, 20), IP_CT_ESTABLISHED);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 120);
	assert_true(drive_ct(d)->status & IPS_ASSURED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(coverage, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(stream, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
