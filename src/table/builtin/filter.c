/* table/builtin/filter.c - who may pass: in, through, out. */
#include "table/table.h"

const struct table_kind table_filter = {
	.name = "filter",
	.valid_hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT,
	.priority = {
		[NF_INET_LOCAL_IN] = NF_IP_PRI_FILTER,
		[NF_INET_FORWARD] = NF_IP_PRI_FILTER,
		[NF_INET_LOCAL_OUT] = NF_IP_PRI_FILTER,
	},
};
