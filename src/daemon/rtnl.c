/*
 * daemon/rtnl.c - see rtnl.h. One message of the kernel becomes one line; the kernel's own routes (proto kernel) and what interfaces
 * make by themselves come with the addresses, so they have none.
 */
#include "daemon/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/uapi.h"

#include <linux/if_arp.h>

enum { BUFFER = 1 << 16, ATTRS_MAX = 64, NAMES_ROOM = 64, SOCKET_ROOM = 4 << 20 };

struct link_name { unsigned int index; char name[IFNAMSIZ]; };

struct rtnl {
	int changes, asking;		/* two sockets: answers and changes do not mix; -1: none */
	uint32_t seq;
	struct link_name *names;
	size_t name_count, name_room;
};

struct message {
	struct rtnl *rtnl;
	struct rtnl_line line;
	struct strbuf text, unknown;
	const struct rtattr *attr[ATTRS_MAX];
};

/* --- names of links --- */

static const char *name_of(const struct rtnl *r, unsigned int index)
{
	for (size_t i = 0; i < r->name_count; i++)
		if (r->names[i].index == index)
			return r->names[i].name;
	return NULL;
}

static void name_set(struct rtnl *r, unsigned int index, const char *name)
{
	struct link_name *at = NULL;

	for (size_t i = 0; i < r->name_count && !at; i++)
		if (r->names[i].index == index)
			at = &r->names[i];
	if (!at && r->name_count == r->name_room) {
		size_t room = r->name_room + NAMES_ROOM;
		struct link_name *more = realloc(r->names, room * sizeof(*more));

		if (!more)
			return;
		r->names = more;
		r->name_room = room;
	}
	if (!at)
		at = &r->names[r->name_count++];
	at->index = index;
	snprintf(at->name, sizeof(at->name), "%s", name);
}

static void name_drop(struct rtnl *r, unsigned int index)
{
	for (size_t i = 0; i < r->name_count; i++)
		if (r->names[i].index == index)
			r->names[i] = r->names[--r->name_count];
}

/* --- attributes --- */

static void attrs_read(const struct rtattr **attr, const struct rtattr *at, int len)
{
	memset(attr, 0, ATTRS_MAX * sizeof(*attr));
	for (; RTA_OK(at, len); at = RTA_NEXT(at, len))
		if ((at->rta_type & NLA_TYPE_MASK) < ATTRS_MAX)
			attr[at->rta_type & NLA_TYPE_MASK] = at;
}

static size_t attr_len(const struct rtattr *attr) { return attr ? RTA_PAYLOAD(attr) : 0; }

static uint32_t attr_u32(const struct rtattr *attr, uint32_t otherwise)
{
	uint32_t v;

	if (attr_len(attr) < sizeof(v))
		return otherwise;
	memcpy(&v, RTA_DATA(attr), sizeof(v));
	return v;
}

static uint8_t attr_u8(const struct rtattr *attr) { return attr_len(attr) ? *(const uint8_t *)RTA_DATA(attr) : 0; }

/* A text that ends; NULL: there is none. */
static const char *attr_text(const struct rtattr *attr)
{
	return attr_len(attr) && memchr(RTA_DATA(attr), 0, attr_len(attr)) ? RTA_DATA(attr) : NULL;
}

static bool add_addr(struct strbuf *out, int family, const void *addr, size_t len)
{
	char text[INET6_ADDRSTRLEN];

	if (len < (family == AF_INET6 ? 16u : 4u))
		return false;
	sb_adds(out, inet_ntop(family, addr, text, sizeof(text)));
	return true;
}

static bool add_attr_addr(struct strbuf *out, int family, const struct rtattr *attr)
{
	return attr && add_addr(out, family, RTA_DATA(attr), attr_len(attr));
}

static bool add_dev(struct message *m, unsigned int index)
{
	const char *name = name_of(m->rtnl, index);

	if (name)
		sb_printf(&m->text, " dev %s", name);
	return name != NULL;
}

/* --- links --- */

