/*
 * ext/match/conntrack.c - "-m conntrack" and "-m state": what is known about the packet's connection.
 * Three revisions share one question; they differ in the width of two masks and in ports being ranges.
 * Without a connection only the state can be asked: everything else in the rule is then passed over.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_conntrack.h>

#include "classify/classify.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool addr_fits(const union nf_inet_addr *addr, const union nf_inet_addr *want,
		      const union nf_inet_addr *mask, uint8_t family)
{
	uint32_t differs = (addr->all[0] ^ want->all[0]) & mask->all[0];

	for (unsigned int i = 1; family == NFPROTO_IPV6 && i < 4; i++)
		differs |= (addr->all[i] ^ want->all[i]) & mask->all[i];
	return !differs;
}

/* Is @flag asked for and the answer @fits not the wanted one? */
static bool fails(const struct xt_conntrack_mtinfo3 *info, uint16_t flag, bool fits)
{
	return (info->match_flags & flag) && fits == !!(info->invert_flags & flag);
}

static bool port_fits(uint16_t low, uint16_t high, be16 port)
{
	return ntohs(port) >= low && ntohs(port) <= high;
}

/* The tail of revision 3 is read only when @ports_are_ranges: older infos end before it. */
static bool ports_fail(const struct xt_conntrack_mtinfo3 *info, const struct ct *ct, bool ports_are_ranges)
{
	const struct ct_tuple *orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL), *reply = ct_tuple(ct, IP_CT_DIR_REPLY);

	if (!ports_are_ranges)	/* single ports in network order */
		return fails(info, XT_CONNTRACK_ORIGSRC_PORT, orig->src_l4.all == info->origsrc_port) ||
		       fails(info, XT_CONNTRACK_ORIGDST_PORT, orig->dst_l4.all == info->origdst_port) ||
		       fails(info, XT_CONNTRACK_REPLSRC_PORT, reply->src_l4.all == info->replsrc_port) ||
		       fails(info, XT_CONNTRACK_REPLDST_PORT, reply->dst_l4.all == info->repldst_port);
	return fails(info, XT_CONNTRACK_ORIGSRC_PORT,
		     port_fits(info->origsrc_port, info->origsrc_port_high, orig->src_l4.all)) ||
	       fails(info, XT_CONNTRACK_ORIGDST_PORT,
		     port_fits(info->origdst_port, info->origdst_port_high, orig->dst_l4.all)) ||
	       fails(info, XT_CONNTRACK_REPLSRC_PORT,
		     port_fits(info->replsrc_port, info->replsrc_port_high, reply->src_l4.all)) ||
	       fails(info, XT_CONNTRACK_REPLDST_PORT,
		     port_fits(info->repldst_port, info->repldst_port_high, reply->dst_l4.all));
}

