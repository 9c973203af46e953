/*
 * table/list.c - iptables -L and -S, in upstream's columns.
 */
#include "table/rule_text.h"

#include <stdio.h>

struct list_format {
	bool counters, exact, ifaces, numbers, numeric;
	bool compact;		/* one rule beside the command that made it: no columns */
};

/* At most five digits unless exact: then K, M, G, T. */
static void print_count(struct strbuf *out, uint64_t n, const struct list_format *f, bool column)
{
	static const char letters[] = "KMGT";
	unsigned int unit = 0;
	char text[24];

	if (f->exact) {
		sb_printf(out, column ? "%8llu " : "%llu ", (unsigned long long)n);
		return;
	}
	if (n <= 99999) {
		sb_printf(out, column ? "%5llu " : "%llu ", (unsigned long long)n);
		return;
	}
	n = (n + 500) / 1000;
	while (n > 9999 && unit < 3) {
		n = (n + 500) / 1000;
		unit++;
	}
	snprintf(text, sizeof(text), "%llu%c", (unsigned long long)n, letters[unit]);
	sb_printf(out, column ? "%5s " : "%s ", text);
}

static void print_heading(struct strbuf *out, const struct edit_chain *chain, const struct list_format *f)
{
	const char *policy = edit_policy_name(chain);

	sb_printf(out, "Chain %s", chain->name);
	if (policy) {
		sb_printf(out, " (policy %s", policy);
		if (f->counters) {
			sb_addc(out, ' ');
			print_count(out, chain->counted.counters.pcnt, f, false);
			sb_adds(out, "packets, ");
			print_count(out, chain->counted.counters.bcnt, f, false);
			sb_adds(out, "bytes");
		}
		sb_adds(out, ")\n");
	} else {
		sb_printf(out, " (%u references)\n", chain->references);
	}
	if (f->numbers)
		sb_adds(out, "num  ");
	if (f->counters)
		sb_adds(out, f->exact ? "    pkts      bytes " : " pkts bytes ");
	sb_adds(out, "target     prot opt");
	if (f->ifaces)
		sb_adds(out, " in     out    ");
	sb_adds(out, " source               destination         \n");
}

static void addr_text4(char *text, size_t size, struct in_addr addr, struct in_addr mask, bool numeric)
{
	const uint32_t bits = ntohl(mask.s_addr);
	char a[INET_ADDRSTRLEN], m[INET_ADDRSTRLEN];

	if (!bits && !numeric) {
		snprintf(text, size, "anywhere");
		return;
	}
	inet_ntop(AF_INET, &addr, a, sizeof(a));
	if (bits == UINT32_MAX)
		snprintf(text, size, "%s", a);
	else if (!(~bits & (~bits + 1)))
		snprintf(text, size, "%s/%u", a, bits ? 32 - (unsigned int)__builtin_ctz(bits) : 0);
	else
		snprintf(text, size, "%s/%s", a, inet_ntop(AF_INET, &mask, m, sizeof(m)));
}

static void addr_text6(char *text, size_t size, const struct in6_addr *addr, const struct in6_addr *mask, bool numeric)
{
	char a[INET6_ADDRSTRLEN], m[INET6_ADDRSTRLEN];
	unsigned int len = 0;
	bool holes = false;

	if (!numeric && IN6_IS_ADDR_UNSPECIFIED(addr)) {
		snprintf(text, size, "anywhere");
		return;
	}
	while (len < 128 && mask->s6_addr[len / 8] & 0x80 >> len % 8)
		len++;
	for (unsigned int i = len; i < 128; i++)
		holes |= mask->s6_addr[i / 8] & 0x80 >> i % 8;
	inet_ntop(AF_INET6, addr, a, sizeof(a));
	if (holes)
		snprintf(text, size, "%s/%s", a, inet_ntop(AF_INET6, mask, m, sizeof(m)));
	else if (len == 128)
		snprintf(text, size, "%s", a);
	else
		snprintf(text, size, "%s/%u", a, len);
}

