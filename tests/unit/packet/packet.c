/* Frames in, layers found, sums held: the edges where a hostile frame would have its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bare_instance.h"

static struct pkt *frame(struct bare *bare, const char *bytes, uint32_t len)
{
	return pkt_from_frame(&bare->inst, &bare->eth, bytes, len);
}

#define FRAME(bare, text) frame(bare, text, sizeof(text) - 1)

static void frames(void **state)
{
	struct bare *bare = bare_new();
	struct iface child = { .index = 3, .name = "eth0.5", .type = ARPHRD_ETHER, .mac = { 2, 0, 0, 0, 0, 9 },
			       .vlan_parent = &bare->eth, .vlan_id = 5 };
	struct pkt *pkt;

	list_append(&bare->inst.ifaces, &child.node);
	assert_null(FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x08"));
	pkt = FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0");
	assert_int_equal(pkt->len, 0);
	assert_int_equal(pkt->type, PACKET_HOST);
	assert_int_equal(pkt->protocol, ETH_P_IP);
	assert_int_equal(pkt_parse(pkt), -EINVAL);
	pkt_free(&bare->inst, pkt);
	/* tag 5 has a child whose address it is; tag 6 has none; tag 0 is a priority only */
	pkt = FRAME(bare, "\2\0\0\0\0\x9\2\0\0\0\0\2\x81\0\x20\5\x86\xdd" "abc");
	assert_ptr_equal(pkt->in, &child);
	assert_int_equal(pkt->type, PACKET_HOST);
	assert_int_equal(pkt->protocol, ETH_P_IPV6);
	assert_int_equal(pkt->vlan_tci, 0x2005);
	assert_int_equal(pkt->len, 3);
	assert_memory_equal(pkt->mac, "\2\0\0\0\0\x9\2\0\0\0\0\2\x86\xdd" "abc", 17);
	pkt_free(&bare->inst, pkt);
	pkt = FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\6\x08\0EE");
	assert_int_equal(pkt->type, PACKET_OTHERHOST);
	pkt_free(&bare->inst, pkt);
	pkt = FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\xe0\0\x08\0EE");
	assert_int_equal(pkt->type, PACKET_HOST);
	assert_ptr_equal(pkt->in, &bare->eth);
	pkt_free(&bare->inst, pkt);
	assert_null(FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\5\x08"));
	pkt = FRAME(bare, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\0\x10\xaa\xaa");
	assert_int_equal(pkt->type, PACKET_BROADCAST);
	assert_int_equal(pkt->protocol, ETH_P_802_2);
	pkt_free(&bare->inst, pkt);
	bare_free(bare);
}

/* A plain frame for the interface has a short way in: all it says is what the long way says of one for another's address. */
static void plain_frames_are_like_others(void **state)
{
	struct bare *bare = bare_new();
	struct rng rng;

	rng_seed(&rng, 11);
	for (uint32_t len = 0; len < 1700; len += len < 120 ? 1 : 1 + rng_below(&rng, 40)) {
		uint8_t bytes[1700], *buf;
		struct pkt *mine, *other;

		for (uint32_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)rng_u32(&rng);
		memcpy(bytes, bare->eth.mac, 6);
		put_be16(bytes + 12, rng_below(&rng, 2) ? ETH_P_IP : ETH_P_IPV6);
		mine = frame(bare, (char *)bytes, len);
		bytes[5] ^= 4;
		other = frame(bare, (char *)bytes, len);
		if (len < ETH_HLEN) {
			assert_null(mine);
			continue;
		}
		assert_int_equal(mine->type, PACKET_HOST);
		assert_int_equal(other->type, PACKET_OTHERHOST);
		assert_int_equal(mine->len, len - ETH_HLEN);
		assert_memory_equal(mine->data, bytes + ETH_HLEN, mine->len);
		assert_memory_equal(mine->mac, bare->eth.mac, 6);
		assert_memory_equal(mine->mac + 6, other->mac + 6, 8);
		assert_ptr_equal(mine->mac + ETH_HLEN, mine->data);
		assert_int_equal(mine->data - mine->buf, other->data - other->buf);
		assert_int_equal(mine->serial + 1, other->serial);
		other->type = PACKET_HOST;	/* the rest is the same to the byte, but where it lies */
		other->serial = mine->serial;
		other->data = mine->data;
		other->mac = mine->mac;
		assert_int_equal(mine->buf_len, other->buf_len);
		assert_ptr_not_equal(mine->buf, other->buf);
		buf = other->buf;
		other->buf = mine->buf;
		assert_memory_equal(mine, other, sizeof(*mine));
		other->buf = buf;
		pkt_free(&bare->inst, mine);
		pkt_free(&bare->inst, other);
	}
	bare_free(bare);
}

/* The sum of few bytes at once is that of all one after the other. */
static void few_bytes_have_the_same_sum(void **state)
{
	struct rng rng;

	rng_seed(&rng, 12);
	for (uint32_t len = 8; len < 100; len++) {
		for (int turn = 0; turn < 20; turn++) {
			const uint64_t begin = turn & 1 ? rng_u64(&rng) : UINT64_MAX;
			uint8_t bytes[100];

			for (uint32_t i = 0; i < len; i++)
				bytes[i] = turn & 2 ? 0xff : (uint8_t)rng_u32(&rng);
			assert_int_equal(csum_fold(csum_narrow(csum_few(bytes, len, begin))), csum_fold(csum_narrow(csum_wide(bytes, len, begin))));
		}
	}
}

/* As RFC 1071 has it: sixteen bits at a time, the last byte as if a zero followed. */
static uint16_t plain_sum(const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | (i + 1 < len ? bytes[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void sums_are_those_of_words(void **state)
{
	struct rng rng;

	rng_seed(&rng, 13);
	for (uint32_t len = 1; len < 300; len++) {
		for (int turn = 0; turn < 8; turn++) {
			uint8_t *bytes = malloc(len);	/* its own, so that a byte beside it would be found */

			assert_non_null(bytes);
			for (uint32_t i = 0; i < len; i++)
				bytes[i] = turn & 1 ? 0xff : (uint8_t)(1 + rng_below(&rng, 255));
			assert_int_equal(ntohs(csum_fold(csum_partial(bytes, len, 0))), plain_sum(bytes, len));
			assert_int_equal(ntohs(csum_fold(csum_narrow(csum_wide(bytes, len, 0)))), plain_sum(bytes, len));
			free(bytes);
		}
	}
}

static void growing_keeps_bytes(void **state)
{
	struct bare *bare = bare_new();
	struct pkt *pkt = FRAME(bare, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0payload"), *copy;

	for (uint32_t more = 1; more < 5000; more *= 3) {
		assert_int_equal(pkt_grow_head(pkt, more), 0);
		assert_true((uint32_t)(pkt->data - pkt->buf) >= more);
		assert_int_equal(pkt_grow_tail(pkt, more), 0);
		memset(pkt->data + pkt->len, 0x5a, more);
		assert_memory_equal(pkt->data, "payload", 7);
		assert_memory_equal(pkt->mac, "\2\0\0\0\0\1", 6);
	}
	copy = pkt_copy(&bare->inst, pkt);
	assert_ptr_not_equal(copy->mac, pkt->mac);
	assert_memory_equal(copy->mac, pkt->mac, 14);
	pkt_become(&bare->inst, pkt, copy);
	assert_memory_equal(pkt->data, "payload", 7);
	pkt_free(&bare->inst, pkt);
	bare_free(bare);
}

struct layers_case {
	const char *what;
	const char *tail;		/* from the first extension header on */
	uint32_t tail_len;
	uint8_t nexthdr;
	int err;
	struct pkt_layers l;
};

#define TAIL(text) text, sizeof(text) - 1
static const struct layers_case ip6_cases[] = {
	{ "plain", TAIL("12345678"), IPPROTO_UDP, 0, { 10, IPPROTO_UDP, true, false, 0, 40, 8 } },
	{ "hop-by-hop, destination", TAIL("\x3c\0\0\0\0\0\0\0\x6\0\0\0\0\0\0\0TCP"), 0, 0,
	  { 10, IPPROTO_TCP, true, false, 0, 56, 3 } },
	{ "AH counts in fours", TAIL("\x11\1\0\0\0\0\0\0\0\0\0\0UDP"), IPPROTO_AH, 0,
	  { 10, IPPROTO_UDP, true, false, 0, 52, 3 } },
	{ "ESP ends the chain", TAIL("secret"), IPPROTO_ESP, 0, { 10, IPPROTO_ESP, true, false, 0, 40, 6 } },
	{ "none ends it too", TAIL("rest"), IPPROTO_NONE, 0, { 10, IPPROTO_NONE, true, false, 0, 40, 4 } },
	{ "atomic fragment", TAIL("\x11\0\0\0\0\0\0\1UDP"), IPPROTO_FRAGMENT, 0,
	  { 10, IPPROTO_UDP, true, true, 0, 48, 3 } },
	{ "later fragment", TAIL("\x11\0\0\x09\0\0\0\1UDP"), IPPROTO_FRAGMENT, 0,
	  { 10, IPPROTO_UDP, false, true, 8, 48, 3 } },
	{ "later fragment, extension behind", TAIL("\x3c\0\0\x09\0\0\0\1xxxxxxxx"), IPPROTO_FRAGMENT, -EINVAL,
	  { 10, IPPROTO_FRAGMENT, false, true, 0, 40, 16 } },
	{ "fragment header cut", TAIL("\x11\0\0"), IPPROTO_FRAGMENT, -EINVAL,
	  { 10, IPPROTO_FRAGMENT, false, true, 0, 40, 3 } },
	{ "one byte of a header", TAIL("\x11"), 0, -EINVAL, { 10, IPPROTO_HOPOPTS, false, false, 0, 40, 1 } },
	{ "header reaches beyond the end", TAIL("\x11\xff\0\0"), 0, 0, { 10, IPPROTO_UDP, true, false, 0, 44, 0 } },
};

static void ip6_layers(void **state)
{
	struct bare *bare = bare_new();

	for (size_t i = 0; i < ARRAY_SIZE(ip6_cases); i++) {
		const struct layers_case *c = &ip6_cases[i];
		struct pkt *pkt = pkt_new(&bare->inst, 40 + c->tail_len);

		pkt->protocol = ETH_P_IPV6;
		pkt->data[0] = 0x60;
		pkt_ip6(pkt)->nexthdr = c->nexthdr;
		memcpy(pkt->data + 40, c->tail, c->tail_len);
		if (pkt_parse(pkt) != c->err || pkt->l.l4proto != c->l.l4proto || pkt->l.has_l4 != c->l.has_l4 ||
		    pkt->l.is_fragment != c->l.is_fragment || pkt->l.frag_off != c->l.frag_off ||
		    pkt->l.l4_off != c->l.l4_off || pkt->l.l4_len != c->l.l4_len)
			fail_msg("%s: proto %u l4 %d frag %d@%u off %u len %u", c->what, pkt->l.l4proto, pkt->l.has_l4,
				 pkt->l.is_fragment, pkt->l.frag_off, pkt->l.l4_off, pkt->l.l4_len);
		pkt_free(&bare->inst, pkt);
	}
	bare_free(bare);
}

static void checksums(void **state)
{
	struct bare *bare = bare_new();
	struct pkt *pkt = pkt_new(&bare->inst, 20 + 8 + 3);
	struct iphdr *ip = pkt_ip4(pkt);
	struct udphdr *udp = (struct udphdr *)(pkt->data + 20);
	be32 from, to = htonl(0xc0000201);
	be16 sum;

	pkt->protocol = ETH_P_IP;
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .protocol = IPPROTO_UDP, .ttl = 64, .tot_len = htons(31),
			      .saddr = htonl(0x0a000001), .daddr = htonl(0x0a000002) };
	csum_ip4_header(ip);
	assert_int_equal(csum_fold(csum_partial(ip, 20, 0)), 0);
	*udp = (struct udphdr){ .source = htons(53), .dest = htons(1024), .len = htons(11) };
	memcpy(udp + 1, "odd", 3);
	assert_int_equal(pkt_parse(pkt), 0);
	assert_true(pkt_l4_checksum_ok(pkt));			/* none: fine */
	assert_false(pkt_checksum_holds(pkt, IPPROTO_UDP));
	udp->check = csum_fold(csum_partial(udp, 11, csum_pseudo4(ip->saddr, ip->daddr, IPPROTO_UDP, 11)));
	assert_true(pkt_checksum_holds(pkt, IPPROTO_UDP));
	sum = udp->check;
	from = ip->saddr;
	csum_replace4(&udp->check, from, to);
	csum_replace4(&ip->check, from, to);
	ip->saddr = to;
	assert_true(pkt_l4_checksum_ok(pkt));
	assert_true(pkt->flags & PKT_FLAG_CSUM_TRUSTED);
	pkt->flags = 0;
	udp->check = sum;
	assert_false(pkt_l4_checksum_ok(pkt));
	/* an ICMP message of zeros only: the good IPv4 header counts as 0xffff */
	memset(udp, 0, 11);
	csum_replace2(&ip->check, htons(ip->ttl << 8 | ip->protocol), htons(ip->ttl << 8 | IPPROTO_ICMP));
	ip->protocol = IPPROTO_ICMP;
	pkt_parse(pkt);
	assert_true(pkt_l4_checksum_ok(pkt));
	pkt_free(&bare->inst, pkt);
	bare_free(bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(plain_frames_are_like_others),
		cmocka_unit_test(few_bytes_have_the_same_sum),
		cmocka_unit_test(sums_are_those_of_words),
		cmocka_unit_test(growing_keeps_bytes),
		cmocka_unit_test(ip6_layers),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
