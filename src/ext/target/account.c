/*
 * ext/target/account.c - "-j ACCOUNT": counts what each host of a network sends and gets, and lets the packet go on. The tables are read
 * through a file here, /proc/net/xt_ACCOUNT/NAME, where Linux has socket options of its own for it. (xtables-addons, IPv4)
 */
#include "base/uapi.h"

#include <inttypes.h>
#include <stdio.h>

#include "ext/addons.h"
#include "ext/peraddr.h"

static unsigned int account_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	struct peraddr *table = peraddr_numbered(call->inst, ((const struct ipt_acc_info *)data)->table_nr);

	if (table)
		peraddr_add(table, ntohl(ip->saddr), ntohl(ip->daddr), ip->protocol, pkt->len);
	return XT_CONTINUE;
}

static void print_host(struct strbuf *out, uint32_t addr, const struct peraddr_slot *slot, const struct instance *inst)
{
	uint64_t sums[4] = { 0 };

	for (unsigned int i = 0; i < PERADDR_PROTOS; i++) {
		sums[0] += slot->src.packets[i];
		sums[1] += slot->src.bytes[i];
		sums[2] += slot->dst.packets[i];
		sums[3] += slot->dst.bytes[i];
	}
	sb_printf(out, "IP: %u.%u.%u.%u SRC packets: %" PRIu64 " bytes: %" PRIu64 " DST packets: %" PRIu64 " bytes: %" PRIu64 "\n",
		  addr >> 24, addr >> 16 & 0xff, addr >> 8 & 0xff, addr & 0xff, sums[0], sums[1], sums[2], sums[3]);
}

static int account_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct ipt_acc_info *info = data;
	struct peraddr *table;
	char path[96];
	int err;

	if (!is_shared_name(info->table_name, sizeof(info->table_name)))
		return refuse(why, -EINVAL, "ACCOUNT: \"%.*s\" cannot be a table's name", (int)sizeof(info->table_name),
			      info->table_name);
	snprintf(path, sizeof(path), "/proc/net/xt_ACCOUNT/%s", info->table_name);
	err = peraddr_get(check->inst, path, ntohl(info->net_ip), ntohl(info->net_mask), print_host, true, &table, why);
	if (!err)
		info->table_nr = peraddr_number(table);
	return err;
}

static void account_destroy(void *data, const struct ext_check *check)
{
	peraddr_put(peraddr_numbered(check->inst, ((struct ipt_acc_info *)data)->table_nr));
}

static int parse_addr(struct opt_call *call, struct refusal *why)
{
	struct ipt_acc_info *info = call->info;
	union nf_inet_addr addr, mask;
	int err = opt_addr_mask(call->arg, NFPROTO_IPV4, &addr, &mask, why);

	if (!err) {
		info->net_ip = addr.ip;
		info->net_mask = mask.ip;
	}
	return err;
}

static const struct opt account_options[] = {
	{ .name = "addr", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_addr, .arg = "network/netmask",
	  .help = "the network whose hosts are counted; 0.0.0.0/0: one sum for everything" },
	{ .name = "tname", .type = OPT_TEXT, .flags = OPT_REQUIRED, .at = offsetof(struct ipt_acc_info, table_name),
	  .size = sizeof(((struct ipt_acc_info *)0)->table_name), .arg = "name", .help = "name of the table" },
	OPT_END
};

static void account_show(const struct ipt_acc_info *info, const char *addr_word, const char *name_word, struct strbuf *out)
{
	const struct ext_view view = { .family = NFPROTO_IPV4, .numeric = true };
	union nf_inet_addr addr = { .ip = info->net_ip }, mask = { .ip = info->net_mask };

	sb_printf(out, " %s", addr_word);
	print_addr_mask(out, NFPROTO_IPV4, &addr, &mask, &view);
	sb_printf(out, " %s %.*s", name_word, (int)sizeof(info->table_name), info->table_name);
}

static void account_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	account_show(data, "--addr", " --tname", out);
}

static void account_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	account_show(data, "ACCOUNT addr", "tname", out);
}

static const struct ext_text account_text = {
	.options = account_options, .help_head = "ACCOUNT target options:", .save = account_save, .print = account_print,
};

const struct target target_account = {
	.name = "ACCOUNT", .revision = 1, .families = FAMILY_V4, .info_size = sizeof(struct ipt_acc_info),
	.user_size = offsetof(struct ipt_acc_info, table_nr), .depends = DEP_STATE, .target = account_target,
	.checkentry = account_check, .destroy = account_destroy, .text = &account_text,
};
