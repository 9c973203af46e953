/* RFC 7915 as bytes: its tables of ICMP, RFC 6052's examples, checksums that hold afterwards, there and back, and noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hash.h"
#include "nat/translate.h"
#include "packet/packet.h"

static struct in6_addr six(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static be32 four(const char *text)
{
	be32 addr;

	assert_int_equal(inet_pton(AF_INET, text, &addr), 1);
	return addr;
}

/* Everybody is inside 64:ff9b::/96, which is stateless and goes both ways. */
static enum xlat_verdict embed(void *priv, struct xlat_flow *f)
{
	struct in6_addr prefix = six("64:ff9b::"), a, b;
	be32 src, dst;

	(void)priv;
	if (f->is6) {
		if (!xlat_extract(&prefix, 96, &f->src.in6, &src) || !xlat_extract(&prefix, 96, &f->dst.in6, &dst))
			return XLAT_NOT_MINE;
		f->src.ip = src;
		f->dst.ip = dst;
		return XLAT_DONE;
	}
	a = xlat_embed(&prefix, 96, f->src.ip);
	b = xlat_embed(&prefix, 96, f->dst.ip);
	f->src.in6 = a;
	f->dst.in6 = b;
	return XLAT_DONE;
}

static enum xlat_verdict translate(const uint8_t *in, uint32_t len, uint8_t **out, uint32_t *out_len, struct xlat *copy)
{
	/* blocks of the very size: the sanitizer sees the first byte beyond */
	uint8_t *exact = malloc(len ? len : 1);
	struct xlat x = { .resolve = embed, .in = exact, .in_len = len, .out = calloc(1, XLAT_ROOM(len)), .ip_id = 7 };
	enum xlat_verdict verdict;

	memcpy(exact, in, len);
	verdict = len && in[0] >> 4 == 6 ? xlat_6to4(&x) : xlat_4to6(&x);
	free(exact);
	*out = x.out;
	*out_len = verdict == XLAT_DONE ? x.out_len : 0;
	assert_true(x.out_len <= XLAT_ROOM(len));
	if (copy)
		*copy = x;
	return verdict;
}

static uint32_t make4(uint8_t *p, uint8_t proto, const void *payload, uint32_t len)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .tos = 0xb8, .tot_len = htons((uint16_t)(20 + len)), .ttl = 61, .protocol = proto,
			    .frag_off = htons(IP4_DF), .saddr = four("192.0.2.1"), .daddr = four("198.51.100.2") };

	csum_ip4_header(&ip);
	memcpy(p, &ip, 20);
	memcpy(p + 20, payload, len);
	return 20 + len;
}

static uint32_t make6(uint8_t *p, uint8_t proto, const void *payload, uint32_t len)
{
	struct in6_addr src = six("64:ff9b::192.0.2.1"), dst = six("64:ff9b::198.51.100.2");

	put_be32(p, 6u << 28 | 0xb8 << 20);
	put_be16(p + 4, (uint16_t)len);
	p[6] = proto;
	p[7] = 61;
	memcpy(p + 8, &src, 16);
	memcpy(p + 24, &dst, 16);
	memcpy(p + 40, payload, len);
	return 40 + len;
}

static void put_sum(uint8_t *p, uint32_t head, uint32_t at, uint32_t len, uint8_t proto)
{
	uint32_t pseudo = head == 40 ? csum_pseudo6(p + 8, p + 24, proto, len) :
			  proto == IPPROTO_ICMP ? 0 : csum_pseudo4(get_be32(p + 12) ? *(const be32 *)(const void *)(p + 12) : 0,
								   *(const be32 *)(const void *)(p + 16), proto, len);
	be16 sum;

	memset(p + head + at, 0, 2);
	sum = csum_fold(csum_partial(p + head, len, pseudo));
	memcpy(p + head + at, &sum, 2);
}

