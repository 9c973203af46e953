/*
 * cli/iptables.c - iptables, ip6tables, -save, -restore: the words are those of table/command.c, the tables those of the
 * instance that the caller's network namespace has (control/store.h). What iptables would say comes first; where the
 * word stands and what was meant, after it.
 */
#include "cli/iptables.h"

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/place.h"
#include "instance.h"

enum { UPSTREAM_OTHER = 1, UPSTREAM_PARAMETER = 2, UPSTREAM_VERSION = 3, UPSTREAM_RESOURCE = 4, RULES_MAX = 1 << 30 };

/* --- names --- */

bool iptables_name(const char *name, struct iptables_role *role)
{
	static const struct {
		const char *suffix;
		int (*run)(const struct iptables_role *role, int argc, char **argv);
	} suffixes[] = {
		{ "", iptables_command }, { "-legacy", iptables_command }, { "-save", iptables_save },
		{ "-legacy-save", iptables_save }, { "-restore", iptables_restore }, { "-legacy-restore", iptables_restore },
	};
	const char *slash = strrchr(name, '/'), *rest;

	name = slash ? slash + 1 : name;
	*role = (struct iptables_role){ .family = NFPROTO_IPV4, .program = "iptables" };
	if (!strcmp(name, "iptables-xml")) {
		role->run = iptables_xml;
		return true;
	}
	if (!strncmp(name, "ip6tables", 9)) {
		role->family = NFPROTO_IPV6;
		role->program = "ip6tables";
		rest = name + 9;
	} else if (!strncmp(name, "iptables", 8)) {
		rest = name + 8;
	} else {
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (!strcmp(rest, suffixes[i].suffix)) {
			role->run = suffixes[i].run;
			return true;
		}
	}
	return false;
}

/* "--instance NAME" and "--resolve" before everything else, and WEIR_INSTANCE: these are not iptables' words. */
static void own_words_take(struct iptables_role *role, int *argc, char ***argv)
{
	static const char option[] = "--instance";
	char **words = *argv;
	int taken = 0;

	role->instance = getenv("WEIR_INSTANCE");
	while (taken + 1 < *argc) {
		const char *word = words[taken + 1];

		if (!strcmp(word, "--resolve")) {
			role->looks_up = true;
			taken++;
		} else if (!strcmp(word, option) && taken + 2 < *argc) {
			role->instance = words[taken + 2];
			taken += 2;
		} else if (!strncmp(word, option, strlen(option)) && word[strlen(option)] == '=') {
			role->instance = word + strlen(option) + 1;
			taken++;
		} else {
			break;
		}
	}
	words[taken] = words[0];
	*argv += taken;
	*argc -= taken;
	if (role->instance && !*role->instance)
		role->instance = NULL;
}

int iptables_main(int argc, char **argv)
{
	struct iptables_role role;

	if (!iptables_name(argv[0], &role))
		return EXIT_USAGE;
	own_words_take(&role, &argc, &argv);
	return role.run(&role, argc, argv);
}

/* --- what went wrong --- */

