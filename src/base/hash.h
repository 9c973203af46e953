/*
 * base/hash.h - keyed SipHash for tables whose keys remote people choose, Jenkins' lookup3 where a
 * kernel result must be equal (NAT address choice), and a seeded random source so that a run repeats.
 */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "base/types.h"

struct hash_key {
	uint64_t k[2];
};

/* SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t siphash(const void *data, size_t len, const struct hash_key *key);

/* SipHash-1-3 over whole words, for keys of one length: what a table asks for with every packet. */
uint64_t siphash_words(const uint64_t *words, size_t count, const struct hash_key *key);

/* lookup3's hashword(): same value as the kernel's jhash2(). */
uint32_t jhash_words(const uint32_t *words, size_t count, uint32_t initval);

/* Maps a 32-bit hash onto [0, n) as the kernel's reciprocal_scale() does. */
static inline uint32_t hash_scale(uint32_t hash, uint32_t n)
{
	return (uint32_t)(((uint64_t)hash * n) >> 32);
}

struct rng {
	uint64_t s[4];	/* xoshiro256**; seeded by splitmix64 */
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
static inline uint32_t rng_u32(struct rng *rng) { return (uint32_t)(rng_u64(rng) >> 32); }
static inline uint16_t rng_u16(struct rng *rng) { return (uint16_t)(rng_u64(rng) >> 48); }
/* Uniform in [0, n); n > 0. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n) { return hash_scale(rng_u32(rng), n); }

#endif
