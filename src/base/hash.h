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

#define ROTL64(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL64(v[1], 13) ^ v[0];
	v[0] = ROTL64(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL64(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL64(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL64(v[1], 17) ^ v[2];
	v[2] = ROTL64(v[2], 32);
}

/* The same on the spot, for a @count that is known when it is compiled. */
static inline __attribute__((always_inline)) uint64_t siphash_words_here(const uint64_t *words, size_t count,
									 const struct hash_key *key)
{
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ull, key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull, key->k[1] ^ 0x7465646279746573ull,
	};

	for (size_t i = 0; i < count; i++) {
		v[3] ^= words[i];
		sip_round(v);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * The lower halves of siphash_words() of @count keys of two words each, by the fastest form that runs here. All three have room up to
 * the next multiple of four; what is written behind @count means nothing.
 */
void siphash_pairs(const uint64_t *first, const uint64_t *second, size_t count, const struct hash_key *key, uint32_t *out);
enum hash_form { HASH_PLAIN, HASH_AVX2, HASH_AVX512 };
/* false: this processor has no such form. */
bool siphash_pairs_by(enum hash_form form, const uint64_t *first, const uint64_t *second, size_t count, const struct hash_key *key,
		      uint32_t *out);

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
