/*
 * table/rule_parser.h - the state of reading one command, shared by the option reader (rule_parse.c) and
 * what knows of extensions (rule_exts.c).
 */
#ifndef WEIR_TABLE_RULE_PARSER_H
#define WEIR_TABLE_RULE_PARSER_H

#include "table/rule_text.h"

enum arg_need { ARG_NONE, ARG_REQUIRED, ARG_OPTIONAL };

struct base_option {
	const char *name;
	char letter;		/* '0' has no letter of its own */
	uint8_t arg;		/* enum arg_need */
};

struct parser {
	const struct parse_env *env;
	const struct rule_words *words;
	struct rule_command *cmd;
	struct refusal *why;
	unsigned int at;		/* next word */
	const char *letters;		/* rest of a bundle like -nvL */
	const struct rule_word *word;	/* the option's */
	const char *name;		/* as written, with dashes */
	const char *arg;
	bool invert;
	bool proto_loaded;		/* the match of -p's name was tried */
	const char *proto_text;
	const char *sources, *destinations;
	const struct rule_word *sources_word, *destinations_word;
	unsigned int use_cap;
	bool waits, wait_interval;
};

#define FAIL(p, word, ...) refuse_at((p)->why, word_pos((p)->env, word), -EINVAL, __VA_ARGS__)

static inline bool parser_has_arg(const struct parser *p)
{
	if (p->at >= p->words->count)
		return false;
	return p->words->list[p->at].text[0] != '-' && p->words->list[p->at].text[0] != '!';
}

static inline const char *parser_next(struct parser *p)
{
	return p->words->list[p->at++].text;
}

static inline const struct rule_word *parser_last(const struct parser *p)
{
	return &p->words->list[p->at - 1];
}

/* What a long option's name means: one of iptables' own, or a row of an extension. */
struct option_found {
	const struct base_option *base;
	struct ext_use *use;
	const struct opt *opt;
};

extern const struct base_option base_options[];		/* ends with a NULL name */

/* What iptables says and goes on. */
void parser_warn(const struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* rule_addrs.c: "10.0.0.0/8,192.0.2.1" and the like, from -s and -d */
int parser_addrs(struct parser *p, const char *text, const struct rule_word *word, struct addr_list *out);
void addrs_free(struct addr_list *list);
bool parser_is_verdict(const char *name);
/* The extension's option @opt with the parser's name, argument and inversion. */
int parser_ext_option(struct parser *p, struct ext_use *use, const struct opt *opt);
int parser_match(struct parser *p);			/* -m */
int parser_target(struct parser *p);			/* -j */
int parser_target_name(struct parser *p);		/* -g, and -j before it looks for an extension */
int parser_load_proto_match(struct parser *p, bool *loaded);
bool parser_find_option(struct parser *p, const char *name, struct option_found *found);
int parser_unknown_option(struct parser *p);
int parser_finish_exts(struct parser *p);		/* what is missing or contradicts, when all words are read */

#endif
