/* The walker's corners: later fragments, broken IPv6 header chains, wildcards, jumps. Bug class 14. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

static void restore6_ok(struct instance *inst, const char *text)
{
	struct refusal why;

	if (rules_restore(inst, NFPROTO_IPV6, text, strlen(text), "test", 0, &why))
		fail_msg("%u:%u %s", why.at.line, why.at.column, why.text);
}

static unsigned int forward6(struct instance *inst, struct pkt *pkt)
{
	return walk_hook(inst, pkt, NFPROTO_IPV6, "filter", NF_INET_FORWARD);
}

/* An IPv6 header and @len bytes of @rest behind it. */
static struct pkt *packet6(uint8_t nexthdr, const void *rest, uint32_t len)
{
	uint8_t bytes[512] = { 0x60, [6] = nexthdr, [7] = 64 };
	struct pkt *pkt;

	memcpy(bytes + 40, rest, len);
	pkt = raw_packet(bytes, 40 + len, NFPROTO_IPV6);
	return pkt;
}

static void header_chains_end_as_in_the_kernel(void **state)
{
	static const struct {
		uint8_t nexthdr;
		uint8_t rest[32];
		uint32_t len;
		unsigned int verdict;
		int reason;
	} cases[] = {
		{ 6, { 0 }, 20, NF_ACCEPT, DROP_NONE },
		{ 6, { 0 }, 0, NF_ACCEPT, DROP_NONE },				/* nothing behind: still TCP */
		{ 17, { 0 }, 8, NF_DROP, DROP_POLICY },
		{ 0, { 6, 0 }, 8, NF_ACCEPT, DROP_NONE },			/* hop-by-hop, then TCP */
		{ 0, { 6, 0 }, 7, NF_ACCEPT, DROP_NONE },			/* longer than the packet: only its first bytes count */
		{ 0, { 6, 0 }, 1, NF_DROP, DROP_HOTDROP },
		{ 0, { 60, 0, [8] = 6, 0 }, 16, NF_ACCEPT, DROP_NONE },
		{ 0, { 60, 0, [8] = 6, 1 }, 16, NF_ACCEPT, DROP_NONE },
		{ 43, { 6, 0 }, 3, NF_DROP, DROP_HOTDROP },
		{ 44, { 6, 0, 0, 1 }, 8, NF_ACCEPT, DROP_NONE },		/* first fragment */
		{ 44, { 6, 0, 0, 8 }, 8, NF_ACCEPT, DROP_NONE },		/* later fragment: -p sees its protocol */
		{ 44, { 60, 0, 0, 8 }, 16, NF_DROP, DROP_HOTDROP },		/* later, in the midst of headers */
		{ 44, { 6, 0, 0 }, 3, NF_DROP, DROP_HOTDROP },
		{ 51, { 6, 1 }, 12, NF_ACCEPT, DROP_NONE },			/* AH counts in fours */
		{ 51, { 6, 1 }, 11, NF_ACCEPT, DROP_NONE },
		{ 51, { 6, 1 }, 1, NF_DROP, DROP_HOTDROP },
		{ 59, { 0 }, 4, NF_DROP, DROP_POLICY },
		{ 50, { 6, 0 }, 8, NF_DROP, DROP_POLICY },			/* ESP hides the rest */
	};
	struct instance *inst = fixture_new();

	restore6_ok(inst, "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp -j ACCEPT\nCOMMIT\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pkt *pkt = packet6(cases[i].nexthdr, cases[i].rest, cases[i].len);
		unsigned int verdict = forward6(inst, pkt);

		if (verdict != cases[i].verdict || pkt->drop_reason != cases[i].reason)
			fail_msg("case %zu: verdict %u, reason %u", i, verdict, pkt->drop_reason);
		free_packet(pkt);
	}
	fixture_free(inst);
}

/* Rules without -p never look at the header chain: a broken packet passes them. */
static void broken_chains_pass_rules_without_protocol(void **state)
{
	static const uint8_t cut[] = { 6 };
	struct instance *inst = fixture_new();
	struct pkt *pkt = packet6(0, cut, 1);

	restore6_ok(inst, "*filter\n-A FORWARD -s ::/0 -j ACCEPT\n-A FORWARD -p tcp -j DROP\nCOMMIT\n");
	assert_int_equal(forward6(inst, pkt), NF_ACCEPT);
	free_packet(pkt);
	fixture_free(inst);
}

