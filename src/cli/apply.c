/*
 * cli/apply.c - `weir apply`, `weir confirm`, `weir reload`: rules of files for a running daemon. The files are read here, with the
 * caller's own permissions; the daemon takes all of them or none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/remote.h"

static const char help[] =
"usage: weir apply [options] FILE...|SNAPSHOT    new rules for a running daemon: all of them or, with an error, none\n"
"       weir confirm [options]                  they stay\n"
"       weir reload [options]                   the same from the snapshot that the daemon began with\n"
"\n"
"FILE holds rules in iptables-save format; its name ends with .v6 when they are for IPv6, or -6 stands before it.\n"
"SNAPSHOT is a directory: its rules.v4, rules.v6 and sysctl.conf. Connections stay; tables that no file names stay as they are.\n"
"\n"
"      --confirm[=SEC]     the rules before come back after SEC (30) seconds unless `weir confirm` says that all is well\n"
"  -4, -6                  the next files are rules of that family\n"
"      --instance NAME     which daemon\n"
"      --socket PATH       where it listens\n";

enum { FILE_MAX = 64 << 20, CONFIRM_SEC = 30 };

struct sending {
	const char *instance;
	unsigned int confirm_sec;
	int family;		/* 0: by the file's name */
	struct strbuf words;
};

/* "30", "30s", "2m" */
static bool read_seconds(const char *text, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || n > 86400)
		return false;
	if (*end == 'm' && n <= 1440)
		n *= 60, end++;
	else if (*end == 's')
		end++;
	*out = (unsigned int)n;
	return !*end && n && n <= 86400;
}

static int add_file(struct sending *s, const char *kind, const char *path)
{
	struct strbuf text = STRBUF_INIT;
	struct refusal why = { 0 };
	int err = file_read(path, FILE_MAX, &text, &why);

	if (!err && text.len && memchr(text.s, 0, text.len))
		err = refuse(&why, -EINVAL, "%s is no text", path);
	if (err) {
		report_refusal("weir apply", &why);
	} else {
		sb_printf(&s->words, "%s:%s", kind, path);
		sb_addc(&s->words, 0);
		sb_add(&s->words, sb_str(&text), text.len);
		sb_addc(&s->words, 0);
	}
	sb_free(&text);
	return err;
}

static int add_dir(struct sending *s, const char *dir)
{
	static const char *const parts[] = { "sysctl.conf", "rules.v4", "rules.v6" };
	unsigned int found = 0;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !err; i++) {
		char path[4096];

		if (snprintf(path, sizeof(path), "%s/%s", dir, parts[i]) >= (int)sizeof(path) || access(path, F_OK))
			continue;
		found++;
		err = add_file(s, parts[i], path);
	}
	if (err || found)
		return err;
	fprintf(stderr, "weir apply: %s holds no rules.v4, rules.v6 or sysctl.conf\n", dir);
	return -ENOENT;
}

static int add_path(struct sending *s, const char *path)
{
	size_t len = strlen(path);
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return add_dir(s, path);
	return add_file(s, s->family == 6 || (!s->family && len > 3 && !strcmp(path + len - 3, ".v6")) ? "rules.v6" : "rules.v4", path);
}

/* The directory that the daemon began with. */
static int add_own(struct sending *s)
{
	struct strbuf word = STRBUF_INIT;
	struct wire_record reply;
	int err;

	sb_add(&word, "snapshot-path", 14);
	err = remote_call("reload", s->instance, &word, &reply);
	sb_free(&word);
	if (!err && (!reply.head.len || reply.head.a)) {
		fprintf(stderr, "weir reload: the daemon began without a snapshot\n");
		err = -ENOENT;
	}
	if (!err)
		err = add_dir(s, (const char *)reply.data);
	wire_record_free(&reply);
	return err;
}

static int send_words(const char *command, struct sending *s)
{
	struct wire_record reply;
	int err = remote_call(command, s->instance, &s->words, &reply);

	return err ? EXIT_INPUT : remote_print(&reply);
}

int cmd_apply(int argc, char **argv)
{
	const bool is_confirm = !strcmp(argv[0], "confirm"), is_reload = !strcmp(argv[0], "reload");
	struct sending s = { .family = 0 };
	int first = 1, files = 0, err = 0;
	char text[16];

	for (int i = 1; i < argc; i++) {
		const char *value;

		switch (remote_word(argc, argv, &i, help, &s.instance)) {
		case REMOTE_HELPED:
			return EXIT_DONE;
		case REMOTE_TAKEN:
			continue;
		case REMOTE_OTHER:
			break;
		}
		if (!strcmp(argv[i], "--confirm")) {
			s.confirm_sec = CONFIRM_SEC;
			if (i + 1 < argc && argv[i + 1][0] >= '0' && argv[i + 1][0] <= '9' && access(argv[i + 1], F_OK) &&
			    !read_seconds(argv[++i], &s.confirm_sec))
				err = -EINVAL;
		} else if (!strncmp(argv[i], "--confirm=", 10)) {
			value = argv[i] + 10;
			err = read_seconds(value, &s.confirm_sec) ? 0 : -EINVAL;
		} else if (argv[i][0] != '-' || !strcmp(argv[i], "-4") || !strcmp(argv[i], "-6")) {
			argv[first++] = argv[i];	/* in their order, after the options */
			files += argv[i][0] != '-';
			continue;
		} else {
			err = -EINVAL;
		}
		if (err) {
			fprintf(stderr, "weir %s: \"%s\" is not understood\n      weir apply --help lists the options\n", argv[0], argv[i]);
			return EXIT_USAGE;
		}
	}
	if (is_confirm || is_reload ? files : !files) {
		fprintf(stderr, files ? "weir %s: takes no files\n" : "weir %s: which file?\n      weir apply --help\n", argv[0]);
		return EXIT_USAGE;
	}
	if (is_confirm) {
		sb_add(&s.words, "confirm", 8);
	} else {
		snprintf(text, sizeof(text), "%u", s.confirm_sec);
		sb_add(&s.words, "apply", 6);
		sb_add(&s.words, text, strlen(text) + 1);
	}
	if (is_reload)
		err = add_own(&s);
	for (int i = 1; i < first && !err; i++) {
		if (argv[i][0] == '-')
			s.family = argv[i][1] - '0';
		else
			err = add_path(&s, argv[i]);
	}
	err = err ? EXIT_INPUT : send_words(argv[0], &s);
	sb_free(&s.words);
	return err;
}
