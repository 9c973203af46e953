/*
 * tests/unit/ext/hostless.c - extensions that this machine's kernel cannot load, and those whose objects weir does not have yet:
 * what their text becomes and back, what is refused, what LED shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/procfs.h"
#include "path/path.h"
#include "table/table.h"

struct line {
	int family;
	const char *rule, *saved;	/* saved NULL: as written */
};

static int restore(struct instance *inst, int family, const char *table, const char *rule, struct refusal *why)
{
	char text[1024];

	snprintf(text, sizeof(text), "*%s\n%s\nCOMMIT\n", table, rule);
	return rules_restore(inst, family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6, text, strlen(text), "rules", 0, why);
}

static void check_lines(const struct line *lines, size_t count, bool trusts)
{
	for (size_t i = 0; i < count; i++) {
		struct refusal why = { 0 };
		struct strbuf out = STRBUF_INIT;
		struct instance *inst = instance_new(1, 0, &why);
		char want[512];

		assert_non_null(inst);
		inst->trusts_sets = trusts;
		if (restore(inst, lines[i].family, "mangle", lines[i].rule, &why))
			fail_msg("%s: %s", lines[i].rule, why.text);
		rules_save(inst, lines[i].family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6, false, -1, &out);
		snprintf(want, sizeof(want), "%s\n", lines[i].saved ? lines[i].saved : lines[i].rule);
		if (!strstr(sb_str(&out), want))
			fail_msg("%s\nsaved as:\n%s", lines[i].rule, sb_str(&out));
		sb_free(&out);
		instance_free(inst);
	}
}

static void check_refusals(const struct line *lines, size_t count, bool trusts)
{
	for (size_t i = 0; i < count; i++) {
		struct refusal why = { 0 };
		struct instance *inst = instance_new(1, 0, &why);

		assert_non_null(inst);
		inst->trusts_sets = trusts;
		if (!restore(inst, lines[i].family, "mangle", lines[i].rule, &why))
			fail_msg("%s is not refused", lines[i].rule);
		if (!strstr(why.text, lines[i].saved))
			fail_msg("%s: %s", lines[i].rule, why.text);
		instance_free(inst);
	}
}

static void text_round_trips(void **state)
{
	static const struct line lines[] = {
		{ 4, "-A FORWARD -m ipvs --ipvs" }, { 6, "-A FORWARD -m ipvs ! --ipvs" },
		{ 4, "-A FORWARD -m ipvs --vproto tcp --vaddr 10.0.0.0/8 --vport 80", "-A FORWARD -m ipvs --vproto 6 --vaddr 10.0.0.0/8 --vport 80" },
		{ 6, "-A FORWARD -m ipvs ! --vproto 17 ! --vaddr fd00::/64 ! --vport 53 --vdir REPLY ! --vmethod MASQ --vportctl 21" },
		{ 4, "-A FORWARD -m ipvs --vdir original --vmethod gate", "-A FORWARD -m ipvs --vdir ORIGINAL --vmethod GATE" },
		{ 6, "-A FORWARD -j LED --led-trigger-id foo --led-delay 42 --led-always-blink",
		  "-A FORWARD -j LED --led-trigger-id \"foo\" --led-delay 42 --led-always-blink" },
		{ 4, "-A FORWARD -j LED --led-trigger-id foo --led-delay inf", "-A FORWARD -j LED --led-trigger-id \"foo\" --led-delay inf" },
	};
	static const struct line bad[] = {
		{ 4, "-A FORWARD -m ipvs", "at least one" }, { 4, "-A FORWARD -m ipvs ! --ipvs --vport 5", "together" },
		{ 4, "-A FORWARD -m ipvs --vdir both", "ORIGINAL" }, { 4, "-A FORWARD -j LED", "led-trigger-id" },
		{ 4, "-A FORWARD -j LED --led-trigger-id 12345678901234567", "16 bytes" },
		{ 4, "-A FORWARD -j LED --led-trigger-id a --led-delay x", "milliseconds" },
		{ 4, "-A FORWARD -j ULOG --ulog-prefix x --ulog-nlgroup 5 --ulog-cprange 9 --ulog-qthreshold 7", "NFLOG" },
		{ 4, "-A FORWARD -j ULOG --ulog-nlgroup 33", "1 to 32" }, { 6, "-A FORWARD -j ULOG", "ULOG" },
		{ 4, "-A FORWARD -j ULOG --ulog-qthreshold 51", "1 to 50" },
	};

	check_lines(lines, ARRAY_SIZE(lines), false);
	check_refusals(bad, ARRAY_SIZE(bad), false);
}

