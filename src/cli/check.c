/*
 * cli/check.c - weir check: everything that is wrong with rule files and snapshots, at once, changing nothing. What
 * is found is kept until the end, since a form like SARIF is one object.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/nfct_cmd.h"
#include "cli/run.h"
#include "cli/socket_text.h"
#include "conntrack/labels.h"
#include "table/table.h"

enum { CHECK_FILE_MAX = 256 << 20 };

struct finding {
	struct refusal why;
	unsigned int more;		/* lines with the same complaint */
	unsigned int file_number, number;
};

struct check {
	struct finding *list;
	unsigned int count, cap, files;
	const char *file;		/* as findings name it, and as it is read again for its lines */
	int family;			/* 0: by the file's name and text */
	bool lost;			/* memory ran out */
};

/* --- what is found --- */

static void found(void *priv, const struct refusal *why)
{
	struct check *check = priv;
	struct finding *list = check->list;

	if (check->count == check->cap) {
		unsigned int cap = check->cap ? 2 * check->cap : 16;

		list = realloc(list, cap * sizeof(*list));
		if (!list) {
			check->lost = true;
			return;
		}
		check->list = list;
		check->cap = cap;
	}
	list[check->count] = (struct finding){ .why = *why, .file_number = check->files, .number = check->count };
	if (!list[check->count].why.at.file)
		list[check->count].why.at.file = check->file;
	check->count++;
}

/* As the files are read; what extensions say is known only at the end of a table. */
static int by_place(const void *left, const void *right)
{
	const struct finding *a = left, *b = right;

	if (a->file_number != b->file_number)
		return a->file_number < b->file_number ? -1 : 1;
	if (a->why.at.line != b->why.at.line)
		return a->why.at.line < b->why.at.line ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static bool is_about_a_name(const char *text)
{
	return !strncmp(text, "unknown chain ", 14) || !strncmp(text, "unknown target or chain ", 24) ||
	       !strncmp(text, "goto '", 6);
}

/* One name used on fifty lines is one mistake. */
static void names_gather(struct check *check)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < check->count; i++) {
		unsigned int j = 0;

		if (is_about_a_name(check->list[i].why.text))
			while (j < kept && (check->list[j].why.at.file != check->list[i].why.at.file ||
					    strcmp(check->list[j].why.text, check->list[i].why.text)))
				j++;
		else
			j = kept;
		if (j < kept)
			check->list[j].more++;
		else
			check->list[kept++] = check->list[i];
	}
	check->count = kept;
}

/* --- what is checked --- */

/* Most files say it by their name; else by an address with colons or a protocol that IPv4 rules do not have. */
static uint8_t family_guess(const char *path, const char *text)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (strstr(name, "v6") || strstr(name, "ip6") || strstr(name, "6tables"))
		return NFPROTO_IPV6;
	if (strstr(name, "v4"))
		return NFPROTO_IPV4;
	for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *end = line + strcspn(line, "\n");

		if (line[0] != '-' && line[0] != '[')
			continue;
		for (const char *at = line; at < end; at++) {
			if (!strncmp(at, " -s ", 4) || !strncmp(at, " -d ", 4)) {
				const char *word = at + 4;
				size_t len = strcspn(word, " \n");

				if (memchr(word, ':', len))
					return NFPROTO_IPV6;
				if (memchr(word, '.', len))
					return NFPROTO_IPV4;
			}
			if (!strncmp(at, "ipv6-icmp", 9) || !strncmp(at, "icmp6-", 6))
				return NFPROTO_IPV6;
		}
	}
	return NFPROTO_IPV4;
}

static int input(const char *path, struct strbuf *text, struct refusal *why)
{
	char chunk[65536];
	size_t got;

	if (strcmp(path, "-"))
		return file_read(path, CHECK_FILE_MAX, text, why);
	while ((got = fread(chunk, 1, sizeof(chunk), stdin)) && text->len < CHECK_FILE_MAX)
		sb_add(text, chunk, got);
	return text->failed ? refuse(why, -ENOMEM, "no memory for standard input") : 0;
}

static struct instance *instance_make(void)
{
	struct instance *inst = instance_new(1, time(NULL) * (int64_t)NSEC_PER_SEC, NULL);

	if (inst)
		inst->trusts_sets = true;	/* which sets there are nobody says here */
	return inst;
}

static void rules_file(struct check *check, struct instance *inst, const char *path, int family)
{
	struct strbuf text = STRBUF_INIT;
	struct refusal why = { 0 };

	check->file = path;
	check->files++;
	if (input(path, &text, &why)) {
		found(check, &why);
	} else {
		if (!family)
			family = family_guess(path, sb_str(&text));
		if (rules_check(inst, (uint8_t)family, sb_str(&text), text.len, path, found, check) < 0)
			check->lost = true;
	}
	sb_free(&text);
}

