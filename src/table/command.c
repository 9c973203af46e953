/*
 * table/command.c - what a read command does to a table; iptables as typed, with upstream's messages and
 * exit codes.
 */
#include "table/rule_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_DONE, EXIT_OTHER, EXIT_PARAMETER, EXIT_VERSION, EXIT_RESOURCE };

/* Upstream's words for an errno, which depend on what was tried. */
static const char *table_error_text(unsigned int kind, int err)
{
	static const struct {
		unsigned int kinds;
		int err;
		const char *text;
	} texts[] = {
		{ CMD_NEW_CHAIN, EEXIST, "Chain already exists." },
		{ CMD_INSERT, E2BIG, "Index of insertion too big." },
		{ CMD_REPLACE, E2BIG, "Index of replacement too big." },
		{ CMD_DELETE_NUM, E2BIG, "Index of deletion too big." },
		{ CMD_ZERO_NUM, E2BIG, "Index of counter too big." },
		{ CMD_DELETE | CMD_CHECK, ENOENT, "Bad rule (does a matching rule exist in that chain?)." },
		{ CMD_SET_POLICY, ENOENT, "Bad built-in chain name." },
		{ CMD_SET_POLICY, EINVAL, "Bad policy name. Run `dmesg' for more information." },
		{ UINT32_MAX, ENOMEM, "Memory allocation problem." },
		{ UINT32_MAX, ENOENT, "No chain/target/match by that name." },
		{ UINT32_MAX, EINVAL, "Invalid argument. Run `dmesg' for more information." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].kinds & kind && texts[i].err == err)
			return texts[i].text;
	return NULL;
}

static int table_error(const struct parse_env *env, const struct rule_command *cmd, const struct rule_word *word, int err,
		       struct refusal *why)
{
	const char *text = table_error_text(cmd->kind, -err);

	if (text)
		return refuse_at(why, word_pos(env, word), err, "%s", text);
	return refuse_at(why, word_pos(env, word), err, "%s.", strerror(-err));
}

static int chain_unknown(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
			 const char *name, const struct rule_word *word, struct refusal *why)
{
	struct suggestion near = { .wanted = name };

	for (uint32_t i = 0; i < edit->count; i++)
		suggest_offer(&near, edit->chains[i]->name);
	if (!near.best && !env->restoring)
		return table_error(env, cmd, word, -ENOENT, why);
	if (near.best) {
		refuse_at(why, word_pos(env, word), -ENOENT, "unknown chain '%s': did you mean '%s'?", name, near.best);
		if (!env->restoring)
			refuse_upstream(why, "%s", table_error_text(cmd->kind, ENOENT));
		return -ENOENT;
	}
	return refuse_at(why, word_pos(env, word), -ENOENT, "unknown chain '%s'", name);
}

static int target_unknown(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
			  struct refusal *why)
{
	static const char *const verdicts[] = { "ACCEPT", "DROP", "QUEUE", "RETURN" };
	struct suggestion near = { .wanted = cmd->jump };
	const struct text_pos at = word_pos(env, cmd->jump_word);

	for (uint32_t i = 0; i < edit->count; i++)
		if (edit->chains[i]->hook < 0)
			suggest_offer(&near, edit->chains[i]->name);
	if (cmd->is_goto) {
		if (near.best)
			refuse_at(why, at, -ENOENT, "goto '%s' is not a chain: did you mean '%s'?", cmd->jump, near.best);
		else
			refuse_at(why, at, -ENOENT, "goto '%s' is not a chain", cmd->jump);
		refuse_upstream(why, "goto '%s' is not a chain", cmd->jump);
		return -ENOENT;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		suggest_offer(&near, verdicts[i]);
	for (const struct target *const *t = ext_targets; *t; t++)
		if ((*t)->text && (*t)->families & family_bit(env->family) && (*t)->name[0])
			suggest_offer(&near, (*t)->name);
	if (near.best)
		refuse_at(why, at, -ENOENT, "unknown target or chain '%s': did you mean '%s'?", cmd->jump, near.best);
	else
		refuse_at(why, at, -ENOENT, "unknown target or chain '%s'", cmd->jump);
	refuse_upstream(why, "Couldn't load target `%s':No such file or directory", cmd->jump);
	return -ENOENT;
}

/* The rule's bytes but for its addresses. A chain of the target's name goes before the extension. */
static int entry_make(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit, void **out,
		      struct refusal *why)
{
	struct xt_standard_target standard = { .target.u.user.target_size = sizeof(standard) };
	const struct edit_chain *chain = edit && cmd->jump[0] ? edit_chain_find(edit, cmd->jump) : NULL;
	const size_t head = entry_head_size(env->family);
	size_t size = head, target_size = sizeof(standard), at = head;
	const void *target = &standard;
	uint8_t *entry;