static bool is_generic_kind(const char *kind)
{
	static const char *const plain[] = { "dummy", "veth", "ifb", "tun", "macvlan", "ipvlan", "bond", "team", "virtio", "macvtap" };

	for (size_t i = 0; kind && i < ARRAY_SIZE(plain); i++)
		if (!strcmp(kind, plain[i]))
			return true;
	return !kind;
}

static void mac_text(struct strbuf *out, const uint8_t *m)
{
	sb_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* What of a link can change. */
static void set_line(struct message *m, const struct ifinfomsg *info, const char *name)
{
	bool is_ether = info->ifi_type == ARPHRD_ETHER;

	sb_printf(&m->text, "link set %s", name);
	if (is_ether && attr_len(m->attr[IFLA_ADDRESS]) >= 6) {
		sb_adds(&m->text, " address ");
		mac_text(&m->text, RTA_DATA(m->attr[IFLA_ADDRESS]));
	}
	sb_printf(&m->text, " mtu %u group %u", MIN_OF(attr_u32(m->attr[IFLA_MTU], 1500), 65535u),
		  attr_u32(m->attr[IFLA_GROUP], 0) & INT32_MAX);
	if (is_ether)
		sb_printf(&m->text, " arp %s multicast %s", info->ifi_flags & IFF_NOARP ? "off" : "on",
			  info->ifi_flags & IFF_MULTICAST ? "on" : "off");
	sb_adds(&m->text, info->ifi_flags & IFF_UP ? " up" : " down");
}

static void link_line(struct message *m, const void *data, size_t len)
{
	const struct ifinfomsg *info = data;
	const struct rtattr *of_kind[ATTRS_MAX] = { NULL }, *of_vlan[ATTRS_MAX] = { NULL };
	const char *name, *kind;

	if (len < sizeof(*info))
		return;
	attrs_read(m->attr, (const void *)((const char *)data + NLMSG_ALIGN(sizeof(*info))), (int)(len - NLMSG_ALIGN(sizeof(*info))));
	name = attr_text(m->attr[IFLA_IFNAME]);
	if (!name || !*name || strlen(name) >= IFNAMSIZ || info->ifi_family == AF_BRIDGE)
		return;
	if (m->attr[IFLA_LINKINFO])
		attrs_read(of_kind, RTA_DATA(m->attr[IFLA_LINKINFO]), (int)attr_len(m->attr[IFLA_LINKINFO]));
	kind = attr_text(of_kind[IFLA_INFO_KIND]);
	m->line.ifname = name;
	if (m->line.is_del) {
		name_drop(m->rtnl, (unsigned int)info->ifi_index);
		sb_printf(&m->text, "link delete %s", name);
		return;
	}
	name_set(m->rtnl, (unsigned int)info->ifi_index, name);
	if (info->ifi_type == ARPHRD_LOOPBACK) {
		sb_printf(&m->text, "link set %s %s", name, info->ifi_flags & IFF_UP ? "up" : "down");
		return;
	}
	if (info->ifi_type != ARPHRD_ETHER && info->ifi_type != ARPHRD_NONE) {
		sb_printf(&m->unknown, "link %s has the unknown type %u", name, info->ifi_type);
		return;
	}
	if (info->ifi_type == ARPHRD_NONE) {
		sb_printf(&m->text, "tuntap add dev %s mode tun\n", name);
		set_line(m, info, name);
		return;
	}
	if (kind && !strcmp(kind, "vlan") && of_kind[IFLA_INFO_DATA]) {
		const char *parent = name_of(m->rtnl, attr_u32(m->attr[IFLA_LINK], 0));
		uint16_t id;

		attrs_read(of_vlan, RTA_DATA(of_kind[IFLA_INFO_DATA]), (int)attr_len(of_kind[IFLA_INFO_DATA]));
		if (!parent || attr_len(of_vlan[IFLA_VLAN_ID]) < sizeof(id)) {
			sb_printf(&m->unknown, "vlan %s stands on a link of another namespace", name);
			return;
		}
		memcpy(&id, RTA_DATA(of_vlan[IFLA_VLAN_ID]), sizeof(id));
		sb_printf(&m->text, "link add link %s name %s type vlan id %u\n", parent, name, id);
	} else {
		sb_printf(&m->text, "link add name %s type dummy\n", name);
		if (!is_generic_kind(kind))
			sb_printf(&m->unknown, "%s is a %s: taken for a plain device", name, kind);
	}
	if (attr_u32(m->attr[IFLA_MASTER], 0)) {
		const char *master = name_of(m->rtnl, attr_u32(m->attr[IFLA_MASTER], 0));

		sb_printf(&m->unknown, "%s%s is a port of %s, which is not modelled", m->unknown.len ? "; " : "", name,
			  master ? master : "another link");
	}
	set_line(m, info, name);
}

/* --- addresses --- */

static void addr_line(struct message *m, const void *data, size_t len)
{
	const struct ifaddrmsg *info = data;
	const struct rtattr *local, *address;
	uint32_t flags;
	int family;

	if (len < sizeof(*info) || (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return;
	family = info->ifa_family;
	attrs_read(m->attr, IFA_RTA((struct ifaddrmsg *)data), (int)(len - NLMSG_ALIGN(sizeof(*info))));
	flags = attr_u32(m->attr[IFA_FLAGS], info->ifa_flags);
	address = m->attr[IFA_ADDRESS];
	local = m->attr[IFA_LOCAL] ? m->attr[IFA_LOCAL] : address;
	sb_printf(&m->text, "addr %s ", m->line.is_del ? "delete" : "replace");
	if (!add_attr_addr(&m->text, family, local)) {
		sb_reset(&m->text);
		return;
	}
	if (address && local && attr_len(address) == attr_len(local) && memcmp(RTA_DATA(address), RTA_DATA(local), attr_len(local))) {
		sb_adds(&m->text, " peer ");
		add_attr_addr(&m->text, family, address);
	}
	sb_printf(&m->text, "/%u", info->ifa_prefixlen);
	if (family == AF_INET && attr_len(m->attr[IFA_BROADCAST]) >= 4) {
		sb_adds(&m->text, " brd ");
		add_attr_addr(&m->text, family, m->attr[IFA_BROADCAST]);
	}
	if (family == AF_INET)
		sb_printf(&m->text, " scope %u", info->ifa_scope);
	if (flags & IFA_F_NOPREFIXROUTE)
		sb_adds(&m->text, " noprefixroute");
	if (family == AF_INET6)
		sb_adds(&m->text, " nodad");	/* the host has found out */
	if (!add_dev(m, info->ifa_index))
		sb_reset(&m->text);
}

/* --- routes --- */

static const char *route_type(unsigned int type)
{
	static const char *const names[] = { [RTN_UNICAST] = "", [RTN_LOCAL] = "local ", [RTN_BROADCAST] = "broadcast ", [RTN_ANYCAST] = "anycast ",
					     [RTN_MULTICAST] = "multicast ", [RTN_BLACKHOLE] = "blackhole ", [RTN_UNREACHABLE] = "unreachable ",
					     [RTN_PROHIBIT] = "prohibit ", [RTN_THROW] = "throw " };

	return type < ARRAY_SIZE(names) ? names[type] : NULL;
}

static bool is_error(unsigned int type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

static void route_metrics(struct message *m)
{
	const struct rtattr *metric[ATTRS_MAX];
	uint32_t lock;

	if (!m->attr[RTA_METRICS])
		return;
	attrs_read(metric, RTA_DATA(m->attr[RTA_METRICS]), (int)attr_len(m->attr[RTA_METRICS]));
	lock = attr_u32(metric[RTAX_LOCK], 0);
	if (metric[RTAX_MTU])
		sb_printf(&m->text, " mtu %s%u", lock & 1 << RTAX_MTU ? "lock " : "", attr_u32(metric[RTAX_MTU], 0));
	if (metric[RTAX_ADVMSS])
		sb_printf(&m->text, " advmss %u", attr_u32(metric[RTAX_ADVMSS], 0));
	if (metric[RTAX_HOPLIMIT])
		sb_printf(&m->text, " hoplimit %u", attr_u32(metric[RTAX_HOPLIMIT], 0));
}

/* "10.0.0.0/8", with the words before it. */
static bool add_dst(struct message *m, const struct rtmsg *info)
{
	if (!m->attr[RTA_DST])
		sb_adds(&m->text, info->rtm_family == AF_INET6 ? "::" : "0.0.0.0");
	else if (!add_attr_addr(&m->text, info->rtm_family, m->attr[RTA_DST]))
		return false;
	sb_printf(&m->text, "/%u", info->rtm_dst_len);
	return true;
}

static void route_line(struct message *m, const void *data, size_t len)
{
	const struct rtmsg *info = data;
	const char *type;
	uint32_t table;

	if (len < sizeof(*info) || (info->rtm_family != AF_INET && info->rtm_family != AF_INET6))
		return;
	attrs_read(m->attr, RTM_RTA((struct rtmsg *)data), (int)(len - NLMSG_ALIGN(sizeof(*info))));
	table = attr_u32(m->attr[RTA_TABLE], info->rtm_table);
	type = route_type(info->rtm_type);
	if (info->rtm_flags & RTM_F_CLONED || info->rtm_protocol == RTPROT_KERNEL || info->rtm_protocol == RTPROT_REDIRECT)
		return;
	sb_printf(&m->text, "-%c route %s ", info->rtm_family == AF_INET6 ? '6' : '4', m->line.is_del ? "delete" : "replace");
	if (!type || !*type)
		type = type ? type : "?";
	sb_adds(&m->text, type);
	if (*type == '?' || !add_dst(m, info)) {
		sb_printf(&m->unknown, "a route of type %u is not modelled", info->rtm_type);
		sb_reset(&m->text);
		return;
	}
	if (m->attr[RTA_MULTIPATH] || m->attr[RTA_NH_ID] || m->attr[RTA_ENCAP] || m->attr[RTA_SRC]) {
		sb_printf(&m->unknown, "route %s: %s is not modelled", strchr(sb_str(&m->text) + 9, ' ') + 1,
			  m->attr[RTA_MULTIPATH] ? "multipath" : m->attr[RTA_NH_ID] ? "a next-hop object" :
			  m->attr[RTA_ENCAP] ? "encapsulation" : "a source prefix");
		sb_reset(&m->text);
		return;
	}
	if (m->attr[RTA_GATEWAY]) {
		sb_adds(&m->text, " via ");
		add_attr_addr(&m->text, info->rtm_family, m->attr[RTA_GATEWAY]);
	} else if (attr_len(m->attr[RTA_VIA]) >= 2 + 16) {
		const struct rtvia *via = RTA_DATA(m->attr[RTA_VIA]);

		sb_adds(&m->text, " via inet6 ");
		add_addr(&m->text, AF_INET6, via->rtvia_addr, 16);
	}
	if (m->attr[RTA_OIF] && !is_error(info->rtm_type) && !add_dev(m, attr_u32(m->attr[RTA_OIF], 0))) {
		sb_reset(&m->text);
		return;
	}
	sb_printf(&m->text, " table %u proto %u", table, info->rtm_protocol);
	if (info->rtm_family == AF_INET)
		sb_printf(&m->text, " scope %u", info->rtm_scope);
	if (attr_u32(m->attr[RTA_PRIORITY], 0))
		sb_printf(&m->text, " metric %u", attr_u32(m->attr[RTA_PRIORITY], 0));
	if (info->rtm_tos)
		sb_printf(&m->text, " tos %x", info->rtm_tos);
	if (m->attr[RTA_PREFSRC]) {
		sb_adds(&m->text, " src ");
		add_attr_addr(&m->text, info->rtm_family, m->attr[RTA_PREFSRC]);
	}
	route_metrics(m);
	if (attr_u32(m->attr[RTA_FLOW], 0))
		sb_printf(&m->text, " realm %u/%u", attr_u32(m->attr[RTA_FLOW], 0) >> 16, attr_u32(m->attr[RTA_FLOW], 0) & 0xffff);
	if (info->rtm_flags & RTNH_F_ONLINK)
		sb_adds(&m->text, " onlink");
}

/* --- rules --- */

static void add_ports(struct message *m, const char *name, const struct rtattr *attr)
{
	struct fib_rule_port_range range;

	if (attr_len(attr) < sizeof(range))
		return;
	memcpy(&range, RTA_DATA(attr), sizeof(range));
	sb_printf(&m->text, " %s %u-%u", name, range.start, range.end);
}

static void add_prefix(struct message *m, const char *name, int family, const struct rtattr *attr, unsigned int len)
{
	if (!len || !attr)
		return;
	sb_printf(&m->text, " %s ", name);
	add_attr_addr(&m->text, family, attr);
	sb_printf(&m->text, "/%u", len);
}

static void rule_line(struct message *m, const void *data, size_t len)
{
	static const char *const actions[] = { [FR_ACT_NOP] = "nop", [FR_ACT_BLACKHOLE] = "blackhole", [FR_ACT_UNREACHABLE] = "unreachable",
					       [FR_ACT_PROHIBIT] = "prohibit" };
	const struct fib_rule_hdr *info = data;
	const char *name;

	if (len < sizeof(*info) || (info->family != AF_INET && info->family != AF_INET6))
		return;
	attrs_read(m->attr, (const void *)((const char *)data + NLMSG_ALIGN(sizeof(*info))), (int)(len - NLMSG_ALIGN(sizeof(*info))));
	sb_printf(&m->text, "-%c rule %s pref %u%s", info->family == AF_INET6 ? '6' : '4', m->line.is_del ? "delete" : "add",
		  attr_u32(m->attr[FRA_PRIORITY], 0), info->flags & FIB_RULE_INVERT ? " not" : "");
	add_prefix(m, "from", info->family, m->attr[FRA_SRC], info->src_len);
	add_prefix(m, "to", info->family, m->attr[FRA_DST], info->dst_len);
	if (m->attr[FRA_FWMARK] || attr_u32(m->attr[FRA_FWMASK], 0))
		sb_printf(&m->text, " fwmark %#x/%#x", attr_u32(m->attr[FRA_FWMARK], 0), attr_u32(m->attr[FRA_FWMASK], UINT32_MAX));
	name = attr_text(m->attr[FRA_IFNAME]);
	if (name)
		sb_printf(&m->text, " iif %s", name);
	name = attr_text(m->attr[FRA_OIFNAME]);
	if (name)
		sb_printf(&m->text, " oif %s", name);
	if (info->tos)
		sb_printf(&m->text, " tos %x", info->tos);
	if (m->attr[FRA_IP_PROTO])
		sb_printf(&m->text, " ipproto %u", attr_u8(m->attr[FRA_IP_PROTO]));
	add_ports(m, "sport", m->attr[FRA_SPORT_RANGE]);
	add_ports(m, "dport", m->attr[FRA_DPORT_RANGE]);
	if (info->action == FR_ACT_TO_TBL)
		sb_printf(&m->text, " lookup %u", attr_u32(m->attr[FRA_TABLE], info->table));
	else if (info->action == FR_ACT_GOTO)
		sb_printf(&m->text, " goto %u", attr_u32(m->attr[FRA_GOTO], 0));
	else if (info->action < ARRAY_SIZE(actions) && actions[info->action])
		sb_printf(&m->text, " %s", actions[info->action]);
	else
		sb_printf(&m->unknown, "a rule with action %u", info->action);
	if (m->attr[FRA_SUPPRESS_PREFIXLEN] && attr_u32(m->attr[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX) != UINT32_MAX)
		sb_printf(&m->text, " suppress_prefixlength %u", attr_u32(m->attr[FRA_SUPPRESS_PREFIXLEN], 0));
	if (attr_u8(m->attr[FRA_L3MDEV]) || m->attr[FRA_UID_RANGE] || m->attr[FRA_TUN_ID] ||
	    (m->attr[FRA_SUPPRESS_IFGROUP] && attr_u32(m->attr[FRA_SUPPRESS_IFGROUP], UINT32_MAX) != UINT32_MAX)) {
		sb_printf(&m->unknown, "rule %u asks for l3mdev, a user, a tunnel or an interface group, which is not modelled",
			  attr_u32(m->attr[FRA_PRIORITY], 0));
		sb_reset(&m->text);
	}
}

/* --- neighbours --- */

static void neigh_line(struct message *m, const void *data, size_t len)
{
	const struct ndmsg *info = data;

	if (len < sizeof(*info) || (info->ndm_family != AF_INET && info->ndm_family != AF_INET6))
		return;
	attrs_read(m->attr, (const void *)((const char *)data + NLMSG_ALIGN(sizeof(*info))), (int)(len - NLMSG_ALIGN(sizeof(*info))));
	/* learned ones weir learns itself, from the same answers */
	if (!(info->ndm_state & NUD_PERMANENT) && !m->line.is_del)
		return;
	if (info->ndm_flags & NTF_PROXY) {
		sb_adds(&m->unknown, "a proxy neighbour is not modelled");
		return;
	}
	if (!m->line.is_del && attr_len(m->attr[NDA_LLADDR]) < 6)
		return;			/* of a multicast address, or of lo */
	sb_printf(&m->text, "neigh %s ", m->line.is_del ? "delete" : "replace");
	if (!add_attr_addr(&m->text, info->ndm_family, m->attr[NDA_DST])) {
		sb_reset(&m->text);
		return;
	}
	if (!m->line.is_del) {
		sb_adds(&m->text, " lladdr ");
		mac_text(&m->text, RTA_DATA(m->attr[NDA_LLADDR]));
	}
	if (!add_dev(m, (unsigned int)info->ndm_ifindex))
		sb_reset(&m->text);
}

/* --- messages --- */

typedef void (*rtnl_visit)(void *priv, const struct rtnl_line *line);

static void one_message(struct message *m, const struct nlmsghdr *head, rtnl_visit visit, void *priv)
{
	static const struct { uint16_t made, gone; void (*fn)(struct message *m, const void *data, size_t len); } kinds[] = {
		[RTNL_LINK] = { RTM_NEWLINK, RTM_DELLINK, link_line }, [RTNL_ADDR] = { RTM_NEWADDR, RTM_DELADDR, addr_line },
		[RTNL_ROUTE] = { RTM_NEWROUTE, RTM_DELROUTE, route_line }, [RTNL_RULE] = { RTM_NEWRULE, RTM_DELRULE, rule_line },
		[RTNL_NEIGH] = { RTM_NEWNEIGH, RTM_DELNEIGH, neigh_line },
	};

	sb_reset(&m->text);
	sb_reset(&m->unknown);
	for (unsigned int kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		if (head->nlmsg_type != kinds[kind].made && head->nlmsg_type != kinds[kind].gone)
			continue;
		m->line = (struct rtnl_line){ .kind = kind, .is_del = head->nlmsg_type == kinds[kind].gone };
		kinds[kind].fn(m, NLMSG_DATA(head), head->nlmsg_len - NLMSG_HDRLEN);
		m->line.text = m->text.len ? sb_str(&m->text) : NULL;
		m->line.unknown = m->unknown.len ? sb_str(&m->unknown) : NULL;
		if (m->line.text || m->line.unknown)
			visit(priv, &m->line);
	}
}

/* A datagram's messages. 1: the dump goes on; 0: it ended; negative errno. */
static int messages(struct rtnl *r, const void *data, size_t len, uint32_t seq, rtnl_visit visit, void *priv)
{
	struct message m = { .rtnl = r };
	const struct nlmsghdr *head = data;
	int left = (int)len, result = 1;

	for (; NLMSG_OK(head, left) && result == 1; head = NLMSG_NEXT(head, left)) {
		if (seq && head->nlmsg_seq != seq)
			continue;
		if (head->nlmsg_type == NLMSG_DONE)
			result = head->nlmsg_len >= NLMSG_LENGTH(sizeof(int)) ? *(const int *)NLMSG_DATA(head) : 0;
		else if (head->nlmsg_type == NLMSG_ERROR)
			result = head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)) ?
				 ((const struct nlmsgerr *)NLMSG_DATA(head))->error : -EPROTO;
		else
			one_message(&m, head, visit, priv);
	}
	sb_free(&m.text);
	sb_free(&m.unknown);
	return result;
}

void rtnl_translate(struct rtnl *rtnl, const void *message, size_t len, rtnl_visit visit, void *priv)
{
	messages(rtnl, message, len, 0, visit, priv);
}

static int ask(struct rtnl *r, uint16_t type, uint8_t family, rtnl_visit visit, void *priv)
{
	struct { struct nlmsghdr head; uint8_t family, rest[15]; } request = {	/* as long as the longest body is */
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = ++r->seq },
		.family = family,
	};
	int more = 1;
	char *buffer;

	if (send(r->asking, &request, sizeof(request), 0) < 0)
		return -errno;
	buffer = malloc(BUFFER);
	if (!buffer)
		return -ENOMEM;
	while (more == 1) {
		ssize_t n = recv(r->asking, buffer, BUFFER, 0);

		if (n < 0 && errno == EINTR)
			continue;
		more = n < 0 ? -errno : messages(r, buffer, (size_t)n, r->seq, visit, priv);
	}
	free(buffer);
	return more > 0 ? -EPROTO : more;
}

int rtnl_dump(struct rtnl *r, rtnl_visit visit, void *priv, struct refusal *why)
{
	static const struct { uint16_t type; uint8_t family; const char *what; } all[] = {
		{ RTM_GETLINK, AF_UNSPEC, "links" }, { RTM_GETADDR, AF_INET, "addresses" }, { RTM_GETADDR, AF_INET6, "IPv6 addresses" },
		{ RTM_GETROUTE, AF_INET, "routes" }, { RTM_GETROUTE, AF_INET6, "IPv6 routes" }, { RTM_GETRULE, AF_INET, "rules" },
		{ RTM_GETRULE, AF_INET6, "IPv6 rules" }, { RTM_GETNEIGH, AF_UNSPEC, "neighbours" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int err = ask(r, all[i].type, all[i].family, visit, priv);

		if (err)
			return refuse(why, err, "the kernel does not tell its %s: %s", all[i].what, strerror(-err));
	}
	return 0;
}

int rtnl_changes(struct rtnl *r, rtnl_visit visit, void *priv)
{
	char *buffer = malloc(BUFFER);
	int err = buffer ? 0 : -ENOMEM;

	while (!err) {
		ssize_t n = recv(r->changes, buffer, BUFFER, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = errno == EAGAIN ? 0 : -errno;
			break;
		}
		messages(r, buffer, (size_t)n, 0, visit, priv);
	}
	free(buffer);
	return err;
}

/* --- life --- */

static int socket_open(uint32_t groups, struct refusal *why)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), size = SOCKET_ROOM;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		int err = refuse(why, -errno, "no rtnetlink socket: %s", strerror(errno));

		if (fd >= 0)
			close(fd);
		return err;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

struct rtnl *rtnl_new(void)
{
	struct rtnl *r = calloc(1, sizeof(*r));

	if (r)
		r->changes = r->asking = -1;
	return r;
}

struct rtnl *rtnl_open(bool follow, struct refusal *why)
{
	const uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
				RTMGRP_NEIGH | RTMGRP_IPV4_RULE | 1u << (RTNLGRP_IPV6_RULE - 1);
	struct rtnl *r = rtnl_new();

	if (!r) {
		refuse(why, -ENOMEM, "no memory for rtnetlink");
		return NULL;
	}
	if (follow)
		r->changes = socket_open(groups, why);	/* before the dump, so that nothing falls between */
	if (!follow || r->changes >= 0)
		r->asking = socket_open(0, why);
	if (r->asking < 0) {
		rtnl_close(r);
		return NULL;
	}
	return r;
}

void rtnl_close(struct rtnl *r)
{
	if (!r)
		return;
	if (r->changes >= 0)
		close(r->changes);
	if (r->asking >= 0)
		close(r->asking);
	free(r->names);
	free(r);
}

int rtnl_fd(const struct rtnl *r) { return r->changes; }
