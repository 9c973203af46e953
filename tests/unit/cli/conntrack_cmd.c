/* The conntrack command: what conntrack 1.4.7 said to the same lines on Linux 6.18. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cli/conntrack_cmd.h"

#define SAID "conntrack v1.4.7 (conntrack-tools): "
#define TRY "Try `conntrack -h' or 'conntrack --help' for more information.\n"
#define UDP "udp      17 50 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 "

static const struct { const char *line, *out, *err; int code; } cases[] = {
	{ "-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 50 -m 5", "", SAID "1 flow entries have been created.\n", 0 },
	{ "-I -s 10.0.0.1 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 50", "",
	  SAID "Operation failed: Such conntrack exists, try -U to update\n", 1 },
	{ "-L -m 5", UDP "mark=5 use=1\n", SAID "1 flow entries have been shown.\n", 0 },
	{ "-L -s 10.0.0.0/8 -o extended", "ipv4     2 " UDP "mark=5 use=1\n", SAID "1 flow entries have been shown.\n", 0 },
	{ "-L -d 10.0.0.3", "", SAID "0 flow entries have been shown.\n", 0 },
	{ "-U -m 6", "", "Operation failed: Operation not supported\n" SAID "Operation failed: Operation not supported\n", 1 },
	{ "-U -s 10.0.0.1 -m 0x10/0xf0", UDP "mark=21 use=2\n", SAID "1 flow entries have been updated.\n", 0 },
	{ "-U -s 10.0.0.1 -m 0x10/0xf0", "", SAID "0 flow entries have been updated.\n", 1 },
	{ "-U -f ipv4 -u EXPECTED", UDP "mark=21 use=2\n",
	  "Operation failed: Device or resource busy\n" SAID "1 flow entries have been updated.\n", 0 },
	{ "-I -s 10.0.0.3 -d 10.0.0.2 -p udp --sport 1 --dport 2 -t 50 -n 10.0.0.1", "",
	  SAID "1 flow entries have been created.\n", 0 },	/* its port had to change */
	{ "-L -n 10.0.0.1:1", "", SAID "0 flow entries have been shown.\n", 0 },
	{ "-D -p udp --reply-port-dst 1", UDP "mark=21 use=1\n", SAID "1 flow entries have been deleted.\n", 0 },
	{ "-F", "", SAID "connection tracking table has been emptied.\n", 0 },
	{ "-C", "0\n", "", 0 },
	{ "-D -w 3", "", SAID "0 flow entries have been deleted.\n", 1 },
	{ "-I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1 --dport 3 -t 100", "",
	  SAID "You need to supply the `--state' option for this command\n" TRY, 2 },
	{ "-I -s 10.0.0.1 -d fd00::1 -p udp -t 5", "", SAID "mismatched address family\n" TRY, 2 },
	{ "-I -s 10.0.0.1 -d 10.0.0.2 -p icmp --icmp-type 3 --icmp-code 0 -t 40", "",
	  SAID "Operation failed: invalid parameters\n", 1 },
	{ "-L --sport 5 -p udp", "", SAID "unknown option `--sport'\n" TRY, 2 },
	{ "-L -t 5", "", SAID "Illegal option `--timeout' with this command\n" TRY, 2 },
	{ "-L -s", "", SAID "option `-s' requires an argument\n" TRY, 2 },
	{ "-L -u ASSURED,", "", SAID "Bad parameter `'\n" TRY, 2 },
};

static void lines_as_upstream(void **state)
{
	struct instance *inst = instance_new(1, 0, NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf out = STRBUF_INIT, err = STRBUF_INIT;
		char text[256], *argv[32] = { "conntrack" }, *save = NULL;
		int argc = 1;

		snprintf(text, sizeof(text), "%s", cases[i].line);
		for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
			argv[argc++] = word;
		assert_int_equal(conntrack_command(inst, argc, argv, &out, &err), cases[i].code);
		assert_string_equal(sb_str(&err), cases[i].err);
		assert_string_equal(sb_str(&out), cases[i].out);
		sb_free(&out);
		sb_free(&err);
	}
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines_as_upstream) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