/* Files whose lines stand for themselves: each is loaded alone, so that all errors are found. */
typedef int (*line_load)(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why);

static int netip_one(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why)
{
	struct netip ip = { .inst = inst, .loading = true };

	return netip_load(&ip, text, len, file, why);
}

static void lines_file(struct check *check, struct instance *inst, const char *path, line_load load)
{
	struct strbuf text = STRBUF_INIT;
	struct refusal why = { 0 };
	struct line_reader reader;
	const char *line;
	size_t len;

	if (!path)
		return;
	check->file = path;
	check->files++;
	if (file_read(path, CHECK_FILE_MAX, &text, &why)) {
		found(check, &why);
		return;
	}
	reader = (struct line_reader){ sb_str(&text), sb_str(&text) + text.len, 0 };
	while (line_next(&reader, &line, &len)) {
		why = (struct refusal){ 0 };
		if (!load(inst, line, len, path, &why))
			continue;
		why.at.file = path;
		why.at.line = reader.number;
		found(check, &why);
	}
	sb_free(&text);
}

static void snapshot_dir(struct check *check, struct instance *inst, struct snapshot_paths *paths)
{
	lines_file(check, inst, paths->net, netip_one);
	lines_file(check, inst, paths->sysctl, sysctl_conf_load);
	lines_file(check, inst, paths->host, host_load);
	lines_file(check, inst, paths->nfct, nfct_conf_load);
	lines_file(check, inst, paths->labels, ct_label_names_load);
	if (paths->rules4)
		rules_file(check, inst, paths->rules4, NFPROTO_IPV4);
	if (paths->rules6)
		rules_file(check, inst, paths->rules6, NFPROTO_IPV6);
}

/* --- how it is told --- */

static void tell_text(const struct check *check, bool excerpts)
{
	struct strbuf out = STRBUF_INIT;

	for (unsigned int i = 0; i < check->count; i++) {
		const struct finding *f = &check->list[i];
		struct refusal why = f->why;

		if (f->more) {
			const size_t len = strlen(why.text);

			snprintf(why.text + len, sizeof(why.text) - len, " (and on %u more line%s)", f->more, f->more > 1 ? "s" : "");
		}
		if (excerpts && strcmp(why.at.file, "-"))
			refusal_print(&out, "weir check", &why);
		else
			sb_printf(&out, "%s:%u:%u: error: %s\n", why.at.file, why.at.line, why.at.column ? why.at.column : 1, why.text);
	}
	fputs(sb_str(&out), stderr);
	sb_free(&out);
}

/* GitHub's workflow commands: % and line ends are written as their codes. */
static void tell_github(const struct check *check)
{
	for (unsigned int i = 0; i < check->count; i++) {
		const struct refusal *why = &check->list[i].why;

		printf("::error file=%s,line=%u,col=%u::", why->at.file, why->at.line, why->at.column ? why->at.column : 1);
		for (const char *c = why->text; *c; c++) {
			if (*c == '%')
				fputs("%25", stdout);
			else
				putchar(*c);
		}
		putchar('\n');
	}
}

static void put_json(struct strbuf *out, const char *text)
{
	struct strbuf utf8 = STRBUF_INIT;

	sb_add_utf8(&utf8, text);
	sb_addc(out, '"');
	for (const unsigned char *c = (const unsigned char *)sb_str(&utf8); *c; c++) {
		if (*c == '"' || *c == '\\')
			sb_printf(out, "\\%c", *c);
		else if (*c < 0x20)
			sb_printf(out, "\\u%04x", *c);
		else
			sb_addc(out, (char)*c);
	}
	sb_addc(out, '"');
	sb_free(&utf8);
}

static void tell_json(const struct check *check)
{
	struct strbuf out = STRBUF_INIT;

	sb_adds(&out, "{\"schema\":1,\"errors\":[");
	for (unsigned int i = 0; i < check->count; i++) {
		const struct refusal *why = &check->list[i].why;

		sb_adds(&out, i ? ",\n{\"file\":" : "\n{\"file\":");
		put_json(&out, why->at.file);
		sb_printf(&out, ",\"line\":%u,\"column\":%u,\"width\":%u,\"message\":", why->at.line, why->at.column, why->at.width);
		put_json(&out, why->text);
		sb_addc(&out, '}');
	}
	sb_adds(&out, "]}\n");
	fputs(sb_str(&out), stdout);
	sb_free(&out);
}

