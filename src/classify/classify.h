/*
 * classify/classify.h - which rules can a packet match at all? Asked of a whole chain at once.
 *
 * A rule is handed in as what must hold for it to match (struct class_rule): bits of some words of the packet,
 * ports in ranges, states of the connection. It is a necessary condition and nothing more: whoever says less
 * than he knows makes the answer slower, never wrong, since the walker tries each candidate as it always did.
 * The rules of a chain are parted into a few groups; the rules of a group share the bits that they ask for, and are
 * found by the hash of these bits. One filter over all groups tells, eight groups at a time, which of them can
 * hold anything for a packet, so that a miss costs the same in a chain of a hundred rules or of a million.
 */
#ifndef WEIR_CLASSIFY_H
#define WEIR_CLASSIFY_H

#include "base/types.h"

/* The words of a packet that rules ask about. Addresses in host order, an IPv4 one in the first of its four words. */
enum class_word {
	CLASS_SRC,
	CLASS_DST = CLASS_SRC + 4,
	CLASS_PORTS = CLASS_DST + 4,	/* source << 16 | destination; ICMP: type << 16 | code */
	CLASS_HEAD,			/* CLASS_HEAD_* */
	CLASS_IFACES,			/* class_name_hash() of the way in << 16 | of the way out */
	CLASS_MARK,
	CLASS_WORDS,
	/* Only terms are about these, and a packet is asked for them only where one is. */
	CLASS_CTMARK = CLASS_WORDS,
	CLASS_LENGTH,
	CLASS_KIND,			/* TTL << 8 | type of packet */
	CLASS_CT,			/* CLASS_CT_*; 0: no connection */
	CLASS_TYPES,			/* a bit by RTN_*: of source and destination, then as the way in sees them, the way out */
	CLASS_IN_NAME = CLASS_TYPES + 6,	/* as it lies in memory */
	CLASS_OUT_NAME = CLASS_IN_NAME + 4,
	CLASS_STATES = CLASS_OUT_NAME + 4,	/* class_key.states */
};
#define CLASS_LATE ((1u << CLASS_STATES) - (1u << CLASS_WORDS))
#define CLASS_NAMES ((1u << CLASS_STATES) - (1u << CLASS_IN_NAME))
_Static_assert(CLASS_STATES < 32, "a bit a word");

/* CLASS_HEAD: protocol, TCP flags, type of service, is it a later fragment */
enum { CLASS_HEAD_PROTO = 0, CLASS_HEAD_FLAGS = 8, CLASS_HEAD_TOS = 16, CLASS_HEAD_LATER = 24 };

/* CLASS_CT: status, protocol, is it the reply's direction, is there one at all */
#define CLASS_CT_STATUS 0xffffu
#define CLASS_CT_PROTO 16
#define CLASS_CT_REPLY (1u << 30)
#define CLASS_CT_KNOWN (1u << 31)

enum {
	CLASS_STATE_ANY = 0xffff,
	CLASS_RANGES = 15,		/* as many ports as a multiport rule holds */
	CLASS_BURST = 64,
	CLASS_TERMS = 40,
	CLASS_NONE = UINT32_MAX,
};

struct class_range { uint16_t low, high; };
struct needle;

/* What a packet shows. */
struct class_key {
	uint16_t states;		/* the connection's, as -m conntrack's bits */
	/* a bit a word (1u << CLASS_STATES: states): what nobody can tell now, and what .fill() tells when it is asked for */
	uint32_t unknown, missing;
	void (*fill)(struct class_key *key, unsigned int word);
	uint32_t word[CLASS_STATES];
};

/*
 * What bits and ranges cannot say: word & mask lies between low and low + span, or does not. Terms follow each other
 * as "and"; TERM_OR: the next one will do as well. TERM_ON: the next one's word continues this one's, and one large number
 * (.mask has no say) lies between all .low and all .low + .span; flags other than TERM_ON are the last one's.
 */
enum { TERM_NOT = 1, TERM_OR = 2, TERM_ON = 4 };
struct class_term { uint8_t word, flags; uint32_t mask, low, span; };

/* What a rule asks for. */
struct class_rule {
	uint32_t value[CLASS_WORDS], mask[CLASS_WORDS];	/* value has no bit outside of mask */
	struct class_range sports[CLASS_RANGES], dports[CLASS_RANGES];	/* one of them; none given: any */
	uint8_t sport_count, dport_count;
	uint8_t family;			/* NFPROTO_* */
	uint16_t states;		/* one of these bits */
	bool closed;			/* what stands behind in the rule may not be asked instead */
	bool is_partial;		/* something else must hold as well: what is said here is not all */
	const struct needle *needle;	/* bytes that must be in the packet (needles.h); NULL: none */
	uint8_t sure, note;		/* for whoever finds it: enum class_sure, and a word of his own, below 128 */
	uint8_t term_count;
	struct class_term terms[CLASS_TERMS];
};

/* Need a rule that was found be tried at all? */
enum class_sure { CLASS_MAYBE, CLASS_MATCHES_FIT, CLASS_ALL_FITS };
struct class_found { uint32_t id; uint8_t sure, note; };

