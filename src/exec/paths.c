/*
 * exec/paths.c - the files below /proc that weir serves. Every call that names a path is seen; one look at its first bytes
 * sends nearly all of them on to the host.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PATH_ROOM = 512, WRITE_MAX = 64 << 10, BLOCK = 4096 };

/* The path argument of a call, and the descriptor that it is relative to. */
static uint64_t path_arg(const struct seccomp_notif *n, int *dir)
{
	*dir = AT_FDCWD;
	switch (n->data.nr) {
#ifdef SYS_open
	case SYS_open:
	case SYS_creat:
	case SYS_stat:
	case SYS_lstat:
	case SYS_access:
		return n->data.args[0];
#endif
	case SYS_statfs:
		return n->data.args[0];
	default:
		*dir = (int)n->data.args[0];
		return n->data.args[1];
	}
}

/* "/proc/self/net/x", "/proc/12/net/x", "/proc//net/./x" are "/proc/net/x". */
static void normalise(char *path)
{
	static const char proc[] = "/proc/";
	char *out = path, *p;

	for (p = path; *p; p++) {
		if (p[0] == '/' && (p[1] == '/' || (p[1] == '.' && (p[2] == '/' || !p[2])))) {
			p += p[1] == '.';
			continue;
		}
		*out++ = *p;
	}
	*out = '\0';
	if (strncmp(path, proc, sizeof(proc) - 1))
		return;
	p = path + sizeof(proc) - 1;
	if (strncmp(p, "self/", 5) == 0)
		p += 5;
	else if (strncmp(p, "thread-self/", 12) == 0)
		p += 12;
	else if (*p >= '0' && *p <= '9')
		p += strspn(p, "0123456789") + 1;
	else
		return;
	if (strncmp(p, "net/", 4) == 0)
		memmove(path + sizeof(proc) - 1, p, strlen(p) + 1);
}

/* A relative path may begin below /proc too. */
static bool make_absolute(pid_t pid, int dir, char *path)
{
	char link[64], base[PATH_ROOM], whole[2 * PATH_ROOM];
	ssize_t len;

	if (dir == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, dir);
	len = readlink(link, base, sizeof(base) - 1);
	if (len <= 0)
		return false;
	base[len] = '\0';
	if (strncmp(base, "/proc", 5))
		return false;
	snprintf(whole, sizeof(whole), "%s/%s", base, path);
	if (strlen(whole) >= PATH_ROOM)
		return false;
	strcpy(path, whole);
	return true;
}

static bool may_be_ours(struct supervisor *s, const struct seccomp_notif *n, char path[PATH_ROOM])
{
	int dir;
	uint64_t at = path_arg(n, &dir);

	if (tool_read_text((pid_t)n->pid, at, path, PATH_ROOM) || !path[0])
		return false;
	if (path[0] != '/' && !make_absolute((pid_t)n->pid, dir, path))
		return false;
	normalise(path);
	return strncmp(path, "/proc/net/", 10) == 0 || strncmp(path, "/proc/sys/net/", 14) == 0 ||
	       strncmp(path, "/sys/module/nf_", 15) == 0 || strncmp(path, "/sys/module/xt_", 15) == 0;
}

static int file_mode(struct supervisor *s, const char *path, uint32_t *mode)
{
	struct wire_head head = { .op = WIRE_FSTAT };
	struct wire_record reply = { .data = NULL };
	int err = daemon_call(s, &head, path, strlen(path) + 1, &reply);

	*mode = reply.head.a;
	wire_record_free(&reply);
	return err;
}

static int64_t put_stat(const struct seccomp_notif *n, uint32_t mode)
{
	pid_t pid = (pid_t)n->pid;
	struct stat st = { .st_mode = mode, .st_nlink = 1, .st_blksize = BLOCK };
	struct statx stx = { .stx_mask = STATX_BASIC_STATS, .stx_mode = (uint16_t)mode, .stx_nlink = 1, .stx_blksize = BLOCK };
	struct statfs fs = { .f_type = PROC_SUPER_MAGIC, .f_bsize = BLOCK, .f_namelen = 255 };

	switch (n->data.nr) {
	case SYS_statx:
		return tool_write(pid, n->data.args[4], &stx, sizeof(stx));
	case SYS_statfs:
		return tool_write(pid, n->data.args[1], &fs, sizeof(fs));
	case SYS_newfstatat:
		return tool_write(pid, n->data.args[2], &st, sizeof(st));
	default:
		return tool_write(pid, n->data.args[1], &st, sizeof(st));
	}
}

