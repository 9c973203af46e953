/* base/hash.c - see hash.h. */
#include "base/hash.h"

#define ROTL32(x, b) (((x) << (b)) | ((x) >> (32 - (b))))

uint64_t siphash(const void *data, size_t len, const struct hash_key *key)
{
	const uint8_t *p = data, *end = p + (len & ~(size_t)7);
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ull, key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull, key->k[1] ^ 0x7465646279746573ull,
	};
	uint64_t word, last = (uint64_t)len << 56;

	for (; p < end; p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < (len & 7); i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash_words(const uint64_t *words, size_t count, const struct hash_key *key)
{
	return siphash_words_here(words, count, key);
}

uint32_t jhash_words(const uint32_t *k, size_t count, uint32_t initval)
{
	uint32_t a, b, c;

	a = b = c = 0xdeadbeef + ((uint32_t)count << 2) + initval;
	for (; count > 3; count -= 3, k += 3) {
		a += k[0];
		b += k[1];
		c += k[2];
		a -= c; a ^= ROTL32(c, 4); c += b;
		b -= a; b ^= ROTL32(a, 6); a += c;
		c -= b; c ^= ROTL32(b, 8); b += a;
		a -= c; a ^= ROTL32(c, 16); c += b;
		b -= a; b ^= ROTL32(a, 19); a += c;
		c -= b; c ^= ROTL32(b, 4); b += a;
	}
	if (count == 0)
		return c;
	if (count >= 3)
		c += k[2];
	if (count >= 2)
		b += k[1];
	a += k[0];
	c ^= b; c -= ROTL32(b, 14);
	a ^= c; a -= ROTL32(c, 11);
	b ^= a; b -= ROTL32(a, 25);
	c ^= b; c -= ROTL32(b, 16);
	a ^= c; a -= ROTL32(c, 4);
	b ^= a; b -= ROTL32(a, 14);
	c ^= b; c -= ROTL32(b, 24);
	return c;
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ull;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
		rng->s[i] = z ^ (z >> 31);
	}
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t *s = rng->s, result = ROTL64(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = ROTL64(s[3], 45);
	return result;
}
