/* cli/netip_link.c - `ip link`, `ip tuntap` and `ip address`. */
#include "cli/netip_internal.h"

#include <linux/if_addr.h>

#include "cli/cli.h"

struct link_spec {
	const char *name;
	unsigned int name_word;
	struct iface *parent;
	bool has_mac, has_mtu, has_group, is_vlan, has_id, is_raw;
	uint8_t mac[6];
	uint32_t mtu, group, vlan_id;
	int up, arp, multicast, promisc;	/* -1: not said */
};

static const struct link_spec link_none = { .up = -1, .arp = -1, .multicast = -1, .promisc = -1 };

static bool on_off(struct ipargs *a, const char *what, int *out)
{
	const char *word;

	if (!ip_value(a, "on or off", &word))
		return false;
	if (strcmp(word, "on") == 0 || strcmp(word, "off") == 0) {
		*out = word[1] == 'n';
		return true;
	}
	return ip_bad(a, "%s is on or off, not \"%s\"", what, word);
}

static bool link_group(struct ipargs *a, struct link_spec *spec)
{
	spec->has_group = true;
	if (ip_is(a, "default")) {
		spec->group = 0;
		return true;
	}
	return ip_u32(a, "group", 0, INT32_MAX, &spec->group);
}

/* A property that add and set share. 1 taken, 0 not one, -1 refused. */
static int link_property(struct ipargs *a, struct link_spec *spec)
{
	uint32_t ignored;
	const char *text;
	int yes;
	bool good;

	if (ip_is(a, "up"))
		spec->up = 1;
	else if (ip_is(a, "down"))
		spec->up = 0;
	else if (ip_is(a, "arp"))
		return on_off(a, "arp", &spec->arp) ? 1 : -1;
	else if (ip_is_short(a, "multicast", 2))
		return on_off(a, "multicast", &spec->multicast) ? 1 : -1;
	else if (ip_is_short(a, "promisc", 2))
		return on_off(a, "promisc", &spec->promisc) ? 1 : -1;
	else if (ip_is_short(a, "allmulticast", 3) || ip_is_short(a, "dynamic", 2))
		return on_off(a, a->words->argv[a->at - 1], &yes) ? 1 : -1;	/* changes nothing that weir shows */
	else if (ip_is(a, "mtu")) {
		spec->has_mtu = true;
		return ip_u32(a, "mtu", 0, 65575, &spec->mtu) ? 1 : -1;
	} else if (ip_is_short(a, "address", 2)) {
		spec->has_mac = true;
		return ip_mac(a, spec->mac) ? 1 : -1;
	} else if (ip_is(a, "group"))
		return link_group(a, spec) ? 1 : -1;
	else if (ip_is(a, "txqueuelen") || ip_is(a, "txqlen") || ip_is(a, "qlen") || ip_is(a, "numtxqueues") ||
		 ip_is(a, "numrxqueues") || ip_is(a, "gso_max_size") || ip_is(a, "gso_max_segs"))
		return ip_u32(a, a->words->argv[a->at - 1], 0, UINT32_MAX, &ignored) ? 1 : -1;	/* no queues here */
	else if (ip_is(a, "alias"))
		return ip_value(a, "a text", &text) ? 1 : -1;
	else if (ip_is(a, "nomaster"))
		;
	else if (ip_is(a, "addrgenmode")) {
		good = ip_is(a, "none");
		return good ? 1 : (ip_bad_next(a, "only \"addrgenmode none\": weir makes no IPv6 addresses by itself"), -1);
	} else if (ip_is(a, "master") || ip_is(a, "vrf") || ip_is(a, "netns") || ip_is(a, "xdp") || ip_is(a, "name"))
		return ip_bad(a, "\"%s\" is not modelled by weir", a->words->argv[a->at - 1]), -1;
	else
		return 0;
	return 1;
}

