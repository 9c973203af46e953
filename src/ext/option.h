/*
 * ext/option.h - the text half of an extension: options as rows, so that parse, save and help agree.
 */
#ifndef WEIR_EXT_OPTION_H
#define WEIR_EXT_OPTION_H

#include "ext/ext.h"

enum opt_type {
	OPT_FLAG,		/* takes no argument */
	OPT_U8, OPT_U16, OPT_U32, OPT_U64,		/* strtoul base 0, [min,max] */
	OPT_U8_RANGE, OPT_U16_RANGE, OPT_U32_RANGE,	/* "a", "a:b", ":b", "a:"; two values at .at */
	OPT_MARK_MASK,		/* "value[/mask]", two u32 at .at */
	OPT_TEXT,		/* char[.size] at .at, cut when longer */
	OPT_CUSTOM,		/* .parse does it */
};

enum opt_flag { OPT_REQUIRED = 1 << 0, OPT_INVERTIBLE = 1 << 1, OPT_REPEATABLE = 1 << 2,
		OPT_WORD_MAY_FOLLOW = 1 << 3 };	/* of an OPT_FLAG: the next word is its .arg, unless it begins with - or ! */

struct opt;

/*
 * The addresses of a name, at most @max: how many. @networks: a network may have the name, too. Whoever gives the command has asked
 * for it.
 */
typedef unsigned int opt_look_up(uint8_t family, const char *name, bool networks, union nf_inet_addr *addrs, unsigned int max);
enum { OPT_ADDRS_PER_NAME = 64 };

/* One option as it stands in the text. */
struct opt_call {
	const struct opt *opt;
	const char *name;	/* as written, without dashes */
	const char *arg;	/* NULL for OPT_FLAG */
	const char *arg2;	/* the second word of a .words = 2 option ("--tcp-flags SYN,ACK SYN") */
	bool invert;
	uint8_t family;
	void *info;		/* the extension's ABI struct being filled, info_size bytes */
	struct ipt_entry *e4;	/* the rule's header (proto, invflags); one of the two is set */
	struct ip6t_entry *e6;
	uint64_t seen;		/* bit per row of the options table already given, this one not yet */
	struct instance *inst;	/* may be NULL (check without instance) */
	opt_look_up *look_up;	/* NULL: names are refused */
};

struct opt {
	const char *name;	/* long name; aliases are rows of their own with .same_as */
	char short_name;
	enum opt_type type;
	unsigned int flags;	/* enum opt_flag */
	uint8_t words;		/* arguments on the command line: 0 means one, none for OPT_FLAG */
	size_t at, size;	/* where the value goes in info */
	uint64_t min, max;	/* inclusive; both 0: the type's range */
	size_t set_at;		/* a flag word in info, with .set_bits or'ed in when the option is given */
	uint32_t set_bits;
	uint8_t set_width;	/* 1, 2, 4 bytes; 0 none */
	size_t invert_at;	/* the same for "!" */
	uint32_t invert_bits;
	uint8_t invert_width;
	const char *arg;	/* "bytes", "address[/mask]" for help and errors */
	const char *help;
	const char *same_as;	/* this row is another spelling of that option */
	const char *excludes;	/* names that may not be given together, blank separated */
	int (*parse)(struct opt_call *call, struct refusal *why);	/* OPT_CUSTOM, or after the type's own parse */
};
#define OPT_END { .name = NULL }

/* What save and print may look at beside the info. */
struct ext_view {
	uint8_t family;
	uint16_t proto;
	bool numeric;		/* -n, and iptables-save: no name look-ups */
	const struct instance *inst;	/* may be NULL */
};

struct ext_text {
	const struct opt *options;
	const char *help_head;		/* "quota match options:" */
	void (*help_tail)(uint8_t family, struct strbuf *out);	/* what rows cannot say; may be NULL */
	void (*init)(void *info);	/* defaults; info was zeroed */
	/* After all options: what is missing or contradicts. @seen: bit per row. */
	int (*finish)(void *info, uint64_t seen, struct opt_call *call, struct refusal *why);
	/* " --quota 100": byte for byte what iptables-save 1.8.9 prints after " -m quota" or " -j NAME". */
	void (*save)(const void *info, const struct ext_view *view, struct strbuf *out);
	/* What iptables -L prints, with its leading blank. NULL: not printed. */
	void (*print)(const void *info, const struct ext_view *view, struct strbuf *out);
	/* The name to save under when it is not the match's own (alias flag in info); NULL or result NULL: own. */
	const char *(*printed_name)(const void *info);
};

