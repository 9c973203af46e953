/* Timeout policies over their life, names of labels, and an expiry in steps that nobody may notice. */
#include "drive.h"

#include "conntrack/labels.h"
#include "conntrack/timeout.h"

static void policy(void **state)
{
	struct ct_policy_value values[] = { { 0, 9 } };
	struct drive *d = *state;

	assert_int_equal(ct_policy_add(d->inst, "p", NFPROTO_IPV4, IPPROTO_DCCP, values, 1), -EOPNOTSUPP);
	assert_int_equal(ct_policy_add(d->inst, "p", NFPROTO_IPV4, IPPROTO_UDP, values, 1), 0);
	assert_int_equal(ct_policy_add(d->inst, "p", NFPROTO_IPV4, IPPROTO_UDP, values, 1), -EBUSY);
	d->template = ct_template_new(d->inst, NULL);
	assert_int_equal(ct_policy_attach(d->inst, d->template, ct_policy_find(d->inst, "p")), 0);
	drive_pkt(d, drive_udp(d, CLIENT, SERVER, 1, 2));
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 9);
	assert_int_equal(ct_policy_delete(d->inst, "p"), -EBUSY);

	ct_policy_detach(d->inst, d->template);
	ct_put(d->inst, d->template);
	d->template = NULL;
	assert_int_equal(ct_policy_delete(d->inst, "p"), 0);
	assert_int_equal(ct_policy_delete(d->inst, "p"), -ENOENT);
	drive_pkt(d, drive_udp(d, CLIENT, SERVER, 1, 2));		/* its connection asks the sysctl again */
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
}

static void label_names(void **state)
{
	static const char good[] = "# names\n0\tzero\n127 top # the last\n\n 5 five\r\n";
	static const char *const bad[] = { "128 x", "-1 x", "5", "x y", "1 a\n2 a" };
	struct drive *d = *state;

	assert_int_equal(ct_label_bit(d->inst, "zero"), -1);
	assert_int_equal(ct_label_names_load(d->inst, good, sizeof(good) - 1, "f", NULL), 0);
	assert_int_equal(ct_label_bit(d->inst, "top"), 127);
	assert_int_equal(ct_label_bit(d->inst, "five"), 5);
	assert_string_equal(ct_label_name(d->inst, 0), "zero");
	assert_null(ct_label_name(d->inst, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(ct_label_names_load(d->inst, bad[i], strlen(bad[i]), "f", NULL), 0);
}

/* Ten end at one tick, three a step: those that are late are gone for everybody who looks. */
static void late(void **state)
{
	struct drive *d = *state;

	drive_sysctl(d, "weir_expire_batch", "3");
	for (uint16_t i = 0; i < 10; i++)
		drive_pkt(d, drive_udp(d, CLIENT, SERVER, (uint16_t)(1000 + i), 2));
	drive_wait_ms(d, 30000);
	assert_int_equal(ct_count(d->inst), 7);
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(drive_pkt(d, drive_udp(d, CLIENT, SERVER, (uint16_t)(1000 + i), 2)), IP_CT_NEW);
	assert_int_equal(ct_count(d->inst), 10);
	for (uint16_t i = 0; i < 10; i++)
		assert_int_equal(drive_pkt(d, drive_udp(d, SERVER, CLIENT, 2, (uint16_t)(1000 + i))), IP_CT_ESTABLISHED_REPLY);
	/* Who was away for long ends as many as anybody. */
	for (int i = 0; i < 29996; i += 4)
		drive_wait_ms(d, 4);
	assert_int_equal(ct_count(d->inst), 10);
	drive_wait_ms(d, 400);
	assert_int_equal(ct_count(d->inst), 7);
	for (unsigned int left = 4; left <= 4; left -= 3) {
		drive_wait_ms(d, 4);
		assert_int_equal(ct_count(d->inst), left);
	}
	drive_wait_ms(d, 4);
	assert_int_equal(ct_count(d->inst), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(policy, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(label_names, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(late, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
