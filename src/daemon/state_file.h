/*
 * daemon/state_file.h - what an instance was, in one file: named sections behind a head with version, length and checksum.
 * What is damaged, cut short or of another version is refused whole.
 */
#ifndef WEIR_STATE_FILE_H
#define WEIR_STATE_FILE_H

#include "base/refuse.h"
#include "base/strbuf.h"

enum { STATE_SECTIONS_MAX = 32, STATE_NAME_MAX = 24, STATE_SIZE_MAX = 1 << 30 };

struct state_file {
	unsigned int count;
	struct { char name[STATE_NAME_MAX]; const uint8_t *bytes; size_t len; } sections[STATE_SECTIONS_MAX];	/* borrowed */
};

void state_begin(struct strbuf *out);
void state_add(struct strbuf *out, const char *name, const void *bytes, size_t len);
void state_end(struct strbuf *out);

/* @bytes stay with the caller while @out is used. -EINVAL and what is wrong with it; @name is the file's, for people. */
int state_open(const void *bytes, size_t len, const char *name, struct state_file *out, struct refusal *why);
/* False: it is not there; *len is 0 then. */
bool state_find(const struct state_file *file, const char *name, const uint8_t **bytes, size_t *len);

/* In place of what stands there, at once or not at all, and on the disk when it returns. Mode 0600. */
int state_write(const char *path, const struct strbuf *text, struct refusal *why);

#endif
