/* Captures: what is written is read back; both byte orders, several interfaces; every prefix of a file ends in a sentence or in peace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "driver/pcap.h"

static int to_strbuf(void *priv, const void *bytes, size_t len)
{
	sb_add(priv, bytes, len);
	return 0;
}

static void be32_put(struct strbuf *sb, uint32_t v)
{
	const char b[] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	sb_add(sb, b, 4);
}

static void be16_put(struct strbuf *sb, uint16_t v)
{
	const char b[] = { (char)(v >> 8), (char)v };

	sb_add(sb, b, 2);
}

static void pcap_head_be(struct strbuf *sb, uint32_t magic, uint32_t link)
{
	be32_put(sb, magic);
	be16_put(sb, 2);
	be16_put(sb, 4);
	be32_put(sb, 0);
	be32_put(sb, 0);
	be32_put(sb, 65535);
	be32_put(sb, link);
}

static void pcap_big_endian_usec_and_nsec(void **state)
{
	for (int nsec = 0; nsec < 2; nsec++) {
		struct strbuf sb = STRBUF_INIT;
		struct capture_packet pkt;
		struct refusal why = { 0 };
		struct capture *cap;

		pcap_head_be(&sb, nsec ? 0xa1b23c4d : 0xa1b2c3d4, LINK_RAW);
		be32_put(&sb, 1700000000);
		be32_put(&sb, 5);
		be32_put(&sb, 3);
		be32_put(&sb, 90);
		sb_add(&sb, "abc", 3);
		assert_int_equal(capture_open_bytes("t", sb.s, sb.len, &cap, &why), 0);
		assert_int_equal(capture_next(cap, &pkt, &why), 1);
		assert_int_equal(pkt.stamp_ns, 1700000000000000000ll + (nsec ? 5 : 5000));
		assert_int_equal(pkt.len, 3);
		assert_int_equal(pkt.wire_len, 90);
		assert_memory_equal(pkt.bytes, "abc", 3);
		assert_int_equal(pkt.number, 1);
		assert_int_equal(capture_next(cap, &pkt, &why), 0);
		capture_close(cap);
		sb_free(&sb);
	}
}

static void pcapng_round_trip(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct pcapng *ng = pcapng_new(to_strbuf, &sb, "test");
	struct refusal why = { 0 };
	struct capture_packet pkt;
	struct capture *cap;

	assert_int_equal(pcapng_iface(ng, "eth0", LINK_ETHERNET), 0);
	assert_int_equal(pcapng_iface(ng, "tun0", LINK_RAW), 1);
	assert_int_equal(pcapng_iface(ng, "eth0", LINK_ETHERNET), 0);
	assert_int_equal(pcapng_packet(ng, 1, 1700000000123456789ll, "ab", 2, "cde", 3, "a comment"), 0);
	assert_int_equal(pcapng_packet(ng, 0, 1700000001000000000ll, NULL, 0, "xy", 2, NULL), 0);
	assert_int_equal(capture_open_bytes("t", sb.s, sb.len, &cap, &why), 0);
	assert_int_equal(capture_next(cap, &pkt, &why), 1);
	assert_int_equal(pkt.stamp_ns, 1700000000123456789ll);
	assert_int_equal(pkt.linktype, LINK_RAW);
	assert_string_equal(capture_iface(cap, pkt.iface)->name, "tun0");
	assert_int_equal(pkt.len, 5);
	assert_memory_equal(pkt.bytes, "abcde", 5);
	assert_int_equal(capture_next(cap, &pkt, &why), 1);
	assert_string_equal(capture_iface(cap, pkt.iface)->name, "eth0");
	assert_int_equal(capture_next(cap, &pkt, &why), 0);
	capture_close(cap);
	pcapng_free(ng);
	sb_free(&sb);
}

/* Section header and one interface in big-endian order; @options of the interface as given. */
static void ng_head_be(struct strbuf *sb, const void *options, uint32_t options_len)
{
	be32_put(sb, 0x0a0d0d0a);
	be32_put(sb, 28);
	be32_put(sb, 0x1a2b3c4d);
	be16_put(sb, 1);
	be16_put(sb, 0);
	be32_put(sb, UINT32_MAX);
	be32_put(sb, UINT32_MAX);
	be32_put(sb, 28);
	be32_put(sb, 1);
	be32_put(sb, 20 + options_len);
	be16_put(sb, LINK_ETHERNET);
	be16_put(sb, 0);
	be32_put(sb, 0);
	sb_add(sb, options, options_len);
	be32_put(sb, 20 + options_len);
}

