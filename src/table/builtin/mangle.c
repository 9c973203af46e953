/* table/builtin/mangle.c - at every hook: marks and header fields; what the host sends is routed anew when it changed. */
#include "table/table.h"

const struct table_kind table_mangle = {
	.name = "mangle",
	.valid_hooks = (1 << NF_INET_NUMHOOKS) - 1,
	.priority = {
		[NF_INET_PRE_ROUTING] = NF_IP_PRI_MANGLE,
		[NF_INET_LOCAL_IN] = NF_IP_PRI_MANGLE,
		[NF_INET_FORWARD] = NF_IP_PRI_MANGLE,
		[NF_INET_LOCAL_OUT] = NF_IP_PRI_MANGLE,
		[NF_INET_POST_ROUTING] = NF_IP_PRI_MANGLE,
	},
	.reroutes = true,
};
