/* fuzz/nl_expect.c - any messages about expectations. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_CTNETLINK_EXP
#include "subsystem.h"
