/* Reassembly: what completes, what is ignored, what ends the datagram; limits, time, and who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bare_instance.h"
#include "packet/defrag.h"
#include "packet/drop.h"
#include "path/path.h"
#include "route/route.h"

static struct { int count; uint8_t type, code; uint32_t info, len; } icmp;
static uint8_t route_answer;

/* The path's and the route's parts, as far as timeouts ask them. */
void icmp_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info)
{
	icmp.count++;
	icmp.type = type;
	icmp.code = code;
	icmp.info = info;
	icmp.len = orig->len;
}

void icmp6_send(struct instance *inst, struct pkt *orig, uint8_t type, uint8_t code, uint32_t info)
{
	icmp_send(inst, orig, type, code, info);
}

enum drop_reason route_input(struct instance *inst, struct pkt *pkt)
{
	pkt->route.type = route_answer;
	return DROP_NONE;
}

enum { DF = 1, MF = 2, CE = 4, ECT = 8 };

struct piece { int from, to, flags; };

static struct pkt *piece4(struct bare *bare, struct piece p, uint16_t id)
{
	struct pkt *pkt = pkt_new(&bare->inst, 20 + (uint32_t)(p.to - p.from));
	struct iphdr *ip = pkt_ip4(pkt);

	pkt->protocol = ETH_P_IP;
	pkt->in = &bare->eth;
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .protocol = IPPROTO_UDP, .ttl = 64, .id = htons(id),
			      .tot_len = htons((uint16_t)pkt->len), .saddr = 1, .daddr = 2,
			      .tos = (p.flags & CE ? 3 : 0) | (p.flags & ECT ? 2 : 0),
			      .frag_off = htons((uint16_t)(p.from / 8 | (p.flags & DF ? IP4_DF : 0) |
							   (p.flags & MF ? IP4_MF : 0))) };
	for (int i = p.from; i < p.to; i++)
		pkt->data[20 + i - p.from] = (uint8_t)(i * 7 + i / 256);
	pkt_parse(pkt);
	return pkt;
}

static struct pkt *piece6(struct bare *bare, struct piece p, uint16_t id)
{
	struct pkt *pkt = pkt_new(&bare->inst, 48 + (uint32_t)(p.to - p.from));
	struct ipv6hdr *ip6 = pkt_ip6(pkt);

	pkt->protocol = ETH_P_IPV6;
	pkt->in = &bare->eth;
	pkt->data[0] = 0x60;
	pkt->data[1] = (uint8_t)((p.flags & CE ? 0x30 : 0) | (p.flags & ECT ? 0x20 : 0));
	ip6->nexthdr = IPPROTO_FRAGMENT;
	ip6->payload_len = htons((uint16_t)(pkt->len - 40));
	ip6->saddr.s6_addr[0] = ip6->daddr.s6_addr[0] = 0x20;
	pkt->data[40] = IPPROTO_UDP;
	put_be16(pkt->data + 42, (uint16_t)(p.from | (p.flags & MF ? IP6_MF : 0)));
	put_be16(pkt->data + 46, id);
	for (int i = p.from; i < p.to; i++)
		pkt->data[48 + i - p.from] = (uint8_t)(i * 7 + i / 256);
	pkt_parse(pkt);
	return pkt;
}

struct defrag_case {
	const char *what;
	struct piece piece[6];
	int answer[6];			/* of defrag_packet for IPv4; KEPT... */
	int answer6[6];
};

enum { KEPT = -EINPROGRESS, BAD = -EINVAL, DONE = 0 };

