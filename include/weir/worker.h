/*
 * weir/worker.h - several threads on one instance.
 *
 * Each thread that receives packets has a worker. Packets whose connection is known to go its way as before are worked on by all
 * workers at once; a worker has the instance to itself for the others, as somebody who controls it has. Counters and connections are
 * those that one thread would have left behind.
 *
 * While there are workers, every call on the instance but those below belongs between weir_alone_begin() and weir_alone_end(),
 * weir_advance() too. weir_rules_restore(), weir_rules_save() and weir_iptables() are better called outside: rules are then made while
 * packets go by the old ones, and workers wait microseconds for the change instead of all the time that it takes. One thread at a
 * time changes rules. Without workers nothing of this is needed.
 */
#ifndef WEIR_PUBLIC_WORKER_H
#define WEIR_PUBLIC_WORKER_H

#include <weir/instance.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_worker;
struct weir_port;

/** struct weir_arrival - Bytes that arrived at a port; borrowed for the call */
struct weir_arrival {
	struct weir_port *in;
	const void *bytes;
	size_t len;
};

/**
 * weir_worker_new() - A worker for one more thread
 * @observer: what that thread hears of its packets, copied; NULL: nothing
 *
 * transmit() and deliver() are called by several workers at once, each in its own thread; inside them only what asks about the packet
 * may be called. All other callbacks come one at a time. Connections' and expectations' events are told to the worker
 * whose packet caused them; what time alone causes, to who calls weir_advance().
 * Context: control, outside of alone. Return: given: weir_worker_free(); NULL with @error (-ENOMEM, -ENOSPC: there are 64).
 */
WEIR_API struct weir_worker *weir_worker_new(struct weir *weir, const struct weir_observer *observer, struct weir_error *error);
/** weir_worker_free() - Its thread has ended. Context: control, outside of alone; before weir_close(). */
WEIR_API void weir_worker_free(struct weir_worker *worker);

/**
 * weir_port() - What arrivals call an interface
 * Good as long as the instance, also when the interface goes away: what arrives there is dropped then.
 * Context: control, alone. Return: shared; NULL: there is no such interface.
 */
WEIR_API struct weir_port *weir_port(struct weir *weir, const char *name);

/**
 * weir_worker_receive() - weir_receive() by a worker's thread, from several ports at once
 * @count: up to WEIR_BURST_MAX
 *
 * Packets of one flow keep their order when one worker gets them: see weir_spread().
 * Context: the worker's thread, outside of alone. Return: frames taken; -E2BIG too many.
 */
WEIR_API int weir_worker_receive(struct weir_worker *worker, const struct weir_arrival *arrivals, size_t count);

/**
 * weir_spread() - A number that the packets of a flow have in common, in both directions as long as no NAT is between
 * @is_ip: @bytes begin with the IP header, not with Ethernet's
 * For programs that give packets to workers: weir_spread() % workers. Context: any.
 */
WEIR_API uint32_t weir_spread(const void *bytes, size_t len, bool is_ip);

/**
 * weir_alone_begin(), weir_alone_end() - Have the instance to oneself
 * Waits until workers have done with the bursts that they are at. May be nested. Context: any thread, not inside of a callback.
 */
WEIR_API void weir_alone_begin(struct weir *weir);
WEIR_API void weir_alone_end(struct weir *weir);

#ifdef __cplusplus
}
#endif

#endif
