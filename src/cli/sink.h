/*
 * cli/sink.h - files of an output directory that come into being whole: written in a directory aside, put in
 * place at the end, copied for snapshots.
 */
#ifndef WEIR_CLI_SINK_H
#define WEIR_CLI_SINK_H

#include "base/refuse.h"
#include "base/strbuf.h"

struct sink;
struct sinks;

/*
 * @final: the directory that sinks_finish() makes; NULL: none, files live in the temporary directory until
 * sinks_free(). Refused when it exists and holds anything but an earlier run's files.
 */
int sinks_new(const char *final, struct sinks **out, struct refusal *why);
void sinks_free(struct sinks *sinks);		/* what was not finished is gone without trace */
struct sink *sink_open(struct sinks *sinks, const char *name, struct refusal *why);
int sink_write(void *sink, const void *bytes, size_t len);	/* buffered; the first error stays */
static inline int sink_text(struct sink *sink, const struct strbuf *text) { return sink_write(sink, text->s, text->len); }
/* Every sink's contents so far into an existing directory. */
int sinks_copy(struct sinks *sinks, const char *dir, struct refusal *why);
/* A whole file in @dir. */
int file_write(const char *dir, const char *name, const struct strbuf *text, struct refusal *why);
/* Where files are being written: for what is written whole at the end. */
const char *sinks_dir(const struct sinks *sinks);
int sinks_finish(struct sinks *sinks, struct refusal *why);
int dir_make(const char *dir, struct refusal *why);	/* an existing one is fine */

#endif