static const char *const link_words[] = { "up", "down", "arp", "multicast", "promisc", "mtu", "address", "group",
					  "txqueuelen", "type", "link", "name", "dev", "alias", NULL };

static bool link_kind(struct ipargs *a, struct link_spec *spec)
{
	const char *kind;

	if (!ip_value(a, "a link type", &kind))
		return false;
	if (strcmp(kind, "vlan") == 0) {
		spec->is_vlan = true;
		while (ip_word(a)) {
			if (ip_is(a, "id")) {
				if (!ip_u32(a, "a VLAN id", 0, 4094, &spec->vlan_id))
					return false;
				spec->has_id = true;
			} else if (ip_is_short(a, "protocol", 1)) {
				if (!ip_is(a, "802.1q") && !ip_is(a, "802.1Q"))
					return ip_bad_next(a, "only VLAN protocol 802.1q is modelled");
			} else if (ip_is(a, "reorder_hdr")) {
				int on = 1;

				if (!on_off(a, "reorder_hdr", &on))
					return false;
				if (!on)
					return ip_bad(a, "\"reorder_hdr off\" is not modelled by weir");
			} else {
				return ip_bad_next(a, "VLAN option \"%s\" is not modelled by weir", ip_word(a));
			}
		}
		return spec->has_id ? true : ip_bad_next(a, "a vlan needs \"id N\"");
	}
	/* Devices that a packet enters and leaves by are all the same to weir: ports. */
	if (strcmp(kind, "dummy") == 0 || strcmp(kind, "veth") == 0 || strcmp(kind, "ifb") == 0)
		return ip_word(a) ? ip_bad_next(a, "\"%s\" of a %s is not modelled by weir", ip_word(a), kind) : true;
	return ip_bad(a, "link type \"%s\" is not modelled by weir (plain devices and vlan are)", kind);
}

static bool link_apply(struct ipargs *a, struct iface *iface, const struct link_spec *spec)
{
	struct instance *inst = a->ip->inst;
	int err;

	if (spec->has_mtu && spec->mtu < 68)
		return ip_bad(a, "an mtu of %u is less than the 68 bytes of IPv4", spec->mtu);
	if (spec->has_mtu && iface->vlan_parent && spec->mtu > iface->vlan_parent->mtu)
		return ip_bad(a, "an mtu of %u is more than %s has (%u)", spec->mtu, iface->vlan_parent->name,
			      iface->vlan_parent->mtu);
	if (spec->has_mac && (iface->type != ARPHRD_ETHER || spec->mac[0] & 1))
		return ip_bad(a, iface->type != ARPHRD_ETHER ? "%s has no link-layer address" :
			      "the address of %s may not be a multicast one", iface->name);
	if (spec->has_mac)
		memcpy(iface->mac, spec->mac, 6);
	if (spec->has_mtu)
		route_iface_set_mtu(inst, iface, spec->mtu);
	if (spec->has_group)
		iface->group = spec->group;
	if (spec->arp >= 0)
		iface->noarp = !spec->arp;
	if (spec->multicast >= 0)
		iface->multicast = spec->multicast;
	if (spec->promisc >= 0)
		iface->promisc = spec->promisc;
	if (spec->up < 0)
		return true;
	if (spec->up && iface->vlan_parent && !iface->vlan_parent->up)
		return ip_bad(a, "%s cannot be up while %s is down", iface->name, iface->vlan_parent->name);
	err = route_iface_set_up(inst, iface, spec->up, a->why);
	return err ? ip_refused(a, err) : true;
}

