/*
 * tests/kernel/blob_dump.c - what weir makes of rule texts, for comparison with iptables-legacy and the kernel.
 * Reads requests from stdin:
 * "FAMILY FLAGS LENGTH\n" and a rule file's text, answered with lines "ok" or "refused ERRNO LINE:COLUMN+WIDTH
 * SENTENCE", then "table NAME SIZE HOOKS ENTRIES hook_entry[5] underflow[5]\n" + blob each, then "save LENGTH\n" + text,
 * then "list LENGTH\n" + text for each table and listing, then "end\n";
 * "FAMILY replace LENGTH\n" and a struct ipt_replace, answered with "ERRNO SENTENCE\n";
 * "FAMILY command LENGTH\n" and the words of an iptables command, each with its zero byte, answered with
 * "CODE LENGTH SENTENCE\n" and what it printed; "FAMILY reset 0\n": all tables are forgotten;
 * "FAMILY restoreFLAGS LENGTH\n" and a rule file, answered like a command.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ext/option.h"
#include "table/table.h"

struct dump {
	struct instance *inst;
	uint8_t family;
};

static void dump_table(void *priv, const char *name)
{
	const struct dump *dump = priv;
	struct ipt_getinfo info = { 0 };
	void *entries;

	strncpy(info.name, name, sizeof(info.name) - 1);
	if (tables_get_info(dump->inst, dump->family, &info, NULL))
		exit(1);
	entries = malloc(info.size);
	if (!entries || tables_get_entries(dump->inst, dump->family, name, entries, info.size, NULL, NULL))
		exit(1);
	printf("table %s %u %u %u", name, info.size, info.valid_hooks, info.num_entries);
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		printf(" %u", info.hook_entry[hook]);
	for (unsigned int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		printf(" %u", info.underflow[hook]);
	putchar('\n');
	fwrite(entries, 1, info.size, stdout);
	free(entries);
}

/* The listings of blob_test.py's LISTS. */
static void dump_lists(void *priv, const char *name)
{
	static const char *const lists[] = { "-nvL", "-nvxL", "-L", "-vS" };
	const struct dump *dump = priv;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		char table[32], list[16], numbers[] = "--line-numbers", t[] = "-t";
		char program[] = "iptables", program6[] = "ip6tables";
		char *argv[] = { dump->family == NFPROTO_IPV4 ? program : program6, t, table, list, numbers };
		struct strbuf out = STRBUF_INIT;

		snprintf(table, sizeof(table), "%s", name);
		snprintf(list, sizeof(list), "%s", lists[i]);
		if (rules_command(dump->inst, i == 1 ? 5 : 4, argv, &out, NULL))
			exit(1);
		printf("list %zu\n%s", out.len, sb_str(&out));
		sb_free(&out);
	}
}

static void answer(uint8_t family, unsigned int flags, const char *text, size_t len)
{
	struct refusal why = { 0 };
	struct strbuf saved = STRBUF_INIT;
	struct dump dump = { instance_new(1, 0, &why), family };
	int err;

	if (!dump.inst)
		exit(1);
	err = rules_restore(dump.inst, family, text, len, "stdin", flags, &why);
	if (err)
		printf("refused %d %u:%u+%u %s\n", -err, why.at.line, why.at.column, why.at.width, why.text);
	else
		printf("ok\n");
	tables_each(dump.inst, family, dump_table, &dump);
	rules_save(dump.inst, family, true, -1, &saved);
	printf("save %zu\n%s", saved.len, sb_str(&saved));
	tables_each(dump.inst, family, dump_lists, &dump);
	printf("end\n");
	fflush(stdout);
	sb_free(&saved);
	instance_free(dump.inst);
}

static void answer_replace(struct instance *inst, uint8_t family, const void *blob, size_t len)
{
	struct refusal why = { 0 };
	int err = tables_replace(inst, family, blob, len, NULL, NULL, &why);

	printf("%d %s\n", -err, err ? why.text : "");
	fflush(stdout);
}

static void answer_command(struct instance *inst, uint8_t family, char *words, size_t len)
{
	char program[] = "iptables", program6[] = "ip6tables", *argv[256] = { family == NFPROTO_IPV4 ? program : program6 };
	struct refusal why = { 0 };
	struct strbuf out = STRBUF_INIT;
	int argc = 1, code;

	for (size_t at = 0; at < len && argc < 255; at += strlen(words + at) + 1)
		argv[argc++] = words + at;
	code = rules_command(inst, argc, argv, &out, &why);
	printf("%d %zu %s\n%s", code, out.len, code ? why.upstream[0] ? why.upstream : why.text : "", sb_str(&out));
	fflush(stdout);
	sb_free(&out);
}

static void answer_restore(struct instance *inst, uint8_t family, unsigned int flags, const char *text, size_t len)
{
	struct refusal why = { 0 };
	int err = rules_restore(inst, family, text, len, "stdin", flags, &why);

	printf("%d 0 %s\n", err ? 1 : 0, why.text);
	fflush(stdout);
}

/* One line an option: what blob_test.py's generator draws from. */
static void print_rows(const char *kind, const char *name, uint8_t families, const char *table, uint16_t proto,
		       const struct ext_text *text)
{
	if (!text)
		return;
	printf("%s %s %u %s %u\n", kind, name, families, table ? table : "-", proto);
	for (const struct opt *opt = text->options; opt && opt->name; opt++)
		printf("option %s %d %u %u %llu %llu %s\n", opt->name, (int)opt->type, opt->flags, opt_words(opt),
		       (unsigned long long)opt->min, (unsigned long long)opt->max, opt->arg ? opt->arg : "-");
}

static void answer_options(void)
{
	for (const struct match *const *m = ext_matches; *m; m++)
		print_rows("match", (*m)->name, (*m)->families, (*m)->table, (*m)->proto, (*m)->text);
	for (const struct target *const *t = ext_targets; *t; t++)
		if ((*t)->name[0])
			print_rows("target", (*t)->name, (*t)->families, (*t)->table, (*t)->proto, (*t)->text);
	printf("end\n");
	fflush(stdout);
}

int main(void)
{
	struct instance *inst = instance_new(1, 0, NULL);
	unsigned int family;
	char what[16];
	size_t len;

	while (inst && scanf("%u %15s %zu", &family, what, &len) == 3 && getchar() == '\n' && len < 64u << 20) {
		const uint8_t proto = family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
		char *text = malloc(len + 1);

		if (!text || fread(text, 1, len, stdin) != len)
			return 1;
		if (!strcmp(what, "replace"))
			answer_replace(inst, proto, text, len);
		else if (!strcmp(what, "command"))
			text[len] = '\0', answer_command(inst, proto, text, len);
		else if (!strncmp(what, "restore", 7))
			answer_restore(inst, proto, (unsigned int)atoi(what + 7), text, len);
		else if (!strcmp(what, "options"))
			answer_options();
		else if (!strcmp(what, "reset"))
			instance_free(inst), inst = instance_new(1, 0, NULL);
		else
			answer(proto, (unsigned int)atoi(what), text, len);
		free(text);
	}
	instance_free(inst);
	return 0;
}
