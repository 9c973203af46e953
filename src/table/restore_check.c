/*
 * table/restore_check.c - all that is wrong with a table that was read, once its lines are: loops, each with the rule
 * that closes it, and what extensions refuse.
 */
#include "table/rule_text.h"

#include <stdlib.h>

struct way { struct edit_chain *chain; uint32_t at; };

static void tell_loop(const struct way *ways, uint32_t depth, const struct edit_rule *rule, refusal_visit visit, void *priv)
{
	struct strbuf round = STRBUF_INIT;
	struct refusal why = { 0 };
	uint32_t from = depth;

	while (from && ways[from].chain != rule->jump)
		from--;
	for (uint32_t i = from; i <= depth; i++)
		sb_printf(&round, "%s -> ", ways[i].chain->name);
	refuse_at(&why, (struct text_pos){ rule->source.file, rule->source.line, 1, 0 }, -ELOOP,
		  "this jump closes a loop: %.300s%s", sb_str(&round), rule->jump->name);
	visit(priv, &why);
	sb_free(&round);
}

/* Depth first from the builtin chains, each chain once; what stands behind a rule for every packet is not reached. */
static int loops_tell(struct edit *edit, refusal_visit visit, void *priv)
{
	enum { NEW, ON_WAY, DONE };
	struct way *ways = calloc(edit->count + 1, sizeof(*ways));
	uint8_t *state = calloc(edit->count + 1, 1);
	int found = 0;

	if (!ways || !state)
		found = -ENOMEM;
	for (uint32_t i = 0; i < edit->count; i++)
		edit->chains[i]->start = i;	/* its number, until a blob is made */
	for (uint32_t first = 0; found >= 0 && first < edit->builtin_count; first++) {
		uint32_t depth = 0;

		ways[0] = (struct way){ edit->chains[first], 0 };
		state[first] = ON_WAY;
		for (;;) {
			struct way *way = &ways[depth];
			const struct edit_rule *rule = way->at < way->chain->count ? edit_rule_at(way->chain, way->at) : NULL;
			uint32_t to;

			if (!rule || (rule->kind == RULE_VERDICT && entry_is_unconditional(rule->entry, edit->family))) {
				state[way->chain->start] = DONE;
				if (!depth--)
					break;
				continue;
			}
			way->at++;
			if (rule->kind != RULE_JUMP)
				continue;
			to = rule->jump->start;
			if (state[to] == ON_WAY) {
				tell_loop(ways, depth, rule, visit, priv);
				found++;
			} else if (state[to] == NEW) {
				state[to] = ON_WAY;
				ways[++depth] = (struct way){ rule->jump, 0 };
			}
		}
	}
	free(ways);
	free(state);
	return found;
}

int restore_check_table(struct edit *edit, refusal_visit visit, void *priv)
{
	struct edit_blob blob;
	int err = loops_tell(edit, visit, priv);

	if (err)
		return err < 0 ? err : -ELOOP;
	err = edit_blob_make(edit, &blob, NULL);
	if (err)
		return err;
	err = ruleset_check_all(edit->inst, edit->family, &blob.head, blob.entries, blob.lines, visit, priv);
	edit_blob_free(&blob);
	return err;
}
