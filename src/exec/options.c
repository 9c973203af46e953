/*
 * exec/options.c - get/setsockopt: those of netfilter's tables go to the daemon with what they point at, those of a netlink
 * socket say what a kernel's socket would.
 */
#include "exec/exec_internal.h"

#include <linux/filter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	OPTION_REPLACE = IPT_SO_SET_REPLACE, OPTION_ENTRIES = IPT_SO_GET_ENTRIES, OPTION_ARPT_ENTRIES = 97,
	OPTION_ORIGINAL_DST = 80,
	ENTRIES_INPUT = sizeof(struct ipt_get_entries),	/* the rest of that buffer is for the answer */
	INPUT_MAX = 4096,
};

/* --- tables --- */

/* Where REPLACE wants the old counters: a pointer inside the blob. */
static int64_t put_counters(pid_t pid, const uint8_t *blob, size_t len, const uint8_t *counters, size_t counters_len)
{
	struct ipt_replace head;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, blob, sizeof(head));
	counters_len = MIN_OF(counters_len, head.num_counters * sizeof(struct xt_counters));
	return counters_len ? tool_write(pid, (uintptr_t)head.counters, counters, counters_len) : 0;
}

static int64_t set_table(struct supervisor *s, pid_t pid, int level, int option, uint64_t at, uint32_t len)
{
	struct iovec one = { (void *)(uintptr_t)at, len };
	struct wire_head head = { .op = WIRE_SOSET, .a = (uint32_t)level, .b = (uint32_t)option, .c = len };
	struct wire_record reply = { .data = NULL };
	uint8_t *blob;
	size_t got;
	int64_t result = tool_gather(pid, &one, 1, WIRE_TOOL_MAX, &blob, &got);

	if (result)
		return result == -EMSGSIZE ? -ENOMEM : result;
	result = daemon_call(s, &head, blob, got, &reply);
	if (!result && option == OPTION_REPLACE)
		result = put_counters(pid, blob, got, reply.data, reply.head.len);
	wire_record_free(&reply);
	free(blob);
	return result == -ECONNRESET ? -ENOPROTOOPT : result;
}

static int64_t get_table(struct supervisor *s, pid_t pid, int level, int option, uint64_t at, uint64_t len_at)
{
	struct wire_head head = { .op = WIRE_SOGET, .a = (uint32_t)level, .b = (uint32_t)option };
	struct wire_record reply = { .data = NULL };
	uint8_t input[INPUT_MAX];
	size_t given;
	uint32_t room;
	int64_t result;

	if (tool_read(pid, len_at, &room, sizeof(room)))
		return -EFAULT;
	given = MIN_OF(room, option == OPTION_ENTRIES || option == OPTION_ARPT_ENTRIES ? (uint32_t)ENTRIES_INPUT : (uint32_t)INPUT_MAX);
	if (tool_read(pid, at, input, given))
		return -EFAULT;
	head.c = room;
	result = daemon_call(s, &head, input, given, &reply);
	if (!result) {
		uint32_t len = MIN_OF(room, reply.head.len);

		if (tool_write(pid, at, reply.data, len) || tool_write(pid, len_at, &len, sizeof(len)))
			result = -EFAULT;
	}
	wire_record_free(&reply);
	return result == -ECONNRESET ? -ENOPROTOOPT : result;
}

/* --- SO_ORIGINAL_DST --- */

static bool as_v6(const struct sockaddr_storage *from, struct sockaddr_in6 *out)
{
	const struct sockaddr_in *sin = (const void *)from;

	if (from->ss_family == AF_INET6) {
		memcpy(out, from, sizeof(*out));
		return true;
	}
	*out = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = sin->sin_port };
	out->sin6_addr.s6_addr[10] = out->sin6_addr.s6_addr[11] = 0xff;
	memcpy(&out->sin6_addr.s6_addr[12], &sin->sin_addr, sizeof(sin->sin_addr));
	return from->ss_family == AF_INET;
}

/* -ENOENT: not a connection of weir's; the host's kernel may know it. */
static int64_t original_dst(struct supervisor *s, struct seccomp_notif *n)
{
	struct wire_head head = { .op = WIRE_ORIGDST, .a = (uint32_t)n->data.args[1] };
	struct sockaddr_in6 addrs[2];
	struct sockaddr_storage name;
	struct wire_record reply = { .data = NULL };
	pid_t pid = (pid_t)n->pid;
	int fd = tool_fd(s, pid, (int)n->data.args[0]);
	socklen_t len = sizeof(name);
	uint32_t room;
	int64_t result = -ENOENT;

	if (fd < 0)
		return -ENOENT;
	if (!getsockname(fd, (struct sockaddr *)&name, &len) && as_v6(&name, &addrs[0])) {
		len = sizeof(name);
		if (!getpeername(fd, (struct sockaddr *)&name, &len) && as_v6(&name, &addrs[1]))
			result = daemon_call(s, &head, addrs, sizeof(addrs), &reply);
	}
	tool_fd_done(fd);
	if (!result) {
		if (tool_read(pid, n->data.args[4], &room, sizeof(room)))
			result = -EFAULT;
		else if (room < reply.head.len)
			result = -EINVAL;
		else if (tool_write(pid, n->data.args[3], reply.data, reply.head.len) ||
			 tool_write(pid, n->data.args[4], &reply.head.len, sizeof(uint32_t)))
			result = -EFAULT;
	}
	wire_record_free(&reply);
	return result;
}

/* --- a netlink socket's own --- */