	if (cmd->has_target && !chain) {
		for (unsigned int i = 0; i < cmd->use_count; i++) {
			if (cmd->uses[i].target) {
				target = cmd->uses[i].data;
				target_size = cmd->uses[i].size;
			}
		}
	} else {
		const bool verdict = !cmd->is_goto && (!strcmp(cmd->jump, "ACCEPT") || !strcmp(cmd->jump, "DROP") ||
						       !strcmp(cmd->jump, "QUEUE") || !strcmp(cmd->jump, "RETURN"));

		if (edit && cmd->jump[0] && !chain && !verdict)
			return target_unknown(env, cmd, edit, why);
		memcpy(standard.target.u.user.name, cmd->jump, strnlen(cmd->jump, sizeof(standard.target.u.user.name) - 1));
	}
	for (unsigned int i = 0; i < cmd->use_count; i++)
		if (cmd->uses[i].match)
			size += cmd->uses[i].size;
	if (size + target_size > UINT16_MAX)
		return refuse_at(why, word_pos(env, NULL), -EINVAL, "the rule is larger than %u bytes", UINT16_MAX);
	entry = calloc(1, size + target_size);
	if (!entry)
		return refuse(why, -ENOMEM, "no memory");
	memcpy(entry, cmd->head, head);
	entry_set_offsets(entry, env->family, (uint16_t)size, (uint16_t)(size + target_size));
	for (unsigned int i = 0; i < cmd->use_count; i++) {
		if (!cmd->uses[i].match)
			continue;
		memcpy(entry + at, cmd->uses[i].data, cmd->uses[i].size);
		at += cmd->uses[i].size;
	}
	memcpy(entry + size, target, target_size);
	*out = entry;
	return 0;
}

static void entry_set_addrs(void *entry, uint8_t family, const struct rule_command *cmd, unsigned int s, unsigned int d)
{
	if (family == NFPROTO_IPV4) {
		struct ipt_ip *ip = entry;

		ip->src = cmd->sources.addrs[s].in;
		ip->smsk = cmd->sources.masks[s].in;
		ip->dst = cmd->destinations.addrs[d].in;
		ip->dmsk = cmd->destinations.masks[d].in;
	} else {
		struct ip6t_ip6 *ip6 = entry;

		ip6->src = cmd->sources.addrs[s].in6;
		ip6->smsk = cmd->sources.masks[s].in6;
		ip6->dst = cmd->destinations.addrs[d].in6;
		ip6->dmsk = cmd->destinations.masks[d].in6;
	}
}

static int rule_change(const struct rule_command *cmd, struct edit *edit, struct edit_chain *chain, const void *entry,
		       const struct rule_source *source)
{
	int found;

	switch (cmd->kind) {
	case CMD_APPEND:
		return edit_rule_insert(edit, chain, chain->count, entry, source);
	case CMD_INSERT:
		return edit_rule_insert(edit, chain, cmd->rule_number - 1, entry, source);
	case CMD_REPLACE:
		return edit_rule_replace(edit, chain, cmd->rule_number - 1, entry, source);
	}
	found = edit_rule_find(edit, chain, entry);
	if (found < 0)
		return -ENOENT;
	return cmd->kind == CMD_DELETE ? edit_rule_delete(chain, (uint32_t)found) : 0;
}

/* One rule for each pair of addresses. */
static int rule_command(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
			struct strbuf *out, int *exit_code, struct refusal *why)
{
	const struct rule_source source = { env->file, env->file ? env->line : 0 };
	struct edit_chain *chain;
	void *entry = NULL;
	int err = entry_make(env, cmd, edit, &entry, why), failed = 0;