/* Command-line arguments that an option takes. */
static inline unsigned int opt_words(const struct opt *opt)
{
	return opt->words ? opt->words : opt->type != OPT_FLAG;
}

/* --- used by the rule parser (table/text) --- */
/* Unique abbreviations are found, too. */
const struct opt *opt_find(const struct ext_text *text, const char *name, bool *ambiguous);
const struct opt *opt_find_short(const struct ext_text *text, char short_name);
unsigned int opt_row(const struct ext_text *text, const struct opt *opt);
/* Handles repetition, inversion, exclusion and the type; refusal text names extension and option. */
int opt_parse(const char *ext_name, const struct ext_text *text, struct opt_call *call, struct refusal *why);
/* Required options, then text->finish. */
int opt_finish(const char *ext_name, const struct ext_text *text, struct opt_call *call, struct refusal *why);

/* --- building blocks for OPT_CUSTOM --- */
/* The number a text begins with, as strtoul reads it with base 0, but that a minus sign is none. *end is where it stopped. */
bool opt_number(const char *text, char **end, uint64_t *out);
bool opt_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);	/* whole text, base 0 */
/* Port by number or service name (getservbyname's table); proto "tcp"/"udp"/NULL. */
int opt_port(const char *text, const char *proto, uint16_t *out, struct refusal *why);
/* A port range as upstream's newer parsers read it: services of any protocol, decimal numbers that the C library takes for a
 * service modulo 2^16, an empty word is 0, and it may run backwards. */
int opt_any_port(const char *text, uint16_t *out, struct refusal *why);	/* one of these */
int opt_port_range(const char *text, uint16_t *low, uint16_t *high, struct refusal *why);
/* "a.b.c.d[/len|/mask]", v6 alike; never a name. */
int opt_addr(const char *text, uint8_t family, union nf_inet_addr *out, struct refusal *why);
int opt_addr_mask(const char *text, uint8_t family, union nf_inet_addr *addr, union nf_inet_addr *mask,
		  struct refusal *why);
/* One host of call->family as the C library reads it: "10.1" is 10.0.0.1; or a name of one address, where names are looked up. */
int opt_host(const struct opt_call *call, const char *text, union nf_inet_addr *out, struct refusal *why);
/* host[/len|/mask] without masking the host; no mask, or one with holes, means all ones over the whole union. */
int opt_host_mask(const struct opt_call *call, const char *text, union nf_inet_addr *addr, union nf_inet_addr *mask,
		  struct refusal *why);
/* What may follow the "/": a length, or a mask's. 255: a mask with holes; -1 neither. */
int opt_mask_len(const char *text, uint8_t family);
/* The same as a mask; one with holes is all ones over the whole union. false: neither. */
bool opt_mask(const char *text, uint8_t family, union nf_inet_addr *mask);
int opt_proto(const char *text, uint8_t *out, struct refusal *why);	/* "tcp", 6, "all" */
/* Names listed with commas into bits: full names or their beginnings, any case, first row wins. */
struct opt_word { const char *name; uint32_t value; };
bool opt_word_bits(const char *list, const struct opt_word *words, uint32_t *bits, const char **bad);
/* The word for a port in -L output: the service's name unless view->numeric. @buf: 64 bytes. */
const char *print_port(uint16_t port, const char *proto, const struct ext_view *view, char *buf);
const char *print_proto_name(uint8_t proto);	/* as getservbyport() wants it; NULL unknown */
/* "10.0.0.0/8", "10.0.0.1", "anywhere" (not numeric only). With leading blank. */
void print_addr_mask(struct strbuf *out, uint8_t family, const union nf_inet_addr *addr, const union nf_inet_addr *mask,
		     const struct ext_view *view);
void print_addr(struct strbuf *out, uint8_t family, const union nf_inet_addr *addr);	/* without blank */
/* As upstream writes strings: quoted only when needed. With leading blank. */
void save_quoted(struct strbuf *out, const char *text);

#endif