static void sets_are_names_only(void **state)
{
	static const struct line lines[] = {
		{ 4, "-A FORWARD -m set --match-set foo src,dst" }, { 6, "-A FORWARD -m set ! --match-set foo dst --return-nomatch" },
		{ 4, "-A FORWARD -m set --match-set a src,src,dst,src,dst,dst ! --update-counters ! --update-subcounters --packets-lt 5 --bytes-gt 7" },
		{ 4, "-A FORWARD -m set --match-set a srcx ! --packets-eq 5 --bytes-eq 0x10", "-A FORWARD -m set --match-set a src ! --packets-eq 5 --bytes-eq 16" },
		{ 4, "-A FORWARD -m set --match-set a src -m set --match-set b dst -m set ! --match-set a dst -j SET --del-set b src" },
		{ 6, "-A FORWARD -j SET --add-set foo src,dst --exist --timeout 60 --del-set bar dst" },
		{ 4, "-A FORWARD -j SET --map-set foo src --map-mark --map-prio --map-queue" },
	};
	static const struct line bad[] = {
		{ 4, "-A FORWARD -m set", "--match-set" }, { 4, "-A FORWARD -m set --match-set foo", "two args" },
		{ 4, "-A FORWARD -m set --match-set foo both", "src and dst" },
		{ 4, "-A FORWARD -m set --match-set a src --packets-eq 1 --packets-lt 5", "only one" },
		{ 4, "-A FORWARD -m set --match-set a src,src,src,src,src,src,src", "6" },
		{ 4, "-A FORWARD -m set --match-set aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa src", "too long" },
		{ 4, "-A FORWARD -j SET", "--add-set" }, { 4, "-A FORWARD -j SET --del-set a src --exist", "--add-set only" },
		{ 4, "-A FORWARD -j SET --map-set a src", "--map-mark" }, { 4, "-A PREROUTING -j SET --map-set a src --map-prio", "FORWARD" },
	};
	static const struct line absent[] = {
		{ 4, "-A FORWARD -m set --match-set foo src", "Set foo doesn't exist" },
		{ 6, "-A FORWARD -j SET --add-set foo src", "Set foo doesn't exist" },
	};

	check_lines(lines, ARRAY_SIZE(lines), true);
	check_refusals(bad, ARRAY_SIZE(bad), true);
	check_refusals(absent, ARRAY_SIZE(absent), false);
}

static void expect_file(struct instance *inst, const char *path, const char *want)
{
	struct strbuf out = STRBUF_INIT;

	assert_int_equal(proc_read(inst->files, path, &out, NULL), 0);
	assert_string_equal(sb_str(&out), want);
	sb_free(&out);
}

static void packets_light_lamps(void **state)
{
	struct refusal why = { 0 };
	struct instance *inst = instance_new(1, 1000000000, &why);
	static const uint8_t udp[] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 0, 1, 0, 2, 0, 8, 0, 0 };
	static const char bright[] = "/sys/class/leds/netfilter-a/brightness", blinks[] = "/sys/class/leds/netfilter-a/blinks";

	assert_int_equal(restore(inst, 4, "mangle", "-A OUTPUT -j LED --led-trigger-id a --led-delay 50 --led-always-blink\n"
				 "-A OUTPUT -j LED --led-trigger-id b\n-A OUTPUT -j LED --led-trigger-id c --led-delay inf", &why), 0);
	expect_file(inst, bright, "0\n");
	for (int i = 0; i < 3; i++) {
		path_send_local(inst, pkt_from_raw_ip(inst, NULL, udp, sizeof(udp)));
		expect_file(inst, bright, "255\n");
		instance_advance(inst, inst->now_ns + 40000000);
	}
	expect_file(inst, blinks, "3\n");
	instance_advance(inst, inst->now_ns + 20000000);
	expect_file(inst, bright, "0\n");
	expect_file(inst, "/sys/class/leds/netfilter-b/brightness", "0\n");
	expect_file(inst, "/sys/class/leds/netfilter-b/blinks", "3\n");
	expect_file(inst, "/sys/class/leds/netfilter-c/brightness", "255\n");
	assert_int_equal(restore(inst, 4, "mangle", "-A OUTPUT -j LED --led-trigger-id c", &why), 0);
	assert_int_equal(proc_read(inst->files, bright, &(struct strbuf)STRBUF_INIT, NULL), -ENOENT);
	expect_file(inst, "/sys/class/leds/netfilter-c/blinks", "1\n");
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_round_trips), cmocka_unit_test(sets_are_names_only), cmocka_unit_test(packets_light_lamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
