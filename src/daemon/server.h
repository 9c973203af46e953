/*
 * daemon/server.h - an instance on a Unix socket: the control interfaces for tools, the clock, whatever else has a
 * descriptor. One thread; a request is served to its end before the next. Whoever may open the socket may look; the
 * owner of the daemon and root may change things.
 */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include "base/refuse.h"
#include "base/strbuf.h"
#include "instance.h"

struct server;
struct conn;

struct server_callbacks {
	void *priv;
	/* One of weir's own commands, words in @argv; its exit code. */
	int (*command)(void *priv, int argc, char **argv, bool may_change, struct strbuf *out, struct strbuf *err);
	/*
	 * Another daemon wants to go on in this one's place: the connection @fd to it stays this function's until it returns, and
	 * nothing else happens meanwhile. True: it has taken all, and this one ends. NULL: never.
	 */
	bool (*takeover)(void *priv, int fd);
	/* A command that goes on: what it prints at once is in @out, @err. NULL: it ended, with *code. NULL here: there are none. */
	void *(*follow)(void *priv, struct conn *to, int argc, char **argv, struct strbuf *out, struct strbuf *err, size_t *room,
			int *code);
	/* It ends: its last words, unless nobody is there (NULL). */
	void (*unfollow)(void *priv, void *following, struct strbuf *out, struct strbuf *err);
	/* What happens between the two may leave together. NULL: nothing waits. */
	void (*burst)(void *priv, bool begins);
	/* What a tool asked for and weir does not serve. */
	void (*unserved)(void *priv, const char *line);
};

/*
 * Listens at @path (mode 0600, a dead daemon's socket is replaced); @inst is borrowed. NULL with @why: -EADDRINUSE when
 * somebody listens there, others as errno.
 */
struct server *server_new(struct instance *inst, const char *path, const struct server_callbacks *callbacks,
			  struct refusal *why);
/* The same with a socket that listens at @path already: it is taken. */
struct server *server_new_at(struct instance *inst, int listener, const char *path,
			     const struct server_callbacks *callbacks, struct refusal *why);
/* Removes the socket, unless somebody has taken over. */
void server_free(struct server *server);
int server_listener(const struct server *server);	/* borrowed */
void server_keep_path(struct server *server);	/* somebody else listens there */

/* A line for who follows; when too much waits for it, lines are lost, and it hears of that. */
void server_say(struct conn *to, const char *text, size_t len);

/* Calls @fn when @fd has one of @events (EPOLLIN ...). 0 or negative errno. */
int server_watch(struct server *server, int fd, uint32_t events, void (*fn)(void *priv, uint32_t events), void *priv);
void server_unwatch(struct server *server, int fd);
/* Serves until server_stop(). The instance's clock is the machine's. 0 or negative errno. */
int server_run(struct server *server);
void server_stop(struct server *server);	/* also from a watch's callback */
/* Moves the instance's clock to now. */
void server_tick(struct server *server);

#endif
