/*
 * classify/needles.c - see needles.h. Wherever a needle of at least m bytes stands, one of every m - w + 1 places in a row is
 * a place inside it with w of its first m bytes behind. So only every (m - w + 1)st place of a packet is looked at: w bytes,
 * hashed, asked of a bitmap that stays in the nearest cache; behind it stand the needles with these w bytes at that distance.
 * The more bytes, the fewer false alarms and the more places: w is chosen by how much the needles have in common.
 * Needles of three bytes or less have an index of their own, since the shortest one sets the pace. All of it in capitals; what is left
 * is compared byte by byte.
 */
#include "classify/needles.h"

#include <stdlib.h>

enum {
	WINDOW_MAX = 8,			/* bytes hashed */
	LONGS_FROM = 4,			/* shorter ones are looked for apart */
	STEP_MAX = 8,
	TEXT_MAX = 65536 + 64,		/* the longest packet, and what a load of its last bytes takes along */
	WORK_PER_BYTE = 16,		/* comparisons, on average, before all are named */
	ALARM_COST = 8,			/* in places looked at */
	BITS_A_BYTE = 4,		/* of what texts tell, roughly */
	NOBODY = UINT32_MAX,
};

struct part { uint64_t bytes; uint32_t next, needle, offset; };

/* Needles of similar lengths. */
struct sieve {
	uint32_t count;			/* of needles; 0: the rest is not there */
	uint32_t window, step, shift;
	uint32_t part_count;
	uint64_t mask;			/* the window's bytes of eight */
	uint64_t *bitmap;		/* by hash */
	uint32_t *first;		/* by hash: its first part */
	struct part *parts;
};

