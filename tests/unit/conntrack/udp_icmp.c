/* UDP streams, ICMP and the errors it carries, protocols without a tracker. */
#include "drive.h"

static int udp(struct drive *d, int dir)
{
	return drive_pkt(d, dir ? drive_udp(d, SERVER, CLIENT, 53, 1000) : drive_udp(d, CLIENT, SERVER, 1000, 53));
}

static void udp_stream(void **state)
{
	struct drive *d = *state;

	assert_int_equal(udp(d, 0), IP_CT_NEW);
	assert_int_equal(udp(d, 0), IP_CT_NEW);
	assert_int_equal(udp(d, 1), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(udp(d, 0), IP_CT_ESTABLISHED);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
	drive_wait_ms(d, 2000);
	udp(d, 0);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);	/* two seconds are not more than two seconds */
	drive_wait_ms(d, 4);
	assert_false(drive_ct(d)->status & IPS_ASSURED);
	udp(d, 1);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 120);
	assert_true(drive_ct(d)->status & IPS_ASSURED);
	drive_assert_events(d,
		"    [NEW] udp      17 30 src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=53 [UNREPLIED] "
		"src=10.1.0.2 dst=10.0.0.2 sport=53 dport=1000\n"
		" [UPDATE] udp      17 30 src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=53 "
		"src=10.1.0.2 dst=10.0.0.2 sport=53 dport=1000\n"
		" [UPDATE] udp      17 120 src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=53 "
		"src=10.1.0.2 dst=10.0.0.2 sport=53 dport=1000 [ASSURED]\n");
	drive_wait_ms(d, 120000);
	drive_assert_events(d, "[DESTROY] udp      17 src=10.0.0.2 dst=10.1.0.2 sport=1000 dport=53 "
			       "src=10.1.0.2 dst=10.0.0.2 sport=53 dport=1000 [ASSURED]\n");
}

/* An ICMP message; @rest: four bytes after the checksum, then @data. */
static struct pkt *icmp(struct drive *d, const char *src, const char *dst, uint8_t type, uint8_t code, const void *rest,
			const void *data, uint32_t len)
{
	uint8_t bytes[256] = { type, code };

	if (rest)
		memcpy(bytes + 4, rest, 4);
	if (len)
		memcpy(bytes + 8, data, len);
	return drive_ip4(d, src, dst, IPPROTO_ICMP, bytes, 8 + len);
}

static void echo(void **state)
{
	struct drive *d = *state;

	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 0, 0, "\0\7\0\1", "", 0)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "");
	assert_int_equal(drive_pkt(d, icmp(d, CLIENT, SERVER, 8, 0, "\0\7\0\1", "", 0)), IP_CT_NEW);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 0, 0, "\0\7\0\1", "", 0)), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 0, 0, "\0\10\0\1", "", 0)), CTSTATE_INVALID);
	assert_int_equal(drive_pkt(d, icmp(d, CLIENT, SERVER, 19, 0, NULL, "", 0)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "invalid icmp type");
	assert_int_equal(drive_pkt(d, icmp(d, CLIENT, SERVER, 9, 0, NULL, "", 0)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "");
}

static void errors(void **state)
{
	struct drive *d = *state;
	struct pkt *quoted = drive_udp(d, CLIENT, SERVER, 1000, 53);
	uint8_t bytes[64];
	uint32_t len = quoted->len;

	memcpy(bytes, quoted->data, len);
	assert_int_equal(drive_pkt(d, icmp(d, "10.9.9.9", CLIENT, 3, 1, NULL, bytes, len)), CTSTATE_INVALID);
	drive_pkt(d, quoted);
	assert_int_equal(drive_pkt(d, icmp(d, "10.9.9.9", CLIENT, 3, 1, NULL, bytes, len)), IP_CT_RELATED_REPLY);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 3, 200, NULL, bytes, 24)), IP_CT_RELATED_REPLY);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 3, 1, NULL, bytes, 23)), CTSTATE_INVALID);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 3, 1, NULL, bytes, 20)), CTSTATE_INVALID);
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 3, 1, NULL, bytes, 0)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "");
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, "10.0.0.3", 3, 1, NULL, bytes, len)), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "outer daddr 10.0.0.3 != inner 10.0.0.2");
	/* A quoted header that claims to be longer than what is there, a fragment. */
	bytes[0] = 0x4f;
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 11, 0, NULL, bytes, len)), CTSTATE_INVALID);
	bytes[0] = 0x45;
	bytes[7] = 1;
	assert_int_equal(drive_pkt(d, icmp(d, SERVER, CLIENT, 11, 0, NULL, bytes, len)), CTSTATE_INVALID);
	assert_int_equal(ct_count(d->inst), 1);
}

static void checksums(void **state)
{
	struct drive *d = *state;
	struct pkt *pkt = drive_udp(d, CLIENT, SERVER, 1, 2);

	pkt->data[20 + 6] ^= 1;
	assert_int_equal(drive_pkt(d, pkt), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "bad checksum");
	pkt = drive_udp(d, CLIENT, SERVER, 1, 2);
	put_be16(pkt->data + 20 + 6, 0);
	assert_int_equal(drive_pkt(d, pkt), IP_CT_NEW);
	drive_sysctl(d, "checksum", "0");
	pkt = drive_udp(d, CLIENT, SERVER, 1, 3);
	pkt->data[20 + 6] ^= 1;
	assert_int_equal(drive_pkt(d, pkt), IP_CT_NEW);
	pkt = drive_udp(d, CLIENT, SERVER, 1, 2);
	put_be16(pkt->data + 20 + 4, 13);
	assert_int_equal(drive_pkt(d, pkt), CTSTATE_INVALID);
	assert_string_equal(d->invalid, "truncated/malformed packet");
}

static void generic(void **state)
{
	struct drive *d = *state;

	assert_int_equal(drive_pkt(d, drive_ip4(d, CLIENT, SERVER, 89, "", 0)), IP_CT_NEW);
	assert_int_equal(drive_pkt(d, drive_ip4(d, SERVER, CLIENT, 89, "abc", 3)), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(udp_stream, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(echo, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(errors, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(checksums, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(generic, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
