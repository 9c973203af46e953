/*
 * exec/filter.c - which system calls a tool's supervisor is asked about. BPF sees numbers, not memory: sockets by domain and
 * protocol, options by level and number, descriptors by their range, and every call that names a path.
 */
#include "exec/exec_internal.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { PROGRAM_MAX = 400, ORIGINAL_DST = 80, X32_CALLS = 0x40000000 };

struct program { struct sock_filter *at; unsigned short count; uint32_t watched; };	/* what becomes of a watched call */

static void emit(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->at[p->count++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct program *p, size_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset); }
static void load_nr(struct program *p) { load(p, offsetof(struct seccomp_data, nr)); }
static void load_arg(struct program *p, unsigned int i) { load(p, offsetof(struct seccomp_data, args) + 8 * i); }
static void ret(struct program *p, uint32_t what) { emit(p, BPF_RET | BPF_K, 0, 0, what); }

/* The next @skip instructions are for equal values only. */
static void unless_equal_skip(struct program *p, uint32_t value, uint8_t skip) { emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, skip, value); }

/* Accumulator in [first, last]: notify. */
static void notify_range(struct program *p, uint32_t first, uint32_t last)
{
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 2, first);
	emit(p, BPF_JMP | BPF_JGT | BPF_K, 1, 0, last);
	ret(p, p->watched);
}

static void watch_call(struct program *p, uint32_t nr)
{
	unless_equal_skip(p, nr, 1);
	ret(p, p->watched);
}

static void answer_call(struct program *p, uint32_t nr, uint32_t err)
{
	unless_equal_skip(p, nr, 1);
	ret(p, SECCOMP_RET_ERRNO | err);
}

/* Begins a block for one call; block_end() fills in how far others jump over it. */
static unsigned short block_begin(struct program *p, uint32_t nr)
{
	load_nr(p);
	unless_equal_skip(p, nr, 0);
	return p->count;
}

static void block_end(struct program *p, unsigned short begin)
{
	ret(p, SECCOMP_RET_ALLOW);
	p->at[begin - 1].jf = (uint8_t)(p->count - begin);
}

static void watch_sockets(struct program *p)
{
	unsigned short b = block_begin(p, SYS_socket);

	load_arg(p, 0);
	unless_equal_skip(p, AF_NETLINK, 4);
	load_arg(p, 2);
	unless_equal_skip(p, NETLINK_NETFILTER, 1);
	ret(p, p->watched);
	ret(p, SECCOMP_RET_ALLOW);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_INET);
	unless_equal_skip(p, AF_INET6, 7);
	load_arg(p, 1);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf);
	unless_equal_skip(p, SOCK_RAW, 4);
	load_arg(p, 2);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IPPROTO_RAW);	/* iptables */
	unless_equal_skip(p, IPPROTO_IGMP, 1);			/* ebtables, by mistake */
	ret(p, p->watched);
	block_end(p, b);
}

static void watch_options(struct program *p, uint32_t nr)
{
	unsigned short b = block_begin(p, nr);

	if (p->watched == SECCOMP_RET_USER_NOTIF) {
		load_arg(p, 0);
		notify_range(p, WATCHED_FD_FIRST, WATCHED_FD_END - 1);
	}
	load_arg(p, 1);
	unless_equal_skip(p, IPPROTO_IP, 1 + 3 * ARRAY_SIZE(table_options4) + 1);
	load_arg(p, 2);
	for (size_t i = 0; i < ARRAY_SIZE(table_options4); i++)
		notify_range(p, table_options4[i][0], table_options4[i][1]);
	ret(p, SECCOMP_RET_ALLOW);
	unless_equal_skip(p, IPPROTO_IPV6, 1 + 3 * ARRAY_SIZE(table_options6));
	load_arg(p, 2);
	for (size_t i = 0; i < ARRAY_SIZE(table_options6); i++)
		notify_range(p, table_options6[i][0], table_options6[i][1]);
	block_end(p, b);
}

static void watch_fd(struct program *p, uint32_t nr)
{
	unsigned short b = block_begin(p, nr);

	load_arg(p, 0);
	notify_range(p, WATCHED_FD_FIRST, WATCHED_FD_END - 1);
	block_end(p, b);
}

static void watch_fcntl(struct program *p)
{
	unsigned short b = block_begin(p, SYS_fcntl);

	load_arg(p, 1);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, F_DUPFD);
	unless_equal_skip(p, F_DUPFD_CLOEXEC, 4);
	load_arg(p, 0);
	notify_range(p, WATCHED_FD_FIRST, WATCHED_FD_END - 1);
	block_end(p, b);
}

/* One machine's calls only, and none that go around the filter. */
static void begin(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
#if defined(__x86_64__)
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
#elif defined(__aarch64__)
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_AARCH64);
#else
#error "weir exec needs to know this machine's system calls"
#endif
	ret(p, SECCOMP_RET_ERRNO | ENOSYS);
	load_nr(p);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_CALLS);
	ret(p, SECCOMP_RET_ERRNO | ENOSYS);
	answer_call(p, SYS_io_uring_setup, ENOSYS);	/* would go around the filter */
}

struct sock_filter *exec_filter(const struct exec_options *options, unsigned short *count)
{
	static const uint32_t by_fd[] = {
		SYS_bind, SYS_connect, SYS_getsockname, SYS_getpeername, SYS_sendto, SYS_sendmsg, SYS_recvfrom, SYS_recvmsg,
		SYS_sendmmsg, SYS_recvmmsg, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_dup, SYS_dup3,
#ifdef SYS_dup2
		SYS_dup2,
#endif
	};
	static const uint32_t by_path[] = {
		SYS_openat, SYS_openat2, SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_faccessat2, SYS_statfs,
#ifdef SYS_open
		SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access,
#endif
	};
	struct program p = { calloc(PROGRAM_MAX, sizeof(*p.at)), 0, SECCOMP_RET_USER_NOTIF };

	if (!p.at)
		return NULL;
	begin(&p);
	for (size_t i = 0; i < ARRAY_SIZE(by_path) && !options->no_proc; i++)
		watch_call(&p, by_path[i]);
	for (size_t i = 0; options->uid0 && i < 4; i++)
		answer_call(&p, (const uint32_t[]){ SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid }[i], 0);
	watch_sockets(&p);
	watch_options(&p, SYS_getsockopt);
	watch_options(&p, SYS_setsockopt);
	for (size_t i = 0; i < ARRAY_SIZE(by_fd); i++)
		watch_fd(&p, by_fd[i]);
	watch_fcntl(&p);
	ret(&p, SECCOMP_RET_ALLOW);
	*count = p.count;
	return p.at;
}

/* The original destination of a connection that is not weir's is the host's to tell: reading it changes nothing. */
struct sock_filter *exec_fuse(unsigned short *count)
{
	struct program p = { calloc(PROGRAM_MAX, sizeof(*p.at)), 0, SECCOMP_RET_ERRNO | EPERM };

	if (!p.at)
		return NULL;
	begin(&p);
	load_nr(&p);
	unless_equal_skip(&p, SYS_getsockopt, 3);
	load_arg(&p, 2);
	unless_equal_skip(&p, ORIGINAL_DST, 1);
	ret(&p, SECCOMP_RET_ALLOW);
	watch_sockets(&p);
	watch_options(&p, SYS_getsockopt);
	watch_options(&p, SYS_setsockopt);
	ret(&p, SECCOMP_RET_ALLOW);
	*count = p.count;
	return p.at;
}
