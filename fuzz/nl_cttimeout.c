/* fuzz/nl_cttimeout.c - any messages about timeout policies. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_CTNETLINK_TIMEOUT
#include "subsystem.h"
