/*
 * conntrack/labels.h - 128 bits of a connection that rules set and look at, and their names (connlabel.conf).
 * Connections that begin while no rule asks for labels have none, and none can be set on them.
 */
#ifndef WEIR_CT_LABELS_H
#define WEIR_CT_LABELS_H

#include "conntrack/conntrack.h"

enum { CT_LABEL_NAME_MAX = 64 };

/* A rule looks at labels. Counted. */
void ct_labels_get(struct instance *inst);
void ct_labels_put(struct instance *inst);
/* NULL: it has none. */
static inline uint8_t *ct_labels(const struct ct *ct)
{
	return ct->extra && ct->extra->has_labels ? ct->extra->labels : NULL;
}
static inline bool ct_label_is_set(const uint8_t *labels, unsigned int bit) { return labels[bit / 8] >> bit % 8 & 1; }
/* Sets it, with an event when it was not; false: it has no labels. */
bool ct_label_set(struct ct *ct, unsigned int bit);
/* For control: clears those of @mask, then turns those of @labels round, with an event of what changed; -ENOSPC: it has no labels. */
int ct_labels_replace(struct ct *ct, const uint8_t labels[CT_LABEL_BYTES], const uint8_t mask[CT_LABEL_BYTES]);

/* Lines "BIT NAME" in place of the names so far; # begins a comment. 0, or -EINVAL with the place. */
int ct_label_names_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why);
bool ct_label_names_are_loaded(const struct instance *inst);
const char *ct_label_name(const struct instance *inst, unsigned int bit);	/* NULL: none */
int ct_label_bit(const struct instance *inst, const char *name);		/* -1: unknown */

#endif
