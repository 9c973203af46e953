/*
 * exec/supervisor.c - answers a tool's watched system calls, one at a time. It holds no copy of the tool's sockets, so the
 * daemon sees their end when the tool closes the last one.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS	/* Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ull
#endif

enum { EVENTS_AT_ONCE = 32 };
#define NOTIFICATION UINT32_MAX	/* anything else is a parked call's place */

void say(struct supervisor *s, pid_t pid, const char *fmt, ...)
{
	va_list args;

	if (!s->options->verbose)
		return;
	fprintf(stderr, "weir exec: [%d] ", pid);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

bool answer(struct supervisor *s, uint64_t id, int64_t value)
{
	struct seccomp_notif_resp resp = { .id = id, .val = value < 0 ? 0 : value, .error = value < 0 ? (int)value : 0 };

	return ioctl(s->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp) == 0;
}

void answer_by_kernel(struct supervisor *s, uint64_t id)
{
	struct seccomp_notif_resp resp = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	ioctl(s->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* pidfd_getfd() wants the process; a thread's number does only where the kernel knows PIDFD_THREAD. */
static pid_t process_of(pid_t tid)
{
	char path[64], line[128];
	int pid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid;
}

int tool_fd(struct supervisor *s, pid_t pid, int fd)
{
	long got;

	if (s->pidfd_of != pid) {
		if (s->pidfd >= 0)
			close(s->pidfd);
		s->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (s->pidfd < 0)
			s->pidfd = (int)syscall(SYS_pidfd_open, process_of(pid), 0);
		s->pidfd_of = s->pidfd < 0 ? 0 : pid;
	}
	got = syscall(SYS_pidfd_getfd, s->pidfd, fd, 0);
	return got < 0 ? -errno : (int)got;
}

void tool_fd_done(int fd) { close(fd); }

static int free_watched_fd(struct supervisor *s, pid_t pid)
{
	for (int fd = WATCHED_FD_FIRST; fd < WATCHED_FD_END; fd++) {
		int got = tool_fd(s, pid, fd);

		if (got == -EBADF)
			return fd;
		if (got >= 0)
			close(got);
	}
	return -EMFILE;
}

void answer_fd(struct supervisor *s, const struct seccomp_notif *n, int fd, bool watched, bool cloexec)
{
	struct seccomp_notif_addfd add = { .id = n->id, .flags = SECCOMP_ADDFD_FLAG_SEND, .srcfd = (uint32_t)fd,
					   .newfd_flags = cloexec ? O_CLOEXEC : 0 };

	if (watched) {
		int at = free_watched_fd(s, (pid_t)n->pid);

		if (at < 0) {
			answer(s, n->id, at);
			return;
		}
		add.flags |= SECCOMP_ADDFD_FLAG_SETFD;
		add.newfd = (uint32_t)at;
	}
	if (ioctl(s->notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 && errno != ENOENT) {
		say(s, (pid_t)n->pid, "no descriptor could be placed in the tool: %s", strerror(errno));
		answer(s, n->id, -EMFILE);
	}
}

int daemon_call(struct supervisor *s, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply)
{
	int err = wire_call(s->ctl, head, payload, len, reply);

	if (err != -ECONNRESET)
		return err;
	/* another daemon may have taken its place */
	wire_record_free(reply);
	close(s->ctl);
	s->ctl = wire_connect(&s->daemon);
	return s->ctl < 0 ? -ECONNRESET : wire_call(s->ctl, head, payload, len, reply);
}

static void dispatch(struct supervisor *s, struct seccomp_notif *n)
{
	switch (n->data.nr) {
	case SYS_socket:
		on_socket(s, n);
		break;
	case SYS_getsockopt:
	case SYS_setsockopt:
		on_sockopt(s, n);
		break;
	case SYS_openat:
	case SYS_openat2:
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_faccessat:
	case SYS_faccessat2:
	case SYS_statfs:
#ifdef SYS_open
	case SYS_open:
	case SYS_creat:
	case SYS_stat:
	case SYS_lstat:
	case SYS_access:
#endif
		on_path(s, n);
		break;
	default:
		on_watched_fd(s, n);
	}
}

static bool serve_one(struct supervisor *s)
{
	struct seccomp_notif n;

	memset(&n, 0, sizeof(n));
	if (ioctl(s->notify, SECCOMP_IOCTL_NOTIF_RECV, &n))
		return errno == EINTR || errno == ENOENT || errno == EAGAIN;
	dispatch(s, &n);
	return true;
}

int supervisor_run(struct supervisor *s, const struct exec_options *options, int notify, int ctl)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = NOTIFICATION };
	bool alive = true;
	int err = 0;

	s->options = options;
	s->notify = notify;
	ioctl(notify, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);	/* the tool waits: its CPU is free */
	s->ctl = ctl;
	s->pidfd = -1;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, notify, &ev))
		return -errno;
	while (alive && !err) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int count = epoll_wait(s->epoll, events, EVENTS_AT_ONCE, parked_check(s));

		if (count < 0 && errno != EINTR)
			err = -errno;
		for (int i = 0; i < count; i++) {
			if (events[i].data.u32 != NOTIFICATION)
				parked_ready(s, events[i].data.u32);
			else if (events[i].events & EPOLLIN)
				alive = serve_one(s);
			else
				alive = false;	/* nobody is left under the filter */
		}
	}
	sockets_free(s);
	free(s->parked);
	close(s->epoll);
	return err;
}
