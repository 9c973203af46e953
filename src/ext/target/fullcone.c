/*
 * ext/target/fullcone.c - "-j FULLCONE", weir's own and not Linux's: MASQUERADE whose UDP mappings are open to
 * everybody (nat/cone.c). In POSTROUTING it gives mappings, in PREROUTING it lets in who sends to one.
 */
#include <errno.h>

#include "ext/natrange.h"

static unsigned int fullcone(struct pkt *pkt, const void *info, struct ext_call *call)
{
	unsigned int verdict;

	if (call->state->hooknum == NF_INET_POST_ROUTING)
		return nat_cone_out(pkt, info, call->state);
	return nat_cone_in(pkt, call->state, &verdict) ? verdict : XT_CONTINUE;
}

static int fullcone_check(void *info, const struct ext_check *check, struct refusal *why)
{
	const struct nf_nat_range2 *range = info;

	if (range->flags & ~(NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY))
		return refuse(why, -EINVAL, "FULLCONE: unknown flags %#x", range->flags);
	return natrange_track(check, why);
}

static int fullcone_parse(struct opt_call *call, struct refusal *why)
{
	return natrange_parse_ports(call, call->info, why);
}

static void fullcone_save(const void *info, const struct ext_view *view, struct strbuf *out)
{
	natrange_print(info, view->family, "--to-ports ", "--", true, out);
}

static void fullcone_print(const void *info, const struct ext_view *view, struct strbuf *out)
{
	natrange_print(info, view->family, "full cone ports: ", "", true, out);
}

static const struct opt fullcone_options[] = {
	{ .name = "to-ports", .type = OPT_CUSTOM, .parse = fullcone_parse, .arg = "<port>[-<port>]", .help = "port (range) to map to" },
	NATRANGE_FLAG_ROW("random", offsetof(struct nf_nat_range2, flags), NF_NAT_RANGE_PROTO_RANDOM, "pick ports at random"),
	OPT_END
};

static const struct ext_text fullcone_text = {
	.options = fullcone_options, .help_head = "FULLCONE target options (weir's own, not Linux's):",
	.save = fullcone_save, .print = fullcone_print,
};

const struct target target_fullcone = {
	.name = "FULLCONE", .revision = 0, .families = FAMILY_V4 | FAMILY_V6, .info_size = sizeof(struct nf_nat_range2),
	.table = "nat", .hooks = 1 << NF_INET_POST_ROUTING | 1 << NF_INET_PRE_ROUTING, .depends = DEP_CT_TUPLE | DEP_ROUTE,
	.target = fullcone, .checkentry = fullcone_check, .destroy = natrange_untrack, .text = &fullcone_text,
};
