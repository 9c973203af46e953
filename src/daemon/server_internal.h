/*
 * daemon/server_internal.h - what the loop (server.c) and its connections (conn.c) know of each other.
 */
#ifndef WEIR_DAEMON_SERVER_INTERNAL_H
#define WEIR_DAEMON_SERVER_INTERNAL_H

#include "daemon/server.h"

#include <sys/epoll.h>
#include <sys/un.h>

#include "control/control.h"
#include "wire/wire.h"

struct watch {
	struct list node;
	int fd;
	uint32_t events;
	void (*fn)(void *priv, uint32_t events);
	void *priv;
	bool gone;
};

struct conn {
	struct list node;
	struct server *server;
	struct watch watch;
	struct control_cred cred;
	struct nl_sock *sock;		/* of a DATA connection */
	struct nl_datagram *unsent;	/* the tool did not read on */
	bool is_ready;			/* something is queued: the loop comes by */
	struct list ready_node;		/* where it is among those of this round */
	bool posts;			/* requests come here, too: see WIRE_WILL_POST */
	uint32_t file_cookie;		/* of a connection that is a file opened to write; 0: it is none */
	char *path;			/* of that file; owned */
	void *following;		/* the command that goes on here; NULL: none */
	struct list said;		/* struct said: what it has not read yet */
	size_t said_bytes, said_room;
	bool said_lost;
};

struct said { struct list node; bool is_error; size_t len; char text[]; };

struct server {
	struct instance *inst;
	struct control *control;
	struct server_callbacks callbacks;
	struct list conns, watches, gone, ready;
	struct watch listener;
	int epoll;
	uint32_t file_cookie;
	uint64_t netns;			/* cookie of the network namespace that the socket was made in; 0: unknown */
	struct conn *holder;		/* who changes rules, see WIRE_LOCK; NULL: nobody */
	bool stop, taken_over;
	bool in_round;			/* nobody else runs */
	char unserved[96];		/* what the request that is being answered asked in vain */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* --- server.c --- */
/* 0 or negative errno. @watch's memory is the caller's, its fn and priv are set. */
int watch_add(struct server *server, struct watch *watch, int fd, uint32_t events);
void watch_events(struct server *server, struct watch *watch, uint32_t events);

/* --- conn.c --- */
/* The listener is readable. */
void conn_accept(void *priv, uint32_t events);
/* Control's callback: something is queued for @sock. */
void conn_ready(void *priv, struct nl_sock *sock);
/* What is queued for it goes out, as far as the tool reads. */
void conn_drain(struct conn *conn);
/* Its memory stays on server->gone until the round is over. */
void conn_close(struct conn *conn);

#endif
