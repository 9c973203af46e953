/*
 * base/procfs.c - paths to functions, kept sorted: lookups bisect, listings need no sort.
 */
#include "base/procfs.h"

#include <stdlib.h>

struct proc_files {
	struct proc_file *by_path;	/* owned, and their paths */
	size_t count, room;
};

struct proc_files *proc_files_new(void)
{
	return calloc(1, sizeof(struct proc_files));
}

void proc_files_free(struct proc_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->count; i++)
		free((char *)files->by_path[i].path);
	free(files->by_path);
	free(files);
}

/* Where @path is or would be. */
static size_t position(const struct proc_files *files, const char *path, bool *found)
{
	size_t low = 0, high = files->count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(files->by_path[middle].path, path);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int proc_register(struct proc_files *files, const struct proc_file *file)
{
	struct proc_file copy = *file;
	bool found;
	size_t at = position(files, file->path, &found);

	if (found)
		return -EEXIST;
	if (files->count == files->room) {
		size_t room = files->room ? files->room * 2 : 16;
		struct proc_file *grown = realloc(files->by_path, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		files->by_path = grown;
		files->room = room;
	}
	copy.path = strdup(file->path);
	if (!copy.path)
		return -ENOMEM;
	memmove(&files->by_path[at + 1], &files->by_path[at], (files->count - at) * sizeof(copy));
	files->by_path[at] = copy;
	files->count++;
	return 0;
}

void proc_unregister(struct proc_files *files, const char *path)
{
	bool found;
	size_t at = position(files, path, &found);

	if (!found)
		return;
	free((char *)files->by_path[at].path);
	files->count--;
	memmove(&files->by_path[at], &files->by_path[at + 1], (files->count - at) * sizeof(*files->by_path));
}

int proc_read(struct proc_files *files, const char *path, struct strbuf *out, struct refusal *why)
{
	bool found;
	size_t at = position(files, path, &found);

	if (!found)
		return refuse(why, -ENOENT, "%s: No such file or directory", path);
	files->by_path[at].print(files->by_path[at].priv, out);
	return out->failed ? refuse(why, -ENOMEM, "%s: no memory for its text", path) : 0;
}

int proc_mode(struct proc_files *files, const char *path, uint16_t *mode)
{
	bool found;
	size_t at = position(files, path, &found);

	if (!found)
		return -ENOENT;
	*mode = files->by_path[at].mode ? files->by_path[at].mode : files->by_path[at].write ? 0644 : 0440;
	return 0;
}

int proc_write(struct proc_files *files, const char *path, const char *text, size_t len, struct refusal *why)
{
	bool found;
	size_t at = position(files, path, &found);

	if (!found)
		return refuse(why, -ENOENT, "%s: No such file or directory", path);
	if (!files->by_path[at].write)
		return refuse(why, -EACCES, "%s: Permission denied", path);
	return files->by_path[at].write(files->by_path[at].priv, text, len, why);
}

void proc_each(struct proc_files *files, bool (*visit)(void *priv, const struct proc_file *file), void *priv)
{
	for (size_t i = 0; i < files->count; i++)
		if (!visit(priv, &files->by_path[i]))
			return;
}
