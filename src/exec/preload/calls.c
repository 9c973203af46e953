/*
 * exec/preload/calls.c - libc's calls on sockets and descriptors, with the same names. Each looks whether it is about something
 * of weir's; if not, the kernel is asked as libc would have asked it.
 */
#include "exec/preload/preload.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define A(x) ((uint64_t)(uintptr_t)(x))
#define N(x) ((uint64_t)(x))

static long kernel(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	return syscall(nr, a0, a1, a2, a3, a4, a5);
}

static long serve_or_kernel(serve_fn *serve, long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct served got = preload_serve(serve, nr, a0, a1, a2, a3, a4, a5);

	return got.by_kernel ? kernel(nr, a0, a1, a2, a3, a4, a5) : preload_result(got.value);
}

/* A call whose first argument is a descriptor. */
static long on_fd(long nr, int fd, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	if (!preload_owns(fd) || !preload_is_idle())
		return kernel(nr, N(fd), a1, a2, a3, a4, a5);
	return serve_or_kernel(on_watched_fd, nr, N(fd), a1, a2, a3, a4, a5);
}

/* --- sockets --- */

static bool is_ours(int domain, int type, int protocol)
{
	if (domain == AF_NETLINK)
		return protocol == NETLINK_NETFILTER;
	return (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_RAW && (protocol == IPPROTO_RAW || protocol == IPPROTO_IGMP);
}

PUBLIC int socket(int domain, int type, int protocol)
{
	if (!preload_is_idle() || !is_ours(domain, type, protocol))
		return (int)kernel(SYS_socket, N(domain), N(type), N(protocol), 0, 0, 0);
	return (int)serve_or_kernel(on_socket, SYS_socket, N(domain), N(type), N(protocol), 0, 0, 0);
}

PUBLIC int bind(int fd, const struct sockaddr *addr, socklen_t len) { return (int)on_fd(SYS_bind, fd, A(addr), len, 0, 0, 0); }
PUBLIC int connect(int fd, const struct sockaddr *addr, socklen_t len) { return (int)on_fd(SYS_connect, fd, A(addr), len, 0, 0, 0); }
PUBLIC int getsockname(int fd, struct sockaddr *addr, socklen_t *len) { return (int)on_fd(SYS_getsockname, fd, A(addr), A(len), 0, 0, 0); }
PUBLIC int getpeername(int fd, struct sockaddr *addr, socklen_t *len) { return (int)on_fd(SYS_getpeername, fd, A(addr), A(len), 0, 0, 0); }

PUBLIC ssize_t send(int fd, const void *at, size_t len, int flags) { return on_fd(SYS_sendto, fd, A(at), len, N(flags), 0, 0); }

PUBLIC ssize_t sendto(int fd, const void *at, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	return on_fd(SYS_sendto, fd, A(at), len, N(flags), A(to), to_len);
}

PUBLIC ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) { return on_fd(SYS_sendmsg, fd, A(msg), N(flags), 0, 0, 0); }

PUBLIC int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags)
{
	return (int)on_fd(SYS_sendmmsg, fd, A(msgs), count, N(flags), 0, 0);
}

/* Straight from the socket. False: it is none of ours, *result is not set. */
static bool received(int fd, const struct iovec *iov, size_t count, int flags, struct sockaddr_nl *from, int *out_flags, long *result)
{
	struct tool_socket sock;
	int64_t got;

	if (!preload_owns(fd) || !preload_is_idle() || !preload_socket(fd, &sock))
		return false;
	got = preload_receive(fd, iov, count, flags, from, out_flags);
	if (got == -EAGAIN && sock.posted) {	/* a verdict's error may be on its way */
		preload_settle(fd);
		got = preload_receive(fd, iov, count, flags | MSG_DONTWAIT, from, out_flags);
	}
	*result = preload_result(got);
	return true;
}

PUBLIC ssize_t recvfrom(int fd, void *at, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
	struct iovec one = { at, len };
	struct sockaddr_nl sender;
	int out_flags;
	long got;

	if (!received(fd, &one, 1, flags, &sender, &out_flags, &got))
		return kernel(SYS_recvfrom, N(fd), A(at), len, N(flags), A(from), A(from_len));
	if (got >= 0 && from && from_len) {
		memcpy(from, &sender, MIN_OF((size_t)*from_len, sizeof(sender)));
		*from_len = sizeof(sender);
	}
	return got;
}

PUBLIC ssize_t recv(int fd, void *at, size_t len, int flags) { return recvfrom(fd, at, len, flags, NULL, NULL); }

