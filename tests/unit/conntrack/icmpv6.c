/* ICMPv6: questions and answers by id; neighbour discovery is never tracked; what nothing answers to is INVALID. */
#include "drive.h"

static int icmp6(struct drive *d, int dir, uint8_t type, uint8_t code, uint16_t id)
{
	struct pkt *pkt = pkt_new(d->inst, sizeof(struct ipv6hdr) + 8);
	struct ipv6hdr *ip = pkt_ip6(pkt);
	uint8_t *at = pkt->data + sizeof(*ip);
	be16 sum;

	*ip = (struct ipv6hdr){ .version = 6, .nexthdr = IPPROTO_ICMPV6, .hop_limit = 255, .payload_len = htons(8) };
	inet_pton(AF_INET6, dir ? "fd00:1::2" : "fd00::2", &ip->saddr);
	inet_pton(AF_INET6, dir ? "fd00::2" : "fd00:1::2", &ip->daddr);
	memset(at, 0, 8);
	at[0] = type;
	at[1] = code;
	put_be16(at + 4, id);
	sum = csum_fold(csum_partial(at, 8, csum_pseudo6(&ip->saddr, &ip->daddr, IPPROTO_ICMPV6, 8)));
	memcpy(at + 2, &sum, sizeof(sum));
	pkt->protocol = ETH_P_IPV6;
	pkt->in = d->in;
	pkt->l.family = NFPROTO_IPV6;
	assert_int_equal(pkt_parse(pkt), 0);
	return drive_pkt(d, pkt);
}

static void echo(void **state)
{
	struct drive *d = *state;

	assert_int_equal(icmp6(d, 0, 128, 0, 7), IP_CT_NEW);
	assert_int_equal(icmp6(d, 1, 129, 0, 8), CTSTATE_INVALID);
	assert_int_equal(icmp6(d, 1, 129, 0, 7), IP_CT_ESTABLISHED_REPLY);
	assert_int_equal(ct_count(d->inst), 1);
	assert_int_equal(ct_expires_sec(d->inst, drive_ct(d)), 30);
}

static void not_tracked(void **state)
{
	struct drive *d = *state;

	for (uint8_t type = 133; type <= 136; type++)
		assert_int_equal(icmp6(d, 0, type, 0, 0), IP_CT_UNTRACKED);
	assert_int_equal(icmp6(d, 0, 129, 0, 7), CTSTATE_INVALID);
	assert_int_equal(icmp6(d, 0, 200, 0, 7), CTSTATE_INVALID);
	assert_int_equal(ct_count(d->inst), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(echo, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(not_tracked, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
