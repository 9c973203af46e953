/*
 * daemon/confine.h - what a daemon may still do once its drivers are open: nothing that needs privileges, and only the system
 * calls that serving takes. What could start or change other programs ends the process; anything else that is not listed
 * fails with EPERM.
 */
#ifndef WEIR_CONFINE_H
#define WEIR_CONFINE_H

#include <sys/types.h>

#include "base/refuse.h"

/* "nobody", "1000", "nobody:nogroup"; 0 or negative errno with @why. */
int confine_user(const char *text, uid_t *uid, gid_t *gid, struct refusal *why);
/* Becomes that user, without other groups, capabilities, or a way back. */
int confine_drop(uid_t uid, gid_t gid, struct refusal *why);
/* No capabilities any more: of this thread and those that it will start. */
int confine_capabilities(struct refusal *why);
/* The same, no new privileges, and the list of system calls. For the whole process, for good. */
int confine_calls(struct refusal *why);

#endif
