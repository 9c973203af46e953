/* fuzz/nl_ctnetlink.c - any messages about connections. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_CTNETLINK
#include "subsystem.h"
