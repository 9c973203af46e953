/*
 * ext/match/policy.c - "-m policy": was (or will be) the packet handled by IPsec? None is, here: only "--pol none"
 * fits. The transformations a rule may ask for are kept and shown.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_policy.h>

#include "classify/classify.h"
#include "ext/option.h"

/* The bits of struct xt_policy_spec. */
enum { BIT_SADDR = 1, BIT_DADDR = 2, BIT_PROTO = 4, BIT_MODE = 8, BIT_SPI = 16, BIT_REQID = 32 };

static uint8_t spec_bits(const struct xt_policy_spec *spec)
{
	return *(const uint8_t *)spec;
}

static bool policy_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	return ((const struct xt_policy_info *)data)->flags & XT_POLICY_MATCH_NONE;
}

static int policy_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_policy_info *info = data;

	if (!(info->flags & (XT_POLICY_MATCH_IN | XT_POLICY_MATCH_OUT)))
		return refuse(why, -EINVAL, "policy: neither incoming nor outgoing");
	if ((info->flags & XT_POLICY_MATCH_OUT) && (check->hook_mask & (1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_IN)))
		return refuse(why, -EINVAL, "policy: --dir out is not for PREROUTING and INPUT");
	if ((info->flags & XT_POLICY_MATCH_IN) && (check->hook_mask & (1 << NF_INET_POST_ROUTING | 1 << NF_INET_LOCAL_OUT)))
		return refuse(why, -EINVAL, "policy: --dir in is not for POSTROUTING and OUTPUT");
	if (info->len > XT_POLICY_MAX_ELEM)
		return refuse(why, -EINVAL, "policy: at most %d elements", XT_POLICY_MAX_ELEM);
	return 0;
}

/* --- text --- */

static int parse_dir(struct opt_call *call, struct refusal *why)
{
	struct xt_policy_info *info = call->info;
	bool in = strcmp(call->arg, "in") == 0;

	if (!in && strcmp(call->arg, "out"))
		return refuse(why, -EINVAL, "policy: --dir takes in or out, not \"%s\"", call->arg);
	info->flags |= in ? XT_POLICY_MATCH_IN : XT_POLICY_MATCH_OUT;
	return 0;
}

static int parse_pol(struct opt_call *call, struct refusal *why)
{
	struct xt_policy_info *info = call->info;

	if (strcmp(call->arg, "none") == 0)
		info->flags |= XT_POLICY_MATCH_NONE;
	else if (strcmp(call->arg, "ipsec"))
		return refuse(why, -EINVAL, "policy: --pol takes none or ipsec, not \"%s\"", call->arg);
	return 0;
}

static int parse_next(struct opt_call *call, struct refusal *why)
{
	struct xt_policy_info *info = call->info;

	if (++info->len == XT_POLICY_MAX_ELEM)
		return refuse(why, -EINVAL, "policy: at most %d elements", XT_POLICY_MAX_ELEM);
	return 0;
}

static int parse_address(const struct opt_call *call, union xt_policy_addr *addr, union xt_policy_addr *mask,
			 struct refusal *why)
{
	union nf_inet_addr a = { 0 }, m;
	int err = opt_host_mask(call, call->arg, &a, &m, why);

	memcpy(addr, &a, sizeof(*addr));
	memcpy(mask, &m, sizeof(*mask));
	return err;
}

static bool proto_is_ipsec(uint8_t proto)
{
	return proto == IPPROTO_ESP || proto == IPPROTO_AH || proto == IPPROTO_COMP;
}

/* One property of the element that is being described; .set_bits says which. */
static int parse_property(struct opt_call *call, struct refusal *why)
{
	struct xt_policy_info *info = call->info;
	struct xt_policy_elem *e = &info->pol[info->len];
	uint8_t bit = call->opt->min;
	uint64_t number = 0;
	int err = 0;

	if (spec_bits(&e->match) & bit)
		return refuse(why, -EINVAL, "policy: --%s can only be given once per element", call->opt->name);
	if ((bit == BIT_SPI || bit == BIT_REQID) && !opt_u64(call->arg, 0, UINT32_MAX, &number))
		return refuse(why, -EINVAL, "policy: --%s takes a number, not \"%s\"", call->opt->name, call->arg);
	if (bit == BIT_SADDR)
		err = parse_address(call, &e->saddr, &e->smask, why);
	else if (bit == BIT_DADDR)
		err = parse_address(call, &e->daddr, &e->dmask, why);
	else if (bit == BIT_PROTO)
		err = opt_proto(call->arg, &e->proto, why);
	else if (bit == BIT_MODE)
		e->mode = strcmp(call->arg, "tunnel") == 0 ? XT_POLICY_MODE_TUNNEL : XT_POLICY_MODE_TRANSPORT;
	else if (bit == BIT_SPI)
		e->spi = number;	/* not turned to network order, as upstream does not */
	else
		e->reqid = number;
	if (err)
		return err;
	if (bit == BIT_MODE && e->mode == XT_POLICY_MODE_TRANSPORT && strcmp(call->arg, "transport"))
		return refuse(why, -EINVAL, "policy: --mode takes transport or tunnel, not \"%s\"", call->arg);
	if (bit == BIT_PROTO && !proto_is_ipsec(e->proto))
		return refuse(why, -EINVAL, "policy: --proto takes ah, esp or ipcomp, not \"%s\"", call->arg);
	*(uint8_t *)&e->match |= bit;
	if (call->invert)
		*(uint8_t *)&e->invert |= bit;
	return 0;
}

#define PROPERTY(n, bit, a, h) { .name = n, .type = OPT_CUSTOM, .flags = OPT_INVERTIBLE | OPT_REPEATABLE, .min = bit, \
	.parse = parse_property, .arg = a, .help = h }

