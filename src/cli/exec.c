/* cli/exec.c - `weir exec -- TOOL`: an unmodified tool on an instance. */
#include "exec/exec.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "wire/wire.h"

static const char help[] =
"usage: weir exec [options] -- TOOL [ARGUMENT]...\n"
"\n"
"Runs iptables, conntrack, ipset or whatever starts them against a weir daemon instead of the kernel. Needs no root.\n"
"\n"
"      --socket PATH       of the daemon (else $WEIR_SOCKET, $XDG_RUNTIME_DIR/weir/default.sock, /run/weir/default.sock)\n"
"      --instance NAME     the same, as NAME.sock there\n"
"      --uid0              tools that ask for their user hear 0\n"
"      --keep-caps         root keeps CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_MODULE, which could reach the host's kernel\n"
"      --preload           answer inside the tool, by a library before its libc: faster, for programs that take many packets\n"
"                          or events; blind to static programs and to calls that do not come through libc, which fail\n"
"      --no-proc           files below /proc stay the host's\n"
"  -v, --verbose           say what was served and what was not\n"
"\n"
"The exit status is the tool's; 69: no daemon, 125: calls cannot be watched here, 126 and 127: the tool cannot be run.\n";

enum { LONG_SOCKET = 256, LONG_INSTANCE, LONG_UID0, LONG_KEEP_CAPS, LONG_NO_PROC, LONG_PRELOAD };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, LONG_SOCKET },
	{ "instance", required_argument, NULL, LONG_INSTANCE },
	{ "uid0", no_argument, NULL, LONG_UID0 },
	{ "keep-caps", no_argument, NULL, LONG_KEEP_CAPS },
	{ "no-proc", no_argument, NULL, LONG_NO_PROC },
	{ "preload", no_argument, NULL, LONG_PRELOAD },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/* Beside the program, as it is built and as it is installed; $WEIR_PRELOAD says another place. */
static void find_library(char library[PATH_MAX])
{
	static const char *const places[] = { "../exec/preload", "../lib/weir", WEIR_LIBRARIES };
	const char *named = getenv("WEIR_PRELOAD");
	char self[PATH_MAX - 64], folder[PATH_MAX - 64];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	if (len > 0 && strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	if (named) {
		snprintf(library, PATH_MAX, "%s", named);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int n = places[i][0] == '/' ? snprintf(folder, sizeof(folder), "%s", places[i]) :
					      snprintf(folder, sizeof(folder), "%s/%s", self, places[i]);

		if (n < (int)sizeof(folder))
			snprintf(library, PATH_MAX, "%s/libweir-preload.so", folder);
		if (!access(library, R_OK))
			return;
	}
}

int cmd_exec(int argc, char **argv)
{
	struct exec_options options = { 0 };
	const char *name = NULL, *socket = NULL, *outer = getenv("WEIR_EXEC");
	char library[PATH_MAX];
	struct sockaddr_un where;
	struct refusal why = { 0 };
	int c, code;

	find_library(library);
	optind = 1;
	while ((c = getopt_long(argc, argv, "+vh", long_options, NULL)) != -1) {
		switch (c) {
		case LONG_SOCKET: socket = optarg; break;
		case LONG_INSTANCE: name = optarg; break;
		case LONG_UID0: options.uid0 = true; break;
		case LONG_KEEP_CAPS: options.keep_caps = true; break;
		case LONG_NO_PROC: options.no_proc = true; break;
		case LONG_PRELOAD: options.preload = library; break;
		case 'v': options.verbose = true; break;
		case 'h':
			fputs(help, stdout);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs("weir exec: which tool?\n      weir exec -- iptables -S\n", stderr);
		return EXIT_USAGE;
	}
	options.argv = argv + optind;
	if (wire_path(name, &where)) {
		fputs("weir exec: the path of the socket is too long\n", stderr);
		return EXIT_USAGE;
	}
	options.socket = socket ? socket : where.sun_path;
	if (outer && !strcmp(outer, options.socket)) {	/* watched already */
		execvp(options.argv[0], options.argv);
		fprintf(stderr, "weir exec: %s: %s\n", options.argv[0], strerror(errno));
		return errno == ENOENT ? EXEC_NOT_FOUND : EXEC_CANNOT_RUN;
	}
	if (outer) {
		fprintf(stderr, "weir exec: this process is on the instance %s already\n", outer);
		return EXEC_CANNOT_WATCH;
	}
	code = exec_run(&options, &why);
	if (why.text[0])
		fprintf(stderr, "weir exec: %s\n", why.text);
	return code;
}