static void tell_sarif(const struct check *check)
{
	struct strbuf out = STRBUF_INIT;

	sb_adds(&out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":"
		"{\"name\":\"weir check\",\"version\":\"" WEIR_VERSION "\",\"rules\":[{\"id\":\"refused\",\"shortDescription\":"
		"{\"text\":\"Linux would refuse this\"}}]}},\"results\":[");
	for (unsigned int i = 0; i < check->count; i++) {
		const struct refusal *why = &check->list[i].why;
		const unsigned int column = why->at.column ? why->at.column : 1;

		sb_adds(&out, i ? ",\n{\"ruleId\":\"refused\",\"level\":\"error\",\"message\":{\"text\":"
				: "\n{\"ruleId\":\"refused\",\"level\":\"error\",\"message\":{\"text\":");
		put_json(&out, why->text);
		sb_adds(&out, "},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
		put_json(&out, why->at.file);
		sb_adds(&out, "}");
		if (why->at.line)
			sb_printf(&out, ",\"region\":{\"startLine\":%u,\"startColumn\":%u,\"endColumn\":%u}", why->at.line, column,
				  column + (why->at.width ? why->at.width : 1));
		sb_adds(&out, "}}]}");
	}
	sb_adds(&out, "]}]}\n");
	fputs(sb_str(&out), stdout);
	sb_free(&out);
}

/* --- the command --- */

static const char usage[] =
"Usage: weir check [-4|-6] [--format text|gcc|github|sarif|json] FILE|SNAPSHOT|-...\n"
"\n"
"Says everything that is wrong with rule files (iptables-save text) and snapshots, and changes nothing.\n"
"  -4, -6            the files are iptables' or ip6tables'; else the name or the text tells\n"
"  --format FORM     text: with the line and a caret; gcc: one line each; github: annotations; sarif, json\n"
"\n"
"Exit codes: 0 nothing is wrong, 2 the command line, 3 something is wrong. Manual: man weir-check\n";

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' }, { "ipv4", no_argument, NULL, '4' }, { "ipv6", no_argument, NULL, '6' },
		{ "help", no_argument, NULL, 'h' }, { NULL }
	};
	static const char *const formats[] = { "text", "gcc", "github", "sarif", "json", NULL };
	struct check check = { NULL };
	struct snapshot_paths *kept;
	const char *format = "text";
	unsigned int known = 0;
	int letter;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "46f:h", options, NULL)) >= 0) {
		switch (letter) {
		case '4':
		case '6':
			check.family = letter == '4' ? NFPROTO_IPV4 : NFPROTO_IPV6;
			break;
		case 'f':
			format = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		default:
			fputs("weir check --help shows the options\n", stderr);
			return EXIT_USAGE;
		}
	}
	while (formats[known] && strcmp(formats[known], format))
		known++;
	if (!formats[known] || optind >= argc) {
		const char *meant = formats[known] ? NULL : did_you_mean(format, formats);

		if (formats[known])
			fputs("weir check: which files? weir check --help shows how\n", stderr);
		else
			fprintf(stderr, "weir check: unknown format \"%s\"%s%s%s\n", format, meant ? ", did you mean \"" : "",
				meant ? meant : "", meant ? "\"?" : "");
		return EXIT_USAGE;
	}
	kept = calloc((size_t)(argc - optind), sizeof(*kept));	/* findings name these paths */
	for (int i = optind; i < argc; i++) {
		struct snapshot_paths *paths = &kept[i - optind];
		struct instance *inst = instance_make();
		struct refusal why = { 0 };
		struct stat st;

		check.file = argv[i];
		if (!inst || !kept)
			check.lost = true;
		else if (!strcmp(argv[i], "-") || stat(argv[i], &st) || !S_ISDIR(st.st_mode))
			rules_file(&check, inst, argv[i], check.family);
		else if (snapshot_find(argv[i], paths, &why))
			found(&check, &why);
		else
			snapshot_dir(&check, inst, paths);
		instance_free(inst);
	}
	qsort(check.list, check.count, sizeof(*check.list), by_place);
	switch (known) {
	case 0:
		names_gather(&check);
		tell_text(&check, true);
		break;
	case 1:
		tell_text(&check, false);
		break;
	case 2:
		tell_github(&check);
		break;
	case 3:
		tell_sarif(&check);
		break;
	default:
		tell_json(&check);
	}
	if (check.lost)
		fputs("weir check: memory ran out\n", stderr);
	if (known == 0 && check.count)
		fprintf(stderr, "%u error%s in %u file%s\n", check.count, check.count > 1 ? "s" : "", check.files,
			check.files > 1 ? "s" : "");
	for (int i = 0; kept && i < argc - optind; i++)
		snapshot_paths_free(&kept[i]);
	free(kept);
	free(check.list);
	return check.lost ? EXIT_INTERNAL : check.count ? EXIT_INPUT : EXIT_DONE;
}
