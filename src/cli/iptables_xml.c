/*
 * cli/iptables_xml.c - iptables-xml: a saved rule set as XML, by its words alone: no table is asked. What stands before
 * -j or -g is a rule's conditions, each -m an element of its own; a jump to a chain of the text is a call.
 */
#include "cli/iptables.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/rule_text.h"

struct xml_chain {
	char *name, *policy;
	unsigned long long packets, bytes;
	bool shown;
};

struct xml {
	struct strbuf out;
	struct xml_chain *chains;	/* of the table that is open */
	unsigned int count, cap;
	const struct xml_chain *chain;	/* whose element is open */
	bool in_table, in_rule, in_actions, combine, verbose;
	struct rule_words last;		/* the rule before, for --combine */
};

static void put_text(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&': sb_adds(out, "&amp;"); break;
		case '<': sb_adds(out, "&lt;"); break;
		case '>': sb_adds(out, "&gt;"); break;
		case '"': sb_adds(out, "&quot;"); break;
		default:
			if ((unsigned char)*text >= 127)
				sb_printf(out, "&#%d;", (unsigned char)*text);
			else
				sb_addc(out, *text);
		}
	}
}

/* No two hyphens may stand together in a comment. */
static void put_comment(struct strbuf *out, const char *text, size_t len)
{
	unsigned int hyphens = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '-') {
			if (++hyphens == 2) {
				hyphens = 0;
				sb_addc(out, ' ');
			}
			sb_addc(out, '*');
		}
		sb_addc(out, text[i]);
	}
}

static void rule_close(struct xml *x)
{
	if (x->in_actions)
		sb_adds(&x->out, "       </actions>\n\n");
	if (x->in_rule)
		sb_adds(&x->out, "      </rule>\n\n");
	x->in_actions = x->in_rule = false;
}

static void chain_head(struct xml *x, const struct xml_chain *chain)
{
	sb_adds(&x->out, "    <chain name=\"");
	put_text(&x->out, chain->name);
	sb_adds(&x->out, "\" ");
	if (strcmp(chain->policy, "-")) {
		sb_adds(&x->out, "policy=\"");
		put_text(&x->out, chain->policy);
		sb_adds(&x->out, "\" ");
	}
	sb_printf(&x->out, "packet-count=\"%llu\" byte-count=\"%llu\" ", chain->packets, chain->bytes);
}

static void chain_close(struct xml *x)
{
	if (!x->chain)
		return;
	rule_close(x);
	sb_adds(&x->out, "    </chain>\n");
	x->chain = NULL;
}

static struct xml_chain *chain_find(struct xml *x, const char *name)
{
	for (unsigned int i = 0; i < x->count; i++)
		if (!strcmp(x->chains[i].name, name))
			return &x->chains[i];
	return NULL;
}

/* Chains without rules come at their table's end. */
static void table_close(struct xml *x)
{
	chain_close(x);
	for (unsigned int i = 0; i < x->count; i++) {
		if (!x->chains[i].shown) {
			chain_head(x, &x->chains[i]);
			sb_adds(&x->out, "/>\n");
		}
		free(x->chains[i].name);
		free(x->chains[i].policy);
	}
	x->count = 0;
	if (x->in_table)
		sb_adds(&x->out, "  </table>\n");
	x->in_table = false;
}

static bool is_jump(const struct rule_word *word)
{
	const char *text = word->text;

	return !word->quoted && (!strcmp(text, "-j") || !strcmp(text, "--jump") || !strcmp(text, "-g") || !strcmp(text, "--goto"));
}

static bool is_match(const struct rule_word *word)
{
	return !word->quoted && (!strcmp(word->text, "-m") || !strcmp(word->text, "--module"));
}

/* Elements that are open in one half of a rule: a match or target, and in it an option. */
struct xml_open {
	const char *outer, *inner;
};

static void open_close(struct xml *x, struct xml_open *open, bool outer)
{
	if (open->inner)
		sb_printf(&x->out, "</%s>\n", open->inner);
	open->inner = NULL;
	if (outer && open->outer)
		sb_printf(&x->out, "        </%s>\n", open->outer);
	if (outer)
		open->outer = NULL;
}

