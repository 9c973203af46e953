/*
 * cli/conntrack_file.c - `conntrack -R`: a file of conntrack commands, a line each. All are read before the first is done, so that a
 * line that cannot be read changes nothing; the first that fails ends it.
 */
#include "cli/conntrack_cmd.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/conntrack_args.h"
#include "cli/words.h"

enum { FILE_MAX = 64 << 20, EXIT_PARAMETERS = 2 };

struct lines { struct conntrack_args *all; size_t count, room; };

bool conntrack_is_file(int argc, char **argv)
{
	return argc > 2 && strcmp(argv[0], "conntrack") == 0 && (strcmp(argv[1], "-R") == 0 || strcmp(argv[1], "--load-file") == 0);
}

static int wrong(struct strbuf *err)
{
	sb_adds(err, "Try `conntrack -h' or 'conntrack --help' for more information.\n");
	return EXIT_PARAMETERS;
}

int conntrack_file_read(const char *path, struct strbuf *text, struct strbuf *err)
{
	struct refusal why = { 0 };

	if (!file_read(strcmp(path, "-") ? path : "/dev/stdin", FILE_MAX, text, &why))
		return 0;
	conntrack_say(err, "Failed to open file %s for reading", path);
	return wrong(err);
}

/* Cuts @line at its blanks; a double quote keeps them in a word. */
static int split(char *line, char **argv)
{
	char *to = line;
	int argc = 0;

	argv[argc++] = (char *)"conntrack";
	while (argc < WORDS_MAX) {
		bool is_quoted = false;

		line += strspn(line, " \t");
		if (!*line)
			break;
		argv[argc++] = to;
		for (; *line && (is_quoted || !strchr(" \t", *line)); line++) {
			if (*line == '"')
				is_quoted = !is_quoted;
			else
				*to++ = *line;
		}
		line += *line != '\0';
		*to++ = '\0';
	}
	argv[argc] = NULL;
	return argc;
}

/* The name of a command that a file may not hold; NULL: it may. */
static const char *not_in_files(const struct conntrack_args *args)
{
	static const struct { enum conntrack_cmd cmd; const char *name, *of_expectations; } names[] = {
		{ CMD_LIST, "-L", "-L expect" }, { CMD_GET, "-G", "-G expect" }, { CMD_EVENT, "-E", "-E expect" }, { CMD_VERSION, "-V", "-V" },
		{ CMD_HELP, "-h", "-h" }, { CMD_COUNT, "-C", "-C expect" }, { CMD_STATS, "-S", "-S" }, { CMD_CREATE, NULL, "-C expect" },
		{ CMD_DELETE, NULL, "-D expect" }, { CMD_FLUSH, NULL, "-F expect" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].cmd == args->cmd)
			return args->table == TABLE_EXPECT ? names[i].of_expectations : names[i].name;
	}
	return args->cmd == CMD_NONE ? "unknown" : NULL;
}

static int add_line(struct lines *lines, const struct instance *inst, char *line, struct strbuf *err)
{
	char *argv[WORDS_MAX + 1];
	int argc = split(line, argv), code;

	if (lines->count == lines->room) {
		size_t room = lines->room ? 2 * lines->room : 64;
		struct conntrack_args *more = realloc(lines->all, room * sizeof(*more));

		if (!more) {
			conntrack_say(err, "OOM");
			return EXIT_FAILURE;
		}
		lines->all = more;
		lines->room = room;
	}
	code = conntrack_parse(inst, &lines->all[lines->count], argc, argv, err);
	if (code)
		return code;
	lines->all[lines->count++].is_from_file = true;
	return 0;
}

int conntrack_file_command(struct instance *inst, const char *text, struct strbuf *out, struct strbuf *err)
{
	struct lines lines = { .all = NULL };
	struct line_reader reader = { text, text + strlen(text), 0 };
	const char *line;
	size_t len;
	int code = 0;

	while (!code && line_next(&reader, &line, &len)) {
		char *copy = strndup(line, len);

		if (!copy)
			code = EXIT_FAILURE;
		else if (copy[strspn(copy, " \t")] && copy[strspn(copy, " \t")] != '#')
			code = add_line(&lines, inst, copy, err);
		free(copy);
	}
	for (size_t i = 0; i < lines.count && !code; i++) {
		const char *name = not_in_files(&lines.all[i]);

		if (name) {
			conntrack_say(err, "Cannot use command `%s' with --load-file", name);
			code = wrong(err);
		}
	}
	for (size_t i = 0; i < lines.count && !code; i++)
		code = conntrack_carry_out(inst, &lines.all[i], out, err);
	free(lines.all);
	return code;
}
