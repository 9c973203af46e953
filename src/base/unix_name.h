/* base/unix_name.h - where a Unix socket is found in the file system. */
#ifndef WEIR_BASE_UNIX_NAME_H
#define WEIR_BASE_UNIX_NAME_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/types.h"

/* A socket's name that nobody has any more is taken; a file of another kind stays, and is -EEXIST. 0 or negative errno. */
static inline int unix_bind(int fd, const struct sockaddr_un *at)
{
	struct stat there;

	if (!lstat(at->sun_path, &there)) {
		if (!S_ISSOCK(there.st_mode))
			return -EEXIST;
		unlink(at->sun_path);
	}
	return bind(fd, (const struct sockaddr *)at, sizeof(*at)) ? -errno : 0;
}

#endif
