/*
 * ext/target/clusterip.c - "-j CLUSTERIP": one address on several hosts; each takes the packets whose hash is its own.
 * Linux has removed this target (6.4); weir keeps what its last version did to packets, for rule sets that still name it: the
 * hash and the drop, the connection's mark, /proc/net/ipt_CLUSTERIP/ADDRESS. ARP is not answered in the cluster's name.
 */
#include "base/uapi.h"

#include <linux/netfilter_ipv4/ipt_CLUSTERIP.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/procfs.h"
#include "conntrack/conntrack.h"
#include "ext/option.h"
#include "ext/state.h"

enum { NODES_MAX = 64 };	/* bits of a cluster's local nodes */

struct cluster {
	struct list node;
	be32 addr;
	uint8_t mac[ETH_ALEN];
	uint16_t total;
	uint32_t mode, seed;
	uint64_t local;			/* bit n - 1: node n is us */
	unsigned int rules;
};

struct clusters { struct list all; };

static void clusters_init(struct instance *inst, void *state)
{
	list_init(&((struct clusters *)state)->all);
}

static const struct ext_state_kind cluster_kind = { .size = sizeof(struct clusters), .init = clusters_init };

static uint32_t node_of(const struct cluster *cluster, const struct pkt *pkt)
{
	const struct iphdr *ip = pkt_ip4(pkt);
	uint32_t words[3] = { ntohl(ip->saddr), 0, 0 };
	bool has_ports = ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_DCCP ||
			 ip->protocol == IPPROTO_ESP || ip->protocol == IPPROTO_SCTP || ip->protocol == IPPROTO_UDPLITE;
	const uint8_t *ports = has_ports || ip->protocol == IPPROTO_AH ?
			       pkt_at(pkt, ip->ihl * 4 + (has_ports ? 0 : 4), 4) : NULL;
	be16 port[2] = { 0, 0 };

	if (ports)
		memcpy(port, ports, sizeof(port));
	words[1] = port[0];
	words[2] = port[1];
	return hash_scale(jhash_words(words, cluster->mode + 1, cluster->seed), cluster->total) + 1;
}

static unsigned int clusterip_target(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct cluster *cluster = (const struct cluster *)((const struct ipt_clusterip_tgt_info *)data)->config;
	uint32_t node;

	if (!pkt->ct)
		return NF_DROP;
	if (pkt_ip4(pkt)->protocol == IPPROTO_ICMP && (pkt->ctinfo == IP_CT_RELATED || pkt->ctinfo == IP_CT_RELATED_REPLY))
		return XT_CONTINUE;
	node = node_of(cluster, pkt);
	if (pkt->ctinfo == IP_CT_NEW)
		pkt->ct->mark = node;
	if (!(cluster->local >> (node - 1) & 1))
		return NF_DROP;
	pkt->type = PACKET_HOST;	/* it came to a group's MAC, but it is ours */
	return XT_CONTINUE;
}

/* --- /proc/net/ipt_CLUSTERIP/ADDRESS --- */

static void cluster_print(void *priv, struct strbuf *out)
{
	const struct cluster *cluster = priv;
	const char *between = "";

	for (unsigned int n = 1; n <= NODES_MAX; n++) {
		if (cluster->local >> (n - 1) & 1) {
			sb_printf(out, "%s%u", between, n);
			between = ",";
		}
	}
	sb_addc(out, '\n');
}

static int cluster_write(void *priv, const char *text, size_t len, struct refusal *why)
{
	struct cluster *cluster = priv;
	char word[16] = "";
	uint64_t n, bit;

	if (len && len < sizeof(word))
		memcpy(word, text, len);
	word[strcspn(word, "\n")] = '\0';
	if ((*word != '+' && *word != '-') || !opt_u64(word + 1, 1, MIN_OF(cluster->total, (uint16_t)NODES_MAX), &n))
		return refuse(why, -EIO, "CLUSTERIP: the file takes +N or -N, N a node");
	bit = 1ull << (n - 1);
	if (!!(cluster->local & bit) == (*word == '+'))
		return refuse(why, -ENOENT, "CLUSTERIP: node %u is %s", (unsigned int)n, *word == '+' ? "local already" : "not local");
	cluster->local ^= bit;
	return 0;
}

static void path_of(const struct cluster *cluster, char path[64])
{
	char addr[INET_ADDRSTRLEN];

	snprintf(path, 64, "/proc/net/ipt_CLUSTERIP/%s", inet_ntop(AF_INET, &cluster->addr, addr, sizeof(addr)));
}

/* --- rules --- */

static struct cluster *cluster_find(const struct clusters *clusters, be32 addr)
{
	list_for_each(node, &clusters->all)
		if (list_entry(node, struct cluster, node)->addr == addr)
			return list_entry(node, struct cluster, node);
	return NULL;
}

