/*
 * table/kept.h - extensions find one another by name, in whatever table they are (an estimator, a timer, a cluster's
 * address). When one table of a kept instance is judged alone, the rules of the others that name such things are held
 * meanwhile, as in the kernel, where they all are there - also those that the change is about to replace.
 */
#ifndef WEIR_TABLE_KEPT_H
#define WEIR_TABLE_KEPT_H

#include "table/edit.h"

struct kept_entry;

struct kept_rules {
	struct table_source *from;
	struct kept_entry *held;
	bool tried;
	struct ext_memo memo;
};

/* Called before an entry is asked: the first that names something makes all kept rules be held. @kept: NULL, nothing is kept. */
void kept_rules_need(struct kept_rules *kept, const void *entry, uint8_t family);
void kept_rules_release(struct kept_rules *kept);

#endif
