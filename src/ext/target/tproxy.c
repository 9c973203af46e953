/*
 * ext/target/tproxy.c - "-j TPROXY": hands the packet to a local proxy's socket, as it came: to the one that is connected
 * with its sender, else to one that listens at the given address, and only to a transparent one. Without such a socket
 * (declared by "socket add") the packet is dropped.
 */
#include "base/uapi.h"

#include <linux/netfilter/xt_TPROXY.h>

#include "ext/option.h"
#include "host/socket.h"
#include "packet/defrag.h"
#include "route/route.h"

/* What stands for no address: the interface's first, else the packet's own destination. */
static void default_addr(const struct ext_call *call, union nf_inet_addr *addr, const union nf_inet_addr *dst)
{
	const struct list *addrs = call->family == NFPROTO_IPV4 ? &call->state->in->addrs4 : &call->state->in->addrs6;
	const uint16_t passed_over = call->family == NFPROTO_IPV4 ? IFA_F_SECONDARY : IFA_F_TENTATIVE | IFA_F_DEPRECATED;

	list_for_each(node, addrs) {
		const struct iface_addr *own = list_entry(node, struct iface_addr, node);

		if (!(own->flags & passed_over)) {
			*addr = own->addr;
			return;
		}
	}
	*addr = *dst;
}

static struct host_socket *find_socket(const struct pkt *pkt, const union nf_inet_addr *laddr, be16 lport,
				       const struct ext_call *call)
{
	struct host_tuple t = { .family = call->family, .proto = pkt->l.l4proto, .in = call->state->in };
	uint32_t need = t.proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	const uint8_t *l4 = pkt->l.has_l4 && !pkt->l.frag_off ? pkt_at(pkt, pkt->l.l4_off, need) : NULL;
	struct host_socket *socket;

	if (!l4)
		return NULL;
	if (call->family == NFPROTO_IPV4) {
		t.saddr.ip = pkt_ip4(pkt)->saddr;
		t.daddr.ip = pkt_ip4(pkt)->daddr;
	} else {
		memcpy(&t.saddr.in6, &pkt_ip6(pkt)->saddr, 16);
		memcpy(&t.daddr.in6, &pkt_ip6(pkt)->daddr, 16);
	}
	memcpy(&t.sport, l4, 2);
	memcpy(&t.dport, l4 + 2, 2);
	socket = host_socket_find(call->inst, &t, HOST_FIND_CONNECTED);
	if (socket)
		return socket;
	if (laddr->all[0] | laddr->all[1] | laddr->all[2] | laddr->all[3])
		t.daddr = *laddr;
	else
		default_addr(call, &t.daddr, &t.daddr);
	t.dport = lport ? lport : t.dport;
	return host_socket_find(call->inst, &t, HOST_FIND_LISTENING);
}

static unsigned int hand_over(struct pkt *pkt, const union nf_inet_addr *laddr, be16 lport, uint32_t mark,
			      uint32_t mask, const struct ext_call *call)
{
	struct host_socket *socket = find_socket(pkt, laddr, lport, call);

	if (!socket || !socket->spec.transparent) {
		pkt->drop_reason = DROP_RULE;
		return NF_DROP;
	}
	pkt->mark = (pkt->mark & ~mask) ^ mark;
	pkt_socket_set(pkt, socket);
	return NF_ACCEPT;
}

static unsigned int tproxy_target_0(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tproxy_target_info *info = data;
	const union nf_inet_addr laddr = { .ip = info->laddr };

	return hand_over(pkt, &laddr, info->lport, info->mark_value, info->mark_mask, call);
}

static unsigned int tproxy_target_1(struct pkt *pkt, const void *data, struct ext_call *call)
{
	const struct xt_tproxy_target_info_v1 *info = data;

	return hand_over(pkt, &info->laddr, info->lport, info->mark_value, info->mark_mask, call);
}

