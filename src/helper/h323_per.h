/*
 * helper/h323_per.h - aligned PER as far as Linux reads it: what a message is made of, and what is worth noting in it.
 * A type says how its bytes are laid out; a member adds whether it may be missing, whether anything in it is wanted, and
 * under which number it is noted. What nobody wants is walked over or skipped by its length, never looked into.
 */
#ifndef WEIR_H323_PER_H
#define WEIR_H323_PER_H

#include "base/types.h"

enum per_kind {
	PER_NOTHING, PER_FLAG, PER_NAME,	/* PER_NAME: object identifier */
	PER_SMALL,				/* .width bits */
	PER_OCTET, PER_SHORT,			/* whole bytes */
	PER_LONG,				/* a two-bit length before it */
	PER_FREE,				/* a length of its own before it */
	PER_FIXED,				/* .least octets */
	PER_ADDRESS,				/* the same, and noted when wanted */
	PER_TEXT,				/* .width bits of length (0: a whole byte), .least more; .unit nibbles each */
	PER_DATA,				/* octets after a length of one or two bytes */
	PER_BITS_SHORT, PER_BITS_DATA,		/* bits after a length of two bytes, of one or two */
	PER_LIST, PER_SEQUENCE, PER_CHOICE,
};

enum per_flag {
	PER_OPTIONAL = 1,
	PER_WANTED = 2,		/* not wanted: nothing in it is noted, and in an envelope it is skipped */
	PER_STOP = 4,		/* nothing that comes from here on is read */
	PER_ENVELOPE = 8,	/* in a list: each item has its length before it */
	PER_NOTE = 16,		/* a choice: which one it is; a number: its value */
};

struct per_member {
	const struct per_type *type;	/* NULL: unknown */
	uint8_t flags;
	uint8_t what;			/* added to what it is part of */
};

/*
 * Sequences and choices list members of the root first, then additions up to the last one worth it; @known is how many
 * there are in the edition that Linux knows. A list has one member.
 */
struct per_type {
	uint8_t kind;
	uint8_t width;			/* bits: of a length, of an index, of the presence map */
	uint8_t least, unit;
	bool extensible, stops_elsewhere;	/* choice: those not listed end the reading */
	uint8_t root, listed, known;
	uint8_t keep, group;		/* list: how many items are noted, and under which groups from this one on */
	const struct per_member *members;
};

enum { PER_NOTES_MAX = 256, PER_DEPTH_MAX = 32 };

struct per_note {
	uint8_t what, group;
	uint8_t len;			/* of an address */
	uint32_t value;			/* or where the address is */
};

struct per_notes {
	unsigned int count;
	struct per_note note[PER_NOTES_MAX];
};

/*
 * Reads one message of @type: @len bytes, @from into @bytes; addresses are noted as places in @bytes, and when it is a
 * choice, which. false: it ends too early, or makes no sense.
 */
bool per_read(const uint8_t *bytes, uint32_t from, uint32_t len, const struct per_type *type, struct per_notes *notes);
/* NULL: there is none. */
const struct per_note *per_find(const struct per_notes *notes, uint8_t what, uint8_t group);

#endif
