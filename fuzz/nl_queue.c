/* fuzz/nl_queue.c - any messages about queues. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_QUEUE
#include "subsystem.h"
