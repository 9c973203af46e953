/*
 * exec/preload/direct.c - a netlink message goes from the daemon's socket straight into the tool's memory, in one call of the kernel's, which also
 * does the waiting. Only what does not fit a record, and what is no message, is looked at here.
 */
#undef _FORTIFY_SOURCE
#include "exec/preload/preload.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* A payload that came in a memfd. */
static int64_t from_blob(int blob, size_t len, const struct iovec *iov, size_t count)
{
	size_t done = 0;

	for (size_t i = 0; i < count && done < len; i++) {
		size_t step = MIN_OF(len - done, iov[i].iov_len);
		ssize_t got = syscall(SYS_pread64, blob, iov[i].iov_base, step, (off_t)done);

		if (got != (ssize_t)step)
			return got < 0 ? -errno : -EPROTO;
		done += step;
	}
	return (int64_t)done;
}

static int blob_of(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int64_t preload_receive(int fd, const struct iovec *iov, size_t count, int flags, struct sockaddr_nl *from, int *out_flags)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct iovec pieces[IOV_AT_ONCE + 1];
	struct wire_head head = { .magic = 0 };
	struct msghdr msg = { .msg_iov = pieces, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	int64_t got, put;
	int blob;

	count = MIN_OF(count, (size_t)IOV_AT_ONCE);
	pieces[0] = (struct iovec){ &head, sizeof(head) };
	memcpy(pieces + 1, iov, count * sizeof(*iov));
	msg.msg_iovlen = count + 1;
	got = syscall(SYS_recvmsg, fd, &msg, (flags & ~MSG_TRUNC) | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	blob = blob_of(&msg);
	put = got - (int64_t)sizeof(head);
	if (got == 0)
		put = -ECONNRESET;
	else if (put < 0 || head.magic != WIRE_MAGIC || !(head.flags & WIRE_MEMFD) != (blob < 0))
		put = -EPROTO;
	else if (head.flags & WIRE_OVERRUN)
		put = -ENOBUFS;
	else if (blob >= 0)
		put = from_blob(blob, head.len, iov, count);
	if (blob >= 0)
		syscall(SYS_close, blob);
	if (put < 0)
		return put;
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_groups = head.a };
	*out_flags = (uint64_t)put < head.len ? MSG_TRUNC : 0;
	return flags & MSG_TRUNC ? (int64_t)head.len : put;
}
