/*
 * helper/h323_syntax.h - words for writing down ASN.1 types: only for the tables of h323_types.c and h245_types.c.
 */
#ifndef WEIR_H323_SYNTAX_H
#define WEIR_H323_SYNTAX_H

#include "helper/h323_types.h"

#define M(type)			{ &(type), 0, 0 }
#define O(type)			{ &(type), PER_OPTIONAL, 0 }
#define WANT(type, what)	{ &(type), PER_WANTED, what }
#define OWANT(type, what)	{ &(type), PER_OPTIONAL | PER_WANTED, what }
#define NOTE(type, what)	{ &(type), PER_WANTED | PER_NOTE, what }
#define STOP			{ NULL, PER_STOP, 0 }
#define SKIP			{ NULL, 0, 0 }

#define COMPOUND(kind_, ext, bits, root_, known_, ...) { .kind = kind_, .extensible = ext, .width = bits, .root = root_, \
	.known = known_, .listed = ARRAY_SIZE(((const struct per_member[]){ __VA_ARGS__ })), \
	.members = (const struct per_member[]){ __VA_ARGS__ } }
/* "..." after the root: how many bits the presence map or the index has, members in the root, and in all that are known. */
#define SEQUENCE(bits, root_, ...)		COMPOUND(PER_SEQUENCE, false, bits, root_, root_, __VA_ARGS__)
#define SEQUENCE_X(bits, root_, known_, ...)	COMPOUND(PER_SEQUENCE, true, bits, root_, known_, __VA_ARGS__)
#define CHOICE(bits, root_, ...)		COMPOUND(PER_CHOICE, false, bits, root_, root_, __VA_ARGS__)
#define CHOICE_X(bits, root_, known_, ...)	COMPOUND(PER_CHOICE, true, bits, root_, known_, __VA_ARGS__)
#define LIST(type) { .kind = PER_LIST, .members = (const struct per_member[]){ M(type) } }

static const struct per_type nothing = { .kind = PER_NOTHING };
static const struct per_type flag = { .kind = PER_FLAG };
static const struct per_type octet = { .kind = PER_OCTET };
static const struct per_type int16 = { .kind = PER_SHORT };
static const struct per_type long_int = { .kind = PER_LONG };
static const struct per_type data = { .kind = PER_DATA };
static const struct per_type octets4 = { .kind = PER_FIXED, .least = 4 };
static const struct per_type octets16 = { .kind = PER_FIXED, .least = 16 };
static const struct per_type octets1_20 = { .kind = PER_TEXT, .width = 5, .least = 1, .unit = 2 };
static const struct per_type digits = { .kind = PER_TEXT, .width = 7, .least = 1, .unit = 1 };
static const struct per_type ip4_bytes = { .kind = PER_ADDRESS, .least = 4 };
static const struct per_type ip6_bytes = { .kind = PER_ADDRESS, .least = 16 };
static const struct per_type h221_code = SEQUENCE(0, 3, M(octet), M(octet), M(int16));

#define NOTHINGS3 M(nothing), M(nothing), M(nothing)
#define FLAGS7 M(flag), M(flag), M(flag), M(flag), M(flag), M(flag), M(flag)

#endif
