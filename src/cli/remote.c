/*
 * cli/remote.c - `weir conntrack`, `weir nfct`: the commands of the same names, carried out by the daemon
 * that keeps the instance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/remote.h"
#include "wire/wire.h"

bool remote_option(const char *word, const char *option, int argc, char **argv, int *at, const char **value)
{
	size_t len = strlen(option);

	if (strncmp(word, option, len))
		return false;
	if (word[len] == '=') {
		*value = word + len + 1;
		return true;
	}
	if (word[len] || *at + 1 >= argc)
		return false;
	*value = argv[++*at];
	return true;
}

/* The words behind weir's own options, each with its NUL. */
static bool gather(int argc, char **argv, const char **name, const char **socket, struct strbuf *out)
{
	for (int i = 0; i < argc; i++) {
		if (remote_option(argv[i], "--instance", argc, argv, &i, name) || remote_option(argv[i], "--socket", argc, argv, &i, socket))
			continue;
		sb_add(out, argv[i], strlen(argv[i]) + 1);
	}
	return !out->failed;
}

int remote_call(const char *command, const char *instance, const struct strbuf *words, struct wire_record *reply)
{
	struct wire_head head = { .op = WIRE_COMMAND };
	struct sockaddr_un where;
	int fd, err;

	*reply = (struct wire_record){ .data = NULL };
	if (words->failed || wire_path(instance, &where)) {
		fprintf(stderr, "weir %s: the path of the socket is too long\n", command);
		return -ENAMETOOLONG;
	}
	fd = wire_connect(&where);
	err = fd < 0 ? fd : wire_call(fd, &head, words->s, words->len, reply);
	if (err)
		fprintf(stderr, "weir %s: no daemon answers at %s: %s\n      weir daemon SNAPSHOT keeps an instance\n", command,
			where.sun_path, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

int remote_print(struct wire_record *reply)
{
	fwrite(reply->data, 1, MIN_OF(reply->head.b, reply->head.len), stdout);
	if (reply->head.len > reply->head.b)
		fwrite(reply->data + reply->head.b, 1, reply->head.len - reply->head.b, stderr);
	wire_record_free(reply);
	return fflush(stdout) ? EXIT_INTERNAL : (int)reply->head.a;
}

int cmd_remote(int argc, char **argv)
{
	const char *name = NULL, *socket = NULL;
	struct strbuf words = STRBUF_INIT;
	struct wire_record reply;
	int err = gather(argc, argv, &name, &socket, &words) ? 0 : -ENOMEM;

	if (!err)
		err = remote_call(argv[0], socket ? socket : name, &words, &reply);
	sb_free(&words);
	return err ? (err == -ENAMETOOLONG ? EXIT_USAGE : EXIT_INPUT) : remote_print(&reply);
}
