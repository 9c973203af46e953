/* table/list_json.c - iptables -L or -S with -J: one JSON object, stable names, rules also as the text that makes them. */
#include "table/rule_text.h"

#include <stdio.h>

/* Bytes above 0x7f stand for the Latin-1 letter that they may have been: the text has no encoding of its own. */
static void put_string(struct strbuf *out, const char *text)
{
	sb_addc(out, '"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			sb_printf(out, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f)
			sb_printf(out, "\\u%04x", *c);
		else
			sb_addc(out, (char)*c);
	}
	sb_addc(out, '"');
}

static void put_counters(struct strbuf *out, const struct xt_counters *counters)
{
	sb_printf(out, "\"packets\":%llu,\"bytes\":%llu", (unsigned long long)counters->pcnt,
		  (unsigned long long)counters->bcnt);
}

static void put_rule(struct edit *edit, struct edit_chain *chain, const struct edit_rule *rule, uint32_t number,
		     struct strbuf *out)
{
	const uint8_t goto_flag = edit->family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;
	struct strbuf text = STRBUF_INIT;
	const uint16_t proto = entry_proto(rule->entry, edit->family);
	const char *target = edit_rule_target_name(edit, rule), *comma = "";

	sb_printf(out, "{\"number\":%u,", number);
	put_counters(out, &rule->counted.counters);
	if (proto) {
		const char *name = proto_name(proto);

		sb_adds(out, ",\"protocol\":");
		if (name)
			put_string(out, name);
		else
			sb_printf(out, "%u", proto);
	}
	sb_adds(out, ",\"matches\":[");
	for_each_match(m, rule->entry, edit->family) {
		sb_adds(out, comma);
		put_string(out, m->u.user.name);
		comma = ",";
	}
	sb_addc(out, ']');
	if (target[0]) {
		sb_printf(out, ",\"%s\":", entry_flags(rule->entry, edit->family) & goto_flag ? "goto" : "target");
		put_string(out, target);
	}
	rule_print(edit, chain, rule, COUNTERS_NONE, &text);
	sb_adds(out, ",\"rule\":");
	put_string(out, sb_str(&text));
	sb_addc(out, '}');
	sb_free(&text);
}

int rules_list_json(struct edit *edit, const struct rule_command *cmd, struct strbuf *out)
{
	bool found = false;

	sb_printf(out, "{\"schema\":1,\"family\":\"%s\",\"table\":\"%s\",\"chains\":[",
		  edit->family == NFPROTO_IPV4 ? "ipv4" : "ipv6", edit->kind->name);
	for (uint32_t c = 0; c < edit->count; c++) {
		struct edit_chain *chain = edit->chains[c];
		struct edit_rule *const *rules;
		const char *comma = "";

		if (cmd->chain && strcmp(cmd->chain, chain->name))
			continue;
		rules = edit_rules(chain);
		if (!rules)
			return -EIO;
		sb_adds(out, found ? ",\n{\"name\":" : "\n{\"name\":");
		found = true;
		put_string(out, chain->name);
		sb_addc(out, ',');
		if (chain->hook >= 0) {
			sb_printf(out, "\"policy\":\"%s\",", edit_policy_name(chain));
			put_counters(out, &chain->counted.counters);
		} else {
			sb_printf(out, "\"references\":%u", chain->references);
		}
		sb_adds(out, ",\"rules\":[");
		for (uint32_t i = 0; i < chain->count; i++) {
			if (cmd->rule_number && cmd->rule_number != i + 1)
				continue;
			sb_printf(out, "%s\n ", comma);
			put_rule(edit, chain, rules[i], i + 1, out);
			comma = ",";
		}
		sb_adds(out, "]}");
	}
	sb_adds(out, "]}\n");
	return found ? 0 : -ENOENT;
}
