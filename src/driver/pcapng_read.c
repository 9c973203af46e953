/*
 * driver/pcapng_read.c - reads pcapng: sections, interfaces and packet blocks; everything else is passed over.
 *
 * A block says its length twice and an option says its own: each is checked against what holds it before it
 * is used. Interfaces of all sections stay listed, so that a number given out keeps its meaning.
 */
#include "driver/pcap_internal.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET_OLD = 2,
	BLOCK_PACKET_SIMPLE = 3,
	BLOCK_PACKET = 6,

	BLOCK_OVERHEAD = 12,		/* type, length, length again */
	BLOCK_KEPT_MAX = CAPTURE_PACKET_MAX + (1 << 18),	/* a packet and generous options */

	OPT_END = 0,
	OPT_IF_NAME = 2,
	OPT_IF_TSRESOL = 9,
	OPT_IF_FCSLEN = 13,
	OPT_IF_TSOFFSET = 14,
	OPT_PACKET_FLAGS = 2,
	FLAG_OUTBOUND = 2,		/* of the two direction bits */
};

static const uint32_t byte_order_magic = 0x1a2b3c4d;

struct block {
	uint32_t type, len;
	const uint8_t *body;
	uint32_t body_len;
};

/* Calls for each option of a block; @visit returns 0 or a refusal. */
static int options_each(struct capture *cap, const uint8_t *p, uint32_t left,
			int (*visit)(struct capture *cap, void *arg, uint16_t code, const uint8_t *value, uint16_t len,
				     struct refusal *why),
			void *arg, struct refusal *why)
{
	while (left >= 4) {
		uint16_t code = capture_u16(cap, p), len = capture_u16(cap, p + 2);
		uint32_t padded = ALIGN_UP((uint32_t)len, 4);
		int err;

		if (code == OPT_END)
			return 0;
		if (padded > left - 4)
			return capture_refuse(cap, why, "the capture is corrupt: option %u reaches beyond its block", code);
		err = visit(cap, arg, code, p + 4, len, why);
		if (err)
			return err;
		p += 4 + padded;
		left -= 4 + padded;
	}
	return 0;
}

/* Looks at the next block; bodies of blocks that are of no interest are not kept. 1, 0 at the end, negative. */
static int block_read(struct capture *cap, struct block *b, struct refusal *why)
{
	const uint8_t *p;
	int r = capture_need(cap, 8, why);

	if (r < 0)
		return r;
	if (r == 0) {
		if (capture_left(cap) == 0)
			return 0;
		return capture_refuse(cap, why, "the capture is truncated: %zu of 8 bytes of a block header",
				      capture_left(cap));
	}
	p = capture_at(cap);
	b->type = capture_u32(cap, p);
	if (b->type == BLOCK_SECTION) {		/* reads the same in both byte orders; the magic decides */
		uint32_t magic;

		r = capture_need(cap, 12, why);
		if (r <= 0)
			return r < 0 ? r : capture_refuse(cap, why, "the capture is truncated inside a section header");
		p = capture_at(cap);
		memcpy(&magic, p + 8, sizeof(magic));
		if (magic != byte_order_magic && magic != __builtin_bswap32(byte_order_magic))
			return capture_refuse(cap, why, "the capture is corrupt: byte-order magic %#010x", magic);
		cap->swapped = magic != byte_order_magic;
	}
	b->len = capture_u32(cap, p + 4);
	if (b->len < BLOCK_OVERHEAD || b->len % 4)
		return capture_refuse(cap, why, "the capture is corrupt: a block of %u bytes", b->len);
	b->body_len = b->len - BLOCK_OVERHEAD;
	b->body = NULL;
	if (b->type != BLOCK_SECTION && b->type != BLOCK_INTERFACE && b->type != BLOCK_PACKET_OLD &&
	    b->type != BLOCK_PACKET_SIMPLE && b->type != BLOCK_PACKET)
		return 1;
	if (b->len > BLOCK_KEPT_MAX)
		return capture_refuse(cap, why, "the capture is corrupt: a packet block of %u bytes", b->len);
	r = capture_need(cap, b->len, why);
	if (r <= 0)
		return r < 0 ? r : capture_refuse(cap, why, "the capture is truncated: %zu of %u bytes of a block",
						  capture_left(cap), b->len);
	b->body = capture_at(cap) + 8;
	if (capture_u32(cap, b->body + b->body_len) != b->len)
		return capture_refuse(cap, why, "the capture is corrupt: a block's two lengths are %u and %u", b->len,
				      capture_u32(cap, b->body + b->body_len));
	return 1;
}

