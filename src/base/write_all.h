/* base/write_all.h - bytes to a descriptor, all of them. */
#ifndef WEIR_BASE_WRITE_ALL_H
#define WEIR_BASE_WRITE_ALL_H

#include <unistd.h>

#include "base/types.h"

/* 0, or negative errno: some of it may be written then. */
static inline int write_all(int fd, const void *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes = (const uint8_t *)bytes + n;
		len -= (size_t)n;
	}
	return 0;
}

#endif
