/* table/builtin/raw.c - before connections are looked up: what shall not be tracked, and how. */
#include "table/table.h"

const struct table_kind table_raw = {
	.name = "raw",
	.valid_hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT,
	.priority = {
		[NF_INET_PRE_ROUTING] = NF_IP_PRI_RAW,
		[NF_INET_LOCAL_OUT] = NF_IP_PRI_RAW,
	},
};
