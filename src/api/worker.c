/* api/worker.c - weir/worker.h: threads of the program on one instance. */
#include <stdlib.h>

#include "api/api.h"
#include "path/worker.h"

_Static_assert((int)WEIR_BURST_MAX == (int)PKT_BURST_MAX, "the public burst is the engine's");

struct weir_worker {
	struct weir heard;		/* whose observer is this worker's */
	struct worker *worker;
};

static struct iface *iface_of(struct weir_port *port) { return (struct iface *)(uintptr_t)port; }

struct weir_worker *weir_worker_new(struct weir *weir, const struct weir_observer *observer, struct weir_error *error)
{
	struct weir_worker *own = calloc(1, sizeof(*own));
	struct observer engine = { 0 };
	struct refusal why = { 0 };

	if (own) {
		own->heard.inst = weir->inst;
		if (observer)
			own->heard.observer = *observer;
		engine = api_observer(&own->heard);
		own->worker = worker_new(weir->inst, &engine);
	}
	if (own && own->worker)
		return own;
	free(own);
	refuse(&why, weir->inst->crew && weir->inst->crew->count == CREW_MAX ? -ENOSPC : -ENOMEM, "no room for another worker");
	api_refused(error, &why, why.err);
	return NULL;
}

void weir_worker_free(struct weir_worker *own)
{
	if (!own)
		return;
	worker_free(own->worker);
	sb_free(&own->heard.line);
	free(own);
}

struct weir_port *weir_port(struct weir *weir, const char *name)
{
	return (struct weir_port *)(uintptr_t)iface_find(weir->inst, name);
}

int weir_worker_receive(struct weir_worker *own, const struct weir_arrival *arrivals, size_t count)
{
	struct worker_frame frames[PKT_BURST_MAX];
	unsigned int n = 0;

	if (count > PKT_BURST_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		if (arrivals[i].in && arrivals[i].len <= PKT_LEN_MAX)
			frames[n++] = (struct worker_frame){ iface_of(arrivals[i].in), arrivals[i].bytes, (uint32_t)arrivals[i].len };
	return n ? (int)worker_receive(own->worker, frames, n) : 0;
}

uint32_t weir_spread(const void *bytes, size_t len, bool is_ip)
{
	return worker_spread(bytes, (uint32_t)MIN_OF(len, (size_t)PKT_LEN_MAX), is_ip);
}

void weir_alone_begin(struct weir *weir)
{
	worker_alone_begin(weir->inst, NULL);
}

void weir_alone_end(struct weir *weir)
{
	worker_alone_end(weir->inst, NULL);
}
