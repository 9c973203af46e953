/*
 * base/late.h - libraries that only some runs need are opened by those.
 * The dynamic linker takes 3 ms for libmicrohttpd, libpcap and libxdp with what stands behind them (28 libraries): as long
 * as one `weir iptables -A` takes with everything else. Functions are named once, in a list:
 *
 *	#define PCAP_CALLS(X) X(pcap_compile) X(pcap_geterr)
 *	struct pcap_calls { LATE_CALLS(PCAP_CALLS) };
 *	err = late_open("libpcap.so.0.8 libpcap.so.1", LATE_NAMES(PCAP_CALLS), calls, sizeof(*calls), why);
 */
#ifndef WEIR_BASE_LATE_H
#define WEIR_BASE_LATE_H

#include "base/refuse.h"

#define LATE_CALL(f) __typeof__(f) *f;
#define LATE_NAME(f) #f " "
#define LATE_CALLS(list) list(LATE_CALL)
#define LATE_NAMES(list) list(LATE_NAME)

/**
 * late_open() - Open a shared library and find functions of it
 * @sonames: its names, in the order to try, with blanks between them
 * @names: the functions, with blanks between them
 * @calls: filled with one pointer each, in that order; stays valid until the process ends
 * @size: bytes at @calls
 *
 * Not for the fast path, and not after the daemon has given up its privileges.
 * Return: 0; -ENOENT: no such library here; -ENOSYS: it lacks a function.
 */
int late_open(const char *sonames, const char *names, void *calls, size_t size, struct refusal *why);

#endif
