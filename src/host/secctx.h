/*
 * host/secctx.h - the security contexts that SECMARK may give to packets. Which ones mean something only a security
 * module knows; weir has none: those that somebody declared are known, by numbers from 1 in the order of declaration.
 */
#ifndef WEIR_HOST_SECCTX_H
#define WEIR_HOST_SECCTX_H

#include "instance.h"

struct secctxs { char **names; uint32_t count; };

/* The number of @context, given when it is new. -EINVAL: empty or too long; -ENOMEM. */
int secctx_add(struct instance *inst, const char *context, uint32_t *id, struct refusal *why);
uint32_t secctx_find(const struct instance *inst, const char *context);	/* 0: unknown */
const char *secctx_name(const struct instance *inst, uint32_t id);	/* NULL: no such */
void secctxs_free(struct secctxs *contexts);

#endif