static struct cluster *cluster_new(struct instance *inst, struct clusters *clusters, const struct ipt_clusterip_tgt_info *info,
				   be32 addr)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	char path[64];

	if (!cluster)
		return NULL;
	cluster->addr = addr;
	memcpy(cluster->mac, info->clustermac, ETH_ALEN);
	cluster->total = info->num_total_nodes;
	cluster->mode = info->hash_mode;
	cluster->seed = info->hash_initval;
	for (unsigned int i = 0; i < info->num_local_nodes; i++)
		cluster->local |= 1ull << (info->local_nodes[i] - 1);
	path_of(cluster, path);
	if (proc_register(inst->files, &(struct proc_file){ path, cluster_print, cluster_write, cluster })) {
		free(cluster);
		return NULL;
	}
	list_push(&clusters->all, &cluster->node);
	return cluster;
}

static int clusterip_check(void *data, const struct ext_check *check, struct refusal *why)
{
	struct ipt_clusterip_tgt_info *info = data;
	const struct ipt_entry *entry = check->entry;
	struct clusters *clusters = ext_state(check->inst, &cluster_kind);
	struct cluster *cluster;

	if (!clusters)
		return refuse(why, -ENOMEM, "CLUSTERIP: no memory");
	if (info->hash_mode > CLUSTERIP_HASHMODE_MAX)
		return refuse(why, -EINVAL, "CLUSTERIP: unknown hash mode %u", info->hash_mode);
	if (entry->ip.dmsk.s_addr != htonl(0xffffffff) || !entry->ip.dst.s_addr)
		return refuse(why, -EINVAL, "CLUSTERIP: the rule needs -d with the cluster's address");
	if (info->num_local_nodes > CLUSTERIP_MAX_NODES)
		return refuse(why, -EINVAL, "CLUSTERIP: more local nodes than there can be");
	for (unsigned int i = 0; i < info->num_local_nodes; i++)
		if (info->local_nodes[i] < 1 || info->local_nodes[i] > NODES_MAX)
			return refuse(why, -EINVAL, "CLUSTERIP: there is no node %u", info->local_nodes[i]);
	cluster = cluster_find(clusters, entry->ip.dst.s_addr);
	if (cluster && memcmp(cluster->mac, info->clustermac, ETH_ALEN))
		return refuse(why, -EINVAL, "CLUSTERIP: the address has another MAC already");
	if (!cluster) {
		if (!(info->flags & CLUSTERIP_FLAG_NEW))
			return refuse(why, -EINVAL, "CLUSTERIP: the address is not known yet: --new is needed");
		if (!entry->ip.iniface[0])
			return refuse(why, -EINVAL, "CLUSTERIP: a new address needs -i with its interface");
		if (!info->num_total_nodes)
			return refuse(why, -EINVAL, "CLUSTERIP: a cluster has at least one node");
	}
	if (ct_hooks_get(check->inst, check->family))
		return refuse(why, -ENOMEM, "CLUSTERIP: no memory");
	if (!cluster)
		cluster = cluster_new(check->inst, clusters, info, entry->ip.dst.s_addr);
	if (!cluster) {
		ct_hooks_put(check->inst, check->family);
		return refuse(why, -ENOMEM, "CLUSTERIP: no memory");
	}
	cluster->rules++;
	info->config = (struct clusterip_config *)cluster;
	return 0;
}

static void clusterip_destroy(void *data, const struct ext_check *check)
{
	struct cluster *cluster = (struct cluster *)((struct ipt_clusterip_tgt_info *)data)->config;
	char path[64];

	ct_hooks_put(check->inst, check->family);
	if (--cluster->rules)
		return;
	path_of(cluster, path);
	proc_unregister(check->inst->files, path);
	list_remove(&cluster->node);
	free(cluster);
}

/* --- text --- */

static const char *const mode_words[] = { "sourceip", "sourceip-sourceport", "sourceip-sourceport-destport" };

static int parse_mode(struct opt_call *call, struct refusal *why)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(mode_words); i++) {
		if (strcmp(call->arg, mode_words[i]) == 0) {
			((struct ipt_clusterip_tgt_info *)call->info)->hash_mode = i;
			return 0;
		}
	}
	return refuse(why, -EINVAL, "CLUSTERIP: \"%s\" is not a hash mode (%s, %s, %s)", call->arg, mode_words[0], mode_words[1], mode_words[2]);
}