static void words_half(struct xml *x, const struct rule_words *words, unsigned int at, bool actions)
{
	struct xml_open open = { NULL, NULL };
	const char *spacer = "";
	bool invert = false;
	unsigned int first;

	while (actions && at < words->count && !is_jump(&words->list[at]))
		at++;
	first = at + (at < words->count && !strcmp(words->list[at].text, "!"));
	if (first < words->count && words->list[first].text[0] == '-' && !is_jump(&words->list[first]) &&
	    strcmp(words->list[first].text, "-m")) {
		open.outer = "match";	/* what belongs to no -m */
		sb_adds(&x->out, "        <match >\n");
	}
	for (; at < words->count; at++) {
		const struct rule_word *word = &words->list[at], *next = at + 1 < words->count ? word + 1 : NULL;

		if (!actions && is_jump(word))
			break;
		if (!word->quoted && !strcmp(word->text, "!")) {
			if (next && next->text[0] == '-')
				invert = true;
			else
				sb_printf(&x->out, "%s!", spacer);
			spacer = " ";
		} else if (is_jump(word) && next && chain_find(x, next->text)) {
			const bool is_goto = word->text[1] == 'g' || !strcmp(word->text, "--goto");

			open_close(x, &open, true);
			open.outer = is_goto ? "goto" : "call";
			sb_printf(&x->out, "        <%s >\n          <%s />\n", open.outer, next->text);
			spacer = "";
			invert = false;
			at++;
		} else if (is_jump(word) || is_match(word)) {
			if (!next)
				break;
			open_close(x, &open, true);
			spacer = "";
			invert = false;
			sb_printf(&x->out, "        <%s ", next->text);
			at++;
			next = at + 1 < words->count ? &words->list[at + 1] : NULL;
			if (!next || is_jump(next) || is_match(next)) {
				sb_adds(&x->out, " />\n");
			} else {
				sb_adds(&x->out, ">\n");
				open.outer = words->list[at].text;
			}
		} else if (!word->quoted && word->text[0] == '-') {
			const char *name = word->text + strspn(word->text, "-");

			open_close(x, &open, false);
			spacer = "";
			sb_printf(&x->out, "          <%s ", name);
			if (invert)
				sb_adds(&x->out, " invert=\"1\"");
			invert = false;
			if (!next || next->text[0] == '-') {
				sb_adds(&x->out, " />\n");
			} else {
				sb_adds(&x->out, ">");
				open.inner = name;
			}
		} else {
			const char *quote = word->quoted || strchr(word->text, ' ') ? "&quot;" : "";

			sb_printf(&x->out, "%s%s", spacer, quote);
			put_text(&x->out, word->text);
			sb_adds(&x->out, quote);
			spacer = " ";
		}
	}
	open_close(x, &open, true);
}

/* Equal up to the jump, and the rule before lets packets go on. */
static bool continues_last(const struct xml *x, const struct rule_words *words)
{
	const struct rule_words *last = &x->last;

	for (unsigned int i = 0; i < words->count && i < last->count; i++) {
		const char *verdict = i + 1 < last->count ? last->list[i + 1].text : "";
		const struct rule_word *a = &last->list[i], *b = &words->list[i];

		if (is_jump(a) && is_jump(b))
			return !(a->text[1] == 'g' || !strcmp(a->text, "--goto") || !strcmp(verdict, "ACCEPT") ||
				 !strcmp(verdict, "DROP") || !strcmp(verdict, "QUEUE") || !strcmp(verdict, "RETURN"));
		if (strcmp(a->text, b->text))
			return false;
	}
	return false;
}

static void put_rule(struct xml *x, const struct rule_words *words, const char *packets, const char *bytes)
{
	const bool conditions = words->count > 2 && !is_jump(&words->list[2]);

	if (x->combine && conditions && continues_last(x, words)) {
		sb_adds(&x->out, "<!-- Combine action from next rule -->\n");
	} else {
		rule_close(x);
		sb_adds(&x->out, "      <rule ");
		if (packets)
			sb_printf(&x->out, "packet-count=\"%s\" byte-count=\"%s\" ", packets, bytes);
		sb_adds(&x->out, ">\n");
		x->in_rule = true;
		if (conditions) {
			sb_adds(&x->out, "       <conditions>\n");
			words_half(x, words, 2, false);
			sb_adds(&x->out, "       </conditions>\n");
		}
	}
	if (!x->in_actions)
		sb_adds(&x->out, "       <actions>\n");
	x->in_actions = true;
	words_half(x, words, 2, true);
}

static int rule_line(struct xml *x, char *line, unsigned int number)
{
	char *packets = NULL, *bytes = NULL, *start = line, *end;
	struct rule_words words = { 0 };
	struct xml_chain *chain = NULL;
	struct refusal why;

	if (*line == '[') {
		packets = line + 1;
		bytes = strchr(packets, ':');
		end = bytes ? strchr(bytes, ']') : NULL;
		if (!end) {
			fprintf(stderr, "Bad line %u: need [packets:bytes]\n", number);
			return 1;
		}
		*bytes++ = *end = '\0';
		start = end + 1;
	}
	if (rule_words_split(&words, start, strlen(start), 1, &why)) {
		fprintf(stderr, "iptables-xml: line %u: %s\n", number, why.text);
		rule_words_free(&words);
		return 1;
	}
	for (unsigned int i = 1; i < words.count && !chain; i++)
		if (!strcmp(words.list[i - 1].text, "-A"))
			chain = chain_find(x, words.list[i].text);
	if (!chain) {
		fprintf(stderr, "iptables-xml: line %u failed - no chain found\n", number);
		rule_words_free(&words);
		return 1;
	}
	if (x->chain != chain) {
		chain_close(x);
		chain_head(x, chain);
		sb_adds(&x->out, ">\n");
		chain->shown = true;
		x->chain = chain;
	}
	put_rule(x, &words, packets, bytes);
	rule_words_free(&x->last);
	x->last = words;
	return 0;
}