static const struct opt policy_options[] = {
	{ .name = "dir", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_dir, .arg = "in|out",
	  .help = "match policy applied during decapsulation or to be applied during encapsulation" },
	{ .name = "pol", .type = OPT_CUSTOM, .parse = parse_pol, .arg = "none|ipsec", .help = "match policy; no packet here has passed IPsec" },
	{ .name = "strict", .type = OPT_FLAG, .set_at = offsetof(struct xt_policy_info, flags),
	  .set_bits = XT_POLICY_MATCH_STRICT, .set_width = 2, .help = "match entire policy instead of single element at any position" },
	PROPERTY("reqid", BIT_REQID, "reqid", "match reqid"), PROPERTY("spi", BIT_SPI, "spi", "match SPI"),
	PROPERTY("proto", BIT_PROTO, "proto", "match protocol (ah/esp/ipcomp)"),
	PROPERTY("mode", BIT_MODE, "mode", "match mode (transport/tunnel)"),
	PROPERTY("tunnel-src", BIT_SADDR, "addr/mask", "match tunnel source"),
	PROPERTY("tunnel-dst", BIT_DADDR, "addr/mask", "match tunnel destination"),
	{ .name = "next", .type = OPT_FLAG, .flags = OPT_REPEATABLE, .parse = parse_next, .help = "begin next element in policy" },
	OPT_END
};

static int policy_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	struct xt_policy_info *info = data;
	bool strict = info->flags & XT_POLICY_MATCH_STRICT;

	if (info->flags & XT_POLICY_MATCH_NONE) {
		if (strict || info->len)
			return refuse(why, -EINVAL, "policy: --pol none leaves nothing to describe");
	} else {
		info->len++;
	}
	if (!strict && info->len > 1)
		return refuse(why, -EINVAL, "policy: several elements need --strict");
	for (unsigned int i = 0; i < info->len; i++) {
		const struct xt_policy_elem *e = &info->pol[i];
		bool tunnel = (e->mode == XT_POLICY_MODE_TUNNEL) != e->invert.mode;

		if (strict && !spec_bits(&e->match))
			return refuse(why, -EINVAL, "policy: element %u says nothing, which --strict does not allow", i);
		if ((e->match.saddr || e->match.daddr) && !tunnel)
			return refuse(why, -EINVAL, "policy: --tunnel-src and --tunnel-dst need --mode tunnel");
	}
	return 0;
}

static void add_address(struct strbuf *out, const struct ext_view *view, const union xt_policy_addr *addr,
			const union xt_policy_addr *mask)
{
	struct ext_view numeric = *view;
	union nf_inet_addr a, m;

	numeric.numeric = true;
	memcpy(&a, addr, sizeof(a));
	memcpy(&m, mask, sizeof(m));
	print_addr_mask(out, view->family, &a, &m, &numeric);
}

static void add_element(struct strbuf *out, const struct ext_view *view, const struct xt_policy_elem *e, const char *dashes,
			bool numeric)
{
	const char *proto = numeric ? NULL : e->proto == IPPROTO_ESP ? "esp" : e->proto == IPPROTO_AH ? "ah" :
			    e->proto == IPPROTO_COMP ? "ipcomp" : NULL;

#define WORD(field, word) sb_printf(out, "%s %s" word, e->invert.field ? " !" : "", dashes)
	if (e->match.reqid) {
		WORD(reqid, "reqid");
		sb_printf(out, " %u", e->reqid);
	}
	if (e->match.spi) {
		WORD(spi, "spi");
		sb_printf(out, " 0x%x", e->spi);
	}
	if (e->match.proto) {
		WORD(proto, "proto");
		if (proto)
			sb_printf(out, " %s", proto);
		else
			sb_printf(out, " %u", e->proto);
	}
	if (e->match.mode) {
		WORD(mode, "mode");
		sb_adds(out, e->mode == XT_POLICY_MODE_TUNNEL ? " tunnel" : " transport");
	}
	if (e->match.daddr) {
		WORD(daddr, "tunnel-dst");
		add_address(out, view, &e->daddr, &e->dmask);
	}
	if (e->match.saddr) {
		WORD(saddr, "tunnel-src");
		add_address(out, view, &e->saddr, &e->smask);
	}
#undef WORD
}

static void add_policy(struct strbuf *out, const struct ext_view *view, const struct xt_policy_info *info, const char *dashes,
		       bool numeric)
{
	sb_printf(out, " %sdir %s %spol %s", dashes, info->flags & XT_POLICY_MATCH_IN ? "in" : "out", dashes,
		  info->flags & XT_POLICY_MATCH_NONE ? "none" : "ipsec");
	if (info->flags & XT_POLICY_MATCH_STRICT)
		sb_printf(out, " %sstrict", dashes);
	for (unsigned int i = 0; i < MIN_OF(info->len, XT_POLICY_MAX_ELEM); i++) {
		if (!dashes[0] && info->len > 1)
			sb_printf(out, " [%u]", i);
		if (dashes[0] && i)
			sb_adds(out, " --next");
		add_element(out, view, &info->pol[i], dashes, numeric);
	}
}

static void policy_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	add_policy(out, view, data, "--", false);
}

static void policy_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " policy match");
	add_policy(out, view, data, "", view->numeric);
}

static const struct ext_text policy_text = {
	.options = policy_options, .help_head = "policy match options:", .finish = policy_finish,
	.save = policy_save, .print = policy_print,
};

const struct match match_policy = {
	.name = "policy", .families = FAMILY_ANY, .info_size = sizeof(struct xt_policy_info), .depends = DEP_NOTHING,
	.match = policy_match, .classify = class_rule_nothing, .checkentry = policy_check, .text = &policy_text,
};
