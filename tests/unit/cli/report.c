/* Times, near words, carets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"

static void times(void **state)
{
	char text[TIME_TEXT_MAX];
	int64_t ns;

	assert_true(time_parse("1700000000.5", &ns) && ns == 1700000000500000000ll);
	assert_true(time_parse("0.000000001", &ns) && ns == 1);
	assert_string_equal(time_text(1700000000000000001ll, text), "1700000000.000000001");
	assert_false(time_parse("1.0000000001", &ns));
	assert_false(time_parse("", &ns));
	assert_false(time_parse("-1", &ns));
	assert_false(time_parse("1.", &ns));
	assert_false(time_parse("99999999999999999999", &ns));
	assert_string_equal(count_text(31204118, text), "31,204,118");
	assert_string_equal(count_text(7, text), "7");
}

static void near_words(void **state)
{
	static const char *const known[] = { "iptables", "ip", "conntrack", "sysctl", NULL };

	assert_string_equal(did_you_mean("iptabels", known), "iptables");
	assert_string_equal(did_you_mean("sysclt", known), "sysctl");
	assert_null(did_you_mean("frobnicate", known));
}

static void a_caret_stands_under_the_word(void **state)
{
	char path[] = "/tmp/weir-test-XXXXXX";
	static const char text[] = "one\n\ttwo three\n";
	struct refusal why = { 0 };
	struct strbuf out = STRBUF_INIT;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	refuse_at(&why, (struct text_pos){ path, 2, 6, 5 }, -EINVAL, "wrong");
	refusal_print(&out, "weir", &why);
	assert_non_null(strstr(sb_str(&out), ":2:6: error: wrong\n    2 | \ttwo three\n      | \t    ^~~~~\n"));
	sb_free(&out);
	unlink(path);
}

static void scripts(void **state)
{
	static const struct { const char *text; unsigned int line, column; const char *says; } bad[] = {
		{ "1700000000 iptabels -L\n", 1, 12, "did you mean \"iptables\"" },
		{ "# x\n\nsoon iptables -L\n", 3, 1, "time" },
		{ "5.1\n", 1, 4, "missing" },
		{ "5.1 snapshot\n", 1, 13, "directory" },
		{ "5 iptables -A \"X\n", 1, 15, "quote" },
	};
	static const char good[] = "2 iptables -A INPUT -j DROP\n1.5 sysctl -w net.ipv4.ip_forward=1 # on\n";
	struct script *script;
	struct refusal why = { 0 };

	assert_int_equal(script_parse(good, sizeof(good) - 1, "s", &script, &why), 0);
	script_free(script);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_not_equal(script_parse(bad[i].text, strlen(bad[i].text), "s", &script, &why), 0);
		if (why.at.line != bad[i].line || why.at.column != bad[i].column || !strstr(why.text, bad[i].says))
			fail_msg("%s-> %u:%u %s", bad[i].text, why.at.line, why.at.column, why.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(near_words),
		cmocka_unit_test(a_caret_stands_under_the_word),
		cmocka_unit_test(scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
