/* ext/nfacct.c - see nfacct.h. */
#include "ext/nfacct.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ext/state.h"

enum { QUOTA_MODES = NFACCT_F_QUOTA_PKTS | NFACCT_F_QUOTA_BYTES };

struct acct_object {
	struct list node;		/* unlinked (next == node) once deleted */
	char name[NFACCT_NAME_MAX];
	uint32_t flags;
	unsigned int refs;		/* the list's and each rule's */
	uint64_t packets, bytes, quota;
};

struct acct_objects { struct list all; };

static void objects_init(struct instance *inst, void *state)
{
	list_init(&((struct acct_objects *)state)->all);
}

/* The last rule is gone: nobody but this list holds them. */
static void objects_end(struct instance *inst, void *state)
{
	list_for_each_safe(node, &((struct acct_objects *)state)->all) {
		list_remove(node);
		acct_put(list_entry(node, struct acct_object, node));
	}
}

static const struct ext_state_kind acct_kind = {
	.size = sizeof(struct acct_objects), .init = objects_init, .end = objects_end,
};

static struct acct_object *find(struct instance *inst, const char *name)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);

	if (objects) {
		list_for_each(node, &objects->all) {
			struct acct_object *acct = list_entry(node, struct acct_object, node);

			if (strncmp(acct->name, name, sizeof(acct->name)) == 0)
				return acct;
		}
	}
	return NULL;
}

int acct_add(struct instance *inst, const char *name, uint32_t flags, uint64_t quota, struct refusal *why)
{
	struct acct_objects *objects = ext_state(inst, &acct_kind);
	struct acct_object *acct;

	if (!*name || strlen(name) >= NFACCT_NAME_MAX)
		return refuse(why, -EINVAL, "nfacct: a name has 1 to %d bytes", NFACCT_NAME_MAX - 1);
	if (flags & ~QUOTA_MODES || (flags & QUOTA_MODES) == QUOTA_MODES)
		return refuse(why, -EINVAL, "nfacct: a quota counts packets or bytes");
	if (find(inst, name))
		return refuse(why, -EEXIST, "nfacct: \"%s\" exists", name);
	acct = objects ? calloc(1, sizeof(*acct)) : NULL;
	if (!acct)
		return refuse(why, -ENOMEM, "nfacct: no memory");
	snprintf(acct->name, sizeof(acct->name), "%s", name);
	acct->flags = flags;
	acct->quota = quota;
	acct->refs = 1;
	list_append(&objects->all, &acct->node);
	return 0;
}

int acct_delete(struct instance *inst, const char *name, struct refusal *why)
{
	struct acct_object *acct = find(inst, name);

	if (!acct)
		return refuse(why, -ENOENT, "nfacct: there is no \"%s\"", name);
	if (acct->refs > 1)
		return refuse(why, -EBUSY, "nfacct: a rule names \"%s\"", name);
	list_remove(&acct->node);
	acct_put(acct);
	return 0;
}

void acct_flush(struct instance *inst)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);

	if (!objects)
		return;
	list_for_each_safe(node, &objects->all) {
		struct acct_object *acct = list_entry(node, struct acct_object, node);

		if (acct->refs == 1) {
			list_remove(&acct->node);
			acct_put(acct);
		}
	}
}

static void print_one(struct acct_object *acct, bool reset, struct strbuf *out)
{
	sb_printf(out, "{ pkts = %020" PRIu64 ", bytes = %020" PRIu64, acct->packets, acct->bytes);
	if (acct->flags & QUOTA_MODES)
		sb_printf(out, ", quota = %020" PRIu64 ", mode = %s, overquota = %d", acct->quota,
			  acct->flags & NFACCT_F_QUOTA_BYTES ? "byte" : "packet", !!(acct->flags & NFACCT_F_OVERQUOTA));
	sb_printf(out, " } = %s;\n", acct->name);
	if (reset) {
		acct->packets = acct->bytes = 0;
		acct->flags &= ~NFACCT_F_OVERQUOTA;
	}
}

int acct_print(struct instance *inst, const char *name, bool reset, struct strbuf *out, struct refusal *why)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);
	struct acct_object *acct = name ? find(inst, name) : NULL;

	if (name && !acct)
		return refuse(why, -ENOENT, "nfacct: there is no \"%s\"", name);
	if (acct)
		print_one(acct, reset, out);
	else if (objects)
		list_for_each(node, &objects->all)
			print_one(list_entry(node, struct acct_object, node), reset, out);
	return 0;
}

struct acct_object *acct_get(struct instance *inst, const char *name)
{
	struct acct_object *acct = find(inst, name);

	if (acct)
		acct->refs++;
	return acct;
}

void acct_put(struct acct_object *acct)
{
	if (--acct->refs == 0)
		free(acct);
}

bool acct_count(struct acct_object *acct, uint32_t bytes)
{
	uint64_t now;

	acct->packets++;
	acct->bytes += bytes;
	if (!(acct->flags & QUOTA_MODES))
		return true;
	now = acct->flags & NFACCT_F_QUOTA_PKTS ? acct->packets : acct->bytes;
	if (now >= acct->quota)
		acct->flags |= NFACCT_F_OVERQUOTA;
	return now > acct->quota;
}
