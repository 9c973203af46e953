/* fuzz/nl_cthelper.c - any messages about helpers that are programs. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_CTHELPER
#include "subsystem.h"
