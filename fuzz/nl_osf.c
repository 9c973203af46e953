/* fuzz/nl_osf.c - any messages about fingerprints. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_OSF
#include "subsystem.h"
