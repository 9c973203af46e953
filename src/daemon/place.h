/*
 * daemon/place.h - where the rules are that a command is about: with a daemon that runs, or in a directory that is kept
 * (control/store.h). Whoever calls does not see which.
 */
#ifndef WEIR_PLACE_H
#define WEIR_PLACE_H

#include "table/table.h"

struct place;

/**
 * place_open() - Finds the daemon, or else the directory
 * @name: of an instance: its daemon when one answers, else this user's directory of that name. A path with a slash is a
 *        daemon's socket when it is a socket, else a directory. NULL: the daemon at $WEIR_SOCKET; else the usual one, when it
 *        was started in this network namespace and lets this user change things; else the directory of namespace and user.
 * @inst: borrowed while the place is open; extensions are asked here
 * Return: 0; -ECONNREFUSED: $WEIR_SOCKET names a daemon that does not answer; others as store_open().
 */
int place_open(const char *name, struct instance *inst, struct place **out, struct refusal *why);
void place_close(struct place *place);		/* gives the lock back, too */

/* One command at a time. @wait_sec: 0 not at all, -1 for ever. -EAGAIN: others were busy. */
int place_lock(struct place *place, int wait_sec, struct refusal *why);
void place_unlock(struct place *place);
/* A number that changes whenever the table's rules do; 0: there is no such table. */
uint64_t place_stamp(struct place *place, uint8_t family, const char *table);
/* Its tables; borrowed. Use them under the lock only. */
struct table_source *place_tables(struct place *place);

#endif
