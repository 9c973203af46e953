/*
 * conntrack/labels.c - bits of a connection, and what people call them.
 */
#include "conntrack/labels.h"

#include <ctype.h>
#include <stdlib.h>

#include "conntrack/conntrack_internal.h"

void ct_labels_get(struct instance *inst) { inst->ct->label_users++; }
void ct_labels_put(struct instance *inst) { inst->ct->label_users--; }

bool ct_label_set(struct ct *ct, unsigned int bit)
{
	uint8_t *labels = ct_labels(ct);

	if (!labels || bit >= CT_LABELS)
		return false;
	if (!ct_label_is_set(labels, bit)) {
		labels[bit / 8] |= (uint8_t)(1u << bit % 8);
		ct_event_note(ct, IPCT_LABEL);
	}
	return true;
}

int ct_labels_replace(struct ct *ct, const uint8_t labels[CT_LABEL_BYTES], const uint8_t mask[CT_LABEL_BYTES])
{
	uint8_t *own = ct_labels(ct);
	bool has_changed = false;

	if (!own)
		return -ENOSPC;
	for (int i = 0; i < CT_LABEL_BYTES; i++) {
		const uint8_t now = (uint8_t)((own[i] & ~mask[i]) ^ labels[i]);

		has_changed |= now != own[i];
		own[i] = now;
	}
	if (has_changed)
		ct_event_note(ct, IPCT_LABEL);
	return 0;
}

static int read_line(struct instance *inst, const char *line, size_t len, struct text_pos at, struct refusal *why)
{
	char text[128], *end, *name;
	unsigned long bit;

	if (len >= sizeof(text))
		return refuse_at(why, at, -EINVAL, "the line is too long");
	memcpy(text, line, len);
	text[len] = '\0';
	text[strcspn(text, "#\r")] = '\0';
	name = text + strspn(text, " \t");
	if (!*name)
		return 0;
	bit = strtoul(name, &end, 10);
	if (end == name || !isspace((unsigned char)*end) || bit >= CT_LABELS)
		return refuse_at(why, at, -EINVAL, "a label is a bit from 0 to %d and a name", CT_LABELS - 1);
	name = end + strspn(end, " \t");
	name[strcspn(name, " \t")] = '\0';
	if (!*name || strlen(name) >= CT_LABEL_NAME_MAX)
		return refuse_at(why, at, -EINVAL, "a label's name has 1 to %d letters", CT_LABEL_NAME_MAX - 1);
	if (ct_label_bit(inst, name) >= 0)
		return refuse_at(why, at, -EEXIST, "the label \"%s\" has a bit already", name);
	free(inst->ct->label_names[bit]);
	inst->ct->label_names[bit] = strdup(name);
	return inst->ct->label_names[bit] ? 0 : refuse(why, -ENOMEM, "no memory for a label");
}

int ct_label_names_load(struct instance *inst, const char *text, size_t len, const char *file, struct refusal *why)
{
	const char *end = text + len;
	struct text_pos at = { .file = file };

	for (int i = 0; i < CT_LABELS; i++) {
		free(inst->ct->label_names[i]);
		inst->ct->label_names[i] = NULL;
	}
	inst->ct->has_label_names = true;
	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		int err;

		at.line++;
		err = read_line(inst, text, (size_t)((eol ? eol : end) - text), at, why);
		if (err)
			return err;
		text = eol ? eol + 1 : end;
	}
	return 0;
}

bool ct_label_names_are_loaded(const struct instance *inst) { return inst && inst->ct && inst->ct->has_label_names; }

const char *ct_label_name(const struct instance *inst, unsigned int bit)
{
	return ct_label_names_are_loaded(inst) && bit < CT_LABELS ? inst->ct->label_names[bit] : NULL;
}

int ct_label_bit(const struct instance *inst, const char *name)
{
	for (int i = 0; ct_label_names_are_loaded(inst) && i < CT_LABELS; i++)
		if (inst->ct->label_names[i] && strcmp(inst->ct->label_names[i], name) == 0)
			return i;
	return -1;
}