static int section_begin(struct capture *cap, const struct block *b, struct refusal *why)
{
	if (b->body_len < 16)
		return capture_refuse(cap, why, "the capture is corrupt: a section header of %u bytes", b->len);
	if (capture_u16(cap, b->body + 4) != 1)
		return capture_refuse(cap, why, "pcapng version %u.%u is not known (1.0 is)",
				      capture_u16(cap, b->body + 4), capture_u16(cap, b->body + 6));
	cap->section_first = cap->iface_count;
	return 0;
}

static int iface_option(struct capture *cap, void *arg, uint16_t code, const uint8_t *value, uint16_t len,
			struct refusal *why)
{
	struct capture_iface *iface = arg;
	size_t n = MIN_OF((size_t)len, sizeof(iface->name) - 1);
	uint8_t exponent;

	switch (code) {
	case OPT_IF_NAME:
		memcpy(iface->name, value, n);
		iface->name[n] = '\0';
		return 0;
	case OPT_IF_TSRESOL:
		if (len < 1)
			break;
		exponent = value[0] & 0x7f;
		iface->ts_binary = value[0] & 0x80;
		if (exponent > (iface->ts_binary ? 63 : 19))
			return capture_refuse(cap, why, "the capture's time resolution %s^-%u is beyond use",
					      iface->ts_binary ? "2" : "10", exponent);
		iface->ts_exponent = exponent;
		return 0;
	case OPT_IF_FCSLEN:
		if (len < 1)
			break;
		iface->fcs_len = value[0] <= 8 ? value[0] : 0;
		return 0;
	case OPT_IF_TSOFFSET:
		if (len < 8)
			break;
		memcpy(&iface->ts_offset_sec, value, 8);
		if (cap->swapped)
			iface->ts_offset_sec = (int64_t)__builtin_bswap64((uint64_t)iface->ts_offset_sec);
		return 0;
	default:
		return 0;
	}
	return capture_refuse(cap, why, "the capture is corrupt: interface option %u has %u bytes", code, len);
}

static int iface_begin(struct capture *cap, const struct block *b, struct refusal *why)
{
	struct capture_iface *iface;

	if (b->body_len < 8)
		return capture_refuse(cap, why, "the capture is corrupt: an interface description of %u bytes", b->len);
	iface = capture_iface_add(cap, why);
	if (!iface)
		return -ENOMEM;
	iface->linktype = capture_u16(cap, b->body);
	iface->snaplen = capture_u32(cap, b->body + 4);
	iface->ts_exponent = 6;
	return options_each(cap, b->body + 8, b->body_len - 8, iface_option, iface, why);
}

/* Units since the epoch to nanoseconds; false when they do not fit 64 bits. */
static bool stamp_to_ns(const struct capture_iface *iface, uint64_t units, int64_t *ns)
{
	static const uint64_t ten[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
					10000000000ull };
	unsigned __int128 wide = units;
	__int128 all;

	if (iface->ts_binary)
		wide = (wide * NSEC_PER_SEC) >> iface->ts_exponent;
	else if (iface->ts_exponent <= 9)
		wide *= ten[9 - iface->ts_exponent];
	else
		wide /= ten[iface->ts_exponent - 9];
	all = (__int128)wide + (__int128)iface->ts_offset_sec * NSEC_PER_SEC;
	if (all < 0 || all > INT64_MAX / 2)
		return false;
	*ns = (int64_t)all;
	return true;
}

