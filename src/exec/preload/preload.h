/*
 * exec/preload/preload.h - `weir exec --preload`: the same answers as the supervisor's (exec/), given inside the tool by a
 * library that stands before libc. A call that means netfilter is put into the shape that exec/ serves and answered on
 * the spot; all others go to the kernel. Faster than being stopped for each call; blind to what does not come through libc.
 */
#ifndef WEIR_PRELOAD_H
#define WEIR_PRELOAD_H

#include "exec/exec_internal.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#define PUBLIC __attribute__((visibility("default")))

/* A served call's result; @by_kernel: it is not ours, the kernel has it. */
struct served { bool by_kernel; int64_t value; };

typedef void serve_fn(struct supervisor *s, struct seccomp_notif *n);
/* Serves one call of the tool. Never from inside another one: preload_is_idle(). */
struct served preload_serve(serve_fn *serve, long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
/* False without a daemon in the environment, and while weir itself makes calls in this thread. */
bool preload_is_idle(void);
bool preload_serves_files(void);
bool preload_is_uid0(void);

/* Which descriptors are weir's, as far as this process made them. */
bool preload_owns(int fd);
void preload_owns_too(int fd, int like);	/* fd was made from like */
void preload_closed(int fd);
bool preload_is_own_line(int fd);		/* the library's connection: tools that close everything do not close it */

/* Is it a netlink socket of ours? A copy of what is known of it. */
bool preload_socket(int fd, struct tool_socket *out);
/* As socket_settle(). */
void preload_settle(int fd);
/*
 * receive.c: the next message straight into the tool's pieces, @name for its sender; as recvmsg(2) with its flags in
 * *out_flags, or negative errno.
 */
int64_t preload_receive(int fd, const struct iovec *iov, size_t count, int flags, struct sockaddr_nl *from, int *out_flags);

/* As libc's calls return: -1 with errno. */
static inline long preload_result(int64_t value)
{
	if (value >= 0)
		return (long)value;
	errno = (int)-value;
	return -1;
}

#endif