static int chain_line(struct xml *x, char *line)
{
	char *save = NULL, *name = strtok_r(line + 1, " \t", &save), *policy = strtok_r(NULL, " \t", &save);
	char *counters = strtok_r(NULL, " \t", &save);
	struct xml_chain chain = { NULL };

	if (!name || !policy)
		return 1;
	if (counters)
		sscanf(counters, "[%llu:%llu]", &chain.packets, &chain.bytes);
	if (x->count == x->cap) {
		unsigned int cap = x->cap ? 2 * x->cap : 32;
		struct xml_chain *chains = realloc(x->chains, cap * sizeof(*chains));
		const size_t open = x->chain ? (size_t)(x->chain - x->chains) : 0;

		if (!chains)
			return 1;
		x->chain = x->chain ? chains + open : NULL;
		x->chains = chains;
		x->cap = cap;
	}
	chain.name = strdup(name);
	chain.policy = strdup(policy);
	if (!chain.name || !chain.policy) {
		free(chain.name);
		free(chain.policy);
		return 1;
	}
	x->chains[x->count++] = chain;
	return 0;
}

static int text_line(struct xml *x, char *line, unsigned int number)
{
	int err = 1;

	if (!*line)
		return 0;
	if (*line == '#' || x->verbose) {
		sb_adds(&x->out, "<!-- ");
		if (*line != '#')
			sb_printf(&x->out, "line %u ", number);
		put_comment(&x->out, line, strlen(line));
		sb_adds(&x->out, " -->\n");
	}
	if (*line == '#')
		return 0;
	if (*line == '*') {
		char *save = NULL, *name = strtok_r(line + 1, " \t", &save);

		if (name) {
			table_close(x);
			sb_adds(&x->out, "  <table name=\"");
			put_text(&x->out, name);
			sb_adds(&x->out, "\" >\n");
			x->in_table = true;
			err = 0;
		}
	} else if (x->in_table && !strcmp(line, "COMMIT")) {
		table_close(x);
		err = 0;
	} else if (x->in_table && *line == ':') {
		err = chain_line(x, line);
	} else if (x->in_table) {
		return rule_line(x, line, number);
	}
	if (err)
		fprintf(stderr, "iptables-xml: line %u failed\n", number);
	return err;
}

int iptables_xml(const struct iptables_role *role, int argc, char **argv)
{
	static const struct option options[] = {
		{ "combine", no_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' },
		{ NULL }
	};
	struct xml x = { .out = STRBUF_INIT };
	FILE *in = stdin;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	unsigned int number = 0;
	int letter, err = 0;

	optind = 1;
	while ((letter = getopt_long(argc, argv, "cvh", options, NULL)) >= 0) {
		if (letter == 'c') {
			x.combine = true;
		} else if (letter == 'v') {
			sb_adds(&x.out, "xptables-xml\n");	/* so it says */
			x.verbose = true;
		} else if (letter == 'h') {
			fputs("Usage: iptables-xml [-c | --combine] [-v | --verbose] [FILE]\n\n"
			      "What iptables-save printed becomes XML; -c puts rules with equal conditions into one.\n", stderr);
			return 1;
		}
	}
	if (optind < argc - 1) {
		fputs("Unknown arguments found on commandline\n", stderr);
		return 1;
	}
	if (optind < argc && !(in = fopen(argv[optind], "re"))) {
		fprintf(stderr, "Can't open %s: %s\n", argv[optind], strerror(errno));
		return 1;
	}
	sb_adds(&x.out, "<iptables-rules version=\"1.0\">\n");
	while (!err && (len = getline(&line, &cap, in)) >= 0) {
		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		err = text_line(&x, line, ++number);
	}
	if (!err && x.in_table) {
		fprintf(stderr, "iptables-xml: COMMIT expected at line %u\n", number + 1);
		err = 1;
	}
	if (!err)
		sb_adds(&x.out, "</iptables-rules>\n");
	fwrite(sb_str(&x.out), 1, x.out.len, stdout);
	x.in_table = false;
	table_close(&x);
	rule_words_free(&x.last);
	free(x.chains);
	free(line);
	sb_free(&x.out);
	if (in != stdin)
		fclose(in);
	return err || fflush(stdout);
}
