/*
 * route/iface_conf.c - net.ipv4.conf.* and net.ipv6.conf.*: one struct per interface, one for "all", one
 * for "default" that new interfaces start from. The table below is all that names, places and defaults are.
 */
#include "route/route_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/sysctl.h"

enum conf_special { PLAIN, FORWARDING4, FORWARDING6, DISABLE6, MTU6, ADDR_GEN6 };

struct conf_field {
	const char *name;
	uint16_t at;
	int all, fresh;			/* the kernel's initial values for "all" and for "default" */
	enum conf_special special;
	bool is_v6;
	int min, max;			/* both 0: any int */
};

#define V4(name, all, fresh) { #name, offsetof(struct iface_conf, name), all, fresh, PLAIN, false, 0, 0 }
#define V6(name, field, all, fresh) { #name, offsetof(struct iface_conf, field), all, fresh, PLAIN, true, 0, 0 }
#define KEPT(n) offsetof(struct iface_conf, unused[n])
#define KEPT4(n, name, fresh) { #name, KEPT(n), fresh, fresh, PLAIN, false, 0, 0 }
#define KEPT6(n, name, all, fresh) { #name, KEPT(n), all, fresh, PLAIN, true, 0, 0 }

static const struct conf_field fields[] = {
	{ "forwarding", offsetof(struct iface_conf, forwarding), 0, 0, FORWARDING4, false, 0, 0 },
	V4(rp_filter, 0, 0), V4(accept_local, 0, 0), V4(route_localnet, 0, 0), V4(accept_source_route, 0, 1),
	V4(accept_redirects, 1, 1), V4(send_redirects, 1, 1), V4(secure_redirects, 1, 1), V4(shared_media, 1, 1),
	V4(log_martians, 0, 0), V4(arp_ignore, 0, 0), V4(arp_announce, 0, 0), V4(arp_filter, 0, 0),
	V4(proxy_arp, 0, 0), V4(src_valid_mark, 0, 0), V4(drop_unicast_in_l2_multicast, 0, 0),
	V4(promote_secondaries, 0, 0), V4(bc_forwarding, 0, 0), V4(drop_gratuitous_arp, 0, 0),
	V4(ignore_routes_with_linkdown, 0, 0),
	KEPT4(0, arp_accept, 0), KEPT4(1, arp_notify, 0), KEPT4(2, arp_evict_nocarrier, 1), KEPT4(3, bootp_relay, 0),
	KEPT4(4, disable_policy, 0), KEPT4(5, disable_xfrm, 0), KEPT4(6, force_igmp_version, 0),
	KEPT4(7, igmpv2_unsolicited_report_interval, 10000), KEPT4(8, igmpv3_unsolicited_report_interval, 1000),
	KEPT4(9, medium_id, 0), KEPT4(10, proxy_arp_pvlan, 0), KEPT4(11, tag, 0),

	{ "forwarding", offsetof(struct iface_conf, forwarding6), 0, 0, FORWARDING6, true, 0, 0 },
	{ "disable_ipv6", offsetof(struct iface_conf, disable6), 0, 0, DISABLE6, true, 0, 0 },
	{ "mtu", offsetof(struct iface_conf, mtu6), 1280, 1280, MTU6, true, 0, 0 },
	{ "addr_gen_mode", offsetof(struct iface_conf, addr_gen_mode6), 1, 1, ADDR_GEN6, true, 0, 3 },
	{ "hop_limit", offsetof(struct iface_conf, hop_limit6), 64, 64, PLAIN, true, 1, 255 },
	V6(accept_source_route, accept_source_route6, 0, 0), V6(accept_redirects, accept_redirects6, 1, 1),
	V6(accept_ra, accept_ra6, 1, 1), V6(force_forwarding, force_forwarding6, 0, 0),
	V6(drop_unicast_in_l2_multicast, drop_unicast_in_l2_multicast6, 0, 0),
	V6(keep_addr_on_down, keep_addr_on_down6, 0, 0), V6(use_oif_addrs_only, use_oif_addrs_only6, 0, 0),
	KEPT6(16, accept_dad, 0, 1), KEPT6(17, accept_ra_defrtr, 1, 1), KEPT6(18, accept_ra_from_local, 0, 0),
	KEPT6(19, accept_ra_min_hop_limit, 1, 1), KEPT6(20, accept_ra_mtu, 1, 1), KEPT6(21, accept_ra_pinfo, 1, 1),
	KEPT6(22, accept_ra_rtr_pref, 1, 1), KEPT6(23, autoconf, 1, 1), KEPT6(24, dad_transmits, 1, 1),
	KEPT6(25, disable_policy, 0, 0), KEPT6(26, drop_unsolicited_na, 0, 0), KEPT6(27, enhanced_dad, 1, 1),
	KEPT6(28, force_mld_version, 0, 0), KEPT6(29, force_tllao, 0, 0),
	KEPT6(30, ignore_routes_with_linkdown, 0, 0), KEPT6(31, max_addresses, 16, 16),
	KEPT6(32, max_desync_factor, 600, 600), KEPT6(33, mc_forwarding, 0, 0),
	KEPT6(34, mldv1_unsolicited_report_interval, 10000, 10000),
	KEPT6(35, mldv2_unsolicited_report_interval, 1000, 1000), KEPT6(36, ndisc_notify, 0, 0),
	KEPT6(37, ndisc_tclass, 0, 0), KEPT6(38, optimistic_dad, 0, 0), KEPT6(39, proxy_ndp, 0, 0),
	KEPT6(40, regen_max_retry, 3, 3), KEPT6(41, router_probe_interval, 60, 60),
	KEPT6(42, router_solicitation_delay, 1, 1), KEPT6(43, router_solicitation_interval, 4, 4),
	KEPT6(44, router_solicitation_max_interval, 3600, 3600), KEPT6(45, router_solicitations, -1, -1),
	KEPT6(46, rpl_seg_enabled, 0, 0), KEPT6(47, seg6_enabled, 0, 0), KEPT6(48, suppress_frag_ndisc, 1, 1),
	KEPT6(49, temp_prefered_lft, 86400, 86400), KEPT6(50, temp_valid_lft, 604800, 604800),
	KEPT6(51, use_optimistic, 0, 0), KEPT6(52, use_tempaddr, 0, 0), KEPT6(53, accept_untracked_na, 0, 0),
	KEPT6(54, ra_defrtr_metric, 1024, 1024), KEPT6(55, accept_ra_min_lft, 0, 0),
	KEPT6(56, ndisc_evict_nocarrier, 1, 1), KEPT6(57, ioam6_enabled, 0, 0), KEPT6(58, regen_min_advance, 2, 2),
};

