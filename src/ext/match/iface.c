/*
 * ext/match/iface.c - "-m iface": the state of an interface: one by its name, or that which the packet comes in or leaves by.
 * One that is not there matches nothing. An interface that is up runs: weir knows no carrier. (xtables-addons)
 */
#include "base/uapi.h"

#include "ext/addons.h"

enum { STATES = 11 };

static unsigned int states_of(const struct iface *i)
{
	return (i->up ? XT_IFACE_UP | XT_IFACE_RUNNING | XT_IFACE_LOWER_UP : 0) | (i->is_loopback ? XT_IFACE_LOOPBACK : 0) |
	       (i->type == ARPHRD_ETHER ? XT_IFACE_BROADCAST : 0) | (i->is_pointopoint ? XT_IFACE_POINTOPOINT : 0) |
	       (i->noarp ? XT_IFACE_NOARP : 0) | (i->promisc ? XT_IFACE_PROMISC : 0) | (i->multicast ? XT_IFACE_MULTICAST : 0);
}

static bool iface_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_iface_mtinfo *info = data;
	const unsigned int asked = info->flags & ((1 << STATES) - 1);
	const struct iface *iface = info->flags & XT_IFACE_DEV_IN ? call->state->in :
				    info->flags & XT_IFACE_DEV_OUT ? call->state->out : iface_find(call->inst, info->ifname);

	return iface && ((states_of(iface) ^ info->invflags) & asked) == asked;
}

static int iface_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct xt_iface_mtinfo *info = data;

	if (!memchr(info->ifname, '\0', sizeof(info->ifname)))
		return refuse(why, -EINVAL, "iface: the interface's name does not end");
	return 0;
}

/* Two words for one state: --down is ! --up. The row's .size says so. */
static int parse_state(struct opt_call *call, struct refusal *why)
{
	struct xt_iface_mtinfo *info = call->info;

	if (info->flags & call->opt->at)
		return refuse(why, -EINVAL, "iface: --%s can only be given once", call->opt->name);
	info->flags |= call->opt->at;
	if (call->invert != !!call->opt->size)
		info->invflags |= call->opt->at;
	return 0;
}

static int parse_name(struct opt_call *call, struct refusal *why)
{
	if (!*call->arg || strlen(call->arg) >= IFNAMSIZ)
		return refuse(why, -EINVAL, "iface: \"%s\" is not an interface name", call->arg);
	return 0;
}

#define STATE(n, bit, opposite, h) { .name = n, .type = OPT_FLAG, .flags = OPT_INVERTIBLE, .parse = parse_state, \
	.at = bit, .size = opposite, .help = h }
#define WHICH "iface dev-in dev-out"

static const struct opt iface_options[] = {
	STATE("up", XT_IFACE_UP, 0, "it is up"), STATE("broadcast", XT_IFACE_BROADCAST, 0, "it can broadcast"),
	STATE("loopback", XT_IFACE_LOOPBACK, 0, "it is a loopback"), STATE("pointopoint", XT_IFACE_POINTOPOINT, 0, "it is point-to-point"),
	STATE("running", XT_IFACE_RUNNING, 0, "it runs"), STATE("noarp", XT_IFACE_NOARP, 0, "it does no ARP"),
	STATE("promisc", XT_IFACE_PROMISC, 0, "it takes all packets"), STATE("multicast", XT_IFACE_MULTICAST, 0, "it can multicast"),
	STATE("dynamic", XT_IFACE_DYNAMIC, 0, "its addresses go when it goes down"),
	STATE("lower-up", XT_IFACE_LOWER_UP, 0, "its link is up"), STATE("dormant", XT_IFACE_DORMANT, 0, "it is dormant"),
	STATE("down", XT_IFACE_UP, 1, "it is down"), STATE("arp", XT_IFACE_NOARP, 1, "it does ARP"),
	{ .name = "pointtopoint", .type = OPT_FLAG, .same_as = "pointopoint" },
	{ .name = "iface", .type = OPT_TEXT, .at = offsetof(struct xt_iface_mtinfo, ifname), .size = IFNAMSIZ, .parse = parse_name,
	  .excludes = WHICH, .arg = "name", .help = "the interface of this name" },
	{ .name = "dev-in", .type = OPT_FLAG, .set_at = offsetof(struct xt_iface_mtinfo, flags), .set_bits = XT_IFACE_DEV_IN,
	  .set_width = 2, .excludes = WHICH, .help = "the interface that the packet came in by" },
	{ .name = "dev-out", .type = OPT_FLAG, .set_at = offsetof(struct xt_iface_mtinfo, flags), .set_bits = XT_IFACE_DEV_OUT,
	  .set_width = 2, .excludes = WHICH, .help = "the interface that the packet leaves by" },
	OPT_END
};

static int iface_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const struct xt_iface_mtinfo *info = data;

	if (!info->ifname[0] && !(info->flags & (XT_IFACE_DEV_IN | XT_IFACE_DEV_OUT)))
		return refuse(why, -EINVAL, "iface: --iface, --dev-in or --dev-out is required");
	if (!(info->flags & ((1 << STATES) - 1)))
		return refuse(why, -EINVAL, "iface: a state is required");
	return 0;
}

static void iface_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_iface_mtinfo *info = data;

	if (info->flags & XT_IFACE_DEV_IN)
		sb_adds(out, " --dev-in");
	else if (info->flags & XT_IFACE_DEV_OUT)
		sb_adds(out, " --dev-out");
	else
		sb_printf(out, " --iface %s", info->ifname);
	for (unsigned int i = 0; i < STATES; i++)
		if (info->flags & 1 << i)
			sb_printf(out, "%s --%s", info->invflags & 1 << i ? " !" : "", iface_options[i].name);
	sb_addc(out, ' ');
}

static void iface_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " -m iface");
	iface_save(data, view, out);
}

static const struct ext_text iface_text = {
	.options = iface_options, .help_head = "iface match options:", .finish = iface_finish,
	.save = iface_save, .print = iface_print,
};

const struct match match_iface = {
	.name = "iface", .families = FAMILY_ANY, .info_size = sizeof(struct xt_iface_mtinfo), .depends = DEP_STATE,
	.match = iface_match, .checkentry = iface_check, .text = &iface_text,
};
