/*
 * daemon/confine.c - see confine.h. The filter is a list of numbers compared one after the other; the kernel remembers which
 * numbers always pass, so a call of the list costs nothing more than without a filter.
 */
#include "daemon/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/types.h"

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0u		/* no filter is known to be right there */
#endif

/* What serving takes: descriptors that are there, files of the state, memory, time, threads. */
static const int allowed[] = {
	__NR_read, __NR_write, __NR_readv, __NR_writev, __NR_pread64, __NR_pwrite64, __NR_close, __NR_lseek, __NR_fsync, __NR_fdatasync,
	__NR_recvfrom, __NR_recvmsg, __NR_recvmmsg, __NR_sendto, __NR_sendmsg, __NR_sendmmsg, __NR_accept4, __NR_accept, __NR_shutdown,
	__NR_getsockopt, __NR_setsockopt, __NR_getsockname, __NR_getpeername, __NR_sendfile,
	__NR_epoll_create1, __NR_epoll_ctl, __NR_epoll_pwait, __NR_ppoll, __NR_pselect6, __NR_eventfd2,
	__NR_timerfd_create, __NR_timerfd_settime, __NR_timerfd_gettime,
	__NR_openat, __NR_fstat, __NR_newfstatat, __NR_statx, __NR_faccessat, __NR_readlinkat, __NR_getdents64, __NR_renameat,
	__NR_unlinkat, __NR_ftruncate, __NR_fcntl, __NR_dup, __NR_dup3, __NR_getcwd,
	__NR_memfd_create, __NR_mmap, __NR_munmap, __NR_mremap, __NR_mprotect, __NR_madvise, __NR_brk,
	__NR_clock_gettime, __NR_clock_getres, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_getrandom,
	__NR_futex, __NR_sched_yield, __NR_sched_getaffinity, __NR_set_robust_list, __NR_rseq, __NR_membarrier, __NR_gettid,
	__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigtimedwait, __NR_sigaltstack, __NR_tgkill, __NR_getpid,
	__NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_uname, __NR_sysinfo, __NR_prlimit64, __NR_restart_syscall, __NR_exit,
	__NR_exit_group,
#ifdef __x86_64__
	__NR_poll, __NR_select, __NR_epoll_wait, __NR_open, __NR_stat, __NR_lstat, __NR_access, __NR_readlink, __NR_rename, __NR_unlink,
	__NR_dup2, __NR_time, __NR_mkdir, __NR_arch_prctl,
#endif
};

/* Whoever asks for these is not weir any more. */
static const int deadly[] = {
	__NR_execve, __NR_execveat, __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_bpf, __NR_mount, __NR_umount2,
	__NR_setns, __NR_unshare, __NR_init_module, __NR_finit_module, __NR_kexec_load, __NR_reboot, __NR_pivot_root, __NR_chroot,
	__NR_setuid, __NR_setgid, __NR_setresuid, __NR_setresgid, __NR_capset, __NR_kill, __NR_perf_event_open, __NR_userfaultfd,
	__NR_keyctl, __NR_add_key, __NR_open_by_handle_at, __NR_pidfd_getfd,
};

/* --- the user --- */

static bool read_id(const char *text, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out < UINT32_MAX;
}

int confine_user(const char *text, uid_t *uid, gid_t *gid, struct refusal *why)
{
	const char *colon = strchr(text, ':');
	const struct passwd *user;
	const struct group *group;
	unsigned long id;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", colon ? (int)(colon - text) : (int)sizeof(name) - 1, text);
	user = getpwnam(name);
	if (user) {
		*uid = user->pw_uid;
		*gid = user->pw_gid;
	} else if (read_id(name, &id)) {
		*uid = (uid_t)id;
		user = getpwuid(*uid);
		*gid = user ? user->pw_gid : (gid_t)id;
	} else {
		return refuse(why, -ENOENT, "there is no user \"%s\"", name);
	}
	if (!colon)
		return 0;
	group = getgrnam(colon + 1);
	if (group)
		*gid = group->gr_gid;
	else if (read_id(colon + 1, &id))
		*gid = (gid_t)id;
	else
		return refuse(why, -ENOENT, "there is no group \"%s\"", colon + 1);
	return 0;
}

static void drop_bounds(void)
{
	for (int cap = 0; cap <= 63; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);	/* not allowed to who has none */
}

int confine_drop(uid_t uid, gid_t gid, struct refusal *why)
{
	uid_t real, effective, saved;

	drop_bounds();
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return refuse(why, -errno, "cannot become user %u, group %u: %s", uid, gid, strerror(errno));
	if (getresuid(&real, &effective, &saved) || real != uid || effective != uid || saved != uid ||
	    (uid && (setuid(0) == 0 || seteuid(0) == 0)))
		return refuse(why, -EPERM, "the way back from user %u is open", uid);
	return 0;
}

/* --- capabilities and calls --- */

int confine_capabilities(struct refusal *why)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	drop_bounds();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(__NR_capset, &head, none))
		return refuse(why, -errno, "capabilities cannot be given up: %s", strerror(errno));
	return 0;
}

enum { PROGRAM_MAX = 8 + 2 * (ARRAY_SIZE(allowed) + ARRAY_SIZE(deadly)) };

static unsigned short program_make(struct sock_filter *at)
{
	struct sock_filter *begin = at;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, deadly[i], 0, 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	return (unsigned short)(at - begin);
}

int confine_calls(struct refusal *why)
{
	struct sock_filter program[PROGRAM_MAX];
	struct sock_fprog filter = { .filter = program };
	int err = confine_capabilities(why);

	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return refuse(why, -errno, "new privileges cannot be given up: %s", strerror(errno));
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* nobody looks into its memory */
	if (!OUR_ARCH)
		return refuse(why, -ENOSYS, "no list of system calls is known for this machine (--no-confine goes without)");
	filter.len = program_make(program);
	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter))
		return refuse(why, -errno, "the list of system calls cannot be set: %s", strerror(errno));
	return 0;
}
