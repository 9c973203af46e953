/*
 * cli/remote.c - `weir conntrack`, `weir nfct`, `weir nfacct`: the commands of the same names, carried out by the daemon
 * that keeps the instance.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/conntrack_cmd.h"
#include "cli/conntrack_follow.h"
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

enum remote_word remote_word(int argc, char **argv, int *at, const char *help, const char **instance)
{
	const char *word = argv[*at];

	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		fputs(help, stdout);
		return REMOTE_HELPED;
	}
	return remote_option(word, "--instance", argc, argv, at, instance) || remote_option(word, "--socket", argc, argv, at, instance) ?
	       REMOTE_TAKEN : REMOTE_OTHER;
}

/* Takes weir's own options out of the words; how many are left. */
static int take_options(int argc, char **argv, const char **name, const char **socket)
{
	int left = 0;

	for (int i = 0; i < argc; i++) {
		if (!remote_option(argv[i], "--instance", argc, argv, &i, name) && !remote_option(argv[i], "--socket", argc, argv, &i, socket))
			argv[left++] = argv[i];
	}
	return left;
}

/* The words, each with its NUL; a file's text in the place of its name, which says nothing to the daemon. 0 or the exit code. */
static int gather(int argc, char **argv, struct strbuf *out)
{
	const bool is_file = conntrack_is_file(argc, argv);
	struct strbuf text = STRBUF_INIT, err = STRBUF_INIT;
	int code = is_file ? conntrack_file_read(argv[2], &text, &err) : 0;

	for (int i = 0; i < argc && !code; i++) {
		const char *word = is_file && i == 2 ? sb_str(&text) : argv[i];

		sb_add(out, word, strlen(word) + 1);
	}
	fputs(sb_str(&err), stderr);
	sb_free(&text);
	sb_free(&err);
	return code ? code : out->failed ? EXIT_INTERNAL : 0;
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

/* The signal handler's: it knows no other way. */
static int follow_fd = -1;
static volatile sig_atomic_t follow_ends;

/* The daemon says the last words and closes. */
static void on_interrupt(int signal)
{
	struct wire_head head = { .op = WIRE_FOLLOW };

	if (!follow_ends && follow_fd >= 0)
		wire_send(follow_fd, &head, NULL, 0, MSG_DONTWAIT);
	follow_ends = true;
}

/* Prints what comes until it ends. */
static int remote_follow(const char *command, const char *instance, const struct strbuf *words)
{
	const struct sigaction interrupt = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
	struct wire_head head = { .op = WIRE_FOLLOW };
	struct wire_record record;
	struct sockaddr_un where;
	int err = words->failed ? -ENOMEM : wire_path(instance, &where), code = EXIT_INPUT;
	bool is_last = false;

	follow_fd = err ? err : wire_connect(&where);
	err = follow_fd < 0 ? follow_fd : wire_send(follow_fd, &head, words->s, words->len, 0);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGTERM, &interrupt, NULL);
	while (!err && !is_last) {
		err = wire_receive(follow_fd, &record, 0);
		if (err == -EINTR)
			err = 0;
		else if (!err) {
			is_last = record.head.c;
			code = remote_print(&record);
		}
	}
	if (err)
		fprintf(stderr, "weir %s: the daemon is gone: %s\n", command, strerror(-err));
	if (follow_fd >= 0)
		close(follow_fd);
	return err ? EXIT_INPUT : code;
}

int cmd_remote(int argc, char **argv)
{
	const char *name = NULL, *socket = NULL;
	struct strbuf words = STRBUF_INIT;
	struct wire_record reply;
	int err, code;

	argc = take_options(argc, argv, &name, &socket);
	code = gather(argc, argv, &words);
	if (code) {
		sb_free(&words);
		return code;
	}
	if (conntrack_is_following(argc, argv)) {
		code = remote_follow(argv[0], socket ? socket : name, &words);
		sb_free(&words);
		return code;
	}
	err = remote_call(argv[0], socket ? socket : name, &words, &reply);
	sb_free(&words);
	return err ? (err == -ENAMETOOLONG ? EXIT_USAGE : EXIT_INPUT) : remote_print(&reply);
}
