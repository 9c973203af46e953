/* ext/target/tcpoptstrip.c - "-j TCPOPTSTRIP": overwrites chosen TCP options with no-operations. */
#include "base/uapi.h"

#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <stdio.h>

#include "ext/ip6walk.h"
#include "ext/option.h"

enum { OPTION_NOP = 1, TCP_CHECK = 16 };

static bool is_stripped(const struct xt_tcpoptstrip_target_info *info, uint8_t kind)
{
	return info->strip_bmap[kind / 32] & 1u << kind % 32;
}

/* A length of zero is taken for one: the walk must end. */
static uint32_t option_len(const uint8_t *option)
{
	return option[0] <= OPTION_NOP || option[1] == 0 ? 1 : option[1];
}

static void strip_at(uint8_t *tcp, uint32_t at, uint32_t len)
{
	be16 check;

	memcpy(&check, tcp + TCP_CHECK, 2);
	for (uint32_t i = at; i < at + len; i++) {
		unsigned int shift = i % 2 ? 0 : 8;

		csum_replace2(&check, htons(tcp[i] << shift), htons(OPTION_NOP << shift));
	}
	memcpy(tcp + TCP_CHECK, &check, 2);
	memset(tcp + at, OPTION_NOP, len);
}

static unsigned int strip(struct pkt *pkt, const struct xt_tcpoptstrip_target_info *info, uint32_t off)
{
	const uint8_t *header = pkt_at(pkt, off, sizeof(struct tcphdr));
	uint32_t tcp_len = header ? (header[12] >> 4) * 4 : 0, len;
	uint8_t *tcp;

	if (tcp_len < sizeof(struct tcphdr) || !pkt_at(pkt, off, tcp_len)) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	pkt_pull_pieces(pkt, off + tcp_len);
	tcp = pkt->data + off;
	for (uint32_t at = sizeof(struct tcphdr); at < tcp_len - 1; at += len) {
		len = option_len(tcp + at);
		if (at + len > tcp_len)
			break;
		if (is_stripped(info, tcp[at]))
			strip_at(tcp, at, len);
	}
	return XT_CONTINUE;
}

static unsigned int tcpoptstrip4_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	return call->fragoff ? XT_CONTINUE : strip(pkt, data, pkt_ip4(pkt)->ihl * 4);
}

static unsigned int tcpoptstrip6_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	struct ip6_walk walk = ip6_walk(pkt);

	if (!walk.ok) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	return call->fragoff ? XT_CONTINUE : strip(pkt, data, walk.off);
}

static const struct { const char *name; uint8_t kind; } kinds[] = {
	{ "wscale", 3 }, { "mss", 2 }, { "sack-permitted", 4 }, { "sack", 5 }, { "timestamp", 8 }, { "md5", 19 },
};

static int parse_kinds(struct opt_call *call, struct refusal *why)
{
	struct xt_tcpoptstrip_target_info *info = call->info;
	char word[32];

	for (const char *at = call->arg; at; ) {
		const char *end = strchr(at, ',');
		size_t len = end ? (size_t)(end - at) : strlen(at);
		uint64_t kind = UINT64_MAX;

		snprintf(word, sizeof(word), "%.*s", (int)MIN_OF(len, sizeof(word)), at);
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
			if (strcmp(kinds[i].name, word) == 0)
				kind = kinds[i].kind;
		if (kind == UINT64_MAX && (len >= sizeof(word) || !opt_u64(word, 0, UINT8_MAX, &kind)))
			return refuse(why, -EINVAL, "TCPOPTSTRIP: --strip-options does not know \"%s\"", word);
		if (kind <= OPTION_NOP)
			return refuse(why, -EINVAL, "TCPOPTSTRIP: options 0 and 1 cannot be stripped");
		if (is_stripped(info, kind))
			return refuse(why, -EINVAL, "TCPOPTSTRIP: option \"%s\" was named before", word);
		info->strip_bmap[kind / 32] |= 1u << kind % 32;
		at = end ? end + 1 : NULL;
	}
	return 0;
}

static void show(const struct xt_tcpoptstrip_target_info *info, const char *words, bool numeric, struct strbuf *out)
{
	const char *comma = words;	/* a rule that strips nothing says nothing */

	for (unsigned int kind = 0; kind <= UINT8_MAX; kind++) {
		const char *name = NULL;

		if (!is_stripped(info, kind))
			continue;
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds) && !numeric; i++)
			if (kinds[i].kind == kind)
				name = kinds[i].name;
		if (name)
			sb_printf(out, "%s%s", comma, name);
		else
			sb_printf(out, "%s%u", comma, kind);
		comma = ",";
	}
}

static void tcpoptstrip_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, " --strip-options ", true, out);
}

static void tcpoptstrip_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	show(data, " TCPOPTSTRIP options ", view->numeric, out);
}

static const struct opt tcpoptstrip_options[] = {
	{ .name = "strip-options", .type = OPT_CUSTOM, .parse = parse_kinds, .arg = "value[,...]",
	  .help = "strip these TCP options: numbers, or wscale, mss, sack-permitted, sack, timestamp, md5" },
	OPT_END
};

static const struct ext_text tcpoptstrip_text = {
	.options = tcpoptstrip_options, .help_head = "TCPOPTSTRIP target options:",
	.save = tcpoptstrip_save, .print = tcpoptstrip_print,
};

#define TCPOPTSTRIP_COMMON .name = "TCPOPTSTRIP", .table = "mangle", .proto = IPPROTO_TCP, \
	.info_size = sizeof(struct xt_tcpoptstrip_target_info), .text = &tcpoptstrip_text, \
	.depends = DEP_L3_FRAG | DEP_L3_LEN | DEP_L3_OPTIONS | DEP_L4_FLAGS | DEP_L4_OPTIONS

const struct target target_tcpoptstrip4 = {
	TCPOPTSTRIP_COMMON, .families = FAMILY_V4, .target = tcpoptstrip4_target,
};

const struct target target_tcpoptstrip6 = {
	TCPOPTSTRIP_COMMON, .families = FAMILY_V6, .target = tcpoptstrip6_target,
};