static uint64_t open_flags(const struct seccomp_notif *n)
{
	struct open_how how = { 0 };

	switch (n->data.nr) {
#ifdef SYS_open
	case SYS_open:
		return n->data.args[1];
	case SYS_creat:
		return O_WRONLY | O_CREAT | O_TRUNC;
#endif
	case SYS_openat2:
		tool_read((pid_t)n->pid, n->data.args[2], &how, sizeof(how));
		return how.flags;
	default:
		return n->data.args[2];
	}
}

static void open_to_read(struct supervisor *s, struct seccomp_notif *n, const char *path, bool cloexec)
{
	struct wire_head head = { .op = WIRE_FOPEN };
	struct wire_record reply = { .data = NULL };
	int err = daemon_call(s, &head, path, strlen(path) + 1, &reply), fd = -1;

	if (!err) {
		fd = memfd_create(path, MFD_CLOEXEC);
		if (fd < 0 || write(fd, reply.data, reply.head.len) != (ssize_t)reply.head.len || lseek(fd, 0, SEEK_SET))
			err = -ENOMEM;
	}
	wire_record_free(&reply);
	if (err == -ENOSYS)
		answer_by_kernel(s, n->id);
	else if (err)
		answer(s, n->id, err);
	else
		answer_fd(s, n, fd, false, cloexec);
	if (fd >= 0)
		close(fd);
}

/* The tool gets a connection to the daemon: its writes are seen here, or, once it stands at another number, arrive there. */
static void open_to_write(struct supervisor *s, struct seccomp_notif *n, const char *path, bool cloexec)
{
	struct wire_head head = { .op = WIRE_FWOPEN };
	struct wire_record reply = { .data = NULL };
	struct tool_socket *file = NULL;
	int fd = wire_connect(&s->daemon), err = fd;

	if (fd >= 0)
		err = wire_call(fd, &head, path, strlen(path) + 1, &reply);
	wire_record_free(&reply);
	if (err >= 0) {
		file = socket_remember(s, fd);
		err = file ? 0 : -ENOMEM;
	}
	if (file) {
		file->is_file = true;
		file->cookie = reply.head.cookie;
		file->path = strdup(path);
		answer_fd(s, n, fd, true, cloexec);
	} else if (err == -ENOSYS) {
		answer_by_kernel(s, n->id);
	} else {
		answer(s, n->id, err);
	}
	if (fd >= 0)
		close(fd);
}

void on_file_write(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *file)
{
	struct iovec iov[IOV_AT_ONCE] = { { (void *)(uintptr_t)n->data.args[1], n->data.args[2] } };
	struct wire_head head = { .op = WIRE_FWRITE };
	struct wire_record reply = { .data = NULL };
	size_t count = 1, len, path_len = strlen(file->path) + 1;
	pid_t pid = (pid_t)n->pid;
	uint8_t *text, *both;
	int64_t result;

	if (n->data.nr == SYS_writev) {
		count = MIN_OF(n->data.args[2], (uint64_t)IOV_AT_ONCE);
		if (tool_read(pid, n->data.args[1], iov, count * sizeof(*iov))) {
			answer(s, n->id, -EFAULT);
			return;
		}
	}
	result = tool_gather(pid, iov, count, WRITE_MAX, &text, &len);
	if (!result) {
		both = malloc(path_len + len);
		if (both) {
			memcpy(both, file->path, path_len);
			memcpy(both + path_len, text, len);
			result = daemon_call(s, &head, both, path_len + len, &reply);
			wire_record_free(&reply);
		}
		result = both ? result ? result : (int64_t)len : -ENOMEM;
		free(both);
		free(text);
	}
	answer(s, n->id, result);
}

void on_path(struct supervisor *s, struct seccomp_notif *n)
{
	char path[PATH_ROOM];
	uint32_t mode;
	int err;

	if (!may_be_ours(s, n, path)) {
		answer_by_kernel(s, n->id);
		return;
	}
	err = file_mode(s, path, &mode);
	if (err) {
		say(s, (pid_t)n->pid, "%s: %s", path, err == -ENOSYS ? "the host's" : strerror(-err));
		if (err == -ENOSYS)
			answer_by_kernel(s, n->id);
		else
			answer(s, n->id, err);
		return;
	}
	say(s, (pid_t)n->pid, "%s: served", path);
	switch (n->data.nr) {
	case SYS_openat:
	case SYS_openat2:
#ifdef SYS_open
	case SYS_open:
	case SYS_creat:
#endif
		if ((open_flags(n) & O_ACCMODE) == O_RDONLY)
			open_to_read(s, n, path, open_flags(n) & O_CLOEXEC);
		else
			open_to_write(s, n, path, open_flags(n) & O_CLOEXEC);
		break;
	case SYS_faccessat:
	case SYS_faccessat2:
#ifdef SYS_access
	case SYS_access:
#endif
		answer(s, n->id, 0);
		break;
	default:
		answer(s, n->id, put_stat(n, mode));
	}
}
