/*
 * helper/h323_per.c - the reader: a cursor of bytes and bits that may run past the end, and is asked about it.
 * Where the cursor is checked, and where it is not aligned though it should be, follows Linux: a message that Linux
 * cannot read must not be understood here, nor the other way round. Bytes beyond the end read as zero.
 */
#include "helper/h323_per.h"

enum outcome { READ, STOPPED, BROKEN };

enum { MAP_BITS_MAX = 32, ADDITION_COUNT_BITS = 7, LENGTH_FOLLOWS = 0x80, LENGTH_MASK = 0x3f, ALIGNED_FROM = 3 };

struct reader {
	const uint8_t *bytes;
	uint32_t at, end;
	unsigned int bit;		/* of the byte at @at that are read already: 0 to 7 */
	struct per_notes *notes;
};

struct context {			/* what is being read */
	uint8_t what, group;
	bool wanted;
	unsigned int depth;
};

static enum outcome read_type(struct reader *r, const struct per_type *type, struct context c, bool note);

static bool has(const struct reader *r, uint32_t bytes, uint32_t bits)
{
	return r->at + bytes + (r->bit + bits + 7) / 8 <= r->end;
}

static enum outcome is_inside(const struct reader *r)
{
	return has(r, 0, 0) ? READ : BROKEN;
}

static uint8_t next_byte(struct reader *r)
{
	uint32_t at = r->at++;

	return at < r->end ? r->bytes[at] : 0;
}

static void skip_bits(struct reader *r, uint32_t bits)
{
	bits += r->bit;
	r->at += bits / 8;
	r->bit = bits % 8;
}

static void align(struct reader *r)
{
	if (r->bit)
		skip_bits(r, 8 - r->bit);
}

/* The next 32 bits with the first one in front; up to @count of them are taken. */
static uint32_t take_map(struct reader *r, unsigned int count)
{
	uint64_t window = 0;
	uint32_t map;

	if (!count)
		return 0;
	for (unsigned int i = 0; i < 5; i++)
		window = window << 8 | (r->at + i < r->end ? r->bytes[r->at + i] : 0);
	/* Linux does not shift a map that ends with its fourth byte. */
	map = (uint32_t)((r->bit + count == MAP_BITS_MAX ? window : window << r->bit) >> 8);
	skip_bits(r, count);
	return map & ~0u << (MAP_BITS_MAX - count);
}

static uint32_t take_bits(struct reader *r, unsigned int count)
{
	return count ? take_map(r, count) >> (MAP_BITS_MAX - count) : 0;
}

static uint32_t take_length(struct reader *r)
{
	uint32_t len = next_byte(r);

	if (len & LENGTH_FOLLOWS)
		len = (len & LENGTH_MASK) << 8 | next_byte(r);
	return len;
}

static void note(struct reader *r, const struct context *c, uint8_t len, uint32_t value)
{
	if (r->notes->count < PER_NOTES_MAX)
		r->notes->note[r->notes->count++] = (struct per_note){ c->what, c->group, len, value };
}

static enum outcome read_long(struct reader *r, const struct context *c, uint8_t least, bool is_noted)
{
	uint32_t len, value = 0;

	if (!has(r, 0, 2))
		return BROKEN;
	len = take_bits(r, 2) + 1;
	if (!has(r, len, 0))
		return BROKEN;
	align(r);
	if (is_noted) {
		for (uint32_t i = 0; i < len; i++)
			value = value << 8 | next_byte(r);
		note(r, c, 0, value + least);
	}
	r->at += len;		/* a second time when it was noted, as in Linux */
	return is_inside(r);
}

static enum outcome read_fixed(struct reader *r, const struct per_type *type, const struct context *c)
{
	if (type->least >= ALIGNED_FROM)
		align(r);
	if (type->kind == PER_ADDRESS && c->wanted)
		note(r, c, type->least, r->at);
	r->at += type->least;
	return is_inside(r);
}

static enum outcome read_text(struct reader *r, const struct per_type *type)
{
	uint32_t len;

