/* Text in, text out, and packets through what lies between: rules without extensions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_fixture.h"

static const char plain_rules[] =
	"*filter\n"
	":INPUT ACCEPT [0:0]\n"
	":FORWARD DROP [3:4]\n"
	":OUTPUT ACCEPT [0:0]\n"
	":A - [0:0]\n"
	":B - [0:0]\n"
	"[1:2] -A FORWARD -s 10.0.0.0/8 ! -d 192.168.0.0/255.255.0.255 -i eth+ -p udp -j A\n"
	"[0:0] -A FORWARD ! -p tcp -f -g B\n"
	"[0:0] -A A -s 10.1.2.3/32 -j RETURN\n"
	"[7:9] -A A\n"
	"[0:0] -A A ! -i eth1 -o lo -j ACCEPT\n"
	"[0:0] -A B -p ipv6-icmp -j QUEUE\n"
	"COMMIT\n";

static void text_comes_back(void **state)
{
	struct instance *inst = fixture_new();
	struct strbuf out = STRBUF_INIT;

	restore_ok(inst, plain_rules, RESTORE_COUNTERS);
	rules_save(inst, NFPROTO_IPV4, true, -1, &out);
	assert_string_equal(sb_str(&out), plain_rules);
	sb_free(&out);
	fixture_free(inst);
}

static void packets_find_their_rule(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("10.1.2.3", "1.1.1.1");

	restore_ok(inst, plain_rules, 0);
	/* A returns it; nothing in FORWARD takes it */
	assert_int_equal(forward(inst, pkt), NF_DROP);
	assert_int_equal(pkt->drop_reason, DROP_POLICY);
	assert_string_equal(pkt->rule->chain, "FORWARD");
	assert_int_equal(pkt->rule->number, 0);
	pkt_ip4(pkt)->saddr = htonl(0x0a010204);
	assert_int_equal(forward(inst, pkt), NF_DROP);
	/* A's third rule wants another way in */
	fixture_in(inst, "eth0");
	fixture_out(inst, "lo");
	assert_int_equal(forward(inst, pkt), NF_ACCEPT);
	assert_string_equal(pkt->rule->chain, "A");
	assert_int_equal(pkt->rule->number, 3);
	assert_int_equal(pkt->rule->line, 11);
	assert_int_equal(rule_packets(inst, "FORWARD", 1), 3);
	assert_int_equal(rule_packets(inst, "A", 1), 1);
	assert_int_equal(rule_packets(inst, "A", 2), 2);
	assert_int_equal(rule_packets(inst, "FORWARD", 0), 2);
	free_packet(pkt);
	fixture_free(inst);
}

static void errors_point_at_the_word(void **state)
{
	static const struct {
		const char *text, *words;
		unsigned int line, column;
	} cases[] = {
		{ "*filter\n-A FORWARD -m connlimt -j DROP\nCOMMIT\n", "unknown match 'connlimt'", 2, 15 },
		{ "*filter\n-A FORWRD -j DROP\nCOMMIT\n", "unknown chain 'FORWRD': did you mean 'FORWARD'?", 2, 4 },
		{ "*filter\n-A FORWARD -j DORP\nCOMMIT\n", "unknown target or chain 'DORP': did you mean 'DROP'?", 2, 15 },
		{ "*filtr\n", "unknown table 'filtr': did you mean 'filter'?", 1, 2 },
		{ "*nat\r\nCOMMIT\n", "unknown table 'nat\\r'", 1, 2 },
		{ "*filter\nCOMMIT \n", "Bad argument `COMMIT'", 2, 1 },
		{ "*filter\nCOMMIT", "Bad argument `COMMIT'", 2, 1 },
		{ "*filter\n*nat\nCOMMIT\n", "Bad argument `*nat'", 2, 1 },
		{ "*filter\n-A FORWARD -j DROP\n", "COMMIT expected", 3, 1 },
		{ "*filter\n-A FORWARD -d ! 1.2.3.4 -j DROP\nCOMMIT\n", "Bad argument `1.2.3.4'", 2, 17 },
		{ "*filter\n-A FORWARD -s 1.2.3.4/33\nCOMMIT\n", "invalid mask `33' specified", 2, 15 },
		{ "*filter\n-A FORWARD -s example.org\nCOMMIT\n", "host/network `example.org' not found", 2, 15 },
		{ "*filter\n:A - [0:0]\n:A - [0:0]\nCOMMIT\n", "chain 'A' is declared twice", 3, 2 },
		{ "*filter\n:A - [0:0]\n-A A -j A\n-A FORWARD -j A\nCOMMIT\n", "loop", 5, 1 },
		{ "*nat\n-A PREROUTING -j DROP\nCOMMIT\n", "The \"nat\" table is not intended for filtering", 2, 18 },
		{ "*filter\n-A INPUT -o eth0\nCOMMIT\n", "Can't use -o with INPUT", 2, 4 },
	};
	struct instance *inst = fixture_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct refusal why;

		if (!rules_restore(inst, NFPROTO_IPV4, cases[i].text, strlen(cases[i].text), "f", 0, &why))
			fail_msg("accepted: %s", cases[i].text);
		if (!strstr(why.text, cases[i].words) || why.at.line != cases[i].line || why.at.column != cases[i].column)
			fail_msg("%s%u:%u %s", cases[i].text, why.at.line, why.at.column, why.text);
	}
	fixture_free(inst);
}

