/*
 * exec/receive.c - a tool waits for a netlink message. The record is taken from the socket before the tool goes on, lest its next
 * select() find it there still; what a signal kept from the tool then is kept for its next receive.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t flags_of(const struct seccomp_notif *n)
{
	switch (n->data.nr) {
	case SYS_recvfrom: return n->data.args[3];
	case SYS_recvmsg: return n->data.args[2];
	case SYS_recvmmsg: return n->data.args[3];
	default: return 0;
	}
}

/* Into a struct msghdr of the tool; the length of the message is cut to its pieces. */
static int64_t deliver_msg(pid_t pid, uint64_t at, const struct wire_record *r, uint64_t flags)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK, .nl_groups = r->head.a };
	struct iovec iov[IOV_AT_ONCE];
	struct msghdr msg;
	size_t pieces;
	ssize_t put;

	if (tool_read(pid, at, &msg, sizeof(msg)))
		return -EFAULT;
	pieces = MIN_OF(msg.msg_iovlen, (size_t)IOV_AT_ONCE);
	if (tool_read(pid, (uintptr_t)msg.msg_iov, iov, pieces * sizeof(*iov)))
		return -EFAULT;
	put = tool_scatter(pid, iov, pieces, r->data, r->head.len);
	if (put < 0)
		return put;
	if (msg.msg_name && tool_write(pid, (uintptr_t)msg.msg_name, &from, MIN_OF(msg.msg_namelen, (socklen_t)sizeof(from))))
		return -EFAULT;
	msg.msg_namelen = msg.msg_name ? sizeof(from) : 0;
	msg.msg_controllen = 0;
	msg.msg_flags = (size_t)put < r->head.len ? MSG_TRUNC : 0;
	if (tool_write(pid, at, &msg, sizeof(msg)))
		return -EFAULT;
	return flags & MSG_TRUNC ? (int64_t)r->head.len : put;
}

static int64_t deliver(const struct seccomp_notif *n, const struct wire_record *r)
{
	const uint64_t *a = (const void *)n->data.args;
	struct iovec iov[IOV_AT_ONCE] = { { (void *)(uintptr_t)a[1], a[2] } };
	struct sockaddr_nl from = { .nl_family = AF_NETLINK, .nl_groups = r->head.a };
	socklen_t room, len = sizeof(from);
	pid_t pid = (pid_t)n->pid;
	size_t pieces = 1;
	unsigned int got;
	int64_t put;

	switch (n->data.nr) {
	case SYS_recvmsg:
		return deliver_msg(pid, a[1], r, flags_of(n));
	case SYS_recvmmsg:
		put = deliver_msg(pid, a[1], r, flags_of(n));
		got = (unsigned int)put;
		if (put < 0)
			return put;
		return tool_write(pid, a[1] + offsetof(struct mmsghdr, msg_len), &got, sizeof(got)) ? -EFAULT : 1;
	case SYS_readv:
		pieces = MIN_OF(a[2], (uint64_t)IOV_AT_ONCE);
		if (tool_read(pid, a[1], iov, pieces * sizeof(*iov)))
			return -EFAULT;
		break;
	case SYS_recvfrom:
		if (a[4] && (tool_read(pid, a[5], &room, sizeof(room)) || tool_write(pid, a[4], &from, MIN_OF(room, len)) ||
			     tool_write(pid, a[5], &len, sizeof(len))))
			return -EFAULT;
		break;
	}
	put = tool_scatter(pid, iov, pieces, r->data, r->head.len);
	return put >= 0 && flags_of(n) & MSG_TRUNC ? (int64_t)r->head.len : put;
}

/* The record that a signal kept from its tool, or the next one of the socket. */
static int take(struct supervisor *s, int fd, int flags, struct wire_record *out)
{
	struct tool_socket *sock = s->kept_count ? socket_of_fd(s, fd) : NULL;

	if (!sock || !sock->kept)
		return wire_receive(fd, out, flags | MSG_DONTWAIT);
	*out = *sock->kept;
	free(sock->kept);
	sock->kept = NULL;
	s->kept_count--;
	return 0;
}

/* For the socket's next receive. */
static void keep(struct supervisor *s, int fd, struct wire_record *r)
{
	struct tool_socket *sock = socket_of_fd(s, fd);
	struct wire_record *kept = sock && !sock->kept ? malloc(sizeof(*kept)) : NULL;

	if (!kept) {
		wire_record_free(r);
		return;
	}
	*kept = *r;
	sock->kept = kept;
	s->kept_count++;
}

bool try_receive(struct supervisor *s, const struct seccomp_notif *n, int fd)
{
	const bool stays = flags_of(n) & MSG_PEEK;
	const unsigned int kept_before = s->kept_count;
	struct wire_record r;
	int err = take(s, fd, stays ? MSG_PEEK : 0, &r);
	int64_t result;
	bool taken;

	if (err == -EAGAIN)
		return false;
	result = err ? err : r.head.flags & WIRE_OVERRUN ? -ENOBUFS : deliver(n, &r);
	taken = answer(s, n->id, result);
	if (err)
		return true;
	if (kept_before != s->kept_count ? stays || !taken : !stays && !taken)
		keep(s, fd, &r);
	else
		wire_record_free(&r);
	return true;
}

void on_receive(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *sock, int fd)
{
	if (try_receive(s, n, fd)) {
		tool_fd_done(fd);
	} else if (flags_of(n) & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK) {
		const bool settled = sock->posted;

		if (settled)	/* a verdict's error may be on its way */
			socket_settle(s, sock);
		if (!settled || !try_receive(s, n, fd))
			answer(s, n->id, -EAGAIN);
		tool_fd_done(fd);
	} else {
		park(s, n, sock, fd);
	}
}
