/* cli/daemon.h - what the parts of `weir daemon` share. */
#ifndef WEIR_CLI_DAEMON_H
#define WEIR_CLI_DAEMON_H

#include <sys/types.h>
#include <sys/un.h>

#include "base/refuse.h"
#include "base/strbuf.h"
#include "cli/follow.h"
#include "cli/run.h"
#include "cli/watch.h"
#include "daemon/server.h"
#include "instance.h"
#include "port/port.h"

enum { DAEMON_PORTS_ASKED_MAX = 64, DAEMON_PORTS_MAX = 256, DAEMON_WORKERS_MAX = 64 };

struct kept;
struct pending;			/* cli/daemon_apply.c */

struct daemon {
	/* as asked for */
	const char *snapshot, *state_path, *user, *listen;
	struct sockaddr_un where;
	uint64_t seed;
	uint32_t save_every_sec, workers;
	bool conntrack_on, detach, verbose, takeover, no_confine, follow_host;
	/* as it is */
	struct instance *inst;
	struct server *server;
	int signals, saver;
	/* iface NULL: the host's side; the further queues of a port are entries of their own behind it */
	struct { const char *iface, *spec; struct port *port; } ports[DAEMON_PORTS_MAX];
	unsigned int port_count;
	struct daemon_crew *crew;	/* NULL: this thread moves packets, too */
	pthread_t own_thread;
	pthread_key_t lane;		/* of a worker's thread, its number: the queues it sends on */
	bool has_lanes;
	bool in_burst;			/* frames of a port are on their way through: what they send waits */
	struct port *local;
	char *snapshot_path;		/* absolute */
	struct snapshot_paths paths;	/* what was read; sentences about it name them */
	struct strbuf host;		/* the text that declared the host's sockets */
	struct list followers;		/* cli/conntrack_follow.h */
	struct pending *pending;	/* rules that wait for their confirmation; NULL: none do */
	struct watch watch;
	struct web *web;		/* NULL: --listen was not said */
	struct follow *follow;		/* NULL: --follow was not said */
	bool taken_over;		/* all has gone to another daemon */
	int former;			/* the connection to the daemon that all came from; -1: none */
	int former_listener;
};

/* --- daemon_ports.c --- */
int daemon_ports_open(struct daemon *d, struct refusal *why);
int daemon_ports_ifaces(struct daemon *d, struct refusal *why);
int daemon_ports_attach(struct daemon *d, struct refusal *why);
/* What the calling thread has sent, or may have, and waits. */
void daemon_ports_flush(struct daemon *d);
void daemon_burst(void *priv, bool begins);
/* Says why port_receive() ended it. */
void daemon_port_gone(const struct port *port, int err);
void daemon_observe(struct daemon *d);

/* --- daemon_workers.c --- */
/* When more than one is asked for; ports are attached by now. */
int daemon_workers_start(struct daemon *d, struct refusal *why);
void daemon_workers_stop(struct daemon *d);
/* By who is alone, once: when it returns they have nothing in hand, and touch nothing until they may go on. */
void daemon_workers_rest(struct daemon *d);
void daemon_workers_resume(struct daemon *d);

/* --- daemon_takeover.c --- */
/* The one who comes: the state, ports and listener of who serves at d->where. 0 or negative errno; nothing changed there. */
int daemon_takeover_ask(struct daemon *d, struct kept *kept, struct refusal *why);
/* All is in place here: the other one ends. */
int daemon_takeover_done(struct daemon *d, struct refusal *why);
/* The one who goes: server_callbacks.takeover. */
bool daemon_takeover_give(void *daemon, int fd);

/* --- daemon_apply.c --- */
int daemon_apply(struct daemon *d, int argc, char **argv, struct strbuf *out, struct strbuf *errors);
int daemon_confirm(struct daemon *d, struct strbuf *out, struct strbuf *errors);
/* Nobody confirmed: as it was before. */
void daemon_roll_back(struct daemon *d);

#endif
