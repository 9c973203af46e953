/* daemon/state_file.c - see state_file.h. The file is small enough to be read and written whole. */
#include "daemon/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/write_all.h"

static const char magic[8] = "weirstat";
enum { STATE_VERSION = 1, HEAD_LEN = 8 + 4 + 4 + 8, CRC_AT = 12 };

static uint32_t checksum(const void *bytes, size_t len)
{
	return ~crc32c(~0u, bytes, len);
}

void state_begin(struct strbuf *out)
{
	sb_add(out, magic, sizeof(magic));
	out_u32(out, STATE_VERSION);
	out_u32(out, 0);
	out_u64(out, 0);
}

void state_add(struct strbuf *out, const char *name, const void *bytes, size_t len)
{
	out_text(out, name);
	out_u64(out, len);
	out_raw(out, bytes, len);
}

void state_end(struct strbuf *out)
{
	struct strbuf head = STRBUF_INIT;

	if (out->failed || out->len < HEAD_LEN)
		return;
	out_u32(&head, checksum(out->s + HEAD_LEN, out->len - HEAD_LEN));
	out_u64(&head, out->len - HEAD_LEN);
	if (head.failed)
		out->failed = true;
	else
		memcpy(out->s + CRC_AT, head.s, head.len);
	sb_free(&head);
}

int state_open(const void *bytes, size_t len, const char *name, struct state_file *out, struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };
	uint32_t version, crc;
	uint64_t rest;
	char head[sizeof(magic)];

	out->count = 0;
	in_raw(&in, head, sizeof(head));
	version = in_u32(&in);
	crc = in_u32(&in);
	rest = in_u64(&in);
	if (memcmp(head, magic, sizeof(magic)))
		return refuse(why, -EINVAL, "%s is not a state of weir", name);
	if (in.failed)
		return refuse(why, -EINVAL, "%s is cut short", name);
	if (version != STATE_VERSION)
		return refuse(why, -EINVAL, "%s has version %u, and this weir reads version %d", name, version, STATE_VERSION);
	if (rest != (uint64_t)(in.end - in.at))
		return refuse(why, -EINVAL, "%s is %s: %zu bytes where its head says %llu", name,
			      rest > (uint64_t)(in.end - in.at) ? "cut short" : "too long", len,
			      (unsigned long long)rest + HEAD_LEN);
	if (crc != checksum(in.at, (size_t)rest))
		return refuse(why, -EINVAL, "%s is damaged: its checksum does not fit", name);
	while (in.at < in.end) {
		uint64_t part;

		if (out->count == STATE_SECTIONS_MAX)
			return refuse(why, -EINVAL, "%s has too many sections", name);
		in_text(&in, out->sections[out->count].name, STATE_NAME_MAX);
		part = in_u64(&in);
		if (in.failed || part > (uint64_t)(in.end - in.at))
			return refuse(why, -EINVAL, "%s is damaged: a section is longer than the file", name);
		out->sections[out->count].len = (size_t)part;
		out->sections[out->count++].bytes = in_take(&in, (size_t)part);
	}
	return 0;
}

bool state_find(const struct state_file *file, const char *name, const uint8_t **bytes, size_t *len)
{
	for (unsigned int i = 0; i < file->count; i++) {
		if (strcmp(file->sections[i].name, name))
			continue;
		*bytes = file->sections[i].bytes;
		*len = file->sections[i].len;
		return true;
	}
	*bytes = NULL;
	*len = 0;
	return false;
}

/* The rename is on the disk, too. */
static void sync_dir(const char *path)
{
	char *dir = strdup(path), *slash = dir ? strrchr(dir, '/') : NULL;
	int fd;

	if (slash)
		slash[slash == dir] = '\0';
	fd = dir ? open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

int state_write(const char *path, const struct strbuf *text, struct refusal *why)
{
	char *aside;
	int fd, err;

	if (text->failed || asprintf(&aside, "%s.new", path) < 0)
		return refuse(why, -ENOMEM, "no memory for the state");
	unlink(aside);			/* of one who was killed while he wrote */
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	err = fd < 0 ? -errno : write_all(fd, sb_str(text), text->len);
	if (!err && fsync(fd))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err && rename(aside, path))
		err = -errno;
	if (!err)
		sync_dir(path);
	else if (fd >= 0)
		unlink(aside);
	free(aside);
	return err ? refuse(why, err, "%s cannot be written: %s", path, strerror(-err)) : 0;
}
