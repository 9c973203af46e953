/* cli/words.c - see words.h. */
#include "cli/words.h"

#include <stdlib.h>

static struct text_pos place(const struct words *w, size_t from, size_t to)
{
	return (struct text_pos){ .file = w->file, .line = w->line, .column = (unsigned int)from + 1,
				  .width = (unsigned int)(to > from ? to - from : 1) };
}

int words_split(struct words *w, const char *line, size_t len, const char *file, unsigned int number,
		struct refusal *why)
{
	size_t i = 0;
	char *out;

	w->file = file;
	w->line = number;
	w->count = 0;
	w->argv[0] = NULL;
	w->store = out = malloc(len + 1);
	if (!out)
		return refuse(why, -ENOMEM, "no memory for a line of %zu bytes", len);
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	for (;;) {
		size_t begin;
		char quote = 0;

		while (i < len && (line[i] == ' ' || line[i] == '\t'))
			i++;
		if (i == len || line[i] == '#')
			break;
		if (w->count == WORDS_MAX) {
			refuse_at(why, place(w, i, len), -EINVAL, "more than %d words", WORDS_MAX);
			goto err_free;
		}
		begin = i;
		w->argv[w->count] = out;
		for (; i < len; i++) {
			char c = line[i];

			if (c == '\0') {
				refuse_at(why, place(w, i, i + 1), -EINVAL, "a NUL byte");
				goto err_free;
			}
			if (quote ? c == quote : c == '\'' || c == '"') {
				quote = quote ? 0 : c;
				continue;
			}
			if (c == '\\' && quote != '\'' && i + 1 < len && line[i + 1] != '\0')
				c = line[++i];
			else if (!quote && (c == ' ' || c == '\t'))
				break;
			*out++ = c;
		}
		if (quote) {
			refuse_at(why, place(w, begin, len), -EINVAL, "a quote %c that is not closed", quote);
			goto err_free;
		}
		*out++ = '\0';
		w->column[w->count] = (unsigned int)begin + 1;
		w->width[w->count] = (unsigned int)(i - begin);
		w->count++;
	}
	w->argv[w->count] = NULL;
	w->column[w->count] = (unsigned int)i + 1;
	w->width[w->count] = 1;
	return 0;

err_free:
	words_free(w);
	return -EINVAL;
}

void words_free(struct words *w)
{
	free(w->store);
	w->store = NULL;
	w->count = 0;
}

struct text_pos words_at(const struct words *w, unsigned int i)
{
	if (i > w->count)
		i = w->count;
	return (struct text_pos){ .file = w->file, .line = w->line, .column = w->column[i], .width = w->width[i] };
}

struct text_pos words_from(const struct words *w, unsigned int i)
{
	struct text_pos at = words_at(w, i);

	if (i < w->count)
		at.width = w->column[w->count - 1] + w->width[w->count - 1] - at.column;
	return at;
}

bool line_next(struct line_reader *reader, const char **line, size_t *len)
{
	const char *newline;

	if (reader->at >= reader->end)
		return false;
	*line = reader->at;
	newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	*len = (size_t)((newline ? newline : reader->end) - reader->at);
	reader->at = newline ? newline + 1 : reader->end;
	reader->number++;
	return true;
}

int lines_visit(const char *text, size_t len, const char *file, words_visit *visit, void *priv, struct refusal *why)
{
	struct line_reader reader = { text, text + len, 0 };
	const char *line;
	size_t line_len;
	int err = 0;

	while (!err && line_next(&reader, &line, &line_len)) {
		struct words words = { 0 };

		err = words_split(&words, line, line_len, file, reader.number, why);
		if (!err && words.count)
			err = visit(priv, &words, why);
		words_free(&words);
	}
	return err;
}