static const struct defrag_case cases[] = {
	{ "in order", { { 0, 16, MF }, { 16, 24, MF }, { 24, 29, 0 } }, { KEPT, KEPT, DONE }, { KEPT, KEPT, DONE } },
	{ "backwards", { { 24, 29, 0 }, { 16, 24, MF }, { 0, 16, MF } }, { KEPT, KEPT, DONE }, { KEPT, KEPT, DONE } },
	{ "repetition is ignored", { { 0, 16, MF }, { 0, 16, MF }, { 8, 16, MF }, { 16, 20, 0 } },
	  { KEPT, BAD, BAD, DONE }, { KEPT, KEPT, KEPT, DONE } },
	{ "overlap ends it", { { 0, 16, MF }, { 8, 24, MF }, { 0, 16, MF }, { 16, 20, 0 } },
	  { KEPT, BAD, KEPT, DONE }, { KEPT, BAD, KEPT, DONE } },
	/* two runs that touch are two runs: what spans both overlaps */
	{ "spans two runs", { { 16, 24, MF }, { 8, 16, MF }, { 8, 24, MF }, { 0, 8, MF } },
	  { KEPT, KEPT, BAD, KEPT }, { KEPT, KEPT, BAD, KEPT } },
	{ "inside one run", { { 8, 16, MF }, { 16, 24, MF }, { 8, 24, MF }, { 24, 28, 0 }, { 0, 8, MF } },
	  { KEPT, KEPT, BAD, KEPT, DONE }, { KEPT, KEPT, KEPT, KEPT, DONE } },
	/* IPv4 gives up when the end moves, IPv6 conntrack refuses the piece only */
	{ "second end", { { 0, 16, MF }, { 24, 28, 0 }, { 16, 20, 0 }, { 16, 24, MF } }, { KEPT, KEPT, BAD, KEPT },
	  { KEPT, KEPT, BAD, DONE } },
	{ "beyond the end", { { 16, 20, 0 }, { 24, 32, MF }, { 0, 16, MF } }, { KEPT, BAD, KEPT }, { KEPT, BAD, DONE } },
	{ "empty", { { 0, 16, MF }, { 16, 16, MF }, { 16, 20, 0 } }, { KEPT, BAD, KEPT }, { KEPT, BAD, DONE } },
	{ "ECN disagrees", { { 0, 16, MF | CE }, { 16, 20, 0 } }, { KEPT, BAD }, { KEPT, BAD } },
	{ "congestion is kept", { { 0, 16, MF | ECT }, { 16, 20, CE } }, { KEPT, DONE }, { KEPT, DONE } },
};

static void check_whole(const struct defrag_case *c, struct pkt *pkt, uint8_t family)
{
	uint32_t header = family == NFPROTO_IPV4 ? 20 : 40, sum = 0;

	for (uint32_t i = 0; i < pkt->len - header; i++)
		if (pkt->data[header + i] != (uint8_t)(i * 7 + i / 256))
			fail_msg("%s: byte %u", c->what, i);
	for (unsigned int i = 0; i < pkt->piece_count; i++)
		sum += pkt->piece_len[i];
	assert_int_equal(sum, pkt->len - header);
	assert_true(pkt->flags & PKT_FLAG_REASSEMBLED);
	assert_false(pkt->l.is_fragment);
	assert_int_equal(pkt->l.l4proto, IPPROTO_UDP);
	if (family == NFPROTO_IPV4) {
		assert_int_equal(ntohs(pkt_ip4(pkt)->tot_len), pkt->len);
		assert_int_equal(csum_fold(csum_partial(pkt->data, 20, 0)), 0);
	} else {
		assert_int_equal(ntohs(pkt_ip6(pkt)->payload_len), pkt->len - 40);
		assert_int_equal(pkt_ip6(pkt)->nexthdr, IPPROTO_UDP);
	}
	if (strcmp(c->what, "congestion is kept") == 0)
		assert_int_equal(family == NFPROTO_IPV4 ? pkt_ip4(pkt)->tos & 3 : pkt->data[1] >> 4 & 3, 3);
}

static void run_cases(uint8_t family)
{
	struct bare *bare = bare_new();

	bare->inst.defrag = defrag_new(&bare->inst);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int j = 0; j < 6 && cases[i].piece[j].to; j++) {
			struct pkt *pkt = (family == NFPROTO_IPV4 ? piece4 : piece6)(bare, cases[i].piece[j], (uint16_t)i);
			int want = (family == NFPROTO_IPV4 ? cases[i].answer : cases[i].answer6)[j];
			int got = defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);

			/* a datagram that fails as a whole counts as kept in IPv6: both are stolen */
			if (got != want)
				fail_msg("%s: piece %d says %d", cases[i].what, j, got);
			if (got == 0) {
				check_whole(&cases[i], pkt, family);
				pkt_free(&bare->inst, pkt);
			}
		}
	}
	defrag_free(&bare->inst, bare->inst.defrag);
	bare_free(bare);
}

static void ip4_cases(void **state) { run_cases(NFPROTO_IPV4); }
static void ip6_cases(void **state) { run_cases(NFPROTO_IPV6); }

