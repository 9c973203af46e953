/*
 * control/store.c - an instance as a directory. A table's file is one image; a small change is one write at its end,
 * a large one a new file and a rename. Reading goes by mmap. A namespace's rules end with the machine's run, as the
 * kernel's do, so they are never waited for; a named instance's whole files are synced, so that the worst a power
 * loss takes is the last commands.
 */
#include "control/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "table/image.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
/* The kernel's number for whoever has no user here: not one person, so it owns no instance. */
enum { OVERFLOW_UID = 65534 };
enum { TMPFS_MAGIC_NUMBER = 0x01021994, TABLES_MAX = 16, LOCK_POLL_NS = 1000000 };

struct store {
	struct table_source tables;	/* first: the callbacks get back to the store */
	int dir, family_dirs[2], lock;
	bool outlives;			/* the machine's run: whole files are synced before they are renamed */
	char path[PATH_MAX];
};

/* --- where --- */

/* The user's own place for instances. */
static int base_dir(char *path, size_t size, struct refusal *why)
{
	const unsigned int uid = geteuid();
	struct stat st;
	char run[64];

	if (uid == OVERFLOW_UID)
		return refuse(why, -EACCES, "Permission denied: user %u is nobody in particular; --instance DIR names a place",
			      uid);
	snprintf(run, sizeof(run), "/run/user/%u", uid);
	if (!uid && !access("/run", W_OK))
		snprintf(path, size, "/run/weir");
	else if (uid && !stat(run, &st) && S_ISDIR(st.st_mode) && st.st_uid == uid && !access(run, W_OK))
		snprintf(path, size, "%s/weir", run);
	else
		snprintf(path, size, "/tmp/weir-%u", uid);
	if (mkdir(path, 0700) && errno != EEXIST)
		return refuse(why, -errno, "%s cannot be made: %s", path, strerror(errno));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != uid || st.st_mode & 0022)
		return refuse(why, -EACCES, "%s is not this user's own directory", path);
	return 0;
}

/*
 * A namespace's number comes back when it is gone, its cookie does not before the machine starts anew. So
 * what stands under the same number with another cookie belonged to one that is gone.
 */
static void namespace_name(char *name, size_t size, char *number, size_t number_size)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	char boot[9] = "0";
	struct stat st = { 0 };
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, boot, 8) != 8)
			strcpy(boot, "0");
		close(fd);
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
			cookie = 0;
		close(fd);
	}
	stat("/proc/self/ns/net", &st);
	snprintf(number, number_size, "net-%llu-", (unsigned long long)st.st_ino);
	snprintf(name, size, "%s%llu-%s", number, (unsigned long long)cookie, boot);
}

static void dir_clear(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) && (errno == EISDIR || errno == EPERM))
			dir_clear(fd, entry->d_name);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static void gone_namespaces_clear(const char *base, const char *number, const char *ours)
{
	DIR *dir = opendir(base);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, number, strlen(number)) && strcmp(entry->d_name, ours))
			dir_clear(dirfd(dir), entry->d_name);
	if (dir)
		closedir(dir);
}

static int path_find(struct store *store, const char *name, struct refusal *why)
{
	char base[PATH_MAX / 2], own[128], number[64];
	int err;

	if (name && strchr(name, '/')) {
		snprintf(store->path, sizeof(store->path), "%s", name);
		return 0;
	}
	if (name && (!name[0] || name[0] == '.' || !strncmp(name, "net-", 4)))
		return refuse(why, -EINVAL, "\"%s\" is no name for an instance", name);
	err = base_dir(base, sizeof(base), why);
	if (err)
		return err;
	if (!name)
		namespace_name(own, sizeof(own), number, sizeof(number));
	snprintf(store->path, sizeof(store->path), "%s/%.120s", base, name ? name : own);
	if (!name && access(store->path, F_OK))
		gone_namespaces_clear(base, number, own);
	return 0;
}

static int dir_open_or_make(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && (!mkdirat(at, name, 0700) || errno == EEXIST))
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

