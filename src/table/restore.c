/*
 * table/restore.c - iptables-restore: tables from a text. Each COMMIT is one step, or the whole text is;
 * what goes wrong is said with its line and column.
 */
#include "table/alone.h"
#include "table/rule_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE_LEN_MAX = 10239 };	/* upstream's buffer: a longer line would fall apart there */

/* A table between its "*name" and its COMMIT, or until all are committed. */
struct open_table {
	struct edit *edit;
	struct ruleset *rules;
	struct publication publication;
	struct open_table *next;
};

struct restore {
	struct parse_env env;
	struct table_source *tables;
	const char *only;		/* this table's lines are read, others are not */
	bool skipping;			/* in one of the others, or in one whose name is unknown */
	bool outside;			/* it was said that what is here belongs to no table */
	struct rule_words words;
	struct ext_memo memo;
	refusal_visit visit;		/* everything wrong is told, then the text goes on */
	void *visit_priv;
	unsigned int flags;
	struct edit *edit;		/* the table we are in; NULL between tables */
	struct open_table *pending;	/* with RESTORE_ALL_OR_NOTHING: in order of appearance */
	struct refusal *why;
	int exit_code;
};

#define FAIL(r, column, width, err, ...) \
	refuse_at((r)->why, (struct text_pos){ (r)->env.file, (r)->env.line, (unsigned int)(column), \
		  (unsigned int)(width) }, err, __VA_ARGS__)

/* Next run of bytes other than blanks in [*at, len); its length, 0 when there is none. */
static size_t next_token(const char *line, size_t len, size_t *at)
{
	size_t end;

	while (*at < len && (line[*at] == ' ' || line[*at] == '\t'))
		(*at)++;
	end = *at;
	while (end < len && line[end] != ' ' && line[end] != '\t')
		end++;
	return end - *at;
}

static int table_clear(struct edit *edit, struct strbuf *told, struct refusal *why)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < edit->count; i++) {
		if (told)
			sb_printf(told, "Flushing chain `%s'\n", edit->chains[i]->name);
		err = edit_chain_flush(edit->chains[i]);
	}
	for (uint32_t i = edit->builtin_count; told && i < edit->count; i++)
		sb_printf(told, "Deleting chain `%s'\n", edit->chains[i]->name);
	while (!err && edit->count > edit->builtin_count)
		err = edit_chain_delete(edit, edit->chains[edit->count - 1]);
	edit->changed = true;
	return err ? refuse(why, err, "table %s: what was kept of it is damaged", edit->kind->name) : 0;
}

static struct edit *pending_find(struct restore *r, const char *name)
{
	for (struct open_table *at = r->pending; at; at = at->next)
		if (!strcmp(at->edit->kind->name, name))
			return at->edit;
	return NULL;
}

static int table_line(struct restore *r, const char *line, size_t len, struct strbuf *out)
{
	const bool later = r->flags & RESTORE_ALL_OR_NOTHING || r->visit;
	char name[XT_TABLE_MAXNAMELEN];
	size_t at = 1, width = next_token(line, len, &at);
	struct suggestion near = { .wanted = name };
	int err;

	if (!width)
		return FAIL(r, 1, 1, -EINVAL, "table name missing");
	snprintf(name, sizeof(name), "%.*s", (int)MIN_OF(width, sizeof(name) - 1), line + at);
	if (r->only && strcmp(name, r->only)) {
		r->skipping = true;
		return 0;
	}
	if (!table_kind_find(name)) {
		r->exit_code = 2;
		for (const struct table_kind *const *kind = table_kinds; *kind; kind++)
			suggest_offer(&near, (*kind)->name);
		if (near.best)
			return FAIL(r, at + 1, width, -ENOENT, "unknown table '%s': did you mean '%s'?", name, near.best);
		return FAIL(r, at + 1, width, -ENOENT, "unknown table '%s'", name);
	}
	r->edit = later && !r->visit ? pending_find(r, name) : NULL;
	if (!r->edit) {
		r->tables->empties = !(r->flags & RESTORE_NOFLUSH);
		err = r->tables->open(r->tables, r->env.family, name, !later, &r->edit, r->why);
		r->tables->empties = false;
		if (err) {
			r->exit_code = 2;
			return err;
		}
		if (later && !r->visit) {
			struct open_table *open = calloc(1, sizeof(*open)), **tail = &r->pending;

			if (!open) {
				edit_free(r->edit);
				r->edit = NULL;
				return FAIL(r, 1, 0, -ENOMEM, "no memory");
			}
			open->edit = r->edit;
			while (*tail)
				tail = &(*tail)->next;
			*tail = open;
		}
	}
	r->env.table = r->edit->kind->name;
	if (r->flags & RESTORE_NOFLUSH)
		return 0;
	return table_clear(r->edit, r->flags & RESTORE_VERBOSE ? out : NULL, r->why);
}

