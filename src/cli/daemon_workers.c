/*
 * cli/daemon_workers.c - `weir daemon --workers N`: threads that move packets, while the daemon's own serves tools and keeps time.
 * Ports are dealt out: a port's frames are read by one worker, whose order they keep. Any worker sends on any port; what a burst
 * sends waits for its end. The host's own side (--local) stays with the daemon's thread.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "path/worker.h"

enum { EVENTS_AT_ONCE = 16, TICK_NS = NSEC_PER_MSEC, IDLE_MS = 1000 };

struct daemon_worker {
	struct daemon *daemon;
	struct worker *worker;
	pthread_t thread;
	bool has_thread;
	int epoll, stop;
	int64_t ticked_ns;
};

/* The clock goes on in the hands of whoever has something to do. */
static void tick(struct daemon_worker *w)
{
	struct instance *inst = w->daemon->inst;
	struct timespec now;
	int64_t now_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	if (now_ns - w->ticked_ns < TICK_NS && now_ns >= w->ticked_ns)
		return;
	w->ticked_ns = now_ns;
	worker_alone_begin(inst, w->worker);
	instance_advance(inst, now_ns);
	worker_alone_end(inst, w->worker);
}

static void receive(struct daemon_worker *w, struct port *port)
{
	int err = port_receive(port);

	if (!err)
		return;
	fprintf(stderr, "weir daemon: %s of %s is gone: %s\n", port->driver->name, port->iface->name, strerror(-err));
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, port->fd, NULL);
}

static void *work(void *arg)
{
	struct daemon_worker *w = arg;

	for (;;) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int n = epoll_wait(w->epoll, events, EVENTS_AT_ONCE, IDLE_MS);

		if (n > 0)
			tick(w);
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				return NULL;
			receive(w, events[i].data.ptr);
		}
		for (unsigned int i = 0; i < w->daemon->port_count && n > 0; i++)
			port_flush(w->daemon->ports[i].port);
	}
}

static int watch(struct daemon_worker *w, int fd, struct port *port)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = port };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_one(struct daemon_worker *w, struct daemon *d)
{
	w->daemon = d;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->worker = worker_new(d->inst, NULL);	/* who observes hears of all */
	if (w->epoll < 0 || w->stop < 0 || !w->worker)
		return -ENOMEM;
	return watch(w, w->stop, NULL);
}

/* Signals are the daemon's own thread's. */
static int start(struct daemon_worker *w)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->has_thread = !err;
	return err;
}

static int deal_out(struct daemon *d, struct refusal *why)
{
	unsigned int next = 0;

	for (unsigned int i = 0; i < d->port_count; i++) {
		struct port *port = d->ports[i].port;
		struct daemon_worker *w = d->ports[i].iface ? &d->crew[next++ % d->workers] : NULL;
		int err = port_share(port, w ? w->worker : NULL);

		if (err == -EOPNOTSUPP)
			return refuse(why, err, "--workers: %s: is a port for one thread; tap:, tun:, packet: and ring: are not", port->driver->name);
		if (!err && w)
			err = watch(w, port->fd, port);
		if (err)
			return refuse(why, err, "%s cannot be watched: %s", d->ports[i].spec, strerror(-err));
	}
	return 0;
}

int daemon_workers_start(struct daemon *d, struct refusal *why)
{
	int err = 0;

	if (d->workers < 2)
		return 0;
	d->crew = calloc(d->workers, sizeof(*d->crew));
	if (!d->crew)
		return refuse(why, -ENOMEM, "no memory for workers");
	d->own_thread = pthread_self();
	for (unsigned int i = 0; i < d->workers; i++)
		d->crew[i].epoll = d->crew[i].stop = -1;
	for (unsigned int i = 0; i < d->workers && !err; i++)
		err = open_one(&d->crew[i], d);
	if (err)
		return refuse(why, err, "no worker: %s", strerror(-err));
	err = deal_out(d, why);
	for (unsigned int i = 0; i < d->workers && !err; i++) {
		err = start(&d->crew[i]);
		if (err)
			refuse(why, err, "no thread: %s", strerror(-err));
	}
	return err;
}

void daemon_workers_stop(struct daemon *d)
{
	const uint64_t one = 1;

	for (unsigned int i = 0; i < d->workers && d->crew; i++) {
		struct daemon_worker *w = &d->crew[i];

		if (w->has_thread && write(w->stop, &one, sizeof(one)) == sizeof(one))
			pthread_join(w->thread, NULL);
		worker_free(w->worker);
		if (w->stop >= 0)
			close(w->stop);
		if (w->epoll >= 0)
			close(w->epoll);
	}
	free(d->crew);
	d->crew = NULL;
}
