/* TCP: states, windows and timeouts as the 6.18 kernel was seen to keep them. */
#include "drive.h"

enum { C = IP_CT_DIR_ORIGINAL, S = IP_CT_DIR_REPLY };

static void assert_tcp(struct drive *d, const char *state, uint32_t seconds)
{
	struct ct *ct = drive_ct(d);

	assert_non_null(ct);
	assert_string_equal(ct_tcp_state_name(ct->proto.tcp.state), state);
	assert_int_equal(ct_expires_sec(d->inst, ct), seconds);
}

static void open_connection(struct drive *d)
{
	assert_int_equal(drive_tcp(d, C, "S", 100, 0, 0), IP_CT_NEW);
	assert_tcp(d, "SYN_SENT", 120);
	assert_int_equal(drive_tcp(d, S, "SA", 900, 101, 0), IP_CT_ESTABLISHED_REPLY);
	assert_tcp(d, "SYN_RECV", 60);
	assert_int_equal(drive_tcp(d, C, "A", 101, 901, 0), IP_CT_ESTABLISHED);
	assert_tcp(d, "ESTABLISHED", 432000);
	assert_true(drive_ct(d)->status & IPS_ASSURED);
}

static void whole_life(void **state)
{
	struct drive *d = *state;

	open_connection(d);
	assert_int_equal(drive_tcp(d, C, "PA", 101, 901, 50), IP_CT_ESTABLISHED);
	assert_tcp(d, "ESTABLISHED", 300);		/* not acknowledged yet */
	assert_int_equal(drive_tcp(d, S, "A", 901, 151, 0), IP_CT_ESTABLISHED_REPLY);
	assert_tcp(d, "ESTABLISHED", 432000);
	drive_tcp(d, C, "FA", 151, 901, 0);
	assert_tcp(d, "FIN_WAIT", 120);
	drive_tcp(d, S, "A", 901, 152, 0);
	assert_tcp(d, "CLOSE_WAIT", 60);
	drive_tcp(d, S, "FA", 901, 152, 0);
	assert_tcp(d, "LAST_ACK", 30);
	drive_tcp(d, C, "A", 152, 902, 0);
	assert_tcp(d, "TIME_WAIT", 120);
	drive_assert_events(d,
		"    [NEW] tcp      6 120 SYN_SENT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 [UNREPLIED] "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000\n"
		" [UPDATE] tcp      6 60 SYN_RECV src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000\n"
		" [UPDATE] tcp      6 432000 ESTABLISHED src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n"
		" [UPDATE] tcp      6 120 FIN_WAIT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n"
		" [UPDATE] tcp      6 60 CLOSE_WAIT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n"
		" [UPDATE] tcp      6 30 LAST_ACK src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n"
		" [UPDATE] tcp      6 120 TIME_WAIT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n");
	drive_wait_ms(d, 119999);
	assert_non_null(drive_ct(d));
	drive_wait_ms(d, 1);
	assert_null(drive_ct(d));
	drive_assert_events(d, "[DESTROY] tcp      6 TIME_WAIT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
			       "src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n");
}

static void first_segments(void **state)
{
	static const struct { const char *flags, *state, *reason; } cases[] = {
		{ "S", "SYN_SENT", "" }, { "SP", "SYN_SENT", "" }, { "SU", "SYN_SENT", "" }, { "SPU", "SYN_SENT", "" },
		{ "SEC", "SYN_SENT", "" },
		{ "A", "ESTABLISHED", "" }, { "PA", "ESTABLISHED", "" }, { "PAU", "ESTABLISHED", "" },
		{ "SA", NULL, "invalid new" }, { "R", NULL, "invalid new" }, { "RA", NULL, "invalid new" },
		{ "FA", NULL, "invalid new" },
		{ "F", NULL, "invalid tcp flag combination" }, { "", NULL, "invalid tcp flag combination" },
		{ "SF", NULL, "invalid tcp flag combination" }, { "FPU", NULL, "invalid tcp flag combination" },
		{ "SR", NULL, "invalid tcp flag combination" },
	};
	struct drive *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int seen = drive_tcp(d, C, cases[i].flags, 5, 6, 0);

		assert_string_equal(d->invalid, cases[i].reason);
		assert_int_equal(seen, cases[i].state ? IP_CT_NEW : CTSTATE_INVALID);
		if (cases[i].state) {
			assert_tcp(d, cases[i].state, cases[i].state[0] == 'S' ? 120 : 300);
			ct_kill(d->inst, drive_ct(d));
		}
		assert_int_equal(ct_count(d->inst), 0);
	}
	drive_sysctl(d, "tcp_loose", "0");
	assert_int_equal(drive_tcp(d, C, "A", 5, 6, 0), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "");
}

