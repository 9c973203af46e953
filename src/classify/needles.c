/*
 * classify/needles.c - see needles.h. Wherever a needle of at least m bytes stands, one of every m - 3 places in a row is
 * a place inside it with three more of its first m bytes behind. So only every (m - 3)rd place of a packet is looked at: four bytes,
 * hashed, asked of a bitmap that stays in the nearest cache; behind it stand the needles with these four bytes at that distance.
 * Needles too short for this are asked for by their first byte, at every place. All of it in capitals; what is left is
 * compared byte by byte.
 */
#include "classify/needles.h"

#include <stdlib.h>

enum {
	PART = 4,			/* bytes hashed */
	STEP_MAX = 8,
	TEXT_MAX = 65536 + 64,		/* the longest packet, and what a load of its last bytes takes along */
	WORK_PER_BYTE = 16,		/* comparisons, on average, before all are named */
	NOBODY = UINT32_MAX,
};

struct part { uint32_t bytes, next, needle, offset; };

struct needles {
	uint32_t count, step, shift;
	uint32_t part_count;
	uint64_t *bitmap;		/* by hash */
	uint32_t *first;		/* by hash: its first part */
	struct part *parts;
	uint32_t short_first[256];	/* by first byte: needle */
	uint32_t *short_next;		/* by needle */
	bool has_short, has_long;
	uint32_t *seen, stamp;		/* by needle: the scan that found it */
	struct needle *needles;
	uint8_t *text;			/* the packet in capitals */
};

uint8_t needle_fold(uint8_t byte)
{
	const bool small = (byte >= 'a' && byte <= 'z') || (byte >= 0xdf && byte != 0xf7);

	return (uint8_t)(byte - (small ? 0x20 : 0));
}

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* @to has room for 16 bytes more. */
static void fold_all(const uint8_t *from, uint32_t len, uint8_t *to)
{
	uint32_t at = 0;

	for (; at + sizeof(sixteen) <= len; at += sizeof(sixteen)) {
		sixteen v, small;

		memcpy(&v, from + at, sizeof(v));
		small = (sixteen)((v >= 'a') & (v <= 'z')) | (sixteen)((v >= 0xdf) & (v != 0xf7));
		v -= small & 0x20;
		memcpy(to + at, &v, sizeof(v));
	}
	for (; at < len; at++)
		to[at] = needle_fold(from[at]);
}

static uint32_t part_at(const uint8_t *bytes)
{
	uint32_t part;

	memcpy(&part, bytes, sizeof(part));
	return part;
}

static uint32_t part_hash(const struct needles *n, uint32_t part)
{
	return (part * 0x9e3779b1u) >> n->shift;
}

/* As the packet's text has it. A capital may be somebody's small letter: never twice. */
static uint8_t text_byte(const struct needle *needle, uint32_t at)
{
	return needle->folds ? needle->bytes[at] : needle_fold(needle->bytes[at]);
}

static void part_add(struct needles *n, uint32_t needle, uint32_t offset)
{
	struct part *part = &n->parts[n->part_count];
	uint8_t folded[PART];
	uint32_t hash;

	for (unsigned int i = 0; i < PART; i++)
		folded[i] = text_byte(&n->needles[needle], offset + i);
	hash = part_hash(n, part_at(folded));
	*part = (struct part){ part_at(folded), n->first[hash], needle, offset };
	n->first[hash] = n->part_count++;
	n->bitmap[hash / 64] |= (uint64_t)1 << hash % 64;
}

static int index_make(struct needles *n)
{
	uint32_t shortest = STEP_MAX + PART - 1, longs = 0, bits = 12;

	for (uint32_t i = 0; i < n->count; i++) {
		if (n->needles[i].len < PART)
			continue;
		longs++;
		shortest = MIN_OF(shortest, n->needles[i].len);
	}
	n->has_long = longs != 0;
	n->step = shortest - (PART - 1);
	while (bits < 24 && (uint64_t)1 << bits < (uint64_t)longs * n->step * 8)
		bits++;
	n->shift = 32 - bits;
	n->bitmap = calloc(((size_t)1 << bits) / 64, sizeof(*n->bitmap));
	n->first = malloc(((size_t)1 << bits) * sizeof(*n->first));
	n->parts = malloc(((size_t)longs * n->step + 1) * sizeof(*n->parts));
	n->short_next = malloc((n->count + 1) * sizeof(*n->short_next));
	if (!n->bitmap || !n->first || !n->parts || !n->short_next)
		return -ENOMEM;
	memset(n->first, 0xff, ((size_t)1 << bits) * sizeof(*n->first));
	memset(n->short_first, 0xff, sizeof(n->short_first));
	for (uint32_t i = 0; i < n->count; i++) {
		const struct needle *needle = &n->needles[i];

		if (needle->len < PART) {
			const uint8_t byte = text_byte(needle, 0);

			n->short_next[i] = n->short_first[byte];
			n->short_first[byte] = i;
			n->has_short = true;
			continue;
		}
		for (uint32_t offset = 0; offset < n->step; offset++)
			part_add(n, i, offset);
	}
	return 0;
}