int store_lock(struct store *store, int wait_sec, struct refusal *why)
{
	struct timespec began, now;

	if (store->lock >= 0)
		return 0;
	store->lock = openat(store->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock < 0)
		return refuse(why, -errno, "%s/lock cannot be opened: %s", store->path, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &began);
	while (flock(store->lock, wait_sec < 0 ? LOCK_EX : LOCK_EX | LOCK_NB)) {
		const struct timespec pause = { .tv_nsec = LOCK_POLL_NS };

		int err = errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!err && wait_sec >= 0 && now.tv_sec - began.tv_sec - (now.tv_nsec < began.tv_nsec) >= wait_sec)
			err = -EAGAIN;
		if (err) {
			close(store->lock);
			store->lock = -1;
			if (err == -EAGAIN)
				return refuse(why, err, "another command holds the instance %s", store->path);
			return refuse(why, err, "%s/lock: %s", store->path, strerror(-err));
		}
		if (wait_sec >= 0)
			nanosleep(&pause, NULL);
	}
	return 0;
}

void store_unlock(struct store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

/* --- tables --- */

static int family_dir(const struct store *store, uint8_t family)
{
	return store->family_dirs[family == NFPROTO_IPV6];
}

uint64_t store_stamp(struct store *store, uint8_t family, const char *table)
{
	struct stat st;

	if (fstatat(family_dir(store, family), table, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return (uint64_t)st.st_ino << 32 ^ (uint64_t)st.st_size ^ (uint64_t)st.st_mtim.tv_nsec << 20 ^
	       (uint64_t)st.st_mtim.tv_sec << 40;
}

static void map_release(const void *addr, size_t len)
{
	munmap((void *)addr, len);
}

static int file_map(int dir, const char *name, struct image_bytes *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err = 0;
	struct stat st;
	void *addr;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (!st.st_size || !S_ISREG(st.st_mode))
		err = -EINVAL;
	if (!err) {
		addr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (addr == MAP_FAILED)
			err = -errno;
		else
			*out = (struct image_bytes){ addr, (size_t)st.st_size, map_release };
	}
	close(fd);
	return err;
}

struct listed {
	char name[XT_TABLE_MAXNAMELEN];
	uint64_t order;
};

/* The kept tables, youngest first. */
static unsigned int tables_list(const struct store *store, uint8_t family, struct listed list[static TABLES_MAX])
{
	unsigned int count = 0;

	for (const struct table_kind *const *kind = table_kinds; *kind && count < TABLES_MAX; kind++) {
		struct image_bytes bytes;
		struct listed one;
		unsigned int at = count;

		if (file_map(family_dir(store, family), (*kind)->name, &bytes))
			continue;
		if (image_peek(bytes.addr, bytes.len, one.name, &one.order) && !strcmp(one.name, (*kind)->name)) {
			for (; at && list[at - 1].order < one.order; at--)
				list[at] = list[at - 1];
			list[at] = one;
			count++;
		}
		map_release(bytes.addr, bytes.len);
	}
	return count;
}

static int write_all(int fd, const void *bytes, size_t len, off_t at)
{
	while (len) {
		ssize_t done = pwrite(fd, bytes, MIN_OF(len, (size_t)1 << 30), at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes = (const uint8_t *)bytes + done;
		len -= (size_t)done;
		at += done;
	}
	return 0;
}

static int image_write(const struct store *store, int dir, const char *table, const struct image_change *change)
{
	char aside[XT_TABLE_MAXNAMELEN + 8];
	const size_t end = change->head_len + change->blob.head.size;
	int fd, err;

	snprintf(aside, sizeof(aside), ".%s.new", table);
	fd = openat(dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, change->head, change->head_len, 0);
	if (!err)
		err = write_all(fd, change->blob.entries, change->blob.head.size, (off_t)change->head_len);
	if (!err && end % 8 && ftruncate(fd, (off_t)ALIGN_UP(end, (size_t)8)))
		err = -errno;
	if (!err && store->outlives && fdatasync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(dir, aside, dir, table))
		err = -errno;
	if (err)
		unlinkat(dir, aside, 0);
	return err;
}

static int tail_write(const struct store *store, int dir, const char *table, const struct image_change *change)
{
	int fd = openat(dir, table, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), err;
	struct stat st;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : 0;
	if (!err && st.st_size > (off_t)change->at && ftruncate(fd, (off_t)change->at))	/* somebody died while writing */
		err = -errno;
	if (!err)
		err = write_all(fd, change->head, change->head_len, (off_t)change->at);
	if (err && !ftruncate(fd, (off_t)change->at))
		err = err ? err : -EIO;
	close(fd);
	return err;
}

static int table_write(struct store *store, struct edit *edit, struct refusal *why)
{
	const int dir = family_dir(store, edit->family);
	struct listed list[TABLES_MAX];
	struct image_change change;
	uint64_t order = 0;
	int err;

	if (!image_order(edit))
		order = 1 + (tables_list(store, edit->family, list) ? list[0].order : 0);
	err = image_change_make(edit, order, &change, why);
	if (err)
		return err;
	err = change.whole ? image_write(store, dir, edit->kind->name, &change)
			   : tail_write(store, dir, edit->kind->name, &change);
	image_change_free(&change);
	return err ? refuse(why, err, "%s: table %s cannot be written: %s", store->path, edit->kind->name, strerror(-err)) : 0;
}

static int store_table_open(struct table_source *from, uint8_t family, const char *table, bool create,
			    struct edit **out, struct refusal *why)
{
	struct store *store = (struct store *)from;
	struct image_bytes bytes;
	int err = store_lock(store, from->wait_sec, why);

	if (err)
		return err;
	if (!table_kind_find(table))
		return refuse(why, -ENOENT, "unknown table '%s'", table);
	err = file_map(family_dir(store, family), table, &bytes);
	if (!err)
		return image_open(from->inst, family, table, &bytes, out, why);
	if (err != -ENOENT)
		return refuse(why, err, "%s: table %s cannot be read: %s", store->path, table, strerror(-err));
	err = image_new(from->inst, family, table, out, why);
	if (!err && create) {
		/* as the kernel's: it exists from the first look at it on */
		err = table_write(store, *out, why);
		edit_free(*out);
		if (!err)
			return store_table_open(from, family, table, false, out, why);
	}
	return err;
}

static int store_table_commit(struct table_source *from, struct edit *edit, struct refusal *why)
{
	int err = image_check(from, edit, why);

	return err ? err : table_write((struct store *)from, edit, why);
}

static int store_table_check(struct table_source *from, struct edit *edit, struct refusal *why)
{
	return image_check(from, edit, why);
}

static void store_each(struct table_source *from, uint8_t family, void (*visit)(void *priv, const char *name), void *priv)
{
	struct listed list[TABLES_MAX];
	unsigned int count;

	if (store_lock((struct store *)from, from->wait_sec, NULL))
		return;
	count = tables_list((struct store *)from, family, list);
	for (unsigned int i = 0; i < count; i++)
		visit(priv, list[i].name);
}

/* --- the store --- */

int store_open(const char *name, struct instance *inst, struct store **out, struct refusal *why)
{
	struct store *store = calloc(1, sizeof(*store));
	struct statfs fs;
	int err;

	if (!store)
		return refuse(why, -ENOMEM, "no memory");
	store->tables = (struct table_source){ inst, 0, store_table_open, store_table_commit, store_table_check, store_each,
						NULL };
	store->dir = store->family_dirs[0] = store->family_dirs[1] = store->lock = -1;
	err = path_find(store, name, why);
	if (err)
		goto err_close;
	store->dir = dir_open_or_make(AT_FDCWD, store->path);
	if (store->dir >= 0)
		store->family_dirs[0] = dir_open_or_make(store->dir, "ip4");
	if (store->dir >= 0)
		store->family_dirs[1] = dir_open_or_make(store->dir, "ip6");
	if (store->family_dirs[0] < 0 || store->family_dirs[1] < 0) {
		err = refuse(why, -errno, "%s cannot be opened: %s", store->path, strerror(errno));
		goto err_close;
	}
	store->outlives = name && !fstatfs(store->dir, &fs) && (unsigned int)fs.f_type != TMPFS_MAGIC_NUMBER;
	*out = store;
	return 0;

err_close:
	store_close(store);
	return err;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(store->family_dirs); i++)
		if (store->family_dirs[i] >= 0)
			close(store->family_dirs[i]);
	if (store->lock >= 0)
		close(store->lock);
	if (store->dir >= 0)
		close(store->dir);
	free(store);
}

const char *store_dir(const struct store *store)
{
	return store->path;
}

struct table_source *store_tables(struct store *store)
{
	return &store->tables;
}