static int parse_mac(struct opt_call *call, struct refusal *why)
{
	uint8_t *mac = ((struct ipt_clusterip_tgt_info *)call->info)->clustermac;
	const char *at = call->arg;

	for (unsigned int i = 0; i < ETH_ALEN; i++) {
		char *end;
		unsigned long byte = strtoul(at, &end, 16);

		if (end == at || end > at + 2 || byte > UINT8_MAX || *end != (i + 1 < ETH_ALEN ? ':' : '\0'))
			return refuse(why, -EINVAL, "CLUSTERIP: \"%s\" is not a MAC address", call->arg);
		mac[i] = (uint8_t)byte;
		at = end + 1;
	}
	if (!(mac[0] & 1))
		return refuse(why, -EINVAL, "CLUSTERIP: the MAC address must be a group's");
	return 0;
}

static int parse_node(struct opt_call *call, struct refusal *why)
{
	((struct ipt_clusterip_tgt_info *)call->info)->num_local_nodes = 1;
	return 0;
}

enum { ROW_NEW, ROW_MODE, ROW_MAC, ROW_TOTAL, ROW_LOCAL };

static const struct opt clusterip_options[] = {
	{ .name = "new", .type = OPT_FLAG, .set_at = offsetof(struct ipt_clusterip_tgt_info, flags), .set_bits = CLUSTERIP_FLAG_NEW,
	  .set_width = 4, .help = "make a cluster of the rule's destination" },
	{ .name = "hashmode", .type = OPT_CUSTOM, .parse = parse_mode, .arg = "mode",
	  .help = "sourceip, sourceip-sourceport or sourceip-sourceport-destport" },
	{ .name = "clustermac", .type = OPT_CUSTOM, .parse = parse_mac, .arg = "mac", .help = "the cluster's (multicast) MAC address" },
	{ .name = "total-nodes", .type = OPT_U16, .min = 1, .max = CLUSTERIP_MAX_NODES, .size = 2,
	  .at = offsetof(struct ipt_clusterip_tgt_info, num_total_nodes), .arg = "number", .help = "nodes of the cluster" },
	{ .name = "local-node", .type = OPT_U16, .min = 1, .max = CLUSTERIP_MAX_NODES, .size = 2, .parse = parse_node,
	  .at = offsetof(struct ipt_clusterip_tgt_info, local_nodes), .arg = "number", .help = "which of them this host is" },
	{ .name = "hash-init", .type = OPT_U32, .at = offsetof(struct ipt_clusterip_tgt_info, hash_initval), .size = 4, .arg = "number",
	  .help = "seed of the hash" },
	OPT_END
};

static int clusterip_finish(void *data, uint64_t seen, struct opt_call *call, struct refusal *why)
{
	const uint64_t all = 1 << ROW_NEW | 1 << ROW_MODE | 1 << ROW_MAC | 1 << ROW_TOTAL | 1 << ROW_LOCAL;

	if (seen && (seen & all) != all)
		return refuse(why, -EINVAL, "CLUSTERIP: --new goes with --hashmode, --clustermac, --total-nodes and --local-node");
	return 0;
}

static void clusterip_add(const struct ipt_clusterip_tgt_info *info, const char *mode_before, const char *between, bool saved,
			  struct strbuf *out)
{
	const uint8_t *mac = info->clustermac;

	sb_printf(out, "%s%s %s%s%02X:%02X:%02X:%02X:%02X:%02X", mode_before, mode_words[MIN_OF(info->hash_mode, 2u)],
		  saved ? "--clustermac" : "clustermac", between, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	sb_printf(out, saved ? " --total-nodes %u --local-node %u --hash-init %u" : " total_nodes=%u local_node=%u hash_init=%u",
		  info->num_total_nodes, info->local_nodes[0], info->hash_initval);
}

static void clusterip_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_clusterip_tgt_info *info = data;

	if (info->flags & CLUSTERIP_FLAG_NEW)
		clusterip_add(info, " --new --hashmode ", " ", true, out);
}

static void clusterip_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct ipt_clusterip_tgt_info *info = data;

	sb_adds(out, " CLUSTERIP");
	if (info->flags & CLUSTERIP_FLAG_NEW)
		clusterip_add(info, " hashmode=", "=", false, out);
}

static const struct ext_text clusterip_text = {
	.options = clusterip_options, .help_head = "CLUSTERIP target options:", .finish = clusterip_finish,
	.save = clusterip_save, .print = clusterip_print,
};

const struct target target_clusterip = {
	.name = "CLUSTERIP", .names_shared = true, .families = FAMILY_V4, .info_size = sizeof(struct ipt_clusterip_tgt_info),
	.user_size = offsetof(struct ipt_clusterip_tgt_info, config), .hooks = 1 << NF_INET_LOCAL_IN,
	.depends = DEP_STATE | DEP_CT_STATE | DEP_L3_ADDRS | DEP_L4_PORTS, .target = clusterip_target,
	.checkentry = clusterip_check, .destroy = clusterip_destroy, .text = &clusterip_text,
};