static bool conntrack_ask(const struct pkt *pkt, const struct xt_conntrack_mtinfo3 *info, uint16_t state_mask,
			  uint16_t status_mask, bool ports_are_ranges, const struct ext_call *call)
{
	const struct ct *ct = pkt->ct;
	const struct ct_tuple *orig, *reply;
	unsigned int state;

	if (ct)
		state = XT_CONNTRACK_STATE_BIT(pkt->ctinfo) |
			(ct->status & IPS_SRC_NAT ? XT_CONNTRACK_STATE_SNAT : 0) |
			(ct->status & IPS_DST_NAT ? XT_CONNTRACK_STATE_DNAT : 0);
	else
		state = pkt->ctinfo == IP_CT_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED : XT_CONNTRACK_STATE_INVALID;
	if (fails(info, XT_CONNTRACK_STATE, state_mask & state))
		return false;
	if (!ct)
		return info->match_flags & XT_CONNTRACK_STATE;

	orig = ct_tuple(ct, IP_CT_DIR_ORIGINAL);
	reply = ct_tuple(ct, IP_CT_DIR_REPLY);
	if (fails(info, XT_CONNTRACK_DIRECTION, ctinfo_dir(pkt->ctinfo) == IP_CT_DIR_ORIGINAL) ||
	    fails(info, XT_CONNTRACK_ORIGSRC,
		  addr_fits(&orig->src, &info->origsrc_addr, &info->origsrc_mask, call->family)) ||
	    fails(info, XT_CONNTRACK_ORIGDST,
		  addr_fits(&orig->dst, &info->origdst_addr, &info->origdst_mask, call->family)) ||
	    fails(info, XT_CONNTRACK_REPLSRC,
		  addr_fits(&reply->src, &info->replsrc_addr, &info->replsrc_mask, call->family)) ||
	    fails(info, XT_CONNTRACK_REPLDST,
		  addr_fits(&reply->dst, &info->repldst_addr, &info->repldst_mask, call->family)) ||
	    fails(info, XT_CONNTRACK_PROTO, ct_proto_num(ct) == info->l4proto) ||
	    ports_fail(info, ct, ports_are_ranges) ||
	    fails(info, XT_CONNTRACK_STATUS, status_mask & ct->status))
		return false;
	if (info->match_flags & XT_CONNTRACK_EXPIRES) {
		uint32_t left = ct_expires_sec(call->inst, ct);

		return !fails(info, XT_CONNTRACK_EXPIRES, left >= info->expires_min && left <= info->expires_max);
	}
	return true;
}

static bool conntrack_match_1(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_conntrack_mtinfo1 *info = data;

	return conntrack_ask(pkt, data, info->state_mask, info->status_mask, false, call);
}

static bool conntrack_match_2(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_conntrack_mtinfo2 *info = data;

	return conntrack_ask(pkt, data, info->state_mask, info->status_mask, false, call);
}

static bool conntrack_match_3(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_conntrack_mtinfo3 *info = data;

	return conntrack_ask(pkt, data, info->state_mask, info->status_mask, true, call);
}

/* A packet without a connection is asked for its state only, and without --ctstate it does not match. */
static void ct_term(const struct xt_conntrack_mtinfo1 *info, uint16_t flag, struct class_rule *rule, uint32_t mask, uint32_t value, bool differs)
{
	if (!(info->match_flags & flag))
		return;
	if (info->match_flags & XT_CONNTRACK_STATE)
		class_rule_term(rule, (struct class_term){ .word = CLASS_CT, .flags = TERM_OR, .mask = CLASS_CT_KNOWN });
	class_rule_term(rule, (struct class_term){ .word = CLASS_CT, .flags = differs != !!(info->invert_flags & flag) ? TERM_NOT : 0,
						   .mask = mask, .low = value });
}

static void states_classify(const struct xt_conntrack_mtinfo1 *info, uint16_t state_mask, uint16_t status_mask, struct class_rule *rule)
{
	uint16_t said = XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS | XT_CONNTRACK_DIRECTION | XT_CONNTRACK_STATUS;

	if (!(info->match_flags & XT_CONNTRACK_STATE))
		class_rule_term(rule, (struct class_term){ .word = CLASS_CT, .mask = CLASS_CT_KNOWN, .low = CLASS_CT_KNOWN });
	else if (info->invert_flags & XT_CONNTRACK_STATE)
		class_rule_term(rule, (struct class_term){ .word = CLASS_STATES, .mask = state_mask });
	else
		class_rule_states(rule, state_mask);
	ct_term(info, XT_CONNTRACK_DIRECTION, rule, CLASS_CT_REPLY, 0, false);
	ct_term(info, XT_CONNTRACK_STATUS, rule, status_mask & CLASS_CT_STATUS, 0, true);
	if (info->l4proto <= UINT8_MAX) {
		ct_term(info, XT_CONNTRACK_PROTO, rule, 0xffu << CLASS_CT_PROTO, (uint32_t)info->l4proto << CLASS_CT_PROTO, false);
		said |= XT_CONNTRACK_PROTO;
	}
	if (info->match_flags & ~said)
		class_rule_partly(rule);
}

