/*
 * exec/sockets.c - netlink sockets of a tool. What the tool holds is a Unix socket to the daemon: answers and events come
 * on it, so that poll() and select() tell the truth; all it sends goes through the supervisor and returns when the
 * daemon has done it, as in a kernel.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEND_MAX = WIRE_TOOL_MAX, BUFFER_DEFAULT = 212992 };

/* --- which socket is it --- */

static uint64_t kernel_cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0 : cookie;
}

struct tool_socket *socket_of_fd(struct supervisor *s, int fd)
{
	uint64_t cookie = kernel_cookie_of(fd);

	for (unsigned int i = 0; cookie && i < s->socket_room; i++)
		if (s->sockets[i].kernel_cookie == cookie)
			return &s->sockets[i];
	return NULL;
}

static void release(struct supervisor *s, struct tool_socket *sock)
{
	if (sock->kept) {
		wire_record_free(sock->kept);
		free(sock->kept);
		s->kept_count--;
	}
	free(sock->path);
	*sock = (struct tool_socket){ 0 };
}

/* The daemon knows which have been closed. */
static void forget_closed(struct supervisor *s)
{
	for (unsigned int i = 0; i < s->socket_room; i++) {
		struct wire_head head = { .op = WIRE_ALIVE, .cookie = s->sockets[i].cookie };
		struct wire_record reply;

		if (!s->sockets[i].kernel_cookie || daemon_call(s, &head, NULL, 0, &reply) == 0)
			continue;
		release(s, &s->sockets[i]);
	}
}

static struct tool_socket *free_place(struct supervisor *s)
{
	for (unsigned int i = 0; i < s->socket_room; i++)
		if (!s->sockets[i].kernel_cookie)
			return &s->sockets[i];
	return NULL;
}

struct tool_socket *socket_remember(struct supervisor *s, int fd)
{
	struct tool_socket *sock = free_place(s), *more;
	unsigned int room = s->socket_room ? s->socket_room * 2 : TOOL_SOCKETS_MAX;

	if (!sock && s->socket_room) {
		forget_closed(s);
		sock = free_place(s);
	}
	if (!sock) {
		more = realloc(s->sockets, room * sizeof(*more));
		if (!more)
			return NULL;
		memset(more + s->socket_room, 0, (room - s->socket_room) * sizeof(*more));
		sock = &more[s->socket_room];
		s->sockets = more;
		s->socket_room = room;
	}
	*sock = (struct tool_socket){ .kernel_cookie = kernel_cookie_of(fd), .rcvbuf = BUFFER_DEFAULT, .sndbuf = BUFFER_DEFAULT };
	return sock;
}

void sockets_free(struct supervisor *s)
{
	for (unsigned int i = 0; i < s->socket_room; i++)
		release(s, &s->sockets[i]);
	free(s->sockets);
}

/* --- socket() --- */

static void open_netlink(struct supervisor *s, struct seccomp_notif *n)
{
	struct wire_head head = { .op = WIRE_NLOPEN, .b = NETLINK_NETFILTER, .c = n->pid };
	uint32_t type = (uint32_t)n->data.args[1];
	struct wire_record reply = { .data = NULL };
	struct tool_socket *sock;
	int fd = wire_connect(&s->daemon), err = fd;

	if (fd >= 0)
		err = wire_call(fd, &head, NULL, 0, &reply);
	wire_record_free(&reply);
	sock = err < 0 ? NULL : socket_remember(s, fd);
	if (!sock) {
		say(s, (pid_t)n->pid, "no netlink socket: %s", err < 0 ? strerror(-err) : "no memory");
		if (fd >= 0)
			close(fd);
		answer(s, n->id, -EPROTONOSUPPORT);
		return;
	}
	sock->cookie = reply.head.cookie;
	sock->port = reply.head.a;
	if (type & SOCK_NONBLOCK)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	answer_fd(s, n, fd, true, type & SOCK_CLOEXEC);
	close(fd);
}

void on_socket(struct supervisor *s, struct seccomp_notif *n)
{
	int domain = (int)n->data.args[0], fd;
	uint32_t type = (uint32_t)n->data.args[1];

	if (domain == AF_NETLINK) {
		open_netlink(s, n);
		return;
	}
	/* what the descriptor is does not matter: its options are known by level and number */
	fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		answer(s, n->id, -errno);
		return;
	}
	answer_fd(s, n, fd, false, type & SOCK_CLOEXEC);
	close(fd);
}

/* --- verdicts --- */

