/*
 * table/list_dump.c - a table's entries one by one, offsets and all, in the words of libiptc's dump_entries() and of iptables -vv.
 */
#include "table/rule_text.h"

#include <arpa/inet.h>

static void dump_addr4(const char *what, be32 addr, be32 mask, struct strbuf *out)
{
	char a[INET_ADDRSTRLEN], m[INET_ADDRSTRLEN];

	sb_printf(out, "%s IP: %s/%s\n", what, inet_ntop(AF_INET, &addr, a, sizeof(a)), inet_ntop(AF_INET, &mask, m, sizeof(m)));
}

static void dump_addr6(const char *what, const struct in6_addr *addr, const struct in6_addr *mask, struct strbuf *out)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int len = 0;
	bool is_prefix = true;

	sb_printf(out, "%s IP: \n%s\n", what, inet_ntop(AF_INET6, addr, text, sizeof(text)));
	while (len < 128 && mask->s6_addr[len / 8] & 0x80 >> len % 8)
		len++;
	for (unsigned int i = len; i < 128; i++)
		is_prefix &= !(mask->s6_addr[i / 8] & 0x80 >> i % 8);
	if (is_prefix)
		sb_printf(out, "/%u\n", len);
	else
		sb_printf(out, "/%s\n", inet_ntop(AF_INET6, mask, text, sizeof(text)));
}

static void dump_iface(const char *before, const char *name, const unsigned char *mask, struct strbuf *out)
{
	sb_printf(out, "%s`%.*s'/", before, IFNAMSIZ, name);
	for (unsigned int i = 0; i < IFNAMSIZ; i++)
		sb_addc(out, mask[i] ? 'X' : '.');
}

static void dump_head(const void *entry, uint8_t family, struct strbuf *out)
{
	const struct ipt_ip *ip = entry;
	const struct ip6t_ip6 *ip6 = entry;
	const bool v4 = family == NFPROTO_IPV4;

	if (v4) {
		dump_addr4("SRC", ip->src.s_addr, ip->smsk.s_addr, out);
		dump_addr4("DST", ip->dst.s_addr, ip->dmsk.s_addr, out);
	} else {
		dump_addr6("SRC", &ip6->src, &ip6->smsk, out);
		dump_addr6("DST", &ip6->dst, &ip6->dmsk, out);
	}
	dump_iface("Interface: ", v4 ? ip->iniface : ip6->iniface, v4 ? ip->iniface_mask : ip6->iniface_mask, out);
	dump_iface("to ", v4 ? ip->outiface : ip6->outiface, v4 ? ip->outiface_mask : ip6->outiface_mask, out);
	sb_printf(out, "\nProtocol: %u\nFlags: %02X\nInvflags: %02X\n", entry_proto(entry, family), entry_flags(entry, family),
		  entry_invflags(entry, family));
}

static void dump_target(const struct xt_entry_target *t, struct strbuf *out)
{
	static const struct { int verdict; const char *name; } verdicts[] = {
		{ -NF_ACCEPT - 1, "NF_ACCEPT" }, { -NF_DROP - 1, "NF_DROP" }, { -NF_QUEUE - 1, "NF_QUEUE" }, { XT_RETURN, "RETURN" },
	};
	const char *name = NULL;

	sb_printf(out, "Target name: `%s' [%u]\n", t->u.user.name, t->u.target_size);
	if (target_is_error(t)) {
		sb_printf(out, "error=`%s'\n", ((const struct xt_error_target *)t)->errorname);
	} else if (target_is_standard(t)) {
		const int verdict = raw_verdict(t);

		for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
			if (verdicts[i].verdict == verdict)
				name = verdicts[i].name;
		if (name || verdict < 0)
			sb_printf(out, "verdict=%s\n", name ? name : "UNKNOWN");
		else
			sb_printf(out, "verdict=%d\n", verdict);
	}
}

static void dump_hooks(const char *what, const unsigned int *at, uint32_t valid_hooks, struct strbuf *out)
{
	sb_printf(out, "%s: pre/in/fwd/out/post = ", what);
	for (unsigned int i = 0; i < NF_INET_NUMHOOKS; i++)
		sb_printf(out, "%x%c", valid_hooks & 1u << i ? at[i] : ~0u, i + 1 < NF_INET_NUMHOOKS ? '/' : '\n');
}

int edit_dump(struct edit *edit, struct strbuf *out, struct refusal *why)
{
	const uint8_t family = edit->family;
	struct edit_blob blob;
	unsigned int number = 0;
	int err = edit_blob_make(edit, &blob, why);

	if (err)
		return err;
	sb_printf(out, "libiptc vlibxtables.so.12. %u bytes.\nTable `%s'\n", blob.head.size, blob.head.name);
	dump_hooks("Hooks", blob.head.hook_entry, blob.head.valid_hooks, out);
	dump_hooks("Underflows", blob.head.underflow, blob.head.valid_hooks, out);
	for (uint32_t at = 0; at < blob.head.size; number++) {
		void *entry = blob.entries + at;
		const struct xt_counters *counters = entry_counters(entry, family);

		sb_printf(out, "Entry %u (%u):\n", number, at);
		dump_head(entry, family, out);
		sb_printf(out, "Counters: %llu packets, %llu bytes\nCache: 00000000\n", (unsigned long long)counters->pcnt,
			  (unsigned long long)counters->bcnt);
		for_each_match(m, entry, family)
			sb_printf(out, "Match name: `%s'\n", m->u.user.name);
		dump_target(entry_target(entry, family), out);
		sb_addc(out, '\n');
		at += entry_next_offset(entry, family);
	}
	edit_blob_free(&blob);
	return 0;
}
