/* cli/netip_route.c - `ip route`, `ip rule` and `ip neigh`. */
#include "cli/netip_internal.h"

#include <linux/fib_rules.h>
#include <stdio.h>
#include <stdlib.h>

#include "route/neighbour.h"

static const struct { const char *name; uint8_t type; } route_types[] = {
	{ "unicast", RTN_UNICAST }, { "local", RTN_LOCAL }, { "broadcast", RTN_BROADCAST }, { "anycast", RTN_ANYCAST },
	{ "multicast", RTN_MULTICAST }, { "blackhole", RTN_BLACKHOLE }, { "unreachable", RTN_UNREACHABLE },
	{ "prohibit", RTN_PROHIBIT }, { "throw", RTN_THROW },
};

static bool route_type(struct ipargs *a, uint8_t *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(route_types); i++)
		if (ip_is(a, route_types[i].name)) {
			*type = route_types[i].type;
			return true;
		}
	return false;
}

static bool route_via(struct ipargs *a, struct route_spec *spec)
{
	uint8_t family = a->family;

	if (ip_is(a, "inet6"))
		family = AF_INET6;
	else if (ip_is(a, "inet"))
		family = AF_INET;
	if (!ip_addr(a, "a gateway", &family, &spec->gateway))
		return false;
	spec->gateway_family = family;
	return true;
}

static bool route_metrics(struct ipargs *a, struct route_spec *spec, bool *taken)
{
	uint32_t v = 0;

	*taken = true;
	if (ip_is(a, "mtu")) {
		spec->mtu_lock = ip_is(a, "lock");
		return ip_u32(a, "mtu", 0, 65535, &spec->mtu);
	}
	if (ip_is(a, "advmss")) {
		ip_is(a, "lock");
		return ip_u32(a, "advmss", 0, 65535, &spec->advmss);
	}
	if (ip_is(a, "hoplimit")) {
		ip_is(a, "lock");
		if (!ip_u32(a, "hoplimit", 0, 255, &v))
			return false;
		spec->hoplimit = (uint8_t)v;
		return true;
	}
	/* Of no effect on packets that are forwarded, or that weir makes. */
	if (ip_is(a, "window") || ip_is(a, "cwnd") || ip_is(a, "initcwnd") || ip_is(a, "initrwnd") || ip_is(a, "ssthresh") ||
	    ip_is(a, "reordering") || ip_is(a, "quickack")) {
		ip_is(a, "lock");
		return ip_u32(a, a->words->argv[a->at - 1], 0, UINT32_MAX, &v);
	}
	*taken = false;
	return true;
}

static bool route_option(struct ipargs *a, struct route_spec *spec, bool *has_table, bool *has_proto, bool *taken)
{
	const char *word;

	*taken = true;
	if (ip_is(a, "via"))
		return route_via(a, spec);
	if (ip_is(a, "dev") || ip_is(a, "oif"))
		return ip_dev(a, &spec->oif);
	if (ip_is(a, "table")) {
		*has_table = true;
		return ip_table(a, &spec->table);
	}
	if (ip_is_short(a, "metric", 1) && strcmp(a->words->argv[a->at - 1], "mtu") != 0)
		return ip_u32(a, "metric", 0, UINT32_MAX, &spec->metric);
	if (ip_is_short(a, "priority", 4) || ip_is_short(a, "preference", 5))
		return ip_u32(a, "metric", 0, UINT32_MAX, &spec->metric);
	if (ip_is(a, "src")) {
		uint8_t family = a->family;

		if (!ip_addr(a, "an address", &family, &spec->prefsrc))
			return false;
		a->family = family;
		return true;
	}
	if (ip_is(a, "onlink")) {
		spec->onlink = true;
		return true;
	}
	if (ip_is_short(a, "scope", 2)) {
		spec->has_scope = true;
		return ip_scope(a, &spec->scope);
	}
	if (ip_is_short(a, "protocol", 3)) {
		*has_proto = true;
		return ip_protocol(a, &spec->protocol);
	}
	if (ip_is(a, "tos") || ip_is(a, "dsfield"))
		return ip_tos(a, &spec->tos);
	if (ip_is_short(a, "realms", 3))
		return ip_realm(a, &spec->realm);
	if (ip_is(a, "pref")) {
		if (!ip_value(a, "a preference", &word))
			return false;
		return strcmp(word, "medium") == 0 ? true : ip_bad(a, "router preference \"%s\" is not modelled by weir", word);
	}
	if (ip_is(a, "nexthop") || ip_is(a, "nhid"))
		return ip_bad(a, "multipath routes (%s) are not modelled by weir", a->words->argv[a->at - 1]);
	if (ip_is(a, "encap") || ip_is(a, "expires") || ip_is(a, "congctl") || ip_is(a, "features") || ip_is(a, "rtt") ||
	    ip_is(a, "rttvar") || ip_is(a, "rto_min") || ip_is(a, "fastopen_no_cookie") || ip_is(a, "ttl-propagate") ||
	    ip_is(a, "vrf") || ip_is(a, "from") || ip_is(a, "nopref"))
		return ip_bad(a, "route option \"%s\" is not modelled by weir", a->words->argv[a->at - 1]);
	return route_metrics(a, spec, taken);
}