/* --- rule.c: what a match says of its rule (struct match's .classify); later words never widen earlier ones --- */
void class_rule_init(struct class_rule *rule, uint8_t family);
void class_rule_bits(struct class_rule *rule, enum class_word word, uint32_t value, uint32_t mask);
/* An address under a mask, as the packet has them: 4 bytes or 16, by the rule's family. @first: CLASS_SRC or CLASS_DST. */
void class_rule_address(struct class_rule *rule, enum class_word first, const void *addr, const void *mask);
/* Between two addresses. */
void class_rule_between(struct class_rule *rule, enum class_word first, const void *low, const void *high);
void class_rule_sports(struct class_rule *rule, const struct class_range *ranges, unsigned int count);
void class_rule_dports(struct class_rule *rule, const struct class_range *ranges, unsigned int count);
void class_rule_states(struct class_rule *rule, uint16_t states);
/* Not these bits, not this address, none of these ports. */
void class_rule_unless(struct class_rule *rule, enum class_word word, uint32_t value, uint32_t mask);
void class_rule_unless_address(struct class_rule *rule, enum class_word first, const void *addr, const void *mask);
void class_rule_unless_between(struct class_rule *rule, enum class_word first, const void *low, const void *high);
void class_rule_unless_ports(struct class_rule *rule, bool source, const struct class_range *ranges, unsigned int count);
/* The name of the way in or out, under a mask, or any but that: IFNAMSIZ bytes each. */
void class_rule_name(struct class_rule *rule, bool in, const char *name, const unsigned char *mask, bool inverted);
/* One of these ports on either side. */
void class_rule_either(struct class_rule *rule, const struct class_range *ranges, unsigned int count);
/* @term's word, whatever else there is; false: no more of them. */
bool class_rule_term(struct class_rule *rule, struct class_term term);
/* No packet. */
void class_rule_never(struct class_rule *rule);
/* Does the packet show what @count terms ask for? Where a word is unknown it may. */
enum class_answer { CLASS_NO, CLASS_YES, CLASS_PERHAPS };
enum class_answer class_terms_hold(const struct class_term *terms, unsigned int count, struct class_key *key);
/* A packet that fits all this so far may be dropped, or remembered: what other matches want does not count any more. */
void class_rule_close(struct class_rule *rule);
/* The packet must hold these bytes, and more must hold; @needle lives as long as the rule. */
void class_rule_needle(struct class_rule *rule, const struct needle *needle);
/* There is more that must hold. Who says less than he asks for calls this, or leaves it to the functions above. */
void class_rule_partly(struct class_rule *rule);
/* For .classify of matches that always answer without a trace, and that no word above is about. */
void class_rule_nothing(const void *info, struct class_rule *rule);
/* For those that match every packet. */
void class_rule_always(const void *info, struct class_rule *rule);
/* 16 bits of an interface's name, up to its end. */
uint16_t class_name_hash(const char *name);
/* Does a packet with this key show what the rule asks for? The plain way, one by one. */
bool class_rule_allows(const struct class_rule *rule, struct class_key *key);

struct classifier;

/**
 * classifier_new() - @count rules, in order, become a classifier
 * @ids: of the rules; NULL: @first and those that follow it
 * @rule_of: fills in what the @n-th rule asks for, from 0 on
 * @room: how many ids there may be one day (classifier_add)
 * @salt: keys the hash
 * Return: given, classifier_free(); NULL when memory is out.
 */
struct classifier *classifier_new(uint32_t count, const uint32_t *ids, uint32_t first, uint32_t room, uint8_t family, uint32_t salt,
				  void (*rule_of)(void *priv, uint32_t n, struct class_rule *rule), void *priv);
void classifier_free(struct classifier *c);

/**
 * classifier_find() - The first rule at or after @from that a packet may match
 * @place: of each id, its place in the chain now; NULL: the id is the place
 * Return: the id, or CLASS_NONE; what its rule said of itself.
 */
struct class_found classifier_find(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from);

/* Where a packet's search stands: the rules of no group are passed once, however many of them it has to try. */
struct class_cursor {
	const struct classifier *c;	/* NULL: nowhere */
	struct class_found grouped;
	uint32_t grouped_place;		/* UINT32_MAX: none of a group is left */
	uint32_t from, open_at;
};
/* classifier_find() for who asks again, further on: @cursor belongs to one key as it is, and begins with .c NULL. */
struct class_found classifier_find_next(const struct classifier *c, struct class_key *key, const uint32_t *place, uint32_t from,
					struct class_cursor *cursor);
/* Are there so many rules of no group that this pays? */
bool classifier_is_open(const struct classifier *c);

/*
 * The same for @count packets, at most CLASS_BURST: each step is taken for all before the next one, so that they wait for
 * memory together, and nothing depends on how much one packet finds.
 */
void classifier_find_burst(const struct classifier *c, struct class_key *keys, uint32_t count, const uint32_t *place,
			   uint32_t from, struct class_found *found);

/*
 * One rule more, under an id that is free, or one less. @place as above, with the new rule's already in it.
 * -ENOMEM, -ENOSPC: the id is beyond the room. Who adds many asks classifier_is_worn() whether to build anew.
 */
int classifier_add(struct classifier *c, uint32_t id, const struct class_rule *rule, const uint32_t *place);
void classifier_remove(struct classifier *c, uint32_t id, const struct class_rule *rule);
bool classifier_is_worn(const struct classifier *c);
/*
 * Rules that no group takes wait in an open run, which every packet sees. When it has grown long those of them that have
 * something in common become a group more; nothing else is touched. -ENOENT: they have nothing, or there is no room.
 */
bool classifier_is_crowded(const struct classifier *c);
int classifier_regroup(struct classifier *c, const uint32_t *place,
		       void (*rule_of)(void *priv, uint32_t id, struct class_rule *rule), void *priv);

/* All that any rule asks for, in one: masks or'ed together, a port count where ports are asked. */
void classifier_asks(const struct classifier *c, struct class_rule *out);
/* The same, with what terms are about in the masks as well. */
void classifier_asks_terms(const struct classifier *c, struct class_rule *out);
/* The words that terms are about, a bit each. */
uint32_t classifier_asks_words(const struct classifier *c);
size_t classifier_bytes(const struct classifier *c);
unsigned int classifier_groups(const struct classifier *c);

#endif
