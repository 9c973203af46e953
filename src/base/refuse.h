/*
 * base/refuse.h - how control code says no: a negative errno for the program, a sentence for the user.
 * Where the cause is a place in a text, the refusal carries file, line, column and width for the caret.
 */
#ifndef WEIR_BASE_REFUSE_H
#define WEIR_BASE_REFUSE_H

#include "base/types.h"

struct text_pos {
	const char *file;	/* borrowed; NULL when there is no text */
	unsigned int line;	/* from 1; 0 unknown */
	unsigned int column;	/* from 1, in bytes; 0 unknown */
	unsigned int width;	/* bytes the caret underlines; 0 means 1 */
};

struct refusal {
	int err;		/* negative errno, 0 while nothing was refused */
	struct text_pos at;
	char text[512];		/* one sentence, no newline, no final period needed */
	char upstream[192];	/* what the program that is stood in for would have said; "": the same */
	char about[32];		/* the name in the text that it is about, where its place is not known yet; "": none */
};

/**
 * refuse() - Leave a sentence for the user
 * @why: filled; may be NULL when nobody listens
 * @err: negative errno
 * Return: @err, so that "return refuse(...)" reads well.
 */
int refuse(struct refusal *why, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
int refuse_at(struct refusal *why, struct text_pos at, int err, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* After a refusal: upstream's words for it. */
void refuse_upstream(struct refusal *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
