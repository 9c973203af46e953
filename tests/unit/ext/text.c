/*
 * tests/unit/ext/text.c - every option of every extension, as the real iptables 1.8.9 reads and writes it.
 * The rows come from upstream.py: each rule is loaded here, and what is saved, listed and kept in the blob must be
 * equal to the byte. A rule that upstream or the kernel refuses must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "table/table.h"

#include "upstream_cases.h"

static unsigned int failures;

static void expect(const struct upstream_case *c, const char *what, const char *ours, const char *theirs)
{
	if (strcmp(ours, theirs) == 0)
		return;
	failures++;
	print_message("%d %s %s\n  %s ours:   [%s]\n  %s theirs: [%s]\n", c->family, c->table, c->rule, what, ours, what,
		      theirs);
}

/* The text behind "-A CHAIN " of the only rule. */
static void check_saved(struct instance *inst, uint8_t family, const struct upstream_case *c)
{
	struct strbuf out = STRBUF_INIT;
	const char *line, *end;
	char head[64], saved[1024] = "";

	rules_save(inst, family, false, -1, &out);
	snprintf(head, sizeof(head), "-A %s", c->chain);
	line = strstr(sb_str(&out), head);
	if (line) {
		line += strlen(head);
		line += *line == ' ';
		end = strchr(line, '\n');
		snprintf(saved, sizeof(saved), "%.*s", (int)(end ? end - line : 0), line);
	}
	expect(c, "saved", saved, c->saved);
	sb_free(&out);
}

/* What stands behind the addresses in the third line of -L. */
static void check_listed(struct instance *inst, uint8_t family, const struct upstream_case *c, bool numeric)
{
	char *argv[] = { family == NFPROTO_IPV4 ? "iptables" : "ip6tables", "-t", (char *)c->table,
			 numeric ? "-nL" : "-L", (char *)c->chain, NULL };
	struct strbuf out = STRBUF_INIT;
	struct refusal why = { 0 };
	const char *line;
	char listed[1024] = "";

	assert_int_equal(rules_command(inst, 5, argv, &out, &why), 0);
	line = strchr(sb_str(&out), '\n');
	line = line ? strchr(line + 1, '\n') : NULL;
	if (line) {
		line++;
		/* target, protocol, options, source, destination: the target may be empty, never the others */
		for (unsigned int column = *line == ' ' ? 1 : 0; column < 5; column++) {
			line += strspn(line, " ");
			line += strcspn(line, " \n");
		}
		line += strspn(line, " ");
		snprintf(listed, sizeof(listed), "%.*s", (int)strcspn(line, "\n"), line);
	}
	expect(c, numeric ? "-nL" : "-L", listed, numeric ? c->numeric : c->named);
	sb_free(&out);
}

static void add_extension(struct strbuf *out, const char *name, unsigned int revision, const uint8_t *data, size_t len)
{
	sb_printf(out, "%s%s/%u:", out->len ? " " : "", name, revision);
	for (size_t i = 0; i < len; i++)
		sb_printf(out, "%02x", data[i]);
}

static void check_blob(struct instance *inst, uint8_t family, const struct upstream_case *c)
{
	static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };
	struct ipt_getinfo info = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct refusal why = { 0 };
	unsigned int hook = 0;
	char *entries, *e;
	size_t at, end;

	snprintf(info.name, sizeof(info.name), "%s", c->table);
	assert_int_equal(tables_get_info(inst, family, &info, &why), 0);
	entries = calloc(1, info.size);
	assert_int_equal(tables_get_entries(inst, family, c->table, entries, info.size, NULL, &why), 0);
	while (strcmp(hooks[hook], c->chain))
		hook++;
	e = entries + info.hook_entry[hook];
	at = family == NFPROTO_IPV4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
	end = family == NFPROTO_IPV4 ? ((struct ipt_entry *)e)->target_offset : ((struct ip6t_entry *)e)->target_offset;
	for (; at <= end; at += ((struct xt_entry_match *)(e + at))->u.match_size) {
		const struct xt_entry_match *m = (void *)(e + at);	/* a target has the same head */

		add_extension(&out, m->u.user.name, m->u.user.revision, m->data, m->u.match_size - sizeof(*m));
	}
	expect(c, "blob", sb_str(&out), c->data);
	sb_free(&out);
	free(entries);
}

static void rules_are_upstreams(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct upstream_case *c = &cases[i];
		uint8_t family = c->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
		struct instance *inst = instance_new(1, 0, NULL);
		struct refusal why = { 0 };
		char text[1024];
		int err;

		assert_non_null(inst);
		snprintf(text, sizeof(text), "*%s\n-A %s %s\nCOMMIT\n", c->table, c->chain, c->rule);
		err = rules_restore(inst, family, text, strlen(text), "rules", 0, &why);
		if (!err != !c->exit_code) {
			failures++;
			print_message("%d %s %s\n  ours: %d %s\n  theirs: exit %d\n", c->family, c->table, c->rule, err,
				      why.text, c->exit_code);
		} else if (!err) {
			check_saved(inst, family, c);
			check_listed(inst, family, c, true);
			check_listed(inst, family, c, false);
			check_blob(inst, family, c);
		}
		instance_free(inst);
	}
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rules_are_upstreams) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
