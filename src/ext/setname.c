/* ext/setname.c - the names of IP sets that rules speak of. */
#include "base/uapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "ext/setname.h"
#include "ext/state.h"

struct set_names {
	unsigned int count;
	char (*names)[IPSET_MAXNAMELEN];
};

static void names_end(struct instance *inst, void *state)
{
	free(((struct set_names *)state)->names);
}

static const struct ext_state_kind set_names_kind = { .size = sizeof(struct set_names), .end = names_end };

static int index_of(struct instance *inst, const char *name, uint16_t *index, struct refusal *why)
{
	struct set_names *all = inst ? ext_state(inst, &set_names_kind) : NULL;
	char (*grown)[IPSET_MAXNAMELEN];

	*index = 0;
	if (!inst)
		return 0;
	for (unsigned int i = 0; all && i < all->count; i++) {
		if (strcmp(all->names[i], name) == 0) {
			*index = (uint16_t)i;
			return 0;
		}
	}
	if (!all || all->count == IPSET_INVALID_ID)
		return refuse(why, -ENOMEM, "no number is left for the set \"%s\"", name);
	grown = realloc(all->names, (all->count + 1) * sizeof(*grown));
	if (!grown)
		return refuse(why, -ENOMEM, "no memory for the name of a set");
	all->names = grown;
	snprintf(all->names[all->count], sizeof(*grown), "%s", name);
	*index = (uint16_t)all->count++;
	return 0;
}

int setname_parse(struct opt_call *call, struct xt_set_info *info, struct refusal *why)
{
	const char *at = call->arg2;

	if (info->dim)
		return refuse(why, -EINVAL, "--%s can be specified only once", call->opt->name);
	if (*at == '-' || *at == '!')
		return refuse(why, -EINVAL, "--%s requires two args.", call->opt->name);
	if (strlen(call->arg) >= IPSET_MAXNAMELEN)
		return refuse(why, -EINVAL, "setname `%s' too long, max %d characters.", call->arg, IPSET_MAXNAMELEN - 1);
	if (call->inst && !call->inst->trusts_sets)
		return refuse(why, -ENOENT, "Set %s doesn't exist.", call->arg);
	while (at && info->dim < IPSET_DIM_MAX) {
		info->dim++;
		if (strncmp(at, "src", 3) == 0)
			info->flags |= 1 << info->dim;
		else if (strncmp(at, "dst", 3))
			return refuse(why, -EINVAL, "--%s takes a list of src and dst with commas between them, not \"%s\"",
				      call->opt->name, call->arg2);
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	if (at)
		return refuse(why, -EINVAL, "--%s takes no more than %d of src and dst", call->opt->name, IPSET_DIM_MAX);
	return index_of(call->inst, call->arg, &info->index, why);
}

int setname_check(const struct instance *inst, const char *ext, uint16_t index, struct refusal *why)
{
	const struct set_names *all = ext_state_if_any(inst, &set_names_kind);

	if (inst->trusts_sets && all && index < all->count)
		return 0;
	return refuse(why, -ENOENT, "%s: there is no set with the number %u", ext, index);
}

void setname_print(const struct ext_view *view, const struct xt_set_info *info, struct strbuf *out)
{
	const struct set_names *all = view->inst ? ext_state_if_any(view->inst, &set_names_kind) : NULL;

	sb_printf(out, " %s", all && info->index < all->count ? all->names[info->index] : "?");
	for (unsigned int i = 1; i <= info->dim; i++)
		sb_printf(out, "%s%s", i == 1 ? " " : ",", info->flags & 1 << i ? "src" : "dst");
}
