/* table/builtin/nat.c - asked by nat for the first packet of a connection only; nat owns the hooks. */
#include "table/table.h"

const struct table_kind table_nat = {
	.name = "nat",
	.valid_hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN | 1 << NF_INET_LOCAL_OUT |
		       1 << NF_INET_POST_ROUTING,
	.is_nat = true,
};
