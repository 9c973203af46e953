/* exec/preload/files.c - libc's calls that name a path, for those below /proc that weir serves; and who the tool believes to be. */
#undef _FORTIFY_SOURCE
#include "exec/preload/preload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define A(x) ((uint64_t)(uintptr_t)(x))
#define N(x) ((uint64_t)(x))

/* Most paths are seen through at once; exec/paths.c looks closer. */
static bool may_be_ours(const char *path)
{
	return path && preload_serves_files() && (path[0] != '/' || !strncmp(path, "/proc", 5) || !strncmp(path, "//", 2) ||
						  !strncmp(path, "/sys/module/", 12));
}

static long on_path_call(long nr, const char *path, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	if (may_be_ours(path)) {
		struct served got = preload_serve(on_path, nr, a0, a1, a2, a3, a4, 0);

		if (!got.by_kernel)
			return preload_result(got.value);
	}
	return syscall(nr, a0, a1, a2, a3, a4);
}

/* --- open --- */

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	return (int)on_path_call(SYS_openat, path, N(dir), A(path), N(flags), mode, 0);
}

/* The mode is there when a file may be made. */
#define MODE_OF(flags) ({ \
	mode_t mode_ = 0; \
	va_list args_; \
	va_start(args_, flags); \
	if ((flags) & (O_CREAT | O_TMPFILE)) \
		mode_ = va_arg(args_, mode_t); \
	va_end(args_); \
	mode_; \
})

PUBLIC int open(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE_OF(flags)); }
PUBLIC int open64(const char *path, int flags, ...) { return open_at(AT_FDCWD, path, flags, MODE_OF(flags)); }
PUBLIC int openat(int dir, const char *path, int flags, ...) { return open_at(dir, path, flags, MODE_OF(flags)); }
PUBLIC int openat64(int dir, const char *path, int flags, ...) { return open_at(dir, path, flags, MODE_OF(flags)); }
PUBLIC int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
PUBLIC int creat64(const char *path, mode_t mode) { return creat(path, mode); }

PUBLIC int __open_2(const char *path, int flags);
PUBLIC int __open64_2(const char *path, int flags);
PUBLIC int __openat_2(int dir, const char *path, int flags);
PUBLIC int __openat64_2(int dir, const char *path, int flags);
PUBLIC int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
PUBLIC int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
PUBLIC int __openat_2(int dir, const char *path, int flags) { return open_at(dir, path, flags, 0); }
PUBLIC int __openat64_2(int dir, const char *path, int flags) { return open_at(dir, path, flags, 0); }

static int flags_of(const char *mode)
{
	int flags = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;

	return flags | (mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0) | (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

/* libc opens streams' files by itself: ours are opened here and made into a stream. */
static FILE *open_stream(const char *path, const char *mode, const char *name)
{
	FILE *(*next)(const char *, const char *) = (FILE *(*)(const char *, const char *))dlsym(RTLD_NEXT, name);

	if (may_be_ours(path)) {
		struct served got = preload_serve(on_path, SYS_openat, N(AT_FDCWD), A(path), N(flags_of(mode)), 0, 0, 0);

		if (!got.by_kernel && got.value < 0)
			return preload_result(got.value), NULL;
		if (!got.by_kernel)
			return fdopen((int)got.value, mode);
	}
	return next(path, mode);
}

PUBLIC FILE *fopen(const char *path, const char *mode) { return open_stream(path, mode, "fopen"); }
PUBLIC FILE *fopen64(const char *path, const char *mode) { return open_stream(path, mode, "fopen64"); }

/* --- look --- */

static int stat_at(int dir, const char *path, void *out, int flags)
{
	return (int)on_path_call(SYS_newfstatat, path, N(dir), A(path), A(out), N(flags), 0);
}

PUBLIC int stat(const char *path, struct stat *out) { return stat_at(AT_FDCWD, path, out, 0); }
PUBLIC int lstat(const char *path, struct stat *out) { return stat_at(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW); }
PUBLIC int fstatat(int dir, const char *path, struct stat *out, int flags) { return stat_at(dir, path, out, flags); }
PUBLIC int stat64(const char *path, struct stat64 *out) { return stat_at(AT_FDCWD, path, out, 0); }
PUBLIC int lstat64(const char *path, struct stat64 *out) { return stat_at(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW); }
PUBLIC int fstatat64(int dir, const char *path, struct stat64 *out, int flags) { return stat_at(dir, path, out, flags); }

PUBLIC int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *out)
{
	return (int)on_path_call(SYS_statx, path, N(dir), A(path), N(flags), mask, A(out));
}

PUBLIC int access(const char *path, int mode) { return (int)on_path_call(SYS_faccessat, path, N(AT_FDCWD), A(path), N(mode), 0, 0); }

PUBLIC int faccessat(int dir, const char *path, int mode, int flags)
{
	if (flags)
		return (int)on_path_call(SYS_faccessat2, path, N(dir), A(path), N(mode), N(flags), 0);
	return (int)on_path_call(SYS_faccessat, path, N(dir), A(path), N(mode), 0, 0);
}

PUBLIC int statfs(const char *path, struct statfs *out) { return (int)on_path_call(SYS_statfs, path, A(path), A(out), 0, 0, 0); }
PUBLIC int statfs64(const char *path, struct statfs64 *out) { return (int)on_path_call(SYS_statfs, path, A(path), A(out), 0, 0, 0); }

/* --- weir exec --uid0 --- */

PUBLIC uid_t getuid(void) { return preload_is_uid0() ? 0 : (uid_t)syscall(SYS_getuid); }
PUBLIC uid_t geteuid(void) { return preload_is_uid0() ? 0 : (uid_t)syscall(SYS_geteuid); }
PUBLIC gid_t getgid(void) { return preload_is_uid0() ? 0 : (gid_t)syscall(SYS_getgid); }
PUBLIC gid_t getegid(void) { return preload_is_uid0() ? 0 : (gid_t)syscall(SYS_getegid); }