static void print_addrs(struct strbuf *out, const void *entry, uint8_t family, const struct list_format *f)
{
	const uint8_t inv = entry_invflags(entry, family);
	char src[2 * INET6_ADDRSTRLEN], dst[2 * INET6_ADDRSTRLEN];

	if (family == NFPROTO_IPV4) {
		const struct ipt_ip *ip = entry;

		addr_text4(src, sizeof(src), ip->src, ip->smsk, f->numeric);
		addr_text4(dst, sizeof(dst), ip->dst, ip->dmsk, f->numeric);
	} else {
		const struct ip6t_ip6 *ip6 = entry;

		addr_text6(src, sizeof(src), &ip6->src, &ip6->smsk, f->numeric);
		addr_text6(dst, sizeof(dst), &ip6->dst, &ip6->dmsk, f->numeric);
	}
	sb_printf(out, f->compact ? "%c%s " : "%c%-19s ", inv & IPT_INV_SRCIP ? '!' : ' ', src);
	sb_printf(out, f->compact ? "%c-> %s" : "%c%-19s ", inv & IPT_INV_DSTIP ? '!' : ' ', dst);
}

static void print_ifaces(struct strbuf *out, const void *entry, uint8_t family, const struct list_format *f)
{
	const uint8_t inv = entry_invflags(entry, family);
	const struct ipt_ip *ip = entry;
	const struct ip6t_ip6 *ip6 = entry;
	const char *in = family == NFPROTO_IPV4 ? ip->iniface : ip6->iniface;
	const char *to = family == NFPROTO_IPV4 ? ip->outiface : ip6->outiface;
	const char *any = f->numeric ? "*" : "any";
	char text[IFNAMSIZ + 2];

	snprintf(text, sizeof(text), "%s%.16s", inv & IPT_INV_VIA_IN ? "!" : "", in[0] ? in : any);
	sb_printf(out, f->compact ? "in %s " : " %-6s ", text);
	snprintf(text, sizeof(text), "%s%.16s", inv & IPT_INV_VIA_OUT ? "!" : "", to[0] ? to : any);
	sb_printf(out, f->compact ? "out %s " : "%-6s ", text);
}

static void print_row(struct edit *edit, const void *entry, const char *target, bool is_extension, unsigned int number,
		      const struct xt_counters *counted, const struct list_format *f, struct strbuf *out)
{
	const uint8_t family = edit->family, inv = entry_invflags(entry, family), flags = entry_flags(entry, family);
	const uint16_t proto = entry_proto(entry, family);
	const char *name = f->numeric && !f->compact ? NULL : proto_name(proto);
	const struct ext_view view = { .family = family, .proto = proto, .numeric = f->numeric,
				       .inst = edit->inst };
	const uint8_t goto_flag = family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;

	if (f->numbers)
		sb_printf(out, "%-4u ", number);
	if (f->counters) {
		print_count(out, counted->pcnt, f, true);
		if (f->exact)
			sb_printf(out, "%8llu ", (unsigned long long)counted->bcnt);
		else
			print_count(out, counted->bcnt, f, true);
	}
	sb_printf(out, f->compact ? "%s " : "%-9s ", target);
	sb_addc(out, inv & XT_INV_PROTO ? '!' : ' ');
	if (name)
		sb_printf(out, f->compact ? "%s " : "%-4s ", name);
	else
		sb_printf(out, f->compact ? "%u " : "%-4u ", proto);
	if (f->compact)
		sb_adds(out, "opt ");
	if (family == NFPROTO_IPV4) {
		sb_addc(out, inv & IPT_INV_FRAG ? '!' : '-');
		sb_addc(out, flags & IPT_F_FRAG ? 'f' : '-');
	} else {
		sb_adds(out, "--");
	}
	sb_addc(out, ' ');
	if (f->ifaces)
		print_ifaces(out, entry, family, f);
	print_addrs(out, entry, family, f);
	if (f->compact)
		sb_adds(out, "  ");
	if (flags & goto_flag)
		sb_adds(out, "[goto] ");
	for_each_match(m, entry, family) {
		const struct match *match = match_find(m->u.user.name, m->u.user.revision, family);

		if (match && match->text && match->text->print)
			match->text->print(m->data, &view, out);
		else
			sb_printf(out, "%s ", m->u.user.name);
	}
	if (is_extension) {
		const struct xt_entry_target *t = entry_target(entry, family);
		const struct target *ext = target_find(t->u.user.name, t->u.user.revision, family);

		if (ext && ext->text && ext->text->print)
			ext->text->print(t->data, &view, out);
	}
	sb_addc(out, '\n');
}

