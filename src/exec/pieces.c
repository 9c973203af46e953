/* exec/pieces.c - what a tool names by pointers: texts, and messages in pieces. memory.c of this folder or of preload moves the bytes. */
#include "exec/exec_internal.h"

#include <stdlib.h>
#include <sys/uio.h>

enum { PAGE = 4096 };

int tool_read_text(pid_t pid, uint64_t at, char *into, size_t room)
{
	size_t done = 0;

	while (done < room) {
		size_t step = MIN_OF(room - done, PAGE - (size_t)(at + done) % PAGE);	/* the next page may not be there */

		if (tool_read(pid, at + done, into + done, step))
			return -EFAULT;
		if (memchr(into + done, '\0', step))
			return 0;
		done += step;
	}
	return -ENAMETOOLONG;
}

int tool_gather(pid_t pid, const struct iovec *iov, size_t count, size_t max, uint8_t **out, size_t *len)
{
	size_t total = 0, done = 0;

	for (size_t i = 0; i < count; i++) {
		if (iov[i].iov_len > max - total)
			return -EMSGSIZE;
		total += iov[i].iov_len;
	}
	*out = malloc(total + 1);
	if (!*out)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (tool_read(pid, (uintptr_t)iov[i].iov_base, *out + done, iov[i].iov_len)) {
			free(*out);
			return -EFAULT;
		}
		done += iov[i].iov_len;
	}
	*len = total;
	return 0;
}

ssize_t tool_scatter(pid_t pid, const struct iovec *iov, size_t count, const uint8_t *from, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < count && done < len; i++) {
		size_t step = MIN_OF(len - done, iov[i].iov_len);

		if (tool_write(pid, (uintptr_t)iov[i].iov_base, from + done, step))
			return -EFAULT;
		done += step;
	}
	return (ssize_t)done;
}
