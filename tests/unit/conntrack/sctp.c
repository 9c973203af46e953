/* SCTP, UDP-Lite and GRE: what their packets make of a connection. */
#include "drive.h"

#include "base/crc32c.h"

enum { CLIENT_TAG = 0x11111111, SERVER_TAG = 0x22222222 };	/* what the other side writes */

/* One chunk of 20 bytes in a packet; @announced is the tag of an INIT. */
static int send_chunk(struct drive *d, int dir, uint32_t tag, uint8_t type, uint32_t announced)
{
	uint8_t packet[32] = { 0 };
	uint32_t crc;

	put_be16(packet, dir ? 80 : 5);
	put_be16(packet + 2, dir ? 5 : 80);
	put_be32(packet + 4, tag);
	packet[12] = type;
	put_be16(packet + 14, 20);
	put_be32(packet + 16, announced);
	crc = ~crc32c(~0u, packet, sizeof(packet));
	for (int i = 0; i < 4; i++)
		packet[8 + i] = (uint8_t)(crc >> 8 * i);
	return drive_pkt(d, drive_ip4(d, dir ? SERVER : CLIENT, dir ? CLIENT : SERVER, IPPROTO_SCTP, packet,
				      sizeof(packet)));
}

static void assert_state(struct drive *d, const char *state, uint32_t seconds)
{
	struct ct *ct = drive_ct(d);
	struct strbuf text = STRBUF_INIT;

	assert_non_null(ct);
	ct_proto_of(d->inst, IPPROTO_SCTP)->print_state(ct, &text);
	assert_string_equal(sb_str(&text), state);
	sb_free(&text);
	assert_int_equal(ct_expires_sec(d->inst, ct), seconds);
}

static void association(void **state)
{
	struct drive *d = *state;

	assert_int_equal(crc32c(~0u, "123456789", 9), ~0xe3069283u);
	assert_int_equal(send_chunk(d, 0, 0, 0, 0), CTSTATE_INVALID);		/* DATA begins nothing */
	assert_int_equal(send_chunk(d, 0, 0, 1, CLIENT_TAG), IP_CT_NEW);
	assert_state(d, "CLOSED ", 10);
	assert_int_equal(send_chunk(d, 1, CLIENT_TAG, 2, SERVER_TAG), IP_CT_ESTABLISHED_REPLY);
	assert_state(d, "COOKIE_WAIT ", 3);
	send_chunk(d, 0, SERVER_TAG, 10, 0);
	assert_state(d, "COOKIE_ECHOED ", 3);
	send_chunk(d, 1, CLIENT_TAG, 11, 0);
	assert_state(d, "ESTABLISHED ", 210);
	assert_true(drive_ct(d)->status & IPS_ASSURED);
	assert_int_equal(send_chunk(d, 0, SERVER_TAG + 1, 0, 0), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "verification tag check failed 23222222 vs 22222222 for dir 0");
	send_chunk(d, 0, SERVER_TAG, 7, 0);
	assert_state(d, "SHUTDOWN_SENT ", 3);
	send_chunk(d, 1, CLIENT_TAG, 8, 0);
	assert_state(d, "SHUTDOWN_ACK_SENT ", 3);
	send_chunk(d, 0, SERVER_TAG, 14, 0);
	assert_state(d, "CLOSED ", 10);
}

static void second_path(void **state)
{
	struct drive *d = *state;

	assert_int_equal(send_chunk(d, 0, SERVER_TAG, 4, 0), IP_CT_NEW);
	assert_state(d, "HEARTBEAT_SENT ", 30);
	assert_int_equal(send_chunk(d, 1, CLIENT_TAG, 5, 0), IP_CT_ESTABLISHED_REPLY);
	assert_state(d, "ESTABLISHED ", 210);
}

static void broken_crc(void **state)
{
	struct drive *d = *state;
	uint8_t packet[16] = { 0, 5, 0, 80, [12] = 1, [15] = 4 };

	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_SCTP, packet, 16)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "nf_ct_sctp: bad CRC ");
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_SCTP, packet, 11)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "nf_ct_sctp: short packet ");
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_SCTP, packet, 3)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "");
}

static void gre(void **state)
{
	static const uint8_t plain[8] = { 0, 0, 8, 0 }, pptp[8] = { 0x30, 1, 0x88, 0x0b, 0, 4, 0, 9 }, odd[8] = { 0, 1, 8, 0 };
	struct drive *d = *state;

	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_GRE, plain, 8)), IP_CT_NEW);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
	assert_int_equal(drive_pkt(d, drive_ip4(d, SERVER, CLIENT, IPPROTO_GRE, plain, 2)), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_GRE, plain, 8)), IP_CT_ESTABLISHED);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 180);
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_GRE, pptp, 8)), IP_CT_NEW);
	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, IPPROTO_GRE, odd, 8)), CTSTATE_INVALID);
	assert_int_equal(ct_count(d->inst), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(association, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(second_path, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(broken_crc, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(gre, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
