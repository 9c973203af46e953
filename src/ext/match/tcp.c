/*
 * ext/match/tcp.c - "-p tcp": ports, flags, and whether an option is present.
 * A packet that claims to be TCP and is too short to show what a rule asks for is dropped at once,
 * lest a rule be passed by hiding the header from it.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_tcpudp.h>

#include "classify/classify.h"
#include "ext/ports.h"

enum { TCP_FLAG_BYTE = 13, TCP_HEADER_MIN = 20 };

/* Is an option of this kind among the @len bytes after the fixed header? */
static bool has_option(const uint8_t *options, unsigned int len, uint8_t kind)
{
	unsigned int at = 0;

	while (at < len) {
		if (options[at] == kind)
			return true;
		if (options[at] < 2 || at + 1 == len || options[at + 1] == 0)
			at++;
		else
			at += options[at + 1];
	}
	return false;
}

static bool tcp_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tcp *info = data;
	const uint8_t *tcp, *options;
	unsigned int doff;

	if (call->fragoff) {
		/* A second fragment 8 bytes in would overwrite the flags of the first. */
		call->hotdrop |= call->fragoff == 1;
		return false;
	}
	tcp = pkt_at(pkt, call->thoff, TCP_HEADER_MIN);
	if (!tcp) {
		call->hotdrop = true;
		return false;
	}
	if (!port_in(info->spts, get_be16(tcp), info->invflags & XT_TCP_INV_SRCPT) ||
	    !port_in(info->dpts, get_be16(tcp + 2), info->invflags & XT_TCP_INV_DSTPT))
		return false;
	if (((tcp[TCP_FLAG_BYTE] & info->flg_mask) == info->flg_cmp) == !!(info->invflags & XT_TCP_INV_FLAGS))
		return false;
	if (!info->option)
		return true;
	doff = (tcp[12] >> 4) * 4;
	if (doff < TCP_HEADER_MIN) {
		call->hotdrop = true;
		return false;
	}
	if (doff == TCP_HEADER_MIN)
		return info->invflags & XT_TCP_INV_OPTION;
	options = pkt_at(pkt, call->thoff + TCP_HEADER_MIN, doff - TCP_HEADER_MIN);
	if (!options) {
		call->hotdrop = true;
		return false;
	}
	return has_option(options, doff - TCP_HEADER_MIN, info->option) != !!(info->invflags & XT_TCP_INV_OPTION);
}

static void tcp_classify(const void *data, struct class_rule *rule)
{
	const struct xt_tcp *info = data;

	ports_classify(info->spts, true, info->invflags & XT_TCP_INV_SRCPT, rule);
	ports_classify(info->dpts, false, info->invflags & XT_TCP_INV_DSTPT, rule);
	(info->invflags & XT_TCP_INV_FLAGS ? class_rule_unless : class_rule_bits)(rule, CLASS_HEAD, (uint32_t)info->flg_cmp << CLASS_HEAD_FLAGS,
										  (uint32_t)info->flg_mask << CLASS_HEAD_FLAGS);
	if (info->option)
		class_rule_close(rule);		/* options that are cut off */
}

static int tcp_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_tcp *info = data;

	if (info->invflags & ~XT_TCP_INV_MASK)
		return refuse(why, -EINVAL, "tcp: unknown flags %#x", info->invflags);
	return 0;
}

static uint32_t tcp_depends(const void *data)
{
	const struct xt_tcp *info = data;

	return ports_depends(info->spts, info->dpts) | DEP_L3_FRAG | (info->flg_mask || info->flg_cmp ? DEP_L4_FLAGS : 0) |
	       (info->option ? DEP_L4_OPTIONS : 0);
}

/* Those that match are where all bits of the mask are as asked; the answer is theirs or that of all others. */
static uint64_t tcp_flags_alike(const void *data, uint8_t flags)
{
	static const uint64_t has_bit[6] = { 0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
					     0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000 };
	const struct xt_tcp *info = data;
	uint64_t same = info->flg_cmp & ~info->flg_mask ? 0 : ~0ull;

	if (info->flg_mask >> 6)
		return 0;
	for (int i = 0; i < 6; i++)
		if (info->flg_mask >> i & 1)
			same &= info->flg_cmp >> i & 1 ? has_bit[i] : ~has_bit[i];
	return same >> (flags & 0x3f) & 1 ? same : ~same;
}

static const struct opt_word flag_words[] = {
	{ "FIN", 0x01 }, { "SYN", 0x02 }, { "RST", 0x04 }, { "PSH", 0x08 }, { "ACK", 0x10 }, { "URG", 0x20 },
	{ "ALL", 0x3f }, { "NONE", 0 }, { NULL }
};

static void tcp_init(void *data)
{
	struct xt_tcp *info = data;

	info->spts[1] = info->dpts[1] = UINT16_MAX;
}

static int tcp_parse_ports(struct opt_call *call, struct refusal *why)
{
	return ports_parse(call->arg, "tcp", (uint16_t *)((char *)call->info + call->opt->at), why);
}

/* Empty words between commas are passed over, as upstream does. */
static int parse_flags(const char *list, uint8_t *flags, struct refusal *why)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		const struct opt_word *word = flag_words;

		while (len && word->name && (strncasecmp(word->name, list, len) || word->name[len]))
			word++;
		if (!word->name)
			return refuse(why, -EINVAL, "tcp: \"%.*s\" is not a TCP flag", (int)len, list);
		if (len)
			*flags |= word->value;
		list += len + (list[len] == ',');
	}
	return 0;
}

