/*
 * cli/daemon_workers.c - `weir daemon --workers N`: threads that move packets, while the daemon's own serves tools and keeps time.
 * Each worker has a queue of every port that can spread its frames by flows; the other ports are dealt out: their frames are read by one
 * worker, whose order they keep. Any worker sends on any port, by its own queue if there is one; what a burst sends waits for its end. The host's own side (--local) stays with the daemon's thread.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "base/clock.h"
#include "path/worker.h"

enum { EVENTS_AT_ONCE = 16, TICK_NS = NSEC_PER_MSEC, IDLE_MS = 1000 };

struct daemon_worker {
	struct daemon *daemon;
	struct worker *worker;
	pthread_t thread;
	bool has_thread;
	int epoll, called;
	int64_t ticked_ns;
};

struct daemon_crew {
	unsigned int count;
	pthread_mutex_t lock;		/* of the rest of this */
	pthread_cond_t changed;
	bool rest, stop;		/* what the daemon wants of them */
	unsigned int resting;
	struct daemon_worker workers[];
};

/* The clock goes on in the hands of whoever has something to do. */
static void tick(struct daemon_worker *w)
{
	struct instance *inst = w->daemon->inst;
	const int64_t now_ns = clock_ns(CLOCK_REALTIME);

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
	daemon_port_gone(port, err);
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, port->fd, NULL);
}

/* False: it is over. Whoever rests has nothing in hand: what it read went its way and is sent. */
static bool answer_call(struct daemon_worker *w)
{
	struct daemon_crew *crew = w->daemon->crew;
	uint64_t times;
	bool goes_on;

	if (read(w->called, &times, sizeof(times)) != sizeof(times))
		return true;
	pthread_mutex_lock(&crew->lock);
	crew->resting++;
	pthread_cond_broadcast(&crew->changed);
	while (crew->rest && !crew->stop)
		pthread_cond_wait(&crew->changed, &crew->lock);
	crew->resting--;
	goes_on = !crew->stop;
	pthread_mutex_unlock(&crew->lock);
	return goes_on;
}

static void *work(void *arg)
{
	struct daemon_worker *w = arg;
	bool is_called = false;

	pthread_setspecific(w->daemon->lane, (void *)(uintptr_t)(w - w->daemon->crew->workers));

	while (!is_called || answer_call(w)) {
		struct epoll_event events[EVENTS_AT_ONCE];
		int n = epoll_wait(w->epoll, events, EVENTS_AT_ONCE, IDLE_MS);

		is_called = false;
		if (n > 0)
			tick(w);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				receive(w, events[i].data.ptr);
			else
				is_called = true;
		}
		if (n > 0)
			daemon_ports_flush(w->daemon);
	}
	return NULL;
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
	w->called = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->worker = worker_new(d->inst, NULL);	/* who observes hears of all */
	if (w->epoll < 0 || w->called < 0 || !w->worker)
		return -ENOMEM;
	return watch(w, w->called, NULL);
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
		unsigned int which = port->first->queue_count > 1 ? port->queue : next++;
		struct daemon_worker *w = d->ports[i].iface ? &d->crew->workers[which % d->workers] : NULL;
		int err = port_share(port, w ? w->worker : NULL);

		if (!err && w)
			err = watch(w, port->fd, port);
		if (err)
			return refuse(why, err, "%s cannot be watched: %s", d->ports[i].spec, strerror(-err));
	}
	return 0;
}

int daemon_workers_start(struct daemon *d, struct refusal *why)
{
	struct daemon_crew *crew;
	int err = 0;

	if (d->workers < 2)
		return 0;
	crew = d->crew = calloc(1, sizeof(*crew) + d->workers * sizeof(crew->workers[0]));
	if (!crew)
		return refuse(why, -ENOMEM, "no memory for workers");
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->changed, NULL);
	crew->count = d->workers;
	d->own_thread = pthread_self();
	for (unsigned int i = 0; i < crew->count; i++)
		crew->workers[i].epoll = crew->workers[i].called = -1;
	for (unsigned int i = 0; i < crew->count && !err; i++)
		err = open_one(&crew->workers[i], d);
	if (err)
		return refuse(why, err, "no worker: %s", strerror(-err));
	err = -pthread_key_create(&d->lane, NULL);
	if (err)
		return refuse(why, err, "no key: %s", strerror(-err));
	d->has_lanes = true;
	err = deal_out(d, why);
	for (unsigned int i = 0; i < crew->count && !err; i++) {
		err = start(&crew->workers[i]);
		if (err)
			refuse(why, err, "no thread: %s", strerror(-err));
	}
	return err;
}

static void call_all(struct daemon_crew *crew, bool rest, bool stop)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&crew->lock);
	crew->rest = rest;
	crew->stop = stop;
	pthread_cond_broadcast(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned int i = 0; i < crew->count && (rest || stop); i++)
		if (crew->workers[i].has_thread && write(crew->workers[i].called, &one, sizeof(one)) != sizeof(one))
			perror("weir daemon: a worker cannot be called");
}

void daemon_workers_rest(struct daemon *d)
{
	struct daemon_crew *crew = d->crew;

	if (!crew)
		return;
	call_all(crew, true, false);
	worker_alone_end(d->inst, NULL);	/* they end what they are at */
	pthread_mutex_lock(&crew->lock);
	while (crew->resting < crew->count)
		pthread_cond_wait(&crew->changed, &crew->lock);
	pthread_mutex_unlock(&crew->lock);
	worker_alone_begin(d->inst, NULL);
}

void daemon_workers_resume(struct daemon *d)
{
	if (d->crew)
		call_all(d->crew, false, false);
}

void daemon_workers_stop(struct daemon *d)
{
	struct daemon_crew *crew = d->crew;

	if (!crew)
		return;
	call_all(crew, false, true);
	for (unsigned int i = 0; i < crew->count; i++) {
		struct daemon_worker *w = &crew->workers[i];

		if (w->has_thread)
			pthread_join(w->thread, NULL);
		worker_free(w->worker);
		if (w->called >= 0)
			close(w->called);
		if (w->epoll >= 0)
			close(w->epoll);
	}
	if (d->has_lanes)
		pthread_key_delete(d->lane);
	d->has_lanes = false;
	pthread_cond_destroy(&crew->changed);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
	d->crew = NULL;
}