static int packet_option(struct capture *cap, void *arg, uint16_t code, const uint8_t *value, uint16_t len,
			 struct refusal *why)
{
	struct capture_packet *pkt = arg;

	if (code == OPT_PACKET_FLAGS && len >= 4)
		pkt->outbound = (capture_u32(cap, value) & 3) == FLAG_OUTBOUND;
	return 0;
}

static int packet_read(struct capture *cap, const struct block *b, struct capture_packet *pkt, struct refusal *why)
{
	uint32_t head = b->type == BLOCK_PACKET_SIMPLE ? 4 : 20, number = 0, len, wire_len;
	const uint8_t *p = b->body;
	const struct capture_iface *iface;
	int64_t stamp_ns = cap->last_stamp_ns;

	if (b->body_len < head)
		return capture_refuse(cap, why, "the capture is corrupt: a packet block of %u bytes", b->len);
	if (b->type == BLOCK_PACKET)
		number = capture_u32(cap, p);
	else if (b->type == BLOCK_PACKET_OLD)
		number = capture_u16(cap, p);
	if (number >= cap->iface_count - cap->section_first)
		return capture_refuse(cap, why, "the capture is corrupt: a packet of interface %u, which is not described",
				      number);
	number += cap->section_first;
	iface = &cap->ifaces[number];
	if (b->type == BLOCK_PACKET_SIMPLE) {
		wire_len = capture_u32(cap, p);
		len = iface->snaplen ? MIN_OF(wire_len, iface->snaplen) : wire_len;
	} else {
		uint64_t units = (uint64_t)capture_u32(cap, p + 4) << 32 | capture_u32(cap, p + 8);

		len = capture_u32(cap, p + 12);
		wire_len = capture_u32(cap, p + 16);
		if (!stamp_to_ns(iface, units, &stamp_ns))
			return capture_refuse(cap, why, "the capture is corrupt: a time stamp beyond the year 2116");
	}
	if (len > CAPTURE_PACKET_MAX)
		return capture_refuse(cap, why, "the capture is corrupt: a packet of %u bytes (at most %d)", len,
				      CAPTURE_PACKET_MAX);
	if (len > b->body_len - head)
		return capture_refuse(cap, why, "the capture is corrupt: a packet of %u bytes in a block of %u", len, b->len);
	*pkt = (struct capture_packet){
		.bytes = p + head, .len = len, .wire_len = MAX_OF(wire_len, len), .stamp_ns = stamp_ns,
		.linktype = iface->linktype, .iface = number, .offset = cap->offset, .swapped = cap->swapped,
	};
	if (b->type != BLOCK_PACKET_SIMPLE) {
		uint32_t used = MIN_OF(head + ALIGN_UP(len, 4), b->body_len);

		return options_each(cap, p + used, b->body_len - used, packet_option, pkt, why);
	}
	return 0;
}

int pcapng_read_head(struct capture *cap, struct refusal *why)
{
	struct block b;
	int r = block_read(cap, &b, why);

	if (r < 0)
		return r;
	r = section_begin(cap, &b, why);
	if (!r)
		capture_advance(cap, b.len);
	return r;
}

int pcapng_read_next(struct capture *cap, struct capture_packet *pkt, struct refusal *why)
{
	for (;;) {
		struct block b;
		int err = 0, r = block_read(cap, &b, why);

		if (r <= 0)
			return r;
		if (!b.body) {
			r = capture_skip(cap, b.len, why);
			if (r == 0)
				return capture_refuse(cap, why, "the capture is truncated inside a block of %u bytes", b.len);
			if (r < 0)
				return r;
			continue;
		}
		if (b.type == BLOCK_SECTION)
			err = section_begin(cap, &b, why);
		else if (b.type == BLOCK_INTERFACE)
			err = iface_begin(cap, &b, why);
		else
			err = packet_read(cap, &b, pkt, why);
		if (err)
			return err;
		capture_advance(cap, b.len);	/* the bytes stay where they are until the next call */
		if (b.type != BLOCK_SECTION && b.type != BLOCK_INTERFACE)
			return 1;
	}
}
