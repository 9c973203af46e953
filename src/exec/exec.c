/*
 * exec/exec.c - the processes of `weir exec`: in front one that waits, behind it the supervisor, below that the tool. The
 * supervisor outlives the tool when the tool left a daemon; the front ends with the tool.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int send_fd(int over, int fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(over, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int receive_fd(int over)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(over, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -ECONNRESET;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* A call that the supervisor misses must not reach the host's rules: the tool may not change those anyway. */
static void drop_capabilities(void)
{
	static const unsigned int dropped[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_MODULE };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++) {
		uint32_t bit = CAP_TO_MASK(dropped[i]);
		struct __user_cap_data_struct *part = &data[CAP_TO_INDEX(dropped[i])];

		prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, dropped[i], 0, 0);
		part->effective &= ~bit;
		part->permitted &= ~bit;
		part->inheritable &= ~bit;
	}
	syscall(SYS_capset, &head, data);
}

static void room_for_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= WATCHED_FD_END)
		return;
	limit.rlim_cur = WATCHED_FD_END;
	limit.rlim_max = MAX_OF(limit.rlim_max, limit.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_environment(const struct exec_options *options)
{
	char lock[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];

	snprintf(lock, sizeof(lock), "%s.lock", options->socket);
	setenv("WEIR_SOCKET", options->socket, 1);
	setenv("WEIR_EXEC", options->socket, 1);
	setenv("XTABLES_LOCKFILE", lock, 1);
}

/* In the tool's process; does not come back. */
static void become_tool(const struct exec_options *options, int over)
{
	struct sock_fprog program;
	int listener, err;

	program.filter = exec_filter(options, &program.len);
	set_environment(options);
	room_for_descriptors();
	/* who has CAP_SYS_ADMIN needs no promise, and sudo goes on working */
	listener = program.filter ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) : -1;
	if (listener < 0 && program.filter && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0 || send_fd(over, listener)) {
		fprintf(stderr, "weir exec: system calls cannot be watched here: %s%s\n", strerror(errno),
			errno == EBUSY ? " (another listener, of a container perhaps, has this place)" : "");
		_exit(EXEC_CANNOT_WATCH);
	}
	close(listener);
	close(over);
	if (!options->keep_caps)
		drop_capabilities();
	execvp(options->argv[0], options->argv);
	err = errno;
	fprintf(stderr, "weir exec: %s: %s\n", options->argv[0], strerror(err));
	_exit(err == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN);
}

/* --- with the library --- */

static void set_switch(const char *name, bool on)
{
	if (on)
		setenv(name, "1", 1);
	else
		unsetenv(name);
}

static void put_library_first(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *both = NULL;

	if (others && *others && asprintf(&both, "%s:%s", library, others) > 0)
		setenv("LD_PRELOAD", both, 1);
	else
		setenv("LD_PRELOAD", library, 1);
	free(both);
}

/* The fuse is for what does not come through libc: it fails instead of reaching the host's rules. */
static int run_with_library(const struct exec_options *options, struct refusal *why)
{
	struct sock_fprog program;
	int err;

	if (access(options->preload, R_OK)) {
		refuse(why, -errno, "the library %s cannot be read: %s", options->preload, strerror(errno));
		return EXEC_CANNOT_WATCH;
	}
	program.filter = exec_fuse(&program.len);
	set_environment(options);
	put_library_first(options->preload);
	set_switch("WEIR_PRELOAD_VERBOSE", options->verbose);
	set_switch("WEIR_PRELOAD_NO_PROC", options->no_proc);
	set_switch("WEIR_PRELOAD_UID0", options->uid0);
	room_for_descriptors();
	if (!program.filter || (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) &&
				(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)))) {
		refuse(why, -errno, "calls that go around the library cannot be forbidden here: %s", strerror(errno));
		return EXEC_CANNOT_WATCH;
	}
	free(program.filter);
	if (!options->keep_caps)
		drop_capabilities();
	execvp(options->argv[0], options->argv);
	err = errno;
	refuse(why, -err, "%s: %s", options->argv[0], strerror(err));
	return err == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN;
}

/* --- the supervisor's process --- */

static pid_t tool_pid;
static int status_pipe = -1;

