/*
 * table/restore_check.c - all that is wrong with a table that was read, once its lines are: loops, each with the rule
 * that closes it, and what extensions refuse.
 */
#include "table/rule_text.h"

#include <stdio.h>
#include <stdlib.h>

/* --- at which word --- */

/* Does the sentence name this option? */
static bool says_option(const char *text, const struct rule_word *word)
{
	const size_t len = strlen(word->text);

	for (const char *at = strstr(text, word->text); at; at = strstr(at + 1, word->text))
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", at[len]) || !at[len])
			return true;
	return false;
}

/* The names under which rules are kept, and the ones under which they are also written. */
static bool is_named(const char *written, const char *about)
{
	return !strcmp(written, about) || (!strcmp(about, "conntrack") && !strcmp(written, "state")) ||
	       (!strcmp(about, "CT") && !strcmp(written, "NOTRACK")) || (!strcmp(about, "statistic") && !strcmp(written, "nth"));
}

/* First an option that the sentence names, then the extension's or chain's name, then whatever says where to. */
static const struct rule_word *word_meant(const struct rule_words *words, const struct refusal *why)
{
	const struct rule_word *jump = NULL;

	for (unsigned int i = 0; i < words->count; i++)
		if (!strncmp(words->list[i].text, "--", 2) && words->list[i].text[2] && says_option(why->text, &words->list[i]))
			return &words->list[i];
	for (unsigned int i = 0; i + 1 < words->count; i++) {
		static const char *const namers[] = { "-m", "--match", "-j", "--jump", "-g", "--goto", "-p", "--protocol" };

		for (size_t n = 0; n < ARRAY_SIZE(namers); n++) {
			if (strcmp(words->list[i].text, namers[n]))
				continue;
			if (is_named(words->list[i + 1].text, why->about))
				return &words->list[i + 1];
			if (n >= 2 && n < 6)
				jump = &words->list[i + 1];
		}
	}
	return jump;
}

void line_cursor_place(struct line_cursor *cursor, struct refusal *why)
{
	struct rule_words words = { 0 };
	const struct rule_word *word;
	size_t len, from;

	if (!why->at.line || why->at.width || !why->about[0])
		return;
	if (why->at.line < cursor->number || !cursor->number)
		cursor->at = 0, cursor->number = 1;
	for (; cursor->number < why->at.line; cursor->number++) {
		const char *newline = memchr(cursor->text + cursor->at, '\n', cursor->len - cursor->at);

		if (!newline)
			return;
		cursor->at = (size_t)(newline + 1 - cursor->text);
	}
	len = cursor->len - cursor->at;
	if (memchr(cursor->text + cursor->at, '\n', len))
		len = (size_t)((const char *)memchr(cursor->text + cursor->at, '\n', len) - (cursor->text + cursor->at));
	/* "[5:6] -A INPUT" */
	from = len && cursor->text[cursor->at] == '[' && memchr(cursor->text + cursor->at, ']', len)
	     ? (size_t)((const char *)memchr(cursor->text + cursor->at, ']', len) + 1 - (cursor->text + cursor->at)) : 0;
	if (!rule_words_split(&words, cursor->text + cursor->at + from, len - from, (unsigned int)from + 1, NULL)) {
		word = word_meant(&words, why);
		if (word) {
			why->at.column = word->column;
			why->at.width = word->width;
		}
	}
	rule_words_free(&words);
}

/* --- loops --- */

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
	refuse_at(&why, (struct text_pos){ rule->source.file, rule->source.line, 0, 0 }, -ELOOP,
		  "this jump closes a loop: %.300s%s", sb_str(&round), rule->jump->name);
	snprintf(why.about, sizeof(why.about), "%s", rule->jump->name);
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
				/* what else is wrong can be seen once the rule just goes on */
				((struct edit_rule *)rule)->kind = RULE_FALLTHROUGH;
				((struct edit_rule *)rule)->jump = NULL;
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
	const int loops = loops_tell(edit, visit, priv);
	int err = loops < 0 ? loops : edit_blob_make(edit, &blob, NULL);

	if (err)
		return err;
	err = ruleset_check_all(edit->inst, edit->family, &blob.head, blob.entries, blob.lines, visit, priv);
	edit_blob_free(&blob);
	return err ? err : loops ? -ELOOP : 0;
}