/* The sums of a translated packet, made anew: 0 when they hold. */
static uint16_t rest_of_sum(const uint8_t *p, uint32_t len)
{
	uint32_t head = p[0] >> 4 == 6 ? 40 : 20, pseudo;
	uint8_t proto = head == 40 ? p[6] : p[9];
	be32 src, dst;

	memcpy(&src, p + 12, 4);
	memcpy(&dst, p + 16, 4);
	pseudo = head == 40 ? csum_pseudo6(p + 8, p + 24, proto, len - head) : proto == IPPROTO_ICMP ? 0 :
		 csum_pseudo4(src, dst, proto, len - head);
	return csum_fold(csum_partial(p + head, len - head, pseudo));
}

/* --- errors: type, code and the second word, as the RFC's sections 4.2 and 5.2 list them --- */

struct row { uint8_t type, code; uint32_t info; bool passes; uint8_t to_type, to_code; uint32_t to_info; };

static const struct row rows4[] = {
	{ 3, 0, 0, true, 1, 0, 0 }, { 3, 1, 0, true, 1, 0, 0 }, { 3, 2, 0, true, 4, 1, 6 }, { 3, 3, 0, true, 1, 4, 0 },
	{ 3, 4, 1400, true, 2, 0, 1420 }, { 3, 4, 0, true, 2, 0, 88 }, { 3, 5, 0, true, 1, 0, 0 }, { 3, 6, 0, true, 1, 0, 0 },
	{ 3, 7, 0, true, 1, 0, 0 }, { 3, 8, 0, true, 1, 0, 0 }, { 3, 9, 0, true, 1, 1, 0 }, { 3, 10, 0, true, 1, 1, 0 },
	{ 3, 11, 0, true, 1, 0, 0 }, { 3, 12, 0, true, 1, 0, 0 }, { 3, 13, 0, true, 1, 1, 0 }, { 3, 14, 0, false, 0, 0, 0 },
	{ 3, 15, 0, true, 1, 1, 0 }, { 3, 16, 0, false, 0, 0, 0 }, { 4, 0, 0, false, 0, 0, 0 }, { 5, 1, 0, false, 0, 0, 0 },
	{ 11, 0, 0, true, 3, 0, 0 }, { 11, 1, 0, true, 3, 1, 0 }, { 12, 1, 0, false, 0, 0, 0 }, { 12, 0, 0, true, 4, 0, 0 },
	{ 12, 0, 1u << 24, true, 4, 0, 1 }, { 12, 0, 2u << 24, true, 4, 0, 4 }, { 12, 2, 3u << 24, true, 4, 0, 4 },
	{ 12, 0, 4u << 24, false, 0, 0, 0 }, { 12, 0, 7u << 24, false, 0, 0, 0 }, { 12, 0, 8u << 24, true, 4, 0, 7 },
	{ 12, 0, 9u << 24, true, 4, 0, 6 }, { 12, 0, 10u << 24, false, 0, 0, 0 }, { 12, 0, 12u << 24, true, 4, 0, 8 },
	{ 12, 0, 16u << 24, true, 4, 0, 24 }, { 12, 0, 19u << 24, true, 4, 0, 24 }, { 12, 0, 20u << 24, false, 0, 0, 0 },
	{ 13, 0, 0, false, 0, 0, 0 }, { 17, 0, 0, false, 0, 0, 0 },
};
static const struct row rows6[] = {
	{ 1, 0, 0, true, 3, 1, 0 }, { 1, 1, 0, true, 3, 10, 0 }, { 1, 2, 0, true, 3, 1, 0 }, { 1, 3, 0, true, 3, 1, 0 },
	{ 1, 4, 0, true, 3, 3, 0 }, { 1, 5, 0, false, 0, 0, 0 }, { 2, 0, 1400, true, 3, 4, 1380 }, { 3, 0, 0, true, 11, 0, 0 },
	{ 3, 1, 0, true, 11, 1, 0 }, { 4, 1, 6, true, 3, 2, 0 }, { 4, 2, 0, false, 0, 0, 0 }, { 4, 0, 0, true, 12, 0, 0 },
	{ 4, 0, 1, true, 12, 0, 1u << 24 }, { 4, 0, 2, false, 0, 0, 0 }, { 4, 0, 4, true, 12, 0, 2u << 24 },
	{ 4, 0, 5, true, 12, 0, 2u << 24 }, { 4, 0, 6, true, 12, 0, 9u << 24 }, { 4, 0, 7, true, 12, 0, 8u << 24 },
	{ 4, 0, 8, true, 12, 0, 12u << 24 }, { 4, 0, 23, true, 12, 0, 12u << 24 }, { 4, 0, 24, true, 12, 0, 16u << 24 },
	{ 4, 0, 39, true, 12, 0, 16u << 24 }, { 4, 0, 40, false, 0, 0, 0 }, { 100, 0, 0, false, 0, 0, 0 },
	{ 130, 0, 0, false, 0, 0, 0 }, { 135, 0, 0, false, 0, 0, 0 },
};