static void all_or_nothing(void **state)
{
	static const char text[] =
		"*raw\n-A PREROUTING -j DROP\nCOMMIT\n*filter\n-A FORWARD -j DROP\nCOMMIT\n*mangle\n-A FOO\nCOMMIT\n";
	struct instance *inst = fixture_new();
	struct strbuf out = STRBUF_INIT;
	struct refusal why;

	assert_int_equal(rules_restore(inst, NFPROTO_IPV4, text, sizeof(text) - 1, "f", RESTORE_ALL_OR_NOTHING, &why),
			 -ENOENT);
	rules_save(inst, NFPROTO_IPV4, false, -1, &out);
	assert_string_equal(sb_str(&out), "");
	assert_int_equal(rules_restore(inst, NFPROTO_IPV4, text, sizeof(text) - 1, "f", 0, &why), -ENOENT);
	rules_save(inst, NFPROTO_IPV4, false, -1, &out);
	assert_non_null(strstr(sb_str(&out), "-A FORWARD -j DROP"));
	sb_free(&out);
	fixture_free(inst);
}

static void commands_answer_as_upstream(void **state)
{
	static const struct {
		const char *line;
		int code;
		const char *says;	/* the refusal's beginning, or what is printed */
	} cases[] = {
		{ "iptables -N foo", 0, "" },
		{ "iptables -A foo -s 1.1.1.1,2.2.2.0/24 -j DROP", 0, "" },
		{ "iptables -I foo 2 -p tcp", 0, "" },
		{ "iptables -S foo", 0, "-N foo\n-A foo -s 1.1.1.1/32 -j DROP\n-A foo -p tcp\n-A foo -s 2.2.2.0/24 -j DROP\n" },
		{ "iptables -C foo -s 2.2.2.2/24 -j DROP", 0, "" },
		{ "iptables -C foo -s 2.2.2.2 -j DROP", 1, "Bad rule (does a matching rule exist in that chain?)." },
		{ "iptables -D foo -p 6", 0, "" },
		{ "iptables -D foo 9", 1, "Index of deletion too big." },
		{ "iptables -R foo 1 -j ACCEPT -c 5 6", 0, "" },
		{ "iptables -S foo 1 -v", 0, "-A foo -c 5 6 -j ACCEPT\n" },
		{ "iptables -Z foo 1", 0, "" },
		{ "iptables -S foo 1 -v", 0, "-A foo -c 0 0 -j ACCEPT\n" },
		{ "iptables -X foo", 1, "Directory not empty." },
		{ "iptables -A INPUT -g foo", 0, "" },
		{ "iptables -F foo", 0, "" },
		{ "iptables -X foo", 1, "Too many links." },
		{ "iptables -E foo bar", 0, "" },
		{ "iptables -S INPUT", 0, "-P INPUT ACCEPT\n-A INPUT -g bar\n" },
		{ "iptables -P INPUT DROP", 0, "" },
		{ "iptables -P INPUT NOPE", 1, "Bad policy name. Run `dmesg' for more information." },
		{ "iptables -P bar DROP", 1, "Bad built-in chain name." },
		{ "iptables -N -x", 2, "chain name not allowed to start with `-'" },
		{ "iptables -N bar", 1, "Chain already exists." },
		{ "iptables -A INPUT -j INPUT", 1, "Invalid argument. Run `dmesg' for more information." },
		{ "iptables -t foo -L", 3, "can't initialize iptables table `foo': Table does not exist" },
		{ "iptables -A INPUT -L", 2, "Cannot use -L with -A" },
		{ "iptables -S -n", 2, "Illegal option `-n' with this command" },
		{ "iptables -j DROP", 2, "no command specified" },
		{ "iptables -A INPUT --d 1", 2, "unknown option \"--d\"" },
		{ "iptables -w 5 -nvL bar", 0,
		  "Chain bar (1 references)\n"
		  " pkts bytes target     prot opt in     out     source               destination         \n" },
	};
	struct instance *inst = fixture_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf out = STRBUF_INIT;
		struct refusal why;
		int code = command(inst, cases[i].line, &out, &why);
		const char *said = code ? why.text : sb_str(&out);

		if (code != cases[i].code || (code ? strncmp(said, cases[i].says, strlen(cases[i].says))
						   : strcmp(said, cases[i].says)))
			fail_msg("%s: %d %s", cases[i].line, code, said);
		sb_free(&out);
	}
	fixture_free(inst);
}

static void counters_survive_a_reload(void **state)
{
	struct instance *inst = fixture_new();
	struct pkt *pkt = udp_packet("10.0.0.1", "10.0.0.2");
	struct strbuf out = STRBUF_INIT;
	struct refusal why;

	restore_ok(inst, "*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n", 0);
	forward(inst, pkt);
	assert_int_equal(command(inst, "iptables -I FORWARD -p tcp", &out, &why), 0);
	assert_int_equal(rule_packets(inst, "FORWARD", 2), 1);
	assert_int_equal(command(inst, "iptables -Z", &out, &why), 0);
	assert_int_equal(rule_packets(inst, "FORWARD", 2), 0);
	sb_free(&out);
	free_packet(pkt);
	fixture_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back),
		cmocka_unit_test(packets_find_their_rule),
		cmocka_unit_test(errors_point_at_the_word),
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(commands_answer_as_upstream),
		cmocka_unit_test(counters_survive_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
