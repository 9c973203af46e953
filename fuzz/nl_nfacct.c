/* fuzz/nl_nfacct.c - any messages about accounting objects. */
#include <linux/netfilter/nfnetlink.h>

#define SUBSYSTEM NFNL_SUBSYS_ACCT
#include "subsystem.h"