int rules_list(struct edit *edit, const struct rule_command *cmd, struct strbuf *out)
{
	const struct list_format f = {
		.counters = cmd->given & GIVEN_VERBOSE, .ifaces = cmd->given & GIVEN_VERBOSE,
		.exact = cmd->given & GIVEN_EXACT, .numbers = cmd->given & GIVEN_LINE_NUMBERS,
		.numeric = cmd->given & GIVEN_NUMERIC,
	};
	bool found = false;

	for (uint32_t c = 0; c < edit->count; c++) {
		struct edit_chain *chain = edit->chains[c];
		struct edit_rule *const *rules;

		if (cmd->chain && strcmp(cmd->chain, chain->name))
			continue;
		rules = edit_rules(chain);
		if (!rules)
			return -EIO;
		if (found)
			sb_addc(out, '\n');
		found = true;
		if (!cmd->rule_number)
			print_heading(out, chain, &f);
		for (uint32_t i = 0; i < chain->count; i++) {
			const struct edit_rule *rule = rules[i];

			if (!cmd->rule_number || cmd->rule_number == i + 1)
				print_row(edit, rule->entry, edit_rule_target_name(edit, rule),
					  rule->kind == RULE_EXTENSION, i + 1, &rule->counted.counters, &f, out);
		}
	}
	return found ? 0 : -ENOENT;
}

int rules_list_commands(struct edit *edit, const struct rule_command *cmd, struct strbuf *out)
{
	const bool counters = cmd->given & GIVEN_VERBOSE;
	bool found = false;

	for (uint32_t c = 0; c < edit->count && !cmd->rule_number; c++) {
		const struct edit_chain *chain = edit->chains[c];
		const struct xt_counters *counted = &chain->counted.counters;

		if (cmd->chain && strcmp(cmd->chain, chain->name))
			continue;
		if (chain->hook < 0) {
			sb_printf(out, "-N %s\n", chain->name);
			continue;
		}
		sb_printf(out, "-P %s %s", chain->name, edit_policy_name(chain));
		if (counters)
			sb_printf(out, " -c %llu %llu", (unsigned long long)counted->pcnt, (unsigned long long)counted->bcnt);
		sb_addc(out, '\n');
	}
	for (uint32_t c = 0; c < edit->count; c++) {
		struct edit_chain *chain = edit->chains[c];
		struct edit_rule *const *rules;

		if (cmd->chain && strcmp(cmd->chain, chain->name))
			continue;
		rules = edit_rules(chain);
		if (!rules)
			return -EIO;
		found = true;
		for (uint32_t i = 0; i < chain->count; i++) {
			if (cmd->rule_number && cmd->rule_number != i + 1)
				continue;
			rule_print(edit, chain, rules[i], counters ? COUNTERS_OPTION : COUNTERS_NONE, out);
			sb_addc(out, '\n');
		}
	}
	return found ? 0 : -ENOENT;
}

void rule_list_line(struct edit *edit, const void *entry, const char *target, struct strbuf *out)
{
	const struct list_format f = { .ifaces = true, .numeric = true, .compact = true };
	const bool is_extension = target[0] && !edit_chain_find(edit, target) &&
				  strcmp(target, "ACCEPT") && strcmp(target, "DROP") && strcmp(target, "QUEUE") &&
				  strcmp(target, "RETURN");

	print_row(edit, entry, target, is_extension, 0, NULL, &f, out);
}
