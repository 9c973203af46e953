/*
 * classify/needles.h - many strings at once: which of them are somewhere in these bytes?
 */
#ifndef WEIR_CLASSIFY_NEEDLES_H
#define WEIR_CLASSIFY_NEEDLES_H

#include "base/types.h"

/* Some bytes that begin at or after .from and end at or before .to. */
struct needle {
	const uint8_t *bytes;
	uint32_t len;			/* at least 1 */
	uint32_t from, to;
	bool folds;			/* both sides in capitals; .bytes are */
};

/* Capitals as Linux has them: Latin-1's, too. */
uint8_t needle_fold(uint8_t byte);

struct needles;

/* Given, needles_free(); what @needles point to is borrowed as long. NULL: no memory. */
struct needles *needles_new(const struct needle *needles, uint32_t count);
void needles_free(struct needles *n);
/**
 * needles_scan() - Every needle that is in @bytes
 * @found: room for all; their numbers, each once, in no order
 * Return: how many. In bytes made to cost time all may be named, whether they are there or not.
 */
uint32_t needles_scan(struct needles *n, const uint8_t *bytes, uint32_t len, uint32_t *found);
size_t needles_bytes(const struct needles *n);

#endif