static int *field_of(struct iface_conf *conf, const struct conf_field *field)
{
	return (int *)((char *)conf + field->at);
}

/* --- effective values --- */

const struct iface_conf *iface_conf_all(const struct instance *inst) { return inst->fib->conf_all; }

int iface_conf_rp_filter(const struct instance *inst, const struct iface *iface)
{
	return MAX_OF(inst->fib->conf_all->rp_filter, iface->conf->rp_filter);
}

bool iface_conf_forwarding(const struct instance *inst, const struct iface *iface, uint8_t family)
{
	if (family == NFPROTO_IPV6)
		return inst->fib->conf_all->forwarding6 || iface->conf->force_forwarding6;
	return iface->conf->forwarding;
}

bool iface_conf_route_localnet(const struct instance *inst, const struct iface *iface)
{
	return inst->fib->conf_all->route_localnet || iface->conf->route_localnet;
}

bool iface_conf_accept_local(const struct instance *inst, const struct iface *iface)
{
	return inst->fib->conf_all->accept_local || iface->conf->accept_local;
}

bool iface_conf_send_redirects(const struct instance *inst, const struct iface *iface)
{
	return inst->fib->conf_all->send_redirects || iface->conf->send_redirects;
}

bool iface_conf_log_martians(const struct instance *inst, const struct iface *iface)
{
	return inst->fib->conf_all->log_martians || iface->conf->log_martians;
}

uint32_t iface_conf_mtu6(const struct iface *iface)
{
	uint32_t own = iface->conf ? (uint32_t)iface->conf->mtu6 : 0;

	return own ? MIN_OF(own, iface->mtu) : iface->mtu;
}