struct needles {
	uint32_t count;
	struct sieve longs, shorts;
	uint32_t *seen, stamp;		/* by needle: the scan that found it */
	struct needle *needles;
	bool folds;			/* any of them does: the packet is looked at in capitals */
	uint8_t *text;			/* in capitals, or its last bytes */
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

static uint64_t part_at(const struct sieve *sieve, const uint8_t *bytes)
{
	uint64_t part;

	memcpy(&part, bytes, sizeof(part));
	return part & sieve->mask;
}

static inline uint64_t part_hash(uint64_t part)
{
	return part * 0x9e3779b97f4a7c15u;
}

/* As the packet's text has it. A capital may be somebody's small letter: never twice. */
static uint8_t text_byte(const struct needles *n, const struct needle *needle, uint32_t at)
{
	return needle->folds || !n->folds ? needle->bytes[at] : needle_fold(needle->bytes[at]);
}

static void part_add(struct sieve *sieve, const struct needles *n, uint32_t number, uint32_t offset)
{
	struct part *part = &sieve->parts[sieve->part_count];
	uint8_t folded[WINDOW_MAX] = { 0 };
	uint64_t bytes, hash;
	uint32_t slot;

	for (unsigned int i = 0; i < sieve->window; i++)
		folded[i] = text_byte(n, &n->needles[number], offset + i);
	bytes = part_at(sieve, folded);
	hash = part_hash(bytes);
	slot = (uint32_t)(hash >> sieve->shift);
	*part = (struct part){ bytes, sieve->first[slot], number, offset };
	sieve->first[slot] = sieve->part_count++;
	sieve->bitmap[slot / 64] |= (uint64_t)1 << slot % 64;
}

static bool is_in(const struct sieve *sieve, const struct needles *n, uint32_t number)
{
	return (sieve == &n->longs) == (n->needles[number].len >= LONGS_FROM);
}

static void sieve_free(struct sieve *sieve)
{
	free(sieve->bitmap);
	free(sieve->first);
	free(sieve->parts);
	sieve->bitmap = NULL;
	sieve->first = NULL;
	sieve->parts = NULL;
}

/* With a window of so many bytes. */
static int sieve_make(struct sieve *sieve, const struct needles *n, uint32_t window, uint32_t shortest)
{
	uint32_t bits = 12;

	sieve_free(sieve);
	sieve->window = window;
	sieve->mask = UINT64_MAX >> (64 - 8 * window);
	sieve->step = MIN_OF((uint32_t)STEP_MAX, shortest - (window - 1));
	sieve->part_count = 0;
	while (bits < 24 && (uint64_t)1 << bits < (uint64_t)sieve->count * sieve->step * 16)
		bits++;
	sieve->shift = 64 - bits;
	sieve->bitmap = calloc(((size_t)1 << bits) / 64, sizeof(*sieve->bitmap));
	sieve->first = malloc(((size_t)1 << bits) * sizeof(*sieve->first));
	sieve->parts = malloc(((size_t)sieve->count * sieve->step + 1) * sizeof(*sieve->parts));
	if (!sieve->bitmap || !sieve->first || !sieve->parts)
		return -ENOMEM;
	memset(sieve->first, 0xff, ((size_t)1 << bits) * sizeof(*sieve->first));
	for (uint32_t i = 0; i < n->count; i++)
		for (uint32_t offset = 0; is_in(sieve, n, i) && offset < sieve->step; offset++)
			part_add(sieve, n, i, offset);
	return 0;
}

/* How often a place may ring, in part by how often a needle's part is another's, too. What a byte of the packet costs then. */
static double sieve_cost(const struct sieve *sieve)
{
	double alarms = sieve->part_count;
	uint32_t shared = 0;

	for (unsigned int i = 0; i < sieve->window; i++)
		alarms /= 1 << BITS_A_BYTE;
	for (uint32_t i = 0; i < sieve->part_count; i++) {
		const struct part *part = &sieve->parts[i];
		uint32_t other = part->next;

		while (other != NOBODY && (sieve->parts[other].bytes != part->bytes || sieve->parts[other].needle == part->needle))
			other = sieve->parts[other].next;
		shared += other != NOBODY;
	}
	alarms = MIN_OF(1.0, MAX_OF(alarms, (double)shared / (sieve->part_count + 1)));
	return (1 + ALARM_COST * alarms) / sieve->step;
}

static int sieve_choose(struct sieve *sieve, const struct needles *n)
{
	uint32_t shortest = WINDOW_MAX + STEP_MAX - 1, best = 0;
	double cost, least = 0;

	for (uint32_t i = 0; i < n->count; i++) {
		if (!is_in(sieve, n, i))
			continue;
		sieve->count++;
		shortest = MIN_OF(shortest, n->needles[i].len);
	}
	if (!sieve->count)
		return 0;
	for (uint32_t w = MIN_OF(shortest, sieve == &n->longs ? LONGS_FROM : 2u); w <= MIN_OF(shortest, (uint32_t)WINDOW_MAX); w++) {
		if (sieve_make(sieve, n, w, shortest))
			return -ENOMEM;
		cost = sieve_cost(sieve);
		if (best && cost >= least)
			break;
		best = w;
		least = cost;
	}
	return sieve->window == best ? 0 : sieve_make(sieve, n, best, shortest);
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
	for (uint32_t i = 0; i < count; i++)
		n->folds |= needles[i].folds;
	if (sieve_choose(&n->longs, n) || sieve_choose(&n->shorts, n))
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
	sieve_free(&n->longs);
	sieve_free(&n->shorts);
	free(n->seen);
	free(n->needles);
	free(n->text);
	free(n);
}

static size_t sieve_bytes(const struct sieve *sieve)
{
	const size_t hashes = sieve->count ? (size_t)1 << (64 - sieve->shift) : 0;

	return hashes / 8 + hashes * sizeof(*sieve->first) + (size_t)sieve->part_count * sizeof(*sieve->parts);
}

size_t needles_bytes(const struct needles *n)
{
	return sizeof(*n) + sieve_bytes(&n->longs) + sieve_bytes(&n->shorts) +
	       (size_t)n->count * (sizeof(*n->seen) + sizeof(*n->needles)) + TEXT_MAX;
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

/* Places from @at on at which a load of eight bytes at @text + place stays before @text + @end. */
static bool scan(struct needles *n, const struct sieve *sieve, struct scan *s, const uint8_t *text, uint32_t *from, uint32_t end, uint64_t *work)
{
	const uint64_t mask = sieve->mask;
	const uint32_t step = sieve->step, shift = sieve->shift;
	uint32_t at = *from;

	for (; at + WINDOW_MAX <= end; at += step) {
		uint64_t part, hash;
		uint32_t slot;

		memcpy(&part, text + at, sizeof(part));
		part &= mask;
		hash = part_hash(part);
		slot = (uint32_t)(hash >> shift);
		if (likely(!(sieve->bitmap[slot / 64] >> slot % 64 & 1)))
			continue;
		for (uint32_t p = sieve->first[slot]; p != NOBODY; p = sieve->parts[p].next) {
			if (sieve->parts[p].bytes == part && at >= sieve->parts[p].offset)
				try_needle(n, s, sieve->parts[p].needle, at - sieve->parts[p].offset);
			if (!--*work)
				return false;
		}
	}
	*from = at;
	return true;
}

/* In capitals there is room behind the last byte; of the packet's own bytes the last ones are copied. */
static bool scan_all(struct needles *n, const struct sieve *sieve, struct scan *s)
{
	const uint32_t end = s->len + WINDOW_MAX - sieve->window;	/* a load of eight may reach so far */
	uint64_t work = (uint64_t)s->len * WORK_PER_BYTE + 1;
	uint32_t at = 0, moved;

	if (!sieve->count)
		return true;
	if (n->folds)
		return scan(n, sieve, s, n->text, &at, end, &work);
	if (!scan(n, sieve, s, s->bytes, &at, s->len, &work))
		return false;
	moved = s->len - MIN_OF(s->len, 2u * WINDOW_MAX);
	memcpy(n->text + moved, s->bytes + moved, s->len - moved);
	return scan(n, sieve, s, n->text, &at, end, &work);
}

uint32_t needles_scan(struct needles *n, const uint8_t *bytes, uint32_t len, uint32_t *found)
{
	struct scan s = { .bytes = bytes, .len = len, .found = found };

	if (!++n->stamp) {
		memset(n->seen, 0, n->count * sizeof(*n->seen));
		n->stamp = 1;
	}
	if (len > TEXT_MAX - 64)
		goto all;
	if (n->folds)
		fold_all(bytes, len, n->text);
	if (!scan_all(n, &n->longs, &s) || !scan_all(n, &n->shorts, &s))
		goto all;
	return s.count;
all:
	for (uint32_t i = 0; i < n->count; i++)
		found[i] = i;
	return n->count;
}
