/* exec/exec_internal.h - what the files of this folder share. */
#ifndef WEIR_EXEC_INTERNAL_H
#define WEIR_EXEC_INTERNAL_H

#include "exec/exec.h"

#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include "wire/wire.h"

enum {
	WATCHED_FD_FIRST = 896,		/* weir's descriptors in a tool stand here: a filter sees numbers only, and */
	WATCHED_FD_END = 1024,		/* tools that use select() can still reach them */
	PARKED_FIRST = 64,		/* doubled as needed */
	TOOL_SOCKETS_MAX = 1024,	/* before it is asked which are still there */
	IOV_AT_ONCE = 64,
	IOV_MAX_COUNT = 1024,		/* what the kernel takes in one call */
};

/* A socket or file of weir in a tool, known by its kernel cookie however often it was duplicated. */
struct tool_socket {
	uint64_t kernel_cookie;		/* 0: free place */
	uint32_t cookie;		/* the daemon's */
	uint32_t port, groups;
	uint32_t rcvbuf, sndbuf;
	int64_t receive_timeout_ns;	/* 0: forever */
	bool bound, is_file;
	bool has_queue;			/* its verdicts are posted */
	bool posted;			/* some may not have been read yet */
	char *path;			/* of a file; owned */
	struct wire_record *kept;	/* owned; taken from the socket, but not yet by the tool */
};

/* A receive that waits for data. */
struct parked {
	bool used;
	int fd;				/* ours, of the tool's socket */
	int64_t deadline_ns;		/* 0: none */
	struct seccomp_notif notif;
};

struct supervisor {
	const struct exec_options *options;
	struct sockaddr_un daemon;
	int notify, ctl, epoll;
	struct tool_socket *sockets;
	unsigned int socket_room, kept_count;
	struct parked *parked;		/* owned */
	unsigned int parked_room;
	int pidfd;			/* of the task that called last */
	pid_t pidfd_of;
};

/* --- filter.c --- */
/* The calls that are notified; given, free(). NULL: no memory. */
struct sock_filter *exec_filter(const struct exec_options *options, unsigned short *count);
/* For a tool with the library: the same calls, where they come past it, are refused. Given as above. */
struct sock_filter *exec_fuse(unsigned short *count);

/*
 * sockets.c, receive.c, options.c, paths.c and pieces.c serve calls; who asks them is a supervisor about another process
 * (supervisor.c, park.c, memory.c), or a library inside the tool (preload/).
 */

/* --- memory.c: the tool's memory; 0 or -EFAULT --- */
int tool_read(pid_t pid, uint64_t at, void *into, size_t len);
int tool_write(pid_t pid, uint64_t at, const void *from, size_t len);
/* --- pieces.c --- */
/* A path, cut at @room; -EFAULT, -ENAMETOOLONG. */
int tool_read_text(pid_t pid, uint64_t at, char *into, size_t room);
/* The bytes of a message of one or more pieces; *out is given. -EMSGSIZE above @max. */
int tool_gather(pid_t pid, const struct iovec *iov, size_t count, size_t max, uint8_t **out, size_t *len);
/* Spreads @len bytes over the pieces; what fits, or -EFAULT. */
ssize_t tool_scatter(pid_t pid, const struct iovec *iov, size_t count, const uint8_t *from, size_t len);

/* --- supervisor.c --- */
int supervisor_run(struct supervisor *s, const struct exec_options *options, int notify, int ctl);
/* Answers; false when the call is not waiting any more (a signal came). */
bool answer(struct supervisor *s, uint64_t id, int64_t value);
void answer_by_kernel(struct supervisor *s, uint64_t id);
/* Gives @fd to the tool as the call's result; @watched: in the range that the filter sees. */
void answer_fd(struct supervisor *s, const struct seccomp_notif *n, int fd, bool watched, bool cloexec);
/* A duplicate of the tool's descriptor, or in the tool the same; negative errno. tool_fd_done() when it is not needed any more. */
int tool_fd(struct supervisor *s, pid_t pid, int fd);
void tool_fd_done(int fd);
int daemon_call(struct supervisor *s, struct wire_head *head, const void *payload, size_t len, struct wire_record *reply);
void say(struct supervisor *s, pid_t pid, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* --- sockets.c: netlink sockets in the tool --- */
void on_socket(struct supervisor *s, struct seccomp_notif *n);
void on_watched_fd(struct supervisor *s, struct seccomp_notif *n);
struct tool_socket *socket_of_fd(struct supervisor *s, int fd);
struct tool_socket *socket_remember(struct supervisor *s, int fd);
void sockets_free(struct supervisor *s);
/* When it returns, the daemon has done all that was posted on the socket. */
void socket_settle(struct supervisor *s, struct tool_socket *sock);
/* --- receive.c --- */
/* Takes @fd: one of tool_fd(). */
void on_receive(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *sock, int fd);
/* One try; false: nothing is there yet. */
bool try_receive(struct supervisor *s, const struct seccomp_notif *n, int fd);
/* --- park.c --- */
/* Nothing is there yet: the call waits. Takes @fd, as above. */
void park(struct supervisor *s, const struct seccomp_notif *n, struct tool_socket *sock, int fd);
void parked_ready(struct supervisor *s, unsigned int index);
/* Ends receives whose time is over or whose caller is gone; when the next is due, in ms, -1: never. */
int parked_check(struct supervisor *s);
/* --- options.c --- */
/* First and last number: iptables, original destination, ip_set, arptables, ebtables, IPVS. Level IPPROTO_IP, IPPROTO_IPV6. */
static const uint16_t table_options4[][2] = { { 64, 67 }, { 80, 80 }, { 83, 83 }, { 96, 99 }, { 128, 131 }, { 1152, 1167 } };
static const uint16_t table_options6[][2] = { { 64, 65 }, { 68, 69 }, { 80, 80 } };
bool option_is_tables(int level, int option);
void on_sockopt(struct supervisor *s, struct seccomp_notif *n);
/* --- paths.c --- */
void on_path(struct supervisor *s, struct seccomp_notif *n);
void on_file_write(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *file);

#endif