/* --- what a change brings about --- */

struct conf_owner {			/* whose sysctl it is: found from priv */
	struct fib *fib;
	struct iface *iface;		/* NULL: all or default */
	struct iface_conf *conf;
	struct conf_owner *next;
	char prefix[2][64];
};

/* Turning forwarding on or off for all copies to every interface and to default, and a host ignores redirects. */
static void spread_forwarding4(struct fib *fib, int value)
{
	if (fib->forwarding4 == value)
		return;
	fib->forwarding4 = value;
	fib->conf_all->accept_redirects = !value;
	fib->conf_default->forwarding = value;
	list_for_each(node, &fib->inst->ifaces)
		list_entry(node, struct iface, node)->conf->forwarding = value;
}

static void set_forwarding6(struct fib *fib, struct iface *iface, int value)
{
	bool was = iface->conf->forwarding6;

	iface->conf->forwarding6 = value;
	if (was != (bool)value)
		addr6_forwarding_changed(fib, iface, value);
}

static void spread_forwarding6(struct fib *fib, int value)
{
	fib->conf_all->forwarding6 = value;
	fib->conf_default->forwarding6 = value;
	list_for_each(node, &fib->inst->ifaces)
		set_forwarding6(fib, list_entry(node, struct iface, node), value);
}

static void set_disable6(struct fib *fib, struct iface *iface, int value)
{
	bool was = iface->conf->disable6;

	if (was == (bool)value)
		return;
	iface->conf->disable6 = 0;
	if (value) {
		addr6_iface_down(fib, iface, false);
		if (fib->inst->neigh)
			neigh_flush_iface(fib->inst, iface, NFPROTO_IPV6);
	} else if (iface->up) {
		addr6_iface_up(fib, iface);
	}
	iface->conf->disable6 = value;
}

static void spread_disable6(struct fib *fib, int value)
{
	fib->conf_default->disable6 = value;
	list_for_each(node, &fib->inst->ifaces)
		set_disable6(fib, list_entry(node, struct iface, node), value);
}

static int conf_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	struct conf_owner *owner = priv;
	struct fib *fib = owner->fib;
	int value = *(int *)ctl->value;
	size_t at = (size_t)((char *)ctl->value - (char *)owner->conf);
	bool all = owner->conf == fib->conf_all;

	fib_changed(fib);
	if (at == offsetof(struct iface_conf, forwarding)) {
		if (all)
			spread_forwarding4(fib, value);
	} else if (at == offsetof(struct iface_conf, forwarding6)) {
		if (all)
			spread_forwarding6(fib, value);
		else if (owner->iface)
			addr6_forwarding_changed(fib, owner->iface, value);
	} else if (at == offsetof(struct iface_conf, disable6)) {
		if (all) {
			spread_disable6(fib, value);
		} else if (owner->iface) {
			owner->iface->conf->disable6 = !value;
			set_disable6(fib, owner->iface, value);
		}
	} else if (at == offsetof(struct iface_conf, mtu6) && owner->iface &&
		   (value < 1280 || (uint32_t)value > owner->iface->mtu)) {
		return refuse(why, -EINVAL, "sysctl: the IPv6 MTU of %s is 1280 to %u", owner->iface->name,
			      owner->iface->mtu);
	} else if (at == offsetof(struct iface_conf, addr_gen_mode6) && owner->iface && owner->iface->up) {
		addr6_iface_up(fib, owner->iface);
	}
	return 0;
}

/* net.ipv4.ip_forward is net.ipv4.conf.all.forwarding by its older name. */
static int ip_forward_changed(void *priv, const struct sysctl *ctl, const char *text, struct refusal *why)
{
	struct fib *fib = priv;

	spread_forwarding4(fib, fib->conf_all->forwarding);
	fib_changed(fib);
	return 0;
}

/* --- registration --- */

/* sysctl names separate by dots: a dot in an interface's name is written as a slash. */
static void name_prefix(char *out, size_t size, const char *family, const char *who)
{
	int at = snprintf(out, size, "net.%s.conf.", family);

	snprintf(out + at, size - (size_t)at, "%s.", who);
	for (char *p = out + at; *p && p[1]; p++)
		if (*p == '.')
			*p = '/';
}