static int tcp_parse_flags(struct opt_call *call, struct refusal *why)
{
	struct xt_tcp *info = call->info;
	int err = parse_flags(call->arg, &info->flg_mask, why);

	return err ? err : parse_flags(call->arg2, &info->flg_cmp, why);
}

static int tcp_parse_syn(struct opt_call *call, struct refusal *why)
{
	struct xt_tcp *info = call->info;

	info->flg_mask = 0x17;
	info->flg_cmp = 0x02;
	return 0;
}

#define TCP_INVERT(bit) .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_tcp, invflags), \
	.invert_bits = bit, .invert_width = 1

static const struct opt tcp_options[] = {
	{ .name = "source-port", .type = OPT_CUSTOM, TCP_INVERT(XT_TCP_INV_SRCPT),
	  .at = offsetof(struct xt_tcp, spts),
	  .parse = tcp_parse_ports, .arg = "port[:port]", .help = "match source port(s)" },
	{ .name = "sport", .same_as = "source-port" },
	{ .name = "destination-port", .type = OPT_CUSTOM, TCP_INVERT(XT_TCP_INV_DSTPT),
	  .at = offsetof(struct xt_tcp, dpts), .parse = tcp_parse_ports, .arg = "port[:port]",
	  .help = "match destination port(s)" },
	{ .name = "dport", .same_as = "destination-port" },
	{ .name = "syn", .type = OPT_FLAG, TCP_INVERT(XT_TCP_INV_FLAGS), .excludes = "tcp-flags",
	  .parse = tcp_parse_syn, .help = "match when only SYN flag set" },
	{ .name = "tcp-flags", .type = OPT_CUSTOM, .words = 2, TCP_INVERT(XT_TCP_INV_FLAGS), .excludes = "syn",
	  .parse = tcp_parse_flags, .arg = "mask comp", .help = "match when the flags of mask equal comp" },
	{ .name = "tcp-option", .type = OPT_U8, .min = 1, .max = 255, TCP_INVERT(XT_TCP_INV_OPTION),
	  .at = offsetof(struct xt_tcp, option), .arg = "number", .help = "match if this TCP option is set" },
	OPT_END
};

static void flag_names(struct strbuf *out, uint8_t flags)
{
	bool first = true;

	for (const struct opt_word *word = flag_words; word->value != 0x3f; word++) {
		if (flags & word->value) {
			sb_printf(out, "%s%s", first ? "" : ",", word->name);
			first = false;
		}
	}
	if (first)
		sb_adds(out, "NONE");
}

static void tcp_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcp *info = data;

	ports_save(out, "--sport", info->spts, info->invflags & XT_TCP_INV_SRCPT);
	ports_save(out, "--dport", info->dpts, info->invflags & XT_TCP_INV_DSTPT);
	if (info->option || (info->invflags & XT_TCP_INV_OPTION))
		sb_printf(out, "%s --tcp-option %u", info->invflags & XT_TCP_INV_OPTION ? " !" : "", info->option);
	if (info->flg_mask || (info->invflags & XT_TCP_INV_FLAGS)) {
		sb_printf(out, "%s --tcp-flags ", info->invflags & XT_TCP_INV_FLAGS ? " !" : "");
		if (info->flg_mask != 0xff)
			flag_names(out, info->flg_mask);
		sb_addc(out, ' ');
		flag_names(out, info->flg_cmp);
	}
}

static void tcp_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tcp *info = data;
	bool not_flags = info->invflags & XT_TCP_INV_FLAGS;

	sb_adds(out, " tcp");
	ports_print(out, "spt", info->spts, info->invflags & XT_TCP_INV_SRCPT, "tcp", view);
	ports_print(out, "dpt", info->dpts, info->invflags & XT_TCP_INV_DSTPT, "tcp", view);
	if (info->option)
		sb_printf(out, " option=%s%u", info->invflags & XT_TCP_INV_OPTION ? "!" : "", info->option);
	if (!info->flg_mask && !not_flags)
		return;
	sb_printf(out, " flags:%s", not_flags ? "!" : "");
	if (view->numeric) {
		sb_printf(out, "0x%02X/0x%02X", info->flg_mask, info->flg_cmp);
	} else {
		flag_names(out, info->flg_mask);
		sb_addc(out, '/');
		flag_names(out, info->flg_cmp);
	}
}

static const struct ext_text tcp_text = {
	.options = tcp_options, .help_head = "tcp match options:",
	.init = tcp_init, .save = tcp_save, .print = tcp_print,
};

const struct match match_tcp = {
	.name = "tcp", .families = FAMILY_ANY, .proto = IPPROTO_TCP,
	.info_size = sizeof(struct xt_tcp),
	.depends = DEP_L4_PORTS | DEP_L4_FLAGS | DEP_L4_OPTIONS | DEP_L3_FRAG, .depends_of = tcp_depends, .tcp_flags_alike = tcp_flags_alike,
	.match = tcp_match, .classify = tcp_classify, .checkentry = tcp_check, .checks_rule_only = true, .text = &tcp_text,
};
