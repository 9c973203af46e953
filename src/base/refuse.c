/* base/refuse.c - keeps the first sentence whole: a caller may add the place, never reword the cause. */
#include "base/refuse.h"

#include <stdarg.h>
#include <stdio.h>

/* Whatever a name held, the sentence is one line and does nothing to a terminal. */
static void make_printable(char *text, size_t size)
{
	char raw[sizeof(((struct refusal *)0)->text)];	/* the larger of the two */
	size_t out = 0;

	if (!text[strcspn(text, "\x01\x02\x03\x04\x05\x06\a\b\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
			  "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f")])
		return;
	memcpy(raw, text, size);
	for (const char *c = raw; *c && out + 5 < size; c++) {
		if ((unsigned char)*c >= 0x20 && *c != 0x7f)
			text[out++] = *c;
		else if (*c == '\n' || *c == '\r' || *c == '\t')
			out += (size_t)sprintf(text + out, "\\%c", *c == '\n' ? 'n' : *c == '\r' ? 'r' : 't');
		else
			out += (size_t)sprintf(text + out, "\\x%02x", (unsigned char)*c);
	}
	text[out] = '\0';
}

static int refuse_va(struct refusal *why, struct text_pos at, int err, const char *fmt, va_list ap)
{
	if (!why)
		return err;
	why->err = err;
	why->at = at;
	why->upstream[0] = '\0';
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	make_printable(why->text, sizeof(why->text));
	return err;
}

int refuse(struct refusal *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse_va(why, (struct text_pos){ 0 }, err, fmt, ap);
	va_end(ap);
	return err;
}

int refuse_at(struct refusal *why, struct text_pos at, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse_va(why, at, err, fmt, ap);
	va_end(ap);
	return err;
}

void refuse_upstream(struct refusal *why, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return;
	va_start(ap, fmt);
	vsnprintf(why->upstream, sizeof(why->upstream), fmt, ap);
	va_end(ap);
	make_printable(why->upstream, sizeof(why->upstream));
}
