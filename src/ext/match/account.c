/*
 * ext/match/account.c - "-m account": counts what each host of a network sends and gets, by protocol; it always matches.
 * /proc/net/ipt_account/NAME shows the hosts that were seen; "reset" written to it lets them begin again. (patch-o-matic, IPv4)
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <stdio.h>

#include "ext/addons.h"
#include "ext/peraddr.h"

enum { NAME_LEN = 64 };

/* Patch-o-matic's layout: name, network, mask, short listing, and the kernel's own. */
struct account_info {
	char name[NAME_LEN];
	be32 network, netmask;
	int32_t shortlisting;
	struct peraddr *table __attribute__((aligned(8)));
};

static bool account_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct iphdr *ip = pkt_ip4(pkt);

	peraddr_add(((const struct account_info *)data)->table, ntohl(ip->saddr), ntohl(ip->daddr), ip->protocol, pkt->len);
	return true;
}

static void add_counts(struct strbuf *out, const char *side, const struct peraddr_count *c)
{
	sb_printf(out, " bytes_%s =", side);
	for (unsigned int i = 0; i < PERADDR_PROTOS; i++)
		sb_printf(out, " %" PRIu64, c->bytes[i]);
	sb_printf(out, " packets_%s =", side);
	for (unsigned int i = 0; i < PERADDR_PROTOS; i++)
		sb_printf(out, " %" PRIu64, c->packets[i]);
}

static void add_sum(struct strbuf *out, const char *side, const struct peraddr_count *c)
{
	uint64_t bytes = 0, packets = 0;

	for (unsigned int i = 0; i < PERADDR_PROTOS; i++) {
		bytes += c->bytes[i];
		packets += c->packets[i];
	}
	sb_printf(out, " bytes_%s = %" PRIu64 " packets_%s = %" PRIu64, side, bytes, side, packets);
}

static void print_host(struct strbuf *out, uint32_t addr, const struct peraddr_slot *slot, const struct instance *inst,
		       void (*add)(struct strbuf *, const char *, const struct peraddr_count *))
{
	sb_printf(out, "ip = %u.%u.%u.%u", addr >> 24, addr >> 16 & 0xff, addr >> 8 & 0xff, addr & 0xff);
	add(out, "src", &slot->src);
	add(out, "dst", &slot->dst);
	sb_printf(out, " time = %" PRId64 "\n", (inst->now_ns - slot->last_ns) / NSEC_PER_SEC);
}

static void print_long(struct strbuf *out, uint32_t addr, const struct peraddr_slot *slot, const struct instance *inst)
{
	print_host(out, addr, slot, inst, add_counts);
}

static void print_short(struct strbuf *out, uint32_t addr, const struct peraddr_slot *slot, const struct instance *inst)
{
	print_host(out, addr, slot, inst, add_sum);
}

static int account_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct account_info *info = data;
	char path[96];

	if (!is_shared_name(info->name, sizeof(info->name)))
		return refuse(why, -EINVAL, "account: \"%.*s\" cannot be the name of a file", NAME_LEN, info->name);
	snprintf(path, sizeof(path), "/proc/net/ipt_account/%s", info->name);
	return peraddr_get(check->inst, path, ntohl(info->network), ntohl(info->netmask), info->shortlisting ? print_short : print_long,
			   info->shortlisting, &info->table, why);
}

static void account_destroy(void *data, const struct ext_check *check)
{
	peraddr_put(((struct account_info *)data)->table);
}

static void account_init(void *data)
{
	snprintf(((struct account_info *)data)->name, NAME_LEN, "DEFAULT");
}

static int parse_net(struct opt_call *call, struct refusal *why)
{
	struct account_info *info = call->info;
	union nf_inet_addr addr, mask;
	int err = opt_addr_mask(call->arg, NFPROTO_IPV4, &addr, &mask, why);

	if (!err) {
		info->network = addr.ip;
		info->netmask = mask.ip;
	}
	return err;
}

static const struct opt account_options[] = {
	{ .name = "aaddr", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_net, .arg = "network/netmask",
	  .help = "the network whose hosts are counted" },
	{ .name = "aname", .type = OPT_TEXT, .at = offsetof(struct account_info, name), .size = NAME_LEN, .arg = "name",
	  .help = "name of the table: /proc/net/ipt_account/name (default DEFAULT)" },
	{ .name = "ashort", .type = OPT_FLAG, .set_at = offsetof(struct account_info, shortlisting), .set_bits = 1, .set_width = 4,
	  .help = "one sum for all protocols" },
	OPT_END
};

static void account_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct account_info *info = data;
	char addr[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN];

	sb_printf(out, " --aaddr %s/%s --aname %.*s ", inet_ntop(AF_INET, &info->network, addr, sizeof(addr)),
		  inet_ntop(AF_INET, &info->netmask, mask, sizeof(mask)), NAME_LEN, info->name);
	if (info->shortlisting)
		sb_adds(out, "--ashort ");
}

static void account_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	sb_adds(out, " account:");
	account_save(data, view, out);
}

static const struct ext_text account_text = {
	.options = account_options, .help_head = "account match options:", .init = account_init,
	.save = account_save, .print = account_print,
};

const struct match match_account = {
	.name = "account", .families = FAMILY_V4, .info_size = sizeof(struct account_info),
	.user_size = offsetof(struct account_info, table), .depends = DEP_STATE, .match = account_match,
	.checkentry = account_check, .destroy = account_destroy, .text = &account_text,
};