static int register_owner(struct conf_owner *owner, const char *who)
{
	struct sysctls *ctls = owner->fib->inst->sysctls;
	int err = 0;

	name_prefix(owner->prefix[0], sizeof(owner->prefix[0]), "ipv4", who);
	name_prefix(owner->prefix[1], sizeof(owner->prefix[1]), "ipv6", who);
	for (size_t i = 0; i < ARRAY_SIZE(fields) && ctls; i++) {
		char name[128];
		struct sysctl ctl = { .name = name, .kind = SYSCTL_INT, .value = field_of(owner->conf, &fields[i]),
				      .min = fields[i].min, .max = fields[i].max, .changed = conf_changed,
				      .priv = owner };

		snprintf(name, sizeof(name), "%s%s", owner->prefix[fields[i].is_v6], fields[i].name);
		err = sysctl_register(ctls, &ctl);
		if (err)
			return err;
	}
	return 0;
}

static struct conf_owner *owner_new(struct fib *fib, struct iface *iface, struct iface_conf *conf, const char *who)
{
	struct conf_owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->fib = fib;
	owner->iface = iface;
	owner->conf = conf;
	if (register_owner(owner, who)) {
		free(owner);
		return NULL;
	}
	owner->next = fib->conf_owners;
	fib->conf_owners = owner;
	return owner;
}

int conf_init(struct fib *fib)
{
	struct sysctl ip_forward = { .name = "net.ipv4.ip_forward", .kind = SYSCTL_INT, .priv = fib,
				     .changed = ip_forward_changed };

	fib->conf_all = calloc(1, sizeof(*fib->conf_all));
	fib->conf_default = calloc(1, sizeof(*fib->conf_default));
	if (!fib->conf_all || !fib->conf_default)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		*field_of(fib->conf_all, &fields[i]) = fields[i].all;
		*field_of(fib->conf_default, &fields[i]) = fields[i].fresh;
	}
	if (!owner_new(fib, NULL, fib->conf_all, "all") || !owner_new(fib, NULL, fib->conf_default, "default"))
		return -ENOMEM;
	ip_forward.value = &fib->conf_all->forwarding;
	return fib->inst->sysctls ? sysctl_register(fib->inst->sysctls, &ip_forward) : 0;
}

void conf_clear(struct fib *fib)
{
	if (fib->inst->sysctls)
		sysctl_unregister_prefix(fib->inst->sysctls, "net.ipv4.ip_forward");
	while (fib->conf_owners) {
		struct conf_owner *owner = fib->conf_owners;

		for (int i = 0; i < 2 && fib->inst->sysctls; i++)
			sysctl_unregister_prefix(fib->inst->sysctls, owner->prefix[i]);
		fib->conf_owners = owner->next;
		free(owner);
	}
	free(fib->conf_all);
	free(fib->conf_default);
}

int iface_conf_new(struct instance *inst, struct iface *iface)
{
	iface->conf = malloc(sizeof(*iface->conf));
	if (!iface->conf)
		return -ENOMEM;
	*iface->conf = *inst->fib->conf_default;
	iface->conf->mtu6 = 0;
	if (!owner_new(inst->fib, iface, iface->conf, iface->name)) {
		free(iface->conf);
		iface->conf = NULL;
		return -ENOMEM;
	}
	return 0;
}

void iface_conf_free(struct instance *inst, struct iface *iface)
{
	struct conf_owner **at = &inst->fib->conf_owners;

	addr4_iface_down(inst->fib, iface, true);
	addr6_iface_down(inst->fib, iface, true);
	if (inst->neigh)
		neigh_flush_iface(inst, iface, 0);
	while (*at && (*at)->iface != iface)
		at = &(*at)->next;
	if (*at) {
		struct conf_owner *owner = *at;

		for (int i = 0; i < 2 && inst->sysctls; i++)
			sysctl_unregister_prefix(inst->sysctls, owner->prefix[i]);
		*at = owner->next;
		free(owner);
	}
	free(iface->conf);
	iface->conf = NULL;
}
