/*
 * cli/snapshot_text.c - an instance as the files of a snapshot. Of the settings only those are written that an instance of the
 * same interfaces would not have by itself: beside it another one is made, and each line is tried on it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "cli/nfct_cmd.h"
#include "cli/run.h"
#include "cli/sink.h"
#include "conntrack/labels.h"
#include "route/route.h"
#include "route/text.h"

void snapshot_texts_free(struct snapshot_texts *texts)
{
	for (int i = 0; i < PART_COUNT; i++)
		sb_free(&texts->part[i]);
}

struct settings {
	struct instance *inst, *fresh;
	struct strbuf *out, value, other;
	bool of_ifaces;
};

bool setting_is_of_iface(const char *name)
{
	const char *rest;

	if (strncmp(name, "net.ipv4.", 9) && strncmp(name, "net.ipv6.", 9))
		return false;
	rest = name + 9;
	if (strncmp(rest, "conf.", 5) && strncmp(rest, "neigh.", 6))
		return false;
	rest = strchr(rest, '.') + 1;
	return strncmp(rest, "all.", 4) && strncmp(rest, "default.", 8);
}

static bool add_setting(void *priv, const struct sysctl *ctl)
{
	struct settings *s = priv;

	if (ctl->read_only || setting_is_of_iface(ctl->name) != s->of_ifaces)
		return true;
	sb_reset(&s->value);
	sb_reset(&s->other);
	if (sysctl_get(s->inst->sysctls, ctl->name, &s->value, NULL))
		return true;
	if (sysctl_get(s->fresh->sysctls, ctl->name, &s->other, NULL)) {	/* comes with rules, or with a module's first use */
		sb_printf(s->out, "-%s = %s\n", ctl->name, sb_str(&s->value));
		return true;
	}
	if (!strcmp(sb_str(&s->value), sb_str(&s->other)))
		return true;
	/* what nobody may set back is a state, not a setting */
	if (!sysctl_set(s->fresh->sysctls, ctl->name, sb_str(&s->value), NULL))
		sb_printf(s->out, "%s = %s\n", ctl->name, sb_str(&s->value));
	return true;
}

static void settings_text(struct instance *inst, struct strbuf *out)
{
	struct settings s = { .inst = inst, .out = out };

	s.fresh = instance_new(1, inst->now_ns, NULL);
	if (!s.fresh) {
		out->failed = true;
		return;
	}
	list_for_each(node, &inst->ifaces) {
		const struct iface *iface = list_entry(node, struct iface, node);
		struct iface *same;

		if (!iface_find(s.fresh, iface->name) && !iface_add(s.fresh, iface->name, iface->type, &same, NULL))
			route_iface_set_mtu(s.fresh, same, iface->mtu);
	}
	sysctl_each(inst->sysctls, add_setting, &s);
	s.of_ifaces = true;
	sysctl_each(inst->sysctls, add_setting, &s);
	instance_free(s.fresh);
	sb_free(&s.value);
	sb_free(&s.other);
}

enum { TABLES_MAX = 16 };
struct names { const char *name[TABLES_MAX]; unsigned int count; };

static void add_name(void *priv, const char *name)
{
	struct names *names = priv;

	if (names->count < TABLES_MAX)
		names->name[names->count++] = name;
}

/* The oldest table first, as they came into being: so they do again. */
static void rules_text(struct instance *inst, uint8_t family, struct strbuf *out)
{
	struct table_source tables = table_source_of(inst);
	struct names names = { .count = 0 };

	tables_each(inst, family, add_name, &names);
	while (names.count--)
		rules_save_in(&tables, family, names.name[names.count], true, -1, out, NULL);
}

void snapshot_take(struct instance *inst, struct snapshot_texts *texts)
{
	for (int i = 0; i < PART_COUNT; i++)
		if (i != PART_HOST)
			sb_reset(&texts->part[i]);
	route_text(inst, &texts->part[PART_NET]);
	settings_text(inst, &texts->part[PART_SYSCTL]);
	nfct_conf_text(inst, &texts->part[PART_NFCT]);
	for (unsigned int bit = 0; bit < CT_LABELS; bit++)
		if (ct_label_name(inst, bit))
			sb_printf(&texts->part[PART_LABELS], "%u %s\n", bit, ct_label_name(inst, bit));
	rules_text(inst, NFPROTO_IPV4, &texts->part[PART_RULES4]);
	rules_text(inst, NFPROTO_IPV6, &texts->part[PART_RULES6]);
}

int snapshot_texts_write(const struct snapshot_texts *texts, const char *dir, struct refusal *why)
{
	int err = dir_make(dir, why);

	for (int i = 0; i < PART_COUNT && !err; i++) {
		if (texts->part[i].failed)
			return refuse(why, -ENOMEM, "no memory for %s", snapshot_part_names[i]);
		if (texts->part[i].len)
			err = file_write(dir, snapshot_part_names[i], &texts->part[i], why);
	}
	return err;
}