static void check_row(const struct row *row, bool is6)
{
	static const uint8_t udp[16] = { 0x10, 0x00, 0, 53, 0, 16, 0x12, 0x34 };
	uint8_t body[200] = { row->type, row->code }, p[300], *out;
	uint32_t head = is6 ? 40 : 20, to_head = 60 - head, len, out_len;
	enum xlat_verdict verdict;

	put_be32(body + 4, row->info);
	len = 8 + (is6 ? make6(body + 8, IPPROTO_UDP, udp, 16) : make4(body + 8, IPPROTO_UDP, udp, 16));
	if (!is6 && row->code == 4 && !row->info)
		put_be16(body + 8 + 2, 100);	/* what the quote says it was: 68 is the plateau below */
	len = is6 ? make6(p, IPPROTO_ICMPV6, body, len) : make4(p, IPPROTO_ICMP, body, len);
	put_sum(p, head, 2, len - head, is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	verdict = translate(p, len, &out, &out_len, NULL);
	assert_int_equal(verdict, row->passes ? XLAT_DONE : XLAT_DROP);
	if (row->passes) {
		assert_int_equal(out[to_head], row->to_type);
		assert_int_equal(out[to_head + 1], row->to_code);
		assert_int_equal(get_be32(out + to_head + 4), row->to_info);
		assert_int_equal(rest_of_sum(out, out_len), 0);
		assert_int_equal(out[to_head + 8] >> 4, is6 ? 4 : 6);
		assert_int_equal(out_len, to_head + 8 + to_head + 16);
	}
	free(out);
	p[head + 9] ^= 1;	/* damaged: its sum would be made good */
	assert_int_equal(translate(p, len, &out, &out_len, NULL), XLAT_DROP);
	free(out);
}

static void errors_follow_the_tables(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows4); i++)
		check_row(&rows4[i], false);
	for (size_t i = 0; i < ARRAY_SIZE(rows6); i++)
		check_row(&rows6[i], true);
}

static void addresses_of_rfc6052(void **state)
{
	static const struct { const char *prefix; unsigned int len; const char *whole; } rows[] = {
		{ "2001:db8::", 32, "2001:db8:c000:221::" }, { "2001:db8:100::", 40, "2001:db8:1c0:2:21::" },
		{ "2001:db8:122::", 48, "2001:db8:122:c000:2:2100::" }, { "2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::" },
		{ "2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::" }, { "2001:db8:122:344::", 96, "2001:db8:122:344::c000:221" },
	};
	const struct xlat_map maps[] = {
		{ .six = six("2001:db8:1::"), .four = four("10.0.0.0"), .len4 = 8, .len6 = 104 },
		{ .six = six("2001:db8:2::40"), .four = four("10.1.1.16"), .len4 = 28, .len6 = 124 },
	};
	struct in6_addr got, want;
	be32 back;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct in6_addr prefix = six(rows[i].prefix);

		want = six(rows[i].whole);
		got = xlat_embed(&prefix, rows[i].len, four("192.0.2.33"));
		assert_memory_equal(&got, &want, 16);
		assert_true(xlat_extract(&prefix, rows[i].len, &got, &back));
		assert_int_equal(back, four("192.0.2.33"));
	}
	assert_true(xlat_map_to6(maps, 2, four("10.1.1.19"), &got));
	want = six("2001:db8:2::43");
	assert_memory_equal(&got, &want, 16);
	assert_true(xlat_map_to4(maps, 2, &got, &back));
	assert_int_equal(back, four("10.1.1.19"));
	assert_true(xlat_map_to6(maps, 2, four("10.2.3.4"), &got));
	want = six("2001:db8:1::2:304");
	assert_memory_equal(&got, &want, 16);
	assert_false(xlat_map_to6(maps, 2, four("11.2.3.4"), &got));
}