	if (!type->width) {
		align(r);
		if (!has(r, 1, 0))
			return BROKEN;
		len = next_byte(r) + type->least;
	} else {
		if (!has(r, 0, type->width))
			return BROKEN;
		len = take_bits(r, type->width) + type->least;
		align(r);
	}
	skip_bits(r, len * type->unit * 4);
	return is_inside(r);
}

static enum outcome read_data(struct reader *r, const struct per_type *type)
{
	uint32_t len;

	align(r);
	if (!has(r, 2, 0))
		return BROKEN;
	if (type->kind == PER_BITS_SHORT) {
		len = (uint32_t)next_byte(r) << 8;
		len |= next_byte(r);
	} else {
		len = take_length(r);
	}
	if (type->kind == PER_BITS_SHORT || type->kind == PER_BITS_DATA)
		skip_bits(r, len);
	else
		r->at += len;
	return is_inside(r);
}

static struct context part_of(const struct context *c, const struct per_member *member)
{
	return (struct context){ c->what + member->what, c->group, c->wanted && member->flags & PER_WANTED, c->depth + 1 };
}

/* A member with its length in front; wherever its reading ends, the next one begins behind it. */
static enum outcome read_envelope(struct reader *r, const struct per_member *member, const struct context *c)
{
	bool is_wanted = member && c->wanted && member->flags & PER_WANTED;
	uint32_t len, end;
	enum outcome outcome;

	if (!has(r, 2, 0))
		return BROKEN;
	len = take_length(r);
	if (!has(r, len, 0))
		return BROKEN;
	end = r->at + len;
	if (is_wanted) {
		outcome = read_type(r, member->type, part_of(c, member), member->flags & PER_NOTE);
		if (outcome == BROKEN)
			return BROKEN;
		r->bit = 0;
	}
	r->at = end;
	return READ;
}

static enum outcome read_additions(struct reader *r, const struct per_type *type, const struct context *c)
{
	uint32_t count, map;

	if (!has(r, 0, ADDITION_COUNT_BITS))
		return BROKEN;
	count = take_bits(r, ADDITION_COUNT_BITS) + 1;
	if (!has(r, 0, count) || count > MAP_BITS_MAX)
		return BROKEN;
	map = take_map(r, count);
	align(r);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = type->root + i;
		const struct per_member *member = index < type->listed ? &type->members[index] : NULL;
		bool is_newer = index >= type->known;

		if (member && member->flags & PER_STOP)
			return STOPPED;
		/* Linux looks for members it does not know whether they are there or not. */
		if (!is_newer && !(map & 0x80000000u >> i))
			continue;
		if (read_envelope(r, member, c) == BROKEN)
			return BROKEN;
	}
	return READ;
}

static enum outcome read_sequence(struct reader *r, const struct per_type *type, const struct context *c)
{
	bool has_additions;
	uint32_t map;

	if (!has(r, 0, 1))
		return BROKEN;
	has_additions = type->extensible && take_bits(r, 1);
	if (!has(r, 0, type->width))
		return BROKEN;
	map = take_map(r, type->width);
	for (unsigned int i = 0; i < type->root; i++) {
		const struct per_member *member = &type->members[i];

		if (member->flags & PER_STOP)
			return STOPPED;
		if (member->flags & PER_OPTIONAL) {
			bool is_there = map & 0x80000000u;

			map <<= 1;
			if (!is_there)
				continue;
		}
		if ((member->flags & PER_ENVELOPE ? read_envelope(r, member, c) :
		     read_type(r, member->type, part_of(c, member), member->flags & PER_NOTE)) == BROKEN)
			return BROKEN;
	}
	return has_additions ? read_additions(r, type, c) : READ;
}

static enum outcome read_list(struct reader *r, const struct per_type *type, const struct context *c)
{
	const struct per_member *member = type->members;
	uint32_t count;

