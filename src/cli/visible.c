/*
 * cli/visible.c - the host's visible files: written below --out as they would stand below /, and read and written by
 * the lines of a script that an administrator would type: `cat FILE...`, `echo [-n] TEXT > FILE`.
 */
#include "base/procfs.h"
#include "cli/run.h"
#include "cli/sink.h"

#include <stdio.h>
#include <stdlib.h>

struct writing {
	struct instance *inst;
	const char *dir;
	struct refusal *why;
	int err;
};

/* "/proc/net/x" below @dir, and the directories that it stands in. */
static int write_below(const char *dir, const char *path, const struct strbuf *text, struct refusal *why)
{
	char *whole;
	int err = 0;

	if (asprintf(&whole, "%s%s", dir, path) < 0)
		return refuse(why, -ENOMEM, "no memory for a path");
	for (char *slash = strchr(whole + strlen(dir) + 1, '/'); slash && !err; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = dir_make(whole, why);
		*slash = '/';
	}
	free(whole);
	return err ? err : file_write(dir, path + 1, text, why);
}

static bool write_one(void *priv, const struct proc_file *file)
{
	struct writing *writing = priv;
	struct strbuf text = STRBUF_INIT;

	if (file->is_setting)
		return true;
	file->print(file->priv, &text);
	writing->err = write_below(writing->dir, file->path, &text, writing->why);
	sb_free(&text);
	return !writing->err;
}

int visible_write(struct instance *inst, const char *dir, struct refusal *why)
{
	struct writing writing = { .inst = inst, .dir = dir, .why = why };

	proc_each(inst->files, write_one, &writing);
	return writing.err;
}

int visible_cat(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why)
{
	int code = 0;

	for (unsigned int i = 2; i < w->count; i++) {
		if (proc_read(inst->files, w->argv[i], out, why)) {
			why->at = words_at(w, i);
			code = 1;
		}
	}
	return code;
}

/* echo [-n] WORDS [> FILE]: what the shell would hand to the file in one write. ">" may touch the name, or stand alone. */
int visible_echo(struct instance *inst, const struct words *w, struct strbuf *out, struct refusal *why)
{
	struct strbuf text = STRBUF_INIT;
	const char *path = NULL;
	bool newline = true;
	unsigned int i = 2, path_word = 0;
	int err = 0;

	if (i < w->count && strcmp(w->argv[i], "-n") == 0) {
		newline = false;
		i++;
	}
	for (; i < w->count; i++) {
		const char *word = w->argv[i];

		if (*word == '>') {
			word += strspn(word, ">");
			if (!*word && ++i < w->count)
				word = w->argv[i];
			path = word;
			path_word = i;
		} else {
			sb_printf(&text, "%s%s", text.len ? " " : "", word);
		}
	}
	if (newline)
		sb_addc(&text, '\n');
	if (!path)
		sb_adds(out, sb_str(&text));
	else if (!*path)
		err = refuse(why, -EINVAL, "echo: a file is missing after \">\"");
	else
		err = proc_write(inst->files, path, sb_str(&text), text.len, why);
	if (err && path_word)
		why->at = words_at(w, MIN_OF(path_word, w->count));
	sb_free(&text);
	return err ? 1 : 0;
}
