/*
 * control/store.h - an instance between two commands: a directory, found by the network namespace and the user,
 * or named. Whoever calls does not see files; a daemon that holds the instance answers the same calls.
 *
 * The directory holds: "lock"; "ip4/TABLE" and "ip6/TABLE" (table/image.h), each replaced or added to in one step. What
 * is not known here stays alone, so other commands may keep their parts beside these ("conntrack").
 */
#ifndef WEIR_CONTROL_STORE_H
#define WEIR_CONTROL_STORE_H

#include "table/table.h"

struct store;

/**
 * store_open() - Finds the instance's directory, makes it if it must
 * @name: a NAME of this user's, a DIR (with a slash in it), or NULL: by network namespace and user
 * @inst: borrowed while the store is open; extensions are asked here
 */
int store_open(const char *name, struct instance *inst, struct store **out, struct refusal *why);
void store_close(struct store *store);		/* gives the lock back, too */
const char *store_dir(const struct store *store);

/* One command at a time. @wait_sec: 0 not at all, -1 for ever. -EAGAIN: others were busy. */
int store_lock(struct store *store, int wait_sec, struct refusal *why);
void store_unlock(struct store *store);
/* A number that changes whenever the table does; 0: there is no such table. */
uint64_t store_stamp(struct store *store, uint8_t family, const char *table);

/* Its tables; borrowed. Use them under the lock only. */
struct table_source *store_tables(struct store *store);

#endif