static void on_child(int number)
{
	int status, saved = errno;

	if (tool_pid > 0 && waitpid(tool_pid, &status, WNOHANG) == tool_pid) {
		tool_pid = -1;
		if (write(status_pipe, &status, sizeof(status)) != sizeof(status))
			_exit(EXEC_CANNOT_WATCH);	/* the front is gone: nobody cares */
		close(status_pipe);
	}
	errno = saved;
}

static void supervise(const struct exec_options *options, int ctl, int pipe_out)
{
	static struct supervisor s;
	struct sigaction chld = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	int pair[2], notify, err;
	sigset_t block, before;

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	status_pipe = pipe_out;
	sigaction(SIGCHLD, &chld, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		_exit(EXEC_CANNOT_WATCH);
	sigprocmask(SIG_BLOCK, &block, &before);
	tool_pid = fork();
	if (tool_pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		signal(SIGTSTP, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGCHLD, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		close(pair[0]);
		become_tool(options, pair[1]);
	}
	if (tool_pid < 0 || write(pipe_out, &tool_pid, sizeof(tool_pid)) != sizeof(tool_pid))
		_exit(EXEC_CANNOT_WATCH);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	memset(&s, 0, sizeof(s));
	s.daemon.sun_family = AF_UNIX;
	snprintf(s.daemon.sun_path, sizeof(s.daemon.sun_path), "%s", options->socket);
	notify = receive_fd(pair[0]);
	close(pair[0]);
	err = notify < 0 ? 0 : supervisor_run(&s, options, notify, ctl);
	sigprocmask(SIG_BLOCK, &block, NULL);
	if (tool_pid > 0 && err == 0) {	/* its status is still owed */
		int status;

		if (waitpid(tool_pid, &status, 0) == tool_pid && write(status_pipe, &status, sizeof(status)) < 0)
			err = -errno;
	}
	_exit(err ? EXEC_CANNOT_WATCH : 0);
}

/* --- the front --- */

static volatile pid_t front_tool;

static void pass_on(int number)
{
	if (front_tool > 0)
		kill(front_tool, number);
}

static bool read_whole(int fd, void *into, size_t len)
{
	ssize_t n;

	do
		n = read(fd, into, len);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

int exec_run(const struct exec_options *options, struct refusal *why)
{
	struct wire_head head = { .op = WIRE_HELLO, .a = WIRE_VERSION, .b = (uint32_t)getpid() };
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	struct wire_record reply = { .data = NULL };
	int pair[2], status = 0, ctl, err;
	pid_t tool;

	if (strlen(options->socket) >= sizeof(where.sun_path)) {
		refuse(why, -ENAMETOOLONG, "%s: the path of a socket is too long", options->socket);
		return EXEC_NO_DAEMON;
	}
	strcpy(where.sun_path, options->socket);
	ctl = wire_connect(&where);
	err = ctl < 0 ? ctl : wire_call(ctl, &head, NULL, 0, &reply);
	wire_record_free(&reply);
	if (err) {
		refuse(why, err, "no daemon answers at %s: %s (start one with \"weir daemon\")", options->socket, strerror(-err));
		return EXEC_NO_DAEMON;
	}
	if (options->preload) {
		close(ctl);
		return run_with_library(options, why);
	}
	if (pipe2(pair, O_CLOEXEC)) {
		refuse(why, -errno, "no pipe: %s", strerror(errno));
		return EXEC_CANNOT_WATCH;
	}
	fflush(NULL);
	switch (fork()) {
	case -1:
		refuse(why, -errno, "no process: %s", strerror(errno));
		return EXEC_CANNOT_WATCH;
	case 0:
		close(pair[0]);
		supervise(options, ctl, pair[1]);
	}
	close(pair[1]);
	close(ctl);
	signal(SIGINT, SIG_IGN);	/* the terminal tells the tool itself */
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, pass_on);
	signal(SIGHUP, pass_on);
	if (!read_whole(pair[0], &tool, sizeof(tool))) {
		refuse(why, -EIO, "the tool could not be started");
		return EXEC_CANNOT_WATCH;
	}
	front_tool = tool;
	if (!read_whole(pair[0], &status, sizeof(status))) {
		refuse(why, -EIO, "the supervisor ended before the tool");
		return EXEC_CANNOT_WATCH;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