static void conntrack_classify_1(const void *data, struct class_rule *rule)
{
	const struct xt_conntrack_mtinfo1 *info = data;

	states_classify(info, info->state_mask, info->status_mask, rule);
}

/* Revisions 2 and 3 have the wide mask at one place. */
static void conntrack_classify_2(const void *data, struct class_rule *rule)
{
	const struct xt_conntrack_mtinfo2 *info = data;

	states_classify(data, info->state_mask, info->status_mask, rule);
}

static int conntrack_check(void *data, const struct ext_check *check, struct refusal *why)
{
	int err = ct_hooks_get(check->inst, check->family);

	return err ? refuse(why, err, "conntrack: connection tracking cannot be switched on") : 0;
}

static void conntrack_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

/* The head up to the masks is common to all revisions. */
static uint32_t conntrack_depends(const void *data)
{
	uint16_t flags = ((const struct xt_conntrack_mtinfo1 *)data)->match_flags;

	return DEP_CT_STATE | (flags & XT_CONNTRACK_STATUS ? DEP_CT_STATUS : 0) | (flags & XT_CONNTRACK_EXPIRES ? DEP_CT_TIME | DEP_TIME : 0) |
	       (flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS | XT_CONNTRACK_STATUS | XT_CONNTRACK_EXPIRES |
			  XT_CONNTRACK_DIRECTION) ? DEP_CT_TUPLE : 0);
}

_Static_assert(offsetof(struct xt_conntrack_mtinfo1, match_flags) ==
	       offsetof(struct xt_conntrack_mtinfo3, match_flags), "the revisions share their head");
_Static_assert(offsetof(struct xt_conntrack_mtinfo2, state_mask) ==
	       offsetof(struct xt_conntrack_mtinfo3, state_mask), "revisions 2 and 3 share their masks");

/* --- text --- */

static const struct opt_word state_words[] = {	/* in the order of upstream's look-up */
	{ "INVALID", XT_CONNTRACK_STATE_INVALID }, { "NEW", XT_CONNTRACK_STATE_BIT(IP_CT_NEW) },
	{ "ESTABLISHED", XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) },
	{ "RELATED", XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) }, { "UNTRACKED", XT_CONNTRACK_STATE_UNTRACKED },
	{ "SNAT", XT_CONNTRACK_STATE_SNAT }, { "DNAT", XT_CONNTRACK_STATE_DNAT }, { NULL }
};
static const struct opt_word state_print_words[] = {	/* and of its output */
	{ "INVALID", XT_CONNTRACK_STATE_INVALID }, { "NEW", XT_CONNTRACK_STATE_BIT(IP_CT_NEW) },
	{ "RELATED", XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) },
	{ "ESTABLISHED", XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) },
	{ "UNTRACKED", XT_CONNTRACK_STATE_UNTRACKED }, { "SNAT", XT_CONNTRACK_STATE_SNAT },
	{ "DNAT", XT_CONNTRACK_STATE_DNAT }, { NULL }
};
static const struct opt_word status_words[] = {
	{ "NONE", 0 }, { "EXPECTED", IPS_EXPECTED }, { "SEEN_REPLY", IPS_SEEN_REPLY }, { "ASSURED", IPS_ASSURED },
	{ "CONFIRMED", IPS_CONFIRMED }, { NULL }
};

static int parse_states(struct opt_call *call, struct refusal *why)
{
	struct xt_conntrack_mtinfo3 *info = call->info;
	uint32_t bits = 0;
	const char *bad;

	if (!opt_word_bits(call->arg, state_words, &bits, &bad))
		return refuse(why, -EINVAL, "--%s does not know the state \"%s\"", call->opt->name, bad);
	info->state_mask = bits;
	return 0;
}