static int64_t attach_filter(struct supervisor *s, struct tool_socket *sock, pid_t pid, uint64_t at, struct wire_head *head)
{
	struct sock_filter program[BPF_MAXINSNS];
	struct wire_record reply = { .data = NULL };
	struct sock_fprog prog;
	int64_t result;

	if (tool_read(pid, at, &prog, sizeof(prog)))
		return -EFAULT;
	if (!prog.len || prog.len > BPF_MAXINSNS)
		return -EINVAL;
	if (tool_read(pid, (uintptr_t)prog.filter, program, prog.len * sizeof(*program)))
		return -EFAULT;
	result = daemon_call(s, head, program, prog.len * sizeof(*program), &reply);
	wire_record_free(&reply);
	return result;
}

static int64_t set_timeout(struct tool_socket *sock, pid_t pid, uint64_t at)
{
	struct timeval tv;

	if (tool_read(pid, at, &tv, sizeof(tv)))
		return -EFAULT;
	sock->receive_timeout_ns = (int64_t)tv.tv_sec * NSEC_PER_SEC + (int64_t)tv.tv_usec * 1000;
	return 0;
}

static int64_t set_own(struct supervisor *s, struct seccomp_notif *n, struct tool_socket *sock)
{
	const uint64_t *a = (const void *)n->data.args;
	int level = (int)a[1], option = (int)a[2];
	struct wire_head head = { .op = WIRE_NLOPT, .cookie = sock->cookie, .a = (uint32_t)level, .b = (uint32_t)option };
	struct wire_record reply = { .data = NULL };
	pid_t pid = (pid_t)n->pid;
	uint32_t value = 0;
	int64_t result;

	if (level == SOL_SOCKET && option == SO_ATTACH_FILTER)
		return attach_filter(s, sock, pid, a[3], &head);
	if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO))
		return option == SO_RCVTIMEO ? set_timeout(sock, pid, a[3]) : 0;
	if (a[4] >= sizeof(value) && tool_read(pid, a[3], &value, sizeof(value)))
		return -EFAULT;
	if (level == SOL_SOCKET && (option == SO_RCVBUF || option == SO_RCVBUFFORCE))
		sock->rcvbuf = value * 2;
	if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_SNDBUFFORCE))
		sock->sndbuf = value * 2;
	head.c = value;
	result = daemon_call(s, &head, NULL, 0, &reply);
	wire_record_free(&reply);
	if (!result && level == SOL_NETLINK && option == NETLINK_ADD_MEMBERSHIP && value - 1 < 32)
		sock->groups |= 1u << (value - 1);
	return result;
}

static int64_t get_own(struct seccomp_notif *n, const struct tool_socket *sock)
{
	const uint64_t *a = (const void *)n->data.args;
	pid_t pid = (pid_t)n->pid;
	uint32_t value = 0, room, len = sizeof(value);

	if (tool_read(pid, a[4], &room, sizeof(room)))
		return -EFAULT;
	if ((int)a[1] == SOL_SOCKET) {
		switch ((int)a[2]) {
		case SO_RCVBUF: value = sock->rcvbuf; break;
		case SO_SNDBUF: value = sock->sndbuf; break;
		case SO_TYPE: value = SOCK_RAW; break;
		case SO_DOMAIN: value = AF_NETLINK; break;
		case SO_PROTOCOL: value = NETLINK_NETFILTER; break;
		}
	}
	len = MIN_OF(len, room);
	return tool_write(pid, a[3], &value, len) || tool_write(pid, a[4], &len, sizeof(len)) ? -EFAULT : 0;
}

static bool on_own(struct supervisor *s, struct seccomp_notif *n)
{
	int fd = tool_fd(s, (pid_t)n->pid, (int)n->data.args[0]);
	struct tool_socket *sock = fd < 0 ? NULL : socket_of_fd(s, fd);

	if (fd >= 0)
		tool_fd_done(fd);
	if (!sock || sock->is_file)
		return false;
	answer(s, n->id, n->data.nr == SYS_setsockopt ? set_own(s, n, sock) : get_own(n, sock));
	return true;
}

static bool is_among(const uint16_t (*ranges)[2], size_t count, int option)
{
	for (size_t i = 0; i < count; i++)
		if (option >= ranges[i][0] && option <= ranges[i][1])
			return true;
	return false;
}

/* A netlink socket has no options of these levels. */
bool option_is_tables(int level, int option)
{
	if (level == IPPROTO_IP)
		return is_among(table_options4, ARRAY_SIZE(table_options4), option);
	return level == IPPROTO_IPV6 && is_among(table_options6, ARRAY_SIZE(table_options6), option);
}

void on_sockopt(struct supervisor *s, struct seccomp_notif *n)
{
	const uint64_t *a = (const void *)n->data.args;
	int level = (int)a[1], option = (int)a[2];
	bool is_set = n->data.nr == SYS_setsockopt;
	pid_t pid = (pid_t)n->pid;
	int64_t result;

	if (!option_is_tables(level, option)) {
		if (!on_own(s, n))
			answer_by_kernel(s, n->id);
		return;
	}
	if (option == OPTION_ORIGINAL_DST) {
		result = is_set ? -ENOENT : original_dst(s, n);
		if (result == -ENOENT || result == -ECONNRESET)
			answer_by_kernel(s, n->id);
		else
			answer(s, n->id, result);
		return;
	}
	result = is_set ? set_table(s, pid, level, option, a[3], (uint32_t)a[4]) : get_table(s, pid, level, option, a[3], a[4]);
	say(s, pid, "%ssockopt(%s, %d): %s", is_set ? "set" : "get", level == IPPROTO_IP ? "SOL_IP" : "SOL_IPV6", option,
	    result ? strerror((int)-result) : "served");
	answer(s, n->id, result);
}
