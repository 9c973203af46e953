/*
 * cli/follow.h - an instance keeps up with the network namespace that its daemon runs in: what rtnetlink tells becomes the lines of
 * `ip` that would do the same.
 */
#ifndef WEIR_CLI_FOLLOW_H
#define WEIR_CLI_FOLLOW_H

#include "daemon/rtnl.h"
#include "instance.h"

/* The rules that every namespace begins with, and whether they are still there. */
struct rtnl_rules_seen { bool seen[2][3]; };
/* True for one of them: there is nothing to add. */
bool rtnl_rule_comes_by_itself(struct rtnl_rules_seen *rules, const struct rtnl_line *line);
/* "rule del" for those that were not seen. */
void rtnl_rules_missing(const struct rtnl_rules_seen *rules, struct strbuf *out);

/* One line; what is so already is no error. 0 or negative errno with @why. */
int follow_line(struct instance *inst, const struct rtnl_line *line, struct refusal *why);

struct follow;
/* All there is now; later follow_changes() when follow_fd() is readable. NULL with @why. */
/* @passes_over: lines about this link are none of its business. */
struct follow *follow_open(struct instance *inst, bool (*passes_over)(void *priv, const char *link), void *priv, bool verbose,
			   struct refusal *why);
int follow_fd(const struct follow *follow);
int follow_changes(struct follow *follow);
void follow_close(struct follow *follow);

#endif