	align(r);
	if (!has(r, 2, 0))
		return BROKEN;
	count = take_length(r);
	for (uint32_t i = 0; i < count; i++) {
		struct context item = part_of(c, member);
		enum outcome outcome;

		if (type->keep)
			item.group = (uint8_t)(type->group + i);
		item.wanted = item.wanted && i < type->keep;
		if (member->flags & PER_ENVELOPE && c->wanted) {
			uint32_t len, end;

			align(r);
			if (!has(r, 2, 0))
				return BROKEN;
			len = take_length(r);
			if (!has(r, len, 0))
				return BROKEN;
			end = r->at + len;
			outcome = read_type(r, member->type, item, false);	/* beyond those that are kept, too */
			r->at = end;
			r->bit = 0;
		} else if (member->flags & PER_ENVELOPE) {
			align(r);
			outcome = read_envelope(r, NULL, c);
		} else {
			outcome = read_type(r, member->type, item, false);
		}
		if (outcome == BROKEN)
			return BROKEN;
	}
	return READ;
}

static enum outcome read_choice(struct reader *r, const struct per_type *type, const struct context *c, bool is_noted)
{
	const struct per_member *member;
	bool is_addition;
	uint32_t index;

	if (!has(r, 0, 1))
		return BROKEN;
	is_addition = type->extensible && take_bits(r, 1);
	if (!has(r, 0, is_addition ? ADDITION_COUNT_BITS : type->width))
		return BROKEN;
	index = is_addition ? take_bits(r, ADDITION_COUNT_BITS) + type->root : take_bits(r, type->width);
	if (!is_addition && index >= type->root)
		return BROKEN;
	if (is_noted && c->wanted)
		note(r, c, 0, index);
	member = index < type->listed ? &type->members[index] : NULL;
	if (index < type->known && (member ? member->flags & PER_STOP : type->stops_elsewhere))
		return STOPPED;
	if (is_addition || index >= type->known) {
		align(r);
		return read_envelope(r, member, c);
	}
	return read_type(r, member->type, part_of(c, member), member->flags & PER_NOTE);
}

static enum outcome read_type(struct reader *r, const struct per_type *type, struct context c, bool is_noted)
{
	if (c.depth > PER_DEPTH_MAX)
		return BROKEN;
	switch ((enum per_kind)type->kind) {
	case PER_NOTHING:
		return READ;
	case PER_FLAG:
		skip_bits(r, 1);
		return is_inside(r);
	case PER_NAME:
		align(r);
		if (!has(r, 1, 0))
			return BROKEN;
		r->at += next_byte(r);
		return is_inside(r);
	case PER_SMALL:
		skip_bits(r, type->width);
		return is_inside(r);
	case PER_OCTET:
	case PER_SHORT:
		align(r);
		r->at += type->kind == PER_OCTET ? 1 : 2;
		return is_inside(r);
	case PER_LONG:
		return read_long(r, &c, type->least, is_noted && c.wanted);
	case PER_FREE:
	case PER_DATA:
	case PER_BITS_SHORT:
	case PER_BITS_DATA:
		return read_data(r, type);
	case PER_FIXED:
	case PER_ADDRESS:
		return read_fixed(r, type, &c);
	case PER_TEXT:
		return read_text(r, type);
	case PER_LIST:
		return read_list(r, type, &c);
	case PER_SEQUENCE:
		return read_sequence(r, type, &c);
	case PER_CHOICE:
		return read_choice(r, type, &c, is_noted);
	}
	return BROKEN;
}

bool per_read(const uint8_t *bytes, uint32_t from, uint32_t len, const struct per_type *type, struct per_notes *notes)
{
	struct reader r = { .bytes = bytes, .at = from, .end = from + len, .notes = notes };

	notes->count = 0;
	return read_type(&r, type, (struct context){ .wanted = true }, true) != BROKEN;
}

const struct per_note *per_find(const struct per_notes *notes, uint8_t what, uint8_t group)
{
	for (unsigned int i = 0; i < notes->count; i++)
		if (notes->note[i].what == what && notes->note[i].group == group)
			return &notes->note[i];
	return NULL;
}