static bool link_make(struct ipargs *a, const struct link_spec *spec, struct iface **out)
{
	struct netip *ip = a->ip;
	unsigned short type = ip->port_type ? ip->port_type(ip->priv, spec->name) : 0;
	int err;

	if (spec->is_raw)
		type = ARPHRD_NONE;
	else if (!type || spec->has_mac || spec->is_vlan)
		type = ARPHRD_ETHER;
	if (spec->is_vlan)
		for (struct list *n = ip->inst->ifaces.next; n != &ip->inst->ifaces; n = n->next) {
			struct iface *other = list_entry(n, struct iface, node);

			if (other->vlan_parent == spec->parent && other->vlan_id == spec->vlan_id)
				return ip_bad(a, "%s already is VLAN %u of %s", other->name, spec->vlan_id, spec->parent->name);
		}
	err = iface_add(ip->inst, spec->name, type, out, a->why);
	if (err) {
		ip_refused(a, err);
		a->why->at = words_at(a->words, spec->name_word);
		return false;
	}
	if (spec->is_vlan) {
		(*out)->vlan_parent = spec->parent;
		(*out)->vlan_id = (uint16_t)spec->vlan_id;
		(*out)->mtu = spec->parent->mtu;
		memcpy((*out)->mac, spec->parent->mac, 6);
	}
	return true;
}

static bool link_add(struct ipargs *a)
{
	struct link_spec spec = link_none;
	struct iface *iface;

	while (ip_word(a)) {
		bool said;
		int r;

		if (ip_is(a, "type")) {
			if (!link_kind(a, &spec))
				return false;
			break;
		}
		if (ip_is_short(a, "link", 1)) {
			if (!ip_dev(a, &spec.parent))
				return false;
			continue;
		}
		said = ip_is(a, "name") || ip_is(a, "dev");
		r = said ? 0 : link_property(a, &spec);
		if (r < 0)
			return false;
		if (r > 0)
			continue;
		if (spec.name)
			return said ? ip_bad(a, "a second name") : ip_unknown(a, "link property", link_words);
		spec.name_word = a->at;
		if (!ip_value(a, "a device name", &spec.name))
			return false;
	}
	if (!spec.name)
		return ip_bad_next(a, "a device name is missing");
	if (spec.is_vlan && !spec.parent)
		return ip_bad_next(a, "a vlan needs \"link PARENT\"");
	if (spec.parent && !spec.is_vlan)
		return ip_bad_next(a, "\"link %s\" belongs to type vlan", spec.parent->name);
	return link_make(a, &spec, &iface) && link_apply(a, iface, &spec);
}

static bool link_set(struct ipargs *a)
{
	struct link_spec spec = link_none;
	struct iface *iface;

	ip_is(a, "dev");
	spec.name_word = a->at;
	if (!ip_value(a, "a device name", &spec.name))
		return false;
	while (ip_word(a)) {
		int r = link_property(a, &spec);

		if (r < 0)
			return false;
		if (r == 0)
			return ip_unknown(a, "link property", link_words);
	}
	iface = iface_find(a->ip->inst, spec.name);
	if (!iface && !a->ip->loading) {
		a->at = spec.name_word + 1;
		return ip_bad(a, "cannot find device \"%s\"", spec.name);
	}
	if (!iface && !link_make(a, &spec, &iface))
		return false;
	return link_apply(a, iface, &spec);
}

static bool link_delete(struct ipargs *a)
{
	struct iface *iface;
	const char *kind;

	ip_is(a, "dev");
	if (!ip_dev(a, &iface))
		return false;
	if (ip_is(a, "type") && !ip_value(a, "a link type", &kind))
		return false;
	if (iface->is_loopback)
		return ip_bad(a, "lo cannot be deleted");
	for (struct list *n = a->ip->inst->ifaces.next; n != &a->ip->inst->ifaces; n = n->next) {
		struct iface *child = list_entry(n, struct iface, node);

		if (child->vlan_parent == iface)
			return ip_bad(a, "%s still carries %s: delete that first", iface->name, child->name);
	}
	iface_remove(a->ip->inst, iface);
	return true;
}

bool ip_link(struct ipargs *a)
{
	static const char *const known[] = { "add", "set", "delete", NULL };

	if (ip_is_short(a, "add", 1))
		return link_add(a);
	if (ip_is_short(a, "set", 1))
		return link_set(a);
	if (ip_is_short(a, "delete", 1))
		return link_delete(a);
	return ip_unknown(a, "link command", known);
}

