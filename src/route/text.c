/*
 * route/text.c - an instance's links, addresses, routes, rules and permanent neighbours as the lines of `ip -batch` that make them.
 * What comes by itself (the host's own routes, generated addresses, the three rules that are always there) is left out, and
 * said to be gone where somebody took it away.
 */
#include "route/route_internal.h"

#include <linux/if_addr.h>

#include "route/text.h"

static void print_addr(struct strbuf *out, uint8_t family, const union nf_inet_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	sb_adds(out, inet_ntop(family == NFPROTO_IPV6 ? AF_INET6 : AF_INET, addr, text, sizeof(text)));
}

static void print_link(const struct instance *inst, const struct iface *iface, struct strbuf *out)
{
	const uint8_t *m = iface->mac;

	if (iface->is_loopback) {
		if (iface->mtu != 65536)
			sb_printf(out, "link set lo mtu %u\n", MIN_OF(iface->mtu, 65535u));
		return;
	}
	if (iface->type == ARPHRD_NONE) {
		sb_printf(out, "tuntap add dev %s mode tun\nlink set %s mtu %u group %u", iface->name, iface->name, iface->mtu,
			  iface->group);
	} else {
		sb_adds(out, "link add ");
		if (iface->vlan_parent)
			sb_printf(out, "link %s ", iface->vlan_parent->name);
		sb_printf(out, "name %s address %02x:%02x:%02x:%02x:%02x:%02x mtu %u group %u", iface->name, m[0], m[1], m[2], m[3],
			  m[4], m[5], iface->mtu, iface->group);
	}
	if (iface->noarp && iface->type != ARPHRD_NONE)
		sb_adds(out, " arp off");
	if (!iface->multicast)
		sb_adds(out, " multicast off");
	if (iface->promisc)
		sb_adds(out, " promisc on");
	if (iface->vlan_parent)
		sb_printf(out, " type vlan id %u", iface->vlan_id);
	else if (iface->type != ARPHRD_NONE)
		sb_adds(out, " type dummy");
	sb_addc(out, '\n');
}

static void print_addresses(const struct iface *iface, const struct list *addrs, struct strbuf *out)
{
	list_for_each(node, addrs) {
		const struct iface_addr *a = list_entry(node, struct iface_addr, node);

		if (container_of(a, struct addr_record, pub)->generated)
			continue;
		sb_adds(out, "addr add ");
		print_addr(out, a->family, &a->addr);
		if (memcmp(&a->addr, &a->peer, a->family == NFPROTO_IPV6 ? 16 : 4)) {
			sb_adds(out, " peer ");
			print_addr(out, a->family, &a->peer);
		}
		sb_printf(out, "/%u", a->prefix_len);
		if (a->family == NFPROTO_IPV4 && a->broadcast) {
			sb_adds(out, " brd ");
			print_addr(out, NFPROTO_IPV4, &(union nf_inet_addr){ .ip = a->broadcast });
		}
		if (a->family == NFPROTO_IPV4)
			sb_printf(out, " scope %u", a->scope);
		if (a->flags & IFA_F_NODAD)
			sb_adds(out, " nodad");
		if (a->flags & IFA_F_NOPREFIXROUTE)
			sb_adds(out, " noprefixroute");
		sb_printf(out, " dev %s\n", iface->name);
	}
}

static const char *type_name(uint8_t type)
{
	switch (type) {
	case RTN_LOCAL: return "local ";
	case RTN_BROADCAST: return "broadcast ";
	case RTN_ANYCAST: return "anycast ";
	case RTN_MULTICAST: return "multicast ";
	case RTN_BLACKHOLE: return "blackhole ";
	case RTN_UNREACHABLE: return "unreachable ";
	case RTN_PROHIBIT: return "prohibit ";
	case RTN_THROW: return "throw ";
	}
	return "";
}

static bool is_zero(const union nf_inet_addr *addr)
{
	return !(addr->all[0] | addr->all[1] | addr->all[2] | addr->all[3]);
}

static union nf_inet_addr addr_of_prefix(const struct prefix *p, uint8_t family)
{
	union nf_inet_addr addr = { .all = { 0 } };

	if (family == NFPROTO_IPV4) {
		addr.ip = htonl((uint32_t)(p->hi >> 32));
		return addr;
	}
	put_be32(addr.in6.s6_addr, (uint32_t)(p->hi >> 32));
	put_be32(addr.in6.s6_addr + 4, (uint32_t)p->hi);
	put_be32(addr.in6.s6_addr + 8, (uint32_t)(p->lo >> 32));
	put_be32(addr.in6.s6_addr + 12, (uint32_t)p->lo);
	return addr;
}

static void print_route(const struct route_entry *e, struct strbuf *out)
{
	union nf_inet_addr dst = addr_of_prefix(&e->leaf->prefix, e->family);

	if (e->protocol == RTPROT_KERNEL)
		return;
	sb_printf(out, "-%c route append %s", e->family == NFPROTO_IPV6 ? '6' : '4', type_name(e->type));
	print_addr(out, e->family, &dst);
	sb_printf(out, "/%u", e->leaf->plen);
	if (e->gateway_family) {
		sb_adds(out, e->gateway_family == NFPROTO_IPV6 ? " via inet6 " : " via ");
		print_addr(out, e->gateway_family, &e->gateway);
	}
	if (e->dev && !fib_type_is_error(e->type))
		sb_printf(out, " dev %s", e->dev->name);
	sb_printf(out, " table %u proto %u", e->table->id, e->protocol);
	if (e->family == NFPROTO_IPV4)
		sb_printf(out, " scope %u", e->scope);
	if (e->priority)
		sb_printf(out, " metric %u", e->priority);
	if (e->tos)
		sb_printf(out, " tos %x", e->tos);
	if (!is_zero(&e->prefsrc)) {
		sb_adds(out, " src ");
		print_addr(out, e->family, &e->prefsrc);
	}
	if (e->mtu)
		sb_printf(out, " mtu %s%u", e->mtu_lock ? "lock " : "", e->mtu);
	if (e->advmss)
		sb_printf(out, " advmss %u", e->advmss);
	if (e->hoplimit)
		sb_printf(out, " hoplimit %u", e->hoplimit);
	if (e->realm)
		sb_printf(out, " realm %u/%u", e->realm >> 16, e->realm & 0xffff);
	sb_adds(out, e->onlink ? " onlink\n" : "\n");
}