static void print_caret(struct strbuf *out, int argc, char **argv, const struct text_pos *at)
{
	size_t len = 0;

	if (!at->column)
		return;
	for (int i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	if (len > 300 || at->column > len)
		return;
	sb_adds(out, "  ");
	for (int i = 0; i < argc; i++) {
		for (const char *c = argv[i]; *c; c++)
			sb_addc(out, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
		sb_addc(out, i + 1 < argc ? ' ' : '\n');
	}
	sb_printf(out, "  %*s^", (int)at->column - 1, "");
	for (unsigned int i = 1; i < at->width; i++)
		sb_addc(out, '~');
	sb_addc(out, '\n');
}

/* iptables' own line; weir's, when it knows more; the way to the help, where iptables shows it. */
static void complain(const struct iptables_role *role, int code, const struct refusal *why, int argc, char **argv)
{
	struct strbuf out = STRBUF_INIT;
	char text[sizeof(why->text)], *meant;
	const bool usage = code == UPSTREAM_PARAMETER || code == UPSTREAM_VERSION;

	snprintf(text, sizeof(text), "%s", why->text);
	meant = strstr(text, ": did you mean");
	if (meant && !why->upstream[0])
		*meant = '\0';
	if (code == UPSTREAM_RESOURCE && why->upstream[0])
		sb_printf(&out, "%s\n", why->upstream);
	else if (usage)
		sb_printf(&out, "%s v1.8.9 (legacy): %s\n", role->program, why->upstream[0] ? why->upstream : text);
	else
		sb_printf(&out, "%s: %s\n", role->program, why->upstream[0] ? why->upstream : text);
	if ((usage && code == UPSTREAM_PARAMETER) || meant)
		print_caret(&out, argc, argv, &why->at);
	if (why->upstream[0] && strcmp(why->upstream, text))
		sb_printf(&out, "weir: %s\n", text);
	else if (meant)
		sb_printf(&out, "weir: %s\n", meant + 2);
	if (code == UPSTREAM_PARAMETER)
		sb_printf(&out, "Try `%s -h' or '%s --help' for more information.\n", role->program, role->program);
	else if (code == UPSTREAM_VERSION)
		sb_printf(&out, "Perhaps %s or your kernel needs to be upgraded.\n", role->program);
	fputs(sb_str(&out), stderr);
	sb_free(&out);
}

static int print_out(struct strbuf *out)
{
	const bool lost = out->failed || fwrite(sb_str(out), 1, out->len, stdout) != out->len || fflush(stdout);

	sb_free(out);
	return lost ? -EIO : 0;
}

/* --- the instance --- */

struct session {
	struct instance *inst;
	struct place *place;
};

static void warn(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

/* /etc/networks first, as iptables does for -s and -d; then whoever answers for hosts. */
static unsigned int look_up(uint8_t family, const char *name, bool networks, union nf_inet_addr *addrs, unsigned int max)
{
	const struct addrinfo hints = { .ai_family = family == NFPROTO_IPV4 ? AF_INET : AF_INET6, .ai_socktype = SOCK_RAW };
	struct netent *net = networks && family == NFPROTO_IPV4 ? getnetbyname(name) : NULL;
	struct addrinfo *found;
	unsigned int count = 0;

	if (net) {
		addrs[0].ip = htonl(net->n_net);
		return 1;
	}
	if (getaddrinfo(name, NULL, &hints, &found))
		return 0;
	for (const struct addrinfo *at = found; at && count < max; at = at->ai_next, count++) {
		if (at->ai_family == AF_INET)
			addrs[count].in = ((const struct sockaddr_in *)at->ai_addr)->sin_addr;
		else
			addrs[count].in6 = ((const struct sockaddr_in6 *)at->ai_addr)->sin6_addr;
	}
	freeaddrinfo(found);
	return count;
}

static int session_open(const struct iptables_role *role, struct session *s, struct refusal *why)
{
	int err;

	s->inst = instance_new(1, clock_ns(CLOCK_REALTIME), why);
	if (!s->inst)
		return -ENOMEM;
	err = place_open(role->instance, s->inst, &s->place, why);
	if (!err) {
		place_tables(s->place)->warn = warn;
		place_tables(s->place)->look_up = role->looks_up ? look_up : NULL;
	}
	return err;
}

static void session_close(struct session *s)
{
	place_close(s->place);
	instance_free(s->inst);
}

/* --- the commands --- */

static int no_table(struct table_source *from, uint8_t family, const char *table, bool create, struct edit **out,
		    struct refusal *why)
{
	return -EACCES;
}

int iptables_command(const struct iptables_role *role, int argc, char **argv)
{
	struct session session = { NULL };
	struct strbuf out = STRBUF_INIT;
	struct refusal why = { 0 };
	int code;

	argv[0] = (char *)role->program;
	/* help and version need no instance, and nobody's permission */
	if (session_open(role, &session, &why)) {
		struct table_source none = { .open = no_table, .inst = session.inst };
		struct refusal closed = why;

		code = session.inst ? rules_command_in(&none, argc, argv, &out, &why) : UPSTREAM_RESOURCE;
		if (code == UPSTREAM_VERSION) {
			why = closed;
			code = UPSTREAM_RESOURCE;
		}
	} else {
		code = rules_command_in(place_tables(session.place), argc, argv, &out, &why);
	}
	if (print_out(&out) && !code)
		code = UPSTREAM_OTHER;
	if (code)
		complain(role, code, &why, argc, argv);
	session_close(&session);
	return code;
}

int iptables_save(const struct iptables_role *role, int argc, char **argv)
{
	static const struct option options[] = {
		{ "counters", no_argument, NULL, 'c' }, { "table", required_argument, NULL, 't' },
		{ "modprobe", required_argument, NULL, 'M' }, { "file", required_argument, NULL, 'f' },
		{ "ipv4", no_argument, NULL, '4' }, { "ipv6", no_argument, NULL, '6' },
		{ "version", no_argument, NULL, 'V' }, { NULL }
	};
	struct session session = { NULL };
	struct strbuf out = STRBUF_INIT;
	struct refusal why = { 0 };
	const char *table = NULL;
	bool counters = false;
	struct timespec now;
	int letter, err;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "bcdt:M:f:46V", options, NULL)) >= 0) {
		switch (letter) {
		case 'c':
			counters = true;
			break;
		case 't':
			table = optarg;
			break;
		case 'f':
			if (!freopen(optarg, "w", stdout)) {
				fprintf(stderr, "Failed to open file, error: %s\n", strerror(errno));
				return UPSTREAM_OTHER;
			}
			break;
		case 'V':
			printf("%s-save v1.8.9 (legacy)\n", role->program);
			return EXIT_DONE;
		case '?':
			fprintf(stderr, "Look at manual page `%s-save.8' for more information.\n", role->program);
			return UPSTREAM_OTHER;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "Unknown arguments found on commandline\n");
		return UPSTREAM_OTHER;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	err = session_open(role, &session, &why);
	if (!err) {
		place_tables(session.place)->wait_sec = -1;	/* it only looks: there is nothing to give up for */
		err = rules_save_in(place_tables(session.place), role->family, table, counters,
				    now.tv_sec * (int64_t)NSEC_PER_SEC, &out, &why);
	}
	if (!err)
		err = print_out(&out);
	if (err == -ENOENT)
		fprintf(stderr, "%s-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)\n", role->program);
	else if (err)
		fprintf(stderr, "%s-save v1.8.9 (legacy): Cannot initialize: %s\n", role->program,
			why.text[0] ? why.text : strerror(-err));
	sb_free(&out);
	session_close(&session);
	return err ? UPSTREAM_OTHER : EXIT_DONE;
}

/* Standard input, or a file; upstream reads either line by line. */
static int input_read(const char *path, struct strbuf *text)
{
	char chunk[65536];
	FILE *in = path ? fopen(path, "re") : stdin;
	struct stat st;
	size_t got;
	int err = 0;

	if (!in) {
		fprintf(stderr, "Can't open %s: %s\n", path, strerror(errno));
		return UPSTREAM_OTHER;
	}
	if (!fstat(fileno(in), &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < RULES_MAX) {
		text->s = malloc((size_t)st.st_size + 2);	/* no growing while it is read */
		text->cap = text->s ? (size_t)st.st_size + 2 : 0;
	}
	while ((got = fread(chunk, 1, sizeof(chunk), in)) && text->len < RULES_MAX)
		sb_add(text, chunk, got);
	if (ferror(in) || text->failed || text->len >= RULES_MAX)
		err = UPSTREAM_OTHER;
	if (path)
		fclose(in);
	return err;
}

/* "iptables-restore: line 5 failed"; what it is, and where, beside it. */
static void complain_of_line(const struct iptables_role *role, const char *text, size_t len, const struct refusal *why)
{
	const char *line = text;
	size_t width;

	for (unsigned int i = 1; line && i < why->at.line; i++) {
		line = memchr(line, '\n', len - (size_t)(line - text));
		line = line ? line + 1 : NULL;
	}
	fprintf(stderr, "%s-restore v1.8.9 (legacy): %s\n", role->program, why->upstream[0] ? why->upstream : why->text);
	if (why->upstream[0] && strcmp(why->upstream, why->text))
		fprintf(stderr, "weir: %s\n", why->text);
	if (!why->at.line)
		return;
	fprintf(stderr, "Error occurred at line: %u\n", why->at.line);
	width = line ? strcspn(line, "\r\n") : 0;
	width = line ? MIN_OF(width, len - (size_t)(line - text)) : 0;
	if (width && width < 300 && why->at.column && why->at.column <= width + 1) {
		fprintf(stderr, "  %.*s\n  ", (int)width, line);
		for (unsigned int i = 1; i < why->at.column; i++)
			fputc(line[i - 1] == '\t' ? '\t' : ' ', stderr);
		fputc('^', stderr);
		for (unsigned int i = 1; i < why->at.width && why->at.column + i <= width; i++)
			fputc('~', stderr);
		fputc('\n', stderr);
	}
	fprintf(stderr, "%s-restore: line %u failed\n", role->program, why->at.line);
}

int iptables_restore(const struct iptables_role *role, int argc, char **argv)
{
	static const struct option options[] = {
		{ "counters", no_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' }, { "version", no_argument, NULL, 'V' },
		{ "test", no_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' }, { "noflush", no_argument, NULL, 'n' },
		{ "modprobe", required_argument, NULL, 'M' }, { "table", required_argument, NULL, 'T' },
		{ "wait", optional_argument, NULL, 'w' }, { "wait-interval", required_argument, NULL, 'W' },
		{ "ipv4", no_argument, NULL, '4' }, { "ipv6", no_argument, NULL, '6' }, { NULL }
	};
	struct session session = { NULL };
	struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	struct refusal why = { 0 };
	const char *only = NULL;
	unsigned int flags = 0;
	int letter, err, code = UPSTREAM_OTHER, wait_sec = 0;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "bcvVthnwWM:T:46", options, NULL)) >= 0) {
		switch (letter) {
		case 'c':
			flags |= RESTORE_COUNTERS;
			break;
		case 'v':
			flags |= RESTORE_VERBOSE;
			break;
		case 'n':
			flags |= RESTORE_NOFLUSH;
			break;
		case 't':
			flags |= RESTORE_TEST;
			break;
		case 'T':
			only = optarg;
			break;
		case 'w':
			wait_sec = -1;
			if (optarg)
				wait_sec = atoi(optarg);
			else if (optind < argc && argv[optind][0] != '-' && argv[optind][0] != '!')
				wait_sec = atoi(argv[optind++]);
			break;
		case 'W':
			if (!optarg && optind < argc && argv[optind][0] != '-')
				optind++;
			warn("Ignoring deprecated --wait-interval option.");
			break;
		case 'V':
			printf("%s-restore v1.8.9 (legacy)\n", role->program);
			return EXIT_DONE;
		case 'h':
			fprintf(stderr, "Usage: %s-restore [-c] [-v] [-V] [-t] [-h] [-n] [-w secs] [-W usecs] [-T table] [-M command] "
				"[FILE]\n\n"
				"  -c, --counters   take over packet and byte counters\n"
				"  -n, --noflush    add to the tables instead of replacing them\n"
				"  -t, --test       say what is wrong, change nothing\n"
				"  -T, --table T    only this table\n"
				"  -w, --wait [S]   wait for other commands, at most S seconds\n", role->program);
			return EXIT_DONE;
		case '?':
			fprintf(stderr, "Try `%s-restore -h' for more information.\n", role->program);
			return UPSTREAM_OTHER;
		}
	}
	if (argc - optind > 1) {
		fprintf(stderr, "Unknown arguments found on commandline\n");
		return UPSTREAM_OTHER;
	}
	if (input_read(optind < argc ? argv[optind] : NULL, &text)) {
		sb_free(&text);
		return UPSTREAM_OTHER;
	}
	err = session_open(role, &session, &why);
	if (!err) {
		place_tables(session.place)->wait_sec = wait_sec;
		err = rules_restore_in(place_tables(session.place), role->family, sb_str(&text), text.len, NULL, flags, only, &out,
				       &code, &why);
	}
	print_out(&out);
	if (err == -EAGAIN)
		fprintf(stderr, wait_sec ? "Another app is currently holding the xtables lock. Stopped waiting after %ds.\n"
					 : "Another app is currently holding the xtables lock. Perhaps you want to use the -w option?\n",
			wait_sec);
	else if (err)
		complain_of_line(role, sb_str(&text), text.len, &why);
	sb_free(&text);
	session_close(&session);
	return !err ? EXIT_DONE : err == -EAGAIN ? UPSTREAM_RESOURCE : why.err == -EINVAL && !why.at.line ? UPSTREAM_PARAMETER : code;
}
