/* table/kept.c - see kept.h. What cannot be held any more is left out: a rule that was taken is nobody's concern now. */
#include "table/kept.h"

#include <stdlib.h>

#include "table/alone.h"

struct kept_entry {
	struct kept_entry *next;
	struct ruleset table;		/* as much of one as extensions are told of */
	_Alignas(16) uint8_t entry[];
};

struct holding {
	struct kept_rules *kept;
	uint8_t family;
	bool makers;			/* first those who make what others name: targets do */
};

static void hold_entry(struct kept_rules *kept, const struct edit_chain *chain, const void *entry)
{
	const struct edit *edit = chain->edit;
	const uint16_t size = entry_next_offset(entry, edit->family);
	struct kept_entry *own = calloc(1, sizeof(*own) + size);
	struct alone_steps steps = { edit->inst };
	struct ext_memo memo = { 0 };
	int err;

	if (!own)
		return;
	own->table = (struct ruleset){ .family = edit->family, .was_taken = true };
	memcpy(own->table.table, edit->kind->name, strlen(edit->kind->name) + 1);
	memcpy(own->entry, entry, size);
	*entry_comefrom(own->entry, edit->family) = chain->hook_mask;
	err = entry_exts_check(&steps, &own->table, own->entry, &memo, NULL);
	alone_steps_end(&steps);
	if (err) {
		free(own);
		return;
	}
	own->next = kept->held;
	kept->held = own;
}

static bool target_shares(const void *entry, uint8_t family, struct ext_memo *memo)
{
	const struct xt_entry_target *t = entry_target(entry, family);
	const struct target *target = t->u.user.name[0] ? target_find_again(memo, t->u.user.name, t->u.user.revision, family) : NULL;

	return target && target->names_shared;
}

static void hold_table(void *priv, const char *name)
{
	const struct holding *holding = priv;
	struct table_source *from = holding->kept->from;
	const uint8_t family = holding->family;
	struct ext_memo memo = { 0 };
	struct edit *edit;

	if (from->open(from, family, name, false, &edit, NULL))
		return;
	for (uint32_t c = 0; c < edit->count; c++) {
		struct edit_chain *chain = edit->chains[c];

		for (uint32_t i = 0; i < chain->count; i++) {
			const struct edit_rule *rule = edit_rule_at(chain, i);

			if (!rule)
				break;
			if (entry_exts_share(rule->entry, family, &memo) &&
			    target_shares(rule->entry, family, &memo) == holding->makers)
				hold_entry(holding->kept, chain, rule->entry);
		}
	}
	edit_free(edit);
}

void kept_rules_need(struct kept_rules *kept, const void *entry, uint8_t family)
{
	if (!kept || kept->tried || !entry_exts_share(entry, family, &kept->memo))
		return;
	kept->tried = true;
	for (int makers = 1; makers >= 0; makers--) {
		struct holding holding = { .kept = kept, .makers = makers };

		holding.family = NFPROTO_IPV4;
		kept->from->each(kept->from, NFPROTO_IPV4, hold_table, &holding);
		holding.family = NFPROTO_IPV6;
		kept->from->each(kept->from, NFPROTO_IPV6, hold_table, &holding);
	}
}

void kept_rules_release(struct kept_rules *kept)
{
	struct alone_steps steps = { kept->from->inst };

	for (struct kept_entry *own = kept->held, *next; own; own = next) {
		next = own->next;
		entry_exts_release(&steps, &own->table, own->entry);
		free(own);
	}
	alone_steps_end(&steps);
	kept->held = NULL;
}