static int parse_statuses(struct opt_call *call, struct refusal *why)
{
	struct xt_conntrack_mtinfo3 *info = call->info;
	uint32_t bits = 0;
	const char *bad;

	if (!opt_word_bits(call->arg, status_words, &bits, &bad))
		return refuse(why, -EINVAL, "--ctstatus does not know the status \"%s\"", bad);
	info->status_mask = bits;
	return 0;
}

static int parse_proto(struct opt_call *call, struct refusal *why)
{
	struct xt_conntrack_mtinfo3 *info = call->info;
	uint8_t proto = 0;
	int err = opt_proto(call->arg, &proto, why);

	info->l4proto = proto;
	return err;
}

static int parse_addr(struct opt_call *call, struct refusal *why)
{
	union nf_inet_addr *addr = (void *)((char *)call->info + call->opt->at);

	return opt_host_mask(call, call->arg, addr, addr + 1, why);
}

/* Each range's upper end lies at the end of the struct, in the same order. */
static int parse_ports(struct opt_call *call, struct refusal *why)
{
	const size_t to_high = offsetof(struct xt_conntrack_mtinfo3, origsrc_port_high) -
			       offsetof(struct xt_conntrack_mtinfo3, origsrc_port);
	uint16_t *low = (void *)((char *)call->info + call->opt->at), *high = low + to_high / 2;

	return opt_port_range(call->arg, low, high, why);
}

static int parse_dir(struct opt_call *call, struct refusal *why)
{
	struct xt_conntrack_mtinfo3 *info = call->info;

	if (strcasecmp(call->arg, "REPLY") == 0)
		info->invert_flags |= XT_CONNTRACK_DIRECTION;
	else if (strcasecmp(call->arg, "ORIGINAL"))
		return refuse(why, -EINVAL, "--ctdir takes ORIGINAL or REPLY, not \"%s\"", call->arg);
	return 0;
}

#define CT_OPTION(n, bit) .name = n, .set_at = offsetof(struct xt_conntrack_mtinfo3, match_flags), .set_bits = bit, \
	.set_width = 2, .invert_at = offsetof(struct xt_conntrack_mtinfo3, invert_flags), .invert_bits = bit, \
	.invert_width = 2
#define CT_AT(field) .at = offsetof(struct xt_conntrack_mtinfo3, field)

static const struct opt conntrack_options[] = {
	{ CT_OPTION("ctstate", XT_CONNTRACK_STATE), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_states,
	  .arg = "state[,...]", .help = "INVALID, ESTABLISHED, NEW, RELATED, UNTRACKED, SNAT, DNAT" },
	{ CT_OPTION("ctproto", XT_CONNTRACK_PROTO), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_proto,
	  .arg = "proto", .help = "protocol to match, by number or name" },
	{ CT_OPTION("ctorigsrc", XT_CONNTRACK_ORIGSRC), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_addr, CT_AT(origsrc_addr), .arg = "address[/mask]", .help = "original source address" },
	{ CT_OPTION("ctorigdst", XT_CONNTRACK_ORIGDST), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_addr, CT_AT(origdst_addr), .arg = "address[/mask]",
	  .help = "original destination address" },
	{ CT_OPTION("ctreplsrc", XT_CONNTRACK_REPLSRC), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_addr, CT_AT(replsrc_addr), .arg = "address[/mask]", .help = "reply source address" },
	{ CT_OPTION("ctrepldst", XT_CONNTRACK_REPLDST), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_addr, CT_AT(repldst_addr), .arg = "address[/mask]", .help = "reply destination address" },
	{ CT_OPTION("ctorigsrcport", XT_CONNTRACK_ORIGSRC_PORT), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_ports, CT_AT(origsrc_port), .arg = "port[:port]", .help = "original source port" },
	{ CT_OPTION("ctorigdstport", XT_CONNTRACK_ORIGDST_PORT), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_ports, CT_AT(origdst_port), .arg = "port[:port]", .help = "original destination port" },
	{ CT_OPTION("ctreplsrcport", XT_CONNTRACK_REPLSRC_PORT), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_ports, CT_AT(replsrc_port), .arg = "port[:port]", .help = "reply source port" },
	{ CT_OPTION("ctrepldstport", XT_CONNTRACK_REPLDST_PORT), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_ports, CT_AT(repldst_port), .arg = "port[:port]", .help = "reply destination port" },
	{ CT_OPTION("ctstatus", XT_CONNTRACK_STATUS), .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE,
	  .parse = parse_statuses, .arg = "status[,...]",
	  .help = "NONE, EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED" },
	{ CT_OPTION("ctexpire", XT_CONNTRACK_EXPIRES), .type = OPT_U32_RANGE, .flags = OPT_INVERTIBLE,
	  CT_AT(expires_min), .arg = "time[:time]", .help = "remaining lifetime in seconds" },
	{ CT_OPTION("ctdir", XT_CONNTRACK_DIRECTION), .type = OPT_CUSTOM, .parse = parse_dir,
	  .arg = "ORIGINAL|REPLY", .help = "flow direction of packet" },
	OPT_END
};