/* Nothing but requests of NFQUEUE's that @is_wanted, in messages that are whole. */
static bool all_of_queue(const uint8_t *bytes, size_t len, bool (*is_wanted)(const struct nlmsghdr *nlh))
{
	struct nlmsghdr nlh;

	for (size_t at = 0, step; at < len; at += step) {
		if (len - at < sizeof(nlh))
			return false;
		memcpy(&nlh, bytes + at, sizeof(nlh));
		step = NLMSG_ALIGN((size_t)nlh.nlmsg_len);
		if (nlh.nlmsg_len < sizeof(nlh) || nlh.nlmsg_len > len - at || NFNL_SUBSYS_ID(nlh.nlmsg_type) != NFNL_SUBSYS_QUEUE ||
		    !is_wanted(&nlh))
			return false;
	}
	return len;
}

/* Nobody waits for an answer to it, unless it fails: then the error comes as any message. */
static bool is_lone_verdict(const struct nlmsghdr *nlh)
{
	return (NFNL_MSG_TYPE(nlh->nlmsg_type) == NFQNL_MSG_VERDICT || NFNL_MSG_TYPE(nlh->nlmsg_type) == NFQNL_MSG_VERDICT_BATCH) &&
	       !(nlh->nlmsg_flags & (NLM_F_ACK | NLM_F_ECHO));
}

static bool is_config(const struct nlmsghdr *nlh) { return NFNL_MSG_TYPE(nlh->nlmsg_type) == NFQNL_MSG_CONFIG; }

void socket_settle(struct supervisor *s, struct tool_socket *sock)
{
	struct wire_head head = { .op = WIRE_ALIVE, .cookie = sock->cookie };
	struct wire_record reply;

	sock->posted = false;
	daemon_call(s, &head, NULL, 0, &reply);
	wire_record_free(&reply);
}

/* @not_served: the daemon's sentence, NULL when it had none. */
static void say_request(struct supervisor *s, pid_t pid, const uint8_t *bytes, size_t len, const char *not_served)
{
	struct nlmsghdr nlh;

	if (!s->options->verbose || len < sizeof(nlh))
		return;
	memcpy(&nlh, bytes, sizeof(nlh));
	if (not_served && *not_served)
		say(s, pid, "%s", not_served);
	else
		say(s, pid, "nfnetlink subsystem %u, command %u: served", NFNL_SUBSYS_ID(nlh.nlmsg_type), NFNL_MSG_TYPE(nlh.nlmsg_type));
}

/* --- calls on it --- */

/* Verdicts go on the socket itself and are done before whatever the daemon is asked next; all else waits until it was done. */
static int64_t send_bytes(struct supervisor *s, struct tool_socket *sock, pid_t pid, int fd, const struct iovec *iov, size_t count)
{
	struct wire_head head = { .op = WIRE_NLSEND, .cookie = sock->cookie }, post = { .op = WIRE_NLSEND, .flags = WIRE_POSTED };
	struct wire_record reply = { .data = NULL };
	uint8_t *bytes;
	size_t len;
	int err = tool_gather(pid, iov, count, SEND_MAX, &bytes, &len);

	if (err)
		return err;
	sock->bound = true;
	if (sock->has_queue && len <= WIRE_INLINE_MAX && all_of_queue(bytes, len, is_lone_verdict) &&
	    !wire_send(fd, &post, bytes, len, MSG_DONTWAIT)) {
		sock->posted = true;
		say_request(s, pid, bytes, len, NULL);
		free(bytes);
		return (int64_t)len;
	}
	sock->has_queue = sock->has_queue || all_of_queue(bytes, len, is_config);
	head.flags = sock->has_queue ? WIRE_WILL_POST : 0;
	err = daemon_call(s, &head, bytes, len, &reply);
	sock->posted = false;
	if (!err)
		say_request(s, pid, bytes, len, (const char *)reply.data);
	wire_record_free(&reply);
	free(bytes);
	return err == -ECONNRESET ? -ECONNREFUSED : err ? err : (int64_t)len;
}