PUBLIC ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sockaddr_nl sender;
	int out_flags;
	long got;

	if (!msg || !received(fd, msg->msg_iov, msg->msg_iovlen, flags, &sender, &out_flags, &got))
		return kernel(SYS_recvmsg, N(fd), A(msg), N(flags), 0, 0, 0);
	if (got < 0)
		return got;
	if (msg->msg_name)
		memcpy(msg->msg_name, &sender, MIN_OF((size_t)msg->msg_namelen, sizeof(sender)));
	msg->msg_namelen = msg->msg_name ? sizeof(sender) : 0;
	msg->msg_controllen = 0;
	msg->msg_flags = out_flags;
	return got;
}

PUBLIC int recvmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags, struct timespec *timeout)
{
	return (int)on_fd(SYS_recvmmsg, fd, A(msgs), count, N(flags), A(timeout), 0);
}

PUBLIC ssize_t readv(int fd, const struct iovec *iov, int count)
{
	struct sockaddr_nl sender;
	int out_flags;
	long got;

	if (count < 0 || !received(fd, iov, (size_t)count, 0, &sender, &out_flags, &got))
		return kernel(SYS_readv, N(fd), A(iov), N(count), 0, 0, 0);
	return got;
}

PUBLIC ssize_t read(int fd, void *at, size_t len)
{
	struct iovec one = { at, len };
	struct sockaddr_nl sender;
	int out_flags;
	long got;

	if (!received(fd, &one, 1, 0, &sender, &out_flags, &got))
		return kernel(SYS_read, N(fd), A(at), len, 0, 0, 0);
	return got;
}

PUBLIC ssize_t write(int fd, const void *at, size_t len) { return on_fd(SYS_write, fd, A(at), len, 0, 0, 0); }
PUBLIC ssize_t writev(int fd, const struct iovec *iov, int count) { return on_fd(SYS_writev, fd, A(iov), N(count), 0, 0, 0); }

/* what fortified programs call */
PUBLIC ssize_t __read_chk(int fd, void *at, size_t len, size_t room);
PUBLIC ssize_t __recv_chk(int fd, void *at, size_t len, size_t room, int flags);
PUBLIC ssize_t __recvfrom_chk(int fd, void *at, size_t len, size_t room, int flags, struct sockaddr *from, socklen_t *from_len);

PUBLIC ssize_t __read_chk(int fd, void *at, size_t len, size_t room) { return read(fd, at, len); }
PUBLIC ssize_t __recv_chk(int fd, void *at, size_t len, size_t room, int flags) { return recv(fd, at, len, flags); }

PUBLIC ssize_t __recvfrom_chk(int fd, void *at, size_t len, size_t room, int flags, struct sockaddr *from, socklen_t *from_len)
{
	return recvfrom(fd, at, len, flags, from, from_len);
}

/* --- options --- */

static long on_option(long nr, int fd, int level, int option, uint64_t value, uint64_t len)
{
	if (!preload_is_idle() || !(option_is_tables(level, option) || preload_owns(fd)))
		return kernel(nr, N(fd), N(level), N(option), value, len, 0);
	return serve_or_kernel(on_sockopt, nr, N(fd), N(level), N(option), value, len, 0);
}

PUBLIC int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	return (int)on_option(SYS_getsockopt, fd, level, option, A(value), A(len));
}

PUBLIC int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	long result = on_option(SYS_setsockopt, fd, level, option, A(value), len);

	/* waiting is the kernel's (preload.c): so is how long */
	if (!result && preload_owns(fd) && level == SOL_SOCKET && option == SO_RCVTIMEO)
		kernel(SYS_setsockopt, N(fd), N(level), N(option), A(value), len, 0);
	return (int)result;
}

/* --- descriptors --- */

PUBLIC int close(int fd)
{
	if (preload_is_own_line(fd)) {
		errno = EBADF;
		return -1;
	}
	preload_closed(fd);
	return (int)kernel(SYS_close, N(fd), 0, 0, 0, 0, 0);
}

PUBLIC int dup(int fd)
{
	int made = (int)kernel(SYS_dup, N(fd), 0, 0, 0, 0, 0);

	preload_owns_too(made, fd);
	return made;
}

PUBLIC int dup3(int fd, int to, int flags)
{
	int made = (int)kernel(SYS_dup3, N(fd), N(to), N(flags), 0, 0, 0);

	preload_owns_too(made, fd);
	return made;
}

PUBLIC int dup2(int fd, int to)
{
	if (fd == to)
		return (int)kernel(SYS_fcntl, N(fd), F_GETFD, 0, 0, 0, 0) < 0 ? -1 : to;
	return dup3(fd, to, 0);
}

PUBLIC int fcntl(int fd, int command, ...)
{
	va_list args;
	int made;

	va_start(args, command);
	made = (int)kernel(SYS_fcntl, N(fd), N(command), A(va_arg(args, void *)), 0, 0, 0);
	va_end(args);
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		preload_owns_too(made, fd);
	return made;
}

PUBLIC int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));
