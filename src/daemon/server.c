/*
 * daemon/server.c - the loop of a daemon: descriptors that are watched, the socket that it listens at, time.
 */
#include "daemon/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unix_name.h"
#include "path/worker.h"

enum { EVENTS_AT_ONCE = 64, POLL_MS_MAX = 1000, POLL_MS_COMPANY = 10 };

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* --- descriptors --- */

int watch_add(struct server *server, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	watch->fd = fd;
	watch->events = events;
	watch->gone = false;
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &ev))
		return -errno;
	return 0;
}

void watch_events(struct server *server, struct watch *watch, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	if (watch->events == events)
		return;
	watch->events = events;
	epoll_ctl(server->epoll, EPOLL_CTL_MOD, watch->fd, &ev);
}

int server_watch(struct server *server, int fd, uint32_t events, void (*fn)(void *priv, uint32_t events), void *priv)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->fn = fn;
	watch->priv = priv;
	err = watch_add(server, watch, fd, events);
	if (err)
		free(watch);
	else
		list_append(&server->watches, &watch->node);
	return err;
}

void server_unwatch(struct server *server, int fd)
{
	list_for_each_safe(node, &server->watches) {
		struct watch *watch = list_entry(node, struct watch, node);

		if (watch->fd != fd)
			continue;
		epoll_ctl(server->epoll, EPOLL_CTL_DEL, fd, NULL);
		watch->gone = true;	/* an event of this round may still name it */
		list_remove(&watch->node);
		list_append(&server->gone, &watch->node);
	}
}

/* --- life --- */

static void say_unserved(void *priv, const char *line)
{
	struct server *server = priv;

	snprintf(server->unserved, sizeof(server->unserved), "%s", line);
	if (server->callbacks.unserved)
		server->callbacks.unserved(server->callbacks.priv, line);
}

static int listen_at(const char *path, struct refusal *why)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err;
	mode_t mask;

	if (fd < 0)
		return refuse(why, -errno, "no socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(at.sun_path)) {
		close(fd);
		return refuse(why, -ENAMETOOLONG, "%s: the path of a socket has at most %zu bytes", path, sizeof(at.sun_path) - 1);
	}
	strcpy(at.sun_path, path);
	if (access(path, F_OK) == 0) {
		int other = wire_connect(&at);

		if (other >= 0) {
			close(other);
			close(fd);
			return refuse(why, -EADDRINUSE, "%s: a daemon listens there already", path);
		}
	}
	mask = umask(0177);
	err = unix_bind(fd, &at);
	umask(mask);
	if (!err && listen(fd, SOMAXCONN))
		err = -errno;
	if (err) {
		close(fd);
		return refuse(why, err, "%s: %s", path, strerror(-err));
	}
	return fd;
}

struct server *server_new_at(struct instance *inst, int listener, const char *path,
			     const struct server_callbacks *callbacks, struct refusal *why)
{
	struct server *server = calloc(1, sizeof(*server));
	struct control_callbacks to_control = { .priv = server, .ready = conn_ready, .unserved = say_unserved };

	if (!server) {
		close(listener);
		refuse(why, -ENOMEM, "no memory for a daemon");
		return NULL;
	}
	server->inst = inst;
	server->callbacks = *callbacks;
	list_init(&server->conns);
	list_init(&server->watches);
	list_init(&server->gone);
	list_init(&server->ready);
	snprintf(server->path, sizeof(server->path), "%s", path);
	if (getsockopt(listener, SOL_SOCKET, SO_NETNS_COOKIE, &server->netns, &(socklen_t){ sizeof(server->netns) }))
		server->netns = 0;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->control = control_new(inst, &to_control);
	server->listener.fn = conn_accept;
	server->listener.priv = server;
	server->listener.fd = listener;
	if (server->control && server->epoll >= 0 && !watch_add(server, &server->listener, listener, EPOLLIN))
		return server;
	refuse(why, -ENOMEM, "no memory for a daemon");
	server_free(server);
	return NULL;
}

struct server *server_new(struct instance *inst, const char *path, const struct server_callbacks *callbacks,
			  struct refusal *why)
{
	int fd = listen_at(path, why);

	return fd < 0 ? NULL : server_new_at(inst, fd, path, callbacks, why);
}

void server_keep_path(struct server *server) { server->taken_over = true; }

int server_listener(const struct server *server) { return server->listener.fd; }

static void forget_gone(struct server *server)
{
	list_for_each_safe(node, &server->gone) {
		list_remove(node);
		free(container_of(node, struct watch, node));	/* of both kinds the node is the first member */
	}
}
_Static_assert(offsetof(struct watch, node) == 0 && offsetof(struct conn, node) == 0, "one list holds both kinds");

void server_free(struct server *server)
{
	if (!server)
		return;
	list_for_each_safe(node, &server->conns)
		conn_close(list_entry(node, struct conn, node));
	list_for_each_safe(node, &server->watches)
		server_unwatch(server, list_entry(node, struct watch, node)->fd);
	forget_gone(server);
	close(server->listener.fd);
	if (!server->taken_over)
		unlink(server->path);
	if (server->epoll >= 0)
		close(server->epoll);
	control_free(server->control);
	free(server);
}

void server_tick(struct server *server)
{
	instance_advance(server->inst, clock_ns(CLOCK_REALTIME));
}

static int until_timer_ms(struct server *server)
{
	int64_t next = timers_next_ns(server->inst->timers), left;

	/* workers set timers, too, and nobody wakes us for them */
	int64_t longest = server->inst->crew ? POLL_MS_COMPANY : POLL_MS_MAX;

	if (next == INT64_MAX)
		return (int)longest;
	left = (next - server->inst->now_ns) / NSEC_PER_MSEC + 1;
	return left < 0 ? 0 : (int)MIN_OF(left, longest);
}

/* Another daemon goes on from what was written down: whatever is done now would be missing there. */
static bool is_taken_over(const struct server *server)
{
	return server->stop && server->taken_over;
}

int server_run(struct server *server)
{
	int wait_ms = 0;

	while (!server->stop) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int n = epoll_wait(server->epoll, events, EVENTS_AT_ONCE, wait_ms);

		if (n < 0 && errno != EINTR)
			return -errno;
		worker_alone_begin(server->inst, NULL);
		server->in_round = true;
		server_tick(server);
		for (int i = 0; i < n && !is_taken_over(server); i++) {
			struct watch *watch = events[i].data.ptr;

			if (!watch->gone)
				watch->fn(watch->priv, events[i].events);
		}
		while (!list_is_empty(&server->ready) && !is_taken_over(server))
			conn_drain(list_entry(server->ready.next, struct conn, ready_node));
		server->in_round = false;
		forget_gone(server);
		wait_ms = until_timer_ms(server);
		worker_alone_end(server->inst, NULL);
	}
	return 0;
}

void server_stop(struct server *server) { server->stop = true; }