static int conntrack_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	return seen ? 0 : refuse(why, -EINVAL, "conntrack: at least one option is required");
}

static void add_words(struct strbuf *out, const struct opt_word *word, uint32_t bits)
{
	const char *sep = " ";

	for (; word->name; word++) {
		if (bits & word->value) {
			sb_printf(out, "%s%s", sep, word->name);
			sep = ",";
		}
	}
}

static void add_option(struct strbuf *out, const struct xt_conntrack_mtinfo3 *info, const char *dashes,
		       const char *name, uint16_t flag)
{
	sb_printf(out, "%s %s%s", info->invert_flags & flag ? " !" : "", dashes, name);
}

static void conntrack_show(const struct xt_conntrack_mtinfo3 *info, const char *dashes, const struct ext_view *view,
			   struct strbuf *out)
{
	const struct { const char *name; uint16_t flag; const union nf_inet_addr *addr; } addrs[] = {
		{ "ctorigsrc", XT_CONNTRACK_ORIGSRC, &info->origsrc_addr },
		{ "ctorigdst", XT_CONNTRACK_ORIGDST, &info->origdst_addr },
		{ "ctreplsrc", XT_CONNTRACK_REPLSRC, &info->replsrc_addr },
		{ "ctrepldst", XT_CONNTRACK_REPLDST, &info->repldst_addr },
	};
	const struct { const char *name; uint16_t flag, low, high; } ports[] = {
		{ "ctorigsrcport", XT_CONNTRACK_ORIGSRC_PORT, info->origsrc_port, info->origsrc_port_high },
		{ "ctorigdstport", XT_CONNTRACK_ORIGDST_PORT, info->origdst_port, info->origdst_port_high },
		{ "ctreplsrcport", XT_CONNTRACK_REPLSRC_PORT, info->replsrc_port, info->replsrc_port_high },
		{ "ctrepldstport", XT_CONNTRACK_REPLDST_PORT, info->repldst_port, info->repldst_port_high },
	};
	uint16_t flags = info->match_flags;

