/*
 * ext/numnames.c - device groups and routing realms by name: lines of "number name" in /etc/iproute2.
 * Read when a rule names or shows one; never while packets pass.
 */
#include "ext/numnames.h"

#include <stdio.h>
#include <stdlib.h>

/* Walks the file until @name or, when that is NULL, *number turns up. */
static bool look_up(const char *file, const char *name, uint32_t *number, char *buf)
{
	FILE *f = fopen(file, "re");
	char line[512], word[64];
	unsigned int n;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " 0x%x %63s", &n, word) != 2 && sscanf(line, " %u %63s", &n, word) != 2)
			continue;
		if (name ? strcmp(name, word) == 0 : n == *number) {
			*number = n;
			memcpy(buf, word, sizeof(word));
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

bool numnames_find(const char *file, uint32_t number, char *buf)
{
	return look_up(file, NULL, &number, buf);
}

int numnames_parse(const char *file, const char *text, uint32_t *value, uint32_t *mask)
{
	const char *slash = strchr(text, '/');
	char head[64], buf[64];
	uint64_t number, bits = UINT32_MAX;

	*mask = UINT32_MAX;
	if (look_up(file, text, value, buf))
		return 0;
	if (slash && ((size_t)(slash - text) >= sizeof(head) || !opt_u64(slash + 1, 0, UINT32_MAX, &bits)))
		return -EINVAL;
	snprintf(head, sizeof(head), "%.*s", slash ? (int)(slash - text) : (int)sizeof(head) - 1, text);
	if (!opt_u64(head, 0, UINT32_MAX, &number))
		return -EINVAL;
	*value = number;
	*mask = bits;
	return 0;
}

void numnames_print(const char *file, uint32_t value, uint32_t mask, bool named, struct strbuf *out)
{
	char buf[64];

	if (mask != UINT32_MAX)
		sb_printf(out, " 0x%x/0x%x", value, mask);
	else if (named && numnames_find(file, value, buf))
		sb_printf(out, " %s", buf);
	else
		sb_printf(out, " 0x%x", value);
}
