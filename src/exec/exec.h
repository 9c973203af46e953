/*
 * exec/exec.h - unmodified tools on an instance. A supervisor answers those system calls of a tool and its children that
 * mean netfilter (seccomp user notification, no privilege needed); everything else goes to the host's kernel. When the
 * supervisor dies, the watched calls fail: nothing falls through to the host.
 */
#ifndef WEIR_EXEC_H
#define WEIR_EXEC_H

#include "base/refuse.h"

struct exec_options {
	const char *socket;	/* of the daemon */
	char **argv;		/* the tool, NULL-terminated */
	bool verbose;		/* says on stderr what was served and what not */
	bool uid0;		/* getuid() and the like say 0 */
	bool keep_caps;		/* root keeps CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_MODULE */
	bool no_proc;		/* files are the host's */
	const char *preload;	/* the library's path: calls are answered inside the tool; NULL: by a supervisor */
};

enum { EXEC_NO_DAEMON = 69, EXEC_CANNOT_WATCH = 125, EXEC_CANNOT_RUN = 126, EXEC_NOT_FOUND = 127 };

/*
 * Runs the tool to its end. Return: its exit status (128 + signal when one ended it), or one of the above with @why
 * filled. Processes that the tool left behind stay supervised.
 */
int exec_run(const struct exec_options *options, struct refusal *why);

#endif
