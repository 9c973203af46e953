/*
 * path/worker.h - several threads on one instance.
 *
 * A burst is worked on in two halves. In company, next to others: packets are taken in and checked, and those that a remembered
 * way fits go it to its end. The rest of the burst, whatever is new, learned, slow or odd, goes the full way with its worker alone:
 * as in an instance of one thread, for every extension. So does all control, and the clock. What a worker counts in company is
 * its own until the next one is alone: nobody ever reads a counter that lacks something.
 *
 * An instance without workers knows nothing of all this.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "instance.h"

struct worker;

struct worker_frame {
	struct iface *in;		/* frames of an Ethernet, raw IP of others */
	const void *bytes;		/* borrowed */
	uint32_t len;
	bool may_be_partial;		/* pkt_complete_partial_sum() */
};

/**
 * worker_new() - A thread's share of the instance; the thread itself is the caller's
 * @observer: hears what this worker's packets, and timers in its hands, cause; NULL: the instance's own does
 *
 * With several workers, transmit() and deliver() are called for several packets at once, each in its worker's thread, and must not
 * call what wants to be alone; all others one at a time. Context: control. NULL: no memory, or too many.
 */
struct worker *worker_new(struct instance *inst, const struct observer *observer);
/* Its thread is done. The last one leaves an instance of one thread. Context: control. */
void worker_free(struct worker *worker);

/* Up to PKT_BURST_MAX frames go their way to the end, in order as far as one flow can tell. Returns how many were packets. */
unsigned int worker_receive(struct worker *worker, const struct worker_frame *frames, unsigned int count);

/* A packet of pkt_from_frame(), taken, for who makes packets and gives them to workers in turn; its serial is the latest. */
void worker_receive_one(struct worker *worker, struct pkt *pkt);

/*
 * The caller alone has the instance, and may do anything to it, until as many worker_alone_end() as _begin(). Without workers
 * both do nothing. @worker: in whose hands it happens; NULL: control.
 */
void worker_alone_begin(struct instance *inst, struct worker *worker);
void worker_alone_end(struct instance *inst, struct worker *worker);
/*
 * Control that is alone lets the others in for a while, unless it said so twice: who called it counts on it. Afterwards only what
 * workers never change is as before. Return: whether they are in; for worker_alone_resume().
 */
bool worker_alone_pause(struct instance *inst);
void worker_alone_resume(struct instance *inst, bool paused);

/*
 * A number that packets of one flow have in common, in both directions as long as NAT does not change its addresses: for who
 * spreads packets over workers. @is_ip: no link-layer header. Fragments go by their addresses.
 */
uint32_t worker_spread(const void *bytes, uint32_t len, bool is_ip);

#endif
