/*
 * nat/translate_addr.c - one family's address in the other's: inside a prefix (RFC 6052), which leaves out the ninth byte,
 * or by a mapping of prefixes whose rest is copied bit by bit (RFC 7757).
 */
#include "nat/translate.h"

bool xlat_prefix_len_fits(unsigned int len)
{
	return len == 32 || len == 40 || len == 48 || len == 56 || len == 64 || len == 96;
}

struct in6_addr xlat_embed(const struct in6_addr *prefix, unsigned int len, be32 addr)
{
	struct in6_addr out = { .s6_addr = { 0 } };
	const uint8_t *from = (const uint8_t *)&addr;

	memcpy(&out, prefix, len / 8);
	for (unsigned int i = 0, at = len / 8; i < 4; at++)
		if (at != 8)
			out.s6_addr[at] = from[i++];
	return out;
}

bool xlat_extract(const struct in6_addr *prefix, unsigned int len, const struct in6_addr *addr, be32 *out)
{
	uint8_t *to = (uint8_t *)out;

	if (memcmp(prefix, addr, len / 8))
		return false;
	for (unsigned int i = 0, at = len / 8; i < 4; at++)
		if (at != 8)
			to[i++] = addr->s6_addr[at];
	return true;
}

bool xlat_is_unicast4(be32 addr)
{
	uint8_t first = (uint8_t)(ntohl(addr) >> 24);

	return first != 0 && first != 127 && first < 224;
}

bool xlat_is_unicast6(const struct in6_addr *addr)
{
	static const struct in6_addr none = { .s6_addr = { 0 } }, self = { .s6_addr = { [15] = 1 } };

	return addr->s6_addr[0] != 0xff && !(addr->s6_addr[0] == 0xfe && (addr->s6_addr[1] & 0xc0) == 0x80) &&
	       memcmp(addr, &none, sizeof(none)) && memcmp(addr, &self, sizeof(self));
}

static bool bit_of(const uint8_t *bytes, unsigned int bit) { return bytes[bit / 8] >> (7 - bit % 8) & 1; }

static bool begins_like(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	return !memcmp(a, b, bits / 8) && (bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8)));
}

/* @to keeps its first @to_len bits and gets what follows @from's first @from_len; what is left is zero. */
static void splice(uint8_t *to, unsigned int to_len, unsigned int to_bits, const uint8_t *from, unsigned int from_len,
		   unsigned int from_bits)
{
	for (unsigned int i = to_len, j = from_len; i < to_bits; i++, j++) {
		to[i / 8] &= (uint8_t)~(0x80 >> i % 8);
		if (j < from_bits && bit_of(from, j))
			to[i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
}

bool xlat_map_to6(const struct xlat_map *maps, unsigned int count, be32 addr, struct in6_addr *out)
{
	const struct xlat_map *best = NULL;

	for (unsigned int i = 0; i < count; i++)
		if (begins_like((const uint8_t *)&maps[i].four, (const uint8_t *)&addr, maps[i].len4) &&
		    (!best || maps[i].len4 > best->len4))
			best = &maps[i];
	if (!best)
		return false;
	*out = best->six;
	splice(out->s6_addr, best->len6, 128, (const uint8_t *)&addr, best->len4, 32);
	return true;
}

bool xlat_map_to4(const struct xlat_map *maps, unsigned int count, const struct in6_addr *addr, be32 *out)
{
	const struct xlat_map *best = NULL;

	for (unsigned int i = 0; i < count; i++)
		if (begins_like(maps[i].six.s6_addr, addr->s6_addr, maps[i].len6) && (!best || maps[i].len6 > best->len6))
			best = &maps[i];
	if (!best)
		return false;
	*out = best->four;
	splice((uint8_t *)out, best->len4, 32, addr->s6_addr, best->len6, 128);
	return true;
}