static int commit_line(struct restore *r)
{
	struct edit *edit = r->edit;
	int err = 0;

	r->edit = NULL;
	if (r->visit) {
		err = restore_check_table(edit, r->visit, r->visit_priv);
		edit_free(edit);
		return err == -ENOMEM ? refuse(r->why, err, "no memory") : 0;
	}
	if (r->flags & RESTORE_ALL_OR_NOTHING)
		return 0;
	if (r->flags & RESTORE_TEST)
		err = r->tables->check(r->tables, edit, r->why);
	else if (edit->changed)
		err = r->tables->commit(r->tables, edit, r->why);
	edit_free(edit);
	if (err && r->why && !r->why->at.line)
		r->why->at = (struct text_pos){ r->env.file, r->env.line, 1, 6 };
	return err;
}

static int chain_line(struct restore *r, const char *line, size_t len)
{
	char name[XT_EXTENSION_MAXNAMELEN], policy[32];
	size_t at = 1, width = next_token(line, len, &at), policy_at, policy_width;
	struct xt_counters counters = { 0 };
	struct edit_chain *chain;
	int err = 0;

	if (!width)
		return FAIL(r, 1, 1, -EINVAL, "chain name missing");
	if (width >= sizeof(name))
		return FAIL(r, at + 1, width, -EINVAL, "Invalid chain name `%.*s' (%u chars max)", (int)MIN_OF(width, 99u),
			    line + at, XT_EXTENSION_MAXNAMELEN - 1);
	snprintf(name, sizeof(name), "%.*s", (int)width, line + at);
	policy_at = at + width;
	policy_width = next_token(line, len, &policy_at);
	chain = edit_chain_find(r->edit, name);
	if (!chain || chain->hook < 0) {
		if (chain && r->flags & RESTORE_NOFLUSH)
			err = edit_chain_flush(chain);
		else
			err = edit_chain_add(r->edit, name, &chain);
		if (err == -EEXIST)
			return FAIL(r, at + 1, width, err, "chain '%s' is declared twice", name);
		if (err)
			return FAIL(r, at + 1, width, err, "error creating chain '%s': %s", name, strerror(-err));
		r->edit->changed = true;
	}
	chain->source = (struct rule_source){ r->env.file, r->env.line };
	if (!policy_width)
		return FAIL(r, at + 1, width, -EINVAL, "chain '%s' has no policy; a chain of your own takes '-'", name);
	snprintf(policy, sizeof(policy), "%.*s", (int)MIN_OF(policy_width, sizeof(policy) - 1), line + policy_at);
	if (!strcmp(policy, "-"))
		return 0;
	if (r->flags & RESTORE_COUNTERS) {
		size_t counters_at = policy_at + policy_width, counters_width = next_token(line, len, &counters_at);
		unsigned long long packets, bytes;
		char text[64];

		snprintf(text, sizeof(text), "%.*s", (int)MIN_OF(counters_width, sizeof(text) - 1), line + counters_at);
		/* a snapshot counts on from where it was taken, if it says so */
		if (!counters_width && r->flags & RESTORE_ALL_OR_NOTHING)
			packets = bytes = 0;
		else if (sscanf(text, "[%llu:%llu]", &packets, &bytes) != 2)
			return FAIL(r, counters_at + 1, counters_width, -EINVAL, "invalid policy counters for chain '%s'",
				    name);
		counters = (struct xt_counters){ packets, bytes };
	}
	err = edit_chain_set_policy(chain, policy, &counters);
	if (err)
		return FAIL(r, policy_at + 1, policy_width, err, "Can't set policy `%s' on `%s': %s", policy, name,
			    err == -ENOENT ? "Bad built-in chain name" : "Bad policy name");
	r->edit->changed = true;
	return 0;
}

