/*
 * cli/daemon_state.h - a daemon's instance as one state (daemon/state_file.h): the texts of a snapshot, and what only a running
 * one has: connections, expectations, counters, neighbours, what rules remember.
 */
#ifndef WEIR_CLI_DAEMON_STATE_H
#define WEIR_CLI_DAEMON_STATE_H

#include "cli/run.h"
#include "conntrack/state.h"
#include "daemon/state_file.h"

struct kept {
	struct strbuf bytes;
	struct state_file file;
	struct snapshot_texts texts;
	bool orderly;		/* nothing happened after it was written */
	bool conntrack_on;
};

/*
 * @orderly: the instance does nothing after this. @conntrack_on: tracking is on without a rule. @host: the text of its `host` file.
 */
void kept_take(struct instance *inst, const struct strbuf *host, bool orderly, bool conntrack_on, struct strbuf *out);
/* Takes @bytes. 0 or negative errno with @why; kept_free() either way. */
int kept_open(struct kept *kept, struct strbuf *bytes, const char *name, struct refusal *why);
/* -ENOENT when there is no such file. */
int kept_read(struct kept *kept, const char *path, struct refusal *why);
void kept_free(struct kept *kept);

/* Into a new instance: what rules and the host's file need, before them; the rest after them. */
int kept_give_early(struct instance *inst, const struct kept *kept, struct refusal *why);
int kept_give(struct instance *inst, const struct kept *kept, struct ct_state_report *report, struct refusal *why);
/* Rules were read from elsewhere: equal ones count on from where the kept ones were. */
int kept_give_counters(struct instance *inst, const struct kept *kept, struct refusal *why);

/* The counters of @old to equal rules (same table, same text, in order) and chains of @text: the text with them. */
void counters_carry(const char *old, size_t old_len, const char *text, size_t len, struct strbuf *out);

#endif
