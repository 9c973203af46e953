/*
 * fuzz/rtnl.c - what the kernel's rtnetlink may tell, and what it never would: each message becomes a line, and an instance follows.
 */
#include <stdlib.h>

#include "cli/follow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_line(void *priv, const struct rtnl_line *line)
{
	struct rtnl_rules_seen seen = { .seen = { { false } } };
	struct refusal why = { 0 };

	if (line->text && !rtnl_rule_comes_by_itself(&seen, line))
		follow_line(priv, line, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct instance *inst = instance_new(1, NSEC_PER_SEC, NULL);
	struct rtnl *rtnl = rtnl_new();
	void *copy = malloc(size + 1);	/* aligned, and with an end that is watched */

	if (inst && rtnl && copy) {
		memcpy(copy, data, size);
		rtnl_translate(rtnl, copy, size, on_line, inst);
	}
	free(copy);
	rtnl_close(rtnl);
	if (inst)
		instance_free(inst);
	return 0;
}