static void ng_packet_be(struct strbuf *sb, uint64_t units)
{
	be32_put(sb, 6);
	be32_put(sb, 36);
	be32_put(sb, 0);
	be32_put(sb, (uint32_t)(units >> 32));
	be32_put(sb, (uint32_t)units);
	be32_put(sb, 4);
	be32_put(sb, 4);
	sb_add(sb, "abcd", 4);
	be32_put(sb, 36);
}

static void pcapng_time_units(void **state)
{
	/* if_tsresol 2^-10 and if_tsoffset 1000 s; padded as options are */
	static const uint8_t options[] = { 0, 9, 0, 1, 0x8a, 0, 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0 };
	struct strbuf sb = STRBUF_INIT;
	struct refusal why = { 0 };
	struct capture_packet pkt;
	struct capture *cap;

	ng_head_be(&sb, options, sizeof(options));
	ng_packet_be(&sb, 5 * 1024 + 512);
	assert_int_equal(capture_open_bytes("t", sb.s, sb.len, &cap, &why), 0);
	assert_int_equal(capture_next(cap, &pkt, &why), 1);
	assert_int_equal(pkt.stamp_ns, 1005500000000ll);
	capture_close(cap);
	sb_free(&sb);
}

/* Every cut is either the end or a refusal that names byte and packet. */
static void cuts_are_refused(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	ng_head_be(&sb, "", 0);
	ng_packet_be(&sb, 1);
	ng_packet_be(&sb, 2);
	for (size_t len = 0; len < sb.len; len++) {
		struct refusal why = { 0 };
		struct capture_packet pkt;
		uint8_t *copy = malloc(len ? len : 1);	/* exactly as long: a sanitizer sees what reads beyond */
		struct capture *cap;
		int r;

		memcpy(copy, sb.s, len);
		if (capture_open_bytes("t", copy, len, &cap, &why) == 0) {
			while ((r = capture_next(cap, &pkt, &why)) == 1)
				;
			assert_true(r == 0 ? len == 28 || len == 48 || len == 84 : why.text[0] && strstr(why.text, "byte "));
			capture_close(cap);
		} else {
			assert_true(why.text[0]);
			assert_true(len < 28);
		}
		free(copy);
	}
	sb_free(&sb);
}

static void what_is_no_capture_is_named(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct refusal why = { 0 };
	struct capture_packet pkt;
	struct capture *cap;

	assert_int_equal(capture_open_bytes("t", "\x1f\x8b\x08\x00....", 8, &cap, &why), -EINVAL);
	assert_non_null(strstr(why.text, "gzip"));
	assert_int_equal(capture_open_bytes("t", "hello world", 11, &cap, &why), -EINVAL);
	assert_non_null(strstr(why.text, "neither pcap nor pcapng"));
	pcap_head_be(&sb, 0xa1b2c3d4, 105);
	be32_put(&sb, 1);
	be32_put(&sb, 0);
	be32_put(&sb, 0);
	be32_put(&sb, 0);
	assert_int_equal(capture_open_bytes("t", sb.s, sb.len, &cap, &why), 0);
	assert_int_equal(capture_next(cap, &pkt, &why), -EINVAL);
	assert_non_null(strstr(why.text, "105 (IEEE 802.11)"));
	capture_close(cap);
	sb_free(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcap_big_endian_usec_and_nsec),
		cmocka_unit_test(pcapng_round_trip),
		cmocka_unit_test(pcapng_time_units),
		cmocka_unit_test(cuts_are_refused),
		cmocka_unit_test(what_is_no_capture_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
