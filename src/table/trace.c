/*
 * table/trace.c - what "-j TRACE" asks for: one log line per rule that the packet matches, with its place.
 * A rule without conditions that decides by itself is called what ends a chain: "policy", or "return".
 */
#include "ext/logger.h"
#include "table/table_internal.h"

enum { TRACE_LEVEL = 4 };

static bool has_no_conditions(const uint8_t *entry, uint8_t family)
{
	static const struct ip6t_ip6 none;	/* the larger of the two */

	if (family == NFPROTO_IPV4)
		return ((const struct ipt_entry *)entry)->target_offset == sizeof(struct ipt_entry) &&
		       memcmp(entry, &none, sizeof(struct ipt_ip)) == 0;
	return ((const struct ip6t_entry *)entry)->target_offset == sizeof(struct ip6t_entry) &&
	       memcmp(entry, &none, sizeof(struct ip6t_ip6)) == 0;
}

static bool is_builtin(const char *chain)
{
	static const char *const names[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(chain, names[i]) == 0)
			return true;
	return false;
}

void table_trace(struct table *table, const uint8_t *entry, uint32_t id, const struct pkt *pkt,
		 const struct hook_state *state)
{
	const struct ruleset *rs = table->rules;
	const struct table_rule_ref *ref = table_rule(rs, id);
	const struct xt_entry_target *t = entry_target(entry, table->family);
	const struct target *target = (const struct target *)t->u.kernel.target;
	const char *what = "rule";
	struct strbuf prefix = STRBUF_INIT;
	uint32_t place = 1;

	for (uint32_t i = rs->place[id]; i > 0 && rs->roles[entry_id(rs, rs->at[i - 1])] == ROLE_RULE; i--)
		place++;
	if (!target->target && ((const struct xt_standard_target *)t)->verdict < 0 && has_no_conditions(entry, table->family))
		what = is_builtin(ref->chain) ? "policy" : "return";
	sb_printf(&prefix, "TRACE: %s:%s:%s:%u ", ref->table, ref->chain, what, place);
	logger_say(table->inst, pkt, state, TRACE_LEVEL, LOGGER_FLAGS, sb_str(&prefix));
	sb_free(&prefix);
}
