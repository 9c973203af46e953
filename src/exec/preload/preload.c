/* exec/preload/preload.c - one call at a time is served in a process; a receive that waits lets the others go on. */
#include "exec/preload/preload.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OWNED_MAX = 65536, LINE_FIRST = 900, LINE_LAST = 1023 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct supervisor the;
static struct exec_options options;
static pid_t line_of;			/* whose connection it is: a child makes its own */
static uint64_t line_cookie;		/* the kernel's, of that connection */
static bool is_active;
static uint8_t owned[OWNED_MAX];
static __thread bool inside;
static __thread struct served *box;

static uint64_t kernel_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

/* A child has copies of the parent's lock and connection: neither is its own. */
static void in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	inside = false;
}

__attribute__((constructor)) static void begin(void)
{
	const char *socket = getenv("WEIR_SOCKET");

	if (!socket || strlen(socket) >= sizeof(the.daemon.sun_path))
		return;
	the.daemon.sun_family = AF_UNIX;
	strcpy(the.daemon.sun_path, socket);
	the.ctl = the.pidfd = the.epoll = the.notify = -1;
	the.options = &options;
	options.verbose = getenv("WEIR_PRELOAD_VERBOSE");
	options.no_proc = getenv("WEIR_PRELOAD_NO_PROC");
	options.uid0 = getenv("WEIR_PRELOAD_UID0");
	is_active = pthread_atfork(NULL, NULL, in_child) == 0;
}

bool preload_is_idle(void) { return is_active && !inside; }
bool preload_serves_files(void) { return is_active && !inside && !options.no_proc; }
bool preload_is_uid0(void) { return is_active && options.uid0; }
bool preload_is_own_line(int fd) { return is_active && !inside && fd >= 0 && fd == the.ctl && line_of == getpid(); }
bool preload_owns(int fd) { return !inside && fd >= 0 && fd < OWNED_MAX && owned[fd]; }

void preload_owns_too(int fd, int like)
{
	if (fd >= 0 && fd < OWNED_MAX)
		owned[fd] = like >= 0 && like < OWNED_MAX && owned[like];
}

void preload_closed(int fd)
{
	if (!inside && fd >= 0 && fd < OWNED_MAX)
		owned[fd] = false;
}

struct served preload_serve(serve_fn *serve, long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct seccomp_notif n = { .id = 1, .pid = (uint32_t)getpid(), .data = { .nr = (int)nr, .args = { a0, a1, a2, a3, a4, a5 } } };
	struct served result = { .by_kernel = true };

	pthread_mutex_lock(&lock);
	inside = true;
	box = &result;
	serve(&the, &n);
	box = NULL;
	inside = false;
	pthread_mutex_unlock(&lock);
	return result;
}

/* --- what exec/ asks of whoever serves --- */

bool answer(struct supervisor *s, uint64_t id, int64_t value)
{
	*box = (struct served){ .value = value };
	return true;
}

void answer_by_kernel(struct supervisor *s, uint64_t id)
{
	*box = (struct served){ .by_kernel = true };
}

void answer_fd(struct supervisor *s, const struct seccomp_notif *n, int fd, bool watched, bool cloexec)
{
	int at = fcntl(fd, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);

	if (at >= 0 && at < OWNED_MAX)
		owned[at] = watched;
	answer(s, n->id, at < 0 ? -errno : at);
}

int tool_fd(struct supervisor *s, pid_t pid, int fd)
{
	return fd;
}

void tool_fd_done(int fd) { }

bool preload_socket(int fd, struct tool_socket *out)
{
	struct tool_socket *sock;

	pthread_mutex_lock(&lock);
	inside = true;
	sock = socket_of_fd(&the, fd);
	if (sock)
		*out = *sock;
	inside = false;
	pthread_mutex_unlock(&lock);
	return sock && !sock->is_file;
}

void preload_settle(int fd)
{
	struct tool_socket *sock;

	pthread_mutex_lock(&lock);
	inside = true;
	sock = socket_of_fd(&the, fd);
	if (sock)
		socket_settle(&the, sock);
	inside = false;
	pthread_mutex_unlock(&lock);
}

/* Far up, where tools do not look for free numbers. */
static int new_line(struct supervisor *s)
{
	struct wire_head hello = { .op = WIRE_HELLO, .a = WIRE_VERSION, .b = (uint32_t)getpid() };
	struct wire_record reply = { .data = NULL };
	int low = wire_connect(&s->daemon), fd, err;

	if (low < 0)
		return low;
	fd = fcntl(low, F_DUPFD_CLOEXEC, LINE_FIRST);
	close(low);
	if (fd < 0)
		return -errno;
	err = wire_call(fd, &hello, NULL, 0, &reply);
	wire_record_free(&reply);
	if (err) {
		close(fd);
		return err;
	}
	s->ctl = fd;
	line_of = getpid();
	line_cookie = kernel_cookie(fd);
	return 0;
}

/* The descriptor may be anybody's by now: a tool closed it, or this is a child. */
static int check_line(struct supervisor *s)
{
	bool same = s->ctl >= 0 && kernel_cookie(s->ctl) == line_cookie;

	if (same && line_of == getpid())
		return 0;
	if (same)
		close(s->ctl);
	s->ctl = -1;
	return new_line(s);
}

int daemon_call(struct supervisor *s, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply)
{
	int err;

	reply->data = NULL;
	for (int tries = 0; tries < 2; tries++) {
		if (check_line(s))
			return -ECONNRESET;
		err = wire_call(s->ctl, head, payload, len, reply);
		if (err != -ECONNRESET)
			return err;
		wire_record_free(reply);	/* another daemon may have taken its place */
		close(s->ctl);
		s->ctl = -1;
	}
	return -ECONNRESET;
}

void say(struct supervisor *s, pid_t pid, const char *fmt, ...)
{
	char line[512];
	va_list args;
	int len;

	if (!s->options->verbose)
		return;
	len = snprintf(line, sizeof(line), "weir exec: [%d] ", pid);
	va_start(args, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, args);
	va_end(args);
	len = MIN_OF(len, (int)sizeof(line) - 2);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)len) != len)
		return;
}

/* The kernel lets the thread wait: signals end or restart it as they would a receive. */
void park(struct supervisor *s, const struct seccomp_notif *n, struct tool_socket *sock, int fd)
{
	struct served *own = box;
	bool done = false;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);	/* other threads may close the tool's */
	if (fd < 0) {
		answer(s, n->id, -errno);
		return;
	}
	while (!done) {
		ssize_t got;

		inside = false;
		pthread_mutex_unlock(&lock);
		got = syscall(SYS_recvfrom, fd, NULL, 0, MSG_PEEK, NULL, NULL);
		pthread_mutex_lock(&lock);
		inside = true;
		box = own;
		if (got < 0) {
			answer(s, n->id, -errno);
			break;
		}
		done = try_receive(s, n, fd);
	}
	close(fd);
}

/* --- the tool's memory is one's own --- */

int tool_read(pid_t pid, uint64_t at, void *into, size_t len)
{
	if (!at && len)
		return -EFAULT;
	memcpy(into, (const void *)(uintptr_t)at, len);
	return 0;
}

int tool_write(pid_t pid, uint64_t at, const void *from, size_t len)
{
	if (!at && len)
		return -EFAULT;
	memcpy((void *)(uintptr_t)at, from, len);
	return 0;
}