/* "[12:340] -A ...": gives the counters' texts, moves *at behind them. */
static int counters_prefix(struct restore *r, const char *line, size_t len, size_t *at, char packets[32], char bytes[32])
{
	const char *close, *colon;

	packets[0] = bytes[0] = '\0';
	if (!len || line[0] != '[')
		return 0;
	close = memchr(line, ']', len);
	if (!close)
		return FAIL(r, 1, 1, -EINVAL, "Bad line: need ]");
	colon = memchr(line, ':', (size_t)(close - line));
	if (!colon || colon == line + 1 || colon + 1 == close)
		return FAIL(r, 1, close - line + 1, -EINVAL, "Bad line: need [packets:bytes]");
	snprintf(packets, 32, "%.*s", (int)MIN_OF(colon - line - 1, 31), line + 1);
	snprintf(bytes, 32, "%.*s", (int)MIN_OF(close - colon - 1, 31), colon + 1);
	*at = (size_t)(close - line) + 1;
	return 0;
}

static int rule_line(struct restore *r, const char *line, size_t len, struct strbuf *out)
{
	char program[] = "iptables", option[] = "--set-counters", packets[32], bytes[32];
	struct rule_words words = r->words;	/* its memory, used again */
	struct rule_command cmd;
	size_t at = 0;
	int err = counters_prefix(r, line, len, &at, packets, bytes);

	if (err)
		return err;
	words.count = 0;
	err = rule_words_add(&words, program, 0, 0);
	if (!err && r->flags & RESTORE_COUNTERS && packets[0])
		err = rule_words_add(&words, option, 1, (unsigned int)at) || rule_words_add(&words, packets, 1, (unsigned int)at) ||
		      rule_words_add(&words, bytes, 1, (unsigned int)at);
	r->words = words;
	if (err)
		return FAIL(r, 0, 0, -ENOMEM, "no memory");
	/* the line's end belongs to an unclosed quote */
	err = rule_words_split(&words, line + at, len - at, (unsigned int)at + 1, r->why);
	r->words = words;
	if (!err && words.count == 1)
		goto out;	/* blanks only: upstream finds no command there */
	if (!err)
		err = rule_command_parse(&r->env, &words, &cmd, r->why);
	if (err)
		r->exit_code = 2;
	if (!err) {
		if (cmd.kind & (CMD_HELP | CMD_VERSION))
			err = FAIL(r, words.list[1].column, words.list[1].width, -EINVAL, "not in a rule file");
		else if (cmd.kind)
			err = rule_command_run(&r->env, &cmd, r->edit, out, &r->exit_code, r->why);
		rule_command_free(&cmd);
	}
	if (err && r->why) {
		r->why->at.file = r->env.file;
		r->why->at.line = r->env.line;
		if (!r->why->at.column)
			r->why->at.column = 1;
	}
	return err;
out:
	return FAIL(r, 1, len, -EINVAL, "no command specified");
}

static int text_line(struct restore *r, const char *line, size_t len, bool ended, struct strbuf *out)
{
	if (len && line[0] == '#' && r->flags & RESTORE_VERBOSE)
		sb_printf(out, "%.*s\n", (int)MIN_OF(len, (size_t)LINE_LEN_MAX), line);
	if (!len || line[0] == '#')
		return 0;
	if (len > LINE_LEN_MAX)
		return FAIL(r, LINE_LEN_MAX, 1, -EINVAL, "the line is longer than %u bytes", LINE_LEN_MAX);
	if (memchr(line, '\0', len))
		return FAIL(r, (const char *)memchr(line, '\0', len) - line + 1, 1, -EINVAL, "a zero byte in the text");
	if (r->skipping) {
		r->skipping = !(len == 6 && !memcmp(line, "COMMIT", 6));
		return 0;
	}
	if (!r->edit) {
		if (line[0] == '*')
			return table_line(r, line, len, out);
		return FAIL(r, 1, len, -EINVAL, "only comments and *table may stand outside a table");
	}
	if (len == 6 && !memcmp(line, "COMMIT", 6)) {
		if (!ended)
			return FAIL(r, 1, 6, -EINVAL, "Bad argument `COMMIT': the last line needs its newline");
		return commit_line(r);
	}
	if (line[0] == ':')
		return chain_line(r, line, len);
	/* an unclosed quote takes in the newline */
	return rule_line(r, line, len + ended, out);
}

