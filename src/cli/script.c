/*
 * cli/script.c - timed commands, as an administrator would type them: "TIME COMMAND".
 * A script is read and its words are checked before the run begins; what a command then answers is its own affair,
 * like in a shell: a failure is said, counted and written down, and the run goes on.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"
#include "cli/conntrack_cmd.h"
#include "cli/nfct_cmd.h"
#include "cli/run.h"
#include "cli/socket_text.h"

enum { SCRIPT_FILE_MAX = 64 << 20, RULES_FILE_MAX = 256 << 20 };

enum verb { VERB_IPTABLES, VERB_RESTORE, VERB_SAVE, VERB_CONNTRACK, VERB_IP, VERB_SYSCTL, VERB_NFCT, VERB_SNAPSHOT,
	    VERB_ECHO, VERB_CAT, VERB_NFACCT, VERB_NFNL_OSF, VERB_HOST };

struct script_line {
	int64_t when_ns;
	unsigned long order;		/* of equal times: as written */
	enum verb verb;
	uint8_t family;			/* of the iptables verbs */
	struct words words;		/* [0] is the time */
	const char *command;		/* owned: the line without its time */
};

struct script {
	struct script_line *lines;
	size_t count, next;
	bool takes_snapshots;
	char **paths;			/* owned: rule files that were read */
	size_t path_count;
};

static const struct { const char *name; enum verb verb; uint8_t family; } verbs[] = {
	{ "iptables", VERB_IPTABLES, NFPROTO_IPV4 }, { "ip6tables", VERB_IPTABLES, NFPROTO_IPV6 },
	{ "iptables-legacy", VERB_IPTABLES, NFPROTO_IPV4 }, { "ip6tables-legacy", VERB_IPTABLES, NFPROTO_IPV6 },
	{ "iptables-restore", VERB_RESTORE, NFPROTO_IPV4 }, { "ip6tables-restore", VERB_RESTORE, NFPROTO_IPV6 },
	{ "iptables-legacy-restore", VERB_RESTORE, NFPROTO_IPV4 },
	{ "ip6tables-legacy-restore", VERB_RESTORE, NFPROTO_IPV6 },
	{ "iptables-save", VERB_SAVE, NFPROTO_IPV4 }, { "ip6tables-save", VERB_SAVE, NFPROTO_IPV6 },
	{ "conntrack", VERB_CONNTRACK, 0 }, { "ip", VERB_IP, 0 }, { "sysctl", VERB_SYSCTL, 0 },
	{ "nfct", VERB_NFCT, 0 },
	{ "snapshot", VERB_SNAPSHOT, 0 }, { "echo", VERB_ECHO, 0 }, { "cat", VERB_CAT, 0 },
	{ "nfacct", VERB_NFACCT, 0 }, { "nfnl_osf", VERB_NFNL_OSF, 0 },
	{ "socket", VERB_HOST, 0 }, { "secctx", VERB_HOST, 0 },
};