	if (err) {
		*exit_code = EXIT_PARAMETER;
		return err;
	}
	chain = edit_chain_find(edit, cmd->chain);
	if (!chain) {
		free(entry);
		return chain_unknown(env, cmd, edit, cmd->chain, cmd->chain_word, why);
	}
	for (unsigned int s = 0; s < cmd->sources.count; s++) {
		for (unsigned int d = 0; d < cmd->destinations.count; d++) {
			entry_set_addrs(entry, env->family, cmd, s, d);
			if (cmd->given & GIVEN_VERBOSE || env->tells)
				rule_list_line(edit, entry, cmd->jump, out);
			err = rule_change(cmd, edit, chain, entry, &source);
			if (err && !failed)
				failed = err;
		}
	}
	free(entry);
	if (cmd->kind != CMD_CHECK)
		edit->changed = true;
	return failed ? table_error(env, cmd, cmd->chain_word, failed, why) : 0;
}

/* Flushing, zeroing, deleting: one chain or all of them. */
static int chains_command(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
			  struct strbuf *out, struct refusal *why)
{
	const unsigned int kind = cmd->kind & (CMD_FLUSH | CMD_ZERO | CMD_DELETE_CHAIN);
	const char *doing = kind == CMD_FLUSH ? "Flushing" : kind == CMD_ZERO ? "Zeroing" : "Deleting";
	bool found = false;
	int failed = 0;

	for (uint32_t i = 0; i < edit->count;) {
		struct edit_chain *chain = edit->chains[i];
		int err = 0;

		i++;
		if (cmd->chain ? strcmp(cmd->chain, chain->name) : kind == CMD_DELETE_CHAIN && chain->hook >= 0)
			continue;
		found = true;
		if (cmd->given & GIVEN_VERBOSE)
			sb_printf(out, "%s chain `%s'\n", doing, chain->name);
		if (kind == CMD_FLUSH)
			err = edit_chain_flush(chain);
		else if (kind == CMD_ZERO)
			err = edit_chain_zero(chain);
		else
			err = edit_chain_delete(edit, chain);
		if (!err && kind == CMD_DELETE_CHAIN)
			i--;
		if (err)
			failed = err;
	}
	edit->changed |= found;
	if (cmd->chain && !found) {
		if (cmd->given & GIVEN_VERBOSE)
			sb_printf(out, "%s chain `%s'\n", doing, cmd->chain);
		return chain_unknown(env, cmd, edit, cmd->chain, cmd->chain_word, why);
	}
	return failed ? table_error(env, cmd, cmd->chain_word, failed, why) : 0;
}

static int zero_one(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
		    struct refusal *why)
{
	struct edit_chain *chain = edit_chain_find(edit, cmd->chain ? cmd->chain : "");

	if (!chain)
		return chain_unknown(env, cmd, edit, cmd->chain ? cmd->chain : "", cmd->chain_word, why);
	if (cmd->rule_number > chain->count)
		return table_error(env, cmd, cmd->chain_word, -E2BIG, why);
	edit->changed = true;
	return edit_rule_zero(chain, cmd->rule_number - 1);
}

int rule_command_run(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
		     struct strbuf *out, int *exit_code, struct refusal *why)
{
	struct edit_chain *chain = cmd->chain ? edit_chain_find(edit, cmd->chain) : NULL;
	struct edit_chain *added;
	int err = 0;