static int pending_prepare(struct restore *r)
{
	int err;

	for (struct open_table *at = r->pending; at; at = at->next) {
		err = edit_build(at->edit, &at->rules, r->why);
		if (err)
			return err;
	}
	if (r->flags & RESTORE_TEST)
		return 0;
	for (struct open_table *at = r->pending; at; at = at->next) {
		err = edit_prepare(at->edit, at->rules, &at->publication, r->why);
		if (err)
			return err;
		at->rules = NULL;
	}
	return 0;
}

static void pending_apply(struct restore *r)
{
	for (struct open_table *at = r->pending; at; at = at->next)
		publication_apply(r->env.inst, &at->publication);
}

/* Few rules' extensions end in the same go. */
static void pending_publish(struct restore *r)
{
	struct alone_steps steps = { r->env.inst };

	alone_step(&steps);
	pending_apply(r);
	for (struct open_table *at = r->pending; at; at = at->next)
		publication_release(&steps, &at->publication);
	alone_steps_end(&steps);
}

static void pending_free(struct restore *r)
{
	for (struct open_table *at = r->pending, *next; at; at = next) {
		next = at->next;
		publication_end(r->env.inst, &at->publication);
		ruleset_free(r->env.inst, at->rules);
		edit_free(at->edit);
		free(at);
	}
}

static int text_lines(struct restore *r, const char *text, size_t len, struct strbuf *out)
{
	size_t at = 0;
	int err = 0;

	while (at < len && !err) {
		const char *newline = memchr(text + at, '\n', len - at);
		const size_t end = newline ? (size_t)(newline - text) : len;

		r->env.line++;
		err = text_line(r, text + at, end - at, newline, out);
		if (err && r->visit && err != -ENOMEM) {
			if (text[at] == '*' && !r->edit)
				r->skipping = true;	/* what follows is not judged by the wrong table */
			else if (!r->edit && !r->outside)
				r->outside = true;
			else if (!r->edit)
				err = 0;
			if (err)
				r->visit(r->visit_priv, r->why);
			err = 0;
		}
		if (r->edit)
			r->outside = false;
		at = end + 1;
	}
	if (!err && r->edit) {
		r->env.line++;
		err = FAIL(r, 1, 0, -EINVAL, "COMMIT expected: table %s is never committed", r->edit->kind->name);
		if (r->visit) {
			r->visit(r->visit_priv, r->why);
			restore_check_table(r->edit, r->visit, r->visit_priv);
		}
	}
	return err;
}

struct counted_visit {
	refusal_visit visit;
	void *priv;
	int count;
	struct line_cursor cursor;
};

static void visit_counted(void *priv, const struct refusal *why)
{
	struct counted_visit *v = priv;
	struct refusal placed = *why;

	v->count++;
	line_cursor_place(&v->cursor, &placed);
	v->visit(v->priv, &placed);
}

int rules_check(struct instance *inst, uint8_t family, const char *text, size_t len, const char *file,
		refusal_visit visit, void *priv)
{
	struct counted_visit counted = { visit, priv, 0, { text, len } };
	struct table_source tables = table_source_of(inst);
	struct refusal why = { 0 };
	struct restore r = {
		.env = { .inst = inst, .family = family, .table = "filter", .restoring = true, .file = file,
			 .tables = &tables },
		.tables = &tables,
		.why = &why,
		.visit = visit_counted,
		.visit_priv = &counted,
	};
	struct strbuf out = STRBUF_INIT;
	int err = text_lines(&r, text, len, &out);

	edit_free(r.edit);
	rule_words_free(&r.words);
	sb_free(&out);
	return err == -ENOMEM ? err : counted.count;
}