static void df_and_sizes(void **state)
{
	struct bare *bare = bare_new();
	struct pkt *pkt;

	bare->inst.defrag = defrag_new(&bare->inst);
	pkt = piece4(bare, (struct piece){ 0, 64, MF | DF }, 1);
	defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	pkt = piece4(bare, (struct piece){ 64, 70, DF }, 1);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), 0);
	assert_int_equal(pkt->frag_max_size, 84);
	assert_true(pkt->flags & PKT_FLAG_FRAG_PMTU);
	assert_int_equal(pkt_ip4(pkt)->frag_off, htons(IP4_DF));
	pkt_free(&bare->inst, pkt);
	/* DF only on the smaller piece: it does not count. MF with an odd length is cut to a multiple of 8. */
	pkt = piece4(bare, (struct piece){ 0, 69, MF }, 2);
	defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	pkt = piece4(bare, (struct piece){ 64, 70, DF }, 2);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), 0);
	assert_int_equal(pkt->frag_max_size, 84);
	assert_false(pkt->flags & PKT_FLAG_FRAG_PMTU);
	assert_int_equal(pkt_ip4(pkt)->frag_off, 0);
	pkt_free(&bare->inst, pkt);
	/* an atomic fragment loses its header */
	pkt = piece6(bare, (struct piece){ 0, 13, 0 }, 3);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), 0);
	assert_int_equal(pkt->len, 53);
	assert_int_equal(pkt->frag_max_size, 61);
	assert_null(pkt->piece_len);
	pkt_free(&bare->inst, pkt);
	/* not a multiple of 8: passes as it is, and the queue is gone */
	pkt = piece6(bare, (struct piece){ 0, 13, MF }, 4);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), 0);
	assert_true(pkt->l.is_fragment);
	assert_int_equal(defrag6_host(&bare->inst, &pkt, 40, 6), -EINVAL);
	assert_int_equal(icmp.type, ICMPV6_PARAMPROB);
	assert_int_equal(icmp.info, 4);
	/* too long in the end: 65528 + 20 */
	for (int from = 0; from <= 65512; from += 1024) {
		struct piece p = { from, from + 1024, MF };

		if (from + 1024 > 65512)
			p = (struct piece){ from, 65516, 0 };
		pkt = piece4(bare, p, 5);
		assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN),
				 p.flags ? -EINPROGRESS : -E2BIG);
	}
	defrag_free(&bare->inst, bare->inst.defrag);
	bare_free(bare);
}

static void time_and_memory(void **state)
{
	struct bare *bare = bare_new();
	struct pkt *pkt;

	bare->inst.defrag = defrag_new(&bare->inst);
	memset(&icmp, 0, sizeof(icmp));
	for (int user = DEFRAG_LOCAL_DELIVER; user <= DEFRAG_CONNTRACK_IN; user++) {
		for (int local = 0; local < 2; local++) {
			route_answer = local ? RTN_LOCAL : RTN_UNICAST;
			icmp.count = 0;
			pkt = piece4(bare, (struct piece){ 0, 69, MF }, 1);
			defrag_packet(&bare->inst, &pkt, (uint32_t)user);
			instance_advance(&bare->inst, bare->inst.now_ns + 29ll * NSEC_PER_SEC);
			assert_int_equal(icmp.count, 0);
			instance_advance(&bare->inst, bare->inst.now_ns + 1ll * NSEC_PER_SEC);
			assert_int_equal(icmp.count, user == DEFRAG_LOCAL_DELIVER || local);
		}
	}
	assert_int_equal(icmp.len, 84);
	icmp.count = 0;
	pkt = piece6(bare, (struct piece){ 0, 64, MF }, 1);
	defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	pkt = piece6(bare, (struct piece){ 8, 64, MF }, 2);		/* no first piece: nobody is told */
	defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	bare->drops = 0;
	instance_advance(&bare->inst, bare->inst.now_ns + 60ll * NSEC_PER_SEC);
	assert_int_equal(icmp.count, 1);
	assert_int_equal(icmp.type, ICMPV6_TIME_EXCEED);
	assert_int_equal(bare->drops, 2);
	/* 64 others of the same source in between: a new datagram with a reused id */
	pkt = piece4(bare, (struct piece){ 0, 64, MF }, 100);
	defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	for (int i = 0; i < 64; i++) {
		pkt = piece4(bare, (struct piece){ 0, 64, MF }, (uint16_t)(200 + i));
		defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN);
	}
	pkt = piece4(bare, (struct piece){ 64, 70, 0 }, 100);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), -EINPROGRESS);
	/* at the limit nothing more is taken in */
	assert_int_equal(sysctl_set(bare->inst.sysctls, "net.ipv4.ipfrag_high_thresh", "1000", NULL), -EINVAL);
	assert_int_equal(sysctl_set(bare->inst.sysctls, "net.ipv4.ipfrag_low_thresh", "1000", NULL), 0);
	assert_int_equal(sysctl_set(bare->inst.sysctls, "net.ipv4.ipfrag_high_thresh", "1000", NULL), 0);
	pkt = piece4(bare, (struct piece){ 0, 64, MF }, 300);
	assert_int_equal(defrag_packet(&bare->inst, &pkt, DEFRAG_CONNTRACK_IN), -ENOMEM);
	defrag_free(&bare->inst, bare->inst.defrag);
	bare_free(bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip4_cases),
		cmocka_unit_test(ip6_cases),
		cmocka_unit_test(df_and_sizes),
		cmocka_unit_test(time_and_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