	*exit_code = EXIT_OTHER;
	if (cmd->kind & CMD_WITH_RULE)
		return rule_command(env, cmd, edit, out, exit_code, why);
	if (cmd->kind & (CMD_LIST | CMD_LIST_RULES)) {
		edit_count(edit);
		if (cmd->given & GIVEN_JSON)
			err = rules_list_json(edit, cmd, out);
		else
			err = cmd->kind & CMD_LIST ? rules_list(edit, cmd, out) : rules_list_commands(edit, cmd, out);
		if (err)
			return chain_unknown(env, cmd, edit, cmd->chain, cmd->chain_word, why);
		if (cmd->kind & CMD_ZERO)
			return chains_command(env, cmd, edit, out, why);
		return cmd->kind & CMD_ZERO_NUM ? zero_one(env, cmd, edit, why) : 0;
	}
	switch (cmd->kind) {
	case CMD_FLUSH:
	case CMD_ZERO:
	case CMD_DELETE_CHAIN:
		return chains_command(env, cmd, edit, out, why);
	case CMD_ZERO_NUM:
		return zero_one(env, cmd, edit, why);
	case CMD_NEW_CHAIN:
		err = edit_chain_add(edit, cmd->chain, &added);
		if (!err)
			added->source = (struct rule_source){ env->file, env->file ? env->line : 0 };
		break;
	case CMD_SET_POLICY:
		err = chain ? edit_chain_set_policy(chain, cmd->policy,
						    cmd->given & GIVEN_COUNTERS ? &cmd->counters : NULL) : -ENOENT;
		break;
	case CMD_DELETE_NUM:
		if (chain && cmd->rule_number > chain->count)
			err = -E2BIG;
		else if (chain)
			err = edit_rule_delete(chain, cmd->rule_number - 1);
		else
			return chain_unknown(env, cmd, edit, cmd->chain, cmd->chain_word, why);
		break;
	case CMD_RENAME_CHAIN:
		if (edit_chain_find(edit, cmd->new_name))
			err = -EEXIST;
		else if (!chain)
			return chain_unknown(env, cmd, edit, cmd->chain, cmd->chain_word, why);
		else
			err = edit_chain_rename(edit, chain, cmd->new_name);
		break;
	}
	if (err)
		return table_error(env, cmd, cmd->chain_word, err, why);
	edit->changed = true;
	return 0;
}

/*
 * One rule, in a table that can change it alone. Anything else, and all that is wrong, goes the long way, which knows
 * what to say about it.
 */
static bool one_rule_alone(const struct parse_env *env, const struct rule_command *cmd, struct table_source *tables)
{
	static const struct { unsigned int command; enum rule_change_kind kind; } kinds[] = {
		{ CMD_APPEND, CHANGE_INSERT }, { CMD_INSERT, CHANGE_INSERT }, { CMD_REPLACE, CHANGE_REPLACE },
		{ CMD_DELETE_NUM, CHANGE_DELETE }, { CMD_DELETE, CHANGE_DELETE }, { CMD_CHECK, CHANGE_LOOK },
	};
	struct rule_change change = { .chain = cmd->chain, .at = cmd->rule_number - 1, .is_append = cmd->kind == CMD_APPEND };
	void *entry = NULL;
	size_t kind = 0;
	bool done;

	while (kind < ARRAY_SIZE(kinds) && kinds[kind].command != cmd->kind)
		kind++;
	if (!tables->change || kind == ARRAY_SIZE(kinds) || cmd->is_goto || cmd->given & GIVEN_VERBOSE)
		return false;
	change.kind = kinds[kind].kind;
	if (cmd->kind != CMD_DELETE_NUM) {
		if (cmd->sources.count != 1 || cmd->destinations.count != 1 || entry_make(env, cmd, NULL, &entry, NULL))
			return false;
		entry_set_addrs(entry, env->family, cmd, 0, 0);
		change.entry = entry;
		change.entry_len = entry_next_offset(entry, env->family);
	}
	done = !tables->change(tables, env->family, cmd->table, &change, NULL);
	free(entry);
	return done;
}

/* A word's place in the line that people see: all words with a blank between. */
static int words_take(struct rule_words *words, int argc, char **argv)
{
	unsigned int column = 1;

	for (int i = 0; i < argc; i++) {
		const unsigned int width = (unsigned int)strlen(argv[i]);

		if (rule_words_add(words, argv[i], column, width))
			return -ENOMEM;
		column += width + 1;
	}
	return 0;
}

static void table_unknown(const char *program, const char *name, struct refusal *why)
{
	struct suggestion near = { .wanted = name };
	char upstream[sizeof(why->upstream)];

	for (const struct table_kind *const *kind = table_kinds; *kind; kind++)
		suggest_offer(&near, (*kind)->name);
	snprintf(upstream, sizeof(upstream), "can't initialize %s table `%s': Table does not exist (do you need to insmod?)", program, name);
	if (near.best)
		refuse(why, -ENOENT, "unknown table '%s': did you mean '%s'?", name, near.best);
	else
		refuse(why, -ENOENT, "%s", upstream);
	refuse_upstream(why, "%s", upstream);
}

int rules_command_in(struct table_source *tables, int argc, char **argv, struct strbuf *out, struct refusal *why)
{
	const bool v6 = argc > 0 && !strncmp(argv[0], "ip6tables", 9);
	const struct parse_env env = {
		.inst = tables->inst, .family = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4, .table = "filter", .tables = tables,
	};
	struct rule_words words = { 0 };
	struct rule_command cmd;
	struct edit *edit = NULL;
	struct strbuf dump = STRBUF_INIT;
	int err, exit_code = EXIT_PARAMETER;

	if (words_take(&words, argc, argv))
		return EXIT_RESOURCE;
	if (why)
		*why = (struct refusal){ 0 };
	err = rule_command_parse(&env, &words, &cmd, why);
	if (err)
		goto out_words;
	if (cmd.kind & (CMD_HELP | CMD_VERSION)) {
		if (cmd.kind & CMD_VERSION)
			sb_printf(out, "%s v1.8.9 (legacy)\n", argv[0]);
		else
			rule_help(argv[0], &env, &cmd, out);
		goto out_command;
	}
	if (one_rule_alone(&env, &cmd, tables))
		goto out_command;
	if (cmd.wait_sec)
		tables->wait_sec = cmd.wait_sec;
	err = tables->open(tables, env.family, cmd.table, true, &edit, why);
	if (err == -EAGAIN) {
		if (tables->wait_sec)
			refuse_upstream(why, "Another app is currently holding the xtables lock. Stopped waiting after %ds.",
					tables->wait_sec);
		else
			refuse_upstream(why, "Another app is currently holding the xtables lock. "
					"Perhaps you want to use the -w option?");
		exit_code = EXIT_RESOURCE;
		goto out_command;
	}
	if (err == -ENOENT)
		table_unknown(v6 ? "ip6tables" : "iptables", cmd.table, why);
	if (err) {
		exit_code = EXIT_VERSION;
		goto out_command;
	}
	if (cmd.verbose > 1 && out)	/* the table as it was */
		err = edit_dump(edit, &dump, why);
	if (!err)
		err = rule_command_run(&env, &cmd, edit, out, &exit_code, why);
	if (!err && dump.len)
		sb_add(out, sb_str(&dump), dump.len);
	sb_free(&dump);
	if (!err && edit->changed) {
		err = tables->commit(tables, edit, why);
		exit_code = err == -EAGAIN ? EXIT_RESOURCE : EXIT_OTHER;
		/* whatever the reason was, iptables knows only the kernel's number for it */
		if (err)
			refuse_upstream(why, "%s", table_error_text(cmd.kind, -err) ? table_error_text(cmd.kind, -err)
										    : strerror(-err));
	}
	edit_free(edit);
out_command:
	rule_command_free(&cmd);
out_words:
	rule_words_free(&words);
	return err ? exit_code : EXIT_DONE;
}

int rules_command(struct instance *inst, int argc, char **argv, struct strbuf *out, struct refusal *why)
{
	struct table_source tables = table_source_of(inst);
	int code = rules_command_in(&tables, argc, argv, out, why);

	if (code && why)
		why->at = (struct text_pos){ 0 };	/* of no file's line */
	return code;
}
