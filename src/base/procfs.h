/*
 * base/procfs.h - the files by which a host shows its state: /proc/net/xt_recent/NAME, /sys/class/...
 * Whoever has the state registers a path with functions that print it and take what is written to it.
 */
#ifndef WEIR_BASE_PROCFS_H
#define WEIR_BASE_PROCFS_H

#include "base/refuse.h"
#include "base/strbuf.h"

struct proc_files;

struct proc_file {
	const char *path;	/* absolute, "/proc/net/..."; copied at registration */
	void (*print)(void *priv, struct strbuf *out);
	/* One write(2) of @len bytes: 0 or a negative errno. NULL: the file is read-only. */
	int (*write)(void *priv, const char *text, size_t len, struct refusal *why);
	void *priv;
	uint16_t mode;		/* its access bits; 0 = 0644 where it can be written, else 0440 */
	bool is_setting;	/* not state: left out where state is written down */
};

struct proc_files *proc_files_new(void);
void proc_files_free(struct proc_files *files);
int proc_register(struct proc_files *files, const struct proc_file *file);	/* 0, -EEXIST, -ENOMEM */
void proc_unregister(struct proc_files *files, const char *path);		/* unknown: no-op */
/* -ENOENT for a path that is not there. */
int proc_read(struct proc_files *files, const char *path, struct strbuf *out, struct refusal *why);
int proc_mode(struct proc_files *files, const char *path, uint16_t *mode);
int proc_write(struct proc_files *files, const char *path, const char *text, size_t len, struct refusal *why);
/* Every file in order of paths; @visit returns false to stop and may not change the list. */
void proc_each(struct proc_files *files, bool (*visit)(void *priv, const struct proc_file *file), void *priv);

#endif
