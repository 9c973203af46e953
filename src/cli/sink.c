/* cli/sink.c - see sink.h. */
#include "cli/sink.h"
#include "base/write_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SINK_BUFFER = 1 << 16 };

struct sink {
	struct sink *next;
	struct sinks *home;
	char *name;
	int fd, err;
	size_t used;
	char buffer[SINK_BUFFER];
};

struct sinks {
	char *final, *dir;
	char *parent;			/* the topmost directory above final that was made for it; NULL: all were there */
	struct sink *all;
	bool finished;
};

/* What an earlier run may have left: only such a directory is replaced. */
static bool is_ours(const char *name)
{
	static const char *const names[] = { "rules.v4", "rules.v6", "conntrack.txt", "expect.txt", "events.txt", "log.txt",
					     "nflog.jsonl", "invalid.txt", "script.txt", "summary.json", "proc", "sys" };
	size_t len = strlen(name);

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (len > 7 && strcmp(name + len - 7, ".pcapng") == 0))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int unlink_visited(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

/* A file of ours, or a tree of visible files. */
static void take_away(DIR *d, const char *dir, const char *name)
{
	char *path;

	if (unlinkat(dirfd(d), name, 0) == 0 || asprintf(&path, "%s/%s", dir, name) < 0)
		return;
	nftw(path, unlink_visited, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

/* Visits the files; @remove takes ours away. -ENOTEMPTY when there is something else. */
static int dir_ours(const char *dir, bool remove, char other[256])
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!d)
		return -errno;
	while ((entry = readdir(d))) {
		if (!is_ours(entry->d_name)) {
			snprintf(other, 256, "%s", entry->d_name);
			err = -ENOTEMPTY;
		} else if (remove && entry->d_name[0] != '.') {
			take_away(d, dir, entry->d_name);
		}
	}
	closedir(d);
	return err;
}

int dir_make(const char *dir, struct refusal *why)
{
	struct stat st;

	if (mkdir(dir, 0777) == 0 || (errno == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return refuse_at(why, (struct text_pos){ .file = dir }, -errno, "the directory cannot be made: %s", strerror(errno));
}

static int final_check(const char *final, struct refusal *why)
{
	struct text_pos at = { .file = final };
	char other[256];
	struct stat st;
	int err;

	if (stat(final, &st) != 0)
		return errno == ENOENT ? 0 : refuse_at(why, at, -errno, "%s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse_at(why, at, -ENOTDIR, "is a file: --out takes a directory");
	err = dir_ours(final, false, other);
	if (err == -ENOTEMPTY)
		return refuse_at(why, at, err, "holds \"%s\", which is not from weir run: take another directory", other);
	return err ? refuse_at(why, at, err, "%s", strerror(-err)) : 0;
}

/* Directories above the final one, made as needed; they go again when the run comes to nothing. */
static int parents_make(struct sinks *sinks, struct refusal *why, const char *said)
{
	char *path = strdup(sinks->final);
	int err = path ? 0 : -ENOMEM;

	for (char *slash = path ? strchr(path + 1, '/') : NULL; slash && !err; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0777) == 0) {
			if (!sinks->parent)
				sinks->parent = strdup(path);
		} else if (errno != EEXIST) {
			err = refuse_at(why, (struct text_pos){ .file = said }, -errno, "%s cannot be made: %s", path,
					strerror(errno));
		}
		*slash = '/';
	}
	free(path);
	return err;
}

/* Takes away made directories from the one above final up to the topmost made; stops at one that is in use. */
static void parents_remove(struct sinks *sinks)
{
	size_t top = sinks->parent ? strlen(sinks->parent) : 0;

	for (char *slash; top && (slash = strrchr(sinks->final, '/')) && (size_t)(slash - sinks->final) >= top;) {
		*slash = '\0';
		if (rmdir(sinks->final) != 0)
			return;
	}
}

int sinks_new(const char *final, struct sinks **out, struct refusal *why)
{
	const char *tmp = getenv("TMPDIR");
	struct sinks *sinks = calloc(1, sizeof(*sinks));
	int err = 0, len;

	if (!sinks)
		return refuse(why, -ENOMEM, "no memory for the outputs");
	if (final) {
		sinks->final = strdup(final);
		for (len = sinks->final ? (int)strlen(final) : 0; len > 1 && final[len - 1] == '/'; len--)
			sinks->final[len - 1] = '\0';
		err = sinks->final ? final_check(sinks->final, why) : -ENOMEM;
		if (!err)
			err = parents_make(sinks, why, final);
		if (!err && asprintf(&sinks->dir, "%s.weir-XXXXXX", sinks->final) < 0)
			err = -ENOMEM;
	} else if (asprintf(&sinks->dir, "%s/weir-XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0) {
		err = -ENOMEM;
	}
	if (err) {
		if (why && why->at.file == sinks->final)
			why->at.file = final;
		parents_remove(sinks);
		free(sinks->parent);
		free(sinks->final);
		free(sinks);
		return err;
	}
	if (!mkdtemp(sinks->dir)) {
		err = refuse_at(why, (struct text_pos){ .file = final ? final : "$TMPDIR" }, -errno,
				"the directory cannot be made: %s", strerror(errno));
		parents_remove(sinks);
		free(sinks->parent);
		free(sinks->final);
		free(sinks->dir);
		free(sinks);
		return err;
	}
	*out = sinks;
	return 0;
}

void sinks_free(struct sinks *sinks)
{
	char other[256];

	if (!sinks)
		return;
	for (struct sink *s = sinks->all, *next; s; s = next) {
		next = s->next;
		close(s->fd);
		free(s->name);
		free(s);
	}
	if (!sinks->finished) {
		dir_ours(sinks->dir, true, other);
		rmdir(sinks->dir);
		parents_remove(sinks);
	}
	free(sinks->parent);
	free(sinks->final);
	free(sinks->dir);
	free(sinks);
}

struct sink *sink_open(struct sinks *sinks, const char *name, struct refusal *why)
{
	struct sink *sink = malloc(sizeof(*sink));
	char *path = NULL;

	if (!sink)
		goto err_memory;
	*sink = (struct sink){ .next = sinks->all, .home = sinks, .name = strdup(name) };
	if (!sink->name || asprintf(&path, "%s/%s", sinks->dir, name) < 0)
		goto err_memory;
	sink->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	free(path);
	if (sink->fd < 0) {
		refuse(why, -errno, "%s cannot be made: %s", name, strerror(errno));
		free(sink->name);
		free(sink);
		return NULL;
	}
	sinks->all = sink;
	return sink;

err_memory:
	refuse(why, -ENOMEM, "no memory for the outputs");
	if (sink)
		free(sink->name);
	free(sink);
	return NULL;
}

static int sink_flush(struct sink *sink)
{
	if (!sink->err && sink->used)
		sink->err = write_all(sink->fd, sink->buffer, sink->used);
	sink->used = 0;
	return sink->err;
}

int sink_write(void *priv, const void *bytes, size_t len)
{
	struct sink *sink = priv;

	if (len == 0)
		return sink->err;
	if (sink->used + len > SINK_BUFFER && sink_flush(sink))
		return sink->err;
	if (len > SINK_BUFFER) {
		if (!sink->err)
			sink->err = write_all(sink->fd, bytes, len);
		return sink->err;
	}
	memcpy(sink->buffer + sink->used, bytes, len);
	sink->used += len;
	return sink->err;
}

static int sinks_flush(struct sinks *sinks, struct refusal *why)
{
	for (struct sink *s = sinks->all; s; s = s->next)
		if (sink_flush(s))
			return refuse(why, s->err, "%s cannot be written: %s", s->name, strerror(-s->err));
	return 0;
}

static int sink_copy(struct sink *sink, const char *dir, struct refusal *why)
{
	char chunk[65536], *path;
	off_t at = 0;
	ssize_t n;
	int fd, err = 0;

	if (asprintf(&path, "%s/%s", dir, sink->name) < 0)
		return refuse(why, -ENOMEM, "no memory for a path");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		err = -errno;
	while (!err && (n = pread(sink->fd, chunk, sizeof(chunk), at)) != 0) {
		err = n < 0 ? -errno : write_all(fd, chunk, (size_t)n);
		at += n;
	}
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (err)
		refuse(why, err, "%s cannot be written: %s", path, strerror(-err));
	free(path);
	return err;
}

int sinks_copy(struct sinks *sinks, const char *dir, struct refusal *why)
{
	int err = sinks_flush(sinks, why);

	for (struct sink *s = sinks->all; s && !err; s = s->next)
		err = sink_copy(s, dir, why);
	return err;
}

int file_write(const char *dir, const char *name, const struct strbuf *text, struct refusal *why)
{
	char *path;
	int fd, err = 0;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return refuse(why, -ENOMEM, "no memory for a path");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		err = -errno;
	else
		err = text->failed ? -ENOMEM : write_all(fd, text->s, text->len);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (err)
		refuse(why, err, "%s cannot be written: %s", path, strerror(-err));
	free(path);
	return err;
}

const char *sinks_dir(const struct sinks *sinks)
{
	return sinks->dir;
}

int sinks_finish(struct sinks *sinks, struct refusal *why)
{
	char other[256];
	mode_t mask;
	int err = sinks_flush(sinks, why);

	if (err || !sinks->final)
		return err;
	mask = umask(0);
	umask(mask);
	chmod(sinks->dir, 0777 & ~mask);	/* mkdtemp() made it private */
	if (rename(sinks->dir, sinks->final) != 0 && (errno == ENOTEMPTY || errno == EEXIST)) {
		dir_ours(sinks->final, true, other);	/* the earlier run's files; checked when we began */
		if (rename(sinks->dir, sinks->final) == 0)
			errno = 0;
	}
	if (access(sinks->dir, F_OK) == 0)
		return refuse_at(why, (struct text_pos){ .file = sinks->final }, -EIO, "cannot be put in place: %s",
				 strerror(errno));
	sinks->finished = true;
	return 0;
}
