/*
 * cli/nfnl_osf_cmd.c - nfnl_osf(8), -f FILE [-d]: as a script line, where a file beside the script is found there, and as a
 * command that reads the file and sends its text to a daemon.
 */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/nfnl_osf_cmd.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "ext/osf.h"

/* nfnl_osf's exit codes. */
enum { OSF_FILE_MAX = 4 << 20, EXIT_NO_FILE = 254, EXIT_UNUSABLE = 255, EXIT_BAD_LINE = 234 };

static int load(struct instance *inst, const char *path, bool remove, struct refusal *why)
{
	struct strbuf text = STRBUF_INIT;
	struct line_reader reader;
	const char *line;
	size_t len;
	int err = file_read(path, OSF_FILE_MAX, &text, why);

	reader = (struct line_reader){ .at = sb_str(&text), .end = sb_str(&text) + text.len };
	while (!err && line_next(&reader, &line, &len)) {
		struct nf_osf_user_finger finger;

		if (!len || *line == '#' || *line == '\r')
			continue;
		err = osf_line_parse(line, len, &finger, why);
		if (!err)
			err = remove ? osf_remove(inst, &finger, why) : osf_add(inst, &finger, why);
	}
	sb_free(&text);
	return err;
}

int nfnl_osf_command(struct instance *inst, const struct words *w, struct refusal *why)
{
	const char *file = NULL;
	char *beside = NULL, *script;
	bool remove = false;
	int err;

	for (unsigned int i = 2; i < w->count; i++) {
		if (strcmp(w->argv[i], "-d") == 0) {
			remove = true;
		} else if (strcmp(w->argv[i], "-f") == 0 && i + 1 < w->count) {
			file = w->argv[++i];
		} else {
			refuse_at(why, words_at(w, i), -EINVAL, "nfnl_osf takes -f FILE and -d");
			return 1;
		}
	}
	if (!file) {
		refuse_at(why, words_at(w, w->count), -EINVAL, "nfnl_osf needs -f FILE");
		return 1;
	}
	script = *file == '/' || !w->file ? NULL : strdup(w->file);
	if (script && asprintf(&beside, "%s/%s", dirname(script), file) < 0)
		beside = NULL;
	err = load(inst, beside ? beside : file, remove, why);
	free(beside);
	free(script);
	return err ? 1 : 0;
}

/* --- the command --- */

int nfnl_osf_text(struct instance *inst, int argc, char **argv, struct strbuf *err)
{
	struct line_reader reader;
	const char *line;
	bool remove;
	size_t len;
	int code = 0;

	if (argc != 3)
		return EXIT_UNUSABLE;
	remove = !strcmp(argv[1], "-d");
	reader = (struct line_reader){ .at = argv[2], .end = argv[2] + strlen(argv[2]) };
	while (line_next(&reader, &line, &len)) {
		struct nf_osf_user_finger finger;
		struct refusal why = { 0 };

		if (!len || *line == '#' || *line == '\r')
			continue;
		if (osf_line_parse(line, len, &finger, &why)) {
			sb_printf(err, "Failed to load line %u: %s\n", reader.number, why.text);	/* the others are good */
			code = EXIT_BAD_LINE;
		} else if (!remove && osf_add(inst, &finger, &why)) {
			sb_printf(err, "Failed to load line %u: %s\n", reader.number, why.text);
			code = EXIT_BAD_LINE;
		} else if (remove) {
			osf_remove(inst, &finger, NULL);	/* one that is not there is gone */
		}
	}
	return code;
}

static int osf_usage(void)
{
	fputs("Usage: nfnl_osf -f fingerprints [-d]\n", stderr);
	return EXIT_UNUSABLE;
}

int cmd_nfnl_osf(int argc, char **argv)
{
	static const struct option options[] = {
		{ "instance", required_argument, NULL, 'I' }, { "socket", required_argument, NULL, 'S' }, { NULL, 0, NULL, 0 }
	};
	const char *file = NULL, *instance = NULL;
	struct strbuf text = STRBUF_INIT, words = STRBUF_INIT;
	struct wire_record reply;
	bool remove = false;
	int letter, err;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "+f:dh", options, NULL)) >= 0) {
		switch (letter) {
		case 'f': file = optarg; break;
		case 'd': remove = true; break;
		case 'I':
		case 'S': instance = optarg; break;
		default: return osf_usage();
		}
	}
	if (!file) {
		fputs("Missing fingerprints file argument.\n", stderr);
		return EXIT_NO_FILE;
	}
	if (file_read(file, OSF_FILE_MAX, &text, NULL)) {
		fprintf(stderr, "Failed to open file '%s': %s [%d].\n", file, strerror(errno), errno);
		return EXIT_UNUSABLE;
	}
	sb_add(&words, "nfnl_osf", sizeof("nfnl_osf"));
	sb_add(&words, remove ? "-d" : "-f", 3);
	sb_add(&words, sb_str(&text), strlen(sb_str(&text)) + 1);
	sb_free(&text);
	err = remote_call("nfnl_osf", instance, &words, &reply);
	sb_free(&words);
	return err ? EXIT_INPUT : remote_print(&reply);
}
