/* ext/nfacct.c - see nfacct.h. */
#include "ext/nfacct.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "ext/state.h"

enum { QUOTA_MODES = NFACCT_F_QUOTA_PKTS | NFACCT_F_QUOTA_BYTES };

struct acct_object {
	struct list node;		/* unlinked (next == node) once deleted */
	struct instance *inst;		/* whose observer hears of the quota */
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

struct acct_object *acct_find(struct instance *inst, const char *name)
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
	return acct_make(inst, &(struct acct_values){ .name = name, .flags = flags, .quota = quota }, why);
}

int acct_make(struct instance *inst, const struct acct_values *set, struct refusal *why)
{
	const char *name = set->name;
	struct acct_objects *objects = ext_state(inst, &acct_kind);
	struct acct_object *acct;

	if (!*name || strlen(name) >= NFACCT_NAME_MAX)
		return refuse(why, -EINVAL, "nfacct: a name has 1 to %d bytes", NFACCT_NAME_MAX - 1);
	if (set->flags & ~QUOTA_MODES || (set->flags & QUOTA_MODES) == QUOTA_MODES)
		return refuse(why, -EINVAL, "nfacct: a quota counts packets or bytes");
	if (acct_find(inst, name))
		return refuse(why, -EEXIST, "nfacct: \"%s\" exists", name);
	acct = objects ? calloc(1, sizeof(*acct)) : NULL;
	if (!acct)
		return refuse(why, -ENOMEM, "nfacct: no memory");
	snprintf(acct->name, sizeof(acct->name), "%s", name);
	acct->inst = inst;
	acct->flags = set->flags;
	acct->quota = set->quota;
	acct->packets = set->packets;
	acct->bytes = set->bytes;
	acct->refs = 1;
	list_append(&objects->all, &acct->node);
	return 0;
}

int acct_delete(struct instance *inst, const char *name, struct refusal *why)
{
	struct acct_object *acct = acct_find(inst, name);

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

void acct_each(struct instance *inst, void (*visit)(void *priv, struct acct_object *acct), void *priv)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);

	if (objects)
		list_for_each(node, &objects->all)
			visit(priv, list_entry(node, struct acct_object, node));
}

void acct_read(struct acct_object *acct, bool reset, struct acct_values *out)
{
	*out = (struct acct_values){ acct->name, acct->flags, acct->refs, acct->packets, acct->bytes, acct->quota };
	if (reset) {
		acct->packets = acct->bytes = 0;
		acct->flags &= ~NFACCT_F_OVERQUOTA;
	}
}

static void print_one(struct acct_object *acct, bool reset, struct strbuf *out)
{
	struct acct_values v;

	acct_read(acct, reset, &v);
	sb_printf(out, "{ pkts = %020" PRIu64 ", bytes = %020" PRIu64, v.packets, v.bytes);
	if (v.flags & QUOTA_MODES)
		sb_printf(out, ", quota = %020" PRIu64 ", mode = %s, overquota = %s", v.quota,
			  v.flags & NFACCT_F_QUOTA_BYTES ? "byte" : "packet", v.flags & NFACCT_F_OVERQUOTA ? "yes" : "no");
	sb_printf(out, " } = %s;\n", v.name);
}

int acct_print(struct instance *inst, const char *name, bool reset, struct strbuf *out, struct refusal *why)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);
	struct acct_object *acct = name ? acct_find(inst, name) : NULL;

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
	struct acct_object *acct = acct_find(inst, name);

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
	if (now >= acct->quota && !(acct->flags & NFACCT_F_OVERQUOTA)) {
		acct->flags |= NFACCT_F_OVERQUOTA;
		if (acct->inst->observer.overquota)
			acct->inst->observer.overquota(acct->inst->observer.priv, acct);
	}
	return now > acct->quota;
}

void acct_save(struct instance *inst, struct strbuf *out)
{
	struct acct_objects *objects = ext_state_if_any(inst, &acct_kind);

	if (!objects)
		return;
	list_for_each(node, &objects->all) {
		const struct acct_object *acct = list_entry(node, struct acct_object, node);

		out_text(out, acct->name);
		out_u32(out, acct->flags);
		out_u64(out, acct->quota);
		out_u64(out, acct->packets);
		out_u64(out, acct->bytes);
	}
}

int acct_load(struct instance *inst, const void *bytes, size_t len, struct refusal *why)
{
	struct bytes_in in = { bytes, (const uint8_t *)bytes + len };

	while (in.at < in.end && !in.failed) {
		struct acct_object *acct;
		char name[NFACCT_NAME_MAX];
		uint64_t quota;
		uint32_t flags;

		in_text(&in, name, sizeof(name));
		flags = in_u32(&in);
		quota = in_u64(&in);
		if (in.failed || flags & ~(uint32_t)(QUOTA_MODES | NFACCT_F_OVERQUOTA))
			break;
		if (acct_add(inst, name, flags & QUOTA_MODES, quota, why))
			return why && why->err ? why->err : -EINVAL;
		acct = acct_find(inst, name);
		acct->flags = flags;
		acct->packets = in_u64(&in);
		acct->bytes = in_u64(&in);
	}
	return in.at == in.end && !in.failed ? 0 : refuse(why, -EINVAL, "the accounting objects are damaged");
}