static bool is_plain(const struct rule_spec *s)
{
	return !s->src_len && !s->dst_len && !s->tos && s->action == FR_ACT_TO_TBL && !s->invert && !s->has_mark && !s->mark &&
	       !s->iif[0] && !s->oif[0] && !s->ipproto && !s->sport_lo && !s->sport_hi && !s->dport_lo && !s->dport_hi &&
	       s->suppress_prefixlength == -1;
}

static void print_rule(const struct rule_spec *s, struct strbuf *out)
{
	static const char *const actions[] = { [FR_ACT_NOP] = "nop", [FR_ACT_BLACKHOLE] = "blackhole",
					       [FR_ACT_UNREACHABLE] = "unreachable", [FR_ACT_PROHIBIT] = "prohibit" };

	sb_printf(out, "-%c rule add pref %u%s", s->family == NFPROTO_IPV6 ? '6' : '4', s->priority, s->invert ? " not" : "");
	if (s->src_len) {
		sb_adds(out, " from ");
		print_addr(out, s->family, &s->src);
		sb_printf(out, "/%u", s->src_len);
	}
	if (s->dst_len) {
		sb_adds(out, " to ");
		print_addr(out, s->family, &s->dst);
		sb_printf(out, "/%u", s->dst_len);
	}
	if (s->has_mark || s->mark)
		sb_printf(out, " fwmark %#x/%#x", s->mark, s->mark_mask);
	if (s->iif[0])
		sb_printf(out, " iif %s", s->iif);
	if (s->oif[0])
		sb_printf(out, " oif %s", s->oif);
	if (s->tos)
		sb_printf(out, " tos %x", s->tos);
	if (s->ipproto)
		sb_printf(out, " ipproto %u", s->ipproto);
	if (s->sport_hi)
		sb_printf(out, " sport %u-%u", s->sport_lo, s->sport_hi);
	if (s->dport_hi)
		sb_printf(out, " dport %u-%u", s->dport_lo, s->dport_hi);
	if (s->action == FR_ACT_TO_TBL)
		sb_printf(out, " lookup %u", s->table);
	else if (s->action == FR_ACT_GOTO)
		sb_printf(out, " goto %u", s->goto_target);
	else if (s->action < ARRAY_SIZE(actions) && actions[s->action])
		sb_printf(out, " %s", actions[s->action]);
	if (s->suppress_prefixlength >= 0)
		sb_printf(out, " suppress_prefixlength %d", s->suppress_prefixlength);
	sb_addc(out, '\n');
}

static void print_rules(struct fib *fib, uint8_t family, struct strbuf *out)
{
	static const struct { uint32_t priority, table; } always[] = { { 0, RT_TABLE_LOCAL }, { 0x7ffe, RT_TABLE_MAIN },
								       { 0x7fff, RT_TABLE_DEFAULT } };
	unsigned int count = family == NFPROTO_IPV4 ? 3 : 2;
	bool seen[3] = { false };

	list_for_each(node, &fib_family(fib, family)->rules) {
		const struct rule_spec *s = &list_entry(node, struct fib_rule, node)->spec;
		bool comes_by_itself = false;

		for (unsigned int i = 0; i < count && !comes_by_itself; i++)
			if (!seen[i] && is_plain(s) && s->priority == always[i].priority && s->table == always[i].table)
				comes_by_itself = seen[i] = true;
		if (!comes_by_itself)
			print_rule(s, out);
	}
	for (unsigned int i = 0; i < count; i++)
		if (!seen[i])
			sb_printf(out, "-%c rule del pref %u lookup %u\n", family == NFPROTO_IPV6 ? '6' : '4', always[i].priority,
				  always[i].table);
}

static bool print_neighbour(void *priv, const struct neigh_view *n)
{
	struct strbuf *out = priv;

	if (n->state != NUD_PERMANENT)
		return true;
	sb_adds(out, "neigh replace ");
	print_addr(out, n->family, &n->addr);
	sb_printf(out, " lladdr %02x:%02x:%02x:%02x:%02x:%02x dev %s\n", n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4],
		  n->mac[5], n->iface->name);
	return true;
}

void route_text(struct instance *inst, struct strbuf *out)
{
	list_for_each(node, &inst->ifaces)
		print_link(inst, list_entry(node, struct iface, node), out);
	list_for_each(node, &inst->ifaces) {
		const struct iface *iface = list_entry(node, struct iface, node);

		if (iface->up)
			sb_printf(out, "link set %s up\n", iface->name);
		else if (iface->is_loopback)
			sb_adds(out, "link set lo down\n");
		print_addresses(iface, &iface->addrs4, out);
		print_addresses(iface, &iface->addrs6, out);
	}
	list_for_each(node, &inst->fib->entries)
		print_route(list_entry(node, struct route_entry, dev_node), out);
	print_rules(inst->fib, NFPROTO_IPV4, out);
	print_rules(inst->fib, NFPROTO_IPV6, out);
	neigh_each(inst, print_neighbour, out);
}