struct needles *needles_new(const struct needle *needles, uint32_t count)
{
	struct needles *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->count = count;
	n->needles = malloc((count + 1) * sizeof(*n->needles));
	n->seen = calloc(count + 1, sizeof(*n->seen));
	n->text = calloc(1, TEXT_MAX);
	if (!n->needles || !n->seen || !n->text)
		goto err_free;
	memcpy(n->needles, needles, count * sizeof(*needles));
	if (index_make(n))
		goto err_free;
	return n;

err_free:
	needles_free(n);
	return NULL;
}

void needles_free(struct needles *n)
{
	if (!n)
		return;
	free(n->bitmap);
	free(n->first);
	free(n->parts);
	free(n->short_next);
	free(n->seen);
	free(n->needles);
	free(n->text);
	free(n);
}

size_t needles_bytes(const struct needles *n)
{
	const size_t hashes = (size_t)1 << (32 - n->shift);

	return sizeof(*n) + hashes / 8 + hashes * sizeof(*n->first) + (size_t)n->part_count * sizeof(*n->parts) +
	       (size_t)n->count * (sizeof(*n->short_next) + sizeof(*n->seen) + sizeof(*n->needles)) + TEXT_MAX;
}

struct scan { const uint8_t *bytes; uint32_t len, count, *found; };

static inline void try_needle(struct needles *n, struct scan *s, uint32_t number, uint32_t at)
{
	const struct needle *needle = &n->needles[number];

	if (n->seen[number] == n->stamp || at < needle->from || at + needle->len > s->len || at + needle->len > needle->to ||
	    memcmp((needle->folds ? n->text : s->bytes) + at, needle->bytes, needle->len))
		return;
	n->seen[number] = n->stamp;
	s->found[s->count++] = number;
}

static bool scan_long(struct needles *n, struct scan *s, uint64_t work)
{
	for (uint32_t at = 0; at + PART <= s->len; at += n->step) {
		const uint32_t part = part_at(n->text + at), hash = part_hash(n, part);

		if (likely(!(n->bitmap[hash / 64] >> hash % 64 & 1)))
			continue;
		for (uint32_t p = n->first[hash]; p != NOBODY; p = n->parts[p].next) {
			if (n->parts[p].bytes == part && at >= n->parts[p].offset)
				try_needle(n, s, n->parts[p].needle, at - n->parts[p].offset);
			if (!work--)
				return false;
		}
	}
	return true;
}

static bool scan_short(struct needles *n, struct scan *s, uint64_t work)
{
	for (uint32_t at = 0; at < s->len; at++) {
		for (uint32_t i = n->short_first[n->text[at]]; i != NOBODY; i = n->short_next[i]) {
			try_needle(n, s, i, at);
			if (!work--)
				return false;
		}
	}
	return true;
}

uint32_t needles_scan(struct needles *n, const uint8_t *bytes, uint32_t len, uint32_t *found)
{
	struct scan s = { .bytes = bytes, .len = len, .found = found };
	const uint64_t work = (uint64_t)len * WORK_PER_BYTE;

	if (!++n->stamp) {
		memset(n->seen, 0, n->count * sizeof(*n->seen));
		n->stamp = 1;
	}
	if (len > TEXT_MAX - 64)
		goto all;
	fold_all(bytes, len, n->text);
	if ((n->has_long && !scan_long(n, &s, work)) || (n->has_short && !scan_short(n, &s, work)))
		goto all;
	return s.count;
all:
	for (uint32_t i = 0; i < n->count; i++)
		found[i] = i;
	return n->count;
}
