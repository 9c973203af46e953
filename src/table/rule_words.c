/*
 * table/rule_words.c - a line becomes words, each with its place; and which known word was meant by an unknown one.
 */
#include "table/rule_text.h"

#include <stdlib.h>

int rule_words_add(struct rule_words *words, char *text, unsigned int column, unsigned int width)
{
	if (words->count == words->cap) {
		unsigned int cap = words->cap ? 2 * words->cap : 32;
		struct rule_word *list = realloc(words->list, cap * sizeof(*list));

		if (!list)
			return -ENOMEM;
		words->list = list;
		words->cap = cap;
	}
	words->list[words->count++] = (struct rule_word){ text, column, width, false };
	return 0;
}

void rule_words_free(struct rule_words *words)
{
	free(words->list);
	free(words->buf);
	*words = (struct rule_words){ 0 };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

int rule_words_split(struct rule_words *words, const char *line, size_t len, unsigned int column, struct refusal *why)
{
	bool quoting = false, escaped = false, in_word = false, quoted = false;
	size_t begin = 0, start = 0, out = 0;
	char *buf;
	int err = 0;

	if (words->buf_cap < len + 1) {
		buf = malloc(2 * len + 64);
		if (!buf)
			return refuse(why, -ENOMEM, "no memory");
		free(words->buf);
		words->buf = buf;
		words->buf_cap = 2 * len + 64;
	}
	buf = words->buf;
	/* one round more: the end of the line ends a word */
	for (size_t i = 0; i <= len && !err; i++) {
		const char c = i < len ? line[i] : '\0';
		bool take = false, end = false;

		if (i == len) {
			/* without a closing quote the word is what was read so far */
			end = out > start;
		} else if (quoting) {
			if (escaped || (c != '\\' && c != '"')) {
				take = true;
				escaped = false;
			} else if (c == '\\') {
				escaped = true;
			} else {
				quoting = false;
				end = true;
			}
		} else if (c == '"') {
			quoting = quoted = true;
			if (!in_word)
				begin = i;
			in_word = true;
		} else if (is_blank(c)) {
			end = out > start;
		} else {
			if (!in_word)
				begin = i;
			in_word = take = true;
		}
		if (take) {
			buf[out++] = c;
			if (out - start > WORD_LEN_MAX)
				err = refuse_at(why, (struct text_pos){ .column = column + (unsigned int)begin }, -EINVAL,
						"a word is longer than %u bytes", WORD_LEN_MAX);
		}
		if (end && !err) {
			buf[out++] = '\0';
			if (words->count >= WORDS_MAX)
				err = refuse(why, -E2BIG, "the line has more than %u words", WORDS_MAX);
			else if (rule_words_add(words, buf + start, column + (unsigned int)begin,
					   (unsigned int)(i - begin + (i < len && c == '"'))))
				err = refuse(why, -ENOMEM, "no memory");
			else
				words->list[words->count - 1].quoted = quoted;
			start = out;
			in_word = quoted = false;
		}
	}
	return err;
}

struct text_pos word_pos(const struct parse_env *env, const struct rule_word *word)
{
	return (struct text_pos){
		.file = env->file,
		.line = env->line,
		.column = word ? word->column : 0,
		.width = word ? word->width : 0,
	};
}

/* Damerau-Levenshtein with adjacent swaps; letters' case costs nothing. */
static unsigned int edit_distance(const char *a, const char *b)
{
	enum { LEN_MAX = 32 };
	unsigned int rows[3][LEN_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > LEN_MAX || len_b > LEN_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i - 1) % 3], *higher = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len_b; j++) {
			const bool same = (a[i - 1] | 32) == (b[j - 1] | 32);
			unsigned int best = above[j - 1] + !same;

			best = MIN_OF(best, above[j] + 1);
			best = MIN_OF(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && (a[i - 1] | 32) == (b[j - 2] | 32) && (a[i - 2] | 32) == (b[j - 1] | 32))
				best = MIN_OF(best, higher[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[len_a % 3][len_b];
}

void suggest_offer(struct suggestion *s, const char *name)
{
	const unsigned int limit = 1 + (unsigned int)strlen(s->wanted) / 4;
	unsigned int distance = edit_distance(s->wanted, name);

	if (distance <= limit && (!s->best || distance < s->distance)) {
		s->best = name;
		s->distance = distance;
	}
}