/* tuntap add dev tun0 mode tun: a device of raw IP packets. */
bool ip_tuntap(struct ipargs *a)
{
	struct link_spec spec = link_none;
	struct iface *iface;
	bool has_mode = false;
	const char *word;
	uint32_t ignored;

	if (!ip_is_short(a, "add", 1))
		return ip_bad_next(a, "only \"tuntap add\" is modelled");
	while (ip_word(a)) {
		if (ip_is(a, "mode")) {
			if (!ip_value(a, "tun or tap", &word))
				return false;
			if (strcmp(word, "tun") != 0 && strcmp(word, "tap") != 0)
				return ip_bad(a, "mode is tun or tap, not \"%s\"", word);
			spec.is_raw = word[1] == 'u';
			has_mode = true;
		} else if (ip_is(a, "user") || ip_is(a, "group")) {
			if (!ip_u32(a, "an id", 0, UINT32_MAX, &ignored))
				return false;
		} else if (!ip_is(a, "multi_queue") && !ip_is(a, "pi") && !ip_is(a, "vnet_hdr") && !ip_is(a, "one_queue")) {
			if (!ip_is(a, "dev"))
				ip_is(a, "name");
			spec.name_word = a->at;
			if (!ip_value(a, "a device name", &spec.name))
				return false;
		}
	}
	if (!has_mode || !spec.name)
		return ip_bad_next(a, has_mode ? "a device name is missing" : "\"mode tun\" or \"mode tap\" is missing");
	if (!link_make(a, &spec, &iface))
		return false;
	iface->noarp = iface->is_pointopoint = spec.is_raw;
	return true;
}

static bool address_flags(struct ipargs *a, struct iface_addr *addr, bool *taken)
{
	const char *word;
	uint32_t ignored;

	*taken = true;
	if (ip_is(a, "nodad"))
		addr->flags |= IFA_F_NODAD;
	else if (ip_is(a, "noprefixroute"))
		addr->flags |= IFA_F_NOPREFIXROUTE;
	else if (ip_is(a, "home") || ip_is(a, "autojoin") || ip_is(a, "mngtmpaddr") || ip_is(a, "optimistic"))
		return ip_bad(a, "\"%s\" is not modelled by weir", a->words->argv[a->at - 1]);
	else if (ip_is(a, "label"))
		return ip_value(a, "a label", &word);
	else if (ip_is(a, "metric") || ip_is(a, "priority") || ip_is(a, "preference")) {
		if (!ip_u32(a, "metric", 0, UINT32_MAX, &ignored))
			return false;
		return ignored == 0 ? true : ip_bad(a, "an address metric is not modelled by weir");
	} else if (ip_is(a, "valid_lft") || ip_is(a, "preferred_lft")) {
		if (!ip_value(a, "a lifetime", &word))
			return false;
		return strcmp(word, "forever") == 0 ? true : ip_bad(a, "lifetimes other than \"forever\" are not modelled by weir");
	} else
		*taken = false;
	return true;
}