	if (flags & XT_CONNTRACK_STATE) {
		add_option(out, info, dashes, flags & XT_CONNTRACK_STATE_ALIAS ? "state" : "ctstate",
			   XT_CONNTRACK_STATE);
		add_words(out, state_print_words, info->state_mask);
	}
	if (flags & XT_CONNTRACK_PROTO) {
		add_option(out, info, dashes, "ctproto", XT_CONNTRACK_PROTO);
		sb_printf(out, " %u", info->l4proto);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(addrs); i++) {
		if (!(flags & addrs[i].flag))
			continue;
		add_option(out, info, dashes, addrs[i].name, addrs[i].flag);
		print_addr_mask(out, view->family, addrs[i].addr, addrs[i].addr + 1, view);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		if (!(flags & ports[i].flag))
			continue;
		add_option(out, info, dashes, ports[i].name, ports[i].flag);
		sb_printf(out, " %u", ports[i].low);
		if (ports[i].high && ports[i].low != ports[i].high)
			sb_printf(out, ":%u", ports[i].high);
	}
	if (flags & XT_CONNTRACK_STATUS) {
		add_option(out, info, dashes, "ctstatus", XT_CONNTRACK_STATUS);
		if (info->status_mask)
			add_words(out, status_words, info->status_mask);
		else
			sb_adds(out, " NONE");
	}
	if (flags & XT_CONNTRACK_EXPIRES) {
		add_option(out, info, dashes, "ctexpire", XT_CONNTRACK_EXPIRES);
		sb_printf(out, " %u", info->expires_min);
		if (info->expires_max != info->expires_min)
			sb_printf(out, ":%u", info->expires_max);
	}
	if (flags & XT_CONNTRACK_DIRECTION)
		sb_printf(out, " %sctdir %s", dashes,
			  info->invert_flags & XT_CONNTRACK_DIRECTION ? "REPLY" : "ORIGINAL");
}

static void conntrack_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	struct ext_view numeric = *view;

	numeric.numeric = true;
	conntrack_show(data, "--", &numeric, out);
}

static void conntrack_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	conntrack_show(data, "", view, out);
}

static const char *conntrack_printed_name(const void *data)
{
	return ((const struct xt_conntrack_mtinfo3 *)data)->match_flags & XT_CONNTRACK_STATE_ALIAS ? "state" : NULL;
}

static const struct ext_text conntrack_text = {
	.options = conntrack_options, .help_head = "conntrack match options:",
	.finish = conntrack_finish, .save = conntrack_save, .print = conntrack_print,
	.printed_name = conntrack_printed_name,
};

static const struct opt state_options[] = {
	{ CT_OPTION("state", XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS), .type = OPT_CUSTOM,
	  .flags = OPT_INVERTIBLE | OPT_REQUIRED, .parse = parse_states, .arg = "state[,...]",
	  .help = "INVALID, ESTABLISHED, NEW, RELATED, UNTRACKED" },
	OPT_END
};

static int state_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	((struct xt_conntrack_mtinfo3 *)data)->invert_flags &= ~XT_CONNTRACK_STATE_ALIAS;
	return 0;
}

static const struct ext_text state_text = {
	.options = state_options, .help_head = "state match options:",
	.finish = state_finish, .save = conntrack_save, .print = conntrack_print,
};

#define CONNTRACK_COMMON .families = FAMILY_ANY, .depends = DEP_CT_STATE | DEP_CT_STATUS | DEP_CT_TUPLE | DEP_CT_TIME | DEP_TIME, \
	.depends_of = conntrack_depends, .checkentry = conntrack_check, .destroy = conntrack_destroy

const struct match match_conntrack_1 = {
	.name = "conntrack", .revision = 1, CONNTRACK_COMMON,
	.info_size = sizeof(struct xt_conntrack_mtinfo1), .match = conntrack_match_1,
	.classify = conntrack_classify_1,
};

const struct match match_conntrack_2 = {
	.name = "conntrack", .revision = 2, CONNTRACK_COMMON,
	.info_size = sizeof(struct xt_conntrack_mtinfo2), .match = conntrack_match_2,
	.classify = conntrack_classify_2,
};

const struct match match_conntrack_3 = {
	.name = "conntrack", .revision = 3, CONNTRACK_COMMON,
	.info_size = sizeof(struct xt_conntrack_mtinfo3), .match = conntrack_match_3,
	.classify = conntrack_classify_2, .text = &conntrack_text,
};

const struct match match_state_text = {
	.name = "state", .revision = 3, CONNTRACK_COMMON, .abi_name = "conntrack",
	.info_size = sizeof(struct xt_conntrack_mtinfo3), .match = conntrack_match_3,
	.classify = conntrack_classify_2, .text = &state_text,
};
