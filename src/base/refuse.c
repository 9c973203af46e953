/* base/refuse.c - keeps the first sentence whole: a caller may add the place, never reword the cause. */
#include "base/refuse.h"

#include <stdarg.h>
#include <stdio.h>

static int refuse_va(struct refusal *why, struct text_pos at, int err, const char *fmt, va_list ap)
{
	if (!why)
		return err;
	why->err = err;
	why->at = at;
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
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
