/*
 * table/rule_text.h - the words of iptables: from words to a command, from a rule to words.
 */
#ifndef WEIR_TABLE_RULE_TEXT_H
#define WEIR_TABLE_RULE_TEXT_H

#include "ext/option.h"
#include "table/edit.h"

/* One word of a command, and where it stands in its line (column 0: on a command line, nowhere). */
struct rule_word {
	char *text;
	unsigned int column, width;
	bool quoted;
};

struct rule_words {
	struct rule_word *list;
	unsigned int count, cap;
	char *buf;		/* the texts, when the words were split here */
	size_t buf_cap;
};

enum {
	WORD_LEN_MAX = 1023,	/* upstream's limits: a rule file that loads there loads here, and no other */
	WORDS_MAX = 252,
};

/* Splits a line at blanks, '"' quoting, '\' inside quotes; adds to @words, which rule_words_free() releases. */
int rule_words_split(struct rule_words *words, const char *line, size_t len, unsigned int column, struct refusal *why);
int rule_words_add(struct rule_words *words, char *text, unsigned int column, unsigned int width);
void rule_words_free(struct rule_words *words);

/* Where in a text the last refusal was; they come in rising order, mostly. */
struct line_cursor {
	const char *text;
	size_t len, at;
	unsigned int number;
};
/* A refusal of a rule as a whole gets the place of the word that it is about. */
void line_cursor_place(struct line_cursor *cursor, struct refusal *why);

enum command_kind {
	CMD_INSERT = 1 << 0, CMD_DELETE = 1 << 1, CMD_DELETE_NUM = 1 << 2, CMD_REPLACE = 1 << 3,
	CMD_APPEND = 1 << 4, CMD_LIST = 1 << 5, CMD_FLUSH = 1 << 6, CMD_ZERO = 1 << 7,
	CMD_NEW_CHAIN = 1 << 8, CMD_DELETE_CHAIN = 1 << 9, CMD_SET_POLICY = 1 << 10,
	CMD_RENAME_CHAIN = 1 << 11, CMD_LIST_RULES = 1 << 12, CMD_ZERO_NUM = 1 << 13, CMD_CHECK = 1 << 14,
	CMD_HELP = 1 << 15, CMD_VERSION = 1 << 16,
	CMD_WITH_RULE = CMD_INSERT | CMD_DELETE | CMD_REPLACE | CMD_APPEND | CMD_CHECK,
};

enum option_given {
	GIVEN_NUMERIC = 1 << 0, GIVEN_SOURCE = 1 << 1, GIVEN_DESTINATION = 1 << 2, GIVEN_PROTOCOL = 1 << 3,
	GIVEN_JUMP = 1 << 4, GIVEN_VERBOSE = 1 << 5, GIVEN_EXACT = 1 << 6, GIVEN_IN = 1 << 7, GIVEN_OUT = 1 << 8,
	GIVEN_LINE_NUMBERS = 1 << 9, GIVEN_COUNTERS = 1 << 10, GIVEN_FRAGMENT = 1 << 11, GIVEN_JSON = 1 << 12,
};

struct addr_list {
	union nf_inet_addr *addrs, *masks;
	unsigned int count;
	union nf_inet_addr one[2];	/* room for the usual case */
};

/* An extension that the command loaded. */
struct ext_use {
	const struct match *match;	/* one of the two */
	const struct target *target;
	void *data;			/* xt_entry_match or xt_entry_target with its info */
	uint16_t size;
	uint64_t seen;
	bool closed;			/* a later -m of the same name takes the options now */
	bool repeats;			/* an earlier one has brought the options of this name */
	const struct rule_word *word;
};

enum { USES_ROOM = 4, DATA_ROOM = 256 };

/* One command, read. */
struct rule_command {
	unsigned int kind;		/* CMD_*; 0: the line is for the other family (-4, -6) */
	unsigned int given;		/* GIVEN_* */
	const char *table, *chain, *policy, *new_name;
	const struct rule_word *chain_word, *jump_word;
	unsigned int rule_number;
	unsigned int verbose;
	struct addr_list sources, destinations;
	void *head;			/* struct ipt_entry or ip6t_entry, addresses not yet filled in */
	const char *jump;		/* as written; "" without -j and -g */
	bool is_goto;
	struct ext_use *uses;		/* matches in order, the target (if any) last */
	unsigned int use_count;
	bool has_target;
	int wait_sec;			/* -w: 0 not given, -1 for ever */
	struct xt_counters counters;
	/* Memory of the usual rule, so that reading one asks for none; larger ones go to the heap. */
	struct ext_use use_room[USES_ROOM];
	uint16_t data_used;
	_Alignas(8) uint8_t head_room[sizeof(struct ip6t_entry)];
	_Alignas(8) uint8_t data_room[DATA_ROOM];
};

struct parse_env {
	struct instance *inst;
	uint8_t family;
	const char *table;		/* when no -t says otherwise */
	bool restoring;
	struct ext_memo *memo;
	const struct table_source *tables;	/* whom to ask for names, and to warn */
	bool tells;			/* iptables-restore -v: every rule is listed as it is added */
	const char *file;		/* NULL on a command line */
	unsigned int line;
};

/*
 * words[0] is the program's name. Words must live as long as the command.
 * Return: 0; negative errno, with place and sentence; upstream's exit code would be 2.
 */
int rule_command_parse(const struct parse_env *env, const struct rule_words *words, struct rule_command *cmd,
		       struct refusal *why);
void rule_command_free(struct rule_command *cmd);

/*
 * Does it: changes @edit, prints to @out. Return: 0; negative errno with @why. *exit_code: upstream's (1 or 2).
 */
int rule_command_run(const struct parse_env *env, const struct rule_command *cmd, struct edit *edit,
		     struct strbuf *out, int *exit_code, struct refusal *why);

/* --- restore_check.c: everything wrong with a table whose lines were read --- */
int restore_check_table(struct edit *edit, refusal_visit visit, void *priv);

/* --- help.c: -h, and what the extensions that the command names have to say --- */
void rule_help(const char *program, const struct parse_env *env, const struct rule_command *cmd, struct strbuf *out);

/* --- rule_print.c --- */
enum rule_counters { COUNTERS_NONE, COUNTERS_SAVE, COUNTERS_OPTION };	/* "[1:2] -A", "-c 1 2" */
/* "-A CHAIN ...", no newline. */
void rule_print(const struct edit *edit, const struct edit_chain *chain, const struct edit_rule *rule,
		enum rule_counters counters, struct strbuf *out);

/* --- protos.c --- */
bool proto_parse(const char *text, uint8_t *out);	/* number or name */
const char *proto_nearest(const char *text);		/* for who mistyped it, or NULL */
const char *proto_name(uint16_t proto);			/* as -p prints it, or NULL */

/* --- list.c: iptables -L, -S --- */
int rules_list(struct edit *edit, const struct rule_command *cmd, struct strbuf *out);	/* -ENOENT: no such chain */
int rules_list_commands(struct edit *edit, const struct rule_command *cmd, struct strbuf *out);
int rules_list_json(struct edit *edit, const struct rule_command *cmd, struct strbuf *out);	/* the same */
/* One line as -v prints beside -A. */
void rule_list_line(struct edit *edit, const void *entry, const char *target, struct strbuf *out);

/* --- suggest.c --- */
/* The nearest of the names offered to suggest_offer(), when it is near enough to be meant. */
struct suggestion {
	const char *wanted, *best;
	unsigned int distance;
};
void suggest_offer(struct suggestion *s, const char *name);
struct text_pos word_pos(const struct parse_env *env, const struct rule_word *word);

#endif
