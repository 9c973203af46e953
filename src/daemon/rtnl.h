/*
 * daemon/rtnl.h - the links, addresses, routes, rules and neighbours of the caller's network namespace, as lines of `ip -batch`:
 * all of them once, then what changes. What has no such line is said, never passed over.
 */
#ifndef WEIR_RTNL_H
#define WEIR_RTNL_H

#include "base/refuse.h"
#include "base/strbuf.h"

enum rtnl_kind { RTNL_LINK, RTNL_ADDR, RTNL_ROUTE, RTNL_RULE, RTNL_NEIGH, RTNL_KIND_COUNT };

struct rtnl_line {
	enum rtnl_kind kind;
	bool is_del;
	const char *text;		/* "addr add 192.0.2.1/24 dev eth0"; NULL: nothing that an instance keeps */
	const char *unknown;		/* why there is no line; NULL: there is nothing more to say */
	const char *ifname;		/* of a link */
};

struct rtnl;
/* @follow: changes come, too. NULL with @why. */
struct rtnl *rtnl_open(bool follow, struct refusal *why);
void rtnl_close(struct rtnl *rtnl);
int rtnl_fd(const struct rtnl *rtnl);		/* readable when there are changes */
/* All there is, in an order in which it can be made again. 0 or negative errno. */
int rtnl_dump(struct rtnl *rtnl, void (*visit)(void *priv, const struct rtnl_line *line), void *priv, struct refusal *why);
/* What changed since. -ENOBUFS: some of it was lost, rtnl_dump() tells what is. */
int rtnl_changes(struct rtnl *rtnl, void (*visit)(void *priv, const struct rtnl_line *line), void *priv);

/* One message as a line, for tests and fuzzing: any bytes. */
void rtnl_translate(struct rtnl *rtnl, const void *message, size_t len, void (*visit)(void *priv, const struct rtnl_line *line),
		    void *priv);
/* Without a socket: names of links come from messages alone. */
struct rtnl *rtnl_new(void);

#endif