static bool route_change(struct ipargs *a, bool is_del, bool is_replace)
{
	static const char *const known[] = { "via", "dev", "metric", "table", "src", "mtu", "advmss", "onlink", "scope",
					     "proto", "tos", "realm", NULL };
	struct route_spec spec = { .type = is_del ? RTN_UNSPEC : RTN_UNICAST, .table = RT_TABLE_MAIN,
				   .scope = is_del ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE };
	bool has_dst = false, has_table = false, has_proto = false, taken;
	struct ip_prefix dst = { 0 };
	unsigned int dst_word = 0;
	int err;

	route_type(a, &spec.type);
	while (ip_word(a)) {
		taken = false;
		if (!route_option(a, &spec, &has_table, &has_proto, &taken))
			return false;
		if (taken)
			continue;
		if (has_dst)
			return ip_unknown(a, "route option", known);
		ip_is(a, "to");
		if (!has_dst && route_type(a, &spec.type))
			continue;
		dst_word = a->at;
		if (!ip_prefix(a, "a destination", &dst))
			return false;
		has_dst = true;
		if (!dst.is_default)
			a->family = dst.family;
	}
	if (!has_dst)
		return ip_bad_next(a, "a destination is missing (an address, a prefix, or default)");
	spec.family = a->family ? a->family : spec.gateway_family ? spec.gateway_family : AF_INET;
	if (spec.gateway_family == AF_INET && spec.family == AF_INET6)
		return ip_bad(a, "an IPv6 route cannot have an IPv4 gateway");
	spec.dst = dst.addr;
	spec.prefix_len = dst.is_default ? 0 : dst.len;
	if (!has_proto && !is_del)
		spec.protocol = RTPROT_BOOT;
	if (!has_table && (spec.type == RTN_LOCAL || spec.type == RTN_BROADCAST || spec.type == RTN_ANYCAST))
		spec.table = RT_TABLE_LOCAL;
	if (!spec.has_scope) {
		if (spec.type == RTN_LOCAL)
			spec.scope = RT_SCOPE_HOST;
		else if (spec.type == RTN_BROADCAST || spec.type == RTN_MULTICAST || spec.type == RTN_ANYCAST)
			spec.scope = RT_SCOPE_LINK;
		else if (!is_del && spec.type == RTN_UNICAST && !spec.gateway_family)
			spec.scope = RT_SCOPE_LINK;
	}
	err = is_del ? route_del(a->ip->inst, &spec, a->why) : route_add(a->ip->inst, &spec, is_replace, a->why);
	if (!err)
		return true;
	ip_refused(a, err);
	if (err == -EINVAL && !is_del)
		a->why->at = words_from(a->words, dst_word);
	return false;
}

bool ip_route(struct ipargs *a)
{
	static const char *const known[] = { "add", "replace", "append", "delete", NULL };

	if (ip_is_short(a, "add", 1))
		return route_change(a, false, false);
	if (ip_is_short(a, "replace", 1))
		return route_change(a, false, true);
	if (ip_is_short(a, "append", 2))	/* differs from add only beside a route of equal metric, which is refused */
		return route_change(a, false, false);
	if (ip_is_short(a, "delete", 1))
		return route_change(a, true, false);
	if (ip_is_short(a, "change", 1) || ip_is_short(a, "prepend", 1) || ip_is_short(a, "flush", 1))
		return ip_bad(a, "\"route %s\" is not modelled by weir: use delete and add", a->words->argv[a->at - 1]);
	return ip_unknown(a, "route command", known);
}

static bool port_range(struct ipargs *a, uint16_t *lo, uint16_t *hi)
{
	unsigned int from, to;
	const char *word;
	int used = 0;

	if (!ip_value(a, "a port", &word))
		return false;
	if (sscanf(word, "%5u-%5u%n", &from, &to, &used) == 2 && !word[used])
		;
	else if (sscanf(word, "%5u%n", &from, &used) == 1 && !word[used])
		to = from;
	else
		return ip_bad(a, "not a port or a range of ports: \"%s\"", word);
	if (from > 65535 || to > 65535 || from > to)
		return ip_bad(a, "not a range of ports: \"%s\"", word);
	*lo = (uint16_t)from;
	*hi = (uint16_t)to;
	return true;
}