static int verb_find(struct script_line *line, struct refusal *why)
{
	const char *known[ARRAY_SIZE(verbs) + 1] = { NULL }, *word, *slash, *meant;

	if (line->words.count < 2)
		return refuse_at(why, words_at(&line->words, 1), -EINVAL, "a command is missing after the time");
	word = line->words.argv[1];
	slash = strrchr(word, '/');
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		known[i] = verbs[i].name;
		if (strcmp(slash ? slash + 1 : word, verbs[i].name) == 0) {
			line->verb = verbs[i].verb;
			line->family = verbs[i].family;
			return 0;
		}
	}
	meant = did_you_mean(word, known);
	return refuse_at(why, words_at(&line->words, 1), -EINVAL, "unknown command \"%s\"%s%s%s", word,
			 meant ? ", did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

static int line_add(struct script *script, const struct script_line *line, struct refusal *why)
{
	if ((script->count & (script->count - 1)) == 0) {	/* doubles at powers of two */
		size_t room = script->count ? script->count * 2 : 1;
		struct script_line *grown = realloc(script->lines, room * sizeof(*grown));

		if (!grown)
			return refuse(why, -ENOMEM, "no memory for the script");
		script->lines = grown;
	}
	script->lines[script->count] = *line;
	script->lines[script->count].order = script->count;
	script->count++;
	return 0;
}

static int line_read(struct script *script, const char *text, size_t len, const char *file, unsigned int number,
		     struct refusal *why)
{
	struct script_line line = { 0 };
	int err = words_split(&line.words, text, len, file, number, why);

	if (err)
		return err;
	if (line.words.count == 0) {
		words_free(&line.words);
		return 0;
	}
	if (!time_parse(line.words.argv[0], &line.when_ns))
		err = refuse_at(why, words_at(&line.words, 0), -EINVAL,
				"a line begins with its time in seconds since the epoch (up to nine decimals), not \"%s\"",
				line.words.argv[0]);
	if (!err)
		err = verb_find(&line, why);
	if (!err && line.verb == VERB_SNAPSHOT) {
		script->takes_snapshots = true;
		if (line.words.count != 3)
			err = refuse_at(why, words_at(&line.words, MIN_OF(line.words.count, 3u)), -EINVAL,
					"snapshot takes one directory");
	}
	if (!err) {
		size_t from = line.words.column[1] - 1;

		while (len > from && (text[len - 1] == '\r' || text[len - 1] == ' ' || text[len - 1] == '\t'))
			len--;
		line.command = strndup(text + from, len - from);
		err = line.command ? line_add(script, &line, why) : refuse(why, -ENOMEM, "no memory for the script");
	}
	if (err) {
		free((char *)line.command);
		words_free(&line.words);
	}
	return err;
}

static int by_time(const void *a, const void *b)
{
	const struct script_line *x = a, *y = b;

	if (x->when_ns != y->when_ns)
		return x->when_ns < y->when_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int text_read(struct script *script, const char *text, size_t len, const char *file, struct refusal *why)
{
	struct line_reader reader = { text, text + len, 0 };
	const char *line;
	size_t line_len;

	while (line_next(&reader, &line, &line_len)) {
		int err = line_read(script, line, line_len, file, reader.number, why);

		if (err)
			return err;
	}
	return 0;
}

int script_open(struct run *run, struct script **out, struct refusal *why)
{
	struct script *script = calloc(1, sizeof(*script));
	struct strbuf text = STRBUF_INIT;
	int err = 0;

	if (!script)
		return refuse(why, -ENOMEM, "no memory for the script");
	for (unsigned int i = 0; i < run->options.script_count && !err; i++) {
		err = file_read(run->options.scripts[i], SCRIPT_FILE_MAX, &text, why);
		if (!err)
			err = text_read(script, sb_str(&text), text.len, run->options.scripts[i], why);
	}
	sb_free(&text);
	if (err) {
		script_free(script);
		return err;
	}
	if (script->count)
		qsort(script->lines, script->count, sizeof(*script->lines), by_time);
	*out = script;
	return 0;
}

int script_parse(const char *text, size_t len, const char *file, struct script **out, struct refusal *why)
{
	struct script *script = calloc(1, sizeof(*script));
	int err = script ? text_read(script, text, len, file, why) : refuse(why, -ENOMEM, "no memory for the script");

	if (err) {
		script_free(script);
		return err;
	}
	*out = script;
	return 0;
}

void script_free(struct script *script)
{
	if (!script)
		return;
	for (size_t i = 0; i < script->count; i++) {
		free((char *)script->lines[i].command);
		words_free(&script->lines[i].words);
	}
	for (size_t i = 0; i < script->path_count; i++)
		free(script->paths[i]);
	free(script->paths);
	free(script->lines);
	free(script);
}

int64_t script_next_ns(const struct script *script)
{
	return script->next < script->count ? script->lines[script->next].when_ns : INT64_MAX;
}

bool script_takes_snapshots(const struct script *script)
{
	return script->takes_snapshots;
}

/* A file that a script names is looked for beside the script, as an include would be. Given: free(). */
static char *beside(const char *script, const char *path)
{
	char *copy = strdup(script), *out = NULL;

	if (copy && (*path == '/' || asprintf(&out, "%s/%s", dirname(copy), path) < 0))
		out = strdup(path);
	free(copy);
	return out;
}

/* Rules remember the name of their file, and refusals point at it: it lives as long as the script. */
static char *keep_path(struct script *script, char *path)
{
	char **grown = path ? realloc(script->paths, (script->path_count + 1) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(path);
		return NULL;
	}
	script->paths = grown;
	script->paths[script->path_count++] = path;
	return path;
}

static int usage(struct script_line *line, unsigned int word, struct refusal *why, const char *sentence)
{
	refuse_at(why, words_at(&line->words, word), -EINVAL, "%s", sentence);
	return 2;
}

/* iptables-restore [-n] [-c] [-t] [-w] FILE */
static int run_restore(struct run *run, struct script_line *line, struct refusal *why)
{
	struct words *w = &line->words;
	struct strbuf text = STRBUF_INIT;
	unsigned int flags = 0;
	const char *file = NULL;
	char *path;
	int err;

	for (unsigned int i = 2; i < w->count; i++) {
		const char *word = w->argv[i];

		if (strcmp(word, "-n") == 0 || strcmp(word, "--noflush") == 0)
			flags |= RESTORE_NOFLUSH;
		else if (strcmp(word, "-c") == 0 || strcmp(word, "--counters") == 0)
			flags |= RESTORE_COUNTERS;
		else if (strcmp(word, "-t") == 0 || strcmp(word, "--test") == 0)
			flags |= RESTORE_TEST;
		else if (strcmp(word, "-w") == 0 || strcmp(word, "-v") == 0 || strcmp(word, "<") == 0)
			continue;
		else if (*word == '-' || file)
			return usage(line, i, why, "iptables-restore takes -n, -c, -t and one FILE");
		else
			file = *word == '<' ? word + 1 : word;
	}
	if (!file)
		return usage(line, w->count, why, "iptables-restore needs a FILE here: there is no standard input");
	path = keep_path(run->script, beside(w->file, file));
	if (!path) {
		refuse(why, -ENOMEM, "no memory for a path");
		return 4;
	}
	err = file_read(path, RULES_FILE_MAX, &text, why);
	if (!err)
		err = rules_restore(run->inst, line->family, sb_str(&text), text.len, path, flags, why);
	outputs_rules_changed(run->out);
	sb_free(&text);
	return err ? 1 : 0;
}

static int run_save(struct run *run, struct script_line *line, struct strbuf *out, struct refusal *why)
{
	bool counters = false;

	for (unsigned int i = 2; i < line->words.count; i++) {
		const char *word = line->words.argv[i];

		if (strcmp(word, "-c") != 0 && strcmp(word, "--counters") != 0)
			return usage(line, i, why, "iptables-save takes -c here");
		counters = true;
	}
	rules_save(run->inst, line->family, counters, run->inst->now_ns, out);
	return 0;
}

/* sysctl [-w] [-q] [-n] K=V... / K... */
static int run_sysctl(struct run *run, struct script_line *line, struct strbuf *out, struct refusal *why)
{
	struct words *w = &line->words;
	bool quiet = false, values_only = false;
	int code = 0;

	if (w->count < 3)
		return usage(line, 2, why, "sysctl needs name=value");
	for (unsigned int i = 2; i < w->count; i++) {
		char key[256], *equal = strchr(w->argv[i], '=');
		int err;

		if (w->argv[i][0] == '-') {
			if (strcmp(w->argv[i], "-q") == 0)
				quiet = true;
			else if (strcmp(w->argv[i], "-n") == 0)
				values_only = true;
			else if (strcmp(w->argv[i], "-w") != 0)
				return usage(line, i, why, "sysctl takes -w, -n and -q here");
			continue;
		}
		if (!equal) {
			struct strbuf value = STRBUF_INIT;

			err = sysctl_get(run->inst->sysctls, w->argv[i], &value, why);
			if (!err && values_only)
				sb_printf(out, "%s\n", sb_str(&value));
			else if (!err)
				sb_printf(out, "%s = %s\n", w->argv[i], sb_str(&value));
			sb_free(&value);
		} else {
			snprintf(key, sizeof(key), "%.*s", (int)MIN_OF((size_t)(equal - w->argv[i]), sizeof(key) - 1), w->argv[i]);
			err = sysctl_set(run->inst->sysctls, key, equal + 1, why);
			if (!err && !quiet)
				sb_printf(out, "%s = %s\n", key, equal + 1);
		}
		if (err) {
			why->at = words_at(w, i);
			code = err == -ENOENT ? 255 : 1;
		}
	}
	return code;
}

/* What it says on stderr is a remark when all went well, else the refusal. */
static int run_tool(struct run *run, struct script_line *line, struct strbuf *out, struct refusal *why)
{
	int (*command)(struct instance *inst, int argc, char **argv, struct strbuf *out, struct strbuf *err) =
		line->verb == VERB_NFCT ? nfct_command : conntrack_command;
	struct strbuf err = STRBUF_INIT, text = STRBUF_INIT;
	char **argv = line->words.argv + 1;
	int argc = (int)line->words.count - 1, code = 0;

	if (conntrack_is_file(argc, argv)) {
		code = conntrack_file_read(argv[2], &text, &err);
		argv[2] = (char *)sb_str(&text);
	}
	if (!code)
		code = command(run->inst, argc, argv, out, &err);
	sb_free(&text);

	if (code)
		refuse(why, -EINVAL, "%.*s", (int)strcspn(sb_str(&err), "\n"), sb_str(&err));
	else if (!run->options.is_quiet)
		fputs(sb_str(&err), stderr);
	sb_free(&err);
	return code;
}

static int run_verb(struct run *run, struct script_line *line, struct strbuf *out, struct refusal *why)
{
	struct words *w = &line->words;
	struct netip ip = { .inst = run->inst };
	int code;

	switch (line->verb) {
	case VERB_IPTABLES:
		w->argv[1] = (char *)(line->family == NFPROTO_IPV4 ? "iptables" : "ip6tables");
		code = rules_command(run->inst, (int)w->count - 1, w->argv + 1, out, why);
		outputs_rules_changed(run->out);
		return code;
	case VERB_RESTORE:
		return run_restore(run, line, why);
	case VERB_SAVE:
		return run_save(run, line, out, why);
	case VERB_CONNTRACK:
	case VERB_NFCT:
		return run_tool(run, line, out, why);
	case VERB_IP:
		code = netip_line(&ip, w, 2, why);
		inputs_forget_ifaces(&run->inputs);
		return code;
	case VERB_SYSCTL:
		return run_sysctl(run, line, out, why);
	case VERB_ECHO:
		return visible_echo(run->inst, w, out, why);
	case VERB_CAT:
		return visible_cat(run->inst, w, out, why);
	case VERB_NFACCT:
		return nfacct_command(run->inst, w, out, why);
	case VERB_NFNL_OSF:
		return nfnl_osf_command(run->inst, w, why);
	case VERB_HOST:
		return host_line(run->inst, w, 1, why) ? 1 : 0;
	case VERB_SNAPSHOT:
		return outputs_snapshot(run->out, w->argv[2], why) ? 1 : 0;
	}
	return 0;
}

void script_step(struct run *run)
{
	struct script_line *line = &run->script->lines[run->script->next++];
	struct refusal why = { 0 };
	struct strbuf out = STRBUF_INIT;
	int code = run_verb(run, line, &out, &why);

	run->stats->commands++;
	if (code && why.text[0]) {
		if (!why.at.file)
			why.at = words_from(&line->words, 1);
		if (!run->options.is_quiet)
			report_refusal("weir run", &why);
	}
	if (code)
		run->stats->commands_failed++;
	if (!run->options.is_json && !run->options.is_quiet && out.len)
		fwrite(sb_str(&out), 1, out.len, stdout);
	if (code && why.text[0])
		sb_printf(&out, "%s\n", why.text);
	outputs_script_line(run->out, run->inst->now_ns, line->command, sb_str(&out), code);
	sb_free(&out);
}
