/*
 * ext/nfacct.h - accounting objects: named counters, with or without a quota, that `-m nfacct` adds to.
 * They are made by name (`nfacct add`), and rules find them by name; who is named by a rule cannot be deleted.
 */
#ifndef WEIR_EXT_NFACCT_H
#define WEIR_EXT_NFACCT_H

#include "ext/ext.h"

#include <linux/netfilter/nfnetlink_acct.h>

struct acct_object;

/* What an object says of itself; @name is borrowed. */
struct acct_values {
	const char *name;
	uint32_t flags, refs;
	uint64_t packets, bytes, quota;
};

/* @flags: 0, NFACCT_F_QUOTA_PKTS or NFACCT_F_QUOTA_BYTES. -EEXIST, -EINVAL, -ENOMEM. */
int acct_add(struct instance *inst, const char *name, uint32_t flags, uint64_t quota, struct refusal *why);
/* The same with what it has counted already; @set->refs is not looked at. */
int acct_make(struct instance *inst, const struct acct_values *set, struct refusal *why);
int acct_delete(struct instance *inst, const char *name, struct refusal *why);	/* -ENOENT, -EBUSY */
void acct_flush(struct instance *inst);		/* those that no rule names */
/* As `nfacct list` prints them, in the order of their making; @name: only this one. @reset: counters begin again. */
int acct_print(struct instance *inst, const char *name, bool reset, struct strbuf *out, struct refusal *why);

struct acct_object *acct_find(struct instance *inst, const char *name);	/* borrowed; NULL: no such object */
/* In the order of their making. */
void acct_each(struct instance *inst, void (*visit)(void *priv, struct acct_object *acct), void *priv);
/* @reset: counters begin again, after they were read. */
void acct_read(struct acct_object *acct, bool reset, struct acct_values *out);

struct acct_object *acct_get(struct instance *inst, const char *name);	/* held: acct_put(); NULL: no such object */
void acct_put(struct acct_object *acct);
/* Counts the packet; is it beyond the quota (or is there none)? The observer hears when it is reached, once. */
bool acct_count(struct acct_object *acct, uint32_t bytes);

/* All objects with their counters, as bytes; loading makes them, before the rules that name them. 0 or -EINVAL. */
void acct_save(struct instance *inst, struct strbuf *out);
int acct_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why);

#endif