/* Ports of a later fragment are payload: no rule on them matches, -f does. */
static void later_fragments_have_no_ports(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("1.1.1.1", "2.2.2.2");

	restore_ok(inst,
		   "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p udp -m udp --dport 0:65534 -j ACCEPT\n"
		   "-A FORWARD -f -j ACCEPT\nCOMMIT\n", 0);
	pkt_ip4(pkt)->frag_off = htons(IP4_MF);
	assert_int_equal(forward(inst, pkt), NF_ACCEPT);
	assert_int_equal(pkt->rule->number, 1);
	pkt_ip4(pkt)->frag_off = htons(IP4_MF | 5);
	assert_int_equal(forward(inst, pkt), NF_ACCEPT);
	assert_int_equal(pkt->rule->number, 2);
	free_packet(pkt);
	fixture_free(inst);
}

static void ports_cut_off_drop_the_packet(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("1.1.1.1", "2.2.2.2");

	restore_ok(inst, "*filter\n-A FORWARD -p udp -m udp --dport 7 -j ACCEPT\nCOMMIT\n", 0);
	pkt->len = 23;
	assert_int_equal(forward(inst, pkt), NF_DROP);
	assert_int_equal(pkt->drop_reason, DROP_HOTDROP);
	assert_int_equal(pkt->rule->number, 1);
	assert_int_equal(rule_packets(inst, "FORWARD", 1), 0);
	free_packet(pkt);
	fixture_free(inst);
}

static void interfaces_by_name_and_beginning(void **state)
{
	static const struct {
		const char *rule, *in;
		bool matches;
	} cases[] = {
		{ "-i eth1", "eth1", true }, { "-i eth1", "eth10", false }, { "-i eth1", "eth", false },
		{ "-i eth+", "eth1", true }, { "-i eth+", "eth", true }, { "-i eth+", "et", false },
		{ "! -i eth+", "eth1", false }, { "! -i eth+", "wan", true }, { "-i +", "x", true },
		{ "! -i +", "x", false },
		{ "-i abcdefghijklmno", "abcdefghijklmno", true }, { "-i abcdefghijklmno", "abcdefghijklmn", false },
	};
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("1.1.1.1", "2.2.2.2");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128];

		snprintf(text, sizeof(text), "*filter\n:FORWARD DROP [0:0]\n-A FORWARD %s -j ACCEPT\nCOMMIT\n", cases[i].rule);
		restore_ok(inst, text, 0);
		fixture_in(inst, cases[i].in);
		if ((forward(inst, pkt) == NF_ACCEPT) != cases[i].matches)
			fail_msg("%s with %s", cases[i].rule, cases[i].in);
	}
	free_packet(pkt);
	fixture_free(inst);
}

/* A goto forgets where it came from; RETURN then ends the outer chain's caller, or the hook. */
static void goto_and_return(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("1.1.1.1", "2.2.2.2");

	restore_ok(inst,
		   "*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n:C - [0:0]\n"
		   "-A FORWARD -j A\n-A FORWARD -j C\n-A FORWARD -j DROP\n"
		   "-A A -g B\n-A A -j DROP\n"
		   "-A B\n"
		   "-A C -g B\n"
		   "COMMIT\n", 0);
	assert_int_equal(forward(inst, pkt), NF_DROP);
	assert_int_equal(pkt->rule->number, 3);
	assert_int_equal(rule_packets(inst, "B", 1), 2);
	assert_int_equal(rule_packets(inst, "A", 2), 0);
	restore_ok(inst, "*filter\n:FORWARD DROP [0:0]\n:A - [0:0]\n-A FORWARD -g A\n-A FORWARD -j ACCEPT\n-A A -j RETURN\nCOMMIT\n", 0);
	assert_int_equal(forward(inst, pkt), NF_DROP);
	assert_int_equal(pkt->drop_reason, DROP_POLICY);
	free_packet(pkt);
	fixture_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_chains_end_as_in_the_kernel),
		cmocka_unit_test(broken_chains_pass_rules_without_protocol),
		cmocka_unit_test(later_fragments_have_no_ports),
		cmocka_unit_test(ports_cut_off_drop_the_packet),
		cmocka_unit_test(interfaces_by_name_and_beginning),
		cmocka_unit_test(goto_and_return),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
