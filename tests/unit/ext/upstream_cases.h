/* upstream_cases.h - what iptables 1.8.9 makes of its own suite's rules. */
#ifndef WEIR_TEST_UPSTREAM_CASES_H
#define WEIR_TEST_UPSTREAM_CASES_H

struct upstream_case {
	int family;
	const char *table, *chain, *rule;
	const char *saved, *numeric, *named, *data;
	int exit_code;
};

static const struct upstream_case cases[] = {
#include "upstream.inc"
#include "upstream_match.inc"
};

#endif
