/*
 * base/bytes.h - values as bytes in a fixed order, and back. The reader is bounded: what is not there reads as zero and is
 * remembered, so that a caller may read a whole record and ask once whether it was all there.
 */
#ifndef WEIR_BASE_BYTES_H
#define WEIR_BASE_BYTES_H

#include "base/strbuf.h"

struct bytes_in {
	const uint8_t *at, *end;
	bool failed;
};

/* The next @len bytes, borrowed; NULL: there are not as many. */
static inline const uint8_t *in_take(struct bytes_in *in, size_t len)
{
	const uint8_t *at = in->at;

	if (in->failed || (size_t)(in->end - in->at) < len) {
		in->failed = true;
		return NULL;
	}
	in->at += len;
	return at;
}

static inline void in_raw(struct bytes_in *in, void *to, size_t len)
{
	const uint8_t *at = in_take(in, len);

	if (at)
		memcpy(to, at, len);
	else
		memset(to, 0, len);
}

static inline uint64_t in_number(struct bytes_in *in, unsigned int len)
{
	const uint8_t *at = in_take(in, len);
	uint64_t v = 0;

	for (unsigned int i = len; at && i--;)
		v = v << 8 | at[i];
	return v;
}
static inline uint8_t in_u8(struct bytes_in *in) { return (uint8_t)in_number(in, 1); }
static inline uint16_t in_u16(struct bytes_in *in) { return (uint16_t)in_number(in, 2); }
static inline uint32_t in_u32(struct bytes_in *in) { return (uint32_t)in_number(in, 4); }
static inline uint64_t in_u64(struct bytes_in *in) { return in_number(in, 8); }

/* A text of at most @room - 1 bytes, its length before it; longer ones, and a NUL inside, fail. */
static inline void in_text(struct bytes_in *in, char *to, size_t room)
{
	size_t len = in_u16(in);
	const uint8_t *at = len < room ? in_take(in, len) : NULL;

	if (!at || memchr(at, 0, len)) {
		in->failed = true;
		len = 0;
	}
	if (len)
		memcpy(to, at, len);
	to[len] = '\0';
}

static inline void out_number(struct strbuf *out, uint64_t v, unsigned int len)
{
	char bytes[8];

	for (unsigned int i = 0; i < len; i++, v >>= 8)
		bytes[i] = (char)v;
	sb_add(out, bytes, len);
}
static inline void out_u8(struct strbuf *out, uint8_t v) { out_number(out, v, 1); }
static inline void out_u16(struct strbuf *out, uint16_t v) { out_number(out, v, 2); }
static inline void out_u32(struct strbuf *out, uint32_t v) { out_number(out, v, 4); }
static inline void out_u64(struct strbuf *out, uint64_t v) { out_number(out, v, 8); }
static inline void out_raw(struct strbuf *out, const void *bytes, size_t len) { sb_add(out, bytes, len); }
static inline void out_text(struct strbuf *out, const char *text)
{
	out_u16(out, (uint16_t)strlen(text));
	sb_adds(out, text);
}

#endif