/* struct msghdr of the tool and its pieces. */
static int64_t send_msg(struct supervisor *s, struct tool_socket *sock, pid_t pid, int fd, uint64_t at)
{
	struct msghdr msg;
	struct iovec *iov;
	int64_t sent;

	if (tool_read(pid, at, &msg, sizeof(msg)))
		return -EFAULT;
	if (msg.msg_iovlen > IOV_MAX_COUNT)
		return -EMSGSIZE;
	iov = calloc(msg.msg_iovlen + 1, sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	sent = tool_read(pid, (uintptr_t)msg.msg_iov, iov, msg.msg_iovlen * sizeof(*iov)) ? -EFAULT :
	       send_bytes(s, sock, pid, fd, iov, msg.msg_iovlen);
	free(iov);
	return sent;
}

static int64_t send_many(struct supervisor *s, struct tool_socket *sock, pid_t pid, int fd, uint64_t at, uint32_t count)
{
	int64_t done = 0;

	for (; done < count && done < IOV_MAX_COUNT; done++) {
		uint64_t here = at + (uint64_t)done * sizeof(struct mmsghdr);
		int64_t sent = send_msg(s, sock, pid, fd, here);
		unsigned int len = (unsigned int)sent;

		if (sent < 0)
			return done ? done : sent;
		if (tool_write(pid, here + offsetof(struct mmsghdr, msg_len), &len, sizeof(len)))
			return -EFAULT;
	}
	return done;
}

static int64_t send_vector(struct supervisor *s, struct tool_socket *sock, pid_t pid, int fd, uint64_t at, uint64_t count)
{
	struct iovec *iov;
	int64_t sent;

	if (count > IOV_MAX_COUNT)
		return -EINVAL;
	iov = calloc(count + 1, sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	sent = tool_read(pid, at, iov, count * sizeof(*iov)) ? -EFAULT : send_bytes(s, sock, pid, fd, iov, count);
	free(iov);
	return sent;
}

static int64_t bind_it(struct supervisor *s, struct tool_socket *sock, pid_t pid, uint64_t at, uint64_t len)
{
	struct sockaddr_nl addr;
	struct wire_head head = { .op = WIRE_BIND, .cookie = sock->cookie };
	struct wire_record reply = { .data = NULL };
	int err;

	if (len < sizeof(addr))
		return -EINVAL;
	if (tool_read(pid, at, &addr, sizeof(addr)))
		return -EFAULT;
	if (addr.nl_family != AF_NETLINK)
		return -EINVAL;
	head.a = addr.nl_pid;
	head.b = addr.nl_groups;
	err = daemon_call(s, &head, NULL, 0, &reply);
	wire_record_free(&reply);
	if (err)
		return err;
	sock->bound = true;
	sock->port = reply.head.a;
	sock->groups = addr.nl_groups;
	return 0;
}

/* Writes an address where the tool wants it, as much as there is room for. */
static int64_t put_name(pid_t pid, uint64_t at, uint64_t len_at, uint32_t port, uint32_t groups)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups };
	socklen_t room, len = sizeof(addr);

	if (tool_read(pid, len_at, &room, sizeof(room)) || tool_write(pid, at, &addr, MIN_OF(room, len)) ||
	    tool_write(pid, len_at, &len, sizeof(len)))
		return -EFAULT;
	return 0;
}

static void duplicate(struct supervisor *s, struct seccomp_notif *n, int fd)
{
	bool cloexec = n->data.nr == SYS_fcntl && n->data.args[1] == F_DUPFD_CLOEXEC;

	answer_fd(s, n, fd, true, cloexec);
}

/* The first argument is a descriptor in the watched range. @fd: of tool_fd(), given back here or handed on. */
static void on_netlink_fd(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *sock, int fd)
{
	const uint64_t *a = (const void *)n->data.args;
	struct iovec one = { (void *)(uintptr_t)a[1], a[2] };
	pid_t pid = (pid_t)n->pid;
	int64_t result;

	switch (n->data.nr) {
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_read:
	case SYS_readv:
	case SYS_recvmmsg:
		on_receive(s, n, sock, fd);
		return;
	case SYS_dup:
	case SYS_fcntl:
		duplicate(s, n, fd);
		tool_fd_done(fd);
		return;
	case SYS_sendto:
	case SYS_write:
		result = send_bytes(s, sock, pid, fd, &one, 1);
		break;
	case SYS_writev:
		result = send_vector(s, sock, pid, fd, a[1], a[2]);
		break;
	case SYS_sendmsg:
		result = send_msg(s, sock, pid, fd, a[1]);
		break;
	case SYS_sendmmsg:
		result = send_many(s, sock, pid, fd, a[1], (uint32_t)a[2]);
		break;
	case SYS_bind:
		result = bind_it(s, sock, pid, a[1], a[2]);
		break;
	case SYS_connect:
		result = 0;	/* to the kernel, where else */
		break;
	case SYS_getsockname:
		result = put_name(pid, a[1], a[2], sock->bound ? sock->port : 0, sock->groups);
		break;
	case SYS_getpeername:
		result = put_name(pid, a[1], a[2], 0, 0);
		break;
	default:	/* dup2, dup3: a number outside the range would not be watched */
		result = -EMFILE;
		say(s, pid, "dup2() of a netlink socket is not served");
	}
	tool_fd_done(fd);
	answer(s, n->id, result);
}

void on_watched_fd(struct supervisor *s, struct seccomp_notif *n)
{
	int fd = tool_fd(s, (pid_t)n->pid, (int)n->data.args[0]);
	struct tool_socket *sock = fd < 0 ? NULL : socket_of_fd(s, fd);

	if (sock && !sock->is_file) {
		on_netlink_fd(s, n, sock, fd);
		return;
	}
	if (sock && (n->data.nr == SYS_write || n->data.nr == SYS_writev))
		on_file_write(s, n, sock);
	else if (fd < 0)
		answer(s, n->id, fd);
	else
		answer_by_kernel(s, n->id);	/* the tool's own: it chose a high number */
	if (fd >= 0)
		tool_fd_done(fd);
}
