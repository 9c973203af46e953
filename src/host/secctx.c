/* host/secctx.c - names of security contexts and their numbers. */
#include "host/secctx.h"

#include <stdlib.h>

enum { SECCTX_LEN_MAX = 255 };

uint32_t secctx_find(const struct instance *inst, const char *context)
{
	const struct secctxs *all = inst->secctxs;

	for (uint32_t i = 0; all && i < all->count; i++)
		if (strcmp(all->names[i], context) == 0)
			return i + 1;
	return 0;
}

const char *secctx_name(const struct instance *inst, uint32_t id)
{
	return inst->secctxs && id && id <= inst->secctxs->count ? inst->secctxs->names[id - 1] : NULL;
}

int secctx_add(struct instance *inst, const char *context, uint32_t *id, struct refusal *why)
{
	struct secctxs *all = inst->secctxs;
	char **grown, *copy;

	if (!*context || strlen(context) > SECCTX_LEN_MAX)
		return refuse(why, -EINVAL, "a security context has 1 to %d bytes", SECCTX_LEN_MAX);
	*id = secctx_find(inst, context);
	if (*id)
		return 0;
	if (!all)
		all = inst->secctxs = calloc(1, sizeof(*all));
	grown = all ? realloc(all->names, (all->count + 1) * sizeof(*grown)) : NULL;
	if (grown)
		all->names = grown;
	copy = grown ? strdup(context) : NULL;
	if (!copy)
		return refuse(why, -ENOMEM, "no memory for a security context");
	all->names[all->count] = copy;
	*id = ++all->count;
	return 0;
}

void secctxs_free(struct secctxs *contexts)
{
	for (uint32_t i = 0; contexts && i < contexts->count; i++)
		free(contexts->names[i]);
	if (contexts)
		free(contexts->names);
	free(contexts);
}
