/* cli/conntrack_follow.h - `conntrack -E` on a daemon: who listens, and the lines that each of them gets. */
#ifndef WEIR_CLI_CONNTRACK_FOLLOW_H
#define WEIR_CLI_CONNTRACK_FOLLOW_H

#include "base/list.h"
#include "base/strbuf.h"
#include "instance.h"

struct conn;
struct follower;

/* Begins to listen; what it prints at once goes into @out and @err. NULL with the exit code in *code: it ends at once. */
struct follower *follower_new(struct instance *inst, struct list *all, struct conn *to, int argc, char **argv, struct strbuf *out,
			      struct strbuf *err, int *code);
/* @out, @err: its last words; NULL: nobody reads them. Frees it. */
void follower_end(struct follower *follower, struct strbuf *out, struct strbuf *err);
/* How many bytes may wait for it, as a netlink socket would count them. */
size_t follower_room(const struct follower *follower);

void followers_event(const struct instance *inst, struct list *all, const struct ct_event *event);
void followers_expect(const struct instance *inst, struct list *all, const struct ct_expect *exp, bool ended);

/* Are these words a command that goes on? */
bool conntrack_is_following(int argc, char **argv);

#endif
