/*
 * cli/notes.c - rules as people see them. The engine names a rule by an address that lives as long as its rule
 * set; a note keeps the words, so that a drop can be told of after the set was replaced.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/run.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct rule_note *note_new(struct instance *inst, const struct table_rule_ref *ref)
{
	struct rule_note *note = calloc(1, sizeof(*note));
	struct strbuf text = STRBUF_INIT, comment = STRBUF_INIT;

	if (!note)
		return NULL;
	rules_print_one(inst, ref, &text);
	while (text.len && text.s[text.len - 1] == '\n')
		text.s[--text.len] = '\0';
	sb_printf(&comment, "%s%s %s ", ref->family == NFPROTO_IPV6 ? "ip6 " : "", ref->table, ref->chain);
	if (ref->number)
		sb_printf(&comment, "rule %u", ref->number);
	else
		sb_adds(&comment, "policy");
	if (ref->file)
		sb_printf(&comment, " (%s:%u)", base_name(ref->file), ref->line);
	if (ref->number && text.len) {
		sb_adds(&comment, ": ");
		sb_add_utf8(&comment, sb_str(&text));
	}
	*note = (struct rule_note){
		.table = strdup(ref->table), .chain = strdup(ref->chain), .file = ref->file ? strdup(ref->file) : NULL,
		.text = strdup(sb_str(&text)), .number = ref->number, .line = ref->line, .family = ref->family,
		.comment = strdup(sb_str(&comment)),
	};
	sb_free(&text);
	sb_free(&comment);
	return note;
}

static void note_free(struct rule_note *note)
{
	if (!note)
		return;
	free(note->table);
	free(note->chain);
	free(note->file);
	free(note->text);
	free(note->comment);
	free(note);
}

static size_t slot_of(const struct notes *notes, const struct table_rule_ref *ref)
{
	size_t i = ((uintptr_t)ref >> 4) * 0x9e3779b97f4a7c15ull >> 32;

	for (i &= notes->slot_count - 1; notes->slots[i].ref && notes->slots[i].ref != ref;)
		i = (i + 1) & (notes->slot_count - 1);
	return i;
}

static bool grow(struct notes *notes)
{
	struct notes bigger = { .slot_count = notes->slot_count ? notes->slot_count * 2 : 256 };

	bigger.slots = calloc(bigger.slot_count, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < notes->slot_count; i++)
		if (notes->slots[i].ref)
			bigger.slots[slot_of(&bigger, notes->slots[i].ref)] = notes->slots[i];
	free(notes->slots);
	notes->slots = bigger.slots;
	notes->slot_count = bigger.slot_count;
	return true;
}

/* The same rule of an earlier rule set; only such a note has lost its address. */
static struct rule_note *note_same(const struct notes *notes, const struct rule_note *as)
{
	for (struct rule_note *n = notes->all; n; n = n->next)
		if (strcmp(n->comment, as->comment) == 0 && strcmp(n->text, as->text) == 0 && n->line == as->line)
			return n;
	return NULL;
}

struct rule_note *note_of(struct notes *notes, struct instance *inst, const struct table_rule_ref *ref)
{
	struct rule_note *note, *same;
	size_t i;

	if (!ref)
		return NULL;
	if (notes->slot_count) {
		i = slot_of(notes, ref);
		if (notes->slots[i].ref)
			return notes->slots[i].note;
	}
	if (notes->used * 2 >= notes->slot_count && !grow(notes))
		return NULL;
	note = note_new(inst, ref);
	if (!note)
		return NULL;
	same = note_same(notes, note);
	if (same) {
		note_free(note);
		note = same;
	} else {
		note->next = notes->all;
		notes->all = note;
	}
	i = slot_of(notes, ref);
	notes->slots[i].ref = ref;
	notes->slots[i].note = note;
	notes->used++;
	return note;
}

void notes_forget_refs(struct notes *notes)
{
	if (notes->used)
		memset(notes->slots, 0, notes->slot_count * sizeof(*notes->slots));
	notes->used = 0;
}

void notes_free(struct notes *notes)
{
	for (struct rule_note *n = notes->all, *next; n; n = next) {
		next = n->next;
		note_free(n);
	}
	free(notes->slots);
}