static bool rule_protocol(struct ipargs *a, uint8_t *out)
{
	static const struct { const char *name; uint8_t number; } names[] = {
		{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", IPPROTO_ICMP }, { "ipv6-icmp", IPPROTO_ICMPV6 },
		{ "icmpv6", IPPROTO_ICMPV6 }, { "sctp", IPPROTO_SCTP }, { "gre", IPPROTO_GRE }, { "dccp", IPPROTO_DCCP },
	};
	uint32_t v = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (ip_is(a, names[i].name)) {
			*out = names[i].number;
			return true;
		}
	if (!ip_u32(a, "a protocol", 0, 255, &v))
		return false;
	*out = (uint8_t)v;
	return true;
}

static bool rule_mark(struct ipargs *a, struct rule_spec *spec)
{
	const char *word;
	char *end;

	if (!ip_value(a, "a mark", &word))
		return false;
	errno = 0;
	spec->mark = (uint32_t)strtoul(word, &end, 0);
	spec->mark_mask = UINT32_MAX;
	if (end != word && *end == '/')
		spec->mark_mask = (uint32_t)strtoul(end + 1, &end, 0);
	if (!*word || *end || errno)
		return ip_bad(a, "not a mark or mark/mask: \"%s\"", word);
	spec->has_mark = true;
	return true;
}

static bool rule_name(struct ipargs *a, char out[IFNAMSIZ])
{
	const char *word;

	if (!ip_value(a, "a device", &word))
		return false;
	if (strlen(word) >= IFNAMSIZ)
		return ip_bad(a, "not a device name: \"%s\"", word);
	strcpy(out, word);
	return true;
}

static bool rule_side(struct ipargs *a, union nf_inet_addr *addr, uint8_t *len)
{
	struct ip_prefix prefix;

	if (!ip_prefix(a, "a prefix", &prefix))
		return false;
	if (prefix.is_default)
		return true;
	a->family = prefix.family;
	*addr = prefix.addr;
	*len = prefix.len;
	return true;
}

static bool rule_action(struct ipargs *a, struct rule_spec *spec, bool *taken)
{
	static const struct { const char *name; uint8_t action; } actions[] = {
		{ "nop", FR_ACT_NOP }, { "blackhole", FR_ACT_BLACKHOLE }, { "unreachable", FR_ACT_UNREACHABLE },
		{ "prohibit", FR_ACT_PROHIBIT }, { "unicast", FR_ACT_TO_TBL },
	};

	ip_is(a, "type");
	*taken = true;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (ip_is(a, actions[i].name)) {
			spec->action = actions[i].action;
			return true;
		}
	*taken = false;
	return true;
}

static bool rule_change(struct ipargs *a, bool is_del)
{
	static const char *const known[] = { "from", "to", "preference", "fwmark", "iif", "oif", "tos", "lookup", "table",
					     "goto", "nop", "prohibit", "blackhole", "unreachable", "not", "ipproto",
					     "sport", "dport", "suppress_prefixlength", NULL };
	struct rule_spec spec = { .suppress_prefixlength = -1, .action = is_del ? FR_ACT_UNSPEC : FR_ACT_TO_TBL };
	uint32_t v = 0;
	uint8_t proto;
	bool good = true, taken;
	int err;

	while (good && ip_word(a)) {
		if (ip_is(a, "not")) {
			spec.invert = true;
		} else if (ip_is(a, "from")) {
			good = rule_side(a, &spec.src, &spec.src_len);
		} else if (ip_is(a, "to")) {
			good = rule_side(a, &spec.dst, &spec.dst_len);
		} else if (ip_is_short(a, "preference", 2) || ip_is_short(a, "order", 2) || ip_is_short(a, "priority", 3)) {
			good = ip_u32(a, "a preference", 0, UINT32_MAX, &spec.priority);
			spec.has_priority = true;
		} else if (ip_is(a, "fwmark")) {
			good = rule_mark(a, &spec);
		} else if (ip_is(a, "iif") || ip_is(a, "dev")) {
			good = rule_name(a, spec.iif);
		} else if (ip_is(a, "oif")) {
			good = rule_name(a, spec.oif);
		} else if (ip_is(a, "tos") || ip_is(a, "dsfield")) {
			good = ip_tos(a, &spec.tos);
		} else if (ip_is_short(a, "lookup", 1) || ip_is(a, "table")) {
			good = ip_table(a, &spec.table);
			spec.action = FR_ACT_TO_TBL;
		} else if (ip_is(a, "goto")) {
			good = ip_u32(a, "a preference", 0, UINT32_MAX, &spec.goto_target);
			spec.action = FR_ACT_GOTO;
		} else if (ip_is(a, "ipproto")) {
			good = rule_protocol(a, &spec.ipproto);
		} else if (ip_is(a, "sport")) {
			good = port_range(a, &spec.sport_lo, &spec.sport_hi);
		} else if (ip_is(a, "dport")) {
			good = port_range(a, &spec.dport_lo, &spec.dport_hi);
		} else if (ip_is_short(a, "suppress_prefixlength", 10) || ip_is(a, "sup_pl")) {
			good = ip_u32(a, "a prefix length", 0, 128, &v);
			spec.suppress_prefixlength = (int)v;
		} else if (ip_is_short(a, "protocol", 4)) {
			good = ip_protocol(a, &proto);	/* who made the rule: a note, no effect */
		} else if (ip_is(a, "l3mdev") || ip_is(a, "uidrange") || ip_is(a, "tun_id") || ip_is(a, "realms") ||
			   ip_is(a, "nat") || ip_is(a, "map-to") || ip_is_short(a, "suppress_ifgroup", 10)) {
			good = ip_bad(a, "rule option \"%s\" is not modelled by weir", a->words->argv[a->at - 1]);
		} else {
			good = rule_action(a, &spec, &taken);
			if (good && !taken)
				return ip_unknown(a, "rule option", known);
		}
	}
	if (!good)
		return false;
	spec.family = a->family ? a->family : AF_INET;
	if (spec.action == FR_ACT_TO_TBL && !spec.table && !is_del)
		spec.table = RT_TABLE_MAIN;
	err = is_del ? route_rule_del(a->ip->inst, &spec, a->why) : route_rule_add(a->ip->inst, &spec, a->why);
	return err ? ip_refused(a, err) : true;
}

bool ip_rule(struct ipargs *a)
{
	static const char *const known[] = { "add", "delete", NULL };

	if (ip_is_short(a, "add", 1))
		return rule_change(a, false);
	if (ip_is_short(a, "delete", 1))
		return rule_change(a, true);
	return ip_unknown(a, "rule command", known);
}

static bool neigh_change(struct ipargs *a, bool is_del)
{
	static const char *const known[] = { "lladdr", "dev", "nud", NULL };
	struct iface *iface = NULL;
	union nf_inet_addr addr;
	uint8_t family = a->family, mac[6];
	bool has_addr = false, has_mac = false;
	const char *state;
	int err;

	while (ip_word(a)) {
		if (ip_is(a, "lladdr")) {
			if (!ip_mac(a, mac))
				return false;
			has_mac = true;
		} else if (ip_is(a, "dev")) {
			if (!ip_dev(a, &iface))
				return false;
		} else if (ip_is(a, "nud")) {
			if (!ip_value(a, "a state", &state))
				return false;
			if (strcmp(state, "permanent") != 0)
				return ip_bad(a, "neighbour state \"%s\" is not modelled by weir: permanent is,"
					      " others are learned from ARP and ND", state);
		} else if (ip_is(a, "router") || ip_is(a, "extern_learn")) {
			;
		} else if (ip_is(a, "proxy")) {
			return ip_bad(a, "proxy neighbours are not modelled by weir");
		} else {
			ip_is(a, "to");
			if (has_addr)
				return ip_unknown(a, "neighbour option", known);
			if (!ip_addr(a, "an address", &family, &addr))
				return false;
			has_addr = true;
		}
	}
	if (!has_addr || !iface)
		return ip_bad_next(a, has_addr ? "\"dev NAME\" is missing" : "an address is missing");
	if (!is_del && !has_mac)
		return ip_bad_next(a, "\"lladdr XX:XX:XX:XX:XX:XX\" is missing");
	err = is_del ? neigh_del(a->ip->inst, iface, family, &addr, a->why) :
		       neigh_set_permanent(a->ip->inst, iface, family, &addr, mac, a->why);
	return err ? ip_refused(a, err) : true;
}

bool ip_neigh(struct ipargs *a)
{
	static const char *const known[] = { "add", "replace", "change", "delete", NULL };

	if (ip_is_short(a, "add", 1) || ip_is_short(a, "replace", 1) || ip_is_short(a, "change", 1) || ip_is(a, "chg"))
		return neigh_change(a, false);
	if (ip_is_short(a, "delete", 1))
		return neigh_change(a, true);
	return ip_unknown(a, "neighbour command", known);
}