static void resets(void **state)
{
	struct drive *d = *state;

	open_connection(d);
	assert_int_equal(drive_tcp(d, S, "R", 900, 0, 0), CTSTATE_INVALID);	/* one below */
	assert_string_equal(d->invalid, "invalid rst");
	assert_tcp(d, "ESTABLISHED", 432000);
	sb_reset(&d->events);
	assert_int_equal(drive_tcp(d, S, "R", 1000, 0, 0), IP_CT_ESTABLISHED_REPLY);	/* in the window, not exact */
	assert_tcp(d, "ESTABLISHED", 10);
	drive_assert_events(d, "");
	drive_tcp(d, C, "A", 101, 901, 0);
	assert_tcp(d, "ESTABLISHED", 300);
	assert_int_equal(drive_tcp(d, S, "R", 901, 0, 0), IP_CT_ESTABLISHED_REPLY);	/* exact */
	assert_tcp(d, "CLOSE", 10);
	/* A SYN of the side that was reset waits for the answer to it; of the side that resets, it begins anew. */
	drive_tcp(d, C, "R", 101, 0, 0);
	sb_reset(&d->events);
	assert_int_equal(drive_tcp(d, C, "S", 5000, 0, 0), IP_CT_NEW);
	drive_assert_events(d,
		"[DESTROY] tcp      6 10 CLOSE src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000 [ASSURED]\n"
		"    [NEW] tcp      6 120 SYN_SENT src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 [UNREPLIED] "
		"src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000\n");
}

static void reset_answers_syn(void **state)
{
	struct drive *d = *state;

	drive_tcp(d, C, "S", 100, 0, 0);
	sb_reset(&d->events);
	assert_int_equal(drive_tcp(d, S, "RA", 0, 101, 0), IP_CT_ESTABLISHED_REPLY);
	assert_null(drive_ct(d));
	drive_assert_events(d, "[DESTROY] tcp      6 120 CLOSE src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=80 [UNREPLIED] "
			       "src=10.1.0.2 dst=10.0.0.2 sport=80 dport=1000\n");
}

static void windows(void **state)
{
	struct drive *d = *state;

	open_connection(d);
	/* The server offered 8192: up to 101 + 8192 is its window. */
	assert_int_equal(drive_tcp(d, C, "A", 101 + 8192, 901, 1), IP_CT_ESTABLISHED);
	assert_string_equal(d->invalid, "");	/* begins on the edge */
	assert_int_equal(drive_tcp(d, C, "A", 101 + 8192 + 4, 901, 1), IP_CT_ESTABLISHED);
	assert_string_equal(d->invalid, "6 bytes more than expected");
	assert_int_equal(drive_tcp(d, C, "A", 101 + 70000, 901, 1), CTSTATE_INVALID);
	assert_non_null(strstr(d->invalid, "SEQ is over upper bound"));
	assert_int_equal(drive_tcp(d, S, "A", 901, 101 + 70002, 0), CTSTATE_INVALID);
	assert_non_null(strstr(d->invalid, "ACK is over upper bound"));
	assert_int_equal(drive_tcp(d, C, "A", 101 - 70000, 901, 1), IP_CT_ESTABLISHED);
	assert_non_null(strstr(d->invalid, "SEQ is under lower bound"));
	drive_sysctl(d, "tcp_be_liberal", "1");
	assert_int_equal(drive_tcp(d, C, "A", 101 + 70000, 901, 1), IP_CT_ESTABLISHED);
	assert_string_equal(d->invalid, "");
}

