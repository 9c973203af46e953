/* exec/memory.c - reading and writing a tool's memory while it waits in a system call. */
#include "exec/exec_internal.h"

#include <sys/uio.h>
#include <unistd.h>

typedef ssize_t process_vm_call(pid_t pid, const struct iovec *local, unsigned long local_count, const struct iovec *remote,
				unsigned long remote_count, unsigned long flags);

/* One call moves less than asked when it is large: on it goes. */
static int move(process_vm_call *call, pid_t pid, uint64_t at, void *here, size_t len)
{
	while (len) {
		struct iovec local = { here, len }, remote = { (void *)(uintptr_t)at, len };
		ssize_t n = call(pid, &local, 1, &remote, 1, 0);

		if (n <= 0)
			return -EFAULT;
		here = (uint8_t *)here + n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int tool_read(pid_t pid, uint64_t at, void *into, size_t len)
{
	return move(process_vm_readv, pid, at, into, len);
}

int tool_write(pid_t pid, uint64_t at, const void *from, size_t len)
{
	return move(process_vm_writev, pid, at, (void *)from, len);
}
