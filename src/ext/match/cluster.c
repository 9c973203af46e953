/*
 * ext/match/cluster.c - "-m cluster": is this node the one that a connection belongs to? A hash of the original
 * source says so, the kernel's own: nodes of both kinds can share the work.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_cluster.h>

#include "conntrack/conntrack.h"
#include "ext/option.h"

static bool is_multicast(const struct pkt *pkt, uint8_t family)
{
	return family == NFPROTO_IPV4 ? (ntohl(pkt_ip4(pkt)->daddr) & 0xf0000000) == 0xe0000000 :
	       pkt_ip6(pkt)->daddr.s6_addr[0] == 0xff;
}

static bool cluster_match(const struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_cluster_match_info *info = data;
	const struct ct *ct = pkt->ct;
	const union nf_inet_addr *src;
	uint32_t node;

	/* A switch floods frames for the cluster to a group address; from here on they count as sent to the host. */
	if (pkt->type == PACKET_MULTICAST && !is_multicast(pkt, call->family))
		((struct pkt *)pkt)->type = PACKET_HOST;
	if (!ct || (ct->status & IPS_TEMPLATE))
		return false;
	ct = ct_master(ct) ? ct_master(ct) : ct;
	src = &ct_tuple(ct, IP_CT_DIR_ORIGINAL)->src;
	/* of an IPv6 address, too, the kernel hashes the first word alone: networks, not hosts, are shared out */
	node = hash_scale(jhash_words(src->all, 1, info->hash_seed), info->total_nodes);
	return !!(info->node_mask & 1u << node) != !!(info->flags & XT_CLUSTER_F_INV);
}

static int cluster_check(void *data, const struct ext_check *check, struct refusal *why)
{
	const struct xt_cluster_match_info *info = data;
	int err;

	if (info->total_nodes > XT_CLUSTER_NODES_MAX)
		return refuse(why, -EINVAL, "cluster: at most %d nodes, not %u", XT_CLUSTER_NODES_MAX, info->total_nodes);
	if (info->node_mask >= 1ull << info->total_nodes)
		return refuse(why, -EDOM, "cluster: the mask %#x names more than %u nodes", info->node_mask, info->total_nodes);
	err = ct_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "cluster: connection tracking cannot be switched on") : 0;
}

static void cluster_destroy(void *data, const struct ext_check *check)
{
	ct_hooks_put(check->inst, check->family);
}

static int node_to_mask(struct opt_call *call, struct refusal *why)
{
	struct xt_cluster_match_info *info = call->info;

	info->node_mask = 1u << (info->node_mask - 1);
	return 0;
}

#define CLUSTER_INVERT .flags = OPT_INVERTIBLE, .invert_at = offsetof(struct xt_cluster_match_info, flags), \
	.invert_bits = XT_CLUSTER_F_INV, .invert_width = 4

static const struct opt cluster_options[] = {
	{ .name = "cluster-total-nodes", .type = OPT_U32, .size = 4, .min = 1, .max = XT_CLUSTER_NODES_MAX, .flags = OPT_REQUIRED,
	  .at = offsetof(struct xt_cluster_match_info, total_nodes), .arg = "num", .help = "set number of total nodes in cluster" },
	{ .name = "cluster-local-node", .type = OPT_U32, .size = 4, .min = 1, .max = XT_CLUSTER_NODES_MAX, CLUSTER_INVERT,
	  .at = offsetof(struct xt_cluster_match_info, node_mask), .parse = node_to_mask, .excludes = "cluster-local-nodemask",
	  .arg = "num", .help = "set the local node number" },
	/* upstream's own bounds: masks above 32 come from --cluster-local-node only */
	{ .name = "cluster-local-nodemask", .type = OPT_U32, .size = 4, .min = 1, .max = XT_CLUSTER_NODES_MAX, CLUSTER_INVERT, .excludes = "cluster-local-node",
	  .at = offsetof(struct xt_cluster_match_info, node_mask), .arg = "mask", .help = "set the local node mask" },
	{ .name = "cluster-hash-seed", .type = OPT_U32, .size = 4, .flags = OPT_REQUIRED,
	  .at = offsetof(struct xt_cluster_match_info, hash_seed), .arg = "num", .help = "set seed value of the Jenkins hash" },
	OPT_END
};

static int cluster_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const struct xt_cluster_match_info *info = data;

	if (!(seen & (1 << 1 | 1 << 2)))
		return refuse(why, -EINVAL, "cluster: --cluster-local-node or --cluster-local-nodemask is required");
	if (info->node_mask >= 1ull << info->total_nodes)
		return refuse(why, -EINVAL, "cluster: the mask %#x names more than %u nodes", info->node_mask, info->total_nodes);
	return 0;
}

static void cluster_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cluster_match_info *info = data;

	sb_printf(out, "%s --cluster-local-nodemask 0x%08x --cluster-total-nodes %u --cluster-hash-seed 0x%08x",
		  info->flags & XT_CLUSTER_F_INV ? " !" : "", info->node_mask, info->total_nodes, info->hash_seed);
}

static void cluster_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_cluster_match_info *info = data;

	sb_printf(out, " cluster %snode_mask=0x%08x total_nodes=%u hash_seed=0x%08x",
		  info->flags & XT_CLUSTER_F_INV ? "!" : "", info->node_mask, info->total_nodes, info->hash_seed);
}

static const struct ext_text cluster_text = {
	.options = cluster_options, .help_head = "cluster match options:", .finish = cluster_finish,
	.save = cluster_save, .print = cluster_print,
};

const struct match match_cluster = {
	.name = "cluster", .families = FAMILY_ANY, .info_size = sizeof(struct xt_cluster_match_info),
	/* it may change the packet's type: never cached */
	.depends = DEP_CT_TUPLE | DEP_CT_STATE | DEP_PKT_TYPE | DEP_L3_ADDRS | DEP_STATE,
	.match = cluster_match, .checkentry = cluster_check, .destroy = cluster_destroy, .text = &cluster_text,
};