static void scaling(void **state)
{
	static const uint8_t scale7[] = { 3, 3, 7, 1 }, scale2[] = { 3, 3, 2, 1 };
	struct drive *d = *state;

	drive_tcp_options(d, C, "S", 100, 0, 1000, 0, scale7, 4);
	drive_tcp_options(d, S, "SA", 900, 101, 1000, 0, scale2, 4);
	drive_tcp_options(d, C, "A", 101, 901, 1000, 0, NULL, 0);
	/* 1000 << 7 from the client: the server may send so much. */
	assert_int_equal(drive_tcp(d, S, "A", 901 + 100000, 101, 10), IP_CT_ESTABLISHED_REPLY);
	assert_string_equal(d->invalid, "");
	assert_int_equal(drive_ct(d)->proto.tcp.seen[C].td_scale, 7);
	assert_int_equal(drive_ct(d)->proto.tcp.seen[S].td_scale, 2);
}

static void simultaneous_open(void **state)
{
	struct drive *d = *state;

	drive_tcp(d, C, "S", 100, 0, 0);
	assert_int_equal(drive_tcp(d, S, "S", 900, 0, 0), IP_CT_ESTABLISHED_REPLY);
	assert_tcp(d, "SYN_SENT2", 120);
	drive_tcp(d, C, "SA", 100, 901, 0);
	assert_tcp(d, "SYN_RECV", 60);
	assert_int_equal(drive_tcp(d, S, "SA", 900, 101, 0), IP_CT_ESTABLISHED_REPLY);
	assert_non_null(strstr(d->invalid, "ignored, state SYN_RECV"));
	drive_tcp(d, S, "A", 901, 101, 0);
	assert_tcp(d, "ESTABLISHED", 432000);
}

static void retransmissions(void **state)
{
	struct drive *d = *state;

	drive_sysctl(d, "tcp_timeout_max_retrans", "55");
	drive_tcp(d, C, "S", 100, 0, 0);
	assert_tcp(d, "SYN_SENT", 55);		/* a zero window so far: the shorter one holds */
	drive_tcp(d, S, "SA", 900, 101, 0);
	drive_tcp(d, C, "A", 101, 901, 0);
	drive_tcp(d, S, "A", 901, 101, 0);
	for (int i = 0; i < 3; i++) {
		drive_tcp(d, C, "A", 101, 901, 10);
		assert_tcp(d, "ESTABLISHED", 300);
	}
	drive_tcp(d, C, "A", 101, 901, 10);	/* the fourth time */
	assert_tcp(d, "ESTABLISHED", 55);
	drive_tcp(d, S, "A", 901, 111, 0);
	assert_tcp(d, "ESTABLISHED", 432000);
}

static void syn_in_established(void **state)
{
	struct drive *d = *state;

	open_connection(d);
	assert_int_equal(drive_tcp(d, C, "S", 7000, 0, 0), IP_CT_ESTABLISHED);
	assert_string_equal(d->invalid, "packet (index 0) in dir 0 ignored, state ESTABLISHED");
	/* The server had forgotten the connection: its SYN/ACK brings everything in step. */
	assert_int_equal(drive_tcp(d, S, "SA", 20000, 7001, 0), IP_CT_ESTABLISHED_REPLY);
	assert_tcp(d, "SYN_RECV", 60);
	drive_tcp(d, C, "A", 7001, 20001, 0);
	assert_tcp(d, "ESTABLISHED", 432000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_life, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(first_segments, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(resets, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(reset_answers_syn, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(windows, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(scaling, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(simultaneous_open, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(retransmissions, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(syn_in_established, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
