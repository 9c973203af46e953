/*
 * base/hash_many.c - SipHash of many keys of two words, four at a time where the processor can.
 * One body for all forms: what is added, turned and mixed is one word, or a vector of four; the compiler writes the rest.
 */
#include "base/cpu.h"
#include "base/hash.h"

enum { LANES = 4 };

#define TURN(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define ROUND(v) do { \
	v[0] += v[1]; v[1] = TURN(v[1], 13) ^ v[0]; v[0] = TURN(v[0], 32); \
	v[2] += v[3]; v[3] = TURN(v[3], 16) ^ v[2]; \
	v[0] += v[3]; v[3] = TURN(v[3], 21) ^ v[0]; \
	v[2] += v[1]; v[1] = TURN(v[1], 17) ^ v[2]; v[2] = TURN(v[2], 32); \
} while (0)
#define PAIRS(NAME, TYPE, STEP, TARGET) \
TARGET static void NAME(const uint64_t *first, const uint64_t *second, size_t count, const struct hash_key *key, uint32_t *out) \
{ \
	const TYPE zero = { 0 }; \
	for (size_t i = 0; i < count; i += STEP) { \
		TYPE v[4] = { zero + (uint64_t)(key->k[0] ^ 0x736f6d6570736575ull), zero + (uint64_t)(key->k[1] ^ 0x646f72616e646f6dull), \
			      zero + (uint64_t)(key->k[0] ^ 0x6c7967656e657261ull), zero + (uint64_t)(key->k[1] ^ 0x7465646279746573ull) }, word; \
		uint64_t sums[STEP]; \
		memcpy(&word, first + i, sizeof(word)); \
		v[3] ^= word; ROUND(v); v[0] ^= word; \
		memcpy(&word, second + i, sizeof(word)); \
		v[3] ^= word; ROUND(v); v[0] ^= word; \
		v[2] ^= zero + (uint64_t)0xff; \
		ROUND(v); ROUND(v); ROUND(v); \
		word = v[0] ^ v[1] ^ v[2] ^ v[3]; \
		memcpy(sums, &word, sizeof(word)); \
		for (size_t k = 0; k < STEP; k++) \
			out[i + k] = (uint32_t)sums[k]; \
	} \
}

#define NOTHING_SPECIAL
PAIRS(pairs_plain, uint64_t, 1, NOTHING_SPECIAL)
#if defined(__x86_64__)
typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));
PAIRS(pairs_avx2, lanes, LANES, __attribute__((target("avx2"))))
PAIRS(pairs_avx512, lanes, LANES, __attribute__((target("avx512f,avx512vl"))))
#endif

bool siphash_pairs_by(enum hash_form form, const uint64_t *first, const uint64_t *second, size_t count, const struct hash_key *key,
		      uint32_t *out)
{
#if defined(__x86_64__)
	if (form == HASH_AVX512 && cpu_vectors() >= CPU_AVX512) {
		pairs_avx512(first, second, count, key, out);
		return true;
	}
	if (form == HASH_AVX2 && cpu_vectors() >= CPU_AVX2) {
		pairs_avx2(first, second, count, key, out);
		return true;
	}
#endif
	if (form != HASH_PLAIN)
		return false;
	pairs_plain(first, second, count, key, out);
	return true;
}

void siphash_pairs(const uint64_t *first, const uint64_t *second, size_t count, const struct hash_key *key, uint32_t *out)
{
	if (count < LANES || (!siphash_pairs_by(HASH_AVX512, first, second, count, key, out) &&
			      !siphash_pairs_by(HASH_AVX2, first, second, count, key, out)))
		pairs_plain(first, second, count, key, out);
}
