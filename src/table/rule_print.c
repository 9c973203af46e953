/*
 * table/rule_print.c - a rule in the words that made it: byte for byte what iptables-save 1.8.9 prints.
 */
#include "table/rule_text.h"

static void print_addr4(struct strbuf *out, char letter, struct in_addr addr, struct in_addr mask, bool invert)
{
	const uint32_t bits = ntohl(mask.s_addr);
	char text[INET_ADDRSTRLEN];

	if (!mask.s_addr && !invert && !addr.s_addr)
		return;
	sb_printf(out, "%s -%c %s/", invert ? " !" : "", letter, inet_ntop(AF_INET, &addr, text, sizeof(text)));
	if (!(~bits & (~bits + 1)))
		sb_printf(out, "%u", bits ? 32 - (unsigned int)__builtin_ctz(bits) : 0);
	else
		sb_adds(out, inet_ntop(AF_INET, &mask, text, sizeof(text)));
}

/* Length of the prefix that @mask is, or -1 when it has holes. */
static int prefix_len6(const struct in6_addr *mask)
{
	int len = 0;

	while (len < 128 && mask->s6_addr[len / 8] & 0x80 >> len % 8)
		len++;
	for (int i = len; i < 128; i++)
		if (mask->s6_addr[i / 8] & 0x80 >> i % 8)
			return -1;
	return len;
}

static void print_addr6(struct strbuf *out, char letter, const struct in6_addr *addr, const struct in6_addr *mask,
			bool invert)
{
	const int len = prefix_len6(mask);
	char text[INET6_ADDRSTRLEN];

	if (!invert && !len)
		return;
	sb_printf(out, "%s -%c %s", invert ? " !" : "", letter, inet_ntop(AF_INET6, addr, text, sizeof(text)));
	if (len < 0)
		sb_printf(out, "/%s", inet_ntop(AF_INET6, mask, text, sizeof(text)));
	else
		sb_printf(out, "/%d", len);
}

/* By the mask: a name that no packet has to have is not printed, not even inverted. */
static void print_iface(struct strbuf *out, char letter, const char *name, const unsigned char *mask, bool invert)
{
	if (!mask[0])
		return;
	sb_printf(out, "%s -%c ", invert ? " !" : "", letter);
	for (unsigned int i = 0; i < IFNAMSIZ; i++) {
		if (!mask[i]) {
			if (name[i - 1])
				sb_addc(out, '+');
			break;
		}
		if (name[i])
			sb_addc(out, name[i]);
	}
}

static void print_head(const struct edit *edit, const void *entry, struct strbuf *out)
{
	const uint8_t inv = entry_invflags(entry, edit->family);
	const uint16_t proto = entry_proto(entry, edit->family);

	if (edit->family == NFPROTO_IPV4) {
		const struct ipt_ip *ip = entry;

		print_addr4(out, 's', ip->src, ip->smsk, inv & IPT_INV_SRCIP);
		print_addr4(out, 'd', ip->dst, ip->dmsk, inv & IPT_INV_DSTIP);
		print_iface(out, 'i', ip->iniface, ip->iniface_mask, inv & IPT_INV_VIA_IN);
		print_iface(out, 'o', ip->outiface, ip->outiface_mask, inv & IPT_INV_VIA_OUT);
	} else {
		const struct ip6t_ip6 *ip6 = entry;

		print_addr6(out, 's', &ip6->src, &ip6->smsk, inv & IP6T_INV_SRCIP);
		print_addr6(out, 'd', &ip6->dst, &ip6->dmsk, inv & IP6T_INV_DSTIP);
		print_iface(out, 'i', ip6->iniface, ip6->iniface_mask, inv & IP6T_INV_VIA_IN);
		print_iface(out, 'o', ip6->outiface, ip6->outiface_mask, inv & IP6T_INV_VIA_OUT);
	}
	if (proto) {
		const char *name = proto_name(proto);

		sb_adds(out, inv & XT_INV_PROTO ? " !" : "");
		if (name)
			sb_printf(out, " -p %s", name);
		else
			sb_printf(out, " -p %u", proto);
	}
	if (edit->family == NFPROTO_IPV4 && entry_flags(entry, edit->family) & IPT_F_FRAG)
		sb_printf(out, "%s -f", inv & IPT_INV_FRAG ? " !" : "");
}

/* An older revision has no words of its own; upstream says so. */
static const char unsupported_revision[] = " [unsupported revision]";

static const char *printed_name(const struct ext_text *text, const void *info, const char *name)
{
	const char *alias = text && text->printed_name ? text->printed_name(info) : NULL;

	return alias ? alias : name;
}

static void print_match(const struct xt_entry_match *m, const struct ext_view *view, struct strbuf *out)
{
	const struct match *match = match_find(m->u.user.name, m->u.user.revision, view->family);

	sb_printf(out, " -m %s", printed_name(match ? match->text : NULL, m->data, m->u.user.name));
	if (!match || !match->text)
		sb_adds(out, unsupported_revision);
	else if (match->text->save)
		match->text->save(m->data, view, out);
}

static void print_target(const struct xt_entry_target *t, const struct ext_view *view, struct strbuf *out)
{
	const struct target *target = target_find(t->u.user.name, t->u.user.revision, view->family);

	sb_printf(out, " -j %s", printed_name(target ? target->text : NULL, t->data, t->u.user.name));
	if (!target || !target->text)
		sb_adds(out, unsupported_revision);
	else if (target->text->save)
		target->text->save(t->data, view, out);
}

void rule_print(const struct edit *edit, const struct edit_chain *chain, const struct edit_rule *rule,
		enum rule_counters counters, struct strbuf *out)
{
	const struct xt_counters *counted = &rule->counted.counters;
	const struct ext_view view = {
		.family = edit->family, .proto = entry_proto(rule->entry, edit->family), .numeric = true,
		.inst = edit->inst,
	};
	const uint8_t goto_flag = edit->family == NFPROTO_IPV4 ? IPT_F_GOTO : IP6T_F_GOTO;

	if (counters == COUNTERS_SAVE)
		sb_printf(out, "[%llu:%llu] ", (unsigned long long)counted->pcnt, (unsigned long long)counted->bcnt);
	sb_printf(out, "-A %s", chain->name);
	print_head(edit, rule->entry, out);
	for_each_match(m, rule->entry, edit->family)
		print_match(m, &view, out);
	if (counters == COUNTERS_OPTION)
		sb_printf(out, " -c %llu %llu", (unsigned long long)counted->pcnt, (unsigned long long)counted->bcnt);
	if (rule->kind == RULE_EXTENSION)
		print_target(entry_target(rule->entry, edit->family), &view, out);
	else if (rule->kind != RULE_FALLTHROUGH)
		sb_printf(out, " -%c %s", entry_flags(rule->entry, edit->family) & goto_flag ? 'g' : 'j',
			  edit_rule_target_name(edit, rule));
}
