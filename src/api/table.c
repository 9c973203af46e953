/* api/table.c - weir/table.h and weir/conntrack.h. */
#include <stdlib.h>

#include "api/api.h"
#include "conntrack/conntrack.h"
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

int weir_ct_enable(struct weir *weir, int family)
{
	return family == NFPROTO_IPV4 || family == NFPROTO_IPV6 ? ct_hooks_get(weir->inst, (uint8_t)family) : -EINVAL;
}

uint32_t weir_ct_count(const struct weir *weir)
{
	return ct_count(weir->inst);
}

struct visit { bool (*fn)(void *priv, struct weir_ct *ct); void *priv; };

static bool visit_one(void *priv, struct ct *ct)
{
	const struct visit *visit = priv;

	return visit->fn(visit->priv, api_ct_out(ct));
}

void weir_ct_each(struct weir *weir, bool (*fn)(void *priv, struct weir_ct *ct), void *priv)
{
	struct visit visit = { fn, priv };

	ct_each(weir->inst, visit_one, &visit);
}

char *weir_ct_text(const struct weir *weir, const struct weir_ct *ct)
{
	struct strbuf text = STRBUF_INIT;

	ct_print(weir->inst, api_ct(ct), CT_TEXT_EXTENDED, &text);
	return api_text(&text);
}

uint32_t weir_ct_status(const struct weir_ct *ct)
{
	return api_ct(ct)->status;
}

uint32_t weir_ct_mark(const struct weir_ct *ct)
{
	return api_ct(ct)->mark;
}

void weir_ct_set_mark(struct weir_ct *ct, uint32_t mark)
{
	api_ct(ct)->mark = mark;
}

uint32_t weir_ct_timeout(const struct weir *weir, const struct weir_ct *ct)
{
	return ct_expires_sec(weir->inst, api_ct(ct));
}

int weir_ct_set_timeout(struct weir *weir, struct weir_ct *ct, uint32_t seconds)
{
	if (seconds == 0 || seconds > INT32_MAX)
		return -ERANGE;
	if (ct_is_dying(api_ct(ct)))
		return -ESTALE;
	ct_set_timeout_sec(weir->inst, api_ct(ct), seconds);
	return 0;
}

int weir_ct_end(struct weir *weir, struct weir_ct *ct)
{
	return ct_kill(weir->inst, api_ct(ct)) ? 0 : -ESTALE;
}
