/* cli/words.h - a line as words with their places, quotes taken off as a shell does. */
#ifndef WEIR_CLI_WORDS_H
#define WEIR_CLI_WORDS_H

#include "base/refuse.h"

enum { WORDS_MAX = 256 };

struct words {
	const char *file;	/* borrowed */
	unsigned int line;
	unsigned int count;
	char *argv[WORDS_MAX + 1];	/* NULL-terminated; point into store */
	unsigned int column[WORDS_MAX + 1], width[WORDS_MAX + 1];	/* entry [count]: the end of the line */
	char *store;		/* owned */
};

/*
 * Splits @line (@len bytes) at blanks. 'single', "double" and backslash quote; # begins a comment at a
 * word's start. 0; -EINVAL for an open quote or too many words; -ENOMEM.
 */
int words_split(struct words *words, const char *line, size_t len, const char *file, unsigned int number,
		struct refusal *why);
void words_free(struct words *words);
/* The place of word @i; of the line's end when i == count. */
struct text_pos words_at(const struct words *words, unsigned int i);
/* From word @i to the last. */
struct text_pos words_from(const struct words *words, unsigned int i);

/* Lines of a text, one by one: false at its end. *at moves; lines are numbered from 1. */
struct line_reader { const char *at, *end; unsigned int number; };
bool line_next(struct line_reader *reader, const char **line, size_t *len);
/* Asks @visit about each line that has words, until one answers with an error. */
typedef int words_visit(void *priv, struct words *words, struct refusal *why);
int lines_visit(const char *text, size_t len, const char *file, words_visit *visit, void *priv, struct refusal *why);

#endif