/* 4 to 6 to 4 is the same packet, whatever is in it; sums hold on the way if they held before. */
static void there_and_back(void **state)
{
	static const struct { uint8_t proto, at; } kinds[] = { { IPPROTO_TCP, 16 }, { IPPROTO_UDP, 6 }, { IPPROTO_ICMP, 2 } };
	struct rng rng;

	rng_seed(&rng, 3);
	for (int n = 0; n < 3000; n++) {
		uint8_t body[1400], p[1500], *there, *back;
		uint32_t len = 20 + rng_below(&rng, 1370), there_len, back_len;
		const uint8_t proto = kinds[n % 3].proto;
		bool is_good = n & 8;

		for (uint32_t i = 0; i < len; i++)
			body[i] = (uint8_t)rng_u32(&rng);
		if (proto == IPPROTO_ICMP) {
			body[0] = n & 16 ? ICMP_ECHO : ICMP_ECHOREPLY;
			body[1] = 0;
		}
		len = make4(p, proto, body, len);
		p[1] = (uint8_t)rng_u32(&rng);
		if (len <= 1260)
			p[6] = 0, put_be16(p + 4, 1792), *(p + 5) = 0;
		csum_ip4_header((struct iphdr *)(void *)p);
		if (is_good)
			put_sum(p, 20, kinds[n % 3].at, len - 20, proto);
		if (proto == IPPROTO_UDP && !get_be16(p + 26))
			continue;
		assert_int_equal(translate(p, len, &there, &there_len, NULL), XLAT_DONE);
		assert_int_equal(there_len, len + 20);
		assert_int_equal(get_be16(there) >> 4 & 0xff, p[1]);
		if (is_good)
			assert_int_equal(rest_of_sum(there, there_len), 0);
		assert_int_equal(translate(there, there_len, &back, &back_len, NULL), XLAT_DONE);
		assert_int_equal(back_len, len);
		put_be16(back + 4, get_be16(p + 4));
		csum_ip4_header((struct iphdr *)(void *)back);
		assert_memory_equal(back, p, len);
		free(there);
		free(back);
	}
}

