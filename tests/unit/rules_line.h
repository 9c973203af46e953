/* rules_line.h - an iptables command in one line, for tests. */
#ifndef WEIR_TEST_RULES_LINE_H
#define WEIR_TEST_RULES_LINE_H

#include <stdio.h>
#include <string.h>

#include "table/table.h"

/* Its exit code; @out: what it prints. */
static inline int rules_line_to(struct instance *inst, const char *line, struct strbuf *out)
{
	struct refusal why = { 0 };
	char words[256], *argv[32];
	int argc = 0;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return rules_command(inst, argc, argv, out, &why);
}

static inline int rules_line(struct instance *inst, const char *line)
{
	struct strbuf out = STRBUF_INIT;
	int code = rules_line_to(inst, line, &out);

	sb_free(&out);
	return code;
}

#endif
