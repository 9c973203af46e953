/*
 * Tables come and go: in which order they are listed, what a refused rule set leaves behind (nothing), a table whose
 * hooks cannot be had, a 32-bit tool's blob. Bug classes 3, 7, 16.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conntrack/conntrack.h"
#include "table_fixture.h"

static struct instance *instance(void)
{
	struct instance *inst = instance_new(1, 0, NULL);

	assert_non_null(inst);
	return inst;
}

static void append_name(void *priv, const char *name)
{
	sb_printf(priv, "%s ", name);
}

static void newest_table_is_listed_first(void **state)
{
	struct instance *inst = instance();
	struct strbuf out = STRBUF_INIT;

	restore_ok(inst, "*nat\nCOMMIT\n*filter\nCOMMIT\n*raw\nCOMMIT\n*nat\nCOMMIT\n", 0);
	tables_each(inst, NFPROTO_IPV4, append_name, &out);
	assert_string_equal(sb_str(&out), "raw filter nat ");
	sb_reset(&out);
	tables_each(inst, NFPROTO_IPV6, append_name, &out);
	assert_string_equal(sb_str(&out), "");
	sb_free(&out);
	instance_free(inst);
}

/* Connection tracking is switched on by a rule that needs it: by what is loaded, not by what was tried. */
static void refused_rules_leave_nothing(void **state)
{
	static const char *const bad[] = {
		"-m conntrack --ctstate NEW -m limit --limit 1/s -j SNAT --to-source 1.1.1.1",
		"-m conntrack --ctstate NEW -m limit --limit 1/s -m mac --mac-source 1:2:3:4:5:6 -m tcp",
		"-m limit --limit 5/s -j LOG\n-A FORWARD -m conntrack --ctstate NEW\n-A FORWARD -j MASQUERADE",
		"-m conntrack --ctstate NEW\n-A FORWARD -j X\n-A X -j X",
	};
	struct instance *inst = instance();

	restore_ok(inst, "*filter\nCOMMIT\n", 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct strbuf text = STRBUF_INIT;
		struct refusal why;

		sb_printf(&text, "*filter\n:X - [0:0]\n-A FORWARD %s\nCOMMIT\n", bad[i]);
		assert_true(rules_restore(inst, NFPROTO_IPV4, sb_str(&text), text.len, "f", 0, &why) < 0);
		assert_false(ct_is_on(inst, NFPROTO_IPV4));
		sb_free(&text);
	}
	restore_ok(inst, "*filter\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n", 0);
	assert_true(ct_is_on(inst, NFPROTO_IPV4));
	assert_false(ct_is_on(inst, NFPROTO_IPV6));
	/* replaced by another that needs it, then by one that does not */
	restore_ok(inst, "*filter\n-A INPUT -m state --state NEW\nCOMMIT\n", 0);
	assert_true(ct_is_on(inst, NFPROTO_IPV4));
	restore_ok(inst, "*filter\nCOMMIT\n", 0);
	assert_false(ct_is_on(inst, NFPROTO_IPV4));
	instance_free(inst);
}

static unsigned int pass(void *priv, struct pkt *pkt, const struct hook_state *state)
{
	return NF_ACCEPT;
}

/* The last of its hooks is full: the table does not come into being, and its other hooks are given back. */
static void table_without_hooks_is_no_table(void **state)
{
	struct instance *inst = instance();
	struct hook_ops ops = { .family = NFPROTO_IPV4, .hooknum = NF_INET_LOCAL_OUT, .fn = pass, .name = "full" };
	struct strbuf out = STRBUF_INIT;
	struct refusal why;
	char marks[2048];
	int count = 0;

	for (; count < 2048; count++) {
		ops.priv = &marks[count];
		if (hook_register(inst->hooks, &ops))
			break;
	}
	assert_true(count < 2048);
	assert_true(rules_restore(inst, NFPROTO_IPV4, "*filter\nCOMMIT\n", 15, "f", 0, &why) < 0);
	tables_each(inst, NFPROTO_IPV4, append_name, &out);
	assert_string_equal(sb_str(&out), "");
	for (int i = 0; i < count; i++) {
		ops.priv = &marks[i];
		assert_int_equal(hook_unregister(inst->hooks, &ops), 0);
	}
	restore_ok(inst, "*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n", 0);
	sb_free(&out);
	instance_free(inst);
}

/* What a 32-bit tool sends: standard targets without their padding. One layout only. */
static void blob_of_32_bits_is_refused(void **state)
{
	struct {
		struct ipt_replace head;
		uint8_t entries[4 * 148 + 176];
	} b = { .head = { .name = "filter", .valid_hooks = 1 << 1 | 1 << 2 | 1 << 3, .num_entries = 4, .num_counters = 4 } };
	struct instance *inst = instance();
	unsigned int at = 0;

	for (unsigned int hook = 1; hook <= 3; hook++, at += 148) {
		struct ipt_entry e = { .target_offset = 112, .next_offset = 148 };
		struct xt_standard_target t = { .target.u.user.target_size = 36, .verdict = -NF_ACCEPT - 1 };

		b.head.hook_entry[hook] = b.head.underflow[hook] = at;
		memcpy(b.entries + at, &e, sizeof(e));
		memcpy(b.entries + at + 112, &t, 36);
	}
	b.head.size = at;
	assert_int_equal(tables_replace(inst, NFPROTO_IPV4, &b, sizeof(b), NULL, NULL, NULL), -EINVAL);
	instance_free(inst);
}

static void all_tables_of_both_families(void **state)
{
	struct instance *inst = instance();
	struct strbuf out = STRBUF_INIT;

	for (const struct table_kind *const *kind = table_kinds; *kind; kind++) {
		struct ipt_getinfo info = { .name = "" };

		strcpy(info.name, (*kind)->name);
		assert_int_equal(tables_get_info(inst, NFPROTO_IPV4, &info, NULL), 0);
		assert_int_equal(info.valid_hooks, (*kind)->valid_hooks);
		assert_int_equal(tables_get_info(inst, NFPROTO_IPV6, &info, NULL), 0);
		assert_int_equal(info.num_entries, __builtin_popcount((*kind)->valid_hooks) + 1);
	}
	tables_each(inst, NFPROTO_IPV6, append_name, &out);
	sb_free(&out);
	instance_free(inst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_table_is_listed_first),
		cmocka_unit_test(refused_rules_leave_nothing),
		cmocka_unit_test(table_without_hooks_is_no_table),
		cmocka_unit_test(blob_of_32_bits_is_refused),
		cmocka_unit_test(all_tables_of_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