int rules_restore_in(struct table_source *tables, uint8_t family, const char *text, size_t len, const char *file,
		     unsigned int flags, const char *only, struct strbuf *printed, int *exit_code, struct refusal *why)
{
	struct restore r = {
		.exit_code = 1,
		.env = { .inst = tables->inst, .family = family, .table = "filter", .restoring = true, .file = file, .tables = tables,
			 .tells = (flags & (RESTORE_VERBOSE | RESTORE_NOFLUSH)) == RESTORE_VERBOSE },
		.tables = tables,
		.only = only,
		.flags = flags,
		.why = why,
	};
	struct strbuf unread = STRBUF_INIT, *out = printed ? printed : &unread;
	int err;

	if (why)
		*why = (struct refusal){ 0 };
	r.env.memo = &r.memo;
	err = text_lines(&r, text, len, out);
	if (!err && flags & RESTORE_ALL_OR_NOTHING) {
		err = pending_prepare(&r);
		if (!err && !(flags & RESTORE_TEST))
			pending_publish(&r);
	}
	if (!(flags & RESTORE_ALL_OR_NOTHING))
		edit_free(r.edit);
	pending_free(&r);
	rule_words_free(&r.words);
	sb_free(&unread);
	if (err && why)
		line_cursor_place(&(struct line_cursor){ text, len }, why);
	if (exit_code)
		*exit_code = err ? r.exit_code : 0;
	return err;
}

int rules_restore(struct instance *inst, uint8_t family, const char *text, size_t len, const char *file,
		  unsigned int flags, struct refusal *why)
{
	struct table_source tables = table_source_of(inst);

	return rules_restore_in(&tables, family, text, len, file, flags, NULL, NULL, NULL, why);
}

/* --- in steps --- */

struct staged_text { struct staged_text *next; const char *file, *text; size_t len; };

struct rules_stage {
	struct restore r;
	struct table_source tables;
	struct staged_text *texts;
	struct refusal why;
};

struct rules_stage *rules_stage_new(struct instance *inst, uint8_t family)
{
	struct rules_stage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tables = table_source_of(inst);
	s->r.env = (struct parse_env){ .inst = inst, .family = family, .restoring = true, .tables = &s->tables, .memo = &s->r.memo };
	s->r.tables = &s->tables;
	s->r.flags = RESTORE_ALL_OR_NOTHING | RESTORE_COUNTERS;
	s->r.why = &s->why;
	return s;
}

/* In the text that it is about. */
static int stage_refused(const struct rules_stage *s, int err, struct refusal *why)
{
	if (!why)
		return err;
	*why = s->why;
	for (const struct staged_text *at = s->texts; at; at = at->next) {
		if (why->at.file && at->file && !strcmp(at->file, why->at.file)) {
			line_cursor_place(&(struct line_cursor){ at->text, at->len }, why);
			break;
		}
	}
	return err;
}

int rules_stage_text(struct rules_stage *s, const char *text, size_t len, const char *file, struct refusal *why)
{
	struct staged_text *own = malloc(sizeof(*own));
	struct strbuf unread = STRBUF_INIT;
	int err;

	if (!own)
		return refuse(why, -ENOMEM, "no memory");
	*own = (struct staged_text){ s->texts, file, text, len };
	s->texts = own;
	s->r.env.table = "filter";
	s->r.env.file = file;
	s->r.env.line = 0;
	s->r.edit = NULL;
	err = text_lines(&s->r, text, len, &unread);
	sb_free(&unread);
	return err ? stage_refused(s, err, why) : 0;
}

int rules_stage_prepare(struct rules_stage *s, struct refusal *why)
{
	int err = pending_prepare(&s->r);

	return err ? stage_refused(s, err, why) : 0;
}

void rules_stage_apply(struct rules_stage *s) { pending_apply(&s->r); }

void rules_stage_free(struct rules_stage *s)
{
	if (!s)
		return;
	pending_free(&s->r);
	rule_words_free(&s->r.words);
	for (struct staged_text *at = s->texts, *next; at; at = next) {
		next = at->next;
		free(at);
	}
	free(s);
}
