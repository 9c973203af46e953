/*
 * cli/report.c - how weir says no on a terminal: gcc's file:line:column form, which editors and CI know,
 * the line itself and a caret under the word that is wrong.
 */
#include "cli/cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXCERPT_FILE_MAX = 64 << 20, EXCERPT_LINE_MAX = 400 };

int file_read(const char *path, size_t max, struct strbuf *out, struct refusal *why)
{
	struct text_pos at = { .file = path };
	char chunk[65536];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return refuse_at(why, at, -errno, "cannot be opened: %s", strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		return refuse_at(why, at, -EISDIR, "is a directory, a file is needed");
	}
	sb_reset(out);
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = errno;

			close(fd);
			return refuse_at(why, at, -err, "cannot be read: %s", strerror(err));
		}
		if (got == 0)
			break;
		if (out->len + (size_t)got > max) {
			close(fd);
			return refuse_at(why, at, -EFBIG, "is larger than %zu bytes", max);
		}
		sb_add(out, chunk, (size_t)got);
	}
	close(fd);
	return out->failed ? refuse_at(why, at, -ENOMEM, "no memory to read it") : 0;
}

/* The @number-th line of a text; NULL when there is none. */
static const char *line_of(const struct strbuf *text, unsigned int number, size_t *len)
{
	const char *p = sb_str(text), *end = p + text->len;

	for (; number > 1; number--) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	if (p >= end)
		return NULL;
	*len = strcspn(p, "\r\n");
	return p;
}

static void excerpt(struct strbuf *out, const struct text_pos *at)
{
	struct strbuf text = STRBUF_INIT;
	const char *line = NULL;
	size_t len = 0, from = 0;
	unsigned int column = at->column ? at->column : 1, width = at->width ? at->width : 1;

	if (file_read(at->file, EXCERPT_FILE_MAX, &text, NULL) == 0)
		line = line_of(&text, at->line, &len);
	if (line && column <= len + 1) {
		if (column > EXCERPT_LINE_MAX / 2 && len > EXCERPT_LINE_MAX)
			from = column - EXCERPT_LINE_MAX / 2;
		len = MIN_OF(len - from, (size_t)EXCERPT_LINE_MAX);
		sb_printf(out, "%5u | ", at->line);
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)line[from + i];

			sb_addc(out, c < 0x20 && c != '\t' ? '?' : (char)c);
		}
		if (at->column) {
			sb_adds(out, "\n      | ");
			for (size_t i = from; i + 1 < column; i++)
				sb_addc(out, line[i] == '\t' ? '\t' : ' ');
			sb_addc(out, '^');
			for (size_t i = 1; i < width && column - 1 - from + i < len; i++)
				sb_addc(out, '~');
		}
		sb_addc(out, '\n');
	}
	sb_free(&text);
}

void refusal_print(struct strbuf *out, const char *prefix, const struct refusal *why)
{
	const struct text_pos *at = &why->at;

	if (!at->file) {
		sb_printf(out, "%s: error: %s\n", prefix, why->text);
		return;
	}
	sb_adds(out, at->file);
	if (at->line)
		sb_printf(out, ":%u", at->line);
	if (at->line && at->column)
		sb_printf(out, ":%u", at->column);
	sb_printf(out, ": error: %s\n", why->text);
	if (at->line)
		excerpt(out, at);
}

void report_refusal(const char *prefix, const struct refusal *why)
{
	struct strbuf out = STRBUF_INIT;

	refusal_print(&out, prefix, why);
	fflush(stdout);
	fputs(sb_str(&out), stderr);
	sb_free(&out);
}

/* Bytes of the UTF-8 sequence at @s; 0: it is none (overlong, surrogate, cut short). */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void sb_add_utf8(struct strbuf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	bool valid = true;

	for (size_t i = 0, n; s[i] && valid; i += n) {
		n = utf8_len(s + i);
		valid = n > 0;
	}
	if (valid) {
		sb_adds(out, text);
		return;
	}
	for (; *s; s++) {
		if (*s >= 0x80)
			sb_addc(out, (char)(0xc0 | *s >> 6));
		sb_addc(out, (char)(*s >= 0x80 ? 0x80 | (*s & 0x3f) : *s));
	}
}

/* Letters to insert, delete, change or swap. Short words only. */
static unsigned int edit_distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned int row[3][MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > MAX || n > MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= n; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= m; i++) {
		unsigned int *now = row[i % 3], *before = row[(i - 1) % 3], *before2 = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned int change = before[j - 1] + (a[i - 1] != b[j - 1]);
			unsigned int step = MIN_OF(before[j], now[j - 1]) + 1;

			now[j] = MIN_OF(change, step);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN_OF(now[j], before2[j - 2] + 1);
		}
	}
	return row[m % 3][n];
}

const char *did_you_mean(const char *word, const char *const *known)
{
	unsigned int best = (unsigned int)strlen(word) / 2 + 1;
	const char *found = NULL;

	for (; *known; known++) {
		unsigned int distance = edit_distance(word, *known);

		if (distance < best || (distance == 1 && best == 1 && !found)) {
			best = distance;
			found = *known;
		}
	}
	return best <= 3 ? found : NULL;
}

bool time_parse(const char *text, int64_t *ns)
{
	int64_t sec = 0, frac = 0;
	int digits = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		sec = sec * 10 + (*text - '0');
		if (sec > INT64_MAX / 2 / NSEC_PER_SEC)
			return false;
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, digits++) {
			if (digits == 9)
				return false;
			frac = frac * 10 + (*text - '0');
		}
		if (digits == 0)
			return false;
	}
	if (*text)
		return false;
	for (; digits < 9; digits++)
		frac *= 10;
	*ns = sec * NSEC_PER_SEC + frac;
	return true;
}

const char *time_text(int64_t ns, char out[TIME_TEXT_MAX])
{
	snprintf(out, TIME_TEXT_MAX, "%lld.%09lld", (long long)(ns / NSEC_PER_SEC), (long long)(ns % NSEC_PER_SEC));
	return out;
}

const char *count_text(uint64_t n, char out[TIME_TEXT_MAX])
{
	char digits[TIME_TEXT_MAX];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}
