/*
 * weir/weir.h - Linux's packet filter, connection tracking and NAT as a library: all public headers.
 *
 * An instance (struct weir) is a host: interfaces, routes, rules, connections, a clock. It needs no privileges,
 * starts no threads, opens no sockets and reads no clock: the program hands in packets and moves time; the instance hands
 * back what leaves.
 *
 * Ownership has four words: borrowed (for the call), taken (the library's on success), given (yours, with the function that
 * releases it), shared (counted). One instance belongs to one thread at a time, unless it has workers
 * (weir/worker.h); different instances are independent.
 * Callbacks run inside the call that caused them, may read everything, and may not free the instance.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/conntrack.h>
#include <weir/expect.h>
#include <weir/hook.h>
#include <weir/host.h>
#include <weir/instance.h>
#include <weir/packet.h>
#include <weir/table.h>
#include <weir/worker.h>

#endif
