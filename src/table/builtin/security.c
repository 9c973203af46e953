/* table/builtin/security.c - a second filter behind the first, for mandatory access rules. */
#include "table/table.h"

const struct table_kind table_security = {
	.name = "security",
	.valid_hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT,
	.priority = {
		[NF_INET_LOCAL_IN] = NF_IP_PRI_SECURITY,
		[NF_INET_FORWARD] = NF_IP_PRI_SECURITY,
		[NF_INET_LOCAL_OUT] = NF_IP_PRI_SECURITY,
	},
};
