/* fuzz/nl_log.c - any messages about groups of log listeners. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_ULOG
#include "subsystem.h"
