/*
 * ext/osf.h - fingerprints of operating systems: how they shape their SYNs. nfnl_osf(8) loads them, `-m osf` asks.
 */
#ifndef WEIR_EXT_OSF_H
#define WEIR_EXT_OSF_H

#include "ext/ext.h"

#include <linux/netfilter/xt_osf.h>

/* One line of pf.os format, without its newline. -EINVAL: it has not nine fields, or cannot be a fingerprint. */
int osf_line_parse(const char *line, size_t len, struct nf_osf_user_finger *out, struct refusal *why);
int osf_add(struct instance *inst, const struct nf_osf_user_finger *finger, struct refusal *why);	/* known ones: 0 */
bool osf_is_known(const struct instance *inst, const struct nf_osf_user_finger *finger);
int osf_remove(struct instance *inst, const struct nf_osf_user_finger *finger, struct refusal *why);	/* -ENOENT */
/* Fingerprints of SYNs with this DF bit, in the order they were loaded; *at is moved on, NULL to begin. */
const struct nf_osf_user_finger *osf_next(const struct instance *inst, bool df, const void **at);

/* All of them, for an instance that goes on elsewhere. 0 or -EINVAL, -ENOMEM. */
void osf_fingers_save(const struct instance *inst, struct strbuf *out);
int osf_fingers_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why);

#endif
