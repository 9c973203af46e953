/* cli/nfnl_osf_cmd.c - the script line of nfnl_osf(8): -f FILE [-d]. A file beside the script is found there. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/run.h"
#include "ext/osf.h"

enum { OSF_FILE_MAX = 4 << 20 };

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