static int tproxy_check(void *data, const struct ext_check *check, struct refusal *why)
{
	int err;

	if ((check->proto != IPPROTO_TCP && check->proto != IPPROTO_UDP) || check->proto_inverted ||
	    (check->family == NFPROTO_IPV6 && !(check->ip6_flags & IP6T_F_PROTO)))
		return refuse(why, -EINVAL, "TPROXY: needs -p tcp or -p udp");
	err = defrag_hooks_get(check->inst, check->family);
	return err ? refuse(why, err, "TPROXY: fragments cannot be put together") : 0;
}

static void tproxy_destroy(void *data, const struct ext_check *check)
{
	defrag_hooks_put(check->inst, check->family);
}

static int parse_port(struct opt_call *call, struct refusal *why)
{
	uint16_t port = 0;
	int err = opt_any_port(call->arg, &port, why);

	((struct xt_tproxy_target_info_v1 *)call->info)->lport = htons(port);
	return err;
}

static int parse_ip(struct opt_call *call, struct refusal *why)
{
	return opt_host(call, call->arg, &((struct xt_tproxy_target_info_v1 *)call->info)->laddr, why);
}

/* The struct keeps the mask before the value. */
static int parse_mark(struct opt_call *call, struct refusal *why)
{
	struct xt_tproxy_target_info_v1 *info = call->info;
	uint32_t value = info->mark_mask;

	info->mark_mask = info->mark_value;
	info->mark_value = value;
	return 0;
}

static void tproxy_save(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tproxy_target_info_v1 *info = data;

	sb_printf(out, " --on-port %u --on-ip ", ntohs(info->lport));
	print_addr(out, view->family, &info->laddr);
	sb_printf(out, " --tproxy-mark 0x%x/0x%x", info->mark_value, info->mark_mask);
}

static void tproxy_print(const void *data, const struct ext_view *view, struct strbuf *out)
{
	const struct xt_tproxy_target_info_v1 *info = data;

	sb_adds(out, " TPROXY redirect ");
	print_addr(out, view->family, &info->laddr);
	sb_printf(out, ":%u mark 0x%x/0x%x", ntohs(info->lport), info->mark_value, info->mark_mask);
}

static const struct opt tproxy_options[] = {
	{ .name = "on-port", .type = OPT_CUSTOM, .flags = OPT_REQUIRED, .parse = parse_port, .arg = "port",
	  .help = "redirect to the socket at port (declared by \"socket add\"), the original port if 0" },
	{ .name = "on-ip", .type = OPT_CUSTOM, .parse = parse_ip, .arg = "ip",
	  .help = "redirect to the given address" },
	{ .name = "tproxy-mark", .type = OPT_MARK_MASK, .at = offsetof(struct xt_tproxy_target_info_v1, mark_mask),
	  .parse = parse_mark, .arg = "value[/mask]", .help = "mark packets that found a socket" },
	OPT_END
};

static const struct ext_text tproxy_text = {
	.options = tproxy_options, .help_head = "TPROXY target options:", .save = tproxy_save, .print = tproxy_print,
};

#define TPROXY_COMMON .name = "TPROXY", .table = "mangle", .hooks = 1 << NF_INET_PRE_ROUTING, \
	.depends = DEP_L3_ADDRS | DEP_L4_PORTS | DEP_IFACES | DEP_OWNER | DEP_STATE, .checkentry = tproxy_check, .destroy = tproxy_destroy

const struct target target_tproxy_0 = {
	TPROXY_COMMON, .revision = 0, .families = FAMILY_V4, .info_size = sizeof(struct xt_tproxy_target_info),
	.target = tproxy_target_0,
};
const struct target target_tproxy_1 = {
	TPROXY_COMMON, .revision = 1, .families = FAMILY_ANY, .info_size = sizeof(struct xt_tproxy_target_info_v1),
	.target = tproxy_target_1,
	.text = &tproxy_text,
};
