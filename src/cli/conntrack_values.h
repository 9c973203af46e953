/*
 * cli/conntrack_values.h - the words that options of `conntrack` take: each reader leaves what it read in the parser's
 * args, or a sentence and the exit code.
 */
#ifndef WEIR_CLI_CONNTRACK_VALUES_H
#define WEIR_CLI_CONNTRACK_VALUES_H

#include "cli/conntrack_args.h"

#include <getopt.h>

enum { EXIT_OTHER = 1, EXIT_PARAMETER = 2 };
enum { LONG_OPTIONS_MAX = 128 };

struct proto_options;

struct ct_parser {
	const struct instance *inst;
	struct conntrack_args *args;
	struct strbuf *err;
	int argc;
	char **argv;
	const struct proto_options *proto;	/* NULL: none, or one without options */
	uint32_t proto_given;			/* bit per row of it */
	struct option options[LONG_OPTIONS_MAX];
	unsigned int option_count;
};

/* EXIT_PARAMETER, the sentence in @p->err. */
int ct_parse_failed(struct ct_parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* getopt leaves an optional argument that stands apart where it is; NULL: none. */
char *ct_optional_word(struct ct_parser *p);

/* They read optarg. @name: of the option, for sentences. */
int ct_read_tuple_addr(struct ct_parser *p, enum conntrack_opt opt);
int ct_read_other_addr(struct ct_parser *p, enum conntrack_opt opt, const char *name, union nf_inet_addr *addr);
int ct_read_nat(struct ct_parser *p, enum conntrack_opt opt, const char *name);
int ct_read_status(struct ct_parser *p);
int ct_read_output(struct ct_parser *p);
int ct_read_events(struct ct_parser *p);
int ct_read_family(struct ct_parser *p);
void ct_read_mark(struct ct_parser *p);
int ct_read_labels(struct ct_parser *p, int letter);

#endif
