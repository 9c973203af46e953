/* api/table.c - weir/table.h: rules in, rules out. */
#include <stdlib.h>

#include "api/api.h"
#include "table/table.h"

_Static_assert((int)WEIR_RESTORE_NOFLUSH == RESTORE_NOFLUSH && (int)WEIR_RESTORE_COUNTERS == RESTORE_COUNTERS &&
	       (int)WEIR_RESTORE_TEST == RESTORE_TEST && (int)WEIR_RESTORE_ALL_OR_NOTHING == RESTORE_ALL_OR_NOTHING,
	       "the public flags are the engine's");

int weir_rules_restore(struct weir *weir, int family, const char *text, unsigned int flags, struct weir_error *error)
{
	struct refusal why = { 0 };
	int err = family == NFPROTO_IPV4 || family == NFPROTO_IPV6 ?
		  rules_restore(weir->inst, (uint8_t)family, text, strlen(text), NULL, flags, &why) :
		  refuse(&why, -EINVAL, "rules are of family NFPROTO_IPV4 or NFPROTO_IPV6");

	return err ? api_refused(error, &why, err) : 0;
}

char *weir_rules_save(struct weir *weir, int family, bool counters)
{
	struct strbuf text = STRBUF_INIT;

	if (family == NFPROTO_IPV4 || family == NFPROTO_IPV6)
		rules_save(weir->inst, (uint8_t)family, counters, weir->inst->now_ns, &text);
	return api_text(&text);
}

int weir_iptables(struct weir *weir, int argc, char **argv, char **out, struct weir_error *error)
{
	struct refusal why = { 0 };
	struct strbuf text = STRBUF_INIT;
	int code = rules_command(weir->inst, argc, argv, &text, &why);

	if (out)
		*out = api_text(&text);
	else
		sb_free(&text);
	if (code)
		api_refused(error, &why, why.err);
	return code;
}