static void fragments_and_source_routes(void **state)
{
	uint8_t body[32] = { 0, 9, 0, 9, 0, 99 }, p[200], *out;
	uint32_t len, out_len;
	struct xlat x;

	/* a first fragment, a later one, and one of ICMP */
	len = make4(p, IPPROTO_UDP, body, 32);
	put_be16(p + 4, 0xabcd);
	put_be16(p + 6, IP4_MF);
	p[26] = 1;
	assert_int_equal(translate(p, len, &out, &out_len, &x), XLAT_DONE);
	assert_true(x.may_cut);
	assert_int_equal(out[6], IPPROTO_FRAGMENT);
	assert_int_equal(out[40], IPPROTO_UDP);
	assert_int_equal(get_be16(out + 42), IP6_MF);
	assert_int_equal(get_be32(out + 44), 0xabcd);
	assert_int_equal(get_be16(out + 4), 40);
	free(out);
	p[26] = p[27] = 0;	/* no sum, and not enough to make one */
	assert_int_equal(translate(p, len, &out, &out_len, NULL), XLAT_DROP);
	free(out);
	put_be16(p + 6, 4);
	assert_int_equal(translate(p, len, &out, &out_len, NULL), XLAT_DONE);
	assert_int_equal(get_be16(out + 42), 32);
	assert_memory_equal(out + 48, body, 26);
	free(out);
	p[9] = IPPROTO_ICMP;
	assert_int_equal(translate(p, len, &out, &out_len, NULL), XLAT_DROP);
	free(out);

	/* an atomic fragment takes DF away and keeps its id */
	memset(body, 0, sizeof(body));
	body[0] = 99;
	put_be32(body + 4, 0x12345678);
	len = make6(p, IPPROTO_FRAGMENT, body, 32);
	assert_int_equal(translate(p, len, &out, &out_len, NULL), XLAT_DONE);
	assert_int_equal(get_be16(out + 4), 0x5678);
	assert_int_equal(get_be16(out + 6), 0);
	assert_int_equal(out[9], 99);
	assert_int_equal(out_len, 20 + 24);
	free(out);

	/* hops left in a routing header and in a source route */
	body[3] = 2;
	body[1] = 0;
	len = make6(p, IPPROTO_ROUTING, body, 32);
	assert_int_equal(translate(p, len, &out, &out_len, &x), XLAT_ERROR);
	assert_int_equal(x.err_type << 8 | x.err_code, ICMPV6_PARAMPROB << 8);
	assert_int_equal(x.err_info, 43);
	free(out);
	memcpy(body, "\x83\x07\x04\x01\x02\x03\x04\x00", 8);
	len = make4(p, 99, body, 32);
	p[0] = 0x47;
	assert_int_equal(translate(p, len, &out, &out_len, &x), XLAT_ERROR);
	assert_int_equal(x.err_type << 8 | x.err_code, ICMP_DEST_UNREACH << 8 | ICMP_SR_FAILED);
	free(out);
	p[22] = 8;	/* it has come to its end */
	assert_int_equal(translate(p, len, &out, &out_len, &x), XLAT_DONE);
	free(out);
}

/* Damaged packets of every kind: nothing is read or written outside, and what comes out is a packet. */
static void noise(void **state)
{
	static const uint8_t protos[] = { 0, 1, 6, 17, 43, 44, 58, 60, 136 };
	struct rng rng;

	rng_seed(&rng, 4);
	for (int n = 0; n < 60000; n++) {
		uint8_t body[300], p[400], *out;
		uint32_t len = rng_below(&rng, 300), out_len, head = n & 1 ? 40 : 20;
		uint8_t proto = protos[rng_below(&rng, ARRAY_SIZE(protos))];

		for (uint32_t i = 0; i < len; i++)
			body[i] = rng_below(&rng, 3) ? (uint8_t)rng_below(&rng, 8) : (uint8_t)rng_u32(&rng);
		if (len > 80)	/* something to quote, with extensions behind it */
			n & 1 ? make6(body + 8, protos[rng_below(&rng, 9)], body + 48, len - 48 > 100 ? 100 : len - 48) :
				make4(body + 8, protos[rng_below(&rng, 9)], body + 28, len - 28 > 100 ? 100 : len - 28);
		len = n & 1 ? make6(p, proto, body, len) : make4(p, proto, body, len);
		if (len >= head + 8 && proto == (n & 1 ? 58 : 1))
			put_sum(p, head, 2, len - head, proto);
		if (n & 2)
			len = rng_below(&rng, len + 1);
		if (n & 4 && len)
			p[rng_below(&rng, len)] ^= (uint8_t)rng_u32(&rng);
		if (translate(p, len, &out, &out_len, NULL) == XLAT_DONE) {
			bool is4 = out[0] >> 4 == 4;

			assert_int_equal(is4 ? get_be16(out + 2) : 40 + get_be16(out + 4), out_len);
			assert_int_not_equal(out[0] >> 4, p[0] >> 4);
		}
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_follow_the_tables),
		cmocka_unit_test(addresses_of_rfc6052),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(fragments_and_source_routes),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