static bool address_change(struct ipargs *a, bool is_del, bool is_replace)
{
	struct iface_addr addr = { 0 };
	struct ip_prefix local, peer;
	struct iface *iface = NULL;
	bool has_local = false, has_peer = false, has_scope = false, brd_plus = false, brd_minus = false, taken;
	uint8_t family4 = AF_INET;
	union nf_inet_addr brd;
	uint32_t bits;
	int err;

	while (ip_word(a)) {
		if (ip_is(a, "dev")) {
			if (!ip_dev(a, &iface))
				return false;
		} else if (ip_is(a, "peer") || ip_is_short(a, "remote", 3)) {
			if (!ip_prefix(a, "an address", &peer))
				return false;
			has_peer = true;
			a->family = peer.family;
		} else if (ip_is(a, "brd") || ip_is_short(a, "broadcast", 2)) {
			brd_plus = ip_is(a, "+");
			brd_minus = !brd_plus && ip_is(a, "-");
			if (brd_plus || brd_minus)
				continue;
			if (!ip_addr(a, "a broadcast address", &family4, &brd))
				return false;
			addr.broadcast = brd.ip;
		} else if (ip_is(a, "scope")) {
			if (!ip_scope(a, &addr.scope))
				return false;
			has_scope = true;
		} else if (ip_is(a, "anycast")) {
			return ip_bad(a, "anycast addresses are not modelled by weir");
		} else {
			if (!address_flags(a, &addr, &taken))
				return false;
			if (taken)
				continue;
			ip_is(a, "local");
			if (has_local)
				return ip_bad_next(a, "\"%s\" is too much here", ip_word(a) ? ip_word(a) : "");
			if (!ip_prefix(a, "an address", &local))
				return false;
			if (local.is_default)
				return ip_bad(a, "an address is needed, not \"%s\"", a->words->argv[a->at - 1]);
			has_local = true;
			a->family = local.family;
		}
	}
	if (!has_local)
		return ip_bad_next(a, "an address is missing");
	if (!iface)
		return ip_bad_next(a, "\"dev NAME\" is missing");
	if (has_peer && peer.family != local.family)
		return ip_bad(a, "the peer's address is of the other family");
	addr.iface = iface;
	addr.family = local.family;
	addr.prefix_len = has_peer ? peer.len : local.len;
	addr.addr = local.addr;
	addr.peer = has_peer ? peer.addr : local.addr;
	bits = addr.prefix_len == 0 ? 0 : UINT32_MAX << (32 - (addr.prefix_len < 32 ? addr.prefix_len : 32));
	if ((brd_plus || brd_minus) && addr.family == AF_INET && addr.prefix_len <= 30)
		addr.broadcast = brd_plus ? addr.peer.ip | htonl(~bits) : addr.peer.ip & htonl(bits);
	if (!has_scope && addr.family == AF_INET && (ntohl(addr.addr.ip) >> 24) == 127)
		addr.scope = RT_SCOPE_HOST;
	if (is_del) {
		err = route_addr_del(a->ip->inst, iface, &addr, a->why);
	} else {
		err = route_addr_add(a->ip->inst, iface, &addr, a->why);
		if (err == -EEXIST && is_replace)
			err = 0;
	}
	return err ? ip_refused(a, err) : true;
}

static bool address_flush(struct ipargs *a)
{
	struct iface *iface = NULL;
	int err = 0;

	while (ip_word(a)) {
		ip_is(a, "dev");
		if (!ip_dev(a, &iface))
			return false;
	}
	if (!iface)
		return ip_bad_next(a, "\"dev NAME\" is missing");
	for (int six = 0; six < 2 && !err; six++) {
		struct list *head = six ? &iface->addrs6 : &iface->addrs4;

		if (a->family && a->family != (six ? AF_INET6 : AF_INET))
			continue;
		while (!err && !list_is_empty(head)) {
			struct iface_addr copy = *list_entry(head->next, struct iface_addr, node);

			err = route_addr_del(a->ip->inst, iface, &copy, a->why);
		}
	}
	return err ? ip_refused(a, err) : true;
}

bool ip_address(struct ipargs *a)
{
	static const char *const known[] = { "add", "replace", "change", "delete", "flush", NULL };

	if (ip_is_short(a, "add", 1))
		return address_change(a, false, false);
	if (ip_is_short(a, "change", 1) || ip_is(a, "chg") || ip_is_short(a, "replace", 1))
		return address_change(a, false, true);
	if (ip_is_short(a, "delete", 1))
		return address_change(a, true, false);
	if (ip_is_short(a, "flush", 1))
		return address_flush(a);
	return ip_unknown(a, "address command", known);
}
